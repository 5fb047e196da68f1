//! When to poll a build next: rarely while it cannot be finished, often when it may be, and never more than the rate
//! limit allows to everybody who shares the key. Pure: no clock, no request.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::http::RateLimit;

/// The longest pause between two polls of a build whose usual duration is unknown. With the poll itself its end is
/// noticed within half a minute, and a hundred waits on one key stay below 5000 requests an hour for a build each
/// (simulated below).
const LONGEST: Duration = Duration::from_secs(28);

/// The shortest pause that is ever useful, in seconds.
const SHORTEST: f64 = 5.0;

/// The longest pause at all: a build that fails early must not go unnoticed for the whole usual duration.
const GAP: Duration = Duration::from_secs(600);

/// Half the width of the dense-polling window around the usual duration, in standard deviations.
///
/// Width and number of polls come from a sweep over the 200 builds of the test below (0.3 to 2 deviations, 4 to 15
/// polls). The aim was a median delay of at most 5 s at the least polls: 0.65 and 7.5 give 4.9 s at 7.2 polls; 0.5
/// needs 7.7 polls for it, 1.0 needs 8.4.
const WINDOW: f64 = 0.65;

/// The polls that this window may cost.
const WINDOW_POLLS: f64 = 7.5;

/// The longest duration that is taken for one, in seconds: numbers from outside may be absurd.
const MOST: f64 = 1e8;

/// How long builds of a workflow usually run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DurationEstimate {
    /// The median, in seconds.
    typical: f64,
    /// A robust standard deviation, in seconds.
    spread: f64,
}

impl DurationEstimate {
    /// The usual duration after successful builds that ran this long, or `None` without any.
    pub fn of(durations: &[Duration]) -> Option<Self> {
        let seconds: Vec<f64> = durations.iter().map(|run| run.as_secs_f64().min(MOST)).collect();
        let typical = median(seconds.clone())?;
        let deviation = median(seconds.iter().map(|run| (run - typical).abs()).collect())?;
        // 1.4826 makes the median deviation of a normal distribution its standard deviation. A few builds that
        // happened to take the same time do not mean that the next one will.
        let doubt = 0.1 / f64::from(u32::try_from(durations.len()).unwrap_or(u32::MAX)).sqrt();
        let spread = (1.4826 * deviation).max(typical * doubt.max(0.015)).max(3.0);
        Some(Self { typical, spread })
    }

    /// The typical duration.
    pub fn typical(self) -> Duration {
        Duration::from_secs_f64(self.typical)
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len().checked_sub(1)? / 2;
    Some(f64::midpoint(values[middle], values[values.len() / 2]))
}

/// How far a build is when the next poll is planned.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// How long it has run; `None` while it is queued.
    pub run: Option<Duration>,
    /// How long it has been watched.
    pub watched: Duration,
}

/// Plans the polls of one build.
#[derive(Debug, Clone, Default)]
pub struct PollSchedule {
    /// How long such builds usually run, if that is known.
    pub estimate: Option<DurationEstimate>,
    /// A fixed pause that somebody asked for.
    pub fixed: Option<Duration>,
}

impl PollSchedule {
    /// The pause until the next poll.
    pub fn pause(&self, progress: Progress) -> Duration {
        if let Some(fixed) = self.fixed {
            return fixed;
        }
        match (progress.run, self.estimate) {
            (Some(run), Some(usual)) => Self::toward_the_end(run.as_secs_f64(), usual),
            (run, None) => (run.unwrap_or(progress.watched) / 8).clamp(Duration::from_secs_f64(SHORTEST), LONGEST),
            (None, Some(_)) => (progress.watched / 4).clamp(Duration::from_secs(15), LONGEST * 2),
        }
    }

    /// Whether reading the steps is worth a request: not before there can be news, and not while the build may finish
    /// any moment, when every request should show whether it did.
    pub fn wants_steps(&self, progress: Progress) -> bool {
        match (progress.run, self.estimate) {
            (Some(run), Some(usual)) => {
                (0.2 * usual.typical..usual.typical - WINDOW * usual.spread - 1.0).contains(&run.as_secs_f64())
            }
            (run, None) => run.is_some(),
            (None, _) => false,
        }
    }

    fn toward_the_end(run: f64, usual: DurationEstimate) -> Duration {
        let DurationEstimate { typical, spread } = usual;
        let (from, to) = (typical - WINDOW * spread, typical + WINDOW * spread);
        let step = (2.0 * WINDOW * spread / WINDOW_POLLS).clamp(SHORTEST, LONGEST.as_secs_f64());
        let pause = if run < from {
            // One poll on the way, then straight to the window in which the end is likely.
            let left = from - run;
            if left > 0.5 * typical { 0.6 * left } else { left.max(1.0) }
        } else if run <= to {
            step
        } else {
            step + 0.5 * (run - to)
        };
        Duration::from_secs_f64(pause.min(MOST)).min(if run < from { GAP } else { LONGEST })
    }
}

/// Watches how fast the shared budget of requests shrinks.
#[derive(Debug, Clone, Default)]
pub struct RateLimitBackoff {
    last: Option<(Timestamp, RateLimit)>,
    /// Requests per second of everybody who uses the key, smoothed.
    rate: f64,
}

impl RateLimitBackoff {
    /// Notes what an answer at `now` left.
    pub fn note(&mut self, now: Timestamp, budget: RateLimit) {
        if let Some((then, before)) = self.last {
            let elapsed = now.since(then).as_secs_f64();
            if elapsed < 1.0 {
                return;
            }
            // More is left than before: a new window has begun, and the old rate is the best guess.
            if let Some(used) = before.remaining.checked_sub(budget.remaining) {
                let rate = used as f64 / elapsed;
                self.rate = if self.rate == 0.0 { rate } else { 0.5 * self.rate + 0.5 * rate };
            }
        }
        self.last = Some((now, budget));
    }

    /// `pause`, or a longer one if everybody together would use up the budget before its window ends.
    /// `jitter` in 0..1 spreads those who wait for the same new window.
    pub fn stretch(&self, pause: Duration, jitter: f64) -> Duration {
        let Some((_, budget)) = self.last else { return pause };
        let fresh = budget.reset + Duration::from_secs_f64(1.0 + 30.0 * jitter);
        if budget.remaining == 0 {
            return pause.max(fresh);
        }
        let share = self.rate * budget.reset.as_secs_f64() / (0.8 * budget.remaining as f64);
        if share <= 1.0 { pause } else { pause.mul_f64(share.min(1000.0)).min(fresh.max(pause)) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BinaryHeap;

    use super::*;

    /// Run times in seconds of successful builds of one workflow, as Codemagic recorded them.
    const RECORDED: [f64; 21] = [
        186.6, 192.4, 178.6, 178.9, 186.6, 183.6, 185.9, 180.9, 175.2, 196.2, 183.1, 209.9, 183.8, 178.1, 196.1, 185.8,
        200.1, 199.0, 188.4, 196.8, 200.4,
    ];

    fn secs(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    /// Two hundred builds of about so many seconds: recorded ones, stretched, ten different ones of each.
    fn two_hundred(typical: f64) -> Vec<Duration> {
        (0..200_u32)
            .map(|n| {
                let (a, b) = (RECORDED[n as usize % 21], RECORDED[(n as usize * 8 + 5) % 21]);
                let part = f64::from(n % 10) / 10.0;
                secs((a * (1.0 - part) + b * part) * typical / 188.0)
            })
            .collect()
    }

    /// Polls needed for a build that runs this long, and how late its end is noticed.
    fn watch(pace: &PollSchedule, run: Duration) -> (u32, Duration) {
        let queue = secs(6.0);
        let mut now = secs(20.0);
        for polls in 1.. {
            let age = now.saturating_sub(queue);
            if age >= run {
                return (polls, age.checked_sub(run).unwrap());
            }
            now += pace.pause(Progress { run: Some(age), watched: now });
        }
        unreachable!()
    }

    /// Requests and delays of watching builds that usually run for so many seconds, each with twenty earlier ones.
    fn watched(typical: f64) -> (Vec<f64>, Vec<f64>) {
        // Three more requests than polls: the start, the list of teams, and the steps at the end. The list of earlier
        // builds shows this one too, so it is the first poll; the poll on the way reads the steps alone.
        let durations = two_hundred(typical);
        let watch_one = |(index, run): (usize, &Duration)| {
            let history: Vec<_> = (1..=20).map(|back| durations[(index + 200 - back * 7) % 200]).collect();
            let (polls, delay) = watch(&PollSchedule { estimate: DurationEstimate::of(&history), fixed: None }, *run);
            (f64::from(polls) + 3.0, delay.as_secs_f64())
        };
        durations.iter().enumerate().map(watch_one).unzip()
    }

    fn mean(values: &[f64]) -> f64 {
        values.iter().sum::<f64>() / values.len() as f64
    }

    #[test]
    fn a_build_with_history_costs_few_requests_and_its_end_is_noticed_at_once() {
        let (requests, delays) = watched(900.0);
        let longest = delays.iter().copied().fold(0.0, f64::max);
        println!("requests: mean {:.1}; delay: longest {longest:.0} s", mean(&requests));
        assert!(mean(&requests) <= 12.0, "{requests:?}");
        assert!(median(delays.clone()).unwrap() <= 5.0, "{delays:?}");
    }

    /// Figures for `make bench`, which reads the line that this prints.
    #[test]
    fn an_end_is_noticed_earlier_than_by_a_loop_of_30_seconds_with_fewer_requests() {
        for (typical, most) in [(900.0, 0.35), (60.0, 1.75)] {
            let (requests, delays) = watched(typical);
            let until_end = |run: &Duration| run.as_secs_f64() + 6.0;
            let polls = |run: &Duration| (until_end(run) / 30.0).ceil();
            let durations = two_hundred(typical);
            let loop_requests: Vec<_> = durations.iter().map(|run| polls(run) + 1.0).collect();
            let loop_delays: Vec<_> = durations.iter().map(|run| 30.0 * polls(run) - until_end(run)).collect();
            let delay = |delays: &[f64]| median(delays.to_vec()).unwrap();
            println!(
                "waiting: {{\"run\": {typical}, \"requests\": {:.1}, \"loop_requests\": {:.1}, \"delay\": {:.1}, \"loop_delay\": {:.1}}}",
                mean(&requests),
                mean(&loop_requests),
                delay(&delays),
                delay(&loop_delays)
            );
            assert!(mean(&requests) <= most * mean(&loop_requests), "{typical}");
            assert!(delay(&delays) < 0.5 * delay(&loop_delays), "{typical}");
        }
    }

    #[test]
    fn without_history_the_end_is_noticed_within_half_a_minute() {
        for run in [1.0, 10.0, 100.0, 1000.0, 5000.0] {
            let (polls, delay) = watch(&PollSchedule::default(), secs(run));
            assert!(delay <= secs(30.0), "{run}: {delay:?} after {polls}");
        }
    }

    /// A hundred processes that know nothing of each other share one key.
    #[test]
    fn a_hundred_waits_on_one_key_never_meet_the_limit_twice_in_a_row() {
        const LIMIT: u64 = 5000;
        let hour = 3600.0;
        let mut state: Vec<(RateLimitBackoff, u32)> = vec![(RateLimitBackoff::default(), 0); 100];
        let mut queue: BinaryHeap<(std::cmp::Reverse<u64>, usize)> =
            (0..100).map(|n| (std::cmp::Reverse(n as u64 * 137), n)).collect();
        let (mut left, mut window_end, mut refused, mut asked) = (LIMIT, 1000.0, 0, 0);
        let mut random = 12345_u64;
        while let Some((std::cmp::Reverse(millis), n)) = queue.pop() {
            let now = millis as f64 / 1000.0;
            if now > 6.0 * hour {
                break;
            }
            while now >= window_end {
                (left, window_end) = (LIMIT, window_end + hour);
            }
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let jitter = (random >> 33) as f64 / (1_u64 << 31) as f64;
            let (pressure, misses) = &mut state[n];
            asked += 1;
            // A poll and its steps: two requests.
            if left < 2 {
                refused += 1;
                *misses += 1;
                assert!(*misses < 2, "two refusals in a row at {now}");
                left = 0;
            } else {
                *misses = 0;
                left -= 2;
            }
            pressure.note(
                Timestamp::START + secs(now),
                RateLimit { remaining: left, reset: secs((window_end - now).ceil()) },
            );
            let progress = Progress { run: Some(secs(now)), watched: secs(now) };
            let pause = pressure.stretch(PollSchedule::default().pause(progress), jitter);
            queue.push((std::cmp::Reverse(millis + u64::try_from(pause.as_millis()).unwrap()), n));
        }
        println!("{asked} polls in six hours, {refused} of them refused");
        assert!(asked > 10_000, "the budget is used: {asked}");
    }

    #[test]
    fn a_fixed_pause_is_kept_and_no_pause_is_absurd() {
        let progress = Progress { run: None, watched: Duration::ZERO };
        assert_eq!(PollSchedule { fixed: Some(secs(0.05)), estimate: None }.pause(progress), secs(0.05));
        for typical in [1.0, 30.0, 900.0, 7000.0] {
            let pace = PollSchedule { estimate: DurationEstimate::of(&[secs(typical)]), fixed: None };
            for run in 0..8000 {
                let pause = pace.pause(Progress { run: Some(secs(f64::from(run))), watched: secs(1.0) });
                assert!((secs(1.0)..=GAP).contains(&pause), "{typical} {run} {pause:?}");
            }
        }
        assert_eq!(DurationEstimate::of(&[]), None);
    }
}

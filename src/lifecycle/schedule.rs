//! When to poll a build next: rarely while it cannot be finished, often when it may be, and never more than the rate
//! limit allows to everybody who shares the key. Pure: no clock, no request.

use std::time::Duration;

use crate::http::RateLimit;

/// The longest pause between two polls of a build whose usual duration is unknown. With the poll itself its end is
/// noticed within half a minute.
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

/// The shortest pause where the budget is scarce.
const SPARING: Duration = Duration::from_secs(24);

/// The window of a rate limit, in seconds: Codemagic allows 5000 requests in an hour.
const LIMIT_WINDOW: f64 = 3600.0;

/// The part of a window's budget that is left to starts, cancels and ends of builds: they cannot wait.
///
/// This and the three parts below come from a sweep over simulated populations: 200 waits at once whose builds end within
/// ten minutes (simulated below and run by `make load`: noticed after 14 s in the median, with 3300 of 5000 requests), the
/// same in half a window or with half a budget, and 30 to 200 waits without end (no refusal up to 100).
const RESERVE: f64 = 0.08;

/// Compared with even use, a budget below this part is scarce: steps are not read and early polls are not dense.
const SCARCE: f64 = 0.9;

/// A budget below this part of its limit is scarce however soon its window ends.
const LOW: f64 = 0.15;

/// Below this part of even use the pauses grow, by the square of what is missing. The linear one does not hold a limit
/// against a lasting demand: its demand falls as fast as the budget.
const STRETCHED: f64 = 0.33;

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
    /// Whether requests are to be spared.
    pub is_sparing: bool,
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
        let pause = match (progress.run, self.estimate) {
            (Some(run), Some(usual)) => Self::toward_the_end(run.as_secs_f64(), usual),
            (run, None) => (run.unwrap_or(progress.watched) / 8).clamp(Duration::from_secs_f64(SHORTEST), LONGEST),
            (None, Some(_)) => (progress.watched / 4).clamp(Duration::from_secs(15), LONGEST * 2),
        };
        if progress.is_sparing { pause.max(SPARING) } else { pause }
    }

    /// Whether reading the steps is worth a request: not before there can be news, not while the build may finish any
    /// moment, when every request should show whether it did, and not where requests are to be spared.
    pub fn wants_steps(&self, progress: Progress) -> bool {
        match (progress.run, self.estimate) {
            _ if progress.is_sparing => false,
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

/// How much of the budget that everybody with the same key shares is left, and how much longer that makes the pauses.
///
/// The budget alone decides: all who share it see the same numbers and pause alike, whoever came first.
#[derive(Debug, Clone, Default)]
pub struct RateLimitBackoff {
    newest: Option<RateLimit>,
    /// The requests that a whole window allows, as far as that was seen.
    limit: u64,
}

impl RateLimitBackoff {
    /// Notes what an answer left.
    pub fn note(&mut self, budget: RateLimit) {
        self.limit = self.limit.max(budget.remaining).max(budget.limit.unwrap_or_default());
        self.newest = Some(budget);
    }

    /// What is left of the budget compared with what is left of its window: 1 if it is used evenly, less if it will not
    /// last at the present rate, 0 if only the reserve is left.
    fn plenty(&self) -> f64 {
        let Some(budget) = self.newest.filter(|_| self.limit > 0) else { return f64::INFINITY };
        let left = budget.remaining as f64 / self.limit as f64 - RESERVE;
        left.max(0.0) / (budget.reset.as_secs_f64() / LIMIT_WINDOW).max(1e-6)
    }

    /// Whether requests that can be spared are to be spared.
    pub fn is_scarce(&self) -> bool {
        let is_low = self.newest.is_some_and(|budget| (budget.remaining as f64) < LOW * self.limit as f64);
        is_low || self.plenty() < SCARCE
    }

    /// `pause`, or a longer one if everybody together would use up the budget before its window ends.
    /// `jitter` in 0..1 spreads those who wait for the same new window.
    pub fn stretch(&self, pause: Duration, jitter: f64) -> Duration {
        let Some(budget) = self.newest.filter(|_| self.is_scarce()) else { return pause };
        let fresh = budget.reset + Duration::from_secs_f64(1.0 + 30.0 * jitter);
        if budget.remaining == 0 {
            return pause.max(fresh);
        }
        let factor = (STRETCHED / self.plenty().max(1e-6)).powi(2).clamp(1.0, 1000.0);
        pause.mul_f64(factor).min(fresh.max(pause))
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
            now += pace.pause(Progress { run: Some(age), watched: now, is_sparing: false });
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
        for (typical, most) in [(900.0, 0.35), (60.0, 1.85)] {
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

    /// Processes that know nothing of each other and share one key with 5000 requests an hour.
    struct Population {
        refused: u32,
        asked: u64,
        delays: Vec<f64>,
    }

    impl Population {
        /// `count` waits that begin within `spread` seconds. A build runs for a random time in `run`; if it is `lasting`,
        /// another one follows it until `until`.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "times of a test are small")]
        fn simulate(count: usize, spread: f64, run: std::ops::Range<f64>, lasting: bool, until: f64) -> Self {
            const LIMIT: u64 = 5000;
            let mut random = fastrand::Rng::with_seed(7);
            let mut between = |from: f64, to: f64| from + (to - from) * random.f64();
            let mut all = Self { refused: 0, asked: 0, delays: Vec::new() };
            let mut builds = Vec::new();
            let mut queue = BinaryHeap::new();
            for n in 0..count {
                let began = between(0.0, spread);
                builds.push((RateLimitBackoff::default(), began, began + between(run.start, run.end)));
                queue.push((std::cmp::Reverse((began * 1000.0) as u64), n));
            }
            let (mut left, mut window_end) = (LIMIT, 3600.0);
            while let Some((std::cmp::Reverse(millis), n)) = queue.pop() {
                let now = millis as f64 / 1000.0;
                if now > until {
                    break;
                }
                while now >= window_end {
                    (left, window_end) = (LIMIT, window_end + 3600.0);
                }
                let (backoff, began, end) = &mut builds[n];
                // The poll; the steps of a build that is finished, or while there is enough; the list of teams at first.
                let needed = 1 + u64::from(now >= *end || !backoff.is_scarce()) + u64::from(backoff.newest.is_none());
                all.asked += needed;
                let is_refused = left < needed;
                all.refused += u32::from(is_refused);
                left = if is_refused { 0 } else { left - needed };
                let reset = secs((window_end - now).ceil());
                backoff.note(RateLimit { limit: Some(LIMIT), remaining: left, reset });
                if now >= *end && !is_refused {
                    all.delays.push(now - *end);
                    if !lasting {
                        continue;
                    }
                    (*backoff, *began, *end) = (RateLimitBackoff::default(), now, now + between(run.start, run.end));
                }
                let run = secs((now - *began).max(0.0));
                let progress = Progress { run: Some(run), watched: run, is_sparing: backoff.is_scarce() };
                let pause = backoff.stretch(PollSchedule::default().pause(progress), between(0.0, 1.0));
                queue.push((std::cmp::Reverse(millis + u64::try_from(pause.as_millis()).unwrap()), n));
            }
            all.delays.sort_by(f64::total_cmp);
            all
        }
    }

    #[test]
    fn two_hundred_waits_of_ten_minutes_are_prompt_and_never_refused() {
        let all = Population::simulate(200, 4.0, 30.0..600.0, false, 3600.0);
        let (middle, late) = (median(all.delays.clone()).unwrap(), all.delays[189]);
        println!("delay: median {middle:.1} s, 95 % within {late:.1} s; {} requests", all.asked);
        assert_eq!((all.delays.len(), all.refused), (200, 0));
        assert!(middle <= 15.0 && late <= 30.0, "{middle} {late}");
    }

    #[test]
    fn a_hundred_waits_without_end_share_the_budget_and_are_never_refused() {
        let all = Population::simulate(100, 900.0, 300.0..1500.0, true, 6.0 * 3600.0);
        println!("{} requests in six hours, {} builds", all.asked, all.delays.len());
        assert_eq!(all.refused, 0);
        assert!(all.asked > 5 * 5000, "the budget is used: {}", all.asked);
    }

    #[test]
    fn a_lone_wait_spares_nothing_and_a_budget_without_limit_lasts_until_it_is_empty() {
        let mut backoff = RateLimitBackoff::default();
        assert!(!backoff.is_scarce());
        backoff.note(RateLimit { limit: Some(5000), remaining: 4900, reset: secs(3590.0) });
        assert!(!backoff.is_scarce());
        assert_eq!(backoff.stretch(secs(20.0), 0.5), secs(20.0));
        backoff.note(RateLimit { limit: Some(5000), remaining: 1000, reset: secs(3000.0) });
        assert!(backoff.stretch(secs(20.0), 0.5) > secs(80.0));
        backoff.note(RateLimit { limit: Some(5000), remaining: 0, reset: secs(60.0) });
        assert_eq!(backoff.stretch(secs(20.0), 0.5), secs(76.0), "the new window, and a part of half a minute");
        let mut unknown = RateLimitBackoff::default();
        unknown.note(RateLimit { limit: None, remaining: 40, reset: secs(60.0) });
        assert!(!unknown.is_scarce());
        unknown.note(RateLimit { limit: None, remaining: 0, reset: secs(50.0) });
        assert_eq!(unknown.stretch(secs(5.0), 0.0), secs(51.0));
    }

    #[test]
    fn a_fixed_pause_is_kept_and_no_pause_is_absurd() {
        let progress = Progress { run: None, watched: Duration::ZERO, is_sparing: true };
        assert_eq!(PollSchedule { fixed: Some(secs(0.05)), estimate: None }.pause(progress), secs(0.05));
        for typical in [1.0, 30.0, 900.0, 7000.0] {
            let pace = PollSchedule { estimate: DurationEstimate::of(&[secs(typical)]), fixed: None };
            for run in 0..8000 {
                let pause =
                    pace.pause(Progress { run: Some(secs(f64::from(run))), watched: secs(1.0), is_sparing: false });
                assert!((secs(1.0)..=GAP).contains(&pause), "{typical} {run} {pause:?}");
            }
        }
        assert_eq!(DurationEstimate::of(&[]), None);
    }
}

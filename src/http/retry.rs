//! What is worth another try, and when. Pure: no clock, no request, no output.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Tries of one request that may be repeated.
pub const TRIES: u32 = 5;

/// The first pause; each further one is twice as long, up to [`LONGEST`].
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(20);

/// Tries of one file or log at most, however much each of them brings: each asks for a fresh link, and the rate limit
/// is everybody's. At half a second a pause it is a line that breaks all the time.
const MOST: u32 = 200;

/// The longest wait that a service may ask for before a file is given up, which may have taken an hour to make.
const PATIENCE: Duration = Duration::from_secs(5 * 60);

/// Bytes that make a broken try count as a step forward, so that a huge file comes home over a poor line.
const STEP: u64 = 1024 * 1024;

/// What became of the tries for something that is gone on with where it broke.
#[derive(Debug, Clone, Copy, Default)]
pub struct ResumeBudget {
    /// All tries.
    pub made: u32,
    /// Tries since the last step forward.
    vain: u32,
    /// The most bytes that a try left behind.
    best: u64,
}

impl ResumeBudget {
    /// Counts a try that broke with `got` bytes there, and gives the pause before the next one if there is to be one.
    /// It is that of [`pause`], or longer where the service asks for it.
    pub fn broke(&mut self, got: u64, asked: Option<Duration>, jitter: f64) -> Option<Duration> {
        self.made += 1;
        self.vain = if got >= self.best + STEP { 1 } else { self.vain + 1 };
        self.best = self.best.max(got);
        let pause = pause(self.vain, asked.filter(|asked| *asked <= LONGEST), jitter);
        let asked = asked.unwrap_or_default();
        pause.filter(|_| self.made < MOST && asked <= PATIENCE).map(|pause| pause.max(asked))
    }

    /// What was there is thrown away.
    pub fn restart(&mut self) {
        self.best = 0;
    }
}

/// Whether a status tells of a passing fault: the rate limit, a restart or a gateway.
pub fn is_retryable(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504 | 507 | 520..=524)
}

/// The pause before try `attempt` + 1 (the first try is 1), or `None` when no further one is due.
///
/// `asked` is what the service asked for; more than [`LONGEST`] is not waited for here.
/// `jitter` in 0..1 spreads clients that failed together over half a pause.
pub fn pause(attempt: u32, asked: Option<Duration>, jitter: f64) -> Option<Duration> {
    if attempt >= TRIES {
        return None;
    }
    match asked {
        Some(asked) if asked > LONGEST => None,
        Some(asked) => Some(asked + FIRST.mul_f64(jitter)),
        None => {
            let pause = FIRST.saturating_mul(1 << (attempt - 1).min(16)).min(LONGEST);
            Some(pause.mul_f64(0.5 + jitter / 2.0))
        }
    }
}

/// How long the service asks to wait: `Retry-After` in seconds, v3's `ratelimit-reset` (seconds left in the window)
/// or the legacy `X-RateLimit-Reset` (a Unix time), in this order. The two reset headers mean different things.
pub fn reset<'a>(header: impl Fn(&str) -> Option<&'a str>) -> Option<Duration> {
    let number = |name: &str| header(name)?.trim().parse::<u64>().ok();
    if let Some(seconds) = number("retry-after").or_else(|| number("ratelimit-reset")) {
        return Some(Duration::from_secs(seconds));
    }
    let at = UNIX_EPOCH + Duration::from_secs(number("x-ratelimit-reset")?);
    let now = header("date").and_then(parse_http_date).unwrap_or_else(SystemTime::now);
    Some(at.duration_since(now).unwrap_or_default())
}

/// What a service's rate limit leaves to everybody who uses the same key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests left in the window.
    pub remaining: u64,
    /// Time until the window ends.
    pub reset: Duration,
}

impl RateLimit {
    /// Reads v3's `ratelimit-*` headers or the legacy `X-RateLimit-*` ones.
    pub fn read<'a>(header: impl Fn(&str) -> Option<&'a str>) -> Option<Self> {
        let remaining =
            header("ratelimit-remaining").or_else(|| header("x-ratelimit-remaining"))?.trim().parse().ok()?;
        Some(Self { remaining, reset: reset(header)? })
    }
}

/// Reads an HTTP date such as `Sun, 06 Nov 1994 08:49:37 GMT`: the service's own clock, which ours may not agree with.
pub fn parse_http_date(text: &str) -> Option<SystemTime> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut words = text.split_once(", ")?.1.split(' ');
    let (day, month, year, time) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    humantime::parse_rfc3339(&format!("{year}-{month:02}-{day}T{time}Z")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        let pauses: Vec<_> =
            (1..=TRIES).map(|attempt| pause(attempt, None, 1.0).map(|pause| pause.as_millis())).collect();
        assert_eq!(pauses, [Some(500), Some(1000), Some(2000), Some(4000), None]);
        assert_eq!(pause(1, Some(Duration::from_secs(3)), 0.0), Some(Duration::from_secs(3)));
        assert_eq!(pause(1, Some(Duration::from_secs(1800)), 0.0), None);
        assert!(pause(1, None, 0.0).unwrap() < pause(1, None, 1.0).unwrap());
    }

    #[test]
    fn what_grows_is_tried_longer_but_not_for_ever() {
        let tries = |growth: &mut ResumeBudget, step: u64| {
            (1..1000).map(|n| n * step).take_while(|got| growth.broke(*got, None, 0.0).is_some()).count()
        };
        assert_eq!(tries(&mut ResumeBudget::default(), 0), 4, "five tries without a step forward");
        assert_eq!(tries(&mut ResumeBudget::default(), 100), 4, "a few bytes are no step");
        assert_eq!(tries(&mut ResumeBudget::default(), STEP), 199, "two hundred in all");

        let mut growth = ResumeBudget::default();
        assert!((1..100).all(|step| growth.broke(step * STEP, None, 0.0).is_some()));
        assert!((0..3).all(|_| growth.broke(99 * STEP, None, 0.0).is_some()), "the same place again");
        // A service without ranges starts at nothing each time: getting as far as before is no step.
        assert_eq!(growth.broke(99 * STEP, None, 0.0), None);

        let asked = |seconds| ResumeBudget::default().broke(0, Some(Duration::from_secs(seconds)), 0.0);
        assert_eq!((asked(3), asked(120)), (Some(Duration::from_secs(3)), Some(Duration::from_secs(120))));
        assert_eq!(asked(3600), None, "the rate limit of an hour is not waited for");
    }

    #[test]
    fn the_two_reset_headers_mean_different_things() {
        let headers = |pairs: &'static [(&'static str, &'static str)]| {
            move |name: &str| pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1)
        };
        assert_eq!(reset(headers(&[("ratelimit-reset", "90")])), Some(Duration::from_secs(90)));
        let legacy = headers(&[("x-ratelimit-reset", "784111797"), ("date", "Sun, 06 Nov 1994 08:49:37 GMT")]);
        assert_eq!(reset(legacy), Some(Duration::from_secs(20)));
        assert_eq!(reset(headers(&[("x-ratelimit-reset", "1")])), Some(Duration::ZERO));
        assert_eq!(reset(headers(&[])), None);
    }

    #[test]
    fn refusals_are_not_repeated() {
        for (status, retryable) in
            [(400, false), (401, false), (403, false), (404, false), (429, true), (500, true), (503, true)]
        {
            assert_eq!(is_retryable(status), retryable, "{status}");
        }
    }
}

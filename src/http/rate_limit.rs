//! What a service says about the time until the next request: `Retry-After` and the headers of its rate limit.
//!
//! Headers come from outside, so every number is checked: a wait is at most [`LONGEST_WAIT`], whatever was sent.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The longest wait that a service can ask for. More is cut to this: a wrong number must not stop the clock.
pub const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);

/// From here on a number is a Unix time, not a span: no rate limit lasts thirty years.
const UNIX_TIME: f64 = 1e9;

/// From here on a Unix time is in milliseconds (in seconds it is the year 5138).
const UNIX_TIME_MILLIS: f64 = 1e11;

/// A point in time that is further away than this is no end of a rate limit, but a wrong number.
const FARTHEST: Duration = Duration::from_secs(24 * 60 * 60);

/// What a service's rate limit leaves to everybody who uses the same key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests that a whole window allows, if the service says so.
    pub limit: Option<u64>,
    /// Requests left in the window.
    pub remaining: u64,
    /// Time until the window ends, at most [`LONGEST_WAIT`].
    pub reset: Duration,
}

impl RateLimit {
    /// Reads v3's `ratelimit-*` headers or the legacy `X-RateLimit-*` ones.
    pub(super) fn read<'a>(header: impl Fn(&str) -> Option<&'a str>) -> Option<Self> {
        let number = |own: &str, legacy: &str| header(own).or_else(|| header(legacy))?.trim().parse().ok();
        Some(Self {
            limit: number("ratelimit-limit", "x-ratelimit-limit"),
            remaining: number("ratelimit-remaining", "x-ratelimit-remaining")?,
            reset: reset(&header)?,
        })
    }
}

/// How long the service asks to wait: `Retry-After` (RFC 9110, 10.2.3: seconds or a date; some services send
/// fractions), else the end of the rate limit's window. At most [`LONGEST_WAIT`].
pub(super) fn retry_after<'a>(header: impl Fn(&str) -> Option<&'a str>) -> Option<Duration> {
    let own = header("retry-after");
    own.and_then(|text| wait(text, &header))
        .or_else(|| wait_until(parse_http_date(own?)?, &header))
        .or_else(|| reset(&header))
}

/// Time until the window ends. By the documentation v3's `ratelimit-reset` states the seconds left and the legacy
/// `X-RateLimit-Reset` a Unix time; the size of the number decides, so that a service that changes its mind is
/// understood.
fn reset<'a>(header: &impl Fn(&str) -> Option<&'a str>) -> Option<Duration> {
    let text = header("ratelimit-reset").or_else(|| header("x-ratelimit-reset"))?;
    wait(text, header)
}

/// The wait that a number means: seconds from now, or a Unix time in seconds or milliseconds.
fn wait<'a>(text: &str, header: &impl Fn(&str) -> Option<&'a str>) -> Option<Duration> {
    let number: f64 = text.trim().parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0)?;
    let seconds = |number: f64| Duration::try_from_secs_f64(number).unwrap_or(Duration::MAX);
    if number < UNIX_TIME {
        return Some(seconds(number).min(LONGEST_WAIT));
    }
    let since_1970 = seconds(if number < UNIX_TIME_MILLIS { number } else { number / 1000.0 });
    wait_until(UNIX_EPOCH.checked_add(since_1970)?, header)
}

/// The wait until `at` on the service's own clock, or on ours if it does not say what time it is. `None` for a time
/// that cannot be meant.
fn wait_until<'a>(at: SystemTime, header: &impl Fn(&str) -> Option<&'a str>) -> Option<Duration> {
    let now = header("date").and_then(parse_http_date).unwrap_or_else(SystemTime::now);
    let wait = at.duration_since(now).unwrap_or_default();
    (wait <= FARTHEST).then_some(wait.min(LONGEST_WAIT))
}

/// Reads an HTTP date such as `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7).
pub(super) fn parse_http_date(text: &str) -> Option<SystemTime> {
    httpdate::parse_http_date(text.trim()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600;
    const NOW: &str = "Fri, 15 Jan 2027 08:00:00 GMT";
    /// The same as a Unix time.
    const UNIX_NOW: u64 = 1_800_000_000;

    /// Seconds to wait by one header, on a service whose clock shows [`NOW`].
    fn asked(name: &str, value: &str) -> Option<u64> {
        let header = |wanted: &str| match wanted {
            "date" => Some(NOW),
            wanted => (wanted == name).then_some(value),
        };
        retry_after(header).map(|wait| wait.as_secs())
    }

    #[test]
    fn a_wait_is_a_number_a_fraction_or_a_date() {
        for (value, seconds) in [
            ("12", Some(12)),
            (" 12.7 ", Some(12)),
            ("0", Some(0)),
            ("Fri, 15 Jan 2027 08:00:12 GMT", Some(12)),
            ("Fri, 15 Jan 2027 07:00:00 GMT", Some(0)),
            ("-1", None),
            ("soon", None),
            ("", None),
            ("NaN", None),
        ] {
            assert_eq!(asked("retry-after", value), seconds, "{value}");
        }
        assert_eq!(asked("other", "12"), None);
    }

    #[test]
    fn a_reset_is_seconds_left_or_a_unix_time_in_seconds_or_milliseconds() {
        for name in ["ratelimit-reset", "x-ratelimit-reset"] {
            assert_eq!(asked(name, "90"), Some(90));
            assert_eq!(asked(name, &(UNIX_NOW + 20).to_string()), Some(20));
            assert_eq!(asked(name, &((UNIX_NOW + 20) * 1000).to_string()), Some(20));
            assert_eq!(asked(name, &(UNIX_NOW - 20).to_string()), Some(0), "a window that has ended");
        }
    }

    #[test]
    fn no_number_makes_a_wait_longer_than_an_hour() {
        for name in ["retry-after", "ratelimit-reset", "x-ratelimit-reset"] {
            for value in ["100000", "999999999", &(UNIX_NOW + 86_400).to_string()] {
                assert_eq!(asked(name, value), Some(HOUR), "{name}: {value}");
            }
            for value in ["1e300", &u64::MAX.to_string(), &i64::MAX.to_string(), &(UNIX_NOW + 86_401).to_string()] {
                assert_eq!(asked(name, value), None, "{name}: {value}");
            }
        }
        assert_eq!(asked("retry-after", "Fri, 15 Jan 2027 20:00:00 GMT"), Some(HOUR));
        assert_eq!(asked("retry-after", "Thu, 31 Dec 9998 23:59:59 GMT"), None);
    }

    #[test]
    fn a_rate_limit_needs_what_is_left_and_until_when() {
        let read = |remaining: &'static str, reset: &'static str| {
            RateLimit::read(|name| match name {
                "ratelimit-limit" => Some("5000"),
                "ratelimit-remaining" => Some(remaining),
                "ratelimit-reset" => Some(reset),
                _ => None,
            })
        };
        assert_eq!(
            read("7", "60"),
            Some(RateLimit { limit: Some(5000), remaining: 7, reset: Duration::from_secs(60) })
        );
        assert_eq!(read("many", "60"), None);
        assert_eq!(read("7", "soon"), None);
    }
}

//! Points in simulated time and the text forms in which the services show them.

use jiff::Timestamp;

/// A point in simulated time: microseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SimTime(i64);

/// Microseconds in a second.
pub(crate) const SECOND: i64 = 1_000_000;

/// Seconds of a plan in microseconds, between zero and a century.
pub(crate) fn micros(seconds: f64) -> i64 {
    (seconds.clamp(0.0, 3.2e9) * 1e6).round() as i64
}

impl SimTime {
    /// The point this many microseconds after 1970.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// The beginning of a day, `2026-08-30`.
    pub(crate) fn from_date(day: &str) -> Option<Self> {
        Some(Self(format!("{day}T00:00:00Z").parse::<Timestamp>().ok()?.as_microsecond()))
    }

    /// The time of the machine's own clock.
    pub fn real_now() -> Self {
        Self(Timestamp::now().as_microsecond())
    }

    /// Microseconds since 1970.
    pub fn as_micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970.
    pub fn unix_seconds(self) -> i64 {
        self.0.div_euclid(SECOND)
    }

    /// This point moved by `micros`.
    #[must_use]
    pub fn plus(self, micros: i64) -> Self {
        Self(self.0.saturating_add(micros))
    }

    /// Microseconds from `earlier` to this point.
    pub fn since(self, earlier: Self) -> i64 {
        self.0 - earlier.0
    }

    /// The form of v3, `2026-08-30T11:54:40.088000Z`.
    pub fn v3(self) -> String {
        self.format("%Y-%m-%dT%H:%M:%S.%6fZ")
    }

    /// The form of the legacy API, `2021-02-11T13:02:28.009+0000`: milliseconds and an offset without a colon.
    pub fn legacy(self) -> String {
        self.format("%Y-%m-%dT%H:%M:%S.%3f+0000")
    }

    /// The form of public links, `2023-02-03T10:15:45+00:00`.
    pub fn offset(self) -> String {
        self.format("%Y-%m-%dT%H:%M:%S+00:00")
    }

    /// The form of HTTP headers, `Sun, 30 Aug 2026 11:54:40 GMT`.
    pub fn http_date(self) -> String {
        self.format("%a, %d %b %Y %H:%M:%S GMT")
    }

    /// The time of day, `11:54:40`.
    pub(crate) fn clock(self) -> String {
        self.format("%H:%M:%S")
    }

    fn format(self, form: &str) -> String {
        Timestamp::from_microsecond(self.0).unwrap_or(Timestamp::MAX).strftime(form).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_every_form() {
        let t = SimTime::from_micros(1_788_090_880_088_000);
        assert_eq!(t.v3(), "2026-08-30T11:54:40.088000Z");
        assert_eq!(t.legacy(), "2026-08-30T11:54:40.088+0000");
        assert_eq!(t.offset(), "2026-08-30T11:54:40+00:00");
        assert_eq!(t.http_date(), "Sun, 30 Aug 2026 11:54:40 GMT");
    }
}

//! Simulated points in time and the four text forms in which the service shows them. Knows no clock.

/// A point in simulated time: microseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SimTime(i64);

/// Microseconds in a second.
pub(crate) const SECOND: i64 = 1_000_000;

/// Turns seconds of a plan into microseconds; negative and absurd values become the nearest sensible one.
pub(crate) fn micros(seconds: f64) -> i64 {
    // A century is "for ever" here and leaves room for sums.
    const LIMIT: f64 = 3.2e9;
    (seconds.clamp(0.0, LIMIT) * 1e6).round() as i64
}

/// A point in time split by the calendar.
struct Civil {
    year: i64,
    month: i64,
    day: i64,
    weekday: usize,
    hour: i64,
    minute: i64,
    second: i64,
    micro: i64,
}

impl SimTime {
    /// The point this many microseconds after 1970.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// The present of the machine's own clock.
    pub fn real_now() -> Self {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Self(since.map_or(0, |d| d.as_micros() as i64))
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

    /// The v3 form, `2026-08-30T11:54:40.088000Z`.
    pub fn v3(self) -> String {
        let c = self.civil();
        format!("{}.{:06}Z", c.date_and_time(), c.micro)
    }

    /// The legacy form, `2021-02-11T13:02:28.009+0000`: milliseconds and an offset without a colon.
    pub fn legacy(self) -> String {
        let c = self.civil();
        format!("{}.{:03}+0000", c.date_and_time(), c.micro / 1000)
    }

    /// The form of public links, `2023-02-03T10:15:45+00:00`.
    pub fn offset(self) -> String {
        format!("{}+00:00", self.civil().date_and_time())
    }

    /// The form of HTTP headers, `Sun, 30 Aug 2026 11:54:40 GMT`.
    pub fn http_date(self) -> String {
        const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
        const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let c = self.civil();
        let (day, month) = (DAYS[c.weekday], MONTHS[(c.month - 1) as usize]);
        format!("{day}, {:02} {month} {:04} {:02}:{:02}:{:02} GMT", c.day, c.year, c.hour, c.minute, c.second)
    }

    fn civil(self) -> Civil {
        let days = self.0.div_euclid(86_400 * SECOND);
        let within = self.0.rem_euclid(86_400 * SECOND);
        let (seconds, micro) = (within / SECOND, within % SECOND);
        // Days to a date by eras of 400 years that begin on 1 March.
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let of_era = shifted.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        Civil {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month,
            day: day_of_year - (153 * shifted_month + 2) / 5 + 1,
            weekday: (days + 4).rem_euclid(7) as usize,
            hour: seconds / 3600,
            minute: seconds / 60 % 60,
            second: seconds % 60,
            micro,
        }
    }
}

impl Civil {
    fn date_and_time(&self) -> String {
        let Self { year, month, day, hour, minute, second, .. } = self;
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
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

    #[test]
    fn knows_leap_days_and_times_before_1970() {
        assert_eq!(SimTime::from_micros(951_782_400 * SECOND).v3(), "2000-02-29T00:00:00.000000Z");
        assert_eq!(SimTime::from_micros(-1).v3(), "1969-12-31T23:59:59.999999Z");
    }
}

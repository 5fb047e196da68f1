//! Durations, sizes, relative times and rates for people; the same units everywhere.

use std::time::{Duration, SystemTime};

use crate::model::DownloadProgress;

/// A duration in its two largest units: `45s`, `2m 05s`, `1h 03m`, `2d 04h`.
pub fn format_duration(duration: Duration) -> String {
    let seconds = duration.saturating_add(Duration::from_millis(500)).as_secs();
    match (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0, 0) if !duration.is_zero() => "under 1s".to_owned(),
        (0, 0, 0, seconds) => format!("{seconds}s"),
        (0, 0, minutes, seconds) => format!("{minutes}m {seconds:02}s"),
        (0, hours, minutes, _) => format!("{hours}h {minutes:02}m"),
        (days, hours, _, _) => format!("{days}d {hours:02}h"),
    }
}

/// A size in three or four digits: `512 bytes`, `4.9 kB`, `12.3 MB`.
pub fn format_size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} bytes");
    }
    let mut size = bytes as f64 / 1000.0;
    let mut units = UNITS.iter();
    let mut unit = units.next().unwrap_or(&"");
    for larger in units {
        // Less would be shown as 1000.0 of the smaller unit.
        if size < 999.95 {
            break;
        }
        (size, unit) = (size / 1000.0, larger);
    }
    format!("{size:.1} {unit}")
}

/// How long ago a point in time is: `just now`, `5m ago`, `3h ago`, `12d ago`.
pub fn format_age(time: SystemTime, now: SystemTime) -> String {
    let minutes = now.duration_since(time).unwrap_or_default().as_secs() / 60;
    match (minutes / 1440, minutes / 60, minutes) {
        (0, 0, 0) => "just now".to_owned(),
        (0, 0, minutes) => format!("{minutes}m ago"),
        (0, hours, _) => format!("{hours}h ago"),
        (days, ..) => format!("{days}d ago"),
    }
}

/// How far a download is: `12.3 MB of 27.0 MB (45%), 3.2 MB/s, 5s left, 1 of 3 files`.
pub(super) fn format_progress(progress: &DownloadProgress) -> String {
    let of = |total| format!(" of {} ({}%)", format_size(total), percent(progress.bytes, total));
    // A rate below one byte a second is a stall, and has no end.
    let rate = (progress.rate >= 1.0).then(|| format!(", {}/s", format_rate(progress.rate)));
    let left = progress.left().map(|left| format!(", {} left", format_duration(left)));
    let files = (progress.files > 1).then(|| format!(", {} of {} files", progress.complete, progress.files));
    let parts = [progress.total.map(of), rate, left, files];
    parts.into_iter().flatten().fold(format_size(progress.bytes), |text, part| text + &part)
}

/// How much of a whole is there, at most 100.
pub(super) fn percent(bytes: u64, total: u64) -> u64 {
    (u128::from(bytes) * 100).checked_div(u128::from(total)).map_or(100, |percent| percent.min(100) as u64)
}

// Rates stay far below 2^52 bytes a second, and are not negative; the cast saturates.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "see above")]
fn format_rate(rate: f64) -> String {
    format_size(rate as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_units() {
        for (millis, shown) in [
            (0, "0s"),
            (250, "under 1s"),
            (500, "1s"),
            (59_600, "1m 00s"),
            (125_000, "2m 05s"),
            (3_600_000, "1h 00m"),
            (3_780_000, "1h 03m"),
            (187_200_000, "2d 04h"),
        ] {
            assert_eq!(format_duration(Duration::from_millis(millis)), shown);
        }
        assert!(format_duration(Duration::MAX).ends_with('h'));
    }

    #[test]
    fn sizes_have_one_decimal() {
        for (bytes, shown) in [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1000, "1.0 kB"),
            (4_970_018, "5.0 MB"),
            (999_940_000, "999.9 MB"),
            (999_999_999, "1.0 GB"),
            (999_950, "1.0 MB"),
            (5_000_000_000, "5.0 GB"),
            (u64::MAX, "18446744.1 TB"),
        ] {
            assert_eq!(format_size(bytes), shown);
        }
    }

    #[test]
    fn ages_have_one_unit() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(100 * 86_400);
        for (seconds, shown) in
            [(0, "just now"), (59, "just now"), (60, "1m ago"), (7199, "1h ago"), (3 * 86_400, "3d ago")]
        {
            assert_eq!(format_age(now - Duration::from_secs(seconds), now), shown);
        }
        assert_eq!(format_age(now + Duration::from_secs(60), now), "just now");
    }

    #[test]
    fn progress_shows_what_is_known_and_no_more() {
        let known =
            DownloadProgress { files: 3, complete: 1, bytes: 12_300_000, total: Some(27_000_000), rate: 3_200_000.0 };
        assert_eq!(format_progress(&known), "12.3 MB of 27.0 MB (45%), 3.2 MB/s, 5s left, 1 of 3 files");
        let unknown = DownloadProgress { files: 1, complete: 0, bytes: 512, total: None, rate: 0.0 };
        assert_eq!(format_progress(&unknown), "512 bytes");
        let stalled = DownloadProgress { total: Some(1000), ..unknown };
        assert_eq!(format_progress(&stalled), "512 bytes of 1.0 kB (51%)");
        let empty = DownloadProgress { bytes: 0, total: Some(0), ..unknown };
        assert_eq!(format_progress(&empty), "0 bytes of 0 bytes (100%)");
        let wrong = DownloadProgress { bytes: 2000, total: Some(1000), rate: 5.0, ..unknown };
        assert_eq!(format_progress(&wrong), "2.0 kB of 1.0 kB (100%), 5 bytes/s, 0s left");
    }
}

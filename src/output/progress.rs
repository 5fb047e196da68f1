//! How far a download is, in words and as a bar.

use std::io::{self, IsTerminal as _};

use super::words;
use crate::model::DownloadProgress;

/// Whether stderr is a terminal that can redraw a line.
pub(super) fn draws_bars() -> bool {
    io::stderr().is_terminal() && std::env::var_os("TERM").is_some_and(|term| term != "dumb")
}

/// How wide the terminal on stderr is now.
pub(super) fn columns() -> usize {
    #[cfg(unix)]
    if let Some(columns) = rustix::termios::tcgetwinsize(io::stderr()).ok().filter(|size| size.ws_col > 0) {
        return columns.ws_col.into();
    }
    80
}

/// Bytes as people say them: `512 bytes`, `4.9 kB`, `12.3 MB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return format!("{bytes} bytes");
    }
    let mut units = UNITS.iter();
    let mut unit = units.next().copied().unwrap_or_default();
    // In tenths of the unit, so that 999.96 is not shown as 1000.0 of the smaller one.
    let mut tenth = 100;
    let tenths = |tenth: u64| bytes.saturating_add(tenth / 2) / tenth;
    for larger in units {
        if tenths(tenth) < 10_000 {
            break;
        }
        (tenth, unit) = (tenth * 1000, larger);
    }
    let tenths = tenths(tenth);
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

/// How far a download is: `12.3 MB of 27.0 MB (45 %), 3.2 MB/s, 5 s left, 1 of 3 files`.
pub(super) fn amount(progress: &DownloadProgress) -> String {
    let of = |total| format!(" of {} ({} %)", size(total), percent(progress.bytes, total));
    // A rate below one byte a second is a stall, and has no end.
    let rate = (progress.rate >= 1.0).then(|| format!(", {}/s", rate(progress)));
    let left = progress.left().map(|left| format!(", {} left", words(left)));
    let files = (progress.files > 1).then(|| format!(", {} of {} files", progress.complete, progress.files));
    let parts = [progress.total.map(of), rate, left, files];
    parts.into_iter().flatten().fold(size(progress.bytes), |text, part| text + &part)
}

/// The same as a bar, no wider than the terminal.
pub(super) fn bar(progress: &DownloadProgress, columns: usize) -> String {
    const WIDTH: usize = 20;
    let amount = amount(progress);
    let text = match progress.total {
        Some(total) => {
            let full = usize::try_from(percent(progress.bytes, total)).unwrap_or_default() * WIDTH / 100;
            format!("[{}{}] {amount}", "=".repeat(full), " ".repeat(WIDTH - full))
        }
        None => amount,
    };
    // A line that wraps cannot be erased.
    text.chars().take(columns.saturating_sub(1)).collect()
}

fn percent(bytes: u64, total: u64) -> u64 {
    (u128::from(bytes) * 100).checked_div(u128::from(total)).map_or(100, |percent| percent.min(100) as u64)
}

fn rate(progress: &DownloadProgress) -> String {
    // Rates stay far below 2^52 bytes a second, and are not negative.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "see above")]
    size(progress.rate as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_said_in_three_digits() {
        for (bytes, said) in [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1000, "1.0 kB"),
            (4_970_018, "5.0 MB"),
            (999_949_999, "999.9 MB"),
            (999_999_999, "1.0 GB"),
            (999_950, "1.0 MB"),
            (5_000_000_000, "5.0 GB"),
            (u64::MAX, "18446.7 PB"),
        ] {
            assert_eq!(size(bytes), said);
        }
    }

    #[test]
    fn progress_says_what_is_known_and_no_more() {
        let known =
            DownloadProgress { files: 3, complete: 1, bytes: 12_300_000, total: Some(27_000_000), rate: 3_200_000.0 };
        assert_eq!(amount(&known), "12.3 MB of 27.0 MB (45 %), 3.2 MB/s, 5 s left, 1 of 3 files");
        assert_eq!(bar(&known, 200), format!("[=========           ] {}", amount(&known)));
        assert_eq!(bar(&known, 40).chars().count(), 39);
        let unknown = DownloadProgress { files: 1, complete: 0, bytes: 512, total: None, rate: 0.0 };
        assert_eq!(amount(&unknown), "512 bytes");
        assert_eq!(bar(&unknown, 80), "512 bytes");
        let stalled = DownloadProgress { total: Some(1000), ..unknown };
        assert_eq!(amount(&stalled), "512 bytes of 1.0 kB (51 %)");
        let empty = DownloadProgress { bytes: 0, total: Some(0), ..unknown };
        assert_eq!(amount(&empty), "0 bytes of 0 bytes (100 %)");
        let wrong = DownloadProgress { bytes: 2000, total: Some(1000), rate: 5.0, ..unknown };
        assert_eq!(amount(&wrong), "2.0 kB of 1.0 kB (100 %), 5 bytes/s, 0 s left");
    }
}

//! A line on a terminal that is redrawn in place: how far a download is, or what a build does now.

use super::format::{format_progress, percent};
use crate::model::DownloadProgress;
use crate::sanitize::shorten;

/// Takes the cursor to the start of the line and erases it.
pub(super) const ERASE_LINE: &str = "\r\u{1b}[K";

/// How wide the terminal on stderr is now.
pub(super) fn columns() -> usize {
    #[cfg(unix)]
    if let Some(columns) = rustix::termios::tcgetwinsize(std::io::stderr()).ok().filter(|size| size.ws_col > 0) {
        return columns.ws_col.into();
    }
    80
}

/// A text that fits into one line of a terminal: one that wraps cannot be erased.
pub(super) fn fit(text: String, columns: usize) -> String {
    shorten(text, columns.saturating_sub(1))
}

/// How far a download is, with a bar where the total is known.
pub(super) fn bar(progress: &DownloadProgress, columns: usize) -> String {
    const WIDTH: usize = 20;
    let amount = format_progress(progress);
    let Some(total) = progress.total.filter(|_| columns > amount.chars().count() + WIDTH + 3) else {
        return fit(amount, columns);
    };
    let full = usize::try_from(percent(progress.bytes, total)).unwrap_or_default() * WIDTH / 100;
    fit(format!("[{}{}] {amount}", "=".repeat(full), " ".repeat(WIDTH - full)), columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_fits_into_the_terminal() {
        let progress =
            DownloadProgress { files: 3, complete: 1, bytes: 12_300_000, total: Some(27_000_000), rate: 3_200_000.0 };
        let amount = format_progress(&progress);
        assert_eq!(bar(&progress, 200), format!("[=========           ] {amount}"));
        assert_eq!(bar(&progress, 80), amount);
        assert_eq!(bar(&progress, 40).chars().count(), 39);
        let unknown = DownloadProgress { total: None, ..progress };
        assert!(!bar(&unknown, 200).contains('['));
    }
}

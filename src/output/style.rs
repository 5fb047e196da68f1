//! The colors of words. They only add to what the words say.

use anstyle::{AnsiColor, Color, Style};

/// `cibridge: error:`
pub(super) const ERROR: Style = AnsiColor::Red.on_default().bold();

/// `hint:`
pub(super) const HINT: Style = AnsiColor::Cyan.on_default();

/// A QR code: dark on light, whatever the colors of the terminal are.
pub(super) const QR_CODE: Style =
    Style::new().fg_color(Some(Color::Ansi(AnsiColor::Black))).bg_color(Some(Color::Ansi(AnsiColor::BrightWhite)));

/// The headings of a table.
pub(super) const HEADING: Style = Style::new().bold();

/// The color of a state, in the words of either provider.
pub(super) fn state(word: &str) -> Style {
    match word.to_ascii_lowercase().as_str() {
        "success" | "succeeded" | "finished" | "passed" => AnsiColor::Green.on_default(),
        "failed" | "failure" | "timeout" | "error" => AnsiColor::Red.on_default(),
        "warning" | "unstable" | "canceled" | "aborted" | "skipped" | "not_built" => AnsiColor::Yellow.on_default(),
        "queued" | "preparing" | "fetching" | "building" | "testing" | "publishing" | "finishing" | "running" => {
            AnsiColor::Blue.on_default()
        }
        _ => Style::new(),
    }
}

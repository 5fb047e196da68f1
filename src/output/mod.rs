//! Everything that leaves the process as text: lines for people on stderr, data on stdout, the result file, `JUnit` XML.
//!
//! The only room that prints, beside `main`. It sanitizes remote text and masks secrets; it must know no provider and
//! no HTTP.

mod console;
mod events;
mod format;
mod html_text;
mod json;
pub mod junit;
pub mod lines;
mod log;
mod progress;
mod qr_code;
#[cfg(test)]
mod random_tests;
mod result_file;
mod style;
mod table;

pub use console::{Console, ConsoleSettings};
pub use format::{format_duration, format_size};
pub use html_text::{HtmlText, LineEnds};
pub use log::{LogPrinter, LogTarget, LogText};
pub use qr_code::QrCode;
pub use result_file::ResultFile;
pub use table::{Cell, Table};

//! Rows of data for people and for programs. Pure: text in, lines out.

use std::time::{Duration, SystemTime};

use anstyle::Style;

use super::format::{format_age, format_duration, format_size};
use super::style;
use crate::clock::parse_time;

/// The space between two columns of a terminal.
const GAP: &str = "  ";

/// What stands for a value that is not known.
const NONE: &str = "-";

/// Rows below headings.
#[derive(Debug, Clone)]
pub struct Table {
    what: &'static str,
    headings: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

/// A value as people and as programs read it.
#[derive(Debug, Clone)]
pub struct Cell {
    data: String,
    /// What people see, where that is something else.
    shown: Option<String>,
    style: Style,
}

impl Cell {
    /// The same text for both.
    pub fn text(text: impl Into<String>) -> Self {
        let text: String = text.into();
        let text = if text.is_empty() { NONE.to_owned() } else { text };
        Self { data: text, shown: None, style: Style::new() }
    }

    /// A value that may be unknown.
    pub fn optional<T: ToString>(value: Option<T>) -> Self {
        Self::text(value.map(|value| value.to_string()).unwrap_or_default())
    }

    /// The state of a build or a step, in the provider's word.
    pub fn state(word: &str) -> Self {
        Self { style: style::state(word), ..Self::text(word) }
    }

    /// Bytes; programs get the number.
    pub fn size(bytes: Option<u64>) -> Self {
        Self { shown: bytes.map(format_size), ..Self::optional(bytes) }
    }

    /// A duration; programs get its seconds.
    pub fn seconds(seconds: Option<u64>) -> Self {
        let shown = seconds.map(|seconds| format_duration(Duration::from_secs(seconds)));
        Self { shown, ..Self::optional(seconds) }
    }

    /// A point in time: people get its distance, programs the service's own `text`.
    pub fn time(text: Option<&str>, now: SystemTime) -> Self {
        let shown = text.and_then(parse_time).map(|time| format_age(time, now));
        Self { shown, ..Self::optional(text) }
    }
}

impl Table {
    /// A table of `what`, in the plural, e.g. `builds`.
    pub fn new(what: &'static str, headings: &[&'static str]) -> Self {
        Self { what, headings: headings.to_vec(), rows: Vec::new() }
    }

    /// Adds a row, with a cell for each heading.
    pub fn row(&mut self, cells: Vec<Cell>) {
        debug_assert_eq!(cells.len(), self.headings.len());
        self.rows.push(cells);
    }

    pub(super) fn what(&self) -> &'static str {
        self.what
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The rows as lines with tabs; a tab or a line end in a value becomes a space.
    pub(super) fn lines(&self) -> impl Iterator<Item = String> {
        self.rows.iter().map(|row| row.iter().map(|cell| flat(&cell.data)).collect::<Vec<_>>().join("\t"))
    }

    /// The table as lines of equally wide columns. `safe` makes remote text safe for a terminal.
    pub(super) fn aligned(&self, safe: impl Fn(&str) -> String, color: bool) -> Vec<String> {
        let heading = |text: &&str| (text.to_uppercase(), style::HEADING);
        let mut rows: Vec<Vec<(String, Style)>> = vec![self.headings.iter().map(heading).collect()];
        rows.extend(self.rows.iter().map(|row| {
            row.iter().map(|cell| (safe(&flat(cell.shown.as_ref().unwrap_or(&cell.data))), cell.style)).collect()
        }));
        let width = |column: usize| {
            rows.iter()
                .filter_map(|row| row.get(column))
                .map(|(text, _)| text.chars().count())
                .max()
                .unwrap_or_default()
        };
        let widths: Vec<usize> = (0..self.headings.len()).map(width).collect();
        let line = |row: &Vec<(String, Style)>| {
            let mut line = String::new();
            for (column, (text, style)) in row.iter().enumerate() {
                let (before, after) = if color {
                    (style.render().to_string(), style.render_reset().to_string())
                } else {
                    Default::default()
                };
                line.extend([&*before, text, &*after]);
                if column + 1 < row.len() {
                    line.push_str(&" ".repeat(widths[column] - text.chars().count()));
                    line.push_str(GAP);
                }
            }
            line
        };
        rows.iter().map(line).collect()
    }
}

/// A value without what would break the rows.
fn flat(text: &str) -> String {
    text.replace(['\t', '\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(7200);
        let mut table = Table::new("builds", &["number", "status", "size", "started"]);
        let started = Cell::time(Some("1970-01-01T00:00:00.000+0000"), now);
        table.row(vec![Cell::text("7"), Cell::state("failed"), Cell::size(Some(1500)), started]);
        table.row(vec![Cell::text("1000"), Cell::text("a\tb"), Cell::size(None), Cell::time(None, now)]);
        table
    }

    #[test]
    fn programs_get_values_between_tabs() {
        assert_eq!(
            table().lines().collect::<Vec<_>>(),
            ["7\tfailed\t1500\t1970-01-01T00:00:00.000+0000", "1000\ta b\t-\t-"]
        );
    }

    #[test]
    fn people_get_columns_below_headings() {
        let lines = table().aligned(str::to_owned, false);
        assert_eq!(
            lines,
            ["NUMBER  STATUS  SIZE    STARTED", "7       failed  1.5 kB  2h ago", "1000    a b     -       -"]
        );
        let colored = table().aligned(str::to_owned, true);
        assert!(colored[1].contains("\u{1b}[31mfailed\u{1b}[0m  1.5 kB"), "{colored:?}");
    }
}

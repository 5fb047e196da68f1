//! Remote logs on their way out: decoded, sanitized, secrets masked, in constant memory.

use super::Console;
use super::console::REMOTE;
use crate::sanitize::{Sanitizer, first_character, printable};
use crate::secret::Redactor;

/// The longest line that is held back until its end is known, in bytes; a longer one comes in pieces.
const LONGEST_LINE: usize = 64 * 1024;

/// What stands for bytes that are no text.
const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

/// Turns a log that comes in chunks into lines of text that may be shown. A line longer than 64 KiB comes in pieces, and
/// no secret is cut by the end of one.
pub struct LogText {
    redactor: Redactor,
    /// Nothing for bytes that stay as they are, but for secrets.
    sanitizer: Option<Sanitizer>,
    /// The beginning of a character.
    partial: Vec<u8>,
    text: Vec<u8>,
}

impl LogText {
    /// Text for a console or a text file.
    pub fn new(redactor: &Redactor) -> Self {
        Self { sanitizer: Some(Sanitizer::default()), ..Self::raw(redactor) }
    }

    /// The bytes as the service stores them; only secrets are masked.
    pub fn raw(redactor: &Redactor) -> Self {
        Self { redactor: redactor.clone(), sanitizer: None, partial: Vec::new(), text: Vec::new() }
    }

    /// Takes in a chunk. `take` gets each piece that is complete by now, without the line feed, and whether a line ends
    /// with it.
    pub fn push(&mut self, chunk: &[u8], take: &mut dyn FnMut(&[u8], bool)) {
        for part in chunk.chunks(LONGEST_LINE) {
            self.add(part);
            if let Some(end) = memchr::memrchr(b'\n', &self.text) {
                // All lines at once: searching costs more for each than for all.
                let lines = self.redactor.redact_bytes(&self.text[..=end]);
                let mut start = 0;
                for end in memchr::memchr_iter(b'\n', &lines) {
                    take(&lines[start..end], true);
                    start = end + 1;
                }
                self.text.drain(..=end);
            }
            if self.text.len() > LONGEST_LINE {
                self.release(take);
            }
        }
    }

    /// Hands out a last line without an end.
    pub fn finish(&mut self, take: &mut dyn FnMut(&[u8], bool)) {
        if !std::mem::take(&mut self.partial).is_empty() {
            self.text.extend_from_slice(REPLACEMENT);
        }
        if !self.text.is_empty() {
            take(&self.redactor.redact_bytes(&self.text), true);
            self.text.clear();
        }
        self.sanitizer = self.sanitizer.map(|_| Sanitizer::default());
    }

    /// Adds text as it is to be shown. Line by line, because most lines of every log stay as they are.
    fn add(&mut self, text: &[u8]) {
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', text) {
            self.add_line(&text[start..=end]);
            start = end + 1;
        }
        self.add_line(&text[start..]);
    }

    /// Adds a part of a line.
    fn add_line(&mut self, text: &[u8]) {
        let Some(sanitizer) = &mut self.sanitizer else { return self.text.extend_from_slice(text) };
        let joined;
        let mut text = if self.partial.is_empty() {
            text
        } else {
            joined = [&std::mem::take(&mut self.partial)[..], text].concat();
            &joined
        };
        while !text.is_empty() {
            if *sanitizer == Sanitizer::default() {
                let (plain, rest) = text.split_at(printable(text));
                self.text.extend_from_slice(plain);
                text = rest;
            }
            match first_character(text) {
                Some(Ok(character)) => {
                    let (bytes, rest) = text.split_at(character.len_utf8());
                    if sanitizer.keeps(character) || character == '\n' {
                        self.text.extend_from_slice(bytes);
                    }
                    text = rest;
                }
                Some(Err(invalid)) => {
                    let is_cut = || std::str::from_utf8(text).is_err_and(|error| error.error_len().is_none());
                    if invalid == text.len() && is_cut() {
                        self.partial = text.to_vec();
                        return;
                    }
                    self.text.extend_from_slice(REPLACEMENT);
                    text = &text[invalid..];
                }
                None => return,
            }
        }
    }

    /// Hands out as much of a long line as can hold no part of a secret.
    fn release(&mut self, take: &mut dyn FnMut(&[u8], bool)) {
        let mut end = match self.redactor.safe_end(&self.text) {
            // A secret as long as this line: it is masked by its lines and beginnings, if at all.
            0 if self.text.len() > 16 * LONGEST_LINE => self.text.len(),
            end => end,
        };
        while self.sanitizer.is_some() && end > 0 && self.text.get(end).is_some_and(|byte| byte & 0xc0 == 0x80) {
            end -= 1;
        }
        if end > 0 {
            take(&self.redactor.redact_bytes(&self.text[..end]), false);
            self.text.drain(..end);
        }
    }
}

/// Where a log goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogTarget {
    /// stdout, as data.
    Data,
    /// stderr, for people: each line is marked as remote text.
    People,
}

/// Shows a remote log, or the stages of a Pipeline that it names.
pub struct LogPrinter {
    text: LogText,
    lines: LogLines,
}

impl LogPrinter {
    /// A log that is shown as it comes; `stages_only` shows the stages of a Pipeline.
    pub fn new(console: &Console, target: LogTarget, stages_only: bool) -> Self {
        let text = LogText::new(console.redactor());
        Self { text, lines: LogLines { console: console.clone(), target, stages_only, unwritten: Vec::new() } }
    }

    /// Takes in text, and shows the lines that are complete.
    pub fn feed(&mut self, bytes: &[u8]) {
        let Self { text, lines } = self;
        text.push(bytes, &mut |piece, ends| lines.add(piece, ends));
        lines.write();
    }

    /// Shows a last line without an end, which gets one: something else may follow.
    pub fn end(&mut self) {
        let Self { text, lines } = self;
        text.finish(&mut |piece, ends| lines.add(piece, ends));
        lines.write();
    }
}

/// The lines of a log on their way to the console.
struct LogLines {
    console: Console,
    target: LogTarget,
    stages_only: bool,
    /// Those of one chunk: a system call for each would cost more than the rest.
    unwritten: Vec<u8>,
}

impl LogLines {
    /// Adds a piece, or shows the stage that it names.
    fn add(&mut self, piece: &[u8], ends: bool) {
        if self.stages_only {
            return self.show_stage(piece);
        }
        if self.target == LogTarget::People {
            self.unwritten.extend_from_slice(REMOTE.as_bytes());
        }
        self.unwritten.extend_from_slice(piece);
        if ends || self.target == LogTarget::People {
            self.unwritten.push(b'\n');
        }
    }

    fn show_stage(&self, piece: &[u8]) {
        let text = String::from_utf8_lossy(piece);
        let Some(stage) = text.strip_prefix("[Pipeline] { (").and_then(|rest| rest.strip_suffix(')')) else { return };
        let line = format!("stage: {stage}");
        match self.target {
            LogTarget::Data => self.console.data(&line),
            LogTarget::People => self.console.line(&line),
        }
    }

    fn write(&mut self) {
        match self.target {
            _ if self.unwritten.is_empty() => {}
            LogTarget::Data => self.console.write_bytes(&self.unwritten),
            LogTarget::People => self.console.write_remote(&self.unwritten),
        }
        self.unwritten.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    /// The lines of a log that comes in chunks of this size.
    fn lines(redactor: &Redactor, chunk: usize, log: &[u8]) -> Vec<String> {
        let (mut text, mut lines, mut line) = (LogText::new(redactor), Vec::new(), Vec::new());
        let mut take = |piece: &[u8], ends| {
            line.extend_from_slice(piece);
            if ends {
                lines.push(String::from_utf8(std::mem::take(&mut line)).unwrap());
            }
        };
        log.chunks(chunk).for_each(|chunk| text.push(chunk, &mut take));
        text.finish(&mut take);
        lines
    }

    #[test]
    fn lines_are_the_same_however_they_come() {
        let log = "one\r\n\n\u{1b}[31mtwo\u{1b}[0m\nüüü🚀\nhalf \u{1b}]0;\nbad \u{2028}".as_bytes();
        let log = [log, b"\xff \xf0\x9f\n\xe2 \xe2\x82x\nthe last \xc3"].concat();
        for chunk in 1..log.len() {
            let found = lines(&Redactor::default(), chunk, &log);
            assert_eq!(
                found,
                [
                    "one",
                    "",
                    "two",
                    "üüü🚀",
                    "half ",
                    "bad \u{fffd} \u{fffd}",
                    "\u{fffd} \u{fffd}x",
                    "the last \u{fffd}"
                ],
                "{chunk}"
            );
        }
    }

    #[test]
    fn a_secret_is_masked_wherever_a_long_line_is_cut() {
        let redactor = Redactor::default();
        redactor.add_secret(&Secret::new("0123456789abcdef"));
        for length in (LONGEST_LINE - 200..LONGEST_LINE + 40).step_by(29) {
            for secret in ["0123456789abcdef", "0123%34567\u{1b}[1m89abcdef"] {
                let log = format!("{}{secret}{}\n", "ü".repeat(length / 2), "y".repeat(LONGEST_LINE));
                for chunk in [1000, LONGEST_LINE, usize::MAX] {
                    let [line] = &lines(&redactor, chunk.min(log.len()), log.as_bytes())[..] else { panic!() };
                    assert_eq!(*line, format!("{}********{}", "ü".repeat(length / 2), "y".repeat(LONGEST_LINE)));
                }
            }
        }
    }

    #[test]
    fn a_line_without_an_end_takes_no_memory() {
        let redactor = Redactor::default();
        redactor.add_secret(&Secret::new("0123456789abcdef"));
        for mut text in [LogText::new(&redactor), LogText::raw(&redactor)] {
            let mut bytes = 0;
            for _ in 0..5_000 {
                text.push(&[b'x'; 1000], &mut |piece, _| bytes += piece.len());
                assert!(text.text.capacity() <= 4 * LONGEST_LINE);
            }
            text.finish(&mut |piece, _| bytes += piece.len());
            assert_eq!(bytes, 5_000_000);
        }
    }

    #[test]
    fn bytes_stay_as_they_are_but_for_secrets() {
        let redactor = Redactor::default();
        redactor.add_secret(&Secret::new("0123456789abcdef"));
        let mut text = LogText::raw(&redactor);
        let mut out = Vec::new();
        let mut take = |piece: &[u8], ends| {
            out.extend_from_slice(piece);
            if ends {
                out.push(b'\n');
            }
        };
        text.push(b"\xff\x1b[1m 0123456789abcdef\r\n", &mut take);
        assert_eq!(out, b"\xff\x1b[1m ********\r\n");
    }
}

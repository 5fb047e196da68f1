//! Console logs: live without loss, and finished ones of any size.
//!
//! Since 2.509 Jenkins' plain live log (`progressiveText`) loses the beginnings of lines and everything beyond
//! 10,000 new lines, while it counts them as sent. Its HTML form is exact on every version, so the live log is read
//! from that and made text again. A finished log is exact in the plain form, which is a stream of any length there.

use std::io::Read as _;

use super::client::Client;
use super::reference::JobPath;
use crate::error::{Error, ExitCode, RequestError};
use crate::output::{HtmlText, LineEnds};

/// The most text of one answer of a live log that is held in memory. Jenkins sends at most 10,000 lines of it.
const LIVE_LIMIT: u64 = 256 * 1024 * 1024;

/// What one look at a log brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// Where the next look begins, in bytes of the stored log.
    pub next: u64,
    /// Whether the log may still grow.
    pub more: bool,
    /// Whether there was anything new.
    pub grew: bool,
}

/// Which form of a finished log to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The whole.
    Whole,
    /// From this byte of the stored log on.
    From(u64),
}

impl Client {
    /// What a running build's log has from byte `start` on. The text is given to `sink` only when it is complete, so
    /// after a miss the same start gives it again.
    pub fn live_log(
        &self,
        job: &JobPath,
        number: u64,
        start: u64,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<Chunk, RequestError> {
        let (what, subject) = log_of(job, number);
        let path = format!("{}/{number}/logText/progressiveHtml?start={start}", job.path());
        let request = self.get(&path).map_err(RequestError::permanent)?;
        let mut stream = self.open(&what, &subject, &request)?;
        let size = stream.header("x-text-size").and_then(|size| size.parse().ok());
        let more = stream.header("x-more-data") == Some("true");
        let Some(next) = size else {
            return Err(RequestError::permanent(Error::new(
                ExitCode::NoConnection,
                what,
                "the answer is not a log of Jenkins",
            )));
        };
        // A start beyond the end gives the whole log again. It happens when Jenkins lost the end of it in a crash.
        if next < start {
            return Ok(Chunk { next: start, more, grew: false });
        }
        let (mut text, mut plain) = (Vec::new(), HtmlText::default());
        let mut buffer = [0; 16 * 1024];
        let mut limited = (&mut stream).take(LIVE_LIMIT);
        loop {
            match limited.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => plain.feed(&buffer[..count], &mut text),
                Err(error) => return Err(broken(&what, &error)),
            }
        }
        plain.end(&mut text);
        sink(&text);
        Ok(Chunk { next, more, grew: next > start })
    }

    /// The log of a build that ended, in constant memory: gives false, and nothing to `sink`, when it may still grow.
    /// `skip` bytes of text are passed over: those that a broken call before this one has given already.
    pub fn finished_log(
        &self,
        job: &JobPath,
        number: u64,
        source: Source,
        skip: &mut u64,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<bool, RequestError> {
        let (what, subject) = log_of(job, number);
        let path = match source {
            Source::Whole => format!("{}/{number}/consoleText", job.path()),
            Source::From(start) => format!("{}/{number}/logText/progressiveText?start={start}", job.path()),
        };
        let request = self.get(&path).map_err(RequestError::permanent)?;
        let mut stream = self.open(&what, &subject, &request)?;
        let mut plain = match source {
            Source::Whole => None,
            Source::From(start) => {
                if stream.header("x-more-data") == Some("true") {
                    return Ok(false);
                }
                // Nothing is new: Jenkins would give the whole log again.
                if stream
                    .header("x-text-size")
                    .and_then(|size| size.parse::<u64>().ok())
                    .is_some_and(|size| size <= start)
                {
                    return Ok(true);
                }
                Some(NoteFilter::default())
            }
        };
        let (mut buffer, mut text) = ([0; 16 * 1024], Vec::new());
        let mut left = *skip;
        let mut give = |text: &[u8]| {
            let passed = usize::try_from(left).unwrap_or(usize::MAX).min(text.len());
            left -= passed as u64;
            *skip += (text.len() - passed) as u64;
            if passed < text.len() {
                sink(&text[passed..]);
            }
        };
        loop {
            let count = stream.read(&mut buffer).map_err(|error| broken(&what, &error))?;
            match &mut plain {
                None => give(&buffer[..count]),
                Some(plain) => {
                    text.clear();
                    if count == 0 {
                        plain.end(&mut text);
                    } else {
                        plain.feed(&buffer[..count], &mut text);
                    }
                    give(&text);
                }
            }
            if count == 0 {
                return Ok(true);
            }
        }
    }

    /// Whether a log has its end. The body of the answer is not read.
    pub fn log_ended(&self, job: &JobPath, number: u64) -> Result<bool, RequestError> {
        let (what, subject) = log_of(job, number);
        let path = format!("{}/{number}/logText/progressiveText?start=0", job.path());
        let head = self.open(&what, &subject, &self.get(&path).map_err(RequestError::permanent)?)?;
        Ok(head.header("x-more-data") != Some("true"))
    }

    /// The last `lines` lines of a log that ended.
    pub fn log_tail(&self, job: &JobPath, number: u64, lines: usize) -> Result<Vec<String>, RequestError> {
        let (what, subject) = log_of(job, number);
        let path = |start: u64| format!("{}/{number}/logText/progressiveText?start={start}", job.path());
        // The size stands in the head of an answer whose body is not read.
        let head = self.open(&what, &subject, &self.get(&path(0)).map_err(RequestError::permanent)?)?;
        let size: u64 = head.header("x-text-size").and_then(|size| size.parse().ok()).unwrap_or_default();
        drop(head);
        let window = 64 * 1024 + 200 * lines as u64;
        let mut bytes = Vec::new();
        self.finished_log(job, number, Source::From(size.saturating_sub(window)), &mut 0, &mut |text| {
            bytes.extend_from_slice(text);
        })?;
        let text = String::from_utf8_lossy(&bytes);
        let all: Vec<&str> = text.lines().collect();
        Ok(all[all.len().saturating_sub(lines)..].iter().map(|line| (*line).to_owned()).collect())
    }
}

fn log_of(job: &JobPath, number: u64) -> (String, String) {
    (format!("reading the log of build {job}#{number}"), format!("build {job}#{number}"))
}

fn broken(what: &str, error: &std::io::Error) -> RequestError {
    let failure = Error::new(ExitCode::NoConnection, what, format!("the connection broke ({error})"));
    RequestError { error: failure, retryable: true, retry_after: None }
}

/// Removes console notes from plain text (`ESC [8mha:` base64 `ESC [0m`, `hudson.console.ConsoleNote`), which Jenkins
/// leaves in `progressiveText` since 2.509, and turns CRLF into LF. Bytes come in pieces of any size.
#[derive(Debug, Default)]
pub struct NoteFilter {
    state: State,
    line_ends: LineEnds,
    /// A beginning that may turn out to be a note, or its end.
    held: Vec<u8>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    /// In what may be the beginning of a note.
    Opening,
    Note,
}

const NOTE: &[u8] = b"\x1b[8mha:";
const NOTE_END: &[u8] = b"\x1b[0m";

impl NoteFilter {
    /// Reads a piece, and appends its text to `out`.
    pub fn feed(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        for byte in piece {
            self.byte(*byte, out);
        }
    }

    /// Appends what was held back, at the end of the input.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        if self.state == State::Opening {
            for byte in std::mem::take(&mut self.held) {
                self.line_ends.byte(byte, out);
            }
        }
        self.line_ends.end(out);
        *self = Self::default();
    }

    fn byte(&mut self, byte: u8, out: &mut Vec<u8>) {
        match self.state {
            State::Text if byte == NOTE[0] => {
                self.held.push(byte);
                self.state = State::Opening;
            }
            State::Text => self.line_ends.byte(byte, out),
            State::Opening => {
                self.held.push(byte);
                if self.held == NOTE {
                    self.held.clear();
                    self.state = State::Note;
                } else if !NOTE.starts_with(&self.held) {
                    self.release(out);
                }
            }
            State::Note => {
                self.held.push(byte);
                if !NOTE_END.starts_with(&self.held) {
                    self.held.clear();
                    if byte == NOTE_END[0] {
                        self.held.push(byte);
                    }
                } else if self.held == NOTE_END {
                    self.held.clear();
                    self.state = State::Text;
                }
            }
        }
    }

    /// What was held is text; its last byte may itself begin a note.
    fn release(&mut self, out: &mut Vec<u8>) {
        self.state = State::Text;
        let held = std::mem::take(&mut self.held);
        let Some((last, first)) = held.split_last() else { return };
        for byte in first {
            self.line_ends.byte(*byte, out);
        }
        self.byte(*last, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_leave_the_plain_text_wherever_it_is_cut() {
        let sent = "Aborted by \u{1b}[8mha:////4M8+yG==\u{1b}[0mdev\r\n\u{1b}[31mred\u{1b}[0m \u{1b}\u{1b}[8mha:AA\u{1b}\u{1b}[0m<b>&lt;\r\n\u{1b}[8mh";
        let stored = "Aborted by dev\n\u{1b}[31mred\u{1b}[0m \u{1b}<b>&lt;\n\u{1b}[8mh";
        for at in 0..=sent.len() {
            let (mut filter, mut text) = (NoteFilter::default(), Vec::new());
            filter.feed(&sent.as_bytes()[..at], &mut text);
            filter.feed(&sent.as_bytes()[at..], &mut text);
            filter.end(&mut text);
            assert_eq!(String::from_utf8_lossy(&text), stored, "{at}");
        }
    }
}

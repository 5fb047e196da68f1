//! Console logs: live without loss, and finished ones of any size, in constant memory.
//!
//! Since 2.509 Jenkins' plain live log (`progressiveText`) loses the beginnings of lines and everything beyond 10,000 new
//! lines, while it counts them as sent (jenkinsci/jenkins#26739). Its HTML form is exact on every version, so the live
//! log is read from that and made text again. A finished log is exact in the plain form, which is a stream of any length.

use std::collections::VecDeque;
use std::io::Read;

use super::client::Client;
use super::reference::BuildRef;
use crate::error::{Error, ExitCode, RequestError};
use crate::http::Stream;
use crate::output::{HtmlText, LineEnds};
use crate::secret::CUT;

/// The most bytes that are read for the end of a log whose size is hidden by a proxy.
const TAIL_LIMIT: u64 = 256 * 1024 * 1024;

/// How far a log was read. A request that breaks off notes here how far it came, so that the next one shows the rest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogPosition {
    /// Where the next request begins, in bytes of the stored log.
    pub offset: u64,
    /// Bytes of text after the offset that were shown already.
    shown: u64,
}

/// The result of one request for a live log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogChunk {
    /// Whether the log may still grow.
    pub more: bool,
    /// Whether there was anything new.
    pub grew: bool,
}

impl LogPosition {
    /// A position at a byte of the stored log.
    pub fn at(offset: u64) -> Self {
        Self { offset, shown: 0 }
    }
}

/// Passes text on, without what was shown before.
struct Skip<'a> {
    left: u64,
    shown: &'a mut u64,
    sink: &'a mut dyn FnMut(&[u8]),
}

impl<'a> Skip<'a> {
    fn new(shown: &'a mut u64, sink: &'a mut dyn FnMut(&[u8])) -> Self {
        Self { left: *shown, shown, sink }
    }

    fn give(&mut self, text: &[u8]) {
        let skipped = usize::try_from(self.left).unwrap_or(usize::MAX).min(text.len());
        self.left -= skipped as u64;
        *self.shown += (text.len() - skipped) as u64;
        if skipped < text.len() {
            (self.sink)(&text[skipped..]);
        }
    }
}

impl Client {
    /// Writes to `sink` what a running build's log has after `position`, and moves the position.
    ///
    /// Fails with code 14 for what is not a log of Jenkins: a page, or a log without its size, which a proxy removed.
    pub fn live_log(
        &self,
        build: &BuildRef,
        position: &mut LogPosition,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<LogChunk, RequestError> {
        let subject = log_of(build);
        let start = position.offset;
        let path = format!("{}/logText/progressiveHtml?start={start}", build.path());
        let mut stream = self.open(&subject, &path)?;
        let more = has_more(&stream);
        let Some(next) = size_of(&stream) else { return Err(no_log(&subject, &stream)) };
        // A start beyond the end gives the whole log again. It happens when Jenkins lost the end of it in a crash.
        if next < start {
            return Ok(LogChunk { more, grew: false });
        }
        let (mut html, mut text) = (HtmlText::default(), Vec::new());
        let mut skip = Skip::new(&mut position.shown, sink);
        read(&subject, &mut stream, |piece| {
            text.clear();
            match piece {
                [] => html.end(&mut text),
                piece => html.feed(piece, &mut text),
            }
            skip.give(&text);
        })?;
        *position = LogPosition::at(next);
        Ok(LogChunk { more, grew: next > start })
    }

    /// Writes to `sink` the log of a build that has ended, from `position` on. Gives false, and nothing to `sink`, when
    /// the log may still grow.
    ///
    /// Fails with code 14 for what is not a log of Jenkins.
    pub fn finished_log(
        &self,
        build: &BuildRef,
        position: &mut LogPosition,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<bool, RequestError> {
        let subject = log_of(build);
        let start = position.offset;
        let path = match start {
            // Without notes, and without a size: never cut short by one that is wrong (logs over 4 GiB that are gzipped).
            0 => format!("{}/consoleText", build.path()),
            start => format!("{}/logText/progressiveText?start={start}", build.path()),
        };
        let mut stream = self.open(&subject, &path)?;
        if is_page(&stream) || start > 0 && size_of(&stream).is_none() {
            return Err(no_log(&subject, &stream));
        }
        if start > 0 && has_more(&stream) {
            return Ok(false);
        }
        // Nothing is new: Jenkins would give the whole log again.
        if start > 0 && size_of(&stream).is_some_and(|size| size <= start) {
            return Ok(true);
        }
        let mut notes = (start > 0).then(NoteFilter::default);
        let mut skip = Skip::new(&mut position.shown, sink);
        read(&subject, &mut stream, |piece| match &mut notes {
            None => skip.give(piece),
            Some(notes) => skip.give(&notes.text(piece)),
        })?;
        Ok(true)
    }

    /// Whether a log is complete. The body of the answer is not read.
    pub fn log_is_complete(&self, build: &BuildRef) -> Result<bool, RequestError> {
        let subject = log_of(build);
        let path = format!("{}/logText/progressiveText?start=0", build.path());
        let stream = self.open(&subject, &path)?;
        if is_page(&stream) { Err(no_log(&subject, &stream)) } else { Ok(!has_more(&stream)) }
    }

    /// The last `lines` lines of a log that has ended.
    pub fn log_tail(&self, build: &BuildRef, lines: usize) -> Result<Vec<String>, RequestError> {
        let subject = log_of(build);
        let window = 64 * 1024 + 200 * lines as u64;
        let open = |start: u64| {
            let path = format!("{}/logText/progressiveText?start={start}", build.path());
            let stream = self.open(&subject, &path)?;
            if is_page(&stream) { Err(no_log(&subject, &stream)) } else { Ok(stream) }
        };
        // The size is in the head of an answer whose body is not read.
        let mut stream = open(0)?;
        let mut is_cut = false;
        if let Some(size) = size_of(&stream).filter(|size| *size > window) {
            stream = open(size - window)?;
            is_cut = true;
        }
        let (mut notes, mut tail) = (NoteFilter::default(), VecDeque::new());
        let window = usize::try_from(window).unwrap_or(usize::MAX);
        // One byte more shows that the log is longer.
        let length = read(&subject, &mut stream.by_ref().take(TAIL_LIMIT + 1), |piece| {
            tail.extend(notes.text(piece));
            let surplus = tail.len().saturating_sub(window);
            is_cut |= surplus > 0;
            tail.drain(..surplus);
        })?;
        if length > TAIL_LIMIT {
            let reason =
                "its end cannot be found: a proxy removes the header X-Text-Size, and the log is longer than 256 MiB";
            return Err(RequestError::permanent(Error::new(ExitCode::NoConnection, subject, reason)));
        }
        let bytes: Vec<u8> = tail.into();
        // A secret of which this is the end is masked only where it is seen to be cut.
        let cut = if is_cut { CUT.to_string() } else { String::new() };
        let text = cut + &String::from_utf8_lossy(&bytes);
        let all: Vec<&str> = text.lines().collect();
        Ok(all[all.len().saturating_sub(lines)..].iter().map(|line| (*line).to_owned()).collect())
    }
}

/// Hands a log to `take` in pieces, at last an empty one. Gives its length.
fn read(subject: &str, stream: &mut impl Read, mut take: impl FnMut(&[u8])) -> Result<u64, RequestError> {
    let (mut buffer, mut length) = ([0; 16 * 1024], 0);
    loop {
        let count = stream.read(&mut buffer).map_err(|error| broken(subject, &error))?;
        take(&buffer[..count]);
        length += count as u64;
        if count == 0 {
            return Ok(length);
        }
    }
}

fn log_of(build: &BuildRef) -> String {
    format!("log of build {build}")
}

fn size_of(stream: &Stream) -> Option<u64> {
    stream.header("x-text-size").and_then(|size| size.parse().ok())
}

fn has_more(stream: &Stream) -> bool {
    stream.header("x-more-data") == Some("true")
}

/// Whether an answer is a page instead of a plain log, which Jenkins sends as `text/plain`.
fn is_page(stream: &Stream) -> bool {
    stream.header("content-type").is_some_and(|kind| kind.contains("html"))
}

fn no_log(subject: &str, stream: &Stream) -> RequestError {
    let is_annotated = stream.header("x-jenkins").is_none() && stream.header("x-more-data").is_none();
    let hint = if is_annotated {
        "a login page or a proxy may answer instead of Jenkins; a proxy must pass the headers X-Text-Size and X-More-Data on"
    } else {
        "a proxy must pass the header X-Text-Size on"
    };
    let reason = format!("{} sent something else than a log of Jenkins", stream.url.host());
    RequestError::permanent(Error::new(ExitCode::NoConnection, subject, reason).with_hint(hint))
}

fn broken(subject: &str, error: &std::io::Error) -> RequestError {
    let error = Error::new(ExitCode::NoConnection, subject, format!("the connection broke ({error})"));
    RequestError { error, retryable: true, retry_after: None }
}

/// Removes console notes from plain text (`ESC [8mha:` base64 `ESC [0m`, `hudson.console.ConsoleNote`), which Jenkins
/// leaves in `progressiveText` since 2.509, and turns CRLF into LF. Bytes come in pieces of any size.
#[derive(Debug, Default)]
pub struct NoteFilter {
    state: NoteState,
    line_ends: LineEnds,
    /// A beginning that may turn out to be a note, or its end.
    held: Vec<u8>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum NoteState {
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
        let mut rest = piece;
        while !rest.is_empty() {
            let is_run = self.state == NoteState::Text || self.state == NoteState::Note && self.held.is_empty();
            let end = if is_run { memchr::memchr(NOTE[0], rest).unwrap_or(rest.len()) } else { 0 };
            let (run, after) = rest.split_at(end);
            if self.state == NoteState::Text {
                self.line_ends.feed(run, out);
            }
            let Some((byte, after)) = after.split_first() else { return };
            self.byte(*byte, out);
            rest = after;
        }
    }

    /// Appends what was held back, at the end of the input.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        if self.state == NoteState::Opening {
            self.line_ends.feed(&std::mem::take(&mut self.held), out);
        }
        self.line_ends.end(out);
        *self = Self::default();
    }

    /// The text of a piece; an empty piece is the end of the input.
    fn text(&mut self, piece: &[u8]) -> Vec<u8> {
        let mut text = Vec::new();
        match piece {
            [] => self.end(&mut text),
            piece => self.feed(piece, &mut text),
        }
        text
    }

    fn byte(&mut self, byte: u8, out: &mut Vec<u8>) {
        match self.state {
            NoteState::Text if byte == NOTE[0] => {
                self.held.push(byte);
                self.state = NoteState::Opening;
            }
            NoteState::Text => self.line_ends.feed(&[byte], out),
            NoteState::Opening => {
                self.held.push(byte);
                if self.held == NOTE {
                    self.held.clear();
                    self.state = NoteState::Note;
                } else if !NOTE.starts_with(&self.held) {
                    self.release(out);
                }
            }
            NoteState::Note => {
                self.held.push(byte);
                if !NOTE_END.starts_with(&self.held) {
                    self.held.clear();
                    if byte == NOTE_END[0] {
                        self.held.push(byte);
                    }
                } else if self.held == NOTE_END {
                    self.held.clear();
                    self.state = NoteState::Text;
                }
            }
        }
    }

    /// What was held is text; its last byte may itself begin a note.
    fn release(&mut self, out: &mut Vec<u8>) {
        self.state = NoteState::Text;
        let held = std::mem::take(&mut self.held);
        let Some((last, first)) = held.split_last() else { return };
        self.line_ends.feed(first, out);
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

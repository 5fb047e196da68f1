//! The log of a build: what is stored, and the forms in which it is read.

use crate::content::{Content, DIGITS};
use crate::ids::opaque;
use crate::time::SimTime;
use std::sync::Arc;

/// Lines that one call of a live log delivers at most.
pub(crate) const MAX_LINES: u64 = 10_000;

const NOTE_BEGIN: &[u8] = b"\x1b[8mha:";
const NOTE_END: &[u8] = b"\x1b[0m";

/// One piece of a log.
#[derive(Clone, Debug)]
enum Piece {
    /// Text with its notes; `html` is what it becomes as a whole.
    Text { raw: Vec<u8>, html: Option<String> },
    /// Numbered lines, made when they are read.
    Lines { first: u64, count: u64, rest: String },
}

/// A piece at its place.
#[derive(Clone, Debug)]
struct Part {
    at: u64,
    /// Line feeds before it.
    lines: u64,
    /// The pipeline step it belongs to.
    node: Option<u32>,
    piece: Piece,
}

impl Part {
    fn len(&self) -> u64 {
        match &self.piece {
            Piece::Text { raw, .. } => raw.len() as u64,
            Piece::Lines { count, rest, .. } => count * width(rest),
        }
    }

    fn feeds(&self) -> u64 {
        match &self.piece {
            Piece::Text { raw, .. } => feeds(raw),
            Piece::Lines { count, .. } => *count,
        }
    }

    /// Offset within this part behind its `n`-th line feed (from 1).
    fn behind_feed(&self, n: u64) -> u64 {
        match &self.piece {
            Piece::Text { raw, .. } => {
                let mut places = raw.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(i, _)| i as u64 + 1);
                places.nth(n as usize - 1).unwrap_or(raw.len() as u64)
            }
            Piece::Lines { rest, .. } => n * width(rest),
        }
    }

    /// Line feeds in its first `len` bytes.
    fn feeds_before(&self, len: u64) -> u64 {
        match &self.piece {
            Piece::Text { raw, .. } => feeds(&raw[..len as usize]),
            Piece::Lines { rest, .. } => len / width(rest),
        }
    }
}

fn width(rest: &str) -> u64 {
    DIGITS + rest.len() as u64
}

fn feeds(bytes: &[u8]) -> u64 {
    bytes.split(|b| *b == b'\n').count() as u64 - 1
}

/// A form in which a log is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As stored, with notes, line ends CRLF: `progressiveText` since 2.509.
    Raw,
    /// Without notes, line ends LF: `consoleText`.
    Plain,
    /// Without notes, line ends CRLF: `progressiveText` before 2.509.
    PlainCrlf,
    /// HTML, line ends CRLF: `progressiveHtml`.
    Html,
}

/// A log.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    parts: Vec<Part>,
}

impl Log {
    /// Bytes that are stored.
    pub(crate) fn len(&self) -> u64 {
        self.parts.last().map_or(0, |p| p.at + p.len())
    }

    fn lines(&self) -> u64 {
        self.parts.last().map_or(0, |p| p.lines + p.feeds())
    }

    fn push(&mut self, node: Option<u32>, piece: Piece) {
        let (at, lines) = (self.len(), self.lines());
        self.parts.push(Part { at, lines, node, piece });
    }

    /// Adds text.
    pub(crate) fn text(&mut self, node: Option<u32>, text: &str) {
        if !text.is_empty() {
            self.push(node, Piece::Text { raw: text.as_bytes().to_vec(), html: None });
        }
    }

    /// Adds text as the Timestamper plugin annotates it: the text of a Pipeline holds the time as well.
    pub(crate) fn stamped(&mut self, node: Option<u32>, text: &str, time: SimTime, pipeline: bool) {
        let full = format!("[{}Z]", &time.v3()[..23]);
        for line in text.split_inclusive('\n') {
            let mut html = format!("<span class=\"timestamp\"><b>{}</b> </span>", time.clock());
            if pipeline {
                html += &format!("<span style=\"display: none\">{full}</span> ");
            }
            let raw = if pipeline { format!("{full} {line}") } else { line.to_owned() };
            self.push(node, Piece::Text { raw: raw.into_bytes(), html: Some(html + &escape(line)) });
        }
    }

    /// Adds numbered lines.
    pub(crate) fn numbered(&mut self, node: Option<u32>, count: u64, text: &str) {
        if count > 0 {
            self.push(node, Piece::Lines { first: 1, count, rest: format!(" {text}\n") });
        }
    }

    /// Adds a text with a note before its part `noted`; in HTML the whole is `html`.
    pub(crate) fn noted(&mut self, before: &str, noted: &str, html: &str) {
        let note = opaque(noted, 240).replace('-', "+").replace('_', "/");
        let raw = [before.as_bytes(), NOTE_BEGIN, b"////4", note.as_bytes(), NOTE_END, noted.as_bytes()].concat();
        self.push(None, Piece::Text { raw, html: Some(html.to_owned()) });
    }

    /// Where `MAX_LINES` complete lines after `from` end, or all there are.
    pub(crate) fn page_end(&self, from: u64) -> u64 {
        let before = self.parts.iter().rev().find(|p| p.at <= from);
        let seen = before.map_or(0, |p| p.lines + p.feeds_before((from - p.at).min(p.len())));
        self.behind_line((seen + MAX_LINES).min(self.lines())).max(from)
    }

    /// Offset behind the `n`-th line feed of the whole; 0 for none.
    fn behind_line(&self, n: u64) -> u64 {
        if n == 0 {
            return 0;
        }
        let part = self.parts.iter().rev().find(|p| p.lines < n);
        part.map_or(0, |p| p.at + p.behind_feed(n - p.lines))
    }

    /// The bytes from `from` to `to` in a form.
    pub(crate) fn read(&self, from: u64, to: u64, form: Form) -> Content {
        let mut out: Vec<Content> = Vec::new();
        for part in self.parts.iter().filter(|p| p.at < to && p.at + p.len() > from) {
            let (a, b) = (from.max(part.at) - part.at, to.min(part.at + part.len()) - part.at);
            let span = part.node.filter(|_| form == Form::Html);
            if let Some(node) = span {
                out.push(Content::from_text(&format!("<span class=\"pipeline-node-{node}\">")));
            }
            slice(part, a, b, form, &mut out);
            if span.is_some() {
                out.push(Content::from_text("</span>"));
            }
        }
        match out.len() {
            0 => Content::from_text(""),
            1 => out.remove(0),
            _ => Content::Joined(out.into()),
        }
    }
}

fn slice(part: &Part, from: u64, to: u64, form: Form, out: &mut Vec<Content>) {
    match &part.piece {
        Piece::Text { html: Some(html), .. } if form == Form::Html && from == 0 && to == part.len() => {
            out.push(Content::from_text(&html.replace('\n', "\r\n")));
        }
        Piece::Text { raw, .. } => out.push(bytes(&raw[from as usize..to as usize], form)),
        Piece::Lines { first, count: _, rest } => {
            let width = width(rest);
            let (head, tail) = (from.div_ceil(width), to / width);
            // Cuts within a line are made of that line's own bytes.
            let line = |n: u64| format!("{:010}{rest}", first + n).into_bytes();
            if head > tail {
                return out.push(bytes(&line(tail)[(from % width) as usize..(to % width) as usize], form));
            }
            if !from.is_multiple_of(width) {
                out.push(bytes(&line(from / width)[(from % width) as usize..], form));
            }
            if tail > head {
                let rest = convert(rest.as_bytes(), form);
                out.push(Content::Numbered { first: first + head, count: tail - head, rest: rest.into() });
            }
            if !to.is_multiple_of(width) {
                out.push(bytes(&line(tail)[..(to % width) as usize], form));
            }
        }
    }
}

fn bytes(raw: &[u8], form: Form) -> Content {
    Content::Bytes(Arc::from(convert(raw, form)))
}

fn convert(raw: &[u8], form: Form) -> Vec<u8> {
    let stripped = if form == Form::Raw { raw.to_vec() } else { without_notes(raw) };
    let mut out = Vec::with_capacity(stripped.len());
    for byte in stripped {
        match (byte, form) {
            (b'\n', Form::Plain) => out.push(b'\n'),
            (b'\n', _) => out.extend_from_slice(b"\r\n"),
            (b'<', Form::Html) => out.extend_from_slice(b"&lt;"),
            (b'>', Form::Html) => out.extend_from_slice(b"&gt;"),
            (b'&', Form::Html) => out.extend_from_slice(b"&amp;"),
            (other, _) => out.push(other),
        }
    }
    out
}

fn without_notes(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    let mut left = raw;
    while let Some(at) = find(left, NOTE_BEGIN) {
        let Some(end) = find(&left[at..], NOTE_END) else { break };
        out.extend_from_slice(&left[..at]);
        left = &left[at + end + NOTE_END.len()..];
    }
    out.extend_from_slice(left);
    out
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|w| w == what)
}

/// The three characters that Jenkins escapes.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_holds_so_many_complete_lines() {
        let mut log = Log::default();
        log.text(None, "head\n");
        log.numbered(None, 25_000, "x");
        log.text(None, "open");
        let (width, complete) = (13, log.len() - 4);
        let first = log.page_end(0);
        assert_eq!(first, 5 + 9_999 * width);
        assert_eq!(log.page_end(first), first + 10_000 * width);
        assert_eq!(log.page_end(first + 1), first + 10_000 * width);
        assert_eq!((log.page_end(5 + 20_000 * width), log.page_end(complete)), (complete, complete));
    }

    #[test]
    fn any_part_of_a_log_is_the_same() {
        let mut log = Log::default();
        log.text(None, "a\n");
        log.numbered(None, 4, "<&");
        log.text(None, "z");
        let whole = log.read(0, log.len(), Form::Plain).text();
        assert!(whole.starts_with("a\n0000000001 <&\n0000000002"));
        for from in 0..log.len() {
            for to in from..=log.len() {
                assert_eq!(log.read(from, to, Form::Plain).text(), whole[from as usize..to as usize]);
            }
        }
    }
}

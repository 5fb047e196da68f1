//! The log of a build: what is stored, and the forms in which it is read.

use crate::content::Content;
use crate::ids::opaque;
use crate::time::SimTime;

/// Lines that one call of a live log delivers at most.
const MAX_LINES: usize = 10_000;
const NOTE_BEGIN: &[u8] = b"\x1b[8mha:";
const NOTE_END: &[u8] = b"\x1b[0m";

/// Where a part of the log ends, and what it is in HTML.
#[derive(Clone, Debug)]
struct Part {
    end: usize,
    /// The Pipeline step it belongs to.
    node: Option<u32>,
    /// The whole part in HTML, if it is not just escaped.
    html: Option<String>,
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

#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    raw: Vec<u8>,
    parts: Vec<Part>,
}

impl Log {
    /// Bytes that are stored.
    pub(crate) fn len(&self) -> usize {
        self.raw.len()
    }

    fn push(&mut self, node: Option<u32>, raw: &[u8], html: Option<String>) {
        if !raw.is_empty() {
            self.raw.extend_from_slice(raw);
            self.parts.push(Part { end: self.raw.len(), node, html });
        }
    }

    /// Adds text.
    pub(crate) fn text(&mut self, node: Option<u32>, text: &str) {
        self.push(node, text.as_bytes(), None);
    }

    /// Adds text as the Timestamper plugin annotates it: the text of a Pipeline holds the time as well.
    pub(crate) fn stamped(&mut self, node: Option<u32>, text: &str, time: SimTime, pipeline: bool) {
        let full = format!("[{}Z]", &time.v3()[..23]);
        for line in text.split_inclusive('\n') {
            let html = format!("<span class=\"timestamp\"><b>{}</b> </span>", time.clock());
            let (raw, hidden) = if pipeline {
                (format!("{full} {line}"), format!("<span style=\"display: none\">{full}</span> "))
            } else {
                (line.to_owned(), String::new())
            };
            self.push(node, raw.as_bytes(), Some(html + &hidden + &escape(line)));
        }
    }

    /// Adds numbered lines: ten digits, a space, `text`.
    pub(crate) fn numbered(&mut self, node: Option<u32>, count: u64, text: &str) {
        let lines: Vec<String> = (1..=count).map(|n| format!("{n:010} {text}\n")).collect();
        self.text(node, &lines.concat());
    }

    /// Adds a text with a note before its part `noted`; in HTML the whole is `html`.
    pub(crate) fn noted(&mut self, before: &str, noted: &str, html: &str) {
        let note = opaque(noted, 240).replace('-', "+").replace('_', "/");
        let raw = [before.as_bytes(), NOTE_BEGIN, b"////4", note.as_bytes(), NOTE_END, noted.as_bytes()].concat();
        self.push(None, &raw, Some(html.to_owned()));
    }

    /// Where `MAX_LINES` complete lines after `from` end, or all there are.
    pub(crate) fn page_end(&self, from: usize) -> usize {
        let feeds = self.raw[from..].iter().enumerate().filter(|(_, b)| **b == b'\n').take(MAX_LINES);
        feeds.last().map_or(from, |(at, _)| from + at + 1)
    }

    /// The bytes from `from` to `to` in a form.
    pub(crate) fn read(&self, from: usize, to: usize, form: Form) -> Content {
        if form != Form::Html {
            return Content::Bytes(convert(&self.raw[from..to], form).into());
        }
        let (mut out, mut begin) = (Vec::new(), 0);
        for Part { end, node, html } in &self.parts {
            let (a, b) = (from.max(begin), to.min(*end));
            let whole = (a, b) == (begin, *end);
            begin = *end;
            if a >= b {
                continue;
            }
            let shown = match html.as_ref().filter(|_| whole) {
                Some(html) => html.replace('\n', "\r\n").into_bytes(),
                None => convert(&self.raw[a..b], form),
            };
            match node {
                Some(node) => {
                    out.extend(format!("<span class=\"pipeline-node-{node}\">").bytes().chain(shown));
                    out.extend_from_slice(b"</span>");
                }
                None => out.extend(shown),
            }
        }
        Content::Bytes(out.into())
    }
}

fn convert(raw: &[u8], form: Form) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    let mut at = 0;
    while at < raw.len() {
        if form != Form::Raw && raw[at..].starts_with(NOTE_BEGIN) {
            let end = raw[at..].windows(NOTE_END.len()).position(|w| w == NOTE_END);
            at = end.map_or(raw.len(), |end| at + end + NOTE_END.len());
            continue;
        }
        match (raw[at], form) {
            (b'\n', Form::Plain) => out.push(b'\n'),
            (b'\n', _) => out.extend_from_slice(b"\r\n"),
            (b'<', Form::Html) => out.extend_from_slice(b"&lt;"),
            (b'>', Form::Html) => out.extend_from_slice(b"&gt;"),
            (b'&', Form::Html) => out.extend_from_slice(b"&amp;"),
            (other, _) => out.push(other),
        }
        at += 1;
    }
    out
}

/// The three characters that Jenkins escapes.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

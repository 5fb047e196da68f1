//! A text as other programs spell it: percent-encoded, escaped for JSON or XML, with control characters in between.
//!
//! A secret is searched in the decoded text, so that every encoder's choice of what it escapes is covered. Each byte of
//! a decoded text knows the bytes of the source that it came from. Pure.

use std::ops::Range;

use crate::sanitize::Sanitizer;

/// A text, possibly decoded.
#[derive(Debug, Clone)]
pub(super) struct View {
    /// The decoded bytes.
    pub(super) bytes: Vec<u8>,
    /// For each of them where its source begins and ends; nothing for the source itself.
    source: Vec<(u32, u32)>,
}

/// Reads one encoded character at the start of the text: its bytes, and the length of its encoded form.
type Decoder = fn(&[u8]) -> Option<(Vec<u8>, usize)>;

/// The encodings, each with the byte that its encoded characters begin with.
pub(super) const DECODERS: [(u8, Decoder); 4] =
    [(b'%', percent), (b'+', plus_or_percent), (b'\\', backslash), (b'&', entity)];

impl View {
    /// The source itself.
    pub(super) fn new(text: &[u8]) -> Self {
        Self { bytes: text.to_vec(), source: Vec::new() }
    }

    /// The part of the source that a part of this text came from.
    pub(super) fn source(&self, part: Range<usize>) -> Range<usize> {
        if self.source.is_empty() {
            return part;
        }
        let from = self.source.get(part.start).map_or(0, |source| source.0);
        let to = part.end.checked_sub(1).and_then(|last| self.source.get(last)).map_or(from, |source| source.1);
        from as usize..to as usize
    }

    /// The text with the characters of one encoding decoded; nothing if it has none.
    pub(super) fn decode(&self, (mark, decoder): (u8, Decoder)) -> Option<Self> {
        if !self.bytes.contains(&mark) {
            return None;
        }
        let mut decoded = Self { bytes: Vec::new(), source: Vec::new() };
        let mut at = 0;
        let mut changed = false;
        while at < self.bytes.len() {
            let (bytes, length) = match decoder(&self.bytes[at..]) {
                Some(character) => {
                    changed = true;
                    character
                }
                None => (vec![self.bytes[at]], 1),
            };
            let length = length.min(self.bytes.len() - at);
            for byte in bytes {
                decoded.push(byte, self.source(at..at + length));
            }
            at += length;
        }
        changed.then_some(decoded)
    }

    /// The text as it is seen: without control, format and undecodable characters, white space as single spaces.
    /// Nothing if it is that already.
    pub(super) fn shown(&self) -> Option<Self> {
        let plain = |byte: &u8| matches!(byte, 0x20..0x7f);
        if self.bytes.iter().all(plain) && !self.bytes.windows(2).any(|pair| pair == b"  ") {
            return None;
        }
        let mut shown = Self { bytes: Vec::new(), source: Vec::new() };
        let mut sanitizer = Sanitizer::default();
        let mut at = 0;
        for chunk in self.bytes.utf8_chunks() {
            for character in chunk.valid().chars() {
                let length = character.len_utf8();
                let kept = sanitizer.keeps(character);
                if character.is_whitespace() {
                    if shown.bytes.last() != Some(&b' ') {
                        shown.push(b' ', self.source(at..at + length));
                    }
                } else if kept {
                    for byte in at..at + length {
                        shown.push(self.bytes[byte], self.source(byte..byte + 1));
                    }
                }
                at += length;
            }
            at += chunk.invalid().len();
        }
        Some(shown)
    }

    /// A text that is shown, without its spaces. Nothing if it has none.
    pub(super) fn dense(&self) -> Option<Self> {
        if !self.bytes.contains(&b' ') {
            return None;
        }
        let mut dense = Self { bytes: Vec::new(), source: Vec::new() };
        for (at, byte) in self.bytes.iter().enumerate().filter(|(_, byte)| **byte != b' ') {
            dense.push(*byte, self.source(at..at + 1));
        }
        Some(dense)
    }

    fn push(&mut self, byte: u8, source: Range<usize>) {
        self.bytes.push(byte);
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        self.source.push((offset(source.start), offset(source.end)));
    }
}

/// `%2F` or `%2f`.
fn percent(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    let [b'%', high, low, ..] = text else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    Some((vec![u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()?], 3))
}

/// The same where `+` is a space (`application/x-www-form-urlencoded`).
fn plus_or_percent(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    if text.first() == Some(&b'+') { Some((vec![b' '], 1)) } else { percent(text) }
}

/// `\/`, `\n`, `\u0026` with surrogate pairs, `\x26`: JSON, JavaScript and the `repr` of Python.
fn backslash(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    let [b'\\', kind, rest @ ..] = text else { return None };
    let hexadecimal =
        |text: &[u8], digits: usize| u32::from_str_radix(std::str::from_utf8(text.get(..digits)?).ok()?, 16).ok();
    let (code, length) = match kind {
        b'b' => (8, 2),
        b'f' => (12, 2),
        b'n' => (10, 2),
        b'r' => (13, 2),
        b't' => (9, 2),
        b'x' => (hexadecimal(rest, 2)?, 4),
        b'u' => match hexadecimal(rest, 4)? {
            high @ 0xd800..0xdc00 if rest.get(4..6) == Some(b"\\u") => {
                let low = hexadecimal(&rest[6..], 4)?.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
                (0x10000 + (high - 0xd800) * 0x400 + low, 12)
            }
            code => (code, 6),
        },
        b'"' | b'\'' | b'\\' | b'/' => (u32::from(*kind), 2),
        _ => return None,
    };
    Some((char::from_u32(code)?.to_string().into_bytes(), length))
}

/// `&amp;`, `&#38;` or `&#x26;`.
fn entity(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    const LONGEST: usize = 12;
    let end = text.iter().take(LONGEST).position(|byte| *byte == b';')?;
    let name = std::str::from_utf8(text[..end].strip_prefix(b"&")?).ok()?;
    let character = match name.strip_prefix('#') {
        Some(number) => char::from_u32(match number.strip_prefix(['x', 'X']) {
            Some(digits) => u32::from_str_radix(digits, 16).ok()?,
            None => number.parse().ok()?,
        })?
        .to_string(),
        None => quick_xml::escape::resolve_xml_entity(name)?.to_owned(),
    };
    Some((character.into_bytes(), end + 1))
}

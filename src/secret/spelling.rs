//! A text as other programs spell it: percent-encoded, escaped for JSON or XML, with control characters in between.
//!
//! A secret is searched in the decoded text, so that every encoder's choice of what it escapes is covered. Each byte of
//! a decoded text knows the bytes of the source that it came from. Pure.

use std::borrow::Cow;
use std::ops::Range;

use crate::sanitize::{Sanitizer, first_character, printable};

/// A text, possibly decoded.
#[derive(Debug, Clone)]
pub(super) struct View<'a> {
    /// The decoded bytes.
    pub(super) bytes: Cow<'a, [u8]>,
    source: Source,
}

/// Where the bytes of a view come from.
#[derive(Debug, Clone)]
enum Source {
    /// They are the source.
    Itself,
    /// Nobody asks: it is only to be seen whether there is a secret at all, which is nearly never so.
    Unknown,
    /// For each byte where its source begins and ends.
    Known(Vec<(u32, u32)>),
}

/// Reads one encoded character at the start of the text: the character and the length of its encoded form.
pub(super) type Decoder = fn(&[u8]) -> Option<(Decoded, usize)>;

/// What one encoded character stands for.
pub(super) enum Decoded {
    /// One byte, maybe of a longer character.
    Byte(u8),
    /// A whole character.
    Character(char),
}

/// The encodings, each with the byte that its encoded characters begin with.
pub(super) const DECODERS: [(u8, Decoder); 4] = [(b'%', percent), (b'\\', backslash), (b'\\', byte), (b'&', entity)];

/// Percent-encoding where `+` is a space (`application/x-www-form-urlencoded`); it only matters for texts with spaces.
pub(super) const FORM: (u8, Decoder) = (b'+', plus_or_percent);

impl<'a> View<'a> {
    /// The source itself.
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { bytes: Cow::Borrowed(text), source: Source::Itself }
    }

    /// The part of the source that a part of this text came from.
    pub(super) fn source(&self, part: Range<usize>) -> Range<usize> {
        let Source::Known(source) = &self.source else { return part };
        let from = source.get(part.start).map_or(0, |source| source.0);
        let to = part.end.checked_sub(1).and_then(|last| source.get(last)).map_or(from, |source| source.1);
        from as usize..to as usize
    }

    /// The source itself, of which nothing that is made of it knows where it came from: to see whether there is a secret at
    /// all.
    pub(super) fn untracked(text: &'a [u8]) -> Self {
        Self { bytes: Cow::Borrowed(text), source: Source::Unknown }
    }

    /// A text that is made of this one.
    fn empty(&self) -> View<'static> {
        let source = match self.source {
            Source::Unknown => Source::Unknown,
            Source::Itself | Source::Known(_) => Source::Known(Vec::new()),
        };
        View { bytes: Cow::Owned(Vec::with_capacity(self.bytes.len())), source }
    }

    /// The text with the characters of one encoding decoded; nothing if it has none.
    pub(super) fn decode(&self, (mark, read): (u8, Decoder)) -> Option<View<'static>> {
        memchr::memchr(mark, &self.bytes)?;
        let mut decoded = None;
        let mut at = 0;
        // The encoding whose mark is `+` has percent signs, too.
        for start in memchr::memchr2_iter(mark, b'%', &self.bytes) {
            if start < at {
                continue;
            }
            let Some((character, length)) = read(&self.bytes[start..]) else { continue };
            let decoded = decoded.get_or_insert_with(|| self.empty());
            decoded.copy(self, at..start);
            at = start + length;
            match character {
                Decoded::Byte(byte) => decoded.push(byte, self, start..at),
                Decoded::Character(character) => {
                    character.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| decoded.push(byte, self, start..at));
                }
            }
        }
        let mut decoded = decoded?;
        decoded.copy(self, at..self.bytes.len());
        Some(decoded)
    }

    /// The text as it is seen: without control, format and undecodable characters, white space as single spaces.
    /// Nothing if it is that already, but for the ends of lines.
    pub(super) fn shown(&self) -> Option<View<'static>> {
        if is_plain(&self.bytes) && memchr::memmem::find(&self.bytes, b"  ").is_none() {
            return None;
        }
        let mut shown = self.empty();
        let mut sanitizer = Sanitizer::default();
        let mut at = 0;
        while at < self.bytes.len() {
            if sanitizer == Sanitizer::default() {
                let word = self.bytes[at..].iter().take_while(|byte| byte.is_ascii_graphic()).count();
                shown.copy(self, at..at + word);
                at += word;
            }
            let character = match first_character(&self.bytes[at..]) {
                Some(Ok(character)) => character,
                Some(Err(invalid)) => {
                    at += invalid;
                    continue;
                }
                None => break,
            };
            let end = at + character.len_utf8();
            let kept = sanitizer.keeps(character);
            if character.is_whitespace() {
                if shown.bytes.last() != Some(&b' ') {
                    shown.push(b' ', self, at..end);
                }
            } else if kept {
                shown.copy(self, at..end);
            }
            at = end;
        }
        Some(shown)
    }

    /// A text that is shown, without spaces and ends of lines. Nothing if it has none.
    pub(super) fn dense(&self) -> Option<View<'static>> {
        memchr::memchr2(b' ', b'\n', &self.bytes)?;
        let is_kept = |byte: &u8| !matches!(byte, b' ' | b'\n');
        if matches!(self.source, Source::Unknown) {
            let mut bytes = self.bytes.to_vec();
            bytes.retain(is_kept);
            return Some(View { bytes: Cow::Owned(bytes), source: Source::Unknown });
        }
        let mut dense = self.empty();
        for (at, byte) in self.bytes.iter().enumerate().filter(|(_, byte)| is_kept(byte)) {
            dense.push(*byte, self, at..at + 1);
        }
        Some(dense)
    }

    /// Adds bytes of another view as they are.
    fn copy(&mut self, from: &View, part: Range<usize>) {
        self.bytes.to_mut().extend_from_slice(&from.bytes[part.clone()]);
        if let Source::Known(source) = &mut self.source {
            source.extend(part.map(|at| {
                let part = from.source(at..at + 1);
                (offset(part.start), offset(part.end))
            }));
        }
    }

    /// Adds a byte that comes from a part of another view.
    fn push(&mut self, byte: u8, from: &View, part: Range<usize>) {
        self.bytes.to_mut().push(byte);
        if let Source::Known(source) = &mut self.source {
            let part = from.source(part);
            source.push((offset(part.start), offset(part.end)));
        }
    }
}

/// Whether a text has nothing but printable ASCII characters and ends of lines.
fn is_plain(mut text: &[u8]) -> bool {
    loop {
        match &text[printable(text)..] {
            [] => return true,
            [b'\n', rest @ ..] => text = rest,
            _ => return false,
        }
    }
}

fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// `%2F` or `%2f`.
fn percent(text: &[u8]) -> Option<(Decoded, usize)> {
    let [b'%', high, low, ..] = text else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    Some((Decoded::Byte(u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()?), 3))
}

fn plus_or_percent(text: &[u8]) -> Option<(Decoded, usize)> {
    if text.first() == Some(&b'+') { Some((Decoded::Byte(b' '), 1)) } else { percent(text) }
}

/// A byte of a character as `\303` (git, `ls`, shells) or `\xc3` (Python's `bytes`).
fn byte(text: &[u8]) -> Option<(Decoded, usize)> {
    let [b'\\', digits @ ..] = text else { return None };
    let (digits, radix) = match digits {
        [b'x', digits @ ..] => (digits.get(..2)?, 16),
        digits => (digits.get(..3)?, 8),
    };
    Some((Decoded::Byte(u8::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()?), 4))
}

/// `\/`, `\n`, `\u0026` with surrogate pairs, `\x26`: JSON, JavaScript and the `repr` of Python.
fn backslash(text: &[u8]) -> Option<(Decoded, usize)> {
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
    Some((Decoded::Character(char::from_u32(code)?), length))
}

/// `&amp;`, `&#38;` or `&#x26;`.
fn entity(text: &[u8]) -> Option<(Decoded, usize)> {
    const LONGEST: usize = 12;
    let name = text.strip_prefix(b"&")?;
    let end = name.iter().take(LONGEST).position(|byte| *byte == b';')?;
    let name = std::str::from_utf8(&name[..end]).ok()?;
    let character = match name.strip_prefix('#') {
        Some(number) => char::from_u32(match number.strip_prefix(['x', 'X']) {
            Some(digits) => u32::from_str_radix(digits, 16).ok()?,
            None => number.parse().ok()?,
        })?,
        None => quick_xml::escape::resolve_xml_entity(name)?.chars().next()?,
    };
    Some((Decoded::Character(character), end + 2))
}

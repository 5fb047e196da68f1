//! Finds secrets in text, however they are spelled, and masks them.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use super::spelling::{DECODERS, FORM, View};
use super::{CUT, MASK, Secret};
use crate::sanitize::sanitize;

/// Secrets of this many bytes are masked wherever they stand.
const LONG: usize = 6;

/// Secrets of this many bytes and fewer than [`LONG`] are masked where they stand alone: within other words they would
/// eat normal text. Shorter ones are no secrets. As many bytes of a secret are masked where a text was cut off.
const SHORT: usize = 4;

/// Short values that say nothing, and that normal text is full of.
const WORDS: [&str; 4] = ["true", "false", "null", "none"];

/// The longest text that is searched as a whole; a longer one is searched line by line.
const WHOLE: usize = 256 * 1024;

/// Bytes of a [`RedactedStream`] that are searched at once.
const PART: usize = 64 * 1024;

/// Secrets of this many bytes are found with white space in between, too: where a tool wrapped a line, or where something
/// that separates lines became a space. Shorter ones would be found in the words of a sentence.
const WRAPPED: usize = 12;

/// How much longer a spelling is than the text itself, at most: `\u0026`.
const LONGEST_SPELLING: usize = 6;

/// The most parts of a needle that are searched for. More of them hardly save looks and take memory.
const MOST_PARTS: usize = 4;

/// Encodings within encodings that are decoded, e.g. JSON in an address.
const DEPTH: u8 = 2;

/// Replaces known secrets in text: as they are, percent-encoded, escaped for JSON or XML, in Base64 (alone, as a part
/// of a longer text, e.g. `user:password`, and twice), in Base32, in hexadecimal digits, with control characters or escape
/// sequences in between, with other white space, and the beginning of one where a text was cut off.
///
/// Clones share the secrets: there is one set of them in a process.
#[derive(Clone, Default)]
pub struct Redactor(Arc<RwLock<Needles>>);

/// What is searched for.
#[derive(Default)]
struct Needles {
    /// At least [`SHORT`] bytes each.
    all: Vec<Vec<u8>>,
    longest: usize,
    /// Whether one of them has a space.
    have_spaces: bool,
    parts: Parts,
}

/// Which four bytes stand at the first places of a needle. One look serves all needles, and as each of them has so many
/// places, only every so many places of a text need one.
struct Parts {
    /// Each part with the needle's number and the place in it, in order.
    sorted: Vec<([u8; SHORT], usize, usize)>,
    /// The hashes of all parts, which nearly every look ends at.
    hashes: [u64; 1024],
    /// The places of a needle that count, and the distance of the looks: at most what the shortest needle has.
    step: usize,
}

impl Default for Parts {
    fn default() -> Self {
        Self { sorted: Vec::new(), hashes: [0; 1024], step: MOST_PARTS }
    }
}

impl Parts {
    fn add(&mut self, needle: &[u8], number: usize) {
        // A needle that was added with more places is found with fewer, too.
        self.step = self.step.min(needle.len() - SHORT + 1);
        let parts = (0..self.step).filter_map(|place| needle[place..].first_chunk().map(|part| (*part, number, place)));
        for part in parts {
            let (word, bit) = Self::hash(part.0);
            self.hashes[word] |= bit;
            self.sorted.insert(self.sorted.partition_point(|known| *known < part), part);
        }
    }

    /// The needles that have these bytes as a part, with the place of it.
    fn with(&self, part: [u8; SHORT]) -> impl Iterator<Item = (usize, usize)> {
        let (word, bit) = Self::hash(part);
        let known = if self.hashes[word] & bit == 0 { &[] } else { &self.sorted[..] };
        let first = known.partition_point(|(known, ..)| *known < part);
        let same = known[first..].iter().take_while(move |(known, ..)| *known == part);
        same.map(|(_, number, place)| (*number, *place))
    }

    fn hash(part: [u8; SHORT]) -> (usize, u64) {
        // The upper half of a product with the golden ratio is a good hash of its factor (Knuth, 6.4).
        let hash = u32::from_le_bytes(part).wrapping_mul(0x9e37_79b9) >> 16;
        (hash as usize / 64, 1 << (hash % 64))
    }
}

impl Redactor {
    /// From now on `secret` is masked. One of fewer than six bytes is masked only where it stands alone, one of fewer
    /// than four not at all.
    pub fn add_secret(&self, secret: &Secret) {
        let text = secret.expose();
        let mut needles = vec![seen(text)];
        // A text of several lines is shown line by line, too.
        if text.trim().contains('\n') {
            needles.extend(text.lines().map(seen));
        }
        if text.len() >= LONG {
            needles.extend(encoded(text.as_bytes()));
            // As a secret of Kubernetes holds what was Base64 before.
            needles.extend(encoded(STANDARD_NO_PAD.encode(text).as_bytes()));
        }
        if text.trim() != text && text.trim().len() >= LONG {
            needles.extend(encoded(text.trim().as_bytes()));
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for needle in needles {
            let useful = needle.len() >= SHORT && !WORDS.contains(&needle.as_str());
            let needle = needle.into_bytes();
            if useful && !known.all.contains(&needle) {
                known.longest = known.longest.max(needle.len());
                known.have_spaces |= needle.contains(&b' ');
                let number = known.all.len();
                known.parts.add(&needle, number);
                known.all.push(needle);
            }
        }
    }

    /// `text` with every known secret masked.
    pub fn redact(&self, text: &str) -> String {
        match self.redact_bytes(text.as_bytes()) {
            Cow::Borrowed(_) => text.to_owned(),
            Cow::Owned(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    /// The same for a text that need not be UTF-8.
    pub fn redact_bytes<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        let found = self.find(text);
        if found.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut redacted = Vec::with_capacity(text.len());
        let mut at = 0;
        for secret in found {
            redacted.extend_from_slice(&text[at..secret.start]);
            redacted.extend_from_slice(MASK.as_bytes());
            at = secret.end;
        }
        redacted.extend_from_slice(&text[at..]);
        Cow::Owned(redacted)
    }

    /// The end of the part of a growing text that is safe to show: no secret begins in it and ends behind it, whatever
    /// follows. It is zero only if the text is shorter than the longest spelling of a secret.
    pub fn safe_end(&self, text: &[u8]) -> usize {
        let end = text.len().saturating_sub(self.needles().longest * LONGEST_SPELLING);
        match self.find(text).into_iter().find(|secret| secret.start < end && end < secret.end) {
            Some(secret) => secret.end,
            None => end,
        }
    }

    /// Where secrets stand, in order and without overlaps.
    fn find(&self, text: &[u8]) -> Vec<Range<usize>> {
        let needles = self.needles();
        let mut found = Vec::new();
        if needles.all.is_empty() {
            return found;
        }
        let lines = text.split_inclusive(|byte| *byte == b'\n');
        let mut start = 0;
        for part in if text.len() <= WHOLE { vec![text] } else { lines.collect() } {
            let before = found.len();
            search(&needles, &View::untracked(part), 0, &mut found);
            if found.len() > before {
                found.truncate(before);
                search(&needles, &View::new(part), 0, &mut found);
                found[before..].iter_mut().for_each(|secret| *secret = secret.start + start..secret.end + start);
            }
            start += part.len();
        }
        found.sort_by_key(|secret| (secret.start, secret.end));
        let mut merged: Vec<Range<usize>> = Vec::new();
        for secret in found {
            match merged.last_mut() {
                Some(last) if secret.start < last.end => last.end = last.end.max(secret.end),
                _ => merged.push(secret),
            }
        }
        merged
    }

    fn needles(&self) -> RwLockReadGuard<'_, Needles> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A text of any length on its way out: every known secret is masked, however the text is cut, in little memory.
pub struct RedactedStream {
    redactor: Redactor,
    /// What may be the beginning of a secret.
    held: Vec<u8>,
    /// The length of it at which the next search is worthwhile.
    next: usize,
}

impl RedactedStream {
    /// A text of which nothing is there yet.
    pub fn new(redactor: &Redactor) -> Self {
        Self { redactor: redactor.clone(), held: Vec::new(), next: PART }
    }

    /// Takes in a part of the text, and gives `take` what can be shown by now. No character is cut.
    pub fn push(&mut self, text: &[u8], take: &mut dyn FnMut(&[u8])) {
        for part in text.chunks(PART) {
            self.held.extend_from_slice(part);
            if self.held.len() >= self.next {
                let mut end = self.redactor.safe_end(&self.held);
                let is_inside = |end: usize| self.held.get(end).is_some_and(|byte| byte & 0xc0 == 0x80);
                end -= (0..end.min(4)).find(|back| !is_inside(end - back)).unwrap_or_default();
                take(&self.redactor.redact_bytes(&self.held[..end]));
                self.held.drain(..end);
                self.next = self.held.len() + PART;
            }
        }
    }

    /// Ends the text, and gives `take` the rest.
    pub fn finish(&mut self, take: &mut dyn FnMut(&[u8])) {
        take(&self.redactor.redact_bytes(&self.held));
        self.held.clear();
        self.next = PART;
    }
}

/// A text as it is seen, see [`View::shown`].
fn seen(text: &str) -> String {
    let text: Vec<String> = text.split_whitespace().map(sanitize).collect();
    text.join(" ")
}

/// A text in Base64, in Base32 and in hexadecimal digits, the last also with colons (`openssl`, `xxd`).
///
/// Base64 of a longer text that contains the secret depends on the secret's offset modulo three; the part that the
/// neighbors cannot change is searched for each of the three.
fn encoded(text: &[u8]) -> Vec<String> {
    let mut forms = Vec::new();
    for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
        forms.push(engine.encode(text));
        for offset in 0..3 {
            let padded = [&vec![b'x'; offset][..], text].concat();
            let whole = padded.len() / 3 * 3;
            let start = if offset == 0 { 0 } else { 4 };
            let form = engine.encode(&padded[..whole]);
            forms.extend(form.get(start..).filter(|inner| inner.len() >= LONG).map(str::to_owned));
        }
    }
    let bytes: Vec<String> = text.iter().map(|byte| format!("{byte:02x}")).collect();
    for digits in [bytes.concat(), bytes.join(":")] {
        forms.extend([digits.to_uppercase(), digits]);
    }
    forms.push(base32(text));
    forms
}

/// Base32 without padding (RFC 4648, section 6). The last character is left out where it depends on what follows.
fn base32(text: &[u8]) -> String {
    const DIGITS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bit = |at: usize| text[at / 8] >> (7 - at % 8) & 1;
    let digit = |at: usize| (at..at + 5).fold(0, |digit, at| digit << 1 | usize::from(bit(at)));
    (0..text.len() * 8 / 5).map(|place| char::from(DIGITS[digit(place * 5)])).collect()
}

/// Searches a text and what it decodes to. In an untracked one what is found only says that there is something.
fn search(needles: &Needles, view: &View, depth: u8, found: &mut Vec<Range<usize>>) {
    scan(needles, view, SHORT, found);
    find_cut(needles, view, found);
    let shown = view.shown();
    if let Some(shown) = &shown {
        scan(needles, shown, SHORT, found);
        find_cut(needles, shown, found);
    }
    let view = shown.as_ref().unwrap_or(view);
    if needles.longest >= WRAPPED
        && let Some(dense) = view.dense()
    {
        scan(needles, &dense, WRAPPED, found);
    }
    if depth < DEPTH {
        for decoder in DECODERS.into_iter().chain(needles.have_spaces.then_some(FORM)) {
            if let Some(decoded) = view.decode(decoder) {
                search(needles, &decoded, depth + 1, found);
            }
        }
    }
}

/// Searches for the needles of at least `shortest` bytes.
fn scan(needles: &Needles, view: &View, shortest: usize, found: &mut Vec<Range<usize>>) {
    let text = &*view.bytes;
    for at in (0..text.len()).step_by(needles.parts.step) {
        let Some(part) = text[at..].first_chunk() else { return };
        for (number, place) in needles.parts.with(*part) {
            let (needle, Some(start)) = (&needles.all[number], at.checked_sub(place)) else { continue };
            let end = start + needle.len();
            if needle.len() >= shortest
                && text[start..].starts_with(needle)
                && (needle.len() >= LONG || stands_alone(text, start..end))
            {
                found.push(view.source(start..end));
            }
        }
    }
}

/// Searches for the beginning of a secret before a cut, which may be within an encoded character, and for the end of one
/// behind it.
fn find_cut(needles: &Needles, view: &View, found: &mut Vec<Range<usize>>) {
    let text = &*view.bytes;
    let mut utf8 = [0; 4];
    for cut in memchr::memmem::find_iter(text, CUT.encode_utf8(&mut utf8)) {
        let tail = cut.saturating_sub(LONGEST_SPELLING);
        let escape = text[tail..cut].iter().rposition(|byte| matches!(byte, b'%' | b'\\' | b'&')).map(|at| tail + at);
        let start = [Some(cut), escape].into_iter().flatten().find_map(|end| {
            let beginnings = needles.all.iter().filter_map(|needle| {
                (SHORT..needle.len()).rev().find(|length| text[..end].ends_with(&needle[..*length]))
            });
            Some(end - beginnings.max()?)
        });
        found.extend(start.map(|start| view.source(start..cut)));
        let rest = &text[cut + CUT.len_utf8()..];
        let ends = needles.all.iter().filter_map(|needle| {
            (1..=needle.len() - SHORT).find(|from| rest.starts_with(&needle[*from..])).map(|from| needle.len() - from)
        });
        let from = cut + CUT.len_utf8();
        found.extend(ends.max().map(|length| view.source(from..from + length)));
    }
}

/// Whether no letter, digit or underscore stands beside a part of a text.
fn stands_alone(text: &[u8], part: Range<usize>) -> bool {
    let in_word =
        |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80);
    !in_word(part.start.checked_sub(1).and_then(|before| text.get(before))) && !in_word(text.get(part.end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};

    fn redactor(secrets: &[&str]) -> Redactor {
        let redactor = Redactor::default();
        for secret in secrets {
            redactor.add_secret(&Secret::new(*secret));
        }
        redactor
    }

    #[test]
    fn a_long_text_is_masked_wherever_it_is_cut() {
        let redactor = redactor(&["0123456789abcdef"]);
        let text = "é, 0123456789abcdef; ".repeat(20_000);
        for size in [1000, PART - 1, text.len()] {
            let (mut stream, mut shown, mut longest) = (RedactedStream::new(&redactor), String::new(), 0);
            let mut take = |part: &[u8]| {
                longest = longest.max(part.len());
                shown.push_str(std::str::from_utf8(part).unwrap());
            };
            text.as_bytes().chunks(size).for_each(|part| stream.push(part, &mut take));
            stream.finish(&mut take);
            assert!(longest < 3 * PART);
            assert_eq!(shown, text.replace("0123456789abcdef", "********"));
        }
    }

    #[test]
    fn every_spelling_of_a_secret_is_masked() {
        const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
            .remove(b'-')
            .remove(b'_')
            .remove(b'.')
            .remove(b'!')
            .remove(b'~')
            .remove(b'*')
            .remove(b'\'')
            .remove(b'(')
            .remove(b')');
        const PATH: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'+').add(b'=').add(b'<').add(b'>').add(b'&');
        let key = "s3/cr+t=k-y_&<é>\"'z";
        let percent = |set| utf8_percent_encode(key, set).to_string();
        let json = serde_json::to_string(key).unwrap();
        let json = &json[1..json.len() - 1];
        let hexadecimal = key.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        let escaped = key.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect::<Vec<_>>().concat();
        let spellings = [
            key.to_owned(),
            percent(NON_ALPHANUMERIC),
            percent(COMPONENT),
            percent(PATH),
            percent(COMPONENT).to_lowercase(),
            json.to_owned(),
            json.replace('/', "\\/"),
            json.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003E").replace('é', "\\u00e9"),
            escaped.clone(),
            escaped.replace('\\', "\\\\"),
            quick_xml::escape::escape(key).into_owned(),
            quick_xml::escape::partial_escape(key).into_owned(),
            key.replace('&', "&amp;").replace('\'', "&#39;").replace('"', "&#x22;").replace('é', "&#233;"),
            utf8_percent_encode(json, NON_ALPHANUMERIC).to_string(),
            quick_xml::escape::escape(json).into_owned(),
            percent(COMPONENT).replace('%', "%25"),
            hexadecimal,
            key.bytes().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":"),
            key.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":"),
            key.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" "),
            "OMZS6Y3SFN2D22ZNPFPSMPGDVE7CEJ32".to_owned(),
            key.bytes().fold(String::new(), |octal, byte| octal + &format!("\\{byte:03o}")),
            key.replace('"', "\\\"").replace('é', "\\303\\251"),
            key.replace('é', "\\xc3\\xa9"),
            key.replace('é', "\\xe9"),
            format!("{}\u{1b}[31m{}", &key[..5], &key[5..]),
            format!("{}\u{200b}{}", &key[..5], &key[5..]),
            format!("{}\u{7}{}", &key[..5], &key[5..]),
            format!("{}\\u200b{}", &key[..5], &json[5..]),
        ];
        let redactor = redactor(&[key]);
        for spelling in spellings {
            assert_eq!(redactor.redact(&format!("a {spelling}, b")), format!("a {MASK}, b"), "{spelling}");
        }
    }

    #[test]
    fn a_secret_of_any_length_is_masked_at_every_place() {
        let digits = "0123456789abcdefghijklmnop";
        for lengths in [[4, 26], [5, 9], [6, 12], [11, 11], [26, 17]] {
            let secrets = lengths.map(|length| &digits[..length]);
            // The one that was added last may have the fewest places.
            let redactor = redactor(&secrets);
            for secret in secrets {
                for before in 0..20 {
                    let dots = ".".repeat(before);
                    assert_eq!(redactor.redact(&format!("{dots}{secret}")), format!("{dots}{MASK}"));
                    assert_eq!(redactor.redact(&format!("{dots}{secret}..")), format!("{dots}{MASK}.."));
                }
            }
        }
    }

    #[test]
    fn a_secret_in_base64_is_masked_at_every_offset() {
        use base64::engine::general_purpose::{STANDARD, URL_SAFE};
        let key = "s3cr3t/key+with=signs";
        let redactor = redactor(&[key]);
        for prefix in ["", "a:", "me:", "user:"] {
            for suffix in ["", "!", "??"] {
                for encoded in [
                    STANDARD.encode(format!("{prefix}{key}{suffix}")),
                    URL_SAFE.encode(format!("{prefix}{key}{suffix}")),
                ] {
                    assert!(redactor.redact(&encoded).contains(MASK), "{prefix}{suffix}");
                    let twice = redactor.redact(&STANDARD.encode(&encoded));
                    assert!(!prefix.is_empty() || twice.starts_with(MASK), "{twice}");
                    let percent = utf8_percent_encode(&encoded, NON_ALPHANUMERIC).to_string();
                    assert!(redactor.redact(&percent).contains(MASK), "{percent}");
                }
            }
        }
    }

    #[test]
    fn white_space_of_a_secret_may_have_changed() {
        let redactor = redactor(&["pass  phrase\t12", " \u{a0}padded value \n", "first line\r\nsecond line\n", "   "]);
        for text in ["pass phrase 12", "pass\n  phrase 12", "padded value", "first line second line", "second line"] {
            assert_eq!(redactor.redact(&format!("<{text}>")), format!("<{MASK}>"), "{text}");
        }
        assert_eq!(redactor.redact("pass+phrase+12"), MASK);
        let redactor = self::redactor(&["0123456789abcdef", "short-one"]);
        assert_eq!(redactor.redact("a 0123456789\n  abcdef b"), format!("a {MASK} b"));
        assert_eq!(redactor.redact("a 0123456789\u{2028}abcdef short -one"), format!("a {MASK} short -one"));
        assert_eq!(redactor.redact("a    b"), "a    b");
    }

    #[test]
    fn short_values_are_masked_where_they_stand_alone() {
        let redactor = redactor(&["main", "1", "abc", "true", "p4ssw"]);
        assert_eq!(
            redactor.redact("branch main, domain, main_1, 1 abc true (p4ssw)"),
            format!("branch {MASK}, domain, main_1, 1 abc true ({MASK})")
        );
    }

    #[test]
    fn a_part_of_a_secret_is_masked_where_a_text_was_cut_off() {
        let redactor = redactor(&["0123456789", "ab/cd/ef/gh"]);
        assert_eq!(redactor.redact("a 0123456… b 01234… c"), format!("a {MASK}… b {MASK}… c"));
        assert_eq!(redactor.redact("ab%2Fcd%2… ab%2Fcd… a…"), format!("{MASK}… {MASK}… a…"));
        assert_eq!(redactor.redact("…456789, …89, …ef%2Fgh"), format!("…{MASK}, …89, …{MASK}"));
    }

    #[test]
    fn a_growing_text_is_shown_up_to_where_a_secret_may_begin() {
        let redactor = redactor(&["0123456789"]);
        let text = format!("{}%300123456", "x".repeat(500));
        let end = redactor.safe_end(text.as_bytes());
        assert!(end > 0 && end <= 500, "{end}");
        let text = format!("{}0123456789{}", "x".repeat(95), "y".repeat(115));
        assert!(!(96..105).contains(&redactor.safe_end(text.as_bytes())));
        assert_eq!(Redactor::default().safe_end(b"abc"), 3);
    }

    #[test]
    fn long_texts_are_searched_too() {
        let redactor = redactor(&["0123456789"]);
        let text = format!("{}\n0123456789\n", "x".repeat(WHOLE));
        let redacted = redactor.redact(&text);
        assert!(redacted.ends_with(&format!("x\n{MASK}\n")));
    }

    #[test]
    fn clones_share_the_secrets_and_bytes_need_not_be_utf8() {
        let redactor = Redactor::default();
        let clone = redactor.clone();
        redactor.add_secret(&Secret::new("0123456789"));
        assert_eq!(clone.redact_bytes(b"\xff0123456789\xff").as_ref(), [b"\xff", MASK.as_bytes(), b"\xff"].concat());
        assert_eq!(format!("{:?}", Secret::new("0123456789")), MASK);
    }
}

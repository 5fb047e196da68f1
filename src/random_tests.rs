//! Random bytes and texts for tests of what holds for every input, and such tests of the lowest floor.
//!
//! A seed makes them repeatable; `CIBRIDGE_FUZZ_ROUNDS` makes them many (`make fuzz`).

use std::time::Duration;

use fastrand::Rng;
use serde::Deserialize;

use crate::lenient::{self, Field, List, Object, Texts};
use crate::sanitize::{is_invisible, one_line, sanitize, shorten};
use crate::secret::{Redactor, Secret};

/// Rounds of each test where nobody asks for more.
const ROUNDS: u64 = 2000;

/// Parts of which texts are made: what parsers, terminals and encoders look for.
const PARTS: &[&str] = &[
    "a",
    "build",
    "0",
    "7",
    "-1",
    "18446744073709551616",
    "1e400",
    "0.5",
    "null",
    "true",
    "\"",
    "\\",
    "\\u",
    "d800",
    "\\udc00",
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "/",
    "//",
    "..",
    ".",
    "#",
    "?",
    "&",
    "=",
    "%",
    "%2F",
    "%00",
    "%",
    "@",
    "://",
    "https://",
    "job/",
    "queue/item/",
    "app/",
    "latest",
    " ",
    "\t",
    "\n",
    "\r",
    "\r\n",
    "\u{0}",
    "\u{1b}",
    "\u{1b}[",
    "\u{1b}]0;",
    "\u{1b}[8mha:",
    "\u{1b}[0m",
    "\u{7}",
    "\u{9b}",
    "<",
    ">",
    "</",
    "<span",
    "class=\"timestamp\"",
    "</span>",
    "&lt;",
    "&#",
    "x1b;",
    ";",
    "é",
    "e\u{301}",
    "\u{feff}",
    "\u{202e}",
    "\u{2028}",
    "\u{ad}",
    "\u{e0041}",
    "日",
    "🚀",
    "::error",
    "CON",
    "nul.txt",
    "-",
    "~",
    "m",
    "s",
    "h",
    "99999999999",
    "2021-02-11T13:02:28",
    ".009+0000",
    "Z",
    "Sun, 06 Nov 1994 08:49:37 GMT",
];

/// Calls `test` with a source of randomness, as often as was asked for.
pub fn rounds(test: impl Fn(&mut Rng)) {
    let rounds = std::env::var("CIBRIDGE_FUZZ_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS);
    for round in 0..rounds {
        test(&mut Rng::with_seed(round));
    }
}

/// A text of up to twelve parts.
pub fn text(random: &mut Rng) -> String {
    (0..random.usize(..12)).map(|_| PARTS[random.usize(..PARTS.len())]).collect()
}

/// `sample` with a few bytes changed, removed, repeated or put in.
pub fn mutated(random: &mut Rng, sample: &[u8]) -> Vec<u8> {
    let mut bytes = sample.to_vec();
    for _ in 0..random.usize(1..6) {
        let at = random.usize(..=bytes.len());
        let end = (at + random.usize(..20)).min(bytes.len());
        match random.u8(..6) {
            0 if at < bytes.len() => bytes[at] = random.u8(..),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let copy = bytes[at..end].to_vec();
                let to = random.usize(..=bytes.len());
                drop(bytes.splice(to..to, copy));
            }
            3 => bytes.truncate(at),
            _ => drop(bytes.splice(at..at, text(random).into_bytes())),
        }
    }
    bytes
}

/// The places at which something is cut into up to five pieces.
pub fn pieces<'a>(random: &mut Rng, whole: &'a [u8]) -> Vec<&'a [u8]> {
    let mut ends: Vec<_> = (0..random.usize(..5)).map(|_| random.usize(..=whole.len())).collect();
    ends.extend([0, whole.len()]);
    ends.sort_unstable();
    ends.windows(2).map(|ends| &whole[ends[0]..ends[1]]).collect()
}

/// A document with a field of each kind.
#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
struct Document {
    text: Field<String>,
    number: Field<u64>,
    flag: Field<bool>,
    inner: Object<Box<Document>>,
    list: List<Document>,
    texts: Texts,
}

const SAMPLE: &[u8] = br#"{"text":"a\ud83d\ude80","number":7,"flag":true,"inner":{"text":"b","list":[{},null]},"list":[{"number":1},3,"x"],"texts":["a",{}],"other":[1,{"a":[null]}]}"#;

#[test]
fn every_json_is_read_or_refused_and_what_is_not_read_changes_nothing() {
    rounds(|random| {
        let bytes = mutated(random, SAMPLE);
        let read = lenient::parse::<Document>(&bytes);
        let mut owned = bytes.clone();
        let in_place = lenient::parse_in_place::<Document>(&mut owned);
        assert_eq!(format!("{read:?}"), format!("{in_place:?}"), "{}", String::from_utf8_lossy(&bytes));
        let lossy = lenient::lossy(&bytes).into_owned();
        assert!(std::str::from_utf8(&lossy).is_ok());
        assert_eq!(lenient::lossy(&lossy), lossy.as_slice(), "twice is once");
    });
}

#[test]
fn sanitized_text_neither_steers_nor_hides_and_stays_as_it_is() {
    rounds(|random| {
        let text = text(random);
        let clean = sanitize(&text);
        assert!(!clean.chars().any(|c| c != '\t' && (c.is_control() || is_invisible(c))), "{text:?} {clean:?}");
        assert_eq!(sanitize(&clean), clean, "{text:?}");
        let line = one_line(&text, 20);
        assert!(!line.contains(['\n', '\r']), "{line:?}");
        let short = shorten(text.clone(), 7);
        assert!(short.chars().count() <= 8, "{short:?}");
    });
}

#[test]
fn a_secret_is_found_in_every_spelling_and_over_every_border() {
    rounds(|random| {
        let secret = format!("s3cr3t{}x", text(random));
        let redactor = Redactor::default();
        redactor.add_secret(&Secret::new(secret.as_str()));
        let json = serde_json::to_string(&secret).unwrap();
        let spellings = [
            percent_encoding::utf8_percent_encode(&secret, percent_encoding::NON_ALPHANUMERIC).to_string(),
            json[1..json.len() - 1].to_owned(),
            quick_xml::escape::escape(secret.as_str()).into_owned(),
        ];
        // What is shown was sanitized before, and a secret is known as it is seen.
        for spelling in spellings.iter().filter(|_| secret.trim() == secret && sanitize(&secret) == secret) {
            let shown = format!("before {spelling} after");
            assert!(!redactor.redact(&shown).contains(spelling.as_str()), "{secret:?} as {spelling:?}");
            // A log is shown up to the place that is safe, whatever follows.
            let growing = &shown.as_bytes()[..random.usize(..=shown.len())];
            let safe = redactor.safe_end(growing);
            assert!(safe <= growing.len());
            let first = redactor.redact_bytes(&growing[..safe]).into_owned();
            assert!(!String::from_utf8_lossy(&first).contains("s3cr3t") || safe < 13, "{spelling:?} cut at {safe}");
        }
    });
}

#[test]
fn random_inputs_are_made_in_a_short_time() {
    let since = std::time::Instant::now();
    for round in 0..100 {
        let mut random = Rng::with_seed(round);
        let whole = text(&mut random).into_bytes();
        assert_eq!(pieces(&mut random, &whole).concat(), whole);
    }
    assert!(since.elapsed() < Duration::from_secs(10));
}

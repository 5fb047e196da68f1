//! Inputs for tests of what holds for every input, and such tests of the lowest floor.
//!
//! `cargo test` reads the files of `tests/fixtures/corpus` and random changes of them; seeds make these repeatable. `make
//! fuzz` makes each such test a target of libFuzzer, which begins with the same files and is guided by coverage.

use fastrand::Rng;
use serde::Deserialize;

use crate::lenient::{self, Entries, Field, List, Object, Texts};
use crate::sanitize::{is_invisible, one_line, sanitize, shorten};
use crate::secret::{Redactor, Secret};

/// Random inputs of each test.
#[cfg(not(fuzzing))]
const ROUNDS: u64 = 2000;

/// Marks and words of which texts are made: what parsers, terminals and encoders look for.
#[cfg(not(fuzzing))]
const MARKS: &[&str] = &[
    "a", "build", "0", "7", "-1", "1e400", "0.5", "null", "true", "\"", "\\", "\\u", "d800", "\\udc00", "{", "}", "[",
    "]", ":", ",", "/", "//", "..", ".", "#", "?", "&", "=", "%", "%2F", "%00", "@", "://", "https://", "job/", "app/",
    "latest", " ", "\t", "\n", "\r", "\r\n", "\u{0}", "\u{1b}", "\u{1b}[", "\u{7}", "\u{9b}", "<", ">", "</", "<span",
    "</span>", "&lt;", "&#", "x1b;", ";", "é", "e\u{301}", "\u{feff}", "\u{202e}", "\u{2028}", "\u{ad}", "日", "🚀",
    "::error", "CON", "nul.txt", "-", "~", "m", "s", "h", "Z",
];

#[cfg(not(fuzzing))]
const WORDS: &[&str] = &[
    "18446744073709551616",
    "queue/item/",
    "\u{1b}]0;",
    "\u{1b}[8mha:",
    "\u{1b}[0m",
    "class=\"timestamp\"",
    "\u{e0041}",
    "99999999999",
    "2021-02-11T13:02:28",
    ".009+0000",
    "Sun, 06 Nov 1994 08:49:37 GMT",
];

/// Calls `test` with the files of the corpus whose names begin so, with random changes of them, and with random texts.
#[cfg(not(fuzzing))]
pub fn fuzz(corpus: &str, test: impl Fn(&[u8]) + Send + Sync + 'static) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/corpus");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.file_name().unwrap().to_string_lossy().starts_with(corpus));
    paths.sort();
    let samples: Vec<_> = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
    for sample in &samples {
        test(sample);
    }
    for round in 0..ROUNDS {
        let mut random = Rng::with_seed(round);
        if random.u8(..4) == 0 {
            test(text(&mut random).as_bytes());
        } else {
            let sample = &samples[random.usize(..samples.len())];
            test(&mutated(&mut random, sample));
        }
    }
}

/// Lets libFuzzer call `test`, with the arguments in `CIBRIDGE_FUZZ`; the process ends with it.
#[cfg(fuzzing)]
pub fn fuzz(_corpus: &str, test: impl Fn(&[u8]) + Send + Sync + 'static) {
    libfuzzer::run(Box::new(test));
}

/// libFuzzer inside a test: the crate `libfuzzer-sys` alone would need a program of its own for each target.
#[cfg(fuzzing)]
#[expect(unsafe_code, reason = "libFuzzer is C++")]
mod libfuzzer {
    use std::ffi::{CString, c_char, c_int};
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::OnceLock;

    // Links the library.
    use libfuzzer_sys as _;

    type Test = Box<dyn Fn(&[u8]) + Send + Sync>;

    static TEST: OnceLock<Test> = OnceLock::new();

    unsafe extern "C" {
        fn LLVMFuzzerRunDriver(
            count: *mut c_int,
            arguments: *mut *mut *mut c_char,
            call: extern "C" fn(*const u8, usize) -> c_int,
        ) -> c_int;
    }

    /// What `libfuzzer-sys` calls in a program of its own.
    #[unsafe(no_mangle)]
    fn rust_fuzzer_test_input(input: &[u8]) -> i32 {
        // libFuzzer keeps the input of a process that aborts.
        let tested = catch_unwind(AssertUnwindSafe(|| TEST.get().map(|test| test(input))));
        if tested.is_err() {
            std::process::abort();
        }
        0
    }

    extern "C" fn call(bytes: *const u8, length: usize) -> c_int {
        // SAFETY: libFuzzer passes a buffer of this length; that of an empty input may be null.
        let input = if length == 0 { &[] } else { unsafe { std::slice::from_raw_parts(bytes, length) } };
        rust_fuzzer_test_input(input)
    }

    pub fn run(test: Test) {
        drop(TEST.set(test));
        let arguments = std::env::var("CIBRIDGE_FUZZ").unwrap_or_default();
        let arguments = std::iter::once("fuzz").chain(arguments.split_whitespace());
        let mut pointers: Vec<*mut c_char> =
            arguments.map(|argument| CString::new(argument).unwrap().into_raw()).collect();
        let mut count = c_int::try_from(pointers.len()).unwrap();
        pointers.push(std::ptr::null_mut());
        let mut pointer = pointers.as_mut_ptr();
        // SAFETY: as `main` gets them: `count` arguments that live as long as the process, and a null pointer.
        unsafe { LLVMFuzzerRunDriver(&raw mut count, &raw mut pointer, call) };
    }
}

/// Random choices that belong to an input.
pub fn choices(input: &[u8]) -> Rng {
    Rng::with_seed(input.iter().fold(0, |seed: u64, byte| seed.wrapping_mul(31).wrapping_add(u64::from(*byte))))
}

/// A text of up to twelve parts.
#[cfg(not(fuzzing))]
fn text(random: &mut Rng) -> String {
    let parts = [MARKS, WORDS].concat();
    (0..random.usize(..12)).map(|_| parts[random.usize(..parts.len())]).collect()
}

/// `sample` with a few bytes changed, removed, repeated or put in.
#[cfg(not(fuzzing))]
fn mutated(random: &mut Rng, sample: &[u8]) -> Vec<u8> {
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

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Listed<'a> {
    #[serde(borrow)]
    list: Entries<'a, Document>,
}

#[test]
fn every_json_is_read_or_refused_and_what_is_not_read_changes_nothing() {
    fuzz("json", |bytes: &[u8]| {
        let read = lenient::parse::<Document>(bytes);
        let mut owned = bytes.to_vec();
        let text = lenient::text(&mut owned);
        let in_place = text.and_then(lenient::read_object::<Document>);
        assert_eq!(format!("{read:?}"), format!("{in_place:?}"), "{}", String::from_utf8_lossy(bytes));
        if let Some(Listed { list }) = text.and_then(lenient::read_object) {
            let entries: Vec<_> = list.iter().collect();
            assert_eq!(format!("{entries:?}"), format!("{:?}", in_place.unwrap().list.entries));
        }
        let lossy = lenient::lossy(bytes).into_owned();
        assert!(std::str::from_utf8(&lossy).is_ok());
        assert_eq!(lenient::lossy(&lossy), lossy.as_slice(), "twice is once");
    });
}

#[test]
fn sanitized_text_neither_steers_nor_hides_and_stays_as_it_is() {
    fuzz("log", |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        let clean = sanitize(&text);
        assert!(!clean.chars().any(|c| c != '\t' && (c.is_control() || is_invisible(c))), "{text:?} {clean:?}");
        assert_eq!(sanitize(&clean), clean, "{text:?}");
        let line = one_line(&text, 20);
        assert!(!line.contains(['\n', '\r']), "{line:?}");
        let short = shorten(text.clone().into_owned(), 7);
        assert!(short.chars().count() <= 8, "{short:?}");
    });
}

#[test]
fn a_secret_is_found_in_every_spelling_and_over_every_border() {
    fuzz("text", |bytes: &[u8]| {
        let mut random = choices(bytes);
        let secret = format!("s3cr3t{}x", String::from_utf8_lossy(&bytes[..bytes.len().min(60)]));
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

/// A service repeats a secret somewhere in anything.
#[test]
fn any_text_with_a_secret_is_redacted_and_nothing_panics() {
    let redactor = Redactor::default();
    redactor.add_secret(&Secret::new("s3cr3t/p&ss"));
    fuzz("text", move |bytes: &[u8]| {
        let redacted = redactor.redact_bytes(bytes).into_owned();
        assert!(memchr::memmem::find(&redacted, b"s3cr3t/p&ss").is_none());
        let safe = redactor.safe_end(bytes);
        let parts = [redactor.redact_bytes(&bytes[..safe]), redactor.redact_bytes(&bytes[safe..])].concat();
        assert!(memchr::memmem::find(&parts, b"s3cr3t/p&ss").is_none());
    });
}

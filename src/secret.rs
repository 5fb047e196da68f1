//! Secrets in memory, and their removal from everything that is shown.
//!
//! A secret has no `Display` and a redacted `Debug`; `expose` is the only way to its text.
//! This module must not know where text goes.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// What stands in for a secret in every output.
const MASK: &str = "********";

/// What stands at the end of a text that was cut off.
pub const CUT: char = '…';

/// Values shorter than this (bytes) are words, not secrets: masking them would eat normal text.
const SHORTEST: usize = 6;

/// A text that must never be shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

/// Replaces known secrets in text, in the forms in which they leak: raw, percent-encoded,
/// JSON-escaped, XML-escaped and base64 (alone and as the password of a `user:password` pair).
#[derive(Clone, Default)]
pub struct Redactor {
    needles: Vec<String>,
}

impl Redactor {
    /// Adds a secret. One shorter than six bytes is ignored (see [`SHORTEST`]).
    pub fn add(&mut self, secret: &Secret) {
        let text = secret.expose();
        self.add_text(text);
        // A text of several lines is shown line by line, or with its lines joined by spaces.
        if text.contains('\n') {
            text.lines().for_each(|line| self.add_text(line.trim()));
        }
    }

    fn add_text(&mut self, text: &str) {
        if text.len() < SHORTEST {
            return;
        }
        let mut forms = vec![text.to_owned(), utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()];
        if let Ok(quoted) = serde_json::to_string(text) {
            forms.push(quoted[1..quoted.len() - 1].to_owned());
        }
        forms.push(quick_xml::escape::escape(text).into_owned());
        // Base64 of a longer text that contains the secret depends on the secret's offset modulo three;
        // the part that the neighbours cannot change is masked for each of the three.
        for offset in 0..3 {
            let padded = [&vec![b'x'; offset][..], text.as_bytes()].concat();
            let whole = padded.len() / 3 * 3;
            let start = if offset == 0 { 0 } else { 4 };
            for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
                let encoded = engine.encode(&padded[..whole]);
                if let Some(inner) = encoded.get(start..).filter(|inner| inner.len() >= SHORTEST) {
                    forms.push(inner.to_owned());
                }
            }
        }
        forms.extend([STANDARD.encode(text), URL_SAFE.encode(text)]);
        for form in forms {
            if !self.needles.contains(&form) {
                self.needles.push(form);
            }
        }
        self.needles.sort_by_key(|needle| std::cmp::Reverse(needle.len()));
    }

    /// `text` with every form of every known secret masked.
    pub fn redact(&self, text: &str) -> String {
        let mut clean = text.to_owned();
        for needle in &self.needles {
            if clean.contains(needle.as_str()) {
                clean = clean.replace(needle.as_str(), MASK);
            }
        }
        if clean.contains(CUT) {
            // A quotation that was cut off may end with the beginning of a secret.
            for needle in &self.needles {
                let parts =
                    (SHORTEST..needle.len()).rev().filter_map(|end| Some(format!("{}{CUT}", needle.get(..end)?)));
                if let Some(part) = parts.into_iter().find(|part| clean.contains(part)) {
                    clean = clean.replace(&part, &format!("{MASK}{CUT}"));
                }
            }
        }
        clean
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_secret_is_masked() {
        let key = "s3cr3t/key+with=signs";
        let mut redactor = Redactor::default();
        redactor.add(&Secret::new(key));
        for prefix in ["", "a:", "me:", "user:"] {
            for suffix in ["", "!", "??"] {
                let shown = redactor.redact(&STANDARD.encode(format!("{prefix}{key}{suffix}")));
                assert!(shown.contains(MASK), "{prefix}{suffix}: {shown}");
            }
        }
        let percent = utf8_percent_encode(key, NON_ALPHANUMERIC).to_string();
        assert_eq!(redactor.redact(&format!("a {key} b {percent} c")), format!("a {MASK} b {MASK} c"));
        assert_eq!(format!("{:?}", Secret::new(key)), MASK);
    }

    #[test]
    fn a_quotation_mark_at_the_end_of_a_secret_breaks_no_json() {
        let text = "\"pass word\"";
        let mut redactor = Redactor::default();
        redactor.add(&Secret::new(text));
        assert_eq!(redactor.redact(&serde_json::to_string(text).unwrap()), format!("\"{MASK}\""));
    }

    #[test]
    fn each_line_of_a_secret_is_masked() {
        let mut redactor = Redactor::default();
        redactor.add(&Secret::new("first line\r\nsecond line\n"));
        assert_eq!(redactor.redact("a first line second line b"), format!("a {MASK} {MASK} b"));
    }

    #[test]
    fn the_beginning_of_a_secret_is_masked_where_a_text_was_cut_off() {
        let mut redactor = Redactor::default();
        redactor.add(&Secret::new("0123456789"));
        assert_eq!(redactor.redact("a 0123456… b 01234… c"), format!("a {MASK}… b 01234… c"));
    }

    #[test]
    fn short_values_do_not_eat_words() {
        let mut redactor = Redactor::default();
        redactor.add(&Secret::new("main"));
        assert_eq!(redactor.redact("branch main"), "branch main");
    }
}

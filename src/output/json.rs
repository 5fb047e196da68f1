//! A result document as text: secrets masked, characters that are not seen written as escapes. It is written as it is
//! made, because it may list what takes megabytes.

use std::fmt::Write as _;
use std::io::{self, BufWriter, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::{CharEscape, CompactFormatter, Formatter, PrettyFormatter};

use crate::sanitize::is_invisible;
use crate::secret::{RedactedStream, Redactor};

/// Keys whose values are words of this program or of the provider: a variable whose value happens to be `success` must
/// not hide how the call ended.
const OWN_WORDS: [&str; 3] = ["provider", "outcome", "status"];

/// Writes a document on one line, every known secret masked in its texts. Its keys stay.
pub(super) fn write_compact(document: &impl Serialize, redactor: &Redactor, out: &mut dyn Write) -> io::Result<()> {
    write(document, Redacting::new(CompactFormatter, redactor), out)
}

/// The same for a file.
pub(super) fn write_pretty(document: &impl Serialize, redactor: &Redactor, out: &mut dyn Write) -> io::Result<()> {
    write(document, Redacting::new(PrettyFormatter::new(), redactor), out)
}

fn write(document: &impl Serialize, formatter: impl Formatter, out: &mut dyn Write) -> io::Result<()> {
    let mut out = BufWriter::new(out);
    document.serialize(&mut Serializer::with_formatter(&mut out, formatter))?;
    out.write_all(b"\n")?;
    out.flush()
}

/// Masks what is in texts, and leaves the rest to another format.
struct Redacting<F> {
    format: F,
    text: RedactedStream,
    is_key: bool,
    /// The newest key; empty behind its value, and in a list.
    key: String,
}

impl<F> Redacting<F> {
    fn new(format: F, redactor: &Redactor) -> Self {
        Self { format, text: RedactedStream::new(redactor), is_key: false, key: String::new() }
    }

    fn is_own_word(&self) -> bool {
        self.is_key || OWN_WORDS.contains(&self.key.as_str())
    }
}

/// Writes a part of a text.
fn write_part<W: ?Sized + Write>(out: &mut W, part: &[u8]) -> io::Result<()> {
    let json = escape(&serde_json::to_string(&String::from_utf8_lossy(part))?);
    out.write_all(&json.as_bytes()[1..json.len() - 1])
}

impl<F: Formatter> Formatter for Redacting<F> {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        if self.is_key {
            self.key.push_str(fragment);
        }
        if self.is_own_word() {
            return write_part(out, fragment.as_bytes());
        }
        let mut written = Ok(());
        self.text.push(fragment.as_bytes(), &mut |part| {
            if written.is_ok() {
                written = write_part(out, part);
            }
        });
        written
    }

    fn write_char_escape<W: ?Sized + Write>(&mut self, out: &mut W, escape: CharEscape) -> io::Result<()> {
        let character = match escape {
            CharEscape::Quote => '"',
            CharEscape::ReverseSolidus => '\\',
            CharEscape::Solidus => '/',
            CharEscape::Backspace => '\u{8}',
            CharEscape::FormFeed => '\u{c}',
            CharEscape::LineFeed => '\n',
            CharEscape::CarriageReturn => '\r',
            CharEscape::Tab => '\t',
            CharEscape::AsciiControl(byte) => byte.into(),
        };
        self.write_string_fragment(out, character.encode_utf8(&mut [0; 4]))
    }

    fn end_string<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        let mut written = Ok(());
        self.text.finish(&mut |part| written = write_part(out, part));
        written.and_then(|()| self.format.end_string(out))
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.is_key = true;
        self.key.clear();
        self.format.begin_object_key(out, first)
    }

    fn end_object_key<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.is_key = false;
        self.format.end_object_key(out)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.format.begin_object_value(out)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.key.clear();
        self.format.end_object_value(out)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.format.begin_object(out)
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.format.end_object(out)
    }

    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.key.clear();
        self.format.begin_array(out)
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.format.end_array(out)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.format.begin_array_value(out, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.format.end_array_value(out)
    }
}

/// JSON escapes control characters by itself, and leaves DEL and everything beyond ASCII.
fn escape(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        if character >= '\u{7f}' && is_invisible(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        } else {
            escaped.push(character);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::secret::Secret;

    type WriteDocument = fn(&Value, &Redactor, &mut dyn Write) -> io::Result<()>;

    fn text(write: WriteDocument, document: &Value, redactor: &Redactor) -> String {
        let mut bytes = Vec::new();
        write(document, redactor, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn redacting_a_document_leaves_its_keys_and_words() {
        let redactor = Redactor::default();
        for secret in ["success", "outcome", "builds"] {
            redactor.add_secret(&Secret::new(secret));
        }
        let document = serde_json::json!({"outcome": "success", "status": ["success"], "builds": [{"error": "no success", "code": 0}]});
        assert_eq!(
            text(write_compact, &document, &redactor),
            "{\"outcome\":\"success\",\"status\":[\"********\"],\"builds\":[{\"error\":\"no ********\",\"code\":0}]}\n"
        );
    }

    #[test]
    fn characters_that_are_not_seen_are_escaped() {
        let redactor = Redactor::default();
        redactor.add_secret(&Secret::new("0123456789"));
        let document =
            serde_json::json!({"text": "a\u{202e}b\u{2028}\u{e0041}\u{7f}\u{1b}ü", "key": "01234\u{200b}56789"});
        assert_eq!(
            text(write_compact, &document, &redactor),
            "{\"text\":\"a\\u202eb\\u2028\\udb40\\udc41\\u007f\\u001bü\",\"key\":\"********\"}\n"
        );
        let read: Value = serde_json::from_str(&text(write_pretty, &document, &redactor)).unwrap();
        assert_eq!(read["text"], document["text"]);
    }

    #[test]
    fn a_document_is_written_as_serde_writes_it() {
        let escapes: String = ('\0'..=' ').chain(['"', '\\', '/', 'é']).collect();
        let document = serde_json::json!({
            "text": escapes, "empty": {}, "none": [], "numbers": [1, -2, 0.5, 1e300, u64::MAX], "rest": [null, true, {"a": [[]]}],
        });
        let redactor = Redactor::default();
        assert_eq!(text(write_compact, &document, &redactor), format!("{document}\n"));
        assert_eq!(text(write_pretty, &document, &redactor), format!("{document:#}\n"));
    }
}

//! A result document as text: secrets masked, characters that are not seen written as escapes. Pure.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;

use crate::sanitize::is_invisible;
use crate::secret::Redactor;

/// Keys whose values are words of this program or of the provider: a variable whose value happens to be `success` must
/// not hide how the call ended.
const OWN_WORDS: [&str; 3] = ["provider", "outcome", "status"];

/// A document that can be shown.
pub(super) struct Json(Value);

/// The document with every known secret masked in its texts. Its keys stay.
pub(super) fn to_json(document: &impl Serialize, redactor: &Redactor) -> serde_json::Result<Json> {
    serde_json::to_value(document).map(|document| Json(redacted(document, redactor)))
}

impl Json {
    /// On one line.
    pub(super) fn compact(&self) -> String {
        escape(&self.0.to_string())
    }

    /// For a file.
    pub(super) fn pretty(&self) -> String {
        escape(&format!("{:#}", self.0))
    }
}

fn redacted(mut document: Value, redactor: &Redactor) -> Value {
    match &mut document {
        Value::String(text) => *text = redactor.redact(text),
        Value::Array(items) => items.iter_mut().for_each(|item| *item = redacted(item.take(), redactor)),
        Value::Object(entries) => entries
            .iter_mut()
            .filter(|(key, value)| !(OWN_WORDS.contains(&key.as_str()) && value.is_string()))
            .for_each(|(_, value)| *value = redacted(value.take(), redactor)),
        _ => {}
    }
    document
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
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn redacting_a_document_leaves_its_keys_and_words() {
        let redactor = Redactor::default();
        for secret in ["success", "outcome", "builds"] {
            redactor.add_secret(&Secret::new(secret));
        }
        let document = serde_json::json!({"outcome": "success", "builds": [{"error": "no success", "code": 0}]});
        let json = to_json(&document, &redactor).unwrap().compact();
        assert_eq!(json, r#"{"outcome":"success","builds":[{"error":"no ********","code":0}]}"#);
    }

    #[test]
    fn characters_that_are_not_seen_are_escaped() {
        let redactor = Redactor::default();
        redactor.add_secret(&Secret::new("0123456789"));
        let document =
            serde_json::json!({"text": "a\u{202e}b\u{2028}\u{e0041}\u{7f}\u{1b}ü", "key": "01234\u{200b}56789"});
        let json = to_json(&document, &redactor).unwrap();
        assert_eq!(json.compact(), r#"{"text":"a\u202eb\u2028\udb40\udc41\u007f\u001bü","key":"********"}"#);
        let read: Value = serde_json::from_str(&json.pretty()).unwrap();
        assert_eq!(read["text"], document["text"]);
    }
}

//! The file of `--request`, for either system.

use std::path::Path;

use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::input_files;

/// Reads a request file, or stdin for `-`; the default where there is none. `keys` says which keys it can have.
///
/// Fails with code 16 for a file that cannot be read, and with code 2 for what is not such a JSON object. The error names
/// unknown keys and the place of a mistyped value; it never quotes a value, which may be a secret.
pub fn read<T: DeserializeOwned + Default>(path: Option<&Path>, keys: &str) -> Result<T, Error> {
    let Some(path) = path else { return Ok(T::default()) };
    parse(&input_files::read_text(path, "request")?).map_err(|why| {
        Error::usage(format!("request {}", path.display()), why).with_hint(format!("the keys are {keys}"))
    })
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    // A list would be read as a struct, field by field.
    if !text.trim_start().starts_with('{') {
        return Err("expected a JSON object".to_owned());
    }
    serde_json::from_str(text).map_err(|error| without_values(&error.to_string()))
}

/// `serde_json` quotes values of the wrong type; the expected type and the place are enough.
fn without_values(error: &str) -> String {
    let quotes = ["invalid type: ", "invalid value: "].iter().any(|start| error.starts_with(start));
    match error.rfind(", expected ").filter(|_| quotes) {
        Some(at) => error[at + 2..].to_owned(),
        None => error.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codemagic::TriggerDraft;

    #[test]
    fn a_request_file_is_refused_by_the_name_or_place_of_its_fault_and_no_value_is_quoted() {
        for (text, why) in [
            ("[]", "expected a JSON object"),
            (r#"["60a0b1c2d3e4f56789abcdef"]"#, "expected a JSON object"),
            ("null", "expected a JSON object"),
            ("", "expected a JSON object"),
            (r#"{"app_id": 77777}"#, "expected a string at line 1"),
            ("{\n\"labels\": \"hunter2\"}", "expected a sequence at line 2"),
            (r#"{"environment": {"groups": [77777]}}"#, "expected a string at line 1"),
            (r#"{"environment": []}"#, "expected a map at line 1"),
            (r#"{"environment": {"variables": "hunter2"}}"#, "expected a map at line 1"),
            (r#"{"inputs": "hunter2"}"#, "expected a map at line 1"),
            (
                r#"{"idempotency_key": " "}"#,
                "an idempotency key has 1 to 200 bytes and no control characters at line 1",
            ),
            (r#"{"app_id": "#, "EOF while parsing a value at line 1"),
            (r#"{"app_id":"a","workflow":"b"}"#, "unknown field `workflow`, expected one of `"),
            (r#"{"environment":{"workflow":{}}}"#, "unknown field `workflow`, expected one of `"),
        ] {
            let error = parse::<TriggerDraft>(text).unwrap_err();
            assert!(error.starts_with(why), "{text}: {error}");
            assert!(!error.contains("hunter2") && !error.contains("77777"), "{error}");
        }
    }
}

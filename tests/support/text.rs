//! Texts with what differs from run to run taken out, and the forms in which a secret can leak.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use cibridge_simulator::{DEFAULT_APP, DEFAULT_TEAM};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// `text` with what differs replaced by `APP`, `TEAM`, `BUILD`, `COMMIT`, `LABEL`, `PORT` and `N`.
pub(crate) fn normal(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let length = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let (word, after) = rest.split_at(length);
        let hex = |digits: usize| word.len() == digits && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
        out.push_str(match word {
            DEFAULT_APP => "APP",
            DEFAULT_TEAM => "TEAM",
            _ if hex(24) => "BUILD",
            _ if hex(40) => "COMMIT",
            _ if hex(16) && out.ends_with("cibridge-") => "LABEL",
            _ if number && (out.ends_with("127.0.0.1:") || out.ends_with("localhost:")) => "PORT",
            _ if number && after.starts_with(" ms\n") => "N",
            word => word,
        });
        let next = after.chars().next();
        out.extend(next);
        rest = &after[next.map_or(0, char::len_utf8)..];
    }
    out
}

/// The forms in which a secret can leak: raw, percent-encoded, in a JSON string, in XML, and in base64 wherever it stands in
/// the encoded text.
pub(crate) fn forms(secret: &str) -> Vec<String> {
    let mut forms = vec![secret.to_owned(), utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string()];
    let quoted = serde_json::to_string(secret).unwrap();
    forms.push(quoted[1..quoted.len() - 1].to_owned());
    forms.push(quick_xml::escape::escape(secret).into_owned());
    forms.extend([STANDARD.encode(secret), URL_SAFE.encode(secret)]);
    for before in 0..3 {
        // The characters in the middle do not depend on what stands around the secret.
        let padded = [&vec![b'.'; before][..], secret.as_bytes()].concat();
        let whole = padded.len() / 3 * 3;
        for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            let encoded = engine.encode(&padded[..whole]);
            forms.extend(encoded.get(if before == 0 { 0 } else { 4 }..).map(str::to_owned));
        }
    }
    forms.retain(|form| form.len() >= 6);
    forms
}

#[test]
fn what_differs_from_run_to_run_is_replaced() {
    let text = "https://127.0.0.1:4711/app/60a0b1c2d3e4f56789abcdef/build/6a941a0014bf8ccd332f2844 202 in 17 ms\n";
    assert_eq!(normal(text), "https://127.0.0.1:PORT/app/APP/build/BUILD 202 in N ms\n");
    assert_eq!(normal("cibridge-0123456789abcdef 300 s ü"), "cibridge-LABEL 300 s ü");
}

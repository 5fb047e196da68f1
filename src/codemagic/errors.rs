//! From an answer that is no success to a sentence and an exit code.

use serde_json::Value;

use crate::error::{Error, ExitCode};
use crate::http::Response;
use crate::secret::CUT;

/// The longest part of a foreign text that is repeated, in characters.
const QUOTE: usize = 300;

/// The longest part of a page's title that is repeated, in characters.
const TITLE: usize = 80;

/// The failure of `what` that an unusable answer means. `subject` is the thing that the request named, e.g. `app 60a0…`.
pub(super) fn refused(what: &str, subject: &str, response: &Response) -> Error {
    let status = response.status;
    let host = response.url.host();
    if (300..400).contains(&status) {
        let place = response.header("location").unwrap_or("nowhere").split('?').next().unwrap_or_default();
        return Error::new(
            ExitCode::NoConnection,
            what,
            format!("{host} redirects to {place} (HTTP {status}), as login pages and proxies do"),
        )
        .with_hint("check CODEMAGIC_API_URL and CODEMAGIC_LEGACY_API_URL, and whether a proxy wants a login");
    }
    if response.is_html() {
        let title = Some(quoted(&response.title(), TITLE)).filter(|title| !title.is_empty());
        let title = title.map(|title| format!(", {title:?}")).unwrap_or_default();
        let page = format!("an HTML page came from {host} instead of Codemagic's answer (HTTP {status}{title})");
        return match status {
            500.. => Error::new(ExitCode::Unavailable, what, page)
                .with_hint("Codemagic or a gateway before it has trouble: https://status.codemagic.io"),
            407 => Error::new(ExitCode::NoConnection, what, page).with_hint("a proxy wants a login first"),
            _ => Error::new(ExitCode::NoConnection, what, page).with_hint(
                "a login page or proxy stands in between: check CODEMAGIC_API_URL, HTTPS_PROXY and NO_PROXY",
            ),
        };
    }
    let said = said(response);
    let with = |sentence: &str| {
        if said.is_empty() {
            format!("{sentence} (HTTP {status})")
        } else {
            format!("{sentence} (HTTP {status}: {said})")
        }
    };
    match status {
        401 => Error::new(ExitCode::Denied, what, with("the API key is not valid"))
            .with_hint("take the key from Codemagic's account settings, API token; it ends when its user revokes it"),
        403 => Error::new(ExitCode::Denied, what, with(&format!("the API key may not use {subject}"))).with_hint(
            "check the id; the key's user must be in the team that owns the app, with a role that may do this",
        ),
        404 => Error::new(
            ExitCode::NotFound,
            what,
            with(&format!("{subject} does not exist, or is hidden from this API key")),
        )
        .with_hint("`cibridge codemagic check` shows what this key can see"),
        402 => Error::new(ExitCode::Refused, what, with("Codemagic wants payment"))
            .with_hint("the team's plan does not cover this build: see the team's billing page"),
        429 => Error::new(ExitCode::Unavailable, what, with(&rate_limited(response)))
            .with_hint("all builds that use the same user's key share this limit"),
        500.. => Error::new(ExitCode::Unavailable, what, with("Codemagic has trouble"))
            .with_hint("try again later; https://status.codemagic.io tells of incidents"),
        _ if response.is_success() => {
            Error::new(ExitCode::Unavailable, what, with("the answer is not what Codemagic's API gives"))
                .with_hint("check CODEMAGIC_API_URL: is it the API's address?")
        }
        _ => Error::new(ExitCode::Refused, what, with("Codemagic refused the request")),
    }
}

fn rate_limited(response: &Response) -> String {
    let limit = response.header("ratelimit-limit").or_else(|| response.header("x-ratelimit-limit"));
    let sentence = match limit {
        Some(limit) => format!("the limit of {limit} requests per hour is used up"),
        None => "too many requests".to_owned(),
    };
    if let Some(reset) = response.retry_after() {
        return format!("{sentence}, new ones are allowed in {}", humantime::format_duration(reset));
    }
    sentence
}

/// The service's own words: `detail` and `extra` of v3, `message` or `error` of the legacy API, else the start of the text.
pub(super) fn said(response: &Response) -> String {
    let words = match serde_json::from_slice::<Value>(&response.body) {
        Ok(body) => {
            let text =
                ["detail", "message", "error"].iter().find_map(|key| body.get(key)?.as_str()).unwrap_or_default();
            let extra: Vec<String> = match body.get("extra") {
                Some(Value::Array(faults)) => faults.iter().map(fault).collect(),
                Some(Value::Object(faults)) => {
                    faults.iter().map(|(key, value)| format!("{key}: {}", plain(value))).collect()
                }
                _ => Vec::new(),
            };
            if extra.is_empty() { text.to_owned() } else { format!("{text}: {}", extra.join("; ")) }
        }
        Err(_) => response.text(),
    };
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    quoted(&words, QUOTE)
}

/// A foreign text, cut off after so many characters.
fn quoted(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}{CUT}", &text[..end]),
        None => text.to_owned(),
    }
}

/// One entry of v3's `extra`: `{"key": "branch", "message": "…"}`.
fn fault(entry: &Value) -> String {
    match (entry.get("key").and_then(Value::as_str), entry.get("message").and_then(Value::as_str)) {
        (Some(key), Some(message)) => format!("{key}: {message}"),
        (None, Some(message)) => message.to_owned(),
        _ => plain(entry),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

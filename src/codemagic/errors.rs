//! From an answer that is no success to a sentence and an exit code.
//!
//! Of an answer only the service's own words about an error are repeated, and only of an error status: a document of
//! the legacy API holds passwords, and what is not JSON may be anything.

use serde_json::Value;

use crate::error::{Error, ExitCode, RequestError};
use crate::http::{Response, retry};
use crate::lenient::{self, Field};
use crate::output;
use crate::sanitize::shorten;

/// The longest part of the service's words that is repeated, in characters.
const QUOTE: usize = 300;

/// The longest body that is read for the service's words, in bytes.
const LONGEST_BODY: usize = 1024 * 1024;

/// The longest part of a page's title that is repeated, in characters.
const TITLE: usize = 80;

/// The subject of the error for a key that is not accepted at all.
const KEY: &str = "API key";

const TRY_LATER: &str = "try again later; see https://status.codemagic.io for incidents";

/// What a request is about.
#[derive(Debug, Clone)]
pub(super) struct About {
    /// What is done, e.g. `reading build 6a94…`.
    pub(super) doing: String,
    /// The thing that it is done to, e.g. `build 6a94…`.
    pub(super) thing: String,
}

impl About {
    pub(super) fn new(doing: impl Into<String>, thing: impl Into<String>) -> Self {
        Self { doing: doing.into(), thing: thing.into() }
    }
}

/// What an unusable answer means for another try.
pub(super) fn failed(about: &About, response: &Response) -> RequestError {
    // A 2xx that is no answer, and any HTML page, come from something in between, which may go away.
    let retryable = retry::is_retryable(response.status) || response.is_success() || response.is_html();
    RequestError { error: refused(about, response), retryable, retry_after: response.retry_after() }
}

/// Whether a request that acts may have been carried out in spite of this answer: the service failed, a gateway gave up
/// waiting for it (408, nginx's 499), or the answer is none.
pub(super) fn is_ambiguous(response: &Response) -> bool {
    match response.status {
        408 | 499 | 500.. => true,
        _ => response.is_success() && !response.is_html(),
    }
}

/// The answer, or `None` for what this key may not read and for what the service does not have.
pub(super) fn optional<T>(result: Result<T, RequestError>) -> Result<Option<T>, RequestError> {
    match result {
        Ok(answer) => Ok(Some(answer)),
        Err(RequestError { error, .. })
            if matches!(error.code(), ExitCode::NotFound | ExitCode::Denied | ExitCode::Refused)
                && error.subject() != KEY =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The error that an unusable answer means.
pub(super) fn refused(about: &About, response: &Response) -> Error {
    let (status, host) = (response.status, response.url.host());
    let About { doing, thing } = about;
    if (300..400).contains(&status) {
        return redirected(doing, response);
    }
    if response.is_html() {
        return page(doing, response);
    }
    let words = if response.is_success() { String::new() } else { words(&response.body) };
    let with = |sentence: &str| match words.as_str() {
        "" => format!("{sentence} (HTTP {status})"),
        words => format!("{sentence} (HTTP {status}: {words})"),
    };
    match status {
        401 => Error::new(ExitCode::Denied, KEY, with("not accepted by Codemagic")).with_hint(
            "copy it again from Account settings > API token on codemagic.io; it is valid until its user revokes it",
        ),
        403 => Error::new(ExitCode::Denied, thing, with("access denied for this API key")).with_hint(
            "check the ID; the user of the key must be in the team that owns the app, with a role that allows this",
        ),
        407 => Error::new(ExitCode::NoConnection, doing, with("a proxy requires credentials"))
            .with_hint("set HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT"),
        404 => Error::new(ExitCode::NotFound, thing, with("not found, or not visible with this API key"))
            .with_hint("`cibridge codemagic check` shows what this API key can see"),
        402 => Error::new(ExitCode::Refused, thing, with("payment required"))
            .with_hint("the team's plan does not cover this build: see the team's billing page"),
        429 => Error::new(ExitCode::Unavailable, doing, with(&rate_limited(response)))
            .with_hint("all builds that use an API key of the same user share this limit"),
        // 499 is what nginx calls a client that went away, as some gateways pass it on.
        status if status == 499 || status < 500 && retry::is_retryable(status) => {
            Error::new(ExitCode::Unavailable, doing, with("a gateway in front of Codemagic got no answer from it"))
                .with_hint(TRY_LATER)
        }
        500.. => {
            Error::new(ExitCode::Unavailable, doing, with("Codemagic returned a server error")).with_hint(TRY_LATER)
        }
        _ if response.is_success() => {
            Error::new(ExitCode::Unavailable, doing, with(&format!("{host} did not answer as Codemagic's API does")))
                .with_hint("check that CODEMAGIC_API_URL and CODEMAGIC_LEGACY_API_URL are the addresses of the APIs")
        }
        400 if words.contains("ObjectId") || words.contains("Invalid app id") => {
            Error::new(ExitCode::Refused, thing, with("not a valid ID"))
                .with_hint("an ID has 24 hexadecimal digits; `cibridge codemagic apps` and `builds` list them")
        }
        _ => Error::new(ExitCode::Refused, doing, with("Codemagic rejected the request")),
    }
}

fn redirected(doing: &str, response: &Response) -> Error {
    let place = response.header("location").and_then(|place| place.split(['?', '#']).next()).unwrap_or("nowhere");
    // User and password are before the host; an `@` of the path may be a part of a secret, which is redacted later.
    let start = place.find("://").map_or(0, |at| at + 3);
    let end = place[start..].find('/').map_or(place.len(), |at| start + at);
    let host_at = place[start..end].rfind('@').map_or(start, |at| start + at + 1);
    let place = shorten(format!("{}{}", &place[..start], &place[host_at..]), QUOTE);
    let reason = format!("{} redirects to {place} (HTTP {})", response.url.host(), response.status);
    Error::new(ExitCode::NoConnection, doing, reason)
        .with_hint("check CODEMAGIC_API_URL and CODEMAGIC_LEGACY_API_URL, and whether a proxy requires a login")
}

/// An HTML page, which is from something in between, or from a gateway that fails.
fn page(doing: &str, response: &Response) -> Error {
    let status = response.status;
    let title = Some(shorten(response.title(), TITLE)).filter(|title| !title.is_empty());
    let title = title.map(|title| format!(", {title:?}")).unwrap_or_default();
    let page = format!("{} answered with an HTML page instead of JSON (HTTP {status}{title})", response.url.host());
    let (code, hint) = match status {
        500.. => (
            ExitCode::Unavailable,
            "Codemagic, or a gateway in front of it, is failing: see https://status.codemagic.io",
        ),
        407 => (ExitCode::NoConnection, "a proxy requires credentials: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT"),
        _ => (
            ExitCode::NoConnection,
            "this is a login page or a proxy: check CODEMAGIC_API_URL, HTTPS_PROXY and NO_PROXY",
        ),
    };
    Error::new(code, doing, page).with_hint(hint)
}

fn rate_limited(response: &Response) -> String {
    let limit = response.header("ratelimit-limit").or_else(|| response.header("x-ratelimit-limit"));
    let sentence = match limit.and_then(|limit| limit.trim().parse::<u64>().ok()) {
        Some(limit) => format!("the limit of {limit} requests per hour is used up"),
        None => "too many requests".to_owned(),
    };
    match response.retry_after() {
        Some(reset) => format!("{sentence}, more are allowed in {}", output::format_duration(reset)),
        None => sentence,
    }
}

/// The words of an error: v3 sends `detail` and `extra` (as its API document says), the legacy API `message` or `error`.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct ErrorBody {
    detail: Field<String>,
    message: Field<String>,
    error: Field<String>,
    #[serde(deserialize_with = "lenient::value")]
    extra: Value,
}

/// The service's own words about an error, in one line; empty if it has none.
pub(super) fn words(body: &[u8]) -> String {
    let body = if body.len() > LONGEST_BODY { None } else { lenient::parse::<ErrorBody>(body) };
    let Some(body) = body else { return String::new() };
    let text = body.detail.0.or(body.message.0).or(body.error.0).unwrap_or_default();
    let faults = faults(&body.extra);
    let words = if faults.is_empty() { text } else { format!("{text}: {faults}") };
    shorten(words.split_whitespace().collect::<Vec<_>>().join(" "), QUOTE)
}

/// The messages of v3's `extra`: a list of `{"key": "branch", "message": "…"}` or an object of messages by key. What is not a
/// message may be a value that was sent, and is left out; so is what nobody would read to the end.
fn faults(extra: &Value) -> String {
    let mut faults = String::new();
    let mut add = |key: Option<&str>, message: Option<&str>| {
        let Some(message) = message.filter(|_| faults.len() < 4 * QUOTE) else { return };
        faults += if faults.is_empty() { "" } else { "; " };
        if let Some(key) = key {
            faults += key;
            faults += ": ";
        }
        faults += message;
    };
    match extra {
        Value::String(text) => add(None, Some(text)),
        Value::Array(list) => {
            for fault in list {
                add(fault["key"].as_str(), fault["message"].as_str().or(fault.as_str()));
            }
        }
        Value::Object(object) => object.iter().for_each(|(key, message)| add(Some(key), message.as_str())),
        _ => {}
    }
    faults
}

//! Turns a proper answer and a fault into what is sent. Knows no sockets.

use crate::codemagic::{dated, error, family, limit_headers};
use crate::content::Content;
use crate::fault::{CutHow, CutPoint, Fault, FaultKind, Listener, Page, WrongShape};
use crate::http::{Request, Response, reason, storage_error};
use crate::jenkins;
use crate::world::World;
use flate2::Compression;
use flate2::read::GzEncoder;
use serde_json::{Map, Value};
use std::io::Read;
use std::time::Duration;

/// What happens to a request.
pub(crate) enum Outcome {
    /// An answer, with deviations on its way.
    Send(Box<Response>, Tweaks),
    /// No answer.
    Cut(CutHow),
    /// Bytes that are no answer.
    Raw(String),
    /// Silence.
    Hang(Duration),
}

/// Deviations of an answer on its way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tweaks {
    /// Cut after so many bytes from the status line on.
    pub(crate) cut_total: Option<u64>,
    /// Cut after so many bytes of the body.
    pub(crate) cut_body: Option<u64>,
    /// Cut after the whole answer.
    pub(crate) cut_after: bool,
    /// How to cut.
    pub(crate) how: CutHow,
    /// Send only so many bytes of the body, under the length of the whole.
    pub(crate) truncate: Option<u64>,
    /// Send filler up to this length instead of the body.
    pub(crate) endless: Option<u64>,
    /// Send pieces of this size with pauses between them.
    pub(crate) drip: Option<(u64, Duration)>,
    /// Change the byte at this place of the content.
    pub(crate) corrupt: Option<u64>,
    /// Bytes behind the content that belong to the length.
    pub(crate) pad: u64,
}

/// Decides what happens. `real` is the proper answer if the request was carried out.
pub(crate) fn apply(
    world: &World,
    fault: Option<&Fault>,
    listener: Listener,
    request: &Request,
    real: Option<Response>,
) -> Outcome {
    let Some(fault) = fault else {
        let response = real.unwrap_or_else(|| Response::empty(500));
        return Outcome::Send(Box::new(response), Tweaks::default());
    };
    match &fault.kind {
        FaultKind::Cut { at: CutPoint::BeforeAnswer, how, .. } => return Outcome::Cut(*how),
        FaultKind::Raw { text } => return Outcome::Raw(text.clone()),
        FaultKind::Hang { max_ms } => return Outcome::Hang(Duration::from_millis(*max_ms)),
        _ => {}
    }
    let (response, tweaks) = match replacement(world, listener, request, &fault.kind) {
        Some(response) => (response, Tweaks::default()),
        // The proper answer, or an empty one if the test wanted nothing to be done.
        None => bend(&fault.kind, real.unwrap_or_else(|| Response::json(200, &Value::Null))),
    };
    Outcome::Send(Box::new(dated(world, response)), tweaks)
}

/// The service's own words for a status.
fn own_error(listener: Listener, request: &Request, status: u16) -> Response {
    let detail = match status {
        401 => "Invalid authentication token",
        402 => "Billing must be enabled to start builds on this instance type",
        403 => "You do not have permission to perform this action",
        422 => "The request could not be processed",
        other => reason(other),
    };
    match listener {
        Listener::Storage => storage_error(status, "SimulatedError", "An error was ordered."),
        Listener::Jenkins => jenkins::container_page(&request.path, status, reason(status)),
        Listener::Api => error(family(&request.path), status, detail),
    }
}

/// The answer of a fault that does not need the proper one.
fn replacement(world: &World, listener: Listener, request: &Request, kind: &FaultKind) -> Option<Response> {
    let addresses = &world.addresses;
    Some(match kind {
        FaultKind::Status { status, headers, body, json } => {
            let mut response = match (json, body) {
                (Some(json), _) => Response::json(*status, json),
                (None, Some(body)) if body.trim_start().starts_with('<') => Response::html(*status, body),
                (None, Some(body)) if serde_json::from_str::<Value>(body).is_ok() => {
                    Response::new(*status, "application/json", Content::from_text(body))
                }
                (None, Some(body)) => Response::text(*status, body),
                (None, None) => own_error(listener, request, *status),
            };
            response.set_all(headers);
            response
        }
        FaultKind::Page { page: which, status } => page(*which, *status),
        FaultKind::Redirect { status, location } => {
            let location = location.replace("{api}", &addresses.api).replace("{storage}", &addresses.storage);
            Response::empty(*status).with("Location", &location.replace("{jenkins}", &addresses.jenkins))
        }
        FaultKind::RedirectLoop { status } => {
            let Request { path, query, .. } = request;
            let mark = if query.is_empty() { "" } else { "?" };
            let base = match listener {
                Listener::Api => &addresses.api,
                Listener::Storage => &addresses.storage,
                Listener::Jenkins => &addresses.jenkins,
            };
            Response::empty(*status).with("Location", &format!("{base}{path}{mark}{query}"))
        }
        FaultKind::RateLimited { reset_seconds, retry_after } => {
            let mut response = own_error(listener, request, 429);
            response.headers.extend(limit_headers(world, family(&request.path), 0, *reset_seconds));
            if let Some(seconds) = retry_after {
                response.set("Retry-After", &seconds.to_string());
            }
            response
        }
        FaultKind::Empty { status } => Response::empty(*status),
        FaultKind::ExpiredLink { status } => storage_error(*status, "ExpiredToken", "The provided token has expired."),
        FaultKind::WrongJson { shape } => wrong(*shape),
        FaultKind::Bomb { size } => {
            let packed = gzip(std::io::repeat(0).take(*size));
            let response = Response::new(200, "application/json", Content::Bytes(packed.into()));
            response.with("Content-Encoding", "gzip")
        }
        _ => return None,
    })
}

fn wrong(shape: WrongShape) -> Response {
    let content = match shape {
        WrongShape::Broken => Content::from_text("{\"data\": {\"id\": \"60a0b1c2d3"),
        WrongShape::Text => Content::from_text("upstream says hello"),
        WrongShape::Array => Content::from_text("[1, 2, 3]"),
        WrongShape::Null => Content::from_text("null"),
        WrongShape::Object => Content::from_text("{}"),
        WrongShape::Types => Content::from_text(
            "{\"data\": {\"id\": 7, \"status\": [\"queued\"], \"artifacts\": \"none\", \"created_at\": false}, \
             \"buildId\": {}, \"build\": {\"_id\": 7, \"status\": 3, \"buildActions\": {}, \"artefacts\": 0}}",
        ),
        WrongShape::Binary => Content::Bytes(vec![0xff, 0xfe, b'{', 0, 0x80, b'}'].into()),
    };
    Response::new(200, "application/json", content)
}

/// A proper answer that goes wrong on its way.
fn bend(kind: &FaultKind, mut response: Response) -> (Response, Tweaks) {
    let mut tweaks = Tweaks::default();
    match kind {
        FaultKind::Cut { at, bytes, how } => {
            tweaks.how = *how;
            match at {
                CutPoint::AnswerBody => tweaks.cut_body = Some(*bytes),
                CutPoint::AfterAnswer => tweaks.cut_after = true,
                _ => tweaks.cut_total = Some(*bytes),
            }
        }
        FaultKind::Truncate { bytes } => {
            tweaks.how = CutHow::Close;
            tweaks.truncate = Some(bytes.unwrap_or(response.len / 2).min(response.len));
        }
        FaultKind::Endless { limit } => tweaks.endless = Some(*limit),
        FaultKind::Drip { bytes, interval_ms } => tweaks.drip = Some((*bytes, Duration::from_millis(*interval_ms))),
        FaultKind::ContentType { value } if value.is_empty() => response.remove("content-type"),
        FaultKind::ContentType { value } => response.set("Content-Type", value),
        FaultKind::Headers { set, remove } => {
            response.remove_all(remove);
            response.set_all(set);
        }
        FaultKind::Patch { value } => {
            if let Ok(mut body) = serde_json::from_slice::<Value>(&response.body()) {
                merge(&mut body, value);
                response.set_body(Content::from_text(&body.to_string()));
            }
        }
        FaultKind::Leaves { value } => {
            if let Ok(mut body) = serde_json::from_slice::<Value>(&response.body()) {
                replace_leaves(&mut body, value);
                response.set_body(Content::from_text(&body.to_string()));
            }
        }
        FaultKind::Gzip => {
            let packed = gzip(&response.body()[..]);
            response.set_body(Content::Bytes(packed.into()));
            response.set("Content-Encoding", "gzip");
        }
        FaultKind::BigHead { headers, bytes } => {
            (0..*headers).for_each(|n| response.set(&format!("X-Padding-{n}"), &"a".repeat(*bytes)));
        }
        FaultKind::Replace { from, to } => {
            let body = response.body();
            let (mut out, mut rest) = (Vec::new(), &body[..]);
            while let Some(at) = rest.windows(from.len().max(1)).position(|w| w == from.as_bytes()) {
                out.extend_from_slice(&rest[..at]);
                out.extend_from_slice(to);
                rest = &rest[at + from.len()..];
            }
            out.extend_from_slice(rest);
            response.set_body(Content::Bytes(out.into()));
        }
        FaultKind::Corrupt { offset } => tweaks.corrupt = Some(*offset),
        FaultKind::WrongSize { delta } if *delta >= 0 => tweaks.pad = *delta as u64,
        FaultKind::WrongSize { delta } => response.len = response.len.saturating_sub(delta.unsigned_abs()),
        FaultKind::IgnoreRange if response.status == 206 => {
            (response.status, response.start, response.len) = (200, 0, response.content.len());
            response.remove("content-range");
        }
        FaultKind::WrongRange { shift } if response.status == 206 => {
            let whole = response.content.len();
            let end = (response.start + response.len).min(whole);
            response.start = (response.start + shift).min(end.saturating_sub(1));
            response.len = end - response.start;
            let range = format!("bytes {}-{}/{whole}", response.start, end - 1);
            response.set("Content-Range", &range);
        }
        _ => {}
    }
    (response, tweaks)
}

fn gzip(content: impl Read) -> Vec<u8> {
    let mut packed = Vec::new();
    let _ = GzEncoder::new(content, Compression::fast()).read_to_end(&mut packed);
    packed
}

fn replace_leaves(body: &mut Value, with: &Value) {
    match body {
        Value::Array(entries) => entries.iter_mut().for_each(|entry| replace_leaves(entry, with)),
        Value::Object(entries) => entries.values_mut().for_each(|entry| replace_leaves(entry, with)),
        leaf => leaf.clone_from(with),
    }
}

/// The page with its usual status, or another one.
fn page(page: Page, status: Option<u16>) -> Response {
    let (usual, text) = match page {
        Page::Sso => (200, SSO),
        Page::Proxy => (403, PROXY),
        Page::ProxyAuth => (407, PROXY_AUTH),
        Page::Gateway => (502, GATEWAY),
        Page::Maintenance => (503, MAINTENANCE),
        Page::Home => (200, HOME),
    };
    let response = Response::html(status.unwrap_or(usual), text);
    match page {
        Page::Sso => response.with("Set-Cookie", "SSOSESSION=0; Secure; HttpOnly"),
        Page::Proxy => response.with("Via", "1.1 proxy.corp.example.com").with("Server", "squid/6.6"),
        Page::ProxyAuth => response.with("Proxy-Authenticate", "Basic realm=\"corp\""),
        Page::Maintenance => response.with("Retry-After", "120"),
        Page::Gateway | Page::Home => response,
    }
}

const SSO: &str = "<!DOCTYPE html>\n<html><head><title>Sign in - Corp SSO</title></head><body>\n\
<form method=\"post\" action=\"https://sso.corp.example.com/login\"><input type=\"hidden\" name=\"SAMLRequest\" value=\"x\">\n\
<h1>Sign in to continue</h1><input name=\"username\"><input type=\"password\" name=\"password\"></form></body></html>\n";

const PROXY: &str = "<html><head><title>Access Denied</title></head><body><h1>Access Denied (policy_denied)</h1>\n\
<p>Your request was blocked by the web proxy of your company. Contact the service desk.</p></body></html>\n";

const PROXY_AUTH: &str = "<html><head><title>Proxy Authentication Required</title></head>\
<body><h1>ERROR</h1><p>Cache Access Denied.</p></body></html>\n";

const GATEWAY: &str = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n\
<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n";

const MAINTENANCE: &str = "<!DOCTYPE html><html><head><title>Down for maintenance</title></head>\
<body><h1>We will be back soon</h1></body></html>\n";

const HOME: &str = "<!DOCTYPE html><html><head><title>Demo</title></head>\
<body><div id=\"root\"></div><script src=\"/main.js\"></script></body></html>\n";

/// Merges JSON as RFC 7386 does: `null` removes a key.
pub(crate) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        target.clone_from(patch);
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else { return };
    for (key, value) in patch {
        if value.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

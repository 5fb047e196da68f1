//! Turns a proper answer and a fault into what really happens. Knows no sockets.

use crate::api::{self, Family, error};
use crate::content::Content;
use crate::fault::{CutHow, CutPoint, Fault, FaultKind, Listener, WrongShape};
use crate::http::{Request, Response};
use crate::jenkins;
use crate::pages;
use crate::patch::merge;
use crate::world::World;
use serde_json::Value;
use std::time::Duration;

/// What happens to a request.
pub(crate) enum Verdict {
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
pub(crate) fn judge(
    world: &World,
    fault: Option<&Fault>,
    listener: Listener,
    request: &Request,
    real: Option<Response>,
) -> Verdict {
    let Some(fault) = fault else {
        let response = real.unwrap_or_else(|| Response::empty(500));
        return Verdict::Send(Box::new(response), Tweaks::default());
    };
    match &fault.kind {
        FaultKind::Cut { at: CutPoint::BeforeAnswer, how, .. } => return Verdict::Cut(*how),
        FaultKind::Raw { text } => return Verdict::Raw(text.clone()),
        FaultKind::Hang { max_ms } => return Verdict::Hang(Duration::from_millis(*max_ms)),
        _ => {}
    }
    let scene = Scene { world, listener, request };
    let (response, tweaks) = match scene.replacement(&fault.kind) {
        Some(response) => (response, Tweaks::default()),
        // The proper answer, or an empty one if the test wanted nothing to be done.
        None => bend(&fault.kind, real.unwrap_or_else(|| Response::json(200, &Value::Null))),
    };
    Verdict::Send(Box::new(api::dated(world, response)), tweaks)
}

/// Where a fault takes place.
struct Scene<'a> {
    world: &'a World,
    listener: Listener,
    request: &'a Request,
}

impl Scene<'_> {
    fn family(&self) -> Family {
        api::family(&self.request.path)
    }

    /// The service's own words for a status.
    fn own_error(&self, status: u16) -> Response {
        match self.listener {
            Listener::Storage => api::storage_error(status, "SimulatedError", "An error was ordered."),
            Listener::Jenkins => jenkins::fault_page(&self.request.path, status),
            Listener::Api => error(self.family(), status, pages::detail(status)),
        }
    }

    /// The answer of a fault that does not look at the proper one.
    fn replacement(&self, kind: &FaultKind) -> Option<Response> {
        Some(match kind {
            FaultKind::Status { status, headers, body, json } => {
                let mut response = match (json, body) {
                    (Some(json), _) => Response::json(*status, json),
                    (None, Some(body)) if body.trim_start().starts_with('<') => Response::html(*status, body),
                    (None, Some(body)) if serde_json::from_str::<Value>(body).is_ok() => {
                        Response::new(*status, "application/json", Content::from_text(body))
                    }
                    (None, Some(body)) => Response::text(*status, body),
                    (None, None) => self.own_error(*status),
                };
                for (name, value) in headers {
                    response.set(name, value);
                }
                response
            }
            FaultKind::Page { page, status } => pages::page(*page, *status),
            FaultKind::Redirect { status, location } => {
                let addresses = &self.world.addresses;
                let location = location.replace("{api}", &addresses.api).replace("{storage}", &addresses.storage);
                let location = location.replace("{jenkins}", &addresses.jenkins);
                Response::empty(*status).with("Location", &location)
            }
            FaultKind::RedirectLoop { status } => {
                let Request { path, query, .. } = self.request;
                let mark = if query.is_empty() { "" } else { "?" };
                let base = match self.listener {
                    Listener::Api => &self.world.addresses.api,
                    Listener::Storage => &self.world.addresses.storage,
                    Listener::Jenkins => &self.world.addresses.jenkins,
                };
                Response::empty(*status).with("Location", &format!("{base}{path}{mark}{query}"))
            }
            FaultKind::RateLimited { reset_seconds, retry_after } => {
                let mut response = self.own_error(429);
                let limit = self.world.config.rate_limit.limit;
                let headers = api::limit_headers(self.world, self.family(), limit, 0, *reset_seconds);
                response.headers.extend(headers);
                if let Some(seconds) = retry_after {
                    response.set("Retry-After", &seconds.to_string());
                }
                response
            }
            FaultKind::Empty { status } => Response::empty(*status),
            FaultKind::ExpiredLink { status } => {
                api::storage_error(*status, "ExpiredToken", "The provided token has expired.")
            }
            FaultKind::WrongJson { shape } => wrong(*shape),
            _ => return None,
        })
    }
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
                _ => tweaks.cut_total = Some(*bytes),
            }
        }
        FaultKind::Truncate { bytes } => {
            tweaks.how = CutHow::Close;
            tweaks.truncate = Some(bytes.unwrap_or(response.len / 2).min(response.len));
        }
        FaultKind::Endless { limit } => tweaks.endless = Some(*limit),
        FaultKind::Drip { bytes, interval_ms } => tweaks.drip = Some((*bytes, Duration::from_millis(*interval_ms))),
        FaultKind::ContentType { value } if value.is_empty() => {
            response.headers.retain(|(n, _)| !n.eq_ignore_ascii_case("content-type"));
        }
        FaultKind::ContentType { value } => response.set("Content-Type", value),
        FaultKind::Headers { set, remove } => {
            response.headers.retain(|(n, _)| !remove.iter().any(|r| r.eq_ignore_ascii_case(n)));
            for (name, value) in set {
                response.set(name, value);
            }
        }
        FaultKind::Patch { value } => {
            if let Ok(mut body) = serde_json::from_slice::<Value>(&response.body()) {
                merge(&mut body, value);
                response.set_body(Content::from_text(&body.to_string()));
            }
        }
        FaultKind::Corrupt { offset } => tweaks.corrupt = Some(*offset),
        FaultKind::WrongSize { delta } if *delta >= 0 => tweaks.pad = *delta as u64,
        FaultKind::WrongSize { delta } => response.len = response.len.saturating_sub(delta.unsigned_abs()),
        FaultKind::IgnoreRange if response.status == 206 => {
            response.status = 200;
            response.start = 0;
            response.len = response.content.len();
            response.headers.retain(|(n, _)| !n.eq_ignore_ascii_case("content-range"));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::world::Addresses;
    use serde_json::json;

    fn sent(fault: &Fault, path: &str, real: Option<Response>) -> (Response, Tweaks) {
        let addresses =
            Addresses { api: "http://api".into(), storage: "http://storage".into(), ..Addresses::default() };
        let world = World::new(Config::default(), addresses);
        let request = Request { method: "GET".into(), path: path.into(), ..Request::default() };
        match judge(&world, Some(fault), Listener::Api, &request, real) {
            Verdict::Send(response, tweaks) => (*response, tweaks),
            _ => panic!("no answer"),
        }
    }

    fn header<'a>(response: &'a Response, name: &str) -> &'a str {
        response.headers.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v)
    }

    #[test]
    fn errors_speak_the_language_of_the_api() {
        let (v3, _) = sent(&Fault::status(503), "/api/v3/builds/1", None);
        let body: Value = serde_json::from_slice(&v3.body()).unwrap();
        assert_eq!((v3.status, &body["status_code"]), (503, &json!(503)));
        let (legacy, _) = sent(&Fault::status(503), "/builds/1", None);
        let body: Value = serde_json::from_slice(&legacy.body()).unwrap();
        assert_eq!(body["error"], "SERVICE_UNAVAILABLE");
    }

    #[test]
    fn the_two_resets_mean_different_things() {
        let fault = Fault::rate_limited(30);
        let (v3, _) = sent(&fault, "/api/v3/user", None);
        assert_eq!(header(&v3, "ratelimit-reset"), "30");
        let (legacy, _) = sent(&fault, "/user", None);
        assert!(header(&legacy, "X-RateLimit-Reset").parse::<i64>().unwrap() > 1_700_000_000);
    }

    #[test]
    fn redirects_know_the_addresses() {
        let (response, _) = sent(&Fault::redirect(307, "{storage}/x"), "/a", None);
        assert_eq!((response.status, header(&response, "Location")), (307, "http://storage/x"));
        let (response, _) = sent(&Fault::new(FaultKind::RedirectLoop { status: 302 }), "/a", None);
        assert_eq!(header(&response, "Location"), "http://api/a");
    }

    #[test]
    fn proper_answers_are_bent() {
        let real = || Some(Response::json(200, &json!({"data": {"status": "queued", "id": "1"}})));
        let patch = Fault::patch(json!({"data": {"status": "melting", "id": null}}));
        let (response, _) = sent(&patch, "/a", real());
        assert_eq!(response.body(), br#"{"data":{"status":"melting"}}"#);
        let (response, tweaks) = sent(&Fault::new(FaultKind::Truncate { bytes: None }), "/a", real());
        assert_eq!(tweaks.truncate, Some(response.len / 2));
        let (response, _) = sent(&Fault::new(FaultKind::WrongSize { delta: -3 }), "/a", real());
        assert_eq!(response.len, real().unwrap().len - 3);
    }

    #[test]
    fn ranges_are_ignored_or_shifted() {
        let mut real = Response::text(206, "0123456789");
        (real.start, real.len) = (4, 6);
        let (response, _) = sent(&Fault::new(FaultKind::IgnoreRange), "/a", Some(real.clone()));
        assert_eq!((response.status, response.body().len()), (200, 10));
        let (response, _) = sent(&Fault::new(FaultKind::WrongRange { shift: 2 }), "/a", Some(real));
        assert_eq!((response.body(), header(&response, "Content-Range")), (b"6789".to_vec(), "bytes 6-9/10"));
    }
}

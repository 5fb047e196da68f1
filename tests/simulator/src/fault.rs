//! Faults that a test orders: which request is hit, and how. `apply` carries them out.

use crate::http::Request;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use smart_default::SmartDefault;
use std::collections::BTreeMap;
use std::time::Duration;

/// Which of the sockets a connection came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Listener {
    /// v3 and legacy.
    Api,
    /// The object storage that artifacts are redirected to.
    Storage,
    /// The Jenkins.
    Jenkins,
}

/// A fault and the requests it hits.
#[derive(Clone, Debug, PartialEq, SmartDefault, Serialize, Deserialize)]
#[serde(default)]
#[must_use]
pub struct Fault {
    /// Only this listener.
    pub listener: Option<Listener>,
    /// Only this method.
    pub method: Option<String>,
    /// Only paths that contain this; with a `*` in it, only paths that match it as a whole.
    pub path: Option<String>,
    /// Only queries that contain this.
    pub query: Option<String>,
    /// Only requests that carry this header.
    pub header: Option<String>,
    /// The first request of those that match to be hit, counted from 1.
    #[default = 1]
    pub nth: u32,
    /// How many are hit from there on; 0 is all of them.
    #[default = 1]
    pub times: u32,
    /// Is the request carried out before the fault? `null` is what suits the kind.
    pub act: Option<bool>,
    /// Real time between the request and the answer.
    pub delay_ms: u64,
    /// What goes wrong.
    #[serde(flatten)]
    pub kind: FaultKind,
}

/// What goes wrong.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FaultKind {
    /// Nothing but `delay_ms`.
    #[default]
    Delay,
    /// A fixed answer.
    Status {
        /// Status of the answer.
        status: u16,
        /// Headers of the answer.
        #[serde(default)]
        headers: BTreeMap<String, String>,
        /// Body; without it the service's own error body for this status.
        #[serde(default)]
        body: Option<String>,
        /// Body as JSON, instead of `body`.
        #[serde(default)]
        json: Option<Value>,
    },
    /// A page of HTML for people.
    Page {
        /// Which one.
        page: Page,
        /// Status; `null` is the usual one of the page.
        #[serde(default)]
        status: Option<u16>,
    },
    /// A redirect.
    Redirect {
        /// 301, 302, 303, 307 or 308.
        status: u16,
        /// Where to; `{api}`, `{storage}` and `{jenkins}` stand for the addresses.
        location: String,
    },
    /// A redirect to the same address.
    RedirectLoop {
        /// 301, 302, 303, 307 or 308.
        status: u16,
    },
    /// 429 with the headers of the API that was asked; [`Fault::set`] gives them other forms.
    RateLimited {
        /// Seconds until the window ends.
        #[serde(default)]
        reset_seconds: u64,
        /// Adds `Retry-After`.
        #[serde(default)]
        retry_after: Option<u64>,
    },
    /// The connection ends.
    Cut {
        /// Where.
        at: CutPoint,
        /// After so many bytes of that part.
        #[serde(default)]
        bytes: u64,
        /// With what.
        #[serde(default)]
        how: CutHow,
    },
    /// The proper answer with its length, but less of the body, then the end of the connection.
    Truncate {
        /// Bytes of the body that are sent; `null` is half.
        #[serde(default)]
        bytes: Option<u64>,
    },
    /// A body without end or length.
    Endless {
        /// Where it ends after all.
        limit: u64,
    },
    /// The proper answer in small pieces.
    Drip {
        /// Size of a piece.
        bytes: u64,
        /// Real time between pieces.
        interval_ms: u64,
    },
    /// Silence on an open connection.
    Hang {
        /// How long, before the connection is closed.
        max_ms: u64,
    },
    /// Status 200 with a body that is not what it should be.
    WrongJson {
        /// What it is.
        #[serde(default)]
        shape: WrongShape,
    },
    /// No body.
    Empty {
        /// Status of the answer.
        status: u16,
    },
    /// The proper answer under another content type.
    ContentType {
        /// The type; empty sends none.
        value: String,
    },
    /// The proper answer with other headers.
    Headers {
        /// Headers that are set.
        #[serde(default)]
        set: BTreeMap<String, String>,
        /// Headers that are removed.
        #[serde(default)]
        remove: Vec<String>,
    },
    /// The proper answer with this merged into its JSON as by RFC 7386.
    Patch {
        /// What is merged.
        value: Value,
    },
    /// The proper answer, compressed, with `Content-Encoding: gzip`, whether or not the client accepts it.
    Gzip,
    /// The proper answer with so many more headers, so many bytes in each of their values.
    BigHead {
        /// How many headers.
        headers: u32,
        /// Length of each value.
        bytes: usize,
    },
    /// The proper answer with other bytes in its body wherever `from` stands: a lone surrogate, invalid UTF-8, `null`.
    Replace {
        /// What is replaced.
        from: String,
        /// What stands there instead.
        to: Vec<u8>,
    },
    /// The proper answer with this value in place of every text, number, boolean and `null` in its JSON.
    Leaves {
        /// What stands there instead.
        value: Value,
    },
    /// Status 200 with so many zeros, compressed: a thousandth of them is sent.
    Bomb {
        /// How many.
        size: u64,
    },
    /// These very bytes instead of an answer, then the end of the connection.
    Raw {
        /// The bytes as text.
        text: String,
    },
    /// What the storage says of a link that is too old.
    ExpiredLink {
        /// 400, 403 or 410.
        status: u16,
    },
    /// One byte of the body is another one; the length stays.
    Corrupt {
        /// Which byte; counted from the start of the whole file.
        #[serde(default)]
        offset: u64,
    },
    /// The body is longer or shorter than it should be, and its length says so too.
    WrongSize {
        /// By how many bytes.
        delta: i64,
    },
    /// The whole file and 200 although a range was asked for.
    IgnoreRange,
    /// 206 with another range than the one that was asked for.
    WrongRange {
        /// By how many bytes the range is off.
        shift: u64,
    },
}

/// A page for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Page {
    /// A log-in form of a single sign-on, 200.
    Sso,
    /// A company proxy's refusal, 403.
    Proxy,
    /// A proxy that wants a password, 407.
    ProxyAuth,
    /// An edge server's "bad gateway", 502.
    Gateway,
    /// Maintenance, 503.
    Maintenance,
    /// The start page of a web site, 200.
    Home,
}

/// Where a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CutPoint {
    /// As soon as it is accepted, before TLS. Counts connections, not requests.
    Accept,
    /// After the TLS handshake, before a request is read. Counts connections, not requests.
    Handshake,
    /// After `bytes` of the request's body.
    RequestBody,
    /// After the whole request, without an answer.
    BeforeAnswer,
    /// After `bytes` of the answer, status line and headers included.
    Answer,
    /// After `bytes` of the answer's body.
    AnswerBody,
    /// After the whole answer, although its head kept the connection alive.
    AfterAnswer,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CutHow {
    /// A TCP reset.
    #[default]
    Reset,
    /// An orderly TCP end, without a word from TLS.
    Close,
}

/// A body that is not what it should be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WrongShape {
    /// JSON that breaks off.
    #[default]
    Broken,
    /// Plain text under a JSON type.
    Text,
    /// An array.
    Array,
    /// `null`.
    Null,
    /// An object without anything in it.
    Object,
    /// The right keys with values of the wrong types.
    Types,
    /// Bytes that are not UTF-8.
    Binary,
}

impl Fault {
    /// A fault of this kind that hits the next request.
    pub fn new(kind: FaultKind) -> Self {
        Self { kind, ..Self::default() }
    }

    /// The service's own error answer.
    pub fn status(status: u16) -> Self {
        Self::new(FaultKind::Status { status, headers: BTreeMap::new(), body: None, json: None })
    }

    /// A fixed answer with a body.
    pub fn answer(status: u16, body: &str) -> Self {
        Self::new(FaultKind::Status { status, headers: BTreeMap::new(), body: Some(body.into()), json: None })
    }

    /// A page for people.
    pub fn page(page: Page) -> Self {
        Self::new(FaultKind::Page { page, status: None })
    }

    /// A redirect.
    pub fn redirect(status: u16, location: &str) -> Self {
        Self::new(FaultKind::Redirect { status, location: location.into() })
    }

    /// A proper answer that comes late.
    pub fn slow(delay: Duration) -> Self {
        Self::new(FaultKind::Delay).delay(delay)
    }

    /// A reset at this point, at once.
    pub fn cut(at: CutPoint) -> Self {
        Self::cut_after(at, 0)
    }

    /// A reset after `bytes` of this part.
    pub fn cut_after(at: CutPoint, bytes: u64) -> Self {
        Self::new(FaultKind::Cut { at, bytes, how: CutHow::Reset })
    }

    /// 429.
    pub fn rate_limited(reset_seconds: u64) -> Self {
        Self::new(FaultKind::RateLimited { reset_seconds, retry_after: None })
    }

    /// The proper answer with other bytes wherever `from` stands in its body.
    pub fn replace(from: &str, to: &[u8]) -> Self {
        Self::new(FaultKind::Replace { from: from.into(), to: to.into() })
    }

    /// The proper answer; [`Fault::set`] says with which headers.
    pub fn headers() -> Self {
        Self::new(FaultKind::Headers { set: BTreeMap::new(), remove: Vec::new() })
    }

    /// A header of the kinds `Status` and `Headers`, for example `Retry-After` as a date or a fraction.
    pub fn set(mut self, name: &str, value: &str) -> Self {
        if let FaultKind::Status { headers: set, .. } | FaultKind::Headers { set, .. } = &mut self.kind {
            set.insert(name.into(), value.into());
        }
        self
    }

    /// The proper answer with something merged into its JSON.
    pub fn patch(value: Value) -> Self {
        Self::new(FaultKind::Patch { value })
    }

    /// Only for this method and these paths.
    pub fn on(mut self, method: &str, path: &str) -> Self {
        self.method = Some(method.into());
        self.path = Some(path.into());
        self
    }

    /// Only for these paths.
    pub fn path(mut self, path: &str) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Only on this listener.
    pub fn listener(mut self, listener: Listener) -> Self {
        self.listener = Some(listener);
        self
    }

    /// Begins with the n-th request that matches, counted from 1.
    pub fn nth(mut self, nth: u32) -> Self {
        self.nth = nth;
        self
    }

    /// Hits this many requests.
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    /// Hits every request.
    pub fn always(self) -> Self {
        self.times(0)
    }

    /// Real time before the answer.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay_ms = delay.as_millis() as u64;
        self
    }

    /// The request is carried out (the build is started) before it goes wrong.
    pub fn acted(mut self) -> Self {
        self.act = Some(true);
        self
    }

    /// Reads a fault from JSON; unknown keys are refused.
    pub fn from_json(value: &Value) -> Result<Self, String> {
        let fault: Self = serde_json::from_value(value.clone()).map_err(|e| e.to_string())?;
        let known = serde_json::to_value(&fault).map_err(|e| e.to_string())?;
        let empty = Map::new();
        let given = value.as_object().unwrap_or(&empty);
        match given.keys().find(|key| known.get(key.as_str()).is_none()) {
            Some(key) => Err(format!("unknown key {key:?} in a fault of kind {}", known["kind"])),
            None => Ok(fault),
        }
    }

    /// The kind's word, for the records.
    pub(crate) fn label(&self) -> String {
        let kind = serde_json::to_value(&self.kind).unwrap_or_default();
        kind["kind"].as_str().unwrap_or_default().to_owned()
    }

    fn matches(&self, listener: Listener, request: &Request) -> bool {
        self.connection_point().is_none()
            && self.listener.is_none_or(|l| l == listener)
            && self.method.as_ref().is_none_or(|m| m.eq_ignore_ascii_case(&request.method))
            && self.path.as_ref().is_none_or(|p| path_matches(p, &request.path))
            && self.query.as_ref().is_none_or(|q| request.query.contains(q.as_str()))
            && self.header.as_ref().is_none_or(|h| request.header(h).is_some())
    }

    /// Where it hits a connection before there is a request.
    fn connection_point(&self) -> Option<CutPoint> {
        match self.kind {
            FaultKind::Cut { at: at @ (CutPoint::Accept | CutPoint::Handshake), .. } => Some(at),
            _ => None,
        }
    }

    /// Is the request carried out?
    pub(crate) fn acts(&self) -> bool {
        self.act.unwrap_or(match &self.kind {
            FaultKind::Status { .. }
            | FaultKind::Page { .. }
            | FaultKind::Redirect { .. }
            | FaultKind::RedirectLoop { .. }
            | FaultKind::RateLimited { .. }
            | FaultKind::Endless { .. }
            | FaultKind::Hang { .. }
            | FaultKind::Empty { .. }
            | FaultKind::Raw { .. }
            | FaultKind::Bomb { .. }
            | FaultKind::ExpiredLink { .. } => false,
            FaultKind::Cut { at, .. } => matches!(at, CutPoint::Answer | CutPoint::AnswerBody | CutPoint::AfterAnswer),
            _ => true,
        })
    }
}

/// The faults of a simulator, each with the number of requests or connections that it matched.
#[derive(Debug, Default)]
pub(crate) struct Faults(pub(crate) Vec<(Fault, u32)>);

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.0.push((fault, 0));
    }

    /// The fault that hits this request; every one that matches counts it.
    pub(crate) fn take(&mut self, listener: Listener, request: &Request) -> Option<Fault> {
        self.take_where(|f| f.matches(listener, request))
    }

    /// The fault that hits this connection at this point.
    pub(crate) fn take_connection(&mut self, listener: Listener, point: CutPoint) -> Option<Fault> {
        self.take_where(|f| f.connection_point() == Some(point) && f.listener.is_none_or(|l| l == listener))
    }

    fn take_where(&mut self, matches: impl Fn(&Fault) -> bool) -> Option<Fault> {
        let mut hit = None;
        for (fault, seen) in self.0.iter_mut().filter(|(f, _)| matches(f)) {
            *seen += 1;
            let due = *seen >= fault.nth && (fault.times == 0 || *seen - fault.nth < fault.times);
            if due && hit.is_none() {
                hit = Some(fault.clone());
            }
        }
        hit
    }
}

/// Does the path contain `pattern`, or match it as a whole if it has a `*`, which stands for anything?
pub(crate) fn path_matches(pattern: &str, path: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return path.contains(pattern) };
    let Some(mut left) = path.strip_prefix(head) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = left.find(part) else { return false };
        left = &left[at + part.len()..];
    }
    left.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_match_by_part_or_pattern() {
        assert!(path_matches("/builds", "/api/v3/builds/1"));
        assert!(path_matches("/api/*/builds/*", "/api/v3/builds/1"));
        assert!(!path_matches("/api/*/builds", "/api/v3/builds/1"));
        assert!(path_matches("*", ""));
        assert!(!path_matches("/a*b*c", "/ab"));
    }
}

//! Requests to one controller: credentials, crumbs, sessions, and answers read as what they are.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::errors::{is_starting, refused, wants_crumb};
use crate::clock::Clock;
use crate::error::{Error, RequestError};
use crate::http::retry;
use crate::http::{Body, Fault, Http, Method, Request, Response, Stream, Url};
use crate::json;

/// Who asks, as sentences name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// Nobody.
    Anonymous,
    /// This user with an API token: no crumb, no session.
    Token(String),
    /// This user with what is no API token, so probably a password: it needs a crumb and its session.
    Password(String),
    /// Whoever a bearer token stands for.
    Bearer,
}

impl fmt::Display for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("anonymous users"),
            Self::Token(user) | Self::Password(user) => write!(f, "user {user}"),
            Self::Bearer => f.write_str("the bearer token's user"),
        }
    }
}

/// Whether a text looks like an API token: `11` and 32 hexadecimal digits, or the 32 of a token from before 2018.
pub fn has_token_shape(text: &str) -> bool {
    let digits = text.strip_prefix("11").filter(|rest| rest.len() == 32).unwrap_or(text);
    digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// What makes a POST without an API token acceptable. The crumb is worth nothing without its session.
#[derive(Debug, Clone)]
struct Crumb {
    field: String,
    value: String,
    cookies: String,
}

/// Who Jenkins thinks asks.
#[derive(Debug, Clone)]
pub struct WhoAmI {
    /// The user's id.
    pub name: String,
    /// Whether nobody is logged in.
    pub anonymous: bool,
}

/// One controller.
pub struct Client {
    pub(super) http: Http,
    pub(super) root: Url,
    pub(super) login: Credentials,
    clock: Arc<dyn Clock>,
    crumb: RefCell<Option<Crumb>>,
    /// `X-Jenkins-Session` of the newest answer that had one: it changes with each restart.
    session: RefCell<Option<String>>,
    version: RefCell<Option<String>>,
    /// Between the controller's clock and ours, in milliseconds, after the newest answer.
    ahead: Cell<i64>,
}

impl Client {
    /// A client of the controller at `root`; nothing is sent yet.
    pub fn new(http: Http, root: Url, login: Credentials, clock: Arc<dyn Clock>) -> Self {
        Self {
            http,
            root,
            login,
            clock,
            crumb: RefCell::new(None),
            session: RefCell::new(None),
            version: RefCell::new(None),
            ahead: Cell::new(0),
        }
    }

    /// A client for the last requests of a process that was asked to end: one try each, at most `limit` long.
    pub fn shutdown_client(&self, limit: Duration) -> Self {
        Self {
            http: self.http.shutdown_client(limit),
            root: self.root.clone(),
            login: self.login.clone(),
            clock: Arc::clone(&self.clock),
            crumb: self.crumb.clone(),
            session: self.session.clone(),
            version: self.version.clone(),
            ahead: self.ahead.clone(),
        }
    }

    /// The same controller with other credentials, e.g. those of a token that was just made.
    pub fn with_login(&self, http: Http, login: Credentials) -> Self {
        Self::new(http, self.root.clone(), login, Arc::clone(&self.clock))
    }

    /// The controller's root.
    pub fn root(&self) -> &Url {
        &self.root
    }

    /// Who asks.
    pub fn login(&self) -> &Credentials {
        &self.login
    }

    /// The session of the newest answer that named one; another one than before means that Jenkins was restarted.
    pub fn session(&self) -> Option<String> {
        self.session.borrow().clone()
    }

    /// The version of the newest answer that named one.
    pub fn version(&self) -> Option<String> {
        self.version.borrow().clone()
    }

    /// The controller's clock, in milliseconds since 1970, exact to a second.
    pub fn controller_time(&self) -> u64 {
        millis(self.clock.wall()).saturating_add_signed(self.ahead.get())
    }

    /// The address of `path`, which begins with `/`, on this controller.
    pub fn page(&self, path: &str) -> String {
        self.root.below(path).map_or_else(|_| path.to_owned(), |url| url.to_string())
    }

    /// Who Jenkins thinks asks. It needs no permission at all.
    pub fn who_am_i(&self) -> Result<WhoAmI, RequestError> {
        let (what, subject) = ("asking who these credentials are", "the controller");
        let (response, answer) = self.value(what, subject, "/whoAmI/api/json?tree=name,anonymous")?;
        let Some(name) = json::text(&answer, "name") else { return Err(self.miss(what, subject, &response)) };
        Ok(WhoAmI { name, anonymous: json::flag(&answer, "anonymous").unwrap_or_default() })
    }

    /// Whether requests that change something need a crumb without an API token; `None` where that is hidden.
    pub fn crumbs_in_use(&self) -> Result<Option<bool>, RequestError> {
        let response =
            self.exchange("asking for a crumb", &self.get("/crumbIssuer/api/json").map_err(RequestError::permanent)?)?;
        Ok(match response.status {
            200 => Some(true),
            404 => Some(false),
            _ => None,
        })
    }

    pub(super) fn get(&self, path: &str) -> Result<Request, Error> {
        // Reasons in queue items come in the language that the request asks for.
        Ok(Request::new(Method::Get, self.below(path)?).header("accept-language", "en").without_redirects())
    }

    pub(super) fn below(&self, path: &str) -> Result<Url, Error> {
        self.root.below(path).map_err(|why| Error::usage("the controller's address", why))
    }

    /// Reads an answer that is a JSON object.
    pub(super) fn json(&self, what: &str, subject: &str, path: &str) -> Result<Value, RequestError> {
        let (response, answer) = self.value(what, subject, path)?;
        if answer.is_object() { Ok(answer) } else { Err(self.miss(what, subject, &response)) }
    }

    /// Reads an answer that is JSON.
    pub(super) fn value(&self, what: &str, subject: &str, path: &str) -> Result<(Response, Value), RequestError> {
        let request = self.get(path).map_err(RequestError::permanent)?.header("accept", "application/json");
        let response = self.exchange(what, &request)?;
        match serde_json::from_slice(&response.body) {
            Ok(answer) if response.status == 200 => Ok((response, answer)),
            _ => Err(self.miss(what, subject, &response)),
        }
    }

    /// Opens a body of any length.
    pub(super) fn open(&self, what: &str, subject: &str, request: &Request) -> Result<Stream, RequestError> {
        let stream = self.http.stream(request).map_err(|fault| fault_miss(what, fault))?;
        if stream.status == 200 {
            return Ok(stream);
        }
        // The diagnosis needs the page, which a stream of unknown length does not keep.
        let response = self.exchange(what, request)?;
        Err(self.miss(what, subject, &response))
    }

    /// Sends what changes something and must not arrive twice, with a crumb where one is needed.
    ///
    /// A request that the crumb filter stopped did nothing, so it is sent again with a (new) crumb, once.
    pub(super) fn post(&self, path: &str, body: Option<Body>) -> Result<Response, PostError> {
        let mut request = Request::new(Method::Post, self.below(path).map_err(PostError::Error)?);
        request.headers.push(("accept-language".into(), "en".to_owned()));
        request.body = body;
        if matches!(self.login, Credentials::Password(_)) && self.crumb.borrow().is_none() {
            self.fetch_crumb();
        }
        let plain = request.headers.clone();
        let mut response = None;
        for _ in 0..2 {
            request.headers.clone_from(&plain);
            if let Some(crumb) = &*self.crumb.borrow() {
                request.headers.push((crumb.field.clone().into(), crumb.value.clone()));
                if !crumb.cookies.is_empty() {
                    request.headers.push(("cookie".into(), crumb.cookies.clone()));
                }
            }
            let answer = self.http.send(&request).map_err(PostError::Fault)?;
            self.note(&answer);
            let again = wants_crumb(&answer) && response.is_none() && self.fetch_crumb();
            response = Some(answer);
            if !again {
                break;
            }
        }
        response.ok_or_else(|| PostError::Error(Error::usage(path, "was not sent")))
    }

    /// A POST that may be repeated: done once or twice is the same. 2xx and Jenkins' own 302 are success.
    pub(super) fn act(
        &self,
        what: &str,
        subject: &str,
        path: &str,
        body: Option<Body>,
    ) -> Result<Response, RequestError> {
        let response = self.post(path, body).map_err(|error| error.into_miss(what))?;
        let back = matches!(response.status, 302 | 303) && !super::errors::is_login(&response);
        let home = back
            && response
                .header("location")
                .and_then(|location| response.url.join(location).ok())
                // The target may be below the root that the controller believes to have.
                .is_some_and(|target| target.host() == self.root.host() || target.without_query().contains("/job/"));
        if response.is_success() || home { Ok(response) } else { Err(self.miss(what, subject, &response)) }
    }

    fn fetch_crumb(&self) -> bool {
        *self.crumb.borrow_mut() = None;
        let Ok(request) = self.get("/crumbIssuer/api/json") else { return false };
        let Ok(response) = self.exchange("asking for a crumb", &request) else { return false };
        let Ok(answer) = serde_json::from_slice::<Value>(&response.body) else { return false };
        let (Some(field), Some(value)) = (json::text(&answer, "crumbRequestField"), json::text(&answer, "crumb"))
        else {
            return false;
        };
        let cookies: Vec<_> = response.headers("set-cookie").filter_map(|cookie| cookie.split(';').next()).collect();
        let cookies = cookies.into_iter().filter(|cookie| !cookie.ends_with('=')).collect::<Vec<_>>().join("; ");
        *self.crumb.borrow_mut() = Some(Crumb { field, value, cookies });
        true
    }

    pub(super) fn exchange(&self, what: &str, request: &Request) -> Result<Response, RequestError> {
        let response = self.http.send(request).map_err(|fault| fault_miss(what, fault))?;
        self.note(&response);
        Ok(response)
    }

    fn note(&self, response: &Response) {
        for (cell, name) in [(&self.session, "x-jenkins-session"), (&self.version, "x-jenkins")] {
            if let Some(value) = response.header(name) {
                *cell.borrow_mut() = Some(value.to_owned());
            }
        }
        if let Some(date) = response.date() {
            let signed = |millis: u64| i64::try_from(millis).unwrap_or_default();
            self.ahead.set(signed(millis(date)) - signed(millis(self.clock.wall())));
        }
    }

    /// What an unusable answer means for another try.
    pub(super) fn miss(&self, what: &str, subject: &str, response: &Response) -> RequestError {
        let retryable = retry::is_retryable(response.status) || response.is_success();
        let retry_after = response.retry_after();
        RequestError { error: refused(what, subject, &self.login, response), retryable, retry_after }
    }
}

/// Why a POST has no answer.
pub(super) enum PostError {
    /// It was never sent.
    Error(Error),
    /// It was sent, or failed on the way.
    Fault(Fault),
}

impl PostError {
    pub(super) fn into_miss(self, what: &str) -> RequestError {
        match self {
            Self::Error(failure) => RequestError::permanent(failure),
            Self::Fault(fault) => fault_miss(what, fault),
        }
    }
}

fn fault_miss(what: &str, fault: Fault) -> RequestError {
    RequestError { retryable: fault.is_retryable(), retry_after: None, error: fault.into_error(what) }
}

/// Whether a POST that was answered so did surely nothing, and may be sent again after a pause.
pub(super) fn was_turned_away(response: &Response) -> bool {
    response.status == 429 || response.status == 503 && is_starting(&response.text())
}

pub(super) fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_told_from_a_password_by_its_shape() {
        let hex = "0123456789abcdef0123456789abcdef";
        for (text, token) in [
            (format!("11{hex}"), true),
            (hex.to_owned(), true),
            (format!("12{hex}"), false),
            ("hunter2".to_owned(), false),
            (format!("11{}", &hex[1..]), false),
            (String::new(), false),
        ] {
            assert_eq!(has_token_shape(&text), token, "{text}");
        }
    }
}

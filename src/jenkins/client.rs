//! Requests to one controller: crumbs, sessions, and what an answer means.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;

use super::credentials::Identity;
use super::errors::{is_ambiguous, is_login, is_starting, no_controller, refused, wants_crumb};
use super::wire;
use crate::clock::Clock;
use crate::error::{Error, ExitCode, RequestError};
use crate::http::retry;
use crate::http::{Body, Fault, Http, Method, Request, Response, Stream, Url};
use crate::lenient;
use crate::lock::lock;
use crate::secret::{Redactor, Secret};

/// Addresses that are tried for a controller that is not where it was said to be.
const MOST_CANDIDATES: usize = 4;

/// The longest user name that is believed: it is sent back in a header.
const LONGEST_NAME: usize = 256;

/// What makes a POST without an API token acceptable. The crumb is worth nothing without its session.
#[derive(Debug, Clone)]
struct Crumb {
    field: String,
    value: String,
    cookies: String,
}

/// The user that Jenkins sees.
#[derive(Debug, Clone)]
pub struct WhoAmI {
    /// The user's id.
    pub name: String,
    /// Whether nobody is logged in.
    pub anonymous: bool,
}

/// What was learned from answers.
#[derive(Debug, Clone, Default)]
struct Memory {
    crumb: Option<Crumb>,
    /// `X-Jenkins-Session` of the newest answer that had one: a hash of version and boot time (`Jenkins#SESSION_HASH`).
    session: Option<String>,
    version: Option<String>,
    /// Between the controller's clock and ours, in milliseconds, after the newest answer.
    ahead: i64,
}

/// One controller. Threads may share it.
pub struct Client {
    pub(super) http: Http,
    pub(super) root: Url,
    pub(super) identity: Identity,
    pub(super) clock: Arc<dyn Clock>,
    memory: Mutex<Memory>,
    /// Learns crumbs and session cookies, which are as good as credentials.
    redactor: Redactor,
}

impl Client {
    /// A client of the controller at `root`; nothing is sent yet.
    pub fn new(http: Http, root: Url, identity: Identity, clock: Arc<dyn Clock>) -> Self {
        Self { http, root, identity, clock, memory: Mutex::default(), redactor: Redactor::default() }
    }

    /// The same client, whose crumbs and session cookies `redactor` replaces in every output.
    pub fn with_redactor(self, redactor: Redactor) -> Self {
        Self { redactor, ..self }
    }

    /// A client for the last requests of a process that was asked to end: one try each, at most `limit` long.
    pub fn shutdown_client(&self, limit: Duration) -> Self {
        Self {
            http: self.http.shutdown_client(limit),
            root: self.root.clone(),
            identity: self.identity.clone(),
            clock: Arc::clone(&self.clock),
            memory: Mutex::new(self.memory().clone()),
            redactor: self.redactor.clone(),
        }
    }

    /// The same controller with other credentials, e.g. those of a token that was just created.
    pub fn with_identity(&self, http: Http, identity: Identity) -> Self {
        Self::new(http, self.root.clone(), identity, Arc::clone(&self.clock)).with_redactor(self.redactor.clone())
    }

    /// The controller's root.
    pub fn root(&self) -> &Url {
        &self.root
    }

    /// Who calls.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The session of the newest answer that named one; another one than before means that Jenkins was restarted.
    pub fn session(&self) -> Option<String> {
        self.memory().session.clone()
    }

    /// The version of the newest answer that named one.
    pub fn version(&self) -> Option<String> {
        self.memory().version.clone()
    }

    /// The controller's clock, in milliseconds since 1970, exact to a second.
    pub fn controller_time(&self) -> u64 {
        millis(self.clock.wall()).saturating_add_signed(self.memory().ahead)
    }

    /// The address of `path`, which begins with `/`, on this controller.
    pub fn page(&self, path: &str) -> String {
        self.root.below(path).map_or_else(|_| path.to_owned(), |url| url.to_string())
    }

    /// The user that Jenkins sees. It needs no permission at all (`hudson.security.WhoAmI` is unprotected).
    pub fn who_am_i(&self) -> Result<WhoAmI, RequestError> {
        let subject = "the controller";
        let response = self.exchange(subject, &self.get("/whoAmI/api/json?tree=name,anonymous")?)?;
        if response.status == 404 {
            // Every controller has this page; below another address Jenkins answers 404 in its own name.
            return Err(RequestError::permanent(self.wrong_root(subject, &response)));
        }
        let seen = wire::decode::<wire::WhoAmI>(&response.body).filter(|_| response.status == 200);
        // Any other JSON is an answer of something else.
        let seen = seen
            .and_then(|seen| Some((seen.name.0?, seen.anonymous.0.unwrap_or_default())))
            .filter(|(name, _)| (1..=LONGEST_NAME).contains(&name.len()));
        let (name, anonymous) = seen.ok_or_else(|| self.refusal(subject, &response))?;
        Ok(WhoAmI { name, anonymous })
    }

    /// Whether requests that change something need a crumb without an API token; `None` where that is hidden.
    pub fn crumbs_in_use(&self) -> Result<Option<bool>, RequestError> {
        Ok(match self.exchange("the crumb issuer", &self.get("/crumbIssuer/api/json")?)?.status {
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
        self.root.below(path).map_err(|why| Error::usage("controller URL", why))
    }

    /// Reads an answer. One that is not JSON, or in which `is_answer` misses what was asked for, is none: a page of a
    /// proxy, or the JSON of another object.
    pub(super) fn json<T: DeserializeOwned>(
        &self,
        subject: &str,
        path: &str,
        is_answer: impl Fn(&T) -> bool,
    ) -> Result<T, RequestError> {
        let mut response = self.get_body(subject, path)?;
        let text = if response.status == 200 { lenient::text(&mut response.body) } else { None };
        let answer = text.and_then(lenient::read_object::<T>);
        let is_json = answer.is_some();
        answer.filter(is_answer).ok_or_else(|| self.no_answer(subject, &response, is_json))
    }

    /// The error of an answer without what was asked for.
    pub(super) fn no_answer(&self, subject: &str, response: &Response, is_json: bool) -> RequestError {
        let refusal = self.refusal(subject, response);
        // JSON of something else will not turn into the right one.
        RequestError { retryable: refusal.retryable && !is_json, ..refusal }
    }

    pub(super) fn get_body(&self, subject: &str, path: &str) -> Result<Response, RequestError> {
        let request = self.get(path)?.header("accept", "application/json");
        self.exchange(subject, &request)
    }

    /// Opens a body of any length.
    pub(super) fn open(&self, subject: &str, path: &str) -> Result<Stream, RequestError> {
        let request = self.get(path)?;
        let stream = self.http.stream(&request).map_err(|fault| fault.into_request_error(subject))?;
        if stream.status == 200 {
            return Ok(stream);
        }
        // The diagnosis needs the page, which a stream of unknown length does not keep.
        let response = self.exchange(subject, &request)?;
        Err(self.refusal(subject, &response))
    }

    /// Sends what changes something and must not arrive twice, with a crumb where one is needed.
    ///
    /// A request that the crumb filter stopped did nothing (`hudson.security.csrf.CrumbFilter` comes first), so it is
    /// sent again with a (new) crumb, once.
    pub(super) fn post(&self, path: &str, body: Option<Body>) -> Result<Response, PostError> {
        self.send_post(Request::new(Method::Post, self.below(path).map_err(PostError::Unsent)?), body)
    }

    fn send_post(&self, mut request: Request, body: Option<Body>) -> Result<Response, PostError> {
        request.headers.push(("accept-language".into(), "en".to_owned()));
        request.body = body;
        if matches!(self.identity, Identity::Password(_)) && self.memory().crumb.is_none() {
            // Without it the request would be refused for a reason that has nothing to do with the credentials.
            self.with_retries(|| self.fetch_crumb()).map_err(PostError::Unsent)?;
        }
        let plain = request.headers.clone();
        let mut send = || {
            request.headers.clone_from(&plain);
            if let Some(crumb) = &self.memory().crumb {
                request.headers.push((crumb.field.clone().into(), crumb.value.clone()));
                if !crumb.cookies.is_empty() {
                    request.headers.push(("cookie".into(), crumb.cookies.clone()));
                }
            }
            let response = self.http.send(&request).map_err(PostError::Fault)?;
            self.remember(&response);
            Ok(response)
        };
        let response = send()?;
        if wants_crumb(&response) && matches!(self.fetch_crumb(), Ok(true)) { send() } else { Ok(response) }
    }

    /// A POST that may be repeated: done once or twice is the same.
    ///
    /// Success is 2xx without a body, or Jenkins' own redirect back to the job or build. A page (200, HTML) is not from
    /// Jenkins, which answers these requests with an empty body.
    pub(super) fn act(&self, subject: &str, path: &str, body: Option<Body>) -> Result<Response, RequestError> {
        let request = Request::new(Method::Post, self.below(path)?).repeatable();
        let response = self.send_post(request, body).map_err(|error| error.into_request_error(subject))?;
        if is_done(&response) { Ok(response) } else { Err(self.refusal(subject, &response)) }
    }

    /// Sends a request again while its error is retryable, a few times with growing pauses.
    pub(super) fn with_retries<T>(&self, request: impl FnMut() -> Result<T, RequestError>) -> Result<T, Error> {
        retry::with_retries(&*self.clock, None, request)
    }

    /// Sends a change until it is done. Fails with code 15 where an answer was lost and it is not known to be done.
    pub(super) fn post_until_done(&self, change: &Change) -> Result<(), Error> {
        let subject = change.subject;
        let mut was_lost = false;
        let result = self.with_retries(|| {
            let failed = match self.post(change.path, change.body.clone()) {
                // An answer has an empty body, or leads back to the job or build; a page is that of a proxy.
                Ok(response) if is_done(&response) => return Ok(()),
                Ok(response) => {
                    was_lost |= is_ambiguous(&response);
                    (change.refusal)(&response)
                }
                Err(error) => {
                    was_lost |= matches!(&error, PostError::Fault(fault) if fault.sent);
                    error.into_request_error(subject)
                }
            };
            if was_lost && (change.was_done)() { Ok(()) } else { Err(failed) }
        });
        result.map_err(|error| {
            let reason = format!("{}; {}", error.reason(), change.perhaps);
            if was_lost { error.with_code(ExitCode::Unknown, reason).with_hint(change.hint) } else { error }
        })
    }

    /// Fetches a crumb; false where the controller has none for this caller.
    fn fetch_crumb(&self) -> Result<bool, RequestError> {
        let subject = "the crumb issuer";
        self.memory().crumb = None;
        let response = self.exchange(subject, &self.get("/crumbIssuer/api/json")?)?;
        // Where crumbs are off there is no issuer (404), and a caller without Overall/Read gets none.
        if !matches!(response.status, 200 | 401 | 403 | 404) {
            return Err(self.refusal(subject, &response));
        }
        let Some(answer) = wire::decode::<wire::Crumb>(&response.body) else { return Ok(false) };
        let is_given = |text: &String| !text.is_empty();
        let (Some(field), Some(value)) =
            (answer.crumb_request_field.0.filter(is_given), answer.crumb.0.filter(is_given))
        else {
            return Ok(false);
        };
        let cookies: Vec<_> = response.headers("set-cookie").filter_map(|cookie| cookie.split(';').next()).collect();
        let cookies = cookies.into_iter().filter(|cookie| !cookie.ends_with('=')).collect::<Vec<_>>().join("; ");
        self.redactor.add_secret(&Secret::new(value.as_str()));
        for cookie in cookies.split("; ").filter_map(|cookie| cookie.split_once('=')) {
            self.redactor.add_secret(&Secret::new(cookie.1));
        }
        self.memory().crumb = Some(Crumb { field, value, cookies });
        Ok(true)
    }

    /// Sends a request of somebody's own, a POST with a crumb where one is needed. Fails for every answer that is no
    /// success; Jenkins answers many actions with a redirect (302) to one of its pages, which is one. Fails
    /// with code 15 where a change may have been made although its answer was lost.
    pub fn api(&self, method: Method, path: &str, body: Option<Body>) -> Result<Response, RequestError> {
        let subject = format!("{} {path}", method.name());
        let changes = method != Method::Get;
        let answer = match method {
            Method::Get => self.http.send(&self.get(path)?).map_err(PostError::Fault),
            Method::Post => self.post(path, body),
            Method::Put | Method::Patch | Method::Delete => {
                let mut request = Request::new(method, self.below(path)?);
                request.body = body;
                self.http.send(&request).map_err(PostError::Fault)
            }
        };
        let response = match answer {
            Ok(response) => response,
            Err(PostError::Fault(fault)) if changes && fault.sent => {
                return Err(fault.into_error(subject).perhaps_done().into());
            }
            Err(error) => return Err(error.into_request_error(&subject)),
        };
        self.remember(&response);
        let is_redirect = || changes && (is_done(&response) || self.leads_to_jenkins(&response));
        if response.is_success() || is_redirect() {
            return Ok(response);
        }
        let failed = self.refusal(&subject, &response);
        if changes && is_ambiguous(&response) { Err(failed.error.perhaps_done().into()) } else { Err(failed) }
    }

    /// Whether a redirect leads to another page of the same Jenkins, e.g. to the root as after `/quietDown`. Jenkins does
    /// not put its name on the redirect itself, and a proxy may redirect to the root as well; so the page is asked, in its
    /// short form.
    fn leads_to_jenkins(&self, response: &Response) -> bool {
        let target = redirect_target(response).filter(|target| target.origin() == response.url.origin());
        let page = target.and_then(|target| target.below("/api/json?tree=_class").ok());
        page.is_some_and(|page| {
            let answer = self.http.send(&Request::new(Method::Get, page).without_redirects());
            answer.is_ok_and(|answer| answer.header("x-jenkins").is_some())
        })
    }

    pub(super) fn exchange(&self, subject: &str, request: &Request) -> Result<Response, RequestError> {
        let response = self.http.send(request).map_err(|fault| fault.into_request_error(subject))?;
        self.remember(&response);
        Ok(response)
    }

    fn remember(&self, response: &Response) {
        let mut memory = self.memory();
        let header = |name: &str| response.header(name).map(str::to_owned);
        memory.session = header("x-jenkins-session").or(memory.session.take());
        memory.version = header("x-jenkins").or(memory.version.take());
        if let Some(date) = response.date() {
            let signed = |millis: u64| i64::try_from(millis).unwrap_or_default();
            memory.ahead = signed(millis(date)).saturating_sub(signed(millis(self.clock.wall())));
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        lock(&self.memory)
    }

    /// The error for a 404 that means a wrong controller URL, with the right one if it can be found.
    fn wrong_root(&self, subject: &str, response: &Response) -> Error {
        let found = self.candidates().into_iter().find(|root| {
            let login = root.below("/login").map(|url| Request::new(Method::Get, url).without_redirects().anonymous());
            let answer = login.ok().and_then(|login| self.http.send(&login).ok());
            answer.is_some_and(|answer| answer.status == 200 && answer.header("x-jenkins").is_some())
        });
        no_controller(subject, &self.root, found.as_ref(), response)
    }

    /// Where else the controller may be: each folder above the given address, and below the usual context path.
    fn candidates(&self) -> Vec<Url> {
        let given = self.root.without_query();
        let (scheme, rest) = given.split_once("://").unwrap_or_default();
        let mut path = rest.trim_end_matches('/');
        let mut candidates = vec![format!("{scheme}://{path}/jenkins")];
        while let Some((above, _)) = path.rsplit_once('/') {
            candidates.push(format!("{scheme}://{above}"));
            path = above;
        }
        candidates.iter().take(MOST_CANDIDATES).filter_map(|root| Url::parse(root).ok()).collect()
    }

    /// What an answer that is no success means: why, and whether another try may succeed.
    pub(super) fn refusal(&self, subject: &str, response: &Response) -> RequestError {
        // Half an answer may be whole the next time; a page is from something else than Jenkins.
        let retryable = retry::is_retryable(response.status) || response.is_success() && !response.is_html();
        let retry_after = response.retry_after().filter(|_| matches!(response.status, 429 | 503));
        let is_unknown = response.header("x-jenkins").is_none() && self.version().is_none();
        let error = if response.status == 404 && is_unknown {
            self.wrong_root(subject, response)
        } else {
            refused(subject, &self.identity, response)
        };
        RequestError { error, retryable, retry_after }
    }
}

/// A POST that does nothing more when it is repeated.
pub(super) struct Change<'a> {
    /// What is changed, for messages.
    pub(super) subject: &'a str,
    pub(super) path: &'a str,
    pub(super) body: Option<Body>,
    /// Looks whether a change whose answer was lost was done all the same.
    pub(super) was_done: &'a dyn Fn() -> bool,
    /// What an answer means by which it was not done.
    pub(super) refusal: &'a dyn Fn(&Response) -> RequestError,
    /// What to say, and what to do, where that is not known: `it may have been answered`.
    pub(super) perhaps: &'a str,
    pub(super) hint: &'a str,
}

/// Whether Jenkins did what a POST asked for.
pub(super) fn is_done(response: &Response) -> bool {
    if let Some(target) = redirect_target(response) {
        // The target may be below the root that the controller believes to have, not below ours.
        return target.without_query().contains("/job/");
    }
    // Jenkins says nothing more. Text without its name on it is from something else, like the page of a new web server.
    let is_silent = response.body.trim_ascii().is_empty() || response.header("x-jenkins").is_some();
    response.is_success() && is_silent && !response.is_html()
}

/// Where Jenkins leads after a POST. A redirect to a login page, or by a proxy to the same path, e.g. to https, is none:
/// nothing was done yet.
fn redirect_target(response: &Response) -> Option<Url> {
    if !matches!(response.status, 302 | 303) || is_login(response) {
        return None;
    }
    let path = |url: &Url| url.without_query().splitn(4, '/').nth(3).unwrap_or_default().trim_matches('/').to_owned();
    let target = response.header("location").and_then(|location| response.url.join(location).ok());
    target.filter(|target| path(target) != path(&response.url))
}

/// Why a POST has no answer.
pub(super) enum PostError {
    /// It was never sent.
    Unsent(Error),
    /// It was sent, or failed on the way.
    Fault(Fault),
}

impl PostError {
    pub(super) fn into_request_error(self, subject: &str) -> RequestError {
        match self {
            Self::Unsent(error) => RequestError::permanent(error),
            Self::Fault(fault) => fault.into_request_error(subject),
        }
    }
}

/// Whether a POST with this answer certainly did nothing, and may be sent again after a pause.
pub(super) fn was_turned_away(response: &Response) -> bool {
    response.status == 429 || response.status == 503 && is_starting(&response.text())
}

/// A `tree` parameter with brackets and braces percent-encoded, which strict proxies require.
pub(super) fn tree(fields: &str) -> String {
    format!("tree={}", fields.replace('[', "%5B").replace(']', "%5D").replace('{', "%7B").replace('}', "%7D"))
}

fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

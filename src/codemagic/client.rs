//! Requests to Codemagic, one function for each thing the program asks of it.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::errors::refused;
use super::request::StartRequest;
use super::wire::{self, Named};
use crate::clock::Clock;
use crate::error::{Error, ExitCode, RequestError};
use crate::http::retry;
use crate::http::{Http, Method, RateLimit, Request, Response, Segment, Url, query};
use crate::json;
use crate::model::{BuildSnapshot, Step};

/// Builds in one page of a list; the service's maximum is 100.
const PAGE: &str = "50";

/// Which of the two APIs starts a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    /// `POST /apps/{app_id}/builds`, documented since mid-2026.
    V3,
    /// `POST /builds`, the only start until then.
    Legacy,
}

/// The base addresses of the two APIs.
#[derive(Debug, Clone)]
pub struct Endpoints {
    /// `https://codemagic.io/api/v3`
    pub v3: Url,
    /// `https://api.codemagic.io`
    pub legacy: Url,
}

/// Why a start gave no build id.
#[derive(Debug)]
pub enum StartError {
    /// Codemagic surely started nothing.
    NotStarted(Error),
    /// A build may have been started: the answer was lost, or is none.
    Ambiguous(Error),
}

/// Which builds to list. An empty filter lists all.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this app.
    pub app_id: Option<String>,
    /// Of this workflow.
    pub workflow_id: Option<String>,
    /// Of this branch.
    pub branch: Option<String>,
    /// Of this tag.
    pub tag: Option<String>,
    /// With all of these labels.
    pub labels: Vec<String>,
    /// In this state, one of v3's `queued building finished failed canceled timeout skipped`.
    pub status: Option<String>,
}

/// The two APIs behind one key.
pub struct Client {
    pub(super) http: Http,
    pub(super) endpoints: Endpoints,
    pub(super) clock: Arc<dyn Clock>,
    teams: OnceCell<Vec<String>>,
    budget: Cell<Option<RateLimit>>,
    /// The legacy API's newest document of a build that has ended, with the build's id.
    ended: RefCell<Option<(String, Rc<Value>)>>,
}

impl Client {
    /// A client; nothing is sent yet.
    pub fn new(http: Http, endpoints: Endpoints, clock: Arc<dyn Clock>) -> Self {
        Self { http, endpoints, clock, teams: OnceCell::new(), budget: Cell::new(None), ended: RefCell::new(None) }
    }

    /// A client for the last requests of a process that was asked to end: one try each, at most `limit` long.
    pub fn shutdown_client(&self, limit: Duration) -> Self {
        Self {
            http: self.http.shutdown_client(limit),
            endpoints: self.endpoints.clone(),
            clock: Arc::clone(&self.clock),
            teams: self.teams.clone(),
            budget: Cell::new(None),
            ended: RefCell::new(None),
        }
    }

    /// What the rate-limit headers of the newest answer left for this key.
    pub fn budget(&self) -> Option<RateLimit> {
        self.budget.get()
    }

    /// The page of a build (Codemagic's Jenkins page and its GitHub action build the address like this).
    pub fn build_page(app_id: &str, id: &str) -> String {
        format!("https://codemagic.io/app/{app_id}/build/{id}")
    }

    /// The request that would start a build, for a look at it.
    pub fn start_request(&self, api: Api, request: &StartRequest) -> Result<Request, Error> {
        let app_id = request.app_id.as_deref().unwrap_or_default();
        Ok(match api {
            Api::V3 => post(&self.endpoints.v3, &format!("/apps/{}/builds", segment("app id", app_id)?))?
                .json(&request.v3_body()),
            Api::Legacy => post(&self.endpoints.legacy, "/builds")?.json(&request.legacy_body()),
        })
    }

    /// Starts a build and gives its id.
    ///
    /// The request is sent again only while it surely did not arrive (no connection) or was turned away at the
    /// door (429): the API knows no idempotency key, and a second build is billed.
    pub fn start(&self, api: Api, request: &StartRequest) -> Result<String, StartError> {
        let app_id = request.app_id.as_deref().unwrap_or_default();
        let what = format!("starting a build of app {app_id}");
        let subject = format!("app {app_id}");
        let post = self.start_request(api, request).map_err(StartError::NotStarted)?;
        let mut attempt = 0;
        loop {
            attempt += 1;
            let (failure, asked) = match self.http.send(&post) {
                Ok(response) if response.status == 429 => (refused(&what, &subject, &response), response.retry_after()),
                Ok(response) if response.status >= 500 => {
                    return Err(StartError::Ambiguous(refused(&what, &subject, &response)));
                }
                Ok(response) if response.is_success() && !response.is_html() => {
                    return started_id(&response)
                        .ok_or_else(|| StartError::Ambiguous(refused(&what, &subject, &response)));
                }
                Ok(response) => return Err(StartError::NotStarted(refused(&what, &subject, &response))),
                Err(fault) if fault.sent => return Err(StartError::Ambiguous(fault.into_error(&what))),
                Err(fault) if !fault.is_retryable() => return Err(StartError::NotStarted(fault.into_error(&what))),
                Err(fault) => (fault.into_error(&what), None),
            };
            match retry::pause(attempt, asked, fastrand::f64()) {
                Some(pause) if self.clock.interrupted().is_none() => self.clock.sleep(pause),
                _ => return Err(StartError::NotStarted(failure)),
            }
        }
    }

    /// A build as it is now, in one request. Right after a start the service may not know the build yet (404).
    pub fn look(&self, id: &str) -> Result<BuildSnapshot, RequestError> {
        Ok(self.build(id)?.1)
    }

    /// v3's document of a build, and what it says.
    pub(super) fn build(&self, id: &str) -> Result<(Value, BuildSnapshot), RequestError> {
        let (what, subject) = (format!("reading build {id}"), format!("build {id}"));
        let address = segment("build id", id).and_then(|id| below(&self.endpoints.v3, &format!("/builds/{id}")));
        let (response, mut answer) = self.read(&what, &subject, address)?;
        let build = answer["data"].take();
        match wire::snapshot(&build, Self::build_page, self.service_time(&response)) {
            Some(snapshot) => Ok((build, snapshot)),
            None => Err(miss(&what, &subject, &response)),
        }
    }

    /// The steps of a build, in order; one request a hundred steps.
    pub fn steps(&self, id: &str) -> Result<Vec<Step>, RequestError> {
        let what = format!("reading the steps of build {id}");
        let mut steps = Vec::new();
        for page in 1.. {
            let address = segment("build id", id)
                .and_then(|id| below(&self.endpoints.v3, &format!("/builds/{id}/actions?page={page}&page_size=100")));
            let (response, answer) = self.read_list(&what, &format!("build {id}"), address)?;
            let now = self.service_time(&response);
            steps.extend(json::objects(&answer, "data").map(|action| wire::step(action, now)));
            if wire::is_last_page(&answer, page) {
                break;
            }
        }
        Ok(steps)
    }

    /// The newest builds that match, newest first, at most `limit`.
    ///
    /// v3 lists builds by team, so the key's teams are asked one after the other.
    pub fn builds(&self, filter: &Filter, limit: usize) -> Result<Vec<BuildSnapshot>, RequestError> {
        let mut pairs = vec![("page_size", if limit < 50 { limit.to_string() } else { PAGE.to_owned() })];
        let named = [
            ("app_id", &filter.app_id),
            ("workflow_id", &filter.workflow_id),
            ("branch", &filter.branch),
            ("tag", &filter.tag),
            ("status", &filter.status),
        ];
        pairs.extend(named.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
        pairs.extend(filter.labels.iter().map(|label| ("label", label.clone())));
        let mut found = Vec::new();
        for team in self.teams()? {
            let mut cursor = None;
            while found.len() < limit {
                let mut pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
                pairs.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
                let address = segment("team id", team)
                    .and_then(|team| below(&self.endpoints.v3, &format!("/teams/{team}/builds{}", query(pairs))));
                let (response, answer) = self.read_list("listing builds", &format!("team {team}"), address)?;
                let now = self.service_time(&response);
                let builds = json::entries(&answer["data"]);
                found.extend(builds.iter().filter_map(|build| wire::snapshot(build, Self::build_page, now)));
                cursor = json::text(&answer, "cursor").filter(|_| !builds.is_empty());
                if cursor.is_none() {
                    break;
                }
            }
        }
        found.truncate(limit);
        Ok(found)
    }

    /// Asks the legacy API to cancel a build. A build that ended already is no error (208).
    pub fn cancel(&self, id: &str) -> Result<(), RequestError> {
        let what = format!("canceling build {id}");
        let address =
            segment("build id", id).and_then(|id| below(&self.endpoints.legacy, &format!("/builds/{id}/cancel")));
        let post = Request::new(Method::Post, address.map_err(RequestError::permanent)?);
        let response = self.exchange(&what, &post)?;
        // A build that ended already: 208, whose body may be anything, a page as well.
        if response.status == 208 || response.is_success() && !response.is_html() {
            Ok(())
        } else {
            Err(miss(&what, &format!("build {id}"), &response))
        }
    }

    /// What stands between this machine and Codemagic: proxy and roots, one line each.
    pub fn surroundings(&self) -> Vec<Result<String, Error>> {
        let proxy = |url: &Url| match Http::proxy_for(url) {
            Ok(Some(proxy)) => Ok(format!("{} goes through the proxy {proxy}", url.host())),
            Ok(None) => Ok(format!("{} is connected directly, without a proxy", url.host())),
            Err(fault) => Err(fault.into_error("the proxy")),
        };
        let mut lines = vec![proxy(&self.endpoints.v3), proxy(&self.endpoints.legacy)];
        if self.endpoints.v3.is_https() {
            lines.push(self.http.roots().map(|source| format!("certificates are checked with {source}")));
        }
        lines
    }

    /// Whether the legacy API answers at all; any answer of its own will do, because `GET /user` is not documented.
    pub fn legacy_answers(&self) -> Result<(), RequestError> {
        let what = "asking the legacy API";
        let request =
            Request::new(Method::Get, below(&self.endpoints.legacy, "/user").map_err(RequestError::permanent)?);
        let response = self.exchange(what, &request)?;
        let own = !response.is_html() && response.status < 500 && !(300..400).contains(&response.status);
        if own && response.status != 401 { Ok(()) } else { Err(miss(what, "the legacy API", &response)) }
    }

    /// The names of the key's teams.
    pub fn team_names(&self) -> Result<Vec<String>, RequestError> {
        Ok(self.list_teams()?.into_iter().map(|team| team.name.unwrap_or(team.id)).collect())
    }

    /// The legacy API's document of a build: why it failed, where its logs are, what its tests said, and the sums of its
    /// artifacts. That of a build that has ended is kept, because several things are read from it.
    ///
    /// It holds VNC passwords and the app's variables as well: it is never shown as it is.
    pub(super) fn legacy(&self, what: &str, id: &str) -> Result<Rc<Value>, RequestError> {
        if let Some((_, build)) = self.ended.borrow().as_ref().filter(|(known, _)| known == id) {
            return Ok(Rc::clone(build));
        }
        let address = segment("build id", id).and_then(|id| below(&self.endpoints.legacy, &format!("/builds/{id}")));
        let subject = format!("build {id}");
        let (response, mut answer) = self.read(what, &subject, address)?;
        let build = Rc::new(answer["build"].take());
        if !build.is_object() || !matches!(build["buildActions"], Value::Array(_) | Value::Null) {
            return Err(miss(what, &subject, &response));
        }
        if json::str(&build, "finishedAt").is_some() {
            self.ended.replace(Some((id.to_owned(), Rc::clone(&build))));
        }
        Ok(build)
    }

    /// The ids of the teams that the key's user belongs to.
    pub(super) fn teams(&self) -> Result<&[String], RequestError> {
        if let Some(teams) = self.teams.get() {
            return Ok(teams);
        }
        let teams = self.list_teams()?;
        Ok(self.teams.get_or_init(|| teams.into_iter().map(|team| team.id).collect()))
    }

    fn list_teams(&self) -> Result<Vec<Named>, RequestError> {
        let address = below(&self.endpoints.v3, "/user/teams?page_size=100");
        let (_, answer) = self.read_list("listing the key's teams", "the list of teams", address)?;
        Ok(wire::named(&answer).collect())
    }

    /// Reads an answer that is a JSON object.
    pub(super) fn read(
        &self,
        what: &str,
        subject: &str,
        address: Result<Url, Error>,
    ) -> Result<(Response, Value), RequestError> {
        let request =
            Request::new(Method::Get, address.map_err(RequestError::permanent)?).header("accept", "application/json");
        let response = self.exchange(what, &request)?;
        match serde_json::from_slice::<Value>(&response.body) {
            Ok(answer) if response.is_success() && answer.is_object() => Ok((response, answer)),
            _ => Err(miss(what, subject, &response)),
        }
    }

    /// Reads an answer of v3 whose `data` is a list.
    pub(super) fn read_list(
        &self,
        what: &str,
        subject: &str,
        address: Result<Url, Error>,
    ) -> Result<(Response, Value), RequestError> {
        let (response, answer) = self.read(what, subject, address)?;
        if answer["data"].is_array() { Ok((response, answer)) } else { Err(miss(what, subject, &response)) }
    }

    pub(super) fn exchange(&self, what: &str, request: &Request) -> Result<Response, RequestError> {
        match self.http.send(request) {
            Ok(response) => {
                if let Some(budget) = response.rate_limit() {
                    self.budget.set(Some(budget));
                }
                Ok(response)
            }
            Err(fault) => {
                Err(RequestError { retryable: fault.is_retryable(), retry_after: None, error: fault.into_error(what) })
            }
        }
    }

    /// The service's clock at an answer, which ours need not agree with.
    fn service_time(&self, response: &Response) -> SystemTime {
        response.date().unwrap_or_else(|| self.clock.wall())
    }
}

/// What an unusable answer means for another try.
pub(super) fn miss(what: &str, subject: &str, response: &Response) -> RequestError {
    // A 2xx that is no answer, and any HTML page, come from something in between, which may go away.
    let retryable = retry::is_retryable(response.status) || response.is_success() || response.is_html();
    let retry_after = response.retry_after();
    RequestError { error: refused(what, subject, response), retryable, retry_after }
}

/// v3 answers `{"data": {"id": …}}`, the legacy API `{"buildId": …}`.
fn started_id(response: &Response) -> Option<String> {
    let body: Value = serde_json::from_slice(&response.body).ok()?;
    let id = body.pointer("/data/id").or_else(|| body.get("buildId")).or_else(|| body.get("id"))?.as_str()?;
    Some(id.to_owned()).filter(|id| Segment::new(id).is_some())
}

pub(super) fn post(base: &Url, path: &str) -> Result<Request, Error> {
    Ok(Request::new(Method::Post, below(base, path)?).header("accept", "application/json"))
}

pub(super) fn segment<'a>(what: &str, text: &'a str) -> Result<Segment<'a>, Error> {
    Segment::new(text).ok_or_else(|| Error::usage(format!("the {what} {text:?}"), "cannot be one"))
}

pub(super) fn below(base: &Url, path: &str) -> Result<Url, Error> {
    base.below(path).map_err(|why| Error::new(ExitCode::Usage, "the API's address", why))
}

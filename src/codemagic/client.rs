//! Requests to Codemagic, one function for each.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;

use super::errors::{About, failed, is_ambiguous, refused};
use super::memory::{Account, SignedLinks};
use super::reference::{AppId, BuildId, Filter, LONGEST_ID};
use super::request::{Api, TriggerRequest};
use super::wire;
use crate::clock::Clock;
use crate::document::Named;
use crate::error::{Error, ExitCode, RequestError};
use crate::http::retry;
use crate::http::{Body, Http, Method, RateLimit, Request, Response, Segment, Url, query};
use crate::lenient;
use crate::lifecycle::StartError;
use crate::lock::lock;
use crate::model::{BuildSnapshot, Step};

/// Builds in one page of a list; the service's maximum is 100 (`page_size` in its API document).
const PAGE: usize = 50;

/// The most pages of one list that are read: a service that never says which page is the last must not be asked for ever.
const MOST_PAGES: u64 = 100;

/// The longest cursor that is sent back, as [`LONGEST_ID`].
const LONGEST_CURSOR: usize = 2048;

/// Whether the service did what was asked for: a success with JSON or nothing. A page or a text is from something else.
pub(super) fn is_done(response: &Response) -> bool {
    response.is_success() && matches!(response.body.trim_ascii().first(), None | Some(b'{' | b'['))
}

/// Whether a text can be an id in a path.
fn is_id(text: &str) -> bool {
    text.len() <= LONGEST_ID && Segment::new(text).is_some()
}

/// The base addresses of the two APIs.
#[derive(Debug, Clone)]
pub struct Endpoints {
    /// `https://codemagic.io/api/v3`
    pub v3: Url,
    /// `https://api.codemagic.io`
    pub legacy: Url,
}

/// Which builds are asked for: those that the filter leaves, at most `limit`, and none after one for which `enough` holds.
#[derive(Clone, Copy)]
pub(super) struct Query<'a> {
    pub(super) filter: &'a Filter,
    pub(super) limit: usize,
    pub(super) enough: &'a dyn Fn(&BuildSnapshot) -> bool,
}

impl<'a> Query<'a> {
    pub(super) fn new(filter: &'a Filter, limit: usize) -> Self {
        Self { filter, limit, enough: &|_| false }
    }
}

/// The two APIs behind one key. Threads may share it.
pub struct Client {
    pub(super) http: Http,
    pub(super) endpoints: Endpoints,
    pub(super) clock: Arc<dyn Clock>,
    /// What was found out about the key's account; kept for the whole call.
    pub(super) account: Arc<Account>,
    /// The signed links that were read.
    pub(super) links: Arc<SignedLinks>,
    /// Whether only the last requests of a process that is asked to end are sent.
    pub(super) is_last: bool,
    /// What the rate-limit headers of the newest answer left for this key.
    pub(super) budget: Mutex<Option<RateLimit>>,
    /// The legacy API's newest document of a build that has ended.
    ended: Mutex<Option<Ended>>,
}

/// What is kept of such a document.
#[derive(Clone)]
struct Ended {
    id: BuildId,
    build: Arc<wire::LegacyBuild>,
    /// The answer that it is from, with the tests; a large one is read again instead.
    answer: Option<Arc<str>>,
}

/// Bytes of an answer that is kept, at most.
const MOST_KEPT: usize = 1024 * 1024;

impl Client {
    /// A client; nothing is sent yet.
    pub fn new(http: Http, endpoints: Endpoints, clock: Arc<dyn Clock>) -> Self {
        Self {
            http,
            endpoints,
            clock,
            account: Arc::default(),
            links: Arc::default(),
            is_last: false,
            budget: Mutex::default(),
            ended: Mutex::default(),
        }
    }

    /// A client for the last requests of a process that was asked to end: one try each, at most `limit` long.
    pub fn shutdown_client(&self, limit: Duration) -> Self {
        Self {
            http: self.http.shutdown_client(limit),
            endpoints: self.endpoints.clone(),
            clock: Arc::clone(&self.clock),
            account: Arc::clone(&self.account),
            links: Arc::clone(&self.links),
            is_last: true,
            budget: Mutex::default(),
            ended: Mutex::default(),
        }
    }

    /// The request that would start a build, without the labels that are made for each start.
    pub fn preview(&self, request: &TriggerRequest) -> Result<Request, Error> {
        self.start_request(request, &request.labels)
    }

    fn start_request<T: AsRef<str>>(&self, request: &TriggerRequest, labels: &[T]) -> Result<Request, Error> {
        let address = match request.api {
            Api::V3 => below(&self.endpoints.v3, &format!("/apps/{}/builds", request.app_id.segment()))?,
            Api::Legacy => below(&self.endpoints.legacy, "/builds")?,
        };
        Ok(Request::new(Method::Post, address).header("accept", "application/json").json(&request.body(labels)))
    }

    /// Starts a build and gives its id.
    ///
    /// The request is sent again only if it certainly did nothing: there was no connection, or the rate limit rejected it
    /// (429). The API knows no idempotency key, and a second build is billed.
    pub fn start(&self, request: &TriggerRequest) -> Result<BuildId, StartError> {
        let thing = format!("app {}", request.app_id);
        let about = About::new(format!("starting a build of {thing}"), thing);
        let post = self.start_request(request, &request.all_labels()).map_err(StartError::NotStarted)?;
        let sent = retry::with_retries(&*self.clock, None, || match self.http.send(&post) {
            Ok(response) if is_ambiguous(&response) => {
                let id = lenient::parse::<wire::StartAnswer>(&response.body).filter(|_| response.is_success());
                Ok(id.and_then(wire::StartAnswer::id).ok_or_else(|| refused(&about, &response)))
            }
            Ok(response) => Err(RequestError { retryable: response.status == 429, ..failed(&about, &response) }),
            Err(fault) if fault.sent => Ok(Err(fault.into_error(&about.doing))),
            Err(fault) => Err(fault.into_request_error(&about.doing)),
        });
        sent.map_err(StartError::NotStarted)?.map_err(StartError::Ambiguous)
    }

    /// v3's document of a build, and the service's time. Right after a start the service may not know the build yet (404).
    pub(super) fn build(&self, id: &BuildId) -> Result<(wire::Build, SystemTime), RequestError> {
        let about = About::new(format!("reading build {id}"), format!("build {id}"));
        let (response, answer) = self.get::<wire::Data<wire::Build>>(&about, self.v3(&format!("/builds/{id}"))?)?;
        // A cache in between may answer with another build.
        let build = answer.data.0.filter(|build| build.id().as_ref() == Some(id));
        let build = build.ok_or_else(|| failed(&about, &response))?;
        Ok((build, self.service_time(&response)))
    }

    /// A build as it is now.
    pub fn poll_build(&self, id: &BuildId) -> Result<BuildSnapshot, RequestError> {
        let (build, now) = self.build(id)?;
        build
            .snapshot(now)
            .ok_or_else(|| unusable(format!("reading build {id}"), "the answer has no build ID or status"))
    }

    /// The steps of a build, in order; one request for each hundred.
    pub fn build_steps(&self, id: &BuildId) -> Result<Vec<Step>, RequestError> {
        let about = About::new(format!("reading the steps of build {id}"), format!("build {id}"));
        let mut steps = Vec::new();
        let path = format!("/builds/{id}/actions");
        self.pages(&about, &path, wire::Action::id, &mut |action: wire::Action, now| {
            steps.push(action.into_step(now));
            true
        })?;
        Ok(steps)
    }

    /// The newest builds that one team lists, newest first.
    pub(super) fn team_builds(&self, team: &str, wanted: Query<'_>) -> Result<Vec<BuildSnapshot>, RequestError> {
        let Query { filter, limit, enough } = wanted;
        let about = About::new("listing builds", format!("team {team}"));
        let size = limit.clamp(1, PAGE).to_string();
        let mut pairs = vec![("page_size", size.as_str())];
        let named = [
            ("app_id", filter.app_id.as_ref().map(AppId::as_str)),
            ("workflow_id", filter.workflow_id.as_deref()),
            ("branch", filter.branch.as_deref()),
            ("tag", filter.tag.as_deref()),
            ("status", filter.status.as_deref()),
        ];
        pairs.extend(named.into_iter().filter_map(|(name, value)| Some((name, value?))));
        pairs.extend(filter.labels.iter().map(|label| ("label", label.as_str())));
        let team = segment("team ID", team)?;
        let (mut found, mut cursor, mut known, mut bytes) = (Vec::new(), None, HashSet::new(), 0);
        for _ in 0..MOST_PAGES {
            let pairs = pairs.iter().copied().chain(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            let address = self.v3(&format!("/teams/{team}/builds{}", query(pairs)))?;
            let (response, page) = self.get_page::<wire::Build>(&about, address)?;
            let now = self.service_time(&response);
            let before = found.len();
            bytes += page.data.bytes;
            for build in page.data.entries {
                let Some(snapshot) = build.snapshot(now) else { continue };
                if !known.insert(snapshot.build.id.clone()) {
                    continue;
                }
                let last = enough(&snapshot);
                found.push(snapshot);
                if last || found.len() == limit {
                    return Ok(found);
                }
            }
            // A page without anything new means that the list repeats itself.
            cursor = page.cursor.0.filter(|cursor| found.len() > before && cursor.len() <= LONGEST_CURSOR);
            if cursor.is_none() {
                break;
            }
            if bytes > lenient::MOST_BYTES {
                lenient::note_left_out(1);
                break;
            }
        }
        Ok(found)
    }

    /// The newest builds of an app in the legacy list, newest first, and the service's time. The answer weighs
    /// megabytes, because it repeats every app with all its branches.
    pub(super) fn legacy_builds(&self, app_id: &AppId) -> Result<(Vec<wire::LegacyListed>, SystemTime), RequestError> {
        let about = About::new("listing builds with the legacy API", format!("app {app_id}"));
        let address = below(&self.endpoints.legacy, &format!("/builds{}", query([("appId", app_id.as_str())])))?;
        let (response, answer) = self.get::<wire::LegacyList>(&about, address)?;
        if !answer.builds.given {
            return Err(failed(&about, &response));
        }
        Ok((answer.builds.entries, self.service_time(&response)))
    }

    /// Asks the legacy API to cancel a build. False if it had ended already (208).
    pub fn cancel_build(&self, id: &BuildId) -> Result<bool, RequestError> {
        let about = About::new(format!("canceling build {id}"), format!("build {id}"));
        let address = below(&self.endpoints.legacy, &format!("/builds/{id}/cancel"))?;
        let post = Request::new(Method::Post, address).repeatable();
        let response = self.exchange(&about, &post)?;
        // The body of a 208 may be anything, a page as well.
        match response.status {
            208 => Ok(false),
            _ if is_done(&response) => Ok(true),
            _ => Err(failed(&about, &response)),
        }
    }

    /// The id of the user's personal team, which v3 does not list; `None` where the legacy API does not say.
    pub(super) fn find_personal_team(&self) -> Result<Option<String>, RequestError> {
        let about = About::new("reading the user of the API key", "the legacy API");
        let (_, answer) = self.get::<wire::UserAnswer>(&about, below(&self.endpoints.legacy, "/user")?)?;
        Ok(answer.personal_team().filter(|team| is_id(team)))
    }

    /// Whether the legacy API answers at all; any answer of its own will do, because `GET /user` is not documented.
    pub fn ping_legacy(&self) -> Result<(), RequestError> {
        let about = About::new("checking the legacy API", "the legacy API");
        let address = below(&self.endpoints.legacy, "/user")?;
        let response = self.exchange(&about, &Request::new(Method::Get, address))?;
        let own = !response.is_html() && response.status < 500 && !(300..400).contains(&response.status);
        if own && response.status != 401 { Ok(()) } else { Err(failed(&about, &response)) }
    }

    /// The base addresses of the two APIs.
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// Which root certificates are in use, in words. Fails with code 16.
    pub fn roots(&self) -> Result<String, Error> {
        self.http.roots()
    }

    /// The legacy API's document of a build: why it failed, where its logs are, and the sums of its artifacts.
    /// That of a build that has ended is kept, because several things are read from it. `doing` says what it is read for.
    pub(super) fn legacy_build(&self, doing: &str, id: &BuildId) -> Result<Arc<wire::LegacyBuild>, RequestError> {
        match self.ended(id) {
            Some(known) => Ok(known.build),
            None => self.read_legacy_build(doing, id).map(|(build, _)| build),
        }
    }

    /// The same document as the legacy API sends it, for what is too much to be kept: its tests.
    pub(super) fn legacy_answer(&self, doing: &str, id: &BuildId) -> Result<String, RequestError> {
        match self.ended(id).and_then(|known| known.answer) {
            Some(answer) => Ok(answer.to_string()),
            None => self.read_legacy_build(doing, id).map(|(_, answer)| answer),
        }
    }

    fn ended(&self, id: &BuildId) -> Option<Ended> {
        let known = lock(&self.ended);
        known.as_ref().filter(|known| known.id == *id).cloned()
    }

    fn read_legacy_build(&self, doing: &str, id: &BuildId) -> Result<(Arc<wire::LegacyBuild>, String), RequestError> {
        let about = About::new(doing, format!("build {id}"));
        let address = below(&self.endpoints.legacy, &format!("/builds/{id}"))?;
        // Two large documents at once would be too many.
        *lock(&self.ended) = None;
        let mut response = self.get_body(&about, address)?;
        let answer = lenient::text(&mut response.body).and_then(lenient::read_object::<wire::LegacyAnswer>);
        // Without its steps a build has no reason, no log and no tests: another answer is better than none of them.
        let build = answer.and_then(|answer| answer.build.0.filter(|build| !build.build_actions.mistyped));
        let build = Arc::new(build.ok_or_else(|| failed(&about, &response))?);
        let answer = String::from_utf8(response.body).unwrap_or_default();
        if build.has_ended() {
            let kept = (answer.len() <= MOST_KEPT).then(|| Arc::from(answer.as_str()));
            let ended = Ended { id: id.clone(), build: Arc::clone(&build), answer: kept };
            *lock(&self.ended) = Some(ended);
        }
        Ok((build, answer))
    }

    /// The ids and names of a list of v3.
    pub(super) fn named(&self, about: &About, path: &str) -> Result<Vec<Named>, RequestError> {
        let mut found = Vec::new();
        self.pages(about, path, |entry: &wire::Named| entry.id.text(), &mut |entry: wire::Named, _| {
            found.extend(entry.named().filter(|entry| is_id(&entry.id)));
            true
        })?;
        Ok(found)
    }

    /// Hands the entries of a list that is paged by number to `take` until it gives false. The list ends with its last
    /// page, or with one whose first entry began an earlier page: a service that ignores `page` would never end.
    pub(super) fn pages<T: Default + DeserializeOwned>(
        &self,
        about: &About,
        path: &str,
        id: impl Fn(&T) -> Option<&str>,
        take: &mut dyn FnMut(T, SystemTime) -> bool,
    ) -> Result<(), RequestError> {
        let (mut seen, mut bytes) = (HashSet::new(), 0);
        for number in 1..=MOST_PAGES {
            let address = self.v3(&format!("{path}?page={number}&page_size=100"))?;
            let (response, page) = self.get_page::<T>(about, address)?;
            let first = page.data.entries.iter().find_map(&id);
            if first.is_none_or(|first| !seen.insert(first.to_owned())) && number > 1 {
                break;
            }
            let (now, is_last) = (self.service_time(&response), page.is_last(number));
            bytes += page.data.bytes;
            for entry in page.data.entries {
                if !take(entry, now) {
                    return Ok(());
                }
            }
            if is_last {
                break;
            }
            if bytes > lenient::MOST_BYTES {
                lenient::note_left_out(1);
                break;
            }
        }
        Ok(())
    }

    pub(super) fn v3(&self, path: &str) -> Result<Url, Error> {
        below(&self.endpoints.v3, path)
    }

    /// Reads an answer of v3 whose `data` is a list.
    fn get_page<T: Default + DeserializeOwned>(
        &self,
        about: &About,
        address: Url,
    ) -> Result<(Response, wire::Page<T>), RequestError> {
        let (response, page) = self.get::<wire::Page<T>>(about, address)?;
        if page.data.given { Ok((response, page)) } else { Err(failed(about, &response)) }
    }

    /// Reads an answer that is a JSON object. Its bytes are not kept.
    pub(super) fn get<T: Default + DeserializeOwned>(
        &self,
        about: &About,
        address: Url,
    ) -> Result<(Response, T), RequestError> {
        let mut response = self.get_body(about, address)?;
        let answer = lenient::text(&mut response.body).and_then(lenient::read_object::<T>);
        let answer = answer.ok_or_else(|| failed(about, &response))?;
        response.body = Vec::new();
        Ok((response, answer))
    }

    fn get_body(&self, about: &About, address: Url) -> Result<Response, RequestError> {
        let request = Request::new(Method::Get, address);
        let response = self.exchange(about, &request.header("accept", "application/json"))?;
        if response.is_success() { Ok(response) } else { Err(failed(about, &response)) }
    }

    /// Sends a request of somebody's own, to v3 or to the legacy API. Fails for every answer that is no success, and with
    /// code 15 where a change may have been made although its answer was lost.
    pub fn api(&self, method: Method, path: &str, body: Option<Body>, legacy: bool) -> Result<Response, RequestError> {
        let base = if legacy { &self.endpoints.legacy } else { &self.endpoints.v3 };
        let about = About::new(format!("sending {} {path}", method.name()), path);
        let mut request = Request::new(method, below(base, path)?);
        request.body = body;
        let changes = method != Method::Get;
        let response = match self.http.send(&request) {
            Ok(response) => response,
            Err(fault) if changes && fault.sent => return Err(fault.into_error(&about.doing).perhaps_done().into()),
            Err(fault) => return Err(fault.into_request_error(&about.doing)),
        };
        match response.is_success() {
            true => Ok(response),
            false if changes && is_ambiguous(&response) => Err(failed(&about, &response).error.perhaps_done().into()),
            false => Err(failed(&about, &response)),
        }
    }

    pub(super) fn exchange(&self, about: &About, request: &Request) -> Result<Response, RequestError> {
        let response = self.http.send(request).map_err(|fault| fault.into_request_error(&about.doing))?;
        if let Some(budget) = response.rate_limit() {
            *lock(&self.budget) = Some(budget);
        }
        Ok(response)
    }

    /// The service's clock at an answer, which ours need not agree with.
    fn service_time(&self, response: &Response) -> SystemTime {
        response.date().unwrap_or_else(|| self.clock.wall())
    }
}

/// An answer that lacks what was asked for; the next one may be better.
pub(super) fn unusable(doing: impl Into<String>, why: &str) -> RequestError {
    RequestError { error: Error::new(ExitCode::Unavailable, doing, why), retryable: true, retry_after: None }
}

pub(super) fn segment<'a>(what: &str, text: &'a str) -> Result<Segment<'a>, Error> {
    Segment::new(text).ok_or_else(|| Error::message(ExitCode::Usage, format!("invalid {what} {text:?}")))
}

pub(super) fn below(base: &Url, path: &str) -> Result<Url, Error> {
    base.below(path).map_err(|why| Error::usage("address of the API", why))
}

//! Requests to Codemagic, one function for each thing the program asks of it.

use std::rc::Rc;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::refusal::refused;
use super::start::StartRequest;
use crate::clock::Clock;
use crate::error::{Code, Failure};
use crate::http::{Fault, Http, Kind, Method, Request, Response, Segment, Url, query};
use crate::retry;

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
    NotStarted(Failure),
    /// A build may have been started: the answer was lost, or is none.
    Unsure(Failure),
}

/// The two APIs behind one key.
pub struct Client {
    http: Http,
    endpoints: Endpoints,
    clock: Rc<dyn Clock>,
}

impl Client {
    /// A client; nothing is sent yet.
    pub fn new(http: Http, endpoints: Endpoints, clock: Rc<dyn Clock>) -> Self {
        Self { http, endpoints, clock }
    }

    /// The page of a build (Codemagic's Jenkins page and its GitHub action build the address like this).
    pub fn build_page(app_id: &str, id: &str) -> String {
        format!("https://codemagic.io/app/{app_id}/build/{id}")
    }

    /// The request that would start a build, for a look at it.
    pub fn start_request(&self, api: Api, request: &StartRequest) -> Result<Request, Failure> {
        let app_id = request.app_id.as_deref().unwrap_or_default();
        Ok(match api {
            Api::V3 => self
                .post(&self.endpoints.v3, &format!("/apps/{}/builds", segment("app id", app_id)?))?
                .json(&request.v3_body()),
            Api::Legacy => self.post(&self.endpoints.legacy, "/builds")?.json(&request.legacy_body()),
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
                Ok(response) if response.status == 429 => {
                    (refused(&what, &subject, &response), retry::reset(|name| response.header(name)))
                }
                Ok(response) if response.status >= 500 => {
                    return Err(StartError::Unsure(refused(&what, &subject, &response)));
                }
                Ok(response) if response.is_success() && !response.is_html() => {
                    return started_id(&response)
                        .ok_or_else(|| StartError::Unsure(refused(&what, &subject, &response)));
                }
                Ok(response) => return Err(StartError::NotStarted(refused(&what, &subject, &response))),
                Err(fault) if fault.sent => return Err(StartError::Unsure(fault.into_failure(&what))),
                Err(fault) if !is_passing(&fault) => return Err(StartError::NotStarted(fault.into_failure(&what))),
                Err(fault) => (fault.into_failure(&what), None),
            };
            match retry::pause(attempt, asked, fastrand::f64()) {
                Some(pause) if self.clock.interrupted().is_none() => self.clock.sleep(pause),
                _ => return Err(StartError::NotStarted(failure)),
            }
        }
    }

    fn post(&self, base: &Url, path: &str) -> Result<Request, Failure> {
        Ok(Request::new(Method::Post, address(base, path)?).header("accept", "application/json"))
    }
}

/// Whether another try may end differently: the network can come back, a certificate or a name will not change.
fn is_passing(fault: &Fault) -> bool {
    matches!(fault.kind, Kind::Connect | Kind::Timeout | Kind::Broken)
        || fault.kind == Kind::Dns && fault.why().contains("ry again")
}

/// v3 answers `{"data": {"id": …}}`, the legacy API `{"buildId": …}`.
fn started_id(response: &Response) -> Option<String> {
    let body: Value = serde_json::from_slice(&response.body).ok()?;
    let id = body.pointer("/data/id").or_else(|| body.get("buildId")).or_else(|| body.get("id"))?.as_str()?;
    Some(id.to_owned()).filter(|id| Segment::new(id).is_some())
}

fn segment<'a>(what: &str, text: &'a str) -> Result<Segment<'a>, Failure> {
    Segment::new(text).ok_or_else(|| Failure::usage(format!("the {what} {text:?}"), "cannot be one"))
}

fn address(base: &Url, path: &str) -> Result<Url, Failure> {
    base.below(path).map_err(|why| Failure::new(Code::Usage, "the API's address", why))
}

//! A Jenkins: from a request to its answer. Knows the state, not the sockets.

mod auth;
mod build;
mod config;
mod form;
mod handle;
mod log;
mod pages;
mod plan;
mod port;
mod route;
mod run;
mod state;
mod tree;
mod trigger;
mod wire;

pub(crate) use build::stored;
pub use config::{
    JENKINS_ADMIN_TOKEN, JENKINS_PASSWORD, JENKINS_TOKEN, JENKINS_USER, JENKINS_VIEWER_TOKEN, JenkinsAccess,
    JenkinsConfig, JenkinsJob, JenkinsLog, JenkinsParameter, JenkinsUser, JobKind, ParameterKind, encode_branch,
};
pub use handle::{JenkinsMove, JenkinsRun, Restart};
pub(crate) use pages::container_page;
pub use plan::{JenkinsArtifact, JenkinsInput, JenkinsPlan, JenkinsStep, JenkinsStop, JenkinsTest};
pub(crate) use route::answer;
pub use run::{JenkinsAnswer, JenkinsFile};
pub(crate) use state::{Jenkins, Port};

use crate::content::Content;
use crate::http::{Request, Response};
use crate::ids::IdSource;
use crate::time::SimTime;
use auth::Caller;
use form::Form;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

/// Type of JSON that is not of the API.
const OPAQUE_JSON: &str = "application/json;charset=utf-8";

/// A request on its way through the routes.
struct Call<'a> {
    j: &'a mut Jenkins,
    ids: &'a mut IdSource,
    now: SimTime,
    /// Address of the storage.
    storage: &'a str,
    request: &'a Request,
    /// Method; GET for HEAD.
    method: &'a str,
    caller: Caller,
    access: JenkinsAccess,
    form: Form,
    /// The run that was asked for, which a poll moves.
    polled: Option<usize>,
    /// A list was asked for, which moves runs whose items are gone.
    listed: bool,
}

impl Call<'_> {
    /// An answer of the API, cut down to its `tree`.
    fn json(&self, value: &Value) -> Response {
        let shown = match self.request.query_one("tree") {
            Some(tree) => tree::prune(value, &tree),
            None => wire::without_tree(value.clone()),
        };
        let mut response = Response::empty(200);
        self.advertise(&mut response);
        response.set("X-Frame-Options", "deny");
        response.set("Content-Type", "application/json;charset=utf-8");
        response.set_body(Content::from_text(&shown.to_string()));
        response
    }
}

/// One name as a part of a path: encoded once, blanks as `%20`.
fn segment(name: &str) -> String {
    const UNRESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'\'');
    const MARKS: AsciiSet = UNRESERVED.remove(b'!').remove(b'*').remove(b'(').remove(b')').remove(b'@').remove(b'&');
    const KEPT: AsciiSet = MARKS.remove(b'=').remove(b'+').remove(b'$').remove(b',');
    utf8_percent_encode(name, &KEPT).to_string()
}

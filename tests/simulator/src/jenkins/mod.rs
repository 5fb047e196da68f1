//! A Jenkins: from a request to its answer. Knows the world, not the sockets.

mod artifacts;
mod auth;
mod build;
mod config;
mod control;
mod form;
mod handle;
mod input;
mod log;
mod pages;
mod plan;
mod port;
mod route;
mod run;
mod state;
mod tokens;
mod tree;
mod trigger;
mod wire;

pub(crate) use artifacts::stored;
pub use config::{
    JENKINS_ADMIN_TOKEN, JENKINS_PASSWORD, JENKINS_TOKEN, JENKINS_USER, JENKINS_VIEWER_TOKEN, JenkinsAccess,
    JenkinsConfig, JenkinsJob, JenkinsLog, JenkinsParameter, JenkinsUser, JobKind, ParameterKind, encode_branch,
};
pub(crate) use control::{jenkins_run_is, route as control};
pub use handle::{JenkinsMove, JenkinsRun, Restart};
pub(crate) use pages::fault as fault_page;
pub use plan::{JenkinsArtifact, JenkinsInput, JenkinsPlan, JenkinsStep, JenkinsStop, JenkinsTest};
pub(crate) use route::answer;
pub use run::{JenkinsAnswer, JenkinsFile};
pub(crate) use state::{Jenkins, Port};

use crate::content::Content;
use crate::http::{Request, Response};
use crate::ids::IdSource;
use crate::record::Counters;
use crate::time::SimTime;
use auth::Caller;
use config::JenkinsAccess as Access;
use form::Form;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

/// A request on its way through the routes.
pub(crate) struct Ctx<'a> {
    pub(crate) j: &'a mut Jenkins,
    pub(crate) ids: &'a mut IdSource,
    pub(crate) counters: &'a mut Counters,
    pub(crate) now: SimTime,
    /// Address of the storage.
    pub(crate) storage: &'a str,
    pub(crate) request: &'a Request,
    /// Method; GET for HEAD.
    pub(crate) method: &'a str,
    pub(crate) caller: Caller,
    pub(crate) access: Access,
    pub(crate) form: Form,
    /// The run that was looked at, which a poll moves on.
    pub(crate) looked_at: Option<usize>,
    /// Lists were looked at, where somebody may search for a run whose item is gone.
    pub(crate) searched: bool,
}

impl Ctx<'_> {
    /// An answer of the API, cut down to its `tree`.
    pub(crate) fn json(&self, value: &Value) -> Response {
        let pruned = match self.request.query_one("tree") {
            Some(tree) => tree::prune(value, &tree),
            None => value.clone(),
        };
        let mut response = Response::empty(200);
        self.advertise(&mut response);
        response.set("X-Frame-Options", "deny");
        response.set("Content-Type", "application/json;charset=utf-8");
        response.set_body(Content::from_text(&pruned.to_string()));
        response
    }
}

/// One name as a part of a path: encoded once, blanks as `%20`.
pub(crate) fn segment(name: &str) -> String {
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~')
        .remove(b'!')
        .remove(b'*')
        .remove(b'(')
        .remove(b')')
        .remove(b'@')
        .remove(b'&')
        .remove(b'=')
        .remove(b'+')
        .remove(b'$')
        .remove(b',')
        .remove(b'\'');
    utf8_percent_encode(name, KEPT).to_string()
}

/// Path of a job below the context, with slashes at both ends.
pub(crate) fn job_path(full: &str) -> String {
    full.split('/').fold(String::from("/"), |path, name| format!("{path}job/{}/", segment(name)))
}

//! Starting a build: the request in the form that the job needs, the answer as what it is, and the search for a build
//! whose start was not answered.

use std::time::Duration;

use serde_json::Value as Json;

use super::client::{Client, Credentials, PostError, was_turned_away};
use super::errors::{refused_start, refused_token_root};
use super::parameters::{Job, Value};
use super::queue::{self, brackets};
use super::reference::{JobPath, queue_id};
use crate::error::{Error, ExitCode, RequestError};
use crate::http::retry;
use crate::http::{Body, Multipart, Response};
use crate::json::{self, number, objects, str};
use crate::secret::Secret;

/// How many of the newest builds are searched for one whose start was not answered.
const SEARCHED: u32 = 100;

/// A start to send.
#[derive(Debug, Clone, Default)]
pub struct Start {
    /// The job.
    pub job: JobPath,
    /// Whether the job has parameters, or is to be treated as if it had.
    pub parameterized: bool,
    /// Its parameters' values.
    pub values: Vec<(String, Value)>,
    /// How long the item waits in the queue before it may start; the job's quiet period otherwise.
    pub delay: Option<Duration>,
    /// The job's token for remote starts.
    pub job_token: Option<Secret>,
    /// The cause, which Jenkins notes for starts by a job's token only.
    pub cause: Option<String>,
    /// The item of the same job that waited before, if one did.
    pub waiting: Option<u64>,
}

/// A start that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Started {
    /// The queue item.
    pub queue_id: u64,
    /// Whether it had been queued by somebody else already, and this start was folded into it.
    pub joined: bool,
}

/// Why a start gave no queue item.
#[derive(Debug)]
pub enum StartError {
    /// Jenkins surely started nothing.
    NotStarted(Error),
    /// A build may have been started: the answer was lost, or is none.
    Ambiguous(Error),
}

/// By what a build is recognised whose start was not answered.
#[derive(Debug, Clone)]
pub struct Trace {
    /// A parameter with a value that no other build has.
    pub marker: Option<(String, String)>,
    /// When the start was sent, in milliseconds since 1970 on the controller's clock.
    pub since: u64,
    /// The number that the job's next build was to get before; 0 when that is not known.
    pub next_build: u64,
}

impl Trace {
    /// Whether it tells the build of a start from an earlier one.
    pub fn leads_anywhere(&self) -> bool {
        self.marker.is_some() || self.next_build > 0
    }
}

/// A duration as Jenkins wants a delay: in whole seconds and with the unit, because a bare number is milliseconds.
pub fn delay(duration: Duration) -> String {
    format!("{}sec", duration.as_millis().div_ceil(1000))
}

impl Client {
    /// What the job is, and which parameters it declares.
    pub fn job(&self, job: &JobPath) -> Result<Job, RequestError> {
        let tree = brackets(
            "_class,fullName,buildable,disabled,nextBuildNumber,queueItem[id],jobs[name],\
             property[parameterDefinitions[name,type,description,choices,defaultParameterValue[value]]]",
        );
        let path = format!("{}/api/json?tree={tree}", job.path());
        Ok(Job::read(&self.json(&format!("reading job {job}"), &format!("job {job}"), &path)?))
    }

    /// The names of the items in a folder, or at the root.
    pub fn items(&self, folder: Option<&JobPath>) -> Result<Vec<String>, RequestError> {
        let path = folder.map(JobPath::path).unwrap_or_default();
        let path = format!("{path}/api/json?tree={}", brackets("jobs[name]"));
        Ok(Job::read(&self.json("listing jobs", "the folder", &path)?).children.unwrap_or_default())
    }

    /// Starts a build and gives its queue item.
    ///
    /// The request is sent again only while it surely did nothing: no connection, or turned away at the door by a
    /// controller that is starting. A start by a job's token that may not see the job goes through the plugin Build
    /// Token Root, if there is one.
    pub fn start(&self, start: &Start, clock: &dyn crate::clock::Clock) -> Result<Started, StartError> {
        let subject = format!("job {}", start.job);
        let what = format!("starting {subject}");
        let verb = if start.parameterized { "buildWithParameters" } else { "build" };
        let body = start.body(&[]).map_err(StartError::NotStarted)?;
        let mut attempt = 0;
        let response = loop {
            attempt += 1;
            let path = format!("{}/{verb}", start.job.path());
            let (failure, asked) = match self.post(&path, Some(body.clone())) {
                Ok(response) if was_turned_away(&response) => {
                    (refused_start(&subject, &self.login, start.parameterized, &response), response.retry_after())
                }
                Ok(response) => break response,
                Err(PostError::Error(failure)) => return Err(StartError::NotStarted(failure)),
                Err(PostError::Fault(fault)) if fault.sent => {
                    return Err(StartError::Ambiguous(fault.into_error(&what)));
                }
                Err(PostError::Fault(fault)) if !fault.is_retryable() => {
                    return Err(StartError::NotStarted(fault.into_error(&what)));
                }
                Err(PostError::Fault(fault)) => (fault.into_error(&what), None),
            };
            match retry::pause(attempt, asked, fastrand::f64()) {
                Some(pause) if clock.interrupted().is_none() => clock.sleep(pause),
                _ => return Err(StartError::NotStarted(failure)),
            }
        };
        // Whoever has only the job's token cannot pass here, but nothing was started either.
        let shut_out = matches!(response.status, 403 | 404) && !response.text().contains("Invalid token provided");
        if start.job_token.is_some() && shut_out {
            return self.start_by_token_root(start, verb, &subject);
        }
        Self::judge(start, &response, || refused_start(&subject, &self.login, start.parameterized, &response))
    }

    fn start_by_token_root(&self, start: &Start, verb: &str, subject: &str) -> Result<Started, StartError> {
        let name = start.job.to_string();
        let body = start.body(&[("job", &name)]).map_err(StartError::NotStarted)?;
        let response = self.post(&format!("/buildByToken/{verb}"), Some(body)).map_err(|error| match error {
            PostError::Fault(fault) if fault.sent => {
                StartError::Ambiguous(fault.into_error(format!("starting {subject}")))
            }
            error => StartError::NotStarted(error.into_miss(&format!("starting {subject}")).error),
        })?;
        Self::judge(start, &response, || refused_token_root(subject, &response))
    }

    /// 201 and 303 are success; 302 is none.
    fn judge(start: &Start, response: &Response, refused: impl Fn() -> Error) -> Result<Started, StartError> {
        let id = response.header("location").and_then(queue_id);
        match (response.status, id) {
            (201 | 302, Some(queue_id)) => Ok(Started { queue_id, joined: start.waiting == Some(queue_id) }),
            (303, Some(queue_id)) => Ok(Started { queue_id, joined: true }),
            // A success of something else in between, and a gateway that gave up, leave it open.
            (200..300 | 408 | 502 | 504 | 520..=524, _) => Err(StartError::Ambiguous(refused())),
            (500 | 503, _) if response.header("x-jenkins").is_none() => Err(StartError::Ambiguous(refused())),
            _ => Err(StartError::NotStarted(refused())),
        }
    }

    /// Whether the job could be started, without starting it: a GET is refused for its method (405) only after the
    /// permission was looked at. (A GET of `build` shows everybody the form of a job with parameters.)
    pub fn may_build(&self, job: &JobPath, parameterized: bool) -> Result<(), RequestError> {
        let verb = if parameterized { "buildWithParameters" } else { "build" };
        let (what, subject) = (format!("asking whether job {job} may be started"), format!("job {job}"));
        let request = self.get(&format!("{}/{verb}", job.path())).map_err(RequestError::permanent)?;
        let response = self.exchange(&what, &request)?;
        if response.status == 405 { Ok(()) } else { Err(self.miss(&what, &subject, &response)) }
    }

    /// The queue item of the build that a start without an answer made, or that has the marker already: the first of
    /// several. Without a marker, `None` as well when several could be it.
    pub fn find_started(&self, start: &Start, trace: &Trace) -> Result<Option<u64>, RequestError> {
        if !trace.leads_anywhere() {
            return Ok(None);
        }
        let actions = "actions[parameters[name,value],causes[userId,note]]";
        let path = format!("/queue/api/json?tree={}", brackets(&format!("items[id,inQueueSince,task[url],{actions}]")));
        let queue = self.json("reading the queue", "the queue", &path)?;
        let ours = objects(&queue, "items").filter(|item| {
            queue::job(item).as_ref() == Some(&start.job)
                && self.is_ours(start, trace, number(item, "inQueueSince"), item)
        });
        let mut found: Vec<u64> = ours.filter_map(|item| number(item, "id")).collect();
        let tree = brackets(&format!("builds[number,queueId,timestamp,{actions}]{{0,{SEARCHED}}}"));
        let path = format!("{}/api/json?tree={tree}", start.job.path());
        let job = self.json("listing the builds", &format!("job {}", start.job), &path)?;
        let newer = objects(&job, "builds").filter(|build| {
            trace.marker.is_some() || number(build, "number").is_some_and(|own| own >= trace.next_build)
        });
        let ours = newer.filter(|build| self.is_ours(start, trace, number(build, "timestamp"), build));
        found.extend(ours.filter_map(|build| number(build, "queueId")));
        found.sort_unstable();
        found.dedup();
        // A marker is ours in whatever build it stands; a build that somebody ran again has it as well.
        Ok(if found.len() == 1 || trace.marker.is_some() { found.first().copied() } else { None })
    }

    /// Whether an item or build can only be the one of this start: its marker, else user, time and every value.
    fn is_ours(&self, start: &Start, trace: &Trace, at: Option<u64>, wire: &Json) -> bool {
        let actions = objects(wire, "actions");
        let parameters = actions.clone().flat_map(|action| objects(action, "parameters"));
        let value = |name: &str| {
            let own = parameters.clone().find(|parameter| str(parameter, "name") == Some(name));
            own.map(|parameter| json::shown(&parameter["value"]))
        };
        if let Some((name, wanted)) = &trace.marker {
            return value(name).flatten().as_ref() == Some(wanted);
        }
        let mut causes = actions.flat_map(|action| objects(action, "causes"));
        let by_us = match (&self.login, &start.cause) {
            (_, Some(cause)) if start.job_token.is_some() => causes.any(|own| str(own, "note") == Some(cause)),
            (Credentials::Token(user) | Credentials::Password(user), _) if start.job_token.is_none() => {
                causes.any(|own| str(own, "userId") == Some(user))
            }
            _ => true,
        };
        // The controller's clock is known to a second.
        by_us
            && at.is_some_and(|at| at + 1500 >= trace.since)
            && start.values.iter().all(|(name, wanted)| match wanted {
                // The value of a secret parameter is not shown.
                Value::Text(text) => value(name).is_some_and(|shown| shown.is_none_or(|shown| shown == *text)),
                Value::File(_) => true,
            })
    }
}

impl Start {
    /// The request's body: a form, or multipart where files are sent. Values never go into the address, which
    /// servers log and limit.
    fn body(&self, more: &[(&str, &str)]) -> Result<Body, Error> {
        let delay = self.delay.map(delay);
        let mut fields: Vec<(&str, &str)> = more.to_vec();
        fields.extend(delay.as_deref().map(|delay| ("delay", delay)));
        fields.extend(self.job_token.as_ref().map(|token| ("token", token.expose())));
        fields.extend(self.cause.as_deref().filter(|_| self.job_token.is_some()).map(|cause| ("cause", cause)));
        let mut files = Vec::new();
        let own = fields.len();
        for (name, value) in &self.values {
            if name == "delay" || fields[..own].iter().any(|(field, _)| field == name) {
                // It would mean something else as well, or be there twice, on which Jenkins fails.
                return Err(Error::new(
                    ExitCode::Refused,
                    format!("the parameter {name}"),
                    "has the name of a field that Jenkins reads itself with a start",
                )
                .with_hint("give it another name in the job's configuration"));
            }
            match value {
                Value::Text(text) => fields.push((name, text)),
                Value::File(path) => files.push((name.as_str(), path)),
            }
        }
        if files.is_empty() && fields.is_empty() {
            // Whether a request was sent is known from its body, so it must have one. Jenkins drops what it does not know.
            fields.push(("cibridge", "start"));
        }
        if files.is_empty() {
            // The content type is needed even without a field: Jenkins fails on a job with a file parameter otherwise.
            return Ok(Body::form(fields));
        }
        let mut form = Multipart::default();
        for (name, text) in fields {
            form.text(name, text);
        }
        for (name, path) in files {
            form.file(name, path)?;
        }
        Ok(form.into_body())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_has_its_unit_and_is_never_cut_to_nothing() {
        for (duration, text) in [
            (Duration::from_secs(30), "30sec"),
            (Duration::ZERO, "0sec"),
            (Duration::from_millis(1), "1sec"),
            (Duration::from_millis(1500), "2sec"),
        ] {
            assert_eq!(delay(duration), text);
        }
    }

    #[test]
    fn values_are_sent_as_a_form_and_files_as_multipart() {
        let mut start = Start { values: vec![("A".into(), Value::Text("a b&ä".into()))], ..Start::default() };
        assert_eq!(start.body(&[]).unwrap().as_bytes(), Some(&b"A=a%20b%26%C3%A4"[..]));
        let file = tempfile::NamedTempFile::new().unwrap();
        start.values.push(("F".into(), Value::File(file.path().to_owned())));
        assert!(start.body(&[]).unwrap().content_type().starts_with("multipart/form-data; boundary="));
        start.values = vec![("F".into(), Value::File("/nowhere/at/all".into()))];
        assert_eq!(start.body(&[]).unwrap_err().code(), ExitCode::Local);
    }
}

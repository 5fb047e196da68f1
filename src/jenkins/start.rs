//! Starting a build: the request in the form that the job needs, its answer, and the search for a build whose start was
//! not answered.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

use super::client::{Client, PostError, tree, was_turned_away};
use super::credentials::Identity;
use super::errors::{is_ambiguous, refused_start, refused_token_root};
use super::job::Job;
use super::parameters::ParameterValue;
use super::queue::job_of;
use super::reference::{JobRef, queue_id};
use super::wire::{self, MOST_BUILDS};
use crate::error::{Error, ExitCode, RequestError};
use crate::http::{Body, Multipart, Response};
use crate::lifecycle::{IdempotencyKey, StartError};
use crate::secret::Secret;

/// How far the controller's clock may seem to be behind a start, in milliseconds: it is known to a second.
const CLOCK_ERROR: u64 = 1500;

/// The parameter that carries a unique value where the job declares it.
const MARKER: &str = "CIBRIDGE_ID";

/// What to start.
#[derive(Debug, Clone, Default)]
pub struct StartOptions {
    pub job: JobRef,
    /// Its parameters' values.
    pub values: Vec<(String, ParameterValue)>,
    /// How long the item waits in the queue before it may start; the job's quiet period otherwise.
    pub delay: Option<Duration>,
    /// The job's token for remote starts.
    pub job_token: Option<Secret>,
    /// The cause, which Jenkins keeps for starts by a job's token only.
    pub cause: Option<String>,
    /// The parameter that carries the marker; `CIBRIDGE_ID` where the job declares it.
    pub marker_param: Option<String>,
    /// The marker's value; a random one otherwise.
    pub marker: Option<String>,
    /// The value that makes the call repeatable.
    pub idempotency_key: Option<IdempotencyKey>,
}

/// A start that can be sent.
#[derive(Debug, Clone, Default)]
pub struct StartRequest {
    pub job: JobRef,
    /// Whether an idempotency key marks it.
    pub has_key: bool,
    /// Whether it is a start by the job's token.
    pub is_by_token: bool,
    parameterized: bool,
    values: Vec<(String, ParameterValue)>,
    delay: Option<Duration>,
    job_token: Option<Secret>,
    cause: Option<String>,
    /// The item of the same job that waited before, if one did.
    waiting: Option<u64>,
    /// A parameter with a value that no other build has.
    marker: Option<(String, String)>,
    /// When the request was made, in milliseconds since 1970 on the controller's clock.
    since: u64,
    /// The number that the job's next build was to get; 0 when that is not known.
    pub(super) next_build: u64,
}

/// A start that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queued {
    /// The queue item.
    pub queue_id: u64,
    /// Whether Jenkins merged the request into an identical item that waited already.
    pub coalesced: bool,
}

/// A build that carries the mark of a start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its queue item.
    pub queue_id: u64,
    /// Its number, once it has one.
    pub number: Option<u64>,
    /// Whether it was canceled.
    pub is_canceled: bool,
}

impl StartRequest {
    /// Checks a start against what is known of the job: `None` when nothing was asked, or may be seen. `now` is the
    /// controller's time in milliseconds.
    ///
    /// Fails with code 12 for what Jenkins would refuse, ignore or change, and with code 16 for a file that cannot be read.
    pub fn new(options: StartOptions, known: Option<&Job>, now: u64) -> Result<Self, Error> {
        let StartOptions { job, mut values, delay, job_token, cause, marker_param, marker, idempotency_key } = options;
        let subject = format!("job {job}");
        if let Some(known) = known {
            known.check_buildable(&subject)?;
        }
        let by_default = || known.filter(|known| known.declares(MARKER)).map(|_| MARKER.to_owned());
        // A value that was given for that parameter is not replaced.
        let name = marker_param.or_else(by_default).filter(|name| values.iter().all(|(own, _)| own != name));
        if idempotency_key.is_some() && name.is_none() {
            return Err(Error::new(ExitCode::Refused, subject, "no parameter can carry the idempotency key").with_hint(
                "add a string parameter CIBRIDGE_ID to the job, or name another one that is free with --marker-param",
            ));
        }
        let has_key = idempotency_key.is_some();
        let key = idempotency_key.map(|key| key.as_str().to_owned());
        let value = key.or(marker).unwrap_or_else(|| format!("cibridge-{:016x}", fastrand::u64(..)));
        let marker = name.map(|name| (name, value));
        values.extend(marker.clone().map(|(name, value)| (name, ParameterValue::Text(value))));
        if let Some(known) = known {
            known.validate(&subject, &mut values)?;
        }
        check_files(&values)?;
        let request = Self {
            has_key,
            is_by_token: job_token.is_some(),
            parameterized: known.map_or(!values.is_empty(), Job::is_parameterized),
            waiting: known.and_then(|known| known.queue_item),
            next_build: known.map_or(0, |known| known.next_build),
            since: now,
            job,
            values,
            delay,
            job_token,
            cause,
            marker,
        };
        request.body(&[]).map(|_| request)
    }

    /// The same request, with the number of the job's next build and the controller's time, where nothing else was to be
    /// asked of the job: before the first answer the controller's clock is not known.
    pub fn with_next_build(self, next_build: u64, now: u64) -> Self {
        Self { next_build, since: now, ..self }
    }

    /// Whether the number of the next build is needed to tell its build from earlier ones.
    pub fn needs_next_build(&self) -> bool {
        self.marker.is_none() && self.next_build == 0 && !self.is_by_token
    }

    /// What to write on the build's page: a cause that Jenkins does not keep.
    pub fn description(&self) -> Option<&str> {
        self.cause.as_deref().filter(|_| !self.is_by_token)
    }

    /// Whether its build can be distinguished from others.
    pub fn is_searchable(&self) -> bool {
        self.marker.is_some() || self.next_build > 0
    }

    /// By what its build is recognized, in words.
    pub fn found_by(&self) -> String {
        match &self.marker {
            Some((name, _)) if self.has_key => format!("its idempotency key in {name}"),
            Some((name, _)) => format!("its value of {name}"),
            None => "its user, time and parameters".to_owned(),
        }
    }

    /// The request's body: a form, or multipart where files are sent. Values never go into the address, which servers
    /// log and limit.
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
                    format!("parameter {name}"),
                    "Jenkins reads a field of this name itself when a build is started",
                )
                .with_hint("rename the parameter in the job's configuration"));
            }
            match value {
                ParameterValue::Text(text) => fields.push((name, text)),
                ParameterValue::File(path) => files.push((name.as_str(), path.as_path())),
            }
        }
        // The content type is needed even without a field: Jenkins fails on a job with a file parameter otherwise.
        if files.is_empty() { Ok(Body::form(fields)) } else { multipart(&fields, &files) }
    }

    /// Whether an item or build can only be the one of this start: its marker, else user, time and every value.
    /// `users` are the spellings of the caller's id.
    fn is_own(&self, users: &[String], at: Option<u64>, actions: &[wire::Action]) -> bool {
        let value = |name: &str| {
            let mut parameters = actions.iter().flat_map(|action| &action.parameters.entries);
            parameters.find(|own| own.name.text() == Some(name)).map(|own| wire::shown(&own.value))
        };
        if let Some((name, wanted)) = &self.marker {
            return value(name).flatten().is_some_and(|shown| is_same_value(&shown, wanted));
        }
        let mut causes = actions.iter().flat_map(|action| &action.causes.entries);
        let by_us = match &self.cause {
            Some(cause) if self.is_by_token => causes.any(|own| own.note.0.as_ref() == Some(cause)),
            _ if self.is_by_token || users.is_empty() => true,
            _ => causes.any(|own| own.user_id.text().is_some_and(|id| users.contains(&id.to_lowercase()))),
        };
        by_us
            && at.is_some_and(|at| at.saturating_add(CLOCK_ERROR) >= self.since)
            && self.values.iter().all(|(name, wanted)| match wanted {
                // The value of a secret parameter is not shown.
                ParameterValue::Text(text) => {
                    value(name).is_some_and(|shown| shown.is_none_or(|shown| is_same_value(&shown, text)))
                }
                ParameterValue::File(_) => true,
            })
    }
}

/// Whether a value that Jenkins shows is the one that was sent: a string parameter may trim it
/// (`StringParameterDefinition#isTrim`, as `String#trim`), and line ends may come back as LF.
fn is_same_value(shown: &str, sent: &str) -> bool {
    let trimmed = |text: &str| text.replace("\r\n", "\n").trim_matches(|c| c <= ' ').to_owned();
    shown == sent || trimmed(shown) == trimmed(sent)
}

/// A duration as Jenkins takes a delay (`jenkins.util.TimeDuration`): in whole seconds and with the unit, because a bare
/// number is milliseconds.
fn delay(duration: Duration) -> String {
    format!("{}sec", duration.as_millis().div_ceil(1000))
}

/// Files must be readable before anything is asked of the controller.
fn check_files(values: &[(String, ParameterValue)]) -> Result<(), Error> {
    for (name, value) in values {
        if let ParameterValue::File(path) = value {
            std::fs::File::open(path).with_context(|| format!("file {} for parameter {name}", path.display()))?;
        }
    }
    Ok(())
}

/// A form with files.
fn multipart(fields: &[(&str, &str)], files: &[(&str, &Path)]) -> Result<Body, Error> {
    let mut form = Multipart::default();
    for (name, text) in fields {
        form.text(name, text);
    }
    for (name, path) in files {
        form.file(name, path)?;
    }
    Ok(form.into_body())
}

impl Client {
    /// Starts a build and gives its queue item.
    ///
    /// The request is sent again only if it certainly did nothing: no connection, or rejected unread by a controller that
    /// is starting. A start by a job's token that may not see the job goes through the plugin
    /// build-token-root, if there is one.
    pub fn start(&self, request: &StartRequest) -> Result<Queued, StartError> {
        let subject = format!("job {}", request.job);
        let verb = if request.parameterized { "buildWithParameters" } else { "build" };
        let body = request.body(&[]).map_err(StartError::NotStarted)?;
        let path = format!("{}/{verb}", request.job.path());
        let refused = |response: &Response| refused_start(&subject, &self.identity, request.parameterized, response);
        let sent = self.with_retries(|| match self.post(&path, Some(body.clone())) {
            Ok(response) if was_turned_away(&response) => {
                Err(RequestError { error: refused(&response), retryable: true, retry_after: response.retry_after() })
            }
            Ok(response) => Ok(Ok(response)),
            Err(PostError::Fault(fault)) if fault.sent => Ok(Err(fault.into_error(&subject))),
            Err(error) => Err(error.into_request_error(&subject)),
        });
        let response = sent.map_err(StartError::NotStarted)?.map_err(StartError::Ambiguous)?;
        // A caller who has only the job's token is stopped here, but nothing was started either.
        let is_shut_out = matches!(response.status, 403 | 404) && !response.text().contains("Invalid token provided");
        if request.is_by_token && is_shut_out {
            return self.start_by_token_root(request, verb, &subject);
        }
        start_result(request, &response, || refused(&response))
    }

    fn start_by_token_root(&self, request: &StartRequest, verb: &str, subject: &str) -> Result<Queued, StartError> {
        let name = request.job.to_string();
        let body = request.body(&[("job", &name)]).map_err(StartError::NotStarted)?;
        let response = self.post(&format!("/buildByToken/{verb}"), Some(body)).map_err(|error| match error {
            PostError::Fault(fault) if fault.sent => StartError::Ambiguous(fault.into_error(subject)),
            error => StartError::NotStarted(error.into_request_error(subject).error),
        })?;
        start_result(request, &response, || refused_token_root(subject, &response))
    }

    /// Searches the queue and the newest builds for those that carry the mark of a start: the oldest first, canceled ones
    /// last. Without a marker at most one is given: none when several could be it.
    pub fn find_started(&self, request: &StartRequest) -> Result<Vec<Found>, RequestError> {
        if !request.is_searchable() {
            return Ok(Vec::new());
        }
        let users = self.own_names(request);
        let actions = "actions[parameters[name,value],causes[userId,note]]";
        let items = self.queue_items(&format!("id,inQueueSince,task[url],{actions}"))?;
        let mut found: Vec<Found> = items
            .iter()
            .filter(|item| job_of(item).as_ref() == Some(&request.job))
            .filter(|item| request.is_own(&users, item.in_queue_since.0, &item.actions.entries))
            .filter_map(|item| Some(Found { queue_id: item.id.0?, number: None, is_canceled: false }))
            .collect();
        let tree = tree(&format!("_class,name,builds[number,queueId,timestamp,result,{actions}]{{0,{MOST_BUILDS}}}"));
        let path = format!("{}/api/json?{tree}", request.job.path());
        let job: wire::Job = self.json(&format!("job {}", request.job), &path, wire::is_job)?;
        for build in job.builds.entries {
            let (Some(queue_id), Some(number)) = (build.queue_id.0, build.number.0) else { continue };
            let is_newer = request.marker.is_some() || number >= request.next_build;
            if is_newer && request.is_own(&users, build.timestamp.0, &build.actions.entries) {
                found.retain(|item| item.queue_id != queue_id);
                let is_canceled = build.result.text() == Some("ABORTED");
                found.push(Found { queue_id, number: Some(number), is_canceled });
            }
        }
        found.sort_by_key(|one| (one.is_canceled, one.queue_id));
        if request.marker.is_none() && found.len() > 1 {
            found.clear();
        }
        Ok(found)
    }

    /// The caller's id in lower case as it was given, and as Jenkins spells it: user ids are not case-sensitive
    /// (`hudson.model.User#idStrategy`), and a security realm may take another name for one. Empty where it is not
    /// known, or not needed.
    fn own_names(&self, request: &StartRequest) -> Vec<String> {
        if request.marker.is_some() || request.is_by_token {
            return Vec::new();
        }
        let (Identity::Token(user) | Identity::Password(user)) = &self.identity else { return Vec::new() };
        let seen = self.who_am_i().ok().filter(|seen| !seen.anonymous).map(|seen| seen.name.to_lowercase());
        [user.to_lowercase()].into_iter().chain(seen).collect()
    }
}

/// What the answer to a start means: 201 and 303 are success, 302 is not.
fn start_result(
    request: &StartRequest,
    response: &Response,
    refused: impl Fn() -> Error,
) -> Result<Queued, StartError> {
    let id = response.header("location").and_then(queue_id);
    match (response.status, id) {
        (201 | 302, Some(queue_id)) => Ok(Queued { queue_id, coalesced: request.waiting == Some(queue_id) }),
        (303, Some(queue_id)) => Ok(Queued { queue_id, coalesced: true }),
        // A success of something else on the way, and a gateway that gave up, leave it open.
        _ if response.is_success() || is_ambiguous(response) => Err(StartError::Ambiguous(refused())),
        _ => Err(StartError::NotStarted(refused())),
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
        let mut request = StartRequest {
            values: vec![("A".into(), ParameterValue::Text("a b&ä".into()))],
            ..StartRequest::default()
        };
        assert_eq!(request.body(&[]).unwrap().as_bytes(), Some(&b"A=a%20b%26%C3%A4"[..]));
        let file = tempfile::NamedTempFile::new().unwrap();
        request.values.push(("F".into(), ParameterValue::File(file.path().to_owned())));
        assert!(request.body(&[]).unwrap().content_type().starts_with("multipart/form-data; boundary="));
        request.values = vec![("F".into(), ParameterValue::File("/nowhere/at/all".into()))];
        assert_eq!(request.body(&[]).unwrap_err().code(), ExitCode::Local);
    }

    #[test]
    fn a_build_is_recognized_although_jenkins_spells_the_user_and_the_values_differently() {
        let actions: Vec<wire::Action> = wire::decode_list(
            br#"[{},{"parameters":[{"name":"TRIM","value":"x"},{"name":"B","value":true},{"name":"PW"},{"name":"T","value":"a\nb"}]},
                {"causes":[{"userId":"dev"}]}]"#,
        )
        .unwrap();
        let request = |user: &str, values: &[(&str, &str)]| {
            let values =
                values.iter().map(|(name, text)| ((*name).to_owned(), ParameterValue::Text((*text).to_owned())));
            let request = StartRequest { values: values.collect(), since: 1000, ..StartRequest::default() };
            request.is_own(&[user.to_lowercase()], Some(1000), &actions)
        };
        for (user, values, own) in [
            ("dev", &[("TRIM", "x")][..], true),
            ("Dev", &[("TRIM", "  x ")], true),
            ("dev", &[("B", "true"), ("PW", "s3cret"), ("T", "a\r\nb")], true),
            ("other", &[("TRIM", "x")], false),
            ("dev", &[("TRIM", "y")], false),
            ("dev", &[("B", "false")], false),
            ("dev", &[("MISSING", "x")], false),
        ] {
            assert_eq!(request(user, values), own, "{user} {values:?}");
        }
        let early = StartRequest { since: 9000, ..StartRequest::default() };
        assert!(!early.is_own(&[], Some(1000), &actions));
    }
}

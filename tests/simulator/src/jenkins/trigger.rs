//! Starting builds: `build`, `buildWithParameters`, `/buildByToken/`.

use super::Call;
use super::config::{JenkinsAccess, JenkinsParameter, JobKind, ParameterKind};
use super::pages::{BUILD, OVERALL_READ, container_page};
use super::run::{JenkinsFile, Order, ParamValue, Place, Run};
use crate::http::Response;
use crate::time::micros;
use serde_json::{Value, json};

/// Values and files of a start.
type Values = (Vec<ParamValue>, Vec<JenkinsFile>);

/// How a start was answered by the queue.
enum Queued {
    New(u64),
    Coalesced(u64),
    Refused,
}

impl Call<'_> {
    /// `/job/X/build`
    pub(super) fn build(&mut self, job: &str) -> Response {
        let parameterized = !self.j.definitions(job).is_empty();
        match self.j.jobs[job].def.kind {
            JobKind::Folder => return self.not_found(),
            // A scan for branches.
            JobKind::Multibranch => return self.to_path(&self.j.job_path(job)),
            _ if self.j.jobs[job].disabled => return self.oops(409),
            _ => {}
        }
        if parameterized && self.method == "GET" {
            return self.page(200, "Parameters - Jenkins", "<form method=\"post\" name=\"parameters\"></form>");
        }
        if let Some(response) = self.may_not_build(job) {
            return response;
        }
        if parameterized {
            // Only the form of the web page counts here, which no program sends.
            let problem =
                if self.form.submitted { "Nothing is submitted" } else { "This page expects a form submission" };
            return container_page(&self.request.path, 400, problem);
        }
        self.start(job, Ok((Vec::new(), Vec::new())), 201)
    }

    /// `/job/X/buildWithParameters`
    pub(super) fn build_with_parameters(&mut self, job: &str) -> Response {
        if !self.j.jobs[job].is_project() {
            return self.not_found();
        }
        if let Some(response) = self.may_not_build(job) {
            return response;
        }
        if self.j.definitions(job).is_empty() {
            let status = if self.j.config.refuse_parameters { 400 } else { 500 };
            return self.oops(status);
        }
        if self.j.jobs[job].disabled {
            return self.oops(409);
        }
        let values = self.values(job);
        self.start(job, values, 303)
    }

    /// Puts a start into the queue; `coalesced` is the status of one that was coalesced with another.
    fn start(&mut self, job: &str, values: Result<Values, ()>, coalesced: u16) -> Response {
        let quiet = match self.form.first("delay") {
            Some(text) => duration(&text),
            None => Some(self.j.jobs[job].def.quiet_seconds.unwrap_or(5.0)),
        };
        let (Ok(values), Some(quiet)) = (values, quiet) else { return self.oops(500) };
        let cause = if self.job_token(job) == Some(true) { self.remote_cause() } else { self.user_cause() };
        let location = |id: u64| format!("{}/queue/item/{id}/", self.j.root());
        let location = [location(self.j.next_queue_id), self.j.root()];
        match self.schedule(job, values, cause, quiet) {
            Queued::New(_) => Response::empty(201).with("Location", &location[0]),
            Queued::Coalesced(id) => {
                Response::empty(coalesced).with("Location", &format!("{}/queue/item/{id}/", location[1]))
            }
            Queued::Refused => self.to_path(&self.j.job_path(job)),
        }
    }

    /// `/buildByToken/build` and `/buildByToken/buildWithParameters`, which need no user.
    pub(super) fn build_by_token(&mut self, with_parameters: bool) -> Response {
        if !self.j.config.build_token_root {
            return if self.access == JenkinsAccess::None { self.forbidden(&OVERALL_READ) } else { self.not_found() };
        }
        let job = self.form.first("job").unwrap_or_default().trim_matches('/').to_owned();
        if self.j.jobs.get(&job).is_none_or(|j| j.def.token.is_none()) {
            return Response::empty(404);
        }
        if self.job_token(&job) != Some(true) {
            return self.denied("Invalid token provided.");
        }
        if self.j.jobs[&job].disabled || self.j.definitions(&job).is_empty() == with_parameters {
            return self.oops(400);
        }
        let Ok(values) = (if with_parameters { self.values(&job) } else { Ok((Vec::new(), Vec::new())) }) else {
            return self.oops(500);
        };
        let cause = self.remote_cause();
        // The plugin reads the seconds of the quiet period as milliseconds.
        let quiet = self.form.first("delay").and_then(|d| duration(&d)).unwrap_or(0.0);
        let (status, id) = match self.schedule(&job, values, cause, quiet) {
            Queued::New(id) => (201, id),
            Queued::Coalesced(id) => (303, id),
            Queued::Refused => return self.denied("The build was refused."),
        };
        Response::empty(status).with("Location", &format!("{}/queue/item/{id}/", self.j.config.context))
    }

    /// Is the given token the job's? `None` if none is given or needed.
    fn job_token(&self, job: &str) -> Option<bool> {
        let own = self.j.jobs[job].def.token.as_ref()?;
        self.form.first("token").map(|given| given == *own)
    }

    /// The refusal, unless there is the token of the job, or the permission and POST.
    fn may_not_build(&mut self, job: &str) -> Option<Response> {
        match self.job_token(job) {
            Some(false) => Some(self.denied("Invalid token provided.")),
            None if self.access < JenkinsAccess::Build => Some(self.forbidden(&BUILD)),
            None if self.method != "POST" => Some(self.post_to_build()),
            _ => None,
        }
    }

    fn user_cause(&self) -> Value {
        let shown = self.caller.name.as_deref().unwrap_or("anonymous");
        json!({
            "_class": "hudson.model.Cause$UserIdCause", "shortDescription": format!("Started by user {shown}"),
            "userId": self.caller.name, "userName": shown,
        })
    }

    fn remote_cause(&self) -> Value {
        let note = self.form.first("cause");
        let with = note.as_ref().map_or_else(String::new, |n| format!(" with note: {n}"));
        json!({
            "_class": "hudson.model.Cause$RemoteCause",
            "shortDescription": format!("Started by remote host 127.0.0.1{with}"), "addr": "127.0.0.1", "note": note,
        })
    }

    /// The values of a form; what is not declared is ignored.
    fn values(&self, job: &str) -> Result<Values, ()> {
        let definitions = self.j.definitions(job);
        if !self.form.submitted && definitions.iter().any(|d| d.kind == ParameterKind::File) {
            return Err(());
        }
        let (mut params, mut files) = (Vec::new(), Vec::new());
        for definition in definitions {
            let given = self.form.all(&definition.name);
            let value = match given[..] {
                _ if definition.kind.is_file() => match self.form.file(&definition.name) {
                    Some(file) => {
                        files.push(file.clone());
                        Value::Null
                    }
                    None => continue,
                },
                [] => definition.default_value(),
                [one] => read(definition, one)?,
                _ => return Err(()),
            };
            params.push(ParamValue { definition: definition.clone(), value });
        }
        Ok((params, files))
    }

    /// Puts a start into the queue, or coalesces it with an equal one that waits there.
    fn schedule(&mut self, job: &str, (params, files): Values, cause: Value, quiet: f64) -> Queued {
        if self.j.jobs[job].def.refuses {
            return Queued::Refused;
        }
        let equal = |r: &&mut Run| r.job == job && r.queued() && r.params == params;
        if let Some(run) = self.j.runs.iter_mut().find(equal).filter(|r| r.files.is_empty() && files.is_empty()) {
            run.joined += 1;
            run.causes.push(cause);
            // The earlier of the two moments counts.
            if let (Place::Waiting, Some(event)) = (run.place, run.events.front_mut()) {
                event.left = event.left.min(micros(quiet));
            }
            return Queued::Coalesced(run.id);
        }
        let order = Order { job: job.to_owned(), params, files, cause, quiet_seconds: quiet };
        let index = self.j.enqueue(order, self.now);
        Queued::New(self.j.runs[index].id)
    }
}

/// A value as the type of the parameter reads it.
pub(super) fn read(definition: &JenkinsParameter, text: &str) -> Result<Value, ()> {
    match definition.kind {
        ParameterKind::Boolean => Ok(json!(text.eq_ignore_ascii_case("true"))),
        ParameterKind::Choice if !definition.choices.iter().any(|c| c == text) => Err(()),
        _ if definition.trim => Ok(json!(text.trim())),
        _ => Ok(json!(text)),
    }
}

/// Seconds of a delay: a bare number is milliseconds, whole seconds count.
fn duration(text: &str) -> Option<f64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok()?;
    match text[digits..].trim() {
        "" => Some((number / 1000) as f64),
        "sec" | "secs" => Some(number as f64),
        _ => None,
    }
}

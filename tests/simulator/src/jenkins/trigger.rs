//! Starting builds: `build`, `buildWithParameters`, `/buildByToken/`.

use super::Ctx;
use super::config::{JenkinsAccess, JenkinsParameter, ParameterKind};
use super::form::Encoding;
use super::pages::{BUILD, OVERALL_READ};
use super::run::{JenkinsFile, Order, ParamValue};
use crate::http::Response;
use crate::time::micros;
use serde_json::{Value, json};

/// What a start is made of.
struct Wanted {
    params: Vec<ParamValue>,
    files: Vec<JenkinsFile>,
}

/// How a start was answered by the queue.
enum Queued {
    New(u64),
    Joined(u64),
    Refused,
}

impl Ctx<'_> {
    /// `/job/X/build`
    pub(crate) fn build(&mut self, job: &str) -> Response {
        let parameterized = !self.definitions(job).is_empty();
        if !self.j.jobs[job].is_project() {
            return self.build_container(job);
        }
        if self.j.jobs[job].disabled {
            return self.oops(409);
        }
        if parameterized && self.method == "GET" {
            return self.page(200, "Parameters - Jenkins", "<form method=\"post\" name=\"parameters\"></form>");
        }
        if let Err(response) = self.may_build(job) {
            return *response;
        }
        if parameterized {
            return self.build_with_json(job);
        }
        let Ok(quiet) = self.delay(job) else { return self.oops(500) };
        let cause = self.cause(job);
        match self.schedule(job, Wanted { params: Vec::new(), files: Vec::new() }, cause, quiet) {
            Queued::New(id) | Queued::Joined(id) => self.queued(201, id),
            Queued::Refused => self.to_job(job),
        }
    }

    /// `/job/X/buildWithParameters`
    pub(crate) fn build_with_parameters(&mut self, job: &str) -> Response {
        if !self.j.jobs[job].is_project() {
            return self.not_found();
        }
        if let Err(response) = self.may_build(job) {
            return *response;
        }
        if self.definitions(job).is_empty() {
            let status = if self.j.config.refuse_parameters { 400 } else { 500 };
            return self.oops(status);
        }
        if self.j.jobs[job].disabled {
            return self.oops(409);
        }
        let (quiet, wanted) = (self.delay(job), self.values(job));
        let (Ok(quiet), Ok(wanted)) = (quiet, wanted) else { return self.oops(500) };
        let cause = self.cause(job);
        match self.schedule(job, wanted, cause, quiet) {
            Queued::New(id) => self.queued(201, id),
            Queued::Joined(id) => self.queued(303, id),
            Queued::Refused => self.to_job(job),
        }
    }

    /// `/buildByToken/build` and `/buildByToken/buildWithParameters`, which need nobody's name.
    pub(crate) fn build_by_token(&mut self, with_parameters: bool) -> Response {
        if !self.j.config.build_token_root {
            // An unknown path is behind the same door as everything else.
            return if self.access == JenkinsAccess::None { self.forbidden(&OVERALL_READ) } else { self.not_found() };
        }
        let job = self.form.first("job").unwrap_or_default().trim_matches('/').to_owned();
        let token = self.j.jobs.get(&job).and_then(|j| j.def.token.clone());
        let Some(token) = token else { return Response::empty(404) };
        if self.form.first("token").as_deref() != Some(token.as_str()) {
            return self.denied("Invalid token provided.");
        }
        if self.j.jobs[&job].disabled || self.definitions(&job).is_empty() == with_parameters {
            return self.oops(400);
        }
        let wanted = if with_parameters { self.values(&job) } else { Ok(Wanted { params: vec![], files: vec![] }) };
        let Ok(wanted) = wanted else { return self.oops(500) };
        let cause = self.remote_cause();
        // The plugin takes the seconds of the quiet period for milliseconds.
        let quiet = self.form.first("delay").and_then(|d| duration(&d)).unwrap_or(0.0);
        let location = |id: u64, ctx: &Self| format!("{}/queue/item/{id}/", ctx.j.config.context);
        match self.schedule(&job, wanted, cause, quiet) {
            Queued::New(id) => Response::empty(201).with("Location", &location(id, self)),
            Queued::Joined(id) => Response::empty(303).with("Location", &location(id, self)),
            Queued::Refused => self.denied("The build was refused."),
        }
    }

    /// A folder cannot be built; of a multibranch project this starts a scan.
    fn build_container(&mut self, job: &str) -> Response {
        match self.j.jobs[job].def.kind {
            super::config::JobKind::Folder => self.not_found(),
            _ => self.to_job(job),
        }
    }

    fn to_job(&self, job: &str) -> Response {
        self.to_path(&super::job_path(job))
    }

    fn queued(&self, status: u16, id: u64) -> Response {
        Response::empty(status).with("Location", &format!("{}/queue/item/{id}/", self.j.root()))
    }

    /// The parameters that the job knows at present.
    pub(crate) fn definitions(&self, job: &str) -> Vec<JenkinsParameter> {
        self.j.definitions(job)
    }

    /// The token of the job, or the permission and POST.
    fn may_build(&mut self, job: &str) -> Result<(), Box<Response>> {
        if let (Some(own), Some(given)) = (self.j.jobs[job].def.token.clone(), self.form.first("token")) {
            return if own == given { Ok(()) } else { Err(Box::new(self.denied("Invalid token provided."))) };
        }
        if self.access < JenkinsAccess::Build {
            return Err(Box::new(self.forbidden(&BUILD)));
        }
        if self.method != "POST" {
            return Err(Box::new(self.post_to_build()));
        }
        Ok(())
    }

    /// Was the job's own token given?
    fn token_given(&self, job: &str) -> bool {
        let own = self.j.jobs[job].def.token.clone();
        own.is_some() && own == self.form.first("token")
    }

    fn user_cause(&self) -> Value {
        let (id, shown) = match &self.caller.name {
            Some(name) => (json!(name), name.as_str()),
            None => (Value::Null, "anonymous"),
        };
        json!({
            "_class": "hudson.model.Cause$UserIdCause",
            "shortDescription": format!("Started by user {shown}"),
            "userId": id,
            "userName": shown,
        })
    }

    fn remote_cause(&self) -> Value {
        let note = self.form.first("cause");
        let with = note.as_ref().map_or_else(String::new, |n| format!(" with note: {n}"));
        json!({
            "_class": "hudson.model.Cause$RemoteCause",
            "shortDescription": format!("Started by remote host 127.0.0.1{with}"),
            "addr": "127.0.0.1",
            "note": note,
        })
    }

    fn cause(&self, job: &str) -> Value {
        if self.token_given(job) { self.remote_cause() } else { self.user_cause() }
    }

    /// The quiet period: the one that is asked for, the job's, or everybody's.
    fn delay(&self, job: &str) -> Result<f64, ()> {
        match self.form.first("delay") {
            Some(text) => duration(&text).ok_or(()),
            None => Ok(self.j.jobs[job].def.quiet_seconds.unwrap_or(self.j.config.quiet_seconds)),
        }
    }

    /// The values of a form; what is not declared is dropped.
    fn values(&self, job: &str) -> Result<Wanted, ()> {
        let definitions = self.definitions(job);
        let classic = definitions.iter().any(|d| d.kind == ParameterKind::File);
        if classic && self.form.encoding == Encoding::None {
            return Err(());
        }
        let mut wanted = Wanted { params: Vec::new(), files: Vec::new() };
        for definition in definitions {
            if definition.kind.is_file() {
                if let Some(file) = self.form.file(&definition.name) {
                    wanted.files.push(file.clone());
                    wanted.params.push(ParamValue { definition, value: Value::Null });
                }
                continue;
            }
            let given = self.form.all(&definition.name);
            let value = match given[..] {
                [] => definition.default_value(),
                [one] => read(&definition, one)?,
                _ => return Err(()),
            };
            wanted.params.push(ParamValue { definition, value });
        }
        Ok(wanted)
    }

    /// `build` of a job with parameters: only the form that the web page sends counts.
    fn build_with_json(&mut self, job: &str) -> Response {
        if self.form.encoding == Encoding::None && self.form.first("json").is_none() {
            return super::pages::container(&self.request.path, 400, "This page expects a form submission");
        }
        let Some(text) = self.form.first("json") else {
            return super::pages::container(&self.request.path, 400, "Nothing is submitted");
        };
        let wanted = serde_json::from_str(&text).map_err(|_| ()).and_then(|json: Value| {
            let wanted = self.json_values(job, &json["parameter"])?;
            Ok((json, wanted))
        });
        let (Ok((json, wanted)), Ok(quiet)) = (wanted, self.delay(job)) else { return self.oops(500) };
        let cause = self.user_cause();
        if let Queued::Refused = self.schedule(job, wanted, cause, quiet) {
            return self.to_job(job);
        }
        let status = &json["statusCode"];
        let status = status.as_u64().or_else(|| status.as_str().and_then(|s| s.parse().ok())).unwrap_or(201);
        let own = format!("{}{}", self.j.root(), super::job_path(job));
        let location = json["redirectTo"].as_str().filter(|t| *t != ".").map_or(own.clone(), |t| own + t);
        Response::empty(status as u16).with("Location", &location)
    }

    fn json_values(&self, job: &str, parameter: &Value) -> Result<Wanted, ()> {
        let all = match parameter {
            Value::Array(all) => all.clone(),
            Value::Null => Vec::new(),
            one => vec![one.clone()],
        };
        let definitions = self.definitions(job);
        let mut wanted = Wanted { params: Vec::new(), files: Vec::new() };
        for given in all {
            let definition = definitions.iter().find(|d| given["name"] == d.name).cloned().ok_or(())?;
            if definition.kind.is_file() {
                let part = given["file"].as_str().unwrap_or(&definition.name).to_owned();
                let file = self.form.file(&part).ok_or(())?;
                wanted.files.push(JenkinsFile { parameter: definition.name.clone(), ..file.clone() });
                wanted.params.push(ParamValue { definition, value: Value::Null });
                continue;
            }
            let value = match &given["value"] {
                Value::String(text) => read(&definition, text)?,
                Value::Bool(yes) if definition.kind == ParameterKind::Boolean => json!(yes),
                other => read(&definition, &other.to_string())?,
            };
            wanted.params.push(ParamValue { definition, value });
        }
        Ok(wanted)
    }

    /// Puts a start into the queue, or joins it with an equal one that waits there.
    fn schedule(&mut self, job: &str, wanted: Wanted, cause: Value, quiet: f64) -> Queued {
        self.counters.jenkins_triggers += 1;
        if self.j.jobs[job].def.refuses {
            return Queued::Refused;
        }
        let waits = |r: &&mut super::run::Run| {
            r.job == job
                && r.queued()
                && r.files.is_empty()
                && wanted.files.is_empty()
                && same(&r.params, &wanted.params)
        };
        if let Some(run) = self.j.runs.iter_mut().find(waits) {
            run.joined += 1;
            run.causes.push(cause);
            // The earlier of the two moments counts.
            if let (super::run::Place::Waiting, Some(beat)) = (run.place, run.beats.front_mut()) {
                beat.left = beat.left.min(micros(quiet));
            }
            self.counters.jenkins_joined += 1;
            return Queued::Joined(run.id);
        }
        let kind = self.j.jobs[job].def.kind;
        let order = Order {
            id: 0,
            job: job.to_owned(),
            kind,
            params: wanted.params,
            files: wanted.files,
            cause,
            quiet_seconds: quiet,
        };
        let index = self.j.enqueue(order, self.now);
        Queued::New(self.j.runs[index].id)
    }
}

fn same(a: &[ParamValue], b: &[ParamValue]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.definition.name == b.definition.name && a.value == b.value)
}

/// A value as the type of the parameter reads it.
fn read(definition: &JenkinsParameter, text: &str) -> Result<Value, ()> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_milliseconds_without_a_unit() {
        assert_eq!(duration("5"), Some(0.0));
        assert_eq!(duration("5999"), Some(5.0));
        assert_eq!(duration("30secs"), Some(30.0));
        assert_eq!(duration("1sec"), Some(1.0));
        assert_eq!((duration("x"), duration("5min")), (None, None));
    }

    #[test]
    fn values_are_read_as_the_type_does() {
        let boolean = JenkinsParameter::boolean("B", true);
        assert_eq!((read(&boolean, "TRUE"), read(&boolean, "yes")), (Ok(json!(true)), Ok(json!(false))));
        let choice = JenkinsParameter::choice("C", &["one", "two"]);
        assert_eq!((read(&choice, "two"), read(&choice, "Two")), (Ok(json!("two")), Err(())));
    }
}

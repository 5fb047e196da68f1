//! The routes below a build: its log, its end, its artifacts, tests, stages and input steps.

use super::config::{JenkinsAccess as Access, JenkinsLog, JenkinsParameter};
use super::log::Form;
use super::pages::{BUILD, CANCEL, UPDATE};
use super::run::{Ending, JenkinsAnswer, Run};
use super::state::Jenkins;
use super::trigger::read;
use super::wire::{artifact_path, millis};
use super::{Call, OPAQUE_JSON};
use crate::content::Content;
use crate::http::{Request, Response, decode, storage_error};
use crate::ids::opaque;
use crate::world::World;
use serde_json::{Map, Value, json};

/// Begins the paths of artifacts in the storage.
const STORAGE_MARK: &str = "/jenkins-artifacts/";

impl Call<'_> {
    /// What lies below a build.
    pub(super) fn run(&mut self, index: usize, rest: &[&str]) -> Response {
        match (self.method, rest) {
            ("GET", []) => self.page(200, "Build - Jenkins", "Build"),
            ("GET", ["api", "json"]) => {
                self.polled = Some(index);
                self.json(&self.j.build_json(&self.j.runs[index]))
            }
            ("GET", ["consoleText"]) => self.console(index),
            ("GET" | "POST", ["logText", "progressiveText"]) => self.progressive(index, false),
            ("GET" | "POST", ["logText", "progressiveHtml"]) => self.progressive(index, true),
            (_, ["stop"]) => self.order(index, Ending::Stop),
            (_, ["term"]) => self.order(index, Ending::Term),
            (_, ["kill"]) => self.order(index, Ending::Kill),
            (_, ["input", id, action]) => self.input(index, id, action),
            (_, ["wfapi", tail @ ..]) => self.wfapi(index, tail),
            ("GET", ["artifact", path @ ..]) => self.artifact(index, path),
            ("GET", ["testReport", "api", "json"]) => self.test_report(index),
            ("POST", ["submitDescription"]) => {
                if self.access < Access::Build {
                    return self.forbidden(&UPDATE);
                }
                self.j.runs[index].description = self.form.first("description");
                self.to_path(&self.build_path(index))
            }
            _ => self.not_found(),
        }
    }

    /// The whole log; of a running build its complete lines, and not more of them than a page has.
    fn console(&mut self, index: usize) -> Response {
        let run = &self.j.runs[index];
        let end = if run.log_closed { run.log.len() } else { run.log.page_end(0) };
        let response = Response::new(200, "text/plain;charset=utf-8", run.log.read(0, end, Form::Plain));
        if run.pipeline() { response.with("Transfer-Encoding", "chunked") } else { response }
    }

    fn progressive(&mut self, index: usize, html: bool) -> Response {
        self.polled = Some(index);
        let run = &self.j.runs[index];
        let (log, size) = (&run.log, run.log.len());
        let given = self.form.first("start").and_then(|s| s.parse().ok()).unwrap_or(0);
        // Beyond the end it begins again.
        let start = if given > size { 0 } else { given };
        let end = if run.log_closed { size } else { log.page_end(start) };
        let lossy = !html && self.j.config.log == JenkinsLog::Lossy;
        // The text form says that it sent everything, whatever it sent.
        let next = if lossy { size } else { end };
        let form = match (html, self.j.config.log) {
            (true, _) => Form::Html,
            (false, JenkinsLog::Lossy) => Form::Raw,
            (false, JenkinsLog::Classic) => Form::PlainCrlf,
        };
        let kind = if html { "text/html;charset=utf-8" } else { "text/plain;charset=utf-8" };
        let mut response = Response::new(200, kind, log.read(start, end, form));
        if html {
            response.set("X-ConsoleAnnotator", &opaque(&format!("{index} {end}"), 120));
        }
        response.set("X-Text-Size", &next.to_string());
        if !run.log_closed {
            response.set("X-More-Data", "true");
        }
        response
    }

    fn order(&mut self, index: usize, how: Ending) -> Response {
        if how != Ending::Stop && !self.j.runs[index].pipeline() {
            return self.not_found();
        }
        if self.method != "POST" {
            return self.post_only();
        }
        if self.j.runs[index].in_progress && self.access < Access::Build {
            return self.forbidden(&CANCEL);
        }
        let user = self.caller.name.clone().unwrap_or_else(|| "anonymous".to_owned());
        self.j.runs[index].order_stop(how, &user);
        self.j.move_on(index, Some(0));
        self.to_path(&self.build_path(index))
    }

    fn test_report(&mut self, index: usize) -> Response {
        let run = &self.j.runs[index];
        if run.plan.tests.is_empty() || run.in_progress {
            return self.not_found();
        }
        let mut suites: Vec<(String, Vec<Value>)> = Vec::new();
        let (mut failed, mut skipped, mut seconds) = (0, 0, 0.0);
        for test in &run.plan.tests {
            match test.status.as_str() {
                "FAILED" | "REGRESSION" => failed += 1,
                "SKIPPED" => skipped += 1,
                _ => {}
            }
            seconds += test.seconds;
            let case = json!({
                "age": i32::from(test.error.is_some()), "className": test.class, "duration": test.seconds,
                "errorDetails": test.error,
                "errorStackTrace": test.error.as_ref().map(|e| format!("{e}\n\tat {}.{}", test.class, test.name)),
                "failedSince": i32::from(test.error.is_some()), "name": test.name,
                "skipped": test.status == "SKIPPED", "skippedMessage": null, "status": test.status, "stderr": null,
                "stdout": null,
            });
            match suites.iter_mut().find(|(class, _)| *class == test.class) {
                Some((_, cases)) => cases.push(case),
                None => suites.push((test.class.clone(), vec![case])),
            }
        }
        let suites: Vec<Value> =
            suites.into_iter().map(|(name, cases)| json!({"name": name, "cases": cases})).collect();
        let passed = run.plan.tests.len() - failed - skipped;
        self.json(&json!({
            "_class": "hudson.tasks.junit.TestResult", "duration": seconds, "empty": false, "failCount": failed,
            "passCount": passed, "skipCount": skipped, "totalCount": run.plan.tests.len(), "suites": suites,
        }))
    }

    fn wfapi(&mut self, index: usize, rest: &[&str]) -> Response {
        let run = &self.j.runs[index];
        if !self.j.config.wfapi || !run.pipeline() {
            return self.not_found();
        }
        let value = match (self.method, rest) {
            ("GET", ["describe"]) => self.describe(index),
            ("GET", ["pendingInputActions"]) => json!(self.pending(index)),
            _ => return self.not_found(),
        };
        Response::new(200, OPAQUE_JSON, Content::from_text(&value.to_string()))
    }

    fn describe(&self, index: usize) -> Value {
        let run = &self.j.runs[index];
        let path = format!("{}{}", self.j.config.context, self.build_path(index));
        let word = |result: &str| {
            match result {
                "FAILURE" => "FAILED",
                "NOT_BUILT" => "NOT_EXECUTED",
                other => other,
            }
            .to_owned()
        };
        let waits = run.question().is_some();
        let whole = match &run.result {
            Some(result) if !run.in_progress => word(result),
            _ if waits => "PAUSED_PENDING_INPUT".to_owned(),
            _ => "IN_PROGRESS".to_owned(),
        };
        let last = run.stages.len();
        let stages = run.stages.iter().enumerate().map(|(i, stage)| {
            let status = match stage.end {
                None if waits => "PAUSED_PENDING_INPUT".to_owned(),
                None => "IN_PROGRESS".to_owned(),
                Some(_) if i + 1 == last && !run.in_progress => whole.clone(),
                Some(_) => "SUCCESS".to_owned(),
            };
            json!({
                "_links": {"self": {"href": format!("{path}execution/node/{}/wfapi/describe", stage.node)}},
                "id": stage.node.to_string(), "name": stage.name, "execNode": "", "status": status,
                "startTimeMillis": millis(stage.start),
                "durationMillis": stage.end.unwrap_or(run.time).since(stage.start) / 1000, "pauseDurationMillis": 0,
            })
        });
        let end = run.ended.unwrap_or(run.time);
        json!({
            "_links": {"self": {"href": format!("{path}wfapi/describe")}},
            "id": run.number.unwrap_or_default().to_string(), "name": format!("#{}", run.number.unwrap_or_default()),
            "status": whole, "startTimeMillis": millis(run.started), "endTimeMillis": millis(end),
            "durationMillis": end.since(run.started) / 1000,
            "queueDurationMillis": run.started.since(run.since) / 1000, "pauseDurationMillis": 0,
            "stages": stages.collect::<Vec<_>>(),
        })
    }

    fn pending(&self, index: usize) -> Vec<Value> {
        let run = &self.j.runs[index];
        let path = format!("{}{}", self.j.config.context, self.build_path(index));
        let waiting = run.questions.iter().filter(|q| !q.settled);
        let shown = waiting.map(|q| {
            let id = q.input.id();
            let inputs = q.input.parameters.iter().map(|p| {
                let mut definition = json!({"defaultVal": p.default_value()});
                if !p.choices.is_empty() {
                    definition = json!({"choices": p.choices});
                }
                let mut shown = json!({"type": p.kind.type_name(), "name": p.name, "definition": definition});
                if let Some(description) = &p.description {
                    shown["description"] = json!(description);
                }
                shown
            });
            json!({
                "id": id, "proceedText": q.input.ok, "message": q.input.message, "inputs": inputs.collect::<Vec<_>>(),
                "proceedUrl": format!("{path}wfapi/inputSubmit?inputId={id}"),
                "abortUrl": format!("{path}input/{id}/abort"), "redirectApprovalUrl": format!("{path}input/"),
            })
        });
        shown.collect()
    }

    /// `/job/X/N/input/ID/ACTION`
    fn input(&mut self, index: usize, id: &str, action: &str) -> Response {
        let run = &self.j.runs[index];
        let known = ["proceed", "proceedEmpty", "abort"].contains(&action);
        let question = run.questions.iter().find(|q| q.input.id() == id).filter(|_| known && run.in_progress);
        let Some(question) = question.cloned() else { return self.not_found() };
        if self.method != "POST" {
            return self.post_only();
        }
        if self.access < Access::Build {
            return self.forbidden(&BUILD);
        }
        if question.settled {
            return self.failure("This input has been already given");
        }
        let user = self.caller.name.clone().unwrap_or_else(|| "anonymous".to_owned());
        if let Some(wanted) = question.input.submitter.filter(|s| !s.split(',').any(|n| n.trim() == user))
            && self.access < Access::Admin
        {
            return self.failure(&format!("You need to be {wanted} to submit this."));
        }
        let Ok(parameters) = self.filled(action, &question.input.parameters) else { return self.oops(500) };
        let answer = JenkinsAnswer { id: id.to_owned(), proceeded: action != "abort", user, parameters };
        self.j.runs[index].answer(answer);
        self.j.move_on(index, Some(0));
        Response::empty(200)
    }

    /// What was filled in; declared parameters that are missing become null, not their defaults.
    fn filled(&self, action: &str, declared: &[JenkinsParameter]) -> Result<Value, ()> {
        if action == "abort" {
            return Ok(Value::Null);
        }
        if action == "proceedEmpty" {
            return Ok(Value::Object(declared.iter().map(|p| (p.name.clone(), p.default_value())).collect()));
        }
        let text = self.form.first("json").unwrap_or_else(|| "null".to_owned());
        let json: Value = serde_json::from_str(&text).map_err(|_| ())?;
        let given = match &json["parameter"] {
            Value::Array(all) => all.clone(),
            Value::Null => Vec::new(),
            one => vec![one.clone()],
        };
        let mut filled: Map<String, Value> = declared.iter().map(|p| (p.name.clone(), Value::Null)).collect();
        for value in &given {
            let definition = declared.iter().find(|p| value["name"] == p.name).ok_or(())?;
            let value = match &value["value"] {
                Value::String(text) => read(definition, text)?,
                other => other.clone(),
            };
            filled.insert(definition.name.clone(), value);
        }
        Ok(Value::Object(filled))
    }

    /// `/job/X/N/artifact/PATH`
    fn artifact(&mut self, index: usize, path: &[&str]) -> Response {
        let run = &self.j.runs[index];
        let files = if run.in_progress { &[][..] } else { &run.plan.artifacts[..] };
        let name = path.join("/");
        let Some(at) = files.iter().position(|f| f.path == name) else {
            let folder = name.is_empty() || files.iter().any(|f| f.path.starts_with(&format!("{name}/")));
            if folder && !self.request.path.ends_with('/') {
                return self.to_path(&format!("{}artifact/{}/", self.build_path(index), artifact_path(&name)));
            }
            return if folder { self.page(200, "Artifacts - Jenkins", "Artifacts") } else { self.not_found() };
        };
        if self.j.config.artifact_redirect {
            let signature = opaque(&format!("{name} {index}"), 40);
            let place = format!("{STORAGE_MARK}{}/{}", run.id, artifact_path(&name));
            let location = format!("{}{place}?X-Amz-Expires=3600&X-Amz-Signature={signature}", self.storage);
            return Response::empty(302).with("Location", &location);
        }
        let mut response = file(run, at, self.request);
        for header in ["Content-Security-Policy", "X-WebKit-CSP", "X-Content-Security-Policy"] {
            let policy = "sandbox allow-same-origin; default-src 'none'; img-src 'self'; style-src 'self';";
            response.set(header, policy);
        }
        response
    }
}

fn file(run: &Run, at: usize, request: &Request) -> Response {
    let artifact = &run.plan.artifacts[at];
    let kind = match artifact.path.rsplit('.').next().unwrap_or_default() {
        "txt" | "log" => "text/plain",
        "json" => "application/json",
        "xml" => "application/xml",
        "html" => "text/html",
        _ => "application/octet-stream",
    };
    let modified = run.ended.unwrap_or(run.time).http_date();
    let whole = Response::new(200, kind, artifact.content());
    let whole = whole.with("Last-Modified", &modified).with("Expires", &modified).with("Accept-Ranges", "bytes");
    let same = request.header("if-range").is_none_or(|v| v == modified);
    match request.header("range").filter(|_| same) {
        Some(range) => whole.ranged(range),
        None => whole,
    }
}

/// The storage's side of a redirect; `None` for every other path.
pub(crate) fn stored(world: &World, request: &Request) -> Option<Response> {
    let (id, path) = request.path.strip_prefix(STORAGE_MARK)?.split_once('/')?;
    let jenkins: &Jenkins = world.jenkins.as_ref()?;
    let run = jenkins.runs.iter().find(|r| id.parse() == Ok(r.id));
    let at = run.and_then(|r| r.plan.artifacts.iter().position(|a| a.path == decode(path)));
    Some(match (run, at) {
        _ if request.query_one("X-Amz-Signature").is_none() => {
            storage_error(403, "SignatureDoesNotMatch", "Access denied.")
        }
        (Some(run), Some(at)) => file(run, at, request),
        _ => storage_error(404, "NoSuchKey", "The specified key does not exist."),
    })
}

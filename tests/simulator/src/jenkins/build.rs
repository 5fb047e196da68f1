//! A build: its JSON, its log in three forms, its end by order, its tests.

use super::Ctx;
use super::config::{JenkinsAccess as Access, JenkinsLog};
use super::log::Form;
use super::pages::{CANCEL, UPDATE};
use super::run::Ending;
use super::wire::millis;
use crate::http::Response;
use serde_json::{Value, json};

impl Ctx<'_> {
    /// What lies below a build.
    pub(crate) fn run(&mut self, index: usize, rest: &[&str]) -> Response {
        match (self.method, rest) {
            ("GET", []) => self.page(200, "Build - Jenkins", "Build"),
            ("GET", ["api", "json"]) => {
                self.looked_at = Some(index);
                self.json(&self.j.build_json(&self.j.runs[index]))
            }
            ("GET", ["consoleText"]) => self.console(index),
            ("GET" | "POST", ["logText", "progressiveText"]) => self.progressive(index, false),
            ("GET" | "POST", ["logText", "progressiveHtml"]) => self.progressive(index, true),
            (_, ["stop"]) => self.order(index, Ending::Gently),
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
            ("GET", ["buildNumber"]) => Response::text(200, &self.j.runs[index].number.unwrap_or_default().to_string()),
            _ => self.not_found(),
        }
    }

    /// The whole log; of a running build its complete lines, and not more of them than a page has.
    fn console(&mut self, index: usize) -> Response {
        let run = &self.j.runs[index];
        let end = if run.log_open { run.log.page_end(0) } else { run.log.len() };
        let response = Response::new(200, "text/plain;charset=utf-8", run.log.read(0, end, Form::Plain));
        if run.pipeline() { response.with("Transfer-Encoding", "chunked") } else { response }
    }

    fn progressive(&mut self, index: usize, html: bool) -> Response {
        self.looked_at = Some(index);
        let run = &self.j.runs[index];
        let (log, size) = (&run.log, run.log.len());
        let given = self.form.first("start").and_then(|s| s.parse().ok()).unwrap_or(0);
        // Beyond the end it begins again.
        let start = if given > size { 0 } else { given };
        let end = if run.log_open { log.page_end(start) } else { size };
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
        let more = run.log_open;
        if html {
            let state = crate::ids::opaque(&format!("{index} {end}"), 120);
            response.set("X-ConsoleAnnotator", &state.replace('-', "+").replace('_', "/"));
        }
        response.set("X-Text-Size", &next.to_string());
        if more {
            response.set("X-More-Data", "true");
        }
        response
    }

    fn order(&mut self, index: usize, how: Ending) -> Response {
        if how != Ending::Gently && !self.j.runs[index].pipeline() {
            return self.not_found();
        }
        if self.method != "POST" {
            return self.post_only();
        }
        if self.j.runs[index].in_progress && self.access < Access::Build {
            return self.forbidden(&CANCEL);
        }
        self.counters.jenkins_stops += 1;
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
                "age": i32::from(test.error.is_some()),
                "className": test.class,
                "duration": test.seconds,
                "errorDetails": test.error,
                "errorStackTrace": test.error.as_ref().map(|e| format!("{e}\n\tat {}.{}", test.class, test.name)),
                "failedSince": i32::from(test.error.is_some()),
                "name": test.name,
                "skipped": test.status == "SKIPPED",
                "skippedMessage": null,
                "status": test.status,
                "stderr": null,
                "stdout": null,
            });
            let name = test.suite.clone().unwrap_or_else(|| test.class.clone());
            match suites.iter_mut().find(|(n, _)| *n == name) {
                Some((_, cases)) => cases.push(case),
                None => suites.push((name, vec![case])),
            }
        }
        let suites: Vec<Value> =
            suites.into_iter().map(|(name, cases)| json!({"name": name, "cases": cases})).collect();
        let passed = run.plan.tests.len() - failed - skipped;
        self.json(&json!({
            "_class": "hudson.tasks.junit.TestResult",
            "duration": seconds,
            "empty": false,
            "failCount": failed,
            "passCount": passed,
            "skipCount": skipped,
            "totalCount": run.plan.tests.len(),
            "suites": suites,
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
            ("GET", ["nextPendingInputAction"]) => self.pending(index).into_iter().next().unwrap_or(Value::Null),
            (_, ["inputSubmit"]) => {
                let id = self.form.first("inputId").unwrap_or_default();
                return self.input(index, &id, "wfapi");
            }
            _ => return self.not_found(),
        };
        let content = crate::content::Content::from_text(&value.to_string());
        Response::new(200, "application/json;charset=utf-8", content)
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
                "id": stage.node.to_string(),
                "name": stage.name,
                "execNode": "",
                "status": status,
                "startTimeMillis": millis(stage.start),
                "durationMillis": stage.end.unwrap_or(run.time).since(stage.start) / 1000,
                "pauseDurationMillis": 0,
            })
        });
        let end = run.ended.unwrap_or(run.time);
        json!({
            "_links": {"self": {"href": format!("{path}wfapi/describe")}},
            "id": run.number.unwrap_or_default().to_string(),
            "name": format!("#{}", run.number.unwrap_or_default()),
            "status": whole,
            "startTimeMillis": millis(run.started),
            "endTimeMillis": millis(end),
            "durationMillis": end.since(run.started) / 1000,
            "queueDurationMillis": run.started.since(run.since) / 1000,
            "pauseDurationMillis": 0,
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
                json!({"type": p.kind.type_name(), "name": p.name, "description": p.description, "definition": definition})
            });
            json!({
                "id": id,
                "proceedText": q.input.ok,
                "message": q.input.message,
                "inputs": inputs.collect::<Vec<_>>(),
                "proceedUrl": format!("{path}wfapi/inputSubmit?inputId={id}"),
                "abortUrl": format!("{path}input/{id}/abort"),
                "redirectApprovalUrl": format!("{path}input/"),
            })
        });
        shown.collect()
    }
}

//! Test results, which only the legacy API tells: `buildActions[].results[].suites[].tests[]`.
//!
//! In all answers seen so far every test has an id, a name and the status `success`. The counts beside them tell that
//! `failed`, `errored` and `skipped` exist; what such a test carries is not known, so the likely names are tried.

use std::time::Duration;

use serde_json::Value;

use super::client::Client;
use super::wire;
use crate::error::RequestError;
use crate::json::{entries, objects, str};
use crate::model::{TestCase, TestStatus, TestSuite};

impl Client {
    /// The results of all tests that the steps of a build ran.
    pub fn test_results(&self, id: &str) -> Result<Vec<TestSuite>, RequestError> {
        Ok(suites(&*self.legacy(&format!("reading the test results of build {id}"), id)?))
    }
}

fn suites(build: &Value) -> Vec<TestSuite> {
    let mut found = Vec::new();
    for action in objects(build, "buildActions") {
        let group = str(action, "name").unwrap_or_default();
        let at = str(action, "startedAt").and_then(wire::time);
        let at = at.map(|at| humantime::format_rfc3339_seconds(at).to_string().trim_end_matches('Z').to_owned());
        for report in entries(&action["results"]) {
            let inner = entries(&report["suites"]);
            // A report without suites may hold its tests itself.
            let suites = if inner.is_empty() { std::slice::from_ref(report) } else { inner };
            found.extend(suites.iter().filter_map(|suite| {
                let cases: Vec<TestCase> = entries(suite.get("tests")?).iter().map(case).collect();
                let name = text(suite, &["name"]).unwrap_or_else(|| "tests".to_owned());
                (!cases.is_empty()).then(|| TestSuite { name, group: group.to_owned(), at: at.clone(), cases })
            }));
        }
    }
    found
}

fn case(test: &Value) -> TestCase {
    let word = text(test, &["status", "result"]).unwrap_or_default();
    let status = match word.to_ascii_lowercase().as_str() {
        "success" | "passed" | "pass" | "ok" => TestStatus::Passed,
        "failed" | "failure" | "fail" => TestStatus::Failed,
        "skipped" | "skip" | "ignored" | "disabled" | "pending" => TestStatus::Skipped,
        // What is not known to be good is not shown as good.
        _ => TestStatus::Errored,
    };
    let known = ["errored", "error", "broken"].contains(&word.as_str()) || status != TestStatus::Errored;
    let message = text(test, &["message", "error", "failure", "reason", "details"]);
    let trace = text(test, &["stackTrace", "stack_trace", "stacktrace", "trace"]);
    let message = match (message, trace) {
        (Some(message), Some(trace)) => Some(format!("{message}\n{trace}")),
        (message, trace) => message.or(trace).or_else(|| (!known).then(|| format!("its status is {word:?}"))),
    };
    TestCase {
        name: text(test, &["name", "title"]).unwrap_or_else(|| "unnamed test".to_owned()),
        status,
        message,
        took: test.get("time").and_then(Value::as_f64).and_then(|time| Duration::try_from_secs_f64(time).ok()),
    }
}

/// The first of these fields that holds a text, itself or as its own message.
fn text(value: &Value, names: &[&str]) -> Option<String> {
    names
        .iter()
        .filter_map(|name| value.get(name))
        .find_map(|field| field.as_str().or_else(|| field.get("message")?.as_str()))
        .filter(|text| !text.trim().is_empty())
        .map(str::to_owned)
}

#[cfg(test)]
#[path = "tests_tests.rs"]
mod tests;

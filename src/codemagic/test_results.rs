//! Test results, which only the legacy API knows: `buildActions[].results[].suites[].tests[]`.

use std::time::Duration;

use super::client::Client;
use super::reference::BuildId;
use super::wire::{self, LegacySuite, LegacyTest, TestedAction};
use crate::clock::{format_time, parse_time};
use crate::error::RequestError;
use crate::lenient;
use crate::lifecycle::TestReport;
use crate::model::{TestCase, TestStatus, TestSuite};

impl Client {
    /// The results of all tests that the steps of a build ran.
    pub(super) fn test_results(&self, id: &BuildId) -> Result<TestReport, RequestError> {
        let answer = self.legacy_answer(&format!("reading the test results of build {id}"), id)?;
        Ok(TestReport::new(None, answer, suites))
    }
}

/// The suites with tests that the steps of a build ran.
pub(super) fn suites(answer: &str) -> Box<dyn Iterator<Item = TestSuite<'_>> + '_> {
    let answer = lenient::read_object::<wire::TestedAnswer>(answer).unwrap_or_default();
    let actions = answer.build.0.unwrap_or_default().build_actions;
    Box::new(actions.iter().flat_map(suites_of_step))
}

fn suites_of_step(action: TestedAction<'_>) -> impl Iterator<Item = TestSuite<'_>> {
    let group = action.name.0.unwrap_or_default();
    let at = action.started_at.text().and_then(parse_time).and_then(format_time);
    // JUnit's times have no zone.
    let at = at.map(|at| at.trim_end_matches('Z').to_owned());
    let suites = action.results.iter().flat_map(|results| {
        let itself = LegacySuite { name: results.name, tests: results.tests };
        let itself = results.suites.iter().next().is_none().then_some(itself);
        results.suites.iter().chain(itself)
    });
    suites.filter(|suite| suite.tests.iter().next().is_some()).map(move |LegacySuite { name, tests }| TestSuite {
        name: name.0.filter(|name| !name.trim().is_empty()).unwrap_or_else(|| "tests".to_owned()),
        group: group.clone(),
        at: at.clone(),
        cases: Box::new(move || Box::new(tests.iter().map(|test| case(&test)))),
    })
}

fn case(test: &LegacyTest) -> TestCase {
    let word = test.status.text().or(test.result.text()).unwrap_or_default();
    let status = match word.to_ascii_lowercase().as_str() {
        "success" | "passed" | "pass" | "ok" => TestStatus::Passed,
        "failed" | "failure" | "fail" => TestStatus::Failed,
        "skipped" | "skip" | "ignored" | "disabled" | "pending" => TestStatus::Skipped,
        // What is not known to be good is not shown as good.
        _ => TestStatus::Errored,
    };
    let known = ["errored", "error", "broken"].contains(&word) || status != TestStatus::Errored;
    let messages = [&test.message, &test.error, &test.failure, &test.reason, &test.details];
    let message = messages.into_iter().find_map(wire::Words::message);
    let traces = [&test.stack_trace, &test.stack_trace_snake, &test.stack_trace_word, &test.trace];
    let trace = traces.into_iter().find_map(wire::Words::message);
    let message = match (message, trace) {
        (Some(message), Some(trace)) => Some(format!("{message}\n{trace}")),
        (message, trace) => {
            let only = message.or(trace).map(str::to_owned);
            only.or_else(|| (!known).then(|| format!("unknown status {word:?}")))
        }
    };
    let name =
        [&test.name, &test.title].into_iter().find_map(|field| field.text().filter(|text| !text.trim().is_empty()));
    TestCase {
        name: name.unwrap_or("unnamed test").to_owned(),
        status,
        message,
        took: test.time.0.and_then(|time| Duration::try_from_secs_f64(time).ok()),
    }
}

#[cfg(test)]
#[path = "test_results_tests.rs"]
mod tests;

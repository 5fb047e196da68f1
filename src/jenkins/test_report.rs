//! Test reports (plugin junit, or any other that publishes a `testReport`).

use std::time::Duration;

use super::client::{Client, tree};
use super::reference::BuildRef;
use super::wire;
use crate::error::{ExitCode, RequestError};
use crate::lenient;
use crate::lifecycle::TestReport;
use crate::model::{TestCase, TestCounts, TestStatus, TestSuite};

/// What is asked for about each report: of one job, and of builds whose reports another one collects.
const SUITES: &str = "suites[name,timestamp,cases[className,name,status,duration,errorDetails,skippedMessage]]";

impl Client {
    /// A build's test report; an empty one where it published none.
    pub fn tests(&self, build: &BuildRef) -> Result<TestReport, RequestError> {
        let counts = "failCount,skipCount,passCount";
        let tree = tree(&format!("_class,{counts},totalCount,{SUITES},childReports[result[{counts},{SUITES}]]"));
        let path = format!("{}/testReport/api/json?{tree}", build.path());
        let subject = format!("tests of build {build}");
        let mut response = self.get_body(&subject, &path)?;
        let text = if response.status == 200 { lenient::text(&mut response.body) } else { None };
        let report = text.and_then(lenient::read_object::<wire::TestReport>);
        let is_json = report.is_some();
        if let Some(counts) = report.and_then(|report| stated_counts(&report)) {
            let answer = String::from_utf8(response.body).unwrap_or_default();
            return Ok(TestReport::new(Some(counts), answer, suites));
        }
        let refusal = self.no_answer(&subject, &response, is_json);
        if refusal.error.code() == ExitCode::NotFound { Ok(TestReport::default()) } else { Err(refusal) }
    }
}

/// The counts that Jenkins states; the listed tests may be fewer. `None` if the answer has none.
fn stated_counts(report: &wire::TestReport<'_>) -> Option<TestCounts> {
    report.fail_count.0.or(report.total_count.0)?;
    let (failed, skipped) = (report.fail_count.0.unwrap_or_default(), report.skip_count.0.unwrap_or_default());
    // An aggregated report states the total instead of the passed ones.
    let rest = report.total_count.0.map(|total| total.saturating_sub(failed).saturating_sub(skipped));
    let passed = report.pass_count.0.or(rest).unwrap_or_default();
    Some(TestCounts { passed, failed, errored: 0, skipped })
}

/// The listed tests, those of collected reports as well.
pub(super) fn suites(answer: &str) -> Box<dyn Iterator<Item = TestSuite<'_>> + '_> {
    let report = lenient::read_object::<wire::TestReport>(answer).unwrap_or_default();
    let children = report.child_reports.iter().filter_map(|child| child.result.0);
    Box::new(report.suites.iter().chain(children.flat_map(|child| child.suites.iter())).map(suite))
}

fn suite(wire: wire::TestSuite<'_>) -> TestSuite<'_> {
    let name = wire.name.0.unwrap_or_default();
    let suite = name.clone();
    let cases = move || -> Box<dyn Iterator<Item = TestCase>> {
        let suite = suite.clone();
        Box::new(wire.cases.iter().map(move |wire| case(wire, &suite)))
    };
    TestSuite { name, group: String::new(), at: wire.timestamp.0, cases: Box::new(cases) }
}

fn case(wire: wire::TestCase, suite: &str) -> TestCase {
    let (class, name) = (wire.class_name.text_or_empty(), wire.name.text_or_empty());
    // JUnit names a suite after its class where it has only one.
    let is_known = class.is_empty() || class == suite;
    let name = if is_known { name.to_owned() } else { format!("{class}.{name}") };
    let status = match wire.status.text_or_empty() {
        "FAILED" | "REGRESSION" => TestStatus::Failed,
        "SKIPPED" => TestStatus::Skipped,
        _ => TestStatus::Passed,
    };
    let said = wire.error_details.0.or(wire.skipped_message.0);
    let message = said.as_deref().and_then(|text| text.lines().find(|line| !line.trim().is_empty()));
    let took =
        wire.duration.0.filter(|seconds| *seconds >= 0.0).and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    TestCase { name, status, message: message.map(str::to_owned), took }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(answer: &str) -> TestReport {
        let stated = stated_counts(&lenient::read_object(answer).unwrap());
        TestReport::new(stated, answer.to_owned(), suites)
    }

    fn cases(report: &TestReport) -> Vec<TestCase> {
        report.suites().flat_map(|suite| (suite.cases)()).collect()
    }

    #[test]
    fn a_report_has_the_stated_counts_and_the_listed_tests() {
        let report = read(
            r#"{"failCount":1,"skipCount":1,"passCount":2,"suites":[{"name":"(r.xml)","timestamp":"2026-11-27T10:00:00","cases":[
                {"className":"c","name":"t1","status":"PASSED","duration":0.25},
                {"className":"c","name":"t2","status":"REGRESSION","errorDetails":"\n boom\nmore"},
                {"name":"t3","status":"SKIPPED","skippedMessage":"not today"}, null]}]}"#,
        );
        assert_eq!((report.counts.passed, report.counts.failed, report.counts.skipped), (2, 1, 1));
        let cases = cases(&report);
        assert_eq!(cases[0].took, Some(Duration::from_millis(250)));
        assert_eq!((cases[1].name.as_str(), cases[1].message.as_deref()), ("c.t2", Some(" boom")));
        assert_eq!((cases[2].name.as_str(), cases[2].status), ("t3", TestStatus::Skipped));
        assert_eq!(report.failures().count(), 1);
        let named =
            read(r#"{"failCount":1,"suites":[{"name":"c","cases":[{"className":"c","name":"t","status":"FAILED"}]}]}"#);
        assert_eq!(named.failures().next().unwrap().1.name, "t", "the suite is the class");
    }

    #[test]
    fn an_aggregated_report_counts_what_is_left_of_the_total_as_passed() {
        let report = read(
            r#"{"failCount":1,"skipCount":0,"totalCount":5,"childReports":[{"result":{"suites":[{"cases":[
                {"className":"c","name":"bad","status":"FAILED"}]}]}}]}"#,
        );
        assert_eq!((report.counts.passed, report.counts.failed, report.failures().count()), (4, 1, 1));
        assert_eq!(read(r#"{"failCount":7,"skipCount":9,"totalCount":5}"#).counts.passed, 0);
    }
}

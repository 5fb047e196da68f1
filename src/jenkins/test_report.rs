//! Test reports (plugin junit, or any other that publishes a `testReport`).

use std::time::Duration;

use super::client::{Client, tree};
use super::reference::BuildRef;
use super::wire;
use crate::error::{ExitCode, RequestError};
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
        let has_counts = |report: &wire::TestReport| report.fail_count.0.is_some() || report.total_count.0.is_some();
        match self.json(&format!("tests of build {build}"), &path, has_counts) {
            Ok(report) => Ok(read(report)),
            Err(error) if error.error.code() == ExitCode::NotFound => Ok(TestReport::default()),
            Err(error) => Err(error),
        }
    }
}

/// The report with the counts that Jenkins states; the listed tests may be fewer.
fn read(wire: wire::TestReport) -> TestReport {
    let (failed, skipped) = (wire.fail_count.0.unwrap_or_default(), wire.skip_count.0.unwrap_or_default());
    // An aggregated report states the total instead of the passed ones.
    let rest = wire.total_count.0.map(|total| total.saturating_sub(failed).saturating_sub(skipped));
    let passed = wire.pass_count.0.or(rest).unwrap_or_default();
    let children = wire.child_reports.entries.into_iter().filter_map(|child| child.result.0);
    let children = children.flat_map(|report| report.suites.entries);
    let suites = wire.suites.entries.into_iter().chain(children).map(suite).collect();
    TestReport { counts: TestCounts { passed, failed, errored: 0, skipped }, suites }
}

fn suite(wire: wire::TestSuite) -> TestSuite {
    // JUnit names a suite after its class where it has only one.
    let full_name = |case: &wire::TestCase| {
        let (class, name) = (case.class_name.text_or_empty(), case.name.text_or_empty());
        let is_known = class.is_empty() || Some(class) == wire.name.text();
        if is_known { name.to_owned() } else { format!("{class}.{name}") }
    };
    let case = |case: wire::TestCase| {
        let name = full_name(&case);
        let status = match case.status.text_or_empty() {
            "FAILED" | "REGRESSION" => TestStatus::Failed,
            "SKIPPED" => TestStatus::Skipped,
            _ => TestStatus::Passed,
        };
        let said = case.error_details.0.or(case.skipped_message.0);
        let message = said.as_deref().and_then(|text| text.lines().find(|line| !line.trim().is_empty()));
        let took = case
            .duration
            .0
            .filter(|seconds| *seconds >= 0.0)
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        TestCase { name, status, message: message.map(str::to_owned), took }
    };
    let cases = wire.cases.entries.into_iter().map(case).collect();
    TestSuite { name: wire.name.0.unwrap_or_default(), group: String::new(), at: wire.timestamp.0, cases }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_has_the_stated_counts_and_the_listed_tests() {
        let report = read(
            wire::decode(
                br#"{"failCount":1,"skipCount":1,"passCount":2,"suites":[{"name":"(r.xml)","timestamp":"2026-11-27T10:00:00","cases":[
                    {"className":"c","name":"t1","status":"PASSED","duration":0.25},
                    {"className":"c","name":"t2","status":"REGRESSION","errorDetails":"\n boom\nmore"},
                    {"name":"t3","status":"SKIPPED","skippedMessage":"not today"}, null]}]}"#,
            )
            .unwrap(),
        );
        assert_eq!((report.counts.passed, report.counts.failed, report.counts.skipped), (2, 1, 1));
        let cases = &report.suites[0].cases;
        assert_eq!(cases[0].took, Some(Duration::from_millis(250)));
        assert_eq!((cases[1].name.as_str(), cases[1].message.as_deref()), ("c.t2", Some(" boom")));
        assert_eq!((cases[2].name.as_str(), cases[2].status), ("t3", TestStatus::Skipped));
        assert_eq!(report.failures().count(), 1);
        let named = read(
            wire::decode(
                br#"{"failCount":1,"suites":[{"name":"c","cases":[{"className":"c","name":"t","status":"FAILED"}]}]}"#,
            )
            .unwrap(),
        );
        assert_eq!(named.suites[0].cases[0].name, "t", "the suite is the class");
    }

    #[test]
    fn an_aggregated_report_counts_what_is_left_of_the_total_as_passed() {
        let text = br#"{"failCount":1,"skipCount":0,"totalCount":5,"childReports":[{"result":{"suites":[{"cases":[
            {"className":"c","name":"bad","status":"FAILED"}]}]}}]}"#;
        let report = read(wire::decode(text).unwrap());
        assert_eq!((report.counts.passed, report.counts.failed, report.failures().count()), (4, 1, 1));
        let odd = read(wire::decode(br#"{"failCount":7,"skipCount":9,"totalCount":5}"#).unwrap());
        assert_eq!(odd.counts.passed, 0);
    }
}

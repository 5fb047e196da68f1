//! Legacy answers: a made-up one with every oddity.

use super::*;
use crate::model::TestCounts;

const FIXTURE: &str = include_str!("../../tests/fixtures/legacy-build-tests.json");

#[test]
fn results_of_all_steps_are_read_and_odd_ones_hide_nothing() {
    let report = TestReport::new(None, FIXTURE.to_owned(), suites);
    let found: Vec<_> = report.suites().collect();
    let cases: Vec<Vec<TestCase>> = found.iter().map(|suite| (suite.cases)().collect()).collect();
    let shown: Vec<(&str, &str, usize)> = found
        .iter()
        .zip(&cases)
        .map(|(suite, cases)| (suite.group.as_str(), suite.name.as_str(), cases.len()))
        .collect();
    assert_eq!(
        shown,
        [
            ("Unit tests", "suite_213_test.dart", 2),
            ("Integration tests", "tests", 5),
            ("Integration tests", "flat.json", 1)
        ]
    );
    assert_eq!(found[0].at.as_deref(), Some("2021-02-01T14:33:15"));
    assert_eq!(found[1].at, None);
    let shown: Vec<(&str, TestStatus, Option<&str>)> =
        cases[1].iter().map(|case| (case.name.as_str(), case.status, case.message.as_deref())).collect();
    assert_eq!(
        shown,
        [
            ("fails", TestStatus::Failed, Some("Expected: 3\nat a.dart:1")),
            ("breaks", TestStatus::Errored, Some("no device")),
            ("waits", TestStatus::Skipped, Some("later")),
            ("surprises", TestStatus::Errored, Some("unknown status \"exploded\"")),
            ("unnamed test", TestStatus::Errored, Some("unknown status \"\"")),
        ]
    );
    assert_eq!(cases[1][1].took, Some(Duration::from_millis(1500)));
    assert_eq!(report.counts, TestCounts { passed: 3, failed: 1, errored: 3, skipped: 1 });
}

#[test]
fn odd_artifacts_hide_no_others() {
    let build = lenient::parse::<wire::LegacyAnswer>(FIXTURE.as_bytes()).unwrap().build.0.unwrap();
    let names: Vec<_> = build.artefacts.entries.iter().map(|artifact| artifact.name.text()).collect();
    assert_eq!(names, [Some("app.apk"), Some("odd"), Some("no-sum.txt")]);
    let sizes: Vec<_> = build.artefacts.entries.iter().map(|artifact| artifact.size.0).collect();
    assert_eq!(sizes, [Some(15_645_477), None, Some(3)]);
}

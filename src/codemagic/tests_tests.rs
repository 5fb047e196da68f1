//! Legacy answers: a made-up one with every oddity, and real ones where they are at hand.

use super::*;
use crate::output::junit::{self, Counts};

fn fixture() -> Value {
    let text = include_str!("../../tests/fixtures/legacy-build-tests.json");
    serde_json::from_str::<Value>(text).unwrap()["build"].take()
}

#[test]
fn results_of_all_steps_are_read_and_odd_ones_hide_nothing() {
    let found = suites(&fixture());
    let shown: Vec<(&str, &str, usize)> =
        found.iter().map(|suite| (suite.group.as_str(), suite.name.as_str(), suite.cases.len())).collect();
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
    let cases: Vec<(&str, TestStatus, Option<&str>)> =
        found[1].cases.iter().map(|case| (case.name.as_str(), case.status, case.message.as_deref())).collect();
    assert_eq!(
        cases,
        [
            ("fails", TestStatus::Failed, Some("Expected: 3\nat a.dart:1")),
            ("breaks", TestStatus::Errored, Some("no device")),
            ("waits", TestStatus::Skipped, Some("later")),
            ("surprises", TestStatus::Errored, Some("its status is \"exploded\"")),
            ("unnamed test", TestStatus::Errored, Some("its status is \"\"")),
        ]
    );
    assert_eq!(found[1].cases[1].took, Some(Duration::from_millis(1500)));
    let counts = Counts::of(found.iter().flat_map(|suite| &suite.cases));
    assert_eq!(counts, Counts { passed: 3, failed: 1, errored: 3, skipped: 1 });
}

#[test]
fn odd_artifacts_hide_no_others() {
    let artifacts = wire::legacy_artifacts(&fixture());
    let names: Vec<&str> = artifacts.iter().map(|artifact| artifact.name.as_str()).collect();
    assert_eq!(names, ["app.apk", "odd", "no-sum.txt"]);
}

#[test]
fn real_answers_are_read_completely() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/codemagic/legacy-builds.jsonl");
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: there are no recorded answers at {}", path.display());
        return;
    };
    let (mut builds, mut tests, mut artifacts) = (0, 0, 0);
    for line in text.lines() {
        let raw: Value = serde_json::from_str(line).unwrap();
        let listed = raw["artefacts"].as_array().map_or(0, Vec::len);
        assert_eq!(wire::legacy_artifacts(&raw).len(), listed);
        let suites = suites(&raw);
        let counts = Counts::of(suites.iter().flat_map(|suite| &suite.cases));
        let listed_tests: usize = raw["buildActions"]
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(|action| entries(&action["results"]))
            .flat_map(|report| entries(&report["suites"]))
            .map(|suite| entries(&suite["tests"]).len())
            .sum();
        // Whatever is recorded there succeeded.
        assert_eq!((counts.passed, counts.total()), (listed_tests, listed_tests));
        junit::xml(&suites).unwrap();
        builds += 1;
        tests += counts.total();
        artifacts += listed;
    }
    println!("{builds} builds, {artifacts} artifacts, {tests} tests");
    assert!(builds > 0 && tests > 0 && artifacts > 0);
}

//! The result document's shape: every key is always there, and no other.

use serde_json::Value;

const KEYS: [&str; 14] = [
    "schema",
    "provider",
    "outcome",
    "exit_code",
    "severity",
    "call_failed",
    "summary",
    "adopted",
    "still_running",
    "build",
    "failure",
    "steps",
    "artifacts",
    "error",
];
const SEVERAL: [&str; 6] = ["schema", "provider", "outcome", "exit_code", "builds", "error"];
/// What single verbs add at the end, in the order in which they do.
const MORE: [&str; 14] = [
    "inputs",
    "parameters",
    "config",
    "token",
    "passed",
    "failed",
    "skipped",
    "failures",
    "tests",
    "links",
    "logs",
    "apps",
    "workflows",
    "caches",
];
const BUILD: [&str; 13] = [
    "title",
    "id",
    "number",
    "url",
    "status",
    "app_id",
    "workflow_id",
    "branch",
    "tag",
    "commit",
    "labels",
    "queued_seconds",
    "run_seconds",
];
const FAILURE: [&str; 3] = ["message", "step", "log_tail"];
const STEP: [&str; 3] = ["name", "status", "seconds"];
const ARTIFACT: [&str; 6] = ["name", "type", "size", "path", "md5", "sha256"];
const ERROR: [&str; 2] = ["message", "hint"];
const OUTCOMES: [&str; 17] = [
    "started",
    "dry_run",
    "running",
    "success",
    "failed",
    "unstable",
    "canceled",
    "skipped",
    "timed_out",
    "wrong_commit",
    "refused",
    "unavailable",
    "unknown",
    "local_fault",
    "usage_error",
    "internal_error",
    "interrupted",
];

/// Panics unless `document` has the published shape.
#[track_caller]
pub(crate) fn check(document: &Value) {
    if document.get("builds").is_some() {
        keys(document, &SEVERAL);
        document["builds"].as_array().unwrap().iter().for_each(check);
    } else {
        let mut wanted = KEYS.to_vec();
        if document.get("request").is_some() {
            assert_eq!(document["outcome"], "dry_run");
            wanted.push("request");
        }
        if document.get("next_look_seconds").is_some() {
            assert_eq!(document["outcome"], "running");
            wanted.push("next_look_seconds");
        }
        wanted.extend(MORE.iter().filter(|key| document.get(**key).is_some()));
        keys(document, &wanted);
        nullable(&document["build"], &BUILD);
        nullable(&document["failure"], &FAILURE);
        document["steps"].as_array().unwrap().iter().for_each(|step| keys(step, &STEP));
        document["artifacts"].as_array().unwrap().iter().for_each(|artifact| keys(artifact, &ARTIFACT));
    }
    assert_eq!(document["schema"], 1);
    assert!(["codemagic", "jenkins"].contains(&document["provider"].as_str().unwrap()), "{document}");
    let outcome = document["outcome"].as_str().unwrap();
    assert!(OUTCOMES.contains(&outcome), "outcome {outcome}");
    nullable(&document["error"], &ERROR);
}

#[track_caller]
fn nullable(value: &Value, wanted: &[&str]) {
    if !value.is_null() {
        keys(value, wanted);
    }
}

#[track_caller]
fn keys(value: &Value, wanted: &[&str]) {
    let found: Vec<_> = value.as_object().unwrap().keys().collect();
    assert_eq!(found, wanted, "keys of {value}");
}

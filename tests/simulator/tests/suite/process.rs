//! The binary: its ready line, its file, its ends.

use crate::client::once;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

fn begin(args: &[&str]) -> (Child, Value) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_cibridge-simulator"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (child, serde_json::from_str(&line).unwrap())
}

#[test]
fn tells_where_it_is_and_ends_with_its_input() {
    let folder = tempfile::tempdir().unwrap();
    let (ready, plan) = (folder.path().join("ready.json"), folder.path().join("plan.json"));
    std::fs::write(&plan, r#"[{"status": "failed"}]"#).unwrap();
    let app = "60a0b1c2d3e4f56789abcd77";
    let paths = [ready.to_str().unwrap(), plan.to_str().unwrap()];
    let args = ["--key", "k", "--app", app, "--plan", paths[1], "--ready-file", paths[0], "--exit-on-stdin-close"];
    let (mut child, line) = begin(&args);
    let file: Value = serde_json::from_str(&std::fs::read_to_string(&ready).unwrap()).unwrap();
    assert_eq!(file, line);
    assert_eq!((&line["key"], &line["app_id"], &line["pid"]), (&"k".into(), &app.into(), &child.id().into()));
    let base = line["legacy"].as_str().unwrap();
    let path = format!("/api/v3/apps/{app}/builds");
    let body = r#"{"workflow_id": "ios-release", "tag": "v1"}"#;
    assert_eq!(once(base, "POST", &path, &["x-auth-token: k"], body).unwrap().status, 202);
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn plays_a_jenkins_if_it_is_asked_to() {
    let (mut child, line) = begin(&["--jenkins-port", "0", "--exit-on-stdin-close"]);
    let reply = once(line["jenkins"].as_str().unwrap(), "GET", "/whoAmI/api/json", &[], "").unwrap();
    assert_eq!((reply.json()["name"].as_str(), &line["jenkins_user"]), (Some("anonymous"), &"dev".into()));
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

#[test]
#[cfg(unix)]
fn ends_on_a_signal_and_takes_its_files_along() {
    let (mut child, line) = begin(&["--tls", "--leaf", "expired", "--limit", "10"]);
    let ca = line["ca_file"].as_str().unwrap().to_owned();
    assert!(std::path::Path::new(&ca).exists() && line["v3"].as_str().unwrap().starts_with("https://"));
    let kill = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(kill.success() && child.wait().unwrap().success());
    assert!(!std::path::Path::new(&ca).exists());
}

#[test]
fn refuses_what_it_cannot_read() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_cibridge-simulator")).args(["--plan", "/nonexistent"]).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("cibridge-simulator: error: /nonexistent: "));
}

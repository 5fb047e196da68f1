//! The binary and its control paths, which tests in other languages use.

use crate::client::{Reply, once};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

fn begin(args: &[&str]) -> (Child, Value) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cibridge-simulator"));
    let mut child = command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (child, serde_json::from_str(&line).unwrap())
}

#[test]
fn everything_can_be_done_by_http() {
    let folder = tempfile::tempdir().unwrap();
    let ready = folder.path().join("ready.json");
    let app = "60a0b1c2d3e4f56789abcd77";
    let file = ready.to_str().unwrap();
    let flags = ["--key", "k", "--app", app, "--advance", "manual", "--jenkins-port", "0"];
    let (mut child, line) = begin(&[&flags[..], &["--ready-file", file, "--exit-on-stdin-close"]].concat());
    assert_eq!(serde_json::from_str::<Value>(&std::fs::read_to_string(&ready).unwrap()).unwrap(), line);
    let base = line["legacy"].as_str().unwrap();
    let control = |method: &str, path: &str, body: &Value| -> Reply {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        once(base, method, &format!("/_sim/{path}"), &[], &body).unwrap()
    };
    let request = |method: &str, path: &str, body: &str| once(base, method, path, &["x-auth-token: k"], body).unwrap();
    control("POST", "fault", &json!([{"kind": "status", "status": 503, "method": "GET", "path": "/builds/"}]));
    control("POST", "plan", &json!({"status": "timeout", "queued_seconds": 1, "times": 1}));
    let start = format!("/api/v3/apps/{app}/builds");
    let started = request("POST", &start, r#"{"workflow_id": "ios-release", "tag": "v1"}"#).json();
    let id = started["data"]["id"].as_str().unwrap();
    assert_eq!(request("GET", &format!("/api/v3/builds/{id}"), "").status, 503);
    control("POST", "advance", &json!({"build": id, "to": "building"}));
    assert_eq!(control("GET", "builds", &Value::Null).json()["builds"][0]["status"], "building");
    control("POST", "advance", &json!({"seconds": 1000}));
    assert_eq!(control("GET", "wait?status=timeout", &Value::Null).status, 200);
    let hit = control("GET", "requests?method=GET&path=/builds/", &Value::Null).json()["requests"][0].clone();
    assert_eq!(
        (&hit["status"], &hit["fault"], &hit["headers"]["x-auth-token"]),
        (&503.into(), &"status".into(), &"k".into())
    );
    let state = control("GET", "state", &Value::Null).json();
    assert_eq!((&state["counters"]["builds_started"], &state["counters"]["requests"]), (&json!(1), &json!(2)));
    control("POST", "config", &json!({"limit_headers": false}));
    control("POST", "jenkins/job", &json!({"name": "new/one", "kind": "pipeline"}));
    assert_eq!(control("GET", "jenkins/runs", &Value::Null).json(), json!({"runs": []}));

    for (path, body, expected) in [
        ("fault", json!({"kind": "status", "status": 500, "tiems": 2}), "tiems"),
        ("plan", json!({"statsu": "x"}), "statsu"),
        ("advance", json!({"second": 1}), "second"),
        ("config", json!({"prot": 1}), "prot"),
        ("nonsense", Value::Null, "/_sim/nonsense"),
    ] {
        let reply = control("POST", path, &body);
        assert!(reply.status == 400 && reply.text().contains(expected), "{path}: {}", reply.text());
    }
    control("POST", "reset", &Value::Null);
    assert_eq!(control("GET", "builds", &Value::Null).json(), json!({"builds": []}));
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

#[test]
#[cfg(unix)]
fn ends_on_a_signal_and_removes_its_files() {
    let (mut child, line) = begin(&["--tls"]);
    let ca = line["ca_file"].as_str().unwrap().to_owned();
    assert!(std::path::Path::new(&ca).exists() && line["v3"].as_str().unwrap().starts_with("https://"));
    let kill = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(kill.success() && child.wait().unwrap().success());
    assert!(!std::path::Path::new(&ca).exists());
}

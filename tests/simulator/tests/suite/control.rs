//! The control paths, which tests in other languages use.

use crate::client::{Reply, call, get, once, start};
use cibridge_simulator::{Advance, Simulator};
use serde_json::{Value, json};
use std::thread;

fn sim() -> Simulator {
    Simulator::builder().advance(Advance::Manual).start().unwrap()
}

fn control(sim: &Simulator, method: &str, path: &str, body: &Value) -> Reply {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    once(sim.legacy_url(), method, &format!("/_sim/{path}"), &[], &body).unwrap()
}

#[test]
fn everything_can_be_done_by_http() {
    let sim = sim();
    let fault = json!([{"kind": "status", "status": 503, "method": "GET", "path": "/builds/", "times": 1}]);
    assert_eq!(control(&sim, "POST", "fault", &fault).json(), json!({"faults": 1}));
    let plan = json!({"status": "timeout", "queued_seconds": 1, "times": 1});
    assert_eq!(control(&sim, "POST", "plan", &plan).status, 200);
    let id = start(&sim);
    assert_eq!(get(&sim, &format!("/api/v3/builds/{id}")).status, 503);
    control(&sim, "POST", "advance", &json!({"build": id, "to": "building"}));
    control(&sim, "POST", "advance", &json!({"seconds": 1}));
    assert_eq!(control(&sim, "GET", "builds", &Value::Null).json()["builds"][0]["status"], "building");
    control(&sim, "POST", "advance", &json!({"build": id, "to": "end"}));
    assert_eq!(control(&sim, "GET", "builds", &Value::Null).json()["builds"][0]["status"], "timeout");

    let requests = control(&sim, "GET", "requests?method=GET&path=/builds/", &Value::Null).json();
    let hit = &requests["requests"][0];
    assert_eq!((&hit["status"], &hit["fault"], &hit["listener"]), (&json!(503), &json!("status"), &json!("api")));
    assert_eq!(hit["headers"]["x-auth-token"], sim.key());
    let state = control(&sim, "GET", "state", &Value::Null).json();
    assert_eq!((&state["counters"]["builds_started"], &state["counters"]["requests"]), (&json!(1), &json!(2)));

    control(&sim, "POST", "history", &json!({"durations": [5, 6]}));
    assert_eq!(sim.builds().len(), 3);
    control(&sim, "POST", "config", &json!({"cancel_delay_seconds": 0, "links": {"direct": true}}));
    assert_eq!(control(&sim, "GET", "config", &Value::Null).json()["links"]["direct"], true);
    control(&sim, "POST", "reset", &Value::Null);
    assert!(sim.builds().is_empty() && sim.requests().is_empty());
    assert_eq!(control(&sim, "GET", "connections", &Value::Null).status, 200);
}

#[test]
fn mistakes_are_named() {
    let sim = sim();
    let cases = [
        ("POST", "fault", json!({"kind": "status", "status": 500, "tiems": 2}), "tiems"),
        ("POST", "plan", json!({"statsu": "x"}), "statsu"),
        ("POST", "advance", json!({"second": 1}), "second"),
        ("POST", "advance", json!({"build": "x"}), "no build x"),
        ("POST", "config", json!({"prot": 1}), "prot"),
        ("GET", "nonsense", Value::Null, "/_sim/nonsense"),
    ];
    for (method, path, body, expected) in cases {
        let reply = control(&sim, method, path, &body);
        assert!(reply.status >= 400 && reply.text().contains(expected), "{path}: {}", reply.text());
    }
}

#[test]
fn waits_for_what_is_to_come() {
    let sim = sim();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| control(&sim, "GET", "wait?counter=builds_started", &Value::Null));
        start(&sim);
        assert_eq!(waiting.join().unwrap().status, 200);
    });
    assert_eq!(control(&sim, "GET", "wait?path=/apps/*/builds&count=2&timeout_ms=1", &Value::Null).status, 408);
    assert_eq!(control(&sim, "GET", "wait?path=/builds&state=done", &Value::Null).status, 200);
    assert_eq!(control(&sim, "GET", "wait?status=queued", &Value::Null).status, 200);
}

#[test]
fn control_is_out_of_reach_of_faults_and_records() {
    let sim = sim();
    control(&sim, "POST", "fault", &json!({"kind": "status", "status": 500, "times": 0}));
    assert_eq!(control(&sim, "GET", "state", &Value::Null).status, 200);
    assert_eq!(once(sim.storage_url(), "GET", "/_sim/state", &[], "").unwrap().status, 200);
    assert!(sim.requests().is_empty());
    assert_eq!(call(&sim, "GET", "/user", "").status, 500);
    control(&sim, "DELETE", "fault", &Value::Null);
    assert_eq!(call(&sim, "GET", "/user", "").status, 200);
}

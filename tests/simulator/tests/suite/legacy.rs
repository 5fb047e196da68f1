//! The legacy API: starts, builds with their quirks, logs, cancels, caches.

use crate::client::{auth, call, get, once, path_of, start};
use cibridge_simulator::{
    Advance, DEFAULT_APP, DEFAULT_TEAM, LEAK_TRAPS, LogHost, LogLink, Plan, Simulator, StepPlan, Target, TestPlan,
};
use serde_json::{Value, json};

fn manual(plan: Plan) -> (Simulator, String) {
    let sim = Simulator::builder().advance(Advance::Manual).plan(plan).start().unwrap();
    let id = start(&sim);
    (sim, id)
}

fn finished(plan: Plan) -> (Simulator, String) {
    let (sim, id) = manual(plan);
    sim.advance_build(&id, &Target::End);
    (sim, id)
}

fn build(sim: &Simulator, id: &str) -> Value {
    get(sim, &format!("/builds/{id}")).json()["build"].clone()
}

#[test]
fn starts_with_its_own_words() {
    let sim = Simulator::start().unwrap();
    let body = json!({"appId": DEFAULT_APP, "workflowId": "ios-release", "tag": "v1", "branch": "main",
                      "environment": {"variables": {"A": "1"}, "softwareVersions": {"xcode": "16"}}});
    let reply = call(&sim, "POST", "/builds", &body.to_string());
    assert_eq!(reply.status, 200);
    let id = reply.json()["buildId"].as_str().unwrap().to_owned();
    let request = sim.build(&id).unwrap().request;
    assert_eq!((request.tag.as_deref(), request.branch), (Some("v1"), None));
    assert_eq!(request.software_versions["xcode"], "16");

    let missing = call(&sim, "POST", "/builds", "{}");
    assert_eq!((missing.status, missing.json()["error"].clone()), (400, json!("BAD_REQUEST")));
    let foreign = call(&sim, "POST", "/builds", r#"{"appId": "60a0b1c2d3e4f56789abcd01"}"#);
    assert_eq!((foreign.status, foreign.json()["error"].clone()), (403, json!("FORBIDDEN")));
    let nobody = once(sim.legacy_url(), "GET", "/builds", &[], "").unwrap();
    assert_eq!((nobody.status, nobody.json()["error"].clone()), (401, json!("UNAUTHORIZED")));
    assert_eq!(call(&sim, "DELETE", &format!("/builds/{id}"), "").status, 405);
    assert_eq!(call(&sim, "CONNECT", "api.example.com:443", "").status, 404);
}

#[test]
fn a_failed_build_tells_why_and_leaks_as_the_real_one() {
    let (sim, id) = finished(Plan::failing("Run unit tests", "assertion failed\n"));
    let text = get(&sim, &format!("/builds/{id}")).text();
    for trap in LEAK_TRAPS {
        assert!(text.contains(trap), "{trap}");
    }
    let build = build(&sim, &id);
    assert_eq!(build["status"], "failed");
    assert_eq!(build["message"], "Step 4 script `Run unit tests` exited with status code 1");
    assert!(build["artefacts"].is_null() && build["workflowId"].is_null());
    assert_eq!(build["fileWorkflowId"], "ios-release");
    assert!(build["finishedAt"].as_str().unwrap().ends_with("+0000"));
    let statuses: Vec<_> = build["buildActions"].as_array().unwrap().iter().map(|a| &a["status"]).collect();
    assert_eq!(statuses, ["success", "success", "success", "failed", "skipped", "success", "success"]);
    let failed = &build["buildActions"][3];
    assert!(failed.get("type").is_none() && failed.get("logUrl").is_none());
    let log = failed["subactions"][0]["logUrl"].as_str().unwrap();
    assert_eq!(get(&sim, path_of(log)).text(), "assertion failed\n");
    assert_eq!(once(sim.legacy_url(), "GET", path_of(log), &[], "").unwrap().status, 401);
    let by_id = get(&sim, &format!("/builds/{id}/step/{}", failed["_id"].as_str().unwrap()));
    assert_eq!(
        (by_id.text().as_str(), by_id.header("content-type")),
        ("assertion failed\n", "text/plain; charset=utf-8")
    );
}

#[test]
fn logs_may_be_long_live_elsewhere_or_nowhere() {
    let steps = vec![
        StepPlan {
            log_bytes: 8000,
            log: Some("end\n".into()),
            log_link: Some(LogLink::Both),
            ..StepPlan::of("A", "script", 10.0)
        },
        StepPlan { no_log: true, ..StepPlan::of("B", "script", 10.0) },
    ];
    let (sim, id) = manual(Plan { queued_seconds: 0.0, steps, ..Plan::default() });
    sim.advance(5.0);
    let actions = build(&sim, &id)["buildActions"].clone();
    let log = actions[0]["logUrl"].as_str().unwrap().to_owned();
    let half = get(&sim, path_of(&log));
    assert_eq!(half.body.len(), 4002);
    assert!(half.text().starts_with("0000000001 "));
    assert!(actions[1].get("logUrl").is_none());
    sim.advance(5.0);
    assert!(get(&sim, path_of(&log)).text().ends_with("end\n"));
    let step = actions[1]["_id"].as_str().unwrap();
    assert_eq!(get(&sim, &format!("/builds/{id}/step/{step}")).status, 404);

    sim.configure(|c| c.logs.host = LogHost::Redirect);
    let redirect = get(&sim, path_of(&log));
    assert_eq!(redirect.status, 302);
    let there = redirect.header("location").to_owned();
    assert!(there.starts_with(sim.storage_url()));
    assert_eq!(once(sim.storage_url(), "GET", path_of(&there), &[], "").unwrap().status, 200);
    assert_eq!(once(sim.storage_url(), "GET", path_of(&there), &[&auth()], "").unwrap().status, 400);
    assert_eq!(sim.counters().leaked_credentials, 1);
}

#[test]
fn test_results_hang_on_their_step() {
    let tests = TestPlan { passed: 2, failed: 1, ..TestPlan::default() };
    let step = StepPlan { tests: Some(tests), ..StepPlan::of("T", "script", 1.0) };
    let (sim, id) = finished(Plan { steps: vec![step], ..Plan::default() });
    let results = build(&sim, &id)["buildActions"][0]["results"].clone();
    assert_eq!((&results[0]["passed"], &results[0]["failed"]), (&json!(2), &json!(1)));
    assert_eq!(results[0]["suites"][0]["tests"].as_array().unwrap().len(), 3);
    let actions = get(&sim, &format!("/api/v3/builds/{id}/actions")).json();
    assert_eq!(actions["data"][0]["has_test_results"], true);
}

#[test]
fn a_cancel_is_late_and_a_second_one_is_no_json() {
    let (sim, id) = manual(Plan::default());
    sim.advance(10.0);
    let path = format!("/builds/{id}/cancel");
    let first = call(&sim, "POST", &path, "");
    assert_eq!((first.status, &first.json()["build"]["status"]), (200, &json!("preparing")));
    sim.advance(2.0);
    let canceled = build(&sim, &id);
    assert_eq!((&canceled["status"], &canceled["message"]), (&json!("canceled"), &Value::Null));
    let running = &canceled["buildActions"][0];
    assert!(running["status"] == "canceled" && running.get("logUrl").is_none());
    assert!(canceled["buildActions"][1].get("startedAt").is_none());
    let second = call(&sim, "POST", &path, "");
    assert_eq!((second.status, second.json()), (208, Value::Null));
    assert_eq!(call(&sim, "POST", "/builds/6a941a0014bf8ccd332f2844/cancel", "").status, 404);
    assert_eq!(sim.counters().cancels, 2);
}

#[test]
fn a_cancel_may_be_ignored() {
    let mut plan = Plan::default();
    plan.cancel.ignored = true;
    let (sim, id) = manual(plan);
    assert_eq!(call(&sim, "POST", &format!("/builds/{id}/cancel"), "").status, 200);
    sim.advance(1000.0);
    assert_eq!(build(&sim, &id)["status"], "finished");
}

#[test]
fn the_list_is_heavy_and_knows_only_skip() {
    let sim = Simulator::builder().config(|c| c.legacy_list.page_size = 2).start().unwrap();
    for _ in 0..3 {
        start(&sim);
    }
    let page = get(&sim, "/builds?page=2");
    assert!(page.body.len() > 2_000_000);
    assert_eq!(page.json()["builds"].as_array().unwrap().len(), 2);
    assert_eq!(get(&sim, "/builds?skip=2").json()["builds"].as_array().unwrap().len(), 1);
    assert_eq!(get(&sim, "/builds?branch=other").json()["builds"], json!([]));
}

#[test]
fn apps_user_and_caches() {
    let sim = Simulator::start().unwrap();
    let app = get(&sim, &format!("/apps/{DEFAULT_APP}")).json()["application"].clone();
    assert_eq!(app["workflowIds"].as_array().unwrap().len(), 1, "workflows of files are not listed");
    assert_eq!(get(&sim, "/apps").json()["applications"][0]["_id"], DEFAULT_APP);
    assert_eq!(get(&sim, "/user").json()["user"]["personalTeam"]["_id"], DEFAULT_TEAM);
    let path = format!("/apps/{DEFAULT_APP}/caches");
    let caches = get(&sim, &path).json()["caches"].clone();
    assert_eq!(caches.as_array().unwrap().len(), 2);
    let one = format!("{path}/{}", caches[0]["_id"].as_str().unwrap());
    assert_eq!(call(&sim, "DELETE", &one, "").status, 202);
    assert_eq!(call(&sim, "DELETE", &one, "").status, 404);
    assert_eq!(call(&sim, "DELETE", &path, "").status, 202);
    assert_eq!(get(&sim, &path).json()["caches"], json!([]));
}

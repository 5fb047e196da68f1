//! v3: starts, polls, lists, refusals.

use crate::client::{Client, auth, call, get, once, start, start_body, start_path};
use cibridge_simulator::{
    Access, Advance, App, DEFAULT_APP, DEFAULT_TEAM, History, Plan, Simulator, StorePhase, Target, Via,
};
use serde_json::{Value, json};
use std::time::Duration;

fn polling() -> Simulator {
    Simulator::builder().advance(Advance::Poll).start().unwrap()
}

fn status(sim: &Simulator, id: &str) -> String {
    get(sim, &format!("/api/v3/builds/{id}")).json()["data"]["status"].as_str().unwrap_or("?").to_owned()
}

#[test]
fn a_build_is_started_polled_and_done() {
    let sim = polling();
    let body = json!({"workflow_id": "ios-release", "branch": "main", "labels": ["a", "b"], "inputs": {"n": 4, "t": true},
                      "environment": {"variables": {"X": "1"}, "groups": ["g"], "software_versions": {"xcode": "16"}}});
    let reply = call(&sim, "POST", &start_path(), &body.to_string());
    assert_eq!(reply.status, 202);
    let id = reply.json()["data"]["id"].as_str().unwrap().to_owned();
    let seen: Vec<String> = (0..7).map(|_| status(&sim, &id)).collect();
    assert_eq!(seen, ["queued", "preparing", "fetching", "building", "publishing", "finishing", "finished"]);

    let build = get(&sim, &format!("/api/v3/builds/{id}")).json()["data"].clone();
    assert_eq!(build["build_inputs"], json!({"n": 4, "t": true}));
    assert_eq!(build["artifacts"].as_array().unwrap().len(), 2);
    assert_eq!(build["workflow"], json!({"id": "ios-release", "source": "file", "name": "iOS release"}));
    let info = sim.build(&id).unwrap();
    assert_eq!((info.via, info.polls, info.labels), (Via::V3, 8, vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(info.request.variables["X"], "1");
    assert_eq!(sim.counters().builds_started, 1);
}

#[test]
fn steps_come_page_by_page() {
    let sim = polling();
    let id = start(&sim);
    sim.advance_build(&id, &Target::Status("building".into()));
    let page = |n: u32| get(&sim, &format!("/api/v3/builds/{id}/actions?page_size=3&page={n}")).json();
    let first = page(1);
    assert_eq!((&first["total_pages"], &first["current_page"]), (&json!(3), &json!(1)));
    assert_eq!(first["data"][0]["status"], "success");
    let running = &first["data"][2];
    assert!(running["status"].is_null() && running["started_at"].is_string() && running["finished_at"].is_null());
    assert_eq!(page(3)["data"].as_array().unwrap().len(), 1);
    assert_eq!(get(&sim, &format!("/api/v3/builds/{id}/actions?page_size=0")).status, 400);
}

#[test]
fn keys_apps_and_paths_are_refused_in_the_body_of_v3() {
    let sim = Simulator::builder()
        .another_key("looker", Access::ReadOnly)
        .another_key("stranger", Access::None)
        .apps(vec![App::new(DEFAULT_APP), App { foreign: true, ..App::new("60a0b1c2d3e4f56789abcd00") }])
        .start()
        .unwrap();
    let own = start_path();
    let cases = [
        ("GET", "/api/v3/user", "wrong", 401),
        ("GET", "/api/v3/user", "", 401),
        ("GET", "/api/v3/user", "stranger", 200),
        ("GET", "/api/v3/user/teams?page_size=1", "looker", 200),
        ("GET", "/api/v3/builds/6a941a0014bf8ccd332f2844", "stranger", 403),
        ("GET", "/api/v3/builds/6a941a0014bf8ccd332f2844", "looker", 404),
        ("GET", "/api/v3/builds/short", "looker", 400),
        ("DELETE", "/api/v3/builds/6a941a0014bf8ccd332f2844", "looker", 405),
        ("POST", &own, "looker", 403),
        ("POST", "/api/v3/apps/60a0b1c2d3e4f56789abcd00/builds", "sim-key-0123456789abcdef", 403),
        ("POST", "/api/v3/builds/6a941a0014bf8ccd332f2844/cancel", "sim-key-0123456789abcdef", 404),
        ("GET", "/api/v3/nonsense", "looker", 404),
        ("GET", "/api/v3", "stranger", 403),
        ("GET", "/api/v3/teams/5f1e2d3c4b5a69788796a5b5/builds", "looker", 404),
    ];
    for (method, path, key, expected) in cases {
        let header = format!("x-auth-token: {key}");
        let reply = once(sim.legacy_url(), method, path, &[&header], "").unwrap();
        assert_eq!(reply.status, expected, "{method} {path} as {key:?}");
        if expected >= 400 {
            let body = reply.json();
            assert_eq!(body["status_code"], expected, "{body}");
            assert!(body["detail"].is_string());
        }
    }
    assert_eq!(once(sim.legacy_url(), "GET", "/api/v3/meta", &[], "").unwrap().status, 200);
    assert_eq!(sim.counters().builds_started, 0);
}

#[test]
fn a_bad_start_names_its_fields() {
    let sim = polling();
    let body = json!({"workflow_id": "w", "branch": "b", "tag": "t", "environment": {"variables": {"A": 1}}});
    let reply = call(&sim, "POST", &start_path(), &body.to_string());
    assert_eq!(reply.status, 400);
    let extra = reply.json()["extra"].clone();
    assert_eq!(extra[0]["key"], "branch");
    assert_eq!(extra[1], json!({"key": "environment.variables.A", "message": "Expected `str`", "source": "body"}));
    assert_eq!(call(&sim, "POST", &start_path(), "{").status, 400);
    assert_eq!(sim.counters().starts_refused, 2);
}

#[test]
fn a_fresh_build_is_not_found_for_a_while() {
    let sim = Simulator::builder().advance(Advance::Poll).not_found_polls(2).start().unwrap();
    let id = start(&sim);
    let codes: Vec<u16> = (0..3).map(|_| get(&sim, &format!("/api/v3/builds/{id}")).status).collect();
    assert_eq!(codes, [404, 404, 200]);

    let plan = Plan { not_found_polls: Some(0), not_found_seconds: Some(30.0), ..Plan::default() };
    let sim = Simulator::builder().advance(Advance::Manual).plan(plan).start().unwrap();
    let id = start(&sim);
    assert_eq!(get(&sim, &format!("/api/v3/builds/{id}")).status, 404);
    sim.advance(30.0);
    assert_eq!(get(&sim, &format!("/api/v3/builds/{id}")).status, 200);
}

#[test]
fn lists_filter_and_go_on_with_a_cursor() {
    let past = History { durations: vec![100.0; 5], labels: vec!["old".into()], ..History::default() };
    let other = History { workflow_id: "android-release".into(), status: "failed".into(), ..past.clone() };
    let sim = Simulator::builder().advance(Advance::Poll).history(past).history(other).start().unwrap();
    let id = start(&sim);
    let list = |query: &str| get(&sim, &format!("/api/v3/teams/{DEFAULT_TEAM}/builds?{query}")).json();
    let count = |query: &str| list(query)["data"].as_array().map_or(0, Vec::len);
    assert_eq!(count(""), 11);
    assert_eq!(count("workflow_id=ios-release"), 6);
    assert_eq!(count("status=failed"), 5);
    assert_eq!(count("label=old&label=new"), 0);
    assert_eq!(count(&format!("app_id={DEFAULT_APP}&branch=main&label=old&status=finished")), 5);
    assert_eq!(list("status=melting")["status_code"], 400);

    let first = list("page_size=4");
    assert_eq!(first["data"][0]["id"], *id);
    for absent in ["config", "build_inputs", "instance_type", "remote_access_enabled"] {
        assert!(first["data"][0].get(absent).is_none(), "{absent}");
    }
    let mut cursor = first["cursor"].clone();
    let mut seen = 4;
    while let Value::String(at) = cursor {
        let page = list(&format!("page_size=4&cursor={at}"));
        seen += page["data"].as_array().unwrap().len();
        cursor = page["cursor"].clone();
    }
    assert_eq!(seen, 11);
}

#[test]
fn a_list_may_lag_behind_a_start() {
    let sim = Simulator::builder().config(|c| c.hidden_lists = 1).start().unwrap();
    let path = format!("/api/v3/teams/{DEFAULT_TEAM}/builds");
    start(&sim);
    let counts: Vec<usize> = (0..2).map(|_| get(&sim, &path).json()["data"].as_array().unwrap().len()).collect();
    assert_eq!(counts, [0, 1]);
}

#[test]
fn apps_teams_and_workflows_are_shown() {
    let sim = polling();
    assert_eq!(get(&sim, "/api/v3/user/apps?name=DEMO%20app").json()["data"][0]["id"], DEFAULT_APP);
    assert_eq!(get(&sim, "/api/v3/user/apps?name=other").json()["data"], json!([]));
    assert_eq!(get(&sim, "/api/v3/user/teams").json()["data"][0]["id"], DEFAULT_TEAM);
    assert_eq!(
        get(&sim, &format!("/api/v3/teams/{DEFAULT_TEAM}/apps?id={DEFAULT_APP}")).json()["data"][0]["settings_source"],
        "file"
    );
    let workflows = get(&sim, &format!("/api/v3/apps/{DEFAULT_APP}/workflows")).json();
    assert_eq!(workflows["data"][1]["id"], "android-release");
}

#[test]
fn the_limit_is_enforced_and_told() {
    let sim = Simulator::builder().rate_limit(3, Duration::from_secs(1000)).start().unwrap();
    let v3 = get(&sim, "/api/v3/user");
    assert_eq!((v3.header("ratelimit-limit"), v3.header("ratelimit-remaining")), ("3", "2"));
    assert!(v3.header("ratelimit-reset").parse::<u64>().unwrap() <= 1000);
    let legacy = get(&sim, "/user");
    assert_eq!(legacy.header("X-RateLimit-Remaining"), "1");
    assert!(legacy.header("X-RateLimit-Reset").parse::<u64>().unwrap() > 1_700_000_000);
    assert_eq!(get(&sim, "/api/v3/user").status, 200);
    let over = get(&sim, "/api/v3/user");
    assert_eq!((over.status, over.header("ratelimit-remaining")), (429, "0"));
    assert_eq!(over.json()["status_code"], 429);
    assert_eq!(sim.counters().rate_limited, 1);
}

#[test]
fn a_connection_serves_many_requests_in_every_framing() {
    let sim = polling();
    let mut client = Client::to(sim.legacy_url());
    let (auth, body) = (auth(), start_body());
    let sized = client.request("POST", &start_path(), &[&auth], &body).unwrap();
    let chunk = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let head = format!("POST {} HTTP/1.1\r\n{auth}\r\nTransfer-Encoding: chunked\r\n\r\n", start_path());
    client.send(format!("{head}{chunk}").as_bytes()).unwrap();
    let chunked = client.reply(false).unwrap();
    assert_eq!((sized.status, chunked.status), (202, 202));
    let head = client.request("HEAD", "/api/v3/user", &[&auth], "").unwrap();
    assert!(head.status == 200 && head.header("content-length") != "0");
    let length = body.len();
    let expect =
        format!("POST {} HTTP/1.1\r\n{auth}\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n", start_path());
    client.send(expect.as_bytes()).unwrap();
    assert_eq!(client.reply(true).unwrap().status, 100);
    client.send(body.as_bytes()).unwrap();
    assert_eq!(client.reply(false).unwrap().status, 202);
    sim.configure(|c| c.chunked = true);
    let reply = client.request("GET", "/api/v3/user", &[&auth], "").unwrap();
    assert!(reply.whole && reply.header("transfer-encoding") == "chunked" && reply.json()["data"].is_object());
    assert_eq!((sim.counters().connections, sim.counters().builds_started), (1, 3));
    let closing = client.request("GET", "/api/v3/user", &[&auth, "Connection: close"], "").unwrap();
    assert_eq!(closing.header("connection"), "close");
    assert_eq!(client.rest(), "");
}

#[test]
fn odd_ends_and_odd_words() {
    let store = |status: &str, seconds| StorePhase { status: status.into(), seconds };
    let plan = Plan {
        app_store_connect: vec![store("processing", 60.0), store("finished", 0.0)],
        null_lists: true,
        v3_status: Some("finished".into()),
        v3_patch: Some(json!({"brand_new": 1})),
        ..Plan::ending("warning")
    };
    let sim = Simulator::builder().advance(Advance::Manual).plan(plan).start().unwrap();
    let id = start(&sim);
    sim.advance_build(&id, &Target::End);
    let show = || get(&sim, &format!("/api/v3/builds/{id}")).json()["data"].clone();
    let build = show();
    assert_eq!((&build["status"], &build["app_store_connect_status"]), (&json!("finished"), &json!("processing")));
    assert!(build["release_notes"].is_null() && build["brand_new"] == 1);
    assert_eq!(get(&sim, &format!("/builds/{id}")).json()["build"]["status"], "warning");
    sim.advance(60.0);
    assert_eq!(show()["app_store_connect_status"], "finished");
}

#[test]
fn time_runs_as_fast_as_wanted() {
    let sim = Simulator::builder().speed(100_000.0).start().unwrap();
    let id = start(&sim);
    assert!(sim.wait_for(Duration::from_secs(10), |s| s.builds()[0].status == "finished"));
    let build = get(&sim, &format!("/api/v3/builds/{id}"));
    assert_eq!(build.json()["data"]["status"], "finished");
    assert!(build.header("date").ends_with("GMT"));
}

#[test]
fn variable_groups_keep_their_secrets() {
    let sim = polling();
    let base = format!("/api/v3/apps/{DEFAULT_APP}/variable-groups");
    assert_eq!(call(&sim, "POST", &base, r#"{"name": "a.b"}"#).status, 400);
    let id = call(&sim, "POST", &base, r#"{"name": "g"}"#).json()["data"]["id"].as_str().unwrap().to_owned();
    let variables = format!("/api/v3/variable-groups/{id}/variables");
    let body = json!({"secure": true, "variables": [{"name": "A", "value": "secret"}]});
    assert_eq!(call(&sim, "POST", &variables, &body.to_string()).status, 201);
    let listed = get(&sim, &variables).json();
    assert_eq!((&listed["data"][0]["name"], &listed["data"][0]["value"]), (&json!("A"), &Value::Null));
    assert_eq!(call(&sim, "DELETE", &format!("/api/v3/variable-groups/{id}"), "").status, 204);
    assert_eq!(get(&sim, &variables).status, 404);
}

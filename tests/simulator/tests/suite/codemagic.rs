//! Codemagic: starts, polls, lists, refusals, files, by both APIs.

use crate::client::{auth, call, get, once, path_of, start, start_path};
use cibridge_simulator::{
    Access, Advance, App, ArtifactPlan, Config, DEFAULT_APP, DEFAULT_TEAM, History, LEAK_TRAPS, LogHost, Plan,
    Simulator, StepPlan, Target, TestPlan, Via,
};
use serde_json::{Value, json};

/// A build that has ended.
fn ended(plan: Plan, change: impl FnOnce(&mut Config)) -> (Simulator, String) {
    let sim = Simulator::builder().advance(Advance::Manual).plan(plan).config(change).start().unwrap();
    let id = start(&sim);
    sim.advance_build(&id, &Target::End);
    (sim, id)
}

fn legacy(sim: &Simulator, id: &str) -> Value {
    get(sim, &format!("/builds/{id}")).json()["build"].clone()
}

fn list(sim: &Simulator, query: &str) -> Value {
    get(sim, &format!("/api/v3/teams/{DEFAULT_TEAM}/builds?{query}")).json()
}

#[test]
fn a_build_is_started_polled_and_finished() {
    let sim = Simulator::builder().advance(Advance::Poll).not_found_polls(1).start().unwrap();
    let body = json!({"workflow_id": "ios-release", "branch": "main", "labels": ["a", "b"], "inputs": {"n": 4, "t": true},
                      "environment": {"variables": {"X": "1"}, "groups": ["g"], "software_versions": {"xcode": "16"}}});
    let id = call(&sim, "POST", &start_path(), &body.to_string()).json()["data"]["id"].as_str().unwrap().to_owned();
    let poll = || get(&sim, &format!("/api/v3/builds/{id}")).json()["data"].clone();
    let seen: Vec<Value> = (0..8).map(|_| poll()["status"].clone()).collect();
    let all = ["queued", "preparing", "fetching", "building", "publishing", "finishing", "finished"];
    assert_eq!((&seen[0], json!(seen[1..])), (&Value::Null, json!(all)));
    let build = poll();
    assert_eq!(build["build_inputs"], json!({"n": 4, "t": true}));
    assert_eq!(build["workflow"], json!({"id": "ios-release", "source": "file", "name": "iOS release"}));
    let info = sim.build(&id).unwrap();
    assert_eq!(
        (info.via, info.labels, &info.request.variables["X"]),
        (Via::V3, vec!["a".into(), "b".into()], &"1".into())
    );
    let page = get(&sim, &format!("/api/v3/builds/{id}/actions?page_size=3&page=3")).json();
    assert_eq!((&page["total_pages"], page["data"].as_array().unwrap().len()), (&json!(3), 1));
}

#[test]
fn refusals_have_the_body_of_their_api() {
    let foreign = "60a0b1c2d3e4f56789abcd00";
    let sim = Simulator::builder()
        .another_key("looker", Access::ReadOnly)
        .another_key("stranger", Access::None)
        .apps(vec![App::new(DEFAULT_APP), App { foreign: true, ..App::new(foreign) }])
        .start()
        .unwrap();
    let id = "6a941a0014bf8ccd332f2844";
    for (method, path, key, expected) in [
        ("GET", "/api/v3/user", "wrong", 401),
        ("GET", "/api/v3/user", "stranger", 200),
        ("GET", &format!("/api/v3/builds/{id}"), "stranger", 403),
        ("GET", &format!("/api/v3/builds/{id}"), "looker", 404),
        ("GET", "/api/v3/builds/short", "looker", 400),
        ("DELETE", &format!("/api/v3/builds/{id}"), "looker", 405),
        ("POST", &start_path(), "looker", 403),
        ("POST", &format!("/api/v3/apps/{foreign}/builds"), "sim-key-0123456789abcdef", 403),
        ("POST", &format!("/api/v3/builds/{id}/cancel"), "looker", 404),
        ("GET", "/builds", "wrong", 401),
        ("POST", &format!("/builds/{id}/cancel"), "looker", 403),
        ("DELETE", &format!("/builds/{id}"), "looker", 405),
        ("POST", "/builds", "looker", 400),
    ] {
        let reply = once(sim.legacy_url(), method, path, &[&format!("x-auth-token: {key}")], "").unwrap();
        assert_eq!(reply.status, expected, "{method} {path} as {key:?}");
        let body = reply.json();
        let words = if path.starts_with("/api/v3") { &body["detail"] } else { &body["message"] };
        assert!(expected == 200 || words.is_string(), "{body}");
    }
    let body = json!({"workflow_id": "w", "branch": "b", "tag": "t", "environment": {"variables": {"A": 1}}});
    let extra = call(&sim, "POST", &start_path(), &body.to_string()).json()["extra"].clone();
    assert_eq!(extra[0]["key"], "branch");
    assert_eq!(extra[1], json!({"key": "environment.variables.A", "message": "Expected `str`", "source": "body"}));
    assert_eq!(sim.counters().builds_started, 0);
    let unknown = call(&sim, "POST", &start_path(), r#"{"workflow_id": "iOS release", "branch": "main"}"#).json();
    sim.advance_build(unknown["data"]["id"].as_str().unwrap(), &Target::End);
    assert!(sim.builds()[0].message.as_deref().unwrap().contains("`iOS release` was not found"));
}

#[test]
fn lists_filter_lag_and_end() {
    let past = History { durations: vec![100.0; 5], labels: vec!["old".into()], ..History::default() };
    let other = History { workflow_id: "android-release".into(), status: "failed".into(), ..past.clone() };
    let sim = Simulator::builder().history(past).history(other).config(|c| c.hidden_lists = 1).start().unwrap();
    start(&sim);
    let count = |query: &str| list(&sim, query)["data"].as_array().map_or(0, Vec::len);
    assert_eq!((count(""), count("")), (10, 11));
    assert_eq!((count("workflow_id=ios-release"), count("status=failed"), count("label=old&label=new")), (6, 5, 0));
    assert_eq!(list(&sim, "status=melting")["status_code"], 400);
    let (mut cursor, mut seen) = (json!(""), 0);
    while let Value::String(at) = cursor {
        let page = list(&sim, &format!("page_size=4&cursor={at}"));
        assert!(page["data"][0].get("config").is_none() && page["data"][0].get("build_inputs").is_none());
        seen += page["data"].as_array().unwrap().len();
        cursor = page["cursor"].clone();
    }
    assert_eq!(seen, 11);
    sim.configure(|c| c.endless_pages = true);
    let again = list(&sim, "page_size=4&cursor=0");
    assert!(again["cursor"].is_string() && again["data"].as_array().unwrap().len() == 4);
    let page = get(&sim, "/api/v3/user/teams?page=7").json();
    assert_eq!((&page["total_pages"], &page["data"][0]["id"]), (&json!(8), &json!(DEFAULT_TEAM)));
}

#[test]
fn a_personal_account_has_no_team_in_v3() {
    let sim = Simulator::builder().config(|c| c.list_teams = false).start().unwrap();
    let id = start(&sim);
    assert_eq!(get(&sim, "/api/v3/user/teams").json()["data"], json!([]));
    assert_eq!(get(&sim, "/user").json()["user"]["personalTeam"]["_id"], DEFAULT_TEAM);
    assert_eq!(list(&sim, "")["data"][0]["id"], id);
    // Neither list has the app; only the legacy list has its builds, without labels.
    sim.configure(|c| c.apps[0].unlisted = true);
    assert_eq!(list(&sim, "")["data"], json!([]));
    let page = get(&sim, &format!("/builds?appId={DEFAULT_APP}"));
    let shown = page.json()["builds"][0].clone();
    assert!(page.body.len() > 2_000_000 && shown["_id"] == id && shown.get("labels").is_none());
    assert_eq!(get(&sim, "/builds?skip=1").json()["builds"], json!([]));
    assert!(legacy(&sim, &id)["labels"].is_array());
}

#[test]
fn legacy_builds_leak_and_leave_out_as_real_ones() {
    let sim =
        Simulator::builder().advance(Advance::Manual).plan(Plan::failing("Run unit tests", "no\n")).start().unwrap();
    let id = start(&sim);
    sim.advance_build(&id, &Target::Status("building".into()));
    assert_eq!(legacy(&sim, &id)["artefacts"], json!([]));
    sim.advance_build(&id, &Target::End);
    let text = get(&sim, &format!("/builds/{id}")).text();
    assert!(LEAK_TRAPS.iter().all(|trap| text.contains(trap)));
    let build = legacy(&sim, &id);
    assert_eq!(build["message"], "Step 4 script `Run unit tests` exited with status code 1");
    assert!(build["artefacts"].is_null() && build["workflowId"].is_null() && build["fileWorkflowId"] == "ios-release");
    assert!(build["finishedAt"].as_str().unwrap().ends_with("+0000"));
    let actions = build["buildActions"].as_array().unwrap();
    let statuses: Vec<_> = actions.iter().map(|a| &a["status"]).collect();
    assert_eq!(statuses, ["success", "success", "success", "failed", "skipped", "success", "success"]);
    assert!(actions[0]["type"] == "preparing" && actions[3].get("type").is_none());
    assert!(actions[0]["logUrl"].is_string() && actions[3].get("logUrl").is_none());
    assert!(actions[3]["subactions"][0]["logUrl"].is_string());
}

#[test]
fn a_cancel_takes_its_time() {
    let sim = Simulator::builder().advance(Advance::Manual).start().unwrap();
    let id = start(&sim);
    sim.advance_build(&id, &Target::Status("preparing".into()));
    let cancel = || call(&sim, "POST", &format!("/builds/{id}/cancel"), "");
    assert_eq!((cancel().status, legacy(&sim, &id)["status"].clone()), (200, json!("preparing")));
    sim.advance(2.0);
    let canceled = legacy(&sim, &id);
    let running = &canceled["buildActions"][0];
    assert!(canceled["status"] == "canceled" && running["status"] == "canceled" && running.get("logUrl").is_none());
    let second = cancel();
    assert_eq!((second.status, second.json(), sim.counters().cancels), (208, Value::Null, 2));
}

#[test]
fn logs_are_where_the_service_puts_them() {
    let step = StepPlan { log: Some("$ swift <T> && \"go\"\n".into()), ..StepPlan::of("Build", "script", 1.0) };
    let tests = Some(TestPlan { failed: 1, passed: 1, ..TestPlan::default() });
    let (sim, id) = ended(Plan { steps: vec![StepPlan { tests, ..step }], ..Plan::default() }, |c| c.logs.html = true);
    let action = legacy(&sim, &id)["buildActions"][0].clone();
    assert_eq!(action["results"][0]["suites"][0]["tests"].as_array().unwrap().len(), 2);
    let path = path_of(action["subactions"][0]["logUrl"].as_str().unwrap()).to_owned();
    let log = get(&sim, &path);
    assert_eq!(log.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(log.text(), "<span style=\"color:#268BD2\">$ swift &lt;T&gt; &amp;&amp; &quot;go&quot;</span>\n");
    let by_step = get(&sim, &format!("/builds/{id}/step/{}", action["_id"].as_str().unwrap()));
    assert_eq!(by_step.text(), log.text());
    sim.configure(|c| c.logs.host = LogHost::Redirect);
    let there = get(&sim, &path).header("location").to_owned();
    assert_eq!(once(sim.storage_url(), "GET", path_of(&there), &[], "").unwrap().text(), log.text());
}

#[test]
fn artifacts_are_redirected_to_a_storage_that_wants_no_credentials() {
    let huge = ArtifactPlan { md5: Some("0".repeat(32)), ..ArtifactPlan::of("../a b/ü?.ipa", "ipa", 5_000_000_000) };
    let none = ArtifactPlan { no_size: true, ..ArtifactPlan::text("report.xml", "glob_matched", "<x/>") };
    let (sim, id) = ended(Plan { artifacts: vec![huge, none], ..Plan::default() }, |_| {});
    let link = |n: usize| {
        let build = get(&sim, &format!("/api/v3/builds/{id}")).json();
        build["data"]["artifacts"][n]["short_lived_download_url"].as_str().unwrap().to_owned()
    };
    let follow = |url: &str| {
        let reply = once(sim.legacy_url(), "GET", path_of(url), &[], "").unwrap();
        assert_eq!(reply.status, 302, "{}", reply.text());
        reply.header("location").to_owned()
    };
    let fetch = |url: &str, headers: &[&str]| once(sim.storage_url(), "GET", path_of(url), headers, "").unwrap();
    let url = link(0);
    assert!(url.starts_with(&format!("{}//artifacts/.", sim.legacy_url())) && url != link(0), "{url}");
    let changed = once(sim.legacy_url(), "GET", &path_of(&url).replacen("//", "/", 1), &[], "").unwrap();
    assert_eq!(changed.status, 404, "the double slash belongs to the link");
    let there = follow(&url);
    let part = fetch(&there, &["Range: bytes=4999999996-"]);
    assert_eq!((part.status, part.header("content-range")), (206, "bytes 4999999996-4999999999/5000000000"));
    let same = format!("If-Range: {}", part.header("etag"));
    assert_eq!(fetch(&there, &["Range: bytes=4999999996-", &same]).status, 206);
    assert_eq!(fetch(there.split('?').next().unwrap(), &[]).status, 403, "unsigned");
    assert_eq!(fetch(&there, &[&auth()]).status, 400);
    assert_eq!(sim.counters().leaked_credentials, 1);
    let legacy = legacy(&sim, &id)["artefacts"].clone();
    assert_eq!(
        (&legacy[0]["name"], &legacy[0]["md5"], &legacy[1]["size"]),
        (&"../a b/ü?.ipa".into(), &"0".repeat(32).into(), &Value::Null)
    );
    let path = path_of(legacy[1]["url"].as_str().unwrap());
    assert_eq!(once(sim.legacy_url(), "GET", path, &[], "").unwrap().status, 401);
    assert_eq!(fetch(get(&sim, path).header("location"), &[]).text(), "<x/>");
    let public = call(&sim, "POST", &format!("{path}/public-url"), r#"{"expiresAt": 4102444800}"#).json();
    assert_eq!(public["expiresAt"], "2100-01-01T00:00:00+00:00");
    let open = public["url"].as_str().unwrap();
    assert!(open.starts_with(&format!("{}/artifacts/.eJw", sim.legacy_url())));
    assert_eq!(fetch(&follow(open), &[]).text(), "<x/>");
    assert_eq!(call(&sim, "POST", &format!("{path}/public-url"), r#"{"expiresAt": 1}"#).status, 400);
}

#[test]
fn caches_are_listed_and_deleted() {
    let sim = Simulator::start().unwrap();
    let path = format!("/apps/{DEFAULT_APP}/caches");
    let caches = get(&sim, &path).json()["caches"].clone();
    let one = format!("{path}/{}", caches[0]["_id"].as_str().unwrap());
    let delete = |path: &str| call(&sim, "DELETE", path, "").status;
    assert_eq!((delete(&one), delete(&one), delete(&path)), (202, 404, 202));
    assert_eq!(get(&sim, &path).json()["caches"], json!([]));
}

#[test]
fn an_hour_allows_a_number_of_requests_and_the_next_hour_allows_them_again() {
    let sim = Simulator::builder().advance(Advance::Manual).config(|c| c.hourly_limit = 2).start().unwrap();
    let ask = || {
        let reply = get(&sim, "/api/v3/user");
        let header = |name: &str| reply.header(name).to_owned();
        (reply.status, header("ratelimit-limit"), header("ratelimit-remaining"), header("ratelimit-reset"))
    };
    let answer =
        |status: u16, remaining: &str, reset: &str| (status, "2".to_owned(), remaining.to_owned(), reset.to_owned());
    assert_eq!(ask(), answer(200, "1", "3600"));
    sim.advance(600.0);
    assert_eq!(ask(), answer(200, "0", "3000"));
    assert_eq!(ask(), answer(429, "0", "3000"));
    assert_eq!(get(&sim, "/user").header("X-RateLimit-Remaining"), "0", "both APIs share the limit");
    sim.advance(3000.0);
    assert_eq!(ask(), answer(200, "1", "3600"));
}

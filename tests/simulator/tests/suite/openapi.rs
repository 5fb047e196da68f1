//! v3's answers against the service's own description of them, where that document is at hand.

use crate::client::{call, get, start};
use crate::schema::faults;
use cibridge_simulator::{Advance, DEFAULT_APP, DEFAULT_TEAM, History, Plan, Simulator, StorePhase, Target};
use serde_json::{Value, json};
use std::path::PathBuf;

fn document() -> Option<Value> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/codemagic/openapi-v3.json");
    let path = std::env::var_os("CIBRIDGE_OPENAPI").map_or(beside, PathBuf::from);
    let text = std::fs::read_to_string(path).ok()?;
    Some(serde_json::from_str(&text).expect("the OpenAPI document is JSON"))
}

/// Checks an answer by the description of its route.
fn check(document: &Value, route: &str, method: &str, status: u16, body: &Value) {
    let media = &document["paths"][route][method]["responses"][status.to_string()]["content"]["application/json"];
    assert!(media["schema"].is_object(), "{method} {route} {status} is not described");
    let found = faults(document, &media["schema"], body);
    assert!(found.is_empty(), "{method} {route}: {found:#?}");
}

#[test]
#[expect(clippy::print_stdout, reason = "tells why nothing was tested")]
fn answers_are_as_described() {
    let Some(document) = document() else {
        println!("skipped: no OpenAPI document; name one in CIBRIDGE_OPENAPI");
        return;
    };
    let store = StorePhase { status: "processing".into(), seconds: 1.0 };
    let sim = Simulator::builder()
        .advance(Advance::Manual)
        .history(History { durations: vec![60.0; 3], ..History::default() })
        .plan(Plan { app_store_connect: vec![store], ..Plan::default() })
        .start()
        .unwrap();
    let id = start(&sim);
    let (build, actions) = (format!("/api/v3/builds/{id}"), format!("/api/v3/builds/{id}/actions"));
    let list = format!("/api/v3/teams/{DEFAULT_TEAM}/builds?page_size=2");
    for target in ["queued", "preparing", "fetching", "building", "publishing", "finishing", "finished"] {
        sim.advance_build(&id, &Target::Status(target.into()));
        check(&document, "/api/v3/builds/{build_id}", "get", 200, &get(&sim, &build).json());
        check(&document, "/api/v3/builds/{build_id}/actions", "get", 200, &get(&sim, &actions).json());
        check(&document, "/api/v3/teams/{team_id}/builds", "get", 200, &get(&sim, &list).json());
    }
    sim.plan(Plan::failing("Build ipa", ""));
    let failed = start(&sim);
    sim.advance_build(&failed, &Target::End);
    let path = format!("/api/v3/builds/{failed}");
    check(&document, "/api/v3/builds/{build_id}", "get", 200, &get(&sim, &path).json());
    check(&document, "/api/v3/builds/{build_id}", "get", 400, &get(&sim, "/api/v3/builds/x").json());

    for route in ["/api/v3/user", "/api/v3/user/apps", "/api/v3/user/teams", "/api/v3/user/api-key", "/api/v3/meta"] {
        check(&document, route, "get", 200, &get(&sim, route).json());
    }
    let apps = get(&sim, &format!("/api/v3/teams/{DEFAULT_TEAM}/apps")).json();
    check(&document, "/api/v3/teams/{team_id}/apps", "get", 200, &apps);
    let permissions = get(&sim, &format!("/api/v3/user/teams/{DEFAULT_TEAM}/permissions")).json();
    check(&document, "/api/v3/user/teams/{team_id}/permissions", "get", 200, &permissions);

    for (owner, route) in [
        (format!("apps/{DEFAULT_APP}"), "/api/v3/apps/{app_id}/variable-groups"),
        (format!("teams/{DEFAULT_TEAM}"), "/api/v3/teams/{team_id}/variable-groups"),
    ] {
        let path = format!("/api/v3/{owner}/variable-groups");
        let body = json!({"name": "g", "advanced_security": {"enabled": false, "selected_apps": []}}).to_string();
        let created = call(&sim, "POST", &path, &body).json();
        check(&document, route, "post", 201, &created);
        check(&document, route, "get", 200, &get(&sim, &path).json());
        let group = format!("/api/v3/variable-groups/{}", created["data"]["id"].as_str().unwrap());
        check(&document, "/api/v3/variable-groups/{variable_group_id}", "get", 200, &get(&sim, &group).json());
        let variables = format!("{group}/variables");
        let body = json!({"secure": true, "variables": [{"name": "A", "value": "b"}]}).to_string();
        assert_eq!(call(&sim, "POST", &variables, &body).status, 201);
        let route = "/api/v3/variable-groups/{variable_group_id}/variables";
        check(&document, route, "get", 200, &get(&sim, &variables).json());
    }
}

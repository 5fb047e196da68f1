//! Artifacts: every kind of link, the storage behind them, ranges, ends of life.

use crate::client::{Reply, auth, call, get, once, path_of, start};
use cibridge_simulator::{Advance, ArtifactPlan, Config, Plan, Simulator, Target};
use serde_json::{Value, json};

fn done(plan: Plan, change: impl FnOnce(&mut Config)) -> (Simulator, String) {
    let sim = Simulator::builder().advance(Advance::Manual).plan(plan).config(change).start().unwrap();
    let id = start(&sim);
    sim.advance_build(&id, &Target::End);
    (sim, id)
}

fn artifacts(sim: &Simulator, id: &str) -> Value {
    get(sim, &format!("/api/v3/builds/{id}")).json()["data"]["artifacts"].clone()
}

fn link(sim: &Simulator, id: &str) -> String {
    artifacts(sim, id)[0]["short_lived_download_url"].as_str().unwrap().to_owned()
}

/// The redirect of a link that is asked without a key.
fn follow(sim: &Simulator, url: &str) -> String {
    let reply = once(sim.legacy_url(), "GET", path_of(url), &[], "").unwrap();
    assert_eq!(reply.status, 302, "{}", reply.text());
    reply.header("location").to_owned()
}

fn fetch(sim: &Simulator, url: &str, headers: &[&str]) -> Reply {
    once(sim.storage_url(), "GET", path_of(url), headers, "").unwrap()
}

#[test]
fn a_short_lived_link_needs_no_key_and_leads_to_another_origin() {
    let (sim, id) = done(Plan::default(), |_| {});
    let url = link(&sim, &id);
    assert!(url.starts_with(&format!("{}//artifacts/.", sim.legacy_url())), "{url}");
    assert_ne!(url, link(&sim, &id), "each answer has its own links");
    let there = follow(&sim, &url);
    assert!(there.starts_with(sim.storage_url()) && there.contains("/Demo.ipa?Expires="));
    let file = fetch(&sim, &there, &[]);
    let info = &sim.build(&id).unwrap().artifacts[0];
    assert_eq!((file.status, file.body.len() as u64), (200, info.size));
    assert_eq!(file.header("etag").trim_matches('"'), info.md5.as_deref().unwrap());

    let changed = once(sim.legacy_url(), "GET", &path_of(&url).replacen("//", "/", 1), &[], "").unwrap();
    assert_eq!(changed.status, 404, "the double slash belongs to the link");
    let unsigned = there.split('?').next().unwrap();
    assert_eq!(fetch(&sim, unsigned, &[]).status, 403);
}

#[test]
fn the_storage_wants_no_credentials() {
    let (sim, id) = done(Plan::default(), |_| {});
    let there = follow(&sim, &link(&sim, &id));
    for header in [auth().as_str(), "Authorization: Bearer x"] {
        assert_eq!(fetch(&sim, &there, &[header]).status, 400);
    }
    assert_eq!(sim.counters().leaked_credentials, 2);
    sim.configure(|c| c.storage.refuse_credentials = false);
    assert_eq!(fetch(&sim, &there, &[&auth()]).status, 200);
    assert_eq!(sim.counters().leaked_credentials, 3);
}

#[test]
fn ranges_are_served_as_long_as_the_file_is_the_same() {
    let (sim, id) = done(Plan::default(), |_| {});
    let there = follow(&sim, &link(&sim, &id));
    let whole = fetch(&sim, &there, &[]);
    let part = fetch(&sim, &there, &["Range: bytes=1000-1999"]);
    assert_eq!((part.status, part.header("content-range")), (206, "bytes 1000-1999/300000"));
    assert_eq!(part.body, whole.body[1000..2000]);
    let same = format!("If-Range: {}", whole.header("etag"));
    assert_eq!(fetch(&sim, &there, &["Range: bytes=5-", &same]).status, 206);
    assert_eq!(fetch(&sim, &there, &["Range: bytes=5-", "If-Range: \"old\""]).status, 200);
    assert_eq!(fetch(&sim, &there, &["Range: bytes=300000-"]).status, 416);
    sim.configure(|c| c.storage.ranges = false);
    assert_eq!(fetch(&sim, &there, &["Range: bytes=5-"]).status, 200);
}

#[test]
fn links_grow_old_and_wear_out() {
    let (sim, id) = done(Plan::default(), |c| {
        c.links.short_lived_seconds = Some(60.0);
        c.links.storage_uses = Some(1);
    });
    let url = link(&sim, &id);
    let there = follow(&sim, &url);
    assert_eq!(fetch(&sim, &there, &[]).status, 200);
    let worn = fetch(&sim, &there, &[]);
    assert!(worn.status == 400 && worn.text().contains("ExpiredToken"));
    sim.advance(60.0);
    assert_eq!(once(sim.legacy_url(), "GET", path_of(&url), &[], "").unwrap().status, 403);
    assert_eq!(fetch(&sim, &follow(&sim, &link(&sim, &id)), &[]).status, 200, "a fresh link works");
}

#[test]
fn the_legacy_link_needs_the_key_and_can_be_made_public() {
    let (sim, id) = done(Plan::default(), |_| {});
    let artefact = get(&sim, &format!("/builds/{id}")).json()["build"]["artefacts"][0].clone();
    let url = artefact["url"].as_str().unwrap();
    assert!(url.ends_with("/Demo.ipa") && artefact["md5"].as_str().unwrap().len() == 32);
    assert_eq!(once(sim.legacy_url(), "GET", path_of(url), &[], "").unwrap().status, 401);
    assert_eq!(get(&sim, path_of(url)).status, 302);

    let public = format!("{}/public-url", path_of(url));
    let end = 4_102_444_800_i64;
    let reply = call(&sim, "POST", &public, &json!({"expiresAt": end}).to_string());
    assert_eq!((reply.status, &reply.json()["expiresAt"]), (200, &json!("2100-01-01T00:00:00+00:00")));
    let open = reply.json()["url"].as_str().unwrap().to_owned();
    assert!(open.starts_with(&format!("{}/artifacts/.eJw", sim.legacy_url())));
    assert_eq!(fetch(&sim, &follow(&sim, &open), &[]).status, 200);
    assert_eq!(call(&sim, "POST", &public, r#"{"expiresAt": 1}"#).status, 400);
    sim.configure(|c| c.links.longest_public_seconds = Some(60.0));
    let shorter = call(&sim, "POST", &public, &json!({"expiresAt": end}).to_string()).json();
    assert_ne!(shorter["expiresAt"], "2100-01-01T00:00:00+00:00");
    let short = path_of(&link(&sim, &id)).to_owned() + "/public-url";
    assert_eq!(call(&sim, "POST", &short, &json!({"expiresAt": end}).to_string()).status, 404);
}

#[test]
fn what_is_told_may_be_wrong_and_names_may_be_odd() {
    let odd = "../a b/ü?.ipa";
    let artifacts_of = vec![
        ArtifactPlan { declared_size: Some(9), md5: Some("0".repeat(32)), ..ArtifactPlan::of(odd, "ipa", 10) },
        ArtifactPlan::of("huge.bin", "bundle", 5_000_000_000),
        ArtifactPlan { no_size: true, ..ArtifactPlan::text("report.xml", "glob_matched", "<x/>") },
    ];
    let (sim, id) = done(Plan { artifacts: artifacts_of, ..Plan::default() }, |c| c.links.direct = true);
    let shown = artifacts(&sim, &id);
    assert_eq!((&shown[0]["name"], &shown[0]["size_in_bytes"]), (&json!(odd), &json!(9)));
    assert_eq!((&shown[1]["size_in_bytes"], &shown[2]["size_in_bytes"]), (&json!(5_000_000_000_u64), &Value::Null));
    let legacy = get(&sim, &format!("/builds/{id}")).json()["build"]["artefacts"].clone();
    assert_eq!((&legacy[0]["md5"], &legacy[1]["md5"]), (&json!("0".repeat(32)), &Value::Null));
    let file = get(&sim, path_of(legacy[0]["url"].as_str().unwrap()));
    assert_eq!((file.status, file.body.len()), (200, 10));
    let url = legacy[1]["url"].as_str().unwrap();
    let end = once(sim.legacy_url(), "GET", path_of(url), &[&auth(), "Range: bytes=4999999996-"], "").unwrap();
    assert_eq!((end.status, end.body.len()), (206, 4));
    let report = get(&sim, path_of(legacy[2]["url"].as_str().unwrap()));
    assert_eq!(report.text(), "<x/>");
}

#[test]
fn nothing_is_there_before_its_time() {
    let sim = Simulator::builder()
        .advance(Advance::Manual)
        .plan(Plan { artifacts_late_seconds: 20.0, ..Plan::default() })
        .start()
        .unwrap();
    let id = start(&sim);
    sim.advance_build(&id, &Target::End);
    assert_eq!(artifacts(&sim, &id), json!([]));
    assert!(get(&sim, &format!("/builds/{id}")).json()["build"]["artefacts"].is_null());
    sim.advance(20.0);
    assert_eq!(artifacts(&sim, &id).as_array().unwrap().len(), 2);
}

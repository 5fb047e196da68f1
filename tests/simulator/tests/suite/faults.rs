//! Every kind of fault, seen by the client that it is meant for.

use crate::client::{Reply, auth, exchange, get, once, path_of, start, start_body, start_path};
use cibridge_simulator::{Advance, CutHow, CutPoint, Fault, FaultKind, Listener, Simulator, Target, WrongShape};
use serde_json::json;
use std::io::ErrorKind;
use std::time::Duration;

fn sim() -> Simulator {
    Simulator::builder().advance(Advance::Manual).start().unwrap()
}

fn try_start(sim: &Simulator) -> std::io::Result<Reply> {
    once(sim.legacy_url(), "POST", &start_path(), &[&auth()], &start_body())
}

fn user(sim: &Simulator) -> Reply {
    get(sim, "/api/v3/user")
}

fn raw(sim: &Simulator) -> String {
    let request = format!("GET /api/v3/user HTTP/1.1\r\n{}\r\n\r\n", auth());
    String::from_utf8_lossy(&exchange(sim.legacy_url(), request.as_bytes()).0).into_owned()
}

#[test]
fn a_fault_hits_what_it_names_and_may_act_first() {
    let sim = sim();
    sim.fault(Fault::status(503).on("POST", "/api/v3/apps/*/builds").nth(2).times(2));
    let codes: Vec<u16> = (0..4).map(|_| try_start(&sim).unwrap().status).collect();
    assert_eq!(codes, [202, 503, 503, 202]);
    let hit = &sim.requests()[1];
    assert_eq!((hit.fault.as_deref(), hit.acted, hit.status), (Some("status"), false, Some(503)));
    sim.fault(Fault::status(500).path("/builds").acted());
    assert_eq!((try_start(&sim).unwrap().status, sim.counters().builds_started), (500, 3));
}

#[test]
fn connections_are_cut_at_every_point() {
    let sim = sim();
    sim.fault(Fault::cut(CutPoint::Accept));
    assert!(try_start(&sim).is_err());
    sim.fault(Fault::cut(CutPoint::Handshake).listener(Listener::Api));
    assert!(try_start(&sim).is_err());
    assert_eq!((sim.counters().requests, sim.counters().connections), (0, 2));
    sim.fault(Fault::cut_after(CutPoint::RequestBody, 5).path("/builds"));
    assert!(try_start(&sim).is_err());
    assert!(sim.wait_for(Duration::from_secs(5), |s| s.requests()[0].done));
    assert_eq!((sim.requests()[0].body_len, sim.requests()[0].status), (5, None));
    sim.fault(Fault::cut(CutPoint::BeforeAnswer));
    assert_eq!(try_start(&sim).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(sim.counters().builds_started, 0);
    sim.fault(Fault::new(FaultKind::Cut { at: CutPoint::BeforeAnswer, bytes: 0, how: CutHow::Close }).acted());
    assert_eq!(try_start(&sim).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    assert_eq!(sim.counters().builds_started, 1);
    sim.fault(Fault::cut_after(CutPoint::Answer, 12));
    assert_eq!(raw(&sim), "HTTP/1.1 200");
    sim.fault(Fault::cut_after(CutPoint::AnswerBody, 7));
    let reply = try_start(&sim).unwrap();
    assert_eq!((reply.status, reply.text().as_str(), reply.whole), (202, "{\"data\"", false));
    sim.fault(Fault::cut(CutPoint::AfterAnswer));
    let kept = raw(&sim);
    assert!(kept.ends_with("}}") && !kept.contains("Connection: close"), "{kept}");
}

#[test]
fn answers_are_changed_on_their_way() {
    let sim = sim();
    let proper = user(&sim);
    let length = proper.body.len();
    sim.fault(Fault::new(FaultKind::Truncate { bytes: None }));
    let half = user(&sim);
    assert!(!half.whole && half.body.len() == length / 2 && half.header("content-length") == length.to_string());
    sim.fault(Fault::new(FaultKind::Endless { limit: 200_000 }));
    let endless = user(&sim);
    assert!(!endless.whole && endless.body.len() >= 190_000);
    sim.fault(Fault::new(FaultKind::WrongSize { delta: 3 }));
    assert_eq!(user(&sim).body.len(), length + 3);
    sim.fault(Fault::new(FaultKind::Drip { bytes: 40, interval_ms: 1 }));
    assert_eq!(user(&sim).body, proper.body);
    sim.fault(Fault::patch(json!({"data": {"id": 5}})));
    assert_eq!(user(&sim).json()["data"]["id"], 5);
    sim.fault(Fault::replace("\"avatar_url\":\"", b"\"avatar_url\":\"\xe9"));
    assert!(user(&sim).body.contains(&0xe9));
    sim.fault(Fault::new(FaultKind::Gzip));
    let packed = user(&sim);
    assert!(packed.header("content-encoding") == "gzip" && packed.body.starts_with(b"\x1f\x8b"));
    sim.fault(Fault::new(FaultKind::BigHead { headers: 300, bytes: 220 }));
    assert!(user(&sim).headers.len() > 300);
    sim.fault(Fault::status(429).set("Retry-After", "12.5"));
    assert_eq!(user(&sim).header("retry-after"), "12.5");
    sim.fault(Fault::headers().set("ratelimit-reset", "1790000000000"));
    assert_eq!(user(&sim).header("ratelimit-reset"), "1790000000000");
    sim.fault(Fault::new(FaultKind::WrongJson { shape: WrongShape::Binary }));
    assert_eq!((user(&sim).json(), user(&sim).status), (json!(null), 200));
    sim.fault(Fault::new(FaultKind::Raw { text: "220 mail ready\r\n".into() }));
    assert_eq!(raw(&sim), "220 mail ready\r\n");
}

#[test]
fn files_arrive_damaged() {
    let sim = sim();
    let id = start(&sim);
    sim.advance_build(&id, &Target::End);
    let build = get(&sim, &format!("/api/v3/builds/{id}")).json();
    let url = build["data"]["artifacts"][0]["short_lived_download_url"].as_str().unwrap().to_owned();
    let there = once(sim.legacy_url(), "GET", path_of(&url), &[], "").unwrap().header("location").to_owned();
    let fetch = |headers: &[&str]| once(sim.storage_url(), "GET", path_of(&there), headers, "").unwrap();
    let good = fetch(&[]).body;
    let order = |kind| sim.fault(Fault::new(kind).listener(Listener::Storage));
    order(FaultKind::Corrupt { offset: 70_000 });
    let bad = fetch(&[]).body;
    assert_eq!((0..good.len()).filter(|&i| good[i] != bad[i]).collect::<Vec<_>>(), [70_000]);
    order(FaultKind::WrongSize { delta: -1 });
    let short = fetch(&[]);
    assert_eq!((short.whole, short.body.len()), (true, 299_999));
    order(FaultKind::IgnoreRange);
    assert_eq!(fetch(&["Range: bytes=9-"]).status, 200);
    order(FaultKind::WrongRange { shift: 7 });
    assert_eq!(fetch(&["Range: bytes=9-"]).header("content-range"), "bytes 16-299999/300000");
}

#[test]
fn a_proxy_connects_answers_or_closes() {
    let sim = sim();
    let target = sim.legacy_url().trim_start_matches("http://").to_owned();
    let connect = format!("CONNECT {target} HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nConnection: close\r\n\r\n");
    let through = || String::from_utf8_lossy(&exchange(sim.storage_url(), connect.as_bytes()).0).into_owned();
    sim.fault(Fault::status(503).on("CONNECT", ""));
    assert!(through().starts_with("HTTP/1.1 503 "));
    sim.fault(Fault::cut(CutPoint::BeforeAnswer).on("CONNECT", ""));
    assert_eq!(through(), "");
    let open = through();
    assert!(open.starts_with("HTTP/1.1 200 ") && open.contains("HTTP/1.1 401 "), "{open}");
}

#[test]
fn a_drop_ends_even_what_hangs() {
    let sim = sim();
    sim.fault(Fault::new(FaultKind::Hang { max_ms: 600_000 }));
    let base = sim.legacy_url().to_owned();
    let hanging = std::thread::spawn(move || once(&base, "GET", "/user", &[], "").is_err());
    assert!(sim.wait_for_requests("GET", "/user", 1));
    drop(sim);
    assert!(hanging.join().unwrap());
}

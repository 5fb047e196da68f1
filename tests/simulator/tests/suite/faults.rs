//! Every fault, seen by the client it is meant for.

use crate::client::{Client, Reply, auth, get, once, path_of, start, start_body, start_path};
use cibridge_simulator::{
    Advance, CutHow, CutPoint, Fault, FaultKind, Listener, Page, Plan, Simulator, Target, WrongShape,
};
use serde_json::json;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

fn sim() -> Simulator {
    Simulator::builder().advance(Advance::Manual).start().unwrap()
}

fn try_start(sim: &Simulator) -> std::io::Result<Reply> {
    once(sim.legacy_url(), "POST", &start_path(), &[&auth()], &start_body())
}

fn user(sim: &Simulator) -> Reply {
    get(sim, "/api/v3/user")
}

#[test]
fn statuses_hit_what_they_should_and_no_more() {
    let sim = sim();
    sim.fault(Fault::status(503).on("POST", "/api/v3/apps/*/builds").nth(2).times(2));
    let codes: Vec<u16> = (0..4).map(|_| try_start(&sim).unwrap().status).collect();
    assert_eq!(codes, [202, 503, 503, 202]);
    assert_eq!((sim.counters().builds_started, sim.counters().faults), (2, 2));
    let hit = &sim.requests()[1];
    assert_eq!((hit.fault.as_deref(), hit.acted, hit.status), (Some("status"), false, Some(503)));
}

#[test]
fn an_error_may_hide_a_started_build() {
    let sim = sim();
    sim.fault(Fault::status(500).path("/builds").acted());
    assert_eq!(try_start(&sim).unwrap().status, 500);
    assert_eq!(sim.counters().builds_started, 1);
}

#[test]
fn pages_take_the_place_of_answers() {
    let cases = [(Page::Sso, 200), (Page::Proxy, 403), (Page::ProxyAuth, 407), (Page::Gateway, 502)];
    for (page, status) in cases {
        let sim = sim();
        sim.fault(Fault::page(page));
        let reply = user(&sim);
        assert_eq!((reply.status, reply.header("content-type")), (status, "text/html; charset=utf-8"));
    }
}

#[test]
fn redirects_and_limits() {
    let sim = sim();
    sim.fault(Fault::redirect(308, "{storage}/trap"));
    assert_eq!(user(&sim).header("location"), format!("{}/trap", sim.storage_url()));
    sim.fault(Fault::new(FaultKind::RedirectLoop { status: 301 }));
    assert_eq!(user(&sim).header("location"), format!("{}/api/v3/user", sim.legacy_url()));
    sim.fault(Fault::new(FaultKind::RateLimited { reset_seconds: 9, retry_after: Some(4) }));
    let reply = user(&sim);
    assert_eq!((reply.status, reply.header("ratelimit-reset"), reply.header("retry-after")), (429, "9", "4"));
}

#[test]
fn cuts_before_the_request() {
    let sim = sim();
    sim.fault(Fault::cut(CutPoint::Accept));
    assert!(try_start(&sim).is_err());
    sim.fault(Fault::cut(CutPoint::Handshake).listener(Listener::Api));
    assert!(try_start(&sim).is_err());
    assert_eq!((sim.counters().requests, sim.counters().connections), (0, 2));
    assert_eq!(try_start(&sim).unwrap().status, 202);
}

#[test]
fn cuts_within_and_after_the_request() {
    let sim = sim();
    sim.fault(Fault::cut_after(CutPoint::RequestBody, 5).path("/builds"));
    assert!(try_start(&sim).is_err());
    assert!(sim.wait_for(Duration::from_secs(5), |s| s.requests()[0].done));
    assert_eq!((sim.requests()[0].body_len, sim.requests()[0].status), (5, None));

    sim.fault(Fault::cut(CutPoint::BeforeAnswer));
    let error = try_start(&sim).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(sim.counters().builds_started, 0);

    sim.fault(Fault::cut(CutPoint::BeforeAnswer).acted());
    assert!(try_start(&sim).is_err());
    assert_eq!(sim.counters().builds_started, 1);

    sim.fault(Fault::new(FaultKind::Cut { at: CutPoint::BeforeAnswer, bytes: 0, how: CutHow::Close }));
    assert_eq!(try_start(&sim).unwrap_err().kind(), ErrorKind::UnexpectedEof);
}

#[test]
fn cuts_within_the_answer() {
    let sim = sim();
    sim.fault(Fault::cut_after(CutPoint::Answer, 12));
    let mut client = Client::to(sim.legacy_url());
    client.send(format!("GET /api/v3/user HTTP/1.1\r\n{}\r\n\r\n", auth()).as_bytes()).unwrap();
    assert_eq!(client.rest(), "HTTP/1.1 200");
    sim.fault(Fault::cut_after(CutPoint::AnswerBody, 7));
    let reply = try_start(&sim).unwrap();
    assert_eq!((reply.status, reply.text().as_str(), reply.whole), (202, "{\"data\"", false));
    assert_eq!(sim.counters().builds_started, 1);
    assert!(sim.wait_for(Duration::from_secs(5), |s| s.requests()[1].done));
    assert!(!sim.requests()[1].complete);
}

#[test]
fn bodies_go_wrong() {
    let sim = sim();
    let length = user(&sim).body.len();
    sim.fault(Fault::new(FaultKind::Truncate { bytes: None }));
    let half = user(&sim);
    assert!(!half.whole && half.body.len() == length / 2 && half.header("content-length") == length.to_string());
    sim.fault(Fault::new(FaultKind::Endless { limit: 200_000 }));
    let endless = user(&sim);
    assert!(!endless.whole && endless.body.len() >= 190_000);
    sim.fault(Fault::new(FaultKind::Empty { status: 200 }));
    assert_eq!(user(&sim).body, b"");
    sim.fault(Fault::new(FaultKind::ContentType { value: "text/html".into() }));
    assert_eq!(user(&sim).header("content-type"), "text/html");
    sim.fault(Fault::patch(json!({"data": {"id": 5}})));
    assert_eq!(user(&sim).json()["data"]["id"], 5);
    sim.fault(Fault::new(FaultKind::WrongSize { delta: 3 }));
    assert_eq!(user(&sim).body.len(), length + 3);
    sim.fault(Fault::new(FaultKind::Drip { bytes: 40, interval_ms: 1 }));
    assert_eq!(user(&sim).body.len(), length);
    let shapes = [WrongShape::Broken, WrongShape::Text, WrongShape::Binary];
    for shape in shapes {
        sim.fault(Fault::new(FaultKind::WrongJson { shape }));
        let reply = user(&sim);
        assert_eq!((reply.status, reply.header("content-type"), reply.json()), (200, "application/json", json!(null)));
    }
    sim.fault(Fault::new(FaultKind::Raw { text: "220 mail ready\r\n".into() }));
    let mut client = Client::to(sim.legacy_url());
    client.send(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    assert_eq!(client.rest(), "220 mail ready\r\n");
}

#[test]
fn answers_come_late_or_never() {
    let sim = sim();
    let begin = Instant::now();
    sim.fault(Fault::slow(Duration::from_millis(30)));
    assert_eq!(try_start(&sim).unwrap().status, 202);
    assert!(begin.elapsed() >= Duration::from_millis(30));

    sim.fault(Fault::new(FaultKind::Hang { max_ms: 60_000 }).acted());
    let mut client = Client::to(sim.legacy_url());
    let body = start_body();
    let head = format!("POST {} HTTP/1.1\r\n{}\r\nContent-Length: {}\r\n\r\n", start_path(), auth(), body.len());
    client.send(format!("{head}{body}").as_bytes()).unwrap();
    assert!(sim.wait_for(Duration::from_secs(5), |s| s.counters().builds_started == 2));
    drop(client);
    assert!(sim.wait_for(Duration::from_secs(5), |s| s.requests()[1].done));
    assert_eq!(sim.requests()[1].status, None);
}

#[test]
fn files_arrive_damaged() {
    let sim = Simulator::builder().advance(Advance::Manual).plan(Plan::default()).start().unwrap();
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
    let differing: Vec<usize> = (0..good.len()).filter(|&i| good[i] != bad[i]).collect();
    assert_eq!(differing, [70_000]);
    order(FaultKind::Truncate { bytes: None });
    let half = fetch(&[]);
    assert_eq!((half.whole, half.body.len()), (false, 150_000));
    order(FaultKind::WrongSize { delta: -1 });
    let short = fetch(&[]);
    assert_eq!((short.whole, short.body.len()), (true, 299_999));
    order(FaultKind::ExpiredLink { status: 403 });
    assert!(fetch(&[]).text().contains("ExpiredToken"));
    order(FaultKind::IgnoreRange);
    assert_eq!(fetch(&["Range: bytes=9-"]).status, 200);
    order(FaultKind::WrongRange { shift: 7 });
    assert_eq!(fetch(&["Range: bytes=9-"]).header("content-range"), "bytes 16-299999/300000");
    order(FaultKind::Headers { set: [("X-A".to_owned(), "1".to_owned())].into(), remove: vec!["etag".into()] });
    let bare = fetch(&[]);
    assert_eq!((bare.header("etag"), bare.header("x-a")), ("", "1"));
}

#[test]
fn a_drop_ends_even_what_hangs() {
    let sim = sim();
    sim.fault(Fault::new(FaultKind::Hang { max_ms: 600_000 }));
    sim.fault(Fault::slow(Duration::from_secs(600)).path("/user"));
    let mut clients: Vec<Client> = (0..3).map(|_| Client::to(sim.legacy_url())).collect();
    for client in &mut clients[..2] {
        client.send(format!("GET /user HTTP/1.1\r\n{}\r\n\r\n", auth()).as_bytes()).unwrap();
    }
    assert!(sim.wait_for_requests("GET", "/user", 2));
    let begin = Instant::now();
    drop(sim);
    assert!(begin.elapsed() < Duration::from_secs(5));
}

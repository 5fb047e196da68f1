//! Exactly one build per call, wherever the connection is cut.

use std::time::Duration;

use cibridge_simulator::{CutHow, CutPoint, Fault, FaultKind, Page, Plan, WrongShape};

use crate::support::net::Scissors;
use crate::support::{Call, simulator, together};

/// How the way of a start is disturbed.
#[derive(Clone)]
enum Way {
    Fault(Fault),
    /// The same, over TLS.
    Tls(Fault),
    /// The line is cut after so many bytes of the request.
    Cut(usize),
}

/// What comes of it.
#[derive(Clone, Copy, PartialEq)]
enum Comes {
    Build,
    Nothing,
    /// The bytes may have left this machine when the connection broke, so that is a matter of microseconds.
    Either,
}

/// The length of a start on the wire.
fn length() -> usize {
    let sim = simulator().start().unwrap();
    Call::to(&sim, "codemagic trigger").run().exit_code(0);
    let request = &sim.requests()[0];
    let headers: usize = request.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n").len()).sum();
    format!("POST {} HTTP/1.1\r\n\r\n", request.path).len() + headers + request.body.len()
}

/// The classes of places at which a start can be lost.
fn classes() -> Vec<(String, Way, Comes)> {
    let on = |fault: Fault| fault.on("POST", "/builds");
    let cut = |at, bytes| on(Fault::cut_after(at, bytes));
    let orderly = |at| on(Fault::new(FaultKind::Cut { at, bytes: 0, how: CutHow::Close }));
    let hang = on(Fault::new(FaultKind::Hang { max_ms: 60_000 }));
    let wrong = |shape| on(Fault::new(FaultKind::WrongJson { shape }));
    let mut all: Vec<_> = [
        ("the connection, at once", Way::Fault(Fault::cut(CutPoint::Accept)), Comes::Either),
        ("the connection, a little later", Way::Fault(Fault::cut(CutPoint::Handshake)), Comes::Either),
        ("the TLS handshake", Way::Tls(Fault::cut(CutPoint::Accept)), Comes::Either),
        ("the connection after the TLS handshake", Way::Tls(Fault::cut(CutPoint::Handshake)), Comes::Either),
        ("the start of the body", Way::Fault(cut(CutPoint::RequestBody, 0)), Comes::Nothing),
        ("the middle of the body", Way::Fault(cut(CutPoint::RequestBody, 20)), Comes::Nothing),
        ("after the request, not acted on", Way::Fault(cut(CutPoint::BeforeAnswer, 0)), Comes::Nothing),
        ("no answer in time, not acted on", Way::Fault(hang.clone()), Comes::Nothing),
        ("502, not acted on", Way::Fault(on(Fault::status(502))), Comes::Nothing),
        ("after the request, acted on", Way::Fault(cut(CutPoint::BeforeAnswer, 0).acted()), Comes::Build),
        ("the same, over TLS", Way::Tls(cut(CutPoint::BeforeAnswer, 0).acted()), Comes::Build),
        ("an orderly end instead of an answer", Way::Fault(orderly(CutPoint::BeforeAnswer).acted()), Comes::Build),
        ("the status line", Way::Fault(cut(CutPoint::Answer, 5)), Comes::Build),
        ("the answer's head", Way::Fault(cut(CutPoint::Answer, 60)), Comes::Build),
        ("the start of the answer's body", Way::Fault(cut(CutPoint::AnswerBody, 0)), Comes::Build),
        ("the middle of the answer's body", Way::Fault(cut(CutPoint::AnswerBody, 15)), Comes::Build),
        ("the same, over TLS", Way::Tls(cut(CutPoint::AnswerBody, 15)), Comes::Build),
        ("a short body", Way::Fault(on(Fault::new(FaultKind::Truncate { bytes: None }))), Comes::Build),
        ("no answer in time", Way::Fault(hang.acted()), Comes::Build),
        ("an empty answer", Way::Fault(on(Fault::new(FaultKind::Empty { status: 202 })).acted()), Comes::Build),
        ("broken JSON", Way::Fault(wrong(WrongShape::Broken)), Comes::Build),
        ("JSON without an id", Way::Fault(wrong(WrongShape::Object)), Comes::Build),
        ("an endless answer", Way::Fault(on(Fault::new(FaultKind::Endless { limit: 1 << 30 })).acted()), Comes::Build),
        ("500 after the act", Way::Fault(on(Fault::status(500)).acted()), Comes::Build),
        ("504 after the act", Way::Fault(on(Fault::status(504)).acted()), Comes::Build),
        ("a gateway's page", Way::Fault(on(Fault::page(Page::Gateway)).acted()), Comes::Build),
    ]
    .map(|(place, way, comes)| (place.to_owned(), way, comes))
    .into();
    let whole = length();
    for bytes in (1..=12).map(|part| (whole * part).div_ceil(12)) {
        all.push((format!("{bytes} of {whole} bytes of the request"), Way::Cut(bytes), Comes::Either));
    }
    all
}

/// Never two builds, and never a lost one without code 15. The search goes on for half a minute, so all cases run side
/// by side.
#[test]
fn a_lost_start_is_found_or_unknown_and_never_repeated() {
    let cases: Vec<_> = classes().into_iter().flat_map(|class| [(class.clone(), true), (class, false)]).collect();
    together(&cases, |((place, way, comes), search)| {
        let tls = matches!(way, Way::Tls(_));
        let sim = if tls { simulator().tls() } else { simulator() }.start().unwrap();
        let mut call = Call::to(&sim, "codemagic trigger --answer-timeout 5s");
        match way {
            Way::Fault(fault) | Way::Tls(fault) => sim.fault(fault.clone()),
            Way::Cut(bytes) => {
                let url = Scissors::new(sim.legacy_url(), *bytes).url();
                call = call.env("CODEMAGIC_API_URL", &format!("{url}/api/v3"));
            }
        }
        if let Some(ca) = sim.ca_file() {
            call = call.env("SSL_CERT_FILE", ca.to_str().unwrap());
        }
        if !search {
            sim.fault(Fault::status(503).on("GET", "").always());
        }
        let done = call.run();
        let builds = sim.counters().builds_started;
        let context = format!("{place}, the search works: {search}\n{done}");
        match (done.exit(), builds) {
            (0, 1) => assert_eq!(done.stdout.trim(), sim.builds()[0].id, "{context}"),
            (15, 0 | 1) => {
                assert!(builds == 0 || !*search, "a build that the search can see is found: {context}");
                let searched = if *search {
                    "no build could be identified as this one"
                } else {
                    "the search for it failed as well ("
                };
                done.stdout_is("")
                    .stderr_contains("; a build may have been started: ")
                    .stderr_contains(searched)
                    .stderr_contains(". It was not started again\nhint: look for the label cibridge-LABEL on https://codemagic.io/app/APP before");
                assert_eq!(done.document()["outcome"], "unknown", "{context}");
            }
            _ => panic!("{builds} builds: {context}"),
        }
        match comes {
            Comes::Build => assert_eq!((builds, done.exit()), (1, if *search { 0 } else { 15 }), "{context}"),
            Comes::Nothing => assert_eq!((builds, done.exit()), (0, 15), "{context}"),
            Comes::Either => {}
        }
    });
}

#[test]
fn a_build_that_is_listed_late_is_found_in_the_end() {
    let sim = simulator().config(|config| config.hidden_lists = 1).start().unwrap();
    sim.fault(Fault::cut(CutPoint::BeforeAnswer).acted().on("POST", "/builds"));
    Call::to(&sim, "codemagic trigger").run().exit_code(0).stderr_contains(
        "starting a build of app APP: 127.0.0.1 closed the connection before the response was complete; searching for the build\n\
         the build was started: found by its label\n",
    );
    assert_eq!(sim.counters().builds_started, 1);
}

/// A service that does not know the filter, and lists everything, must not make a stranger's build ours.
#[test]
fn a_strangers_build_is_not_taken_for_ours() {
    let sim = simulator().start().unwrap();
    let stranger = crate::support::started(&sim);
    let body =
        serde_json::json!({"data": [{"id": stranger, "status": "queued", "labels": ["nightly"]}], "cursor": null});
    sim.fault(Fault::answer(200, &body.to_string()).on("GET", "/api/*/teams/*/builds"));
    sim.fault(Fault::status(500).acted().on("POST", "/builds"));
    let done = Call::to(&sim, "codemagic trigger").run();
    done.exit_code(0);
    assert_ne!(done.stdout.trim(), stranger);
}

#[test]
fn a_key_makes_a_call_repeatable() {
    let sim = simulator().plan(Plan { hold: Some("building".into()), ..Plan::default() }).start().unwrap();
    let call = || Call::to(&sim, "codemagic trigger --idempotency-key jenkins-mobile-412");
    let first = call().run();
    first.exit_code(0).stderr_contains("Codemagic build started: ");
    assert_eq!(first.document()["adopted"], false);
    assert!(sim.builds()[0].labels.contains(&"cibridge-key=jenkins-mobile-412".to_owned()));
    let second = call().run();
    second.exit_code(0).stderr_is(
        "a build with this idempotency key exists already; adopting it\n\
         Codemagic build adopted: https://codemagic.io/app/APP/build/BUILD\n",
    );
    assert_eq!((second.document()["adopted"].clone(), &second.stdout), (true.into(), &first.stdout));
    assert_eq!(second.document()["build"]["number"], 1);
    assert_eq!(sim.counters().builds_started, 1);
    Call::to(&sim, "codemagic trigger").env("CIBRIDGE_IDEMPOTENCY_KEY", "another key").run().exit_code(0);
    assert_eq!(sim.counters().builds_started, 2);
}

/// Not knowing whether the key is there, nothing is started.
#[test]
fn a_key_that_cannot_be_searched_starts_nothing() {
    let sim = simulator().start().unwrap();
    sim.fault(Fault::status(403).on("GET", "/teams").always());
    Call::to(&sim, "codemagic trigger --idempotency-key k1").run().exit_code(10).stdout_is("");
    assert_eq!(sim.counters().builds_started, 0);
}

/// Neither call can see the other's build before it starts its own: the younger build is canceled afterwards, and both
/// calls are about the older one.
#[test]
fn two_calls_with_one_key_at_the_same_moment_keep_one_build() {
    for hidden in [0, 2] {
        let plan = Plan { hold: Some("building".into()), ..Plan::default() };
        let sim = simulator().plan(plan).config(|config| config.hidden_lists = hidden).start().unwrap();
        sim.fault(Fault::slow(Duration::from_millis(700)).on("POST", "/builds").times(2));
        let call = || Call::to(&sim, "codemagic trigger --idempotency-key one").spawn();
        let (one, other) = (call(), call());
        let (one, other) = (one.finish(), other.finish());
        one.exit_code(0);
        other.exit_code(0);
        assert_eq!(one.stdout, other.stdout, "both are about the same build\n{one}\n{other}");
        let builds = sim.builds();
        assert_eq!(builds.iter().filter(|build| build.cancels == 0).count(), 1, "{one}\n{other}");
        assert_eq!(one.stdout.trim(), builds[0].id, "the older one");
        let adopted = [&one, &other].map(|done| done.document()["adopted"] == true);
        assert_eq!(adopted.iter().filter(|adopted| **adopted).count(), 1, "{one}\n{other}");
    }
}

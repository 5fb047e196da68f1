//! Downloads that go wrong: what is tried again and how, what is given up, and that no wrong byte is kept.

use std::fs;
use std::os::unix::fs::FileTypeExt as _;

use cibridge_simulator::{
    ArtifactPlan, Builder, CutHow, CutPoint, Fault, FaultKind, Leaf, Listener, Page, Simulator, TlsOptions,
};

use super::{call, demo, ended, file, files, is_missing, is_whole, leaving, stored, with};
use crate::support::net::ClosedPort;
use crate::support::together;

/// The short-lived links; the lasting ones have one slash.
const SHORT: &str = "//artifacts/.";

/// In the storage.
fn storage(kind: FaultKind) -> Fault {
    Fault::new(kind).listener(Listener::Storage)
}

/// How often v3 was asked for fresh links.
fn polls(sim: &Simulator) -> usize {
    sim.requests_to("GET", "/api/v3/builds/").len()
}

/// The short-lived links that were opened, each once.
fn links(sim: &Simulator) -> Vec<String> {
    sim.requests_to("GET", SHORT).into_iter().map(|request| request.path).collect()
}

/// A fault that passes, and what it happens to.
type Passing = (&'static str, fn(Builder) -> Builder, Fault);

/// Nothing about the simulator is changed.
fn plain(builder: Builder) -> Builder {
    builder
}

/// Each of these faults passes: after it the file is there, and for the second try there was a fresh link.
#[track_caller]
fn passes(cases: &[Passing]) {
    together(cases, |(name, change, fault)| {
        let (sim, id) = with(change(leaving([file("Demo.ipa", 300_000)])));
        sim.fault(fault.clone());
        let done = call(&sim, &id).run();
        is_whole(&sim, &id, &done);
        assert_eq!(sim.counters().faults, 1, "{name}: the fault struck\n{done}");
        let mut links = links(&sim);
        assert_eq!(links.len(), 2, "{name}\n{done}");
        links.sort();
        links.dedup();
        assert_eq!(links.len(), 2, "{name}: a fresh link for each try");
        assert_eq!(sim.counters().leaked_credentials, 0, "{name}");
    });
}

/// A fault that is always there: these words, this code, no file, and this many requests that it met.
type Lasting = (Fault, i32, &'static str, u64);

#[track_caller]
fn lasts(cases: &[Lasting]) {
    together(cases, |(fault, code, words, struck)| {
        let (sim, id) = demo();
        sim.fault(fault.clone().always());
        let done = call(&sim, &id).run();
        is_missing(&done, *code);
        done.stderr_contains("cibridge: error: downloading Demo.ipa: ").stderr_contains(words);
        assert_eq!(done.stderr_text().matches("cibridge: error").count(), 1, "{done}");
        assert_eq!(sim.counters().faults, *struck, "{done}");
        assert_eq!(sim.counters().leaked_credentials, 0, "{done}");
    });
}

#[test]
fn a_file_comes_by_a_short_lived_link_without_the_key() {
    for builder in [leaving([file("Demo.ipa", 300_000)]), leaving([file("Demo.ipa", 300_000)]).tls()] {
        let (sim, id) = with(builder);
        let ca = sim.ca_file().map(|path| path.to_str().unwrap().to_owned()).unwrap_or_default();
        let done = call(&sim, &id).env("CIBRIDGE_CA_CERT", &ca).run();
        is_whole(&sim, &id, &done);
        let seen: Vec<_> = sim
            .requests()
            .into_iter()
            .map(|request| {
                (request.path.split('.').next().unwrap().to_owned(), request.header("x-auth-token").is_some())
            })
            .collect();
        let [(poll, true), (sums, true), (link, false), (bucket, false)] = &seen[..] else { panic!("{seen:?}") };
        assert_eq!((poll, sums), (&format!("/api/v3/builds/{id}"), &format!("/builds/{id}")));
        assert_eq!(link, "//artifacts/");
        assert!(bucket.starts_with("/codemagic-build-artifacts/"), "{bucket}");
        assert_eq!(done.document()["artifacts"][0]["md5"], sim.build(&id).unwrap().artifacts[0].md5.clone().unwrap());
        done.stderr_contains("/files/Demo.ipa (300.0 kB)\ndownloaded 1 artifact, 300.0 kB in ");
    }
}

#[test]
fn a_link_that_has_expired_is_asked_for_again() {
    let expired = |status| storage(FaultKind::ExpiredLink { status });
    let api = |status| Fault::status(status).path(SHORT);
    passes(&[
        ("storage 400", plain, expired(400)),
        ("storage 403", plain, expired(403)),
        ("storage 410", plain, expired(410)),
        ("api 401", plain, api(401)),
        ("api 403", plain, api(403)),
        ("api 404", plain, api(404)),
        ("api 410", plain, api(410)),
    ]);
}

/// The old link lasts, but needs the key; it goes to the API alone.
#[test]
fn the_lasting_link_is_the_last_resort_and_gets_the_key() {
    let (sim, id) = demo();
    sim.fault(Fault::status(403).path(SHORT).always());
    let done = call(&sim, &id).run();
    is_whole(&sim, &id, &done);
    let lasting = sim.requests_to("GET", "/artifacts/*/*/Demo.ipa");
    assert_eq!((links(&sim).len(), lasting.len()), (2, 1));
    assert_eq!(lasting[0].header("x-auth-token"), Some(sim.key().as_str()));
    assert_eq!((stored(&sim).len(), sim.counters().leaked_credentials), (1, 0));
}

#[test]
fn a_service_without_short_lived_links_is_asked_by_the_lasting_ones() {
    let (sim, id) = demo();
    sim.fault(
        Fault::patch(serde_json::json!({"data": {"artifacts": [{
            "name": "Demo.ipa", "type": "ipa", "size_in_bytes": 300_000, "short_lived_download_url": null,
        }]}}))
        .path("/api/v3/builds/")
        .always(),
    );
    let done = call(&sim, &id).run();
    is_whole(&sim, &id, &done);
    assert_eq!(links(&sim), [""; 0]);
}

#[test]
fn links_that_never_work_are_given_up() {
    let refused = "refused the request (HTTP 403)";
    lasts(&[
        (storage(FaultKind::ExpiredLink { status: 403 }), 10, refused, 3),
        (Fault::status(403).path("/artifacts/"), 10, refused, 3),
        (
            Fault::status(410).path("/artifacts/"),
            11,
            "(HTTP 410); gave up after 3 attempts\nhint: artifacts are kept for a limited time",
            3,
        ),
    ]);
}

#[test]
fn redirects_are_followed_with_the_path_as_it_is() {
    for status in [301, 302, 303, 307, 308] {
        let (sim, id) = with(leaving([file("Demo.ipa", 300_000)]).config(|c| c.links.redirect_status = status));
        let done = call(&sim, &id).run();
        is_whole(&sim, &id, &done);
        assert_eq!((links(&sim).len(), stored(&sim).len()), (1, 1), "{status}");
    }
}

#[test]
fn a_circle_of_redirects_is_left() {
    let circle = || Fault::new(FaultKind::RedirectLoop { status: 302 });
    let words = "too many redirects by";
    lasts(&[(circle().path("/artifacts/"), 14, words, 18), (circle().listener(Listener::Storage), 14, words, 15)]);
}

/// The storage refuses and counts requests that carry the key, whichever of the links led there.
#[test]
fn the_key_stays_at_its_own_origin() {
    for (change, code) in [
        // To the storage itself, and back to the API by way of it: the key is the API's own.
        (Fault::redirect(302, "{storage}/elsewhere").path("/artifacts/").always(), 11),
        (Fault::redirect(307, "{api}/artifacts/elsewhere").listener(Listener::Storage).always(), 11),
    ] {
        let (sim, id) = demo();
        sim.fault(change);
        let done = call(&sim, &id).run();
        is_missing(&done, code);
        assert!(!stored(&sim).is_empty());
        assert_eq!(sim.counters().leaked_credentials, 0);
        assert!(stored(&sim).iter().all(|request| request.header("x-auth-token").is_none()));
    }
}

/// A link comes from the service, so that no word about `--allow-http` helps: the way is refused before a byte is sent.
#[test]
fn a_redirect_to_plain_http_elsewhere_is_not_followed() {
    lasts(&[(
        Fault::redirect(302, "http://storage.example/Demo.ipa").path("/artifacts/"),
        14,
        "http://storage.example/Demo.ipa is plain http",
        3,
    )]);
}

#[test]
fn a_wrong_size_is_no_file() {
    let wrong = |delta| storage(FaultKind::WrongSize { delta });
    lasts(&[
        (wrong(10), 13, "announced a file of 300010 bytes instead of 300000", 2),
        (wrong(-10), 13, "announced a file of 299990 bytes instead of 300000", 2),
    ]);
    passes(&[("once too long", plain, wrong(10)), ("once too short", plain, wrong(-10))]);
}

/// Without a length in the head, the bytes themselves tell.
#[test]
fn a_wrong_size_shows_in_chunks_as_well() {
    for (delta, words) in [(200_000, "longer than the 300000 bytes that the service stated"), (-1, "before the end")] {
        let (sim, id) = with(leaving([file("Demo.ipa", 300_000)]).config(|c| {
            c.chunked = true;
            c.storage.ranges = false;
        }));
        sim.fault(storage(FaultKind::WrongSize { delta }).always());
        let done = call(&sim, &id).run();
        is_missing(&done, if delta > 0 { 13 } else { 14 });
        done.stderr_contains(words);
    }
}

#[test]
fn a_wrong_sum_is_no_file() {
    let wrong = ArtifactPlan { md5: Some("0".repeat(32)), ..file("Demo.ipa", 300_000) };
    let (sim, id) = with(leaving([wrong]));
    let done = call(&sim, &id).run();
    is_missing(&done, 13);
    let real = sim.build(&id).unwrap().artifacts[0].md5.clone().unwrap();
    done.stderr_contains(&format!(
        "downloading Demo.ipa: the MD5 sum is {real} instead of {}; gave up after 2 attempts",
        "0".repeat(32)
    ));
    assert_eq!(stored(&sim).len(), 2, "twice in whole");

    let corrupt = |offset| storage(FaultKind::Corrupt { offset });
    passes(&[("first byte", plain, corrupt(0)), ("last byte", plain, corrupt(299_999))]);
}

/// The legacy API alone knows the sums, and need not tell the size with them.
#[test]
fn a_sum_counts_without_a_size_beside_it() {
    let sum = serde_json::json!({"artefacts": [{"name": "Demo.ipa", "md5": "0".repeat(32)}]});
    let plan = cibridge_simulator::Plan {
        artifacts: vec![file("Demo.ipa", 300_000)],
        legacy_patch: Some(sum),
        ..cibridge_simulator::Plan::default()
    };
    let (sim, id) = with(crate::support::simulator().plan(plan));
    let done = call(&sim, &id).run();
    is_missing(&done, 13);
    done.stderr_contains("the MD5 sum is ");
}

#[test]
fn sums_that_cannot_be_read_at_once_are_asked_for_again() {
    let wrong = ArtifactPlan { md5: Some("0".repeat(32)), ..file("Demo.ipa", 300_000) };
    let (sim, id) = with(leaving([wrong]));
    sim.fault(Fault::status(503).path(&format!("/builds/{id}")).nth(2));
    let done = call(&sim, &id).run();
    is_missing(&done, 13);
    done.stderr_contains("the MD5 sum is ");

    let (sim, id) = demo();
    sim.fault(Fault::status(403).on("GET", &format!("*/builds/{id}")).nth(2).always());
    let done = call(&sim, &id).run();
    is_whole(&sim, &id, &done);
    done.stderr_contains("; only the sizes are checked\n");
}

/// The rest comes by a range, from a fresh link, and only if it is still the same file.
#[test]
fn a_file_that_breaks_off_is_resumed_there() {
    let half = |at, how| storage(FaultKind::Cut { at, bytes: 150_000, how });
    let (sim, id) = demo();
    sim.fault(half(CutPoint::AnswerBody, CutHow::Close));
    let done = call(&sim, &id).run();
    is_whole(&sim, &id, &done);
    done.stderr_contains("127.0.0.1 closed the connection before the response was complete; retrying in ");
    let tries = stored(&sim);
    assert_eq!((tries.len(), polls(&sim), links(&sim).len()), (2, 2, 2));
    assert_ne!(links(&sim)[0], links(&sim)[1]);
    assert_eq!((tries[0].header("range"), tries[1].header("range")), (None, Some("bytes=150000-")));
    let tag = format!("\"{}\"", sim.build(&id).unwrap().artifacts[0].md5.clone().unwrap());
    assert_eq!(tries[1].header("if-range"), Some(tag.as_str()));
    assert_eq!((tries[1].status, tries[1].sent), (Some(206), 150_000));
    assert_eq!(tries[1].header("accept-encoding"), Some("identity"));

    let chunked: fn(Builder) -> Builder = |builder| builder.config(|c| c.chunked = true);
    let untagged: fn(Builder) -> Builder = |builder| builder.config(|c| c.storage.etag = false);
    let unstamped: fn(Builder) -> Builder =
        |builder| builder.config(|c| (c.storage.etag, c.storage.last_modified) = (false, false));
    let rangeless: fn(Builder) -> Builder = |builder| builder.config(|c| c.storage.ranges = false);
    passes(&[
        ("reset", plain, half(CutPoint::AnswerBody, CutHow::Reset)),
        ("truncated", plain, storage(FaultKind::Truncate { bytes: None })),
        ("chunked", chunked, half(CutPoint::AnswerBody, CutHow::Close)),
        ("by its date", untagged, half(CutPoint::AnswerBody, CutHow::Close)),
        ("by nothing but its size", unstamped, half(CutPoint::AnswerBody, CutHow::Close)),
        ("from the start, for want of ranges", rangeless, half(CutPoint::AnswerBody, CutHow::Close)),
        ("in the head", plain, storage(FaultKind::Cut { at: CutPoint::Answer, bytes: 20, how: CutHow::Reset })),
        (
            "before the answer",
            plain,
            storage(FaultKind::Cut { at: CutPoint::BeforeAnswer, bytes: 0, how: CutHow::Reset }),
        ),
        ("on the way to the storage", plain, Fault::cut(CutPoint::BeforeAnswer).path(SHORT)),
    ]);
}

/// Nothing would show that the file was changed in between: neither a validator nor a sum.
#[test]
fn what_cannot_be_compared_is_fetched_from_the_start() {
    let plan = ArtifactPlan { md5: Some(String::new()), ..file("Demo.ipa", 300_000) };
    let (sim, id) = with(leaving([plan]).config(|c| (c.storage.etag, c.storage.last_modified) = (false, false)));
    sim.fault(storage(FaultKind::Truncate { bytes: Some(150_000) }));
    let done = call(&sim, &id).run();
    done.exit_code(0);
    let ranges: Vec<_> = stored(&sim).iter().map(|request| request.header("range").map(str::to_owned)).collect();
    assert_eq!(ranges, [None, None], "{done}");
}

/// The connection breaks behind the last byte: all is there, and the sum says that it is right.
#[test]
fn what_is_complete_is_not_fetched_again() {
    let (sim, id) = with(leaving([file("Demo.ipa", 131_072 * 2)]).config(|c| c.chunked = true));
    // The frames of four pieces of 64 KiB, without the one that says that there are no more.
    let body = 4 * (64 * 1024 + "10000\r\n\r\n".len() as u64);
    sim.fault(storage(FaultKind::Cut { at: CutPoint::AnswerBody, bytes: body, how: CutHow::Close }));
    let done = call(&sim, &id).run();
    is_whole(&sim, &id, &done);
    assert_eq!(stored(&sim).len(), 1, "{done}");
}

/// A second answer that does not fit to the first is not glued to it.
#[test]
fn a_rest_of_something_else_is_thrown_away() {
    let cut = || storage(FaultKind::Truncate { bytes: Some(150_000) });
    let other = FaultKind::Headers { set: [("ETag".to_owned(), "\"other\"".to_owned())].into(), remove: Vec::new() };
    let moved = FaultKind::Headers {
        set: [("Content-Range".to_owned(), "bytes 0-149999/300000".to_owned())].into(),
        remove: Vec::new(),
    };
    let silent = FaultKind::Headers { set: [].into(), remove: vec!["Content-Range".to_owned()] };
    let refused = FaultKind::Status { status: 416, headers: [].into(), body: None, json: None };
    together(&[FaultKind::WrongRange { shift: 7 }, FaultKind::IgnoreRange, other, moved, silent, refused], |kind| {
        let (sim, id) = demo();
        sim.fault(cut());
        sim.fault(storage(kind.clone()).nth(2));
        let done = call(&sim, &id).run();
        is_whole(&sim, &id, &done);
        assert_eq!(sim.counters().faults, 2, "{kind:?}\n{done}");
    });
}

/// Its type tells that it is a page, its length that it is the file; so does the length of the whole for a rest of it.
#[test]
fn a_file_that_is_a_page_is_kept() {
    let page = FaultKind::ContentType { value: "text/html; charset=utf-8".into() };
    let (sim, id) = demo();
    sim.fault(storage(page.clone()));
    is_whole(&sim, &id, &call(&sim, &id).run());

    let (sim, id) = demo();
    sim.fault(storage(FaultKind::Truncate { bytes: None }));
    sim.fault(storage(page).nth(2));
    let done = call(&sim, &id).run();
    is_whole(&sim, &id, &done);
    assert_eq!(stored(&sim).len(), 2, "{done}");
}

#[test]
fn a_page_instead_of_a_file_is_no_file() {
    let page = |page| Fault::page(page).path("/artifacts/");
    let hint = "hint: this is probably a login page or a proxy: check credentials, HTTPS_PROXY and NO_PROXY\n";
    lasts(&[
        (page(Page::Sso), 14, "sent an HTML page instead of the file", 3),
        (page(Page::Home), 14, hint, 3),
        (Fault::page(Page::Sso).listener(Listener::Storage), 14, "sent an HTML page instead of the file", 3),
        (page(Page::Proxy), 10, "refused the request (HTTP 403)", 3),
        (
            Fault::answer(200, r#"{"error": "FORBIDDEN"}"#).listener(Listener::Storage),
            13,
            "announced a file of 22 bytes",
            2,
        ),
    ]);
}

/// A build may leave an empty file; an empty answer in place of another one is none.
#[test]
fn an_empty_file_is_only_one_that_is_meant_to_be_empty() {
    let (sim, id) = with(leaving([ArtifactPlan::text("empty.txt", "glob_matched", "")]));
    is_whole(&sim, &id, &call(&sim, &id).run());

    let empty = || storage(FaultKind::Empty { status: 200 });
    lasts(&[(empty(), 13, "announced a file of 0 bytes instead of 300000", 2)]);
    let (sim, id) = with(leaving([ArtifactPlan { no_size: true, ..file("Demo.ipa", 300_000) }]));
    sim.fault(empty().always());
    let done = call(&sim, &id).run();
    is_missing(&done, 13);
    done.stderr_contains("downloading Demo.ipa: the file is empty");
}

/// Where the service states no size, the answer's length is what the bytes are held against.
#[test]
fn without_a_stated_size_the_length_counts() {
    let sizeless = || with(leaving([ArtifactPlan { no_size: true, ..file("Demo.ipa", 300_000) }]));
    let (sim, id) = sizeless();
    is_whole(&sim, &id, &call(&sim, &id).run());

    let (sim, id) = sizeless();
    sim.fault(storage(FaultKind::Truncate { bytes: None }));
    let done = call(&sim, &id).run();
    is_whole(&sim, &id, &done);
    assert_eq!(stored(&sim)[1].header("range"), Some("bytes=150000-"));
}

/// 5 GB that nobody sends: its length is told and shown, what came is not kept.
#[test]
fn five_gigabytes_are_not_believed_in() {
    let (sim, id) = with(leaving([file("Huge.ipa", 5_000_000_000)]));
    sim.fault(storage(FaultKind::Truncate { bytes: Some(1000) }).always());
    let done = call(&sim, &id).run();
    if done.stderr_text().contains("the disk is full") {
        println!("skipped: there are no 5 GB free here");
        return;
    }
    is_missing(&done, 14);
    done.stderr_contains("downloading Huge.ipa: 127.0.0.1 closed the connection before ")
        .stderr_contains("; gave up after 5 attempts");
    let ranges: Vec<_> = stored(&sim).iter().map(|r| r.header("range").map(str::to_owned)).collect();
    assert_eq!(ranges[4].as_deref(), Some("bytes=4000-"), "{ranges:?}");

    let small = ArtifactPlan { declared_size: Some(5_000_000_000), ..file("Huge.ipa", 1000) };
    let (sim, id) = with(leaving([small]));
    let done = call(&sim, &id).run();
    is_missing(&done, 13);
    done.stderr_contains("announced a file of 1000 bytes instead of 5000000000");
}

#[test]
fn a_storage_with_trouble_is_asked_again() {
    passes(&[
        ("500", plain, storage(FaultKind::Status { status: 500, headers: [].into(), body: None, json: None })),
        ("502", plain, Fault::page(Page::Gateway).listener(Listener::Storage)),
        ("429", plain, Fault::new(FaultKind::RateLimited { reset_seconds: 0, retry_after: Some(1) }).path(SHORT)),
        ("no HTTP", plain, storage(FaultKind::Raw { text: "hello\r\n\r\n".into() })),
    ]);
    lasts(&[(
        Fault::status(503).listener(Listener::Storage),
        13,
        "127.0.0.1 returned a server error (HTTP 503); gave up after 5 attempts",
        5,
    )]);
}

#[test]
fn silence_has_its_limit() {
    let (sim, id) = demo();
    sim.fault(storage(FaultKind::Hang { max_ms: 60_000 }));
    let done = call(&sim, &id).env("CIBRIDGE_ANSWER_TIMEOUT", "300ms").run();
    is_whole(&sim, &id, &done);
    done.stderr_contains("downloading Demo.ipa: 127.0.0.1 did not answer within the time limit; retrying in ");
}

#[test]
fn a_storage_that_cannot_be_reached_is_named() {
    let (sim, id) = demo();
    let closed = ClosedPort::take();
    sim.fault(Fault::redirect(302, &format!("http://127.0.0.1:{}/x", closed.port())).path("/artifacts/").always());
    let done = call(&sim, &id).run();
    is_missing(&done, 14);
    done.stderr_contains("127.0.0.1 refused the connection; gave up after 5 attempts");

    let sim = leaving([file("Demo.ipa", 1000)])
        .tls_with(TlsOptions { leaf: Leaf::WrongHost, ..TlsOptions::default() })
        .start()
        .unwrap();
    let done = call(&sim, &ended(&sim)).env("CIBRIDGE_CA_CERT", sim.ca_file().unwrap().to_str().unwrap()).run();
    is_missing(&done, 14);
    done.stderr_contains("the certificate of 127.0.0.1 is for another host name");
}

/// One bad file does not keep the others from coming home.
#[test]
fn a_file_that_is_given_up_leaves_the_others_whole() {
    let (sim, id) = with(leaving([file("a.ipa", 1000), file("bad.ipa", 1000), file("z.ipa", 1000)]));
    sim.fault(Fault::status(403).path("bad.ipa").always());
    let done = call(&sim, &id).run();
    done.exit_code(10)
        .stderr_contains("downloading bad.ipa: 127.0.0.1 refused the request (HTTP 403); gave up after 3 attempts\n");
    super::holds(&done, &["a.ipa", "z.ipa"]);
    let artifacts = done.document()["artifacts"].clone();
    let paths: Vec<_> = (0..3).map(|n| artifacts[n]["path"].is_string()).collect();
    assert_eq!(paths, [true, false, true]);
}

/// As `/dev/null` would be in `--dir /dev`.
#[test]
fn a_file_that_is_no_regular_one_is_not_replaced() {
    let (sim, id) = with(leaving([file("null", 1000)]));
    let call = call(&sim, &id);
    let folder = files(&call);
    fs::create_dir(&folder).unwrap();
    let fifo = folder.join("null");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let done = call.run();
    done.exit_code(16).stderr_contains("null: is not a regular file");
    assert!(fs::symlink_metadata(&fifo).unwrap().file_type().is_fifo());
}

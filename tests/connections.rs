//! What real networks do to requests and responses: closed connections, odd heads, compression, redirects, proxies.

use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::support::net::{ClosedPort, Received, Reply, Scripted, response};
use crate::support::{Call, simulator};

const APP: &str = "60a0b1c2d3e4f56789abcdef";
const BUILD: &str = "6a941a0014bf8ccd332f2844";
const KEY: &str = "key-0123456789abcdef";
const JSON: &str = "Content-Type: application/json";

/// A call of the program against a scripted server.
fn call(server: &Scripted, arguments: &str) -> Call {
    Call::new(arguments)
        .secret(KEY)
        .env("CODEMAGIC_API_KEY", KEY)
        .env("CODEMAGIC_API_URL", &format!("{}/api/v3", server.url()))
        .env("CODEMAGIC_LEGACY_API_URL", &server.url())
        .env("CODEMAGIC_APP_ID", APP)
        .env("CODEMAGIC_WORKFLOW", "ios")
        .env("CODEMAGIC_BRANCH", "main")
        .env("CIBRIDGE_POLL_INTERVAL", "20ms")
}

fn build(status: &str, artifacts: &Value) -> Value {
    json!({"data": {
        "id": BUILD, "app_id": APP, "workflow": {"id": "ios"}, "status": status, "index": 8, "labels": [],
        "branch": "main", "artifacts": artifacts, "created_at": "2026-08-30T11:54:40Z",
        "started_at": "2026-08-30T11:54:47Z", "finished_at": (status == "finished").then_some("2026-08-30T11:56:41Z"),
    }})
}

/// What Codemagic answers about a build with this status.
fn codemagic(request: &Received, status: &str) -> (u16, String) {
    let path = request.target.split('?').next().unwrap();
    let (code, document) = match (request.method.as_str(), path) {
        ("POST", path) if path.ends_with("/cancel") => (200, json!({})),
        ("POST", _) => (202, json!({"data": {"id": BUILD}})),
        (_, path) if path.ends_with("/actions") => (200, json!({"data": [], "current_page": 1, "total_pages": 1})),
        (_, path) if path.contains("/builds/") && path.contains("v3") => (200, build(status, &json!([]))),
        (_, path) if path.ends_with("/user/teams") => {
            (200, json!({"data": [{"id": "f".repeat(24), "name": "Team"}], "current_page": 1, "total_pages": 1}))
        }
        (_, "/builds") => (200, json!({"builds": [], "applications": []})),
        (_, path) if path.ends_with("/builds") => {
            let mut other = build("finished", &json!([]))["data"].clone();
            other["id"] = json!("5".repeat(24));
            (200, json!({"data": [other], "cursor": null}))
        }
        _ => (404, json!({"detail": "not here"})),
    };
    (code, document.to_string())
}

fn ordinary(request: &Received, status: &str) -> Reply {
    let (code, body) = codemagic(request, status);
    Reply::Send(response(code, &[JSON], body))
}

fn gzip(text: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_ref()).unwrap();
    encoder.finish().unwrap()
}

/// The service closes each connection after its first response without saying so, and finds the next request there.
#[test]
fn a_poll_over_a_closed_connection_is_repeated_at_once() {
    let polls = AtomicUsize::new(0);
    let server = Scripted::start(move |request| match request.nth {
        0 if request.target.ends_with(BUILD) => {
            ordinary(request, if polls.fetch_add(1, Ordering::SeqCst) < 3 { "building" } else { "finished" })
        }
        0 => ordinary(request, "building"),
        _ => Reply::Close,
    });
    call(&server, "codemagic trigger --wait").run().exit_code(0).stderr_lacks("retrying");
    let received = server.received();
    assert!(received.iter().any(|request| request.nth == 1), "some poll met a closed connection: {received:?}");
}

/// A start must not be lost on a connection that is closed by now, however young it is.
#[test]
fn a_start_has_a_connection_of_its_own() {
    let server = Scripted::start(|request| match (request.method.as_str(), request.nth) {
        ("GET", 0) => {
            let job = json!({"_class": "hudson.model.FreeStyleProject", "name": "plain", "buildable": true});
            Reply::Send(response(200, &[JSON, "X-Jenkins: 2.516.2"], job.to_string()))
        }
        ("POST", 0) => Reply::Send(response(201, &["Location: /queue/item/7/", "X-Jenkins: 2.516.2"], "")),
        _ => Reply::Close,
    });
    Call::new("jenkins trigger plain")
        .env("CIBRIDGE_JENKINS_URL", &server.url())
        .env("JENKINS_USER_ID", "dev")
        .env("JENKINS_API_TOKEN", "11f0e1d2c3b4a5968778695a4b3c2d1e0f")
        .run()
        .exit_code(0)
        .stderr_contains("queue item 7");
    let received = server.received();
    let starts: Vec<_> = received.iter().filter(|request| request.method == "POST").collect();
    assert_eq!((starts.len(), starts[0].nth), (1, 0), "{received:?}");
    assert!(received.iter().any(|request| request.method == "GET"), "a connection was open before: {received:?}");
}

#[test]
fn a_cancel_uses_the_open_connection() {
    // A signal closes a connection that is in use at that moment, so a call may be unlucky, but not five in a row.
    let is_reused = || {
        let server = Scripted::start(|request| ordinary(request, "building"));
        let call = call(&server, &format!("codemagic wait {BUILD} --cancel")).env("CIBRIDGE_POLL_INTERVAL", "10m");
        let running = call.spawn();
        running.wait_for_stderr("status: building");
        running.signal("TERM");
        running.finish().exit_code(143);
        server.received().into_iter().any(|request| request.target.ends_with("/cancel") && request.nth > 0)
    };
    assert!((0..5).any(|_| is_reused()));
}

#[test]
fn a_cancel_over_a_closed_connection_is_repeated_at_once() {
    let server = Scripted::start(|request| {
        let is_reused = request.target.ends_with("/cancel") && request.nth > 0;
        if is_reused { Reply::Close } else { ordinary(request, "building") }
    });
    let running = call(&server, "codemagic trigger --wait").spawn();
    running.wait_for_stderr("status: building");
    running.signal("TERM");
    running.finish().exit_code(143).stderr_contains("canceled");
    assert!(server.received().iter().any(|request| request.target.ends_with("/cancel") && request.nth == 0));
}

#[test]
fn a_response_that_is_compressed_unasked_is_read() {
    let server = Scripted::start(|request| {
        assert!(request.head.contains("accept-encoding: identity\r\n"), "{}", request.head);
        let (code, body) = codemagic(request, "finished");
        Reply::Send(response(code, &[JSON, "Content-Encoding: gzip"], gzip(body)))
    });
    call(&server, "codemagic trigger --wait").run().exit_code(0);
}

#[test]
fn a_compression_that_is_not_understood_is_refused() {
    let server = Scripted::start(|request| {
        let (code, body) = codemagic(request, "finished");
        Reply::Send(response(code, &[JSON, "Content-Encoding: br"], body))
    });
    call(&server, &format!("codemagic api GET /builds/{BUILD}"))
        .run()
        .exit_code(14)
        .stderr_contains("sent a response compressed with `br`, which was not requested");
}

/// A server with one artifact that is fetched by `respond`.
fn with_artifact(
    name: &'static str,
    size: Option<u64>,
    respond: impl Fn(&Received) -> Reply + Send + Sync + 'static,
) -> Scripted {
    Scripted::start(move |request| {
        let host = request.head.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned();
        if request.target.contains("/api/v3/builds/") && !request.target.contains("/actions") {
            let url = format!("http://{host}/storage/file?Signature=SECRET-SIGNATURE");
            let artifacts =
                json!([{"name": name, "type": "ipa", "size_in_bytes": size, "short_lived_download_url": url}]);
            return Reply::Send(response(200, &[JSON], build("finished", &artifacts).to_string()));
        }
        if request.target.starts_with("/storage/") { respond(request) } else { ordinary(request, "finished") }
    })
}

fn artifacts(server: &Scripted) -> (Call, std::path::PathBuf) {
    let call = call(server, &format!("codemagic artifacts {BUILD} --dir")).secret("SECRET-SIGNATURE");
    let dir = call.folder().join("files");
    (call.arg(&dir), dir)
}

#[test]
fn an_artifact_that_is_compressed_on_the_way_is_stored_as_it_is() {
    let server = with_artifact("app.ipa", Some(9), |_| {
        Reply::Send(response(200, &["Content-Encoding: gzip", "ETag: \"1\""], gzip("REAL FILE")))
    });
    let (call, dir) = artifacts(&server);
    let done = call.run();
    done.exit_code(0);
    assert_eq!(std::fs::read(dir.join("app.ipa")).unwrap(), b"REAL FILE");
}

/// A range counts compressed bytes, so the rest of a compressed file cannot be asked for.
#[test]
fn a_compressed_artifact_that_breaks_off_starts_over() {
    let text: String = (0..20_000).map(|n| n.to_string()).collect();
    let size = text.len() as u64;
    let body = gzip(&text);
    let attempts = AtomicUsize::new(0);
    let server = with_artifact("app.ipa", Some(size), move |request| {
        assert!(!request.head.contains("range: "), "{}", request.head);
        let whole = response(200, &["Content-Encoding: gzip"], &body);
        match attempts.fetch_add(1, Ordering::SeqCst) {
            0 => Reply::SendAndClose(whole[..whole.len() - 1000].to_vec()),
            _ => Reply::Send(whole),
        }
    });
    let (call, dir) = artifacts(&server);
    let done = call.run();
    done.exit_code(0);
    assert_eq!(std::fs::read_to_string(dir.join("app.ipa")).unwrap(), text);
}

#[test]
fn large_response_heads_are_read() {
    let policy = format!("Content-Security-Policy: {}", "a".repeat(63 * 1024));
    let many: Vec<String> = (0..300).map(|n| format!("X-Header-{n}: value")).collect();
    for headers in [vec![policy], many] {
        let server = Scripted::start(move |request| {
            let (code, body) = codemagic(request, "finished");
            let mut lines: Vec<&str> = headers.iter().map(String::as_str).collect();
            lines.push(JSON);
            Reply::Send(response(code, &lines, body))
        });
        call(&server, "codemagic trigger --wait").run().exit_code(0);
        assert_eq!(server.received().iter().filter(|request| request.method == "POST").count(), 1);
    }
}

#[test]
fn a_body_that_is_too_large_is_refused() {
    let server = Scripted::start(|_| Reply::Send(response(200, &[JSON], vec![b' '; 13 * 1024 * 1024])));
    call(&server, "codemagic api GET /apps").run().exit_code(14).stderr_contains("the response is larger than 12 MiB");
}

#[test]
fn a_location_may_hold_spaces_and_utf_8() {
    for (location, target) in [
        ("/storage/My App.ipa?s=1", "/storage/My%20App.ipa?s=1"),
        ("/storage/Müller.ipa?n=\"a\"", "/storage/M%C3%BCller.ipa?n=%22a%22"),
        ("?x=1", "/storage/file?x=1"),
        ("../storage/./b", "/storage/b"),
    ] {
        let server = with_artifact("app.ipa", Some(4), move |request| {
            Reply::Send(if request.target.contains("SECRET") {
                response(302, &[&format!("Location: {location}")], "")
            } else {
                response(200, &[], "FILE")
            })
        });
        let (call, _) = artifacts(&server);
        call.run().exit_code(0);
        assert_eq!(server.received().last().unwrap().target, target);
    }
}

/// The signature of a link is a secret, also in the message about a link that cannot be followed.
#[test]
fn an_unusable_location_is_shown_without_its_query() {
    for location in ["s3://bucket/a.ipa?Signature=SECRET-SIGNATURE", "https://me:SECRET-SIGNATURE@host.example/a"] {
        let server = with_artifact("app.ipa", Some(4), move |_| {
            Reply::Send(response(302, &[&format!("Location: {location}")], ""))
        });
        let (call, _) = artifacts(&server);
        call.run().exit_code(14).stderr_contains("redirects to an unusable address").stderr_lacks("SECRET-SIGNATURE");
    }
}

#[test]
fn a_wait_may_be_asked_for_in_fractions_of_a_second() {
    let server = Scripted::start(|request| match request.connection {
        0 if request.nth == 0 => Reply::Send(response(429, &[JSON, "Retry-After: 0.2"], "{}")),
        _ => ordinary(request, "finished"),
    });
    let since = Instant::now();
    call(&server, "codemagic trigger").run().exit_code(0);
    assert!(since.elapsed() >= Duration::from_millis(200));
}

#[test]
fn a_number_from_outside_does_not_stop_the_clock() {
    for headers in [
        vec!["X-RateLimit-Remaining: 0".to_owned(), format!("X-RateLimit-Reset: {}", u64::MAX)],
        vec!["ratelimit-remaining: 0".to_owned(), "ratelimit-reset: 1e300".to_owned()],
        vec![format!("Retry-After: {}", u64::MAX)],
    ] {
        let server = Scripted::start(move |request| {
            let (code, body) = codemagic(request, "finished");
            let mut lines: Vec<&str> = headers.iter().map(String::as_str).collect();
            lines.push(JSON);
            Reply::Send(response(code, &lines, body))
        });
        call(&server, "codemagic trigger --wait").run().exit_code(0);
    }
}

/// A name with an IPv6 address on which nobody listens.
#[test]
fn the_next_address_of_a_name_is_tried() {
    let server = Scripted::start(|request| ordinary(request, "finished"));
    let url = server.url().replace("127.0.0.1", "localhost");
    call(&server, &format!("codemagic status {BUILD}"))
        .env("CODEMAGIC_API_URL", &format!("{url}/api/v3"))
        .run()
        .exit_code(0);
}

#[test]
fn a_proxy_setting_that_is_not_utf_8_is_an_error() {
    let server = Scripted::start(|request| ordinary(request, "finished"));
    for variable in ["http_proxy", "no_proxy"] {
        let script = format!("export {variable}=\"$(printf 'http://me:caf\\351@127.0.0.1:9')\"; exec \"$@\"");
        call(&server, &format!("codemagic status {BUILD}"))
            .env("http_proxy", "http://127.0.0.1:9")
            .shell(&script)
            .run()
            .exit_code(14)
            .stderr_contains(&format!("the proxy setting {variable} is not valid UTF-8"));
    }
    assert_eq!(server.received().len(), 0, "no direct connection");
}

#[test]
fn a_ca_file_may_begin_with_a_byte_order_mark_or_hold_trusted_certificates() {
    let sim = simulator().tls().start().unwrap();
    let pem = std::fs::read_to_string(sim.ca_file().unwrap()).unwrap();
    for text in [format!("\u{feff}{pem}"), pem.replace("CERTIFICATE-----", "X509 CERTIFICATE-----")] {
        let call = Call::to(&sim, "codemagic trigger --ca-cert");
        let path = call.file("ca.pem", &text);
        call.arg(path).run().exit_code(0);
    }
}

#[test]
fn the_time_limit_bounds_downloads() {
    // The last bytes never come.
    let server = with_artifact("app.ipa", Some(1000), |_| {
        let whole = response(200, &[], vec![b'x'; 1000]);
        Reply::Send(whole[..whole.len() - 10].to_vec())
    });
    let call = call(&server, "codemagic trigger --wait --timeout 2s --artifacts *.ipa --artifacts-dir");
    let dir = call.folder().join("files");
    let since = Instant::now();
    let done = call.arg(&dir).run();
    done.exit_code(6).stderr_contains("not complete when the time limit passed");
    assert!(since.elapsed() < Duration::from_secs(30), "one pause between two bytes may take a minute");
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0, "no partial file is left");
}

/// The limit is for a part of the answer: a slow line is no fault as long as it moves.
#[test]
fn a_large_answer_may_take_longer_than_the_time_limit_while_it_arrives() {
    let teams = || (0..12_000).map(|n| json!({"id": format!("{n:024}"), "name": "Team"})).collect::<Vec<_>>();
    let body = json!({"data": teams(), "current_page": 1, "total_pages": 1}).to_string();
    let server = Scripted::start(move |request| {
        if request.target.ends_with("/user/teams") {
            Reply::Slow(response(200, &[JSON], &body), 32 * 1024, Duration::from_millis(100))
        } else {
            ordinary(request, "finished")
        }
    });
    let started = Instant::now();
    call(&server, "codemagic api GET /user/teams --answer-timeout 1s").run().exit_code(0);
    assert!(started.elapsed() > Duration::from_secs(1), "the answer takes longer than its limit");
    let server =
        Scripted::start(move |_| Reply::Slow(response(200, &[JSON], "x".repeat(1000)), 1, Duration::from_millis(50)));
    call(&server, "codemagic api GET /user/teams --answer-timeout 1s").run().exit_code(14);
    let done = call(&server, "codemagic api POST /user/teams --answer-timeout 1s").run();
    done.exit_code(15).stderr_contains(
        "; the request may have been carried out\nhint: check on the service before you send it again\n",
    );
}

/// The same call for both services at this address.
fn as_user(call: Call, url: &str) -> Call {
    call.env("CODEMAGIC_API_URL", &format!("{url}/api/v3"))
        .env("CIBRIDGE_JENKINS_URL", url)
        .env("JENKINS_USER_ID", "dev")
        .env("JENKINS_API_TOKEN", "11bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb")
}

/// Only what changes something may have been done; a request that never arrived was not.
#[test]
fn a_change_of_ones_own_whose_answer_is_lost_is_code_15() {
    let gateway = |status| Scripted::start(move |_| Reply::Send(response(status, &[], "")));
    for verb in ["codemagic", "jenkins"] {
        for method in ["POST", "PUT", "DELETE"] {
            for status in [408, 499, 502, 504] {
                let server = gateway(status);
                let done = as_user(call(&server, &format!("{verb} api {method} /x")), &server.url()).run();
                done.exit_code(15).stderr_contains("; the request may have been carried out\n");
            }
            let server = gateway(400);
            as_user(call(&server, &format!("{verb} api {method} /x")), &server.url()).run().exit_code(12);
        }
        let lost = Scripted::start(|_| Reply::Close);
        as_user(call(&lost, &format!("{verb} api POST /x")), &lost.url()).run().exit_code(15);
        as_user(call(&lost, &format!("{verb} api GET /x")), &lost.url()).run().exit_code(14);
        let closed = format!("http://127.0.0.1:{}", ClosedPort::take().port());
        let done = as_user(call(&lost, &format!("{verb} api POST /x")), &closed).run();
        done.exit_code(14).stderr_lacks("may have been");
    }
}

#[test]
fn a_content_type_is_checked_before_it_is_sent() {
    for text in ["", "json", "a/b\r\nx: y"] {
        let call =
            Call::new("codemagic api POST /x --content-type").arg(text).env("CODEMAGIC_API_KEY", "key-of-a-test");
        call.run().exit_code(2).stderr_contains("cibridge: error: --content-type: ");
    }
}

//! A signal in the middle: what is complete stays, what is not goes.

use std::time::{Duration, Instant};

use cibridge_simulator::{Fault, FaultKind, Listener};

use super::{call, demo, file, files, holds, is_missing, leaving, listed, with};
use crate::support::net::BlackHole;
use crate::support::{Running, is_ignored, until};

fn folder(running: &Running) -> std::path::PathBuf {
    running.folder().join("files")
}

#[test]
fn a_signal_leaves_nothing_half_written_and_what_is_complete() {
    for name in ["TERM", "INT"] {
        if is_ignored(name) {
            continue;
        }
        let (sim, id) = with(leaving([file("small.ipa", 1000), file("slow.ipa", 300_000)]));
        sim.fault(Fault::new(FaultKind::Drip { bytes: 1000, interval_ms: 50 }).path("slow.ipa").always());
        let running = call(&sim, &id).spawn();
        running.wait_for_stderr("/small.ipa (1.0 kB)");
        until("a half-written file", || listed(&folder(&running)).len() == 2);
        let since = Instant::now();
        running.signal(name);
        let done = running.finish();
        assert!(since.elapsed() < Duration::from_secs(3), "{:?}\n{done}", since.elapsed());
        done.exit_code(if name == "INT" { 130 } else { 143 });
        done.stderr_contains(&format!(
            "cibridge: error: download: interrupted by SIG{name}; partial files are removed\n"
        ));
        holds(&done, &["small.ipa"]);
        let document = done.document();
        assert!(document["artifacts"][0]["path"].is_string() && document["artifacts"][1]["path"].is_null(), "{done}");
    }
}

/// A connect cannot be interrupted: the process ends beside it, and takes the half-written file along.
#[test]
fn a_signal_while_the_rest_is_connected_for_leaves_nothing() {
    let (sim, id) = demo();
    let hole = BlackHole::open();
    sim.fault(Fault::new(FaultKind::Truncate { bytes: None }).listener(Listener::Storage));
    sim.fault(
        Fault::redirect(302, &format!("http://127.0.0.1:{}/x", hole.port())).path("//artifacts/.").nth(2).always(),
    );
    let running = call(&sim, &id).spawn();
    running.wait_for_stderr(", resuming at 150.0 kB");
    assert!(sim.wait_for_requests("GET", "//artifacts/.", 2));
    assert_eq!(listed(&folder(&running)).len(), 1, "the half");
    let since = Instant::now();
    running.signal("TERM");
    let done = running.finish();
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}\n{done}", since.elapsed());
    is_missing_without_document(&done);
}

/// The process gave up before it could write its document.
#[track_caller]
fn is_missing_without_document(done: &crate::support::Done) {
    done.exit_code(143).stdout_is("");
    assert_eq!(listed(&files(&done.call)), [""; 0], "{done}");
}

#[test]
fn a_signal_in_a_pause_between_tries_ends_it() {
    let (sim, id) = demo();
    sim.fault(Fault::new(FaultKind::RateLimited { reset_seconds: 0, retry_after: Some(20) }).path("//artifacts/."));
    let running = call(&sim, &id).spawn();
    running.wait_for_stderr("; retrying in ");
    let since = Instant::now();
    running.signal("TERM");
    let done = running.finish();
    assert!(since.elapsed() < Duration::from_secs(3), "{:?}\n{done}", since.elapsed());
    is_missing(&done, 143);
}

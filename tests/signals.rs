//! No orphan: a signal at any moment, or a lost parent, cancels the build before the program ends.

use std::time::{Duration, Instant};

use cibridge_simulator::{Advance, CutPoint, Fault, FaultKind, Listener, Plan, Simulator};

use crate::support::net::{BlackHole, Manner, Proxy};
use crate::support::{Call, Done, Running, is_ignored, signal, simulator, started, together, until};

/// The time in which the program must be done: Jenkins gives five seconds.
const DONE: Duration = Duration::from_secs(3);

fn held() -> Plan {
    Plan { hold: Some("building".into()), ..Plan::default() }
}

fn holding() -> Simulator {
    simulator().plan(held()).start().unwrap()
}

/// Signals, waits for the end, and checks that it came soon.
#[track_caller]
fn stop(running: Running, name: &str) -> Done {
    let since = Instant::now();
    running.signal(name);
    let done = running.finish();
    assert!(since.elapsed() < DONE, "{:?}\n{done}", since.elapsed());
    done
}

#[test]
fn each_signal_has_its_code() {
    for (name, code, word) in [("TERM", 143, "SIGTERM"), ("INT", 130, "SIGINT"), ("HUP", 143, "SIGHUP")] {
        if is_ignored(name) {
            continue;
        }
        let sim = holding();
        let running = Call::following(&sim, "").spawn();
        running.wait_for_stderr("status: building");
        let done = stop(running, name);
        done.exit_code(code)
            .stderr_contains(&format!("cibridge: error: ended by {word}; Codemagic build 1: canceled\n"));
        assert_eq!(done.stderr.matches("cibridge: error").count(), 1, "one line\n{done}");
        let document = done.document();
        assert_eq!((&document["outcome"], &document["build"]["status"]), (&"interrupted".into(), &"building".into()));
        assert_eq!(sim.counters().builds_started, 1);
        assert_eq!(sim.counters().cancels, 1);
    }
}

#[test]
fn during_a_long_pause() {
    let sim = holding();
    let running = Call::following(&sim, "").env("CIBRIDGE_POLL_INTERVAL", "1h").spawn();
    running.wait_for_stderr("Codemagic build started");
    stop(running, "TERM").exit_code(143).stderr_contains(": canceled");
    assert_eq!(sim.counters().cancels, 1);
}

#[test]
fn a_build_is_left_alone_when_asked() {
    let sim = holding();
    let running = Call::following(&sim, "--no-cancel").spawn();
    running.wait_for_stderr("status: building");
    stop(running, "TERM").exit_code(143).stderr_contains("left running\n");
    assert_eq!(sim.counters().cancels, 0);
}

#[test]
fn several_builds_are_all_canceled() {
    let sim = holding();
    let ids: Vec<_> = (0..3).map(|_| started(&sim)).collect();
    let running = ids.iter().fold(Call::to(&sim, "codemagic wait --cancel --poll-interval 20ms"), Call::arg).spawn();
    running.wait_for_stderr("[3] status: building");
    stop(running, "TERM").exit_code(143);
    assert!(sim.builds().iter().all(|build| build.cancels == 1));
}

/// Jenkins sends SIGTERM more than once.
#[test]
fn a_second_signal_changes_nothing() {
    let sim = holding();
    sim.fault(Fault::slow(Duration::from_millis(300)).path("/cancel"));
    let running = Call::following(&sim, "").spawn();
    running.wait_for_stderr("status: building");
    running.signal("TERM");
    assert!(sim.wait_for_requests("POST", "/cancel", 1));
    running.signal("INT");
    running.signal("TERM");
    running.finish().exit_code(143).stderr_contains(": canceled\n");
    assert_eq!(sim.counters().cancels, 1);
}

#[test]
fn a_cancel_that_fails_is_reported() {
    for (fault, part) in [
        (
            Fault::status(503),
            "could not be canceled and may still be running (Codemagic returned a server error (HTTP 503",
        ),
        (
            Fault::cut(CutPoint::BeforeAnswer),
            "could not be canceled and may still be running (127.0.0.1 closed the connection",
        ),
    ] {
        let sim = holding();
        sim.fault(fault.path("/cancel").always());
        let running = Call::following(&sim, "").spawn();
        running.wait_for_stderr("status: building");
        // It is tried again for as long as there is time.
        let since = Instant::now();
        running.signal("TERM");
        running
            .finish()
            .exit_code(143)
            .stderr_contains(part)
            .stderr_contains("or wait for it with `cibridge codemagic wait ");
        assert!(since.elapsed() < Duration::from_millis(4500), "{:?}", since.elapsed());
        assert!(sim.requests_to("POST", "/cancel").len() > 3);
    }
}

#[test]
fn while_an_answer_is_awaited() {
    let hang = Fault::new(FaultKind::Hang { max_ms: 60_000 });
    let paths = ["/api/*/builds/*/actions", "/api/*/builds/*", "/api/*/teams/*/builds", "/api/*/user/teams"];
    together(&paths, |path| {
        let sim = holding();
        sim.fault(hang.clone().on("GET", path).always());
        let running = Call::following(&sim, "").spawn();
        assert!(sim.wait_for(Duration::from_secs(10), |state| state.requests().iter().any(|r| r.fault.is_some())));
        stop(running, "TERM").exit_code(143).stderr_contains(": canceled");
        assert_eq!(sim.counters().cancels, 1, "{path}");
    });
}

/// What it asks for need not be asked for again, and its answer says what became of the build.
#[test]
fn a_cancel_under_way_is_left_to_finish() {
    let sim = holding();
    let id = started(&sim);
    sim.fault(Fault::slow(Duration::from_millis(300)).path("/cancel"));
    let running = Call::to(&sim, "codemagic cancel").arg(&id).spawn();
    assert!(sim.wait_for(Duration::from_secs(10), |state| state.requests().iter().any(|r| r.fault.is_some())));
    stop(running, "TERM").exit_code(0).stderr_contains(": canceled\n");
    assert_eq!(sim.requests().iter().filter(|request| request.path.ends_with("/cancel")).count(), 1);
}

/// Whoever polls again and again still waits for the build when one poll is interrupted, by a lost agent for instance.
#[test]
fn a_single_poll_that_is_interrupted_leaves_the_build_running() {
    let sim = holding();
    let id = started(&sim);
    sim.fault(Fault::new(FaultKind::Hang { max_ms: 60_000 }).on("GET", "/api/*/builds/*").always());
    let running = Call::to(&sim, "codemagic wait --once").arg(&id).spawn();
    assert!(sim.wait_for(Duration::from_secs(10), |state| state.requests().iter().any(|r| r.fault.is_some())));
    stop(running, "TERM").exit_code(143).stderr_contains("left running\n");
    assert_eq!(sim.counters().cancels, 0);
}

/// The start is on its way, the answer is not there yet: the build is found by its label, and canceled.
#[test]
fn while_the_start_is_in_flight() {
    let late = Duration::from_secs(60);
    let starts = [
        ("codemagic trigger", Fault::slow(late)),
        ("codemagic trigger --wait", Fault::slow(late)),
        ("codemagic trigger --wait --api legacy", Fault::slow(late)),
        ("codemagic trigger --wait --answer-timeout 1h", Fault::new(FaultKind::Hang { max_ms: 60_000 }).acted()),
    ];
    together(&starts, |(arguments, fault)| {
        let sim = holding();
        sim.fault(fault.clone().on("POST", "/builds"));
        let running = Call::to(&sim, arguments).spawn();
        assert!(sim.wait_for(Duration::from_secs(10), |state| state.counters().builds_started == 1));
        let done = stop(running, "TERM");
        done.exit_code(143)
            .stderr_contains("the build was started: found by its label\n")
            .stderr_contains(": canceled\n");
        assert_eq!((sim.counters().builds_started, sim.counters().cancels), (1, 1));
        assert_eq!(done.document()["build"]["id"], sim.builds()[0].id.as_str());
    });
}

/// The service lists a new build late: one search is not enough.
#[test]
fn while_the_start_is_in_flight_and_the_list_lags_behind() {
    let sim = simulator().plan(held()).config(|config| config.hidden_lists = 1).start().unwrap();
    sim.fault(Fault::slow(Duration::from_secs(60)).on("POST", "/builds"));
    let running = Call::to(&sim, "codemagic trigger --wait").spawn();
    assert!(sim.wait_for(Duration::from_secs(10), |state| state.counters().builds_started == 1));
    stop(running, "TERM").exit_code(143).stderr_contains(": canceled\n");
    assert_eq!(sim.counters().cancels, 1);
}

/// Nothing is to be found: it is not known whether a build was started, and that is what is said.
#[test]
fn while_a_start_is_in_flight_that_comes_to_nothing() {
    let sim = holding();
    sim.fault(Fault::new(FaultKind::Hang { max_ms: 60_000 }).on("POST", "/builds"));
    let running = Call::to(&sim, "codemagic trigger --wait").spawn();
    assert!(sim.wait_for_requests("POST", "/builds", 1));
    until("the request", || sim.requests()[0].acted || !sim.requests()[0].body.is_empty());
    let done = stop(running, "TERM");
    done.exit_code(15).stderr_contains("a build may have been started: no build could be identified as this one");
    assert_eq!(sim.counters().builds_started, 0);
}

#[test]
fn while_a_lost_answer_is_searched_for() {
    let sim = holding();
    sim.fault(Fault::cut(CutPoint::BeforeAnswer).acted().on("POST", "/builds"));
    let running = Call::to(&sim, "codemagic trigger --wait").spawn();
    running.wait_for_stderr("searching for the build");
    stop(running, "TERM").exit_code(143).stderr_contains("found by its label").stderr_contains(": canceled");
    assert_eq!((sim.counters().builds_started, sim.counters().cancels), (1, 1));
}

#[test]
fn while_a_start_waits_for_its_next_try() {
    let sim = holding();
    sim.fault(Fault::rate_limited(15).on("POST", "/builds").always());
    let running = Call::to(&sim, "codemagic trigger --wait -v").spawn();
    // The program has the answer, not only the simulator sent it.
    running.wait_for_stderr(" 429 ");
    stop(running, "TERM").exit_code(143).stderr_contains("ended by a signal before the build was started");
    assert_eq!((sim.counters().builds_started, sim.counters().cancels), (0, 0));
}

#[test]
fn while_a_build_with_the_key_is_searched() {
    let sim = holding();
    sim.fault(Fault::new(FaultKind::Hang { max_ms: 60_000 }).on("GET", "/teams").always());
    let running = Call::to(&sim, "codemagic trigger --wait --idempotency-key k1").spawn();
    assert!(sim.wait_for_requests("GET", "/teams", 1));
    stop(running, "TERM").exit_code(143).stderr_contains("ended by a signal before the build was started");
    assert_eq!(sim.counters().builds_started, 0);
}

/// Before the first byte: nothing can have been started.
#[test]
fn while_connecting() {
    let (sim, hole, silent) = (simulator().tls().start().unwrap(), BlackHole::open(), Proxy::start(Manner::Silent));
    let proxied = Call::to(&sim, "codemagic trigger --wait").env("HTTPS_PROXY", &silent.url("")).spawn();
    until("the proxy's request", || !silent.heads().is_empty());
    let done = stop(proxied, "TERM");
    done.exit_code(143).stderr_contains("ended by a signal before the build was started");

    let url = format!("http://127.0.0.1:{}", hole.port());
    let syn = format!(":{:04X} 02 ", hole.port());
    let connecting = || std::fs::read_to_string("/proc/net/tcp").unwrap().matches(&syn).count();
    let before = connecting();
    let stuck = Call::to(&sim, "codemagic trigger --wait --json").env("CODEMAGIC_API_URL", &url).spawn();
    until("a connection that is being made", || connecting() > before);
    let since = Instant::now();
    stuck.signal("TERM");
    // A connect cannot be interrupted; the process gives up before Jenkins does.
    let done = stuck.finish();
    done.exit_code(143).stderr_contains(": ended by a signal before the build was started\n");
    assert!(since.elapsed() < Duration::from_secs(5), "{done}");
    assert_eq!(sim.counters().builds_started, 0);
    assert_eq!((&done.json()["outcome"], &done.document()["outcome"]), (&"interrupted".into(), &"interrupted".into()));
}

#[test]
fn while_the_reason_is_fetched_the_end_stays_what_it_is() {
    let sim = simulator().plan(Plan::failing("Build ipa", "no profile\n")).start().unwrap();
    sim.fault(Fault::new(FaultKind::Hang { max_ms: 60_000 }).path("/logs/").always());
    let running = Call::following(&sim, "").spawn();
    assert!(sim.wait_for_requests("GET", "/logs/", 1));
    stop(running, "TERM").exit_code(1).stderr_contains("failed in step \"Build ipa\"");
}

/// The build has ended, so there is nothing to cancel; what is there of the file is no file.
#[test]
fn while_an_artifact_is_downloaded() {
    let sim = simulator().start().unwrap();
    sim.fault(Fault::new(FaultKind::Drip { bytes: 1000, interval_ms: 100 }).listener(Listener::Storage).always());
    let call = Call::following(&sim, "--artifacts *.ipa --artifacts-dir");
    let folder = call.folder().join("files");
    let running = call.arg(&folder).spawn();
    assert!(sim.wait_for(Duration::from_secs(20), |state| {
        state.requests().iter().any(|r| r.listener == Listener::Storage && r.status.is_some())
    }));
    stop(running, "TERM").exit_code(143).stderr_contains("download: interrupted by SIGTERM; partial files are removed");
    assert!(!folder.join("Demo.ipa").exists());
    assert_eq!(sim.counters().cancels, 0);
}

/// A limit has passed, its cancel does not get through at once, and then comes the signal.
#[test]
fn while_a_limit_cancels_the_build() {
    for fault in [Fault::status(503), Fault::new(FaultKind::Hang { max_ms: 60_000 })] {
        let sim = simulator().advance(Advance::Clock).plan(held()).start().unwrap();
        sim.fault(fault.path("/cancel"));
        let running = Call::following(&sim, "--timeout 200ms").spawn();
        assert!(sim.wait_for(Duration::from_secs(10), |state| {
            state.requests().iter().any(|r| r.fault.is_some() && (r.done || r.fault.as_deref() == Some("hang")))
        }));
        stop(running, "TERM").stderr_contains("; canceled");
        assert!(sim.counters().cancels >= 1);
    }
}

/// What is ignored when the program starts stays ignored: Jenkins starts a step so, and `nohup` as well.
#[test]
fn signals_that_are_ignored_at_the_start_stay_ignored() {
    let sim = holding();
    let running = Call::following(&sim, "").shell("trap '' INT HUP; exec \"$@\"").spawn();
    running.wait_for_stderr("status: building");
    running.signal("INT");
    running.signal("HUP");
    let polls = sim.requests().len();
    assert!(sim.wait_for(Duration::from_secs(10), |state| state.requests().len() > polls + 5), "polling continues");
    stop(running, "TERM").exit_code(143).stderr_contains(": canceled");
}

/// Where aborting a step does not reach its processes, this is the only sign; also in the middle of a long pause.
#[test]
fn a_lost_parent_cancels_the_build() {
    together(&[("20ms", "status: building"), ("1h", "Codemagic build started")], |(pause, line)| {
        let sim = holding();
        let call = Call::following(&sim, "").env("CIBRIDGE_POLL_INTERVAL", pause);
        let running = call.shell("\"$@\" & wait").spawn();
        running.wait_for_stderr(line);
        signal(running.id(), "KILL");
        assert!(sim.wait_for(Duration::from_secs(15), |state| state.counters().cancels == 1));
        let done = running.finish();
        done.stderr_contains(": canceled");
        assert_eq!(done.document()["exit_code"], 143);
    });
}

#[test]
fn a_killed_process_leaves_the_id_behind() {
    let sim = holding();
    let running = Call::to(&sim, "codemagic trigger --wait").spawn();
    let id = running.first_line();
    until("the result file", || running.folder().join("result.json").exists());
    running.signal("KILL");
    assert_eq!(running.finish().document()["build"]["id"], id.as_str());
}

/// A build that was merely named belongs to somebody else.
#[test]
fn a_wait_for_a_named_build_leaves_it_running_without_cancel() {
    for (flags, cancels, words) in [("", 0, "left running"), ("--cancel", 1, ": canceled")] {
        let sim = holding();
        let id = started(&sim);
        let running = Call::to(&sim, "codemagic wait --poll-interval 20ms").args(flags).arg(&id).spawn();
        running.wait_for_stderr("status: building");
        let done = stop(running, "TERM");
        done.exit_code(143).stderr_contains(words);
        assert_eq!((sim.counters().cancels, done.document()["still_running"] == true), (cancels, cancels == 0));
        let sim = holding();
        let id = started(&sim);
        let done = Call::to(&sim, "codemagic wait --poll-interval 20ms --timeout 300ms").args(flags).arg(&id).run();
        done.exit_code(6).stderr_contains(if cancels == 0 { "; left running" } else { "; canceled" });
        assert_eq!(sim.counters().cancels, cancels);
    }
}

/// Each cancel takes half a second; one after the other they would not fit into the time that Jenkins gives.
#[test]
fn many_builds_are_canceled_side_by_side() {
    let sim = holding();
    sim.fault(Fault::slow(Duration::from_millis(500)).path("/cancel").always());
    let ids: Vec<String> = (0..30).map(|_| started(&sim)).collect();
    let call = Call::to(&sim, "codemagic wait --cancel --poll-interval 20ms");
    let running = ids.iter().fold(call, Call::arg).spawn();
    assert!(sim.wait_for(Duration::from_secs(20), |state| state.requests().len() > 60));
    let done = stop(running, "TERM");
    done.exit_code(143);
    assert_eq!(sim.builds().iter().filter(|build| build.cancels > 0).count(), 30);
    assert!(done.document()["builds"].as_array().unwrap().iter().all(|build| build["still_running"] == false));
}

//! `wait`, and `trigger --wait`: results, restarts, limits, and what a signal does.

use cibridge_simulator::{JenkinsConfig, JenkinsJob, JenkinsMove, JenkinsPlan, JenkinsStep, Restart};
use serde_json::json;

use super::{Call, built, config, ended, fault, planned};
use crate::support::until;

#[test]
fn every_result_has_its_code() {
    for (result, code, outcome) in [
        ("SUCCESS", 0, "success"),
        ("FAILURE", 1, "failed"),
        ("UNSTABLE", 3, "unstable"),
        ("ABORTED", 4, "canceled"),
        ("NOT_BUILT", 5, "skipped"),
    ] {
        let sim = planned(JenkinsPlan::ending(result));
        let run = Call::new(&sim, &["trigger", "pipe", "--wait", "--json"]).run().exit_code(code);
        let document = run.json();
        assert_eq!((&document["outcome"], &document["build"]["status"]), (&outcome.into(), &result.into()));
        assert_eq!(document["build"]["id"], "pipe#1");
    }
}

#[test]
fn a_restart_is_survived_in_the_queue_and_in_the_build() {
    let sim =
        planned(JenkinsPlan::steps([JenkinsStep::text("one\n"), JenkinsStep::hold(), JenkinsStep::text("two\n")]));
    let started = Call::new(&sim, &["trigger", "pipe", "--delay", "5s"]).run().exit_code(0);
    let item = started.stdout.trim().to_owned();
    sim.restart_jenkins(Restart::default());
    let child = Call::new(&sim, &["wait", &item, "--job", "pipe", "--console"]).spawn();
    let id = sim.jenkins_runs()[0].queue_id;
    until("the hold", || sim.jenkins_runs()[0].state == "held");
    // The restart forgets the item, which has left the queue.
    sim.restart_jenkins(Restart { starting_requests: 1, ..Restart::default() });
    until("a poll after the restart", || {
        sim.requests().iter().rev().take(2).all(|request| request.status == Some(200))
    });
    sim.move_jenkins_run(id, JenkinsMove::Release);
    let run = child.wait().exit_code(0).stderr_contains("one\n").stderr_contains("two\n");
    run.stderr_contains("is starting or restarting (HTTP 503)")
        .stderr_contains("the controller was restarted while waiting");
    Call::new(&sim, &["wait", &item, "--job", "pipe"])
        .run()
        .exit_code(0)
        .stderr_contains("found its build by the item's id");
    Call::new(&sim, &["wait", &item]).run().exit_code(11).stderr_contains("pass its job with --job");
}

/// A controller that was killed counts its queue items from the beginning, so an older build may have the same id.
#[test]
fn an_item_that_a_restart_lost_is_not_taken_for_an_older_build() {
    let older = JenkinsPlan { build_patch: json!({"queueId": 2}), ..JenkinsPlan::default() };
    let sim = planned(JenkinsPlan { hold_queue: true, ..JenkinsPlan::default() });
    sim.jenkins_plan(older.times(1));
    ended(&sim);
    let child = Call::new(&sim, &["trigger", "pipe", "--wait"]).spawn();
    let polls = || sim.requests_to("GET", "/queue/item/2/").len();
    until("two polls", || polls() > 1);
    sim.restart_jenkins(Restart { lose_queue: true, ..Restart::default() });
    let run = child.wait().exit_code(11).stderr_contains("was lost when the controller was restarted");
    assert_eq!(run.document["build"]["number"], json!(null));
    // Whoever knows the item only gets the newest build that has its id.
    Call::new(&sim, &["wait", "queue/item/2", "--job", "pipe"])
        .run()
        .exit_code(0)
        .stderr_contains("Jenkins build pipe#1");
}

/// A full disk or a folder that is gone must not leave a build alone.
#[test]
fn a_result_file_that_cannot_be_written_any_more_ends_no_wait() {
    let sim = planned(JenkinsPlan::default());
    sim.fault(fault(&json!({"kind": "delay", "delay_ms": 2000, "method": "POST", "listener": "jenkins"})));
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    let result = inner.join("result.json");
    let child =
        Call::new(&sim, &["trigger", "pipe", "--wait"]).env("CIBRIDGE_RESULT_FILE", result.to_str().unwrap()).spawn();
    assert!(sim.wait_for_requests("POST", "/job/pipe/build", 1));
    std::fs::remove_dir_all(&inner).unwrap();
    child.wait().exit_code(16).stderr_contains("the result file ").stderr_contains("Jenkins build pipe#1 succeeded");
}

#[test]
fn a_signal_cancels_the_item_or_stops_the_build() {
    for hold_queue in [true, false] {
        let plan = JenkinsPlan::steps([JenkinsStep::text("begun\n"), JenkinsStep::hold()]);
        let sim = built(config().plan(JenkinsPlan { hold_queue, ..plan })).start().unwrap();
        let child = Call::new(&sim, &["trigger", "pipe", "--wait"]).spawn();
        until("the hold", || sim.jenkins_runs().first().is_some_and(|run| hold_queue || run.state == "held"));
        // The program has seen what there is to see.
        let polls = || sim.requests().iter().filter(|request| request.method == "GET").count();
        let before = polls();
        until("a poll", || polls() > before + 2);
        child.terminate();
        let done = if hold_queue { "canceled in the queue" } else { "stopped" };
        child.wait().exit_code(143).stderr_contains("ended by SIGTERM").stderr_contains(done);
        let run = sim.jenkins_runs()[0].clone();
        assert_eq!((run.state == "cancelled", run.stops), (hold_queue, u32::from(!hold_queue)));
    }
}

#[test]
fn a_limit_that_passes_stops_the_build() {
    let sim = planned(JenkinsPlan::steps([JenkinsStep::hold()]));
    Call::new(&sim, &["trigger", "pipe", "--wait", "--timeout", "300ms"])
        .run()
        .exit_code(6)
        .stderr_contains("did not finish within 300ms");
    // On a busy machine it is still in the queue.
    let run = sim.jenkins_runs()[0].clone();
    assert!(run.stops == 1 || run.state == "cancelled", "{}", run.state);
    let sim = planned(JenkinsPlan::steps([JenkinsStep::hold()]));
    Call::new(&sim, &["trigger", "pipe", "--wait", "--timeout", "300ms", "--no-cancel"])
        .run()
        .exit_code(6)
        .stderr_contains("left running");
    assert_eq!(sim.jenkins_runs()[0].stops, 0);
}

/// For a pipeline that holds no executor while it waits.
#[test]
fn a_single_poll_says_when_the_next_is_worthwhile_and_a_signal_leaves_the_build_running() {
    let plan = JenkinsPlan {
        estimated_seconds: Some(900.0),
        ..JenkinsPlan::steps([JenkinsStep::text("one\n"), JenkinsStep::hold()])
    };
    let sim =
        built(JenkinsConfig::with_jobs([JenkinsJob::multibranch("repo", &["feature/x"])]).plan(plan)).start().unwrap();
    let poll = |named: &[&str]| {
        let call = Call::new(&sim, &[&["wait", "--once", "--json"], named].concat());
        call.without("CIBRIDGE_POLL_INTERVAL").run().exit_code(0).json()
    };
    let started = Call::new(&sim, &["trigger", "repo", "--branch", "feature/x", "--delay", "5s"]).run().exit_code(0);
    let item = started.stdout.trim().to_owned();
    let queued = poll(&[&item]);
    assert_eq!((&queued["outcome"], &queued["next_poll_seconds"]), (&"running".into(), &30.into()));
    let id = sim.jenkins_runs()[0].queue_id;
    until("the hold", || {
        poll(&[&item]);
        sim.jenkins_runs()[0].state == "held"
    });
    // The item is forgotten, and the build of the branch is found by its id.
    sim.forget_jenkins_item(id);
    let running = poll(&[&item, "--job", "repo", "--branch", "feature/x"]);
    assert_eq!(running["build"]["id"], "repo/feature%2Fx#1");
    let next = running["next_poll_seconds"].as_u64().unwrap();
    assert!((400..=600).contains(&next), "not before it can be done: {next}");
    // Whoever polls again and again still waits for the build when one poll is interrupted.
    sim.fault(fault(&json!({"kind": "hang", "listener": "jenkins", "max_ms": 60_000, "times": 0})));
    let before = sim.requests().len();
    let child = Call::new(&sim, &["wait", "--once", "repo/feature%2Fx#1"]).spawn();
    until("a poll that hangs", || sim.requests().len() > before);
    child.terminate();
    child.wait().exit_code(143).stderr_contains("left running");
    assert_eq!(sim.jenkins_runs()[0].stops, 0);
}

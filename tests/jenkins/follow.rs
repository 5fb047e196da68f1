//! Following: results, logs without loss, restarts, questions, and what a signal does.

use cibridge_simulator::{
    JenkinsArtifact, JenkinsConfig, JenkinsInput, JenkinsJob, JenkinsMove, JenkinsParameter, JenkinsPlan, JenkinsStep,
    Listener, Restart, Simulator,
};

use serde_json::json;

use super::{Call, Run, built, config, simulator};

/// A controller with one pipeline whose builds do this.
fn planned(plan: JenkinsPlan) -> Simulator {
    built(JenkinsConfig::with_jobs([JenkinsJob::pipeline("pipe")]).plan(plan)).start().unwrap()
}

#[test]
fn every_result_has_its_code() {
    for (result, code, outcome) in [
        ("SUCCESS", 0, "success"),
        ("FAILURE", 1, "failed"),
        ("UNSTABLE", 3, "unstable"),
        ("ABORTED", 4, "cancelled"),
        ("NOT_BUILT", 5, "skipped"),
    ] {
        let sim = planned(JenkinsPlan::ending(result));
        let run = Call::new(&sim, &["trigger", "pipe", "--wait", "--json"]).run().ends(code);
        let document = run.json();
        assert_eq!((&document["outcome"], &document["build"]["status"]), (&outcome.into(), &result.into()));
        assert_eq!(document["build"]["id"], "pipe#1");
    }
}

#[test]
fn a_burst_and_a_broken_line_arrive_as_they_are_stored() {
    let steps = [
        JenkinsStep::stage("Build"),
        JenkinsStep::text("partial-").after(1.0),
        JenkinsStep::text("END\n").after(1.0),
        JenkinsStep::lines(25_000, "<b>&amp; ü</b> & noise").after(1.0),
        JenkinsStep::text("no line end").after(1.0),
    ];
    let sim = planned(JenkinsPlan::steps(steps));
    let started = Call::new(&sim, &["trigger", "pipe", "--wait", "--console"]).run().ends(0);
    assert_eq!(started.stderr.matches("noise\n").count(), 25_000);
    let followed = Call::new(&sim, &["trigger", "pipe"]).run().ends(0);
    let item = followed.stdout.trim();
    Call::new(&sim, &["wait", item, "--once"]).run().ends(0).says("queued for");
    sim.move_jenkins_run(sim.jenkins_runs()[1].queue_id, JenkinsMove::Start);
    let live = Call::new(&sim, &["console", "pipe#2", "--follow"]).run().ends(0);
    let whole = Call::new(&sim, &["console", "pipe#2"]).run().ends(0);
    assert!(live.stdout == whole.stdout, "{} and {} bytes", live.stdout.len(), whole.stdout.len());
    assert!(whole.stdout.contains("partial-END\n"));
    // A later call begins where an earlier one ended.
    let from = (whole.stdout.len() / 2).to_string();
    let rest = Call::new(&sim, &["console", "pipe#2", "--from", &from]).run().ends(0);
    assert!(whole.stdout.ends_with(&rest.stdout) && !rest.stdout.is_empty());
    let stages = Call::new(&sim, &["console", "pipe#2", "--follow", "--quiet"]).run().ends(0);
    assert_eq!(stages.stdout, "stage: Build\n");
}

#[test]
fn a_restart_is_survived_in_the_queue_and_in_the_build() {
    let sim =
        planned(JenkinsPlan::steps([JenkinsStep::text("one\n"), JenkinsStep::hold(), JenkinsStep::text("two\n")]));
    let started = Call::new(&sim, &["trigger", "pipe", "--delay", "5s"]).run().ends(0);
    let item = started.stdout.trim().to_owned();
    sim.restart_jenkins(Restart::default());
    let child = Call::new(&sim, &["wait", &item, "--job", "pipe", "--console"]).spawn();
    let id = sim.jenkins_runs()[0].queue_id;
    until("the hold", || sim.jenkins_runs()[0].state == "held");
    // The restart forgets the item, which has left the queue.
    sim.restart_jenkins(Restart { starting_requests: 1, ..Restart::default() });
    until("a look after the restart", || {
        sim.requests().iter().rev().take(2).all(|request| request.status == Some(200))
    });
    sim.move_jenkins_run(id, JenkinsMove::Release);
    let run = Run::new(child.wait_with_output().unwrap()).ends(0).says("one\n").says("two\n");
    run.says("starting up or restarting (HTTP 503)").says("the controller was restarted meanwhile");
    Call::new(&sim, &["wait", &item, "--job", "pipe"]).run().ends(0).says("its build was found by the item's id");
    Call::new(&sim, &["wait", &item]).run().ends(11).says("name its job with --job");
}

#[test]
fn a_signal_cancels_the_item_or_stops_the_build() {
    for hold_queue in [true, false] {
        let plan = JenkinsPlan::steps([JenkinsStep::text("begun\n"), JenkinsStep::hold()]);
        let sim = built(config().plan(JenkinsPlan { hold_queue, ..plan })).start().unwrap();
        let child = Call::new(&sim, &["trigger", "pipe", "--wait"]).spawn();
        until("the hold", || sim.jenkins_runs().first().is_some_and(|run| hold_queue || run.state == "held"));
        // The program has seen what there is to see.
        let looks = || sim.requests().iter().filter(|request| request.method == "GET").count();
        let before = looks();
        until("a look", || looks() > before + 2);
        let pid = child.id().to_string();
        std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        let done = if hold_queue { "it was cancelled in the queue" } else { "it was told to stop" };
        Run::new(child.wait_with_output().unwrap()).ends(143).says("ended by SIGTERM").says(done);
        let run = sim.jenkins_runs()[0].clone();
        assert_eq!((run.state == "cancelled", run.stops), (hold_queue, u32::from(!hold_queue)));
    }
}

#[test]
fn a_limit_that_passes_stops_the_build() {
    let sim = planned(JenkinsPlan::steps([JenkinsStep::hold()]));
    Call::new(&sim, &["trigger", "pipe", "--wait", "--timeout", "300ms"])
        .run()
        .ends(6)
        .says("did not end within 300ms");
    assert_eq!(sim.jenkins_runs()[0].stops, 1);
    let sim = planned(JenkinsPlan::steps([JenkinsStep::hold()]));
    Call::new(&sim, &["trigger", "pipe", "--wait", "--timeout", "300ms", "--no-cancel"])
        .run()
        .ends(6)
        .says("left alone");
    assert_eq!(sim.jenkins_runs()[0].stops, 0);
}

#[test]
fn a_question_is_told_and_answered() {
    let ask = || JenkinsInput::new("Ask", "deploy?").parameter(JenkinsParameter::string("WHY", "default"));
    let plan = || JenkinsPlan::steps([JenkinsStep::input(ask()), JenkinsStep::text("on\n")]);
    for (what, code, part) in
        [("fail", 1, "nobody is to be asked"), ("proceed", 0, "answered: proceed"), ("abort", 4, "answered: abort")]
    {
        let sim = planned(plan());
        Call::new(&sim, &["trigger", "pipe", "--wait", "--on-input", what])
            .run()
            .ends(code)
            .says("the build asks: \"deploy?\"")
            .says(part);
    }
    let sim = planned(plan());
    let child = Call::new(&sim, &["trigger", "pipe", "--wait"]).spawn();
    until("the question", || sim.jenkins_runs().first().is_some_and(|run| run.state == "input"));
    let listed = Call::new(&sim, &["input", "pipe#1"]).run().ends(0);
    assert_eq!(listed.stdout, "Ask: deploy? [WHY=default]\n");
    Call::new(&sim, &["input", "pipe#1", "--proceed", "--param", "WY=x"]).run().ends(12).says("did you mean WHY?");
    Call::new(&sim, &["input", "pipe#1", "Ask", "--proceed", "--param", "WHY=because"]).run().ends(0);
    Run::new(child.wait_with_output().unwrap()).ends(0);
    assert_eq!(sim.jenkins_runs()[0].answers.len(), 1);
    Call::new(&sim, &["input", "pipe#1", "--abort"]).run().ends(11).says("asks nothing");
}

#[test]
fn artifacts_are_checked_and_credentials_stay_at_their_origin() {
    let wrong =
        JenkinsArtifact { md5: Some("0".repeat(32)), ..JenkinsArtifact::text("out/wrong.txt", "x").fingerprinted() };
    let plan = JenkinsPlan::default()
        .artifact(JenkinsArtifact::sized("out/a b/app.bin", 300_000).fingerprinted())
        .artifact(JenkinsArtifact::text("out/ü.txt", "text"))
        .artifact(wrong);
    let mut config = JenkinsConfig::with_jobs([JenkinsJob::freestyle("pipe")]).plan(plan);
    config.artifact_redirect = true;
    let sim = built(config).start().unwrap();
    Call::new(&sim, &["trigger", "pipe", "--wait"]).run().ends(0);
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_str().unwrap();
    let fetch = |glob: &str| Call::new(&sim, &["artifacts", "pipe#1", "--dir", dir, "--match", glob]).run();
    fetch("*.bin").ends(0);
    fetch("out/*.txt").ends(13);
    assert_eq!(std::fs::metadata(folder.path().join("app.bin")).unwrap().len(), 300_000);
    assert_eq!(std::fs::read_to_string(folder.path().join("ü.txt")).unwrap(), "text");
    assert!(!folder.path().join("wrong.txt").exists());
    let requests = sim.requests();
    let there = || requests.iter().filter(|request| request.listener == Listener::Storage);
    assert!(there().count() > 2);
    assert!(there().all(|request| request.headers.iter().all(|(name, _)| !name.eq_ignore_ascii_case("authorization"))));
    fetch("*.zip").ends(11).says("none is like *.zip");
}

#[test]
fn check_and_token_and_config() {
    let sim = simulator();
    Call::new(&sim, &["check", "params"])
        .run()
        .ends(0)
        .says("is Jenkins 2.516.2")
        .says("user dev, no crumb is needed")
        .says("can be started");
    let viewer = cibridge_simulator::JENKINS_VIEWER_TOKEN;
    Call::new(&sim, &["check", "params"])
        .env("JENKINS_USER_ID", "viewer")
        .env("JENKINS_API_TOKEN", viewer)
        .run()
        .ends(10)
        .says("lacks the permission Job/Build");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let out = path.to_str().unwrap();
    Call::new(&sim, &["token", "create", "first", "--out", out]).run().ends(0);
    let first = std::fs::read_to_string(&path).unwrap();
    let by_file =
        |arguments: &[&str]| Call::new(&sim, arguments).without("JENKINS_API_TOKEN").env("JENKINS_API_TOKEN_FILE", out);
    let rotated = by_file(&["token", "rotate", "second", "--out", out]).run().ends(0);
    assert!(!rotated.stderr.contains(first.trim()));
    by_file(&["check"]).run().ends(0);
    Call::new(&sim, &["check"]).env("JENKINS_API_TOKEN", first.trim()).run().ends(10);
    let admin = cibridge_simulator::JENKINS_ADMIN_TOKEN;
    let as_admin =
        |arguments| Call::new(&sim, arguments).env("JENKINS_USER_ID", "admin").env("JENKINS_API_TOKEN", admin);
    let xml = as_admin(&["config", "plain"]).run().ends(0).stdout;
    assert!(xml.trim_start().starts_with('<'), "{xml}");
}

/// Waits for something that nobody announces.
#[track_caller]
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !holds() {
        assert!(std::time::Instant::now() < end, "{what} did not come about");
        std::thread::park_timeout(std::time::Duration::from_millis(2));
    }
}

/// For a pipeline that holds no executor while it waits.
#[test]
fn one_look_tells_when_the_next_is_worth_while_and_a_signal_leaves_the_build_alone() {
    let plan = JenkinsPlan {
        estimated_seconds: Some(900.0),
        ..JenkinsPlan::steps([JenkinsStep::text("one\n"), JenkinsStep::hold()])
    };
    let sim =
        built(JenkinsConfig::with_jobs([JenkinsJob::multibranch("repo", &["feature/x"])]).plan(plan)).start().unwrap();
    let look = |named: &[&str]| {
        let call = Call::new(&sim, &[&["wait", "--once", "--json"], named].concat());
        call.without("CIBRIDGE_POLL_INTERVAL").run().ends(0).json()
    };
    let started = Call::new(&sim, &["trigger", "repo", "--branch", "feature/x", "--delay", "5s"]).run().ends(0);
    let item = started.stdout.trim().to_owned();
    let queued = look(&[&item]);
    assert_eq!((&queued["outcome"], &queued["next_look_seconds"]), (&"running".into(), &30.into()));
    let id = sim.jenkins_runs()[0].queue_id;
    until("the hold", || {
        look(&[&item]);
        sim.jenkins_runs()[0].state == "held"
    });
    // The item is forgotten, and the build of the branch is found by its id.
    sim.forget_jenkins_item(id);
    let running = look(&[&item, "--job", "repo", "--branch", "feature/x"]);
    assert_eq!(running["build"]["id"], "repo/feature%2Fx#1");
    let next = running["next_look_seconds"].as_u64().unwrap();
    assert!((400..=600).contains(&next), "not before it can be done: {next}");
    // Whoever looks again and again has not given up on the build when one look is ended.
    sim.fault(
        serde_json::from_value(json!({"kind": "hang", "listener": "jenkins", "max_ms": 60_000, "times": 0})).unwrap(),
    );
    let before = sim.requests().len();
    let child = Call::new(&sim, &["wait", "--once", "repo/feature%2Fx#1"]).spawn();
    until("a look that hangs", || sim.requests().len() > before);
    std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    Run::new(child.wait_with_output().unwrap()).ends(143).says("ended by SIGTERM; it was left alone");
    assert_eq!(sim.jenkins_runs()[0].stops, 0);
}

//! `stop`: queue items, builds, and those that do not want to end.

use cibridge_simulator::{
    JENKINS_VIEWER_TOKEN, JenkinsConfig, JenkinsJob, JenkinsMove, JenkinsPlan, JenkinsStep, JenkinsStop, Simulator,
};

use super::{Call, built, ended, planned, under_way};
use crate::support::{together, until};

fn holding(stop: JenkinsStop) -> JenkinsPlan {
    JenkinsPlan::steps([JenkinsStep::text("begun\n"), JenkinsStep::hold()]).stop(stop)
}

fn stop(sim: &Simulator, named: &[&str]) -> Call {
    Call::new(sim, &[&["stop"], named].concat())
}

/// How often it was told to stop, to terminate, and was killed.
fn told(sim: &Simulator) -> (u32, u32, u32) {
    let run = &sim.jenkins_runs()[0];
    (run.stops, run.terms, run.kills)
}

#[test]
fn a_build_is_stopped_as_gently_as_it_goes() {
    let nothing_helps = JenkinsStop { ignores_kill: true, ..JenkinsStop::stubborn() };
    let ignores_stop = JenkinsStop { ignores_stop: true, ..JenkinsStop::default() };
    let rungs = [
        (JenkinsStop::default(), 0, "pipe#1: stopped (ABORTED)", (1, 0, 0)),
        (ignores_stop, 0, "stopped by term (ABORTED)", (1, 1, 0)),
        (JenkinsStop::stubborn(), 0, "stopped by kill (ABORTED); its processes may still be running", (1, 1, 1)),
        (nothing_helps, 6, "it was asked to stop and has not ended", (1, 1, 1)),
    ];
    // Each poll brings a build that heeds a step further; several must fit into the wait of a rung.
    let waiting = |sim: &Simulator| stop(sim, &["pipe#1"]).env("CIBRIDGE_STOP_WAIT", "3s");
    together(&rungs, |(manner, code, part, counts)| {
        let sim = planned(holding(manner.clone()));
        under_way(&sim);
        let run = waiting(&sim).run().exit_code(*code).stderr_contains(part);
        assert_eq!(told(&sim), *counts, "{run}");
        assert_eq!(run.stderr.contains("does not end; sending term"), counts.1 > 0, "{run}");
    });
    // Only a Pipeline can be terminated and killed.
    let config = JenkinsConfig::with_jobs([JenkinsJob::freestyle("pipe")]).plan(holding(JenkinsStop::stubborn()));
    let sim = built(config).start().unwrap();
    under_way(&sim);
    waiting(&sim).run().exit_code(6);
    assert_eq!(told(&sim), (1, 0, 0));
}

#[test]
fn one_that_ended_is_no_error() {
    let sim = planned(JenkinsPlan::default());
    ended(&sim);
    stop(&sim, &["pipe#1"]).run().exit_code(0).stderr_contains("had already ended (SUCCESS)");
    stop(&sim, &["pipe#lastBuild"]).run().exit_code(0).stderr_contains("had already ended (SUCCESS)");
    assert_eq!(told(&sim), (0, 0, 0));
}

#[test]
fn a_queue_item_is_canceled_and_one_that_left_is_stopped() {
    let sim = planned(JenkinsPlan { hold_queue: true, ..JenkinsPlan::default() });
    let id = sim.start_jenkins_build("pipe");
    let item = format!("queue/item/{id}");
    stop(&sim, &[&item]).run().exit_code(0).stderr_contains("canceled in the queue");
    assert_eq!(sim.jenkins_runs()[0].state, "cancelled");
    stop(&sim, &[&item]).run().exit_code(0);
    stop(&sim, &["queue/item/999"]).run().exit_code(11).stderr_contains("not known to Jenkins");
    let sim = planned(holding(JenkinsStop::default()));
    let id = under_way(&sim);
    let page = format!("{}/queue/item/{id}/", sim.jenkins_url());
    stop(&sim, &[&page]).run().exit_code(0).stderr_contains("stopped (ABORTED)");
    assert_eq!(told(&sim), (1, 0, 0));
    // Jenkins has forgotten the item, but the build still has its id.
    let sim = planned(holding(JenkinsStop::default()));
    let id = under_way(&sim);
    sim.forget_jenkins_item(id);
    let item = format!("queue/item/{id}");
    stop(&sim, &[&item]).run().exit_code(11).stderr_contains("pass its job with --job");
    stop(&sim, &[&item, "--job", "pipe"]).run().exit_code(0).stderr_contains("stopped (ABORTED)");
}

/// Between the queue and its build an item is neither; a build is about to come of it.
#[test]
fn a_build_that_is_just_being_made_is_waited_for() {
    let sim = planned(JenkinsPlan { left_seconds: 1.0, ..holding(JenkinsStop::default()) });
    let id = sim.start_jenkins_build("pipe");
    while sim.jenkins_run(id).unwrap().state != "left" {
        assert!(sim.move_jenkins_run(id, JenkinsMove::Next));
    }
    stop(&sim, &[&format!("queue/item/{id}")]).run().exit_code(0).stderr_contains("stopped (ABORTED)");
    assert_eq!(told(&sim), (1, 0, 0));
}

/// While a Pipeline is being made Jenkins takes a stop and forgets it; the build itself tells whether it was heard.
#[test]
fn a_stop_that_had_no_effect_is_sent_again() {
    let deaf = || holding(JenkinsStop { lost: 2, ..JenkinsStop::default() });
    let sim = planned(deaf());
    under_way(&sim);
    stop(&sim, &["pipe#1"]).run().exit_code(0).stderr_contains("pipe#1: stopped (ABORTED)");
    assert_eq!(told(&sim), (3, 0, 0));
    let sim = planned(deaf());
    let child = Call::new(&sim, &["trigger", "pipe", "--wait"]).spawn();
    until("the hold", || sim.jenkins_runs().first().is_some_and(|run| run.state == "held"));
    child.terminate();
    child.wait().exit_code(143).stderr_contains(": stopped");
    assert_eq!(told(&sim), (3, 0, 0));
    // There is no time to try for ever.
    let sim = planned(holding(JenkinsStop { lost: 99, ..JenkinsStop::default() }));
    let child = Call::new(&sim, &["trigger", "pipe", "--wait"]).spawn();
    until("the hold", || sim.jenkins_runs().first().is_some_and(|run| run.state == "held"));
    child.terminate();
    child
        .wait()
        .exit_code(143)
        .stderr_contains("could not be canceled and may still be running (it did not react to the stop request)");
}

#[test]
fn a_user_who_may_not_stop_learns_why() {
    let sim = planned(holding(JenkinsStop::default()));
    under_way(&sim);
    stop(&sim, &["pipe#1"])
        .user("viewer", JENKINS_VIEWER_TOKEN)
        .run()
        .exit_code(10)
        .stderr_contains("user viewer lacks the permission Job/Cancel");
    let sim = planned(JenkinsPlan { hold_queue: true, uncancellable: true, ..JenkinsPlan::default() });
    let id = sim.start_jenkins_build("pipe");
    stop(&sim, &[&format!("queue/item/{id}")]).run().exit_code(10).stderr_contains("may not cancel it (HTTP 422)");
}

#[test]
fn one_wrong_name_does_not_keep_the_others_running() {
    let sim = planned(holding(JenkinsStop::default()));
    under_way(&sim);
    let run = stop(&sim, &["pipe#7", "pipe#1"]).run().exit_code(11).stderr_contains("pipe#1: stopped");
    assert_eq!(told(&sim), (1, 0, 0));
    let codes: Vec<_> = run.document["builds"].as_array().unwrap().iter().map(|one| one["exit_code"].clone()).collect();
    assert_eq!(codes, [11, 0]);
}

//! `input`, and `--on-input`: what a build asks people, and answering it.

use cibridge_simulator::{
    JENKINS_ADMIN_TOKEN, JENKINS_VIEWER_TOKEN, JenkinsConfig, JenkinsInput, JenkinsJob, JenkinsMove, JenkinsParameter,
    JenkinsPlan, JenkinsStep,
};
use serde_json::json;

use super::{Call, built, planned, under_way};
use crate::support::until;

fn ask() -> JenkinsInput {
    JenkinsInput::new("Ask", "deploy?")
        .parameter(JenkinsParameter::string("WHY", "default"))
        .parameter(JenkinsParameter::boolean("FORCE", false))
}

fn asking(input: JenkinsInput) -> JenkinsPlan {
    JenkinsPlan::steps([JenkinsStep::input(input), JenkinsStep::text("on\n")])
}

#[test]
fn a_question_is_handled_as_on_input_says() {
    for (what, code, part) in
        [("fail", 1, "and --on-input is `fail`"), ("proceed", 0, "answered: proceed"), ("abort", 4, "answered: abort")]
    {
        let sim = planned(asking(ask()));
        Call::new(&sim, &["trigger", "pipe", "--wait", "--on-input", what])
            .run()
            .exit_code(code)
            .stderr_contains("asks \"deploy?\" (input Ask)")
            .stderr_contains(part);
        let run = sim.jenkins_runs()[0].clone();
        assert_eq!((run.answers.len(), run.stops), (usize::from(what != "fail"), u32::from(what == "fail")));
        if what == "proceed" {
            // Jenkins gives no defaults itself.
            assert_eq!(run.answers[0].parameters, json!({"WHY": "default", "FORCE": false}));
        }
    }
}

#[test]
fn a_wait_shows_how_to_answer_and_continues_after_the_answer() {
    let sim = planned(asking(ask().submitter("dev")));
    let child = Call::new(&sim, &["trigger", "pipe", "--wait"]).spawn();
    until("the question", || sim.jenkins_runs().first().is_some_and(|run| run.state == "input"));
    assert_eq!(
        Call::new(&sim, &["input", "pipe#1"]).run().exit_code(0).stdout,
        "Ask: deploy? [WHY=default, FORCE=false]\n"
    );
    let listed = Call::new(&sim, &["input", "pipe#lastBuild", "--json"]).run().exit_code(0).json();
    let parameters = json!([{"name": "WHY", "default": "default"}, {"name": "FORCE", "default": false}]);
    let inputs = json!([{"id": "Ask", "message": "deploy?", "submitter": "dev", "parameters": parameters}]);
    assert_eq!(listed["inputs"], inputs);
    Call::new(&sim, &["input", "pipe#1", "--proceed", "--param", "WY=x"])
        .run()
        .exit_code(12)
        .stderr_contains("did you mean WHY?");
    Call::new(&sim, &["input", "pipe#1", "Other", "--proceed"])
        .run()
        .exit_code(11)
        .stderr_contains("has no pending input Other");
    Call::new(&sim, &["input", "pipe#1", "--proceed", "--abort"]).run().exit_code(2);
    let answer = Call::new(&sim, &["input", "pipe#1", "Ask", "--proceed", "--param", "WHY=be cause ü=1"]);
    answer
        .env("CIBRIDGE_PARAM", "ignored, as the flag wins")
        .run()
        .exit_code(0)
        .stderr_contains("answered input Ask of Jenkins build pipe#1: proceed");
    child
        .wait()
        .exit_code(0)
        .stderr_contains("to be answered by dev")
        .stderr_contains("`cibridge jenkins input pipe#1 Ask --proceed`");
    assert_eq!(sim.jenkins_runs()[0].answers[0].parameters, json!({"WHY": "be cause ü=1", "FORCE": false}));
    Call::new(&sim, &["input", "pipe#1", "--abort"]).run().exit_code(11).stderr_contains("has no pending input");
    Call::new(&sim, &["input", "pipe#1"]).run().exit_code(0).stderr_contains("build pipe#1 has no pending input");
}

#[test]
fn a_user_who_may_not_answer_learns_why() {
    let sim = planned(asking(ask().submitter("boss")));
    under_way(&sim);
    let proceed = || Call::new(&sim, &["input", "pipe#1", "--proceed"]);
    proceed().run().exit_code(12).stderr_contains("You need to be boss to submit this. (HTTP 400)");
    proceed()
        .user("viewer", JENKINS_VIEWER_TOKEN)
        .run()
        .exit_code(10)
        .stderr_contains("user viewer lacks the permission Job/Build");
    proceed().user("admin", JENKINS_ADMIN_TOKEN).run().exit_code(0);
    assert_eq!(sim.jenkins_runs()[0].answers[0].user, "admin");
}

/// A wait ends when the build does, or when a limit passes: somebody else may answer.
#[test]
fn a_wait_that_may_not_answer_waits_for_somebody_who_may() {
    let sim = planned(asking(ask().submitter("boss")));
    let child = Call::new(&sim, &["trigger", "pipe", "--wait", "--on-input", "proceed"]).spawn();
    let refused = || sim.requests_to("POST", "/job/pipe/1/input/").len();
    until("the refusal", || refused() == 1);
    Call::new(&sim, &["input", "pipe#1", "--proceed"]).user("admin", JENKINS_ADMIN_TOKEN).run().exit_code(0);
    child
        .wait()
        .exit_code(0)
        .stderr_contains("could not be answered: You need to be boss to submit this.")
        .stderr_contains("waiting for somebody");
    assert_eq!(refused(), 2, "it was not tried again and again");
}

#[test]
fn an_abort_needs_no_values() {
    let sim = planned(asking(ask()));
    let id = under_way(&sim);
    Call::new(&sim, &["input", "pipe#1", "--abort"])
        .run()
        .exit_code(0)
        .stderr_contains("answered input Ask of Jenkins build pipe#1: abort");
    sim.move_jenkins_run(id, JenkinsMove::End);
    Call::new(&sim, &["wait", "pipe#1"]).run().exit_code(4);
}

#[test]
fn without_the_stage_view_plugin_values_are_sent_as_they_are_given() {
    let mut config = JenkinsConfig::with_jobs([JenkinsJob::pipeline("pipe")]).plan(asking(ask()));
    config.wfapi = false;
    let sim = built(config).start().unwrap();
    under_way(&sim);
    Call::new(&sim, &["input", "pipe#1", "--proceed", "--param", "WHY=x"]).run().exit_code(0);
    assert_eq!(sim.jenkins_runs()[0].answers[0].parameters["WHY"], "x");
}

#[test]
fn an_id_that_jenkins_made_works_too() {
    let sim = planned(asking(JenkinsInput { id: None, ..JenkinsInput::new("", "go on, or not?") }));
    under_way(&sim);
    let listed = Call::new(&sim, &["input", "pipe#1"]).run().exit_code(0).stdout;
    let (id, message) = listed.trim().split_once(": ").unwrap();
    assert_eq!((id.len(), message), (32, "go on, or not?"));
    Call::new(&sim, &["input", "pipe#1", id, "--proceed"]).run().exit_code(0);
}

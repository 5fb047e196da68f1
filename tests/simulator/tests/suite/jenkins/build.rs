//! What can be done with a build: stop it, answer it, read its files and tests.

use super::{ask, ask_with, basic, built, config, dev, form, sim, started};
use crate::client::once;
use cibridge_simulator::{
    JENKINS_ADMIN_TOKEN, JENKINS_VIEWER_TOKEN, JenkinsArtifact, JenkinsInput, JenkinsParameter, JenkinsPlan,
    JenkinsStep, JenkinsStop, JenkinsTest, Simulator,
};
use serde_json::json;

fn with(plan: JenkinsPlan) -> Simulator {
    built(config().plan(plan)).start().unwrap()
}

/// Polls a build to its end.
fn end(sim: &Simulator, path: &str) -> serde_json::Value {
    for _ in 0..20 {
        let build = ask(sim, "GET", &format!("{path}/api/json")).json();
        if build["inProgress"] == false {
            return build;
        }
    }
    panic!("{path} does not end");
}

#[test]
fn a_stop_takes_its_time() {
    let sim = with(JenkinsPlan::endless());
    let (_, path) = started(&sim, "plain");
    assert_eq!(ask(&sim, "GET", &format!("{path}/stop")).status, 405);
    let viewer = basic("viewer", JENKINS_VIEWER_TOKEN);
    let refused = ask_with(&sim, "POST", &format!("{path}/stop"), &[&viewer], "");
    assert_eq!((refused.status, refused.header("x-required-permission")), (403, "hudson.model.Item.Cancel"));
    let reply = ask(&sim, "POST", &format!("{path}/stop"));
    assert_eq!((reply.status, reply.header("location")), (302, "/jenkins/job/plain/1/"));
    let build = ask(&sim, "GET", &format!("{path}/api/json")).json();
    assert_eq!((&build["building"], &build["result"]), (&json!(true), &json!("ABORTED")));
    assert_eq!(end(&sim, &path)["actions"][2]["causes"][0]["shortDescription"], "Aborted by dev");
    assert!(sim.jenkins_console("plain", 1).ends_with("Build was aborted\nAborted by dev\nFinished: ABORTED\n"));
    assert_eq!(ask_with(&sim, "POST", &format!("{path}/stop"), &[&viewer], "").status, 302);
    assert_eq!(ask(&sim, "POST", "/job/plain/99/stop").status, 404);
    assert_eq!(ask(&sim, "POST", &format!("{path}/kill")).status, 404);
}

#[test]
fn a_stubborn_pipeline_has_to_be_killed() {
    let sim = with(JenkinsPlan::endless().stop(JenkinsStop::stubborn()));
    let (_, path) = started(&sim, "pipe");
    for how in ["stop", "term"] {
        assert_eq!(ask(&sim, "POST", &format!("{path}/{how}")).status, 302);
        let build = ask(&sim, "GET", &format!("{path}/api/json")).json();
        assert_eq!((&build["inProgress"], &build["result"]), (&json!(true), &json!(null)), "{how}");
    }
    assert_eq!(ask(&sim, "POST", &format!("{path}/kill")).status, 302);
    assert_eq!(end(&sim, &path)["result"], "ABORTED");
    assert!(sim.jenkins_console("pipe", 1).contains("Hard kill!\n"));
    let run = sim.jenkins_build("pipe", 1).unwrap();
    assert_eq!((run.stops, run.terms, run.kills, sim.counters().jenkins_stops), (1, 1, 1, 3));
}

#[test]
fn a_question_waits_for_its_answer() {
    let ask_why = JenkinsInput::new("Ask", "go?").parameter(JenkinsParameter::string("WHY", "d"));
    let last = JenkinsInput::new("Sure", "sure?").submitter("boss");
    let steps = [JenkinsStep::input(ask_why), JenkinsStep::input(last), JenkinsStep::text("on\n").after(1.0)];
    let sim = with(JenkinsPlan::steps(steps));
    let (_, path) = started(&sim, "pipe");
    let build = ask(
        &sim,
        "GET",
        &format!("{path}/api/json?tree=actions%5BwaitingForInput,executions%5Bid,input%5Bmessage%5D%5D%5D"),
    );
    let action = json!({
        "_class": "org.jenkinsci.plugins.workflow.support.steps.input.InputAction",
        "waitingForInput": true,
        "executions": [{"id": "Ask", "input": {"message": "go?"}}],
    });
    assert!(build.json()["actions"].as_array().unwrap().contains(&action), "{}", build.text());
    let pending = ask(&sim, "GET", &format!("{path}/wfapi/pendingInputActions")).json();
    assert_eq!(pending[0]["inputs"][0]["definition"], json!({"defaultVal": "d"}));
    assert_eq!(pending[0]["abortUrl"], "/jenkins/job/pipe/1/input/Ask/abort");
    assert_eq!(ask(&sim, "GET", &format!("{path}/wfapi/describe")).json()["status"], "PAUSED_PENDING_INPUT");
    assert_eq!(ask(&sim, "GET", &format!("{path}/input/Ask/proceedEmpty")).status, 405);
    let body = "json=%7B%22parameter%22%3A%5B%7B%22name%22%3A%22WHY%22%2C%22value%22%3A%22so%22%7D%5D%7D";
    assert_eq!(form(&sim, &format!("{path}/input/Ask/proceed"), body).status, 200);
    let again = ask(&sim, "POST", &format!("{path}/input/Ask/abort"));
    assert_eq!((again.status, again.header("x-error")), (400, "This input has been already given"));
    let other = ask(&sim, "POST", &format!("{path}/input/Sure/proceedEmpty"));
    assert_eq!((other.status, other.header("x-error")), (400, "You need to be boss to submit this."));
    let admin = basic("admin", JENKINS_ADMIN_TOKEN);
    assert_eq!(ask_with(&sim, "POST", &format!("{path}/input/Sure/abort"), &[&admin], "").status, 200);
    assert_eq!(end(&sim, &path)["result"], "ABORTED");
    assert_eq!(ask(&sim, "POST", &format!("{path}/input/Sure/abort")).status, 404);
    let answers = sim.jenkins_build("pipe", 1).unwrap().answers;
    assert_eq!((&answers[0].parameters, answers[1].proceeded), (&json!({"WHY": "so"}), false));
}

#[test]
fn artifacts_are_read_whole_in_part_and_packed() {
    let plan = JenkinsPlan::default()
        .artifact(JenkinsArtifact::text("out/dir/a b.txt", "nested\n").fingerprinted())
        .artifact(JenkinsArtifact::sized("out/ü.bin", 5_000_000_000));
    let sim = with(JenkinsPlan { steps: Vec::new(), ..plan });
    let (_, path) = started(&sim, "plain");
    let build = end(&sim, &path);
    assert_eq!(
        build["artifacts"][0],
        json!({"displayPath": "a b.txt", "fileName": "a b.txt", "relativePath": "out/dir/a b.txt"})
    );
    assert_eq!(build["fingerprint"][0]["hash"], "6983b4cd210aab338877de6d3b33c926");
    let file = ask(&sim, "GET", &format!("{path}/artifact/out/dir/a%20b.txt"));
    assert_eq!(
        (file.text().as_str(), file.header("content-type"), file.header("etag")),
        ("nested\n", "text/plain", "")
    );
    assert!(
        file.header("last-modified").ends_with("GMT") && file.header("content-security-policy").starts_with("sandbox")
    );
    let range = ["Range: bytes=4999999990-", &*dev()];
    let part = ask_with(&sim, "GET", &format!("{path}/artifact/out/%C3%BC.bin"), &range, "");
    assert_eq!((part.status, part.body.len()), (206, 10));
    assert_eq!(part.header("content-range"), "bytes 4999999990-4999999999/5000000000");
    assert_eq!(ask(&sim, "GET", &format!("{path}/artifact/out/nope")).status, 404);
    let folder = ask(&sim, "GET", &format!("{path}/artifact/out/dir"));
    assert_eq!((folder.status, folder.header("location")), (302, "/jenkins/job/plain/1/artifact/out/dir/"));
    let zip = ask(&sim, "GET", &format!("{path}/artifact/out/dir/*zip*/dir.zip"));
    assert!(zip.status == 200 && zip.body.starts_with(b"PK\x03\x04") && zip.text().contains("dir/a b.txt"));
    assert_eq!(ask(&sim, "GET", &format!("{path}/artifact/out/*plain*")).text(), "dir/\nü.bin\n");
}

#[test]
fn artifacts_may_lie_in_a_storage_that_wants_no_credentials() {
    let mut config = config().plan(JenkinsPlan::default().artifact(JenkinsArtifact::text("a/b.txt", "far\n")));
    config.artifact_redirect = true;
    let sim = built(config).start().unwrap();
    let (_, path) = started(&sim, "plain");
    end(&sim, &path);
    let reply = ask(&sim, "GET", &format!("{path}/artifact/a/b.txt"));
    let location = reply.header("location").strip_prefix(sim.storage_url()).unwrap().to_owned();
    assert_eq!(reply.status, 302);
    assert_eq!(once(sim.storage_url(), "GET", &location, &[], "").unwrap().text(), "far\n");
    assert_eq!(once(sim.storage_url(), "GET", &location, &[&dev()], "").unwrap().status, 400);
    assert_eq!(sim.counters().leaked_credentials, 1);
}

#[test]
fn tests_are_reported() {
    let tests =
        [JenkinsTest::passed("a.B", "x"), JenkinsTest::failed("a.B", "y", "no"), JenkinsTest::skipped("a.C", "z")];
    let sim = with(JenkinsPlan::ending("UNSTABLE").tests(tests));
    let (_, path) = started(&sim, "plain");
    assert_eq!(ask(&sim, "GET", &format!("{path}/testReport/api/json")).status, 404);
    assert_eq!(end(&sim, &path)["result"], "UNSTABLE");
    let report = ask(&sim, "GET", &format!("{path}/testReport/api/json")).json();
    assert_eq!((&report["failCount"], &report["skipCount"], &report["passCount"]), (&json!(1), &json!(1), &json!(1)));
    assert_eq!(report["suites"][0]["cases"][1]["errorDetails"], "no");
}

#[test]
fn the_configuration_can_be_read_and_replaced() {
    let sim = sim();
    let admin = basic("admin", JENKINS_ADMIN_TOKEN);
    let path = "/job/plain/config.xml";
    assert_eq!(ask(&sim, "GET", path).header("x-required-permission"), "hudson.model.Item.ExtendedRead");
    assert!(ask_with(&sim, "GET", path, &[&admin], "").text().contains("<disabled>false</disabled>"));
    let xml = "<project><disabled>true</disabled></project>";
    assert_eq!(ask_with(&sim, "POST", path, &[&admin, "Content-Type: text/xml"], xml).status, 200);
    assert_eq!(ask_with(&sim, "GET", path, &[&admin], "").text(), xml);
    assert_eq!(ask(&sim, "POST", "/job/plain/build").status, 409);
    assert_eq!(ask_with(&sim, "POST", path, &[&admin], "no xml").status, 500);
    assert_eq!(ask(&sim, "GET", "/job/plain/lastBuild/api/json").status, 404);
}

//! Answers of Codemagic that hold more, less or other things than they should.

use std::fs;

use cibridge_simulator::{CutPoint, Fault, Plan, Simulator, StepPlan, Target, UnknownWorkflow};
use serde_json::{Value, json};

use crate::support::{Call, simulator, started, together};

/// Half a character, as a service that cuts messages sends it.
const HALF: &str = r#""caf\udce9 \ud83d""#;

/// A legacy document with what real ones hold beside the build, and the half of a character.
fn legacy(id: &str) -> String {
    format!(
        r#"{{"application": {{"appEnvironmentVariables": {{"STORE_PASSWORD": "trap-hunter2"}}}},
            "build": {{"_id": "{id}", "vncAccess": {{"password": "trap-vnc"}}, "message": {HALF}, "status": "failed",
                       "finishedAt": "2026-08-30T11:56:41.589+0000", "buildActions": [
                        {{"name": "Unit tests", "status": "failed", "startedAt": "2026-08-30T11:54:47.042+0000",
                          "results": [{{"suites": [{{"name": "s", "tests": [{{"name": {HALF}, "status": "failed"}}]}}]}}]}}]}}}}"#
    )
}

/// v3's document of a build with half a character in a field that nobody reads.
fn v3(id: &str, status: &str) -> String {
    format!(
        r#"{{"id": "{id}", "status": "{status}", "index": 8, "labels": ["l"], "commit": {{"hash": "c5f94176", "message": {HALF}}}}}"#
    )
}

#[test]
fn half_a_character_changes_nothing_but_itself() {
    let id = "6a941a0014bf8ccd332f2844";
    let sim = simulator().start().unwrap();
    let answer = |status: &str| Fault::answer(200, &format!(r#"{{"data": {}}}"#, v3(id, status)));
    sim.fault(answer("building").path(&format!("/api/v3/builds/{id}")));
    sim.fault(answer("finished").path(&format!("/api/v3/builds/{id}")).always());
    Call::to(&sim, "codemagic wait --poll-interval 20ms")
        .arg(id)
        .run()
        .exit_code(0)
        .stderr_contains("Codemagic build 8 succeeded");
    Call::to(&sim, "codemagic artifacts --list --allow-none").arg(id).run().exit_code(0);
    let list = format!(r#"{{"data": [{}], "cursor": null}}"#, v3(id, "finished"));
    sim.fault(Fault::answer(200, &list).on("GET", "/api/*/teams/*/builds").always());
    let builds = Call::to(&sim, "codemagic builds").run();
    assert!(builds.exit_code(0).stdout.starts_with(id), "{builds}");
    sim.fault(Fault::answer(200, &legacy(id)).path(&format!("/builds/{id}")).always());
    let tests = Call::to(&sim, "codemagic tests").arg(id).run();
    tests.exit_code(0).stderr_contains("").stderr_lacks("trap-");
    assert!(tests.stdout.contains("caf\u{fffd} \u{fffd}"), "{tests}");
}

/// What is not JSON may be anything, and a document of the legacy API holds passwords.
#[test]
fn an_answer_that_cannot_be_read_is_not_quoted() {
    let whole = legacy("6a941a0014bf8ccd332f2844");
    let cut = whole[..150].to_owned();
    let other =
        r#"{"application": {"appEnvironmentVariables": {"STORE_PASSWORD": "trap-hunter2"}}, "build": "trap-vnc"}"#
            .to_owned();
    let text = "trap-hunter2 trap-vnc".to_owned();
    let verbs = ["trigger --wait", "logs", "tests", "share --match *", "status"];
    let cases: Vec<_> =
        [whole, cut, other, text].into_iter().flat_map(|body| verbs.map(|verb| (body.clone(), verb))).collect();
    together(&cases, |(body, verb)| {
        let path = if *verb == "status" { "/builds/" } else { "/builds/*" };
        for status in [200, 400, 404, 500] {
            let sim = simulator().plan(Plan::failing("Build ipa", "no profile\n")).start().unwrap();
            let id = started(&sim);
            sim.fault(Fault::answer(status, body).on("GET", path).always());
            let mut call = Call::to(&sim, "codemagic").args(verb).args("-v").env("CIBRIDGE_POLL_INTERVAL", "20ms");
            if *verb != "trigger --wait" {
                call = call.arg(&id);
            }
            let done = call.args("--timeout 2s").run();
            assert!(!format!("{done}").contains("trap-"), "{status}: {done}");
        }
    });
}

/// A service that ignores the page, or always names another one.
#[test]
fn pages_that_repeat_come_to_an_end() {
    let sim = simulator().config(|config| config.endless_pages = true).start().unwrap();
    let id = started(&sim);
    for verb in ["builds", "apps", "workflows", "status latest", "trigger --idempotency-key k"] {
        let before = sim.requests().len();
        Call::to(&sim, "codemagic").args(verb).run().exit_code(0);
        let sent = sim.requests().len() - before;
        assert!(sent < 12, "{verb}: {sent} requests");
    }
    let listed = Call::to(&sim, "codemagic builds --limit 100").run();
    assert_eq!(listed.exit_code(0).stdout.lines().filter(|line| line.starts_with(&id)).count(), 1, "{listed}");
}

/// A log comes as HTML below `text/plain`.
#[test]
fn logs_are_text_everywhere_but_raw() {
    let log = "$ gem list '^cocoapods$' && echo \"ok\"\nerror: List<String> is not a <T>\n";
    let text = "$ gem list '^cocoapods$' && echo \"ok\"\nerror: List<String> is not a <T>\n";
    let plan = Plan::failing("Build ipa", log);
    let sim = simulator().config(|config| config.logs.html = true).plan(plan).start().unwrap();
    let done = Call::following(&sim, "--console").run();
    done.exit_code(1).stderr_contains("error: List<String> is not a <T>\n").stderr_lacks("<span").stderr_lacks("&lt;");
    assert_eq!(done.document()["failure"]["log_tail"][1], "error: List<String> is not a <T>");
    let id = done.stdout.lines().next().unwrap().to_owned();
    let logs = |arguments: &str| Call::to(&sim, "codemagic logs --failed").arg(&id).args(arguments).run();
    logs("").exit_code(0).stdout_is(text);
    let raw = logs("--raw");
    assert!(raw.exit_code(0).stdout.contains("<span style=\"color:#268BD2\">$ gem list &#39;"), "{raw}");
    let call = Call::to(&sim, "codemagic logs --failed --dir");
    let folder = call.folder().join("saved");
    let done = call.arg(&folder).arg(&id).run();
    done.exit_code(0).stderr_contains("saved ");
    let saved: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(saved.len(), 1, "{saved:?}");
    assert_eq!(fs::read_to_string(&saved[0]).unwrap(), text);
}

fn workflow(sim: &Simulator, name: &str) -> Call {
    Call::to(sim, "codemagic trigger --workflow").arg(name)
}

#[test]
fn a_workflow_by_its_display_name_is_resolved_before_the_start() {
    let sim = simulator().start().unwrap();
    for name in ["iOS release", "ios Release"] {
        workflow(&sim, name).run().exit_code(0);
        assert_eq!(sim.builds().last().unwrap().request.workflow_id, "ios-release", "{name}");
    }
    workflow(&sim, "iOS relaese").run().exit_code(11).stdout_is("").stderr_contains(
        "cibridge: error: workflow \"iOS relaese\": not among the known workflows of this app\n\
         hint: did you mean ios-release? known workflows: ios-release (iOS release), android-release (Android release)\n",
    );
    // Where the list cannot be had, the name is sent as it is: it may be a key with a blank.
    assert_eq!(sim.counters().builds_started, 2);
    // What can be an ID costs no request.
    let before = sim.requests().len();
    workflow(&sim, "ios-release").run().exit_code(0);
    assert_eq!(sim.requests().len(), before + 1);
}

#[test]
fn an_unknown_workflow_that_failed_the_build_is_explained() {
    let sim = simulator().config(|config| config.unknown_workflow = UnknownWorkflow::FailBuild).start().unwrap();
    Call::following(&sim, "--workflow ios-relaese").run().exit_code(1).stderr_contains(
        "was not found in codemagic.yaml; did you mean ios-release? known workflows: ios-release (iOS release), and",
    );
}

#[test]
fn a_build_is_named_by_its_number_or_as_the_latest_within_a_scope() {
    let sim =
        simulator().plan(Plan { steps: vec![StepPlan::of("A", "script", 1.0)], ..Plan::default() }).start().unwrap();
    let first = started(&sim);
    sim.advance_build(&first, &Target::End);
    sim.plan(Plan { hold: Some("building".into()), ..Plan::default() });
    let second = started(&sim);
    let id = |arguments: &str| {
        let done = Call::to(&sim, "codemagic status").args(arguments).run();
        done.stdout.split('\t').next().unwrap_or_default().to_owned()
    };
    assert_eq!(id("1"), first);
    assert_eq!(id("#2"), second);
    assert_eq!(id("latest"), second);
    assert_eq!(id("latest-success"), first);
    assert_eq!(id("latest --branch main"), second);
    Call::to(&sim, "codemagic status 7")
        .run()
        .exit_code(11)
        .stderr_contains("build #7 of app APP: no such build\nhint: `cibridge codemagic builds`");
    Call::to(&sim, "codemagic status latest --branch nobody")
        .run()
        .exit_code(11)
        .stderr_contains("build latest of app APP: no such build");
    for text in ["7", "latest", "latest-success"] {
        let call = Call::to(&sim, "codemagic status").arg(text).without("CODEMAGIC_APP_ID");
        call.run()
            .exit_code(2)
            .stderr_contains(&format!("build {text}: missing app ID\nhint: pass --app-id or set CODEMAGIC_APP_ID"));
    }
}

#[test]
fn an_app_is_named_by_a_page_too() {
    let sim = simulator().start().unwrap();
    let page = format!("https://codemagic.io/app/{}/settings?tab=1", sim.app_id());
    Call::to(&sim, "codemagic trigger --app-id").arg(&page).run().exit_code(0);
    Call::to(&sim, "codemagic workflows").arg(&page).run().exit_code(0);
    assert_eq!(sim.counters().builds_started, 1);
}

#[test]
fn the_key_comes_from_stdin_or_from_the_variables_of_other_tools() {
    let sim = simulator().start().unwrap();
    let key = sim.key();
    let bare = || Call::to(&sim, "codemagic apps").without("CODEMAGIC_API_KEY");
    bare().args("--api-key-file -").stdin(&format!("{key}\n")).run().exit_code(0);
    for variable in ["CODEMAGIC_API_TOKEN", "CM_API_TOKEN", "CM_API_KEY"] {
        bare().env(variable, &key).run().exit_code(0);
        // The own variable counts before the others, and an empty one is unset.
        bare().env(variable, "wrong-key-0123456789").env("CODEMAGIC_API_KEY", &key).run().exit_code(0);
        bare().env(variable, &key).env("CODEMAGIC_API_KEY", "").run().exit_code(0);
    }
    bare().run().exit_code(2).stderr_contains("missing API key\nhint: set CODEMAGIC_API_KEY or pass --api-key-file");
}

/// A public link cannot be searched for. Another try gives a link that is as good; without one its existence is unknown.
#[test]
fn a_lost_answer_of_a_public_link_is_no_certainty() {
    let share = |faults: Vec<Fault>| {
        let sim = simulator().start().unwrap();
        let id = started(&sim);
        sim.advance_build(&id, &Target::End);
        for fault in faults {
            sim.fault(fault.path("/public-url"));
        }
        Call::to(&sim, "codemagic share --match *.ipa").arg(&id).run()
    };
    let lost = || Fault::cut(CutPoint::BeforeAnswer).acted();
    share(vec![lost()]).exit_code(0);
    let unknown = "artifact Demo.ipa may be public now, by a link that was not received\nhint: run the command again";
    share(vec![lost().always()]).exit_code(15).stdout_is("").stderr_contains(unknown);
    share(vec![Fault::answer(499, "").always()]).exit_code(15).stdout_is("").stderr_contains(unknown);
    share(vec![Fault::status(403)]).exit_code(10).stdout_is("");
}

/// A gateway that gave up waiting may have passed the start on.
#[test]
fn a_start_that_a_gateway_gave_up_on_is_searched_for() {
    for status in [408, 499, 504] {
        let sim = simulator().start().unwrap();
        sim.fault(Fault::answer(status, "").acted().on("POST", "/builds"));
        Call::to(&sim, "codemagic trigger")
            .run()
            .exit_code(0)
            .stderr_contains("the build was started: found by its label\n");
        assert_eq!(sim.counters().builds_started, 1, "{status}");
    }
}

/// Values that were sent may come back in the words of a refusal.
#[test]
fn a_refusal_repeats_messages_and_no_values() {
    let sim = simulator().start().unwrap();
    let body = json!({"status_code": 400, "detail": "Validation failed", "extra": [
        {"key": "environment.variables.PIN", "message": "must be a string", "value": "trap-value"}, ["trap-value"], {"x": "trap-value"}]});
    sim.fault(Fault::answer(400, &body.to_string()).on("POST", "/builds"));
    let done = Call::to(&sim, "codemagic trigger").run();
    done.exit_code(12)
        .stderr_contains("(HTTP 400: Validation failed: environment.variables.PIN: must be a string)")
        .stderr_lacks("trap-value");
    assert_eq!(done.document()["build"], Value::Null);
}

/// The page of a new web server, and JSON of something else, do nothing.
#[test]
fn a_text_with_status_200_is_no_success() {
    let answers = ["It works!\n", "<html>It works!</html>", "null", "true", "\"ok\""];
    let calls = ["codemagic cancel BUILD", "codemagic caches --clear all --yes"];
    for answer in answers {
        let sim = simulator().plan(Plan { hold: Some("building".into()), ..Plan::default() }).start().unwrap();
        let id = started(&sim);
        sim.fault(Fault::answer(200, answer).on("POST", "").always());
        sim.fault(Fault::answer(200, answer).on("DELETE", "").always());
        together(&calls, |call| {
            let done = Call::to(&sim, &call.replace("BUILD", &id)).run();
            assert!([13, 14].contains(&done.exit()), "{answer:?}\n{done}");
        });
    }
}

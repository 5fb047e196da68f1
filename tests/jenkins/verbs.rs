//! Verbs that came with the second version: a controller at a glance, requests of one's own, starts from a file.

use cibridge_simulator::{JenkinsConfig, JenkinsJob, JenkinsParameter, JenkinsPlan, JenkinsStep};
use serde_json::json;

use super::{Call, built, ended, planned, simulator, under_way};

#[test]
fn a_start_without_waiting_can_wait_until_the_build_has_a_number() {
    let sim = planned(JenkinsPlan::steps([JenkinsStep::hold()]));
    let run = Call::new(&sim, &["trigger", "pipe", "--wait-for-start", "--timeout", "5s"]).run().exit_code(0);
    assert_eq!((&run.document["outcome"], &run.document["build"]["id"]), (&json!("started"), &json!("pipe#1")));
    assert_eq!(run.document["still_running"], true);
    let sim = planned(JenkinsPlan { hold_queue: true, ..JenkinsPlan::default() });
    let waiting = Call::new(&sim, &["trigger", "pipe", "--wait-for-start", "--timeout", "9s"]).spawn();
    crate::support::until("the queue item", || !sim.jenkins_runs().is_empty());
    sim.cancel_jenkins_item(1);
    waiting.wait().exit_code(4).stderr_contains("was canceled");
    let sim = planned(JenkinsPlan { hold_queue: true, ..JenkinsPlan::default() });
    let run = Call::new(&sim, &["trigger", "pipe", "--wait-for-start", "--queue-timeout", "300ms"]).run();
    run.exit_code(6).stderr_contains("queue item 1 was queued longer than 300ms; canceled in the queue");
}

#[test]
fn a_request_file_names_job_parameters_and_key() {
    let job = JenkinsJob::pipeline("params")
        .parameter(JenkinsParameter::string("S", "x"))
        .parameter(JenkinsParameter::boolean("B", false))
        .parameter(JenkinsParameter::string("CIBRIDGE_ID", ""));
    let sim = built(JenkinsConfig::with_jobs([job])).start().unwrap();
    let request = json!({
        "job": "params", "parameters": {"S": "gr\u{fc}n \u{1f680}", "B": true}, "idempotency_key": "schl\u{fc}ssel",
    });
    let start = || Call::new(&sim, &["trigger", "--request", "-"]).run_with(&request.to_string()).exit_code(0);
    assert_eq!(start().document["adopted"], false);
    assert_eq!(start().document["adopted"], true, "the key is the same");
    let runs = sim.jenkins_runs();
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0].parameters["S"], "gr\u{fc}n \u{1f680}");
    assert_eq!(runs[0].parameters["CIBRIDGE_ID"], "schl\u{fc}ssel");
    for text in [r#"{"jobs": "x"}"#, "[]", "{"] {
        let run = Call::new(&sim, &["trigger", "--request", "-"]).run_with(text);
        run.exit_code(2)
            .stderr_contains("hint: the keys are job, branch, parameters, files, cause and idempotency_key");
    }
    Call::new(&sim, &["trigger", "--request", "-"]).run_with("{}").exit_code(2).stderr_contains("missing job");
}

#[test]
fn jobs_builds_and_queue_are_listed() {
    let sim = planned(JenkinsPlan::ending("UNSTABLE"));
    ended(&sim);
    ended(&sim);
    let run = Call::new(&sim, &["jobs"]).run().exit_code(0);
    assert!(run.stdout.starts_with("pipe\tUNSTABLE\t"), "{run}");
    let listed = Call::new(&sim, &["jobs", "--json"]).run().exit_code(0).json();
    assert_eq!(listed["jobs"][0]["job"], "pipe");
    let run = Call::new(&sim, &["builds", "pipe", "--limit", "1"]).run().exit_code(0);
    assert_eq!((run.stdout.lines().count(), run.stdout.starts_with("pipe#2\tUNSTABLE\t")), (1, true), "{run}");
    let listed = Call::new(&sim, &["builds", "pipe", "--json"]).run().exit_code(0).json();
    assert_eq!((&listed["outcome"], &listed["builds"][1]["outcome"]), (&json!("success"), &json!("unstable")));
    sim.jenkins_plan(JenkinsPlan { hold_queue: true, ..JenkinsPlan::default() });
    let id = sim.start_jenkins_build("pipe");
    let run = Call::new(&sim, &["queue"]).run().exit_code(0);
    assert!(run.stdout.starts_with(&format!("queue/item/{id}\tpipe\t")), "{run}");
    let listed = Call::new(&sim, &["queue", "--json"]).run().exit_code(0).json();
    assert_eq!(listed["queue"][0]["id"], id);
}

#[test]
fn a_request_of_ones_own_goes_to_the_controller_only() {
    let sim = planned(JenkinsPlan::steps([JenkinsStep::hold()]));
    under_way(&sim);
    let run = Call::new(&sim, &["api", "GET", "/job/pipe/api/json?tree=name"]).run().exit_code(0);
    assert!(run.stdout.contains("\"name\""), "{run}");
    let listed = Call::new(&sim, &["api", "GET", "/job/pipe/api/json?tree=name", "--json"]).run().exit_code(0).json();
    assert_eq!((&listed["response"]["status"], &listed["response"]["body"]["name"]), (&json!(200), &json!("pipe")));
    Call::new(&sim, &["api", "POST", "/job/pipe/1/stop"]).run().exit_code(0);
    Call::new(&sim, &["api", "GET", "/job/nope/api/json"]).run().exit_code(11);
    for path in ["https://evil.example/", "//evil.example/", "job/pipe"] {
        Call::new(&sim, &["api", "GET", path]).run().exit_code(2).stderr_contains("must begin with a single /");
    }
    Call::new(&sim, &["api", "TRACE", "/"]).run().exit_code(2).stderr_contains("use GET, POST, PUT, PATCH or DELETE");
    Call::new(&simulator(), &["api", "get", "/api/json"]).run().exit_code(0);
}

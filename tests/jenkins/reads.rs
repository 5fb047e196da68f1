//! `status`, `params`, `tests` and `config`: what there is, shown and as a document.

use cibridge_simulator::{
    JENKINS_ADMIN_TOKEN, JenkinsConfig, JenkinsJob, JenkinsParameter, JenkinsPlan, JenkinsStep, JenkinsTest,
    ParameterKind, Simulator,
};
use serde_json::{Value, json};

use super::{Call, built, ended, planned, simulator, under_way};
use crate::support::normal;

#[test]
fn status_shows_builds_and_queue_items() {
    let sim = planned(JenkinsPlan::steps([JenkinsStep::stage("Deploy"), JenkinsStep::hold()]));
    under_way(&sim);
    let status = |named: &[&str]| Call::new(&sim, &[&["status"], named].concat()).run();
    let page = "http://127.0.0.1:PORT/job/pipe/1/";
    assert_eq!(normal(&status(&["pipe#1"]).exit_code(0).stdout), format!("pipe#1\t1\trunning\t{page}\n"));
    assert_eq!(normal(&status(&["queue/item/1"]).exit_code(0).stdout), format!("pipe#1\t1\trunning\t{page}\n"));
    sim.jenkins_plan(JenkinsPlan { hold_queue: true, ..JenkinsPlan::default() });
    let waiting = sim.start_jenkins_build("pipe");
    let run = status(&[&format!("queue/item/{waiting}"), "pipe#lastBuild"])
        .exit_code(0)
        .stderr_contains("waiting in the queue: ");
    assert_eq!(run.document["builds"][0]["build"]["status"], "queued");
    assert_eq!(run.document["builds"][1]["steps"][0]["name"], "Deploy");
    assert!(run.stdout.starts_with(&format!("queue/item/{waiting}\t-\tqueued\t")), "{run}");
    sim.cancel_jenkins_item(waiting);
    let canceled = status(&[&format!("queue/item/{waiting}"), "--json"]).exit_code(4).json();
    assert_eq!((&canceled["outcome"], &canceled["build"]["number"]), (&json!("canceled"), &Value::Null));
    for (result, code) in [("SUCCESS", 0), ("UNSTABLE", 3), ("FAILURE", 1), ("NOT_BUILT", 5), ("ABORTED", 4)] {
        let sim = planned(JenkinsPlan::ending(result));
        ended(&sim);
        let run = Call::new(&sim, &["status", "pipe#lastBuild"]).run().exit_code(code);
        assert!(run.stdout.starts_with(&format!("pipe#1\t1\t{result}\t")), "{run}");
    }
}

#[test]
fn parameters_are_listed_with_their_types() {
    let kinds = [
        JenkinsParameter::string("S", "a b"),
        JenkinsParameter::choice("C", &["one", "two"]),
        JenkinsParameter::boolean("B", true),
        JenkinsParameter::password("P", "hidden-default"),
        JenkinsParameter::new(ParameterKind::File, "F"),
        JenkinsParameter::new(ParameterKind::StashedFile, "STASHED"),
        JenkinsParameter::new(ParameterKind::Base64File, "BASE64"),
    ];
    let job = kinds.into_iter().fold(JenkinsJob::pipeline("pipe"), JenkinsJob::parameter);
    let sim = built(JenkinsConfig::with_jobs([job])).start().unwrap();
    let run = Call::new(&sim, &["params", "pipe"]).run().exit_code(0);
    assert_eq!(
        run.stdout,
        "S\ttext\ta b\t-\nC\tchoice of one | two\tone\t-\nB\tboolean\ttrue\t-\nP\tpassword\t-\t-\n\
         F\tfile\t-\t-\nSTASHED\tfile\t-\t-\nBASE64\tfile\t-\t-\n"
    );
    let listed = Call::new(&sim, &["params", "pipe", "--json"]).run().exit_code(0).json();
    assert_eq!(listed["parameters"][1]["choices"], json!(["one", "two"]));
    assert!(!listed.to_string().contains("hidden-default"));
    let sim = simulator();
    Call::new(&sim, &["params", "plain"]).run().exit_code(0).stderr_contains("job plain has no parameters");
    Call::new(&sim, &["params", "repo", "--branch", "main"])
        .run()
        .exit_code(0)
        .stderr_contains("yet: its first run reads them");
    Call::new(&sim, &["params", "folder"]).run().exit_code(12).stderr_contains("a folder, not a job");
    Call::new(&sim, &["params", "plian"]).run().exit_code(11).stderr_contains("did you mean plain?");
}

#[test]
fn tests_are_counted_and_failures_named() {
    let tests = [
        JenkinsTest::passed("a.B", "good"),
        JenkinsTest::failed("a.B", "bad", "expected 1\nbut was 2"),
        JenkinsTest::skipped("a.B", "later"),
    ];
    let sim = planned(JenkinsPlan::ending("UNSTABLE").tests(tests));
    ended(&sim);
    let run = Call::new(&sim, &["tests", "pipe#1"]).run().exit_code(0);
    assert_eq!(run.stdout, "failed: a.B: bad: expected 1\n1 passed, 1 failed, 1 skipped\n");
    let listed = Call::new(&sim, &["tests", "pipe#1", "--json"]).run().exit_code(0).json();
    let tests = &listed["tests"];
    assert_eq!((&tests["passed"], &tests["failed"], &tests["skipped"]), (&json!(1), &json!(1), &json!(1)));
    assert_eq!(tests["failures"][0]["name"], "bad");
    assert_eq!(listed["build"]["id"], "pipe#1");
    let none = planned(JenkinsPlan::default());
    ended(&none);
    Call::new(&none, &["tests", "pipe#1"]).run().exit_code(0).stderr_contains("no test results");
}

fn admin(sim: &Simulator, arguments: &[&str]) -> Call {
    Call::new(sim, arguments).user("admin", JENKINS_ADMIN_TOKEN)
}

#[test]
fn a_configuration_is_read_and_replaced() {
    let sim = simulator();
    let xml = admin(&sim, &["config", "plain"]).run().exit_code(0).stdout;
    assert!(xml.trim_start().starts_with('<'), "{xml}");
    assert_eq!(admin(&sim, &["config", "plain", "--json"]).run().exit_code(0).json()["config"], xml.as_str());
    let changed = "<project><description>ü &amp; more</description></project>";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.xml");
    std::fs::write(&file, changed).unwrap();
    admin(&sim, &["config", "plain", "--set"])
        .arg(&file)
        .run()
        .exit_code(0)
        .stderr_contains("replaced the configuration of job plain");
    assert_eq!(admin(&sim, &["config", "plain"]).run().exit_code(0).stdout, changed);
    admin(&sim, &["config", "plain", "--set", "-"]).run_with(&xml).exit_code(0);
    assert_eq!(sim.jenkins_config_xml("plain").as_deref(), Some(xml.as_str()));
    admin(&sim, &["config", "plain", "--set", "-"]).run_with("not xml").exit_code(2).stderr_contains("not XML");
    assert_eq!(sim.jenkins_config_xml("plain").as_deref(), Some(xml.as_str()));
    Call::new(&sim, &["config", "plain"]).run().exit_code(10).stderr_contains("lacks the permission Job/ExtendedRead");
    Call::new(&sim, &["config", "plain", "--set", "-"])
        .run_with(changed)
        .exit_code(10)
        .stderr_contains("lacks the permission Job/Configure");
    admin(&sim, &["config", "plian"]).run().exit_code(11).stderr_contains("did you mean plain?");
}

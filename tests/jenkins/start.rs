//! Starts: the job in every form, its parameters, who may start it, and one build per call.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cibridge_simulator::{
    JENKINS_TOKEN, JENKINS_USER, JenkinsJob, JenkinsMove, JenkinsParameter, JenkinsPlan, JenkinsStep, ParameterKind,
    Restart, Simulator,
};
use serde_json::json;

use super::{Call, built, config, fault, simulator};
use crate::support::together;

/// The only run of the simulator.
#[track_caller]
fn only(sim: &Simulator) -> cibridge_simulator::JenkinsRun {
    let runs = sim.jenkins_runs();
    assert_eq!(runs.len(), 1, "{runs:?}");
    runs[0].clone()
}

#[test]
fn a_job_is_found_in_every_form_of_its_address() {
    let sim = simulator();
    let root = sim.jenkins_url().trim_end_matches('/').to_owned();
    let (deep, branch) = ("folder/with space/100%", "repo/feature%2Fx");
    for (named, job) in [
        (deep.to_owned(), deep),
        (format!("{root}/job/folder/job/with%20space/job/100%25/"), deep),
        (format!("{root}/view/all/job/folder/view/x/job/with%20space/job/100%25/7/console"), deep),
        (format!("{root}/job/repo/job/feature%252Fx/"), branch),
        (format!("{root}/blue/organizations/jenkins/repo/detail/feature%2Fx/9/pipeline"), branch),
        (branch.to_owned(), branch),
    ] {
        let run = Call::new(&sim, &["trigger", &named, "--json"]).run().exit_code(0);
        assert_eq!(sim.jenkins_runs().last().unwrap().job, job, "{named}");
        // Jenkins' own idea of its address is not ours.
        let url = run.json()["build"]["url"].as_str().unwrap().to_owned();
        assert!(url.starts_with(&format!("{root}/queue/item/")), "{url}");
    }
    Call::new(&sim, &["trigger", "repo", "--branch", "feature/x"]).run().exit_code(0);
    assert_eq!(sim.jenkins_runs().last().unwrap().job, branch);
}

#[test]
fn an_address_alone_names_the_controller_and_another_controller_is_refused() {
    let sim = simulator();
    let page = format!("{}job/plain/", sim.jenkins_url().trim_end_matches('/').to_owned() + "/");
    Call::new(&sim, &["trigger", &page]).without("CIBRIDGE_JENKINS_URL").run().exit_code(0);
    Call::new(&sim, &["trigger", &page])
        .without("CIBRIDGE_JENKINS_URL")
        .env("JENKINS_URL", "http://127.0.0.1:1/")
        .run()
        .exit_code(0);
    let other = "http://127.0.0.1:1/job/plain/";
    Call::new(&sim, &["trigger", other])
        .run()
        .exit_code(2)
        .stderr_contains("on http://127.0.0.1:1, but this call is about");
    Call::new(&sim, &["trigger", "plain"])
        .without("CIBRIDGE_JENKINS_URL")
        .run()
        .exit_code(2)
        .stderr_contains("missing controller URL");
}

#[test]
fn what_cannot_be_started_is_refused_before_anything_is_sent() {
    let sim = simulator();
    for (arguments, code, part) in [
        (&["trigger", "folder"][..], 12, "a folder, not a job"),
        (&["trigger", "repo"], 12, "a multibranch project"),
        (&["trigger", "off"], 12, "disabled"),
        (&["trigger", "plian"], 11, "did you mean plain?"),
        (&["trigger", "repo", "--branch", "feature/y"], 11, "did you mean feature/x?"),
        (&["trigger", "plain", "--param", "A=1"], 12, "parameter A: not defined by job plain"),
        (&["trigger", "params", "--param", "s=1"], 12, "did you mean S?"),
        (&["trigger", "params", "--param", "C=three"], 12, "one, two"),
        (&["trigger", "params", "--param", "B=yes"], 12, "must be true or false"),
        (&["trigger", "params", "--param", "S=1", "--param", "S=2"], 2, "is given twice"),
        (&["trigger", "files", "--param", "F=x"], 12, "--param-file F=PATH"),
        (&["trigger", "files", "--param-file", "F=/nowhere"], 16, "/nowhere"),
        (&["trigger", "params", "--param-json", "[1]"], 2, "not a JSON object"),
    ] {
        Call::new(&sim, arguments).run().exit_code(code).stderr_contains(part);
    }
    assert_eq!(sim.jenkins_runs().len(), 0);
    assert!(sim.requests().iter().all(|request| request.method == "GET"));
}

#[test]
fn values_arrive_as_they_are_and_flags_win() {
    let sim = simulator();
    let folder = tempfile::tempdir().unwrap();
    let (file, text) = (folder.path().join("data ü.bin"), folder.path().join("values"));
    std::fs::write(&file, vec![b'x'; 3_000_000]).unwrap();
    std::fs::write(&text, "# values\nS=from the file\nC=two\n").unwrap();
    let value = "a b&c=d ä 🚀\nsecond line";
    let param = format!("S={value}");
    Call::new(
        &sim,
        &[
            "trigger",
            "params",
            "--params-from",
            text.to_str().unwrap(),
            "--param-json",
            r#"{"B":true}"#,
            "--param",
            &param,
        ],
    )
    .run()
    .exit_code(0);
    assert_eq!(only(&sim).parameters, *json!({"S": value, "C": "two", "B": true}).as_object().unwrap());
    let given = format!("F={}", file.display());
    Call::new(&sim, &["trigger", "files", "--param", "S=ä", "--param-file", &given]).run().exit_code(0);
    let run = sim.jenkins_runs().pop().unwrap();
    assert_eq!((run.parameters["S"].as_str(), run.files.len(), run.files[0].size), (Some("ä"), 1, 3_000_000));
}

#[test]
fn values_come_from_stdin_and_variables_and_files_of_every_kind_are_sent_alike() {
    let mut config = config();
    let job = JenkinsJob::pipeline("uploads")
        .parameter(JenkinsParameter::string("S", "def"))
        .parameter(JenkinsParameter::new(ParameterKind::StashedFile, "STASHED"))
        .parameter(JenkinsParameter::new(ParameterKind::Base64File, "SMALL"));
    config.jobs.push(job);
    let sim = built(config).start().unwrap();
    Call::new(&sim, &["trigger", "params", "--params-from", "-"]).run_with(r#"{"S": "ä=1", "B": true}"#).exit_code(0);
    assert_eq!(only(&sim).parameters, *json!({"S": "ä=1", "C": "one", "B": true}).as_object().unwrap());
    Call::new(&sim, &["trigger", "params", "--params-from", "-"])
        .env("CIBRIDGE_PARAM", "C=two\nB=TRUE")
        .run_with("S=from a pipe\r\n\n# a remark\n")
        .exit_code(0);
    let run = sim.jenkins_runs().pop().unwrap();
    assert_eq!(run.parameters, *json!({"S": "from a pipe", "C": "two", "B": true}).as_object().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let (big, small) = (folder.path().join("big"), folder.path().join("small.txt"));
    std::fs::write(&big, vec![7; 2_000_000]).unwrap();
    std::fs::write(&small, "").unwrap();
    Call::new(&sim, &["trigger", "uploads", "--param-file"])
        .arg(format!("STASHED={}", big.display()))
        .env("CIBRIDGE_PARAM_FILE", "IGNORED=as the flag wins")
        .arg("--param-file")
        .arg(format!("SMALL={}", small.display()))
        .run()
        .exit_code(0);
    let run = sim.jenkins_runs().pop().unwrap();
    let files: Vec<_> = run.files.iter().map(|file| (file.parameter.as_str(), file.size)).collect();
    assert_eq!((files, run.parameters["S"].as_str()), (vec![("STASHED", 2_000_000), ("SMALL", 0)], Some("def")));
    let nothing = Call::new(&sim, &["trigger", "params", "--param", "=1"]).run().exit_code(2);
    assert!(nothing.stderr.contains("expected NAME=VALUE"), "{nothing}");
}

#[test]
fn a_delay_has_its_unit_and_a_cause_is_kept() {
    let sim = simulator();
    Call::new(&sim, &["trigger", "plain", "--delay", "90s"]).run().exit_code(0);
    assert_eq!(sim.requests().last().unwrap().body, "delay=90sec");
    sim.move_jenkins_run(1, JenkinsMove::End);
    let by_token = Call::new(&sim, &["trigger", "remote", "--cause", "by hand ü"]).env("JENKINS_JOB_TOKEN", "My-token");
    by_token.run().exit_code(0);
    assert_eq!(sim.jenkins_runs()[1].causes[0]["note"], "by hand ü");
    // Without a job's token Jenkins drops it, so it goes to the build's page.
    Call::new(&sim, &["trigger", "plain", "--cause", "release 7"])
        .run()
        .exit_code(0)
        .stderr_contains("Jenkins keeps --cause only");
    sim.move_jenkins_run(3, JenkinsMove::End);
    Call::new(&sim, &["trigger", "plain", "--cause", "release 7", "--wait"]).run().exit_code(0);
    assert_eq!(sim.jenkins_runs()[3].description.as_deref(), Some("release 7"));
}

#[test]
fn a_start_costs_two_requests_and_one_by_what_sees_nothing() {
    let sim = simulator();
    let count = |arguments: &[&str]| {
        let before = sim.requests().len();
        Call::new(&sim, arguments).run().exit_code(0);
        sim.requests().len() - before
    };
    assert_eq!(count(&["trigger", "plain"]), 2);
    assert_eq!(count(&["trigger", "pipe", "--no-validate"]), 2);
    assert_eq!(count(&["trigger", "marked", "--no-validate", "--marker-param", "CIBRIDGE_ID"]), 1);
}

#[test]
fn each_refusal_has_its_own_message() {
    let sim = simulator();
    for (arguments, code, part) in [
        (&["trigger", "vetoed"][..], 12, "queued nothing"),
        (&["trigger", "off", "--no-validate"], 12, "not buildable"),
        (&["trigger", "params", "--no-validate"], 12, "was started without any"),
        (&["trigger", "params", "--no-validate", "--param", "C=three"], 12, "failed on the parameters"),
        (&["trigger", "plain", "--no-validate", "--param", "A=1"], 12, "failed on the parameters"),
        (&["trigger", "nope", "--no-validate"], 11, "not found, or not visible to user dev"),
    ] {
        Call::new(&sim, arguments).run().exit_code(code).stderr_contains(part);
    }
    let viewer = cibridge_simulator::JENKINS_VIEWER_TOKEN;
    let as_viewer =
        |arguments| Call::new(&sim, arguments).env("JENKINS_USER_ID", "viewer").env("JENKINS_API_TOKEN", viewer);
    as_viewer(&["trigger", "plain"]).run().exit_code(10).stderr_contains("user viewer lacks the permission Job/Build");
    let wrong = "11ffffffffffffffffffffffffffffffff";
    Call::new(&sim, &["trigger", "plain"])
        .env("JENKINS_API_TOKEN", wrong)
        .run()
        .exit_code(10)
        .stderr_contains("user dev and this API token were refused");
    Call::anonymous(&sim, &["trigger", "plain"]).run().exit_code(10).stderr_contains("anonymous users");
    assert_eq!(sim.jenkins_runs().len(), 0);
}

#[test]
fn tokens_need_no_crumb_and_passwords_get_one() {
    let sim = simulator();
    Call::new(&sim, &["trigger", "plain"]).run().exit_code(0);
    assert!(sim.requests_to("GET", "/jenkins/crumbIssuer/api/json").is_empty());
    let password = cibridge_simulator::JENKINS_PASSWORD;
    Call::new(&sim, &["trigger", "pipe"])
        .env("JENKINS_API_TOKEN", password)
        .run()
        .exit_code(0)
        .stderr_contains("does not look like one");
    assert_eq!(sim.jenkins_runs().len(), 2);
}

#[test]
fn a_job_token_starts_also_what_cannot_be_seen() {
    let sim = simulator();
    let by =
        |token| Call::anonymous(&sim, &["trigger", "remote", "--cause", "by hand"]).env("JENKINS_JOB_TOKEN", token);
    by("My-tokem").run().exit_code(10);
    by("My-token").run().exit_code(0);
    assert_eq!(only(&sim).job, "remote");
    Call::new(&sim, &["trigger", "remote"])
        .env("JENKINS_JOB_TOKEN", "other-token")
        .run()
        .exit_code(10)
        .stderr_contains("the job token is wrong");
}

#[test]
fn a_coalesced_start_is_reported() {
    let sim = simulator();
    let start = |more: &[&str]| {
        Call::new(&sim, &[&["trigger", "params", "--delay", "30s", "--param", "S=1"], more].concat()).run()
    };
    start(&[]).exit_code(0);
    start(&[]).exit_code(0).stderr_contains("Jenkins merged the request");
    start(&["--fail-if-coalesced"])
        .exit_code(12)
        .stderr_contains("Jenkins merged the request into an identical queued item");
    assert_eq!(only(&sim).joined, 2);
    // A parameter made for it keeps starts apart.
    for _ in 0..2 {
        Call::new(&sim, &["trigger", "marked", "--delay", "30s", "--fail-if-coalesced"]).run().exit_code(0);
    }
}

/// Wherever the connection breaks: one build, never two, and none that nobody was told of.
#[test]
fn an_answer_that_is_lost_makes_no_second_build() {
    let scenarios = [
        ("params", json!({"kind": "cut", "at": "before_answer", "act": true})),
        ("marked", json!({"kind": "cut", "at": "before_answer", "act": true})),
        ("plain", json!({"kind": "cut", "at": "answer", "bytes": 9})),
        ("plain", json!({"kind": "cut", "at": "answer", "bytes": 40})),
        ("marked", json!({"kind": "hang", "max_ms": 10_000, "act": true})),
        ("plain", json!({"kind": "raw", "text": "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "act": true})),
        ("params", json!({"kind": "wrong_json", "shape": "text"})),
    ];
    together(&scenarios, |(job, trouble)| {
        let mut trouble = trouble.clone();
        (trouble["listener"], trouble["method"]) = (json!("jenkins"), json!("POST"));
        let sim = built(config()).fault(fault(&trouble)).start().unwrap();
        let found = if *job == "marked" { "its value of CIBRIDGE_ID" } else { "its user, time and parameters" };
        Call::new(&sim, &["trigger", job, "--answer-timeout", "2s"]).run().exit_code(0).stderr_contains(found);
        assert_eq!(only(&sim).job, *job);
        assert_eq!(sim.requests().iter().filter(|request| request.method == "POST").count(), 1, "{trouble}");
    });
}

/// A build that was there before is not the one of this start, however alike they are.
#[test]
fn an_earlier_build_of_the_same_is_not_taken_for_this_one() {
    let sim = simulator();
    Call::new(&sim, &["trigger", "plain", "--wait"]).run().exit_code(0);
    sim.fault(fault(
        &json!({"kind": "cut", "at": "before_answer", "act": true, "listener": "jenkins", "method": "POST"}),
    ));
    let run =
        Call::new(&sim, &["trigger", "plain"]).run().exit_code(0).stderr_contains("its user, time and parameters");
    assert_eq!((run.document["build"]["id"].as_str(), sim.jenkins_runs().len()), (Some("queue/item/2"), 2));
}

/// A start that is still on its way when a signal ends the program arrives in the end, and its build is stopped.
#[test]
fn a_start_that_arrives_after_the_signal_is_found_and_stopped() {
    let sim = built(config().plan(JenkinsPlan::steps([JenkinsStep::hold()]))).start().unwrap();
    sim.fault(fault(&json!({"kind": "hang", "max_ms": 60_000, "listener": "jenkins", "method": "POST"})));
    let child = Call::new(&sim, &["trigger", "pipe", "--no-validate"]).spawn();
    assert!(sim.wait_for_requests("POST", "/job/pipe/build", 1));
    child.terminate();
    assert!(sim.wait_for_requests("GET", "/queue/api/json", 1));
    // The simulator does not act on what hangs, so the same start comes from elsewhere.
    let address = sim.jenkins_url().trim_start_matches("http://").split('/').next().unwrap().to_owned();
    let login = STANDARD.encode(format!("{JENKINS_USER}:{JENKINS_TOKEN}"));
    let mut socket = TcpStream::connect(address).unwrap();
    let head = format!("POST /jenkins/job/pipe/build HTTP/1.1\r\nhost: x\r\nauthorization: Basic {login}\r\n");
    socket.write_all(format!("{head}content-length: 0\r\nconnection: close\r\n\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    child.wait().exit_code(143).stderr_contains("the build was started: found by its user, time and parameters");
    let run = only(&sim);
    assert!(run.state == "cancelled" || run.stops == 1, "{run:?}");
}

/// Nothing was read of a connection that is refused, so the start is sent again.
#[test]
fn a_start_that_surely_did_not_arrive_is_sent_again() {
    let sim = simulator();
    sim.restart_jenkins(Restart { refused_ms: 700, ..Restart::default() });
    Call::new(&sim, &["trigger", "pipe", "--no-validate"]).run().exit_code(0);
    assert_eq!(only(&sim).job, "pipe");
}

#[test]
fn what_was_turned_away_at_the_door_is_sent_again() {
    let sim = simulator();
    sim.restart_jenkins(Restart { starting_requests: 2, ..Restart::default() });
    Call::new(&sim, &["trigger", "plain", "--no-validate"]).run().exit_code(0);
    only(&sim);
}

#[test]
fn an_idempotency_key_takes_over_the_build_that_carries_it() {
    let sim = simulator();
    let start = |job: &str, more: &[&str]| Call::new(&sim, &[&["trigger", job, "--json"], more].concat()).run();
    let first = start("marked", &["--idempotency-key", "release 1"]).exit_code(0).json();
    assert_eq!((&first["adopted"], first["build"]["id"].as_str()), (&false.into(), Some("queue/item/1")));
    // In the queue, and as a build.
    for _ in 0..2 {
        let run = start("marked", &["--idempotency-key", "release 1"])
            .exit_code(0)
            .stderr_contains("exists already; adopting it");
        assert_eq!(run.json()["adopted"], true);
        sim.move_jenkins_run(1, JenkinsMove::End);
    }
    assert_eq!(only(&sim).parameters["CIBRIDGE_ID"], "release 1");
    start("marked", &["--idempotency-key", "release 2"]).exit_code(0);
    assert_eq!(sim.jenkins_runs().len(), 2);
    // Followed, it is ours.
    let run = start("marked", &["--idempotency-key", "release 1", "--wait"]).exit_code(0);
    assert_eq!(run.json()["build"]["id"], "marked#1");
    assert_eq!(sim.jenkins_runs().len(), 2);
}

#[test]
fn an_idempotency_key_that_nothing_can_carry_starts_nothing() {
    let sim = simulator();
    for (more, code, part) in [
        (&["plain", "--idempotency-key", "k"][..], 12, "no parameter can carry the idempotency key"),
        (&["marked", "--idempotency-key", "k", "--param", "CIBRIDGE_ID=mine"], 12, "no parameter can carry"),
        (&["marked", "--idempotency-key", " "], 2, "an idempotency key has 1 to 200 bytes"),
    ] {
        Call::new(&sim, &[&["trigger"], more].concat()).run().exit_code(code).stderr_contains(part);
    }
    assert_eq!(sim.jenkins_runs().len(), 0);
    // A marker is only for those jobs that can have one.
    Call::new(&sim, &["trigger", "plain", "--marker", "m-1"]).run().exit_code(0);
    Call::new(&sim, &["trigger", "params", "--marker", "m-1", "--marker-param", "S"]).run().exit_code(0);
    assert_eq!(sim.jenkins_runs()[1].parameters["S"], "m-1");
}

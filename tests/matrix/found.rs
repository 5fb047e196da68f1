//! What the matrices found, each as a test of its own that says what is right.

use cibridge_simulator::{
    Fault, FaultKind, JENKINS_PASSWORD, JENKINS_TOKEN, JenkinsConfig, JenkinsJob, JenkinsMove, JenkinsPlan, Simulator,
};
use serde_json::json;

use crate::support::{Call, simulator, started};

fn finished(sim: &Simulator) -> String {
    let build = started(sim);
    sim.advance_build(&build, &cibridge_simulator::Target::End);
    build
}

/// A cache on the way mixes up answers.
#[test]
fn an_answer_about_another_build_is_no_answer() {
    let sim = simulator().start().unwrap();
    let (build, other) = (finished(&sim), finished(&sim));
    sim.fault(Fault::replace(&build, other.as_bytes()).on("GET", "/api/v3/builds/"));
    let done = Call::to(&sim, "codemagic status --json").arg(&build).run();
    done.exit_code(0);
    assert_eq!(done.json()["build"]["id"], build.as_str());
    sim.fault(Fault::replace(&build, other.as_bytes()).on("GET", "/api/v3/builds/").always());
    Call::to(&sim, "codemagic status").arg(&build).run().exit_code(13);
}

#[test]
fn a_public_link_that_is_none_is_no_success() {
    for url in [json!(""), json!("not a link"), json!(null)] {
        let sim = simulator().start().unwrap();
        let build = finished(&sim);
        sim.fault(Fault::patch(json!({"url": url})).on("POST", "/public-url").always());
        let done = Call::to(&sim, "codemagic share --match *.ipa").arg(&build).run();
        assert!([13, 15].contains(&done.exit()) && done.stdout.is_empty(), "{done}");
    }
}

/// The request may succeed later: nothing is wrong with it.
#[test]
fn a_gateway_that_gave_up_is_an_outage_and_no_refusal() {
    for status in [408, 425, 499, 510, 599] {
        let sim = simulator().start().unwrap();
        sim.fault(Fault::status(status).on("GET", "/api/*/workflows").always());
        Call::to(&sim, "codemagic workflows").run().exit_code(13);
    }
}

/// Without its crumb a start would be refused, and the credentials would be blamed for it.
#[test]
fn a_crumb_that_cannot_be_fetched_is_waited_for_and_else_reported() {
    let jenkins = || {
        let job = cibridge_simulator::JenkinsJob::freestyle("plain");
        simulator().jenkins(cibridge_simulator::JenkinsConfig::with_jobs([job])).start().unwrap()
    };
    let call = |sim: &Simulator| {
        Call::new("jenkins trigger plain")
            .env("CIBRIDGE_JENKINS_URL", sim.jenkins_url())
            .env("JENKINS_USER_ID", "dev")
            .env("JENKINS_API_TOKEN", JENKINS_PASSWORD)
    };
    let sim = jenkins();
    sim.fault(Fault::status(503).on("GET", "/crumbIssuer/*").times(2));
    call(&sim).run().exit_code(0);
    assert_eq!(sim.jenkins_runs().len(), 1);
    let sim = jenkins();
    sim.fault(Fault::status(503).on("GET", "/crumbIssuer/*").always());
    call(&sim).run().exit_code(13).stderr_contains("crumb issuer");
    assert_eq!(sim.jenkins_runs().len(), 0);
}

/// A poll of a process of its own that saw nothing does not know whether the build is running.
#[test]
fn a_single_poll_that_saw_nothing_says_so() {
    let sim = simulator().start().unwrap();
    let build = started(&sim);
    sim.fault(Fault::status(503).on("GET", "/api/v3/builds/").always());
    let call = || Call::to(&sim, "codemagic wait --once --poll-interval 20ms").arg(&build);
    let done = call().run();
    done.exit_code(0).stderr_contains("its state cannot be read: ").stderr_lacks("status: queued");
    assert_eq!((&done.document()["build"]["status"], &done.document()["outcome"]), (&json!(null), &json!("running")));
    assert!(done.document()["summary"].as_str().unwrap().contains("its state cannot be read"), "{done}");
    // An id that does not exist is not polled for ever.
    let sim = simulator().start().unwrap();
    let missing = || Call::to(&sim, "codemagic wait 6a941a0014bf8ccd332f2844 --once --poll-interval 20ms");
    missing().run().exit_code(0);
    missing().env("CIBRIDGE_WAITING_SINCE", "1700000000000").run().exit_code(11);
}

#[test]
fn an_answer_that_is_not_text_shows_no_secret_either() {
    let sim = simulator().start().unwrap();
    let leak = [b"{\"leak\":\"", sim.key().as_bytes(), b" \xff\xfe\",\""].concat();
    sim.fault(Fault::replace("{\"", &leak).on("GET", "/api/v3/user/teams"));
    let done = Call::to(&sim, "codemagic api GET /user/teams").run();
    done.exit_code(0);
    assert!(done.stdout.contains("leak"), "{done}");
}

#[test]
fn a_proxy_that_requires_credentials_is_no_refusal_of_the_service() {
    let sim = simulator().start().unwrap();
    sim.fault(Fault::status(407).on("GET", "/api/v3/user/teams").always());
    Call::to(&sim, "codemagic builds").run().exit_code(14).stderr_contains("a proxy requires credentials");
}

fn jenkins(jobs: impl IntoIterator<Item = JenkinsJob>) -> Simulator {
    simulator().jenkins(JenkinsConfig::with_jobs(jobs).plan(JenkinsPlan::endless().job("pipe"))).start().unwrap()
}

fn to_jenkins(sim: &Simulator, arguments: &str) -> Call {
    Call::new(arguments)
        .env("CIBRIDGE_JENKINS_URL", sim.jenkins_url())
        .env("JENKINS_USER_ID", "dev")
        .env("JENKINS_API_TOKEN", JENKINS_TOKEN)
}

/// Numbers that no clock and no counter can hold.
#[test]
fn absurd_numbers_are_no_bug_of_the_program() {
    let sim = jenkins([JenkinsJob::pipeline("pipe")]);
    let item = sim.start_jenkins_build("pipe");
    sim.move_jenkins_run(item, JenkinsMove::End);
    for number in [json!(u64::MAX), json!(i64::MIN), json!(253_402_300_800_000_u64), json!(1e308)] {
        for verb in ["queue", "jobs", "builds pipe", "tests pipe#1", "status pipe#1", "artifacts pipe#1 --list"] {
            sim.fault(Fault::new(FaultKind::Leaves { value: number.clone() }).on("GET", "").times(5));
            let done = to_jenkins(&sim, &format!("jenkins {verb}")).run();
            assert_ne!(done.exit(), 70, "{verb} {number}\n{done}");
        }
    }
}

/// A proxy that sends everybody to https answers a POST so, and nothing was done.
#[test]
fn a_redirect_to_the_same_path_is_no_success() {
    let sim = jenkins([JenkinsJob::pipeline("pipe")]);
    let item = sim.start_jenkins_build("pipe");
    sim.move_jenkins_run(item, JenkinsMove::End);
    sim.fault(Fault::redirect(302, "https://127.0.0.1:1/job/pipe/1/kill").on("POST", "/job/pipe/1/kill").always());
    sim.fault(Fault::redirect(302, "https://127.0.0.1:1/job/pipe/1/stop").on("POST", "/job/pipe/1/stop").always());
    let done = to_jenkins(&sim, "jenkins stop pipe#1 --stop-wait 100ms").run();
    done.exit_code(14);
    assert_eq!(sim.jenkins_run(item).unwrap().stops, 0);
}

/// Each agent that polls once would else hold a slot for an hour.
#[test]
fn a_single_poll_does_not_stay_as_long_as_a_rate_limit_lasts() {
    let sim = simulator().start().unwrap();
    let build = started(&sim);
    sim.fault(Fault::status(429).set("Retry-After", "3600").on("GET", "/api/v3/builds/").always());
    let done = Call::to(&sim, "codemagic wait --once").arg(&build).run();
    assert_eq!(done.exit_code(0).document()["next_poll_seconds"], 3600, "{done}");
}

#[test]
fn a_team_whose_id_is_none_is_left_out() {
    for id in [String::new(), "a".repeat(100_000)] {
        let sim = simulator().start().unwrap();
        sim.fault(Fault::new(FaultKind::Leaves { value: json!(id) }).on("GET", "/api/v3/user/teams").always());
        let done = Call::to(&sim, "codemagic builds").run();
        assert_ne!(done.exit(), 2, "{done}");
    }
}

#[test]
fn a_token_that_is_none_is_not_given_to_anybody() {
    let sim = jenkins([]);
    sim.fault(Fault::patch(json!({"data": {"tokenValue": ""}})).on("POST", "/generateNewToken"));
    to_jenkins(&sim, "jenkins token create t1").run().exit_code(15).stdout_is("").stderr_contains("look for \"t1\"");
}

//! What the matrices found, each as a test of its own that says what is right.

use cibridge_simulator::{Fault, JENKINS_PASSWORD, Simulator};
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
    done.code(0);
    assert_eq!(done.json()["build"]["id"], build.as_str());
    sim.fault(Fault::replace(&build, other.as_bytes()).on("GET", "/api/v3/builds/").always());
    Call::to(&sim, "codemagic status").arg(&build).run().code(13);
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
        Call::to(&sim, "codemagic workflows").run().code(13);
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
    call(&sim).run().code(0);
    assert_eq!(sim.jenkins_runs().len(), 1);
    let sim = jenkins();
    sim.fault(Fault::status(503).on("GET", "/crumbIssuer/*").always());
    call(&sim).run().code(13).says("crumb issuer");
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
    done.code(0).says("its state cannot be read: ").hides("status: queued");
    assert_eq!((&done.document()["build"]["status"], &done.document()["outcome"]), (&json!(null), &json!("running")));
    assert!(done.document()["summary"].as_str().unwrap().contains("its state cannot be read"), "{done}");
    // An id that does not exist is not polled for ever.
    let sim = simulator().start().unwrap();
    let missing = || Call::to(&sim, "codemagic wait 6a941a0014bf8ccd332f2844 --once --poll-interval 20ms");
    missing().run().code(0);
    missing().env("CIBRIDGE_WAITING_SINCE", "1700000000000").run().code(11);
}

#[test]
fn an_answer_that_is_not_text_shows_no_secret_either() {
    let sim = simulator().start().unwrap();
    let leak = [b"{\"leak\":\"", sim.key().as_bytes(), b" \xff\xfe\",\""].concat();
    sim.fault(Fault::replace("{\"", &leak).on("GET", "/api/v3/user/teams"));
    let done = Call::to(&sim, "codemagic api GET /user/teams").run();
    done.code(0);
    assert!(done.stdout.contains("leak"), "{done}");
}

#[test]
fn a_proxy_that_requires_credentials_is_no_refusal_of_the_service() {
    let sim = simulator().start().unwrap();
    sim.fault(Fault::status(407).on("GET", "/api/v3/user/teams").always());
    Call::to(&sim, "codemagic builds").run().code(14).says("a proxy requires credentials");
}

//! Who gets in: crumbs, sessions, tokens, restarts, what stands in front; and the simulator's own paths.

use super::{ask, ask_with, basic, built, config, dev, form, queue_id, sim, started};
use crate::client::once;
use cibridge_simulator::{
    Fault, JENKINS_PASSWORD, JENKINS_USER, JenkinsMove, JenkinsPlan, Listener, Restart, Simulator,
};
use serde_json::{Value, json};
use std::net::TcpStream;

#[test]
fn passwords_need_a_crumb_and_its_session() {
    let sim = sim();
    let password = basic(JENKINS_USER, JENKINS_PASSWORD);
    let build = |headers: &[&str]| ask_with(&sim, "POST", "/job/plain/build", headers, "");
    assert_eq!(build(&[&password]).status, 403);
    let issued = ask_with(&sim, "GET", "/crumbIssuer/api/json", &[&password], "");
    let cookie = format!("Cookie: {}", issued.header("set-cookie").split(';').next().unwrap());
    let crumb = format!(
        "{}: {}",
        issued.json()["crumbRequestField"].as_str().unwrap(),
        issued.json()["crumb"].as_str().unwrap()
    );
    assert_eq!(build(&[&password, &crumb]).status, 403);
    assert_eq!(build(&[&password, &crumb, &cookie]).status, 201);
    assert_eq!(build(&[&crumb, &cookie]).status, 201);
    // With the session of a log-in the token is not looked at, and a crumb is wanted after all.
    assert_eq!(build(&[&dev()]).status, 201);
    assert_eq!(build(&[&dev(), "Jenkins-Crumb: bad"]).status, 201);
    assert_eq!(build(&[&dev(), &cookie]).status, 403);
    let field = crumb.replace(": ", "=");
    let urlencoded = "Content-Type: application/x-www-form-urlencoded";
    assert_eq!(ask_with(&sim, "POST", "/job/plain/build", &[&password, &cookie, urlencoded], &field).status, 201);
}

#[test]
fn tokens_are_made_and_revoked() {
    let sim = sim();
    let path = "/me/descriptorByName/jenkins.security.ApiTokenProperty";
    let made = form(&sim, &format!("{path}/generateNewToken"), "newTokenName=cib").json();
    let (uuid, value) = (made["data"]["tokenUuid"].as_str().unwrap(), made["data"]["tokenValue"].as_str().unwrap());
    assert_eq!((&made["status"], &made["data"]["tokenName"], value.len()), (&json!("ok"), &json!("cib"), 34));
    let who = || ask_with(&sim, "GET", "/whoAmI/api/json", &[&basic("dev", value)], "").status;
    assert_eq!(who(), 200);
    assert_eq!(sim.jenkins_tokens("dev")[1], (uuid.to_owned(), "cib".to_owned(), 1));
    assert_eq!(form(&sim, &format!("{path}/revoke"), &format!("tokenUuid={uuid}")).status, 200);
    assert_eq!(who(), 401);
    assert_eq!(form(&sim, &format!("{path}/revoke"), "tokenUuid=").status, 400);
    assert_eq!(
        form(&sim, &path.replace("/me", "/user/admin").replace("Property", "Property/generateNewToken"), "").status,
        403
    );
}

#[test]
fn tokens_may_expire() {
    let mut config = config();
    config.token_expiry = true;
    let sim = built(config).start().unwrap();
    let path = "/me/descriptorByName/jenkins.security.ApiTokenProperty/generateNewToken";
    let made = form(&sim, path, "newTokenName=short&expirationDuration=3").json();
    assert_eq!(made["data"]["aboutToExpire"], true);
    assert_eq!(made["data"]["expirationDate"].as_str().unwrap().len(), 10);
    let past = form(&sim, path, "newTokenName=x&expirationDuration=custom&tokenExpiration=2001-01-01").json();
    assert_eq!(past["status"], "error");
    let token = basic("dev", made["data"]["tokenValue"].as_str().unwrap());
    let who = || ask_with(&sim, "GET", "/whoAmI/api/json", &[&token], "").status;
    assert_eq!(who(), 200);
    sim.advance(3.1 * 86_400.0);
    assert_eq!(who(), 401);
}

fn session(sim: &Simulator) -> String {
    ask(sim, "GET", "/whoAmI/api/json").header("x-jenkins-session").to_owned()
}

#[test]
fn a_restart_keeps_the_queue_and_forgets_the_rest() {
    let sim = built(config().plan(JenkinsPlan::endless().job("pipe"))).start().unwrap();
    let (left, build) = started(&sim, "pipe");
    let waits = queue_id(&ask(&sim, "POST", "/job/plain/build"));
    let before = session(&sim);
    sim.restart_jenkins(Restart { starting_requests: 2, ..Restart::default() });
    for _ in 0..2 {
        let starting = ask(&sim, "GET", "/whoAmI/api/json");
        assert_eq!((starting.status, starting.header("x-jenkins"), starting.header("retry-after")), (503, "", ""));
        assert!(starting.text().contains("getting ready to work"));
    }
    assert_ne!(session(&sim), before);
    assert_eq!(ask(&sim, "GET", &format!("/queue/item/{waits}/api/json")).status, 200);
    assert_eq!(ask(&sim, "GET", &format!("/queue/item/{left}/api/json")).status, 404);
    assert_eq!(ask(&sim, "GET", &format!("{build}/api/json")).json()["inProgress"], true);
    assert!(sim.jenkins_console("pipe", 1).contains("after Jenkins restart\nReady to run at "));
    sim.restart_jenkins(Restart { lose_queue: true, lose_builds: true, ..Restart::default() });
    assert_eq!(ask(&sim, "GET", &format!("/queue/item/{waits}/api/json")).status, 404);
    assert_eq!(ask(&sim, "GET", "/job/plain/api/json").json()["inQueue"], false);
}

#[test]
fn a_build_is_found_after_its_item_was_forgotten() {
    let sim = sim();
    let id = queue_id(&ask(&sim, "POST", "/job/plain/build"));
    sim.forget_jenkins_item(id);
    assert_eq!(ask(&sim, "GET", &format!("/queue/item/{id}/api/json")).status, 404);
    let builds = || ask(&sim, "GET", "/job/plain/api/json?tree=builds%5BqueueId%5D").json()["builds"].clone();
    assert_eq!([builds(), builds()], [json!([]), json!([])]);
    assert_eq!(builds()[0]["queueId"], id);
}

#[test]
fn the_port_is_closed_and_opened_again() {
    let sim = sim();
    let origin = sim.jenkins_url().trim_end_matches("/jenkins").to_owned();
    let address = origin.trim_start_matches("http://");
    sim.restart_jenkins(Restart { stays_down: true, starting_requests: u32::MAX, ..Restart::default() });
    assert_eq!(TcpStream::connect(address).unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
    // The others go on.
    assert_eq!(once(sim.legacy_url(), "GET", "/_sim/state", &[], "").unwrap().status, 200);
    sim.start_jenkins();
    assert_eq!(ask(&sim, "GET", "/whoAmI/api/json").status, 200);
    sim.restart_jenkins(Restart { refused_ms: 1, ..Restart::default() });
    sim.start_jenkins();
    assert_eq!(ask(&sim, "GET", "/whoAmI/api/json").status, 200);
}

#[test]
fn it_ends_while_its_port_is_closed() {
    let sim = sim();
    sim.restart_jenkins(Restart { stays_down: true, ..Restart::default() });
    drop(sim);
}

#[test]
fn something_may_stand_in_front() {
    let sim = sim();
    sim.configure_jenkins(|c| c.sso = Some("https://sso.example.com/authorize?client_id=x".into()));
    let nobody = ask_with(&sim, "POST", "/job/plain/build", &[], "");
    assert_eq!((nobody.status, nobody.header("location")), (302, "https://sso.example.com/authorize?client_id=x"));
    assert_eq!(ask(&sim, "POST", "/job/plain/build").status, 201);
    sim.configure_jenkins(|c| {
        c.proxy_header = Some(("CF-Access-Client-Id".into(), "me".into()));
    });
    assert_eq!(ask(&sim, "GET", "/whoAmI/api/json").status, 302);
    let through = [&*dev(), "CF-Access-Client-Id: me"];
    assert_eq!(ask_with(&sim, "GET", "/whoAmI/api/json", &through, "").json()["name"], "dev");
    sim.configure_jenkins(|c| c.strip_authorization = true);
    assert_eq!(ask_with(&sim, "GET", "/whoAmI/api/json", &through, "").json()["name"], "anonymous");
    assert_eq!(once(&sim.jenkins_url().replace("/jenkins", ""), "GET", "/job/x", &through, "").unwrap().status, 404);
}

#[test]
fn locations_are_those_of_the_configured_url() {
    let mut config = config();
    config.root_url = Some("http://jenkins.example.com/ci/".into());
    let sim = built(config).start().unwrap();
    let reply = ask(&sim, "POST", "/job/plain/build");
    assert_eq!(reply.header("location"), "http://jenkins.example.com/ci/queue/item/1/");
    let item = ask(&sim, "GET", "/queue/item/1/api/json").json();
    assert_eq!(item["task"]["url"], sim.jenkins_job_url("plain"));
}

#[test]
fn faults_hit_it_and_requests_are_recorded() {
    let sim = sim();
    sim.fault(Fault::status(502).listener(Listener::Jenkins).times(1));
    sim.fault(Fault::redirect(302, "{jenkins}/jenkins/login").on("GET", "/job/plain/"));
    let bad = ask(&sim, "POST", "/job/plain/build");
    assert!(bad.status == 502 && bad.text().contains("Error 502 Bad Gateway"));
    assert!(sim.jenkins_runs().is_empty());
    assert_eq!(ask(&sim, "GET", "/job/plain/api/json").header("location"), format!("{}/login", sim.jenkins_url()));
    let login = ask(&sim, "GET", "/login");
    assert_eq!((login.status, login.header("x-jenkins")), (200, "2.516.2"));
    let seen = &sim.requests_to("POST", "/job/plain/build")[0];
    assert_eq!((seen.listener, seen.fault.as_deref()), (Listener::Jenkins, Some("status")));
}

#[test]
fn it_is_controlled_by_http() {
    let sim = sim();
    let control = |method: &str, path: &str, body: &Value| {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        once(sim.legacy_url(), method, &format!("/_sim/{path}"), &[], &body).unwrap()
    };
    let post = |path: &str, body: Value| control("POST", &format!("jenkins/{path}"), &body).status;
    assert_eq!(post("plan", json!([{"job": "plain", "steps": [{"text": "hi\n"}, {"hold": true}]}])), 200);
    assert_eq!(post("job", json!({"name": "new/one", "kind": "pipeline"})), 200);
    assert_eq!(post("config", json!({"quiet_seconds": 0})), 200);
    assert_eq!(post("config", json!({"quiet_second": 0})), 400);
    let id = queue_id(&ask(&sim, "POST", "/job/plain/build"));
    assert_eq!(post("move", json!({"queue_id": id, "to": "end"})), 200);
    assert_eq!(control("GET", "wait?jenkins_state=held&job=plain", &Value::Null).status, 200);
    assert_eq!(control("GET", "wait?counter=jenkins_triggers", &Value::Null).status, 200);
    assert_eq!(post("log", json!({"job": "plain", "number": 1, "text": "more\n"})), 200);
    let console = control("GET", "jenkins/console?job=plain&number=1", &Value::Null).json();
    assert!(console["text"].as_str().unwrap().ends_with("hi\nmore\n"));
    assert_eq!(post("move", json!({"queue_id": id, "to": "release"})), 200);
    let runs = control("GET", "jenkins/runs", &Value::Null).json();
    assert_eq!((&runs["runs"][0]["state"], &runs["runs"][0]["result"]), (&json!("finished"), &json!("SUCCESS")));
    let before = control("GET", "jenkins/state", &Value::Null).json();
    assert_eq!(post("restart", json!({"starting_requests": 1, "stays_down": true})), 200);
    assert_ne!(control("GET", "jenkins/state", &Value::Null).json()["session"], before["session"]);
    let origin = sim.jenkins_url().trim_end_matches("/jenkins").to_owned();
    assert!(TcpStream::connect(origin.trim_start_matches("http://")).is_err());
    assert_eq!(post("start", json!({})), 200);
    assert_eq!(ask(&sim, "GET", "/job/new/job/one/api/json").status, 200);
    assert_eq!(post("nonsense", json!({})), 404);
    control("POST", "reset", &Value::Null);
    assert!(sim.jenkins_runs().is_empty());
    assert_eq!(ask(&sim, "GET", "/job/new/api/json").status, 404);
    sim.move_jenkins_run(1, JenkinsMove::Next);
    let none = Simulator::start().unwrap();
    assert_eq!(once(none.legacy_url(), "GET", "/_sim/jenkins/runs", &[], "").unwrap().status, 404);
    assert_eq!(none.jenkins_url(), "");
}

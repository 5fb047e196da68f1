//! `check`: one sentence for each thing that can stand in the way, with the remedy.

use cibridge_simulator::{JENKINS_PASSWORD, JENKINS_VIEWER_TOKEN, JenkinsAccess, JenkinsJob};
use serde_json::json;

use super::{Call, built, config, fault, simulator};
use crate::support::net::ClosedPort;
use crate::support::normal;

#[test]
fn a_good_round_says_what_is_good() {
    let sim = simulator();
    let run = Call::new(&sim, &["check", "params"]).run().exit_code(0);
    assert_eq!(
        normal(&run.stderr),
        "ok: 127.0.0.1: connected directly, without a proxy\n\
         ok: http://127.0.0.1:PORT/jenkins is Jenkins 2.516.2\n\
         ok: the API token is valid: user dev, no crumb is needed\n\
         ok: job params is visible: parameters S, C, B\n\
         ok: job params can be started with these credentials\n"
    );
    assert!(sim.jenkins_runs().is_empty() && sim.requests().iter().all(|request| request.method == "GET"));
    Call::new(&sim, &["check"]).run().exit_code(0).stderr_contains("not checked: a job (name one)");
    Call::new(&sim, &["check", "plain"]).run().exit_code(0).stderr_contains("job plain is visible: no parameters");
    Call::new(&sim, &["check", "repo", "--branch", "feature/x"])
        .run()
        .exit_code(0)
        .stderr_contains("job repo/feature%2Fx can be started");
}

#[test]
fn crumbs_are_checked_for_passwords_and_anonymous_users() {
    let sim = simulator();
    Call::new(&sim, &["check", "plain"])
        .env("JENKINS_API_TOKEN", JENKINS_PASSWORD)
        .run()
        .exit_code(0)
        .stderr_contains("ok: the password is valid: user dev; each change needs a crumb, which an API token would not")
        .stderr_contains("ok: Jenkins requires crumbs, and gives one");
    Call::anonymous(&sim, &["check", "plain"])
        .run()
        .exit_code(10)
        .stderr_contains("ok: no credentials were given: anonymous")
        .stderr_contains("these credentials do not show whether Jenkins requires crumbs")
        .stderr_contains("failed: job plain: ");
    let mut open = config();
    (open.crumbs, open.anonymous) = (false, JenkinsAccess::Build);
    Call::anonymous(&built(open).start().unwrap(), &["check", "plain"])
        .run()
        .exit_code(0)
        .stderr_contains("Jenkins requires no crumbs");
}

#[test]
fn what_stands_in_the_way_is_named() {
    let sim = simulator();
    let wrong = Call::new(&sim, &["check", "plain"]).env("JENKINS_API_TOKEN", "11ffffffffffffffffffffffffffffffff");
    wrong
        .run()
        .exit_code(10)
        .stderr_contains("failed: the controller: user dev and this API token were refused (HTTP 401)")
        .stderr_contains("  hint: ");
    let viewer = Call::new(&sim, &["check", "plain"]).user("viewer", JENKINS_VIEWER_TOKEN);
    viewer
        .run()
        .exit_code(10)
        .stderr_contains("ok: job plain is visible")
        .stderr_contains("user viewer lacks the permission Job/Build");
    for (job, code, part) in [
        ("off", 12, "failed: job off: "),
        ("folder", 12, "a folder, not a job"),
        ("repo", 12, "a multibranch project"),
        ("plian", 11, "did you mean plain?"),
    ] {
        Call::new(&sim, &["check", job]).run().exit_code(code).stderr_contains(part);
    }
    let mut stripping = config();
    stripping.strip_authorization = true;
    let sim = built(stripping).start().unwrap();
    Call::new(&sim, &["check"])
        .run()
        .exit_code(10)
        .stderr_contains("failed: credentials: some were sent, but Jenkins saw none");
    let mut behind = config();
    behind.sso = Some("https://accounts.google.com/o/oauth2/v2/auth?x=1".into());
    behind.proxy_header = Some(("cf-access-client-secret".into(), "right".into()));
    let sim = built(behind).start().unwrap();
    Call::new(&sim, &["check"])
        .run()
        .exit_code(14)
        .stderr_contains("redirects to a login page, https://accounts.google.com/o/oauth2/v2/auth (HTTP 302)");
    let passes = Call::new(&sim, &["check"]).env("CIBRIDGE_HEADER", "CF-Access-Client-Secret: right");
    passes.run().exit_code(0).stderr_contains("the API token is valid");
}

#[test]
fn what_is_no_jenkins_is_distinguished_from_one_behind_a_proxy() {
    for (page, code, part) in
        [("home", 14, "did not answer as Jenkins does, page \"Demo\""), ("sso", 14, "page \"Sign in - Corp SSO\"")]
    {
        let sim = built(config()).fault(fault(&json!({"kind": "page", "page": page, "times": 0}))).start().unwrap();
        Call::new(&sim, &["check"]).run().exit_code(code).stderr_contains(part);
    }
    let bare = fault(&json!({"kind": "headers", "remove": ["X-Jenkins", "X-Jenkins-Session"], "times": 0}));
    let sim = built(config()).fault(bare).start().unwrap();
    Call::new(&sim, &["check", "plain"])
        .run()
        .exit_code(0)
        .stderr_contains("answers as Jenkins; a proxy hides its version");
    let sim = simulator();
    let closed = ClosedPort::take();
    let url = format!("http://127.0.0.1:{}", closed.port());
    Call::new(&sim, &["check"])
        .env("CIBRIDGE_JENKINS_URL", &url)
        .run()
        .exit_code(14)
        .stderr_contains("failed: the controller: 127.0.0.1 refused the connection");
    let document = Call::new(&sim, &["check", "nope", "--json"]).run().exit_code(11).json();
    assert_eq!((&document["outcome"], &document["exit_code"]), (&json!("refused"), &json!(11)));
}

#[test]
fn a_job_that_has_never_run_is_no_fault() {
    let mut fresh = config();
    fresh.jobs.push(JenkinsJob::pipeline("fresh"));
    Call::new(&built(fresh).start().unwrap(), &["check", "fresh"])
        .run()
        .exit_code(0)
        .stderr_contains("job fresh can be started");
}

#[test]
fn a_bearer_token_that_no_proxy_maps_to_a_user_is_reported() {
    let sim = simulator();
    let check = Call::anonymous(&sim, &["check"]).env("CIBRIDGE_BEARER_TOKEN", "no-such-token");
    check.run().exit_code(10).stderr_contains("  hint: Jenkins does not accept bearer tokens itself");
}

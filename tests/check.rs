//! `codemagic check`: one line for each thing, the remedy, and the right code.

use cibridge_simulator::{Access, App, DEFAULT_APP, Fault, Page};

use crate::support::net::ClosedPort;
use crate::support::{Call, simulator};

#[test]
fn all_is_well() {
    let sim = simulator().start().unwrap();
    Call::to(&sim, "codemagic check").run().exit_code(0).stdout_is("").stderr_is(
        "ok: v3 API (127.0.0.1): connected directly, without a proxy\n\
         ok: legacy API (127.0.0.1): connected directly, without a proxy\n\
         ok: the API key from CODEMAGIC_API_KEY is valid; teams: Demo team\n\
         ok: the legacy API answers (it cancels builds and holds the logs)\n\
         ok: app APP is visible: demo-app\n\
         ok: workflow ios-release is known\n",
    );
    let sim = simulator().tls().start().unwrap();
    let ca = sim.ca_file().unwrap().to_str().unwrap();
    let done = Call::to(&sim, "codemagic check --json").env("SSL_CERT_FILE", ca).run();
    done.exit_code(0).stderr_contains(&format!("ok: certificates are checked with {ca}\n"));
    assert_eq!(done.json()["outcome"], "success");
}

#[test]
fn without_an_app_it_says_what_was_not_checked() {
    let sim = simulator().start().unwrap();
    Call::to(&sim, "codemagic check")
        .without("CODEMAGIC_APP_ID")
        .run()
        .exit_code(0)
        .stderr_contains("not checked: the app (pass --app-id or set CODEMAGIC_APP_ID)\n");
}

#[test]
fn a_wrong_key_is_reported_for_both_apis() {
    let sim = simulator().start().unwrap();
    let done =
        Call::to(&sim, "codemagic check").env("CODEMAGIC_API_KEY", "wrong-key-0123").secret("wrong-key-0123").run();
    done.exit_code(10)
        .stderr_contains("failed: API key: not accepted by Codemagic (HTTP 401: Invalid authentication token)\n  hint: copy it again")
        .stderr_contains("failed: API key: not accepted by Codemagic (HTTP 401: You are not");
    assert_eq!(done.document()["outcome"], "refused");
}

#[test]
fn an_app_that_is_hidden_is_not_visible() {
    let foreign = App { foreign: true, ..App::new("60a0b1c2d3e4f56789abcd11") };
    let sim = simulator().apps(vec![App::new(DEFAULT_APP), foreign]).start().unwrap();
    for app in ["60a0b1c2d3e4f56789abcd11", "60a0b1c2d3e4f56789abcd22"] {
        Call::to(&sim, "codemagic check --app-id")
            .arg(app)
            .run()
            .exit_code(11)
            .stderr_contains("not found, or not visible with this API key\n  hint: ");
    }
}

#[test]
fn a_workflow_must_be_named_by_its_id() {
    let sim = simulator().start().unwrap();
    Call::to(&sim, "codemagic check --workflow")
        .arg("iOS release")
        .run()
        .exit_code(11)
        .stderr_contains("failed: workflow \"iOS release\": not among the known workflows of this app\n  hint: did you mean ios-release?");
    Call::to(&sim, "codemagic check --workflow nobody-knows")
        .run()
        .exit_code(11)
        .stderr_contains("failed: workflow \"nobody-knows\": not among the known workflows of this app\n  hint: ");
}

#[test]
fn a_personal_account_has_no_team_and_is_fine() {
    let sim = simulator().config(|config| config.list_teams = false).start().unwrap();
    Call::to(&sim, "codemagic check")
        .run()
        .exit_code(0)
        .stderr_contains("ok: the API key from CODEMAGIC_API_KEY is valid; v3 lists no team of its user\n")
        .stderr_contains("ok: app APP is visible: demo-app\n");
}

#[test]
fn each_address_is_tried_for_itself() {
    let (sim, closed) = (simulator().start().unwrap(), ClosedPort::take());
    let nobody = format!("http://127.0.0.1:{}", closed.port());
    Call::to(&sim, "codemagic check")
        .env("CODEMAGIC_LEGACY_API_URL", &nobody)
        .run()
        .exit_code(14)
        .stderr_contains("ok: the API key from CODEMAGIC_API_KEY is valid; teams: Demo team\n")
        .stderr_contains("failed: checking the legacy API: 127.0.0.1 refused the connection\n  hint: ");
}

#[test]
fn a_login_page_is_distinguished_from_an_answer() {
    let sim = simulator().start().unwrap();
    sim.fault(Fault::page(Page::Sso).on("GET", "/user*").always());
    Call::to(&sim, "codemagic check")
        .run()
        .exit_code(14)
        .stderr_contains("failed: checking the legacy API: 127.0.0.1 answered with an HTML page");
    let sim = simulator().another_key("no-rights-0123", Access::None).start().unwrap();
    let done = Call::to(&sim, "codemagic check").env("CODEMAGIC_API_KEY", "no-rights-0123").run();
    done.exit_code(10).stderr_contains("access denied for this API key");
}

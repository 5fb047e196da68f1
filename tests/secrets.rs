//! Secrets stay where they belong: not in any output (every run is checked for that), not at another origin.

use cibridge_simulator::{DEFAULT_KEY, Fault, Plan};
use serde_json::json;

use crate::support::{Call, forms, simulator, started};

/// Services and proxies repeat what they were sent.
#[test]
fn a_key_that_is_echoed_is_masked_in_every_form() {
    for form in forms(DEFAULT_KEY) {
        let sim = simulator().start().unwrap();
        let body = json!({"detail": format!("bad token <{form}>"), "extra": [{"key": form, "message": form}]});
        sim.fault(Fault::answer(400, &body.to_string()).on("POST", "/builds"));
        let done = Call::to(&sim, "codemagic trigger --json -v").run();
        done.exit_code(12).stderr_contains("bad token <********>");
        assert!(done.json()["error"]["message"].as_str().unwrap().contains("<********>"));
    }
    let sim = simulator().start().unwrap();
    sim.fault(Fault::redirect(302, &format!("https://sso.example.com/{DEFAULT_KEY}/login?k={DEFAULT_KEY}")));
    Call::to(&sim, "codemagic trigger -v")
        .run()
        .exit_code(14)
        .stderr_contains("redirects to https://sso.example.com/********/login (HTTP 302)");
    for (key, place, shown) in [
        ("k@y-0123456789", "https://me:pw@sso.example.com/k@y-0123456789/x", "https://sso.example.com/********/x"),
        ("k@y-0123456789", "/login/k@y-0123456789", "/login/********"),
    ] {
        let sim = simulator().start().unwrap();
        sim.fault(Fault::redirect(302, place));
        let call = Call::to(&sim, "codemagic trigger").env("CODEMAGIC_API_KEY", key).secret("me:pw").secret(key);
        call.run().exit_code(14).stderr_contains(&format!("redirects to {shown} (HTTP 302)"));
    }
    let sim = simulator().start().unwrap();
    sim.fault(Fault::answer(200, &format!("<html><title>{DEFAULT_KEY}</title></html>")));
    Call::to(&sim, "codemagic trigger").run().exit_code(14).stderr_contains("(HTTP 200, \"********\")");
}

/// A text that is cut off must not end with the beginning of a secret.
#[test]
fn a_key_at_the_end_of_a_quotation_is_masked() {
    for before in 280..300 {
        let sim = simulator().start().unwrap();
        sim.fault(Fault::answer(400, &format!("{}{DEFAULT_KEY}", "x".repeat(before))));
        let done = Call::to(&sim, "codemagic trigger").run();
        done.exit_code(12).stderr_lacks(&DEFAULT_KEY[..8]);
    }
}

#[test]
fn the_value_of_a_variable_is_masked_in_every_output() {
    let secret = "p\"a\\ss wörd\n-----second line-----\nthird, \"quoted\"";
    let log = secret.lines().map(|line| format!("+ echo {line}")).collect::<Vec<_>>().join("\n");
    let sim = simulator()
        .plan(Plan { message: Some(format!("exited: {secret}")), ..Plan::failing("Build ipa", &log) })
        .start()
        .unwrap();
    let call = |arguments: &str| {
        let call = Call::to(&sim, arguments).args("--var-from-env TOKEN").env("TOKEN", secret).secret(secret);
        secret.lines().fold(call, Call::secret)
    };
    let done = call("codemagic trigger --wait --poll-interval 20ms --json -v").run();
    done.exit_code(1).stderr_contains("\n| + echo ********\n| + echo ********\n| + echo ********\n");
    assert_eq!(done.json()["failure"]["log_tail"], json!(["+ echo ********", "+ echo ********", "+ echo ********"]));
    assert_eq!(sim.builds()[0].request.variables["TOKEN"], secret, "what is sent is the value itself");
    call("codemagic trigger --dry-run").run().exit_code(0);
    call("codemagic trigger --dry-run --json").run().exit_code(0).json();
    let body = json!({"detail": "got", "extra": {"TOKEN": secret}});
    sim.fault(Fault::answer(400, &body.to_string()).on("POST", "/builds"));
    call("codemagic trigger").run().exit_code(12);
}

/// A variable from the environment need not be a secret. Its value may be a word that the document uses itself.
#[test]
fn masking_does_not_damage_the_document() {
    let sim = simulator().start().unwrap();
    for word in ["started", "outcome", "schema", "codemagic", "labels", "\"quoted\"", "builds"] {
        let done = Call::to(&sim, "codemagic trigger --json --var-from-env WORD").env("WORD", word).run();
        assert_eq!(done.exit_code(0).json()["outcome"], "started", "{word}");
        assert_eq!(done.document()["build"]["workflow_id"], "ios-release", "{word}");
    }
}

#[test]
fn a_credential_is_not_carried_to_another_origin() {
    let sim = simulator().start().unwrap();
    let id = started(&sim);
    sim.fault(Fault::redirect(302, "{storage}/elsewhere?a=b").on("GET", "/api/*/builds/*").always());
    sim.fault(Fault::answer(404, "{}").path("/elsewhere").always());
    Call::to(&sim, "codemagic status").arg(&id).run().exit_code(11);
    let elsewhere = sim.requests_to("GET", "/elsewhere");
    assert!(!elsewhere.is_empty());
    for request in elsewhere {
        assert_eq!((request.header("x-auth-token"), request.header("authorization")), (None, None));
    }
    // Not even for a POST that asks for it.
    for status in [301, 302, 303, 307, 308] {
        let sim = simulator().start().unwrap();
        sim.fault(Fault::redirect(status, "{storage}/elsewhere").on("POST", "").always());
        Call::to(&sim, "codemagic trigger").run().exit_code(14);
        Call::to(&sim, "codemagic cancel").arg(&id).run().exit_code(14);
        assert_eq!(sim.requests_to("POST", "/elsewhere").len() + sim.requests_to("GET", "/elsewhere").len(), 0);
    }
    // Back at its own origin it is sent again.
    let sim = simulator().start().unwrap();
    let id = started(&sim);
    sim.fault(Fault::redirect(307, "{storage}/there").on("GET", "/api/*/builds/*"));
    sim.fault(Fault::redirect(307, &format!("{{api}}/api/v3/builds/{id}")).on("GET", "/there"));
    Call::to(&sim, "codemagic status").arg(&id).run().exit_code(0);
    assert_eq!(sim.counters().leaked_credentials, 0);
}

#[test]
fn a_base_address_with_credentials_is_refused_without_repeating_them() {
    Call::new("codemagic trigger --dry-run --app-id a --workflow w --branch b")
        .env("CODEMAGIC_API_URL", "https://me:secret-pw@codemagic.io/api/v3")
        .secret("secret-pw")
        .run()
        .exit_code(2)
        .stderr_contains("--api-url: `https://codemagic.io/api/v3` contains a user name or password");
}

/// Arguments show in the list of processes; the environment of a process does not.
#[test]
fn the_key_is_in_no_argument() {
    let sim = simulator().plan(Plan { hold: Some("building".into()), ..Plan::default() }).start().unwrap();
    let running = Call::following(&sim, "").spawn();
    running.wait_for_stderr("status: building");
    let line = std::fs::read(format!("/proc/{}/cmdline", running.id())).unwrap();
    assert!(!String::from_utf8_lossy(&line).contains(&sim.key()));
    running.signal("TERM");
    running.finish().exit_code(143);
}

#[test]
fn raw_answers_of_the_legacy_api_are_never_shown() {
    let sim = simulator().plan(Plan::failing("Build ipa", "no profile\n")).start().unwrap();
    let done = Call::following(&sim, "--json -v").run();
    done.exit_code(1);
    // The traps themselves are looked for in every run; here they were really there.
    assert_eq!(sim.requests_to("GET", "/builds/").iter().filter(|r| !r.path.contains("v3")).count(), 1);
    let sim = simulator()
        .plan(Plan { legacy_patch: Some(json!({"buildActions": "x"})), ..Plan::failing("Build ipa", "") })
        .start()
        .unwrap();
    let done = Call::following(&sim, "").run();
    done.exit_code(1)
        .stderr_contains("the reason of the failure could not be read: ")
        .stderr_contains("failed in step \"Build ipa\"");
}

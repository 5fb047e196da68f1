//! What is refused, with which sentence and which code: before any request, and by every kind of answer.

use std::time::Duration;

use cibridge_simulator::{
    Access, App, CutPoint, DEFAULT_APP, Fault, FaultKind, Page, Simulator, UnknownWorkflow, WrongShape,
};
use serde_json::json;

use crate::support::net::{BlackHole, ClosedPort, silent_port};
use crate::support::{Call, Done, mode, simulator, started, together};

/// Runs a call that must be refused before any request.
#[track_caller]
fn refused(sim: &Simulator, call: Call, code: i32, part: &str) -> Done {
    let done = call.run();
    done.exit_code(code).stderr_contains("cibridge: error: ").stderr_contains(part).stdout_is("");
    assert_eq!(sim.counters().connections, 0, "{done}");
    done
}

#[test]
fn values_are_refused_before_any_request() {
    let sim = simulator().start().unwrap();
    let table: &[(&[&str], &str)] = &[
        (&["--app-id", ""], "invalid app ID \"\""),
        (&["--app-id", "a b"], "invalid app ID \"a b\""),
        (&["--app-id", "a/b"], "invalid app ID \"a/b\""),
        (&["--app-id", "a\nb"], "invalid app ID \"a\\nb\""),
        (&["--app-id", ".."], "invalid app ID \"..\""),
        (&["--workflow", " "], "workflow ID: is empty"),
        (&["--workflow", "a\nb"], "workflow ID \"a\\nb\": contains a line break"),
        (&["--branch", ""], "branch: is empty"),
        (&["--branch", "a\nb"], "branch \"a\\nb\": contains a line break"),
        (&["--tag", ""], "tag: is empty"),
        (&["--tag", "v1", "--branch", "main"], "--branch and --tag cannot be used together"),
        (&["--var", "A"], "--var: expected NAME=VALUE"),
        (&["--var", "=1"], "--var: expected NAME=VALUE"),
        (&["--var", "A B=1"], "--var: `A B` is not the name of an environment variable"),
        (&["--software", "xcode"], "--software: expected NAME=VALUE"),
        (&["--var-from-env", "MISSING"], "--var-from-env MISSING: the environment variable is not set"),
        (&["--input", "a"], "--input: expected NAME=TEXT or NAME:=JSON"),
        (&["--input", "a:=yes"], "--input: the value of a is not JSON"),
        (&["--input", "a:=[1]"], "input \"a\": must be a string, a number or a boolean"),
        (&["--label", ""], "label: is empty"),
        (&["--group", " "], "variable group: is empty"),
        (&["--instance-type", ""], "instance type: is empty"),
        (&["--idempotency-key", " "], "--idempotency-key: an idempotency key has 1 to 200 bytes"),
        (&["--api-url", "codemagic.io"], "--api-url: `codemagic.io` does not begin with https://"),
        (&["--legacy-api-url", "ftp://x"], "--legacy-api-url: the scheme of `ftp://x` is `ftp` instead of https"),
        (&["--require-version", "new"], "--require-version new: not a valid version (expected X.Y.Z)"),
        (&["--api", "v2"], "--api: `v2` is not one of v3, legacy"),
        (&["--timeout", "soon"], "--timeout: `soon` is not a duration"),
        (&["--timeout", "90"], "--timeout: `90` has no unit\nhint: write 90s for seconds or 90m for minutes"),
        (&["--log-lines", "-1"], "`-1…` is no argument\nhint: no value is negative"),
        (&["--bracnh", "main"], "did you mean `--branch`?"),
        (&["--request", "-"], "request -: "),
    ];
    together(table, |(arguments, part)| {
        let call = arguments.iter().fold(Call::to(&sim, "codemagic trigger"), Call::arg);
        let done = refused(&sim, call, 2, part);
        assert_eq!(done.stderr.matches("cibridge: error: ").count(), 1, "{done}");
    });
}

#[test]
fn what_is_missing_is_named_with_its_flag_and_variable() {
    let sim = simulator().start().unwrap();
    for (variable, part) in [
        (
            "CODEMAGIC_APP_ID",
            "missing app ID\nhint: pass --app-id or set CODEMAGIC_APP_ID (in a Jenkinsfile: appId); `cibridge codemagic apps` lists them\n",
        ),
        (
            "CODEMAGIC_WORKFLOW",
            "missing workflow ID\nhint: pass --workflow or set CODEMAGIC_WORKFLOW (in a Jenkinsfile: workflowId); `cibridge codemagic workflows` lists them\n",
        ),
        (
            "CODEMAGIC_BRANCH",
            "missing branch or tag\nhint: pass --branch or --tag or set CODEMAGIC_BRANCH or CODEMAGIC_TAG (in a Jenkinsfile: branch or tag)\n",
        ),
        ("CODEMAGIC_API_KEY", "missing API key\nhint: set CODEMAGIC_API_KEY or pass --api-key-file"),
    ] {
        refused(&sim, Call::to(&sim, "codemagic trigger").without(variable), 2, part);
        if variable != "CODEMAGIC_API_KEY" {
            refused(&sim, Call::to(&sim, "codemagic trigger").env(variable, ""), 2, part);
        }
    }
    refused(
        &sim,
        Call::to(&sim, "codemagic trigger").env("CODEMAGIC_TAG", "v1"),
        2,
        "--branch and --tag cannot be used together",
    );
}

#[test]
fn no_command_is_a_usage_error() {
    Call::new("")
        .without("CIBRIDGE_RESULT_FILE")
        .run()
        .exit_code(2)
        .stderr_contains("Usage: cibridge [OPTIONS] <COMMAND>")
        .stderr_contains("Exit codes: 0 success")
        .stdout_is("");
    Call::new("codemagic")
        .without("CIBRIDGE_RESULT_FILE")
        .run()
        .exit_code(2)
        .stderr_contains("Usage: cibridge codemagic [OPTIONS] <COMMAND>")
        .stdout_is("");
    Call::new("codemagic run")
        .run()
        .exit_code(2)
        .stderr_is("cibridge: error: unknown command `run`\nhint: did you mean `trigger`?\n");
    Call::new("codemagic triger").run().exit_code(2).stderr_contains("did you mean `trigger`?");
    Call::new("codemagic wait").run().exit_code(2).stderr_contains("cibridge: error: missing BUILD");
    Call::new("codemagic status").arg("a/b").run().exit_code(2).stderr_contains("invalid build \"a/b\"");
    Call::new("codemagic status https://codemagic.io/app/60a0b1c2d3e4f56789abcdef").run().exit_code(2);
}

#[test]
fn the_key_itself_is_checked_and_never_repeated() {
    let sim = simulator().start().unwrap();
    for key in ["sim key-0123456789", "sim-key-0123456789\n", "sim\tkey-0123456789", "schlüssel-0123456789"] {
        let call = Call::to(&sim, "codemagic trigger").env("CODEMAGIC_API_KEY", key).secret(key.trim());
        refused(&sim, call, 2, "API key from CODEMAGIC_API_KEY: contains whitespace or invalid characters");
        let call = Call::to(&sim, "codemagic trigger").secret(key.trim());
        let path = call.file("key", &format!("{key}\n"));
        refused(&sim, call.args("--api-key-file").arg(path), 2, "key: contains whitespace or invalid characters");
    }
    refused(&sim, Call::to(&sim, "codemagic trigger").env("CODEMAGIC_API_KEY", ""), 2, "missing API key");
    let call = Call::to(&sim, "codemagic trigger");
    let path = call.file("key", "\n");
    refused(&sim, call.args("--api-key-file").arg(path), 2, "key: is empty");
    // There is no flag for it, so that it does not show in the list of processes.
    refused(&sim, Call::to(&sim, "codemagic trigger --api-key x"), 2, "unknown argument `--api-key`");
}

#[test]
fn a_key_file_that_is_not_its_owners_alone_is_refused() {
    let sim = simulator().start().unwrap();
    for (bits, shown) in [(0o640, "640"), (0o604, "604"), (0o660, "660")] {
        let call = Call::to(&sim, "codemagic trigger");
        let path = call.file("key", &sim.key());
        mode(&path, bits);
        let part = format!("permissions 0{shown} are too open: others than its owner can use it\nhint: chmod 600 ");
        refused(&sim, call.args("--api-key-file").arg(path), 16, &part);
    }
    let call = Call::to(&sim, "codemagic trigger");
    let missing = call.folder().join("missing");
    refused(&sim, call.args("--api-key-file").arg(missing), 16, "missing: No such file or directory");
    let call = Call::to(&sim, "codemagic trigger");
    let folder = call.folder().join("folder");
    std::fs::create_dir(&folder).unwrap();
    mode(&folder, 0o700);
    refused(&sim, call.args("--api-key-file").arg(folder), 16, "folder: is a folder");
    let call = Call::to(&sim, "codemagic trigger");
    let path = call.file("key", &sim.key());
    mode(&path, 0o000);
    if std::fs::read(&path).is_err() {
        refused(&sim, call.args("--api-key-file").arg(path), 16, "key: Permission denied");
    }
}

#[test]
fn a_request_file_is_refused_by_the_name_of_its_fault() {
    let sim = simulator().start().unwrap();
    for (text, part) in [
        ("{", "EOF while parsing"),
        ("[]", "expected a JSON object"),
        (r#"{"workflow": "x"}"#, "unknown field `workflow`"),
        (r#"{"environment": {"vars": {}}}"#, "unknown field `vars`"),
        (r#"{"labels": "x"}"#, "expected a sequence at line 1 column 14"),
        (r#"{"environment": {"variables": {"N": 1}}}"#, "variable \"N\": must be a string, not a number"),
        (
            r#"{"environment": {"software_versions": {"xcode": 16}}}"#,
            "software version \"xcode\": must be a string, not a number",
        ),
        (r#"{"inputs": {"": "x"}}"#, "input: has an empty name"),
        (r#"{"branch": "a", "tag": "b"}"#, "--branch and --tag cannot be used together"),
    ] {
        let call = Call::to(&sim, "codemagic trigger");
        let path = call.file("request.json", text);
        refused(&sim, call.args("--request").arg(path), 2, part);
    }
    let call = Call::to(&sim, "codemagic trigger");
    let missing = call.folder().join("missing.json");
    refused(&sim, call.args("--request").arg(missing), 16, "missing.json: No such file or directory");
}

#[test]
fn a_result_path_that_cannot_be_written_is_refused_before_any_request() {
    let sim = simulator().start().unwrap();
    let part = "cibridge: error: the result file ";
    let call = Call::to(&sim, "codemagic trigger --wait");
    let path = call.folder().join("missing/result.json");
    refused(&sim, call.args("--result-file").arg(path), 16, part).stderr_contains("No such file or directory");
    let call = Call::to(&sim, "codemagic trigger");
    let path = call.folder().to_owned();
    refused(&sim, call.args("--result-file").arg(path), 16, part).stderr_contains("is a folder, not a file");
    let call = Call::to(&sim, "codemagic trigger");
    let path = call.file("file", "").join("result.json");
    refused(&sim, call.args("--result-file").arg(path), 16, part).stderr_contains("Not a directory");
}

#[test]
fn plain_http_to_another_machine_is_refused_unless_it_is_allowed() {
    let sim = simulator().start().unwrap();
    let call = || Call::to(&sim, "codemagic trigger").env("CODEMAGIC_API_URL", "http://codemagic.invalid/api/v3");
    refused(
        &sim,
        call(),
        2,
        "http://codemagic.invalid/api/v3/apps/APP/builds is plain http, which shows the credentials",
    )
    .stderr_contains("hint: use https://, or pass --allow-http to accept this");
    call().args("--allow-http").run().exit_code(14).stderr_contains("cannot resolve the host name codemagic.invalid");
    let local = sim.v3_url().replace("127.0.0.1", "localhost");
    Call::to(&sim, "codemagic trigger").env("CODEMAGIC_API_URL", &local).run().exit_code(0);
}

/// Each answer that is no success, at the first request of a start, where it means that nothing was started.
#[test]
fn each_answer_has_its_own_sentence() {
    let headers = |pairs: &[(&str, &str)]| pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let extra = json!({"status_code": 400, "detail": "Validation failed", "extra": [
        {"message": "Expected `str`", "key": "environment.variables.A", "source": "body"}, {"message": "no key"}, "odd"]});
    let keyed = json!({"status_code": 400, "detail": "Bad", "extra": {"branch": "is odd", "n": 7}});
    let limited = FaultKind::Status {
        status: 429,
        headers: headers(&[("ratelimit-limit", "5000"), ("ratelimit-reset", "1800")]),
        body: None,
        json: None,
    };
    let legacy_limited = FaultKind::Status {
        status: 429,
        headers: headers(&[
            ("X-RateLimit-Limit", "5000"),
            ("X-RateLimit-Reset", "1800000600"),
            ("Date", "Fri, 15 Jan 2027 08:00:00 GMT"),
        ]),
        body: None,
        json: None,
    };
    let table: Vec<(Fault, i32, &str)> = vec![
        (
            Fault::status(401),
            10,
            "API key: not accepted by Codemagic (HTTP 401: Invalid authentication token)\nhint: copy it again from Account settings",
        ),
        (
            Fault::status(403),
            10,
            "app APP: access denied for this API key (HTTP 403: You do not have permission to perform this action)\nhint: check the ID",
        ),
        (
            Fault::status(404),
            11,
            "app APP: not found, or not visible with this API key (HTTP 404: Not Found)\nhint: `cibridge codemagic check`",
        ),
        (
            Fault::status(402),
            12,
            "app APP: payment required (HTTP 402: Billing must be enabled to start builds on this instance type)\nhint: the team's plan",
        ),
        (
            Fault::status(405),
            12,
            "starting a build of app APP: Codemagic rejected the request (HTTP 405: Method Not Allowed)",
        ),
        (Fault::status(409), 12, "starting a build of app APP: Codemagic rejected the request (HTTP 409: Conflict)"),
        (
            Fault::status(422),
            12,
            "starting a build of app APP: Codemagic rejected the request (HTTP 422: The request could not be processed)",
        ),
        (
            Fault::answer(400, &extra.to_string()),
            12,
            "starting a build of app APP: Codemagic rejected the request (HTTP 400: Validation failed: environment.variables.A: Expected `str`; no key; odd)",
        ),
        (Fault::answer(400, &keyed.to_string()), 12, "(HTTP 400: Bad: branch: is odd)"),
        (
            Fault::answer(400, r#"{"error": "BAD", "message": "in the legacy words"}"#),
            12,
            "(HTTP 400: in the legacy words)",
        ),
        (Fault::answer(400, "plain words\r\n  on lines"), 12, "Codemagic rejected the request (HTTP 400)\n"),
        (Fault::answer(400, ""), 12, "starting a build of app APP: Codemagic rejected the request (HTTP 400)"),
        (Fault::answer(400, &json!({"detail": "long ".repeat(1000)}).to_string()), 12, "long long…)"),
        (
            Fault::new(limited),
            13,
            "the limit of 5000 requests per hour is used up, more are allowed in 30m 00s (HTTP 429: Too Many Requests)",
        ),
        (Fault::new(legacy_limited), 13, "the limit of 5000 requests per hour is used up, more are allowed in 10m 00s"),
        (
            Fault::page(Page::Sso),
            14,
            "starting a build of app APP: 127.0.0.1 answered with an HTML page instead of JSON (HTTP 200, \"Sign in - Corp SSO\")\nhint: this is a login page or a proxy",
        ),
        (Fault::page(Page::Home), 14, "(HTTP 200, \"Demo\")"),
        (Fault::page(Page::Proxy), 14, "(HTTP 403, \"Access Denied\")"),
        (
            Fault::page(Page::ProxyAuth),
            14,
            "(HTTP 407, \"Proxy Authentication Required\")\nhint: a proxy requires credentials",
        ),
        (
            Fault::redirect(302, "https://sso.example.com/login?token=x"),
            14,
            "127.0.0.1 redirects to https://sso.example.com/login (HTTP 302)",
        ),
        (
            Fault::redirect(307, "{storage}/elsewhere"),
            14,
            "127.0.0.1 redirects to http://127.0.0.1:PORT/elsewhere (HTTP 307)",
        ),
        (Fault::redirect(308, "{api}/api/v3/user"), 14, "(HTTP 308)"),
        (Fault::redirect(303, "{api}/api/v3/user"), 14, "(HTTP 303)"),
    ];
    let escaped = Fault::answer(400, "{\"detail\": \"\\u001b[31mred\\u001b[0m\\u202e\"}");
    let table: Vec<_> = table.into_iter().chain([(escaped, 12, "(HTTP 400: red)")]).collect();
    together(&table, |(fault, code, sentence)| {
        let sim = simulator().fault(fault.clone()).start().unwrap();
        let done = Call::to(&sim, "codemagic trigger --wait").run();
        done.exit_code(*code).stderr_contains("cibridge: error: ").stderr_contains(sentence).stdout_is("");
        assert_eq!(done.stderr.matches("cibridge: error: ").count(), 1, "{done}");
        assert_eq!((sim.counters().requests, sim.counters().builds_started), (1, 0), "{done}");
        assert_eq!(done.document()["error"]["message"].as_str().unwrap().lines().count(), 1, "{done}");
    });
}

#[test]
fn the_simulated_service_refuses_in_its_own_words() {
    let foreign = App { foreign: true, ..App::new("60a0b1c2d3e4f56789abcd11") };
    let sim = simulator()
        .apps(vec![App::new(DEFAULT_APP), foreign])
        .another_key("read-only-key-0123", Access::ReadOnly)
        .config(|config| config.unknown_workflow = UnknownWorkflow::Refuse)
        .start()
        .unwrap();
    let trigger = || Call::to(&sim, "codemagic trigger");
    trigger()
        .env("CODEMAGIC_API_KEY", "wrong-key-0123456789")
        .secret("wrong-key-0123456789")
        .run()
        .exit_code(10)
        .stderr_contains("API key: not accepted by Codemagic (HTTP 401: Invalid authentication token)");
    trigger().env("CODEMAGIC_API_KEY", "read-only-key-0123").run().exit_code(10).stderr_contains(
        "app APP: access denied for this API key (HTTP 403: You do not have permission to start builds)",
    );
    trigger()
        .args("--app-id 60a0b1c2d3e4f56789abcd11")
        .run()
        .exit_code(10)
        .stderr_contains("HTTP 403: You do not have access to this app");
    trigger().args("--app-id not-an-id").run().exit_code(12).stderr_contains("HTTP 400: Invalid app id");
    trigger().args("--workflow nobody-knows").run().exit_code(12).stderr_contains("workflow_id: Workflow not found");
    trigger()
        .args("--api legacy --app-id 60a0b1c2d3e4f56789abcd11")
        .run()
        .exit_code(10)
        .stderr_contains("HTTP 403: You don't have the permission to access this application");
    assert_eq!(sim.counters().builds_started, 0);
}

/// A limit that ends soon is waited for; the start was turned away at the door, so it may be sent again.
#[test]
fn a_rate_limit_is_waited_for_when_it_ends_soon() {
    let limited = |retry_after| FaultKind::RateLimited { reset_seconds: 1, retry_after };
    let scenarios = [
        (Fault::new(limited(None)), 2, 0),
        (Fault::new(limited(Some(0))), 2, 0),
        (Fault::status(429), 2, 0),
        (Fault::status(429).always(), 5, 13),
    ];
    together(&scenarios, |(fault, requests, code)| {
        let sim = simulator().fault(fault.clone()).start().unwrap();
        Call::to(&sim, "codemagic trigger").run().exit_code(*code);
        assert_eq!((sim.counters().requests, sim.counters().builds_started), (*requests, u64::from(*code == 0)));
    });
}

/// Faults of the way to the service.
#[test]
fn no_connection_has_its_own_sentences() {
    let (closed, hole, (_listener, silent)) = (ClosedPort::take(), BlackHole::open(), silent_port());
    let scenarios = [
        (
            format!("http://127.0.0.1:{}", closed.port()),
            "127.0.0.1 refused the connection\nhint: check the address, and whether the service is running",
        ),
        (
            format!("http://127.0.0.1:{}", hole.port()),
            "connecting to 127.0.0.1 timed out\nhint: check the network and HTTPS_PROXY, or raise --connect-timeout",
        ),
        (format!("https://127.0.0.1:{silent}"), "connecting to 127.0.0.1 timed out"),
        ("https://no-such-host.invalid/api".to_owned(), "cannot resolve the host name no-such-host.invalid"),
    ];
    together(&scenarios, |(url, sentence)| {
        let call = Call::new("codemagic trigger --connect-timeout 200ms --app-id a --workflow w --branch b");
        call.env("CODEMAGIC_API_KEY", "key-0123456789")
            .env("CODEMAGIC_API_URL", url)
            .run()
            .exit_code(14)
            .stderr_contains(&format!("cibridge: error: starting a build of app a: {sentence}"));
    });
}

/// Reading is repeated while the fault may pass, and its last answer is the one that is reported.
#[test]
fn reads_are_repeated_while_the_fault_may_pass() {
    let answers = [
        (Fault::status(503).times(2), 0, 3),
        (Fault::page(Page::Gateway), 0, 2),
        (Fault::page(Page::Sso), 0, 2),
        (Fault::cut(CutPoint::BeforeAnswer), 0, 2),
        (Fault::new(FaultKind::WrongJson { shape: WrongShape::Broken }), 0, 2),
        (Fault::new(FaultKind::Truncate { bytes: None }), 0, 2),
        (Fault::new(FaultKind::Hang { max_ms: 60_000 }), 0, 2),
        (Fault::status(401).always(), 10, 1),
        (Fault::status(404).always(), 11, 1),
        (Fault::status(500).always(), 13, 5),
        // It asks for two minutes, which is longer than a call may pause.
        (Fault::page(Page::Maintenance).always(), 13, 1),
        (Fault::new(FaultKind::RedirectLoop { status: 302 }).always(), 14, 6),
        (Fault::redirect(302, "http://elsewhere.example.com/").always(), 14, 1),
        (Fault::redirect(302, "ftp://elsewhere.example.com/").always(), 14, 1),
    ];
    together(&answers, |(fault, code, polls)| {
        let sim = simulator().start().unwrap();
        let id = started(&sim);
        sim.fault(fault.clone().on("GET", &format!("/api/*/builds/{id}")));
        let done = Call::to(&sim, "codemagic status --answer-timeout 3s").arg(&id).run();
        done.exit_code(*code);
        assert_eq!(sim.requests_to("GET", &format!("/api/*/builds/{id}")).len(), *polls, "{done}");
    });
}

#[test]
fn an_endless_answer_is_not_read_to_its_end() {
    let sim = simulator().start().unwrap();
    let id = started(&sim);
    sim.fault(Fault::new(FaultKind::Endless { limit: 1 << 30 }).on("GET", "/api/v3/builds/*").always());
    Call::to(&sim, "codemagic status")
        .arg(&id)
        .run()
        .exit_code(14)
        .stderr_contains("the response is larger than 12 MiB");
    assert!(sim.wait_for(Duration::from_secs(10), |state| state.requests()[0].done));
    assert!(sim.requests()[0].sent < 64 << 20, "{}", sim.requests()[0].sent);
}

#[test]
fn what_is_not_http_is_reported() {
    let sim = simulator().start().unwrap();
    let id = started(&sim);
    sim.fault(Fault::new(FaultKind::Raw { text: "SSH-2.0-OpenSSH_9.2\r\n".into() }).always());
    Call::to(&sim, "codemagic status")
        .arg(&id)
        .run()
        .exit_code(14)
        .stderr_contains("127.0.0.1 sent no valid HTTP response");
}

//! Starting a build: what is sent, from which source, and what is printed.

use cibridge_simulator::{Fault, Simulator, StartRequest};
use serde_json::{Value, json};

use crate::support::{Call, mode, simulator};

/// The body of the only start.
#[track_caller]
fn body(sim: &Simulator) -> Value {
    let starts = sim.requests_to("POST", "/builds");
    assert_eq!(starts.len(), 1);
    starts[0].json()
}

/// What the only build was started with.
#[track_caller]
fn built(sim: &Simulator) -> StartRequest {
    let builds = sim.builds();
    assert_eq!(builds.len(), 1);
    builds[0].request.clone()
}

#[test]
fn the_three_variables_of_a_jenkinsfile_are_enough() {
    let sim = simulator().start().unwrap();
    let done = Call::to(&sim, "codemagic trigger").run();
    done.exit_code(0)
        .stdout_is("BUILD\n")
        .stderr_is("Codemagic build started: https://codemagic.io/app/APP/build/BUILD\n");
    assert_eq!(done.stdout.trim(), sim.builds()[0].id);
    let request = &sim.requests()[0];
    assert_eq!(request.path, format!("/api/v3/apps/{}/builds", sim.app_id()));
    assert_eq!(request.header("x-auth-token"), Some(sim.key().as_str()));
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert!(request.header("user-agent").unwrap().starts_with("cibridge/"));
    let body = body(&sim);
    assert_eq!((&body["workflow_id"], &body["branch"]), (&json!("ios-release"), &json!("main")));
    assert_eq!(body.as_object().unwrap().len(), 3, "nothing but workflow, branch and labels: {body}");
}

#[test]
fn a_branch_with_the_name_of_a_remote_is_built_with_a_hint() {
    let sim = simulator().start().unwrap();
    Call::to(&sim, "codemagic trigger --branch origin/main").run().exit_code(0).stderr_is(
        "branch origin/main is built; if branch main of the remote origin is meant, pass --branch main (in a Jenkinsfile: branch)\n\
         Codemagic build started: https://codemagic.io/app/APP/build/BUILD\n",
    );
    assert_eq!(built(&sim).branch.as_deref(), Some("origin/main"));
}

#[test]
fn one_start_is_one_connection_and_one_request() {
    for sim in [simulator(), simulator().tls()].map(|builder| builder.start().unwrap()) {
        let ca = sim.ca_file().map(|path| path.to_str().unwrap().to_owned()).unwrap_or_default();
        Call::to(&sim, "codemagic trigger").env("CIBRIDGE_CA_CERT", &ca).run().exit_code(0);
        let counters = sim.counters();
        assert_eq!((counters.connections, counters.requests, counters.builds_started), (1, 1, 1));
    }
}

#[test]
fn each_start_carries_a_label_of_its_own() {
    let sim = simulator().start().unwrap();
    for _ in 0..2 {
        Call::to(&sim, "codemagic trigger --label nightly").run().exit_code(0);
    }
    let labels: Vec<_> = sim.builds().into_iter().map(|build| build.labels).collect();
    for labels in &labels {
        assert_eq!(labels.len(), 2, "{labels:?}");
        assert_eq!(labels[0], "nightly");
        assert!(labels[1].starts_with("cibridge-"), "{labels:?}");
    }
    assert_ne!(labels[0][1], labels[1][1]);
}

#[test]
fn the_result_document_of_a_start() {
    let sim = simulator().start().unwrap();
    let done = Call::to(&sim, "codemagic trigger --json --tag v1.2").run();
    let document = done.exit_code(0).json();
    let build = &sim.builds()[0];
    let page = format!("https://codemagic.io/app/{}/build/{}", sim.app_id(), build.id);
    let expected = json!({
        "schema": 1, "provider": "codemagic", "outcome": "started", "exit_code": 0, "severity": 0, "call_failed": false,
        "summary": format!("Codemagic build {} was started: {page}", build.id), "adopted": false, "still_running": true,
        "build": {
            "title": format!("Codemagic build {}", build.id), "id": build.id, "number": null, "url": page, "status": "queued",
            "app_id": sim.app_id(), "workflow_id": "ios-release", "branch": null, "tag": "v1.2", "commit": null,
            "labels": build.labels, "created_at": null, "queued_seconds": null, "run_seconds": null,
        },
        "failure": null, "steps": [], "artifacts": [], "error": null, "next_poll_seconds": 30,
    });
    assert_eq!(document, expected);
    assert_eq!(done.document(), expected, "the file holds the same");
    done.stderr_is("Codemagic build started: https://codemagic.io/app/APP/build/BUILD\n");
}

#[test]
fn the_result_document_of_a_refusal() {
    let sim = simulator().start().unwrap();
    let done = Call::to(&sim, "codemagic trigger --json --app-id").arg("60a0b1c2d3e4f56789abcd00").run();
    let message =
        "app 60a0b1c2d3e4f56789abcd00: access denied for this API key (HTTP 403: You do not have access to this app)";
    let expected = json!({
        "schema": 1, "provider": "codemagic", "outcome": "refused", "exit_code": 10, "severity": 7, "call_failed": true,
        "summary": message, "adopted": false, "still_running": false, "build": null, "failure": null, "steps": [], "artifacts": [],
        "error": {
            "message": message,
            "hint": "check the ID; the user of the key must be in the team that owns the app, with a role that allows this",
        },
    });
    assert_eq!(done.exit_code(10).json(), expected);
    assert_eq!(done.document(), expected);
}

#[test]
fn the_result_document_of_a_local_refusal() {
    let done = Call::new("codemagic trigger --json --app-id").arg("a b").run();
    let document = done.exit_code(2).json();
    assert_eq!((&document["outcome"], &document["exit_code"]), (&json!("usage_error"), &json!(2)));
    assert_eq!(document["error"]["message"], "invalid app ID \"a b\"");
    assert_eq!(done.document(), document);
}

#[test]
fn everything_that_a_start_can_carry() {
    let flags = "--var A=1 --var EMPTY= --var PAIR=a=b --var-from-env TOKEN --group g1 --group g2 --software xcode=16.0 \
                 --label l1 --label l2 --instance-type mac_mini_m2 --input text=true --input flag:=true --input n:=7.5 \
                 --input t=x:=y";
    let inputs = json!({"text": "true", "flag": true, "n": 7.5, "t": "x:=y"});
    let variables = json!({"A": "1", "EMPTY": "", "PAIR": "a=b", "TOKEN": "from the environment"});
    let call = |sim: &Simulator, more: &str| {
        Call::to(sim, "codemagic trigger")
            .args(flags)
            .args(more)
            .args("--input")
            .arg("spaces=two words")
            .env("TOKEN", "from the environment")
            .secret("from the environment")
    };
    let mut inputs = inputs;
    inputs["spaces"] = json!("two words");
    let sim = simulator().start().unwrap();
    call(&sim, "").run().exit_code(0);
    let mut body = body(&sim);
    assert!(body["labels"][2].as_str().unwrap().starts_with("cibridge-"));
    body["labels"].as_array_mut().unwrap().pop();
    let expected = json!({
        "workflow_id": "ios-release", "branch": "main", "labels": ["l1", "l2"], "instance_type": "mac_mini_m2",
        "inputs": inputs,
        "environment": {"variables": variables, "groups": ["g1", "g2"], "software_versions": {"xcode": "16.0"}},
    });
    assert_eq!(body, expected);

    let sim = simulator().start().unwrap();
    call(&sim, "--api legacy").run().exit_code(0).stdout_is("BUILD\n");
    let mut body = self::body(&sim);
    assert_eq!(sim.requests()[0].path, "/builds");
    body["labels"].as_array_mut().unwrap().pop();
    let expected = json!({
        "appId": sim.app_id(), "workflowId": "ios-release", "branch": "main", "labels": ["l1", "l2"],
        "instanceType": "mac_mini_m2", "inputs": inputs,
        "environment": {"variables": variables, "groups": ["g1", "g2"], "softwareVersions": {"xcode": "16.0"}},
    });
    assert_eq!(body, expected);
}

#[test]
fn every_repeated_flag_has_a_variable_with_a_value_in_each_line() {
    let sim = simulator().start().unwrap();
    Call::to(&sim, "codemagic trigger")
        .env("CIBRIDGE_VAR", "A=1\nB=two words\n")
        .env("CIBRIDGE_VAR_FROM_ENV", "TOKEN")
        .env("TOKEN", "from the environment")
        .env("CIBRIDGE_GROUP", "g1\ng2")
        .env("CIBRIDGE_SOFTWARE", "xcode=16.0")
        .env("CIBRIDGE_LABEL", "l1\n\nl2")
        .env("CIBRIDGE_INPUT", "flag:=true\ntext=true")
        .env("CIBRIDGE_INSTANCE_TYPE", "linux_x2")
        .run()
        .exit_code(0);
    let request = built(&sim);
    let variables = json!({"A": "1", "B": "two words", "TOKEN": "from the environment"});
    assert_eq!(Value::Object(request.variables), variables);
    assert_eq!(
        (request.groups, request.labels[..2].to_vec()),
        (vec!["g1".into(), "g2".into()], vec!["l1".into(), "l2".into()])
    );
    assert_eq!(Value::Object(request.inputs), json!({"flag": true, "text": "true"}));
    assert_eq!(Value::Object(request.software_versions), json!({"xcode": "16.0"}));
    assert_eq!(request.instance_type.as_deref(), Some("linux_x2"));
}

/// Jenkins leaves an unset parameter as an empty variable.
#[test]
fn an_empty_variable_is_as_good_as_none() {
    let sim = simulator().start().unwrap();
    let names = [
        "API",
        "ALLOW_HTTP",
        "ANSWER_TIMEOUT",
        "CA_CERT",
        "CONNECT_TIMEOUT",
        "DRY_RUN",
        "EXPECT_COMMIT",
        "GROUP",
        "IDEMPOTENCY_KEY",
        "INPUT",
        "INSTANCE_TYPE",
        "JSON",
        "LABEL",
        "LOG_LINES",
        "NO_CANCEL",
        "POLL_INTERVAL",
        "QUEUE_TIMEOUT",
        "REQUEST",
        "REQUIRE_VERSION",
        "RESULT_FILE",
        "RUN_TIMEOUT",
        "SOFTWARE",
        "TIMEOUT",
        "VAR",
        "VAR_FROM_ENV",
        "VERBOSE",
        "WAIT",
    ];
    let call =
        names.iter().fold(Call::to(&sim, "codemagic trigger"), |call, name| call.env(&format!("CIBRIDGE_{name}"), ""));
    call.env("CODEMAGIC_API_KEY_FILE", "")
        .env("CODEMAGIC_TAG", "")
        .env("SSL_CERT_FILE", "")
        .env("HTTPS_PROXY", "")
        .run()
        .exit_code(0);
    Call::new("codemagic trigger --dry-run --app-id a --workflow w --branch b")
        .env("CODEMAGIC_API_URL", "")
        .env("CODEMAGIC_LEGACY_API_URL", " ")
        .run()
        .exit_code(0)
        .stderr_contains("nothing was sent");
}

#[test]
fn every_switch_has_a_variable() {
    let sim = simulator().start().unwrap();
    let done = Call::to(&sim, "codemagic trigger").env("CIBRIDGE_DRY_RUN", "true").env("CIBRIDGE_JSON", "1").run();
    assert_eq!(done.exit_code(0).json()["outcome"], "dry_run");
    Call::to(&sim, "codemagic trigger")
        .env("CIBRIDGE_API", "legacy")
        .env("CIBRIDGE_VERBOSE", "true")
        .env("CIBRIDGE_WAIT", "false")
        .env("CIBRIDGE_JSON", "")
        .run()
        .exit_code(0)
        .stdout_is("BUILD\n")
        .stderr_contains("POST http://127.0.0.1:PORT/builds 200 in N ms");
    Call::to(&sim, "codemagic trigger")
        .env("CIBRIDGE_REQUIRE_VERSION", "99.0.0")
        .run()
        .exit_code(2)
        .stderr_contains("is older than 99.0.0, which is needed")
        .stderr_contains("/releases/tag/v99.0.0 (sums: ");
    Call::to(&sim, "codemagic trigger --require-version 0.0.1").run().exit_code(0);
}

/// On an agent whose Java runs in a POSIX locale a pattern `Ä*` arrives as `?*`, which is every file.
#[test]
fn values_in_which_java_replaced_characters_are_refused() {
    let sim = simulator().start().unwrap();
    let share = |probe: &str| {
        Call::to(&sim, "codemagic share latest")
            .env("CIBRIDGE_ARTIFACTS", "?*")
            .env("CIBRIDGE_LOCALE_PROBE", probe)
            .run()
    };
    for probe in ["?", "??"] {
        share(probe)
            .exit_code(2)
            .stderr_contains("error: this agent replaces characters that are not ASCII in the environment\n")
            .stderr_contains("hint: start its Java in a UTF-8 locale, e.g. with LC_ALL=C.UTF-8");
        assert_eq!(sim.counters().requests, 0);
    }
    for probe in ["ü", ""] {
        share(probe).exit_code(11);
    }
}

/// A flag wins over the request file, and that over the environment.
#[test]
fn sources_have_an_order() {
    let file = json!({
        "app_id": "file-app", "workflow_id": "file-workflow", "branch": "file-branch", "labels": ["file-label"],
        "instance_type": "file-type", "inputs": {"a": 1, "b": false},
        "environment": {"variables": {"A": "file", "B": "file"}, "groups": ["file-group"]},
    });
    let dry = |more: &str, with_file: bool| {
        let call = Call::new("codemagic trigger --dry-run --json")
            .args(more)
            .env("CODEMAGIC_APP_ID", "env-app")
            .env("CODEMAGIC_WORKFLOW", "env-workflow")
            .env("CODEMAGIC_BRANCH", "env-branch");
        let path = call.file("request.json", &file.to_string());
        let done = if with_file { call.args("--request").arg(path) } else { call }.run();
        done.exit_code(0).json()["request"].clone()
    };
    let request = dry("", false);
    assert_eq!(request["url"], "https://codemagic.io/api/v3/apps/env-app/builds");
    assert_eq!(request["body"], json!({"workflow_id": "env-workflow", "branch": "env-branch"}));

    let request = dry("", true);
    assert_eq!(request["url"], "https://codemagic.io/api/v3/apps/file-app/builds");
    let mut body = file.clone();
    body.as_object_mut().unwrap().remove("app_id");
    assert_eq!(request["body"], body);

    let flags = "--app-id flag-app --workflow flag-workflow --tag flag-tag --label flag-label --instance-type flag-type \
                 --input b=flag --var B=flag --group flag-group";
    let request = dry(flags, true);
    assert_eq!(request["url"], "https://codemagic.io/api/v3/apps/flag-app/builds");
    let expected = json!({
        "workflow_id": "flag-workflow", "tag": "flag-tag", "labels": ["file-label", "flag-label"],
        "instance_type": "flag-type", "inputs": {"a": 1, "b": "flag"},
        "environment": {"variables": {"A": "file", "B": "flag"}, "groups": ["file-group", "flag-group"]},
    });
    assert_eq!(request["body"], expected);
}

#[test]
fn a_tag_that_was_asked_for_wins_over_a_branch_of_a_weaker_source() {
    let sim = simulator().start().unwrap();
    Call::to(&sim, "codemagic trigger --tag v1").run().exit_code(0);
    assert_eq!((built(&sim).branch, built(&sim).tag.as_deref()), (None, Some("v1")));
    let sim = simulator().start().unwrap();
    Call::to(&sim, "codemagic trigger").without("CODEMAGIC_BRANCH").env("CODEMAGIC_TAG", "v2").run().exit_code(0);
    assert_eq!(built(&sim).tag.as_deref(), Some("v2"));
    let sim = simulator().start().unwrap();
    // Jenkins leaves an unset parameter as an empty variable.
    Call::to(&sim, "codemagic trigger").env("CODEMAGIC_BRANCH", "").env("CODEMAGIC_TAG", "v3").run().exit_code(0);
    assert_eq!(built(&sim).tag.as_deref(), Some("v3"));
}

#[test]
fn the_request_comes_from_a_file_or_from_stdin() {
    let request = r#"{"app_id": "60a0b1c2d3e4f56789abcdef", "workflow_id": "android-release", "tag": "v9"}"#;
    let sim = simulator().start().unwrap();
    Call::to(&sim, "codemagic trigger --request -").stdin(request).run().exit_code(0);
    let call = Call::to(&sim, "codemagic trigger");
    let path = call.file("request.json", request);
    call.env("CIBRIDGE_REQUEST", path.to_str().unwrap()).run().exit_code(0);
    for build in sim.builds() {
        assert_eq!((build.request.workflow_id.as_str(), build.request.tag.as_deref()), ("android-release", Some("v9")));
    }
    assert_eq!(sim.builds().len(), 2);
}

#[test]
fn a_dry_run_shows_the_request_and_sends_nothing() {
    let sim = simulator().start().unwrap();
    let done = Call::to(&sim, "codemagic trigger --dry-run --input flag:=true --var-from-env TOKEN")
        .env("TOKEN", "a secret \"value\"")
        .secret("a secret \"value\"")
        .run();
    done.exit_code(0).stderr_is("nothing was sent (dry run); the request would be:\n").stdout_is(
        "POST http://127.0.0.1:PORT/api/v3/apps/APP/builds
x-auth-token: ********
content-type: application/json

{
  \"workflow_id\": \"ios-release\",
  \"branch\": \"main\",
  \"inputs\": {
    \"flag\": true
  },
  \"environment\": {
    \"variables\": {
      \"TOKEN\": \"********\"
    }
  }
}
",
    );
    // It needs no key, and no Codemagic.
    let done = Call::to(&sim, "codemagic trigger --dry-run --json --api legacy").without("CODEMAGIC_API_KEY").run();
    let request = &done.exit_code(0).json()["request"];
    assert_eq!(request["headers"], json!({"x-auth-token": "********", "content-type": "application/json"}));
    assert_eq!(request["url"], format!("{}/builds", sim.legacy_url()));
    assert_eq!(sim.counters().connections, 0);
}

#[test]
fn the_key_may_come_from_a_file_of_its_owner() {
    let sim = simulator().start().unwrap();
    for ending in ["", "\n", "\r\n"] {
        let call = Call::to(&sim, "codemagic trigger").without("CODEMAGIC_API_KEY");
        let path = call.file("key", &format!("{}{ending}", sim.key()));
        mode(&path, 0o400);
        call.args("--api-key-file").arg(path).run().exit_code(0);
    }
    // The file that was named wins over the variable that is there anyway.
    let call = Call::to(&sim, "codemagic trigger").env("CODEMAGIC_API_KEY", "another-key");
    let path = call.file("key", &sim.key());
    call.env("CODEMAGIC_API_KEY_FILE", path.to_str().unwrap()).run().exit_code(0);
    assert_eq!(sim.counters().builds_started, 4);
}

#[test]
fn verbose_lines_show_each_request_without_its_query() {
    let sim = simulator().start().unwrap();
    Call::to(&sim, "codemagic trigger -v").run().exit_code(0).stderr_is(
        "POST http://127.0.0.1:PORT/api/v3/apps/APP/builds 202 in N ms\n\
         Codemagic build started: https://codemagic.io/app/APP/build/BUILD\n",
    );
    let done = Call::to(&sim, "codemagic builds --branch secret-branch --verbose").run();
    done.exit_code(0)
        .stderr_contains("GET http://127.0.0.1:PORT/api/v3/teams/TEAM/builds 200 in N ms")
        .stderr_lacks("secret-branch");
}

#[test]
fn a_base_address_may_end_with_a_slash() {
    let sim = simulator().start().unwrap();
    let base = format!("{}/", sim.v3_url());
    Call::to(&sim, "codemagic trigger --api-url").arg(&base).run().exit_code(0);
    let base = format!(" {} ", sim.legacy_url());
    Call::to(&sim, "codemagic trigger --api legacy --legacy-api-url").arg(&base).run().exit_code(0);
    assert_eq!(sim.counters().builds_started, 2);
}

#[test]
fn names_with_odd_characters_stay_what_they_are() {
    let sim = simulator().start().unwrap();
    let branch = "feature/ünï %2F\"'$(x)`\\;&#+";
    let done = Call::to(&sim, "codemagic trigger --json --branch").arg(branch).args("--var").arg("A=l1\nl2\t$x").run();
    assert_eq!(done.exit_code(0).json()["build"]["branch"], branch);
    assert_eq!(built(&sim).branch.as_deref(), Some(branch));
    assert_eq!(built(&sim).variables["A"], "l1\nl2\t$x");
}

#[test]
fn a_chunked_answer_and_a_closed_connection_are_answers_too() {
    let sim = simulator().config(|config| (config.chunked, config.keep_alive) = (true, false)).start().unwrap();
    Call::to(&sim, "codemagic trigger").run().exit_code(0).stdout_is("BUILD\n");
}

#[test]
fn a_closed_stdout_and_stderr_do_not_keep_a_build_from_being_started() {
    let sim = simulator().start().unwrap();
    Call::to(&sim, "codemagic trigger --json").shell("exec \"$@\" >&- 2>&-").run().exit_code(0);
    assert_eq!(sim.counters().builds_started, 1);
}

#[test]
fn an_answer_may_be_slow_as_long_as_it_comes() {
    let sim = simulator().start().unwrap();
    sim.fault(Fault::new(cibridge_simulator::FaultKind::Drip { bytes: 16, interval_ms: 5 }));
    Call::to(&sim, "codemagic trigger --answer-timeout 10s --connect-timeout 5s")
        .run()
        .exit_code(0)
        .stdout_is("BUILD\n");
}

#[test]
fn help_and_version_go_to_stdout() {
    for (arguments, part) in [
        ("--help", "Exit codes: 0 success"),
        ("--version", "cibridge 0."),
        ("codemagic trigger --help", "CODEMAGIC_APP_ID"),
        ("codemagic wait --help", "--fail-fast"),
    ] {
        let done = Call::new(arguments).run();
        assert!(done.exit_code(0).stdout.contains(part), "{done}");
        assert_eq!(done.stderr, "");
    }
}

//! Test results, public links, apps, workflows and caches.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use cibridge_simulator::{App, Fault, Plan, Simulator, StepPlan, TestPlan, Workflow};
use quick_xml::events::Event;
use quick_xml::{Reader, XmlVersion};
use serde_json::{Value, json};

use super::{demo, file, leaving, listed, with};
use crate::support::{Call, Done, simulator, started};

/// A build that ran these tests in a step "Unit tests".
fn tested(tests: TestPlan) -> (Simulator, String) {
    let step = StepPlan { tests: Some(tests), ..StepPlan::of("Unit tests", "script", 10.0) };
    with(simulator().plan(Plan { steps: vec![step], ..Plan::default() }))
}

/// `codemagic tests --junit tests.xml`.
fn junit(sim: &Simulator, id: &str) -> Call {
    let call = Call::to(sim, "codemagic tests").arg(id).arg("--junit");
    let path = call.folder().join("tests.xml");
    call.arg(path)
}

/// An element's name and attributes.
type Element = (String, Vec<(String, String)>);

/// The elements of a document that an XML parser takes for well-formed, and the text in it.
fn parsed(path: &Path) -> (Vec<Element>, String) {
    let xml = fs::read_to_string(path).unwrap();
    let mut reader = Reader::from_str(&xml);
    reader.config_mut().check_comments = true;
    let (mut elements, mut text, mut depth) = (Vec::new(), String::new(), 0);
    loop {
        let event = reader.read_event().unwrap_or_else(|error| panic!("{error} in\n{xml}"));
        match &event {
            Event::Start(start) | Event::Empty(start) => {
                depth += usize::from(matches!(event, Event::Start(_)));
                let attributes = start.attributes().map(|attribute| {
                    let attribute = attribute.unwrap();
                    let value = attribute.normalized_value(XmlVersion::Explicit1_0).unwrap().into_owned();
                    (attribute.key.as_ref().to_owned(), value)
                });
                elements.push((start.name().as_ref().to_owned(), attributes.collect()));
            }
            Event::End(_) => depth -= 1,
            Event::Text(more) => text.push_str(more),
            Event::GeneralRef(name) => text.extend(["&", name, ";"]),
            Event::Eof => break,
            _ => {}
        }
    }
    assert_eq!(depth, 0, "every element is closed\n{xml}");
    (elements, text)
}

fn attribute<'a>(element: &'a Element, name: &str) -> Option<&'a str> {
    element.1.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

#[test]
fn results_become_xml_that_a_parser_takes() {
    let (sim, id) = tested(TestPlan { passed: 3, failed: 2, skipped: 1, errored: 1, results: None });
    let done = junit(&sim, &id).run();
    done.exit_code(0)
        .stderr_contains("3 passed, 2 failed, 1 errored, 1 skipped)")
        .stdout_is(
            "failed: demo_test.dart: case 0 failed \"quoted\" <&>: Expected: <3>\nfailed: demo_test.dart: case 1 failed \"quoted\" <&>: Expected: <3>\n\
             errored: demo_test.dart: case 0 errored \"quoted\" <&>: Expected: <3>\n3 passed, 2 failed, 1 errored, 1 skipped\n",
        );
    assert_eq!(listed(done.call.folder()), ["result.json", "tests.xml"]);
    let (elements, text) = parsed(&done.call.folder().join("tests.xml"));
    let names: Vec<&str> = elements.iter().map(|(name, _)| name.as_str()).collect();
    let cases = names.iter().filter(|name| **name == "testcase").count();
    assert_eq!((names[0], names[1], cases), ("testsuites", "testsuite", 7));
    assert_eq!(names.iter().filter(|name| **name == "failure").count(), 2);
    assert_eq!(names.iter().filter(|name| **name == "error").count(), 1);
    assert_eq!(names.iter().filter(|name| **name == "skipped").count(), 1);
    for (name, value) in [("tests", "7"), ("failures", "2"), ("errors", "1"), ("skipped", "1")] {
        assert_eq!(attribute(&elements[0], name), Some(value));
        assert_eq!(attribute(&elements[1], name), Some(value));
    }
    let case = elements.iter().find(|element| element.0 == "testcase").unwrap();
    assert_eq!(attribute(case, "classname"), Some("Unit tests.demo_test_dart"));
    assert_eq!(attribute(case, "name"), Some("case 0 success \"quoted\" <&>"));
    assert!(text.contains("Expected: &lt;3&gt;\n  Actual: &lt;4&gt;"), "{text}");
    let tests = done.document()["tests"].clone();
    let path = done.call.folder().join("tests.xml");
    let failures = json!([
        {"suite": "demo_test.dart", "name": "case 0 failed \"quoted\" <&>", "message": "Expected: <3>\n  Actual: <4>"},
        {"suite": "demo_test.dart", "name": "case 1 failed \"quoted\" <&>", "message": "Expected: <3>\n  Actual: <4>"},
        {"suite": "demo_test.dart", "name": "case 0 errored \"quoted\" <&>", "message": "Expected: <3>\n  Actual: <4>"},
    ]);
    let counts = json!({"passed": 3, "failed": 2, "errored": 1, "skipped": 1, "failures": failures, "junit": path});
    assert_eq!(tests, counts);
}

#[test]
fn odd_names_and_texts_stay_well_formed() {
    let odd = "]]> \u{0}\u{1b}[31m<b a='1' b=\"2\">&amp; \u{fffe} ü🚀\n\ttab";
    let results = json!([{"suites": [
        {"name": odd, "tests": [
            {"name": odd, "status": "failed", "message": odd, "time": 1.25},
            {"name": "", "status": "success"},
            {"status": "exploded"},
            7,
        ]},
        {"name": "empty", "tests": []},
    ]}, "no report", null]);
    let (sim, id) = tested(TestPlan { results: Some(results), ..TestPlan::default() });
    let done = junit(&sim, &id).run();
    done.exit_code(0);
    let (elements, _) = parsed(&done.call.folder().join("tests.xml"));
    let case = elements.iter().find(|element| element.0 == "testcase").unwrap();
    assert_eq!(attribute(case, "time"), Some("1.250"));
    assert!(attribute(case, "name").unwrap().starts_with("]]> <b a='1' b=\"2\">&amp;  ü🚀"), "{case:?}");
}

/// A report is read by many: a secret that a test shows is masked, although XML writes it in another way.
#[test]
fn a_secret_in_a_report_is_masked() {
    let secret = "pa&ss<wor>d\"'1";
    let results = json!([{"suites": [{"name": secret, "tests": [
        {"name": format!("logs in with {secret}"), "status": "failed", "message": format!("got {secret}\nmore")},
    ]}]}]);
    let step = StepPlan {
        tests: Some(TestPlan { results: Some(results), ..TestPlan::default() }),
        ..StepPlan::of("Unit tests", "script", 10.0)
    };
    let sim = simulator().plan(Plan { steps: vec![step], ..Plan::default() }).start().unwrap();
    let call = Call::following(&sim, "--var-from-env DEPLOY_PASSWORD --junit").env("DEPLOY_PASSWORD", secret);
    let path = call.folder().join("tests.xml");
    let done = call.arg(&path).secret(secret).run();
    done.exit_code(0);
    let (elements, text) = parsed(&path);
    let case = elements.iter().find(|element| element.0 == "testcase").unwrap();
    assert_eq!(attribute(case, "name"), Some("logs in with ********"));
    assert!(text.contains("got ********\nmore"), "{text}");
    assert!(!fs::read_to_string(&path).unwrap().contains("wor"), "{text}");
}

/// No results are no file, and a line that says so; what an earlier build left must not pass for them.
#[test]
fn no_results_are_no_file() {
    let (sim, id) = with(simulator().plan(Plan { steps: vec![StepPlan::of("A", "script", 1.0)], ..Plan::default() }));
    let done = junit(&sim, &id).run();
    done.exit_code(0)
        .stdout_is("")
        .stderr_contains("no test results: ")
        .stderr_contains("/tests.xml was not written\n");
    assert_eq!(listed(done.call.folder()), ["result.json"]);
    assert_eq!(done.document()["tests"]["junit"], Value::Null);

    let call = junit(&sim, &id);
    call.file("tests.xml", "<testsuites/>");
    let done = call.run();
    done.exit_code(0).stderr_contains("/tests.xml was not written, and the one of an earlier build was removed\n");
    assert_eq!(listed(done.call.folder()), ["result.json"]);

    Call::to(&sim, "codemagic tests").arg(&id).run().exit_code(0).stdout_is("").stderr_is("no test results\n");
}

#[test]
fn results_that_cannot_be_had_are_no_empty_report() {
    let (sim, id) = tested(TestPlan { passed: 1, ..TestPlan::default() });
    sim.fault(Fault::status(403).path(&format!("/builds/{id}")).always());
    let done = junit(&sim, &id).run();
    done.exit_code(10);
    assert_eq!(listed(done.call.folder()), ["result.json"]);
    let call = Call::to(&sim, "codemagic tests").arg(&id);
    let folder = call.folder().to_owned();
    call.arg("--junit").arg(folder).run().exit_code(16).stderr_contains("is a folder, not a file");
}

fn share(sim: &Simulator, id: &str, arguments: &str) -> Done {
    Call::to(sim, "codemagic share").arg(id).args(arguments).run()
}

/// The link of the only line on stdout, its end, and the name.
fn line(done: &Done) -> (String, SystemTime, String) {
    let words: Vec<&str> = done.stdout.trim_end().split('\t').collect();
    let [name, end, url] = words[..] else { panic!("{done}") };
    (url.to_owned(), humantime::parse_rfc3339(end).unwrap(), name.to_owned())
}

#[test]
fn a_public_link_is_printed_with_its_end() {
    let (sim, id) = demo();
    let before = SystemTime::now();
    let done = share(&sim, &id, "--match *.ipa --expires 7d");
    done.exit_code(0).stderr_is("");
    let (url, end, name) = line(&done);
    assert!(url.starts_with(&format!("{}/artifacts/.eJw", sim.legacy_url())), "{url}");
    let week = Duration::from_secs(7 * 24 * 3600);
    let off = end.duration_since(before + week).unwrap_or_else(|error| error.duration());
    assert!(off < Duration::from_secs(60), "{off:?}");
    assert_eq!(name, "Demo.ipa");
    let posts = sim.requests_to("POST", "/public-url");
    assert_eq!((posts.len(), posts[0].header("x-auth-token")), (1, Some(sim.key().as_str())));
    let asked = posts[0].json()["expiresAt"].as_u64().unwrap();
    assert_eq!(end.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs(), asked);

    let document = Call::to(&sim, "codemagic share --match *.ipa --json").arg(&id).run().exit_code(0).json();
    assert_eq!((&document["links"][0]["name"], &document["exit_code"]), (&json!("Demo.ipa"), &json!(0)));
    assert!(document["links"][0]["expires_at"].is_string() && document["links"][0]["url"].is_string());
}

/// The end that counts is the one that the service gave.
#[test]
fn an_expiry_that_the_service_changed_is_reported() {
    let (sim, id) = with(leaving([file("Demo.ipa", 1000)]).config(|c| c.links.longest_public_seconds = Some(3600.0)));
    let done = share(&sim, &id, "--match *.ipa --expires 7d");
    done.exit_code(0).stderr_contains("Demo.ipa: the service set the expiry to ");
    let (_, end, _) = line(&done);
    assert!(end < SystemTime::now() + Duration::from_secs(4000));

    let (sim, id) = demo();
    sim.fault(Fault::patch(json!({"expiresAt": null})).path("/public-url").always());
    let done = share(&sim, &id, "--match *.ipa");
    done.exit_code(0).stderr_contains("Demo.ipa: the service set the expiry to an unspecified time, not to ");
    assert!(done.stdout.starts_with("Demo.ipa\t-\thttp"), "{done}");
}

#[test]
fn an_end_that_is_past_or_absurd_is_refused_before_a_request() {
    let (sim, id) = demo();
    for expires in ["0", "0s", "20000y", "18446744073709551615"] {
        let done = share(&sim, &id, &format!("--match *.ipa --expires {expires}"));
        done.exit_code(2).stderr_contains("cibridge: error: --expires").stdout_is("");
    }
    assert_eq!(sim.requests().len(), 0);
    // The service's own refusal, in its own words.
    sim.fault(
        Fault::answer(400, r#"{"error": "BAD_REQUEST", "message": "expiresAt must be in the future"}"#)
            .path("/public-url"),
    );
    let done = share(&sim, &id, "--match *.ipa --expires 1s");
    done.exit_code(12)
        .stderr_contains("creating a public link to artifact Demo.ipa: ")
        .stderr_contains("expiresAt must be in the future")
        .stdout_is("");
}

#[test]
fn what_everybody_may_open_is_named() {
    let (sim, id) = demo();
    share(&sim, &id, "").exit_code(2).stderr_contains("missing --match");
    share(&sim, &id, "--match *.apk")
        .exit_code(11)
        .stderr_contains("no artifact of Codemagic build 1 matches '*.apk'\nhint: it has Demo.ipa (ipa)");
    sim.fault(Fault::patch(json!({"build": {"artefacts": null}})).path(&format!("/builds/{id}")).always());
    let done = share(&sim, &id, "--match *.ipa");
    done.exit_code(11).stderr_contains("artifact Demo.ipa: the legacy API does not list it");
    assert_eq!(sim.requests_to("POST", "/public-url").len(), 0);
}

#[test]
fn apps_and_workflows_are_listed_with_their_ids() {
    let other = App { name: "Other app".into(), ..App::new("60a0b1c2d3e4f56789abcdee") };
    let unnamed = Workflow { id: "nightly".into(), name: None };
    let workflows = [App::new("60a0b1c2d3e4f56789abcdef").workflows, vec![unnamed]].concat();
    let sim = simulator().apps(vec![App { workflows, ..App::new("60a0b1c2d3e4f56789abcdef") }, other]).start().unwrap();
    let apps = Call::to(&sim, "codemagic apps").run();
    apps.exit_code(0).stderr_is("").stdout_is("APP\tdemo-app\nBUILD\tOther app\n");
    let document = Call::to(&sim, "codemagic apps --json").run().exit_code(0).json();
    assert_eq!(document["apps"][0], json!({"id": sim.app_id(), "name": "demo-app"}));

    let listed = "ios-release\tiOS release\nandroid-release\tAndroid release\nnightly\t-\n";
    Call::to(&sim, "codemagic workflows").arg(sim.app_id()).run().exit_code(0).stderr_is("").stdout_is(listed);
    Call::to(&sim, "codemagic workflows").run().exit_code(0).stdout_is(listed);
    let document = Call::to(&sim, "codemagic workflows --json").run().exit_code(0).json();
    assert_eq!(document["workflows"][2], json!({"id": "nightly", "name": null}));
    Call::to(&sim, "codemagic workflows")
        .without("CODEMAGIC_APP_ID")
        .run()
        .exit_code(2)
        .stderr_contains("missing APP\nhint: pass it, or set CODEMAGIC_APP_ID");
    Call::to(&sim, "codemagic workflows 000000000000000000000000")
        .run()
        .exit_code(10)
        .stderr_contains("app BUILD: access denied for this API key");
}

#[test]
fn caches_are_listed_and_cleared_one_or_all() {
    let sim = simulator().start().unwrap();
    let done = Call::to(&sim, "codemagic caches").run();
    done.exit_code(0).stderr_is("");
    let rows: Vec<Vec<&str>> = done.stdout.lines().map(|line| line.split('\t').collect()).collect();
    assert!(rows.len() > 1 && rows.iter().all(|row| row.len() == 4), "{done}");
    let id = rows[0][0].to_owned();
    let document = Call::to(&sim, "codemagic caches --json").run().exit_code(0).json();
    assert_eq!(document["caches"][0]["id"], id.as_str());
    assert!(document["caches"][0]["size"].is_u64() && document["caches"][0]["workflow_id"].is_string());

    let app = sim.app_id();
    let one = Call::to(&sim, "codemagic caches").arg(&app).arg("--clear").arg(&id).run();
    one.exit_code(0).stdout_is("").stderr_is("Codemagic removes cache BUILD; it may take a while\n");
    assert_eq!(sim.requests_to("DELETE", &format!("/apps/{app}/caches/{id}")).len(), 1);
    let all = Call::to(&sim, "codemagic caches").arg(&app).arg("--clear").run();
    all.exit_code(0).stdout_is("").stderr_is("Codemagic removes all caches of app APP; it may take a while\n");
    let deleted = sim.requests_to("DELETE", "/caches");
    assert_eq!(deleted.last().unwrap().path, format!("/apps/{app}/caches"));
    let gone = Call::to(&sim, "codemagic caches --clear 00000000000000000000000f").run();
    gone.exit_code(11).stderr_contains("cache BUILD: not found");
}

/// The results come from the legacy API; the document of v3 only says more about the build.
#[test]
fn results_need_no_answer_about_the_state_of_the_build() {
    let (sim, id) = tested(TestPlan { passed: 3, ..TestPlan::default() });
    sim.fault(Fault::answer(200, "{}").path("/api/v3/builds/").always());
    let done = junit(&sim, &id).run();
    done.exit_code(0).stderr_contains("the state of the build is unknown: ");
    assert!(done.call.folder().join("tests.xml").exists());
    // Without results there may be no such build.
    let sim = simulator().start().unwrap();
    sim.fault(Fault::answer(200, "{}").path("/api/v3/builds/").always());
    Call::to(&sim, "codemagic tests").arg(started(&sim)).run().exit_code(13);
}

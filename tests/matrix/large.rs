//! Answers as large as one that is read whole may be: however many and long the things in it are, little memory is used.

use std::sync::{Arc, Mutex};

use cibridge_simulator::Simulator;

use super::{Call, Ran, report, run_all};
use crate::support::net::{Reply, Scripted, response};

/// Bytes of a large answer: a little less than the program reads.
const LARGE: usize = 12_000_000;

const BUILD: &str = "6a941a0014bf8ccd332f2844";

/// An answer that repeats `entry`, in which `{n}` is its number and `{long}` a text of `long` bytes.
fn filled(head: &str, entry: &str, tail: &str, long: usize) -> Vec<u8> {
    let entry = entry.replace("{long}", &"t".repeat(long));
    let (mut answer, mut n) = (head.to_owned(), 0);
    while answer.len() + entry.len() + tail.len() + 20 < LARGE {
        answer.push_str(if n == 0 { "" } else { "," });
        answer.push_str(&entry.replace("{n}", &n.to_string()));
        n += 1;
    }
    (answer + tail).into_bytes()
}

/// Runs a verb against a service that sends `large` for each address that contains `path`, and what is usual for others.
fn run(path: &'static str, large: Vec<u8>, verb: &str) -> Ran {
    let sim = Simulator::builder().start().unwrap();
    let base = Arc::new(Mutex::new(String::new()));
    let own = Arc::clone(&base);
    let server = Scripted::start(move |request| {
        let v3 = format!(
            r#"{{"data":{{"id":"{BUILD}","app_id":"{BUILD}","status":"finished","index":1,"artifacts":[],
                "created_at":"2026-11-27T10:00:00Z","finished_at":"2026-11-27T10:00:00Z"}}}}"#
        );
        let jenkins = format!(
            r#"{{"_class":"hudson.model.FreeStyleBuild","number":1,"result":"SUCCESS","building":false,
                "url":"{}/job/x/1/","id":"1","timestamp":1,"duration":5,"fullDisplayName":"x #1"}}"#,
            own.lock().unwrap()
        );
        let headers = ["X-Jenkins: 2.500", "Content-Type: application/json"];
        let body: &[u8] = if request.target.contains(path) {
            &large
        } else if request.target.contains("/v3/builds/6a") && !request.target.contains("/actions") {
            v3.as_bytes()
        } else if request.target.contains("/job/x/1/api") {
            jenkins.as_bytes()
        } else {
            br#"{"name":"x","data":[],"stages":[]}"#
        };
        Reply::Send(response(200, &headers, body))
    });
    let url = server.url();
    base.lock().unwrap().clone_from(&url);
    let call = Call::new(&sim, verb)
        .env("CODEMAGIC_API_URL", &format!("{url}/v3"))
        .env("CODEMAGIC_LEGACY_API_URL", &format!("{url}/legacy"))
        .env("CIBRIDGE_JENKINS_URL", &url)
        .env("CIBRIDGE_ANSWER_TIMEOUT", "60s");
    call.run()
}

/// A hundred thousand tests that passed, and fourteen thousand that failed with long texts.
#[test]
fn test_reports_of_any_size_take_little_memory_and_lose_nothing() {
    let codemagic = |test: &str, long| {
        let head = r#"{"build":{"finishedAt":"2026-11-27T10:00:00Z","buildActions":[{"name":"Tests","results":[{"suites":[{"name":"s","tests":["#;
        (
            "/legacy/builds/",
            format!("codemagic tests {BUILD}"),
            filled(head, test, "]}]}]}]}}", long),
            test.contains("failed"),
        )
    };
    let jenkins = |test: &str, long| {
        let head = r#"{"passCount":1,"failCount":0,"suites":[{"name":"s","cases":["#;
        ("/testReport", "jenkins tests x#1".to_owned(), filled(head, test, "]}]}", long), test.contains("FAILED"))
    };
    let cases = [
        codemagic(
            r#"{"_id":"6a941a0014bf8ccd332f2844","name":"test number {n} of many","status":"success","time":0.01}"#,
            0,
        ),
        codemagic(r#"{"name":"test {n}","status":"failed","error":"{long}","stackTrace":"{long}"}"#, 400),
        jenkins(
            r#"{"className":"com.example.SuiteTest","name":"test number {n}","status":"PASSED","duration":0.01}"#,
            0,
        ),
        jenkins(
            r#"{"className":"com.example.SuiteTest","name":"test {n}","status":"FAILED","errorDetails":"{long}"}"#,
            700,
        ),
    ];
    let results = run_all(&cases, 2, |(path, verb, answer, failed)| {
        let count = String::from_utf8_lossy(answer).matches(r#""name":"test "#).count();
        let ran = run(path, answer.clone(), &format!("{verb} --junit {{dir}}/tests.xml"));
        ran.check();
        let xml = std::fs::read_to_string(ran.call.folder().join("tests.xml")).unwrap();
        assert_eq!(xml.matches("<testcase").count(), count, "{ran}");
        let tests = &ran.document["tests"];
        let listed = tests["failures"].as_array().unwrap().len();
        if *failed {
            assert_eq!(ran.stdout.lines().count(), count + 1, "each of them, and the counts");
            assert_eq!(tests["failures_left_out"], count - listed);
            let said = format!("{} of the failed tests are left out of the result document", count - listed);
            assert!(listed > 500 && ran.stderr.contains(&said), "{ran}");
        } else {
            assert_eq!((listed, tests.get("failures_left_out")), (0, None), "{ran}");
        }
    });
    report(&results.into_iter().filter_map(Result::err).collect::<Vec<_>>());
}

/// Lists, configurations and answers to requests of somebody's own.
#[test]
fn lists_of_any_size_take_little_memory_and_say_what_is_left_out() {
    let named = r#"{"id":"6a941a0014bf8ccd332{n}","name":"n{n}{long}"}"#;
    let cases = [
        ("/v3/user/apps", r#"{"data":["#, named, "]}", "codemagic apps"),
        (
            "/v3/builds/6a",
            r#"{"data":{"id":"6a941a0014bf8ccd332f2844","status":"building","index":1,"artifacts":["#,
            r#"{"name":"a{n}{long}.apk","type":"apk","size_in_bytes":5}"#,
            "]}}",
            "codemagic artifacts 6a941a0014bf8ccd332f2844 --list",
        ),
        // The build, its steps and its legacy document, one after the other.
        (
            "/builds/6a",
            r#"{"build":{"status":"finished"},"data":{"id":"6a941a0014bf8ccd332f2844","status":"finished","artifacts":["#,
            r#"{"name":"a{n}{long}.apk","type":"apk","size_in_bytes":5}"#,
            "]}}",
            "codemagic artifacts 6a941a0014bf8ccd332f2844 --list",
        ),
        (
            "/job/x/1/api",
            r#"{"number":1,"result":"SUCCESS","building":false,"url":"http://x/job/x/1/","id":"1","artifacts":["#,
            r#"{"fileName":"a{n}.txt","relativePath":"d/a{n}{long}.txt"}"#,
            "]}",
            "jenkins artifacts x#1 --list",
        ),
        ("/queue/", r#"{"items":["#, r#"{"id":{n},"why":"w{long}","task":{"name":"j{n}"}}"#, "]}", "jenkins queue"),
    ];
    let runs: Vec<_> = cases.iter().flat_map(|case| [(case, 0, ""), (case, 1000, " --json")]).collect();
    let results = run_all(&runs, 2, |((path, head, entry, tail, verb), long, json)| {
        let ran = run(path, filled(head, entry, tail, *long), &format!("{verb}{json}"));
        assert!(ran.peak <= super::most_memory(), "{} KiB\n{ran}", ran.peak / 1024);
        assert_eq!(ran.code, 0, "{ran}");
        let document = if ran.document["builds"].is_array() { &ran.document["builds"][0] } else { &ran.document };
        let left_out = document["entries_left_out"].as_u64().unwrap_or_default();
        let said = format!("a list is too long to be read whole: at least {left_out} entries are left out");
        assert!(left_out > 100 && ran.stderr.contains(&said), "{ran}");
    });
    report(&results.into_iter().filter_map(Result::err).collect::<Vec<_>>());
}

#[test]
fn bodies_of_any_size_take_little_memory() {
    let json = || filled("[", "[{n},[]]", "]", 0);
    let config = || [b"<project>".to_vec(), b"caf\xe9 ".repeat(LARGE / 5 - 10), b"</project>".to_vec()].concat();
    let text = || "x".repeat(LARGE).into_bytes();
    let cases = [
        ("/some/json", &json as &dyn Fn() -> Vec<u8>, "codemagic api GET /some/json --json"),
        ("/some/text", &text, "codemagic api GET /some/text --json"),
        ("/some/text", &text, "jenkins api GET /some/text"),
        ("/config.xml", &config, "jenkins config x --json"),
    ];
    for (path, body, verb) in cases {
        let ran = run(path, body(), verb);
        assert!(ran.peak <= super::most_memory(), "{verb}: {} KiB", ran.peak / 1024);
        assert!(ran.code == 0 && ran.stdout.len() >= LARGE - 30, "{verb}: {}", ran.stdout.len());
    }
}

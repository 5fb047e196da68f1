//! `codemagic logs`: the right steps, every byte, any size, nothing half-written.

use std::fs;
use std::time::{Duration, Instant};

use cibridge_simulator::{CutHow, CutPoint, Fault, FaultKind, LogHost, LogLink, Page, Plan, Simulator, StepPlan};
use serde_json::json;

use super::{files, listed, with};
use crate::support::{Call, Running, simulator, together, until};

fn step(name: &str, log: &str) -> StepPlan {
    StepPlan { log: Some(log.into()), ..StepPlan::of(name, "script", 10.0) }
}

/// Four steps: good, failed, one without a log, one that never ran.
fn steps() -> Plan {
    let failed = StepPlan { status: "failed".into(), ..step("Build ipa", "no profile\nexit 65\n") };
    let silent = StepPlan { no_log: true, ..StepPlan::of("Publishing", "publishing", 1.0) };
    let steps = vec![step("Fetch", "fetched\n"), failed, silent, step("Fetch", "again\n")];
    Plan { steps, artifacts: Vec::new(), ..Plan::default() }
}

fn logs(sim: &Simulator, id: &str, arguments: &str) -> Call {
    Call::to(sim, "codemagic logs").arg(id).args(arguments)
}

/// The same, into the folder `files`.
fn saving(sim: &Simulator, id: &str) -> Call {
    let call = logs(sim, id, "--dir");
    let dir = files(&call);
    call.arg(dir)
}

/// The ids of the steps, as v3 tells them.
fn step_ids(sim: &Simulator, id: &str) -> Vec<String> {
    let request = fetched(&format!("{}/builds/{id}/actions", sim.v3_url()), &sim.key());
    let answer: serde_json::Value = serde_json::from_str(&request).unwrap();
    answer["data"].as_array().unwrap().iter().map(|step| step["id"].as_str().unwrap().to_owned()).collect()
}

/// A GET by hand: the tests have no client of their own.
fn fetched(url: &str, key: &str) -> String {
    use std::io::{Read as _, Write as _};
    let (host, path) = url.split_once("://").unwrap().1.split_once('/').unwrap();
    let mut stream = std::net::TcpStream::connect(host).unwrap();
    let head = format!("GET /{path} HTTP/1.1\r\nhost: {host}\r\nx-auth-token: {key}\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

#[test]
fn all_logs_are_printed_in_their_order_with_a_head_for_each() {
    let (sim, id) = with(simulator().plan(steps()));
    let done = logs(&sim, &id, "").run();
    done.exit_code(0)
        .stderr_is("")
        .stdout_is("==> Fetch <==\nfetched\n==> Build ipa <==\nno profile\nexit 65\n==> Fetch <==\nagain\n");
    assert_eq!(
        done.document()["logs"],
        json!([
            {"step": "Fetch", "status": "success", "bytes": 8, "path": null},
            {"step": "Build ipa", "status": "failed", "bytes": 19, "path": null},
            {"step": "Fetch", "status": "skipped", "bytes": 6, "path": null},
        ])
    );
}

#[test]
fn a_step_is_named_by_its_name_or_its_id() {
    let (sim, id) = with(simulator().plan(steps()));
    let ids = step_ids(&sim, &id);
    for (wanted, text) in [
        ("Build ipa", "no profile\nexit 65\n"),
        ("BUILD IPA", "no profile\nexit 65\n"),
        (&ids[1], "no profile\nexit 65\n"),
        (&ids[3], "again\n"),
        ("Fetch", "==> Fetch <==\nfetched\n==> Fetch <==\nagain\n"),
    ] {
        logs(&sim, &id, "--step").arg(wanted).run().exit_code(0).stderr_is("").stdout_is(text);
    }
    logs(&sim, &id, "--step").arg("Deploy").run().exit_code(11).stdout_is("").stderr_is(
        "cibridge: error: the build has no step \"Deploy\"\nhint: its steps: Fetch, Build ipa, Publishing, Fetch\n",
    );
    logs(&sim, &id, "--step").arg("Publishing").run().exit_code(11).stderr_contains("step \"Publishing\" has no log");
}

#[test]
fn only_the_failed_ones_are_taken_when_asked() {
    let (sim, id) = with(simulator().plan(steps()));
    logs(&sim, &id, "--failed").run().exit_code(0).stdout_is("no profile\nexit 65\n");
    let (sim, id) = with(simulator());
    logs(&sim, &id, "--failed").run().exit_code(0).stdout_is("").stderr_is("no step of this build failed\n");
    let done = logs(&sim, &id, "--failed --step").arg("Build ipa").run();
    done.exit_code(11).stderr_contains("the build has no failed step \"Build ipa\"\nhint: it has none");
}

#[test]
fn one_file_for_each_step() {
    let odd = Plan { steps: vec![step("../../up: a \u{1b}[31mred*", "1\n"), step("CON", "2\n")], ..Plan::default() };
    let (sim, id) = with(simulator().plan(odd));
    let done = saving(&sim, &id).args("--json").run();
    let document = done.exit_code(0).json();
    let names = listed(&files(&done.call));
    assert_eq!(names, ["01-up_-a-[31mred_.log", "02-_CON.log"]);
    for (n, name) in names.iter().enumerate() {
        let path = files(&done.call).join(name);
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", n + 1));
        assert_eq!((&document["logs"][n]["path"], &document["logs"][n]["bytes"]), (&json!(path), &json!(2)));
    }
    logs(&sim, &id, "--json")
        .run()
        .exit_code(2)
        .stderr_contains("--json needs stdout for the document, where the logs would go");
}

/// Wherever the links are: on the step, on its parts, in the storage, behind a redirect, or nowhere.
#[test]
fn logs_are_found_wherever_they_are() {
    for host in [LogHost::Api, LogHost::Storage, LogHost::Redirect] {
        for link in [LogLink::Action, LogLink::Subaction, LogLink::Both] {
            let plan =
                Plan { steps: vec![StepPlan { log_link: Some(link), ..step("A", "text\n") }], ..Plan::default() };
            let (sim, id) = with(simulator().plan(plan).config(|c| c.logs.host = host));
            logs(&sim, &id, "").run().exit_code(0).stdout_is("text\n");
            assert_eq!(sim.counters().leaked_credentials, 0, "{host:?} {link:?}");
        }
    }
}

/// What is printed or saved is text that steers no terminal; `--raw` keeps the bytes.
#[test]
fn logs_are_text_and_raw_logs_are_bytes() {
    let text = "\u{1b}[31mred\u{1b}[0m\r\nprogress 1\rprogress 2\n\ttab ü \u{202e}\nno end";
    let (sim, id) = with(simulator().plan(Plan { steps: vec![step("A", text)], ..Plan::default() }));
    logs(&sim, &id, "").run().exit_code(0).stdout_is("red\nprogress 1progress 2\n\ttab ü \nno end\n");
    for (raw, saved) in [("", "red\nprogress 1progress 2\n\ttab ü \nno end"), ("--raw", text)] {
        let done = saving(&sim, &id).args(raw).run();
        done.exit_code(0);
        assert_eq!(fs::read_to_string(files(&done.call).join("01-A.log")).unwrap(), saved);
    }
}

/// A log that shows the key is not printed with it, nor saved.
#[test]
fn a_key_in_a_log_is_masked() {
    let sim = simulator().start().unwrap();
    let text = format!("curl -H 'x-auth-token: {}'\n", sim.key());
    sim.plan(Plan { steps: vec![step("A", &text)], ..Plan::default() });
    let id = super::ended(&sim);
    logs(&sim, &id, "").run().exit_code(0).stdout_is("curl -H 'x-auth-token: ********'\n");
    let done = saving(&sim, &id).run();
    done.exit_code(0);
    assert_eq!(fs::read_to_string(files(&done.call).join("01-A.log")).unwrap(), "curl -H 'x-auth-token: ********'\n");
}

/// The peak of resident memory of a running process, in kilobytes.
fn peak(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0");
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// A hundred megabytes, half of them in one line: the memory does not grow with either.
#[test]
fn a_large_log_takes_no_memory() {
    let large = StepPlan { log_bytes: 30_000_000, ..step("Large", "the end\n") };
    let line = StepPlan { log: Some("x".repeat(25_000_000)), ..step("Line", "") };
    let (sim, id) = with(simulator().plan(Plan { steps: vec![large, line], ..Plan::default() }));
    // The process is held after its last byte, so that its peak can be read.
    let slow = Fault::new(FaultKind::Cut { at: CutPoint::AnswerBody, bytes: 24_999_999, how: CutHow::Close });
    sim.fault(slow.path("/logs/").nth(2));
    sim.fault(Fault::new(FaultKind::Hang { max_ms: 60_000 }).path("/logs/").nth(3));
    let running: Running = saving(&sim, &id).spawn();
    assert!(sim.wait_for(Duration::from_secs(120), |state| {
        state.requests().iter().any(|r| r.fault.as_deref() == Some("hang"))
    }));
    let peak = peak(running.id());
    assert!((1..20_000).contains(&peak), "{peak} kB");
    running.signal("TERM");
    let done = running.finish();
    done.exit_code(143);
    assert_eq!(listed(&files(&done.call)), ["01-Large.log"], "nothing half-written\n{done}");
    assert_eq!(fs::metadata(files(&done.call).join("01-Large.log")).unwrap().len(), 30_000_008);
}

#[test]
fn a_log_that_breaks_off_is_resumed_there() {
    let cut = |at, bytes, how| Fault::new(FaultKind::Cut { at, bytes, how }).path("/logs/");
    let odd = FaultKind::Headers { set: [].into(), remove: vec!["Content-Range".to_owned()] };
    let lines: Vec<_> = (0..20_000).map(|n| format!("line {n} of the log\n")).collect();
    let text = lines.concat();
    together(
        &[
            vec![cut(CutPoint::AnswerBody, 200_000, CutHow::Close)],
            vec![cut(CutPoint::AnswerBody, 200_000, CutHow::Reset)],
            vec![cut(CutPoint::BeforeAnswer, 0, CutHow::Reset)],
            vec![Fault::status(503).path("/logs/")],
            vec![cut(CutPoint::AnswerBody, 200_000, CutHow::Close), Fault::new(odd).path("/logs/").nth(2)],
        ],
        |faults| {
            let (sim, id) = with(simulator().plan(Plan { steps: vec![step("A", &text)], ..Plan::default() }));
            for fault in faults {
                sim.fault(fault.clone());
            }
            let done = logs(&sim, &id, "").run();
            done.exit_code(0);
            assert!(done.stdout == text, "{} of {} bytes for {faults:?}", done.stdout.len(), text.len());
        },
    );
}

/// A part of a log is not passed off as the log.
#[test]
fn what_breaks_for_good_is_an_error() {
    let text = "x".repeat(300_000);
    let cut =
        || Fault::new(FaultKind::Cut { at: CutPoint::AnswerBody, bytes: 100_000, how: CutHow::Close }).path("/logs/");
    together(
        &[
            (vec![Fault::status(503).path("/logs/").always()], 13, "127.0.0.1 answered with HTTP 503"),
            (vec![Fault::status(403).path("/logs/").always()], 10, "127.0.0.1 answered with HTTP 403"),
            (vec![Fault::page(Page::Sso).path("/logs/").always()], 14, "127.0.0.1 answered with an HTML page"),
            (vec![cut(), Fault::status(404).path("/logs/").nth(2)], 11, "127.0.0.1 answered with HTTP 404"),
        ],
        |(faults, code, words)| {
            let (sim, id) = with(simulator().plan(Plan { steps: vec![step("A", &text)], ..Plan::default() }));
            for fault in faults {
                sim.fault(fault.clone());
            }
            let done = saving(&sim, &id).run();
            done.exit_code(*code)
                .stderr_contains("cibridge: error: reading the log of step A: ")
                .stderr_contains(words);
            assert_eq!(listed(&files(&done.call)), [""; 0], "{done}");
        },
    );
}

#[test]
fn a_signal_leaves_no_half_log() {
    let (sim, id) = with(simulator().plan(Plan { steps: vec![step("A", &"x\n".repeat(100_000))], ..Plan::default() }));
    sim.fault(Fault::new(FaultKind::Drip { bytes: 1000, interval_ms: 50 }).path("/logs/").always());
    let running = saving(&sim, &id).spawn();
    until("a half log", || listed(&running.folder().join("files")).len() == 1);
    let since = Instant::now();
    running.signal("TERM");
    let done = running.finish();
    assert!(since.elapsed() < Duration::from_secs(3), "{:?}\n{done}", since.elapsed());
    done.exit_code(143);
    assert_eq!(listed(&files(&done.call)), [""; 0]);
}

/// `cibridge codemagic logs … | head` is no failure.
#[test]
fn a_reader_that_has_enough_is_no_failure() {
    let large = StepPlan { log_bytes: 5_000_000, ..step("Large", "") };
    let (sim, id) = with(simulator().plan(Plan { steps: vec![large], ..Plan::default() }));
    let path = std::env::var("PATH").unwrap_or_default();
    let script = "{ \"$@\"; echo \"code $?\" >&2; } | head -n 1";
    let done = logs(&sim, &id, "").env("PATH", &path).shell(script).run();
    done.stdout_is("0000000001 compiling module of the demonstration app, nothing to see here ....c\n")
        .stderr_contains("code 0\n");
}

//! `console`, and `--console`: logs without loss, live and finished, of any size.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::thread;

use cibridge_simulator::{
    JenkinsConfig, JenkinsJob, JenkinsLog, JenkinsMove, JenkinsPlan, JenkinsStep, Restart, Simulator,
};
use serde_json::json;

use super::{Call, built, ended, planned, under_way};
use crate::support::{binary, until};

fn bursting() -> JenkinsPlan {
    JenkinsPlan::steps([
        JenkinsStep::stage("Build"),
        JenkinsStep::text("partial-").after(1.0),
        JenkinsStep::text("END\n").after(1.0),
        JenkinsStep::lines(25_000, "<b>&amp; ü</b> & noise").after(1.0),
        JenkinsStep::text("no line end").after(1.0),
    ])
}

#[test]
fn a_burst_and_a_broken_line_arrive_as_they_are_stored() {
    for log in [JenkinsLog::Lossy, JenkinsLog::Classic] {
        let mut config = JenkinsConfig::with_jobs([JenkinsJob::pipeline("pipe")]).plan(bursting());
        config.log = log;
        let sim = built(config).start().unwrap();
        let started = Call::new(&sim, &["trigger", "pipe", "--wait", "--console"]).run().exit_code(0);
        assert_eq!(started.stderr.matches("noise\n").count(), 25_000);
        let id = sim.start_jenkins_build("pipe");
        sim.move_jenkins_run(id, JenkinsMove::Start);
        let live = Call::new(&sim, &["console", "pipe#2", "--follow"]).run().exit_code(0);
        let whole = Call::new(&sim, &["console", "pipe#2"]).run().exit_code(0);
        assert!(live.stdout == whole.stdout, "{} and {} bytes", live.stdout.len(), whole.stdout.len());
        assert!(whole.stdout.contains("partial-END\n") && whole.stdout == sim.jenkins_console("pipe", 2));
        let stages = Call::new(&sim, &["console", "pipe#2", "--follow", "--stages"]).run().exit_code(0);
        assert_eq!(stages.stdout, "stage: Build\n");
    }
}

/// A system call for each line would cost more than everything else.
#[test]
fn the_lines_of_a_log_are_written_together() {
    let sim = planned(JenkinsPlan::steps([JenkinsStep::lines(20_000, "noise")]));
    let mut call = Call::new(&sim, &["trigger", "pipe", "--wait", "--console"]);
    // A socket that keeps the writes apart.
    let (stderr, written) = UnixDatagram::pair().unwrap();
    let end = stderr.try_clone().unwrap();
    let mut child = call.command.stdout(Stdio::null()).stderr(OwnedFd::from(stderr)).spawn().unwrap();
    let ended = thread::spawn(move || {
        let status = child.wait().unwrap();
        end.send(&[]).unwrap();
        status
    });
    let (mut writes, mut lines, mut buffer) = (0, 0, vec![0; 1024 * 1024]);
    loop {
        let length = written.recv(&mut buffer).unwrap();
        if length == 0 {
            break;
        }
        writes += 1;
        let text = String::from_utf8_lossy(&buffer[..length]);
        lines += text.lines().filter(|line| line.starts_with("| ") && line.ends_with("noise")).count();
    }
    assert!(ended.join().unwrap().success());
    assert_eq!(lines, 20_000);
    assert!(writes < 200, "{writes}");
}

#[test]
fn the_name_of_a_build_comes_before_its_log() {
    let sim = planned(JenkinsPlan::steps([JenkinsStep::text("one\n")]));
    ended(&sim);
    let run = Call::new(&sim, &["wait", "pipe#1", "--console"]).run().exit_code(0);
    assert!(run.stderr.starts_with("Jenkins build pipe#1: http"), "{}", run.stderr);
    assert_eq!(run.stderr.matches("Jenkins build pipe#1: http").count(), 1);
}

#[test]
fn a_later_call_begins_where_an_earlier_one_ended() {
    let sim = planned(JenkinsPlan::steps([
        JenkinsStep::text("one\ntwo <&> ü\n"),
        JenkinsStep::hold(),
        JenkinsStep::text("three\n"),
    ]));
    let id = under_way(&sim);
    let first = Call::new(&sim, &["console", "pipe#1"]).run().exit_code(0).stderr_contains("still running; --from ");
    let from = first.stderr.split("--from ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    let child = Call::new(&sim, &["console", "pipe#1", "--follow", "--from", &from]).spawn();
    let polls = || sim.requests_to("GET", "/job/pipe/1/logText/progressiveHtml").len();
    let before = polls();
    until("a poll", || polls() > before + 1);
    // Whoever only follows the log does not own the build, and can continue later.
    child.terminate();
    let cut = child
        .wait()
        .exit_code(143)
        .stderr_contains("left running")
        .stderr_contains(&format!("--from {from} shows what comes after this"));
    assert_eq!((cut.stdout.as_str(), sim.jenkins_runs()[0].stops), ("", 0));
    sim.move_jenkins_run(id, JenkinsMove::Release);
    sim.move_jenkins_run(id, JenkinsMove::End);
    for follow in [&["--follow"][..], &[]] {
        let rest = Call::new(&sim, &[&["console", "pipe#1", "--from", &from], follow].concat()).run().exit_code(0);
        assert_eq!(first.stdout.clone() + &rest.stdout, sim.jenkins_console("pipe", 1));
        // Beyond the end there is nothing, though Jenkins gives the whole log again.
        let none = Call::new(&sim, &[&["console", "pipe#1", "--from", "999999"], follow].concat()).run().exit_code(0);
        assert_eq!(none.stdout, "");
    }
}

#[test]
fn the_log_ends_after_the_build_does() {
    let plan = JenkinsPlan { post_seconds: 3.0, log_late_seconds: 3.0, ..bursting() };
    let sim = planned(plan);
    let run = Call::new(&sim, &["trigger", "pipe", "--wait", "--console"]).run().exit_code(0);
    let log = sim.jenkins_console("pipe", 1);
    let tail: Vec<_> = log.lines().rev().take(3).collect();
    assert!(tail.iter().all(|line| run.stderr.contains(*line)), "{tail:?}\n{run}");
}

/// The log of a build that ended goes through in pieces: many times the memory that the program may have.
#[test]
fn a_finished_log_of_any_size_takes_no_memory() {
    let line = "x".repeat(1000);
    let sim = planned(JenkinsPlan::steps([JenkinsStep::lines(60_000, &line)]).bare());
    ended(&sim);
    let size = sim.jenkins_runs()[0].log_size;
    assert!(size > 60_000_000);
    let script = "ulimit -v 50000; \"$0\" jenkins console 'pipe#1' \"$@\" | wc -c";
    for more in [&[][..], &["--from", "1"]] {
        let output = Command::new("/bin/bash")
            .args(["-c", script])
            .arg(binary())
            .args(more)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs([
                ("CIBRIDGE_JENKINS_URL", sim.jenkins_url()),
                ("JENKINS_USER_ID", "dev"),
                ("JENKINS_API_TOKEN", cibridge_simulator::JENKINS_TOKEN),
            ])
            .output()
            .unwrap();
        let count: u64 = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(count, size - u64::from(!more.is_empty()), "{told}");
    }
}

#[test]
fn a_broken_connection_repeats_no_line() {
    let ends = |sim: &Simulator| {
        ended(sim);
        let run = Call::new(sim, &["console", "pipe#1"]).run().exit_code(0);
        assert!(run.stdout == sim.jenkins_console("pipe", 1), "{} bytes", run.stdout.len());
    };
    for bytes in [0, 1000, 300_000] {
        let cut =
            json!({"kind": "cut", "at": "answer_body", "bytes": bytes, "listener": "jenkins", "path": "/consoleText"});
        let config = JenkinsConfig::with_jobs([JenkinsJob::pipeline("pipe")]).plan(bursting());
        ends(&built(config).fault(super::fault(&cut)).start().unwrap());
    }
    // A live log is given again from the same place.
    let cut = json!({"kind": "cut", "at": "answer_body", "bytes": 20, "listener": "jenkins", "path": "/progressiveHtml", "times": 3});
    let config = JenkinsConfig::with_jobs([JenkinsJob::pipeline("pipe")]).plan(bursting());
    let sim = built(config).fault(super::fault(&cut)).start().unwrap();
    let id = sim.start_jenkins_build("pipe");
    sim.move_jenkins_run(id, JenkinsMove::Start);
    let live = Call::new(&sim, &["console", "pipe#1", "--follow"]).run().exit_code(0);
    assert!(live.stdout == sim.jenkins_console("pipe", 1), "{} bytes", live.stdout.len());
    assert!(sim.requests().iter().any(|request| request.fault.is_some()), "nothing was cut");
}

/// Text that steers a terminal, and colours with it, are left out wherever the log goes.
#[test]
fn control_characters_do_not_pass() {
    let text = "\u{1b}[31mred\u{1b}[0m \u{1b}]0;title\u{7}and\u{8} ü\n";
    let sim = planned(JenkinsPlan::steps([JenkinsStep::text(text)]).bare());
    let shown = Call::new(&sim, &["trigger", "pipe", "--wait", "--console"]).run().exit_code(0);
    assert!(shown.stderr.contains("red and ü\n"), "{shown}");
    for follow in [&[][..], &["--follow"]] {
        let run = Call::new(&sim, &[&["console", "pipe#1"], follow].concat()).run().exit_code(0);
        assert_eq!(run.stdout, "red and ü\n");
    }
}

#[test]
fn the_document_goes_alone_to_stdout() {
    let sim = planned(bursting().result("FAILURE"));
    ended(&sim);
    let document =
        Call::new(&sim, &["console", "pipe#lastFailedBuild", "--follow", "--json"]).run().exit_code(1).json();
    assert_eq!((&document["outcome"], &document["build"]["id"]), (&json!("failed"), &json!("pipe#1")));
    assert_eq!(Call::new(&sim, &["console", "pipe#1", "--json"]).run().exit_code(0).json()["outcome"], "success");
    Call::new(&sim, &["console", "pipe#2"]).run().exit_code(11);
    Call::new(&sim, &["console", "pipe"]).run().exit_code(2).stderr_contains("not a build");
}

#[test]
fn a_log_continues_after_a_restart() {
    let sim =
        planned(JenkinsPlan::steps([JenkinsStep::text("one\n"), JenkinsStep::hold(), JenkinsStep::text("two\n")]));
    let id = under_way(&sim);
    let child = Call::new(&sim, &["console", "pipe#1", "--follow"]).spawn();
    let polls = || sim.requests_to("GET", "/job/pipe/1/logText/progressiveHtml").len();
    until("two polls", || polls() > 1);
    sim.restart_jenkins(Restart { starting_requests: 2, refused_ms: 100, ..Restart::default() });
    let before = polls();
    until("a poll after it", || polls() > before);
    sim.move_jenkins_run(id, JenkinsMove::Release);
    let run = child.wait().exit_code(0).stderr_contains("the controller was restarted while waiting");
    assert_eq!(run.stdout, sim.jenkins_console("pipe", 1));
}

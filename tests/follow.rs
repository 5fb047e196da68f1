//! Following builds: to their true end, through bad answers, with limits; and looking at them, listing, canceling.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use cibridge_simulator::{
    Advance, CancelPlan, CutPoint, Fault, FaultKind, History, LogHost, Page, Plan, StepPlan, Target, WrongShape,
};
use serde_json::json;

use crate::support::{Call, simulator, started, together};

/// Queued, two steps, the end: four polls.
fn short() -> Plan {
    let steps = vec![StepPlan::of("Fetch", "fetching", 10.0), StepPlan::of("Build ipa", "script", 100.0)];
    Plan { queued_seconds: 5.0, steps, ..Plan::default() }
}

#[test]
fn a_successful_build_is_reported_line_by_line() {
    let sim = simulator().plan(short()).start().unwrap();
    let done = Call::following(&sim, "").run();
    done.exit_code(0).stdout_is("BUILD\n").stderr_is(
        "Codemagic build started: https://codemagic.io/app/APP/build/BUILD\n\
         status: queued\n\
         commit: COMMIT\n\
         status: fetching\n\
         step \"Fetch\": succeeded in 10s\n\
         step \"Build ipa\": started\n\
         status: building\n\
         step \"Build ipa\": succeeded in 1m 40s\n\
         status: finished\n\
         Codemagic build 1 succeeded after 1m 50s\n",
    );
    let build = &sim.builds()[0];
    let expected = json!({
        "schema": 1, "provider": "codemagic", "outcome": "success", "exit_code": 0, "severity": 0, "call_failed": false,
        "summary": "Codemagic build 1 succeeded after 1m 50s", "adopted": false, "still_running": false,
        "build": {
            "title": "Codemagic build 1", "id": build.id, "number": 1,
            "url": format!("https://codemagic.io/app/{}/build/{}", sim.app_id(), build.id), "status": "finished",
            "app_id": sim.app_id(), "workflow_id": "ios-release", "branch": "main", "tag": null,
            "commit": build.commit, "labels": build.labels, "created_at": null, "queued_seconds": 5, "run_seconds": 110,
        },
        "failure": null,
        "steps": [
            {"name": "Fetch", "status": "success", "seconds": 10},
            {"name": "Build ipa", "status": "success", "seconds": 100},
        ],
        "artifacts": [
            {"name": "Demo.ipa", "type": "ipa", "size": 300_000, "path": null, "md5": null, "sha256": null},
            {"name": "test-report.xml", "type": "test_results_bundle", "size": 198, "path": null, "md5": null,
             "sha256": null},
        ],
        "error": null,
    });
    let mut document = done.document();
    let created = document["build"]["created_at"].take();
    assert!(created.as_str().is_some_and(|time| time.starts_with("20") && time.ends_with('Z')), "{created}");
    assert_eq!(document, expected);
}

#[test]
fn each_end_has_its_code_and_its_words() {
    let table = [
        ("finished", 0, "success", "Codemagic build 1 succeeded after 1m 50s\n"),
        (
            "failed",
            1,
            "failed",
            "cibridge: error: Codemagic build 1 failed\nhint: see https://codemagic.io/app/APP/build/BUILD\n",
        ),
        (
            "timeout",
            1,
            "failed",
            "cibridge: error: Codemagic build 1 exceeded the time limit of its workflow (max_build_duration) in step \"Build ipa\": Build timed out\n",
        ),
        ("warning", 3, "unstable", "cibridge: error: Codemagic build 1 ended with warnings\n"),
        (
            "canceled",
            4,
            "canceled",
            "cibridge: error: Codemagic build 1 was canceled on Codemagic in step \"Build ipa\"\n",
        ),
        ("canceled", 4, "canceled", "cibridge: error: Codemagic build 1 was canceled on Codemagic"),
        ("skipped", 5, "skipped", "cibridge: error: Codemagic build 1 was skipped\n"),
        ("exploded", 1, "failed", "status: exploded\n"),
    ];
    for (status, code, outcome, words) in table {
        let plan = Plan { status: Some(status.into()), v3_status: Some(status.into()), ..short() };
        let sim = simulator().plan(plan).start().unwrap();
        let done = Call::following(&sim, "--json").run();
        done.exit_code(code).stderr_contains(words);
        let document = done.json();
        assert_eq!((&document["outcome"], &document["build"]["status"]), (&json!(outcome), &json!(status)), "{done}");
        assert_eq!(document["error"], json!(null), "the call itself had no error\n{done}");
        assert_eq!(document["failure"].is_null(), code == 0, "{done}");
        assert_eq!(sim.counters().cancels, 0);
    }
}

#[test]
fn an_unknown_status_is_reported_once_and_the_wait_continues() {
    let odd = StepPlan { build_status: Some("polishing".into()), ..StepPlan::of("Polish", "script", 10.0) };
    let plan = Plan { steps: vec![odd.clone(), StepPlan { name: "Polish again".into(), ..odd }], ..Plan::default() };
    let sim = simulator().plan(plan).start().unwrap();
    let done = Call::following(&sim, "").run();
    done.exit_code(0).stderr_contains(
        "status: polishing (unrecognized; still waiting for the build to finish)\nstep \"Polish\": succeeded in 10s\n",
    );
    assert_eq!(done.stderr.matches("polishing").count(), 1, "{done}");
}

#[test]
fn a_failed_build_shows_its_step_its_message_and_the_end_of_its_log() {
    let numbered = |numbers: RangeInclusive<u32>| numbers.map(|n| format!("line {n}")).collect::<Vec<_>>().join("\n");
    let log = numbered(1..=200);
    let sim = simulator()
        .plan(Plan::failing("Build ipa", &format!("{log}\nerror: \u{1b}[31mno profile\u{1b}[0m\r\n")))
        .start()
        .unwrap();
    let done = Call::following(&sim, "").run();
    let lines = numbered(152..=200).replace("line ", "| line ");
    done.exit_code(1)
        .stderr_contains(&format!("step \"Build ipa\":\n{lines}\n| error: no profile\ncibridge: error: "))
        .stderr_contains("cibridge: error: Codemagic build 1 failed in step \"Build ipa\": Step 5 script `Build ipa` exited with status code 1\n\
               hint: see https://codemagic.io/app/APP/build/BUILD\n");
    let failure = &done.document()["failure"];
    assert_eq!(failure["step"], "Build ipa");
    assert_eq!(failure["message"], "Step 5 script `Build ipa` exited with status code 1");
    assert_eq!(failure["log_tail"].as_array().unwrap().len(), 50);
    assert_eq!(failure["log_tail"][49], "error: no profile");
    let statuses: Vec<_> =
        done.document()["steps"].as_array().unwrap().iter().map(|step| step["status"].clone()).collect();
    assert_eq!(statuses, ["success", "success", "success", "success", "failed", "success", "success"]);

    for (lines, shown) in [("3", 3), ("0", 0), ("1000", 201)] {
        let done = Call::following(&sim, "--log-lines").args(lines).run();
        let document = done.exit_code(1).document();
        assert_eq!(document["failure"]["log_tail"].as_array().unwrap().len(), shown, "{done}");
        assert_eq!(done.stderr.contains("last lines of the log"), shown > 0, "{done}");
    }
    let asked = sim.requests_to("GET", "/logs/").len();
    assert_eq!(asked, 3, "no log is fetched for no lines");
}

#[test]
fn a_log_is_fetched_wherever_it_is_and_a_missing_one_hides_nothing() {
    for host in [LogHost::Api, LogHost::Storage, LogHost::Redirect] {
        let sim = simulator()
            .plan(Plan::failing("Build ipa", "no profile\n"))
            .config(|config| config.logs.host = host)
            .start()
            .unwrap();
        Call::following(&sim, "")
            .run()
            .exit_code(1)
            .stderr_contains("last lines of the log of step \"Build ipa\":\n| no profile\n");
        assert_eq!(sim.counters().leaked_credentials, 0, "{host:?}");
    }
    let mut plan = Plan::failing("Build ipa", "");
    plan.steps[4].no_log = true;
    let sim = simulator().plan(plan).start().unwrap();
    Call::following(&sim, "")
        .run()
        .exit_code(1)
        .stderr_contains("failed in step \"Build ipa\": Step 5")
        .stderr_lacks("last lines");
    let sim = simulator().plan(Plan::failing("Build ipa", "no profile\n")).start().unwrap();
    sim.fault(Fault::status(500).path("/logs/").always());
    Call::following(&sim, "")
        .run()
        .exit_code(1)
        .stderr_contains("failed in step \"Build ipa\": Step 5")
        .stderr_lacks("last lines");
    // Without the legacy API the step is still known.
    let sim = simulator().plan(Plan::failing("Build ipa", "no profile\n")).start().unwrap();
    sim.fault(Fault::status(404).on("GET", "/builds/*").always());
    Call::following(&sim, "")
        .run()
        .exit_code(1)
        .stderr_contains("the reason of the failure could not be read: build BUILD: not found")
        .stderr_contains("failed in step \"Build ipa\"\n");
}

/// A log may be one line without end. Its memory is bounded, whatever comes.
#[test]
fn a_log_without_line_ends_does_not_fill_the_memory() {
    let sim = simulator().plan(Plan::failing("Build ipa", "")).start().unwrap();
    sim.fault(Fault::new(FaultKind::Endless { limit: 128 << 20 }).path("/logs/").always());
    let done = Call::following(&sim, "").shell("ulimit -v 200000; exec \"$@\"").run();
    done.exit_code(1).stderr_contains("failed in step \"Build ipa\"");
    assert!(done.stderr.len() < 100_000, "{}", done.stderr.len());
}

#[test]
fn an_ignored_failed_step_counts_when_asked() {
    let failing = StepPlan { status: "failed".into(), ignore_failure: true, ..StepPlan::of("Lint", "script", 5.0) };
    let sim = simulator()
        .plan(Plan { steps: vec![failing, StepPlan::of("Build ipa", "script", 5.0)], ..Plan::default() })
        .start()
        .unwrap();
    Call::following(&sim, "")
        .run()
        .exit_code(0)
        .stderr_contains("step \"Lint\": failed in 5s\n")
        .stderr_contains("Codemagic build 1 succeeded");
    let done = Call::following(&sim, "--fail-on-step-failure").run();
    done.exit_code(3).stderr_contains(
        "cibridge: error: Codemagic build 2 succeeded although step \"Lint\" failed (--fail-on-step-failure)\n",
    );
    assert_eq!(
        (&done.document()["outcome"], &done.document()["failure"]["step"]),
        (&json!("unstable"), &json!("Lint"))
    );
}

#[test]
fn a_fresh_build_may_be_unknown_at_first() {
    let sim = simulator().plan(short()).not_found_polls(3).config(|config| config.hidden_lists = 2).start().unwrap();
    let done = Call::following(&sim, "").run();
    done.exit_code(0).stderr_lacks("404").stderr_lacks("does not exist");
}

#[test]
fn no_bad_answer_ends_the_wait() {
    let patch = json!({"data": {"status": null}});
    let faults = vec![
        Fault::status(500),
        Fault::status(502),
        Fault::status(503),
        Fault::status(429),
        Fault::status(408),
        Fault::page(Page::Gateway),
        Fault::page(Page::Sso),
        Fault::page(Page::Proxy),
        Fault::cut(CutPoint::BeforeAnswer),
        Fault::cut_after(CutPoint::Answer, 7),
        Fault::cut_after(CutPoint::Answer, 60),
        Fault::cut_after(CutPoint::AnswerBody, 10),
        Fault::new(FaultKind::Truncate { bytes: None }),
        Fault::new(FaultKind::Empty { status: 200 }),
        Fault::new(FaultKind::Raw { text: "nonsense\r\n\r\n".into() }),
        Fault::new(FaultKind::RedirectLoop { status: 302 }).times(6),
        Fault::redirect(302, "https://127.0.0.1:1/login"),
        Fault::patch(patch),
        Fault::new(FaultKind::WrongJson { shape: WrongShape::Broken }),
        Fault::new(FaultKind::WrongJson { shape: WrongShape::Text }),
        Fault::new(FaultKind::WrongJson { shape: WrongShape::Array }),
        Fault::new(FaultKind::WrongJson { shape: WrongShape::Null }),
        Fault::new(FaultKind::WrongJson { shape: WrongShape::Object }),
        Fault::new(FaultKind::WrongJson { shape: WrongShape::Types }),
        Fault::new(FaultKind::WrongJson { shape: WrongShape::Binary }),
        // Two refusals are fewer than it takes to believe them.
        Fault::status(401).times(2),
        Fault::status(403).times(2),
        Fault::status(404).times(2),
        Fault::status(400).times(2),
    ];
    together(&faults, |fault| {
        let sim = simulator().plan(short()).start().unwrap();
        let id = started(&sim);
        sim.fault(fault.clone().on("GET", &format!("/api/*/builds/{id}")).nth(2));
        let done = Call::to(&sim, "codemagic wait --poll-interval 20ms").arg(&id).run();
        done.exit_code(0).stderr_contains("Codemagic build 1 succeeded");
    });
}

#[test]
fn trouble_with_the_steps_or_the_history_is_no_trouble() {
    let sim = simulator().plan(short()).start().unwrap();
    sim.fault(Fault::status(500).path("/actions").always());
    sim.fault(Fault::status(500).path("/teams").always());
    Call::following(&sim, "").run().exit_code(0).stderr_lacks("500");
}

/// Refusals that last for minutes are tested where time can be set.
#[test]
fn some_refusals_of_a_key_that_was_accepted_are_waited_out_and_one_that_never_was_is_given_up() {
    let sim = simulator().plan(short()).start().unwrap();
    let id = started(&sim);
    for nth in 3..7 {
        sim.fault(Fault::status(401).on("GET", "/api/v3/builds/").nth(nth));
    }
    let done = Call::to(&sim, "codemagic wait --poll-interval 20ms").arg(&id).run();
    done.exit_code(0)
        .stderr_contains("not accepted by Codemagic (HTTP 401")
        .stderr_contains("Codemagic build 1 succeeded");
    let sim = simulator().plan(short()).start().unwrap();
    let id = started(&sim);
    sim.fault(Fault::status(401).on("GET", "/api/v3/builds/").always());
    let done = Call::to(&sim, "codemagic wait --poll-interval 20ms").arg(&id).run();
    done.exit_code(10).stderr_contains("cibridge: error: API key: not accepted by Codemagic (HTTP 401");
    assert_eq!(done.document()["build"]["id"], id.as_str());
}

#[test]
fn an_id_that_does_not_exist_is_reported_soon() {
    let sim = simulator().start().unwrap();
    let done = Call::to(&sim, "codemagic wait 6a941a0014bf8ccd332f2844 --poll-interval 20ms").run();
    done.exit_code(11).stderr_is(
        "cibridge: error: build BUILD: not found, or not visible with this API key (HTTP 404: Build not found)\n\
         hint: `cibridge codemagic check` shows what this API key can see\n",
    );
}

#[test]
fn each_limit_cancels_the_build() {
    let table = [
        ("--queue-timeout 1s", "queued", "was queued longer than 1s"),
        ("--run-timeout 1s", "building", "ran longer than 1s"),
        ("--timeout 1s", "building", "did not finish within 1s"),
        ("--timeout 1s --queue-timeout 1m --run-timeout 1h", "queued", "did not finish within 1s"),
    ];
    together(&table, |(flags, hold, sentence)| {
        for no_cancel in [false, true] {
            let steps = vec![StepPlan::of("Build ipa", "script", 100.0)];
            let plan = Plan { hold: Some((*hold).into()), queued_seconds: 0.1, steps, ..Plan::default() };
            let sim = simulator().advance(Advance::Clock).plan(plan).start().unwrap();
            let call = Call::following(&sim, flags).args(if no_cancel { "--no-cancel" } else { "" });
            let done = call.run();
            let (end, cancels) = if no_cancel { ("left running", 0) } else { ("canceled", 1) };
            done.exit_code(6).stderr_contains(&format!(
                "cibridge: error: Codemagic build 1 {sentence}; {end}\nhint: raise --timeout"
            ));
            assert_eq!(done.document()["outcome"], "timed_out");
            assert_eq!(sim.counters().cancels, cancels, "{done}");
        }
    });
}

#[test]
fn a_limit_holds_while_nothing_can_be_read() {
    let sim = simulator().plan(short()).start().unwrap();
    sim.fault(Fault::status(503).on("GET", "").always());
    Call::following(&sim, "--timeout 500ms")
        .run()
        .exit_code(6)
        .stderr_contains("did not finish within 500ms; canceled");
    assert_eq!(sim.counters().cancels, 1);
}

#[test]
fn a_build_that_ended_at_the_limit_is_not_canceled() {
    let sim = simulator().advance(Advance::Manual).plan(short()).start().unwrap();
    let running = Call::to(&sim, "codemagic trigger --wait --poll-interval 1h --timeout 1s").spawn();
    assert!(sim.wait_for(Duration::from_secs(10), |state| state.counters().builds_started == 1));
    sim.advance(1000.0);
    running.finish().exit_code(0).stderr_contains("Codemagic build 1 succeeded");
    assert_eq!(sim.counters().cancels, 0);
}

#[test]
fn a_cancel_that_fails_is_reported() {
    let sim =
        simulator().advance(Advance::Clock).plan(Plan { hold: Some("queued".into()), ..short() }).start().unwrap();
    sim.fault(Fault::status(403).path("/cancel").always());
    Call::following(&sim, "--timeout 300ms").run().exit_code(6).stderr_contains(
        "did not finish within 300ms; could not be canceled and may still be running (access denied for this API key (HTTP 403",
    );
}

#[test]
fn the_wrong_commit_is_canceled() {
    let commit = "c5f94176a1b2c3d4e5f60718293a4b5c6d7e8f90";
    let plan = Plan { commit: Some(commit.into()), hold: Some("building".into()), ..short() };
    let sim = simulator().plan(plan).start().unwrap();
    let done = Call::following(&sim, "--expect-commit 0123456789").run();
    done.exit_code(7).stderr_contains(
        "cibridge: error: Codemagic build 1 is of commit COMMIT instead of the expected one: the branch moved; canceled\n\
         hint: start it again for the new head, or build a tag, which does not move\n",
    );
    assert!(done.stderr.contains(commit));
    assert_eq!((sim.counters().cancels, &done.document()["outcome"]), (1, &json!("wrong_commit")));

    for wanted in [commit, "c5f9417", "C5F94176A1"] {
        let sim = simulator().plan(Plan { commit: Some(commit.into()), ..short() }).start().unwrap();
        Call::following(&sim, "--expect-commit").args(wanted).run().exit_code(0);
    }
    // No build is of such a commit: each would be started and canceled.
    let sim = simulator().start().unwrap();
    for wrong in ["main", "c5f94", "HEAD~1", "0123456789abcdeg"] {
        let done = Call::following(&sim, "--expect-commit").args(wrong).run();
        done.exit_code(2).stderr_contains("--expect-commit: expected the hash of a commit, at least 7 of its digits");
    }
    assert_eq!(sim.counters().builds_started, 0);
    // A build that has ended cannot be canceled, and is the wrong one all the same.
    let sim = simulator().plan(Plan { commit: Some(commit.into()), ..short() }).start().unwrap();
    let id = started(&sim);
    sim.advance_build(&id, &Target::End);
    Call::to(&sim, "codemagic wait --expect-commit 0123456789").arg(&id).run().exit_code(7);
}

#[test]
fn several_builds_end_with_the_worst_code() {
    let sim = simulator().start().unwrap();
    for plan in
        [short(), Plan { v3_status: Some("warning".into()), ..short() }, Plan::failing("Build ipa", "no profile\n")]
    {
        sim.plan(Plan { times: Some(1), ..plan });
    }
    let ids: Vec<_> = (0..3).map(|_| started(&sim)).collect();
    let wait = |ids: &[String]| {
        let call = Call::to(&sim, "codemagic wait --json --poll-interval 20ms");
        ids.iter().fold(call, Call::arg).run()
    };
    let done = wait(&ids);
    done.exit_code(1)
        .stderr_contains("[1] status: finished\n")
        .stderr_contains("Codemagic build 1 succeeded")
        .stderr_contains("cibridge: error: Codemagic build 2 ended with warnings")
        .stderr_contains("cibridge: error: Codemagic build 3 failed in step \"Build ipa\"");
    let document = done.json();
    assert_eq!((&document["outcome"], &document["exit_code"]), (&json!("failed"), &json!(1)));
    let codes: Vec<_> = document["builds"].as_array().unwrap().iter().map(|build| build["exit_code"].clone()).collect();
    assert_eq!(codes, [0, 3, 1]);
    let found: Vec<_> =
        document["builds"].as_array().unwrap().iter().map(|build| build["build"]["id"].clone()).collect();
    assert_eq!(found, ids);
    wait(&ids[..2]).exit_code(3);
    // One build is one document, also in `wait`; its page names it as well as its id.
    let page = format!("https://codemagic.io/app/{}/build/{}/?tab=x", sim.app_id(), ids[0]);
    let done = wait(&[page]);
    assert_eq!(done.exit_code(0).json()["build"]["id"], ids[0].as_str());
}

#[test]
fn the_first_bad_end_cancels_the_others_when_asked() {
    for fail_fast in [true, false] {
        let sim = simulator().start().unwrap();
        sim.plan(Plan { times: Some(1), ..Plan::failing("Build ipa", "no profile\n") });
        sim.plan(if fail_fast { Plan { hold: Some("building".into()), ..short() } } else { short() });
        let (bad, other) = (started(&sim), started(&sim));
        let call = Call::to(&sim, "codemagic wait --cancel --poll-interval 20ms").arg(&bad).arg(&other);
        let done = call.args(if fail_fast { "--fail-fast" } else { "" }).run();
        done.exit_code(1);
        assert_eq!(sim.build(&other).unwrap().cancels, u32::from(fail_fast), "{done}");
        let expected = if fail_fast { "canceled" } else { "success" };
        assert_eq!(done.document()["builds"][1]["outcome"], expected, "{done}");
        if fail_fast {
            done.stderr_contains(
                "cibridge: error: Codemagic build 2 was not waited for because another build failed; canceled\n",
            );
        }
    }
}

#[test]
fn earlier_builds_tell_how_long_it_usually_takes() {
    let history = History { durations: vec![830.0, 840.0, 850.0], ..History::default() };
    let sim = simulator().plan(short()).history(history).start().unwrap();
    Call::following(&sim, "")
        .run()
        .exit_code(0)
        .stderr_contains("status: queued\n")
        .stderr_contains("usual duration: 14m 00s\n");
}

#[test]
fn the_result_file_holds_the_id_while_the_build_runs() {
    let sim = simulator().plan(Plan { hold: Some("building".into()), ..short() }).start().unwrap();
    let running = Call::following(&sim, "").spawn();
    let id = running.first_line();
    running.wait_for_stderr("status: building");
    let document = running.result();
    crate::support::document::check(&document);
    assert_eq!((&document["outcome"], &document["exit_code"]), (&json!("running"), &json!(null)));
    assert_eq!(document["build"]["id"], id.as_str());
    let entries: Vec<_> = std::fs::read_dir(running.folder()).unwrap().collect();
    assert_eq!(entries.len(), 1, "no temporary file is left: {entries:?}");
    running.signal("KILL");
    let done = running.finish();
    assert_eq!((done.exit(), &done.document()["build"]["id"]), (-9, &json!(id)));
}

/// The disk fills up, or the folder goes away, after the start: the build is still followed to its end.
#[test]
fn a_result_file_that_cannot_be_written_any_more_loses_no_build() {
    for (wait, code) in [("--wait --poll-interval 20ms", 16), ("", 16)] {
        let sim = simulator().plan(short()).start().unwrap();
        sim.fault(Fault::slow(Duration::from_millis(500)).on("POST", "/builds"));
        let call = Call::to(&sim, "codemagic trigger").args(wait);
        let folder = call.folder().join("gone");
        std::fs::create_dir(&folder).unwrap();
        let running = call.args("--result-file").arg(folder.join("result.json")).spawn();
        assert!(sim.wait_for_requests("POST", "/builds", 1));
        std::fs::remove_dir_all(&folder).unwrap();
        let done = running.finish();
        done.exit_code(code).stderr_contains("cibridge: error: the result file ").stdout_is("BUILD\n");
        let ended = sim.builds()[0].status == "finished";
        assert_eq!(ended, !wait.is_empty(), "{done}");
    }
}

#[test]
fn a_full_disk_loses_no_build() {
    let call = Call::to(&simulator().start().unwrap(), "");
    let disk = call.folder().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let Some(_mount) = Mount::small(&disk) else {
        println!("skipped: this machine does not allow mounting a small disk");
        return;
    };
    let sim = simulator().plan(short()).start().unwrap();
    sim.fault(Fault::slow(Duration::from_millis(500)).on("POST", "/builds"));
    let running = Call::following(&sim, "--result-file").arg(disk.join("result.json")).spawn();
    assert!(sim.wait_for_requests("POST", "/builds", 1));
    // As full as it gets: not a byte of the document fits.
    drop(std::fs::write(disk.join("filler"), vec![0; 1 << 20]));
    let done = running.finish();
    done.exit_code(16)
        .stderr_contains("cibridge: error: the result file ")
        .stderr_contains("No space left on device")
        .stderr_contains("Codemagic build 1 succeeded");
}

/// A small file system that goes away with the test.
struct Mount(std::path::PathBuf);

impl Mount {
    fn small(path: &std::path::Path) -> Option<Self> {
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64k", "none"])
            .arg(path)
            .stderr(std::process::Stdio::null())
            .status();
        mounted.is_ok_and(|status| status.success()).then(|| Self(path.to_owned()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        drop(std::process::Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

/// For a pipeline that holds no executor while it waits.
#[test]
fn a_single_poll_says_when_the_next_is_worthwhile() {
    let sim = simulator().advance(Advance::Manual).plan(short()).start().unwrap();
    let (first, second) = (started(&sim), started(&sim));
    let poll = |ids: &[&str]| ids.iter().fold(Call::to(&sim, "codemagic wait --once --json"), Call::arg).run();
    let document = poll(&[&first]).exit_code(0).json();
    assert_eq!((&document["outcome"], &document["build"]["status"]), (&json!("running"), &json!("queued")));
    assert!(document["next_poll_seconds"].as_u64().is_some_and(|seconds| (1..=600).contains(&seconds)), "{document}");
    sim.advance_build(&first, &Target::End);
    let document = poll(&[&first]).exit_code(0).json();
    assert_eq!((&document["outcome"], document.get("next_poll_seconds")), (&json!("success"), None));
    assert_eq!(sim.counters().cancels, 0, "a build that still runs is left alone");
    // While one still runs, the call is not over, whatever its place in the list.
    let third = started(&sim);
    for ids in [[&first, &third], [&third, &second]] {
        let document = poll(&ids.map(String::as_str)).exit_code(0).json();
        assert_eq!(document["outcome"], "running", "{document}");
    }
}

#[test]
fn status_polls_each_build_once() {
    let sim = simulator().advance(Advance::Manual).start().unwrap();
    sim.plan(Plan { times: Some(1), ..short() });
    sim.plan(Plan { times: Some(1), ..Plan::failing("Build ipa", "x") });
    let (good, bad) = (started(&sim), started(&sim));
    let status =
        |ids: &[&str], more: &str| ids.iter().fold(Call::to(&sim, "codemagic status").args(more), Call::arg).run();
    let done = status(&[&good], "");
    done.exit_code(0).stdout_is("BUILD\t1\tqueued\thttps://codemagic.io/app/APP/build/BUILD\n").stderr_is("");
    assert_eq!(done.document()["outcome"], "running");
    sim.advance(10_000.0);
    assert_eq!(status(&[&good], "").exit_code(0).document()["outcome"], "success");
    let done = status(&[&good, &bad], "");
    done.exit_code(1).stdout_is(
        "BUILD\t1\tfinished\thttps://codemagic.io/app/APP/build/BUILD\nBUILD\t2\tfailed\thttps://codemagic.io/app/APP/build/BUILD\n",
    );
    let document = status(&[&good, &bad], "--json").exit_code(1).json();
    assert_eq!(document["builds"][1]["steps"][4], json!({"name": "Build ipa", "status": "failed", "seconds": 120}));
    status(&["6a941a0014bf8ccd332f2844"], "")
        .exit_code(11)
        .stderr_contains("build BUILD: not found, or not visible with this API key");
}

#[test]
fn cancel_is_content_with_a_build_that_ended() {
    let sim = simulator().advance(Advance::Manual).plan(short()).start().unwrap();
    let (running, ended) = (started(&sim), started(&sim));
    let cancel = |ids: &[&str]| ids.iter().fold(Call::to(&sim, "codemagic cancel"), Call::arg).run();
    cancel(&[&running]).exit_code(0).stderr_is("Codemagic build BUILD: canceled\n").stdout_is("");
    sim.advance(10_000.0);
    // 208, without JSON.
    let done = cancel(&[&ended]);
    done.exit_code(0).stderr_is("Codemagic build BUILD: had already ended (finished)\n");
    assert_eq!(sim.requests_to("POST", "/cancel").last().unwrap().status, Some(208));
    assert_eq!(done.document()["outcome"], "success");
    let missing = "6a941a0014bf8ccd332f2844";
    cancel(&[missing]).exit_code(11).stderr_contains("cibridge: error: build BUILD: not found, or not visible");
    // One wrong id does not keep the others running.
    let third = started(&sim);
    let done = cancel(&[missing, &third]);
    done.exit_code(11);
    assert_eq!(sim.build(&third).unwrap().cancels, 1);
    assert_eq!(done.document()["builds"][1]["outcome"], "success");
}

#[test]
fn a_login_page_is_no_cancel() {
    let sim = simulator().plan(short()).start().unwrap();
    let id = started(&sim);
    sim.fault(Fault::page(Page::Sso).path("/cancel").always());
    Call::to(&sim, "codemagic cancel")
        .arg(&id)
        .run()
        .exit_code(14)
        .stderr_contains("127.0.0.1 answered with an HTML page");
    let slow = Plan { cancel: CancelPlan { delay_seconds: 0.0, ..CancelPlan::default() }, ..short() };
    let sim = simulator().plan(slow).start().unwrap();
    let id = started(&sim);
    sim.fault(Fault::status(503).path("/cancel"));
    Call::to(&sim, "codemagic cancel").arg(&id).run().exit_code(0);
    assert_eq!(sim.counters().cancels, 1);
}

#[test]
fn builds_are_listed_by_what_is_asked() {
    let history = |workflow: &str, branch: &str, labels: &[&str], status: &str| History {
        workflow_id: workflow.into(),
        branch: branch.into(),
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        durations: vec![60.0],
        status: status.into(),
        ..History::default()
    };
    let sim = simulator()
        .history(history("ios-release", "main", &["nightly"], "finished"))
        .history(history("ios-release", "feature/x y", &["nightly", "qa"], "failed"))
        .history(history("android-release", "main", &[], "canceled"))
        .start()
        .unwrap();
    let list = |flags: &str, branch: &str| {
        let call =
            Call::to(&sim, "codemagic builds").without("CODEMAGIC_WORKFLOW").without("CODEMAGIC_BRANCH").args(flags);
        let call = if branch.is_empty() { call } else { call.args("--branch").arg(branch) };
        let done = call.run();
        done.exit_code(0).stderr_is("");
        let mut numbers: Vec<_> = done.stdout.lines().map(|line| line.split('\t').nth(1).unwrap().to_owned()).collect();
        numbers.sort();
        numbers.join(" ")
    };
    for (flags, branch, found) in [
        ("", "", "1 2 3"),
        ("--workflow ios-release", "", "1 2"),
        ("", "main", "1 3"),
        ("", "feature/x y", "2"),
        ("--label nightly", "", "1 2"),
        ("--label nightly --label qa", "", "2"),
        ("--status failed", "", "2"),
        ("--status queued", "", ""),
        ("--tag v1", "", ""),
    ] {
        assert_eq!(list(flags, branch), found, "{flags} {branch}");
    }
    assert_eq!(list("--limit 2", "").split(' ').count(), 2);
    Call::to(&sim, "codemagic builds --app-id 60a0b1c2d3e4f56789abcd22")
        .run()
        .exit_code(11)
        .stderr_contains("no list shows its builds");
    Call::to(&sim, "codemagic builds --status odd")
        .run()
        .exit_code(2)
        .stderr_contains("--status: `odd` is not one of queued");
    let done = Call::to(&sim, "codemagic builds --status failed").without("CODEMAGIC_BRANCH").run();
    let document =
        Call::to(&sim, "codemagic builds --json --status failed").without("CODEMAGIC_BRANCH").run().exit_code(0).json();
    let created = document["builds"][0]["build"]["created_at"].as_str().expect("a time");
    done.stdout_is(&format!(
        "BUILD\t2\tfailed\tios-release\tfeature/x y\t{created}\t60\thttps://codemagic.io/app/APP/build/BUILD\n"
    ));
    assert_eq!(document["builds"][0]["build"]["labels"], json!(["nightly", "qa"]));
    assert_eq!((&document["outcome"], &document["exit_code"]), (&json!("success"), &json!(0)));
}

#[test]
fn a_long_list_is_read_page_by_page() {
    let history = History { durations: vec![10.0; 120], ..History::default() };
    let sim = simulator().history(history).start().unwrap();
    let done = Call::to(&sim, "codemagic builds --limit 110").run();
    assert_eq!(done.exit_code(0).stdout.lines().count(), 110);
    let mut ids: Vec<_> = done.stdout.lines().collect();
    ids.dedup();
    assert_eq!(ids.len(), 110);
    assert_eq!(sim.requests_to("GET", "/api/*/teams/*/builds").len(), 3);
}

/// A limit that is almost used up stretches the pauses, so that it is never met twice in a row.
#[test]
fn a_rate_limit_that_was_reached_is_not_reached_again_at_once() {
    let sim = simulator().plan(Plan { hold: Some("building".into()), ..short() }).start().unwrap();
    let id = started(&sim);
    sim.fault(Fault::rate_limited(3600).on("GET", &format!("/api/*/builds/{id}")).nth(3));
    let running = Call::to(&sim, "codemagic wait --poll-interval 20ms").arg(&id).spawn();
    running.wait_for_stderr("the limit of 5000 requests per hour is used up, more are allowed in 1h 00m (HTTP 429: Too Many Requests); retrying in 1h");
    running.signal("TERM");
    running.finish().exit_code(143);
}

/// A caller that polls again and again says since when it waits; the binary alone knows its limits.
#[test]
fn a_limit_counts_from_when_the_waiting_began() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    for (waited, code, cancels) in [(1_000, 0, 0), (3_601_000, 6, 1)] {
        let sim = simulator().plan(Plan { hold: Some("building".into()), ..short() }).start().unwrap();
        let id = started(&sim);
        let since = (now - waited).to_string();
        let done =
            Call::to(&sim, "codemagic wait --once --cancel --timeout 1h --waiting-since").arg(since).arg(&id).run();
        done.exit_code(code);
        assert_eq!(sim.counters().cancels, cancels, "{done}");
        if code == 0 {
            assert!((1..=3600).contains(&done.document()["next_poll_seconds"].as_u64().unwrap()), "{done}");
        } else {
            done.stderr_contains("did not finish within 1h; canceled");
            assert_eq!(done.document()["outcome"], "timed_out");
        }
    }
}

/// The API has no log of a step that still runs: each step's log is shown when the step has ended.
#[test]
fn the_log_of_each_step_is_shown_when_it_ends() {
    let log = |text: &str| Some(text.to_owned());
    let plan = Plan {
        steps: vec![
            StepPlan { log: log("one\ntwo &lt;b&gt;\nthree\n"), ..StepPlan::of("Fetch", "script", 10.0) },
            StepPlan { log: log("a\nb\nc\n"), status: "failed".into(), ..StepPlan::of("Build ipa", "script", 100.0) },
        ],
        ..Plan::default()
    };
    let sim = simulator().plan(plan).start().unwrap();
    let done = Call::following(&sim, "--console --log-lines 2").run();
    done.exit_code(1)
        .stderr_contains("log of step \"Fetch\":\n(lines left out: 1; --log-lines, or logLines in a Jenkinsfile, shows more)\n| two <b>\n| three\n")
        .stderr_contains("log of step \"Build ipa\":\n| a\n| b\n| c\nstatus: failed\n")
        .stderr_lacks("| one\n")
        .stderr_lacks("last lines of the log");
    // A step that began is reported after the log of the one before it.
    let mut plan = short();
    plan.steps[0].log = log("text\n");
    let sim = simulator().plan(plan).start().unwrap();
    let done = Call::following(&sim, "--console").run();
    done.exit_code(0);
    let place = |text: &str| done.stderr.find(text).unwrap_or_else(|| panic!("{text}\n{done}"));
    assert!(place("log of step \"Fetch\":\n| text\n") < place("step \"Build ipa\": started\n"), "{done}");
}

/// Whoever names a step does not fill the console.
#[test]
fn a_giant_name_of_a_step_is_cut() {
    let sim = simulator().plan(Plan::failing(&"x".repeat(100_000), "short\n")).start().unwrap();
    let done = Call::following(&sim, "--console").run();
    done.exit_code(1).stderr_contains("step \"xxx").stderr_contains("log of step \"xxx").stderr_contains("| short\n");
    assert!(done.stderr.lines().all(|line| line.chars().count() <= 5000), "{}", done.stderr.len());
    let steps = done.stderr.lines().filter(|line| line.starts_with("step ")).all(|line| line.chars().count() <= 600);
    assert!(steps, "{}", done.stderr.len());
}

/// The limit of the call ends what a request waits for: a log, a list of steps, a link, a poll.
#[test]
fn the_time_limit_of_the_call_bounds_every_answer() {
    let failing = || Plan::failing("Build ipa", &"a line of the log\n".repeat(100));
    let drip = || Fault::new(FaultKind::Drip { bytes: 1, interval_ms: 100 }).always();
    let hang = || Fault::new(FaultKind::Hang { max_ms: 60_000 }).always();
    let cases = [
        (failing(), drip().path("/logs/"), "--log-lines 200", 1),
        (failing(), hang().path("/actions"), "", 6),
        (Plan::default(), hang().path("/artifacts/"), "--artifacts *", 6),
        (Plan::default(), hang().on("GET", "/api/v3/builds/"), "", 6),
    ];
    together(&cases, |(plan, fault, arguments, code)| {
        let sim = simulator().plan(plan.clone()).start().unwrap();
        sim.fault(fault.clone());
        let call = Call::following(&sim, arguments);
        let folder = call.folder().to_owned();
        let started = Instant::now();
        call.args("--timeout 2s --artifacts-dir").arg(folder).run().exit_code(*code);
        assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    });
}

//! `--artifacts` and `--junit` on `trigger` and `wait`: the whole round in one process.

use std::fs;

use cibridge_simulator::{ArtifactPlan, Fault, Plan};
use serde_json::json;

use super::{ended, file, files, leaving, listed};
use crate::support::{Call, simulator, started};

/// A call that follows builds, with their artifacts to be laid into `files`.
fn home(call: Call, arguments: &str) -> Call {
    let dir = files(&call);
    call.env("CIBRIDGE_POLL_INTERVAL", "20ms").env("CIBRIDGE_ARTIFACTS_DIR", dir.to_str().unwrap()).args(arguments)
}

#[test]
fn one_call_starts_follows_and_fetches() {
    let sim = leaving([file("out/Demo.ipa", 300_000), file("Demo.apk", 1000)]).start().unwrap();
    let call = home(Call::to(&sim, "codemagic trigger --wait"), "--artifacts *.ipa");
    let xml = call.folder().join("reports/tests.xml");
    let done = call.arg("--junit").arg(&xml).run();
    done.exit_code(0).stdout_is("BUILD\n");
    assert_eq!(listed(&files(&done.call)), ["Demo.ipa"]);
    done.stderr_contains("Codemagic build 1 succeeded after 5m 00s\n")
        .stderr_contains("/files/Demo.ipa (300.0 kB)\n")
        .stderr_contains("(12 passed, 0 failed, 0 skipped)");
    let document = done.document();
    let real = sim.builds()[0].artifacts[0].clone();
    let bytes = fs::read(files(&done.call).join("Demo.ipa")).unwrap();
    assert_eq!(
        document["artifacts"],
        json!([
            {"name": "out/Demo.ipa", "type": "ipa", "size": 300_000,
             "path": files(&done.call).join("Demo.ipa"), "md5": real.md5, "sha256": super::sha256(&bytes)},
            {"name": "Demo.apk", "type": "ipa", "size": 1000, "path": null,
             "md5": sim.builds()[0].artifacts[1].md5, "sha256": null},
        ])
    );
    assert_eq!(
        document["tests"],
        json!({"passed": 12, "failed": 0, "errored": 0, "skipped": 0, "failures": [], "junit": xml})
    );
    assert!(fs::read_to_string(xml).unwrap().contains("<testsuites tests=\"12\""));
    assert_eq!(sim.counters().leaked_credentials, 0);
}

/// What cannot be had at the end is refused at the start: no build, no minutes.
#[test]
fn what_is_to_be_collected_is_checked_before_the_start() {
    let sim = simulator().start().unwrap();
    for arguments in ["--artifacts *.ipa", "--junit tests.xml"] {
        let done = Call::to(&sim, "codemagic trigger").args(arguments).run();
        done.exit_code(2).stderr_contains("--artifacts and --junit require --wait");
    }
    let call = Call::to(&sim, "codemagic trigger --wait --artifacts *.ipa");
    let taken = call.file("taken", "");
    call.arg("--artifacts-dir")
        .arg(taken.join("x"))
        .run()
        .exit_code(16)
        .stderr_contains("cibridge: error: the folder ");
    let call = Call::to(&sim, "codemagic trigger --wait");
    let folder = call.folder().to_owned();
    call.arg("--junit")
        .arg(folder)
        .run()
        .exit_code(16)
        .stderr_contains("cibridge: error: JUnit file ")
        .stderr_contains("is a folder, not a file");
    assert_eq!(sim.requests().len(), 0);
}

/// A build shows its artifacts a little after its end.
#[test]
fn artifacts_that_are_late_are_waited_for() {
    let late =
        |seconds| Plan { artifacts: vec![file("Demo.ipa", 1000)], artifacts_late_seconds: seconds, ..Plan::default() };
    let sim = simulator().plan(late(1.0)).start().unwrap();
    let done = home(Call::to(&sim, "codemagic trigger --wait"), "--artifacts *").run();
    done.exit_code(0);
    assert_eq!(listed(&files(&done.call)), ["Demo.ipa"]);

    // It succeeded, and yet what was wished for is not there.
    let sim = leaving([file("Demo.ipa", 1000)]).start().unwrap();
    let done = home(Call::to(&sim, "codemagic trigger --wait"), "--artifacts *.aab").run();
    done.exit_code(11).stderr_contains("no artifact of Codemagic build 1 matches '*.aab'\nhint: it has Demo.ipa (ipa); --allow-none (allowNone in a Jenkinsfile) accepts it\n");
    assert_eq!(done.document()["outcome"], "refused");
    let done = home(Call::to(&sim, "codemagic trigger --wait"), "--artifacts *.aab --allow-none").run();
    done.exit_code(0).stderr_contains("matches '*.aab'\n");
}

/// A failed build's code is never hidden; what it left may say why.
#[test]
fn a_failed_build_gives_what_is_there_and_keeps_its_code() {
    let failing =
        Plan { artifacts: vec![ArtifactPlan::text("why.log", "log", "why")], ..Plan::failing("Build ipa", "no\n") };
    let sim = simulator().plan(failing).start().unwrap();
    let done = home(Call::to(&sim, "codemagic trigger --wait"), "--artifacts *").run();
    done.exit_code(1);
    assert_eq!(listed(&files(&done.call)), ["why.log"]);

    let sim = simulator().plan(Plan::failing("Build ipa", "no\n")).start().unwrap();
    let done = home(Call::to(&sim, "codemagic trigger --wait"), "--artifacts *.ipa").run();
    done.exit_code(1).stderr_contains("no artifact of Codemagic build 1 matches '*.ipa'\n");

    let sim = simulator()
        .plan(Plan { artifacts: vec![file("a.ipa", 10)], ..Plan::failing("Build ipa", "no\n") })
        .start()
        .unwrap();
    sim.fault(Fault::status(403).path("/artifacts/").always());
    let done = home(Call::to(&sim, "codemagic trigger --wait"), "--artifacts *.ipa").run();
    done.exit_code(1).stderr_contains("downloading a.ipa: 127.0.0.1 refused the request (HTTP 403)");
    assert_eq!(done.document()["outcome"], "failed");
    assert!(done.document()["error"]["message"].as_str().unwrap().contains("a.ipa"));
}

/// A good build whose file does not come home is no good end of the call.
#[test]
fn a_good_build_whose_file_is_lost_ends_with_that_code() {
    let sim = leaving([file("Demo.ipa", 1000)]).start().unwrap();
    sim.fault(Fault::status(403).path("/artifacts/").always());
    let done = home(Call::to(&sim, "codemagic trigger --wait"), "--artifacts *.ipa").run();
    done.exit_code(10);
    assert_eq!(done.document()["outcome"], "refused");
    assert_eq!(done.document()["build"]["status"], "finished", "the build itself is told as it ended");
}

#[test]
fn a_canceled_build_leaves_nothing_to_fetch() {
    let sim = simulator().plan(Plan::ending("canceled")).start().unwrap();
    let done = home(Call::to(&sim, "codemagic trigger --wait"), "--artifacts * --junit t.xml").run();
    done.exit_code(4);
    assert!(!files(&done.call).exists());
}

/// Several builds may leave files of the same names.
#[test]
fn each_of_several_builds_gets_a_folder_of_its_own() {
    let sim = leaving([file("Demo.ipa", 1000)]).start().unwrap();
    let ids = [ended(&sim), started(&sim)];
    let call = ids.iter().fold(Call::to(&sim, "codemagic wait"), Call::arg);
    let xml = call.folder().join("tests.xml");
    let done = home(call, "--artifacts *").arg("--junit").arg(&xml).run();
    done.exit_code(0);
    let mut folders = ids.clone();
    folders.sort();
    assert_eq!(listed(&files(&done.call)), folders);
    let document = done.document();
    for (n, id) in ids.iter().enumerate() {
        let path = files(&done.call).join(id).join("Demo.ipa");
        assert_eq!(fs::metadata(&path).unwrap().len(), 1000);
        assert_eq!(document["builds"][n]["artifacts"][0]["path"], path.to_str().unwrap());
    }
    let xml = fs::read_to_string(xml).unwrap();
    for name in ["Codemagic build 1 Run unit tests.demo_test_dart", "Codemagic build 2 Run unit tests.demo_test_dart"] {
        assert!(xml.contains(name), "{xml}");
    }
}

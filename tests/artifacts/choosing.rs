//! Which artifacts are taken, and what is said when none is.

use std::time::Duration;

use cibridge_simulator::{ArtifactPlan, Fault, FaultKind, Listener, Plan};
use serde_json::json;

use super::{call, files, holds, is_missing, leaving, listed, stored, with};
use crate::support::{Call, simulator, started};

fn several() -> [ArtifactPlan; 4] {
    [
        ArtifactPlan::of("build/ios/Demo.ipa", "ipa", 3000),
        ArtifactPlan::of("Demo.apk", "apk", 2000),
        ArtifactPlan::of("Demo.app.dSYM.zip", "dsym", 1000),
        ArtifactPlan { no_size: true, ..ArtifactPlan::text("notes.txt", "glob_matched", "text") },
    ]
}

#[test]
fn they_are_listed_without_being_fetched() {
    let (sim, id) = with(leaving(several()));
    let done = call(&sim, &id).args("--list").run();
    done.exit_code(0).stderr_is("").stdout_is(
        "3000\tipa\tbuild/ios/Demo.ipa\n2000\tapk\tDemo.apk\n1000\tdsym\tDemo.app.dSYM.zip\n-\tglob_matched\tnotes.txt\n",
    );
    assert_eq!((sim.requests().len(), listed(&files(&done.call)).len()), (1, 0), "one request, no file");
    let some = call(&sim, &id).args("--list --type IPA --type apk --match *.ipa").run();
    some.exit_code(0).stdout_is("3000\tipa\tbuild/ios/Demo.ipa\n");

    let document = call(&sim, &id).args("--list --json").run().exit_code(0).json();
    let sums: Vec<_> = sim.build(&id).unwrap().artifacts.into_iter().map(|artifact| artifact.md5).collect();
    assert_eq!(
        document["artifacts"][0],
        json!({"name": "build/ios/Demo.ipa", "type": "ipa", "size": 3000, "path": null, "md5": sums[0], "sha256": null})
    );
    assert_eq!((&document["outcome"], &document["exit_code"]), (&json!("success"), &json!(0)));
}

#[test]
fn names_and_types_choose() {
    let (sim, id) = with(leaving(several()));
    for (arguments, taken) in [
        ("", vec!["Demo.apk", "Demo.app.dSYM.zip", "Demo.ipa", "notes.txt"]),
        ("--match *.ipa", vec!["Demo.ipa"]),
        ("--match build/**/*", vec!["Demo.ipa"]),
        ("--match *.{ipa,apk}", vec!["Demo.apk", "Demo.ipa"]),
        ("--match *.ipa --match notes.*", vec!["Demo.ipa", "notes.txt"]),
        ("--type dsym", vec!["Demo.app.dSYM.zip"]),
        ("--type ipa --type apk", vec!["Demo.apk", "Demo.ipa"]),
        ("--type apk --match D*", vec!["Demo.apk"]),
    ] {
        let done = call(&sim, &id).args(arguments).run();
        done.exit_code(0);
        holds(&done, &taken);
        assert_eq!(done.stdout.lines().count(), taken.len(), "{arguments}\n{done}");
    }
    let lines = call(&sim, &id).env("CIBRIDGE_ARTIFACTS", "*.apk\n*.txt\n").env("CIBRIDGE_JOBS", "1").run();
    lines.exit_code(0);
    holds(&lines, &["Demo.apk", "notes.txt"]);
}

#[test]
fn choosing_nothing_is_an_error_that_lists_what_there_is() {
    let (sim, id) = with(leaving(several()));
    for arguments in ["--match *.aab --type ipa", "--list --match *.aab --type ipa"] {
        let done = call(&sim, &id).args(arguments).run();
        is_missing(&done, 11);
        done.stderr_is(
            "cibridge: error: no artifact of Codemagic build 1 matches '*.aab' or 'ipa'\n\
             hint: it has build/ios/Demo.ipa (ipa), Demo.apk (apk), Demo.app.dSYM.zip (dsym), \
             notes.txt (glob_matched); --allow-none (allowNone in a Jenkinsfile) accepts it\n",
        );
    }
    let done = call(&sim, &id).args("--match *.aab --allow-none").run();
    done.exit_code(0).stdout_is("").stderr_is("no matching artifact of Codemagic build 1\n");
    assert_eq!(listed(&files(&done.call)).len(), 0);

    let (sim, id) = with(leaving([]));
    let done = call(&sim, &id).run();
    is_missing(&done, 11);
    done.stderr_is(
        "cibridge: error: Codemagic build 1 has no artifacts\n\
         hint: list them under `artifacts:` in the workflow; --allow-none (allowNone in a Jenkinsfile) accepts it\n",
    );
    call(&sim, &id).args("--allow-none").run().exit_code(0);

    let many = (0..30).map(|n| ArtifactPlan::of(&format!("f{n}.bin"), "glob_matched", 1));
    let (sim, id) = with(leaving(many));
    call(&sim, &id)
        .args("--match x")
        .run()
        .exit_code(11)
        .stderr_contains("f19.bin (glob_matched), 10 more; --allow-none");
}

#[test]
fn a_build_that_is_still_running_may_create_more_artifacts() {
    let sim = simulator().plan(Plan { hold: Some("building".into()), ..Plan::default() }).start().unwrap();
    let id = started(&sim);
    let done = call(&sim, &id).run();
    is_missing(&done, 11);
    done.stderr_contains("Codemagic build 1 is still running; it may create more artifacts\n")
        .stderr_contains("has no artifacts");
}

#[test]
fn a_build_is_named_by_its_id_or_its_page() {
    let (sim, id) = with(leaving(several()));
    let page = format!("https://codemagic.io/app/{}/build/{id}", sim.app_id());
    Call::to(&sim, "codemagic artifacts --list --match *.apk")
        .arg(&page)
        .run()
        .exit_code(0)
        .stdout_is("2000\tapk\tDemo.apk\n");
    let unknown = Call::to(&sim, "codemagic artifacts --list 000000000000000000000000").run();
    unknown.exit_code(11).stderr_contains("build BUILD: not found, or not visible with this API key");
    Call::to(&sim, "codemagic artifacts --list ../etc").run().exit_code(2).stderr_contains("invalid build \"../etc\"");
    Call::to(&sim, "codemagic artifacts --list")
        .arg(&id)
        .env("CODEMAGIC_API_KEY", "wrong-key-0123456789")
        .run()
        .exit_code(10);
}

/// What cannot be written is told before anything is asked of the service.
#[test]
fn a_folder_that_cannot_be_is_refused_first() {
    let (sim, id) = with(leaving(several()));
    let call = Call::to(&sim, "codemagic artifacts").arg(&id);
    let taken = call.file("taken", "a file");
    let done = call.arg("--dir").arg(taken.join("below")).run();
    done.exit_code(16).stderr_contains("cibridge: error: the folder ").stderr_contains("/taken is not a folder");
    assert_eq!(sim.requests().len(), 0);
    let deep = Call::to(&sim, "codemagic artifacts --type apk").arg(&id);
    let dir = deep.folder().join("a/b/c");
    deep.arg("--dir").arg(&dir).run().exit_code(0);
}

/// As many as `--jobs` says, and no more; without it four, as long as none of them is complete.
#[test]
fn so_many_are_fetched_at_once() {
    for (arguments, at_once) in [("", 4), ("--jobs 1", 1), ("--jobs 16", 16)] {
        let files = (0..20).map(|n| ArtifactPlan::of(&format!("f{n}.bin"), "glob_matched", 1000));
        let (sim, id) = with(leaving(files));
        sim.fault(Fault::new(FaultKind::Hang { max_ms: 60_000 }).listener(Listener::Storage).always());
        let running = call(&sim, &id).args(arguments).spawn();
        let enough = |state: &cibridge_simulator::State<'_>| {
            state.requests().iter().filter(|request| request.listener == Listener::Storage).count() >= at_once
        };
        assert!(sim.wait_for(Duration::from_secs(10), enough));
        running.signal("TERM");
        let done = running.finish();
        is_missing(&done, 143);
        assert_eq!(stored(&sim).len(), at_once, "{arguments}");
    }
    let (sim, id) = with(leaving(several()));
    for wrong in ["0", "17", "many"] {
        call(&sim, &id).args("--jobs").args(wrong).run().exit_code(2).stderr_contains("--jobs");
    }
}

/// Without `--jobs` more files are fetched at once where each of them waits for its answer. Half of them are complete before
/// the others hang, so that it is known how many are fetched then.
#[test]
fn small_files_that_wait_for_their_answers_are_fetched_by_more_connections() {
    let requested = |state: &cibridge_simulator::State<'_>| {
        state.requests().iter().filter(|request| request.listener == Listener::Storage).count()
    };
    for (arguments, at_once) in [("", 16), ("--jobs 4", 4)] {
        let (half, files) = (20, (0..40).map(|n| ArtifactPlan::of(&format!("f{n}.bin"), "glob_matched", 1000)));
        let (sim, id) = with(leaving(files));
        sim.fault(Fault::slow(Duration::from_millis(50)).listener(Listener::Storage).times(half));
        let hang = Fault::new(FaultKind::Hang { max_ms: 60_000 });
        sim.fault(hang.listener(Listener::Storage).nth(half + 1).always());
        let running = call(&sim, &id).args(arguments).spawn();
        assert!(sim.wait_for(Duration::from_secs(30), |state| requested(state) >= half as usize + at_once));
        running.signal("TERM");
        let done = running.finish();
        done.exit_code(143);
        assert_eq!(stored(&sim).len(), half as usize + at_once, "{arguments}\n{done}");
    }
}

/// The CPU time of a running process in hundredths of a second.
fn cpu(id: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// A file that waits for its turn costs nothing while another one is downloaded.
#[test]
fn waiting_for_a_turn_takes_no_cpu() {
    let (sim, id) = with(leaving(several()));
    sim.fault(Fault::new(FaultKind::Hang { max_ms: 4000 }).listener(Listener::Storage).always());
    let running = call(&sim, &id).args("--jobs 1").spawn();
    // The second request follows the first one, which took four seconds.
    assert!(sim.wait_for(Duration::from_secs(60), |state| {
        state.requests().iter().filter(|request| request.listener == Listener::Storage).count() == 2
    }));
    let spent = cpu(running.id());
    assert!(spent < 150, "{spent} hundredths of a second");
    running.signal("TERM");
    is_missing(&running.finish(), 143);
}

/// Fifty files come over the connections of a few: no new ones for each.
#[test]
fn connections_stay_warm() {
    let files = (0..50).map(|n| ArtifactPlan::of(&format!("f{n}.bin"), "glob_matched", 1000));
    let (sim, id) = with(leaving(files));
    let done = call(&sim, &id).args("--jobs 4").run();
    done.exit_code(0).stderr_contains("50 artifacts, 50.0 kB in ");
    assert_eq!(listed(&super::files(&done.call)).len(), 50);
    let connections = sim.counters().connections;
    assert!(connections <= 9, "one for the polls, and two for each of the four: {connections}");
    assert_eq!(sim.requests_to("GET", "/api/v3/builds/").len(), 1, "the links of one poll serve them all");
}

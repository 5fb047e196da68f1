//! A machine that gives less than usual: small limits (`ulimit`), and what killed processes leave behind.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::time::{Duration, SystemTime};

use crate::support::{Call, simulator, started, together};
use cibridge_simulator::{ArtifactPlan, Plan, Simulator, Target};

/// A simulator and the id of a build that has ended, with four artifacts.
fn with_artifacts() -> (Simulator, String) {
    let artifacts = (0..4).map(|n| ArtifactPlan::of(&format!("{n}.ipa"), "ipa", 100_000)).collect();
    let sim = simulator().plan(Plan { artifacts, ..Plan::default() }).start().unwrap();
    let id = started(&sim);
    sim.advance_build(&id, &Target::End);
    (sim, id)
}

fn fetch(sim: &Simulator, id: &str) -> Call {
    let call = Call::to(sim, "codemagic artifacts").arg(id).without("CIBRIDGE_RESULT_FILE").arg("--dir");
    let dir = call.folder().join("files");
    call.arg(dir)
}

/// SIGXFSZ would end the process, and nobody would cancel its build.
#[test]
fn a_write_beyond_the_limit_of_file_sizes_is_a_local_fault() {
    let (sim, id) = with_artifacts();
    let done = fetch(&sim, &id).shell("ulimit -f 1; exec \"$@\"").run();
    done.exit_code(16).stderr_contains(".ipa: File too large\nhint: raise the limit of the size of files: ulimit -f\n");
    assert_eq!(fs::read_dir(done.call.folder().join("files")).unwrap().count(), 0, "{done}");

    let sim = simulator().start().unwrap();
    let call = Call::following(&sim, "--json").without("CIBRIDGE_RESULT_FILE");
    let done = call.shell("ulimit -f 0; exec \"$@\" > \"$OLDPWD.json\"").env("OLDPWD", "/dev/shm/cibridge-test").run();
    drop(fs::remove_file("/dev/shm/cibridge-test.json"));
    done.exit_code(16).stderr_contains("Codemagic build 1 succeeded").stderr_contains("stdout: File too large");
}

/// With less and less memory first threads and then the program itself do not start; none of that is a bug.
#[test]
fn a_thread_that_cannot_be_started_is_no_bug() {
    let (sim, id) = with_artifacts();
    let limits: Vec<_> = (10_000..30_000).step_by(2_000).collect();
    together(&limits, |kilobytes| {
        let done = fetch(&sim, &id).shell(&format!("ulimit -v {kilobytes}; exec \"$@\"")).run();
        done.stderr_lacks("bug in cibridge").stderr_lacks("panicked");
    });
}

#[test]
fn few_file_descriptors_are_a_local_fault_with_a_hint() {
    let (sim, id) = with_artifacts();
    let done = Call::to(&sim, "codemagic status").arg(&id).shell("ulimit -n 5; exec \"$@\"").run();
    done.exit_code(16).stderr_contains("\nhint: raise the limit of open files: ulimit -n\n");
}

/// The system's words, without its number and without the name of a temporary file.
#[test]
fn a_folder_that_cannot_be_used_is_named_with_the_true_reason() {
    let (sim, id) = with_artifacts();
    let call = Call::to(&sim, "codemagic artifacts").arg(&id);
    let path = |name: &str| call.folder().join(name);
    symlink("nowhere", path("dangling")).unwrap();
    fs::write(path("file"), "").unwrap();
    let folder = call.folder().to_owned();
    let try_dir = |name: &str| {
        let done = Call::to(&sim, "codemagic artifacts").arg(&id).arg("--dir").arg(folder.join(name)).run();
        done.exit_code(16).stderr_lacks("os error");
        done.stderr_text()
    };
    let shown = folder.display();
    let reason = |name: &str, reason: &str| format!("cibridge: error: the folder {shown}/{name}: {reason}\n");
    let check = "hint: check the path: folders on the way to a file are not created";
    assert_eq!(try_dir("dangling"), reason("dangling", &format!("No such file or directory\n{check}")));
    assert_eq!(try_dir("file"), reason("file", "is not a folder"));
    assert_eq!(try_dir("file/x"), reason("file/x", &format!("{shown}/file is not a folder")));
    assert!(try_dir(&"x".repeat(256)).ends_with("name too long\nhint: choose a shorter name\n"));
}

/// What was killed has left a partial file. A file that a process still has, or has just made, is not touched.
#[test]
fn a_download_removes_what_killed_ones_left() {
    let (sim, id) = with_artifacts();
    let call = fetch(&sim, &id);
    let dir = call.folder().join("files");
    fs::create_dir(&dir).unwrap();
    let long_ago = SystemTime::now() - Duration::from_secs(3600);
    let make = |name: &str, modified| {
        let file = File::create(dir.join(name)).unwrap();
        file.set_modified(modified).unwrap();
        file
    };
    make(".cibridge-killed", long_ago);
    make(".cibridge-longer-name", long_ago);
    make(".cibridge-justno", SystemTime::now());
    let in_use = make(".cibridge-in_use", long_ago);
    in_use.lock().unwrap();
    let done = call.run();
    done.exit_code(0);
    let mut names: Vec<_> = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    let left = [".cibridge-in_use", ".cibridge-justno", ".cibridge-longer-name", "0.ipa", "1.ipa", "2.ipa", "3.ipa"];
    assert_eq!(names, left);
}

#[test]
fn a_file_without_an_end_is_not_read_for_ever() {
    for call in [
        "codemagic api POST /x --input /dev/zero",
        "codemagic trigger --request /dev/zero",
        "codemagic apps --ca-cert /dev/zero",
        "jenkins config job --set /dev/zero --url http://127.0.0.1:1",
    ] {
        let done = Call::new(call).env("CODEMAGIC_API_KEY", "key-of-a-test").run();
        done.exit_code(16).stderr_contains("/dev/zero: is larger than 64 MiB\n");
    }
}

/// Text in a Jenkinsfile is often indented, or ends with an empty line.
#[test]
fn blank_lines_of_a_list_variable_are_no_values() {
    let (sim, id) = with_artifacts();
    let done = Call::to(&sim, "codemagic status").env("CIBRIDGE_BUILD", &format!("\n  \n{id}\r\n \n")).run();
    done.exit_code(0);
    assert_eq!(done.stdout.lines().count(), 1, "{done}");
}

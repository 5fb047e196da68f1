//! `artifacts`, and `--artifacts` on `trigger` and `wait`: choosing, resuming, sums, and credentials that stay at home.

use std::fs;
use std::path::Path;

use cibridge_simulator::{JenkinsArtifact, JenkinsConfig, JenkinsJob, JenkinsPlan, Listener, RequestRecord, Simulator};
use serde_json::json;

use super::{Call, built, ended, fault, planned};

const SIZE: u64 = 300_000;

fn plan() -> JenkinsPlan {
    let wrong =
        JenkinsArtifact { md5: Some("0".repeat(32)), ..JenkinsArtifact::text("out/wrong.dat", "x").fingerprinted() };
    JenkinsPlan::default()
        .artifact(JenkinsArtifact::sized("out/a b/app.bin", SIZE).fingerprinted())
        .artifact(JenkinsArtifact::text("out/ü.txt", "text"))
        .artifact(JenkinsArtifact::text("out/sub/ü.txt", "another"))
        .artifact(wrong)
}

/// The names of the files in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = entries.collect();
    names.sort();
    names
}

fn header<'a>(request: &'a RequestRecord, name: &str) -> Option<&'a str> {
    request.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

#[test]
fn they_are_listed_and_chosen_by_name_or_path() {
    let sim = planned(plan());
    ended(&sim);
    let list = |globs: &[&str]| {
        let flags = globs.iter().flat_map(|glob| ["--match", glob]);
        let arguments: Vec<_> = ["artifacts", "pipe#1", "--list"].into_iter().chain(flags).collect();
        Call::new(&sim, &arguments).run()
    };
    assert_eq!(
        list(&[]).exit_code(0).stdout,
        "-\t-\tout/a b/app.bin\n-\t-\tout/ü.txt\n-\t-\tout/sub/ü.txt\n-\t-\tout/wrong.dat\n"
    );
    assert_eq!(list(&["*.txt"]).exit_code(0).stdout, "-\t-\tout/ü.txt\n-\t-\tout/sub/ü.txt\n");
    assert_eq!(list(&["out/*.txt", "*.bin"]).exit_code(0).stdout, "-\t-\tout/a b/app.bin\n-\t-\tout/ü.txt\n");
    assert_eq!(list(&["out/**/*.{bin,dat}"]).exit_code(0).stdout, "-\t-\tout/a b/app.bin\n-\t-\tout/wrong.dat\n");
    list(&["*.zip"]).exit_code(11).stderr_contains("matches '*.zip'").stderr_contains("it has out/a b/app.bin, ");
    Call::new(&sim, &["artifacts", "pipe#1", "--match", "*.zip", "--allow-none"])
        .run()
        .exit_code(0)
        .stderr_contains("no matching artifact of Jenkins build pipe#1");
    let by_variable =
        Call::new(&sim, &["artifacts", "pipe#lastBuild", "--list"]).env("CIBRIDGE_ARTIFACTS", "*.bin\n*.dat");
    assert_eq!(by_variable.run().exit_code(0).stdout, "-\t-\tout/a b/app.bin\n-\t-\tout/wrong.dat\n");
    let none = planned(JenkinsPlan::default());
    ended(&none);
    Call::new(&none, &["artifacts", "pipe#1"])
        .run()
        .exit_code(11)
        .stderr_contains("has no artifacts")
        .stderr_contains("let the job archive them");
}

#[test]
fn files_arrive_whole_under_names_of_their_own() {
    let sim = planned(plan());
    ended(&sim);
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("made/for it");
    let fetch = |more: &[&str]| Call::new(&sim, &[&["artifacts", "pipe#1", "--dir"], more].concat());
    let run = fetch(&[dir.to_str().unwrap(), "--match", "*.{bin,txt}"])
        .run()
        .exit_code(0)
        .stderr_contains("3 artifacts, 300.0 kB");
    assert_eq!(names(&dir), ["app.bin", "ü-2.txt", "ü.txt"]);
    assert_eq!(fs::metadata(dir.join("app.bin")).unwrap().len(), SIZE);
    assert_eq!(fs::read_to_string(dir.join("ü-2.txt")).unwrap(), "another");
    assert_eq!(run.stdout.lines().count(), 3);
    let first = &run.document["artifacts"][0];
    assert_eq!((&first["name"], &first["size"]), (&json!("out/a b/app.bin"), &json!(SIZE)));
    assert_eq!(first["sha256"].as_str().unwrap().len(), 64);
    // The path is in the document, so that a script finds the file.
    assert!(Path::new(first["path"].as_str().unwrap()).is_file());
    assert_eq!(run.document["artifacts"][3]["path"], json!(null));
}

/// A fingerprint is that of the file when it was recorded; the job may have archived a later one under its name.
#[test]
fn a_fingerprint_is_no_reason_to_refuse_a_file() {
    let sim = planned(plan());
    ended(&sim);
    let folder = tempfile::tempdir().unwrap();
    Call::new(&sim, &["artifacts", "pipe#1", "--dir", folder.path().to_str().unwrap(), "--match", "*.dat"])
        .run()
        .exit_code(0)
        .stderr_contains("wrong.dat");
    assert_eq!(names(folder.path()), ["wrong.dat"]);
}

#[test]
fn a_broken_download_is_resumed_where_it_broke() {
    let cut =
        fault(&json!({"kind": "cut", "at": "answer_body", "bytes": 100_000, "listener": "jenkins", "path": "app.bin"}));
    let sim = built(JenkinsConfig::with_jobs([JenkinsJob::pipeline("pipe")]).plan(plan())).fault(cut).start().unwrap();
    ended(&sim);
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_str().unwrap();
    Call::new(&sim, &["artifacts", "pipe#1", "--dir", dir, "--match", "*.bin"]).run().exit_code(0);
    let requests: Vec<_> = sim.requests().into_iter().filter(|request| request.path.ends_with("app.bin")).collect();
    assert_eq!(requests.len(), 2);
    assert!(header(&requests[1], "range").is_some_and(|range| range.starts_with("bytes=")), "{:?}", requests[1]);
    assert_eq!(requests[1].status, Some(206));
}

/// What a controller keeps in S3, or behind a resource root URL, comes from another origin.
#[test]
fn credentials_stay_at_their_origin() {
    let mut config = JenkinsConfig::with_jobs([JenkinsJob::freestyle("pipe")]).plan(plan());
    config.artifact_redirect = true;
    let sim = built(config).start().unwrap();
    ended(&sim);
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_str().unwrap();
    let call = Call::new(&sim, &["artifacts", "pipe#1", "--dir", dir, "--match", "*.{bin,txt}", "--verbose"]);
    call.arg("--header").arg("X-Access: secret-of-the-proxy").run().exit_code(0);
    assert_eq!(names(folder.path()).len(), 3);
    let requests = sim.requests();
    let (there, here): (Vec<_>, Vec<_>) = requests.iter().partition(|request| request.listener == Listener::Storage);
    assert_eq!(there.len(), 3);
    for name in ["authorization", "x-access", "cookie"] {
        assert!(there.iter().all(|request| header(request, name).is_none()), "{name} went to the storage");
    }
    assert!(
        here.iter().all(|request| header(request, "authorization").is_some() && header(request, "x-access").is_some())
    );
}

#[test]
fn a_path_that_leads_elsewhere_is_refused() {
    let evil = JenkinsPlan {
        build_patch: json!({"artifacts": [{"fileName": "x", "relativePath": "../../x"}]}),
        ..JenkinsPlan::default()
    };
    let sim = planned(evil);
    ended(&sim);
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner");
    Call::new(&sim, &["artifacts", "pipe#1", "--dir", inner.to_str().unwrap()])
        .run()
        .exit_code(12)
        .stderr_contains("its path leads out of the build's artifacts");
    assert!(!folder.path().join("x").exists());
}

#[test]
fn a_folder_that_cannot_be_written_is_reported_before_any_request() {
    let sim = planned(plan());
    let file = tempfile::NamedTempFile::new().unwrap();
    let inside = file.path().join("x");
    let dir = inside.to_str().unwrap();
    for arguments in [
        &["artifacts", "pipe#1", "--dir", dir][..],
        &["trigger", "pipe", "--wait", "--artifacts", "*", "--artifacts-dir", dir],
        &["wait", "pipe#1", "--artifacts", "*", "--artifacts-dir", dir],
    ] {
        Call::new(&sim, arguments).run().exit_code(16).stderr_contains("the folder ");
    }
    assert!(sim.requests().is_empty());
    Call::new(&sim, &["trigger", "pipe", "--artifacts", "*"]).run().exit_code(2).stderr_contains("require --wait");
    assert!(sim.requests().is_empty());
}

fn home(sim: &Simulator, globs: &str, dir: &Path) -> Call {
    Call::new(sim, &["trigger", "pipe", "--wait", "--artifacts-dir"]).arg(dir).env("CIBRIDGE_ARTIFACTS", globs)
}

#[test]
fn artifacts_are_downloaded_at_the_end_of_a_build() {
    let folder = tempfile::tempdir().unwrap();
    let sim = planned(plan());
    let run = home(&sim, "*.bin\nout/*.txt", folder.path()).run().exit_code(0).stderr_contains("2 artifacts");
    assert_eq!(names(folder.path()), ["app.bin", "ü.txt"]);
    assert!(run.document["artifacts"][0]["path"].is_string());
    home(&sim, "*.zip", folder.path()).run().exit_code(11).stderr_contains("matches '*.zip'");
    home(&sim, "*.zip", folder.path())
        .env("CIBRIDGE_ALLOW_NONE", "1")
        .run()
        .exit_code(0)
        .stderr_contains("matches '*.zip'");
    // Of a failed build comes what is there, and its own code is not hidden.
    let failing = planned(plan().result("FAILURE"));
    let run = home(&failing, "*.dat", folder.path()).run().exit_code(1);
    assert_eq!(run.document["outcome"], "failed");
    home(&failing, "*.zip", folder.path())
        .run()
        .exit_code(1)
        .stderr_contains("no artifact of Jenkins build pipe#2 matches '*.zip'");
    // Nobody wants those of an aborted one.
    let aborted = planned(plan().result("ABORTED"));
    home(&aborted, "*.bin", folder.path()).run().exit_code(4);
    assert_eq!(names(folder.path()), ["app.bin", "wrong.dat", "ü.txt"]);
}

#[test]
fn several_builds_get_a_folder_each() {
    let folder = tempfile::tempdir().unwrap();
    let sim = planned(plan());
    ended(&sim);
    ended(&sim);
    Call::new(&sim, &["wait", "pipe#1", "pipe#2", "--artifacts", "*.bin", "--artifacts-dir"])
        .arg(folder.path())
        .run()
        .exit_code(0);
    assert_eq!(names(folder.path()), ["pipe-1", "pipe-2"]);
    assert_eq!(names(&folder.path().join("pipe-2")), ["app.bin"]);
}

/// Jenkins states no sizes; it dates its files, and so tells an empty one from an answer without anything in it.
#[test]
fn an_empty_file_is_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let sim = planned(JenkinsPlan::default().artifact(JenkinsArtifact::text("empty.txt", "")));
    ended(&sim);
    let call = Call::new(&sim, &["artifacts", "pipe#1", "--dir"]).arg(folder.path());
    call.run().exit_code(0).stderr_contains("1 artifact, 0 bytes in ");
    assert_eq!(fs::metadata(folder.path().join("empty.txt")).unwrap().len(), 0);
}

//! The core of what cibridge promises, with the binary that is shipped on the platform that it is for.
//!
//! `tests/dist/run.sh` names the binary in `CIBRIDGE_DIST_BIN` and what runs it here in `CIBRIDGE_DIST_RUNNER`:
//! `qemu-aarch64-static` for Linux on arm64, `wine` for Windows. Without them it is the binary that cargo built.

#![cfg(test)]

mod windows;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use cibridge_simulator::{Advance, ArtifactPlan, Builder, Plan, Simulator};
use serde_json::Value;
use tempfile::TempDir;

fn runner() -> Option<OsString> {
    std::env::var_os("CIBRIDGE_DIST_RUNNER").filter(|runner| !runner.is_empty())
}

/// Whether the binary is one for Windows.
fn is_windows() -> bool {
    runner().is_some_and(|runner| runner == "wine")
}

fn binary() -> PathBuf {
    let named = std::env::var_os("CIBRIDGE_DIST_BIN").or_else(|| std::env::var_os("CIBRIDGE_TEST_BIN"));
    named.map_or_else(|| env!("CARGO_BIN_EXE_cibridge").into(), PathBuf::from)
}

/// A path as the binary understands it: wine shows the root folder as drive Z.
fn path(path: &Path) -> String {
    let path = path.to_str().unwrap();
    if is_windows() { format!("Z:{}", path.replace('/', "\\")) } else { path.to_owned() }
}

/// A command that runs `program` with nothing in its environment but what the runner needs.
fn command(program: &Path) -> Command {
    let mut command = match runner() {
        Some(runner) => {
            // What waits for a key or a window under wine waits for ever.
            let mut command = if is_windows() { Command::new("timeout") } else { Command::new(&runner) };
            if is_windows() {
                command.arg("180").arg(&runner);
            }
            command.arg(program);
            command
        }
        None => Command::new(program),
    };
    only_what_the_runner_needs(&mut command);
    command
}

fn only_what_the_runner_needs(command: &mut Command) {
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env("LC_ALL", "C.UTF-8"); // Wine reads variables and file names in the locale's encoding.
    for name in ["PATH", "HOME", "WINEPREFIX", "WINEDEBUG"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
}

/// The variables that a Jenkinsfile sets, for this simulator.
fn environment(sim: &Simulator) -> [(&'static str, String); 6] {
    [
        ("CODEMAGIC_API_KEY", sim.key()),
        ("CODEMAGIC_API_URL", sim.v3_url().to_owned()),
        ("CODEMAGIC_LEGACY_API_URL", sim.legacy_url().to_owned()),
        ("CODEMAGIC_APP_ID", sim.app_id()),
        ("CODEMAGIC_WORKFLOW", "ios-release".to_owned()),
        ("CODEMAGIC_BRANCH", "main".to_owned()),
    ]
}

/// One call of cibridge, with a folder of its own and a result file in it.
struct Call {
    command: Command,
    folder: TempDir,
}

impl Call {
    fn new(sim: &Simulator, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = command(&binary());
        command.envs(environment(sim)).args(arguments);
        command.env("CIBRIDGE_POLL_INTERVAL", "100ms");
        command.env("CIBRIDGE_RESULT_FILE", path(&folder.path().join("result.json")));
        Self { command, folder }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    fn run(mut self) -> Ended {
        let output = self.command.output().unwrap();
        Ended::of(&output, self.folder)
    }

    fn spawn(mut self) -> (Child, TempDir) {
        (self.command.spawn().unwrap(), self.folder)
    }
}

/// A call that has ended.
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
    document: Value,
    folder: TempDir,
}

impl Ended {
    fn of(output: &Output, folder: TempDir) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let document = fs::read(folder.path().join("result.json")).unwrap_or_default();
        Self {
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
            document: serde_json::from_slice(&document).unwrap_or_default(),
            folder,
        }
    }

    /// The exit code is this one, and the result file says the same.
    #[track_caller]
    fn exit_code(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stderr, self.document);
        assert_eq!(self.document["exit_code"], code, "{}\n{}", self.stderr, self.document);
        self
    }

    #[track_caller]
    fn stderr_contains(&self, part: &str) -> &Self {
        assert!(self.stderr.contains(part), "no {part:?} in\n{}", self.stderr);
        self
    }
}

fn simulator() -> Builder {
    Simulator::builder().advance(Advance::Poll).config(|config| config.limit_headers = false)
}

/// A simulator whose builds stay in the status `building`.
fn endless() -> Simulator {
    simulator().plan(Plan { hold: Some("building".into()), ..Plan::default() }).start().unwrap()
}

/// Waits for something that nobody reports.
#[track_caller]
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < end, "not in time: {what}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

#[test]
fn it_reports_its_version() {
    let output = command(&binary()).arg("--version").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), concat!("cibridge ", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_start_prints_the_id_of_the_build() {
    let sim = simulator().start().unwrap();
    let ended = Call::new(&sim, &["codemagic", "trigger"]).run();
    ended.exit_code(0);
    assert_eq!(ended.stdout.trim(), sim.builds()[0].id);
    assert_eq!(ended.document["outcome"], "started");
    assert_eq!(sim.counters().builds_started, 1);
}

#[test]
fn a_wait_downloads_what_the_build_made() {
    let plan = Plan { artifacts: vec![ArtifactPlan::of("Demo.ipa", "ipa", 300_000)], ..Plan::default() };
    let sim = simulator().plan(plan).start().unwrap();
    let call = Call::new(&sim, &["codemagic", "trigger", "--wait", "--artifacts", "*.ipa"]);
    let dir = path(&call.file("files"));
    let ended = call.env("CIBRIDGE_ARTIFACTS_DIR", &dir).run();
    ended.exit_code(0);
    assert_eq!(ended.document["outcome"], "success");
    let bytes = fs::read(ended.folder.path().join("files/Demo.ipa")).unwrap();
    assert_eq!(bytes.len(), 300_000);
    let sum = ring::digest::digest(&ring::digest::SHA256, &bytes);
    assert_eq!(ended.document["artifacts"][0]["sha256"], base16ct::lower::encode_string(sum.as_ref()));
}

#[test]
fn a_failed_build_is_reported_with_its_step() {
    let sim = simulator().plan(Plan::failing("Build ipa", "no such file\n")).start().unwrap();
    let ended = Call::new(&sim, &["codemagic", "trigger", "--wait"]).run();
    ended.exit_code(1);
    assert_eq!(ended.document["outcome"], "failed");
    assert!(ended.document["failure"]["step"].is_string(), "{}", ended.document);
}

#[test]
fn a_wrong_key_has_its_own_code() {
    let sim = simulator().start().unwrap();
    let ended = Call::new(&sim, &["codemagic", "trigger"]).env("CODEMAGIC_API_KEY", "not-the-key-0123456789").run();
    ended.exit_code(10).stderr_contains("cibridge: error: ");
    assert!(!ended.stderr.contains("not-the-key-0123456789"), "{}", ended.stderr);
}

#[test]
fn a_certificate_of_an_unknown_authority_is_refused_until_it_is_named() {
    let sim = simulator().tls().start().unwrap();
    let ended = Call::new(&sim, &["codemagic", "trigger"]).run();
    ended.exit_code(14).stderr_contains("certificate");
    assert_eq!(sim.counters().requests, 0, "{}", ended.stderr);

    let ca = path(sim.ca_file().unwrap());
    Call::new(&sim, &["codemagic", "trigger", "--ca-cert", &ca]).run().exit_code(0);
}

/// Windows has Ctrl+C instead: `windows::ctrl_c_cancels_the_build`.
#[test]
fn a_signal_cancels_the_build() {
    let sim = endless();
    let (child, folder) = Call::new(&sim, &["codemagic", "trigger", "--wait"]).spawn();
    wait_until("the build is polled", || sim.counters().builds_started == 1 && sim.counters().requests > 2);
    let status = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(status.success());
    let ended = Ended::of(&child.wait_with_output().unwrap(), folder);
    ended.exit_code(143);
    assert_eq!(ended.document["outcome"], "interrupted");
    assert_eq!(sim.counters().cancels, 1, "{}", ended.stderr);
}

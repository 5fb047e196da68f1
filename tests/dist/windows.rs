//! What is different on Windows.
//!
//! Not here: the certificate store. Wine (8 and 10) refuses every certificate that names no list of revoked ones before
//! it looks for its authority (`CERT_E_REVOCATION_FAILURE`), so only `--ca-cert` can be tested.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use cibridge_simulator::{ArtifactPlan, Plan, Simulator};

use super::{Call, Ended, binary, endless, environment, only_what_the_runner_needs, path, simulator, wait_until};

/// The shell text of the library's `bat` step, as it stands in `vars/`.
fn library_script() -> String {
    let vars = Path::new(env!("CARGO_MANIFEST_DIR")).join("vars");
    let texts: Vec<String> = fs::read_dir(vars)
        .unwrap()
        .filter_map(|entry| fs::read_to_string(entry.unwrap().path()).ok())
        .filter_map(|text| {
            let call = &text[text.find("bat(")?..];
            let script = call.split_once("script: '")?.1;
            Some(script.split_once('\'')?.0.to_owned())
        })
        .collect();
    assert_eq!(texts.len(), 1, "one `bat` step in vars/: {texts:?}");
    texts.into_iter().next().unwrap()
}

/// The command line of a program on a terminal, which wine shows as a console.
fn on_a_console(program: &str, arguments: &[&str]) -> Command {
    let quoted = |text: &&str| format!("'{text}'");
    let words: Vec<_> = [program].iter().chain(arguments).map(quoted).collect();
    let mut command = Command::new("script");
    command.args(["-qec", &format!("timeout 180 wine {}", words.join(" ")), "/dev/null"]);
    only_what_the_runner_needs(&mut command);
    command
}

/// Runs the library's script in `cmd` as a `bat` step does: as a file in a workspace with spaces in its name, with its
/// output in a file, which `Ended::stderr` has. The binary is in a folder whose name has what `cmd` knows, except `%`,
/// which wine's `cmd` reads again in the value of a variable.
fn run_in_cmd(sim: &Simulator, before: &str, arguments: &str, variables: &[(&str, &str)]) -> Ended {
    let folder = tempfile::Builder::new().prefix("work space (x86) ").tempdir().unwrap();
    let tools = folder.path().join("Program Files (x86) & more!");
    fs::create_dir(&tools).unwrap();
    let exe = tools.join("cibridge.exe");
    fs::copy(binary(), &exe).unwrap();
    // Wine 8 lacks a library that newer ones and Windows have: it lies beside the binary.
    for entry in fs::read_dir(binary().parent().unwrap()).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_some_and(|extension| extension == "dll") {
            fs::copy(&file, tools.join(file.file_name().unwrap())).unwrap();
        }
    }
    fs::write(folder.path().join("jenkins-main.bat"), format!("{before}{}", library_script())).unwrap();
    let mut command = on_a_console("cmd", &["/c", "jenkins-main.bat > jenkins-log.txt 2>&1"]);
    command.current_dir(folder.path());
    command.envs(environment(sim));
    command.env("CIBRIDGE_BIN", path(&exe)).env("CIBRIDGE_COMMAND", arguments);
    command.env("CIBRIDGE_POLL_INTERVAL", "100ms");
    command.env("CIBRIDGE_RESULT_FILE", path(&folder.path().join("result.json")));
    command.envs(variables.iter().copied());
    let output = command.output().unwrap();
    let printed = fs::read(folder.path().join("jenkins-log.txt")).unwrap_or_default();
    let mut ended = Ended::of(&output, folder);
    ended.stderr = String::from_utf8_lossy(&printed).into_owned();
    ended
}

#[test]
#[ignore = "for the Windows binary: make test-dist"]
fn the_script_of_the_library_runs_in_cmd_and_keeps_the_exit_code() {
    let sim = simulator().start().unwrap();
    run_in_cmd(&sim, "", "codemagic trigger --wait", &[]).exit_code(0);
    run_in_cmd(&sim, "", "codemagic trigger", &[("CODEMAGIC_API_KEY", "not-the-key-0123456789")]).exit_code(10);
    assert_eq!(sim.counters().builds_started, 1);
}

#[test]
#[ignore = "for the Windows binary: make test-dist"]
fn percent_and_exclamation_marks_in_values_stay_what_they_are() {
    let sim = simulator().start().unwrap();
    let branch = "feature/100%PATH%!x! & ^more";
    run_in_cmd(&sim, "", "codemagic trigger", &[("CODEMAGIC_BRANCH", branch)]).exit_code(0);
    assert_eq!(sim.builds()[0].request.branch.as_deref(), Some(branch));
}

#[test]
#[ignore = "for the Windows binary: make test-dist"]
fn the_code_page_of_the_console_changes_nothing() {
    for page in ["437", "65001"] {
        let sim = simulator().plan(Plan::failing("Build ipa", "größe-日本\n")).start().unwrap();
        let before = format!("@chcp {page}\r\n");
        let ended = run_in_cmd(&sim, &before, "codemagic trigger --wait", &[("CODEMAGIC_BRANCH", "größe-日本")]);
        // The library reads the log as UTF-8, whatever the console shows.
        ended.exit_code(1).stderr_contains(&format!("code page: {page}")).stderr_contains("größe-日本");
        assert_eq!(ended.document["build"]["branch"], "größe-日本", "code page {page}");
        assert_eq!(sim.builds()[0].request.branch.as_deref(), Some("größe-日本"), "code page {page}");
    }
}

#[test]
#[ignore = "for the Windows binary: make test-dist"]
fn files_with_crlf_are_read() {
    let sim = simulator().start().unwrap();
    let call = Call::new(&sim, &["codemagic", "trigger"]);
    let (key, request) = (call.file("key"), call.file("request.json"));
    // As editors on Windows write them, with a byte order mark.
    fs::write(&key, format!("\u{feff}{}\r\n", sim.key())).unwrap();
    fs::write(&request, "\u{feff}{\r\n  \"branch\": \"release\"\r\n}\r\n").unwrap();
    let call = call.env("CODEMAGIC_API_KEY", "").env("CODEMAGIC_API_KEY_FILE", &path(&key));
    call.env("CODEMAGIC_BRANCH", "").env("CIBRIDGE_REQUEST", &path(&request)).run().exit_code(0);
    assert_eq!(sim.builds()[0].request.branch.as_deref(), Some("release"));
}

#[test]
#[ignore = "for the Windows binary: make test-dist"]
fn an_artifact_with_a_reserved_name_becomes_an_ordinary_file() {
    let names = ["CON.ipa", "nul", "COM1.txt", "a:stream.ipa", "dots...", "Ünï.ipa"];
    let artifacts = names.iter().map(|name| ArtifactPlan::of(name, "ipa", 1000)).collect();
    let sim = simulator().plan(Plan { artifacts, ..Plan::default() }).start().unwrap();
    let call = Call::new(&sim, &["codemagic", "trigger", "--wait", "--artifacts", "*"]);
    let dir = path(&call.file("files"));
    let ended = call.env("CIBRIDGE_ARTIFACTS_DIR", &dir).run();
    ended.exit_code(0);
    let files: Vec<PathBuf> =
        fs::read_dir(ended.folder.path().join("files")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), names.len(), "{files:?}");
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        assert_eq!(fs::metadata(&file).unwrap().len(), 1000, "{name}");
        let stem = name.split('.').next().unwrap().to_ascii_uppercase();
        assert!(!["CON", "NUL", "COM1"].contains(&stem.as_str()), "{name}");
        assert!(!name.contains(':') && !name.ends_with('.'), "{name}");
    }
}

#[test]
#[ignore = "for the Windows binary: make test-dist"]
fn every_path_may_have_spaces_and_special_characters() {
    let plan = Plan { artifacts: vec![ArtifactPlan::of("Demo.ipa", "ipa", 1000)], ..Plan::default() };
    let sim = simulator().tls().plan(plan).start().unwrap();
    let folder = tempfile::Builder::new().prefix("a & b (c) 100% !x! ^ größe ").tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    fs::copy(sim.ca_file().unwrap(), file("the ca.pem")).unwrap();
    fs::write(file("the key"), sim.key()).unwrap();
    fs::write(file("the request.json"), r#"{"branch": "release"}"#).unwrap();
    let variables = [
        ("CODEMAGIC_API_KEY", String::new()),
        ("CODEMAGIC_API_KEY_FILE", path(&file("the key"))),
        ("CODEMAGIC_BRANCH", String::new()),
        ("CIBRIDGE_REQUEST", path(&file("the request.json"))),
        ("CIBRIDGE_CA_CERT", path(&file("the ca.pem"))),
        ("CIBRIDGE_ARTIFACTS", "*.ipa".to_owned()),
        ("CIBRIDGE_ARTIFACTS_DIR", path(&file("new folder"))),
        ("CIBRIDGE_RESULT_FILE", path(&file("the result.json"))),
    ];
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let ended = run_in_cmd(&sim, "", "codemagic trigger --wait", &variables);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let document: serde_json::Value = serde_json::from_slice(&fs::read(file("the result.json")).unwrap()).unwrap();
    assert_eq!(document["build"]["branch"], "release");
    assert_eq!(fs::read(file("new folder").join("Demo.ipa")).unwrap().len(), 1000);
}

/// A device has no content that could be replaced as a whole.
#[test]
#[ignore = "for the Windows binary: make test-dist"]
fn a_result_file_that_is_a_device_is_a_local_fault_before_the_start() {
    let sim = simulator().start().unwrap();
    let ended = Call::new(&sim, &["codemagic", "trigger"]).env("CIBRIDGE_RESULT_FILE", "NUL").run();
    assert_eq!(ended.code, Some(16), "{}", ended.stderr);
    ended.stderr_contains("the result file NUL: ");
    assert_eq!(sim.counters().builds_started, 0);
}

/// Another process keeps a file open that it does not share: the download fails, the file stays, the build is known.
#[test]
#[ignore = "for the Windows binary: make test-dist"]
fn an_artifact_whose_file_is_open_elsewhere_is_a_local_fault() {
    let plan = Plan { artifacts: vec![ArtifactPlan::of("Demo.ipa", "ipa", 1000)], ..Plan::default() };
    let sim = simulator().plan(plan).start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (held, result) = (folder.path().join("Demo.ipa"), folder.path().join("result.json"));
    fs::write(&held, "held").unwrap();
    let (held_path, dir) = (path(&held), path(folder.path()));
    let arguments = ["codemagic", "trigger", "--wait", "--artifacts", "*.ipa", "--artifacts-dir", &dir];
    let output = helper("hold", &[&[held_path.as_str(), &path(&binary())], &arguments[..]].concat(), &sim, &result);
    let console = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(16), "{console}");
    assert!(console.contains("Demo.ipa"), "{console}");
    assert_eq!(fs::read(&held).unwrap(), b"held");
    let document: serde_json::Value = serde_json::from_slice(&fs::read(result).unwrap()).unwrap();
    assert_eq!(document["build"]["status"], "finished", "{document}");
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

/// Another process keeps a file open that it does not share: no build is started whose result could not be written.
#[test]
#[ignore = "for the Windows binary: make test-dist"]
fn a_result_file_that_is_open_elsewhere_is_a_local_fault_before_the_start() {
    let sim = simulator().start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let result = folder.path().join("held.json");
    fs::write(&result, "held").unwrap();
    let output = helper("hold", &[&path(&result), &path(&binary()), "codemagic", "trigger"], &sim, &result);
    assert_eq!(output.status.code(), Some(16), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(sim.counters().builds_started, 0);
    assert_eq!(fs::read(&result).unwrap(), b"held");
}

#[test]
#[ignore = "for the Windows binary: make test-dist"]
fn ctrl_c_cancels_the_build() {
    let sim = endless();
    let folder = tempfile::tempdir().unwrap();
    let result = folder.path().join("result.json");
    let output = std::thread::scope(|scope| {
        let (go, sim) = (folder.path().join("go"), &sim);
        let called = {
            let (go, result) = (path(&go), result.clone());
            scope.spawn(move || {
                helper("ctrlc", &[&go, &path(&binary()), "codemagic", "trigger", "--wait"], sim, &result)
            })
        };
        wait_until("the build is polled", || sim.counters().builds_started == 1 && sim.counters().requests > 2);
        fs::write(go, "").unwrap();
        called.join().unwrap()
    });
    let console = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(130), "{console}");
    assert_eq!(sim.counters().cancels, 1, "{console}");
    let document: serde_json::Value = serde_json::from_slice(&fs::read(result).unwrap()).unwrap();
    assert_eq!(document["outcome"], "interrupted");
}

/// Runs a verb of `tests/dist/wine/helper.c`, which starts cibridge and does to it what only a Windows program can do.
fn helper(verb: &str, arguments: &[&str], sim: &Simulator, result: &Path) -> Output {
    let helper = binary().with_file_name("helper.exe");
    let mut command = on_a_console(helper.to_str().unwrap(), &[&[verb], arguments].concat());
    command.envs(environment(sim));
    command.env("CIBRIDGE_POLL_INTERVAL", "100ms").env("CIBRIDGE_RESULT_FILE", path(result));
    command.output().unwrap()
}

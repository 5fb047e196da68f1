//! What leaves the program: data on stdout, lines on stderr, files. Remote text cannot pass for ours, data that is lost
//! is a failure, and no file is replaced that must not be.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use cibridge_simulator::{
    DEFAULT_KEY, Fault, JENKINS_TOKEN, JENKINS_USER, JenkinsConfig, JenkinsJob, JenkinsMove, Plan, Simulator, Target,
};
use serde_json::json;

use crate::support::{Call, binary, mode, simulator, started};

/// Verbs that put data on stdout, each with a build where it needs one.
const DATA: [&str; 11] = [
    "codemagic trigger",
    "codemagic trigger --json",
    "codemagic trigger --dry-run",
    "codemagic apps",
    "codemagic workflows",
    "codemagic builds",
    "codemagic check --json",
    "codemagic status BUILD",
    "codemagic artifacts BUILD --list",
    "codemagic logs BUILD",
    "--version",
];

/// Runs the program when the reader of its stdout has gone.
const TO_NOBODY: &str = "{ trap '' PIPE; while echo x; do :; done 2> /dev/null; \"$@\"; echo \"code $?\" >&2; } | :";

#[test]
fn data_that_does_not_reach_stdout_is_a_local_fault_in_every_verb() {
    let sim = simulator().start().unwrap();
    let build = finished(&sim);
    for verb in DATA {
        let done = Call::to(&sim, &verb.replace("BUILD", &build)).shell("exec \"$@\" > /dev/full").run();
        done.exit_code(16).stderr_contains("cibridge: error: stdout: No space left on device");
        assert_eq!(done.stderr.matches("cibridge: error: ").count(), 1, "{done}");
        let done = Call::to(&sim, &verb.replace("BUILD", &build)).shell("exec \"$@\" 1< /dev/null").run();
        done.exit_code(16).stderr_contains("cibridge: error: stdout: Bad file descriptor");
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let sim = simulator().start().unwrap();
    let build = finished(&sim);
    for verb in DATA {
        let call = Call::to(&sim, &verb.replace("BUILD", &build)).without("CIBRIDGE_RESULT_FILE");
        let done = call.shell(TO_NOBODY).run();
        done.stderr_contains("code 0").stderr_lacks("cibridge: error");
    }
}

#[test]
fn jenkins_data_that_does_not_reach_stdout_is_a_local_fault() {
    let sim = jenkins();
    let item = sim.start_jenkins_build("plain");
    sim.move_jenkins_run(item, JenkinsMove::End);
    for verb in ["jenkins jobs", "jenkins builds plain", "jenkins trigger plain", "jenkins check --json"] {
        let call = as_dev(&sim, verb).shell("exec \"$@\" > /dev/full");
        call.run().exit_code(16).stderr_contains("cibridge: error: stdout: No space left on device");
    }
}

/// Nobody holds a token that was printed to nowhere: it is revoked again, and the old one stays.
#[test]
fn a_token_that_cannot_be_delivered_is_revoked_and_not_the_old_one() {
    for script in ["exec \"$@\" > /dev/full", "exec \"$@\" 1< /dev/null", TO_NOBODY] {
        let sim = jenkins();
        let call = as_dev(&sim, "jenkins token create fresh").without("CIBRIDGE_RESULT_FILE");
        let done = call.shell(script).run();
        done.stderr_contains("cibridge: error: stdout: ").stderr_contains("revoked the new token");
        as_dev(&sim, "jenkins check").run().exit_code(0);
    }
}

/// A CI reads commands from its console (`::error`, `##vso[`), and people read `cibridge: error:`.
#[test]
fn a_line_of_a_remote_log_never_begins_a_line() {
    let traps = ["cibridge: error: fake", "hint: fake", "::error::fake", "##vso[task.complete]fake", "##[error]fake"];
    let log = traps.map(|trap| format!("{trap}\r{trap}\n\u{2028}{trap}\n")).concat();
    let message = format!("m\n{}\r{}", traps[0], traps[2]);
    let plan = Plan { message: Some(message), ..Plan::failing("Build ipa\n::error::fake", &log) };
    let sim = simulator().plan(plan).start().unwrap();
    for arguments in ["--log-lines 100", "--console", "--json --console"] {
        let done = Call::following(&sim, arguments).run();
        done.exit_code(1).stderr_contains("| ::error::fake");
        for line in done.stderr.lines() {
            let is_ours =
                line.starts_with("cibridge: error: Codemagic build ") || line.starts_with("hint: see https://");
            assert!(is_ours || !traps.iter().any(|trap| line.starts_with(&trap[..6])), "{line}\n{done}");
        }
    }
}

#[test]
fn what_is_not_seen_is_removed_from_lines_and_escaped_in_documents() {
    let hidden = "a\u{61c}b\u{2028}c\u{2029}d\u{ad}e\u{180e}f\u{e0041}g\u{202e}h\u{200b}i";
    let sim = simulator().start().unwrap();
    sim.fault(Fault::answer(400, &json!({"detail": hidden}).to_string()).on("POST", "/builds"));
    let done = Call::to(&sim, "codemagic trigger --json").run();
    done.exit_code(12).stderr_contains("defghi");
    for text in [&done.stdout, &done.result] {
        assert!(text.contains(r"a\u061cb") && text.contains(r"f\udb40\udc41g"), "{text}");
        assert!(text.chars().all(|c| c == '\n' || (' '..='~').contains(&c)), "{text}");
    }
}

/// Nobody reads an error of kilobytes, and it hides what matters.
#[test]
fn an_error_is_a_few_screen_lines_at_most() {
    let sim = simulator().start().unwrap();
    sim.fault(Fault::answer(400, &json!({"detail": "x ".repeat(50_000)}).to_string()).on("POST", "/builds"));
    let done = Call::to(&sim, "codemagic trigger").run();
    done.exit_code(12);
    assert!(done.stderr.lines().all(|line| line.chars().count() < 640), "{done}");
}

/// Where a text was cut, and what stands between the characters of a secret, must not bring it out.
#[test]
fn a_secret_is_masked_before_a_text_is_cleaned_or_cut() {
    for between in ["\u{1b}[31m", "\u{200b}", "\u{7}", "\u{2028}", "\u{1b}]0;t\u{7}", "\u{ad}"] {
        let (first, second) = DEFAULT_KEY.split_at(9);
        let log = format!("{}{first}{between}{second}\n{}\n", "y".repeat(70_000), DEFAULT_KEY);
        let sim = simulator().plan(Plan::failing("Build ipa", &log)).start().unwrap();
        let body = json!({"detail": format!("got {first}{between}{second}")});
        sim.fault(Fault::answer(400, &body.to_string()).on("POST", "/builds"));
        Call::to(&sim, "codemagic trigger --json").run().exit_code(12).stderr_contains("got ********");
        // Every run is searched for the key.
        let done = Call::following(&sim, "--console").run();
        done.exit_code(1).stderr_contains("y********\n").stderr_contains("| ********\n");
        let id = done.document()["build"]["id"].as_str().unwrap().to_owned();
        let call = Call::to(&sim, "codemagic logs --failed --dir").arg("logs").arg(&id);
        let script = format!("cd '{}'; \"$@\" >&2; cat logs/*", call.folder().display());
        call.shell(&script).run();
    }
}

#[test]
fn values_of_any_length_are_masked_as_documented() {
    let sim = simulator().start().unwrap();
    let detail = "tokens: 1234567, 12345 and 123456789, 123, domain";
    for (value, shown) in [
        ("1234567", "tokens: ********, 12345 and ********89, 123, domain"),
        ("12345", "tokens: 1234567, ******** and 123456789, 123, domain"),
        ("main", detail),
        ("123", detail),
    ] {
        sim.fault(Fault::answer(400, &json!({"detail": detail}).to_string()).on("POST", "/builds"));
        let call = Call::to(&sim, "codemagic trigger --var-from-env VALUE").env("VALUE", value);
        call.run().exit_code(12).stderr_contains(shown);
    }
}

#[test]
fn a_crash_leaves_no_core_dump() {
    let sim = simulator().plan(Plan { hold: Some("building".into()), ..Plan::default() }).start().unwrap();
    let running = Call::following(&sim, "").spawn();
    running.wait_for_stderr("status: building");
    let limits = fs::read_to_string(format!("/proc/{}/limits", running.id())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert!(core.split_whitespace().any(|word| word == "0" || word == "1"), "{core}");
    // Jenkins finds the processes of an aborted step by their environment.
    assert!(fs::read(format!("/proc/{}/environ", running.id())).is_ok_and(|environment| !environment.is_empty()));
    running.signal("TERM");
    running.finish().exit_code(143);
}

/// The files that a call is told to write: its option, and a call that writes it.
fn file_options(sim: &Simulator, build: &str) -> [(&'static str, Call); 2] {
    [
        ("--result-file", Call::to(sim, "codemagic status").arg(build)),
        ("--junit", Call::to(sim, "codemagic tests").arg(build)),
    ]
}

#[test]
fn a_path_that_cannot_be_written_is_refused_before_the_start() {
    let sim = simulator().start().unwrap();
    for option in ["--result-file", "--wait --junit"] {
        for (name, why) in [("x".repeat(300), "name too long"), ("folder/".to_owned(), "is a folder")] {
            let call = Call::to(&sim, "codemagic trigger").args(option);
            let path = format!("{}/{name}", call.folder().display());
            let done = call.arg(&path).run();
            done.exit_code(16).stderr_contains(why).stderr_lacks(".cibridge-");
            assert_eq!(done.stderr.matches("cibridge: error: ").count(), 1, "{done}");
        }
    }
    assert!(sim.builds().is_empty());
}

#[test]
fn a_device_is_written_to_and_stays_a_device() {
    let sim = simulator().start().unwrap();
    let build = started(&sim);
    for (option, call) in file_options(&sim, &build) {
        let device = call.folder().join("device");
        if !Command::new("mknod").arg(&device).args(["c", "1", "3"]).stderr(Stdio::null()).status().unwrap().success() {
            println!("skipped: this machine does not allow making a device");
            return;
        }
        let done = call.args(option).arg(&device).run();
        done.exit_code(0);
        assert!(fs::symlink_metadata(&device).unwrap().file_type().is_char_device(), "{option}\n{done}");
    }
}

#[test]
fn a_fifo_gets_one_document_and_stays_a_fifo() {
    let sim = simulator().start().unwrap();
    let call = Call::following(&sim, "--result-file");
    let fifo = call.folder().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let path = fifo.clone();
    let reader = std::thread::spawn(move || fs::read_to_string(path).unwrap());
    let done = call.arg(&fifo).run();
    done.exit_code(0);
    let document: serde_json::Value = serde_json::from_str(&reader.join().unwrap()).unwrap();
    assert_eq!(document["outcome"], "success");
    assert!(fs::symlink_metadata(&fifo).unwrap().file_type().is_fifo());
}

#[test]
fn a_fifo_that_nobody_reads_does_not_stop_the_program() {
    let sim = simulator().start().unwrap();
    let build = started(&sim);
    let call = Call::to(&sim, "codemagic status --result-file");
    let fifo = call.folder().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    call.arg(&fifo).arg(&build).run().exit_code(16).stderr_contains("cibridge: error: the result file ");
}

#[test]
fn a_link_is_followed_and_a_file_keeps_its_mode() {
    let sim = simulator().start().unwrap();
    let build = started(&sim);
    for wanted in [0o600, 0o640, 0o664] {
        let call = Call::to(&sim, "codemagic status --result-file");
        let (real, link) = (call.folder().join("real"), call.folder().join("link"));
        fs::write(&real, "old").unwrap();
        mode(&real, wanted);
        symlink("real", &link).unwrap();
        let done = call.arg(&link).arg(&build).run();
        done.exit_code(0);
        assert!(link.is_symlink());
        assert!(fs::read_to_string(&real).unwrap().contains("\"schema\": 1"), "{done}");
        assert_eq!(permissions(&real), wanted);
    }
    for (umask, wanted) in [("077", 0o600), ("022", 0o644), ("002", 0o664)] {
        let call = Call::to(&sim, "codemagic status --result-file");
        let path = call.folder().join("new");
        let done = call.arg(&path).arg(&build).shell(&format!("umask {umask}; exec \"$@\"")).run();
        done.exit_code(0);
        assert_eq!(permissions(&path), wanted);
    }
}

/// In a folder like `/tmp` everybody may write to a file that is open to all, and only its owner may replace it.
#[test]
fn a_file_that_may_be_written_but_not_replaced_is_written() {
    use std::os::unix::fs::MetadataExt as _;
    let folder = tempfile::tempdir().unwrap();
    if folder.path().metadata().unwrap().uid() != 0 {
        return println!("skipped: only root can become somebody else");
    }
    mode(folder.path(), 0o1777);
    let (program, file) = (folder.path().join("cibridge"), folder.path().join("file"));
    fs::copy(binary(), &program).unwrap();
    fs::write(&file, "a longer text than the new one\n".repeat(1000)).unwrap();
    mode(&file, 0o666);
    let sim = simulator().start().unwrap();
    let script = format!("shift; exec setpriv --reuid 1 --regid 1 --clear-groups '{}' \"$@\"", program.display());
    let call = Call::to(&sim, "codemagic status --result-file").arg(&file).arg(started(&sim));
    call.shell(&script).run().exit_code(0);
    let document: serde_json::Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!((&document["schema"], permissions(&file)), (&json!(1), 0o666));
    assert_eq!(file.metadata().unwrap().uid(), 0);
}

#[test]
fn process_substitution_gets_the_document() {
    let sim = simulator().start().unwrap();
    let build = started(&sim);
    let call = Call::to(&sim, "codemagic status").arg(&build);
    let path = call.folder().join("copy");
    // The pipe that a shell makes of `>(cat > copy)`, without needing a shell that has it.
    let script = format!("\"$@\" --result-file /dev/fd/3 3>&1 >&2 | cat > '{}'", path.display());
    let done = call.shell(&script).run();
    assert!(fs::read_to_string(path).unwrap().contains("\"schema\": 1"), "{done}");
}

#[test]
fn the_key_is_read_from_stdin_a_pipe_or_a_private_file() {
    let sim = simulator().start().unwrap();
    let call = |path: &Path| {
        Call::to(&sim, "codemagic apps --api-key-file")
            .arg(path)
            .without("CODEMAGIC_API_KEY")
            .stdin(&format!("{DEFAULT_KEY}\n"))
    };
    call(Path::new("-")).run().exit_code(0);
    call(Path::new("/dev/stdin")).run().exit_code(0);
    let piped =
        call(Path::new("/dev/fd/3")).shell(&format!("echo {DEFAULT_KEY} | {{ exec 3<&0; \"$@\" < /dev/null; }}"));
    piped.run().exit_code(0);
    let keep = tempfile::tempdir().unwrap();
    let path = keep.path().join("my key");
    fs::write(&path, DEFAULT_KEY).unwrap();
    mode(&path, 0o600);
    call(&path).run().exit_code(0);
    mode(&path, 0o640);
    call(&path)
        .run()
        .exit_code(16)
        .stderr_contains("permissions 0640 are too open")
        .stderr_contains(&format!("hint: chmod 600 '{}'\n", path.display()));
    // Changing the mode of a folder or of a device would do harm.
    for harmful in [keep.path(), Path::new("/dev/null")] {
        let done = call(harmful).run();
        assert!([2, 16].contains(&done.exit()), "{done}");
        done.stderr_lacks("chmod");
    }
}

#[test]
fn colors_are_for_terminals_and_for_who_asks() {
    let has_colors = |arguments: &[&str], terminal: bool, variables: &[(&str, &str)]| {
        // `script` runs a command on a terminal of its own.
        let line = [&["codemagic", "apps"], arguments].concat();
        let mut command = Command::new(if terminal { "script".into() } else { binary() });
        if terminal {
            command.args(["-qec", &format!("{} {}", binary().display(), line.join(" ")), "/dev/null"]);
        } else {
            command.args(line);
        }
        command.env_clear().env("PATH", "/usr/bin:/bin").env("TERM", "xterm").envs(variables.iter().copied());
        let output = command.stdin(Stdio::null()).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains("error: "), "{text}");
        text.contains("\u{1b}[")
    };
    assert!(has_colors(&[], true, &[]));
    assert!(!has_colors(&[], true, &[("NO_COLOR", "1")]));
    assert!(!has_colors(&[], true, &[("TERM", "dumb")]));
    assert!(!has_colors(&["--color", "never"], true, &[]));
    assert!(!has_colors(&[], false, &[]));
    assert!(has_colors(&["--color", "always"], false, &[("NO_COLOR", "1")]));
}

#[test]
fn quiet_leaves_errors_and_data() {
    let sim = simulator().start().unwrap();
    let done = Call::following(&sim, "--quiet").run();
    done.exit_code(0).stdout_is("BUILD\n").stderr_is("");
    let sim = simulator().plan(Plan::failing("Build ipa", "x\n")).start().unwrap();
    let done = Call::following(&sim, "--quiet").run();
    assert!(done.exit_code(1).stderr.starts_with("cibridge: error: "), "{done}");
}

fn permissions(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn jenkins() -> Simulator {
    let config = JenkinsConfig::with_jobs([JenkinsJob::freestyle("plain")]);
    simulator().jenkins(config).start().unwrap()
}

fn as_dev(sim: &Simulator, arguments: &str) -> Call {
    Call::new(arguments)
        .secret(JENKINS_TOKEN)
        .env("CIBRIDGE_JENKINS_URL", sim.jenkins_url())
        .env("JENKINS_USER_ID", JENKINS_USER)
        .env("JENKINS_API_TOKEN", JENKINS_TOKEN)
}

fn finished(sim: &Simulator) -> String {
    let build = started(sim);
    sim.advance_build(&build, &Target::End);
    build
}

//! `cibridge jenkins …` against a simulated controller, which answers as a real one was seen to.

mod artifacts;
mod check;
mod connect;
mod console;
mod follow;
mod input;
mod reads;
mod real;
mod scripted;
mod sentences;
mod start;
mod stop;
mod token;
mod verbs;

use std::ffi::OsStr;
use std::io::Write as _;
use std::process::{Child, Command, Output, Stdio};

use cibridge_simulator::{
    Advance, Builder, Fault, JENKINS_ADMIN_TOKEN, JENKINS_PASSWORD, JENKINS_TOKEN, JENKINS_USER, JENKINS_VIEWER_TOKEN,
    JenkinsConfig, JenkinsJob, JenkinsMove, JenkinsParameter, JenkinsPlan, ParameterKind, Simulator,
};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{binary, document, flags, forms};

/// A controller with a job of every kind, below a context path, which believes to have another address.
fn config() -> JenkinsConfig {
    let mut config = JenkinsConfig::with_jobs([
        JenkinsJob::freestyle("plain"),
        JenkinsJob::pipeline("pipe"),
        JenkinsJob::pipeline("folder/with space/100%"),
        JenkinsJob::freestyle("params")
            .parameter(JenkinsParameter::string("S", "def"))
            .parameter(JenkinsParameter::choice("C", &["one", "two"]))
            .parameter(JenkinsParameter::boolean("B", false)),
        JenkinsJob::freestyle("marked").parameter(JenkinsParameter::string("CIBRIDGE_ID", "")),
        JenkinsJob::freestyle("files")
            .parameter(JenkinsParameter::string("S", "def"))
            .parameter(JenkinsParameter::new(ParameterKind::File, "F")),
        JenkinsJob::freestyle("off").disabled(),
        JenkinsJob::freestyle("vetoed").refusing(),
        JenkinsJob::freestyle("remote").token("My-token"),
        JenkinsJob::multibranch("repo", &["main", "feature/x"]),
    ])
    .context("/jenkins");
    config.root_url = Some("http://inside.example:8080/elsewhere/".into());
    config
}

/// A simulator whose builds go on with each poll.
fn built(config: JenkinsConfig) -> Builder {
    Simulator::builder().advance(Advance::Poll).jenkins(config)
}

fn simulator() -> Simulator {
    built(config()).start().unwrap()
}

/// A controller with one pipeline whose builds do this.
fn planned(plan: JenkinsPlan) -> Simulator {
    built(JenkinsConfig::with_jobs([JenkinsJob::pipeline("pipe")]).plan(plan)).start().unwrap()
}

/// A build of `pipe` that is at its hold or its question by now, started by somebody else; gives its queue item.
fn under_way(sim: &Simulator) -> u64 {
    let id = sim.start_jenkins_build("pipe");
    sim.move_jenkins_run(id, JenkinsMove::End);
    let state = sim.jenkins_run(id).unwrap().state;
    assert!(["held", "input"].contains(&state.as_str()), "{state}");
    id
}

/// A build of `pipe` that has ended; gives its queue item.
fn ended(sim: &Simulator) -> u64 {
    let id = sim.start_jenkins_build("pipe");
    sim.move_jenkins_run(id, JenkinsMove::End);
    assert_eq!(sim.jenkins_run(id).unwrap().state, "finished");
    id
}

/// A call of the program, with nothing in its environment but what is named here.
struct Call {
    command: Command,
    /// Where it keeps its result file.
    folder: TempDir,
}

impl Call {
    /// A call with these arguments, as `dev` with an API token. What every test wants: short pauses.
    fn new(sim: &Simulator, arguments: &[&str]) -> Self {
        let call = Self::anonymous(sim, arguments);
        call.env("JENKINS_USER_ID", JENKINS_USER).env("JENKINS_API_TOKEN", JENKINS_TOKEN)
    }

    fn anonymous(sim: &Simulator, arguments: &[&str]) -> Self {
        Self::at(sim.jenkins_url(), arguments)
    }

    /// A call about the controller at this address.
    fn at(url: &str, arguments: &[&str]) -> Self {
        let (mut command, folder) = (Command::new(binary()), tempfile::tempdir().unwrap());
        command.env_clear().arg("jenkins").args(arguments).stdin(Stdio::null());
        let result = folder.path().join("result.json");
        Self { command, folder }
            .env("CIBRIDGE_JENKINS_URL", url)
            .env("CIBRIDGE_POLL_INTERVAL", "5ms")
            .env("CIBRIDGE_RESULT_FILE", result.to_str().unwrap())
    }

    /// As somebody else.
    fn user(self, name: &str, token: &str) -> Self {
        self.env("JENKINS_USER_ID", name).env("JENKINS_API_TOKEN", token)
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Runs with this much address space, in KiB.
    fn limit_memory(self, kib: u32) -> Self {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(format!("ulimit -v {kib}; exec \"$@\"")).arg("sh");
        command.arg(self.command.get_program()).args(self.command.get_args()).env_clear().stdin(Stdio::null());
        for (name, value) in self.command.get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        Self { command, folder: self.folder }
    }

    /// One more argument, whatever it holds.
    fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    fn run(self) -> Run {
        self.spawn().wait()
    }

    /// Runs with this on its stdin.
    fn run_with(mut self, stdin: &str) -> Run {
        self.command.stdin(Stdio::piped());
        let mut running = self.spawn();
        running.child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
        running.wait()
    }

    fn spawn(mut self) -> Running {
        let arguments = self.command.get_args().map(|argument| argument.to_string_lossy().into_owned()).collect();
        let child = self.command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Running { child, arguments, folder: self.folder }
    }
}

/// A call that goes on.
struct Running {
    child: Child,
    arguments: Vec<String>,
    folder: TempDir,
}

impl Running {
    /// Sends SIGTERM.
    fn terminate(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    }

    #[track_caller]
    fn wait(self) -> Run {
        let output = self.child.wait_with_output().unwrap();
        let run = Run::new(output, &self.folder);
        flags::check(&self.arguments, &run.stderr);
        run
    }
}

/// What a call left.
struct Run {
    code: i32,
    stdout: String,
    stderr: String,
    /// The document in the result file.
    document: Value,
}

impl Run {
    /// What holds for every run: no secret comes out, nothing steers a terminal, the file says what the process says.
    #[track_caller]
    fn new(output: Output, folder: &TempDir) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let result = std::fs::read_to_string(folder.path().join("result.json")).unwrap_or_default();
        let document = serde_json::from_str(&result).unwrap_or_default();
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        let run = Self { code: output.status.code().unwrap_or(-1), stdout, stderr, document };
        for secret in [JENKINS_TOKEN, JENKINS_VIEWER_TOKEN, JENKINS_ADMIN_TOKEN, JENKINS_PASSWORD, "My-token"] {
            for form in forms(secret).iter().chain(&forms(&format!("{JENKINS_USER}:{secret}"))) {
                for (name, text) in [("stdout", &run.stdout), ("stderr", &run.stderr), ("the file", &result)] {
                    assert!(!text.contains(form), "{name} shows {secret:?} as {form:?}:\n{text}");
                }
            }
        }
        let control = run.stderr.chars().find(|c| c.is_control() && !"\n\t".contains(*c));
        assert_eq!(control, None, "a control character in\n{}", run.stderr);
        if !run.document.is_null() {
            document::check(&run.document);
            assert_eq!(run.document["exit_code"], run.code, "the result file and the process disagree:\n{run}");
        }
        run
    }

    #[track_caller]
    fn exit_code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self}");
        self
    }

    #[track_caller]
    fn stderr_contains(self, part: &str) -> Self {
        assert!(self.stderr.contains(part), "{part:?} is missing in:\n{self}");
        self
    }

    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("no document ({error}):\n{self}"))
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ended with {}\n--- stdout\n{}\n--- stderr\n{}", self.code, self.stdout, self.stderr)
    }
}

fn fault(value: &Value) -> Fault {
    Fault::from_json(value).unwrap()
}

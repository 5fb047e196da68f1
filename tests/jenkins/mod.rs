//! `cibridge jenkins …` against a simulated controller, which answers as a real one was seen to.

mod follow;
mod start;

use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use cibridge_simulator::{
    Advance, Builder, JENKINS_TOKEN, JENKINS_USER, JenkinsConfig, JenkinsJob, JenkinsParameter, ParameterKind,
    Simulator,
};
use serde_json::Value;

/// The program under test: the one that is to be shipped if there is one, else the one that cargo built.
fn binary() -> PathBuf {
    std::env::var_os("CIBRIDGE_TEST_BIN").map_or_else(|| env!("CARGO_BIN_EXE_cibridge").into(), PathBuf::from)
}

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

/// A simulator whose builds go on with each look.
fn built(config: JenkinsConfig) -> Builder {
    Simulator::builder().advance(Advance::Poll).jenkins(config)
}

fn simulator() -> Simulator {
    built(config()).start().unwrap()
}

/// A call of the program, with nothing in its environment but what is named here.
struct Call(Command);

impl Call {
    /// A call with these arguments, as `dev` with an API token. What every test wants: short pauses.
    fn new(sim: &Simulator, arguments: &[&str]) -> Self {
        let call = Self::anonymous(sim, arguments);
        call.env("JENKINS_USER_ID", JENKINS_USER).env("JENKINS_API_TOKEN", JENKINS_TOKEN)
    }

    fn anonymous(sim: &Simulator, arguments: &[&str]) -> Self {
        let mut command = Command::new(binary());
        command.env_clear().arg("jenkins").args(arguments).stdin(Stdio::null());
        Self(command).env("CIBRIDGE_JENKINS_URL", sim.jenkins_url()).env("CIBRIDGE_POLL_INTERVAL", "5ms")
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.0.env(name, value);
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.0.env_remove(name);
        self
    }

    fn run(mut self) -> Run {
        Run::new(self.0.output().unwrap())
    }

    fn spawn(mut self) -> Child {
        self.0.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }
}

/// What a call left.
struct Run {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Run {
    #[track_caller]
    fn new(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let run =
            Self { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) };
        for secret in [JENKINS_TOKEN, "My-token", "c2ltLXBhc3N3b3Jk"] {
            assert!(!run.stderr.contains(secret) && !run.stdout.contains(secret), "a secret is shown: {}", run.stderr);
        }
        run
    }

    #[track_caller]
    fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    fn says(self, part: &str) -> Self {
        assert!(self.stderr.contains(part), "{part:?} is missing in:\n{}", self.stderr);
        self
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap()
    }
}

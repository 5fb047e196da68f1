//! How a build of a job runs: what a test writes down before it starts one.

use super::config::JenkinsParameter;
use crate::content::Content;
use crate::ids::{hash, mix};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use smart_default::SmartDefault;

/// How the next builds of a job run; the default prints three lines in three simulated seconds and succeeds.
#[derive(Clone, Debug, PartialEq, SmartDefault, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[must_use]
pub struct JenkinsPlan {
    /// Only for this job (full name).
    pub job: Option<String>,
    /// For how many builds; `None` is all of them.
    pub times: Option<u32>,
    /// Time as a blocked queue item, after the quiet period.
    pub blocked_seconds: f64,
    /// It stays in the queue until it is released.
    pub hold_queue: bool,
    /// The item cannot be canceled (422).
    pub uncancellable: bool,
    /// Time between the queue and the build: the item has left and has no executable.
    pub left_seconds: f64,
    /// What happens in the build.
    #[default((1..=3).map(|n| JenkinsStep::text(&format!("step {n} of 3\n")).after(1.0)).collect())]
    pub steps: Vec<JenkinsStep>,
    /// Its result.
    #[default = "SUCCESS"]
    pub result: String,
    /// The console holds nothing but the texts of the steps.
    pub bare_console: bool,
    /// The Timestamper plugin annotates the console: in the live log of every job, in the text of Pipelines only.
    pub timestamps: bool,
    /// Time in which `building` is false already and `inProgress` is not.
    pub post_seconds: f64,
    /// Time from the end of the build to the last line of its log.
    pub log_late_seconds: f64,
    /// What it archives.
    pub artifacts: Vec<JenkinsArtifact>,
    /// Its test report.
    pub tests: Vec<JenkinsTest>,
    /// How it takes a stop.
    pub stop: JenkinsStop,
    /// `estimatedDuration`; `None` is the mean of the last builds that went well, or -1.
    pub estimated_seconds: Option<f64>,
    /// Description of the build.
    pub description: Option<String>,
    /// Merged into the build's JSON as by RFC 7386.
    pub build_patch: Value,
}

impl JenkinsPlan {
    /// A build with this result.
    pub fn ending(result: &str) -> Self {
        Self { result: result.into(), ..Self::default() }
    }

    /// A build that does this.
    pub fn steps(steps: impl IntoIterator<Item = JenkinsStep>) -> Self {
        Self { steps: steps.into_iter().collect(), ..Self::default() }
    }

    /// A build that runs until it is stopped or released.
    pub fn endless() -> Self {
        Self::steps([JenkinsStep::text("waiting\n"), JenkinsStep::hold()])
    }

    /// Only for this job.
    pub fn job(mut self, full_name: &str) -> Self {
        self.job = Some(full_name.into());
        self
    }

    /// For so many builds.
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// With another result.
    pub fn result(mut self, result: &str) -> Self {
        self.result = result.into();
        self
    }

    /// One more artifact.
    pub fn artifact(mut self, artifact: JenkinsArtifact) -> Self {
        self.artifacts.push(artifact);
        self
    }

    /// With this test report.
    pub fn tests(mut self, tests: impl IntoIterator<Item = JenkinsTest>) -> Self {
        self.tests = tests.into_iter().collect();
        self
    }

    /// The console holds nothing but the texts of the steps.
    pub fn bare(mut self) -> Self {
        self.bare_console = true;
        self
    }

    /// Takes a stop in this way.
    pub fn stop(mut self, stop: JenkinsStop) -> Self {
        self.stop = stop;
        self
    }

    pub(crate) fn fits(&self, job: &str) -> bool {
        self.times != Some(0) && self.job.as_ref().is_none_or(|j| j == job)
    }
}

/// One thing that happens in a build, after `seconds`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[must_use]
pub struct JenkinsStep {
    /// Time before it happens.
    pub seconds: f64,
    /// A stage begins, and the one before ends.
    pub stage: Option<String>,
    /// Text on the console, as it is: without a line feed at its end the line stays open.
    pub text: String,
    /// So many numbered lines at once: ten digits, a space, `line_text`.
    pub lines: u64,
    /// What stands in each of them.
    pub line_text: String,
    /// The build waits for an answer.
    pub input: Option<JenkinsInput>,
    /// The build stays here until it is released.
    pub hold: bool,
    /// A `node` step that waits for an agent with this label until it is released; it has a queue item of its own.
    pub node: Option<String>,
    /// The result is set already, although the build is still running.
    pub result: Option<String>,
}

impl JenkinsStep {
    /// Text on the console.
    pub fn text(text: &str) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// A stage begins.
    pub fn stage(name: &str) -> Self {
        Self { stage: Some(name.into()), ..Self::default() }
    }

    /// A burst of numbered lines.
    pub fn lines(count: u64, text: &str) -> Self {
        Self { lines: count, line_text: text.into(), ..Self::default() }
    }

    /// An input step.
    pub fn input(input: JenkinsInput) -> Self {
        Self { input: Some(input), ..Self::default() }
    }

    /// The build stays here until `release`.
    pub fn hold() -> Self {
        Self { hold: true, ..Self::default() }
    }

    /// A `node` step that waits for an agent with this label until `release`.
    pub fn node(label: &str) -> Self {
        Self { node: Some(label.into()), ..Self::default() }
    }

    /// The result is set, and the build is still running.
    pub fn result(result: &str) -> Self {
        Self { result: Some(result.into()), ..Self::default() }
    }

    /// After this time.
    pub fn after(mut self, seconds: f64) -> Self {
        self.seconds = seconds;
        self
    }
}

/// An input step of a Pipeline.
#[derive(Clone, Debug, PartialEq, SmartDefault, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[must_use]
pub struct JenkinsInput {
    /// Id; `None` is made of the message.
    pub id: Option<String>,
    /// What is asked.
    #[default = "Go on?"]
    pub message: String,
    /// The button.
    #[default = "Proceed"]
    pub ok: String,
    /// Who alone may answer.
    pub submitter: Option<String>,
    /// What has to be filled in.
    pub parameters: Vec<JenkinsParameter>,
}

impl JenkinsInput {
    /// An input step with this id.
    pub fn new(id: &str, message: &str) -> Self {
        Self { id: Some(id.into()), message: message.into(), ..Self::default() }
    }

    /// With something to fill in.
    pub fn parameter(mut self, parameter: JenkinsParameter) -> Self {
        self.parameters.push(parameter);
        self
    }

    /// Only this user may answer.
    pub fn submitter(mut self, user: &str) -> Self {
        self.submitter = Some(user.into());
        self
    }

    pub(crate) fn id(&self) -> String {
        self.id.clone().unwrap_or_else(|| {
            let hash = hash(&self.message);
            // Real ids are 32 hex digits, the first one a capital if it is a letter.
            let hex = format!("{hash:016x}{:016x}", mix(hash));
            hex[..1].to_uppercase() + &hex[1..]
        })
    }
}

/// A file that a build archives.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[must_use]
pub struct JenkinsArtifact {
    /// Relative path.
    pub path: String,
    /// What is in it; `None` makes `size` bytes.
    pub text: Option<String>,
    /// Number of bytes.
    pub size: u64,
    /// The build has its fingerprint.
    pub fingerprint: bool,
    /// The fingerprint instead of the true one.
    pub md5: Option<String>,
}

impl JenkinsArtifact {
    /// A text file.
    pub fn text(path: &str, text: &str) -> Self {
        Self { path: path.into(), text: Some(text.into()), ..Self::default() }
    }

    /// A file of this size.
    pub fn sized(path: &str, size: u64) -> Self {
        Self { path: path.into(), size, ..Self::default() }
    }

    /// With a fingerprint.
    pub fn fingerprinted(mut self) -> Self {
        self.fingerprint = true;
        self
    }

    pub(crate) fn content(&self) -> Content {
        match &self.text {
            Some(text) => Content::from_text(text),
            None => Content::Generated { seed: self.size, size: self.size },
        }
    }
}

/// A test case.
#[derive(Clone, Debug, PartialEq, SmartDefault, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JenkinsTest {
    /// Class; it names the suite as well.
    #[default = "demo.SuiteTest"]
    pub class: String,
    /// Name.
    pub name: String,
    /// `PASSED`, `FAILED`, `REGRESSION`, `FIXED` or `SKIPPED`.
    #[default = "PASSED"]
    pub status: String,
    /// How long it took.
    #[default = 0.01]
    pub seconds: f64,
    /// Why it failed.
    pub error: Option<String>,
}

impl JenkinsTest {
    /// A case that passed.
    pub fn passed(class: &str, name: &str) -> Self {
        Self { class: class.into(), name: name.into(), ..Self::default() }
    }

    /// A case that failed.
    pub fn failed(class: &str, name: &str, error: &str) -> Self {
        Self { status: "FAILED".into(), error: Some(error.into()), ..Self::passed(class, name) }
    }

    /// A case that was left out.
    pub fn skipped(class: &str, name: &str) -> Self {
        Self { status: "SKIPPED".into(), ..Self::passed(class, name) }
    }
}

/// How a build takes a stop.
#[derive(Clone, Debug, PartialEq, SmartDefault, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JenkinsStop {
    /// Time from the request to the end.
    #[default = 1.0]
    pub seconds: f64,
    /// So many requests to `stop` are taken and forgotten, as while a Pipeline is being made.
    pub lost: u32,
    /// `stop` changes nothing.
    pub ignores_stop: bool,
    /// `term` changes nothing.
    pub ignores_term: bool,
    /// `kill` changes nothing.
    pub ignores_kill: bool,
}

impl JenkinsStop {
    /// Only `kill` helps.
    pub fn stubborn() -> Self {
        Self { ignores_stop: true, ignores_term: true, ..Self::default() }
    }
}

//! How a build of a Jenkins job runs: what a test writes down before it starts one. Plain data with defaults.

use super::config::JenkinsParameter;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How the next builds of a job run.
///
/// `JenkinsPlan::default()` is a build that prints three lines in three simulated seconds and succeeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JenkinsPlan {
    /// Only for this job (full name).
    pub job: Option<String>,
    /// For how many builds; `None` is all of them.
    pub times: Option<u32>,
    /// Time as a blocked item, after the quiet period.
    pub blocked_seconds: f64,
    /// Why it is blocked.
    pub blocked_why: String,
    /// Time as a buildable item.
    pub buildable_seconds: f64,
    /// What a buildable item waits for.
    pub buildable_why: String,
    /// The buildable item counts as stuck.
    pub stuck: bool,
    /// It stays in the queue until it is released.
    pub hold_queue: bool,
    /// The item cannot be cancelled (422).
    pub uncancellable: bool,
    /// Time between the queue and the build: the item has left and has no executable.
    pub left_seconds: f64,
    /// What happens in the build.
    pub steps: Vec<JenkinsStep>,
    /// Its result.
    pub result: String,
    /// The console holds nothing but the texts of the steps.
    pub bare_console: bool,
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
    /// Display name; `None` is the number.
    pub display_name: Option<String>,
    /// Merged into the build's JSON as by RFC 7386.
    pub build_patch: Value,
    /// Merged into the queue item's JSON as by RFC 7386.
    pub item_patch: Value,
}

impl Default for JenkinsPlan {
    fn default() -> Self {
        Self {
            job: None,
            times: None,
            blocked_seconds: 0.0,
            blocked_why: "Build #1 is already in progress (ETA: N/A)".into(),
            buildable_seconds: 1.0,
            buildable_why: "Waiting for next available executor".into(),
            stuck: false,
            hold_queue: false,
            uncancellable: false,
            left_seconds: 0.0,
            steps: (1..=3).map(|n| JenkinsStep::text(&format!("step {n} of 3\n")).after(1.0)).collect(),
            result: "SUCCESS".into(),
            bare_console: false,
            post_seconds: 0.0,
            log_late_seconds: 0.0,
            artifacts: Vec::new(),
            tests: Vec::new(),
            stop: JenkinsStop::default(),
            estimated_seconds: None,
            description: None,
            display_name: None,
            build_patch: Value::Null,
            item_patch: Value::Null,
        }
    }
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
    #[must_use]
    pub fn job(mut self, full_name: &str) -> Self {
        self.job = Some(full_name.into());
        self
    }

    /// For so many builds.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// With another result.
    #[must_use]
    pub fn result(mut self, result: &str) -> Self {
        self.result = result.into();
        self
    }

    /// One more artifact.
    #[must_use]
    pub fn artifact(mut self, artifact: JenkinsArtifact) -> Self {
        self.artifacts.push(artifact);
        self
    }

    /// With this test report.
    #[must_use]
    pub fn tests(mut self, tests: impl IntoIterator<Item = JenkinsTest>) -> Self {
        self.tests = tests.into_iter().collect();
        self
    }

    /// The console holds nothing but the texts of the steps.
    #[must_use]
    pub fn bare(mut self) -> Self {
        self.bare_console = true;
        self
    }

    /// Takes a stop in this way.
    #[must_use]
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
    /// The result is set already, although the build goes on.
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

    /// A question.
    pub fn input(input: JenkinsInput) -> Self {
        Self { input: Some(input), ..Self::default() }
    }

    /// A stop until `release`.
    pub fn hold() -> Self {
        Self { hold: true, ..Self::default() }
    }

    /// A time in which nothing happens.
    pub fn pause(seconds: f64) -> Self {
        Self { seconds, ..Self::default() }
    }

    /// The result is set, and the build goes on.
    pub fn result(result: &str) -> Self {
        Self { result: Some(result.into()), ..Self::default() }
    }

    /// After this time.
    #[must_use]
    pub fn after(mut self, seconds: f64) -> Self {
        self.seconds = seconds;
        self
    }
}

/// A question of a pipeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JenkinsInput {
    /// Id; `None` is made of the message.
    pub id: Option<String>,
    /// What is asked.
    pub message: String,
    /// The button.
    pub ok: String,
    /// Who alone may answer.
    pub submitter: Option<String>,
    /// What has to be filled in.
    pub parameters: Vec<JenkinsParameter>,
}

impl Default for JenkinsInput {
    fn default() -> Self {
        let parameters = Vec::new();
        Self { id: None, message: "Go on?".into(), ok: "Proceed".into(), submitter: None, parameters }
    }
}

impl JenkinsInput {
    /// A question with this id.
    pub fn new(id: &str, message: &str) -> Self {
        Self { id: Some(id.into()), message: message.into(), ..Self::default() }
    }

    /// With something to fill in.
    #[must_use]
    pub fn parameter(mut self, parameter: JenkinsParameter) -> Self {
        self.parameters.push(parameter);
        self
    }

    /// Only this user may answer.
    #[must_use]
    pub fn submitter(mut self, user: &str) -> Self {
        self.submitter = Some(user.into());
        self
    }

    pub(crate) fn id(&self) -> String {
        self.id.clone().unwrap_or_else(|| {
            let hash = crate::ids::hash(&self.message);
            // The real one takes 32 hex digits, too, and makes the first one a capital if it is a letter.
            let hex = format!("{hash:016x}{:016x}", crate::ids::mix(hash));
            hex[..1].to_uppercase() + &hex[1..]
        })
    }
}

/// A file that a build archives.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JenkinsArtifact {
    /// Relative path.
    pub path: String,
    /// What is in it; `None` makes `size` bytes from `seed`.
    pub text: Option<String>,
    /// Number of bytes.
    pub size: u64,
    /// Chooses the bytes.
    pub seed: u64,
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
        Self { path: path.into(), size, seed: size, ..Self::default() }
    }

    /// With a fingerprint.
    #[must_use]
    pub fn fingerprinted(mut self) -> Self {
        self.fingerprint = true;
        self
    }

    pub(crate) fn content(&self) -> crate::content::Content {
        match &self.text {
            Some(text) => crate::content::Content::from_text(text),
            None => crate::content::Content::Generated { seed: self.seed, size: self.size },
        }
    }
}

/// A test case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JenkinsTest {
    /// Suite; `None` is the class.
    pub suite: Option<String>,
    /// Class.
    pub class: String,
    /// Name.
    pub name: String,
    /// `PASSED`, `FAILED`, `REGRESSION`, `FIXED` or `SKIPPED`.
    pub status: String,
    /// How long it took.
    pub seconds: f64,
    /// Why it failed.
    pub error: Option<String>,
}

impl Default for JenkinsTest {
    fn default() -> Self {
        Self {
            suite: None,
            class: "demo.SuiteTest".into(),
            name: String::new(),
            status: "PASSED".into(),
            seconds: 0.01,
            error: None,
        }
    }
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JenkinsStop {
    /// Time from the request to the end.
    pub seconds: f64,
    /// So many requests to `stop` are taken and forgotten, as while a Pipeline is being made.
    pub lost: u32,
    /// `stop` changes nothing.
    pub ignores_stop: bool,
    /// `term` changes nothing.
    pub ignores_term: bool,
    /// `kill` changes nothing.
    pub ignores_kill: bool,
    /// What it still prints.
    pub text: String,
    /// Its result.
    pub result: String,
}

impl Default for JenkinsStop {
    fn default() -> Self {
        Self {
            seconds: 1.0,
            lost: 0,
            ignores_stop: false,
            ignores_term: false,
            ignores_kill: false,
            text: String::new(),
            result: "ABORTED".into(),
        }
    }
}

impl JenkinsStop {
    /// Only `kill` helps.
    pub fn stubborn() -> Self {
        Self { ignores_stop: true, ignores_term: true, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn plans_are_read_and_written() {
        let plan: JenkinsPlan = serde_json::from_value(json!({"steps": [{"text": "x"}], "stop": {}})).unwrap();
        assert_eq!((plan.steps.len(), plan.result.as_str()), (1, "SUCCESS"));
        let again: JenkinsPlan = serde_json::from_value(serde_json::to_value(&plan).unwrap()).unwrap();
        assert_eq!(plan, again);
        assert!(serde_json::from_value::<JenkinsPlan>(json!({"reslut": 1})).is_err());
        assert!(plan.fits("any") && !plan.clone().times(0).fits("any") && !plan.job("a").fits("b"));
    }

    #[test]
    fn an_input_without_an_id_gets_a_steady_one() {
        let id = JenkinsInput::default().id();
        assert_eq!((id.len(), &id), (32, &JenkinsInput::default().id()));
    }
}

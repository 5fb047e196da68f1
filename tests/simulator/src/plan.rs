//! How a build runs: what a test writes down before it starts one. Plain data with defaults.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How the next build, or every build of a workflow, runs.
///
/// All fields have defaults; `Plan::default()` is a build of 300 simulated seconds that succeeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Plan {
    /// Only for builds of this workflow.
    pub workflow_id: Option<String>,
    /// Only for builds of this branch.
    pub branch: Option<String>,
    /// Only for builds of this app.
    pub app_id: Option<String>,
    /// For how many builds; `None` is all of them.
    pub times: Option<u32>,
    /// Time in `initializing` before the queue.
    pub initializing_seconds: f64,
    /// Time in `queued`.
    pub queued_seconds: f64,
    /// The steps in order.
    pub steps: Vec<StepPlan>,
    /// Status at the end; `None` takes it from the steps (`failed` or `finished`). Any word goes.
    pub status: Option<String>,
    /// What v3 says instead of `status`, as it does not know `warning`.
    pub v3_status: Option<String>,
    /// Legacy `message`, the reason of a failure; `None` makes one up from the failed step.
    pub message: Option<String>,
    /// The step, status or `queued` in which the build stays until it is released or cancelled.
    pub hold: Option<String>,
    /// Name of the step that is running when a build ends as `canceled` or `timeout`.
    pub ends_in: Option<String>,
    /// What the build leaves behind.
    pub artifacts: Vec<ArtifactPlan>,
    /// How long after the end the artifacts appear.
    pub artifacts_late_seconds: f64,
    /// Commit hash; `None` makes one up, an empty text means that the service shows no commit.
    pub commit: Option<String>,
    /// Labels of the workflow itself.
    pub labels: Vec<String>,
    /// App Store Connect: statuses one after the other from the end of the build on.
    pub app_store_connect: Vec<StorePhase>,
    /// How a cancel is taken.
    pub cancel: CancelPlan,
    /// Instead of the general setting: this many GETs after the start answer 404.
    pub not_found_polls: Option<u32>,
    /// Instead of the general setting: GETs answer 404 for this long after the start.
    pub not_found_seconds: Option<f64>,
    /// Arrays that may be null are null: v3 `release_notes`, legacy `artefacts`.
    pub null_lists: bool,
    /// `instance_type` of the workflow.
    pub instance_type: Option<String>,
    /// Merged into the v3 answer's `data` as by RFC 7386 (null removes a key).
    pub v3_patch: Option<Value>,
    /// Merged into the legacy answer's `build` in the same way.
    pub legacy_patch: Option<Value>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StepPlan {
    /// Shown name.
    pub name: String,
    /// v3 type; `script` has none in legacy answers.
    pub r#type: String,
    /// How long it runs.
    pub seconds: f64,
    /// `success`, `failed`, `skipped` or `canceled`.
    pub status: String,
    /// Its failure does not fail the build.
    pub ignore_failure: bool,
    /// Exit code named in the legacy message.
    pub exit_code: i32,
    /// Text of the log; after the generated lines if there are any.
    pub log: Option<String>,
    /// Size of generated log lines before the text.
    pub log_bytes: u64,
    /// No log exists, not even a link.
    pub no_log: bool,
    /// Legacy: where the link to the log is; `None` is what the service does by the step's type.
    pub log_link: Option<LogLink>,
    /// Source of the script, which v3 shows.
    pub script: Option<String>,
    /// Legacy: commands of the subactions; a script has one if none is given.
    pub commands: Vec<String>,
    /// Results of tests the step ran.
    pub tests: Option<TestPlan>,
    /// Status of the build while this step runs; `None` takes it from the type. Any word goes.
    pub build_status: Option<String>,
}

/// Where a legacy step carries the link to its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLink {
    /// On the step alone.
    Action,
    /// On its subactions alone.
    Subaction,
    /// On both.
    Both,
}

/// Test results of a step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TestPlan {
    /// How many tests passed.
    pub passed: u32,
    /// How many failed.
    pub failed: u32,
    /// How many were skipped.
    pub skipped: u32,
    /// How many broke.
    pub errored: u32,
    /// The legacy `results` array, instead of one made from the numbers.
    pub results: Option<Value>,
}

/// One artifact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ArtifactPlan {
    /// Shown name; may hold anything, also separators of paths.
    pub name: String,
    /// Type as the service calls it; free text.
    pub r#type: String,
    /// Real size; the bytes are generated when they are read.
    pub size: u64,
    /// Chooses the generated bytes.
    pub seed: u64,
    /// Instead of generated bytes: this text.
    pub text: Option<String>,
    /// Size the service tells, if it is not the real one.
    pub declared_size: Option<u64>,
    /// The service tells no size.
    pub no_size: bool,
    /// Sum the service tells in legacy answers, if it is not the real one; empty means none.
    pub md5: Option<String>,
    /// Version shown by v3 and legacy.
    pub version_name: Option<String>,
    /// Version code; a string in both.
    pub version_code: Option<String>,
    /// Legacy: bundle id of an iOS app.
    pub bundle_id: Option<String>,
    /// Legacy: package name of an Android app.
    pub package_name: Option<String>,
}

/// One status of App Store Connect's processing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StorePhase {
    /// `initiated`, `pending`, `processing`, `finished`, `timeout` or `failed`.
    pub status: String,
    /// For how long; the last one stays.
    #[serde(default)]
    pub seconds: f64,
}

/// How a cancel is taken.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CancelPlan {
    /// Time from the request to the status `canceled`; `None` is the general setting.
    pub delay_seconds: Option<f64>,
    /// The request is answered as usual, but the build runs on.
    pub ignored: bool,
    /// The word the build ends with instead of `canceled`.
    pub status: Option<String>,
}

impl Default for Plan {
    fn default() -> Self {
        let tests = TestPlan { passed: 12, ..TestPlan::default() };
        Self {
            workflow_id: None,
            branch: None,
            app_id: None,
            times: None,
            initializing_seconds: 0.0,
            queued_seconds: 5.0,
            steps: vec![
                StepPlan::of("Preparing build machine", "preparing", 20.0),
                StepPlan::of("Fetching app sources", "fetching", 10.0),
                StepPlan::of("Install dependencies", "script", 50.0),
                StepPlan { tests: Some(tests), ..StepPlan::of("Run unit tests", "script", 60.0) },
                StepPlan::of("Build ipa", "script", 120.0),
                StepPlan::of("Publishing", "publishing", 30.0),
                StepPlan::of("Cleaning up", "finishing", 10.0),
            ],
            status: None,
            v3_status: None,
            message: None,
            hold: None,
            ends_in: None,
            artifacts: vec![
                ArtifactPlan {
                    version_name: Some("1.0.108".into()),
                    version_code: Some("108".into()),
                    bundle_id: Some("com.example.demo".into()),
                    ..ArtifactPlan::of("Demo.ipa", "ipa", 300_000)
                },
                ArtifactPlan::text("test-report.xml", "test_results_bundle", REPORT),
            ],
            artifacts_late_seconds: 0.0,
            commit: None,
            labels: Vec::new(),
            app_store_connect: Vec::new(),
            cancel: CancelPlan::default(),
            not_found_polls: None,
            not_found_seconds: None,
            null_lists: false,
            instance_type: Some("mac_mini_m2".into()),
            v3_patch: None,
            legacy_patch: None,
        }
    }
}

/// Content of the default plan's test report.
const REPORT: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
<testsuites tests=\"1\" failures=\"0\"><testsuite name=\"demo\" tests=\"1\" failures=\"0\">\
<testcase classname=\"demo\" name=\"adds\" time=\"0.01\"/></testsuite></testsuites>\n";

impl Default for StepPlan {
    fn default() -> Self {
        Self {
            name: "Script".into(),
            r#type: "script".into(),
            seconds: 10.0,
            status: "success".into(),
            ignore_failure: false,
            exit_code: 1,
            log: None,
            log_bytes: 0,
            no_log: false,
            log_link: None,
            script: None,
            commands: Vec::new(),
            tests: None,
            build_status: None,
        }
    }
}

impl Default for ArtifactPlan {
    fn default() -> Self {
        Self {
            name: "artifact.bin".into(),
            r#type: "glob_matched".into(),
            size: 1000,
            seed: 1,
            text: None,
            declared_size: None,
            no_size: false,
            md5: None,
            version_name: None,
            version_code: None,
            bundle_id: None,
            package_name: None,
        }
    }
}

impl Plan {
    /// The default build with `name` as its failing step; the steps after it are skipped as the service does.
    pub fn failing(name: &str, log: &str) -> Self {
        let mut plan = Self { artifacts: Vec::new(), ..Self::default() };
        let at = plan.steps.iter().position(|s| s.name == name).unwrap_or(4);
        let step = &mut plan.steps[at];
        name.clone_into(&mut step.name);
        "failed".clone_into(&mut step.status);
        step.log = Some(log.into());
        plan
    }

    /// The default build with another last status, for example `timeout` or `skipped`.
    pub fn ending(status: &str) -> Self {
        Self { status: Some(status.into()), ..Self::default() }
    }

    /// The default build stretched or squeezed so that it runs for `seconds` after `queued` seconds in the queue.
    pub fn lasting(queued: f64, seconds: f64) -> Self {
        let mut plan = Self { queued_seconds: queued, ..Self::default() };
        plan.scale_to(seconds);
        plan
    }

    /// Scales the steps so that together they take `seconds`.
    pub fn scale_to(&mut self, seconds: f64) {
        let total: f64 = self.steps.iter().map(|s| s.seconds).sum();
        if total > 0.0 {
            for step in &mut self.steps {
                step.seconds *= seconds / total;
            }
        }
    }

    /// Does this plan speak about such a build?
    pub(crate) fn fits(&self, app: &str, workflow: &str, branch: Option<&str>) -> bool {
        self.times != Some(0)
            && self.app_id.as_deref().is_none_or(|a| a == app)
            && self.workflow_id.as_deref().is_none_or(|w| w == workflow)
            && self.branch.as_deref().is_none_or(|b| Some(b) == branch)
    }
}

impl StepPlan {
    /// A successful step.
    pub fn of(name: &str, r#type: &str, seconds: f64) -> Self {
        Self { name: name.into(), r#type: r#type.into(), seconds, ..Self::default() }
    }
}

impl ArtifactPlan {
    /// An artifact of generated bytes.
    pub fn of(name: &str, r#type: &str, size: u64) -> Self {
        Self { name: name.into(), r#type: r#type.into(), size, ..Self::default() }
    }

    /// An artifact that holds a text.
    pub fn text(name: &str, r#type: &str, text: &str) -> Self {
        Self { text: Some(text.into()), ..Self::of(name, r#type, text.len() as u64) }
    }
}

impl TestPlan {
    /// The legacy `results` array.
    pub(crate) fn results(&self) -> Value {
        if let Some(results) = &self.results {
            return results.clone();
        }
        let mut tests = Vec::new();
        let kinds =
            [("success", self.passed), ("failed", self.failed), ("skipped", self.skipped), ("errored", self.errored)];
        for (status, count) in kinds {
            for i in 0..count {
                let id = tests.len() + 3;
                let mut test = json!({"id": id, "name": format!("case {i} {status} \"quoted\" <&>"), "status": status});
                if status == "failed" || status == "errored" {
                    test["message"] = json!("Expected: <3>\n  Actual: <4>");
                }
                tests.push(test);
            }
        }
        let counts = json!({"passed": self.passed, "failed": self.failed,
                            "skipped": self.skipped, "errored": self.errored});
        let mut suite = counts.clone();
        suite["id"] = json!(1);
        suite["name"] = json!("demo_test.dart");
        suite["tests"] = Value::Array(tests);
        let mut report = counts;
        report["name"] = json!("test-results.json");
        report["suites"] = json!([suite]);
        json!([report])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_runs_for_300_seconds() {
        let total: f64 = Plan::default().steps.iter().map(|s| s.seconds).sum();
        assert!((total - 300.0).abs() < 1e-9);
    }

    #[test]
    fn json_needs_only_what_differs_and_typos_are_refused() {
        let plan: Plan =
            serde_json::from_value(json!({"status": "warning", "steps": [{"name": "A", "seconds": 2}]})).unwrap();
        assert_eq!(plan.steps[0].r#type, "script");
        assert!(serde_json::from_value::<Plan>(json!({"statsu": "x"})).is_err());
        let again: Plan = serde_json::from_value(serde_json::to_value(&plan).unwrap()).unwrap();
        assert_eq!(plan, again);
    }

    #[test]
    fn fits_by_workflow_and_branch() {
        let plan = Plan { workflow_id: Some("w".into()), branch: Some("main".into()), ..Plan::default() };
        assert!(plan.fits("a", "w", Some("main")));
        assert!(!plan.fits("a", "w", None));
        assert!(!plan.fits("a", "x", Some("main")));
    }
}

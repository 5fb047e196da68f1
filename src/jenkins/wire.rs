//! What Jenkins sends, as far as it is read: every field may be missing, null or of another type, and lists of actions
//! hold empty objects and null, because plugins export what they like.
//!
//! Fields are read leniently, see [`crate::lenient`]. Whether an answer is one at all is for the caller to say: by the field
//! that it cannot do without.

use serde::Deserialize;
use serde_json::Value;

use crate::lenient::{Entries, Field, List, Object, Texts, value};
pub(super) use crate::lenient::{parse as decode, parse_list as decode_list};

/// A value as a text: a text as it is, anything else but null as JSON.
pub(super) fn shown(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// `GET /whoAmI/api/json`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct WhoAmI {
    pub(super) name: Field<String>,
    pub(super) anonymous: Field<bool>,
}

/// `GET /crumbIssuer/api/json`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Crumb {
    pub(super) crumb_request_field: Field<String>,
    pub(super) crumb: Field<String>,
}

/// How many of a job's builds are asked for at most: Jenkins gives no more in `builds` (`hudson.model.Job#getNewBuilds`).
/// That is more than a busy job starts in the five minutes in which a queue item is forgotten.
pub(super) const MOST_BUILDS: usize = 100;

/// `GET /job/X/api/json`, and an entry of a folder's `jobs`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Job {
    #[serde(rename = "_class")]
    pub(super) class: Field<String>,
    pub(super) name: Field<String>,
    pub(super) color: Field<String>,
    pub(super) buildable: Field<bool>,
    pub(super) disabled: Field<bool>,
    pub(super) next_build_number: Field<u64>,
    pub(super) queue_item: Object<QueueItemId>,
    pub(super) last_build: Object<Build>,
    pub(super) jobs: List<Job>,
    pub(super) property: List<Property>,
    /// Jenkins before 2 exports the parameters here instead.
    pub(super) actions: List<Property>,
    pub(super) builds: List<Build>,
}

/// A reference to a queue item.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct QueueItemId {
    pub(super) id: Field<u64>,
}

/// An entry of a job's `property`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Property {
    pub(super) parameter_definitions: List<ParameterDefinition>,
}

/// A declared parameter.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ParameterDefinition {
    pub(super) name: Field<String>,
    /// The simple name of the definition's class, e.g. `StringParameterDefinition`.
    #[serde(rename = "type")]
    pub(super) type_name: Field<String>,
    pub(super) description: Field<String>,
    pub(super) choices: Texts,
    pub(super) default_parameter_value: Object<ParameterDefault>,
}

/// A parameter's default.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ParameterDefault {
    #[serde(deserialize_with = "value")]
    pub(super) value: Value,
}

/// `GET /queue/api/json`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Queue {
    pub(super) items: List<QueueItem>,
}

/// `GET /queue/item/N/api/json`, and an entry of the queue.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct QueueItem {
    #[serde(rename = "_class")]
    pub(super) class: Field<String>,
    pub(super) id: Field<u64>,
    pub(super) why: Field<String>,
    pub(super) blocked: Field<bool>,
    pub(super) stuck: Field<bool>,
    pub(super) cancelled: Field<bool>,
    /// Milliseconds since 1970 on the controller's clock.
    pub(super) in_queue_since: Field<u64>,
    pub(super) task: Object<Task>,
    pub(super) executable: Object<Executable>,
    pub(super) actions: List<Action>,
}

/// What a queue item runs.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Task {
    /// The address of the job; of the build for a `node` step, which may be relative.
    pub(super) url: Field<String>,
}

/// What came of a queue item.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Executable {
    pub(super) number: Field<u64>,
    pub(super) url: Field<String>,
}

/// `GET /computer/api/json`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Computers {
    pub(super) computer: List<Computer>,
}

/// An agent.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Computer {
    pub(super) executors: List<Executor>,
}

/// An executor of an agent.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Executor {
    pub(super) current_executable: Object<Executable>,
}

/// `GET /job/X/N/api/json`, and an entry of a job's `builds`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Build {
    #[serde(rename = "_class")]
    pub(super) class: Field<String>,
    pub(super) number: Field<u64>,
    pub(super) building: Field<bool>,
    pub(super) in_progress: Field<bool>,
    pub(super) result: Field<String>,
    /// Milliseconds.
    pub(super) duration: Field<u64>,
    /// Milliseconds; -1, so absent, when nothing is known.
    pub(super) estimated_duration: Field<u64>,
    /// Milliseconds since 1970 on the controller's clock.
    pub(super) timestamp: Field<u64>,
    pub(super) queue_id: Field<u64>,
    pub(super) actions: List<Action>,
    pub(super) artifacts: List<Artifact>,
    /// The builds of a matrix build's configurations.
    pub(super) runs: List<Executable>,
}

/// An entry of `actions`, of a build or of a queue item.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Action {
    #[serde(rename = "_class")]
    pub(super) class: Field<String>,
    pub(super) parameters: List<Parameter>,
    pub(super) causes: List<Cause>,
    pub(super) executions: List<InputExecution>,
}

/// A parameter's value.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Parameter {
    pub(super) name: Field<String>,
    /// Missing for secret ones.
    #[serde(deserialize_with = "value")]
    pub(super) value: Value,
}

/// Why a build was started.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Cause {
    pub(super) user_id: Field<String>,
    pub(super) note: Field<String>,
}

/// A step `input` that was reached.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct InputExecution {
    pub(super) id: Field<String>,
    pub(super) settled: Field<bool>,
    pub(super) input: Object<Input>,
}

/// What a step `input` asks.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Input {
    pub(super) id: Field<String>,
    pub(super) message: Field<String>,
    pub(super) submitter: Field<String>,
    /// Missing in old versions of the plugin pipeline-input-step.
    pub(super) parameters: List<ParameterDefinition>,
}

/// An archived file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Artifact {
    pub(super) file_name: Field<String>,
    pub(super) relative_path: Field<String>,
}

/// `GET /job/X/N/wfapi/describe` (pipeline-rest-api).
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Run {
    pub(super) stages: List<Stage>,
}

/// A stage.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Stage {
    pub(super) name: Field<String>,
    /// Null for a stage that an exception interrupted.
    pub(super) status: Field<String>,
    pub(super) duration_millis: Field<u64>,
    pub(super) error: Object<StageError>,
}

/// Why a stage ended.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct StageError {
    /// The class of the exception.
    #[serde(rename = "type")]
    pub(super) type_name: Field<String>,
}

/// An entry of `GET /job/X/N/wfapi/pendingInputActions`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PendingInput {
    pub(super) id: Field<String>,
    pub(super) inputs: List<InputParameter>,
}

/// A parameter of a step `input`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct InputParameter {
    pub(super) name: Field<String>,
    #[serde(rename = "type")]
    pub(super) type_name: Field<String>,
    pub(super) definition: Object<InputDefinition>,
}

/// The definition of such a parameter.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct InputDefinition {
    #[serde(deserialize_with = "value")]
    pub(super) default_val: Value,
    pub(super) choices: Texts,
}

/// `GET /job/X/N/testReport/api/json`, and the report of a child.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct TestReport<'a> {
    pub(super) fail_count: Field<u64>,
    pub(super) skip_count: Field<u64>,
    pub(super) pass_count: Field<u64>,
    pub(super) total_count: Field<u64>,
    #[serde(borrow)]
    pub(super) suites: Entries<'a, TestSuite<'a>>,
    pub(super) child_reports: Entries<'a, ChildReport<'a>>,
}

/// Tests of one file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct TestSuite<'a> {
    pub(super) name: Field<String>,
    pub(super) timestamp: Field<String>,
    #[serde(borrow)]
    pub(super) cases: Entries<'a, TestCase>,
}

/// A test.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct TestCase {
    pub(super) class_name: Field<String>,
    pub(super) name: Field<String>,
    pub(super) status: Field<String>,
    /// Seconds.
    pub(super) duration: Field<f64>,
    pub(super) error_details: Field<String>,
    pub(super) skipped_message: Field<String>,
}

/// The report of another build that an aggregating job collects.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ChildReport<'a> {
    #[serde(borrow)]
    pub(super) result: Object<TestReport<'a>>,
}

/// `POST …/ApiTokenProperty/generateNewToken`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct NewToken {
    pub(super) status: Field<String>,
    pub(super) message: Field<String>,
    pub(super) data: Object<NewTokenData>,
}

/// The token that was made.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct NewTokenData {
    pub(super) token_uuid: Field<String>,
    pub(super) token_name: Field<String>,
    pub(super) token_value: Field<String>,
    pub(super) expiration_date: Field<String>,
}

/// Whether an answer is about an item. The root of a controller, which answers below a wrong address as well, has no
/// name.
pub(super) fn is_job(job: &Job) -> bool {
    !job.name.text_or_empty().is_empty()
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;
    use serde_json::json;

    use super::*;

    fn read<T: DeserializeOwned>(value: &Value) -> T {
        decode(value.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn a_field_of_another_type_is_as_good_as_missing_and_hides_no_other() {
        let job: Job = read(&json!({
            "_class": 7, "name": "a", "disabled": "true", "buildable": null, "nextBuildNumber": -1, "queueItem": [],
            "property": [null, {}, 7, "x", {"parameterDefinitions": [null, {"name": "A", "choices": 3}, {"name": {}}]}],
            "jobs": {"not": "a list"}, "unknown": [{"deep": [[[]]]}],
        }));
        assert_eq!((job.class.0, job.name.text(), job.disabled.0, job.buildable.0), (None, Some("a"), None, None));
        assert_eq!((job.next_build_number.0, job.queue_item.0.is_none(), job.jobs.given), (None, true, false));
        let lists = job.property.entries.iter().flat_map(|list| &list.parameter_definitions.entries);
        assert_eq!(lists.map(|one| one.name.text()).collect::<Vec<_>>(), [Some("A"), None]);
        let build: Build =
            read(&json!({"number": 1, "actions": [{}, null, {"causes": [[], {"userId": "dev"}]}], "artifacts": null}));
        assert_eq!((build.number.0, build.actions.entries.len(), build.artifacts.given), (Some(1), 2, false));
    }

    #[test]
    fn text_that_is_not_unicode_costs_nothing_but_itself() {
        for (sent, name) in [
            (
                &br#"{"number":1,"result":"a\ud83d b \ud83d\ude80 \udc00\n \\ud83d"}"#[..],
                "a\u{fffd} b \u{1f680} \u{fffd}\n \\ud83d",
            ),
            (b"{\"number\":1,\"result\":\"a\xff\"}", "a\u{fffd}"),
            (br#"{"number":1,"result":"\ud83d"}"#, "\u{fffd}"),
        ] {
            let build: Build = decode(sent).unwrap();
            assert_eq!((build.number.0, build.result.text()), (Some(1), Some(name)));
        }
        for none in [&b"<html>"[..], b"", b"{\"a\":\"\\"] {
            assert!(decode::<Build>(none).is_none());
        }
    }
}

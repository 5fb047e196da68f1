//! What Jenkins sends, as far as it is read: every field may be missing, null or of another type, and lists of actions
//! hold empty objects and null, because plugins export what they like.
//!
//! Fields are read leniently (see [`crate::lenient`]) into plain types: one that cannot be read has its default, and a
//! list's entry that is no object is left out. Whether an answer is one at all is for the caller to say: by the field
//! that it cannot do without.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::lenient::{Field, List, Object, Scalar, Texts};
pub(super) use crate::lenient::{parse as decode, parse_list as decode_list};

fn scalar<'de, D: Deserializer<'de>, T: Scalar + Default>(deserializer: D) -> Result<T, D::Error> {
    optional(deserializer).map(Option::unwrap_or_default)
}

fn optional<'de, D: Deserializer<'de>, T: Scalar>(deserializer: D) -> Result<Option<T>, D::Error> {
    Field::deserialize(deserializer).map(|field| field.0)
}

fn object<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    optional_object(deserializer).map(Option::unwrap_or_default)
}

fn optional_object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Object::deserialize(deserializer).map(|object| object.0)
}

fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    List::deserialize(deserializer).map(|list| list.entries)
}

fn optional_list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Vec<T>>, D::Error> {
    List::deserialize(deserializer).map(|list| list.given.then_some(list.entries))
}

fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Texts::deserialize(deserializer).map(|texts| texts.0)
}

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
    #[serde(deserialize_with = "scalar")]
    pub(super) name: String,
    #[serde(deserialize_with = "scalar")]
    pub(super) anonymous: bool,
}

/// `GET /crumbIssuer/api/json`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Crumb {
    #[serde(deserialize_with = "scalar")]
    pub(super) crumb_request_field: String,
    #[serde(deserialize_with = "scalar")]
    pub(super) crumb: String,
}

/// `GET /job/X/api/json`, and an entry of a folder's `jobs`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Job {
    #[serde(rename = "_class")]
    #[serde(deserialize_with = "scalar")]
    pub(super) class: String,
    #[serde(deserialize_with = "scalar")]
    pub(super) name: String,
    #[serde(deserialize_with = "scalar")]
    pub(super) full_name: String,
    #[serde(deserialize_with = "scalar")]
    pub(super) color: String,
    #[serde(deserialize_with = "optional")]
    pub(super) buildable: Option<bool>,
    #[serde(deserialize_with = "scalar")]
    pub(super) disabled: bool,
    #[serde(deserialize_with = "scalar")]
    pub(super) next_build_number: u64,
    #[serde(deserialize_with = "optional_object")]
    pub(super) queue_item: Option<QueueItemId>,
    #[serde(deserialize_with = "optional_object")]
    pub(super) last_build: Option<Build>,
    #[serde(deserialize_with = "optional_list")]
    pub(super) jobs: Option<Vec<Job>>,
    #[serde(deserialize_with = "list")]
    pub(super) property: Vec<Property>,
    /// Jenkins before 2 exports the parameters here instead.
    #[serde(deserialize_with = "list")]
    pub(super) actions: Vec<Property>,
    #[serde(deserialize_with = "optional_list")]
    pub(super) builds: Option<Vec<Build>>,
}

/// A reference to a queue item.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct QueueItemId {
    #[serde(deserialize_with = "optional")]
    pub(super) id: Option<u64>,
}

/// An entry of a job's `property`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Property {
    #[serde(deserialize_with = "list")]
    pub(super) parameter_definitions: Vec<ParameterDefinition>,
}

/// A declared parameter.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ParameterDefinition {
    #[serde(deserialize_with = "optional")]
    pub(super) name: Option<String>,
    /// The simple name of the definition's class, e.g. `StringParameterDefinition`.
    #[serde(rename = "type")]
    #[serde(deserialize_with = "scalar")]
    pub(super) type_name: String,
    #[serde(deserialize_with = "optional")]
    pub(super) description: Option<String>,
    #[serde(deserialize_with = "texts")]
    pub(super) choices: Vec<String>,
    #[serde(deserialize_with = "object")]
    pub(super) default_parameter_value: ParameterDefault,
}

/// A parameter's default.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ParameterDefault {
    pub(super) value: Value,
}

/// `GET /queue/api/json`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Queue {
    #[serde(deserialize_with = "optional_list")]
    pub(super) items: Option<Vec<QueueItem>>,
}

/// `GET /queue/item/N/api/json`, and an entry of the queue.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct QueueItem {
    #[serde(rename = "_class")]
    #[serde(deserialize_with = "scalar")]
    pub(super) class: String,
    #[serde(deserialize_with = "optional")]
    pub(super) id: Option<u64>,
    #[serde(deserialize_with = "optional")]
    pub(super) why: Option<String>,
    #[serde(deserialize_with = "scalar")]
    pub(super) blocked: bool,
    #[serde(deserialize_with = "scalar")]
    pub(super) stuck: bool,
    #[serde(deserialize_with = "scalar")]
    pub(super) cancelled: bool,
    /// Milliseconds since 1970 on the controller's clock.
    #[serde(deserialize_with = "scalar")]
    pub(super) in_queue_since: u64,
    #[serde(deserialize_with = "object")]
    pub(super) task: Task,
    #[serde(deserialize_with = "optional_object")]
    pub(super) executable: Option<Executable>,
    #[serde(deserialize_with = "list")]
    pub(super) actions: Vec<Action>,
}

/// What a queue item runs.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Task {
    #[serde(rename = "_class")]
    #[serde(deserialize_with = "scalar")]
    pub(super) class: String,
    #[serde(deserialize_with = "scalar")]
    pub(super) name: String,
    /// The address of the job; of the build for a `node` step, which may be relative.
    #[serde(deserialize_with = "scalar")]
    pub(super) url: String,
}

/// What came of a queue item.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Executable {
    #[serde(rename = "_class")]
    #[serde(deserialize_with = "scalar")]
    pub(super) class: String,
    #[serde(deserialize_with = "optional")]
    pub(super) number: Option<u64>,
    #[serde(deserialize_with = "scalar")]
    pub(super) url: String,
}

/// `GET /computer/api/json`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Computers {
    #[serde(deserialize_with = "optional_list")]
    pub(super) computer: Option<Vec<Computer>>,
}

/// An agent.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Computer {
    #[serde(deserialize_with = "list")]
    pub(super) executors: Vec<Executor>,
}

/// An executor of an agent.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Executor {
    #[serde(deserialize_with = "optional_object")]
    pub(super) current_executable: Option<Executable>,
}

/// `GET /job/X/N/api/json`, and an entry of a job's `builds`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Build {
    #[serde(rename = "_class")]
    #[serde(deserialize_with = "scalar")]
    pub(super) class: String,
    #[serde(deserialize_with = "optional")]
    pub(super) number: Option<u64>,
    #[serde(deserialize_with = "scalar")]
    pub(super) building: bool,
    #[serde(deserialize_with = "optional")]
    pub(super) in_progress: Option<bool>,
    #[serde(deserialize_with = "optional")]
    pub(super) result: Option<String>,
    /// Milliseconds.
    #[serde(deserialize_with = "optional")]
    pub(super) duration: Option<u64>,
    /// Milliseconds; -1, so absent, when nothing is known.
    #[serde(deserialize_with = "optional")]
    pub(super) estimated_duration: Option<u64>,
    /// Milliseconds since 1970 on the controller's clock.
    #[serde(deserialize_with = "optional")]
    pub(super) timestamp: Option<u64>,
    #[serde(deserialize_with = "optional")]
    pub(super) queue_id: Option<u64>,
    #[serde(deserialize_with = "list")]
    pub(super) actions: Vec<Action>,
    #[serde(deserialize_with = "list")]
    pub(super) artifacts: Vec<Artifact>,
    /// The builds of a matrix build's configurations.
    #[serde(deserialize_with = "list")]
    pub(super) runs: Vec<Executable>,
}

/// An entry of `actions`, of a build or of a queue item.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Action {
    #[serde(rename = "_class")]
    #[serde(deserialize_with = "scalar")]
    pub(super) class: String,
    #[serde(deserialize_with = "list")]
    pub(super) parameters: Vec<Parameter>,
    #[serde(deserialize_with = "list")]
    pub(super) causes: Vec<Cause>,
    #[serde(deserialize_with = "list")]
    pub(super) executions: Vec<InputExecution>,
}

/// A parameter's value.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Parameter {
    #[serde(deserialize_with = "scalar")]
    pub(super) name: String,
    /// Missing for secret ones.
    pub(super) value: Value,
}

/// Why a build was started.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Cause {
    #[serde(deserialize_with = "optional")]
    pub(super) user_id: Option<String>,
    #[serde(deserialize_with = "optional")]
    pub(super) note: Option<String>,
    #[serde(deserialize_with = "optional")]
    pub(super) short_description: Option<String>,
}

/// A step `input` that was reached.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct InputExecution {
    #[serde(deserialize_with = "optional")]
    pub(super) id: Option<String>,
    #[serde(deserialize_with = "scalar")]
    pub(super) settled: bool,
    #[serde(deserialize_with = "object")]
    pub(super) input: Input,
}

/// What a step `input` asks.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Input {
    #[serde(deserialize_with = "optional")]
    pub(super) id: Option<String>,
    #[serde(deserialize_with = "scalar")]
    pub(super) message: String,
    #[serde(deserialize_with = "scalar")]
    pub(super) submitter: String,
    /// Missing in old versions of the plugin pipeline-input-step.
    #[serde(deserialize_with = "optional_list")]
    pub(super) parameters: Option<Vec<ParameterDefinition>>,
}

/// An archived file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Artifact {
    #[serde(deserialize_with = "optional")]
    pub(super) file_name: Option<String>,
    #[serde(deserialize_with = "optional")]
    pub(super) relative_path: Option<String>,
}

/// `GET /job/X/N/wfapi/describe` (pipeline-rest-api).
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Run {
    #[serde(deserialize_with = "optional_list")]
    pub(super) stages: Option<Vec<Stage>>,
}

/// A stage.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Stage {
    #[serde(deserialize_with = "scalar")]
    pub(super) name: String,
    /// Null for a stage that an exception interrupted.
    #[serde(deserialize_with = "scalar")]
    pub(super) status: String,
    #[serde(deserialize_with = "optional")]
    pub(super) duration_millis: Option<u64>,
    #[serde(deserialize_with = "optional_object")]
    pub(super) error: Option<StageError>,
}

/// Why a stage ended.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct StageError {
    #[serde(deserialize_with = "optional")]
    pub(super) message: Option<String>,
    /// The class of the exception.
    #[serde(rename = "type")]
    #[serde(deserialize_with = "scalar")]
    pub(super) type_name: String,
}

/// An entry of `GET /job/X/N/wfapi/pendingInputActions`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PendingInput {
    #[serde(deserialize_with = "scalar")]
    pub(super) id: String,
    #[serde(deserialize_with = "list")]
    pub(super) inputs: Vec<InputParameter>,
}

/// A parameter of a step `input`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct InputParameter {
    #[serde(deserialize_with = "scalar")]
    pub(super) name: String,
    #[serde(rename = "type")]
    #[serde(deserialize_with = "scalar")]
    pub(super) type_name: String,
    #[serde(deserialize_with = "object")]
    pub(super) definition: InputDefinition,
}

/// The definition of such a parameter.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct InputDefinition {
    pub(super) default_val: Value,
    #[serde(deserialize_with = "texts")]
    pub(super) choices: Vec<String>,
}

/// `GET /job/X/N/testReport/api/json`, and the report of a child.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct TestReport {
    #[serde(deserialize_with = "optional")]
    pub(super) fail_count: Option<u64>,
    #[serde(deserialize_with = "optional")]
    pub(super) skip_count: Option<u64>,
    #[serde(deserialize_with = "optional")]
    pub(super) pass_count: Option<u64>,
    #[serde(deserialize_with = "optional")]
    pub(super) total_count: Option<u64>,
    #[serde(deserialize_with = "list")]
    pub(super) suites: Vec<TestSuite>,
    #[serde(deserialize_with = "list")]
    pub(super) child_reports: Vec<ChildReport>,
}

/// Tests of one file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct TestSuite {
    #[serde(deserialize_with = "scalar")]
    pub(super) name: String,
    #[serde(deserialize_with = "optional")]
    pub(super) timestamp: Option<String>,
    #[serde(deserialize_with = "list")]
    pub(super) cases: Vec<TestCase>,
}

/// A test.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct TestCase {
    #[serde(deserialize_with = "scalar")]
    pub(super) class_name: String,
    #[serde(deserialize_with = "scalar")]
    pub(super) name: String,
    #[serde(deserialize_with = "scalar")]
    pub(super) status: String,
    /// Seconds.
    #[serde(deserialize_with = "optional")]
    pub(super) duration: Option<f64>,
    #[serde(deserialize_with = "optional")]
    pub(super) error_details: Option<String>,
    #[serde(deserialize_with = "optional")]
    pub(super) skipped_message: Option<String>,
}

/// The report of another build that an aggregating job collects.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ChildReport {
    #[serde(deserialize_with = "object")]
    pub(super) result: TestReport,
}

/// `POST …/ApiTokenProperty/generateNewToken`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct NewToken {
    #[serde(deserialize_with = "scalar")]
    pub(super) status: String,
    #[serde(deserialize_with = "optional")]
    pub(super) message: Option<String>,
    #[serde(deserialize_with = "object")]
    pub(super) data: NewTokenData,
}

/// The token that was made.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct NewTokenData {
    #[serde(deserialize_with = "optional")]
    pub(super) token_uuid: Option<String>,
    #[serde(deserialize_with = "optional")]
    pub(super) token_name: Option<String>,
    #[serde(deserialize_with = "optional")]
    pub(super) token_value: Option<String>,
    #[serde(deserialize_with = "optional")]
    pub(super) expiration_date: Option<String>,
}

/// Whether an answer is about an item. The root of a controller, which answers below a wrong address as well, has no
/// name.
pub(super) fn is_job(job: &Job) -> bool {
    !job.name.is_empty()
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
        assert_eq!((job.class.as_str(), job.name.as_str(), job.disabled, job.buildable), ("", "a", false, None));
        assert_eq!(
            (job.next_build_number, job.queue_item.and_then(|item| item.id), job.jobs.is_none()),
            (0, None, true)
        );
        let names: Vec<_> =
            job.property.iter().flat_map(|list| &list.parameter_definitions).map(|one| &one.name).collect();
        assert_eq!(names, [&Some("A".to_owned()), &None]);
        let build: Build =
            read(&json!({"number": 1, "actions": [{}, null, {"causes": [[], {"userId": "dev"}]}], "artifacts": null}));
        assert_eq!((build.number, build.actions.len(), build.artifacts.len()), (Some(1), 2, 0));
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
            assert_eq!((build.number, build.result.as_deref()), (Some(1), Some(name)));
        }
        for none in [&b"<html>"[..], b"", b"{\"a\":\"\\"] {
            assert!(decode::<Build>(none).is_none());
        }
    }
}

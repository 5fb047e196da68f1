//! The request that starts a build: a draft from several sources, and the complete one made of it.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::reference::AppId;
use crate::error::{Error, ExitCode};
use crate::lifecycle::IdempotencyKey;

/// Which of the two APIs starts a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Api {
    /// `POST /apps/{app_id}/builds`, documented since mid-2026.
    V3,
    /// `POST /builds`, the only start until then.
    Legacy,
}

/// What a source says about the build to start: the command line, a request file or the environment.
///
/// The keys of the file are those of v3's `POST /apps/{app_id}/builds`, and `app_id` and `idempotency_key`. The legacy
/// API's spelling (`appId`) is accepted as well. Null counts as not given.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TriggerDraft {
    /// The app, by its id or page.
    #[serde(alias = "appId")]
    pub app_id: Option<String>,
    /// The workflow: its key below `workflows:` in `codemagic.yaml`, or a Workflow Editor id.
    #[serde(alias = "workflowId")]
    pub workflow_id: Option<String>,
    /// The branch to build.
    pub branch: Option<String>,
    /// The tag to build.
    pub tag: Option<String>,
    /// Labels in addition to the workflow's own.
    #[serde(deserialize_with = "null_is_empty")]
    pub labels: Vec<String>,
    /// The machine type instead of the workflow's own, e.g. `mac_mini_m2`.
    #[serde(alias = "instanceType")]
    pub instance_type: Option<String>,
    /// The workflow's inputs: texts, numbers and booleans.
    #[serde(deserialize_with = "null_is_empty")]
    pub inputs: Map<String, Value>,
    /// Variables, variable groups and software versions.
    #[serde(deserialize_with = "only_object")]
    pub environment: EnvironmentDraft,
    /// Starts with the same key are one build.
    #[serde(alias = "idempotencyKey")]
    pub idempotency_key: Option<IdempotencyKey>,
}

/// What a source says about the environment of the build.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EnvironmentDraft {
    /// Variables; they override those of the app and the team.
    #[serde(deserialize_with = "null_is_empty")]
    pub variables: Map<String, Value>,
    /// Names of variable groups to add.
    #[serde(deserialize_with = "null_is_empty")]
    pub groups: Vec<String>,
    /// Versions of software such as `xcode` or `flutter`.
    #[serde(alias = "softwareVersions", deserialize_with = "null_is_empty")]
    pub software_versions: Map<String, Value>,
}

fn null_is_empty<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A derived struct reads a list as well, field by field; a list of values is a mistake here.
fn only_object<'de, D: Deserializer<'de>>(deserializer: D) -> Result<EnvironmentDraft, D::Error> {
    let object = null_is_empty::<D, Map<String, Value>>(deserializer)?;
    EnvironmentDraft::deserialize(Value::Object(object)).map_err(D::Error::custom)
}

impl TriggerDraft {
    /// This draft with what it leaves open taken from a `weaker` one. Lists and maps are joined; of the same name in
    /// two maps the value of this draft counts. A branch or tag here leaves no room for either of the weaker draft.
    #[must_use]
    pub fn or(self, weaker: Self) -> Self {
        let (branch, tag) = if self.branch.is_some() || self.tag.is_some() {
            (self.branch, self.tag)
        } else {
            (weaker.branch, weaker.tag)
        };
        let joined = |stronger: Vec<String>, mut list: Vec<String>| {
            list.extend(stronger);
            list
        };
        let merged = |stronger: Map<String, Value>, mut map: Map<String, Value>| {
            map.extend(stronger);
            map
        };
        Self {
            app_id: self.app_id.or(weaker.app_id),
            workflow_id: self.workflow_id.or(weaker.workflow_id),
            branch,
            tag,
            labels: joined(self.labels, weaker.labels),
            instance_type: self.instance_type.or(weaker.instance_type),
            inputs: merged(self.inputs, weaker.inputs),
            environment: EnvironmentDraft {
                variables: merged(self.environment.variables, weaker.environment.variables),
                groups: joined(self.environment.groups, weaker.environment.groups),
                software_versions: merged(self.environment.software_versions, weaker.environment.software_versions),
            },
            idempotency_key: self.idempotency_key.or(weaker.idempotency_key),
        }
    }

    /// The complete request. Fails with code 2 where Codemagic would refuse it, or would accept it and then fail.
    pub fn complete(self, api: Api) -> Result<TriggerRequest, Error> {
        let app_id = self.app_id.ok_or_else(|| missing("app ID", "--app-id", "CODEMAGIC_APP_ID", "appId"))?;
        let app_id = AppId::parse(&app_id)?;
        let workflow_id =
            self.workflow_id.ok_or_else(|| missing("workflow ID", "--workflow", "CODEMAGIC_WORKFLOW", "workflowId"))?;
        let git_ref = match (self.branch, self.tag) {
            (Some(branch), None) => GitRef::Branch(full_name("branch", branch, "refs/heads/")?),
            (None, Some(tag)) => GitRef::Tag(full_name("tag", tag, "refs/tags/")?),
            (None, None) => {
                let variables = "CODEMAGIC_BRANCH or CODEMAGIC_TAG";
                return Err(missing("branch or tag", "--branch or --tag", variables, "branch or tag"));
            }
            (Some(_), Some(_)) => {
                return Err(Error::message(ExitCode::Usage, "--branch and --tag cannot be used together").with_hint(
                    "pass only one of them, also counting CODEMAGIC_BRANCH and CODEMAGIC_TAG (in a Jenkinsfile: branch or tag)",
                ));
            }
        };
        Ok(TriggerRequest {
            api,
            app_id,
            workflow_id: one_line("workflow ID", workflow_id)?,
            git_ref,
            labels: all_one_line("label", self.labels)?,
            instance_type: self.instance_type.map(|text| one_line("instance type", text)).transpose()?,
            inputs: self.inputs.into_iter().map(input).collect::<Result<_, _>>()?,
            variables: texts("variable", self.environment.variables)?,
            groups: all_one_line("variable group", self.environment.groups)?,
            software_versions: texts("software version", self.environment.software_versions)?,
            key_label: self.idempotency_key.map(|key| format!("cibridge-key={}", key.as_str())),
            start_label: format!("cibridge-{:016x}", fastrand::u64(..)),
        })
    }
}

/// What is built: the newest commit of a branch, or a tag. Codemagic has no field for a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum GitRef {
    Branch(String),
    Tag(String),
}

impl GitRef {
    /// The branch, if it is one.
    pub fn branch(&self) -> Option<&str> {
        if let Self::Branch(name) = self { Some(name) } else { None }
    }

    /// The tag, if it is one.
    pub fn tag(&self) -> Option<&str> {
        if let Self::Tag(name) = self { Some(name) } else { None }
    }
}

/// The value of an input. Codemagic checks its type, so a boolean is sent as one (codemagic-docs, `build-inputs.md`).
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum InputValue {
    Text(String),
    Number(serde_json::Number),
    /// A boolean.
    Flag(bool),
}

/// A complete request to start a build.
#[derive(Debug, Clone, PartialEq)]
pub struct TriggerRequest {
    /// The API that starts it.
    pub api: Api,
    pub app_id: AppId,
    /// The workflow's id, or its display name where that cannot be an id.
    pub workflow_id: String,
    /// The branch or tag.
    pub git_ref: GitRef,
    /// Labels in addition to the workflow's own, without the two below.
    pub labels: Vec<String>,
    /// The machine type.
    pub instance_type: Option<String>,
    pub inputs: BTreeMap<String, InputValue>,
    pub variables: BTreeMap<String, String>,
    /// The names of variable groups.
    pub groups: Vec<String>,
    pub software_versions: BTreeMap<String, String>,
    /// The label that stands for the idempotency key.
    key_label: Option<String>,
    /// A label that no other start has.
    start_label: String,
}

impl TriggerRequest {
    /// The label that stands for the idempotency key, if one was given.
    pub fn key_label(&self) -> Option<&str> {
        self.key_label.as_deref()
    }

    /// The label by which this very start is recognized.
    pub fn start_label(&self) -> &str {
        &self.start_label
    }

    /// All labels that the build gets from this request.
    pub fn all_labels(&self) -> Vec<&str> {
        let own = [Some(self.start_label()), self.key_label()];
        self.labels.iter().map(String::as_str).chain(own.into_iter().flatten()).collect()
    }

    /// The body for the request's API, with these labels. What is not set is left out: the service may read an empty value
    /// as a choice.
    pub(super) fn body<T: AsRef<str>>(&self, labels: &[T]) -> Value {
        let body = StartBody {
            app_id: (self.api == Api::Legacy).then_some(self.app_id.as_str()),
            workflow_id: &self.workflow_id,
            git_ref: &self.git_ref,
            labels: labels.iter().map(AsRef::as_ref).collect(),
            instance_type: self.instance_type.as_deref(),
            inputs: &self.inputs,
            environment: Environment {
                variables: &self.variables,
                groups: &self.groups,
                software_versions: &self.software_versions,
            },
        };
        // Texts, numbers, booleans, lists and maps with text keys always have a JSON form.
        let mut body = serde_json::to_value(body).unwrap_or_default();
        if self.api == Api::Legacy {
            camel_case(&mut body);
            body.get_mut("environment").into_iter().for_each(camel_case);
        }
        body
    }
}

/// The body of v3's `POST /apps/{app_id}/builds` (codemagic-docs, `rest-api/builds.md` of mid-2026), and with the app and
/// in `camelCase` of the legacy `POST /builds` (the same page until mid-2026). The legacy API's `inputs` was documented in
/// May 2024 and removed again; it is sent all the same, because without it they would be lost silently.
#[derive(Serialize)]
struct StartBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    app_id: Option<&'a str>,
    workflow_id: &'a str,
    #[serde(flatten)]
    git_ref: &'a GitRef,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    labels: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance_type: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    inputs: &'a BTreeMap<String, InputValue>,
    #[serde(skip_serializing_if = "Environment::is_empty")]
    environment: Environment<'a>,
}

#[derive(Serialize)]
struct Environment<'a> {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    variables: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    groups: &'a [String],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    software_versions: &'a BTreeMap<String, String>,
}

impl Environment<'_> {
    fn is_empty(&self) -> bool {
        self.variables.is_empty() && self.groups.is_empty() && self.software_versions.is_empty()
    }
}

/// Turns the keys of an object from `snake_case` into `camelCase`. The objects in it stay as they are.
fn camel_case(object: &mut Value) {
    let Value::Object(fields) = object else { return };
    let camel = |key: String| {
        let mut words = key.split('_').map(str::to_owned);
        let first = words.next().unwrap_or_default();
        words.fold(first, |name, word| name + &word[..1].to_uppercase() + &word[1..])
    };
    *fields = std::mem::take(fields).into_iter().map(|(key, value)| (camel(key), value)).collect();
}

fn missing(what: &str, flag: &str, variable: &str, argument: &str) -> Error {
    // What nobody knows by heart is listed by a command.
    let list = match flag {
        "--app-id" => "; `cibridge codemagic apps` lists them",
        "--workflow" => "; `cibridge codemagic workflows` lists them",
        _ => "",
    };
    Error::message(ExitCode::Usage, format!("missing {what}"))
        .with_hint(format!("pass {flag} or set {variable} (in a Jenkinsfile: {argument}){list}"))
}

/// A branch or tag by its short name, which is what Codemagic expects.
fn full_name(what: &str, name: String, prefix: &str) -> Result<String, Error> {
    match name.strip_prefix(prefix) {
        Some(short) => Err(Error::usage(format!("{what} {name:?}"), "is a full ref name")
            .with_hint(format!("pass --{what} {short} (in a Jenkinsfile: {what})"))),
        None => one_line(what, name),
    }
}

fn one_line(what: &str, text: String) -> Result<String, Error> {
    if text.trim().is_empty() {
        return Err(Error::usage(what, "is empty"));
    }
    if text.contains(char::is_control) {
        return Err(Error::usage(format!("{what} {text:?}"), "contains a line break or control character"));
    }
    Ok(text)
}

fn all_one_line(what: &str, texts: Vec<String>) -> Result<Vec<String>, Error> {
    texts.into_iter().map(|text| one_line(what, text)).collect()
}

fn input((name, value): (String, Value)) -> Result<(String, InputValue), Error> {
    let value = match value {
        Value::String(text) => InputValue::Text(text),
        Value::Number(number) => InputValue::Number(number),
        Value::Bool(flag) => InputValue::Flag(flag),
        _ => {
            return Err(Error::usage(format!("input {name:?}"), "must be a string, a number or a boolean")
                .with_hint("pass --input NAME=TEXT, or --input NAME:=JSON for numbers and booleans"));
        }
    };
    if name.is_empty() { Err(Error::usage("input", "has an empty name")) } else { Ok((name, value)) }
}

/// Codemagic takes only texts here. The value is not repeated: a variable may be secret.
fn texts(what: &str, values: Map<String, Value>) -> Result<BTreeMap<String, String>, Error> {
    let text = |(name, value): (String, Value)| match value {
        _ if name.is_empty() => Err(Error::usage(what, "has an empty name")),
        Value::String(text) => Ok((name, text)),
        other => Err(Error::usage(format!("{what} {name:?}"), format!("must be a string, not {}", kind(&other)))
            .with_hint("put the value in quotes")),
    };
    values.into_iter().map(text).collect()
}

fn kind(value: &Value) -> impl fmt::Display {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const APP: &str = "60a0b1c2d3e4f56789abcdef";

    fn draft(text: &str) -> Result<TriggerDraft, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    fn good() -> TriggerDraft {
        draft(&json!({"app_id": APP, "workflow_id": "ios", "branch": "main"}).to_string()).unwrap()
    }

    #[test]
    fn null_counts_as_not_given_and_both_spellings_are_read() {
        let nulls = r#"{"app_id": null, "branch": null, "labels": null, "inputs": null, "environment": null}"#;
        assert_eq!(draft(nulls), Ok(TriggerDraft::default()));
        assert_eq!(draft(r#"{"environment": {"variables": null, "groups": null}}"#), Ok(TriggerDraft::default()));
        let camel = r#"{"appId": "a", "workflowId": "w", "instanceType": "i", "idempotencyKey": "k",
                        "environment": {"softwareVersions": {"xcode": "16"}}}"#;
        let snake = r#"{"app_id": "a", "workflow_id": "w", "instance_type": "i", "idempotency_key": "k",
                        "environment": {"software_versions": {"xcode": "16"}}}"#;
        assert_eq!(draft(camel), draft(snake));
    }

    /// What else is refused is in `tests/refusals.rs`.
    #[test]
    fn names_are_short_and_not_empty() {
        let refused = |change: fn(&mut TriggerDraft)| {
            let mut draft = good();
            change(&mut draft);
            draft.complete(Api::V3).unwrap_err().to_string()
        };
        assert_eq!(
            refused(|r| r.branch = Some("refs/heads/main".into())),
            "branch \"refs/heads/main\": is a full ref name"
        );
        let empty = refused(|r| drop(r.environment.variables.insert(String::new(), json!("1"))));
        assert_eq!(empty, "variable: has an empty name");
    }
}

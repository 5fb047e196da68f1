//! Starting a build by either API: what is refused, and with which words.

use super::{Call, Family, error, invalid, legacy_error, v3};
use crate::builds::{StartRequest, Via};
use crate::config::{Access, UnknownWorkflow};
use crate::http::Response;
use crate::world::World;
use serde_json::{Map, Value, json};

/// Names of the fields that differ between the APIs.
struct Names {
    workflow: &'static str,
    instance: &'static str,
    software: &'static str,
}

pub(super) fn v3(world: &mut World, call: &Call<'_>, app: &str) -> Response {
    if call.access != Access::Full {
        return error(Family::V3, 403, "You do not have permission to start builds");
    }
    if let Err(response) = v3::find_app(world, app) {
        return *response;
    }
    let Ok(body) = call.request.json() else { return error(Family::V3, 400, "Malformed JSON body") };
    let names = Names { workflow: "workflow_id", instance: "instance_type", software: "software_versions" };
    let (mut request, mut problems) = read(&body, &names);
    app.clone_into(&mut request.app_id);
    let refuse = world.config.unknown_workflow == UnknownWorkflow::Refuse && !world.workflow_known(&request);
    if problems.is_empty() && refuse {
        problems.push(("workflow_id".into(), "Workflow not found".into()));
    }
    if !problems.is_empty() {
        return invalid(call.request, &problems, "body");
    }
    let index = world.start_build(request, Via::V3);
    Response::json(202, &json!({"data": {"id": world.builds[index].id}}))
}

pub(super) fn legacy(world: &mut World, call: &Call<'_>) -> Response {
    let Ok(body) = call.request.json() else { return legacy_error(400, "Request body is not valid JSON") };
    let Some(app) = body["appId"].as_str() else { return legacy_error(400, "appId is required") };
    if call.access != Access::Full || world.own_app(app).is_none() {
        return legacy_error(403, "You don't have the permission to access this application");
    }
    let names = Names { workflow: "workflowId", instance: "instanceType", software: "softwareVersions" };
    let (mut request, mut problems) = read(&body, &names);
    // The official client sends both when a tag is set, and the tag is built.
    if request.branch.is_some() && request.tag.is_some() {
        problems.retain(|(key, _)| key != "branch");
        request.branch = None;
    }
    if let Some((key, message)) = problems.first() {
        return legacy_error(400, &format!("{key}: {message}"));
    }
    app.clone_into(&mut request.app_id);
    let index = world.start_build(request, Via::Legacy);
    Response::json(200, &json!({"buildId": world.builds[index].id}))
}

/// Reads the fields that both APIs have, and what is wrong with them.
fn read(body: &Value, names: &Names) -> (StartRequest, Vec<(String, String)>) {
    let mut reader = Reader { problems: Vec::new() };
    if !body.is_object() {
        reader.complain("", "Expected `object`");
        return (StartRequest::default(), reader.problems);
    }
    let environment = &body["environment"];
    if !matches!(environment, Value::Null | Value::Object(_)) {
        reader.complain("environment", "Expected `object`");
    }
    let workflow = reader.text(names.workflow, &body[names.workflow]);
    if workflow.as_ref().is_none_or(String::is_empty) && reader.problems.is_empty() {
        reader.complain(names.workflow, "Object missing required field");
    }
    let branch = reader.text("branch", &body["branch"]);
    let tag = reader.text("tag", &body["tag"]);
    if branch.is_some() == tag.is_some() {
        reader.complain("branch", "Exactly one of `branch` and `tag` must be given");
    }
    let is_scalar = |v: &Value| v.is_string() || v.is_boolean() || v.is_number();
    let software = format!("environment.{}", names.software);
    let request = StartRequest {
        app_id: String::new(),
        workflow_id: workflow.unwrap_or_default(),
        branch,
        tag,
        labels: reader.texts("labels", &body["labels"]),
        instance_type: reader.text(names.instance, &body[names.instance]),
        inputs: reader.map("inputs", &body["inputs"], "`str | bool | int | float`", is_scalar),
        variables: reader.map("environment.variables", &environment["variables"], "`str`", Value::is_string),
        groups: reader.texts("environment.groups", &environment["groups"]),
        software_versions: reader.map(&software, &environment[names.software], "`str`", Value::is_string),
    };
    (request, reader.problems)
}

/// Reads fields and notes what is wrong with them.
struct Reader {
    problems: Vec<(String, String)>,
}

impl Reader {
    fn complain(&mut self, key: &str, message: &str) {
        self.problems.push((key.to_owned(), message.to_owned()));
    }

    fn text(&mut self, key: &str, value: &Value) -> Option<String> {
        if !matches!(value, Value::Null | Value::String(_)) {
            self.complain(key, "Expected `str`");
        }
        value.as_str().map(str::to_owned)
    }

    fn texts(&mut self, key: &str, value: &Value) -> Vec<String> {
        let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
        if !(value.is_null() || value.is_array() && items.iter().all(Value::is_string)) {
            self.complain(key, "Expected `array[str]`");
        }
        items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    fn map(&mut self, key: &str, value: &Value, kind: &str, fits: impl Fn(&Value) -> bool) -> Map<String, Value> {
        let map = value.as_object().cloned().unwrap_or_default();
        if !matches!(value, Value::Null | Value::Object(_)) {
            self.complain(key, "Expected `object`");
        }
        for (name, _) in map.iter().filter(|(_, value)| !fits(value)) {
            self.complain(&format!("{key}.{name}"), &format!("Expected {kind}"));
        }
        map
    }
}

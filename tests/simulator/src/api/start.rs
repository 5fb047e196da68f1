//! Starting a build by either API: what is refused, and with which words.

use super::reply::{Session, error, invalid, legacy_error};
use super::{Call, Family, v3};
use crate::builds::{StartRequest, Via};
use crate::config::{Access, UnknownWorkflow};
use crate::http::Response;
use crate::world::World;
use serde_json::{Map, Value, json};

/// A refused field: its name and what is wrong with it.
type Problem = (String, String);

/// Names of the fields that differ between the APIs.
struct Names {
    workflow: &'static str,
    instance: &'static str,
    software: &'static str,
}

pub(crate) fn v3(world: &mut World, call: &Call<'_>, session: &Session, app: &str) -> Response {
    let refuse = |world: &mut World, response: Response| {
        world.counters.starts_refused += 1;
        response
    };
    if session.access != Access::Full {
        return refuse(world, error(Family::V3, 403, "You do not have permission to start builds"));
    }
    if let Err(response) = v3::find_app(world, app) {
        return refuse(world, *response);
    }
    let Ok(body) = call.request.json() else {
        return refuse(world, error(Family::V3, 400, "Malformed JSON body"));
    };
    let names = Names { workflow: "workflow_id", instance: "instance_type", software: "software_versions" };
    let mut problems = Vec::new();
    let mut request = read(&body, &names, world.config.echo_values, &mut problems);
    app.clone_into(&mut request.app_id);
    if problems.is_empty()
        && world.config.unknown_workflow == UnknownWorkflow::Refuse
        && !world.workflow_known(&request)
    {
        problems.push(("workflow_id".into(), "Workflow not found".into()));
    }
    if !problems.is_empty() {
        let problems: Vec<_> = problems.into_iter().map(|(key, message)| (key, message, "body")).collect();
        return refuse(world, invalid(call.request, &problems));
    }
    let index = world.start_build(request, Via::V3);
    Response::json(202, &json!({"data": {"id": world.builds[index].id}}))
}

pub(crate) fn legacy(world: &mut World, call: &Call<'_>, session: &Session) -> Response {
    match try_legacy(world, call, session) {
        Ok(response) => response,
        Err(response) => {
            world.counters.starts_refused += 1;
            *response
        }
    }
}

fn try_legacy(world: &mut World, call: &Call<'_>, session: &Session) -> Result<Response, Box<Response>> {
    let refuse = |status: u16, text: &str| Box::new(legacy_error(status, text));
    let body = call.request.json().map_err(|_| refuse(400, "Request body is not valid JSON"))?;
    let app = body["appId"].as_str().filter(|a| !a.is_empty()).ok_or_else(|| refuse(400, "appId is required"))?;
    if session.access != Access::Full || world.own_app(app).is_none() {
        return Err(refuse(403, "You don't have the permission to access this application"));
    }
    let names = Names { workflow: "workflowId", instance: "instanceType", software: "softwareVersions" };
    let mut problems = Vec::new();
    let mut request = read(&body, &names, false, &mut problems);
    // The official client sends both when a tag is set, and the tag wins.
    if request.branch.is_some() && request.tag.is_some() {
        problems.retain(|(key, _)| key != "branch");
        request.branch = None;
    }
    if let Some((key, message)) = problems.first() {
        return Err(refuse(400, &format!("{key}: {message}")));
    }
    app.clone_into(&mut request.app_id);
    let index = world.start_build(request, Via::Legacy);
    Ok(Response::json(200, &json!({"buildId": world.builds[index].id})))
}

/// Reads the fields both APIs have.
fn read(body: &Value, names: &Names, echo: bool, problems: &mut Vec<Problem>) -> StartRequest {
    let mut reader = Reader { echo, problems };
    if !body.is_object() {
        reader.complain("", "Expected `object`", body);
        return StartRequest::default();
    }
    let environment = &body["environment"];
    if !matches!(environment, Value::Null | Value::Object(_)) {
        reader.complain("environment", "Expected `object`", environment);
    }
    let workflow = reader.text(names.workflow, &body[names.workflow]);
    if workflow.as_ref().is_none_or(String::is_empty) && reader.problems.is_empty() {
        reader.problems.push((names.workflow.into(), "Object missing required field".into()));
    }
    let branch = reader.text("branch", &body["branch"]);
    let tag = reader.text("tag", &body["tag"]);
    if branch.is_some() == tag.is_some() {
        let message = "Exactly one of `branch` and `tag` must be given";
        reader.problems.push(("branch".into(), message.into()));
    }
    let is_scalar = |v: &Value| v.is_string() || v.is_boolean() || v.is_number();
    let software = format!("environment.{}", names.software);
    StartRequest {
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
    }
}

/// Reads fields and notes what is wrong with them.
struct Reader<'a> {
    echo: bool,
    problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    fn complain(&mut self, key: &str, message: &str, value: &Value) {
        let message = if self.echo { format!("{message}, got {value}") } else { message.to_owned() };
        self.problems.push((key.to_owned(), message));
    }

    fn text(&mut self, key: &str, value: &Value) -> Option<String> {
        if !matches!(value, Value::Null | Value::String(_)) {
            self.complain(key, "Expected `str`", value);
        }
        value.as_str().map(str::to_owned)
    }

    fn texts(&mut self, key: &str, value: &Value) -> Vec<String> {
        match value {
            Value::Null => Vec::new(),
            Value::Array(items) if items.iter().all(Value::is_string) => {
                items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
            }
            _ => {
                self.complain(key, "Expected `array[str]`", value);
                Vec::new()
            }
        }
    }

    fn map(&mut self, key: &str, value: &Value, kind: &str, fits: impl Fn(&Value) -> bool) -> Map<String, Value> {
        match value {
            Value::Null => Map::new(),
            Value::Object(map) => {
                for (name, value) in map.iter().filter(|(_, value)| !fits(value)) {
                    self.complain(&format!("{key}.{name}"), &format!("Expected {kind}"), value);
                }
                map.clone()
            }
            _ => {
                self.complain(key, "Expected `object`", value);
                Map::new()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(body: &Value) -> Vec<String> {
        let names = Names { workflow: "workflow_id", instance: "instance_type", software: "software_versions" };
        let mut problems = Vec::new();
        read(body, &names, true, &mut problems);
        problems.into_iter().map(|(key, message)| format!("{key}: {message}")).collect()
    }

    #[test]
    fn takes_what_is_right() {
        let body = json!({"workflow_id": "w", "tag": "v1", "labels": ["a"], "inputs": {"b": true, "n": 1.5, "s": ""},
                          "environment": {"variables": {"A": "1"}, "groups": ["g"], "software_versions": {"x": "1"}}});
        assert_eq!(problems(&body), Vec::<String>::new());
    }

    #[test]
    fn names_what_is_wrong() {
        let cases = [
            (json!({"branch": "b"}), "workflow_id: Object missing required field"),
            (json!({"workflow_id": "w"}), "branch: Exactly one of `branch` and `tag` must be given"),
            (json!({"workflow_id": "w", "branch": "b", "tag": "t"}), "branch: Exactly one of"),
            (
                json!({"workflow_id": "w", "branch": "b", "environment": {"variables": {"A": 5}}}),
                "environment.variables.A: Expected `str`, got 5",
            ),
            (json!({"workflow_id": "w", "branch": "b", "inputs": {"a": [1]}}), "inputs.a: Expected"),
            (json!({"workflow_id": "w", "branch": "b", "labels": "x"}), "labels: Expected `array[str]`"),
            (json!([]), ": Expected `object`"),
        ];
        for (body, expected) in cases {
            let found = problems(&body);
            assert!(found.len() == 1 && found[0].starts_with(expected), "{body}: {found:?}");
        }
    }
}

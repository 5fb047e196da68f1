//! v3's answers against the service's own description of them, if `CIBRIDGE_OPENAPI` names that document.

use crate::client::{get, start};
use cibridge_simulator::{Advance, DEFAULT_TEAM, History, Plan, Simulator, Target};
use serde_json::Value;

#[test]
#[expect(clippy::print_stdout, reason = "says why nothing was tested")]
fn answers_are_as_described() {
    let Some(path) = std::env::var_os("CIBRIDGE_OPENAPI") else {
        println!("skipped: name the OpenAPI document in CIBRIDGE_OPENAPI");
        return;
    };
    let document: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let sim = Simulator::builder()
        .advance(Advance::Manual)
        .history(History { durations: vec![60.0; 3], ..History::default() })
        .start()
        .unwrap();
    let check = |route: &str, status: u16, path: &str| {
        let answer = &document["paths"][route]["get"]["responses"][status.to_string()];
        let schema = &answer["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "{route} {status} is not described");
        let mut found = Vec::new();
        Check { document: &document }.visit(schema, &get(&sim, path).json(), "$", &mut found);
        assert!(found.is_empty(), "{route}: {found:#?}");
    };
    let id = start(&sim);
    let build = format!("/api/v3/builds/{id}");
    for target in ["queued", "preparing", "fetching", "building", "publishing", "finishing", "finished"] {
        sim.advance_build(&id, &Target::Status(target.into()));
        check("/api/v3/builds/{build_id}", 200, &build);
        check("/api/v3/builds/{build_id}/actions", 200, &format!("{build}/actions"));
        check("/api/v3/teams/{team_id}/builds", 200, &format!("/api/v3/teams/{DEFAULT_TEAM}/builds?page_size=2"));
    }
    sim.plan(Plan::failing("Build ipa", ""));
    let failed = start(&sim);
    sim.advance_build(&failed, &Target::End);
    check("/api/v3/builds/{build_id}", 200, &format!("/api/v3/builds/{failed}"));
    check("/api/v3/builds/{build_id}", 400, "/api/v3/builds/x");
    for route in ["/api/v3/user", "/api/v3/user/apps", "/api/v3/user/teams"] {
        check(route, 200, route);
    }
    check("/api/v3/teams/{team_id}/apps", 200, &format!("/api/v3/teams/{DEFAULT_TEAM}/apps"));
}

/// As much of JSON Schema as the document needs. A library does not do: the document writes `oneOf [{}, null]`, which
/// by the letter refuses null.
struct Check<'a> {
    document: &'a Value,
}

impl Check<'_> {
    fn visit(&self, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
        if let Some(reference) = schema["$ref"].as_str() {
            let target = self.document.pointer(&reference.trim_start_matches('#').replace("~1", "/"));
            self.visit(target.unwrap(), value, at, found);
        }
        if !type_fits(&schema["type"], value) {
            return found.push(format!("{at}: {value} is not of type {}", schema["type"]));
        }
        if schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
            found.push(format!("{at}: {value} is none of {}", schema["enum"]));
        }
        for key in ["oneOf", "anyOf"] {
            let fits = |choice: &Value| {
                let mut problems = Vec::new();
                self.visit(choice, value, at, &mut problems);
                problems.is_empty()
            };
            if schema[key].as_array().is_some_and(|choices| !choices.iter().any(fits)) {
                found.push(format!("{at}: {value} fits none of {key}"));
            }
        }
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if value.is_object() && value.get(name).is_none() {
                found.push(format!("{at}: {name} is missing"));
            }
        }
        for (name, child) in value.as_object().into_iter().flatten() {
            let inner = schema["properties"].get(name).unwrap_or(&schema["additionalProperties"]);
            if schema["properties"].is_object() && inner.is_null() {
                found.push(format!("{at}: {name} is not described"));
            }
            self.visit(inner, child, &format!("{at}.{name}"), found);
        }
        for (index, child) in value.as_array().into_iter().flatten().enumerate() {
            self.visit(&schema["items"], child, &format!("{at}[{index}]"), found);
        }
    }
}

fn type_fits(wanted: &Value, value: &Value) -> bool {
    match wanted {
        Value::Array(choices) => choices.iter().any(|choice| type_fits(choice, value)),
        Value::String(name) => match name.as_str() {
            "null" => value.is_null(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "string" => value.is_string(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            _ => false,
        },
        _ => true,
    }
}

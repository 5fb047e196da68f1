//! Holds result documents against the JSON Schema in the repository, which is generated from the program's types.

use std::sync::LazyLock;

use serde_json::Value;

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/result.schema.json"))).unwrap()
});

/// Panics unless `document` is as the schema says.
#[track_caller]
pub(crate) fn check(document: &Value) {
    if let Err(fault) = validate(&SCHEMA, document, "document") {
        panic!("{fault}:\n{document:#}");
    }
    assert_eq!(document["schema"], 1);
    assert!(document["outcome"] != "dry_run" || document["request"].is_object(), "{document:#}");
    for build in document["builds"].as_array().into_iter().flatten().chain([document]) {
        let is_over = !build["exit_code"].is_null();
        for key in ["severity", "call_failed", "summary"] {
            assert_eq!(
                !build[key].is_null(),
                is_over,
                "{key} is there when there is an end, and not before:\n{build:#}"
            );
        }
        assert_ne!(build["build"]["url"], "", "a placeholder:\n{build:#}");
        assert_ne!(build["build"]["status"], "unknown", "a placeholder:\n{build:#}");
    }
}

/// The keywords of JSON Schema that schemars writes for these types. A key that the schema does not have is a fault: it
/// would be one that nobody documented.
fn validate(schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.strip_prefix("#/$defs/").expect("a definition");
        return validate(&SCHEMA["$defs"][name], value, at);
    }
    for choice in ["anyOf", "oneOf"] {
        if let Some(choices) = schema[choice].as_array() {
            let faults: Vec<_> = choices.iter().filter_map(|schema| validate(schema, value, at).err()).collect();
            if faults.len() == choices.len() {
                return Err(faults.join("; or "));
            }
        }
    }
    if schema.get("const").is_some_and(|wanted| wanted != value)
        || schema["enum"].as_array().is_some_and(|wanted| !wanted.contains(value))
    {
        return Err(format!("{at} is {value}, which the schema does not list"));
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_u64() || number.is_i64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let allowed = match &schema["type"] {
        Value::Null => true,
        Value::Array(kinds) => kinds.iter().any(|allowed| allowed == kind),
        allowed => allowed == kind,
    };
    if !allowed {
        return Err(format!("{at} is of type {kind}, not {}", schema["type"]));
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        validate(&schema["items"], item, &format!("{at}[{index}]"))?;
    }
    let Some(properties) = schema["properties"].as_object() else { return Ok(()) };
    let Some(entries) = value.as_object() else { return Ok(()) };
    for key in schema["required"].as_array().into_iter().flatten() {
        let key = key.as_str().unwrap();
        if !entries.contains_key(key) {
            return Err(format!("{at} lacks {key:?}"));
        }
    }
    for (key, value) in entries {
        let schema = properties.get(key).ok_or_else(|| format!("{at} has {key:?}, which the schema does not"))?;
        validate(schema, value, &format!("{at}.{key}"))?;
    }
    Ok(())
}

#[test]
fn a_document_with_a_wrong_missing_or_unknown_key_is_refused() {
    let good: Value = serde_json::json!({
        "schema": 1, "provider": "codemagic", "outcome": "refused", "exit_code": 11, "severity": 7, "call_failed": true,
        "summary": "app x: not found", "adopted": false, "still_running": false, "build": null, "failure": null,
        "steps": [{"name": "Build", "status": "success", "seconds": 1}], "artifacts": [], "error": null,
    });
    check(&good);
    let changed = |path: &str, value: Option<Value>| {
        let mut document = good.clone();
        let (parent, key) = path.rsplit_once('/').unwrap();
        let object = document.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        match value {
            Some(value) => drop(object.insert(key.to_owned(), value)),
            None => drop(object.remove(key)),
        }
        validate(&SCHEMA, &document, "document")
    };
    for (path, value) in [
        ("/exit_code", Some(9.into())),
        ("/exit_code", Some("0".into())),
        ("/outcome", Some("fine".into())),
        ("/adopted", None),
        ("/more", Some(1.into())),
        ("/steps/0/seconds", Some(0.5.into())),
        ("/steps/0/name", None),
        ("/build", Some(serde_json::json!({}))),
    ] {
        assert!(changed(path, value.clone()).is_err(), "{path} {value:?}");
    }
    assert!(changed("/caches", Some(serde_json::json!([]))).is_ok());
}

//! As much of JSON Schema as the published document needs.

use serde_json::Value;

/// What is wrong with `value` by `schema`, one line for each fault.
pub(crate) fn faults(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    Check { document }.visit(schema, value, "$", &mut found);
    found
}

struct Check<'a> {
    document: &'a Value,
}

impl Check<'_> {
    fn visit(&self, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
        if let Some(reference) = schema["$ref"].as_str() {
            let target = self.document.pointer(&reference.trim_start_matches('#').replace("~1", "/"));
            match target {
                Some(target) => self.visit(target, value, at, found),
                None => found.push(format!("{at}: {reference} is not in the document")),
            }
        }
        if !type_fits(&schema["type"], value) {
            found.push(format!("{at}: {value} is not of type {}", schema["type"]));
            return;
        }
        if schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
            found.push(format!("{at}: {value} is none of {}", schema["enum"]));
        }
        if schema["format"] == "date-time" && !value.as_str().is_some_and(is_date_time) {
            found.push(format!("{at}: {value} is no RFC 3339 time"));
        }
        // The document writes `oneOf [{}, null]`, which by the letter refuses null; one fit is enough here.
        for key in ["oneOf", "anyOf"] {
            let Some(choices) = schema[key].as_array() else { continue };
            let fits = |choice: &Value| {
                let mut problems = Vec::new();
                self.visit(choice, value, at, &mut problems);
                problems.is_empty()
            };
            if !choices.iter().any(fits) {
                found.push(format!("{at}: {value} fits none of {key}"));
            }
        }
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if value.is_object() && value.get(name).is_none() {
                found.push(format!("{at}: {name} is missing"));
            }
        }
        for (name, child) in value.as_object().into_iter().flatten() {
            let inner = match schema["properties"].get(name) {
                Some(inner) => inner,
                None if schema["properties"].is_object() && schema.get("additionalProperties").is_none() => {
                    found.push(format!("{at}: {name} is not described"));
                    continue;
                }
                None => &schema["additionalProperties"],
            };
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

fn is_date_time(text: &str) -> bool {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    shape == "9999-99-99T99:99:99.999999Z"
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn finds_what_is_wrong() {
        let document = json!({"s": {"word": {"enum": ["a"], "type": "string"}}});
        let schema = json!({"type": "object", "required": ["x", "y"], "properties": {
            "x": {"oneOf": [{"$ref": "#/s/word"}, {"type": "null"}]},
            "y": {"type": "array", "items": {"type": "integer"}}}});
        let check = |value: Value| faults(&document, &schema, &value);
        assert!(check(json!({"x": null, "y": [1]})).is_empty());
        assert!(check(json!({"x": "a", "y": []})).is_empty());
        for wrong in [json!({"x": "b", "y": []}), json!({"x": "a"}), json!({"x": "a", "y": [1.5]}), json!([])] {
            assert_eq!(check(wrong.clone()).len(), 1, "{wrong}");
        }
        assert_eq!(check(json!({"x": "a", "y": [], "z": 1})).len(), 1);
    }
}

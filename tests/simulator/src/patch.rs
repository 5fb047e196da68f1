//! Merging JSON as RFC 7386 does. Pure.

use serde_json::{Map, Value};

/// `value` with a patch of RFC 7386 in it.
pub(crate) fn patched(mut value: Value, patch: Option<&Value>) -> Value {
    if let Some(patch) = patch {
        merge(&mut value, patch);
    }
    value
}

/// RFC 7386.
pub(crate) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        target.clone_from(patch);
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else { return };
    for (key, value) in patch {
        if value.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn merges_as_the_rfc_says() {
        let mut value = json!({"a": {"b": 1, "c": 2}, "d": [1]});
        merge(&mut value, &json!({"a": {"b": null, "e": {"f": 3}}, "d": "x"}));
        assert_eq!(value, json!({"a": {"c": 2, "e": {"f": 3}}, "d": "x"}));
    }
}

//! Reading documents whose shape is somebody else's.
//!
//! A field that is missing, null or of another kind is no field: published schemas and real answers disagree in both
//! directions, and one odd entry must not hide the rest. Pure; knows no provider.

use serde_json::Value;

/// The text in a field.
pub fn str<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.get(name)?.as_str()
}

/// The text in a field, for keeping.
pub fn text(object: &Value, name: &str) -> Option<String> {
    str(object, name).map(str::to_owned)
}

/// The whole number in a field, if it is not negative.
pub fn number(object: &Value, name: &str) -> Option<u64> {
    object.get(name)?.as_u64()
}

/// The boolean in a field.
pub fn flag(object: &Value, name: &str) -> Option<bool> {
    object.get(name)?.as_bool()
}

/// The entries of a list.
pub fn entries(list: &Value) -> &[Value] {
    list.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The objects of the list in a field, in order; its other entries are left out.
pub fn objects<'a>(object: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> + Clone + use<'a> {
    entries(&object[name]).iter().filter(|entry| entry.is_object())
}

/// A value as a text: a text as it is, anything else but null as JSON.
pub fn shown(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_odd_is_no_field() {
        let odd = json!({"text": 7, "number": -1, "flag": "true", "list": {"a": 1}, "null": null});
        assert_eq!((text(&odd, "text"), number(&odd, "number"), flag(&odd, "flag")), (None, None, None));
        assert_eq!((objects(&odd, "list").count(), objects(&odd, "null").count()), (0, 0));
        for none in [json!(null), json!([]), json!("text")] {
            assert_eq!((str(&none, "a"), objects(&none, "a").count(), entries(&none["a"]).len()), (None, 0, 0));
        }
    }

    #[test]
    fn odd_entries_hide_no_others() {
        let answer = json!({"actions": [null, {}, 7, {"id": 1}, "x"], "id": 3, "on": true, "name": "a"});
        assert_eq!(objects(&answer, "actions").filter_map(|action| number(action, "id")).collect::<Vec<_>>(), [1]);
        assert_eq!(
            (number(&answer, "id"), flag(&answer, "on"), str(&answer, "name")),
            (Some(3), Some(true), Some("a"))
        );
    }

    #[test]
    fn values_are_shown_as_people_wrote_them() {
        for (value, expected) in [
            (json!(null), None),
            (json!("a \"b\""), Some("a \"b\"")),
            (json!(1), Some("1")),
            (json!(false), Some("false")),
        ] {
            assert_eq!(shown(&value).as_deref(), expected);
        }
    }
}

//! The JSON Schema of the result document, made from its types. It is a test, so that nothing of it is in the binary;
//! the file in the repository is what users and the packages get.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use crate::document::{self, Document, Several};

/// The file, relative to the root of the repository.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/result.schema.json");

/// Either form of the result document.
#[derive(JsonSchema)]
#[schemars(untagged, title = "Result document of cibridge")]
#[expect(dead_code, reason = "only its schema is used")]
enum ResultDocument {
    /// Of a call about several builds.
    Several(Several),
    /// Of any other call.
    Single(Box<Document>),
}

/// The keys of [`document::Details`], each of which may be there. Derived, they would be alternatives to anything at all.
pub struct Details;

impl JsonSchema for Details {
    fn schema_name() -> Cow<'static, str> {
        "Details".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let derived = document::Details::json_schema(generator).to_value();
        let mut keys = serde_json::Map::new();
        for alternative in derived["oneOf"].as_array().unwrap() {
            for (key, value) in alternative["properties"].as_object().unwrap() {
                let mut value = value.clone();
                value["description"] = alternative["description"].clone();
                keys.insert(key.clone(), value);
            }
        }
        json_schema!({"type": "object", "properties": Value::Object(keys)})
    }
}

#[test]
fn the_schema_in_the_repository_is_that_of_the_types() {
    // A key that may be absent is no key that may be missing: only those that are left out when empty are optional.
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let schema = generator.into_root_schema_for::<ResultDocument>();
    let schema = format!("{:#}\n", serde_json::to_value(schema).unwrap());
    if std::env::var_os("CIBRIDGE_UPDATE_SCHEMA").is_some() {
        std::fs::write(FILE, &schema).unwrap();
    }
    let known = std::fs::read_to_string(FILE).unwrap_or_default();
    assert!(known == schema, "CIBRIDGE_UPDATE_SCHEMA=1 cargo test the_schema updates src/result.schema.json");
}

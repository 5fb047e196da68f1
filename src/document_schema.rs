//! The JSON Schema of the result document, made from its types. It is a test, so that nothing of it is in the binary;
//! the file in the repository is what users and the packages get.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use crate::document::{Document, Several};

/// The file, relative to the root of the repository.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/result.schema.json");

/// Either form of the result document.
#[derive(JsonSchema)]
#[schemars(untagged, title = "Result document of cibridge")]
#[expect(dead_code, reason = "only its schema is used")]
enum ResultDocument {
    /// Of a call about several builds.
    Several(Several<'static>),
    /// Of any other call.
    Single(Box<Document>),
}

/// Lists the keys of `Details` beside those of every document. Derived, they are alternatives, one of which is anything.
fn list_details(schema: &mut Value) {
    let document = schema["$defs"]["Document"].as_object_mut().unwrap();
    let alternatives = document.remove("anyOf").unwrap();
    for detail in alternatives[0]["oneOf"].as_array().unwrap() {
        for (key, value) in detail["properties"].as_object().unwrap() {
            let mut described = json!({"description": detail["description"]});
            described.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
            document["properties"][key] = described;
        }
    }
}

#[test]
fn the_schema_in_the_repository_is_that_of_the_types() {
    // A key that may be absent is no key that may be missing: only those that are left out when empty are optional.
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let schema = generator.into_root_schema_for::<ResultDocument>();
    let mut schema = serde_json::to_value(schema).unwrap();
    list_details(&mut schema);
    let schema = format!("{schema:#}\n");
    if std::env::var_os("CIBRIDGE_UPDATE_SCHEMA").is_some() {
        std::fs::write(FILE, &schema).unwrap();
    }
    let known = std::fs::read_to_string(FILE).unwrap_or_default();
    assert!(known == schema, "CIBRIDGE_UPDATE_SCHEMA=1 cargo test the_schema updates src/result.schema.json");
}

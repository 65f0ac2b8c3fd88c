//! That what is read of the API's answers is what the API says in them.
//!
//! The types here are not the API's own: they meet gateways of other versions, so they do without fields, keep unknown ones and take
//! states as text, which those that answer may not. So that nothing is called otherwise here, each is compared with the
//! API's declaration: an answer made of that is read and written again, and must have the same names.

use std::collections::BTreeSet;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

/// Reads an answer that has every field of a schema. `unread`: fields that are dropped on purpose.
pub(crate) fn agree<T: DeserializeOwned + Serialize>(schema: &str, unread: &[&str]) {
    let document: Value =
        serde_json::from_slice(&ostler_api::document()).expect("the document is JSON");
    let schemas = &document["components"]["schemas"];
    let answer = sample(&schemas[schema], schemas);
    let read = T::deserialize(&answer).unwrap_or_else(|error| panic!("{schema}: {error}"));
    let written = serde_json::to_value(&read).expect("what was read can be written");
    let names = |value: &Value| -> BTreeSet<String> {
        value.as_object().expect("an answer is an object").keys().cloned().collect()
    };
    let mut there = names(&answer);
    assert!(there.len() > 1, "{schema} is declared");
    for name in unread {
        assert!(there.remove(*name), "{schema} has {name}");
    }
    assert_eq!(names(&written), there, "{schema}");
}

/// Something that the schema allows, with every field.
fn sample(schema: &Value, schemas: &Value) -> Value {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return sample(&schemas[name], schemas);
    }
    if let Some(first) = schema["oneOf"].get(0) {
        return sample(first, schemas);
    }
    if let Some(first) = schema["enum"].get(0) {
        return first.clone();
    }
    let kind = schema["type"].get(0).unwrap_or_else(|| &schema["type"]);
    // One of several forms says what its fields are, and the whole that it is an object.
    let of_form = schema["properties"].is_object().then_some("object");
    match kind.as_str().or(of_form) {
        Some("null") => Value::Null,
        Some("object") => {
            let fields = schema["properties"].as_object().into_iter().flatten();
            let fields = fields.map(|(name, field)| (name.clone(), sample(field, schemas)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        Some("array") => vec![sample(&schema["items"], schemas)].into(),
        Some("string") => "a".into(),
        Some("integer" | "number") => 400.into(),
        Some("boolean") => true.into(),
        other => panic!("no sample of {other:?}: {schema}"),
    }
}

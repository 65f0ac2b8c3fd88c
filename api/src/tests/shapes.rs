//! What a body's fields may hold, and what is told of those that do not.

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::{
    ToSchema,
    openapi::{
        Object, ObjectBuilder,
        schema::{SchemaType, Type},
    },
};

use super::Rig;
use crate::parse::{
    Notes,
    shape::{Field, Fielded as _, described, prune},
    submit::Submit,
};

/// What is wrong with an object, and what is left of it.
fn pruned(fields: &[Field], text: &str) -> (Vec<(String, String)>, Value) {
    let mut value: Value = serde_json::from_str(text).unwrap();
    let mut notes = Notes::default();
    prune(value.as_object_mut().unwrap(), fields, "", &mut notes);
    let told = notes.0.into_iter().map(|note| (note.pointer.unwrap(), note.detail));
    (told.collect(), value)
}

#[tokio::test]
async fn the_ends_of_a_range_are_within_it() {
    let rig = Rig::new();
    let most = r#"{"command":"a","nice":19.0,"limits":{"nofile":9007199254740991.0},
        "retry":{"attempts":100.0,"exit_codes":[0.0,255.0]}}"#;
    let least = r#"{"command":"a","nice":-20.0,"limits":{"nofile":0.0},
        "retry":{"attempts":1.0,"exit_codes":[-0.0]}}"#;
    for body in [most, least] {
        let answer = rig.json("POST /v1/jobs", body).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
    }
}

#[tokio::test]
async fn a_number_that_its_type_cannot_hold_is_told_with_its_place() {
    let rig = Rig::new();
    for (field, place, range) in [
        (r#""nice":3000000000"#, "/nice", "from -20 to 19"),
        (r#""nice":-3e9"#, "/nice", "from -20 to 19"),
        (r#""retry":{"attempts":5000000000}"#, "/retry/attempts", "from 1 to 100"),
        (r#""retry":{"attempts":2,"exit_codes":[3e9]}"#, "/retry/exit_codes/0", "from 0 to 255"),
        (r#""limits":{"nofile":18446744073709551616}"#, "/limits/nofile", "9007199254740991"),
        (r#""limits":{"nofile":9007199254740992.0}"#, "/limits/nofile", "9007199254740991"),
    ] {
        let body = format!(r#"{{"command":"a",{field}}}"#);
        let problem = rig.json("POST /v1/jobs", &body).await.is("invalid_field");
        assert_eq!(problem["pointer"], place, "{body}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(range), "{body}: {problem}");
    }
}

#[tokio::test]
async fn a_condition_of_a_filter_that_is_no_text_and_no_whole_number_is_told_with_its_place() {
    let rig = Rig::new();
    rig.submit().await;
    // With a point, a number from 2^53 on may be another one than was written.
    let wrong =
        ["-1", "true", "1.5", "{}", "[]", "9007199254740992.0", "9007199254740993.0", "1e20"];
    let alone = wrong.iter().filter(|value| **value != "[]");
    let alone = alone.map(|value| ((*value).to_owned(), "/filter/id"));
    let listed = wrong.iter().chain(&["null"]).map(|value| (format!("[{value}]"), "/filter/id/0"));
    for (value, place) in alone.chain(listed) {
        let body = format!(r#"{{"action":"cancel","filter":{{"id":{value}}}}}"#);
        let problem = rig.json("POST /v1/jobs/actions", &body).await.is("invalid_field");
        assert_eq!(problem["pointer"], place, "{body}: {problem}");
        let told = problem["detail"].as_str().unwrap();
        assert!(told.contains("expected text or a whole number"), "{body}: {problem}");
    }
    assert_eq!(rig.ask("GET /v1/jobs/1").await.json()["state"], "pending");
    for value in ["1", "1.0", "\"1\"", "[1.0]", "[\"1\"]"] {
        let body = format!(r#"{{"action":"pause","filter":{{"id":{value}}}}}"#);
        let answer = rig.json("POST /v1/jobs/actions", &body).await;
        assert_eq!(answer.json()["done"], 1, "{body}: {answer:?}");
    }
}

#[tokio::test]
async fn null_is_a_field_that_is_missing_where_one_is_needed() {
    let rig = Rig::new();
    for (line, body, place) in [
        ("POST /v1/tokens", r#"{"name":null,"scopes":["read"]}"#, "/name"),
        ("POST /v1/tokens", r#"{"name":"a","scopes":null}"#, "/scopes"),
        ("POST /v1/jobs/actions", r#"{"action":null,"ids":[1]}"#, "/action"),
        ("POST /v1/jobs", r#"{"command":"a","retry":{"attempts":null}}"#, "/retry/attempts"),
        (
            "POST /v1/jobs",
            r#"{"command":"a","dedupe":{"scope":null,"then":"reject"}}"#,
            "/dedupe/scope",
        ),
    ] {
        let problem = rig.json(line, body).await.is("invalid_field");
        assert_eq!(problem["pointer"], place, "{body}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains("is missing; expected"), "{problem}");
    }
}

#[tokio::test]
async fn a_field_that_is_wrong_within_is_not_said_to_be_missing() {
    let rig = Rig::new();
    let answer = rig.json("POST /v1/tokens", r#"{"name":"a","scopes":["read",7]}"#).await;
    let problem = answer.is("invalid_field");
    let places = problem["errors"].as_array().unwrap().iter().map(|it| &it["pointer"]);
    assert_eq!(places.collect::<Vec<_>>(), ["/scopes/1"], "{problem}");
}

#[tokio::test]
async fn standard_input_is_text_or_one_of_its_forms() {
    let rig = Rig::new();
    for stdin in [
        "{}",
        r#"{"base64":null}"#,
        r#"{"base64":null,"payload":null}"#,
        r#"{"base64":"aGVsbG8K","payload":null}"#,
        r#"{"base64":"aGVsbG8K","payload":"x"}"#,
    ] {
        let body = format!(r#"{{"command":"cat","stdin":{stdin}}}"#);
        let problem = rig.json("POST /v1/jobs", &body).await.is("invalid_field");
        assert_eq!(problem["pointer"], "/stdin", "{body}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains("give exactly one of"), "{problem}");
    }
    // Of the forms that it does not have, nothing is missing.
    let (told, _) = pruned(Submit::fields(), r#"{"stdin":{"base64":"aGVsbG8K"},"nice":"x"}"#);
    assert_eq!(told.iter().map(|(place, _)| &**place).collect::<Vec<_>>(), ["/nice"]);
}

#[test]
fn of_what_is_wrong_beyond_what_is_told_nothing_is_looked_at() {
    let wrong: Vec<_> = (0..30).map(|n| format!("\"a{n:02}\":1")).collect();
    let text = format!(r#"{{{},"tenant":"shop"}}"#, wrong.join(","));
    let (told, left) = pruned(Submit::fields(), &text);
    assert_eq!(told.len(), 21);
    assert_eq!(told[20], (String::new(), "more is wrong than is told here".to_owned()));
    assert_eq!(left, json!({}));
}

/// What utoipa makes of a type, where ours are not all that it can make.
#[derive(ToSchema)]
#[expect(dead_code, reason = "its schema is all of it")]
struct Sample {
    #[schema(schema_with = null_first)]
    count: Option<u64>,
    #[schema(required = true)]
    inner: Option<Inner>,
    either: Either,
}

#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "its schema is all of it")]
struct Inner {
    text: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "its schema is all of it")]
enum Either {
    Text(String),
    Inner(Inner),
}

fn null_first() -> Object {
    let kinds = SchemaType::Array(vec![Type::Null, Type::Integer]);
    ObjectBuilder::new().schema_type(kinds).minimum(Some(2.0)).maximum(Some(5.0)).build()
}

#[test]
fn the_fields_of_a_schema_are_the_same_in_whatever_form_it_says_them() {
    let fields = described::<Sample>();
    for (text, expected) in [
        (r#"{"count":null,"inner":null,"either":{"text":"x"}}"#, &[][..]),
        (r#"{"count":2,"inner":{"text":"x"},"either":"x"}"#, &[]),
        (r#"{"count":5.0,"either":"x"}"#, &[]),
        (r#"{"count":1,"either":7}"#, &["/count", "/either"]),
        (
            r#"{"count":6,"inner":{},"either":{"text":7}}"#,
            &["/count", "/either/text", "/inner/text"],
        ),
        (r#"{"either":null}"#, &["/either"]),
    ] {
        let (told, _) = pruned(&fields, text);
        let places: Vec<_> = told.iter().map(|(place, _)| &**place).collect();
        assert_eq!(places, expected, "{text}: {told:?}");
    }
}

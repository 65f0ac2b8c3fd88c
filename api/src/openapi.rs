//! The OpenAPI 3.1 document: written by utoipa from the handlers, completed with what its macros cannot say.

use axum::{extract::State, response::Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use utoipa::{
    Modify, OpenApi,
    openapi::{
        self,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use super::{
    Api, ConnectionInfo,
    auth::{self, Read, Scope as _},
    body,
    parse::{
        query::NoQuery,
        shape::Fielded as _,
        submit::{OF_ALL, Submit},
    },
    problem::{self, Kind, PROBLEM_JSON, Problem},
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Ostler",
        description = "Durable jobs, runners and events. Every request takes a bearer token; every error is a problem (RFC 9457).",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    components(schemas(problem::Body, problem::FieldError)),
    modifiers(&Bearer),
    security(("bearer" = [])),
    tags(
        (name = "jobs", description = "Durable jobs: submit, find, follow, steer."),
        (name = "logs", description = "What jobs write, and what they read."),
        (name = "events", description = "What happened, and who did what."),
        (name = "schedules", description = "What fires when, and what became of it."),
        (name = "runners", description = "The hosts that run jobs."),
        (name = "admin", description = "Tokens, backups and the state of the whole."),
    ),
)]
pub(crate) struct Document;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "A token with the scope that the operation names; admin implies all.",
            ))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// The document, once and for all.
pub(crate) fn finish(document: &openapi::OpenApi) -> Bytes {
    let mut value = serde_json::to_value(document).unwrap_or_default();
    value["info"]["version"] = json!(env!("CARGO_PKG_VERSION"));
    let problems = problem_responses();
    value["components"]["responses"] = problems;
    for (path, item) in value["paths"].as_object_mut().into_iter().flatten() {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            complete(path, method, operation);
        }
    }
    conditions(&mut value["components"]["schemas"]);
    links(&mut value["paths"]["/v1/jobs"]["post"]["responses"]["202"]);
    Bytes::from(serde_json::to_vec(&value).unwrap_or_default())
}

/// One response for each status; every kind that has it is an example of it.
fn problem_responses() -> Value {
    let mut responses = serde_json::Map::new();
    for kind in Kind::ALL {
        let status = kind.status().as_u16().to_string();
        let entry = responses.entry(status).or_insert_with(|| {
            json!({
                "description": "",
                "content": {PROBLEM_JSON: {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "examples": {},
                }},
            })
        });
        let body = Problem::new(*kind, "what is wrong, and what to do about it");
        entry["content"][PROBLEM_JSON]["examples"][kind.name()] = json!({"value": body.body()});
        let text = entry["description"].as_str().unwrap_or_default();
        let joint = if text.is_empty() { "" } else { ", or " };
        entry["description"] = json!(format!("{text}{joint}`{}`", kind.name()));
    }
    responses["401"]["headers"] = header("WWW-Authenticate", "What to send.", &json!("string"));
    responses["405"]["headers"] = header("Allow", "The methods that there are.", &json!("string"));
    responses["503"]["headers"] =
        header("Retry-After", "Seconds after which to try again.", &json!("integer"));
    responses["416"]["headers"] =
        header("Content-Range", "How many bytes there are.", &json!("string"));
    let schema = json!({"$ref": "#/components/schemas/Problem"});
    let description = "`bad_request`: 408, 413, 414, 431, 501 or 505";
    responses.insert(
        "default".into(),
        json!({"description": description, "content": {PROBLEM_JSON: {"schema": schema}}}),
    );
    Value::Object(responses)
}

fn header(name: &str, description: &str, kind: &Value) -> Value {
    json!({name: {"description": description, "schema": {"type": kind}}})
}

/// The problems that an operation may answer with.
fn complete(path: &str, method: &str, operation: &mut Value) {
    if operation["parameters"].is_null()
        && let Some(operation) = operation.as_object_mut()
    {
        operation.remove("parameters");
    }
    // A header field is never null, and this one is one word.
    let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
    for parameter in parameters.into_iter().flatten() {
        if parameter["name"] == "If-None-Match" {
            parameter["schema"] = json!({"type": "string", "enum": ["*"]});
        }
    }
    // 415: whatever is asked for, a body that is packed is not taken.
    let mut statuses = vec!["400", "401", "403", "405", "406", "415", "421", "500", "503"];
    // Submits as well: an idempotency key may be of a job that was deleted.
    if path.contains('{') || (path == "/v1/jobs" && method == "post") {
        statuses.push("404");
    }
    if operation.get("requestBody").is_some() {
        statuses.extend(["413", "422"]);
        // A payload may be empty.
        operation["requestBody"]["required"] = json!(!path.ends_with("/payloads"));
    }
    if matches!(method, "post" | "put" | "patch" | "delete") {
        statuses.push("409");
    }
    if path.ends_with("/log") || path.ends_with("/stdin") {
        statuses.push("416");
    }
    if operation["security"] == json!([]) {
        statuses.retain(|status| !matches!(*status, "401" | "403"));
    }
    if path.ends_with("/purge")
        && let Some(parameters) = operation["parameters"].as_array_mut()
    {
        // The path names it.
        parameters.retain(|parameter| parameter["name"] != "queue");
    }
    // What HTTP itself refuses, such as a head that is too large.
    statuses.push("default");
    for status in statuses {
        operation["responses"][status] =
            json!({"$ref": format!("#/components/responses/{status}")});
    }
}

/// What a client may do next with a job that was taken.
fn links(taken: &mut Value) {
    let operations = [
        "getJob",
        "cancelJob",
        "killJob",
        "pauseJob",
        "resumeJob",
        "retryJob",
        "moveJob",
        "editJob",
        "deleteJob",
        "getLog",
        "getStdin",
    ];
    for operation in operations {
        taken["links"][operation] =
            json!({"operationId": operation, "parameters": {"id": "$response.body#/id"}});
    }
}

/// What fields mean for one another.
fn conditions(schemas: &mut Value) {
    let of_a_command = Submit::fields().iter().filter(|field| !OF_ALL.contains(&&*field.name));
    let absent: serde_json::Map<_, _> = of_a_command
        .map(|field| (field.name.clone(), json!({"type": "null"})))
        .chain([("module".to_owned(), json!({"const": "noop"}))])
        .collect();
    let shell = json!({"enum": ["shell", null]});
    let one_work = json!([
        {"required": ["command"], "properties": {"command": {"type": "string"}, "argv": {"type": "null"}, "module": shell}},
        {"required": ["argv"], "properties": {"argv": {"type": "array"}, "command": {"type": "null"}, "module": shell}},
        {"required": ["module"], "properties": absent},
    ]);
    schemas["ScheduleJob"]["oneOf"] = one_work.clone();
    schemas["SubmitRequest"]["oneOf"] = one_work;
    schemas["SubmitRequest"]["anyOf"] = json!([
        {"properties": {"delay": {"type": "null"}}},
        {"properties": {"not_before": {"type": "null"}}},
    ]);
    schemas["Stdin"]["oneOf"][0]["maxLength"] = json!(8192);
    schemas["Dedupe"]["anyOf"] = json!([
        {"properties": {"scope": {"const": "queued"}}},
        {"required": ["window"], "properties": {"window": {"type": "string"}}},
    ]);
    schemas["TokenRequest"]["anyOf"] = json!([
        {"properties": {"tenant": {"type": "null"}}},
        {"properties": {"scopes": {"not": {"contains": {"const": "admin"}}}}},
    ]);
    schemas["ActionRequest"]["oneOf"] = json!([
        {"required": ["ids"], "properties": {"ids": {"type": "array"}, "filter": {"type": "null"}}},
        {"required": ["filter"], "properties": {"filter": {"type": "object"}, "ids": {"type": "null"}}},
    ]);
    schemas["ActionRequest"]["anyOf"] = json!([
        {"required": ["host"], "properties": {"set": {"type": "null"}, "relocate": {"enum": [false, null]}, "action": {"const": "move"}}},
        {"required": ["queue"], "not": {"required": ["host"]}, "properties": {"queue": {"type": "string"}, "set": {"type": "null"}, "action": {"const": "move"}}},
        {"required": ["set"], "properties": {"set": {"type": "object"}, "host": {"type": "null"}, "queue": {"type": "null"}, "relocate": {"enum": [false, null]}, "action": {"const": "edit"}}},
        {"properties": {"host": {"type": "null"}, "queue": {"type": "null"}, "set": {"type": "null"}, "relocate": {"enum": [false, null]}, "action": {"not": {"enum": ["move", "edit"]}}}},
    ]);
    schemas["MoveRequest"]["anyOf"] = json!([
        {"required": ["host"], "properties": {"relocate": {"enum": [false, null]}}},
        {"required": ["queue"], "not": {"required": ["host"]}, "properties": {"queue": {"type": "string"}}},
    ]);
}

/// The document itself
#[utoipa::path(
    get,
    path = "/v1/openapi.json",
    tag = "admin",
    operation_id = "getOpenApi",
    security((), ("bearer" = [])),
    responses((status = 200, description = "This document.", body = serde_json::Value, content_type = "application/json")),
)]
pub(crate) async fn show(
    State(api): State<Api>,
    connection: Option<axum::Extension<ConnectionInfo>>,
    headers: HeaderMap,
    _: NoQuery,
) -> Result<Response, Problem> {
    if !connection.is_some_and(|connection| connection.0.loopback) {
        auth::check(api.backend(), &headers, None, Read::NAME)?;
    }
    Ok(body::typed(StatusCode::OK, "application/json", body::whole(api.document())))
}

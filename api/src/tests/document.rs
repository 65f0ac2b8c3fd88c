//! The OpenAPI document.

use std::collections::BTreeSet;

use axum::body::Body;
use http::{Request, StatusCode};
use ostler_job::durable::JobState;
use serde_json::Value;
use tokio::net::TcpListener;
use tower::ServiceExt as _;

use super::Rig;
use crate::{ConnectionInfo, problem::Kind};

#[tokio::test]
async fn the_document_needs_no_token_at_a_loopback_door() {
    let rig = Rig::new();
    let ask = async |loopback| {
        let mut request = Request::get("/v1/openapi.json").body(Body::empty()).unwrap();
        request.extensions_mut().insert(ConnectionInfo { loopback, peer: None });
        rig.send(request).await
    };
    assert_eq!(ask(true).await.status, StatusCode::OK);
    ask(false).await.is("unauthenticated");
}

#[tokio::test]
async fn the_document_is_complete() {
    let rig = Rig::new();
    let document = rig.ask("GET /v1/openapi.json").await.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document["openapi"]);
    let mut ids = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let place = format!("{method} {path}");
            assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{place}");
            assert!(operation["summary"].as_str().is_some_and(|it| !it.is_empty()), "{place}");
            // 421 and what `default` stands for are answered before a request comes to the router.
            for status in ["421", "500", "default"] {
                assert!(operation["responses"].get(status).is_some(), "{place}: {status}");
            }
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                assert!(parameter["description"].is_string(), "{place}: {parameter}");
            }
        }
    }
    let all = serde_json::to_string(&document["components"]["responses"]).unwrap();
    for kind in Kind::ALL {
        assert!(all.contains(&format!("/problems/{}", kind.name())), "{}", kind.name());
    }
    resolve(&document, &document);
}

#[test]
fn every_field_of_a_request_is_in_the_document_for_people() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/API.md");
    let document = std::fs::read_to_string(path).unwrap();
    let names = crate::names::submit().chain(crate::names::conditions().iter().copied());
    for name in names {
        let told = [format!("`{name}`"), format!("`{name}="), format!("\"{name}\"")];
        assert!(told.iter().any(|told| document.contains(told)), "docs/API.md lacks {name}");
    }
}

#[test]
fn every_variable_of_the_examples_for_people_is_set_there() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/API.md");
    let document = std::fs::read_to_string(path).unwrap();
    let examples: Vec<&str> = document.split("```sh\n").skip(1).collect();
    let examples = examples.iter().map(|it| it.split("```").next().unwrap());
    let examples: String = examples.collect();
    let mut used = 0;
    for after in examples.split('$').skip(1) {
        let name: String = after.chars().take_while(char::is_ascii_uppercase).collect();
        let is_set = name.is_empty() || name == "HOME" || examples.contains(&format!(" {name}="));
        assert!(is_set, "docs/API.md sets no {name}");
        used += usize::from(!name.is_empty());
    }
    assert!(used > 20, "they were found");
}

/// Every reference leads somewhere.
fn resolve(document: &Value, value: &Value) {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(reference)) = object.get("$ref") {
                let pointer = reference.strip_prefix('#').unwrap();
                assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
            }
            object.values().for_each(|value| resolve(document, value));
        }
        Value::Array(items) => items.iter().for_each(|value| resolve(document, value)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Serves the router on `OSTLER_API_SERVE` (an address), with its token in `OSTLER_API_TOKEN_FILE`, until standard input closes: for
/// schemathesis and the like. Without the variable it serves nobody.
#[tokio::test]
async fn the_router_is_served_to_tools_that_ask_for_it() {
    let Ok(address) = std::env::var("OSTLER_API_SERVE") else { return };
    let rig = Rig::new();
    if let Ok(file) = std::env::var("OSTLER_API_TOKEN_FILE") {
        std::fs::write(file, &rig.admin).unwrap();
    }
    for _ in 0..3 {
        rig.submit().await;
    }
    let listener = TcpListener::bind(address).await.unwrap();
    let closed =
        tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
    let accept = async {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let router = rig.router.clone();
            let service =
                hyper::service::service_fn(move |request| router.clone().oneshot(request));
            let io = hyper_util::rt::TokioIo::new(stream);
            tokio::spawn(async move {
                let served =
                    hyper::server::conn::http1::Builder::new().serve_connection(io, service);
                let _ = served.await;
            });
        }
    };
    // Stands in for runners, so that whoever waits for a job sees its end.
    let run = async {
        loop {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            let waiting: Vec<_> = {
                let state = rig.fake.state();
                let pending = state.jobs.values().filter(|it| it.status.state == JobState::Pending);
                pending.map(|job| job.id.0).collect()
            };
            for id in waiting {
                rig.fake.change(id, |status| status.state = JobState::Succeeded);
            }
        }
    };
    tokio::select! {
        _ = closed => {}
        () = accept => {}
        () = run => {}
    }
}

//! Every answer that a test here is given is one that the document declares.

use std::sync::OnceLock;

use http::header;
use serde_json::Value;

use super::{Body, Request, Router};
use crate::ConnectionInfo;
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

static DOCUMENT: OnceLock<Value> = OnceLock::new();

/// What was asked for: nothing where the document has no such operation.
pub(super) struct Asked(Option<&'static Value>);

impl Asked {
    pub(super) async fn new(router: &Router, request: &Request<Body>) -> Self {
        let document = match DOCUMENT.get() {
            Some(document) => document,
            None => {
                let document = read(router).await;
                DOCUMENT.get_or_init(|| document)
            }
        };
        let method = request.method().as_str().to_ascii_lowercase();
        let paths = document["paths"].as_object().unwrap();
        let mut fitting: Vec<_> =
            paths.iter().filter(|(path, _)| fits(path, request.uri().path())).collect();
        // `/v1/jobs/actions` goes before `/v1/jobs/{id}`.
        fitting.sort_by_key(|(path, _)| path.contains('{'));
        Self(fitting.first().and_then(|(_, item)| item.get(&method)))
    }

    /// The status is declared, by itself and not as one of `default`, and so is the kind of the body.
    pub(super) fn declares(&self, answer: &http::Response<Body>) {
        let Some(operation) = self.0 else { return };
        let place = &operation["operationId"];
        let status = answer.status().as_str().to_owned();
        let declared = operation["responses"].get(&status);
        let declared = declared.unwrap_or_else(|| panic!("{place} declares no {status}"));
        let declared = match declared.get("$ref").and_then(Value::as_str) {
            None => declared,
            Some(reference) => DOCUMENT.get().unwrap().pointer(&reference[1..]).unwrap(),
        };
        let content = declared.get("content").and_then(Value::as_object);
        let kind = answer.headers().get(header::CONTENT_TYPE);
        let kind = kind.map(|kind| kind.to_str().unwrap().split(';').next().unwrap().to_owned());
        match (content, kind) {
            (Some(content), Some(kind)) => {
                assert!(content.contains_key(&kind), "{place} declares no {kind} for {status}");
            }
            (None, None) => {}
            (content, kind) => panic!("{place}, {status}: {kind:?} where {content:?} is declared"),
        }
    }
}

async fn read(router: &Router) -> Value {
    let mut request = Request::get("/v1/openapi.json").body(Body::empty()).unwrap();
    request.extensions_mut().insert(ConnectionInfo { loopback: true, peer: None });
    let answer = router.clone().oneshot(request).await.unwrap();
    serde_json::from_slice(&answer.into_body().collect().await.unwrap().to_bytes()).unwrap()
}

fn fits(template: &str, path: &str) -> bool {
    let (mut template, mut path) = (template.split('/'), path.split('/'));
    loop {
        match (template.next(), path.next()) {
            (None, None) => return true,
            (Some(part), Some(given)) if part == given || part.starts_with('{') => {}
            _ => return false,
        }
    }
}

//! The whole router against a model of the rest of the gateway.

mod access;
mod admin;
mod batch;
mod declared;
mod document;
mod events;
mod fake;
mod jobs;
mod logs;
mod queues;
mod reasons;
mod rules;
mod schedules;
mod shapes;
mod submit;

use std::{collections::BTreeSet, sync::Arc};

use axum::{Router, body::Body};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use ostler_job::Wall;
use ostler_machine::shutdown::Shutdown;
use serde_json::Value;
use tower::ServiceExt as _;

use self::fake::Fake;
use super::problem::TYPES;
use crate::{Config, backend::RunnerView};

/// A router with its model and tokens.
struct Rig {
    fake: Arc<Fake>,
    router: Router,
    shutdown: Shutdown,
    admin: String,
}

/// An answer that has come to its end.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    fn lines(&self) -> Vec<Value> {
        self.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// It is a problem of this name.
    #[track_caller]
    fn is(&self, name: &str) -> Value {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let problem = self.json();
        assert_eq!(problem["type"], format!("{TYPES}{name}"), "{problem}");
        assert_eq!(problem["status"], self.status.as_u16(), "{problem}");
        assert!(!problem["detail"].as_str().unwrap().is_empty(), "{problem}");
        assert_eq!(problem["request_id"], self.header("x-request-id"), "{problem}");
        problem
    }
}

impl Rig {
    fn new() -> Self {
        Self::with_payloads(1 << 20)
    }

    fn with_payloads(max: u64) -> Self {
        let fake = Fake::new();
        let shutdown = Shutdown::new();
        let config = Config {
            payload_max: max,
            tenants_share_user: false,
            zone: "UTC".to_owned(),
            zone_data: "built in".to_owned(),
        };
        Self::with_config(fake, shutdown, config)
    }

    fn with_config(fake: Arc<Fake>, shutdown: Shutdown, config: Config) -> Self {
        let router = super::router(fake.clone(), shutdown.clone(), config);
        let mut rig = Self { fake, router, shutdown, admin: String::new() };
        rig.admin = rig.token("first", &["admin"], None);
        rig.fake.state().runners.push(RunnerView {
            name: "web-1".into(),
            connected: true,
            drained: None,
            slots: 4,
            slots_set: None,
            labels: ostler_job::Labels::read(["gpu=a100", "zone=b"]).unwrap(),
            held: Vec::new(),
            heard_at: Wall(1_000),
        });
        rig
    }

    fn token(&self, name: &str, scopes: &[&str], tenant: Option<&str>) -> String {
        let scopes: BTreeSet<_> = scopes.iter().map(|it| (*it).to_owned()).collect();
        let (text, token) =
            crate::new_token(name, scopes, tenant.map(str::to_owned), Wall(0), None);
        self.fake.state().tokens.push(Arc::new(token));
        text
    }

    fn request(&self, line: &str) -> http::request::Builder {
        let (method, path) = line.split_once(' ').unwrap();
        let builder = Request::builder().method(method).uri(path);
        builder.header("authorization", format!("Bearer {}", self.admin))
    }

    /// The answer's head; its body is still to come.
    async fn begin(&self, request: Request<Body>) -> http::Response<Body> {
        let asked = declared::Asked::new(&self.router, &request).await;
        let answer = self.router.clone().oneshot(request).await.unwrap();
        asked.declares(&answer);
        answer
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let (parts, body) = self.begin(request).await.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Answer { status: parts.status, headers: parts.headers, text }
    }

    /// `GET /v1/jobs` and the like.
    async fn ask(&self, line: &str) -> Answer {
        self.send(self.request(line).body(Body::empty()).unwrap()).await
    }

    async fn json(&self, line: &str, body: &str) -> Answer {
        let request = self.request(line).header("content-type", "application/json");
        self.send(request.body(Body::from(body.to_owned())).unwrap()).await
    }

    async fn batch(&self, query: &str, lines: &str) -> Answer {
        let request = self.request(&format!("POST /v1/jobs{query}"));
        let request = request.header("content-type", "application/x-ndjson");
        self.send(request.body(Body::from(lines.to_owned())).unwrap()).await
    }

    /// Submits a job that runs `true`, and tells its id.
    async fn submit(&self) -> u64 {
        let answer = self.json("POST /v1/jobs", r#"{"command":"true"}"#).await;
        answer.json()["id"].as_u64().unwrap()
    }
}

/// Reads a streamed body until it holds a text.
async fn until(body: &mut Body, wanted: &str) -> String {
    let mut text = String::new();
    while !text.contains(wanted) {
        let frame = body.frame().await.unwrap_or_else(|| panic!("ended with {text:?}")).unwrap();
        text.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
    }
    text
}

//! Metrics, health and readiness, asked for by programs.

use axum::body::Body;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use ostler_machine::shutdown::Shutdown;

use crate::scrape::Scrape;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Health {
    pub(crate) scrape: Scrape,
    pub(crate) shutdown: Shutdown,
}

/// Whether a request is for what is answered here.
pub(super) fn is_asked(request: &Request<Body>) -> bool {
    matches!(
        request.uri().path(),
        "/metrics" | "/healthz" | "/readyz" | "/readyz/web" | "/readyz/jobs"
    )
}

impl Health {
    /// A stranger is told whether all is well, and not what is wrong.
    pub(super) fn answer(&self, request: &Request<Body>, is_stranger: bool) -> Response<Body> {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            return plain(StatusCode::METHOD_NOT_ALLOWED, "use GET\n".into());
        }
        match request.uri().path() {
            "/metrics" => plain(StatusCode::OK, self.scrape.render()),
            "/healthz" => plain(StatusCode::OK, "ok\n".into()),
            path => match self.not_ready(path) {
                why if why.is_empty() => plain(StatusCode::OK, "ready\n".into()),
                _ if is_stranger => plain(StatusCode::SERVICE_UNAVAILABLE, "not ready\n".into()),
                why => plain(StatusCode::SERVICE_UNAVAILABLE, why.join("\n") + "\n"),
            },
        }
    }

    /// Why what a path asks for is not ready; empty: it is.
    fn not_ready(&self, path: &str) -> Vec<String> {
        let mut why = Vec::new();
        if self.shutdown.is_draining() {
            why.push("draining".to_owned());
        }
        if path != "/readyz/jobs" {
            why.extend(self.web_trouble());
        }
        if path != "/readyz/web" {
            why.extend(self.jobs_trouble());
        }
        why
    }

    /// Why requests are not served: an app has no child that serves. Empty: they are.
    fn web_trouble(&self) -> Vec<String> {
        let missing = self.scrape.pools.values().filter(|pool| !pool.is_ready());
        missing.map(|pool| format!("app {} has no child that serves", pool.app)).collect()
    }

    /// Why durable jobs are not accepted.
    fn jobs_trouble(&self) -> Option<String> {
        self.scrape.jobs.trouble().map(|why| format!("durable jobs are refused: {why}"))
    }
}

fn plain(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}

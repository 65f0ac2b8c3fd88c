//! Hands a request to the API, for routes that say `to = "api"`: only over TLS, without the route's path.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::{Router, body::Body};
use bytes::Bytes;
use http::{HeaderValue, Request, Uri, header, request::Parts, uri::PathAndQuery};
use http_body::{Body as _, SizeHint};
use ostler_api::ApiService;
use ostler_heads::request_id::REQUEST_ID;
use ostler_job::Termination;
use ostler_pool::passing::Failure;
use tower::ServiceExt as _;

use crate::request::{
    Answering, Pieces, Reply, RequestRecord, RoutedRequest, Source, Target, Upload,
};

/// See the module.
#[derive(Debug)]
pub(super) struct Api {
    pub(super) service: Arc<ApiService>,
}

impl Target for Api {
    fn answer<'a>(&'a self, request: RoutedRequest<'a>) -> Answering<'a> {
        Box::pin(async { Ok(self.reply(request).await) })
    }
}

impl Api {
    /// The API's answer. Bodies are passed on as they come, in both directions.
    async fn reply(&self, request: RoutedRequest<'_>) -> Reply {
        let RoutedRequest { record, route, parts, body, .. } = request;
        if !record.secure {
            return reply(ostler_api::only_over_tls(&record.id));
        }
        let prefix = route.path().trim_end_matches('/');
        let request = inner(record, prefix, parts, body);
        let answer = match request {
            Some(request) => ask(self.service.router(), request).await,
            None => ostler_api::nowhere_below(&record.id, prefix),
        };
        reply(outer(answer, prefix))
    }
}

/// Its answers need no checks.
fn reply(answer: http::Response<Body>) -> Reply {
    let (parts, body) = answer.into_parts();
    let source = Source::Pieces(Box::new(Written(body)));
    Reply::new(parts.status, parts.headers, source, Termination::Answered)
}

/// Written by the API as it comes.
struct Written(Body);

impl Pieces for Written {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Failure>>> {
        loop {
            return Poll::Ready(match ready!(Pin::new(&mut self.0).poll_frame(cx)) {
                None => None,
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => Some(Ok(data)),
                    Err(_trailers) => continue,
                },
                Some(Err(error)) => Some(Err(Failure {
                    termination: Termination::Overload,
                    detail: Bytes::from(format!("the API's answer broke off: {error}")),
                })),
            });
        }
    }

    fn is_answered(&self) -> bool {
        true
    }

    fn size(&self) -> SizeHint {
        self.0.size_hint()
    }

    fn is_over(&self) -> bool {
        self.0.is_end_stream()
    }
}

async fn ask(router: Router, request: Request<Body>) -> http::Response<Body> {
    match router.oneshot(request).await {
        Ok(answer) => answer,
        Err(never) => match never {},
    }
}

/// The request as the API knows it, whatever path it is reached by.
fn inner(
    record: &RequestRecord,
    prefix: &str,
    parts: Parts,
    body: Upload,
) -> Option<Request<Body>> {
    let uri = strip(&parts.uri, prefix)?;
    let mut request = Request::from_parts(parts, Body::new(body));
    *request.uri_mut() = uri;
    request.headers_mut().insert(REQUEST_ID, record.id.clone());
    request
        .extensions_mut()
        .insert(ostler_api::ConnectionInfo { loopback: false, peer: Some(record.client) });
    Some(request)
}

fn strip(uri: &Uri, prefix: &str) -> Option<Uri> {
    let target = uri.path_and_query()?.as_str().strip_prefix(prefix)?;
    let target = match target.starts_with('/') {
        true => target.to_owned(),
        false => format!("/{target}"),
    };
    Some(Uri::from(PathAndQuery::try_from(target).ok()?))
}

/// The answer as the client knows the API.
fn outer(mut answer: http::Response<Body>, prefix: &str) -> http::Response<Body> {
    if let Some(location) = answer.headers_mut().get_mut(header::LOCATION)
        && let Ok(text) = location.to_str()
        && let Ok(whole) = HeaderValue::try_from(format!("{prefix}{text}"))
    {
        *location = whole;
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_routes_path_is_taken_off() {
        let strip = |uri: &str, prefix| strip(&uri.parse().unwrap(), prefix).map(|u| u.to_string());
        assert_eq!(strip("/ostler/v1/jobs?limit=1", "/ostler").unwrap(), "/v1/jobs?limit=1");
        assert_eq!(strip("https://h/ostler?x", "/ostler").unwrap(), "/?x");
        assert_eq!(strip("/v1/jobs", "").unwrap(), "/v1/jobs");
        assert_eq!(strip("/%6fstler/v1/jobs", "/ostler"), None);
    }
}

//! Hands a request to the API, for routes that say `to = "api"`: only over TLS, without the route's path.

use axum::{Router, body::Body};
use http::{HeaderValue, Request, Uri, header, request::Parts, uri::PathAndQuery};
use tower::ServiceExt as _;

use super::{
    respond::{Refusal, Reply},
    route::Route,
    trip::Trip,
    upload::Upload,
};
use crate::{api, request_id::REQUEST_ID};

/// The API's answer. Bodies are passed on as they come, in both directions.
pub(super) async fn call(
    trip: &mut Trip,
    route: &Route,
    parts: Parts,
    body: Upload,
) -> Result<Reply, Refusal> {
    if !trip.secure {
        return Ok(Reply::from_api(api::only_over_tls(&trip.id)));
    }
    let router = trip.front.api.router();
    let prefix = route.path().trim_end_matches('/');
    let request = inner(trip, prefix, parts, body);
    let answer = match request {
        Some(request) => ask(router, request).await,
        None => api::nowhere_below(&trip.id, prefix),
    };
    Ok(Reply::from_api(outer(answer, prefix)))
}

async fn ask(router: Router, request: Request<Body>) -> http::Response<Body> {
    match router.oneshot(request).await {
        Ok(answer) => answer,
        Err(never) => match never {},
    }
}

/// The request as the API knows it, whatever path it is reached by.
fn inner(trip: &Trip, prefix: &str, parts: Parts, body: Upload) -> Option<Request<Body>> {
    let uri = strip(&parts.uri, prefix)?;
    let mut request = Request::from_parts(parts, Body::new(body));
    *request.uri_mut() = uri;
    request.headers_mut().insert(REQUEST_ID, trip.id.clone());
    request.extensions_mut().insert(api::Door { loopback: false, peer: Some(trip.client) });
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

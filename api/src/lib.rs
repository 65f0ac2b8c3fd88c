//! The HTTP API: everything under `/v1`.
//!
//! It turns requests into questions to [`backend::Backend`] and the answers into JSON, and deliberately lacks everything else:
//! what becomes of a job is the driver's, what is kept is the store's, and listeners, TLS and limits of connections are the
//! gateway's. It is a crate of its own so that it is tested whole against a model, without a server.
#![deny(unsafe_code)]

mod auth;
pub mod backend;
mod body;
mod compress;
mod entry;
mod events;
mod guard;
mod jobs;
mod log;
pub mod names;
mod new_token;
mod openapi;
mod parse;
mod payloads;
mod problem;
mod queues;
mod reasons;
mod retry_view;
mod runners;
mod schedules;
mod schema;
mod sooner;
mod sse;
mod status;
mod tokens;
mod view;

#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};

use axum::{
    Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use ostler_heads::request_id::{REQUEST_ID, request_id};
use ostler_machine::shutdown::Shutdown;
use utoipa::OpenApi as _;
use utoipa_axum::{router::OpenApiRouter, routes};

use self::{
    auth::Scope as _,
    backend::Backend,
    problem::{Kind, Problem},
};
pub use self::{
    compress::compressed,
    new_token::new_token,
    parse::schedule::{field_of as schedule_field_of, shape_of as schedule_shape_of},
};
pub use ostler_job::durable::{TENANT_DEFAULT, checked_mailto, line_of_shell};

/// The connection that a request came on; an extension of requests, set by whoever serves the connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct ConnectionInfo {
    /// A listener that only this host reaches: the description of the API needs no token there.
    pub loopback: bool,
    /// Who asks.
    pub peer: Option<std::net::IpAddr>,
}

/// What differs from server to server.
#[derive(Clone, Debug)]
pub struct Config {
    /// Largest standard input of a job in bytes.
    pub payload_max: u64,
    /// Jobs run as the gateway's own user on its host, and nobody has said that tenants are to share it.
    pub tenants_share_user: bool,
    /// The time zone of schedules that name none.
    pub zone: String,
    /// Which zone data schedules go by, for people.
    pub zone_data: String,
}

/// What every handler has. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Api(Arc<Inner>);

struct Inner {
    backend: Arc<dyn Backend>,
    shutdown: Shutdown,
    config: Config,
    document: OnceLock<Bytes>,
}

impl Api {
    fn backend(&self) -> &dyn Backend {
        &*self.0.backend
    }

    /// For threads that may block.
    fn share(&self) -> Arc<dyn Backend> {
        self.0.backend.clone()
    }

    fn document(&self) -> Bytes {
        self.0.document.get().cloned().unwrap_or_default()
    }

    fn payload_max(&self) -> u64 {
        self.0.config.payload_max
    }

    fn zone(&self) -> &str {
        &self.0.config.zone
    }

    fn zone_data(&self) -> &str {
        &self.0.config.zone_data
    }

    /// A token that is bound to a tenant would reach what is everybody's, by the commands it submits.
    fn tenants_are_apart(&self) -> Result<(), Problem> {
        match self.0.config.tenants_share_user {
            false => Ok(()),
            true => Err(Problem::new(
                Kind::Forbidden,
                "jobs run as the gateway's own user here, so a tenant's command could read the jobs of all \
                 tenants and the first token; set runner.job_user or runner.tenant_users, or \
                 jobs.shared_user = true if that is meant",
            )),
        }
    }

    fn is_draining(&self) -> bool {
        self.0.shutdown.is_draining()
    }

    /// Waits for the gateway to drain: nobody may be kept waiting then.
    async fn draining(&self) {
        self.0.shutdown.draining().await;
    }
}

/// The API as the gateway's listeners have it. Made once.
pub struct ApiService {
    router: Router,
    backend: Arc<dyn Backend>,
}

impl std::fmt::Debug for ApiService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiService").finish_non_exhaustive()
    }
}

impl ApiService {
    /// Over a backend.
    pub fn new(backend: Arc<dyn Backend>, shutdown: Shutdown, config: Config) -> Self {
        Self { router: router(backend.clone(), shutdown, config), backend }
    }

    /// Everything of the API, as a service; clones share everything.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// Whether these header fields are of somebody who may look at things, of all tenants perhaps; the answer, if not.
    pub fn may_read(
        &self,
        headers: &http::HeaderMap,
        from: Option<std::net::IpAddr>,
        of_all: bool,
    ) -> Result<(), Box<Response>> {
        let checked = auth::check(&*self.backend, headers, None, auth::Read::NAME);
        let checked = checked.and_then(|caller| match of_all {
            true => caller.needs_all_tenants(),
            false => Ok(()),
        });
        let refused = |problem: Problem| {
            let response = problem.into_response();
            if let Some(why) = auth::refusal(&response) {
                self.backend.note_refusal(why, from);
            }
            Box::new(completed(response, request_id(headers, true), false))
        };
        checked.map_err(refused)
    }
}

/// The OpenAPI document as it is served: what answers say, for those who read them.
pub fn document() -> Bytes {
    openapi::finish(&routes().split_for_parts().1)
}

fn router(backend: Arc<dyn Backend>, shutdown: Shutdown, config: Config) -> Router {
    let document = OnceLock::new();
    let api = Api(Arc::new(Inner { backend, shutdown, config, document }));
    let (router, document) = routes().split_for_parts();
    let _ = api.0.document.set(openapi::finish(&document));
    router
        .fallback(async |request: Request| nowhere(request.uri().path()))
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(api.clone(), finish))
        .layer(compress::layer())
        .with_state(api)
}

fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(openapi::Document::openapi())
        .routes(routes!(jobs::submit::submit, jobs::list::list))
        .routes(routes!(jobs::bulk::act))
        .routes(routes!(jobs::counts::counts))
        .routes(routes!(jobs::list::show, jobs::edit::edit, jobs::actions::delete))
        .routes(routes!(jobs::explain::explain))
        .routes(routes!(jobs::actions::cancel))
        .routes(routes!(jobs::actions::kill))
        .routes(routes!(jobs::actions::pause))
        .routes(routes!(jobs::actions::resume))
        .routes(routes!(jobs::actions::retry))
        .routes(routes!(jobs::actions::r#move))
        .routes(routes!(log::stream::log))
        .routes(routes!(log::events::events))
        .routes(routes!(log::stdin::stdin))
        .routes(routes!(payloads::post, payloads::put))
        .routes(routes!(events::events))
        .routes(routes!(events::audit))
        .routes(routes!(runners::list))
        .routes(routes!(runners::drain))
        .routes(routes!(runners::undrain))
        .routes(routes!(runners::set_slots, runners::unset_slots))
        .routes(routes!(runners::remove))
        .routes(routes!(queues::list))
        .routes(routes!(queues::show, queues::change::put, queues::remove::delete))
        .routes(routes!(queues::attach::attach))
        .routes(routes!(queues::attach::detach))
        .routes(routes!(queues::steer::pause))
        .routes(routes!(queues::steer::drain))
        .routes(routes!(queues::steer::resume))
        .routes(routes!(queues::steer::purge))
        .routes(routes!(schedules::list))
        .routes(routes!(schedules::show, schedules::change::put, schedules::steer::delete))
        .routes(routes!(schedules::firings::list))
        .routes(routes!(schedules::steer::pause))
        .routes(routes!(schedules::steer::resume))
        .routes(routes!(schedules::steer::run))
        .routes(routes!(schedules::steer::cursor))
        .routes(routes!(tokens::list, tokens::create))
        .routes(routes!(tokens::revoke))
        .routes(routes!(status::status))
        .routes(routes!(status::backup))
        .routes(routes!(openapi::show))
}

/// For a route to the API that was taken in cleartext, where anybody on the way reads the token.
pub fn only_over_tls(id: &HeaderValue) -> Response {
    let detail = "the API is served here over TLS only, since tokens are as good as passwords; use https, \
                  and make a new token if this request carried one";
    completed(Problem::new(Kind::Forbidden, detail).into_response(), id.clone(), false)
}

/// For a request that could not be read.
pub fn malformed(id: &HeaderValue, status: StatusCode, why: &str, head: bool) -> Response {
    let problem = Problem::new(Kind::BadRequest, why).with_status(status);
    completed(problem.into_response(), id.clone(), head)
}

/// For a Host that is none of this listener's.
pub fn misdirected(id: &HeaderValue, head: bool) -> Response {
    let detail = "this API has no such name; ask for it by its address or as localhost, or put the name into listen.api_hosts";
    completed(Problem::new(Kind::Misdirected, detail).into_response(), id.clone(), head)
}

/// For a path that leads to the route only when its escapes are resolved.
pub fn nowhere_below(id: &HeaderValue, prefix: &str) -> Response {
    let detail = format!("write the path as {prefix}/v1/jobs, without escapes in {prefix}");
    completed(Problem::new(Kind::NotFound, detail).into_response(), id.clone(), false)
}

fn nowhere(path: &str) -> Problem {
    let detail = format!("there is nothing at {path}; GET /v1/openapi.json tells what there is");
    Problem::new(Kind::NotFound, detail)
}

/// For methods that a resource has not; axum adds which it has.
async fn wrong_method(method: Method) -> Response {
    match method == Method::OPTIONS {
        true => StatusCode::NO_CONTENT.into_response(),
        false => {
            let detail = format!("{method} is not for this; the field Allow tells what is");
            Problem::new(Kind::MethodNotAllowed, detail).into_response()
        }
    }
}

/// What holds for every answer: its request's id, no caching, the body of a problem, a form that the client accepts, and that it
/// ends with the token that it is given for.
async fn finish(State(api): State<Api>, request: Request, next: Next) -> Response {
    // The listener has seen to it whose word is taken.
    let id = request_id(request.headers(), true);
    let head = request.method() == Method::HEAD;
    let from = request.extensions().get::<ConnectionInfo>().and_then(|connection| connection.peer);
    let token = auth::bearer(request.headers());
    let response = match entry::check(&request) {
        Ok(()) => next.run(entry::while_good(&api, token.as_ref(), request)).await,
        Err(problem) => problem.into_response(),
    };
    if let Some(why) = auth::refusal(&response) {
        api.backend().note_refusal(why, from);
    }
    let response = match token {
        Some(token) if response.status().is_success() => {
            response.map(|body| guard::guarded(body, || api.backend().token_over(token)))
        }
        Some(_) | None => response,
    };
    completed(response, id, head)
}

fn completed(mut response: Response, id: HeaderValue, head: bool) -> Response {
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        let text = problem.render(id.to_str().unwrap_or_default());
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(text.len()));
        if !head {
            *response.body_mut() = text.into();
        }
    }
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id);
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

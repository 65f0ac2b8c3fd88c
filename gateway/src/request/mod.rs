//! The way of a request, from parsed head to logged end. [`handle`] is the contents page; every step is a file.

mod api;
mod body;
mod budget;
mod client;
mod env;
mod forward;
mod front;
mod head;
mod http2;
pub(crate) mod measure;
mod memory;
mod page;
mod pump;
mod quarantine;
mod respond;
mod route;
mod shapes;
mod spool;
mod store;
mod tenant;
mod trip;
mod upload;

use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;

pub(crate) use self::{
    body::ReplyBody,
    budget::Budget,
    client::is_trusted,
    front::Front,
    memory::Memory,
    route::{Routes, Target},
    store::Stores,
    tenant::TenantNames,
    upload::Upload,
};
use self::{
    respond::{Refusal, Reply},
    trip::Trip,
};
use crate::connection::Connection;

/// One request. Whatever happens on its way becomes a response, one log line and one count.
pub(crate) async fn handle(
    front: Arc<Front>,
    connection: Arc<Connection>,
    request: Request<Incoming>,
) -> Response<ReplyBody> {
    let mut trip = Trip::begin(&front, &connection, &request);
    let ended = carry(&mut trip, request).await;
    respond::finish(trip, ended)
}

async fn carry(trip: &mut Trip, request: Request<Incoming>) -> Result<Reply, Refusal> {
    let (parts, body) = request.into_parts();
    let body = Upload::new(&trip.connection, parts.version, &parts.headers, body);
    trip.rest = body.rest();
    let head = head::check(trip, &parts)?;
    if !trip.fits {
        return Err(Refusal::too_many());
    }
    let route = route::find(trip, &head, &parts.headers)?;
    let pool = match &route.to {
        Target::App(pool) => pool.clone(),
        Target::Redirect(status, location) => {
            return Reply::redirect(*status, location, &head, &parts.uri);
        }
        Target::Respond(status, text) => return Ok(Reply::fixed(*status, text)),
        Target::Api => return api::call(trip, &route, parts, body).await,
    };
    forward::admit(trip, &pool)?;
    quarantine::admit(trip, &route, &pool)?;
    let body = spool::take(trip, &route, &parts, body).await?;
    let frame = env::request_frame(trip, &parts, &head, &body);
    let (job, answer) = forward::send(trip, &route, pool, frame, body).await?;
    Reply::from_app(trip, &route, job, answer)
}

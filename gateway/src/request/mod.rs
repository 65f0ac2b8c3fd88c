//! The way of a request, from parsed head to logged end. [`handle`] is the contents page; every step is a file.
//!
//! It is the same for every route. What a route leads to, a [`Target`], is behind one trait, and answers.

mod body;
mod budget;
pub(crate) mod forwarded;
pub(crate) mod head;
mod http2;
mod memory;
pub(crate) mod page;
pub(crate) mod quarantine;
pub(crate) mod reply_buffer;
pub(crate) mod respond;
pub(crate) mod route;
mod server_state;
pub(crate) mod spool;
mod target;
mod tenant;
mod trip;
mod upload;

use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;

pub(crate) use self::{
    body::{Pieces, ReplyBody, Source},
    budget::Budget,
    forwarded::is_trusted,
    head::Head,
    memory::Memory,
    reply_buffer::ReplyBuffers,
    respond::{Refusal, Reply},
    route::{Route, Routes},
    server_state::ServerState,
    target::{Answered, Answering, Exchange, Target},
    tenant::TenantNames,
    trip::Trip,
    upload::Upload,
};
use crate::connection::Connection;

/// One request. Whatever happens on its way becomes a response, one log line and one count.
pub(crate) async fn handle(
    server: Arc<ServerState>,
    connection: Arc<Connection>,
    request: Request<Incoming>,
) -> Response<ReplyBody> {
    let mut trip = Trip::begin(&server, &connection, &request);
    let ended = carry(&mut trip, request).await;
    respond::finish(trip, ended)
}

async fn carry(trip: &mut Trip, request: Request<Incoming>) -> Answered {
    let (parts, body) = request.into_parts();
    let body = Upload::new(&trip.connection, parts.version, &parts.headers, body);
    trip.rest = body.rest();
    let head = head::check(trip, &parts)?;
    if !trip.fits {
        return Err(Refusal::too_many());
    }
    let route = route::find(trip, &head, &parts)?;
    route.to.answer(Exchange { trip, route: &route, parts, head, body }).await
}

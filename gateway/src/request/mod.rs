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
mod record;
pub(crate) mod reply_buffer;
pub(crate) mod respond;
pub(crate) mod route;
mod server_state;
pub(crate) mod spool;
mod target;
mod tenant;
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
    record::RequestRecord,
    reply_buffer::ReplyBuffers,
    respond::{Refusal, Reply},
    route::{Route, Routes},
    server_state::ServerState,
    target::{Answered, Answering, RoutedRequest, Target},
    tenant::TenantNames,
    upload::Upload,
};
use crate::connection::Connection;

/// One request. Whatever happens on its way becomes a response, one log line and one count.
pub(crate) async fn handle(
    server: Arc<ServerState>,
    connection: Arc<Connection>,
    request: Request<Incoming>,
) -> Response<ReplyBody> {
    let mut record = RequestRecord::begin(&server, &connection, &request);
    let ended = carry(&mut record, request).await;
    respond::finish(record, ended)
}

async fn carry(record: &mut RequestRecord, request: Request<Incoming>) -> Answered {
    let (parts, body) = request.into_parts();
    let body = Upload::new(&record.connection, parts.version, &parts.headers, body);
    record.rest = body.rest();
    let head = head::check(record, &parts)?;
    if !record.fits {
        return Err(Refusal::too_many());
    }
    let route = route::find(record, &head, &parts)?;
    route.to.answer(RoutedRequest { record, route: &route, parts, head, body }).await
}

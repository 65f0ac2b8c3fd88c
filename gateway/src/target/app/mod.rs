//! Hands requests to the children of an app, for routes that say `to = "app:…"`. [`App::serve`] is the contents page.

mod cgi;
mod failure;
mod forward;
mod pieces;
mod pump;
mod reply;
mod request_frame;

use std::sync::Arc;

pub(crate) use request_frame::request_frame;

use ostler_pool::Pool;

use crate::request::{Answered, Answering, RoutedRequest, Target, quarantine, spool};

/// See the module.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) pool: Arc<Pool>,
}

impl Target for App {
    fn app(&self) -> Option<&str> {
        Some(&self.pool.app)
    }

    fn answer<'a>(&'a self, request: RoutedRequest<'a>) -> Answering<'a> {
        Box::pin(self.serve(request))
    }
}

impl App {
    async fn serve(&self, request: RoutedRequest<'_>) -> Answered {
        let RoutedRequest { record, route, parts, head, body } = request;
        forward::admit(record, &self.pool)?;
        quarantine::admit(record, route, &self.pool)?;
        let body = spool::take(record, route, &parts, body).await?;
        let frame = request_frame(record, &parts, &head, &body);
        let (job, answer) = forward::send(record, route, &self.pool, frame, body).await?;
        reply::from_child(record, route, job, answer)
    }
}

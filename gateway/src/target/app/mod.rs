//! Hands requests to the children of an app, for routes that say `to = "app:…"`. [`App::serve`] is the contents page.

mod env;
mod failure;
mod forward;
mod pieces;
mod pump;
mod reply;

use std::sync::Arc;

pub(crate) use env::request_frame;

use ostler_pool::Pool;

use crate::request::{Answered, Answering, Exchange, Target, quarantine, spool};

/// See the module.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) pool: Arc<Pool>,
}

impl Target for App {
    fn app(&self) -> Option<&str> {
        Some(&self.pool.app)
    }

    fn answer<'a>(&'a self, exchange: Exchange<'a>) -> Answering<'a> {
        Box::pin(self.serve(exchange))
    }
}

impl App {
    async fn serve(&self, exchange: Exchange<'_>) -> Answered {
        let Exchange { trip, route, parts, head, body } = exchange;
        forward::admit(trip, &self.pool)?;
        quarantine::admit(trip, route, &self.pool)?;
        let body = spool::take(trip, route, &parts, body).await?;
        let frame = request_frame(trip, &parts, &head, &body);
        let (job, answer) = forward::send(trip, route, &self.pool, frame, body).await?;
        reply::from_child(trip, route, job, answer)
    }
}

//! Answers by itself, for routes that say `to = "respond:…"`.

use crate::request::{Answering, Reply, RoutedRequest, Target};

/// See the module.
#[derive(Debug)]
pub(super) struct Respond {
    pub(super) status: u16,
    pub(super) text: String,
}

impl Target for Respond {
    fn answer<'a>(&'a self, _: RoutedRequest<'a>) -> Answering<'a> {
        Box::pin(std::future::ready(Ok(Reply::fixed(self.status, &self.text))))
    }
}

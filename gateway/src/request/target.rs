//! What a route leads to: the one seam between the way of a request and whoever answers it.
//!
//! Here is only what any target has; each is a file of `target/`, and this folder knows none of them.

use std::{fmt, pin::Pin};

use http::request::Parts;

use super::{
    head::Head, record::RequestRecord, respond::Refusal, respond::Reply, route::Route,
    upload::Upload,
};

/// A request that has found its route, as a target gets it.
#[derive(Debug)]
pub(crate) struct RoutedRequest<'a> {
    /// Its record: what the target notes there is logged and counted.
    pub(crate) record: &'a mut RequestRecord,
    pub(crate) route: &'a Route,
    pub(crate) parts: Parts,
    pub(crate) head: Head,
    /// Nothing of it was read. What a target leaves of it is seen to behind it.
    pub(crate) body: Upload,
}

/// What comes of a request, once it is known.
pub(crate) type Answering<'a> = Pin<Box<dyn Future<Output = Answered> + Send + 'a>>;

/// An answer, or why there is none.
pub(crate) type Answered = Result<Reply, Refusal>;

/// See the module.
pub(crate) trait Target: fmt::Debug + Send + Sync {
    /// The app that it is, for the log and the metrics; other targets have no name.
    fn app(&self) -> Option<&str> {
        None
    }

    /// Answers a request. Dropped when the client goes.
    fn answer<'a>(&'a self, request: RoutedRequest<'a>) -> Answering<'a>;
}

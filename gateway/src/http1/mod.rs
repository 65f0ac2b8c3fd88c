//! HTTP/1 on the way in: what hyper does not check.

mod chunked;
pub(crate) mod guard;
pub(crate) mod scan;

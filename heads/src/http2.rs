//! HTTP/2 on the way in: what h2 does not check.

pub mod trailers;

//! HTTP/1 on the way in: what hyper does not check.

pub(crate) mod chunked;
pub(crate) mod guard;
pub(crate) mod scan;

#[cfg(test)]
mod corpus_tests;

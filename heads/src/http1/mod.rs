//! HTTP/1 on the way in: what hyper does not check.

pub mod chunked;
pub mod guard;
pub mod scan;

#[cfg(test)]
mod corpus_tests;

//! The way to a gateway.

pub(crate) mod local;

//! Client connections: from accept to the last byte, whatever protocol they speak.

pub(crate) mod accept;
pub(crate) mod api;
pub(crate) mod health;
mod serve;
mod sniff;
pub(crate) mod tls;
mod write_timeout;

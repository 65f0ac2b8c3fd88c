//! What of HTTP's bytes is checked before and beside hyper: heads that two servers could read differently, bodies in chunks, trailers,
//! names of hosts, escapes, ids of requests.
//!
//! It deliberately lacks sockets, routes and answers: bytes in, verdicts out. It is separate so that fuzz targets and the API have it
//! without the gateway.
#![deny(unsafe_code)]

pub mod host;
pub mod http1;
pub mod http2;
pub mod percent;
pub mod request_id;

//! What of HTTP's heads is ours, beside hyper.
//!
//! It deliberately lacks connections and routes: text in, values out.
#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod request_id;

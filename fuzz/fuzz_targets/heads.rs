//! Any bytes as the beginning of a connection: see `http1_body.rs`, which is a plain test as well.
#![no_main]

use ostler_heads::http1;

#[allow(dead_code, reason = "the other target uses the rest")]
mod http1_body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| http1_body::check_heads(data));

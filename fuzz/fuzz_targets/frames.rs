//! Any bytes in any split: see `frames_body.rs`, which is a plain test as well.
#![no_main]

mod frames_body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| frames_body::check(data));

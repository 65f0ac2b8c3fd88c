//! What the fuzzer found worth keeping, run as a plain test.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, path::Path};

#[path = "../../fuzz/fuzz_targets/frames_body.rs"]
mod frames_body;

#[test]
fn the_fuzzers_corpus_breaks_nothing() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/frames");
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        frames_body::check(&fs::read(entry.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count > 0, "the corpus is committed");
}

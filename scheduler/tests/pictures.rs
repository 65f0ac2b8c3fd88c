//! The pictures and figures of `docs/QUEUES.md` are what the disciplines do today.
#![allow(clippy::disallowed_methods, reason = "a test reads documents")]

use std::path::Path;

#[path = "../examples/overload/main.rs"]
#[expect(dead_code, reason = "the example's main is not called here")]
mod overload;

#[test]
fn the_pictures_and_the_table_of_the_document_are_what_the_example_makes() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let read = |path: &str| std::fs::read_to_string(docs.join(path)).unwrap_or_default();
    let (table, pictures) = overload::all();
    for (name, svg) in pictures {
        assert!(
            read(&format!("pictures/{name}.svg")) == svg,
            "docs/pictures/{name}.svg is old; make it again, look at it, and at what docs/QUEUES.md says of it: \
             cargo run --release -p ostler-scheduler --example overload -- docs/pictures"
        );
    }
    assert!(
        read("QUEUES.md").contains(&table),
        "docs/QUEUES.md has not the table that the example makes now:\n{table}"
    );
}

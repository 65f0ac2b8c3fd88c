//! What `tests/setup` made: the Python with Flask and Django in it.

use std::{env, path::PathBuf};

/// The interpreter of the virtual environment.
pub fn venv_python() -> PathBuf {
    let folder = env::var_os("OSTLER_TEST_ENV").map_or_else(beside_binaries, PathBuf::from);
    let python = folder.join("venv/bin/python");
    assert!(python.exists(), "{} is missing; run tests/setup", python.display());
    python
}

/// `make test` gives the place; without it, it is where `tests/setup` puts it with the same target folder.
fn beside_binaries() -> PathBuf {
    let me = env::current_exe().expect("a running program has a path");
    // target/debug/deps/it-0123
    me.ancestors().nth(3).expect("test binaries lie in target/PROFILE/deps").join("test-env")
}

//! Finds the binary under test, and builds it when it is missing or older than its sources.
//!
//! A workspace build has made it already; `cargo nextest run -p ostler-tests` alone has not, because a package's tests
//! do not depend on another package's binary.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::SystemTime,
};

use nix::fcntl::{Flock, FlockArg};

/// The path of `ostler`, fresh. `OSTLER_BIN` names another one.
pub fn ostler() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match env::var_os("OSTLER_BIN") {
        Some(path) => PathBuf::from(path),
        None => built(),
    })
}

fn built() -> PathBuf {
    let me = env::current_exe().expect("a running program has a path");
    // target/debug/deps/it-0123: the binary is two folders up.
    let profile = me.ancestors().nth(2).expect("test binaries lie in deps");
    let binary = profile.join("ostler");
    if is_fresh(&binary) {
        return binary;
    }
    // Every test is a process of its own under nextest; one of them builds.
    let guard = File::create(profile.join(".ostler-build")).expect("the target folder is writable");
    let guard = Flock::lock(guard, FlockArg::LockExclusive).map_err(|(_, error)| error);
    let _guard = guard.expect("locks work on the target folder");
    if !is_fresh(&binary) {
        build(profile);
    }
    binary
}

fn build(profile: &Path) {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--locked", "-p", "ostler-cli", "--target-dir"]);
    cargo.arg(profile.parent().expect("a profile's folder has a parent"));
    match profile.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => {}
        Some(name) => {
            cargo.args(["--profile", name]);
        }
    }
    cargo.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let status = cargo.status().expect("cargo runs");
    assert!(status.success(), "the binary under test does not build");
}

/// Whether nothing that the binary was made from is younger than it; cargo notes the list beside it.
fn is_fresh(binary: &Path) -> bool {
    let Some(made) = changed(binary) else { return false };
    let Ok(list) = fs::read_to_string(binary.with_extension("d")) else { return false };
    let sources = list.split_once(": ").map_or("", |(_, sources)| sources).replace("\\ ", "\0");
    let is_older = |source: &str| {
        changed(Path::new(&source.replace('\0', " "))).is_some_and(|changed| changed <= made)
    };
    !sources.is_empty() && sources.split_whitespace().all(is_older)
}

fn changed(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|found| found.modified()).ok()
}

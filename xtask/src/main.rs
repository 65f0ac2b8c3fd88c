//! The project's own checks, for what rustc and clippy cannot know.
//!
//! It deliberately lacks everything that a linter does already, and touches nothing: it reads the tree and names what
//! breaks a rule of the project. It is separate so that no product code carries it.
#![forbid(unsafe_code)]

use std::{env, path::Path, process::ExitCode};

mod tidy;

#[expect(clippy::print_stderr, reason = "its findings are its output")]
fn main() -> ExitCode {
    if env::args().skip(1).collect::<Vec<_>>() != ["tidy"] {
        eprintln!("usage: cargo run -p ostler-xtask -- tidy");
        return ExitCode::from(64);
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the root");
    match tidy::run(root) {
        Ok(findings) if findings.is_empty() => ExitCode::SUCCESS,
        Ok(findings) => {
            findings.iter().for_each(|finding| eprintln!("{finding}"));
            eprintln!("tidy: {} findings", findings.len());
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("tidy: {error}");
            ExitCode::FAILURE
        }
    }
}

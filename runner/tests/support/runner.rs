//! `ostler launch` and `ostler runner --spec FILE` alone, for the tests.
#![allow(clippy::print_stderr, reason = "the test reads it")]

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    match (args.next().as_deref(), args.next()) {
        (Some("launch"), _) => ostler_runner::launch::main(),
        (Some("run"), Some(file)) => {
            // As the real program does.
            ostler_private::close_umask();
            let text = std::fs::read_to_string(file).expect("the test wrote the file");
            let config = serde_json::from_str(&text).expect("the test wrote a configuration");
            match ostler_runner::run(config) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    eprintln!("{error}");
                    ExitCode::from(error.exit_code())
                }
            }
        }
        _ => ExitCode::from(64),
    }
}

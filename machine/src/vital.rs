//! Tasks that run as long as the server does.

use tokio::task::JoinHandle;

/// Runs one. Without it a gateway would look alive and lack a listener, its clock or a supplier for ever, so that the process
/// ends when it panics: whoever started it starts it again.
pub fn vital(task: impl Future<Output = ()> + Send + 'static) {
    let task: JoinHandle<()> = tokio::spawn(task);
    tokio::spawn(async move {
        // It has said so on stderr.
        if task.await.is_err_and(|error| error.is_panic()) {
            std::process::abort();
        }
    });
}

#[cfg(test)]
mod tests {
    use std::{os::unix::process::ExitStatusExt as _, process::Command};

    use super::*;

    /// Set in a process that breaks on purpose.
    const BREAKS: &str = "OSTLER_TEST_BREAKS";

    #[tokio::test]
    async fn the_process_ends_with_a_task_that_must_run() {
        if std::env::var_os(BREAKS).is_some() {
            vital(async { panic!("on purpose") });
            return std::future::pending().await;
        }
        let test = "vital::tests::the_process_ends_with_a_task_that_must_run";
        let run = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture", "--test-threads=1"])
            .env(BREAKS, "1")
            .output()
            .unwrap();
        assert_eq!(run.status.signal(), Some(libc::SIGABRT));
    }
}

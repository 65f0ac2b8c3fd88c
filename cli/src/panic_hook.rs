//! A panic says that an invariant of ours is broken. What served one request ends with that request. But where everything
//! stands on what broke (a thread that decides, data that a lock guards), a process that goes on looks alive and does nothing
//! right: it ends at once, and whoever started it starts it again.

use std::panic::{PanicHookInfo, set_hook, take_hook};

/// Threads without which nothing goes on.
const VITAL: [&str; 5] = ["jobs", "job bytes", "commit", "checkpoint", "runner"];

/// Holds for all threads from now on.
pub(crate) fn end_with_the_vital() {
    let tell = take_hook();
    set_hook(Box::new(move |panic| {
        tell(panic);
        if is_vital(panic) {
            eprintln!(
                "ostler: nothing can go on after that; start it again, and report what stands above"
            );
            std::process::abort();
        }
    }));
}

fn is_vital(panic: &PanicHookInfo<'_>) -> bool {
    let thread = std::thread::current();
    let text = panic.payload().downcast_ref::<String>();
    let is_poison = text.is_some_and(|text| text.contains("PoisonError"));
    is_poison || thread.name().is_some_and(|name| VITAL.contains(&name))
}

#[cfg(test)]
mod tests {
    use std::{
        os::unix::process::ExitStatusExt as _,
        process::Command,
        sync::{Arc, Mutex},
        thread,
    };

    use super::*;

    /// Set in a process that breaks on purpose.
    const BREAKS: &str = "OSTLER_TEST_BREAKS";

    /// Runs the test that calls it again, in a process of its own that breaks; gives the signal that ended that.
    fn ended_by(test: &str) -> Option<i32> {
        let itself = std::env::current_exe().unwrap();
        let arguments = ["--exact", test, "--nocapture", "--test-threads=1"];
        let run = Command::new(itself).args(arguments).env(BREAKS, "1").output().unwrap();
        run.status.signal()
    }

    fn breaks() -> bool {
        let breaks = std::env::var_os(BREAKS).is_some();
        if breaks {
            end_with_the_vital();
        }
        breaks
    }

    fn panic_in(name: &str, work: impl FnOnce() + Send + 'static) {
        let _panicked = thread::Builder::new().name(name.to_owned()).spawn(work).unwrap().join();
    }

    #[test]
    fn the_process_ends_with_a_thread_that_decides() {
        if breaks() {
            return panic_in("commit", || panic!("on purpose"));
        }
        let ended = ended_by("panic_hook::tests::the_process_ends_with_a_thread_that_decides");
        assert_eq!(ended, Some(nix::libc::SIGABRT));
    }

    #[test]
    fn the_process_ends_when_what_a_lock_guards_is_broken() {
        if breaks() {
            let lock = Arc::new(Mutex::new(()));
            let held = lock.clone();
            panic_in("request", move || {
                let _held = held.lock();
                panic!("on purpose");
            });
            return panic_in("request", move || *lock.lock().expect("nobody breaks it"));
        }
        let ended =
            ended_by("panic_hook::tests::the_process_ends_when_what_a_lock_guards_is_broken");
        assert_eq!(ended, Some(nix::libc::SIGABRT));
    }

    #[test]
    fn what_serves_one_request_ends_alone() {
        if breaks() {
            return panic_in("gateway", || panic!("on purpose"));
        }
        assert_eq!(ended_by("panic_hook::tests::what_serves_one_request_ends_alone"), None);
    }
}

//! Waiting for conditions, never for time.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

/// How long anything may take that takes milliseconds on an idle machine.
pub const DEADLINE: Duration = Duration::from_secs(45);

/// Waits until something holds, and panics with `what` when it does not in time.
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    wait_for(what, || holds().then_some(()));
}

/// Waits until something is there, and panics with `what` when it is not in time.
pub fn wait_for<T>(what: &str, mut find: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = find() {
            return found;
        }
        assert!(begin.elapsed() < DEADLINE, "waited {DEADLINE:?} in vain: {what}");
        sleep(Duration::from_millis(5));
    }
}

//! SIGINT and SIGTERM drain, a second one ends at once.
//!
//! The signals are blocked in every thread and taken by one that waits for them, so nothing is
//! ever done inside a handler.

use std::{
    io::{IsTerminal as _, stderr},
    process::{self, ExitCode},
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
    },
    thread,
    time::Duration,
};

use nix::sys::signal::{SigSet, Signal};
use ostler_gateway::Shutdown;

use crate::{failure::Failure, notify, terminal::say};

/// Signals that this process takes itself; made before any thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signals(SigSet);

impl Signals {
    /// Blocks them here and, by inheritance, in every thread that is made later.
    pub(crate) fn block() -> Result<Self, Failure> {
        let mut set = SigSet::empty();
        let taken =
            [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGUSR2];
        set.extend(taken);
        // A file that may not grow is an error of the write, which says so, and no end of the process.
        let mut blocked = set;
        blocked.add(Signal::SIGXFSZ);
        blocked
            .thread_block()
            .map_err(|error| Failure::broken(format!("cannot block signals: {error}")))?;
        Ok(Self(set))
    }

    /// Takes them all as they come, for a process that was started with some of them blocked.
    pub(crate) fn unblock_all() -> Result<(), Failure> {
        SigSet::empty()
            .thread_set_mask()
            .map_err(|error| Failure::broken(format!("cannot unblock signals: {error}")))
    }

    /// Turns them into a shutdown from here on.
    pub(crate) fn watch(self, shutdown: Shutdown, drain: Duration) -> Result<Watch, Failure> {
        let watch = Watch::default();
        let second = Arc::clone(&watch.second);
        let run = move || {
            self.next_end();
            say(&format!(
                "draining: nothing new is taken, what runs may take up to {}; a second signal \
                 ends at once",
                crate::values::show_duration(drain)
            ));
            notify::stopping();
            shutdown.drain();
            second.store(self.next_end() as i32, Ordering::Relaxed);
            say("ending at once");
            shutdown.now();
            let last = self.next_end();
            process::exit(128 + last as i32);
        };
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(run)
            .map_err(|error| Failure::broken(format!("cannot start a thread: {error}")))?;
        Ok(watch)
    }

    /// Waits for a signal that ends. A hangup ends what a terminal started, and nothing else.
    fn next_end(self) -> Signal {
        let on_terminal = stderr().is_terminal();
        loop {
            match self.0.wait() {
                Ok(Signal::SIGHUP) if !on_terminal => {
                    say("SIGHUP: there is no reload yet; restart to read the config again");
                }
                // Other servers open their log files anew by it, and it would end this one if nobody took it.
                Ok(signal @ (Signal::SIGUSR1 | Signal::SIGUSR2)) => say(&format!(
                    "{signal}: nothing to do; a log file that was moved is begun anew by itself"
                )),
                Ok(signal) => return signal,
                Err(_) => {}
            }
        }
    }
}

/// Knows whether the end was a drain.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watch {
    /// The second signal's number; 0 while there was none.
    second: Arc<AtomicI32>,
}

impl Watch {
    /// Whether a second signal came.
    pub(crate) fn is_hurried(&self) -> bool {
        self.second.load(Ordering::Relaxed) != 0
    }

    /// 0 after a drain, else what shells say of a process that a signal ended.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self.second.load(Ordering::Relaxed) {
            0 => ExitCode::SUCCESS,
            signal => ExitCode::from(128 + u8::try_from(signal).unwrap_or(0)),
        }
    }
}

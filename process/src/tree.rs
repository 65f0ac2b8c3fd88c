//! Signals to everything below this process, which is its reaper: none of them can hit a stranger.

use std::collections::BTreeSet;

use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    Sent,
    pidfd::signal_if,
    proc::{Found, descendants, has_ended, stat, stat_number},
};

/// Passes over a tree that does not hold still, at most. Nothing that is stopped forks, so a few are enough; whoever
/// needs certainty looks again after the kill.
const PASSES_MAX: u32 = 1000;
/// Looks in a row that find no child where there is one, at most.
const BLIND_MAX: u32 = 50;
/// Names of processes that are told.
pub const NAMES_MAX: usize = 3;

/// Sends a signal to a process that was found below this one, which is its reaper.
fn signal_found(found: Found, signal: Signal) -> Sent {
    let own = Pid::this();
    if found.parent == own {
        // Our own child keeps its number until we wait for it.
        return match kill(found.pid, signal) {
            Ok(()) => Sent::Yes,
            Err(Errno::EPERM) => Sent::Refused,
            Err(_) => Sent::Gone,
        };
    }
    // One whose parent has died meanwhile is ours now.
    signal_if(found.pid, signal, |pid| {
        stat_number(pid, 4).is_some_and(|p| p == found.parent.as_raw() || p == own.as_raw())
    })
}

/// Sends a signal once to each process below this one, until a pass finds none that has not had it. Returns those that
/// had it, and those that could not be given it.
pub fn signal_all(signal: Signal) -> (Vec<Found>, BTreeSet<Pid>) {
    let mut had = Vec::new();
    let mut refused = BTreeSet::new();
    let mut seen = BTreeSet::new();
    for _ in 0..PASSES_MAX {
        let mut is_stable = true;
        for found in descendants(Pid::this()) {
            if seen.contains(&found.pid) {
                continue;
            }
            is_stable = false;
            match signal_found(found, signal) {
                Sent::Yes => had.push(found),
                Sent::Refused => drop(refused.insert(found.pid)),
                // It is gone, or has another parent, under whom the next pass finds it.
                Sent::Gone => continue,
            }
            seen.insert(found.pid);
        }
        if is_stable {
            break;
        }
    }
    (had, refused)
}

/// Sends a signal once to each process that is below this one now, nearest first, and wakes those that are stopped. What
/// a handler of the signal starts is not meant.
pub fn signal_once(signal: Signal) {
    let found = descendants(Pid::this());
    for &found in &found {
        signal_found(found, signal);
    }
    // A stopped process would not hear of it.
    for found in found {
        signal_found(found, Signal::SIGCONT);
    }
}

/// Sends a signal to a child that was not waited for, and wakes it.
pub fn signal_child(pid: Pid, signal: Signal) {
    let found = Found { pid, parent: Pid::this() };
    signal_found(found, signal);
    signal_found(found, Signal::SIGCONT);
}

/// What was killed below a process.
#[derive(Debug, Default)]
pub struct Killed {
    /// How many could not be.
    pub refused: u32,
    /// Those that had not ended.
    pub live: BTreeSet<Pid>,
    /// The names of the first of them.
    pub names: Vec<String>,
}

impl Killed {
    fn count(&mut self, pid: Pid) {
        let Some((name, rest)) = stat(pid) else { return };
        if has_ended(&rest) {
            return;
        }
        // One that dies slowly is met again.
        if self.live.insert(pid) && self.names.len() < NAMES_MAX && !self.names.contains(&name) {
            self.names.push(name);
        }
    }
}

/// Kills everything below this process, which is its reaper: stopped first, so that nothing can fork or restart what was
/// killed, then killed, and again until `reap` says that there is no child. `None`: there are children, and they cannot be
/// seen, as when somebody has taken this process its descriptors away.
pub fn kill_all(mut reap: impl FnMut() -> bool, mut pause: impl FnMut()) -> Option<Killed> {
    let mut killed = Killed::default();
    let mut blind = 0;
    while reap() {
        let (stopped, refused) = signal_all(Signal::SIGSTOP);
        if stopped.is_empty() && !refused.is_empty() {
            killed.refused = u32::try_from(refused.len()).unwrap_or(u32::MAX);
            break;
        }
        blind = if stopped.is_empty() { blind + 1 } else { 0 };
        if blind > BLIND_MAX {
            return None;
        }
        for found in stopped {
            killed.count(found.pid);
            // Whoever is gone already needs none; who is missed is found again.
            let _ = signal_found(found, Signal::SIGKILL);
        }
        if reap() {
            pause();
        }
    }
    Some(killed)
}

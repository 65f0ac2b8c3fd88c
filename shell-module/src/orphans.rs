//! Orphans: processes of jobs that lost their supervisor, found by what is in their environment, and killed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    thread,
    time::Duration,
};

use nix::{sys::signal::Signal, unistd::Pid};

use ostler_process::{
    Sent,
    pidfd::signal_if,
    proc::{descendants, is_ended, processes, stat_number, threads},
};

/// The variable that says which runner's job a process is.
pub(crate) const STATE: &str = "OSTLER_RUNNER_STATE";
/// Between two looks whether they are gone.
const PAUSE: Duration = Duration::from_millis(2);
/// Looks, at most: what is still there after these cannot be killed, and the log of the host says why.
const LOOKS_MAX: u32 = 5000;

/// What the environment of every job's process of this runner contains.
pub fn state_mark(state: &Path) -> String {
    format!("{STATE}={}", state.display())
}

/// Kills every process that has all these entries in its environment, and everything below it; with `session`, also
/// everything of that session. Waits until none is left and returns how many there were. Web apps' children have none of
/// a job's entries.
pub fn kill_orphans(marks: &[String], session: Option<i32>) -> usize {
    let is_marked = |pid: Pid| has_marks(pid, marks) || is_of_session(pid, session);
    let mut killed = BTreeSet::new();
    for _ in 0..LOOKS_MAX {
        let roots: Vec<Pid> = processes().filter(|&p| p != Pid::this() && is_marked(p)).collect();
        let mut stopped = BTreeMap::new();
        let mut is_stable = false;
        while !is_stable {
            is_stable = true;
            for (pid, parent) in with_descendants(&roots) {
                if pid != Pid::this() && !stopped.contains_key(&pid) && !is_ended(pid) {
                    let meant = |pid| is_meant(pid, parent, is_marked);
                    let sent = signal_if(pid, Signal::SIGSTOP, meant);
                    is_stable &= sent != Sent::Yes;
                    stopped.insert(pid, (parent, sent));
                }
            }
        }
        stopped.retain(|_, (_, sent)| *sent == Sent::Yes);
        if stopped.is_empty() {
            break;
        }
        for (pid, (parent, _)) in stopped {
            signal_if(pid, Signal::SIGKILL, |pid| is_meant(pid, parent, is_marked));
            killed.insert(pid);
        }
        thread::sleep(PAUSE);
    }
    killed.len()
}

/// The roots, and what is below them with its parent.
fn with_descendants(roots: &[Pid]) -> Vec<(Pid, Option<Pid>)> {
    let mut all = Vec::new();
    for &root in roots {
        all.push((root, None));
        all.extend(descendants(root).into_iter().map(|found| (found.pid, Some(found.parent))));
    }
    all
}

fn is_meant(pid: Pid, parent: Option<Pid>, is_marked: impl Fn(Pid) -> bool) -> bool {
    match parent {
        Some(parent) => stat_number(pid, 4) == Some(parent.as_raw()) || is_marked(pid),
        None => is_marked(pid),
    }
}

/// A thread that has ended has no environment any more, and so has no process of which all have; the first one may have.
fn has_marks(pid: Pid, marks: &[String]) -> bool {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let environment = match environment.is_empty() {
        true => threads(pid)
            .find_map(|it| fs::read(it.join("environ")).ok().filter(|it| !it.is_empty())),
        false => Some(environment),
    };
    let environment = environment.unwrap_or_default();
    let has = |mark: &String| environment.split(|&b| b == 0).any(|entry| entry == mark.as_bytes());
    !marks.is_empty() && marks.iter().all(has)
}

fn is_of_session(pid: Pid, session: Option<i32>) -> bool {
    session.is_some() && stat_number(pid, 6) == session && !is_ended(pid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_another_process_has_by_now_is_not_meant() {
        let (own, parent) = (Pid::this(), Some(Pid::parent()));
        assert!(is_meant(own, parent, |_| false), "it is where it was found");
        assert!(!is_meant(own, Some(own), |_| false), "it has another parent now, and no mark");
        assert!(is_meant(own, Some(own), |pid| pid == own), "it has a mark");
        assert!(!is_meant(own, None, |_| false));
        // Above any number that a kernel gives.
        assert!(!is_meant(Pid::from_raw(i32::MAX), parent, |_| false), "it is gone");
    }
}

//! Other processes as the kernel shows them in `/proc`: who is below whom, and a signal that cannot hit a stranger.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fs,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    path::PathBuf,
};

use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// Passes over a tree that does not hold still, at most. Nothing that is stopped forks, so a few are enough; whoever
/// needs certainty looks again after the kill.
const PASSES_MAX: u32 = 1000;
/// Looks in a row that find no child where there is one, at most.
const BLIND_MAX: u32 = 50;
/// Names of processes that are told.
pub(crate) const NAMES_MAX: usize = 3;

/// A process below another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    /// Which.
    pub pid: Pid,
    /// Whose child it was when it was found.
    pub parent: Pid,
}

/// What became of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It was sent.
    Yes,
    /// The process is gone, or its number means another one by now.
    Gone,
    /// It became another user's process.
    Refused,
}

/// Everything below `root`, nearest first, ended processes that were not waited for included.
pub(crate) fn descendants(root: Pid) -> Vec<Found> {
    let by_scan = if has_children_files() { None } else { Some(scan_parents()) };
    let mut queue = VecDeque::from([root]);
    let mut found = Vec::new();
    let mut seen = BTreeSet::from([root]);
    while let Some(parent) = queue.pop_front() {
        let children = match &by_scan {
            Some(tree) => tree.get(&parent).cloned().unwrap_or_default(),
            None => children_of(parent),
        };
        for pid in children {
            // A number that is used anew while this looks must not lead in a circle.
            if seen.insert(pid) {
                found.push(Found { pid, parent });
                queue.push_back(pid);
            }
        }
    }
    found
}

/// The kernel may be built without the lists of children.
fn has_children_files() -> bool {
    fs::exists("/proc/thread-self/children").unwrap_or(false)
}

/// The folders of its threads. A process that is gone has none, and no children any more.
pub(crate) fn threads(pid: Pid) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    entries.map(|entry| entry.path())
}

fn children_of(pid: Pid) -> Vec<Pid> {
    let lists = threads(pid).filter_map(|task| fs::read_to_string(task.join("children")).ok());
    lists.flat_map(|list| numbers(&list)).collect()
}

fn numbers(list: &str) -> Vec<Pid> {
    list.split_ascii_whitespace().filter_map(|n| n.parse().ok()).map(Pid::from_raw).collect()
}

/// The children of every process, from the parents that all of them name.
fn scan_parents() -> BTreeMap<Pid, Vec<Pid>> {
    let mut tree: BTreeMap<Pid, Vec<Pid>> = BTreeMap::new();
    for pid in processes() {
        if let Some(parent) = stat_number(pid, 4) {
            tree.entry(Pid::from_raw(parent)).or_default().push(pid);
        }
    }
    tree
}

/// Every process of the host that can be seen.
pub(crate) fn processes() -> impl Iterator<Item = Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok().map(Pid::from_raw))
}

/// A field of `/proc/PID/stat`, by the number that proc(5) gives it, from 3 on.
pub(crate) fn stat_number(pid: Pid, field: usize) -> Option<i32> {
    let (_, rest) = stat(pid)?;
    rest.split_ascii_whitespace().nth(field - 3)?.parse().ok()
}

/// Whether it has ended, waited for or not. A process goes on as long as one of its threads does, whatever became of the
/// first.
pub(crate) fn is_ended(pid: Pid) -> bool {
    stat(pid).is_none_or(|(_, rest)| has_ended(&rest))
}

fn has_ended(stat: &str) -> bool {
    let mut fields = stat.split_ascii_whitespace();
    let is_over = matches!(fields.next(), None | Some("Z" | "X"));
    // Field 20 of proc(5).
    let threads = fields.nth(16).and_then(|field| field.parse().ok()).unwrap_or(0);
    is_over && threads <= 1
}

/// Whether a signal ends the process, as far as it can be seen: it neither blocks nor ignores it, nor takes it.
pub(crate) fn dies_of(pid: Pid, signal: Signal) -> bool {
    let Ok(status) = fs::read(format!("/proc/{pid}/status")) else { return false };
    let status = String::from_utf8_lossy(&status);
    let masks = ["SigBlk:", "SigIgn:", "SigCgt:"].map(|name| {
        let mask = status.lines().find_map(|line| line.strip_prefix(name))?;
        u64::from_str_radix(mask.trim(), 16).ok()
    });
    let bit = 1_u64 << (signal as i32 - 1);
    masks.iter().all(|mask| mask.is_some_and(|mask| mask & bit == 0))
}

/// Its name, as far as that is text, and what follows in `/proc/PID/stat`. A process chooses its name: bytes of any sort,
/// parentheses among them.
fn stat(pid: Pid) -> Option<(String, String)> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    let (name, rest) = stat.rsplit_once(')')?;
    let (_, name) = name.split_once('(')?;
    Some((name.to_owned(), rest.to_owned()))
}

/// A descriptor that means this process and no other; `None` when it is gone.
pub(crate) fn pidfd_open(pid: Pid) -> Option<OwnedFd> {
    // SAFETY: the call takes two integers and touches no memory.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
    let fd = i32::try_from(Errno::result(fd).ok()?).ok()?;
    // SAFETY: the kernel has just made this descriptor, so nobody else owns it.
    Some(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Sends a signal to a process that `is_meant` confirms once its number cannot be given to another any more.
pub(crate) fn signal_if(pid: Pid, signal: Signal, is_meant: impl Fn(Pid) -> bool) -> Sent {
    let Some(fd) = pidfd_open(pid) else { return Sent::Gone };
    if !is_meant(pid) {
        return Sent::Gone;
    }
    signal_pidfd(&fd, signal)
}

/// Sends a signal to the process that a descriptor means.
pub(crate) fn signal_pidfd(fd: &OwnedFd, signal: Signal) -> Sent {
    // SAFETY: the descriptor is open; the null pointer means that the kernel fills the details in itself.
    let sent = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            fd.as_raw_fd(),
            signal as i32,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
    match Errno::result(sent) {
        Ok(_) => Sent::Yes,
        Err(Errno::EPERM) => Sent::Refused,
        Err(_) => Sent::Gone,
    }
}

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
pub(crate) fn signal_all(signal: Signal) -> (Vec<Found>, BTreeSet<Pid>) {
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
pub(crate) fn signal_once(signal: Signal) {
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
pub(crate) fn signal_child(pid: Pid, signal: Signal) {
    let found = Found { pid, parent: Pid::this() };
    signal_found(found, signal);
    signal_found(found, Signal::SIGCONT);
}

/// What was killed below a process.
#[derive(Debug, Default)]
pub(crate) struct Killed {
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
pub(crate) fn kill_all(mut reap: impl FnMut() -> bool, mut pause: impl FnMut()) -> Option<Killed> {
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

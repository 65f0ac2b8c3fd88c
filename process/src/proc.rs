//! Other processes as the kernel shows them in `/proc`: who is below whom, and what of them has ended.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fs,
    path::PathBuf,
};

use nix::{sys::signal::Signal, unistd::Pid};

/// A process below another.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// Which.
    pub pid: Pid,
    /// Whose child it was when it was found.
    pub parent: Pid,
}

/// Everything below `root`, nearest first, ended processes that were not waited for included.
pub fn descendants(root: Pid) -> Vec<Found> {
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
pub fn threads(pid: Pid) -> impl Iterator<Item = PathBuf> {
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
pub fn processes() -> impl Iterator<Item = Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok().map(Pid::from_raw))
}

/// A field of `/proc/PID/stat`, by the number that proc(5) gives it, from 3 on.
pub fn stat_number(pid: Pid, field: usize) -> Option<i32> {
    let (_, rest) = stat(pid)?;
    rest.split_ascii_whitespace().nth(field - 3)?.parse().ok()
}

/// Whether it has ended, waited for or not. A process goes on as long as one of its threads does, whatever became of the
/// first.
pub fn is_ended(pid: Pid) -> bool {
    stat(pid).is_none_or(|(_, rest)| has_ended(&rest))
}

pub(crate) fn has_ended(stat: &str) -> bool {
    let mut fields = stat.split_ascii_whitespace();
    let is_over = matches!(fields.next(), None | Some("Z" | "X"));
    // Field 20 of proc(5).
    let threads = fields.nth(16).and_then(|field| field.parse().ok()).unwrap_or(0);
    is_over && threads <= 1
}

/// Whether a signal ends the process, as far as it can be seen: it neither blocks nor ignores it, nor takes it.
pub fn dies_of(pid: Pid, signal: Signal) -> bool {
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
pub(crate) fn stat(pid: Pid) -> Option<(String, String)> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    let (name, rest) = stat.rsplit_once(')')?;
    let (_, name) = name.split_once('(')?;
    Some((name.to_owned(), rest.to_owned()))
}

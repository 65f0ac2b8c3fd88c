//! Processes of the system under test, found by a mark in their environment.

use std::{fs, path::Path};

use nix::{
    sys::signal::{self, Signal},
    unistd::Pid,
};

/// The variable that marks every process that a gateway of a test started, however far down.
pub(crate) const MARK: &str = "OSTLER_TEST_MARK";

/// The living processes that carry a mark.
pub fn pids_of(mark: &str) -> Vec<u32> {
    let marks = [mark.to_owned()];
    all_pids().into_iter().filter(|pid| has_mark(*pid, &marks)).collect()
}

/// Every process that can be seen.
pub fn all_pids() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|e| e.file_name().to_str()?.parse().ok()).collect()
}

/// Whether a process carries one of these marks in its environment.
pub fn has_mark(pid: u32, marks: &[String]) -> bool {
    let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let mut values = environ
        .split(|b| *b == 0)
        .filter_map(|variable| variable.strip_prefix(MARK.as_bytes())?.strip_prefix(b"="));
    values.any(|value| marks.iter().any(|mark| mark.as_bytes() == value))
}

/// The command line of a process, words joined by blanks.
pub fn command_of(pid: u32) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).replace('\0', " ")
}

/// Whether a process is there and is no zombie.
pub fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"));
    stat.is_ok_and(|stat| {
        !stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('Z'))
    })
}

/// The process that started it, or that inherited it.
pub fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// Sends a signal; a process that is gone already is as good.
pub fn signal(pid: u32, which: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).expect("a process id fits"));
    // ESRCH: it is gone.
    let _ = signal::kill(pid, which);
}

/// Ends a process at once.
pub fn kill(pid: u32) {
    signal(pid, Signal::SIGKILL);
}

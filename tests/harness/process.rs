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
    let wanted = format!("{MARK}={mark}");
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environ| {
            environ.split(|b| *b == 0).any(|variable| variable == wanted.as_bytes())
        })
    })
    .collect()
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

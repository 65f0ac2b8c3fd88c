//! Somebody sets the clock while durable jobs wait and run.

use std::{
    fs,
    path::{Path, PathBuf},
};

use ostler_tests::{Api, Gateway, Setup};
use serde_json::json;

/// A gateway whose wall clock a test can set; its other clocks go as they do.
struct Clock {
    offset: PathBuf,
    _folder: tempfile::TempDir,
}

impl Clock {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let clock = Self { offset: folder.path().join("offset"), _folder: folder };
        clock.set("+0");
        clock
    }

    /// Sets it to the true time and so much more or less.
    fn set(&self, offset: &str) {
        let new = self.offset.with_extension("new");
        fs::write(&new, offset).expect("a temporary folder is writable");
        fs::rename(new, &self.offset).expect("a temporary file can be renamed");
    }

    fn start(&self) -> Gateway {
        let library = library();
        Setup::bare()
            .more("[runner]\njob_slots = 2\n")
            .args(&["--no-app"])
            .env("LD_PRELOAD", library.to_str().expect("its path is text"))
            .env("FAKETIME_TIMESTAMP_FILE", self.offset.to_str().expect("its path is text"))
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("FAKETIME_NO_CACHE", "1")
            .start()
    }
}

/// What `tests/setup` installed, wherever the distribution keeps it.
fn library() -> PathBuf {
    let folders =
        fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path());
    let folders = folders.chain([PathBuf::from("/usr/lib"), PathBuf::from("/usr/local/lib")]);
    let mut files = folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1"));
    files.find(|file| Path::exists(file)).expect("libfaketime is there: run tests/setup")
}

#[test]
fn a_clock_that_leaps_ahead_neither_loses_nor_hurries_nor_doubles_a_job() {
    let clock = Clock::new();
    let gateway = clock.start();
    let api = Api::of(&gateway);
    let ran = gateway.state().join("ran");
    let soon =
        api.submit(&json!({ "command": format!("echo soon >> {}", ran.display()), "delay": "3s" }));
    let later = api.submit(&json!({ "command": "true", "delay": "50m" }));
    let waits = api.submit(&json!({ "command": "true", "expires": "50m", "paused": true }));
    let running = api.run("sleep 2");
    api.wait_state(running, "running");
    for offset in ["+1h", "+40d"] {
        clock.set(offset);
        api.wait_finished(api.run("true"));
    }
    assert_eq!(api.wait_finished(soon)["state"], "succeeded");
    // Lengths of time are counted by a clock that nobody sets.
    assert_eq!(
        (&api.job(later)["state"], &api.job(waits)["state"]),
        (&json!("scheduled"), &json!("paused"))
    );
    let job = api.wait_finished(running);
    assert_eq!((&job["state"], &job["attempts"]), (&json!("succeeded"), &json!(1)), "{job}");
    clock.set("+0");
    api.wait_finished(api.run("true"));
    assert_eq!(fs::read_to_string(&ran).expect("it ran"), "soon\n");
}

#[test]
fn a_clock_that_falls_an_hour_back_neither_loses_nor_doubles_a_job() {
    let clock = Clock::new();
    clock.set("+1h");
    let gateway = clock.start();
    let api = Api::of(&gateway);
    let running = api.run("sleep 2");
    let retry = json!({ "attempts": 2, "delay": "500ms", "backoff": "constant" });
    let flag = gateway.state().join("flag");
    let command = format!("test -e {0} || {{ touch {0}; exit 1; }}", flag.display());
    let retried = api.submit(&json!({ "command": command, "retry": retry }));
    api.wait_state(running, "running");
    api.wait_state(retried, "retrying");
    let delayed = api.submit(&json!({ "command": "true", "delay": "2s" }));
    clock.set("+0");
    assert_eq!(api.wait_finished(delayed)["state"], "succeeded");
    // The wait before a retry is a length of time, not a moment.
    let job = api.wait_finished(retried);
    assert_eq!((&job["state"], &job["attempts"]), (&json!("succeeded"), &json!(2)), "{job}");
    let job = api.wait_finished(running);
    assert_eq!((&job["state"], &job["attempts"]), (&json!("succeeded"), &json!(1)), "{job}");
}

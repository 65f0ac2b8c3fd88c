//! Nothing acknowledged is lost: real processes killed, torn logs, full disks, failing writes.
//!
//! What must happen in another process is a test that does nothing unless its parent asks for it by the environment.
#![allow(clippy::unwrap_used, reason = "a test: what cannot go wrong ends it")]

mod disk;
mod killed;
#[path = "../make/mod.rs"]
mod make;
mod torn;

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
};

use ostler_job::JobId;
use ostler_store::{Change, Filter, Sqlite};

/// Jobs of a batch.
pub(crate) const JOBS: u64 = 5;
const FOLDER: &str = "STORE_TEST_FOLDER";

/// A child that runs one of this binary's tests in a folder.
pub(crate) fn spawn(test: &str, folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The folder that the parent named; `None`: this is no child.
pub(crate) fn folder() -> Option<std::path::PathBuf> {
    std::env::var_os(FOLDER).map(Into::into)
}

/// Tells the parent; straight to the descriptor, so that a kill loses nothing that was said.
pub(crate) fn tell(text: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n@{text}").unwrap();
    out.flush().unwrap();
}

/// What a child tells, until it has ended.
pub(crate) fn told(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.map_while(Result::ok).filter_map(|line| line.strip_prefix('@').map(str::to_owned))
}

/// Batch `n` of jobs `n * JOBS + 1` and so on, and an event that names it.
pub(crate) fn batch(n: u64) -> Vec<Change> {
    let jobs = (1..=JOBS).map(|job| make::submit(n * JOBS + job));
    jobs.chain([make::event(n, &n.to_string())]).collect()
}

/// Checks that batches are there whole and without gaps, and answers how many.
pub(crate) fn batches(store: &Sqlite) -> u64 {
    let found = make::find(store, &Filter::default(), 1000);
    let count = found.len() as u64;
    assert_eq!(count % JOBS, 0, "half a batch is there");
    assert!(found.iter().rev().copied().eq(1..=count), "a batch is missing");
    let events = make::events(store);
    let named = events.iter().map(|event| event.detail.parse::<u64>().unwrap());
    assert!(named.eq(0..count / JOBS), "an event is missing, or doubled");
    let (jobs, loaded) = make::load(store);
    assert_eq!((jobs.len() as u64, loaded.next_job), (count, JobId(count + 1)));
    count / JOBS
}

//! Processes that are killed while they write.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use ostler_job::durable::Epoch;
use ostler_store::{Committer, Sqlite, SqliteOptions, Store};

use crate::{JOBS, batch, batches, folder, make, spawn, tell, told};

/// So short a log that it is copied all the time, and kills hit that too.
const OPTIONS: SqliteOptions = SqliteOptions { checkpoint_pages: 40, pages_max: None };

/// The child: batches through a committer, several under way, each told when it is acknowledged.
#[test]
fn child_that_commits() {
    let Some(folder) = folder() else { return };
    let store = Arc::new(Sqlite::open_with(&folder.join("store.db"), OPTIONS).unwrap());
    let first = (make::load(&*store).1.next_job.0 - 1) / JOBS;
    let committer = Committer::start(store, |_, _| {}).unwrap();
    let (room, taken) = std::sync::mpsc::sync_channel(8);
    let taken = Arc::new(Mutex::new(taken));
    for n in first.. {
        room.send(()).unwrap();
        let taken = Arc::clone(&taken);
        let done = move |outcome: Result<_, _>| {
            outcome.unwrap();
            tell(&n.to_string());
            taken.lock().unwrap().recv().unwrap();
        };
        committer.commit(Epoch(0), batch(n), Box::new(done));
    }
}

#[test]
fn what_was_acknowledged_survives_kills() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    for round in 0..24_u64 {
        let mut child = spawn("killed::child_that_commits", folder.path());
        let mut lines = told(&mut child);
        // At the first acknowledgement in every third round, otherwise some way into the work.
        let first = lines.next().expect("the child commits");
        std::thread::sleep(Duration::from_micros((round % 3) * (round * 7919 % 23) * 1000));
        child.kill().unwrap();
        child.wait().unwrap();
        // The last line may be cut short by the kill, so that only a part of its number was written: never a larger one.
        let last = lines.filter_map(|line| line.parse::<u64>().ok()).max();
        acknowledged = acknowledged.max(last.unwrap_or(0)).max(first.parse().unwrap());
        let store = Sqlite::open(&folder.path().join("store.db")).unwrap();
        let there = batches(&store);
        assert!(there > acknowledged, "{acknowledged} was acknowledged, {there} are there");
    }
    assert!(acknowledged > 24, "the child hardly did anything");
}

#[test]
fn a_store_whose_process_was_killed_is_not_locked() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = spawn("killed::child_that_commits", folder.path());
    // Kept, because a child that cannot tell ends by itself.
    let mut lines = told(&mut child);
    lines.next().unwrap();
    let path = folder.path().join("store.db");
    assert_eq!(Sqlite::open(&path).unwrap_err().fault, ostler_store::Fault::Locked);
    child.kill().unwrap();
    child.wait().unwrap();
    let store = Sqlite::open(&path).unwrap();
    let n = batches(&store);
    store.commit(Epoch(0), &batch(n)).unwrap();
}

//! Logs whose last part did not reach the disk, or reached it as something else.

use std::{fs, path::Path};

use ostler_job::durable::Epoch;
use ostler_store::{Sqlite, Store};

use crate::{batch, batches};

/// The file and its log as they stand after so many batches, and after one more.
struct Taken {
    file: Vec<u8>,
    before: Vec<u8>,
    after: Vec<u8>,
}

const BATCHES: u64 = 4;

fn take(folder: &Path) -> Taken {
    let path = folder.join("store.db");
    let store = Sqlite::open(&path).unwrap();
    for n in 0..BATCHES {
        store.commit(Epoch(0), &batch(n)).unwrap();
    }
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    let (file, before) = (read("store.db"), read("store.db-wal"));
    store.commit(Epoch(0), &batch(BATCHES)).unwrap();
    Taken { file, before, after: read("store.db-wal") }
}

/// Opens a store of this file and log, and answers how many batches it has; it goes on after that.
fn reopened(file: &[u8], log: &[u8]) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("store.db"), file).unwrap();
    fs::write(folder.path().join("store.db-wal"), log).unwrap();
    let path = folder.path().join("store.db");
    let store = Sqlite::open(&path).unwrap();
    let there = batches(&store);
    store.commit(Epoch(0), &batch(there)).unwrap();
    drop(store);
    assert_eq!(batches(&Sqlite::open(&path).unwrap()), there + 1);
    there
}

#[test]
fn a_log_cut_short_keeps_what_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let taken = take(folder.path());
    let (least, most) = (taken.before.len(), taken.after.len());
    assert!(least < most);
    for cut in (least..most).step_by(1777).chain([least + 1, most - 1]) {
        assert_eq!(reopened(&taken.file, &taken.after[..cut]), BATCHES, "cut at {cut}");
    }
    assert_eq!(reopened(&taken.file, &taken.after), BATCHES + 1);
}

#[test]
fn a_log_with_a_garbled_end_keeps_what_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let taken = take(folder.path());
    let (least, most) = (taken.before.len(), taken.after.len());
    for at in (least..most).step_by(2111) {
        let mut log = taken.after.clone();
        log[at] ^= 0x40;
        assert_eq!(reopened(&taken.file, &log), BATCHES, "a bit flipped at {at}");
        // A block that was never written.
        let end = most.min(at + 512);
        log[at] ^= 0x40;
        log[at..end].fill(0);
        if log != taken.after {
            assert_eq!(reopened(&taken.file, &log), BATCHES, "zeroes at {at}");
        }
    }
}

/// The suite above would notice: a store that forgets what it acknowledged is told apart.
#[test]
fn a_log_cut_too_short_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let taken = take(folder.path());
    assert!(reopened(&taken.file, &taken.before[..taken.before.len() - 1]) < BATCHES);
}

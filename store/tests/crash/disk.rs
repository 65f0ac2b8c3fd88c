//! Disks that are full or fail.

use std::{fs::File, os::fd::AsRawFd, path::Path};

use nix::sys::{
    resource::{Resource, setrlimit},
    signal::{SigHandler, Signal, signal},
};
use ostler_job::{
    JobId,
    durable::{Epoch, JobState},
};
use ostler_store::{Change, Fault, Filter, Sqlite, SqliteOptions, Store};

use crate::{batch, batches, folder, make, spawn, tell, told};

#[test]
fn a_full_disk_keeps_nothing_of_the_batch_and_goes_on_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let options = SqliteOptions { pages_max: Some(67), ..SqliteOptions::default() };
    let store = Sqlite::open_with(&path, options).unwrap();
    let done = || make::in_state(JobState::Succeeded);
    let jobs = |n: u64| {
        let jobs = n * 100 + 1..=n * 100 + 100;
        jobs.map(|job| make::submit_as(job, make::spec("noop"), done())).collect::<Vec<_>>()
    };
    let refused =
        (0..).find_map(|n| store.commit(Epoch(0), &jobs(n)).err().map(|error| (n, error)));
    let (there, error) = refused.unwrap();
    assert_eq!(error.fault, Fault::Full, "{error}");
    let count = |store: &Sqlite| make::find(store, &Filter::default(), 1000).len() as u64;
    assert_eq!(count(&store), there * 100);
    // Still full, and reading goes on.
    assert_eq!(store.commit(Epoch(0), &jobs(there)).unwrap_err().fault, Fault::Full);
    assert_eq!(count(&store), there * 100);
    // Jobs that go make room.
    let gone: Vec<_> = (1..=150).map(|job| Change::Delete { job: JobId(job) }).collect();
    store.commit(Epoch(0), &gone).unwrap();
    store.commit(Epoch(0), &jobs(there)).unwrap();
    drop(store);
    let store = Sqlite::open(&path).unwrap();
    assert_eq!(count(&store), there * 100 - 50);
    assert_eq!(make::load(&store).1.next_job, JobId(there * 100 + 101));
}

/// The child: after some batches the log may not be written any more, which says nothing of what is on the disk.
#[test]
fn child_whose_writes_fail() {
    let Some(folder) = folder() else { return };
    let path = folder.join("store.db");
    let store = Sqlite::open(&path).unwrap();
    make::load(&store);
    store.commit(Epoch(0), &batch(0)).unwrap();
    tell("acknowledged 0");
    store.commit(Epoch(0), &batch(1)).unwrap();
    tell("acknowledged 1");
    make_unwritable(&folder.join("store.db-wal"));
    let failed = store.commit(Epoch(0), &batch(2)).unwrap_err();
    tell(&format!("failed {:?}", failed.fault));
    let refused = store.commit(Epoch(0), &[make::event(0, "")]).unwrap_err();
    tell(&format!("refused {:?}", refused.fault));
    let readable = store.job(JobId(1)).unwrap().is_some();
    tell(&format!("readable {readable}"));
    // A new term opens it anew: what failed is there whole or not, and it can be written again.
    let epoch = store.begin(0).unwrap().epoch;
    let there = batches(&store);
    store.commit(epoch, &batch(there)).unwrap();
    tell("begun anew");
}

/// Every descriptor of this process for the file becomes one that only reads: writes fail with EBADF.
fn make_unwritable(path: &Path) {
    let reads = File::open(path).unwrap();
    for entry in std::fs::read_dir("/proc/self/fd").unwrap() {
        let entry = entry.unwrap();
        let number: i32 = entry.file_name().to_str().unwrap().parse().unwrap();
        let is_it = std::fs::read_link(entry.path()).is_ok_and(|to| to == path);
        if is_it && number != reads.as_raw_fd() {
            // SAFETY: both are descriptors of this process, and the second one stays open.
            assert_eq!(unsafe { libc::dup2(reads.as_raw_fd(), number) }, number);
        }
    }
}

/// The child: after some batches the file may not grow, which is a full disk; then it may again.
#[test]
fn child_whose_file_may_not_grow() {
    let Some(folder) = folder() else { return };
    let path = folder.join("store.db");
    let store = Sqlite::open(&path).unwrap();
    make::load(&store);
    // SAFETY: no handler runs, the signal is only ignored.
    unsafe { signal(Signal::SIGXFSZ, SigHandler::SigIgn) }.unwrap();
    store.commit(Epoch(0), &batch(0)).unwrap();
    tell("acknowledged 0");
    let log = folder.join("store.db-wal").metadata().unwrap().len();
    setrlimit(Resource::RLIMIT_FSIZE, log + 30_000, libc::RLIM_INFINITY).unwrap();
    let (refused, error) = (1..)
        .find_map(|n| match store.commit(Epoch(0), &batch(n)) {
            Ok(_) => {
                tell(&format!("acknowledged {n}"));
                None
            }
            Err(error) => Some((n, error)),
        })
        .unwrap();
    tell(&format!("failed {:?} {}", error.fault, error.detail.contains("ulimit -f")));
    setrlimit(Resource::RLIMIT_FSIZE, libc::RLIM_INFINITY, libc::RLIM_INFINITY).unwrap();
    tell(&format!("there {}", batches(&store) == refused));
    store.commit(Epoch(0), &batch(refused)).unwrap();
    tell("goes on");
}

#[test]
fn a_file_that_may_not_grow_keeps_nothing_of_the_batch_and_goes_on_when_it_may() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = spawn("disk::child_whose_file_may_not_grow", folder.path());
    let lines: Vec<_> = told(&mut child).collect();
    assert!(child.wait().unwrap().success());
    assert_eq!(lines[lines.len() - 3..], ["failed Full true", "there true", "goes on"]);
    assert!(lines.len() > 4, "{lines:?}");
}

#[test]
fn after_a_failed_write_nothing_is_written_until_it_is_opened_anew() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = spawn("disk::child_whose_writes_fail", folder.path());
    let lines: Vec<_> = told(&mut child).collect();
    assert!(child.wait().unwrap().success());
    let number = |line: &String| line.strip_prefix("acknowledged ").map(|n| n.parse().unwrap());
    let acknowledged: u64 = lines.iter().filter_map(number).max().unwrap();
    assert!(acknowledged > 0, "{lines:?}");
    assert_eq!(
        lines[lines.len() - 4..],
        ["failed Unknown", "refused Unknown", "readable true", "begun anew"]
    );
    let store = Sqlite::open(&folder.path().join("store.db")).unwrap();
    let there = batches(&store);
    // The one that failed may be there: whole.
    assert!((acknowledged + 2..=acknowledged + 3).contains(&there));
    store.commit(Epoch(0), &batch(there)).unwrap();
}

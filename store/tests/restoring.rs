//! Stores that went back: copies put in their place, by the verb or by hand.
#![allow(clippy::unwrap_used, reason = "a test: what cannot go wrong ends it")]

mod make;

use std::{fs, path::PathBuf};

use make::{event, fixture, load, submit};
use ostler_job::Wall;
use ostler_store::{Change, Fault, Sqlite, Store, Token};
use rusqlite::Connection;

/// A store with a job, a backup of it, and more since: another job, and a token revoked.
struct Lost {
    folder: tempfile::TempDir,
    last: u64,
}

fn token(name: &str, revoked_at: Option<Wall>) -> Change {
    let scopes = ["read".to_owned()].into();
    let (hash, created_at) = (name.repeat(64), Wall(1));
    let name = name.to_owned();
    let token =
        Token { name, hash, scopes, tenant: None, created_at, expires_at: None, revoked_at };
    Change::Token(token)
}

impl Lost {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Sqlite::open(&folder.path().join("store.db")).unwrap();
        let epoch = store.begin(0).unwrap().epoch;
        store.commit(epoch, &[submit(1), token("a", None), token("b", None)]).unwrap();
        store.backup(&folder.path().join("copy.db")).unwrap();
        store.commit(epoch, &[submit(2), event(2, "lost"), token("a", Some(Wall(7)))]).unwrap();
        Self { folder, last: 2 }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The store that is there now repeats nothing that was lost.
    fn check(&self) {
        let store = Sqlite::open(&self.path("store.db")).unwrap();
        let term = store.begin(0).unwrap();
        assert!(term.went_back);
        let (jobs, loaded) = load(&store);
        assert_eq!(make::ids(&jobs), [1]);
        assert!(loaded.next_job.0 > self.last && loaded.last_event >= 1, "{loaded:?}");
        let revoked: Vec<_> = loaded.tokens.iter().map(|it| it.revoked_at.is_some()).collect();
        assert_eq!(revoked, [true, false], "what was revoked stays so");
        store.commit(term.epoch, &[submit(loaded.next_job.0)]).unwrap();
    }
}

#[test]
fn a_restored_store_gives_no_number_again_and_no_token_back() {
    let lost = Lost::new();
    let restored = Sqlite::restore(&lost.path("store.db"), &lost.path("copy.db")).unwrap();
    assert_eq!(restored.jobs, (1, 1));
    lost.check();
    // What was there before is whole.
    let before = Sqlite::open(&restored.aside.unwrap()).unwrap();
    assert_eq!(make::ids(&load(&before).0), [1, 2]);
    // Again, over what was restored.
    let again = Sqlite::restore(&lost.path("store.db"), &lost.path("copy.db")).unwrap();
    assert_eq!(again.aside, Some(lost.path("store.db.before-2")));
    lost.check();
}

#[test]
fn a_copy_put_back_by_hand_gives_no_number_again() {
    let lost = Lost::new();
    fs::copy(lost.path("copy.db"), lost.path("store.db")).unwrap();
    let _gone = ["-wal", "-shm"].map(|it| fs::remove_file(lost.path(&format!("store.db{it}"))));
    lost.check();
}

#[test]
fn the_file_itself_copied_while_it_was_closed_gives_no_number_again() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("store.db"), folder.path().join("copy.db"));
    let session = |ids: &[u64]| {
        let store = Sqlite::open(&path).unwrap();
        let epoch = store.begin(0).unwrap().epoch;
        let tokens = [token("a", None), token("b", None)];
        let batch: Vec<_> = ids.iter().map(|id| submit(*id)).chain(tokens).collect();
        store.commit(epoch, &batch).unwrap();
        epoch
    };
    session(&[1]);
    fs::copy(&path, &copy).unwrap();
    let epoch = session(&[2, 3]);
    let store = Sqlite::open(&path).unwrap();
    let epoch = store.begin(0).unwrap().epoch.max(epoch);
    store.commit(epoch, &[token("a", Some(Wall(7)))]).unwrap();
    drop(store);
    fs::copy(&copy, &path).unwrap();
    Lost { folder, last: 3 }.check();
}

#[test]
fn what_is_no_copy_is_not_put_in_place() {
    let lost = Lost::new();
    let before = fs::read(lost.path("store.db")).unwrap();
    let refused = |from: &str, kind: Fault| {
        let error = Sqlite::restore(&lost.path("store.db"), &lost.path(from)).unwrap_err();
        assert_eq!(error.fault, kind, "{error}");
        assert!(error.detail.contains(from), "{error}");
        assert_eq!(fs::read(lost.path("store.db")).unwrap(), before);
        assert!(!lost.path("store.db.restoring").exists());
    };
    fs::write(lost.path("empty"), "").unwrap();
    fs::write(lost.path("text"), "no database at all; ".repeat(100)).unwrap();
    let copy = fs::read(lost.path("copy.db")).unwrap();
    let mut cut = copy.clone();
    cut.truncate(copy.len() / 2);
    fs::write(lost.path("cut"), cut).unwrap();
    refused("nowhere", Fault::Copy);
    refused("empty", Fault::Corrupt);
    refused("text", Fault::Corrupt);
    refused("cut", Fault::Corrupt);
    refused("store.db", Fault::Misuse);
    fs::copy(lost.path("copy.db"), lost.path("newer")).unwrap();
    let newer = Connection::open(lost.path("newer")).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    drop(newer);
    refused("newer", Fault::TooNew);
    let _open = Sqlite::open(&lost.path("store.db")).unwrap();
    let error = Sqlite::restore(&lost.path("store.db"), &lost.path("copy.db")).unwrap_err();
    assert_eq!(error.fault, Fault::Locked);
}

#[test]
fn a_history_that_cannot_be_read_is_named() {
    let lost = Lost::new();
    fs::write(lost.path("store.db-history"), "{").unwrap();
    let error = Sqlite::open(&lost.path("store.db")).unwrap_err();
    assert_eq!(error.fault, Fault::Corrupt);
    assert!(error.to_string().contains("store.db-history"), "{error}");
}

#[test]
fn a_file_of_version_1_put_back_gives_no_fence_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = Sqlite::open(&path).unwrap();
    let last = store.begin(0).unwrap();
    drop(store);
    let restored = Sqlite::restore(&path, &fixture("v1.db")).unwrap();
    assert_eq!(restored.jobs, (2, 1));
    let term = Sqlite::open(&path).unwrap().begin(0).unwrap();
    assert!(term.went_back && term.epoch > last.epoch);
    assert!(term.fences.start >= last.fences.end);
}

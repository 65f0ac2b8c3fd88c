//! The SQLite engine as a file: opening, backups, readers beside a writer.
#![allow(clippy::unwrap_used, reason = "a test: what cannot go wrong ends it")]

mod make;

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use make::{event, find, in_state, load, submit, update};
use ostler_job::{
    JobId,
    durable::{Epoch, JobState, Work},
};
use ostler_store::{Applied, Change, Fault, Filter, Sqlite, SqliteOptions, Store};
use rusqlite::Connection;

fn fault(path: &Path) -> (Fault, String) {
    let error = Sqlite::open(path).unwrap_err();
    (error.fault, error.to_string())
}

#[test]
fn a_newer_file_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    drop(Sqlite::open(&path).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let (fault, text) = fault(&path);
    assert_eq!(fault, Fault::TooNew);
    assert!(text.contains("store.db has format 99"), "{text}");
}

#[test]
fn what_is_no_store_is_refused_and_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let garbage = b"this is no database, whatever its name says; ".repeat(200);
    fs::write(&path, &garbage).unwrap();
    let (kind, text) = fault(&path);
    assert_eq!(kind, Fault::Corrupt);
    assert!(text.contains("store.db") && text.contains("backup"), "{text}");
    assert_eq!(fs::read(&path).unwrap(), garbage);
    fs::remove_file(&path).unwrap();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE cat (name)").unwrap();
    let (kind, text) = fault(&path);
    assert_eq!(kind, Fault::Corrupt);
    assert!(text.contains("something else"), "{text}");
}

#[test]
fn a_damaged_page_is_an_error_and_no_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = Sqlite::open(&path).unwrap();
    store.commit(Epoch(0), &(1..2000).map(submit).collect::<Vec<_>>()).unwrap();
    drop(store);
    let mut bytes = fs::read(&path).unwrap();
    bytes[8192..].iter_mut().for_each(|byte| *byte = 0xa5);
    fs::write(&path, bytes).unwrap();
    let outcome = Sqlite::open(&path).and_then(|store| store.load(&mut |_| {}));
    assert_eq!(outcome.unwrap_err().fault, Fault::Corrupt);
}

#[test]
fn a_cut_file_is_an_error_and_no_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = Sqlite::open(&path).unwrap();
    store.commit(Epoch(0), &(1..2000).map(submit).collect::<Vec<_>>()).unwrap();
    drop(store);
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    let outcome = Sqlite::open(&path).and_then(|store| store.load(&mut |_| {}));
    assert_eq!(outcome.unwrap_err().fault, Fault::Corrupt);
}

#[test]
fn a_second_one_is_refused_while_the_first_lives() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = Sqlite::open(&path).unwrap();
    assert_eq!(fault(&path).0, Fault::Locked);
    drop(store);
    drop(Sqlite::open(&path).unwrap());
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let (fault, text) = fault(Path::new("/nowhere/at/all/store.db"));
    assert_eq!(fault, Fault::Io);
    assert!(text.contains("/nowhere/at/all/store.db"), "{text}");
}

#[test]
fn a_backup_made_while_others_write_is_of_one_moment() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&folder.path().join("store.db")).unwrap();
    let ended = AtomicBool::new(false);
    // More pages than are copied in one go.
    let first: Vec<_> = (0..10_000).flat_map(|n| [submit(n + 1), event(n, "")]).collect();
    store.commit(Epoch(0), &first).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in (10_000..).take_while(|_| !ended.load(Relaxed)) {
                // A job and its event: a copy has both or neither.
                store.commit(Epoch(0), &[submit(n + 1), event(n, "")]).unwrap();
            }
        });
        for copy in 0..5 {
            let to = folder.path().join(format!("copy-{copy}.db"));
            store.backup(&to).unwrap();
            let copied = Sqlite::open(&to).unwrap();
            let (jobs, loaded) = load(&copied);
            assert_eq!(jobs.len() as u64, loaded.last_event);
        }
        ended.store(true, Relaxed);
    });
    assert!(!folder.path().join("copy-0.db.partial").exists());
}

#[test]
fn a_backup_replaces_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&folder.path().join("store.db")).unwrap();
    let to = folder.path().join("copy.db");
    fs::write(&to, "mine").unwrap();
    let error = store.backup(&to).unwrap_err();
    assert!(error.detail.contains("is there already"), "{error}");
    assert_eq!(fs::read(&to).unwrap(), b"mine");
    let nowhere = store.backup(&folder.path().join("no/such/copy.db")).unwrap_err();
    assert_eq!(nowhere.fault, Fault::Copy);
}

#[test]
fn a_term_begins_only_when_its_room_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let options = SqliteOptions { pages_max: Some(60), ..SqliteOptions::default() };
    let store = Sqlite::open_with(&path, options).unwrap();
    let first = store.begin(1000).unwrap();
    assert_eq!(store.begin(1 << 20).unwrap_err().fault, Fault::Full);
    // No term was spent on that, and the one that was stands.
    store.commit(first.epoch, &[submit(1)]).unwrap();
    assert_eq!(store.begin(1000).unwrap().epoch.0, first.epoch.0 + 1);
}

#[test]
fn the_log_stays_short_while_jobs_come() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let options = SqliteOptions { checkpoint_pages: 64, ..SqliteOptions::default() };
    let store = Sqlite::open_with(&path, options).unwrap();
    let log = folder.path().join("store.db-wal");
    let home = path.metadata().unwrap().len();
    let mut next = 1;
    // Until several logs full were copied.
    while path.metadata().unwrap().len() < home + 64 * 4096 * 4 {
        store.commit(Epoch(0), &(next..next + 100).map(submit).collect::<Vec<_>>()).unwrap();
        next += 100;
        let pages = log.metadata().unwrap().len() / 4096;
        assert!(pages < 64 * 40, "the log has {pages} pages");
    }
    assert!(store.size() > home);
}

#[test]
fn a_log_that_somebody_held_back_gives_its_room_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let options = SqliteOptions { checkpoint_pages: 64, ..SqliteOptions::default() };
    let store = Sqlite::open_with(&path, options).unwrap();
    let pages = || folder.path().join("store.db-wal").metadata().unwrap().len() / 4096;
    let holder = Connection::open(&path).unwrap();
    holder.execute_batch("BEGIN; SELECT count(*) FROM meta").unwrap();
    let mut next = 1;
    let mut more = || {
        store.commit(Epoch(0), &(next..next + 100).map(submit).collect::<Vec<_>>()).unwrap();
        next += 100;
    };
    while pages() < 1000 {
        more();
    }
    drop(holder);
    while pages() > 200 {
        more();
    }
}

/// What a later version wrote, and what the disk did, hinders nobody else.
#[test]
fn a_spec_that_cannot_be_read_is_its_own_affair() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = Sqlite::open(&path).unwrap();
    store.commit(Epoch(0), &(1..=6).map(submit).collect::<Vec<_>>()).unwrap();
    let raw = Connection::open(&path).unwrap();
    for (job, how) in [
        (
            1,
            "spec = json_set(spec, '$.work', json('{\"module\":\"hologram\",\"beam\":[1]}'), '$.tenant', 'a')",
        ),
        (2, "spec = json_set(spec, '$.retry', 'often', '$.identity', 'odd')"),
        (3, "spec = substr(spec, 1, 20)"),
        (4, "spec = 7"),
        (5, "spec = json_remove(spec, '$.identity')"),
    ] {
        raw.execute(&format!("UPDATE spec SET {how} WHERE job = {job}"), []).unwrap();
    }
    let ids: Vec<_> = (1..=6).map(JobId).collect();
    let jobs = store.jobs(&ids).unwrap();
    let unknown = |id: usize| jobs[id - 1].spec.work == Work::Unknown;
    assert_eq!((1..=6).map(unknown).collect::<Vec<_>>(), [true, true, true, true, true, false]);
    assert_eq!((jobs[0].spec.tenant.as_str(), jobs[1].spec.identity.as_str()), ("a", "odd"));
    assert_eq!(find(&store, &Filter::default(), 10), [6, 5, 4, 3, 2, 1]);
    let mut loaded = 0;
    store.load_unfinished(&mut |_| loaded += 1).unwrap();
    assert_eq!((loaded, load(&store).0.len()), (6, 6));
    raw.execute("DELETE FROM spec WHERE job = 6", []).unwrap();
    assert_eq!(store.job(JobId(6)).unwrap().unwrap().spec.work, Work::Unknown);
    for id in 1..=6 {
        let over = update(id, 0, in_state(JobState::Cancelled));
        let applied = store.commit(Epoch(0), &[over, Change::Delete { job: JobId(id) }]).unwrap();
        assert_eq!(applied, [Applied::Done, Applied::Done], "job {id}");
    }
}

#[test]
fn a_store_whose_disk_takes_nothing_is_read_on_and_goes_on_when_it_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = Sqlite::open(&path).unwrap();
    let epoch = store.begin(0).unwrap().epoch;
    store.commit(epoch, &[submit(1)]).unwrap();
    assert!(store.job(JobId(1)).unwrap().is_some());
    // It is to be opened anew, and nothing can be written beside it.
    let (log, aside) = (folder.path().join("store.db-wal"), folder.path().join("aside"));
    fs::rename(&log, &aside).unwrap();
    assert_eq!(store.check().unwrap_err().fault, Fault::Gone);
    let probe = folder.path().join("store.db-probe");
    fs::create_dir(&probe).unwrap();
    for _ in 0..3 {
        let error = store.begin(1 << 20).unwrap_err();
        assert!(error.to_string().contains("store.db"), "{error}");
        assert!(store.job(JobId(1)).unwrap().is_some(), "what there is can be read");
    }
    fs::remove_dir(&probe).unwrap();
    fs::rename(&aside, &log).unwrap();
    let epoch = store.begin(1 << 20).unwrap().epoch;
    store.commit(epoch, &[submit(2)]).unwrap();
    assert!(store.job(JobId(1)).unwrap().is_some() && store.job(JobId(2)).unwrap().is_some());
    assert!(!probe.exists());
}

/// The last numbers are noted when a store is closed, beside its file: one that is put back is known by them.
#[test]
fn a_copy_by_hand_of_the_same_term_is_known_after_an_orderly_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let aside = folder.path().join("aside.db");
    let store = Sqlite::open(&path).unwrap();
    let epoch = store.begin(0).unwrap().epoch;
    store.commit(epoch, &[submit(1)]).unwrap();
    store.backup(&aside).unwrap();
    store.commit(epoch, &[submit(2)]).unwrap();
    drop(store);
    // Not as a copy that says that it is one.
    let by_hand = Connection::open(&aside).unwrap();
    by_hand.execute("UPDATE meta SET value = 0 WHERE name = 'copy'", []).unwrap();
    drop(by_hand);
    // Left by an end that waited for nothing, perhaps.
    let _gone = fs::remove_file(folder.path().join("store.db-wal"));
    fs::rename(&aside, &path).unwrap();
    let store = Sqlite::open(&path).unwrap();
    assert!(store.begin(0).unwrap().went_back);
}

/// Nothing of a copy goes on by itself.
#[test]
fn a_copy_that_finds_no_room_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = Sqlite::open(&path).unwrap();
    let error = store.backup(&folder.path().join("nowhere/copy.db")).unwrap_err();
    assert_eq!(error.fault, Fault::Copy);
    assert!(!error.to_string().contains("by itself"), "{error}");
    store.backup(&folder.path().join("copy.db")).unwrap();
    drop(store);
    // In the place of what is put together first.
    fs::create_dir(folder.path().join("store.db.restoring")).unwrap();
    let error = Sqlite::restore(&path, &folder.path().join("copy.db")).unwrap_err();
    assert_eq!(error.fault, Fault::Copy);
    assert!(!error.to_string().contains("by itself"), "{error}");
    assert!(Sqlite::open(&path).is_ok(), "what was there is there");
}

//! A file that could not be opened, and whether it is worth another try.
//!
//! What is damaged, or of a newer version, stays so until somebody does something about it: it is not opened over and over,
//! nor while it is being copied. A file that goes away is being exchanged: a new one is not made in its place.

use std::{os::unix::fs::MetadataExt as _, path::Path};

use super::{history, paths::suffixed};
use crate::{Fault, StoreError};

/// See the module.
#[derive(Debug)]
pub(super) struct Refused {
    error: StoreError,
    /// As it was then.
    then: Seen,
    /// As it was when it was looked at last.
    last: Seen,
}

/// The file, its log, and what is remembered beside it. `None`: it is not there.
type Seen = [Option<Version>; 3];

/// What tells a file from another, and from itself after a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Version {
    file: (u64, u64),
    bytes: u64,
    changed: (i64, i64),
}

fn look(path: &Path) -> Seen {
    [path.to_owned(), suffixed(path, "-wal"), history::path(path)].map(|path| {
        let it = path.metadata().ok()?;
        let (file, changed) = ((it.dev(), it.ino()), (it.mtime(), it.mtime_nsec()));
        Some(Version { file, bytes: it.len(), changed })
    })
}

/// Whether a fault does not pass by itself.
pub(super) const fn lasts(error: &StoreError) -> bool {
    matches!(error.fault, Fault::Corrupt | Fault::TooNew)
}

impl Refused {
    /// The file at this path cannot be used.
    pub(super) fn new(path: &Path, error: StoreError) -> Self {
        let then = look(path);
        Self { error, then, last: then }
    }

    /// Fails when there is no sense in another try.
    pub(super) fn check(&mut self, path: &Path) -> Result<(), StoreError> {
        let now = look(path);
        let is_still = std::mem::replace(&mut self.last, now) == now;
        if self.then[0].is_some() && now[0].is_none() {
            let detail = format!("{} was removed after it could not be used", path.display());
            return Err(StoreError::new(Fault::Gone, detail));
        }
        let is_known = now == self.then || !is_still;
        if lasts(&self.error) && is_known { Err(self.error.clone()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{super::open, *};
    use crate::{Sqlite, Store as _};

    fn fault(store: &Sqlite) -> Fault {
        let done = store.begin(0).and_then(|_| store.load(&mut drop));
        done.map(drop).expect_err("it is refused").fault
    }

    #[test]
    fn a_file_that_is_damaged_is_opened_when_it_was_exchanged_and_lies_still() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let (path, good) = (folder.path().join("store.db"), folder.path().join("good.db"));
        Sqlite::open(&path).expect("it opens").backup(&good).expect("it is copied");
        fs::write(&path, "no store, but there is something in it").expect("there is room");
        let store = Sqlite::at(&path);
        assert_eq!([fault(&store), fault(&store)], [Fault::Corrupt; 2]);
        let error = store.tail(0, 1).map(drop).expect_err("nothing can be read");
        assert_eq!(error.fault, Fault::Corrupt);
        drop(open::lock(&path).expect("whoever mends it may have it"));
        fs::remove_file(&path).expect("it is there");
        assert_eq!([fault(&store), fault(&store)], [Fault::Gone; 2]);
        assert!(!path.exists(), "no new one is made where one was");
        let whole = fs::read(&good).expect("it is there");
        fs::write(&path, &whole[..whole.len() / 2]).expect("there is room");
        assert_eq!(fault(&store), Fault::Corrupt, "it may be on its way");
        fs::write(&path, &whole).expect("there is room");
        assert_eq!(fault(&store), Fault::Corrupt, "it may still grow");
        store.begin(0).expect("it lies still");
        assert!(store.check().is_ok() && store.tail(0, 1).is_ok());
        assert!(Sqlite::open(&path).is_err_and(|it| it.fault == Fault::Locked));
    }

    #[test]
    fn what_is_found_to_be_damaged_before_it_was_used_is_let_go_of() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let path = folder.path().join("store.db");
        drop(Sqlite::open(&path).map(|store| store.begin(0)).expect("it opens"));
        let whole = fs::read(&path).expect("it is there");
        let history = fs::read(history::path(&path)).expect("it is there");
        // A table whose rows are none: it opens, and cannot be read.
        let db = rusqlite::Connection::open(&path).expect("it opens");
        db.execute_batch("INSERT INTO token VALUES ('a', 'no token')").expect("it is written");
        drop(db);
        let store = Sqlite::at(&path);
        assert_eq!([fault(&store), fault(&store)], [Fault::Corrupt; 2]);
        drop(open::lock(&path).expect("whoever mends it may have it"));
        fs::write(history::path(&path), "nonsense").expect("there is room");
        fs::write(&path, whole).expect("there is room");
        assert_eq!([fault(&store), fault(&store)], [Fault::Corrupt; 2]);
        fs::write(history::path(&path), history).expect("there is room");
        assert_eq!(fault(&store), Fault::Corrupt, "it may still grow");
        store.begin(0).expect("what is beside the file was mended");
        store.load(&mut drop).expect("it is whole");
    }

    #[test]
    fn a_file_that_lacks_what_every_store_has_is_damaged_and_no_bug() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let path = folder.path().join("store.db");
        drop(Sqlite::open(&path).map(|store| store.begin(0)).expect("it opens"));
        let whole = fs::read(&path).expect("it is there");
        for spoil in [
            "DROP TABLE event",
            "DROP TABLE token",
            "DELETE FROM meta",
            "PRAGMA user_version = 0",
            "PRAGMA user_version = -1",
        ] {
            fs::write(&path, &whole).expect("there is room");
            let db = rusqlite::Connection::open(&path).expect("it opens");
            db.execute_batch(spoil).expect("it is written");
            drop(db);
            let store = Sqlite::at(&path);
            let error = store.begin(0).and_then(|_| store.load(&mut drop)).map(drop);
            let error = error.expect_err("it is refused");
            assert_eq!(error.fault, Fault::Corrupt, "{spoil}: {error}");
            assert!(!error.detail.contains("CREATE") && error.detail.len() < 300, "{error}");
        }
    }

    #[test]
    fn what_may_pass_is_tried_again_and_again() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let path = folder.path().join("state").join("store.db");
        let store = Sqlite::at(&path);
        assert_eq!(fault(&store), Fault::Io, "there is no folder");
        fs::create_dir(folder.path().join("state")).expect("there is room");
        let other = Sqlite::open(&path).expect("it opens");
        assert_eq!(fault(&store), Fault::Locked);
        drop(other);
        store.begin(0).expect("it opens");
    }
}

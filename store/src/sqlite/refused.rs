//! A file that could not be opened, and whether it is worth another try.
//!
//! What is damaged, or of a newer version, stays so until somebody does something about it: it is not opened over and over,
//! nor while it is being copied. A file that goes away is being exchanged: a new one is not made in its place.

use std::{os::unix::fs::MetadataExt as _, path::Path};

use crate::{Fault, StoreError};

/// See the module.
#[derive(Debug)]
pub(super) struct Refused {
    error: StoreError,
    /// As it was then; `None`: there was none.
    then: Option<Seen>,
    /// As it was when it was looked at last.
    last: Option<Seen>,
}

/// What tells a file from another, and from itself after a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    file: (u64, u64),
    bytes: u64,
    changed: (i64, i64),
}

impl Seen {
    fn at(path: &Path) -> Option<Self> {
        let it = path.metadata().ok()?;
        let (file, changed) = ((it.dev(), it.ino()), (it.mtime(), it.mtime_nsec()));
        Some(Self { file, bytes: it.len(), changed })
    }
}

impl Refused {
    /// The file at this path was not opened.
    pub(super) fn new(path: &Path, error: StoreError) -> Self {
        let then = Seen::at(path);
        Self { error, then, last: then }
    }

    /// Fails when there is no sense in another try.
    pub(super) fn check(&mut self, path: &Path) -> Result<(), StoreError> {
        let now = Seen::at(path);
        let is_still = std::mem::replace(&mut self.last, now) == now;
        if self.then.is_some() && now.is_none() {
            let detail = format!("{} was removed after it could not be opened", path.display());
            return Err(StoreError::new(Fault::Gone, detail));
        }
        let lasts = matches!(self.error.fault, Fault::Corrupt | Fault::TooNew);
        if lasts && (now == self.then || !is_still) { Err(self.error.clone()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::{Fault, Sqlite, Store as _};

    #[test]
    fn a_file_that_is_damaged_is_opened_when_it_was_exchanged_and_lies_still() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let (path, good) = (folder.path().join("store.db"), folder.path().join("good.db"));
        Sqlite::open(&path).expect("it opens").backup(&good).expect("it is copied");
        fs::write(&path, "no store, but there is something in it").expect("there is room");
        let store = Sqlite::at(&path);
        let fault = |store: &Sqlite| store.begin(0).map(drop).expect_err("it is refused").fault;
        assert_eq!([fault(&store), fault(&store)], [Fault::Corrupt; 2]);
        let error = store.tail(0, 1).map(drop).expect_err("nothing can be read");
        assert_eq!(error.fault, Fault::Corrupt);
        assert!(Sqlite::restore(&path, &path).is_err_and(|it| it.fault != Fault::Locked));
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
    fn what_may_pass_is_tried_again_and_again() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let path = folder.path().join("state").join("store.db");
        let store = Sqlite::at(&path);
        assert_eq!(store.begin(0).expect_err("there is no folder").fault, Fault::Io);
        fs::create_dir(folder.path().join("state")).expect("there is room");
        let other = Sqlite::open(&path).expect("it opens");
        assert_eq!(store.begin(0).expect_err("another has it").fault, Fault::Locked);
        drop(other);
        store.begin(0).expect("it opens");
    }
}

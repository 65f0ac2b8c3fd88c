//! The identity of the store's files: whether they are still where they were opened.
//!
//! A file that was removed or replaced is written on without an error, and everything is gone with the process. So nothing
//! counts as committed before the names were looked at once more.

use std::{
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use super::{fault, paths::suffixed};
use crate::{Fault, StoreError};

/// Device and number of each file by its name.
#[derive(Debug)]
pub(super) struct Place(Vec<(PathBuf, (u64, u64))>);

impl Place {
    /// The file as it is now.
    pub(super) fn of(path: &Path) -> Result<Self, StoreError> {
        Self::all(&[path.to_owned()])
    }

    /// The file and its log.
    pub(super) fn with_log(path: &Path) -> Result<Self, StoreError> {
        Self::all(&[path.to_owned(), suffixed(path, "-wal")])
    }

    fn all(paths: &[PathBuf]) -> Result<Self, StoreError> {
        let look = |path: &PathBuf| {
            which(path)
                .map(|which| (path.clone(), which))
                .map_err(|error| fault::from_io("opening", &path.display().to_string(), &error))
        };
        paths.iter().map(look).collect::<Result<_, _>>().map(Self)
    }

    /// Fails when another file, or none, has one of the names.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        for (path, opened) in &self.0 {
            let gone = match which(path) {
                Ok(which) if which == *opened => continue,
                Ok(_) => "was replaced by another file".to_owned(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => "was removed".to_owned(),
                Err(error) => format!("cannot be looked at ({error})"),
            };
            let detail = format!("{} {gone} while it was in use", path.display());
            return Err(StoreError::new(Fault::Gone, detail));
        }
        Ok(())
    }
}

fn which(path: &Path) -> io::Result<(u64, u64)> {
    path.symlink_metadata().or_else(|_| path.metadata()).map(|it| (it.dev(), it.ino()))
}

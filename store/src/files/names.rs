//! Where each file is.

use std::{
    io,
    path::{Path, PathBuf},
};

use ostler_job::{JobId, durable::AttemptKey};

use super::owner::Owner;

/// Folders that logs are spread over, because a folder of millions of files is slow.
const SPREAD: u64 = 1000;

/// The path of a payload. What is no SHA-256 in lower-case hex is no payload, so that no name leads elsewhere.
pub(super) fn payload(folder: &Path, sha256: &str) -> io::Result<PathBuf> {
    if !is_sha256(sha256) {
        let what = "a payload is named by 64 lower-case hexadecimal digits";
        return Err(io::Error::new(io::ErrorKind::NotFound, what));
    }
    Ok(folder.join("payload").join(&sha256[..2]).join(sha256))
}

pub(super) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'))
}

pub(super) fn logs(folder: &Path, job: JobId) -> PathBuf {
    folder.join("log").join((job.0 % SPREAD).to_string())
}

/// The path of a log, with whose it is unless that is nobody's in particular.
pub(super) fn log(folder: &Path, key: AttemptKey, owner: Owner) -> PathBuf {
    logs(folder, key.job).join(match owner.suffix() {
        Some(owner) => format!("{key}.{owner}"),
        None => key.to_string(),
    })
}

/// Whose log a file is.
pub(super) fn owner_of_log(name: &str) -> Option<Owner> {
    let mut parts = name.split('.').skip(3);
    parts.next().map_or_else(|| Some(Owner::default()), Owner::read)
}

/// Which job's log a file is.
pub(super) fn job_of_log(name: &str) -> Option<JobId> {
    name.split_once('.')?.0.parse().ok().map(JobId)
}

/// Makes the folder of a file, so that it is there after a crash.
pub(super) fn make_parent(path: &Path) -> io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    private_folder(folder)?;
    sync(folder.parent().unwrap_or(folder))
}

/// A folder that nobody else sees into. What was put right there needs no word: the folder around it was closed.
pub(super) fn private_folder(path: &Path) -> io::Result<()> {
    ostler_private::folder(path).map(drop)
}

/// Names in a folder are on the disk when the folder is.
pub(super) fn sync(folder: &Path) -> io::Result<()> {
    ostler_private::sync(folder)
}

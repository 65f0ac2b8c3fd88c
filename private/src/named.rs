//! Errors that say which file they are about, and what helps.

use std::{
    fs::{self, File, ReadDir},
    io::{self, ErrorKind, Read as _},
    path::{Path, PathBuf},
};

use nix::libc::ELOOP;

use crate::not_plain;

/// An error of the system with what it does not say.
#[derive(Debug, thiserror::Error)]
#[error("{}: {error}; {}", path.display(), cure(error))]
struct Named {
    path: PathBuf,
    #[source]
    error: io::Error,
}

/// Puts the file, and what helps, into an error of the system, which says neither. What was said in words stays as it is.
pub fn named(path: &Path) -> impl Fn(io::Error) -> io::Error + Copy + '_ {
    move |error| match error.get_ref() {
        Some(_) => error,
        None => io::Error::new(error.kind(), Named { path: path.to_owned(), error }),
    }
}

/// What a person can do about an error of the system.
pub fn cure(error: &io::Error) -> &'static str {
    if error.raw_os_error() == Some(ELOOP) {
        return "a symbolic link is in its place, which is not followed; move it away";
    }
    let found = CURES.iter().find(|(kinds, _)| kinds.contains(&error.kind()));
    found.map_or("look at the disk and the system's log", |(_, cure)| cure)
}

const CURES: &[(&[ErrorKind], &str)] = &[
    (
        &[ErrorKind::PermissionDenied],
        "give it back to the user that Ostler runs as, who must be able to read and write it (chown, chmod u+rwX)",
    ),
    (&[ErrorKind::IsADirectory], "a folder is in the place of a file; move it away"),
    (
        &[ErrorKind::NotADirectory, ErrorKind::AlreadyExists],
        "something else is in that place already; move it away",
    ),
    (&[ErrorKind::NotFound], "put it back"),
    (&[ErrorKind::StorageFull, ErrorKind::QuotaExceeded], "make room there"),
    (&[ErrorKind::FileTooLarge], "let Ostler write longer files (ulimit -f, LimitFSIZE=)"),
    (&[ErrorKind::ReadOnlyFilesystem], "let its file system be written"),
    (&[ErrorKind::InvalidData], "it is damaged; move it away, or put a backup in its place"),
];

/// Opens a file of ours for reading, or what a link leads to. A pipe is waited for without end, and a device may have no end of bytes: such
/// is not opened.
pub fn open(path: &Path) -> io::Result<File> {
    let check = |data: fs::Metadata| match data.file_type() {
        it if it.is_file() => Ok(()),
        it if it.is_dir() => Err(named(path)(ErrorKind::IsADirectory.into())),
        _ => Err(not_plain(path)),
    };
    check(fs::metadata(path).map_err(named(path))?)?;
    let file = File::open(path).map_err(named(path))?;
    check(file.metadata().map_err(named(path))?)?;
    Ok(file)
}

/// All that is in a file of ours.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.read_to_end(&mut bytes).map_err(named(path))?;
    Ok(bytes)
}

/// All the text that is in a file of ours.
pub fn read_to_string(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    open(path)?.read_to_string(&mut text).map_err(named(path))?;
    Ok(text)
}

/// What is in a folder of ours.
pub fn list(path: &Path) -> io::Result<ReadDir> {
    fs::read_dir(path).map_err(named(path))
}

/// Removes a file of ours.
pub fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path).map_err(named(path))
}

/// Gives a file of ours another name.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to).map_err(named(to))
}

/// Waits until a file is on the disk, or, of a folder, the names in it.
pub fn sync(path: &Path) -> io::Result<()> {
    File::open(path).and_then(|it| it.sync_all()).map_err(named(path))
}

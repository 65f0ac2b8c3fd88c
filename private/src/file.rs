//! Files.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use nix::{
    libc::O_NOFOLLOW,
    unistd::{AccessFlags, eaccess},
};

use crate::{OTHERS, foreign, is_shared, named, not_plain, own_uid, remove, rename, shared};

/// A new file; an error when there is anything of that name.
pub fn create_new(path: &Path) -> io::Result<File> {
    checked(path, options().read(true).write(true).create_new(true))
}

/// A file to append to, made when it is not there.
pub fn append(path: &Path) -> io::Result<File> {
    checked(path, options().append(true).create(true))
}

/// A file that begins anew.
pub fn truncated(path: &Path) -> io::Result<File> {
    checked(path, options().read(true).write(true).create(true).truncate(true))
}

/// A file to lock, and to write something into.
pub fn lock(path: &Path) -> io::Result<File> {
    checked(path, options().read(true).write(true).create(true).truncate(false))
}

/// A file to append to that an operator named and may have given to others, or linked, or made a pipe: only a new one is
/// private.
pub fn named_by_operator(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path).map_err(named(path))
}

/// Writes a file whole or not at all, so that it survives a power cut.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_with(path, bytes, None)
}

/// The same of one that others may read. It has that mode before it has its name.
pub fn replace_public(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_with(path, bytes, Some(0o644))
}

fn replace_with(path: &Path, bytes: &[u8], mode: Option<u32>) -> io::Result<()> {
    // Of this call alone; what a dead process of our number left goes.
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Relaxed);
    let part = beside(path, &format!(".{}.{number}.part", std::process::id()));
    match remove(&part) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let written = create_new(&part).and_then(|mut file| {
        let mode = mode.map(Permissions::from_mode);
        mode.map_or(Ok(()), |mode| file.set_permissions(mode)).map_err(named(&part))?;
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(named(&part))?;
        rename(&part, path)
    });
    if written.is_err() {
        // Half of it is of no use to anybody.
        let _ = fs::remove_file(&part);
    }
    written
}

/// Whether a file that is there is a plain one that can be read and written. It is not opened: who closes a file of SQLite's ends
/// the locks that the process has on it.
pub fn look(path: &Path) -> io::Result<()> {
    let Ok(data) = path.symlink_metadata() else { return Ok(()) };
    if !data.is_file() {
        return Err(not_plain(path));
    }
    let can = eaccess(path, AccessFlags::R_OK | AccessFlags::W_OK);
    can.map_err(|errno| named(path)(errno.into()))
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600).custom_flags(O_NOFOLLOW);
    options
}

/// Opens it, and looks at what was opened.
fn checked(path: &Path, options: &OpenOptions) -> io::Result<File> {
    let file = options.open(path).map_err(named(path))?;
    let data = file.metadata().map_err(named(path))?;
    if !data.is_file() {
        return Err(not_plain(path));
    }
    if data.uid() != own_uid() {
        return Err(foreign(path, &data));
    }
    if is_shared(&data) {
        return Err(shared(path));
    }
    if data.mode() & OTHERS != 0 {
        let mode = Permissions::from_mode(data.mode() & 0o700);
        file.set_permissions(mode).map_err(named(path))?;
    }
    Ok(file)
}

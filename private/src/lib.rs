//! Files and folders that are their owner's alone: the one place where Ostler makes any.
//!
//! Whatever is made here has its mode from the first moment, whatever the umask says. Whatever is found is looked at once it is
//! open: one that belongs to somebody else is refused, one of ours that others may read or write is put right unless it has another
//! name, and a symbolic link is not followed unless we, or root, made it. Every error names the file and what helps. `xtask tidy` keeps the crates that write from making files in another way.
//!
//! It deliberately lacks what any of the files means. It is separate so that all crates that write share it, and no other way is needed.
#![warn(missing_docs)]
#![forbid(unsafe_code)]

mod file;
mod folder;
mod named;
mod umask;

pub use file::{
    append, create_new, lock, look, named_by_operator, replace, replace_public, truncated,
};
pub use folder::{folder, public_folder, state_folder};
pub use named::{cure, list, named, open, read, read_to_string, remove, rename, sync};
pub use umask::close_umask;

use std::{
    fs::{self, Metadata},
    io,
    os::unix::{fs::MetadataExt as _, net::UnixListener},
    path::Path,
};

use nix::unistd::{Uid, User, geteuid};

/// Group and others.
const OTHERS: u32 = 0o077;
/// What lets group and others write.
const OTHERS_WRITE: u32 = 0o022;

/// A socket that only its owner can connect to, in the place of one that a dead process left. It has its name only once it has
/// its mode. `aside` is a name beside it that nobody else uses.
pub fn listen(path: &Path, aside: &Path) -> io::Result<UnixListener> {
    match remove(aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(aside).map_err(named(aside))?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(aside, mode).map_err(named(aside))?;
    rename(aside, path)?;
    Ok(listener)
}

/// An owner in words.
fn owner(uid: u32) -> String {
    match User::from_uid(Uid::from_raw(uid)) {
        Ok(Some(user)) => format!("the user {}", user.name),
        Ok(None) | Err(_) => format!("uid {uid}"),
    }
}

/// What is somebody else's. Most often Ostler itself ran as another user once, and what it left is wanted: a log of the store holds
/// jobs.
fn foreign(path: &Path, data: &Metadata) -> io::Error {
    let (own, path, owner) = (own_uid(), path.display(), owner(data.uid()));
    let own =
        User::from_uid(geteuid()).ok().flatten().map_or_else(|| own.to_string(), |user| user.name);
    refused(format!(
        "{path} belongs to {owner}, who could change what is in it; if Ostler ran as that user, give it back: \
         chown -R {own} {path}; if it did not, somebody else put it there: move it away"
    ))
}

fn own_uid() -> u32 {
    geteuid().as_raw()
}

/// Whether a file has another name, by which others may open it: closing the folder keeps nobody away from that.
fn is_shared(data: &Metadata) -> bool {
    data.is_file() && data.nlink() > 1 && data.mode() & OTHERS != 0
}

fn shared(path: &Path) -> io::Error {
    let path = path.display();
    refused(format!(
        "{path} has another name somewhere (a hard link), and others may open it by that; replace it by a copy of its own"
    ))
}

fn not_plain(path: &Path) -> io::Error {
    refused(format!("{} is not a plain file; move it away", path.display()))
}

fn refused(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, what)
}

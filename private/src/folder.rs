//! Folders.

use std::{
    collections::BTreeSet,
    fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions},
    io,
    os::{
        fd::AsRawFd as _,
        unix::fs::{
            DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _,
            PermissionsExt as _,
        },
    },
    path::{Path, PathBuf},
};

use nix::{
    libc::{O_DIRECTORY, O_NOFOLLOW, O_PATH},
    unistd::getegid,
};

use crate::{
    OTHERS, OTHERS_WRITE, foreign, is_shared, list, named, not_plain, own_uid, owner, refused,
    shared,
};

/// The mode of a folder that others may read.
const PUBLIC: u32 = 0o755;

/// A folder that nobody else sees into, made when it is not there. Says what was put right, if anything was.
pub fn folder(path: &Path) -> io::Result<Option<String>> {
    open(path, 0o700, OTHERS).map(|opened| opened.repaired)
}

/// A folder that others may read and not write, whatever the umask says: what is in it is no secret, but is trusted.
pub fn public_folder(path: &Path) -> io::Result<()> {
    let opened = open(path, PUBLIC, OTHERS_WRITE)?;
    let data = fs::metadata(&opened.path).map_err(named(&opened.path))?;
    if data.mode() & PUBLIC != PUBLIC {
        let mode = Permissions::from_mode(PUBLIC);
        fs::set_permissions(&opened.path, mode).map_err(named(&opened.path))?;
    }
    entries(&opened.path, |name, data| match data.mode() & OTHERS_WRITE {
        0 => Ok(()),
        _ if data.is_symlink() => Ok(()),
        _ => set_mode(&opened.path.join(name), data.mode() & PUBLIC),
    })
}

/// A folder that a program of ours lives in: like [`folder`], and nothing on the way to it or in it is somebody else's to change.
pub fn state_folder(path: &Path) -> io::Result<Vec<String>> {
    ancestors(path)?;
    let Opened { path: real, repaired } = open(path, 0o700, OTHERS)?;
    let mut words: Vec<String> = repaired.into_iter().collect();
    entries(&real, |name, data| {
        let kind = data.file_type();
        // Whoever reads it would wait for ever, or get no end of bytes.
        if kind.is_fifo() || kind.is_char_device() || kind.is_block_device() {
            let path = real.join(name);
            let path = path.display();
            return Err(refused(format!("{path} in it is a pipe or a device; move it away")));
        }
        if is_shared(data) {
            return Err(shared(&real.join(name)));
        }
        // Nobody else gets in to read; but who had it open to write would keep it.
        if data.mode() & OTHERS_WRITE != 0 && (data.is_file() || data.is_dir()) {
            let path = real.join(name);
            set_mode(&path, data.mode() & 0o700)?;
            words.push(told(&path, data));
        }
        Ok(())
    })?;
    Ok(words)
}

struct Opened {
    /// Where it really is.
    path: PathBuf,
    repaired: Option<String>,
}

fn open(path: &Path, mode: u32, excess: u32) -> io::Result<Opened> {
    let path = followed(path)?;
    let of_it = named(&path);
    DirBuilder::new().recursive(true).mode(mode).create(&path).map_err(of_it)?;
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(O_DIRECTORY | O_NOFOLLOW);
    let folder = options.open(&path).map_err(of_it)?;
    let data = folder.metadata().map_err(of_it)?;
    if data.uid() != own_uid() {
        return Err(foreign(&path, &data));
    }
    // Somebody may have put something there while it was open to others.
    if data.mode() & OTHERS_WRITE != 0 {
        entries(&path, |_, _| Ok(()))?;
    }
    let repaired = repair(&folder, &path, &data, mode, excess)?;
    Ok(Opened { path, repaired })
}

/// A link of ours, or of root, leads to a folder; one of somebody else leads nowhere.
fn followed(path: &Path) -> io::Result<PathBuf> {
    let Ok(data) = fs::symlink_metadata(path) else { return Ok(path.to_owned()) };
    if !data.is_symlink() {
        return Ok(path.to_owned());
    }
    if !trusted().contains(&data.uid()) {
        let (path, owner) = (path.display(), owner(data.uid()));
        return Err(refused(format!("{path} is a symbolic link of {owner}; move it away")));
    }
    fs::canonicalize(path).map_err(named(path))
}

fn repair(
    folder: &File,
    path: &Path,
    data: &Metadata,
    mode: u32,
    excess: u32,
) -> io::Result<Option<String>> {
    if data.mode() & excess == 0 {
        return Ok(None);
    }
    let mode = Permissions::from_mode(data.mode() & mode);
    folder.set_permissions(mode).map_err(named(path))?;
    Ok(Some(told(path, data)))
}

fn told(path: &Path, data: &Metadata) -> String {
    let (path, mode) = (path.display(), data.mode() & 0o7777);
    let could = if mode & OTHERS_WRITE == 0 { "read" } else { "change" };
    format!(
        "{path} had the mode {mode:04o}, so that others could {could} what is in it; that is mended"
    )
}

/// The mode of a file or a folder, and of nothing else: what has its place by now, a link or a device such as `/dev/null`, stays as it is.
fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    let mut options = OpenOptions::new();
    // It may be one that its owner cannot read.
    options.read(true).custom_flags(O_NOFOLLOW | O_PATH);
    let opened = options.open(path).map_err(named(path))?;
    let data = opened.metadata().map_err(named(path))?;
    if !data.is_file() && !data.is_dir() {
        return Err(not_plain(path));
    }
    let opened = format!("/proc/self/fd/{}", opened.as_raw_fd());
    fs::set_permissions(opened, Permissions::from_mode(mode)).map_err(named(path))
}

/// Looks at everything in a folder; one thing that is not ours is refused.
fn entries(
    path: &Path,
    mut look: impl FnMut(&std::ffi::OsStr, &Metadata) -> io::Result<()>,
) -> io::Result<()> {
    for entry in list(path)? {
        let entry = entry.map_err(named(path))?;
        // What has just gone concerns nobody.
        let Ok(data) = entry.metadata() else { continue };
        if data.uid() != own_uid() {
            return Err(foreign(&entry.path(), &data));
        }
        look(&entry.file_name(), &data)?;
    }
    Ok(())
}

/// Whoever may change a folder on the way can put another one in the place of ours.
fn ancestors(path: &Path) -> io::Result<()> {
    const STICKY: u32 = 0o1000;
    // Before anything is made: there may be a link of theirs on the way.
    let path = std::path::absolute(path).map_err(named(path))?;
    let there = path.ancestors().skip(1).find(|it| it.exists()).unwrap_or_else(|| Path::new("/"));
    let to_name = fs::canonicalize(there).map_err(named(there))?;
    let real = followed(&path)?;
    let trusted = trusted();
    for folder in to_name.ancestors().chain(real.ancestors().skip(1)) {
        if !folder.exists() {
            continue;
        }
        let data = fs::metadata(folder).map_err(named(folder))?;
        if !trusted.contains(&data.uid()) {
            return Err(refused(format!(
                "{} on the way to it belongs to {}, who could put another in its place",
                folder.display(),
                owner(data.uid())
            )));
        }
        let own_group = data.gid() == getegid().as_raw() || data.gid() == 0;
        let open = data.mode() & if own_group { 0o002 } else { OTHERS_WRITE };
        if open != 0 && data.mode() & STICKY == 0 {
            return Err(refused(format!(
                "others may write {} on the way to it, and put another in its place; chmod go-w it",
                folder.display()
            )));
        }
    }
    Ok(())
}

/// Those who can do as they like anyway. Where root is somebody of another name space, `/` is still root's.
fn trusted() -> BTreeSet<u32> {
    let root = fs::metadata("/").map_or(0, |data| data.uid());
    [0, root, own_uid()].into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mode_is_that_of_a_file_which_nobody_can_read_and_of_none_behind_a_link() {
        let around = tempfile::tempdir().expect("there is room");
        let (file, link) = (around.path().join("file"), around.path().join("link"));
        fs::write(&file, "").expect("there is room");
        let mode = || fs::metadata(&file).expect("it is there").mode() & 0o777;
        set_mode(&file, 0o222).expect("it is ours");
        set_mode(&file, 0o600).expect("it is ours, though nobody can read it");
        std::os::unix::fs::symlink(&file, &link).expect("there is room");
        assert!(set_mode(&link, 0o666).is_err());
        assert_eq!(mode(), 0o600, "what a link leads to stays as it is");
    }
}

//! Takes lines out of a crontab by making comments of them, so that cron does not run what Ostler does.

use std::{
    collections::BTreeSet,
    fs::{self, Metadata},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown},
    path::Path,
};

use nix::unistd::{AccessFlags, access, geteuid};

use crate::values::quoted;

/// What a line begins with that was taken out.
const OUT: &str = "#ostler# ";
/// What the line begins with that says so.
const SAYS: &str = "#ostler: ";

/// Whether a comment is one of those that are written here, without its `#`.
pub(super) fn is_ours(comment: &str) -> bool {
    [OUT, SAYS].iter().any(|it| comment.starts_with(it[1..].trim_end()))
}

/// Whether a file can be changed by whoever this is, before anything is done.
pub(crate) fn may(path: &Path) -> Result<(), String> {
    let told = |why: String| {
        format!("{}: {why}; leave out --disable, or ask somebody who may", path.display())
    };
    let metadata = fs::metadata(path).map_err(|error| told(error.to_string()))?;
    if !metadata.is_file() {
        return Err(told("it is not a plain file".to_owned()));
    }
    let me = geteuid();
    if !me.is_root() && metadata.uid() != me.as_raw() {
        return Err(told("it is another user's file".to_owned()));
    }
    let folder = path.parent().unwrap_or_else(|| Path::new("/"));
    access(folder, AccessFlags::W_OK | AccessFlags::X_OK)
        .map_err(|error| told(format!("{} cannot be written: {}", folder.display(), error.desc())))
}

/// Makes comments of these lines, from 1. The file is replaced whole, with its mode and owner; nothing is done when it is not what was
/// read. How many lines were taken out.
pub(crate) fn lines(path: &Path, was: &str, lines: &BTreeSet<usize>) -> Result<usize, String> {
    let told = |why: &dyn std::fmt::Display| format!("{} is as it was: {why}", path.display());
    // A device would be replaced by a file.
    if !fs::metadata(path).map_err(|error| told(&error))?.is_file() {
        return Err(told(&"it is not a plain file"));
    }
    let bytes = fs::read(path).map_err(|error| told(&error))?;
    if String::from_utf8_lossy(&bytes) != was {
        return Err(told(&"it was changed since it was read; do it again"));
    }
    let changed = commented(&bytes, lines, path);
    replace(path, &changed).map_err(|error| told(&error))?;
    Ok(lines.len())
}

fn commented(bytes: &[u8], out: &BTreeSet<usize>, path: &Path) -> Vec<u8> {
    let says = format!(
        "{SAYS}the lines that begin with {:?} are schedules of Ostler, see ostler schedule list; to take them back, delete those, and sed -i -e 's/^{OUT}//' -e '/^{SAYS}/d' {}\n",
        OUT.trim_end(),
        quoted(&path.to_string_lossy()),
    );
    let mut is_said = bytes.split(|it| *it == b'\n').any(|it| it.starts_with(SAYS.as_bytes()));
    let mut changed = Vec::with_capacity(bytes.len() + says.len());
    for (number, line) in (1..).zip(bytes.split_inclusive(|it| *it == b'\n')) {
        if out.contains(&number) {
            if !std::mem::replace(&mut is_said, true) {
                changed.extend_from_slice(says.as_bytes());
            }
            changed.extend_from_slice(OUT.as_bytes());
        }
        changed.extend_from_slice(line);
    }
    changed
}

/// Beside it first, where cron reads nothing, then in its place.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let metadata = fs::metadata(path)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let aside = path.with_file_name(format!(".{name}.ostler-{}", std::process::id()));
    write(&aside, bytes, &metadata)
        .and_then(|()| fs::rename(&aside, path))
        .inspect_err(|_| drop(fs::remove_file(&aside)))?;
    // The name is new in the folder as well.
    ostler_private::sync(path.parent().unwrap_or_else(|| Path::new("/")))
}

fn write(aside: &Path, bytes: &[u8], like: &Metadata) -> io::Result<()> {
    let mut file = ostler_private::create_new(aside)?;
    fchown(&file, Some(like.uid()), Some(like.gid()))?;
    file.set_permissions(fs::Permissions::from_mode(like.mode() & 0o7777))?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_taken_out_and_put_back_by_what_the_file_says() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ro'ot");
        let was = "# Nightly\n0 3 * * * a\r\n\n0 4 * * * b\n0 5 * * * c";
        fs::write(&path, was).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(lines(&path, was, &BTreeSet::from([2, 5])), Ok(2));
        let is = fs::read_to_string(&path).unwrap();
        let shown: Vec<&str> = is.lines().filter(|it| !it.starts_with(SAYS)).collect();
        assert_eq!(
            shown,
            ["# Nightly", "#ostler# 0 3 * * * a", "", "0 4 * * * b", "#ostler# 0 5 * * * c"]
        );
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o640);
        assert_eq!(lines(&path, &is, &BTreeSet::from([5])), Ok(1));
        let is = fs::read_to_string(&path).unwrap();
        assert_eq!(
            is.matches(SAYS).count(),
            2,
            "it is said once, with the words that take it back: {is}"
        );
        let command =
            is.lines().find_map(|it| it.split_once(", and ").filter(|_| it.starts_with(SAYS)));
        let ended = std::process::Command::new("sh").args(["-c", command.unwrap().1]).status();
        assert!(ended.unwrap().success());
        assert_eq!(fs::read_to_string(&path).unwrap(), was);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn what_is_no_plain_file_is_never_replaced() {
        let wrong = may(Path::new("/dev/null")).unwrap_err();
        assert!(wrong.starts_with("/dev/null: it is not a plain file; "), "{wrong}");
        let folder = tempfile::tempdir().unwrap();
        let wrong = lines(folder.path(), "", &BTreeSet::from([1])).unwrap_err();
        assert!(wrong.ends_with(" is as it was: it is not a plain file"), "{wrong}");
    }

    #[test]
    fn a_file_that_was_changed_meanwhile_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("root");
        fs::write(&path, "0 3 * * * new\n").unwrap();
        let wrong = lines(&path, "0 3 * * * old\n", &BTreeSet::from([1])).unwrap_err();
        assert!(wrong.ends_with("it was changed since it was read; do it again"), "{wrong}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "0 3 * * * new\n");
    }
}

//! Every error names the file, and what helps.

use std::{
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use ostler_private::{
    append, create_new, folder, list, listen, lock, look, named, named_by_operator, open,
    public_folder, read, read_to_string, remove, rename, replace, state_folder, sync, truncated,
};

type Way = (&'static str, fn(&Path) -> io::Result<()>);

/// Each way to do something to a file.
const FILES: [Way; 11] = [
    ("create_new", |path| create_new(path).map(drop)),
    ("append", |path| append(path).map(drop)),
    ("truncated", |path| truncated(path).map(drop)),
    ("lock", |path| lock(path).map(drop)),
    ("look", look),
    ("named_by_operator", |path| named_by_operator(path).map(drop)),
    ("replace", |path| replace(path, b"x")),
    ("listen", |path| listen(path, &path.with_extension("aside")).map(drop)),
    ("read", |path| read(path).map(drop)),
    ("read_to_string", |path| read_to_string(path).map(drop)),
    ("remove", remove),
];

/// Each way to do something to a folder.
const FOLDERS: [Way; 5] = [
    ("folder", |path| folder(path).map(drop)),
    ("public_folder", public_folder),
    ("state_folder", |path| state_folder(path).map(drop)),
    ("list", |path| list(path).map(drop)),
    ("below", |path| append(&path.join("below")).map(drop)),
];

fn assert_named(way: &str, path: &Path, done: io::Result<()>) {
    let error = done.expect_err(way).to_string();
    let (_, after) = error.split_once(path.to_str().expect("it is text")).expect(&error);
    assert!(after.contains("move it away"), "{way}: {error}");
}

fn place(name: &str) -> (tempfile::TempDir, PathBuf) {
    let around = tempfile::tempdir().expect("a temporary folder can be made");
    let path = around.path().join(name);
    (around, path)
}

#[test]
fn a_folder_in_the_place_of_a_file_is_named() {
    for (way, of) in FILES {
        let (_around, path) = place("it");
        fs::create_dir(&path).expect("there is room");
        fs::write(path.join("below"), "").expect("there is room");
        assert_named(way, &path, of(&path));
    }
}

#[test]
fn a_file_in_the_place_of_a_folder_is_named() {
    for (way, of) in FOLDERS {
        let (_around, path) = place("it");
        fs::write(&path, "").expect("there is room");
        assert_named(way, &path, of(&path));
    }
}

#[test]
fn what_has_no_end_of_bytes_is_not_read() {
    let (around, path) = place("it");
    let pipe = around.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).expect("there is room");
    for to in [Path::new("/dev/full"), Path::new("/dev/zero"), &pipe] {
        symlink(to, &path).expect("there is room");
        for (way, of) in &FILES[8..10] {
            assert_named(way, &path, of(&path));
        }
        assert_named("open", &path, open(&path).map(drop));
        fs::remove_file(&path).expect("it is there");
    }
    // A link to a file is as good as that.
    fs::write(around.path().join("file"), "text").expect("there is room");
    symlink(around.path().join("file"), &path).expect("there is room");
    assert_eq!(read_to_string(&path).expect("it is read"), "text");
}

#[test]
fn a_link_that_is_not_followed_is_named() {
    for (way, of) in &FILES[1..5] {
        let (around, path) = place("it");
        symlink(around.path().join("nowhere"), &path).expect("there is room");
        assert_named(way, &path, of(&path));
    }
}

#[test]
fn what_is_not_there_is_named_and_known_as_such() {
    let (_around, path) = place("it");
    let (from, to) = (path.clone(), path.with_extension("new"));
    let ways: [(&str, io::Result<()>); 5] = [
        ("open", open(&path).map(drop)),
        ("read", read(&path).map(drop)),
        ("list", list(&path).map(drop)),
        ("remove", remove(&path)),
        ("sync", sync(&path)),
    ];
    for (way, done) in ways {
        let error = done.expect_err(way);
        assert_eq!(error.kind(), io::ErrorKind::NotFound, "{way}");
        assert!(error.to_string().contains(path.to_str().expect("it is text")), "{way}: {error}");
    }
    assert!(rename(&from, &to).is_err());
}

#[test]
fn what_the_system_says_is_kept_and_has_what_helps() {
    let path = Path::new("/state/file");
    for (errno, kind, cure) in [
        (system_error(28), io::ErrorKind::StorageFull, "make room"),
        (system_error(122), io::ErrorKind::QuotaExceeded, "make room"),
        (system_error(27), io::ErrorKind::FileTooLarge, "ulimit -f"),
        (system_error(13), io::ErrorKind::PermissionDenied, "chown"),
        (system_error(30), io::ErrorKind::ReadOnlyFilesystem, "be written"),
        (system_error(5), system_error(5).kind(), "system's log"),
    ] {
        let said = errno.to_string();
        let error = named(path)(errno);
        assert_eq!(error.kind(), kind);
        let text = error.to_string();
        assert!(
            text.starts_with(&format!("/state/file: {said}; ")) && text.contains(cure),
            "{text}"
        );
        // Named once, however many hands it goes through.
        assert_eq!(named(Path::new("/other"))(error).to_string(), text);
    }
}

fn system_error(errno: i32) -> io::Error {
    io::Error::from_raw_os_error(errno)
}

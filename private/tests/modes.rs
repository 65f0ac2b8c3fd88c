//! What is made is private, whatever the umask; what is found is looked at.

use std::{
    fs::{self, Permissions},
    io::{ErrorKind, Write as _},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink},
    path::{Path, PathBuf},
};

use nix::unistd::geteuid;
use ostler_private::{
    append, create_new, folder, listen, lock, named_by_operator, public_folder, replace,
    replace_public, state_folder, truncated,
};

/// Somebody who is neither root nor us.
const STRANGER: u32 = 65_534;

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).expect("it is there").mode() & 0o7777
}

fn set(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
}

/// Refused, with both the thing and its owner named.
fn assert_refused<T>(done: std::io::Result<T>, thing: &Path) {
    let error = done.map(drop).expect_err("it is refused");
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    assert!(error.to_string().contains(&*thing.to_string_lossy()), "{error}");
}

/// Only root can make something somebody else's.
fn stranger_owns(path: &Path) -> bool {
    geteuid().is_root() && std::os::unix::fs::lchown(path, Some(STRANGER), None).is_ok()
}

#[test]
fn everything_made_is_private_from_the_first_moment() {
    nix::sys::stat::umask(nix::sys::stat::Mode::empty());
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name);
    type Make = fn(&Path) -> std::io::Result<()>;
    let makers: [(&str, Make); 6] = [
        ("new", |path| create_new(path).map(drop)),
        ("append", |path| append(path).map(drop)),
        ("lock", |path| lock(path).map(drop)),
        ("truncated", |path| truncated(path).map(drop)),
        ("replace", |path| replace(path, b"x")),
        ("named", |path| named_by_operator(path).map(drop)),
    ];
    for (name, make) in makers {
        make(&at(name)).unwrap();
        assert_eq!(mode(&at(name)), 0o600, "{name}");
    }
    folder(&at("a/b/c")).unwrap();
    for made in ["a", "a/b", "a/b/c"] {
        assert_eq!(mode(&at(made)), 0o700, "{made}");
    }
    public_folder(&at("p")).unwrap();
    assert_eq!(mode(&at("p")), 0o755);
    // As a closed umask leaves it.
    set(&at("p"), 0o700);
    public_folder(&at("p")).unwrap();
    assert_eq!(mode(&at("p")), 0o755);
    let _listener = listen(&at("sock"), &at("aside")).unwrap();
    assert_eq!(mode(&at("sock")), 0o600);
    let again = listen(&at("sock"), &at("aside")).unwrap();
    std::os::unix::net::UnixStream::connect(at("sock")).unwrap();
    again.accept().unwrap();
}

#[test]
fn what_is_ours_and_open_is_put_right_with_a_word() {
    let home = tempfile::tempdir().unwrap();
    let state = home.path().join("state");
    fs::create_dir(&state).unwrap();
    fs::write(state.join("ca.key"), "k").unwrap();
    for open in [0o755, 0o750, 0o701, 0o777, 0o1777] {
        set(&state, open);
        set(&state.join("ca.key"), 0o666);
        let words = state_folder(&state).unwrap();
        assert_eq!((mode(&state) & 0o777, mode(&state.join("ca.key"))), (0o700, 0o600), "{open:o}");
        assert_eq!(words.len(), 2, "{words:?}");
        assert!(words[0].contains(&format!("{open:04o}")), "{words:?}");
        assert!(state_folder(&state).unwrap().is_empty(), "it is told once");
    }
    set(&state.join("ca.key"), 0o644);
    append(&state.join("ca.key")).unwrap();
    assert_eq!(mode(&state.join("ca.key")), 0o600);
}

#[test]
fn a_symbolic_link_to_a_file_is_not_followed() {
    let home = tempfile::tempdir().unwrap();
    let (link, target) = (home.path().join("link"), home.path().join("target"));
    fs::write(&target, "precious").unwrap();
    symlink(&target, &link).unwrap();
    assert!(append(&link).is_err());
    assert!(truncated(&link).is_err());
    assert!(lock(&link).is_err());
    assert!(create_new(&link).is_err());
    // Its place is taken; what it pointed to stays.
    replace(&link, b"new").unwrap();
    assert_eq!(fs::read(&target).unwrap(), b"precious");
    assert_eq!(fs::read(&link).unwrap(), b"new");
}

#[test]
fn a_link_of_ours_to_a_folder_is_followed_and_the_folder_is_looked_at() {
    let home = tempfile::tempdir().unwrap();
    let (link, target) = (home.path().join("link"), home.path().join("target"));
    fs::create_dir(&target).unwrap();
    set(&target, 0o755);
    symlink(&target, &link).unwrap();
    assert_eq!(state_folder(&link).unwrap().len(), 1);
    assert_eq!(mode(&target), 0o700);
    if stranger_owns(&link) {
        assert_refused(state_folder(&link), &link);
    }
}

#[test]
fn a_file_where_a_folder_should_be_is_an_error() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("file");
    fs::File::create(&file).unwrap().write_all(b"x").unwrap();
    assert!(folder(&file).is_err());
    assert!(state_folder(&file).is_err());
    assert!(append(home.path()).is_err());
}

#[test]
fn what_belongs_to_somebody_else_is_refused() {
    if !geteuid().is_root() {
        // Root's folder is somebody else's to us.
        return assert_refused(state_folder(Path::new("/usr")), Path::new("/usr"));
    }
    let home = tempfile::tempdir().unwrap();
    let theirs: PathBuf = home.path().join("theirs");
    for open in [0o700, 0o755, 0o777] {
        fs::create_dir_all(&theirs).unwrap();
        set(&theirs, open);
        chown(&theirs, Some(STRANGER), None).unwrap();
        for made in
            [folder(&theirs).map(drop), public_folder(&theirs), state_folder(&theirs).map(drop)]
        {
            assert_refused(made, &theirs);
        }
        // Nor is one of ours below it, whose place they can take.
        assert_refused(state_folder(&theirs.join("ours")), &theirs);
        assert_eq!(mode(&theirs), open, "it is left as it was");
        fs::remove_dir_all(&theirs).unwrap();
    }
    let ours = home.path().join("ours");
    folder(&ours).unwrap();
    fs::write(ours.join("ca.pem"), "x").unwrap();
    chown(ours.join("ca.pem"), Some(STRANGER), None).unwrap();
    assert_refused(state_folder(&ours), &ours.join("ca.pem"));
    assert_refused(append(&ours.join("ca.pem")), &ours.join("ca.pem"));
    // A log that is moved away takes jobs with it.
    let told = state_folder(&ours).map(drop).expect_err("it is refused").to_string();
    let (cure, other) = told.split_once("chown -R root").expect(&told);
    assert!(cure.ends_with("if Ostler ran as that user, give it back: "), "{told}");
    assert!(other.contains("if it did not") && other.ends_with("move it away"), "{told}");
    set(&ours, 0o777);
    assert_refused(folder(&ours), &ours.join("ca.pem"));
}

#[test]
fn a_way_that_others_may_write_is_refused_unless_it_is_sticky() {
    let home = tempfile::tempdir().unwrap();
    let state = home.path().join("state");
    set(home.path(), 0o777);
    assert_refused(state_folder(&state), home.path());
    set(home.path(), 0o1777);
    state_folder(&state).unwrap();
    set(home.path(), 0o755);
    state_folder(&state).unwrap();
}

#[test]
fn what_has_no_end_of_bytes_is_refused_in_the_place_of_a_file() {
    let home = tempfile::tempdir().unwrap();
    let state = home.path().join("state");
    state_folder(&state).unwrap();
    let pipe = state.join("ca.key");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_refused(state_folder(&state), &pipe);
    fs::remove_file(&pipe).unwrap();
    state_folder(&state).unwrap();
}

#[test]
fn the_mode_of_what_is_no_file_stays_as_it_is() {
    let around = tempfile::tempdir().expect("there is room");
    let pipe = around.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::empty()).expect("there is room");
    set(&pipe, 0o666);
    assert_refused(public_folder(around.path()), &pipe);
    assert_eq!(mode(&pipe), 0o666);
}

#[test]
fn what_others_may_read_has_that_mode_whatever_the_umask() {
    let around = tempfile::tempdir().expect("there is room");
    let path = around.path().join("code");
    for text in ["one", "two"] {
        replace_public(&path, text.as_bytes()).expect("there is room");
        assert_eq!(
            (mode(&path), fs::read_to_string(&path).expect("it is ours").as_str()),
            (0o644, text)
        );
    }
}

/// Whoever has it by its other name reads and writes it, however closed the folder is.
#[test]
fn a_file_with_another_name_that_others_can_open_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let state = home.path().join("state");
    folder(&state).unwrap();
    let (file, other) = (state.join("api.token"), home.path().join("other"));
    fs::write(&other, "secret").unwrap();
    fs::hard_link(&other, &file).unwrap();
    for open in [0o644, 0o660, 0o602] {
        set(&other, open);
        assert_refused(append(&file), &file);
        assert_refused(lock(&file), &file);
        assert_refused(state_folder(&state), &file);
        assert_eq!(mode(&other), open, "it is not touched");
    }
    // A backup by hard links, of what nobody else can open.
    set(&other, 0o600);
    append(&file).unwrap();
    state_folder(&state).unwrap();
    // What is put in its place is a file of its own.
    set(&other, 0o644);
    replace(&file, b"new").unwrap();
    state_folder(&state).unwrap();
    assert_eq!((fs::read_to_string(&other).unwrap(), mode(&file)), ("secret".into(), 0o600));
}

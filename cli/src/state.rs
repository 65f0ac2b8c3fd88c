//! The state folder: where it is, that only its owner sees it, and that one program uses it at a time.

use std::{
    env,
    fs::File,
    io::{self, ErrorKind, Read as _, Seek as _},
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
    unistd::{Pid, Uid, User, geteuid},
};

use crate::{failure::Failure, terminal::note};

/// What the address of a Unix socket can hold, with its final NUL.
const SOCKET_PATH_MAX: usize = 107;

/// How long a process that was killed may take to end.
const ENDING: Duration = Duration::from_secs(2);
/// Between two looks at a lock.
const LOOK: Duration = Duration::from_millis(50);

/// An open state folder.
#[derive(Clone, Debug)]
pub(crate) struct State {
    folder: PathBuf,
}

impl State {
    /// The folder that was asked for, or the default; made when it is not there.
    pub(crate) fn open(asked: Option<&Path>) -> Result<Self, Failure> {
        // Whoever opens it writes into it, by libraries too.
        ostler_private::close_umask();
        let state = Self { folder: locate(asked)? };
        let made = ostler_private::state_folder(&state.folder).and_then(|mut words| {
            words.extend(ostler_private::folder(&state.run(""))?);
            Ok(words)
        });
        let mended = made.map_err(|error| {
            let folder = state.folder.display();
            let cure = match user_of(&state.folder) {
                Some(user) => format!("or do it as its user: sudo -u {user} ostler …; or choose"),
                None => "or choose".to_owned(),
            };
            Failure::unavailable(format!(
                "cannot use the state folder {folder}: {error}; {cure} another with --state"
            ))
        })?;
        mended.iter().for_each(|word| note(word));
        if state.socket().as_os_str().len() > SOCKET_PATH_MAX {
            return Err(Failure::unavailable(format!(
                "the state folder's path is too long for a Unix socket in it: {}; choose a \
                 shorter one with --state",
                state.folder.display()
            )));
        }
        Ok(state)
    }

    /// The folder itself.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A file that only has a meaning while something runs.
    pub(crate) fn run(&self, name: &str) -> PathBuf {
        self.folder.join("run").join(name)
    }

    /// Where the local runner finds the gateway.
    pub(crate) fn socket(&self) -> PathBuf {
        self.run("gateway.sock")
    }

    /// Takes a lock and writes our process id into it; held until the value is dropped.
    pub(crate) fn lock(&self, name: &str) -> Result<Lock, Held> {
        self.lock_as(name, "")
    }

    /// The same, with a word that says what we are. A large process that was killed holds its locks until its memory is
    /// given back, so that whoever is killed and started again waits for himself a little.
    pub(crate) fn lock_as(&self, name: &str, role: &str) -> Result<Lock, Held> {
        let begun = Instant::now();
        loop {
            match self.try_lock(name, role) {
                Err(Held::By(_)) if begun.elapsed() < ENDING => thread::sleep(LOOK),
                taken => return taken,
            }
        }
    }

    fn try_lock(&self, name: &str, role: &str) -> Result<Lock, Held> {
        let path = self.run(name);
        let file = ostler_private::lock(&path).map_err(Held::Broken)?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(file) => match sign(&file, role) {
                // Who holds it is not told then, and it is held all the same.
                Err(error) if !lacks_room(&error) => {
                    Err(Held::Broken(ostler_private::named(&path)(error)))
                }
                Ok(()) | Err(_) => Ok(Lock { _file: file }),
            },
            Err((file, Errno::EWOULDBLOCK)) => Err(Held::By(holder(file))),
            Err((_, error)) => Err(Held::Broken(ostler_private::named(&path)(error.into()))),
        }
    }

    /// The word of whoever holds a lock, or held it last.
    pub(crate) fn role_of(&self, name: &str) -> Option<String> {
        let text = std::fs::read_to_string(self.run(name)).ok()?;
        text.split_ascii_whitespace().nth(1).map(str::to_owned)
    }

    /// Waits until nobody holds a lock.
    pub(crate) fn wait_for_release(&self, name: &str) -> io::Result<()> {
        let file = File::open(self.run(name))?;
        loop {
            match Flock::lock(file.try_clone()?, FlockArg::LockExclusive) {
                Ok(_) => return Ok(()),
                Err((_, Errno::EINTR)) => {}
                Err((_, error)) => return Err(error.into()),
            }
        }
    }

    /// Writes a file that only the owner can read, whole or not at all.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        ostler_private::replace(&self.run(name), bytes)
    }
}

/// Writes who we are into a lock's file, over what is there: on a disk without room that succeeds.
fn sign(file: &File, role: &str) -> io::Result<()> {
    let signed = format!("{} {role}", std::process::id());
    let signed = signed.trim_end();
    let before = usize::try_from(file.metadata()?.len()).unwrap_or(0).min(64);
    // Padded, so that nobody reads the end of the word before.
    file.write_all_at(format!("{signed:before$}\n").as_bytes(), 0)?;
    file.set_len(signed.len() as u64 + 1)
}

/// Whether something cannot be written for want of room alone.
pub(crate) fn lacks_room(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

/// A lock that this process holds.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: Flock<File>,
}

/// Why a lock was not to be had.
#[derive(Debug)]
pub(crate) enum Held {
    /// Another process holds it, known unless it has written nothing yet.
    By(Option<Pid>),
    /// The file system refuses.
    Broken(io::Error),
}

impl Held {
    /// The sentence for a person.
    pub(crate) fn failure(self, who: &str, state: &State) -> Failure {
        let folder = state.folder.display();
        Failure::unavailable(match self {
            Self::By(pid) => {
                let pid = pid.map_or_else(String::new, |pid| format!(" (pid {pid})"));
                format!(
                    "another {who}{pid} uses the state folder {folder}; stop it or choose \
                     another with --state"
                )
            }
            Self::Broken(error) => format!("cannot lock the state folder {folder}: {error}"),
        })
    }
}

fn holder(mut file: File) -> Option<Pid> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(32).read_to_string(&mut text).ok()?;
    text.split_ascii_whitespace().next()?.parse().ok().filter(|pid| *pid > 1).map(Pid::from_raw)
}

/// Whose folder it is, when root asks for that of somebody else: root's files in it would be in that user's way.
fn user_of(folder: &Path) -> Option<String> {
    let owner = std::fs::metadata(folder).ok()?.uid();
    let user = User::from_uid(Uid::from_raw(owner)).ok()??;
    (geteuid().is_root() && owner != 0).then_some(user.name)
}

/// The folder that was asked for, or the default, whether it is there or not.
pub(crate) fn locate(asked: Option<&Path>) -> Result<PathBuf, Failure> {
    let folder = asked.map(Path::to_path_buf).or_else(default_folder).ok_or_else(|| {
        Failure::unavailable("no folder for the state: set --state DIR, OSTLER_STATE or HOME")
    })?;
    Ok(std::path::absolute(&folder).unwrap_or(folder))
}

fn default_folder() -> Option<PathBuf> {
    let of = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    of("XDG_STATE_HOME")
        .filter(|home| home.is_absolute())
        .or_else(|| of("HOME").map(|home| home.join(".local/state")))
        .map(|home| home.join("ostler"))
        .or_else(|| geteuid().is_root().then(|| PathBuf::from("/var/lib/ostler")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_waited_for_as_long_as_a_killed_process_may_take_to_end() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(Some(folder.path())).unwrap();
        let held = state.lock("lock").unwrap();
        let begun = Instant::now();
        assert!(matches!(state.lock("lock"), Err(Held::By(Some(pid))) if pid == Pid::this()));
        assert!(begun.elapsed() >= ENDING);
        drop(held);
        drop(state.lock("lock").unwrap());
    }

    #[test]
    fn a_locks_word_takes_the_place_of_the_one_before_without_room() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(Some(folder.path())).unwrap();
        for (before, role) in [("1234567 joined\n", ""), ("2 x\n", "joined"), ("", "joined")] {
            std::fs::write(state.run("lock"), before).unwrap();
            let held = state.lock_as("lock", role).unwrap();
            assert!(
                matches!(state.try_lock("lock", ""), Err(Held::By(Some(pid))) if pid == Pid::this())
            );
            assert_eq!(state.role_of("lock").unwrap_or_default(), role);
            drop(held);
        }
    }
}

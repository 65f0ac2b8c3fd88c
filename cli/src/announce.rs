//! Where the running gateway listens, in its state folder, for the other verbs.
//!
//! A disk without room is no reason not to serve the web: what could not be written is written when there is room.

use std::{
    fs, io,
    path::PathBuf,
    sync::mpsc::{self, RecvTimeoutError},
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::{
    failure::Failure,
    state::{State, lacks_room},
    terminal::{note, say},
};

/// The file.
pub(crate) const ADDRESSES: &str = "addresses.json";
/// Between two tries.
const AGAIN: Duration = Duration::from_secs(1);

/// What was said; it is taken back when this is dropped.
#[derive(Debug)]
pub(crate) struct Announcement {
    file: PathBuf,
    later: Option<Later>,
}

/// Tries again until it is told to end.
#[derive(Debug)]
struct Later {
    /// Why not now.
    trouble: String,
    end: mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

impl Announcement {
    /// Says it, now or when there is room.
    pub(crate) fn write(state: &State, text: String) -> Result<Self, Failure> {
        let state = state.clone();
        let file = state.run(ADDRESSES);
        Self::by(file, AGAIN, move || state.write(ADDRESSES, text.as_bytes()))
    }

    fn by(
        file: PathBuf,
        again: Duration,
        write: impl Fn() -> io::Result<()> + Send + 'static,
    ) -> Result<Self, Failure> {
        let cannot = |error: &dyn std::fmt::Display| {
            Failure::unavailable(format!("cannot say where the gateway listens: {error}"))
        };
        let later = match write() {
            Ok(()) => None,
            Err(error) if lacks_room(&error) => {
                Some(Later::start(&error, again, write).map_err(|error| cannot(&error))?)
            }
            Err(error) => return Err(cannot(&error)),
        };
        Ok(Self { file, later })
    }

    /// Says what is not as it should be.
    pub(crate) fn note(&self) {
        if let Some(Later { trouble, .. }) = &self.later {
            note(&format!(
                "until there is room, other verbs need --api to find this gateway: {trouble}"
            ));
        }
    }
}

impl Later {
    fn start(
        trouble: &io::Error,
        again: Duration,
        write: impl Fn() -> io::Result<()> + Send + 'static,
    ) -> io::Result<Self> {
        let (end, ended) = mpsc::channel();
        let thread = thread::Builder::new().name("addresses".to_owned()).spawn(move || {
            while ended.recv_timeout(again) == Err(RecvTimeoutError::Timeout) {
                if write().is_ok() {
                    return say("other verbs find this gateway without --api again");
                }
            }
        })?;
        Ok(Self { trouble: trouble.to_string(), end, thread })
    }
}

impl Drop for Announcement {
    fn drop(&mut self) {
        if let Some(Later { end, thread, .. }) = self.later.take() {
            drop(end);
            // So that nothing is written behind what follows. A thread that panicked has said so.
            let _ = thread.join();
        }
        // Not there is as good as removed.
        let _ = fs::remove_file(&self.file);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::ErrorKind,
        sync::{
            Arc,
            atomic::{AtomicU32, Ordering},
        },
    };

    use super::*;

    /// An announcement that finds room at the third try, or after so many more.
    fn full(more: u32) -> (tempfile::TempDir, Arc<AtomicU32>, Announcement) {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let (file, tries) = (folder.path().join("it"), Arc::new(AtomicU32::new(0)));
        let (to, counted) = (file.clone(), tries.clone());
        let said = Announcement::by(file, Duration::from_millis(1), move || {
            match counted.fetch_add(1, Ordering::Relaxed) {
                n if n < 2 + more => Err(ErrorKind::StorageFull.into()),
                _ => fs::write(&to, "it"),
            }
        });
        (folder, tries, said.expect("it is no reason not to serve"))
    }

    #[test]
    fn what_found_no_room_is_written_when_there_is_some_and_is_gone_at_the_end() {
        let (folder, tries, said) = full(0);
        let file = folder.path().join("it");
        said.later.as_ref().expect("it is tried again");
        while said.later.as_ref().is_some_and(|later| !later.thread.is_finished()) {
            thread::yield_now();
        }
        assert!(file.exists());
        assert_eq!(tries.load(Ordering::Relaxed), 3);
        drop(said);
        assert!(!file.exists());
    }

    #[test]
    fn what_finds_no_room_is_not_tried_behind_the_end() {
        let (_folder, tries, said) = full(u32::MAX / 2);
        drop(said);
        let tried = tries.load(Ordering::Relaxed);
        thread::sleep(Duration::from_millis(5));
        assert_eq!(tries.load(Ordering::Relaxed), tried);
    }

    #[test]
    fn what_cannot_be_written_for_another_reason_is_a_failure() {
        let denied = || Err(ErrorKind::PermissionDenied.into());
        assert!(Announcement::by("it".into(), AGAIN, denied).is_err());
    }
}

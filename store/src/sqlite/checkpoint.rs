//! Copies SQLite's log into the file, from a thread of its own.
//!
//! The bulk is copied while the writer goes on. What it has added meanwhile is little and is copied with the writer held,
//! so that the whole log is home once and the writer begins it anew: that bounds it.

use std::{
    fmt,
    path::Path,
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::Duration,
};

use rusqlite::{Connection, InterruptHandle, OpenFlags};

use super::{fault, open, writer::Writer};
use crate::{Fault, StoreError};

/// How long a log that a reader holds back is left alone.
const PAUSE: Duration = Duration::from_millis(100);
/// Between two interruptions of a copy that is not wanted any more: one that comes between two statements is lost.
const AGAIN: Duration = Duration::from_millis(5);

/// The thread; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Checkpoints {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    /// Pages in the log that make it worth copying.
    enough: u32,
    /// Pages in the log after the last commit.
    pages: AtomicU32,
    ended: Mutex<bool>,
    changed: Condvar,
    /// Ends the copy that is under way.
    interrupt: Mutex<Option<InterruptHandle>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("pages", &self.pages).finish_non_exhaustive()
    }
}

impl Checkpoints {
    pub(super) fn start(
        path: &Path,
        writer: &Arc<Mutex<Writer>>,
        enough: u32,
    ) -> Result<Self, StoreError> {
        let name = path.display().to_string();
        let shared = Arc::new(Shared {
            enough,
            pages: AtomicU32::new(0),
            ended: Mutex::new(false),
            changed: Condvar::new(),
            interrupt: Mutex::default(),
        });
        let told = Arc::clone(&shared);
        let hook = move |_: &mut rusqlite::hooks::Wal, pages| {
            told.tell(u32::try_from(pages).unwrap_or(0));
            Ok(())
        };
        let mut locked = writer.lock().unwrap_or_else(PoisonError::into_inner);
        let hooked = locked.db.wal_hook(Some(hook));
        drop(locked);
        hooked.map_err(|error| fault::from_sql("opening", &name, error))?;
        let (waiting, writer, path) = (Arc::clone(&shared), Arc::clone(writer), path.to_owned());
        let thread = std::thread::Builder::new()
            .name("checkpoint".to_owned())
            .spawn(move || run(&waiting, &writer, &path))
            .map_err(|error| fault::from_io("opening", &name, &error))?;
        Ok(Self { shared, thread: Some(thread) })
    }
}

impl Drop for Checkpoints {
    /// Whoever closes the store waits for one fsync at most: what is not copied yet is, at the next start.
    fn drop(&mut self) {
        *self.shared.ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            while !thread.is_finished() {
                self.shared.interrupt();
                std::thread::sleep(AGAIN);
            }
            // It panicked, and has said so.
            let _panicked = thread.join();
        }
    }
}

impl Shared {
    fn tell(&self, pages: u32) {
        if self.pages.swap(pages, Relaxed) < self.enough && pages >= self.enough {
            // Locked, so that it is not missed between a look at the pages and the wait.
            let _ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
            self.changed.notify_all();
        }
    }

    /// Waits until there is something to copy; false: the store is being closed.
    fn wait(&self) -> bool {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = |ended: &mut bool| !*ended && self.pages.load(Relaxed) < self.enough;
        !*self.changed.wait_while(ended, idle).unwrap_or_else(PoisonError::into_inner)
    }

    fn is_ended(&self) -> bool {
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn interrupt(&self) {
        if let Some(handle) = &*self.interrupt.lock().unwrap_or_else(PoisonError::into_inner) {
            handle.interrupt();
        }
    }

    fn pause(&self) {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.changed.wait_timeout_while(ended, PAUSE, |ended| !*ended));
    }
}

fn run(shared: &Shared, writer: &Mutex<Writer>, path: &Path) {
    let mut own = None;
    while shared.wait() {
        let done = copy(shared, writer, path, &mut own);
        match done {
            Ok(true) => {}
            Ok(false) => shared.pause(),
            Err(_) if shared.is_ended() => return,
            Err(error) => {
                let mut error =
                    fault::from_sql("checkpointing", &path.display().to_string(), error);
                if matches!(error.fault, Fault::Io | Fault::Corrupt) {
                    let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
                    if error.fault == Fault::Io {
                        error.fault = Fault::Unknown;
                    }
                    writer.broken.get_or_insert(error);
                    return;
                }
                // A full disk: commits go on in the log as long as there is room.
                shared.pause();
            }
        }
    }
}

/// Whether the whole log is in the file now.
fn copy(
    shared: &Shared,
    writer: &Mutex<Writer>,
    path: &Path,
    own: &mut Option<Connection>,
) -> rusqlite::Result<bool> {
    let db = match own {
        Some(db) => db,
        None => {
            let db = own.insert(open::reader(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?);
            open::leave_log(db)?;
            let handle = db.get_interrupt_handle();
            *shared.interrupt.lock().unwrap_or_else(PoisonError::into_inner) = Some(handle);
            db
        }
    };
    checkpoint(db)?;
    if shared.is_ended() {
        return Ok(false);
    }
    let held = writer.lock().unwrap_or_else(PoisonError::into_inner);
    let whole = checkpoint(db)?;
    if whole {
        shared.pages.store(0, Relaxed);
    }
    drop(held);
    Ok(whole)
}

fn checkpoint(db: &Connection) -> rusqlite::Result<bool> {
    db.prepare_cached("PRAGMA wal_checkpoint(PASSIVE)")?.query_row([], |row| {
        Ok(row.get::<_, i64>(0)? == 0 && row.get::<_, i64>(1)? == row.get::<_, i64>(2)?)
    })
}

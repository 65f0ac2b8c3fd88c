//! The store of a state folder, and the one reading of it: at the start, and whenever it was of no use meanwhile.

use std::{
    fmt, io,
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, sync_channel},
    },
    thread,
    time::Duration,
};

use ostler_driver::{Driver, DriverConfig};
use ostler_job::durable::{Epoch, Term};
use ostler_machine::{clock, secret};
use ostler_store::{
    Applied, Change, Fault, Files, Loaded, Restored, Sqlite, Store, StoreError, Token, Unfinished,
    io_error,
};

/// The store's file in the state folder.
const STORE: &str = "jobs.db";
/// Where the first token is written.
const FIRST_TOKEN: &str = "api.token";

/// How long a start waits for the store. Most are read in a tenth of that; one with a million jobs that wait, on a slow disk or held by another
/// program takes longer, and the web is served meanwhile.
const START_WAITS: Duration = Duration::from_secs(2);

/// What a reading came to.
pub(super) type Reading = Result<LoadedTerm, StoreError>;

/// Where everything of durable jobs is.
#[derive(Clone)]
pub(super) struct OpenedStore {
    pub(super) store: Arc<dyn Store>,
    pub(super) files: Arc<Files>,
    /// The state folder.
    state: PathBuf,
}

/// What is known from a term's beginning.
pub(super) struct LoadedTerm {
    pub(super) driver: Driver,
    pub(super) term: Term,
    pub(super) loaded: Loaded,
}

impl fmt::Debug for LoadedTerm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadedTerm").field("term", &self.term).finish_non_exhaustive()
    }
}

impl OpenedStore {
    /// The store of a state folder that is the gateway's own.
    pub(super) fn at(state: &Path) -> Self {
        Self::of(Arc::new(Sqlite::at(&state.join(STORE))), state)
    }

    /// Another store with what a state folder has beside it.
    pub(super) fn of(store: Arc<dyn Store>, state: &Path) -> Self {
        Self { store, files: Arc::new(Files::at(state)), state: state.to_owned() }
    }

    /// Reads on a thread of its own, which may take as long as a disk does that answers nothing: nobody else waits for it.
    pub(super) fn read_aside(
        &self,
        config: &DriverConfig,
        before: (u64, u64),
        done: impl FnOnce(Reading) + Send + 'static,
    ) -> io::Result<()> {
        let (kept, config) = (self.clone(), config.clone());
        let read = move || {
            let read = panic::catch_unwind(AssertUnwindSafe(|| kept.read(&config, before)));
            // It has said so on stderr.
            done(read.unwrap_or_else(|_| std::process::abort()));
        };
        thread::Builder::new().name("store".into()).spawn(read).map(drop)
    }

    /// The first reading, as far as a start waits for it; when it takes longer, also where its end is told.
    pub(super) fn read_first(
        &self,
        config: &DriverConfig,
    ) -> io::Result<(Reading, Option<Receiver<Reading>>)> {
        let (tell, told) = sync_channel(1);
        self.read_aside(config, (0, 0), move |read| {
            // A gateway whose start failed wants it no more.
            let _ = tell.send(read);
        })?;
        match told.recv_timeout(START_WAITS) {
            Ok(read) => Ok((read, None)),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                let path = self.state.join(STORE);
                let detail = format!("{} is still being read", path.display());
                Ok((Err(StoreError::new(Fault::Unread, detail)), Some(told)))
            }
        }
    }

    /// Begins a term, with every unfinished job of the store: at the start, and whenever the store was of no use meanwhile.
    /// Before: bytes that the store must take, and the number of the last link of any runner.
    fn read(&self, config: &DriverConfig, (room, newest): (u64, u64)) -> Reading {
        let Self { store, files, state } = self;
        files.prepare()?;
        let now = clock::both();
        let seed = now.wall.0 ^ u64::from(std::process::id()) << 32;
        let term = store.begin(room)?;
        let read = |each: &mut dyn FnMut(Unfinished)| store.load_unfinished(each);
        let kept = (store.queues()?, store.schedules(now.wall)?);
        let (driver, mut loaded) =
            ostler_driver::load(config, &term, (newest, seed), kept, read, now)?;
        if loaded.tokens.is_empty() || (term.went_back && knows_nobody(state, &loaded.tokens)) {
            first_token(state, (store.as_ref(), term.epoch), &mut loaded)?;
        }
        Ok(LoadedTerm { driver, term, loaded })
    }
}

/// Whether the token of the state folder is none of the store's, since the store is another's, or there is no such file: whoever put
/// it there would be locked out. One that was revoked is known.
fn knows_nobody(state: &Path, tokens: &[Token]) -> bool {
    let text = ostler_private::read_to_string(&state.join(FIRST_TOKEN)).unwrap_or_default();
    let hash = secret::sha256_hex(text.trim().as_bytes());
    tokens.iter().all(|token| token.hash != hash)
}

/// A name that no token has or had.
fn first_name(tokens: &[Token]) -> String {
    let names = std::iter::once("first".to_owned()).chain((2..).map(|n| format!("first-{n}")));
    let free = |name: &String| tokens.iter().all(|token| token.name != *name);
    names.into_iter().find(free).unwrap_or_default()
}

/// Whoever may read the state folder may do everything.
fn first_token(
    state: &Path,
    (store, epoch): (&dyn Store, Epoch),
    loaded: &mut Loaded,
) -> Result<(), StoreError> {
    let path = state.join(FIRST_TOKEN);
    let (name, scopes) = (first_name(&loaded.tokens), ["admin".to_owned()].into());
    let (text, token) = ostler_api::new_token(&name, scopes, None, clock::wall_now(), None);
    // The file first: a token that nobody knows would be of no use.
    ostler_private::replace(&path, format!("{text}\n").as_bytes())
        .map_err(|error| io_error("writing", &path, &error))?;
    let applied = store.commit(epoch, &[Change::Token(token.clone())])?;
    debug_assert_eq!(applied, [Applied::Done], "a token is written or the commit fails");
    loaded.tokens.push(token);
    Ok(())
}

/// Puts a copy of the store of durable jobs in its place in a state folder that no gateway uses.
pub fn restore(state: &Path, copy: &Path) -> Result<Restored, StoreError> {
    Sqlite::restore(&state.join(STORE), copy)
}

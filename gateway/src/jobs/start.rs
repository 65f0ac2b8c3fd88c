//! From a state folder to running threads.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, atomic::AtomicU64, mpsc},
    thread,
};

use ostler_driver::{Driver, DriverConfig};
use ostler_job::{
    Span,
    durable::{Epoch, Term},
};
use ostler_machine::{clock, secret};
use ostler_notices::GatewayEvent;
use ostler_store::{
    Applied, Change, Committer, Files, Loaded, Restored, Sqlite, Store, StoreError, Token,
    Unfinished,
};
use tokio::sync::broadcast;

use super::{
    JobMetrics, Jobs, Room, Shared, act::Act, bytes, runners::Runners, tokens::Tokens,
    watches::Watches,
};
use crate::{config::JobsConfig, members::Members};

/// Events that a slow reader may be behind before it reads them from the store.
const EVENTS_KEPT: usize = 4096;
/// The store's file in the state folder.
const STORE: &str = "jobs.db";
/// Where the first token is written.
const FIRST_TOKEN: &str = "api.token";

/// Why durable jobs cannot be served.
#[derive(Debug)]
pub(crate) enum StartFault {
    /// The store cannot be used.
    Store(PathBuf, StoreError),
    /// A file or folder cannot be used.
    File(PathBuf, io::Error),
    /// The system gives no thread.
    Thread(io::Error),
}

impl std::error::Error for StartFault {}

impl fmt::Display for StartFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(path, error) => {
                write!(f, "cannot use {}: {}", path.display(), error.at_start())
            }
            Self::File(path, error) => write!(f, "cannot use {}: {error}", path.display()),
            Self::Thread(error) => write!(f, "cannot start a thread: {error}"),
        }
    }
}

/// An opened store with what it said, before anything runs.
pub(crate) struct Opened {
    store: Arc<dyn Store>,
    files: Files,
    runners: Runners,
    /// Runners of other hosts that may come in.
    pub(crate) members: Arc<Members>,
    driver: Driver,
    term: Term,
    loaded: Loaded,
    config: DriverConfig,
}

impl Opened {
    /// Opens and loads; nothing of it is served yet.
    pub(crate) fn open(state: &Path, config: DriverConfig) -> Result<Self, StartFault> {
        let path = state.join(STORE);
        let store = Sqlite::open(&path).map_err(|e| StartFault::Store(path, e))?;
        let files = Files::open(state).map_err(|e| StartFault::File(state.join("files"), e))?;
        Self::of(Arc::new(store), files, state, config)
    }

    /// The same with a store that is open.
    pub(crate) fn of(
        store: Arc<dyn Store>,
        files: Files,
        state: &Path,
        config: DriverConfig,
    ) -> Result<Self, StartFault> {
        let (driver, term, mut loaded) = load(store.as_ref(), &config, (0, 0))
            .map_err(|error| StartFault::Store(state.join(STORE), error))?;
        if loaded.tokens.is_empty() || (term.went_back && knows_nobody(state, &loaded.tokens)) {
            first_token(state, (store.as_ref(), term.epoch), &mut loaded)?;
        }
        // A clock that is wrong forgets no runner.
        let now = clock::wall_now();
        let runners = Runners::open(
            state,
            loaded.kept_at.map_or(now, |at| now.min(at.after(Span::from_secs(86_400)))),
        );
        let members = Members::open(state)
            .map_err(|error| StartFault::File(state.join("members.json"), error))?;
        let members = Arc::new(members);
        Ok(Self { store, files, runners, members, driver, term, loaded, config })
    }
}

/// Puts a copy of the store of durable jobs in its place in a state folder that no gateway uses.
pub fn restore(state: &Path, copy: &Path) -> Result<Restored, StoreError> {
    Sqlite::restore(&state.join(STORE), copy)
}

/// A driver of a new term, with every unfinished job of the store. Before: bytes that the store must take, and the number
/// of the last link of any runner.
pub(super) fn load(
    store: &dyn Store,
    config: &DriverConfig,
    (room, newest): (u64, u64),
) -> Result<(Driver, Term, Loaded), StoreError> {
    let now = clock::both();
    let seed = now.wall.0 ^ u64::from(std::process::id()) << 32;
    let term = store.begin(room)?;
    let read = |each: &mut dyn FnMut(Unfinished)| store.load_unfinished(each);
    let (driver, loaded) = ostler_driver::load(config, &term, (newest, seed), read, now)?;
    Ok((driver, term, loaded))
}

/// Whoever may read the state folder may do everything.
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

fn first_token(
    state: &Path,
    (store, epoch): (&dyn Store, Epoch),
    loaded: &mut Loaded,
) -> Result<(), StartFault> {
    let path = state.join(FIRST_TOKEN);
    let (name, scopes) = (first_name(&loaded.tokens), ["admin".to_owned()].into());
    let (text, token) = ostler_api::new_token(&name, scopes, None, clock::wall_now(), None);
    // The file first: a token that nobody knows would be of no use.
    ostler_private::replace(&path, format!("{text}\n").as_bytes())
        .map_err(|error| StartFault::File(path, error))?;
    let applied = store
        .commit(epoch, &[Change::Token(token.clone())])
        .map_err(|error| StartFault::Store(state.join(STORE), error))?;
    debug_assert_eq!(applied, [Applied::Done], "a token is written or the commit fails");
    loaded.tokens.push(token);
    Ok(())
}

impl Jobs {
    /// Starts the threads.
    pub(crate) fn start(
        opened: Opened,
        metrics: JobMetrics,
        tell: Arc<dyn Fn(GatewayEvent) + Send + Sync>,
    ) -> Result<Self, StartFault> {
        let Opened { store, files, runners, members, driver, term, loaded, config } = opened;
        let (inbox, told) = mpsc::channel();
        let (mover, mail) = bytes::Mover::new();
        let observed = metrics.clone();
        let committer = Committer::start(store.clone(), move |changes, took| {
            observed.committed(changes, took);
        })
        .map_err(StartFault::Thread)?;
        let files = Arc::new(files);
        let shared = Arc::new(Shared {
            store,
            room: Room::new(files.clone()),
            files,
            metrics,
            kept_at: loaded.kept_at,
            inbox,
            tickets: AtomicU64::new(1),
            runners,
            members,
            tokens: Tokens::new(loaded.tokens),
            refusals: super::refusals::Refusals::default(),
            watches: Watches::default(),
            events: broadcast::Sender::new(EVENTS_KEPT),
            bytes: mover,
            figures: Mutex::default(),
            trouble: Mutex::default(),
            threads: Mutex::default(),
            tell,
        });
        let act = Act::new(shared.clone(), (driver, &term), config, committer);
        let moving = shared.clone();
        let threads = [
            spawn("jobs", move || act.run(&told))?,
            spawn("job bytes", move || bytes::run(moving, mail))?,
        ];
        shared.threads.lock().expect("nobody has the threads yet").extend(threads);
        Ok(Self(shared))
    }
}

fn spawn(
    name: &str,
    run: impl FnOnce() + Send + 'static,
) -> Result<thread::JoinHandle<()>, StartFault> {
    thread::Builder::new().name(name.into()).spawn(run).map_err(StartFault::Thread)
}

impl JobsConfig {
    pub(crate) fn driver(&self) -> DriverConfig {
        DriverConfig { waiting_max: self.waiting_max, ..DriverConfig::default() }
    }

    /// How long succeeded, and other finished, jobs are kept.
    pub(crate) fn keep(&self) -> (Span, Span) {
        (clock::span(self.keep_succeeded), clock::span(self.keep_failed))
    }
}

//! From a state folder to running threads.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, atomic::AtomicU64, mpsc},
    thread,
};

use ostler_driver::{Driver, DriverConfig};
use ostler_job::{
    Span, Wall,
    durable::{Epoch, Term},
};
use ostler_machine::{clock, secret};
use ostler_notices::GatewayEvent;
use ostler_store::{
    Applied, Change, Committer, Files, Loaded, Restored, Sqlite, Store, StoreError, Token,
    Unfinished, io_error,
};
use thiserror::Error;
use tokio::sync::broadcast;

use super::{
    JobMetrics, Jobs, Room, Shared, driver_thread::DriverThread, runners::Runners, tokens::Tokens,
    transfers, watches::Watches,
};
use crate::members::Members;

/// Events that a slow reader may be behind before it reads them from the store.
const EVENTS_KEPT: usize = 4096;
/// The store's file in the state folder.
const STORE: &str = "jobs.db";
/// Where the first token is written.
const FIRST_TOKEN: &str = "api.token";

/// Why a gateway cannot serve durable jobs, now or later. That the store cannot be used now is none.
#[derive(Debug, Error)]
pub enum StartFault {
    /// A file or folder cannot be used.
    #[error("cannot use {path}: {1}", path = .0.display())]
    File(PathBuf, io::Error),
    /// The system gives no thread.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
}

/// The store with what it said, before anything runs.
pub struct Opened {
    kept: OpenedStore,
    runners: Runners,
    /// Runners of other hosts that may come in.
    pub members: Arc<Members>,
    /// Or why there is nothing: it is tried again.
    read: Result<Read, StoreError>,
    config: DriverConfig,
}

/// Where everything of durable jobs is.
#[derive(Clone)]
pub(super) struct OpenedStore {
    pub(super) store: Arc<dyn Store>,
    pub(super) files: Arc<Files>,
    /// The state folder.
    state: PathBuf,
}

/// What is known from a term's beginning.
pub(super) struct Read {
    pub(super) driver: Driver,
    pub(super) term: Term,
    pub(super) loaded: Loaded,
}

impl Opened {
    /// Opens and loads; nothing of it is served yet. A store that cannot be used is tried again once everything runs.
    pub fn open(state: &Path, config: DriverConfig) -> Result<Self, StartFault> {
        Self::of(Arc::new(Sqlite::at(&state.join(STORE))), state, config)
    }

    /// The same with another store.
    pub fn of(
        store: Arc<dyn Store>,
        state: &Path,
        config: DriverConfig,
    ) -> Result<Self, StartFault> {
        let files = Arc::new(Files::at(state));
        let kept = OpenedStore { store, files, state: state.to_owned() };
        let read = kept.read(&config, (0, 0));
        // A clock that is wrong forgets no runner, and nobody is forgotten while nothing is known.
        let now = clock::wall_now();
        let known = read.as_ref().map_or(Some(Wall(0)), |read| read.loaded.kept_at);
        let known = known.map_or(now, |at| now.min(at.after(Span::from_secs(86_400))));
        let runners = Runners::open(state, known);
        let members = Members::open(state)
            .map_err(|error| StartFault::File(state.join("members.json"), error))?;
        Ok(Self { kept, runners, members: Arc::new(members), read, config })
    }
}

/// Puts a copy of the store of durable jobs in its place in a state folder that no gateway uses.
pub fn restore(state: &Path, copy: &Path) -> Result<Restored, StoreError> {
    Sqlite::restore(&state.join(STORE), copy)
}

impl OpenedStore {
    /// Begins a term, with every unfinished job of the store: at the start, and whenever the store was of no use meanwhile.
    /// Before: bytes that the store must take, and the number of the last link of any runner.
    pub(super) fn read(
        &self,
        config: &DriverConfig,
        (room, newest): (u64, u64),
    ) -> Result<Read, StoreError> {
        let Self { store, files, state } = self;
        files.prepare()?;
        let now = clock::both();
        let seed = now.wall.0 ^ u64::from(std::process::id()) << 32;
        let term = store.begin(room)?;
        let read = |each: &mut dyn FnMut(Unfinished)| store.load_unfinished(each);
        let (driver, mut loaded) = ostler_driver::load(config, &term, (newest, seed), read, now)?;
        if loaded.tokens.is_empty() || (term.went_back && knows_nobody(state, &loaded.tokens)) {
            first_token(state, (store.as_ref(), term.epoch), &mut loaded)?;
        }
        Ok(Read { driver, term, loaded })
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

impl Jobs {
    /// Starts the threads.
    pub fn start(
        opened: Opened,
        metrics: JobMetrics,
        tell: Arc<dyn Fn(GatewayEvent) + Send + Sync>,
    ) -> Result<Self, StartFault> {
        let Opened { kept, runners, members, read, config } = opened;
        let OpenedStore { store, files, .. } = kept.clone();
        let (inbox, told) = mpsc::channel();
        let (transfers, transfer_inbox) = transfers::Transfers::new();
        let observed = metrics.clone();
        let committer = Committer::start(store.clone(), move |changes, took| {
            observed.committed(changes, took);
        })
        .map_err(StartFault::Thread)?;
        let shared = Arc::new(Shared {
            store,
            room: Room::new(files.clone()),
            files,
            metrics,
            kept_at: OnceLock::new(),
            inbox,
            tickets: AtomicU64::new(1),
            runners,
            members,
            tokens: Tokens::default(),
            refusals: super::refusals::Refusals::default(),
            watches: Watches::default(),
            events: broadcast::Sender::new(EVENTS_KEPT),
            transfers,
            figures: Mutex::default(),
            trouble: Mutex::default(),
            threads: Mutex::default(),
            tell,
        });
        let thread = DriverThread::new(shared.clone(), (kept, read), config, committer);
        let moving = shared.clone();
        let threads = [
            spawn("jobs", move || thread.run(&told))?,
            spawn("job bytes", move || transfers::run(moving, transfer_inbox))?,
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

//! From a state folder to running threads.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, atomic::AtomicU64, mpsc},
    thread,
};

use ostler_driver::DriverConfig;
use ostler_job::{Span, Wall};
use ostler_machine::clock;
use ostler_notices::GatewayEvent;
use ostler_store::{Committer, Store};
use thiserror::Error;
use tokio::sync::broadcast;

use super::{
    JobMetrics, Jobs, Room, Shared,
    driver_thread::{DriverMessage, DriverThread},
    opened_store::{OpenedStore, Reading},
    runners::Runners,
    tokens::Tokens,
    transfers,
    watches::Watches,
};
use crate::members::Members;

/// Events that a slow reader may be behind before it reads them from the store.
const EVENTS_KEPT: usize = 4096;

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
    read: Reading,
    /// Where the end of a reading is told that takes long.
    reading: Option<mpsc::Receiver<Reading>>,
    config: DriverConfig,
}

impl Opened {
    /// Opens and loads; nothing of it is served yet. A store that cannot be used is tried again once everything runs, and one that takes
    /// long to read is read on meanwhile.
    pub fn open(state: &Path, config: DriverConfig) -> Result<Self, StartFault> {
        Self::read(OpenedStore::at(state), state, config)
    }

    /// The same with another store.
    pub fn of(
        store: Arc<dyn Store>,
        state: &Path,
        config: DriverConfig,
    ) -> Result<Self, StartFault> {
        Self::read(OpenedStore::of(store, state), state, config)
    }

    fn read(kept: OpenedStore, state: &Path, config: DriverConfig) -> Result<Self, StartFault> {
        let (read, reading) = kept.read_first(&config).map_err(StartFault::Thread)?;
        // A clock that is wrong forgets no runner, and nobody is forgotten while nothing is known.
        let now = clock::wall_now();
        let known = read.as_ref().map_or(Some(Wall(0)), |read| read.loaded.kept_at);
        let known = known.map_or(now, |at| now.min(at.after(Span::from_secs(86_400))));
        let runners = Runners::open(state, known);
        let members = Members::open(state)
            .map_err(|error| StartFault::File(state.join("members.json"), error))?;
        Ok(Self { kept, runners, members: Arc::new(members), read, reading, config })
    }
}

impl Jobs {
    /// Starts the threads.
    pub fn start(
        opened: Opened,
        metrics: JobMetrics,
        tell: Arc<dyn Fn(GatewayEvent) + Send + Sync>,
    ) -> Result<Self, StartFault> {
        let Opened { kept, runners, members, read, reading, config } = opened;
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
            set_back: tokio::sync::Notify::new(),
            inbox,
            tickets: AtomicU64::new(1),
            runners,
            members,
            tokens: Tokens::default(),
            queues: super::queues::Queues::default(),
            source: config.source.clone(),
            refusals: super::refusals::Refusals::default(),
            schedule_notices: super::schedule_notices::ScheduleNotices::default(),
            watches: Watches::default(),
            events: broadcast::Sender::new(EVENTS_KEPT),
            transfers,
            figures: Mutex::default(),
            trouble: Mutex::default(),
            threads: Mutex::default(),
            tell,
        });
        let thread = DriverThread::new(shared.clone(), (kept, read), config, committer);
        if let Some(reading) = reading {
            let inbox = shared.inbox.clone();
            // Not waited for by the end of a gateway.
            drop(spawn("store", move || {
                if let Ok(read) = reading.recv() {
                    let _ended = inbox.send(DriverMessage::Read(Box::new(read)));
                }
            })?);
        }
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

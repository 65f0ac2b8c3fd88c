//! Durable jobs as the rest of a gateway sees them: ask, wait, follow.
//!
//! Behind [`Jobs`] one thread owns the [driver](ostler_driver): [`driver_thread`] hands its changes to the store and carries out its
//! effects when they are committed. [`link`] is the way of frames from and to runners, [`transfers`] that of logs and payloads,
//! [`members`] the runners of other hosts that may come in.
//!
//! It deliberately lacks decisions, which are the driver's, SQL, which is the store's, and sockets: a link hands it frames and takes some.
//! It is separate so that neither the way of a request nor the API reaches what only the driver's owner may do.
#![deny(unsafe_code)]

mod backend;
mod backlog;
mod config;
mod driver_thread;
mod effects;
mod hello;
pub mod link;
mod looks;
pub mod members;
pub mod metrics;
mod opened_store;
mod oversee;
mod owed;
mod pulls;
mod queues;
mod reasons;
mod refusals;
pub mod retention;
mod room;
mod runners;
mod schedule_metrics;
mod schedule_notices;
mod schedules;
pub mod set_back;
mod source;
mod specs;
mod start;
mod steer;
#[cfg(test)]
mod tests;
mod tokens;
mod transfers;
mod trouble;
mod unwritten;
mod watches;

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    time::Instant,
};

use ostler_api::backend::{Refusal, RunnerView, Unavailable};
use ostler_driver::{ActorInput, Answer, Figures, NewJob, Submit, Ticket};
use ostler_job::JobId;
use ostler_module::Source;
use ostler_store::{Event, Files, Job, Store, StoreError, Token};
use tokio::sync::{broadcast, oneshot, watch};

pub use config::JobsConfig;
pub use hello::Hello;
pub use metrics::JobMetrics;
pub use opened_store::restore;
pub use room::Room;
pub use runners::NameTaken;
pub use source::{cron, zones};
pub use start::{Opened, StartFault};

use crate::members::Members;
use driver_thread::DriverMessage;
use ostler_machine::{
    clock,
    threads::{self, Threads},
};
use ostler_notices::GatewayEvent;
use runners::Runners;
use tokens::Tokens;
use watches::Watches;

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct Jobs(Arc<Shared>);

/// What the driver's thread, the links and the API share.
pub struct Shared {
    pub store: Arc<dyn Store>,
    pub files: Arc<Files>,
    pub room: Room,
    pub metrics: JobMetrics,
    /// When an earlier life looked for what is old; known once the store was read.
    kept_at: OnceLock<Option<ostler_job::Wall>>,
    /// The clock was set back by hours: schedules are to go on from now.
    set_back: tokio::sync::Notify,
    inbox: mpsc::Sender<DriverMessage>,
    tickets: AtomicU64,
    runners: Runners,
    members: Arc<Members>,
    tokens: Tokens,
    queues: queues::Queues,
    /// What knows when schedules fire.
    source: Arc<dyn Source>,
    refusals: refusals::Refusals,
    schedule_notices: schedule_notices::ScheduleNotices,
    watches: Watches,
    events: broadcast::Sender<Arc<Event>>,
    transfers: transfers::Transfers,
    figures: Mutex<Figures>,
    /// Why nothing is accepted; `None`: all is well.
    trouble: Mutex<trouble::Trouble>,
    tell: Arc<dyn Fn(GatewayEvent) + Send + Sync>,
    threads: Mutex<Vec<std::thread::JoinHandle<()>>>,
}

impl std::fmt::Debug for Jobs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Jobs").finish_non_exhaustive()
    }
}

impl std::ops::Deref for Jobs {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Jobs {
    /// Takes jobs; answers when they are safe. One answer for each job, or one `Keyed` for all. Whoever asks has looked into
    /// the store for the idempotency key and for what was done before.
    pub(crate) async fn submit(
        &self,
        who: &str,
        key: Option<(String, String)>,
        jobs: Vec<NewJob>,
        all_or_none: bool,
    ) -> Result<Vec<Answer>, Unavailable> {
        let who = who.to_owned();
        self.ask(|ticket| ActorInput::Submit(Submit { ticket, who, key, jobs, all_or_none })).await
    }

    /// Reads from the store: a short look, on a thread for those.
    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.read_on(&threads::READS, read).await
    }

    /// The same for what takes as long as it takes, and holds up nothing but its own kind.
    pub(crate) async fn chore<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.read_on(&threads::CHORES, read).await
    }

    async fn read_on<T: Send + 'static>(
        &self,
        threads: &'static Threads,
        read: impl FnOnce(&dyn Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let store = self.store.clone();
        let read = threads.run("", move |_| read(store.as_ref()));
        read.await.unwrap_or_else(|error| {
            let detail = format!("a read was cut off: {error}");
            Err(StoreError::new(ostler_store::Fault::Misuse, detail))
        })
    }

    /// The jobs of these ids as the store has them.
    pub async fn get(&self, jobs: Vec<JobId>) -> Result<Vec<Job>, StoreError> {
        self.read(move |store| store.jobs(&jobs)).await
    }

    /// Changes whenever the job's record or its log does. Subscribe first, then look, then wait.
    pub fn watch(&self, job: JobId) -> watch::Receiver<u64> {
        self.watches.watch(job)
    }

    /// Events as they are committed. Who falls behind reads the rest by [`Store::tail`].
    pub(crate) fn events(&self) -> broadcast::Receiver<Arc<Event>> {
        self.0.events.subscribe()
    }

    /// Runners that are connected, or were heard of lately.
    pub fn runners(&self) -> Vec<RunnerView> {
        self.0.runners.views()
    }

    /// A runner of this host came: its name is its own.
    pub async fn keep_own_runner(&self, runner: &str) {
        let (jobs, name) = (self.clone(), runner.to_owned());
        let kept = tokio::task::spawn_blocking(move || jobs.members.keep_own(&name)).await;
        if let Ok(Err(error)) = kept {
            self.warn(format!("the name of the runner {runner} is not kept for it: {error}"));
        }
    }

    /// A runner was let in, with this key: the audit trail has it. Nobody waits for that: it joins when the store fails, too.
    pub fn note_join(&self, runner: &str, key: &str) {
        let detail = serde_json::json!({ "action": "join_runner", "runner": runner, "key": key });
        let (jobs, runner) = (self.clone(), runner.to_owned());
        tokio::spawn(async move {
            let noted =
                jobs.ask(|ticket| ActorInput::Note { ticket, who: "gateway".into(), detail });
            if let Err(Unavailable(problem)) = noted.await {
                jobs.warn(format!("{runner} joined, which is not in the audit trail: {problem}"));
            }
        });
    }

    /// Writes a copy of the store to a new file and tells its size. The audit trail has it when a store that fails can still
    /// be written: a copy may be just what is wanted then.
    pub(crate) async fn backup(&self, who: &str, to: PathBuf) -> Result<u64, Unavailable> {
        let path = to.clone();
        let copy = move |store: &dyn Store| {
            store.backup(&to)?;
            Ok(std::fs::metadata(&to).map_or(0, |data| data.len()))
        };
        let bytes = self.chore(copy).await.map_err(failed)?;
        let detail = serde_json::json!({ "action": "backup", "path": path, "bytes": bytes });
        let who = who.to_owned();
        let noted = self.ask(|ticket| ActorInput::Note { ticket, who, detail }).await;
        if let Err(Unavailable(problem)) = noted {
            self.warn(format!(
                "a backup to {} is not in the audit trail: {problem}",
                path.display()
            ));
        }
        Ok(bytes)
    }

    /// The token of a hash that is neither expired nor revoked.
    pub fn token(&self, hash: &str) -> Option<Arc<Token>> {
        self.tokens.valid(hash, clock::wall_now())
    }

    /// All tokens.
    pub fn tokens(&self) -> Vec<Arc<Token>> {
        self.tokens.all()
    }

    /// Keeps a new or changed token; answers when it is safe and in force, which it comes to be even when nobody waits for
    /// the answer any more.
    pub(crate) async fn put_token(&self, who: &str, token: Token) -> Result<(), Unavailable> {
        let who = who.to_owned();
        let (detail, token) = (tokens::audited(&token), Box::new(token));
        self.ask(|ticket| ActorInput::Token { ticket, who, token, detail }).await.map(drop)
    }

    /// Keeps a new token; `false`: its name is, or was, another's.
    pub(crate) async fn create_token(&self, who: &str, token: Token) -> Result<bool, Unavailable> {
        let Some(_reserved) = self.tokens.reserve(&token.name) else { return Ok(false) };
        self.put_token(who, token).await.map(|()| true)
    }

    /// Returns when the token of a hash lets nobody in any more.
    pub(crate) async fn token_over(&self, hash: &str) {
        self.tokens.over(hash).await;
    }

    /// Counts a request of the API that was refused, and tells the operator now and then.
    pub(crate) fn note_refusal(&self, why: Refusal, from: Option<std::net::IpAddr>) {
        self.metrics.refused(why);
        if let Some(line) = self.refusals.note(why, from, Instant::now()) {
            self.warn(line);
        }
    }

    /// The numbers of the driver, some milliseconds old at most.
    pub fn figures(&self) -> Figures {
        self.figures.lock().expect("no code panics while it holds the figures").clone()
    }

    /// Why nothing is accepted; `None`: all is well.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().expect("no code panics while it holds the trouble").why.clone()
    }

    /// Why nobody is known by a token: the store was not read since the start. `None`: it was.
    pub(crate) fn knows_nobody(&self) -> Option<Unavailable> {
        self.kept_at.get().is_none().then(|| self.unavailable())
    }

    /// Gives nothing to runners from now on, and returns when what was given is on its way: what is leased when the links
    /// go and was never sent would be as good as lost, to a job that must not run twice.
    pub async fn rest(&self) {
        // A store that failed gives nothing to anybody.
        let _ = self.ask(|ticket| ActorInput::Rest { ticket }).await;
    }

    /// Commits what is under way and ends the threads. Blocks.
    pub fn stop(&self) {
        // A thread that is gone has stopped already.
        let _ = self.inbox.send(DriverMessage::ActorInput(ActorInput::Stop));
        self.transfers.stop();
        let threads = std::mem::take(
            &mut *self.threads.lock().expect("no code panics while it holds the threads"),
        );
        for thread in threads {
            // A thread that panicked has said so on stderr.
            let _ = thread.join();
        }
    }

    async fn ask(
        &self,
        told: impl FnOnce(Ticket) -> ActorInput,
    ) -> Result<Vec<Answer>, Unavailable> {
        self.question(told).answer().await
    }

    /// Asks at once; the answer is waited for.
    fn question(&self, told: impl FnOnce(Ticket) -> ActorInput) -> Question {
        let ticket = Ticket(self.tickets.fetch_add(1, Ordering::Relaxed));
        let (answer, answered) = oneshot::channel();
        // The thread is gone only when the gateway ends: then nobody answers.
        let _ = self.inbox.send(DriverMessage::Asked { ticket, answer });
        let _ = self.inbox.send(DriverMessage::ActorInput(told(ticket)));
        Question(answered)
    }
}

/// Something that the driver was asked.
struct Question(oneshot::Receiver<Result<Vec<Answer>, Unavailable>>);

impl Question {
    async fn answer(self) -> Result<Vec<Answer>, Unavailable> {
        self.0.await.map_err(|_| Unavailable("the gateway ends".into()))?
    }
}

impl Shared {
    fn warn(&self, what: String) {
        (self.tell)(GatewayEvent::Warning(what));
    }
}

fn failed(error: StoreError) -> Unavailable {
    Unavailable(error.to_string())
}

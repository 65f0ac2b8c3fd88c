//! What the API asks of what is behind it, as one narrow trait, and what it is answered.

use std::{fs::File, io, net::IpAddr, path::PathBuf, pin::Pin, sync::Arc};

use ostler_driver::{Answer, Explained, Figures, NewJob, QueueVerb, ScheduleVerb, Verb, Why};
use ostler_job::{
    JobId, Labels, Wall,
    durable::{
        Attempt, AttemptKey, CountQuery, Counts, Event, Firing, Job, Page, Payload, Query, Queue,
        QueueName, ScheduleName, ScheduleShape, Token,
    },
};
use thiserror::Error;
use tokio::sync::{broadcast, watch};

/// Resolves when a token lets nobody in any more.
pub type Revoked = Pin<Box<dyn Future<Output = ()> + Send>>;

/// An answer that takes a while.
pub type BackendFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, Unavailable>> + Send + 'a>>;

/// Of which jobs the newest success is wanted: whose, the same as what, since when.
#[derive(Clone, Debug)]
pub struct DoneSince {
    pub tenant: String,
    pub identity: String,
    pub content: Option<u64>,
    pub since: Wall,
}

/// See the module. Methods that end in `_blocking` may not be called on a runtime's thread.
pub trait Backend: Send + Sync + 'static {
    fn submit<'a>(
        &'a self,
        who: &'a str,
        key: Option<(String, String)>,
        jobs: Vec<NewJob>,
        all_or_none: bool,
    ) -> BackendFuture<'a, Vec<Answer>>;
    fn steer<'a>(
        &'a self,
        who: &'a str,
        verb: Verb,
        jobs: Vec<JobId>,
    ) -> BackendFuture<'a, Vec<Answer>>;
    /// These jobs, in this order, as far as they exist.
    fn get(&self, jobs: Vec<JobId>) -> BackendFuture<'_, Vec<Job>>;
    /// A page for somebody; it may be partial.
    fn query<'a>(&'a self, who: &'a str, query: Query) -> BackendFuture<'a, Page>;
    /// How many jobs there are, counted for somebody; when it takes long, a part of them.
    fn count<'a>(&'a self, who: &'a str, query: CountQuery) -> BackendFuture<'a, Counts>;
    /// Why each of these jobs has not started; `None`: nothing holds it up that is known. It is as things are now, which a record that
    /// was read before may not know yet.
    fn whys(&self, jobs: Vec<JobId>) -> BackendFuture<'_, Vec<Option<Why>>>;
    /// All that is to be said of the place of a job that has not started; `None`: it waits for nothing.
    fn explain(&self, job: JobId) -> BackendFuture<'_, Option<Explained>>;
    /// The attempts that are over, oldest first.
    fn attempts(&self, job: JobId) -> BackendFuture<'_, Vec<Attempt>>;
    fn keyed(&self, key: String) -> BackendFuture<'_, Option<(String, Vec<JobId>)>>;
    fn done_since(&self, kinds: Vec<DoneSince>) -> BackendFuture<'_, Vec<Option<JobId>>>;
    fn tail(&self, after: u64, max: usize) -> BackendFuture<'_, Vec<Event>>;
    /// Writes a copy of the store to a file, tells its size, and puts it on record.
    fn backup<'a>(&'a self, who: &'a str, to: PathBuf) -> BackendFuture<'a, u64>;
    fn watch(&self, job: JobId) -> watch::Receiver<u64>;
    fn events(&self) -> broadcast::Receiver<Arc<Event>>;
    /// The queue of a name as it is kept.
    fn queue(&self, name: &QueueName) -> Option<Arc<Queue>>;
    fn queue_names(&self) -> Vec<QueueName>;
    /// One queue, or all of them, with how many jobs they have: of one tenant, or of all.
    fn look_queues(
        &self,
        queue: Option<QueueName>,
        tenant: Option<String>,
    ) -> BackendFuture<'_, Vec<Answer>>;
    fn order_queue<'a>(
        &'a self,
        who: &'a str,
        queue: QueueName,
        verb: QueueVerb,
    ) -> BackendFuture<'a, Answer>;
    /// One schedule, or so many of those whose names come after one: of one tenant, or of all.
    fn look_schedules(
        &self,
        schedule: Option<ScheduleName>,
        tenant: Option<String>,
        after: Option<ScheduleName>,
        max: usize,
    ) -> BackendFuture<'_, Vec<Answer>>;
    /// Does something to a schedule; with a tenant, there are only schedules of that one.
    fn order_schedule<'a>(
        &'a self,
        who: &'a str,
        tenant: Option<String>,
        schedule: ScheduleName,
        verb: ScheduleVerb,
    ) -> BackendFuture<'a, Answer>;
    /// What became of a schedule's firings that were due before a moment, newest first.
    fn firings(
        &self,
        schedule: ScheduleName,
        before: Option<Wall>,
        max: usize,
    ) -> BackendFuture<'_, Vec<Firing>>;
    /// When those of a schedule's firings were due, after a moment, that have a job.
    fn fired_after(
        &self,
        schedule: ScheduleName,
        after: Wall,
        max: usize,
    ) -> BackendFuture<'_, Vec<Wall>>;
    /// When such a schedule would fire next, a few times; or what is wrong with it, and the cure.
    fn check_schedule(
        &self,
        name: &ScheduleName,
        shape: &ScheduleShape,
    ) -> Result<Vec<Wall>, String>;
    fn runners(&self) -> Vec<RunnerView>;
    fn drain<'a>(&'a self, who: &'a str, runner: &'a str, drain: bool) -> BackendFuture<'a, bool>;
    /// Sets how many jobs it may run at once, whatever it says itself; `None`: as it says itself.
    fn set_slots<'a>(
        &'a self,
        who: &'a str,
        runner: &'a str,
        slots: Option<u32>,
    ) -> BackendFuture<'a, SlotsSet>;
    /// Forgets a runner; one that is connected only `at_once`.
    fn forget_runner<'a>(
        &'a self,
        who: &'a str,
        runner: &'a str,
        at_once: bool,
    ) -> BackendFuture<'a, Forgotten>;
    fn token(&self, hash: &str) -> Option<Arc<Token>>;
    fn tokens(&self) -> Vec<Arc<Token>>;
    /// Why nobody can be known by a token now; `None`: everybody is who has one.
    fn knows_nobody(&self) -> Option<Unavailable>;
    /// Keeps a token that is changed.
    fn put_token<'a>(&'a self, who: &'a str, token: Token) -> BackendFuture<'a, ()>;
    /// Keeps a new one; `false`: its name is taken.
    fn create_token<'a>(&'a self, who: &'a str, token: Token) -> BackendFuture<'a, bool>;
    /// Returns when the token of a hash lets nobody in any more.
    fn token_over(&self, hash: String) -> Revoked;
    /// A request was refused for want of a right.
    fn note_refusal(&self, why: Refusal, from: Option<IpAddr>);
    fn figures(&self) -> Figures;
    /// Why no jobs are taken at present.
    fn problem(&self) -> Option<String>;
    /// Bytes of the store and the files beside it.
    fn size_blocking(&self) -> u64;
    /// Whether a tenant's payloads may take so many bytes more.
    fn room_blocking(&self, tenant: &str, bytes: u64) -> Result<(), Full>;
    fn upload_blocking(&self, tenant: &str) -> io::Result<Box<dyn Sink>>;
    fn payload_blocking(&self, sha256: &str) -> io::Result<File>;
    /// The size of a payload that a job is about to name: it stays until the job is stored.
    fn keep_payload_blocking(&self, sha256: &str) -> io::Result<u64>;
    /// A token of this tenant uploaded it, as it is.
    fn own_payload_blocking(&self, payload: &Payload, tenant: &str) -> io::Result<()>;
    /// Whether one did.
    fn owns_payload_blocking(&self, sha256: &str, tenant: &str) -> io::Result<bool>;
    fn log_blocking(&self, key: AttemptKey, tenant: &str) -> io::Result<File>;
}

/// A payload that is being written; dropped before it is finished, it leaves nothing.
pub trait Sink: Send {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
    fn finish(self: Box<Self>) -> io::Result<Payload>;
}

/// Durable jobs cannot be served now, and why: the store failed, or the gateway ends.
#[derive(Clone, Debug)]
pub struct Unavailable(pub String);

/// Why files may not grow.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Full {
    /// The rest of the disk is the store's.
    #[error(
        "the rest of the disk is kept for the store (limits.disk_reserve); make room, or delete jobs"
    )]
    Disk,
    /// All files together have as much as they may.
    #[error(
        "logs and payloads have as many bytes as they may, {0} (jobs.files_max); delete jobs, or raise it; payloads that no job uses \
         go after a day"
    )]
    All(u64),
    /// The tenant has so much, and leaves no more to others.
    #[error(
        "the tenant has {0} bytes of logs and payloads, as many as it leaves to others; delete jobs of it, or raise jobs.files_max, \
         or make room on the disk; payloads that no job uses go after a day"
    )]
    Tenant(u64),
}

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It had no token.
    NoToken,
    /// Its token is unknown, expired or revoked.
    BadToken,
    /// Its token has not the scope.
    Scope,
}

impl Refusal {
    /// Its name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoToken => "no_token",
            Self::BadToken => "bad_token",
            Self::Scope => "scope",
        }
    }
}

/// What became of a runner that is to be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgotten {
    /// It is.
    Done,
    /// There is none of that name.
    Unknown,
    /// It is this host's own, which needs no right to come in.
    Own,
    /// It is connected, and what it runs would be lost.
    Connected,
}

/// What became of a number of slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotsSet {
    /// It holds.
    Done,
    /// There is no runner of that name.
    Unknown,
    /// The runner is connected and takes no durable jobs at all.
    TakesNone,
}

/// That a runner takes nothing new.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Who wanted it; `None`: a gateway of before did not say.
    pub by: Option<String>,
    /// Since when.
    pub since: Option<Wall>,
    /// It cannot start what it is given, as it said last, and is tried now and then; `None`: somebody wanted it so.
    pub broken: Option<String>,
}

/// A runner as the API shows it.
#[derive(Clone, Debug)]
pub struct RunnerView {
    pub name: String,
    pub connected: bool,
    /// Told to take nothing new.
    pub drained: Option<Drained>,
    /// Jobs that it may run at once.
    pub slots: u32,
    /// So many as an operator set.
    pub slots_set: Option<u32>,
    /// What it says of its host.
    pub labels: Labels,
    /// Jobs of the attempts that it has by its own word, leased or not; busy slots are counted from the driver's leases.
    pub held: Vec<JobId>,
    /// When it was heard of last.
    pub heard_at: Wall,
}

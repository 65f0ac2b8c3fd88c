//! Memory that survives: durable jobs, their attempts, what happened, and who may do what.
//!
//! [`Store`] is the contract; [`Memory`] is its model and [`Sqlite`] the embedded engine. It is shaped by batches, because
//! one fsync is the price of a transaction whatever is in it: [`Committer`] gathers what several callers want written.
//! Bytes beyond 32 KiB are kept beside it in [`Files`].
//!
//! It deliberately lacks decisions: who runs next and what a failed attempt leads to is the job driver's. It is separate
//! so that every engine passes one conformance suite, and so that crashes can be simulated without a gateway.
#![warn(missing_docs)]

mod committer;
mod files;
mod memory;
mod read_limit;
mod sqlite;

pub use committer::{CommitStats, Committer, Done};
pub use files::{Expected, Files, Owner, Upload};
pub use memory::{Copy, Memory, Planned};
pub use read_limit::ReadLimit;
pub use sqlite::{Restored, Sqlite, SqliteOptions};

pub use ostler_job::durable::{
    Applied, Change, CountQuery, Counts, Cursor, Event, EventKind, Fault, Filter, Job, Loaded,
    Page, Query, Same, StoreError, Token, TokenHash, Unfinished,
};
use ostler_job::{
    JobId, Wall,
    durable::{Attempt, Epoch, Firing, KeptSchedule, Queue, QueueName, ScheduleName, Term},
};

/// Jobs of which queues are meant.
#[derive(Clone, Copy, Debug)]
pub enum OfQueues<'a> {
    /// Of this one.
    One(&'a QueueName),
    /// Of all others than these.
    AllBut(&'a [QueueName]),
}

/// Durable state. Every method may block on the disk; none may be called on a runtime's thread.
pub trait Store: Send + Sync {
    /// Begins a term: from now on only commits under its epoch are taken. Epochs, fences, ids and event numbers are above
    /// those of all terms before, also of those that a restored store does not remember. Refused as long as a commit of
    /// `room` bytes would be.
    fn begin(&self, room: u64) -> Result<Term, StoreError>;

    /// Writes all changes or none, and returns when they would survive a power cut. One [`Applied`] for each change. A
    /// job that is not as a change expects it is a [`Fault::Fenced`], an epoch that is not the present one a
    /// [`Fault::Unknown`].
    fn commit(&self, epoch: Epoch, changes: &[Change]) -> Result<Vec<Applied>, StoreError>;

    /// All queues that were ever kept and are not gone, by name.
    fn queues(&self) -> Result<Vec<Queue>, StoreError>;

    /// All schedules that were ever kept and are not gone, by name. One that cannot be read is among them, with what can be, and a
    /// fault that says so. What was due after this moment counts as after the cursor where that is later, as when a clock was wrong.
    fn schedules(&self, now: Wall) -> Result<Vec<KeptSchedule>, StoreError>;

    /// What became of the moments at which a schedule fires, the latest due first, at most `max`: those due before a moment, or all.
    fn firings(
        &self,
        schedule: &ScheduleName,
        before: Option<Wall>,
        max: usize,
    ) -> Result<Vec<Firing>, StoreError>;

    /// When those firings of a schedule were due that have a job, beginning after a moment, at most `max`.
    fn fired_after(
        &self,
        schedule: &ScheduleName,
        after: Wall,
        max: usize,
    ) -> Result<Vec<Wall>, StoreError>;

    /// Gives every unfinished job to `each`, in order of id, and the rest as a value.
    fn load(&self, each: &mut dyn FnMut(Job)) -> Result<Loaded, StoreError>;

    /// The same, with only that of each job which decides when and where it runs. A million waiting jobs are loaded so:
    /// their commands stay on the disk until they are run.
    fn load_unfinished(&self, each: &mut dyn FnMut(Unfinished)) -> Result<Loaded, StoreError>;

    /// A page of jobs.
    fn query(&self, query: &Query) -> Result<Page, StoreError> {
        self.search(query, &ReadLimit::default())
    }

    /// The same, ended by its limit: then the page may be [`Page::partial`]. Every search comes some jobs further.
    fn search(&self, query: &Query, limit: &ReadLimit) -> Result<Page, StoreError>;

    /// How many jobs there are of each group, from the newest down; ended by its limit, it goes on below [`Counts::next`] another
    /// time. Every count comes some jobs further, and nobody who writes waits for it.
    fn count(&self, query: &CountQuery, limit: &ReadLimit) -> Result<Counts, StoreError>;

    /// Whether the store is still where it was opened, and what is committed would be found there again.
    fn check(&self) -> Result<(), StoreError>;

    /// One job.
    fn job(&self, job: JobId) -> Result<Option<Job>, StoreError>;

    /// These jobs, in this order, as far as they exist.
    fn jobs(&self, jobs: &[JobId]) -> Result<Vec<Job>, StoreError>;

    /// Those of these jobs that do not exist.
    fn absent(&self, jobs: &[JobId]) -> Result<Vec<JobId>, StoreError>;

    /// The attempts of a job that are over, oldest first, with their whole small logs.
    fn attempts(&self, job: JobId) -> Result<Vec<Attempt>, StoreError>;

    /// The jobs that were submitted with an idempotency key, with the hash of that request.
    fn keyed(&self, key: &str) -> Result<Option<(String, Vec<JobId>)>, StoreError>;

    /// The newest job of a tenant that is the same and succeeded at or after a moment. One that was submitted without a
    /// dedupe may be overlooked when thousands of its kind have succeeded since.
    fn succeeded_since(
        &self,
        tenant: &str,
        same: Same<'_>,
        since: Wall,
    ) -> Result<Option<JobId>, StoreError>;

    /// Finished jobs that have been kept long enough, lowest ids first, at most `max`: succeeded ones that finished
    /// before one moment, others before the other. Deleting them is a [`Change`] like any other. A job that was finished
    /// before it was submitted, because somebody set the clock, may be told of later; one that finished a day after
    /// `now`, or later still, is as old as its submit.
    fn prunable(
        &self,
        before: (Wall, Wall),
        now: Wall,
        max: usize,
    ) -> Result<Vec<JobId>, StoreError> {
        self.prunable_of(OfQueues::AllBut(&[]), before, now, max)
    }

    /// The same of some queues.
    fn prunable_of(
        &self,
        queues: OfQueues<'_>,
        before: (Wall, Wall),
        now: Wall,
        max: usize,
    ) -> Result<Vec<JobId>, StoreError>;

    /// Whether the standard input of any job is this payload.
    fn payload_used(&self, sha256: &str) -> Result<bool, StoreError>;

    /// Whether it is that of a job which this runner has.
    fn payload_wanted(&self, sha256: &str, runner: &str) -> Result<bool, StoreError>;

    /// Events after a sequence number, oldest first, at most `max`.
    fn tail(&self, after: u64, max: usize) -> Result<Vec<Event>, StoreError>;

    /// Writes a consistent copy to a file that does not exist yet, while others go on.
    fn backup(&self, to: &std::path::Path) -> Result<(), StoreError>;

    /// Bytes that the store takes on the disk.
    fn size(&self) -> u64;
}

/// What an error of the system means to whoever uses the store, when it comes of doing something to a path.
pub fn io_error(doing: &str, path: &std::path::Path, error: &std::io::Error) -> StoreError {
    sqlite::from_io(doing, &path.display().to_string(), error)
}

/// What is dated later than this was written by a clock that was wrong.
fn latest(now: Wall) -> Wall {
    now.after(ostler_job::Span::from_secs(86_400))
}

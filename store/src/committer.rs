//! Group commit: one fsync for what several callers want written.
//!
//! A thread commits what it is given. When nothing is under way a batch is committed at once: nobody waits for company.
//! What arrives while a commit runs is the next group, so that groups grow with the load and with the time that the disk
//! takes, and an idle store answers as fast as it can. A group is full at 512 changes, or when gathering has taken 2 ms.
//! Batches are never split and are answered in the order in which they came.

use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use ostler_job::durable::Epoch;

use crate::{Applied, Change, Fault, Store, StoreError};

/// A group is full with so many changes.
const GROUP_CHANGES: usize = 512;
/// Gathering ends after this long.
const GROUP_TIME: Duration = Duration::from_millis(2);
/// So many changes may wait; whoever has more waits himself.
const WAITING_MAX: usize = 65_536;

/// What is called with the outcome of a batch, on the thread that commits: it must not take long.
pub type Done = Box<dyn FnOnce(Result<Vec<Applied>, StoreError>) + Send>;

type Observer = Box<dyn Fn(usize, Duration) + Send + Sync>;

/// See the module. Dropped, it commits what it was given and ends.
pub struct Committer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// Counts since the start, for the metrics.
#[derive(Debug, Default)]
pub struct CommitStats {
    /// Transactions that were tried.
    pub groups: AtomicU64,
    /// Changes in them.
    pub changes: AtomicU64,
    /// Transactions that failed.
    pub failed: AtomicU64,
    /// Time spent in them, microseconds.
    pub micros: AtomicU64,
}

struct Shared {
    waiting: Mutex<Waiting>,
    /// Something waits, or room was made, or it ends.
    changed: Condvar,
    stats: Arc<CommitStats>,
    observe: Observer,
}

#[derive(Default)]
struct Waiting {
    batches: VecDeque<Batch>,
    changes: usize,
    ended: bool,
}

impl Waiting {
    /// Asserts that what is counted is what waits, or callers would wait for room for ever.
    ///
    /// # Panics
    /// When it is not.
    fn check_invariants(&self) {
        let counted: usize = self.batches.iter().map(|batch| batch.changes.len()).sum();
        assert_eq!(self.changes, counted, "the changes that wait are counted");
    }
}

struct Batch {
    epoch: Epoch,
    changes: Vec<Change>,
    done: Done,
}

impl Committer {
    /// Starts the thread. `observe` is told of every transaction: how many changes it had and how long it took.
    pub fn start(
        store: Arc<dyn Store>,
        observe: impl Fn(usize, Duration) + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            waiting: Mutex::default(),
            changed: Condvar::new(),
            stats: Arc::default(),
            observe: Box::new(observe),
        });
        let group = Group { shared: Arc::clone(&shared), store };
        let thread =
            std::thread::Builder::new().name("commit".to_owned()).spawn(move || group.run())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Has a batch of a term written, and calls `done` when it is, or when that failed. Blocks only while very much waits.
    pub fn commit(&self, epoch: Epoch, changes: Vec<Change>, done: Done) {
        let mut waiting = self.shared.lock();
        // What the thread itself asks for, from a `done`, cannot wait for the thread.
        if !self.is_own_thread() {
            let full = |waiting: &mut Waiting| waiting.changes >= WAITING_MAX && !waiting.ended;
            let room = self.shared.changed.wait_while(waiting, full);
            waiting = room.unwrap_or_else(PoisonError::into_inner);
        }
        if waiting.ended {
            drop(waiting);
            done(Err(ended()));
            return;
        }
        waiting.changes += changes.len();
        waiting.batches.push_back(Batch { epoch, changes, done });
        drop(waiting);
        self.shared.changed.notify_all();
    }

    /// Its counts.
    pub fn stats(&self) -> Arc<CommitStats> {
        Arc::clone(&self.shared.stats)
    }

    /// Changes that wait for their group.
    pub fn waiting(&self) -> usize {
        self.shared.lock().changes
    }

    fn is_own_thread(&self) -> bool {
        let own = self.thread.as_ref().map(|thread| thread.thread().id());
        own == Some(std::thread::current().id())
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.changed.notify_all();
        let own = self.is_own_thread();
        if let Some(thread) = self.thread.take().filter(|_| !own) {
            // It panicked, and has said so.
            let _panicked = thread.join();
        }
    }
}

impl fmt::Debug for Committer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Committer").field("stats", &self.shared.stats).finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next group, of at least one batch, however late it is looked for; `None`: it ends.
    fn gather(&self, time: Duration) -> Option<Vec<Batch>> {
        let idle = |waiting: &mut Waiting| waiting.batches.is_empty() && !waiting.ended;
        let waiting = self.changed.wait_while(self.lock(), idle);
        let mut waiting = waiting.unwrap_or_else(PoisonError::into_inner);
        let since = Instant::now();
        let first = waiting.batches.pop_front()?;
        let epoch = first.epoch;
        let (mut changes, mut group) = (first.changes.len(), vec![first]);
        while changes < GROUP_CHANGES && since.elapsed() < time {
            if waiting.batches.front().is_none_or(|batch| batch.epoch != epoch) {
                break;
            }
            let Some(batch) = waiting.batches.pop_front() else { break };
            changes += batch.changes.len();
            group.push(batch);
        }
        waiting.changes -= changes;
        if cfg!(debug_assertions) {
            waiting.check_invariants();
        }
        drop(waiting);
        self.changed.notify_all();
        Some(group)
    }
}

/// The thread's side.
struct Group {
    shared: Arc<Shared>,
    store: Arc<dyn Store>,
}

impl Group {
    fn run(&self) {
        while let Some(group) = self.shared.gather(GROUP_TIME) {
            self.commit(group);
        }
    }

    fn commit(&self, group: Vec<Batch>) {
        let epoch = group.first().map(|batch| batch.epoch).unwrap_or_default();
        let sizes: Vec<_> = group.iter().map(|batch| batch.changes.len()).collect();
        let (mut changes, mut dones) = (Vec::new(), Vec::new());
        for mut batch in group {
            changes.append(&mut batch.changes);
            dones.push(batch.done);
        }
        match self.transact(epoch, &changes) {
            Ok(applied) => {
                let mut applied = applied.into_iter();
                for (done, size) in dones.into_iter().zip(sizes) {
                    done(Ok(applied.by_ref().take(size).collect()));
                }
            }
            Err(error)
                if matches!(error.fault, Fault::Misuse | Fault::Fenced) && dones.len() > 1 =>
            {
                // Only one of them is to blame.
                let mut rest = changes.as_slice();
                for (done, size) in dones.into_iter().zip(sizes) {
                    let (own, others) = rest.split_at(size);
                    rest = others;
                    done(self.transact(epoch, own));
                }
            }
            Err(error) => dones.into_iter().for_each(|done| done(Err(error.clone()))),
        }
    }

    fn transact(&self, epoch: Epoch, changes: &[Change]) -> Result<Vec<Applied>, StoreError> {
        let since = Instant::now();
        let outcome = self.store.commit(epoch, changes);
        let took = since.elapsed();
        let stats = &self.shared.stats;
        stats.groups.fetch_add(1, Relaxed);
        stats.changes.fetch_add(changes.len() as u64, Relaxed);
        stats.failed.fetch_add(u64::from(outcome.is_err()), Relaxed);
        stats.micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Relaxed);
        (self.shared.observe)(changes.len(), took);
        outcome
    }
}

/// However the thread ends, nobody waits for it for ever.
impl Drop for Group {
    fn drop(&mut self) {
        let mut waiting = self.shared.lock();
        waiting.ended = true;
        let left = std::mem::take(&mut waiting.batches);
        drop(waiting);
        self.shared.changed.notify_all();
        left.into_iter().for_each(|batch| (batch.done)(Err(ended())));
    }
}

fn ended() -> StoreError {
    StoreError::new(Fault::Unknown, "the thread that commits has ended")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_had_no_processor_while_it_gathered_goes_on_with_what_waits() {
        let shared = Shared {
            waiting: Mutex::default(),
            changed: Condvar::new(),
            stats: Arc::default(),
            observe: Box::new(|_, _| ()),
        };
        for epoch in [1, 1, 2] {
            let batch = Batch { epoch: Epoch(epoch), changes: Vec::new(), done: Box::new(drop) };
            shared.lock().batches.push_back(batch);
        }
        let sizes = |time| shared.gather(time).map(|group| group.len());
        assert_eq!(sizes(Duration::ZERO), Some(1), "the time was over before it looked");
        shared.lock().ended = true;
        assert_eq!(sizes(Duration::from_secs(60)), Some(1), "the next is of another term");
        assert_eq!(sizes(Duration::ZERO), Some(1), "what waits is written before it ends");
        assert_eq!(sizes(Duration::ZERO), None);
    }

    #[test]
    #[should_panic(expected = "the changes that wait are counted")]
    fn changes_that_are_counted_and_do_not_wait_are_noticed() {
        Waiting { changes: 1, ..Waiting::default() }.check_invariants();
    }
}

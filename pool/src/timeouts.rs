//! Timeouts of requests: one waits in the queue or runs for too long, or its child is not heard of.
//!
//! One task for each pool sleeps until the first of these moments and is woken when an earlier one comes up. The moments of jobs
//! are in a heap. They are no later than anything that can be so of the job: most jobs are over before theirs. An entry is
//! true while its job is to be looked at just then; others are dropped as they surface, and all at once when there are many.

use std::{cmp::Reverse, collections::BinaryHeap, sync::Arc, time::Duration};

use ostler_job::{JobId, Mono, Span};
use ostler_machine::clock;
use ostler_scheduler::IdMap;
use tokio::sync::Notify;

use super::{
    Inner, Pool,
    carrier::{Assignment, Carrier, Passing},
    passing::ProbeReason,
};

/// So late a moment may be noticed: what comes up within is looked at together.
const GRAIN: Span = Span::from_millis(4);
/// How often a child is asked about that has not begun what is somebody else's meanwhile.
const ASK: Span = Span::from_millis(200);
/// Entries that are no longer true, besides some for each job, before they are dropped.
const STALE_MAX: usize = 1024;
/// No moment.
pub(super) const NEVER: Mono = Mono(u64::MAX);
/// The moment of a job that is being looked at.
const NOW: Mono = Mono(0);

/// A job of the pool.
#[derive(Debug)]
pub(super) struct Entered {
    pub(super) passing: Arc<Passing>,
    /// It has a child, or the place behind another one.
    pub(super) is_granted: bool,
    /// When to look at it.
    at: Mono,
}

impl Entered {
    pub(super) fn new(passing: &Arc<Passing>) -> Self {
        Self { passing: passing.clone(), is_granted: false, at: NEVER }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Timeouts {
    heap: BinaryHeap<Reverse<(Mono, JobId)>>,
    /// When jobs are to be looked at that are being looked at.
    meanwhile: Vec<(JobId, Mono)>,
    /// When to ask about children that have not begun what is somebody else's meanwhile.
    unheard_at: Mono,
    /// When the task wakes.
    pub(super) wakes_at: Mono,
    /// Something comes up before that.
    sooner: Arc<Notify>,
}

impl Timeouts {
    pub(super) fn new(sooner: Arc<Notify>) -> Self {
        let (heap, meanwhile) = (BinaryHeap::new(), Vec::new());
        Self { heap, meanwhile, unheard_at: NEVER, wakes_at: NEVER, sooner }
    }

    /// Something comes up.
    pub(super) fn expect(&mut self, at: Mono) {
        if at + GRAIN < self.wakes_at {
            self.wakes_at = at + GRAIN;
            self.sooner.notify_one();
        }
    }

    /// A child was given something and did not begin it.
    pub(super) fn expect_word(&mut self, now: Mono) {
        self.unheard_at = self.unheard_at.min(now + ASK);
        self.expect(now + ASK);
    }

    /// The job is to be looked at then, if not sooner.
    fn arm(&mut self, job: &mut Entered, at: Mono) {
        if job.at == NOW {
            self.meanwhile.push((job.passing.id, at));
        } else if at < job.at {
            job.at = at;
            self.heap.push(Reverse((at, job.passing.id)));
            self.expect(at);
        }
    }

    /// Drops what is no longer true, when there is much of it.
    fn tidy(&mut self, jobs: &IdMap<JobId, Entered>) {
        if self.heap.len() > 4 * jobs.len() + STALE_MAX {
            self.heap.retain(|&Reverse((at, job))| is_true(jobs, at, job));
        }
    }

    /// The first entry that is true.
    fn first(&mut self, jobs: &IdMap<JobId, Entered>) -> Option<(Mono, JobId)> {
        while let Some(&Reverse((at, job))) = self.heap.peek() {
            if is_true(jobs, at, job) {
                return Some((at, job));
            }
            self.heap.pop();
        }
        None
    }

    /// Asserts that every job is looked at when it says so.
    pub(super) fn check(&self, jobs: &IdMap<JobId, Entered>) {
        let mut entries: Vec<_> = self.heap.iter().map(|&Reverse(entry)| entry).collect();
        entries.sort_unstable();
        for (&id, job) in jobs {
            assert!(!job.is_granted || job.at != NEVER, "a granted job is looked at");
            let is_watched =
                [NEVER, NOW].contains(&job.at) || entries.binary_search(&(job.at, id)).is_ok();
            assert!(is_watched, "a job is looked at when it says so");
        }
        let first = entries.first().map_or(NEVER, |(at, _)| *at);
        assert!(self.wakes_at <= first + GRAIN, "the task wakes before anything is late");
    }

    pub(super) fn len(&self) -> usize {
        self.heap.len()
    }

    #[cfg(test)]
    pub(super) fn clear(&mut self) {
        self.heap.clear();
    }
}

fn is_true(jobs: &IdMap<JobId, Entered>, at: Mono, job: JobId) -> bool {
    jobs.get(&job).is_some_and(|job| job.at == at)
}

/// What has timed out.
#[derive(Debug, Default)]
pub struct TimedOut {
    /// Jobs that ran too long, each once.
    pub overdue: Vec<Arc<Passing>>,
    /// Where nothing has been heard of a child for a quarter of a second, or half of one, one, two and so on; and where a child
    /// has not begun what is somebody else's meanwhile.
    pub quiet: Vec<(Assignment, ProbeReason)>,
}

impl Pool {
    /// Waits for the first moment at which something may have timed out, and tells how long ago that was.
    pub async fn any_timeout(&self) -> Span {
        loop {
            let (at, now) = (self.lock().timeouts.wakes_at, clock::now());
            if at <= now {
                return now - at;
            }
            let left = Duration::from_nanos((at - now).0);
            let sleep = async {
                match at {
                    NEVER => std::future::pending().await,
                    _ => tokio::time::sleep(left).await,
                }
            };
            tokio::select! {
                () = sleep => {}
                () = self.sooner.notified() => {}
            }
        }
    }

    /// Lets time pass: jobs that waited too long expire. What else has timed out is returned.
    pub fn handle_time(&self, now: Mono) -> TimedOut {
        let mut inner = self.lock();
        if inner.scheduler.poll_timeout().is_some_and(|(at, _)| at <= now) {
            inner.scheduler.handle_timeout(now);
        }
        let effects = inner.drain(now);
        let unheard = inner.unheard(now);
        let jobs = inner.take_due(now);
        drop(inner);
        self.apply(effects, now);
        let mut timed_out = TimedOut::default();
        let mut again = Vec::with_capacity(jobs.len());
        for (job, is_granted) in jobs {
            if let Some(quiet) = job.is_to_be_asked_about(now) {
                timed_out.quiet.extend(job.assignment().map(|assignment| (assignment, quiet)));
            }
            let is_overdue = job.becomes_overdue(now);
            again.push((job.id, job.look_at(now, is_granted)));
            timed_out.overdue.extend(is_overdue.then_some(job));
        }
        // Those behind another one are its child's next.
        timed_out.quiet.retain(|(assignment, _)| assignment.carrier.is_oldest(assignment.stream));
        timed_out.quiet.extend(unheard.into_iter().filter_map(|carrier| {
            let stream = carrier.unheard()?;
            Some((Assignment { carrier, stream }, ProbeReason::Unanswered))
        }));
        self.lock().looked_at(again);
        timed_out
    }
}

impl Inner {
    /// A job is given a place at a child.
    pub(super) fn granted(&mut self, job: JobId, now: Mono) -> Arc<Passing> {
        let entered = self.jobs.get_mut(&job).expect("the scheduler grants the pool's jobs");
        entered.is_granted = true;
        let passing = entered.passing.clone();
        self.timeouts.arm(entered, now + passing.soonest());
        self.timeouts.tidy(&self.jobs);
        passing
    }

    /// A job that may have its place for longer than it may wait.
    pub(super) fn watch_deadline(&mut self, passing: &Passing) {
        if let Some(deadline) = passing.terms.deadline {
            self.arm(passing.id, deadline);
        }
    }

    /// The job is to be looked at then, if not sooner.
    pub(super) fn arm(&mut self, job: JobId, at: Mono) {
        if let Some(job) = self.jobs.get_mut(&job) {
            self.timeouts.arm(job, at);
            self.timeouts.tidy(&self.jobs);
        }
    }

    /// The jobs that are to be looked at, and whether each is granted.
    pub(super) fn take_due(&mut self, now: Mono) -> Vec<(Arc<Passing>, bool)> {
        let mut due = Vec::new();
        while let Some((_, job)) = self.timeouts.first(&self.jobs).filter(|(at, _)| *at <= now) {
            self.timeouts.heap.pop();
            let Some(entered) = self.jobs.get_mut(&job) else { continue };
            entered.at = NOW;
            due.push((entered.passing.clone(), entered.is_granted));
        }
        due
    }

    /// The carriers of children that have not begun what is somebody else's meanwhile, when it is time to ask about them.
    fn unheard(&mut self, now: Mono) -> Vec<Arc<Carrier>> {
        if now < self.timeouts.unheard_at {
            return Vec::new();
        }
        let unheard = self.suppliers.values().filter(|supplier| supplier.unheard);
        let unheard: Vec<_> = unheard.map(|supplier| supplier.carrier.clone()).collect();
        self.timeouts.unheard_at = if unheard.is_empty() { NEVER } else { now + ASK };
        unheard
    }

    /// Jobs were looked at; all that is to come is known again.
    pub(super) fn looked_at(&mut self, jobs: Vec<(JobId, Option<Mono>)>) {
        for (id, at) in jobs {
            // It may be over.
            if let Some(job) = self.jobs.get_mut(&id) {
                job.at = NEVER;
                self.timeouts.arm(job, at.unwrap_or(NEVER));
            }
        }
        for (id, at) in std::mem::take(&mut self.timeouts.meanwhile) {
            self.arm(id, at);
        }
        let timeouts = &mut self.timeouts;
        let first = timeouts.first(&self.jobs).map_or(NEVER, |(at, _)| at);
        let expires = self.scheduler.poll_timeout().map_or(NEVER, |(at, _)| at);
        timeouts.wakes_at = first.min(expires).min(timeouts.unheard_at) + GRAIN;
        self.decided();
    }
}

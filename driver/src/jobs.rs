//! The unfinished jobs: of each only what decisions need. What it runs stays in the store.
//!
//! A waiting job that never ran takes about 140 bytes here. Jobs that are the same are filed together, so that a dedupe
//! finds the others without a search.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hash, Hasher},
    ops::{Index, IndexMut},
    sync::Arc,
};

use ostler_job::{
    JobId, Mono, Since, Span, Wall,
    durable::{
        AttemptKey, Delivery, Edit, Fence, JobState, Order, Reason, Resources, Retry, Same,
        Scheduling, Spec,
    },
};

use super::{
    claims::Claims,
    counts::{Counts, Whose},
};

/// No number of a host.
const ANYWHERE: u32 = u32::MAX;
/// The moment of a job that never expires.
pub(super) const NEVER: Mono = Mono(u64::MAX);

/// An unfinished job.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) submitted_at: Wall,
    /// The same by the clock that nobody sets.
    pub(super) since: Since,
    /// When it became, or becomes, runnable; [`Wall`] zero: when it was submitted.
    pub(super) due: Wall,
    /// When it expires, unless it was started.
    pub(super) expires: Mono,
    /// The present or last lease.
    pub(super) fence: Fence,
    /// Keyed hash of tenant and identity: at a million jobs, two differ in name and not in this once in 40 million.
    pub(super) identity: u64,
    /// The same of what a dedupe compares.
    pub(super) same: u64,
    pub(super) policy: Arc<Policy>,
    /// The present or last attempt; `None`: there was none.
    pub(super) run: Option<Box<Run>>,
    pub(super) tenant: u32,
    pub(super) queue: u32,
    host: u32,
    pub(super) attempts: u32,
    pub(super) failures: u32,
    pub(super) crashes: u32,
    pub(super) state: JobState,
    pub(super) reason: Option<Reason>,
    pub(super) claims: Option<Box<Claims>>,
    pub(super) kill: bool,
    /// The event that is being handled has changed it already.
    pub(super) touched: bool,
}

/// What is known of the present or last attempt.
#[derive(Clone, Debug)]
pub(super) struct Run {
    /// Number of the runner.
    pub(super) runner: u32,
    pub(super) leased_at: Wall,
    /// When it was given to its runner; `None`: it was not yet.
    pub(super) sent: Option<Sent>,
    /// A hash of which process of the runner it was leased to.
    pub(super) incarnation: Option<u32>,
    pub(super) started_at: Option<Wall>,
    /// The runner has said that it has it.
    pub(super) seen: bool,
    /// Its runner was lost with it.
    pub(super) lost: bool,
    /// The order to end it that was given.
    pub(super) kill: Option<Order>,
    /// It is to be stopped.
    pub(super) stop: bool,
    /// It was ordered to end for the job to wait in this queue.
    pub(super) to: Option<u32>,
    /// When its retry is due.
    pub(super) retry_at: Mono,
    /// Attempts before it that came back unstarted, one after the other.
    pub(super) returns: u32,
    /// When it was over, while nothing has followed it.
    pub(super) finished_at: Option<Wall>,
    pub(super) exit_status: Option<i32>,
    pub(super) signal: Option<i32>,
}

impl Run {
    /// A moment of its runner's clock by the gateway's: as far as the two cannot agree, it was between the lease and now.
    pub(super) fn moment(&self, at: Wall, now: Wall) -> Wall {
        at.max(self.leased_at).min(now)
    }
}

/// An attempt that was put on a link.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) at: Mono,
    /// How often its runner had been heard by then.
    pub(super) beats: u64,
    pub(super) link: u64,
}

impl Job {
    pub(super) fn new(
        (identity, same): (u64, u64),
        policy: Arc<Policy>,
        Whose { tenant, queue }: Whose,
        (submitted_at, since): (Wall, Since),
    ) -> Self {
        Self {
            submitted_at,
            since,
            due: Wall(0),
            expires: NEVER,
            fence: Fence(0),
            identity,
            same,
            policy,
            run: None,
            tenant,
            queue,
            host: ANYWHERE,
            attempts: 0,
            failures: 0,
            crashes: 0,
            state: JobState::Pending,
            reason: None,
            claims: None,
            kill: false,
            touched: false,
        }
    }

    /// Whom it is counted for.
    pub(super) const fn whose(&self) -> Whose {
        Whose { tenant: self.tenant, queue: self.queue }
    }

    /// Number of the host it is pinned to.
    pub(super) fn host(&self) -> Option<u32> {
        (self.host != ANYWHERE).then_some(self.host)
    }

    pub(super) fn pin(&mut self, host: Option<u32>) {
        self.host = host.unwrap_or(ANYWHERE);
    }

    pub(super) fn key(&self, job: JobId) -> AttemptKey {
        AttemptKey { job, attempt: self.attempts, fence: self.fence }
    }

    /// The queue that it waits in when its runner has ended it.
    pub(super) fn moves_to(&self) -> Option<u32> {
        self.run.as_ref().filter(|_| self.state.is_out())?.to
    }

    /// The runner that has it.
    pub(super) fn at(&self) -> Option<u32> {
        self.run.as_ref().filter(|_| self.state.is_out()).map(|run| run.runner)
    }

    /// Its present attempt.
    pub(super) fn run_mut(&mut self) -> &mut Run {
        self.run.as_mut().expect("a job that is out has a run")
    }
}

/// What many jobs have in common.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Policy {
    pub(super) retry: Retry,
    pub(super) once: bool,
    pub(super) within: Option<Span>,
}

type PolicyKey = (u32, Span, Span, (bool, bool), Vec<i32>, bool, Option<Span>);

/// What decisions need of a spec.
pub(super) struct Terms<'a> {
    pub(super) tenant: &'a str,
    pub(super) identity: &'a str,
    pub(super) content: Option<u64>,
    pub(super) expires: Option<Wall>,
    within: Option<Span>,
    delivery: Delivery,
    retry: &'a Retry,
    pub(super) needs: &'a Resources,
}

macro_rules! asked {
    ($it:ident) => {
        Self {
            tenant: &$it.tenant,
            identity: &$it.identity,
            content: $it.content,
            expires: $it.expires,
            within: $it.within,
            delivery: $it.delivery,
            retry: &$it.retry,
            needs: &$it.needs,
        }
    };
}

impl<'a> From<&'a Spec> for Terms<'a> {
    fn from(spec: &'a Spec) -> Self {
        asked!(spec)
    }
}

impl<'a> From<&'a Scheduling> for Terms<'a> {
    fn from(scheduling: &'a Scheduling) -> Self {
        asked!(scheduling)
    }
}

impl Policy {
    fn of(asked: &Terms<'_>) -> Self {
        let once = asked.delivery == Delivery::AtMostOnce;
        Self { retry: asked.retry.clone(), once, within: asked.within }
    }

    fn key(&self) -> PolicyKey {
        let Retry { attempts, delay, delay_max, constant, exit_codes, only_started } = &self.retry;
        let kind = (*constant, *only_started);
        (*attempts, *delay, *delay_max, kind, exit_codes.clone(), self.once, self.within)
    }
}

/// The table of unfinished jobs.
#[derive(Debug)]
pub(super) struct JobTable {
    table: BTreeMap<JobId, Box<Job>>,
    /// Every job under what it is the same as others by.
    alike: BTreeSet<(u64, JobId)>,
    policies: BTreeMap<PolicyKey, Arc<Policy>>,
    pub(super) counts: Counts,
    seed: u64,
}

impl JobTable {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            table: BTreeMap::new(),
            alike: BTreeSet::new(),
            policies: BTreeMap::new(),
            counts: Counts::default(),
            seed,
        }
    }

    pub(super) fn get(&self, id: JobId) -> Option<&Job> {
        self.table.get(&id).map(|job| &**job)
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (JobId, &Job)> {
        self.table.iter().map(|(&id, job)| (id, &**job))
    }

    /// The job is in another state from here on.
    pub(super) fn shift(&mut self, id: JobId, to: JobState) {
        let job = &mut self[id];
        let before = job.moves_to();
        let (whose, from) = (job.whose(), std::mem::replace(&mut job.state, to));
        let after = job.moves_to();
        self.counts.shift(whose, from, to);
        self.counts.redirect(before, after);
    }

    /// The job, which a runner has, waits in this queue when its attempt is over; `None`: it does not.
    pub(super) fn redirect(&mut self, id: JobId, to: Option<u32>) {
        let job = &mut self[id];
        let before = job.moves_to();
        job.run_mut().to = to;
        let after = job.moves_to();
        self.counts.redirect(before, after);
    }

    /// The job is in another queue from here on.
    pub(super) fn requeue(&mut self, id: JobId, queue: u32) {
        let job = &mut self[id];
        let (from, state) = (job.whose(), job.state);
        job.queue = queue;
        let to = job.whose();
        self.counts.add(from, state, -1);
        self.counts.add(to, state, 1);
    }

    /// The job is tried again, or promised, otherwise from here on.
    pub(super) fn amend(&mut self, id: JobId, edit: &Edit) {
        let old = self[id].policy.clone();
        let retry = edit.retry.as_ref().unwrap_or(&old.retry).clone();
        let within = edit.within.unwrap_or(old.within);
        let policy = self.keep_policy(Arc::new(Policy { retry, once: old.once, within }));
        self[id].policy = policy;
        self.let_go(&old);
    }

    /// Nobody but the table and whoever asks may have the policy any more.
    fn let_go(&mut self, policy: &Arc<Policy>) {
        if Arc::strong_count(policy) == 2 {
            self.policies.remove(&policy.key());
        }
    }

    /// The hash that jobs of one tenant and identity share.
    pub(super) fn identity(&self, tenant: &str, identity: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.seed, tenant, identity).hash(&mut hasher);
        hasher.finish()
    }

    /// The hash of what a dedupe compares.
    pub(super) fn same(&self, tenant: &str, identity: &str, content: Option<u64>) -> u64 {
        let mut hasher = DefaultHasher::new();
        match Same::of(identity, content) {
            Same::Identity(identity) => (self.seed, tenant, 0_u8, identity).hash(&mut hasher),
            Same::Content(content, _) => (self.seed, tenant, 1_u8, content).hash(&mut hasher),
        }
        hasher.finish()
    }

    /// The shared policy of a spec.
    pub(super) fn policy(&mut self, asked: &Terms<'_>) -> Arc<Policy> {
        let policy = Policy::of(asked);
        self.policies.entry(policy.key()).or_insert_with(|| Arc::new(policy)).clone()
    }

    /// The same policy as jobs that are there share it.
    pub(super) fn keep_policy(&mut self, policy: Arc<Policy>) -> Arc<Policy> {
        self.policies.entry(policy.key()).or_insert(policy).clone()
    }

    pub(super) fn insert(&mut self, id: JobId, job: Job) {
        self.alike.insert((job.same, id));
        self.counts.add(job.whose(), job.state, 1);
        let known = self.table.insert(id, Box::new(job));
        debug_assert!(known.is_none(), "a job is taken once");
    }

    pub(super) fn remove(&mut self, id: JobId) -> Option<Job> {
        let job = *self.table.remove(&id)?;
        self.counts.add(job.whose(), job.state, -1);
        self.alike.remove(&(job.same, id));
        self.let_go(&job.policy);
        Some(job)
    }

    /// The jobs that are the same, newest first.
    pub(super) fn alike(&self, same: u64) -> impl Iterator<Item = (JobId, &Job)> {
        let all = (same, JobId(0))..=(same, JobId(u64::MAX));
        self.alike.range(all).rev().map(|&(_, id)| (id, &self[id]))
    }
}

impl Index<JobId> for JobTable {
    type Output = Job;

    fn index(&self, id: JobId) -> &Job {
        self.get(id).expect("a job is asked for only while it is unfinished")
    }
}

impl IndexMut<JobId> for JobTable {
    fn index_mut(&mut self, id: JobId) -> &mut Job {
        self.table.get_mut(&id).expect("a job is asked for only while it is unfinished")
    }
}

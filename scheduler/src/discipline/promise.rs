//! `promise`: a fair share of slot time for every tenant (weighted fair queueing, as EEVDF does it), and inside that the job that
//! must start soonest (earliest deadline first, by latest start).
//!
//! Every flow carries a virtual start tag `S`, the slot time per unit of weight that it has been charged. Virtual time
//! `V` is the smallest tag among the flows with waiting jobs, and never goes back. A flow is *eligible* while
//! `S <= V + B`, and of the eligible ones the flow is served whose head has the smallest `(late, latest start)`. It is
//! charged the job's estimate at once and the difference when the job is over. A flow that comes back from idling starts
//! at `V`: idling earns nothing, while what it owes is remembered until `V` has caught up.
//!
//! So for two flows that have jobs waiting all the time, the service per weight differs by at most
//! `2B + c_i/w_i + c_f/w_f`, a little more for the creep below (`c` the costliest job). A job whose latest start has
//! passed moves to its flow's late list, which gets a fifth of what the flow gets: work that is lost already cannot
//! make the rest late, too.
//!
//! *Creep.* With `V` held by the smallest tag alone, newcomers that start at `V` forever would hold it there, and
//! whoever has been served once would wait for all of them. So every finished job also moves `V` by an eighth of what a
//! fluid share would, and a flow left behind `V` by more than `B` and its head's cost is served next however urgent the
//! others are. Thus everybody is served after finitely many jobs, whoever comes, and debts of flows that left are
//! forgotten in time. It loosens the bound above by a seventh of the mean `B + c/w`, where the costs of the jobs that
//! are running count, too.
//!
//! *Pins.* Jobs that are pinned to a host wait in lists of their own, but their tenant has one tag: what it is given
//! there it has been given. While their host is busy or away, `V` goes on without them; a flow that was left behind so
//! is served first on that host, and what it could not use before counts for one job and `B` at most.

use std::collections::BTreeMap;

use ostler_job::{Mono, Span};

use super::flow::{Flow, Head};
use super::tag::Tag;
use super::{Discipline, Rank};
use crate::config::Config;
use crate::heap::IndexedHeap;
use crate::jobs::{JobIx, Jobs};
use crate::tenants::TenantIx;
use crate::waitlist::Entry;

/// `V` creeps by this part of a fluid share.
const CREEP: u64 = 8;

/// A job moves `V` for this much of its time at most, or the end of a very long one would make everybody eligible.
const CREEP_JOB_MAX: Span = Span::from_secs(10);

/// Jobs moved to late lists in one dispatch at most; the rest is for the next, so that no dispatch takes long.
const DEMOTIONS_MAX: u32 = 128;

/// All flows.
pub(crate) struct PromiseQueue {
    credit: Tag,
    grace: Span,
    v: Tag,
    flows: Vec<Flow>,
    /// Eligible flows by head.
    eligible: IndexedHeap<Head>,
    /// The same flows by tag.
    eligible_tags: IndexedHeap<Tag>,
    /// Flows with waiting jobs that are ahead of their share, by tag.
    ahead: IndexedHeap<Tag>,
    /// Flows without jobs that owe something, by tag.
    owing: IndexedHeap<Tag>,
    forgotten: Vec<TenantIx>,
    /// Weight of all flows that have a job which may be served.
    weights: u64,
    len: usize,
}

impl PromiseQueue {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            credit: match config.urgency_credit {
                Span::ZERO => Tag::default(),
                credit => Tag::of(credit, 1),
            },
            grace: config.late_grace,
            v: Tag::default(),
            flows: Vec::new(),
            eligible: IndexedHeap::default(),
            eligible_tags: IndexedHeap::default(),
            ahead: IndexedHeap::default(),
            owing: IndexedHeap::default(),
            forgotten: Vec::new(),
            weights: 0,
            len: 0,
        }
    }

    /// Moves `V` up to the smallest tag, that of others included, and makes eligible what that makes so.
    fn advance(&mut self, others: Option<Tag>) {
        let tags = [self.eligible_tags.first(), self.ahead.first()];
        let tags = tags.map(|first| first.map(|(tag, _)| tag));
        if let Some(least) = tags.into_iter().flatten().chain(others).min() {
            self.v = self.v.max(least);
        }
        while let Some((start, flow)) = self.ahead.first()
            && start <= self.v.plus(self.credit)
        {
            self.rekey(TenantIx(flow));
        }
        while let Some((start, flow)) = self.owing.first()
            && start <= self.v
        {
            self.owing.remove(flow);
            self.forget(TenantIx(flow));
        }
    }

    /// Files the flow under its head and its tag, after any change of them.
    fn rekey(&mut self, flow: TenantIx) {
        let ix = flow.0;
        let it = &mut self.flows[ix as usize];
        self.weights -= it.filed.take().unwrap_or(0);
        let head = it.head();
        if head.is_some() || (it.pinned > 0 && !it.blocked) {
            it.filed = Some(it.weight);
            self.weights += it.weight;
        }
        let Some(head) = head else {
            self.eligible.remove(ix);
            self.eligible_tags.remove(ix);
            self.ahead.remove(ix);
            return;
        };
        if it.start <= self.v.plus(self.credit) {
            self.ahead.remove(ix);
            self.eligible.set(ix, head);
            self.eligible_tags.set(ix, it.start);
        } else {
            self.eligible.remove(ix);
            self.eligible_tags.remove(ix);
            self.ahead.set(ix, it.start);
        }
    }

    /// The flow left furthest behind, if it is too far.
    fn left_behind(&self, jobs: &Jobs) -> Option<u32> {
        let (start, flow) = self.eligible_tags.first()?;
        if start.plus(self.credit) >= self.v {
            return None;
        }
        let it = &self.flows[flow as usize];
        let cost = jobs[it.backlog.next()?.job].cost;
        self.is_left_behind(it, cost).then_some(flow)
    }

    fn is_left_behind(&self, it: &Flow, cost: Span) -> bool {
        it.start.plus(self.credit).plus(Tag::of(cost, it.weight)) < self.v
    }

    /// The flow to serve, once what missed its start is out of its way.
    fn choose(&mut self, jobs: &mut Jobs, now: Mono, others: Option<Tag>) -> Option<u32> {
        self.advance(others);
        if let Some(flow) = self.left_behind(jobs) {
            return Some(flow);
        }
        for _ in 0..DEMOTIONS_MAX {
            let (head, flow) = self.eligible.first()?;
            if !self.has_missed(head, now) {
                break;
            }
            self.flows[flow as usize].backlog.demote(jobs);
            self.rekey(TenantIx(flow));
        }
        self.eligible.first().map(|(_, flow)| flow)
    }

    fn forget(&mut self, flow: TenantIx) {
        let it = &mut self.flows[flow.0 as usize];
        it.backlog.clear();
        it.start = self.v;
        self.forgotten.push(flow);
    }
}

impl Discipline for PromiseQueue {
    fn open(&mut self, flow: TenantIx, weight: u32) {
        if self.flows.len() <= flow.0 as usize {
            let v = self.v;
            self.flows.resize_with(flow.0 as usize + 1, || Flow { start: v, ..Flow::default() });
        }
        self.owing.remove(flow.0);
        self.flows[flow.0 as usize].weight = u64::from(weight.max(1));
    }

    fn enqueue(&mut self, jobs: &Jobs, job: JobIx) {
        let (flow, job_late) = (jobs[job].tenant, jobs[job].late);
        let entry = Entry { key: jobs[job].lst, seq: jobs[job].seq, job };
        let it = &mut self.flows[flow.0 as usize];
        let head = it.head();
        if it.backlog.is_empty() {
            it.start = it.start.max(self.v);
        }
        it.backlog.push(job_late, entry);
        self.len += 1;
        if it.head() != head {
            self.rekey(flow);
        }
    }

    fn dequeue(&mut self, jobs: &mut Jobs, now: Mono) -> Option<JobIx> {
        let flow = self.choose(jobs, now, None)?;
        let it = &mut self.flows[flow as usize];
        let (job, cost) = it.backlog.pop(jobs)?;
        it.start = it.start.plus(Tag::of(cost, it.weight));
        self.len -= 1;
        self.rekey(TenantIx(flow));
        Some(job)
    }

    fn pass(&mut self, flow: TenantIx, cost: Span, alone: bool) {
        // As if it had waited for no time: alone, it holds V; it is served and charged.
        let it = &mut self.flows[flow.0 as usize];
        if alone {
            self.v = self.v.max(it.start);
        }
        it.start = it.start.max(self.v).plus(Tag::of(cost, it.weight));
        if it.filed.is_some() {
            self.rekey(flow);
        }
        self.advance(None);
    }

    fn remove(&mut self, jobs: &Jobs, flow: TenantIx, late: bool) {
        let it = &mut self.flows[flow.0 as usize];
        it.backlog.lose(jobs, late);
        self.len -= 1;
        self.rekey(flow);
    }

    fn correct(&mut self, flow: TenantIx, late: Option<bool>, charged: Span, actual: Span) {
        let it = &mut self.flows[flow.0 as usize];
        if let Some(late) = late {
            it.backlog.correct(late, charged, actual);
        }
        if actual > charged {
            let more = Span(actual.0 - charged.0);
            it.start = it.start.plus(Tag::of(more, it.weight));
        } else if actual < charged {
            let less = Span(charged.0 - actual.0);
            // Never below V: that would be a claim from the past on everybody else.
            let floor = it.start.min(self.v);
            it.start = it.start.minus(Tag::of(less, it.weight)).max(floor);
        }
        if it.filed.is_some() {
            self.rekey(flow);
        }
    }

    fn finish(&mut self, flow: TenantIx, actual: Span) {
        let weights = self.weights.max(self.flows[flow.0 as usize].weight);
        let by = actual.min(CREEP_JOB_MAX);
        self.v = self.v.plus(Tag::of(by, weights.saturating_mul(CREEP)));
    }

    fn set_blocked(&mut self, flow: TenantIx, blocked: bool) {
        let it = &mut self.flows[flow.0 as usize];
        it.blocked = blocked;
        if !blocked {
            it.start = it.start.max(self.v);
        }
        self.rekey(flow);
    }

    fn retire(&mut self, flow: TenantIx) {
        let start = self.flows[flow.0 as usize].start;
        if start <= self.v {
            self.forget(flow);
        } else {
            self.owing.set(flow.0, start);
        }
    }

    fn reset(&mut self) {
        while let Some((start, flow)) = self.owing.first() {
            self.v = self.v.max(start);
            self.owing.remove(flow);
            self.forget(TenantIx(flow));
        }
    }

    fn poll_forgotten(&mut self) -> Option<TenantIx> {
        self.forgotten.pop()
    }

    fn len(&self) -> usize {
        self.len
    }

    fn is_runnable(&self) -> bool {
        !self.eligible.is_empty() || !self.ahead.is_empty()
    }

    fn entry(&self, jobs: &Jobs, job: JobIx) -> Entry {
        Entry { key: jobs[job].lst, seq: jobs[job].seq, job }
    }

    fn ahead(&self, jobs: &Jobs, flow: TenantIx, lst: Mono) -> u128 {
        let it = &self.flows[flow.0 as usize];
        // Of all that run, its tenant gets its weight's part.
        it.backlog.ahead(jobs, lst) * u128::from(self.weights.max(it.weight))
            / u128::from(it.weight)
    }

    fn has_missed(&self, head: Head, now: Mono) -> bool {
        !head.late && head.lst + self.grace < now
    }

    fn pin(&mut self, flow: TenantIx) {
        let it = &mut self.flows[flow.0 as usize];
        if it.backlog.is_empty() && it.pinned == 0 {
            it.start = it.start.max(self.v);
        }
        it.pinned += 1;
        self.rekey(flow);
    }

    fn unpin(&mut self, flow: TenantIx) {
        self.flows[flow.0 as usize].pinned -= 1;
        self.rekey(flow);
    }

    fn charge(&mut self, flow: TenantIx, cost: Span) {
        let it = &mut self.flows[flow.0 as usize];
        let cost = Tag::of(cost, it.weight);
        // While its host was busy or away it could use nothing, and others used what it did not.
        let floor = self.v.minus(self.credit).minus(cost);
        it.start = it.start.max(floor).plus(cost);
        self.rekey(flow);
    }

    fn tag(&self, flow: TenantIx) -> Option<Tag> {
        let it = &self.flows[flow.0 as usize];
        (!it.blocked).then_some(it.start)
    }

    fn rank(&self, flow: TenantIx, head: Head, cost: Span) -> Rank {
        let it = &self.flows[flow.0 as usize];
        if self.is_left_behind(it, cost) {
            Rank::LeftBehind(it.start, head.seq)
        } else if it.start <= self.v.plus(self.credit) {
            Rank::Eligible(head)
        } else {
            Rank::Ahead(it.start, head)
        }
    }

    fn best(&mut self, jobs: &mut Jobs, now: Mono, others: Option<Tag>) -> Option<Rank> {
        let chosen = self.choose(jobs, now, others);
        let flow = chosen.or_else(|| self.ahead.first().map(|(_, flow)| flow))?;
        let backlog = &self.flows[flow as usize].backlog;
        let cost = jobs[backlog.next()?.job].cost;
        Some(self.rank(TenantIx(flow), backlog.head()?, cost))
    }

    fn check(&self, jobs: &Jobs, pinned: &BTreeMap<u32, u32>) {
        for heap in [&self.eligible_tags, &self.ahead, &self.owing] {
            heap.check();
        }
        self.eligible.check();
        let (mut len, mut weights) = (0, 0);
        for (at, flow) in self.flows.iter().enumerate() {
            let at = at as u32;
            flow.backlog.check(jobs);
            len += flow.backlog.len() as usize;
            assert_eq!(flow.pinned, pinned.get(&at).copied().unwrap_or(0), "and its pinned jobs");
            weights += flow.filed.unwrap_or(0);
            let (eligible, ahead) = (self.eligible.contains(at), self.ahead.contains(at));
            assert_eq!(eligible || ahead, flow.head().is_some(), "flows with a head are filed");
            let counts = flow.head().is_some() || (flow.pinned > 0 && !flow.blocked);
            assert_eq!(flow.filed.is_some(), counts, "flows that may be served count");
            assert!(!(eligible && ahead), "no flow is both eligible and ahead");
            if eligible {
                assert_eq!(self.eligible.key(at), flow.head(), "a flow is filed under its head");
                assert_eq!(self.eligible_tags.key(at), Some(flow.start), "and under its tag");
            } else {
                assert!(!self.eligible_tags.contains(at), "only eligible flows' tags are kept");
                assert!(
                    !ahead || self.ahead.key(at) == Some(flow.start),
                    "a flow ahead has its tag"
                );
            }
            let owes = self.owing.key(at);
            assert!(
                owes.is_none_or(|tag| flow.backlog.is_empty()
                    && flow.pinned == 0
                    && tag == flow.start),
                "only the idle owe"
            );
        }
        assert_eq!(len, self.len, "the length is the sum of the flows'");
        assert_eq!(weights, self.weights, "the weight is that of the filed flows");
    }
}

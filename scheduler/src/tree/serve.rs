//! Jobs in and out: what each step of a job's way changes at its flow and at every node above it.

use std::borrow::Cow;

use ostler_job::{Mono, QueueId, Span};

use super::node::Member;
use super::spread::scaled;
use super::{NodeIx, Tree};
use crate::backlog::Backlog;
use crate::config::DisciplineKind;
use crate::discipline::{Child, Turn};
use crate::jobs::{Charged, Granted, Job, JobIx, Jobs};
use crate::lane::Lane;
use crate::tenants::FlowIx;
use crate::waitlist::Entry;

/// Jobs moved to late lists in one dispatch at most; the rest is for the next, so that no dispatch takes long.
const DEMOTIONS_MAX: u32 = 128;

impl Tree {
    /// A job waits: its entry in the table says whose it is and what its key is.
    #[inline]
    pub(crate) fn enqueue(&mut self, jobs: &Jobs, ix: JobIx) {
        let job = &jobs[ix];
        let (flow, lane) = (job.flow, job.lane);
        let it = &self.flows[flow.0 as usize];
        let node = it.node;
        let entry = Entry::of(self[node].order.key(job.lst), job, ix);
        let backlog = self.flows[flow.0 as usize].backlogs.entry(lane, Backlog::default);
        let is_next = backlog.push(job.late, entry);
        self.count_waiting(node, 1);
        if is_next {
            self.offer(flow, lane);
        }
    }

    /// A job of this flow waits no more, for another reason than that it was taken out; its entry says so already.
    pub(crate) fn remove(&mut self, jobs: &Jobs, flow: FlowIx, lane: Lane, late: bool) {
        let it = &mut self.flows[flow.0 as usize];
        let node = it.node;
        if let Some(backlog) = it.backlogs.get_mut(lane) {
            backlog.lose(jobs, late);
        }
        self.count_waiting(node, -1);
        self.offer(flow, lane);
        self.drop_empty(flow, lane);
    }

    /// Takes out the next job for a slot that serves these lanes, and charges everybody above it.
    #[inline]
    pub(crate) fn dequeue(&mut self, jobs: &mut Jobs, lanes: &[Lane], now: Mono) -> Option<JobIx> {
        let (flow, lane) = self.descend(jobs, (self.top, lanes), now)?;
        self.take(jobs, flow, lane, now)
    }

    /// The same for the job that has waited longest, whoever's it is.
    pub(crate) fn dequeue_eldest(
        &mut self,
        jobs: &Jobs,
        lanes: &[Lane],
        now: Mono,
    ) -> Option<JobIx> {
        let (flow, lane) = self.eldest(lanes)?;
        self.take(jobs, flow, lane, now)
    }

    /// Takes out a job of the queue whose next job has waited longest in one of these lanes, which are those of sets; which of its jobs is
    /// that queue's to say.
    pub(crate) fn dequeue_left_behind(
        &mut self,
        jobs: &mut Jobs,
        lanes: &[Lane],
        now: Mono,
    ) -> Option<JobIx> {
        let mut lane = self[self.top].order.eldest(lanes)?.lane;
        let mut at = self.top;
        while lane != Lane::USUAL {
            let turn = self[at].order.eldest(&[lane])?;
            let Member::Node(node) = self[at].member(turn.child) else { return None };
            lane = self.below(node, lane)?;
            at = node;
        }
        let (flow, lane) = self.descend(jobs, (at, &[lane]), now)?;
        self.take(jobs, flow, lane, now)
    }

    /// Whose next job has waited longest in these lanes.
    pub(crate) fn eldest(&self, lanes: &[Lane]) -> Option<(FlowIx, Lane)> {
        let (mut at, mut lanes) = (self.top, Cow::Borrowed(lanes));
        loop {
            let Turn { child, lane, .. } = self[at].order.eldest(&lanes)?;
            match self[at].member(child) {
                Member::Flow(flow) => return Some((flow, lane)),
                Member::Node(node) => {
                    if self[node].outer != Lane::USUAL {
                        lanes = self.rename_below(node, &lanes).into();
                    }
                    at = node;
                }
                Member::Nobody | Member::Gone => unreachable!("only children offer anything"),
            }
        }
    }

    /// What the next job of a flow costs.
    pub(crate) fn next_cost(&self, jobs: &Jobs, flow: FlowIx, lane: Lane) -> Span {
        let next = self.flows[flow.0 as usize].backlogs.get(lane).and_then(Backlog::next);
        next.map_or(Span::ZERO, |entry| jobs[entry.job].cost)
    }

    /// From a node, the top one as a rule, to a flow, by one choice a level; what missed its start gets out of the way.
    #[inline]
    fn descend(
        &mut self,
        jobs: &mut Jobs,
        (from, lanes): (NodeIx, &[Lane]),
        now: Mono,
    ) -> Option<(FlowIx, Lane)> {
        let (mut at, mut demotions) = (from, 0);
        // Lanes as they are called from some level on.
        let (mut renamed, mut is_renamed) = (Vec::new(), false);
        loop {
            let here = if is_renamed { &renamed } else { lanes };
            let turn = self.choose(at, jobs, here, now)?;
            match self[at].member(turn.child) {
                Member::Node(node) => {
                    if self[node].outer != Lane::USUAL {
                        renamed = self.rename_below(node, here);
                        is_renamed = true;
                    }
                    at = node;
                }
                Member::Flow(flow) => {
                    let missed = self[at].order.has_missed(turn.head, now);
                    if !missed || demotions == DEMOTIONS_MAX {
                        return Some((flow, turn.lane));
                    }
                    demotions += 1;
                    let backlogs = &mut self.flows[flow.0 as usize].backlogs;
                    backlogs.get_mut(turn.lane)?.demote(jobs);
                    self.offer(flow, turn.lane);
                    (at, is_renamed) = (from, false);
                }
                Member::Nobody | Member::Gone => unreachable!("only children offer anything"),
            }
        }
    }

    #[inline]
    fn take(&mut self, jobs: &Jobs, flow: FlowIx, lane: Lane, now: Mono) -> Option<JobIx> {
        let it = &mut self.flows[flow.0 as usize];
        let (node, child) = (it.node, it.child);
        let (job, cost) = it.backlogs.get_mut(lane)?.pop(jobs)?;
        it.running += 1;
        let (is_held, is_full) = (it.is_held(), it.running == it.cap);
        let next = if is_held { None } else { it.backlogs.get(lane).and_then(Backlog::head) };
        self.waiting -= 1;
        let factors = self.factors(flow);
        // All are charged before a gate closes: behind one the next job is offered, and whose tokens this one uses is seen by its own offer.
        let (mut at, mut by, mut next, mut called, mut level) = (node, child, next, lane, 0);
        self.borrows = 0;
        loop {
            self.ask_whose(at, by, (Some(called), level));
            let it = &mut self[at];
            it.waiting -= 1;
            it.order.serve(by, called, scaled(factors.as_deref(), level, cost), next, now);
            level += 1;
            let Some((parent, number)) = self[at].parent else { break };
            next = self.best(at, called);
            called = self.above(at, called);
            (at, by) = (parent, number);
        }
        self.enter_gates(node, child, now);
        if lane != Lane::USUAL {
            self.drop_empty(flow, lane);
        }
        if is_full {
            self.offer_flow(flow);
        }
        self.keep_factors(jobs[job].id, factors);
        Some(job)
    }

    /// A job of the child goes through the gates of the node and of those above.
    #[inline]
    fn enter_gates(&mut self, mut at: NodeIx, mut child: Child, now: Mono) {
        loop {
            self.recount(at, child);
            self.enter_gate(at, None, now);
            let Some((parent, number)) = self[at].parent else { return };
            (at, child) = (parent, number);
        }
    }

    /// A job of the flow goes straight to a slot since no other that could have it waits. Those that want slots which are busy or away
    /// are left behind by virtual time, as they are where a slot is filled from lists.
    #[inline]
    pub(crate) fn pass(&mut self, job: &Job, now: Mono) {
        self.enter(job, true, (None, now));
    }

    /// A job of the flow has a slot from before, since that moment.
    pub(crate) fn adopt(&mut self, job: &Job, since: Mono, now: Mono) {
        self.enter(job, false, (Some(since), now));
    }

    #[inline]
    fn enter(&mut self, job: &Job, alone: bool, (since, now): (Option<Mono>, Mono)) {
        let it = &self.flows[job.flow.0 as usize];
        let (mut at, mut child) = (it.node, it.child);
        self.enter_flow(job.flow);
        let (factors, mut level) = (self.factors(job.flow), 0);
        self.borrows = 0;
        loop {
            self.ask_whose(at, child, (None, level));
            let cost = scaled(factors.as_deref(), level, job.cost);
            self[at].order.pass(child, cost, alone, now);
            self.recount(at, child);
            level += 1;
            self.enter_gate(at, since, now);
            let Some((parent, number)) = self[at].parent else {
                return self.keep_factors(job.id, factors);
            };
            (at, child) = (parent, number);
        }
    }

    /// Whether a job of that queue's tenant may be granted, as far as gates and caps are concerned.
    pub(crate) fn may_pass(&self, queue: QueueId, flow: Option<FlowIx>, now: Mono) -> bool {
        if let Some(flow) = flow.map(|flow| &self.flows[flow.0 as usize])
            && (flow.is_held() || !self[flow.node].order.may_pass(flow.child, now))
        {
            return false;
        }
        let mut at = self.node_of(queue);
        loop {
            if !self[at].gate.is_open() {
                return false;
            }
            let Some((parent, child)) = self[at].parent else { return true };
            if !self[parent].order.may_pass(child, now) {
                return false;
            }
            at = parent;
        }
    }

    /// What the job costs that was charged last.
    #[inline]
    pub(crate) fn charged(&self, job: &Job) -> Charged {
        Charged { cost: job.cost, borrows: self.borrows }
    }

    /// A granted job turns out to cost something else than it was charged.
    pub(crate) fn correct(&mut self, job: &Job, charged: Charged, actual: Span) {
        let (factors, mut level) = (self.charged_by(job.id), 0);
        let (mut at, mut child) = self.correct_lists(job, charged.cost, actual);
        loop {
            let of = |cost| scaled(factors.as_deref(), level, cost);
            let borrows = charged.has_borrowed(level);
            self[at].order.correct(child, of(charged.cost), of(actual), borrows);
            level += 1;
            self.retime(at);
            let Some((parent, number)) = self[at].parent else { return };
            (at, child) = (parent, number);
        }
    }

    /// A granted job is over after this time in a slot; `None`: that is not known, and what it was charged stands.
    #[inline]
    pub(crate) fn finish(&mut self, job: &Job, charged: Charged, served: Option<Span>) {
        let actual = served.unwrap_or(charged.cost);
        self.leave_flow(job.flow);
        let (factors, mut level) = (self.take_factors(job.id), 0);
        let (mut at, mut child) = self.correct_lists(job, charged.cost, actual);
        loop {
            let of = |cost| scaled(factors.as_deref(), level, cost);
            if served.is_some() {
                let borrows = charged.has_borrowed(level);
                self[at].order.finish(child, of(charged.cost), of(actual), borrows);
            }
            self.recount(at, child);
            self.retime(at);
            self.leave_gate(at, None);
            level += 1;
            let Some((parent, number)) = self[at].parent else { return };
            (at, child) = (parent, number);
        }
    }

    /// A granted job never began: what it was charged is paid back.
    pub(crate) fn give_back(&mut self, job: &Job, granted: &Granted) {
        self.leave_flow(job.flow);
        let (factors, mut level) = (self.take_factors(job.id), 0);
        let charged = granted.charged;
        let (mut at, mut child) = self.correct_lists(job, charged.cost, Span::ZERO);
        loop {
            let cost = scaled(factors.as_deref(), level, charged.cost);
            self[at].order.correct(child, cost, Span::ZERO, charged.has_borrowed(level));
            self.recount(at, child);
            level += 1;
            self.retime(at);
            self.leave_gate(at, Some(granted.started));
            let Some((parent, number)) = self[at].parent else { return };
            (at, child) = (parent, number);
        }
    }

    /// Notes whether the next job of the child uses at that level what others do not.
    #[inline]
    fn ask_whose(&mut self, at: NodeIx, child: Child, (lane, level): (Option<Lane>, usize)) {
        if self[at].kind == DisciplineKind::Htb && self[at].order.borrows(child, lane) {
            self.borrows |= Charged::bit(level);
        }
    }

    /// Other jobs below the child have slots than before, which `htb` goes by.
    #[inline]
    pub(super) fn recount(&mut self, at: NodeIx, child: Child) {
        if self[at].kind == DisciplineKind::Htb
            && let Member::Node(below) = self[at].member(child)
        {
            let running = self[below].gate.running();
            self[at].order.count(child, running);
        }
    }

    /// What a child was charged is another sum, which may let it go on sooner or later.
    #[inline]
    fn retime(&mut self, at: NodeIx) {
        if self[at].kind == DisciplineKind::Htb {
            self.watch(at);
            self.offer_all(at);
        }
    }

    #[inline]
    fn correct_lists(&mut self, job: &Job, charged: Span, actual: Span) -> (NodeIx, Child) {
        let it = &mut self.flows[job.flow.0 as usize];
        let at = (it.node, it.child);
        let lists = it.backlogs.get_mut(job.lane);
        if lists.is_some_and(|lists| lists.correct(job.late, charged, actual)) {
            self.offer(job.flow, job.lane);
        }
        at
    }

    /// A lane other than the usual one is forgotten with its last job.
    fn drop_empty(&mut self, flow: FlowIx, lane: Lane) {
        let backlogs = &mut self.flows[flow.0 as usize].backlogs;
        if backlogs.get(lane).is_some_and(Backlog::is_empty) {
            backlogs.drop_other(lane);
        }
    }

    #[inline]
    fn count_waiting(&mut self, mut at: NodeIx, by: i32) {
        self.waiting = self.waiting.wrapping_add_signed(by as isize);
        loop {
            let node = &mut self[at];
            node.waiting = node.waiting.wrapping_add_signed(by);
            let Some((parent, _)) = node.parent else { return };
            at = parent;
        }
    }
}

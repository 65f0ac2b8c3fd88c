//! `fifo`: the job that was submitted first runs first, whoever's it is.
//!
//! Nobody is charged, so a tenant that submits more gets more. A blocked tenant's jobs keep their places.

use std::collections::BTreeMap;

use ostler_job::{Mono, Span};

use super::{Discipline, Head, Rank, Tag};
use crate::heap::IndexedHeap;
use crate::jobs::{JobIx, Jobs};
use crate::tenants::TenantIx;
use crate::waitlist::{Entry, Waitlist};

/// Flows by their eldest job.
#[derive(Default)]
pub(crate) struct FifoQueue {
    flows: Vec<Flow>,
    heads: IndexedHeap<u64>,
    forgotten: Vec<TenantIx>,
    len: usize,
}

#[derive(Default)]
struct Flow {
    waiting: Waitlist,
    blocked: bool,
}

impl FifoQueue {
    fn rekey(&mut self, flow: TenantIx) {
        let it = &self.flows[flow.0 as usize];
        match it.waiting.head().filter(|_| !it.blocked) {
            Some(head) => {
                if self.heads.key(flow.0) != Some(head.seq) {
                    self.heads.set(flow.0, head.seq);
                }
            }
            None => self.heads.remove(flow.0),
        }
    }
}

impl Discipline for FifoQueue {
    fn open(&mut self, flow: TenantIx, _weight: u32) {
        if self.flows.len() <= flow.0 as usize {
            self.flows.resize_with(flow.0 as usize + 1, Flow::default);
        }
    }

    fn enqueue(&mut self, jobs: &Jobs, job: JobIx) {
        let flow = jobs[job].tenant;
        let entry = self.entry(jobs, job);
        self.flows[flow.0 as usize].waiting.push(entry);
        self.len += 1;
        self.rekey(flow);
    }

    fn dequeue(&mut self, jobs: &mut Jobs, _now: Mono) -> Option<JobIx> {
        let (_, flow) = self.heads.first()?;
        let entry = self.flows[flow as usize].waiting.pop(jobs)?;
        self.len -= 1;
        self.rekey(TenantIx(flow));
        Some(entry.job)
    }

    fn pass(&mut self, _flow: TenantIx, _cost: Span, _alone: bool) {}

    fn remove(&mut self, jobs: &Jobs, flow: TenantIx, _late: bool) {
        self.flows[flow.0 as usize].waiting.lose(jobs);
        self.len -= 1;
        self.rekey(flow);
    }

    fn correct(&mut self, _flow: TenantIx, _late: Option<bool>, _charged: Span, _actual: Span) {}

    fn finish(&mut self, _flow: TenantIx, _actual: Span) {}

    fn set_blocked(&mut self, flow: TenantIx, blocked: bool) {
        self.flows[flow.0 as usize].blocked = blocked;
        self.rekey(flow);
    }

    fn retire(&mut self, flow: TenantIx) {
        self.flows[flow.0 as usize].waiting.clear();
        self.forgotten.push(flow);
    }

    fn reset(&mut self) {}

    fn poll_forgotten(&mut self) -> Option<TenantIx> {
        self.forgotten.pop()
    }

    fn len(&self) -> usize {
        self.len
    }

    fn is_runnable(&self) -> bool {
        !self.heads.is_empty()
    }

    fn entry(&self, jobs: &Jobs, job: JobIx) -> Entry {
        Entry { key: Mono(0), seq: jobs[job].seq, job }
    }

    fn has_missed(&self, _head: Head, _now: Mono) -> bool {
        false
    }

    fn pin(&mut self, _flow: TenantIx) {}

    fn unpin(&mut self, _flow: TenantIx) {}

    fn charge(&mut self, _flow: TenantIx, _cost: Span) {}

    fn tag(&self, flow: TenantIx) -> Option<Tag> {
        (!self.flows[flow.0 as usize].blocked).then_some(Tag::default())
    }

    fn rank(&self, _flow: TenantIx, head: Head, _cost: Span) -> Rank {
        Rank::Eligible(head)
    }

    fn best(&mut self, _jobs: &mut Jobs, _now: Mono, _others: Option<Tag>) -> Option<Rank> {
        let (seq, _) = self.heads.first()?;
        Some(Rank::Eligible(Head { late: false, lst: Mono(0), seq }))
    }

    fn check(&self, jobs: &Jobs, _pinned: &BTreeMap<u32, u32>) {
        self.heads.check();
        let mut len = 0;
        for (at, flow) in self.flows.iter().enumerate() {
            flow.waiting.check(jobs);
            len += flow.waiting.len() as usize;
            let head = flow.waiting.head().filter(|_| !flow.blocked).map(|head| head.seq);
            assert_eq!(self.heads.key(at as u32), head, "a flow is filed under its eldest job");
        }
        assert_eq!(len, self.len, "the length is the sum of the flows'");
    }
}

//! The waiting jobs of one flow that may run in the same places: two lists that share what the flow gets.
//!
//! Jobs that are late already have a list of their own, with a fifth of the share, so that work which is lost cannot make the
//! rest late, too. Only a discipline that knows of promises ever fills it.

use ostler_job::{Mono, Span};

use crate::jobs::{JobIx, Jobs};
use crate::waitlist::{Entry, Waitlist};

/// While both lists have jobs, the one for those on time is served this many times as long as the late one.
const ON_TIME_TO_LATE: i64 = 4;

/// What the flows' heads are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Head {
    pub(crate) late: bool,
    pub(crate) lst: Mono,
    pub(crate) seq: u64,
    /// How far up the tokens for it are found, where that was asked already; see `discipline::htb`.
    pub(crate) class: u8,
}

/// Waiting jobs of one tenant that may run in the same places.
#[derive(Default)]
pub(crate) struct Backlog {
    on_time: Waitlist,
    late: Waitlist,
    /// Slot time that the on-time list is ahead of the late list, as their shares see it.
    lead: i64,
}

impl Backlog {
    /// The list to be served next, by its lateness.
    pub(crate) fn serves_late(&self) -> bool {
        self.on_time.is_empty() || (!self.late.is_empty() && self.lead > 0)
    }

    /// The job to be served next.
    pub(crate) fn next(&self) -> Option<Entry> {
        if self.serves_late() { self.late.head() } else { self.on_time.head() }
    }

    pub(crate) fn head(&self) -> Option<Head> {
        let late = self.serves_late();
        let entry = if late { self.late.head() } else { self.on_time.head() }?;
        Some(Head { late, lst: entry.key, seq: entry.seq, class: 0 })
    }

    /// Work of jobs that must start before this moment, about.
    pub(crate) fn ahead(&self, jobs: &Jobs, lst: Mono) -> u128 {
        self.on_time.ahead(jobs, lst)
    }

    /// How many jobs go before a waiting one, as things are now, and whether that is exact.
    pub(crate) fn before(
        &self,
        jobs: &Jobs,
        late: bool,
        of: (Mono, u64),
        looks: usize,
    ) -> (u32, bool) {
        if self.next().is_some_and(|next| next.seq == of.1) {
            return (0, true);
        }
        let (own, other) =
            if late { (&self.late, &self.on_time) } else { (&self.on_time, &self.late) };
        let (before, is_exact) = own.before(jobs, of, looks);
        // Of the other list go as many meanwhile as its share of the turns is.
        let turns = u64::from(before) + 1;
        let times = ON_TIME_TO_LATE.unsigned_abs();
        let others = if late { turns * times } else { turns / times };
        let others = u32::try_from(others).unwrap_or(u32::MAX).min(other.len());
        // Not the next one: somebody is before it, even if nobody of those that were looked at.
        (before.saturating_add(others).max(1), is_exact && other.is_empty())
    }

    pub(crate) fn len(&self) -> u32 {
        self.on_time.len() + self.late.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.on_time.is_empty() && self.late.is_empty()
    }

    /// Adds a job; answers whether it is the next one now.
    #[inline]
    pub(crate) fn push(&mut self, late: bool, entry: Entry) -> bool {
        // A list that comes back from idling starts level with the other.
        if late {
            if self.late.is_empty() {
                self.lead = self.lead.min(0);
            }
            self.late.push(entry);
        } else {
            if self.on_time.is_empty() {
                self.lead = self.lead.max(0);
            }
            self.on_time.push(entry);
        }
        self.next().is_some_and(|next| next.seq == entry.seq)
    }

    /// Takes the next job out and charges its list for it; answers what that costs.
    #[inline]
    pub(crate) fn pop(&mut self, jobs: &Jobs) -> Option<(JobIx, Span)> {
        let late = self.serves_late();
        let list = if late { &mut self.late } else { &mut self.on_time };
        let entry = list.pop(jobs)?;
        let cost = jobs[entry.job].cost;
        self.charge(late, cost, 1);
        Some((entry.job, cost))
    }

    /// Moves the first job that is on time to the late list.
    pub(crate) fn demote(&mut self, jobs: &mut Jobs) {
        if let Some(entry) = self.on_time.pop(jobs) {
            jobs[entry.job].late = true;
            self.push(true, entry);
        }
    }

    /// One of the jobs no longer waits.
    pub(crate) fn lose(&mut self, jobs: &Jobs, late: bool) {
        if late { &mut self.late } else { &mut self.on_time }.lose(jobs);
    }

    /// Moves the balance of the lists by a charge to one of them.
    pub(crate) fn charge(&mut self, late: bool, by: Span, sign: i64) {
        let by = i64::try_from(by.0).unwrap_or(i64::MAX).saturating_mul(sign);
        let by = if late { by.saturating_mul(-ON_TIME_TO_LATE) } else { by };
        self.lead = self.lead.saturating_add(by);
    }

    /// The same for a charge that turns out to be another; answers whether another job is next now.
    pub(crate) fn correct(&mut self, late: bool, charged: Span, actual: Span) -> bool {
        let was = self.lead > 0;
        let by = Span(actual.0.abs_diff(charged.0));
        self.charge(late, by, if actual > charged { 1 } else { -1 });
        was != (self.lead > 0) && !self.late.is_empty() && !self.on_time.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.on_time.clear();
        self.late.clear();
        self.lead = 0;
    }

    pub(crate) fn check(&self, jobs: &Jobs) {
        self.on_time.check(jobs);
        self.late.check(jobs);
    }
}

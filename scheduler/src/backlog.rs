//! The waiting jobs of one flow that may run in the same places: two lists that share what the flow gets.
//!
//! Jobs that are late already have a list of their own, with a fifth of the share, so that work which is lost cannot make the
//! rest late, too. Only a discipline that knows of promises ever fills it.

#[cfg(test)]
mod tests;

use std::num::NonZeroU64;

use ostler_job::{Mono, Span};

use crate::jobs::{JobIx, Jobs};
use crate::waitlist::{Entry, Waitlist};

/// While both lists have jobs, the one for those on time is served this many times as long as the late one.
const ON_TIME_TO_LATE: i64 = 4;

/// What the flows' heads are compared by: whether it is late, its latest start, its submit; two words, since heaps move many
/// of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Head {
    /// [`LATE`] and the latest start.
    urgency: u64,
    /// The submit, and how far up the tokens for it are found, where that was asked already; see `discipline::htb`. One more than that,
    /// so that a head that is not there takes no room of its own: what holds one fits into a cache line.
    submit: NonZeroU64,
}

/// Set in the urgency of a late one.
const LATE: u64 = 1 << 63;
/// Bits of the submit below its number.
const CLASS_BITS: u32 = 8;

impl Head {
    /// A latest start is cut at some three hundred years, and there are no more submits than fit beside a class.
    #[inline]
    pub(crate) fn new(late: bool, lst: Mono, seq: u64) -> Self {
        let late = if late { LATE } else { 0 };
        Self { urgency: late | lst.0.min(LATE - 1), submit: submit(seq, 0) }
    }

    #[inline]
    pub(crate) fn is_late(self) -> bool {
        self.urgency & LATE != 0
    }

    #[inline]
    pub(crate) fn lst(self) -> Mono {
        Mono(self.urgency & !LATE)
    }

    #[inline]
    pub(crate) fn seq(self) -> u64 {
        (self.submit.get() - 1) >> CLASS_BITS
    }

    #[inline]
    pub(crate) fn class(self) -> u8 {
        ((self.submit.get() - 1) & ((1 << CLASS_BITS) - 1)) as u8
    }

    /// The same, late.
    pub(crate) fn as_late(self) -> Self {
        Self { urgency: self.urgency | LATE, ..self }
    }

    /// The same, of that class.
    #[inline]
    pub(crate) fn of_class(self, class: u8) -> Self {
        Self { submit: submit(self.seq(), class), ..self }
    }
}

#[inline]
fn submit(seq: u64, class: u8) -> NonZeroU64 {
    NonZeroU64::MIN.saturating_add((seq << CLASS_BITS) | u64::from(class))
}

/// Waiting jobs of one tenant that may run in the same places.
#[derive(Default)]
pub(crate) struct Backlog {
    on_time: Waitlist,
    /// There while it has jobs, or is ahead of its share: nearly never, and a flow without it is small.
    late: Option<Box<Late>>,
}

/// The late list.
#[derive(Default)]
struct Late {
    list: Waitlist,
    /// Slot time that the on-time list is ahead of the late list, as their shares see it.
    lead: i64,
}

impl Backlog {
    /// The list to be served next, by its lateness.
    #[inline]
    fn serves_late(&self) -> bool {
        match &self.late {
            None => false,
            Some(late) => self.on_time.is_empty() || (!late.list.is_empty() && late.lead > 0),
        }
    }

    /// The job to be served next.
    #[inline]
    pub(crate) fn next(&self) -> Option<Entry> {
        match &self.late {
            Some(late) if self.serves_late() => late.list.head(),
            _ => self.on_time.head(),
        }
    }

    #[inline]
    pub(crate) fn head(&self) -> Option<Head> {
        let entry = self.next()?;
        Some(Head::new(self.serves_late(), entry.key, entry.seq))
    }

    /// Work of jobs that go before one with this key and submit, about.
    pub(crate) fn ahead(&self, jobs: &Jobs, of: (Mono, u64)) -> u128 {
        self.on_time.ahead(jobs, of)
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
        let none = Waitlist::default();
        let late_list = self.late.as_ref().map_or(&none, |it| &it.list);
        let (own, other) =
            if late { (late_list, &self.on_time) } else { (&self.on_time, late_list) };
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
        self.on_time.len() + self.late.as_ref().map_or(0, |late| late.list.len())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a job; answers whether it is the next one now.
    #[inline]
    pub(crate) fn push(&mut self, late: bool, entry: Entry) -> bool {
        if late {
            // While the list has no jobs nothing is ahead of it: what it owes it owes still.
            self.late.get_or_insert_default().list.push(entry);
        } else {
            // Those on time that come back from idling start level with the late ones.
            if let Some(late) = &mut self.late
                && self.on_time.is_empty()
            {
                late.lead = late.lead.max(0);
                self.forget_late();
            }
            self.on_time.push(entry);
        }
        self.next().is_some_and(|next| next.seq == entry.seq)
    }

    /// Takes the next job out and charges its list for it; answers what that costs.
    #[inline]
    pub(crate) fn pop(&mut self, jobs: &Jobs) -> Option<(JobIx, Span)> {
        let late = self.serves_late();
        let entry = self.list(late)?.pop(jobs)?;
        let cost = jobs[entry.job].cost;
        self.charge(late, cost, 1);
        Some((entry.job, cost))
    }

    #[inline]
    fn list(&mut self, late: bool) -> Option<&mut Waitlist> {
        match late {
            true => Some(&mut self.late.as_mut()?.list),
            false => Some(&mut self.on_time),
        }
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
        if let Some(list) = self.list(late) {
            list.lose(jobs);
        }
        self.forget_late();
    }

    /// Moves the balance of the lists by a charge to one of them.
    #[inline]
    fn charge(&mut self, late: bool, by: Span, sign: i64) {
        // Nothing is ahead of a late list that is not there.
        if late || self.late.is_some() {
            self.charge_late(late, by, sign);
        }
    }

    #[cold]
    fn charge_late(&mut self, late: bool, by: Span, sign: i64) {
        let by = i64::try_from(by.0).unwrap_or(i64::MAX).saturating_mul(sign);
        let by = if late { by.saturating_mul(-ON_TIME_TO_LATE) } else { by };
        let lead = &mut self.late.get_or_insert_default().lead;
        *lead = lead.saturating_add(by);
        self.forget_late();
    }

    /// The late list is nothing to remember once it has neither jobs nor more than its share.
    fn forget_late(&mut self) {
        if self.late.as_ref().is_some_and(|late| late.list.is_empty() && late.lead >= 0) {
            self.late = None;
        }
    }

    /// The same for a charge that turns out to be another; answers whether another job is next now.
    #[inline]
    pub(crate) fn correct(&mut self, late: bool, charged: Span, actual: Span) -> bool {
        if self.late.is_none() && !late {
            return false;
        }
        let was = self.serves_late();
        let by = Span(actual.0.abs_diff(charged.0));
        self.charge(late, by, if actual > charged { 1 } else { -1 });
        was != self.serves_late()
    }

    pub(crate) fn clear(&mut self) {
        self.on_time.clear();
        self.late = None;
    }

    pub(crate) fn check(&self, jobs: &Jobs) {
        self.on_time.check(jobs);
        if let Some(late) = &self.late {
            late.list.check(jobs);
            assert!(!late.list.is_empty() || late.lead < 0, "an idle late list owes something");
        }
    }
}

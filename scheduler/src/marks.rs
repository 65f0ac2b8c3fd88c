//! Hosts whose free slots other lanes than the usual one may want, and what the longest wait there is owed.
//!
//! One part in [`AGED`] of such a host's slot time goes to the job that has waited longest for it, whoever's it is: where
//! others are left behind for ever because they may run nowhere else, a tenant that is served elsewhere still gets that.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use ostler_job::{HostId, Span};

/// See the module.
const AGED: u64 = 32;
/// What such a job takes of it at least.
const AGED_COST_MIN: i64 = 1_000_000;
/// How many jobs of a host there are for each look at who has waited longest in a lane of a set.
const AGED_LOOK: u32 = AGED as u32;

/// The hosts with a lane of their own that had a job since nobody waited for one.
#[derive(Default)]
pub(crate) struct Marks {
    marked: Vec<HostId>,
    /// Slot time, in nanoseconds, that the job which has waited longest may have, and how often that was asked for a set.
    aged: BTreeMap<HostId, (i64, u32)>,
}

impl Marks {
    /// The host may have a free slot, or a job that wants one.
    #[cold]
    pub(crate) fn mark(&mut self, host: HostId) {
        if !self.marked.contains(&host) {
            self.marked.push(host);
        }
    }

    pub(crate) fn poll(&mut self) -> Option<HostId> {
        self.marked.pop()
    }

    /// A job of this cost was given a slot of the host.
    pub(crate) fn count(&mut self, host: HostId, cost: Span) {
        let owed = &mut self.aged.entry(host).or_default().0;
        *owed = owed.saturating_add_unsigned(cost.0 / AGED);
    }

    /// Whether whoever has waited longest in the lanes of sets that the host is in is owed a slot. Seldom asked, since to find that one takes
    /// a look at every queue.
    pub(crate) fn owes_set(&mut self, host: HostId) -> bool {
        let Some((owed, looks)) = self.aged.get_mut(&host) else { return false };
        *looks = looks.wrapping_add(1);
        *looks % AGED_LOOK == 0 && *owed >= AGED_COST_MIN
    }

    /// That one has it.
    pub(crate) fn charge_aged(&mut self, host: HostId, cost: Span) {
        if let Some((owed, _)) = self.aged.get_mut(&host) {
            *owed = owed.saturating_sub_unsigned(cost.0.max(AGED_COST_MIN.unsigned_abs()));
        }
    }

    /// Whether the job that has waited longest is owed a slot, and has it from now on.
    pub(crate) fn take_aged(&mut self, host: HostId, cost: Span) -> bool {
        let cost = i64::try_from(cost.0).unwrap_or(i64::MAX).max(AGED_COST_MIN);
        let Some((owed, _)) = self.aged.get_mut(&host).filter(|(owed, _)| *owed >= cost) else {
            return false;
        };
        *owed -= cost;
        true
    }

    /// Nobody waits for any one host.
    pub(crate) fn clear(&mut self) {
        self.marked.clear();
        self.aged.clear();
    }

    /// Whether that would change nothing.
    pub(crate) fn is_clear(&self) -> bool {
        self.marked.is_empty() && self.aged.is_empty()
    }
}

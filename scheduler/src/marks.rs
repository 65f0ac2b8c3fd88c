//! Hosts whose free slots other lanes than the usual one may want, and what the longest wait there is owed.
//!
//! One part in [`AGED`] of such a host's slot time goes to the job that has waited longest for it, whoever's it is: where
//! others are left behind for ever because they may run nowhere else, a tenant that is served elsewhere still gets that.

use std::collections::BTreeMap;

use ostler_job::{HostId, Span};

/// See the module.
const AGED: u64 = 32;
/// What such a job takes of it at least.
const AGED_COST_MIN: u64 = 1_000_000;

/// The hosts with a lane of their own that had a job since nobody waited for one.
#[derive(Default)]
pub(crate) struct Marks {
    marked: Vec<HostId>,
    /// Slot time, in nanoseconds, that the job which has waited longest may have.
    aged: BTreeMap<HostId, u64>,
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
        *self.aged.entry(host).or_default() += cost.0 / AGED;
    }

    /// Whether the job that has waited longest is owed a slot, and has it from now on.
    pub(crate) fn take_aged(&mut self, host: HostId, cost: Span) -> bool {
        let cost = cost.0.max(AGED_COST_MIN);
        let Some(owed) = self.aged.get_mut(&host).filter(|owed| **owed >= cost) else {
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

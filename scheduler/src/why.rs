//! Why a job waits, in pieces: its place in the tree, its gates, its line. Whoever knows the names puts them together.
//!
//! Every question costs the depth of the tree and a look into its own flow at most, never a walk over all that waits.

use std::collections::BTreeSet;

use ostler_job::{HostId, JobId, Mono, QueueId, TenantId};

use crate::jobs::{JobIx, State};
use crate::scheduler::Scheduler;
use crate::standing::{Level, Place, Standing};

impl Scheduler {
    /// A queue and those above it, from there up; nothing of one that is not known.
    pub fn levels(&self, queue: QueueId, now: Mono) -> impl Iterator<Item = Level> + '_ {
        self.tree.levels(queue, now)
    }

    /// As many of a tenant's jobs as wait for a slot in each of those and below, and as have one.
    pub fn own_of_levels(&self, queue: QueueId, tenant: TenantId) -> Vec<(u32, u32)> {
        let flows = self.tenants.find(tenant).map_or(&[][..], |ix| &self.tenants[ix].flows);
        self.tree.own(queue, flows)
    }

    /// The hosts that a queue may use, with what those above it are limited to; `None`: whichever there are.
    pub fn reach(&self, queue: QueueId) -> Option<&BTreeSet<HostId>> {
        self.tree.reach_of(queue)
    }

    /// Where a job stands that waits for a slot; `None`: it does not.
    pub fn place(&self, job: JobId) -> Option<Place> {
        let job = &self.jobs[self.find_waiting(job)?];
        if job.state == State::Parked { None } else { self.tree.place(&self.jobs, job) }
    }

    /// What the tenant of a waiting job may use in its queue, and has.
    pub fn standing(&self, job: JobId) -> Option<Standing> {
        Some(self.tree.standing(&self.jobs[self.find_waiting(job)?]))
    }

    /// Whether the job waits, for whatever.
    pub fn is_waiting(&self, job: JobId) -> bool {
        self.find_waiting(job).is_some()
    }

    /// Slots of all suppliers.
    pub fn slots(&self) -> u64 {
        self.fleet.slots()
    }

    /// Free slots of a host.
    pub fn free_at(&self, host: HostId) -> u32 {
        self.fleet.free_at(host)
    }

    fn find_waiting(&self, job: JobId) -> Option<JobIx> {
        self.jobs.find(job).filter(|&ix| self.jobs[ix].state.is_waiting())
    }
}

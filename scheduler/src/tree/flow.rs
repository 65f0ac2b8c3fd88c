//! The jobs of one tenant in one queue.

use ostler_job::TenantId;

use super::NodeIx;
use crate::backlog::Backlog;
use crate::discipline::Child;
use crate::lane::LaneMap;
use crate::tenants::{FlowIx, TenantIx};

/// One flow, in a pair of cache lines.
#[repr(align(128))]
pub(crate) struct Flow {
    pub(crate) tenant: TenantIx,
    pub(crate) tenant_id: TenantId,
    /// Where it is in its tenant's list.
    pub(super) place: u32,
    /// The queue it is in, and its number there.
    pub(crate) node: NodeIx,
    pub(crate) child: Child,
    pub(crate) weight: u32,
    /// Its waiting jobs.
    pub(crate) backlogs: LaneMap<Backlog>,
    /// Waiting and granted.
    pub(crate) jobs: u32,
    /// It is among the spare ones, or was when they were looked at last.
    pub(crate) spare: bool,
    /// Its tenant has all the slots that it may have.
    pub(crate) blocked: bool,
    /// Granted.
    pub(crate) running: u32,
    /// Jobs of it that may be granted at once.
    pub(crate) cap: u32,
    /// Its neighbours among the active flows of its tenant, itself if it is alone.
    pub(super) before: FlowIx,
    pub(super) next: FlowIx,
    pub(super) is_linked: bool,
}

impl Flow {
    /// It may run no more for now, and offers nothing.
    #[inline]
    pub(crate) fn is_held(&self) -> bool {
        self.blocked || self.running >= self.cap
    }
}

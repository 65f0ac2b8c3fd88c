//! The jobs of one tenant in one queue.

use ostler_job::TenantId;

use super::NodeIx;
use crate::backlog::Backlog;
use crate::discipline::Child;
use crate::lane::LaneMap;
use crate::tenants::TenantIx;

/// One flow.
pub(crate) struct Flow {
    pub(crate) tenant: TenantIx,
    pub(crate) tenant_id: TenantId,
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
}

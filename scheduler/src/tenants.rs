//! The table of tenants that have a job here, or a debt that is remembered.

use ostler_job::TenantId;

use crate::hash::IdMap;

/// Where a tenant is in the table; its flows name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TenantIx(pub(crate) u32);

/// Where the jobs of a tenant in a queue are in the tree's table; valid while it has one or owes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FlowIx(pub(crate) u32);

/// One tenant's counts.
#[derive(Clone, Debug)]
pub(crate) struct Tenant {
    pub(crate) id: TenantId,
    pub(crate) waiting: u32,
    /// Granted and not finished.
    pub(crate) running: u32,
    pub(crate) known: bool,
    /// It has all the slots that it may have.
    pub(crate) blocked: bool,
    /// Its flows, one for each queue in which it has a job or owes something.
    pub(crate) flows: Vec<FlowIx>,
}

impl Tenant {
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting == 0 && self.running == 0
    }
}

/// Every tenant that is remembered.
#[derive(Default)]
pub(crate) struct Tenants {
    table: Vec<Tenant>,
    free: Vec<TenantIx>,
    by_id: IdMap<TenantId, TenantIx>,
}

impl Tenants {
    pub(crate) fn find(&self, id: TenantId) -> Option<TenantIx> {
        self.by_id.get(&id).copied()
    }

    pub(crate) fn find_or_insert(&mut self, id: TenantId) -> TenantIx {
        if let Some(ix) = self.find(id) {
            return ix;
        }
        let mut fresh =
            Tenant { id, waiting: 0, running: 0, known: true, blocked: false, flows: Vec::new() };
        let ix = if let Some(ix) = self.free.pop() {
            // With the room that another one had.
            fresh.flows = std::mem::take(&mut self[ix].flows);
            self[ix] = fresh;
            ix
        } else {
            self.table.push(fresh);
            TenantIx(self.table.len() as u32 - 1)
        };
        self.by_id.insert(id, ix);
        ix
    }

    #[inline]
    pub(crate) fn remove(&mut self, ix: TenantIx) {
        let tenant = &mut self[ix];
        debug_assert!(
            tenant.known && tenant.is_idle() && tenant.flows.is_empty(),
            "only a tenant without jobs and debts is forgotten"
        );
        tenant.known = false;
        let id = tenant.id;
        self.by_id.remove(&id);
        self.free.push(ix);
    }

    /// Entries in the table, used or not.
    #[cfg(debug_assertions)]
    pub(crate) fn places(&self) -> usize {
        self.table.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (TenantIx, &Tenant)> {
        let all = self.table.iter().enumerate().filter(|(_, tenant)| tenant.known);
        all.map(|(at, tenant)| (TenantIx(at as u32), tenant))
    }
}

impl std::ops::Index<TenantIx> for Tenants {
    type Output = Tenant;

    fn index(&self, ix: TenantIx) -> &Tenant {
        &self.table[ix.0 as usize]
    }
}

impl std::ops::IndexMut<TenantIx> for Tenants {
    fn index_mut(&mut self, ix: TenantIx) -> &mut Tenant {
        &mut self.table[ix.0 as usize]
    }
}

//! Tenant names and their ids, kept only while a tenant has a job or was seen lately.

use std::collections::HashMap;

use ostler_job::TenantId;

/// Idle tenants whose ids are kept, so that a returning tenant still owes what it used.
const IDLE_MAX: usize = 4096;

#[derive(Debug, Default)]
pub(crate) struct Tenants {
    ids: HashMap<Box<[u8]>, TenantId>,
    rows: HashMap<TenantId, Row>,
    next: u32,
}

#[derive(Debug)]
struct Row {
    name: Box<[u8]>,
    jobs: u32,
}

impl Tenants {
    /// The id of a tenant that has one more job.
    pub(crate) fn enter(&mut self, name: &[u8]) -> TenantId {
        if let Some(id) = self.ids.get(name) {
            self.rows.get_mut(id).expect("ids and rows hold the same tenants").jobs += 1;
            return *id;
        }
        if self.ids.len() >= IDLE_MAX {
            self.forget_idle();
        }
        let id = TenantId(self.next);
        self.next = self.next.wrapping_add(1);
        self.ids.insert(name.into(), id);
        self.rows.insert(id, Row { name: name.into(), jobs: 1 });
        id
    }

    /// A tenant has one job less.
    pub(crate) fn leave(&mut self, id: TenantId) {
        let row = self.rows.get_mut(&id).expect("a tenant with a job is known");
        row.jobs = row.jobs.checked_sub(1).expect("a job leaves once");
    }

    pub(crate) fn name(&self, id: TenantId) -> String {
        self.rows.get(&id).map_or_else(String::new, |r| String::from_utf8_lossy(&r.name).into())
    }

    fn forget_idle(&mut self) {
        self.rows.retain(|_, row| row.jobs > 0);
        let rows = &self.rows;
        self.ids.retain(|_, id| rows.contains_key(id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_names_is_forgotten_once_idle_and_busy_tenants_are_not() {
        let mut tenants = Tenants::default();
        let busy = tenants.enter(b"busy");
        for n in 0..3 * IDLE_MAX {
            let id = tenants.enter(n.to_string().as_bytes());
            tenants.leave(id);
        }
        assert!(tenants.rows.len() <= IDLE_MAX + 1);
        assert_eq!(tenants.enter(b"busy"), busy);
    }
}

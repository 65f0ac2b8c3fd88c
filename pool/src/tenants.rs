//! Tenant names and their ids, kept while a tenant has a job, and while the scheduler remembers what it owes.

use std::collections::{HashMap, VecDeque};

use ostler_job::TenantId;
use ostler_scheduler::IdMap;

/// Idle tenants that are kept without a look at what they owe.
const IDLE: usize = 64;
/// Beyond that so many are looked at whenever a job leaves: more than can be added.
const LOOKS: usize = 2;

#[derive(Debug, Default)]
pub(crate) struct Tenants {
    ids: HashMap<Box<[u8]>, TenantId>,
    rows: IdMap<TenantId, Row>,
    next: u32,
    /// Tenants that have, or had, no job, each once.
    idle: VecDeque<TenantId>,
}

#[derive(Debug)]
struct Row {
    name: Box<[u8]>,
    jobs: u32,
    /// It is among the idle.
    is_idle: bool,
}

impl Tenants {
    /// The id of a tenant that has one more job.
    pub(crate) fn enter(&mut self, name: &[u8]) -> TenantId {
        if let Some(id) = self.ids.get(name) {
            self.rows.get_mut(id).expect("ids and rows hold the same tenants").jobs += 1;
            return *id;
        }
        let id = TenantId(self.next);
        self.next = self.next.wrapping_add(1);
        self.ids.insert(name.into(), id);
        self.rows.insert(id, Row { name: name.into(), jobs: 1, is_idle: false });
        id
    }

    /// A tenant has one job less. `remembered`: whether the scheduler still goes by an id.
    pub(crate) fn leave(&mut self, id: TenantId, remembered: impl Fn(TenantId) -> bool) {
        let row = self.rows.get_mut(&id).expect("a tenant with a job is known");
        row.jobs = row.jobs.checked_sub(1).expect("a job leaves once");
        if row.jobs == 0 && !std::mem::replace(&mut row.is_idle, true) {
            self.idle.push_back(id);
        }
        if self.idle.len() > IDLE {
            (0..LOOKS).for_each(|_| self.look(&remembered));
        }
    }

    pub(crate) fn name(&self, id: TenantId) -> String {
        self.rows.get(&id).map_or_else(String::new, |r| String::from_utf8_lossy(&r.name).into())
    }

    /// Jobs of all tenants. It looks at each of them.
    pub(super) fn jobs(&self) -> u64 {
        self.rows.values().map(|row| u64::from(row.jobs)).sum()
    }

    /// Forgets one of the idle, unless it has a job again or owes something.
    fn look(&mut self, remembered: impl Fn(TenantId) -> bool) {
        let Some(id) = self.idle.pop_front() else { return };
        let Some(row) = self.rows.get_mut(&id) else { return };
        if row.jobs > 0 {
            row.is_idle = false;
        } else if remembered(id) {
            self.idle.push_back(id);
        } else {
            self.ids.remove(&row.name);
            self.rows.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_names_is_forgotten_and_who_is_busy_or_owes_is_not() {
        let mut tenants = Tenants::default();
        let (busy, owes) = (tenants.enter(b"busy"), tenants.enter(b"owes"));
        tenants.leave(owes, |id| id == owes);
        for n in 0..10_000 {
            let id = tenants.enter(n.to_string().as_bytes());
            tenants.leave(id, |id| id == owes);
            assert!(tenants.rows.len() <= IDLE + 4 && tenants.idle.len() <= IDLE + 2);
        }
        assert_eq!((tenants.enter(b"busy"), tenants.enter(b"owes")), (busy, owes));
    }

    #[test]
    fn many_busy_tenants_cost_a_newcomer_no_look_at_each() {
        let mut tenants = Tenants::default();
        for n in 0..100_000_u32 {
            tenants.enter(&n.to_le_bytes());
        }
        let looks = std::cell::Cell::new(0);
        for n in 0..1_000_u32 {
            let id = tenants.enter(format!("new {n}").as_bytes());
            tenants.leave(id, |_| {
                looks.set(looks.get() + 1);
                false
            });
        }
        assert!(looks.get() <= 2 * 1_000, "{}", looks.get());
    }
}

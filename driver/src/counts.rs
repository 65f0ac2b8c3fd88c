//! How many jobs are in each state, of each tenant, and in each queue.

use std::collections::BTreeMap;

use ostler_job::durable::JobState;

use super::Places;

/// Whom a job is counted for, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Whose {
    pub(super) tenant: u32,
    pub(super) queue: u32,
}

/// See the module.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Counts {
    /// In the order of [`JobState::ALL`].
    pub(super) states: Vec<u64>,
    /// Waiting jobs by tenant.
    waiting_of: BTreeMap<u32, u64>,
    queues: BTreeMap<u32, Places>,
    /// By queue and tenant.
    tenants: BTreeMap<(u32, u32), Places>,
    /// Running jobs that are being moved to a queue.
    coming: BTreeMap<u32, u64>,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            states: vec![0; JobState::ALL.len()],
            waiting_of: BTreeMap::new(),
            queues: BTreeMap::new(),
            tenants: BTreeMap::new(),
            coming: BTreeMap::new(),
        }
    }
}

impl Counts {
    /// Jobs that wait, for whatever.
    pub(super) fn waiting(&self) -> u64 {
        let waits = |state: &&JobState| Place::of(**state) == Place::Waiting;
        JobState::ALL.iter().filter(waits).map(|&state| self.states[state as usize]).sum()
    }

    /// Those of one tenant.
    pub(super) fn waiting_of(&self, tenant: u32) -> u64 {
        self.waiting_of.get(&tenant).copied().unwrap_or(0)
    }

    /// Those of a queue.
    pub(super) fn places(&self, queue: u32) -> Places {
        self.queues.get(&queue).copied().unwrap_or_default()
    }

    /// Those of one tenant in it.
    pub(super) fn places_of(&self, Whose { queue, tenant }: Whose) -> Places {
        self.tenants.get(&(queue, tenant)).copied().unwrap_or_default()
    }

    /// Jobs that run and are being moved to a queue.
    pub(super) fn coming(&self, queue: u32) -> u64 {
        self.coming.get(&queue).copied().unwrap_or(0)
    }

    /// A job that runs is being moved to another queue than before, or to none.
    pub(super) fn redirect(&mut self, from: Option<u32>, to: Option<u32>) {
        for (queue, by) in from.map(|it| (it, -1)).into_iter().chain(to.map(|it| (it, 1))) {
            let count = self.coming.entry(queue).or_default();
            *count = count.saturating_add_signed(by);
            if *count == 0 {
                self.coming.remove(&queue);
            }
        }
    }

    /// A job is in another state from here on.
    pub(super) fn shift(&mut self, whose: Whose, from: JobState, to: JobState) {
        if Place::of(from) == Place::of(to) {
            self.count(from, -1);
            self.count(to, 1);
        } else {
            self.add(whose, from, -1);
            self.add(whose, to, 1);
        }
    }

    /// So many jobs more, or less.
    pub(super) fn add(&mut self, whose: Whose, state: JobState, by: i64) {
        self.count(state, by);
        let place = Place::of(state);
        if place == Place::Waiting {
            let count = self.waiting_of.entry(whose.tenant).or_default();
            *count = count.saturating_add_signed(by);
            if *count == 0 {
                self.waiting_of.remove(&whose.tenant);
            }
        }
        add_in(&mut self.queues, whose.queue, place, by);
        add_in(&mut self.tenants, (whose.queue, whose.tenant), place, by);
    }

    fn count(&mut self, state: JobState, by: i64) {
        let count = &mut self.states[state as usize];
        *count = count.saturating_add_signed(by);
    }
}

/// What a job takes a place of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Waiting,
    Running,
    None,
}

impl Place {
    const fn of(state: JobState) -> Self {
        if state.is_finished() {
            Self::None
        } else if state.is_out() {
            Self::Running
        } else {
            Self::Waiting
        }
    }
}

/// What nobody has a place of takes no room.
fn add_in<K: Ord + Copy>(counts: &mut BTreeMap<K, Places>, of: K, place: Place, by: i64) {
    let places = match place {
        Place::None => return,
        Place::Waiting | Place::Running => counts.entry(of).or_default(),
    };
    let count = if place == Place::Waiting { &mut places.waiting } else { &mut places.running };
    *count = count.saturating_add_signed(by);
    if *places == Places::default() {
        counts.remove(&of);
    }
}

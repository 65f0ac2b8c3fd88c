//! The runners, as far as decisions need them: which process each is, what it offers, what is leased to it. What else is known of
//! one, its operator's will too, is with whoever has its link, and comes as the slots that it offers.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use ostler_job::{HostId, JobId, Labels, Mono, durable::AttemptKey};

use super::{Driver, broken::Suspicions};

/// A runner that was heard of, or has jobs from an earlier life of the store.
#[derive(Debug, Default)]
pub(super) struct Runner {
    /// Which process; `None`: it has not been heard in this life.
    pub(super) incarnation: Option<String>,
    /// The number of the link that it was heard on last.
    pub(super) link: u64,
    pub(super) beats: u64,
    /// Jobs that it may have at once, as was told last.
    pub(super) slots: u32,
    /// What it says of its host; whether it is connected or not.
    pub(super) labels: Arc<Labels>,
    pub(super) connected: bool,
    /// Jobs leased to it: its busy slots, whether it has heard of them or not. What it has by its own word is another fact, which is
    /// kept with its link.
    pub(super) leased: BTreeSet<JobId>,
    /// Finishes that were taken and that it has not forgotten yet.
    pub(super) settling: BTreeSet<AttemptKey>,
    /// When its leases run out; `None`: they have.
    deadline: Option<Mono>,
}

impl Runner {
    /// Slots that may be filled, if it can start what it is given.
    pub(super) fn offered(&self) -> u32 {
        let takes = self.connected && self.deadline.is_some();
        if takes { self.slots } else { 0 }
    }

    pub(super) fn is_lost(&self) -> bool {
        self.deadline.is_none()
    }
}

/// All of them, by number.
#[derive(Debug, Default)]
pub(super) struct Runners {
    /// Which of them cannot start what they are given.
    pub(super) suspicions: Suspicions,
    table: BTreeMap<u32, Runner>,
    deadlines: BTreeSet<(Mono, u32)>,
}

impl Runners {
    pub(super) fn get(&self, number: u32) -> Option<&Runner> {
        self.table.get(&number)
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut Runner> {
        self.table.get_mut(&number)
    }

    pub(super) fn contains(&self, number: u32) -> bool {
        self.table.contains_key(&number)
    }

    pub(super) fn insert(&mut self, number: u32) -> &mut Runner {
        self.table.entry(number).or_default()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Runner)> {
        self.table.iter().map(|(&number, runner)| (number, runner))
    }

    /// Slots of a runner that the scheduler may fill.
    pub(super) fn offered(&self, number: u32) -> u32 {
        let Some(runner) = self.get(number) else { return 0 };
        let busy = u32::try_from(runner.leased.len()).unwrap_or(u32::MAX);
        match self.suspicions.more(number) {
            None => runner.offered(),
            Some(0) => 0,
            Some(more) => runner.offered().min(busy.saturating_add(more)),
        }
    }

    /// Its leases run until then; `None`: they have run out.
    pub(super) fn set_deadline(&mut self, number: u32, deadline: Option<Mono>) {
        let Some(runner) = self.table.get_mut(&number) else { return };
        if let Some(old) = std::mem::replace(&mut runner.deadline, deadline) {
            self.deadlines.remove(&(old, number));
        }
        if let Some(at) = deadline {
            self.deadlines.insert((at, number));
        }
    }

    /// The first leases to run out.
    pub(super) fn first_deadline(&self) -> Option<(Mono, u32)> {
        self.deadlines.first().copied()
    }

    pub(super) fn check(&self) {
        let dated = self.table.iter().filter_map(|(&number, it)| Some((it.deadline?, number)));
        let dated: BTreeSet<_> = dated.collect();
        assert_eq!(dated, self.deadlines, "every runner's deadline is filed");
        self.suspicions.check();
    }
}

impl Driver {
    /// What a runner says of its host; `None`: it was not heard in this life.
    pub fn labels(&self, HostId(number): HostId) -> Option<&Labels> {
        let heard = self.runners.get(number).filter(|it| it.incarnation.is_some());
        heard.map(|it| &*it.labels)
    }
}

//! Runners that run durable jobs: the way to each, and what it said last.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
};

use bytes::BytesMut;
use ostler_job::{JobId, Wall};

use crate::driver::{Beat, RunnerName};

/// Sends frames to a runner; `false` when its link is gone.
pub(crate) type Way = Arc<dyn Fn(BytesMut) -> bool + Send + Sync>;

/// A runner as the API shows it.
#[derive(Clone, Debug)]
pub(crate) struct RunnerView {
    pub(crate) name: String,
    pub(crate) connected: bool,
    /// Told to take nothing new.
    pub(crate) draining: bool,
    pub(crate) slots: u32,
    /// Jobs that it has.
    pub(crate) running: Vec<JobId>,
    /// When it was heard of last.
    pub(crate) heard_at: Wall,
}

#[derive(Default)]
struct Runner {
    /// The newest link: its number, and the way.
    link: Option<(u64, Way)>,
    draining: bool,
    slots: u32,
    running: BTreeSet<JobId>,
    heard_at: Wall,
}

/// See the module.
#[derive(Default)]
pub(super) struct Runners {
    all: Mutex<(u64, BTreeMap<RunnerName, Runner>)>,
}

impl Runners {
    fn lock(&self) -> MutexGuard<'_, (u64, BTreeMap<RunnerName, Runner>)> {
        self.all.lock().expect("no code panics while it holds the runners")
    }

    /// A link of the runner is up; it replaces the one before. Returns its number.
    pub(super) fn up(&self, name: &RunnerName, way: Way, now: Wall) -> u64 {
        let (count, all) = &mut *self.lock();
        *count += 1;
        let runner = all.entry(name.clone()).or_default();
        runner.link = Some((*count, way));
        runner.heard_at = now;
        *count
    }

    /// A link is down. `true`: it was the present one.
    pub(super) fn down(&self, name: &RunnerName, link: u64) -> bool {
        let (_, all) = &mut *self.lock();
        let Some(runner) = all.get_mut(name) else { return false };
        let present = runner.link.as_ref().is_some_and(|(number, _)| *number == link);
        if present {
            runner.link = None;
            runner.slots = 0;
        }
        present
    }

    pub(super) fn beat(&self, beat: &Beat, now: Wall) {
        let (_, all) = &mut *self.lock();
        let Some(runner) = all.get_mut(&beat.runner) else { return };
        runner.slots = beat.slots;
        runner.heard_at = now;
        runner.running = beat.held.iter().map(|key| key.job).collect();
    }

    /// A job was given to the runner, or is over there.
    pub(super) fn note(&self, name: &RunnerName, job: JobId, has: bool) {
        let (_, all) = &mut *self.lock();
        let Some(runner) = all.get_mut(name) else { return };
        if has {
            runner.running.insert(job);
        } else {
            runner.running.remove(&job);
        }
    }

    pub(super) fn way(&self, name: &RunnerName) -> Option<Way> {
        self.lock().1.get(name)?.link.as_ref().map(|(_, way)| way.clone())
    }

    /// `None`: no such runner.
    pub(super) fn set_draining(&self, name: &str, draining: bool) -> Option<RunnerName> {
        let (_, all) = &mut *self.lock();
        let (name, runner) = all.iter_mut().find(|(known, _)| known.as_ref() == name)?;
        runner.draining = draining;
        Some(name.clone())
    }

    pub(super) fn views(&self) -> Vec<RunnerView> {
        let view = |(name, runner): (&RunnerName, &Runner)| RunnerView {
            name: name.to_string(),
            connected: runner.link.is_some(),
            draining: runner.draining,
            slots: runner.slots,
            running: runner.running.iter().copied().collect(),
            heard_at: runner.heard_at,
        };
        self.lock().1.iter().map(view).collect()
    }
}

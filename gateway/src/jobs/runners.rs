//! Runners that run durable jobs: the way to each, and what it said last.
//!
//! Their names are in a file, so that jobs can be pinned to one that is only away when the gateway starts, and so that one
//! that is drained stays so.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::BytesMut;
use ostler_job::{JobId, Span, Wall};
use serde::{Deserialize, Serialize};

use crate::driver::{Beat, RunnerName};

/// The file in the state folder.
const FILE: &str = "runners.json";
/// A runner that was not heard of for this long is forgotten at the next start, unless it is drained.
const KEPT: Span = Span::from_secs(30 * 86_400);

/// What became of a runner that is to be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forgotten {
    /// It is.
    Done,
    /// There is none of that name.
    Unknown,
    /// It is this host's own, which needs no right to come in.
    Own,
}

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
    /// It goes with its link.
    forgotten: bool,
    slots: u32,
    running: BTreeSet<JobId>,
    heard_at: Wall,
}

/// A link that is up.
pub(super) struct Up {
    pub(super) number: u64,
    /// The one before was not known to be down.
    pub(super) replaces: bool,
    /// The runner was not known.
    pub(super) is_new: bool,
}

/// A runner as the file has it.
#[derive(Serialize, Deserialize)]
struct Known {
    name: String,
    #[serde(default)]
    draining: bool,
    #[serde(default)]
    heard_at: Wall,
}

/// See the module.
#[derive(Default)]
pub(super) struct Runners {
    all: Mutex<(u64, BTreeMap<RunnerName, Runner>)>,
    /// Held while it is written, so that the last state is the one that stays.
    file: Mutex<PathBuf>,
}

impl Runners {
    /// Those that an earlier start knew. A file that cannot be read is as good as none: they come back by themselves.
    pub(super) fn open(state: &Path, now: Wall) -> Self {
        let file = state.join(FILE);
        let known = std::fs::read(&file).unwrap_or_default();
        let known: Vec<Known> = serde_json::from_slice(&known).unwrap_or_default();
        let fresh = |it: &Known| it.draining || now.since(it.heard_at) < KEPT;
        let all = known.into_iter().filter(fresh).map(|Known { name, draining, heard_at }| {
            (Arc::from(name), Runner { draining, heard_at, ..Runner::default() })
        });
        Self { all: Mutex::new((0, all.collect())), file: Mutex::new(file) }
    }

    /// Writes the names down. Blocks.
    pub(super) fn keep(&self) -> io::Result<()> {
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let known = |(name, it): (&RunnerName, &Runner)| Known {
            name: name.to_string(),
            draining: it.draining,
            heard_at: it.heard_at,
        };
        let known: Vec<Known> =
            self.lock().1.iter().filter(|(_, it)| !it.forgotten).map(known).collect();
        ostler_private::replace(&file, &serde_json::to_vec(&known)?)
    }

    fn lock(&self) -> MutexGuard<'_, (u64, BTreeMap<RunnerName, Runner>)> {
        self.all.lock().expect("no code panics while it holds the runners")
    }

    /// A link of the runner is up; it replaces the one before.
    pub(super) fn up(&self, name: &RunnerName, way: Way, now: Wall) -> Up {
        let (count, all) = &mut *self.lock();
        *count += 1;
        let is_new = !all.contains_key(name);
        let runner = all.entry(name.clone()).or_default();
        let replaces = runner.link.replace((*count, way)).is_some();
        runner.heard_at = now;
        runner.forgotten = false;
        Up { number: *count, replaces, is_new }
    }

    /// A link is down. `true`: it was the present one.
    pub(super) fn down(&self, name: &RunnerName, link: u64) -> bool {
        let (_, all) = &mut *self.lock();
        let Some(runner) = all.get_mut(name) else { return false };
        let present = runner.link.as_ref().is_some_and(|(number, _)| *number == link);
        if present {
            runner.link = None;
            runner.slots = 0;
            if runner.forgotten {
                all.remove(name);
            }
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

    /// The present link: its number, and the way.
    pub(super) fn way(&self, name: &RunnerName) -> Option<(u64, Way)> {
        self.lock().1.get(name)?.link.clone()
    }

    /// The number of the last link of any runner.
    pub(super) fn newest_link(&self) -> u64 {
        self.lock().0
    }

    pub(super) fn names(&self) -> Vec<RunnerName> {
        self.lock().1.keys().cloned().collect()
    }

    /// Sets it and writes it down; `None`: no such runner. Blocks.
    pub(super) fn set_draining(
        &self,
        name: &str,
        draining: bool,
    ) -> io::Result<Option<RunnerName>> {
        let name = RunnerName::from(name);
        let Some(before) = self.mark(&name, draining) else { return Ok(None) };
        if let Err(error) = self.keep() {
            self.mark(&name, before);
            return Err(error);
        }
        Ok(Some(name))
    }

    fn mark(&self, name: &RunnerName, draining: bool) -> Option<bool> {
        let (_, all) = &mut *self.lock();
        Some(std::mem::replace(&mut all.get_mut(name)?.draining, draining))
    }

    /// Forgets a runner. One that has a link and is no member is this host's own, and stays. Blocks.
    pub(super) fn forget(&self, name: &str, was_member: bool) -> io::Result<Forgotten> {
        let name = RunnerName::from(name);
        let known = {
            let (_, all) = &mut *self.lock();
            match all.get_mut(&name) {
                Some(runner) if runner.link.is_some() && !was_member => return Ok(Forgotten::Own),
                Some(runner) if runner.link.is_some() => {
                    runner.forgotten = true;
                    true
                }
                Some(_) => all.remove(&name).is_some(),
                None => false,
            }
        };
        if known {
            self.keep()?;
        }
        Ok(if known || was_member { Forgotten::Done } else { Forgotten::Unknown })
    }

    pub(super) fn is_draining(&self, name: &RunnerName) -> bool {
        self.lock().1.get(name).is_some_and(|runner| runner.draining)
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
        self.lock().1.iter().filter(|(_, it)| !it.forgotten).map(view).collect()
    }
}

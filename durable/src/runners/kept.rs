//! The file of the runners: their names, what an operator wants of them, what they said of their hosts.

use std::{
    io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use ostler_api::backend::Drained;
use ostler_job::{Labels, Wall};
use serde::{Deserialize, Serialize};

use super::{Runner, RunnerName, Runners, will::Will};

/// The file in the state folder.
const FILE: &str = "runners.json";

/// A runner as the file has it.
#[derive(Serialize, Deserialize)]
struct StoredRunner {
    name: String,
    #[serde(default)]
    draining: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    drained_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    drained_since: Option<Wall>,
    /// Older gateways do not know it, and give it jobs as ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    broken: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    slots: Option<u32>,
    #[serde(default)]
    heard_at: Wall,
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    labels: Labels,
}

impl StoredRunner {
    fn of(name: &RunnerName, runner: &Runner) -> Self {
        let Will { drained, slots } = runner.will.clone();
        let draining = drained.as_ref().is_some_and(|it| it.broken.is_none());
        let Drained { by, since, broken } = drained.unwrap_or_default();
        Self {
            name: name.to_string(),
            draining,
            drained_by: by,
            drained_since: since,
            broken,
            slots,
            heard_at: runner.heard_at,
            labels: (*runner.labels).clone(),
        }
    }

    fn known(self) -> (RunnerName, Runner) {
        let is_drained = self.draining || self.broken.is_some();
        let broken = self.broken.filter(|_| !self.draining);
        let drained = Drained { by: self.drained_by, since: self.drained_since, broken };
        let drained = is_drained.then_some(drained);
        let will = Will { drained, slots: self.slots.filter(|slots| *slots > 0) };
        let (heard_at, labels) = (self.heard_at, Arc::new(self.labels));
        (Arc::from(self.name), Runner { will, heard_at, labels, ..Runner::default() })
    }
}

impl Runners {
    /// Those that an earlier start knew. A file that cannot be read is as good as none: they come back by themselves.
    pub(in super::super) fn open(state: &Path, now: Wall) -> Self {
        let file = state.join(FILE);
        let known = ostler_private::read(&file).unwrap_or_default();
        let known: Vec<StoredRunner> = serde_json::from_slice(&known).unwrap_or_default();
        let known = known.into_iter().map(StoredRunner::known);
        let all = known.filter(|(_, runner)| runner.stays(now)).collect();
        Self { all: Mutex::new((0, all)), file: Mutex::new(file) }
    }

    /// Writes them down. Blocks.
    pub(in super::super) fn keep(&self) -> io::Result<()> {
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let known: Vec<StoredRunner> = {
            let (_, all) = &*self.lock();
            let known = all.iter().filter(|(_, it)| !it.forgotten);
            known.map(|(name, it)| StoredRunner::of(name, it)).collect()
        };
        ostler_private::replace(&file, &serde_json::to_vec(&known)?)
    }
}

//! Which link of a runner is the present one: whatever comes of another changes nothing.

use std::collections::BTreeMap;

use super::RunnerName;

/// The newest link of every runner, and whether it is up.
#[derive(Debug, Default)]
pub(super) struct Links(BTreeMap<RunnerName, (u64, bool)>);

impl Links {
    /// A link is up. `true`: the one before was, too.
    pub(super) fn up(&mut self, runner: &RunnerName, link: u64) -> bool {
        let newest = self.0.entry(runner.clone()).or_default();
        if link <= newest.0 {
            return false;
        }
        std::mem::replace(newest, (link, true)).1
    }

    /// A link is down. `true`: it was the present one.
    pub(super) fn down(&mut self, runner: &RunnerName, link: u64) -> bool {
        let present = self.is_present(runner, link);
        if present {
            self.0.insert(runner.clone(), (link, false));
        }
        present
    }

    pub(super) fn is_present(&self, runner: &RunnerName, link: u64) -> bool {
        self.0.get(runner) == Some(&(link, true))
    }
}

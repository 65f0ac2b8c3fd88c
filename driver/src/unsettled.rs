//! What runners told while nothing could be written.

use std::collections::BTreeMap;

use ostler_job::durable::Report;

use super::{Reports, RunnerName};

/// Reports of one runner, at most: many times as many as it has slots.
const MAX: usize = 200_000;

/// Reports that nothing safe has followed from: no runner sends them twice on one link.
#[derive(Debug, Default)]
pub(super) struct UnsettledReports(BTreeMap<RunnerName, (Vec<Reports>, usize)>);

impl UnsettledReports {
    /// Keeps what a runner told. How far a log has come is told again as it grows, and with its end.
    pub(super) fn put(&mut self, mut reports: Reports) {
        reports.reports.retain(|report| !matches!(report, Report::Log { .. }));
        let (kept, count) = self.0.entry(reports.runner.clone()).or_default();
        if reports.reports.is_empty() || *count >= MAX {
            return;
        }
        *count += reports.reports.len();
        kept.push(reports);
    }

    /// The runner tells everything anew.
    pub(super) fn forget(&mut self, runner: &RunnerName) {
        self.0.remove(runner);
    }

    /// All of it, in the order of each runner.
    pub(super) fn take(&mut self) -> impl Iterator<Item = Reports> + use<> {
        std::mem::take(&mut self.0).into_values().flat_map(|(kept, _)| kept)
    }

    /// Whether there is such a one.
    pub(super) fn any(&self, is_such: impl Fn(&Report) -> bool) -> bool {
        self.0.values().flat_map(|(kept, _)| kept).flat_map(|it| &it.reports).any(is_such)
    }

    /// How many reports there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.values().map(|(_, count)| *count).sum()
    }
}

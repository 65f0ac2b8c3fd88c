//! How often things happened.

use std::collections::BTreeMap;

use ostler_job::durable::{JobState, Reason};

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) acknowledged: u64,
    pub(crate) started: u64,
    pub(crate) finished: BTreeMap<JobState, u64>,
    pub(crate) reasons: BTreeMap<Reason, u64>,
    pub(crate) crashes: u64,
    pub(crate) fenced: u64,
    pub(crate) resent: u64,
    /// Commits and loads that failed, and memories that were loaded anew after one.
    pub(crate) failed: u64,
    pub(crate) reloads: u64,
    /// Stores that were put back.
    pub(crate) restored: u64,
    /// Links that another one took the place of while they were up.
    pub(crate) replaced: u64,
    /// Answers to whoever changed what a queue is attached to, and jobs that came back with their runners.
    pub(crate) detached: u64,
    pub(crate) back: u64,
    /// Firings of schedules by what became of them.
    pub(crate) fates: BTreeMap<&'static str, u64>,
    /// Words of runners whose beats waited.
    pub(crate) words: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.acknowledged += other.acknowledged;
        self.started += other.started;
        self.crashes += other.crashes;
        self.fenced += other.fenced;
        self.resent += other.resent;
        self.failed += other.failed;
        self.reloads += other.reloads;
        self.restored += other.restored;
        self.replaced += other.replaced;
        self.detached += other.detached;
        self.back += other.back;
        self.words += other.words;
        for (&fate, n) in &other.fates {
            *self.fates.entry(fate).or_default() += n;
        }
        for (&state, n) in &other.finished {
            *self.finished.entry(state).or_default() += n;
        }
        for (&reason, n) in &other.reasons {
            *self.reasons.entry(reason).or_default() += n;
        }
    }

    /// Asserts that what the simulation is about took place.
    pub(crate) fn check(&self) {
        assert!(self.acknowledged > 1_000 && self.started > 1_000, "{self:?}");
        assert!(self.crashes > 100 && self.fenced > 50 && self.resent > 20, "{self:?}");
        assert!(self.words > 200, "{self:?}");
        assert!(self.detached > 100 && self.back > 5, "{self:?}");
        assert!(self.reloads > 100 && self.restored > 20 && self.replaced > 20, "{self:?}");
        let fates = ["fired", "waiting", "overlapped", "missed", "refused"];
        assert!(fates.iter().all(|it| self.fates.get(it).is_some_and(|n| *n > 50)), "{self:?}");
        let ends = [JobState::Succeeded, JobState::Dead, JobState::Cancelled, JobState::Expired];
        assert!(ends.iter().all(|state| self.finished.contains_key(state)), "{self:?}");
        let reasons = [Reason::Lost, Reason::Quarantined, Reason::Killed, Reason::ExitStatus];
        assert!(reasons.iter().all(|reason| self.reasons.contains_key(reason)), "{self:?}");
    }
}

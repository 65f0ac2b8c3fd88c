//! Who was heard when: whoever is heard keeps its leases, and nothing of a job is left running beside another of it.

use std::collections::BTreeMap;

use ostler_job::{JobId, Mono, Span, Wall};

use crate::world::{CALM, EPOCH, World};

/// How long leases run without a word.
const LEASE: Span = Span::from_secs(15);
/// When the last fault is over, and everybody has beaten twice since.
const REST: Mono = Mono(CALM.0 + 60_000_000_000);

/// When the gateway last heard of runners on their present links, since it has heard a beat there.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// Somebody sets the clocks: moments are not compared.
    steps: bool,
    last: BTreeMap<String, Mono>,
}

impl Heard {
    pub(crate) fn new(steps: bool) -> Self {
        Self { steps, last: BTreeMap::new() }
    }

    /// It was heard; a beat counts from the first, anything else after one.
    pub(crate) fn of(&mut self, name: &str, is_beat: bool, now: Mono) {
        match self.last.get_mut(name) {
            Some(last) => *last = now,
            None if is_beat => drop(self.last.insert(name.to_owned(), now)),
            None => {}
        }
    }

    /// Its link is another, or none.
    pub(crate) fn forget(&mut self, name: &str) {
        self.last.remove(name);
    }

    /// The gateway knows of nobody: it starts, or its memory was loaded anew.
    pub(crate) fn forget_all(&mut self) {
        self.last.clear();
    }

    /// Something is told of a runner. What is wrong with it, if it was given up for its silence and was not silent.
    pub(crate) fn gave_up(&self, at: Wall, detail: &str) -> Option<String> {
        let detail: serde_json::Value = serde_json::from_str(detail).ok()?;
        let last = self.last.get(detail["runner"].as_str()?)?;
        let at = Mono(at.0.saturating_sub(EPOCH) * 1_000_000);
        // A moment is a millisecond.
        let silent = at + Span::from_millis(1) - *last;
        let wrong = detail["what"] == "not heard" && !self.steps && *last < at && silent < LEASE;
        wrong.then(|| format!("{} was given up {silent:?} after it was heard", detail["runner"]))
    }
}

impl World {
    /// When all faults are long over, no job has two attempts that run.
    pub(crate) fn check_rest(&mut self) {
        if self.now.mono < REST {
            return;
        }
        let mut live: BTreeMap<JobId, u32> = BTreeMap::new();
        let keys = self.runners.iter().flat_map(|runner| runner.running());
        keys.for_each(|key| *live.entry(key.job).or_default() += 1);
        if let Some((job, count)) = live.into_iter().find(|(_, count)| *count > 1) {
            self.checker.fail(format!("{count} attempts of job {job} run at once"));
        }
    }
}

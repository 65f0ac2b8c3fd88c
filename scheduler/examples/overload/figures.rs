//! What is said of the jobs of a tenant: how long they waited, and which promises were kept.

use std::fmt;

use ostler_job::Span;

use super::world::{Job, SECOND};
use super::{BURST, SECONDS};

/// Time from submit to start.
pub(crate) struct Starts {
    pub(crate) median: Wait,
    p99: Wait,
}

/// As people say it.
pub(crate) struct Wait(Span);

impl Starts {
    pub(crate) fn of(jobs: &[Job], tenant: u32) -> Self {
        let waited = |job: &Job| job.started.expect("all that is measured starts") - job.arrives;
        let mut waits: Vec<Span> = measured(jobs, tenant).map(waited).collect();
        waits.sort();
        let at = |hundredths: usize| Wait(waits[waits.len() * hundredths / 100]);
        Self { median: at(50), p99: at(99) }
    }
}

impl fmt::Display for Starts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.median, self.p99)
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_secs_f64() {
            seconds if seconds < 1.0 => write!(f, "{:.0} ms", seconds * 1_000.0),
            seconds if seconds < 10.0 => write!(f, "{seconds:.1} s"),
            seconds => write!(f, "{seconds:.0} s"),
        }
    }
}

/// Those that came from the burst on.
fn measured(jobs: &[Job], tenant: u32) -> impl Iterator<Item = &Job> {
    let times = BURST as u64 * SECOND..SECONDS as u64 * SECOND;
    jobs.iter().filter(move |job| job.tenant == tenant && times.contains(&job.arrives.0))
}

/// How many promises of each second were kept and missed.
pub(crate) fn kept(jobs: &[Job], tenant: u32) -> Vec<(u32, u32)> {
    let mut counts = vec![(0, 0); SECONDS];
    for job in measured(jobs, tenant) {
        let count = &mut counts[(job.arrives.0 / SECOND) as usize];
        match job.is_kept() {
            Some(true) => count.0 += 1,
            Some(false) => count.1 += 1,
            None => {}
        }
    }
    counts
}

pub(crate) fn sum(counts: &[(u32, u32)]) -> (u32, u32) {
    counts.iter().fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1))
}

pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

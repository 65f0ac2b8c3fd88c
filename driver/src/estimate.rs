//! How long jobs of an identity take: a moving mean and variance of the logarithm of their run times.

use ostler_job::Span;
use ostler_scheduler::Estimate;

use super::recent::Recent;

/// Identities that are remembered, or twice as many.
const IDENTITIES: usize = 10_000;
/// The last run counts for this much at least.
const NEWEST: f64 = 0.25;
/// What is assumed of an identity that never ran here.
const UNKNOWN: Span = Span::from_secs(1);
/// Standard deviations between the median and the ninetieth percentile.
const P90: f64 = 1.2816;

/// See the module.
#[derive(Debug)]
pub(super) struct Estimates {
    known: Recent<u64, Moments>,
}

#[derive(Clone, Copy, Debug)]
struct Moments {
    mean: f64,
    variance: f64,
    runs: u32,
}

impl Estimates {
    pub(super) fn new() -> Self {
        Self { known: Recent::new(IDENTITIES) }
    }

    /// A job of the identity ran this long.
    pub(super) fn learn(&mut self, identity: u64, ran: Span) {
        let log = (ran.0.max(1) as f64).ln();
        let mut it =
            self.known.take(&identity).unwrap_or(Moments { mean: log, variance: 0.0, runs: 0 });
        it.runs = it.runs.saturating_add(1);
        let part = NEWEST.max(1.0 / f64::from(it.runs));
        let off = log - it.mean;
        it.mean += part * off;
        it.variance = (1.0 - part) * (it.variance + part * off * off);
        self.known.put(identity, it);
    }

    pub(super) fn of(&self, identity: u64) -> Estimate {
        self.known(identity).unwrap_or(Estimate { p50: UNKNOWN, p90: UNKNOWN })
    }

    /// `None`: no job of the identity has run here.
    pub(super) fn known(&self, identity: u64) -> Option<Estimate> {
        let it = self.known.get(&identity)?;
        let p90 = it.mean + P90 * it.variance.sqrt();
        Some(Estimate { p50: Span(it.mean.exp() as u64), p90: Span(p90.exp() as u64) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_follows_what_ran_and_widens_with_its_spread() {
        let mut estimates = Estimates::new();
        assert_eq!(estimates.of(1).p50, UNKNOWN);
        (0..20).for_each(|_| estimates.learn(1, Span::from_millis(100)));
        let steady = estimates.of(1);
        assert!(steady.p50.0.abs_diff(Span::from_millis(100).0) < 1_000);
        assert!(steady.p90.0.abs_diff(steady.p50.0) < 1_000);
        for n in 0..40 {
            estimates.learn(1, Span::from_millis(if n % 2 == 0 { 50 } else { 800 }));
        }
        let wide = estimates.of(1);
        assert!(wide.p50 > Span::from_millis(100) && wide.p90 > Span(wide.p50.0 * 2), "{wide:?}");
    }
}

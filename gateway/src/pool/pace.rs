//! How long an app's children take: the estimate for the scheduler, and whether prefetch pays.
//!
//! Prefetch saves the wake-up between two requests of a child, which only matters when the handler itself is shorter
//! than that; it binds early, which hurts when one request in a hundred is slow. So it is allowed only while the whole
//! recent past was fast.

use ostler_job::Span;
use ostler_scheduler::Estimate;

use super::FIRST_ESTIMATE;

/// Runs that must be seen, and must all have been fast, before prefetch is allowed.
const RUNS: u32 = 100;
/// The slowest run that still counts as fast.
const FAST: Span = Span::from_millis(1);
/// Time that a prefetched job may be expected to wait for those before it.
const AHEAD: Span = Span::from_millis(1);

#[derive(Debug)]
pub(crate) struct Pace {
    prefetch_max: u32,
    /// Fast runs in a row, up to [`RUNS`].
    fast: u32,
    mean_ns: f64,
    deviation_ns: f64,
    seen: bool,
    depth: u32,
}

impl Pace {
    pub(crate) fn new(prefetch_max: u32) -> Self {
        Self { prefetch_max, fast: 0, mean_ns: 0.0, deviation_ns: 0.0, seen: false, depth: 0 }
    }

    /// Takes a run into account. `true`: the depth of prefetch has changed.
    pub(crate) fn observe(&mut self, took: Span) -> bool {
        let ns = took.0 as f64;
        if self.seen {
            let error = ns - self.mean_ns;
            self.mean_ns += error / 16.0;
            self.deviation_ns += (error.abs() - self.deviation_ns) / 16.0;
        } else {
            (self.mean_ns, self.deviation_ns, self.seen) = (ns, ns / 2.0, true);
        }
        self.fast = match took <= FAST {
            true => (self.fast + 1).min(RUNS),
            false => 0,
        };
        let depth = match self.fast == RUNS {
            true => self.fitting(),
            false => 0,
        };
        // A small change is not worth telling every child.
        let changed = depth.abs_diff(self.depth) > 1 || (depth == 0) != (self.depth == 0);
        if changed {
            self.depth = depth;
        }
        changed
    }

    fn fitting(&self) -> u32 {
        let runs = AHEAD.0 as f64 / self.estimate().p90.0.max(1) as f64;
        self.prefetch_max.min(runs as u32)
    }

    pub(crate) fn depth(&self) -> u32 {
        self.depth
    }

    /// Median and 90th percentile of the next run, as a normal distribution would have them.
    pub(crate) fn estimate(&self) -> Estimate {
        if !self.seen {
            return FIRST_ESTIMATE;
        }
        // 1.25 mean absolute deviations are about one standard deviation, 1.28 of those the 90th percentile.
        let p90 = self.mean_ns + 1.6 * self.deviation_ns;
        Estimate { p50: Span(self.mean_ns as u64), p90: Span(p90 as u64) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefetch_needs_a_hundred_fast_runs_and_one_slow_run_ends_it() {
        let mut pace = Pace::new(8);
        for _ in 0..99 {
            assert!(!pace.observe(Span::from_micros(20)));
        }
        assert!(pace.observe(Span::from_micros(20)));
        assert_eq!(pace.depth(), 8);
        assert!(pace.observe(Span::from_millis(2)));
        assert_eq!(pace.depth(), 0);
    }

    #[test]
    fn the_depth_fits_the_time_a_job_may_wait_for_those_before_it() {
        let mut pace = Pace::new(8);
        (0..200).for_each(|_| {
            pace.observe(Span::from_micros(400));
        });
        assert_eq!(pace.depth(), 2);
    }

    #[test]
    fn prefetch_can_be_forbidden() {
        let mut pace = Pace::new(0);
        (0..200).for_each(|_| assert!(!pace.observe(Span::from_micros(20))));
    }
}

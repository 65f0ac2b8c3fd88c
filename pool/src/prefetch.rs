//! Prefetch, and how long an app's children take: the estimate for the scheduler, and whether binding ahead pays.
//!
//! Prefetch saves the wake-up between two requests of a child, which only matters when the handler itself is shorter
//! than that; it binds early, which hurts when a slow request stands before a fast one. So it is allowed only while
//! nearly all runs are fast and none of the recent ones was really slow. What counts as fast leaves room for a
//! child that lost the processor for a moment: a busy host is where prefetch helps most.

use ostler_job::Span;
use ostler_scheduler::Estimate;

use super::FIRST_ESTIMATE;

/// Runs after a really slow one until prefetch is allowed again, and before it is allowed at all.
const RUNS: u32 = 100;
/// 95 of 100 runs must be at most this long.
const FAST: Span = Span::from_millis(1);
/// One run as long as this is really slow.
const SLOW: Span = Span::from_millis(25);
/// Time that a prefetched job may be expected to wait for those before it.
const AHEAD: Span = Span::from_millis(2);
/// Runs between two looks at the quantiles.
const LOOK: u32 = 32;
/// Runs after which older ones count half.
const HALF_LIFE: u32 = 512;
/// Two buckets for each doubling of nanoseconds.
const BUCKETS: usize = 80;

#[derive(Debug)]
pub(crate) struct Prefetch {
    prefetch_max: u32,
    /// Runs since the last really slow one, up to [`RUNS`].
    calm: u32,
    counts: [u32; BUCKETS],
    seen: u32,
    estimate: Estimate,
    depth: u32,
}

impl Prefetch {
    pub(crate) fn new(prefetch_max: u32) -> Self {
        let counts = [0; BUCKETS];
        Self { prefetch_max, calm: 0, counts, seen: 0, estimate: FIRST_ESTIMATE, depth: 0 }
    }

    /// Takes a run into account. `true`: the depth of prefetch has changed.
    pub(crate) fn observe(&mut self, took: Span) -> bool {
        self.counts[bucket(took)] += 1;
        self.seen = self.seen.wrapping_add(1);
        self.calm = if took < SLOW { (self.calm + 1).min(RUNS) } else { 0 };
        if self.seen.is_multiple_of(HALF_LIFE) {
            self.counts.iter_mut().for_each(|count| *count /= 2);
        }
        if self.calm > 0 && !self.seen.is_multiple_of(LOOK) && self.seen > LOOK {
            return false;
        }
        self.look()
    }

    fn look(&mut self) -> bool {
        let [p50, p90, p95] = self.quantiles([0.5, 0.9, 0.95]);
        self.estimate = Estimate { p50, p90 };
        let depth = match self.calm == RUNS && p95 <= FAST {
            true => {
                self.prefetch_max.min(u32::try_from(AHEAD.0 / p90.0.max(1)).unwrap_or(u32::MAX))
            }
            false => 0,
        };
        // A small change is not worth telling every child.
        let changed = depth.abs_diff(self.depth) > 1 || (depth == 0) != (self.depth == 0);
        if changed {
            self.depth = depth;
        }
        changed
    }

    fn quantiles<const N: usize>(&self, shares: [f64; N]) -> [Span; N] {
        let total: u32 = self.counts.iter().sum();
        shares.map(|share| {
            let rank = (f64::from(total) * share).ceil() as u32;
            let mut below = 0;
            let reached = self.counts.iter().position(|count| {
                below += count;
                below >= rank.max(1)
            });
            Span(upper_bound(reached.unwrap_or(0)))
        })
    }

    pub(crate) fn depth(&self) -> u32 {
        self.depth
    }

    /// Median and 90th percentile of the next run.
    pub(crate) fn estimate(&self) -> Estimate {
        self.estimate
    }
}

/// Half octaves of nanoseconds.
fn bucket(took: Span) -> usize {
    let ns = took.0.max(1);
    let octave = ns.ilog2();
    let half = if octave == 0 { 0 } else { ns >> (octave - 1) & 1 };
    (2 * octave as usize + half as usize).min(BUCKETS - 1)
}

fn upper_bound(bucket: usize) -> u64 {
    let octave = 1_u64 << (bucket / 2);
    if bucket.is_multiple_of(2) { octave + octave / 2 } else { 2 * octave }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(runs: usize, took: Span) -> Prefetch {
        let mut pace = Prefetch::new(8);
        for _ in 0..runs {
            pace.observe(took);
        }
        pace
    }

    #[test]
    fn prefetch_needs_a_hundred_calm_runs_and_one_slow_run_ends_it() {
        assert_eq!(after(99, Span::from_micros(20)).depth(), 0);
        let mut pace = after(200, Span::from_micros(20));
        assert_eq!(pace.depth(), 8);
        assert!(pace.observe(Span::from_millis(30)));
        assert_eq!(pace.depth(), 0);
    }

    #[test]
    fn a_child_that_lost_the_processor_now_and_then_is_still_fast() {
        let mut pace = after(200, Span::from_micros(20));
        for run in 0..1000 {
            let took = if run % 40 == 0 { Span::from_millis(4) } else { Span::from_micros(20) };
            pace.observe(took);
        }
        assert_eq!(pace.depth(), 8);
    }

    #[test]
    fn a_handler_of_which_some_runs_are_slow_gets_nothing_ahead() {
        let mut pace = Prefetch::new(8);
        for run in 0..1000 {
            let took = if run % 12 == 0 { Span::from_millis(20) } else { Span::from_micros(20) };
            pace.observe(took);
        }
        assert_eq!(pace.depth(), 0, "what waits behind one of them waits for all of it");
    }

    #[test]
    fn the_depth_fits_the_time_a_job_may_wait_for_those_before_it() {
        assert_eq!(after(400, Span::from_micros(600)).depth(), 2);
        assert_eq!(after(400, Span::from_millis(3)).depth(), 0);
    }

    #[test]
    fn prefetch_can_be_forbidden() {
        let mut pace = Prefetch::new(0);
        (0..400).for_each(|_| assert!(!pace.observe(Span::from_micros(20))));
    }

    #[test]
    fn quantiles_are_within_half_an_octave() {
        for us in [1, 7, 20, 999, 40_000, 3_000_000] {
            let took = Span::from_micros(us);
            let Estimate { p50, .. } = after(300, took).estimate();
            assert!(p50 >= took && p50.0 <= took.0 * 3 / 2 + 1, "{us} us: {p50:?}");
        }
    }
}

//! How long a failed job waits before its next attempt.

use ostler_job::Span;
use ostler_job::durable::Retry;

use crate::hash::mix;

/// The wait before the next attempt after this many failures (from 1). Constant waits are exact; others double with
/// every failure up to the longest, and up to half is taken off as the seed decides, so that jobs which failed together
/// do not come back together.
pub fn delay(retry: &Retry, failures: u32, seed: u64) -> Span {
    let Span(whole) = delay_max(retry, failures);
    if retry.constant {
        return Span(whole);
    }
    let taken = (u128::from(whole / 2) * u128::from(mix(seed))) >> 64;
    Span(whole - taken as u64)
}

/// The longest that this wait may be, whatever the seed is.
pub fn delay_max(retry: &Retry, failures: u32) -> Span {
    if retry.constant {
        return retry.delay;
    }
    let doublings = failures.saturating_sub(1).min(63);
    let doubled = u128::from(retry.delay.0) << doublings;
    let longest = retry.delay_max.0.max(retry.delay.0);
    Span(u64::try_from(doubled).unwrap_or(u64::MAX).min(longest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retry(constant: bool) -> Retry {
        let delay_max = Span::from_secs(60);
        Retry { delay: Span::from_secs(1), delay_max, constant, ..Retry::default() }
    }

    #[test]
    fn waits_double_up_to_the_longest_and_lose_at_most_half() {
        for (failures, whole) in [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (8, 60), (u32::MAX, 60)]
        {
            let whole = Span::from_secs(whole);
            for seed in 0..500 {
                let got = delay(&retry(false), failures, seed);
                assert!(got <= whole && got.0 >= whole.0 / 2, "{got:?} of {whole:?}");
            }
            assert_eq!(delay_max(&retry(false), failures), whole);
        }
    }

    #[test]
    fn jobs_that_failed_together_come_back_spread_out() {
        let waits: Vec<u64> = (0..1_000).map(|seed| delay(&retry(false), 7, seed).0).collect();
        let mean = waits.iter().sum::<u64>() / 1_000;
        assert!(mean.abs_diff(Span::from_secs(45).0) < Span::from_secs(1).0, "{mean}");
        let early = waits.iter().filter(|&&it| it < Span::from_secs(33).0).count();
        assert!((70..130).contains(&early), "a tenth of them in a tenth of the time: {early}");
    }

    #[test]
    fn constant_waits_are_exact() {
        for failures in [1, 2, 90] {
            assert_eq!(delay(&retry(true), failures, 7), Span::from_secs(1));
            assert_eq!(delay_max(&retry(true), failures), Span::from_secs(1));
        }
    }

    #[test]
    fn a_longest_wait_below_the_first_does_not_shorten_it() {
        let retry = Retry { delay_max: Span::ZERO, ..retry(false) };
        assert!(delay(&retry, 3, 1) >= Span::from_millis(500));
    }
}

//! Heartbeats: a runner counts as gone when it was not heard of for a while though this process could hear.
//!
//! While a runner speaks, this sleeps. Only when its time is nearly over is it asked for a word, and looked at often enough to know whether
//! the gateway itself stands still: what was sent meanwhile is to be read before anybody is judged by it.

use std::time::Duration;

use ostler_job::{Mono, Span};
use ostler_machine::clock;

/// Before the end of a silence it is looked at often for so long.
const NEAR: Span = Span::from_secs(2);
/// How often.
const LOOK: Span = Span::from_millis(500);
/// A look that late means that the gateway itself stood still.
const STOOD_STILL: Span = Span::from_secs(1);

/// Returns when it is silent. `ends`: when it is to be, as far as is known now; `excuse`: nobody could be heard until now; `ask`: its time is
/// nearly over.
pub(super) async fn missed(ends: impl Fn() -> Mono, excuse: impl Fn(Mono), ask: impl Fn()) {
    let mut silence = Silence::default();
    loop {
        let now = clock::now();
        match silence.check(ends(), now) {
            Found::Silent => return,
            Found::StoodStill => excuse(now),
            Found::Wait(left) => tokio::time::sleep(Duration::from_nanos(left.0)).await,
            Found::Near(left) => {
                ask();
                tokio::time::sleep(Duration::from_nanos(left.0)).await;
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Silent,
    StoodStill,
    /// Until it is looked at again.
    Wait(Span),
    /// The same, when its time is nearly over.
    Near(Span),
}

#[derive(Debug, Default)]
struct Silence {
    /// When it was to be looked at.
    due: Option<Mono>,
}

impl Silence {
    fn check(&mut self, ends: Mono, now: Mono) -> Found {
        if self.due.take().is_some_and(|due| now - due > STOOD_STILL) {
            return Found::StoodStill;
        }
        if now > ends {
            return Found::Silent;
        }
        let left = ends - now;
        // The end itself is not yet silence.
        let (wait, found): (_, fn(Span) -> Found) = match left.0.saturating_sub(NEAR.0) {
            0 => (left.min(LOOK).max(Span::from_millis(1)), Found::Near),
            far => (Span(far), Found::Wait),
        };
        self.due = Some(now + wait);
        found(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Span = Span::from_secs(15);

    fn at(ms: u64) -> Mono {
        Mono(0) + Span::from_millis(ms)
    }

    /// Looks for so long whether a runner is silent that speaks at these moments, while the process stands still between those.
    /// When it was silent, and how often it was looked.
    fn watch(words: &[u64], still: &[(u64, u64)], end: u64) -> (Option<Mono>, usize) {
        let (mut silence, mut now, mut excused) = (Silence::default(), at(0), at(0));
        let wakes = |now: Mono| {
            let hold = still.iter().find(|(from, to)| (at(*from)..at(*to)).contains(&now));
            hold.map_or(now, |(_, to)| at(*to))
        };
        for looks in 0.. {
            if now > at(end) {
                return (None, looks);
            }
            // What was sent while the process stood still is read after the look that comes with its end.
            let heard = words.iter().map(|word| wakes(at(*word))).filter(|word| *word < now);
            let heard = heard.fold(excused, Mono::max);
            match silence.check(heard + LIMIT, now) {
                Found::Silent => return (Some(now), looks),
                Found::StoodStill => excused = now,
                Found::Wait(left) | Found::Near(left) => now = wakes(now + left),
            }
        }
        unreachable!("the time ends")
    }

    #[test]
    fn who_speaks_is_seldom_looked_at_and_who_stops_is_found_silent_in_time() {
        let words: Vec<u64> = (0..720).map(|n| n * 5000).collect();
        let (silent, looks) = watch(&words, &[], 3_600_000);
        assert!(silent.is_none() && looks < 400, "{silent:?} {looks}");
        let (silent, _) = watch(&[0, 5000, 10_000], &[], 60_000);
        let silent = silent.expect("nothing came any more");
        assert!(silent > at(25_000) && silent <= at(25_010), "{silent:?}");
    }

    /// Looks for so long at one that is heard each so often. How often it was asked and looked at.
    fn asked(every: u64, limit: Span, end: u64) -> (usize, usize) {
        let (mut silence, mut now, mut asks) = (Silence::default(), at(0), 0);
        for looks in 0.. {
            if now > at(end) {
                return (asks, looks);
            }
            let heard = at((now - at(0)).0 / 1_000_000 / every * every);
            match silence.check(heard + limit, now) {
                Found::Near(left) => (asks, now) = (asks + 1, now + left),
                Found::Wait(left) => now += left,
                other @ (Found::Silent | Found::StoodStill) => panic!("{other:?}"),
            }
        }
        unreachable!("the time ends")
    }

    #[test]
    fn who_beats_each_second_is_not_asked_and_who_pauses_is_before_its_time_is_over() {
        let limit = Span::from_secs(5);
        let (asks, looks) = asked(1000, limit, 600_000);
        assert!(asks == 0 && looks <= 300, "{asks} {looks}");
        let (asks, _) = asked(4900, limit, 49_000);
        assert!((30..=45).contains(&asks), "{asks}");
    }

    #[test]
    fn nobody_is_silent_to_a_process_that_stands_still() {
        let words: Vec<u64> = (0..40).map(|n| n * 5000).collect();
        for from in (0..30_000).step_by(250) {
            for length in [500, 900, 1100, 3000, 14_900, 15_100, 60_000] {
                let (silent, _) = watch(&words, &[(from, from + length)], 150_000);
                assert_eq!(silent, None, "from {from} for {length}");
            }
        }
    }

    #[test]
    fn who_says_nothing_is_silent_however_often_the_process_stands_still() {
        let still: Vec<_> = (0..10).map(|n| (n * 5000, n * 5000 + 2000)).collect();
        let (silent, _) = watch(&[0], &still, 200_000);
        assert!(silent.is_some_and(|silent| silent <= at(80_000)), "{silent:?}");
    }

    #[test]
    fn who_says_nothing_is_silent_to_a_process_whose_looks_are_late() {
        let (mut silence, mut now) = (Silence::default(), at(0));
        for _ in 0..100 {
            match silence.check(at(0) + LIMIT, now) {
                Found::Silent => return,
                Found::StoodStill => panic!("it is a machine with much to do"),
                Found::Wait(left) | Found::Near(left) => {
                    now = now + left + Span::from_millis(900);
                }
            }
        }
        panic!("it is never found silent");
    }

    #[tokio::test]
    async fn silence_is_judged_from_the_end_of_a_still_stand() {
        let (end, excused) = (clock::now() + Span::from_millis(10), std::cell::Cell::new(None));
        let stand_still = || std::thread::sleep(Duration::from_millis(1100));
        missed(|| excused.get().unwrap_or(end), |now| excused.set(Some(now)), stand_still).await;
        assert!(excused.get().is_some_and(|at| at > end));
    }
}

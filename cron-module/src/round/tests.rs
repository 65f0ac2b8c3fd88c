//! What becomes of firings by each policy.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ostler_job::durable::{Fate, MissedPolicy, OverlapPolicy, Schedule};
use ostler_job::{Span, Wall};
use ostler_module::{Clock, Plan, Round, Standing};

use super::STEPS_MAX;
use crate::plan::CronPlan;
use crate::{Dialect, Expression, Fold, Gap, Timing};

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A schedule with all that there is to know of it.
struct Bench {
    plan: CronPlan,
    cursor: u64,
    resumed_at: u64,
    unfinished: usize,
    waiting: BTreeSet<Wall>,
    fired: BTreeSet<Wall>,
}

fn bench(cron: &str) -> Bench {
    bench_in(cron, "UTC")
}

fn bench_in(cron: &str, zone: &str) -> Bench {
    let timing = Timing {
        expression: Expression::parse(cron, "a", Dialect::Standard).expect("it is right"),
        zone: TimeZone::get(zone).expect("a zone"),
        gap: Gap::After,
        fold: Fold::First,
        anchor: Wall(0),
    };
    let plan = CronPlan {
        timing,
        starts: Wall(0),
        ends: Wall(u64::MAX),
        offset: 0,
        missed: MissedPolicy::One,
        overlap: OverlapPolicy::Skip,
    };
    let (waiting, fired) = (BTreeSet::new(), BTreeSet::new());
    Bench { plan, cursor: 0, resumed_at: 0, unfinished: 0, waiting, fired }
}

impl Bench {
    fn overlap(mut self, overlap: OverlapPolicy) -> Self {
        self.plan.overlap = overlap;
        self
    }

    fn missed(mut self, missed: MissedPolicy) -> Self {
        self.plan.missed = missed;
        self
    }

    fn standing(&self) -> Standing<'_> {
        Standing {
            cursor: Wall(self.cursor),
            resumed_at: Wall(self.resumed_at),
            unfinished: self.unfinished,
            waiting: &self.waiting,
            fired: &self.fired,
        }
    }

    fn round(&self, now: u64, on_time_from: u64) -> Round {
        let clock = Clock { now: Wall(now), on_time_from: Wall(on_time_from) };
        self.plan.round(&self.standing(), clock)
    }

    /// The fates with the minutes of their firings.
    fn fates(&self, now: u64, on_time_from: u64) -> Vec<(u64, u64, u32, Fate)> {
        fates(&self.round(now, on_time_from))
    }
}

fn fates(round: &Round) -> Vec<(u64, u64, u32, Fate)> {
    let of = |wall: Wall| wall.0 / MINUTE;
    round.decided.iter().map(|it| (of(it.due), of(it.last), it.count, it.fate)).collect()
}

fn wall(text: &str) -> u64 {
    let moment: Timestamp = text.parse().expect("a moment");
    moment.as_millisecond() as u64
}

fn minutes(of: &[u64]) -> BTreeSet<Wall> {
    of.iter().map(|it| Wall(it * MINUTE)).collect()
}

fn one(minute: u64, fate: Fate) -> (u64, u64, u32, Fate) {
    (minute, minute, 1, fate)
}

#[test]
fn what_is_due_fires_and_is_decided() {
    let it = bench("* * * * *");
    let round = it.round(MINUTE, 0);
    assert_eq!(fates(&round), [one(1, Fate::Fired)]);
    assert_eq!((round.cursor, round.replaces), (Wall(MINUTE), false));
    // A moment before there is nothing to do, and the cursor stays.
    assert_eq!(it.round(MINUTE - 1, 0), Round { cursor: Wall(0), ..Round::default() });
}

#[test]
fn what_came_due_while_somebody_was_awake_is_on_time_however_late_it_is_looked_at() {
    let it = bench("* * * * *").overlap(OverlapPolicy::Allow).missed(MissedPolicy::Skip);
    let fired: Vec<_> = (1..=10).map(|it| one(it, Fate::Fired)).collect();
    assert_eq!(it.fates(10 * MINUTE + 59_000, MINUTE), fired);
    assert_eq!(it.fates(10 * MINUTE + 59_000, MINUTE + 1)[0], one(1, Fate::Missed));
}

#[test]
fn ten_firings_that_nobody_was_there_for_are_one_or_none_or_the_last_few() {
    let (now, awake) = (11 * HOUR, 11 * HOUR);
    let hourly = |missed| {
        let it = bench("30 * * * *").missed(missed).overlap(OverlapPolicy::Allow);
        assert_eq!(it.round(now, awake).cursor, Wall(10 * HOUR + 30 * MINUTE));
        it.fates(now, awake)
    };
    let at = |hour: u64| hour * 60 + 30;
    assert_eq!(hourly(MissedPolicy::Skip), [(at(0), at(10), 11, Fate::Missed)]);
    assert_eq!(
        hourly(MissedPolicy::One),
        [(at(0), at(9), 10, Fate::Missed), one(at(10), Fate::Fired)]
    );
    let all = |limit, hours: u64| {
        hourly(MissedPolicy::All { limit, window: Span::from_secs(hours * 3_600) })
    };
    let three = [
        (at(0), at(7), 8, Fate::Missed),
        one(at(8), Fate::Fired),
        one(at(9), Fate::Fired),
        one(at(10), Fate::Fired),
    ];
    assert_eq!(all(3, 24), three);
    // By the window: half an hour, one and a half and two and a half ago.
    assert_eq!(all(10, 3), three);
    assert_eq!(all(100, 24), (0..=10).map(|it| one(at(it), Fate::Fired)).collect::<Vec<_>>());
    // The window's beginning is in it.
    let it =
        bench("0 * * * *").missed(MissedPolicy::All { limit: 9, window: Span::from_secs(3_600) });
    assert_eq!(
        it.fates(2 * HOUR + 30 * MINUTE, 2 * HOUR + 30 * MINUTE)[1..],
        [one(120, Fate::Fired)]
    );
    assert_eq!(it.fates(3 * HOUR - 1, 3 * HOUR - 1)[0].2, 1);
    let it =
        bench("0 1,2 * * *").missed(MissedPolicy::All { limit: 9, window: Span::from_secs(7_200) });
    assert_eq!(it.fates(3 * HOUR, 3 * HOUR)[0], one(60, Fate::Fired));
    assert_eq!(it.fates(3 * HOUR + 1, 3 * HOUR + 1)[0], one(60, Fate::Missed));
}

#[test]
fn the_last_one_is_on_time_when_it_is_a_minute_late_at_most() {
    let it = bench("0 * * * *").missed(MissedPolicy::Skip);
    let at = |late| it.fates(2 * HOUR + late, 2 * HOUR + late);
    assert_eq!(at(MINUTE), [one(60, Fate::Missed), one(120, Fate::Fired)]);
    assert_eq!(at(MINUTE + 1), [(60, 120, 2, Fate::Missed)]);
    // Only the last of them is.
    let it = bench("*/20 * * * * *").missed(MissedPolicy::Skip);
    let round = it.round(HOUR + 1, HOUR + 1);
    assert_eq!(fates(&round), [(0, 59, 179, Fate::Missed), one(60, Fate::Fired)]);
    // None, when one came due after somebody woke.
    let round = it.round(HOUR + 21_000, HOUR + 10_000);
    assert_eq!(fates(&round), [(0, 60, 180, Fate::Missed), one(60, Fate::Fired)]);
    assert_eq!(round.decided[1].due, Wall(HOUR + 20_000));
}

#[test]
fn a_missed_one_is_not_made_up_for_beside_one_that_is_on_time() {
    let it = bench("0 * * * *").overlap(OverlapPolicy::Allow);
    let (now, awake) = (5 * HOUR, 4 * HOUR + 1);
    assert_eq!(it.fates(now, awake), [(60, 240, 4, Fate::Missed), one(300, Fate::Fired)]);
    // Each that is asked for is.
    let it = it.missed(MissedPolicy::All { limit: 2, window: Span::from_secs(86_400) });
    assert_eq!(
        it.fates(now, awake),
        [
            (60, 120, 2, Fate::Missed),
            one(180, Fate::Fired),
            one(240, Fate::Fired),
            one(300, Fate::Fired)
        ]
    );
}

#[test]
fn what_passed_while_it_was_paused_is_missed_be_it_ever_so_little_late() {
    let mut it = bench("0 * * * *").missed(MissedPolicy::Skip);
    it.resumed_at = 2 * HOUR;
    assert_eq!(it.fates(2 * HOUR, 0), [(60, 120, 2, Fate::Missed)]);
    it.resumed_at = 2 * HOUR - 1;
    assert_eq!(it.fates(2 * HOUR, 0), [one(60, Fate::Missed), one(120, Fate::Fired)]);
    let it = it.missed(MissedPolicy::One);
    assert_eq!(it.fates(2 * HOUR, 0), [one(60, Fate::Missed), one(120, Fate::Fired)]);
}

#[test]
fn a_day_asleep_and_an_hour_of_sigstop_are_told_alike() {
    let it = bench("*/5 * * * *");
    // Nobody looked from 00:02 until 24:02:30.
    let now = DAY + 2 * MINUTE + 30_000;
    assert_eq!(
        it.fates(now, now),
        [(5, DAY / MINUTE - 5, 287, Fate::Missed), one(1440, Fate::Fired)]
    );
    let mut it = bench("* * * * * *").missed(MissedPolicy::Skip);
    it.cursor = 10 * MINUTE;
    let now = 70 * MINUTE + 500;
    let round = it.round(now, now);
    assert_eq!(fates(&round), [(10, 69, 3_599, Fate::Missed), one(70, Fate::Fired)]);
}

#[test]
fn an_hour_ahead_is_an_hour_missed_and_an_hour_back_fires_nothing_again() {
    let mut it = bench("*/10 * * * *");
    it.cursor = 10 * HOUR;
    // The clock was set from 10:05 to 11:05, and whoever looks knows that it was not there between.
    let (now, awake) = (11 * HOUR + 5 * MINUTE, 11 * HOUR + 5 * MINUTE);
    assert_eq!(it.fates(now, awake), [(610, 650, 5, Fate::Missed), one(660, Fate::Fired)]);
    // Then back to 10:05: until 11:00 has passed there is nothing.
    it.cursor = 11 * HOUR;
    for minute in 605..670 {
        let round = it.round(minute * MINUTE, awake);
        assert_eq!(round, Round { cursor: Wall(11 * HOUR), ..Round::default() }, "{minute}");
    }
    assert_eq!(it.plan.next(Wall(it.cursor)), Some(Wall(670 * MINUTE)));
    // Somebody was awake by a clock that was ahead.
    assert_eq!(it.fates(670 * MINUTE, 700 * MINUTE), [one(670, Fate::Fired)]);
}

#[test]
fn a_night_in_which_clocks_are_changed_fires_once() {
    let mut it = bench_in("30 2 * * *", "Europe/Berlin");
    it.cursor = wall("2026-03-28T12:00:00Z");
    let at = wall("2026-03-29T01:00:00Z");
    assert_eq!(it.fates(at, 0), [one(at / MINUTE, Fate::Fired)]);
    it.cursor = wall("2026-10-24T12:00:00Z");
    let (first, later) = (wall("2026-10-25T00:30:00Z"), wall("2026-10-25T12:00:00Z"));
    assert_eq!(it.fates(later, 0), [one(first / MINUTE, Fate::Fired)]);
    it.plan.timing.fold = Fold::Both;
    assert_eq!(
        it.fates(later, later),
        [one(first / MINUTE, Fate::Missed), one(first / MINUTE + 60, Fate::Fired)]
    );
}

#[test]
fn nothing_is_due_or_missed_before_it_starts_or_after_it_ends() {
    let mut it = bench("0 * * * *").missed(MissedPolicy::Skip);
    (it.plan.starts, it.plan.ends) = (Wall(2 * HOUR), Wall(4 * HOUR));
    assert_eq!(it.fates(9 * HOUR, 9 * HOUR), [(120, 240, 3, Fate::Missed)]);
    let hours =
        |range: std::ops::RangeInclusive<u64>| range.map(|it| Wall(it * HOUR)).collect::<Vec<_>>();
    assert_eq!(it.plan.coming(Wall(0), 9), hours(2..=4));
    assert_eq!(it.plan.coming(Wall(0), 2), hours(2..=3));
    assert_eq!(it.plan.next(Wall(4 * HOUR - 1)), Some(Wall(4 * HOUR)));
    assert_eq!(it.plan.next(Wall(4 * HOUR)), None);
    it.cursor = 4 * HOUR;
    assert_eq!(it.round(9 * HOUR, 0), Round { cursor: Wall(4 * HOUR), ..Round::default() });
    // The last one is not on time long after the end.
    it.cursor = 3 * HOUR;
    assert_eq!(it.fates(4 * HOUR + MINUTE, 9 * HOUR), [one(240, Fate::Fired)]);
    assert_eq!(it.fates(4 * HOUR + MINUTE + 1, 9 * HOUR), [one(240, Fate::Missed)]);
    (it.plan.starts, it.plan.ends) = (Wall(2 * HOUR + 1), Wall(4 * HOUR - 1));
    assert_eq!(it.plan.coming(Wall(0), 9), hours(3..=3));
}

#[test]
fn with_jitter_it_is_looked_at_later_and_told_as_it_is_due() {
    let mut it = bench("0 * * * *").missed(MissedPolicy::Skip);
    it.plan.offset = 7 * MINUTE;
    assert_eq!(it.plan.next(Wall(0)), Some(Wall(67 * MINUTE)));
    assert_eq!(it.plan.coming(Wall(0), 1), [Wall(HOUR)]);
    assert_eq!(it.round(67 * MINUTE - 1, 0), Round::default());
    assert_eq!(it.fates(67 * MINUTE, 0), [one(60, Fate::Fired)]);
    // Somebody who woke between the two is there in time.
    assert_eq!(it.fates(69 * MINUTE, 67 * MINUTE), [one(60, Fate::Fired)]);
    assert_eq!(it.fates(68 * MINUTE, 67 * MINUTE + 1), [one(60, Fate::Fired)]);
    assert_eq!(it.fates(68 * MINUTE + 1, 67 * MINUTE + 1), [one(60, Fate::Missed)]);
    // Who resumed it between the two had it paused at its time.
    it.resumed_at = 60 * MINUTE;
    assert_eq!(it.fates(67 * MINUTE, 0), [one(60, Fate::Missed)]);
    // It is made up for by when it is looked at, too.
    it.resumed_at = 0;
    let it = it.missed(MissedPolicy::All { limit: 5, window: Span::from_secs(300) });
    assert_eq!(it.fates(72 * MINUTE, 72 * MINUTE), [one(60, Fate::Fired)]);
    assert_eq!(it.fates(72 * MINUTE + 1, 72 * MINUTE + 1), [one(60, Fate::Missed)]);
    // A clock that is at the beginning of all time.
    assert_eq!(it.round(6 * MINUTE, 0), Round::default());
}

#[test]
fn each_policy_of_overlap_has_its_say() {
    let three = |overlap: OverlapPolicy, unfinished| {
        let mut it = bench("* * * * *").overlap(overlap);
        it.unfinished = unfinished;
        it.fates(3 * MINUTE, 0).into_iter().map(|it| it.3).collect::<Vec<_>>()
    };
    use Fate::{Fired, Overlapped, Waiting};
    assert_eq!(three(OverlapPolicy::Skip, 0), [Fired, Overlapped, Overlapped]);
    assert_eq!(three(OverlapPolicy::Skip, 1), [Overlapped; 3]);
    assert_eq!(three(OverlapPolicy::QueueOne, 0), [Fired, Waiting, Overlapped]);
    assert_eq!(three(OverlapPolicy::QueueOne, 1), [Waiting, Overlapped, Overlapped]);
    assert_eq!(three(OverlapPolicy::QueueAll, 0), [Fired, Waiting, Waiting]);
    assert_eq!(three(OverlapPolicy::QueueAll, 2), [Waiting; 3]);
    assert_eq!(three(OverlapPolicy::Allow, 0), [Fired; 3]);
    assert_eq!(three(OverlapPolicy::Allow, 5), [Fired; 3]);
    assert_eq!(three(OverlapPolicy::Replace, 0), [Overlapped, Overlapped, Fired]);
    assert_eq!(three(OverlapPolicy::Replace, 1), [Overlapped, Overlapped, Waiting]);
}

#[test]
fn what_waits_is_in_the_way_too_and_is_given_up_by_what_replaces_it() {
    let mut it = bench("* * * * *");
    it.cursor = 5 * MINUTE;
    it.waiting = minutes(&[4, 5]);
    let mut at = |overlap, unfinished| {
        (it.plan.overlap, it.unfinished) = (overlap, unfinished);
        it.round(6 * MINUTE, 0)
    };
    for unfinished in 0..2 {
        assert_eq!(fates(&at(OverlapPolicy::Skip, unfinished)), [one(6, Fate::Overlapped)]);
        assert_eq!(fates(&at(OverlapPolicy::QueueOne, unfinished)), [one(6, Fate::Overlapped)]);
        assert_eq!(fates(&at(OverlapPolicy::QueueAll, unfinished)), [one(6, Fate::Waiting)]);
    }
    let round = at(OverlapPolicy::Replace, 1);
    assert_eq!(fates(&round), [one(6, Fate::Waiting)]);
    assert!(round.replaces);
    assert_eq!(round.given_up, [Wall(4 * MINUTE), Wall(5 * MINUTE)]);
    // With nothing to end it does not wait.
    let round = at(OverlapPolicy::Replace, 0);
    assert_eq!(fates(&round), [one(6, Fate::Fired)]);
    assert_eq!((round.replaces, round.given_up.len()), (false, 2));
}

#[test]
fn no_more_wait_than_may() {
    let mut it = bench("* * * * *").overlap(OverlapPolicy::QueueAll);
    it.waiting = (1..Schedule::WAITING_MAX as u64).map(|it| Wall(it * MINUTE)).collect();
    it.unfinished = 1;
    it.cursor = Schedule::WAITING_MAX as u64 * MINUTE;
    let fates = it.fates(it.cursor + 2 * MINUTE, 0);
    assert_eq!(fates.iter().map(|it| it.3).collect::<Vec<_>>(), [Fate::Waiting, Fate::Overlapped]);
}

#[test]
fn what_has_a_job_or_waits_is_not_decided_again_though_the_cursor_is_before_it() {
    let mut it = bench("* * * * *").overlap(OverlapPolicy::Allow).missed(MissedPolicy::Skip);
    it.fired = minutes(&[1, 3, 5]);
    it.waiting = minutes(&[4]);
    // Somebody ordered one between two of them, and that is none of these.
    it.fired.insert(Wall(2 * MINUTE + 1));
    let round = it.round(5 * MINUTE, 0);
    assert_eq!(fates(&round), [one(2, Fate::Fired)]);
    assert_eq!(round.cursor, Wall(5 * MINUTE));
    assert_eq!(
        it.fates(9 * MINUTE, 9 * MINUTE + 1),
        [(2, 8, 4, Fate::Missed), one(9, Fate::Fired)]
    );
    // One that has a job and is the last is behind as well, or there would be no end.
    it.fired = minutes(&[5]);
    it.waiting = minutes(&[]);
    assert_eq!(it.round(5 * MINUTE, 9 * MINUTE).cursor, Wall(5 * MINUTE));
    it.resumed_at = 9 * MINUTE;
    let round = it.round(5 * MINUTE, 0);
    assert_eq!((round.cursor, fates(&round)), (Wall(5 * MINUTE), vec![(1, 4, 4, Fate::Missed)]));
    it.resumed_at = 0;
    (it.fired, it.waiting) = (minutes(&[1, 3, 5]), minutes(&[4]));
    // The last that is undecided is the last.
    let last = it.missed(MissedPolicy::One).fates(5 * MINUTE + 30_000, DAY);
    assert_eq!(last, [one(2, Fate::Fired)]);
}

#[test]
fn a_year_of_every_second_is_one_row_and_the_last_of_them() {
    let mut it = bench("* * * * * *");
    it.cursor = wall("2025-01-01T00:00:00Z");
    let now = wall("2026-01-01T00:02:00Z");
    it.resumed_at = now;
    let round = it.round(now, 0);
    assert_eq!(round.cursor, Wall(now));
    assert_eq!(round.decided.len(), 2);
    assert_eq!(round.decided[0].count, 1_000_000);
    assert_eq!(round.decided[0].due, Wall(it.cursor + 1_000));
    assert_eq!(round.decided[0].last, Wall(now - 1_000));
    assert_eq!(round.decided[1].due, Wall(now));
}

#[test]
fn a_round_is_short_and_the_next_one_goes_on() {
    let mut it = bench("* * * * *")
        .overlap(OverlapPolicy::Allow)
        .missed(MissedPolicy::All { limit: 250, window: Span::from_secs(86_400) });
    let now = 1_000 * MINUTE + 30_000;
    it.resumed_at = now;
    let round = it.round(now, 0);
    assert_eq!(fates(&round)[0], (1, 750, 750, Fate::Missed));
    assert_eq!(round.decided.len(), 1 + STEPS_MAX);
    let mut firings = STEPS_MAX;
    it.cursor = round.cursor.0;
    while it.plan.next(Wall(it.cursor)).is_some_and(|it| it.0 <= now) {
        let round = it.round(now, 0);
        assert!(round.decided.len() <= STEPS_MAX);
        assert!(round.decided.iter().all(|it| it.fate == Fate::Fired));
        firings += round.decided.len();
        it.cursor = round.cursor.0;
    }
    assert_eq!((firings, it.cursor), (250, 1_000 * MINUTE));
}

#[test]
fn a_length_of_time_is_counted_from_where_it_was_made() {
    let mut it = bench("@every 90s").missed(MissedPolicy::Skip);
    it.plan.timing.anchor = Wall(10_500);
    it.cursor = 10_500;
    assert_eq!(it.plan.next(Wall(10_500)), Some(Wall(100_500)));
    let round = it.round(1_030_000, 1_030_000);
    assert_eq!((round.decided[0].count, round.decided[0].last), (10, Wall(910_500)));
    assert_eq!(round.decided[1].due, Wall(1_000_500));
}

#[test]
fn what_somebody_orders_gives_way_as_any_other_and_moves_no_cursor() {
    let mut it = bench("0 * * * *").overlap(OverlapPolicy::QueueOne);
    it.cursor = HOUR;
    let at = Wall(90 * MINUTE + 7);
    let round = it.plan.one(&it.standing(), at);
    assert_eq!((round.cursor, fates(&round)), (Wall(HOUR), vec![one(90, Fate::Fired)]));
    assert_eq!(round.decided[0].due, at);
    it.unfinished = 1;
    assert_eq!(fates(&it.plan.one(&it.standing(), at)), [one(90, Fate::Waiting)]);
    it.plan.overlap = OverlapPolicy::Replace;
    assert!(it.plan.one(&it.standing(), at).replaces);
    it.fired.insert(at);
    assert_eq!(it.plan.one(&it.standing(), at).decided, []);
}

#[test]
fn starts_of_the_host_are_no_matter_of_time() {
    let it = bench("@reboot");
    assert!(it.plan.is_for_boots() && !bench("* * * * *").plan.is_for_boots());
    assert_eq!(it.round(DAY, 0), Round::default());
}

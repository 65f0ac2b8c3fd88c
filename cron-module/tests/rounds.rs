//! Rounds against a model that goes through every moment and does by the word of each policy, and counts against going through.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ostler_cron_module::{Cron, Dialect, Expression, Fold, Gap, Timing};
use ostler_job::durable::{
    Fate, FoldPolicy, GapPolicy, MissedPolicy, OverlapPolicy, ScheduleName, ScheduleShape,
};
use ostler_job::{Span, Wall};
use ostler_module::{Clock, Decided, Plan, Source, Standing};
use proptest::prelude::*;

/// Expressions with zones, and a moment a little before something happens there.
const CASES: [(&str, &str, &str); 16] = [
    ("*/7 * * * *", "UTC", "2026-06-01T00:00:00Z"),
    ("30 * * * *", "UTC", "2026-02-27T00:00:00Z"),
    ("0 3 * * *", "Europe/Berlin", "2026-03-27T00:00:00Z"),
    ("30 2 * * *", "Europe/Berlin", "2026-03-27T00:00:00Z"),
    ("30 2 * * *", "Europe/Berlin", "2026-10-23T00:00:00Z"),
    ("*/15 1-3 * * *", "Europe/Berlin", "2026-10-23T00:00:00Z"),
    ("10,50 1-3 * * *", "Europe/Dublin", "2026-10-23T00:00:00Z"),
    ("0,20,40 2,3 * * *", "Europe/Berlin", "2026-03-27T00:00:00Z"),
    ("0 0 * * *", "America/Santiago", "2026-09-04T00:00:00Z"),
    ("30 23 * * *", "America/Santiago", "2026-04-03T00:00:00Z"),
    ("15 1,2 * * *", "Australia/Lord_Howe", "2026-10-02T00:00:00Z"),
    ("45 1 * * *", "Australia/Lord_Howe", "2026-04-03T00:00:00Z"),
    ("0 9,21 * * *", "Pacific/Apia", "2011-12-28T00:00:00Z"),
    ("@every 17m", "UTC", "2026-06-01T00:00:00Z"),
    ("*/20 5 * * * *", "Asia/Gaza", "2026-03-26T00:00:00Z"),
    ("0 12 1,L * *", "Africa/Casablanca", "2026-02-26T00:00:00Z"),
];
const DAYS: u64 = 5;
const DAY: u64 = 86_400_000;

fn wall(text: &str) -> Wall {
    let moment: Timestamp = text.parse().expect("a moment");
    Wall(moment.as_millisecond() as u64)
}

fn timing(case: usize, odd: (bool, bool)) -> Timing {
    let (cron, zone, anchor) = CASES[case];
    let odd = if cron.starts_with('@') { (false, false) } else { odd };
    Timing {
        expression: Expression::parse(cron, "a", Dialect::Standard).expect("it is right"),
        zone: TimeZone::get(zone).expect("a zone"),
        gap: if odd.0 { Gap::Skip } else { Gap::After },
        fold: if odd.1 { Fold::Both } else { Fold::First },
        anchor: wall(anchor),
    }
}

/// The moments of each case, by its settings for gaps and folds.
static DUES: LazyLock<Vec<[Vec<Wall>; 4]>> = LazyLock::new(|| {
    let of = |case: usize, odd: usize| {
        let timing = timing(case, (odd & 1 != 0, odd & 2 != 0));
        let from = wall(CASES[case].2);
        let next = |after: &Wall| timing.next(*after).map(|it| it.due);
        let dues = std::iter::successors(next(&from), next);
        dues.take_while(|it| it.0 <= from.0 + DAYS * DAY).collect()
    };
    (0..CASES.len()).map(|case| [0, 1, 2, 3].map(|odd| of(case, odd))).collect()
});

/// Names of zones.
static ZONES: LazyLock<Vec<String>> =
    LazyLock::new(|| jiff::tz::db().available().map(|it| it.to_string()).collect());

#[derive(Clone, Debug)]
struct Case {
    which: usize,
    odd: (bool, bool),
    missed: MissedPolicy,
    overlap: OverlapPolicy,
    jitter: u64,
    /// Milliseconds after the beginning.
    starts: Option<u64>,
    ends: Option<u64>,
    cursor: u64,
    resumed: u64,
    awake: u64,
    now: u64,
    unfinished: usize,
    waits: Vec<prop::sample::Index>,
    has_job: Vec<prop::sample::Index>,
    /// Somebody ordered one then.
    ordered: u64,
}

fn moment() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..DAYS * DAY,
        // On a whole minute, where things are due, or hardly beside it.
        (0..DAYS * 1_440, -1_i64..=1).prop_map(|(it, by)| (it * 60_000).saturating_add_signed(by)),
    ]
}

fn missed() -> impl Strategy<Value = MissedPolicy> {
    let window = prop_oneof![0..DAY, 0..10 * 60_000_u64];
    prop_oneof![
        Just(MissedPolicy::Skip),
        Just(MissedPolicy::One),
        (prop_oneof![1_u32..5, 1_u32..2_000], window).prop_map(|(limit, window)| {
            MissedPolicy::All { limit, window: Span::from_millis(window + 1) }
        }),
    ]
}

fn overlap() -> impl Strategy<Value = OverlapPolicy> {
    use OverlapPolicy::{Allow, QueueAll, QueueOne, Replace, Skip};
    prop::sample::select(vec![Skip, QueueOne, QueueAll, Replace, Allow])
}

fn case() -> impl Strategy<Value = Case> {
    let what = (0..CASES.len(), any::<(bool, bool)>(), missed(), overlap());
    let bounds = (prop::option::weighted(0.3, moment()), prop::option::weighted(0.3, moment()));
    let jitter = prop_oneof![Just(0), 1..1_000_u64, 1..7_200_000_u64];
    // A now that is close to the moment of waking is the most telling.
    let clock =
        (moment(), moment(), moment(), prop_oneof![Just(None), (0..130_000_u64).prop_map(Some)]);
    let some = || prop::collection::vec(any::<prop::sample::Index>(), 0..4);
    let standing = (prop_oneof![Just(0_u64), moment()], 0..3_usize, some(), some());
    (what, bounds, jitter, clock, standing).prop_map(
        |(
            (which, odd, missed, overlap),
            (starts, ends),
            jitter,
            (resumed, awake, now, near),
            standing,
        )| {
            let (cursor, unfinished, waits, has_job) = standing;
            let awake = near.map_or(awake, |near| now.saturating_sub(near));
            let ordered = now / 2 + 1;
            let resumed = if resumed % 3 == 0 { resumed } else { resumed / 50 };
            Case {
                which,
                odd,
                missed,
                overlap,
                jitter,
                starts,
                ends,
                cursor,
                resumed,
                awake,
                now,
                unfinished,
                waits,
                has_job,
                ordered,
            }
        },
    )
}

/// What is known of a schedule.
#[derive(Clone, Debug)]
struct Known {
    cursor: Wall,
    unfinished: usize,
    waiting: BTreeSet<Wall>,
    fired: BTreeSet<Wall>,
}

/// All that was decided.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    decided: Vec<Decided>,
    given_up: Vec<Wall>,
    replaces: bool,
    cursor: Wall,
}

fn plan(case: &Case) -> Option<Box<dyn Plan>> {
    let (cron, zone, begin) = CASES[case.which];
    let begin = wall(begin);
    let spec = serde_json::json!({"work": {"module": "noop"}, "identity": "a"});
    let shape = serde_json::json!({"cron": cron, "zone": zone, "spec": spec});
    let mut shape: ScheduleShape = serde_json::from_value(shape).expect("a shape");
    if !cron.starts_with('@') {
        shape.gap = if case.odd.0 { GapPolicy::Skip } else { GapPolicy::AfterGap };
        shape.fold = if case.odd.1 { FoldPolicy::Both } else { FoldPolicy::First };
    }
    (shape.missed, shape.overlap) = (case.missed, case.overlap);
    shape.jitter = Span::from_millis(case.jitter);
    shape.starts = case.starts.map(|it| Wall(begin.0 + it));
    shape.ends = case.ends.map(|it| Wall(begin.0 + it));
    let source = Cron::new("", |zone| TimeZone::get(zone).ok());
    let name = ScheduleName::new("a").expect("a name");
    // What contradicts itself is refused, and no case.
    source.plan(&name, &shape, begin).ok()
}

/// The policies, word by word.
fn model(case: &Case, offset: u64, dues: &[Wall], known: &Known, clock: Clock) -> Outcome {
    let looked_at = |due: Wall| due.0 + offset;
    let due: Vec<Wall> = dues
        .iter()
        .copied()
        .filter(|it| *it > known.cursor && looked_at(*it) <= clock.now.0)
        .collect();
    let open: Vec<Wall> = due
        .iter()
        .copied()
        .filter(|it| !known.fired.contains(it) && !known.waiting.contains(it))
        .collect();
    let begin = wall(CASES[case.which].2);
    let resumed_at = Wall(begin.0 + case.resumed);
    let is_on_time = |it: &Wall| {
        let was_awake = clock.on_time_from.0 <= looked_at(*it);
        let is_last = Some(it) == open.last() && clock.now.0 - looked_at(*it) <= 60_000;
        *it > resumed_at && (was_awake || is_last)
    };
    let (on_time, missed): (Vec<Wall>, Vec<Wall>) = open.iter().partition(|it| is_on_time(it));
    let made_up: Vec<Wall> = match case.missed {
        MissedPolicy::Skip => Vec::new(),
        MissedPolicy::One if !on_time.is_empty() => Vec::new(),
        MissedPolicy::One => missed.iter().rev().take(1).copied().collect(),
        MissedPolicy::All { limit, window } => {
            let is_near = |it: &&Wall| clock.now.0 - looked_at(**it) <= window.0 / 1_000_000;
            missed.iter().rev().take(limit as usize).filter(is_near).copied().collect()
        }
    };
    let given_up: Vec<Wall> = missed.iter().copied().filter(|it| !made_up.contains(it)).collect();
    let mut outcome =
        Outcome { cursor: due.last().copied().unwrap_or(known.cursor), ..Outcome::default() };
    if let (Some(&due), Some(&last)) = (given_up.first(), given_up.last()) {
        let count = given_up.len() as u32;
        outcome.decided.push(Decided { due, last, count, fate: Fate::Missed });
    }
    let turns = open.iter().filter(|it| !given_up.contains(it)).copied();
    one_by_one(case, known, turns, &mut outcome);
    outcome
}

fn one_by_one(
    case: &Case,
    known: &Known,
    turns: impl Iterator<Item = Wall>,
    outcome: &mut Outcome,
) {
    let (mut unfinished, mut waiting) = (known.unfinished, known.waiting.clone());
    for due in turns {
        let is_free = unfinished == 0 && waiting.is_empty();
        let fate = match case.overlap {
            _ if is_free => Fate::Fired,
            OverlapPolicy::Allow => Fate::Fired,
            OverlapPolicy::Skip => Fate::Overlapped,
            OverlapPolicy::QueueOne if waiting.is_empty() => Fate::Waiting,
            OverlapPolicy::QueueOne => Fate::Overlapped,
            OverlapPolicy::QueueAll if waiting.len() < 1_000 => Fate::Waiting,
            OverlapPolicy::QueueAll => Fate::Overlapped,
            OverlapPolicy::Replace => {
                for it in &mut outcome.decided {
                    it.fate = if it.fate == Fate::Missed { Fate::Missed } else { Fate::Overlapped };
                }
                outcome.given_up = known.waiting.iter().copied().collect();
                outcome.replaces = known.unfinished > 0;
                (unfinished, waiting) = (known.unfinished, BTreeSet::new());
                if unfinished == 0 { Fate::Fired } else { Fate::Waiting }
            }
        };
        unfinished += usize::from(fate == Fate::Fired);
        if fate == Fate::Waiting {
            waiting.insert(due);
        }
        outcome.decided.push(Decided { due, last: due, count: 1, fate });
    }
}

/// Rounds until nothing is due, as a driver goes on from one to the next; and how many there were.
fn rounds(plan: &dyn Plan, resumed_at: Wall, mut known: Known, clock: Clock) -> (Outcome, usize) {
    let mut outcome = Outcome { cursor: known.cursor, ..Outcome::default() };
    let mut count = 0;
    while plan.next(known.cursor).is_some_and(|it| it <= clock.now) {
        let standing = Standing {
            cursor: known.cursor,
            resumed_at,
            unfinished: known.unfinished,
            waiting: &known.waiting,
            fired: &known.fired,
        };
        let round = plan.round(&standing, clock);
        assert!(round.cursor > known.cursor, "it goes on");
        count += 1;
        known.cursor = round.cursor;
        for it in &round.decided {
            known.unfinished += usize::from(it.fate == Fate::Fired);
            if it.fate == Fate::Waiting {
                known.waiting.insert(it.due);
            }
        }
        outcome.decided.extend(round.decided);
        outcome.given_up.extend(round.given_up);
        outcome.replaces |= round.replaces;
        outcome.cursor = round.cursor;
    }
    (outcome, count)
}

fn check(case: &Case) -> Result<(), TestCaseError> {
    let Some(plan) = plan(case) else { return Ok(()) };
    let begin = wall(CASES[case.which].2);
    let at = |it: u64| Wall(begin.0 + it);
    let odd = usize::from(case.odd.0) + 2 * usize::from(case.odd.1);
    let starts = case.starts.map_or(Wall(0), at);
    let ends = case.ends.map_or(Wall(u64::MAX), at);
    let is_within = |it: &Wall| (starts..=ends).contains(it);
    let dues: Vec<Wall> = DUES[case.which][odd].iter().copied().filter(is_within).collect();
    let coming = plan.coming(begin, 5).into_iter().filter(|it| it.0 <= begin.0 + DAYS * DAY);
    prop_assert_eq!(coming.collect::<Vec<_>>(), &dues[..dues.len().min(5)]);
    let offset = match (dues.first(), plan.next(begin)) {
        (Some(due), Some(next)) => next.0 - due.0,
        _ => return Ok(()),
    };
    prop_assert!(offset <= case.jitter);
    let some =
        |of: &[prop::sample::Index]| of.iter().map(|it| *it.get(&dues)).collect::<BTreeSet<_>>();
    let (waiting, mut fired) = (some(&case.waits), some(&case.has_job));
    fired.retain(|it| !waiting.contains(it));
    fired.insert(at(case.ordered));
    let known = Known { cursor: at(case.cursor), unfinished: case.unfinished, waiting, fired };
    let clock = Clock { now: at(case.now), on_time_from: at(case.awake) };
    let expected = model(case, offset, &dues, &known, clock);
    let (outcome, count) = rounds(&*plan, at(case.resumed), known, clock);
    if count <= 1 || case.overlap != OverlapPolicy::Replace {
        prop_assert_eq!(outcome, expected);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rounds_decide_what_the_policies_say(case in case()) {
        check(&case)?;
    }

    #[test]
    fn what_is_counted_is_what_is_there(which in 0..CASES.len(), odd in 0..4_usize, one in moment(), other in moment()) {
        let timing = timing(which, (odd & 1 != 0, odd & 2 != 0));
        let begin = wall(CASES[which].2);
        let (after, until) = (Wall(begin.0 + one), Wall(begin.0 + other));
        let there = DUES[which][odd].iter().filter(|it| **it > after && **it <= until).count();
        prop_assert_eq!(timing.count(after, until), there as u64);
    }

    #[test]
    fn what_is_counted_is_what_is_there_about_every_change_of_clocks(
        zone in any::<prop::sample::Index>(),
        change in any::<prop::sample::Index>(),
        cron in prop::sample::select(vec!["*/30 * * * *", "15,45 * * * *", "0 0 * * *", "*/20 0-3 * * *", "5 0,1,2,3,23 * * MON-SAT"]),
        odd in any::<(bool, bool)>(),
        (one, other) in (0..3 * 1_440_u64, 0..3 * 1_440_u64),
    ) {
        let zone = TimeZone::get(zone.get::<String>(&ZONES)).expect("a zone");
        let begin = Timestamp::UNIX_EPOCH;
        let changes: Vec<i64> = zone
            .following(begin)
            .map(|it| it.timestamp().as_millisecond())
            .take_while(|it| *it < 2_300_000_000_000)
            .collect();
        let change = if changes.is_empty() { 1_000_000_000_000 } else { *change.get(&changes) };
        let timing = Timing {
            expression: Expression::parse(cron, "a", Dialect::Standard).expect("it is right"),
            zone,
            gap: if odd.0 { Gap::Skip } else { Gap::After },
            fold: if odd.1 { Fold::Both } else { Fold::First },
            anchor: Wall(0),
        };
        let from = (change as u64).saturating_sub(3 * DAY / 2);
        let (after, until) = (Wall(from + one * 60_000), Wall(from + other * 60_000));
        let next = |after: &Wall| timing.next(*after).map(|it| it.due);
        let there = std::iter::successors(next(&after), next).take_while(|it| *it <= until).count();
        prop_assert_eq!(timing.count(after, until), there as u64);
    }
}

//! Schedules, where they stand, and what became of each of their moments.

use ostler_job::{
    Wall,
    durable::{Epoch, Fate, Firing, Held, KeptSchedule, Schedule, ShapeOwner, Stand},
};
use ostler_store::{Change, Fault, Memory, Store};
use proptest::{collection::vec, option, prelude::*, sample::select, test_runner::TestRunner};

use crate::{
    Make,
    make::{
        event, events, fired, firing, load, pending, put_firing, put_schedule, schedule,
        schedule_name, stand, submit_as,
    },
};

fn keep(store: &dyn Store, batch: &[Change]) -> Result<(), Fault> {
    store.commit(Epoch(0), batch).map(drop).map_err(|error| error.fault)
}

fn kept(schedule: Schedule, waiting: &[u64], fired: &[u64]) -> KeptSchedule {
    let moments = |moments: &[u64]| moments.iter().copied().map(Wall).collect();
    KeptSchedule { schedule, waiting: moments(waiting), fired: moments(fired) }
}

fn dues(firings: &[Firing]) -> Vec<u64> {
    firings.iter().map(|it| it.due.0).collect()
}

pub(crate) fn schedules_are_there_again_until_they_are_gone(make: Make<'_>) {
    let engine = make();
    let store = engine.open();
    assert_eq!(store.schedules(Wall(u64::MAX)).unwrap(), []);
    let all = ["b", "c", "a"].map(|name| put_schedule(&schedule(name, 5)));
    keep(&*store, &all).unwrap();
    let held = Some(Held { who: "ops".to_owned(), since: Wall(5) });
    let paused = Stand {
        resumed_at: Wall(4),
        paused: held,
        fault: Some("it is \"broken\"".to_owned()),
        ended_at: Some(Wall(6)),
        boot: Some("boot".to_owned()),
        succeeded_at: Some(Wall(7)),
        overdue_at: Some(Wall(8)),
        ..schedule("b", 9).stand
    };
    let mut changed = Schedule { owner: ShapeOwner::Api, stand: paused, ..schedule("b", 9) };
    changed.shape.cron = "@daily".to_owned();
    let gone = Change::ScheduleGone(schedule_name("c"));
    // One that is not there is as good as gone.
    keep(&*store, &[put_schedule(&changed), gone.clone(), gone]).unwrap();
    drop(store);
    let expected = [kept(schedule("a", 5), &[], &[]), kept(changed, &[], &[])];
    assert_eq!(engine.open().schedules(Wall(u64::MAX)).unwrap(), expected);
}

pub(crate) fn a_schedule_moves_on_from_where_its_writer_knew_it(make: Make<'_>) {
    let engine = make();
    let store = engine.open();
    let at = |cursor| schedule("a", cursor).stand;
    assert_eq!(keep(&*store, &[stand("a", 0, at(1))]), Err(Fault::Fenced), "there is none");
    keep(&*store, &[put_schedule(&schedule("a", 5)), put_schedule(&schedule("b", 5))]).unwrap();
    keep(&*store, &[stand("a", 5, at(7)), stand("a", 7, at(9))]).unwrap();
    for stale in [5, 7, 8, 10] {
        let batch = [event(1, "undone"), stand("a", stale, at(20))];
        assert_eq!(keep(&*store, &batch), Err(Fault::Fenced), "{stale}");
    }
    // Back, as somebody ordered.
    keep(&*store, &[stand("a", 9, at(2))]).unwrap();
    let batch = [Change::ScheduleGone(schedule_name("a")), stand("a", 2, at(3))];
    assert_eq!(keep(&*store, &batch), Err(Fault::Fenced), "it is gone by then");
    let expected = [kept(schedule("a", 2), &[], &[]), kept(schedule("b", 5), &[], &[])];
    assert_eq!(store.schedules(Wall(u64::MAX)).unwrap(), expected);
    assert_eq!(events(&*store), []);
}

pub(crate) fn a_moment_has_one_job(make: Make<'_>) {
    let engine = make();
    let store = engine.open();
    let put = |it: &Firing| keep(&*store, &[put_firing("a", it)]);
    let all = || store.firings(&schedule_name("a"), None, 9).unwrap();
    keep(&*store, &[put_schedule(&schedule("a", 5))]).unwrap();
    // Whatever has no job is replaced.
    for fate in [Fate::Missed, Fate::Waiting, Fate::Overlapped, Fate::Refused] {
        let whole = Firing {
            last: Wall(8),
            count: Firing::COUNT_MAX,
            at: Wall(9),
            by: Some("ops".to_owned()),
            detail: Some("why".to_owned()),
            ..firing(7, fate, None)
        };
        put(&whole).unwrap();
        assert_eq!(all(), [whole]);
    }
    let fired = firing(7, Fate::Fired, Some(1));
    put(&fired).unwrap();
    for other in [
        firing(7, Fate::Fired, Some(2)),
        firing(7, Fate::Missed, None),
        firing(7, Fate::Waiting, None),
    ] {
        assert_eq!(put(&other), Err(Fault::Fenced), "{other:?}");
        assert_eq!(all(), std::slice::from_ref(&fired));
    }
    let again = Firing { at: Wall(99), detail: Some("again".to_owned()), ..fired };
    put(&again).unwrap();
    assert_eq!(all(), [again]);
    // Another moment, and another schedule.
    put(&firing(8, Fate::Fired, Some(2))).unwrap();
    keep(&*store, &[put_firing("b", &firing(7, Fate::Fired, Some(3)))]).unwrap();
}

pub(crate) fn a_refused_firing_undoes_its_batch(make: Make<'_>) {
    let engine = make();
    let store = engine.open();
    keep(&*store, &[put_schedule(&schedule("a", 5))]).unwrap();
    let batch = |job, due, from| {
        [
            submit_as(job, fired("a", due), pending()),
            put_firing("a", &firing(due, Fate::Fired, Some(job))),
            stand("a", from, schedule("a", due).stand),
            event(job, "fired"),
        ]
    };
    keep(&*store, &batch(1, 7, 5)).unwrap();
    keep(&*store, &[stand("a", 7, schedule("a", 5).stand)]).unwrap();
    assert_eq!(keep(&*store, &batch(2, 7, 5)), Err(Fault::Fenced));
    // Of two in one batch as well.
    let [first, second] = [batch(2, 8, 5), batch(3, 8, 8)];
    assert_eq!(keep(&*store, &[first, second].concat()), Err(Fault::Fenced));
    assert_eq!(load(&*store).0.len(), 1);
    assert_eq!(events(&*store).len(), 1);
    assert_eq!(store.schedules(Wall(u64::MAX)).unwrap(), [kept(schedule("a", 5), &[], &[7])]);
}

pub(crate) fn firings_come_latest_first_in_pages(make: Make<'_>) {
    let engine = make();
    let store = engine.open();
    // Written in another order than they were due.
    for due in [3, 9, 5, 7, 1] {
        let job = (due != 5).then_some(due);
        keep(&*store, &[put_firing("a", &firing(due, Fate::Fired, job))]).unwrap();
        keep(&*store, &[put_firing("b", &firing(due + 1, Fate::Fired, Some(due)))]).unwrap();
    }
    let name = schedule_name("a");
    let page =
        |before: Option<u64>, max| dues(&store.firings(&name, before.map(Wall), max).unwrap());
    assert_eq!(page(None, usize::MAX), [9, 7, 5, 3, 1]);
    assert_eq!(
        (page(None, 2), page(Some(7), 2), page(Some(3), 2)),
        (vec![9, 7], vec![5, 3], vec![1])
    );
    assert_eq!((page(Some(1), 2), page(Some(0), 2), page(None, 0)), (vec![], vec![], vec![]));
    let fired = |after, max| {
        let fired = store.fired_after(&name, Wall(after), max).unwrap();
        fired.into_iter().map(|due| due.0).collect::<Vec<_>>()
    };
    assert_eq!((fired(0, 9), fired(1, 2), fired(9, 9)), (vec![1, 3, 7, 9], vec![3, 7], vec![]));
    assert_eq!(store.firings(&schedule_name("c"), None, 9).unwrap(), []);
}

pub(crate) fn what_fired_after_the_cursor_is_known(make: Make<'_>) {
    let engine = make();
    let store = engine.open();
    keep(&*store, &[put_schedule(&schedule("a", 5)), put_schedule(&schedule("b", 5))]).unwrap();
    let due = [
        put_firing("a", &firing(6, Fate::Fired, Some(1))),
        put_firing("a", &firing(7, Fate::Missed, None)),
        put_firing("a", &firing(9, Fate::Waiting, None)),
        put_firing("a", &firing(8, Fate::Fired, Some(2))),
        put_firing("a", &firing(4, Fate::Waiting, None)),
        stand("a", 5, schedule("a", 9).stand),
        put_firing("b", &firing(5, Fate::Fired, Some(3))),
    ];
    keep(&*store, &due).unwrap();
    let of = |cursor, fired: &[u64]| {
        [kept(schedule("a", cursor), &[4, 9], fired), kept(schedule("b", 5), &[], &[])]
    };
    assert_eq!(store.schedules(Wall(u64::MAX)).unwrap(), of(9, &[]));
    let mut from = 9;
    for (cursor, fired) in [(7, &[8][..]), (6, &[8]), (5, &[6, 8]), (1, &[6, 8]), (8, &[])] {
        keep(&*store, &[stand("a", from, schedule("a", cursor).stand)]).unwrap();
        assert_eq!(store.schedules(Wall(u64::MAX)).unwrap(), of(cursor, fired));
        from = cursor;
    }
    // A clock that was wrong wrote the cursor.
    assert_eq!(store.schedules(Wall(5)).unwrap(), of(8, &[6, 8]));
    // Also when it is written whole.
    keep(&*store, &[put_schedule(&schedule("a", 7))]).unwrap();
    drop(store);
    assert_eq!(engine.open().schedules(Wall(u64::MAX)).unwrap(), of(7, &[8]));
}

pub(crate) fn a_schedule_of_a_name_that_was_there_knows_what_fired(make: Make<'_>) {
    let engine = make();
    let store = engine.open();
    let gone = Change::ScheduleGone(schedule_name("a"));
    let firing = put_firing("a", &firing(8, Fate::Fired, Some(1)));
    keep(&*store, &[put_schedule(&schedule("a", 5)), firing, gone]).unwrap();
    assert_eq!(store.schedules(Wall(u64::MAX)).unwrap(), []);
    assert_eq!(store.firings(&schedule_name("a"), None, 9).unwrap().len(), 1);
    keep(&*store, &[put_schedule(&schedule("a", 6))]).unwrap();
    assert_eq!(store.schedules(Wall(u64::MAX)).unwrap(), [kept(schedule("a", 6), &[], &[8])]);
}

pub(crate) fn old_firings_are_forgotten_unless_they_wait(make: Make<'_>) {
    let engine = make();
    let store = engine.open();
    let forget = |before| Change::Forget { now: Wall(99), events: Wall(before), keys: Wall(0) };
    // By when it was decided, and not by when it was due.
    let late = Firing { at: Wall(6), ..firing(1, Fate::Missed, None) };
    let due = [
        put_schedule(&schedule("a", 9)),
        put_firing("a", &late),
        put_firing("a", &firing(3, Fate::Fired, Some(1))),
        put_firing("a", &firing(4, Fate::Waiting, None)),
        put_firing("a", &firing(5, Fate::Overlapped, None)),
        put_firing("b", &firing(4, Fate::Fired, Some(2))),
        put_firing("b", &firing(7, Fate::Fired, Some(3))),
    ];
    keep(&*store, &due).unwrap();
    let left = |name| dues(&store.firings(&schedule_name(name), None, 9).unwrap());
    for (before, a, b) in [
        (3, &[5, 4, 3, 1][..], &[7, 4][..]),
        (5, &[5, 4, 1], &[7]),
        (6, &[4, 1], &[7]),
        (90, &[4], &[]),
    ] {
        keep(&*store, &[forget(before)]).unwrap();
        assert_eq!((left("a"), left("b")), (a.to_vec(), b.to_vec()), "{before}");
    }
    // Since it waits no more it may go, and a batch sees what was done in it.
    let fired = put_firing("a", &firing(4, Fate::Fired, Some(4)));
    let other = put_firing("a", &firing(4, Fate::Fired, Some(5)));
    keep(&*store, &[fired, forget(90), other.clone()]).unwrap();
    assert_eq!(keep(&*store, &[forget(4), other]), Ok(()), "it is the same");
    keep(&*store, &[forget(90)]).unwrap();
    assert_eq!(left("a"), [0; 0]);
}

pub(crate) fn what_waits_goes_with_its_schedule(make: Make<'_>) {
    let engine = make();
    let store = engine.open();
    let due = [
        put_schedule(&schedule("a", 5)),
        put_schedule(&schedule("b", 5)),
        put_firing("a", &firing(3, Fate::Waiting, None)),
        put_firing("a", &firing(4, Fate::Fired, Some(1))),
        put_firing("b", &firing(3, Fate::Waiting, None)),
        Change::ScheduleGone(schedule_name("a")),
    ];
    keep(&*store, &due).unwrap();
    let left = |name| dues(&store.firings(&schedule_name(name), None, 9).unwrap());
    assert_eq!((left("a"), left("b")), (vec![4], vec![3]));
    keep(&*store, &[put_schedule(&schedule("a", 5))]).unwrap();
    let expected = [kept(schedule("a", 5), &[], &[]), kept(schedule("b", 5), &[3], &[])];
    assert_eq!(store.schedules(Wall(u64::MAX)).unwrap(), expected);
}

fn change() -> impl Strategy<Value = Change> {
    let name = || select(vec!["a", "b"]);
    let moment = || 0..6_u64;
    let job = option::of(1..4_u64);
    let one = (moment(), moment(), select(&Fate::ALL[..]), job)
        .prop_map(|(due, at, fate, job)| Firing { at: Wall(at), ..firing(due, fate, job) });
    prop_oneof![
        2 => (name(), moment()).prop_map(|(name, at)| put_schedule(&schedule(name, at))),
        6 => (name(), moment(), moment())
            .prop_map(|(name, from, to)| stand(name, from, schedule(name, to).stand)),
        9 => (name(), one).prop_map(|(name, it)| put_firing(name, &it)),
        1 => name().prop_map(|name| Change::ScheduleGone(schedule_name(name))),
        1 => moment().prop_map(|at| Change::Forget { now: Wall(9), events: Wall(at), keys: Wall(0) }),
    ]
}

pub(crate) fn they_do_what_the_model_does(make: Make<'_>) {
    let mut runner = TestRunner::new(ProptestConfig { cases: 64, ..ProptestConfig::default() });
    let batches = vec(vec(change(), 1..6), 1..16);
    runner
        .run(&batches, |batches| {
            let (engine, model) = (make(), Memory::new());
            let store = engine.open();
            for batch in batches {
                let done = |store: &dyn Store| keep(store, &batch);
                prop_assert_eq!(done(&*store), done(&model));
                for change in &batch {
                    let done = |store: &dyn Store| keep(store, std::slice::from_ref(change));
                    prop_assert_eq!(done(&*store), done(&model));
                }
                alike(&*store, &model)?;
            }
            drop(store);
            alike(&*engine.open(), &model)
        })
        .unwrap();
}

fn alike(store: &dyn Store, model: &Memory) -> Result<(), TestCaseError> {
    prop_assert_eq!(store.schedules(Wall(u64::MAX)), model.schedules(Wall(u64::MAX)));
    for name in ["a", "b", "c"].map(schedule_name) {
        for (before, max) in [(None, 9), (Some(Wall(4)), 9), (Some(Wall(5)), 2), (None, 1)] {
            let page = |store: &dyn Store| store.firings(&name, before, max);
            prop_assert_eq!(page(store), page(model));
        }
        for (after, max) in [(0, 9), (2, 9), (1, 1)] {
            let fired = |store: &dyn Store| store.fired_after(&name, Wall(after), max);
            prop_assert_eq!(fired(store), fired(model));
        }
    }
    Ok(())
}

//! Terms: who may write, and which numbers are given.

use ostler_job::{
    JobId,
    durable::{Epoch, JobState, Status, Term},
};
use ostler_store::{Applied, Change, Fault, Store};

use crate::{
    Make,
    make::{event, events, in_state, load, spec, submit, submit_as, update},
};

pub(crate) fn a_commit_of_an_old_term_changes_nothing(make: Make<'_>) {
    let engine = make();
    let store = engine.open();
    let first = store.begin(0).unwrap().epoch;
    store.commit(first, &[submit(1)]).unwrap();
    let second = store.begin(1000).unwrap().epoch;
    assert!(second > first);
    for late in [Epoch(0), first, Epoch(second.0 + 1)] {
        let batch = [event(1, "late"), submit(2)];
        assert_eq!(store.commit(late, &batch).unwrap_err().fault, Fault::Unknown);
    }
    assert_eq!((events(&*store).len(), store.job(JobId(2)).unwrap()), (0, None));
    store.commit(second, &[submit(2)]).unwrap();
    // Opened anew, it takes nothing of anybody before.
    drop(store);
    let store = engine.open();
    assert_eq!(store.commit(second, &[submit(3)]).unwrap_err().fault, Fault::Unknown);
}

/// A term above all before, with fences of its own.
fn begin(store: &dyn Store, last: &mut Term) -> Term {
    let term = store.begin(0).unwrap();
    assert!(term.epoch > last.epoch, "{term:?} after {last:?}");
    assert!(term.fences.start >= last.fences.end, "{term:?} after {last:?}");
    assert!(term.fences.end - term.fences.start >= Term::BLOCK);
    *last = term.clone();
    term
}

pub(crate) fn epochs_and_fences_never_repeat(make: Make<'_>) {
    let engine = make();
    let mut last = Term::default();
    for _ in 0..3 {
        let store = engine.open();
        for _ in 0..3 {
            assert!(!begin(&*store, &mut last).went_back);
        }
    }
}

pub(crate) fn reserved_fences_are_the_terms_own(make: Make<'_>) {
    let engine = make();
    let store = engine.open();
    let mut term = store.begin(0).unwrap();
    for _ in 0..3 {
        term.fences.end += Term::BLOCK;
        let reserve = Change::Reserve { fences: term.fences.end };
        assert_eq!(store.commit(term.epoch, &[reserve]).unwrap(), [Applied::Done]);
    }
    begin(&*store, &mut term);
    drop(store);
    begin(&*engine.open(), &mut term);
}

pub(crate) fn a_store_that_was_put_back_repeats_no_number(make: Make<'_>) {
    let engine = make();
    let store = engine.open();
    let mut last = Term::default();
    let term = begin(&*store, &mut last);
    let done = |id| submit_as(id, spec("noop"), in_state(JobState::Succeeded));
    store.commit(term.epoch, &[submit(1), event(1, "kept")]).unwrap();
    let put_back = engine.copy(&*store);
    // More in the same term, and another term: neither is in the copy.
    store.commit(term.epoch, &[done(2), event(2, "lost")]).unwrap();
    let term = begin(&*store, &mut last);
    let reserve = Change::Reserve { fences: term.fences.end + Term::BLOCK };
    last.fences.end += Term::BLOCK;
    store.commit(term.epoch, &[done(3), event(3, "lost"), reserve]).unwrap();
    drop(store);
    for round in 0..3 {
        put_back();
        let store = engine.open();
        let term = begin(&*store, &mut last);
        assert!(term.went_back);
        let (jobs, loaded) = load(&*store);
        assert_eq!(jobs.iter().map(|job| job.id.0).collect::<Vec<_>>(), [1]);
        assert!(loaded.next_job.0 > 3 + round && loaded.last_event >= 3 + round, "{loaded:?}");
        let next = loaded.next_job.0;
        let batch = [done(next), event(9, "new")];
        let Applied::Seq(seq) = store.commit(term.epoch, &batch).unwrap()[1] else { panic!() };
        assert!(seq > 3 + round);
        let next = begin(&*store, &mut last);
        assert!(!next.went_back, "it is known now");
        assert_eq!(next.doubted, term.fences.start, "and what was leased before is doubted still");
    }
}

pub(crate) fn what_was_ordered_is_kept(make: Make<'_>) {
    let engine = make();
    let store = engine.open();
    let status = Status {
        kill: true,
        kill_now: true,
        stop: true,
        incarnation: Some(u32::MAX),
        ..in_state(JobState::Stopped)
    };
    store.commit(Epoch(0), &[submit(1), update(1, 0, status.clone())]).unwrap();
    drop(store);
    assert_eq!(load(&*engine.open()).0[0].status, status);
}

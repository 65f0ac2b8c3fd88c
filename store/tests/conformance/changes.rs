//! Commits and what they answer.

use ostler_job::{
    JobId, Wall,
    durable::{Epoch, Fence, Input, JobState},
};
use ostler_store::{Applied, Change, Fault, Same};

use crate::{
    Make,
    make::{
        attempt, event, events, in_state, load, payload, pending, shell, spec, submit, submit_as,
        update,
    },
};

pub(crate) fn a_batch_is_answered_change_by_change(make: Make<'_>) {
    let engine = make();
    let store = engine.open();
    let batch = [submit(1), event(1, "one"), update(1, 0, pending()), event(2, "two"), submit(2)];
    let applied = store.commit(Epoch(0), &batch).unwrap();
    let expected = [Applied::Done, Applied::Seq(1), Applied::Done, Applied::Seq(2), Applied::Done];
    assert_eq!(applied, expected);
    assert_eq!(store.commit(Epoch(0), &[]).unwrap(), []);
}

pub(crate) fn a_fenced_update_undoes_its_batch(make: Make<'_>) {
    let engine = make();
    let store = engine.open();
    let mut leased = in_state(JobState::Leased);
    leased.fence = Fence(7);
    store.commit(Epoch(0), &[submit(1)]).unwrap();
    assert_eq!(store.commit(Epoch(0), &[update(1, 0, leased.clone())]).unwrap(), [Applied::Done]);
    for fence in [0, 8] {
        let late = [event(1, "lost"), submit(2), update(1, fence, in_state(JobState::Dead))];
        assert_eq!(store.commit(Epoch(0), &late).unwrap_err().fault, Fault::Fenced);
    }
    // Nothing of the batch is there.
    assert_eq!((events(&*store).len(), store.job(JobId(2)).unwrap()), (0, None));
    assert_eq!(store.job(JobId(1)).unwrap().unwrap().status, leased);
    let done = [update(1, 7, in_state(JobState::Succeeded))];
    assert_eq!(store.commit(Epoch(0), &done).unwrap(), [Applied::Done]);
}

pub(crate) fn an_id_is_given_once(make: Make<'_>) {
    let engine = make();
    let store = engine.open();
    store.commit(Epoch(0), &[submit(1), submit(5)]).unwrap();
    for batch in [[submit(5), event(1, "")], [submit(3), event(1, "")]] {
        assert_eq!(store.commit(Epoch(0), &batch).unwrap_err().fault, Fault::Misuse);
    }
    assert_eq!(store.commit(Epoch(0), &[submit(6), submit(6)]).unwrap_err().fault, Fault::Misuse);
    store.commit(Epoch(0), &[submit(6)]).unwrap();
}

pub(crate) fn a_batch_with_a_misuse_is_not_there_at_all(make: Make<'_>) {
    let engine = make();
    let store = engine.open();
    store.commit(Epoch(0), &[submit(4)]).unwrap();
    let batch = [event(1, "lost"), submit(5), update(4, 0, in_state(JobState::Dead)), submit(2)];
    store.commit(Epoch(0), &batch).unwrap_err();
    assert_eq!(store.job(JobId(5)).unwrap(), None);
    assert_eq!(store.job(JobId(4)).unwrap().unwrap().status, pending());
    assert_eq!(events(&*store), []);
    assert_eq!(store.commit(Epoch(0), &[event(1, "")]).unwrap(), [Applied::Seq(1)]);
}

pub(crate) fn an_attempt_is_kept_whole(make: Make<'_>) {
    let engine = make();
    let store = engine.open();
    let (second, mut first) = (attempt(1, 2, 9), attempt(1, 1, 8));
    // No base64, or not as an encoder writes it: it comes back as it was.
    first.log.whole = Some("aGVsbG9=!".to_owned());
    let mut third = attempt(1, 3, 10);
    third.ending = None;
    third.log.whole = None;
    store.commit(Epoch(0), &[submit(1), submit(2)]).unwrap();
    let batch = [&third, &second, &first].map(|it| Change::Attempt(Box::new(it.clone())));
    store.commit(Epoch(0), &batch).unwrap();
    assert_eq!(store.attempts(JobId(1)).unwrap(), [first, second, third]);
    assert_eq!(store.attempts(JobId(2)).unwrap(), []);
    // Recorded again, it is replaced.
    let again = attempt(1, 2, 11);
    store.commit(Epoch(0), &[Change::Attempt(Box::new(again.clone()))]).unwrap();
    assert_eq!(store.attempts(JobId(1)).unwrap()[1], again);
}

pub(crate) fn an_attempt_of_no_job_is_refused(make: Make<'_>) {
    let engine = make();
    let store = engine.open();
    let batch = [Change::Attempt(Box::new(attempt(1, 1, 1)))];
    assert_eq!(store.commit(Epoch(0), &batch).unwrap_err().fault, Fault::Fenced);
    assert_eq!(store.attempts(JobId(1)).unwrap(), []);
}

pub(crate) fn only_a_finished_job_is_deleted(make: Make<'_>) {
    let engine = make();
    let store = engine.open();
    for (id, state) in (1..).zip(JobState::ALL) {
        let batch =
            [submit_as(id, spec("noop"), in_state(*state)), Change::Delete { job: JobId(id) }];
        let fault = store.commit(Epoch(0), &batch).err().map(|error| error.fault);
        assert_eq!(fault, (!state.is_finished()).then_some(Fault::Fenced), "{state}");
        assert!(store.job(JobId(id)).unwrap().is_none());
    }
    let absent = [Change::Delete { job: JobId(99) }];
    assert_eq!(store.commit(Epoch(0), &absent).unwrap_err().fault, Fault::Fenced);
}

pub(crate) fn a_deleted_job_leaves_nothing(make: Make<'_>) {
    let engine = make();
    let store = engine.open();
    let mut job = shell(&["true"], Input::Payload(payload('a')));
    job.tags = vec!["red".to_owned()];
    let batch = [
        submit_as(1, job.clone(), in_state(JobState::Succeeded)),
        submit_as(2, job, in_state(JobState::Succeeded)),
        Change::Attempt(Box::new(attempt(1, 1, 1))),
        Change::Delete { job: JobId(1) },
    ];
    store.commit(Epoch(0), &batch).unwrap();
    assert_eq!(store.attempts(JobId(1)).unwrap(), []);
    let tagged = ostler_store::Filter { tags: vec!["red".to_owned()], ..Default::default() };
    assert_eq!(crate::make::find(&*store, &tagged, 10), [2]);
    assert_eq!(
        store.succeeded_since("default", Same::Identity("a command"), Wall(0)).unwrap(),
        Some(JobId(2))
    );
}

pub(crate) fn a_key_finds_its_jobs(make: Make<'_>) {
    let engine = make();
    let store = engine.open();
    let key = |request: &str, jobs: &[u64], at| Change::Key {
        key: "mine".to_owned(),
        request: request.to_owned(),
        jobs: jobs.iter().copied().map(JobId).collect(),
        at: Wall(at),
    };
    assert_eq!(store.keyed("mine").unwrap(), None);
    store.commit(Epoch(0), &[submit(1), submit(2), key("hash", &[1, 2], 5)]).unwrap();
    let found = Some(("hash".to_owned(), vec![JobId(1), JobId(2)]));
    assert_eq!(store.keyed("mine").unwrap(), found);
    assert_eq!(store.keyed("Mine").unwrap(), None);
    store.commit(Epoch(0), &[key("other", &[], 6)]).unwrap();
    assert_eq!(store.keyed("mine").unwrap(), Some(("other".to_owned(), vec![])));
}

pub(crate) fn events_are_numbered_without_gaps(make: Make<'_>) {
    let engine = make();
    let store = engine.open();
    let who = Change::Event {
        at: Wall(9),
        kind: ostler_store::EventKind::Finished,
        job: Some(JobId(77)),
        who: Some("first".to_owned()),
        detail: "{\"a\":1}".to_owned(),
    };
    store.commit(Epoch(0), &[event(1, "one"), who]).unwrap();
    store.commit(Epoch(0), &[event(3, "three")]).unwrap();
    let all = events(&*store);
    assert_eq!(all.iter().map(|it| it.seq).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!((all[1].job, all[1].who.as_deref()), (Some(JobId(77)), Some("first")));
    assert_eq!(all[1].detail, "{\"a\":1}");
    assert_eq!(store.tail(1, 1).unwrap(), all[1..2]);
    assert_eq!(store.tail(3, 1).unwrap(), []);
    assert_eq!(store.tail(u64::MAX, 1).unwrap(), []);
    assert_eq!(store.tail(0, 0).unwrap(), []);
}

pub(crate) fn what_is_old_is_forgotten(make: Make<'_>) {
    let engine = make();
    let store = engine.open();
    let key = |name: &str, at| Change::Key {
        key: name.to_owned(),
        request: String::new(),
        jobs: vec![],
        at: Wall(at),
    };
    store
        .commit(Epoch(0), &[event(1, "a"), event(2, "b"), event(3, "c"), key("a", 1), key("b", 2)])
        .unwrap();
    store
        .commit(Epoch(0), &[Change::Forget { now: Wall(9), events: Wall(3), keys: Wall(2) }])
        .unwrap();
    assert_eq!(events(&*store).iter().map(|it| it.seq).collect::<Vec<_>>(), [3]);
    assert!(store.keyed("a").unwrap().is_none() && store.keyed("b").unwrap().is_some());
    store
        .commit(Epoch(0), &[Change::Forget { now: Wall(99), events: Wall(99), keys: Wall(99) }])
        .unwrap();
    assert_eq!(events(&*store), []);
    assert_eq!(store.keyed("b").unwrap(), None);
    // Numbers are not given again.
    assert_eq!(store.commit(Epoch(0), &[event(9, "d")]).unwrap(), [Applied::Seq(4)]);
}

pub(crate) fn the_largest_numbers_come_back(make: Make<'_>) {
    let engine = make();
    let store = engine.open();
    let large = i64::MAX.unsigned_abs();
    let status = ostler_job::durable::Status {
        due: Some(Wall(large)),
        host: Some("höst 😀".to_owned()),
        attempts: u32::MAX,
        failures: u32::MAX,
        crashes: u32::MAX,
        fence: Fence((u64::from(u32::MAX >> 1) << 32) | u64::from(u32::MAX)),
        exit_status: Some(i32::MIN),
        signal: Some(i32::MAX),
        kill: true,
        kill_now: true,
        stop: true,
        incarnation: Some(u32::MAX),
        ..pending()
    };
    let mut spec = spec("\u{0}\n\"quoted\" ünï😀");
    spec.expires = Some(Wall(u64::MAX));
    store.commit(Epoch(0), &[submit_as(large - 1, spec.clone(), status.clone())]).unwrap();
    let job = store.job(JobId(large - 1)).unwrap().unwrap();
    assert_eq!((job.spec, job.status.clone()), (spec, status));
    drop(store);
    let (jobs, loaded) = load(&*engine.open());
    assert_eq!(jobs[0].status, job.status);
    assert_eq!(loaded.next_job, JobId(large));
}

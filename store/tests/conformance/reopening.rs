//! What is there when the store is opened again.

use ostler_job::{
    JobId, Span, Wall,
    durable::{
        Dedupe, DedupeScope, Delivery, Epoch, Held, Input, JobState, Queue, QueueName, QueueShape,
        Rate, Retry, ShapeOwner, Spec, Then,
    },
};
use ostler_store::{Applied, Change, Token, Unfinished};

use crate::{
    Make,
    make::{
        attempt, event, events, in_state, load, pending, shell, spec, submit, submit_as, update,
    },
};

pub(crate) fn what_was_committed_is_there_again(make: Make<'_>) {
    let engine = make();
    let store = engine.open();
    let record = attempt(1, 1, 0);
    let batch = [submit(1), event(1, "one"), Change::Attempt(Box::new(record.clone()))];
    store.commit(Epoch(0), &batch).unwrap();
    let job = store.job(JobId(1)).unwrap();
    drop(store);
    let store = engine.open();
    assert_eq!(store.job(JobId(1)).unwrap(), job);
    assert_eq!(store.attempts(JobId(1)).unwrap(), [record]);
    assert_eq!(events(&*store)[0].detail, "one");
}

pub(crate) fn only_unfinished_jobs_are_loaded_in_order(make: Make<'_>) {
    let engine = make();
    let store = engine.open();
    // States in another order than ids, so that whoever reads by state must merge.
    let batch: Vec<_> = (1..)
        .zip(JobState::ALL.iter().rev().chain(JobState::ALL))
        .map(|(id, state)| submit_as(id, spec("noop"), in_state(*state)))
        .collect();
    store.commit(Epoch(0), &batch).unwrap();
    store.commit(Epoch(0), &[update(5, 0, in_state(JobState::Succeeded))]).unwrap();
    store.commit(Epoch(0), &[update(1, 0, pending())]).unwrap();
    drop(store);
    let (jobs, loaded) = load(&*engine.open());
    let ids: Vec<_> = jobs.iter().map(|job| job.id.0).collect();
    assert_eq!(ids, [1, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18]);
    assert_eq!(loaded.next_job, JobId(23));
}

pub(crate) fn ids_and_numbers_go_on_after_everything_is_gone(make: Make<'_>) {
    let engine = make();
    let done = |id| submit_as(id, spec("noop"), in_state(JobState::Succeeded));
    let store = engine.open();
    store.commit(Epoch(0), &[done(1), done(2), event(1, ""), event(2, "")]).unwrap();
    let gone = [
        Change::Delete { job: JobId(2) },
        Change::Delete { job: JobId(1) },
        Change::Forget { now: Wall(7), events: Wall(9), keys: Wall(9) },
    ];
    store.commit(Epoch(0), &gone).unwrap();
    drop(store);
    let store = engine.open();
    let (jobs, loaded) = load(&*store);
    assert_eq!((jobs.len(), loaded.next_job, loaded.last_event), (0, JobId(3), 2));
    assert_eq!(loaded.kept_at, Some(Wall(7)));
    assert!(store.commit(Epoch(0), &[submit(2)]).is_err());
    assert_eq!(store.commit(Epoch(0), &[event(1, "")]).unwrap(), [Applied::Seq(3)]);
}

pub(crate) fn tokens_are_loaded(make: Make<'_>) {
    let engine = make();
    let token = |name: &str, revoked_at| Token {
        name: name.to_owned(),
        hash: "0".repeat(64),
        scopes: ["read", "submit"].map(str::to_owned).into(),
        tenant: Some("other".to_owned()),
        created_at: Wall(1),
        expires_at: None,
        revoked_at,
    };
    let store = engine.open();
    store.commit(Epoch(0), &["b", "a"].map(|name| Change::Token(token(name, None)))).unwrap();
    store.commit(Epoch(0), &[Change::Token(token("b", Some(Wall(5))))]).unwrap();
    drop(store);
    let (_, loaded) = load(&*engine.open());
    assert_eq!(loaded.tokens, [token("a", None), token("b", Some(Wall(5)))]);
}

pub(crate) fn queues_are_there_again_until_they_are_gone(make: Make<'_>) {
    let engine = make();
    let store = engine.open();
    assert_eq!(store.queues().unwrap(), []);
    let queue = |name: &str, weight| {
        let name = QueueName::new(name).unwrap();
        let rate = Some(Rate { jobs: 5, per: Span::from_secs(60), burst: 2 });
        let shape = QueueShape { weight, rate, user: Some("w".into()), ..QueueShape::default() };
        Queue::new(name, shape, ShapeOwner::File)
    };
    let put = |queue: Queue| Change::Queue(Box::new(queue));
    store.commit(Epoch(0), &["b", "c", "a"].map(|name| put(queue(name, 1)))).unwrap();
    let held = Some(Held { who: "ops".to_owned(), since: Wall(5) });
    let paused = Queue { paused: held.clone(), drained: held, ..queue("b", 7) };
    let gone = Change::QueueGone(QueueName::new("c").unwrap());
    // One that is not there is as good as gone.
    store.commit(Epoch(0), &[put(paused.clone()), gone.clone(), gone]).unwrap();
    drop(store);
    assert_eq!(engine.open().queues().unwrap(), [queue("a", 1), paused]);
}

pub(crate) fn the_light_load_says_the_same(make: Make<'_>) {
    let engine = make();
    let store = engine.open();
    let full = Spec {
        tenant: "other".to_owned(),
        content: Some(u64::MAX),
        host: Some("host-1".to_owned()),
        not_before: Some(Wall(4)),
        expires: Some(Wall(9)),
        within: Some(Span::from_secs(5)),
        delivery: Delivery::AtMostOnce,
        retry: Retry { attempts: 5, constant: true, exit_codes: vec![75], ..Retry::default() },
        dedupe: Some(Dedupe { scope: DedupeScope::Done, window: None, then: Then::Reject }),
        ..shell(&["echo", "\"identity\":\"no\""], Input::Text("x".repeat(5000)))
    };
    store.commit(Epoch(0), &[submit(1), submit_as(2, full, in_state(JobState::Retrying))]).unwrap();
    let (jobs, _) = load(&*store);
    let mut light = Vec::new();
    store.load_unfinished(&mut |job| light.push(job)).unwrap();
    assert_eq!(light, jobs.into_iter().map(Unfinished::from).collect::<Vec<_>>());
}

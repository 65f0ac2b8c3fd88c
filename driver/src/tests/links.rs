//! Links that come, go and are replaced: whose word counts.

use ostler_job::durable::Unfinished;
use ostler_store::{Applied, Fault, StoreError};

use super::*;
use crate::{Actor, ActorInput, DriverConfig, Output, load};

fn actor() -> (Actor, Now) {
    let bench = Bench::new();
    let term = bench.store.begin(0).expect("the model begins");
    (Actor::new(bench.driver, &term), bench.now)
}

fn beat(link: u64, slots: u32) -> ActorInput {
    let incarnation = "1".to_owned();
    let (runner, labels, held) = ("a".into(), Arc::default(), Vec::new());
    ActorInput::Beat(Beat { runner, link, incarnation, slots, is_broken: false, labels, held })
}

#[test]
fn nothing_counts_of_a_link_that_another_has_taken_the_place_of() {
    let (mut actor, now) = actor();
    let slots = |actor: &Actor| actor.figures(now).slots.0;
    actor.hear(beat(1, 2), now);
    assert_eq!(slots(&actor), 0, "nobody has said that it is up");
    actor.hear(ActorInput::LinkUp("a".into(), 1), now);
    actor.hear(beat(1, 2), now);
    assert_eq!(slots(&actor), 2);
    actor.hear(ActorInput::LinkUp("a".into(), 2), now);
    assert_eq!(slots(&actor), 0, "what is on its way on the one before does not arrive");
    actor.hear(beat(1, 3), now);
    assert_eq!(slots(&actor), 0);
    actor.hear(beat(2, 4), now);
    actor.hear(beat(1, 3), now);
    actor.hear(ActorInput::LinkDown("a".into(), 1), now);
    actor.hear(ActorInput::LinkUp("a".into(), 1), now);
    assert_eq!(slots(&actor), 4, "an older one neither ends nor replaces a newer one");
    actor.hear(ActorInput::LinkDown("a".into(), 2), now);
    actor.hear(beat(2, 5), now);
    assert_eq!(slots(&actor), 0, "what is gone says nothing");
}

#[test]
fn a_runner_that_is_heard_keeps_its_leases_and_gets_none_back_by_that() {
    let (mut actor, now) = actor();
    let after = |seconds| Now { mono: now.mono + Span::from_secs(seconds), ..now };
    let slots = |actor: &Actor, at| actor.figures(at).slots.0;
    actor.hear(ActorInput::LinkUp("a".into(), 1), now);
    actor.hear(beat(1, 2), now);
    for seconds in 1..20 {
        actor.hear(ActorInput::Heard("a".into(), 1), after(seconds));
        actor.go_on(after(seconds));
    }
    assert_eq!(slots(&actor, after(20)), 2);
    // Of another link, or of nobody.
    for seconds in 20..40 {
        actor.hear(ActorInput::Heard("a".into(), 2), after(seconds));
        actor.hear(ActorInput::Heard("b".into(), 1), after(seconds));
        actor.go_on(after(seconds));
    }
    assert_eq!(slots(&actor, after(40)), 0);
    actor.hear(ActorInput::Heard("a".into(), 1), after(40));
    assert_eq!(slots(&actor, after(40)), 0, "leases that have run out need a beat");
    actor.hear(beat(1, 2), after(40));
    assert_eq!(slots(&actor, after(40)), 2);
}

#[test]
fn what_a_link_told_while_the_store_failed_goes_with_it() {
    let (mut actor, now) = actor();
    let key = AttemptKey { job: JobId(1), attempt: 1, fence: Fence(1) };
    let reports =
        Reports { runner: "a".into(), link: 1, reports: vec![Report::NotStarted { key }] };
    actor.hear(ActorInput::LinkUp("a".into(), 1), now);
    actor.doubt(StoreError::new(Fault::Full, "full"), now);
    actor.hear(ActorInput::Reports(reports.clone()), now);
    assert_eq!(actor.kept.len(), 1, "it is not told twice on one link");
    actor.hear(ActorInput::LinkDown("b".into(), 1), now);
    assert_eq!(actor.kept.len(), 1);
    actor.hear(ActorInput::LinkDown("a".into(), 1), now);
    assert_eq!(actor.kept.len(), 0, "on the next link it is told anew");
    actor.hear(ActorInput::Reports(reports), now);
    assert_eq!(actor.kept.len(), 0, "and on none that is gone");
}

#[test]
fn a_store_that_went_back_gives_no_job_again_that_may_start_once() {
    let mut bench = Bench::new();
    bench.beat("a", 1, &[]);
    let job = bench.submit(leases::once());
    let key = bench.run();
    let copy = bench.store.copy();
    bench.finish("a", key, Reason::Ok);
    bench.beat("a", 1, &[]);
    bench.store.restore(&copy);
    // Nor does a later term, which finds the store as the one before left it.
    bench.store.begin(0).expect("a term begins");
    let term = bench.store.begin(0).expect("a term begins");
    let read = |each: &mut dyn FnMut(Unfinished)| bench.store.load_unfinished(each);
    let loaded = load(&bench.config, &term, (0, 7), Default::default(), read, bench.now);
    let (driver, _) = loaded.expect("it loads");
    (bench.driver, bench.epoch, bench.link) = (driver, term.epoch, 1);
    // The same process, on a new link, has not got it: any more.
    for _ in 0..4 {
        bench.beat("a", 1, &[]);
        assert_eq!(bench.runs(), []);
        bench.pass(Span::from_secs(5));
    }
    let status = bench.status(job);
    assert_eq!((status.state, status.reason), (JobState::Dead, Some(Reason::Lost)));
}

#[test]
fn a_runner_that_comes_while_the_gateway_is_about_to_end_gets_nothing() {
    let (mut actor, now) = actor();
    actor.hear(ActorInput::Rest { ticket: Ticket(1) }, now);
    actor.hear(ActorInput::LinkUp("a".into(), 1), now);
    actor.hear(beat(1, 2), now);
    assert_eq!(actor.figures(now).slots.0, 0);
}

#[test]
fn a_gateway_that_ends_writes_nothing_of_its_runners() {
    let (mut actor, now) = actor();
    let commits = |actor: &mut Actor| {
        actor.go_on(now);
        let mut count = 0;
        while let Some(output) = actor.poll_output() {
            if let Output::Commit { changes, .. } = output {
                count += 1;
                let applied = changes.iter().map(|_| Applied::Seq(1)).collect();
                actor.committed(Ok(applied), now);
            }
        }
        count
    };
    actor.hear(ActorInput::LinkUp("a".into(), 1), now);
    actor.hear(beat(1, 2), now);
    assert_eq!(commits(&mut actor), 1, "that it came");
    actor.hear(ActorInput::Rest { ticket: Ticket(1) }, now);
    actor.hear(beat(1, 0), now);
    actor.hear(ActorInput::LinkDown("a".into(), 1), now);
    actor.hear(ActorInput::Stop, now);
    assert_eq!(commits(&mut actor), 0, "each would be an fsync that its end waits for");
    assert!(actor.is_over());
}

#[test]
fn a_beat_that_crossed_the_order_to_run_is_no_proof_however_late_it_is_read() {
    let (mut bench, job, key) = leases::leased(spec());
    bench.pass(Span::from_secs(6));
    bench.beat("a", 1, &[]);
    assert_eq!(bench.status(job).fence, key.fence, "it may be from before");
    bench.beat("a", 1, &[]);
    assert!(bench.run().fence > key.fence);
}

#[test]
fn what_is_told_to_a_store_that_failed_is_kept_once_and_not_without_end() {
    let (mut actor, now) = actor();
    actor.hear(ActorInput::LinkUp("a".into(), 1), now);
    actor.doubt(StoreError::new(Fault::Io, "the disk"), now);
    let key = |job| AttemptKey { job: JobId(job), attempt: 1, fence: Fence(1) };
    let tell = |actor: &mut Actor, link, reports| {
        actor.hear(ActorInput::Reports(Reports { runner: "a".into(), link, reports }), now);
    };
    let over = |job| Report::Finished(Box::new(finished(key(job), Reason::Ok)));
    for link in 1..500 {
        actor.hear(ActorInput::LinkUp("a".into(), link), now);
        tell(&mut actor, link, vec![over(1)]);
        assert_eq!(actor.kept.len(), 1, "on its next link it tells everything anew");
        if link % 2 == 0 {
            actor.hear(ActorInput::LinkDown("a".into(), link), now);
            assert_eq!(actor.kept.len(), 0);
        }
    }
    // A disk may be full for days, and logs grow.
    (0..1000).for_each(|bytes| tell(&mut actor, 499, vec![Report::Log { key: key(1), bytes }]));
    assert_eq!(actor.kept.len(), 1);
    // Made up, by one that means harm.
    let reports: Vec<Report> = (0..1000).map(|job| Report::NotStarted { key: key(job) }).collect();
    (0..1000).for_each(|_| tell(&mut actor, 499, reports.clone()));
    assert!(actor.kept.len() < 210_000, "{}", actor.kept.len());
}

#[test]
fn a_store_that_was_never_read_is_taken_up_whatever_was_wrong_with_it() {
    let bench = Bench::new();
    for (fault, patience) in [(Fault::Corrupt, 2), (Fault::TooNew, 2), (Fault::Io, 1)] {
        let mut now = bench.now;
        let wrong = || StoreError::new(fault, "jobs.db");
        let mut actor = Actor::without_store(DriverConfig::default(), wrong(), now);
        if fault == Fault::Io {
            let unread = StoreError::new(Fault::Unread, "jobs.db");
            actor = Actor::without_store(DriverConfig::default(), unread, now);
            assert!(actor.poll_timeout().is_none(), "it is being read");
            let _told = std::iter::from_fn(|| actor.poll_output()).count();
            actor.loaded(Err(wrong()), now);
            assert!(matches!(actor.poll_output(), Some(Output::Trouble(Some(_)))));
            assert!(actor.poll_timeout().is_some(), "it could not be");
            actor = Actor::without_store(DriverConfig::default(), wrong(), now);
        }
        let mut outputs = || std::iter::from_fn(|| actor.poll_output()).collect::<Vec<_>>();
        assert!(matches!(outputs()[..], [Output::Trouble(Some(_)), Output::RefuseAll]));
        actor.hear(ActorInput::LinkUp("a".into(), 1), now);
        for _ in 0..2 {
            let due = actor.poll_timeout().expect("it is looked at again");
            assert_eq!(due, now.mono + Span::from_secs(patience), "{fault:?}");
            now.mono = due;
            actor.go_on(now);
            assert!(matches!(actor.poll_output(), Some(Output::Load { .. })));
            assert!(actor.poll_timeout().is_none(), "that is being done");
            actor.loaded(Err(wrong()), now);
            assert!(matches!(actor.poll_output(), Some(Output::Trouble(Some(_)))));
        }
        let term = bench.store.begin(0).expect("the model begins");
        let read = |each: &mut dyn FnMut(Unfinished)| bench.store.load_unfinished(each);
        let config = DriverConfig::default();
        let (driver, _) =
            load(&config, &term, (1, 0), Default::default(), read, now).expect("the model loads");
        actor.loaded(Ok((driver, term)), now);
        assert!(matches!(actor.poll_output(), Some(Output::Trouble(None))));
        actor.hear(beat(1, 2), now);
        assert_eq!(actor.figures(now).slots.0, 2, "links that came meanwhile count");
        actor.doubt(wrong(), now);
        assert_eq!(actor.poll_timeout().is_some(), fault == Fault::Io, "it was in use");
    }
}

#[test]
fn the_labels_of_a_runner_are_those_that_it_said_last() {
    let mut bench = Bench::new();
    let labels = |texts: &[&str]| Labels::read(texts.iter().copied()).unwrap();
    let told = |bench: &Bench| bench.driver.labels(HostId(0)).cloned();
    assert_eq!(told(&bench), None, "it was not heard");
    bench.labels = labels(&["gpu=a100", "zone=b"]).into();
    bench.beat("a", 1, &[]);
    assert_eq!(told(&bench), Some(labels(&["gpu=a100", "zone=b"])));
    bench.labels = labels(&["zone=c"]).into();
    bench.beat_as("a", "2", 1, &[]);
    assert_eq!(told(&bench), Some(labels(&["zone=c"])));
    bench.driver.handle_link_down(&"a".into(), bench.now);
    assert_eq!(told(&bench), Some(labels(&["zone=c"])), "also while it is away");
}

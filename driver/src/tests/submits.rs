//! Taking jobs, or not.

use super::*;

fn new(spec: Spec) -> NewJob {
    NewJob { spec: Arc::new(spec), paused: false, delayed: false, done_before: None }
}

#[test]
fn a_job_is_in_the_store_before_anybody_hears_of_it() {
    let mut bench = Bench::new();
    let job = bench.submit(spec());
    assert!(matches!(bench.changes[0], Change::Submit { .. }));
    assert_eq!((bench.state(job), bench.events()), (JobState::Pending, vec![EventKind::Submitted]));
}

#[test]
fn a_job_that_finds_a_free_slot_is_written_once_with_its_lease() {
    let mut bench = Bench::new();
    bench.beat("a", 1, &[]);
    let job = bench.submit(spec());
    let key = bench.run();
    assert_eq!((key.job, key.attempt, key.fence.0), (job, 1, 1));
    assert_eq!((bench.state(job), bench.status(job).fence), (JobState::Leased, key.fence));
    assert!(!bench.changes.iter().any(|it| matches!(it, Change::Update { .. })));
}

#[test]
fn a_success_is_recorded_and_settled_and_frees_the_slot_in_one_action() {
    let mut bench = Bench::new();
    bench.beat("a", 1, &[]);
    let (first, second) = (bench.submit(spec()), bench.submit(spec()));
    let key = AttemptKey { job: first, attempt: 1, fence: bench.status(first).fence };
    bench.start("a", key);
    assert_eq!(bench.state(first), JobState::Running);
    bench.finish("a", key, Reason::Ok);
    assert_eq!(
        (bench.state(first), bench.status(first).exit_status),
        (JobState::Succeeded, Some(0))
    );
    assert_eq!(bench.settled(), [(key, false)]);
    assert_eq!(bench.run().job, second);
    let attempts = bench.store.attempts(first).expect("the model reads");
    assert_eq!((attempts.len(), attempts[0].runner.as_str()), (1, "a"));
}

#[test]
fn a_full_queue_refuses_and_says_when_to_come_back() {
    let mut bench = Bench::with(DriverConfig { waiting_max: 4, ..DriverConfig::default() });
    let three = || vec![new(spec()), new(spec()), new(spec())];
    let answers = bench.request(three(), None, true);
    assert!(
        matches!(answers[0], Answer::WithOthers) && matches!(answers[2], Answer::QueueFull { .. })
    );
    assert!(bench.store.job(JobId(1)).expect("reads").is_none(), "nothing is stored");
    let answers = bench.request(three(), None, false);
    assert!(matches!(answers[1], Answer::Done { job: JobId(2), .. }));
    assert!(matches!(answers[2], Answer::QueueFull { .. }));
}

#[test]
fn a_key_is_answered_with_its_jobs_and_another_request_with_it_is_told_so() {
    let mut bench = Bench::new();
    let taken = bench.request(vec![new(spec()), new(spec())], Some(("k", "hash")), true);
    assert_eq!(taken.len(), 2);
    let jobs = vec![JobId(1), JobId(2)];
    let again = bench.request(vec![new(spec()), new(spec())], Some(("k", "hash")), true);
    assert_eq!(again, [Answer::Keyed { jobs: jobs.clone(), same: true }]);
    let other = bench.request(vec![new(spec())], Some(("k", "other")), true);
    assert_eq!(other, [Answer::Keyed { jobs, same: false }]);
    assert!(bench.store.keyed("k").expect("reads").is_some());
    assert!(bench.store.job(JobId(3)).expect("reads").is_none());
}

#[test]
fn a_job_of_an_identity_that_waits_or_runs_is_coalesced_or_refused() {
    let mut bench = Bench::new();
    let first = bench.submit(spec());
    let with = |then| Spec { dedupe: dedupe(DedupeScope::Queued, then), ..spec() };
    assert_eq!(bench.submit_all(vec![with(Then::Coalesce)]), [Answer::Coalesced { job: first }]);
    assert_eq!(bench.submit_all(vec![with(Then::Reject)]), [Answer::Duplicate { job: first }]);
    let other = Spec { tenant: "other".into(), ..with(Then::Reject) };
    assert!(matches!(bench.submit_all(vec![other])[..], [Answer::Done { .. }]), "another's job");
    bench.pass(Span::from_secs(61));
    let late = bench.submit_all(vec![with(Then::Reject)]);
    assert!(matches!(late[..], [Answer::Done { .. }]), "outside of the window: {late:?}");
}

#[test]
fn a_finished_job_counts_for_the_scope_of_done_only_and_only_when_it_succeeded() {
    let mut bench = Bench::new();
    bench.beat("a", 1, &[]);
    let with = |scope| Spec { dedupe: dedupe(scope, Then::Reject), ..spec() };
    bench.submit(spec());
    let key = bench.run();
    bench.finish("a", key, Reason::Signal);
    bench.submit(with(DedupeScope::Done));
    let key = bench.run();
    bench.finish("a", key, Reason::Ok);
    assert_eq!(
        bench.submit_all(vec![with(DedupeScope::Done)]),
        [Answer::Duplicate { job: key.job }]
    );
    bench.submit(with(DedupeScope::Queued));
    let known = NewJob {
        done_before: Some(JobId(1)),
        ..new(Spec { identity: "x".into(), ..with(DedupeScope::Done) })
    };
    assert_eq!(bench.request(vec![known], None, true), [Answer::Duplicate { job: JobId(1) }]);
}

#[test]
fn a_job_that_is_being_ended_makes_no_other_superfluous() {
    let mut bench = Bench::new();
    bench.beat("a", 1, &[]);
    let first = bench.submit(spec());
    let key = bench.run();
    bench.start("a", key);
    let again = Spec { dedupe: dedupe(DedupeScope::Queued, Then::Coalesce), ..spec() };
    assert_eq!(bench.submit_all(vec![again.clone()]), [Answer::Coalesced { job: first }]);
    bench.steer(Verb::Cancel, first);
    assert!(matches!(bench.submit_all(vec![again])[..], [Answer::Done { .. }]));
}

#[test]
fn jobs_of_one_request_make_each_other_superfluous() {
    let mut bench = Bench::new();
    let with = Spec { dedupe: dedupe(DedupeScope::Queued, Then::Coalesce), ..spec() };
    let answers = bench.submit_all(vec![with.clone(), with.clone(), with]);
    let coalesced = Answer::Coalesced { job: JobId(1) };
    assert_eq!(answers[1..], [coalesced.clone(), coalesced]);
}

#[test]
fn a_pinned_job_waits_for_its_host() {
    let mut bench = Bench::new();
    bench.beat("a", 1, &[]);
    let job = bench.submit(Spec { host: Some("b".into()), ..spec() });
    assert_eq!(bench.runs(), []);
    bench.beat("b", 1, &[]);
    assert_eq!(bench.runs()[0].0, "b");
    assert_eq!(bench.run().job, job);
}

#[test]
fn only_the_whole_work_is_the_same_unless_an_identity_was_named() {
    let mut bench = Bench::new();
    let with =
        |content| Spec { content, dedupe: dedupe(DedupeScope::Queued, Then::Coalesce), ..spec() };
    let one = bench.submit(with(Some(1)));
    let two = bench.submit(with(Some(2)));
    let named = bench.submit(with(None));
    bench.restart();
    let answers = bench.submit_all(vec![with(Some(1)), with(Some(2)), with(None)]);
    let stands = |job| Answer::Coalesced { job };
    assert_eq!(answers, [stands(one), stands(two), stands(named)], "after a restart, too");
}

#[test]
fn a_success_that_was_deleted_or_is_retried_stands_for_nothing() {
    let mut bench = Bench::new();
    bench.beat("a", 1, &[]);
    let with = || Spec { dedupe: dedupe(DedupeScope::Done, Then::Reject), ..spec() };
    let first = bench.submit(with());
    let key = bench.run();
    bench.finish("a", key, Reason::Ok);
    assert_eq!(bench.submit_all(vec![with()]), [Answer::Duplicate { job: first }]);
    bench.steer(Verb::Delete, first);
    // The store was asked before the deletion.
    let asked = NewJob { done_before: Some(first), ..new(with()) };
    assert!(matches!(bench.request(vec![asked], None, true)[..], [Answer::Done { .. }]));
    let key = bench.run();
    bench.finish("a", key, Reason::Ok);
    bench.steer(Verb::Retry, key.job);
    let key = bench.run();
    bench.finish("a", key, Reason::Signal);
    let answers = bench.submit_all(vec![with()]);
    assert!(matches!(answers[..], [Answer::Done { .. }]), "it failed: {answers:?}");
}

#[test]
fn many_jobs_of_one_work_are_taken_up_again_in_any_order_at_the_same_cost() {
    let mut bench = Bench::new();
    let jobs: Vec<JobId> = (0..3_000).map(|_| bench.submit(spec())).collect();
    for &job in &jobs {
        bench.steer(Verb::Cancel, job);
    }
    // Newest first, as the API goes: were they kept as a list, each would walk past all before it.
    for &job in jobs.iter().rev() {
        bench.steer(Verb::Retry, job);
    }
    let dedupe = dedupe(DedupeScope::Queued, Then::Reject);
    let newest = *jobs.last().expect("there are some");
    assert_eq!(
        bench.submit_all(vec![Spec { dedupe, ..spec() }]),
        [Answer::Duplicate { job: newest }]
    );
}

#[test]
fn a_tenant_that_fills_the_queue_leaves_places_for_every_other() {
    let config = DriverConfig { waiting_max: 120, ..DriverConfig::default() };
    let mut bench = Bench::with(config);
    let taken = |bench: &mut Bench, tenant: &str, count: usize, paused: bool| {
        let new = || NewJob { paused, ..new(Spec { tenant: tenant.to_owned(), ..spec() }) };
        let answers = bench.request((0..count).map(|_| new()).collect(), None, false);
        answers.iter().filter(|it| matches!(it, Answer::Done { .. })).count()
    };
    // Paused ones wait, too; in one batch or one by one.
    assert_eq!(taken(&mut bench, "a", 200, true), 60);
    assert_eq!((0..100).map(|_| taken(&mut bench, "b", 1, false)).sum::<usize>(), 30);
    for other in 0..10 {
        assert!(taken(&mut bench, &format!("tenant {other}"), 1, false) == 1, "{other}");
    }
    assert_eq!(taken(&mut bench, "a", 1, false), 0);
    bench.restart();
    assert_eq!(taken(&mut bench, "a", 1, false), 0, "after a restart, too");
    bench.steer(Verb::Cancel, JobId(1));
    for n in 2..42 {
        bench.steer(Verb::Cancel, JobId(n));
    }
    assert_eq!(taken(&mut bench, "a", 1, false), 1, "what waits no more counts no more");
}

#[test]
fn a_tenant_that_leaves_and_comes_back_owes_what_it_owed() {
    let mut bench = Bench::new();
    bench.beat("r", 1, &[]);
    let of = |tenant: &str, n| Spec {
        tenant: tenant.to_owned(),
        identity: format!("{tenant} {n}"),
        ..spec()
    };
    // The guest's job is thought short, and runs for ten minutes.
    let guest = bench.submit(of("guest", 0));
    let key = bench.run();
    for n in 0..200 {
        bench.submit(of("host", n));
    }
    bench.beats_for(600, "r", &[key]);
    let finish = Finish { ran: Span::from_secs(600), ..finished(key, Reason::Ok) };
    bench.report("r", Report::Finished(Box::new(finish)));
    assert_eq!(bench.state(guest), JobState::Succeeded, "it has no other job");
    // Back at once, it waits for what the others are owed.
    bench.submit(of("guest", 1));
    let mut key = bench.status(JobId(2));
    for served in 0..100 {
        let job = JobId(2 + served);
        assert_eq!(bench.state(job), JobState::Leased, "{served}: {key:?}");
        let it = AttemptKey { job, attempt: 1, fence: bench.status(job).fence };
        bench.pass(Span::from_secs(1));
        bench.beat("r", 1, &[it]);
        let finish = Finish { ran: Span::from_secs(1), ..finished(it, Reason::Ok) };
        bench.report("r", Report::Finished(Box::new(finish)));
        key = bench.status(job);
    }
}

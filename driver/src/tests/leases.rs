//! Who keeps a lease, and who loses it.

use super::*;

/// A runner with one job, leased and not yet heard of.
pub(super) fn leased(spec: Spec) -> (Bench, JobId, AttemptKey) {
    let mut bench = Bench::new();
    bench.beat("a", 1, &[]);
    let job = bench.submit(spec);
    let key = bench.run();
    (bench, job, key)
}

pub(super) fn once() -> Spec {
    Spec { delivery: Delivery::AtMostOnce, ..spec() }
}

#[test]
fn a_runner_that_is_not_heard_for_a_lease_loses_its_jobs_to_others() {
    let (mut bench, job, key) = leased(spec());
    bench.start("a", key);
    bench.pass(Span::from_secs(14));
    bench.beat("b", 1, &[]);
    assert_eq!(bench.state(job), JobState::Running);
    bench.pass(Span::from_secs(1));
    assert_eq!(bench.runs()[0].0, "b", "elsewhere, at 15 seconds");
    let status = bench.status(job);
    assert_eq!((status.crashes, status.failures, status.attempts), (1, 0, 2));
    let lost = bench.store.attempts(job).expect("reads").remove(0);
    assert_eq!(lost.ending.map(|it| it.reason), Some(Reason::Lost));
}

#[test]
fn a_late_finish_is_fenced_and_counted() {
    let (mut bench, job, key) = leased(spec());
    bench.pass(Span::from_secs(15));
    bench.beat("b", 1, &[]);
    let second = bench.run();
    assert!(second.fence > key.fence);
    bench.finish("a", key, Reason::Ok);
    assert_eq!((bench.settled(), bench.state(job)), (vec![(key, true)], JobState::Leased));
    assert_eq!(bench.driver.figures(bench.now).fence_rejected, 1);
    bench.beat("a", 1, &[key]);
    assert_eq!(bench.settled(), [(key, true)], "and whoever still runs it is told to let go");
}

#[test]
fn a_repeated_finish_changes_nothing_and_is_settled_again() {
    let (mut bench, _, key) = leased(spec());
    bench.finish("a", key, Reason::Ok);
    bench.finish("a", key, Reason::Ok);
    assert_eq!((bench.settled(), bench.changes.len()), (vec![(key, false)], 0));
    bench.beat("a", 1, &[key]);
    assert_eq!(bench.settled(), [(key, false)], "while it has it");
    bench.beat("a", 1, &[]);
    bench.finish("a", key, Reason::Ok);
    assert_eq!(bench.settled(), [(key, true)], "it had forgotten it");
}

#[test]
fn too_many_lost_runners_quarantine_a_job() {
    let mut bench = Bench::new();
    bench.beat_as("a", "0", 1, &[]);
    let job = bench.submit(spec());
    for incarnation in ["1", "2"] {
        bench.beat_as("a", incarnation, 1, &[]);
        assert_eq!(bench.state(job), JobState::Leased, "the new process gets it at once");
    }
    bench.beat_as("a", "3", 1, &[]);
    let status = bench.status(job);
    assert_eq!((status.state, status.reason), (JobState::Dead, Some(Reason::Quarantined)));
    let attempts = bench.store.attempts(job).expect("reads");
    let details = attempts.iter().filter_map(|it| it.ending.as_ref()?.detail.as_deref());
    assert_eq!(details.collect::<Vec<_>>(), ["its runner was started again"; 3]);
}

#[test]
fn a_job_that_may_start_once_is_dead_when_its_runner_is_lost() {
    let (mut bench, job, _) = leased(once());
    bench.beat_as("a", "2", 1, &[]);
    let status = bench.status(job);
    assert_eq!((status.state, status.reason), (JobState::Dead, Some(Reason::Lost)));
    assert_eq!(bench.runs(), []);
}

#[test]
fn an_order_to_run_that_is_under_way_is_waited_for_and_one_that_never_came_is_given_again() {
    let (mut bench, job, key) = leased(spec());
    bench.beat("a", 1, &[]);
    bench.beat("a", 1, &[]);
    assert_eq!(bench.status(job).fence, key.fence, "it may be under way");
    bench.pass(Span::from_secs(5));
    bench.beat("a", 1, &[]);
    let again = bench.run();
    assert_eq!((again.job, again.attempt), (job, 1), "no attempt is burnt");
    assert!(again.fence > key.fence);
    assert_eq!(bench.status(job).crashes, 0);
}

#[test]
fn a_job_that_may_start_once_and_is_not_there_is_dead_since_its_order_may_still_come() {
    let (mut bench, job, _) = leased(once());
    bench.beats_for(10, "a", &[]);
    assert_eq!(bench.status(job).reason, Some(Reason::Lost));
}

#[test]
fn an_attempt_that_the_runner_had_and_lacks_is_lost() {
    let (mut bench, job, key) = leased(spec());
    bench.beat("a", 1, &[key]);
    bench.beat("a", 1, &[]);
    assert_eq!((bench.status(job).crashes, bench.run().attempt), (1, 2));
}

#[test]
fn what_was_provably_not_started_waits_again_and_burns_nothing() {
    for spec in [spec(), once()] {
        let (mut bench, job, key) = leased(spec);
        bench.report("a", Report::NotStarted { key });
        let again = bench.run();
        assert_eq!((again.job, again.attempt), (job, 1));
        assert_eq!(bench.store.attempts(job).expect("reads").len(), 0);
    }
}

#[test]
fn what_a_draining_runner_gives_up_goes_elsewhere_and_burns_no_failure() {
    let (mut bench, job, key) = leased(spec());
    bench.beat("a", 0, &[key]);
    bench.finish("a", key, Reason::Lost);
    assert_eq!((bench.state(job), bench.settled()), (JobState::Pending, vec![(key, false)]));
    assert_eq!((bench.status(job).failures, bench.status(job).crashes), (0, 0));
    bench.beat("b", 1, &[]);
    assert_eq!(bench.run().attempt, 2);
}

#[test]
fn a_link_that_is_down_leaves_the_leases_and_takes_the_slots() {
    let (mut bench, job, key) = leased(spec());
    bench.start("a", key);
    bench.driver.handle_link_down(&"a".into(), bench.now);
    bench.settle();
    let second = bench.submit(spec());
    bench.pass(Span::from_secs(10));
    assert_eq!((bench.state(job), bench.state(second)), (JobState::Running, JobState::Pending));
    bench.beat("a", 2, &[key]);
    assert_eq!(bench.run().job, second, "it is back, and takes more");
    bench.finish("a", key, Reason::Ok);
    assert_eq!(bench.state(job), JobState::Succeeded);
}

#[test]
fn a_drained_runner_gets_nothing_new_until_it_is_undrained() {
    let mut bench = Bench::new();
    let offer = |slots| Offer { runner: "a".into(), news: Some("slots"), wakes: false, slots };
    // Before it is heard for the first time.
    bench.driver.handle_offer(&offer(0), bench.now);
    let job = bench.submit(spec());
    bench.beat("a", 0, &[]);
    assert_eq!(bench.state(job), JobState::Pending);
    bench.driver.handle_offer(&offer(1), bench.now);
    bench.settle();
    assert_eq!(bench.run().job, job);
}

#[test]
fn a_restarted_gateway_takes_up_the_leases_of_runners_that_have_them() {
    let (mut bench, job, key) = leased(spec());
    bench.start("a", key);
    bench.restart();
    bench.pass(Span::from_secs(10));
    assert_eq!(bench.state(job), JobState::Running, "its runner has the time of a lease");
    bench.beat("a", 1, &[key]);
    let second = bench.submit(spec());
    assert_eq!(bench.runs(), [], "the one slot is taken");
    bench.finish("a", key, Reason::Ok);
    assert_eq!((bench.state(job), bench.run().job), (JobState::Succeeded, second));
    assert!(bench.run().fence > key.fence);
}

#[test]
fn what_was_leased_to_a_process_that_ended_while_the_gateway_was_away_is_said_to_have_ended_with_it()
 {
    for (incarnation, why) in
        [("1", "its runner lived, and had it no more"), ("2", "its runner was started again")]
    {
        let (mut bench, job, key) = leased(spec());
        bench.start("a", key);
        bench.restart();
        bench.beat_as("a", incarnation, 1, &[]);
        let lost = bench.store.attempts(job).expect("reads").remove(0);
        assert_eq!(lost.ending.and_then(|it| it.detail).as_deref(), Some(why));
    }
}

#[test]
fn a_restarted_gateway_gives_up_on_runners_that_do_not_come_back() {
    let (mut bench, job, key) = leased(spec());
    bench.start("a", key);
    bench.restart();
    bench.pass(Span::from_secs(15));
    assert_eq!((bench.state(job), bench.status(job).crashes), (JobState::Pending, 1));
    // One whose order to run was never carried out is no crash.
    let (mut bench, job, _) = leased(spec());
    bench.restart();
    bench.beat("a", 1, &[]);
    assert_eq!((bench.run().job, bench.status(job).crashes), (job, 0));
}

#[test]
fn a_gateway_that_was_stopped_itself_gives_runners_time_to_be_heard() {
    let (mut bench, job, key) = leased(spec());
    bench.start("a", key);
    bench.skip(Span::from_secs(20));
    bench.driver.handle_timeout(bench.now);
    bench.settle();
    assert_eq!(bench.state(job), JobState::Running);
    bench.beat("a", 1, &[key]);
    bench.beats_for(30, "a", &[key]);
    assert_eq!((bench.state(job), bench.status(job).crashes), (JobState::Running, 0));
    // But not for ever.
    bench.skip(Span::from_secs(20));
    bench.pass(Span::from_secs(6));
    assert_eq!(bench.state(job), JobState::Pending);
}

#[test]
fn a_term_that_has_no_more_fences_reserves_the_next_block() {
    let mut bench = Bench::new();
    let term = Term { epoch: bench.epoch, fences: 7..9, ..Term::default() };
    bench.driver = Driver::new(bench.config.clone(), &term, JobId(1), 7);
    bench.beat("a", 3, &[]);
    let reserved = |bench: &Bench| {
        bench
            .changes
            .iter()
            .any(|it| matches!(it, Change::Reserve { fences } if *fences == 9 + Term::BLOCK))
    };
    for (fence, news) in [(7, false), (8, false), (9, true)] {
        bench.submit(spec());
        assert_eq!(bench.run().fence.0, fence);
        assert_eq!(reserved(&bench), news, "with the lease that needs it, not before");
    }
}

#[test]
fn fences_go_on_above_those_that_runners_have_heard_of() {
    let mut bench = Bench::new();
    bench.beat("a", 3, &[]);
    bench.submit(spec());
    let key = bench.run();
    // Of a history that nothing here remembers.
    let ahead = |job: u64, by: u64| AttemptKey {
        job: JobId(job),
        attempt: 1,
        fence: Fence(key.fence.0 + by),
    };
    bench.beat("a", 3, &[key, ahead(50, 1_000)]);
    assert_eq!(bench.settled(), [(ahead(50, 1_000), true)]);
    bench.submit(spec());
    assert_eq!(bench.run().fence.0, key.fence.0 + 1_001);
    bench.finish("a", ahead(51, 5_000_000), Reason::Ok);
    bench.submit(spec());
    assert_eq!(bench.run().fence.0, key.fence.0 + 5_000_001, "beyond the block, too");
    // Who lies does not take them all.
    bench.finish("a", ahead(52, Term::FENCE_END / 2), Reason::Ok);
    bench.finish("a", AttemptKey { fence: Fence(u64::MAX), ..key }, Reason::Ok);
    bench.beat("b", 1, &[]);
    bench.submit(spec());
    assert_eq!(bench.run().fence.0, key.fence.0 + 5_000_002);
}

/// A lease whose commit takes long: nothing is put on a link.
fn held_back(spec: Spec) -> (Bench, JobId, AttemptKey) {
    let mut bench = Bench::new();
    bench.holds = true;
    bench.beat("a", 1, &[]);
    let job = bench.submit(spec);
    let key = bench.run();
    (bench, job, key)
}

#[test]
fn a_commit_that_takes_longer_than_any_lease_costs_nothing() {
    for spec in [spec(), once()] {
        let (mut bench, job, key) = held_back(spec);
        for _ in 0..8 {
            bench.pass(Span::from_secs(5));
            bench.beat("a", 1, &[]);
            assert_eq!((bench.runs(), bench.status(job).fence), (vec![], key.fence));
        }
        assert!(bench.driver.is_leased(key), "it is still to be given");
        bench.driver.handle_sent(bench.link, &[key], bench.now);
        bench.beat("a", 1, &[]);
        bench.beat("a", 1, &[]);
        assert_eq!(bench.status(job).fence, key.fence, "counted from when it was sent");
        bench.beat("a", 1, &[key]);
        bench.finish("a", key, Reason::Ok);
        assert_eq!(bench.state(job), JobState::Succeeded);
    }
}

#[test]
fn a_lease_that_nobody_was_given_is_returned_when_its_runner_is_lost() {
    for spec in [spec(), once()] {
        let (mut bench, job, key) = held_back(spec);
        bench.beat("b", 1, &[]);
        bench.pass(Span::from_secs(10));
        bench.beat("b", 1, &[]);
        bench.pass(Span::from_secs(6));
        let status = bench.status(job);
        assert_eq!((status.state, status.attempts, status.crashes), (JobState::Leased, 1, 0));
        assert!(status.fence > key.fence && status.runner.as_deref() == Some("b"));
        assert!(!bench.driver.is_leased(key), "the first is given to nobody");
    }
}

#[test]
fn the_same_process_on_a_new_link_proves_that_it_never_had_a_job() {
    for spec in [spec(), once()] {
        let (mut bench, job, key) = leased(spec);
        bench.restart();
        bench.beat("a", 1, &[]);
        let again = bench.run();
        assert_eq!((again.job, again.attempt), (job, 1), "no attempt is burnt");
        assert!(again.fence > key.fence);
    }
    // Another one may have had it and died with it.
    let (mut bench, job, _) = leased(once());
    bench.restart();
    bench.beat_as("a", "2", 1, &[]);
    bench.beats_for(10, "a", &[]);
    assert_eq!(bench.status(job).reason, Some(Reason::Lost));
}

#[test]
fn a_memory_that_is_loaded_anew_on_the_same_links_proves_nothing() {
    let (mut bench, job, key) = leased(once());
    let link = bench.link;
    bench.restart();
    // As the actor does it: the order may be on its way on that very link.
    bench.link = link;
    let mut jobs = Vec::new();
    bench.store.load_unfinished(&mut |it| jobs.push(it)).expect("it loads");
    let term = bench.store.begin(0).expect("the model begins");
    bench.epoch = term.epoch;
    bench.driver = Driver::new(bench.config.clone(), &term, JobId(2), 7);
    bench.driver.links_before(link);
    jobs.into_iter().for_each(|it| bench.driver.restore(it, bench.now));
    bench.beat("a", 1, &[]);
    assert_eq!(bench.status(job).fence, key.fence);
    bench.beat("a", 1, &[key]);
    bench.finish("a", key, Reason::Ok);
    assert_eq!(bench.state(job), JobState::Succeeded);
}

#[test]
fn orders_to_a_running_job_outlive_the_gateway() {
    for (verb, order) in
        [(Verb::Pause, Order::Stop), (Verb::Kill, Order::KillNow), (Verb::Cancel, Order::Kill)]
    {
        let (mut bench, job, key) = leased(spec());
        bench.start("a", key);
        bench.steer(verb, job);
        bench.restart();
        bench.beat("a", 1, &[key]);
        assert_eq!(bench.orders(), [order]);
    }
    // What was let go on goes on.
    let (mut bench, job, key) = leased(spec());
    bench.start("a", key);
    bench.steer(Verb::Pause, job);
    bench.report("a", Report::Paused { key, stopped: true });
    bench.steer(Verb::Resume, job);
    bench.restart();
    bench.beat("a", 1, &[key]);
    let continued = bench.orders();
    bench.report("a", Report::Paused { key, stopped: false });
    assert_eq!(bench.state(job), JobState::Running);
    assert!(continued.iter().all(|it| *it == Order::Continue), "{continued:?}");
}

#[test]
fn a_cancelled_job_whose_runner_is_lost_is_cancelled_and_runs_nowhere_else() {
    let mut bench = Bench::new();
    bench.beat("a", 1, &[]);
    let job = bench.submit(spec());
    let key = bench.run();
    bench.start("a", key);
    bench.steer(Verb::Cancel, job);
    bench.pass(Span::from_secs(30));
    assert_eq!(bench.state(job), JobState::Cancelled);
    bench.beat("b", 1, &[]);
    assert_eq!(bench.runs(), []);
}

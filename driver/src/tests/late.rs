//! Runners that are heard again after their leases have run out.

use ostler_job::durable::{OnRetry, Resources};

use super::{
    leases::{leased, once},
    *,
};

#[test]
fn a_runner_that_comes_back_before_anybody_else_has_its_job_keeps_it() {
    for spec in [spec(), once()] {
        for paused in [false, true] {
            let (mut bench, job, key) = leased(spec.clone());
            bench.start("a", key);
            bench.pass(Span::from_secs(40));
            let waits = [JobState::Pending, JobState::Dead].contains(&bench.state(job));
            assert!(waits && bench.status(job).crashes == 1);
            if paused && bench.state(job) == JobState::Pending {
                bench.steer(Verb::Pause, job);
            }
            bench.beat("a", 1, &[key]);
            assert_eq!((bench.settled(), bench.runs()), (vec![], vec![]));
            let status = bench.status(job);
            assert_eq!((status.state, status.crashes, status.reason), (JobState::Running, 0, None));
            bench.submit(Spec { identity: "other".into(), ..super::spec() });
            assert_eq!(bench.runs(), [], "it has its slot");
            bench.finish("a", key, Reason::Ok);
            assert_eq!((bench.state(job), bench.runs().len()), (JobState::Succeeded, 1));
            assert_eq!(bench.settled(), [(key, false)]);
        }
    }
}

#[test]
fn a_job_that_comes_back_with_its_runner_gives_its_key_to_nobody_in_between() {
    let needs = Resources { serial: Some("k".into()), ..Resources::default() };
    let spec = || Spec { needs: needs.clone(), ..spec() };
    let (mut bench, job, key) = leased(Spec { host: Some("a".into()), ..spec() });
    bench.start("a", key);
    let next = bench.submit(spec());
    bench.pass(Span::from_secs(40));
    assert_eq!(bench.state(job), JobState::Pending);
    bench.beat("b", 1, &[]);
    assert_eq!(bench.runs(), [], "it is before {next}");
    bench.beat("a", 2, &[key]);
    assert_eq!((bench.state(job), bench.runs()), (JobState::Running, vec![]));
    bench.finish("a", key, Reason::Ok);
    assert_eq!(bench.run().job, next);
}

#[test]
fn what_comes_back_does_not_run_beside_the_job_that_has_its_key_by_then() {
    for once in [true, false] {
        let needs =
            Resources { serial: Some("k".into()), on_retry: OnRetry::Pass, ..Resources::default() };
        let delivery = if once { Delivery::AtMostOnce } else { Delivery::AtLeastOnce };
        let spec = || Spec { needs: needs.clone(), delivery, ..spec() };
        let (mut bench, job, key) = leased(spec());
        bench.start("a", key);
        if !once {
            // It gives its key away with its lease, and does not stand in its place again.
            bench.steer(Verb::Pause, job);
        }
        let next = bench.submit(spec());
        bench.pass(Span::from_secs(40));
        let waits = if once { JobState::Dead } else { JobState::Paused };
        assert_eq!(bench.state(job), waits);
        bench.beat("a", 0, &[key]);
        assert_eq!(bench.settled(), [(key, true)], "{next} has its key, and waits for a slot");
        assert_eq!(bench.state(job), waits);
        bench.beat("b", 1, &[]);
        assert_eq!(bench.run().job, next);
        // What has ended runs beside nobody.
        bench.finish("a", key, Reason::Ok);
        assert_eq!((bench.settled(), bench.state(job)), (vec![(key, false)], JobState::Succeeded));
    }
}

#[test]
fn a_pause_that_was_answered_outlives_the_loss_of_the_attempt() {
    for before in [true, false] {
        let (mut bench, job, key) = leased(spec());
        bench.start("a", key);
        if before {
            bench.steer(Verb::Pause, job);
            bench.report("a", Report::Paused { key, stopped: true });
        }
        bench.pass(Span::from_secs(40));
        if !before {
            bench.steer(Verb::Pause, job);
        }
        assert_eq!(bench.state(job), JobState::Paused);
        bench.beat("a", 1, &[key]);
        assert_eq!(bench.orders(), [Order::Stop], "whatever it does meanwhile");
        bench.report("a", Report::Paused { key, stopped: true });
        assert_eq!((bench.state(job), bench.orders()), (JobState::Stopped, vec![]));
        bench.steer(Verb::Resume, job);
        assert_eq!(bench.orders(), [Order::Continue]);
    }
}

#[test]
fn an_end_that_is_told_late_counts_while_nobody_else_had_the_job() {
    for (spec, reason, state) in [
        (spec(), Reason::Ok, JobState::Succeeded),
        (once(), Reason::Ok, JobState::Succeeded),
        (once(), Reason::ExitStatus, JobState::Dead),
    ] {
        let (mut bench, job, key) = leased(spec);
        bench.pass(Span::from_secs(600));
        bench.finish("a", key, reason);
        let status = bench.status(job);
        assert_eq!((status.state, status.reason), (state, Some(reason)));
        assert_eq!((bench.settled(), bench.runs()), (vec![(key, false)], vec![]));
        assert_eq!(bench.driver.figures(bench.now).fence_rejected, 0);
        let attempts = bench.store.attempts(job).expect("reads");
        let told: Vec<_> =
            attempts.iter().filter_map(|it| Some(it.ending.as_ref()?.reason)).collect();
        assert_eq!(told, [reason]);
    }
}

#[test]
fn an_end_that_is_told_after_its_job_was_deleted_or_retried_does_not_count() {
    for verb in [Verb::Delete, Verb::Retry] {
        let (mut bench, job, key) = leased(once());
        bench.pass(Span::from_secs(20));
        bench.steer(verb.clone(), job);
        bench.finish("a", key, Reason::Ok);
        assert_eq!(bench.settled(), [(key, true)], "{verb:?}");
        let state = bench.store.job(job).expect("reads").map(|it| it.status.state);
        assert_eq!(state, (verb == Verb::Retry).then_some(JobState::Pending));
        bench.beat("a", 1, &[key]);
        assert_eq!(bench.settled(), [(key, true)], "{verb:?}");
    }
}

#[test]
fn a_lost_job_is_taken_up_by_nobody_but_the_runner_that_had_it() {
    let (mut bench, job, key) = leased(once());
    bench.pass(Span::from_secs(20));
    for other in [key, AttemptKey { attempt: 2, ..key }] {
        bench.finish("b", other, Reason::Ok);
    }
    bench.finish("a", AttemptKey { fence: Fence(key.fence.0 - 1), ..key }, Reason::Ok);
    bench.finish("a", key, Reason::Lost);
    assert_eq!(bench.status(job).reason, Some(Reason::Lost));
}

#[test]
fn what_is_told_of_an_earlier_lease_counts_nothing_for_the_next_one_on_the_same_runner() {
    let mut bench = Bench::new();
    bench.beat("a", 1, &[]);
    let job = bench.submit(spec());
    let first = bench.run();
    bench.report("a", Report::NotStarted { key: first });
    let second = bench.run();
    assert!(second.job == job && second.fence > first.fence);
    bench.start("a", first);
    assert_eq!(bench.state(job), JobState::Leased, "it has not begun");
    bench.finish("a", first, Reason::Ok);
    assert_eq!((bench.state(job), bench.settled()), (JobState::Leased, vec![(first, true)]));
    bench.beat("a", 1, &[first, second]);
    assert_eq!(bench.settled(), [(first, true)]);
    bench.finish("a", second, Reason::Ok);
    assert_eq!((bench.state(job), bench.settled()), (JobState::Succeeded, vec![(second, false)]));
}

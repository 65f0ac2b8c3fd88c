//! Runners that cannot start what they are given: when that is their fault, who pays for it, and how they come back.

use super::*;

/// A job of a kind of its own.
fn kind(name: &str) -> Spec {
    Spec { identity: name.to_owned(), ..spec() }
}

/// The runner `a` with so many slots.
fn bench(slots: u32) -> Bench {
    let mut bench = Bench::new();
    bench.beat("a", slots, &[]);
    bench
}

/// What was found of runners.
fn found(bench: &Bench) -> Vec<(String, Option<String>)> {
    let found = bench.effects.iter().filter_map(|effect| {
        if let Effect::Broken { runner, why } = effect {
            Some((runner.to_string(), why.clone()))
        } else {
            None
        }
    });
    found.collect()
}

fn is_broken(bench: &Bench) -> bool {
    found(bench) == [("a".to_owned(), Some("there is no shell".to_owned()))]
}

/// Three kinds of jobs fail on the runner `a`, one after the other; the jobs.
fn break_it(bench: &mut Bench) -> [JobId; 3] {
    let jobs = ["x", "y", "z"].map(|name| {
        let job = bench.submit(kind(name));
        let key = bench.run();
        bench.cannot_start("a", key);
        job
    });
    assert!(is_broken(bench), "{:?}", bench.effects);
    jobs
}

#[test]
fn a_runner_where_three_kinds_of_jobs_cannot_start_gets_nothing_more_and_the_last_waits_on() {
    let mut bench = bench(4);
    let [first, second, third] = break_it(&mut bench);
    assert_eq!(bench.state(first), JobState::Dead, "of one nobody knows whose fault it was");
    assert_eq!(bench.state(second), JobState::Dead);
    let status = bench.status(third);
    assert_eq!((status.state, status.attempts, status.failures), (JobState::Pending, 0, 0));
    assert!(bench.settled().iter().any(|(key, fenced)| key.job == third && !fenced));
    let another = bench.submit(kind("more"));
    assert_eq!(bench.state(another), JobState::Pending);
    assert_eq!(bench.driver.figures(bench.now).slots, (0, 0));
    bench.beat("b", 2, &[]);
    assert_eq!(bench.runs().len(), 2, "they run elsewhere");
}

#[test]
fn jobs_that_are_on_their_way_to_a_runner_that_is_found_broken_wait_on_as_well() {
    let mut bench = bench(4);
    let specs = ["w", "x", "y", "z"].map(kind);
    let keys: Vec<AttemptKey> = specs
        .into_iter()
        .map(|spec| {
            bench.submit(spec);
            bench.run()
        })
        .collect();
    for &key in &keys {
        bench.cannot_start("a", key);
    }
    let states: Vec<JobState> = keys.iter().map(|key| bench.state(key.job)).collect();
    use JobState::{Dead, Pending};
    assert_eq!(states, [Dead, Dead, Pending, Pending]);
}

#[test]
fn one_kind_of_job_that_starts_nowhere_proves_nothing_against_a_runner() {
    let mut bench = bench(1);
    for _ in 0..20 {
        bench.submit(kind("wrong"));
        let key = bench.run();
        bench.cannot_start("a", key);
        assert_eq!(found(&bench), []);
    }
    // Nor do others, with one between them that starts.
    for _ in 0..5 {
        for name in ["wrong too", "right"] {
            bench.submit(kind(name));
            let key = bench.run();
            if name == "right" {
                bench.start("a", key);
                bench.finish("a", key, Reason::ExitStatus);
            } else {
                bench.cannot_start("a", key);
            }
            assert_eq!(found(&bench), []);
        }
    }
}

#[test]
fn what_failed_before_a_job_started_proves_nothing_any_more() {
    let mut bench = bench(1);
    for name in ["x", "y", "right", "z", "w"] {
        bench.submit(kind(name));
        let key = bench.run();
        if name == "right" {
            bench.start("a", key);
            bench.finish("a", key, Reason::Ok);
        } else {
            bench.cannot_start("a", key);
        }
        assert_eq!(found(&bench), []);
    }
}

#[test]
fn a_job_that_fails_before_its_start_was_told_is_no_proof() {
    let mut bench = bench(1);
    for name in ["w", "x", "y", "z"] {
        bench.submit(kind(name));
        let key = bench.run();
        bench.finish("a", key, Reason::ExitStatus);
        assert_eq!(found(&bench), []);
    }
}

#[test]
fn one_kind_of_job_that_starts_elsewhere_proves_it() {
    let mut bench = Bench::new();
    bench.beat("b", 1, &[]);
    bench.submit(kind("same"));
    let key = bench.run();
    bench.start("b", key);
    bench.beat("a", 1, &[]);
    let jobs: Vec<JobId> = (0..3)
        .map(|_| {
            let job = bench.submit(kind("same"));
            let key = bench.run();
            bench.cannot_start("a", key);
            job
        })
        .collect();
    assert!(is_broken(&bench), "{:?}", bench.effects);
    assert_eq!(bench.state(jobs[2]), JobState::Pending);
}

#[test]
fn what_the_gateway_cannot_read_itself_is_no_runners_fault() {
    let mut bench = bench(1);
    for name in ["w", "x", "y", "z"] {
        bench.submit(kind(name));
        let mut finish = finished(bench.run(), Reason::Unstartable);
        finish.started_at = None;
        let reports = vec![Report::Finished(Box::new(finish))];
        let reports = Reports { runner: "a".into(), link: 0, reports };
        bench.driver.handle_reports(reports, bench.now);
        bench.settle();
        assert_eq!(found(&bench), []);
    }
}

#[test]
fn a_broken_runner_is_tried_with_one_job_and_takes_all_again_when_that_starts() {
    let mut bench = bench(4);
    let [.., third] = break_it(&mut bench);
    for _ in 0..3 {
        bench.submit(kind("more"));
    }
    bench.pass(Span::from_secs(9));
    bench.beat("a", 4, &[]);
    assert_eq!(bench.runs(), []);
    bench.pass(Span::from_secs(1));
    let key = bench.run();
    assert_eq!(key.job, third, "one, and no more");
    bench.start("a", key);
    assert_eq!(found(&bench), [("a".to_owned(), None)]);
    assert_eq!(bench.runs().len(), 3, "it takes the others");
}

#[test]
fn a_job_comes_back_from_a_broken_runner_once_and_each_try_is_later_than_the_one_before() {
    let mut bench = bench(4);
    let [.., third] = break_it(&mut bench);
    let other = bench.submit(kind("more"));
    let mut tries = Vec::new();
    let began = bench.now.mono;
    while tries.len() < 9 {
        bench.pass(Span::from_secs(1));
        for (_, key) in bench.runs() {
            tries.push((bench.now.mono - began).0 / 1_000_000_000);
            bench.cannot_start("a", key);
        }
        bench.beat("a", 4, &[]);
        if bench.now.mono - began > Span::from_secs(4000) {
            break;
        }
    }
    // The first goes as it would have gone without a rest; the other comes back, and goes the next time.
    assert_eq!((bench.state(third), bench.state(other)), (JobState::Dead, JobState::Dead));
    assert_eq!(tries, [10, 20, 40]);
    let mut next = |after: u64| {
        bench.submit(kind("yet more"));
        bench.pass(Span::from_secs(after - 1));
        bench.beat("a", 4, &[]);
        bench.runs().len()
    };
    assert!(next(2) <= 1, "one at a time, however long nothing was there to try");
}

#[test]
fn an_operator_wakes_a_broken_runner_and_another_process_of_it_is_tried_at_once() {
    let mut bench = bench(2);
    break_it(&mut bench);
    let offer = |wakes| Offer { runner: "a".into(), news: None, wakes, slots: 2 };
    bench.driver.handle_offer(&offer(false), bench.now);
    bench.settle();
    assert_eq!((found(&bench), bench.runs()), (vec![], vec![]), "other slots wake nobody");
    bench.submit(kind("more"));
    bench.driver.handle_offer(&offer(true), bench.now);
    bench.settle();
    assert_eq!(found(&bench), [("a".to_owned(), None)]);
    assert_eq!(bench.runs().len(), 2);

    let mut bench = self::bench(2);
    let [.., third] = break_it(&mut bench);
    bench.submit(kind("more"));
    bench.beat_as("a", "2", 2, &[]);
    assert_eq!(bench.run().job, third, "one");
}

#[test]
fn a_memory_that_is_read_anew_goes_by_what_is_kept_of_a_broken_runner() {
    let mut bench = bench(2);
    let [.., third] = break_it(&mut bench);
    bench.submit(kind("more"));
    bench.restart();
    bench.is_broken = true;
    bench.beat("a", 2, &[]);
    assert_eq!(bench.run().job, third, "one, at once");
    let key = bench.run();
    bench.beat("a", 2, &[key]);
    assert_eq!(bench.runs(), []);
    bench.start("a", key);
    assert_eq!(found(&bench), [("a".to_owned(), None)]);
    // A beat that was on its way says what is no more.
    bench.beat("a", 2, &[key]);
    bench.submit(kind("more"));
    assert_eq!(bench.driver.figures(bench.now).slots.0, 2);
}

#[test]
fn a_job_that_was_said_to_have_begun_does_not_wait_on_whatever_is_said_of_its_end() {
    let mut bench = bench(4);
    let once = bench.submit(Spec { delivery: Delivery::AtMostOnce, ..kind("once") });
    let key = bench.run();
    bench.start("a", key);
    break_it(&mut bench);
    bench.cannot_start("a", key);
    assert_eq!(bench.state(once), JobState::Dead);
}

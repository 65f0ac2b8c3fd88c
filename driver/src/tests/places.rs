//! Jobs of a `fifo` queue, and of one that lets one go at a time, that come back: they go on in their places.

use ostler_job::durable::{QueueDiscipline, QueueShape, Resources};

use super::queues::{in_queue, name, put};
use super::*;
use crate::QueueVerb;

const DISCIPLINES: [QueueDiscipline; 2] = [QueueDiscipline::Fifo, QueueDiscipline::Promise];

/// A queue in which one job goes at a time, and four jobs, the first of which a runner has.
fn line(discipline: QueueDiscipline) -> (Bench, [JobId; 4], AttemptKey) {
    let mut bench = Bench::new();
    let shape = QueueShape { discipline, concurrency: Some(1), ..QueueShape::default() };
    bench.order("line", put(shape)).expect("it is made");
    bench.beat("a", 4, &[]);
    let retry = Retry { attempts: 3, ..Retry::default() };
    let spec = || Spec { retry: retry.clone(), ..in_queue("line") };
    let first = bench.submit(spec());
    let key = bench.run();
    let others = [1, 2, 3].map(|_| bench.submit(spec()));
    (bench, [first, others[0], others[1], others[2]], key)
}

impl Bench {
    /// Everything that waits in the line, in the order in which it runs there on a runner, after this one.
    fn goes(&mut self, runner: &str, mut key: AttemptKey) -> Vec<u64> {
        let mut all = vec![key.job.0];
        loop {
            self.start(runner, key);
            self.finish(runner, key, Reason::Ok);
            match self.runs()[..] {
                [] => return all,
                [(_, next)] => key = next,
                ref more => panic!("{more:?}"),
            }
            all.push(key.job.0);
        }
    }
}

#[test]
fn a_job_that_came_back_unstarted_goes_on_in_its_place() {
    for discipline in DISCIPLINES {
        let (mut bench, _, key) = line(discipline);
        bench.report("a", Report::NotStarted { key });
        let next = bench.run();
        assert_eq!(bench.goes("a", next), [1, 2, 3, 4], "{discipline:?}");
    }
}

#[test]
fn a_job_whose_runner_is_lost_goes_on_in_its_place() {
    for discipline in DISCIPLINES {
        let (mut bench, _, key) = line(discipline);
        bench.start("a", key);
        bench.beat("b", 1, &[]);
        bench.pass(Span::from_secs(5));
        while bench.runs().is_empty() {
            bench.beat("b", 1, &[]);
            bench.pass(Span::from_secs(5));
        }
        let next = bench.run();
        assert_eq!(bench.goes("b", next), [1, 2, 3, 4], "{discipline:?}");
    }
}

#[test]
fn a_job_that_its_runner_says_it_lost_goes_on_in_its_place() {
    for discipline in DISCIPLINES {
        let (mut bench, _, key) = line(discipline);
        bench.start("a", key);
        bench.finish("a", key, Reason::Lost);
        let next = bench.run();
        assert_eq!(bench.goes("a", next), [1, 2, 3, 4], "{discipline:?}");
    }
}

#[test]
fn a_job_that_has_to_wait_since_it_came_back_often_has_its_place_after_that() {
    let (mut bench, jobs, mut key) = line(QueueDiscipline::Fifo);
    for _ in 0..4 {
        bench.report("a", Report::NotStarted { key });
        key = bench.run();
    }
    bench.report("a", Report::NotStarted { key });
    let second = bench.run();
    assert_eq!((second.job, bench.state(jobs[0])), (jobs[1], JobState::Retrying));
    bench.start("a", second);
    bench.pass(Span::from_secs(2));
    assert_eq!(bench.state(jobs[0]), JobState::Pending);
    assert_eq!(bench.goes("a", second), [2, 1, 3, 4]);
}

/// Of four jobs of a line the first has failed, and waits again for less than the 20 s that the others do; the second one runs.
fn failed_and_due_again() -> (Bench, AttemptKey) {
    let (mut bench, jobs, key) = line(QueueDiscipline::Fifo);
    bench.start("a", key);
    bench.finish("a", key, Reason::ExitStatus);
    let second = bench.run();
    bench.start("a", second);
    for _ in 0..4 {
        bench.pass(Span::from_secs(5));
        bench.beat("a", 4, &[second]);
    }
    assert_eq!(bench.state(jobs[0]), JobState::Pending);
    (bench, second)
}

#[test]
fn a_job_that_failed_has_its_place_after_its_delay() {
    let (mut bench, second) = failed_and_due_again();
    assert_eq!(bench.goes("a", second), [2, 1, 3, 4]);
}

/// What is done to the second of four jobs of a line whose first has a runner, so that it waits again.
fn leaves_and_comes_back(bench: &mut Bench, jobs: [JobId; 4], how: &str) {
    match how {
        "paused" => {
            bench.steer(Verb::Pause, jobs[1]);
            bench.steer(Verb::Resume, jobs[1]);
        }
        "edited" => {
            for nth in 0..200 {
                let within = Some(Some(Span::from_secs(600 + nth)));
                let edit = Edit { within, ..Edit::default() };
                bench.steer(Verb::Edit(Box::new(edit)), jobs[1]);
            }
        }
        "postponed" => {
            let not_before = Some(Some(Wall(bench.now.wall.0 + 1_000)));
            let edit = Edit { not_before, ..Edit::default() };
            bench.steer(Verb::Edit(Box::new(edit)), jobs[1]);
            assert_eq!(bench.state(jobs[1]), JobState::Scheduled);
            bench.pass(Span::from_secs(2));
        }
        _ => {
            bench.steer(Verb::Cancel, jobs[1]);
            bench.steer(Verb::Retry, jobs[1]);
        }
    }
    assert_eq!(bench.state(jobs[1]), JobState::Pending, "{how}");
}

#[test]
fn a_job_has_its_place_however_it_left_its_line_and_whatever_restarts() {
    for how in ["paused", "edited", "postponed", "cancelled and retried"] {
        for restarts in [false, true] {
            let (mut bench, jobs, key) = line(QueueDiscipline::Fifo);
            bench.start("a", key);
            leaves_and_comes_back(&mut bench, jobs, how);
            if restarts {
                bench.restart();
                bench.beat("a", 4, &[key]);
            }
            assert_eq!(bench.goes("a", key), [1, 2, 3, 4], "{how}, {restarts}");
        }
    }
}

#[test]
fn who_waits_longest_is_not_who_is_first_in_its_line() {
    let (bench, _) = failed_and_due_again();
    let since = bench.driver.figures(bench.now).oldest_runnable.expect("three wait");
    assert_eq!(since.passed(bench.now.mono), Span::from_secs(20), "as the third one does");
}

#[test]
fn a_job_that_is_edited_or_moved_stands_where_it_came() {
    let (mut bench, jobs, key) = line(QueueDiscipline::Fifo);
    bench.start("a", key);
    let edit = Edit { within: Some(Some(Span::from_secs(600))), ..Edit::default() };
    bench.steer(Verb::Edit(Box::new(edit)), jobs[1]);
    bench.order("other", put(QueueShape::default())).expect("it is made");
    bench.order("other", QueueVerb::Pause).expect("it is held");
    let to = |queue| Verb::Move { host: None, queue: Some(name(queue)), relocate: false };
    bench.steer(to("other"), jobs[2]);
    bench.steer(to("line"), jobs[2]);
    assert_eq!(bench.goes("a", key), [1, 2, 3, 4]);
}

#[test]
fn a_lost_job_that_its_runner_still_had_keeps_its_place_when_it_is_lost_again() {
    let (mut bench, jobs, key) = line(QueueDiscipline::Fifo);
    bench.start("a", key);
    for _ in 0..2 {
        bench.pass(Span::from_secs(20));
        assert_eq!(bench.state(jobs[0]), JobState::Pending);
        bench.beat("a", 4, &[key]);
        assert_eq!(bench.state(jobs[0]), JobState::Running);
    }
    bench.finish("a", key, Reason::Lost);
    let next = bench.run();
    assert_eq!(bench.goes("a", next), [1, 2, 3, 4]);
}

#[test]
fn after_a_restart_jobs_with_and_without_keys_stand_in_the_order_in_which_they_came() {
    let mut bench = Bench::new();
    let discipline = QueueDiscipline::Fifo;
    let shape = QueueShape { discipline, concurrency: Some(1), ..QueueShape::default() };
    bench.order("line", put(shape)).expect("it is made");
    for nth in 0..6 {
        let serial = (nth % 2 == 0).then(|| format!("key {nth}"));
        let needs = Resources { serial, ..Resources::default() };
        bench.submit(Spec { needs, ..in_queue("line") });
    }
    bench.restart();
    bench.beat("a", 4, &[]);
    let next = bench.run();
    assert_eq!(bench.goes("a", next), [1, 2, 3, 4, 5, 6]);
}

//! What is let go of, and what a clock that leaps does to that.

use std::sync::Arc;

use ostler_driver::QueueVerb;
use ostler_job::{
    Mono, Now,
    durable::{QueueName, QueueShape},
};
use ostler_machine::clock;

use super::*;
use crate::{
    members::{Stranger, token::Scope},
    retention::Retention,
};

const DAY: u64 = 86_400;
/// How long jobs are kept here.
const KEEP: (Span, Span) = (Span::from_secs(7 * DAY), Span::from_secs(30 * DAY));

/// A gateway with a job that has just finished, and a retention whose clocks are told.
struct Kept {
    bench: Bench,
    job: JobId,
    keeper: Retention,
    start: Now,
}

impl Kept {
    async fn new() -> Self {
        let bench = Bench::new();
        let job = bench.submit().await;
        bench.jobs.steer("test", Verb::Cancel, vec![job]).await.unwrap();
        let start = clock::both();
        let keeper = Retention::new(KEEP, None, start);
        Self { bench, job, keeper, start }
    }

    /// Seconds after the start, with the wall clock so many days off. Answers whether the job is there.
    async fn look(&mut self, seconds: u64, days: u64) -> bool {
        let mono = self.start.mono + Span::from_secs(seconds);
        let wall = self.start.wall.after(Span::from_secs(seconds + days * DAY));
        self.keeper.look(&self.bench.jobs, Now { mono, wall }).await;
        self.bench.store.job(self.job).unwrap().is_some()
    }
}

#[tokio::test]
async fn a_clock_that_leaps_ahead_deletes_nothing_before_it_has_lasted() {
    let mut kept = Kept::new().await;
    assert!(kept.look(60, 0).await);
    assert!(kept.look(120, 40).await && kept.look(3_660, 40).await);
    assert!(kept.look(3_700, 0).await);
    assert!(kept.look(3_760, 40).await && kept.look(7_300, 40).await);
    let told = kept.bench.told.lock().unwrap().clone();
    assert_eq!(told.iter().filter(|it| it.contains("leapt 960 h ahead")).count(), 2, "{told:?}");
    assert!(!kept.look(7_400, 40).await, "that it is so late is true, then");
}

#[tokio::test]
async fn a_gateway_that_starts_with_a_wrong_clock_deletes_nothing_by_it() {
    let mut kept = Kept::new().await;
    assert!(kept.look(0, 0).await);
    kept.bench.restart();
    // The clock leaps while it is away.
    let kept_at = *kept.bench.jobs.kept_at.get().unwrap();
    assert!(kept_at.is_some_and(|at| at <= kept.start.wall), "{kept_at:?}");
    let wrong = Now { mono: Mono(0), wall: kept.start.wall.after(Span::from_secs(40 * DAY)) };
    kept.start.mono = Mono(0);
    kept.keeper = Retention::new(KEEP, kept_at, wrong);
    assert!(kept.look(1, 40).await && kept.look(3_500, 40).await);
    assert!(kept.bench.told.lock().unwrap().is_empty(), "that it was away is no news");
    assert!(kept.look(3_700, 0).await);
}

#[tokio::test]
async fn what_was_kept_long_enough_goes() {
    let mut kept = Kept::new().await;
    for day in 0..30 {
        assert!(kept.look(day * DAY, 0).await, "{day}");
    }
    assert!(!kept.look(31 * DAY, 0).await);
}

#[tokio::test]
async fn runners_that_are_gone_are_forgotten_while_the_gateway_runs() {
    let mut kept = Kept::new().await;
    let members = kept.bench.jobs.members.clone();
    let here = Link::up(&kept.bench, "here");
    for host in (0..100).map(|host| format!("host-{host}")) {
        members.join(&host, "key", "secret", Scope::default()).unwrap().unwrap();
        drop(Link::up(&kept.bench, &host));
    }
    drop(Link::up(&kept.bench, "drained"));
    assert!(kept.bench.jobs.drain("test", "drained", true).await.unwrap());
    let names = |kept: &Kept| -> Vec<String> {
        kept.bench.jobs.runners().into_iter().map(|it| it.name).collect()
    };
    for day in 0..30 {
        kept.look(day * DAY, 0).await;
        assert_eq!(names(&kept).len(), 102, "on day {day}");
    }
    kept.look(31 * DAY, 0).await;
    assert_eq!(names(&kept), ["drained", "here"]);
    assert!(members.check("host-7", "key").is_ok(), "its certificate may hold");
    // One that has a link and says nothing of jobs was heard all the while.
    drop(here);
    kept.look(59 * DAY, 0).await;
    assert_eq!(names(&kept), ["drained", "here"]);
    kept.look(62 * DAY, 0).await;
    assert_eq!(names(&kept), ["drained"]);
    kept.look(121 * DAY, 0).await;
    assert!(members.check("host-7", "key").is_ok());
    kept.look(123 * DAY, 0).await;
    assert_eq!(members.check("host-7", "key"), Err(Stranger::Unknown));
}

#[tokio::test]
async fn a_queue_keeps_its_jobs_as_long_as_it_says_and_no_others() {
    let mut kept = Kept::new().await;
    let queue = QueueName::new("short").unwrap();
    let keep_failed = Some(Span::from_secs(DAY));
    let shape = QueueShape { keep_failed, ..QueueShape::default() };
    let put = QueueVerb::Put(Box::new(shape));
    kept.bench.jobs.order_queue("test", queue.clone(), put).await.unwrap();
    let spec = Arc::new(Spec { queue: Some(queue), ..spec() });
    let new = NewJob { spec, paused: true, delayed: false, done_before: None };
    let answers = kept.bench.jobs.submit("test", None, vec![new], true).await.unwrap();
    let [Answer::Done { job, .. }] = answers[..] else { panic!("{answers:?}") };
    kept.bench.jobs.steer("test", Verb::Cancel, vec![job]).await.unwrap();
    let is_there = |kept: &Kept| kept.bench.store.job(job).unwrap().is_some();
    assert!(kept.look(DAY / 2, 0).await && is_there(&kept));
    assert!(kept.look(2 * DAY, 0).await, "the other is of another queue");
    assert!(!is_there(&kept));
}

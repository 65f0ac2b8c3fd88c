//! Which link speaks for a runner, and which runner for an attempt.

use super::*;
use crate::runners::{NameTaken, Runners};

/// A link of a process of the runner `a`.
fn of_process(bench: &Bench, incarnation: &str) -> Result<Link, NameTaken> {
    let (way, frames) = channel();
    let way = std::sync::Arc::new(move |out| way.send(out).is_ok());
    let incarnation = Some(incarnation.to_owned());
    let who = "host h, pid 1".into();
    let hello = Hello { name: "a".into(), incarnation, who, labels: Default::default() };
    let link = JobLink::up(&bench.jobs, &hello, way, true)?;
    Ok(Link { link, frames, decoder: Decoder::new(FRAME_MAX), come: VecDeque::new() })
}

fn beat_frame(incarnation: &str, held: &[AttemptKey]) -> Frame {
    decode(&Beat { incarnation, slots: 1, held: held.to_vec() }.to_bytes())
}

#[tokio::test]
async fn nothing_that_comes_on_a_link_counts_once_another_has_its_place() {
    let bench = Bench::new();
    let (first, job, key) = running(&bench).await;
    let mut second = Link::up(&bench, "a");
    second.beat(&[key]);
    first.link.replaced().await;
    // The last word of a process that has lost the attempt.
    assert!(first.link.handle(&beat_frame("one", &[])).is_err());
    let report = Reports(vec![finished(key, 0)]).to_bytes();
    assert!(first.link.handle(&decode(&report)).is_err());
    drop(first);
    second.beat(&[key]);
    second.report(finished(key, 0));
    assert_eq!(second.settled(), (key, false));
    let attempts = bench.store.attempts(job).unwrap();
    assert_eq!((attempts.len(), bench.state_of(job)), (1, JobState::Succeeded));
}

#[test]
fn a_runner_is_linked_as_long_as_the_newest_of_its_links() {
    let bench = Bench::new();
    let first = Link::up(&bench, "a");
    let second = Link::up(&bench, "a");
    drop(first);
    assert!(bench.jobs.is_linked("a"));
    assert_eq!(bench.jobs.linked(), ["a".into()]);
    drop(second);
    assert!(!bench.jobs.is_linked("a") && bench.jobs.linked().is_empty());
    assert_eq!(bench.jobs.runners().len(), 1, "it is known all the same");
}

#[tokio::test]
async fn the_end_of_an_earlier_attempt_says_nothing_of_a_later_one_on_the_same_runner() {
    let bench = Bench::new();
    let (mut link, job, first) = running(&bench).await;
    let running = || bench.jobs.runners()[0].held.clone();
    assert_eq!(running(), [job]);
    link.report(Report::NotStarted { key: first });
    // It is given again, to the same runner.
    let second = link.run();
    assert!(second.fence > first.fence);
    assert_eq!(running(), [job]);
    // The runner has not let go of the first one: it is told so again.
    link.beat(&[first, second]);
    assert_eq!(link.settled(), (first, true));
    assert_eq!(running(), [job], "of which the runner has an attempt");
    link.report(finished(second, 0));
    assert_eq!(link.settled(), (second, false));
    assert!(running().is_empty());
}

#[tokio::test]
async fn a_runner_that_is_gone_has_nothing_once_its_leases_are_lost() {
    let lease = Span::from_secs(1);
    let bench = Bench::with(DriverConfig { lease, ..DriverConfig::default() });
    let (link, job, key) = running(&bench).await;
    let held = || bench.jobs.runners()[0].held.clone();
    assert_eq!(held(), [job]);
    drop(link);
    until("the lease runs out", || bench.state_of(job) == JobState::Pending).await;
    until("it is not said to run there", || held().is_empty()).await;
    // It lives, and says so.
    let back = Link::up(&bench, "a");
    back.beat(&[key]);
    until("it is there", || held() == [job]).await;
}

#[tokio::test]
async fn another_process_of_the_name_is_refused_until_the_first_is_gone() {
    let bench = Bench::new();
    let first = of_process(&bench, "one").unwrap();
    assert!(of_process(&bench, "two").is_err_and(|taken| taken.is_news));
    assert!(of_process(&bench, "two").is_err_and(|taken| !taken.is_news), "once a minute");
    let told = bench.told.lock().unwrap().join("\n");
    assert!(told.contains("a second runner with the name"), "{told}");
    // The same process, on a new connection, is not another.
    let again = of_process(&bench, "one").unwrap();
    first.link.replaced().await;
    drop(first);
    assert!(of_process(&bench, "two").is_err());
    drop(again);
    assert!(of_process(&bench, "two").is_ok());
}

#[test]
fn a_process_that_is_not_heard_any_more_gives_its_name_up() {
    use std::sync::{Arc, atomic::AtomicU64};

    let runners = Runners::default();
    let now = |seconds: u64| ostler_job::Now {
        mono: ostler_job::Mono(seconds * 1_000_000_000),
        wall: Wall(1),
    };
    let up = |incarnation: &str, at| {
        let incarnation = Some(incarnation.to_owned());
        let (who, labels) = ("test".into(), Default::default());
        let hello = Hello { name: "a".into(), incarnation, who, labels };
        let heard = Arc::new(AtomicU64::new(now(at).mono.0));
        let link = super::super::runners::Link::new(&hello, Arc::new(|_| true), Some(heard));
        runners.up(&"a".into(), link, now(at), |_, _| {}).map(drop)
    };
    assert!(up("one", 100).is_ok());
    assert!(up("two", 104).is_err());
    assert!(up("two", 106).is_ok());
    assert!(up("one", 107).is_err(), "now it is the other one's");
}

#[tokio::test]
async fn a_link_that_says_nothing_of_jobs_is_of_no_use_after_a_lease() {
    let bench = Bench::new();
    let link = Link::up(&bench, "a");
    link.beat(&[]);
    let after = |seconds| ostler_machine::clock::now() + Span::from_secs(seconds);
    // Whatever else comes on it.
    link.link.heard(after(16));
    let is_mute = |now| now > link.link.mute_after();
    assert!(!is_mute(after(14)));
    assert!(is_mute(after(16)));
    link.link.excuse(after(16));
    assert!(!is_mute(after(17)), "the gateway stood still itself");
}

#[tokio::test]
async fn a_beat_of_another_process_than_greeted_is_refused() {
    let bench = Bench::new();
    let link = of_process(&bench, "one").unwrap();
    assert!(link.link.handle(&beat_frame("one", &[])).is_ok());
    assert!(link.link.handle(&beat_frame("two", &[])).is_err());
    let long = Link::up(&bench, "b");
    assert!(long.link.handle(&beat_frame(&"x".repeat(1000), &[])).is_err());
}

#[tokio::test]
async fn a_new_process_keeps_what_the_one_before_has_ended() {
    let bench = Bench::new();
    let mut first = of_process(&bench, "one").unwrap();
    first.link.handle(&beat_frame("one", &[])).unwrap();
    let job = bench.submit().await;
    let key = first.run();
    first.report(Report::Started { key, at: Wall(1) });
    until("the job runs", || bench.state_of(job) == JobState::Running).await;
    drop(first);
    let mut second = of_process(&bench, "two").unwrap();
    second.link.handle(&beat_frame("two", &[key])).unwrap();
    second.report(finished(key, 0));
    assert_eq!(second.settled(), (key, false));
    let record = bench.store.job(job).unwrap().unwrap().status;
    assert_eq!((record.state, record.attempts, record.crashes), (JobState::Succeeded, 1, 0));
}

#[tokio::test]
async fn bytes_are_asked_of_the_runner_that_has_the_attempt_and_of_no_other() {
    let bench = Bench::new();
    let (mut link, job, key) = running(&bench).await;
    let evil = Link::up(&bench, "evil");
    evil.beat(&[]);
    // The next job's first attempt, before there is one, and one that is another's.
    let next = AttemptKey {
        job: JobId(job.0 + 1),
        attempt: 1,
        fence: ostler_job::durable::Fence(key.fence.0 + 1),
    };
    for key in [next, key] {
        evil.report(Report::Log { key, bytes: 24 });
        evil.report(finished(key, 24));
    }
    let made_up = (0..500).map(|n| AttemptKey { job: JobId(9000 + n), ..next });
    made_up.for_each(|key| evil.report(Report::Log { key, bytes: 24 }));
    link.report(Report::Log { key, bytes: 5 });
    link.next(Kind::Pull);
    // All that came before it has been heard.
    assert_eq!(std::fs::read_dir(bench.state.path().join("files/log")).unwrap().count(), 1);
    link.last_piece(key, b"whole");
    link.report(finished(key, 5));
    assert_eq!(link.settled(), (key, false));
    assert_eq!(bench.log(key), b"whole");
    evil.frames.try_iter().for_each(|bytes| {
        assert!(decode(&bytes).header.kind != Kind::Pull, "nothing is asked of it");
    });
}

#[tokio::test]
async fn a_log_that_was_on_its_way_when_the_gateway_ended_comes_before_it_is_settled() {
    let mut bench = Bench::new();
    let (mut link, job, key) = running(&bench).await;
    link.report(finished(key, 5));
    link.next(Kind::Pull);
    until("the end is recorded", || bench.state_of(job) == JobState::Succeeded).await;
    drop(link);
    bench.restart();
    let mut link = Link::up(&bench, "a");
    // Its beat comes before its report.
    link.beat(&[key]);
    link.next(Kind::Pull);
    assert!(link.come.iter().all(|frame| frame.header.kind != Kind::Settle));
    link.last_piece(key, b"whole");
    assert_eq!(link.settled(), (key, false));
    assert_eq!(bench.log(key), b"whole");
}

#[tokio::test]
async fn a_running_job_is_killed_although_the_disk_is_full() {
    let bench = Bench::new();
    let (mut link, job, key) = running(&bench).await;
    bench.store.plan([Some(Planned::Full)]);
    let answers = bench.jobs.steer("test", Verb::Kill, vec![job]).await.unwrap();
    assert!(matches!(answers[..], [Answer::Done { .. }]), "{answers:?}");
    let steer = Steer::of(&link.next(Kind::Steer)).unwrap();
    assert_eq!(steer.orders, [(key, Order::KillNow)]);
    let Report::Finished(mut finish) = finished(key, 0) else { unreachable!("it is one") };
    (finish.ending.reason, finish.ending.exit_status) = (Reason::Killed, None);
    link.report(Report::Finished(finish));
    until("it is written down", || bench.state_of(job) == JobState::Cancelled).await;
}

#[tokio::test]
async fn a_runner_whose_beat_waits_behind_a_log_keeps_its_leases_while_that_comes() {
    let lease = Span::from_secs(2);
    let bench = Bench::with(DriverConfig { lease, ..DriverConfig::default() });
    let (link, job, key) = running(&bench).await;
    // Another one that would take it at once.
    let other = Link::up(&bench, "b");
    let end = Instant::now() + Duration::from_secs(5);
    while Instant::now() < end {
        other.beat(&[]);
        link.send(&Piece::new(what::LOG, &key.to_string(), 0, b"a piece", false));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let status = bench.store.job(job).unwrap().unwrap().status;
    assert_eq!((status.crashes, status.fence), (0, key.fence));
    until("silence ends it", || {
        other.beat(&[]);
        bench.store.job(job).unwrap().unwrap().status.fence != key.fence
    })
    .await;
}

#[tokio::test]
async fn a_runner_that_floods_is_given_up_when_nobody_can_hear_it_and_no_other_is() {
    let bench = Bench::new();
    let (evil, other) = (Link::up(&bench, "evil"), Link::up(&bench, "a"));
    // Whoever should hear it stands still: each word weighs something, however short.
    let unheard: Vec<_> = std::iter::from_fn(|| evil.link.unheard.weigh(0, 0)).collect();
    let (beat, key) = (
        beat_frame("one", &[]),
        AttemptKey { job: JobId(1), attempt: 1, fence: ostler_job::durable::Fence(1) },
    );
    let report = Reports(vec![finished(key, 0)]).to_bytes();
    let pull = Pull::new(what::PAYLOAD, "1.1.1", 0, 1).to_bytes();
    let piece = Piece::new(what::LOG, "1.1.1", 0, b"", false).to_bytes();
    for frame in [beat, decode(&report), decode(&pull), decode(&piece)] {
        let refused = evil.link.handle(&frame);
        assert!(refused.is_err_and(|error| error.to_string().contains("more than can be heard")));
    }
    other.link.handle(&beat_frame("one", &[])).unwrap();
    drop(unheard);
}

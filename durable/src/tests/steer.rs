//! What operators do while jobs come to their ends, and jobs that cannot be read.

use std::task::Poll;

use super::*;

#[tokio::test]
async fn a_job_that_ends_while_an_operator_looks_is_there() {
    let bench = Bench::new();
    for verb in [Verb::Pause, Verb::Cancel, Verb::Delete] {
        for _ in 0..20 {
            let mut link = Link::up(&bench, "a");
            link.beat(&[]);
            let job = bench.submit().await;
            let key = link.run();
            let steered = bench.jobs.steer("test", verb.clone(), vec![job, JobId(9_999)]);
            let mut steered = std::pin::pin!(steered);
            // It reads on another thread, while the job runs; then, nearly always, the job ends before it goes on.
            let looks = std::future::poll_fn(|cx| Poll::Ready(steered.as_mut().poll(cx)));
            let early = looks.await;
            link.report(finished(key, 0));
            until("it ends", || bench.state_of(job).is_finished()).await;
            let answers = match early {
                Poll::Ready(answers) => answers.unwrap(),
                Poll::Pending => steered.await.unwrap(),
            };
            assert!(answers[0] != Answer::Unknown && answers[1] == Answer::Unknown, "{answers:?}");
        }
    }
}

#[tokio::test]
async fn a_job_that_nobody_can_read_is_dead_and_tells_why() {
    let bench = Bench::new();
    let mut link = Link::up(&bench, "a");
    link.beat(&[]);
    let unknown = Spec { work: Work::Unknown, ..spec() };
    let new = NewJob { spec: unknown.into(), paused: false, delayed: false, done_before: None };
    let answers = bench.jobs.submit("test", None, vec![new], true).await.unwrap();
    let [Answer::Done { job, .. }] = answers[..] else { panic!("{answers:?}") };
    until("it is dead", || bench.state_of(job) == JobState::Dead).await;
    let attempts = bench.store.attempts(job).unwrap();
    let ending = attempts[0].ending.as_ref().unwrap();
    assert_eq!((attempts.len(), ending.reason), (1, Reason::Unstartable));
    assert!(ending.detail.as_ref().unwrap().contains("cannot be read"));
    let other = bench.submit().await;
    assert_eq!(link.run().job, other, "its slot is free");
}

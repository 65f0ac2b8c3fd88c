//! What the store's opening hands on, how its failures are counted, and what is answered to whom they hit.

use super::*;

#[tokio::test]
async fn every_token_lets_in_at_once_and_after_a_restart() {
    let mut bench = Bench::new();
    let text = std::fs::read_to_string(bench.state.path().join("api.token")).unwrap();
    let first = ostler_machine::secret::sha256_hex(text.trim().as_bytes());
    let (_, token) = ostler_api::new_token("t", ["read".to_owned()].into(), None, Wall(1), None);
    bench.jobs.put_token("test", token.clone()).await.unwrap();
    let let_in = |bench: &Bench| [&first, &token.hash].map(|it| bench.jobs.token(it).is_some());
    assert_eq!(let_in(&bench), [true, true]);
    bench.restart();
    assert_eq!(let_in(&bench), [true, true]);
}

#[tokio::test]
async fn a_failure_of_the_store_is_counted_and_its_end_is_none() {
    let bench = Bench::new();
    let failures = || bench.jobs.metrics.failures.get();
    let (mut link, _, key) = running(&bench).await;
    assert_eq!(failures(), 0);
    bench.store.plan([Some(Planned::Full)]);
    link.report(finished(key, 0));
    assert_eq!(link.settled(), (key, false), "there is room again");
    until("that is over", || bench.jobs.trouble().is_none()).await;
    assert_eq!(failures(), 1);
}

#[tokio::test]
async fn whoever_submits_what_cannot_be_written_is_told_so_and_may_try_again() {
    let bench = Bench::new();
    for planned in [Planned::Full, Planned::Io { kept: false }, Planned::Io { kept: true }] {
        bench.store.plan([Some(planned)]);
        let asked = tokio::time::timeout(Duration::from_secs(20), bench.try_submit());
        assert!(asked.await.expect("it is answered").is_err(), "{planned:?}");
        until("that is over", || bench.jobs.trouble().is_none()).await;
        bench.submit().await;
    }
}

#[tokio::test]
async fn an_attempt_that_is_on_its_way_while_the_store_is_read_anew_is_not_given_again() {
    let bench = Bench::new();
    let mut link = Link::up(&bench, "a");
    link.beat(&[]);
    let job = bench.submit().await;
    let key = link.run();
    bench.store.plan([Some(Planned::Full)]);
    assert!(bench.try_submit().await.is_err());
    until("the store is read", || bench.jobs.trouble().is_none()).await;
    // It was sent before the attempt came.
    link.beat(&[]);
    bench.submit().await;
    let status = bench.store.job(job).unwrap().unwrap().status;
    assert_eq!((status.state, status.fence), (JobState::Leased, key.fence));
    link.report(finished(key, 0));
    assert_eq!(link.settled(), (key, false));
}

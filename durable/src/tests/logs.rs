//! Logs that links come and go with.

use super::*;

#[tokio::test]
async fn a_log_that_is_owed_stays_owed_when_its_link_is_gone() {
    let bench = Bench::new();
    let (mut first, job, key) = running(&bench).await;
    first.report(finished(key, 5));
    first.next(Kind::Pull);
    until("the end is recorded", || bench.state_of(job) == JobState::Succeeded).await;
    drop(first);
    let mut second = Link::up(&bench, "a");
    // Before it tells anything anew: what is settled now would be forgotten there.
    second.beat(&[key]);
    bench.submit().await;
    while let Ok(bytes) = second.frames.try_recv() {
        second.decoder.buffer().extend_from_slice(&bytes);
        while let Some(frame) = second.decoder.poll_frame().unwrap() {
            assert_ne!(frame.header.kind, Kind::Settle, "its log is not here");
        }
    }
    second.report(finished(key, 5));
    second.next(Kind::Pull);
    second.last_piece(key, b"whole");
    assert_eq!(second.settled(), (key, false));
    assert_eq!(bench.log(key), b"whole");
}

#[tokio::test]
async fn a_log_takes_nothing_of_what_is_kept_for_the_store() {
    let bench = Bench::new();
    let full = ostler_machine::disk::Disk::new(bench.state.path().to_path_buf(), Some(u64::MAX));
    assert!(bench.jobs.room.bound(std::sync::Arc::new(full), None));
    let (mut link, job, key) = running(&bench).await;
    link.report(finished(key, 5));
    until("the end is recorded", || bench.state_of(job) == JobState::Succeeded).await;
    let kept = |it: &String| it.contains("limits.disk_reserve");
    until("the operator is told", || bench.told.lock().unwrap().iter().any(kept)).await;
    while let Ok(bytes) = link.frames.try_recv() {
        link.decoder.buffer().extend_from_slice(&bytes);
        while let Some(frame) = link.decoder.poll_frame().unwrap() {
            assert_ne!(frame.header.kind, Kind::Pull);
            assert_ne!(frame.header.kind, Kind::Settle, "its log is not here");
        }
    }
}

#[tokio::test]
async fn a_log_that_is_gone_is_not_asked_for_again() {
    let bench = Bench::new();
    let (mut link, _, key) = running(&bench).await;
    link.report(Report::Log { key, bytes: 10_000 });
    link.next(Kind::Pull);
    link.send(&Piece::gone(what::LOG, &key.to_string(), 0));
    // Work is done in order: had the piece led to another question, it would come before this one's answer.
    let name = "0".repeat(64);
    link.send(&Pull::new(what::PAYLOAD, &name, 0, 1));
    let until = Instant::now() + PATIENCE;
    while link.come.is_empty() {
        assert!(Instant::now() < until, "no answer comes");
        if let Ok(bytes) = link.frames.recv_timeout(Duration::from_millis(10)) {
            link.decoder.buffer().extend_from_slice(&bytes);
            link.come.extend(link.decoder.poll_frame().unwrap());
        }
    }
    assert_eq!(link.come[0].header.kind, Kind::Piece);
}

#[tokio::test]
async fn a_runner_is_asked_for_a_few_pieces_at_once_and_every_log_has_its_turn() {
    let bench = Bench::new();
    let mut link = Link::up(&bench, "a");
    link.send(&Beat { incarnation: "one", slots: 8, held: Vec::new() });
    let mut keys = Vec::new();
    for _ in 0..8 {
        bench.submit().await;
        keys.push(link.run());
    }
    keys.iter().for_each(|key| link.report(finished(*key, 5)));
    let id = |frame: &Frame| Pull::of(frame).unwrap().id.unwrap().to_owned();
    let mut asked: VecDeque<String> = (0..4).map(|_| id(&link.next(Kind::Pull))).collect();
    // Work is done in order: a fifth question would come before this one's answer.
    let name = "0".repeat(64);
    until("all ends are recorded", || {
        keys.iter().all(|key| bench.state_of(key.job) == JobState::Succeeded)
    })
    .await;
    link.send(&Pull::new(what::PAYLOAD, &name, 0, 1));
    loop {
        let bytes = link.frames.recv_timeout(PATIENCE).expect("an answer comes");
        link.decoder.buffer().extend_from_slice(&bytes);
        let mut kinds = Vec::new();
        while let Some(frame) = link.decoder.poll_frame().unwrap() {
            kinds.push(frame.header.kind);
        }
        assert!(!kinds.contains(&Kind::Pull), "{kinds:?}");
        if kinds.contains(&Kind::Piece) {
            break;
        }
    }
    // One whose log nobody wants any more makes room as well.
    let gone = keys.iter().find(|key| key.to_string() == asked[3]).expect("it is one of them");
    bench.jobs.steer("test", Verb::Delete, vec![gone.job]).await.unwrap();
    asked.pop_back();
    asked.push_back(id(&link.next(Kind::Pull)));
    let mut seen = 1 + asked.len();
    while let Some(front) = asked.pop_front() {
        let key = keys.iter().find(|key| key.to_string() == front).expect("it is one of them");
        link.last_piece(*key, b"whole");
        if seen < keys.len() {
            asked.push_back(id(&link.next(Kind::Pull)));
            seen += 1;
        }
    }
    let whole = || {
        keys.iter()
            .filter(|key| *key != gone)
            .all(|key| bench.jobs.files.log(*key, ostler_store::Owner::default()).is_ok())
    };
    until("every log is here", whole).await;
}

/// A job of a tenant is over, and has written so much.
async fn log_of(bench: &Bench, link: &mut Link, tenant: &str, bytes: u64) -> AttemptKey {
    let spec = Spec { tenant: tenant.into(), ..spec() };
    let new = NewJob { spec: spec.into(), paused: false, delayed: false, done_before: None };
    bench.jobs.submit("test", None, vec![new], true).await.map_err(|it| it.0).unwrap();
    let key = link.run();
    link.report(finished(key, bytes));
    key
}

#[tokio::test]
async fn a_tenants_logs_leave_as_much_to_others_as_they_have() {
    let bench = Bench::new();
    let disk = ostler_machine::disk::Disk::new(bench.state.path().to_path_buf(), Some(0));
    assert!(bench.jobs.room.bound(std::sync::Arc::new(disk), Some(10_000)));
    let mut link = Link::up(&bench, "a");
    link.beat(&[]);
    // What was asked for counts before it is there.
    let first = log_of(&bench, &mut link, "shop", 5000).await;
    link.next(Kind::Pull);
    let second = log_of(&bench, &mut link, "shop", 1000).await;
    let told = |it: &String| it.contains("tenant shop") && it.contains("jobs.files_max");
    until("the operator is told", || bench.told.lock().unwrap().iter().any(told)).await;
    let third = log_of(&bench, &mut link, "bank", 2000).await;
    link.next(Kind::Pull);
    link.last_piece(third, &[b'x'; 2000]);
    assert_eq!(link.settled(), (third, false), "another tenant has room");
    link.last_piece(first, &[b'x'; 5000]);
    assert_eq!(link.settled(), (first, false));
    // Room is made, and what waited for it comes.
    let job = vec![first.job];
    bench.jobs.steer("test", Verb::Delete, job).await.map_err(|it| it.0).unwrap();
    link.next(Kind::Pull);
    link.last_piece(second, &[b'x'; 1000]);
    assert_eq!(link.settled(), (second, false));
}

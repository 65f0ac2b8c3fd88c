//! What jobs write, read whole, in parts and as it comes.

use axum::body::Body;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::StatusCode;
use http_body_util::BodyExt as _;
use ostler_job::{
    Span, Wall,
    durable::{Attempt, Ending, JobState, LogState, Reason, Usage},
};

use super::{Answer, Rig, fake::key, until};
use crate::log::chunks::chunk;

fn written() -> Vec<u8> {
    [chunk(1_000_000, 1, b"one\n"), chunk(2_000_000, 2, b"two\n"), chunk(3_000_000, 1, b"three\n")]
        .concat()
}

/// Attempt `number` of job 1 runs.
fn runs(rig: &Rig, number: u32) {
    rig.fake.change(1, |status| {
        status.state = JobState::Running;
        status.attempts = number;
        status.fence = key(1, number).fence;
    });
}

/// It is over, with a log in its record or in a file.
fn over(rig: &Rig, number: u32, state: JobState, whole: Option<&[u8]>) {
    let file = std::fs::metadata(rig.fake.log_path(key(1, number))).map_or(0, |data| data.len());
    let log = LogState {
        file: whole.map_or(file, |whole| whole.len() as u64),
        whole: whole.map(|whole| STANDARD.encode(whole)),
        ..LogState::default()
    };
    over_with(rig, number, state, log);
}

fn over_with(rig: &Rig, number: u32, state: JobState, log: LogState) {
    let ending = Ending { reason: Reason::Ok, exit_status: Some(0), signal: None, detail: None };
    let attempt = Attempt {
        key: key(1, number),
        runner: "web-1".into(),
        leased_at: Wall(1),
        started_at: Some(Wall(2)),
        finished_at: Some(Wall(3)),
        ending: Some(ending),
        ran: Span::from_secs(1),
        usage: Usage::default(),
        log,
    };
    rig.fake.state().attempts.entry(ostler_job::JobId(1)).or_default().push(attempt);
    rig.fake.change(1, |status| status.state = state);
}

async fn ranged(rig: &Rig, path: &str, range: &str) -> Answer {
    let request = rig.request(path).header("range", range);
    rig.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn a_small_log_is_read_from_the_record_and_a_large_one_from_its_file() {
    for in_record in [true, false] {
        let rig = Rig::new();
        rig.submit().await;
        runs(&rig, 1);
        if !in_record {
            rig.fake.append(key(1, 1), &written());
        }
        over(&rig, 1, JobState::Succeeded, in_record.then(written).as_deref());
        let log = rig.ask("GET /v1/jobs/1/log").await;
        assert_eq!(log.text, "one\ntwo\nthree\n");
        assert_eq!(log.header("content-type"), "text/plain; charset=utf-8");
        assert_eq!(log.header("content-length"), "14");
        assert_eq!(rig.ask("GET /v1/jobs/1/log?stream=stdout").await.text, "one\nthree\n");
        assert_eq!(rig.ask("GET /v1/jobs/1/log?stream=stderr").await.text, "two\n");
        let part = ranged(&rig, "GET /v1/jobs/1/log?stream=stdout", "bytes=-4").await;
        assert_eq!((part.status, part.text.as_str()), (StatusCode::PARTIAL_CONTENT, "ree\n"));
        assert_eq!(part.header("content-range"), "bytes 6-9/10");
        assert_eq!(ranged(&rig, "GET /v1/jobs/1/log", "bytes=5-8").await.text, "wo\nt");
        ranged(&rig, "GET /v1/jobs/1/log?stream=stderr", "bytes=4-")
            .await
            .is("range_not_satisfiable");
    }
}

#[tokio::test]
async fn each_attempt_has_its_log() {
    let rig = Rig::new();
    rig.submit().await;
    assert_eq!(rig.ask("GET /v1/jobs/1/log").await.text, "");
    rig.ask("GET /v1/jobs/1/log?attempt=1").await.is("not_found");
    runs(&rig, 1);
    over(&rig, 1, JobState::Retrying, Some(&chunk(1, 1, b"first")));
    runs(&rig, 2);
    rig.fake.append(key(1, 2), &chunk(1, 1, b"second"));
    assert_eq!(rig.ask("GET /v1/jobs/1/log").await.text, "second");
    assert_eq!(rig.ask("GET /v1/jobs/1/log?attempt=1").await.text, "first");
    let problem = rig.ask("GET /v1/jobs/1/log?attempt=3").await.is("not_found");
    assert!(problem["detail"].as_str().unwrap().contains("it has had 2"));
    for bad in ["attempt=0", "attempt=x", "stream=all", "follow=yes", "colour=red"] {
        rig.ask(&format!("GET /v1/jobs/1/log?{bad}")).await.is("bad_query");
    }
}

#[tokio::test]
async fn a_log_is_followed_over_attempts_to_the_end_of_the_job() {
    let rig = Rig::new();
    rig.submit().await;
    let request = rig.request("GET /v1/jobs/1/log?follow=true").body(Body::empty()).unwrap();
    let mut body = rig.begin(request).await.into_body();
    runs(&rig, 1);
    let whole = written();
    rig.fake.append(key(1, 1), &whole[..30]);
    assert_eq!(until(&mut body, "one\n").await, "one\n");
    rig.fake.append(key(1, 1), &whole[30..]);
    assert_eq!(until(&mut body, "three\n").await, "two\nthree\n");
    over(&rig, 1, JobState::Retrying, None);
    runs(&rig, 2);
    rig.fake.append(key(1, 2), &chunk(1, 1, b"again"));
    assert_eq!(until(&mut body, "again").await, "again");
    over(&rig, 2, JobState::Succeeded, None);
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn following_breaks_off_when_the_gateway_drains() {
    let rig = Rig::new();
    rig.submit().await;
    let request = rig.request("GET /v1/jobs/1/log?follow=true").body(Body::empty()).unwrap();
    let mut body = rig.begin(request).await.into_body();
    rig.shutdown.drain();
    // An end in order would say that this was all.
    assert!(body.frame().await.is_some_and(|frame| frame.is_err()));
}

#[tokio::test]
async fn what_is_missing_of_a_log_is_told() {
    for (file, missing, waits) in [(62, "6", false), (90, "28", true)] {
        let rig = Rig::new();
        rig.submit().await;
        runs(&rig, 1);
        rig.fake.append(key(1, 1), &written());
        let log = LogState { file, written: 20, ..LogState::default() };
        over_with(&rig, 1, JobState::Succeeded, log);
        if waits {
            // Nothing is waited for any more.
            rig.shutdown.drain();
        }
        for range in ["bytes=0-", "bytes=-3"] {
            let answer = ranged(&rig, "GET /v1/jobs/1/log?stream=stderr", range).await;
            assert_eq!(answer.header("ostler-log-missing"), missing);
            assert_eq!(answer.headers.contains_key("retry-after"), waits);
        }
        if !waits {
            let events = rig.ask("GET /v1/jobs/1/log/events").await.text;
            let cut =
                "event: cut\ndata: {\"attempt\":1,\"bytes\":6,\"waits\":false}\n\nevent: end\n";
            assert!(events.contains(cut), "{events}");
        }
    }
}

#[tokio::test]
async fn a_large_log_comes_whole_and_its_end_is_found() {
    let rig = Rig::new();
    rig.submit().await;
    runs(&rig, 1);
    let line = "0123456789abcde\n".repeat(64);
    let all: Vec<u8> =
        (0..3000).flat_map(|n| chunk(n, 1 + u8::from(n % 3 == 0), line.as_bytes())).collect();
    rig.fake.append(key(1, 1), &all);
    over(&rig, 1, JobState::Succeeded, None);
    assert_eq!(rig.ask("GET /v1/jobs/1/log").await.text.len(), 3000 * 1024);
    assert_eq!(rig.ask("GET /v1/jobs/1/log?stream=stdout").await.text.len(), 2000 * 1024);
    let last = ranged(&rig, "GET /v1/jobs/1/log?stream=stderr", "bytes=-1025").await;
    assert_eq!(last.text, format!("\n{line}"));
}

#[tokio::test]
async fn events_of_a_log_have_their_times_and_resume_where_they_ended() {
    let rig = Rig::new();
    rig.submit().await;
    runs(&rig, 1);
    let mut log = written();
    log.extend(chunk(4_000_000, 2, b"\xff"));
    rig.fake.append(key(1, 1), &log);
    over(&rig, 1, JobState::Succeeded, None);
    let all = rig.ask("GET /v1/jobs/1/log/events").await;
    assert_eq!(all.header("content-type"), "text/event-stream");
    let one = "id: 20.1\nevent: output\ndata: {\"stream\":\"stdout\",\"at\":\"1970-01-01T00:00:01.000Z\",\"text\":\"one\\n\"}\n\n";
    let json: Vec<&str> = all.text.split("\n\n").collect();
    assert_eq!(json[0], "retry: 2000");
    assert!(all.text.contains("id: 20.1\nevent: output\n"), "{} {one}", all.text);
    assert!(all.text.contains("\"base64\":\"/w==\""));
    assert!(all.text.contains("event: end\ndata: {") && all.text.ends_with("\n\n"));
    let resume = async |id: &str| {
        let request = rig.request("GET /v1/jobs/1/log/events").header("last-event-id", id);
        rig.send(request.body(Body::empty()).unwrap()).await
    };
    let rest = resume("40.1").await.text;
    assert!(
        !rest.contains("two") && rest.contains("id: 62.1\n") && rest.contains("three"),
        "{rest}"
    );
    resume("41.1").await.is("bad_query");
    resume("x").await.is("bad_query");
    resume("0.7").await.is("not_found");
}

#[tokio::test]
async fn a_reader_that_resumes_an_earlier_attempt_goes_on_to_the_later_ones() {
    let rig = Rig::new();
    rig.submit().await;
    runs(&rig, 1);
    over(&rig, 1, JobState::Retrying, Some(&written()));
    runs(&rig, 2);
    over(&rig, 2, JobState::Succeeded, Some(&chunk(1, 1, b"second")));
    let request = rig.request("GET /v1/jobs/1/log/events").header("last-event-id", "40.1");
    let text = rig.send(request.body(Body::empty()).unwrap()).await.text;
    assert!(!text.contains("two") && text.contains("three") && text.contains("id: 22.2"), "{text}");
}

#[tokio::test]
async fn the_log_of_an_attempt_that_is_over_is_waited_for_while_it_comes() {
    let rig = Rig::new();
    rig.submit().await;
    runs(&rig, 1);
    let log = written();
    rig.fake.append(key(1, 1), &log);
    over(&rig, 1, JobState::Succeeded, None);
    let path = rig.fake.log_path(key(1, 1));
    let cut = |len: usize| {
        std::fs::write(&path, &log[..len]).unwrap();
        rig.fake.news(1);
    };
    // Its end is known before its bytes are here.
    cut(0);
    let asked = async {
        let answer = rig.ask("GET /v1/jobs/1/log").await;
        assert_eq!(std::fs::read(&path).unwrap().len(), log.len(), "it has waited");
        answer
    };
    let (answer, ()) = tokio::join!(asked, async {
        for len in [20, log.len()] {
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            cut(len);
        }
    });
    assert_eq!(answer.text, "one\ntwo\nthree\n");
    assert!(!answer.headers.contains_key("ostler-log-missing"));
    cut(20);
    rig.shutdown.drain();
    let answer = rig.ask("GET /v1/jobs/1/log").await;
    assert_eq!(answer.header("ostler-log-missing"), (log.len() - 20).to_string());
}

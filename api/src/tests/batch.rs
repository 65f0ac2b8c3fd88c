//! Many jobs at once.

use axum::body::Body;
use bytes::Bytes;
use http::StatusCode;
use http_body_util::BodyExt as _;

use super::{Rig, until};
use crate::body;

#[tokio::test]
async fn all_lines_are_taken_in_one_commit() {
    let rig = Rig::new();
    let lines = "{\"command\":\"a\"}\n\n{\"command\":\"b\",\"paused\":true,\"retry\":{\"attempts\":1}}\r\n{\"module\":\"noop\"}";
    let answer = rig.batch("", lines).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
    let expected = "{\"line\":1,\"id\":1,\"state\":\"pending\",\"attempts_max\":4}\n\
                    {\"line\":3,\"id\":2,\"state\":\"paused\",\"attempts_max\":1}\n\
                    {\"line\":4,\"id\":3,\"state\":\"pending\",\"attempts_max\":4}\n";
    assert_eq!(answer.text, expected);
    assert_eq!(rig.fake.state().submits, [3]);
}

#[tokio::test]
async fn one_bad_line_refuses_all_and_every_bad_line_is_told() {
    let rig = Rig::new();
    let lines = "{\"command\":\"a\"}\n{\"command\":7}\nnonsense\n{\"command\":\"a\",\"host\":\"nowhere\",\"unrunnable\":\"refuse\"}\n";
    let problem = rig.batch("", lines).await.is("invalid_field");
    let errors = problem["errors"].as_array().unwrap();
    assert_eq!(errors[0]["line"], 2);
    assert_eq!(errors[0]["pointer"], "/command");
    assert_eq!(errors[1]["line"], 3);
    assert!(problem["detail"].as_str().unwrap().starts_with("line 2: "));
    let problem = rig
        .batch("", "{\"command\":\"a\",\"host\":\"nowhere\",\"unrunnable\":\"refuse\"}\n")
        .await
        .is("invalid_field");
    assert_eq!(problem["errors"][0]["pointer"], "/host");
    assert!(rig.fake.state().jobs.is_empty());
}

#[tokio::test]
async fn the_drivers_refusal_of_one_is_the_refusal_of_all() {
    let rig = Rig::new();
    rig.submit().await;
    let lines = "{\"command\":\"a\"}\n{\"command\":\"true\",\"dedupe\":{\"scope\":\"queued\",\"then\":\"reject\"}}\n";
    let problem = rig.batch("", lines).await.is("invalid_field");
    assert_eq!(problem["errors"][0]["line"], 2);
    assert_eq!(rig.fake.state().jobs.len(), 1);
    rig.fake.state().full = true;
    rig.batch("", lines).await.is("queue_full");
}

#[tokio::test]
async fn a_batch_that_repeats_itself_is_told_by_its_lines() {
    let rig = Rig::new();
    let one = "{\"command\":\"a\",\"dedupe\":{\"scope\":\"queued\",\"then\":\"reject\"}}\n";
    let problem = rig.batch("", &format!("{{\"command\":\"b\"}}\n\n{one}{one}")).await;
    let problem = problem.is("invalid_field");
    let error = &problem["errors"][0];
    assert_eq!(error["line"], 4);
    let detail = error["detail"].as_str().unwrap();
    assert!(detail.contains("line 3") && !detail.contains("job"), "{detail}");
    assert!(rig.fake.state().jobs.is_empty());
}

#[tokio::test]
async fn a_partial_batch_takes_the_good_lines() {
    let rig = Rig::new();
    let lines = "{\"command\":\"a\"}\nnonsense\n{\"command\":\"b\",\"host\":\"nowhere\",\"unrunnable\":\"refuse\"}\n{\"command\":\"c\"}\n";
    let answer = rig.batch("?partial=true", lines).await;
    assert_eq!(answer.status, StatusCode::OK);
    let told = answer.lines();
    assert_eq!(told[0]["id"], 1);
    assert!(told[1]["error"]["type"].as_str().unwrap().ends_with("/bad_json"));
    assert!(told[2]["error"]["type"].as_str().unwrap().ends_with("/conflict_state"));
    assert_eq!((&told[3]["line"], &told[3]["id"]), (&4.into(), &2.into()));
}

#[tokio::test]
async fn answers_of_a_partial_batch_come_while_it_is_sent() {
    let rig = Rig::new();
    let (pipe, sent) = body::pipe();
    let request = rig.request("POST /v1/jobs?partial=true");
    let request = request.header("content-type", "application/x-ndjson").body(sent).unwrap();
    let mut answer = rig.begin(request).await.into_body();
    for id in 1..=3 {
        pipe.send(Ok(Bytes::from_static(b"{\"command\":\"a\"}\n"))).await.unwrap();
        assert!(until(&mut answer, "\n").await.contains(&format!("\"id\":{id}")));
    }
    drop(pipe);
    assert!(answer.frame().await.is_none());
}

#[tokio::test]
async fn a_partial_batch_is_submitted_in_groups() {
    let rig = Rig::new();
    let lines = "{\"module\":\"noop\"}\n".repeat(250);
    let answer = rig.batch("?partial=true", &lines).await;
    assert_eq!(answer.lines().len(), 250);
    assert_eq!(rig.fake.state().submits, [100, 100, 50]);
}

#[tokio::test]
async fn lines_may_be_cut_anywhere_and_must_not_be_endless() {
    let rig = Rig::new();
    let (pipe, sent) = body::pipe();
    let text = format!("{{\"command\":\"{}\"}}\n{{\"command\":\"b\"}}\n", "x".repeat(3 << 20));
    tokio::spawn(async move {
        for piece in text.as_bytes().chunks(1000) {
            pipe.send(Ok(Bytes::copy_from_slice(piece))).await.unwrap();
        }
    });
    let request = rig.request("POST /v1/jobs?partial=true");
    let request = request.header("content-type", "application/x-ndjson").body(sent).unwrap();
    let told = rig.send(request).await.lines();
    assert!(told[0]["error"]["type"].as_str().unwrap().ends_with("/too_large"));
    assert_eq!(told[1]["line"], 2);
    assert_eq!(told[1]["id"], 1);
}

#[tokio::test]
async fn a_batch_with_too_many_lines_or_none_is_refused() {
    let rig = Rig::new();
    rig.batch("", "\n \n").await.is("bad_json");
    rig.batch("", &"{\"module\":\"noop\"}\n".repeat(10_001)).await.is("too_large");
    assert!(rig.fake.state().jobs.is_empty());
}

#[tokio::test]
async fn a_key_makes_a_batch_idempotent() {
    let rig = Rig::new();
    let submit = async |query: &str, lines: &'static str| {
        let request = rig.request(&format!("POST /v1/jobs{query}"));
        let request = request.header("content-type", "application/x-ndjson");
        rig.send(request.header("idempotency-key", "k").body(Body::from(lines)).unwrap()).await
    };
    let first = submit("", "{\"command\":\"a\"}\n{\"command\":\"b\"}\n").await;
    let again = submit("", "{\"command\":\"a\"}\n{\"command\":\"b\"}\n").await;
    assert_eq!(first.text, again.text);
    assert_eq!(again.header("idempotent-replay"), "true");
    submit("", "{\"command\":\"c\"}\n").await.is("idempotency_mismatch");
    submit("?partial=true", "{\"command\":\"c\"}\n").await.is("bad_query");
    assert_eq!(rig.fake.state().jobs.len(), 2);
}

#[tokio::test]
async fn nobody_waits_for_a_batch() {
    let rig = Rig::new();
    rig.batch("?wait=1s", "{\"module\":\"noop\"}").await.is("bad_query");
}

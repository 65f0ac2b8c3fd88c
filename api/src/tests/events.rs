//! What happened, as it happens and afterwards.

use axum::body::Body;
use http_body_util::BodyExt as _;
use ostler_job::durable::EventKind;

use super::{Rig, until};

async fn follow(rig: &Rig, query: &str, last: Option<&str>) -> Body {
    let mut request = rig.request(&format!("GET /v1/events{query}"));
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    let mut body = rig.begin(request.body(Body::empty()).unwrap()).await.into_body();
    assert_eq!(until(&mut body, "\n\n").await, "retry: 2000\n\n");
    body
}

#[tokio::test]
async fn events_come_from_now_on_or_from_where_a_reader_ended() {
    let rig = Rig::new();
    rig.fake.tell(EventKind::Submitted, Some(1), r#"{"identity":"a"}"#);
    let mut now = follow(&rig, "", None).await;
    let mut all = follow(&rig, "?after=0", None).await;
    rig.fake.tell(EventKind::Finished, Some(1), "");
    let text = until(&mut now, "finished").await;
    assert!(text.starts_with("id: 2\nevent: finished\ndata: {"), "{text}");
    let text = until(&mut all, "\"finished\"").await;
    assert!(
        text.contains("id: 1\nevent: submitted\n") && text.contains("\"identity\":\"a\""),
        "{text}"
    );
    let mut rest = follow(&rig, "?after=0", Some("1")).await;
    let text = until(&mut rest, "\"finished\"").await;
    assert!(!text.contains("submitted"), "{text}");
}

#[tokio::test]
async fn a_stream_ends_with_its_token() {
    let rig = Rig::new();
    let id = rig.submit().await;
    for path in [
        "/v1/events",
        &format!("/v1/jobs/{id}/log/events"),
        &format!("/v1/jobs/{id}/log?follow=true"),
    ] {
        let name = path.replace(['/', '?', '='], ".");
        let name = name.trim_start_matches('.').to_owned();
        let token = rig.token(&name, &["read"], None);
        let request =
            http::Request::builder().uri(path).header("authorization", format!("Bearer {token}"));
        let answer = rig.begin(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status(), 200, "{path}");
        let mut body = answer.into_body();
        let revoked = rig.ask(&format!("DELETE /v1/tokens/{name}")).await;
        assert_eq!(revoked.status, 204, "{path}: {revoked:?}");
        rig.fake.tell(EventKind::Submitted, Some(id), "");
        // What was written before may still come; then it breaks off, and nothing of what happened since was told.
        let mut told = String::new();
        let broken = loop {
            match body.frame().await {
                Some(Ok(frame)) => {
                    told += std::str::from_utf8(&frame.into_data().unwrap()).unwrap()
                }
                Some(Err(error)) => break error,
                None => panic!("{path} ended as if it were whole"),
            }
        };
        assert!(broken.to_string().contains("token has ended"), "{path}: {broken}");
        assert!(!told.contains("submitted"), "{path}: {told}");
    }
}

#[tokio::test]
async fn a_submit_that_waits_hears_that_its_token_ended() {
    let rig = Rig::new();
    let token = rig.token("waits", &["submit", "read"], None);
    let request = http::Request::builder().method("POST").uri("/v1/jobs?wait=1h");
    let request = request.header("authorization", format!("Bearer {token}"));
    let request = request.header("content-type", "application/json");
    let sent = rig.send(request.body(Body::from(r#"{"command":"true"}"#)).unwrap());
    let revoke = async {
        while rig.fake.state().submits.is_empty() {
            tokio::task::yield_now().await;
        }
        tokio::task::yield_now().await;
        assert_eq!(rig.ask("DELETE /v1/tokens/waits").await.status, 204);
    };
    let (answer, ()) = tokio::join!(sent, revoke);
    let problem = answer.is("unauthenticated");
    assert!(problem["detail"].as_str().unwrap().contains("job 1 was taken"), "{problem}");
}

#[tokio::test]
async fn a_reader_that_falls_behind_reads_the_rest_from_the_store() {
    let rig = Rig::new();
    let mut body = follow(&rig, "?after=0", None).await;
    for _ in 0..100 {
        rig.fake.tell(EventKind::Submitted, Some(1), "");
    }
    let mut text = String::new();
    while !text.contains("id: 100\n") {
        text.push_str(&until(&mut body, "\n\n").await);
    }
    let ids: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("id: ")).collect();
    let expected: Vec<_> = (1..=100).map(|seq| seq.to_string()).collect();
    assert_eq!(ids, expected);
}

#[tokio::test]
async fn a_tenants_token_hears_of_its_own_jobs() {
    let rig = Rig::new();
    rig.json("POST /v1/jobs", r#"{"command":"a","tenant":"ours"}"#).await;
    rig.json("POST /v1/jobs", r#"{"command":"a","tenant":"other"}"#).await;
    rig.fake.tell(EventKind::Started, Some(2), "");
    rig.fake.tell(EventKind::Runner, None, "");
    rig.fake.tell(EventKind::Started, Some(1), "");
    let token = rig.token("ours", &["read"], Some("ours"));
    let rig = Rig { admin: token, ..rig };
    let mut body = follow(&rig, "?after=0", None).await;
    let text = until(&mut body, "\n\n").await;
    assert!(text.starts_with("id: 3\n"), "{text}");
}

#[tokio::test]
async fn events_end_when_the_gateway_drains() {
    let rig = Rig::new();
    let mut body = follow(&rig, "", None).await;
    rig.shutdown.drain();
    assert!(body.frame().await.is_none());
    rig.ask("GET /v1/events?after=x").await.is("bad_query");
}

#[tokio::test]
async fn the_audit_trail_has_what_operators_did() {
    let rig = Rig::new();
    for _ in 0..700 {
        rig.fake.tell(EventKind::Submitted, Some(1), "");
        rig.fake.tell(EventKind::Operator, Some(1), r#"{"verb":"kill"}"#);
    }
    let page = rig.ask("GET /v1/audit?limit=2").await.json();
    assert_eq!(page["events"][0]["verb"], "kill");
    assert_eq!(page["events"][1]["seq"], 4);
    assert_eq!(page["next"], 4);
    let (mut after, mut seen) = (0, 0);
    loop {
        let page = rig.ask(&format!("GET /v1/audit?after={after}&limit=300")).await.json();
        seen += page["events"].as_array().unwrap().len();
        match page["next"].as_u64() {
            Some(next) => after = next,
            None => break,
        }
    }
    assert_eq!(seen, 700);
}

#[tokio::test]
async fn what_happens_to_schedules_is_told_with_its_times_as_people_write_them() {
    let rig = Rig::new();
    let overdue = r#"{"action":"overdue","schedule":"nightly","since":86400000,"expect_within":93600000000000}"#;
    rig.fake.tell(EventKind::Schedule, None, overdue);
    let moved = r#"{"action":"schedule_cursor","schedule":"nightly","to":1500}"#;
    rig.fake.tell(EventKind::Operator, None, moved);
    rig.fake.tell(EventKind::Operator, Some(1), r#"{"verb":"move","to":7}"#);
    let text = until(&mut follow(&rig, "?after=0", None).await, "\"move\"").await;
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    let data: Vec<serde_json::Value> = data.map(|it| serde_json::from_str(it).unwrap()).collect();
    let (overdue, moved, other) = (&data[0], &data[1], &data[2]);
    assert_eq!((&overdue["kind"], &overdue["action"]), (&"schedule".into(), &"overdue".into()));
    assert_eq!(overdue["schedule"], "nightly");
    let since = overdue["since"].as_str().unwrap_or_default();
    assert!(since.starts_with("1970-01-02T00:00:00") && since.ends_with('Z'), "{overdue}");
    assert_eq!(overdue["expect_within"], "26h");
    assert!(moved["to"].as_str().unwrap_or_default().contains("00:00:01.5"), "{moved}");
    assert_eq!(other["to"], 7, "what is not of schedules stays as it is");
}

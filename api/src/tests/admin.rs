//! Runners, tokens, payloads, backups, the state of the whole.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use axum::body::Body;
use bytes::Bytes;
use http::StatusCode;
use http_body_util::BodyExt as _;
use serde_json::json;

use super::Rig;
use crate::{
    backend::{Full, Refusal},
    body,
};

#[tokio::test]
async fn runners_are_listed_and_drained() {
    let rig = Rig::new();
    let listed = rig.ask("GET /v1/runners").await.json();
    assert_eq!(listed["runners"][0]["heard_at"], "1970-01-01T00:00:01.000Z");
    assert_eq!(listed["runners"][0]["labels"], json!({ "gpu": "a100", "zone": "b" }));
    assert_eq!(rig.ask("POST /v1/runners/web-1/drain").await.json()["draining"], true);
    let drained = rig.ask("GET /v1/runners").await.json()["runners"][0]["drained"].clone();
    assert_eq!(
        drained,
        json!({ "by": "first", "since": "1970-01-01T00:00:02.000Z", "broken": null })
    );
    let back = rig.ask("POST /v1/runners/web-1/undrain").await.json();
    assert_eq!((&back["draining"], &back["drained"]), (&json!(false), &json!(null)));
    let problem = rig.ask("POST /v1/runners/web-9/drain").await.is("not_found");
    assert!(problem["detail"].as_str().unwrap().contains("web-1"));
}

#[tokio::test]
async fn runners_are_found_by_all_of_the_labels_that_are_asked_for() {
    let rig = Rig::new();
    let found = async |query: &str| {
        let listed = rig.ask(&format!("GET /v1/runners?{query}")).await.json();
        listed["runners"].as_array().unwrap().len()
    };
    assert_eq!(found("label=gpu=a100").await, 1);
    assert_eq!(found("label=gpu%3Da100&label=zone=b").await, 1);
    assert_eq!(found("label=gpu=a100&label=zone=c").await, 0);
    assert_eq!(found("label=gpu=a100&label=gpu=a100").await, 1);
    assert_eq!(found("label=gpu=a100&label=gpu=b").await, 0, "it has one of each name");
    assert_eq!(found("label=cpu=a100").await, 0);
    for (query, told) in [
        ("label=gpu", "write NAME=VALUE, like gpu=a100"),
        ("label=", "write NAME=VALUE"),
        ("label=GPU=a", "is no label's name"),
        ("labels=gpu=a", "there are label"),
    ] {
        let problem = rig.ask(&format!("GET /v1/runners?{query}")).await.is("bad_query");
        assert!(problem.to_string().contains(told), "{query}: {problem}");
    }
}

#[tokio::test]
async fn a_field_that_is_there_twice_is_refused_wherever_it_is() {
    let rig = Rig::new();
    let id = rig.submit().await;
    for (line, body) in [
        ("POST /v1/tokens", r#"{"name":"t","scopes":["read"],"scopes":["admin"]}"#.to_owned()),
        ("POST /v1/jobs/actions", r#"{"action":"kill","ids":[9],"ids":[1]}"#.to_owned()),
        ("POST /v1/jobs/actions", r#"{"action":"kill","filter":{"tag":"a","tag":"b"}}"#.to_owned()),
        (&format!("POST /v1/jobs/{id}/move"), r#"{"host":"web-1","host":null}"#.to_owned()),
        ("POST /v1/backup", r#"{"path":"/a","path":"/b"}"#.to_owned()),
        ("POST /v1/jobs", r#"{"command":"true","command":"false"}"#.to_owned()),
        ("POST /v1/jobs", r#"{"command":"true","env":{"A":"1","A":"2"}}"#.to_owned()),
        ("POST /v1/jobs", r#"{"command":"true","env":{"A":"1","A":"2"},"fly":1}"#.to_owned()),
        ("POST /v1/jobs", r#"{"command":"true","limits":{"core":1,"core":2}}"#.to_owned()),
        ("POST /v1/jobs", r#"{"command":"true","retry":{"attempts":1,"attempts":2}}"#.to_owned()),
    ] {
        let problem = rig.json(line, &body).await.is("bad_json");
        assert!(problem["detail"].as_str().unwrap().contains("duplicate"), "{body}: {problem}");
    }
    let lines = "{\"command\":\"true\",\"env\":{\"A\":\"1\",\"A\":\"2\"}}\n";
    let refused = rig.batch("", lines).await;
    assert!(refused.status == 422 && refused.text.contains("duplicate"), "{refused:?}");
}

#[tokio::test]
async fn refusals_for_want_of_a_right_are_noted() {
    let rig = Rig::new();
    let reader = rig.token("reader", &["read"], None);
    let ask = |token: Option<&str>, line: &str| {
        let (method, path) = line.split_once(' ').unwrap();
        let mut request = http::Request::builder().method(method).uri(path);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        rig.send(request.body(Body::empty()).unwrap())
    };
    ask(None, "GET /v1/jobs").await.is("unauthenticated");
    ask(Some("ostler_guess"), "GET /v1/jobs").await.is("unauthenticated");
    ask(Some(&reader), "GET /v1/tokens").await.is("forbidden");
    assert_eq!(ask(Some(&reader), "GET /v1/jobs").await.status, 200);
    let noted = [Refusal::NoToken, Refusal::BadToken, Refusal::Scope];
    assert_eq!(rig.fake.state().refusals, noted);
}

#[tokio::test]
async fn slots_of_a_runner_are_set_and_taken_back() {
    let rig = Rig::new();
    let slots = "PUT /v1/runners/web-1/slots";
    let set = rig.json(slots, r#"{"slots":9}"#).await.json();
    assert_eq!((&set["slots"], &set["slots_set"]), (&json!(9), &json!(9)));
    for (body, told) in [
        (r#"{"slots":0}"#, "expected a whole number from 1 to 10000"),
        (r#"{"slots":-1}"#, "expected a whole number from 1 to 10000"),
        (r#"{"slots":10001}"#, "expected a whole number from 1 to 10000"),
        (r#"{"slots":1.5}"#, "expected a whole number"),
        (r#"{"slots":"4"}"#, "expected a whole number"),
        (r#"{"slots":null}"#, "slots"),
        ("{}", "slots"),
        (r#"{"slot":4}"#, "slot"),
    ] {
        let problem = rig.json(slots, body).await.is("invalid_field");
        assert!(problem.to_string().contains(told), "{body}: {problem}");
    }
    let back = rig.ask("DELETE /v1/runners/web-1/slots").await.json();
    assert_eq!((&back["slots"], &back["slots_set"]), (&json!(4), &json!(null)));
    rig.json("PUT /v1/runners/web-9/slots", r#"{"slots":9}"#).await.is("not_found");
    rig.fake.state().runners[0].slots = 0;
    let problem = rig.json(slots, r#"{"slots":9}"#).await.is("conflict_state");
    assert!(problem["detail"].as_str().unwrap().contains("start it with --job-slots"), "{problem}");
}

#[tokio::test]
async fn runners_are_removed() {
    let rig = Rig::new();
    let problem = rig.ask("DELETE /v1/runners/web-1").await.is("conflict_state");
    let told = "the runner \"web-1\" is connected; drain it and stop it there first, or remove it with now=true";
    assert!(problem["detail"].as_str().unwrap().starts_with(told), "{problem}");
    rig.ask("DELETE /v1/runners/web-1?now=yes").await.is("bad_query");
    let removed = rig.ask("DELETE /v1/runners/web-1?now=true").await;
    assert_eq!(removed.status, StatusCode::NO_CONTENT);
    rig.ask("DELETE /v1/runners/web-1").await.is("not_found");
    rig.ask("DELETE /v1/runners/local").await.is("conflict_state");
}

#[tokio::test]
async fn tokens_are_listed_by_their_names() {
    let rig = Rig::new();
    for name in ["m", "z", "a", "B"] {
        let body = format!(r#"{{"name":"{name}","scopes":["read"]}}"#);
        assert_eq!(rig.json("POST /v1/tokens", &body).await.status, StatusCode::CREATED);
    }
    rig.ask("DELETE /v1/tokens/m").await;
    let listed = rig.ask("GET /v1/tokens").await.json();
    let names: Vec<_> = listed["tokens"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["B", "a", "first", "m", "z"]);
}

#[tokio::test]
async fn tokens_that_cannot_be_are_refused() {
    let rig = Rig::new();
    for (body, place) in [
        (r#"{}"#, "/name"),
        (r#"{"name":"a b","scopes":["read"]}"#, "/name"),
        (r#"{"name":"a","scopes":[]}"#, "/scopes"),
        (r#"{"name":"a","scopes":["fly"]}"#, "/scopes/0"),
        (r#"{"name":"a","scopes":["admin"],"tenant":"t"}"#, "/tenant"),
        (r#"{"name":"a","scopes":["read"],"expires":"0s"}"#, "/expires"),
        (r#"{"name":"a","scopes":["read"],"expires":"never"}"#, "/expires"),
    ] {
        let problem = rig.json("POST /v1/tokens", body).await.is("invalid_field");
        assert_eq!(problem["pointer"], place, "{problem}");
    }
    rig.json("POST /v1/tokens", r#"{"name":"first","scopes":["read"]}"#).await.is("conflict_state");
    rig.ask("DELETE /v1/tokens/nobody").await.is("not_found");
}

#[tokio::test]
async fn a_payload_is_uploaded_given_to_a_job_and_read_back_in_parts() {
    let rig = Rig::new();
    let upload = rig.request("PUT /v1/payloads").body(Body::from("0123456789")).unwrap();
    let answer = rig.send(upload).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    let name = "84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882";
    assert_eq!(answer.text, format!(r#"{{"sha256":"{name}","bytes":10}}"#));
    let body = format!(r#"{{"command":"cat","stdin":{{"payload":"{name}"}}}}"#);
    rig.json("POST /v1/jobs", &body).await;
    let whole = rig.ask("GET /v1/jobs/1/stdin").await;
    assert_eq!(
        (whole.text.as_str(), whole.header("content-type")),
        ("0123456789", "application/octet-stream")
    );
    let part = async |range: &str| {
        let request = rig.request("GET /v1/jobs/1/stdin").header("range", range);
        rig.send(request.body(Body::empty()).unwrap()).await
    };
    let answer = part("bytes=2-4").await;
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::PARTIAL_CONTENT, "234"));
    assert_eq!(answer.header("content-range"), "bytes 2-4/10");
    let answer = part("bytes=10-").await;
    answer.is("range_not_satisfiable");
    assert_eq!(answer.header("content-range"), "bytes */10");
}

#[tokio::test]
async fn standard_input_in_the_record_is_read_back() {
    let rig = Rig::new();
    rig.json("POST /v1/jobs", r#"{"command":"cat","stdin":{"base64":"aGkK"}}"#).await;
    rig.json("POST /v1/jobs", r#"{"command":"cat","stdin":"text"}"#).await;
    rig.json("POST /v1/jobs", r#"{"module":"noop"}"#).await;
    assert_eq!(rig.ask("GET /v1/jobs/1/stdin").await.text, "hi\n");
    assert_eq!(rig.ask("GET /v1/jobs/2/stdin").await.text, "text");
    assert_eq!(rig.ask("GET /v1/jobs/3/stdin").await.text, "");
}

#[tokio::test]
async fn a_payload_is_for_the_tenants_that_uploaded_it() {
    let rig = Rig::new();
    let [shop, bank] = ["shop", "bank"].map(|it| rig.token(it, &["submit", "read"], Some(it)));
    let send = |token: &str, line: &str, kind: &str, body: String| {
        let request = rig.request(line).header("content-type", kind);
        let mut request = request.body(Body::from(body)).unwrap();
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        rig.send(request)
    };
    let bytes = "application/octet-stream";
    let up = send(&shop, "PUT /v1/payloads", bytes, "secret".into()).await.json();
    let name = up["sha256"].as_str().unwrap().to_owned();
    let job = format!(r#"{{"command":"cat","stdin":{{"payload":"{name}"}}}}"#);
    let json = "application/json";
    // The same as if it were not there.
    send(&bank, "POST /v1/jobs", json, job.clone()).await.is("conflict_state");
    assert_eq!(send(&shop, "POST /v1/jobs", json, job.clone()).await.status, 202);
    assert_eq!(send(&rig.admin, "POST /v1/jobs", json, job.clone()).await.status, 202);
    send(&bank, "PUT /v1/payloads", bytes, "secret".into()).await;
    assert_eq!(send(&bank, "POST /v1/jobs", json, job).await.status, 202, "it has them itself");
}

#[tokio::test]
async fn a_payload_without_room_is_refused_at_once_and_by_name() {
    let rig = Rig::new();
    rig.fake.state().room = Some((8, Full::Tenant(77)));
    // Nothing of it comes, and nothing of it is waited for.
    let (_pipe, sent) = body::pipe();
    let sent = Told(sent, 1_000_000);
    let request = rig.request("POST /v1/payloads").body(Body::new(sent)).unwrap();
    let problem = rig.send(request).await.is("files_full");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("77 bytes") && detail.contains("jobs.files_max"), "{detail}");
    let fits = rig.request("POST /v1/payloads").body(Body::from("12345678")).unwrap();
    assert_eq!(rig.send(fits).await.status, StatusCode::CREATED);
    // One of no told length is heard of as it comes: with its end, or with a piece.
    for size in [9, 1 << 20] {
        let sent = Told(Body::from(vec![b'x'; size]), 0);
        let request = rig.request("POST /v1/payloads").body(Body::new(sent)).unwrap();
        rig.send(request).await.is("files_full");
    }
    rig.fake.state().room = Some((0, Full::Disk));
    let none = rig.request("POST /v1/payloads").body(Body::from("1")).unwrap();
    let problem = rig.send(none).await.is("store_unavailable");
    assert!(problem["detail"].as_str().unwrap().contains("limits.disk_reserve"));
}

/// A body with a told length.
struct Told(Body, u64);

impl http_body::Body for Told {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.0).poll_frame(context)
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(self.1)
    }
}

#[tokio::test]
async fn a_payload_that_is_too_large_or_breaks_off_leaves_nothing() {
    let rig = Rig::with_payloads(8);
    let whole = rig.request("POST /v1/payloads").body(Body::from("0123456789")).unwrap();
    rig.send(whole).await.is("too_large");
    let (pipe, sent) = body::pipe();
    let send = async {
        pipe.send(Ok("12345".into())).await.unwrap();
        pipe.send(Ok("67890".into())).await.unwrap();
    };
    let request = rig.request("POST /v1/payloads").body(sent).unwrap();
    let (answer, ()) = tokio::join!(rig.send(request), send);
    answer.is("too_large");
    let (pipe, sent) = body::pipe();
    let broken = async {
        pipe.send(Ok("123".into())).await.unwrap();
        pipe.send(Err(std::io::ErrorKind::ConnectionReset.into())).await.unwrap();
    };
    let request = rig.request("POST /v1/payloads").body(sent).unwrap();
    let (answer, ()) = tokio::join!(rig.send(request), broken);
    answer.is("bad_json");
    while std::fs::read_dir(rig.fake.folder.path()).unwrap().count() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_backup_is_written_to_a_new_file() {
    let rig = Rig::new();
    let path = rig.fake.folder.path().join("copy.db");
    let body = format!(r#"{{"path":{path:?}}}"#);
    assert_eq!(rig.json("POST /v1/backup", &body).await.json()["bytes"], 4);
    rig.json("POST /v1/backup", &body).await.is("conflict_state");
    rig.json("POST /v1/backup", r#"{"path":"copy.db"}"#).await.is("invalid_field");
    rig.json("POST /v1/backup", r#"{"path":"/no/such/folder/copy.db"}"#).await.is("conflict_state");
}

#[tokio::test]
async fn the_state_of_the_whole_says_whether_jobs_are_taken() {
    let rig = Rig::new();
    rig.submit().await;
    let status = rig.ask("GET /v1/status").await.json();
    assert_eq!((&status["accepting"], &status["jobs"]["pending"]), (&true.into(), &1.into()));
    rig.fake.state().down = Some("the disk is full".into());
    let status = rig.ask("GET /v1/status").await.json();
    assert_eq!(
        (&status["accepting"], &status["problem"]),
        (&false.into(), &"the disk is full".into())
    );
}

#[tokio::test]
async fn a_failed_store_fails_every_question_the_same_way() {
    let rig = Rig::new();
    rig.fake.state().down = Some("the disk does not read".into());
    for line in [
        "GET /v1/jobs",
        "GET /v1/jobs/1",
        "POST /v1/jobs/1/kill",
        "GET /v1/audit",
        "GET /v1/jobs/1/log",
        "POST /v1/runners/web-1/drain",
    ] {
        rig.ask(line).await.is("store_unavailable");
    }
    let head = rig.begin(rig.request("GET /v1/jobs").body(Body::empty()).unwrap()).await;
    assert_eq!(head.headers()["retry-after"], "1");
    assert!(!head.into_body().collect().await.unwrap().to_bytes().is_empty());
}

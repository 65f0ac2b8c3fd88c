//! Who may do what.

use axum::body::Body;
use http::{Request, StatusCode};
use ostler_machine::shutdown::Shutdown;

use super::{Answer, Rig, fake::Fake};
use crate::{Config, ConnectionInfo};

/// Every operation, the scope that it takes, and a body for those that read one.
const OPERATIONS: &[(&str, &str, &str)] = &[
    ("POST /v1/jobs", "submit", r#"{"command":"a"}"#),
    ("POST /v1/payloads", "submit", "bytes"),
    ("PUT /v1/payloads", "submit", "bytes"),
    ("GET /v1/jobs", "read", ""),
    ("GET /v1/jobs/1", "read", ""),
    ("GET /v1/jobs/1/log", "read", ""),
    ("GET /v1/jobs/1/stdin", "read", ""),
    ("GET /v1/runners", "read", ""),
    ("GET /v1/status", "read", ""),
    ("GET /v1/openapi.json", "read", ""),
    ("GET /v1/schedules", "read", ""),
    ("GET /v1/schedules/s", "read", ""),
    ("GET /v1/schedules/s/firings", "read", ""),
    ("PUT /v1/schedules/s", "submit", r#"{"cron":"@daily","job":{"command":"a"}}"#),
    ("POST /v1/schedules/s/pause", "operate", ""),
    ("POST /v1/schedules/s/resume", "operate", ""),
    ("POST /v1/schedules/s/run", "operate", ""),
    ("POST /v1/schedules/s/cursor", "operate", r#"{"to":"2026-11-25T01:02:03Z"}"#),
    ("DELETE /v1/schedules/s", "operate", ""),
    ("POST /v1/jobs/1/pause", "operate", ""),
    ("POST /v1/jobs/1/resume", "operate", ""),
    ("POST /v1/jobs/1/move", "operate", r#"{"host":null}"#),
    ("PATCH /v1/jobs/1", "operate", r#"{"within":"1h"}"#),
    ("POST /v1/jobs/actions", "operate", r#"{"action":"pause","ids":[]}"#),
    ("POST /v1/jobs/1/cancel", "operate", ""),
    ("POST /v1/jobs/1/retry", "operate", ""),
    ("POST /v1/jobs/1/kill", "operate", ""),
    ("POST /v1/runners/web-1/drain", "operate", ""),
    ("POST /v1/runners/web-1/undrain", "operate", ""),
    ("DELETE /v1/runners/web-1", "admin", ""),
    ("DELETE /v1/jobs/1", "operate", ""),
    ("GET /v1/audit", "admin", ""),
    ("GET /v1/tokens", "admin", ""),
    ("POST /v1/tokens", "admin", r#"{"name":"n","scopes":["read"]}"#),
    ("DELETE /v1/tokens/nobody", "admin", ""),
    ("POST /v1/backup", "admin", r#"{"path":"relative"}"#),
];

fn request(line: &str, token: Option<&str>, body: &str) -> Request<Body> {
    let (method, path) = line.split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(path);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    request.header("content-type", "application/json").body(Body::from(body.to_owned())).unwrap()
}

#[tokio::test]
async fn a_tenant_does_not_submit_where_its_commands_would_be_the_gateways_own() {
    let config = Config {
        payload_max: 1 << 20,
        tenants_share_user: true,
        zone: "UTC".to_owned(),
        zone_data: "built in".to_owned(),
    };
    let rig = Rig::with_config(Fake::new(), Shutdown::new(), config);
    let shop = r#"{"name":"shop","scopes":["submit","read"],"tenant":"shop"}"#;
    let problem = rig.json("POST /v1/tokens", shop).await.is("forbidden");
    assert!(problem["detail"].as_str().unwrap().contains("runner.job_user"), "{problem}");
    // One that looks only, or that is nobody's in particular, is as good as ever.
    let reads = r#"{"name":"reads","scopes":["read"],"tenant":"shop"}"#;
    assert_eq!(rig.json("POST /v1/tokens", reads).await.status, 201);
    let all = r#"{"name":"all","scopes":["submit"]}"#;
    assert_eq!(rig.json("POST /v1/tokens", all).await.status, 201);
    assert_eq!(rig.json("POST /v1/jobs", r#"{"command":"true"}"#).await.status, 202);
    // Nor does a token that was made before.
    let token = rig.token("old", &["submit"], Some("shop"));
    let request = Request::post("/v1/jobs").header("authorization", format!("Bearer {token}"));
    let request = request.header("content-type", "application/json");
    rig.send(request.body(Body::from(r#"{"command":"true"}"#)).unwrap()).await.is("forbidden");
}

#[tokio::test]
async fn only_an_admin_takes_more_of_the_processor_than_others() {
    let rig = Rig::new();
    let token = rig.token("submits", &["submit"], None);
    let submit = |token: String, nice: i32| {
        let request = Request::post("/v1/jobs").header("authorization", format!("Bearer {token}"));
        let request = request.header("content-type", "application/json");
        let body = format!(r#"{{"command":"true","nice":{nice}}}"#);
        rig.send(request.body(Body::from(body)).unwrap())
    };
    let problem = submit(token.clone(), -1).await.is("invalid_field");
    assert_eq!(problem["pointer"], "/nice", "{problem}");
    assert_eq!(submit(token, 5).await.status, 202);
    assert_eq!(submit(rig.admin.clone(), -20).await.status, 202);
}

#[tokio::test]
async fn every_operation_takes_its_scope_and_no_other() {
    let rig = Rig::new();
    rig.submit().await;
    for scope in ["submit", "read", "operate", "admin"] {
        let token = rig.token(scope, &[scope], None);
        for (line, needed, body) in OPERATIONS {
            let answer = rig.send(request(line, Some(&token), body)).await;
            if scope == *needed || scope == "admin" {
                let refused =
                    matches!(answer.status, StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED);
                assert!(!refused, "{scope}: {line}: {answer:?}");
            } else {
                let problem = answer.is("forbidden");
                assert!(problem["detail"].as_str().unwrap().contains(needed), "{line}: {problem}");
            }
        }
        rig.fake.state().jobs.clear();
        rig.json("POST /v1/jobs", r#"{"command":"a"}"#).await;
        let again = rig.fake.state().jobs.pop_first().map(|(_, job)| job);
        rig.fake.state().jobs.insert(
            ostler_job::JobId(1),
            again
                .map(|mut job| {
                    job.id = ostler_job::JobId(1);
                    job
                })
                .unwrap(),
        );
    }
}

#[tokio::test]
async fn a_request_without_a_good_token_is_told_what_to_send() {
    let rig = Rig::new();
    for (line, _, body) in OPERATIONS {
        let answer = rig.send(request(line, None, body)).await;
        answer.is("unauthenticated");
        assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"ostler\"", "{line}");
        rig.send(request(line, Some("ostler_wrong"), body)).await.is("unauthenticated");
    }
    // A good token counts in one scheme, however it is written.
    let good = rig.admin.clone();
    let taken = [format!("Bearer {good}"), format!("bearer {good}"), format!("BEARER  {good}")];
    let refused = ["Basic YTpi".to_owned(), format!("Basic {good}"), format!("Token {good}"), good];
    let ask = |value: &String| {
        Request::get("/v1/jobs").header("authorization", value).body(Body::empty()).unwrap()
    };
    for value in &taken {
        assert_eq!(rig.send(ask(value)).await.status, StatusCode::OK, "{value}");
    }
    for value in &refused {
        rig.send(ask(value)).await.is("unauthenticated");
    }
}

#[tokio::test]
async fn a_revoked_or_expired_token_is_good_for_nothing() {
    let rig = Rig::new();
    let made =
        rig.json("POST /v1/tokens", r#"{"name":"t","scopes":["read"],"expires":"1h"}"#).await;
    assert_eq!(made.status, StatusCode::CREATED);
    let text = made.json()["token"].as_str().unwrap().to_owned();
    assert!(text.starts_with("ostler_") && text.len() == 50, "{text}");
    let look = async || rig.send(request("GET /v1/jobs", Some(&text), "")).await;
    assert_eq!(look().await.status, StatusCode::OK);
    assert_eq!(rig.ask("DELETE /v1/tokens/t").await.status, StatusCode::NO_CONTENT);
    look().await.is("unauthenticated");
    assert!(!rig.ask("GET /v1/tokens").await.text.contains(&text), "a token's text was kept");
}

#[tokio::test]
async fn a_tenants_token_sees_and_touches_its_own_jobs_only() {
    let rig = Rig::new();
    rig.json("POST /v1/jobs", r#"{"command":"a","tenant":"other"}"#).await;
    let scopes = ["submit", "read", "operate"];
    let token = rig.token("ours", &scopes, Some("ours"));
    let ask = async |line: &str, body: &str| rig.send(request(line, Some(&token), body)).await;
    let own = ask("POST /v1/jobs", r#"{"command":"b"}"#).await.json();
    assert_eq!((&own["id"], &own["tenant"]), (&2.into(), &"ours".into()));
    let problem = ask("POST /v1/jobs", r#"{"command":"b","tenant":"other"}"#).await.is("forbidden");
    assert_eq!(problem["pointer"], "/tenant");
    for line in [
        "GET /v1/jobs/1",
        "GET /v1/jobs/1/log",
        "GET /v1/jobs/1/log/events",
        "GET /v1/jobs/1/stdin",
        "POST /v1/jobs/1/cancel",
        "POST /v1/jobs/1/kill",
        "DELETE /v1/jobs/1",
    ] {
        ask(line, "").await.is("not_found");
    }
    ask("POST /v1/jobs/1/move", r#"{"host":null}"#).await.is("not_found");
    ask("PATCH /v1/jobs/1", r#"{"within":"1h"}"#).await.is("not_found");
    let listed = ask("GET /v1/jobs", "").await.json();
    assert_eq!(listed["jobs"].as_array().unwrap().len(), 1);
    let listed = ask("GET /v1/jobs?tenant=other", "").await.json();
    assert!(listed["jobs"].as_array().unwrap().is_empty());
    let told = ask("POST /v1/jobs/actions", r#"{"action":"pause","ids":[1,2]}"#).await.json();
    assert_eq!((&told["done"], &told["refused"][0]["id"]), (&1.into(), &1.into()));
    let told = ask("POST /v1/jobs/actions", r#"{"action":"cancel","filter":{"tenant":"other"}}"#)
        .await
        .json();
    assert_eq!(told["done"], 0);
    ask("POST /v1/jobs/actions", r#"{"action":"cancel","filter":{}}"#).await;
    assert_eq!(rig.ask("GET /v1/jobs/1").await.json()["state"], "pending");
    ask("POST /v1/runners/web-1/drain", "").await.is("forbidden");
    rig.fake.state().runners[0].held = [1, 2].map(ostler_job::JobId).into();
    let runs = |listed: Answer| listed.json()["runners"][0]["running"].clone();
    assert_eq!(runs(ask("GET /v1/runners", "").await), serde_json::json!([2]));
    assert_eq!(runs(rig.ask("GET /v1/runners").await), serde_json::json!([1, 2]));
    let status = ask("GET /v1/status", "").await.json();
    assert!(status["jobs"].is_null() && status["oldest_runnable_seconds"].is_null(), "{status}");
    assert!(status["schedules"].is_null() && status["schedules_overdue"].is_null(), "{status}");
    assert_eq!((&status["zone"], &status["zone_data"]), (&"UTC".into(), &"built in".into()));
    let status = rig.ask("GET /v1/status").await.json();
    assert!(status["oldest_runnable_seconds"].is_number(), "{status}");
    let states = serde_json::json!({ "active": 4, "paused": 3, "faulty": 2, "ended": 1 });
    assert_eq!((&status["schedules"], &status["schedules_overdue"]), (&states, &2.into()));
}

#[tokio::test]
async fn forms_that_a_client_does_not_take_are_not_made() {
    let rig = Rig::new();
    let accept = async |value: &str| {
        let request = rig.request("GET /v1/status").header("accept", value);
        rig.send(request.body(Body::empty()).unwrap()).await
    };
    accept("text/html").await.is("not_acceptable");
    accept("application/json;q=0").await.is("not_acceptable");
    for good in ["*/*", "application/*", "text/html, application/json;q=0.5", "Application/JSON"] {
        assert_eq!(accept(good).await.status, StatusCode::OK, "{good}");
    }
}

#[tokio::test]
async fn a_requests_id_is_passed_or_made() {
    let rig = Rig::new();
    let request = rig.request("GET /v1/jobs/1").header("x-request-id", "abc-1");
    let answer = rig.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.is("not_found")["request_id"], "abc-1");
    assert_eq!(rig.ask("GET /v1/jobs").await.header("x-request-id").len(), 32);
}

/// A body of which the rest comes when the other end is told so.
fn half(first: &'static str) -> (crate::body::Pipe, Body) {
    let (pipe, body) = crate::body::pipe();
    pipe.try_send(Ok(first.into())).unwrap();
    (pipe, body)
}

#[tokio::test]
async fn what_is_still_to_come_of_a_request_comes_with_a_good_token_or_is_not_done() {
    for (line, kind, first, rest) in [
        ("POST /v1/jobs", "application/json", "{\"command\":", "\"true\"}"),
        ("POST /v1/jobs", "application/x-ndjson", "{\"command\":", "\"true\"}\n"),
        ("POST /v1/jobs?partial=true", "application/x-ndjson", "{\"command\":", "\"true\"}\n"),
        ("POST /v1/tokens", "application/json", "{\"name\":\"more\",", "\"scopes\":[\"admin\"]}"),
        ("POST /v1/jobs/actions", "application/json", "{\"action\":\"retry\",", "\"ids\":[]}"),
        ("PUT /v1/payloads", "application/octet-stream", "by", "tes"),
        ("POST /v1/jobs/1/move", "application/json", "{\"host\":", "null}"),
        ("POST /v1/backup", "application/json", "{\"path\":", "\"/nowhere/at/all\"}"),
    ] {
        let rig = Rig::new();
        let token = rig.token("lent", &["admin"], None);
        let (pipe, body) = half(first);
        let (method, path) = line.split_once(' ').unwrap();
        let request = Request::builder().method(method).uri(path).header("content-type", kind);
        let request = request.header("authorization", format!("Bearer {token}")).body(body);
        let revoke = async {
            while pipe.capacity() < pipe.max_capacity() {
                tokio::task::yield_now().await;
            }
            assert_eq!(rig.ask("DELETE /v1/tokens/lent").await.status, StatusCode::NO_CONTENT);
            // Whoever reads it may be gone by then.
            let _ = pipe.send(Ok(rest.into())).await;
            drop(pipe);
        };
        let (answer, ()) = tokio::join!(rig.begin(request.unwrap()), revoke);
        let partial = line.ends_with("partial=true");
        let expected = if partial { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
        assert_eq!(answer.status(), expected, "{line}");
        let _ = http_body_util::BodyExt::collect(answer.into_body()).await;
        assert!(rig.fake.state().jobs.is_empty(), "{line}: {kind}");
        assert!(rig.fake.state().tokens.iter().all(|token| token.name != "more"), "{line}");
    }
}

#[tokio::test]
async fn a_field_that_may_be_there_once_is_there_once() {
    let rig = Rig::new();
    for (name, first, second) in [
        ("authorization", "", "Bearer other"),
        ("content-type", "application/json", "text/plain"),
        ("idempotency-key", "a", "b"),
        ("idempotency-key", "a", "a"),
        ("last-event-id", "1", "2"),
        ("range", "bytes=0-1", "bytes=2-3"),
    ] {
        let mut request = rig.request("POST /v1/jobs");
        if !first.is_empty() {
            request = request.header(name, first);
        }
        let body = Body::from(r#"{"command":"true"}"#);
        let problem = rig.send(request.header(name, second).body(body).unwrap()).await;
        assert_eq!(problem.is("bad_query")["errors"][0]["parameter"], name);
    }
    assert!(rig.fake.state().jobs.is_empty());
}

#[tokio::test]
async fn a_body_that_was_packed_is_not_taken_for_what_it_is_not() {
    let rig = Rig::new();
    let lines = [
        ("POST /v1/jobs", "application/json"),
        ("PUT /v1/payloads", "application/octet-stream"),
        ("GET /v1/status", "application/json"),
    ];
    for (line, kind) in lines {
        let request = |coding: &str| {
            let request = rig.request(line).header("content-type", kind);
            let body = Body::from(r#"{"command":"true"}"#);
            rig.send(request.header("content-encoding", coding).body(body).unwrap())
        };
        for coding in ["gzip", "br", "identity, gzip", ""] {
            request(coding).await.is("unsupported_media_type");
        }
        assert!(request("Identity").await.status.is_success());
    }
}

#[tokio::test]
async fn while_no_token_can_be_known_nobody_is_told_that_his_is_wrong() {
    let rig = Rig::new();
    rig.fake.state().tokens.clear();
    rig.fake.state().unread = Some("/state/jobs.db is damaged".into());
    for (loopback, shown) in [(true, true), (false, false)] {
        for line in ["GET /v1/status", "POST /v1/jobs", "GET /v1/tokens", "GET /v1/jobs/7/log"] {
            let connection = ConnectionInfo { loopback, peer: None };
            let request = rig.request(line).extension(connection).body(Body::empty()).unwrap();
            let answer = rig.send(request).await;
            let problem = answer.is("store_unavailable");
            let detail = problem["detail"].as_str().unwrap();
            assert_eq!(detail.contains("/state/jobs.db is damaged"), shown, "{detail}");
            assert!(answer.headers.contains_key("retry-after"));
        }
    }
    assert!(rig.fake.state().refusals.is_empty(), "nobody was refused for want of a right");
    let request = Request::get("/v1/status").body(Body::empty()).unwrap();
    rig.send(request).await.is("unauthenticated");
    rig.fake.state().unread = None;
    rig.ask("GET /v1/status").await.is("unauthenticated");
}

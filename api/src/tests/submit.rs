//! One job at a time.

use std::collections::BTreeSet;

use axum::body::Body;
use http::{Request, StatusCode};
use ostler_job::{
    JobId, Span, Wall,
    durable::{
        Command, Dedupe, DedupeScope, Delivery, Input, JobState, OnRetry, QueueName, Reason,
        ResourceMode, Resources, Retry, Spec, Terminate, Then, Work,
    },
};
use serde_json::Value;

use super::Rig;
use crate::parse::{
    shape::{Field, Fielded as _},
    submit::Submit,
};

#[tokio::test]
async fn a_job_is_taken_and_told_where_it_is() {
    let rig = Rig::new();
    let answer =
        rig.json("POST /v1/jobs", r#"{"command":"resize  img-17.png","tags":["a"]}"#).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
    assert_eq!(answer.header("location"), "/v1/jobs/1");
    assert_eq!(answer.header("cache-control"), "no-store");
    let job = answer.json();
    assert_eq!(job["state"], "pending");
    assert_eq!(job["command"], "resize  img-17.png");
    assert_eq!(job["identity"], "resize img-#.png");
    assert_eq!(job["tenant"], "default");
    assert!(job["reason"].is_null() && job.get("reason").is_some());
}

/// Every field but the two that exclude others of them, which [`OTHERS`] has.
const EVERY: &str = r#"{"argv":["prog","a b"],"module":"shell","name":"n","tenant":"t","identity":"i","tags":["x","y"],
    "host":"web-1","queue":"mail","env":{"A":"1"},"secrets":["S"],"cwd":"/tmp","stdin":"text","merge":true,"user":"www-data","umask":"022",
    "nice":5,"limits":{"nofile":64,"as":1000},"timeout":"10m","grace":"5s","terminate":"main","mailto":"ops@example.com, root",
    "not_before":"2100-01-01T00:00:00Z","expires":"900000h","within":"5m","paused":true,"unrunnable":"accept","delivery":"at_least_once",
    "retry":{"attempts":3,"delay":"2s","delay_max":"1m","backoff":"constant","exit_codes":[75]},
    "dedupe":{"scope":"done","window":"10m","then":"coalesce"},
    "serial":"repo:42","resources":{"cache":"shared","disk":"exclusive"},"on_retry":"pass"}"#;
const OTHERS: &str =
    r#"{"command":"a","delay":"1h","delivery":"at_most_once","retry":{"attempts":1}}"#;

#[test]
fn these_tests_submit_every_field_that_there_is() {
    let mut sent = BTreeSet::new();
    for body in [EVERY, OTHERS] {
        let body: Value = serde_json::from_str(body).unwrap();
        sent.extend(body.as_object().unwrap().keys().cloned());
    }
    let declared = Submit::fields().iter().map(|field| field.name.clone()).collect();
    assert_eq!(sent, declared, "add it to EVERY, and assert what becomes of it");
}

#[tokio::test]
async fn every_field_reaches_the_driver() {
    let rig = Rig::new();
    let before = crate::view::now();
    rig.json("PUT /v1/queues/mail", "{}").await;
    let answer = rig.json("POST /v1/jobs", EVERY).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
    let job = rig.fake.state().jobs.values().next().cloned().unwrap();
    assert_eq!(job.status.state, JobState::Paused);
    let expires = job.spec.expires.unwrap();
    let lifetime = Span::from_secs(900_000 * 3600);
    assert!((before.after(lifetime)..=crate::view::now().after(lifetime)).contains(&expires));
    let text = |text: &str| Some(text.to_owned());
    let command = Command {
        argv: vec!["prog".into(), "a b".into()],
        line: None,
        env: [("A".into(), "1".into())].into(),
        secrets: vec!["S".into()],
        cwd: text("/tmp"),
        stdin: Input::Text("text".into()),
        merge: true,
        user: text("www-data"),
        umask: Some(0o22),
        nice: Some(5),
        limits: [("nofile".into(), 64), ("as".into(), 1000)].into(),
        timeout: Some(Span::from_secs(600)),
        grace: Some(Span::from_secs(5)),
        terminate: Terminate::Main,
        mailto: text("ops@example.com,root"),
    };
    let expected = Spec {
        work: Work::Shell(Box::new(command)),
        name: text("n"),
        tenant: "t".into(),
        identity: "i".into(),
        content: None,
        tags: vec!["x".into(), "y".into()],
        host: text("web-1"),
        queue: QueueName::new("mail"),
        not_before: Some(Wall(4_102_444_800_000)),
        expires: Some(expires),
        within: Some(Span::from_secs(300)),
        delivery: Delivery::AtLeastOnce,
        retry: retry_of_every(),
        dedupe: Some(Dedupe {
            scope: DedupeScope::Done,
            window: Some(Span::from_secs(600)),
            then: Then::Coalesce,
        }),
        needs: Resources {
            serial: text("repo:42"),
            resources: [
                ("cache".into(), ResourceMode::Shared),
                ("disk".into(), ResourceMode::Exclusive),
            ]
            .into(),
            on_retry: OnRetry::Pass,
        },
        firing: None,
        edited: None,
    };
    assert_eq!(job.spec, expected);
}

fn retry_of_every() -> Retry {
    let (delay, delay_max) = (Span::from_secs(2), Span::from_secs(60));
    Retry {
        attempts: 3,
        delay,
        delay_max,
        constant: true,
        exit_codes: vec![75],
        only_started: false,
    }
}

#[tokio::test]
async fn a_command_line_a_delay_and_at_most_once_reach_the_driver() {
    let rig = Rig::new();
    let before = crate::view::now();
    let answer = rig.json("POST /v1/jobs", OTHERS).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
    let spec = rig.fake.state().jobs.values().next().cloned().unwrap().spec;
    let command = spec.work.command().unwrap();
    assert_eq!(
        (&command.argv[..2], command.line.as_deref()),
        (&["/bin/sh".into(), "-c".into()][..], Some("a"))
    );
    assert_eq!(spec.delivery, Delivery::AtMostOnce);
    let hour = Span::from_secs(3600);
    let span = before.after(hour)..=crate::view::now().after(hour);
    assert!(span.contains(&spec.not_before.unwrap()), "{spec:?}");
}

#[tokio::test]
async fn every_field_comes_out_again() {
    let rig = Rig::new();
    rig.json("PUT /v1/queues/mail", "{}").await;
    rig.json("POST /v1/jobs", EVERY).await;
    let detail = rig.ask("GET /v1/jobs/1").await.json();
    let shown = serde_json::json!({
        "command": "prog 'a b'", "argv": ["prog", "a b"], "module": "shell", "name": "n", "tenant": "t", "identity": "i",
        "tags": ["x", "y"], "host": "web-1", "queue": "mail", "env": {"A": "1"}, "secrets": ["S"], "cwd": "/tmp", "merge": true,
        "user": "www-data", "umask": "022", "nice": 5, "limits": {"nofile": 64, "as": 1000}, "timeout_seconds": 600.0,
        "grace_seconds": 5.0, "terminate": "main", "mailto": "ops@example.com,root", "not_before": "2100-01-01T00:00:00.000Z", "within_seconds": 300.0,
        "state": "paused", "delivery": "at_least_once", "attempts_max": 3,
        "retry": {"attempts": 3, "delay_seconds": 2.0, "delay_max_seconds": 60.0, "backoff": "constant", "exit_codes": [75], "only_started": false},
        "dedupe": {"scope": "done", "window_seconds": 600.0, "then": "coalesce"},
        "serial": "repo:42", "resources": {"cache": "shared", "disk": "exclusive"}, "on_retry": "pass",
    });
    for (name, value) in shown.as_object().unwrap() {
        assert_eq!(&detail[name], value, "{name}");
    }
    assert!(detail["expires_at"].is_string(), "{detail}");
    // A delay is a moment when it is kept, a pause a state; what a job reads is not told.
    let elsewhere = ["expires", "delay", "paused", "unrunnable", "stdin"];
    for Field { name, .. } in Submit::fields() {
        let names = [name.clone(), format!("{name}_seconds")];
        let is_shown = names.iter().any(|name| shown.get(name).is_some());
        assert!(is_shown || elsewhere.contains(&&**name), "{name} does not come out");
    }
}

#[tokio::test]
async fn a_job_that_names_no_retry_gets_the_one_of_its_queue_and_is_told_so() {
    let rig = Rig::new();
    let answer = rig.json("POST /v1/jobs", r#"{"command":"a"}"#).await.json();
    let usual = serde_json::json!({
        "attempts": 4, "delay_seconds": 10.0, "delay_max_seconds": 3600.0, "backoff": "exponential",
        "exit_codes": [], "only_started": true,
    });
    assert_eq!((&answer["attempts_max"], &answer["retry"]), (&4.into(), &usual));
    assert_eq!(rig.ask("GET /v1/jobs/1").await.json()["retry"], usual);
    let named = rig.json("POST /v1/jobs", r#"{"command":"a","retry":{"attempts":4}}"#).await.json();
    assert_eq!(named["retry"]["delay_seconds"], 1.0, "as it was named: {named}");
    assert_eq!(named["retry"]["only_started"], false, "{named}");
}

#[tokio::test]
async fn a_submit_that_waits_and_one_that_may_run_once_are_tried_once_unless_they_ask_for_more() {
    let rig = Rig::new();
    for (ask, body, attempts) in [
        ("POST /v1/jobs?wait=1ms", r#"{"command":"a"}"#, 1),
        ("POST /v1/jobs?wait=1ms", r#"{"command":"a","retry":{"attempts":3}}"#, 3),
        ("POST /v1/jobs", r#"{"command":"a","delivery":"at_most_once"}"#, 1),
        ("POST /v1/jobs", r#"{"command":"a","delivery":"at_least_once"}"#, 4),
    ] {
        let answer = rig.json(ask, body).await.json();
        assert_eq!(answer["attempts_max"], attempts, "{ask} {body}");
    }
}

#[tokio::test]
async fn a_job_that_was_not_tried_again_says_why() {
    let rig = Rig::new();
    rig.json("POST /v1/jobs", r#"{"command":"a"}"#).await;
    rig.json("POST /v1/jobs", r#"{"command":"a","retry":{"attempts":3,"exit_codes":[75]}}"#).await;
    for (id, reason, status, says) in [
        (1, Reason::ExitStatus, Some(127), "it could not be started"),
        (1, Reason::Unstartable, None, "it could not be started"),
        (1, Reason::ExitStatus, Some(1), ""),
        (1, Reason::Lost, Some(127), ""),
        (2, Reason::ExitStatus, Some(127), "its retry is for the exit codes [75] alone"),
        (2, Reason::ExitStatus, Some(75), ""),
    ] {
        {
            let mut state = rig.fake.state();
            let status_of = &mut state.jobs.get_mut(&JobId(id)).unwrap().status;
            status_of.state = JobState::Dead;
            (status_of.failures, status_of.reason, status_of.exit_status) =
                (1, Some(reason), status);
        }
        let job = rig.ask(&format!("GET /v1/jobs/{id}")).await.json();
        let why = job["not_retried"].as_str().unwrap_or_default();
        assert_eq!((why.starts_with(says), why.is_empty()), (true, says.is_empty()), "{job}");
    }
}

#[tokio::test]
async fn all_that_is_wrong_is_told_with_its_place_and_nothing_is_stored() {
    let rig = Rig::new();
    let body = r#"{"command":7,"colour":"red","nice":50,"timeout":"soon","retry":{"attempts":0,"x":1},
        "tags":["ok",3],"not_before":"tomorrow","umask":"999","limits":{"nofile":-1},"dedupe":{"scope":"done"},
        "env":{"a/b":1},"stdin":{"base64":"!","payload":"x"}}"#;
    let answer = rig.json("POST /v1/jobs", body).await;
    let problem = answer.is("invalid_field");
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let mut places: Vec<_> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["pointer"].as_str().unwrap())
        .collect();
    places.sort_unstable();
    let expected = [
        "/colour",
        "/command",
        "/dedupe/then",
        "/env/a~1b",
        "/limits/nofile",
        "/nice",
        "/not_before",
        "/retry/attempts",
        "/retry/x",
        "/stdin",
        "/tags/1",
        "/timeout",
        "/umask",
    ];
    assert_eq!(places, expected);
    assert!(problem["detail"].is_string() && problem["pointer"].is_string());
    assert!(rig.fake.state().jobs.is_empty());
}

#[tokio::test]
async fn a_mail_to_nobody_is_none() {
    let rig = Rig::new();
    for (text, kept) in [("", None), (" ", None), ("root", Some("root"))] {
        let body = serde_json::json!({"command": "a", "mailto": text}).to_string();
        let job = rig.json("POST /v1/jobs", &body).await.json();
        let detail = rig.ask(&format!("GET /v1/jobs/{}", job["id"])).await.json();
        assert_eq!(detail["mailto"].as_str(), kept, "{text:?}");
    }
}

#[tokio::test]
async fn what_types_cannot_say_is_checked() {
    let rig = Rig::new();
    for (body, place) in [
        (r#"{}"#, "/command"),
        (r#"{"command":"a","argv":["a"]}"#, "/argv"),
        (r#"{"argv":[]}"#, "/argv"),
        (r#"{"argv":[""]}"#, "/argv/0"),
        (r#"{"command":""}"#, "/command"),
        (r#"{"command":"a\u0000b"}"#, "/command"),
        (r#"{"command":" \t\n"}"#, "/command"),
        (r#"{"argv":[" "]}"#, "/argv/0"),
        (r#"{"command":"a","delay":"2h","expires":"1h"}"#, "/expires"),
        (r#"{"command":"a","delay":"1h","expires":"1h"}"#, "/expires"),
        (r#"{"command":"a","not_before":"2100-01-01T00:00:00Z","expires":"1h"}"#, "/expires"),
        (r#"{"module":"noop","env":{}}"#, "/env"),
        (r#"{"module":"noop","command":"x"}"#, "/command"),
        (r#"{"module":"cron"}"#, "/module"),
        (r#"{"command":"a","delay":"1s","not_before":"2100-01-01T00:00:00Z"}"#, "/delay"),
        (r#"{"command":"a","timeout":"0s"}"#, "/timeout"),
        (r#"{"command":"a","cwd":"tmp"}"#, "/cwd"),
        (r#"{"command":"a","env":{"A=B":"c"}}"#, "/env/A=B"),
        (r#"{"command":"a","secrets":["a-b"]}"#, "/secrets/0"),
        (r#"{"command":"a","stdin":{"base64":"a"}}"#, "/stdin/base64"),
        (r#"{"command":"a","stdin":{"payload":"A"}}"#, "/stdin/payload"),
        (r#"{"command":"a","mailto":"-bs"}"#, "/mailto"),
        (r#"{"command":"a","mailto":"root\nBcc: x"}"#, "/mailto"),
        (r#"{"module":"noop","mailto":"root"}"#, "/mailto"),
        (r#"{"command":"a","name":""}"#, "/name"),
        (r#"{"command":"a","tags":["a\nb"]}"#, "/tags/0"),
        (r#"{"command":"a","dedupe":{"scope":"done","then":"reject"}}"#, "/dedupe/window"),
        (r#"{"command":"a","serial":""}"#, "/serial"),
        (r#"{"command":"a","resources":{"disk":"mine"}}"#, "/resources/disk"),
        (r#"{"command":"a","resources":{"":"shared"}}"#, "/resources/"),
        (r#"{"command":"a","on_retry":"hold"}"#, "/on_retry"),
        (r#"{"command":"a","retry":{"attempts":2,"exit_codes":[300]}}"#, "/retry/exit_codes/0"),
        (r#"{"command":"a","delivery":"at_most_once","retry":{"attempts":2}}"#, "/retry/attempts"),
        (r#"[]"#, ""),
    ] {
        let problem = rig.json("POST /v1/jobs", body).await.is("invalid_field");
        assert_eq!(problem["pointer"], place, "{body}: {problem}");
    }
    assert!(rig.fake.state().jobs.is_empty());
}

#[tokio::test]
async fn what_is_no_json_is_told_where() {
    let rig = Rig::new();
    for body in
        ["", "{", "{\"command\":}", "{\"command\":\"a\",\"command\":\"b\"}", "{} x", "\u{feff}{}"]
    {
        let problem = rig.json("POST /v1/jobs", body).await.is("bad_json");
        assert!(problem["detail"].as_str().unwrap().contains("column"), "{problem}");
    }
}

#[tokio::test]
async fn sizes_and_types_are_limited() {
    let rig = Rig::new();
    let long = format!(r#"{{"command":"{}"}}"#, "x".repeat(1 << 20));
    rig.json("POST /v1/jobs", &long).await.is("too_large");
    let stdin = format!(r#"{{"command":"cat","stdin":"{}"}}"#, "x".repeat(40_000));
    let problem = rig.json("POST /v1/jobs", &stdin).await.is("invalid_field");
    assert!(problem["detail"].as_str().unwrap().contains("/v1/payloads"), "{problem}");
    let request = rig.request("POST /v1/jobs").body(Body::from("{}")).unwrap();
    rig.send(request).await.is("unsupported_media_type");
}

#[tokio::test]
async fn what_does_not_exist_is_a_conflict_with_the_present() {
    let rig = Rig::new();
    let problem = rig
        .json("POST /v1/jobs", r#"{"command":"a","host":"web-9","unrunnable":"refuse"}"#)
        .await
        .is("conflict_state");
    assert_eq!(problem["pointer"], "/host");
    assert!(problem["detail"].as_str().unwrap().contains("web-1"));
    for bad in ["-x", ".", "..", "a/b", "\u{202e}a", &"a".repeat(100_000)] {
        let body = serde_json::json!({ "command": "a", "host": bad }).to_string();
        let problem = rig.json("POST /v1/jobs", &body).await.is("invalid_field");
        assert_eq!(problem["pointer"], "/host");
        assert!(problem["detail"].as_str().unwrap().len() < 400, "it is not repeated whole");
    }
    let body = format!(r#"{{"command":"a","stdin":{{"payload":"{}"}}}}"#, "0".repeat(64));
    assert_eq!(
        rig.json("POST /v1/jobs", &body).await.is("conflict_state")["pointer"],
        "/stdin/payload"
    );
}

#[tokio::test]
async fn waiting_ends_with_the_job_or_with_the_time() {
    let rig = Rig::new();
    let answer = rig.json("POST /v1/jobs?wait=10ms", r#"{"command":"a"}"#).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    let fake = rig.fake.clone();
    let finish = async {
        while fake.state().jobs.len() < 2 {
            tokio::task::yield_now().await;
        }
        fake.change(2, |status| status.state = JobState::Succeeded);
    };
    let (answer, ()) =
        tokio::join!(rig.json("POST /v1/jobs?wait=1h", r#"{"command":"b"}"#), finish);
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.json()["state"], "succeeded");
    rig.json("POST /v1/jobs?wait=x", r#"{"command":"b"}"#).await.is("bad_query");
}

#[tokio::test]
async fn nobody_waits_while_the_gateway_drains() {
    let rig = Rig::new();
    rig.shutdown.drain();
    let answer = rig.json("POST /v1/jobs?wait=1h", r#"{"command":"a"}"#).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn a_key_makes_a_submit_idempotent() {
    let rig = Rig::new();
    let submit = async |key: &str, body: &str| {
        let request = rig.request("POST /v1/jobs").header("content-type", "application/json");
        rig.send(request.header("idempotency-key", key).body(Body::from(body.to_owned())).unwrap())
            .await
    };
    let first = submit("k1", r#"{"command":"a"}"#).await;
    let again = submit("k1", r#"{"command":"a"}"#).await;
    assert_eq!((first.status, again.status), (StatusCode::ACCEPTED, StatusCode::ACCEPTED));
    assert_eq!(first.json()["id"], again.json()["id"]);
    assert_eq!(
        (first.header("idempotent-replay"), again.header("idempotent-replay")),
        ("", "true")
    );
    submit("k1", r#"{"command":"b"}"#).await.is("idempotency_mismatch");
    assert_eq!(submit("k2", r#"{"command":"a"}"#).await.json()["id"], 2);
    submit("a b", r#"{"command":"a"}"#).await.is("bad_query");
    assert_eq!(submit(&"k".repeat(255), r#"{"command":"a"}"#).await.json()["id"], 3);
    submit(&"k".repeat(256), r#"{"command":"a"}"#).await.is("bad_query");
    assert_eq!(rig.fake.state().jobs.len(), 3);
    // Another's key of the same name is another key.
    for tenant in [None, Some("shop")] {
        let token = rig.token(&format!("of-{tenant:?}"), &["submit"], tenant);
        let request = Request::post("/v1/jobs").header("authorization", format!("Bearer {token}"));
        let request = request.header("content-type", "application/json");
        let request = request.header("idempotency-key", "k1");
        let made = rig.send(request.body(Body::from(r#"{"command":"c"}"#)).unwrap()).await;
        assert_eq!(made.header("idempotent-replay"), "", "{made:?}");
        assert_eq!(made.json()["command"], "c", "{made:?}");
    }
}

#[tokio::test]
async fn superfluous_jobs_are_refused_or_stood_for() {
    let rig = Rig::new();
    rig.json("POST /v1/jobs", r#"{"command":"sync 1"}"#).await;
    let reject = r#"{"command":"sync 2","dedupe":{"scope":"queued","then":"reject"}}"#;
    let problem = rig.json("POST /v1/jobs", reject).await.is("duplicate");
    assert_eq!(problem["job"], 1);
    let coalesce =
        r#"{"command":"sync 3","dedupe":{"scope":"done","window":"1h","then":"coalesce"}}"#;
    rig.fake.change(1, |status| status.state = JobState::Succeeded);
    let answer = rig.json("POST /v1/jobs", coalesce).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("ostler-coalesced"), "true");
    assert_eq!(answer.json()["id"], 1);
}

#[tokio::test]
async fn a_full_queue_and_a_failed_store_say_when_to_try_again() {
    let rig = Rig::new();
    rig.fake.state().full = true;
    let answer = rig.json("POST /v1/jobs", r#"{"command":"a"}"#).await;
    answer.is("queue_full");
    assert_eq!(answer.header("retry-after"), "3");
    rig.fake.state().down = Some("the disk is full; make room".into());
    let answer = rig.json("POST /v1/jobs", r#"{"command":"a"}"#).await;
    assert!(answer.is("store_unavailable")["detail"].as_str().unwrap().contains("make room"));
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_whole_number_may_be_written_with_a_point() {
    let rig = Rig::new();
    let body = r#"{"command":"a","nice":5.0,"retry":{"attempts":2.0,"exit_codes":[75.0]}}"#;
    let answer = rig.json("POST /v1/jobs", body).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
    assert_eq!(answer.json()["attempts_max"], 2);
    rig.json("POST /v1/jobs", r#"{"command":"a","nice":5.5}"#).await.is("invalid_field");
}

#[tokio::test]
async fn a_large_body_that_is_all_wrong_gets_a_short_answer() {
    let rig = Rig::new();
    let list = |item: &str| vec![item; 900_000 / (item.len() + 1)].join(",");
    let table = |value: &str| -> String {
        let pairs: Vec<_> = (0..50_000).map(|n| format!("\"A={n}\":{value}")).collect();
        pairs.join(",")
    };
    for body in [
        format!("{{\"argv\":[{}]}}", list("1")),
        format!("{{\"argv\":[{}]}}", list("[]")),
        format!("{{{}}}", table("1")),
        format!("{{\"command\":\"x\",\"env\":{{{}}}}}", table("1")),
        format!("{{\"command\":\"x\",\"env\":{{{}}}}}", table("\"v\"")),
        format!("{{\"command\":\"x\",\"tags\":[{}]}}", list("\"\\u0000\"")),
        format!("{{\"command\":\"x\",\"retry\":{{\"exit_codes\":[{}]}}}}", list("9999")),
        format!("{{\"command\":\"x\",\"{}\":1}}", "k".repeat(900_000)),
        format!("{{\"command\":1,\"name\":\"{}\"}}", "\u{e9}".repeat(400_000)),
    ] {
        for path in ["POST /v1/jobs", "POST /v1/tokens", "POST /v1/jobs/actions"] {
            let answer = rig.json(path, &body).await;
            assert!(answer.status.is_client_error(), "{path}: {answer:?}");
            assert!(answer.text.len() < 20_000, "{path}: {} bytes", answer.text.len());
        }
    }
    let query = format!("GET /v1/jobs?{}", vec!["x=1"; 2000].join("&"));
    let answer = rig.ask(&query).await;
    assert!(answer.status == StatusCode::BAD_REQUEST && answer.text.len() < 20_000, "{answer:?}");
}

#[test]
fn a_request_that_is_written_anew_is_the_same() {
    let same = crate::jobs::idempotency::same_text;
    let one = same(br#"{"command":"a  b","tags":["x"]}"#);
    assert_eq!(one, same(b"{ \"tags\": [\"x\"],\r\n \"command\": \"a\\u0020 b\" }"));
    assert_ne!(one, same(br#"{"command":"a b","tags":["x"]}"#));
    assert_eq!(same(b"no json"), b"no json");
}

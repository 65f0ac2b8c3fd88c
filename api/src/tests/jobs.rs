//! Jobs found and steered.

use http::StatusCode;
use ostler_job::{
    Wall,
    durable::{JobState, Reason},
};
use serde_json::json;

use super::Rig;

#[tokio::test]
async fn pages_follow_one_another_from_the_newest() {
    let rig = Rig::new();
    for _ in 0..5 {
        rig.submit().await;
    }
    let mut ids = Vec::new();
    let mut path = "GET /v1/jobs?limit=2".to_owned();
    loop {
        let page = rig.ask(&path).await.json();
        ids.extend(page["jobs"].as_array().unwrap().iter().map(|job| job["id"].as_u64().unwrap()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("GET /v1/jobs?limit=2&cursor={next}");
    }
    assert_eq!(ids, [5, 4, 3, 2, 1]);
}

#[tokio::test]
async fn a_query_finds_by_state_and_tag_and_refuses_what_it_does_not_know() {
    let rig = Rig::new();
    rig.json("POST /v1/jobs", r#"{"command":"a","tags":["x","y"]}"#).await;
    rig.json("POST /v1/jobs", r#"{"command":"b","tags":["x"],"paused":true}"#).await;
    let count = async |query: &str| {
        let page = rig.ask(&format!("GET /v1/jobs?{query}")).await.json();
        page["jobs"].as_array().unwrap().len()
    };
    assert_eq!(count("state=waiting&tag=x").await, 2);
    assert_eq!(count("tag=x&tag=y").await, 1);
    assert_eq!(count("state=paused,running").await, 1);
    assert_eq!(count("state=finished").await, 0);
    assert_eq!(count("id=1,2&since=1h").await, 2);
    assert_eq!(count("id=1,2&since=1h&exit_status=%210").await, 0);
    let problem = rig.ask("GET /v1/jobs?colour=red&limit=0&state=done").await.is("bad_query");
    assert_eq!(problem["errors"][0]["parameter"], "colour");
    for bad in [
        "limit=0",
        "limit=1001",
        "limit=1&limit=2",
        "cursor=x",
        "state=done",
        "since=x",
        "exit_status=999",
        "id=90-5",
        "id=1-18446744073709551616",
        "id=",
        "reason=tired",
        "reason=",
        "name=",
        "host=",
        "user=",
        "finished_since=yesterday",
        "sort=tenant",
        "sort=",
        "sort=id&sort=-id",
    ] {
        rig.ask(&format!("GET /v1/jobs?{bad}")).await.is("bad_query");
    }
    rig.ask("GET /v1/jobs/1?x=1").await.is("bad_query");
    let ids = |ids: usize| (1..=ids).map(|id| id.to_string()).collect::<Vec<_>>().join(",");
    assert_eq!(count(&format!("id={}", ids(1000))).await, 2);
    rig.ask(&format!("GET /v1/jobs?id={}", ids(1001))).await.is("bad_query");
}

/// A rig with five jobs, of which the first, the third and the second finished, in this order.
async fn finished() -> Rig {
    let rig = Rig::new();
    for name in ["a-1", "a-2", "b-3", "b-4", "c"] {
        let body = format!(r#"{{"command":"a","name":"{name}","user":"u-{name}"}}"#);
        rig.json("POST /v1/jobs", &body).await;
    }
    for (id, at) in [(1, 1000), (3, 2000), (2, 2000)] {
        rig.fake.change(id, |status| {
            (status.state, status.finished_at) = (JobState::Dead, Some(Wall(at)));
            status.reason = Some(if id == 1 { Reason::Lost } else { Reason::Timeout });
        });
    }
    rig
}

async fn listed(rig: &Rig, query: &str) -> Vec<u64> {
    let page = rig.ask(&format!("GET /v1/jobs?{query}")).await.json();
    page["jobs"].as_array().unwrap().iter().map(|job| job["id"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn a_list_is_in_the_order_that_is_asked_for_on_every_page() {
    let rig = finished().await;
    for (sort, expected) in [
        ("-id", vec![5, 4, 3, 2, 1]),
        ("id", vec![1, 2, 3, 4, 5]),
        ("submitted", vec![1, 2, 3, 4, 5]),
        ("finished", vec![1, 2, 3]),
        ("-finished", vec![3, 2, 1]),
    ] {
        let first = format!("GET /v1/jobs?limit=1&sort={sort}");
        let (mut path, mut ids) = (first.clone(), Vec::new());
        loop {
            let page = rig.ask(&path).await.json();
            ids.extend(page["jobs"].as_array().unwrap().iter().map(|it| it["id"].as_u64()));
            let Some(next) = page["next"].as_str() else { break };
            path = format!("{first}&cursor={next}");
        }
        assert_eq!(ids.into_iter().flatten().collect::<Vec<_>>(), expected, "{sort}");
    }
    let page = rig.ask("GET /v1/jobs?limit=1&sort=finished").await.json();
    let other = format!("GET /v1/jobs?limit=1&cursor={}", page["next"].as_str().unwrap());
    let problem = rig.ask(&other).await.is("bad_query");
    assert!(problem["detail"].as_str().unwrap().contains("give the same sort"), "{problem}");
    let problem = rig.ask("GET /v1/jobs?sort=tenant").await.is("bad_query");
    let told = problem["detail"].as_str().unwrap();
    assert!(told.contains("\"tenant\" is no order of jobs; there are -id, id"), "{problem}");
}

#[tokio::test]
async fn jobs_are_found_by_name_user_reason_range_and_end() {
    let rig = finished().await;
    assert_eq!(listed(&rig, "name=a-*").await, [2, 1]);
    assert_eq!(listed(&rig, "name=a").await, [0; 0]);
    assert_eq!(listed(&rig, "user=u-c").await, [5]);
    assert_eq!(listed(&rig, "reason=lost,timeout").await, [3, 2, 1]);
    assert_eq!(listed(&rig, "reason=lost&reason=ok").await, [1]);
    assert_eq!(listed(&rig, "id=2-3,5-").await, [5, 3, 2]);
    assert_eq!(listed(&rig, "finished_since=1970-01-01T00:00:02Z").await, [3, 2]);
    assert_eq!(listed(&rig, "finished_until=1970-01-01T00:00:02Z").await, [1]);
    let body =
        r#"{"action":"delete","filter":{"id":["2-4"],"finished_since":"1970-01-01T00:00:02Z"}}"#;
    let answer = rig.json("POST /v1/jobs/actions", body).await.json();
    assert_eq!(answer["done"], 2, "{answer}");
    let body = r#"{"action":"delete","filter":{"id":[4,"9-7"]}}"#;
    let problem = rig.json("POST /v1/jobs/actions", body).await.is("invalid_field");
    assert_eq!(problem["pointer"], "/filter/id", "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("goes backwards"), "{problem}");
}

#[tokio::test]
async fn jobs_are_counted_by_what_they_have_in_common() {
    let rig = finished().await;
    let counted = async |query: &str| rig.ask(&format!("GET /v1/jobs/counts{query}")).await.json();
    let counts = counted("?by=state,reason").await;
    let expected = json!([
        { "state": "dead", "reason": "timeout", "jobs": 2 },
        { "state": "pending", "reason": null, "jobs": 2 },
        { "state": "dead", "reason": "lost", "jobs": 1 },
    ]);
    assert_eq!(counts, json!({ "by": ["state", "reason"], "groups": expected, "jobs": 5 }));
    let none = counted("?by=exit_status&tenant=nobody").await;
    assert_eq!(none, json!({ "by": ["exit_status"], "groups": [], "jobs": 0 }));
    let all = counted("?state=dead").await;
    assert_eq!(all, json!({ "by": [], "groups": [{ "jobs": 3 }], "jobs": 3 }));
    rig.fake.change(1, |status| status.exit_status = Some(3));
    let statuses = counted("?by=exit_status&id=1-2").await["groups"].clone();
    assert_eq!(statuses[1], json!({ "exit_status": 3, "jobs": 1 }), "{statuses}");
    for bad in ["by=", "by=colour", "by=state,state", "by=state&by=tenant", "limit=3", "id=9-1"] {
        rig.ask(&format!("GET /v1/jobs/counts?{bad}")).await.is("bad_query");
    }
    let problem = rig.ask("GET /v1/jobs/counts?by=tags").await.is("bad_query");
    let told = problem["detail"].as_str().unwrap();
    assert!(
        told.contains("\"tags\" is nothing that jobs are counted by; there are state"),
        "{told}"
    );
}

#[tokio::test]
async fn more_groups_than_an_answer_has_are_refused_with_the_cure() {
    let rig = Rig::new();
    for name in 0..=1000 {
        rig.json("POST /v1/jobs", &format!(r#"{{"command":"a","name":"{name}"}}"#)).await;
    }
    let problem = rig.ask("GET /v1/jobs/counts?by=name").await.is("bad_query");
    let told = problem["detail"].as_str().unwrap();
    assert!(told.contains("more than 1000 groups; count fewer jobs"), "{told}");
    let fewer = rig.ask("GET /v1/jobs/counts?by=name&id=2-").await.json();
    assert_eq!(fewer["groups"].as_array().unwrap().len(), 1000);
}

#[tokio::test]
async fn a_job_that_is_not_there_is_not_found() {
    let rig = Rig::new();
    for id in ["1", "abc", "-1", "99999999999999999999", "%ff"] {
        rig.ask(&format!("GET /v1/jobs/{id}")).await.is("not_found");
    }
    for verb in ["cancel", "kill", "pause", "resume", "retry"] {
        rig.ask(&format!("POST /v1/jobs/7/{verb}")).await.is("not_found");
    }
    rig.ask("DELETE /v1/jobs/7").await.is("not_found");
    rig.ask("GET /v1/jobs/7/log").await.is("not_found");
    rig.ask("GET /v1/jobs/7/log/events").await.is("not_found");
    rig.ask("GET /v1/jobs/7/stdin").await.is("not_found");
    rig.ask("GET /v2").await.is("not_found");
}

#[tokio::test]
async fn verbs_change_the_job_that_they_answer_with() {
    let rig = Rig::new();
    rig.submit().await;
    for (verb, state) in [
        ("pause", "paused"),
        ("resume", "pending"),
        ("cancel", "cancelled"),
        ("retry", "pending"),
        ("kill", "cancelled"),
    ] {
        let answer = rig.ask(&format!("POST /v1/jobs/1/{verb}")).await;
        assert_eq!((answer.status, answer.json()["state"].as_str()), (StatusCode::OK, Some(state)));
    }
    let problem = rig.ask("POST /v1/jobs/1/pause").await.is("conflict_state");
    assert_eq!(problem["job"], 1);
    assert!(problem["detail"].as_str().unwrap().contains("cancelled"));
    assert_eq!(rig.ask("DELETE /v1/jobs/1").await.status, StatusCode::NO_CONTENT);
    rig.ask("GET /v1/jobs/1").await.is("not_found");
}

#[tokio::test]
async fn only_finished_jobs_are_deleted() {
    let rig = Rig::new();
    rig.submit().await;
    rig.ask("DELETE /v1/jobs/1").await.is("conflict_state");
}

#[tokio::test]
async fn a_job_is_moved_to_a_runner_known_or_not_or_to_none() {
    let rig = Rig::new();
    rig.submit().await;
    assert_eq!(
        rig.json("POST /v1/jobs/1/move", r#"{"host":"web-1"}"#).await.json()["host"],
        "web-1"
    );
    assert!(rig.json("POST /v1/jobs/1/move", r#"{"host":null}"#).await.json()["host"].is_null());
    for body in
        ["{}", r#"{"host":7}"#, r#"{"host":"web-1","x":1}"#, r#"{"host":""}"#, r#"{"host":"-x"}"#]
    {
        rig.json("POST /v1/jobs/1/move", body).await.is("invalid_field");
    }
    // One that there is not is waited for, as by a submit.
    let unknown = r#"{"host":"web-9"}"#;
    assert_eq!(rig.json("POST /v1/jobs/1/move", unknown).await.json()["host"], "web-9");
    let of = r#""ids":[1]"#;
    for action in [
        format!(r#"{{"action":"move","host":"web-8",{of}}}"#),
        format!(r#"{{"action":"edit","set":{{"host":"web-7"}},{of}}}"#),
    ] {
        assert_eq!(rig.json("POST /v1/jobs/actions", &action).await.json()["done"], 1, "{action}");
    }
    assert_eq!(rig.json("PATCH /v1/jobs/1", unknown).await.json()["host"], "web-9");
}

#[tokio::test]
async fn many_jobs_are_steered_by_ids_and_by_filter() {
    let rig = Rig::new();
    for _ in 0..1200 {
        rig.json("POST /v1/jobs", r#"{"command":"a","tags":["x"]}"#).await;
    }
    rig.fake.change(3, |status| status.state = JobState::Dead);
    let act = async |body: &str| rig.json("POST /v1/jobs/actions", body).await.json();
    let answer = act(r#"{"action":"pause","ids":[1,2,3,9999]}"#).await;
    assert_eq!(answer["done"], 2);
    let kinds: Vec<_> = answer["refused"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["type"].as_str().unwrap())
        .collect();
    assert!(kinds[0].ends_with("/conflict_state") && kinds[1].ends_with("/not_found"), "{answer}");
    let answer =
        act(r#"{"action":"cancel","filter":{"state":["pending","paused"],"tag":"x"}}"#).await;
    assert_eq!((&answer["done"], &answer["more"]), (&1199.into(), &false.into()));
    let answer = act(r#"{"action":"cancel","filter":{"id":1.0}}"#).await;
    assert_eq!(
        answer["refused"][0]["id"], 1,
        "a whole number may be written with a point: {answer}"
    );
    let answer = act(r#"{"action":"delete","filter":{"state":"finished"}}"#).await;
    assert_eq!(answer["done"], 1200);
    assert!(rig.fake.state().jobs.is_empty());
}

#[tokio::test]
async fn a_bulk_action_that_is_unclear_does_nothing() {
    let rig = Rig::new();
    rig.submit().await;
    for (body, place) in [
        (r#"{"action":"cancel"}"#, "/ids"),
        (r#"{"action":"cancel","ids":[1],"filter":{}}"#, "/ids"),
        (r#"{"action":"sing","ids":[1]}"#, "/action"),
        (r#"{"ids":[1]}"#, "/action"),
        (r#"{"action":"cancel","ids":["x"]}"#, "/ids/0"),
        (r#"{"action":"cancel","filter":{"colour":"red"}}"#, "/filter/colour"),
        (r#"{"action":"cancel","filter":{"state":"done"}}"#, "/filter/state"),
        (r#"{"action":"cancel","host":"web-1","ids":[1]}"#, "/host"),
    ] {
        let problem = rig.json("POST /v1/jobs/actions", body).await.is("invalid_field");
        assert_eq!(problem["pointer"], place, "{problem}");
    }
    assert_eq!(rig.ask("GET /v1/jobs/1").await.json()["state"], "pending");
    let many = |ids: usize| {
        let ids: Vec<usize> = (1..=ids).collect();
        serde_json::json!({"action": "cancel", "ids": ids}).to_string()
    };
    let problem = rig.json("POST /v1/jobs/actions", &many(10_001)).await.is("invalid_field");
    assert_eq!(problem["pointer"], "/ids");
    assert_eq!(rig.json("POST /v1/jobs/actions", &many(10_000)).await.json()["done"], 1);
}

#[tokio::test]
async fn a_bulk_action_goes_no_further_when_its_token_ends() {
    for which in
        ["\"filter\":{}".to_owned(), format!("\"ids\":{:?}", (1..=1200).collect::<Vec<_>>())]
    {
        let rig = Rig::new();
        rig.submit().await;
        let one = rig.fake.state().jobs.values().next().unwrap().clone();
        for id in (1..=1200).map(ostler_job::JobId) {
            rig.fake.state().jobs.insert(id, ostler_job::durable::Job { id, ..one.clone() });
        }
        rig.fake.state().steers_left = Some(1);
        let body = format!("{{\"action\":\"cancel\",{which}}}");
        rig.json("POST /v1/jobs/actions", &body).await.is("unauthenticated");
        let is_pending = |job: &&ostler_job::durable::Job| !job.status.state.is_finished();
        let left = rig.fake.state().jobs.values().filter(is_pending).count();
        assert_eq!(left, 700, "one group is done: {which:.20}");
    }
}

#[tokio::test]
async fn methods_that_there_are_not_are_told_with_those_that_there_are() {
    let rig = Rig::new();
    let answer = rig.ask("PUT /v1/jobs").await;
    answer.is("method_not_allowed");
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    let allowed = answer.header("allow");
    assert!(
        allowed.contains("GET") && allowed.contains("HEAD") && allowed.contains("POST"),
        "{allowed}"
    );
    let answer = rig.ask("OPTIONS /v1/jobs/1").await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert!(answer.header("allow").contains("DELETE"));
    let head = rig.ask("HEAD /v1/jobs").await;
    assert_eq!((head.status, head.text.as_str()), (StatusCode::OK, ""));
    assert!(head.header("content-length").parse::<u64>().unwrap() > 0);
    let missing = rig.ask("HEAD /v1/jobs/9").await;
    assert_eq!((missing.status, missing.text.as_str()), (StatusCode::NOT_FOUND, ""));
}

#[tokio::test]
async fn what_is_done_to_many_is_never_done_to_more_than_was_said() {
    let rig = Rig::new();
    let ids = [rig.submit().await, rig.submit().await];
    let act = async |body: &str| rig.json("POST /v1/jobs/actions", body).await;
    for (filter, at) in [
        (r#"{"state":[]}"#, "/filter/state"),
        (r#"{"id":[]}"#, "/filter/id"),
        (r#"{"tag":[],"tenant":"default"}"#, "/filter/tag"),
        (r#"{"exit_status":[]}"#, "/filter/exit_status"),
    ] {
        let problem =
            act(&format!(r#"{{"action":"cancel","filter":{filter}}}"#)).await.is("invalid_field");
        assert_eq!(problem["pointer"], at, "{problem}");
    }
    let problem = act(r#"{"action":"move","filter":{}}"#).await.is("invalid_field");
    assert_eq!(problem["pointer"], "/host", "{problem}");
    for id in ids {
        assert_eq!(rig.ask(&format!("GET /v1/jobs/{id}")).await.json()["state"], "pending");
    }
    let told = act(&format!(r#"{{"action":"pause","ids":[{0},{0},{0}]}}"#, ids[0])).await.json();
    assert_eq!((&told["done"], &told["refused"]), (&1.into(), &serde_json::json!([])));
    let told = act(r#"{"action":"move","host":null,"filter":{}}"#).await.json();
    assert_eq!(told["done"], 2, "that is what it says");
}

#[tokio::test]
async fn a_body_with_a_field_twice_is_not_the_same_request() {
    let rig = Rig::new();
    let submit = async |body: &'static str| {
        let request = rig.request("POST /v1/jobs").header("content-type", "application/json");
        rig.send(request.header("idempotency-key", "k").body(body.into()).unwrap()).await
    };
    assert_eq!(submit(r#"{"command":"true"}"#).await.status, 202);
    assert_eq!(submit(r#"{ "command" : "true" }"#).await.header("idempotent-replay"), "true");
    submit(r#"{"command":"false","command":"true"}"#).await.is("idempotency_mismatch");
}

#[tokio::test]
async fn a_job_that_waits_is_edited_by_the_rules_of_a_submit() {
    let rig = Rig::new();
    rig.json("PUT /v1/queues/mail", "{}").await;
    rig.json("POST /v1/jobs", r#"{"command":"true","timeout":"1m","tags":["a"]}"#).await;
    let body = r#"{"queue":"mail","within":"2h","tags":["x","y"],"retry":{"attempts":3},"timeout":"5m",
        "host":"web-1","not_before":"2100-01-01T00:00:00Z"}"#;
    let told = rig.json("PATCH /v1/jobs/1", body).await.json();
    assert_eq!((&told["queue"], &told["host"]), (&json!("mail"), &json!("web-1")), "{told}");
    let shown = rig.ask("GET /v1/jobs/1").await.json();
    for (name, value) in [
        ("within_seconds", json!(7200.0)),
        ("tags", json!(["x", "y"])),
        ("attempts_max", json!(3)),
        ("timeout_seconds", json!(300.0)),
        ("not_before", json!("2100-01-01T00:00:00.000Z")),
    ] {
        assert_eq!(shown[name], value, "{name}");
    }
    let edited = &shown["edited"];
    assert_eq!(edited["by"], "first", "{edited}");
    assert_eq!(edited["fields"][3], "retry", "{edited}");
    let body = r#"{"within":null,"tags":[],"timeout":null,"host":null,"not_before":null}"#;
    rig.json("PATCH /v1/jobs/1", body).await;
    let shown = rig.ask("GET /v1/jobs/1").await.json();
    for name in ["within_seconds", "timeout_seconds", "not_before", "host"] {
        assert!(shown[name].is_null(), "{name}");
    }
    assert_eq!((&shown["tags"], &shown["attempts_max"]), (&json!([]), &json!(3)));
}

#[tokio::test]
async fn an_edit_with_anything_wrong_changes_nothing_and_says_what_is_wrong() {
    let rig = Rig::new();
    rig.submit().await;
    for (body, at) in [
        ("{}", ""),
        (r#"{"command":"false"}"#, "/command"),
        (r#"{"within":"0s"}"#, "/within"),
        (r#"{"within":"1h","retry":{"attempts":0}}"#, "/retry/attempts"),
        (r#"{"queue":null}"#, "/queue"),
        (r#"{"tags":null}"#, "/tags"),
        (r#"{"retry":null}"#, "/retry"),
        (r#"{"tags":[""]}"#, "/tags/0"),
        (r#"{"host":"-x"}"#, "/host"),
        (r#"{"not_before":"soon"}"#, "/not_before"),
        (r#"{"timeout":7}"#, "/timeout"),
    ] {
        let problem = rig.json("PATCH /v1/jobs/1", body).await.is("invalid_field");
        assert_eq!(problem["pointer"], at, "{problem}");
    }
    rig.json("PATCH /v1/jobs/1", r#"{"within":"1h","queue":"no"}"#).await.is("conflict_state");
    rig.json("PATCH /v1/jobs/7", r#"{"within":"1h"}"#).await.is("not_found");
    let shown = rig.ask("GET /v1/jobs/1").await.json();
    assert!(shown["edited"].is_null() && shown["within_seconds"].is_null(), "{shown}");
}

#[tokio::test]
async fn what_does_not_go_with_a_job_is_refused_with_the_cure() {
    let rig = Rig::new();
    for body in [
        r#"{"module":"noop"}"#,
        r#"{"command":"true","delivery":"at_most_once"}"#,
        r#"{"command":"true","expires":"1h"}"#,
        r#"{"command":"true"}"#,
        r#"{"command":"true"}"#,
    ] {
        rig.json("POST /v1/jobs", body).await;
    }
    rig.fake.change(4, |status| status.state = JobState::Running);
    rig.fake.change(5, |status| status.state = JobState::Succeeded);
    for (id, body, at, cure) in [
        (1, r#"{"timeout":"5m"}"#, "/timeout", "leave it out"),
        (2, r#"{"retry":{"attempts":2}}"#, "/retry/attempts", "at_most_once allows"),
        (3, r#"{"not_before":"2100-01-01T00:00:00Z"}"#, "/not_before", "make it earlier"),
        (4, r#"{"within":"1h"}"#, "", "cancel it and submit another one"),
        (5, r#"{"within":"1h"}"#, "", "retry it and edit it then"),
    ] {
        let problem = rig.json(&format!("PATCH /v1/jobs/{id}"), body).await.is("conflict_state");
        assert_eq!(problem["pointer"].as_str().unwrap_or_default(), at, "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(cure), "{problem}");
    }
    let body = r#"{"action":"edit","set":{"timeout":"5m","within":"1h"},"filter":{}}"#;
    let told = rig.json("POST /v1/jobs/actions", body).await.json();
    assert_eq!((&told["done"], &told["left"]), (&2.into(), &3.into()), "{told}");
    for (body, at) in [
        (r#"{"action":"edit","ids":[1]}"#, "/set"),
        (r#"{"action":"cancel","set":{"within":"1h"},"ids":[1]}"#, "/set"),
        (r#"{"action":"edit","set":{},"ids":[1]}"#, "/set"),
        (r#"{"action":"edit","set":{"retry":{"attempts":0}},"ids":[1]}"#, "/set/retry/attempts"),
        (r#"{"action":"edit","set":{"colour":"red"},"ids":[1]}"#, "/set/colour"),
    ] {
        let problem = rig.json("POST /v1/jobs/actions", body).await.is("invalid_field");
        assert_eq!(problem["pointer"], at, "{problem}");
    }
}

//! Why jobs wait, as people are told it by a real gateway with a real runner.

use ostler_tests::{Api, Gateway, Setup, run_ostler, wait_until};
use serde_json::{Value, json};

const QUEUES: &str = "[runner]\njob_slots = 2\n\
    [queue.held]\n[queue.one]\nconcurrency = 1\n[queue.slow]\nrate = \"1/1h\"\n";

fn start() -> (Gateway, Api) {
    let gateway = Setup::bare().more(QUEUES).args(&["--no-app"]).start();
    let api = Api::of(&gateway);
    // A job that was run proves that the runner is there.
    api.wait_finished(api.submit(&json!({ "command": "true" })));
    (gateway, api)
}

fn verb(gateway: &Gateway, words: &[&str]) -> String {
    let state = gateway.state().to_str().expect("a temporary path is text");
    let out = run_ostler(&[words, &["--state", state]].concat());
    assert!(out.status.success(), "{words:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).expect("it writes text")
}

/// A job that runs until it is killed.
fn long(api: &Api, more: &Value) -> u64 {
    let mut job = json!({ "command": "sleep 600" });
    if let (Value::Object(job), Value::Object(more)) = (&mut job, more) {
        job.extend(more.clone());
    }
    let id = api.submit(&job);
    wait_until("it runs", || api.job(id)["state"] == "running");
    id
}

fn wait_job(api: &Api, more: &Value) -> u64 {
    let mut job = json!({ "command": "true" });
    if let (Value::Object(job), Value::Object(more)) = (&mut job, more) {
        job.extend(more.clone());
    }
    api.submit(&job)
}

#[test]
fn what_waits_is_told_for_what_by_the_api_lists_and_the_command_line() {
    let (gateway, api) = start();
    verb(&gateway, &["queue", "pause", "held"]);
    let one = long(&api, &json!({ "queue": "one", "serial": "repo:42" }));
    let slow = api.submit(&json!({ "command": "true", "queue": "slow" }));
    api.wait_finished(slow);
    let expected = [
        (
            json!({ "queue": "held" }),
            "queue_paused",
            "the queue held is paused by first since 20".to_owned(),
        ),
        (
            json!({ "queue": "one" }),
            "concurrency",
            "the queue one runs 1 of the 1 jobs that it may run at once".to_owned(),
        ),
        (
            json!({ "queue": "slow" }),
            "rate",
            "the queue slow starts 1/1h and no more; its next job may start at 20".to_owned(),
        ),
        (
            json!({ "serial": "repo:42" }),
            "resource",
            format!("it waits for the serial key \"repo:42\", which job {one} has, which runs"),
        ),
        (
            json!({ "host": "nobody" }),
            "no_runner",
            "it may run on the runner nobody alone, of which nothing has been heard".to_owned(),
        ),
        (json!({ "delay": "1h" }), "not_before", "it does not start before 20".to_owned()),
        (json!({ "paused": true }), "paused", "it is paused itself".to_owned()),
    ];
    for (more, word, says) in expected {
        let id = wait_job(&api, &more);
        let job = api.job(id);
        assert_eq!(job["reason"], word, "{job}");
        assert!(job["why"].as_str().expect("a sentence").starts_with(&says), "{job}");
        let found = api.list(&format!("reason={word}"));
        assert_eq!(found.into_keys().collect::<Vec<_>>(), [id], "{word}");
        let id = id.to_string();
        let shown = verb(&gateway, &["show", &id]);
        assert!(
            shown.contains(&format!("waits for:  {word}: {says}")) || shown.contains(&says),
            "{shown}"
        );
        assert!(verb(&gateway, &["list", &format!("id={id}")]).contains(word));
        let told = verb(&gateway, &["explain", &id]);
        assert!(told.contains(&format!("({word}): {says}")), "{told}");
    }
}

#[test]
fn who_waits_for_a_slot_is_told_how_many_go_before_it_and_who_runs_that_it_does() {
    let (gateway, api) = start();
    let running = [long(&api, &json!({})), long(&api, &json!({}))];
    let waiting: Vec<u64> = (0..3).map(|_| wait_job(&api, &json!({}))).collect();
    let reasons: Vec<Value> = waiting.iter().map(|id| api.job(*id)["reason"].clone()).collect();
    assert_eq!(reasons, ["slots_busy", "behind", "behind"]);
    let explained = |id: u64| api.get(&format!("/v1/jobs/{id}/explain")).json();
    let last = explained(waiting[2]);
    assert_eq!(last["why"], "2 jobs of its tenant in the queue default go before it");
    assert_eq!(
        (&last["before"], &last["slots"], &last["slots_busy"]),
        (&json!(2), &json!(2), &json!(2))
    );
    assert_eq!(last["queues"][0]["name"], "default");
    let runs = explained(running[0]);
    assert!(
        runs["why"].as_str().expect("a sentence").starts_with("it runs on local since 20"),
        "{runs}"
    );
    assert_eq!(api.job(running[0])["reason"], Value::Null);
    // What is said to be in the way is: when it ends, the next one goes.
    verb(&gateway, &["kill", "--now", &running[0].to_string()]);
    assert_eq!(api.wait_finished(waiting[0])["state"], "succeeded");
    verb(&gateway, &["drain", "local"]);
    let id = wait_job(&api, &json!({}));
    wait_until("the runner is known to be drained", || api.job(id)["reason"] == "runner_drained");
    let told = verb(&gateway, &["explain", &id.to_string()]);
    assert!(told.contains("ostler drain RUNNER --undo"), "{told}");
}

#[test]
fn a_token_of_one_tenant_is_told_nothing_of_others() {
    let (_gateway, api) = start();
    let holder = long(&api, &json!({ "serial": "k", "tenant": "other" }));
    let id = wait_job(&api, &json!({ "serial": "k", "tenant": "shop" }));
    let scopes = json!({ "name": "shop", "scopes": ["read"], "tenant": "shop" });
    let token =
        api.post("/v1/tokens", &scopes).json()["token"].as_str().expect("a token").to_owned();
    let shop = api.with_token(&token);
    assert!(api.job(id)["why"].as_str().expect("a sentence").contains(&format!("job {holder}")));
    let told = shop.get(&format!("/v1/jobs/{id}/explain")).text();
    assert!(told.contains("a job of another tenant"), "{told}");
    assert!(!told.contains(&format!("job {holder}")) && !told.contains("other\""), "{told}");
}

//! Queues of durable jobs, by the configuration and by the API, on a real gateway with a real runner.

use ostler_tests::{Api, Gateway, Response, Setup, wait_until};
use serde_json::{Value, json};

fn setup(config: &str) -> Setup {
    Setup::bare().more(&format!("[runner]\njob_slots = 4\n{config}")).args(&["--no-app"])
}

fn body(method: &str, api: &Api, path: &str, body: &Value) -> Response {
    let text = serde_json::to_vec(body).expect("a value is written");
    api.request(method, path, "Content-Type: application/json\r\n", &text)
}

fn queue(api: &Api, name: &str) -> Value {
    api.get(&format!("/v1/queues/{name}")).json()
}

fn act(api: &Api, name: &str, verb: &str) {
    let answer = api.request("POST", &format!("/v1/queues/{name}/{verb}"), "", b"");
    assert_eq!(answer.status, 200, "{verb}: {}", answer.text());
}

#[test]
fn a_queue_that_is_paused_stays_so_whatever_restarts_and_others_go_on() {
    let gateway = setup("[queue.mail]\nweight = 2\n").start();
    let api = Api::of(&gateway);
    act(&api, "mail", "pause");
    let held = api.submit(&json!({ "command": "true", "queue": "mail" }));
    let other = api.submit(&json!({ "command": "true" }));
    assert_eq!(api.wait_finished(other)["state"], "succeeded");
    let gateway: Gateway = setup("[queue.mail]\nweight = 3\n").start_in(gateway.stop());
    let api = Api::of(&gateway);
    // By then a runner has taken whatever may start.
    let other = api.submit(&json!({ "command": "true" }));
    assert_eq!(api.wait_finished(other)["state"], "succeeded");
    let mail = queue(&api, "mail");
    assert_eq!(
        (&mail["waiting"], &mail["weight"], &mail["owner"]),
        (&1.into(), &3.into(), &"file".into())
    );
    assert_eq!(mail["paused"]["by"], "first");
    assert_eq!(api.job(held)["state"], "pending");
    wait_until("the metrics tell", || {
        gateway.metric("ostler_queue_waiting", &["queue=\"mail\""]) == 1.0
    });
    act(&api, "mail", "resume");
    assert_eq!(api.wait_finished(held)["state"], "succeeded");
    let refused = body("PUT", &api, "/v1/queues/mail", &json!({ "weight": 1 }));
    assert_eq!(refused.status, 409, "{}", refused.text());
    // Out of the file it stays as it was, and is the API's.
    let gateway = setup("").start_in(gateway.stop());
    let api = Api::of(&gateway);
    assert_eq!(queue(&api, "mail")["weight"], 3);
    assert_eq!(body("PUT", &api, "/v1/queues/mail", &json!({ "weight": 1 })).status, 200);
}

#[test]
fn a_queue_runs_as_many_jobs_at_once_as_it_may() {
    let gateway = setup("[queue.one]\nconcurrency = 1\n").start();
    let api = Api::of(&gateway);
    // Each fails when another one runs beside it.
    let lock = gateway.state().join("lock");
    let command = format!("mkdir {0} && sleep 0.05 && rmdir {0}", lock.display());
    let job = json!({ "command": command, "queue": "one", "retry": { "attempts": 1 } });
    let jobs = api.submit_all(&vec![job; 8]);
    for id in jobs {
        assert_eq!(api.wait_finished(id)["state"], "succeeded");
    }
}

#[test]
fn jobs_go_with_their_queue_when_it_is_deleted_and_get_what_it_says_for_them() {
    let gateway = setup("").start();
    let api = Api::of(&gateway);
    let shape = json!({ "timeout": "100ms", "retry": { "attempts": 1 } });
    assert_eq!(body("PUT", &api, "/v1/queues/short", &shape).status, 201);
    let job = api.submit(&json!({ "command": "sleep 60", "queue": "short" }));
    assert_eq!(api.wait_finished(job)["reason"], "timeout");
    act(&api, "short", "pause");
    let jobs = api.submit_all(&vec![json!({ "command": "true", "queue": "short" }); 3]);
    let delete = |path: &str| api.request("DELETE", path, "", b"");
    assert_eq!(delete("/v1/queues/short").status, 409);
    assert_eq!(delete("/v1/queues/short?move_to=default").status, 204);
    for id in jobs {
        let job = api.wait_finished(id);
        assert_eq!((&job["state"], &job["queue"]), (&"succeeded".into(), &"default".into()));
        assert_eq!(job["timeout_seconds"], 0.1, "what it was given when it was taken stays");
    }
    let refused = api.post("/v1/jobs", &json!({ "command": "true", "queue": "short" }));
    assert_eq!(refused.status, 409, "{}", refused.text());
    assert!(refused.text().contains("there are default"), "{}", refused.text());
}

#[test]
fn the_retry_of_its_queue_is_promised_to_a_job_when_it_is_taken_and_holds() {
    let failing = json!({ "command": "exit 1" });
    let gateway = setup("[queue.other]\nretry = 2\n").start();
    let api = Api::of(&gateway);
    let before = api.submit(&failing);
    assert_eq!(api.wait_state(before, "retrying")["attempts_max"], 4);
    let other = api.post("/v1/jobs", &json!({ "command": "exit 1", "queue": "other" })).json();
    assert_eq!(
        (&other["attempts_max"], &other["retry"]["delay_seconds"]),
        (&json!(2), &json!(10.0))
    );

    let gateway: Gateway = setup("[queue.default]\nretry = 1\n").start_in(gateway.stop());
    let api = Api::of(&gateway);
    let answer = api.post("/v1/jobs", &api.marked(&failing)).json();
    assert_eq!(answer["attempts_max"], 1, "{answer}");
    let job = api.wait_finished(answer["id"].as_u64().expect("an id is a number"));
    assert_eq!((&job["state"], &job["attempts"]), (&json!("dead"), &json!(1)), "{job}");
    let named = json!({ "command": "exit 1", "retry": { "attempts": 3, "delay": "10ms" } });
    let job = api.wait_finished(api.submit(&named));
    assert_eq!((&job["state"], &job["attempts"]), (&json!("dead"), &json!(3)), "{job}");
    let job = api.job(before);
    assert_eq!((&job["attempts_max"], job["failures"] == json!(4)), (&json!(4), false), "{job}");
}

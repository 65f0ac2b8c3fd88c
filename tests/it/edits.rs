//! Jobs that are changed while they wait, on a real gateway with a real runner.

use std::process::Command;

use ostler_tests::{Api, Gateway, Response, Setup, ostler};
use serde_json::{Value, json};

fn setup() -> Setup {
    let queues = "[queue.mail]\n[queue.bounded]\nwaiting_max = 2\n";
    Setup::bare().more(&format!("[runner]\njob_slots = 4\n{queues}")).args(&["--no-app"])
}

fn patch(api: &Api, id: u64, body: &Value) -> Response {
    let kind = "Content-Type: application/json\r\n";
    api.request("PATCH", &format!("/v1/jobs/{id}"), kind, body.to_string().as_bytes())
}

fn act(api: &Api, path: &str) {
    let answer = api.request("POST", path, "", b"");
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[test]
fn a_job_runs_as_it_was_edited_whatever_restarts_before() {
    for restarts in [false, true] {
        let mut gateway: Gateway = setup().start();
        let mut api = Api::of(&gateway);
        act(&api, "/v1/queues/mail/pause");
        let job = json!({ "command": "sleep 60", "queue": "mail", "retry": { "attempts": 3 } });
        let id = api.submit(&job);
        let edit = json!({ "timeout": "100ms", "retry": { "attempts": 1 }, "tags": ["edited"] });
        assert_eq!(patch(&api, id, &edit).status, 200);
        if restarts {
            gateway = setup().start_in(gateway.stop());
            api = Api::of(&gateway);
        }
        assert_eq!(patch(&api, id, &json!({ "queue": "default" })).status, 200);
        let job = api.wait_finished(id);
        assert_eq!((&job["reason"], &job["attempts"]), (&json!("timeout"), &json!(1)), "{job}");
        assert_eq!(job["edited"]["fields"], json!(["queue"]), "the last one is told: {job}");
        assert!(api.list("tag=edited").contains_key(&id), "it is found by its new tag");
        let refused = patch(&api, id, &json!({ "within": "1h" }));
        assert_eq!(refused.status, 409, "{}", refused.text());
        let events = api.get("/v1/events?after=0&follow=false").text();
        let told = events.lines().filter(|line| line.contains("\"kind\":\"edited\"")).count();
        assert_eq!(told, 2, "{events}");
    }
}

#[test]
fn a_job_that_runs_is_relocated_without_a_failure_and_runs_on_in_its_other_queue() {
    let gateway: Gateway = setup().start();
    let api = Api::of(&gateway);
    act(&api, "/v1/queues/mail/pause");
    let file = gateway.state().join("second");
    let command = format!("if [ -e {0} ]; then exit 0; fi; sleep 60", file.display());
    let job = json!({ "command": command, "retry": { "attempts": 1 } });
    let (id, once) =
        (api.submit(&job), json!({ "command": "sleep 60", "delivery": "at_most_once" }));
    let once = api.submit(&once);
    api.wait_state(id, "running");
    api.wait_state(once, "running");
    let refused = api.post(&format!("/v1/jobs/{id}/move"), &json!({ "queue": "mail" }));
    assert_eq!(refused.status, 409);
    assert!(refused.text().contains("with relocate it is ended"), "{}", refused.text());
    let body = json!({ "action": "move", "queue": "mail", "relocate": true, "ids": [id, once] });
    let told = api.post("/v1/jobs/actions", &body).json();
    assert_eq!((&told["done"], &told["left"]), (&json!(1), &json!(1)), "{told}");
    assert!(
        told["refused"][0]["detail"].as_str().unwrap_or_default().contains("at_most_once"),
        "{told}"
    );
    let waiting = api.wait_state(id, "pending");
    assert_eq!((&waiting["queue"], &waiting["failures"]), (&json!("mail"), &json!(0)), "{waiting}");
    let attempt = &waiting["attempts_list"][0];
    assert_eq!(attempt["reason"], "killed", "{attempt}");
    let detail = attempt["detail"].as_str().unwrap_or_default();
    assert!(detail.starts_with("it was ended to wait in the queue mail"), "{attempt}");
    std::fs::write(&file, "").expect("it is writable");
    act(&api, "/v1/queues/mail/resume");
    let job = api.wait_finished(id);
    assert_eq!((&job["state"], &job["attempts"]), (&json!("succeeded"), &json!(2)), "{job}");
    act(&api, &format!("/v1/jobs/{once}/kill"));
    api.wait_finished(once);
}

#[test]
fn the_command_line_edits_jobs_by_id_and_filter_and_says_what_was_left_and_why() {
    let gateway = setup().start();
    let api = Api::of(&gateway);
    act(&api, "/v1/queues/mail/pause");
    act(&api, "/v1/queues/bounded/pause");
    let jobs: Vec<Value> =
        (0..9).map(|_| json!({ "command": "true", "queue": "mail", "tags": ["x"] })).collect();
    let ids = api.submit_all(&jobs);
    let run = |words: &[&str]| {
        let out = Command::new(ostler())
            .args(words)
            .env("OSTLER_STATE", gateway.state())
            .env_remove("OSTLER_API")
            .env_remove("OSTLER_TOKEN")
            .output()
            .expect("the binary under test starts");
        (out.status.code(), String::from_utf8(out.stderr).expect("it writes text"))
    };
    let first = ids[0].to_string();
    let (code, told) = run(&["edit", &first, "--within", "30m", "--tag", "y", "--retries", "0"]);
    assert_eq!((code, &*told), (Some(0), "edited 1 job\n"));
    let job = api.job(ids[0]);
    assert_eq!((&job["within_seconds"], &job["tags"]), (&json!(1800.0), &json!(["y"])), "{job}");
    let (code, told) = run(&["edit", "--queue", "bounded", "-y", "tag=x"]);
    assert_eq!(code, Some(75), "it may be tried again: {told}");
    assert!(
        told.contains(" jobs, from ") && told.contains("as many jobs wait in the queue bounded"),
        "{told}"
    );
    assert!(told.contains("edited 1 job"), "half of it is one tenant's at most: {told}");
    let (code, told) = run(&["edit", &first, "--timeout", "soon"]);
    assert!(code != Some(0) && told.contains("timeout"), "{told}");
}

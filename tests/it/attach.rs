//! Queues that are attached to runners, with real ones.

use std::fs;

use nix::sys::signal::Signal;
use ostler_tests::{Api, Gateway, Runner, Setup, create_token, wait_for, wait_until};
use serde_json::{Value, json};

/// A gateway with two runners beside its own, `a` and `b`, in a zone each and in one region.
fn start() -> (Gateway, Api, [Runner; 2]) {
    let gateway = Setup::bare().more("[runner]\njob_slots = 2\n").args(&["--no-app"]).start();
    let api = Api::of(&gateway);
    let runners = ["a", "b"].map(|name| {
        let token = create_token(gateway.state(), &[]);
        let labels = format!("labels = {{ zone = \"{name}\", region = \"x\" }}");
        Runner::of(&token, name, &format!("[runner]\njob_slots = 2\n{labels}\n"))
    });
    for name in ["a", "b"] {
        wait_until("the runner takes jobs", || {
            let listed = api.get("/v1/runners").json();
            let mut all = listed["runners"].as_array().into_iter().flatten();
            all.any(|it| it["name"] == name && it["connected"] == true && it["slots"] == 2)
        });
    }
    (gateway, api, runners)
}

fn ask(api: &Api, method: &str, path: &str, body: &Value) -> Value {
    let text = serde_json::to_vec(body).expect("a value is written");
    let answer = api.request(method, path, "Content-Type: application/json\r\n", &text);
    assert!(answer.status < 300, "{path}: {}", answer.text());
    answer.json()
}

fn queue(api: &Api) -> Value {
    api.get("/v1/queues/mail").json()
}

#[test]
fn nothing_of_a_queue_begins_on_a_runner_after_it_was_detached_from_it_and_no_job_is_lost() {
    let (_gateway, api, _runners) = start();
    ask(&api, "PUT", "/v1/queues/mail", &json!({ "attach": ["zone=a", "zone=b"] }));
    let job = json!({ "command": "sleep 0.03", "queue": "mail", "retry": { "attempts": 1 } });
    let jobs = api.submit_all(&vec![job; 120]);
    wait_until("some ran on either", || {
        let done = |runner: &str| api.list(&format!("state=succeeded&runner={runner}")).len();
        done("a") > 4 && done("b") > 4
    });
    let shown = ask(&api, "POST", "/v1/queues/mail/detach", &json!({ "selectors": ["zone=a"] }));
    assert_eq!(shown["matches"], json!({ "zone=b": ["b"] }));
    let after = api.job(api.submit(&json!({ "command": "true" })))["submitted_at"].clone();
    let after = after.as_str().expect("a time").to_owned();
    let mut late = 0;
    for id in jobs {
        let job = api.wait_finished(id);
        assert_eq!((&job["state"], &job["attempts"]), (&"succeeded".into(), &1.into()), "{job}");
        let started = job["started_at"].as_str().expect("a time");
        assert!(job["runner"] == "b" || job["runner"] == "a", "{job}");
        late += u32::from(started > after.as_str());
        assert!(job["runner"] == "b" || started <= after.as_str(), "{after}: {job}");
    }
    assert!(late > 10, "it was detached while jobs waited");
}

/// A job that waits for a file, and the file.
fn gated(gateway: &Gateway, name: &str) -> (Value, std::path::PathBuf) {
    let file = gateway.state().join(name);
    let command = format!("while [ ! -e {} ]; do sleep 0.02; done", file.display());
    (json!({ "command": command, "queue": "mail" }), file)
}

#[test]
fn another_runner_takes_an_exclusive_queue_over_when_the_first_drains_once_its_jobs_are_done() {
    let (gateway, api, _runners) = start();
    let shape = json!({ "attach": ["region=x"], "exclusive": true });
    ask(&api, "PUT", "/v1/queues/mail", &shape);
    let (job, go) = gated(&gateway, "go");
    let first = api.submit(&job);
    wait_until("it runs", || api.job(first)["state"] == "running");
    let holder = api.job(first)["runner"].clone();
    assert_eq!(queue(&api)["holder"], holder);
    let other = if holder == "a" { "b" } else { "a" };
    let path = format!("/v1/runners/{}/drain", holder.as_str().expect("a name"));
    ask(&api, "POST", &path, &Value::Null);
    wait_until("the other one is to have it", || queue(&api)["holder"] == other);
    assert_eq!(queue(&api)["awaited"], json!([holder]));
    let second = api.submit(&json!({ "command": "true", "queue": "mail" }));
    // By then whatever may start has.
    let beside = api.submit(&json!({ "command": "true", "host": other }));
    assert_eq!(api.wait_finished(beside)["state"], "succeeded");
    assert_eq!(api.job(second)["state"], "pending");
    fs::write(go, "").expect("a file is written");
    assert_eq!(api.wait_finished(second)["runner"], other);
    assert_eq!(api.wait_finished(first)["runner"], holder);
    assert_eq!(queue(&api)["awaited"], json!([]));
}

#[test]
fn another_runner_takes_an_exclusive_queue_over_when_the_first_is_killed_and_what_it_had_is_lost() {
    let (gateway, api, runners) = start();
    let shape = json!({ "attach": ["region=x"], "exclusive": true });
    ask(&api, "PUT", "/v1/queues/mail", &shape);
    let seen = gateway.state().join("seen");
    let command = format!("[ -e {0} ] || {{ touch {0}; sleep 600; }}", seen.display());
    let first = api.submit(&json!({ "command": command, "queue": "mail" }));
    wait_until("it runs", || api.job(first)["state"] == "running" && seen.exists());
    let holder = api.job(first)["runner"].as_str().expect("a name").to_owned();
    let (killed, other) = if holder == "a" { (0, "b") } else { (1, "a") };
    runners[killed].signal(Signal::SIGKILL);
    let second = api.submit(&json!({ "command": "true", "queue": "mail" }));
    let done = wait_for("the lease runs out, and it runs elsewhere", || {
        Some(api.job(second)).filter(|it| it["state"] == "succeeded")
    });
    assert_eq!(done["runner"], other);
    assert_eq!(api.wait_finished(first)["runner"], other);
    assert_eq!(queue(&api)["holder"], other);
}

//! `ostler queue`, and what other verbs say of queues.

use serde_json::{Value, json};

use crate::fake::{Fake, Reply, Request};

fn queue() -> Value {
    json!({
        "name": "mail", "owner": "api", "paused": {"by": "ops", "since": "2026-01-25T01:02:03.004Z"}, "drained": null,
        "waiting": 3, "running": 1, "weight": 2, "discipline": "fifo", "concurrency": 4, "rate": null, "tenant_weights": {"shop": 3},
        "waiting_max": null, "timeout_seconds": 600.0, "keep_succeeded_seconds": null, "keep_failed_seconds": null, "user": null, "retry": null,
        "attach": [], "matches": {}, "exclusive": false, "holder": null, "awaited": [],
        "parent": null, "path": ["mail"], "guarantee": null, "ceiling": null,
        "tenant_concurrency": 2, "tenant_caps": {"shop": 5},
    })
}

fn fake() -> Fake {
    Fake::start(|request: &Request| match (request.method.as_str(), request.target.as_str()) {
        ("GET", "/v1/queues") => Reply::json(200, &json!({"queues": [queue()]})),
        ("GET", "/v1/queues/new") => {
            let problem = json!({"type": "https://ostler.dev/problems/not_found", "detail": "there is no queue"});
            Reply::json(404, &problem)
        }
        ("POST", target) if target.contains("/purge") => {
            Reply::json(200, &json!({"done": 2, "refused": [], "more": false}))
        }
        ("POST", "/v1/jobs/actions") => Reply::json(200, &json!({"done": 2, "refused": []})),
        ("DELETE", _) => Reply::new(204, "text/plain", ""),
        _ => Reply::json(200, &queue()),
    })
}

fn lines(fake: &Fake) -> Vec<String> {
    fake.asked().iter().map(Request::line).collect()
}

fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn queues_are_listed_and_shown() {
    let fake = fake();
    assert_eq!(squeezed(&fake.ostler(&["queue", "list"]).out), "mail paused 3 1 2 4 - - - - -");
    let shown = squeezed(&fake.ostler(&["queue", "show", "mail"]).out);
    for part in [
        "paused by ops",
        "waiting 3",
        "concurrency 4",
        "tenant weights shop=3",
        "each tenant 2 at once",
        "tenant caps shop=5",
        "timeout 10m",
        "owner api",
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    let json = fake.ostler(&["queue", "show", "mail", "-o", "json"]).out;
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), queue());
}

#[test]
fn queues_are_listed_below_those_that_they_are_below() {
    let fake = Fake::start(|_: &Request| {
        let queue = |name: &str, path: &[&str]| {
            let parent = path.iter().rev().nth(1);
            json!({"name": name, "parent": parent, "path": path, "guarantee": parent.map(|_| 1.5), "ceiling": null})
        };
        let queues = [
            queue("a", &["z", "a"]),
            queue("a1", &["z", "a", "a1"]),
            queue("b", &["b"]),
            queue("z", &["z"]),
        ];
        Reply::json(200, &json!({ "queues": queues }))
    });
    let out = fake.ostler(&["queue", "list"]).out;
    let names: Vec<_> =
        out.lines().map(|line| line.split(" open").next().unwrap().trim_end()).collect();
    assert_eq!(names, ["b", "z", "  a", "    a1"]);
    let fake = Fake::start(|_: &Request| {
        Reply::json(200, &json!({"name": "a", "parent": "z", "path": ["z", "a"], "guarantee": 1.5}))
    });
    let shown = squeezed(&fake.ostler(&["queue", "show", "a"]).out);
    assert!(shown.contains("path z > a") && shown.contains("guarantee 1.5 slots"), "{shown}");
}

#[test]
fn what_is_put_leaves_the_rest_as_it_is() {
    let fake = fake();
    assert_eq!(fake.ostler(&["queue", "put", "mail", "--concurrency", "9"]).code, Some(0));
    assert_eq!(fake.ostler(&["queue", "put", "new", "--rate", "100/1m"]).code, Some(0));
    let asked = fake.asked();
    let expected = json!({"weight": 2, "discipline": "fifo", "concurrency": 9, "tenant_weights": {"shop": 3},
        "attach": [], "exclusive": false, "tenant_concurrency": 2, "tenant_caps": {"shop": 5}, "timeout": "600000ms"});
    assert_eq!((asked[1].line().as_str(), asked[1].json()), ("PUT /v1/queues/mail", expected));
    assert_eq!(asked[3].json(), json!({"rate": "100/1m"}));
}

#[test]
fn queues_are_held_purged_and_deleted() {
    let fake = fake();
    fake.ostler(&["queue", "pause", "a", "b"]).with(
        0,
        "",
        "queue a is paused\nqueue b is paused\n",
    );
    fake.ostler(&["queue", "drain", "a"]).with(0, "", "queue a is drained\n");
    fake.ostler(&["queue", "resume", "a"]).with(0, "", "queue a is resumed\n");
    fake.ostler(&["queue", "purge", "-y", "mail", "tenant=shop"]).with(0, "", "cancelled 2 jobs\n");
    fake.ostler(&["queue", "delete", "mail", "--move-to", "other"]).with(
        0,
        "",
        "queue mail is deleted\n",
    );
    let expected = [
        "POST /v1/queues/a/pause",
        "POST /v1/queues/b/pause",
        "POST /v1/queues/a/drain",
        "POST /v1/queues/a/resume",
        "POST /v1/queues/mail/purge?tenant=shop",
        "DELETE /v1/queues/mail?move_to=other",
    ];
    assert_eq!(lines(&fake), expected);
}

#[test]
fn a_queue_without_a_name_is_refused_before_anything_is_asked() {
    let fake = fake();
    for words in [
        &["queue", "put", "", "--weight", "2"][..],
        &["queue", "show", ""],
        &["queue", "pause", "mail", ""],
        &["queue", "delete", "mail", "--move-to", ""],
    ] {
        let done = fake.ostler(words);
        assert!(done.err.contains("it is empty; give the queue's name, such as mail"), "{done:?}");
    }
    assert_eq!(lines(&fake), [""; 0]);
}

#[test]
fn a_queue_is_attached_and_detached_and_told_whom_nobody_is_meant_by() {
    let fake = Fake::start(|_: &Request| {
        let queue = json!({"name": "mail", "attach": ["gpu=a100"], "matches": {"gpu=a100": []}, "exclusive": true});
        Reply::json(200, &queue)
    });
    let done = fake.ostler(&["queue", "attach", "mail", "gpu=a100", "runner:r7", "--exclusive"]);
    assert!(done.err.contains("no runner has gpu=a100 now"), "{}", done.err);
    assert!(squeezed(&done.out).contains("attached to gpu=a100 (no runner now)"), "{}", done.out);
    fake.ostler(&["queue", "attach", "mail", "--shared"]);
    fake.ostler(&["queue", "detach", "mail", "gpu=a100"]);
    fake.ostler(&["queue", "detach", "mail", "--all"]);
    let asked: Vec<_> = fake.asked().iter().map(|it| (it.line(), it.json())).collect();
    let post = |verb: &str, body: Value| (format!("POST /v1/queues/mail/{verb}"), body);
    let expected = [
        post("attach", json!({"selectors": ["gpu=a100", "runner:r7"], "exclusive": true})),
        post("attach", json!({"selectors": [], "exclusive": false})),
        post("detach", json!({"selectors": ["gpu=a100"]})),
        post("detach", json!({"all": true})),
    ];
    assert_eq!(asked, expected);
    for wrong in [
        &["queue", "attach", "mail"][..],
        &["queue", "detach", "mail"],
        &["queue", "detach", "mail", "a=b", "--all"],
        &["queue", "attach", "mail", "--shared", "--exclusive"],
    ] {
        assert_eq!(fake.ostler(wrong).code, Some(64), "{wrong:?}");
    }
}

#[test]
fn jobs_are_moved_to_a_queue_singly_and_by_a_filter() {
    let fake = fake();
    fake.ostler(&["move", "--queue", "mail", "17"]).with(0, "", "moved 2 jobs\n");
    fake.ostler(&["move", "--queue", "mail", "--any", "-y", "tag=x"]).with(0, "", "moved 2 jobs\n");
    let asked = fake.asked();
    assert_eq!(asked[0].json(), json!({"action": "move", "queue": "mail", "ids": [17]}));
    let filter = json!({"tag": "x", "state": "waiting"});
    let expected = json!({"action": "move", "queue": "mail", "host": null, "filter": filter});
    assert_eq!(asked[1].json(), expected);
    assert_eq!(fake.ostler(&["move", "17"]).code, Some(64));
}

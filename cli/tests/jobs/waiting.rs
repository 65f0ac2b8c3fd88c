//! `ostler wait`: until jobs have finished.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::fake::{Fake, Reply, Request, job};

/// Answers with these jobs, of those that are asked for; they have finished from the third look on.
fn fake(jobs: Vec<Value>) -> Fake {
    let looks = AtomicUsize::new(0);
    Fake::start(move |request: &Request| {
        if !request.target.contains("id=") {
            return Reply::json(200, &json!({"jobs": jobs, "next": null}));
        }
        let ids = request.target.split("id=").nth(1).unwrap().split('&').next().unwrap();
        let is_asked = |job: &&Value| {
            ids.split("%2C")
                .flat_map(|id| id.split(','))
                .any(|id| job["id"].as_u64() == id.parse().ok())
        };
        let is_over = looks.fetch_add(1, Ordering::SeqCst) > 1;
        let running = |job: &Value| self::job(job["id"].as_u64().unwrap(), "running", &json!({}));
        let jobs: Vec<Value> = jobs
            .iter()
            .filter(is_asked)
            .map(|job| if is_over { job.clone() } else { running(job) })
            .collect();
        Reply::json(200, &json!({"jobs": jobs, "next": null}))
    })
}

fn good(id: u64) -> Value {
    job(id, "succeeded", &json!({"reason": "ok", "exit_status": 0}))
}

fn bad(id: u64) -> Value {
    job(id, "dead", &json!({"reason": "exit_status", "exit_status": 3}))
}

#[test]
fn whoever_waits_for_one_job_ends_as_it_does() {
    fake(vec![good(17)]).ostler(&["wait", "17"]).with(0, "", "");
    fake(vec![bad(17)]).ostler(&["wait", "17"]).with(3, "", "");
    let killed = job(17, "cancelled", &json!({"reason": "killed", "signal": 15}));
    fake(vec![killed]).ostler(&["wait", "17"]).with(143, "", "");
    let shown = fake(vec![bad(17)]).ostler(&["wait", "17", "-o", "ndjson"]);
    let line: Value = serde_json::from_str(&shown.out).unwrap();
    assert_eq!((shown.code, &line["state"]), (Some(3), &json!("dead")));
}

#[test]
fn whoever_waits_for_several_gets_a_summary() {
    let words = ["wait", "17", "18", "17"];
    fake(vec![good(17), good(18)]).ostler(&words).with(0, "succeeded  2\n", "");
    let ended = fake(vec![good(17), bad(18)]).ostler(&words);
    assert_eq!(ended.code, Some(1));
    assert!(ended.out.contains("dead       1") && ended.out.contains("18  dead"), "{}", ended.out);
    let ended = fake(vec![good(17), bad(18)]).ostler_with("17\n18\n", &["wait", "-"]);
    assert_eq!(ended.code, Some(1));
    let fake = fake(vec![good(17), good(18)]);
    assert_eq!(fake.ostler(&["wait", "tag=x"]).code, Some(0));
    assert_eq!(fake.asked()[0].target, "/v1/jobs?state=unfinished&tag=x&limit=1000");
}

#[test]
fn jobs_that_are_not_there_are_told_at_once() {
    let fake = fake(vec![good(17)]);
    fake.ostler(&["wait", "18"]).with(
        66,
        "",
        "ostler: there is no job 18; `ostler list` shows those there are\n",
    );
    let err = "ostler: there is no job 18; `ostler list` shows those there are\n\
               ostler: there is no job 19; `ostler list` shows those there are\n";
    fake.ostler(&["wait", "17", "18", "19"]).with(66, "", err);
    let fake = Fake::start(|_| Reply::json(200, &json!({"jobs": [], "next": null})));
    fake.ostler(&["wait", "tag=x"]).with(0, "", "note: no such jobs\n");
}

#[test]
fn a_wait_has_an_end_of_its_own_when_it_is_so_asked() {
    let running = job(17, "running", &json!({}));
    let fake = Fake::start(move |_| Reply::json(200, &json!({"jobs": [running], "next": null})));
    let err = "ostler: job 17 has not finished in this time; it goes on\n";
    fake.ostler(&["wait", "17", "--timeout", "300ms"]).with(75, "", err);
}

#[test]
fn any_of_several_ends_the_waiting_as_the_first_does() {
    let looks = AtomicUsize::new(0);
    let fake = Fake::start(move |request: &Request| {
        let open = |id| job(id, "running", &json!({}));
        // Another one ends while the gateway starts again.
        let jobs = match looks.fetch_add(1, Ordering::SeqCst) % 4 {
            0 => vec![open(17), open(18)],
            1 | 2 => return Reply::none(),
            _ if request.target.contains("id=") => vec![open(17), bad(18)],
            _ => vec![],
        };
        Reply::json(200, &json!({"jobs": jobs, "next": null}))
    });
    fake.ostler(&["wait", "--any", "17", "18"]).with(3, "18\n", "");
    let shown = fake.ostler(&["wait", "--any", "17", "18", "-o", "ndjson"]);
    assert_eq!(serde_json::from_str::<Value>(&shown.out).unwrap()["id"], 18);
    self::fake(vec![good(17)]).ostler(&["wait", "--any", "17"]).with(0, "17\n", "");
    self::fake(vec![good(17)]).ostler(&["wait", "--any", "tag=x"]).with(0, "17\n", "");
    let err = "ostler: there is no job 99; `ostler list` shows those there are\n";
    self::fake(vec![good(17)]).ostler(&["wait", "--any", "17", "99"]).with(66, "", err);
    let running = job(17, "running", &json!({}));
    let fake = Fake::start(move |_| Reply::json(200, &json!({"jobs": [running], "next": null})));
    let err = "ostler: none of them have finished in this time; they go on\n";
    fake.ostler(&["wait", "--any", "17", "--timeout", "300ms"]).with(75, "", err);
}

#[test]
fn a_gateway_that_starts_again_is_waited_for() {
    let looks = AtomicUsize::new(0);
    let fake = Fake::start(move |_| {
        let state = match looks.fetch_add(1, Ordering::SeqCst) {
            0 => job(17, "running", &json!({})),
            1 | 2 => return Reply::none(),
            _ => good(17),
        };
        Reply::json(200, &json!({"jobs": [state], "next": null}))
    });
    fake.ostler(&["wait", "17"]).with(0, "", "");
}

#[test]
fn a_page_that_came_back_early_does_not_make_jobs_gone() {
    let looks = AtomicUsize::new(0);
    let fake = Fake::start(move |_| match looks.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::json(200, &json!({"jobs": [], "next": "x", "partial": true})),
        _ => Reply::json(200, &json!({"jobs": [good(17)], "next": null})),
    });
    fake.ostler(&["wait", "17"]).with(0, "", "");
}

#[test]
fn a_filter_waits_for_the_jobs_of_all_pages() {
    let fake = Fake::start(|request: &Request| {
        Reply::json(
            200,
            &match &request.target {
                target if target.contains("id=") => {
                    json!({"jobs": [good(17), bad(18)], "next": null})
                }
                target if target.contains("cursor=c%2B1") => {
                    json!({"jobs": [bad(18)], "next": null})
                }
                _ => json!({"jobs": [good(17)], "next": "c+1"}),
            },
        )
    });
    assert_eq!(fake.ostler(&["wait", "tag=x"]).code, Some(1), "one of the second page failed");
    assert!(fake.asked().last().unwrap().target.contains("id=17,18"));
}

#[test]
fn a_job_that_is_deleted_while_it_is_waited_for_has_not_succeeded() {
    let looks = AtomicUsize::new(0);
    let fake = Fake::start(move |_| {
        let jobs = match looks.fetch_add(1, Ordering::SeqCst) {
            0 => vec![good(17), job(18, "running", &json!({}))],
            _ => vec![],
        };
        Reply::json(200, &json!({"jobs": jobs, "next": null}))
    });
    let ended = fake.ostler(&["wait", "17", "18"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.out.contains("deleted    1"), "{}", ended.out);
}

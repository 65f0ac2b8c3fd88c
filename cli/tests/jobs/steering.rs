//! The verbs that act on jobs: which jobs they mean, what they ask, what they tell.

use serde_json::{Value, json};

use crate::fake::{Fake, Reply, job};

fn done(number: u64) -> Fake {
    Fake::start(move |_| Reply::json(200, &json!({"done": number, "refused": [], "more": false})))
}

/// What was asked to be done. Whether there is the runner that jobs are given to is looked up.
fn asked(fake: &Fake) -> Vec<Value> {
    fake.asked()
        .iter()
        .filter(|request| request.line() != "GET /v1/runners")
        .map(|request| {
            assert_eq!(request.line(), "POST /v1/jobs/actions");
            request.json()
        })
        .collect()
}

#[test]
fn every_verb_is_its_action() {
    let fake = done(1);
    let verbs: [(&[&str], &str); 8] = [
        (&["kill", "5"], "cancelled 1 job\n"),
        (&["kill", "--now", "5"], "killed 1 job\n"),
        (&["retry", "5"], "will retry 1 job\n"),
        (&["delete", "5"], "deleted 1 job\n"),
        (&["pause", "5"], "paused 1 job\n"),
        (&["resume", "5"], "resumed 1 job\n"),
        (&["move", "5", "--host", "left"], "moved 1 job\n"),
        (&["move", "5", "--any"], "moved 1 job\n"),
    ];
    for (words, told) in verbs {
        fake.ostler(words).with(0, "", told);
    }
    let expected = [
        json!({"action": "cancel", "ids": [5]}),
        json!({"action": "kill", "ids": [5]}),
        json!({"action": "retry", "ids": [5]}),
        json!({"action": "delete", "ids": [5]}),
        json!({"action": "pause", "ids": [5]}),
        json!({"action": "resume", "ids": [5]}),
        json!({"action": "move", "ids": [5], "host": "left"}),
        json!({"action": "move", "ids": [5], "host": null}),
    ];
    assert_eq!(asked(&fake), expected);
}

#[test]
fn jobs_come_from_a_list_of_any_format_on_standard_input() {
    let fake = done(2);
    for list in [
        "- id: 3\n  state: dead\n- id: 4\n",
        "[\n{\"id\":3},\n{\"id\":4}\n]\n",
        "3  dead  1  left  1  0.1s  2m ago  false\n4  dead  1  -  0  -  2m ago  x\n",
        "3\n4\n",
    ] {
        fake.ostler_with(list, &["retry", "-"]).with(0, "", "will retry 2 jobs\n");
    }
    for body in asked(&fake) {
        assert_eq!(body, json!({"action": "retry", "ids": [3, 4]}));
    }
    let ended = fake.ostler_with("3\nfour\n", &["retry", "-"]);
    ended.with(65, "", "stdin:2: \"four\" is no job's id\n");
}

#[test]
fn an_empty_list_does_nothing() {
    let fake = done(0);
    fake.ostler_with("", &["delete", "-"]).with(0, "", "note: no such jobs\n");
    assert!(fake.asked().is_empty());
}

#[test]
fn a_long_list_is_sent_in_pieces() {
    let fake = done(1000);
    let list: String = (1..=2500).map(|id| format!("{id}\n")).collect();
    fake.ostler_with(list, &["delete", "-"]).with(0, "", "deleted 3000 jobs\n");
    let sizes: Vec<usize> =
        asked(&fake).iter().map(|body| body["ids"].as_array().unwrap().len()).collect();
    assert_eq!(sizes, [1000, 1000, 500]);
}

#[test]
fn a_filter_is_one_request() {
    let fake = done(30);
    fake.ostler(&["retry", "state=dead", "tag=x"]).with(0, "", "will retry 30 jobs\n");
    let filter = json!({"state": "dead", "tag": "x"});
    assert_eq!(asked(&fake), [json!({"action": "retry", "filter": filter})]);
}

#[test]
fn what_one_request_does_not_work_through_is_done_page_by_page() {
    let fake = Fake::start(|request| match request.line().as_str() {
        "GET /v1/jobs?tag=x&limit=1000" => {
            let jobs = [job(9, "dead", &json!({})), job(8, "dead", &json!({}))];
            Reply::json(200, &json!({"jobs": jobs, "next": "c"}))
        }
        "GET /v1/jobs?tag=x&limit=1000&cursor=c" => {
            Reply::json(200, &json!({"jobs": [job(7, "running", &json!({}))], "next": null}))
        }
        _ => {
            let body = request.json();
            let refused = json!([{"id": 7, "type": "x/conflict_state", "detail": "it runs"}]);
            let answer = match body["ids"].as_array().map(Vec::len) {
                None => json!({"done": 5, "refused": [], "more": true}),
                Some(1) => json!({"done": 0, "refused": refused, "more": false}),
                Some(number) => json!({"done": number, "refused": [], "more": false}),
            };
            Reply::json(200, &answer)
        }
    });
    let told = "ostler: job 7: it runs\ndeleted 7 jobs\n";
    fake.ostler(&["delete", "tag=x"]).with(65, "", told);
}

#[test]
fn what_is_refused_is_told_for_each_job_and_decides_the_exit_code() {
    let refuse = |kind: &'static str| {
        Fake::start(move |_| {
            let refused = json!([{"id": 9, "type": kind, "detail": "why not"}]);
            Reply::json(200, &json!({"done": 1, "refused": refused, "more": false}))
        })
    };
    for (kind, code) in
        [("not_found", 66), ("https://ostler.dev/problems/conflict_state", 65), ("forbidden", 77)]
    {
        let told = "ostler: job 9: why not\ncancelled 1 job\n";
        refuse(kind).ostler(&["kill", "8", "9"]).with(code, "", told);
    }
    let ended = refuse("not_found").ostler(&["kill", "8", "9", "-o", "json"]);
    let out: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!((&out["done"], &out["refused"][0]["id"]), (&json!(1), &json!(9)));
}

#[test]
fn words_that_name_no_jobs_are_wrong_usage() {
    let fake = done(1);
    for words in [
        &["retry"][..],
        &["retry", "5", "state=dead"],
        &["retry", "-", "5"],
        &["retry", "five"],
        &["move", "5"],
        &["move", "5", "--any", "--host", "left"],
    ] {
        assert_eq!(fake.ostler(words).code, Some(64), "{words:?}");
    }
    assert!(fake.asked().is_empty());
}

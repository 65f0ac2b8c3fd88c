//! `ostler submit` with lists: forms, places of mistakes, all or some, waiting for all of it.

use std::fs;

use serde_json::{Value, json};

use crate::fake::{Fake, Reply, Request, job};

fn bodies(request: &Request) -> Vec<Value> {
    request.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Takes every line.
fn taking() -> Fake {
    Fake::start(|request| {
        let lines = (1..=request.text().lines().count()).map(|line| {
            json!({"line": line, "id": 10 + line, "state": "pending", "attempts_max": 4})
                .to_string()
        });
        let lines: Vec<String> = lines.collect();
        Reply::new(200, "application/x-ndjson", lines.join("\n"))
    })
}

#[test]
fn lists_of_every_form_come_from_a_file_or_from_standard_input() {
    let fake = taking();
    let yaml = "- command: make\n  tags: [a]\n- argv: [echo, x]\n";
    fs::write(fake.path().join("jobs.yaml"), yaml).unwrap();
    fake.ostler(&["submit", "jobs.yaml"]).with(0, "11\n12\n", "");
    fake.ostler_with("# two\nsleep 1\n\nsleep 2\n", &["submit"]).with(0, "11\n12\n", "");
    let ndjson = "{\"command\":\"a\"}\n{\"command\":\"b\"}\n";
    fake.ostler_with(ndjson, &["submit", "-", "--host", "left"]).with(0, "11\n12\n", "");
    let asked = fake.asked();
    let expected = [
        vec![json!({"command": "make", "tags": ["a"]}), json!({"argv": ["echo", "x"]})],
        vec![json!({"command": "sleep 1"}), json!({"command": "sleep 2"})],
        vec![json!({"command": "a", "host": "left"}), json!({"command": "b", "host": "left"})],
    ];
    for (request, expected) in asked.iter().zip(expected) {
        assert_eq!(request.line(), "POST /v1/jobs");
        assert_eq!(request.headers["content-type"], "application/x-ndjson");
        assert_eq!(bodies(request), expected);
    }
}

#[test]
fn what_became_of_each_line_is_shown_with_its_own_line() {
    let fake = taking();
    let ended = fake.ostler_with("# x\nsleep 1\n\nsleep 2\n", &["submit", "-o", "ndjson"]);
    let expected = "{\"line\":2,\"id\":11,\"state\":\"pending\",\"attempts_max\":4}\n\
                    {\"line\":4,\"id\":12,\"state\":\"pending\",\"attempts_max\":4}\n";
    ended.with(0, expected, "");
}

#[test]
fn an_empty_list_is_told_and_sends_nothing() {
    let fake = taking();
    fake.ostler_with("# nothing\n", &["submit"]).with(0, "", "note: no jobs in stdin\n");
    assert!(fake.asked().is_empty());
}

#[test]
fn a_list_that_cannot_be_read_is_told_at_its_line_and_sends_nothing() {
    let fake = taking();
    let ended = fake.ostler_with("{\"command\":\"a\"}\n\n7\n", &["submit"]);
    ended.with(65, "", "stdin:3: not a JSON object\n");
    fs::write(fake.path().join("jobs.yaml"), "- command: a\n- 7\n").unwrap();
    let ended = fake.ostler(&["submit", "jobs.yaml"]);
    assert_eq!(ended.code, Some(65));
    assert!(ended.err.starts_with("jobs.yaml:2: a job is a mapping"), "{ended:?}");
    assert!(fake.asked().is_empty());
}

#[test]
fn what_the_api_finds_wrong_is_told_at_the_line_of_the_file() {
    let fake = Fake::start(|_| {
        let errors = json!({"errors": [
            {"line": 2, "detail": "no duration", "pointer": "/timeout"},
            {"line": 3, "detail": "no such field", "pointer": "/x"},
        ]});
        Reply::problem(422, "invalid_field", "2 of 3 lines are wrong", &errors)
    });
    let yaml = "# jobs\n- command: a\n\n- command: b\n  timeout: x\n- command: c\n  x: 1\n";
    fs::write(fake.path().join("jobs.yaml"), yaml).unwrap();
    let told = "jobs.yaml:4: no duration (field /timeout)\njobs.yaml:6: no such field (field /x)\n";
    fake.ostler(&["submit", "jobs.yaml"]).with(65, "", told);
}

#[test]
fn partial_keeps_the_good_ones_and_ends_with_65() {
    let fake = Fake::start(|_| {
        let error = json!({"type": "x/invalid_field", "detail": "no", "pointer": "/command"});
        let lines = format!(
            "{}\n{}\n",
            json!({"line": 1, "id": 7, "state": "pending"}),
            json!({"line": 2, "error": error})
        );
        Reply::new(200, "application/x-ndjson", lines)
    });
    let ended = fake.ostler_with("a\n\nb\n", &["submit", "--partial"]);
    ended.with(65, "7\n", "stdin:3: no (field /command)\n");
    assert_eq!(fake.asked()[0].line(), "POST /v1/jobs?partial=true");
}

/// Two jobs; the first look finds one of them running.
fn waiting(second: &'static str) -> Fake {
    let looks = std::sync::atomic::AtomicU32::new(0);
    Fake::start(move |request| {
        if request.method == "POST" {
            let line = |line: u64| json!({"line": line, "id": line, "state": "pending"});
            let text = format!("{}\n{}\n", line(1), line(2));
            return Reply::new(200, "application/x-ndjson", text);
        }
        let ok = json!({"reason": "ok", "exit_status": 0});
        let jobs = match looks.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
            0 => vec![job(2, "running", &json!({})), job(1, "succeeded", &ok)],
            _ => vec![job(2, second, &json!({"reason": "exit_status", "exit_status": 4}))],
        };
        Reply::json(200, &json!({"jobs": jobs, "next": null}))
    })
}

#[test]
fn a_waited_list_ends_with_a_summary_and_1_when_a_job_failed() {
    let fake = waiting("dead");
    let ended = fake.ostler_with("true\nexit 4\n", &["submit", "--wait"]);
    ended.with(1, "dead       1\nsucceeded  1\n\n2  dead  4  true\n", "");
    let lines: Vec<String> = fake.asked().iter().map(Request::line).collect();
    let expected =
        ["POST /v1/jobs", "GET /v1/jobs?id=1,2&limit=200", "GET /v1/jobs?id=2&limit=200"];
    assert_eq!(lines, expected);
}

#[test]
fn a_waited_list_without_failures_ends_with_0() {
    let ended = waiting("succeeded").ostler_with("true\ntrue\n", &["submit", "--wait"]);
    ended.with(0, "succeeded  2\n", "");
    let ended = waiting("succeeded").ostler_with("a\nb\n", &["submit", "--wait", "-o", "ndjson"]);
    assert_eq!((ended.code, ended.out.lines().count()), (Some(0), 2));
}

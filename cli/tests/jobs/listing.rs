//! `ostler list` and `ostler show`: filters, pages, formats, pipes.

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use serde_json::{Value, json};

use crate::fake::{Fake, Reply, job};

/// Three jobs on two pages.
fn three() -> Fake {
    Fake::start(|request| {
        let ran = json!({
            "reason": "exit_status", "exit_status": 3, "runner": "left", "attempts": 2,
            "run_seconds": 1.25, "name": "n", "tags": ["a"], "command": "exit 3\n# \u{1b}[2J",
            "finished_at": "2026-01-25T01:02:04.000Z",
        });
        let page = if request.target.contains("cursor=c%2B1") {
            json!({"jobs": [job(1, "pending", &json!({"host": "right"}))], "next": null})
        } else {
            json!({
                "jobs": [job(30, "running", &json!({"runner": "left"})), job(2, "dead", &ran)],
                "next": "c+1",
            })
        };
        Reply::json(200, &page)
    })
}

#[test]
fn a_pipe_gets_whole_lines_of_all_pages_without_a_head() {
    let fake = three();
    let ended = fake.ostler(&["list"]);
    let expected = "30  running  -  left  0      -  2026-01-25  true\n \
                    2  dead     3  left  2   1.2s  2026-01-25  n: exit 3 # \\u{1b}[2J #a\n\
                    1  pending  -  right  0  -  2026-01-25  true\n";
    assert_eq!(ended.code, Some(0));
    let squeezed = |text: &str| {
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        text.lines().map(words).collect::<Vec<_>>()
    };
    assert_eq!(squeezed(&ended.out), squeezed(expected), "{}", ended.out);
    let asked: Vec<String> = fake.asked().iter().map(|request| request.line()).collect();
    assert_eq!(asked, ["GET /v1/jobs?limit=1000", "GET /v1/jobs?limit=1000&cursor=c%2B1"]);
}

#[test]
fn every_format_is_one_list_over_all_pages() {
    let fake = three();
    let ids = |jobs: &Value| {
        let jobs = jobs.as_array().unwrap();
        jobs.iter().map(|job| job["id"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    let json = fake.ostler(&["list", "-o", "json"]);
    assert_eq!(ids(&serde_json::from_str(&json.out).unwrap()), [30, 2, 1]);
    let yaml = fake.ostler(&["list", "-o", "yaml"]);
    assert_eq!(ids(&serde_saphyr::from_str(&yaml.out).unwrap()), [30, 2, 1]);
    let lines = fake.ostler(&["list", "-o", "ndjson"]);
    let lines: Vec<Value> =
        lines.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(ids(&Value::Array(lines)), [30, 2, 1]);
}

#[test]
fn nothing_found_is_told_and_still_a_list() {
    let fake = Fake::start(|_| Reply::json(200, &json!({"jobs": [], "next": null})));
    fake.ostler(&["list"]).with(0, "", "note: no jobs\n");
    fake.ostler(&["list", "-o", "json"]).with(0, "[]\n", "note: no jobs\n");
    fake.ostler(&["list", "-o", "yaml"]).with(0, "[]\n", "note: no jobs\n");
    fake.ostler(&["list", "-o", "ndjson"]).with(0, "", "note: no jobs\n");
}

#[test]
fn filters_are_words_and_limits_are_kept() {
    let fake = three();
    let words = ["list", "state=dead", "exit_status!=0", "tag=a b", "since=2h", "--limit", "2"];
    let ended = fake.ostler(&words);
    assert_eq!(ended.out.lines().count(), 2);
    // Whoever asks for two knows that there may be more.
    assert_eq!(ended.err, "");
    assert_eq!(
        fake.asked()[0].line(),
        "GET /v1/jobs?limit=2&exit_status=%210&since=2h&state=dead&tag=a%20b"
    );
    let ended = fake.ostler(&["list", "stat=dead"]);
    assert_eq!(ended.code, Some(64));
    assert!(ended.err.starts_with("ostler: \"stat=dead\" is no filter"), "{ended:?}");
    assert_eq!(fake.asked().len(), 1);
}

#[test]
fn a_reader_that_has_enough_ends_the_list_quietly() {
    let fake = Fake::start(|_| {
        let jobs: Vec<Value> = (0..1000).map(|id| job(id, "dead", &json!({}))).collect();
        Reply::json(200, &json!({"jobs": jobs, "next": "more"}))
    });
    for format in ["table", "json", "yaml", "ndjson"] {
        let mut child =
            fake.command(&["list", "-o", format]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()), "{format}");
    }
}

fn detailed() -> Fake {
    Fake::start(|request| match request.target.as_str() {
        "/v1/jobs/17" => {
            let attempt = json!({
                "attempt": 1, "fence": 4_294_967_297_u64, "runner": "left",
                "started_at": "2026-01-25T01:02:03.004Z", "run_seconds": 0.5,
                "reason": "exit_status", "exit_status": 3, "signal": null, "detail": null,
                "tail": "one\ntwo\n",
            });
            let more = json!({
                "reason": "exit_status", "exit_status": 3, "env": {"K": "V"},
                "attempts_max": 9, "not_retried": "no use",
                "retry": {
                    "attempts": 9, "delay_seconds": 10.0, "delay_max_seconds": 60.0,
                    "backoff": "exponential", "exit_codes": [3, 4], "only_started": true,
                },
                "attempts_list": [attempt],
            });
            Reply::json(200, &job(17, "dead", &more))
        }
        _ => Reply::problem(404, "not_found", "there is no job 18", &json!({})),
    })
}

#[test]
fn show_has_everything_about_a_job() {
    let fake = detailed();
    let ended = fake.ostler(&["show", "17"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for says in [
        "job: 17\n",
        "state: dead\n",
        "ended: 3\n",
        "command: true\n",
        "env: K=V\n",
        "not retried: no use\n",
        "retry: up to 9 attempts, after 10s, 20s, 40s, 1m, …, each up to half sooner, for exit 3, 4 alone, unless it cannot be started\n",
    ] {
        let squeezed: String = ended
            .out
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n")
            .collect();
        assert!(squeezed.contains(says), "{says}\n{}", ended.out);
    }
    assert!(ended.out.contains("ATTEMPT  RUNNER"), "{}", ended.out);
    assert!(ended.out.ends_with("  one\n  two\n"), "{}", ended.out);
    let json = fake.ostler(&["show", "17", "-o", "json"]);
    assert_eq!(serde_json::from_str::<Value>(&json.out).unwrap()["env"]["K"], "V");
    let both = fake.ostler(&["show", "17", "17", "-o", "yaml"]);
    assert_eq!(serde_saphyr::from_str::<Value>(&both.out).unwrap().as_array().unwrap().len(), 2);
}

#[test]
fn a_job_that_is_not_there_ends_with_66() {
    detailed().ostler(&["show", "18"]).with(66, "", "ostler: there is no job 18\n");
}

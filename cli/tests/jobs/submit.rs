//! `ostler submit` with one job: what is sent, what is shown, how it ends.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    sync::atomic::{AtomicU32, Ordering},
};

use serde_json::{Value, json};

use crate::fake::{Ended, Fake, Reply, event, job};

fn taking() -> Fake {
    Fake::start(|request| match request.target.as_str() {
        "/v1/payloads" => Reply::json(201, &json!({"sha256": "abc", "bytes": 1})),
        _ => Reply::json(202, &job(17, "pending", &json!({}))),
    })
}

#[test]
fn a_command_is_sent_as_its_words_and_its_id_is_printed() {
    let fake = taking();
    fake.ostler(&["submit", "--name", "n", "--", "echo", "a b"]).with(0, "17\n", "");
    let [request] = &fake.asked()[..] else { panic!() };
    assert_eq!(request.line(), "POST /v1/jobs");
    assert_eq!(request.json(), json!({"argv": ["echo", "a b"], "name": "n"}));
}

#[test]
fn a_command_line_is_sent_as_one() {
    let fake = taking();
    fake.ostler(&["submit", "--", "echo a | tr a b"]).with(0, "17\n", "");
    fake.ostler(&["submit", "--shell", "true"]).with(0, "17\n", "");
    assert_eq!(fake.asked()[0].json(), json!({"command": "echo a | tr a b"}));
    assert_eq!(fake.asked()[1].json(), json!({"command": "true"}));
}

#[test]
fn whoever_waits_asks_for_one_attempt_unless_more_are_asked_for() {
    let fake = Fake::start(|_| Reply::problem(422, "invalid_field", "no", &json!({})));
    for (words, retry) in [
        (&["--wait", "--", "true"][..], json!({"attempts": 1})),
        (&["--wait", "--retries", "2", "--", "true"], json!({"attempts": 3})),
        (&["--retries", "0", "--", "true"], json!({"attempts": 1})),
        (&["--", "true"], Value::Null),
    ] {
        fake.ostler(&[&["submit"], words].concat());
        assert_eq!(fake.asked().last().unwrap().json()["retry"], retry, "{words:?}");
    }
    let list = "- make\n- {command: a, retry: {attempts: 3}}\n";
    fake.ostler_with(list, &["submit", "--wait"]);
    let asked = fake.asked().last().unwrap().text();
    let retries: Vec<Value> = asked
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["retry"].clone())
        .collect();
    assert_eq!(retries, [json!({"attempts": 1}), json!({"attempts": 3})]);
}

#[test]
fn the_job_is_shown_in_the_format_that_is_asked_for() {
    let fake = taking();
    let ended = fake.ostler(&["submit", "-o", "json", "--", "true"]);
    assert_eq!(serde_json::from_str::<Value>(&ended.out).unwrap()["id"], 17);
    let ended = fake.ostler(&["submit", "-o", "yaml", "--", "true"]);
    assert!(ended.out.starts_with("id: 17\nstate: pending\n"), "{ended:?}");
    let ended = fake.ostler(&["submit", "-o", "ndjson", "--", "true"]);
    assert!(ended.out.starts_with("{\"id\":17,") && ended.out.lines().count() == 1, "{ended:?}");
}

#[test]
fn a_key_makes_a_repeated_request_the_same() {
    let fake = taking();
    fake.ostler(&["submit", "--key", "k1", "--", "true"]).with(0, "17\n", "");
    assert_eq!(fake.asked()[0].headers["idempotency-key"], "k1");
}

#[test]
fn a_request_that_was_not_answered_is_repeated_with_a_key_of_its_own() {
    let turns = AtomicU32::new(0);
    let fake = Fake::start(move |_| match turns.fetch_add(1, Ordering::Relaxed) {
        0 | 1 => Reply::none(),
        _ => Reply::json(202, &job(17, "pending", &json!({}))),
    });
    let ended = fake.ostler(&["submit", "--", "true"]);
    assert_eq!((ended.code, &*ended.out), (Some(0), "17\n"), "{ended:?}");
    assert_eq!(ended.err.matches("does not answer; trying for 30s").count(), 1, "{ended:?}");
    let keys: Vec<String> =
        fake.asked().iter().map(|asked| asked.headers["idempotency-key"].clone()).collect();
    assert!(keys.len() == 3 && keys[0].len() == 32 && keys.iter().all(|key| *key == keys[0]));
    fake.ostler(&["submit", "--", "true"]);
    assert_ne!(fake.asked()[3].headers["idempotency-key"], keys[0]);
}

#[test]
fn a_gateway_that_starts_says_so_and_is_asked_again() {
    let turns = AtomicU32::new(0);
    let fake = Fake::start(move |_| match turns.fetch_add(1, Ordering::Relaxed) {
        0 => Reply::problem(503, "store_unavailable", "the gateway is starting", &json!({})),
        _ => Reply::json(202, &job(17, "pending", &json!({}))),
    });
    let ended = fake.ostler(&["submit", "--", "true"]);
    assert_eq!((ended.code, &*ended.out), (Some(0), "17\n"), "{ended:?}");
    let fake = Fake::start(|_| Reply::problem(503, "store_unavailable", "no room", &json!({})));
    let ended = fake.ostler(&["submit", "--patience", "300ms", "--", "true"]);
    assert_eq!(ended.code, Some(69), "{ended:?}");
    assert!(ended.err.ends_with("ostler: no room\n"), "{ended:?}");
}

#[test]
fn a_gateway_that_left_the_state_folder_to_start_again_is_waited_for() {
    let fake = taking();
    let addresses = fake.path().join("state/run/addresses.json");
    let known = fs::read(&addresses).unwrap();
    for words in [&["submit", "--", "true"][..], &["submit", "--stdin-file", "long", "--", "cat"]] {
        fs::write(fake.path().join("long"), vec![b'x'; 40_000]).unwrap();
        fs::remove_file(&addresses).unwrap();
        let mut child = fake.command(words).spawn().unwrap();
        let mut note = String::new();
        BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut note).unwrap();
        assert!(note.contains("does not answer; trying for 30s"), "{note}");
        fs::write(&addresses, &known).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success() && output.stdout == b"17\n", "{words:?} {output:?}");
    }
}

#[test]
fn patience_ends() {
    let fake = Fake::start(|_| Reply::none());
    let ended = fake.ostler(&["submit", "--patience", "0s", "--", "true"]);
    assert_eq!((ended.code, fake.asked().len()), (Some(69), 1), "{ended:?}");
    let ended = fake.ostler(&["submit", "--patience", "500ms", "--", "true"]);
    assert!(ended.code == Some(69) && fake.asked().len() > 2, "{ended:?}");
}

/// A job whose first attempt was lost in the middle of its output.
fn begun_anew() -> Fake {
    Fake::start(|request| {
        if !request.target.contains("/log/events") {
            return Reply::json(202, &job(17, "pending", &json!({})));
        }
        let output =
            |id: &str, text: &str| event(id, "output", &json!({"stream": "stdout", "text": text}));
        let end = event("9.2", "end", &job(17, "succeeded", &json!({"exit_status": 0})));
        let events = output("1.1", "row 1\nro") + &output("1.2", "row 1\nrow 2\n") + &end;
        Reply::new(200, "text/event-stream", events)
    })
}

#[test]
fn a_captured_output_never_holds_two_attempts_with_success() {
    let fake = begun_anew();
    let ended = fake.ostler(&["submit", "--wait", "--", "true"]);
    assert_eq!((ended.code, &*ended.out), (Some(125), "row 1\nro"), "{ended:?}");
    assert!(ended.err.contains("`ostler logs 17 --stdout` has the last one's"), "{ended:?}");

    let path = fake.path().join("dump.sql");
    let file = fs::File::create(&path).unwrap();
    let mut command = fake.command(&["submit", "--wait", "--", "true"]);
    assert!(command.stdout(file).status().unwrap().success());
    assert_eq!(fs::read_to_string(&path).unwrap(), "row 1\nrow 2\n");
}

#[test]
fn an_id_that_cannot_be_printed_is_not_lost() {
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let fake = taking();
    let mut command = fake.command(&["submit", "--", "true"]);
    let ended = command.stdout(full).output().unwrap();
    assert_eq!(ended.status.code(), Some(70));
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(said.contains("note: job 17 was taken"), "{said}");
}

#[test]
fn a_job_that_another_one_does_already_is_told() {
    let fake = Fake::start(|_| {
        Reply::json(200, &job(5, "running", &json!({}))).header("ostler-coalesced", "true")
    });
    let words = ["submit", "--dedupe", "queued", "--coalesce", "--", "true"];
    fake.ostler(&words).with(0, "5\n", "note: job 5 does this already\n");
    let dedupe = json!({"scope": "queued", "then": "coalesce"});
    assert_eq!(fake.asked()[0].json()["dedupe"], dedupe);
}

#[test]
fn short_input_travels_with_the_job_and_long_input_before_it() {
    let fake = taking();
    fake.ostler_with("hello", &["submit", "--stdin-file", "-", "--", "cat"]).with(0, "17\n", "");
    fs::write(fake.path().join("octets"), b"\xff\x00").unwrap();
    fake.ostler(&["submit", "--stdin-file", "octets", "--", "cat"]).with(0, "17\n", "");
    let long = vec![b'x'; 100_000];
    fs::write(fake.path().join("long"), &long).unwrap();
    fake.ostler(&["submit", "--stdin-file", "long", "--", "cat"]).with(0, "17\n", "");
    fake.ostler_with(&long, &["submit", "--stdin-file", "-", "--", "cat"]).with(0, "17\n", "");
    let asked = fake.asked();
    assert_eq!(asked[0].json()["stdin"], "hello");
    assert_eq!(asked[1].json()["stdin"], json!({"base64": "/wA="}));
    assert_eq!(asked[2].line(), "HEAD /v1/openapi.json");
    for upload in [&asked[3], &asked[6]] {
        assert_eq!(upload.line(), "POST /v1/payloads");
        assert_eq!(upload.headers["content-type"], "application/octet-stream");
        assert!(upload.body == long, "{} bytes", upload.body.len());
    }
    assert_eq!(asked[7].json()["stdin"], json!({"payload": "abc"}));
    let missing = fake.ostler(&["submit", "--stdin-file", "nowhere", "--", "cat"]);
    assert_eq!(missing.code, Some(66), "{missing:?}");
}

#[test]
fn what_the_api_refuses_is_told_with_the_field_and_the_exit_code() {
    let refusals = [
        (400, "invalid_field", 64),
        (403, "forbidden", 77),
        (409, "duplicate", 65),
        (429, "queue_full", 75),
        (503, "store_unavailable", 69),
        (500, "internal", 70),
    ];
    for (status, name, code) in refusals {
        let fake = Fake::start(move |_| {
            Reply::problem(status, name, "not so", &json!({"pointer": "/timeout"}))
        });
        let ended = fake.ostler(&["submit", "--patience", "0s", "--timeout", "x", "--", "true"]);
        ended.with(code, "", "ostler: not so (field /timeout)\n");
    }
}

#[test]
fn nothing_to_submit_and_contradictions_are_wrong_usage() {
    let fake = taking();
    for words in [
        &["submit", "jobs.yaml", "--", "true"][..],
        &["submit", "--shell", "true", "--", "true"],
        &["submit", "--not-before", "x", "--delay", "y", "--", "true"],
        &["submit", "--coalesce", "--", "true"],
        &["submit", "-", "--stdin-file", "-"],
        &["submit", "--limit", "x", "--", "true"],
    ] {
        assert_eq!(fake.ostler(words).code, Some(64), "{words:?}");
    }
    let ended = fake.ostler(&["submit", "nowhere"]);
    assert_eq!(ended.code, Some(66));
    assert!(ended.err.contains("written after --: ostler submit -- nowhere"), "{ended:?}");
    assert!(fake.asked().is_empty());
}

/// A job that writes and ends like this.
fn waited(end: Value) -> Ended {
    let fake = Fake::start(move |request| {
        if request.target == "/v1/jobs" {
            return Reply::json(202, &job(17, "pending", &json!({})));
        }
        if request.target == "/v1/jobs/17" {
            let attempts = json!([{"detail": "an old one"}, {"detail": "so it is"}]);
            return Reply::json(200, &json!({"attempts_list": attempts}));
        }
        assert_eq!(request.line(), "GET /v1/jobs/17/log/events");
        let events = event("10.1", "output", &json!({"stream": "stdout", "text": "out\n"}))
            + ": alive\n\n"
            + &event("20.1", "output", &json!({"stream": "stderr", "text": "err\n"}))
            + &event("30.1", "output", &json!({"stream": "stdout", "base64": "/w=="}))
            + &event("30.1", "end", &end);
        Reply::new(200, "text/event-stream", events)
    });
    fake.ostler(&["submit", "--wait", "--", "true"])
}

#[test]
fn wait_shows_the_output_and_ends_as_the_job_did() {
    let ended = waited(job(17, "succeeded", &json!({"reason": "ok", "exit_status": 0})));
    ended.with(0, "out\n\u{fffd}", "err\n");
    let ended = waited(job(17, "dead", &json!({"reason": "exit_status", "exit_status": 3})));
    ended.with(3, "out\n\u{fffd}", "err\n");
}

#[test]
fn wait_says_why_a_job_could_not_be_run_to_an_end() {
    let ends = [
        ("dead", json!({"reason": "signal", "signal": 9}), 137, "dead (SIGKILL)"),
        ("dead", json!({"reason": "timeout", "signal": 15}), 124, "dead (timeout)"),
        ("dead", json!({"reason": "unstartable"}), 125, "dead (unstartable)"),
        ("dead", json!({"reason": "lost"}), 125, "dead (lost)"),
        ("cancelled", json!({"reason": "cancelled"}), 125, "cancelled"),
        ("expired", json!({"reason": "expired"}), 125, "expired"),
    ];
    for (state, more, code, says) in ends {
        let err = format!("err\nostler: job 17 is {says}: so it is\n");
        waited(job(17, state, &more)).with(code, "out\n\u{fffd}", &err);
    }
}

#[test]
fn wait_goes_on_where_it_was_when_the_connection_breaks() {
    let fake = Fake::start(|request| {
        let output =
            |id: &str, text: &str| event(id, "output", &json!({"stream": "stdout", "text": text}));
        if request.target == "/v1/jobs" {
            return Reply::json(202, &job(17, "pending", &json!({})));
        }
        match request.headers.get("last-event-id").map(String::as_str) {
            None => Reply::new(200, "text/event-stream", output("5.1", "one\n") + "id: 6.1\nda"),
            Some("5.1") => Reply::problem(503, "store_unavailable", "starting", &json!({}))
                .header("last-event-id", ""),
            Some(other) => panic!("{other}"),
        }
    });
    let mut child = fake.command(&["submit", "--wait", "--", "true"]).spawn().unwrap();
    let asked = |number: usize| {
        while fake.asked().len() < number {
            assert!(child.try_wait().unwrap().is_none(), "it gave up");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    };
    let mut asked = asked;
    asked(4);
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap()),
        nix::sys::signal::Signal::SIGINT,
    )
    .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert_eq!(output.stdout, b"one\n");
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("note: job 17 goes on; follow it with `ostler logs -f 17`"), "{told}");
}

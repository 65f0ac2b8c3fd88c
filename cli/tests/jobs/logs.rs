//! `ostler logs`: a copy of what was written, or what is written as it comes.

use serde_json::json;

use crate::fake::{Fake, Reply, Request, event, job};

fn fake() -> Fake {
    Fake::start(|request| {
        if !request.target.contains("/log/events") {
            return Reply::new(200, "text/plain", b"a\xff\nb\n".to_vec());
        }
        let output = |id: &str, stream: &str, text: &str| {
            let at = "2026-11-25T01:02:03.004Z";
            event(id, "output", &json!({"stream": stream, "at": at, "text": text}))
        };
        let events = output("1.1", "stdout", "one\ntw")
            + &output("2.1", "stdout", "o\n")
            + &output("3.1", "stderr", "bad\n")
            + &output("1.2", "stdout", "again\n")
            + &event("1.2", "end", &job(17, "dead", &json!({})));
        Reply::new(200, "text/event-stream", events)
    })
}

fn asked(fake: &Fake) -> Vec<String> {
    fake.asked().iter().map(Request::line).collect()
}

#[test]
fn the_log_is_copied_as_it_is() {
    let fake = fake();
    fake.ostler(&["logs", "17"]).with(0, "a\u{fffd}\nb\n", "");
    fake.ostler(&["logs", "17", "--stderr", "--attempt", "2"]).with(0, "a\u{fffd}\nb\n", "");
    let expected =
        ["GET /v1/jobs/17/log?stream=both", "GET /v1/jobs/17/log?stream=stderr&attempt=2"];
    assert_eq!(asked(&fake), expected);
}

#[test]
fn following_shows_what_comes_and_says_when_another_attempt_begins() {
    let fake = fake();
    let note = "note: job 17, attempt 2\n";
    fake.ostler(&["logs", "-f", "17"]).with(0, "one\ntwo\nbad\nagain\n", note);
    fake.ostler(&["logs", "-f", "17", "--stderr"]).with(0, "bad\n", note);
    assert_eq!(asked(&fake)[0], "GET /v1/jobs/17/log/events");
}

#[test]
fn timestamps_stand_before_each_line() {
    let at = "2026-11-25T01:02:03.004Z";
    let out = format!("{at} one\n{at} two\n{at} again\n");
    let words = ["logs", "-t", "17", "--stdout"];
    fake().ostler(&words).with(0, &out, "note: job 17, attempt 2\n");
}

#[test]
fn a_log_that_is_not_there_ends_with_66() {
    let fake = Fake::start(|_| Reply::problem(404, "not_found", "there is no job 17", &json!({})));
    for words in [&["logs", "17"][..], &["logs", "-f", "17"]] {
        fake.ostler(words).with(66, "", "ostler: there is no job 17\n");
    }
}

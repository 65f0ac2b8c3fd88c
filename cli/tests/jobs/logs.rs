//! `ostler logs`: a copy of what was written, or what is written as it comes.

use serde_json::json;

use crate::fake::{Fake, Reply, Request, event, job};

fn fake() -> Fake {
    Fake::start(|request| {
        if request.target == "/v1/jobs/17" {
            return Reply::json(200, &job(17, "running", &json!({"attempts": 2})));
        }
        if !request.target.contains("/log/events") {
            return of_log(request, b"a\xff\nb\n");
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

/// The log, or the range of it that is asked for.
fn of_log(request: &Request, log: &[u8]) -> Reply {
    let range = request.headers.get("range").and_then(|range| range.strip_prefix("bytes="));
    let Some((first, last)) = range.and_then(|range| range.split_once('-')) else {
        return Reply::new(200, "text/plain", log);
    };
    let total = log.len();
    let first = match first {
        "" => total.saturating_sub(last.parse().unwrap()),
        first => first.parse().unwrap(),
    };
    let end = match (range, last.parse::<usize>()) {
        (Some(range), Ok(last)) if !range.starts_with('-') => total.min(last + 1),
        _ => total,
    };
    let range = format!("bytes {first}-{}/{total}", end - 1);
    Reply::new(206, "text/plain", &log[first..end]).header("content-range", &range)
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

#[test]
fn output_that_is_not_there_is_told_and_never_taken_for_the_whole() {
    let fake = Fake::start(|request| {
        let cut = |waits: bool| {
            let data = json!({"attempt": 1, "bytes": 9, "waits": waits});
            event("1.1", "output", &json!({"stream": "stdout", "at": "", "text": "some"}))
                + &event("", "cut", &data)
                + &event("", "end", &job(17, "succeeded", &json!({"exit_status": 0})))
        };
        match request.target.as_str() {
            "/v1/jobs" => Reply::json(202, &job(17, "pending", &json!({}))),
            "/v1/jobs/18/log/events" => Reply::new(200, "text/event-stream", cut(true)),
            target if target.ends_with("/events") => {
                Reply::new(200, "text/event-stream", cut(false))
            }
            target => {
                let reply = Reply::new(200, "text/plain", "some").header("ostler-log-missing", "9");
                if target.contains("/18/") { reply.header("retry-after", "5") } else { reply }
            }
        }
    });
    let kept = "9 bytes of the output were not kept; `ostler show 17` says why\n";
    let waits = "ostler: 9 bytes of the output are not here; the runner still has them\n";
    for follow in [&[][..], &["-f"]] {
        let words = |id| [&["logs", id], follow].concat();
        fake.ostler(&words("17")).with(0, "some", &format!("note: {kept}"));
        fake.ostler(&words("18")).with(75, "some", waits);
    }
    let words = ["submit", "--wait", "--", "true"];
    fake.ostler(&words).with(125, "some", &format!("ostler: {kept}"));
}

#[test]
fn the_last_lines_are_found_from_the_end() {
    let fake = fake();
    fake.ostler(&["logs", "17", "--tail", "1"]).with(0, "b\n", "");
    fake.ostler(&["logs", "17", "-n", "2"]).with(0, "a\u{fffd}\nb\n", "");
    fake.ostler(&["logs", "17", "-n", "0"]).with(0, "", "");
    // A long log is not read whole.
    let log: String = (0..50_000).map(|n| format!("line {n}\n")).collect();
    let fake = Fake::start(move |request| of_log(request, log.as_bytes()));
    fake.ostler(&["logs", "17", "--tail", "2"]).with(0, "line 49998\nline 49999\n", "");
    let many = fake.ostler(&["logs", "17", "--tail", "2000"]);
    assert_eq!((many.out.lines().count(), many.out.lines().next()), (2000, Some("line 48000")));
    // What was looked at once is not asked for again, and no more than a few MiB at once.
    let log = format!("a\n{}\nz\n", "long ".repeat(3 << 20));
    let long = Fake::start(move |request| of_log(request, log.as_bytes()));
    let ended = long.ostler(&["logs", "17", "--tail", "2"]);
    assert_eq!((ended.code, ended.out.len()), (Some(0), (15 << 20) + 3));
    let ranges: Vec<_> = long.asked().iter().map(|it| it.headers["range"].clone()).collect();
    let (copied, looks) = ranges.split_last().unwrap();
    assert_eq!(copied, "bytes=2-");
    let ends = |range: &String| range.split(['=', '-']).nth(2).unwrap().parse::<u64>().unwrap();
    let begins = |range: &String| range.split(['=', '-']).nth(1).unwrap().parse::<u64>().unwrap();
    assert!(looks[1..].windows(2).all(|two| ends(&two[1]) + 1 == begins(&two[0])), "{looks:?}");
    assert!(looks[1..].iter().all(|it| ends(it) - begins(it) < 4 << 20), "{looks:?}");
    // Of a log without output there is no part.
    let fake = Fake::start(|_| Reply::new(200, "text/plain", ""));
    fake.ostler(&["logs", "17", "--tail", "2"]).with(0, "", "");
}

#[test]
fn the_last_lines_are_followed_by_what_comes() {
    let fake = Fake::start(|request| {
        let output = |id: &str, text: &str| {
            event(id, "output", &json!({"stream": "stdout", "at": "", "text": text}))
        };
        if request.target == "/v1/jobs/17" {
            return Reply::json(200, &job(17, "running", &json!({"attempts": 2})));
        }
        if !request.target.contains("/log/events") {
            assert!(request.target.contains("attempt=2"), "{}", request.target);
            return of_log(request, b"one\ntwo\nthree\n");
        }
        let events = output("1.1", "of the first\n")
            + &output("1.2", "one\ntw")
            + &output("2.2", "o\nthree\nfour\n")
            + &output("3.2", "five\n")
            + &output("1.3", "again\n")
            + &event("1.3", "end", &job(17, "succeeded", &json!({})));
        Reply::new(200, "text/event-stream", events)
    });
    let note = "note: job 17, attempt 3\n";
    fake.ostler(&["logs", "-fn", "2", "17"]).with(0, "two\nthree\nfour\nfive\nagain\n", note);
    fake.ostler(&["logs", "-fn", "0", "17"]).with(0, "four\nfive\nagain\n", note);
}

//! The verbs for operators: status, runners, drain, backup, tokens, completions, manual pages.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use crate::fake::{Fake, Reply, Request};

fn lines(fake: &Fake) -> Vec<String> {
    fake.asked().iter().map(Request::line).collect()
}

/// A text with one space where it has several.
fn squeezed(text: &str) -> String {
    let line = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n";
    text.lines().map(line).collect()
}

fn gateway(accepting: bool) -> Fake {
    Fake::start(move |request| match request.target.as_str() {
        "/v1/status" => Reply::json(
            200,
            &json!({
                "version": "0.1.0", "jobs": {"pending": 3, "dead": 0, "running": 1},
                "oldest_runnable_seconds": 2.5, "runners": 1, "slots": 2, "slots_busy": 1,
                "schedules": {"active": 12, "paused": 1, "faulty": 0, "ended": 0}, "schedules_overdue": 2,
                "zone": "Europe/Berlin", "zone_data": "built in (2026a)",
                "store_bytes": 123_456_789_u64, "accepting": accepting,
                "problem": if accepting { Value::Null } else { json!("the disk is full") },
            }),
        ),
        _ => Reply::json(
            200,
            &json!({"runners": [{
                "name": "left", "connected": true, "draining": false, "slots": 2,
                "running": [7], "heard_at": "2026-01-25T01:02:03.004Z",
            }]}),
        ),
    })
}

#[test]
fn status_shows_jobs_slots_and_runners() {
    let fake = gateway(true);
    let ended = fake.ostler(&["status"]);
    let expected = "ostler 0.1.0\npending 3\nrunning 1\noldest waits 2.5s\nschedules 12 active, 1 paused, 2 overdue\nzone Europe/Berlin, data: built in (2026a)\nslots 1 of 2 busy\n\
                    store 117MiB\n\nleft ready 2 1 2026-01-25 7\n";
    assert_eq!((ended.code, squeezed(&ended.out).as_str()), (Some(0), expected), "{}", ended.err);
    let ended = fake.ostler(&["status", "-o", "json"]);
    assert_eq!(serde_json::from_str::<Value>(&ended.out).unwrap()["jobs"]["pending"], 3);
}

#[test]
fn status_of_a_gateway_that_takes_no_jobs_ends_with_69() {
    let ended = gateway(false).ostler(&["status"]);
    assert_eq!(ended.code, Some(69));
    assert_eq!(ended.err, "ostler: the gateway takes no jobs: the disk is full\n");
}

#[test]
fn runners_are_listed_by_either_verb() {
    let fake = gateway(true);
    for words in [&["status", "--runners"][..], &["runner", "list"]] {
        let ended = fake.ostler(words);
        assert_eq!(squeezed(&ended.out), "left ready 2 1 2026-01-25 7\n", "{ended:?}");
    }
    let ended = fake.ostler(&["runner", "list", "-o", "yaml"]);
    assert_eq!(serde_saphyr::from_str::<Value>(&ended.out).unwrap()[0]["name"], "left");
}

#[test]
fn drain_waits_until_the_runner_has_no_job() {
    let looks = AtomicU32::new(0);
    let fake = Fake::start(move |request| {
        if request.method == "POST" {
            return Reply::json(200, &json!({}));
        }
        let running: Vec<u64> = match looks.fetch_add(1, Ordering::Relaxed) {
            0 => vec![7],
            _ => Vec::new(),
        };
        let runner = json!({"name": "a b", "connected": true, "running": running});
        Reply::json(200, &json!({"runners": [runner]}))
    });
    let told = "runner a b takes nothing new\nnote: 1 job left\nrunner a b has no job any more\n";
    fake.ostler(&["drain", "a b", "--wait"]).with(0, "", told);
    fake.ostler(&["drain", "a b", "--undo"]).with(0, "", "runner a b takes jobs again\n");
    let expected = [
        "POST /v1/runners/a%20b/drain",
        "GET /v1/runners",
        "GET /v1/runners",
        "POST /v1/runners/a%20b/undrain",
    ];
    assert_eq!(lines(&fake), expected);
}

#[test]
fn backup_names_a_whole_path() {
    let fake = Fake::start(|request| {
        Reply::json(200, &json!({"path": request.json()["path"], "bytes": 4096}))
    });
    let path = fake.path().canonicalize().unwrap().join("copy.db");
    let told = format!("{}: 4KiB\n", path.display());
    fake.ostler(&["backup", "copy.db"]).with(0, "", &told);
    assert_eq!(fake.asked()[0].json(), json!({"path": path}));
}

#[test]
fn tokens_are_made_listed_and_taken_back() {
    let fake = Fake::start(|request| match request.method.as_str() {
        "POST" => Reply::json(201, &json!({"name": "ci", "token": "ostler_secret"})),
        "DELETE" => Reply::new(204, "text/plain", ""),
        _ => Reply::json(
            200,
            &json!({"tokens": [
                {"name": "first", "scopes": ["admin"], "tenant": null, "expires_at": null},
                {"name": "ci", "scopes": ["submit", "read"], "tenant": "t"},
            ]}),
        ),
    });
    let words = ["token", "create", "ci", "--scope", "submit,read", "--expires", "30d"];
    let note = "note: this is shown only now; give it to programs as OSTLER_TOKEN\n";
    fake.ostler(&words).with(0, "ostler_secret\n", note);
    let ended = fake.ostler(&["token", "list"]);
    assert_eq!(squeezed(&ended.out), "first admin - - - -\nci submit,read t - - -\n");
    fake.ostler(&["token", "revoke", "ci"]).with(0, "", "token ci is revoked\n");
    let expected = json!({"name": "ci", "scopes": ["submit", "read"], "expires": "30d"});
    assert_eq!(fake.asked()[0].json(), expected);
    assert_eq!(lines(&fake)[1..], ["GET /v1/tokens", "DELETE /v1/tokens/ci"]);
}

#[test]
fn the_document_of_the_command_line_has_every_verb_and_filter() {
    let document = include_str!("../../../docs/CLI.md");
    let help = gateway(true).ostler(&["--help"]).out;
    let verbs: Vec<&str> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .map_while(|line| line.split_whitespace().next())
        .filter(|verb| *verb != "help")
        .collect();
    assert!(verbs.len() >= 20, "{help}");
    let rows: String = document.lines().filter(|line| line.starts_with("| `")).collect();
    for verb in verbs {
        assert!(rows.contains(&format!("`{verb}`")), "docs/CLI.md has no row for {verb}");
    }
    let filters = gateway(true).ostler(&["list", "x=1"]).err;
    let (_, filters) = filters.split_once("filters are ").unwrap();
    let (filters, _) = filters.split_once(", each").unwrap();
    for filter in filters.replace(" and ", ", ").split(", ") {
        assert!(rows.contains(&format!("`{filter}=")), "docs/CLI.md has no row for {filter}=");
    }
}

#[test]
fn completions_and_manual_pages_come_from_the_command_line_itself() {
    let fake = gateway(true);
    for shell in ["bash", "zsh", "fish"] {
        let ended = fake.ostler(&["completions", shell]);
        assert!(ended.code == Some(0) && ended.out.contains("submit"), "{shell}");
    }
    assert_eq!(fake.ostler(&["completions", "tcsh"]).code, Some(64));
    assert!(fake.ostler(&["man"]).out.contains(".TH ostler"));
    assert_eq!(fake.ostler(&["man", "pages"]).code, Some(0));
    assert!(fake.path().join("pages/ostler-submit.1").is_file());
    std::fs::write(fake.path().join("file"), "").unwrap();
    assert_eq!(fake.ostler(&["man", "file"]).code, Some(73));
    assert!(fake.asked().is_empty());
}

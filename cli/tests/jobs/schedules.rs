//! `ostler schedule`: what it asks, and what it says.

use std::{fs, os::unix::fs::PermissionsExt as _};

use serde_json::{Value, json};

use crate::fake::{Fake, Reply, Request};

fn schedule() -> Value {
    json!({
        "name": "nightly", "cron": "30 2 * * *", "words": "at 02:30 every day", "zone": "Europe/Berlin", "vixie": false,
        "gap": "after_gap", "fold": "first", "missed": "one", "overlap": "queue_one", "jitter": "5m", "starts": null, "ends": null,
        "expect_within": "1d2h", "max_run": null, "expires_in": null, "job": {"command": "backup --all", "queue": "night"},
        "tenant": "default", "owner": "api", "state": "active", "paused": null, "fault": null, "ended_at": null,
        "cursor": "2026-01-25T01:30:00Z", "next": ["2999-01-26T01:30:00Z", "2999-01-27T01:30:00Z"], "next_at": "2999-01-26T01:33:00Z",
        "last": [{"due": "2026-01-25T01:30:00Z", "last": "2026-01-25T01:30:00Z", "count": 1, "at": "2026-01-25T01:31:40Z",
            "fate": "fired", "late_ms": 100_000, "job": 17, "state": "dead", "by": null, "detail": null}],
        "unfinished": [17], "waiting": [], "too_long": [17], "overdue": true, "overdue_since": "2026-01-26T03:30:00Z",
        "last_success": null,
    })
}

fn not_found() -> Reply {
    Reply::problem(404, "not_found", "there is no schedule", &json!({}))
}

/// A gateway with the schedule `nightly`.
fn fake() -> Fake {
    Fake::start(|request: &Request| match (request.method.as_str(), request.target.as_str()) {
        ("GET", "/v1/schedules?limit=1000") => {
            let mut other = schedule();
            other["name"] = json!("a-paused");
            other["state"] = json!("paused");
            other["overdue"] = json!(false);
            other["last"] = json!([]);
            Reply::json(200, &json!({"schedules": [other], "next": "a-paused"}))
        }
        ("GET", "/v1/schedules?limit=1000&after=a-paused") => {
            Reply::json(200, &json!({"schedules": [schedule()], "next": null}))
        }
        ("GET", target) if target.starts_with("/v1/schedules/nightly/firings") => {
            Reply::json(200, &json!({"firings": schedule()["last"]}))
        }
        ("GET", target) if target != "/v1/schedules/nightly" => not_found(),
        ("POST", target) if target.ends_with("/run") => {
            let mut ran = schedule();
            ran["ran"] = json!(18);
            Reply::json(200, &ran)
        }
        ("DELETE", _) => Reply::new(204, "text/plain", ""),
        _ => Reply::json(200, &schedule()),
    })
}

fn lines(fake: &Fake) -> Vec<String> {
    fake.asked().iter().map(Request::line).collect()
}

fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn schedules_are_listed_page_by_page_and_shown_with_what_became_of_them() {
    let fake = fake();
    let list = fake.ostler(&["schedule", "list"]);
    let out: Vec<String> = list.out.lines().map(squeezed).collect();
    let expected = [
        "a-paused paused at 02:30 every day 2999-01-26 - - backup --all",
        "nightly active+overdue at 02:30 every day 2999-01-26 2026-01-25 dead backup --all",
    ];
    assert_eq!((out, list.err), (expected.map(str::to_owned).to_vec(), String::new()));
    fake.ostler(&["schedule", "list", "overdue=true", "state=a b"]);
    assert_eq!(
        lines(&fake).pop().unwrap(),
        "GET /v1/schedules?limit=1000&overdue=true&state=a%20b"
    );
    assert_eq!(fake.ostler(&["schedule", "list", "late"]).code, Some(64));
    let shown = squeezed(&fake.ostler(&["schedule", "show", "nightly"]).out);
    for part in [
        "state active+overdue",
        "when at 02:30 every day",
        "zone Europe/Berlin",
        "overlap queue_one",
        "jitter 5m",
        "expect within 1d2h",
        "running too long 17",
        "job queue night",
        "next 2999-01-27T02:30:00+01:00",
        "cursor 2026-01-25T02:30:00+01:00",
        "dead 1m40s 17",
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    let json = fake.ostler(&["schedule", "show", "nightly", "-o", "json"]).out;
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), schedule());
    let firings = fake.ostler(&[
        "schedule",
        "firings",
        "nightly",
        "--before",
        "2026-02-01T00:00:00Z",
        "--limit",
        "5",
    ]);
    assert!(
        squeezed(&firings.out).starts_with("2026-01-25T02:30:00+01:00 2026-01-25 dead 1m40s 17"),
        "{}",
        firings.out
    );
    assert_eq!(
        lines(&fake).pop().unwrap(),
        "GET /v1/schedules/nightly/firings?limit=5&before=2026-02-01T00:00:00Z"
    );
}

#[test]
fn what_is_put_leaves_the_rest_as_it_is() {
    let fake = fake();
    assert_eq!(
        fake.ostler(&[
            "schedule",
            "put",
            "nightly",
            "0 4 * * *",
            "--timeout",
            "2h",
            "--jitter",
            "none"
        ])
        .code,
        Some(0)
    );
    let words = [
        "schedule",
        "put",
        "new",
        "@daily",
        "--tz",
        "UTC",
        "--missed",
        "10/1d",
        "--expires",
        "1h",
        "--dry-run",
        "--",
        "make",
        "all",
    ];
    let dry = fake.ostler(&words);
    assert_eq!(
        (dry.code, dry.err.as_str()),
        (Some(0), "note: nothing was changed: it would be this\n")
    );
    let asked = fake.asked();
    let kept = json!({"cron": "0 4 * * *", "zone": "Europe/Berlin", "overlap": "queue_one", "expect_within": "1d2h",
        "job": {"command": "backup --all", "queue": "night", "timeout": "2h"}});
    assert_eq!((asked[1].line().as_str(), asked[1].json()), ("PUT /v1/schedules/nightly", kept));
    let new = json!({"cron": "@daily", "zone": "UTC", "missed": {"limit": 10, "window": "1d"}, "expires_in": "1h", "job": {"argv": ["make", "all"]}});
    assert_eq!(
        (asked[3].line().as_str(), asked[3].json()),
        ("PUT /v1/schedules/new?dry_run=true", new)
    );
    fake.ostler(&["schedule", "put", "nightly", "--new", "--paused", "@daily", "--", "x"]);
    let asked = fake.asked();
    let (put, pause) = (&asked[4], &asked[5]);
    assert_eq!((put.headers["if-none-match"].as_str(), &put.json()["paused"]), ("*", &json!(true)));
    assert_eq!(
        pause.line(),
        "POST /v1/schedules/nightly/pause",
        "one that was there and goes on is paused"
    );
}

#[test]
fn what_is_no_schedule_is_told_with_the_cure() {
    let fake = fake();
    for (words, says) in [
        (
            &["new", "@daily"][..],
            "there is no schedule new yet; say what it runs, after --: ostler schedule put new … -- COMMAND",
        ),
        (
            &["new", "--", "make"],
            "there is no schedule new yet; say when, such as: ostler schedule put new '0 3 * * *' -- COMMAND",
        ),
        (
            &["nightly", "--at", "18:00"],
            "--not-before: when it runs is the schedule's; --starts says from when on",
        ),
    ] {
        let ended = fake.ostler(&[&["schedule", "put"], words].concat());
        assert_eq!(ended.code, Some(64));
        assert!(ended.err.contains(says), "{}", ended.err);
    }
    let fake = Fake::start(|request: &Request| match request.method.as_str() {
        "GET" => not_found(),
        _ => Reply::problem(400, "invalid_field", "is wrong", &json!({"pointer": "/cron"})),
    });
    let ended = fake.ostler(&["schedule", "put", "new", "0 25 * * *", "--", "make"]);
    let told = "ostler: column 3: there is no hour 25; write a number from 0 to 23\n    0 25 * * *\n      ^^\n";
    ended.with(64, "", told);
}

#[test]
fn an_expression_that_the_shell_took_for_names_of_files_is_told_in_one_line() {
    let fake = fake();
    for name in ["Cargo.toml", "README"] {
        fs::write(fake.path().join(name), "").unwrap();
    }
    let files = ["0", "3", "Cargo.toml", "README", "Cargo.toml", "README"];
    let says = "there are names of files where the expression should be: did you forget to quote it? The shell makes them of *; write it as: ";
    for verb in [&["schedule", "put", "nightly"][..], &["schedule", "explain"]] {
        let ended = fake.ostler(&[verb, &files].concat());
        let told = format!("ostler: {says}ostler {} '0 3 * * *'\n", verb.join(" "));
        ended.with(64, "", &told);
    }
    assert_eq!(fake.asked().len(), 0);
    fake.ostler(&["schedule", "put", "nightly", "0", "4", "*", "*", "*"]);
    assert_eq!(fake.asked().pop().unwrap().json()["cron"], "0 4 * * *");
    let ended = fake.ostler(&["schedule", "put", "nightly", "0 3 * * *", "backup", "all"]);
    let told = "ostler: \"backup all\" is no part of the expression; what it runs comes after --: ostler schedule put nightly '0 3 * * *' -- backup all\n";
    ended.with(64, "", told);
}

#[test]
fn a_file_that_is_no_crontab_is_told_in_a_few_lines() {
    let fake = fake();
    let text = format!("{}0 3 * *\nword\n", "root:x:0:0\n".repeat(9));
    let ended = fake.ostler_with(&text, &["schedule", "import", "-"]);
    let lines: Vec<&str> = ended.err.lines().collect();
    assert_eq!((ended.code, lines.len()), (Some(65), 4), "{lines:?}");
    assert!(lines[0].starts_with("stdin:1:1: there is one field; write five"), "{lines:?}");
    assert_eq!(lines[1], "stdin: 8 more lines up to 9: the same");
}

#[test]
fn an_import_for_several_runners_says_that_a_crontab_is_of_one() {
    let names = ["a", "b", "c", "d", "e", "f"];
    let runners = names.map(|name| json!({"name": name}));
    let runners = json!({"runners": runners});
    let fake = Fake::start(move |request: &Request| match request.target.as_str() {
        "/v1/runners" => Reply::json(200, &runners),
        _ if request.method.as_str() == "GET" => not_found(),
        _ => Reply::json(200, &request.json()),
    });
    let import = |words: &[&str]| {
        let words = [&["schedule", "import", "-", "--tz", "UTC", "--apply"], words].concat();
        fake.ostler_with("0 1 * * * a\n", &words).err
    };
    let says = "note: a crontab is of one host, and each of these runners may run its lines: a, b, c, d, e and 1 more; --host NAME gives them to one\n";
    assert!(import(&[]).contains(says), "{}", import(&[]));
    assert!(!import(&["--host", "b"]).contains("these runners"), "{}", import(&["--host", "b"]));
    let unknown = import(&["--host", "g"]);
    assert!(
        unknown.contains("note: there is no runner g now; the jobs wait for it\n"),
        "{unknown}"
    );
}

#[test]
fn schedules_are_steered() {
    let fake = fake();
    fake.ostler(&["schedule", "pause", "nightly", "b"]).with(
        0,
        "",
        "schedule nightly is paused\nschedule b is paused\n",
    );
    fake.ostler(&["schedule", "resume", "nightly"]).with(0, "", "schedule nightly is resumed\n");
    fake.ostler(&["schedule", "run", "nightly"]).with(0, "", "schedule nightly fires as job 18\n");
    let run = fake.ostler(&["schedule", "run", "nightly", "-o", "ndjson"]);
    assert_eq!(serde_json::from_str::<Value>(&run.out).unwrap()["ran"], 18);
    fake.ostler(&["schedule", "delete", "nightly"]).with(0, "", "schedule nightly is deleted\n");
    let cursor =
        fake.ostler(&["schedule", "cursor", "nightly", "2026-01-20T00:00:00Z", "-o", "json"]);
    assert!(cursor.err.starts_with("note: to Tue 2026-01-20 00:00"), "{}", cursor.err);
    let last = fake.asked().pop().unwrap();
    assert_eq!(
        (last.line().as_str(), last.json()),
        ("POST /v1/schedules/nightly/cursor", json!({"to": "2026-01-20T00:00:00Z"}))
    );
    let ended = fake.ostler(&["schedule", "delete", ""]);
    assert!(
        ended.code == Some(64) && ended.err.contains("give the schedule's name"),
        "{}",
        ended.err
    );
}

const TAB: &str = "# Nightly\n30 2 * * * backup --all\n\n61 * * * * wrong\n0 4 * * * report\n";

/// Keeps what is put, and answers as it would be.
fn keeper() -> Fake {
    let kept: std::sync::Mutex<std::collections::BTreeMap<String, Value>> =
        std::sync::Mutex::default();
    Fake::start(move |request: &Request| {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        let mut kept = kept.lock().unwrap();
        match request.method.as_str() {
            "GET" => kept.get(path).map_or_else(not_found, |it| Reply::json(200, it)),
            _ if request.text().contains("refused") => Reply::problem(
                400,
                "invalid_field",
                "this user is not permitted",
                &json!({"pointer": "/job/user"}),
            ),
            _ => {
                let body = request.json();
                if query.is_empty() {
                    kept.insert(path.to_owned(), body.clone());
                }
                Reply::json(200, &{
                    let mut view = body;
                    view["name"] = json!("x");
                    view
                })
            }
        }
    })
}

#[test]
fn an_import_says_what_it_would_do_and_does_nothing_of_it() {
    let fake = keeper();
    let ended =
        fake.ostler_with(TAB, &["schedule", "import", "-", "--tz", "UTC", "--prefix", "old-"]);
    let out: Vec<String> = ended.out.lines().map(squeezed).collect();
    assert!(
        out[0].starts_with("old-nightly at 02:30 every day in ")
            && out[0].ends_with("- backup --all"),
        "{out:?}"
    );
    assert!(out[1].starts_with("old-report at 04:00 every day in "), "{out:?}");
    assert!(
        ended.err.contains("stdin:4:1: there is no minute 61; write a number from 0 to 59\n"),
        "{}",
        ended.err
    );
    assert!(
        ended.err.ends_with("note: nothing was done; --apply makes 2 schedules of it\n"),
        "{}",
        ended.err
    );
    assert_eq!((ended.code, fake.asked().len()), (Some(65), 0));
}

#[test]
fn an_import_makes_all_takes_the_lines_out_and_changes_nothing_when_it_is_done_again() {
    let fake = keeper();
    let tab = fake.path().join("tab");
    fs::write(&tab, TAB).unwrap();
    fs::set_permissions(&tab, fs::Permissions::from_mode(0o640)).unwrap();
    let words = ["schedule", "import", "tab", "--tz", "UTC", "--apply"];
    let first = fake.ostler(&words);
    assert!(
        first.err.contains("schedule nightly is made\nschedule report is made\n"),
        "{}",
        first.err
    );
    let again = fake.ostler(&[&words[..], &["--disable"]].concat());
    assert!(
        again.err.contains("schedule nightly is there already\nschedule report is there already\n"),
        "{}",
        again.err
    );
    assert!(again.err.contains("tab: 2 lines taken out\n"), "{}", again.err);
    assert_eq!(again.code, Some(65), "a line is still there");
    let puts = |fake: &Fake| {
        lines(fake).iter().filter(|it| it.starts_with("PUT") && !it.contains('?')).count()
    };
    assert_eq!(puts(&fake), 2);
    let left = fs::read_to_string(&tab).unwrap();
    assert!(
        left.contains(
            "\n#ostler# 30 2 * * * backup --all\n\n61 * * * * wrong\n#ostler# 0 4 * * * report\n"
        ),
        "{left}"
    );
    assert_eq!(fs::metadata(&tab).unwrap().permissions().mode() & 0o777, 0o640);
    let third = fake.ostler(&[&words[..], &["--disable"]].concat());
    assert_eq!((fs::read_to_string(&tab).unwrap(), puts(&fake)), (left, 2), "{}", third.err);
}

#[test]
fn an_import_does_nothing_when_one_is_refused_or_is_something_else() {
    let fake = keeper();
    let tab = fake.path().join("tab");
    let words = ["schedule", "import", "tab", "--tz", "UTC", "--apply", "--disable"];
    fs::write(&tab, "0 1 * * * good\n0 2 * * * refused\n").unwrap();
    let ended = fake.ostler(&words);
    assert!(
        ended
            .err
            .contains("tab:2: this user is not permitted (field /job/user) (schedule refused)"),
        "{}",
        ended.err
    );
    assert!(
        ended.err.contains("note: nothing was done, since not all of it can be"),
        "{}",
        ended.err
    );
    assert!(
        ended.code == Some(65)
            && lines(&fake).iter().all(|it| !it.starts_with("PUT") || it.contains("dry_run"))
    );
    assert!(!fs::read_to_string(&tab).unwrap().contains("#ostler"), "the file is as it was");
    fs::write(&tab, "0 1 * * * good\n").unwrap();
    assert_eq!(fake.ostler(&words[..6]).code, Some(0));
    fs::write(&tab, "0 2 * * * good --other\n").unwrap();
    let other = fake.ostler(&words[..6]);
    assert!(other.err.contains("tab:1: there is a schedule good that is something else; --prefix gives other names, --replace changes it"), "{}", other.err);
    let replaced = fake.ostler(&[&words[..6], &["--replace"]].concat());
    assert!(replaced.err.contains("schedule good is changed\n"), "{}", replaced.err);
    let stdin =
        fake.ostler_with("0 1 * * * a\n", &["schedule", "import", "-", "--apply", "--disable"]);
    assert!(stdin.code == Some(64) && stdin.err.contains("crontab -l > tab"), "{}", stdin.err);
}

#[test]
fn folders_of_crontabs_are_read_as_cron_reads_them() {
    let fake = keeper();
    let (system, users) = (fake.path().join("cron.d"), fake.path().join("crontabs"));
    for (folder, name, text) in [
        (&system, "certbot", "SHELL=/bin/sh\n0 */12 * * * root certbot -q renew\n"),
        (&system, "old.dpkg-dist", "0 1 * * * root old\n"),
        (&system, ".placeholder", "# nothing\n"),
        (&users, "eve", "@daily mine\n"),
    ] {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join(name), text).unwrap();
    }
    let ended =
        fake.ostler(&["schedule", "import", "cron.d", "crontabs", "--tz", "UTC", "-o", "json"]);
    let import: Value = serde_json::from_str(&ended.out).unwrap();
    let of = |at: usize| {
        let it = &import["schedules"][at];
        (it["name"].as_str().unwrap().to_owned(), it["user"].as_str().unwrap().to_owned())
    };
    assert_eq!((of(0), of(1)), (("certbot".into(), "root".into()), ("eve".into(), "eve".into())));
    assert!(
        ended.err.contains("note: cron.d/old.dpkg-dist is left out, as by cron, for its name"),
        "{}",
        ended.err
    );
    fs::rename(&system, fake.path().join("other")).unwrap();
    let unclear = fake.ostler(&["schedule", "import", "other"]);
    assert!(
        unclear.code == Some(64)
            && unclear.err.contains("say --system, as for /etc/cron.d, or --user"),
        "{}",
        unclear.err
    );
}

#[test]
fn schedules_are_exported_in_each_form() {
    let fake = fake();
    let json: Value =
        serde_json::from_str(&fake.ostler(&["schedule", "export", "--format", "json"]).out)
            .unwrap();
    assert_eq!(json.as_object().unwrap().keys().collect::<Vec<_>>(), ["a-paused", "nightly"]);
    assert_eq!(json["nightly"]["job"], json!({"command": "backup --all", "queue": "night"}));
    let toml = fake.ostler(&["schedule", "export", "nightly"]).out;
    assert!(
        toml.contains("[schedule.nightly]\n") && toml.contains("cron = \"30 2 * * *\"\n"),
        "{toml}"
    );
    let crontab = fake.ostler(&["schedule", "export", "nightly", "--format", "crontab"]).out;
    assert!(
        crontab.contains("# nightly\n")
            && crontab.contains("CRON_TZ=Europe/Berlin\nMAILTO=\"\"\n")
            && crontab.contains("\n30 2 * * * backup --all\n"),
        "{crontab}"
    );
}

#[test]
fn at_says_the_moment_with_its_zone_and_submits() {
    let fake =
        Fake::start(|_: &Request| Reply::json(201, &crate::fake::job(7, "scheduled", &json!({}))));
    let ended =
        fake.ostler(&["at", "2999-01-01 03:00 Europe/Berlin", "--tag", "x", "--", "make", "all"]);
    assert!(
        ended.err.starts_with("note: not before Tue 2999-01-01 03:00 Europe/Berlin, in "),
        "{}",
        ended.err
    );
    assert_eq!(ended.out, "7\n");
    let asked = &fake.asked()[0];
    assert_eq!(
        asked.json(),
        json!({"argv": ["make", "all"], "not_before": "2999-01-01T02:00:00Z", "tags": ["x"]})
    );
    let relative = fake.ostler(&["at", "in 2h", "--", "make"]);
    assert!(
        relative.err.contains("note: not before ") && relative.err.contains(", in 2 h"),
        "{}",
        relative.err
    );
    for words in [&["at", "soon", "--", "x"][..], &["at", "18:00", "--delay", "5m", "--", "x"]] {
        assert_eq!(fake.ostler(words).code, Some(64), "{words:?}");
    }
}

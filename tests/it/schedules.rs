//! Schedules, by the configuration and by the API, on a real gateway with a real runner.

use std::fs;

use ostler_tests::{Api, Gateway, Response, Setup, run_ostler, wait_until};
use serde_json::{Value, json};

const EACH_SECOND: &str = "[schedules]\nzone = \"Asia/Tokyo\"\n[schedule.tick]\ncron = \"* * * * * *\"\n\
    command = \"echo $OSTLER_SCHEDULE $OSTLER_DUE\"\n";

fn setup(config: &str) -> Setup {
    Setup::bare().more(&format!("[runner]\njob_slots = 4\n{config}")).args(&["--no-app"])
}

fn body(method: &str, api: &Api, path: &str, body: &Value) -> Response {
    let text = serde_json::to_vec(body).expect("a value is written");
    api.request(method, path, "Content-Type: application/json\r\n", &text)
}

fn schedule(api: &Api, name: &str) -> Value {
    api.get(&format!("/v1/schedules/{name}")).json()
}

fn act(api: &Api, name: &str, verb: &str) -> Value {
    let answer = api.request("POST", &format!("/v1/schedules/{name}/{verb}"), "", b"");
    assert_eq!(answer.status, 200, "{verb}: {}", answer.text());
    answer.json()
}

/// What became of its moments, newest first.
fn firings(api: &Api, name: &str) -> Vec<Value> {
    let page = api.get(&format!("/v1/schedules/{name}/firings?limit=1000")).json();
    page["firings"].as_array().unwrap_or_else(|| panic!("{page}")).clone()
}

fn fired(api: &Api, name: &str) -> Vec<Value> {
    firings(api, name).into_iter().filter(|it| it["fate"] == "fired").collect()
}

fn succeeded(gateway: &Gateway, name: &str) -> usize {
    Api::of(gateway).list(&format!("schedule={name}&state=succeeded")).len()
}

#[test]
fn a_schedule_of_the_file_fires_at_each_of_its_moments_and_its_jobs_know_which() {
    let gateway = setup(EACH_SECOND).start();
    let api = Api::of(&gateway);
    wait_until("three have run", || succeeded(&gateway, "tick") >= 3);
    act(&api, "tick", "pause");
    for (id, job) in api.list("schedule=tick") {
        let job = if job["finished_at"].is_null() { api.wait_finished(id) } else { job };
        assert_eq!((&job["state"], &job["schedule"]), (&json!("succeeded"), &json!("tick")));
        let due = job["due"].as_str().expect("a firing was due");
        let seconds = due.replace(".000Z", "Z");
        assert_eq!(String::from_utf8_lossy(&api.log(id)), format!("tick {seconds}\n"));
    }
    let mut dues: Vec<String> =
        firings(&api, "tick").iter().map(|it| it["due"].to_string()).collect();
    let count = dues.len();
    dues.dedup();
    assert_eq!((dues.len(), count >= 3), (count, true), "each moment is there once: {dues:?}");
    let listed = run_ostler(&[
        "list",
        "schedule=tick",
        "-o",
        "json",
        "--state",
        gateway.state().to_str().expect("text"),
    ]);
    let told = String::from_utf8_lossy(&listed.stdout).into_owned();
    let listed: Value = serde_json::from_str(&told).unwrap_or_else(|_| panic!("{listed:?}"));
    let listed = listed.as_array().or_else(|| listed["jobs"].as_array()).expect("jobs").len();
    assert_eq!(listed, api.list("schedule=tick").len(), "{told}");
    // The zone of the file holds for what the API is given, too.
    let daily = json!({ "cron": "@daily", "job": { "command": "true" } });
    assert_eq!(body("PUT", &api, "/v1/schedules/daily", &daily).json()["zone"], "Asia/Tokyo");
}

#[test]
fn what_the_file_has_is_changed_there_alone_but_steered_by_whoever_may() {
    let config =
        format!("{EACH_SECOND}[schedule.beside]\ncron = \"* * * * * *\"\nmodule = \"noop\"\n");
    let gateway = setup(&config).start();
    let api = Api::of(&gateway);
    let tick = schedule(&api, "tick");
    assert_eq!((&tick["owner"], &tick["zone"]), (&json!("file"), &json!("Asia/Tokyo")), "{tick}");
    let other = json!({ "cron": "@daily", "job": { "command": "true" } });
    for refused in [
        body("PUT", &api, "/v1/schedules/tick", &other),
        body("PUT", &api, "/v1/schedules/tick?dry_run=true", &other),
        api.request("DELETE", "/v1/schedules/tick", "", b""),
    ] {
        assert_eq!(refused.status, 409, "{}", refused.text());
        assert!(refused.text().contains("[schedule.tick]"), "{}", refused.text());
    }
    wait_until("it fires", || !fired(&api, "tick").is_empty());
    act(&api, "tick", "pause");
    let before = fired(&api, "tick").len();
    // One that has not finished would keep the next from running.
    wait_until("it is done", || schedule(&api, "tick")["unfinished"] == json!([]));
    // Ordered by hand it fires all the same: what comes due meanwhile does not.
    let ran = act(&api, "tick", "run")["ran"].as_u64().expect("it ran");
    assert_eq!(api.wait_finished(ran)["state"], "succeeded");
    let others = fired(&api, "beside").len();
    wait_until("two of its moments are over", || fired(&api, "beside").len() >= others + 2);
    assert_eq!(fired(&api, "tick").len(), before + 1);
    // It stays paused whatever restarts.
    let gateway = setup(&config).start_in(gateway.stop());
    let api = Api::of(&gateway);
    assert_eq!(schedule(&api, "tick")["paused"]["by"], "first");
    assert_eq!(fired(&api, "tick").len(), before + 1);
    act(&api, "tick", "resume");
    wait_until("it fires again", || fired(&api, "tick").len() > before + 2);
}

#[test]
fn what_is_taken_out_of_the_file_has_ended_and_its_history_stays() {
    let gateway = setup(EACH_SECOND).start();
    wait_until("it has run", || succeeded(&gateway, "tick") >= 1);
    let gateway = setup("").start_in(gateway.stop());
    let api = Api::of(&gateway);
    let tick = schedule(&api, "tick");
    assert_eq!((&tick["state"], &tick["next"]), (&json!("ended"), &json!([])), "{tick}");
    assert!(tick["ended_at"].is_string(), "{tick}");
    let history = fired(&api, "tick");
    assert!(!history.is_empty() && !api.list("schedule=tick").is_empty());
    for verb in ["run", "pause", "resume"] {
        let refused = api.request("POST", &format!("/v1/schedules/tick/{verb}"), "", b"");
        assert_eq!(refused.status, 409, "{verb}: {}", refused.text());
    }
    // Whoever puts it anew has it from here on, with what was before.
    let shape = json!({ "cron": "@yearly", "job": { "command": "true" } });
    let put = body("PUT", &api, "/v1/schedules/tick", &shape);
    assert_eq!((put.status, &put.json()["owner"]), (200, &json!("api")), "{}", put.text());
    assert_eq!(fired(&api, "tick").len(), history.len());
    // And in the file again it is the file's.
    let gateway = setup(EACH_SECOND).start_in(gateway.stop());
    let api = Api::of(&gateway);
    assert_eq!(schedule(&api, "tick")["owner"], "file");
    wait_until("it fires again", || fired(&api, "tick").len() > history.len());
}

#[test]
fn what_the_api_was_given_fires_on_after_a_restart_and_no_moment_twice() {
    let gateway = setup("").start();
    let api = Api::of(&gateway);
    let shape = json!({
        "cron": "* * * * * *", "missed": { "limit": 1000, "window": "1h" }, "overlap": "allow",
        "job": { "command": "true", "tags": ["t"], "retry": { "attempts": 1 } },
    });
    let put = body("PUT", &api, "/v1/schedules/kept", &shape);
    assert_eq!(put.status, 201, "{}", put.text());
    wait_until("it fires", || !fired(&api, "kept").is_empty());
    let before = schedule(&api, "kept");
    let gateway = setup("").start_in(gateway.stop());
    let api = Api::of(&gateway);
    let count = fired(&api, "kept").len();
    wait_until("it fires on", || fired(&api, "kept").len() > count + 1);
    let after = schedule(&api, "kept");
    for field in ["cron", "zone", "words", "missed", "overlap", "job", "owner", "state"] {
        assert_eq!(before[field], after[field], "{field}");
    }
    act(&api, "kept", "pause");
    // Nothing was left out while it was away, and nothing came twice: one job for each second, one after the other.
    let mut dues: Vec<jiff::Timestamp> = fired(&api, "kept").iter().map(due).collect();
    dues.reverse();
    let jobs = api.list("schedule=kept");
    assert_eq!(jobs.len(), dues.len());
    for pair in dues.windows(2) {
        assert_eq!(pair[0].as_second() + 1, pair[1].as_second(), "{dues:?}");
    }
}

fn due(firing: &Value) -> jiff::Timestamp {
    firing["due"].as_str().and_then(|text| text.parse().ok()).expect("a firing was due")
}

#[test]
fn a_gateway_does_not_start_with_a_schedule_that_cannot_be_meant_and_says_where() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let file = folder.path().join("ostler.toml");
    let text = "[listen]\nhttp = \"127.0.0.1:0\"\n[schedule.nightly]\ncron = \"0 3 * * FUN\"\ncommand = \"x\"\n\
        [schedule.never]\ncron = \"0 0 31 2 *\"\ncommand = \"x\"\n[schedule.nowhere]\ncron = \"@daily\"\nzone = \"Europe/Berlim\"\n\
        command = \"x\"\n";
    fs::write(&file, text).expect("the folder is there");
    let (file, state) = (file.to_str().expect("text"), folder.path().to_str().expect("text"));
    for words in [
        &["serve", "--config", file, "--state", state, "--no-app"][..],
        &["check", "--config", file],
    ] {
        let out = run_ostler(words);
        let told = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(64), "{words:?}: {told}");
        for part in [
            "ostler.toml:4: schedule.nightly.cron: column 9: \"FUN\" is no day of week; write a number from 0 to 7, or SUN to SAT",
            "ostler.toml:7: schedule.never.cron: column 1: it never fires; there is no such day in any year",
            "ostler.toml:11: schedule.nowhere.zone: there is no time zone \"Europe/Berlim\"; did you mean Europe/Berlin?",
        ] {
            assert!(told.contains(part), "{part} in {told}");
        }
    }
}

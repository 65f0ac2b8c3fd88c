//! What is known of runners and done to them: labels, drains, slots, removal; one that cannot start what it is given.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use nix::sys::signal::Signal;
use ostler_tests::{Api, Gateway, Runner, Setup, create_token, run_ostler, wait_for, wait_until};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A gateway with a runner of its own for durable jobs, and its API.
fn start(setup: Setup) -> (Gateway, Api) {
    let gateway = setup.start();
    let api = Api::of(&gateway);
    (gateway, api)
}

/// The same in a state folder that was used before.
fn start_in(setup: Setup, state: TempDir) -> (Gateway, Api) {
    let gateway = setup.start_in(state);
    let api = Api::of(&gateway);
    (gateway, api)
}

/// The runners that a list has, by name.
fn names(api: &Api, query: &str) -> Vec<String> {
    let listed = api.get(&format!("/v1/runners{query}")).json();
    let listed = listed["runners"].as_array().expect("a list of runners").clone();
    listed.iter().map(|it| it["name"].as_str().expect("a name").to_owned()).collect()
}

fn runner(api: &Api, name: &str) -> Option<Value> {
    let listed = api.get("/v1/runners").json();
    listed["runners"].as_array()?.iter().find(|it| it["name"] == name).cloned()
}

fn wait_connected(api: &Api, name: &str) -> Value {
    wait_for("the runner is connected", || {
        runner(api, name).filter(|it| it["connected"] == true && it["slots"] != 0)
    })
}

#[test]
fn a_runner_is_found_by_its_labels_and_has_others_as_soon_as_it_comes_back_with_them() {
    let (gateway, api) = start(Setup::bare().args(&["--no-app", "--label", "zone=a"]));
    let token = create_token(gateway.state(), &[]);
    let labels = "labels = { gpu = \"a100\", zone = \"b\" }";
    let other = Runner::of(&token, "other", &format!("[runner]\njob_slots = 1\n{labels}\n"));
    wait_connected(&api, "other");
    let own = names(&api, "?label=zone=a");
    assert_eq!(own.len(), 1);
    assert_eq!(names(&api, "?label=zone=b&label=gpu=a100"), ["other"]);
    assert_eq!(names(&api, "?label=zone=a&label=gpu=a100"), [""; 0]);
    other.signal(Signal::SIGTERM);
    let state = other.into_state();
    wait_until("it is away", || runner(&api, "other").unwrap()["connected"] == false);
    assert_eq!(names(&api, "?label=gpu=a100"), ["other"], "it may come back");
    let _back = Runner::back(state, &["--label", "zone=c"]);
    let back = wait_connected(&api, "other");
    assert_eq!(back["labels"], json!({ "zone": "c" }));
    assert_eq!(names(&api, "?label=gpu=a100"), [""; 0]);
}

#[test]
fn what_is_no_label_is_refused_at_the_start_with_the_rule() {
    let state = tempfile::tempdir().unwrap();
    let folder = state.path().to_str().unwrap();
    let refused = |words: &[&str]| {
        let out = run_ostler(&[&["runner", "--state", folder, "--local", "x"], words].concat());
        assert_eq!(out.status.code(), Some(64), "{out:?}");
        String::from_utf8(out.stderr).unwrap()
    };
    let told = refused(&["--label", "gpu"]);
    assert!(told.contains("\"gpu\" is no label; write NAME=VALUE, like gpu=a100"), "{told}");
    let told = refused(&["--label", "GPU=a"]);
    assert!(told.contains("\"GPU\" is no label's name; it has 1 to 64 of a-z"), "{told}");
    let told = refused(&["--label", "gpu=a", "--label", "gpu=b"]);
    assert!(told.contains("the label gpu is there twice: \"a\" and \"b\""), "{told}");
}

/// What `ostler` says that this gateway's API knows; it succeeds.
fn verb(gateway: &Gateway, words: &[&str]) -> String {
    let state = gateway.state().to_str().expect("a temporary path is text");
    let out = run_ostler(&[words, &["--state", state]].concat());
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).expect("text")
}

/// What it says on standard error when it fails so.
fn refused(gateway: &Gateway, words: &[&str], code: i32) -> String {
    let state = gateway.state().to_str().expect("a temporary path is text");
    let out = run_ostler(&[words, &["--state", state]].concat());
    let told = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(code), "{words:?}: {told}");
    told
}

fn jobs_only() -> Setup {
    Setup::bare().args(&["--no-app"])
}

#[test]
fn a_drain_holds_over_restarts_of_gateway_and_runner_and_says_by_whom_and_since_when() {
    let (gateway, api) = start(jobs_only());
    let token = create_token(gateway.state(), &[]);
    let other = Runner::jobs_only(&token, "other", 1);
    wait_connected(&api, "other");
    verb(&gateway, &["drain", "other"]);
    let drained = runner(&api, "other").unwrap()["drained"].clone();
    assert!(drained["by"].is_string() && drained["since"].is_string(), "{drained}");
    let text = verb(&gateway, &["runner", "list"]);
    assert!(text.contains("draining") && text.contains("drained by "), "{text}");
    assert_eq!(gateway.metric("ostler_runner_drained", &["host=\"other\""]), 1.0);
    other.signal(Signal::SIGTERM);
    let folder = other.into_state();
    let door = gateway.runners();
    let again = Setup::bare().args(&["--no-app", "--runners", &door.to_string()]);
    let (gateway, api) = start_in(again, gateway.stop());
    assert_eq!(runner(&api, "other").unwrap()["drained"], drained, "while it is away");
    let _back = Runner::back(folder, &[]);
    wait_until("it is back", || runner(&api, "other").unwrap()["connected"] == true);
    let pinned = api.submit(&json!({ "command": "true", "host": "other" }));
    assert_eq!(api.wait_finished(api.run("true"))["state"], "succeeded");
    assert_eq!(runner(&api, "other").unwrap()["drained"], drained);
    assert_eq!(api.job(pinned)["state"], "pending");
    verb(&gateway, &["drain", "other", "--undo"]);
    assert_eq!(api.wait_finished(pinned)["runner"], "other");
    assert_eq!(runner(&api, "other").unwrap()["drained"], Value::Null);
    let text = gateway.api("/metrics").text();
    assert!(!text.contains("ostler_runner_drained{"), "{text}");
}

#[test]
fn slots_grow_and_shrink_under_load_without_the_end_of_an_attempt_and_hold_over_restarts() {
    let (gateway, api) = start(jobs_only());
    let token = create_token(gateway.state(), &[]);
    let other = Runner::jobs_only(&token, "other", 1);
    wait_connected(&api, "other");
    verb(&gateway, &["drain", "local"]);
    let folder = tempfile::tempdir().unwrap();
    let wait =
        format!("while [ ! -e {}/$OSTLER_JOB ]; do sleep 0.05; done", folder.path().display());
    let let_go = |id: u64| drop(fs::File::create(folder.path().join(id.to_string())).unwrap());
    let running = || api.list("state=running").len();
    let ids: Vec<u64> = (0..6).map(|_| api.run(&wait)).collect();
    wait_until("one runs", || running() == 1);
    assert_eq!(verb(&gateway, &["runner", "set", "other", "--slots", "4"]), "");
    wait_until("four run", || running() == 4);
    verb(&gateway, &["runner", "set", "other", "--slots", "1"]);
    assert_eq!(running(), 4, "what runs goes on");
    let first: Vec<u64> = api.list("state=running").into_keys().collect();
    for id in &first[..3] {
        let_go(*id);
        api.wait_finished(*id);
    }
    assert_eq!(running(), 1, "and nothing new begins until fewer run than may");
    let held = runner(&api, "other").unwrap();
    assert_eq!((&held["slots"], &held["slots_set"]), (&json!(1), &json!(1)), "{held}");
    verb(&gateway, &["runner", "set", "other", "--slots", "2"]);
    wait_until("two run", || running() == 2);
    for id in &ids {
        let_go(*id);
    }
    for id in ids {
        let job = api.wait_finished(id);
        assert_eq!((&job["state"], &job["attempts"]), (&json!("succeeded"), &json!(1)), "{job}");
    }
    // It comes back, to a gateway that was started again.
    other.signal(Signal::SIGTERM);
    let state = other.into_state();
    let door = gateway.runners();
    let again = Setup::bare().args(&["--no-app", "--runners", &door.to_string()]);
    let (gateway, api) = start_in(again, gateway.stop());
    let _back = Runner::back(state, &[]);
    assert_eq!(wait_connected(&api, "other")["slots"], 2);
    verb(&gateway, &["runner", "set", "other", "--slots", "own"]);
    let own = runner(&api, "other").unwrap();
    assert_eq!((&own["slots"], &own["slots_set"]), (&json!(1), &Value::Null), "{own}");
}

#[test]
fn slots_that_cannot_be_are_refused_with_the_cure() {
    let (gateway, _api) = start(jobs_only());
    for (slots, told) in [
        ("0", "use `ostler drain NAME`"),
        ("-1", "-1"),
        ("10001", "expected a whole number from 1 to 10000"),
        ("4.5", "expected a whole number from 1 to 10000"),
        ("many", "expected a whole number from 1 to 10000"),
    ] {
        let said = refused(&gateway, &["runner", "set", "local", "--slots", slots], 64);
        assert!(said.contains(told), "{slots}: {said}");
    }
    let said = refused(&gateway, &["runner", "set", "nobody", "--slots", "4"], 66);
    assert!(said.contains("there is no runner \"nobody\"; there are local"), "{said}");
}

#[test]
fn a_runner_is_removed_when_it_is_away_and_gone_from_list_and_metrics() {
    let (gateway, api) = start(jobs_only());
    let token = create_token(gateway.state(), &[]);
    let other = Runner::jobs_only(&token, "other", 1);
    wait_connected(&api, "other");
    let said = refused(&gateway, &["runner", "remove", "other"], 65);
    assert!(
        said.contains("the runner \"other\" is connected; drain it and stop it there"),
        "{said}"
    );
    assert_eq!(runner(&api, "other").unwrap()["connected"], true, "nothing became of it");
    assert_eq!(
        api.wait_finished(api.submit(&json!({ "command": "true", "host": "other" })))["state"],
        "succeeded"
    );
    verb(&gateway, &["drain", "other"]);
    other.signal(Signal::SIGTERM);
    drop(other.into_state());
    wait_until("it is away", || runner(&api, "other").unwrap()["connected"] == false);
    let metrics = || gateway.api("/metrics").text();
    assert!(metrics().contains("host=\"other\""));
    verb(&gateway, &["runner", "remove", "other"]);
    assert_eq!(runner(&api, "other"), None);
    assert!(!metrics().contains("host=\"other\""), "{}", metrics());
    refused(&gateway, &["runner", "remove", "other"], 66);
}

/// The program that the jobs of a test are run by, as every sound host has it.
fn install(folder: &Path) {
    let program = folder.join("the-shell");
    fs::write(&program, "#!/bin/sh\nexit 0\n").expect("a temporary folder is writable");
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).expect("it is ours");
}

#[test]
fn a_runner_without_a_shell_rests_while_another_does_the_jobs_and_takes_some_again_when_it_is_mended()
 {
    let (sound, bare) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    install(sound.path());
    let path = |folder: &Path| format!("{}:/usr/bin:/bin", folder.display());
    let setup = |more: &[&str]| {
        let words = [&["--no-app"], more].concat();
        Setup::bare().args(&words).env("PATH", &path(sound.path()))
    };
    let (gateway, api) = start(setup(&[]));
    let token = create_token(gateway.state(), &[]);
    let _bad = Runner::with_path(&token, "bad", 2, &path(bare.path()));
    wait_connected(&api, "bad");
    let submit = |api: &Api, word: &str| api.submit(&json!({ "argv": ["the-shell", word] }));
    // While nobody else is there to do them.
    verb(&gateway, &["drain", "local"]);
    let first = ["one", "two", "three"].map(|word| submit(&api, word));
    let broken = wait_for("it is found", || {
        runner(&api, "bad").filter(|it| it["drained"]["broken"].is_string())
    });
    let why = broken["drained"]["broken"].as_str().unwrap();
    assert!(why.contains("command not found: the-shell"), "{why}");
    assert_eq!((&broken["draining"], &broken["drained"]["by"]), (&json!(true), &json!("gateway")));
    verb(&gateway, &["drain", "local", "--undo"]);
    let more: Vec<u64> = (0..20).map(|n| submit(&api, &format!("more-{n}"))).collect();
    for id in more {
        let job = api.wait_finished(id);
        assert_eq!(
            (&job["state"], &job["runner"]),
            (&json!("succeeded"), &json!("local")),
            "{job}"
        );
    }
    let ends = first.map(|id| api.wait_finished(id)["reason"].clone());
    assert_eq!(ends.iter().filter(|it| **it == "unstartable").count(), 2, "{ends:?}");
    assert_eq!(ends.iter().filter(|it| **it == "ok").count(), 1, "the last of them ran elsewhere");
    let is_told = || gateway.stderr().contains("`ostler drain bad --undo`");
    wait_until("the operator is told with the cure", is_told);
    assert_eq!(gateway.metric("ostler_runner_drained", &["host=\"bad\"", "why=\"broken\""]), 1.0);
    let list = verb(&gateway, &["runner", "list"]);
    assert!(list.contains("broken") && list.contains("command not found: the-shell"), "{list}");
    let events = api.get("/v1/events?after=0&follow=false").text();
    assert!(events.lines().any(|line| line.contains("bad") && line.contains("broken")), "{events}");

    let door = gateway.runners().to_string();
    let (gateway, api) = start_in(setup(&["--runners", &door]), gateway.stop());
    wait_until("it is back", || runner(&api, "bad").unwrap()["connected"] == true);
    assert!(runner(&api, "bad").unwrap()["drained"]["broken"].is_string(), "a start mends nothing");
    install(bare.path());
    verb(&gateway, &["drain", "local"]);
    let job = api.wait_finished(submit(&api, "four"));
    assert_eq!((&job["state"], &job["runner"]), (&json!("succeeded"), &json!("bad")), "{job}");
    wait_until("it takes all again", || runner(&api, "bad").unwrap()["drained"].is_null());
}

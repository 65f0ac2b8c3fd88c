//! What is known of runners and done to them: labels.

use nix::sys::signal::Signal;
use ostler_tests::{Api, Gateway, Runner, Setup, create_token, run_ostler, wait_for, wait_until};
use serde_json::{Value, json};

/// A gateway with a runner of its own for durable jobs, and its API.
fn start(setup: Setup) -> (Gateway, Api) {
    let gateway = setup.start();
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

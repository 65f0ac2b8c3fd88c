//! Crontabs as people have them, on a real gateway: what is imported, exported as a configuration and read from that is the same.

use std::{fs, path::PathBuf, process::Output};

use ostler_tests::{Gateway, Setup, run_ostler};
use serde_json::Value;

/// No runner is called so: none of their commands is to run.
const NOWHERE: &str = "nowhere";

fn tables() -> Vec<String> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../cli/tests/crontabs/user");
    let paths = fs::read_dir(folder).expect("there are crontabs").map(|it| it.expect("one").path());
    let mut paths: Vec<String> = paths.map(|it| it.to_str().expect("text").to_owned()).collect();
    paths.sort();
    paths
}

fn ostler(gateway: &Gateway, words: &[&str]) -> Output {
    let state = gateway.state();
    run_ostler(&[words, &["--state", state.to_str().expect("text")]].concat())
}

fn exported(gateway: &Gateway, form: &str) -> String {
    let ended = ostler(gateway, &["schedule", "export", "--format", form]);
    assert!(ended.status.success(), "{ended:?}");
    String::from_utf8(ended.stdout).expect("text")
}

#[test]
fn what_crontabs_became_is_the_same_by_the_configuration_that_is_exported() {
    let bare = || Setup::bare().args(&["--no-app"]);
    let gateway = bare().start();
    let files = tables();
    let mut words = vec!["schedule", "import", "--user", "--apply", "--tz", "Europe/Berlin"];
    words.extend(["--host", NOWHERE]);
    words.extend(files.iter().map(String::as_str));
    let ended = ostler(&gateway, &words);
    // Some of their lines mean nothing, and are told.
    assert_eq!(ended.status.code(), Some(65), "{ended:?}");
    let bodies: Value = serde_json::from_str(&exported(&gateway, "json")).expect("JSON");
    let count = bodies.as_object().map_or(0, serde_json::Map::len);
    assert!(count > 80, "{count}");
    let again = ostler(&gateway, &words);
    let told = String::from_utf8_lossy(&again.stderr).into_owned();
    assert_eq!(told.matches(" is there already\n").count(), count, "{told}");
    let config = exported(&gateway, "toml");
    let other = bare().more(&config).start();
    let same: Value = serde_json::from_str(&exported(&other, "json")).expect("JSON");
    assert_eq!(same, bodies);
}

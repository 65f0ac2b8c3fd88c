//! What an app writes becomes lines of the log that say where they come from.

use ostler_tests::{APP, App, Gateway, Setup, wait_for};
use serde_json::Value;

const MORE: &str = r#"
import logging
import subprocess
import sys


def talk(env, start_response, rest):
    print("printed", rest)
    print("to stderr", rest, file=sys.stderr)
    env["wsgi.errors"].write("complained " + rest + "\n")
    logging.getLogger("shop").warning("warned %s", rest)
    print("two\nlines \"quoted\" \u00e4", rest)
    return answer(start_response, b"said")


def shout(env, start_response, rest):
    subprocess.run(["echo", "shouted " + rest], check=True)
    return answer(start_response, b"shouted")


print("loaded")
TABLE.update(talk=talk, shout=shout)
"#;

/// The log line with this message; there is one.
fn line(gateway: &Gateway, message: &str) -> Value {
    let find = || {
        let stdout = gateway.stdout();
        let mut lines = stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.find(|line| line["message"] == message)
    };
    wait_for(&format!("a log line {message:?}"), find)
}

fn start() -> (App, Gateway) {
    let app = App::of(&format!("{APP}{MORE}"));
    let proxies = "[gateway]\ntrusted_proxies = [\"127.0.0.1\"]";
    let gateway = Setup::new(&app).more(proxies).start();
    (app, gateway)
}

#[test]
fn what_an_app_writes_is_logged_with_app_child_and_request() {
    let (_app, gateway) = start();
    let answer = gateway.connect().get_with("/talk/it", "X-Request-Id: talk-1\r\n");
    assert_eq!(answer.status, 200);
    let expected = [
        ("printed it", "stdout", "info"),
        ("to stderr it", "stderr", "error"),
        ("complained it", "errors", "error"),
        ("warned it", "stderr", "error"),
        ("two", "stdout", "info"),
        ("lines \"quoted\" \u{e4} it", "stdout", "info"),
    ];
    for (message, stream, level) in expected {
        let line = line(&gateway, message);
        assert_eq!(line["stream"], stream, "{line}");
        assert_eq!(line["level"], level, "{line}");
        assert_eq!(line["app"], "app", "{line}");
        assert_eq!(line["child"], 1, "{line}");
        assert_eq!(line["request_id"], "talk-1", "{line}");
    }
}

#[test]
fn lines_outside_of_a_request_name_none() {
    let (_app, gateway) = start();
    let loaded = line(&gateway, "loaded");
    assert_eq!((&loaded["app"], &loaded["child"]), (&"app".into(), &1.into()));
    assert_eq!(loaded.get("request_id"), None);
}

#[test]
fn what_a_program_that_the_app_runs_writes_is_logged_too() {
    let (_app, gateway) = start();
    assert_eq!(gateway.get("/shout/it").status, 200);
    let line = line(&gateway, "shouted it");
    assert_eq!((&line["app"], &line["child"]), (&"app".into(), &1.into()));
}

#[test]
fn every_line_of_the_log_is_one_json_object() {
    let (_app, gateway) = start();
    gateway.get("/talk/x");
    gateway.get("/error");
    gateway.logged("/error");
    let stdout = gateway.stdout();
    for line in stdout.lines() {
        let parsed: Result<serde_json::Map<String, Value>, _> = serde_json::from_str(line);
        assert!(parsed.is_ok_and(|line| line.contains_key("time")), "{line}");
    }
}

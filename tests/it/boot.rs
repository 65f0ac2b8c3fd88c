//! Apps that do not start: who is told what, and that a mended app needs nobody's hand.

use std::{fs, time::Duration};

use ostler_tests::{App, Gateway, Response, Setup, wait_until};

const BROKEN: &str = r#"
import sys

print("looking for the database", file=sys.stderr)


def connect():
    raise RuntimeError("no <database> here")


connect()
"#;

const WHOLE: &str = r#"
def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "5")])
    return [b"whole"]
"#;

const BROWSER: &str = "Accept: text/html,application/xhtml+xml\r\n";

/// Errors are told in full to clients on this host.
const DETAILS: &str = "[gateway]\ndetails = \"loopback\"";

fn start(source: &str) -> (App, Gateway) {
    let app = App::of(source);
    let gateway = Setup::new(&app).more(DETAILS).early().start();
    (app, gateway)
}

/// The refusal that an app which does not start gets its clients.
fn refusal(gateway: &Gateway, lines: &str) -> Response {
    let answer = gateway.connect().get_with("/", lines);
    let termination = answer.header("ostler-termination");
    assert_eq!((answer.status, termination), (503, Some("app_failed")), "{}", answer.text());
    assert!(answer.header("retry-after").is_some());
    answer
}

fn assert_says(answer: &Response, parts: &[&str]) {
    let text = answer.text();
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing in {text}");
    }
}

fn assert_silent(answer: &Response, parts: &[&str]) {
    let text = answer.text();
    for part in parts {
        assert!(!text.contains(part), "{part:?} is told in {text}");
    }
}

#[test]
fn a_browser_on_this_host_sees_why_the_app_does_not_start() {
    let (_app, gateway) = start(BROKEN);
    let page = refusal(&gateway, BROWSER);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert_says(
        &page,
        &["import", "no &lt;database&gt; here", "in connect", "looking for the database"],
    );
    assert_silent(&page, &["<database>"]);
}

#[test]
fn other_clients_get_one_plain_sentence() {
    let (_app, gateway) = start(BROKEN);
    let plain = refusal(&gateway, "");
    assert_eq!(plain.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(plain.text().lines().count(), 1, "{}", plain.text());
    assert_silent(&plain, &["in connect", "looking for"]);
}

#[test]
fn nobody_behind_a_proxy_sees_why_the_app_does_not_start() {
    let app = App::of(BROKEN);
    let proxies = format!("{DETAILS}\ntrusted_proxies = [\"127.0.0.0/8\"]");
    let setup = Setup::new(&app).more(&proxies);
    let gateway = setup.early().start();
    let secrets = ["database", "RuntimeError", "connect", "wsgi.py"];
    for lines in ["X-Forwarded-For: 203.0.113.9\r\n", "Forwarded: for=203.0.113.9\r\n"] {
        assert_silent(&refusal(&gateway, &format!("{BROWSER}{lines}")), &secrets);
        assert_silent(&refusal(&gateway, lines), &secrets);
    }
}

#[test]
fn a_proxy_on_this_host_that_is_not_listed_gets_no_details_either() {
    let (_app, gateway) = start(BROKEN);
    for lines in ["X-Forwarded-For: 203.0.113.9\r\n", "Via: 1.1 nginx\r\n"] {
        let page = refusal(&gateway, &format!("{BROWSER}{lines}"));
        assert_silent(&page, &["database", "RuntimeError"]);
    }
}

#[test]
fn a_mended_app_serves_without_a_restart() {
    let (app, gateway) = start(BROKEN);
    refusal(&gateway, "");
    assert_eq!(gateway.api("/readyz").status, 503);
    app.write("wsgi.py", WHOLE);
    wait_until("the mended app serves", || gateway.get("/").text() == "whole");
    assert_eq!(gateway.api("/readyz").status, 200);
}

#[test]
fn an_app_that_does_not_come_up_in_time_is_told_where_it_waits() {
    let source =
        "import time\n\n\ndef wait_for_godot():\n    time.sleep(60)\n\n\nwait_for_godot()\n";
    let app = App::of(source);
    let gateway =
        Setup::new(&app).app_keys("boot_timeout = \"1500ms\"").more(DETAILS).early().start();
    assert_says(&refusal(&gateway, BROWSER), &["not ready within 1.5 s"]);
    // On a busy machine a child may not have come as far in that time; then another one does.
    wait_until("it is told where the app waits", || {
        refusal(&gateway, BROWSER).text().contains("wait_for_godot")
    });
}

#[test]
fn a_factory_that_raises_is_told_with_its_backtrace() {
    let app = App::of("def create_app():\n    raise ValueError(\"no secret key\")\n");
    let gateway = Setup::new(&app).serve("wsgi:wsgi:create_app()").more(DETAILS).early().start();
    let page = refusal(&gateway, BROWSER);
    assert_says(&page, &["factory", "no secret key", "in create_app"]);
}

#[test]
fn a_name_that_is_not_there_is_told_with_the_names_that_are() {
    let (_app, gateway) = start("def aplication(environ, start_response):\n    pass\n");
    assert_says(&refusal(&gateway, BROWSER), &["attribute", "application", "aplication"]);
}

#[test]
fn an_app_that_ends_the_process_is_told_with_its_last_words() {
    let (_app, gateway) = start("import os\n\nos.write(2, b\"farewell\\n\")\nos._exit(3)\n");
    assert_says(&refusal(&gateway, BROWSER), &["before it was ready", "farewell"]);
}

/// The moments at which children began, told by the app in seconds.
fn beginnings(app: &App) -> Vec<Duration> {
    let text = fs::read_to_string(app.file("begun")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).map(Duration::from_secs_f64).collect()
}

const NOTE: &str = r#"
import os
import threading
import time

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "begun"), "a") as out:
    out.write("%f\n" % time.monotonic())
"#;

/// Each pause is longer than the one before: 250 ms, 500 ms, a second, less a quarter for chance.
fn assert_backs_off(app: &App) {
    wait_until("four children began", || beginnings(app).len() >= 4);
    let begun = beginnings(app);
    let pauses: Vec<_> = begun.windows(2).map(|two| two[1] - two[0]).collect();
    for (pause, least) in pauses.iter().zip([187, 375, 750]) {
        assert!(*pause >= Duration::from_millis(least), "{pauses:?}");
    }
}

#[test]
fn an_app_that_fails_to_start_is_tried_less_and_less_often() {
    let (app, _gateway) = start(&format!("{NOTE}\nraise RuntimeError\n"));
    assert_backs_off(&app);
}

#[test]
fn an_app_that_crashes_soon_after_its_start_is_tried_less_and_less_often() {
    let crash = "threading.Timer(0.05, os._exit, [3]).start()\n";
    let (app, gateway) = start(&format!("{NOTE}\n{crash}\n{WHOLE}"));
    assert_backs_off(&app);
    // A request that a child answers in its short life says that the app can serve, so that nobody asks before some more have
    // died without one.
    let mut asked_at = 0;
    wait_until("clients are told", || {
        let begun = beginnings(&app).len();
        if begun < asked_at + 4 {
            return false;
        }
        asked_at = begun;
        let answer = gateway.connect().get_with("/", BROWSER);
        answer.status == 503 && answer.text().contains("soon after they started")
    });
}

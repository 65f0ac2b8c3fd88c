//! What an operator sees: the access log, the metrics, health.

use std::{
    env, fs,
    io::Write as _,
    path::PathBuf,
    process::{Command, Stdio},
};

use nix::sys::signal::Signal;
use ostler_tests::{App, Conn, Gateway, Setup, wait_until};

use crate::queue::{BY_TENANT, ask, hold};

#[test]
fn an_access_line_says_everything_about_its_request_once() {
    let app = App::new();
    let gateway = Setup::new(&app).more("[gateway]\ntrusted_proxies = [\"127.0.0.1\"]").start();
    let lines = "User-Agent: test \"quoted\"\r\nReferer: http://a/\r\nX-Request-Id: id-1\r\n";
    gateway.connect().get_with("/sleep/20?q=x", lines);
    let line = gateway.logged("/sleep/20?q=x");
    for (field, wanted) in [
        ("id", "id-1"),
        ("client", "127.0.0.1"),
        ("method", "GET"),
        ("host", "localhost"),
        ("protocol", "HTTP/1.1"),
        ("scheme", "http"),
        ("app", "app"),
        ("tenant", "127.0.0.1"),
        ("termination", "ok"),
        ("user_agent", "test \"quoted\""),
        ("referer", "http://a/"),
    ] {
        assert_eq!(line[field], wanted, "{field}: {line}");
    }
    assert_eq!(
        (&line["status"], &line["bytes_in"], &line["bytes_out"]),
        (&200.into(), &0.into(), &5.into())
    );
    let micros = |field: &str| line[field].as_u64().unwrap();
    assert!(micros("run_us") >= 20_000, "{line}");
    assert!(
        micros("queue_us") < micros("total_us") && micros("run_us") <= micros("total_us"),
        "{line}"
    );
    assert!(line["time"].as_str().unwrap().ends_with('Z'), "{line}");
    let upload = gateway.connect().post("/hash?upload", &[b'x'; 1000]);
    assert_eq!(upload.status, 200);
    assert_eq!(gateway.logged("/hash?upload")["bytes_in"], 1000);
    let streamed = Setup::new(&app).route("stream = [\"request\"]").start();
    assert_eq!(streamed.connect().post("/hash?upload", &[b'x'; 300_000]).status, 200);
    assert_eq!(streamed.logged("/hash?upload")["bytes_in"], 300_000);
}

#[test]
fn what_a_client_sends_cannot_forge_a_log_line() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let agent = "x\", \"termination\": \"forged\\u000a\x1b[31m";
    let head = "GET /forge HTTP/1.1\r\nHost: a\r\nUser-Agent: x\", \"termination\": \"forged\\u000a\r\n\r\n";
    gateway.connect().send(head).read();
    let line = gateway.assert_ended("/forge", "ok");
    assert_eq!(line["user_agent"], agent.trim_end_matches("\x1b[31m"));
}

#[test]
fn the_combined_format_is_what_other_tools_read() {
    let app = App::new();
    let gateway = Setup::new(&app).more("[log]\nformat = \"combined\"").start();
    gateway.connect().get_with("/x?y=z", "User-Agent: ag\"ent\r\nReferer: http://a/\r\n");
    wait_until("the line is there", || gateway.stdout().contains("/x"));
    let stdout = gateway.stdout();
    let line = stdout.lines().find(|line| line.contains("/x")).unwrap();
    let (before, after) = line.split_once('[').unwrap();
    assert_eq!(before, "127.0.0.1 - - ");
    let (time, after) = after.split_once(']').unwrap();
    assert_eq!(time.len(), "22/Nov/2026:04:05:06 +0000".len(), "{line}");
    assert_eq!(after, r#" "GET /x?y=z HTTP/1.1" 200 8 "http://a/" "ag\"ent""#);
}

#[test]
fn the_access_log_can_go_to_a_file_or_nowhere() {
    let app = App::new();
    let file = app.file("access.log");
    let to_file = Setup::new(&app).more(&format!("[log]\naccess = {file:?}")).start();
    let off = Setup::new(&app).more("[log]\naccess = \"off\"").start();
    to_file.get("/seen");
    off.get("/unseen");
    wait_until("the file has the line", || {
        fs::read_to_string(&file).is_ok_and(|text| text.contains("\"target\":\"/seen\""))
    });
    assert_eq!(to_file.log(), [serde_json::Value::Null; 0]);
    assert_eq!(off.log(), [serde_json::Value::Null; 0]);
}

#[test]
fn a_log_file_that_was_moved_is_begun_anew_and_no_signal_is_needed_nor_does_one_end_the_gateway() {
    let app = App::new();
    let (file, moved) = (app.file("access.log"), app.file("access.log.1"));
    let gateway = Setup::new(&app).more(&format!("[log]\naccess = {file:?}")).start();
    let has = |file: &std::path::Path, target: &str| {
        let line = format!("\"target\":\"{target}\"");
        fs::read_to_string(file).is_ok_and(|text| text.contains(&line))
    };
    gateway.get("/before");
    wait_until("the file has the line", || has(&file, "/before"));
    fs::rename(&file, &moved).unwrap();
    // What other servers are told by.
    for signal in [Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGHUP] {
        gateway.signal(signal);
        let word = format!("{signal}: ");
        wait_until("the signal is heard", || gateway.stderr().contains(&word));
    }
    gateway.get("/after");
    wait_until("a new file has the line", || has(&file, "/after"));
    assert!(!has(&moved, "/after"));
}

#[test]
fn log_lines_that_find_no_room_are_counted_and_told() {
    let app = App::new();
    let gateway = Setup::new(&app).more("[log]\naccess = \"/dev/full\"").start();
    gateway.get("/lost");
    wait_until("it is counted", || gateway.metric("ostler_log_lines_dropped_total", &[]) >= 1.0);
    wait_until("it is told", || gateway.stderr().contains("access log lines are lost: "));
}

#[test]
fn what_an_app_prints_becomes_lines_with_app_child_and_request() {
    let app = App::new();
    let gateway = Setup::new(&app).more("[gateway]\ntrusted_proxies = [\"127.0.0.1\"]").start();
    gateway.connect().get_with("/print/xyz", "X-Request-Id: id-7\r\n");
    let lines = |wanted: &str| {
        let stdout = gateway.stdout();
        let lines =
            stdout.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        lines.filter(|line| line["message"] == wanted).collect::<Vec<_>>()
    };
    for (wanted, stream) in [("printed xyz", "stdout"), ("complained xyz", "errors")] {
        wait_until(&format!("a line of {wanted}; {}", gateway.stdout()), || {
            !lines(wanted).is_empty()
        });
        let line = &lines(wanted)[0];
        assert_eq!((&line["app"], &line["request_id"]), (&"app".into(), &"id-7".into()), "{line}");
        assert!(line["child"].is_u64(), "{line}");
        assert_eq!(line["stream"], stream, "{line}");
    }
}

pub(crate) fn promtool() -> PathBuf {
    let on_path =
        env::var_os("PATH").into_iter().flat_map(|p| env::split_paths(&p).collect::<Vec<_>>());
    let of_setup = env::var_os("OSTLER_TEST_ENV").map(|folder| PathBuf::from(folder).join("tools"));
    let mut places = on_path.chain(of_setup).map(|folder| folder.join("promtool"));
    places.find(|path| path.exists()).expect("promtool is there: run tests/setup")
}

#[test]
fn the_metrics_please_promtool() {
    let app = App::new();
    let gateway = Setup::new(&app).route(BY_TENANT).start();
    for path in ["/ok", "/error", "/die", "/hash", "/a/../b"] {
        ask(&gateway, path, "t1").join().unwrap();
    }
    gateway.connect_tls().get("/tls");
    assert_promtool_is_pleased(&gateway);
}

/// Asserts that promtool finds nothing wrong with the metrics as they are now.
pub(crate) fn assert_promtool_is_pleased(gateway: &Gateway) {
    let metrics = gateway.api("/metrics");
    let kind = metrics.header("content-type").expect("metrics have a type");
    assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
    let mut check = Command::new(promtool())
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool starts");
    let mut stdin = check.stdin.take().expect("it was asked for");
    stdin.write_all(&metrics.body).expect("promtool reads");
    drop(stdin);
    let output = check.wait_with_output().expect("promtool ends");
    let said = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.is_empty(), "{said}\n{}", metrics.text());
}

#[test]
fn every_request_is_counted_once_by_how_it_ended() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    for path in ["/a", "/b", "/error", "/a/../b", "/status/404", "/status/304"] {
        gateway.get(path);
    }
    let counted = |class: &str, ended: &str| {
        let labels = [format!("class=\"{class}\""), format!("termination=\"{ended}\"")];
        gateway.metric("ostler_requests_total", &[&labels[0], &labels[1]])
    };
    wait_until("all are counted", || gateway.metric("ostler_requests_total", &[]) == 6.0);
    assert_eq!(counted("2xx", "ok"), 2.0);
    assert_eq!(counted("3xx", "ok"), 1.0);
    assert_eq!(counted("4xx", "ok"), 1.0);
    assert_eq!(counted("4xx", "bad_request"), 1.0);
    assert_eq!(counted("5xx", "app_error"), 1.0);
    assert_eq!(gateway.metric("ostler_request_seconds_count", &[]), 6.0);
    assert_eq!(gateway.metric("ostler_run_seconds_count", &["route=\"/\""]), 5.0);
    wait_until("and logged", || gateway.log().len() == 6);
}

#[test]
fn the_queue_and_the_children_can_be_watched() {
    let app = App::new();
    let gateway = Setup::new(&app).route(BY_TENANT).start();
    let holding = hold(&gateway, &app, "a");
    let waiting =
        [ask(&gateway, "/one", "t1"), ask(&gateway, "/two", "t1"), ask(&gateway, "/three", "t2")];
    gateway.wait_waiting(3);
    assert_eq!(gateway.metric("ostler_jobs_running", &["app=\"app\""]), 1.0);
    assert_eq!(gateway.metric("ostler_tenant_jobs_waiting", &["tenant=\"t1\""]), 2.0);
    assert_eq!(gateway.metric("ostler_tenant_jobs_waiting", &["tenant=\"t2\""]), 1.0);
    assert_eq!(gateway.metric("ostler_tenant_jobs_running", &["tenant=\"holder\""]), 1.0);
    assert!(gateway.metric("ostler_oldest_wait_seconds", &[]) > 0.0);
    wait_until("the child is seen busy", || {
        gateway.metric("ostler_children", &["app=\"app\"", "state=\"busy\""]) == 1.0
    });
    app.release("a");
    assert_eq!(holding.join().unwrap().status, 200);
    waiting.into_iter().for_each(|one| assert_eq!(one.join().unwrap().status, 200));
    assert_eq!(gateway.metric("ostler_jobs_waiting", &[]), 0.0);
}

#[test]
fn a_crowd_of_tenants_makes_no_crowd_of_series() {
    let app = App::new();
    let gateway = Setup::new(&app).route(BY_TENANT).more("[limits]\nmetric_tenants = 2").start();
    let holding = hold(&gateway, &app, "a");
    let waiting: Vec<_> = (0..10).map(|n| ask(&gateway, "/x", &format!("t{n}"))).collect();
    gateway.wait_waiting(10);
    let metrics = gateway.api("/metrics").text();
    let series = metrics.lines().filter(|l| l.starts_with("ostler_tenant_jobs_waiting{"));
    assert_eq!(series.count(), 3, "two tenants and the others");
    assert_eq!(gateway.metric("ostler_tenant_jobs_waiting", &[]), 10.0);
    assert!(gateway.metric("ostler_tenant_jobs_waiting", &["tenant=\"other\""]) >= 8.0);
    app.release("a");
    assert_eq!(holding.join().unwrap().status, 200);
    waiting.into_iter().for_each(|one| assert_eq!(one.join().unwrap().status, 200));
}

#[test]
fn health_is_told_from_readiness() {
    let app = App::of(
        "import os, time\n\
         while not os.path.exists('boot'): time.sleep(0.01)\n\
         def application(env, start_response):\n\
         \x20   start_response('200 OK', [])\n\
         \x20   return [b'booted']\n",
    );
    let gateway = Setup::new(&app).early().start();
    assert_eq!(gateway.api("/healthz").status, 200);
    let not_yet = gateway.api("/readyz");
    assert_eq!(not_yet.status, 503);
    assert!(not_yet.text().contains("app app has no child that serves"), "{}", not_yet.text());
    app.write("boot", "");
    gateway.wait_ready();
    assert_eq!(gateway.api("/readyz").text(), "ready\n");
    assert_eq!(gateway.api("/nothing").status, 404);
    let posted = Conn::open(gateway.api_address()).post("/healthz", b"x");
    assert_eq!(posted.status, 405);
}

#[test]
fn counters_with_known_labels_are_there_before_their_first_event() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let text = gateway.api("/metrics").text();
    for series in [
        "ostler_requests_total{class=\"5xx\",route=\"/\",termination=\"child_died\"} 0",
        "ostler_requests_total{class=\"4xx\",route=\"\",termination=\"bad_request\"} 0",
        "ostler_tls_handshakes_total{result=\"failed\"} 0",
        "ostler_connections_total{protocol=\"h2\"} 0",
        "ostler_durable_finished_total{reason=\"exit_status\",state=\"dead\"} 0",
        "ostler_api_refused_total{reason=\"bad_token\"} 0",
        "ostler_store_files_full_total{what=\"payload\"} 0",
        "ostler_durable_finished_total{reason=\"ok\",state=\"succeeded\"} 0",
    ] {
        assert!(text.lines().any(|line| line == series), "{series} is missing in {text}");
    }
    assert_eq!(gateway.metric("ostler_requests_total", &[]), 0.0);
}

//! Handlers that do not come to an end: the client is told at once, the child goes by steps.

use std::{
    fs,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use ostler_tests::{APP, App, Conn, Gateway, Setup, is_alive, wait_for, wait_until};

const MORE: &str = r#"
import signal


def note_pid():
    open(os.path.join(HERE, "pid"), "w").write(str(os.getpid()))


def stuck_asleep(env, start_response, rest):
    note_pid()
    time.sleep(60)


def stuck_at_work(env, start_response, rest):
    note_pid()
    until = time.monotonic() + 60
    while time.monotonic() < until:
        pass


def stuck_and_deaf(env, start_response, rest):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    note_pid()
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            time.sleep(1)
        except BaseException:
            pass


TABLE.update(asleep=stuck_asleep, at_work=stuck_at_work, deaf=stuck_and_deaf)
"#;

/// A gateway that gives an answer's beginning 300 ms, and a child 600 ms to let go.
fn gateway() -> (App, Gateway) {
    let app = App::of(&format!("{APP}{MORE}"));
    let setup = Setup::new(&app).route("timeouts = { first_byte = \"300ms\" }");
    let gateway = setup.app_keys("grace = \"600ms\"").start();
    (app, gateway)
}

fn assert_stuck_handler_ends(path: &str, function: &str) {
    let (app, gateway) = gateway();
    let begin = Instant::now();
    let answer = gateway.get(path);
    assert_eq!((answer.status, answer.header("ostler-termination")), (504, Some("deadline")));
    assert!(begin.elapsed().as_millis() >= 300);
    let child: u32 =
        fs::read_to_string(app.file("pid")).expect("the handler ran").parse().expect("an id");
    assert!(is_alive(child), "the client was not told before the child had gone");
    wait_until("the child is killed", || !is_alive(child));
    let reason =
        |name: &str| gateway.metric("ostler_child_exits_total", &[&format!("reason={name:?}")]);
    wait_until("the reason is told", || reason("timeout") == 1.0);
    assert_eq!(reason("signal") + reason("exited"), 0.0, "one exit, one reason");
    wait_for("its stacks are in the log", || gateway.stdout().contains(function).then_some(()));
    assert_ne!(gateway.get("/pid").text(), child.to_string(), "it is replaced");
    gateway.assert_ended(path, "deadline");
}

#[test]
fn a_handler_that_sleeps_past_its_deadline_is_ended() {
    assert_stuck_handler_ends("/asleep", "stuck_asleep");
}

#[test]
fn a_handler_that_works_past_its_deadline_is_ended() {
    assert_stuck_handler_ends("/at_work", "stuck_at_work");
}

#[test]
fn a_handler_that_is_deaf_to_signals_is_killed() {
    assert_stuck_handler_ends("/deaf", "stuck_and_deaf");
}

#[test]
fn a_handler_that_ends_within_the_grace_keeps_its_child() {
    let (_app, gateway) = gateway();
    let child = gateway.get("/pid").text();
    assert_eq!(gateway.get("/sleep/500").status, 504);
    assert_eq!(gateway.get("/pid").text(), child);
    assert_eq!(gateway.metric("ostler_child_exits_total", &[]), 0.0);
}

/// Answers when there is a file `go`, and says in another that it has.
const ANSWERS_AND_SAYS_SO: &str = r#"
import os, time


class Answer(list):
    def close(self):
        open("answered", "w").close()


def application(environ, start_response):
    open("begun", "w").close()
    while not os.path.exists("go"):
        time.sleep(0.005)
    start_response("200 OK", [("Content-Length", "2")])
    return Answer([b"ok"])
"#;

#[test]
fn an_answer_that_came_in_time_counts_though_the_gateway_stood_still() {
    let app = App::of(ANSWERS_AND_SAYS_SO);
    let limit = Duration::from_secs(1);
    let gateway = Setup::new(&app).route("timeouts = { first_byte = \"1s\" }").start();
    let began = Instant::now();
    let address = gateway.http();
    let asked = std::thread::spawn(move || Conn::open(address).get("/"));
    wait_until("the app has it", || app.file("begun").exists());
    gateway.signal(Signal::SIGSTOP);
    app.write("go", "");
    wait_until("the answer is on its way", || app.file("answered").exists());
    wait_until("the limit has passed", || began.elapsed() > 2 * limit);
    gateway.signal(Signal::SIGCONT);
    let answer = asked.join().expect("it is answered");
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
}

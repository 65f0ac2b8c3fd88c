//! A child is free when the app's `close()` is over, and no request waits behind another one's slow child.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use ostler_tests::{APP, App, Gateway, Load, Setup, signal, wait_until};

/// `/closing/NAME` has its answer at once and is in `close()` until the test lets go. `/work/NAME` computes until then.
/// `/held/NAME` keeps Python's interpreter to itself, `/still/NAME` stops its process.
const MORE: &str = r#"
import ctypes, signal

class Closing:
    def __init__(self, body, name):
        self.body, self.name = body, name

    def __iter__(self):
        return iter(self.body)

    def close(self):
        wait_open(self.name)


def closing(env, start_response, rest):
    return Closing(answer(start_response, b"whole"), rest)


def work(env, start_response, rest):
    until = time.monotonic() + 60
    while not os.path.exists(os.path.join(HERE, "open-" + rest)) and time.monotonic() < until:
        pass
    return answer(start_response, b"worked")


def held(env, start_response, rest):
    ctypes.PyDLL(None).sleep(4)
    return answer(start_response, b"held")


def still(env, start_response, rest):
    os.kill(os.getpid(), signal.SIGSTOP)
    return answer(start_response, b"went on")


TABLE.update(closing=closing, work=work, held=held, still=still)
"#;

/// What a request may take that finds a free child, on a busy machine.
const SOON: Duration = Duration::from_secs(5);

/// Requests have a second for their first byte, except those to `slow`, which have a minute.
fn start(children: u32, slow: &str) -> (App, Gateway) {
    let app = App::of(&format!("{APP}{MORE}"));
    let slow = format!("[[route]]\npath = \"/{slow}\"\nto = \"app:app\"\n");
    let setup = Setup::new(&app).children(children).more(&slow);
    let gateway = setup.route("timeouts = { first_byte = \"1s\" }").start();
    (app, gateway)
}

#[test]
fn a_request_goes_to_an_idle_child_and_not_to_one_in_close() {
    let (app, gateway) = start(2, "none");
    assert_eq!(gateway.get("/closing/a").text(), "whole");
    let begin = Instant::now();
    let served: Vec<_> = (0..5).map(|_| gateway.get("/pid").text()).collect();
    assert!(begin.elapsed() < SOON, "they waited for close()");
    assert!(served.iter().all(|pid| *pid == served[0]), "one child is not free");
    app.release("a");
    gateway.assert_ended("/closing/a", "ok");
}

#[test]
fn a_request_that_waits_for_close_waits_in_the_queue() {
    let (app, gateway) = start(1, "none");
    assert_eq!(gateway.get("/closing/a").text(), "whole");
    let mut client = gateway.connect();
    client.send("GET /pid HTTP/1.1\r\nHost: localhost\r\n\r\n");
    gateway.wait_waiting(1);
    assert!(client.is_quiet(Duration::from_millis(1200)), "its time has not begun");
    app.release("a");
    assert_eq!(client.read().status, 200);
    let line = gateway.logged("/pid");
    assert!(line["queue_us"].as_u64().unwrap() >= 1_200_000, "{line}");
    assert!(line["run_us"].as_u64().unwrap() < 1_200_000, "{line}");
    assert_eq!(gateway.metric("ostler_child_exits_total", &[]), 0.0);
}

/// While `slow` has one child for longer than anybody else may take, the others are served as if it was not there.
fn assert_nobody_waits_behind(slow: &str) {
    let (app, gateway) = start(2, slow);
    let load = Load::start(gateway.http(), 24, "/pid");
    load.wait_more(1000);
    let path = format!("/{slow}/a");
    let mut client = gateway.connect();
    client.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    app.wait_call(&path);
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_millis(1500) {
        load.wait_more(20);
    }
    load.finish_without_failure();
    app.release("a");
    gateway.pids_with("ostler: app ").into_iter().for_each(|pid| signal(pid, Signal::SIGCONT));
    assert_eq!(client.read().status, 200);
    assert_eq!(gateway.metric("ostler_child_exits_total", &[]), 0.0, "nobody was killed");
}

#[test]
fn nobody_waits_behind_a_handler_that_waits() {
    assert_nobody_waits_behind("hold");
}

#[test]
fn nobody_waits_behind_a_handler_that_works() {
    assert_nobody_waits_behind("work");
}

#[test]
fn nobody_waits_behind_a_handler_that_holds_the_interpreter() {
    assert_nobody_waits_behind("held");
}

#[test]
fn nobody_waits_behind_a_child_that_stands_still() {
    assert_nobody_waits_behind("still");
}

#[test]
fn nobody_waits_behind_a_close() {
    assert_nobody_waits_behind("closing");
}

#[test]
fn a_close_without_end_is_ended_when_the_time_for_an_answer_is_over() {
    let app = App::of(&format!("{APP}{MORE}"));
    let setup = Setup::new(&app).app_keys("grace = \"300ms\"");
    let gateway =
        setup.route("timeouts = { first_byte = \"300ms\", progress = \"300ms\" }").start();
    let first = gateway.get("/pid").text();
    assert_eq!(gateway.get("/closing/never").text(), "whole");
    let timeouts = || gateway.metric("ostler_child_exits_total", &["reason=\"timeout\""]);
    wait_until("the child is ended", || timeouts() == 1.0);
    assert_ne!(gateway.get("/pid").text(), first);
    gateway.assert_ended("/closing/never", "ok");
}

//! What is lost when a process is killed, and what is not.

use std::{collections::BTreeSet, fs, net::SocketAddr};

use nix::sys::signal::Signal;
use ostler_tests::{
    APP, App, End, Gateway, Load, Remains, Setup, is_alive, kill, ostler, own_address, signal,
    wait_for, wait_until,
};

/// `/held/NAME` notes its process and waits as `/hold/NAME` does; `/fatal/TIMES` ends its process so many times.
const MORE: &str = r#"
def held(env, start_response, rest):
    open(os.path.join(HERE, "pid-" + rest), "w").write(str(os.getpid()))
    return hold(env, start_response, rest)


def fatal(env, start_response, rest):
    out = os.open(os.path.join(HERE, "fatal"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.write(out, b"x")
    times = os.fstat(out).st_size
    if times <= int(rest):
        os._exit(7)
    return answer(start_response, b"try %d" % times)


TABLE.update(held=held, fatal=fatal)
"#;

fn app() -> App {
    App::of(&format!("{APP}{MORE}"))
}

/// The process that works on `/held/NAME`.
fn holder(app: &App, name: &str) -> u32 {
    let file = app.file(&format!("pid-{name}"));
    wait_for("a child holds the request", || fs::read_to_string(&file).ok()?.parse().ok())
}

fn exits(gateway: &Gateway, reason: &str) -> f64 {
    gateway.metric("ostler_child_exits_total", &[&format!("reason={reason:?}")])
}

/// Children that serve.
fn serving(gateway: &Gateway) -> f64 {
    let count = |state: &str| gateway.metric("ostler_children", &[&format!("state={state:?}")]);
    count("idle") + count("busy")
}

#[test]
fn a_killed_child_costs_the_request_it_worked_on_and_no_other() {
    let app = app();
    let gateway = Setup::new(&app).children(3).start();
    let mut victim = gateway.connect();
    victim.send("GET /held/victim HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let child = holder(&app, "victim");
    let load = Load::start(gateway.http(), 8, "/sleep/1");
    load.wait_more(200);
    kill(child);
    let answer = victim.read();
    assert_eq!((answer.status, answer.header("ostler-termination")), (502, Some("child_died")));
    load.wait_more(200);
    load.finish_without_failure();
    assert_eq!(
        app.count("/held/victim"),
        1,
        "a request that may have had an effect is not repeated"
    );
    gateway.assert_ended("/held/victim", "child_died");
    wait_until("the exit is told", || exits(&gateway, "signal") == 1.0);
    wait_until("the child is replaced", || serving(&gateway) == 3.0);
    assert!(!is_alive(child));
}

#[test]
fn requests_that_were_sent_ahead_to_a_killed_child_are_done_by_another() {
    // Far below a millisecond, so that requests are sent ahead to busy children.
    let app = App::of(
        "def application(environ, start_response):\n    \
         start_response(\"200 OK\", [(\"Content-Length\", \"5\")])\n    return [b\"quick\"]\n",
    );
    let gateway = Setup::new(&app).children(2).start();
    let load = Load::start(gateway.http(), 24, "/");
    for killed in 1..=2 {
        load.wait_more(1000);
        kill(gateway.pids_with("ostler: app ")[0]);
        wait_until("the exit is told", || exits(&gateway, "signal") == f64::from(killed));
        wait_until("the child is replaced", || serving(&gateway) == 2.0);
    }
    load.wait_more(200);
    let outcomes = load.finish();
    let failed: Vec<_> = outcomes.iter().filter(|outcome| !outcome.is_ok()).collect();
    assert!(failed.len() <= 2, "one for each child that died: {failed:?}");
    assert!(failed.iter().all(|outcome| outcome.is_refused(502, "child_died")), "{failed:?}");
}

#[test]
fn a_killed_runner_is_started_again_and_requests_wait_for_it() {
    let app = app();
    let gateway = Setup::new(&app).children(2).app_keys("grace = \"1s\"").start();
    let mut held = gateway.connect();
    held.send("GET /held/one HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let child = holder(&app, "one");
    let load = Load::start(gateway.http(), 8, "/sleep/2");
    load.wait_more(100);
    let runner = gateway.runner_pid();
    kill(runner);
    load.wait_more(100);
    let failed: Vec<_> = load.finish().into_iter().filter(|outcome| !outcome.is_ok()).collect();
    // Of two children one holds a request; the other may have had the time to answer.
    assert!(failed.len() <= 1, "{failed:?}");
    assert!(failed.iter().all(|outcome| outcome.is_refused(502, "child_died")), "{failed:?}");
    assert!(held.read().status >= 500, "what a child of the old runner holds ends with it");
    wait_until("the old children are gone", || !is_alive(child));
    assert_ne!(gateway.runner_pid(), runner);
    wait_until("all children are there again", || serving(&gateway) == 2.0);
}

#[test]
fn a_request_is_finished_by_its_child_though_the_runner_was_killed() {
    let app = app();
    let gateway = Setup::new(&app).start();
    let mut held = gateway.connect();
    held.send("GET /held/one HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let child = holder(&app, "one");
    kill(gateway.runner_pid());
    let next = gateway.get("/pid");
    assert_ne!(next.text(), child.to_string());
    app.release("one");
    assert_eq!(held.read().text(), "held one");
    wait_until("the old child is gone", || !is_alive(child));
}

#[test]
fn requests_are_served_while_the_runner_stands_still() {
    let app = app();
    let gateway = Setup::new(&app).children(2).start();
    let runner = gateway.runner_pid();
    signal(runner, Signal::SIGSTOP);
    let load = Load::start(gateway.http(), 8, "/quick");
    load.wait_more(500);
    load.finish_without_failure();
    signal(runner, Signal::SIGCONT);
    assert_eq!(gateway.runner_pid(), runner);
}

/// The children's process ids, of a gateway or of what it left.
fn children(pids: Vec<u32>) -> BTreeSet<u32> {
    let is_child = |pid: &u32| {
        fs::read_to_string(format!("/proc/{pid}/cmdline"))
            .is_ok_and(|line| line.starts_with("ostler: "))
    };
    pids.into_iter().filter(is_child).collect()
}

/// Kills a gateway and starts another one with its state.
fn replace(gateway: Gateway, setup: Setup) -> (Gateway, Remains) {
    let (state, remains) = gateway.crash();
    (setup.start_in(state), remains)
}

#[test]
fn children_outlive_a_killed_gateway_and_serve_the_next() {
    let app = app();
    let setup = || Setup::new(&app).children(2);
    let gateway = setup().start();
    // The first child makes it ready; the second may not have its name yet.
    let before = wait_for("both children have their names", || {
        let named = children(gateway.pids_with(""));
        (named.len() == 2).then_some(named)
    });
    let (gateway, remains) = replace(gateway, setup());
    assert_eq!(children(remains.pids()), before);
    wait_until("both serve again", || serving(&gateway) == 2.0);
    for _ in 0..20 {
        let pid = gateway.get("/pid").text().parse().expect("a process id");
        assert!(before.contains(&pid), "{pid} is none of {before:?}");
    }
    assert!(children(gateway.pids_with("")).is_empty(), "no further child was started");
    assert!(gateway.stderr().contains("adopted the runner"));
}

#[test]
fn a_child_at_work_for_a_killed_gateway_serves_the_next_when_it_is_done() {
    let app = app();
    let setup = || Setup::new(&app).children(2);
    let gateway = setup().start();
    let mut lost = gateway.connect();
    lost.send("GET /held/one HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let holder = holder(&app, "one");
    let (gateway, remains) = replace(gateway, setup());
    lost.assert_closed();
    let mut second = gateway.connect();
    second.send("GET /held/two HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_ne!(self::holder(&app, "two"), holder, "the child at work was given another request");
    let mut third = gateway.connect();
    third.send("GET /pid HTTP/1.1\r\nHost: localhost\r\n\r\n");
    gateway.wait_waiting(1);
    app.release("one");
    assert_eq!(third.read().text(), holder.to_string());
    assert_eq!(children(remains.pids()).len(), 2);
}

#[test]
fn clients_find_the_next_gateway_at_the_same_door() {
    let app = app();
    let setup =
        |door: SocketAddr| Setup::new(&app).children(2).args(&["--http", &door.to_string()]);
    let gateway = setup(own_address()).start();
    let door = gateway.http();
    let load = Load::start(gateway.http(), 8, "/sleep/1");
    load.wait_more(100);
    let (gateway, _remains) = replace(gateway, setup(door));
    load.wait_more(200);
    let outcomes = load.finish();
    // What was under way at the crash; a socket that is about to go with its process may have let the client in again.
    let failed: Vec<_> = outcomes.iter().filter(|outcome| !outcome.is_ok()).collect();
    assert!(failed.len() <= 16, "{failed:?}");
    assert!(failed.iter().all(|outcome| outcome.end == End::Closed), "{failed:?}");
    drop(gateway);
}

#[test]
fn a_request_whose_child_died_is_retried_where_the_route_says_idempotent() {
    let app = app();
    let gateway = Setup::new(&app).children(2).route("idempotent = true").start();
    let answer = gateway.connect().post("/fatal/1", b"body");
    assert_eq!((answer.status, answer.text()), (200, "try 2".into()));
    assert_eq!(app.count("/fatal/1"), 2);
    gateway.assert_ended("/fatal/1", "ok");
}

#[test]
fn a_request_that_kills_is_tried_twice_at_most() {
    let app = app();
    let gateway = Setup::new(&app).children(2).route("idempotent = true").start();
    let answer = gateway.get("/fatal/9");
    assert_eq!((answer.status, answer.header("ostler-termination")), (502, Some("child_died")));
    assert_eq!(app.count("/fatal/9"), 2);
    wait_until("both exits are told", || exits(&gateway, "exited") == 2.0);
}

#[test]
fn a_request_whose_child_died_is_not_retried_elsewhere() {
    let app = app();
    let gateway = Setup::new(&app).children(2).start();
    assert_eq!(gateway.get("/fatal/1").status, 502);
    assert_eq!(gateway.get("/quick").status, 200);
    assert_eq!(app.count("/fatal/1"), 1);
}

#[test]
fn a_runner_of_another_program_or_that_was_told_something_else_is_replaced() {
    let setup = |slots| Setup::bare().args(&["--no-app", "--job-slots", slots]);
    let gateway = setup("1").start();
    let first = gateway.runner_pid();
    let (gateway, _remains) = replace(gateway, setup("2"));
    let second = gateway.runner_pid();
    assert!(first != second && !is_alive(first), "{}", gateway.stderr());
    // As after an upgrade: told the same, and another file.
    let folder = tempfile::tempdir_in(ostler().parent().unwrap()).unwrap();
    let other = folder.path().join("ostler");
    fs::hard_link(ostler(), &other).expect("it is the same disk");
    let (gateway, _remains) = replace(gateway, setup("2").program(&other));
    assert!(gateway.runner_pid() != second && !is_alive(second), "{}", gateway.stderr());
    let told = gateway.stderr();
    assert_eq!(told.matches("which was told something else").count(), 2, "{told}");
    assert!(!told.contains("adopted"), "{told}");
}

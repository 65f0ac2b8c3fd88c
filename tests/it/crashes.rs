//! Requests that end the process that works on them: the rest of the app goes on.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use ostler_tests::{APP, App, Conn, Gateway, Load, Outcome, Setup, kill, wait_until};

/// Children killed from outside in one test.
const KILLS: usize = 12;

/// `/crash…` ends its process, as does the header `X-Deadly` anywhere, `/shaky` mostly, `/late/NAME` when the test says so,
/// `/once` only the first child that has the request.
const MORE: &str = r#"
import random, signal


def crash(env, start_response, rest):
    os.kill(os.getpid(), signal.SIGSEGV)


def shaky(env, start_response, rest):
    if random.random() < 0.7:
        os._exit(0)
    return answer(start_response, b"lucky")


def late(env, start_response, rest):
    wait_open(rest)
    crash(env, start_response, rest)


def once(env, start_response, rest):
    mark = os.path.join(HERE, "once-" + env["HTTP_X_REQUEST_ID"])
    if not os.path.exists(mark):
        open(mark, "w").close()
        crash(env, start_response, rest)
    return answer(start_response, b"by the second")


TABLE.update(crash=crash, shaky=shaky, late=late, once=once)
serve = application


def application(env, start_response):
    if "HTTP_X_DEADLY" in env or env["PATH_INFO"].startswith("/crash-"):
        crash(env, start_response, "")
    return serve(env, start_response)
"#;

fn start(app: &App) -> Gateway {
    Setup::new(app).children(2).start()
}

fn app() -> App {
    App::of(&format!("{APP}{MORE}"))
}

fn serving(gateway: &Gateway) -> f64 {
    let count = |state: &str| gateway.metric("ostler_children", &[&format!("state={state:?}")]);
    count("idle") + count("busy")
}

/// Asks for the targets in turn, so long after each answer, and counts how they ended: died, held back, anything else. The
/// pause is after the answer, since deaths that come close together count once.
fn attack(gateway: &Gateway, targets: &[String], pause: Duration) -> (usize, usize, usize) {
    let (mut died, mut held, mut other) = (0, 0, 0);
    for target in targets {
        let answer = gateway.get(target);
        match (answer.status, answer.header("ostler-termination")) {
            (502, Some("child_died")) => died += 1,
            (503, Some("quarantined")) => {
                assert!(answer.header("retry-after").is_some());
                held += 1;
            }
            _ => other += 1,
        }
        thread::sleep(pause);
    }
    (died, held, other)
}

#[test]
fn one_path_that_crashes_does_not_take_the_others_with_it() {
    let app = app();
    let gateway = start(&app);
    let victim = Load::start(gateway.http(), 2, "/sleep/20");
    let targets: Vec<_> = (0..20).map(|n| format!("/crash?n={n}")).collect();
    let (died, held, other) = attack(&gateway, &targets, Duration::from_millis(300));
    assert_eq!((died, held, other), (3, 17, 0));
    victim.finish_without_failure();
    assert_eq!(gateway.metric("ostler_quarantined_kinds", &[]), 1.0);
    let labels = ["termination=\"quarantined\""];
    assert_eq!(gateway.metric("ostler_requests_total", &labels), 17.0);
    assert!(gateway.stderr().contains("GET /crash ended several children"), "it is told");
    wait_until("all children are there again", || serving(&gateway) == 2.0);
}

/// Paths of which no two are of one kind.
fn names(count: usize) -> Vec<String> {
    let name = |n: usize| n.to_string().bytes().map(|b| char::from(b + b'g' - b'0')).collect();
    (0..count).map(name).map(|name: String| format!("/crash-{name}")).collect()
}

#[test]
fn paths_that_differ_each_time_take_no_other_with_them() {
    let app = app();
    let gateway = start(&app);
    let victim = Load::start(gateway.http(), 2, "/sleep/20");
    for name in names(20) {
        // So fast a host is that none lacks; what is done if one does is another test's.
        wait_until("the child is replaced", || serving(&gateway) == 2.0);
        assert_eq!(attack(&gateway, &[name], Duration::from_millis(200)), (1, 0, 0));
    }
    victim.finish_without_failure();
}

#[test]
fn where_children_start_more_slowly_than_they_die_what_is_not_known_is_held_back() {
    let slow = "if os.path.exists(os.path.join(HERE, \"slow\")):\n    wait_open(\"boot\")\n";
    let app = App::of(&format!("{APP}{MORE}\n{slow}"));
    let gateway = Setup::new(&app).children(3).start();
    wait_until("all children are there", || serving(&gateway) == 3.0);
    app.write("slow", "");
    let names = names(4);
    let (died, ..) = attack(&gateway, &names[..3], Duration::from_millis(210));
    assert_eq!(died, 3, "one for each child");
    let victim = Load::start(gateway.http(), 1, "/sleep/20");
    let waits = || gateway.metric("ostler_oldest_wait_seconds", &["app=\"app\""]);
    wait_until("somebody has waited long", || waits() >= 1.0);
    assert_eq!(attack(&gateway, &names[3..], Duration::ZERO), (0, 1, 0));
    app.release("boot");
    victim.wait_more(3);
    victim.finish_without_failure();
}

#[test]
fn while_children_lack_whoever_ends_none_waits_for_the_next() {
    let slow = "if os.path.exists(os.path.join(HERE, \"slow\")):\n    wait_open(\"boot\")\n";
    let app = App::of(&format!("{APP}{MORE}\n{slow}"));
    let gateway = Setup::new(&app).children(3).start();
    wait_until("all children are there", || serving(&gateway) == 3.0);
    app.write("slow", "");
    let deadly = || Conn::open_from(9, gateway.http()).get_with("/quick", "X-Deadly: 1\r\n");
    for _ in 0..3 {
        assert_eq!(deadly().header("ostler-termination"), Some("child_died"));
        // Deaths that are close to each other have one cause.
        thread::sleep(Duration::from_millis(210));
    }
    let ask = || {
        let mut client = gateway.connect();
        client.send("GET /quick HTTP/1.1\r\nHost: localhost\r\n\r\n");
        client
    };
    let mut first = ask();
    let waits = || gateway.metric("ostler_oldest_wait_seconds", &["app=\"app\""]);
    wait_until("somebody has waited long", || waits() >= 1.0);
    let mut second = ask();
    gateway.wait_waiting(2);
    assert_eq!(deadly().header("ostler-termination"), Some("quarantined"));
    app.release("boot");
    assert_eq!((first.read().status, second.read().status), (200, 200));
}

#[test]
fn a_page_that_dies_of_a_header_is_there_for_all_who_do_not_send_it() {
    let app = app();
    let gateway = start(&app);
    let victim = Load::start(gateway.http(), 2, "/quick");
    victim.wait_more(10);
    for _ in 0..12 {
        let mut client = gateway.connect();
        client.send(
            "GET /quick?client=0&request=0 HTTP/1.1\r\nHost: localhost\r\nX-Deadly: 1\r\n\r\n",
        );
        let answer = client.read();
        assert_eq!(answer.header("ostler-termination"), Some("child_died"), "{answer:?}");
        // The next one comes when both children are there, so that none is missed.
        victim.wait_more(20);
        wait_until("the child is replaced", || serving(&gateway) == 2.0);
    }
    victim.finish_without_failure();
}

#[test]
fn a_request_that_a_second_child_answered_does_not_speak_for_its_kind() {
    let app = app();
    let gateway = Setup::new(&app).children(2).route("idempotent = true").start();
    let once = ["/once".to_owned()];
    for _ in 0..3 {
        wait_until("the child is replaced", || serving(&gateway) == 2.0);
        assert_eq!(attack(&gateway, &once, Duration::from_millis(300)), (0, 0, 1));
    }
    assert_eq!(gateway.metric("ostler_quarantined_kinds", &[]), 1.0);
    assert_eq!(attack(&gateway, &once, Duration::ZERO), (0, 1, 0));
}

#[test]
fn a_path_that_crashes_at_random_does_not_either() {
    let app = app();
    let gateway = start(&app);
    let victim = Load::start(gateway.http(), 2, "/sleep/20");
    let targets: Vec<_> = (0..40).map(|_| "/shaky".to_owned()).collect();
    attack(&gateway, &targets, Duration::from_millis(100));
    victim.finish_without_failure();
}

#[test]
fn a_burst_of_requests_that_crash_costs_a_few_children_only() {
    let app = app();
    let gateway = start(&app);
    let victim = Load::start(gateway.http(), 2, "/sleep/20");
    let burst: Vec<_> = (0..40)
        .map(|_| {
            let mut client = gateway.connect();
            client.send("GET /crash HTTP/1.1\r\nHost: localhost\r\n\r\n");
            client
        })
        .collect();
    let ends: Vec<_> = burst.into_iter().map(|mut client| client.read().status).collect();
    let died = ends.iter().filter(|status| **status == 502).count();
    assert!(died < 20, "{died} of 40 ended a child");
    assert!(ends.iter().all(|status| matches!(status, 502 | 503)), "{ends:?}");
    victim.finish_without_failure();
}

#[test]
fn a_crash_after_its_client_has_left_is_counted_too() {
    let app = app();
    let gateway = start(&app);
    for number in 0..3 {
        let target = format!("/late/{number}");
        let spawned = gateway.metric("ostler_child_spawns_total", &[]);
        let mut client = gateway.connect();
        client.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        app.wait_call(&target);
        drop(client);
        gateway.assert_ended(&target, "gone_running");
        app.release(&number.to_string());
        wait_until("the child is replaced", || {
            gateway.metric("ostler_child_spawns_total", &[]) > spawned
        });
        // Deaths that are close to each other have one cause.
        thread::sleep(Duration::from_millis(250));
    }
    let answer = gateway.get("/late/9");
    assert_eq!(answer.header("ostler-termination"), Some("quarantined"), "{answer:?}");
}

#[test]
fn children_that_are_killed_from_outside_cost_what_they_had_and_no_more() {
    let app = app();
    let gateway = start(&app);
    let load = Load::start(gateway.http(), 8, "/pid");
    for _ in 0..KILLS {
        load.wait_more(50);
        let next = Instant::now() + Duration::from_millis(250);
        kill(gateway.get("/pid").text().parse().expect("a process id"));
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    load.wait_more(50);
    let outcomes = load.finish();
    let failed: Vec<&Outcome> = outcomes.iter().filter(|outcome| !outcome.is_ok()).collect();
    assert!(failed.len() <= KILLS, "{} of {}: {failed:?}", failed.len(), outcomes.len());
    assert!(failed.iter().all(|outcome| outcome.is_refused(502, "child_died")), "{failed:?}");
    wait_until("all children are there again", || serving(&gateway) == 2.0);
}

#[test]
fn an_app_that_served_and_then_does_not_boot_any_more_is_said_to_fail() {
    let app = app();
    let gateway = start(&app);
    assert_eq!(gateway.get("/quick").status, 200);
    let source = fs::read_to_string(app.file("wsgi.py")).expect("it was written");
    app.write("wsgi.py", &format!("raise RuntimeError('broken')\n{source}"));
    for pid in gateway.pids_with("ostler: app ") {
        kill(pid);
    }
    wait_until("it fails", || {
        gateway.get("/quick").header("ostler-termination") == Some("app_failed")
    });
    app.write("wsgi.py", &source);
    wait_until("it serves again", || gateway.get("/quick").status == 200);
}

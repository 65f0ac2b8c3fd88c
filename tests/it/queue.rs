//! The queue: bounded, timed, left by whoever hangs up, and killed children come back.

use std::thread::JoinHandle;

use ostler_tests::{App, Conn, Gateway, Response, Setup, is_alive, wait_until};

/// Asks in the background.
pub(crate) fn ask(gateway: &Gateway, path: &str, tenant: &str) -> JoinHandle<Response> {
    let (address, path) = (gateway.http(), path.to_owned());
    let line = if tenant.is_empty() { String::new() } else { format!("X-Tenant: {tenant}\r\n") };
    std::thread::spawn(move || Conn::open(address).get_with(&path, &line))
}

/// Asks in the background and waits until the app has begun with it.
pub(crate) fn hold(gateway: &Gateway, app: &App, name: &str) -> JoinHandle<Response> {
    let path = format!("/hold/{name}");
    let holding = ask(gateway, &path, "holder");
    app.wait_call(&path);
    holding
}

/// Tenants by header, some of them with names.
pub(crate) const BY_TENANT: &str = "tenant = \"header:x-tenant\"\ntenant_names = { t1 = \"t1\", t2 = \"t2\", holder = \"holder\" }";

fn assert_unavailable(answer: &Response, termination: &str) {
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.header("ostler-termination"), Some(termination));
    let seconds = answer.header("retry-after").and_then(|text| text.parse::<u64>().ok());
    assert!(seconds.is_some_and(|seconds| (1..=300).contains(&seconds)), "{answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[test]
fn a_full_queue_refuses_at_once_and_says_when_to_come_back() {
    let app = App::new();
    let gateway = Setup::new(&app).app_keys("queue_max = 2").route("tenant = \"none\"").start();
    let holding = hold(&gateway, &app, "a");
    let waiting = [ask(&gateway, "/one", ""), ask(&gateway, "/two", "")];
    gateway.wait_waiting(2);
    assert_unavailable(&gateway.get("/three"), "queue_full");
    gateway.assert_ended("/three", "queue_full");
    app.release("a");
    assert_eq!(holding.join().unwrap().status, 200);
    waiting.into_iter().for_each(|one| assert_eq!(one.join().unwrap().status, 200));
    app.assert_never("/three");
    assert_eq!(gateway.get("/four").status, 200, "there is room again");
}

#[test]
fn a_tenant_can_fill_only_its_own_part_of_the_queue() {
    let app = App::new();
    let gateway = Setup::new(&app).app_keys("tenant_queue_max = 1").route(BY_TENANT).start();
    let holding = hold(&gateway, &app, "a");
    let first = ask(&gateway, "/first", "greedy");
    gateway.wait_waiting(1);
    assert_unavailable(&ask(&gateway, "/second", "greedy").join().unwrap(), "tenant_full");
    let other = ask(&gateway, "/other", "modest");
    gateway.wait_waiting(2);
    app.release("a");
    for one in [holding, first, other] {
        assert_eq!(one.join().unwrap().status, 200);
    }
    app.assert_never("/second");
}

#[test]
fn a_tenant_holds_no_more_slots_than_it_may() {
    let app = App::new();
    let setup = Setup::new(&app).children(2).app_keys("tenant_slots_max = 1").route(BY_TENANT);
    let gateway = setup.start();
    let first = ask(&gateway, "/hold/a", "greedy");
    app.wait_call("/hold/a");
    let second = ask(&gateway, "/second", "greedy");
    gateway.wait_waiting(1);
    assert_eq!(ask(&gateway, "/other", "modest").join().unwrap().status, 200, "a slot is free");
    app.assert_never("/second");
    app.release("a");
    assert_eq!(first.join().unwrap().status, 200);
    assert_eq!(second.join().unwrap().status, 200);
}

#[test]
fn waiting_longer_than_allowed_is_refused_and_never_reaches_the_app() {
    let app = App::new();
    let gateway = Setup::new(&app).route("timeouts = { queue = \"200ms\" }").start();
    let holding = hold(&gateway, &app, "a");
    assert_unavailable(&gateway.get("/waits"), "queue_timeout");
    let line = gateway.assert_ended("/waits", "queue_timeout");
    assert!(line["queue_us"].as_u64().unwrap() >= 200_000, "{line}");
    assert_eq!(line.get("run_us"), None);
    app.release("a");
    assert_eq!(holding.join().unwrap().status, 200);
    app.assert_never("/waits");
}

#[test]
fn a_request_that_takes_too_long_ends_and_its_child_is_replaced() {
    let app = App::new();
    for timeouts in ["first_byte = \"200ms\"", "total = \"200ms\""] {
        let gateway = Setup::new(&app)
            .app_keys("grace = \"200ms\"")
            .route(&format!("timeouts = {{ {timeouts} }}"))
            .start();
        let before: u32 = gateway.get("/pid").text().parse().unwrap();
        let answer = gateway.get("/stuck");
        assert_eq!(answer.status, 504, "{answer:?}");
        assert_eq!(answer.header("ostler-termination"), Some("deadline"));
        gateway.assert_ended("/stuck", "deadline");
        wait_until("the stuck child is killed", || !is_alive(before));
        wait_until("another child serves", || {
            let answer = gateway.get("/pid");
            answer.status == 200 && answer.text() != before.to_string()
        });
    }
}

#[test]
fn a_reply_that_stops_coming_is_broken_off() {
    let app = App::new();
    let gateway = Setup::new(&app)
        .app_keys("grace = \"200ms\"")
        .route("timeouts = { progress = \"200ms\" }")
        .start();
    let mut conn = gateway.connect();
    let answer = conn.get("/stream/never");
    assert_eq!((answer.status, answer.whole), (200, false));
    assert_eq!(answer.text(), "first");
    gateway.assert_ended("/stream/never", "deadline");
    assert_eq!(gateway.get("/next").status, 200, "the child is free or replaced");
}

#[test]
fn a_client_that_hangs_up_while_it_waits_gives_back_its_place() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let holding = hold(&gateway, &app, "a");
    let heads = [
        "GET /gone HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        "POST /gone HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello".to_owned(),
        format!("POST /gone HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n{}", "x".repeat(300_000)),
        "POST /gone HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n".to_owned(),
    ];
    let mut waiting: Vec<_> = heads.iter().map(|_| gateway.connect()).collect();
    for (conn, head) in waiting.iter_mut().zip(&heads) {
        conn.send(head);
    }
    let mut tls = gateway.connect_tls();
    tls.send(&heads[0]);
    gateway.wait_waiting(5);
    drop(tls);
    gateway.wait_waiting(4);
    drop(waiting);
    gateway.wait_waiting(0);
    wait_until("all have their lines", || {
        gateway.log().iter().filter(|l| l["termination"] == "gone_waiting").count() == 5
    });
    app.release("a");
    assert_eq!(holding.join().unwrap().status, 200);
    app.assert_never("/gone");
}

#[test]
fn a_client_that_hangs_up_while_the_app_works_is_logged_at_once() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let mut conn = gateway.connect();
    conn.send("GET /hold/a HTTP/1.1\r\nHost: a\r\n\r\n");
    app.wait_call("/hold/a");
    drop(conn);
    let line = gateway.assert_ended("/hold/a", "gone_running");
    assert!(line["run_us"].is_u64(), "{line}");
    let next = ask(&gateway, "/next", "");
    gateway.wait_waiting(1);
    app.release("a");
    assert_eq!(next.join().unwrap().text(), "hello /next", "the child has finished its work");
}

#[test]
fn a_request_that_hangs_is_ended_in_time_even_when_its_client_has_left() {
    let app = App::new();
    let gateway = Setup::new(&app)
        .app_keys("grace = \"200ms\"")
        .route("timeouts = { first_byte = \"500ms\" }")
        .start();
    let mut conn = gateway.connect();
    conn.send("GET /stuck HTTP/1.1\r\nHost: a\r\n\r\n");
    app.wait_call("/stuck");
    drop(conn);
    gateway.assert_ended("/stuck", "gone_running");
    assert_eq!(gateway.get("/next").text(), "hello /next", "by another child");
}

#[test]
fn requests_that_come_before_the_first_child_wait_for_it() {
    let app = App::of(
        "import os, time\n\
         while not os.path.exists('boot'): time.sleep(0.01)\n\
         def application(env, start_response):\n\
         \x20   start_response('200 OK', [])\n\
         \x20   return [b'booted']\n",
    );
    let gateway = Setup::new(&app).early().start();
    let early = ask(&gateway, "/", "");
    gateway.wait_waiting(1);
    app.write("boot", "");
    assert_eq!(early.join().unwrap().text(), "booted");
}

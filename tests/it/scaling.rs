//! How many children there are, and that their coming and going costs no request.

use ostler_tests::{App, Conn, Gateway, Load, Setup, wait_until};

fn children(gateway: &Gateway) -> f64 {
    let count = |state: &str| gateway.metric("ostler_children", &[&format!("state={state:?}")]);
    count("idle") + count("busy")
}

fn exits(gateway: &Gateway, reason: &str) -> f64 {
    gateway.metric("ostler_child_exits_total", &[&format!("reason={reason:?}")])
}

#[test]
fn waiting_requests_bring_further_children_and_idleness_ends_them() {
    let app = App::new();
    let setup = Setup::new(&app).children_between(1, 3).app_keys("idle_timeout = \"1s\"");
    let gateway = setup.start();
    wait_until("one child is told", || children(&gateway) == 1.0);
    let mut clients: Vec<Conn> = (0..5).map(|_| gateway.connect()).collect();
    for client in &mut clients {
        client.send("GET /hold/it HTTP/1.1\r\nHost: localhost\r\n\r\n");
    }
    wait_until("three requests run", || app.count("/hold/it") == 3);
    wait_until("three children are told", || children(&gateway) == 3.0);
    gateway.wait_waiting(2);
    app.release("it");
    for client in &mut clients {
        assert_eq!(client.read().status, 200);
    }
    wait_until("one child is left", || children(&gateway) == 1.0);
    wait_until("both exits are told", || exits(&gateway, "stopped") == 2.0);
    assert_eq!(gateway.metric("ostler_child_spawns_total", &[]), 3.0);
}

#[test]
fn children_are_replaced_after_their_requests_without_losing_one() {
    let app = App::new();
    let gateway = Setup::new(&app).children(2).app_keys("max_requests = 40").start();
    let load = Load::start(gateway.http(), 8, "/quick");
    wait_until("three children were replaced", || exits(&gateway, "max_requests") >= 3.0);
    let served = load.finish_without_failure();
    assert!(served >= 120, "{served} requests wore three children out");
    wait_until("two children serve", || children(&gateway) == 2.0);
}

#[test]
fn children_are_replaced_at_their_age_without_losing_a_request() {
    let app = App::new();
    let gateway = Setup::new(&app).children(2).app_keys("max_lifetime = \"700ms\"").start();
    let load = Load::start(gateway.http(), 4, "/sleep/1");
    wait_until("two children were replaced", || exits(&gateway, "lifetime") >= 2.0);
    load.finish_without_failure();
}

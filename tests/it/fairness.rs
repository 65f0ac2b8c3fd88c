//! Who goes first: counted in starts, not in time.

use std::thread::JoinHandle;

use ostler_tests::{App, Gateway, Response, Setup};

use crate::queue::{BY_TENANT, ask, hold};

/// Puts `number` requests of a tenant into the queue, one after the other.
fn enqueue(gateway: &Gateway, tenant: &str, number: usize) -> Vec<JoinHandle<Response>> {
    let before = gateway.metric("ostler_jobs_waiting", &[]) as usize;
    let put = |n| {
        let asked = ask(gateway, &format!("/{tenant}/{n}"), tenant);
        gateway.wait_waiting(before + n + 1);
        asked
    };
    (0..number).map(put).collect()
}

/// Lets everything go on and returns the tenants in the order in which their requests began.
fn starts(app: &App, holding: JoinHandle<Response>, all: Vec<JoinHandle<Response>>) -> Vec<String> {
    app.release("slot");
    for one in std::iter::once(holding).chain(all) {
        assert_eq!(one.join().expect("the client does not panic").status, 200);
    }
    let calls = app.calls().into_iter().filter(|call| !call.contains("/hold/"));
    calls.filter_map(|call| call.split('/').nth(1).map(str::to_owned)).collect()
}

#[test]
fn a_flood_of_one_tenant_does_not_delay_another() {
    let app = App::new();
    let gateway = Setup::new(&app).route(BY_TENANT).start();
    let holding = ask(&gateway, "/hold/slot", "flood");
    app.wait_call("/hold/slot");
    let mut all = enqueue(&gateway, "flood", 50);
    all.extend(enqueue(&gateway, "victim", 1));
    let order = starts(&app, holding, all);
    let place = order.iter().position(|tenant| tenant == "victim").unwrap();
    assert!(place <= 1, "the victim was served after {place} of the flood: {order:?}");
}

#[test]
fn every_tenant_gets_its_turn_beside_a_flood() {
    let app = App::new();
    let gateway = Setup::new(&app).route(BY_TENANT).start();
    let holding = ask(&gateway, "/hold/slot", "flood");
    app.wait_call("/hold/slot");
    let mut all = enqueue(&gateway, "flood", 30);
    let others = ["one", "two", "three"];
    others.iter().for_each(|tenant| all.extend(enqueue(&gateway, tenant, 2)));
    let order = starts(&app, holding, all);
    let first: Vec<_> = order[..8].iter().filter(|tenant| *tenant != "flood").collect();
    assert!(first.len() >= 5, "{order:?}");
}

#[test]
fn plain_arrival_lets_the_victim_wait_for_the_whole_flood() {
    let app = App::new();
    let gateway = Setup::new(&app).app_keys("discipline = \"fifo\"").route(BY_TENANT).start();
    let holding = ask(&gateway, "/hold/slot", "flood");
    app.wait_call("/hold/slot");
    let mut all = enqueue(&gateway, "flood", 20);
    all.extend(enqueue(&gateway, "victim", 1));
    assert_eq!(starts(&app, holding, all).last().unwrap(), "victim");
}

#[test]
fn tenants_share_by_their_weights() {
    let app = App::new();
    let route = format!("{BY_TENANT}\nweights = {{ gold = 3 }}");
    let gateway = Setup::new(&app).route(&route).start();
    let holding = hold(&gateway, &app, "slot");
    let work = |tenant: &str, n: usize| ask(&gateway, &format!("/sleep/5?/{tenant}/{n}"), tenant);
    let mut all: Vec<_> = (0..60).flat_map(|n| [work("gold", n), work("plain", n)]).collect();
    all.extend((60..80).map(|n| work("plain", n)));
    gateway.wait_waiting(140);
    app.release("slot");
    assert_eq!(holding.join().unwrap().status, 200);
    all.into_iter().for_each(|one| assert_eq!(one.join().unwrap().status, 200));
    let calls = app.calls();
    let is_gold = |call: &&String| call.contains("/gold/");
    // Both are behind at first, because the holder had the slot; then each gets its share until gold has no more.
    let last = calls.iter().rposition(|call| is_gold(&call)).unwrap();
    let gold = calls[last - 39..=last].iter().filter(is_gold).count();
    assert!((25..=35).contains(&gold), "{gold} of 40 starts: {calls:?}");
}

#[test]
fn the_shorter_promise_goes_first_among_one_tenants_requests() {
    let app = App::new();
    let urgent =
        "[[route]]\npath = \"/urgent\"\nto = \"app:app\"\nwithin = \"20s\"\ntenant = \"none\"";
    let gateway =
        Setup::new(&app).route("within = \"10m\"\ntenant = \"none\"").more(urgent).start();
    let holding = hold(&gateway, &app, "slot");
    let mut all = enqueue(&gateway, "relaxed", 5);
    all.extend(enqueue(&gateway, "urgent", 2));
    let order = starts(&app, holding, all);
    assert_eq!(order[..2], ["urgent", "urgent"], "{order:?}");
}

#[test]
fn one_tenants_equal_requests_go_in_their_order() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let holding = hold(&gateway, &app, "slot");
    let all = enqueue(&gateway, "t", 10);
    starts(&app, holding, all);
    let wanted: Vec<_> = (0..10).map(|n| format!("GET /t/{n}")).collect();
    assert_eq!(app.calls()[1..], wanted);
}

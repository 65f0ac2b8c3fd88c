//! One client that asks for all there is keeps nobody out, however it spreads what it asks.

use ostler_tests::{Api, App, Conn, Ending, Gateway, RawH2, Setup, wait_until};
use serde_json::json;

const HALF: &str =
    "POST /hash HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\nx";

/// An upload that has begun, and goes on when it is told to.
fn half(gateway: &Gateway, from: u8) -> Conn {
    let mut conn = Conn::open_from(from, gateway.http());
    conn.send(HALF);
    conn
}

/// How many of the uploads end well when they go on.
fn end_well(half: Vec<Conn>) -> usize {
    let is_well = |mut conn: Conn| {
        conn.send("y");
        conn.read_all().is_ok_and(|answer| answer.starts_with(b"HTTP/1.1 200"))
    };
    half.into_iter().map(is_well).filter(|well| *well).count()
}

#[test]
fn connections_at_work_of_one_client_keep_no_other_out() {
    let app = App::new();
    let gateway = Setup::new(&app).more("[limits]\nconnections = 8").start();
    let most: Vec<_> = (0..8).map(|_| half(&gateway, 2)).collect();
    wait_until("all are at work", || gateway.metric("ostler_connections", &[]) == 8.0);
    let mut others = Vec::new();
    for n in 0..3 {
        let mut conn = Conn::open_from(3, gateway.http());
        let path = format!("/from-{n}");
        assert_eq!(conn.get(&path).text(), format!("hello {path}"));
        // It asks for more, and stays.
        conn.send(HALF);
        others.push(conn);
    }
    // The client that had all of them has lost as many, and it is told who ended them.
    let cut = || gateway.log().into_iter().filter(|line| line["termination"] == "overload");
    wait_until("three are cut", || cut().count() == 3);
    for line in cut() {
        assert_eq!((&line["client"], &line["target"]), (&json!("127.0.0.2"), &json!("/hash")));
        assert_eq!(line["detail"], "its connection made room for that of another client");
    }
    assert_eq!((end_well(most), end_well(others)), (5, 3));
}

const GET: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/hold/it")];
const POST: [(&str, &str); 4] =
    [(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", "/hash")];

#[test]
fn streams_of_one_client_leave_room_for_others_over_however_many_connections() {
    let app = App::new();
    let gateway = Setup::new(&app).more("[limits]\nrequests = 40").start();
    let mut raw: Vec<_> = (0..5).map(|_| RawH2::connect(gateway.http())).collect();
    for h2 in &mut raw {
        // Whatever is sent back would not be taken.
        h2.frame(4, 0, 0, &[0, 4, 0, 0, 0, 0]);
        (0..10).for_each(|stream| h2.open(stream * 2 + 1, &POST));
    }
    // Half of all are under way; the others are over, since their answers have nothing to be taken.
    let refused = || gateway.log().into_iter().filter(|line| line["termination"] == "overload");
    wait_until("the others are refused", || refused().count() == 30);
    assert!(refused().all(|line| line["status"] == 503));
    assert_eq!(gateway.metric("ostler_requests_open", &[]), 20.0);
    let mut other = Conn::open_from(3, gateway.http());
    assert_eq!(other.get("/other").text(), "hello /other");
    // Whoever gives some back may have as many again.
    for h2 in &mut raw {
        (0..10).for_each(|stream| h2.cancel(stream * 2 + 1));
    }
    wait_until("all is over", || gateway.metric("ostler_requests_open", &[]) == 0.0);
    raw[0].frame(4, 0, 0, &[0, 4, 0, 0, 255, 255]);
    app.release("it");
    raw[0].headers(21, &GET);
    assert_eq!(raw[0].ending(21), Ending::Status(200));
}

#[test]
fn a_process_that_may_open_few_files_serves_all_the_same() {
    let app = App::new();
    let gateway = Setup::new(&app).files(64).start();
    let most: Vec<_> = (0..100).map(|_| half(&gateway, 2)).collect();
    let mut other = Conn::open_from(3, gateway.http());
    assert_eq!(other.get("/other").text(), "hello /other");
    assert_eq!(other.post("/hash", &vec![b'x'; 300 << 10]).status, 200);
    assert_eq!(other.get("/big/3000000").body.len(), 3_000_000);
    assert_eq!(gateway.api("/readyz").status, 200);
    let api = Api::of(&gateway);
    api.wait_finished(api.run("true"));
    drop(most);
}

//! The end: what runs is finished, nothing new is taken, and nothing is left behind.

use std::net::TcpStream;

use nix::sys::signal::Signal;
use ostler_tests::{App, Ending, Gateway, H2, RawH2, Setup, block_on, pids_of, wait_until};

use crate::queue::ask;

fn assert_ended(gateway: &mut Gateway, code: i32) {
    assert_eq!(gateway.wait_exit().code(), Some(code), "{}", gateway.stderr());
    let mark = gateway.mark().to_owned();
    wait_until(&format!("no process is left: {:?}", pids_of(&mark)), || pids_of(&mark).is_empty());
}

fn begin_drain(gateway: &Gateway) {
    gateway.terminate();
    wait_until("the drain begins", || {
        let ready = gateway.api("/readyz");
        ready.status == 503 && ready.text() == "draining\n"
    });
}

#[test]
fn what_runs_and_what_waits_is_finished_and_nothing_new_is_taken() {
    let app = App::new();
    let mut gateway = Setup::new(&app).start();
    let mut running = gateway.connect();
    running.send("GET /hold/a HTTP/1.1\r\nHost: a\r\n\r\n");
    app.wait_call("/hold/a");
    let waiting = ask(&gateway, "/waiting", "");
    gateway.wait_waiting(1);
    begin_drain(&gateway);
    assert_eq!(gateway.api("/healthz").status, 200, "it lives");
    wait_until("connections are refused", || TcpStream::connect(gateway.http()).is_err());
    wait_until("at the other door as well", || TcpStream::connect(gateway.https()).is_err());
    app.release("a");
    let answer = running.read();
    assert_eq!((answer.text().as_str(), answer.header("connection")), ("held a", Some("close")));
    running.assert_closed();
    assert_eq!(waiting.join().unwrap().text(), "hello /waiting");
    assert_ended(&mut gateway, 0);
    assert_eq!(gateway.log().len(), 2, "the last lines are written");
}

#[test]
fn idle_connections_are_closed_and_hold_nothing_up() {
    let app = App::new();
    let mut gateway = Setup::new(&app).start();
    let mut used = gateway.connect();
    assert_eq!(used.get("/x").status, 200);
    let mut unused = gateway.connect();
    let mut unused_tls = ostler_tests::Conn::open(gateway.https());
    let mut tls = gateway.connect_tls();
    assert_eq!(tls.get("/y").status, 200);
    gateway.signal(Signal::SIGINT);
    used.assert_closed();
    tls.assert_closed();
    unused.assert_closed();
    unused_tls.assert_closed();
    assert_ended(&mut gateway, 0);
}

#[test]
fn http2_streams_are_finished_and_the_connection_is_told_to_go() {
    let app = App::new();
    let mut gateway = Setup::new(&app).children(2).start();
    block_on(async {
        let mut h2 = H2::connect(gateway.http()).await;
        let request = h2.request("GET", "/hold/a").body(()).unwrap();
        let (answer, _) = h2.begin(request, true).await.unwrap();
        while app.count("/hold/a") == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        gateway.terminate();
        // The way is closed for new streams before the old one ends.
        while h2.get("/new").await.is_ok() {}
        app.release("a");
        let text = answer.await.unwrap().into_body().data().await.unwrap().unwrap();
        assert_eq!(text, "held a");
        h2.closed().await;
    });
    assert_ended(&mut gateway, 0);
}

#[test]
fn a_pooled_http2_connection_that_nobody_reads_holds_nothing_up() {
    let app = App::new();
    let mut gateway = Setup::new(&app).more("[gateway]\ndrain = \"1h\"\n").start();
    let mut pooled = RawH2::connect(gateway.http());
    let get = [(":method", "GET"), (":scheme", "http"), (":path", "/x"), (":authority", "a")];
    pooled.headers(1, &get);
    assert_eq!(pooled.ending(1), Ending::Status(200));
    let unused = RawH2::connect(gateway.http());
    gateway.terminate();
    assert_ended(&mut gateway, 0);
    drop((pooled, unused));
}

#[test]
fn a_slow_reader_gets_its_whole_reply() {
    let app = App::new();
    let mut gateway = Setup::new(&app).start();
    let mut slow = gateway.connect();
    slow.send("GET /big/20000000 HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut answer = slow.read_head();
    gateway.terminate();
    wait_until("connections are refused", || TcpStream::connect(gateway.http()).is_err());
    slow.read_body(&mut answer);
    assert!(answer.whole, "{} bytes", answer.body.len());
    assert_ended(&mut gateway, 0);
}

#[test]
fn a_second_signal_ends_at_once() {
    let app = App::new();
    let mut gateway = Setup::new(&app).start();
    let holding = std::thread::spawn({
        let address = gateway.http();
        move || {
            ostler_tests::Conn::open(address)
                .send("GET /hold/a HTTP/1.1\r\nHost: a\r\n\r\n")
                .read_to_end()
        }
    });
    app.wait_call("/hold/a");
    begin_drain(&gateway);
    gateway.terminate();
    assert_eq!(gateway.wait_exit().code(), Some(128 + 15));
    assert_eq!(holding.join().unwrap(), b"", "no half answer");
    assert_ended(&mut gateway, 128 + 15);
}

#[test]
fn a_drain_waits_no_longer_than_it_may() {
    let app = App::new();
    let mut gateway =
        Setup::new(&app).app_keys("grace = \"200ms\"").more("[gateway]\ndrain = \"300ms\"").start();
    let holding = std::thread::spawn({
        let address = gateway.http();
        move || {
            ostler_tests::Conn::open(address)
                .send("GET /stuck HTTP/1.1\r\nHost: a\r\n\r\n")
                .read_to_end()
        }
    });
    app.wait_call("/stuck");
    gateway.terminate();
    assert_ended(&mut gateway, 0);
    drop(holding.join());
}

#[test]
fn a_gateway_without_work_ends_with_its_runner_and_children() {
    let app = App::new();
    let mut gateway = Setup::new(&app).children(3).start();
    assert_eq!(gateway.get("/x").status, 200);
    gateway.terminate();
    assert_ended(&mut gateway, 0);
    assert!(!gateway.state().join("run/addresses.json").exists());
}

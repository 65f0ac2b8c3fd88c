//! Connections on which nothing is asked: kept while they may be useful, and no longer.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use ostler_tests::{App, H2, RawH2, Setup, block_on, wait_until};

#[test]
fn a_connection_is_kept_between_requests_as_long_as_the_config_says() {
    let app = App::new();
    let limits = "[limits]\nheader_timeout = \"20s\"\nkeep_alive = \"300ms\"";
    let gateway = Setup::new(&app).more(limits).start();
    for mut conn in [gateway.connect(), gateway.connect_tls()] {
        for _ in 0..3 {
            assert_eq!(conn.get("/again").status, 200);
        }
        let begin = Instant::now();
        conn.assert_closed();
        assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    }
    block_on(async {
        let mut h2 = H2::connect(gateway.http()).await;
        assert_eq!(h2.get("/again").await.unwrap().status, 200);
        h2.closed().await;
    });
    let mut busy = gateway.connect();
    assert_eq!(busy.get("/sleep/900").text(), "slept", "a request at work is not idle");
}

#[test]
fn a_connection_may_be_idle_for_longer_than_a_head_may_take() {
    let app = App::new();
    let limits = "[limits]\nheader_timeout = \"300ms\"\nkeep_alive = \"20s\"";
    let gateway = Setup::new(&app).more(limits).start();
    let mut kept = gateway.connect();
    assert_eq!(kept.get("/first").status, 200);
    // Nothing was ever asked on these.
    let mut silent = gateway.connect();
    let mut silent_h2 = RawH2::connect(gateway.http());
    silent.assert_closed();
    assert_eq!(silent_h2.ending(1), ostler_tests::Ending::Closed);
    assert_eq!(kept.get("/second").status, 200, "it was idle for at least as long");
    kept.send("GET /third HTTP/1.1\r\nHo");
    assert_eq!(kept.read().status, 408, "a head that was begun has its own time");
    kept.assert_closed();
}

#[test]
fn what_came_while_the_gateway_stood_still_came_in_time() {
    let app = App::new();
    let limit = Duration::from_secs(1);
    let limits = "[limits]\nheader_timeout = \"1s\"\nkeep_alive = \"1s\"";
    let gateway = Setup::new(&app).more(limits).start();
    let (mut begun, mut kept) = (gateway.connect(), gateway.connect());
    let began = Instant::now();
    assert_eq!(kept.get("/first").status, 200);
    begun.send("GET /head HTTP/1.1\r\nHo");
    // The gateway has read it when it has read what came after it.
    assert_eq!(kept.get("/second").status, 200);
    gateway.signal(Signal::SIGSTOP);
    begun.send("st: a\r\n\r\n");
    kept.send("GET /third HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_until("all limits have passed", || began.elapsed() > 3 * limit);
    gateway.signal(Signal::SIGCONT);
    assert_eq!(begun.read().text(), "hello /head");
    assert_eq!(kept.read().text(), "hello /third");
}

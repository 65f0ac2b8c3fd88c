//! Replies: as soon as they come, intact, and broken off visibly when they break off.

use std::thread;

use ostler_tests::{App, H2, Setup, block_on, sha256};

/// What `/big/BYTES` gives.
fn big(bytes: usize) -> Vec<u8> {
    let pieces = (0..bytes.div_ceil(65536)).flat_map(|n| {
        let mut piece = format!("{n:08}").into_bytes();
        piece.resize(65536, b'x');
        piece
    });
    pieces.take(bytes).collect()
}

const STREAM: &str = "stream = [\"response\"]";

#[test]
fn a_reply_that_comes_in_pieces_is_passed_on_piece_by_piece() {
    let app = App::new();
    for (route, name) in [("", "spooled"), (STREAM, "streamed")] {
        let gateway = Setup::new(&app).route(route).start();
        let mut conn = gateway.connect();
        conn.send(format!("GET /stream/{name} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let mut answer = conn.read_head();
        assert_eq!(conn.peek(10), b"5\r\nfirst\r\n", "{name}");
        app.release(name);
        conn.read_body(&mut answer);
        assert_eq!(answer.text(), "firstsecond");
        assert!(answer.whole);
        gateway.assert_ended(&format!("/stream/{name}"), "ok");
    }
}

#[test]
fn large_downloads_arrive_intact() {
    let app = App::new();
    let size = 50 << 20;
    let hash = sha256(&big(size));
    for route in ["", STREAM] {
        let gateway = Setup::new(&app).route(route).start();
        let mut conn = gateway.connect();
        let answer = conn.get(&format!("/big/{size}"));
        assert!(answer.whole);
        assert_eq!(sha256(&answer.body), hash);
        assert_eq!(conn.get("/next").text(), "hello /next");
        let line = gateway.assert_ended(&format!("/big/{size}"), "ok");
        assert_eq!(line["bytes_out"], size);
    }
}

#[test]
fn a_slow_reader_occupies_no_child() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let size = 20 << 20;
    let mut slow = gateway.connect();
    slow.send(format!("GET /big/{size} HTTP/1.1\r\nHost: a\r\n\r\n"));
    let mut answer = slow.read_head();
    for _ in 0..3 {
        assert_eq!(gateway.get("/meanwhile").text(), "hello /meanwhile");
    }
    slow.read_body(&mut answer);
    assert_eq!(sha256(&answer.body), sha256(&big(size)));
}

#[test]
fn many_slow_readers_occupy_no_child_and_little_memory() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let size = 4 << 20;
    let mut slow: Vec<_> = (0..40).map(|_| gateway.connect()).collect();
    for conn in &mut slow {
        conn.send(format!("GET /big/{size} HTTP/1.1\r\nHost: a\r\n\r\n"));
    }
    let mut answers: Vec<_> = slow.iter_mut().map(|conn| conn.read_head()).collect();
    assert_eq!(gateway.get("/meanwhile").text(), "hello /meanwhile");
    let memory = gateway.metric("process_resident_memory_bytes", &[]);
    assert!(memory > 1e6 && memory < 100e6, "{memory} bytes for 40 replies of {size}");
    let hash = sha256(&big(size));
    for (conn, answer) in slow.iter_mut().zip(&mut answers) {
        conn.read_body(answer);
        assert_eq!(sha256(&answer.body), hash);
    }
}

#[test]
fn without_room_to_spool_a_reply_comes_at_the_clients_pace() {
    let app = App::new();
    let gateway = Setup::new(&app)
        .route("body_max = \"1MiB\"")
        .more("[limits]\nspool_total = \"1MiB\"")
        .start();
    let size = 30 << 20;
    let mut slow = gateway.connect();
    slow.send(format!("GET /big/{size} HTTP/1.1\r\nHost: a\r\n\r\n"));
    let mut answer = slow.read_head();
    let mut other = gateway.connect();
    other.send("GET /meanwhile HTTP/1.1\r\nHost: a\r\n\r\n");
    gateway.wait_waiting(1);
    slow.read_body(&mut answer);
    assert!(answer.whole, "{} bytes came", answer.body.len());
    assert_eq!(sha256(&answer.body), sha256(&big(size)));
    assert_eq!(other.read().text(), "hello /meanwhile");
}

#[test]
fn an_app_error_shows_its_traceback_to_a_browser_on_this_host_and_to_nobody_else() {
    let app = App::new();
    let asked = "details = \"loopback\"\n";
    let proxies = format!("[gateway]\n{asked}trusted_proxies = [\"127.0.0.1\"]");
    let gateway = Setup::new(&app).more(&proxies).start();
    let direct = Setup::new(&app).more(&format!("[gateway]\n{asked}")).start();

    let html = "Accept: text/html,*/*\r\n";
    let page = direct.connect().get_with("/error", html);
    assert_eq!(page.status, 500);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(page.text().contains("kaputt &lt;secret&gt;"), "{}", page.text());
    assert!(!page.text().contains("<secret>"), "what the app says is escaped");

    let plain = direct.get("/error?plain");
    assert_eq!(plain.status, 500);
    assert!(!plain.text().contains("kaputt"), "{}", plain.text());
    assert_eq!(plain.header("ostler-termination"), Some("app_error"));
    let line = direct.assert_ended("/error?plain", "app_error");
    assert!(line["detail"].as_str().unwrap().contains("kaputt"), "{line}");

    for told in ["", "X-Forwarded-For: 203.0.113.9\r\n"] {
        let page = gateway.connect().get_with("/error", &format!("{html}{told}"));
        assert_eq!(page.status, 500);
        assert!(!page.text().contains("kaputt"), "across a proxy: {}", page.text());
    }
    for told in [
        "X-Real-IP: 203.0.113.9",
        "CF-Connecting-IP: 203.0.113.9",
        "Via: 1.1 a",
        "X-Forwarded-Proto: https",
    ] {
        let page = direct.connect().get_with("/error", &format!("{html}{told}\r\n"));
        assert!(!page.text().contains("kaputt"), "with {told}: {}", page.text());
    }
    for head in ["HTTP/1.1\r\nHost: shop.example", "HTTP/1.0\r\nHost: localhost", "HTTP/1.0"] {
        let page = direct.connect().send(format!("GET /error {head}\r\n{html}\r\n")).read();
        assert_eq!(page.status, 500);
        assert!(!page.text().contains("kaputt"), "{head}: {}", page.text());
    }
    let silent = Setup::new(&app).start();
    let page = silent.connect().get_with("/error", html);
    assert!(!page.text().contains("kaputt"), "nobody asked for details: {}", page.text());
    assert_eq!(direct.get("/next").text(), "hello /next", "the child serves on");
}

#[test]
fn a_reply_that_breaks_off_is_never_taken_for_whole() {
    let app = App::new();
    for route in ["", STREAM] {
        let gateway = Setup::new(&app).route(route).start();
        for size in [10, 1_000_000] {
            let target = format!("/breaks/{size}");
            let mut conn = gateway.connect();
            let answer = conn.get(&target);
            assert_eq!((answer.status, answer.whole), (200, false), "{size}");
            conn.assert_closed();
            gateway.assert_ended(&target, "app_aborted");
            let old = format!("GET {target}?old HTTP/1.0\r\n\r\n");
            let old = gateway.connect().send(old).read_all();
            assert!(old.is_err(), "an old client reads to the end of the connection: {old:?}");
            let h2 = block_on(async { H2::connect(gateway.http()).await.get(&target).await });
            let error = h2.expect_err("a stream that broke off is no answer");
            assert!(error.is_reset(), "{error}");
        }
        assert_eq!(gateway.get("/next").text(), "hello /next", "the child serves on");
    }
}

#[test]
fn a_child_that_dies_on_a_request_is_a_bad_gateway_and_is_replaced() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let answer = gateway.get("/die");
    assert_eq!(answer.status, 502);
    assert_eq!(answer.header("ostler-termination"), Some("child_died"));
    gateway.assert_ended("/die", "child_died");
    assert_eq!(gateway.get("/next").text(), "hello /next");
    assert_eq!(app.count("/die"), 1, "it is not tried again");
}

#[test]
fn answers_without_a_body_keep_the_connection_in_step() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let mut conn = gateway.connect();
    conn.send("HEAD /big/100000 HTTP/1.1\r\nHost: a\r\n\r\n");
    let head = conn.read_head();
    assert_eq!((head.status, head.header("content-length")), (200, Some("100000")));
    for status in [204, 304] {
        let answer = conn.get(&format!("/status/{status}"));
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("x-kept"), Some("yes"));
        assert_eq!(answer.header("transfer-encoding"), None);
    }
    conn.send("HEAD /stream/never HTTP/1.1\r\nHost: a\r\n\r\n");
    app.release("never");
    assert_eq!(conn.read_head().status, 200);
    conn.send("HEAD /error HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(conn.read_head().status, 500);
    let teapot = conn.get("/status/418");
    assert_eq!((teapot.status, teapot.text().as_str()), (418, "body of 418"));
    for target in ["/big/100000", "/status/204", "/status/304"] {
        gateway.assert_ended(target, "ok");
    }
}

#[test]
fn a_reply_shorter_or_longer_than_it_says_is_never_taken_for_whole() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    for target in ["/length/10/5", "/length/5/10", "/length-pieces/10/5", "/length-pieces/5/10"] {
        let mut conn = gateway.connect();
        let answer = conn.get(target);
        // What is too long may be cut to what was promised; what is too short may never look complete.
        let cut = target.ends_with("5/10") && answer.body == b"zzzzz";
        let fine = answer.status >= 500 || !answer.whole || cut;
        assert!(fine, "{target}: {answer:?}");
        if answer.status >= 500 || answer.whole {
            assert_eq!(conn.get("/next").text(), "hello /next", "{target} left bytes behind");
        }
        let line = gateway.logged(target);
        assert!(cut || line["termination"] != "ok", "{line}");
    }
}

#[test]
fn every_reply_says_who_when_and_which() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let answer = gateway.get("/cookies");
    assert_eq!(answer.header("server"), Some("ostler"));
    assert!(answer.header("date").unwrap().ends_with(" GMT"));
    assert!(answer.header("x-request-id").is_some());
    let cookies: Vec<_> =
        answer.headers.iter().filter(|(n, _)| n == "set-cookie").map(|(_, v)| v.as_str()).collect();
    assert_eq!(cookies, ["a=1", "b=2"]);
}

#[test]
fn connections_live_as_long_as_the_client_asks() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let mut conn = gateway.connect();
    for _ in 0..3 {
        assert_eq!(conn.get("/again").status, 200);
    }
    let last = conn.get_with("/last", "Connection: close\r\n");
    assert_eq!(last.header("connection"), Some("close"));
    conn.assert_closed();
    let mut old = gateway.connect();
    let answer = old.send("GET /big/200000 HTTP/1.0\r\n\r\n").read();
    assert_eq!((answer.status, answer.body.len()), (200, 200_000));
    old.assert_closed();
    let mut old = gateway.connect();
    app.release("old");
    let answer = old.send("GET /stream/old HTTP/1.0\r\n\r\n").read();
    assert_eq!(answer.header("transfer-encoding"), None, "HTTP/1.0 knows no chunks");
    assert_eq!(answer.text(), "firstsecond");
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let app = App::new();
    let gateway = Setup::new(&app).children(2).start();
    let mut conn = gateway.connect();
    let heads: String = (0..20).map(|n| format!("GET /{n} HTTP/1.1\r\nHost: a\r\n\r\n")).collect();
    conn.send(heads);
    for n in 0..20 {
        assert_eq!(conn.read().text(), format!("hello /{n}"));
    }
}

#[test]
fn a_client_that_leaves_while_it_reads_is_logged_and_costs_no_child() {
    let app = App::new();
    for route in ["", STREAM] {
        let gateway = Setup::new(&app).route(route).start();
        let mut conn = gateway.connect();
        conn.send("GET /big/30000000 HTTP/1.1\r\nHost: a\r\n\r\n");
        conn.read_head();
        drop(conn);
        gateway.assert_ended("/big/30000000", "gone_reading");
        assert_eq!(gateway.get("/next").text(), "hello /next");
    }
}

#[test]
fn two_children_serve_side_by_side() {
    let app = App::new();
    let gateway = Setup::new(&app).children(2).start();
    gateway.metric("ostler_jobs_running", &[]);
    let address = gateway.http();
    let ask = |name: &'static str| {
        thread::spawn(move || ostler_tests::Conn::open(address).get(&format!("/hold/{name}")))
    };
    let (one, two) = (ask("one"), ask("two"));
    app.wait_call("/hold/one");
    app.wait_call("/hold/two");
    app.release("two");
    assert_eq!(two.join().unwrap().text(), "held two");
    app.release("one");
    assert_eq!(one.join().unwrap().text(), "held one");
}

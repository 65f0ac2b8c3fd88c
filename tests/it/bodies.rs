//! Request bodies: whole or not at all, whatever their size and framing, and never at the cost of a child.

use ostler_tests::{App, Setup, sha256, wait_until};

/// Bytes that show when a piece is lost, doubled or out of order.
pub(crate) fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

const STREAM: &str = "stream = [\"request\"]";

#[test]
fn uploads_of_every_size_arrive_intact() {
    const K: usize = 1024;
    let app = App::new();
    let spooled = Setup::new(&app).start();
    let streamed = Setup::new(&app).route(STREAM).start();
    let edges = [64 * K, 256 * K].map(|edge| [edge - 1, edge, edge + 1]);
    let sizes = [0, 1, 100, 5 << 20].into_iter().chain(edges.into_iter().flatten());
    for size in sizes {
        let body = pattern(size);
        let hash = sha256(&body);
        let known = format!("{size} {hash} {size}");
        let mut conn = spooled.connect();
        assert_eq!(conn.post("/hash", &body).text(), known, "by length");
        let chunked = conn.post_chunked("/hash", &body, 7000).text();
        assert_eq!(chunked.split(' ').nth(1), Some(hash.as_str()), "{size} in chunks");
        let mut conn = streamed.connect();
        assert_eq!(conn.post("/hash", &body).text(), known, "streamed by length");
        let chunked = conn.post_chunked("/hash", &body, 7000).text();
        assert_eq!(chunked.split(' ').nth(1), Some(hash.as_str()), "{size} streamed in chunks");
    }
}

#[test]
fn of_a_body_only_the_beginning_is_kept_in_memory() {
    let app = App::new();
    let gateway = Setup::new(&app).more("[limits]\nspool_memory = \"64KiB\"").start();
    let body = pattern(300_000);
    let mut conn = gateway.connect();
    conn.send("POST /hash HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n");
    let kept = |wanted: usize| {
        let (memory, files) = ("ostler_body_memory_bytes", "ostler_spool_bytes");
        wait_until(&format!("{wanted} bytes are kept"), || {
            let (memory, files) = (gateway.metric(memory, &[]), gateway.metric(files, &[]));
            assert!(memory <= f64::from(64 << 10), "{memory}");
            memory + files == wanted as f64
        });
    };
    conn.send(&body[..60_000]);
    kept(60_000);
    conn.send(&body[60_000..299_999]);
    kept(299_999);
    assert!(gateway.metric("ostler_spool_bytes", &[]) > 0.0);
    conn.send(&body[299_999..]);
    assert_eq!(conn.read().text(), format!("300000 {} 300000", sha256(&body)));
}

#[test]
fn an_upload_over_tls_arrives_intact() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let body = pattern(3 << 20);
    let answer = gateway.connect_tls().post("/hash", &body).text();
    assert_eq!(answer, format!("{} {} {0}", body.len(), sha256(&body)));
}

#[test]
fn a_body_beyond_the_limit_is_refused_and_never_reaches_the_app() {
    let app = App::new();
    for stream in ["", STREAM] {
        let gateway = Setup::new(&app).route("body_max = \"100KiB\"").route(stream).start();
        let limit = 100 << 10;
        assert_eq!(gateway.connect().post("/hash", &pattern(limit)).status, 200, "at the limit");
        let seen = app.count("/hash");
        let mut conn = gateway.connect();
        // The length alone is enough to refuse.
        let answer =
            conn.send("POST /hash HTTP/1.1\r\nHost: a\r\nContent-Length: 102401\r\n\r\n").read();
        assert_eq!(answer.status, 413);
        assert!(answer.text().contains("102400 bytes at most"), "{answer:?}");
        conn.assert_closed();
        let mut conn = gateway.connect();
        let answer = conn.post_chunked("/hash", &pattern(limit + 1), 5000);
        assert_eq!(answer.status, 413, "{answer:?}");
        conn.assert_closed();
        let whole = app.count("/hash") - seen;
        assert!(whole == 0 || !stream.is_empty(), "a spooled body is refused before the app");
        wait_until("both are logged", || {
            gateway.log().iter().filter(|l| l["termination"] == "body_too_large").count() == 2
        });
    }
}

#[test]
fn a_client_that_asks_first_is_told_to_go_on_or_is_refused_at_once() {
    let app = App::new();
    let gateway = Setup::new(&app).route("body_max = \"1KiB\"").start();
    let head = |length| {
        format!(
            "POST /hash HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\nExpect: 100-continue\r\n\r\n"
        )
    };
    let mut conn = gateway.connect();
    assert_eq!(conn.send(head(5)).read().status, 100);
    assert_eq!(conn.send("hello").read().text(), format!("5 {} 5", sha256(b"hello")));
    let mut conn = gateway.connect();
    assert_eq!(conn.send(head(5000)).read().status, 413, "without asking for the body");
    conn.assert_closed();
}

#[test]
fn a_body_that_breaks_off_never_reaches_the_app() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    for (target, head, body) in [
        ("/hash?length", "Content-Length: 10", "hello"),
        ("/hash?chunked", "Transfer-Encoding: chunked", "5\r\nhello\r\n5\r\nhe"),
        ("/hash?ended", "Transfer-Encoding: chunked", "5\r\nhello\r\n"),
    ] {
        let mut conn = gateway.connect();
        conn.send(format!("POST {target} HTTP/1.1\r\nHost: a\r\n{head}\r\n\r\n{body}"));
        drop(conn);
        gateway.assert_ended(target, "body_aborted");
        app.assert_never(target);
    }
}

#[test]
fn a_slow_upload_occupies_no_child() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let body = pattern(300_000);
    let mut slow = gateway.connect();
    slow.send("POST /hash HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n");
    for piece in body.chunks(100_000) {
        assert_eq!(gateway.get("/meanwhile").text(), "hello /meanwhile");
        slow.send(piece);
    }
    assert_eq!(slow.read().text(), format!("300000 {} 300000", sha256(&body)));
    assert_eq!(app.count("/meanwhile"), 3);
}

#[test]
fn hundreds_of_unfinished_uploads_occupy_no_child() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let head = "POST /hash HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n1";
    let mut slow: Vec<_> = (0..200).map(|_| gateway.connect()).collect();
    slow.iter_mut().for_each(|conn| {
        conn.send(head);
    });
    assert_eq!(gateway.get("/meanwhile").text(), "hello /meanwhile");
    app.assert_never("/hash");
    slow.iter_mut().for_each(|conn| {
        conn.send("2");
    });
    let wanted = format!("2 {} 2", sha256(b"12"));
    slow.iter_mut().for_each(|conn| assert_eq!(conn.read().text(), wanted));
}

#[test]
fn a_body_that_stops_coming_is_given_up() {
    let app = App::new();
    for stream in ["", STREAM] {
        let gateway =
            Setup::new(&app).route("timeouts = { body = \"200ms\" }").route(stream).start();
        let mut conn = gateway.connect();
        conn.send("POST /hash?stopped HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello");
        let answer = conn.read();
        assert_eq!(answer.status, 408, "{answer:?}");
        conn.assert_closed();
        gateway.assert_ended("/hash?stopped", "body_timeout");
        assert_eq!(gateway.get("/next").status, 200, "the child is free again");
    }
}

#[test]
fn a_streamed_body_reaches_the_app_while_it_comes() {
    let app = App::new();
    let gateway = Setup::new(&app).route(STREAM).start();
    let mut conn = gateway.connect();
    conn.send("POST /first/x HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello");
    wait_until("the app has the first piece", || app.file("got-x").exists());
    assert_eq!(conn.send(" world").read().text(), "hello world");
}

#[test]
fn a_streamed_body_that_breaks_off_is_no_whole_body_for_the_app() {
    let app = App::new();
    let gateway = Setup::new(&app).route(STREAM).start();
    let mut conn = gateway.connect();
    conn.send("POST /first/x HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello");
    wait_until("the app has the first piece", || app.file("got-x").exists());
    drop(conn);
    let line = gateway.logged("/first/x");
    let ended = line["termination"].as_str().unwrap();
    assert!(matches!(ended, "body_aborted" | "gone_running"), "{line}");
    assert_eq!(gateway.get("/next").status, 200, "the child is free again");
}

#[test]
fn an_app_that_ignores_the_body_leaves_the_connection_usable() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let mut conn = gateway.connect();
    for size in [10, 100_000, 1_000_000] {
        assert_eq!(conn.post("/ignore", &pattern(size)).text(), "ignored");
        assert_eq!(conn.get("/next").text(), "hello /next");
    }
}

#[test]
fn an_app_that_answers_before_the_streamed_body_is_there_is_heard_and_free_again() {
    let app = App::new();
    let gateway = Setup::new(&app).route(STREAM).start();
    let mut conn = gateway.connect();
    conn.send("POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\nhello");
    assert_eq!(conn.read().text(), "ignored");
    for _ in 0..3 {
        assert_eq!(gateway.get("/next").text(), "hello /next");
    }
    // Nothing of the first body may be taken for a request.
    conn.send(pattern(2_999_995));
    conn.send("GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
    let rest = conn.read_to_end();
    assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 "), "{rest:?}");
    assert!(app.count("/smuggled") <= 1);
}

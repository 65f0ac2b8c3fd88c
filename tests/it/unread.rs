//! Bodies that nobody reads: the reply gets through, and the connection is in step or says that it ends.

use std::time::Duration;

use bytes::Bytes;
use ostler_tests::{App, Conn, Gateway, H2, Setup, block_on, send_all};

use crate::bodies::pattern;

/// Every way in which a reply is made before the body was read.
const ROUTES: &str = "[[route]]\npath = \"/fixed\"\nto = \"respond:200:fixed\"\n\
                      [[route]]\npath = \"/moved\"\nto = \"redirect:https://elsewhere.example/\"\n\
                      [[route]]\npath = \"/small\"\nto = \"app:app\"\nbody_max = 5\n";

/// Request line and Host, and the status of the reply.
const ANSWERED: [(&str, u16); 7] = [
    ("POST /fixed HTTP/1.1\r\nHost: localhost", 200),
    ("POST /moved HTTP/1.1\r\nHost: localhost", 308),
    ("POST /x HTTP/1.1\r\nHost: nobody.example", 404),
    ("POST /small HTTP/1.1\r\nHost: localhost", 413),
    ("POST /ignore HTTP/1.1\r\nHost: localhost", 200),
    ("POST /a%00b HTTP/1.1\r\nHost: localhost", 400),
    ("POST /x HTTP/1.1\r\nHost: a b", 400),
];

fn start(app: &App) -> Gateway {
    let route = "host = \"localhost\"\nstream = [\"request\"]";
    Setup::new(app)
        .route(route)
        .more(ROUTES.replace("[[route]]\n", "[[route]]\nhost = \"localhost\"\n").as_str())
        .start()
}

/// Sends everything, then reads, as most clients do.
fn assert_answered(mut conn: Conn, line: &str, status: u16, framing: &str, body: &[u8], how: &str) {
    let case = format!("{line:?} with {} bytes {how}", body.len());
    conn.try_send(format!("{line}\r\n{framing}\r\n\r\n")).expect("a head can be sent");
    for piece in body.chunks(50_000) {
        conn.try_send(piece).unwrap_or_else(|error| panic!("{case}: {error}"));
    }
    let answer = conn.read();
    assert_eq!((answer.status, answer.whole), (status, true), "{case}: {answer:?}");
    match answer.header("connection") {
        Some("close") => conn.assert_closed(),
        other => {
            assert_eq!(other, None, "{case}");
            assert_eq!(conn.get("/next").text(), "hello /next", "{case}");
        }
    }
}

fn by_length(body: &[u8]) -> String {
    format!("Content-Length: {}", body.len())
}

fn chunked(body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for piece in body.chunks(10_000) {
        bytes.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        bytes.extend_from_slice(piece);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

#[test]
fn a_reply_before_the_body_was_read_is_never_lost() {
    let app = App::new();
    let gateway = start(&app);
    for size in [10, 50_000, 300_000, 3_000_000] {
        let body = pattern(size);
        for (line, status) in ANSWERED {
            let length = by_length(&body);
            assert_answered(gateway.connect(), line, status, &length, &body, "in the clear");
            assert_answered(gateway.connect_tls(), line, status, &length, &body, "over TLS");
        }
    }
}

#[test]
fn chunked_and_large_bodies_are_no_exception() {
    const CHUNKED: &str = "Transfer-Encoding: chunked";
    let app = App::new();
    let gateway = start(&app);
    for (line, status) in ANSWERED {
        let body = chunked(&pattern(400_000));
        assert_answered(gateway.connect(), line, status, CHUNKED, &body, "in chunks");
        assert_answered(gateway.connect_tls(), line, status, CHUNKED, &body, "in chunks over TLS");
    }
    let body = pattern(20_000_000);
    for (line, status) in [ANSWERED[0], ANSWERED[3]] {
        assert_answered(gateway.connect_tls(), line, status, &by_length(&body), &body, "over TLS");
    }
}

#[test]
fn a_small_body_that_nobody_reads_leaves_its_connection_usable() {
    let app = App::new();
    let gateway = start(&app);
    for mut conn in [gateway.connect(), gateway.connect_tls()] {
        for (path, status) in [("/fixed", 200), ("/moved", 308), ("/fixed", 200)] {
            let head =
                format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n");
            let answer = conn.send(head).read();
            assert_eq!((answer.status, answer.header("connection")), (status, None));
            conn.send("0123456789");
        }
        assert_eq!(conn.get("/next").text(), "hello /next");
    }
}

#[test]
fn a_client_that_may_keep_its_body_to_itself_is_told_that_the_connection_ends() {
    let app = App::new();
    let gateway = start(&app);
    let head = "POST /fixed HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n";
    let mut conn = gateway.connect();
    let answer = conn.send(head).read();
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    conn.assert_closed();
}

#[test]
fn a_large_body_that_nobody_reads_ends_its_connection_and_the_reply_says_so() {
    let app = App::new();
    let gateway = start(&app);
    for (framing, ends) in [
        ("Content-Length: 65536", None),
        ("Content-Length: 65537", Some("close")),
        ("Content-Length: 3000000", Some("close")),
        ("Transfer-Encoding: chunked", Some("close")),
    ] {
        let head = format!("POST /fixed HTTP/1.1\r\nHost: localhost\r\n{framing}\r\n\r\n");
        let answer = gateway.connect().send(head).read();
        assert_eq!((answer.status, answer.header("connection")), (200, ends), "{framing}");
    }
}

#[test]
fn a_body_that_stops_coming_ends_its_connection_and_not_the_reply() {
    let app = App::new();
    let gateway = start(&app);
    let mut conn = gateway.connect();
    conn.send("POST /fixed HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nhello");
    assert_eq!(conn.read().text(), "fixed");
    assert!(conn.is_quiet(Duration::from_millis(50)), "the rest is waited for");
    conn.assert_closed();
}

/// Sends a body after the answer to it has come, as a client does that was already on its way.
async fn send_late(gateway: &Gateway, path: &str, status: u16, body: Bytes) {
    let mut h2 = H2::connect(gateway.http()).await;
    let request = h2.request("POST", path).header("content-length", body.len());
    let request = request.body(()).expect("a proper request");
    let (answer, mut sending) = h2.begin(request, false).await.expect("the stream opens");
    assert_eq!(answer.await.expect("an answer comes").status(), status, "{path}");
    let len = body.len();
    send_all(&mut sending, body).await.unwrap_or_else(|error| panic!("{path}: {len}: {error}"));
    assert_eq!(h2.get("/next").await.expect("the connection lives").text(), "hello /next");
    // Neither while it was sent nor when it had come.
    let reset = std::future::poll_fn(|cx| std::task::Poll::Ready(sending.poll_reset(cx))).await;
    assert!(reset.is_pending(), "{path}: {len}: {reset:?}");
}

#[test]
fn over_http2_a_body_that_nobody_reads_is_taken_and_its_stream_not_reset() {
    let app = App::new();
    let gateway = start(&app);
    for size in [6, 60_000, 300_000, 3_000_000] {
        for (path, status) in
            [("/fixed", 200), ("/moved", 308), ("/small", 413), ("/ignore", 200), ("/a%00b", 400)]
        {
            block_on(send_late(&gateway, path, status, Bytes::from(pattern(size))));
        }
    }
}

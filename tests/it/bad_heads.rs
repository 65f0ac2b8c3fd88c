//! Heads that two readers could read differently are refused with a reason, and nothing of them reaches an app.

use ostler_tests::{App, Conn, Gateway, Setup, wait_until};

const BAD: u16 = 400;
const TOO_LARGE: u16 = 431;

type Row = (&'static str, u16, &'static str);

/// Heads that end their connection: nobody can say where the next request would begin.
const REFUSED: &[Row] = &[
    // Lengths.
    (
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        BAD,
        "both Content-Length and Transfer-Encoding",
    ),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        BAD,
        "both Content-Length and Transfer-Encoding",
    ),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
        BAD,
        "more than one Content-Length",
    ),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 30\r\n\r\nabc",
        BAD,
        "more than one Content-Length",
    ),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na", BAD, "malformed Content-Length"),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\na", BAD, "malformed Content-Length"),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1e3\r\n\r\na", BAD, "malformed Content-Length"),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\na", BAD, "malformed Content-Length"),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x10\r\n\r\na",
        BAD,
        "malformed Content-Length",
    ),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\nabc",
        BAD,
        "malformed Content-Length",
    ),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1 2\r\n\r\nabc",
        BAD,
        "malformed Content-Length",
    ),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n",
        BAD,
        "malformed Content-Length",
    ),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551615\r\n\r\n",
        413,
        "request body is too long",
    ),
    // Transfer codings.
    (
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        BAD,
        "Transfer-Encoding other than chunked",
    ),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        BAD,
        "Transfer-Encoding other than chunked",
    ),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n",
        BAD,
        "Transfer-Encoding other than chunked",
    ),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n",
        BAD,
        "Transfer-Encoding other than chunked",
    ),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ,chunked\r\n\r\n",
        BAD,
        "Transfer-Encoding other than chunked",
    ),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n",
        BAD,
        "Transfer-Encoding other than chunked",
    ),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        BAD,
        "more than one Transfer-Encoding",
    ),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        BAD,
        "more than one Transfer-Encoding",
    ),
    (
        "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        BAD,
        "Transfer-Encoding in an HTTP/1.0 request",
    ),
    // Lines.
    ("GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n folded\r\n\r\n", BAD, "folded header line"),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n\tfolded\r\n\r\n", BAD, "folded header line"),
    ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", BAD, "folded header line"),
    ("GET / HTTP/1.1\nHost: a\n\n", BAD, "line ends in a bare LF"),
    ("GET / HTTP/1.1\r\nHost: a\nX: 1\r\n\r\n", BAD, "line ends in a bare LF"),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: 1\n\r\n\r\n", BAD, "line ends in a bare LF"),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", BAD, "bare CR in the request head"),
    ("GET / HTTP/1.1\rX: 1\r\nHost: a\r\n\r\n", BAD, "bare CR in the request head"),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", BAD, "NUL in the request head"),
    ("GET / HTTP/1.1\r\nHost: a\r\nX\0Y: ab\r\n\r\n", BAD, "NUL in the request head"),
    ("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", BAD, "NUL in the request head"),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: a\x01b\r\n\r\n", BAD, "control character in a header value"),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: a\x7fb\r\n\r\n", BAD, "control character in a header value"),
    ("GET / HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n", BAD, "header line without a colon"),
    ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", BAD, "malformed header name"),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 3\r\n\r\nabc", BAD, "malformed header name"),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n",
        BAD,
        "malformed header name",
    ),
    ("GET / HTTP/1.1\r\nHost: a\r\n: empty\r\n\r\n", BAD, "malformed header name"),
    ("GET / HTTP/1.1\r\nHost: a\r\nX Y: 1\r\n\r\n", BAD, "malformed header name"),
    ("GET / HTTP/1.1\r\nHost: a\r\nX(Y): 1\r\n\r\n", BAD, "malformed header name"),
    ("GET / HTTP/1.1\r\nHost: a\r\nÜ: 1\r\n\r\n", BAD, "malformed header name"),
    // Host.
    ("GET / HTTP/1.1\r\n\r\n", BAD, "no Host"),
    ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", BAD, "more than one Host"),
    ("GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n", BAD, "more than one Host"),
    ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", BAD, "malformed Host"),
    ("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", BAD, "malformed Host"),
    ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", BAD, "malformed Host"),
    ("GET / HTTP/1.1\r\nHost: user@a\r\n\r\n", BAD, "malformed Host"),
    ("GET / HTTP/1.1\r\nHost: a:port\r\n\r\n", BAD, "malformed Host"),
    ("GET / HTTP/1.1\r\nHost: a:70000\r\n\r\n", BAD, "malformed Host"),
    ("GET / HTTP/1.1\r\nHost: a:80:80\r\n\r\n", BAD, "malformed Host"),
    ("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", BAD, "malformed Host"),
    ("GET / HTTP/1.1\r\nHost: [nonsense]\r\n\r\n", BAD, "malformed Host"),
    ("GET / HTTP/1.1\r\nHost: a%00b\r\n\r\n", BAD, "malformed Host"),
    ("GET / HTTP/1.1\r\nHost: :80\r\n\r\n", BAD, "malformed Host"),
    // Request lines.
    ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", BAD, "malformed request line"),
    ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", BAD, "malformed request line"),
    (" GET / HTTP/1.1\r\nHost: a\r\n\r\n", BAD, "malformed method"),
    ("GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", BAD, "malformed request line"),
    ("GET / http/1.1\r\nHost: a\r\n\r\n", BAD, "malformed request line"),
    ("GET / HTTP/1.10\r\nHost: a\r\n\r\n", BAD, "malformed request line"),
    ("GET / HTTPS/1.1\r\nHost: a\r\n\r\n", BAD, "malformed request line"),
    ("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", BAD, "malformed request line"),
    ("GET /\r\n\r\n", BAD, "malformed request line"),
    ("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", BAD, "malformed method"),
    (
        "GET /#fragment HTTP/1.1\r\nHost: a\r\n\r\n",
        BAD,
        "forbidden character in the request target",
    ),
    ("GET /\\ HTTP/1.1\r\nHost: a\r\n\r\n", BAD, "forbidden character in the request target"),
    ("GET /ü HTTP/1.1\r\nHost: a\r\n\r\n", BAD, "forbidden character in the request target"),
    (
        "GET path HTTP/1.1\r\nHost: a\r\n\r\n",
        BAD,
        "request target is neither a path nor an http URL",
    ),
    (
        "GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
        BAD,
        "request target is neither a path nor an http URL",
    ),
    (
        "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        BAD,
        "request target is neither a path nor an http URL",
    ),
    ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", BAD, "request target is neither a path nor an http URL"),
    ("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 501, "CONNECT is not supported"),
    ("GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505, "only HTTP/1.1, HTTP/1.0 and HTTP/2 are supported"),
    ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, "only HTTP/1.1, HTTP/1.0 and HTTP/2 are supported"),
    ("GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505, "only HTTP/1.1, HTTP/1.0 and HTTP/2 are supported"),
    ("nonsense\r\n\r\n", BAD, "malformed request line"),
    ("\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", BAD, "malformed request line"),
];

/// Refused without waiting for more: some clients would wait for ever.
const REFUSED_EARLY: &[Row] = &[
    ("GET /\r\n", BAD, "malformed request line"),
    ("\x16\x03\x01\x02\x00\x01\x00\x01\x03", BAD, "malformed method"),
    ("SSH-2.0-OpenSSH_9.2\r\n", BAD, "malformed request line"),
];

fn assert_refused(gateway: &Gateway, mut conn: Conn, (head, status, reason): Row, how: &str) {
    let answer = conn.read();
    let case = format!("{head:?} sent {how}: {answer:?}");
    assert_eq!(answer.status, status, "{case}");
    assert!(answer.text().contains(reason), "{case}");
    assert_eq!(answer.header("ostler-termination"), Some("bad_request"), "{case}");
    assert_eq!(answer.header("connection"), Some("close"), "{case}");
    conn.assert_closed();
    assert_eq!(gateway.get("/fine").status, 200, "the others are served on");
}

fn assert_logged(gateway: &Gateway, rows: &[Row], times: usize) {
    wait_until("every refusal has its log line", || {
        let log = gateway.log();
        let count = |reason| {
            let lines = log.iter().filter(|l| l["termination"] == "bad_request");
            lines.filter(|l| l["detail"] == reason).count()
        };
        rows.iter().all(|(_, _, reason)| {
            count(*reason) == times * rows.iter().filter(|(_, _, r)| r == reason).count()
        })
    });
}

#[test]
fn ambiguous_heads_are_refused_with_their_reason_and_never_reach_the_app() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    for row in REFUSED {
        let mut conn = gateway.connect();
        conn.send(row.0);
        assert_refused(&gateway, conn, *row, "at once");
        let mut conn = gateway.connect();
        row.0.bytes().for_each(|byte| {
            conn.send([byte]);
        });
        assert_refused(&gateway, conn, *row, "byte by byte");
    }
    assert!(app.calls().iter().all(|call| call == "GET /fine"), "{:?}", app.calls());
    assert_logged(&gateway, REFUSED, 2);
    let refused = gateway.metric("ostler_requests_total", &["termination=\"bad_request\""]);
    assert_eq!(refused, 2.0 * REFUSED.len() as f64);
}

#[test]
fn what_can_never_become_a_request_is_refused_before_its_head_is_whole() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    for row in REFUSED_EARLY {
        let mut conn = gateway.connect();
        conn.send(row.0);
        assert_refused(&gateway, conn, *row, "and nothing more");
    }
    assert_logged(&gateway, REFUSED_EARLY, 1);
}

#[test]
fn heads_beyond_a_limit_are_refused_and_heads_at_it_are_served() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let fields = |n: usize| "X: 1\r\n".repeat(n);
    let with = |fields: &str| format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    let target = |len: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "t".repeat(len - 1));
    let long = |bytes: usize| {
        let empty = with("X: \r\n").len() - 4;
        with(&format!("X: {}\r\n", "v".repeat(bytes - empty)))
    };
    let at_limit = [with(&fields(99)), target(8192), long(32 << 10)];
    for head in &at_limit {
        let answer = gateway.connect().send(head).read();
        assert_eq!(answer.status, 200, "{} bytes: {answer:?}", head.len());
    }
    let beyond = [
        (with(&fields(100)), TOO_LARGE, "too many header fields"),
        (long((32 << 10) + 1), TOO_LARGE, "request head is too long"),
        (long(1 << 20), TOO_LARGE, "request head is too long"),
        (target(8193), 414, "request target is too long"),
        (target(1 << 20), 414, "request target is too long"),
        // No end in sight.
        ("x".repeat(1 << 20), 414, "request target is too long"),
    ];
    for (head, status, reason) in beyond {
        let mut conn = gateway.connect();
        let answer = conn.send(&head).read();
        assert_eq!(answer.status, status, "{} bytes: {answer:?}", head.len());
        assert!(answer.text().contains(reason), "{answer:?}");
        conn.assert_closed();
    }
    assert_eq!(app.calls().len(), at_limit.len(), "{:?}", app.calls());
}

#[test]
fn targets_that_no_app_should_see_are_refused_and_leave_the_connection_usable() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let mut conn = gateway.connect();
    for (target, reason) in [
        ("/a%00b", "NUL in the path"),
        ("/%00", "NUL in the path"),
        ("/a/../b", "dot segments in the path"),
        ("/..", "dot segments in the path"),
        ("/a/%2e%2E/b", "dot segments in the path"),
        ("/a/.%2e", "dot segments in the path"),
        ("/a%2f..%2fb", "dot segments in the path"),
        ("http://user@a/", "malformed Host"),
        ("http://user:password@a/", "malformed Host"),
    ] {
        let answer = conn.get(target);
        assert_eq!(answer.status, BAD, "{target}: {answer:?}");
        assert!(answer.text().contains(reason), "{target}: {answer:?}");
        gateway.assert_ended(
            target.trim_start_matches("http://user@a").trim_start_matches("http://user:password@a"),
            "bad_request",
        );
    }
    let two = "Content-Type: text/plain\r\nContent-Type: application/json\r\n";
    let answer = conn.get_with("/typed", two);
    assert_eq!(answer.status, BAD, "{answer:?}");
    assert!(answer.text().contains("more than one Content-Type"), "{answer:?}");
    assert_eq!(conn.get("/fine").status, 200);
    assert_eq!(app.calls(), ["GET /fine"]);
}

#[test]
fn unusual_heads_that_are_right_are_served() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let status = |head: &str| gateway.connect().send(head).read().status;
    assert_eq!(status("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), 200, "an empty line before");
    assert_eq!(status("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), 200, "two of them");
    assert_eq!(status("GET / HTTP/1.1\r\nHost:\r\n\r\n"), 200, "an empty Host");
    assert_eq!(status("GET / HTTP/1.1\r\nhOsT:a:8080  \r\n\r\n"), 200, "blanks around a value");
    assert_eq!(status("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n"), 200, "an IPv6 address");
    assert_eq!(status("GET / HTTP/1.0\r\n\r\n"), 200, "HTTP/1.0 needs no Host");
    assert_eq!(status("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), 200, "asterisk form");
    assert_eq!(status("PURGE /x HTTP/1.1\r\nHost: a\r\n\r\n"), 200, "a method of its own");
    assert_eq!(status("GET /a..b/.../.x HTTP/1.1\r\nHost: a\r\n\r\n"), 200, "dots in names");
    assert_eq!(status("GET /%zz%4 HTTP/1.1\r\nHost: a\r\n\r\n"), 200, "broken escapes stay");
    assert_eq!(status("GET /{a}|b^c'd?e=[f]{g}|h HTTP/1.1\r\nHost: a\r\n\r\n"), 200, "browsers do");
    assert_eq!(
        status("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n"),
        200
    );
    assert!(app.calls().contains(&"OPTIONS *".to_owned()), "{:?}", app.calls());
}

#[test]
fn the_host_of_an_absolute_target_wins_over_the_host_field() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let head = "GET http://shop.example:81/environ?q HTTP/1.1\r\nHost: other.example\r\n\r\n";
    let environ = gateway.connect().send(head).read().json();
    assert_eq!(environ["SERVER_NAME"], "shop.example");
    assert_eq!(environ["SERVER_PORT"], "81");
    assert_eq!(environ["HTTP_HOST"], "shop.example:81");
    assert_eq!(environ["PATH_INFO"], "/environ");
    assert_eq!(environ["QUERY_STRING"], "q");
}

#[test]
fn a_good_request_before_a_bad_one_is_answered_first_and_nothing_after_it_is_read() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let mut conn = gateway.connect();
    conn.send(
        "POST /good HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello\
         GET /bad HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n\
         GET /after HTTP/1.1\r\nHost: a\r\n\r\n",
    );
    assert_eq!(conn.read().text(), "hello /good");
    let refused = conn.read();
    assert_eq!(refused.status, BAD);
    assert!(refused.text().contains("more than one Host"), "{refused:?}");
    conn.assert_closed();
    assert_eq!(app.calls(), ["POST /good"]);
}

#[test]
fn a_head_in_two_pieces_with_a_pause_is_served() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let mut conn = gateway.connect();
    conn.send("GET /slow HTTP/1.1\r\nHo");
    assert_eq!(gateway.get("/other").status, 200);
    assert_eq!(conn.send("st: a\r\n\r\n").read().text(), "hello /slow");
}

#[test]
fn a_head_that_does_not_come_ends_its_connection_at_the_header_timeout() {
    let app = App::new();
    let gateway = Setup::new(&app).more("[limits]\nheader_timeout = \"200ms\"").start();
    let mut silent = gateway.connect();
    let mut half = gateway.connect();
    half.send("GET / HTTP/1.1\r\nHost:");
    silent.assert_closed();
    let refused = half.read();
    assert_eq!(refused.status, 408, "{refused:?}");
    half.assert_closed();
    gateway.assert_ended("/", "bad_request");
    assert_eq!(app.calls(), [""; 0]);
}

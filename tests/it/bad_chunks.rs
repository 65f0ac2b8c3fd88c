//! Chunked bodies are read to the letter: where one ends decides where the next request begins.

use ostler_tests::{App, Setup, sha256};

const HEAD: &str = "POST /hash HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

#[test]
fn malformed_chunks_are_refused_and_never_reach_the_app() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let other = App::new();
    let streamed = Setup::new(&other).route("stream = [\"request\"]").start();
    for body in [
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhello!\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\n\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "five\r\nhello\r\n0\r\n\r\n",
        "\r\nhello\r\n0\r\n\r\n",
        ";x=1\r\nhello\r\n0\r\n\r\n",
        "10000000000000005\r\nhello\r\n0\r\n\r\n",
        "ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        "5\rXhello\r\n0\r\n\r\n",
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
        "5;a\0b\r\nhello\r\n0\r\n\r\n",
        "5;a\rb\r\nhello\r\n0\r\n\r\n",
        "5;a\x01b\r\nhello\r\n0\r\n\r\n",
        "5;a\x7fb\r\nhello\r\n0\r\n\r\n",
        "0\r\nX: a\x1bb\r\n\r\n",
        "0\r\nX: a\nY: b\r\n\r\n",
        "0\r\nno colon\r\n\r\n",
        "0\r\nX\r\n\r\n",
        "0\r\nX : 1\r\n\r\n",
        "0\r\n: 1\r\n\r\n",
        "0\r\nX: 1\r\n folded\r\n\r\n",
        "0\r\n\tX: 1\r\n\r\n",
        "0\r\nX: 1\r\nGET / HTTP/1.1\r\n\r\n",
    ] {
        for gateway in [&gateway, &streamed] {
            let mut conn = gateway.connect();
            let answer = conn.send(HEAD).send(body).read();
            assert_eq!(answer.status, 400, "{body:?}: {answer:?}");
            assert!(answer.text().contains("malformed chunked body"), "{body:?}: {answer:?}");
            assert_eq!(answer.header("ostler-termination"), Some("bad_request"), "{body:?}");
            conn.assert_closed();
        }
    }
    let long = format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(2000));
    assert_eq!(gateway.connect().send(HEAD).send(long).read().status, 400, "a long extension");
    let long = format!("0\r\nX: {}\r\n\r\n", "x".repeat(9000));
    assert_eq!(gateway.connect().send(HEAD).send(long).read().status, 400, "long trailers");
    app.assert_never("/hash");
}

#[test]
fn extensions_and_trailers_are_taken_and_the_next_request_is_found() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let wanted = format!("11 {} 11", sha256(b"hello world"));
    for body in [
        "5;name=value\r\nhello\r\n6;\"quoted\"\r\n world\r\n0\r\n\r\n",
        "5\r\nhello\r\n6\r\n world\r\n0\r\nX-Trailer: 1\r\nContent-Length: 3\r\n\r\n",
        "000b\r\nhello world\r\n0;last\r\n\r\n",
        "B\r\nhello world\r\n000\r\n\r\n",
    ] {
        let mut conn = gateway.connect();
        conn.send(HEAD).send(body).send("GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(conn.read().text(), wanted, "{body:?}");
        assert_eq!(conn.read().text(), "hello /next", "{body:?}");
        let mut conn = gateway.connect();
        conn.send(HEAD);
        body.bytes().for_each(|byte| {
            conn.send([byte]);
        });
        conn.send("GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(conn.read().text(), wanted, "{body:?} byte by byte");
        assert_eq!(conn.read().text(), "hello /next", "{body:?} byte by byte");
    }
}

#[test]
fn trailers_never_become_fields_of_the_environ() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let mut conn = gateway.connect();
    conn.send("POST /environ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    let environ = conn.send("1\r\nx\r\n0\r\nX-Late: 1\r\n\r\n").read().json();
    assert_eq!(environ.get("HTTP_X_LATE"), None);
}

//! HTTP/2: the same strictness as HTTP/1, and a stream that ends gives back what it held.

use bytes::Bytes;
use ostler_tests::{App, Ending, H2, RawH2, Setup, block_on, sha256, wait_until};

const GOOD: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "http"), (":path", "/fine"), (":authority", "a")];

fn with<'a>(extra: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    GOOD.iter().chain(extra).copied().collect()
}

fn but<'a>(name: &str, value: Option<&'a str>) -> Vec<(&'a str, &'a str)> {
    let other = |&(n, v): &(&'static str, &'static str)| -> Option<(&'a str, &'a str)> {
        if n == name { value.map(|value| (n, value)) } else { Some((n, v)) }
    };
    GOOD.iter().filter_map(other).collect()
}

#[test]
fn malformed_heads_end_their_stream_and_never_reach_the_app() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let regular_first = vec![("x", "1"), GOOD[0], GOOD[1], GOOD[2], GOOD[3]];
    let rows = [
        ("no method", but(":method", None)),
        ("no scheme", but(":scheme", None)),
        ("no path", but(":path", None)),
        ("an empty path", but(":path", Some(""))),
        ("a path without a slash", but(":path", Some("fine"))),
        ("a path with a blank", but(":path", Some("/a b"))),
        ("an asterisk that is no OPTIONS", but(":path", Some("*"))),
        ("an encoded NUL in the path", but(":path", Some("/a%00b"))),
        ("dot segments", but(":path", Some("/a/../fine"))),
        ("userinfo", but(":authority", Some("user@a"))),
        ("a malformed authority", but(":authority", Some("a b"))),
        ("two authorities in one", but(":authority", Some("a,b"))),
        ("no authority and no host", but(":authority", None)),
        ("a malformed method", but(":method", Some("G ET"))),
        ("two paths", with(&[(":path", "/other")])),
        ("two methods", with(&[(":method", "POST")])),
        ("an unknown pseudo field", with(&[(":nonsense", "1")])),
        ("a pseudo field of answers", with(&[(":status", "200")])),
        ("pseudo fields after others", regular_first),
        ("an upper case name", with(&[("X-Upper", "1")])),
        ("connection", with(&[("connection", "close")])),
        ("keep-alive", with(&[("keep-alive", "5")])),
        ("transfer-encoding", with(&[("transfer-encoding", "chunked")])),
        ("upgrade", with(&[("upgrade", "websocket")])),
        ("proxy-connection", with(&[("proxy-connection", "close")])),
        ("te with more than trailers", with(&[("te", "gzip")])),
        ("a NUL in a value", with(&[("x", "a\0b")])),
        ("a line end in a value", with(&[("x", "a\r\nb: c")])),
        ("a blank in a name", with(&[("x y", "1")])),
        ("an empty name", with(&[("", "1")])),
        ("another host", with(&[("host", "b")])),
        ("two hosts", with(&[("host", "a"), ("host", "a")])),
        ("two types", with(&[("content-type", "text/plain"), ("content-type", "text/plain")])),
        ("a length without a body", with(&[("content-length", "5")])),
        ("a malformed length", with(&[("content-length", "+5")])),
        ("two lengths", with(&[("content-length", "0"), ("content-length", "5")])),
    ];
    for (what, fields) in rows {
        let mut raw = RawH2::connect(gateway.http());
        raw.headers(1, &fields);
        let ending = raw.ending(1);
        let refused = match ending {
            Ending::Status(status) => (400..500).contains(&status),
            Ending::Reset(_) | Ending::GoAway(_) | Ending::Closed => true,
        };
        assert!(refused, "{what}: {ending:?}");
    }
    assert_eq!(app.calls(), [""; 0]);
    let mut raw = RawH2::connect(gateway.http());
    raw.headers(1, &GOOD);
    assert_eq!(raw.ending(1), Ending::Status(200), "the rows differ from this in one thing");
}

#[test]
fn malformed_trailers_end_their_stream_and_their_request_never_reaches_the_app() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let post = but(":method", Some("POST"));
    let rows: [(&str, &[(&str, &str)]); 9] = [
        ("a path", &[(":path", "/other")]),
        ("a status", &[(":status", "200")]),
        ("a pseudo field before others", &[(":authority", "b"), ("x", "1")]),
        ("a pseudo field after others", &[("x", "1"), (":method", "GET")]),
        ("an unknown pseudo field", &[(":nonsense", "1")]),
        ("connection", &[("connection", "close")]),
        ("transfer-encoding", &[("transfer-encoding", "chunked")]),
        ("te with more than trailers", &[("te", "gzip")]),
        ("an upper case name", &[("X-Upper", "1")]),
    ];
    let mut resets = 0;
    for (what, fields) in rows {
        let mut raw = RawH2::connect(gateway.http());
        raw.open(1, &post);
        raw.data(1, b"body", false);
        raw.headers(1, fields);
        let ending = raw.ending(1);
        assert!(matches!(ending, Ending::Reset(1) | Ending::GoAway(_)), "{what}: {ending:?}");
        if ending == Ending::Reset(1) {
            resets += 1;
            raw.headers(3, &GOOD);
            assert_eq!(raw.ending(3), Ending::Status(200), "{what}: the connection goes on");
        }
    }
    assert!(resets >= 7, "{resets}: an unknown pseudo field and an upper case name end more");
    assert_eq!(app.calls().len(), resets, "{:?}", app.calls());
    let mut raw = RawH2::connect(gateway.http());
    raw.open(1, &post);
    raw.data(1, b"body", false);
    raw.headers(1, &[("x-checksum", "1"), ("te", "trailers")]);
    assert_eq!(raw.ending(1), Ending::Status(200), "the rows differ from this in one thing");
}

#[test]
fn a_host_field_serves_when_there_is_no_authority_or_when_both_agree() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let mut raw = RawH2::connect(gateway.http());
    raw.headers(1, &with(&[("host", "a")]));
    assert_eq!(raw.ending(1), Ending::Status(200));
    let mut only_host = but(":authority", None);
    only_host.push(("host", "a"));
    raw.headers(3, &only_host);
    assert_eq!(raw.ending(3), Ending::Status(200));
}

#[test]
fn a_body_that_differs_from_its_length_never_reaches_the_app() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    for sent in ["abc", "abcdefgh"] {
        let mut raw = RawH2::connect(gateway.http());
        let mut fields = but(":method", Some("POST"));
        fields.push(("content-length", "5"));
        raw.open(1, &fields);
        raw.data(1, sent.as_bytes(), true);
        let ending = raw.ending(1);
        assert!(matches!(ending, Ending::Reset(_) | Ending::Status(400)), "{sent}: {ending:?}");
    }
    app.assert_never("/fine");
}

#[test]
fn heads_beyond_a_limit_are_refused() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let large = "v".repeat(40 << 10);
    let mut raw = RawH2::connect(gateway.http());
    raw.headers(1, &with(&[("x-large", &large)]));
    assert_eq!(raw.ending(1), Ending::Status(431), "a large head");
    let mut raw = RawH2::connect(gateway.http());
    raw.headers(1, &with(&[("x", "1"); 101]));
    assert_eq!(raw.ending(1), Ending::Status(431), "many fields");
    let long = format!("/{}", "t".repeat(8192));
    let mut raw = RawH2::connect(gateway.http());
    raw.headers(1, &but(":path", Some(&long)));
    assert_eq!(raw.ending(1), Ending::Status(414), "a long path");
    assert_eq!(app.calls(), [""; 0]);
}

#[test]
fn cleartext_by_prior_knowledge_and_tls_by_alpn_both_serve() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    block_on(async {
        let mut clear = H2::connect(gateway.http()).await;
        assert_eq!(clear.get("/clear").await.unwrap().text(), "hello /clear");
        let mut tls = H2::connect_tls(gateway.https(), &gateway.state().join("dev.pem")).await;
        let answer = tls.get("/tls").await.unwrap();
        assert_eq!(answer.text(), "hello /tls");
        assert_eq!(answer.header("connection"), None);
    });
    assert_eq!(gateway.logged("/clear")["protocol"], "HTTP/2.0");
    assert_eq!(gateway.logged("/tls")["scheme"], "https");
}

#[test]
fn many_streams_of_one_connection_are_served_side_by_side() {
    let app = App::new();
    let gateway = Setup::new(&app).children(2).start();
    block_on(async {
        let mut h2 = H2::connect(gateway.http()).await;
        let mut answers = Vec::new();
        for number in 0..120 {
            let request = h2.request("GET", &format!("/{number}")).body(()).unwrap();
            answers.push(h2.begin(request, true).await.unwrap().0);
        }
        for (number, answer) in answers.into_iter().enumerate() {
            let mut body = answer.await.unwrap().into_body();
            let text = body.data().await.unwrap().unwrap();
            assert_eq!(text, format!("hello /{number}"));
        }
    });
    assert_eq!(app.calls().len(), 120);
}

#[test]
fn a_reset_stream_gives_back_its_place_in_the_queue_at_once() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let mut holder = gateway.connect();
    holder.send("GET /hold/a HTTP/1.1\r\nHost: a\r\n\r\n");
    app.wait_call("/hold/a");
    let mut raw = RawH2::connect(gateway.http());
    for stream in [1, 3, 5] {
        raw.headers(stream, &GOOD);
    }
    gateway.wait_waiting(3);
    for stream in [1, 3, 5] {
        raw.cancel(stream);
    }
    gateway.wait_waiting(0);
    app.release("a");
    assert_eq!(holder.read().text(), "held a");
    app.assert_never("/fine");
    wait_until("every cancelled stream has its line", || {
        gateway.log().iter().filter(|l| l["termination"] == "gone_waiting").count() == 3
    });
}

#[test]
fn a_flood_of_resets_reaches_no_app_and_the_others_are_served_on() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let mut holder = gateway.connect();
    holder.send("GET /hold/a HTTP/1.1\r\nHost: a\r\n\r\n");
    app.wait_call("/hold/a");
    let mut raw = RawH2::connect(gateway.http());
    for stream in (1..4001).step_by(2) {
        raw.headers(stream, &GOOD);
        raw.cancel(stream);
    }
    let mut good = gateway.connect();
    good.send("GET /good HTTP/1.1\r\nHost: a\r\n\r\n");
    gateway.wait_waiting(1);
    app.release("a");
    assert_eq!(holder.read().text(), "held a");
    assert_eq!(good.read().text(), "hello /good");
    app.assert_never("/fine");
}

#[test]
fn a_lost_connection_gives_back_all_its_places() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let mut holder = gateway.connect();
    holder.send("GET /hold/a HTTP/1.1\r\nHost: a\r\n\r\n");
    app.wait_call("/hold/a");
    let mut raw = RawH2::connect(gateway.http());
    (1..20).step_by(2).for_each(|stream| raw.headers(stream, &GOOD));
    gateway.wait_waiting(10);
    drop(raw);
    gateway.wait_waiting(0);
    app.release("a");
    assert_eq!(holder.read().text(), "held a");
    app.assert_never("/fine");
}

#[test]
fn uploads_and_downloads_larger_than_the_windows_arrive_intact() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let body: Vec<u8> = (0..5_u32 << 20).map(|i| (i ^ i >> 8 ^ i >> 16) as u8).collect();
    block_on(async {
        let mut h2 = H2::connect_tls(gateway.https(), &gateway.state().join("dev.pem")).await;
        let answer = h2.post("/hash", Bytes::from(body.clone())).await.unwrap();
        assert_eq!(answer.text(), format!("{} {} {0}", body.len(), sha256(&body)));
        let answer = h2.get("/big/5000000").await.unwrap();
        assert_eq!(answer.body.len(), 5_000_000);
    });
}

#[test]
fn cookies_in_pieces_become_one_field() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    block_on(async {
        let mut h2 = H2::connect(gateway.http()).await;
        let request = h2.request("GET", "/environ").header("cookie", "a=1").header("cookie", "b=2");
        let (answer, _) = h2.begin(request.body(()).unwrap(), true).await.unwrap();
        let text = answer.await.unwrap().into_body().data().await.unwrap().unwrap();
        let environ: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(environ["HTTP_COOKIE"], "a=1; b=2");
    });
}

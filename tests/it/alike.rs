//! The same request has the same answer, whatever protocol it comes by.

use bytes::Bytes;
use ostler_tests::{App, Ending, Gateway, H2, RawH2, Response, Setup, block_on, wait_until};

/// Answers whose fields have blanks around them, and bodies where there may be none.
const ODD: &str = r#"
def application(env, start_response):
    path = env["PATH_INFO"]
    if path == "/session":
        start_response("200 OK", [("Set-Cookie", " sessionid=1; Path=/"), ("X-Tab", "\ta b \t"), ("Content-Length", "2")])
        return [b"ok"]
    if path == "/twice":
        start_response("200 OK", [("Content-Length", "2"), ("Content-Length", "2")])
        return [b"ok"]
    if path == "/pieces":
        start_response("200 OK", [])
        return iter([b"one", b"two"])
    start_response("200 OK", [("Content-Length", str(len(path)))])
    return [path.encode("latin-1")]
"#;

async fn h2(gateway: &Gateway, tls: bool) -> H2 {
    match tls {
        true => H2::connect_tls(gateway.https(), &gateway.state().join("dev.pem")).await,
        false => H2::connect(gateway.http()).await,
    }
}

/// One request over HTTP/2; the body as far as one comes.
fn ask_h2(
    gateway: &Gateway,
    tls: bool,
    method: &str,
    path: &str,
) -> (u16, http::HeaderMap, Vec<u8>) {
    block_on(async {
        let mut h2 = h2(gateway, tls).await;
        let request = h2.request(method, path).body(()).expect("a request can be made");
        let (answer, _) = h2.begin(request, true).await.expect("the stream opens");
        let (parts, mut body) = answer.await.expect("an answer comes").into_parts();
        let mut bytes = Vec::new();
        while let Some(piece) = body.data().await {
            bytes.extend_from_slice(&piece.unwrap_or_else(|e| panic!("{method} {path}: {e}")));
        }
        (parts.status.as_u16(), parts.headers, bytes)
    })
}

#[test]
fn values_of_an_app_have_no_blanks_around_them() {
    let app = App::of(ODD);
    let gateway = Setup::new(&app).start();
    for tls in [false, true] {
        let (status, headers, body) = ask_h2(&gateway, tls, "GET", "/session");
        assert_eq!((status, &body[..]), (200, &b"ok"[..]));
        assert_eq!(headers["set-cookie"], "sessionid=1; Path=/");
        assert_eq!(headers["x-tab"], "a b");
    }
    let mut conn = gateway.connect();
    conn.send("GET /session HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let raw = String::from_utf8(conn.read_to_end()).unwrap();
    assert!(raw.contains("set-cookie: sessionid=1; Path=/\r\n"), "{raw}");
    assert!(raw.contains("x-tab: a b\r\n"), "{raw}");
}

#[test]
fn an_apps_own_words_for_a_status_are_passed_on_where_there_are_any() {
    let app = App::of(
        "def application(env, start_response):\n\
         \x20   start_response(env['QUERY_STRING'].replace('+', ' '), [('Content-Length', '0')])\n\
         \x20   return [b'']\n",
    );
    let gateway = Setup::new(&app).start();
    for (status, line) in [
        ("200+OK", "HTTP/1.1 200 OK\r\n"),
        ("200+All+is+well", "HTTP/1.1 200 All is well\r\n"),
        ("299+Custom", "HTTP/1.1 299 Custom\r\n"),
        ("599+", "HTTP/1.1 599 \r\n"),
        ("404+Nothing+here", "HTTP/1.1 404 Nothing here\r\n"),
    ] {
        let mut conn = gateway.connect();
        conn.send(format!("GET /?{status} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
        let raw = String::from_utf8(conn.read_to_end()).unwrap();
        assert!(raw.starts_with(line), "{status}: {raw}");
        let (code, ..) = ask_h2(&gateway, false, "GET", &format!("/?{status}"));
        assert_eq!(code.to_string(), status[..3]);
    }
}

#[test]
fn a_length_told_twice_alike_is_a_length() {
    let app = App::of(ODD);
    let gateway = Setup::new(&app).start();
    let answer = gateway.get("/twice");
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
    assert_eq!(answer.headers.iter().filter(|(name, _)| name == "content-length").count(), 1);
    assert_eq!(ask_h2(&gateway, false, "GET", "/twice").2, b"ok");
}

#[test]
fn an_answer_without_a_body_has_none_whoever_makes_it() {
    const ROUTES: &str = "[[route]]\npath = \"/fixed\"\nto = \"respond:200:fixed\"\n\
                          [[route]]\npath = \"/none\"\nto = \"respond:204\"\n\
                          [[route]]\npath = \"/same\"\nto = \"respond:304\"\n\
                          [[route]]\npath = \"/moved\"\nto = \"redirect:https://a.example/\"\n";
    let app = App::new();
    let gateway = Setup::new(&app).more(ROUTES).start();
    let elsewhere = Setup::bare().more(&format!("{ROUTES}host = \"b.example\"\n")).start();
    for (gateway, method, path, status) in [
        (&gateway, "HEAD", "/fixed", 200),
        (&gateway, "HEAD", "/none", 204),
        (&gateway, "GET", "/none", 204),
        (&gateway, "GET", "/same", 304),
        (&gateway, "HEAD", "/moved", 308),
        (&gateway, "HEAD", "/a/%2e%2e/x", 400),
        (&gateway, "HEAD", "/error", 500),
        (&gateway, "HEAD", "/big/100000", 200),
        (&gateway, "GET", "/status/204", 204),
        (&gateway, "GET", "/status/304", 304),
        (&elsewhere, "HEAD", "/moved", 404),
    ] {
        for tls in [false, true] {
            let (told, headers, body) = ask_h2(gateway, tls, method, path);
            assert_eq!((told, body.len()), (status, 0), "{method} {path}");
            assert!(status != 204 || !headers.contains_key("content-length"), "{method} {path}");
        }
        let mut conn = gateway.connect();
        let head =
            format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let raw = conn.send(head).read_to_end();
        assert!(raw.ends_with(b"\r\n\r\n"), "{method} {path}: {:?}", String::from_utf8_lossy(&raw));
    }
    let told = |method: &str| {
        let head = format!("{method} /fixed HTTP/1.1\r\nHost: localhost\r\n\r\n");
        gateway.connect().send(head).read_head().header("content-length").map(str::to_owned)
    };
    assert_eq!(told("HEAD"), told("GET"));
    let mut conn = gateway.connect();
    let raw = conn.send("HEAD / HTTP/1.1\r\nHost: a b\r\n\r\n").read_to_end();
    assert!(
        raw.starts_with(b"HTTP/1.1 400") && raw.ends_with(b"\r\n\r\n"),
        "a head that is refused"
    );
}

const GOOD: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "http"), (":path", "/fine"), (":authority", "a")];

fn raw_status(gateway: &Gateway, change: &[(&str, &str)]) -> Ending {
    let mut fields: Vec<(&str, &str)> = GOOD.to_vec();
    for (name, value) in change {
        match fields.iter_mut().find(|(known, _)| known == name) {
            Some(field) => field.1 = value,
            None => fields.push((name, value)),
        }
    }
    let mut raw = RawH2::connect(gateway.http());
    raw.headers(1, &fields);
    raw.ending(1)
}

#[test]
fn what_http1_refuses_is_refused_in_http2() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let long = "M".repeat(64);
    for change in [
        (":path", "/a\\b"),
        (":path", "/caf\u{e9}"),
        (":path", "/a\"b<c"),
        (":method", long.as_str()),
        (":scheme", "javascript"),
        (":authority", ":80"),
        ("x-a", " padded"),
        ("x-a", "padded\t"),
    ] {
        let ending = raw_status(&gateway, &[change]);
        assert!(matches!(ending, Ending::Status(400) | Ending::Reset(_)), "{change:?}: {ending:?}");
    }
    assert_eq!(raw_status(&gateway, &[(":scheme", "https")]), Ending::Status(200));
    assert_eq!(app.calls(), ["GET /fine"]);
    let status = |target: &str| {
        let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        gateway.connect().send(head).read().status
    };
    assert_eq!(status("HTTP://shop.example/x"), 200, "schemes have no case");
    assert_eq!(status("/a\\b"), 400);
}

#[test]
fn a_cookie_in_many_pieces_is_one_field() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let crumbs: Vec<String> = (0..180).map(|n| format!("cookie{n}=value")).collect();
    let mut fields: Vec<(&str, &str)> = GOOD.to_vec();
    fields.extend(crumbs.iter().map(|crumb| ("cookie", crumb.as_str())));
    let mut raw = RawH2::connect(gateway.http());
    raw.headers(1, &fields);
    assert_eq!(raw.ending(1), Ending::Status(200));
    fields.extend([("x-field", "1"); 100]);
    let mut raw = RawH2::connect(gateway.http());
    raw.headers(1, &fields);
    assert_eq!(raw.ending(1), Ending::Status(431), "other fields are counted as ever");
}

#[test]
fn every_head_that_is_too_large_is_logged_and_counted() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let large = "v".repeat(33 << 10);
    assert_eq!(raw_status(&gateway, &[("x-large", &large)]), Ending::Status(431));
    let http1 = gateway.connect().get_with("/large", &format!("X-Large: {large}\r\n"));
    assert_eq!(http1.status, 431);
    let refused = |line: &serde_json::Value| {
        line["status"] == 431 && line["termination"] == "bad_request" && !line["id"].is_null()
    };
    wait_until("both are logged", || gateway.log().iter().filter(|l| refused(l)).count() == 2);
    assert_eq!(gateway.metric("ostler_requests_total", &["termination=\"bad_request\""]), 2.0);
}

#[test]
fn the_limit_of_a_head_is_what_the_config_says() {
    let app = App::new();
    let more = "[limits]\nheader_bytes = \"1MiB\"\ntarget_bytes = \"32KiB\"";
    let gateway = Setup::new(&app).more(more).start();
    for size in [100_000, 200_000, 900_000] {
        let large = "v".repeat(size);
        let answer = gateway.connect().get_with("/large", &format!("X-Large: {large}\r\n"));
        assert_eq!(answer.status, 200, "{size}: {answer:?}");
        assert_eq!(raw_status(&gateway, &[("x-large", &large)]), Ending::Status(200), "{size}");
    }
    let larger = format!("X-Large: {}\r\n", "v".repeat((1 << 20) + 1));
    let refused = gateway.connect().get_with("/larger", &larger);
    assert_eq!((refused.status, refused.header("ostler-termination")), (431, Some("bad_request")));
    let target = format!("/{}", "t".repeat(30_000));
    assert_eq!(gateway.get(&target).status, 200);
    assert_eq!(raw_status(&gateway, &[(":path", &target)]), Ending::Status(200));
    assert_eq!(gateway.get(&format!("{target}{target}")).status, 414);
}

#[test]
fn an_old_client_that_keeps_its_connection_learns_when_it_cannot() {
    let app = App::of(ODD);
    let gateway = Setup::new(&app).start();
    let ask = |path: &str| {
        let mut conn = gateway.connect();
        let head = format!("GET {path} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        let answer: Response = conn.send(head).read();
        (answer.header("connection").map(str::to_owned), answer.text(), conn)
    };
    let (connection, text, mut conn) = ask("/pieces");
    assert_eq!((connection.as_deref(), text.as_str()), (Some("close"), "onetwo"));
    conn.assert_closed();
    let head = "POST /a%00b HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 100000\r\n\r\n";
    assert_eq!(gateway.connect().send(head).read().header("connection"), Some("close"));
    let (connection, _, mut conn) = ask("/known");
    assert_eq!(connection.as_deref(), Some("keep-alive"));
    assert_eq!(conn.get("/again").text(), "/again");
}

#[test]
fn a_host_with_a_dot_at_its_end_is_the_same_host() {
    const ROUTES: &str = "[[route]]\nhost = \"only.example\"\nto = \"respond:200:only\"\n\
                          [[route]]\nhost = \"*.below.example\"\nto = \"respond:200:below\"\n\
                          [[route]]\npath = \"/\"\nto = \"respond:200:any\"\n\
                          [[route]]\npath = \"/to\"\nto = \"redirect:https://$host$uri\"\n";
    let gateway = Setup::bare().more(ROUTES).start();
    let ask = |host: &str, path: &str| {
        let head = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        gateway.connect().send(head).read()
    };
    for (host, text) in [
        ("only.example", "only"),
        ("only.example.", "only"),
        ("ONLY.example.:8080", "only"),
        ("a.below.example.", "below"),
        ("below.example.", "any"),
        ("only.example..", "any"),
    ] {
        assert_eq!(ask(host, "/").text(), text, "{host}");
    }
    assert_eq!(ask("a.example", "/to/x?y").header("location"), Some("https://a.example/to/x?y"));
    for head in ["GET /to/x HTTP/1.0\r\n\r\n", "GET /to/x HTTP/1.1\r\nHost:\r\n\r\n"] {
        let answer = gateway.connect().send(head).read();
        assert_eq!((answer.status, answer.header("location")), (400, None), "{head:?}");
    }
}

#[test]
fn no_spelling_of_a_path_passes_by_its_route() {
    const ROUTES: &str = "[[route]]\npath = \"/admin\"\nto = \"respond:403\"\n";
    let app = App::of(ODD);
    let gateway = Setup::new(&app).more(ROUTES).start();
    for path in [
        "/admin",
        "/admin/",
        "/admin//",
        "//admin",
        "///admin",
        "/./admin",
        "/.//admin/x",
        "/%2e/admin",
        "/%61dmin",
        "/%2fadmin",
        "/.%2fadmin",
        "/%2E%2Fadmin",
        "/admin/.",
        "/admin?x",
    ] {
        assert_eq!(gateway.get(path).status, 403, "{path}");
        assert_eq!(ask_h2(&gateway, false, "GET", path).0, 403, "{path} over HTTP/2");
    }
    // The app gets the path as it was sent, with its escapes resolved.
    for (path, seen) in
        [("//x/./y", "//x/./y"), ("/%2e/x", "/./x"), ("/administrator", "/administrator")]
    {
        assert_eq!(gateway.get(path).text(), seen);
        assert_eq!(ask_h2(&gateway, true, "GET", path).2, seen.as_bytes());
    }
}

#[test]
fn a_head_that_is_refused_is_logged_as_it_came() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let head = "PUT /where?x=1 HTTP/1.1\r\nHost: shop.example\r\nX : 1\r\n\r\n";
    assert_eq!(gateway.connect().send(head).read().status, 400);
    let line = gateway.assert_ended("/where?x=1", "bad_request");
    assert_eq!((&line["method"], &line["host"]), (&"PUT".into(), &"shop.example".into()), "{line}");
    let shy = Setup::new(&app).more("[log]\nformat = \"combined\"").start();
    shy.connect().send("G\x1bT\"x\" /forged\x07 HTTP/1.1\r\nHost: a\r\n\r\n").read();
    wait_until("the line is there", || shy.stdout().contains("forged"));
    let stdout = shy.stdout();
    let line = stdout.lines().find(|line| line.contains("forged")).unwrap();
    assert!(
        !line.contains('\x1b') && !line.contains('\x07') && line.contains("G\\u{1b}T"),
        "{line}"
    );
}

#[test]
fn connection_may_name_few_fields_and_is_read_once() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let fields: String = (0..90).map(|n| format!("x{n}: 1\r\n")).collect();
    let with = |names: &str| {
        let lines = format!("Connection: {names}\r\n{fields}");
        gateway.connect().get_with("/environ", &lines)
    };
    let environ = with("keep-alive, x1, x89").json();
    assert_eq!((environ.get("HTTP_X1"), environ.get("HTTP_X89")), (None, None));
    assert_eq!(environ["HTTP_X2"], "1");
    for commas in [40, 1000, 31_000 - fields.len()] {
        let refused = with(&",".repeat(commas));
        assert_eq!(refused.status, 400, "{refused:?}");
        assert!(refused.text().contains("Connection names too many fields"), "{refused:?}");
    }
}

#[test]
fn a_body_that_trickles_ends_with_the_time_of_the_whole_request() {
    let app = App::new();
    for route in ["", "stream = [\"request\"]\n"] {
        let route = format!("{route}timeouts = {{ total = \"300ms\", body = \"10s\" }}");
        let gateway = Setup::new(&app).route(&route).start();
        let mut conn = gateway.connect();
        conn.send("POST /hash?h1 HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello");
        let answer = conn.read();
        assert!(matches!(answer.status, 408 | 504), "{answer:?}");
        conn.assert_closed();
        let status = block_on(async {
            let mut h2 = H2::connect(gateway.http()).await;
            let request = h2.request("POST", "/hash?h2").body(()).unwrap();
            let (answer, mut sending) = h2.begin(request, false).await.unwrap();
            sending.send_data(Bytes::from_static(b"hello"), false).unwrap();
            answer.await.unwrap().status().as_u16()
        });
        assert!(matches!(status, 408 | 504), "{status}");
        for target in ["/hash?h1", "/hash?h2"] {
            let line = gateway.logged(target);
            assert!(line["total_us"].as_u64().unwrap() < 5_000_000, "{line}");
        }
    }
}

#[test]
fn http_on_the_tls_port_is_told_so() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let mut conn = ostler_tests::Conn::open(gateway.https());
    let answer = conn.get("/x");
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("use https"), "{answer:?}");
    conn.assert_closed();
    assert_eq!(gateway.connect_tls().get("/x").status, 200);
}

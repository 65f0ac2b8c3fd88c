//! What an app learns of a request, and what it must never believe.

use ostler_tests::{App, H2, Setup, block_on};

#[test]
fn the_environ_says_who_asks_whom_for_what() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let mut conn = gateway.connect();
    let port = conn.local_address().port().to_string();
    let environ = conn.get("/environ/caf%C3%A9%2Fx%20y?a=%20b&c=%C3%A9").json();
    assert_eq!(environ["REQUEST_METHOD"], "GET");
    assert_eq!(environ["SCRIPT_NAME"], "");
    // WSGI strings hold bytes as Latin-1 (PEP 3333).
    assert_eq!(environ["PATH_INFO"], "/environ/caf\u{c3}\u{a9}/x y");
    assert_eq!(environ["QUERY_STRING"], "a=%20b&c=%C3%A9");
    assert_eq!(environ["REQUEST_URI"], "/environ/caf%C3%A9%2Fx%20y?a=%20b&c=%C3%A9");
    assert_eq!(environ["SERVER_PROTOCOL"], "HTTP/1.1");
    assert_eq!(environ["SERVER_NAME"], "localhost");
    assert_eq!(environ["SERVER_PORT"], "80");
    assert_eq!(environ["HTTP_HOST"], "localhost");
    assert_eq!(environ["REMOTE_ADDR"], "127.0.0.1");
    assert_eq!(environ["REMOTE_PORT"], *port);
    assert_eq!(environ["wsgi.url_scheme"], "http");
    for absent in ["CONTENT_LENGTH", "CONTENT_TYPE"] {
        assert!(environ[absent].as_str().unwrap_or("").is_empty(), "{absent}: {environ}");
    }
}

#[test]
fn scheme_and_port_follow_the_door_and_the_host() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let environ = gateway.connect_tls().get("/environ").json();
    assert_eq!(environ["wsgi.url_scheme"], "https");
    assert_eq!(environ["SERVER_PORT"], "443");
    assert_eq!(environ["HTTP_X_FORWARDED_PROTO"], "https");
    let with_port = "GET /environ HTTP/1.1\r\nHost: Shop.Example:8443\r\n\r\n";
    let environ = gateway.connect_tls().send(with_port).read().json();
    assert_eq!(environ["SERVER_NAME"], "shop.example");
    assert_eq!(environ["SERVER_PORT"], "8443");
    assert_eq!(environ["HTTP_HOST"], "Shop.Example:8443");
    let without = gateway.connect().send("GET /environ HTTP/1.0\r\n\r\n").read().json();
    assert_eq!(without["SERVER_PROTOCOL"], "HTTP/1.0");
    assert_eq!(without["SERVER_NAME"], "127.0.0.1");
    assert_eq!(without["SERVER_PORT"], gateway.http().port().to_string());
}

#[test]
fn http2_gives_the_same_environ() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let environ = block_on(async {
        let mut h2 = H2::connect_tls(gateway.https(), &gateway.state().join("dev.pem")).await;
        h2.get("/environ/x%2Fy?q=1").await.unwrap().json()
    });
    assert_eq!(environ["SERVER_PROTOCOL"], "HTTP/2.0");
    assert_eq!(environ["HTTP_HOST"], "localhost");
    assert_eq!(environ["SERVER_NAME"], "localhost");
    assert_eq!(environ["wsgi.url_scheme"], "https");
    assert_eq!(environ["PATH_INFO"], "/environ/x/y");
    assert_eq!(environ["QUERY_STRING"], "q=1");
    assert_eq!(environ["REQUEST_URI"], "/environ/x%2Fy?q=1");
}

#[test]
fn fields_of_one_name_are_joined_and_cookies_with_semicolons() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let lines = "X-Many: a\r\nCookie: a=1\r\nX-Many: b, c\r\nCookie: b=2\r\nx-many:d\r\n";
    let environ = gateway.connect().get_with("/environ", lines).json();
    assert_eq!(environ["HTTP_X_MANY"], "a,b, c,d");
    assert_eq!(environ["HTTP_COOKIE"], "a=1; b=2");
}

#[test]
fn header_bytes_beyond_ascii_arrive_as_latin_1() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let environ = gateway.connect().get_with("/environ", "X-Name: café\r\n").json();
    assert_eq!(environ["HTTP_X_NAME"], "caf\u{c3}\u{a9}");
}

#[test]
fn fields_that_could_be_mistaken_or_belong_to_the_hop_are_dropped() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let lines = "X_Under_Score: 1\r\nX-Remote_User: admin\r\nProxy: http://evil\r\n\
                 Connection: keep-alive, X-Secret , te\r\nX-Secret: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\n\
                 Trailer: X\r\nUpgrade: websocket\r\nProxy-Connection: keep-alive\r\nX-Kept: yes\r\n";
    let environ = gateway.connect().get_with("/environ", lines).json();
    for name in [
        "X_UNDER_SCORE",
        "X_REMOTE_USER",
        "PROXY",
        "CONNECTION",
        "X_SECRET",
        "KEEP_ALIVE",
        "TE",
        "TRAILER",
        "UPGRADE",
        "PROXY_CONNECTION",
    ] {
        assert_eq!(environ.get(format!("HTTP_{name}")), None, "{name} reached the app");
    }
    assert_eq!(environ["HTTP_X_KEPT"], "yes");
}

#[test]
fn the_length_is_told_even_when_the_client_sent_chunks() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let chunked = gateway.connect().post_chunked("/environ", b"hello world", 4).json();
    assert_eq!(chunked["CONTENT_LENGTH"], "11");
    assert_eq!(chunked.get("HTTP_TRANSFER_ENCODING"), None);
    assert_eq!(chunked.get("HTTP_CONTENT_LENGTH"), None);
    let told = gateway.connect().post("/environ", b"").json();
    assert_eq!(told["CONTENT_LENGTH"], "0");
    let typed =
        "POST /environ HTTP/1.1\r\nHost: a\r\nContent-Type: text/x\r\nContent-Length: 1\r\n\r\nx";
    let typed = gateway.connect().send(typed).read().json();
    assert_eq!(typed["CONTENT_TYPE"], "text/x");
    assert_eq!(typed.get("HTTP_CONTENT_TYPE"), None);
}

#[test]
fn a_request_id_is_passed_on_or_made_and_is_the_same_everywhere() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let made = gateway.connect().get("/environ?made");
    let id = made.header("x-request-id").unwrap().to_owned();
    assert_eq!(id.len(), 32);
    assert_eq!(made.json()["HTTP_X_REQUEST_ID"], *id);
    assert_eq!(made.json()["ostler.request_id"], *id);
    assert_eq!(gateway.logged("/environ?made")["id"], *id);

    let made_up = gateway.connect().get_with("/environ?made-up", "X-Request-Id: abc-123\r\n");
    assert_eq!(made_up.json()["HTTP_X_REQUEST_ID"].as_str().unwrap().len(), 32, "made anew");
    assert_ne!(gateway.logged("/environ?made-up")["id"], "abc-123", "a client has no say");

    let proxies = "[gateway]\ntrusted_proxies = [\"127.0.0.1\"]";
    let gateway = Setup::new(&app).more(proxies).start();
    let given = gateway.connect().get_with("/environ?given", "X-Request-Id: abc-123\r\n");
    assert_eq!(given.json()["HTTP_X_REQUEST_ID"], "abc-123");
    assert_eq!(given.header("x-request-id"), Some("abc-123"));
    assert_eq!(gateway.logged("/environ?given")["id"], "abc-123");

    let unfit = gateway.connect().get_with("/environ", "X-Request-Id: a b\"c\r\n");
    assert_eq!(unfit.json()["HTTP_X_REQUEST_ID"].as_str().unwrap().len(), 32, "made anew");
}

#[test]
fn the_app_learns_when_the_request_came_whatever_the_client_says() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let micros =
        || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros();
    let before = micros();
    let environ = gateway.connect().get_with("/environ", "X-Request-Start: t=1\r\n").json();
    let start = environ["HTTP_X_REQUEST_START"].as_str().unwrap();
    let start: u128 = start.strip_prefix("t=").unwrap().parse().unwrap();
    assert!((before..=micros()).contains(&start), "{start}");
}

const TOLD: &str = "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.example\r\n\
                    Forwarded: for=198.51.100.7;proto=https;host=evil.example\r\n";

#[test]
fn a_client_that_is_no_listed_proxy_is_not_believed() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let environ = gateway.connect().get_with("/environ", TOLD).json();
    assert_eq!(environ["REMOTE_ADDR"], "127.0.0.1");
    assert_eq!(environ["wsgi.url_scheme"], "http");
    assert_eq!(environ["SERVER_NAME"], "localhost");
    assert_eq!(environ["HTTP_X_FORWARDED_FOR"], "127.0.0.1");
    assert_eq!(environ["HTTP_X_FORWARDED_PROTO"], "http");
    assert_eq!(environ.get("HTTP_X_FORWARDED_HOST"), None);
    assert_eq!(environ.get("HTTP_FORWARDED"), None);
    assert_eq!(gateway.logged("/environ")["client"], "127.0.0.1");
}

#[test]
fn a_listed_proxy_is_believed_up_to_the_first_address_that_is_not_listed() {
    let app = App::new();
    let proxies = "[gateway]\ntrusted_proxies = [\"127.0.0.0/8\", \"10.0.0.0/8\"]";
    let gateway = Setup::new(&app).more(proxies).start();
    let environ = |lines: &str| gateway.connect().get_with("/environ", lines).json();
    let x = environ(
        "X-Forwarded-For: 1.2.3.4, 203.0.113.9, 10.1.1.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.example\r\n",
    );
    assert_eq!(x["REMOTE_ADDR"], "203.0.113.9");
    assert_eq!(x["wsgi.url_scheme"], "https");
    assert_eq!(x["SERVER_NAME"], "shop.example");
    assert_eq!(x["SERVER_PORT"], "443");
    assert_eq!(x["HTTP_X_FORWARDED_FOR"], "1.2.3.4, 203.0.113.9, 10.1.1.1, 127.0.0.1");
    let rfc = environ(
        "Forwarded: for=1.2.3.4, for=\"[2001:db8::1]:5\";proto=https;host=shop.example\r\n",
    );
    assert_eq!(rfc["REMOTE_ADDR"], "2001:db8::1");
    assert_eq!(rfc["wsgi.url_scheme"], "https");
    let nothing = environ("");
    assert_eq!(nothing["REMOTE_ADDR"], "127.0.0.1");
    assert_eq!(nothing["wsgi.url_scheme"], "http");
}

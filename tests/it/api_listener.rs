//! The API's listener: as strict as that of the web, and deaf to names that are not its own.

use std::{fs, os::unix::fs::PermissionsExt as _};

use ostler_tests::{Api, App, Conn, Response, Setup, wait_until};
use serde_json::json;

fn ask(door: std::net::SocketAddr, head: &str) -> Response {
    Conn::open(door).send(head).read()
}

#[test]
fn a_loopback_listener_answers_to_names_that_nobody_else_can_make() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let status = |host: &str, path: &str| {
        let answer =
            ask(gateway.api_address(), &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        if answer.status == 421 {
            assert_eq!(answer.header("content-type"), Some("application/problem+json"));
            assert!(answer.text().contains("listen.api_hosts"), "{}", answer.text());
        }
        answer.status
    };
    for path in ["/metrics", "/healthz", "/v1/openapi.json"] {
        for host in
            ["localhost", "localhost:2691", "a.localhost", "127.0.0.1:1", "[::1]", "LOCALHOST."]
        {
            assert_eq!(status(host, path), 200, "{host} {path}");
        }
        for host in [
            "evil.example",
            "evil.example:2691",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
        ] {
            assert_eq!(status(host, path), 421, "{host} {path}");
        }
    }
    assert_eq!(status("evil.example", "/v1/jobs"), 421, "whatever token there is");
    let absolute = "GET http://evil.example/metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_eq!(
        ask(gateway.api_address(), absolute).status,
        421,
        "the target's host is what counts"
    );
    assert_eq!(ask(gateway.api_address(), "GET /healthz HTTP/1.0\r\n\r\n").status, 200);
}

#[test]
fn a_name_can_be_given_to_the_listener() {
    let app = App::new();
    let setup = Setup::new(&app).listen_keys("api_hosts = [\"ostler.example\"]");
    let gateway = setup.start();
    let status = |host: &str| {
        ask(gateway.api_address(), &format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\n\r\n")).status
    };
    assert_eq!(status("Ostler.Example:2691"), 200);
    assert_eq!(status("ostler.example."), 200);
    assert_eq!(status("other.example"), 421);
}

#[test]
fn heads_that_two_readers_read_differently_are_refused() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    for (head, status) in [
        (
            "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: deflate, chunked\r\n\r\n",
            400,
        ),
        (
            "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
            400,
        ),
        ("GET /healthz HTTP/1.1\nHost: localhost\n\n", 400),
        ("GET /healthz HTTP/1.1\r\nHost: [::1]x\r\n\r\n", 400),
        ("GET /healthz HTTP/1.1\r\nHost: :80\r\n\r\n", 400),
        ("GET /healthz HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        ("CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n", 501),
        (
            "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 18446744073709551615\r\n\r\n",
            413,
        ),
    ] {
        let mut conn = Conn::open(gateway.api_address());
        let answer = conn.send(head).read();
        assert_eq!(answer.status, status, "{head:?}: {answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{head:?}");
        assert_eq!(answer.json()["status"], status, "{head:?}");
        assert_eq!(answer.header("connection"), Some("close"), "{head:?}");
        conn.assert_closed();
    }
    let mut conn = Conn::open(gateway.api_address());
    let answer = conn
        .send("POST /v1/payloads HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0000000000000001\r\n")
        .read();
    assert!(matches!(answer.status, 400 | 401), "{answer:?}");
}

#[test]
fn long_text_is_compressed_for_whoever_takes_it() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let encoding = |path: &str, lines: &str| {
        let answer = Conn::open(gateway.api_address()).get_with(path, lines);
        assert_eq!(answer.status, 200, "{path}");
        (answer.header("content-encoding").map(str::to_owned), answer.body)
    };
    const GZIP: &str = "Accept-Encoding: gzip, br\r\n";
    for path in ["/v1/openapi.json", "/metrics"] {
        let (none, plain) = encoding(path, "");
        assert_eq!(none, None);
        let (gzip, packed) = encoding(path, GZIP);
        assert_eq!(gzip.as_deref(), Some("gzip"), "{path}");
        assert!(packed.starts_with(&[0x1f, 0x8b]) && packed.len() * 3 < plain.len(), "{path}");
    }
    assert_eq!(encoding("/healthz", GZIP).0, None, "short");
}

#[test]
fn a_request_id_is_the_gateways_own() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let answer =
        Conn::open(gateway.api_address()).get_with("/v1/nothing", "X-Request-Id: made-up\r\n");
    assert_ne!(answer.header("x-request-id"), Some("made-up"));
    assert_eq!(answer.json()["request_id"], answer.header("x-request-id").unwrap());
}

#[test]
fn a_refusal_before_an_upload_was_read_is_heard() {
    let app = App::new();
    let route = "[[route]]\npath = \"/ostler\"\nto = \"api\"\n";
    let gateway = Setup::new(&app).more(route).start();
    for size in [10, 300_000, 5_000_000] {
        let body = crate::bodies::pattern(size);
        for (mut conn, prefix) in
            [(Conn::open(gateway.api_address()), ""), (gateway.connect_tls(), "/ostler")]
        {
            let head = format!(
                "POST {prefix}/v1/payloads HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n"
            );
            conn.try_send(head).unwrap();
            for piece in body.chunks(50_000) {
                conn.try_send(piece).unwrap_or_else(|error| panic!("{size} {prefix}: {error}"));
            }
            let answer = conn.read();
            assert_eq!((answer.status, answer.whole), (401, true), "{size} {prefix}: {answer:?}");
            match answer.header("connection") {
                Some("close") => conn.assert_closed(),
                _ => assert_eq!(conn.get(&format!("{prefix}/v1/openapi.json")).version, "HTTP/1.1"),
            }
        }
    }
}

#[test]
fn the_public_listener_serves_the_api_over_tls_only() {
    let setup =
        Setup::bare().args(&["--no-app"]).more("[[route]]\npath = \"/ostler\"\nto = \"api\"\n");
    let gateway = setup.start();
    let token = fs::read_to_string(gateway.state().join("api.token")).unwrap();
    let line = format!("Authorization: Bearer {}\r\n", token.trim());
    let answer = gateway.connect_tls().get_with("/ostler/v1/status", &line);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(gateway.connect_tls().get("/ostler/v1/status").status, 401);
    assert_eq!(gateway.connect().get_with("/ostler/v1/status", &line).status, 403);
}

#[test]
fn a_token_opens_only_what_its_scope_says() {
    let gateway = Setup::bare().args(&["--no-app"]).start();
    let api = Api::of(&gateway);
    let made =
        api.post("/v1/tokens", &json!({ "name": "reader", "scopes": ["read"], "tenant": "acme" }));
    assert_eq!(made.status, 201, "{}", made.text());
    let reader = api.with_token(made.json()["token"].as_str().unwrap());
    assert_eq!(reader.get("/v1/jobs").status, 200);
    assert_eq!(reader.post("/v1/jobs", &json!({ "command": "true" })).status, 403);
    let id = api.run("true");
    assert_eq!(reader.get(&format!("/v1/jobs/{id}")).status, 404, "another tenant's");
    let store = gateway.state().join("jobs.db");
    assert_eq!(fs::metadata(&store).unwrap().permissions().mode() & 0o777, 0o600);
    let kept = fs::read(store).unwrap();
    let text = made.json()["token"].as_str().unwrap().to_owned();
    assert!(!kept.windows(text.len()).any(|window| window == text.as_bytes()));
    assert_eq!(api.request("DELETE", "/v1/tokens/reader", "", &[]).status, 204);
    assert_eq!(reader.get("/v1/jobs").status, 401);
    assert_eq!(Conn::open(gateway.api_address()).get("/v1/jobs").status, 401);
}

#[test]
fn elsewhere_than_on_loopback_everything_takes_a_token_and_metrics_one_of_all_tenants() {
    let gateway = Setup::bare().args(&["--no-app", "--api", "0.0.0.0:0"]).early().start();
    let api = Api::of(&gateway);
    wait_until("the gateway is ready", || api.get("/readyz").status == 200);
    let token = |body| {
        let made = api.post("/v1/tokens", &body);
        assert_eq!(made.status, 201, "{}", made.text());
        api.with_token(made.json()["token"].as_str().unwrap())
    };
    let all = token(json!({ "name": "all", "scopes": ["read"] }));
    let acme = token(json!({ "name": "acme", "scopes": ["read"], "tenant": "acme" }));
    let submits = token(json!({ "name": "submits", "scopes": ["submit"] }));
    for path in ["/metrics", "/healthz", "/readyz/jobs", "/v1/openapi.json"] {
        assert_eq!(Conn::open(gateway.api_address()).get(path).status, 401, "{path}");
        assert_eq!(all.get(path).status, 200, "{path}");
        assert_eq!(submits.get(path).status, 403, "{path}");
        let expected = if path == "/metrics" { 403 } else { 200 };
        assert_eq!(acme.get(path).status, expected, "{path}: it names every tenant");
    }
}

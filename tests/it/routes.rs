//! Which request goes where.

use ostler_tests::{App, Conn, Gateway, Response, Setup};

fn ask(gateway: &Gateway, host: &str, path: &str) -> Response {
    let head = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    gateway.connect().send(head).read()
}

fn section(name: &str, app: &App) -> String {
    format!(
        "[app.{name}]\nserve = \"wsgi:wsgi:application\"\nroot = {:?}\nchildren = 1\n",
        app.root()
    )
}

/// An app that says only its name.
fn named(name: &str) -> App {
    App::of(&format!(
        "def application(env, start_response):\n\
         \x20   start_response('200 OK', [])\n\
         \x20   return [b'{name} ', env['PATH_INFO'].encode('latin-1')]\n"
    ))
}

fn respond(host: &str, path: &str, text: &str) -> String {
    let host = if host.is_empty() { String::new() } else { format!("host = \"{host}\"\n") };
    format!("[[route]]\n{host}path = \"{path}\"\nto = \"respond:200:{text}\"\n")
}

#[test]
fn the_most_specific_host_wins_and_then_the_longest_path() {
    let routes = [
        ("", "/", "any"),
        ("", "/shop", "any shop"),
        ("*.example", "/", "below example"),
        ("*.shop.example", "/", "below shop"),
        ("eu.shop.example", "/", "eu"),
        ("eu.shop.example", "/a", "eu a"),
        ("eu.shop.example", "/a/b", "eu a b"),
    ];
    let config: String =
        routes.iter().map(|(host, path, text)| respond(host, path, text)).collect();
    let gateway = Setup::bare().more(&config).start();
    for (host, path, wanted) in [
        ("eu.shop.example", "/", "eu"),
        ("EU.Shop.Example:8443", "/", "eu"),
        ("eu.shop.example", "/a", "eu a"),
        ("eu.shop.example", "/a/", "eu a"),
        ("eu.shop.example", "/a/c", "eu a"),
        ("eu.shop.example", "/ab", "eu"),
        ("eu.shop.example", "/a/b", "eu a b"),
        ("eu.shop.example", "/a/b?x=/c", "eu a b"),
        ("eu.shop.example", "/a/bc", "eu a"),
        ("eu.shop.example", "/%61/b", "eu a b"),
        ("us.shop.example", "/", "below shop"),
        ("us.shop.example", "/a", "below shop"),
        ("x.y.shop.example", "/", "below shop"),
        ("shop.example", "/", "below example"),
        ("myshop.example", "/", "below example"),
        ("example", "/", "any"),
        ("example", "/shop", "any shop"),
        ("example", "/shop/x", "any shop"),
        ("example", "/shopping", "any"),
        ("", "/shop", "any shop"),
    ] {
        assert_eq!(ask(&gateway, host, path).text(), wanted, "{host} {path}");
    }
}

#[test]
fn what_no_route_takes_is_not_found() {
    let gateway = Setup::bare().more(&respond("shop.example", "/a", "a")).start();
    for (host, path) in [("shop.example", "/b"), ("shop.example", "/ab"), ("other.example", "/a")] {
        let answer = ask(&gateway, host, path);
        assert_eq!(answer.status, 404, "{host} {path}");
        assert_eq!(answer.header("ostler-termination"), Some("no_route"));
    }
    assert_eq!(ask(&gateway, "shop.example", "/a").text(), "a");
    gateway.assert_ended("/ab", "no_route");
    assert_eq!(gateway.logged("/ab").get("app"), None);
}

#[test]
fn redirects_and_fixed_replies_need_no_app() {
    let config = "[[route]]\npath = \"/old\"\nto = \"redirect:301:https://$host$uri\"\n\
                  [[route]]\npath = \"/new\"\nto = \"redirect:https://elsewhere.example/\"\n\
                  [[route]]\npath = \"/gone\"\nto = \"respond:410:no more\"\n\
                  [[route]]\npath = \"/nothing\"\nto = \"respond:204\"\n";
    let gateway = Setup::bare().more(config).start();
    let old = ask(&gateway, "shop.example:8080", "/old/a%20b?c=d");
    assert_eq!(old.status, 301);
    assert_eq!(old.header("location"), Some("https://shop.example/old/a%20b?c=d"));
    let new = ask(&gateway, "shop.example", "/new");
    assert_eq!((new.status, new.header("location")), (308, Some("https://elsewhere.example/")));
    let gone = ask(&gateway, "shop.example", "/gone");
    assert_eq!((gone.status, gone.text().as_str()), (410, "no more"));
    assert_eq!(ask(&gateway, "shop.example", "/nothing").status, 204);
    gateway.assert_ended("/gone", "answered");
}

#[test]
fn two_apps_have_their_own_children_and_their_own_queues() {
    let (one, two) = (App::new(), named("two"));
    let config = format!(
        "{}{}[[route]]\npath = \"/\"\nto = \"app:one\"\n[[route]]\npath = \"/two\"\nto = \"app:two\"\n",
        section("one", &one),
        section("two", &two)
    );
    let gateway = Setup::bare().more(&config).start();
    let mut held = gateway.connect();
    held.send("GET /hold/a HTTP/1.1\r\nHost: a\r\n\r\n");
    one.wait_call("/hold/a");
    assert_eq!(gateway.get("/two/x").text(), "two /two/x", "while the other app's child is busy");
    one.release("a");
    assert_eq!(held.read().text(), "held a");
    assert_eq!(gateway.logged("/two/x")["app"], "two");
    assert_eq!(gateway.logged("/hold/a")["app"], "one");
}

#[test]
fn a_route_can_hold_requests_apart_by_tenant_header_or_client() {
    let app = App::new();
    let more = "[[route]]\npath = \"/by-header\"\nto = \"app:app\"\ntenant = \"header:x-key\"\n\
                [[route]]\npath = \"/by-name\"\nto = \"app:app\"\ntenant = \"header:x-key\"\ntenant_names = { k1 = \"one\" }\n\
                [[route]]\npath = \"/listed\"\nto = \"app:app\"\ntenant = \"header:x-key\"\ntenant_names = { k2 = \"two\" }\ntenant_listed = true\n\
                [[route]]\npath = \"/by-none\"\nto = \"app:app\"\ntenant = \"none\"\n";
    let gateway = Setup::new(&app).more(more).start();
    let get = |path: &str| Conn::open(gateway.http()).get_with(path, "X-Key: k1\r\n");
    for path in ["/by-header", "/by-name", "/by-none", "/by-client"] {
        assert_eq!(get(path).status, 200);
    }
    let hash = gateway.logged("/by-header")["tenant"].as_str().unwrap().to_owned();
    assert!(
        hash.len() == 16 && !hash.contains("k1"),
        "a value without a name is told by its hash: {hash}"
    );
    assert_eq!(gateway.logged("/by-name")["tenant"], "one");
    assert_eq!(gateway.logged("/by-none").get("tenant"), None);
    assert_eq!(gateway.logged("/by-client")["tenant"], "127.0.0.1");
    for (what, line) in [("made-up", "X-Key: k1\r\n"), ("none", ""), ("two", "X-Key: k2\r\n")] {
        let path = format!("/listed/{what}");
        assert_eq!(Conn::open(gateway.http()).get_with(&path, line).status, 200);
        let wanted = if what == "two" { "two" } else { "127.0.0.1" };
        assert_eq!(gateway.logged(&path)["tenant"], wanted, "{what}");
    }
}

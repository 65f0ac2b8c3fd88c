//! Targets as clients write them: what browsers leave as it is gets to the app, by either protocol.

use ostler_tests::{App, Ending, Gateway, RawH2, Setup};

const APP: &str = r#"
def application(env, start_response):
    seen = env["PATH_INFO"] + "?" + env["QUERY_STRING"] + " " + env["REQUEST_URI"]
    start_response("200 OK", [("Content-Type", "text/plain; charset=latin-1")])
    return [seen.encode("latin-1")]
"#;

fn is_served_by_http2(gateway: &Gateway, target: &str) -> bool {
    let mut raw = RawH2::connect(gateway.http());
    let fields = [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", target)];
    raw.headers(1, &fields);
    match raw.ending(1) {
        Ending::Status(200) => true,
        Ending::Status(400) | Ending::Reset(_) | Ending::GoAway(_) => false,
        other @ (Ending::Status(_) | Ending::Closed) => panic!("{target}: {other:?}"),
    }
}

#[test]
fn what_browsers_leave_as_it_is_in_a_target_is_served_by_either_protocol() {
    let app = App::of(APP);
    let gateway = Setup::new(&app).start();
    for byte in (0x21..=0x7e_u8).filter(|b| !b.is_ascii_alphanumeric() && *b != b'?') {
        let sign = char::from(byte);
        for (target, refused) in
            [(format!("/a{sign}b"), r"#<>\`"), (format!("/?q=a{sign}b"), "\"#<>")]
        {
            let served = !refused.contains(sign);
            let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
            let answer = gateway.connect().send(head).read();
            assert_eq!(answer.status, if served { 200 } else { 400 }, "{target}");
            if served {
                let (path, query) = target.split_once('?').unwrap_or((&target, ""));
                assert_eq!(answer.text(), format!("{path}?{query} {target}"));
            }
            // A double quote in a path passes in HTTP/1 and not in h2, which cuts a fragment off before we see it.
            if !target.starts_with("/a\"") && sign != '#' {
                assert_eq!(is_served_by_http2(&gateway, &target), served, "{target}");
            }
        }
    }
}

#[test]
fn of_two_content_types_no_reader_takes_his_own() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let post = |types: &str| {
        let head = format!("POST /hash HTTP/1.1\r\nHost: a\r\n{types}Content-Length: 0\r\n\r\n");
        gateway.connect().send(head).read()
    };
    let one = "Content-Type: application/json\r\n";
    assert_eq!(post(one).status, 200);
    for two in [one, "content-type: text/plain\r\n", "Content-Type:\r\n"] {
        let answer = post(&format!("{one}X-Between: 1\r\n{two}"));
        assert_eq!(answer.status, 400, "{two}");
        assert!(answer.text().contains("more than one Content-Type"), "{}", answer.text());
    }
}

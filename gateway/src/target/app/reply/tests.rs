use super::{super::forward, *};
use crate::measure::{self, Rig};

#[test]
fn values_have_no_blanks_around_them_and_the_same_length_may_be_told_twice() {
    let fields = b"set-cookie\0 sessionid=x; Path=/\0x-tab\0\ta b\t \0x-empty\0  ";
    let (headers, _) = app_headers(fields).unwrap();
    assert_eq!(headers["set-cookie"], "sessionid=x; Path=/");
    assert_eq!(
        (&headers["x-tab"], &headers["x-empty"]),
        (&"a b".parse().unwrap(), &"".parse().unwrap())
    );
    let lengths = |a: &str, b: &str| format!("content-length\0{a}\0Content-Length\0{b}");
    let (told, _) = app_headers(lengths("5", " 5").as_bytes()).unwrap();
    assert_eq!(told.get_all("content-length").iter().count(), 1);
    assert!(app_headers(lengths("5", "6").as_bytes()).is_err());
    assert!(app_headers(lengths("5", "").as_bytes()).is_err());
    assert!(app_headers(lengths("x", "x").as_bytes()).is_err());
}

#[test]
fn an_app_may_have_words_of_its_own_for_a_status() {
    let reason =
        |fields: &[u8]| app_headers(fields).map(|(headers, reason)| (headers.len(), reason));
    let (fields, words) = reason(b":reason\0All well\0x-a\x001").unwrap();
    assert_eq!((fields, words.unwrap().as_bytes()), (1, &b"All well"[..]));
    assert_eq!(reason(b"x-a\x001").unwrap(), (1, None));
    assert!(reason(b":reason\0a\nb").is_err());
    assert!(reason(b":other\0a").is_err());
}

fn head(count: usize) -> Vec<u8> {
    let pairs: Vec<_> = (0..count).map(|n| format!("x-{n}\0v")).collect();
    pairs.join("\0").into_bytes()
}

#[test]
fn an_answer_with_more_fields_than_any_client_takes_is_refused_and_not_a_panic() {
    assert_eq!(app_headers(&head(900)).unwrap().0.len(), 900);
    let refusal = app_headers(&head(40_000)).unwrap_err();
    assert_eq!(refusal.termination, Termination::Protocol);
}

#[test]
fn what_belongs_to_one_connection_is_not_passed_on() {
    let fields = b"Connection\0close\0Keep-Alive\x005\0Transfer-Encoding\0chunked\0TE\0trailers\0Trailer\0x\0\
                   Upgrade\0h2c\0Proxy-Connection\0close\0x-kept\0yes";
    let (headers, _) = app_headers(fields).unwrap();
    let names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
    assert_eq!(names, ["x-kept"]);
}

#[test]
fn a_whole_answer_is_as_long_as_it_says_or_none() {
    let told = |method: Method, status: u16, told: &str, len| {
        let fields = format!("content-length\0{told}");
        let (headers, _) = app_headers(fields.as_bytes()).unwrap();
        check_length(&method, StatusCode::from_u16(status).unwrap(), &headers, len).is_ok()
    };
    assert!(told(Method::GET, 200, "5", 5) && told(Method::GET, 200, "0", 0));
    for len in [0, 4, 6] {
        assert!(!told(Method::GET, 200, "5", len), "{len}");
        assert!(!told(Method::POST, 404, "5", len), "{len}");
    }
    assert!(told(Method::HEAD, 200, "5", 0) && told(Method::GET, 304, "5", 0));
    assert!(check_length(&Method::GET, StatusCode::OK, &HeaderMap::new(), 7).is_ok());
}

#[tokio::test]
async fn a_whole_answer_stays_in_memory_while_its_client_has_room_there() {
    let state = tempfile::tempdir().unwrap();
    let mut config = measure::config(state.path());
    config.limits.body_memory = 50 << 10;
    let standing = measure::BenchGateway::new(&forward::tests::with_app(config)).unwrap();
    let rig = Rig::new(standing.server());
    let (mut record, route, pool) = rig.routed(standing.pools());
    let mut is_in_memory = |method: Method, kib: usize| {
        record.method = method;
        let reply = Bytes::from(vec![b'x'; kib << 10]);
        let source = whole(&mut record, &route, forward::tests::job(&pool), reply);
        matches!(source, Source::Whole(_))
    };
    assert!(is_in_memory(Method::GET, 20));
    assert!(!is_in_memory(Method::GET, 20), "half of the rest is left to others");
    assert!(is_in_memory(Method::GET, 16), "small ones are not counted");
    assert!(is_in_memory(Method::HEAD, 1 << 10), "nor what is not sent");
}

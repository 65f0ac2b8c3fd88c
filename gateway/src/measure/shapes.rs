//! Heads that are as long as they may be, of every shape that a reader could take badly: work must be linear in the bytes, whatever is
//! in them.

use http::Request;

/// Nearly as many bytes as a head may have.
const BYTES: usize = 31 << 10;

/// Names of all shapes; the first is what the others are held against.
pub(crate) const SHAPES: [&str; 13] = [
    "fields",
    "value",
    "names",
    "cookies",
    "connection",
    "commas",
    "forwarded-for",
    "forwarded",
    "same-name",
    "accept",
    "escapes",
    "slashes",
    "query",
];

/// The head of a shape.
pub(crate) fn head(shape: &str) -> Option<String> {
    let list = |item: &str| item.repeat(BYTES / item.len());
    let many = |field: &dyn Fn(usize) -> String| -> String { (0..97).map(field).collect() };
    let (target, fields) = match shape {
        "fields" => ("/".into(), many(&|n| format!("x-{n}: {}\r\n", "v".repeat(305)))),
        "value" => ("/".into(), format!("x: {}\r\n", list("v"))),
        "names" => ("/".into(), many(&|n| format!("{}-{n}: v\r\n", "n".repeat(305)))),
        "cookies" => ("/".into(), format!("cookie: {}\r\n", list("a=b; "))),
        "connection" => {
            let named: Vec<_> = (0..31).map(|n| format!("{}{n}", "c".repeat(300))).collect();
            let fields: String =
                (0..68).map(|n| format!("{}{n}: v\r\n", "c".repeat(300))).collect();
            ("/".into(), format!("connection: {}\r\n{fields}", named.join(",")))
        }
        "commas" => {
            let fields = many(&|n| format!("x{n}: v\r\n"));
            ("/".into(), format!("connection: {}\r\n{fields}", &list(",")[fields.len() + 200..]))
        }
        "forwarded-for" => ("/".into(), format!("x-forwarded-for: 1{}\r\n", list(",1"))),
        "forwarded" => ("/".into(), format!("forwarded: for=1{}\r\n", list(",for=1;proto=http"))),
        "same-name" => ("/".into(), many(&|_| format!("x: {}\r\n", "v".repeat(305)))),
        "accept" => ("/".into(), format!("accept: a/b{}\r\n", list(",a/b;q=0"))),
        "escapes" => (format!("/{}", "%41".repeat(2700)), format!("x: {}\r\n", &list("v")[9000..])),
        "slashes" => (format!("/{}", "./".repeat(4000)), format!("x: {}\r\n", &list("v")[9000..])),
        "query" => (format!("/?{}", "a=b&".repeat(2000)), format!("x: {}\r\n", &list("v")[9000..])),
        _ => return None,
    };
    Some(format!("GET {target} HTTP/1.1\r\nhost: shop.example\r\n{fields}\r\n"))
}

/// What comes on a connection in shapes that a reader could take badly, and in how many bytes at a time. The first is what the
/// others are held against.
#[cfg(test)]
pub(crate) const STREAMS: [&str; 6] =
    ["body", "chunks", "chunks of a byte", "chunk extensions", "trailers", "a head byte by byte"];

/// A stream of a shape, and how many bytes of it come at a time.
pub(crate) fn stream(shape: &str) -> Option<(Vec<u8>, usize)> {
    const START: &str = "POST / HTTP/1.1\r\nhost: shop.example\r\n";
    let chunked = |chunks: &str, trailers: &str| {
        format!("{START}transfer-encoding: chunked\r\n\r\n{chunks}0\r\n{trailers}\r\n")
    };
    let list = |item: &str| item.repeat(BYTES / item.len());
    let (text, at_once) = match shape {
        "body" => (format!("{START}content-length: {BYTES}\r\n\r\n{}", list("v")), 4096),
        "chunks" => (chunked(&list(&format!("400\r\n{}\r\n", "v".repeat(1024))), ""), 4096),
        "chunks of a byte" => (chunked(&list("1\r\nv\r\n"), ""), 4096),
        "chunk extensions" => {
            (chunked(&list(&format!("1;{}\r\nv\r\n", "e".repeat(1000))), ""), 4096)
        }
        "trailers" => (chunked(&list("1\r\nv\r\n")[..24 << 10], &"t: v\r\n".repeat(1200)), 4096),
        "a head byte by byte" => (head("fields")?, 1),
        _ => return None,
    };
    Some((text.into_bytes(), at_once))
}

/// What hyper makes of a head; its own work is hyper's to count.
pub(crate) fn parsed(head: &str) -> Request<()> {
    let mut lines = head.split("\r\n").filter(|line| !line.is_empty());
    let target = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or("/");
    let mut request = Request::builder().uri(target);
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        request = request.header(name, value);
    }
    request.body(()).expect("the heads of this file are right")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use nix::time::{ClockId, clock_gettime};

    use super::{
        super::head::{Rig, guarded},
        *,
    };
    use crate::measure::{BenchGateway, config};

    fn spent() -> Duration {
        Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap())
    }

    /// The best of several, since only the machine makes it worse.
    fn cost(rig: &Rig, shape: &str) -> Duration {
        let head = head(shape).unwrap();
        let once = |_| {
            let request = parsed(&head);
            let before = spent();
            rig.frame(head.as_bytes(), request);
            spent() - before
        };
        (0..7).map(once).min().unwrap()
    }

    #[test]
    fn no_shape_of_a_stream_costs_much_more_than_its_bytes() {
        let cost = |shape: &str, at_once: usize| {
            let (bytes, _) = stream(shape).unwrap();
            let once = |_| {
                let before = spent();
                assert_eq!(guarded(&bytes, at_once), bytes.len(), "{shape}");
                spent() - before
            };
            (0..7).map(once).min().unwrap()
        };
        for shape in STREAMS {
            let (bytes, at_once) = stream(shape).unwrap();
            assert!((29 << 10..34 << 10).contains(&bytes.len()), "{shape} has {}", bytes.len());
            // A byte costs a look, which is more than copying it; coming alone it costs a read.
            let plain = if at_once == 1 { STREAMS[0] } else { "chunks of a byte" };
            let plain = cost(plain, at_once).max(Duration::from_micros(50));
            let cost = cost(shape, at_once);
            assert!(cost < plain * 20, "{shape} costs {cost:?}, plain bytes {plain:?}");
        }
    }

    #[test]
    fn no_shape_of_a_head_costs_much_more_than_its_bytes() {
        let state = tempfile::tempdir().unwrap();
        let standing = BenchGateway::new(&config(state.path())).unwrap();
        let rig = Rig::new(standing.server());
        let plain = cost(&rig, SHAPES[0]).max(Duration::from_micros(50));
        for shape in SHAPES {
            let len = head(shape).unwrap().len();
            assert!((29 << 10..32 << 10).contains(&len), "{shape} has {len} bytes");
            let cost = cost(&rig, shape);
            assert!(cost < plain * 20, "{shape} costs {cost:?}, plain fields {plain:?}");
        }
    }
}

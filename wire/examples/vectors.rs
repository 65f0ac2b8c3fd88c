//! Writes `wire/vectors.txt`: frames of every kind as `name TAB hex TAB json`, for every implementation to test against.
//!
//! `cargo run -p ostler-wire --example vectors > wire/vectors.txt`

use bytes::BytesMut;
use ostler_wire::{Builder, FieldsWriter, Header, Kind, Reset, flags, put_frame};
use serde_json::{Value, json};

type Pair<'a> = (&'a [u8], &'a [u8]);
type Pairs<'a> = &'a [Pair<'a>];

#[expect(clippy::print_stdout, reason = "its output is the file")]
fn main() {
    print!("{}", lines());
}

/// The whole file.
pub(crate) fn lines() -> String {
    let mut v = Vectors(String::new());
    requests(&mut v);
    answers(&mut v);
    functions(&mut v);
    control(&mut v);
    link(&mut v);
    jobs(&mut v);
    v.0
}

fn requests(v: &mut Vectors) {
    let env: Pairs<'_> = &[
        (b":id", b"01hv3x"),
        (b":scheme", b"https"),
        (b":queue_us", b"0000000042"),
        (b":deadline_ms", b"30000"),
        (b"REQUEST_METHOD", b"POST"),
        (b"SCRIPT_NAME", b""),
        (b"PATH_INFO", b"/caf\xc3\xa9"),
        (b"QUERY_STRING", b"a=1&b=%20"),
        (b"REQUEST_URI", b"/caf%C3%A9?a=1&b=%20"),
        (b"CONTENT_LENGTH", b"5"),
        (b"HTTP_COOKIE", b"a=1; b=2"),
    ];
    v.head("req", Kind::Req, (flags::END, 0, 1), env, b"hello");
    v.head("req-without-body", Kind::Req, (flags::END, 0, 2), &env[..4], b"");
    v.head("req-with-body-to-follow", Kind::Req, (0, 0, 3), &env[..4], b"first bytes");
    v.head("req-head-only", Kind::Req, (flags::END | flags::BODYLESS, 0, 4), &env[..4], b"");
    v.head("req-remote", Kind::Req, (flags::END, 0, 5), &[(b":app", b"shop"), (b":id", b"x")], b"");
    v.head("req-largest-stream", Kind::Req, (flags::END, 0, u32::MAX), &env[..1], b"");
    v.aux("data", Kind::Data, (0, 0, 7), 0, b"some bytes");
    v.aux("data-last", Kind::Data, (flags::END, 0, 7), 0, b"the end");
    v.aux("data-only-end", Kind::Data, (flags::END, 0, 7), 0, b"");
    let bytes: Vec<u8> = (0..=255).collect();
    v.aux("data-every-byte", Kind::Data, (0, 0, 7), 0, &bytes);
    v.aux("data-body-looks-like-a-header", Kind::Data, (0, 0, 7), 0, &[5, 0, 0, 0, 0xff, 0x80]);
    let trailers: Pairs<'_> = &[(b"checksum", b"abc"), (b"x-empty", b"")];
    v.head("trail", Kind::Trail, (flags::END, 0, 7), trailers, b"");
    v.aux("win", Kind::Win, (0, 0, 7), 131_072, b"");
    v.aux("win-largest", Kind::Win, (0, 0, 7), u32::MAX, b"");
}

fn answers(v: &mut Vectors) {
    let fields: Pairs<'_> = &[
        (b"Content-Type", b"text/plain"),
        (b"Set-Cookie", b"a=1"),
        (b"Set-Cookie", b"b=2"),
        (b"X-Empty", b""),
        (b"X-Latin-1", b"gr\xfc\xdfe"),
    ];
    v.head("rsp", Kind::Rsp, (flags::END, 200, 1), fields, b"hello world");
    v.head("rsp-with-body-to-follow", Kind::Rsp, (0, 200, 1), &fields[..1], b"");
    v.head("rsp-without-fields", Kind::Rsp, (flags::END, 204, 1), &[], b"");
    v.head("rsp-without-fields-with-body", Kind::Rsp, (flags::END, 200, 1), &[], b"\0body");
    v.head("rsp-empty-value-last", Kind::Rsp, (flags::END, 200, 1), &fields[3..4], b"body");
    v.head("rsp-bodyless", Kind::Rsp, (flags::END | flags::BODYLESS, 304, 1), &fields[..1], b"");
    v.head("rsp-hold", Kind::Rsp, (flags::END | flags::HOLD, 200, 1), &fields[..1], b"hello");
    v.aux("free", Kind::Free, (0, 0, 1), 1500, b"");
    v.head("rsp-interim", Kind::Rsp, (0, 103, 1), &[(b"Link", b"</a.css>; rel=preload")], b"");
    v.head("rsp-smallest-status", Kind::Rsp, (0, 100, 1), &[], b"");
    v.head("rsp-largest-status", Kind::Rsp, (flags::END, 599, 1), &[], b"");
    for reason in 1..=8 {
        let reset = Reset::from_code(reason).expect("1 to 8 are reasons");
        let name = format!("reset-{reason}-{}", dashed(&format!("{reset:?}")));
        v.aux(&name, Kind::Reset, (0, reason, 9), 0, b"");
    }
    let trace = b"Traceback (most recent call last):\n  ZeroDivisionError: division by zero\n";
    v.aux("reset-with-backtrace", Kind::Reset, (0, Reset::AppError as u16, 9), 0, trace);
    v.aux("goaway", Kind::Reset, (0, Reset::Draining as u16, 0), 41, b"");
}

fn functions(v: &mut Vectors) {
    let call: Pairs<'_> = &[(b":fn", b"mail.send"), (b":id", b"j1"), (b":attempt", b"2")];
    v.head("call", Kind::Call, (flags::END, 0, 3), call, b"{\"to\": 1}");
    v.head("reply", Kind::Reply, (flags::END, 0, 3), &[], b"true");
    v.head("reply-later", Kind::Reply, (flags::END, 3, 3), &[(b":after_ms", b"500")], b"");
    v.aux("event-progress", Kind::Event, (0, 1, 3), 500, b"half way");
    v.aux("msg-text", Kind::Msg, (0, 1, 3), 0, "grüße".as_bytes());
    v.aux("msg-close", Kind::Msg, (flags::END, 8, 3), 1000, b"bye");
    v.aux("tun", Kind::Tun, (flags::FD, 0, 3), 0, b"");
}

fn control(v: &mut Vectors) {
    let hello: Pairs<'_> = &[
        (b":lang", b"python"),
        (b":impl", b"cpython 3.11"),
        (b":caps", b""),
        (b":kinds", b"http"),
        (b":env", b"cgi"),
        (b":lanes", b"1"),
        (b":streams", b"1"),
    ];
    v.head("hello-child", Kind::Hello, (flags::CRITICAL, 1, 0), hello, b"");
    let several = [&hello[..6], &[(b":streams", b"8")]].concat();
    v.head("hello-child-of-several-streams", Kind::Hello, (flags::CRITICAL, 1, 0), &several, b"");
    v.head("hello-without-flags", Kind::Hello, (0, 1, 0), &hello[..1], b"");
    let welcome: Pairs<'_> =
        &[(b"max_frame", b"1048576"), (b"hb_ms", b"1000"), (b"root", b"/srv/shop")];
    v.head("welcome", Kind::Welcome, (0, 1, 0), welcome, b"");
    let ready: Pairs<'_> = &[(b":rss", b"20000000"), (b":title", b"shop.wsgi:application")];
    v.head("ready", Kind::Ready, (0, 0, 0), ready, b"");
    let fail: Pairs<'_> = &[
        (b":stage", b"import"),
        (b":class", b"ModuleNotFoundError"),
        (b":message", b"No module named 'shop'"),
        (b":hint", b""),
    ];
    v.head("fail", Kind::Fail, (0, 0, 0), fail, b"Traceback ...\n");
    v.aux("ping", Kind::Ping, (0, 0, 0), 0xdead_beef, b"");
    v.aux("pong", Kind::Pong, (0, 0, 0), 0xdead_beef, b"");
    let stats: Pairs<'_> = &[(b"rss", b"1"), (b"threads", b"1")];
    v.head("stats", Kind::Stats, (0, 0, 0), stats, b"");
    v.aux("stop-drain", Kind::Stop, (0, 0, 0), 30_000, b"");
    v.aux("stop-now", Kind::Stop, (0, 1, 0), 0, b"");
    v.aux("bye", Kind::Bye, (0, 1, 0), 0, b"");
    let fork: Pairs<'_> = &[(b":slot", b"1"), (b":generation", b"4")];
    v.head("fork", Kind::Fork, (flags::FD, 0, 0), fork, b"");
    v.head("forked", Kind::Forked, (0, 0, 0), &[(b":slot", b"1"), (b":pid", b"99")], b"");
    v.aux("dump", Kind::Dump, (0, 0, 0), 0, b"");
    v.head("log", Kind::Log, (0, 2, 0), &[(b":request", b"x")], "Größe\n".as_bytes());
    v.aux("oob", Kind::Oob, (0, 1, 0), 0, b"");
    v.head(
        "lane-to-child",
        Kind::Lane,
        (flags::FD, 0, 0),
        &[(b":lane", b"0"), (b":number", b"2")],
        b"",
    );
}

fn link(v: &mut Vectors) {
    let hello: Pairs<'_> = &[
        (b":runner", b"web1"),
        (b":host", b"web1.example"),
        (b":pid", b"77"),
        (b":spec", b"9f86d081"),
        (b":kind", b"remote"),
    ];
    v.head("hello-runner", Kind::Hello, (flags::CRITICAL, 1, 0), hello, b"");
    let labels: Pairs<'_> = &[
        (b":runner", b"web1"),
        (b":kind", b"remote"),
        (b":label", b"gpu=a100"),
        (b":label", b"zone=b"),
    ];
    v.head("hello-runner-with-labels", Kind::Hello, (flags::CRITICAL, 1, 0), labels, b"");
    let welcome: Pairs<'_> =
        &[(b"hb_ms", b"1000"), (b"max_frame", b"1048576"), (b"window", b"262144")];
    v.head("welcome-runner", Kind::Welcome, (0, 1, 0), welcome, b"");
    let app: Pair<'_> = (b":app", b"shop");
    let child: Pair<'_> = (b":child", b"3");
    let lane: Pairs<'_> = &[
        app,
        child,
        (b":pid", b"99"),
        (b":generation", b"1"),
        (b":caps", b"log,dump,board,cost,recall"),
    ];
    v.head("lane-to-gateway", Kind::Lane, (flags::FD, 0, 0), lane, b"");
    let several = [lane, &[(b":streams", b"8")]].concat();
    v.head("lane-of-several-streams", Kind::Lane, (flags::FD, 0, 0), &several, b"");
    v.head("credit", Kind::Credit, (0, 0, 0), &[app, (b":slots", b"4")], b"");
    v.head("credit-none", Kind::Credit, (0, 0, 0), &[app, (b":slots", b"0")], b"");
    v.head("app-ready", Kind::App, (0, 1, 0), &[app, (b":ready", b"2")], b"");
    let failed: Pairs<'_> = &[
        app,
        (b":ready", b"0"),
        (b":stage", b"import"),
        (b":class", b"ImportError"),
        (b":message", b"no"),
        (b":hint", b""),
        (b":stderr", b"line 1\nline 2"),
    ];
    v.head("app-failed", Kind::App, (0, 2, 0), failed, b"Traceback ...\n");
    v.head("demand", Kind::Demand, (0, 0, 0), &[app, (b":waiting", b"17")], b"");
    v.head("retire", Kind::Retire, (0, 0, 0), &[app, child], b"");
    v.head("overdue", Kind::Overdue, (0, 2, 0), &[app, child, (b":stream", b"7")], b"");
    v.head("withdraw", Kind::Withdraw, (0, 0, 0), &[app, child, (b":last", b"11")], b"");
    let taken: Pairs<'_> = &[app, child, (b":from", b"8"), (b":to", b"11")];
    v.head("withdrawn", Kind::Withdraw, (0, 0, 0), taken, b"");
    v.head(
        "join",
        Kind::Join,
        (0, 0, 0),
        &[(b":secret", b"c2VjcmV0"), (b":name", b"web1")],
        b"CSR",
    );
    v.aux("joined", Kind::Joined, (0, 0, 0), 0, b"CHAIN");
    let state: Pairs<'_> = &[app, (b"idle", b"2"), (b"busy", b"1"), (b"exit.signal", b"0")];
    v.head("state", Kind::State, (0, 0, 0), state, b"");
}

fn jobs(v: &mut Vectors) {
    let key = r#"{"job":17,"attempt":1,"fence":4294967297}"#;
    let keys = format!("[{key}]");
    let beat: Pairs<'_> = &[(b":incarnation", b"0e9f2ea0-281149-77"), (b":slots", b"4")];
    v.head("beat", Kind::Beat, (0, 0, 0), beat, keys.as_bytes());
    v.head("beat-of-nothing", Kind::Beat, (0, 0, 0), beat, b"[]");
    let spec = r#"{"work":{"module":"shell","argv":["echo","grüße"]},"identity":"echo"}"#;
    let run = format!(r#"[{{"key":{key},"spec":{spec}}}]"#);
    v.aux("run", Kind::Run, (0, 0, 0), 0, run.as_bytes());
    let started = format!(r#"[{{"report":"started","key":{key},"at":1764032531004}}]"#);
    v.aux("report", Kind::Report, (0, 0, 0), 0, started.as_bytes());
    v.aux("settle", Kind::Settle, (0, 0, 0), 0, keys.as_bytes());
    v.aux("settle-fenced", Kind::Settle, (0, 1, 0), 0, keys.as_bytes());
    let steer = format!(r#"[[{key},"kill"]]"#);
    v.aux("steer", Kind::Steer, (0, 0, 0), 0, steer.as_bytes());
    let log: [Pair<'_>; 3] =
        [(b":what", b"log"), (b":id", b"17.1.4294967297"), (b":offset", b"262144")];
    let pull = [&log[..], &[(b":max", b"262144")]].concat();
    v.head("pull", Kind::Pull, (0, 0, 0), &pull, b"");
    v.head("piece", Kind::Piece, (0, 0, 0), &log, b"\x01\0bytes");
    let last = [&log[..], &[(b":end", b"1")]].concat();
    v.head("piece-last", Kind::Piece, (0, 0, 0), &last, b"the end");
    let gone = [&log[..], &[(b":gone", b"1")]].concat();
    v.head("piece-gone", Kind::Piece, (0, 0, 0), &gone, b"");
}

struct Vectors(String);

impl Vectors {
    fn head(&mut self, name: &str, kind: Kind, of: (u8, u16, u32), head: Pairs<'_>, body: &[u8]) {
        let (flags, code, stream) = of;
        let mut out = BytesMut::new();
        let put = |f: &mut FieldsWriter<'_>| {
            for (name, value) in head {
                f.put(name, value);
            }
        };
        Builder::new(&mut out, kind, stream).flags(flags).code(code).fields(put).body(body);
        let head: Vec<_> = head.iter().map(|(n, v)| json!([latin1(n), latin1(v)])).collect();
        let json = json!({ "kind": capitals(kind), "flags": flags, "code": code, "stream": stream,
            "head": head, "body": latin1(body) });
        self.push(name, &out, &json);
    }

    fn aux(&mut self, name: &str, kind: Kind, of: (u8, u16, u32), aux: u32, body: &[u8]) {
        let (flags, code, stream) = of;
        let mut out = BytesMut::new();
        put_frame(&mut out, Header { len: 0, kind, flags, code, stream, aux }, body);
        let json = json!({ "kind": capitals(kind), "flags": flags, "code": code, "stream": stream,
            "aux": aux, "body": latin1(body) });
        self.push(name, &out, &json);
    }

    fn push(&mut self, name: &str, bytes: &[u8], json: &Value) {
        let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        self.0.push_str(&format!("{name}\t{hex}\t{json}\n"));
    }
}

/// `Hello` as `HELLO`.
fn capitals(kind: Kind) -> String {
    format!("{kind:?}").to_uppercase()
}

/// Bytes as the text whose characters have their numbers.
fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|b| char::from(*b)).collect()
}

/// `ClientGone` as `client-gone`.
fn dashed(name: &str) -> String {
    let dashed = name.chars().flat_map(|c| {
        let dash = c.is_ascii_uppercase().then_some('-');
        dash.into_iter().chain([c.to_ascii_lowercase()])
    });
    dashed.collect::<String>().trim_start_matches('-').to_owned()
}

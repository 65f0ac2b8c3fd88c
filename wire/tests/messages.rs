//! Each message says what its vector says, is read back as it was written, and is refused without what it needs.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::{Bytes, BytesMut};
use ostler_job::{
    JobId,
    durable::{AttemptKey, Fence, Report},
};
use ostler_wire::{
    Builder, Decoder, FRAME_MAX, Fields, FieldsWriter, Frame, HEADER, Header, Kind, Reset,
    message::{
        App, Beat, ChildHello, ChildLane, ChildWelcome, Credit, Demand, Failure, Hello, Join, Lane,
        Log, Message, Overdue, Piece, Pull, Refusal, Reports, RequestHead, Retire, Run, Settle,
        State, Steer, Welcome, Withdraw, Withdrawn, app_of, cap, exit, figure, has_cap,
        put_request, split_app, what, write_digits,
    },
    put_frame,
};
use proptest::prelude::*;

fn frame(bytes: &[u8]) -> Frame {
    let mut decoder = Decoder::new(FRAME_MAX);
    decoder.buffer().extend_from_slice(bytes);
    let frame = decoder.poll_frame().unwrap().expect("a whole frame");
    assert!(decoder.is_between_frames(), "and no more");
    frame
}

fn vector(name: &str) -> Frame {
    let all = include_str!("../vectors.txt").lines();
    let mut parts = all.map(|line| line.split('\t'));
    let hex = parts.find_map(|mut it| (it.next() == Some(name)).then(|| it.next().unwrap()));
    let hex = hex.unwrap_or_else(|| panic!("no vector {name}"));
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    frame(&(0..hex.len()).step_by(2).map(byte).collect::<Vec<_>>())
}

/// A frame as foreign hands write it.
fn foreign(kind: Kind, code: u16, fields: &[(&str, &str)]) -> Frame {
    let mut out = BytesMut::new();
    let put = |f: &mut FieldsWriter<'_>| {
        for (name, value) in fields {
            f.put(name.as_bytes(), value.as_bytes());
        }
    };
    Builder::new(&mut out, kind, 0).code(code).fields(put).body(b"");
    frame(&out)
}

/// Reads a vector as a message and writes it again: head and body are the vector's.
macro_rules! same {
    ($($name:literal as $read:expr;)*) => {$({
        let said = vector($name);
        let written = frame(&($read)(&said).to_bytes());
        assert_eq!(written.header.kind, said.header.kind, $name);
        assert_eq!(written.head, said.head, $name);
        assert_eq!(written.body, said.body, $name);
    })*};
}

#[test]
fn every_message_writes_the_bytes_of_its_vector() {
    same! {
        "hello-child" as |f| ChildHello::of(f).unwrap();
        "hello-child-of-several-streams" as |f| ChildHello::of(f).unwrap();
        "welcome" as |f| ChildWelcome::of(f).unwrap();
        "fail" as |f| Failure::of(f).unwrap();
        "lane-to-child" as |f| ChildLane::of(f).unwrap();
        "hello-runner" as |f| Hello::of(f).unwrap();
        "hello-runner-with-labels" as |f| Hello::of(f).unwrap();
        "welcome-runner" as |f| Welcome::of(f).unwrap();
        "lane-to-gateway" as |f| Lane::of(f).unwrap();
        "lane-of-several-streams" as |f| Lane::of(f).unwrap();
        "credit" as |f| Credit::of(f).unwrap();
        "credit-none" as |f| Credit::of(f).unwrap();
        "app-ready" as |f| App::of(f).unwrap();
        "app-failed" as |f| App::of(f).unwrap();
        "demand" as |f| Demand::of(f).unwrap();
        "retire" as |f| Retire::of(f).unwrap();
        "overdue" as |f| Overdue::of(f).unwrap().unwrap();
        "withdraw" as |f| Withdraw::of(f).unwrap().unwrap();
        "withdrawn" as |f| Withdrawn::of(f).unwrap();
        "join" as |f| Join::of(f).unwrap();
        "beat" as |f| Beat::of(f).unwrap();
        "beat-of-nothing" as |f| Beat::of(f).unwrap();
        "report" as |f| Reports::of(f).unwrap();
        "settle" as |f| Settle::of(f).unwrap();
        "settle-fenced" as |f| Settle::of(f).unwrap();
        "steer" as |f| Steer::of(f).unwrap();
        "pull" as |f| Pull::of(f).unwrap();
        "piece" as |f| Piece::of(f).unwrap();
        "piece-last" as |f| Piece::of(f).unwrap();
        "piece-gone" as |f| Piece::of(f).unwrap();
    }
    let said = vector("app-failed");
    assert_eq!(frame(&App::of(&said).unwrap().to_bytes()).header, said.header);
    let said = vector("settle-fenced");
    assert_eq!(frame(&Settle::of(&said).unwrap().to_bytes()).header, said.header);
    let said = vector("overdue");
    assert_eq!(frame(&Overdue::of(&said).unwrap().unwrap().to_bytes()).header, said.header);
}

#[test]
fn a_requests_own_fields_are_those_of_its_vector() {
    let said = vector("req-without-body");
    let mut out = BytesMut::new();
    let own = RequestHead { id: b"01hv3x", scheme: b"https", deadline_ms: 30_000 };
    let mut digits = 0;
    let built = Builder::new(&mut out, Kind::Req, 0).flags(said.header.flags);
    built.fields(|f| digits = own.put(f)).body(b"");
    write_digits(&mut out[HEADER + digits..][..10], 42);
    let mut lane = BytesMut::new();
    assert_eq!(put_request(&mut lane, &out, 2, None), 0);
    assert_eq!(frame(&lane), said);

    let mut link = BytesMut::new();
    let moved = put_request(&mut link, &out, 7, Some("shop"));
    let sent = frame(&link);
    assert_eq!(sent.header.stream, 7);
    assert_eq!(link[HEADER + digits + moved..][..10], *b"0000000042");
    let (app, head) = split_app(&sent.head).unwrap();
    assert_eq!((app, head), ("shop", said.head));
    assert_eq!(split_app(&Bytes::from_static(b":app\0only")), Some(("only", Bytes::new())));
    for bad in [&b""[..], b":app", b":apps\0x", b":id\0x\0:app\0shop", b":app\0\xff"] {
        assert_eq!(split_app(&Bytes::from_static(bad)), None);
    }
}

#[test]
fn what_a_message_cannot_do_without_is_named() {
    let told = |error: ostler_wire::WireError| error.to_string();
    for fields in [&[(":app", "a")][..], &[(":child", "3")], &[(":app", "a"), (":child", "-3")]] {
        let lane = foreign(Kind::Lane, 0, fields);
        assert_eq!(told(Lane::of(&lane).unwrap_err()), "Lane without :app and :child");
        let retire = foreign(Kind::Retire, 0, fields);
        assert_eq!(told(Retire::of(&retire).unwrap_err()), "Retire without :app and :child");
        let back = foreign(Kind::Withdraw, 0, fields);
        assert_eq!(told(Withdrawn::of(&back).unwrap_err()), "Withdraw without :app and :child");
    }
    let beat = foreign(Kind::Beat, 0, &[(":incarnation", "a"), (":slots", "x")]);
    assert_eq!(told(Beat::of(&beat).unwrap_err()), "BEAT without :incarnation and :slots");
    assert_eq!(Beat::slots_of(&foreign(Kind::Beat, 0, &[(":slots", "4")])), Some(4));
    let hello = foreign(Kind::Hello, 1, &[(":host", "h")]);
    assert_eq!(told(Hello::of(&hello).unwrap().name().unwrap_err()), "HELLO without :runner");
    let credit = foreign(Kind::Credit, 0, &[(":app", "a")]);
    assert_eq!(told(Credit::of(&credit).unwrap_err()), "CREDIT without :app and :slots");
    assert_eq!(told(App::of(&foreign(Kind::App, 1, &[])).unwrap_err()), "APP without :app");
    assert_eq!(told(State::of(&foreign(Kind::State, 0, &[])).unwrap_err()), "STATE without :app");
}

#[test]
fn what_may_be_absent_has_its_meaning_then() {
    let demand = foreign(Kind::Demand, 0, &[(":app", "a"), (":waiting", "many")]);
    assert_eq!(Demand::of(&demand).unwrap(), Demand { app: "a", waiting: 0 });
    assert_eq!(Overdue::of(&foreign(Kind::Overdue, 2, &[(":app", "a")])).unwrap(), None);
    let named = foreign(Kind::Overdue, 99, &[(":child", "3"), (":over", "yes")]);
    let named = Overdue::of(&named).unwrap().unwrap();
    assert_eq!((named.reason, named.stream, named.is_over), (None, None, false));
    let last = foreign(Kind::Withdraw, 0, &[(":child", "3"), (":last", "4294967296")]);
    assert_eq!(Withdraw::of(&last).unwrap(), None);
    let from = foreign(Kind::Withdraw, 0, &[(":app", "a"), (":child", "3"), (":from", "1")]);
    assert_eq!(Withdrawn::of(&from).unwrap().streams, None);
    let welcome = foreign(Kind::Welcome, 1, &[("apps", "")]);
    let may = Welcome { apps: Some(vec![""]), jobs: true, known: None };
    assert_eq!(Welcome::of(&welcome).unwrap(), may);
    let ready = foreign(Kind::App, 1, &[(":app", "a"), (":message", "of before")]);
    assert_eq!(App::of(&ready).unwrap(), App { app: "a", ready: 0, failure: None });
    let hello = foreign(Kind::Hello, 1, &[]);
    let bare = ChildHello { lanes: 1, streams: 1, ..ChildHello::default() };
    assert_eq!(ChildHello::of(&hello).unwrap(), bare);
    let welcome = foreign(Kind::Welcome, 1, &[]);
    let bare = ChildWelcome { max_frame: FRAME_MAX, hb_ms: 0, root: "" };
    assert_eq!(ChildWelcome::of(&welcome).unwrap(), bare);
    let pull = foreign(Kind::Pull, 0, &[(":offset", "-1")]);
    let bare = Pull { what: "", id: None, offset: None, max: None };
    assert_eq!(Pull::of(&pull).unwrap(), bare);
    let (what, id, offset) = ("", None, None);
    let bare = Piece { what, id, offset, is_end: false, is_gone: false, bytes: &[] };
    assert_eq!(Piece::of(&foreign(Kind::Piece, 0, &[])).unwrap(), bare);
    // The runner finds the child by its number alone.
    let withdraw = foreign(Kind::Withdraw, 0, &[(":child", "3"), (":last", "8")]);
    assert_eq!(Withdraw::of(&withdraw).unwrap(), Some(Withdraw { app: "", child: 3, last: 8 }));
}

#[test]
fn a_code_says_only_what_it_is_declared_to_say() {
    let fields = [(":app", "a"), (":child", "3")];
    for (code, is_gone) in [(0, false), (1, false), (9, true), (10, false)] {
        let retire = foreign(Kind::Retire, code, &fields);
        assert_eq!(Retire::of(&retire).unwrap().is_gone, is_gone, "RETIRE {code}");
    }
    for (code, is_fenced) in [(0, false), (1, true), (2, false)] {
        let mut out = BytesMut::new();
        let header = Header { len: 0, kind: Kind::Settle, flags: 0, code, stream: 0, aux: 0 };
        put_frame(&mut out, header, b"[]");
        assert_eq!(Settle::of(&frame(&out)).unwrap().is_fenced, is_fenced, "SETTLE {code}");
    }
    for (ready, code) in [(0, App::STARTING), (1, App::READY), (2, App::READY)] {
        assert_eq!(App { app: "a", ready, failure: None }.code(), code, "{ready} ready");
    }
}

#[test]
fn what_a_child_can_do_is_found_by_its_whole_word_wherever_it_stands() {
    for caps in ["cost", "cost,recall", "recall,cost", "a,cost,b"] {
        assert!(has_cap(caps, cap::COST), "{caps}");
    }
    for caps in ["", "costs", "no-cost", "cost.v2,recall", "recall"] {
        assert!(!has_cap(caps, cap::COST), "{caps}");
    }
}

#[test]
fn of_a_failure_what_is_no_text_is_replaced_and_the_rest_is_told() {
    let mut out = BytesMut::new();
    let put = |f: &mut FieldsWriter<'_>| {
        f.put(b":message", b"caf\xe9 is closed").put(b":hint", b"open it");
    };
    Builder::new(&mut out, Kind::Fail, 0).fields(put).body(b"line \xff");
    let frame = frame(&out);
    let failure = Failure::of(&frame).unwrap();
    assert_eq!(failure.message.as_deref(), Some("caf\u{fffd} is closed"));
    assert_eq!((failure.hint.as_deref(), &*failure.trace), (Some("open it"), "line \u{fffd}"));
}

#[test]
fn of_a_figure_told_twice_the_last_counts_and_of_what_nobody_knows_nothing() {
    let head = b":app\0a\0idle\x001\0idle\x002\0exit.signal\x003\0exit.made_up\x004\0more\x005\0\xff\x006\0busy\x00x";
    let mut out = BytesMut::new();
    let fields = Fields::parse(head).unwrap();
    let put = |f: &mut FieldsWriter<'_>| {
        for (name, value) in fields {
            f.put(name, value);
        }
    };
    Builder::new(&mut out, Kind::State, 0).fields(put).body(b"");
    let frame = frame(&out);
    let state = State::of(&frame).unwrap();
    // A label twice would make every scrape of the metrics fail.
    let told = vec![(figure::exit(exit::SIGNAL), 3), (figure::IDLE.to_owned(), 2)];
    assert_eq!(state, State { app: "a", figures: told });
    assert_eq!(app_of(&frame), Some("a"));
}

fn key(fence: u64) -> AttemptKey {
    AttemptKey { job: JobId(17), attempt: 1, fence: Fence(fence) }
}

#[test]
fn a_run_is_read_from_its_vector_and_as_it_was_written() {
    let run = Run::of(&vector("run")).unwrap();
    assert_eq!((run.starts.len(), run.unknown.len()), (1, 0));
    let start = &run.starts[0];
    assert_eq!(start.key, key(1 << 32 | 1));
    assert_eq!(start.spec.work.command().unwrap().argv, ["echo", "grüße"]);
    let mut out = BytesMut::new();
    Run::put(&mut out, [(start.key, &start.spec)]);
    assert_eq!(Run::of(&frame(&out)).unwrap(), run);
    assert_eq!(frame(&out).header.kind, Kind::Run);
}

#[test]
fn of_a_list_only_what_a_newer_version_says_is_left_out() {
    let body = |kind, body: &str| {
        let mut out = BytesMut::new();
        let header = Header { len: 0, kind, flags: 0, code: 0, stream: 0, aux: 0 };
        put_frame(&mut out, header, body.as_bytes());
        frame(&out)
    };
    let known = r#"{"report":"not_started","key":{"job":17,"attempt":1,"fence":2}}"#;
    let report = body(Kind::Report, &format!(r#"[{{"report":"newer"}},{known},7]"#));
    assert_eq!(Reports::of(&report).unwrap(), Reports(vec![Report::NotStarted { key: key(2) }]));
    let spec = r#"{"work":{"module":"noop"},"identity":"x"}"#;
    let start = |fence: u64, spec: &str| {
        format!(r#"{{"key":{{"job":17,"attempt":1,"fence":{fence}}},"spec":{spec}}}"#)
    };
    let run = format!("[{},{}]", start(1, r#"{"work":{"module":"newer"}}"#), start(2, spec));
    let run = Run::of(&body(Kind::Run, &run)).unwrap();
    assert_eq!(run.starts.iter().map(|it| it.key).collect::<Vec<_>>(), [key(2)]);
    assert!(matches!(&run.unknown[..], [(refused, why)] if *refused == key(1) && !why.is_empty()));
    for text in ["[7]", "{}", "x"] {
        let told = Run::of(&body(Kind::Run, text)).unwrap_err().to_string();
        assert!(told.starts_with("the body of Run: "), "{told}");
    }
    let told = Reports::of(&body(Kind::Report, "x")).unwrap_err().to_string();
    assert!(told.starts_with("the body of Report: "), "{told}");
}

#[test]
fn a_long_list_is_cut_into_frames_and_an_empty_one_into_none() {
    let keys: Vec<AttemptKey> = (0..20_000).map(key).collect();
    let settle = Settle { keys: keys.clone(), is_fenced: true };
    let mut decoder = Decoder::new(FRAME_MAX);
    decoder.buffer().extend_from_slice(&settle.to_bytes());
    let (mut back, mut sizes) = (Vec::new(), Vec::new());
    while let Some(frame) = decoder.poll_frame().unwrap() {
        sizes.push(frame.body.len());
        let part = Settle::of(&frame).unwrap();
        assert!(part.is_fenced);
        back.extend(part.keys);
    }
    assert_eq!(back, keys);
    // Each but the last is full, and none is much more than that.
    let (_, full) = sizes.split_last().unwrap();
    assert!(!full.is_empty() && full.iter().all(|size| *size >= 256 << 10), "{sizes:?}");
    assert!(sizes.iter().all(|size| *size < 257 << 10), "{sizes:?}");
    assert!(Settle { keys: Vec::new(), is_fenced: false }.to_bytes().is_empty());
    assert!(Steer { orders: Vec::new() }.to_bytes().is_empty());
    assert_eq!(Reports::first(&[]), (Bytes::new(), 0));
    let reports: Vec<Report> = (0..20_000).map(|n| Report::NotStarted { key: key(n) }).collect();
    let (first, count) = Reports::first(&reports);
    assert_eq!(Reports::of(&frame(&first)).unwrap().0, reports[..count]);
    assert!((1..reports.len()).contains(&count));
}

/// What a field of text may hold, wherever it comes from.
fn text() -> impl Strategy<Value = String> {
    "[^\0]{0,20}"
}

proptest! {
    #[test]
    fn messages_of_the_link_are_read_back(
        app in text(), other in text(), child: u64, numbers: (u32, u32), flag: bool, code in 0..11u16
    ) {
        let (app, other, (one, two)) = (&*app, &*other, numbers);
        macro_rules! back {
            ($type:ident $fields:tt) => {{
                let message = $type $fields;
                let written = frame(&message.to_bytes());
                prop_assert_eq!(&$type::of(&written).unwrap(), &message);
            }};
        }
        back!(Hello { runner: Some(app), host: Some(other), pid: None, incarnation: Some(other),
            spec: None, kind: Some(app), labels: vec![app; one as usize % 3] });
        back!(Refusal { code, stage: app, message: flag.then_some(other) });
        back!(Join { secret: app, name: other, request: app.as_bytes() });
        back!(Lane { app, child, pid: one, generation: two, caps: other, streams: one });
        back!(Retire { app, child, is_gone: flag });
        back!(Withdrawn { app, child, streams: flag.then_some(numbers) });
        back!(Credit { app, slots: child });
        back!(Demand { app, waiting: child });
        back!(Beat { incarnation: app, slots: child, held: vec![key(child); one as usize % 3] });
        back!(Pull { what: what::LOG, id: Some(app), offset: Some(child), max: Some(child) });
        back!(Piece { what: app, id: Some(other), offset: Some(child), is_end: flag,
            is_gone: !flag, bytes: app.as_bytes() });
        back!(ChildLane { index: one, number: two });
        back!(ChildWelcome { max_frame: one, hb_ms: two, root: app });
        back!(ChildHello { lang: app, implementation: other, caps: app, kinds: other, env: app,
            lanes: one, streams: two });
        back!(Log { level: code, stream: flag.then_some(app), id: Some(other), line: app.into() });
        let reason = Reset::from_code(code);
        let overdue = Overdue { app, child, reason, stream: flag.then_some(one), is_over: flag };
        let written = frame(&overdue.to_bytes());
        prop_assert_eq!(Overdue::of(&written).unwrap(), Some(overdue));
        let withdraw = Withdraw { app, child, last: two };
        let written = frame(&withdraw.to_bytes());
        prop_assert_eq!(Withdraw::of(&written).unwrap(), Some(withdraw));
        let failure = Failure { stage: Some(app.into()), stderr: Some(other.into()),
            trace: other.into(), ..Failure::default() };
        back!(App { app, ready: 0, failure: Some(failure) });
        back!(App { app, ready: one, failure: None });
    }
}

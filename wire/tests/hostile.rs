//! Input that breaks a rule is an error that names the rule, and nothing else happens.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::too_many_lines, reason = "tables are read, not followed")]

use ostler_wire::{Event, FRAME_CAP, FRAME_MAX, Kind, Reset, Streams, flags};
use support::{Plan, decode, raw};

mod support;

const END: u8 = flags::END;
/// The window of the tests' lanes.
const WINDOW: u32 = 100;

#[test]
fn bytes_that_are_no_frame_name_the_rule() {
    let table: &[(&str, Vec<u8>, &str)] = &[
        (
            "longer than agreed",
            raw(FRAME_MAX + 1, 3, 0, 0, b""),
            "frame of 1048577 bytes, but at most 1048576 were agreed",
        ),
        (
            "longer than anything",
            raw(u32::MAX, 3, 0, 0, b""),
            "frame of 4294967295 bytes, but at most 1048576 were agreed",
        ),
        (
            "longer than agreed, of a type to skip",
            raw(FRAME_CAP, 0x7f, 0, 0, b""),
            "frame of 16777216 bytes, but at most 1048576 were agreed",
        ),
        (
            "unknown and critical",
            raw(0, 0x7f, flags::CRITICAL, 0, b""),
            "critical frame of unknown type 0x7f",
        ),
        ("type 0 and critical", raw(0, 0, 0xff, 0, b""), "critical frame of unknown type 0x00"),
        (
            "head longer than its frame",
            raw(4, 1, 0, 5, b"a\0b\0"),
            "head of 5 bytes in a frame of 4",
        ),
        (
            "head in an empty frame",
            raw(0, 2, 0, u32::MAX, b""),
            "head of 4294967295 bytes in a frame of 0",
        ),
    ];
    for (name, bytes, rule) in table {
        assert_eq!(decode(&[bytes]).unwrap_err().to_string(), *rule, "{name}");
        let pieces: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(decode(&pieces).unwrap_err().to_string(), *rule, "{name}, in pieces");
    }
}

#[test]
fn heads_that_are_no_pairs_name_the_rule() {
    for head in [&b"a"[..], b"a\0b\0c", b"a\0b\0", b"\0\0", b"a\0b\0c\0d\0e"] {
        let len = u32::try_from(head.len()).unwrap();
        let frames = decode(&[&raw(len, 1, 0, len, head)]).unwrap();
        let error = frames[0].fields().unwrap_err().to_string();
        assert_eq!(error, "head is not a list of name NUL value pairs", "{head:?}");
    }
}

#[test]
fn a_critical_flag_on_a_known_type_changes_nothing() {
    let frame = Plan::new(Kind::Ping, 0).flags(flags::CRITICAL).frame();
    assert_eq!(Streams::opener(None).handle(&frame), Ok(Event::Connection));
}

/// What the other side does, and what the last of it is answered with.
type Row = (&'static str, Vec<Plan>, &'static str);

fn plan(kind: Kind, stream: u32) -> Plan {
    Plan::new(kind, stream)
}

fn body(bytes: u32) -> Vec<u8> {
    vec![b'x'; bytes as usize]
}

/// Applies each plan but the last without error, and returns the last one's rule.
fn rule(mut streams: Streams, name: &str, plans: &[Plan]) -> String {
    let (last, before) = plans.split_last().expect("a row has frames");
    for plan in before {
        assert!(streams.handle(&plan.frame()).is_ok(), "{name}: {plan:?}");
    }
    streams.handle(&last.frame()).expect_err(name).to_string()
}

#[test]
fn an_answerer_names_the_rule_that_its_opener_breaks() {
    let req = |stream| plan(Kind::Req, stream);
    let table: Vec<Row> = vec![
        ("reused", vec![req(5).flags(END), req(5)], "stream 5 is not above every stream before it"),
        ("backwards", vec![req(5), req(4)], "stream 4 is not above every stream before it"),
        ("stream 0", vec![req(0)], "stream 0 is not above every stream before it"),
        (
            "data after the end",
            vec![req(1).flags(END), plan(Kind::Data, 1)],
            "Data on stream 1: nothing may follow the end",
        ),
        (
            "end twice",
            vec![req(1), plan(Kind::Data, 1).flags(END), plan(Kind::Data, 1).flags(END)],
            "Data on stream 1: nothing may follow the end",
        ),
        (
            "data after trailers",
            vec![req(1), plan(Kind::Trail, 1), plan(Kind::Data, 1)],
            "Data on stream 1: nothing may follow the end",
        ),
        (
            "never opened",
            vec![req(1), plan(Kind::Data, 2)],
            "Data on stream 2: the stream was never opened",
        ),
        ("data on 0", vec![plan(Kind::Data, 0)], "Data on stream 0: the stream was never opened"),
        (
            "credit for none",
            vec![plan(Kind::Win, 3)],
            "Win on stream 3: the stream was never opened",
        ),
        (
            "reset of none",
            vec![plan(Kind::Reset, 3)],
            "Reset on stream 3: the stream was never opened",
        ),
        (
            "an answer to the answerer",
            vec![req(1), plan(Kind::Rsp, 1).code(200)],
            "Rsp on stream 1: only the side that was asked answers",
        ),
        (
            "a reply to the answerer",
            vec![req(1), plan(Kind::Reply, 1)],
            "Reply on stream 1: a reserved kind has no use in this version",
        ),
        (
            "more than the window at once",
            vec![req(1).body(&body(WINDOW + 1))],
            "stream 1 sent more than its credit",
        ),
        (
            "more than the window in pieces",
            vec![req(1).body(&body(WINDOW)), plan(Kind::Data, 1).body(b"x")],
            "stream 1 sent more than its credit",
        ),
    ];
    for (name, plans, said) in table {
        assert_eq!(rule(Streams::answerer(Some(WINDOW)), name, &plans), said, "{name}");
    }
}

#[test]
fn an_opener_names_the_rule_that_its_answerer_breaks() {
    let rsp = |code| plan(Kind::Rsp, 1).code(code);
    let table: Vec<Row> = vec![
        (
            "opens",
            vec![plan(Kind::Req, 1)],
            "Req on stream 1: only the gateway's side opens streams",
        ),
        (
            "calls",
            vec![plan(Kind::Call, 9)],
            "Call on stream 9: a reserved kind has no use in this version",
        ),
        (
            "never opened",
            vec![plan(Kind::Rsp, 2).code(200)],
            "Rsp on stream 2: the stream was never opened",
        ),
        (
            "answer on 0",
            vec![plan(Kind::Rsp, 0).code(200)],
            "Rsp on stream 0: the stream was never opened",
        ),
        ("status 0", vec![rsp(0)], "status 0 is not within 100 to 599"),
        ("status 99", vec![rsp(99)], "status 99 is not within 100 to 599"),
        ("status 600", vec![rsp(600)], "status 600 is not within 100 to 599"),
        ("two answers", vec![rsp(200), rsp(200)], "Rsp on stream 1: a stream has one final answer"),
        (
            "interim after final",
            vec![rsp(200), rsp(103)],
            "Rsp on stream 1: a stream has one final answer",
        ),
        (
            "a reply for an answer",
            vec![plan(Kind::Reply, 1).flags(END)],
            "Reply on stream 1: a reserved kind has no use in this version",
        ),
        (
            "an event before the answer",
            vec![plan(Kind::Event, 1)],
            "Event on stream 1: a reserved kind has no use in this version",
        ),
        (
            "a message after the answer",
            vec![rsp(200), plan(Kind::Msg, 1).flags(END)],
            "Msg on stream 1: a reserved kind has no use in this version",
        ),
        (
            "free before the end",
            vec![rsp(200), plan(Kind::Free, 1)],
            "Free on stream 1: nobody is free before the end of the answer",
        ),
        (
            "free of none",
            vec![plan(Kind::Free, 2)],
            "Free on stream 2: the stream was never opened",
        ),
        (
            "interim that ends",
            vec![rsp(103).flags(END)],
            "Rsp on stream 1: an interim answer does not end a stream",
        ),
        (
            "body first",
            vec![plan(Kind::Data, 1)],
            "Data on stream 1: body before the final answer's head",
        ),
        (
            "body after interim",
            vec![rsp(100), plan(Kind::Data, 1)],
            "Data on stream 1: body before the final answer's head",
        ),
        (
            "trailers first",
            vec![plan(Kind::Trail, 1)],
            "Trail on stream 1: body before the final answer's head",
        ),
        (
            "data after the end",
            vec![rsp(200).flags(END), plan(Kind::Data, 1)],
            "Data on stream 1: nothing may follow the end",
        ),
        (
            "more than the window",
            vec![rsp(200).body(&body(WINDOW - 1)), plan(Kind::Data, 1).body(b"xx")],
            "stream 1 sent more than its credit",
        ),
    ];
    for (name, plans, said) in table {
        let mut streams = Streams::opener(Some(WINDOW));
        assert_eq!(streams.open(), Some(1));
        assert_eq!(rule(streams, name, &plans), said, "{name}");
    }
}

#[test]
fn frames_of_a_finished_stream_are_late_and_not_wrong() {
    let mut opener = Streams::opener(None);
    opener.open();
    opener.sent(1, 0, true);
    let end = Plan::new(Kind::Rsp, 1).code(200).flags(END).frame();
    assert_eq!(opener.handle(&end), Ok(Event::Deliver { ended: true }));
    assert!(opener.is_empty());
    let late = [
        plan(Kind::Rsp, 1).code(200),
        plan(Kind::Data, 1).body(b"x"),
        plan(Kind::Trail, 1),
        plan(Kind::Win, 1).aux(5),
        plan(Kind::Reset, 1).code(Reset::AppError as u16),
    ];
    for plan in late {
        assert_eq!(opener.handle(&plan.frame()), Ok(Event::Late), "{plan:?}");
    }
}

#[test]
fn a_reset_of_stream_0_says_what_was_not_started() {
    let mut opener = Streams::opener(None);
    while opener.open().is_some_and(|stream| stream < 3) {}
    let goaway = plan(Kind::Reset, 0).code(Reset::Draining as u16).aux(1).frame();
    assert_eq!(opener.handle(&goaway), Ok(Event::GoAway { last: 1 }));
    assert_eq!(opener.ids().collect::<Vec<_>>(), [1, 2, 3], "its caller decides about each");
}

#[test]
fn credit_from_the_other_side_cannot_overflow() {
    let mut opener = Streams::opener(Some(WINDOW));
    opener.open();
    for _ in 0..1000 {
        let win = plan(Kind::Win, 1).aux(u32::MAX).frame();
        assert_eq!(opener.handle(&win), Ok(Event::Credited));
    }
    assert_eq!(opener.credit(1), WINDOW as usize + 1000 * u32::MAX as usize);
}

#[test]
fn the_last_stream_id_is_used_once() {
    let mut answerer = Streams::answerer(None);
    let last = plan(Kind::Req, u32::MAX).flags(END).frame();
    assert_eq!(answerer.handle(&last), Ok(Event::Opened { ended: true }));
    assert!(answerer.handle(&last).is_err());
}

#[test]
fn an_answerer_is_free_after_its_end_whatever_the_opener_did_to_the_stream() {
    let mut opener = Streams::opener(None);
    opener.open();
    let end = Plan::new(Kind::Rsp, 1).code(200).flags(END | flags::HOLD).frame();
    assert_eq!(opener.handle(&end), Ok(Event::Deliver { ended: true }));
    let free = plan(Kind::Free, 1).aux(7).frame();
    assert_eq!(opener.handle(&free), Ok(Event::Free { cost_us: 7 }));
    opener.open();
    opener.reset(2);
    let free = plan(Kind::Free, 2).frame();
    assert_eq!(opener.handle(&free), Ok(Event::Free { cost_us: 0 }));
    assert!(Streams::answerer(None).handle(&free).is_err(), "the opener is never asked");
}

#[test]
fn a_side_that_ended_has_no_credit_and_grants_none_to_one_that_did() {
    let mut opener = Streams::opener(Some(WINDOW));
    opener.open();
    assert_eq!(opener.credit(1), WINDOW as usize);
    opener.sent(1, 0, true);
    assert_eq!(opener.credit(1), 0);
    let mut answerer = Streams::answerer(Some(WINDOW));
    answerer.handle(&plan(Kind::Req, 1).body(&body(WINDOW)).flags(END).frame()).unwrap();
    assert_eq!(answerer.consumed(1, WINDOW as usize), None, "nobody would use it");
}

#[test]
fn trailers_are_an_end_without_the_flag() {
    assert!(plan(Kind::Trail, 1).frame().is_end());
    assert!(plan(Kind::Data, 1).flags(END).frame().is_end());
    assert!(!plan(Kind::Data, 1).frame().is_end());
}

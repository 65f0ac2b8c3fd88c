//! Frames survive the way through bytes, however the bytes arrive.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::BytesMut;
use ostler_wire::{
    Builder, Decoder, FRAME_CAP, FRAME_MAX, Fields, HEADER, Kind, flags, valid_value,
};
use proptest::prelude::*;
use support::{Plan, any_plan, decode, raw};

mod support;

/// A type that no version knows.
const UNKNOWN: u8 = 0x7f;

/// A conversation with a head, a body, both, neither, and types to skip in between.
fn conversation() -> Vec<u8> {
    let mut request = Plan::new(Kind::Req, 1).flags(flags::END).body(b"hello");
    request.head = vec![(b"A".to_vec(), b"1".to_vec()), (b"B".to_vec(), Vec::new())];
    let plans = [
        Plan::new(Kind::Ping, 0).aux(7),
        request,
        Plan::new(Kind::Rsp, 1).code(204).flags(flags::END),
        Plan::new(Kind::Data, 1).body(b"some more"),
    ];
    let mut out = Vec::new();
    for plan in &plans {
        out.extend(plan.bytes());
        out.extend(raw(3, UNKNOWN, 0, 99, b"???"));
    }
    out.extend(raw(0, UNKNOWN, 0, 0, b""));
    out
}

#[test]
fn every_split_into_two_gives_the_same_frames() {
    let bytes = conversation();
    let whole = decode(&[&bytes]).unwrap();
    assert_eq!(whole.len(), 4, "the types to skip are skipped");
    for at in 0..=bytes.len() {
        let (one, two) = bytes.split_at(at);
        assert_eq!(decode(&[one, two]).unwrap(), whole, "split at {at}");
    }
}

#[test]
fn every_split_into_three_gives_the_same_frames() {
    let bytes = conversation();
    let whole = decode(&[&bytes]).unwrap();
    for first in 0..=bytes.len() {
        for second in first..=bytes.len() {
            let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
            assert_eq!(decode(&pieces).unwrap(), whole, "split at {first} and {second}");
        }
    }
}

#[test]
fn bytes_that_come_one_at_a_time_give_the_same_frames() {
    let bytes = conversation();
    let pieces: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(decode(&pieces).unwrap(), decode(&[&bytes]).unwrap());
}

#[test]
fn the_end_of_the_stream_loses_nothing_only_between_frames() {
    let bytes = raw(3, UNKNOWN, 0, 0, b"???");
    for at in 0..=bytes.len() {
        let mut decoder = Decoder::new(FRAME_MAX);
        decoder.buffer().extend_from_slice(&bytes[..at]);
        assert_eq!(decoder.poll_frame().unwrap(), None);
        assert_eq!(decoder.is_between_frames(), at == 0 || at == bytes.len(), "after {at} bytes");
    }
}

#[test]
fn a_decoder_holds_no_more_than_the_agreed_frame() {
    let mut decoder = Decoder::new(FRAME_CAP);
    decoder.buffer().extend_from_slice(&raw(FRAME_CAP, UNKNOWN, 0, 0, b""));
    for _ in 0..FRAME_CAP / 4096 {
        decoder.buffer().extend_from_slice(&[0; 4096]);
        assert_eq!(decoder.poll_frame().unwrap(), None);
        assert!(decoder.buffer().is_empty(), "what is skipped is not kept");
    }
    assert!(decoder.is_between_frames());
}

#[test]
fn a_frame_of_the_agreed_size_passes() {
    let plan = Plan::new(Kind::Data, 1).body(&vec![b'x'; FRAME_MAX as usize]);
    assert_eq!(plan.frame().body.len(), FRAME_MAX as usize);
}

#[test]
fn a_head_written_in_several_calls_is_one_head() {
    let mut out = BytesMut::from(&b"before"[..]);
    let builder = Builder::new(&mut out, Kind::Rsp, 1).fields(|f| {
        f.put(b"a", b"");
    });
    let builder = builder.fields(|_| ()).fields(|f| {
        f.put(b"b", b"2").put(b"c", b"");
    });
    let start = builder.body(b"");
    let frame = decode(&[&out[start..]]).unwrap().remove(0);
    let fields: Vec<_> = frame.fields().unwrap().collect();
    assert_eq!(fields, [(&b"a"[..], &b""[..]), (b"b", b"2"), (b"c", b"")]);
}

#[test]
fn a_value_can_be_written_in_pieces() {
    let mut out = BytesMut::new();
    let builder = Builder::new(&mut out, Kind::Rsp, 1).fields(|f| {
        f.put(b"a", b"").extend(&[b"1", b", ", b"2"]).put_parts(&[b"b", b"c"], &[b"3", b"4"]);
    });
    builder.body(b"");
    let frame = decode(&[&out]).unwrap().remove(0);
    let fields: Vec<_> = frame.fields().unwrap().collect();
    assert_eq!(fields, [(&b"a"[..], &b"1, 2"[..]), (b"bc", b"34")]);
}

#[test]
fn numbers_in_heads_are_digits() {
    let head = b"a\x0012\0b\0+1\0c\0\0d\0-1\0e\x0018446744073709551616\0f\0 1\0a\x0013";
    let fields = Fields::parse(head).unwrap();
    assert_eq!(fields.number("a"), Some(12), "the first of a name counts");
    for name in ["b", "c", "d", "e", "f", "g"] {
        assert_eq!(fields.number(name), None, "{name}");
    }
}

#[test]
fn text_in_heads_is_utf8_or_absent() {
    let fields = Fields::parse(b"a\0\xff\0b\0gr\xc3\xbcn").unwrap();
    assert_eq!((fields.text("a"), fields.text("b")), (None, Some("grün")));
    assert_eq!(fields.value(b"a"), Some(&b"\xff"[..]));
}

#[test]
fn no_value_may_hold_what_ends_a_value() {
    assert!(valid_value(b"") && valid_value(b"a b\t\xff"));
    for bad in [&b"\0"[..], b"a\rb", b"a\n"] {
        assert!(!valid_value(bad));
    }
}

#[test]
fn kinds_and_codes_name_each_other() {
    for code in 0..=u8::MAX {
        match Kind::from_code(code) {
            Some(kind) => assert_eq!(kind as u8, code),
            None => assert!(Kind::ALL.iter().all(|kind| *kind as u8 != code)),
        }
    }
}

proptest! {
    #[test]
    fn what_was_written_is_read(plans in proptest::collection::vec(any_plan(), 0..10)) {
        let mut out = BytesMut::new();
        plans.iter().for_each(|plan| plan.write(&mut out));
        let frames = decode(&[&out]).unwrap();
        prop_assert_eq!(frames.len(), plans.len());
        for (frame, plan) in frames.iter().zip(&plans) {
            let h = frame.header;
            prop_assert_eq!((h.kind, h.flags, h.code, h.stream), (plan.kind, plan.flags, plan.code, plan.stream));
            prop_assert_eq!(&frame.body[..], &plan.body[..]);
            prop_assert_eq!(h.len as usize, frame.head.len() + frame.body.len());
            let fields: Vec<_> = frame.fields().unwrap().map(|(n, v)| (n.to_vec(), v.to_vec())).collect();
            prop_assert_eq!(&fields, &plan.head);
            if !plan.kind.has_head() {
                prop_assert_eq!(h.aux, plan.aux);
            }
        }
    }

    #[test]
    fn any_split_gives_the_same_frames(
        plans in proptest::collection::vec(any_plan(), 1..6),
        skipped in proptest::collection::vec(0u8..200, 0..3),
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..20),
    ) {
        let mut out = BytesMut::new();
        for (index, plan) in plans.iter().enumerate() {
            plan.write(&mut out);
            if let Some(len) = skipped.get(index) {
                out.extend_from_slice(&raw((*len).into(), UNKNOWN, 0, 0, &vec![0; (*len).into()]));
            }
        }
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(out.len() + 1)).collect();
        cuts.extend([0, out.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &out[cut[0]..cut[1]]).collect();
        prop_assert_eq!(decode(&pieces).unwrap(), decode(&[&out]).unwrap());
    }

    #[test]
    fn no_bytes_panic_and_the_same_bytes_fail_the_same_way(
        bytes in proptest::collection::vec(prop_oneof![3 => 0u8..4, 1 => any::<u8>()], 0..200),
        at in any::<proptest::sample::Index>(),
    ) {
        let (one, two) = bytes.split_at(at.index(bytes.len() + 1));
        prop_assert_eq!(decode(&[one, two]), decode(&[&bytes]));
        if let Ok(fields) = Fields::parse(&bytes) {
            prop_assert!(fields.clone().count() <= bytes.len());
            let pairs: Vec<_> = fields.collect();
            let again = pairs.iter().flat_map(|(n, v)| [*n, *v]).collect::<Vec<_>>().join(&0);
            prop_assert_eq!(again, bytes);
        }
    }
}

#[test]
fn a_header_is_sixteen_little_endian_bytes() {
    let bytes =
        Plan::new(Kind::Ping, 0x0102_0304).flags(flags::END).code(0x0506).aux(0x0708_090a).bytes();
    assert_eq!(bytes[..], [0, 0, 0, 0, 0x44, 1, 6, 5, 4, 3, 2, 1, 0x0a, 9, 8, 7]);
    assert_eq!(bytes.len(), HEADER);
}

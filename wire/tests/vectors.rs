//! The committed vectors are what this codec reads and writes.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use bytes::BytesMut;
use ostler_wire::{Builder, Decoder, FRAME_MAX, FieldsWriter, Frame, Header, Kind, put_frame};
use serde_json::Value;

#[path = "../examples/vectors.rs"]
#[expect(dead_code, reason = "the example's main is not called here")]
mod generator;

const FILE: &str = include_str!("../vectors.txt");
/// Vectors that other programs were written by. A line is added when its frame goes out with a version, and none is ever changed.
const KEPT: &str = include_str!("vectors_kept.txt");

#[test]
fn every_vector_decodes_to_what_it_says() {
    for (name, bytes, said) in vectors() {
        let frame = decode(&bytes);
        assert_eq!(capitals(frame.header.kind), said["kind"], "{name}");
        assert_eq!(number(&said["flags"]), u64::from(frame.header.flags), "{name}");
        assert_eq!(number(&said["code"]), u64::from(frame.header.code), "{name}");
        assert_eq!(number(&said["stream"]), u64::from(frame.header.stream), "{name}");
        assert_eq!(latin1(&said["body"]), frame.body, "{name}");
        match pairs(&said) {
            Some(pairs) => {
                let fields = frame.fields().unwrap();
                let fields: Vec<_> = fields.map(|(n, v)| (n.to_vec(), v.to_vec())).collect();
                assert_eq!(fields, pairs, "{name}");
            }
            None => assert_eq!(number(&said["aux"]), u64::from(frame.header.aux), "{name}"),
        }
    }
}

#[test]
fn what_a_vector_says_encodes_to_its_bytes() {
    for (name, bytes, said) in vectors() {
        let kind = *Kind::ALL.iter().find(|kind| capitals(**kind) == said["kind"]).unwrap();
        let number = |key: &str| u32::try_from(number(&said[key])).unwrap();
        let (flags, code) = (number("flags") as u8, number("code") as u16);
        let (stream, body) = (number("stream"), latin1(&said["body"]));
        let mut out = BytesMut::new();
        match pairs(&said) {
            Some(pairs) => {
                let builder = Builder::new(&mut out, kind, stream).flags(flags).code(code);
                let put = |f: &mut FieldsWriter<'_>| {
                    for (name, value) in &pairs {
                        f.put(name, value);
                    }
                };
                builder.fields(put).body(&body);
            }
            None => {
                let header = Header { len: 0, kind, flags, code, stream, aux: number("aux") };
                put_frame(&mut out, header, &body);
            }
        }
        assert_eq!(out, bytes, "{name}");
    }
}

#[test]
fn every_kind_has_a_vector_and_no_name_is_used_twice() {
    let kinds: BTreeSet<_> =
        vectors().map(|(_, bytes, _)| decode(&bytes).header.kind as u8).collect();
    assert_eq!(kinds, Kind::ALL.iter().map(|kind| *kind as u8).collect());
    let names: BTreeSet<_> = vectors().map(|(name, ..)| name).collect();
    assert_eq!(names.len(), vectors().count());
}

#[test]
fn the_committed_file_is_what_the_example_writes() {
    assert!(
        generator::lines() == FILE,
        "write it anew: cargo run -p ostler-wire --example vectors > wire/vectors.txt"
    );
}

#[test]
fn vectors_that_went_out_stay_what_they_are() {
    let present: BTreeSet<_> = FILE.lines().collect();
    for line in KEPT.lines() {
        assert!(
            present.contains(line),
            "this is how others write it; add a vector instead: {line}"
        );
    }
}

fn vectors() -> impl Iterator<Item = (&'static str, Vec<u8>, Value)> {
    FILE.lines().map(|line| {
        let mut parts = line.splitn(3, '\t');
        let mut next = || parts.next().expect("three parts, with tabs between");
        (next(), hex(next()), serde_json::from_str(next()).unwrap())
    })
}

fn decode(bytes: &[u8]) -> Frame {
    let mut decoder = Decoder::new(FRAME_MAX);
    decoder.buffer().extend_from_slice(bytes);
    let frame = decoder.poll_frame().unwrap().expect("a whole frame");
    assert!(decoder.is_between_frames(), "a vector is one frame");
    frame
}

fn pairs(said: &Value) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let pairs = said["head"].as_array()?;
    Some(pairs.iter().map(|pair| (latin1(&pair[0]), latin1(&pair[1]))).collect())
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

fn latin1(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    text.chars().map(|c| u8::try_from(u32::from(c)).expect("characters are bytes")).collect()
}

fn hex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

fn capitals(kind: Kind) -> String {
    format!("{kind:?}").to_uppercase()
}

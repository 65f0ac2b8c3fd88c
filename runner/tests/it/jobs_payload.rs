//! Payloads that a runner pulls before it starts a job.

use std::fs;

use data_encoding::HEXLOWER;
use ostler_wire::Kind;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    gateway::RunnerLink,
    jobs_link::{Jobs, key, shell_with},
};

/// Bytes of three pieces, the last one short, and their name.
fn payload() -> (Vec<u8>, String) {
    let bytes: Vec<u8> = (0..600_000_u32).map(|n| (n % 251) as u8).collect();
    let name = HEXLOWER.encode(&Sha256::digest(&bytes));
    (bytes, name)
}

fn job(job: u64, name: &str) -> Value {
    let stdin = json!({ "payload": { "sha256": name, "bytes": 600_000 } });
    shell_with(job, "sha256sum", &json!({ "stdin": stdin }))
}

/// Waits for the question about the piece at an offset and answers it.
fn answer(link: &mut RunnerLink, name: &str, offset: usize, bytes: &[u8], last: &[u8]) {
    let asked = link.expect(Kind::Pull, |_| true);
    let fields = asked.fields().unwrap();
    assert_eq!((fields.text(":what"), fields.text(":id")), (Some("payload"), Some(name)));
    assert_eq!(fields.number(":offset"), Some(offset as u64));
    link.send_with(
        Kind::Piece,
        |f| {
            f.put(b":what", b"payload").put(b":id", name.as_bytes());
            f.put(b":offset", offset.to_string().as_bytes());
            if !last.is_empty() {
                f.put(last, b"1");
            }
        },
        bytes,
    );
}

#[test]
fn a_payload_comes_in_pieces_is_shared_and_removed_after_the_last_job() {
    let (jobs, mut link) = Jobs::start();
    let (bytes, name) = payload();
    link.run(&[job(1, &name), job(2, &name)]);
    answer(&mut link, &name, 0, &bytes[..262_144], b"");
    // The next gateway is asked for the rest.
    drop(link);
    let mut link = jobs.gateway.accept();
    link.beat(|_, keys| *keys == json!([key(1), key(2)]));
    answer(&mut link, &name, 262_144, &bytes[262_144..524_288], b"");
    answer(&mut link, &name, 524_288, &bytes[524_288..], b":end");
    let file = jobs.place.path("state/payloads").join(&name);
    let mut ended = Vec::new();
    for _ in 0..2 {
        let finished = link.report_that(|r| r["report"] == "finished");
        assert_eq!(finished["log"]["head"], format!("{name}  -\n"));
        ended.push(finished["key"].clone());
    }
    link.settle(0, &ended[..1]);
    link.beat(|_, keys| *keys == json!(ended[1..]));
    assert!(file.exists());
    link.settle(0, &ended[1..]);
    link.beat(|_, keys| *keys == json!([]));
    assert!(fs::read_dir(jobs.place.path("state/payloads")).unwrap().next().is_none());
}

#[test]
fn a_payload_that_is_gone_or_damaged_ends_the_attempt_with_the_reason() {
    let (_jobs, mut link) = Jobs::start();
    let (bytes, name) = payload();
    link.run(&[job(1, &name)]);
    answer(&mut link, &name, 0, b"", b":gone");
    assert_detail(&link.finished(1), "does not have the payload");
    link.run(&[job(2, &name)]);
    answer(&mut link, &name, 0, &bytes[..1000], b":end");
    assert_detail(&link.finished(2), "was damaged on its way");
    link.run(&[job(3, "../../etc/passwd")]);
    assert_detail(&link.finished(3), "is no SHA-256");
}

#[test]
fn a_job_that_waits_for_its_payload_can_be_killed() {
    let (_jobs, mut link) = Jobs::start();
    let (_, name) = payload();
    link.run(&[job(1, &name)]);
    link.expect(Kind::Pull, |_| true);
    link.steer(&key(1), "kill");
    let finished = link.finished(1);
    assert_eq!(finished["ending"], json!({ "reason": "killed" }));
    assert!(finished["started_at"].is_null());
}

fn assert_detail(finished: &Value, detail: &str) {
    let ending = &finished["ending"];
    let said = ending["detail"].as_str().unwrap();
    assert!(ending["reason"] == "unstartable" && said.contains(detail), "{ending}");
}

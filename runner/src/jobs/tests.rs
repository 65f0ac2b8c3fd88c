//! What a runner keeps of its attempts, without processes.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use ostler_job::{
    JobId,
    durable::{AttemptKey, Fence, Payload, Reason, Start},
};
use ostler_module::Observer as _;
use ostler_wire::{Decoder, FRAME_MAX, FieldsWriter, Frame, Kind};

use super::{Attempts, Drain, Live, ended_unstarted, payloads::Payloads, pulls::Pulls};
use crate::{config::Config, frames::frame, host::Host};

fn key(job: u64) -> AttemptKey {
    AttemptKey { job: JobId(job), attempt: 1, fence: Fence(job) }
}

fn received(kind: Kind, fields: &[(&[u8], &[u8])], body: &[u8]) -> Frame {
    let write = |f: &mut FieldsWriter<'_>| {
        for (name, value) in fields {
            f.put(name, value);
        }
    };
    let mut decoder = Decoder::new(FRAME_MAX);
    let out: BytesMut = frame(kind, 0, 0, write, body).as_ref().into();
    decoder.buffer().extend_from_slice(&out);
    decoder.poll_frame().unwrap().unwrap()
}

/// The jobs of a runner in this folder, of which these run.
fn jobs(state: &std::path::Path, live: &[u64]) -> Attempts {
    let config = serde_json::json!({
        "name": "r", "link": { "Local": "/none" }, "apps": [], "state": state, "orphan_grace": null
    });
    let config: Config = serde_json::from_value(config).unwrap();
    let host = Host { launcher: "/bin/false".into(), cpus: 1 };
    ostler_private::folder(state).unwrap();
    let mut jobs = Attempts::new(&config, &host).unwrap();
    jobs.live = live
        .iter()
        .map(|&job| (key(job), Live { module: "shell", ..Live::default() }))
        .collect::<BTreeMap<_, _>>();
    jobs
}

/// Its command failed, perhaps because somebody ended it together with the runner.
fn suspect(jobs: &Attempts, job: u64) {
    jobs.inbox.suspect(ended_unstarted(key(job), Reason::Signal, None));
}

fn ends(jobs: &Attempts) -> Vec<(u64, Reason)> {
    let finished = jobs.unsettled.values().filter_map(super::finish_of);
    finished.map(|finish| (finish.key.job.0, finish.ending.reason)).collect()
}

#[test]
fn an_end_beside_the_runners_own_is_no_failure_unless_somebody_wanted_it() {
    let state = tempfile::tempdir().unwrap();
    let mut jobs = jobs(state.path(), &[1, 2]);
    jobs.live.get_mut(&key(2)).unwrap().kill_wanted = true;
    suspect(&jobs, 1);
    suspect(&jobs, 2);
    jobs.drain = Drain::Until(Instant::now() + Duration::from_secs(60));
    jobs.take_reports();
    assert_eq!(ends(&jobs), [(1, Reason::Lost), (2, Reason::Signal)]);
}

#[test]
fn a_signal_that_the_runner_lived_through_explains_only_the_ends_beside_it() {
    let state = tempfile::tempdir().unwrap();
    let mut jobs = jobs(state.path(), &[1, 2]);
    jobs.note_signal();
    suspect(&jobs, 1);
    jobs.take_reports();
    assert_eq!(ends(&jobs), [(1, Reason::Lost)]);
    // As if it had come long ago, and the end had been held back for long enough.
    let long_ago = Instant::now().checked_sub(Duration::from_secs(5));
    jobs.signalled_at = long_ago;
    suspect(&jobs, 2);
    jobs.take_reports();
    assert_eq!(jobs.suspects.len(), 1, "the runner's own end may be on its way");
    jobs.suspects[0].0 = long_ago.unwrap();
    jobs.take_reports();
    assert_eq!(ends(&jobs), [(1, Reason::Lost), (2, Reason::Signal)]);
}

#[test]
fn a_piece_that_was_not_asked_for_is_not_put_into_a_payload() {
    let folder = tempfile::tempdir().unwrap();
    let mut payloads = Payloads::new(folder.path().to_owned());
    // Of "hello world".
    let name = "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9";
    let spec = serde_json::json!({ "work": { "module": "noop" }, "identity": "x" });
    let start = Start { key: key(1), spec: serde_json::from_value(spec).unwrap() };
    let payload = Payload { sha256: name.into(), bytes: 11 };
    assert!(payloads.want(start, &payload).unwrap().is_none());
    let mut piece = |offset: &[u8], body: &[u8], is_end: bool| {
        let mut fields =
            vec![(&b":what"[..], &b"payload"[..]), (b":id", name.as_bytes()), (b":offset", offset)];
        fields.extend(is_end.then_some((&b":end"[..], &b"1"[..])));
        payloads.handle_piece(&received(Kind::Piece, &fields, body)).unwrap()
    };
    assert!(piece(b"0", b"hello ", false).is_none());
    // The same again, as after a link that was made anew, and one from further on.
    assert!(piece(b"0", b"hello ", false).is_none());
    assert!(piece(b"8", b"rld", true).is_none());
    let (starts, done) = piece(b"6", b"world", true).expect("it is whole");
    assert!(done.is_ok() && starts.len() == 1, "{done:?}");
    assert_eq!(std::fs::read(folder.path().join(name)).unwrap(), b"hello world");
}

#[test]
fn questions_about_logs_have_a_bound() {
    let mut pulls = Pulls::default();
    let question = received(Kind::Pull, &[(b":what", b"log"), (b":id", b"1.1.1")], b"");
    let taken = (0..1_000_000).take_while(|_| pulls.ask(&question).is_ok()).count();
    assert_eq!(taken, 1 << 16);
}

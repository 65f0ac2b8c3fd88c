//! Payloads on their way to runners.

use ostler_job::durable::{Command, Input};
use ostler_store::Owner;

use super::*;

impl Link {
    /// What the gateway gives of a payload; `None`: there is none for this runner.
    fn pull(&mut self, sha256: &str) -> Option<Vec<u8>> {
        self.send(&Pull::new(what::PAYLOAD, sha256, 0, 100));
        self.given()
    }

    fn given(&mut self) -> Option<Vec<u8>> {
        let frame = self.next(Kind::Piece);
        let piece = Piece::of(&frame).unwrap();
        (!piece.is_gone).then(|| piece.bytes.to_vec())
    }
}

#[tokio::test]
async fn a_payload_is_given_to_the_runner_that_has_its_job_and_to_no_other() {
    let bench = Bench::new();
    let mut upload = bench.jobs.files.upload(Owner::default()).unwrap();
    upload.write(b"secret").unwrap();
    let payload = upload.finish().unwrap();
    let sha256 = payload.sha256.clone();
    let (mut link, mut evil) = (Link::up(&bench, "a"), Link::up(&bench, "evil"));
    link.beat(&[]);
    let command = Command {
        argv: vec!["cat".into()],
        stdin: Input::Payload(payload),
        ..serde_json::from_str(r#"{"argv": []}"#).unwrap()
    };
    let spec = Spec { work: Work::Shell(Box::new(command)), ..spec() };
    assert_eq!(link.pull(&sha256), None, "there is no job yet");
    let new = NewJob { spec: spec.into(), paused: false, delayed: false, done_before: None };
    bench.jobs.submit("test", None, vec![new], true).await.map_err(|it| it.0).unwrap();
    let key = link.run();
    assert_eq!(link.pull(&sha256).as_deref(), Some(&b"secret"[..]));
    assert_eq!(evil.pull(&sha256), None, "it knows the name, and no more");
    link.report(finished(key, 0));
    assert_eq!(link.settled(), (key, false));
    assert_eq!(link.pull(&sha256), None, "it needs it no more");
}

/// A gateway that is out of descriptors, or whose disk fails for a moment, has it all the same.
#[tokio::test]
async fn a_payload_that_cannot_be_read_now_is_given_when_it_can_be() {
    let bench = Bench::new();
    let mut upload = bench.jobs.files.upload(Owner::default()).unwrap();
    upload.write(b"bytes").unwrap();
    let payload = upload.finish().unwrap();
    let sha256 = payload.sha256.clone();
    let mut link = Link::up(&bench, "a");
    link.beat(&[]);
    let command = Command {
        argv: vec!["cat".into()],
        stdin: Input::Payload(payload),
        ..serde_json::from_str(r#"{"argv": []}"#).unwrap()
    };
    let spec = Spec { work: Work::Shell(Box::new(command)), ..spec() };
    let new = NewJob { spec: spec.into(), paused: false, delayed: false, done_before: None };
    bench.jobs.submit("test", None, vec![new], true).await.map_err(|it| it.0).unwrap();
    link.run();
    let folder = bench.state.path().join("files/payload").join(&sha256[..2]);
    let (path, aside) = (folder.join(&sha256), folder.join("aside"));
    std::fs::rename(&path, &aside).unwrap();
    // It opens, and reading fails.
    std::fs::create_dir(&path).unwrap();
    link.send(&Pull::new(what::PAYLOAD, &sha256, 0, 100));
    // One that is nowhere is answered at once, and after it.
    assert_eq!(link.pull(&"0".repeat(64)), None);
    std::fs::remove_dir(&path).unwrap();
    std::fs::rename(&aside, &path).unwrap();
    assert_eq!(link.given().as_deref(), Some(&b"bytes"[..]));
}

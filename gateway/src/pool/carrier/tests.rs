use std::{future::poll_fn, time::Duration};

use ostler_job::{Mono, Span};
use tokio::{
    io::AsyncReadExt,
    net::{UnixStream, unix::OwnedReadHalf},
};

use super::*;
use crate::pool::{
    drive::drive,
    passing::{Outgoing, Terms},
};

fn pool() -> Arc<Pool> {
    Arc::new(Pool::new(
        "app",
        &crate::config::App {
            queue_max: 10,
            tenant_queue_max: 10,
            tenant_slots_max: None,
            discipline: crate::config::Discipline::Fifo,
            prefetch_max: 8,
        },
        crate::metrics::Metrics::new().pool("app"),
    ))
}

fn job(more: bool) -> Arc<Passing> {
    let mut frame = BytesMut::new();
    let end = if more { 0 } else { flags::END };
    ostler_wire::Builder::new(&mut frame, Kind::Req, 0)
        .flags(end)
        .fields(|f| {
            f.put(b":queue_us", b"0000000000");
        })
        .body(&[]);
    let queue_us_at = frame.len() - 10;
    let terms = Terms {
        first_byte: Span::from_secs(60),
        progress: Span::from_secs(60),
        deadline: None,
        idempotent: false,
    };
    let outgoing = Outgoing { frame, queue_us_at, more, replayable: true };
    Arc::new(Passing::new(Pool::next_job(), pool(), Mono(0), terms, outgoing))
}

fn lane() -> (Arc<Carrier>, OwnedReadHalf, UnixStream) {
    let (ours, childs) = UnixStream::pair().unwrap();
    let (reader, writer) = ours.into_split();
    (Arc::new(Carrier::new("test".into(), Way::Lane(writer))), reader, childs)
}

#[tokio::test]
async fn a_large_body_reaches_a_child_that_reads_as_fast_as_it_comes() {
    let (carrier, reader, mut child) = lane();
    let driver = carrier.clone();
    let decoder = ostler_wire::Decoder::new(ostler_wire::FRAME_MAX);
    tokio::spawn(async move {
        drive(&driver, decoder, reader, None::<tokio::io::Empty>, |_, _| {}).await
    });
    let passing = job(true);
    assert!(carrier.start(&passing, clock::now()));
    let stream = passing.seat().unwrap().stream;
    let sending = tokio::spawn(async move {
        for _ in 0..64 {
            let mut piece = Bytes::from(vec![b'x'; 256 << 10]);
            poll_fn(|cx| carrier.poll_send(cx, stream, &mut piece, false)).await.unwrap();
        }
    });
    let mut received = 0;
    let mut buffer = vec![0; 1 << 20];
    let reading = async {
        while received < 64 * (256 << 10) {
            received += child.read(&mut buffer).await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(20), reading).await.expect("the body stalled");
    sending.await.unwrap();
}

#[tokio::test]
async fn jobs_behind_others_are_gathered_and_none_is_kept_from_an_idle_child() {
    let (carrier, _reader, child) = lane();
    let written = |carrier: &Carrier| carrier.lock().unsent == 0;
    let mut jobs = Vec::new();
    for n in 1..=AHEAD + GATHER {
        let passing = job(false);
        assert!(carrier.start(&passing, clock::now()));
        carrier.flush();
        jobs.push(passing);
        assert_eq!(written(&carrier), n <= AHEAD || n == AHEAD + GATHER, "after {n} jobs");
    }
    drop(child);
}

#[tokio::test]
async fn a_dead_child_has_started_at_most_the_oldest_job_that_was_written() {
    let (carrier, _reader, _child) = lane();
    let jobs: Vec<_> = (0..AHEAD + 2).map(|_| job(false)).collect();
    for passing in &jobs {
        assert!(carrier.start(passing, clock::now()));
        carrier.flush();
    }
    let (unstarted, started) = carrier.close();
    assert_eq!(started.len(), 1);
    assert_eq!(started[0].id, jobs[0].id);
    assert_eq!(unstarted.len(), AHEAD + 1);
    assert!(!carrier.start(&job(false), clock::now()), "nothing starts on a closed lane");
}

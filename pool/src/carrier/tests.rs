use std::{future::poll_fn, time::Duration};

use ostler_job::{Mono, Span};
use tokio::{
    io::AsyncReadExt,
    net::{UnixStream, unix::OwnedReadHalf},
};

use super::{
    withdraw::PATIENCE,
    write::{AHEAD, GATHER},
    *,
};
use crate::{
    drive::drive,
    passing::{Outgoing, ProbeReason, Terms},
};

fn pool() -> Arc<Pool> {
    Arc::new(Pool::new(
        "app",
        &crate::App {
            queue_max: 10,
            tenant_queue_max: 10,
            tenant_slots_max: None,
            discipline: crate::Discipline::Fifo,
            prefetch_max: 8,
        },
        crate::tests::counts(),
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
    lane_of(Concurrency::Sequential)
}

fn lane_of(concurrency: Concurrency) -> (Arc<Carrier>, OwnedReadHalf, UnixStream) {
    let (ours, childs) = UnixStream::pair().unwrap();
    let (reader, writer) = ours.into_split();
    (
        Arc::new(Carrier::new("test".into(), Transport::Lane(writer), concurrency, true)),
        reader,
        childs,
    )
}

#[tokio::test]
async fn a_child_that_takes_several_streams_has_them_at_once_and_each_has_a_window() {
    let (carrier, _reader, child) = lane_of(Concurrency::of(8));
    let jobs: Vec<_> = (0..8).map(|n| job(n == 0)).collect();
    for passing in &jobs {
        assert!(carrier.start(passing, clock::now()));
    }
    carrier.flush();
    let mut decoder = ostler_wire::Decoder::new(ostler_wire::FRAME_MAX);
    child.readable().await.unwrap();
    // A flush writes before it returns.
    while child.try_read_buf(decoder.buffer()).is_ok_and(|read| read > 0) {}
    let given = std::iter::from_fn(|| decoder.poll_frame().unwrap()).count();
    assert_eq!(given, 8, "also behind a body that has not ended");
    assert!(jobs.iter().all(|job| job.started_at().is_some()), "none waits for another");
    assert_eq!(carrier.relieve(clock::now() + Span::from_secs(60)).map(|it| it.stream), None);
    carrier.give_back(1, 8);
    assert_eq!(carrier.load(), 8, "nothing comes back of what has begun");
    // Its window bounds a body; another stream's is its own.
    let stream = jobs[0].assignment().unwrap().stream;
    let mut piece = Bytes::from(vec![b'x'; WINDOW as usize + 1]);
    let mut send = |carrier: &Arc<Carrier>| {
        let mut cx = Context::from_waker(Waker::noop());
        carrier.poll_send(&mut cx, stream, &mut piece, false).is_ready()
    };
    assert!(!send(&carrier), "a byte has no credit");
    let win = Header { aux: 1, ..header(Kind::Win, 0, 0, stream) };
    put_frame(decoder.buffer(), win, &[]);
    carrier
        .handle_frames(&mut decoder, clock::now(), &mut Ended::default(), &mut Vec::new())
        .unwrap();
    assert!(send(&carrier));
    let (unstarted, started) = carrier.close();
    assert_eq!((unstarted.len(), started.len()), (0, 8), "it may have begun any");
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
    let stream = passing.assignment().unwrap().stream;
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
    let written = |carrier: &Carrier| carrier.lock().held.is_empty();
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

#[tokio::test]
async fn a_job_whose_body_the_child_did_not_read_has_started_whatever_was_taken_back_behind_it() {
    let (carrier, _reader, _child) = lane();
    let jobs = [job(true), job(false)];
    put_all(&carrier, &jobs[..1], Mono(0));
    let mut body = Bytes::from(vec![b'x'; 320 << 10]);
    poll_fn(|cx| carrier.poll_send(cx, 1, &mut body, true)).await.unwrap();
    put_all(&carrier, &jobs[1..], Mono(0));
    assert_eq!(carrier.withdraw(2, 2, Mono(1)).len(), 1);
    let (unstarted, started) = carrier.close();
    assert_eq!((unstarted.len(), started.len()), (0, 1), "it would run twice");
}

/// Puts frames of the child before the carrier; what they ended.
fn hear(carrier: &Arc<Carrier>, now: Mono, frames: &[(Kind, u8, u16, u32, u32)]) -> Ended {
    try_hear(carrier, now, frames).unwrap()
}

fn try_hear(
    carrier: &Arc<Carrier>,
    now: Mono,
    frames: &[(Kind, u8, u16, u32, u32)],
) -> Result<Ended, ostler_wire::WireError> {
    let mut decoder = ostler_wire::Decoder::new(ostler_wire::FRAME_MAX);
    for &(kind, flags, code, stream, aux) in frames {
        put_frame(decoder.buffer(), Header { len: 0, kind, flags, code, stream, aux }, &[]);
    }
    let mut ended = Ended::default();
    carrier.handle_frames(&mut decoder, now, &mut ended, &mut Vec::new())?;
    Ok(ended)
}

fn put_all(carrier: &Arc<Carrier>, jobs: &[Arc<Passing>], now: Mono) {
    for passing in jobs {
        assert!(carrier.start(passing, now));
    }
    carrier.flush();
}

const HELD_END: u8 = flags::END | flags::HOLD;

#[tokio::test]
async fn a_child_is_free_after_close_and_not_with_the_end_of_its_answer() {
    let (carrier, _reader, _child) = lane();
    let jobs = [job(false), job(false)];
    let at = |ms| Mono(0) + Span::from_millis(ms);
    put_all(&carrier, &jobs, at(0));
    let ended = hear(&carrier, at(1), &[(Kind::Rsp, HELD_END, 200, 1, 0)]);
    assert!(ended.is_empty(), "the app is in close()");
    assert!(jobs[0].is_ended(), "its client has the whole answer");
    assert_eq!(jobs[1].started_at(), None);
    let ended = hear(&carrier, at(31), &[(Kind::Free, 0, 0, 1, 30_000)]);
    assert_eq!(ended.finished.len(), 1);
    assert_eq!(ended.finished[0].1, Span::from_millis(30), "close() is part of the run");
    assert_eq!(jobs[1].started_at(), Some(at(31)), "its time begins when it can be begun");
}

#[tokio::test]
async fn a_stream_that_was_given_up_frees_its_child_like_any_other() {
    let (carrier, _reader, _child) = lane();
    for (last, code) in [(Kind::Rsp, 200), (Kind::Reset, Reset::AppError as u16)] {
        let passing = job(false);
        put_all(&carrier, std::slice::from_ref(&passing), Mono(0));
        let stream = passing.assignment().unwrap().stream;
        passing.fail(passing::Failure::from(ostler_job::Termination::GoneRunning));
        carrier.reset(stream, Reset::ClientGone);
        assert!(hear(&carrier, Mono(1), &[(last, HELD_END, code, stream, 0)]).is_empty());
        let ended = hear(&carrier, Mono(2), &[(Kind::Free, 0, 0, stream, 0)]);
        assert_eq!(ended.finished.len(), 1);
    }
}

#[tokio::test]
async fn an_error_is_told_before_close_is_over() {
    let (carrier, _reader, _child) = lane();
    let passing = job(false);
    put_all(&carrier, std::slice::from_ref(&passing), Mono(0));
    let reset = (Kind::Reset, flags::HOLD, Reset::AppError as u16, 1, 0);
    assert!(hear(&carrier, Mono(1), &[reset]).is_empty());
    assert!(passing.has_failed());
    assert_eq!(hear(&carrier, Mono(2), &[(Kind::Free, 0, 0, 1, 5)]).finished.len(), 1);
}

#[tokio::test]
async fn a_close_that_never_ends_is_overdue() {
    let (carrier, _reader, _child) = lane();
    let passing = job(false);
    put_all(&carrier, std::slice::from_ref(&passing), Mono(0));
    hear(&carrier, Mono(0), &[(Kind::Rsp, HELD_END, 200, 1, 0)]);
    assert!(!passing.becomes_overdue(Mono(0) + Span::from_secs(60)));
    assert!(passing.becomes_overdue(Mono(0) + Span::from_secs(61)));
}

#[tokio::test]
async fn the_highest_stream_is_named_again_when_its_time_was_up_before() {
    let (carrier, _reader, _child) = lane_of(Concurrency::of(3));
    let jobs = [job(false), job(false), job(false)];
    put_all(&carrier, &jobs, Mono(0));
    assert!(jobs[0].becomes_overdue(Mono(0) + Span::from_secs(61)));
    assert_eq!(carrier.highest_overdue(), None, "another one is shown");
    hear(&carrier, Mono(1), &[(Kind::Rsp, flags::END, 200, 3, 0)]);
    assert_eq!(carrier.highest_overdue(), None);
    hear(&carrier, Mono(1), &[(Kind::Rsp, flags::END, 200, 2, 0)]);
    assert_eq!(carrier.highest_overdue(), Some(1));
    let (turns, _reader, _child) = lane();
    let only = job(false);
    put_all(&turns, std::slice::from_ref(&only), Mono(0));
    assert!(only.becomes_overdue(Mono(0) + Span::from_secs(61)));
    assert_eq!(turns.highest_overdue(), None, "it was named when its child was at it");
}

#[tokio::test]
async fn what_waits_behind_a_run_is_not_overdue() {
    let (carrier, _reader, _child) = lane();
    let jobs = [job(false), job(false)];
    put_all(&carrier, &jobs, Mono(0));
    let late = Mono(0) + Span::from_secs(61);
    assert!(!jobs[1].becomes_overdue(late), "its child has not come to it");
    assert!(jobs[0].becomes_overdue(late));
    hear(&carrier, late, &[(Kind::Rsp, flags::END, 200, 1, 0)]);
    assert!(!jobs[1].becomes_overdue(late + Span::from_secs(60)));
    assert!(jobs[1].becomes_overdue(late + Span::from_secs(61)));
}

#[tokio::test]
async fn what_a_measuring_child_says_nothing_about_was_quick() {
    let (carrier, _reader, _child) = lane();
    let at = |ms| Mono(0) + Span::from_millis(ms);
    for (told, cost) in [(None, 500), (Some(120), 120), (Some(9_000_000), 40_000)] {
        let passing = job(false);
        put_all(&carrier, std::slice::from_ref(&passing), at(0));
        let stream = passing.assignment().unwrap().stream;
        let mut frames = vec![(Kind::Rsp, flags::END, 200, stream, 0)];
        if let Some(told) = told {
            frames = vec![(Kind::Rsp, HELD_END, 200, stream, 0), (Kind::Free, 0, 0, stream, told)];
        }
        let ended = hear(&carrier, at(40), &frames);
        assert_eq!(ended.finished[0].1, Span::from_micros(cost), "{told:?}");
    }
}

#[tokio::test]
async fn nothing_waits_behind_a_slow_run() {
    let (carrier, _reader, _child) = lane();
    let jobs: Vec<_> = (0..AHEAD + 2).map(|_| job(false)).collect();
    put_all(&carrier, &jobs, Mono(0));
    assert!(carrier.relieve(Mono(0) + PATIENCE).is_none(), "it is not slow yet");
    let stuck = carrier.relieve(Mono(1) + PATIENCE).unwrap();
    assert_eq!((stuck.stream, stuck.held.len(), stuck.last), (1, 2, Some(3)));
    let taken = carrier.withdraw(2, 3, Mono(8));
    let ids: Vec<_> = taken.iter().map(|job| job.id).collect();
    assert_eq!(ids, [jobs[1].id, jobs[2].id], "all but the one that runs");
    assert_eq!(carrier.load(), 1);
    let ended = hear(&carrier, Mono(9), &[(Kind::Rsp, flags::END, 200, 1, 0)]);
    assert_eq!(ended.finished.len(), 1);
    assert_eq!(carrier.load(), 0);
}

#[tokio::test]
async fn what_a_child_gave_back_is_taken_although_the_run_before_it_has_ended_meanwhile() {
    let (carrier, _reader, _child) = lane();
    let jobs: Vec<_> = (0..AHEAD).map(|_| job(false)).collect();
    put_all(&carrier, &jobs, Mono(0));
    hear(&carrier, Mono(2) + PATIENCE, &[(Kind::Rsp, flags::END, 200, 1, 0)]);
    assert!(jobs[1].started_at().is_some(), "it looks as if the child had it");
    assert_eq!(carrier.withdraw(2, 2, Mono(3) + PATIENCE).len(), 1);
    assert_eq!(jobs[2].started_at(), Some(Mono(3) + PATIENCE), "the next one's time begins");
    hear(&carrier, Mono(4) + PATIENCE, &[(Kind::Rsp, 0, 200, 3, 0)]);
    assert!(carrier.withdraw(3, 3, Mono(5) + PATIENCE).is_empty(), "it has answered");
}

#[tokio::test]
async fn what_a_child_had_never_begun_comes_back_and_what_it_will_not_get_with_it() {
    let (carrier, _reader, _child) = lane();
    let jobs: Vec<_> = (0..AHEAD + 1).map(|_| job(false)).collect();
    put_all(&carrier, &jobs, Mono(0));
    carrier.retire();
    let taken = carrier.withdraw(1, u32::MAX, Mono(1));
    assert_eq!(taken.len(), jobs.len());
    assert_eq!(carrier.load(), 0);
    let not_started = (Kind::Reset, 0, Reset::NotStarted as u16, 1, 0);
    assert!(hear(&carrier, Mono(2), &[not_started]).returned.is_empty(), "once");
}

#[tokio::test]
async fn a_body_that_is_under_way_does_not_come_back() {
    let (carrier, _reader, _child) = lane();
    let passing = job(true);
    put_all(&carrier, std::slice::from_ref(&passing), Mono(0));
    assert!(carrier.withdraw(1, 1, Mono(1)).is_empty());
}

#[tokio::test]
async fn a_body_is_not_sent_behind_another_request() {
    let (carrier, _reader, _child) = lane();
    let jobs = [job(false), job(true), job(false)];
    put_all(&carrier, &jobs, Mono(0));
    assert!(jobs[1].assignment().is_none(), "the child could not give it back");
    assert!(jobs[2].assignment().is_none(), "nor is it passed");
    hear(&carrier, Mono(1), &[(Kind::Rsp, flags::END, 200, 1, 0)]);
    carrier.flush();
    assert!(jobs[1].assignment().is_some());
    assert!(jobs[2].assignment().is_none(), "the body is under way");
}

#[tokio::test]
async fn a_child_that_gives_back_what_it_answered_is_not_believed() {
    let (carrier, _reader, _child) = lane();
    let passing = job(false);
    put_all(&carrier, std::slice::from_ref(&passing), Mono(0));
    hear(&carrier, Mono(1), &[(Kind::Rsp, 0, 200, 1, 0)]);
    let ended = hear(&carrier, Mono(1), &[(Kind::Reset, 0, Reset::Draining as u16, 0, 0)]);
    assert!(ended.returned.is_empty(), "the request ran");
    assert_eq!(ended.finished.len(), 1);
    assert!(passing.has_failed(), "its client hears that the answer breaks off");
}

#[tokio::test]
async fn a_job_is_given_back_by_few_children_that_could_have_run_it() {
    let passing = job(false);
    let given_back = |again: bool| {
        let (carrier, _reader, _child) = lane();
        put_all(&carrier, std::slice::from_ref(&passing), Mono(0));
        let reset = (Kind::Reset, 0, Reset::NotStarted as u16, 1, 0);
        let ended = hear(&carrier, Mono(1), &[reset]);
        assert_eq!(ended.returned.len(), usize::from(again));
        passing.returned();
    };
    (0..3).for_each(|_| given_back(true));
    given_back(false);
    assert!(passing.has_failed());
}

#[tokio::test]
async fn only_a_childs_death_counts_as_one_wherever_it_was() {
    let (carrier, _reader, _child) = lane();
    for (reason, deaths) in
        [(Reset::ChildDied, 1), (Reset::NotStarted, 0), (Reset::AppError, 0), (Reset::Deadline, 0)]
    {
        let passing = job(false);
        put_all(&carrier, std::slice::from_ref(&passing), Mono(0));
        let stream = passing.assignment().unwrap().stream;
        hear(&carrier, Mono(1), &[(Kind::Reset, 0, reason as u16, stream, 0)]);
        assert_eq!(passing.deaths(), deaths, "{reason:?}");
    }
}

#[tokio::test]
async fn a_child_that_refuses_everything_is_given_up() {
    let refused = |concurrency, answered: &[u32]| {
        let (carrier, _reader, _child) = lane_of(concurrency);
        (1..=40).find(|&stream| {
            put_all(&carrier, &[job(false)], Mono(0));
            let frame = match answered.contains(&stream) {
                true => (Kind::Rsp, flags::END, 200, stream, 0),
                false => (Kind::Reset, 0, Reset::NotStarted as u16, stream, 0),
            };
            try_hear(&carrier, Mono(1), &[frame]).is_err()
        })
    };
    let refusals = |answered: &[u32]| refused(Concurrency::Sequential, answered);
    assert_eq!(refusals(&[]), Some(11));
    // One that gives back all that it takes at once has not refused everything yet.
    assert_eq!(refused(Concurrency::of(8), &[]), Some(18));
    assert_eq!(refused(Concurrency::of(8), &[17, 34]), None);
    assert_eq!(refused(Concurrency::of(u32::MAX), &[]), None);
    assert_eq!(refused(Concurrency::LINK, &[]), None, "a runner says by its credit what it takes");
    assert_eq!(refusals(&[10, 20, 30]), None, "one that drains gives back what it was sent");
}

#[tokio::test]
async fn a_child_is_asked_about_until_it_answers_and_again_until_it_is_free() {
    let (carrier, _reader, _child) = lane();
    let at = |s: f64| Mono(0) + Span::from_millis((s * 1000.0) as u64);
    let passing = job(false);
    put_all(&carrier, std::slice::from_ref(&passing), at(0.0));
    let asked = |s| passing.is_to_be_asked_about(at(s));
    assert_eq!(
        [asked(0.25), asked(0.25), asked(0.5)],
        [Some(ProbeReason::Unanswered), None, Some(ProbeReason::Unanswered)]
    );
    hear(&carrier, at(3.0), &[(Kind::Rsp, 0, 200, 1, 0)]);
    assert_eq!(asked(30.0), None, "it answers");
    hear(&carrier, at(30.0), &[(Kind::Data, HELD_END, 0, 1, 0)]);
    assert_eq!(
        [asked(30.0), asked(31.0), asked(32.0)],
        [None, Some(ProbeReason::Over), Some(ProbeReason::Over)]
    );
    hear(&carrier, at(33.0), &[(Kind::Free, 0, 0, 1, 1)]);
    passing.over();
    assert_eq!(asked(90.0), None, "it is free");
}

#[tokio::test]
async fn reserved_kinds_break_the_protocol() {
    for kind in [Kind::Call, Kind::Reply, Kind::Event, Kind::Msg, Kind::Tun] {
        let (carrier, _reader, _child) = lane();
        put_all(&carrier, &[job(false)], Mono(0));
        assert!(try_hear(&carrier, Mono(1), &[(kind, flags::END, 0, 1, 0)]).is_err(), "{kind:?}");
    }
}

#[tokio::test]
#[should_panic(expected = "a closed carrier has no jobs")]
async fn a_job_that_a_closed_carrier_has_is_noticed() {
    let (carrier, _reader, _child) = lane();
    let mut inner = carrier.lock();
    inner.closed = true;
    inner.check_invariants();
    inner.held.push_back(job(false));
    inner.check_invariants();
}

#[tokio::test]
#[should_panic(expected = "is open for a job")]
async fn a_stream_without_a_job_is_noticed() {
    let (carrier, _reader, _child) = lane();
    assert!(carrier.start(&job(false), Mono(0)));
    let mut inner = carrier.lock();
    inner.check_invariants();
    inner.jobs.clear();
    inner.check_invariants();
}

mod timeouts;

use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use ostler_wire::{Builder, Frame, Header, Kind, flags};
use tokio::net::UnixStream;

use super::{
    carrier::{Concurrency, Transport},
    passing::{Outgoing, Terms},
    *,
};

/// Counters of nobody's registry.
pub(crate) fn counts() -> PoolCounts {
    let decisions = prometheus::HistogramOpts::new("decisions", "-");
    PoolCounts {
        retries: prometheus::IntCounter::new("retries", "-").unwrap(),
        decisions: prometheus::Histogram::with_opts(decisions).unwrap(),
    }
}

fn pool() -> Arc<Pool> {
    pool_that_prefetches(0)
}

fn pool_that_prefetches(prefetch_max: u32) -> Arc<Pool> {
    let app = App {
        queue_max: 10,
        tenant_queue_max: 10,
        tenant_slots_max: None,
        discipline: Discipline::Promise,
        prefetch_max,
    };
    Arc::new(Pool::new("app", &app, counts()))
}

fn job(pool: &Arc<Pool>, deadline: Option<Mono>) -> Arc<Passing> {
    job_of(pool, deadline, true)
}

fn job_of(pool: &Arc<Pool>, deadline: Option<Mono>, idempotent: bool) -> Arc<Passing> {
    job_with(pool, (deadline, idempotent), (false, true))
}

fn job_with(
    pool: &Arc<Pool>,
    (deadline, idempotent): (Option<Mono>, bool),
    (more, replayable): (bool, bool),
) -> Arc<Passing> {
    let mut frame = BytesMut::new();
    let head = Builder::new(&mut frame, Kind::Req, 0).flags(flags::END);
    head.fields(|f| {
        f.put(b":queue_us", b"0000000000");
    })
    .body(&[]);
    let queue_us_at = frame.len() - 10;
    let minute = Span::from_secs(60);
    let terms = Terms { first_byte: minute, progress: minute, deadline, idempotent };
    let outgoing = Outgoing { frame, queue_us_at, more, replayable };
    Arc::new(Passing::new(Pool::next_job(), pool.clone(), Mono(0), terms, outgoing))
}

fn enter(pool: &Arc<Pool>, passing: &Arc<Passing>) {
    let expires = clock::now() + Span::from_secs(60);
    let entry = Entry { tenant: b"a", weight: 1, within: Span::from_secs(1), expires };
    pool.enter(passing, &entry);
}

fn lane(pool: &Arc<Pool>) -> (Arc<Carrier>, SupplierId, UnixStream) {
    let (ours, childs) = UnixStream::pair().unwrap();
    let (_reader, writer) = ours.into_split();
    let carrier = Arc::new(Carrier::new(
        "test".into(),
        Transport::Lane(writer),
        Concurrency::Sequential,
        false,
    ));
    let supplier = Pool::next_supplier();
    carrier.set_supplier(pool, supplier);
    pool.supply(supplier, &carrier, HostId(0), 1, false);
    (carrier, supplier, childs)
}

#[tokio::test]
async fn a_job_that_comes_back_after_its_client_left_is_forgotten() {
    let pool = pool();
    let (carrier, supplier, _child) = lane(&pool);
    let passing = job(&pool, None);
    enter(&pool, &passing);
    assert!(passing.assignment().is_some(), "the slot was free");
    passing.fail(Failure::from(Termination::GoneRunning));
    pool.leave(&passing, Reset::ClientGone);
    assert_eq!(pool.lock().jobs.len(), 1, "the child still has it");
    let _ = carrier.close();
    let failure = Failure::from(Termination::ChildDied);
    pool.supply_gone(supplier, vec![passing], Vec::new(), &failure);
    assert_eq!(pool.lock().jobs.len(), 0);
    assert_eq!(pool.load().0, 0, "it does not wait for a second child");
}

#[tokio::test]
async fn a_job_that_was_not_started_waits_for_the_next_child() {
    let pool = pool();
    let (carrier, supplier, _child) = lane(&pool);
    let passing = job(&pool, None);
    enter(&pool, &passing);
    let _ = carrier.close();
    let failure = Failure::from(Termination::ChildDied);
    pool.supply_gone(supplier, vec![passing.clone()], Vec::new(), &failure);
    assert_eq!(pool.load().0, 1);
    let (_carrier, _supplier, _child) = lane(&pool);
    assert!(passing.assignment().is_some(), "the new child has it");
}

#[tokio::test]
async fn a_job_that_nobody_wants_when_it_starts_is_given_up_in_the_same_breath() {
    let pool = pool();
    let passing = job(&pool, None);
    let (carrier, _supplier, child) = lane(&pool);
    passing.fail(Failure::from(Termination::GoneRunning));
    assert!(carrier.start(&passing, clock::now()));
    carrier.flush();
    child.readable().await.unwrap();
    let mut bytes = vec![0; 4096];
    let came = child.try_read(&mut bytes).unwrap();
    let mut decoder = ostler_wire::Decoder::new(ostler_wire::FRAME_MAX);
    decoder.buffer().extend_from_slice(&bytes[..came]);
    let kinds: Vec<_> = std::iter::from_fn(|| decoder.poll_frame().unwrap())
        .map(|frame| frame.header.kind)
        .collect();
    assert_eq!(kinds, [Kind::Req, Kind::Reset]);
}

#[tokio::test]
async fn only_a_job_that_ran_to_its_own_end_says_how_long_one_takes() {
    for failed in [true, false] {
        let pool = pool();
        let (_carrier, _supplier, _child) = lane(&pool);
        let passing = job(&pool, None);
        enter(&pool, &passing);
        let before = pool.lock().pace.estimate().p50;
        if failed {
            passing.fail(Failure::from(Termination::GoneRunning));
        }
        let finished = vec![(passing.clone(), Span::from_secs(1))];
        pool.settle(Ended { finished, ..Ended::default() }, clock::now());
        assert_eq!(pool.lock().pace.estimate().p50 == before, failed);
    }
}

#[tokio::test]
async fn a_child_that_dies_is_no_reason_to_run_a_request_twice() {
    let pool = pool();
    let (carrier, supplier, _child) = lane(&pool);
    let passing = job_of(&pool, None, false);
    enter(&pool, &passing);
    let (unstarted, started) = carrier.close();
    let failure = Failure::from(Termination::ChildDied);
    pool.supply_gone(supplier, unstarted, started, &failure);
    let (_carrier, _supplier, _child) = lane(&pool);
    assert!(passing.has_failed() && passing.assignment().is_none(), "its route is not idempotent");
    assert_eq!(pool.load(), (0, 0, Span::ZERO));
}

#[tokio::test]
async fn an_idempotent_request_gets_a_second_child_and_no_third() {
    let pool = pool();
    let passing = job(&pool, None);
    enter(&pool, &passing);
    for child in 0..2 {
        let (carrier, supplier, _child) = lane(&pool);
        assert!(passing.assignment().is_some(), "child {child} has it");
        let (unstarted, started) = carrier.close();
        let failure = Failure::from(Termination::ChildDied);
        pool.supply_gone(supplier, unstarted, started, &failure);
        assert_eq!(passing.has_failed(), child == 1);
    }
    assert_eq!(pool.load(), (0, 0, Span::ZERO));
}

#[tokio::test]
async fn a_carrier_that_starts_nothing_is_offered_nothing_more() {
    let pool = pool();
    let (closed, supplier, _child) = lane(&pool);
    let _ = closed.close();
    let passing = job(&pool, None);
    enter(&pool, &passing);
    assert_eq!(pool.load().0, 1, "it waits for a child that takes it");
    assert_eq!(pool.lock().suppliers[&supplier].slots, 0, "its slots are withdrawn");
    let (_carrier, _supplier, _child) = lane(&pool);
    assert!(passing.assignment().is_some());
}

/// The child ends a stream that it was not to begin.
fn refuse(pool: &Pool, carrier: &Arc<Carrier>, stream: u32) {
    let mut decoder = ostler_wire::Decoder::new(ostler_wire::FRAME_MAX);
    let code = Reset::NotStarted as u16;
    let header = Header { len: 0, kind: Kind::Reset, flags: 0, code, stream, aux: 0 };
    ostler_wire::put_frame(decoder.buffer(), header, &[]);
    let mut ended = Ended::default();
    carrier.handle_frames(&mut decoder, clock::now(), &mut ended, &mut Vec::new()).unwrap();
    pool.settle(ended, clock::now());
}

#[tokio::test]
async fn a_child_that_left_its_work_gets_no_other_before_it_is_heard_of() {
    let pool = pool();
    let (still, _, _child) = lane(&pool);
    let jobs = [job(&pool, None), job(&pool, None)];
    enter(&pool, &jobs[0]);
    let stream = jobs[0].assignment().expect("the slot was free").stream;
    still.give_back(stream, stream);
    enter(&pool, &jobs[1]);
    assert_eq!(pool.load().0, 2, "both wait: the only child does nothing");
    for looks in 1..3 {
        let quiet = pool.handle_time(clock::now() + Span::from_millis(200 * looks)).quiet;
        let asked: Vec<_> = quiet.into_iter().map(|(assignment, _)| assignment.stream).collect();
        assert_eq!(asked, [stream], "its runner goes on looking after it");
    }
    let (other, _, _child) = lane(&pool);
    let has = |passing: &Passing, carrier| {
        passing.assignment().is_some_and(|assignment| Arc::ptr_eq(&assignment.carrier, carrier))
    };
    assert!(has(&jobs[0], &other) && jobs[1].assignment().is_none());
    refuse(&pool, &still, stream);
    assert!(has(&jobs[1], &still), "it is heard of again");
    assert_eq!(pool.handle_time(clock::now() + Span::from_millis(240)).quiet.len(), 0);
}

#[tokio::test]
async fn a_job_that_failed_before_it_came_back_is_given_to_nobody() {
    let pool = pool();
    let (carrier, supplier, _child) = lane(&pool);
    let passing = job(&pool, None);
    enter(&pool, &passing);
    passing.fail(Failure::from(Termination::Deadline));
    let (_other, _supplier, _child) = lane(&pool);
    let _ = carrier.close();
    let failure = Failure::from(Termination::ChildDied);
    pool.supply_gone(supplier, vec![passing], Vec::new(), &failure);
    assert_eq!(pool.load(), (0, 0, Span::ZERO), "nobody wants it");
    assert_eq!(pool.lock().jobs.len(), 0);
}

/// What a child says about its stream.
fn said(kind: Kind, code: u16, body: usize) -> Frame {
    let header = Header { len: 0, kind, flags: 0, code, stream: 1, aux: 0 };
    Frame { header, head: Bytes::new(), body: Bytes::from(vec![b'x'; body]) }
}

#[test]
fn what_was_half_sent_and_cannot_be_sent_again_is_not_run_again() {
    let pool = pool();
    let may = |more, replayable| job_with(&pool, (None, true), (more, replayable)).may_run_again();
    assert!(may(false, true) && may(false, false) && may(true, true));
    assert!(!may(true, false), "its body is gone");
}

#[test]
fn an_interim_answer_is_not_the_answer_and_no_failure_comes_after_the_end() {
    let pool = pool();
    let passing = job(&pool, None);
    let mut cx = Context::from_waker(Waker::noop());
    passing.deliver(said(Kind::Rsp, 103, 0), false, clock::now());
    assert!(passing.poll_step(&mut cx).is_pending() && !passing.is_answered());
    passing.deliver(said(Kind::Rsp, 201, 0), true, clock::now());
    passing.fail(Failure::from(Termination::ChildDied));
    assert!(!passing.has_failed());
    let step = passing.poll_step(&mut cx);
    assert!(matches!(step, Poll::Ready(Ok(passing::Step::Answer(answer))) if answer.status == 201));
}

#[tokio::test]
async fn a_carrier_that_goes_tells_what_it_wrote_from_what_it_did_not() {
    let pool = pool();
    let (carrier, _supplier, _child) = lane(&pool);
    let passing = job(&pool, None);
    assert!(carrier.start(&passing, clock::now()));
    let (unstarted, started) = carrier.close();
    assert_eq!((unstarted.len(), started.len()), (1, 0), "nothing of it was written");
    let (carrier, _supplier, _child) = lane(&pool);
    carrier.retire();
    assert!(!carrier.start(&job(&pool, None), clock::now()), "it leaves");
}

#[tokio::test]
async fn a_child_is_read_no_faster_than_its_client_takes() {
    let pool = pool();
    let (carrier, _supplier, _child) = lane(&pool);
    let passing = job(&pool, None);
    assert!(carrier.start(&passing, clock::now()));
    let mut cx = Context::from_waker(Waker::noop());
    passing.deliver(said(Kind::Rsp, 200, 0), false, clock::now());
    assert!(!carrier.poll_paused(&cx));
    passing.deliver(said(Kind::Data, 0, carrier::PAUSE_AT + 1), false, clock::now());
    assert!(carrier.poll_paused(&cx));
    assert!(passing.poll_piece(&mut cx).is_ready());
    carrier.consumed(1, carrier::PAUSE_AT + 1, passing.pieces_bytes());
    assert!(!carrier.poll_paused(&cx));
}

#[tokio::test]
async fn a_lane_is_sent_nothing_ahead_while_a_run_on_it_is_slow_and_is_again_when_that_is_over() {
    let pool = pool_that_prefetches(8);
    for _ in 0..200 {
        pool.lock().pace.observe(Span::from_micros(20));
    }
    let (ours, _child) = UnixStream::pair().unwrap();
    let carrier = Arc::new(Carrier::new(
        "test".into(),
        Transport::Lane(ours.into_split().1),
        Concurrency::Sequential,
        true,
    ));
    let supplier = Pool::next_supplier();
    carrier.set_supplier(&pool, supplier);
    pool.supply(supplier, &carrier, HostId(0), 1, true);
    let jobs: Vec<_> = (0..4).map(|_| job(&pool, None)).collect();
    let is_sent = |n: usize| jobs[n].assignment().is_some();
    enter(&pool, &jobs[0]);
    enter(&pool, &jobs[1]);
    assert!(is_sent(0) && is_sent(1), "one runs, one is ahead");
    let later = clock::now() + Span::from_millis(50);
    let check = pool.lock().relieve(later);
    assert_eq!((check.ask.len(), check.again), (1, true));
    enter(&pool, &jobs[2]);
    assert!(!is_sent(2), "the one before it is slow");
    assert!(pool.lock().relieve(later).ask.is_empty(), "it was asked for");
    let end = |stream| {
        let mut decoder = ostler_wire::Decoder::new(ostler_wire::FRAME_MAX);
        let (kind, flags) = (Kind::Rsp, flags::END);
        let header = Header { len: 0, kind, flags, code: 200, stream, aux: 0 };
        ostler_wire::put_frame(decoder.buffer(), header, &[]);
        let mut ended = Ended::default();
        carrier.handle_frames(&mut decoder, later, &mut ended, &mut Vec::new()).unwrap();
        pool.settle(ended, later);
    };
    end(1);
    assert!(!is_sent(2), "nobody has looked");
    let effects = {
        let mut inner = pool.lock();
        assert!(inner.relieve(later).ask.is_empty());
        inner.drain(later)
    };
    pool.apply(effects, later);
    assert!(is_sent(2), "it is over");
    enter(&pool, &jobs[3]);
    assert!(is_sent(3));
}

#[tokio::test]
#[should_panic(expected = "the scheduler has the pool's jobs and no others")]
async fn a_job_that_only_the_pool_knows_is_noticed() {
    let pool = pool();
    let waiting = job(&pool, None);
    enter(&pool, &waiting);
    let other = job(&pool, None);
    let mut inner = pool.lock();
    inner.check_invariants();
    inner.jobs.insert(other.id, Entered::new(&other));
    inner.check_invariants();
}

#[tokio::test]
#[should_panic(expected = "a tenant counts its jobs")]
async fn a_tenant_that_counts_a_job_too_many_is_noticed() {
    let pool = pool();
    let waiting = job(&pool, None);
    enter(&pool, &waiting);
    let mut inner = pool.lock();
    inner.tenants.enter(b"a");
    inner.check_invariants();
}

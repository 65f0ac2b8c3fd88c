//! Moments at which something comes to pass: what is noticed, when, and that nobody wakes for nothing.

use super::*;
use crate::{passing::ProbeReason, timeouts::NEVER};

/// When the pool's task wakes next, in milliseconds from a moment on; `None`: it sleeps until something happens.
fn wakes(pool: &Pool, from: Mono) -> Option<u64> {
    let at = pool.lock().timeouts.wakes_at;
    (at != NEVER).then(|| (at - from).0 / 1_000_000)
}

fn ms(ms: u64) -> Span {
    Span::from_millis(ms)
}

/// A job with time limits of so many milliseconds: to the answer's head, between two pieces, in all.
fn limited(pool: &Arc<Pool>, first_byte: u64, progress: u64, total: Option<u64>) -> Arc<Passing> {
    let deadline = total.map(|total| clock::now() + ms(total));
    let mut passing = job(pool, deadline);
    let timeouts = Arc::get_mut(&mut passing).expect("nobody else has it");
    (timeouts.terms.first_byte, timeouts.terms.progress) = (ms(first_byte), ms(progress));
    passing
}

/// What a child says on its lane.
fn says(pool: &Pool, carrier: &Arc<Carrier>, now: Mono, kind: Kind, flags: u8, stream: u32) {
    let mut decoder = ostler_wire::Decoder::new(ostler_wire::FRAME_MAX);
    let code = if kind == Kind::Rsp { 200 } else { 0 };
    let header = Header { len: 0, kind, flags, code, stream, aux: 0 };
    ostler_wire::put_frame(decoder.buffer(), header, &[]);
    let mut ended = Ended::default();
    carrier.handle_frames(&mut decoder, now, &mut ended, &mut Vec::new()).unwrap();
    pool.settle(ended, now);
}

#[tokio::test]
async fn the_total_limit_holds_while_a_job_waits() {
    let pool = pool();
    let passing = job(&pool, Some(clock::now() + Span::from_secs(5)));
    enter(&pool, &passing);
    assert!(pool.handle_time(clock::now()).overdue.is_empty());
    let later = clock::now() + Span::from_secs(6);
    assert_eq!(pool.handle_time(later).overdue.len(), 1);
    assert!(pool.handle_time(later).overdue.is_empty(), "once is enough");
}

#[tokio::test]
async fn a_pool_sleeps_until_something_can_come_to_pass_and_no_longer() {
    let pool = pool();
    let began = clock::now();
    assert_eq!(wakes(&pool, began), None, "nothing is there");
    let waiting = job(&pool, None);
    enter(&pool, &waiting);
    assert!(wakes(&pool, began).unwrap() >= 60_000, "it may wait for so long");
    let (_carrier, _supplier, _child) = lane(&pool);
    assert!(waiting.assignment().is_some());
    let first = wakes(&pool, began).unwrap();
    assert!(first < 60_000, "its child is asked about before: {first}");
    pool.settle(Ended { finished: vec![(waiting, Span::ZERO)], ..Ended::default() }, began);
    pool.handle_time(began);
    assert_eq!(wakes(&pool, began), None, "it is over");
}

#[tokio::test]
async fn waiting_jobs_expire_when_their_time_has_come() {
    let pool = pool();
    let began = clock::now();
    let jobs: Vec<_> = (1..=3).map(|_| job(&pool, None)).collect();
    for (passing, wait) in jobs.iter().zip([300, 100, 200]) {
        let expires = began + ms(wait);
        let entry = Entry { tenant: b"a", weight: 1, within: ms(1000), expires };
        pool.enter(passing, &entry);
    }
    let failed = |after| {
        pool.handle_time(began + ms(after));
        jobs.iter().map(|job| u64::from(job.has_failed())).collect::<Vec<_>>()
    };
    assert_eq!(wakes(&pool, began), Some(104), "the first that expires, and a moment for others");
    assert_eq!(failed(99), [0, 0, 0]);
    assert_eq!(failed(100), [0, 1, 0]);
    assert_eq!(wakes(&pool, began), Some(204));
    assert_eq!(failed(300), [1, 1, 1]);
    assert_eq!(wakes(&pool, began), None);
}

#[tokio::test]
async fn a_job_is_overdue_by_the_limit_of_what_it_is_at() {
    // To the head 1,000 ms, between two pieces 400: what the child said when, and when the job is overdue.
    for (said, limit) in [
        (vec![], 1000),
        (vec![(10, Kind::Rsp, 0)], 410),
        (vec![(900, Kind::Rsp, 0)], 1300),
        (vec![(10, Kind::Rsp, 0), (300, Kind::Data, 0)], 700),
        (vec![(10, Kind::Rsp, flags::END | flags::HOLD)], 1010),
        (vec![(10, Kind::Rsp, 0), (390, Kind::Data, flags::END | flags::HOLD)], 1390),
    ] {
        let pool = pool();
        let (carrier, _supplier, _child) = lane(&pool);
        let passing = limited(&pool, 1000, 400, None);
        enter(&pool, &passing);
        let (stream, began) = (passing.assignment().unwrap().stream, passing.started_at().unwrap());
        let mut words = said.iter().copied().peekable();
        let mut found = None;
        for after in 0..2000 {
            let now = began + ms(after);
            while let Some((_, kind, flags)) = words.next_if(|(at, ..)| *at == after) {
                says(&pool, &carrier, now, kind, flags, stream);
            }
            // As the task does: only when it wakes.
            if pool.lock().timeouts.wakes_at <= now && !pool.handle_time(now).overdue.is_empty() {
                found = Some(after);
                break;
            }
        }
        let found = found.expect("it is noticed");
        assert!((limit..=limit + 5).contains(&found), "{said:?}: {found} for {limit}");
    }
}

#[tokio::test]
async fn a_child_that_says_nothing_is_asked_about_again_and_again() {
    let pool = pool();
    let (carrier, _supplier, _child) = lane(&pool);
    let passing = job(&pool, None);
    enter(&pool, &passing);
    let (stream, began) = (passing.assignment().unwrap().stream, passing.started_at().unwrap());
    let mut asked = Vec::new();
    let mut wakes = 0;
    for after in 0..20_000 {
        let now = began + ms(after);
        if after == 5000 {
            says(&pool, &carrier, now, Kind::Rsp, 0, stream);
        }
        if after == 15_000 {
            says(&pool, &carrier, now, Kind::Data, flags::END | flags::HOLD, stream);
        }
        if pool.lock().timeouts.wakes_at <= now {
            wakes += 1;
            let quiet = pool.handle_time(now).quiet;
            asked.extend(quiet.into_iter().map(|(_, quiet)| (after, quiet)));
        }
    }
    let due = [254, 504, 1004, 2004, 4004].map(|at| (at, ProbeReason::Unanswered));
    let over = [15_254, 15_504, 16_004, 17_004, 19_004].map(|at| (at, ProbeReason::Over));
    assert_eq!(asked.len(), 10, "{asked:?}");
    for (asked, due) in asked.iter().zip(due.iter().chain(&over)) {
        assert!(asked.1 == due.1 && asked.0.abs_diff(due.0) <= 1, "{asked:?} {due:?}");
    }
    assert!(wakes <= 12, "{wakes}");
}

#[tokio::test]
async fn a_child_of_several_streams_that_says_nothing_is_asked_about_the_oldest() {
    let pool = pool();
    let (ours, _child) = UnixStream::pair().unwrap();
    let lane = Transport::Lane(ours.into_split().1);
    let carrier = Arc::new(Carrier::new("test".into(), lane, Concurrency::of(2), true));
    let supplier = Pool::next_supplier();
    carrier.set_supplier(&pool, supplier);
    pool.supply(supplier, &carrier, HostId(0), 2, false);
    let jobs = [job(&pool, None), job(&pool, None)];
    jobs.iter().for_each(|job| enter(&pool, job));
    let streams = jobs.each_ref().map(|job| job.assignment().expect("both have a stream").stream);
    assert!(streams[0] < streams[1]);
    let quiet = pool.handle_time(clock::now() + ms(260)).quiet;
    let asked: Vec<_> = quiet.into_iter().map(|(assignment, _)| assignment.stream).collect();
    assert_eq!(asked, streams[..1], "one question is enough");
}

#[tokio::test]
async fn a_child_that_left_its_work_to_others_is_asked_about_until_it_speaks() {
    let pool = pool();
    let (carrier, _supplier, _child) = lane(&pool);
    let passing = job(&pool, None);
    enter(&pool, &passing);
    let stream = passing.assignment().unwrap().stream;
    carrier.give_back(stream, stream);
    let began = clock::now();
    assert!(passing.assignment().is_none(), "it is given nothing, not even that again");
    let mut asked = Vec::new();
    for after in 0..900 {
        let now = began + ms(after);
        if after == 100 {
            // Another child's puts off no question.
            pool.lock().timeouts.expect_word(now);
        }
        if after == 700 {
            says(&pool, &carrier, now, Kind::Reset, 0, stream);
        }
        if pool.lock().timeouts.wakes_at <= now {
            let quiet = pool.handle_time(now).quiet;
            asked.extend(quiet.into_iter().map(|(seat, quiet)| (after, seat.stream, quiet)));
        }
    }
    assert_eq!(asked.len(), 3, "{asked:?}");
    for (at, due) in asked.iter().zip([204, 408, 612]) {
        assert!(at.0 <= due && (at.1, at.2) == (stream, ProbeReason::Unanswered), "{asked:?}");
    }
    assert!(passing.assignment().is_some(), "it has spoken");
}

#[tokio::test]
async fn what_is_over_is_forgotten_and_wakes_nobody() {
    let pool = pool();
    let (carrier, _supplier, child) = lane(&pool);
    let began = clock::now();
    let deadline = Some(began + Span::from_secs(3600));
    let mut sent = vec![0; 4096];
    for _ in 0..2000 {
        let passing = job(&pool, deadline);
        enter(&pool, &passing);
        child.readable().await.unwrap();
        child.try_read(&mut sent).unwrap();
        let stream = passing.assignment().unwrap().stream;
        says(&pool, &carrier, clock::now(), Kind::Rsp, flags::END, stream);
    }
    assert!(pool.lock().timeouts.len() <= 1100, "{}", pool.lock().timeouts.len());
    pool.handle_time(clock::now());
    assert_eq!(wakes(&pool, began), None);
    assert_eq!(pool.lock().timeouts.len(), 0);
}

#[tokio::test]
async fn a_job_that_came_back_is_looked_at_when_it_has_its_next_child() {
    let pool = pool();
    let (carrier, supplier, _child) = lane(&pool);
    let passing = limited(&pool, 100, 100, None);
    enter(&pool, &passing);
    let _ = carrier.close();
    let failure = Failure::from(Termination::ChildDied);
    pool.supply_gone(supplier, vec![passing], Vec::new(), &failure);
    let later = clock::now() + Span::from_secs(5);
    assert!(pool.handle_time(later).overdue.is_empty(), "it waits");
    let (_carrier, _supplier, _child) = lane(&pool);
    assert!(pool.lock().timeouts.wakes_at <= clock::now() + ms(105));
    assert_eq!(pool.handle_time(clock::now() + ms(101)).overdue.len(), 1);
}

#[tokio::test]
async fn what_comes_up_while_a_job_is_looked_at_is_not_lost() {
    let pool = pool();
    let (_carrier, _supplier, _child) = lane(&pool);
    let passing = job(&pool, None);
    enter(&pool, &passing);
    let now = clock::now() + Span::from_secs(1);
    let mut inner = pool.lock();
    assert_eq!(inner.take_due(now).len(), 1);
    inner.arm(passing.id, now + ms(10));
    inner.looked_at(vec![(passing.id, Some(now + ms(1000)))]);
    assert_eq!((inner.timeouts.wakes_at - now).0, ms(14).0);
}

#[tokio::test]
async fn who_waits_for_what_has_passed_is_told_how_long_ago_that_was() {
    let pool = pool();
    let waiting = job(&pool, None);
    let expires = clock::now() + ms(500);
    pool.enter(&waiting, &Entry { tenant: b"a", weight: 1, within: ms(1000), expires });
    while clock::now() - expires < ms(50) {
        std::thread::yield_now();
    }
    let late = pool.any_timeout().await;
    assert!(late >= ms(40) && late < ms(50_000), "{late:?}");
}

#[tokio::test]
async fn the_task_is_woken_when_something_comes_up_sooner() {
    let pool = pool();
    let waiting = job(&pool, None);
    enter(&pool, &waiting);
    let began = std::time::Instant::now();
    let brief = job(&pool, None);
    let enter = async {
        tokio::task::yield_now().await;
        let expires = clock::now() + ms(20);
        let entry = Entry { tenant: b"a", weight: 1, within: ms(1000), expires };
        pool.enter(&brief, &entry);
    };
    tokio::join!(pool.any_timeout(), enter);
    assert!(began.elapsed() < std::time::Duration::from_secs(50), "not by the first one's limit");
    pool.handle_time(clock::now());
    assert!(brief.has_failed() && !waiting.has_failed());
}

#[tokio::test]
#[should_panic(expected = "a job is looked at when it says so")]
async fn a_job_that_nobody_looks_at_is_noticed() {
    let pool = pool();
    let (_carrier, _supplier, _child) = lane(&pool);
    let passing = job(&pool, None);
    enter(&pool, &passing);
    let mut inner = pool.lock();
    inner.check_invariants();
    inner.timeouts.clear();
    inner.check_invariants();
}

#[tokio::test]
#[should_panic(expected = "the task wakes before anything is late")]
async fn a_task_that_sleeps_too_long_is_noticed() {
    let pool = pool();
    let (_carrier, _supplier, _child) = lane(&pool);
    let passing = job(&pool, None);
    enter(&pool, &passing);
    let mut inner = pool.lock();
    inner.timeouts.wakes_at = NEVER;
    inner.check_invariants();
}

#[tokio::test]
#[should_panic(expected = "a granted job is looked at")]
async fn a_granted_job_without_a_moment_is_noticed() {
    let pool = pool();
    let waiting = job(&pool, None);
    enter(&pool, &waiting);
    let mut inner = pool.lock();
    inner.check_invariants();
    inner.jobs.get_mut(&waiting.id).unwrap().is_granted = true;
    inner.check_invariants();
}

#[tokio::test]
async fn demand_is_told_when_it_changes_and_once() {
    let pool = pool();
    let changes = || async {
        tokio::select! {
            biased;
            () = pool.demand_changes() => true,
            () = tokio::task::yield_now() => false,
        }
    };
    let (_carrier, _supplier, _child) = lane(&pool);
    enter(&pool, &job(&pool, None));
    assert!(!changes().await, "it has a child and waits for none");
    let waiting = [job(&pool, None), job(&pool, None)];
    waiting.iter().for_each(|job| enter(&pool, job));
    assert!(changes().await);
    assert!(!changes().await, "it was told, and not asked for yet");
    assert_eq!(pool.demand(), 2);
    pool.leave(&waiting[0], Reset::ClientGone);
    assert!(changes().await);
    assert_eq!(pool.demand(), 1);
    assert!(!changes().await);
}

//! Rates that change, that get a start back, and that are taken up from before.

use ostler_job::{HostId, JobId, QueueId, Span, SupplierId};
use ostler_scheduler::{QueueConfig, Rate, Scheduler, Supply};

use crate::{A, B, at, granted, job, with_slots};

fn rate(jobs: u32, seconds: u64, burst: u32) -> QueueConfig {
    let rate = Rate { jobs, per: Span::from_secs(seconds), burst };
    QueueConfig { rate: Some(rate), ..QueueConfig::default() }
}

/// When the jobs that wait start, each as soon as its rate lets it.
fn starts(s: &mut Scheduler, jobs: usize) -> Vec<u64> {
    let mut starts = Vec::new();
    while starts.len() < jobs {
        let (moment, _) = s.poll_timeout().expect("a job waits for its rate");
        s.handle_timeout(moment);
        starts.extend(granted(s).iter().map(|_| moment.0 / 1_000_000));
    }
    starts
}

#[test]
fn a_job_that_never_began_costs_its_queue_no_turn_of_the_rate() {
    let mut s = with_slots(1);
    s.handle_queue(A, &rate(1, 600, 1), at(0));
    s.handle_queue(B, &QueueConfig { parent: Some(A), ..QueueConfig::default() }, at(0));
    s.handle_submit(job(1, B, 1), at(0));
    s.handle_submit(job(2, B, 1), at(0));
    assert_eq!(granted(&mut s), [1]);
    // Its runner gave it back, and others can have it at once.
    s.handle_return(JobId(1), at(1_000));
    assert_eq!(granted(&mut s), [1]);
    s.handle_finish(JobId(1), at(2_000));
    assert_eq!(starts(&mut s, 1), [601_000], "one that began does");
}

#[test]
fn of_a_burst_that_is_used_up_one_that_never_began_gives_one_start_back() {
    let mut s = with_slots(9);
    s.handle_queue(A, &rate(1, 100, 3), at(0));
    for id in 1..=5 {
        s.handle_submit(job(id, A, 1), at(0));
    }
    assert_eq!(granted(&mut s), [1, 2, 3]);
    s.handle_return(JobId(3), at(10));
    assert_eq!(granted(&mut s), [3]);
    assert_eq!(starts(&mut s, 2), [100_000, 200_000]);
}

#[test]
fn a_start_that_comes_back_after_time_has_brought_another_gives_none() {
    let mut s = with_slots(100);
    s.handle_queue(A, &rate(1, 10, 1), at(0));
    s.handle_submit(job(1, A, 1), at(0));
    s.handle_submit(job(2, A, 1), at(50_000));
    assert_eq!(granted(&mut s), [1, 2]);
    s.handle_cancel(JobId(1), at(51_000));
    s.handle_return(JobId(1), at(51_000));
    s.handle_submit(job(3, A, 1), at(52_000));
    assert_eq!(granted(&mut s), [], "the second has just begun");
    assert_eq!(starts(&mut s, 1), [60_000]);
}

#[test]
fn another_rate_holds_from_when_it_is_set_and_lets_nobody_start_twice() {
    let mut s = with_slots(9);
    s.handle_queue(A, &rate(1, 600, 1), at(0));
    for id in 1..=4 {
        s.handle_submit(job(id, A, 1), at(0));
    }
    assert_eq!(granted(&mut s), [1]);
    // As much of the new one is used as was of the old one.
    s.handle_queue(A, &rate(1, 120, 1), at(300_000));
    assert_eq!(granted(&mut s), []);
    assert_eq!(starts(&mut s, 2), [360_000, 480_000]);
    // A slower one from here on; asked twice, it is the same.
    s.handle_queue(A, &rate(1, 1_200, 1), at(480_000));
    s.handle_queue(A, &rate(1, 1_200, 1), at(480_000));
    assert_eq!(starts(&mut s, 1), [1_680_000]);
}

#[test]
fn a_burst_that_was_used_of_a_quick_rate_closes_a_slow_one_for_one_turn_and_no_longer() {
    let mut s = with_slots(900);
    s.handle_queue(A, &rate(500, 60, 500), at(0));
    for id in 1..=502 {
        s.handle_submit(job(id, A, 1), at(0));
    }
    assert_eq!(granted(&mut s).len(), 500);
    s.handle_queue(A, &rate(1, 60, 1), at(0));
    assert_eq!(starts(&mut s, 2), [60_000, 120_000]);
}

#[test]
fn jobs_that_are_taken_up_from_before_use_their_rate_as_of_when_they_were_granted() {
    let mut s = with_slots(0);
    s.handle_queue(A, &rate(1, 600, 1), at(3_600_000));
    s.handle_submit(job(9, A, 1), at(3_600_000));
    // Six of an hour, the last one a minute ago, in the order of their numbers.
    for (id, minute) in [(1, 59), (2, 9), (3, 19), (4, 29), (5, 39), (6, 49)] {
        let (now, since) = (at(3_600_000), at(minute * 60_000));
        s.handle_adopt(job(id, A, 1), (SupplierId(1), HostId(1)), since, now);
    }
    let supply = Supply { host: HostId(1), slots: 20, prefetch: 0 };
    s.handle_supply(SupplierId(1), supply, at(3_600_000));
    assert_eq!(granted(&mut s), []);
    assert_eq!(starts(&mut s, 1), [59 * 60_000 + 600_000]);
    assert_eq!(s.queue(A), Some((0, 7)));
    // One that was granted long ago holds up nobody.
    s.handle_queue(B, &rate(1, 600, 1), at(4_200_000));
    s.handle_adopt(job(20, B, 1), (SupplierId(1), HostId(1)), at(0), at(4_200_000));
    s.handle_submit(job(21, B, 1), at(4_200_000));
    assert_eq!(granted(&mut s), [21]);
    assert_eq!(s.queue(QueueId::DEFAULT), Some((0, 0)));
}

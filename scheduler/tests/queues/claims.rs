//! Jobs that name resources: what is refused, kept and given up.

use ostler_job::{HostId, JobId, QueueId, SupplierId};
use ostler_scheduler::{Action, Claim, Config, Refusal, ResourceId, Scheduler, Supply};

use crate::{at, granted, job, with_slots};

const KEY: &[Claim] = &[Claim { resource: ResourceId(7), exclusive: true }];
const OTHER: &[Claim] = &[Claim { resource: ResourceId(8), exclusive: true }];

fn submit(s: &mut Scheduler, id: u64, claims: &[Claim]) -> Vec<u64> {
    s.handle_submit_claiming(job(id, QueueId::DEFAULT, 1), claims, at(0));
    let granted = granted(s);
    s.check_invariants();
    granted
}

#[test]
fn bounds_on_waiting_jobs_count_those_that_wait_for_a_resource() {
    let config = Config { waiting_max: 1, ..Config::default() };
    let mut s = Scheduler::new(config);
    let supply = Supply { host: HostId(1), slots: 4, prefetch: 0 };
    s.handle_supply(SupplierId(1), supply, at(0));
    assert_eq!((submit(&mut s, 1, KEY), submit(&mut s, 2, KEY)), (vec![1], vec![]));
    s.handle_submit_claiming(job(3, QueueId::DEFAULT, 1), KEY, at(0));
    let reason = Refusal::QueueFull;
    assert_eq!(s.poll_action(), Some(Action::Refuse { job: JobId(3), reason }));
}

#[test]
fn what_is_held_for_a_job_that_is_still_to_come_is_its_own_until_it_gives_it_up() {
    let mut s = with_slots(4);
    s.handle_hold(JobId(5), KEY);
    assert_eq!(submit(&mut s, 1, KEY), [], "whoever came before");
    assert_eq!(submit(&mut s, 5, KEY), [5]);
    // A job that is known gives nothing up.
    s.handle_release(JobId(5), at(1));
    assert_eq!(granted(&mut s), []);
    s.handle_keep(JobId(5));
    s.handle_finish(JobId(5), at(2));
    assert_eq!(granted(&mut s), [], "it is to be tried again");
    s.handle_release(JobId(5), at(3));
    assert_eq!(granted(&mut s), [1]);
    s.check_invariants();
}

#[test]
fn a_job_that_names_something_else_when_it_is_tried_again_gives_up_what_it_kept() {
    let mut s = with_slots(4);
    assert_eq!((submit(&mut s, 1, KEY), submit(&mut s, 2, KEY)), (vec![1], vec![]));
    s.handle_keep(JobId(1));
    s.handle_finish(JobId(1), at(1));
    let mut both = submit(&mut s, 1, OTHER);
    both.sort_unstable();
    assert_eq!(both, [1, 2]);
    assert_eq!(submit(&mut s, 3, OTHER), []);
}

//! The model's faults, and that a check for lost jobs would notice them.
#![allow(clippy::unwrap_used, reason = "a test: what cannot go wrong ends it")]

mod make;

use make::{submit, update};
use ostler_job::durable::{Epoch, JobState};
use ostler_store::{Fault, Memory, Planned, Store};

fn jobs(memory: &Memory) -> Vec<u64> {
    make::find(memory, &ostler_store::Filter::default(), 100)
}

#[test]
fn a_full_disk_keeps_nothing_and_passes() {
    let memory = Memory::new();
    memory.plan([None, Some(Planned::Full)]);
    memory.commit(Epoch(0), &[submit(1)]).unwrap();
    assert_eq!(memory.commit(Epoch(0), &[submit(2)]).unwrap_err().fault, Fault::Full);
    assert_eq!(jobs(&memory), [1]);
    memory.commit(Epoch(0), &[submit(2)]).unwrap();
}

#[test]
fn a_failed_write_may_be_there_and_ends_the_life() {
    for kept in [false, true] {
        let memory = Memory::new();
        memory.plan([Some(Planned::Io { kept })]);
        assert_eq!(memory.commit(Epoch(0), &[submit(1)]).unwrap_err().fault, Fault::Unknown);
        assert_eq!(memory.commit(Epoch(0), &[submit(2)]).unwrap_err().fault, Fault::Unknown);
        memory.crash(None);
        assert_eq!(jobs(&memory), if kept { vec![1] } else { vec![] });
        memory.commit(Epoch(0), &[submit(2)]).unwrap();
    }
}

#[test]
fn a_batch_under_way_in_a_crash_is_whole_or_absent() {
    let memory = Memory::new();
    memory.commit(Epoch(0), &[submit(1)]).unwrap();
    let batch = [submit(2), update(1, 0, make::in_state(JobState::Paused)), submit(3)];
    memory.crash(Some((&batch, false)));
    assert_eq!(jobs(&memory), [1]);
    memory.crash(Some((&batch, true)));
    assert_eq!(jobs(&memory), [3, 2, 1]);
}

#[test]
fn a_store_that_forgets_can_be_had() {
    let memory = Memory::new();
    memory.plan([Some(Planned::Forgotten)]);
    memory.commit(Epoch(0), &[submit(1)]).unwrap();
    assert_eq!(jobs(&memory), [0; 0]);
}

//! Requests that nobody waits for any more.

use super::*;

#[test]
fn escalation_goes_from_cancel_to_kill() {
    let (mut world, ids) = World::booted(limits(1, 1));
    let id = ids[0];
    world.pool.handle_board(id, Some(4), 0, world.now);
    world.pool.handle_overdue(id, 4, world.now);
    world.settle();
    assert_eq!(world.done, [Action::Cancel(id)]);
    world.pass(Span::from_secs(1));
    world.pass(Span::from_millis(500));
    assert_eq!(world.done[1..], [Action::Dump(id)]);
    world.pass(Span::from_millis(500));
    assert_eq!(world.done[2..], [Action::Terminate(id)]);
    world.pass(Span::from_secs(4));
    assert_eq!(world.done.len(), 3);
    world.pass(Span::from_secs(1));
    assert_eq!(world.done[3..], [Action::Kill(id)]);
    assert_eq!(world.end(id, KILLED), ExitReason::Timeout);
    assert_eq!(world.pool.booting(), 1, "its replacement was started with the first signal");
    assert!(!world.pool.is_failing(), "a killed request is no failure of the app");
}

#[test]
fn a_child_that_lets_go_of_the_request_is_not_escalated_against() {
    let (mut world, ids) = World::booted(limits(1, 1));
    let id = ids[0];
    for (busy, what) in [(None, "idle"), (Some(5), "the next request")] {
        world.pool.handle_board(id, Some(4), 0, world.now);
        world.pool.handle_overdue(id, 4, world.now);
        world.settle();
        world.pool.handle_board(id, busy, 1, world.now);
        world.pass(Span::from_secs(60));
        assert!(world.done.iter().all(|a| *a == Action::Cancel(id)), "{what}");
    }
}

#[test]
fn only_the_stream_that_is_named_leads_to_escalation() {
    let (mut world, ids) = World::booted(limits(1, 1));
    let id = ids[0];
    world.pool.handle_board(id, Some(5), 1, world.now);
    world.pool.handle_overdue(id, 4, world.now);
    world.pass(Span::from_secs(60));
    assert!(world.done.is_empty(), "the child has gone on to an innocent request");
    world.pool.handle_overdue(id, 6, world.now);
    world.pool.handle_board(id, None, 2, world.now);
    world.settle();
    assert!(world.done.is_empty(), "it has not come to it yet");
    world.pool.handle_board(id, Some(6), 2, world.now);
    world.settle();
    assert_eq!(world.done, [Action::Cancel(id)]);
}

#[test]
fn a_child_of_several_streams_may_come_back_to_the_one_that_is_named() {
    for (streams, left, steps) in [(4, 1, 1), (4, 3, 0), (1, 1, 0)] {
        let (mut world, ids) = World::booted(limits(1, 1));
        let id = ids[0];
        world.pool.handle_streams(streams);
        world.pool.handle_board(id, Some(5), 2, world.now);
        world.pool.handle_overdue(id, 4, world.now);
        world.settle();
        assert!(world.done.is_empty(), "another one is shown");
        // Within its grace, or later.
        world.pass(Span::from_secs(left));
        for shown in [5, 4] {
            world.pool.handle_board(id, Some(shown), 2, world.now);
        }
        world.settle();
        assert_eq!(world.done.len(), steps, "{streams} streams, shown after {left} s");
    }
}

#[test]
fn an_unwanted_stream_is_forgotten_with_its_lane() {
    let (mut world, ids) = World::booted(limits(1, 1));
    world.pool.handle_overdue(ids[0], 4, world.now);
    world.pool.handle_gateway_lost(world.now);
    world.pool.handle_board(ids[0], Some(4), 0, world.now);
    world.pass(Span::from_secs(60));
    assert!(world.done.is_empty(), "the next gateway numbers from 1 again");
}

#[test]
fn an_unwanted_stream_that_does_not_come_is_waited_for_no_longer_than_the_grace() {
    let (mut world, ids) = World::booted(limits(1, 1));
    world.pool.handle_overdue(ids[0], 4, world.now);
    assert!(world.pool.is_restless(), "it may be taken up in a moment");
    world.pass(Span::from_secs(3));
    world.pool.handle_board(ids[0], None, 0, world.now);
    assert!(!world.pool.is_restless());
    world.pool.handle_board(ids[0], Some(4), 0, world.now);
    world.pass(Span::from_secs(60));
    assert!(world.done.is_empty());
}

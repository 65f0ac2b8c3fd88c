//! How many children are started for jobs that wait, and when none are any more.

use super::*;

/// One child of many is READY and at work, so many jobs wait, and two children boot because there is room for no more.
fn burst(waiting: u32) -> World {
    let (mut world, ids) = World::booted(limits(1, 10));
    world.pool.handle_board(ids[0], Some(1), 0, world.now);
    world.pool.handle_demand(waiting);
    world.pool.handle_time(world.now);
    for id in [ChildId(2), ChildId(3)] {
        world.pool.handle_spawned(id, world.now);
        world.alive.insert(id);
    }
    world.next = 4;
    world
}

#[test]
fn when_nobody_waits_any_more_nobody_is_started_for_those_who_did() {
    let mut world = burst(12);
    assert!(world.pool.spawns_wanted(world.now) > 0);
    world.pool.handle_demand(0);
    world.ready(&[ChildId(2), ChildId(3)]);
    for _ in 0..20 {
        assert!(world.pass(Span::from_secs(1)).is_empty());
    }
    // What was begun stays for as long as an idle child does, and is replaced when it dies.
    assert_eq!(world.pool.ready(), 3);
    world.serve(ChildId(3));
    world.end(ChildId(3), KILLED);
    assert_eq!(world.settle().len(), 1);
}

#[test]
fn fewer_who_wait_and_new_ones_are_no_reason_to_give_children_up() {
    let mut world = burst(12);
    world.pool.handle_demand(3);
    assert!(world.pool.spawns_wanted(world.now) > 0);
    world.pool.handle_demand(0);
    assert_eq!(world.pool.spawns_wanted(world.now), 0);
    world.pool.handle_demand(4);
    world.settle();
    assert_eq!(world.pool.booting(), 4, "those that boot are for them");
}

#[test]
fn an_app_that_does_not_start_is_not_tried_for_those_who_have_left() {
    let mut world = burst(12);
    world.boot_fails(ChildId(2));
    world.boot_fails(ChildId(3));
    assert!(world.pool.counts().backoff > 0);
    world.pool.handle_demand(0);
    assert_eq!(world.pool.counts().backoff, 0);
    for _ in 0..100 {
        assert!(world.pass(Span::from_secs(1)).is_empty());
    }
}

#[test]
fn children_of_several_streams_are_started_for_as_many_jobs_each() {
    for (streams, waiting, wanted) in [(1, 3, 3), (8, 1, 1), (8, 8, 1), (8, 9, 2), (8, 1000, 9)] {
        let (mut world, ids) = World::booted(limits(1, 10));
        world.pool.handle_streams(streams);
        world.pool.handle_board(ids[0], Some(1), 0, world.now);
        world.pool.handle_demand(waiting);
        assert_eq!(world.settle().len(), wanted, "{waiting} wait for children of {streams}");
    }
}

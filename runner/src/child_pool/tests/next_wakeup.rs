//! How often a pool has to be told the time.

use super::*;

const SECOND: Span = Span::from_secs(1);

#[test]
fn an_idle_pool_at_its_minimum_needs_no_time_until_somebody_says_something() {
    let (mut world, ids) = World::booted(limits(1, 4));
    let is_calm = |world: &World| world.pool.is_calm(world.now + SECOND);
    assert!(is_calm(&world));
    world.pool.handle_board(ids[0], Some(1), 0, world.now);
    assert!(!is_calm(&world), "it works");
    world.pool.handle_board(ids[0], None, 1, world.now);
    assert!(!is_calm(&world), "it has worked a moment ago");
    world.pool.handle_board(ids[0], None, 1, world.now);
    assert!(is_calm(&world));
    world.pool.handle_demand(1);
    assert!(!is_calm(&world), "work waits");
    world.pool.handle_demand(0);
    world.pool.handle_exited(ids[0], STATUS, world.now);
    assert!(!is_calm(&world), "a child is missing");
}

#[test]
fn patience_with_a_child_that_is_asked_is_counted_in_small_steps() {
    let (mut world, _) = World::booted(limits(1, 1));
    world.silent = true;
    world.pass(Span::from_secs(6));
    assert!(matches!(world.done[..], [Action::Ask(..)]), "{:?}", world.done);
    assert!(!world.pool.is_calm(world.now + SECOND));
}

#[test]
fn a_child_that_is_too_many_or_about_to_be_too_old_is_looked_at() {
    let (mut world, ids) = World::booted(limits(1, 2));
    world.pool.handle_board(ids[0], Some(1), 0, world.now);
    world.pool.handle_demand(1);
    let more = world.settle();
    world.ready(&more);
    world.pool.handle_board(ids[0], None, 1, world.now);
    world.pool.handle_board(ids[0], None, 1, world.now);
    world.pool.handle_demand(0);
    assert!(!world.pool.is_calm(world.now + SECOND), "one more than the minimum");

    let lifetime = Some(Span::from_secs(10));
    let (world, _) = World::booted(ChildPoolConfig { lifetime, ..limits(1, 1) });
    assert!(world.pool.is_calm(world.now + SECOND));
    assert!(!world.pool.is_calm(world.now + Span::from_secs(20)));
}

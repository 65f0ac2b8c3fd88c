//! Pools under a clock of our own.

mod demand;
mod escalation;
mod next_wakeup;
mod reach;

use std::collections::BTreeSet;

use super::*;

const STATUS: Ending = Ending::Status(0);
const KILLED: Ending = Ending::Signal { signal: libc::SIGKILL, core: false };

/// A pool with the world around it: children that boot at once and do as they are told.
struct World {
    pool: ChildPool,
    now: Mono,
    next: u64,
    alive: BTreeSet<ChildId>,
    done: Vec<Action>,
    /// Children that are to begin nothing more.
    barred: Vec<ChildId>,
    /// PINGs are not answered, but noted like any other action.
    silent: bool,
}

fn limits(min: u32, max: u32) -> ChildPoolConfig {
    ChildPoolConfig {
        min,
        max,
        boot: Span::from_secs(10),
        grace: Span::from_secs(2),
        idle: Span::from_secs(30),
        requests: 0,
        lifetime: None,
    }
}

impl World {
    fn new(limits: ChildPoolConfig) -> Self {
        let now = Mono::default() + Span::from_secs(1);
        let (alive, done, barred) = (BTreeSet::new(), Vec::new(), Vec::new());
        Self { pool: ChildPool::new(limits, 7), now, next: 1, alive, done, barred, silent: false }
    }

    /// Time passes; children are started and actions noted.
    fn pass(&mut self, span: Span) -> Vec<ChildId> {
        self.now += span;
        self.pool.handle_time(self.now);
        let mut spawned = Vec::new();
        for _ in 0..self.pool.spawns_wanted(self.now) {
            let id = ChildId(self.next);
            self.next += 1;
            self.pool.handle_spawned(id, self.now);
            self.alive.insert(id);
            spawned.push(id);
        }
        while let Some(action) = self.pool.poll_action() {
            if let Action::Ask(id, number) = action
                && !self.silent
            {
                self.pool.handle_pong(id, number, self.now);
            } else if let Action::TakeBack(id, _) = action {
                self.barred.push(id);
            } else {
                self.done.push(action);
            }
        }
        spawned
    }

    fn settle(&mut self) -> Vec<ChildId> {
        self.pass(Span::ZERO)
    }

    /// A child begins a request and finishes it.
    fn serve(&mut self, id: ChildId) {
        let done = self.pool.members[&id].requests + 1;
        self.pool.handle_board(id, Some(1), done, self.now);
        self.pool.handle_board(id, None, done, self.now);
    }

    fn ready(&mut self, ids: &[ChildId]) {
        for &id in ids {
            self.pool.handle_ready(id, self.now);
        }
    }

    fn end(&mut self, id: ChildId, how: Ending) -> ExitReason {
        assert!(self.alive.remove(&id));
        self.pool.handle_exited(id, how, self.now)
    }

    /// A pool with its minimum READY.
    fn booted(limits: ChildPoolConfig) -> (Self, Vec<ChildId>) {
        let mut world = Self::new(limits);
        let ids = world.settle();
        world.ready(&ids);
        world.settle();
        (world, ids)
    }

    fn boot_fails(&mut self, id: ChildId) {
        assert_eq!(self.end(id, Ending::Status(70)), ExitReason::BootFailed);
    }

    /// Passes time in small steps until a child is spawned.
    fn time_to_spawn(&mut self) -> (Span, ChildId) {
        let from = self.now;
        loop {
            let spawned = self.pass(Span::from_millis(5));
            if let [id] = spawned[..] {
                return (self.now - from, id);
            }
            assert!(spawned.is_empty(), "a failing app is tried with one child at a time");
            assert!(self.now - from < Span::from_secs(100), "it is tried again");
        }
    }
}

#[test]
fn the_minimum_is_spawned_and_kept() {
    let (mut world, ids) = World::booted(limits(2, 4));
    assert_eq!(ids.len(), 2);
    world.pass(Span::from_secs(10));
    assert_eq!(world.end(ids[0], KILLED), ExitReason::Signal);
    assert_eq!(world.settle().len(), 1);
}

#[test]
fn waiting_jobs_raise_the_pool_at_once_up_to_its_maximum() {
    let (mut world, ids) = World::booted(limits(1, 4));
    world.pool.handle_board(ids[0], Some(1), 0, world.now);
    world.pool.handle_demand(2);
    assert_eq!(world.settle().len(), 2);
    world.pool.handle_demand(50);
    assert_eq!(world.settle().len(), 1);
}

#[test]
fn a_free_child_makes_waiting_jobs_no_reason_to_grow() {
    let (mut world, _) = World::booted(limits(1, 4));
    world.pool.handle_demand(3);
    assert!(world.settle().is_empty());
}

#[test]
fn an_app_without_children_starts_one_on_demand_and_returns_to_none() {
    let mut world = World::new(limits(0, 2));
    assert!(world.settle().is_empty());
    world.pool.handle_demand(1);
    let ids = world.settle();
    assert_eq!(ids.len(), 1);
    world.ready(&ids);
    world.pool.handle_demand(0);
    world.pass(Span::from_secs(31));
    assert_eq!(world.done, [Action::Retire(ids[0])]);
    world.pass(STOP_AFTER);
    assert_eq!(world.done.pop(), Some(Action::Stop(ids[0])));
    assert_eq!(world.end(ids[0], STATUS), ExitReason::Stopped);
    assert!(world.settle().is_empty());
}

#[test]
fn idle_children_above_the_minimum_end_one_at_a_time() {
    let (mut world, ids) = World::booted(limits(1, 4));
    world.pool.handle_board(ids[0], Some(1), 0, world.now);
    world.pool.handle_demand(9);
    let more = world.settle();
    world.ready(&more);
    world.pool.handle_demand(0);
    world.pool.handle_board(ids[0], None, 1, world.now);
    world.pass(Span::from_secs(31));
    assert_eq!(world.done.len(), 1);
    world.pass(Span::from_secs(1));
    world.pass(Span::from_secs(1));
    world.pass(Span::from_secs(60));
    world.pass(Span::from_secs(60));
    let retired = world.done.iter().filter(|a| matches!(a, Action::Retire(_))).count();
    assert_eq!(retired, 3);
    assert_eq!(world.pool.ready(), 1);
}

#[test]
fn a_worn_out_child_serves_until_its_replacement_is_ready() {
    let (mut world, ids) = World::booted(ChildPoolConfig { requests: 100, ..limits(1, 1) });
    world.pool.handle_board(ids[0], None, 110, world.now);
    let replacement = world.settle();
    assert_eq!((replacement.len(), world.done.len()), (1, 0));
    assert!(world.pool.is_serving(ids[0]));
    world.ready(&replacement);
    world.settle();
    assert_eq!(world.done, [Action::Retire(ids[0])]);
    world.pass(STOP_AFTER);
    assert_eq!(world.end(ids[0], STATUS), ExitReason::MaxRequests);
    assert!(world.settle().is_empty());
}

#[test]
fn old_children_are_replaced_one_after_the_other() {
    let lifetime = Some(Span::from_secs(100));
    let (mut world, ids) = World::booted(ChildPoolConfig { lifetime, ..limits(3, 3) });
    let first = world.pass(Span::from_secs(111));
    assert_eq!(first.len(), 1, "one replacement boots at a time");
    world.ready(&first);
    assert!(world.settle().is_empty() || world.pool.ready() >= 3);
    assert!(world.done.contains(&Action::Retire(ids[0])));
    assert_eq!(world.pool.ready(), 3);
}

#[test]
fn a_retired_child_that_works_is_not_told_to_stop() {
    let (mut world, ids) = World::booted(ChildPoolConfig { requests: 1, ..limits(1, 1) });
    world.pool.handle_board(ids[0], Some(9), 3, world.now);
    let replacement = world.settle();
    world.ready(&replacement);
    world.pass(Span::from_secs(100));
    world.pass(Span::from_secs(100));
    assert_eq!(world.done, [Action::Retire(ids[0])]);
    world.pool.handle_board(ids[0], None, 3, world.now);
    world.settle();
    assert_eq!(world.done[1..], [Action::Stop(ids[0])]);
}

#[test]
fn failed_boots_are_repeated_ever_more_slowly() {
    let mut world = World::new(limits(3, 3));
    for id in world.settle() {
        world.boot_fails(id);
    }
    assert!(world.pool.is_failing());
    let (mut pauses, mut last) = (Vec::new(), Span::ZERO);
    for _ in 0..12 {
        let (pause, id) = world.time_to_spawn();
        pauses.push(pause);
        world.boot_fails(id);
        last = pause;
    }
    assert!(pauses[0] >= Span::from_millis(700) && pauses[0] <= Span::from_millis(1010));
    assert!(pauses[2] > pauses[0] && pauses[4] > pauses[2]);
    assert!(last >= Span::from_secs(45) && last <= Span::from_secs(61), "{last:?}");
}

#[test]
fn a_mended_app_is_tried_at_once_and_the_pool_fills_when_it_boots() {
    let mut world = World::new(limits(3, 3));
    for _ in 0..6 {
        for id in world.settle() {
            world.boot_fails(id);
        }
        world.pass(Span::from_secs(1));
    }
    let booting: Vec<_> = world.alive.iter().copied().collect();
    booting.into_iter().for_each(|id| world.boot_fails(id));
    assert!(world.settle().is_empty());
    world.pool.handle_app_changed();
    let probe = world.settle();
    assert_eq!(probe.len(), 1);
    world.ready(&probe);
    assert!(!world.pool.is_failing());
    assert_eq!(world.settle().len(), 2);
}

#[test]
fn a_child_that_never_gets_ready_is_ended_and_counts_as_a_failed_boot() {
    let mut world = World::new(limits(1, 1));
    let ids = world.settle();
    world.pass(Span::from_secs(10));
    assert_eq!(world.done, [Action::Dump(ids[0])], "where is it stuck?");
    world.pass(Span::from_millis(250));
    assert_eq!(world.done, [Action::Dump(ids[0]), Action::Terminate(ids[0])]);
    world.pass(KILL_AFTER);
    assert_eq!(world.done[2..], [Action::Kill(ids[0])]);
    assert!(world.pool.was_ended(ids[0]));
    assert_eq!(world.end(ids[0], KILLED), ExitReason::BootFailed);
}

#[test]
fn a_child_that_said_why_it_cannot_boot_does_not_keep_its_time_to_boot() {
    let mut world = World::new(limits(1, 1));
    let ids = world.settle();
    world.pool.handle_fail(ids[0], world.now);
    world.pass(FAIL_EXIT);
    world.pass(Span::from_millis(250));
    assert_eq!(world.done.last(), Some(&Action::Terminate(ids[0])), "{:?}", world.done);
    // One that says so at the end of its time gets no more of it.
    let (mut world, boot) = (World::new(limits(1, 1)), Span::from_secs(10));
    let ids = world.settle();
    world.pass(Span(boot.0 - 1));
    world.pool.handle_fail(ids[0], world.now);
    world.pass(Span(1));
    world.pass(Span::from_millis(250));
    assert_eq!(world.done.last(), Some(&Action::Terminate(ids[0])), "{:?}", world.done);
}

#[test]
fn children_that_crash_right_after_ready_are_a_failing_app() {
    let mut world = World::new(limits(1, 1));
    let mut id = world.settle()[0];
    for _ in 0..3 {
        world.ready(&[id]);
        world.end(id, KILLED);
        if world.pool.is_failing() {
            return;
        }
        id = world.time_to_spawn().1;
    }
    panic!("three crashes in a row are a failing app");
}

#[test]
fn children_that_die_while_they_serve_are_replaced_at_once_for_as_long_as_it_goes_on() {
    let (mut world, mut ids) = World::booted(limits(2, 2));
    for _ in 0..100 {
        world.pool.handle_board(ids[0], Some(1), 1, world.now);
        assert_eq!(world.end(ids[0], KILLED), ExitReason::Signal);
        assert!(!world.pool.is_failing());
        let spawned = world.settle();
        assert_eq!(spawned.len(), 1, "at once");
        world.ready(&spawned);
        ids = vec![ids[1], spawned[0]];
        world.pass(Span::from_millis(500));
    }
}

#[test]
fn a_child_that_has_served_and_dies_idle_is_replaced_at_once() {
    let (mut world, ids) = World::booted(limits(1, 1));
    let mut id = ids[0];
    for _ in 0..10 {
        world.serve(id);
        world.end(id, STATUS);
        assert!(!world.pool.is_failing());
        id = world.settle()[0];
        world.ready(&[id]);
        world.pass(Span::from_secs(1));
    }
}

#[test]
fn children_are_started_at_a_bounded_rate() {
    let (mut world, ids) = World::booted(limits(2, 2));
    world.pass(Span::from_secs(60));
    let (mut living, mut starts) = (ids, 0);
    for _ in 0..1000 {
        for id in std::mem::take(&mut living) {
            world.serve(id);
            world.end(id, KILLED);
        }
        living = world.pass(Span::from_millis(10));
        world.ready(&living);
        starts += living.len();
    }
    assert!((120..=134).contains(&starts), "{starts} starts within ten seconds");
}

#[test]
fn an_app_that_served_fails_only_when_its_next_boot_does() {
    let (mut world, ids) = World::booted(limits(1, 1));
    world.serve(ids[0]);
    world.end(ids[0], KILLED);
    let next = world.settle();
    assert!(!world.pool.is_failing());
    world.boot_fails(next[0]);
    assert!(world.pool.is_failing());
}

#[test]
fn a_stop_lets_working_children_finish_until_the_limit() {
    let (mut world, ids) = World::booted(limits(2, 2));
    world.pool.handle_board(ids[0], Some(1), 0, world.now);
    world.pool.handle_stop(Span::from_secs(10), world.now);
    world.pass(STOP_AFTER);
    assert!(world.done.contains(&Action::Stop(ids[1])));
    assert!(!world.done.contains(&Action::Stop(ids[0])));
    assert_eq!(world.end(ids[1], STATUS), ExitReason::Stopped);
    assert!(world.settle().is_empty(), "nothing is spawned any more");
    world.pass(Span::from_secs(10));
    assert_eq!(world.done.last(), Some(&Action::Terminate(ids[0])));
    assert_eq!(world.end(ids[0], KILLED), ExitReason::Stopped);
}

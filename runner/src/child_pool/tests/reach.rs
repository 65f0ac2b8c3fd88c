//! Children that live and cannot be reached.

use super::*;

const SECOND: Span = Span::from_secs(1);
const WORK: Awaited = Awaited { stream: 7, is_over: false };
const NEXT: Awaited = Awaited { stream: 8, is_over: false };
const CLOSE: Awaited = Awaited { stream: 7, is_over: true };

impl World {
    /// Time passes as the runner sees it: in many small looks.
    fn wait(&mut self, span: Span) -> Vec<ChildId> {
        let until = self.now + span;
        let mut spawned = Vec::new();
        while self.now < until {
            spawned.extend(self.pass(Span::from_millis(250)));
        }
        spawned
    }

    /// Answers every PING that was sent since the last call, as far as `who` lives.
    fn answer(&mut self, who: ChildId) {
        for action in std::mem::take(&mut self.done) {
            if let Action::Ask(id, number) = action
                && id == who
            {
                self.pool.handle_pong(id, number, self.now);
            } else {
                self.done.push(action);
            }
        }
    }

    /// A pool whose children answer only when the test says so.
    fn silent(limits: ChildPoolConfig) -> (Self, Vec<ChildId>) {
        let (mut world, ids) = Self::booted(limits);
        world.silent = true;
        (world, ids)
    }

    fn counts_idle(&self) -> u32 {
        self.pool.counts().idle
    }
}

#[test]
fn a_child_that_lost_its_lane_is_not_free_and_is_replaced() {
    let (mut world, ids) = World::booted(limits(2, 2));
    assert!(world.pool.handle_loss(ids[0], Loss::Lane, world.now));
    assert!(!world.pool.handle_loss(ids[0], Loss::Lane, world.now), "told once");
    assert_eq!(world.counts_idle(), 1);
    assert!(!world.pool.is_serving(ids[0]));
    assert!(world.settle().is_empty(), "it may be just dying");
    assert_eq!(world.done, [Action::Retire(ids[0])]);
    assert_eq!(world.barred, [ids[0]], "what it has not begun goes to others");
    assert_eq!(world.pass(SECOND).len(), 1, "it lives: another one is needed");
    assert_eq!(world.done[1..], [Action::Stop(ids[0])]);
    assert_eq!(world.end(ids[0], STATUS), ExitReason::Lost);
}

#[test]
fn a_child_that_only_seemed_lost_because_it_died_is_counted_as_what_it_died_of() {
    let (mut world, ids) = World::booted(limits(1, 1));
    world.serve(ids[0]);
    world.pool.handle_loss(ids[0], Loss::Lane, world.now);
    world.pool.handle_loss(ids[0], Loss::Control, world.now);
    world.pass(Span::from_millis(100));
    assert_eq!(world.end(ids[0], KILLED), ExitReason::Signal);
    assert_eq!(world.settle().len(), 1);
}

#[test]
fn a_crash_loop_keeps_its_pauses_though_lanes_end_before_the_ends_are_known() {
    let mut world = World::new(limits(1, 1));
    let mut id = world.settle()[0];
    for _ in 0..3 {
        world.ready(&[id]);
        world.pool.handle_loss(id, Loss::Lane, world.now);
        assert!(world.settle().is_empty());
        world.end(id, KILLED);
        if world.pool.is_failing() {
            return;
        }
        id = world.time_to_spawn().1;
    }
    panic!("three crashes in a row before any request are a failing app");
}

#[test]
fn a_lost_child_finishes_what_it_has_within_the_grace() {
    for loss in [Loss::Lane, Loss::Control, Loss::Bye] {
        let (mut world, ids) = World::booted(limits(1, 1));
        world.pool.handle_board(ids[0], Some(3), 1, world.now);
        world.pool.handle_loss(ids[0], loss, world.now);
        world.wait(Span::from_millis(1500));
        assert_eq!(world.done, [Action::Retire(ids[0])], "{loss:?}");
        world.wait(SECOND);
        assert_eq!(world.done[1..], [Action::Terminate(ids[0])], "{loss:?}");
        world.wait(KILL_AFTER);
        assert!(world.done.contains(&Action::Kill(ids[0])), "{loss:?}");
    }
}

#[test]
fn a_child_that_cannot_be_told_to_stop_is_ended() {
    let (mut world, ids) = World::booted(limits(2, 2));
    world.pool.handle_loss(ids[0], Loss::Control, world.now);
    world.pool.handle_loss(ids[1], Loss::Control, world.now);
    assert_eq!(world.end(ids[0], KILLED), ExitReason::Signal);
    world.pass(SECOND);
    assert_eq!(world.done[2..], [Action::Terminate(ids[1])]);
    assert_eq!(world.end(ids[1], KILLED), ExitReason::Lost);
}

#[test]
fn a_child_that_said_bye_and_stays_is_ended() {
    let (mut world, ids) = World::booted(limits(1, 1));
    world.serve(ids[0]);
    world.pool.handle_loss(ids[0], Loss::Bye, world.now);
    assert_eq!(world.wait(SECOND).len(), 1);
    world.wait(Span::from_secs(3));
    assert!(world.done.contains(&Action::Terminate(ids[0])), "{:?}", world.done);
    assert_eq!(world.end(ids[0], Ending::Status(143)), ExitReason::Exited);
}

#[test]
fn a_child_that_leaves_its_work_is_asked_and_given_up_when_it_answers_and_still_does() {
    let (mut world, ids) = World::silent(limits(1, 1));
    world.pool.handle_unanswered(ids[0], WORK, world.now);
    world.settle();
    assert_eq!(world.done, [Action::Ask(ids[0], 1)]);
    assert_eq!(world.barred, [ids[0]], "its work waits for none of this");
    world.answer(ids[0]);
    world.wait(SECOND);
    world.pool.handle_unanswered(ids[0], WORK, world.now);
    world.wait(SECOND);
    assert_eq!(world.counts_idle(), 1);
    world.pool.handle_unanswered(ids[0], WORK, world.now);
    assert_eq!(world.counts_idle(), 0);
    world.pass(SECOND);
    assert_eq!(
        world.done,
        [Action::Retire(ids[0]), Action::Note(ids[0], Loss::Deaf), Action::Terminate(ids[0])]
    );
}

#[test]
fn a_child_that_begins_its_work_is_no_longer_suspected() {
    for busy in [Some(7), None] {
        let (mut world, ids) = World::silent(limits(1, 1));
        world.pool.handle_unanswered(ids[0], WORK, world.now);
        world.settle();
        world.answer(ids[0]);
        // The work has begun, or has come and gone between two looks.
        world.pool.handle_board(ids[0], busy, 1, world.now);
        world.pool.handle_board(ids[0], None, 1, world.now);
        world.wait(SECOND);
        world.pool.handle_unanswered(ids[0], NEXT, world.now);
        assert_eq!(world.counts_idle(), 1);
    }
}

#[test]
fn a_child_that_works_is_never_suspected() {
    let (mut world, ids) = World::booted(limits(1, 1));
    world.pool.handle_board(ids[0], Some(7), 1, world.now);
    for _ in 0..100 {
        world.pool.handle_unanswered(ids[0], WORK, world.now);
        world.wait(SECOND);
    }
    assert_eq!(world.done, []);
    assert_eq!(world.pool.counts().busy, 1);
}

#[test]
fn a_child_that_does_not_get_to_run_is_given_more_time_than_one_that_does_not_listen() {
    let (mut world, ids) = World::silent(limits(1, 1));
    world.pool.handle_unanswered(ids[0], WORK, world.now);
    for _ in 0..4 {
        world.wait(SECOND);
        world.pool.handle_unanswered(ids[0], WORK, world.now);
        assert_eq!(world.counts_idle(), 1);
    }
    world.wait(SECOND);
    assert_eq!(world.counts_idle(), 0);
    assert!(world.done.contains(&Action::Note(ids[0], Loss::Silent)));
}

#[test]
fn an_idle_child_is_asked_now_and_then_and_given_up_when_it_stays_silent() {
    let (mut world, ids) = World::silent(limits(2, 2));
    for _ in 0..10 {
        world.wait(Span::from_secs(5));
        world.answer(ids[0]);
    }
    assert!(world.pool.is_serving(ids[0]));
    assert!(!world.pool.is_serving(ids[1]));
    assert!(world.done.contains(&Action::Note(ids[1], Loss::Silent)));
}

#[test]
fn a_runner_that_stood_still_itself_blames_nobody() {
    let (mut world, _) = World::silent(limits(1, 1));
    world.wait(Span::from_secs(6));
    world.pass(Span::from_secs(3600));
    assert_eq!(world.counts_idle(), 1);
}

#[test]
fn a_child_that_shows_work_which_is_over_is_not_at_work() {
    let (mut world, ids) = World::silent(limits(1, 1));
    world.pool.handle_board(ids[0], Some(7), 1, world.now);
    world.pool.handle_unanswered(ids[0], NEXT, world.now);
    world.wait(SECOND);
    world.pool.handle_board(ids[0], Some(7), 1, world.now);
    assert!(world.pool.is_serving(ids[0]));
    world.wait(Span::from_secs(4));
    assert!(world.done.contains(&Action::Note(ids[0], Loss::Silent)));
    world.wait(Span::from_secs(2));
    assert!(world.done.contains(&Action::Terminate(ids[0])), "it has no work to finish");
}

#[test]
fn what_was_said_of_a_stream_before_the_next_one_began_is_no_suspicion() {
    let (mut world, ids) = World::silent(limits(1, 1));
    world.pool.handle_board(ids[0], Some(8), 2, world.now);
    world.pool.handle_unanswered(ids[0], WORK, world.now);
    world.wait(Span::from_secs(30));
    assert_eq!(world.done, []);
}

#[test]
fn a_child_that_stands_still_in_close_is_replaced_at_once_and_keeps_its_time() {
    let (mut world, ids) = World::silent(limits(1, 1));
    world.pool.handle_board(ids[0], Some(7), 1, world.now);
    world.pool.handle_unanswered(ids[0], CLOSE, world.now);
    world.wait(Span::from_secs(14));
    assert!(
        world.pool.is_serving(ids[0]),
        "nobody waits for it: it has the patience of an idle one"
    );
    assert_eq!(world.wait(Span::from_secs(2)).len(), 1, "another is started");
    world.wait(Span::from_secs(40));
    assert!(!world.done.contains(&Action::Terminate(ids[0])), "{:?}", world.done);
    world.pool.handle_overdue(ids[0], 7, world.now);
    world.wait(Span::from_secs(3));
    assert!(world.done.contains(&Action::Terminate(ids[0])), "its own time is over");
    assert_eq!(world.end(ids[0], KILLED), ExitReason::Timeout);
}

#[test]
fn a_child_that_stands_still_in_close_ends_when_its_gateway_is_gone() {
    let (mut world, ids) = World::silent(limits(1, 1));
    world.pool.handle_board(ids[0], Some(7), 1, world.now);
    world.pool.handle_unanswered(ids[0], CLOSE, world.now);
    world.wait(Span::from_secs(16));
    world.pool.handle_gateway_lost(world.now);
    world.wait(Span::from_secs(3));
    assert!(world.done.contains(&Action::Terminate(ids[0])));
}

#[test]
fn a_child_that_answers_while_close_takes_long_is_left_alone() {
    let (mut world, ids) = World::silent(limits(1, 1));
    world.pool.handle_board(ids[0], Some(7), 1, world.now);
    for _ in 0..60 {
        world.pool.handle_unanswered(ids[0], CLOSE, world.now);
        world.wait(SECOND);
        world.answer(ids[0]);
    }
    assert_eq!((world.done.as_slice(), world.pool.counts().busy), (&[][..], 1));
    world.pool.handle_board(ids[0], None, 1, world.now);
    world.pool.handle_unanswered(ids[0], CLOSE, world.now);
    world.pool.handle_board(ids[0], Some(8), 2, world.now);
    world.wait(Span::from_secs(30));
    assert!(world.pool.is_serving(ids[0]), "it has gone on, and works");
}

#[test]
fn an_answer_to_an_earlier_question_is_none_to_this_one() {
    let (mut world, ids) = World::silent(limits(1, 1));
    world.pool.handle_unanswered(ids[0], WORK, world.now);
    world.pool.handle_board(ids[0], Some(7), 0, world.now);
    world.pool.handle_board(ids[0], None, 1, world.now);
    world.pool.handle_unanswered(ids[0], NEXT, world.now);
    world.settle();
    assert_eq!(world.done, [Action::Ask(ids[0], 1), Action::Ask(ids[0], 2)]);
    world.pool.handle_pong(ids[0], 1, world.now);
    world.wait(Span::from_secs(3));
    world.pool.handle_unanswered(ids[0], NEXT, world.now);
    assert_eq!(world.counts_idle(), 1, "it may not have come to the second question");
    world.pool.handle_pong(ids[0], 2, world.now);
    world.pool.handle_unanswered(ids[0], NEXT, world.now);
    assert_eq!(world.counts_idle(), 0);
}

#[test]
fn what_was_suspected_for_one_gateway_is_not_held_against_the_next_ones_work() {
    let (mut world, ids) = World::silent(limits(1, 1));
    world.pool.handle_unanswered(ids[0], WORK, world.now);
    world.settle();
    world.answer(ids[0]);
    world.pool.handle_gateway_lost(world.now);
    world.wait(Span::from_secs(3));
    world.pool.handle_unanswered(ids[0], WORK, world.now);
    world.settle();
    assert_eq!(world.counts_idle(), 1, "the next gateway numbers from 1 again");
    assert_eq!(world.done, [Action::Ask(ids[0], 2)]);
}

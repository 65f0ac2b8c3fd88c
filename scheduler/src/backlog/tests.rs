//! The two lists of a flow, and what they owe each other.

use ostler_job::{JobId, Mono, Span};

use super::{Backlog, Head, LATE};
use crate::jobs::{Job, JobIx, Jobs, NEVER, State};
use crate::lane::Lane;
use crate::tenants::FlowIx;
use crate::waitlist::Entry;

/// A backlog and the table that it reads.
struct Bench {
    backlog: Backlog,
    jobs: Jobs,
    seq: u64,
}

impl Bench {
    fn new() -> Self {
        Self { backlog: Backlog::default(), jobs: Jobs::new(), seq: 0 }
    }

    /// A job of so many milliseconds waits; whether it is the next one.
    fn push(&mut self, late: bool, millis: u64) -> (u64, bool) {
        self.seq += 1;
        let ix = self.jobs.insert(Job {
            id: JobId(self.seq),
            seq: self.seq,
            arrival: Mono(0),
            lst: Mono(self.seq),
            expires: NEVER,
            cost: Span::from_millis(millis),
            flow: FlowIx(0),
            lane: Lane::USUAL,
            position: 0,
            state: State::Waiting,
            late,
            cancelled: false,
            claims: false,
        });
        let is_next = self.backlog.push(late, Entry::of(Mono(self.seq), &self.jobs[ix], ix));
        self.backlog.check(&self.jobs);
        (self.seq, is_next)
    }

    fn pushes(&mut self, late: bool, jobs: u64) {
        for _ in 0..jobs {
            self.push(late, 10);
        }
    }

    /// The next jobs, and whether they were late.
    fn pop(&mut self, jobs: usize) -> Vec<bool> {
        let next = (0..jobs).map(|_| {
            let is_late = self.backlog.head().expect("a job waits").is_late();
            let (ix, _) = self.backlog.pop(&self.jobs).expect("a job waits");
            self.jobs[ix].state = State::Running;
            assert_eq!(self.jobs[ix].late, is_late);
            self.backlog.check(&self.jobs);
            is_late
        });
        next.collect()
    }

    fn correct(&mut self, late: bool, charged: u64, actual: u64) -> bool {
        let is_other =
            self.backlog.correct(late, Span::from_millis(charged), Span::from_millis(actual));
        self.backlog.check(&self.jobs);
        is_other
    }

    fn find(&self, seq: u64) -> JobIx {
        self.jobs.find(JobId(seq)).expect("it is known")
    }

    fn lead(&self) -> Option<i64> {
        self.backlog.late.as_ref().map(|late| late.lead / 1_000_000)
    }
}

#[test]
fn a_late_head_is_behind_all_others_and_keeps_its_moment() {
    let (soon, never) = (Head::new(false, Mono(5), 1), Head::new(false, NEVER, 2));
    assert!(!never.is_late() && soon.as_late().is_late() && soon < never && never < soon.as_late());
    assert_eq!((soon.as_late().lst(), soon.as_late().seq()), (Mono(5), 1));
    assert_eq!(never.lst(), Mono(LATE - 1), "cut at some three hundred years");
    let classed = soon.of_class(3).of_class(2);
    assert_eq!((classed.class(), classed.seq(), classed.lst()), (2, 1, Mono(5)));
}

#[test]
fn the_late_ones_get_one_turn_in_five_and_all_that_the_others_leave() {
    let mut bench = Bench::new();
    bench.pushes(true, 4);
    bench.pushes(false, 9);
    let turns = bench.pop(10);
    let late: Vec<usize> = (0..10).filter(|&at| turns[at]).collect();
    assert_eq!(late, [1, 6], "each pays for four of the others");
    assert_eq!(bench.backlog.len(), 3);
    assert_eq!(bench.pop(3), [false, true, true], "nobody else is there");
    assert!(bench.backlog.is_empty());
}

#[test]
fn a_list_that_comes_back_from_idling_is_level_with_the_other_and_keeps_what_it_owes() {
    let mut bench = Bench::new();
    // The late list is served alone, and owes for it nothing once the other comes.
    bench.pushes(true, 3);
    bench.pop(2);
    assert_eq!(bench.lead(), Some(-80));
    bench.pushes(false, 2);
    assert_eq!(bench.lead(), Some(0));
    assert_eq!(bench.pop(1), [false]);
    // The others are ahead by one; served alone, that is no claim of a late one that comes then.
    assert_eq!(bench.lead(), Some(10));
    assert_eq!(bench.pop(1), [true]);
    assert_eq!(bench.lead(), Some(-30), "there is none, and it owes");
    bench.pushes(true, 1);
    assert_eq!(bench.lead(), Some(-30), "it owes that still");
    assert_eq!(bench.pop(1), [false]);
    assert_eq!(bench.lead(), Some(-20));
    assert_eq!(bench.pop(1), [true]);
    assert_eq!(bench.lead(), Some(-60));
    bench.pushes(false, 1);
    assert_eq!(bench.lead(), None, "nothing is to be remembered");
}

#[test]
fn while_late_ones_wait_what_the_others_are_ahead_is_no_debt_of_theirs_when_they_come_back() {
    let mut bench = Bench::new();
    bench.pushes(true, 3);
    bench.pushes(false, 1);
    bench.push(false, 100);
    assert_eq!(bench.pop(2), [false, true]);
    assert_eq!(bench.pop(1), [false]);
    assert_eq!(bench.lead(), Some(70));
    bench.pushes(false, 1);
    assert_eq!(bench.lead(), Some(70), "they are ahead by that");
    assert!(bench.backlog.head().expect("they wait").is_late());
}

#[test]
fn whoever_comes_is_told_whether_it_is_the_next_one() {
    let mut bench = Bench::new();
    assert!(bench.push(true, 10).1);
    assert!(!bench.push(true, 10).1);
    assert!(bench.push(false, 10).1, "level, and on time");
    assert!(!bench.push(false, 10).1);
}

#[test]
fn a_charge_that_was_another_moves_the_balance_by_the_difference() {
    let mut bench = Bench::new();
    bench.pushes(true, 3);
    bench.pushes(false, 3);
    assert_eq!(bench.pop(1), [false]);
    assert_eq!(bench.lead(), Some(10));
    assert!(!bench.correct(false, 10, 30), "the late one is next, as before");
    assert_eq!(bench.lead(), Some(30));
    assert!(bench.correct(false, 30, 0), "another one is");
    assert_eq!(bench.lead(), Some(0));
    assert!(bench.correct(true, 15, 10), "and again");
    assert_eq!(bench.lead(), Some(20));
    assert!(bench.correct(true, 10, 15));
    assert_eq!(bench.lead(), Some(0));
    // Without a late list only what was late itself says anything.
    let mut bench = Bench::new();
    bench.pushes(false, 2);
    assert!(!bench.correct(false, 10, 30));
    assert_eq!(bench.lead(), None);
    assert!(!bench.correct(true, 10, 30));
    assert_eq!(bench.lead(), Some(-80));
    assert!(!bench.correct(true, 30, 10));
    assert_eq!(bench.lead(), None, "it is level");
}

#[test]
fn what_misses_its_start_moves_to_the_late_list_and_what_leaves_is_forgotten_there() {
    let mut bench = Bench::new();
    let ((first, _), (second, _)) = (bench.push(false, 10), bench.push(false, 10));
    bench.backlog.demote(&mut bench.jobs);
    bench.backlog.check(&bench.jobs);
    let ix = bench.find(first);
    assert!(bench.jobs[ix].late);
    assert_eq!(bench.backlog.next().map(|it| it.seq), Some(second));
    bench.jobs.remove(ix);
    bench.backlog.lose(&bench.jobs, true);
    bench.backlog.check(&bench.jobs);
    assert_eq!((bench.backlog.len(), bench.lead()), (1, None));
    bench.backlog.demote(&mut bench.jobs);
    assert!(bench.backlog.head().expect("it waits").is_late(), "it is alone");
    bench.backlog.clear();
    assert!(bench.backlog.next().is_none() && bench.lead().is_none());
    bench.push(false, 10);
    bench.backlog.clear();
    assert!(bench.backlog.next().is_none() && bench.backlog.is_empty());
}

#[test]
fn who_goes_before_a_job_is_counted_in_its_own_list_and_of_the_other_by_its_turns() {
    let mut bench = Bench::new();
    bench.pushes(true, 3);
    bench.pushes(false, 9);
    let before = |bench: &Bench, seq: u64| {
        let job = &bench.jobs[bench.find(seq)];
        bench.backlog.before(&bench.jobs, job.late, (job.lst, job.seq), 64)
    };
    assert_eq!(before(&bench, 4), (0, true), "the next one");
    assert_eq!(before(&bench, 5), (1, false));
    assert_eq!(before(&bench, 7), (4, false), "three and one late one");
    assert_eq!(before(&bench, 12), (10, false));
    assert_eq!(before(&bench, 1), (4, false), "four of the others");
    assert_eq!(before(&bench, 3), (11, false), "two, and all nine");
    // Late and first of the others, one is not the next for all that.
    bench.pop(1);
    assert_eq!(bench.backlog.next().map(|it| it.seq), Some(1));
    assert_eq!(before(&bench, 5), (1, false));
    let mut bench = Bench::new();
    bench.pushes(false, 3);
    assert_eq!(before(&bench, 3), (2, true));
    assert_eq!(bench.backlog.before(&bench.jobs, false, (Mono(3), 3), 2), (2, false));
}

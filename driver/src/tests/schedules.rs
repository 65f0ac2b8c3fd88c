//! What fires by itself: once for each moment, whatever happens in between.

use std::sync::Mutex;

use jiff::tz::TimeZone;
use ostler_cron_module::Cron;
use ostler_job::durable::{
    Fate, Firing, MissedPolicy, OverlapPolicy, QueueName, QueueShape, Schedule, ScheduleName,
    ScheduleShape, Stand,
};

use super::*;
use crate::{ScheduleLook, ScheduleOrder, ScheduleRefusal, ScheduleVerb, ScheduleView};

mod again;
mod clocks;
mod configured;
mod counted;
mod owners;
mod policies;
mod reported;
mod stands;
mod told;

const MINUTE: Span = Span::from_secs(60);
const HOUR: Span = Span::from_secs(3_600);

/// Zones that the zone data have dropped since.
static DROPPED: Mutex<Vec<&str>> = Mutex::new(Vec::new());

fn config_at(boot: &str) -> DriverConfig {
    let zone = |name: &str| {
        let dropped = DROPPED.lock().unwrap();
        (!dropped.contains(&name)).then_some(TimeZone::UTC)
    };
    DriverConfig { source: Arc::new(Cron::new(boot, zone)), ..DriverConfig::default() }
}

fn bench() -> Bench {
    let mut bench = Bench::with(config_at("one"));
    bench.driver.handle_timeout(bench.now);
    bench.settle();
    bench
}

fn name(text: &str) -> ScheduleName {
    ScheduleName::new(text).expect("it is a name")
}

fn shape(cron: &str) -> ScheduleShape {
    ScheduleShape { overlap: OverlapPolicy::Allow, ..ScheduleShape::new(cron, "UTC", spec()) }
}

/// An order of somebody who may change what others put.
fn put(shape: ScheduleShape) -> ScheduleVerb {
    let (shape, fired) = (Box::new(shape), Vec::new());
    ScheduleVerb::Put { shape, paused: false, new_only: false, others: true, fired }
}

impl Bench {
    fn schedule(&mut self, verb: ScheduleVerb) -> Result<ScheduleView, ScheduleRefusal> {
        self.schedule_of("s", verb)
    }

    fn schedule_of(
        &mut self,
        it: &str,
        verb: ScheduleVerb,
    ) -> Result<ScheduleView, ScheduleRefusal> {
        let (ticket, who, schedule) = (Ticket(3), "operator".into(), name(it));
        let order = ScheduleOrder { ticket, who, tenant: None, schedule, verb };
        self.driver.handle_schedule(order, self.now);
        self.settle();
        let answer = self.answers().remove(0);
        if let Answer::ScheduleRefused { why, .. } = answer {
            return Err(why);
        }
        let Answer::Schedule(view) = answer else { panic!("{answer:?}") };
        Ok(*view)
    }

    fn shape(&mut self, shape: ScheduleShape) -> ScheduleView {
        self.try_put(shape).expect("it is a schedule")
    }

    fn try_put(&mut self, shape: ScheduleShape) -> Result<ScheduleView, ScheduleRefusal> {
        let shape = Box::new(shape);
        let fired = self.store.fired_after(&name("s"), self.now.wall, 1_000).unwrap();
        self.schedule(ScheduleVerb::Put {
            shape,
            paused: false,
            new_only: false,
            others: true,
            fired,
        })
    }

    fn view(&mut self) -> ScheduleView {
        let (ticket, schedule) = (Ticket(4), Some(name("s")));
        let look = ScheduleLook { ticket, schedule, tenant: None, after: None, max: 9 };
        self.driver.handle_schedule_look(look, self.now);
        self.settle();
        let answer = self.answers().remove(0);
        let Answer::Schedule(view) = answer else { panic!("{answer:?}") };
        *view
    }

    fn kept(&self) -> Schedule {
        self.store.schedules(self.now.wall).unwrap().remove(0).schedule
    }

    /// What became of its moments, the earliest first.
    fn firings(&self) -> Vec<Firing> {
        let mut firings = self.store.firings(&name("s"), None, 10_000).unwrap();
        firings.reverse();
        firings
    }

    fn fates(&self) -> Vec<(Fate, u32)> {
        self.firings().iter().map(|it| (it.fate, it.count)).collect()
    }

    fn jobs_of(&self) -> Vec<JobId> {
        self.firings().iter().filter_map(|it| it.job).collect()
    }

    /// The first attempt that a runner is given ends.
    fn end_run(&mut self, reason: Reason) {
        let key = self.run();
        self.finish("a", key, reason);
    }
}

#[test]
fn each_moment_is_a_job_a_row_and_a_step_of_the_cursor_in_one_action() {
    let mut bench = bench();
    let view = bench.shape(shape("* * * * *"));
    assert_eq!(view.next_at, Some(Wall(EPOCH + 60_000)));
    assert!(view.is_new && view.next.len() == 5);
    for minute in 1..=3 {
        let due = Wall(EPOCH + minute * 60_000);
        bench.skip(Span((bench.driver.poll_timeout().unwrap().0 - bench.now.mono).0));
        assert_eq!(bench.now.wall, due, "it is woken when it is due, and not before");
        bench.driver.handle_timeout(bench.now);
        let action = bench.driver.poll_action().expect("it fires");
        let codes: Vec<_> = action.changes.iter().map(code).collect();
        assert_eq!(codes, ["submit", "event", "firing", "stand"]);
        bench.store.commit(bench.epoch, &action.changes).unwrap();
        assert!(bench.driver.poll_action().is_none());
        let firing = bench.firings().pop().unwrap();
        let job = bench.store.job(firing.job.unwrap()).unwrap().unwrap();
        let key = job.spec.firing.expect("a job says which firing it is");
        assert_eq!((key.schedule, key.due, firing.due), (name("s"), due, due));
        assert_eq!(bench.kept().stand.cursor, due);
    }
    assert_eq!(bench.fates(), [(Fate::Fired, 1); 3]);
}

fn code(change: &Change) -> &'static str {
    let is = [
        ("submit", matches!(change, Change::Submit { .. })),
        ("event", matches!(change, Change::Event { .. })),
        ("firing", matches!(change, Change::Firing { .. })),
        ("stand", matches!(change, Change::Stand { .. })),
    ];
    is.into_iter().find(|it| it.1).map_or("other", |it| it.0)
}

#[test]
fn a_firing_whose_commit_was_lost_is_one_after_a_restart_and_not_two() {
    for is_written in [false, true] {
        let mut bench = bench();
        bench.shape(shape("* * * * *"));
        bench.skip(MINUTE);
        bench.driver.handle_timeout(bench.now);
        let action = bench.driver.poll_action().expect("it fires");
        if is_written {
            bench.store.commit(bench.epoch, &action.changes).unwrap();
        }
        bench.restart();
        bench.pass(Span::from_secs(1));
        assert_eq!(bench.fates(), [(Fate::Fired, 1)], "{is_written}");
        assert_eq!(bench.store.load(&mut |_| {}).unwrap().next_job, JobId(2));
    }
}

#[test]
fn a_second_driver_that_does_not_know_of_a_firing_cannot_write_another() {
    let mut bench = bench();
    bench.shape(shape("* * * * *"));
    let kept = bench.store.schedules(bench.now.wall).unwrap();
    bench.pass(MINUTE);
    // It read the schedule before that fired.
    let term = Term::default();
    let mut second = Driver::new(bench.config.clone(), &term, JobId(50), 7);
    second.restore_schedules(kept, bench.now);
    second.place_restored(bench.now);
    second.handle_timeout(bench.now);
    let mut changes = Vec::new();
    while let Some(action) = second.poll_action() {
        changes.extend(action.changes);
    }
    assert!(changes.iter().any(|it| code(it) == "firing"));
    let error = bench.store.commit(bench.epoch, &changes).expect_err("it is there already");
    assert_eq!(error.fault, ostler_store::Fault::Fenced);
    assert_eq!(bench.fates(), [(Fate::Fired, 1)]);
}

#[test]
fn ten_thousand_that_are_due_at_once_all_fire_and_others_are_heard_in_between() {
    let mut bench = bench();
    for number in 0..2_500 {
        let verb = ScheduleVerb::Put {
            shape: Box::new(shape("0 9 * * *")),
            paused: false,
            new_only: true,
            others: true,
            fired: Vec::new(),
        };
        bench.schedule_of(&format!("s{number}"), verb).unwrap();
    }
    bench.skip(HOUR);
    let mut rounds = 0;
    while bench.driver.poll_timeout().is_some_and(|(at, _)| at <= bench.now.mono) {
        bench.driver.handle_timeout(bench.now);
        bench.settle();
        rounds += 1;
    }
    assert_eq!(rounds, 3);
    assert_eq!(bench.store.load(&mut |_| {}).unwrap().next_job, JobId(2_501));
}

#[test]
fn many_that_are_made_up_for_are_decided_a_thousand_at_a_time_whichever_schedules_they_are_of() {
    let mut bench = bench();
    let window = Span(HOUR.0 * 24);
    let missed = MissedPolicy::All { limit: 10_000, window };
    for number in 0..30 {
        let verb = ScheduleVerb::Put {
            shape: Box::new(ScheduleShape { missed, ..shape("* * * * *") }),
            paused: false,
            new_only: true,
            others: true,
            fired: Vec::new(),
        };
        bench.schedule_of(&format!("s{number}"), verb).unwrap();
    }
    bench.skip(Span(HOUR.0 * 2));
    let mut most = 0;
    while bench.driver.poll_timeout().is_some_and(|(at, _)| at <= bench.now.mono) {
        bench.driver.handle_timeout(bench.now);
        bench.settle();
        most = most.max(bench.changes.iter().filter(|it| code(it) == "firing").count());
    }
    assert!((900..1_100).contains(&most), "{most} at once");
    assert_eq!(bench.store.load(&mut |_| {}).unwrap().next_job, JobId(30 * 120 + 1));
}

#[test]
fn what_does_not_fire_before_tomorrow_wakes_nobody_today() {
    let mut bench = bench();
    bench.shape(shape("0 7 * * *"));
    let (at, why) = bench.driver.poll_timeout().unwrap();
    assert_eq!((at - bench.now.mono, why), (Span::from_secs(23 * 3_600), "a schedule is due"));
}

#[test]
fn a_queue_that_is_gone_or_full_is_why_a_firing_was_refused() {
    let mut bench = bench();
    let mut it = shape("* * * * *");
    it.spec.queue = QueueName::new("q");
    bench.shape(it);
    bench.pass(MINUTE);
    let queue = QueueShape { waiting_max: Some(2), ..QueueShape::default() };
    bench.driver.handle_queue(
        crate::QueueOrder {
            ticket: Ticket(5),
            who: "me".into(),
            queue: QueueName::new("q").unwrap(),
            verb: crate::QueueVerb::Put(Box::new(queue)),
        },
        bench.now,
    );
    bench.settle();
    bench.pass(Span(MINUTE.0 * 3));
    let firings = bench.firings();
    let fates: Vec<_> = firings.iter().map(|it| it.fate).collect();
    assert_eq!(fates[..2], [Fate::Refused, Fate::Fired]);
    assert!(firings[0].detail.as_ref().unwrap().contains("there is no queue q"));
    assert_eq!(fates.last(), Some(&Fate::Refused));
    assert!(
        firings.last().unwrap().detail.as_ref().unwrap().contains("as many jobs wait in queue q")
    );
    let why = bench.schedule(ScheduleVerb::Run).unwrap_err();
    assert!(matches!(why, ScheduleRefusal::NotTaken(why) if why.contains("queue q")));
}

#[test]
fn a_firing_has_from_its_queue_what_the_schedule_does_not_say_as_the_queue_is_then() {
    let mut bench = bench();
    let mut it = shape("* * * * *");
    it.spec.retry = Retry::usual();
    it.spec.work = Work::Shell(Box::default());
    bench.shape(it);
    let retry = Some(Retry { attempts: 7, ..Retry::default() });
    let queue = QueueShape {
        retry: retry.clone(),
        timeout: Some(MINUTE),
        user: Some("mail".into()),
        ..QueueShape::default()
    };
    bench.driver.handle_queue(
        crate::QueueOrder {
            ticket: Ticket(5),
            who: "me".into(),
            queue: QueueName::default(),
            verb: crate::QueueVerb::Put(Box::new(queue)),
        },
        bench.now,
    );
    bench.settle();
    bench.pass(MINUTE);
    let job = bench.store.job(JobId(1)).unwrap().unwrap();
    let command = job.spec.work.command().unwrap();
    assert_eq!((command.timeout, command.user.as_deref()), (Some(MINUTE), Some("mail")));
    assert_eq!(Some(job.spec.retry), retry);
    // What it says itself stays.
    let mut it = shape("* * * * *");
    it.spec.retry = Retry { attempts: 3, ..Retry::default() };
    bench.shape(it.clone());
    bench.pass(MINUTE);
    assert_eq!(bench.store.job(JobId(2)).unwrap().unwrap().spec.retry, it.spec.retry);
}

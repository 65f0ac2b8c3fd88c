//! What schedules cost: `schedules [SCHEDULES] [FIRINGS] [FOLDER] [DUE]`.
//!
//! So many schedules are kept, with so many old firings each. Then all of them are loaded, and some come due at once: a job, its
//! firing, the stand and an event of each, in one commit. Prints milliseconds, and those of
//! the processor alone.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program whose output is figures")]

use std::{sync::Arc, time::Instant};

use ostler_job::{
    JobId, Span, Wall,
    durable::{
        Command, Epoch, Fate, Firing, FiringKey, Input, JobState, Schedule, ScheduleName,
        ScheduleShape, ShapeOwner, Spec, Stand, Status, Work,
    },
};
use ostler_store::{Change, EventKind, Filter, Query, Sqlite, Store};

/// Between two firings of a schedule.
const PERIOD: u64 = 3_600_000;

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let number = |place: usize, default: u64| {
        arguments.get(place).map_or(default, |text| text.parse().unwrap())
    };
    let (schedules, firings, due) = (number(0, 100_000), number(1, 10), number(3, 10_000));
    let folder = arguments.get(2).map_or_else(std::env::temp_dir, Into::into);
    let folder = tempfile::tempdir_in(folder).unwrap();
    let path = folder.path().join("store.db");
    let store = Sqlite::open(&path).unwrap();
    let now = firings * PERIOD;
    let put = (0..schedules).map(|n| Change::Schedule(Box::new(schedule(n, now))));
    told("put one by one in batches of 1,000", || in_batches(&store, put));
    for round in 1..=firings {
        let fired = (0..schedules).map(|n| fired(n, round * PERIOD, n + 1));
        in_batches(&store, fired);
    }
    println!("{} MB", store.size() >> 20);
    told("load them", || {
        assert_eq!(store.schedules(Wall(u64::MAX)).unwrap().len() as u64, schedules)
    });
    drop(store);
    let store = Sqlite::open(&path).unwrap();
    told("load them from a file just opened", || store.schedules(Wall(u64::MAX)).unwrap());
    let mut last = 0;
    for round in 1..=5 {
        let at = now + round * PERIOD;
        for (what, parts) in [("submit and event", 2), ("the same with firing and stand", 4)] {
            let step = (schedules / due).max(1);
            let batch: Vec<_> = (0..due)
                .flat_map(|n| {
                    firing(n * step % schedules, last + n + 1, at).into_iter().take(parts)
                })
                .collect();
            last += due;
            told(what, || store.commit(Epoch(0), &batch).unwrap());
        }
    }
    let name = name(0);
    told("a page of firings", || store.firings(&name, None, 100).unwrap());
    told("a page of jobs", || {
        let filter = Filter { schedule: Some(name.clone()), ..Filter::default() };
        store.query(&Query { filter, limit: 100, ..Query::default() }).unwrap()
    });
    for before in [PERIOD, PERIOD * 2] {
        let forget = Change::Forget { now: Wall(now), events: Wall(before), keys: Wall(0) };
        let one = usize::from(before > PERIOD) * usize::try_from(schedules).unwrap();
        told(&format!("forget {one}"), || store.commit(Epoch(0), &[forget]).unwrap());
    }
}

fn told<T>(what: &str, work: impl FnOnce() -> T) {
    let (since, before) = (Instant::now(), cpu());
    let done = work();
    let (took, busy) = (since.elapsed().as_secs_f64() * 1e3, (cpu() - before) * 1e3);
    println!("{what}: {took:.1} ms, {busy:.1} ms of the processor");
    drop(done);
}

/// Seconds that this thread has computed.
fn cpu() -> f64 {
    let clock = nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID;
    std::time::Duration::from(clock.now().unwrap()).as_secs_f64()
}

fn in_batches(store: &Sqlite, changes: impl Iterator<Item = Change>) {
    let mut changes = changes.peekable();
    while changes.peek().is_some() {
        let batch: Vec<_> = changes.by_ref().take(1000).collect();
        store.commit(Epoch(0), &batch).unwrap();
    }
}

fn name(number: u64) -> ScheduleName {
    ScheduleName::new(&format!("nightly-backup-{number}")).unwrap()
}

fn schedule(number: u64, cursor: u64) -> Schedule {
    let shape = ScheduleShape::new("0 * * * *", "Europe/Berlin", spec(number, None));
    let stand = stand(cursor);
    Schedule { name: name(number), shape, owner: ShapeOwner::default(), put_by: None, stand }
}

fn stand(cursor: u64) -> Stand {
    Stand { since: Wall(1), cursor: Wall(cursor), ..Stand::default() }
}

fn spec(number: u64, firing: Option<FiringKey>) -> Spec {
    let line = format!("/usr/local/bin/backup --volume /srv/volumes/{number} --target s3");
    let argv = ["/bin/sh", "-c", &line].map(str::to_owned).to_vec();
    let command = Command { argv, line: Some(line), stdin: Input::Empty, ..Command::default() };
    Spec {
        content: Some(number),
        within: Some(Span::from_secs(60)),
        firing: firing.map(Box::new),
        ..Spec::new(Work::Shell(Box::new(command)), "/usr/local/bin/backup --volume # --target #")
    }
}

fn fired(number: u64, due: u64, job: u64) -> Change {
    let (due, job) = (Wall(due), Some(JobId(job)));
    let (fate, by, detail) = (Fate::Fired, None, None);
    let firing = Firing { due, last: due, count: 1, at: due, fate, job, by, detail };
    Change::Firing { schedule: name(number), firing: Box::new(firing) }
}

/// What one firing is to the store; of each round the second stands where the first of it found it.
fn firing(number: u64, job: u64, due: u64) -> [Change; 4] {
    let key = FiringKey { schedule: name(number), due: Wall(due) };
    let submit = Change::Submit {
        job: JobId(job),
        spec: Arc::new(spec(number, Some(key))),
        status: Box::new(Status::new(JobState::Pending, None, None)),
        at: Wall(due),
    };
    let event = Change::Event {
        at: Wall(due),
        kind: EventKind::Submitted,
        job: Some(JobId(job)),
        who: None,
        detail: String::new(),
    };
    let expect = Wall(due - PERIOD);
    let stand = Change::Stand { schedule: name(number), expect, stand: Box::new(stand(due)) };
    [submit, event, fired(number, due, job), stand]
}

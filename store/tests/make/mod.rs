//! Jobs and changes to test with.
#![allow(dead_code, reason = "every test binary needs some of it")]

use std::sync::Arc;

use ostler_job::{
    JobId, Span, Wall,
    durable::{
        Attempt, AttemptKey, Command, Edit, Edited, Ending, Fate, Fence, Firing, FiringKey,
        FoldPolicy, GapPolicy, Input, JobState, LogState, MissedPolicy, OverlapPolicy, Payload,
        Reason, Schedule, ScheduleName, ScheduleShape, ShapeOwner, Sort, Spec, Stand, Status,
        Usage, Work,
    },
};
use ostler_store::{Change, Event, EventKind, Filter, Job, Loaded, Query, Store};

pub(crate) fn spec(identity: &str) -> Spec {
    Spec::new(Work::Noop, identity)
}

pub(crate) fn shell(argv: &[&str], stdin: Input) -> Spec {
    let argv: Vec<_> = argv.iter().map(|it| (*it).to_owned()).collect();
    let line = Some(argv.join(" "));
    let command = Command { argv, line, stdin, ..Command::default() };
    Spec { work: Work::Shell(Box::new(command)), ..spec("a command") }
}

pub(crate) fn payload(digit: char) -> Payload {
    Payload { sha256: digit.to_string().repeat(64), bytes: 5 }
}

pub(crate) fn pending() -> Status {
    Status::new(JobState::Pending, None, None)
}

pub(crate) fn in_state(state: JobState) -> Status {
    let finished_at = state.is_finished().then_some(Wall(5000));
    Status { finished_at, ..Status::new(state, None, None) }
}

pub(crate) fn submit_at(job: u64, spec: Spec, status: Status, at: u64) -> Change {
    let (spec, status) = (Arc::new(spec), Box::new(status));
    Change::Submit { job: JobId(job), spec, status, at: Wall(at) }
}

pub(crate) fn submit_as(job: u64, spec: Spec, status: Status) -> Change {
    submit_at(job, spec, status, 1000 + job)
}

pub(crate) fn submit(job: u64) -> Change {
    submit_as(job, spec("noop"), pending())
}

pub(crate) fn update(job: u64, expect: u64, status: Status) -> Change {
    Change::Update { job: JobId(job), expect: Fence(expect), status: Box::new(status) }
}

pub(crate) fn edited(job: u64, edit: Edit) -> Change {
    let fields = edit.fields().into_iter().map(str::to_owned).collect();
    let edited = Edited { at: Wall(7), by: "operator".to_owned(), fields };
    Change::Edit { job: JobId(job), edit: Box::new(edit), edited: Box::new(edited) }
}

pub(crate) fn event(at: u64, detail: &str) -> Change {
    let detail = detail.to_owned();
    Change::Event { at: Wall(at), kind: EventKind::Operator, job: None, who: None, detail }
}

pub(crate) fn attempt(job: u64, attempt: u32, fence: u64) -> Attempt {
    Attempt {
        key: AttemptKey { job: JobId(job), attempt, fence: Fence(fence) },
        runner: "host-1".to_owned(),
        leased_at: Wall(10),
        started_at: Some(Wall(11)),
        finished_at: Some(Wall(12)),
        ending: Some(Ending {
            reason: Reason::ExitStatus,
            exit_status: Some(3),
            signal: None,
            detail: Some("three".to_owned()),
        }),
        ran: Span::from_millis(1),
        usage: Usage { user_us: 1, system_us: 2, rss_max: 3 },
        log: LogState {
            written: 4,
            file: 20,
            whole: Some("aGVsbG8=".to_owned()),
            head: "hell".to_owned(),
            tail: String::new(),
        },
    }
}

pub(crate) fn ids(jobs: &[Job]) -> Vec<u64> {
    jobs.iter().map(|job| job.id.0).collect()
}

/// Ids that a filter finds, newest first, all pages of `limit` put together.
pub(crate) fn find(store: &dyn Store, filter: &Filter, limit: usize) -> Vec<u64> {
    find_sorted(store, filter, Sort::Newest, limit)
}

/// The same in another order.
pub(crate) fn find_sorted(
    store: &dyn Store,
    filter: &Filter,
    sort: Sort,
    limit: usize,
) -> Vec<u64> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = store.query(&Query { filter: filter.clone(), sort, after, limit }).unwrap();
        assert!(page.jobs.len() <= limit);
        found.extend(ids(&page.jobs));
        after = page.next;
        if after.is_none() {
            return found;
        }
    }
}

pub(crate) fn load(store: &dyn Store) -> (Vec<Job>, Loaded) {
    let mut jobs = Vec::new();
    let loaded = store.load(&mut |job| jobs.push(job)).unwrap();
    (jobs, loaded)
}

pub(crate) fn events(store: &dyn Store) -> Vec<Event> {
    store.tail(0, usize::MAX).unwrap()
}

/// The file of an earlier version.
pub(crate) fn fixture(name: &str) -> std::path::PathBuf {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join(format!("tests/fixtures/{name}"))
}

pub(crate) fn schedule_name(name: &str) -> ScheduleName {
    ScheduleName::new(name).unwrap()
}

/// A schedule that stands at a moment.
pub(crate) fn schedule(name: &str, cursor: u64) -> Schedule {
    Schedule {
        name: schedule_name(name),
        shape: ScheduleShape {
            cron: "*/5 3 * * mon-fri".to_owned(),
            vixie: true,
            zone: "Europe/Berlin".to_owned(),
            gap: GapPolicy::Skip,
            fold: FoldPolicy::Both,
            missed: MissedPolicy::All { limit: 7, window: Span::from_secs(3600) },
            overlap: OverlapPolicy::Replace,
            jitter: Span::from_secs(30),
            starts: Some(Wall(1)),
            ends: Some(Wall(1 << 50)),
            expect_within: Some(Span::from_secs(86_400)),
            max_run: Some(Span::from_secs(60)),
            expires_in: Some(Span::from_secs(600)),
            spec: shell(&["backup", name], Input::Empty),
        },
        owner: ShapeOwner::File,
        put_by: Some("ci".to_owned()),
        stand: Stand { since: Wall(3), cursor: Wall(cursor), ..Stand::default() },
    }
}

pub(crate) fn put_schedule(schedule: &Schedule) -> Change {
    Change::Schedule(Box::new(schedule.clone()))
}

pub(crate) fn stand(name: &str, expect: u64, stand: Stand) -> Change {
    let (schedule, stand) = (schedule_name(name), Box::new(stand));
    Change::Stand { schedule, expect: Wall(expect), stand }
}

/// A firing that was decided when it was due.
pub(crate) fn firing(due: u64, fate: Fate, job: Option<u64>) -> Firing {
    let (due, job) = (Wall(due), job.map(JobId));
    Firing { due, last: due, count: 1, at: due, fate, job, by: None, detail: None }
}

pub(crate) fn put_firing(name: &str, firing: &Firing) -> Change {
    Change::Firing { schedule: schedule_name(name), firing: Box::new(firing.clone()) }
}

/// A job that is a firing.
pub(crate) fn fired(name: &str, due: u64) -> Spec {
    let key = FiringKey { schedule: schedule_name(name), due: Wall(due) };
    Spec { firing: Some(Box::new(key)), ..spec("a firing") }
}

//! What durable jobs cost: `throughput [JOBS] [BATCH] [FOLDER] [WAITING]`.
//!
//! Every job is submitted, leased, finished, with its attempt and two events, in batches as the driver makes them; then a
//! million wait and are loaded anew. Prints processor time and bytes written for each job, as the kernel counts them.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program whose output is figures")]

use std::{path::Path, sync::Arc, time::Instant};

use ostler_job::{
    JobId, Span, Wall,
    durable::{
        Attempt, AttemptKey, Command, Ending, Epoch, Fence, Input, JobState, LogState, Reason,
        Retry, Spec, Status, Usage, Work,
    },
};
use ostler_store::{Change, EventKind, Filter, Query, Sqlite, SqliteOptions, Store};

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let number = |place: usize, default: u64| {
        arguments.get(place).map_or(default, |text| text.parse().unwrap())
    };
    let (jobs, batch) = (number(0, 200_000), number(1, 500));
    let folder = arguments.get(2).map_or_else(std::env::temp_dir, Into::into);
    let folder = tempfile::tempdir_in(folder).unwrap();
    let path = folder.path().join("store.db");
    whole_lives(&path, jobs, batch);
    load(&path, number(3, 1_000_000));
    singles(&path);
    queries(&path, jobs);
    backup(&path, folder.path());
}

fn spec(job: u64) -> Arc<Spec> {
    let line = format!("/usr/local/bin/resize --width 640 --height 480 /srv/photos/{job}.jpg");
    let argv = ["/bin/sh", "-c", &line].map(str::to_owned).to_vec();
    let identity = "/usr/local/bin/resize --width # --height # /srv/photos/#.jpg".to_owned();
    let command = Command { argv, line: Some(line), stdin: Input::Empty, ..Command::default() };
    Arc::new(Spec {
        content: Some(job),
        within: Some(Span::from_secs(60)),
        retry: Retry { attempts: 3, ..Retry::default() },
        ..Spec::new(Work::Shell(Box::new(command)), identity)
    })
}

fn submit(job: u64, at: u64) -> Change {
    let status = Box::new(Status::new(JobState::Pending, None, None));
    Change::Submit { job: JobId(job), spec: spec(job), status, at: Wall(at) }
}

fn event(job: u64, at: u64, kind: EventKind) -> Change {
    let who = (kind == EventKind::Submitted).then(|| "first".to_owned());
    Change::Event { at: Wall(at), kind, job: Some(JobId(job)), who, detail: String::new() }
}

fn leased(job: u64, at: u64) -> (Status, Change) {
    let mut status = Status::new(JobState::Leased, None, None);
    status.attempts = 1;
    status.fence = Fence((1 << 32) + job);
    status.runner = Some("host-1".to_owned());
    status.leased_at = Some(Wall(at));
    let change = Box::new(status.clone());
    (status, Change::Update { job: JobId(job), expect: Fence(0), status: change })
}

fn finished(job: u64, at: u64, mut status: Status) -> [Change; 3] {
    let fence = status.fence;
    status.state = JobState::Succeeded;
    status.reason = Some(Reason::Ok);
    status.started_at = Some(Wall(at - 9));
    status.finished_at = Some(Wall(at));
    status.exit_status = Some(0);
    let ending = Ending { reason: Reason::Ok, exit_status: Some(0), signal: None, detail: None };
    let attempt = Attempt {
        key: AttemptKey { job: JobId(job), attempt: 1, fence },
        runner: "host-1".to_owned(),
        leased_at: Wall(at - 10),
        started_at: Some(Wall(at - 9)),
        finished_at: Some(Wall(at)),
        ending: Some(ending),
        ran: Span::from_millis(8),
        usage: Usage { user_us: 1200, system_us: 800, rss_max: 3 << 20 },
        log: LogState::default(),
    };
    [
        Change::Update { job: JobId(job), expect: fence, status: Box::new(status) },
        Change::Attempt(Box::new(attempt)),
        event(job, at, EventKind::Finished),
    ]
}

/// One commit in three takes jobs, one leases them, one finishes them.
fn whole_lives(path: &Path, jobs: u64, batch: u64) {
    let store = Sqlite::open(path).unwrap();
    store.load(&mut |_| {}).unwrap();
    let (before, since, written) = (cpu(), Instant::now(), written_bytes());
    let mut making = 0.0;
    for first in (1..=jobs).step_by(usize::try_from(batch).unwrap()) {
        let start = cpu();
        let at = 1_764_000_000_000 + first;
        let ids = first..first + batch;
        let submits: Vec<_> = ids
            .clone()
            .flat_map(|job| [submit(job, at), event(job, at, EventKind::Submitted)])
            .collect();
        let (statuses, leases): (Vec<_>, Vec<_>) = ids.clone().map(|job| leased(job, at)).unzip();
        let ends = ids.zip(statuses).flat_map(|(job, status)| finished(job, at + 20, status));
        let ends: Vec<_> = ends.collect();
        making += cpu() - start;
        for changes in [submits, leases, ends] {
            store.commit(Epoch(0), &changes).unwrap();
        }
    }
    let took = since.elapsed().as_secs_f64();
    let cpu = (cpu() - before - making) * 1e6 / jobs as f64;
    let wrote = (written_bytes() - written) / jobs;
    println!(
        "{jobs} whole lives in commits of {batch}: {:.0} jobs/s, {cpu:.1} us CPU and {wrote} bytes written a job, {} bytes kept",
        jobs as f64 / took,
        store.size() / jobs,
    );
}

/// Commits of one job each, with checkpoints ten times as often as usual: how long the longest stall is.
fn singles(path: &Path) {
    let options = SqliteOptions { checkpoint_pages: 800, ..SqliteOptions::default() };
    let store = Sqlite::open_with(path, options).unwrap();
    let first = store.load_unfinished(&mut |_| {}).unwrap().next_job.0;
    let one = |job| {
        let since = Instant::now();
        let at = 1_764_200_000_000;
        store.commit(Epoch(0), &[submit(job, at), event(job, at, EventKind::Submitted)]).unwrap();
        since.elapsed()
    };
    let mut times: Vec<_> = (first..first + 2000).map(one).collect();
    times.sort_unstable();
    let [median, p99, longest] = [1000, 1980, 1999].map(|place| times[place]);
    println!("commits of one job: median {median:.2?}, p99 {p99:.2?}, longest {longest:.2?}");
}

fn load(path: &Path, waiting: u64) {
    let store = Sqlite::open(path).unwrap();
    let first = store.load(&mut |_| {}).unwrap().next_job.0;
    for from in (first..first + waiting).step_by(1000) {
        let changes: Vec<_> =
            (from..from + 1000).map(|job| submit(job, 1_764_100_000_000)).collect();
        store.commit(Epoch(0), &changes).unwrap();
    }
    drop(store);
    let (since, before) = (Instant::now(), cpu());
    let store = Sqlite::open(path).unwrap();
    let opened = since.elapsed();
    let (mut count, mut whole) = (0, 0);
    store.load_unfinished(&mut |job| count += std::hint::black_box(job).id.0.min(1)).unwrap();
    let (light, busy) = (since.elapsed(), cpu() - before);
    store.load(&mut |job| whole += std::hint::black_box(job).id.0.min(1)).unwrap();
    let all = since.elapsed() - light;
    println!(
        "{count} waiting: opened in {opened:.2?}, loaded after {light:.2?} ({busy:.2} s CPU); {whole} with commands in {all:.2?}"
    );
}

fn queries(path: &Path, jobs: u64) {
    let store = Sqlite::open(path).unwrap();
    let default = Filter::default;
    let filters = [
        ("newest", default()),
        ("succeeded", Filter { states: vec![JobState::Succeeded], ..default() }),
        ("running", Filter { states: vec![JobState::Running], ..default() }),
        ("no such tenant", Filter { tenant: Some("other".to_owned()), ..default() }),
        ("no such text", Filter { text: Some("nowhere".to_owned()), ..default() }),
        ("exit status not 0", Filter { exit_status: Some((0, true)), ..default() }),
        ("since tomorrow", Filter { since: Some(Wall(1_765_000_000_000)), ..default() }),
        ("finished before", Filter { finished_until: Some(Wall(1)), ..default() }),
    ];
    for (name, filter) in filters {
        let since = Instant::now();
        let page = store.query(&Query { filter, limit: 100, ..Query::default() }).unwrap();
        println!("{name}: {} of {jobs} finished in {:.2?}", page.jobs.len(), since.elapsed());
    }
    let since = Instant::now();
    let old = store.prunable((Wall(1), Wall(1)), Wall(1), 1000).unwrap().len();
    println!("prunable: {old} in {:.2?}", since.elapsed());
    let ids = store.prunable((Wall(u64::MAX), Wall(u64::MAX)), Wall(u64::MAX), 10_000).unwrap();
    let changes: Vec<_> = ids.iter().map(|job| Change::Delete { job: *job }).collect();
    let before = cpu();
    for group in changes.chunks(500) {
        store.commit(Epoch(0), group).unwrap();
    }
    let each = (cpu() - before) * 1e6 / changes.len() as f64;
    println!("deleting: {each:.1} us CPU a job");
}

fn backup(path: &Path, folder: &Path) {
    let store = Sqlite::open(path).unwrap();
    let since = Instant::now();
    let to = folder.join("backup.db");
    store.backup(&to).unwrap();
    let bytes = to.metadata().unwrap().len();
    println!("backup: {} MiB in {:.2?}", bytes >> 20, since.elapsed());
}

/// Processor seconds of this process, its other threads included.
fn cpu() -> f64 {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF).unwrap();
    let seconds =
        |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    seconds(usage.user_time()) + seconds(usage.system_time())
}

/// Bytes that this process caused to be written to disks.
fn written_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/io").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.unwrap().parse().unwrap()
}

//! What lists cost among many jobs: three tenths finished, the newer ones paused. `lists [JOBS [FOLDER]]`; a store that is
//! in the folder already is used again.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement")]

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use ostler_job::{
    JobId, Span, Wall,
    durable::{
        Command, CountQuery, Counts, Epoch, Fence, GroupKey, IdRange, JobState, NameFilter, Reason,
        Sort, Spec, Status, TENANT_DEFAULT, Work,
    },
};
use ostler_store::{Change, Filter, Query, ReadLimit, Sqlite, Store};

const BEGAN: u64 = 1_764_000_000_000;
const TIMES: usize = 21;

fn spec(job: u64) -> Spec {
    let line = format!("convert --quality 80 images/{job}.png thumbnails/{job}.jpg");
    let user = job.is_multiple_of(50).then(|| "www-data".to_owned());
    Spec {
        name: match job {
            _ if job.is_multiple_of(5000) => Some("nightly".to_owned()),
            _ if job.is_multiple_of(4) => Some(format!("thumbnail-{}", job % 1000)),
            _ => None,
        },
        tenant: if job.is_multiple_of(3) { "shop".to_owned() } else { TENANT_DEFAULT.to_owned() },
        tags: if job.is_multiple_of(10) { vec!["images".to_owned()] } else { Vec::new() },
        within: Some(Span::from_secs(60)),
        ..Spec::new(
            Work::Shell(Box::new(Command { line: Some(line), user, ..Command::default() })),
            "convert --quality N images/N.png thumbnails/N.jpg",
        )
    }
}

fn status(job: u64, jobs: u64) -> Status {
    if job > jobs * 3 / 10 {
        let host = job.is_multiple_of(100).then(|| "host-9".to_owned());
        return Status::new(JobState::Paused, None, host);
    }
    let dead = job.is_multiple_of(100);
    let state = if dead { JobState::Dead } else { JobState::Succeeded };
    let mut status = Status::new(state, None, None);
    status.reason = Some(if dead { Reason::ExitStatus } else { Reason::Ok });
    status.attempts = 1;
    status.fence = Fence((1 << 38) + job);
    status.runner = Some(format!("host-{}", job % 4));
    status.exit_status = Some(i32::from(dead));
    status.finished_at = Some(Wall(BEGAN + job * 10 + 9 + job * 7919 % 60_000));
    status
}

fn make(store: &Sqlite, epoch: Epoch, jobs: u64) {
    for first in (1..=jobs).step_by(2000) {
        let submit = |job| Change::Submit {
            job: JobId(job),
            spec: Arc::new(spec(job)),
            status: Box::new(status(job, jobs)),
            at: Wall(BEGAN + job * 10),
        };
        let batch: Vec<_> = (first..(first + 2000).min(jobs + 1)).map(submit).collect();
        store.commit(epoch, &batch).unwrap();
    }
}

fn filters(jobs: u64) -> Vec<(&'static str, Filter)> {
    let all = Filter::default;
    let text = |text: &str| Some(text.to_owned());
    let at = |part: u64| Some(Wall(BEGAN + jobs * part / 10 * 10));
    let late = |ago: u64| Some(Wall(BEGAN + jobs * 3 + 40_000 - ago));
    let states = |states: &[JobState]| states.to_vec();
    vec![
        ("newest", all()),
        ("state=succeeded", Filter { states: states(&[JobState::Succeeded]), ..all() }),
        ("state=paused", Filter { states: states(&[JobState::Paused]), ..all() }),
        ("state=dead", Filter { states: states(&[JobState::Dead]), ..all() }),
        ("state=running", Filter { states: states(&[JobState::Running]), ..all() }),
        (
            "state=finished",
            Filter {
                states: states(&[JobState::Succeeded, JobState::Dead, JobState::Cancelled]),
                ..all()
            },
        ),
        ("tenant=shop", Filter { tenant: text("shop"), ..all() }),
        ("tenant=nobody", Filter { tenant: text("nobody"), ..all() }),
        ("tag=images", Filter { tags: vec!["images".to_owned()], ..all() }),
        ("identity=", Filter { identity: Some(spec(1).identity), ..all() }),
        ("runner=host-1", Filter { runner: text("host-1"), ..all() }),
        ("runner=nobody", Filter { runner: text("nobody"), ..all() }),
        (
            "runner=host-1 state=paused",
            Filter { runner: text("host-1"), states: states(&[JobState::Paused]), ..all() },
        ),
        ("exit_status=0", Filter { exit_status: Some((0, false)), ..all() }),
        ("exit_status=1", Filter { exit_status: Some((1, false)), ..all() }),
        ("exit_status!=0", Filter { exit_status: Some((0, true)), ..all() }),
        ("exit_status!=1", Filter { exit_status: Some((1, true)), ..all() }),
        ("until=early", Filter { until: at(2), ..all() }),
        ("until=before all", Filter { until: Some(Wall(1)), ..all() }),
        ("since=late", Filter { since: at(9), ..all() }),
        ("since=early until=early", Filter { since: at(1), until: at(2), ..all() }),
        ("reason=ok", Filter { reasons: vec![Reason::Ok], ..all() }),
        ("reason=exit_status", Filter { reasons: vec![Reason::ExitStatus], ..all() }),
        ("name=nightly", Filter { name: text("nightly").map(NameFilter::Is), ..all() }),
        ("name=night*", Filter { name: text("night").map(NameFilter::Begins), ..all() }),
        ("name=thumb*", Filter { name: text("thumb").map(NameFilter::Begins), ..all() }),
        ("name=zz*", Filter { name: text("zz").map(NameFilter::Begins), ..all() }),
        ("user=www-data", Filter { user: text("www-data"), ..all() }),
        ("host=host-9", Filter { host: text("host-9"), ..all() }),
        ("id=5-90", Filter { ids: vec![IdRange::new(JobId(5), JobId(90))], ..all() }),
        (
            "1000 ids",
            Filter { ids: (1..=1000).map(|id| JobId(id * 900).into()).collect(), ..all() },
        ),
        ("finished_since=late", Filter { finished_since: late(0), ..all() }),
        ("finished_until=early", Filter { finished_until: at(1), ..all() }),
        (
            "finished_since=late tenant=shop",
            Filter { finished_since: late(0), tenant: text("shop"), ..all() },
        ),
        ("text=nightly", Filter { text: text("nightly"), ..all() }),
        ("text=nowhere-zz", Filter { text: text("nowhere-zz"), ..all() }),
    ]
}

fn main() {
    let mut words = std::env::args().skip(1);
    let jobs = words.next().map_or(1_000_000, |text| text.parse().unwrap());
    let own = tempfile::tempdir().unwrap();
    let folder = words.next().map_or_else(|| own.path().to_owned(), Into::into);
    let path = Path::new(&folder).join("jobs.db");
    let fresh = !path.exists();
    let since = Instant::now();
    let store = Sqlite::open(&path).unwrap();
    println!("opened in {:.1?}", since.elapsed());
    let term = store.begin(0).unwrap();
    if fresh {
        make(&store, term.epoch, jobs);
    }
    for sort in [Sort::Newest, Sort::Oldest, Sort::LastFinished, Sort::FirstFinished] {
        lists(&store, jobs, sort);
    }
    counts(&store, jobs);
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn look() -> ReadLimit {
    ReadLimit { until: Some(Instant::now() + Duration::from_millis(50)), unwanted: None }
}

fn lists(store: &Sqlite, jobs: u64, sort: Sort) {
    println!("\n| of {jobs} jobs, {sort:?} | p50 ms | p95 ms | whole, ms | found |");
    println!("| --- | --- | --- | --- | --- |");
    for (name, filter) in filters(jobs) {
        let query = Query { filter, sort, limit: 100, after: None };
        let one = |_| {
            let since = Instant::now();
            store.search(&query, &look()).unwrap();
            since.elapsed()
        };
        let mut times: Vec<_> = (0..TIMES).map(one).collect();
        times.sort_unstable();
        let since = Instant::now();
        let found = store.query(&query).unwrap().jobs.len();
        let (p50, p95, whole) = (times[TIMES / 2], times[TIMES - 2], since.elapsed());
        println!("| {name} | {:.1} | {:.1} | {:.1} | {found} |", ms(p50), ms(p95), ms(whole));
    }
}

/// In looks, as the API counts.
fn counts(store: &Sqlite, jobs: u64) {
    use GroupKey::{Identity, Name, Reason, State, Tenant, User};
    println!("\n| counts of {jobs} jobs | looks | longest, ms | whole, ms | groups |");
    println!("| --- | --- | --- | --- | --- |");
    let dead = Filter { states: vec![JobState::Dead], ..Filter::default() };
    for (name, filter, by) in [
        ("all", Filter::default(), vec![]),
        ("state", Filter::default(), vec![State]),
        ("state,tenant", Filter::default(), vec![State, Tenant]),
        ("name", Filter::default(), vec![Name]),
        ("user,reason", Filter::default(), vec![User, Reason]),
        ("identity", Filter::default(), vec![Identity]),
        ("tenant of dead ones", dead, vec![Tenant]),
    ] {
        let mut query = CountQuery { filter, by, below: None };
        let (mut all, mut looks, mut longest) = (Counts::default(), 0, Duration::ZERO);
        let since = Instant::now();
        loop {
            let before = Instant::now();
            let part = store.count(&query, &look()).unwrap();
            part.groups.into_iter().for_each(|(group, jobs)| all.add(group, jobs));
            (looks, longest) = (looks + 1, longest.max(before.elapsed()));
            query.below = part.next;
            if query.below.is_none() {
                break;
            }
        }
        let (longest, whole) = (ms(longest), ms(since.elapsed()));
        println!("| {name} | {looks} | {longest:.1} | {whole:.1} | {} |", all.groups.len());
    }
}

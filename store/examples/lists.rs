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
    durable::{Command, Epoch, Fence, JobState, Reason, Retry, Spec, Status, TENANT_DEFAULT, Work},
};
use ostler_store::{Change, Filter, Query, ReadLimit, Sqlite, Store};

const BEGAN: u64 = 1_764_000_000_000;
const TIMES: usize = 21;

fn spec(job: u64) -> Spec {
    let line = format!("convert --quality 80 images/{job}.png thumbnails/{job}.jpg");
    Spec {
        work: Work::Shell(Box::new(Command { line: Some(line), ..Command::default() })),
        name: job.is_multiple_of(5000).then(|| "nightly".to_owned()),
        tenant: if job.is_multiple_of(3) { "shop".to_owned() } else { TENANT_DEFAULT.to_owned() },
        identity: "convert --quality N images/N.png thumbnails/N.jpg".to_owned(),
        content: None,
        tags: if job.is_multiple_of(10) { vec!["images".to_owned()] } else { Vec::new() },
        host: None,
        queue: None,
        not_before: None,
        expires: None,
        within: Some(Span::from_secs(60)),
        delivery: Default::default(),
        retry: Retry::default(),
        dedupe: None,
    }
}

fn status(job: u64, jobs: u64) -> Status {
    if job > jobs * 3 / 10 {
        return Status::new(JobState::Paused, None, None);
    }
    let dead = job.is_multiple_of(100);
    let state = if dead { JobState::Dead } else { JobState::Succeeded };
    let mut status = Status::new(state, None, None);
    status.reason = Some(if dead { Reason::ExitStatus } else { Reason::Ok });
    status.attempts = 1;
    status.fence = Fence((1 << 38) + job);
    status.runner = Some(format!("host-{}", job % 4));
    status.exit_status = Some(i32::from(dead));
    status.finished_at = Some(Wall(BEGAN + job * 10 + 9));
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
    let store = Sqlite::open(&path).unwrap();
    let term = store.begin(0).unwrap();
    if fresh {
        make(&store, term.epoch, jobs);
    }
    println!(
        "| of {jobs} jobs | p50 ms | p95 ms | whole, ms | found |\n| --- | --- | --- | --- | --- |"
    );
    for (name, filter) in filters(jobs) {
        let query = Query { filter, below: None, limit: 100 };
        let one = |_| {
            let since = Instant::now();
            let until = Some(since + Duration::from_millis(50));
            store.search(&query, &ReadLimit { until, unwanted: None }).unwrap();
            since.elapsed()
        };
        let mut times: Vec<_> = (0..TIMES).map(one).collect();
        times.sort_unstable();
        let since = Instant::now();
        let found = store.query(&query).unwrap().jobs.len();
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let (p50, p95, whole) = (times[TIMES / 2], times[TIMES - 2], since.elapsed());
        println!("| {name} | {:.1} | {:.1} | {:.1} | {found} |", ms(p50), ms(p95), ms(whole));
    }
}

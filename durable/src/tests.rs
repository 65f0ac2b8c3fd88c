//! The driver's thread, the links and the transfers together, on a store in memory that fails when it is told to.

use std::{
    collections::VecDeque,
    sync::mpsc::{Receiver, channel},
    time::{Duration, Instant},
};

use bytes::BytesMut;
use ostler_job::{
    JobId, Span, Wall,
    durable::{
        AttemptKey, Ending, Finish, JobState, LogState, Order, Reason, Report, Spec, Usage, Work,
    },
};
use ostler_store::{Memory, Planned, Store};
use ostler_wire::{
    Decoder, FRAME_MAX, Frame, Kind,
    message::{Beat, Message, Piece, Pull, Reports, Run, Settle, Steer, what},
};

use super::{Hello, JobMetrics, Jobs, Opened, link::JobLink};
use ostler_driver::{Answer, DriverConfig, NewJob, Verb};

mod keeping;
mod links;
mod logs;
mod opened;
mod payloads;
mod runners;
mod set_back;
mod steer;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(10);

fn spec() -> Spec {
    Spec::new(Work::Noop, "noop")
}

struct Bench {
    store: std::sync::Arc<Memory>,
    state: tempfile::TempDir,
    jobs: Jobs,
    told: Told,
}

/// What the operator was told.
type Told = std::sync::Arc<std::sync::Mutex<Vec<String>>>;

impl Bench {
    fn new() -> Self {
        Self::with(DriverConfig::default())
    }

    fn with(config: DriverConfig) -> Self {
        let store = std::sync::Arc::new(Memory::new());
        let state = tempfile::tempdir().unwrap();
        let told = Told::default();
        let jobs = start(&store, state.path(), config, told.clone());
        Self { store, state, jobs, told }
    }

    /// Another gateway on the same state.
    fn restart(&mut self) {
        self.jobs.stop();
        let config = DriverConfig::default();
        self.jobs = start(&self.store, self.state.path(), config, self.told.clone());
    }

    async fn submit(&self) -> JobId {
        match self.try_submit().await {
            Ok(job) => job,
            Err(problem) => panic!("{problem}"),
        }
    }

    async fn try_submit(&self) -> Result<JobId, String> {
        let new = NewJob { spec: spec().into(), paused: false, delayed: false, done_before: None };
        let answers = self.jobs.submit("test", None, vec![new], true).await;
        match answers.map_err(|problem| problem.0)?[..] {
            [Answer::Done { job, .. }] => Ok(job),
            ref other => Err(format!("{other:?}")),
        }
    }

    fn state_of(&self, job: JobId) -> JobState {
        self.store.job(job).unwrap().expect("the job is stored").status.state
    }

    fn log(&self, key: AttemptKey) -> Vec<u8> {
        use std::io::Read as _;
        let mut bytes = Vec::new();
        self.jobs
            .files
            .log(key, ostler_store::Owner::default())
            .unwrap()
            .read_to_end(&mut bytes)
            .unwrap();
        bytes
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.jobs.stop();
    }
}

fn start(
    store: &std::sync::Arc<Memory>,
    state: &std::path::Path,
    config: DriverConfig,
    told: Told,
) -> Jobs {
    let opened = Opened::of(store.clone(), state, config).unwrap();
    let metrics = JobMetrics::new(&prometheus::Registry::new());
    let tell = move |event| told.lock().unwrap().push(format!("{event:?}"));
    Jobs::start(opened, metrics, std::sync::Arc::new(tell)).unwrap()
}

/// One link of a runner, played by the test.
struct Link {
    link: JobLink,
    frames: Receiver<BytesMut>,
    decoder: Decoder,
    come: VecDeque<Frame>,
}

impl Link {
    fn up(bench: &Bench, name: &str) -> Self {
        let (way, frames) = channel();
        let way = std::sync::Arc::new(move |out| way.send(out).is_ok());
        let (who, labels) = ("test".into(), Default::default());
        let hello = Hello { name: name.into(), incarnation: None, who, labels };
        let link = JobLink::up(&bench.jobs, &hello, way, false).expect("the name is free");
        Self { link, frames, decoder: Decoder::new(FRAME_MAX), come: VecDeque::new() }
    }

    fn send(&self, message: &impl Message) {
        self.link.handle(&decode(&message.to_bytes())).unwrap();
    }

    fn beat(&self, held: &[AttemptKey]) {
        self.send(&Beat { incarnation: "one", slots: 1, held: held.to_vec() });
    }

    fn report(&self, report: Report) {
        self.send(&Reports(vec![report]));
    }

    /// The next frame of a kind; those before it are dropped.
    fn next(&mut self, kind: Kind) -> Frame {
        let until = Instant::now() + PATIENCE;
        loop {
            while let Some(frame) = self.come.pop_front() {
                if frame.header.kind == kind {
                    return frame;
                }
            }
            let left = until.saturating_duration_since(Instant::now());
            let bytes = self.frames.recv_timeout(left);
            let bytes = bytes.unwrap_or_else(|_| panic!("no {kind:?} comes"));
            self.decoder.buffer().extend_from_slice(&bytes);
            while let Some(frame) = self.decoder.poll_frame().unwrap() {
                self.come.push_back(frame);
            }
        }
    }

    fn run(&mut self) -> AttemptKey {
        Run::of(&self.next(Kind::Run)).unwrap().starts[0].key
    }

    /// The next attempt that is settled, and whether it is fenced.
    fn settled(&mut self) -> (AttemptKey, bool) {
        let settle = Settle::of(&self.next(Kind::Settle)).unwrap();
        (settle.keys[0], settle.is_fenced)
    }

    /// The last piece of a log.
    fn last_piece(&self, key: AttemptKey, bytes: &[u8]) {
        self.send(&Piece::new(what::LOG, &key.to_string(), 0, bytes, true));
    }
}

fn decode(bytes: &[u8]) -> Frame {
    let mut decoder = Decoder::new(FRAME_MAX);
    decoder.buffer().extend_from_slice(bytes);
    decoder.poll_frame().unwrap().expect("a whole frame")
}

fn finished(key: AttemptKey, file: u64) -> Report {
    let ending = Ending { reason: Reason::Ok, exit_status: Some(0), signal: None, detail: None };
    let log = LogState { written: file, file, ..LogState::default() };
    let (ran, stopped, usage) = (Span::from_millis(5), Span::ZERO, Usage::default());
    let started_at = Some(Wall(1));
    Report::Finished(Box::new(Finish { key, ending, started_at, ran, stopped, usage, log }))
}

async fn until(what: &str, is: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is() {
        assert!(Instant::now() < end, "it does not come about that {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A job that runs at a runner.
async fn running(bench: &Bench) -> (Link, JobId, AttemptKey) {
    let mut link = Link::up(bench, "a");
    link.beat(&[]);
    let job = bench.submit().await;
    let key = link.run();
    link.report(Report::Started { key, at: Wall(1) });
    until("the job runs", || bench.state_of(job) == JobState::Running).await;
    (link, job, key)
}

#[tokio::test]
async fn what_is_reported_while_the_disk_is_full_counts_when_there_is_room() {
    let bench = Bench::new();
    let (mut link, job, key) = running(&bench).await;
    bench.store.plan([Some(Planned::Full)]);
    link.report(finished(key, 0));
    until("the disk is full", || bench.jobs.trouble().is_some()).await;
    assert!(bench.try_submit().await.is_err(), "nothing is taken");
    until("there is room", || bench.jobs.trouble().is_none()).await;
    let told = |what: &str| bench.told.lock().unwrap().join("\n").contains(what);
    until("it is told", || told("are refused") && told("are accepted again")).await;
    assert_eq!(link.settled(), (key, false), "on the same link");
    assert_eq!(bench.state_of(job), JobState::Succeeded);
    link.beat(&[]);
    bench.submit().await;
    link.run();
}

#[tokio::test]
async fn an_attempt_that_was_given_up_is_killed_when_its_runner_is_back() {
    let lease = Span::from_millis(50);
    let bench = Bench::with(DriverConfig { lease, ..DriverConfig::default() });
    let (mut link, job, key) = running(&bench).await;
    until("the lease runs out", || bench.state_of(job) == JobState::Pending).await;
    let other = Link::up(&bench, "b");
    let fence = || bench.store.job(job).unwrap().unwrap().status.fence;
    while fence() == key.fence {
        other.beat(&[]);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    link.beat(&[key]);
    assert_eq!(link.settled(), (key, true));
}

#[tokio::test]
async fn a_link_that_replaces_another_gets_what_was_ordered_on_that_one() {
    let bench = Bench::new();
    let (first, job, key) = running(&bench).await;
    let steered = bench.jobs.steer("test", Verb::Cancel, vec![job]).await.unwrap();
    assert!(matches!(steered[..], [Answer::Done { .. }]), "{steered:?}");
    let mut second = Link::up(&bench, "a");
    second.beat(&[key]);
    let steer = Steer::of(&second.next(Kind::Steer)).unwrap();
    assert_eq!(steer.orders, [(key, Order::Kill)]);
    drop(first);
}

#[tokio::test]
async fn a_log_that_was_asked_for_on_a_link_that_is_replaced_comes_on_the_other() {
    let bench = Bench::new();
    let (mut first, _, key) = running(&bench).await;
    first.report(finished(key, 5));
    first.next(Kind::Pull);
    let mut second = Link::up(&bench, "a");
    second.beat(&[key]);
    second.report(finished(key, 5));
    second.next(Kind::Pull);
    second.last_piece(key, b"whole");
    assert_eq!(second.settled(), (key, false));
    assert_eq!(bench.log(key), b"whole");
    drop(first);
}

#[tokio::test]
async fn a_log_that_the_disk_does_not_take_is_fetched_when_it_does() {
    let bench = Bench::new();
    let (mut link, job, key) = running(&bench).await;
    // A file in the place of the folder.
    let folder = bench.state.path().join("files/log").join(job.to_string());
    std::fs::write(&folder, b"").unwrap();
    link.report(finished(key, 5));
    until("the end is recorded", || bench.state_of(job) == JobState::Succeeded).await;
    std::fs::remove_file(&folder).unwrap();
    link.next(Kind::Pull);
    link.last_piece(key, b"whole");
    assert_eq!(link.settled(), (key, false), "on the same link");
}

#[tokio::test]
async fn the_log_of_a_job_that_is_deleted_meanwhile_is_let_go() {
    let bench = Bench::new();
    let (mut link, job, key) = running(&bench).await;
    link.report(finished(key, 5));
    link.next(Kind::Pull);
    until("the end is recorded", || bench.state_of(job) == JobState::Succeeded).await;
    let steered = bench.jobs.steer("test", Verb::Delete, vec![job]).await.unwrap();
    assert!(matches!(steered[..], [Answer::Done { .. }]), "{steered:?}");
    assert_eq!(link.settled(), (key, false));
    until("no file is left", || bench.jobs.files.log(key, ostler_store::Owner::default()).is_err())
        .await;
}

#[tokio::test]
async fn a_runner_is_known_and_drained_after_a_restart() {
    let mut bench = Bench::new();
    let link = Link::up(&bench, "a");
    assert!(bench.jobs.drain("test", "a", true).await.unwrap());
    assert!(!bench.jobs.drain("test", "b", true).await.unwrap(), "it is not known");
    drop(link);
    bench.restart();
    let views = bench.jobs.runners();
    assert_eq!(views.len(), 1);
    assert!(views[0].drained.is_some() && !views[0].connected);
    let mut link = Link::up(&bench, "a");
    link.beat(&[]);
    let job = bench.submit().await;
    assert_eq!(bench.state_of(job), JobState::Pending);
    assert!(bench.jobs.drain("test", "a", false).await.unwrap());
    assert_eq!(link.run().job, job);
}

#[tokio::test]
async fn a_runner_stays_drained_when_the_drivers_memory_is_read_anew() {
    let bench = Bench::new();
    let (mut link, job, key) = running(&bench).await;
    assert!(bench.jobs.drain("test", "a", true).await.unwrap());
    bench.store.plan([Some(Planned::Full)]);
    link.report(finished(key, 0));
    until("the disk is full", || bench.jobs.trouble().is_some()).await;
    until("there is room", || bench.jobs.trouble().is_none()).await;
    assert_eq!(link.settled(), (key, false));
    assert_eq!(bench.state_of(job), JobState::Succeeded);
    let next = bench.submit().await;
    link.beat(&[]);
    // Whatever is told is told in order.
    bench.submit().await;
    assert_eq!(bench.state_of(next), JobState::Pending);
    assert!(bench.jobs.drain("test", "a", false).await.unwrap());
    assert_eq!(link.run().job, next, "it is heard at once, without a beat");
}

#[tokio::test]
async fn a_token_is_revoked_even_when_nobody_waits_for_the_answer() {
    let bench = Bench::new();
    let (_, token) = ostler_api::new_token("t", ["read".to_owned()].into(), None, Wall(1), None);
    let hash = token.hash.clone();
    bench.jobs.put_token("test", token.clone()).await.unwrap();
    assert!(bench.jobs.token(&hash).is_some());
    let revoked = ostler_store::Token { revoked_at: Some(Wall(2)), ..token };
    let mut asked = Box::pin(bench.jobs.put_token("test", revoked));
    let once = std::future::poll_fn(|context| std::task::Poll::Ready(asked.as_mut().poll(context)));
    assert!(once.await.is_pending() || bench.jobs.token(&hash).is_none());
    drop(asked);
    until("it is revoked", || bench.jobs.token(&hash).is_none()).await;
}

#[tokio::test]
async fn a_backup_is_in_the_audit_trail() {
    let state = tempfile::tempdir().unwrap();
    let opened = Opened::open(state.path(), DriverConfig::default()).unwrap();
    let metrics = JobMetrics::new(&prometheus::Registry::new());
    let jobs = Jobs::start(opened, metrics, std::sync::Arc::new(|_| {})).unwrap();
    assert!(jobs.backup("me", state.path().join("copy.db")).await.unwrap() > 0);
    let noted = jobs.read(|store| store.tail(0, 100)).await.unwrap();
    assert_eq!(noted.last().unwrap().who.as_deref(), Some("me"));
    assert!(noted.last().unwrap().detail.contains("copy.db"), "{noted:?}");
    jobs.stop();
}

#[tokio::test]
async fn a_gateway_that_is_about_to_end_gives_nothing_to_runners() {
    let mut bench = Bench::new();
    let mut link = Link::up(&bench, "a");
    link.beat(&[]);
    bench.jobs.rest().await;
    let job = bench.submit().await;
    link.beat(&[]);
    bench.jobs.rest().await;
    assert_eq!(bench.state_of(job), JobState::Pending);
    bench.restart();
    assert!(bench.jobs.runners()[0].drained.is_none(), "nobody drained it");
    link = Link::up(&bench, "a");
    link.beat(&[]);
    assert_eq!(link.run().job, job);
}

//! Durable jobs on a link, docs/WIRE.md section 13: frames from a runner, and frames to it.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::BytesMut;
use ostler_driver::{ActorInput, Beat, Reports, RunnerName};
use ostler_job::{
    JobId, Mono, Span,
    durable::{AttemptKey, Order, Spec},
};
use ostler_machine::clock;
use ostler_wire::{
    Frame, Kind,
    message::{self, Message as _},
};
use tokio::sync::Notify;

use super::{
    Jobs,
    backlog::{Backlog, BacklogPermit},
    driver_thread::DriverMessage,
    hello::{Hello, INCARNATION_MAX},
    runners::{FrameSender, Link, NameTaken, Registered, Runners},
};

/// More slots than this are a mistake.
const SLOTS_MAX: u64 = 1 << 16;

/// A runner that says nothing of its jobs for so long has lost its leases, and its link is of no use to them.
const LEASE: Span = Span::from_secs(15);
/// How often the driver is told that something else than a BEAT came.
const HEARD_EVERY: Span = Span::from_secs(1);

/// One link of a runner, as far as durable jobs are concerned. Dropped, it is down.
pub struct JobLink {
    jobs: Jobs,
    runner: RunnerName,
    number: u64,
    incarnation: Option<String>,
    replaced: Arc<Notify>,
    heard: Arc<AtomicU64>,
    /// When the last frame came of what keeps its jobs, or the link.
    beaten: AtomicU64,
    /// When the driver was told of one that is no BEAT.
    told: AtomicU64,
    pub(super) unheard: Arc<Backlog>,
}

impl JobLink {
    /// The link is up; `way` sends frames on it. `is_local`: the kernel tells when its runner is gone, so that nobody has to
    /// ask when it was heard of.
    pub fn up(
        jobs: &Jobs,
        hello: &Hello,
        way: FrameSender,
        is_local: bool,
    ) -> Result<Self, NameTaken> {
        let runner: RunnerName = Arc::from(&*hello.name);
        let now = clock::both();
        let heard = Arc::new(AtomicU64::new(now.mono.0));
        let link = Link::new(hello, way, (!is_local).then(|| heard.clone()));
        let replaced = link.replaced();
        // Nothing of the one before is told after this.
        let told = |number, replaces| {
            if replaces {
                jobs.transfers.link_down(&runner);
            }
            // The thread is gone only when the gateway ends.
            let _ = jobs
                .inbox
                .send(DriverMessage::ActorInput(ActorInput::LinkUp(runner.clone(), number)));
        };
        let up = jobs.runners.up(&runner, link, now, told);
        let Registered { number, is_news } =
            up.inspect_err(|taken| jobs.refuse_name(hello, taken))?;
        if is_news {
            jobs.transfers.keep_runners();
        }
        let beaten = AtomicU64::new(now.mono.0);
        let incarnation = hello.incarnation.clone();
        let (jobs, told) = (jobs.clone(), AtomicU64::new(0));
        let unheard = Arc::default();
        Ok(Self { jobs, runner, number, incarnation, replaced, heard, beaten, told, unheard })
    }

    /// Waits until another link has taken this one's place: nothing that comes on it counts any more.
    pub async fn replaced(&self) {
        self.replaced.notified().await;
    }

    /// Something came on the link.
    pub fn heard(&self, now: Mono) {
        self.heard.store(now.0, Ordering::Relaxed);
    }

    /// The gateway itself stood still: nobody could be heard.
    pub fn excuse(&self, now: Mono) {
        self.heard(now);
        self.beaten.store(now.0, Ordering::Relaxed);
    }

    /// When nothing will have come of what keeps its jobs for as long as a lease, whatever else did, unless something does.
    pub fn mute_after(&self) -> Mono {
        Mono(self.beaten.load(Ordering::Relaxed)) + LEASE
    }

    /// Takes a frame. An error names what is wrong with it; the link is of no more use then.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds are not of durable jobs")]
    pub fn handle(&self, frame: &Frame) -> io::Result<()> {
        match frame.header.kind {
            Kind::Beat => self.beat(frame),
            Kind::Report => {
                self.lives()?;
                self.report(frame)
            }
            Kind::Pull => {
                self.lives()?;
                let weight = self.weigh(frame, 0)?;
                self.present(|| self.jobs.transfers.pulled(&self.runner, frame, weight))?
            }
            Kind::Piece => {
                self.lives()?;
                let weight = self.weigh(frame, 0)?;
                self.present(|| self.jobs.transfers.piece(&self.runner, frame, weight))?
            }
            _ => Ok(()),
        }
    }

    /// Something came of what sends its beats, which may wait behind it.
    fn lives(&self) -> io::Result<()> {
        let now = clock::now();
        self.beaten.store(now.0, Ordering::Relaxed);
        if now - Mono(self.told.load(Ordering::Relaxed)) < HEARD_EVERY {
            return Ok(());
        }
        self.told.store(now.0, Ordering::Relaxed);
        self.present(|| {
            let heard = ActorInput::Heard(self.runner.clone(), self.number);
            // The thread is gone only when the gateway ends.
            let _ = self.jobs.inbox.send(DriverMessage::ActorInput(heard));
        })
    }

    fn beat(&self, frame: &Frame) -> io::Result<()> {
        let message::Beat { incarnation, slots, held } =
            message::Beat::of(frame).map_err(io::Error::other)?;
        if incarnation.len() > INCARNATION_MAX
            || self.incarnation.as_ref().is_some_and(|it| it != incarnation)
        {
            return Err(io::Error::other("BEAT of another :incarnation than HELLO's"));
        }
        let beat = Beat {
            runner: self.runner.clone(),
            link: self.number,
            incarnation: incarnation.to_owned(),
            slots: u32::try_from(slots.min(SLOTS_MAX)).expect("SLOTS_MAX fits"),
            // As its record has it, which adds both.
            labels: Arc::default(),
            is_broken: false,
            held,
        };
        let weight = self.weigh(frame, beat.held.len())?;
        self.beaten.store(clock::now().0, Ordering::Relaxed);
        let told = self.jobs.runners.beat(beat, clock::wall_now(), |beat| {
            // The thread is gone only when the gateway ends.
            let _ = self.jobs.inbox.send(DriverMessage::Weighed(weight, ActorInput::Beat(beat)));
        });
        told.ok_or_else(replaced)
    }

    fn report(&self, frame: &Frame) -> io::Result<()> {
        let message::Reports(reports) = message::Reports::of(frame).map_err(io::Error::other)?;
        if reports.is_empty() {
            return Ok(());
        }
        let (runner, link) = (self.runner.clone(), self.number);
        let weight = self.weigh(frame, reports.len())?;
        self.tell(weight, ActorInput::Reports(Reports { runner, link, reports }))
    }

    /// The room that a frame of so many parts takes until it is heard.
    fn weigh(&self, frame: &Frame, parts: usize) -> io::Result<BacklogPermit> {
        let weight = self.unheard.weigh(parts, frame.head.len() + frame.body.len());
        weight.ok_or_else(|| io::Error::other("more than can be heard of it"))
    }

    fn tell(&self, weight: BacklogPermit, told: ActorInput) -> io::Result<()> {
        self.present(|| {
            // The thread is gone only when the gateway ends.
            let _ = self.jobs.inbox.send(DriverMessage::Weighed(weight, told));
        })
    }

    fn present<T>(&self, act: impl FnOnce() -> T) -> io::Result<T> {
        self.jobs.runners.of_link(&self.runner, self.number, act).ok_or_else(replaced)
    }
}

fn replaced() -> io::Error {
    io::Error::other("another link of this runner has taken its place")
}

/// A link of the runner is gone. The table of runners sees to it that this is told in order.
fn down(jobs: &Jobs, runner: &RunnerName, link: u64) {
    jobs.transfers.link_down(runner);
    // The thread is gone only when the gateway ends.
    let _ = jobs.inbox.send(DriverMessage::ActorInput(ActorInput::LinkDown(runner.clone(), link)));
}

impl Jobs {
    /// Whether a runner of this name has a link.
    pub fn is_linked(&self, name: &str) -> bool {
        self.runners.is_linked(&name.into())
    }

    /// Whether a runner of this name is known, with a link or without.
    pub fn is_known(&self, name: &str) -> bool {
        self.runners.is_known(name)
    }

    /// The runners that have a link, also those that run no durable jobs.
    pub fn linked(&self) -> Vec<RunnerName> {
        self.runners.linked()
    }

    /// Tells the operator that two processes want one name, once a minute.
    fn refuse_name(&self, hello: &Hello, taken: &NameTaken) {
        if taken.is_news {
            self.warn(format!(
                "a second runner with the name {:?} ({}) is refused while the first ({}) is there; start it with a state \
                 folder of its own and another --name",
                hello.name, hello.who, taken.by
            ));
        }
    }
}

impl Drop for JobLink {
    fn drop(&mut self) {
        self.jobs
            .runners
            .down(&self.runner, self.number, || down(&self.jobs, &self.runner, self.number));
    }
}

/// Attempts that are on their way, by the number of their link.
type Sent = Vec<(u64, Vec<AttemptKey>)>;
/// Those that are not, and whose they were to be.
type Unsent = Vec<(RunnerName, AttemptKey)>;

/// Frames to runners, gathered.
#[derive(Debug, Default)]
pub(super) struct Outgoing(BTreeMap<RunnerName, ToRunner>);

#[derive(Debug, Default)]
struct ToRunner {
    run: Vec<AttemptKey>,
    settled: Vec<AttemptKey>,
    fenced: Vec<AttemptKey>,
    orders: Vec<(AttemptKey, Order)>,
}

impl Outgoing {
    pub(super) fn run(&mut self, runner: RunnerName, key: AttemptKey) {
        self.0.entry(runner).or_default().run.push(key);
    }

    pub(super) fn settle(&mut self, runner: RunnerName, key: AttemptKey, fenced: bool) {
        let to = self.0.entry(runner).or_default();
        if fenced { to.fenced.push(key) } else { to.settled.push(key) }
    }

    pub(super) fn steer(&mut self, runner: RunnerName, key: AttemptKey, order: Order) {
        self.0.entry(runner).or_default().orders.push((key, order));
    }

    /// The jobs whose specs [`Outgoing::send`] needs.
    pub(super) fn wanted(&self) -> Vec<JobId> {
        self.0.values().flat_map(|to| to.run.iter().map(|key| key.job)).collect()
    }

    /// Sends everything, and tells which attempts are on their way on which link, and which are not: the runner has no
    /// link, or their spec is not to be had.
    pub(super) fn send(
        self,
        runners: &Runners,
        specs: &HashMap<JobId, Arc<Spec>>,
    ) -> (Sent, Unsent) {
        let (mut sent, mut unsent) = (Vec::new(), Vec::new());
        for (runner, to) in self.0 {
            let way = runners.way(&runner);
            let lacks = |key: &&AttemptKey| way.is_none() || !specs.contains_key(&key.job);
            unsent.extend(to.run.iter().filter(lacks).map(|key| (runner.clone(), *key)));
            let Some((link, way)) = way else { continue };
            let mut out = BytesMut::new();
            message::Settle { keys: to.settled, is_fenced: false }.put(&mut out);
            message::Settle { keys: to.fenced, is_fenced: true }.put(&mut out);
            let starts = to.run.iter().filter_map(|key| Some((*key, &**specs.get(&key.job)?)));
            message::Run::put(&mut out, starts);
            message::Steer { orders: to.orders }.put(&mut out);
            let had = to.run.into_iter().filter(|key| specs.contains_key(&key.job));
            if way(out) {
                sent.push((link, had.collect()));
            } else {
                unsent.extend(had.map(|key| (runner.clone(), key)));
            }
        }
        (sent, unsent)
    }
}

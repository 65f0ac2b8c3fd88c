//! Durable jobs on a link, docs/WIRE.md section 13: frames from a runner, and frames to it.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    sync::Arc,
};

use bytes::BytesMut;
use ostler_job::{
    JobId,
    durable::{AttemptKey, Order, Report, Spec},
};
use ostler_wire::{Frame, Header, Kind, put_frame};
use serde::{Deserialize, Serialize};

use super::{
    Jobs,
    act::Mail,
    runners::{Runners, Up, Way},
};
use crate::{
    clock,
    driver::{Beat, Reports, RunnerName, Told},
};

/// A JSON body is cut into frames of about this many bytes.
const BODY_MAX: usize = 256 << 10;
/// More slots than this are a mistake.
const SLOTS_MAX: u64 = 1 << 16;

/// One link of a runner, as far as durable jobs are concerned. Dropped, it is down.
pub(crate) struct JobLink {
    jobs: Jobs,
    runner: RunnerName,
    number: u64,
}

impl JobLink {
    /// The link is up; `way` sends frames on it.
    pub(crate) fn up(jobs: &Jobs, name: &str, way: Way) -> Self {
        let runner: RunnerName = Arc::from(name);
        let Up { number, replaces, is_new } = jobs.runners.up(&runner, way, clock::wall_now());
        let link = Self { jobs: jobs.clone(), runner, number };
        if replaces {
            // Whatever is on its way on the other one does not arrive.
            link.jobs.bytes.link_down(&link.runner);
        }
        link.tell(Told::LinkUp(link.runner.clone(), number));
        if is_new {
            jobs.bytes.keep_runners();
        }
        link
    }

    fn down(&self) {
        self.jobs.bytes.link_down(&self.runner);
        self.tell(Told::LinkDown(self.runner.clone(), self.number));
    }

    /// Takes a frame. An error names what is wrong with it; the link is of no more use then.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds are not of durable jobs")]
    pub(crate) fn handle(&self, frame: &Frame) -> io::Result<()> {
        match frame.header.kind {
            Kind::Beat => self.beat(frame),
            Kind::Report => self.report(frame),
            Kind::Pull => self.jobs.bytes.pulled(&self.runner, frame),
            Kind::Piece => self.jobs.bytes.piece(&self.runner, frame),
            _ => Ok(()),
        }
    }

    fn beat(&self, frame: &Frame) -> io::Result<()> {
        let fields = frame.fields().map_err(io::Error::other)?;
        let (Some(incarnation), Some(slots)) =
            (fields.text(":incarnation"), fields.number(":slots"))
        else {
            return Err(io::Error::other("BEAT without :incarnation and :slots"));
        };
        let beat = Beat {
            runner: self.runner.clone(),
            link: self.number,
            incarnation: incarnation.to_owned(),
            slots: u32::try_from(slots.min(SLOTS_MAX)).expect("SLOTS_MAX fits"),
            held: parse(frame)?,
        };
        self.jobs.runners.beat(&beat, clock::wall_now());
        self.tell(Told::Beat(beat));
        Ok(())
    }

    fn report(&self, frame: &Frame) -> io::Result<()> {
        let reports = match parse::<Vec<Report>>(frame) {
            Ok(reports) => reports,
            // A report that this version does not know is ignored, not the frame that it came in.
            Err(_) => {
                parse::<Vec<Lenient>>(frame)?.into_iter().filter_map(Lenient::known).collect()
            }
        };
        let mut told = Vec::with_capacity(reports.len());
        for report in reports {
            match &report {
                Report::Log { key, bytes } => self.jobs.bytes.grew(&self.runner, *key, *bytes),
                Report::Finished(finish) => {
                    if finish.log.whole.is_none() && finish.log.file > 0 {
                        self.jobs.bytes.ended(&self.runner, finish.key, finish.log.file);
                    }
                    told.push(report);
                }
                Report::Started { .. } | Report::Paused { .. } | Report::NotStarted { .. } => {
                    told.push(report);
                }
            }
        }
        if !told.is_empty() {
            let (runner, link) = (self.runner.clone(), self.number);
            self.tell(Told::Reports(Reports { runner, link, reports: told }));
        }
        Ok(())
    }

    fn tell(&self, told: Told) {
        // The thread is gone only when the gateway ends.
        let _ = self.jobs.inbox.send(Mail::Told(told));
    }
}

impl Drop for JobLink {
    fn drop(&mut self) {
        if self.jobs.runners.down(&self.runner, self.number) {
            self.down();
        }
    }
}

/// A report, or one of a newer runner.
#[derive(Deserialize)]
#[serde(untagged)]
enum Lenient {
    Known(Report),
    Newer(serde::de::IgnoredAny),
}

impl Lenient {
    fn known(self) -> Option<Report> {
        match self {
            Self::Known(report) => Some(report),
            Self::Newer(_) => None,
        }
    }
}

fn parse<T: for<'a> Deserialize<'a>>(frame: &Frame) -> io::Result<T> {
    serde_json::from_slice(&frame.body)
        .map_err(|error| io::Error::other(format!("the body of {:?}: {error}", frame.header.kind)))
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
    steer: Vec<(AttemptKey, Order)>,
}

/// A [`ostler_job::durable::Start`] whose spec is shared.
#[derive(Serialize)]
struct StartRef<'a> {
    key: AttemptKey,
    spec: &'a Spec,
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
        self.0.entry(runner).or_default().steer.push((key, order));
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
            put_list(&mut out, Kind::Settle, 0, to.settled.iter());
            put_list(&mut out, Kind::Settle, 1, to.fenced.iter());
            let starts = to.run.iter().filter_map(|key| {
                Some(StartRef { key: *key, spec: specs.get(&key.job)?.as_ref() })
            });
            put_list(&mut out, Kind::Run, 0, starts);
            put_list(&mut out, Kind::Steer, 0, to.steer.iter());
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

/// Writes a JSON array as one frame or several, and none when it is empty.
pub(super) fn put_list<T: Serialize>(
    out: &mut BytesMut,
    kind: Kind,
    code: u16,
    items: impl Iterator<Item = T>,
) {
    let header = Header { len: 0, kind, flags: 0, code, stream: 0, aux: 0 };
    let mut body = Vec::new();
    for item in items {
        body.push(if body.is_empty() { b'[' } else { b',' });
        serde_json::to_writer(&mut body, &item).expect("our own records are JSON");
        if body.len() >= BODY_MAX {
            body.push(b']');
            put_frame(out, header, &body);
            body.clear();
        }
    }
    if !body.is_empty() {
        body.push(b']');
        put_frame(out, header, &body);
    }
}

//! Runners that cannot start what they are given: a folder, an interpreter, a user is missing there. Such a host ends jobs faster
//! than any other and would empty the queue, so it gets nothing more, but one job from time to time: the fault may be gone.
//!
//! A job that cannot be started anywhere proves nothing against the host. What counts are kinds of jobs: some different ones, or
//! such as are known to start. A single start proves that the host is sound.

use std::collections::{BTreeMap, BTreeSet};

use ostler_job::{
    JobId, Mono, Now, Span,
    durable::{Finish, Reason},
};

use super::{
    Driver, RunnerName,
    event::{Beat, Effect},
    recent::Recent,
};

/// Proofs that it takes. Two may be a pair of commands that somebody wrote wrong.
const PROOFS: u32 = 3;
/// Until the first try, which doubles with each that fails, and the longest. Short, since a try takes an attempt from no job at
/// first; long in the end, since each costs an operator a line and a job some time.
const TRY_AFTER: (Span, Span) = (Span::from_secs(10), Span::from_secs(600));
/// Kinds of jobs that are known to start, at least; and jobs that came back from a runner that is broken.
const KINDS: usize = 16_384;
const SPARED: usize = 4096;

/// What speaks against runners.
#[derive(Debug)]
pub(super) struct Suspicions {
    /// Since the last start there: the kinds that failed, and how many proofs that is.
    failed: BTreeMap<u32, (BTreeSet<u64>, u32)>,
    broken: BTreeMap<u32, Broken>,
    /// When the next one is tried.
    tries: BTreeSet<(Mono, u32)>,
    /// Kinds that started, wherever.
    begun: Recent<u64, ()>,
    /// Jobs that came back once.
    spared: Recent<JobId, ()>,
}

/// A runner that gets nothing but a try.
#[derive(Debug)]
struct Broken {
    /// Until the try after the next.
    wait: Span,
    /// When it is tried; `None`: now.
    at: Option<Mono>,
}

impl Default for Suspicions {
    fn default() -> Self {
        Self {
            failed: BTreeMap::new(),
            broken: BTreeMap::new(),
            tries: BTreeSet::new(),
            begun: Recent::new(KINDS),
            spared: Recent::new(SPARED),
        }
    }
}

impl Suspicions {
    /// A kind failed; whether that is the last proof.
    fn prove(&mut self, runner: u32, kind: u64) -> bool {
        let begins = self.begun.get(&kind).is_some();
        let (kinds, proofs) = self.failed.entry(runner).or_default();
        *proofs += u32::from(kinds.insert(kind) || begins);
        *proofs >= PROOFS
    }

    /// Nothing speaks against it any more; whether it was broken.
    fn clear(&mut self, runner: u32) -> bool {
        self.failed.remove(&runner);
        let broken = self.broken.remove(&runner);
        if let Some(Broken { at: Some(at), .. }) = broken {
            self.tries.remove(&(at, runner));
        }
        broken.is_some()
    }

    fn rest(&mut self, runner: u32, wait: Span, at: Option<Mono>) {
        self.clear(runner);
        self.broken.insert(runner, Broken { wait, at });
        self.tries.extend(at.map(|at| (at, runner)));
    }

    /// How many more jobs a broken runner may get; `None`: it is not.
    pub(super) fn more(&self, runner: u32) -> Option<u32> {
        self.broken.get(&runner).map(|it| u32::from(it.at.is_none()))
    }

    /// The first try.
    pub(super) fn first_try(&self) -> Option<(Mono, u32)> {
        self.tries.first().copied()
    }

    pub(super) fn check(&self) {
        let dated = self.broken.iter().filter_map(|(&runner, it)| Some((it.at?, runner)));
        assert_eq!(dated.collect::<BTreeSet<_>>(), self.tries, "every try is filed");
    }
}

impl Driver {
    /// A job of this kind began on the runner: whatever was wrong there is not any more.
    pub(super) fn begins(&mut self, number: u32, kind: u64, now: Now) {
        self.runners.suspicions.begun.put(kind, ());
        self.mend(number, now);
    }

    /// An attempt could not be started. `true`: that is the runner's fault, and not the job's: it came back, once.
    pub(super) fn spares(&mut self, runner: &RunnerName, finish: &Finish, now: Now) -> bool {
        let (id, reason) = (finish.key.job, finish.ending.reason);
        // A runner that said it began has contradicted itself, and whatever may run once has perhaps run.
        if self.jobs[id].run_mut().started_at.is_some() {
            return false;
        }
        let Some(number) = self.jobs[id].at().filter(|_| reason == Reason::Unstartable) else {
            return false;
        };
        let suspicions = &mut self.runners.suspicions;
        let is_proved = suspicions.prove(number, self.jobs[id].identity);
        if suspicions.more(number).is_none() {
            if !is_proved {
                return false;
            }
            suspicions.rest(number, TRY_AFTER.0, Some(now.mono + TRY_AFTER.0));
            let why = finish.ending.detail.clone().unwrap_or_default();
            self.tell_runner(number, "broken", now);
            let (runner, why) = (runner.clone(), Some(why));
            self.outbox.effect(Effect::Broken { runner, why });
            self.offer(number, now);
        }
        let suspicions = &mut self.runners.suspicions;
        let is_first = suspicions.spared.get(&id).is_none();
        suspicions.spared.put(id, ());
        is_first
    }

    /// The runner may forget the attempt, and the job waits as if it had never been given to it.
    pub(super) fn spare(&mut self, runner: &RunnerName, number: u32, finish: &Finish, now: Now) {
        if let Some(it) = self.runners.get_mut(number) {
            it.settling.insert(finish.key);
        }
        let (runner, key) = (runner.clone(), finish.key);
        self.outbox.effect(Effect::Settle { runner, key, fenced: false });
        self.return_(finish.key.job, now);
    }

    /// A job was given to the runner: if it is broken, that is the try, and the next is later.
    pub(super) fn tried(&mut self, number: u32, now: Now) {
        let Some(broken) = self.runners.suspicions.broken.get(&number) else { return };
        let wait = broken.wait;
        let next = Span(wait.0.saturating_mul(2)).min(TRY_AFTER.1);
        self.runners.suspicions.rest(number, next, Some(now.mono + wait));
        self.offer(number, now);
    }

    /// The moment of a try has come: the runner gets one job.
    pub(super) fn try_again(&mut self, number: u32, now: Now) {
        let Some(broken) = self.runners.suspicions.broken.get(&number) else { return };
        let wait = broken.wait;
        self.runners.suspicions.rest(number, wait, None);
        self.offer(number, now);
    }

    /// A runner comes that an earlier memory found broken, or another process of one that is.
    pub(super) fn greet_broken(&mut self, number: u32, beat: &Beat, is_other: bool) {
        let is_new = self.runners.get(number).is_some_and(|it| it.beats <= 1);
        let suspicions = &mut self.runners.suspicions;
        match (suspicions.more(number), is_new && beat.is_broken) {
            // Whoever started it anew may have mended it.
            (Some(_), _) if is_other => suspicions.rest(number, TRY_AFTER.0, None),
            (None, true) => suspicions.rest(number, TRY_AFTER.0, None),
            (Some(_), _) | (None, false) => {}
        }
    }

    /// Nothing speaks against the runner any more.
    pub(super) fn mend(&mut self, number: u32, now: Now) {
        if !self.runners.suspicions.clear(number) {
            return;
        }
        self.tell_runner(number, "mended", now);
        let runner = self.hosts.name(number).clone();
        self.outbox.effect(Effect::Broken { runner, why: None });
        self.offer(number, now);
    }
}

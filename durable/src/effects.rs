//! What is done once its changes are safe: frames to runners, answers to whoever asked.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use ostler_driver::{ActorInput, Effect, RunnerName};
use ostler_job::{
    JobId, Span,
    durable::{Attempt, AttemptKey, Ending, Finish, LogState, Reason, Report, Spec, Usage, Work},
};
use ostler_machine::clock;

use super::{driver_thread::DriverThread, link::Outgoing};

/// What the store has of the end of an attempt.
enum EndOnRecord {
    Nothing,
    /// All that its runner told, but for so many bytes of a log.
    Recorded {
        log: u64,
    },
    /// It cannot be read now.
    Cannot,
}

impl DriverThread {
    pub(super) fn carry_out(&mut self, effects: Vec<Effect>) {
        let mut frames = Outgoing::default();
        for effect in effects {
            match effect {
                Effect::Run { runner, key, waited, late } => {
                    self.shared.metrics.leased(waited, late);
                    self.shared.runners.note_held(&runner, key, true);
                    frames.run(runner, key);
                }
                Effect::Broken { runner, why } => self.note_broken(&runner, why),
                Effect::Lost { runner, key } => self.shared.runners.note_held(&runner, key, false),
                Effect::Settle { runner, key, fenced } => {
                    self.settle(&mut frames, runner, key, fenced);
                }
                Effect::Log { runner, key, bytes, ended: true } => {
                    self.shared.transfers.ended(&runner, key, bytes);
                }
                Effect::Log { runner, key, bytes, ended: false } => {
                    self.shared.transfers.grew(&runner, key, bytes);
                }
                Effect::Steer { runner, key, order } => frames.steer(runner, key, order),
                Effect::Answer { ticket, answers } => {
                    if let Some(asker) = self.asked.remove(&ticket) {
                        // Who asked may have gone.
                        let _ = asker.send(Ok(answers));
                    }
                }
                Effect::SetBack => self.shared.set_back.notify_one(),
                Effect::Fired { late } => self.shared.metrics.fired(late),
                Effect::Changed { job } => self.shared.watches.poke(job),
                Effect::Deleted { job } => {
                    self.shared.watches.poke(job);
                    self.shared.transfers.delete(job);
                }
            }
        }
        let mut specs = self.specs_of(&frames.wanted());
        let known = |spec: &Arc<Spec>| spec.work != Work::Unknown;
        let unknown: BTreeSet<JobId> =
            specs.iter().filter(|(_, spec)| !known(spec)).map(|(job, _)| *job).collect();
        specs.retain(|_, spec| known(spec));
        let now = clock::both();
        let (sent, unsent) = frames.send(&self.shared.runners, &specs);
        for (link, keys) in sent {
            self.actor.hear(ActorInput::Sent(link, keys), now);
        }
        for (runner, key) in unsent {
            // What could not be sent was not started; what nobody knows how to run never will be.
            let report = match unknown.contains(&key.job) {
                true => Report::Finished(Box::new(unreadable(key))),
                false => Report::NotStarted { key },
            };
            self.actor.hear(ActorInput::Unsent(runner, report), now);
        }
    }

    fn note_broken(&self, runner: &RunnerName, why: Option<String>) {
        let told = match &why {
            Some(why) => format!(
                "runner {runner} gets no durable jobs any more but one now and then: what it was given last could not be started \
                 ({why}); mend its host, then `ostler drain {runner} --undo`, or wait until a job starts there"
            ),
            None => format!("runner {runner} gets durable jobs again"),
        };
        self.shared.runners.note_broken(runner, why, clock::wall_now());
        self.shared.transfers.keep_runners();
        self.shared.warn(told);
    }

    fn settle(&self, frames: &mut Outgoing, runner: RunnerName, key: AttemptKey, fenced: bool) {
        self.shared.runners.note_held(&runner, key, false);
        // After a restart the driver does not know what an earlier life has recorded.
        let known = if fenced { self.known(&runner, key) } else { EndOnRecord::Nothing };
        if let EndOnRecord::Cannot = known {
            // The next beat asks again.
            return;
        }
        let fenced = fenced && matches!(known, EndOnRecord::Nothing);
        if let EndOnRecord::Recorded { log: bytes @ 1.. } = known {
            // All of it may be here, but for a sync.
            self.shared.transfers.ended(&runner, key, bytes);
        }
        self.shared.metrics.settled(fenced);
        if fenced {
            self.shared.transfers.forget(key);
        }
        // A log that is not whole yet is waited for; then the transfers settle it.
        if fenced || !self.shared.transfers.settle(key) {
            frames.settle(runner, key, fenced);
        }
    }

    /// What is in the store of an attempt's end as its runner told it. One that was given up when its lease ran out
    /// is there as well, without a word of its runner: if it still runs, it is to be killed.
    fn known(&self, runner: &RunnerName, key: AttemptKey) -> EndOnRecord {
        let Ok(attempts) = self.shared.store.attempts(key.job) else { return EndOnRecord::Cannot };
        let given_up = |detail: &String| ostler_driver::GIVEN_UP.contains(&detail.as_str());
        let told = |ending: &Ending| {
            ending.reason != Reason::Lost || ending.detail.as_ref().is_some_and(|it| !given_up(it))
        };
        let of_runner = |it: &&Attempt| it.key == key && *it.runner == **runner;
        match attempts.iter().find(of_runner).filter(|it| it.ending.as_ref().is_some_and(told)) {
            Some(it) if it.log.whole.is_none() => EndOnRecord::Recorded { log: it.log.file },
            Some(_) => EndOnRecord::Recorded { log: 0 },
            None => EndOnRecord::Nothing,
        }
    }

    /// The specs of jobs that are to run: from memory, the others from the store.
    fn specs_of(&mut self, jobs: &[JobId]) -> HashMap<JobId, Arc<Spec>> {
        let mut found: HashMap<_, _> =
            jobs.iter().filter_map(|job| Some((*job, self.specs.take(*job)?))).collect();
        let missing: Vec<JobId> =
            jobs.iter().copied().filter(|job| !found.contains_key(job)).collect();
        if !missing.is_empty() {
            match self.shared.store.jobs(&missing) {
                Ok(jobs) => found.extend(jobs.into_iter().map(|job| (job.id, Arc::new(job.spec)))),
                // They are taken back, and granted again.
                Err(error) => self.shared.warn(format!("jobs cannot be read: {error}")),
            }
        }
        found
    }
}

/// The end of an attempt at something that only another version knows, or that is damaged.
fn unreadable(key: AttemptKey) -> Finish {
    let detail = "what it is to run cannot be read: a later version wrote it, or it is damaged";
    let ending = Ending {
        reason: Reason::Unstartable,
        exit_status: None,
        signal: None,
        detail: Some(detail.to_owned()),
    };
    let (usage, log) = (Usage::default(), LogState::default());
    Finish { key, ending, started_at: None, ran: Span::ZERO, stopped: Span::ZERO, usage, log }
}

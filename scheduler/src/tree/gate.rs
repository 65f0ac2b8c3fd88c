//! What holds up a whole queue: a pause, a number of running jobs, a rate.
//!
//! A closed gate hides the queue from its parent, so that nothing which may not run stands at anybody's head. The rate is
//! the generic cell rate algorithm (ITU-T I.371): one moment says what a leaky bucket would, and when it opens again.

#[cfg(test)]
mod tests;

use ostler_job::{Mono, Span};

use super::{NodeIx, Tree};
use crate::config::{DisciplineKind, QueueConfig, Rate};

/// One queue's gate.
#[derive(Default)]
pub(crate) struct Gate {
    paused: bool,
    concurrency: Option<u32>,
    rate: Option<Rate>,
    /// Granted jobs.
    running: u32,
    /// When the next job would be due if jobs came evenly: the theoretical arrival time.
    due: Mono,
    /// When the whole burst was there last. What was granted before has been made up for since, and gives nothing back.
    whole: Mono,
    /// Closed by the rate, until it is opened.
    closed_until: Option<Mono>,
}

impl Gate {
    /// Another one from here on. What is used of its rate stays used: as many turns of the new one, and no more than that lets go at
    /// once. Answers until when the rate is used up, if it is another one and that is not now.
    pub(crate) fn configure(&mut self, config: &QueueConfig, now: Mono) -> Option<Mono> {
        self.paused = config.paused;
        self.concurrency = config.concurrency;
        if self.rate == config.rate {
            return None;
        }
        let (old, ahead) = (self.step(), self.due.0.saturating_sub(now.0));
        self.rate = config.rate;
        let (step, burst) = (self.step(), self.rate.map_or(1, |rate| rate.burst.max(1)));
        let most = step.0.saturating_mul(u64::from(burst));
        let used = u128::from(ahead) * u128::from(step.0) / u128::from(old.0.max(1));
        self.due = now + Span(u64::try_from(used).unwrap_or(u64::MAX).min(most));
        self.note_whole(now);
        self.close(now)
    }

    pub(crate) fn is_open(&self) -> bool {
        !self.paused
            && self.closed_until.is_none()
            && self.concurrency.is_none_or(|max| self.running < max)
    }

    /// What it lets through, as it was configured.
    pub(crate) fn limits(&self) -> (bool, Option<u32>, Option<Rate>) {
        (self.paused, self.concurrency, self.rate)
    }

    /// Until when the rate has closed it.
    pub(crate) fn closed_until(&self) -> Option<Mono> {
        self.closed_until
    }

    pub(crate) fn running(&self) -> u32 {
        self.running
    }

    /// So many jobs were granted already.
    pub(crate) fn adopt(&mut self, running: u32) {
        self.running = running;
    }

    /// A job is granted. Answers until when the rate is used up, if it is from now on.
    pub(crate) fn take(&mut self, now: Mono) -> Option<Mono> {
        self.running += 1;
        self.rate?;
        self.note_whole(now);
        self.due = self.due.max(now) + self.step();
        self.close(now)
    }

    /// A job has been granted since then, which its queue may have known when it was. Answers as [`Gate::take`].
    pub(crate) fn take_since(&mut self, since: Mono, now: Mono) -> Option<Mono> {
        self.running += 1;
        self.rate?;
        self.note_whole(now);
        self.due = self.due.max(since.min(now) + self.step());
        self.close(now)
    }

    /// A job that was granted is over.
    pub(crate) fn leave(&mut self) {
        self.running -= 1;
    }

    fn note_whole(&mut self, now: Mono) {
        if self.due <= now {
            self.whole = now;
        }
    }

    /// A job that was granted then never began, and the rate gets it back, unless time has brought another start for it. Answers
    /// when that opens, if it is sooner than it was.
    pub(crate) fn give_back(&mut self, granted: Mono) -> Option<Mono> {
        self.running -= 1;
        self.rate.filter(|_| granted >= self.whole)?;
        self.due = Mono(self.due.0.saturating_sub(self.step().0));
        let opens = self.opens();
        self.closed_until = self.closed_until.map(|at| at.min(opens));
        self.closed_until
    }

    /// When the next job may go, as far as the rate is concerned.
    fn opens(&self) -> Mono {
        let burst = self.rate.map_or(1, |rate| rate.burst.max(1));
        let ahead = self.step().0.saturating_mul(u64::from(burst - 1));
        Mono(self.due.0.saturating_sub(ahead))
    }

    fn close(&mut self, now: Mono) -> Option<Mono> {
        let opens = self.opens();
        self.closed_until = (opens > now).then_some(opens);
        self.closed_until
    }

    /// The moment is here at which the rate lets the next job go; false: another one holds.
    pub(crate) fn open_at(&mut self, at: Mono) -> bool {
        let is_it = self.closed_until == Some(at);
        if is_it {
            self.closed_until = None;
        }
        is_it
    }

    /// Whether that moment is still waited for.
    pub(crate) fn waits_for(&self, at: Mono) -> bool {
        self.closed_until == Some(at)
    }

    fn step(&self) -> Span {
        let rate = self.rate.map_or((Span::ZERO, 1), |rate| (rate.per, rate.jobs.max(1)));
        Span(rate.0.0.div_ceil(u64::from(rate.1)))
    }
}

impl Tree {
    /// A granted job goes through the node's gate, or went through it at `since`, which may close behind it: then none of its lanes
    /// offers anything.
    #[inline(always)]
    pub(super) fn enter_gate(&mut self, at: NodeIx, since: Option<Mono>, now: Mono) {
        let node = &mut self[at];
        let opens = match since {
            None => node.gate.take(now),
            Some(since) => node.gate.take_since(since, now),
        };
        if opens.is_some() || !node.gate.is_open() || node.kind == DisciplineKind::Htb {
            self.close_gate(at, opens);
        }
    }

    #[cold]
    fn close_gate(&mut self, at: NodeIx, opens: Option<Mono>) {
        self.open_later(at, opens);
        self.watch(at);
        // What was charged in one lane may be above a ceiling in all of them.
        if !self[at].gate.is_open() || self[at].kind == DisciplineKind::Htb {
            self.offer_all(at);
        }
    }

    /// The rate opens the gate then.
    #[inline]
    pub(super) fn open_later(&mut self, at: NodeIx, opens: Option<Mono>) {
        if let Some(opens) = opens {
            self.opening.push(std::cmp::Reverse((opens, at)));
        }
    }

    /// A granted job is over; `unbegun`: or it never began, and was granted then.
    #[inline]
    pub(super) fn leave_gate(&mut self, at: NodeIx, unbegun: Option<Mono>) {
        let gate = &mut self[at].gate;
        let was_open = gate.is_open();
        let opens = match unbegun {
            None => {
                gate.leave();
                None
            }
            Some(granted) => gate.give_back(granted),
        };
        if !was_open && gate.is_open() {
            self.offer_all(at);
        }
        self.open_later(at, opens);
    }
}

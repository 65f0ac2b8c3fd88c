//! What holds up a whole queue: a pause, a number of running jobs, a rate.
//!
//! A closed gate hides the queue from its parent, so that nothing which may not run stands at anybody's head. The rate is
//! the generic cell rate algorithm (ITU-T I.371): one moment says what a leaky bucket would, and when it opens again.

use ostler_job::{Mono, Span};

use crate::config::{QueueConfig, Rate};

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
    /// Closed by the rate, until it is opened.
    closed_until: Option<Mono>,
}

impl Gate {
    pub(crate) fn configure(&mut self, config: &QueueConfig, now: Mono) {
        self.paused = config.paused;
        self.concurrency = config.concurrency;
        if self.rate != config.rate {
            self.rate = config.rate;
            self.due = now;
            self.closed_until = None;
        }
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
        let Rate { burst, .. } = self.rate?;
        let step = self.step();
        self.due = self.due.max(now) + step;
        let ahead = Span(step.0.saturating_mul(u64::from(burst.max(1) - 1)));
        let opens = Mono(self.due.0.saturating_sub(ahead.0));
        self.closed_until = (opens > now).then_some(opens);
        self.closed_until
    }

    /// A job that was granted has ended; `began`: or it never did, and the rate gets it back.
    pub(crate) fn give_back(&mut self, began: bool) {
        self.running -= 1;
        if !began && self.rate.is_some() {
            self.due = Mono(self.due.0.saturating_sub(self.step().0));
        }
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

//! Kill escalation: the steps from a request that nobody waits for any more to the end of the child that does not let go of it.

use ostler_job::{Mono, Span};

/// Where a child stands because of one stream. The request's cancel was step one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Escalation {
    stream: u32,
    dump_at: Mono,
    end_at: Mono,
    dumped: bool,
}

/// The next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Half of the grace has passed: where is it stuck?
    Dump,
    /// The grace has passed.
    End,
}

impl Escalation {
    pub(super) fn new(stream: u32, now: Mono, grace: Span) -> Self {
        Self { stream, dump_at: now + Span(grace.0 / 2), end_at: now + grace, dumped: false }
    }

    /// The stream that is over its time.
    pub(super) fn stream(&self) -> u32 {
        self.stream
    }

    /// The step that is due.
    pub(super) fn step(&mut self, now: Mono) -> Option<Step> {
        if now >= self.end_at {
            return Some(Step::End);
        }
        if self.dumped || now < self.dump_at {
            return None;
        }
        self.dumped = true;
        Some(Step::Dump)
    }
}

//! How long an app that does not start is left alone before the next attempt, and how fast children are started at all.
//!
//! Only a start can fail here: a child that ends before it is READY, or soon after and before its first request. What a
//! child dies of while it serves is answered by starting the next one, within the rate.

use ostler_job::{Mono, Span};

/// The first pause.
const FIRST: Span = Span::from_millis(250);
/// The longest pause.
const LONGEST: Span = Span::from_secs(60);
/// A child that lived this long after READY did not crash because of how it was started.
const STEADY: Span = Span::from_secs(5);
/// Crashes in a row, each soon after READY and before a request, from which the app counts as failing.
const CRASHES_FAILING: u32 = 3;

/// The failures of an app in a row.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Backoff {
    boot_failures: u32,
    crashes: u32,
    until: Option<Mono>,
}

impl Backoff {
    /// An attempt to boot failed.
    pub(super) fn handle_boot_failed(&mut self, now: Mono, random: u64) {
        self.boot_failures = self.boot_failures.saturating_add(1);
        self.hold(self.boot_failures, now, random);
    }

    /// A child that had been READY ended before it had begun a request.
    pub(super) fn handle_crash(&mut self, ready_at: Option<Mono>, now: Mono, random: u64) {
        if ready_at.is_some_and(|at| now - at >= STEADY) {
            self.crashes = 0;
            return;
        }
        self.crashes = self.crashes.saturating_add(1);
        self.hold(self.crashes, now, random);
    }

    /// A child has begun a request: it was started well.
    pub(super) fn handle_served(&mut self) {
        self.crashes = 0;
    }

    /// A child is READY.
    pub(super) fn handle_ready(&mut self) {
        self.boot_failures = 0;
        self.until = None;
    }

    /// A child has been READY for a while.
    pub(super) fn handle_steady(&mut self, ready_at: Mono, now: Mono) {
        if now - ready_at >= STEADY {
            self.crashes = 0;
        }
    }

    /// The next attempt may be made at once.
    pub(super) fn lift(&mut self) {
        if self.until.is_some() {
            self.until = Some(Mono::default());
        }
    }

    /// Whether the last attempts ended badly.
    pub(super) fn is_failing(&self) -> bool {
        self.boot_failures > 0 || self.crashes >= CRASHES_FAILING
    }

    /// Whether only single attempts are made, with pauses.
    pub(super) fn is_held(&self) -> bool {
        self.until.is_some()
    }

    /// Whether an attempt may be made.
    pub(super) fn may_try(&self, now: Mono) -> bool {
        self.until.is_none_or(|until| now >= until)
    }

    /// Doubles the pause with every failure; a quarter of it is chance, so that many apps do not try together.
    fn hold(&mut self, failures: u32, now: Mono, random: u64) {
        let doubled = FIRST.0.saturating_mul(1 << failures.saturating_sub(1).min(20));
        let pause = doubled.min(LONGEST.0);
        self.until = Some(now + Span(pause - random % (pause / 4)));
    }
}

/// Starts within a second, at most: more than requests that end children should come, for each of those costs the others one.
#[derive(Clone, Copy, Debug)]
pub(super) struct SpawnLimit {
    each: Span,
    most: u32,
    /// When all of them are free again.
    full_at: Mono,
}

impl SpawnLimit {
    pub(super) fn new(a_second: u32) -> Self {
        let most = a_second.max(1);
        Self { each: Span(Span::from_secs(1).0 / u64::from(most)), most, full_at: Mono::default() }
    }

    /// How many may be made now.
    pub(super) fn left(&self, now: Mono) -> u32 {
        let taken = (self.full_at - now).0.div_ceil(self.each.0.max(1));
        self.most.saturating_sub(u32::try_from(taken).unwrap_or(u32::MAX))
    }

    /// One is made.
    pub(super) fn take(&mut self, now: Mono) {
        self.full_at = self.full_at.max(now) + self.each;
    }
}

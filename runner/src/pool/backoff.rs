//! How long an app that fails is left alone before the next attempt.

use ostler_job::{Mono, Span};

/// The first pause.
const FIRST: Span = Span::from_millis(250);
/// The longest pause.
const LONGEST: Span = Span::from_secs(60);
/// A child that lived this long after READY did not crash because of how it was started.
const STEADY: Span = Span::from_secs(5);
/// Crashes in a row, each soon after READY, from which the app counts as failing.
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

    /// A child that had been READY ended by itself.
    pub(super) fn handle_crash(&mut self, ready_at: Option<Mono>, now: Mono, random: u64) {
        if ready_at.is_some_and(|at| now - at >= STEADY) {
            self.crashes = 0;
            return;
        }
        self.crashes = self.crashes.saturating_add(1);
        self.hold(self.crashes, now, random);
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

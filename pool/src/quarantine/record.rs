//! What is known of one kind, or of a path above some.

use ostler_job::{Mono, Span};

use super::{DEATHS, DEATHS_KEPT, FORGET, MOMENT, PROBE_FIRST, PROBE_LONGEST, SHARE, WINDOW};

/// Whose deaths a record has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    Kind,
    /// A path above some kinds.
    Path,
    /// A kind, as one client asks for it.
    Part,
    /// All that one client asks for.
    Client,
}

#[derive(Debug)]
pub(super) struct Record {
    /// When children died, the last few, and how many requests lived since each.
    deaths: Vec<(Mono, u32)>,
    /// What died below a path, and who asked for a kind: as many as make a difference.
    below: Vec<u64>,
    /// When a request of the kind last lived.
    lived_at: Option<Mono>,
    /// Held back: when the next probe may go.
    probe_at: Option<Mono>,
    /// Probes that died, in a row.
    strikes: u32,
    of: Of,
}

impl Record {
    pub(super) fn new(of: Of) -> Self {
        let (deaths, below) = (Vec::new(), Vec::new());
        Self { deaths, below, lived_at: None, probe_at: None, strikes: 0, of }
    }

    pub(super) fn is_old(&self, now: Mono, age: Span) -> bool {
        self.deaths.last().is_none_or(|(last, _)| now - *last > age)
    }

    pub(super) fn is_held(&self) -> bool {
        self.probe_at.is_some()
    }

    /// Whether a request may pass as the probe, or how long there is none; `None`: the kind is not held back.
    pub(super) fn probe(&mut self, now: Mono) -> Option<Result<(), Span>> {
        let at = self.probe_at?;
        if at > now {
            return Some(Err(at - now));
        }
        self.probe_at = Some(now + self.pause());
        Some(Ok(()))
    }

    /// The pause before the next probe.
    fn pause(&self) -> Span {
        Span(PROBE_FIRST.0 << self.strikes.min(10)).min(PROBE_LONGEST)
    }

    /// The kind is one that can live: it is not held back.
    pub(super) fn can_live(&mut self, now: Mono) {
        self.lived_at = Some(now);
        self.probe_at = None;
        self.strikes = 0;
    }

    /// A request of the kind lived.
    pub(super) fn lived(&mut self, now: Mono) {
        self.can_live(now);
        if let Some((_, lived)) = self.deaths.last_mut() {
            *lived = lived.saturating_add(1);
        }
    }

    /// A request ended its child.
    pub(super) fn died(&mut self, below: u64, now: Mono) {
        if self.deaths.iter().all(|(at, _)| now - *at > WINDOW) {
            self.below.clear();
        }
        self.deaths.retain(|(at, _)| now - *at <= WINDOW);
        match self.deaths.last() {
            Some((last, _)) if now - *last < MOMENT => {}
            _ => self.deaths.push((now, 0)),
        }
        if self.deaths.len() > DEATHS_KEPT {
            self.deaths.remove(0);
        }
        if !self.below.contains(&below) && self.below.len() < DEATHS {
            self.below.push(below);
        }
        if self.is_held() {
            self.strikes = self.strikes.saturating_add(1);
            self.probe_at = Some(now + self.pause());
            return;
        }
        let has_lived = self.lived_at.is_some_and(|at| now - at <= FORGET);
        let is_enough = match self.of {
            Of::Kind => self.below.len() >= DEATHS,
            Of::Part => true,
            Of::Path | Of::Client => false,
        };
        if is_enough && !has_lived && self.is_deadly(WINDOW, now) {
            self.probe_at = Some(now + self.pause());
        }
    }

    /// Whether enough have died of late, and enough of all; for a path, of enough kinds.
    pub(super) fn is_deadly(&self, window: Span, now: Mono) -> bool {
        let of_late = self.deaths.iter().filter(|(at, _)| now - *at <= window);
        let (deaths, lived) = of_late.fold((0_usize, 0_usize), |(deaths, all), (_, lived)| {
            (deaths + 1, all + *lived as usize)
        });
        let is_much = match self.of {
            Of::Path => self.below.len() >= DEATHS,
            Of::Kind | Of::Part => deaths * SHARE >= deaths + lived,
            Of::Client => true,
        };
        deaths >= DEATHS && is_much
    }
}

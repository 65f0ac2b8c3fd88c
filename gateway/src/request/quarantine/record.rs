//! What is known of one kind, or of a path above some.

use ostler_job::{Mono, Span};

use super::{DEATHS, DEATHS_KEPT, FORGET, MOMENT, PROBE_FIRST, PROBE_LONGEST, SHARE, WINDOW};

#[derive(Debug)]
pub(super) struct Record {
    /// When children died, the last few, and how many requests lived since each.
    deaths: Vec<(Mono, u32)>,
    /// The parts below that died, for a path above: as many as make a difference.
    below: Vec<u64>,
    /// When a request of the kind last lived.
    lived_at: Option<Mono>,
    /// Held back: when the next probe may go.
    probe_at: Option<Mono>,
    /// Probes that died, in a row.
    strikes: u32,
    is_above: bool,
}

impl Record {
    pub(super) fn new(is_above: bool) -> Self {
        let (deaths, below) = (Vec::new(), Vec::new());
        Self { deaths, below, lived_at: None, probe_at: None, strikes: 0, is_above }
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

    /// A request ended its child. `true`: the kind is held back from now on.
    pub(super) fn died(&mut self, below: Option<u64>, now: Mono) -> bool {
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
        if let Some(below) = below
            && !self.below.contains(&below)
            && self.below.len() < DEATHS
        {
            self.below.push(below);
        }
        if self.is_held() {
            self.strikes = self.strikes.saturating_add(1);
            self.probe_at = Some(now + self.pause());
            return false;
        }
        let has_lived = self.lived_at.is_some_and(|at| now - at <= FORGET);
        let is_held = !self.is_above && !has_lived && self.is_deadly(WINDOW, now);
        if is_held {
            self.probe_at = Some(now + self.pause());
        }
        is_held
    }

    /// Whether enough have died of late, and enough of all; for a path above, of enough kinds.
    pub(super) fn is_deadly(&self, window: Span, now: Mono) -> bool {
        let of_late = self.deaths.iter().filter(|(at, _)| now - *at <= window);
        let (deaths, lived) = of_late.fold((0_usize, 0_usize), |(deaths, all), (_, lived)| {
            (deaths + 1, all + *lived as usize)
        });
        let is_much = match self.is_above {
            true => self.below.len() >= DEATHS,
            false => deaths * SHARE >= deaths + lived,
        };
        deaths >= DEATHS && is_much
    }
}

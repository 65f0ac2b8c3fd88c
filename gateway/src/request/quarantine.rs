//! Requests of a kind that ends children again and again are held back, so that the rest of the app goes on.
//!
//! A kind is route, method and path, with numbers and ids in it levelled and the query as its last part. What a death
//! counts for is the kind itself and every path above it: the kind is held back when three of its requests within a
//! minute ended their child, and those were no small part of it; a path above, when what is below it differs from death
//! to death and half of all that goes there ends children. Now and then one request is let through as a probe.
//!
//! Nothing is noted before the first death, and then at most [`KINDS_MAX`] kinds; without one, a request pays for one look
//! at a number. No clock of its own: time comes in as an argument.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
};

use http::{Method, Uri};
use ostler_job::{Mono, Span};

use super::head::percent_decode;

mod kind;
pub(super) mod step;
#[cfg(test)]
mod tests;

pub(crate) use self::{kind::Kinds, step::Subject};

/// Deaths within [`WINDOW`] that hold a kind back.
const DEATHS: u32 = 3;
/// Deaths that are remembered of one kind.
const DEATHS_KEPT: usize = 8;
/// Deaths that are this close to each other have one cause: a runner that ended, a host without memory.
const MOMENT: Span = Span::from_millis(200);
/// How long a death counts.
const WINDOW: Span = Span::from_secs(60);
/// From a death to the first probe; doubled with every probe that dies.
const PROBE_FIRST: Span = Span::from_secs(10);
/// The longest pause between two probes.
const PROBE_LONGEST: Span = Span::from_secs(60);
/// After so long without a death a kind is forgotten.
const FORGET: Span = Span::from_secs(600);
/// Kinds that are remembered, each with the paths above it counted by themselves.
const KINDS_MAX: usize = 4096;
/// Of a kind itself, one request in so many must have died; of a path above, one in [`SHARE_ABOVE`].
const SHARE: u32 = 4;
/// See [`SHARE`].
const SHARE_ABOVE: u32 = 2;

/// What a request asks for, as far as its kind goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) route: &'a str,
    pub(crate) method: &'a Method,
    pub(crate) uri: &'a Uri,
}

/// What is known of a kind, or of a path above some.
#[derive(Debug)]
struct Record {
    /// When children died, the last few, and how many requests ended otherwise since each.
    deaths: Vec<(Mono, u32)>,
    /// The parts below that died, for a path above: as many as make a difference.
    below: Vec<u64>,
    /// Held back: when the next probe may go.
    probe_at: Option<Mono>,
    /// Probes that died, in a row.
    strikes: u32,
    is_above: bool,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Quarantine {
    records: Mutex<HashMap<u64, Record>>,
    /// How many there are: mostly none, and then nobody need look.
    count: AtomicUsize,
    keys: RandomState,
}

impl Default for Quarantine {
    fn default() -> Self {
        let (records, count) = (Mutex::default(), AtomicUsize::new(0));
        Self { records, count, keys: RandomState::new() }
    }
}

impl Quarantine {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Record>> {
        self.records.lock().expect("no code panics while it holds the quarantine")
    }

    fn is_empty(&self) -> bool {
        self.count.load(Ordering::Relaxed) == 0
    }

    /// The kind of a request and the paths above it; nothing while no request has ended a child.
    pub(crate) fn kinds(&self, asked: Asked<'_>) -> Option<Kinds> {
        (!self.is_empty()).then(|| self.all_kinds(asked))
    }

    fn all_kinds(&self, Asked { route, method, uri }: Asked<'_>) -> Kinds {
        let path = percent_decode(uri.path().as_bytes());
        let hash = |part: &[u8]| self.keys.hash_one((route, method.as_str(), part));
        Kinds::new(&path, uri.query(), hash)
    }

    /// Whether a request is to be held back, and for how long its kind still is. One that passes a kind that is held back
    /// is its probe.
    pub(crate) fn check(&self, kinds: &Kinds, now: Mono) -> Result<(), Span> {
        let mut records = self.lock();
        let held: Vec<u64> = kinds
            .all()
            .filter(|key| records.get(key).is_some_and(|record| record.probe_at.is_some()))
            .collect();
        let wait = held.iter().filter_map(|key| records[key].probe_at).map(|at| at - now).max();
        match wait {
            None => Ok(()),
            Some(wait) if wait > Span::ZERO => Err(wait),
            Some(_) => {
                for key in held {
                    let record = records.get_mut(&key).expect("it was found just now");
                    record.probe_at = Some(now + record.pause());
                }
                Ok(())
            }
        }
    }

    /// Whether a kind or a path above it is held back.
    pub(crate) fn is_held(&self, kinds: &Kinds) -> bool {
        let records = self.lock();
        kinds.all().any(|key| records.get(&key).is_some_and(|record| record.probe_at.is_some()))
    }

    /// A request ended without its child's death.
    pub(crate) fn survived(&self, kinds: &Kinds) {
        let mut records = self.lock();
        for key in kinds.all() {
            if let Some(record) = records.get_mut(&key) {
                // A probe that lives lets the others in. The next death holds them back again.
                if record.probe_at.take().is_some() {
                    let old = record.deaths.len().saturating_sub(DEATHS as usize - 1);
                    record.deaths.drain(..old);
                    record.deaths.iter_mut().for_each(|(_, survived)| *survived = 0);
                }
                if let Some((_, survived)) = record.deaths.last_mut() {
                    *survived = survived.saturating_add(1);
                }
            }
        }
    }

    /// A request ended its child. `true`: its kind, or a path above it, is held back from now on.
    pub(crate) fn died(&self, asked: Asked<'_>, now: Mono) -> bool {
        let kinds = self.all_kinds(asked);
        let mut records = self.lock();
        if records.len() + kinds.all().count() > KINDS_MAX {
            records.retain(|_, record| !record.is_old(now, WINDOW));
        }
        records.retain(|_, record| !record.is_old(now, FORGET));
        let mut is_news = false;
        for (index, key) in kinds.all().enumerate() {
            if records.len() >= KINDS_MAX && !records.contains_key(&key) {
                continue;
            }
            let record = records.entry(key).or_insert_with(|| Record::new(index > 0));
            is_news |= record.died(kinds.below(index), now);
        }
        self.count.store(records.len(), Ordering::Relaxed);
        is_news
    }

    /// How many kinds are held back.
    pub(crate) fn held(&self) -> usize {
        self.lock().values().filter(|record| record.probe_at.is_some()).count()
    }
}

impl Record {
    fn new(is_above: bool) -> Self {
        Self { deaths: Vec::new(), below: Vec::new(), probe_at: None, strikes: 0, is_above }
    }

    fn is_old(&self, now: Mono, age: Span) -> bool {
        self.deaths.last().is_none_or(|(last, _)| now - *last > age)
    }

    /// The pause before the next probe.
    fn pause(&self) -> Span {
        Span(PROBE_FIRST.0 << self.strikes.min(10)).min(PROBE_LONGEST)
    }

    fn died(&mut self, below: Option<u64>, now: Mono) -> bool {
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
            && self.below.len() < DEATHS as usize
        {
            self.below.push(below);
        }
        if self.probe_at.is_some() {
            self.strikes = self.strikes.saturating_add(1);
            self.probe_at = Some(now + self.pause());
            return false;
        }
        let is_held = self.is_deadly();
        if is_held {
            self.probe_at = Some(now + self.pause());
        }
        is_held
    }

    /// Whether enough died, and enough of all.
    fn is_deadly(&self) -> bool {
        let deaths = u32::try_from(self.deaths.len()).unwrap_or(u32::MAX);
        let survived = self.deaths.iter().fold(0_u32, |sum, (_, n)| sum.saturating_add(*n));
        let share = if self.is_above { SHARE_ABOVE } else { SHARE };
        deaths >= DEATHS
            && deaths.saturating_mul(share) >= deaths.saturating_add(survived)
            && (!self.is_above || self.below.len() >= DEATHS as usize)
    }
}

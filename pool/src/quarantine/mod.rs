//! Requests of a kind that ends children again and again are held back, so that the rest of the app goes on.
//!
//! A kind is route, method and path, with numbers and ids in it levelled and the query as its last part. One that has ended
//! its child three times within a minute, and of which no request has lived, is held back from the client that asked, and from
//! all when three clients did; now and then one is let through as a probe. What has lived is somebody's page: it may die of a header or a cookie that only some send, and to hold it back would
//! do to the others what the deaths do not. So it is held back only in a pinch, when requests wait long since children die faster
//! than they start, and only from clients whose own requests of it die. The same goes for a kind of which nothing is known, below a
//! path under which three others have died, from clients whose requests have ended children; a kind that lives is never held
//! back for those beside it. Whoever has ended none waits, as long as there is nothing else than the pinch.
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
use ostler_heads::percent::percent_decode;
use ostler_job::{Mono, Span};
use ostler_machine::peer::Peer;

mod kind;
mod lived;
mod record;
mod subject;
#[cfg(test)]
mod tests;

use self::kind::By;
pub use self::{
    kind::Kinds,
    subject::{QuarantineEnforcer, Subject},
};
use self::{
    lived::Lived,
    record::{Of, Record},
};

/// Deaths within [`WINDOW`] that hold a kind back.
const DEATHS: usize = 3;
/// Deaths that are remembered of one kind.
const DEATHS_KEPT: usize = 8;
/// Deaths that are this close to each other have one cause: a runner that ended, a host without memory.
const MOMENT: Span = Span::from_millis(200);
/// How long a death counts while children lack.
const OF_LATE: Span = Span::from_secs(30);
/// How long a death counts.
const WINDOW: Span = Span::from_secs(60);
/// From a death to the first probe; doubled with every probe that dies.
pub const PROBE_FIRST: Span = Span::from_secs(10);
/// The longest pause between two probes.
const PROBE_LONGEST: Span = Span::from_secs(60);
/// After so long without a death a kind is forgotten.
const FORGET: Span = Span::from_secs(600);
/// Kinds that are remembered, each with the paths above it counted by themselves.
const KINDS_MAX: usize = 4096;
/// Of a kind that lives as well, one request in so many must have died to make a difference.
const SHARE: usize = 4;
/// What is told of the time for which something is held back in a pinch.
const PINCH: Span = Span::from_secs(1);

/// What a request asks for, as far as its kind goes.
#[derive(Clone, Copy, Debug)]
pub struct RequestKind<'a> {
    pub route: &'a str,
    pub method: &'a Method,
    pub uri: &'a Uri,
    pub client: Peer,
}

#[derive(Debug, Default)]
struct Records {
    /// What requests have died of.
    records: HashMap<u64, Record>,
    /// Kinds of which a request has lived.
    lived: Lived,
}

/// What a death makes of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Death {
    /// The kind is held back from now on.
    pub(crate) is_news: bool,
    /// It is held back in a pinch.
    pub(crate) is_doubtful: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Quarantine {
    known: Mutex<Records>,
    /// How many there are: mostly none, and then nobody need look.
    count: AtomicUsize,
    keys: RandomState,
}

impl Default for Quarantine {
    fn default() -> Self {
        let (known, count) = (Mutex::default(), AtomicUsize::new(0));
        Self { known, count, keys: RandomState::new() }
    }
}

impl Quarantine {
    fn lock(&self) -> MutexGuard<'_, Records> {
        self.known.lock().expect("no code panics while it holds the quarantine")
    }

    fn is_empty(&self) -> bool {
        self.count.load(Ordering::Relaxed) == 0
    }

    /// The kind of a request and the paths above it; nothing while no request has ended a child.
    pub fn kinds(&self, asked: RequestKind<'_>) -> Option<Kinds> {
        (!self.is_empty()).then(|| self.all_kinds(asked))
    }

    fn all_kinds(&self, RequestKind { route, method, uri, client }: RequestKind<'_>) -> Kinds {
        let path = percent_decode(uri.path().as_bytes());
        let hash = |part: &[u8]| self.keys.hash_one((route, method.as_str(), part));
        Kinds::new(&path, uri.query(), hash).by(|key| self.keys.hash_one((key, client)))
    }

    /// Whether a request is to be held back, and for how long its kind still is. One that passes a kind that is held back
    /// is its probe. `spare`: how many children are free, when the app lacks some.
    pub fn check(&self, kinds: &Kinds, spare: u32, now: Mono) -> Result<(), Span> {
        let mut known = self.lock();
        let mut is_probe = false;
        for key in [kinds.client().kind, kinds.own()] {
            if let Some(probe) = known.records.get_mut(&key).and_then(|record| record.probe(now)) {
                probe?;
                is_probe = true;
            }
        }
        match !is_probe && known.is_doubtful(kinds, spare, now) {
            true => Err(PINCH),
            false => Ok(()),
        }
    }

    /// Whether a request that waits is to be held back.
    pub(crate) fn is_held(&self, kinds: &Kinds, spare: u32, now: Mono) -> bool {
        let known = self.lock();
        known.is_held(kinds) || known.is_doubtful(kinds, spare, now)
    }

    /// A request ended without its child's death.
    pub fn survived(&self, kinds: &Kinds, now: Mono) {
        let mut known = self.lock();
        for key in [kinds.own(), kinds.client().kind] {
            known.lived.insert(key);
            if let Some(record) = known.records.get_mut(&key) {
                record.lived(now);
            }
        }
    }

    /// A request ended its child.
    pub(crate) fn died(&self, asked: RequestKind<'_>, now: Mono) -> Death {
        let kinds = self.all_kinds(asked);
        let mut known = self.lock();
        let records = &mut known.records;
        if records.len() + kinds.all().count() + 2 > KINDS_MAX {
            records.retain(|_, record| !record.is_old(now, WINDOW));
        }
        records.retain(|_, record| !record.is_old(now, FORGET));
        let was_held = known.is_held(&kinds);
        let records = &mut known.records;
        let mut note = |key, of, below| {
            if records.len() < KINDS_MAX || records.contains_key(&key) {
                let record = records.entry(key).or_insert_with(|| Record::new(of));
                record.died(below, now);
            }
        };
        for (index, key) in kinds.all().enumerate() {
            match kinds.below(index) {
                Some(below) => note(key, Of::Path, below),
                None => note(key, Of::Kind, kinds.client().kind),
            }
        }
        note(kinds.client().kind, Of::Part, 0);
        note(kinds.client().route, Of::Client, 0);
        for key in [kinds.own(), kinds.client().kind] {
            if known.lived.remove(key)
                && let Some(record) = known.records.get_mut(&key)
            {
                // It had lived before its first death.
                record.can_live(now);
            }
        }
        let is_news = !was_held && known.is_held(&kinds);
        self.count.store(known.records.len(), Ordering::Relaxed);
        let is_doubtful = known.is_doubtful(&kinds, 0, now);
        Death { is_news, is_doubtful }
    }

    /// How many kinds are held back.
    pub fn held(&self) -> usize {
        self.lock().records.values().filter(|record| record.is_held()).count()
    }
}

impl Records {
    /// Whether the kind is held back, from all or from its client.
    fn is_held(&self, kinds: &Kinds) -> bool {
        let is_held = |key: u64| self.records.get(&key).is_some_and(Record::is_held);
        is_held(kinds.own()) || is_held(kinds.client().kind)
    }

    /// Whether so few children are free that the request is not worth one: what its client asks of this kind died several times
    /// of late; or the kind never lived, a path above it died so, and this client has had a part in such. The last one that is
    /// free is for what is known to live, and of a kind that dies for some clients only, for the others.
    fn is_doubtful(&self, kinds: &Kinds, spare: u32, now: Mono) -> bool {
        let is_deadly =
            |key: u64| self.records.get(&key).is_some_and(|record| record.is_deadly(OF_LATE, now));
        let By { kind, route } = kinds.client();
        let least = if is_deadly(kinds.own()) { 1 } else { 2 };
        let is_unknown = || {
            !self.lived.contains(kinds.own())
                && is_deadly(route)
                && kinds.all().skip(1).any(is_deadly)
        };
        (spare < least && is_deadly(kind)) || (spare < 2 && is_unknown())
    }
}

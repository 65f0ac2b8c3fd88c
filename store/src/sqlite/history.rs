//! High-water marks beside the file, so that one that was put back in its place is known for what it is.
//!
//! The numbers of the file go back with it. Those here do not: jobs and events are numbered above them, epochs and fences
//! begin above them, and tokens that were revoked stay so. They are reserved in blocks, so that this is written seldom and
//! is never behind what was given. What no file remembers, when a whole folder is put back or copied, the clock does:
//! fences begin at the time of day or later.

use std::{
    hash::{BuildHasher as _, RandomState},
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

use super::{fault, paths};
use crate::{Fault, StoreError, TokenHash};

/// Jobs, and events, that are numbered before it is written again.
const BLOCK: u64 = 10_000;
/// Revoked tokens that are remembered, the last ones.
const REVOKED_MAX: usize = 4096;
/// Fences that go with a second of the clock.
const PER_SECOND: u64 = 1 << 20;
/// A clock beyond the year 2106 is wrong.
const SECONDS_MAX: u64 = u32::MAX as u64;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct History {
    /// Chosen at random whenever a store was put back, and kept in the file as well.
    pub(super) history: u64,
    pub(super) epoch: u64,
    pub(super) fences: u64,
    pub(super) jobs: Numbers,
    pub(super) events: Numbers,
    pub(super) revoked: Vec<TokenHash>,
}

/// What is written after it when the store is closed: the last numbers that were given, of jobs and events. It is not
/// waited for, and counts when it can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Closed {
    jobs: u64,
    events: u64,
}

/// Numbers of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Numbers {
    /// Given for certain.
    pub(super) given: u64,
    /// None above it was given.
    pub(super) reserved: u64,
}

impl Numbers {
    /// Reserves so that `last` may be given; `given` was. Answers whether that is news.
    pub(super) fn reserve(&mut self, given: u64, last: u64) -> bool {
        self.given = self.given.max(given);
        let beyond = last > self.reserved;
        if beyond {
            self.reserved = next_block(last);
        }
        beyond
    }
}

/// A round number that leaves room.
fn next_block(last: u64) -> u64 {
    (last / BLOCK).saturating_add(2).saturating_mul(BLOCK).min(i64::MAX.unsigned_abs())
}

/// The file beside the store, and what is in it.
#[derive(Debug)]
pub(super) struct HistoryFile {
    path: PathBuf,
    /// `None`: there is none yet.
    pub(super) known: Option<History>,
}

impl HistoryFile {
    pub(super) fn of(store: &Path) -> Result<Self, StoreError> {
        let path = path(store);
        let name = path.display().to_string();
        let known = match ostler_private::read(&path) {
            Ok(bytes) => Some(read(&bytes).map_err(|error| {
                let detail = format!(
                    "{name} is no history of a store: {error}; without it an older copy of the store is not known as \
                     such: move it away only when the store is the last one"
                );
                StoreError::new(Fault::Corrupt, detail).with_cure()
            })?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(fault::from_io("reading", &name, &error)),
        };
        Ok(Self { path, known })
    }

    /// Writes it, and remembers it when that is safe.
    pub(super) fn put(&mut self, history: History) -> Result<(), StoreError> {
        let name = self.path.display().to_string();
        self.write(&history).map_err(|error| fault::from_io("writing", &name, &error))?;
        self.known = Some(history);
        Ok(())
    }

    /// Notes the last numbers that were given, as exactly as possible without a wait for the disk.
    pub(super) fn close(&self, jobs: u64, events: u64) -> io::Result<()> {
        let mut line = vec![b'\n'];
        serde_json::to_writer(&mut line, &Closed { jobs, events })?;
        let mut file = ostler_private::append(&self.path)?;
        file.write_all(&line).map_err(ostler_private::named(&self.path))
    }

    fn write(&self, history: &History) -> io::Result<()> {
        ostler_private::replace(&self.path, &serde_json::to_vec(history)?)?;
        paths::sync_folder(&self.path)
    }
}

/// A history, and what was noted after it.
fn read(bytes: &[u8]) -> serde_json::Result<History> {
    let line = bytes.split(|&it| it == b'\n').next().unwrap_or_default();
    let mut history: History = serde_json::from_slice(line)?;
    let rest = bytes.get(line.len()..).unwrap_or_default();
    // A power cut may have left half of it, or zeros.
    if let Ok(Closed { jobs, events }) = serde_json::from_slice(rest) {
        history.jobs.given = history.jobs.given.max(jobs);
        history.events.given = history.events.given.max(events);
    }
    Ok(history)
}

/// Where it is.
pub(super) fn path(store: &Path) -> PathBuf {
    paths::suffixed(store, "-history")
}

impl History {
    /// A token is revoked.
    pub(super) fn revoke(&mut self, hash: &TokenHash) {
        if self.revoked.contains(hash) {
            return;
        }
        if self.revoked.len() >= REVOKED_MAX {
            self.revoked.remove(0);
        }
        self.revoked.push(hash.clone());
    }
}

/// What the file says of itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct DbHistory {
    pub(super) history: u64,
    pub(super) epoch: u64,
    pub(super) fences: u64,
    /// See [`Term::doubted`](ostler_job::durable::Term::doubted).
    pub(super) doubted: u64,
    /// Ids and sequence numbers given so far.
    pub(super) jobs: u64,
    pub(super) events: u64,
    /// It is a copy that nobody has begun a term of.
    pub(super) copy: bool,
}

impl DbHistory {
    /// Whether this file is not the one that was written last.
    pub(super) fn went_back(&self, beside: Option<&History>) -> bool {
        let other = beside.is_some_and(|it| {
            it.history != self.history
                || it.epoch > self.epoch
                || it.jobs.given > self.jobs
                || it.events.given > self.events
        });
        self.copy || other
    }

    /// What holds from a new term on: with the end of its block of fences.
    pub(super) fn begin(&self, beside: Option<&History>, block: u64) -> (Self, bool) {
        let known = beside.cloned().unwrap_or_default();
        let back = self.went_back(beside);
        let ahead = |own: u64, known: Numbers| match back {
            true if known.reserved > 0 => own.max(known.reserved),
            true => next_block(own),
            false => own,
        };
        let first = first_fence(self.fences.max(known.fences));
        let new = Self {
            history: if back || self.history == 0 { random() } else { self.history },
            epoch: self.epoch.max(known.epoch).saturating_add(1),
            fences: first.saturating_add(block),
            doubted: if back { first } else { self.doubted },
            jobs: ahead(self.jobs, known.jobs),
            events: ahead(self.events, known.events),
            copy: false,
        };
        (new, back)
    }
}

/// A fence that nobody has given: not before, as far as the file knows, and not in a history that it does not know of,
/// which gave fewer than [`PER_SECOND`]. Two copies that begin in the same second differ by chance.
fn first_fence(above: u64) -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let clock = since.min(SECONDS_MAX) * PER_SECOND;
    // Zero is the fence of a job that never had a lease.
    above.max(clock).max(1).saturating_add(random() % (PER_SECOND / 2))
}

/// Positive as a signed number, and not zero.
fn random() -> u64 {
    (RandomState::new().hash_one(0_u8) >> 1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: DbHistory = DbHistory {
        history: 5,
        epoch: 3,
        fences: 1 << 40,
        doubted: 7,
        jobs: 12,
        events: 40,
        copy: false,
    };

    fn beside() -> History {
        let (jobs, events) =
            (Numbers { given: 12, reserved: 20_000 }, Numbers { given: 40, reserved: 20_000 });
        History { history: 5, epoch: 3, fences: 1 << 40, jobs, events, revoked: Vec::new() }
    }

    #[test]
    fn a_store_that_nobody_put_back_goes_on_with_the_next_number() {
        let (new, back) = OWN.begin(Some(&beside()), 1 << 20);
        assert!(!back);
        assert_eq!((new.history, new.epoch, new.jobs, new.events), (5, 4, 12, 40));
        assert_eq!(new.doubted, 7, "what was doubted still is");
        // Written by a version that did not know of it.
        assert!(!OWN.went_back(None));
    }

    #[test]
    fn an_older_file_is_known_by_any_of_its_numbers() {
        let known = beside();
        for own in [
            DbHistory { epoch: 2, ..OWN },
            DbHistory { jobs: 11, ..OWN },
            DbHistory { events: 39, ..OWN },
            DbHistory { history: 6, ..OWN },
            DbHistory { history: 6, epoch: 9, jobs: 99, ..OWN },
            DbHistory { copy: true, ..OWN },
        ] {
            let (new, back) = own.begin(Some(&known), 1 << 20);
            assert!(back, "{own:?}");
            assert!(new.epoch > 3 && new.jobs >= 20_000 && new.events >= 20_000, "{new:?}");
            assert!(new.doubted > own.fences && new.doubted + (1 << 20) == new.fences);
            assert!(new.history != 5 && new.history != own.history);
        }
        let (new, back) = DbHistory { copy: true, ..OWN }.begin(None, 1 << 20);
        assert!(back && new.jobs == 20_000, "where nothing is remembered, room is left");
    }

    #[test]
    fn fences_of_every_term_are_above_those_of_the_terms_before() {
        // Also of the same file begun twice, as by two copies, and whatever the clock says.
        for above in [0, 1 << 40, u64::from(u32::MAX) << 20, 1 << 62] {
            let (one, two) = (first_fence(above), first_fence(above));
            assert!(one >= above && two >= above);
            assert!(first_fence(one) >= one && first_fence(two) >= two);
        }
        assert_ne!(OWN.begin(None, 9).0.fences, OWN.begin(None, 9).0.fences);
    }

    #[test]
    fn numbers_are_reserved_before_they_are_given_and_seldom() {
        let mut numbers = Numbers::default();
        let written = (1..=50_000).filter(|&last| numbers.reserve(last - 1, last)).count();
        assert!(written <= 5, "{written}");
        assert!(numbers.reserved > 50_000 && numbers.given == 49_999);
        assert!(numbers.reserve(3, i64::MAX.unsigned_abs()));
        assert!(!numbers.reserve(3, i64::MAX.unsigned_abs()), "no number is beyond the last");
    }

    #[test]
    fn what_was_noted_at_the_end_counts_when_it_can_be_read() {
        let known = beside();
        let whole = serde_json::to_vec(&known).expect("it is JSON");
        let with = |rest: &[u8]| read(&[&whole, rest].concat());
        let given = |rest: &[u8]| with(rest).map(|it| (it.jobs.given, it.events.given)).ok();
        assert_eq!(given(b""), Some((12, 40)));
        assert_eq!(given(b"\n{\"jobs\":77,\"events\":99}"), Some((77, 99)));
        assert_eq!(given(b"\n{\"jobs\":3,\"events\":99}"), Some((12, 99)), "it never goes back");
        for rest in [&b"\n"[..], b"\n{\"jobs\":77,\"ev", b"\n\0\0\0\0\0\0\0\0\0", b"\n[1]\n\xff"] {
            assert_eq!(with(rest).ok().as_ref(), Some(&known), "{rest:?}");
        }
        assert!(with(b"x").is_err() && read(b"").is_err(), "the history itself is whole");
    }

    #[test]
    fn the_last_revoked_tokens_are_remembered() {
        let mut history = History::default();
        (0..5000).for_each(|n| history.revoke(&n.to_string()));
        history.revoke(&"4999".to_owned());
        assert_eq!(history.revoked.len(), REVOKED_MAX);
        assert_eq!(history.revoked.last().map(String::as_str), Some("4999"));
    }
}

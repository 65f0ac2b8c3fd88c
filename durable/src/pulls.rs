//! Logs on their way from runners into files, each a piece at a time.
//!
//! One whose file cannot be opened, written or synced stays, and is tried again: its runner keeps the log until it is
//! settled, and settles come only from here once the end of the attempt is recorded.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    io::{self, ErrorKind, Write as _},
    sync::Arc,
};

use ostler_api::backend::Full;
use ostler_job::{
    JobId,
    durable::{AttemptKey, TENANT_DEFAULT},
};
use ostler_store::{Expected, Owner};
use ostler_wire::message::{self, what};

use super::{Shared, owed::Owed};
use ostler_driver::RunnerName;

/// A piece is at most this large.
pub(super) const PIECE_MAX: u64 = 256 << 10;
/// Pieces that one runner is asked for at once. What it has to say besides waits behind them, its beats as well, and its link may be
/// slow.
const ASKED_MAX: usize = 4;

/// A log that comes here.
#[derive(Debug)]
struct Pull {
    runner: RunnerName,
    tenant: String,
    owner: Owner,
    /// Bytes that are here; `None`: that is to be looked up.
    have: Option<u64>,
    /// Bytes that are there, as far as is known.
    there: u64,
    ended: bool,
    /// A piece is on its way: what it may have counts already.
    asked: Option<Expected>,
    /// It waits until its runner may be asked for another piece.
    waits: bool,
    /// It waits to be tried again.
    stuck: bool,
}

/// What one runner is asked for.
#[derive(Debug, Default)]
struct PendingPulls {
    pieces: usize,
    /// Logs that are asked for next, in turn.
    next: VecDeque<AttemptKey>,
}

/// All of them.
pub(super) struct Pulls {
    shared: Arc<Shared>,
    owed: Owed,
    by_key: BTreeMap<AttemptKey, Pull>,
    asked: BTreeMap<RunnerName, PendingPulls>,
    /// Whose logs find no room, as the operator knows.
    full: BTreeSet<Owner>,
}

impl Shared {
    /// The tenant of a job; of one that is not there, nobody's in particular.
    fn tenant_of(&self, job: JobId) -> String {
        let found = self.store.jobs(&[job]).ok().and_then(|mut found| found.pop());
        found.map_or_else(|| TENANT_DEFAULT.to_owned(), |job| job.spec.tenant)
    }
}

impl Pulls {
    pub(super) fn new(shared: Arc<Shared>, owed: Owed) -> Self {
        let (by_key, asked, full) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        Self { shared, owed, by_key, asked, full }
    }

    /// Whether something waits to be tried again.
    pub(super) fn is_stuck(&self) -> bool {
        self.by_key.values().any(|pull| pull.stuck)
    }

    pub(super) fn grew(&mut self, runner: &RunnerName, key: AttemptKey, bytes: u64, ended: bool) {
        let shared = &self.shared;
        let pull = self.by_key.entry(key).or_insert_with(|| {
            let tenant = shared.tenant_of(key.job);
            Pull {
                runner: runner.clone(),
                owner: Owner::of(&tenant),
                tenant,
                have: None,
                there: 0,
                ended: false,
                asked: None,
                waits: false,
                stuck: false,
            }
        });
        if pull.runner != *runner {
            // It is not its log.
            return;
        }
        pull.there = pull.there.max(bytes);
        pull.ended |= ended;
        self.go_on(key);
    }

    /// `over`: there is no more of it, or nothing of it any more.
    pub(super) fn piece(
        &mut self,
        runner: &RunnerName,
        key: AttemptKey,
        at: u64,
        bytes: &[u8],
        over: bool,
    ) {
        let Some(pull) = self.by_key.get_mut(&key) else { return };
        if pull.runner != *runner || pull.asked.is_none() || pull.have != Some(at) {
            return;
        }
        let owner = pull.owner;
        pull.asked = None;
        self.come(runner);
        // Open for this piece only: there are more logs than descriptors.
        let opened = self.shared.files.log_append(key, owner);
        if let Err(error) = opened.and_then(|mut file| file.write_all(bytes)) {
            return self.trouble(key, &error);
        }
        let Some(pull) = self.by_key.get_mut(&key) else { return };
        let have = at + bytes.len() as u64;
        pull.have = Some(have);
        self.shared.files.log_grew(owner, bytes.len() as u64);
        // What is promised and does not come is not asked for over and over.
        if over || bytes.is_empty() {
            pull.there = have;
        }
        self.shared.watches.poke(key.job);
        self.go_on(key);
    }

    /// Asks for the next piece, or ends the pull.
    fn go_on(&mut self, key: AttemptKey) {
        let Some(pull) = self.by_key.get_mut(&key) else { return };
        if pull.asked.is_some() || pull.waits || pull.stuck {
            return;
        }
        let have = match pull.have {
            Some(have) => have,
            None => {
                let opened = self.shared.files.log_append(key, pull.owner);
                match opened.and_then(|file| Ok(file.metadata()?.len())) {
                    Ok(have) => *pull.have.insert(have),
                    Err(error) => return self.trouble(key, &error),
                }
            }
        };
        if have < pull.there {
            let most = PIECE_MAX.min(pull.there - have);
            if let Err(full) = self.shared.room.check(pull.owner, most) {
                // Its runner keeps it until there is some.
                pull.stuck = true;
                return self.no_room(key, full);
            }
            self.full.remove(&pull.owner);
            self.ask(key, have);
        } else if pull.ended {
            let owner = pull.owner;
            let file = match self.shared.files.log_append(key, owner) {
                Ok(file) => file,
                Err(error) => return self.trouble(key, &error),
            };
            match file.sync_data() {
                Ok(()) => self.whole(key),
                Err(error) => {
                    // The kernel may have forgotten any of it: all of it is fetched again.
                    let _ = self.shared.files.log_clear(key, owner);
                    self.trouble(key, &error);
                }
            }
        }
    }

    /// Asks for the next piece, now or in turn.
    fn ask(&mut self, key: AttemptKey, have: u64) {
        let Some(pull) = self.by_key.get_mut(&key) else { return };
        let asked = self.asked.entry(pull.runner.clone()).or_default();
        if asked.pieces >= ASKED_MAX {
            pull.waits = true;
            return asked.next.push_back(key);
        }
        asked.pieces += 1;
        let most = PIECE_MAX.min(pull.there.saturating_sub(have));
        pull.asked = Some(self.shared.files.expect(pull.owner, most));
        let id = key.to_string();
        self.shared.send(&pull.runner, &message::Pull::new(what::LOG, &id, have, PIECE_MAX));
    }

    /// A piece has come of the runner, or will not: the next log has its turn.
    fn come(&mut self, runner: &RunnerName) {
        let Some(asked) = self.asked.get_mut(runner) else { return };
        asked.pieces = asked.pieces.saturating_sub(1);
        while let Some(asked) = self.asked.get_mut(runner)
            && asked.pieces < ASKED_MAX
            && let Some(key) = asked.next.pop_front()
        {
            if let Some(pull) = self.by_key.get_mut(&key).filter(|pull| pull.waits) {
                pull.waits = false;
                self.go_on(key);
            }
        }
    }

    /// Nothing of it is waited for any more.
    fn remove(&mut self, key: AttemptKey) -> Option<Pull> {
        let pull = self.by_key.remove(&key)?;
        if pull.asked.is_some() {
            self.come(&pull.runner);
        }
        Some(pull)
    }

    /// The log is here and safe.
    fn whole(&mut self, key: AttemptKey) {
        let Some(pull) = self.remove(key) else { return };
        self.shared.watches.poke(key.job);
        self.release(&pull.runner, key);
    }

    /// The runner need not keep the log any longer.
    fn release(&self, runner: &RunnerName, key: AttemptKey) {
        if self.owed.release(key) {
            self.shared.send(runner, &message::Settle { keys: vec![key], is_fenced: false });
        }
    }

    /// Tries again what could not be written.
    pub(super) fn retry(&mut self) {
        let stuck = self.by_key.iter_mut().filter(|(_, pull)| pull.stuck);
        let keys: Vec<AttemptKey> = stuck
            .map(|(key, pull)| {
                pull.stuck = false;
                *key
            })
            .collect();
        keys.into_iter().for_each(|key| self.go_on(key));
    }

    fn no_room(&mut self, key: AttemptKey, full: Full) {
        let Some(pull) = self.by_key.get(&key) else { return };
        if self.full.insert(pull.owner) {
            let tenant = &pull.tenant;
            self.shared.metrics.full("log");
            self.shared
                .warn(format!("logs of jobs of the tenant {tenant} stay on their runners: {full}"));
        }
    }

    fn trouble(&mut self, key: AttemptKey, error: &io::Error) {
        let Some(pull) = self.by_key.get_mut(&key) else { return };
        // How much of it is in the file is looked up when it is opened again.
        (pull.have, pull.stuck) = (None, true);
        if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) {
            // Its runner has all of it, and the store needs the room more.
            let _ = self.shared.files.log_clear(key, pull.owner);
        }
        self.shared.warn(format!("the log of job {} cannot be kept: {error}", key.job));
    }

    /// The runner tells everything anew on its next link.
    pub(super) fn link_down(&mut self, runner: &RunnerName) {
        // What is owed stays owed: the next link may have spoken of it already.
        self.by_key.retain(|_, pull| pull.runner != *runner);
        self.asked.remove(runner);
    }

    /// The attempt had lost its lease: its runner forgets it, and its log with it.
    pub(super) fn forget(&mut self, key: AttemptKey) {
        self.remove(key);
        self.owed.release(key);
        // It was a deleted job's, perhaps, and the file has come back since.
        if self.shared.store.jobs(&[key.job]).is_ok_and(|found| found.is_empty()) {
            self.delete(key.job);
        }
    }

    pub(super) fn delete(&mut self, job: JobId) {
        let of_job = self.by_key.iter().filter(|(key, _)| key.job == job);
        let gone: Vec<_> = of_job.map(|(key, pull)| (*key, pull.runner.clone())).collect();
        for (key, runner) in gone {
            self.remove(key);
            self.release(&runner, key);
        }
        self.owed.release_job(job);
        if let Err(error) = self.shared.files.delete_logs(job) {
            self.shared.warn(format!("the logs of job {job} stay on the disk: {error}"));
        }
    }
}

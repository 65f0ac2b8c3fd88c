//! A log that is followed: what comes next of it, over the attempts of its job.

use std::time::Duration;

use bytes::Bytes;
use ostler_job::JobId;
use tokio::{sync::watch, time::Instant};

use super::{
    PIECE,
    attempt::{AttemptLog, open},
};
use crate::{Api, auth::Caller, body::Pipe, jobs::find, problem::Problem, sse};

/// How long a follower waits for the rest of a log after its attempt is over; the runner may be gone with it.
const REST: Duration = Duration::from_secs(30);

/// What comes next of a log that is followed.
pub(super) enum Next {
    /// Bytes of the log file of an attempt; `fresh`: its first, as far as this reader is concerned.
    Piece { bytes: Bytes, attempt: u32, offset: u64, fresh: bool },
    /// Nothing for a while.
    Quiet,
    /// There will be no more.
    End,
}

/// Follows the log files of a job's attempts. Waits only for news of the job, so that any number of readers costs nothing.
pub(super) struct Tail<'a> {
    api: &'a Api,
    caller: &'a Caller,
    id: JobId,
    only: Option<u32>,
    watch: watch::Receiver<u64>,
    /// The attempt that is read, and how far.
    reading: u32,
    offset: u64,
    fresh: bool,
    log: Option<AttemptLog>,
    /// It came to its end, and was not broken off.
    is_over: bool,
    /// Since when nothing came of a log whose attempt is over.
    stuck: Option<Instant>,
}

impl<'a> Tail<'a> {
    pub(super) fn new(api: &'a Api, caller: &'a Caller, id: JobId, only: Option<u32>) -> Self {
        let watch = api.backend().watch(id);
        let (reading, log, stuck) = (0, None, None);
        let (offset, fresh, is_over) = (0, true, false);
        Self { api, caller, id, only, watch, reading, offset, fresh, log, is_over, stuck }
    }

    /// Goes on where an earlier reader ended.
    pub(super) fn resume(&mut self, attempt: u32, offset: u64) {
        self.reading = attempt;
        self.offset = offset;
    }

    /// What comes next; returns at the latest when a heartbeat is due.
    pub(super) async fn next(&mut self, pipe: &Pipe) -> Result<Next, Problem> {
        loop {
            if let Some(piece) = self.piece().await? {
                return Ok(piece);
            }
            // Nothing more is known to be there: looks again at the job, and waits only when that brought nothing.
            self.watch.mark_unchanged();
            if self.look().await? {
                self.is_over = true;
                return Ok(Next::End);
            }
            if let Some(piece) = self.piece().await? {
                return Ok(piece);
            }
            tokio::select! {
                changed = self.watch.changed() => if changed.is_err() { return Ok(Next::End) },
                () = tokio::time::sleep(sse::HEARTBEAT) => return Ok(Next::Quiet),
                () = self.api.draining() => return Ok(Next::End),
                () = pipe.closed() => return Ok(Next::End),
            }
        }
    }

    /// The attempt that is read, 0 for none yet.
    pub(super) fn attempt(&self) -> u32 {
        self.reading
    }

    /// Whether it came to its end, and was not broken off by a gateway that stops.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Whether the log of its last attempt goes on, on its runner.
    pub(super) fn is_cut(&self) -> bool {
        self.log.as_ref().is_some_and(|log| log.ends_at.is_some_and(|end| self.offset < end))
    }

    async fn piece(&mut self) -> Result<Option<Next>, Problem> {
        let Some(log) = &self.log else { return Ok(None) };
        let bytes = log.source.read(self.offset, PIECE).await?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let (attempt, offset) = (log.number, self.offset);
        self.offset += bytes.len() as u64;
        self.stuck = None;
        let fresh = std::mem::take(&mut self.fresh);
        Ok(Some(Next::Piece { bytes, attempt, offset, fresh }))
    }

    /// Finds out which attempt is to be read; `true`: none any more.
    async fn look(&mut self) -> Result<bool, Problem> {
        let job = find(self.api, self.caller, self.id).await?;
        let number = self.only.or_else(|| (self.reading > 0).then_some(self.reading));
        let over = job.status.state.is_finished();
        let Some(log) = open(self.api, &job, number).await? else { return Ok(over) };
        if log.number != self.reading {
            (self.reading, self.offset, self.fresh) = (log.number, 0, true);
        }
        let more = log.source.len() > self.offset;
        let ends_at = log.ends_at;
        self.log = Some(log);
        if more || !ends_at.is_some_and(|end| self.offset >= end || self.is_stuck()) {
            return Ok(false);
        }
        if self.only.is_none() && self.reading < job.status.attempts {
            // The next attempt's log follows.
            (self.reading, self.offset, self.fresh) = (self.reading + 1, 0, true);
            self.log = open(self.api, &job, Some(self.reading)).await?;
            return Ok(false);
        }
        Ok(self.only.is_some() || over)
    }

    fn is_stuck(&mut self) -> bool {
        let now = Instant::now();
        now.duration_since(*self.stuck.get_or_insert(now)) >= REST
    }
}

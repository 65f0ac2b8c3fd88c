//! Logs from runners and payloads to them, in pieces that their receiver asks for: whoever is slow slows only itself.
//!
//! A thread of its own does it, because it waits for the disk.

use std::{
    io::{self, Read as _, Seek as _, SeekFrom},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc::{self, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use ostler_job::{JobId, durable::AttemptKey};
use ostler_wire::{
    Frame,
    message::{Message, Piece, Pull, what},
};

use super::{
    Shared,
    backlog::BacklogPermit,
    owed::Owed,
    pulls::{PIECE_MAX, Pulls},
};
use ostler_driver::RunnerName;

/// Between two tries to write a log to a disk that does not take it.
const RETRY: Duration = Duration::from_secs(1);
/// A payload that cannot be read for so long is as good as gone.
const PATIENCE: Duration = Duration::from_secs(60);

/// The way to the thread.
#[derive(Clone, Debug)]
pub(super) struct Transfers {
    inbox: mpsc::Sender<(Option<BacklogPermit>, Work)>,
    owed: Owed,
    ended: Arc<AtomicBool>,
}

#[derive(Debug)]
enum Work {
    /// The log has so many bytes; `ended`: and gets no more.
    Grew {
        runner: RunnerName,
        key: AttemptKey,
        bytes: u64,
        ended: bool,
    },
    Piece {
        runner: RunnerName,
        key: AttemptKey,
        offset: u64,
        bytes: Bytes,
        over: bool,
    },
    Payload {
        runner: RunnerName,
        sha256: String,
        offset: u64,
        max: u64,
    },
    LinkDown(RunnerName),
    Forget(AttemptKey),
    Delete(JobId),
    KeepRunners,
    Stop,
}

impl Transfers {
    /// The way, and its other end for [`run`].
    pub(super) fn new() -> (Self, TransferInbox) {
        let (inbox, work) = mpsc::channel();
        let (owed, ended) = (Owed::default(), Arc::default());
        (
            Self { inbox, owed: owed.clone(), ended: Arc::clone(&ended) },
            TransferInbox { work, owed, ended },
        )
    }

    fn tell(&self, work: Work) {
        // The thread is gone only when the gateway ends.
        let _ = self.inbox.send((None, work));
    }

    /// The same with what a runner said, which has its room until it is heard.
    fn tell_weighed(&self, weight: BacklogPermit, work: Work) {
        let _ = self.inbox.send((Some(weight), work));
    }

    /// A running attempt's log has so many bytes.
    pub(super) fn grew(&self, runner: &RunnerName, key: AttemptKey, bytes: u64) {
        self.tell(Work::Grew { runner: runner.clone(), key, bytes, ended: false });
    }

    /// An attempt is over and its log has so many bytes.
    pub(super) fn ended(&self, runner: &RunnerName, key: AttemptKey, bytes: u64) {
        self.owed.expect(key);
        self.tell(Work::Grew { runner: runner.clone(), key, bytes, ended: true });
    }

    /// The attempt's end is safe. `true`: its log is not, and the thread settles it later.
    pub(super) fn settle(&self, key: AttemptKey) -> bool {
        self.owed.settle(key)
    }

    pub(super) fn link_down(&self, runner: &RunnerName) {
        self.tell(Work::LinkDown(runner.clone()));
    }

    /// The attempt had lost its lease: nothing more comes of its log.
    pub(super) fn forget(&self, key: AttemptKey) {
        self.tell(Work::Forget(key));
    }

    pub(super) fn delete(&self, job: JobId) {
        self.tell(Work::Delete(job));
    }

    /// Writes down which runners there are.
    pub(super) fn keep_runners(&self) {
        self.tell(Work::KeepRunners);
    }

    /// The thread ends after what it is at. What waits is not done: runners keep what was not settled.
    pub(super) fn stop(&self) {
        self.ended.store(true, Relaxed);
        self.tell(Work::Stop);
    }

    /// A runner asks for a piece of a payload.
    pub(super) fn pulled(
        &self,
        runner: &RunnerName,
        frame: &Frame,
        weight: BacklogPermit,
    ) -> io::Result<()> {
        let pull = Pull::of(frame).map_err(io::Error::other)?;
        let Pull { what: what::PAYLOAD, id: Some(id), offset: Some(offset), max: Some(max) } = pull
        else {
            return Err(io::Error::other("PULL that does not ask for a piece of a payload"));
        };
        let (runner, sha256) = (runner.clone(), id.to_owned());
        let max = max.min(PIECE_MAX);
        self.tell_weighed(weight, Work::Payload { runner, sha256, offset, max });
        Ok(())
    }

    /// A runner sends a piece of a log.
    pub(super) fn piece(
        &self,
        runner: &RunnerName,
        frame: &Frame,
        weight: BacklogPermit,
    ) -> io::Result<()> {
        let piece = Piece::of(frame).map_err(io::Error::other)?;
        let key = piece.id.and_then(|id| id.parse::<AttemptKey>().ok());
        let (what::LOG, Some(key), Some(offset)) = (piece.what, key, piece.offset) else {
            return Err(io::Error::other("PIECE that is not of a log"));
        };
        let over = piece.is_end || piece.is_gone;
        let bytes = frame.body.clone();
        let runner = runner.clone();
        self.tell_weighed(weight, Work::Piece { runner, key, offset, bytes, over });
        Ok(())
    }
}

/// What the thread is sent.
#[derive(Debug)]
pub(super) struct TransferInbox {
    work: mpsc::Receiver<(Option<BacklogPermit>, Work)>,
    owed: Owed,
    ended: Arc<AtomicBool>,
}

struct Moving {
    shared: Arc<Shared>,
    pulls: Pulls,
    /// Pieces of payloads that could not be read, and since when.
    unread: Vec<(Wanted, Instant)>,
    /// When to try again what could not be written or read.
    retry_at: Option<Instant>,
}

/// A piece of a payload.
#[derive(Debug)]
struct Wanted {
    runner: RunnerName,
    sha256: String,
    offset: u64,
    max: u64,
}

/// The thread.
pub(super) fn run(shared: Arc<Shared>, inbox: TransferInbox) {
    let pulls = Pulls::new(shared.clone(), inbox.owed);
    let mut moving = Moving { shared, pulls, unread: Vec::new(), retry_at: None };
    loop {
        let work = match moving.retry_at {
            None => inbox.work.recv().map_err(RecvTimeoutError::from),
            Some(at) => inbox.work.recv_timeout(at.saturating_duration_since(Instant::now())),
        };
        let is_void = matches!(&work, Ok((Some(weight), _)) if weight.is_void());
        match work.map(|(_weight, work)| work) {
            Ok(Work::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            // Who came in the last moment is known at the next start.
            Ok(Work::KeepRunners) => moving.keep_runners(),
            Ok(_) if is_void || inbox.ended.load(Relaxed) => {}
            Ok(work) => moving.handle(work),
            Err(RecvTimeoutError::Timeout) => {}
        }
        moving.keep_time();
    }
}

impl Moving {
    fn handle(&mut self, work: Work) {
        match work {
            Work::Stop | Work::KeepRunners => {}
            Work::Grew { runner, key, bytes, ended } => self.pulls.grew(&runner, key, bytes, ended),
            Work::Piece { runner, key, offset, bytes, over } => {
                self.pulls.piece(&runner, key, offset, &bytes, over);
            }
            Work::Payload { runner, sha256, offset, max } => {
                self.payload(Wanted { runner, sha256, offset, max }, Instant::now());
            }
            Work::LinkDown(runner) => {
                self.unread.retain(|(wanted, _)| wanted.runner != runner);
                self.pulls.link_down(&runner);
            }
            Work::Forget(key) => self.pulls.forget(key),
            Work::Delete(job) => self.pulls.delete(job),
        }
    }

    fn keep_time(&mut self) {
        if self.retry_at.is_some_and(|at| at <= Instant::now()) {
            self.retry_at = None;
            self.pulls.retry();
            for (wanted, since) in std::mem::take(&mut self.unread) {
                self.payload(wanted, since);
            }
        }
        if self.retry_at.is_none() && (self.pulls.is_stuck() || !self.unread.is_empty()) {
            self.retry_at = Some(Instant::now() + RETRY);
        }
    }

    fn keep_runners(&self) {
        if let Err(error) = self.shared.runners.keep() {
            self.shared.warn(format!("the names of the runners cannot be kept: {error}"));
        }
    }

    fn payload(&mut self, wanted: Wanted, since: Instant) {
        let Wanted { runner, sha256, offset, max } = &wanted;
        let (sha256, offset, max) = (&**sha256, *offset, *max);
        let piece = self.shared.read_payload(runner, sha256, offset, max);
        match piece {
            Ok((bytes, size)) => {
                let is_end = offset + bytes.len() as u64 >= size;
                let piece = Piece::new(what::PAYLOAD, sha256, offset, &bytes, is_end);
                self.shared.send(runner, &piece);
            }
            // A gateway that is out of descriptors has it all the same.
            Err(error) if is_of_the_moment(&error) && since.elapsed() < PATIENCE => {
                self.unread.push((wanted, since));
            }
            Err(_) => self.shared.send(runner, &Piece::gone(what::PAYLOAD, sha256, offset)),
        }
    }
}

fn is_of_the_moment(error: &io::Error) -> bool {
    error.kind() != io::ErrorKind::NotFound && error.kind() != io::ErrorKind::InvalidInput
}

impl Shared {
    /// Bytes of a payload, and how many there are in all. For a runner that has no job with it, there is none: whoever knows the
    /// name of some bytes need not have them.
    fn read_payload(
        &self,
        runner: &RunnerName,
        sha256: &str,
        offset: u64,
        max: u64,
    ) -> io::Result<(Vec<u8>, u64)> {
        if !self.store.payload_wanted(sha256, runner).map_err(io::Error::other)? {
            return Err(io::ErrorKind::NotFound.into());
        }
        let mut file = self.files.payload(sha256)?;
        let size = file.metadata()?.len();
        file.seek(SeekFrom::Start(offset))?;
        let mut bytes = Vec::new();
        file.take(max).read_to_end(&mut bytes)?;
        Ok((bytes, size))
    }

    /// Sends something to a runner. One without a link tells everything anew on its next one.
    pub(super) fn send(&self, runner: &RunnerName, message: &impl Message) {
        if let Some((_, way)) = self.runners.way(runner) {
            let mut out = BytesMut::new();
            message.put(&mut out);
            way(out);
        }
    }
}

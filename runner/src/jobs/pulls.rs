//! Pieces of logs that the gateway has asked for. They are answered as the link has room, so that many logs at once do not
//! look like a gateway that reads nothing.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use bytes::Bytes;
use ostler_job::durable::AttemptKey;
use ostler_module::Piece;
use ostler_wire::{
    Frame, Kind, WireError,
    message::{self, Message as _, Pull, what},
};

use super::Executors;

/// The most bytes of a log in one frame.
const PIECE_MAX: u64 = 256 << 10;
/// Questions that wait, at most: one for each log, and no host has so many.
const ASKED_MAX: usize = 1 << 16;
/// Between two tries to read a log that cannot be read.
const RETRY: Duration = Duration::from_secs(1);
/// After so long it is as good as gone.
const PATIENCE: Duration = Duration::from_secs(60);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Pulls {
    asked: VecDeque<PendingPull>,
    /// Those that could not be read, and when to try again.
    stuck: VecDeque<(Instant, PendingPull)>,
}

#[derive(Debug)]
struct PendingPull {
    what: String,
    id: String,
    offset: u64,
    max: usize,
    /// Since when it cannot be read.
    since: Option<Instant>,
}

impl Pulls {
    /// Takes a question. A later one about the same log replaces it.
    pub(super) fn ask(&mut self, received: &Frame) -> Result<(), WireError> {
        let pull = Pull::of(received)?;
        let max = pull.max.unwrap_or(PIECE_MAX).min(PIECE_MAX);
        let asked = PendingPull {
            what: pull.what.to_owned(),
            id: pull.id.unwrap_or_default().to_owned(),
            offset: pull.offset.unwrap_or(0),
            max: usize::try_from(max).expect("limited to 256 KiB"),
            since: None,
        };
        self.stuck.retain(|(_, it)| it.id != asked.id);
        if self.asked.len() >= ASKED_MAX {
            let rule = "more questions at once than there can be logs";
            return Err(WireError::Unexpected { kind: Kind::Pull, stream: 0, rule });
        }
        self.asked.push_back(asked);
        Ok(())
    }

    /// Another gateway asks anew.
    pub(super) fn handle_link(&mut self) {
        *self = Self::default();
    }

    /// Whether something waits for room.
    pub(super) fn is_waiting(&self) -> bool {
        !self.asked.is_empty()
    }

    /// The next answer.
    pub(super) fn poll(&mut self, executors: &Executors) -> Option<Bytes> {
        let now = Instant::now();
        while self.stuck.front().is_some_and(|(at, _)| *at <= now) {
            self.asked.extend(self.stuck.pop_front().map(|(_, asked)| asked));
        }
        while let Some(mut asked) = self.asked.pop_front() {
            let key = asked.id.parse::<AttemptKey>().ok().filter(|_| asked.what == what::LOG);
            match key.map_or(Ok(None), |key| executors.read_log(key, asked.offset, asked.max)) {
                Ok(piece) => return Some(answer(&asked, piece.as_ref())),
                // It need not be the log's fault: a host may be out of descriptors for a moment.
                Err(_) => {
                    let since = *asked.since.get_or_insert(now);
                    if now - since >= PATIENCE {
                        return Some(answer(&asked, None));
                    }
                    self.stuck.push_back((now + RETRY, asked));
                }
            }
        }
        None
    }
}

fn answer(asked: &PendingPull, piece: Option<&Piece>) -> Bytes {
    let (what, id, offset) = (&asked.what, &asked.id, asked.offset);
    match piece {
        Some(piece) => message::Piece::new(what, id, offset, &piece.bytes, piece.end).to_bytes(),
        None => message::Piece::gone(what, id, offset).to_bytes(),
    }
}

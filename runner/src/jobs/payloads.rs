//! Payloads that jobs of this host need: pulled from the gateway, checked, kept while somebody uses them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use data_encoding::HEXLOWER;
use ostler_job::durable::{AttemptKey, Payload, Start};
use ostler_wire::{
    Frame, WireError,
    message::{Message as _, Piece, Pull, what},
};
use sha2::{Digest, Sha256};

/// How much is asked for at once.
const PIECE_MAX: u64 = 256 << 10;

/// Pieces that are asked for and have not come, at most: a gateway gives up who has too much waiting for it.
const ASKED_MAX: usize = 32;

/// All payloads of this host.
#[derive(Debug)]
pub(super) struct Payloads {
    folder: PathBuf,
    known: BTreeMap<String, CachedPayload>,
}

#[derive(Debug)]
struct CachedPayload {
    users: BTreeSet<AttemptKey>,
    /// `None`: it is here.
    fetch: Option<Fetch>,
}

#[derive(Debug)]
struct Fetch {
    file: File,
    hash: Sha256,
    offset: u64,
    /// The gateway has been asked for the piece at the offset.
    asked: bool,
    /// Attempts that are started when it is here.
    waiting: Vec<Start>,
    /// Those that came after the question: an answer that there is none was not meant for them.
    late: Vec<Start>,
}

/// Why a payload is not to be had.
#[derive(Clone, Debug)]
pub(super) enum Lacking {
    /// It is nowhere: no attempt anywhere would get it.
    Nowhere(String),
    /// This host cannot keep it now.
    Here,
}

/// Attempts that were waiting, and the reason why they cannot be started if there is one.
pub(super) type Arrived = (Vec<Start>, Result<(), Lacking>);

impl Payloads {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder, known: BTreeMap::new() }
    }

    /// Notes who needs it. Gives the attempt back when it is here; otherwise keeps it until it is.
    pub(super) fn want(
        &mut self,
        start: Start,
        payload: &Payload,
    ) -> Result<Option<Start>, Lacking> {
        let name = &payload.sha256;
        let is_name = name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit());
        if !is_name {
            let why = format!("{name:?} is no SHA-256, so it names no payload");
            return Err(Lacking::Nowhere(why));
        }
        if !self.known.contains_key(name) {
            let fetch = Fetch::begin(&self.part(name));
            let fetch = fetch.map_err(|_| Lacking::Here)?;
            self.known
                .insert(name.clone(), CachedPayload { users: BTreeSet::new(), fetch: Some(fetch) });
        }
        let known = self.known.get_mut(name).expect("it was put there");
        known.users.insert(start.key);
        Ok(match &mut known.fetch {
            Some(fetch) => {
                let waiting = if fetch.asked { &mut fetch.late } else { &mut fetch.waiting };
                waiting.push(start);
                None
            }
            None => Some(start),
        })
    }

    /// An attempt that still waits does not any more.
    pub(super) fn take_waiting(&mut self, key: AttemptKey) -> Option<Start> {
        self.known.values_mut().filter_map(|known| known.fetch.as_mut()).find_map(|fetch| {
            [&mut fetch.waiting, &mut fetch.late].into_iter().find_map(|waiting| {
                let at = waiting.iter().position(|start| start.key == key)?;
                Some(waiting.swap_remove(at))
            })
        })
    }

    /// An attempt needs it no more; the last one's is removed.
    pub(super) fn release(&mut self, key: AttemptKey) {
        let folder = &self.folder;
        self.known.retain(|name, known| {
            if known.users.remove(&key) && known.users.is_empty() {
                // One that cannot be removed goes when the runner starts next.
                let _ = fs::remove_file(folder.join(name));
                let _ = fs::remove_file(folder.join(format!("{name}.part")));
                return false;
            }
            true
        });
    }

    /// Another gateway: what the former one was asked for does not come.
    pub(super) fn handle_link(&mut self) {
        let fetches = self.known.values_mut().filter_map(|known| known.fetch.as_mut());
        fetches.for_each(|fetch| fetch.asked = false);
    }

    /// The next question to the gateway.
    pub(super) fn poll_pull(&mut self) -> Option<Bytes> {
        let fetches = self.known.values().filter_map(|known| known.fetch.as_ref());
        if fetches.filter(|fetch| fetch.asked).count() >= ASKED_MAX {
            return None;
        }
        self.known.iter_mut().find_map(|(name, known)| {
            let fetch = known.fetch.as_mut().filter(|fetch| !fetch.asked)?;
            fetch.asked = true;
            fetch.waiting.append(&mut fetch.late);
            Some(Pull::new(what::PAYLOAD, name, fetch.offset, PIECE_MAX).to_bytes())
        })
    }

    /// Takes a piece. Returns who can be started now, or cannot be at all.
    pub(super) fn handle_piece(&mut self, piece: &Frame) -> Result<Option<Arrived>, WireError> {
        let piece = Piece::of(piece)?;
        let name = piece.id.unwrap_or_default();
        let part = self.part(name);
        let Some(known) = self.known.get_mut(name) else { return Ok(None) };
        let Some(fetch) = &mut known.fetch else { return Ok(None) };
        if piece.offset != Some(fetch.offset) {
            return Ok(None);
        }
        let is_end = piece.is_end;
        let is_gone = piece.is_gone || (piece.bytes.is_empty() && !is_end);
        let taken = match is_gone {
            true => Err(Lacking::Nowhere(format!(
                "the gateway does not have the payload {name} any more"
            ))),
            false => fetch.take(piece.bytes).map_err(|_| Lacking::Here),
        };
        if taken.is_ok() && !is_end {
            return Ok(None);
        }
        let mut fetch = known.fetch.take().expect("it is there, as was just seen");
        let done = taken.and_then(|()| match HEXLOWER.encode(&fetch.hash.finalize()) == name {
            true => fs::rename(&part, self.folder.join(name)).map_err(|_| Lacking::Here),
            false => Err(Lacking::Nowhere(format!("the payload {name} was damaged on its way"))),
        });
        if done.is_ok() {
            fetch.waiting.append(&mut fetch.late);
        } else {
            // The next attempt begins anew.
            self.begin_anew(name, fetch.late);
        }
        Ok(Some((fetch.waiting, done)))
    }

    /// The payload did not come to whoever had asked. These had not, and are told by an answer of their own.
    fn begin_anew(&mut self, name: &str, waiting: Vec<Start>) {
        let Some(known) = self.known.get_mut(name) else { return };
        known.users = waiting.iter().map(|start| start.key).collect();
        let part = self.folder.join(format!("{name}.part"));
        match Fetch::begin(&part) {
            Ok(fetch) if !waiting.is_empty() => known.fetch = Some(Fetch { waiting, ..fetch }),
            _ => drop(self.known.remove(name)),
        }
    }

    fn part(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.part"))
    }
}

impl Fetch {
    fn begin(part: &Path) -> io::Result<Self> {
        let file = ostler_private::truncated(part)?;
        Ok(Self {
            file,
            hash: Sha256::new(),
            offset: 0,
            asked: false,
            waiting: Vec::new(),
            late: Vec::new(),
        })
    }

    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.hash.update(bytes);
        self.offset += bytes.len() as u64;
        self.asked = false;
        Ok(())
    }
}

//! Logs from runners and payloads to them, in pieces that their receiver asks for: whoever is slow slows only itself.
//!
//! A thread of its own does it, because it waits for the disk.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    sync::{Arc, Mutex, MutexGuard, mpsc},
};

use bytes::{Bytes, BytesMut};
use ostler_job::{
    JobId,
    durable::{AttemptKey, Fence},
};
use ostler_wire::{Builder, Frame, Kind};

use super::{Shared, link::put_list};
use crate::driver::RunnerName;

/// A piece is at most this large.
const PIECE_MAX: u64 = 256 << 10;

/// Logs that are not whole here yet, of attempts that are over; `true`: to be settled when they are.
type Owed = Arc<Mutex<HashMap<AttemptKey, bool>>>;

/// The way to the thread.
#[derive(Clone, Debug)]
pub(super) struct Mover {
    inbox: mpsc::Sender<Work>,
    owed: Owed,
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
    Delete(JobId),
    Stop,
}

fn lock(owed: &Owed) -> MutexGuard<'_, HashMap<AttemptKey, bool>> {
    owed.lock().expect("no code panics while it holds the owed logs")
}

impl Mover {
    /// The way, and its other end for [`run`].
    pub(super) fn new() -> (Self, Mail) {
        let (inbox, work) = mpsc::channel();
        let owed = Owed::default();
        (Self { inbox, owed: owed.clone() }, Mail { work, owed })
    }

    fn tell(&self, work: Work) {
        // The thread is gone only when the gateway ends.
        let _ = self.inbox.send(work);
    }

    /// A running attempt's log has so many bytes.
    pub(super) fn grew(&self, runner: &RunnerName, key: AttemptKey, bytes: u64) {
        self.tell(Work::Grew { runner: runner.clone(), key, bytes, ended: false });
    }

    /// An attempt is over and its log has so many bytes.
    pub(super) fn ended(&self, runner: &RunnerName, key: AttemptKey, bytes: u64) {
        lock(&self.owed).entry(key).or_default();
        self.tell(Work::Grew { runner: runner.clone(), key, bytes, ended: true });
    }

    /// The attempt's end is safe. `true`: its log is not, and the thread settles it later.
    pub(super) fn settle(&self, _runner: &RunnerName, key: AttemptKey) -> bool {
        lock(&self.owed).get_mut(&key).map(|wanted| *wanted = true).is_some()
    }

    pub(super) fn link_down(&self, runner: &RunnerName) {
        self.tell(Work::LinkDown(runner.clone()));
    }

    pub(super) fn delete(&self, job: JobId) {
        self.tell(Work::Delete(job));
    }

    pub(super) fn stop(&self) {
        self.tell(Work::Stop);
    }

    /// A runner asks for a piece of a payload.
    pub(super) fn pulled(&self, runner: &RunnerName, frame: &Frame) -> io::Result<()> {
        let fields = frame.fields().map_err(io::Error::other)?;
        let (Some("payload"), Some(id), Some(offset), Some(max)) = (
            fields.text(":what"),
            fields.text(":id"),
            fields.number(":offset"),
            fields.number(":max"),
        ) else {
            return Err(io::Error::other("PULL that does not ask for a piece of a payload"));
        };
        let (runner, sha256) = (runner.clone(), id.to_owned());
        self.tell(Work::Payload { runner, sha256, offset, max: max.min(PIECE_MAX) });
        Ok(())
    }

    /// A runner sends a piece of a log.
    pub(super) fn piece(&self, runner: &RunnerName, frame: &Frame) -> io::Result<()> {
        let fields = frame.fields().map_err(io::Error::other)?;
        let key = fields.text(":id").and_then(read_key);
        let (Some("log"), Some(key), Some(offset)) =
            (fields.text(":what"), key, fields.number(":offset"))
        else {
            return Err(io::Error::other("PIECE that is not of a log"));
        };
        let over = fields.value(b":end").is_some() || fields.value(b":gone").is_some();
        let bytes = frame.body.clone();
        self.tell(Work::Piece { runner: runner.clone(), key, offset, bytes, over });
        Ok(())
    }
}

/// `JOB.ATTEMPT.FENCE`
fn write_key(key: AttemptKey) -> String {
    format!("{}.{}.{}", key.job, key.attempt, key.fence.0)
}

fn read_key(text: &str) -> Option<AttemptKey> {
    let mut parts = text.split('.');
    let job = JobId(parts.next()?.parse().ok()?);
    let attempt = parts.next()?.parse().ok()?;
    let fence = Fence(parts.next()?.parse().ok()?);
    parts.next().is_none().then_some(AttemptKey { job, attempt, fence })
}

/// What the thread is sent.
#[derive(Debug)]
pub(super) struct Mail {
    work: mpsc::Receiver<Work>,
    owed: Owed,
}

/// A log that comes here.
#[derive(Debug)]
struct Pull {
    runner: RunnerName,
    file: File,
    /// Bytes that are here.
    have: u64,
    /// Bytes that are there, as far as is known.
    there: u64,
    ended: bool,
    /// A piece is on its way.
    asked: bool,
}

struct Moving {
    shared: Arc<Shared>,
    owed: Owed,
    pulls: BTreeMap<AttemptKey, Pull>,
}

/// The thread.
pub(super) fn run(shared: Arc<Shared>, mail: Mail) {
    let mut moving = Moving { shared, owed: mail.owed, pulls: BTreeMap::new() };
    for work in mail.work {
        match work {
            Work::Stop => return,
            Work::Grew { runner, key, bytes, ended } => moving.grew(&runner, key, bytes, ended),
            Work::Piece { runner, key, offset, bytes, over } => {
                moving.piece(&runner, key, offset, &bytes, over);
            }
            Work::Payload { runner, sha256, offset, max } => {
                moving.payload(&runner, &sha256, offset, max);
            }
            Work::LinkDown(runner) => moving.link_down(&runner),
            Work::Delete(job) => moving.delete(job),
        }
    }
}

impl Moving {
    fn grew(&mut self, runner: &RunnerName, key: AttemptKey, bytes: u64, ended: bool) {
        let pull = match self.pulls.entry(key) {
            std::collections::btree_map::Entry::Occupied(there) => there.into_mut(),
            std::collections::btree_map::Entry::Vacant(free) => {
                let opened = self.shared.files.log_append(key);
                let opened = opened.and_then(|file| Ok((file.metadata()?.len(), file)));
                match opened {
                    Ok((have, file)) => free.insert(Pull {
                        runner: runner.clone(),
                        file,
                        have,
                        there: 0,
                        ended: false,
                        asked: false,
                    }),
                    // The runner keeps the log, and the next link brings it up again.
                    Err(error) => return self.trouble(key, &error),
                }
            }
        };
        pull.there = pull.there.max(bytes);
        pull.ended |= ended;
        self.go_on(key);
    }

    fn piece(&mut self, runner: &RunnerName, key: AttemptKey, at: u64, bytes: &[u8], over: bool) {
        let Some(pull) = self.pulls.get_mut(&key) else { return };
        if pull.runner != *runner || !pull.asked || pull.have != at {
            return;
        }
        pull.asked = false;
        if let Err(error) = pull.file.write_all(bytes) {
            self.pulls.remove(&key);
            return self.trouble(key, &error);
        }
        pull.have += bytes.len() as u64;
        self.shared.files.log_grew(bytes.len() as u64);
        // A file that ends early ends all the same: what was promised is not there.
        pull.there = if over && pull.ended { pull.have } else { pull.there };
        self.shared.watches.poke(key.job);
        self.go_on(key);
    }

    /// Asks for the next piece, or ends the pull.
    fn go_on(&mut self, key: AttemptKey) {
        let Some(pull) = self.pulls.get_mut(&key) else { return };
        if pull.asked {
            return;
        }
        if pull.have < pull.there {
            pull.asked = true;
            let mut out = BytesMut::new();
            let (id, at) = (write_key(key), pull.have.to_string());
            let fields = [(":what", "log"), (":id", &*id), (":offset", &*at)];
            put_frame(&mut out, Kind::Pull, &fields, &[(":max", PIECE_MAX.to_string())], &[]);
            let runner = pull.runner.clone();
            self.send(&runner, out);
        } else if pull.ended {
            let Some(pull) = self.pulls.remove(&key) else { return };
            match pull.file.sync_data() {
                Ok(()) => self.whole(&pull.runner, key),
                Err(error) => self.trouble(key, &error),
            }
        }
    }

    /// The log is here and safe.
    fn whole(&self, runner: &RunnerName, key: AttemptKey) {
        let wanted = lock(&self.owed).remove(&key);
        self.shared.watches.poke(key.job);
        if wanted == Some(true) {
            let mut out = BytesMut::new();
            put_list(&mut out, Kind::Settle, 0, [key].iter());
            self.send(runner, out);
        }
    }

    fn payload(&self, runner: &RunnerName, sha256: &str, offset: u64, max: u64) {
        let piece = self.shared.files.payload(sha256).and_then(|mut file| {
            let size = file.metadata()?.len();
            file.seek(SeekFrom::Start(offset))?;
            let mut bytes = Vec::new();
            file.take(max).read_to_end(&mut bytes)?;
            Ok((bytes, size))
        });
        let at = offset.to_string();
        let fields = [(":what", "payload"), (":id", sha256), (":offset", &at)];
        let mut out = BytesMut::new();
        match piece {
            Ok((bytes, size)) => {
                let over = offset + bytes.len() as u64 >= size;
                let mut more = Vec::new();
                if over {
                    more.push((":end", String::from("1")));
                }
                put_frame(&mut out, Kind::Piece, &fields, &more, &bytes);
            }
            Err(_) => put_frame(&mut out, Kind::Piece, &fields, &[(":gone", "1".into())], &[]),
        }
        self.send(runner, out);
    }

    /// The runner tells everything anew on its next link.
    fn link_down(&mut self, runner: &RunnerName) {
        let mut owed = lock(&self.owed);
        self.pulls.retain(|key, pull| {
            let stays = pull.runner != *runner;
            if !stays {
                owed.remove(key);
            }
            stays
        });
    }

    fn delete(&mut self, job: JobId) {
        self.pulls.retain(|key, _| key.job != job);
        if let Err(error) = self.shared.files.delete_logs(job) {
            self.shared.warn(format!("the logs of job {job} stay on the disk: {error}"));
        }
    }

    fn trouble(&self, key: AttemptKey, error: &io::Error) {
        self.shared.warn(format!("the log of job {} cannot be kept: {error}", key.job));
    }

    fn send(&self, runner: &RunnerName, out: BytesMut) {
        if let Some(way) = self.shared.runners.way(runner) {
            way(out);
        }
    }
}

fn put_frame(
    out: &mut BytesMut,
    kind: Kind,
    fields: &[(&str, &str)],
    more: &[(&str, String)],
    body: &[u8],
) {
    Builder::new(out, kind, 0)
        .fields(|f| {
            for (name, value) in fields {
                f.put(name.as_bytes(), value.as_bytes());
            }
            for (name, value) in more {
                f.put(name.as_bytes(), value.as_bytes());
            }
        })
        .body(body);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_back_and_what_is_no_key_is_not() {
        let key = AttemptKey { job: JobId(17), attempt: 2, fence: Fence(1 << 33) };
        assert_eq!(read_key(&write_key(key)), Some(key));
        for text in ["", "1.2", "1.2.3.4", "a.1.2", "1.-1.2"] {
            assert_eq!(read_key(text), None, "{text}");
        }
    }
}

//! What one attempt wrote: chunks in memory while they are few, in a file when they are more; first and last bytes.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::PathBuf,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use ostler_job::durable::LogState;
use ostler_module::Piece;

use crate::{
    disk,
    kept::{Chunks, Kept},
    share::Share,
};

/// A log up to this size is kept in memory and travels whole.
const SMALL: usize = 8 << 10;
/// Bytes kept of the beginning, and of the end.
const ENDS: usize = 4 << 10;
/// Bytes that are worth a write.
const BATCH: usize = 64 << 10;
/// Bytes that may wait to be written before the command waits too.
const WAITING_MAX: usize = 512 << 10;

/// A log that grows.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    /// Bytes that the file may have.
    max: u64,
    /// What its tenant's files have.
    share: Arc<Share>,
    /// The whole log while it is small; what is to be written to the file after that.
    memory: Vec<u8>,
    /// It has, or gets, a file.
    spilled: bool,
    /// The file, while nobody writes to it.
    file: Option<File>,
    /// Bytes in the file.
    filed: u64,
    written: u64,
    head: Vec<u8>,
    tail: Vec<u8>,
    /// Bytes that are not in the file, and why.
    lost: u64,
    trouble: Option<String>,
    over: bool,
}

/// Bytes on their way to the file, written where waiting is allowed.
#[derive(Debug)]
pub(crate) struct Batch {
    path: PathBuf,
    file: Option<File>,
    at: u64,
    max: u64,
    share: Arc<Share>,
    bytes: Vec<u8>,
    result: io::Result<()>,
}

impl Log {
    /// An empty one that gets its file at `path` if it needs one, of so many bytes at most.
    pub(crate) fn new(path: PathBuf, max: u64, share: Arc<Share>) -> Self {
        Self {
            path,
            max,
            share,
            memory: Vec::new(),
            spilled: false,
            file: None,
            filed: 0,
            written: 0,
            head: Vec::new(),
            tail: Vec::new(),
            lost: 0,
            trouble: None,
            over: false,
        }
    }

    /// One that an earlier process has written, as its file has it.
    pub(crate) fn of_earlier(mut new: Self, state: &LogState) -> Self {
        let there = std::fs::metadata(&new.path).map_or(0, |data| data.len());
        new.spilled = state.whole.is_none() && state.file > 0;
        (new.filed, new.written, new.over) = (there.min(state.file), state.written, true);
        new.share.add(new.filed);
        new
    }

    /// Adds what was read from a stream, 1 or 2, at one moment.
    pub(crate) fn append(&mut self, stream: u8, bytes: &[u8]) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
        let length = u32::try_from(bytes.len()).expect("one read is far below 4 GiB");
        self.memory.extend_from_slice(&now.to_le_bytes());
        self.memory.extend_from_slice(&length.to_le_bytes());
        self.memory.extend_from_slice(&[stream, 0, 0, 0]);
        self.memory.extend_from_slice(bytes);
        self.written += u64::from(length);
        let (first, rest) = bytes.split_at(bytes.len().min(ENDS - self.head.len()));
        self.head.extend_from_slice(first);
        self.tail.extend_from_slice(&rest[rest.len().saturating_sub(ENDS)..]);
        if self.tail.len() > 2 * ENDS {
            self.tail.drain(..self.tail.len() - ENDS);
        }
        self.spilled |= self.memory.len() > SMALL;
    }

    /// Whether there is room for more.
    pub(crate) fn has_room(&self) -> bool {
        self.memory.len() < WAITING_MAX
    }

    /// Whether bytes wait for the file, and enough of them.
    pub(crate) fn is_due(&self) -> bool {
        self.spilled && self.memory.len() >= BATCH
    }

    /// Bytes that can be read now.
    pub(crate) fn length(&self) -> u64 {
        if self.spilled { self.filed } else { self.memory.len() as u64 }
    }

    /// Bytes that the command has written so far.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// What waits for the file. It must come back by [`Log::put_back`] before the next is taken.
    pub(crate) fn take_batch(&mut self) -> Option<Batch> {
        if !self.spilled || self.memory.is_empty() {
            return None;
        }
        Some(Batch {
            path: self.path.clone(),
            file: self.file.take(),
            at: self.filed,
            max: self.max,
            share: self.share.clone(),
            bytes: std::mem::take(&mut self.memory),
            result: Ok(()),
        })
    }

    /// Takes note of what was written. The job goes on when that failed; what is lost is told in the end.
    pub(crate) fn put_back(&mut self, batch: Batch) {
        let bytes = batch.bytes.len() as u64;
        self.file = batch.file;
        match batch.result {
            Ok(()) => {
                self.filed += bytes;
                self.share.add(bytes);
            }
            Err(error) => {
                self.lost += bytes;
                if error.kind() == io::ErrorKind::FileTooLarge {
                    // Nothing comes after what is left out.
                    self.max = self.filed;
                }
                self.trouble.get_or_insert_with(|| error.to_string());
            }
        }
    }

    /// No more comes.
    pub(crate) fn close(&mut self) {
        self.over = true;
        self.file = None;
    }

    /// Bytes of it; `None` when its file is not there any more, or lacks them.
    pub(crate) fn read(&self, offset: u64, max: usize) -> io::Result<Option<Piece>> {
        let left = usize::try_from(self.length().saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; left.min(max)];
        if !bytes.is_empty() {
            if self.spilled {
                let file = File::open(&self.path);
                match file.and_then(|file| file.read_exact_at(&mut bytes, offset)) {
                    Ok(()) => {}
                    Err(error) => return is_gone(&error).then_some(None).ok_or(error),
                }
            } else {
                let from = usize::try_from(offset).unwrap_or(usize::MAX);
                match self.memory.get(from..from.saturating_add(bytes.len())) {
                    Some(there) => bytes.copy_from_slice(there),
                    None => return Ok(None),
                }
            }
        }
        let end = self.over && offset + bytes.len() as u64 >= self.length();
        Ok(Some(Piece { bytes, end }))
    }

    /// As the record has it.
    pub(crate) fn state(&self) -> LogState {
        let whole =
            (!self.spilled && !self.memory.is_empty()).then(|| STANDARD.encode(&self.memory));
        let tail = &self.tail[self.tail.len().saturating_sub(ENDS)..];
        LogState {
            written: self.written,
            file: self.length(),
            whole,
            head: text(&self.head),
            tail: text(tail),
        }
    }

    /// What is missing from it, for the attempt's detail.
    pub(crate) fn loss(&self) -> Option<String> {
        let why = self.trouble.as_ref()?;
        Some(format!("{} bytes of the log could not be kept on the runner: {why}", self.lost))
    }

    /// What there is of it to be mailed when it is over.
    pub(crate) fn kept(&self) -> io::Result<Kept> {
        let chunks = match self.spilled && self.filed > 0 {
            true => Chunks::File(File::open(&self.path)?, self.filed),
            false => Chunks::Memory(self.memory.clone()),
        };
        Ok(Kept { chunks, ends: [self.head.clone(), self.tail.clone()], written: self.written })
    }

    /// Removes the file, if there is one.
    pub(crate) fn remove(&self) {
        if self.spilled {
            // One that cannot be removed goes when the runner starts next.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.share.give_back(self.filed);
    }
}

impl Batch {
    /// Writes; may wait for the disk.
    pub(crate) fn write(mut self) -> Self {
        self.result = self.try_write();
        self
    }

    fn try_write(&mut self) -> io::Result<()> {
        if self.at + self.bytes.len() as u64 > self.max {
            let detail = format!("it has reached {} bytes (runner.log_max)", self.max);
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, detail));
        }
        let (bytes, room) = (self.bytes.len() as u64, disk::room(&self.path));
        if let Some(detail) = lack(bytes, room, &self.share) {
            return Err(io::Error::new(io::ErrorKind::StorageFull, detail));
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(ostler_private::truncated(&self.path)?),
        };
        // By position: what a failed write left behind is overwritten, so chunks never fall out of step.
        file.write_all_at(&self.bytes, self.at)
    }
}

/// Why so many bytes are not written to a disk that has this room.
fn lack(bytes: u64, room: u64, share: &Share) -> Option<&'static str> {
    if bytes > room {
        Some("the last of the disk is kept for what has ended")
    } else if !share.has_room(bytes, room) {
        Some("its tenant's logs have as much of the disk as they leave to others")
    } else {
        None
    }
}

/// Whether trying again is of no use.
fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof)
}

/// Bytes as text. A character that was cut in two at either end is left out, other damage shows.
fn text(bytes: &[u8]) -> String {
    let first = bytes.iter().take(3).position(|b| b & 0xc0 != 0x80).unwrap_or(0);
    let bytes = &bytes[first..];
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(error) if error.error_len().is_none() => {
            String::from_utf8_lossy(&bytes[..error.valid_up_to()]).into_owned()
        }
        Err(_) => String::from_utf8_lossy(bytes).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_log_travels_whole_and_has_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = Log::new(folder.path().join("a.log"), u64::MAX, Arc::default());
        log.append(1, b"out");
        log.append(2, b"err");
        assert!(log.take_batch().is_none());
        let state = log.state();
        let whole = STANDARD.decode(state.whole.unwrap()).unwrap();
        assert_eq!((whole.len(), &whole[16..19], whole[12], whole[31]), (38, &b"out"[..], 1, 2));
        assert_eq!((state.written, state.file, state.head.as_str()), (6, 38, "outerr"));
        assert_eq!(log.read(16, 3).unwrap().unwrap(), Piece { bytes: b"out".to_vec(), end: false });
        log.close();
        assert!(log.read(16, 100).unwrap().unwrap().end);
        assert!(!folder.path().join("a.log").exists());
    }

    #[test]
    fn a_large_log_is_in_the_file_and_keeps_its_ends() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = Log::new(folder.path().join("a.log"), u64::MAX, Arc::default());
        for n in 0..2000 {
            log.append(1, format!("line {n:05}\n").as_bytes());
            if let Some(batch) = log.take_batch() {
                log.put_back(batch.write());
            }
        }
        log.close();
        let state = log.state();
        assert_eq!((state.written, state.file, state.whole), (22_000, 54_000, None));
        assert!(state.head.starts_with("line 00000\n") && state.head.len() == 4096);
        assert!(state.tail.ends_with("line 01999\n") && state.tail.len() == 4096);
        let piece = log.read(53_989, 100).unwrap().unwrap();
        assert_eq!(piece, Piece { bytes: b"line 01999\n".to_vec(), end: true });
    }

    #[test]
    fn a_full_disk_costs_whole_chunks_and_is_told() {
        let mut log = Log::new("/dev/full".into(), u64::MAX, Arc::default());
        log.append(1, &[b'x'; 10_000]);
        let batch = log.take_batch().unwrap();
        log.put_back(batch.write());
        assert_eq!((log.length(), log.state().written), (0, 10_000));
        assert!(log.loss().unwrap().starts_with("10016 bytes of the log could not be kept"));
    }

    #[test]
    fn a_log_has_its_bound_and_keeps_its_ends_and_its_count() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = Log::new(folder.path().join("a.log"), 40_000, Arc::default());
        for n in 0..2000 {
            log.append(1, format!("line {n:05}\n").as_bytes());
            if let Some(batch) = log.take_batch() {
                log.put_back(batch.write());
            }
        }
        log.close();
        let (state, there) = (log.state(), folder.path().join("a.log").metadata().unwrap().len());
        assert!((31_000..=40_000).contains(&there) && state.file == there, "{there} {state:?}");
        assert_eq!(state.written, 22_000);
        assert!(state.head.starts_with("line 00000\n") && state.tail.ends_with("line 01999\n"));
        let loss = log.loss().unwrap();
        assert!(
            loss.contains(&format!("{} bytes", 54_000 - there)) && loss.contains("runner.log_max"),
            "{loss}"
        );
    }

    #[test]
    fn nothing_comes_after_what_a_bound_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = Log::new(folder.path().join("a.log"), 30_000, Arc::default());
        let mut write = |bytes: usize| {
            log.append(1, &vec![b'x'; bytes]);
            let batch = log.take_batch().unwrap();
            log.put_back(batch.write());
            log.length()
        };
        assert_eq!([write(10_000), write(30_000), write(100)], [10_016; 3]);
        let loss = log.loss().unwrap();
        assert!(loss.starts_with("30132 bytes") && loss.contains("30000 bytes"), "{loss}");
    }

    #[test]
    fn a_disk_that_is_full_is_told_from_a_tenant_that_has_its_share() {
        let share = Share::default();
        assert_eq!(lack(10, 20, &share), None);
        assert!(lack(10, 19, &share).unwrap().contains("leave to others"));
        assert!(lack(10, 9, &share).unwrap().contains("the last of the disk"));
    }

    #[test]
    fn a_tenant_that_has_as_much_as_it_leaves_is_cut() {
        let folder = tempfile::tempdir().unwrap();
        let room = disk::room(&folder.path().join("a.log"));
        let share = Arc::<Share>::default();
        share.add(room);
        let mut log = Log::new(folder.path().join("a.log"), u64::MAX, share.clone());
        log.append(1, &[b'x'; 10_000]);
        let batch = log.take_batch().unwrap();
        log.put_back(batch.write());
        assert_eq!(log.length(), 0);
        assert!(log.loss().unwrap().contains("as they leave to others"));
        share.give_back(room);
        log.append(1, &[b'x'; 10_000]);
        let batch = log.take_batch().unwrap();
        log.put_back(batch.write());
        assert_eq!(log.length(), 10_016);
        assert!(!share.has_room(1, 10_016), "what it has counts");
        drop(log);
        assert!(share.has_room(5_000, 10_016), "until it goes");
    }

    #[test]
    fn a_character_that_was_cut_at_an_end_is_left_out() {
        assert_eq!(text("grüß".as_bytes()), "grüß");
        assert_eq!(text(&"grüß".as_bytes()[..5]), "grü");
        assert_eq!(text(&"üß".as_bytes()[1..]), "ß");
        assert_eq!(text(b"a\xffb"), "a\u{fffd}b");
    }
}

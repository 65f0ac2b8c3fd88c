//! What this host has ended and the gateway has not settled, in a file beside the logs: the next runner in this folder
//! tells it, whether this one ends in order or is killed.
//!
//! ```text
//! +{report}      an attempt is over
//! -{key}         the gateway needs nothing more of it
//! ```
//! It is not synced: it outlives the process, and what a host loses with its power its gateway gives to another. It
//! deliberately knows nothing of what is told to whom.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _, Write as _},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use ostler_job::durable::{AttemptKey, Report};
use ostler_private::truncated;

/// The file, in the folder of the logs.
const FILE: &str = "ended";
/// A file up to this size is not worth writing anew.
const SMALL: u64 = 1 << 20;
/// Between two tries to write to a disk that does not take it.
const RETRY: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub(super) struct Unsettled {
    path: PathBuf,
    file: Option<File>,
    /// Bytes of it that count.
    end: u64,
    /// Beyond this size it is written anew.
    limit: u64,
    pending: Vec<u8>,
    /// The file lacks something: it is to be written anew, not before then.
    stale: Option<Instant>,
}

impl Unsettled {
    /// Reads what an earlier runner left in the folder. A line that was cut short, or that is not understood, is passed over.
    pub(super) fn open(folder: &Path) -> (Self, BTreeMap<AttemptKey, Report>) {
        let path = folder.join(FILE);
        let mut bytes = Vec::new();
        // A file that cannot be read is as good as none: the gateway then takes its attempts as lost.
        let _ = File::open(&path).and_then(|mut file| file.read_to_end(&mut bytes));
        let mut left = BTreeMap::new();
        for line in bytes.split(|&byte| byte == b'\n') {
            match line.split_first() {
                Some((b'+', report)) => {
                    if let Ok(report) = serde_json::from_slice::<Report>(report) {
                        left.insert(report.key(), report);
                    }
                }
                Some((b'-', key)) => {
                    if let Ok(key) = serde_json::from_slice(key) {
                        left.remove(&key);
                    }
                }
                _ => {}
            }
        }
        // Written anew with the first word: what was cut short must not run into it.
        let stale = (!bytes.is_empty()).then(Instant::now);
        let kept = Self { path, file: None, end: 0, limit: SMALL, pending: Vec::new(), stale };
        (kept, left)
    }

    /// Whether a file of the folder is this one.
    pub(super) fn is_its_file(name: &std::ffi::OsStr) -> bool {
        name == FILE
    }

    pub(super) fn ended(&mut self, report: &Report) {
        self.line(b'+', report);
    }

    pub(super) fn settled(&mut self, key: AttemptKey) {
        self.line(b'-', &key);
    }

    fn line(&mut self, sign: u8, what: &impl serde::Serialize) {
        self.pending.push(sign);
        serde_json::to_writer(&mut self.pending, what).expect("reports have text as keys");
        self.pending.push(b'\n');
    }

    /// Writes what was noted, before anybody is told of it. `left`: all that is not settled.
    pub(super) fn write<'a>(&mut self, left: impl Iterator<Item = &'a Report>) -> io::Result<()> {
        let is_due = self.stale.is_some_and(|at| at <= Instant::now());
        if !is_due && (self.pending.is_empty() || self.stale.is_some()) {
            // What has to wait for the next try is in `left` by then.
            self.pending.clear();
            return Ok(());
        }
        let written = match is_due || self.end + self.pending.len() as u64 > self.limit {
            true => self.write_anew(left),
            false => self.append(),
        };
        self.pending.clear();
        self.stale = written.is_err().then(|| Instant::now() + RETRY);
        written
    }

    fn append(&mut self) -> io::Result<()> {
        let file = match &self.file {
            Some(file) => file,
            None => self.file.insert(truncated(&self.path)?),
        };
        // By position: what a failed write left behind is overwritten.
        file.write_all_at(&self.pending, self.end)?;
        self.end += self.pending.len() as u64;
        Ok(())
    }

    fn write_anew<'a>(&mut self, left: impl Iterator<Item = &'a Report>) -> io::Result<()> {
        self.pending.clear();
        for report in left {
            self.line(b'+', report);
        }
        let fresh = self.path.with_extension("new");
        let mut file = truncated(&fresh)?;
        file.write_all(&self.pending)?;
        std::fs::rename(&fresh, &self.path)?;
        (self.file, self.end) = (Some(file), self.pending.len() as u64);
        self.limit = SMALL.max(self.end * 2);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ostler_job::{JobId, durable::Fence};

    use super::*;

    fn report(job: u64) -> Report {
        Report::NotStarted { key: AttemptKey { job: JobId(job), attempt: 1, fence: Fence(job) } }
    }

    fn jobs(left: &BTreeMap<AttemptKey, Report>) -> Vec<u64> {
        left.keys().map(|key| key.job.0).collect()
    }

    #[test]
    fn what_is_not_settled_is_there_for_the_next_process() {
        let folder = tempfile::tempdir().unwrap();
        let (mut kept, left) = Unsettled::open(folder.path());
        assert!(left.is_empty());
        (1..=3).for_each(|job| kept.ended(&report(job)));
        kept.write([].iter()).unwrap();
        kept.settled(report(2).key());
        kept.write([].iter()).unwrap();
        let (_, left) = Unsettled::open(folder.path());
        assert_eq!(jobs(&left), [1, 3]);
    }

    #[test]
    fn a_line_that_was_cut_short_costs_only_itself() {
        let folder = tempfile::tempdir().unwrap();
        let (mut kept, _) = Unsettled::open(folder.path());
        (1..=2).for_each(|job| kept.ended(&report(job)));
        kept.write([].iter()).unwrap();
        let path = folder.path().join(FILE);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 5]).unwrap();
        let (mut kept, left) = Unsettled::open(folder.path());
        assert_eq!(jobs(&left), [1]);
        kept.ended(&report(3));
        kept.write([report(1), report(3)].iter()).unwrap();
        assert_eq!(jobs(&Unsettled::open(folder.path()).1), [1, 3]);
    }

    #[test]
    fn a_file_of_settled_lines_does_not_grow_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let (mut kept, _) = Unsettled::open(folder.path());
        for job in 0..20_000 {
            kept.ended(&report(job));
            kept.settled(report(job).key());
            kept.write([report(7)].iter()).unwrap();
        }
        assert!(std::fs::metadata(folder.path().join(FILE)).unwrap().len() < 2 * SMALL);
    }

    #[test]
    fn what_the_disk_did_not_take_is_written_when_it_does() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("jobs");
        let (mut kept, _) = Unsettled::open(&missing);
        kept.ended(&report(1));
        assert!(kept.write([report(1)].iter()).is_err());
        std::fs::create_dir(&missing).unwrap();
        kept.stale = Some(Instant::now());
        kept.write([report(1)].iter()).unwrap();
        assert_eq!(jobs(&Unsettled::open(&missing).1), [1]);
    }
}

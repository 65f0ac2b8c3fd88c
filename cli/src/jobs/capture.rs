//! What a captured standard output may hold: the output of one attempt, never of two.
//!
//! An attempt that was lost begins anew, and somebody's `> dump.sql` would hold half of the first and
//! all of the second. A file is cut back to where it began, as long as nobody else has written to it;
//! what went into a pipe cannot be taken back, so nothing follows it, and the program says so in its end.

use std::{
    fs::File,
    io::{self, IsTerminal as _, Seek as _, SeekFrom},
    os::fd::AsFd as _,
};

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::cut::CUT;
use crate::{
    failure::Failure,
    terminal::{note, put},
};

/// Standard output while a job is waited for.
#[derive(Debug)]
pub(crate) struct Capture {
    to: To,
    /// Of the present attempt.
    written: u64,
    /// It holds output of an attempt that is not the present one.
    is_spoiled: bool,
}

#[derive(Debug)]
enum To {
    /// A person, who sees the note between two attempts; or whoever asked for all of them.
    Reader,
    Pipe,
    /// A file, and where in it the output begins.
    File(File, u64),
}

impl Capture {
    /// For a reader of all attempts.
    pub(crate) fn open() -> Self {
        Self::to(To::Reader)
    }

    /// For the output of one attempt.
    pub(crate) fn of_one_attempt() -> Self {
        let stdout = io::stdout();
        if stdout.is_terminal() {
            return Self::open();
        }
        let file = stdout.as_fd().try_clone_to_owned().map(File::from).ok();
        let file = file.filter(|file| file.metadata().is_ok_and(|data| data.is_file()));
        let begun = file.and_then(|mut file| Some((begin(&mut file)?, file)));
        Self::to(begun.map_or(To::Pipe, |(start, file)| To::File(file, start)))
    }

    fn to(to: To) -> Self {
        Self { to, written: 0, is_spoiled: false }
    }

    /// Another attempt begins.
    pub(crate) fn begin_anew(&mut self, job: u64, attempt: &str) {
        note(&format!("job {job}, attempt {attempt}"));
        if self.written == 0 || self.is_spoiled {
            return;
        }
        self.is_spoiled = match &mut self.to {
            To::Reader => false,
            To::Pipe => true,
            To::File(file, start) => !cut_back(file, *start, self.written),
        };
        if !self.is_spoiled {
            self.written = 0;
        }
    }

    /// Output of the present attempt.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if self.is_spoiled {
            return Ok(());
        }
        self.written += bytes.len() as u64;
        put(bytes)
    }

    /// Whether it holds what it should.
    pub(crate) fn end(&self, job: u64) -> Result<(), Failure> {
        if !self.is_spoiled {
            return Ok(());
        }
        Err(Failure::with(
            CUT,
            vec![format!(
                "the output is that of an attempt which was lost; `ostler logs {job} --stdout` has \
                 the last one's"
            )],
        ))
    }
}

/// Where output to this file begins. One that is appended to (`>>`) stands at its beginning until it is written to.
fn begin(file: &mut File) -> Option<u64> {
    let flags = fcntl(&*file, FcntlArg::F_GETFL).ok()?;
    if OFlag::from_bits_retain(flags).contains(OFlag::O_APPEND) {
        return Some(file.metadata().ok()?.len());
    }
    file.stream_position().ok()
}

/// Takes the output back, if it is the end of the file and all that came since.
fn cut_back(file: &mut File, start: u64, written: u64) -> bool {
    let end = start.checked_add(written);
    let is_ours =
        file.stream_position().ok() == end && file.metadata().ok().map(|data| data.len()) == end;
    is_ours && file.set_len(start).is_ok() && file.seek(SeekFrom::Start(start)).is_ok()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_file_is_cut_back_only_while_it_is_nobody_elses() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"before ").unwrap();
        let start = file.stream_position().unwrap();
        file.write_all(b"half").unwrap();
        assert!(cut_back(&mut file, start, 4));
        assert_eq!((file.metadata().unwrap().len(), file.stream_position().unwrap()), (7, 7));
        file.write_all(b"half").unwrap();
        file.write_all(b" of another").unwrap();
        assert!(!cut_back(&mut file, start, 4));
        assert_eq!(file.metadata().unwrap().len(), 22);
        // Opened without being emptied: what is behind the output is not ours.
        file.seek(SeekFrom::Start(start)).unwrap();
        file.write_all(b"half").unwrap();
        assert!(!cut_back(&mut file, start, 4));
        assert_eq!(file.metadata().unwrap().len(), 22);
    }

    #[test]
    fn a_file_that_could_not_be_cut_back_takes_no_second_output() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"half and of another").unwrap();
        let mut capture = Capture::to(To::File(file.try_clone().unwrap(), 0));
        capture.written = 4;
        capture.begin_anew(7, "2");
        assert!(capture.is_spoiled && capture.end(7).is_err());
        capture.write(b"never").unwrap();
        assert_eq!(file.metadata().unwrap().len(), 19);
        let mut capture = Capture::to(To::File(file.try_clone().unwrap(), 0));
        capture.written = 19;
        capture.begin_anew(7, "2");
        assert!(!capture.is_spoiled && capture.end(7).is_ok());
        assert_eq!((file.metadata().unwrap().len(), capture.written), (0, 0));
    }

    #[test]
    fn what_a_file_held_before_stays_when_it_is_appended_to() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "before ").unwrap();
        let mut appended = File::options().append(true).open(file.path()).unwrap();
        let start = begin(&mut appended).unwrap();
        appended.write_all(b"half").unwrap();
        assert!(cut_back(&mut appended, start, 4));
        appended.write_all(b"whole").unwrap();
        assert_eq!(std::fs::read_to_string(file.path()).unwrap(), "before whole");
        assert_eq!(begin(&mut File::create(file.path()).unwrap()), Some(0));
    }
}

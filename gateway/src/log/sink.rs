//! Where lines go. A file may be moved away or removed, as rotation does: the next lines are in a new one of its name.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

/// Takes lines, and knows which were lost.
#[derive(Debug)]
pub(super) struct Sink<W> {
    out: W,
    /// Of a file: its name.
    path: Option<PathBuf>,
    /// The last line was cut short: the next one begins below it.
    torn: bool,
}

/// Lines that were lost, and why.
#[derive(Debug)]
pub(super) struct Lost {
    pub(super) lines: u64,
    pub(super) error: io::Error,
}

impl<W: Write> Sink<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, path: None, torn: false }
    }

    /// Writes whole lines, all of them or as many as are taken.
    pub(super) fn put(&mut self, lines: &[u8]) -> Result<(), Lost> {
        let mut left = lines;
        match self.write(&mut left) {
            Ok(()) => Ok(()),
            Err(error) => {
                let written = &lines[..lines.len() - left.len()];
                self.torn = written.last().map_or(self.torn, |last| *last != b'\n');
                Err(Lost { lines: memchr::memchr_iter(b'\n', left).count() as u64, error })
            }
        }
    }

    fn write(&mut self, left: &mut &[u8]) -> io::Result<()> {
        if self.torn {
            self.out.write_all(b"\n")?;
            self.torn = false;
        }
        while !left.is_empty() {
            match self.out.write(left) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(taken) => *left = &left[taken..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.out.flush()
    }
}

impl Sink<File> {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let out = ostler_private::named_by_operator(path)?;
        Ok(Self { out, path: Some(path.to_owned()), torn: false })
    }

    /// Goes on in the file that has the name now. One that cannot be opened leaves the old one in use.
    pub(super) fn follow(&mut self) -> io::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let ours = self.out.metadata()?;
        let is_ours = fs::metadata(path)
            .is_ok_and(|named| (named.dev(), named.ino()) == (ours.dev(), ours.ino()));
        if !is_ours {
            *self = Self::open(path)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn read(path: &Path) -> String {
        fs::read_to_string(path).expect("the file can be read")
    }

    #[test]
    fn a_file_that_was_moved_or_removed_is_begun_anew() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let (path, moved) = (folder.path().join("access.log"), folder.path().join("access.log.1"));
        let mut sink = Sink::open(&path).expect("the file can be made");
        let mut put = |text: &str| {
            sink.follow().expect("the file can be opened");
            sink.put(text.as_bytes()).expect("the file takes lines");
        };

        put("one\n");
        fs::rename(&path, &moved).expect("the file can be moved");
        put("two\n");
        assert_eq!((read(&moved).as_str(), read(&path).as_str()), ("one\n", "two\n"));
        let mode = fs::metadata(&path).expect("it is there").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "the new one is its owner's alone");

        fs::remove_file(&path).expect("the file can be removed");
        put("three\n");
        assert_eq!(read(&path), "three\n");

        // As `create` of logrotate does.
        fs::rename(&path, &moved).expect("the file can be moved");
        fs::write(&path, "").expect("a file can be made");
        put("four\n");
        put("five\n");
        assert_eq!((read(&moved).as_str(), read(&path).as_str()), ("three\n", "four\nfive\n"));

        // As `copytruncate` does.
        File::options().write(true).truncate(true).open(&path).expect("it can be cut");
        put("six\n");
        assert_eq!(read(&path), "six\n");
    }

    #[test]
    fn a_name_that_cannot_be_opened_leaves_the_old_file_in_use() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let (path, moved) = (folder.path().join("access.log"), folder.path().join("access.log.1"));
        let mut sink = Sink::open(&path).expect("the file can be made");
        fs::rename(&path, &moved).expect("the file can be moved");
        fs::create_dir(&path).expect("a folder can be made");
        sink.follow().expect_err("a folder takes no lines");
        sink.put(b"one\n").expect("the old file takes lines");
        assert_eq!(read(&moved), "one\n");
    }

    /// Takes so many bytes, then none, then all.
    struct Narrow {
        room: usize,
        taken: Vec<u8>,
    }

    impl Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = self.room.min(bytes.len());
            if taken == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.room -= taken;
            self.taken.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_find_no_room_are_counted_and_tear_no_later_one() {
        let mut sink = Sink::new(Narrow { room: 6, taken: Vec::new() });
        let lost = sink.put(b"one\ntwo\nthree\n").expect_err("there is room for six bytes");
        assert_eq!((lost.lines, lost.error.kind()), (2, io::ErrorKind::StorageFull));
        assert_eq!(sink.put(b"four\n").expect_err("there is no room").lines, 1);
        sink.out.room = usize::MAX;
        sink.put(b"five\n").expect("there is room");
        assert_eq!(sink.out.taken, b"one\ntw\nfive\n");
    }

    #[test]
    fn a_device_that_is_full_takes_nothing_and_is_no_file_to_follow() {
        let mut sink = Sink::open(Path::new("/dev/full")).expect("the device can be opened");
        sink.follow().expect("it has its name");
        let lost = sink.put(b"one\ntwo\n").expect_err("it is full");
        assert_eq!((lost.lines, lost.error.kind()), (2, io::ErrorKind::StorageFull));
    }
}

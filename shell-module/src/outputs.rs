//! The pipes that a command writes to, read in the order in which it wrote as far as two pipes tell it.
//!
//! The kernel lists pipes in the order in which they became readable, so what was written first is read first; tokio alone
//! would only say that both are. What was written to both before anybody could look has no order any more. It is kept
//! stream by stream, unless both have as many lines: then they were most likely written in turn, as a trace (`set -x`) and
//! what it traces are. Smaller pipes would make the order certain, but a command whose output is non-blocking, as
//! programs that share one with Node.js find it, would fail to write. Whoever wants certainty has one pipe for both
//! (`merge`).

use std::{
    future::pending,
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, OFlag, fcntl},
    sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout},
    unistd::{pipe2, read},
};
use tokio::io::{Interest, unix::AsyncFd};

/// How much is read of one stream before the other is looked at; a pipe holds this much unless somebody made it larger.
const CHUNK: usize = 64 << 10;
/// The same, when both have something.
const PIECE: usize = 8 << 10;
/// Looks in one turn, at most: others want to be served.
const LOOKS_MAX: usize = 16;
/// Lines that are put in turn, of each stream.
const LINES_MAX: usize = 64;

/// Turns that are a habit.
const HABIT: usize = 3;

/// The reading ends.
#[derive(Debug)]
pub(crate) struct Outputs {
    watch: AsyncFd<Watch>,
    /// Standard output and error, until they end.
    pipes: [Option<Pipe>; 2],
    turns: Turns,
}

#[derive(Debug)]
struct Pipe {
    fd: OwnedFd,
    /// There may be more in it than the kernel tells of again.
    has_more: bool,
}

/// An epoll instance that can be waited for as a descriptor.
#[derive(Debug)]
struct Watch(Epoll);

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.0.as_fd()
    }
}

impl AsRawFd for Watch {
    fn as_raw_fd(&self) -> RawFd {
        self.0.0.as_raw_fd()
    }
}

/// The ends for the command's standard output and error.
pub(crate) type Ends = [OwnedFd; 2];

impl Outputs {
    /// New pipes. With `merge` there is one for both streams, which then are standard output.
    pub(crate) fn open(merge: bool) -> io::Result<(Self, Ends)> {
        let (stdout, stdout_end) = Pipe::open()?;
        let (stderr, stderr_end) = match merge {
            true => (None, stdout_end.try_clone()?),
            false => Pipe::open().map(|(pipe, end)| (Some(pipe), end))?,
        };
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let pipes = [Some(stdout), stderr];
        // Edges only: what was told of leaves the list, and goes to its end when more comes.
        let wanted = EpollFlags::EPOLLIN | EpollFlags::EPOLLET;
        for (pipe, index) in pipes.iter().zip(0..) {
            if let Some(pipe) = pipe {
                epoll.add(&pipe.fd, EpollEvent::new(wanted, index))?;
            }
        }
        // SAFETY: the instance owns its descriptor, and is not taken out before it is dropped.
        let watch = unsafe { AsyncFd::register_with_interest(Watch(epoll), Interest::READABLE) }?;
        Ok((Self { watch, pipes, turns: Turns::default() }, [stdout_end, stderr_end]))
    }

    /// Until there is something to read, or an end.
    pub(crate) async fn readable(&self) {
        if self.has_more() {
            return;
        }
        if self.pipes.iter().all(Option::is_none) {
            return pending().await;
        }
        match self.watch.readable().await {
            Ok(mut guard) => guard.retain_ready(),
            // The runtime ends.
            Err(_) => pending().await,
        }
    }

    fn has_more(&self) -> bool {
        self.pipes.iter().flatten().any(|pipe| pipe.has_more)
    }

    /// Reads what has come, at most a pipe's worth, and hands it on with its stream, 1 or 2. `at_once`: also what the
    /// runtime has not heard of yet.
    pub(crate) fn read(&mut self, at_once: bool, mut take: impl FnMut(u8, &[u8])) {
        let mut buffer = [0; CHUNK];
        let mut left = CHUNK;
        // A command that writes no faster than this reads is seen write by write.
        for _ in 0..LOOKS_MAX {
            let found = self.look(at_once);
            if found.is_empty() {
                break;
            }
            left -= self.read_found(&found, &mut buffer[..left], &mut take);
            if left < 2 * PIECE {
                break;
            }
        }
    }

    /// Which pipes have something, in the order in which it came, and how many bytes each has at one moment: nothing was
    /// written while they were counted, unless it goes on and on.
    fn look(&mut self, at_once: bool) -> Vec<(usize, usize)> {
        let is_left = |index: &usize| self.pipes[*index].as_ref().is_some_and(|it| it.has_more);
        let mut found: Vec<_> =
            [0, 1].into_iter().filter(is_left).map(|index| (index, 0)).collect();
        for _ in 0..LOOKS_MAX {
            let told = self.told(at_once);
            if told.is_empty() && found.iter().all(|(_, bytes)| *bytes > 0) {
                break;
            }
            for index in &told {
                if !found.iter().any(|(known, _)| known == index) {
                    found.push((*index, 0));
                }
            }
            for (index, bytes) in &mut found {
                *bytes = self.pipes[*index].as_ref().map_or(0, Pipe::bytes);
            }
            if told.is_empty() {
                break;
            }
        }
        found
    }

    /// The pipes that were written to since this was asked last, in the order in which they were.
    fn told(&self, at_once: bool) -> Vec<usize> {
        let mut events = [EpollEvent::empty(); 2];
        let mut ask = |watch: &Watch| match watch.0.wait(&mut events, EpollTimeout::ZERO)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            many => Ok(many),
        };
        let many = match at_once {
            true => ask(self.watch.get_ref()),
            // The runtime learns when nothing is left.
            false => self.watch.try_io(Interest::READABLE, ask),
        };
        events[..many.unwrap_or(0)].iter().map(|event| usize::from(event.data() == 1)).collect()
    }

    fn read_found(
        &mut self,
        found: &[(usize, usize)],
        buffer: &mut [u8],
        take: &mut impl FnMut(u8, &[u8]),
    ) -> usize {
        let [first, second] = *found else {
            let (only, bytes) = found[0];
            let many = self.read_one(only, bytes, buffer);
            self.turns.hand_on(only, &buffer[..many], take);
            return many;
        };
        let (one, other) = buffer.split_at_mut(PIECE);
        let many = self.read_one(first.0, first.1, one);
        let more = self.read_one(second.0, second.1, &mut other[..PIECE]);
        let (one, other) = (&one[..many], &other[..more]);
        // What goes on is large, and no exchange of lines.
        if !self.has_more() && self.turns.are_taken(one, other) {
            for (line, reply) in lines(one).zip(lines(other).chain([&b""[..]])) {
                self.turns.hand_on(first.0, line, take);
                self.turns.hand_on(second.0, reply, take);
            }
        } else {
            self.turns.hand_on(first.0, one, take);
            self.turns.hand_on(second.0, other, take);
        }
        many + more
    }

    /// Reads so many bytes, or as many as the buffer takes. Returns how many there were.
    fn read_one(&mut self, index: usize, bytes: usize, buffer: &mut [u8]) -> usize {
        let Some(pipe) = &mut self.pipes[index] else { return 0 };
        // Of none at all something is to be learnt, too: the end.
        let most = bytes.max(1).min(buffer.len());
        pipe.has_more = bytes > most;
        let mut many = 0;
        while many < most {
            match read(&pipe.fd, &mut buffer[many..most]) {
                Ok(read @ 1..) => many += read,
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => {
                    pipe.has_more = false;
                    break;
                }
                // Its end, or an error that stays.
                Ok(0) | Err(_) => {
                    self.pipes[index] = None;
                    break;
                }
            }
        }
        many
    }
}

impl Pipe {
    fn open() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = pipe2(OFlag::O_CLOEXEC)?;
        fcntl(&ours, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        Ok((Self { fd: ours, has_more: false }, theirs))
    }

    /// How many wait in it.
    fn bytes(&self) -> usize {
        let mut bytes: libc::c_int = 0;
        // SAFETY: the call writes one integer, which lives through it.
        let done = unsafe { libc::ioctl(self.fd.as_raw_fd(), libc::FIONREAD, &raw mut bytes) };
        if done == 0 { usize::try_from(bytes).unwrap_or(0) } else { 0 }
    }
}

/// How many lines came one by one from the two streams in turn.
#[derive(Debug, Default)]
struct Turns {
    last: usize,
    many: usize,
}

impl Turns {
    fn hand_on(&mut self, index: usize, bytes: &[u8], take: &mut impl FnMut(u8, &[u8])) {
        if bytes.is_empty() {
            return;
        }
        let is_turn = index != self.last && lines(bytes).nth(1).is_none();
        self.many = if is_turn { self.many + 1 } else { 0 };
        self.last = index;
        take(if index == 0 { 1 } else { 2 }, bytes);
    }

    /// Whether these were most likely written line by line in turn, the first one first: they are as many, or, when it is
    /// a habit, one is still to come.
    fn are_taken(&self, first: &[u8], second: &[u8]) -> bool {
        let whole = |bytes: &[u8]| bytes.ends_with(b"\n");
        let (one, other) = (lines(first).count(), lines(second).count());
        let fits = one == other || (one == other + 1 && self.many.max(other) >= HABIT);
        fits && one <= LINES_MAX && whole(first) && whole(second)
    }
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split_inclusive(|&byte| byte == b'\n')
}

#[cfg(test)]
mod tests {
    use std::{fs::File, io::Write};

    use super::*;

    /// Writes each of these to the stream of its first character, `o` or `e`, and reads when one is `.`.
    fn read(writes: &[&str]) -> String {
        let (mut outputs, ends) = Outputs::open(false).unwrap();
        let [mut stdout, mut stderr] = ends.map(File::from);
        let mut text = String::new();
        for write in writes.iter().chain([&"."]) {
            match write.as_bytes()[0] {
                b'o' => stdout.write_all(write.as_bytes()).unwrap(),
                b'e' => stderr.write_all(write.as_bytes()).unwrap(),
                _ => outputs.read(true, |stream, bytes| {
                    let bytes = std::str::from_utf8(bytes).unwrap();
                    assert!(bytes.starts_with(if stream == 1 { 'o' } else { 'e' }));
                    text.push_str(bytes);
                }),
            }
        }
        text
    }

    #[tokio::test]
    async fn whatever_came_first_is_first_and_lines_in_turn_stay_so() {
        for writes in [
            &["o1\n", "e1\n"][..],
            &["e1\n", "o1\n"],
            &["o1\n", "o2\n", "o3\n", "e1\n"],
            &["e1\n", "e2\n", "o1\n"],
            &["o1\n", "e1\n", "o2\n", "e2\n"],
            &["e1\n", "o1\n", "e2\n", "o2\n", "e3\n", "o3\n", "e4\n"],
            // The order between looks is certain.
            &["o1\n", ".", "e1\n", "e2\n", ".", "o2\n", ".", "e3\n"],
            &["o1\n", "e1\n", ".", "e2\n", "o2\n", ".", "o3\n", "e3\n"],
            // It is a habit by now.
            &["o1\n", ".", "e1\n", ".", "o2\n", ".", "e2\n", ".", "o3\n", "e3\n", "o4\n"],
            // No lines, so nothing that could be cut in two.
            &["o1 o2", "e1\ne2\n"],
        ] {
            let says: String = writes.iter().filter(|it| **it != ".").copied().collect();
            assert_eq!(read(writes), says, "{writes:?}");
        }
        // Nothing tells these apart from the same lines stream by stream.
        assert_eq!(read(&["o1\n", "e1\n", "o2\n"]), "o1\no2\ne1\n");
    }

    #[tokio::test]
    async fn what_does_not_fit_into_one_turn_comes_with_the_next() {
        let (mut outputs, ends) = Outputs::open(false).unwrap();
        let [mut stdout, mut stderr] = ends.map(File::from);
        stdout.write_all(&[b'o'; 60_000]).unwrap();
        stderr.write_all(&[b'e'; 60_000]).unwrap();
        let mut lengths = [0, 0];
        while lengths != [60_000, 60_000] {
            outputs.readable().await;
            outputs.read(false, |stream, bytes| lengths[usize::from(stream) - 1] += bytes.len());
        }
    }

    #[tokio::test]
    async fn a_merged_pipe_is_standard_output() {
        let (mut outputs, ends) = Outputs::open(true).unwrap();
        let [mut stdout, mut stderr] = ends.map(File::from);
        for number in 0..3 {
            writeln!(stdout, "o{number}").unwrap();
            writeln!(stdout, "o{number}").unwrap();
            writeln!(stderr, "e{number}").unwrap();
        }
        let mut text = Vec::new();
        outputs.read(true, |stream, bytes| {
            assert_eq!(stream, 1);
            text.extend_from_slice(bytes);
        });
        assert_eq!(text, b"o0\no0\ne0\no1\no1\ne1\no2\no2\ne2\n");
    }
}

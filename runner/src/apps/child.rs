//! The tasks around one child: its control socket, its output, its end.

use std::{cell::RefCell, collections::VecDeque, os::fd::OwnedFd, rc::Rc, time::Duration};

use nix::unistd::Pid;
use ostler_wire::{Frame, Kind, message::Log};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    net::{UnixStream, unix::pipe},
    task::{JoinHandle, spawn_local},
    time::{Instant, timeout_at},
};

use super::{board::Board, failure::Failure, reap, spawn::Spawned};
use crate::{
    child_pool::{ChildId, Ending, ExitReason},
    event::{ChildEvent, Event, Events},
    frames::{FrameReader, Outbox},
    logs::{Line, Logger, MESSAGE_MAX},
};

/// Lines of standard error kept for the report of a failure.
const TAIL_LINES: usize = 40;
/// Bytes of each of them.
const TAIL_LINE_BYTES: usize = 1024;
/// How long output is read after the end; a stranger that inherited the pipe must not hold up the report.
const DRAIN: Duration = Duration::from_millis(500);

/// What a child said last, for the report of its failure.
#[derive(Debug, Default)]
pub(crate) struct LastWords {
    /// The last lines of its standard error.
    pub stderr: RefCell<VecDeque<String>>,
    /// Its stacks, when it was asked for them.
    pub dump: RefCell<String>,
}

/// What an ended child was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    /// How it is counted.
    pub reason: ExitReason,
    /// It had not loaded the app.
    pub was_booting: bool,
    /// It was sent a signal by us.
    pub was_ended: bool,
}

/// A child, as the owner of state keeps it.
#[derive(Debug)]
pub(crate) struct Child {
    /// Index of its app.
    pub app: usize,
    /// Its process.
    pub pid: Pid,
    /// Its board.
    pub board: Rc<Board>,
    /// The gateway's end of its lane, until it is handed over.
    pub lane: Option<OwnedFd>,
    /// Whether the present gateway has its lane.
    pub handed: bool,
    /// The number of its present lane.
    pub lane_number: u32,
    /// What it can do, as it said in HELLO.
    pub caps: String,
    /// How many streams at once it takes, as it said there.
    pub streams: u32,
    /// The queue to its control socket.
    pub ctl: Outbox,
    /// What it said last.
    pub last_words: Rc<LastWords>,
    /// What it said about its failure to boot.
    pub failure: Option<Failure>,
    /// How it ended, once it has.
    pub end: Option<End>,
    /// Processor time that it had used when last looked at, in microseconds.
    pub cpu_us: u64,
    /// Its resident memory when last looked at, in bytes.
    pub rss: u64,
}

/// What the tasks need to name their child.
#[derive(Clone, Debug)]
struct Label {
    id: ChildId,
    app: Rc<str>,
    board: Rc<Board>,
    logs: Logger,
    events: Events,
}

/// Starts the tasks of a child. Must be called on the runner's local task set.
pub(crate) fn attend(
    id: ChildId,
    (app, name): (usize, Rc<str>),
    spawned: Spawned,
    events: Events,
    logs: Logger,
) -> std::io::Result<Child> {
    let Spawned { pid, pidfd, ctl, lane, board, stdout, stderr } = spawned;
    let board = Rc::new(board);
    let last_words = Rc::new(LastWords::default());
    let label = Label { id, app: name, board: Rc::clone(&board), logs, events };
    ctl.set_nonblocking(true)?;
    let (reader, writer) = UnixStream::from_std(ctl)?.into_split();
    let (outbox, writing) = Outbox::over_unix(writer);
    let stdout = pipe::Receiver::from_owned_fd(stdout)?;
    let stderr = pipe::Receiver::from_owned_fd(stderr)?;
    spawn_local(writing);
    let readers = [
        spawn_local(read_ctl(label.clone(), FrameReader::new(reader), Rc::clone(&last_words))),
        spawn_local(read_output(label.clone(), "stdout", stdout, None)),
        spawn_local(read_output(label.clone(), "stderr", stderr, Some(Rc::clone(&last_words)))),
    ];
    spawn_local(await_end(label, pid, pidfd, readers));
    Ok(Child {
        app,
        pid,
        board,
        lane: Some(lane),
        handed: false,
        lane_number: 1,
        caps: String::new(),
        streams: 1,
        ctl: outbox,
        last_words,
        failure: None,
        end: None,
        cpu_us: 0,
        rss: 0,
    })
}

async fn await_end(label: Label, pid: Pid, pidfd: OwnedFd, readers: [JoinHandle<()>; 3]) {
    // Waiting fails only for a process that somebody else reaped; then it is gone, which is what matters.
    let ending = reap::wait(pid, pidfd).await.unwrap_or(Ending::Status(-1));
    // At once, since its replacement waits for it. The owner is gone only when the runner ends.
    let _ = label.events.send(Event::Child(label.id, ChildEvent::Ended(ending))).await;
    // Its last frames and words first: they say why.
    let deadline = Instant::now() + DRAIN;
    for mut reader in readers {
        if timeout_at(deadline, &mut reader).await.is_err() {
            reader.abort();
        }
    }
    let _ = label.events.send(Event::Child(label.id, ChildEvent::Exited(ending))).await;
}

async fn read_ctl<R: AsyncRead + Unpin>(
    label: Label,
    mut frames: FrameReader<R>,
    words: Rc<LastWords>,
) {
    let lost = loop {
        match frames.next().await {
            Ok(Some(frame)) if frame.header.kind == Kind::Log => log_frame(&label, &frame, &words),
            Ok(Some(frame)) => {
                let event = Event::Child(label.id, ChildEvent::Frame(frame));
                if label.events.send(event).await.is_err() {
                    return;
                }
            }
            Ok(None) => break None,
            Err(error) => break Some(error.to_string()),
        }
    };
    let _ = label.events.send(Event::Child(label.id, ChildEvent::CtlLost(lost))).await;
}

/// A LOG frame becomes a line; what the child says on standard error counts as its last words however it comes.
fn log_frame(label: &Label, frame: &Frame, words: &LastWords) {
    let level = match frame.header.code {
        0 => "debug",
        1 => "info",
        2.. => "error",
    };
    let Ok(log) = Log::of(frame) else { return };
    let stream = log.stream.unwrap_or("log");
    let text = log.line;
    if stream == "stderr" || stream == "errors" {
        keep(words, &text);
    } else if stream == "dump" {
        *words.dump.borrow_mut() = text.to_string();
    }
    label.logs.write(Line {
        level,
        app: &label.app,
        child: Some(label.id.0),
        stream,
        request_id: log.id.unwrap_or(""),
        message: cut(&text, MESSAGE_MAX),
        ..Line::default()
    });
}

fn keep(words: &LastWords, line: &str) {
    let mut tail = words.stderr.borrow_mut();
    if tail.len() == TAIL_LINES {
        tail.pop_front();
    }
    tail.push_back(cut(line, TAIL_LINE_BYTES).to_owned());
}

async fn read_output(
    label: Label,
    stream: &str,
    mut from: pipe::Receiver,
    words: Option<Rc<LastWords>>,
) {
    let mut buffer = Vec::with_capacity(MESSAGE_MAX);
    loop {
        let read = from.read_buf(&mut buffer).await.unwrap_or(0);
        while let Some((line, used)) = first_line(&buffer, read == 0) {
            write_line(&label, stream, line, words.as_deref());
            buffer.drain(..used);
        }
        if read == 0 {
            return;
        }
    }
}

/// The first line of what was read and the bytes that it took; a line that is too long comes in pieces.
fn first_line(buffer: &[u8], at_end: bool) -> Option<(&[u8], usize)> {
    let window = &buffer[..buffer.len().min(MESSAGE_MAX)];
    match window.iter().position(|&b| b == b'\n') {
        Some(end) => Some((&buffer[..end], end + 1)),
        None if window.len() == MESSAGE_MAX || (at_end && !window.is_empty()) => {
            Some((window, window.len()))
        }
        None => None,
    }
}

fn write_line(label: &Label, stream: &str, line: &[u8], words: Option<&LastWords>) {
    let text = String::from_utf8_lossy(line);
    let text = text.strip_suffix('\r').unwrap_or(&text);
    if let Some(words) = words {
        keep(words, text);
    }
    let board = label.board.read();
    label.logs.write(Line {
        level: if words.is_some() { "error" } else { "info" },
        app: &label.app,
        child: Some(label.id.0),
        stream,
        request_id: if board.is_busy() { &board.request_id } else { "" },
        message: text,
        ..Line::default()
    });
}

/// At most `max` bytes, on a character's edge.
fn cut(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_cut_into_lines_however_it_arrives() {
        assert_eq!(first_line(b"one\ntwo", false), Some((&b"one"[..], 4)));
        assert_eq!(first_line(b"two", false), None);
        assert_eq!(first_line(b"two", true), Some((&b"two"[..], 3)));
        assert_eq!(first_line(b"", true), None);
    }

    #[test]
    fn a_line_without_end_comes_in_pieces() {
        let long = vec![b'x'; MESSAGE_MAX + 5];
        assert_eq!(first_line(&long, false).unwrap().1, MESSAGE_MAX);
    }
}

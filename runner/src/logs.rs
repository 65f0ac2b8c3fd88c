//! Log lines: what children write and what happens to them, one JSON object a line on standard output.
//!
//! A thread of its own writes them, so that a slow reader of the log never holds up the runner. When the queue is full,
//! lines are dropped, counted, and the count is logged.

use std::{
    io::{BufWriter, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, TryRecvError, sync_channel},
    },
    thread::JoinHandle,
};

use serde::Serialize;
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

/// Lines that wait to be written, at most.
const QUEUE_MAX: usize = 1024;
/// The longest message in bytes; longer pieces of output become several lines.
pub(crate) const MESSAGE_MAX: usize = 16 << 10;

const TIME: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// One line. Empty fields are left out.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Line<'a> {
    /// When it was received; filled in by [`Logger::write`].
    pub time: String,
    /// `debug`, `info`, `warn` or `error`.
    pub level: &'a str,
    /// The app.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub app: &'a str,
    /// The child.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub child: Option<u64>,
    /// `stdout`, `stderr`, `log`, or `runner` for what the runner itself has to say.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub stream: &'a str,
    /// The request that the child was working on.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub request_id: &'a str,
    /// The process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// Why, as a code.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub reason: &'a str,
    /// Particulars.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub detail: &'a str,
    /// What was written, or what happened.
    pub message: &'a str,
}

/// Takes lines. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Logger {
    queue: SyncSender<String>,
    dropped: Arc<AtomicU64>,
}

/// The thread that writes.
#[derive(Debug)]
pub(crate) struct LogThread(JoinHandle<()>);

impl Logger {
    /// Starts the thread. It ends when every clone of the logger is gone.
    pub(crate) fn start(out: Box<dyn Write + Send>) -> std::io::Result<(Self, LogThread)> {
        let (queue, lines) = sync_channel(QUEUE_MAX);
        let dropped = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&dropped);
        let thread = std::thread::Builder::new()
            .name("log".into())
            .spawn(move || write_lines(&lines, BufWriter::new(out), &seen))?;
        Ok((Self { queue, dropped }, LogThread(thread)))
    }

    /// Queues a line.
    pub(crate) fn write(&self, line: Line<'_>) {
        let text = to_json(line);
        if self.queue.try_send(text).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl LogThread {
    /// Waits until everything is written.
    pub(crate) fn finish(self) {
        // A panicked writer has nothing left to flush, and the process ends next.
        let _ = self.0.join();
    }
}

fn to_json(mut line: Line<'_>) -> String {
    // The format has no part that a time of this millennium cannot fill.
    line.time = OffsetDateTime::now_utc().format(TIME).unwrap_or_default();
    let mut text = serde_json::to_string(&line).expect("a struct of strings and numbers is JSON");
    text.push('\n');
    text
}

fn write_lines(
    lines: &Receiver<String>,
    mut out: BufWriter<Box<dyn Write + Send>>,
    dropped: &AtomicU64,
) {
    loop {
        let line = match lines.try_recv() {
            Ok(line) => line,
            Err(TryRecvError::Disconnected) => break,
            Err(TryRecvError::Empty) => {
                // Nobody reads the log any more: children must go on all the same.
                let _ = out.flush();
                match lines.recv() {
                    Ok(line) => line,
                    Err(_) => break,
                }
            }
        };
        let _ = out.write_all(line.as_bytes());
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let detail = format!("{lost} {}", if lost == 1 { "line" } else { "lines" });
            let message = "log lines were dropped because standard output is slow";
            let note = Line {
                level: "warn",
                stream: "runner",
                detail: &detail,
                message,
                ..Line::default()
            };
            let _ = out.write_all(to_json(note).as_bytes());
        }
    }
    let _ = out.flush();
}

//! The access log: one line a request, written by a thread of its own so that a slow disk or pipe delays no request.

mod sink;

use std::{
    fs::File,
    io::{self, Write},
    net::IpAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use http::Version;
use ostler_job::{Span, Termination};
use time::{OffsetDateTime, macros::format_description};
use tokio::sync::Notify;

use self::sink::{Lost, Sink};
use crate::config::{AccessLog, LogFormat};

/// Bytes gathered before they are handed to the writer.
const BATCH: usize = 16 << 10;
/// From the first line of a batch until it is handed over.
const GATHER: Duration = Duration::from_millis(50);
/// Batches that may wait for the writer; what comes beyond is dropped and counted.
const BATCHES_MAX: usize = 256;
/// Between two words about lines that were lost.
const QUIET: Duration = Duration::from_secs(60);

/// What a line says.
#[derive(Debug)]
pub(crate) struct Line<'a> {
    pub(crate) id: &'a [u8],
    pub(crate) client: IpAddr,
    pub(crate) method: &'a str,
    pub(crate) host: &'a [u8],
    pub(crate) target: &'a str,
    pub(crate) version: Version,
    pub(crate) secure: bool,
    pub(crate) status: u16,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) queued: Span,
    pub(crate) ran: Option<Span>,
    pub(crate) total: Span,
    pub(crate) app: Option<&'a str>,
    pub(crate) tenant: &'a [u8],
    pub(crate) termination: Termination,
    pub(crate) detail: &'a [u8],
    pub(crate) user_agent: Option<&'a [u8]>,
    pub(crate) referer: Option<&'a [u8]>,
}

/// The writing thread and the way to it.
type Writer = (SyncSender<Vec<u8>>, JoinHandle<()>);

/// See the module.
#[derive(Debug)]
pub(crate) struct Log {
    format: Option<LogFormat>,
    batch: Mutex<Vec<u8>>,
    /// The first line of a batch is there.
    begun: Notify,
    writer: Mutex<Option<Writer>>,
    dropped: Arc<AtomicU64>,
}

impl Log {
    /// `tell` is for an operator's eyes: what keeps lines from being written.
    pub(crate) fn open(
        config: &AccessLog,
        tell: impl Fn(String) + Send + 'static,
    ) -> io::Result<Self> {
        let dropped = Arc::new(AtomicU64::new(0));
        let losses = Losses { dropped: dropped.clone(), tell: Box::new(tell), told: None };
        let (sender, receiver) = sync_channel(BATCHES_MAX);
        let thread = std::thread::Builder::new().name("access-log".into());
        let (format, thread) = match config {
            AccessLog::Off => (None, None),
            AccessLog::Stdout(format) => {
                let run = move || write_all(Sink::new(io::stdout()), &receiver, losses);
                (Some(*format), Some(thread.spawn(run)?))
            }
            AccessLog::File(path, format) => {
                let file = Sink::open(path)?;
                (Some(*format), Some(thread.spawn(move || write_file(file, &receiver, losses))?))
            }
        };
        Ok(Self {
            format,
            batch: Mutex::default(),
            begun: Notify::new(),
            writer: Mutex::new(thread.map(|thread| (sender, thread))),
            dropped,
        })
    }

    /// Adds a line; it is only built when somebody will read it.
    pub(crate) fn write<'a>(&self, line: impl FnOnce() -> Line<'a>) {
        let Some(format) = self.format else { return };
        let line = line();
        let mut batch = self.batch.lock().expect("no code panics while it holds the batch");
        if batch.is_empty() {
            self.begun.notify_one();
        }
        match format {
            LogFormat::Json => json(&mut batch, &line),
            LogFormat::Combined => combined(&mut batch, &line),
        }
        if batch.len() >= BATCH {
            self.hand_over(&mut batch);
        }
    }

    /// Hands over what was gathered, a moment after its first line, for ever.
    pub(crate) async fn hand_over_in_time(&self) {
        loop {
            self.begun.notified().await;
            tokio::time::sleep(GATHER).await;
            self.flush();
        }
    }

    fn flush(&self) {
        let mut batch = self.batch.lock().expect("no code panics while it holds the batch");
        if !batch.is_empty() {
            self.hand_over(&mut batch);
        }
    }

    fn hand_over(&self, batch: &mut Vec<u8>) {
        let lines = std::mem::replace(batch, Vec::with_capacity(BATCH + 1024));
        let writer = self.writer.lock().expect("no code panics while it holds the writer");
        let Some((sender, _)) = &*writer else { return };
        if let Err(TrySendError::Full(lines) | TrySendError::Disconnected(lines)) =
            sender.try_send(lines)
        {
            let count = memchr::memchr_iter(b'\n', &lines).count();
            self.dropped.fetch_add(count as u64, Ordering::Relaxed);
        }
    }

    /// Lines that were dropped because the writer was behind, or its sink took none.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Writes everything and ends the writer.
    pub(crate) fn close(&self) {
        self.flush();
        let writer = self.writer.lock().expect("no code panics while it holds the writer").take();
        if let Some((sender, thread)) = writer {
            drop(sender);
            // A writer that panicked has nothing more to write.
            let _ = thread.join();
        }
    }
}

/// Lines that the sink did not take: counted, and told now and then.
struct Losses {
    dropped: Arc<AtomicU64>,
    tell: Box<dyn Fn(String) + Send>,
    told: Option<Instant>,
}

impl Losses {
    fn count(&mut self, lost: &Lost) {
        self.dropped.fetch_add(lost.lines, Ordering::Relaxed);
        self.say(format!("access log lines are lost: {}", lost.error));
    }

    fn say(&mut self, what: String) {
        if self.told.is_none_or(|told| told.elapsed() >= QUIET) {
            self.told = Some(Instant::now());
            (self.tell)(what);
        }
    }
}

/// Errors of the sink are not ours to cure; the next batch tries again.
fn write_all<W: Write>(mut sink: Sink<W>, batches: &Receiver<Vec<u8>>, mut losses: Losses) {
    for batch in batches {
        if let Err(lost) = sink.put(&batch) {
            losses.count(&lost);
        }
    }
}

/// The same for a file, which may be another one before each batch.
fn write_file(mut file: Sink<File>, batches: &Receiver<Vec<u8>>, mut losses: Losses) {
    for batch in batches {
        if let Err(error) = file.follow() {
            losses.say(format!("the access log goes on in the file that was moved: {error}"));
        }
        if let Err(lost) = file.put(&batch) {
            losses.count(&lost);
        }
    }
}

/// RFC 3339 in UTC, always with milliseconds, so that lines sort as text.
fn timestamp() -> String {
    let format =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    OffsetDateTime::now_utc().format(format).unwrap_or_default()
}

fn json(out: &mut Vec<u8>, line: &Line<'_>) {
    let mut object = Object::begin(out);
    object.text("time", timestamp().as_bytes());
    object.text("id", line.id);
    object.text("client", line.client.to_string().as_bytes());
    object.text("method", line.method.as_bytes());
    object.text("host", line.host);
    object.text("target", line.target.as_bytes());
    object.text("protocol", protocol(line.version).as_bytes());
    object.text("scheme", if line.secure { b"https" } else { b"http" });
    object.number("status", u64::from(line.status));
    object.number("bytes_in", line.bytes_in);
    object.number("bytes_out", line.bytes_out);
    object.number("queue_us", line.queued.0 / 1000);
    if let Some(ran) = line.ran {
        object.number("run_us", ran.0 / 1000);
    }
    object.number("total_us", line.total.0 / 1000);
    if let Some(app) = line.app {
        object.text("app", app.as_bytes());
    }
    if !line.tenant.is_empty() {
        object.text("tenant", line.tenant);
    }
    object.text("termination", line.termination.code().as_bytes());
    if !line.detail.is_empty() {
        object.text("detail", &line.detail[..line.detail.len().min(4096)]);
    }
    if let Some(agent) = line.user_agent {
        object.text("user_agent", agent);
    }
    if let Some(referer) = line.referer {
        object.text("referer", referer);
    }
    object.end();
}

/// The combined format: `client - - [time] "request" status bytes "referer" "user agent"`.
fn combined(out: &mut Vec<u8>, line: &Line<'_>) {
    let format =
        format_description!("[day]/[month repr:short]/[year]:[hour]:[minute]:[second] +0000");
    let quoted = |text: Option<&[u8]>| -> String {
        let text = String::from_utf8_lossy(text.unwrap_or(b"-"));
        text.chars().flat_map(char::escape_default).collect()
    };
    // Writing to memory does not fail.
    let _ = writeln!(
        out,
        "{} - - [{}] \"{} {} {}\" {} {} \"{}\" \"{}\"",
        line.client,
        OffsetDateTime::now_utc().format(format).unwrap_or_default(),
        quoted(Some(line.method.as_bytes())),
        quoted(Some(line.target.as_bytes())),
        protocol(line.version),
        line.status,
        line.bytes_out,
        quoted(line.referer),
        quoted(line.user_agent),
    );
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        _ => "HTTP/1.1",
    }
}

/// Writes one flat JSON object without building it first.
struct Object<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}

impl<'a> Object<'a> {
    fn begin(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, first: true }
    }

    fn name(&mut self, name: &str) {
        if !std::mem::replace(&mut self.first, false) {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    fn text(&mut self, name: &str, value: &[u8]) {
        self.name(name);
        let text = String::from_utf8_lossy(value);
        // Text always has a JSON form, and memory takes it.
        let _ = serde_json::to_writer(&mut *self.out, text.as_ref());
    }

    fn number(&mut self, name: &str, value: u64) {
        self.name(name);
        self.out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    fn end(self) {
        self.out.extend_from_slice(b"}\n");
    }
}

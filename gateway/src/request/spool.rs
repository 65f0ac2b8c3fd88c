//! Takes a request's body before a slot is taken, so that a slow client never holds a child: memory first, then a file.

use std::{
    io::{self, Seek as _, Write as _},
    os::unix::fs::FileExt as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{StatusCode, header, request::Parts};
use http_body::Body as _;
use ostler_job::Termination;
use ostler_machine::peer::Peer;

use super::{
    budget::{Budget, Claim},
    record::RequestRecord,
    respond::Refusal,
    route::Route,
    upload::Upload,
};

/// How often, and after which pauses, a body that finds no room in files is tried again.
const TRIES: u32 = 15;
const AGAIN: Duration = Duration::from_millis(200);

/// A request's body, on its way to a child.
#[derive(Debug)]
pub(crate) enum Body {
    /// All of it, maybe nothing.
    Memory(Bytes),
    /// All of it, in a file.
    File(Arc<SpoolFile>),
    /// To be passed on as it comes; the length if the client told it.
    Stream(Upload, Option<u64>),
}

impl Body {
    /// The length in bytes, when it is known.
    pub(crate) fn len(&self) -> Option<u64> {
        match self {
            Self::Memory(bytes) => Some(bytes.len() as u64),
            Self::File(file) => Some(file.len()),
            Self::Stream(_, length) => *length,
        }
    }
}

/// A file without a name, which ends with its last user.
#[derive(Debug)]
pub(crate) struct SpoolFile {
    claim: Arc<Claim>,
    budget: Arc<Budget>,
    len: AtomicU64,
}

impl SpoolFile {
    pub(crate) fn create(budget: &Arc<Budget>, client: Peer) -> io::Result<Self> {
        let claim = budget.create(client)?;
        Ok(Self { claim, budget: budget.clone(), len: AtomicU64::new(0) })
    }

    pub(crate) fn len(&self) -> u64 {
        self.len.load(Ordering::Acquire)
    }

    /// The client has taken something of it.
    pub(crate) fn touch(&self) {
        self.claim.touch();
    }

    /// It is whole, and waits for us and not for its client.
    pub(crate) fn settle(&self) {
        Budget::settle(&self.claim);
    }

    /// Its client has let it lie for too long.
    pub(crate) fn cut_off(&self) {
        self.budget.cut_off(&self.claim);
    }

    #[cfg(test)]
    pub(crate) fn is_cut(&self) -> bool {
        self.claim.is_cut()
    }

    /// Appends on a thread that may block.
    pub(crate) async fn append(self: &Arc<Self>, bytes: Bytes) -> io::Result<()> {
        let this = self.clone();
        blocking(move || {
            let len = bytes.len() as u64;
            this.budget.take(&this.claim, len)?;
            (&this.claim.file).write_all(&bytes).map_err(|error| {
                // Half a piece may be in the file, which is of no use any more.
                let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
                if full.contains(&error.kind()) { this.repair(error, len) } else { error }
            })?;
            this.len.fetch_add(len, Ordering::Release);
            Ok(())
        })
        .await
    }

    /// Takes off what a write left that found no room, so that it may be tried again.
    fn repair(&self, error: io::Error, taken: u64) -> io::Error {
        let mut file = &self.claim.file;
        let whole = self.len();
        let cut = file.set_len(whole).and_then(|()| file.seek(io::SeekFrom::Start(whole)));
        self.budget.return_some(&self.claim, taken);
        match cut {
            Ok(_) => io::Error::new(io::ErrorKind::StorageFull, error),
            Err(error) => io::Error::other(error),
        }
    }

    /// Reads up to `max` bytes at an offset, on a thread that may block. Empty at the end.
    pub(crate) async fn read(self: Arc<Self>, offset: u64, max: usize) -> io::Result<Bytes> {
        blocking(move || {
            let left = usize::try_from(self.len().saturating_sub(offset)).unwrap_or(usize::MAX);
            let mut bytes = BytesMut::zeroed(left.min(max));
            let read = self.claim.file.read_exact_at(&mut bytes, offset);
            if self.claim.is_cut() {
                return Err(io::Error::other("it was cut off to make room for others"));
            }
            read.map(|()| bytes.freeze())
        })
        .await
    }
}

impl Drop for SpoolFile {
    fn drop(&mut self) {
        self.budget.give(&self.claim);
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// Takes the body as the route says.
pub(crate) async fn take(
    record: &mut RequestRecord,
    route: &Route,
    parts: &Parts,
    mut body: Upload,
) -> Result<Body, Refusal> {
    if body.is_end_stream() {
        return Ok(Body::Memory(Bytes::new()));
    }
    let told =
        parts.headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
    if told.is_some_and(|length: u64| length > route.body_max) {
        return Err(too_large(route));
    }
    if route.stream_request {
        return Ok(Body::Stream(body, told));
    }
    if let Some(length) = told {
        can_be_kept(record, length).await?;
    }
    let mut taken = SpooledBody { memory: BytesMut::new(), file: None };
    while let Some(piece) = next_piece(&mut body, record.within(route.timeouts.body)).await {
        let piece = piece.map_err(|error| refuse(&error))?;
        record.bytes_in += piece.len() as u64;
        record.connection.moved();
        if record.bytes_in > route.body_max {
            return Err(too_large(route));
        }
        if body.is_end_stream() && taken.memory.is_empty() && taken.file.is_none() {
            return Ok(Body::Memory(piece));
        }
        taken.add(record, piece).await.map_err(|error| no_room(record, &error))?;
    }
    taken.finish(record).await.map_err(|error| no_room(record, &error))
}

/// A body of such a length has room, now or when others make some: of one that never has, nothing is waited for.
async fn can_be_kept(record: &RequestRecord, length: u64) -> Result<(), Refusal> {
    if length <= record.server.limits.spool_memory as u64 {
        return Ok(());
    }
    let budget = record.server.spool.clone();
    let most = blocking(move || Ok(budget.most())).await.unwrap_or(u64::MAX);
    if length <= most {
        return Ok(());
    }
    let detail =
        format!("there is no room for more spool files than {most} bytes, and it has {length}");
    Err(no_room(record, &io::Error::new(io::ErrorKind::StorageFull, detail)))
}

struct SpooledBody {
    memory: BytesMut,
    file: Option<Arc<SpoolFile>>,
}

impl SpooledBody {
    async fn add(&mut self, record: &mut RequestRecord, piece: Bytes) -> io::Result<()> {
        let fits = self.memory.len() + piece.len() <= record.server.limits.spool_memory;
        if fits && record.hold(piece.len()) {
            self.memory.extend_from_slice(&piece);
            return Ok(());
        }
        let held = self.memory.len();
        self.memory.extend_from_slice(&piece);
        let bytes = self.memory.split().freeze();
        let mut tries = 0;
        loop {
            match self.spool(record, bytes.clone()).await {
                // No file can be made: there may be more memory.
                Err(_) if self.file.is_none() && record.hold(bytes.len() - held) => {
                    self.memory = BytesMut::from(bytes);
                    return Ok(());
                }
                // What others, or this client itself, let lie may be cut in a moment.
                Err(error) if error.kind() == io::ErrorKind::StorageFull && tries < TRIES => {
                    tries += 1;
                    tokio::time::sleep(AGAIN).await;
                }
                Err(error) => return Err(error),
                Ok(()) => break,
            }
        }
        record.release(held);
        Ok(())
    }

    async fn spool(&mut self, record: &RequestRecord, bytes: Bytes) -> io::Result<()> {
        let file = match &self.file {
            Some(file) => file.clone(),
            None => {
                let file = SpoolFile::create(&record.server.spool, Peer::of(record.client))?;
                self.file.insert(Arc::new(file)).clone()
            }
        };
        file.append(bytes).await?;
        file.touch();
        Ok(())
    }

    async fn finish(mut self, record: &mut RequestRecord) -> io::Result<Body> {
        match self.file {
            None => Ok(Body::Memory(self.memory.freeze())),
            Some(file) => {
                if !self.memory.is_empty() {
                    let held = self.memory.len();
                    file.append(self.memory.split().freeze()).await?;
                    record.release(held);
                }
                file.settle();
                Ok(Body::File(file))
            }
        }
    }
}

/// Why a body could not be read.
#[derive(Debug)]
pub(crate) enum BodyError {
    Timeout,
    Client(hyper::Error),
}

/// The next piece of a body; the timer is made only when the piece is not there yet.
pub(crate) async fn next_piece(
    body: &mut Upload,
    limit: Duration,
) -> Option<Result<Bytes, BodyError>> {
    let mut timer: Option<std::pin::Pin<Box<tokio::time::Sleep>>> = None;
    std::future::poll_fn(|cx| {
        use std::task::Poll;
        loop {
            match std::pin::Pin::new(&mut *body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => return Poll::Ready(Some(Ok(data))),
                    Err(_trailers) => continue,
                },
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(Some(Err(BodyError::Client(error))));
                }
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => {}
            }
            let timer = timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
            return timer.as_mut().poll(cx).map(|()| Some(Err(BodyError::Timeout)));
        }
    })
    .await
}

use std::future::Future as _;

fn refuse(error: &BodyError) -> Refusal {
    match error {
        BodyError::Timeout => {
            Refusal::new(StatusCode::REQUEST_TIMEOUT, Termination::BodyTimeout).closing()
        }
        BodyError::Client(error) if is_malformed(error) => {
            Refusal::malformed(StatusCode::BAD_REQUEST, MALFORMED).closing()
        }
        BodyError::Client(_) => {
            Refusal::new(StatusCode::BAD_REQUEST, Termination::BodyAborted).closing()
        }
    }
}

/// What is told of a body that is not chunked as it should be.
pub(crate) const MALFORMED: &str = "malformed chunked body";

/// The guard's own complaint, which hyper passes on as the source.
pub(crate) fn is_malformed(error: &hyper::Error) -> bool {
    std::error::Error::source(error)
        .and_then(|source| source.downcast_ref::<io::Error>())
        .is_some_and(|io| io.kind() == io::ErrorKind::InvalidData)
}

fn too_large(route: &Route) -> Refusal {
    let mut refusal = Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, Termination::BodyTooLarge);
    refusal.reason = format!("the request body may have {} bytes at most", route.body_max).into();
    refusal.closing()
}

fn no_room(record: &RequestRecord, error: &io::Error) -> Refusal {
    let folder = record.server.spool.folder().display();
    record
        .server
        .notices
        .warn_seldom("spool", &format!("a request body is refused; {folder}: {error}"));
    let mut refusal = Refusal::new(StatusCode::SERVICE_UNAVAILABLE, Termination::Overload);
    refusal.reason = "no room to spool the request body".into();
    refusal.detail = Bytes::from(format!("cannot spool the request body: {error}"));
    refusal.closing()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostler_machine::disk::Disk;

    #[tokio::test]
    async fn a_piece_that_finds_no_room_leaves_the_file_and_its_account_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Arc::new(Disk::new(folder.path().to_owned(), Some(0)));
        let budget = Arc::new(Budget::new(folder.path().to_owned(), (100, 10), disk));
        let client = Peer::of([10, 0, 0, 1].into());
        let file = Arc::new(SpoolFile::create(&budget, client).unwrap());
        file.append(Bytes::from_static(b"abc")).await.unwrap();
        // What a disk does that is full in the middle of it.
        budget.take(&file.claim, 5).unwrap();
        (&file.claim.file).write_all(b"de").unwrap();
        let error = file.repair(io::ErrorKind::QuotaExceeded.into(), 5);
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!((file.len(), budget.used()), (3, 3));
        file.append(Bytes::from_static(b"fgh")).await.unwrap();
        assert_eq!(file.clone().read(0, 100).await.unwrap(), "abcfgh");
        drop(file);
        assert_eq!(budget.used(), 0);
    }
}

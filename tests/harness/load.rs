//! Clients that ask and ask, and note how each request ended. Whatever the server does, they go on.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::wait::{DEADLINE, wait_until};

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// With a whole answer: its status, and why when it was the gateway's own.
    Answered(u16, String),
    /// The connection was closed before the answer was whole.
    Closed,
    /// Nothing came in time: what must never be.
    Hung,
}

/// One request of a [`Load`].
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its path with a query of its own.
    pub target: String,
    /// How it ended.
    pub end: End,
}

impl Outcome {
    /// The app answered it.
    pub fn is_ok(&self) -> bool {
        matches!(self.end, End::Answered(200, _))
    }

    /// The gateway answered it with this status and termination.
    pub fn is_refused(&self, status: u16, termination: &str) -> bool {
        self.end == End::Answered(status, termination.to_owned())
    }
}

/// Running clients, each with one connection that it keeps and opens anew when it is closed.
#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<Vec<Outcome>>>,
}

#[derive(Debug)]
struct Shared {
    address: SocketAddr,
    path: String,
    ended: AtomicUsize,
    over: AtomicBool,
}

impl Load {
    /// So many clients, who GET one path.
    pub fn start(address: SocketAddr, clients: usize, path: &str) -> Self {
        let path = path.to_owned();
        let (ended, over) = (AtomicUsize::new(0), AtomicBool::new(false));
        let shared = Arc::new(Shared { address, path, ended, over });
        let client = |number| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.ask(number))
        };
        let clients = (0..clients).map(client).collect();
        Self { shared, clients }
    }

    /// How many requests have ended.
    pub fn ended(&self) -> usize {
        self.shared.ended.load(Ordering::Relaxed)
    }

    /// Waits until so many further requests have ended.
    pub fn wait_more(&self, requests: usize) {
        let goal = self.ended() + requests;
        wait_until(&format!("{requests} further requests end"), || self.ended() >= goal);
    }

    /// Lets every client finish its request, and tells how all of them ended.
    pub fn finish(self) -> Vec<Outcome> {
        self.shared.over.store(true, Ordering::Relaxed);
        let join =
            |client: JoinHandle<Vec<Outcome>>| client.join().expect("a client does not panic");
        self.clients.into_iter().flat_map(join).collect()
    }

    /// Ends the load and checks that the app answered every request; gives their number.
    pub fn finish_without_failure(self) -> usize {
        let outcomes = self.finish();
        let failed: Vec<_> = outcomes.iter().filter(|outcome| !outcome.is_ok()).collect();
        assert!(failed.is_empty(), "{} of {} failed: {failed:?}", failed.len(), outcomes.len());
        outcomes.len()
    }
}

impl Shared {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    fn ask(&self, client: usize) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        let mut kept = None;
        while !self.is_over() {
            let Some(mut socket) = kept.take().or_else(|| self.connect()) else { break };
            let target = format!("{}?client={client}&request={}", self.path, outcomes.len());
            let end = match exchange(&mut socket, &target) {
                Ok(end) => {
                    kept = Some(socket);
                    end
                }
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    End::Hung
                }
                Err(_) => End::Closed,
            };
            outcomes.push(Outcome { target, end });
            self.ended.fetch_add(1, Ordering::Relaxed);
        }
        outcomes
    }

    /// A door may be shut for a while; a client that is not let in has not asked.
    fn connect(&self) -> Option<TcpStream> {
        let begin = Instant::now();
        while !self.is_over() {
            if let Ok(socket) = TcpStream::connect_timeout(&self.address, DEADLINE) {
                let set = socket
                    .set_read_timeout(Some(DEADLINE))
                    .and_then(|()| socket.set_write_timeout(Some(DEADLINE)))
                    .and_then(|()| socket.set_nodelay(true));
                set.expect("socket options can be set");
                return Some(socket);
            }
            assert!(begin.elapsed() < DEADLINE, "the door stays shut");
            thread::sleep(Duration::from_millis(5));
        }
        None
    }
}

/// One request and its answer.
fn exchange(socket: &mut TcpStream, target: &str) -> io::Result<End> {
    let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    socket.write_all(request.as_bytes())?;
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = whole(&bytes) {
            return Ok(end);
        }
        let mut piece = [0; 4096];
        match socket.read(&mut piece)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            came => bytes.extend_from_slice(&piece[..came]),
        }
    }
}

/// The end of a request, when its answer has all come. The apps under load tell lengths, and so does the gateway.
fn whole(bytes: &[u8]) -> Option<End> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    let field = |name: &str| {
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim))
    };
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.unwrap_or_else(|| panic!("no status line: {text}"));
    let length: usize = field("content-length").and_then(|length| length.parse().ok())?;
    let termination = field("ostler-termination").unwrap_or_default().to_owned();
    (bytes.len() >= head + 4 + length).then_some(End::Answered(status, termination))
}

//! An HTTP/1 client that sends exactly the bytes it is given, and reads answers to the letter.

use std::{
    fmt, fs,
    io::{ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    os::fd::AsRawFd as _,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto::aws_lc_rs as crypto,
};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject as _};

use crate::wait::DEADLINE;

trait Pipe: Read + Write + Send {}
impl<T: Read + Write + Send> Pipe for T {}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// `HTTP/1.1` and the like.
    pub version: String,
    /// Its status.
    pub status: u16,
    /// Names in lower case, in order.
    pub headers: Vec<(String, String)>,
    /// Its body without framing.
    pub body: Vec<u8>,
    /// The body came to its proper end.
    pub whole: bool,
}

impl Response {
    /// The first header field of a name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }
}

/// A client connection.
pub struct Conn {
    pipe: Box<dyn Pipe>,
    socket: TcpStream,
    /// Bytes that came and were not asked for yet.
    early: Vec<u8>,
    ended: bool,
}

impl fmt::Debug for Conn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conn").field("socket", &self.socket).finish_non_exhaustive()
    }
}

impl Conn {
    /// Connects.
    pub fn open(address: SocketAddr) -> Self {
        let socket = tcp(address);
        let pipe = Box::new(socket.try_clone().expect("a socket can be cloned"));
        Self { pipe, socket, early: Vec::new(), ended: false }
    }

    /// Connects from another address of this host: 127.0.0.0/8 is all its own.
    pub fn open_from(last: u8, address: SocketAddr) -> Self {
        let socket = timed(tcp_from(last, address));
        let pipe = Box::new(socket.try_clone().expect("a socket can be cloned"));
        Self { pipe, socket, early: Vec::new(), ended: false }
    }

    /// Connects with TLS; the certificate in the file is the only root.
    pub fn open_tls(address: SocketAddr, root: &Path) -> Self {
        let socket = tcp(address);
        let name = ServerName::try_from("localhost").expect("a proper name");
        let session = ClientConnection::new(tls_config(root, b"http/1.1"), name)
            .expect("the client's TLS config is sound");
        let tcp = socket.try_clone().expect("a socket can be cloned");
        let pipe = Box::new(StreamOwned::new(session, tcp));
        Self { pipe, socket, early: Vec::new(), ended: false }
    }

    /// The client's own address.
    pub fn local_address(&self) -> SocketAddr {
        self.socket.local_addr().expect("a connected socket has an address")
    }

    /// Sends bytes as they are. A server that has closed already is the reader's to notice.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let _ = self.pipe.write_all(bytes.as_ref()).and_then(|()| self.pipe.flush());
        self
    }

    /// The same, for whoever wants to know whether it went.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.pipe.write_all(bytes.as_ref()).and_then(|()| self.pipe.flush())
    }

    /// Sends nothing more, and can still read.
    pub fn finish_sending(&self) {
        let _ = self.socket.shutdown(Shutdown::Write);
    }

    /// One GET with keep-alive.
    pub fn get(&mut self, path: &str) -> Response {
        self.get_with(path, "")
    }

    /// One GET with further header lines, each ended by CRLF.
    pub fn get_with(&mut self, path: &str, lines: &str) -> Response {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n")).read()
    }

    /// One POST with a length.
    pub fn post(&mut self, path: &str, body: &[u8]) -> Response {
        let length = body.len();
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n");
        self.send(head).send(body).read()
    }

    /// One POST in chunks of a size.
    pub fn post_chunked(&mut self, path: &str, body: &[u8], chunk: usize) -> Response {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        );
        let mut bytes = head.into_bytes();
        for piece in body.chunks(chunk.max(1)) {
            bytes.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
            bytes.extend_from_slice(piece);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
        self.send(bytes).read()
    }

    /// Reads one answer.
    pub fn read(&mut self) -> Response {
        let mut answer = self.read_head();
        self.read_body(&mut answer);
        answer
    }

    /// Reads one answer's head; what comes after stays unread.
    pub fn read_head(&mut self) -> Response {
        let end = loop {
            if let Some(at) = find(&self.early, b"\r\n\r\n") {
                break at;
            }
            let came = self.fill();
            assert!(
                came,
                "closed before an answer; got {:?}",
                String::from_utf8_lossy(&self.early)
            );
        };
        let rest = self.early.split_off(end + 4);
        let head = std::mem::replace(&mut self.early, rest);
        parse_head(&head[..end])
    }

    /// Reads the body of an answer whose head was read.
    pub fn read_body(&mut self, answer: &mut Response) {
        if answer.status < 200 || matches!(answer.status, 204 | 304) {
            answer.whole = true;
        } else if answer.header("transfer-encoding").is_some() {
            self.read_chunks(answer);
        } else if let Some(length) = answer.header("content-length") {
            let length = length.parse().expect("a Content-Length is a number");
            while self.early.len() < length && self.fill() {}
            answer.whole = self.early.len() >= length;
            let rest = self.early.split_off(length.min(self.early.len()));
            answer.body = std::mem::replace(&mut self.early, rest);
        } else {
            while self.fill() {}
            answer.body = std::mem::take(&mut self.early);
            answer.whole = true;
        }
    }

    fn read_chunks(&mut self, answer: &mut Response) {
        while let Some(size) = self.read_line() {
            let size = usize::from_str_radix(&size, 16).expect("a chunk size is a hex number");
            if size == 0 {
                answer.whole = self.read_line().is_some();
                return;
            }
            while self.early.len() < size + 2 {
                if !self.fill() {
                    answer.body.append(&mut self.early);
                    return;
                }
            }
            let rest = self.early.split_off(size + 2);
            let piece = std::mem::replace(&mut self.early, rest);
            answer.body.extend_from_slice(&piece[..size]);
        }
    }

    fn read_line(&mut self) -> Option<String> {
        loop {
            if let Some(at) = find(&self.early, b"\r\n") {
                let rest = self.early.split_off(at + 2);
                let line = std::mem::replace(&mut self.early, rest);
                return Some(String::from_utf8_lossy(&line[..at]).into_owned());
            }
            if !self.fill() {
                return None;
            }
        }
    }

    /// Waits until at least so many bytes are there, and looks at them without taking them.
    pub fn peek(&mut self, bytes: usize) -> &[u8] {
        while self.early.len() < bytes && self.fill() {}
        &self.early
    }

    /// Reads until the server closes; panics when it does not.
    pub fn read_to_end(&mut self) -> Vec<u8> {
        while self.fill() {}
        std::mem::take(&mut self.early)
    }

    /// Reads until the server closes; an error when that is no proper end.
    pub fn read_all(&mut self) -> std::io::Result<Vec<u8>> {
        let mut bytes = std::mem::take(&mut self.early);
        self.pipe.read_to_end(&mut bytes).map(|_| bytes)
    }

    /// Asserts that the server closes and sends nothing more.
    pub fn assert_closed(&mut self) {
        let rest = self.read_to_end();
        assert!(rest.is_empty(), "sent after its answer: {:?}", String::from_utf8_lossy(&rest));
    }

    /// Whether nothing comes within a moment, not even the end.
    pub fn is_quiet(&mut self, moment: Duration) -> bool {
        let set = |limit| self.socket.set_read_timeout(Some(limit));
        set(moment).expect("a read timeout can be set");
        let mut byte = [0];
        let read = self.socket.peek(&mut byte);
        set(DEADLINE).expect("a read timeout can be set");
        self.early.is_empty()
            && matches!(read, Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
    }

    /// Reads some more. `false`: the connection has ended, in whatever way.
    fn fill(&mut self) -> bool {
        if self.ended {
            return false;
        }
        let mut bytes = vec![0; 64 << 10];
        let begin = Instant::now();
        match self.pipe.read(&mut bytes) {
            Ok(came) if came > 0 => {
                self.early.extend_from_slice(&bytes[..came]);
                true
            }
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                let got = String::from_utf8_lossy(&self.early);
                panic!("nothing came for {:?}; before: {got:?}", begin.elapsed());
            }
            Ok(_) | Err(_) => {
                self.ended = true;
                false
            }
        }
    }
}

fn tcp(address: SocketAddr) -> TcpStream {
    timed(TcpStream::connect(address).expect("the door is open"))
}

fn tcp_from(last: u8, address: SocketAddr) -> TcpStream {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, socket};
    let made = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)
        .expect("a socket can be made");
    bind(made.as_raw_fd(), &SockaddrIn::new(127, 0, 0, last, 0)).expect("the address is free");
    let SocketAddr::V4(address) = address else { panic!("{address} is not IPv4") };
    connect(made.as_raw_fd(), &SockaddrIn::from(address)).expect("the door is open");
    made.into()
}

fn timed(socket: TcpStream) -> TcpStream {
    socket.set_read_timeout(Some(DEADLINE)).expect("a read timeout can be set");
    socket.set_write_timeout(Some(DEADLINE)).expect("a write timeout can be set");
    socket.set_nodelay(true).expect("a socket option can be set");
    socket
}

/// TLS with one root and one protocol.
pub(crate) fn tls_config(root: &Path, alpn: &[u8]) -> Arc<ClientConfig> {
    let pem = fs::read(root).expect("the development certificate is there");
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.expect("the file holds certificates");
        roots.add(certificate).expect("a certificate can be a root");
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(crypto::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has the usual versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    Arc::new(config)
}

/// The SHA-256 of bytes, in hex.
pub fn sha256(bytes: &[u8]) -> String {
    // TLS brings the hash; another crate for it would be one too many.
    let suite = crypto::cipher_suite::TLS13_AES_128_GCM_SHA256;
    let hash = suite.tls13().expect("it is a TLS 1.3 suite").common.hash_provider.hash(bytes);
    hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn parse_head(head: &[u8]) -> Response {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ');
    let version = first.next().unwrap_or_default().to_owned();
    let status = first.next().and_then(|s| s.parse().ok());
    let status = status.unwrap_or_else(|| panic!("no status line: {text}"));
    let field = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    };
    let headers = lines.filter_map(field).collect();
    Response { version, status, headers, body: Vec::new(), whole: false }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

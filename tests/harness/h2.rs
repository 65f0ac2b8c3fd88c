//! HTTP/2 by the `h2` crate: many streams on one connection, over cleartext or TLS.

use std::{future::Future, net::SocketAddr, path::Path, time::Duration};

use bytes::Bytes;
use h2::{
    RecvStream, SendStream,
    client::{self, ResponseFuture, SendRequest},
};
use http::{Request, Response as Head};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;

use crate::{
    client::{Response, tls_config},
    wait::DEADLINE,
};

/// Runs a future to its end; panics when that takes too long.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime can be made");
    let limited = async { tokio::time::timeout(DEADLINE, future).await };
    let done = runtime.block_on(limited).expect("done in time");
    // What still waits for the server is of no interest any more.
    runtime.shutdown_timeout(Duration::from_millis(1));
    done
}

/// A client connection.
#[derive(Debug)]
pub struct H2 {
    sender: SendRequest<Bytes>,
    authority: String,
    scheme: &'static str,
    driver: tokio::task::JoinHandle<Result<(), h2::Error>>,
}

impl H2 {
    /// Cleartext, by prior knowledge.
    pub async fn connect(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).await.expect("the door is open");
        let (sender, connection) = client::handshake(socket).await.expect("the preface is taken");
        let driver = tokio::spawn(connection);
        Self { sender, authority: "localhost".into(), scheme: "http", driver }
    }

    /// Over TLS, chosen by ALPN.
    pub async fn connect_tls(address: SocketAddr, root: &Path) -> Self {
        let socket = TcpStream::connect(address).await.expect("the door is open");
        let connector = tokio_rustls::TlsConnector::from(tls_config(root, b"h2"));
        let name = ServerName::try_from("localhost").expect("a proper name");
        let stream = connector.connect(name, socket).await.expect("the handshake works");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]), "h2 is chosen");
        let (sender, connection) = client::handshake(stream).await.expect("the preface is taken");
        let driver = tokio::spawn(connection);
        Self { sender, authority: "localhost".into(), scheme: "https", driver }
    }

    /// A request's builder with method and path filled in.
    pub fn request(&self, method: &str, path: &str) -> http::request::Builder {
        let uri = format!("{}://{}{path}", self.scheme, self.authority);
        Request::builder().method(method).uri(uri)
    }

    /// Begins a request; `false` for `end` leaves its body open.
    pub async fn begin(
        &mut self,
        request: Request<()>,
        end: bool,
    ) -> Result<(ResponseFuture, SendStream<Bytes>), h2::Error> {
        let mut sender = self.sender.clone().ready().await?;
        let begun = sender.send_request(request, end);
        self.sender = sender;
        begun
    }

    /// One GET.
    pub async fn get(&mut self, path: &str) -> Result<Response, h2::Error> {
        let request = self.request("GET", path).body(()).expect("a proper request");
        let (answer, _) = self.begin(request, true).await?;
        whole(answer.await?).await
    }

    /// One POST.
    pub async fn post(&mut self, path: &str, body: Bytes) -> Result<Response, h2::Error> {
        let request = self.request("POST", path).body(()).expect("a proper request");
        let (answer, mut sending) = self.begin(request, false).await?;
        let (sent, answer) = tokio::join!(send_all(&mut sending, body), answer);
        // An answer that comes before all is sent is fine; it says what it says.
        let answer = whole(answer?).await?;
        let _ = sent;
        Ok(answer)
    }

    /// Waits until the server has closed the connection.
    pub async fn closed(self) {
        drop(self.sender);
        let _ = self.driver.await;
    }
}

/// Sends a body as fast as the windows allow.
pub async fn send_all(sending: &mut SendStream<Bytes>, mut body: Bytes) -> Result<(), h2::Error> {
    while !body.is_empty() {
        sending.reserve_capacity(body.len());
        let room = std::future::poll_fn(|cx| sending.poll_capacity(cx)).await;
        let Some(room) = room else { return Ok(()) };
        let piece = body.split_to(room?.min(body.len()));
        sending.send_data(piece, false)?;
    }
    sending.send_data(Bytes::new(), true)
}

async fn whole(answer: Head<RecvStream>) -> Result<Response, h2::Error> {
    let (parts, mut body) = answer.into_parts();
    let text = |v: &http::HeaderValue| String::from_utf8_lossy(v.as_bytes()).into_owned();
    let headers = parts.headers.iter().map(|(n, v)| (n.to_string(), text(v))).collect();
    let mut bytes = Vec::new();
    while let Some(piece) = body.data().await {
        let piece = piece?;
        bytes.extend_from_slice(&piece);
        body.flow_control().release_capacity(piece.len())?;
    }
    let (version, status) = ("HTTP/2".to_owned(), parts.status.as_u16());
    Ok(Response { version, status, headers, body: bytes, whole: true })
}

//! A gateway on another host, as far as a runner can tell.

use std::{
    collections::VecDeque,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    time::Instant,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::{Bytes, BytesMut};
use data_encoding::HEXLOWER;
use ostler_wire::{Builder, Decoder, FRAME_MAX, Frame, Header, Kind, Reset, flags, put_frame};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType, IsCa, Issuer,
    KeyPair, PublicKeyData as _,
};
use rustls::{
    RootCertStore, ServerConfig, ServerConnection, StreamOwned, crypto::aws_lc_rs,
    server::WebPkiClientVerifier,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};

use crate::{
    gateway::request_fields,
    runner::{PATIENCE, wait_for},
};

/// A JOIN as it came.
pub(crate) struct Asked {
    pub(crate) secret: String,
    /// It came with a certificate.
    pub(crate) knows: bool,
    /// The public key that is to be signed.
    pub(crate) key: Vec<u8>,
}

/// An authority, a listener, a secret.
pub(crate) struct RemoteGateway {
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    issuer: Issuer<'static, KeyPair>,
    ca: CertificateDer<'static>,
    ca_pem: String,
}

impl RemoteGateway {
    pub(crate) fn listen() -> Self {
        let pair = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let ca = params.self_signed(&pair).unwrap();
        let issuer = Issuer::new(params, pair);
        let tls = server_config(&issuer, ca.der());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self { listener, tls, issuer, ca: ca.der().clone(), ca_pem: ca.pem() }
    }

    /// The same gateway, restarted at the same address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    pub(crate) fn token(&self, secret: &str) -> String {
        self.token_with(secret, &sha256_hex(&self.ca))
    }

    pub(crate) fn token_with(&self, secret: &str, fingerprint: &str) -> String {
        let address = self.address();
        let json =
            format!(r#"{{"a":"{address}","f":"{fingerprint}","s":"{secret}","e":9999999999}}"#);
        format!("ostler1.{}", URL_SAFE_NO_PAD.encode(json.as_bytes()))
    }

    fn accept(&self) -> RemoteLink {
        let (stream, _) = wait_for("a runner's call", || self.listener.accept().ok());
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let connection = ServerConnection::new(Arc::clone(&self.tls)).unwrap();
        let stream = StreamOwned::new(connection, stream);
        RemoteLink {
            stream,
            decoder: Decoder::new(FRAME_MAX),
            last: 0,
            kept: VecDeque::new(),
            credit: 0,
        }
    }

    /// Answers a runner that joins. Returns the secret that it showed.
    pub(crate) fn accept_join(&self, is_welcome: bool) -> String {
        self.answer_join(is_welcome, None).secret
    }

    /// Answers a JOIN, with a certificate that holds so many seconds.
    pub(crate) fn answer_join(&self, is_welcome: bool, seconds: Option<i64>) -> Asked {
        let mut link = self.accept();
        let join = link.next();
        assert_eq!(join.header.kind, Kind::Join);
        let secret = join.fields().unwrap().text(":secret").unwrap().to_owned();
        let knows = link.stream.conn.peer_certificates().is_some();
        let mut key = Vec::new();
        let mut out = BytesMut::new();
        if is_welcome {
            let csr = std::str::from_utf8(&join.body).unwrap();
            let mut csr = CertificateSigningRequestParams::from_pem(csr).unwrap();
            key = csr.public_key.der_bytes().to_vec();
            if let Some(seconds) = seconds {
                let now = time::OffsetDateTime::now_utc();
                csr.params.not_before = now;
                csr.params.not_after = now + time::Duration::seconds(seconds);
            }
            let chain = format!("{}{}", csr.signed_by(&self.issuer).unwrap().pem(), self.ca_pem);
            put_frame(&mut out, header(Kind::Joined, 0, 0, 0), chain.as_bytes());
        } else {
            Builder::new(&mut out, Kind::Fail, 0)
                .fields(|f| {
                    f.put(b":message", b"the token is unknown");
                })
                .body(b"");
        }
        link.write(&out);
        Asked { secret, knows, key }
    }

    /// Refuses the next runner that says HELLO.
    pub(crate) fn refuse_runner(&self) {
        let mut link = self.accept();
        assert_eq!(link.next().header.kind, Kind::Hello);
        let mut out = BytesMut::new();
        Builder::new(&mut out, Kind::Fail, 0)
            .fields(|f| {
                f.put(b":stage", b"hello").put(b":message", b"this runner was removed");
            })
            .body(b"");
        link.write(&out);
    }

    /// A runner that does not trust this gateway calls and hangs up.
    pub(crate) fn accept_mistrust(&self) {
        let mut link = self.accept();
        assert!(link.stream.read(&mut [0; 16]).is_err());
    }

    /// The next runner with a certificate, greeted.
    pub(crate) fn accept_runner(&self) -> RemoteLink {
        let mut link = self.accept();
        let hello = link.next();
        assert_eq!(hello.header.kind, Kind::Hello);
        assert_eq!(hello.fields().unwrap().text(":kind"), Some("remote"));
        assert!(link.stream.conn.peer_certificates().is_some(), "it shows its certificate");
        let mut out = BytesMut::new();
        Builder::new(&mut out, Kind::Welcome, 0)
            .code(1)
            .fields(|f| {
                f.put(b"hb_ms", b"1000");
            })
            .body(b"");
        link.write(&out);
        link
    }
}

fn server_config(issuer: &Issuer<'_, KeyPair>, ca: &CertificateDer<'static>) -> Arc<ServerConfig> {
    let pair = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["ostler-gateway".to_owned()]).unwrap();
    let leaf = params.signed_by(&pair, issuer).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(ca.clone()).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone())
        .allow_unauthenticated()
        .build()
        .unwrap();
    let key = PrivateKeyDer::Pkcs8(pair.serialize_der().into());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![leaf.der().clone(), ca.clone()], key);
    Arc::new(config.unwrap())
}

/// A link to one runner.
pub(crate) struct RemoteLink {
    stream: StreamOwned<ServerConnection, TcpStream>,
    decoder: Decoder,
    last: u32,
    /// Frames of streams that nobody has asked for yet.
    kept: VecDeque<Frame>,
    /// The app's slots as told last.
    pub(crate) credit: u64,
}

impl RemoteLink {
    fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
        self.stream.flush().unwrap();
    }

    pub(crate) fn next(&mut self) -> Frame {
        loop {
            if let Some(frame) = self.decoder.poll_frame().unwrap() {
                return frame;
            }
            let mut bytes = [0; 65536];
            let read = self.stream.read(&mut bytes).expect("the runner sends something in time");
            assert!(read > 0, "the runner closed the link");
            self.decoder.buffer().extend_from_slice(&bytes[..read]);
        }
    }

    /// The next frame that fits. Pings are answered and credits noted on the way.
    pub(crate) fn expect(&mut self, what: &str, fits: impl Fn(&Frame) -> bool) -> Frame {
        let started = Instant::now();
        if let Some(at) = self.kept.iter().position(&fits) {
            return self.kept.remove(at).unwrap();
        }
        loop {
            let frame = self.next();
            assert!(started.elapsed() < PATIENCE, "did not come: {what}");
            if frame.header.kind == Kind::Ping {
                self.send(header(Kind::Pong, 0, 0, 0), b"");
            }
            if frame.header.kind == Kind::Credit {
                self.credit = frame.fields().unwrap().number(":slots").unwrap();
            }
            if fits(&frame) {
                return frame;
            }
            if frame.header.stream != 0 {
                self.kept.push_back(frame);
            }
        }
    }

    /// Waits until the app has this many slots.
    pub(crate) fn expect_credit(&mut self, slots: u64) {
        self.expect("the credit", |f| {
            f.header.kind == Kind::Credit && f.fields().unwrap().number(":slots") == Some(slots)
        });
    }

    pub(crate) fn send(&mut self, header: Header, body: &[u8]) {
        let mut out = BytesMut::new();
        put_frame(&mut out, header, body);
        self.write(&out);
    }

    /// Sends a request, to be followed by body unless it ends here. Returns its stream.
    pub(crate) fn ask(&mut self, path: &str, query: &str, end: bool) -> u32 {
        self.last += 1;
        let mut out = BytesMut::new();
        Builder::new(&mut out, Kind::Req, self.last)
            .flags(if end { flags::END } else { 0 })
            .fields(|f| {
                f.put(b":app", b"shop");
                request_fields(f, path, query);
            })
            .body(b"");
        self.write(&out);
        self.last
    }

    pub(crate) fn body(&mut self, stream: u32, body: &[u8], end: bool) {
        let flag = if end { flags::END } else { 0 };
        self.send(header(Kind::Data, flag, 0, stream), body);
    }

    pub(crate) fn grant(&mut self, stream: u32, bytes: usize) {
        let aux = bytes.try_into().unwrap();
        self.send(Header { aux, ..header(Kind::Win, 0, 0, stream) }, b"");
    }

    pub(crate) fn reset(&mut self, stream: u32, reason: Reset) {
        self.send(header(Kind::Reset, 0, reason as u16, stream), b"");
    }

    /// The next frame of a stream.
    pub(crate) fn frame_of(&mut self, stream: u32) -> Frame {
        self.expect("an answer", |f| f.header.stream == stream)
    }

    /// The whole answer: status and body, or the reset's code and body.
    pub(crate) fn answer(&mut self, stream: u32) -> (u16, Vec<u8>) {
        let (mut status, mut body) = (0, Vec::new());
        loop {
            let frame = self.expect("an answer", |f| f.header.stream == stream);
            if frame.holds() {
                // The slot is free only then.
                self.expect("FREE", |f| f.header.kind == Kind::Free && f.header.stream == stream);
            }
            if frame.header.kind == Kind::Reset {
                return (frame.header.code, frame.body.to_vec());
            }
            if frame.header.kind == Kind::Rsp {
                status = frame.header.code;
            }
            body.extend_from_slice(&frame.body);
            if frame.is_end() {
                return (status, body);
            }
            let taken: Bytes = frame.body;
            if !taken.is_empty() {
                self.grant(stream, taken.len());
            }
        }
    }

    pub(crate) fn get(&mut self, path: &str, query: &str) -> String {
        let stream = self.ask(path, query, true);
        let (status, body) = self.answer(stream);
        let body = String::from_utf8(body).unwrap();
        assert_eq!(status, 200, "{body}");
        body
    }

    /// Closes the connection without a word.
    pub(crate) fn cut(self) {
        drop(self.stream);
    }
}

fn header(kind: Kind, flags: u8, code: u16, stream: u32) -> Header {
    Header { len: 0, kind, flags, code, stream, aux: 0 }
}

fn sha256_hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

//! An API behind https: whom the client trusts.

use std::{
    cell::RefCell,
    fs,
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    rc::Rc,
    sync::{Arc, Mutex},
    thread,
};

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use rustls_pki_types::PrivateKeyDer;
use serde_json::json;

use crate::fake::{Fake, Reply, TOKEN, serve};

/// Both halves of a stream that has only one.
#[derive(Clone)]
struct Half(Rc<RefCell<StreamOwned<ServerConnection, TcpStream>>>);

impl io::Read for Half {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.0.borrow_mut().read(room)
    }
}

impl io::Write for Half {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.borrow_mut().flush()
    }
}

/// An API of no jobs with a certificate of its own for `localhost`; gives the certificate too.
fn secure() -> (SocketAddr, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for socket in listener.incoming() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let stream = Half(Rc::new(RefCell::new(StreamOwned::new(connection, socket.unwrap()))));
            let answer = |_: &_| Reply::json(200, &json!({"jobs": [], "next": null}));
            serve(stream.clone(), stream, &answer, &Mutex::default());
        }
    });
    (address, made.cert.pem())
}

#[test]
fn an_authority_is_trusted_by_flag_by_environment_or_as_the_development_certificate() {
    let (address, pem) = secure();
    let fake = Fake::start(|_| panic!("nobody asks this one"));
    let api = format!("https://localhost:{}", address.port());
    let words = ["list", "--api", &api, "--token", TOKEN];
    let untrusted = fake.ostler(&words);
    assert_eq!(untrusted.code, Some(69));
    let says = format!("ostler: cannot trust the API at {api}: ");
    assert!(untrusted.err.starts_with(&says), "{untrusted:?}");
    assert!(untrusted.err.ends_with("; name its authority with --ca FILE\n"), "{untrusted:?}");

    fs::write(fake.path().join("ca.pem"), &pem).unwrap();
    fake.ostler(&[&words[..], &["--ca", "ca.pem"]].concat()).with(0, "", "note: no jobs\n");
    let ended = fake.command(&words).env("OSTLER_CA", "ca.pem").output().unwrap();
    assert_eq!(ended.status.code(), Some(0));
    fs::write(fake.path().join("state/dev.pem"), &pem).unwrap();
    fake.ostler(&words).with(0, "", "note: no jobs\n");
}

#[test]
fn a_file_without_a_certificate_is_wrong_usage() {
    let fake = Fake::start(|_| panic!("nobody asks this one"));
    fs::write(fake.path().join("empty.pem"), "").unwrap();
    let words = ["list", "--api", "https://localhost:1", "--token", TOKEN, "--ca", "empty.pem"];
    fake.ostler(&words).with(64, "", "ostler: --ca empty.pem: no certificate in it\n");
}

#[test]
fn what_speaks_no_tls_is_no_matter_of_trust() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let api = format!("https://{}", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut hello = [0; 16];
        socket.read_exact(&mut hello).unwrap();
        socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        socket
    });
    let fake = Fake::start(|_| panic!("nobody asks this one"));
    let says =
        format!("ostler: what answers at {api} speaks no TLS; write http:// if that is meant\n");
    fake.ostler(&["list", "--api", &api, "--token", TOKEN]).with(69, "", &says);
    server.join().unwrap();
}

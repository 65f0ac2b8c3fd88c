//! Who may join a gateway: tokens and certificates.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use ostler_tests::{Api, App, Gateway, Net, Runner, Setup, create_token, wait_until};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto::aws_lc_rs as crypto,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _};

fn gateway(net: &Net) -> Gateway {
    let config = "[app.app]\n[[route]]\npath = \"/\"\nto = \"app:app\"\n";
    let door = net.gateway().to_string();
    Setup::bare().more(config).args(&["--runners", &door]).early().start()
}

/// A runner with this token ends, and says why in one sentence.
fn assert_refused(net: &Net, token: &str, why: &str) {
    let app = App::new();
    let mut runner = Runner::join(net, 0, token, &app);
    let status = runner.wait_exit();
    let told = runner.told();
    assert!(!status.success(), "{told}");
    assert!(told.contains(why), "{why:?} is missing in {told}");
    assert!(!told.contains("panicked"), "{told}");
    // Its children have only just begun; the polite signal must reach them all the same.
    assert!(!told.contains("SIGKILL"), "{told}");
}

#[test]
fn a_runner_with_a_token_joins_and_serves() {
    let net = Net::new(1);
    let gateway = gateway(&net);
    let app = App::new();
    let _runner = Runner::join(&net, 0, &create_token(gateway.state(), &[]), &app);
    gateway.wait_ready();
    assert_eq!(gateway.get("/x").text(), "hello /x");
}

#[test]
fn a_runner_that_joined_comes_back_when_its_token_has_expired() {
    let net = Net::new(1);
    let gateway = gateway(&net);
    let app = App::new();
    let token = create_token(gateway.state(), &[]);
    let runner = Runner::join(&net, 0, &token, &app);
    gateway.wait_ready();
    ostler_tests::kill(runner.pid());
    fs::remove_file(gateway.state().join("tokens.json")).expect("the tokens are there");
    let state = runner.into_state();
    wait_until("the runner is missed", || gateway.api("/readyz").status == 503);
    let _runner = Runner::join_in(&net, 0, &token, &app, state);
    gateway.wait_ready();
}

#[test]
fn a_token_that_was_revoked_is_refused() {
    let net = Net::new(1);
    let gateway = gateway(&net);
    let token = create_token(gateway.state(), &[]);
    fs::remove_file(gateway.state().join("tokens.json")).expect("the tokens are there");
    assert_refused(&net, &token, "unknown or has expired");
}

#[test]
fn a_name_that_a_connected_runner_has_is_refused() {
    let slots = "[runner]\njob_slots = 2\n";
    let gateway = Setup::bare().more(slots).args(&["--no-app"]).start();
    let api = Api::of(&gateway);
    let runs = || assert_eq!(api.wait_finished(api.run("true"))["runner"], "local");
    runs();
    let token = create_token(gateway.state(), &[]);
    let mut other = Runner::jobs_only(&token, "local", 1);
    assert!(!other.wait_exit().success());
    assert!(other.told().contains("a runner of this name is connected"), "{}", other.told());
    runs();
}

#[test]
fn a_token_that_has_expired_is_not_even_tried() {
    let net = Net::new(1);
    let gateway = gateway(&net);
    let made = Instant::now();
    let token = create_token(gateway.state(), &["--ttl", "1s"]);
    wait_until("the token has expired", || made.elapsed() > Duration::from_secs(2));
    assert_refused(&net, &token, "has expired");
    assert!(!gateway.stderr().contains("a runner was refused"));
}

#[test]
fn a_token_that_has_expired_by_the_gateways_clock_is_refused() {
    let net = Net::new(1);
    let gateway = gateway(&net);
    let token = create_token(gateway.state(), &[]);
    let path = gateway.state().join("tokens.json");
    let kept = fs::read(&path).expect("the tokens are there");
    let mut kept: serde_json::Value = serde_json::from_slice(&kept).expect("they are JSON");
    kept[0]["expires"] = 1.into();
    fs::write(&path, kept.to_string()).expect("a temporary folder is writable");
    assert_refused(&net, &token, "unknown or has expired");
    wait_until("it says so", || gateway.stderr().contains("a runner was refused"));
}

#[test]
fn what_is_no_token_is_refused() {
    let net = Net::new(1);
    let gateway = gateway(&net);
    let token = create_token(gateway.state(), &[]);
    for broken in ["nonsense", "ostler1.", "ostler1.e30", &token[..token.len() / 2]] {
        assert_refused(&net, broken, "token");
    }
}

/// A handshake with the gateway's door for runners as a runner with this certificate; what comes back from a HELLO.
fn knock(door: SocketAddr, ca: &Path, runner: &Path) -> std::io::Result<usize> {
    let read = |path: &Path| fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let certificates = |pem: &[u8]| -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_slice_iter(pem).map(|c| c.expect("a certificate")).collect()
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&read(&ca.join("ca.pem"))) {
        roots.add(certificate).expect("a certificate can be a root");
    }
    let key = PrivateKeyDer::from_pem_slice(&read(&runner.join("runner.key"))).expect("a key");
    let config = ClientConfig::builder_with_provider(Arc::new(crypto::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has the usual versions")
        .with_root_certificates(roots)
        .with_client_auth_cert(certificates(&read(&runner.join("runner.pem"))), key)
        .expect("key and certificate fit");
    let name = ServerName::try_from("ostler-gateway").expect("a proper name");
    let session = ClientConnection::new(Arc::new(config), name).expect("the config is sound");
    let socket = TcpStream::connect(door).expect("the door is open");
    socket.set_read_timeout(Some(ostler_tests::DEADLINE)).expect("a timeout can be set");
    let mut stream = StreamOwned::new(session, socket);
    // HELLO is frame type 0x40, its code the version; docs/WIRE.md.
    let head = b":runner\0host0";
    let mut hello = Vec::new();
    hello.extend_from_slice(&u32::try_from(head.len()).expect("short").to_le_bytes());
    hello.extend_from_slice(&[0x40, 0, 1, 0, 0, 0, 0, 0]);
    hello.extend_from_slice(&u32::try_from(head.len()).expect("short").to_le_bytes());
    hello.extend_from_slice(head);
    stream.write_all(&hello)?;
    stream.read(&mut [0; 64])
}

#[test]
fn a_runner_with_a_certificate_of_another_gateway_is_refused() {
    let net = Net::new(1);
    let first = gateway(&net);
    let app = App::new();
    let runner = Runner::join(&net, 0, &create_token(first.state(), &[]), &app);
    first.wait_ready();
    let second = Setup::bare().more("[app.app]\n[[route]]\npath = \"/\"\nto = \"app:app\"\n");
    let second = second.early().start();
    let welcomed = knock(first.runners(), first.state(), runner.state());
    assert!(welcomed.is_ok_and(|came| came > 0), "its own gateway takes it");
    let refused = knock(second.runners(), second.state(), runner.state());
    assert!(!refused.is_ok_and(|came| came > 0), "another one does not");
    wait_until("it says so", || second.stderr().contains("a runner was refused"));
}

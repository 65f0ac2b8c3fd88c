//! Who may join a gateway: tokens and certificates.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use ostler_tests::{
    Api, App, Gateway, Net, Runner, Setup, create_token, ostler, run_ostler, wait_until,
};
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
    assert!(other.told().contains("another runner by this name"), "{}", other.told());
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

/// Runs a verb of a gateway's state folder, which succeeds.
fn verb(gateway: &Gateway, words: &[&str]) -> String {
    let state = gateway.state().to_str().expect("a temporary path is text");
    let out = run_ostler(&[words, &["--state", state]].concat());
    let told = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success(), "{words:?}: {told}");
    String::from_utf8(out.stdout).expect("it writes text")
}

fn knows(gateway: &Gateway, name: &str) -> bool {
    Api::of(gateway).get("/v1/runners").text().contains(&format!("\"{name}\""))
}

#[test]
fn a_runner_that_joined_needs_no_token_to_come_back() {
    let gateway = Setup::bare().args(&["--no-app"]).start();
    let runner = Runner::jobs_only(&create_token(gateway.state(), &[]), "far", 1);
    let api = Api::of(&gateway);
    let runs = |what: &str| {
        let job = api.submit(&serde_json::json!({ "command": what, "host": "far" }));
        assert_eq!(api.wait_finished(job)["state"], "succeeded");
    };
    wait_until("it is in", || knows(&gateway, "far"));
    runs("true");
    runner.signal(nix::sys::signal::Signal::SIGTERM);
    let runner = Runner::back(runner.into_state(), &[]);
    runs(":");
    runner.signal(nix::sys::signal::Signal::SIGTERM);
    // Its certificate is for one name.
    let mut other = Runner::back(runner.into_state(), &["--name", "other"]);
    assert!(!other.wait_exit().success());
    let why =
        "it joined as far and has no certificate for the name other; start it with --name far";
    assert!(other.told().contains(why), "{}", other.told());
    // Whoever never joined has to say where.
    let nowhere = tempfile::tempdir().expect("a temporary folder can be made");
    let mut nowhere = Runner::back(nowhere, &[]);
    assert_eq!(nowhere.wait_exit().code(), Some(64), "{}", nowhere.told());
}

#[test]
fn a_token_lets_one_runner_in_unless_it_says_more() {
    let gateway = Setup::bare().args(&["--no-app"]).start();
    let once = create_token(gateway.state(), &[]);
    let _first = Runner::jobs_only(&once, "first", 1);
    wait_until("the first is in", || knows(&gateway, "first"));
    wait_until("the audit trail has it", || {
        let audit = Api::of(&gateway).get("/v1/audit?after=0").text();
        audit.contains("join_runner") && audit.contains("\"first\"")
    });
    let mut second = Runner::jobs_only(&once, "second", 1);
    assert!(!second.wait_exit().success());
    assert!(second.told().contains("used up"), "{}", second.told());
    let twice = create_token(gateway.state(), &["--uses", "2"]);
    let _more = ["third", "fourth"].map(|name| {
        let runner = Runner::jobs_only(&twice, name, 1);
        wait_until("it is in", || knows(&gateway, name));
        runner
    });
    assert!(!Runner::jobs_only(&twice, "fifth", 1).wait_exit().success());
}

#[test]
fn a_name_stays_its_runners_when_that_is_away_until_it_is_removed() {
    let gateway = Setup::bare().args(&["--no-app"]).start();
    let token = create_token(gateway.state(), &["--uses", "unlimited"]);
    let first = Runner::jobs_only(&token, "web-1", 1);
    wait_until("it is in", || knows(&gateway, "web-1"));
    ostler_tests::kill(first.pid());
    let state = first.into_state();
    let connected = || {
        let runners = Api::of(&gateway).get("/v1/runners").json();
        runners["runners"]
            .as_array()
            .expect("a list")
            .iter()
            .any(|it| it["connected"] == true && it["name"] == "web-1")
    };
    wait_until("it is missed", || !connected());
    assert_eq!(gateway.metric("ostler_runner_links", &["host=\"web-1\""]), 0.0);
    let mut other = Runner::jobs_only(&token, "web-1", 1);
    assert!(!other.wait_exit().success());
    assert!(other.told().contains("another runner by this name"), "{}", other.told());
    // Here is told who it was: it is on no list.
    let refused = "a runner was refused: web-1: the gateway knows another runner by this name";
    wait_until("it says so", || {
        let told = gateway.stderr();
        told.lines().any(|line| line.contains(refused) && line.contains(" (from 127.0.0.1:"))
    });
    assert!(verb(&gateway, &["runner", "remove", "web-1"]).is_empty());
    assert!(!knows(&gateway, "web-1"), "its name is forgotten");
    let _other = Runner::jobs_only(&token, "web-1", 1);
    wait_until("the other has the name", connected);
    // The first one's key is good for nothing, whatever its certificate says.
    let knocked = knock(gateway.runners(), gateway.state(), state.path());
    wait_until("it says so", || gateway.stderr().contains("knows another runner by this name"));
    assert!(knocked.is_ok(), "it hears why");
}

#[test]
fn a_runner_that_is_removed_loses_its_link_at_once_and_needs_a_new_token() {
    let net = Net::new(1);
    let gateway = gateway(&net);
    let app = App::new();
    let token = create_token(gateway.state(), &["--uses", "unlimited"]);
    let mut runner = Runner::join(&net, 0, &token, &app);
    gateway.wait_ready();
    verb(&gateway, &["runner", "remove", "--now", "host0"]);
    wait_until("nobody serves", || gateway.api("/readyz").status == 503);
    assert!(!runner.wait_exit().success());
    assert!(runner.told().contains("was removed"), "{}", runner.told());
    assert!(!runner.told().contains("rustls"), "{}", runner.told());
    let mut runner = Runner::join_in(&net, 0, &token, &app, runner.into_state());
    assert!(!runner.wait_exit().success(), "not with the token that it came with");
    let fresh = create_token(gateway.state(), &[]);
    let _runner = Runner::join_in(&net, 0, &fresh, &app, runner.into_state());
    gateway.wait_ready();
    let state = gateway.state().to_str().expect("a temporary path is text");
    let out = run_ostler(&["runner", "remove", "nobody", "--state", state]);
    assert_eq!(out.status.code(), Some(66), "{}", String::from_utf8_lossy(&out.stderr));
}

#[test]
fn an_app_that_the_gateway_does_not_know_is_told_of_once_on_both_sides() {
    let gateway = Setup::bare().args(&["--no-app"]).early().start();
    let token = create_token(gateway.state(), &[]);
    let app = App::new();
    let config = format!("[app.far]\nserve = \"wsgi:wsgi\"\nroot = {:?}\n", app.root());
    let runner = Runner::of(&token, "far", &config);
    wait_until("its child is ready", || runner.told().contains("child ready"));
    wait_until("the gateway says it", || gateway.stderr().contains("to = \"app:far\""));
    wait_until("the runner says it", || runner.told().contains("unknown to the gateway"));
    // Ready, and told of again and again.
    let api = Api::of(&gateway);
    let beats = || api.get("/v1/runners").json()["runners"][0]["heard_at"].clone();
    let before = beats();
    wait_until("it is heard again", || beats() != before);
    assert_eq!(gateway.stderr().matches("does not know").count(), 1, "{}", gateway.stderr());
    assert_eq!(runner.told().matches("unknown to the gateway").count(), 1);
    assert!(
        gateway
            .stderr()
            .contains("runner far offers the app far, which this gateway does not know")
    );
}

#[test]
fn a_runner_serves_and_runs_only_what_it_joined_for() {
    let net = Net::new(2);
    let gateway = gateway(&net);
    let app = App::new();
    let token = create_token(gateway.state(), &["--apps", "other", "--no-jobs"]);
    let poor = Runner::join(&net, 0, &token, &app);
    wait_until("its children are ready", || poor.told().matches("child ready").count() == 2);
    wait_until("it is in", || knows(&gateway, "host0"));
    let links = gateway.metric("ostler_runner_links", &["host=\"host0\""]);
    assert_eq!(links, 1.0, "one that runs no jobs is a runner too");
    let token = create_token(gateway.state(), &["--name", "host1", "--apps", "app"]);
    let mut wrong = Runner::jobs_only(&token, "host7", 1);
    assert!(!wrong.wait_exit().success());
    assert!(wrong.told().contains("another name"), "{}", wrong.told());
    let _rich = Runner::join(&net, 1, &token, &app);
    gateway.wait_ready();
    for _ in 0..20 {
        assert_eq!(gateway.get("/x").text(), "hello /x");
    }
    assert_eq!(gateway.metric("ostler_children", &["host=\"host0\""]), 0.0);
    let api = Api::of(&gateway);
    let pinned = api.submit(&serde_json::json!({ "command": "true", "host": "host0" }));
    for _ in 0..5 {
        let done = api.wait_finished(api.run("true"));
        assert_ne!(done["runner"], "host0", "{done}");
    }
    assert_eq!(api.job(pinned)["state"], "pending", "nobody runs it");
    // Both sides say what comes of that, and how it is changed.
    let of_host0 = |told: &str, what: &str| {
        told.lines()
            .filter(|line| line.contains(what) && line.contains("ostler runner remove host0"))
            .count()
    };
    let told = poor.told();
    assert_eq!(of_host0(&told, "the app app, durable jobs"), 1, "{told}");
    let told = gateway.stderr();
    for what in ["host0 offers the app app", "host0 offers to run durable jobs"] {
        assert_eq!(of_host0(&told, what), 1, "{what}: {told}");
    }
    assert!(!told.contains("host1 offers"), "{told}");
}

#[test]
fn tokens_that_are_made_at_once_are_all_good_and_can_be_taken_back() {
    let gateway = Setup::bare().args(&["--no-app"]).start();
    std::thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| create_token(gateway.state(), &[]));
        }
    });
    let listed = || -> Vec<serde_json::Value> {
        let text = verb(&gateway, &["token", "join", "--list", "-o", "json"]);
        serde_json::from_str(&text).expect("it is a list")
    };
    assert_eq!(listed().len(), 10);
    let token = create_token(gateway.state(), &["--uses", "unlimited"]);
    let newest = listed().pop().expect("there are some");
    verb(&gateway, &["token", "join", "--revoke", newest["id"].as_str().expect("an id is text")]);
    let mut refused = Runner::jobs_only(&token, "late", 1);
    assert!(!refused.wait_exit().success());
    assert!(refused.told().contains("revoked"), "{}", refused.told());
}

#[test]
fn a_token_is_given_by_standard_input_file_or_variable() {
    let gateway = Setup::bare().args(&["--no-app"]).start();
    let token = create_token(gateway.state(), &["--uses", "unlimited"]);
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let file = folder.path().join("token");
    fs::write(&file, format!("{token}\n")).expect("a temporary folder is writable");
    let file = file.to_str().expect("a temporary path is text");
    for (name, words, variable) in [
        ("by-stdin", &["--join", "-"][..], None),
        ("by-file", &["--join-file", file], None),
        ("by-variable", &[], Some(&token)),
    ] {
        let state = tempfile::tempdir().expect("a temporary folder can be made");
        let mut command = Command::new(ostler());
        command.args(["runner", "--name", name]).args(words).arg("--state").arg(state.path());
        command.env_remove("OSTLER_JOIN").envs(variable.map(|token| ("OSTLER_JOIN", token)));
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut runner = command.spawn().expect("the binary under test starts");
        let mut stdin = runner.stdin.take().expect("it is piped");
        stdin.write_all(token.as_bytes()).expect("it is there yet");
        drop(stdin);
        wait_until("it is in", || knows(&gateway, name));
        assert!(
            !ostler_tests::command_of(runner.id()).contains("ostler1."),
            "others see the command line"
        );
        ostler_tests::kill(runner.id());
        runner.wait().expect("it was started here");
    }
    let out = run_ostler(&["runner", "--state", folder.path().to_str().expect("text")]);
    let told = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(64), "{told}");
    assert!(told.contains("--join-file") && told.contains("OSTLER_JOIN"), "{told}");
}

#[test]
fn what_opens_doors_in_the_environment_reaches_no_child_and_no_job() {
    let app = App::new();
    let gateway = Setup::new(&app)
        .more("[runner]\njob_slots = 1\n")
        .env("OSTLER_JOIN", "ostler1.of-another-shell")
        .env("OSTLER_TOKEN", "ostler_secret")
        .start();
    assert_eq!(gateway.get("/x").text(), "hello /x");
    let api = Api::of(&gateway);
    let job = api.run("env; tr '\\0' '\\n' < /proc/self/environ");
    api.wait_finished(job);
    assert!(!String::from_utf8_lossy(&api.log(job)).contains("ostler_secret"));
    let mut below = ostler_tests::pids_of(gateway.mark());
    below.retain(|pid| *pid != gateway.pid());
    assert!(below.len() >= 2, "runner and child: {below:?}");
    for pid in below {
        let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let environ = String::from_utf8_lossy(&environ);
        for secret in ["ostler_secret", "of-another-shell"] {
            assert!(!environ.contains(secret), "{}", ostler_tests::command_of(pid));
        }
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

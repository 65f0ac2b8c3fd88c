//! The systemd units that are shipped: systemd understands them, and the program understands what they start.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::{
    fs,
    net::TcpStream,
    os::unix::{
        fs::{PermissionsExt as _, chown},
        net::UnixDatagram,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

const OSTLER: &str = env!("CARGO_BIN_EXE_ostler");

fn units() -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/systemd");
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let units: Vec<_> =
        files.map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect();
    assert_eq!(units.len(), 3);
    units
}

fn line<'a>(unit: &'a str, key: &str) -> &'a str {
    let mut lines = unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    lines.next().unwrap_or_else(|| panic!("no {key}"))
}

#[test]
fn the_program_knows_every_flag_that_a_unit_gives_it() {
    for (path, unit) in units() {
        let start = line(&unit, "ExecStart");
        let mut words = start.split(' ');
        assert_eq!(words.next(), Some("/usr/bin/ostler"), "{}", path.display());
        let verb = words.next().unwrap();
        let help = Command::new(OSTLER).args([verb, "--help"]).output().unwrap();
        let help = String::from_utf8(help.stdout).unwrap();
        for flag in words.filter(|word| word.starts_with("--")) {
            assert!(help.contains(&format!("{flag} ")), "{verb} {flag}");
        }
    }
}

#[test]
fn a_unit_runs_as_its_own_user_and_ends_its_jobs_by_the_runner() {
    for (path, unit) in units() {
        // Jobs that run as the gateway's user could do all that it can.
        let user = if path.ends_with("ostler-runner.service") { "ostler-runner" } else { "ostler" };
        assert_eq!(line(&unit, "User"), user, "{}", path.display());
        assert_eq!(line(&unit, "StateDirectory"), user, "{}", path.display());
        assert_eq!(line(&unit, "KillMode"), "mixed", "{}", path.display());
    }
}

#[test]
fn a_unit_is_never_given_up_nor_stopped_for_what_a_job_does() {
    for (path, unit) in units() {
        assert_eq!(line(&unit, "StartLimitIntervalSec"), "0", "{}", path.display());
        let has_jobs = !path.ends_with("ostler-gateway.service");
        assert_eq!(unit.contains("OOMPolicy=continue"), has_jobs, "{}", path.display());
        // What may be absent must not keep it from telling so itself.
        assert!(!unit.contains("EnvironmentFile=/"), "{}", path.display());
    }
}

#[test]
fn a_unit_with_public_doors_may_open_low_ports() {
    for (path, unit) in units().iter().filter(|(path, _)| !path.ends_with("ostler-runner.service"))
    {
        let given = line(unit, "AmbientCapabilities");
        assert_eq!(given, "CAP_NET_BIND_SERVICE", "{}", path.display());
    }
}

#[test]
fn what_is_given_for_low_ports_reaches_no_job() {
    let setpriv = || {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        command.args(["--inh-caps=+net_bind_service", "--ambient-caps=+net_bind_service"]);
        command
    };
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    fs::create_dir(&state).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let is_other = chown(&state, Some(65534), Some(65534)).is_ok();
    if !is_other || !setpriv().arg("true").status().is_ok_and(|status| status.success()) {
        // Only root can give somebody else a capability.
        return;
    }
    let name = folder.path().join("notify");
    let socket = UnixDatagram::bind(&name).unwrap();
    fs::set_permissions(&name, fs::Permissions::from_mode(0o777)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
    let mut gateway = setpriv();
    gateway.args([OSTLER, "serve", "--no-app", "--api", "127.0.0.1:0", "--runners", "off"]);
    gateway.arg("--state").arg(&state).env("NOTIFY_SOCKET", &name);
    gateway.current_dir("/").env("HOME", folder.path());
    let mut gateway = gateway.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    told(&socket, "READY=1");
    let job = "grep -E '^Cap(Prm|Eff|Amb)' /proc/self/status";
    let out = Command::new(OSTLER)
        .args(["submit", "--wait", "--state"])
        .arg(&state)
        .args(["--", job])
        .output()
        .unwrap();
    let caps = String::from_utf8_lossy(&out.stdout);
    let gateways = fs::read_to_string(format!("/proc/{}/status", gateway.id())).unwrap();
    kill(Pid::from_raw(i32::try_from(gateway.id()).unwrap()), Signal::SIGTERM).unwrap();
    assert!(gateway.wait().unwrap().success());
    assert!(gateways.contains("CapEff:\t0000000000000400"), "the gateway has it: {gateways}");
    assert_eq!(caps.matches("\t0000000000000000").count(), 3, "{caps} {out:?}");
}

/// What a program tells its service manager, until it has told this.
fn told(socket: &UnixDatagram, until: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut text = [0; 256];
    while all.last().is_none_or(|last| last != until) {
        let count = socket.recv(&mut text).unwrap();
        all.push(String::from_utf8_lossy(&text[..count]).into_owned());
    }
    all
}

#[test]
fn a_gateway_says_when_its_doors_are_open_and_when_it_begins_to_end() {
    for verb in ["serve", "gateway"] {
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().join("notify");
        let socket = UnixDatagram::bind(&name).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        let state = folder.path().join("state");
        let mut command = Command::new(OSTLER);
        command.args([verb, "--no-app", "--api", "127.0.0.1:0", "--runners", "off", "--state"]);
        command.arg(&state).current_dir(folder.path()).env("NOTIFY_SOCKET", &name);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        assert_eq!(told(&socket, "READY=1"), ["READY=1"], "{verb}");
        let addresses = fs::read_to_string(state.join("run/addresses.json")).unwrap();
        let api = addresses.split('"').find(|it| it.starts_with("127.0.0.1:")).unwrap();
        drop(TcpStream::connect(api).unwrap());
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
        kill(pid, Signal::SIGTERM).unwrap();
        assert_eq!(told(&socket, "STOPPING=1"), ["STOPPING=1"], "{verb}");
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn systemd_finds_nothing_wrong() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        // A host without systemd cannot tell.
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut paths = Vec::new();
    for (path, unit) in units() {
        let copy = folder.path().join(path.file_name().unwrap());
        // It looks whether the program is there.
        fs::write(&copy, unit.replace("=/usr/bin/ostler ", &format!("={OSTLER} "))).unwrap();
        paths.push(copy);
    }
    let out = Command::new("systemd-analyze").args(["verify", "--man=no"]).args(&paths).output();
    let out = out.unwrap();
    let told = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success() && told.trim().is_empty(), "{told}");
}

//! Whose files there are, and who may read them.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use nix::sys::signal::Signal;
use ostler_tests::{
    Api, App, Gateway, Remains, Runner, Setup, create_token, ostler, run_ostler, sha256, signal,
    wait_until,
};
use serde_json::json;

/// What the harness itself keeps in a state folder.
const OF_HARNESS: [&str; 3] = ["stdout", "stderr", "ostler.toml"];

/// Everything below a folder with its mode.
fn walk(folder: &Path, found: &mut Vec<(PathBuf, u32)>) {
    // What goes while we look concerns nobody.
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let Ok(data) = entry.metadata() else { continue };
        found.push((entry.path(), data.mode() & 0o7777));
        if data.is_dir() {
            walk(&entry.path(), found);
        }
    }
}

/// Nobody else reads anything, and nobody else changes the children's code, which a child of another user must read.
fn assert_private(state: &Path) {
    let mut found =
        vec![(state.to_owned(), fs::metadata(state).expect("it is there").mode() & 0o7777)];
    walk(state, &mut found);
    let code = state.join("children");
    for (path, mode) in &found {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if OF_HARNESS.contains(&name) {
            continue;
        }
        let excess = if path.starts_with(&code) { 0o022 } else { 0o077 };
        assert_eq!(mode & excess, 0, "{} has the mode {mode:04o}", path.display());
    }
    assert!(found.len() > 10, "{found:?}");
}

/// A state folder as somebody made it.
fn made(mode: u32) -> tempfile::TempDir {
    let state = tempfile::tempdir().expect("a temporary folder can be made");
    fs::set_permissions(state.path(), Permissions::from_mode(mode)).expect("it is ours");
    state
}

fn busy(gateway: &Gateway) {
    let api = Api::of(gateway);
    let payload = vec![b'p'; 100_000];
    let sent = api.request("PUT", "/v1/payloads", "", &payload);
    assert_eq!(sent.status, 201, "{}", sent.text());
    let job = json!({ "command": "cat; head -c 200000 /dev/zero; umask > mask; touch left",
        "cwd": gateway.state(), "stdin": { "payload": sha256(&payload) } });
    let id = api.submit(&job);
    assert_eq!(api.wait_finished(id)["state"], "succeeded");
    wait_until("the log is whole", || api.log(id).len() == 300_000);
    let backup = gateway.state().join("bk.db");
    let made = api.post("/v1/backup", &json!({ "path": backup }));
    assert_eq!(made.status, 200, "{}", made.text());
    assert!(backup.exists());
}

#[test]
fn everything_that_a_whole_run_writes_is_its_owners_alone() {
    let app = App::new();
    for mode in [0o755, 0o777] {
        // The first start finds a folder that a service manager, or a careless person, made.
        let gateway = Setup::new(&app)
            .more("[runner]\njob_slots = 2\n[log]\naccess = \"access.log\"\n")
            .start_in(made(mode));
        assert!(
            gateway.stderr().contains(&format!("had the mode {mode:04o}")),
            "{}",
            gateway.stderr()
        );
        assert_eq!(gateway.get("/x").text(), "hello /x");
        busy(&gateway);
        let token = create_token(gateway.state(), &[]);
        let runner = Runner::jobs_only(&token, "second", 1);
        let api = Api::of(&gateway);
        let there = api.submit(&json!({ "command": "head -c 100000 /dev/zero", "host": "local" }));
        api.wait_finished(there);
        wait_until("the second runner is there", || {
            api.get("/v1/runners").text().contains("second")
        });
        // What a job leaves behind has the mode that its umask says, not ours.
        let left = gateway.state().join("left");
        let mask = fs::read_to_string(gateway.state().join("mask")).expect("the job wrote it");
        let mask = u32::from_str_radix(mask.trim(), 8).expect("a umask is octal");
        assert_eq!(fs::metadata(&left).expect("it is there").mode() & 0o777, 0o666 & !mask);
        assert_ne!(mask, 0o077, "jobs keep the umask that Ostler was started with");
        for of_job in [left, gateway.state().join("mask")] {
            fs::remove_file(of_job).expect("it is there");
        }
        assert_private(gateway.state());
        assert_private_runner(runner.state());
        let state = gateway.stop();
        assert_private(state.path());
    }
}

fn assert_private_runner(state: &Path) {
    let mut found = Vec::new();
    walk(state, &mut found);
    let key = state.join("runner.key");
    assert!(found.contains(&(key, 0o600)), "{found:?}");
}

#[test]
fn a_state_folder_of_somebody_else_is_refused() {
    if !nix::unistd::geteuid().is_root() {
        // Only root can make somebody else's; the unit tests of the helper have the rest.
        return;
    }
    let theirs = made(0o777);
    std::os::unix::fs::chown(theirs.path(), Some(65_534), None).expect("root may");
    let state = theirs.path().to_str().expect("a temporary path is text");
    let below = format!("{state}/below");
    for folder in [state, &below] {
        for words in [
            &["serve", "--no-app", "--api", "127.0.0.1:0", "--runners", "off"][..],
            &["runner", "--local", "/nowhere"],
            &["token", "join", "--address", "127.0.0.1:1"],
        ] {
            let out = run_ostler(&[words, &["--state", folder]].concat());
            let told = String::from_utf8_lossy(&out.stderr).into_owned();
            assert_eq!(out.status.code(), Some(69), "{words:?} {folder}: {told}");
            assert!(told.contains("belongs to") && told.contains("--state"), "{told}");
        }
    }
    std::os::unix::fs::chown(theirs.path(), Some(0), None).expect("root may");
}

#[test]
fn children_code_that_somebody_else_put_there_is_not_run() {
    let app = App::new();
    let gateway = Setup::new(&app).start();
    let state = gateway.stop();
    let mut found = Vec::new();
    walk(&state.path().join("children"), &mut found);
    let (main, _) =
        found.iter().find(|(path, _)| path.ends_with("__main__.py")).expect("it is there");
    // A file that others may write is closed; one with other text is written again.
    fs::set_permissions(main, Permissions::from_mode(0o666)).expect("it is ours");
    fs::write(main, "raise SystemExit('not ours')").expect("it is ours");
    let gateway = Setup::new(&app).start_in(state);
    assert_eq!(gateway.get("/x").text(), "hello /x");
    assert_private(gateway.state());
    let state = gateway.stop();
    if nix::unistd::geteuid().is_root() {
        let folder = main.parent().expect("it is in a folder");
        std::os::unix::fs::chown(folder, Some(65_534), None).expect("root may");
        let mut command = Command::new(ostler());
        command.args(["runner", "--local", "/nowhere", "wsgi:wsgi", "--root"]).arg(app.root());
        command.arg("--state").arg(state.path()).env_remove("OSTLER_JOIN");
        let out = command.output().expect("the binary under test starts");
        let told = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(!out.status.success() && told.contains("belongs to"), "{told}");
    }
}

/// What a gateway and its runner say of a new state folder in which something stands in the place of this.
fn said_of(name: &str, put: impl Fn(&Path)) -> (PathBuf, String) {
    let state = made(0o700);
    let path = state.path().join(name);
    fs::create_dir_all(path.parent().expect("it is in a folder")).expect("there is room");
    put(&path);
    let told = state.path().join("told");
    let into = || Stdio::from(fs::File::create(&told).expect("there is room"));
    let here = state.path().to_str().expect("the path is text");
    // Only the runner of an app writes the children's code.
    let app = App::new();
    let root = app.root().to_str().expect("the path is text");
    let what: &[&str] = match name {
        "children" => &["wsgi:wsgi", "--root", root],
        _ => &["--no-app"],
    };
    let mut gateway = Command::new(ostler());
    // Also when it does not say what it should.
    let _remains = Remains::of(&mut gateway);
    let mut gateway = gateway
        .args(["serve", "--state", here, "--http", "off"])
        .args(what)
        .args(["--https", "127.0.0.1:0", "--api", "127.0.0.1:0", "--runners", "127.0.0.1:0"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(into())
        .spawn()
        .expect("it starts");
    let said = || fs::read_to_string(&told).unwrap_or_default();
    let mut ended = false;
    wait_until(&format!("{name} is told of"), || {
        ended = gateway.try_wait().expect("it is a child").is_some();
        // The web is served without a store, too.
        ended || ["ostler: ", "durable jobs are refused: "].iter().any(|line| said().contains(line))
    });
    if !ended {
        signal(gateway.id(), Signal::SIGTERM);
        let _ = gateway.wait().expect("it is a child");
    }
    (path, said())
}

#[test]
fn what_stands_in_the_place_of_something_of_the_state_folder_is_named_with_the_cure() {
    let files = [
        "jobs.db",
        "jobs.db-lock",
        "jobs.db-history",
        "jobs.db-wal",
        "jobs.db-shm",
        "api.token",
        "ca.pem",
        "ca.key",
        "ca.lock",
        "members.json",
        "tenants.key",
        "dev.pem",
        "dev.key",
        "run/lock",
        "run/runner.lock",
        "run/runner.json",
        "run/gateway.sock",
        "run/addresses.json",
    ];
    let folders = [
        "run",
        "files",
        "files/log",
        "files/payload",
        "files/upload",
        "spool",
        "jobs",
        "payloads",
        "children",
    ];
    let folder = |path: &Path| {
        fs::create_dir(path).expect("there is room");
        fs::write(path.join("of somebody"), "").expect("there is room");
    };
    let file = |path: &Path| fs::write(path, "").expect("there is room");
    let all = files
        .map(|name| said_of(name, folder))
        .into_iter()
        .chain(folders.map(|name| said_of(name, file)));
    let bad: Vec<String> = all
        .filter(|(path, said)| {
            let line = said.lines().find(|line| line.contains(path.to_str().expect("it is text")));
            !line.is_some_and(|line| line.contains("move it away"))
        })
        .map(|(path, said)| format!("{}: {said}", path.display()))
        .collect();
    assert!(bad.is_empty(), "{bad:#?}");
}

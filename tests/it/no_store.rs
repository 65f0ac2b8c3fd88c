//! A gateway whose store of durable jobs cannot be used at its start: the web is served, jobs when it can be.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
};

use ostler_tests::{Api, App, Conn, Gateway, Setup, ostler, wait_until};
use serde_json::json;

/// What may be wrong with a store whose gateway ended well.
#[derive(Clone, Copy, Debug)]
enum Wrong {
    NoStore,
    Emptied,
    Folder,
    TooNew,
    Files,
}

impl Wrong {
    const ALL: [Self; 5] = [Self::NoStore, Self::Emptied, Self::Folder, Self::TooNew, Self::Files];

    /// The file or folder that is named then.
    fn of(self, state: &Path) -> PathBuf {
        state.join(if matches!(self, Self::Files) { "files" } else { "jobs.db" })
    }

    fn spoil(self, path: &Path) {
        let done = match self {
            Self::NoStore => fs::write(path, "this is no store at all"),
            Self::Emptied => fs::write(path, ""),
            Self::Folder => fs::remove_file(path).and_then(|()| fs::create_dir(path)),
            Self::TooNew => fs::read(path).and_then(|mut bytes| {
                // The version of its format, in the head of an SQLite file.
                bytes[60..64].copy_from_slice(&9999_u32.to_be_bytes());
                fs::write(path, bytes)
            }),
            Self::Files => fs::remove_dir_all(path).and_then(|()| fs::write(path, "")),
        };
        done.expect("a temporary folder is writable");
    }

    /// Puts a good copy in the place of what is there; a folder is made anew by itself.
    fn mend(self, path: &Path, good: &Path) {
        let gone = if path.is_dir() { fs::remove_dir(path) } else { fs::remove_file(path) };
        let beside = path.with_extension("coming");
        let done = match self {
            Self::Files => gone,
            Self::NoStore | Self::Emptied | Self::Folder | Self::TooNew => {
                gone.and_then(|()| fs::copy(good, &beside)).and_then(|_| fs::rename(&beside, path))
            }
        };
        done.expect("a temporary folder is writable");
    }
}

/// Everything says that jobs are refused, and why; the app is served all the same.
fn assert_refuses(gateway: &Gateway, api: &Api, path: &Path) {
    let path = path.display().to_string();
    assert_eq!(gateway.get("/status/200").status, 200);
    for (method, target) in [("GET", "/v1/status"), ("POST", "/v1/jobs"), ("GET", "/v1/jobs/1")] {
        let answer = api.request(method, target, "", b"{}");
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "{target}");
        assert_eq!(answer.json()["type"], "https://ostler.dev/problems/store_unavailable");
        let detail = answer.json()["detail"].to_string();
        assert!(detail.contains(&path) && detail.contains("; "), "with the cure: {detail}");
    }
    for (target, status) in [("/healthz", 200), ("/readyz/web", 200), ("/readyz/jobs", 503)] {
        assert_eq!(gateway.api(target).status, status, "{target}");
    }
    let told = gateway.api("/readyz").text();
    assert!(told.starts_with("durable jobs are refused: ") && told.contains(&path), "{told}");
    assert_eq!(gateway.metric("ostler_store_accepting", &[]), 0.0);
    wait_until("the operator is told", || {
        let told = gateway.stderr();
        told.contains("durable jobs are refused: ") && told.contains(&path)
    });
    let status = Command::new(ostler())
        .args(["status"])
        .env("OSTLER_STATE", gateway.state())
        .output()
        .expect("the binary can be run");
    let told = String::from_utf8_lossy(&status.stderr).into_owned();
    assert!(!status.status.success() && told.contains(&path), "{told}");
}

#[test]
fn a_gateway_that_cannot_use_its_store_serves_the_web_and_takes_jobs_once_it_can() {
    let app = App::new();
    let setup = || Setup::new(&app).more("[runner]\njob_slots = 2\n");
    let gateway = setup().start();
    let api = Api::of(&gateway);
    let old = api.run("true");
    api.wait_finished(old);
    // A copy of the file alone would lack what is in its log.
    let back_up = |api: &Api, good: &Path| {
        let _before = fs::remove_file(good);
        assert_eq!(api.post("/v1/backup", &json!({ "path": good })).status, 200);
    };
    let good = gateway.state().join("good.db");
    back_up(&api, &good);
    let mut state = gateway.stop();
    for wrong in Wrong::ALL {
        wrong.spoil(&wrong.of(state.path()));
        let gateway = setup().early().start_in(state);
        wait_until("the app is served", || gateway.api("/readyz/web").status == 200);
        let (api, path) = (Api::of(&gateway), wrong.of(gateway.state()));
        assert_refuses(&gateway, &api, &path);
        wrong.mend(&path, &good);
        wait_until("jobs are taken", || gateway.api("/readyz/jobs").status == 200);
        assert_eq!(api.job(old)["state"], "succeeded", "{wrong:?}");
        let job = api.run("true");
        assert_eq!(api.wait_finished(job)["state"], "succeeded", "{wrong:?}");
        assert!(gateway.stderr().contains("durable jobs are accepted again"), "{wrong:?}");
        assert_eq!(gateway.metric("ostler_store_accepting", &[]), 1.0, "{wrong:?}");
        back_up(&api, &good);
        state = gateway.stop();
    }
}

#[test]
fn a_gateway_whose_files_may_not_grow_serves_the_web_and_takes_jobs_once_they_may() {
    let app = App::new();
    let setup = Setup::new(&app).more("[runner]\njob_slots = 1\n").longest_file(64);
    let gateway = setup.early().start();
    wait_until("the app is served", || gateway.api("/readyz/web").status == 200);
    let told = gateway.api("/readyz/jobs");
    assert_eq!(told.status, 503);
    assert!(told.text().contains("ulimit -f"), "with the cure: {}", told.text());
    assert_eq!(gateway.get("/status/200").status, 200);
    for pid in gateway.pids_with("") {
        let lifted =
            Command::new("prlimit").args(["--fsize=unlimited", "--pid", &pid.to_string()]).status();
        assert!(lifted.is_ok_and(|status| status.success()), "limits of {pid} can be lifted");
    }
    wait_until("jobs are taken", || gateway.api("/readyz/jobs").status == 200);
    let api = Api::of(&gateway);
    let job = api.run("true");
    assert_eq!(api.wait_finished(job)["state"], "succeeded");
}

/// Has a file so that whoever opens it waits until this is dropped, as for a disk that does not answer.
struct Hanging(Child, BufReader<ChildStdout>);

impl Hanging {
    fn of(path: &Path) -> Self {
        const HOLD: &str = "import fcntl, signal, sys\n\
            signal.signal(signal.SIGIO, lambda *_: print('asked', flush=True))\n\
            file = open(sys.argv[1], 'r+b')\n\
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)\n\
            print('held', flush=True)\n\
            sys.stdin.read()";
        let mut child = Command::new("python3")
            .args(["-c", HOLD])
            .arg(path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python can be run");
        let told = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut it = Self(child, told);
        it.wait_for("held");
        it
    }

    fn wait_for(&mut self, word: &str) {
        let mut line = String::new();
        self.1.read_line(&mut line).expect("it can be read");
        assert_eq!(line.trim(), word);
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        // It may have ended.
        let _ended = self.0.kill().and_then(|()| self.0.wait());
    }
}

#[test]
fn neither_the_web_nor_an_end_waits_for_a_store_that_does_not_answer() {
    let app = App::new();
    let setup = || Setup::new(&app).more("[runner]\njob_slots = 1\n");
    let gateway = setup().start();
    let old = Api::of(&gateway).run("true");
    Api::of(&gateway).wait_finished(old);
    let mut state = gateway.stop();
    for file in ["jobs.db", "jobs.db-history"] {
        for is_read in [false, true] {
            let hanging = Hanging::of(&state.path().join(file));
            let gateway = setup().early().start_in(state);
            wait_until("the app is served", || gateway.api("/readyz/web").status == 200);
            let api = Api::of(&gateway);
            let answer = api.request("POST", "/v1/jobs", "", b"{}");
            assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
            let detail = answer.json()["detail"].to_string();
            assert!(detail.contains("jobs.db is still being read; wait"), "{detail}");
            assert_eq!(gateway.metric("ostler_store_failures_total", &[]), 0.0);
            if is_read {
                drop(hanging);
                wait_until("jobs are taken", || gateway.api("/readyz/jobs").status == 200);
                assert_eq!(api.job(old)["state"], "succeeded");
                let job = api.run("true");
                assert_eq!(api.wait_finished(job)["state"], "succeeded");
                assert!(gateway.stderr().contains("durable jobs are accepted again"));
                state = gateway.stop();
            } else {
                // While it is still being read.
                state = gateway.stop();
                drop(hanging);
            }
        }
    }
}

#[test]
fn whoever_submits_while_a_store_is_read_again_is_refused_at_once() {
    let setup = || Setup::bare().args(&["--no-app"]).more("[runner]\njob_slots = 1\n");
    let state = setup().start().stop();
    let (path, good) = (state.path().join("jobs.db"), state.path().join("good.db"));
    fs::rename(&path, &good).expect("it is there");
    fs::create_dir(&path).expect("there is room");
    let gateway = setup().early().start_in(state);
    wait_until("jobs are refused", || gateway.api("/readyz/jobs").status == 503);
    let api = Api::of(&gateway);
    let mut hanging = Hanging::of(&good);
    fs::remove_dir(&path).and_then(|()| fs::rename(&good, &path)).expect("it is there");
    hanging.wait_for("asked");
    for _ in 0..3 {
        let answer = api.request("POST", "/v1/jobs", "", b"{}");
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    }
    // It was not answered because the disk was.
    assert_eq!(gateway.metric("ostler_store_accepting", &[]), 0.0);
    drop(hanging);
    wait_until("jobs are taken", || gateway.api("/readyz/jobs").status == 200);
    let job = api.run("true");
    assert_eq!(api.wait_finished(job)["state"], "succeeded");
}

#[test]
fn a_backup_is_restored_beside_a_gateway_that_could_not_use_its_store() {
    let gateway = Setup::bare().args(&["--no-app"]).more("[runner]\njob_slots = 1\n").start();
    let api = Api::of(&gateway);
    let copy = gateway.state().join("copy.db");
    let kept = api.submit(&json!({ "command": "true", "delay": "1h" }));
    assert_eq!(api.post("/v1/backup", &json!({ "path": copy })).status, 200);
    let state = gateway.stop();
    fs::write(state.path().join("jobs.db"), vec![b'x'; 100_000]).unwrap();
    let gateway =
        Setup::bare().args(&["--no-app"]).more("[runner]\njob_slots = 1\n").early().start_in(state);
    wait_until("jobs are refused", || gateway.api("/readyz/jobs").status == 503);
    let restored = Command::new(ostler())
        .arg("restore")
        .arg(gateway.state().join("copy.db"))
        .env("OSTLER_STATE", gateway.state())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&restored.stderr).into_owned();
    assert!(restored.status.success(), "{told}");
    wait_until("jobs are taken", || gateway.api("/readyz/jobs").status == 200);
    let api = Api::of(&gateway);
    assert_eq!(api.job(kept)["state"], "scheduled");
    let job = api.run("true");
    assert_eq!(api.wait_finished(job)["state"], "succeeded");
    assert!(gateway.stderr().contains("older than what was known of it"));
}

#[test]
fn strangers_learn_whether_the_web_is_served_and_not_what_is_wrong_with_the_store() {
    let setup = || Setup::bare().args(&["--no-app", "--api", "0.0.0.0:0"]).early();
    let gateway = setup().start();
    let api = Api::of(&gateway);
    wait_until("the gateway is ready", || api.get("/readyz").status == 200);
    let state = gateway.stop();
    fs::write(state.path().join("jobs.db"), "this is no store at all").unwrap();
    let gateway = setup().start_in(state);
    let api = Api::of(&gateway);
    wait_until("the web is served", || api.get("/readyz/web").status == 200);
    let jobs = api.get("/readyz/jobs");
    assert_eq!((jobs.status, jobs.text().as_str()), (503, "not ready\n"));
    for path in ["/metrics", "/v1/status"] {
        let answer = api.get(path);
        assert_eq!(answer.status, 503, "{path}");
        assert!(!answer.text().contains("jobs.db"), "{}", answer.text());
    }
    for path in ["/healthz", "/readyz/web", "/metrics"] {
        assert_eq!(Conn::open(gateway.api_address()).get(path).status, 401, "{path}");
    }
}

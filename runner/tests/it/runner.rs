//! A runner of our own, its app, its log.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use ostler_runner::{AppSpec, Config, Link, Serve};
use serde_json::Value;

/// No condition takes longer on a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What most tests run.
pub(crate) const APP: &str = r#"
import os, signal, subprocess, sys, time

def app(environ, start_response):
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    body = b"hello"
    if path == "/user":
        body = ("%d %s" % (os.getuid(), os.environ["USER"])).encode()
    elif path == "/pid":
        body = str(os.getpid()).encode()
    elif path == "/env":
        body = os.environ.get(query, "").encode()
    elif path == "/print":
        print("printed " + query)
    elif path == "/sleep":
        time.sleep(float(query))
    elif path == "/length":
        body = str(len(environ["wsgi.input"].read())).encode()
    elif path == "/bytes":
        body = b"x" * int(query)
    elif path == "/stuck":
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        child = subprocess.Popen(["sleep", "1000"])
        with open(query, "w") as out:
            out.write("%d %d" % (os.getpid(), child.pid))
        while True:
            time.sleep(1)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [body]
"#;

/// A condition that has to come true.
pub(crate) fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "did not come about: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A folder with an app and a state folder.
pub(crate) struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("app")).unwrap();
        let place = Self { folder };
        place.write_app(APP);
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write_app(&self, text: &str) {
        fs::write(self.path("app/shop.py"), text).unwrap();
    }

    /// Lets everybody enter the folder, but not the state in it.
    pub(crate) fn open_to_all(&self) {
        let mode = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        mode(self.folder.path(), 0o755);
        fs::create_dir_all(self.path("state")).unwrap();
        mode(&self.path("state"), 0o700);
    }

    pub(crate) fn config(&self) -> Config {
        Config {
            name: "here".into(),
            link: Link::Local(self.path("gateway.sock")),
            apps: vec![self.app()],
            state: self.path("state"),
            orphan_grace: None,
            job_slots: 2,
            job_users: ostler_runner::JobUsers::default(),
            secrets: None,
            umask: Some(0o022),
            log_max: 1 << 30,
            sendmail: None,
            labels: Default::default(),
            job_drain: Duration::from_secs(10),
        }
    }

    fn app(&self) -> AppSpec {
        AppSpec {
            name: "shop".into(),
            serve: Serve::read("wsgi:shop:app").unwrap(),
            root: self.path("app"),
            interpreter: None,
            env: BTreeMap::new(),
            children_min: 1,
            children_max: 1,
            boot_timeout: Duration::from_secs(15),
            grace: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(60),
            max_requests: 0,
            max_lifetime: None,
            user: None,
            rlimits: BTreeMap::new(),
        }
    }

    pub(crate) fn start(&self, config: &Config) -> Runner {
        Runner::start(&self.path("runner.json"), config)
    }
}

/// A running runner. Dropped, it and its children are gone.
pub(crate) struct Runner {
    process: Child,
    lines: Arc<Mutex<Vec<Value>>>,
}

impl Runner {
    fn start(file: &Path, config: &Config) -> Self {
        fs::write(file, serde_json::to_vec(config).unwrap()).unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_ostler-runner-for-tests"))
            .arg("run")
            .arg(file)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (out, kept) = (process.stdout.take().unwrap(), Arc::clone(&lines));
        thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).expect("every line of the log is JSON");
                kept.lock().unwrap().push(line);
            }
        });
        Self { process, lines }
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.process.id().try_into().unwrap())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// The first line of the log that fits.
    pub(crate) fn logged(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        wait_for(what, || self.lines.lock().unwrap().iter().find(|line| fits(line)).cloned())
    }

    /// Waits for its end.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        wait_for("the runner's end", || self.process.try_wait().unwrap())
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        if thread::panicking() {
            for line in self.lines.lock().unwrap().iter() {
                println!("{line}");
            }
        }
        // Children end by themselves when their control sockets do.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Whether a process is there and not a zombie.
pub(crate) fn is_alive(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit_once(')').is_some_and(|(_, rest)| rest.starts_with(" Z")))
}

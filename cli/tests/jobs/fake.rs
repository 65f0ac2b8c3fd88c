//! A gateway's API that answers as a test says, and remembers what it was asked.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Command, Output, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use nix::fcntl::{Flock, FlockArg};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const TOKEN: &str = "ostler_fake";

/// What was asked.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// `POST /v1/jobs?wait=1s`
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("the body is text")
    }
}

/// What is answered; the connection is closed after it.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    status: u16,
    kind: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Reply {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::new(status, "application/json", body.to_string())
    }

    pub(crate) fn new(status: u16, kind: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, kind, headers: Vec::new(), body: body.into() }
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// The connection ends without an answer.
    pub(crate) fn none() -> Self {
        Self::new(0, "", "")
    }

    pub(crate) fn problem(status: u16, name: &str, detail: &str, more: &Value) -> Self {
        let kind = format!("https://ostler.dev/problems/{name}");
        let mut body = json!({"type": kind, "title": name, "status": status, "detail": detail});
        for (name, value) in more.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        Self::new(status, "application/problem+json", body.to_string())
    }
}

/// See the module. The state folder in it makes `ostler` find it.
pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    pub(crate) folder: TempDir,
    asked: Arc<Mutex<Vec<Request>>>,
    /// As a gateway holds its state folder.
    lock: Option<Flock<fs::File>>,
}

/// What a gateway at this address says of itself.
pub(crate) fn known(address: SocketAddr) -> String {
    json!({"pid": std::process::id(), "api": [address.to_string()]}).to_string()
}

impl Fake {
    pub(crate) fn start(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        fs::create_dir_all(state.join("run")).unwrap();
        let known = known(address);
        fs::write(state.join("run/addresses.json"), known).unwrap();
        fs::write(state.join("run/lock"), format!("{}\n", std::process::id())).unwrap();
        let lock = fs::File::open(state.join("run/lock")).unwrap();
        let lock = Flock::lock(lock, FlockArg::LockExclusiveNonblock).unwrap();
        fs::write(state.join("api.token"), format!("{TOKEN}\n")).unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (answer, notes) = (Arc::new(answer), Arc::clone(&asked));
        thread::spawn(move || {
            for socket in listener.incoming() {
                let (answer, notes) = (Arc::clone(&answer), Arc::clone(&notes));
                thread::spawn(move || {
                    let socket = socket.unwrap();
                    serve(socket.try_clone().unwrap(), socket, &*answer, &notes);
                });
            }
        });
        Self { address, folder, asked, lock: Some(lock) }
    }

    /// The gateway is gone, and whoever listens at its address now is not known to the state folder.
    pub(crate) fn orphan(&mut self) {
        self.lock = None;
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Everything it was asked so far.
    pub(crate) fn asked(&self) -> Vec<Request> {
        self.asked.lock().unwrap().clone()
    }

    /// `ostler` with these words, in a folder of its own.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ostler"));
        command.args(words).current_dir(self.path());
        command.env("OSTLER_STATE", self.path().join("state"));
        for name in ["OSTLER_API", "OSTLER_TOKEN", "OSTLER_CA", "OSTLER_JOIN"] {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs it to its end.
    pub(crate) fn ostler(&self, words: &[&str]) -> Ended {
        Ended::of(self.command(words).output().unwrap())
    }

    /// Runs it to its end with something on its standard input.
    pub(crate) fn ostler_with(&self, stdin: impl AsRef<[u8]>, words: &[&str]) -> Ended {
        let mut child = self.command(words).stdin(Stdio::piped()).spawn().unwrap();
        let mut pipe = child.stdin.take().unwrap();
        let bytes = stdin.as_ref().to_vec();
        let writer = thread::spawn(move || drop(pipe.write_all(&bytes)));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        Ended::of(output)
    }
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    #[track_caller]
    pub(crate) fn with(self, code: i32, out: &str, err: &str) {
        assert_eq!((self.code, &*self.out, &*self.err), (Some(code), out, err));
    }
}

/// One request on a connection, whose halves are given apart.
pub(crate) fn serve(
    from: impl Read,
    mut to: impl Write,
    answer: &(dyn Fn(&Request) -> Reply + Send + Sync),
    asked: &Mutex<Vec<Request>>,
) {
    let mut reader = BufReader::new(from);
    let Some(request) = read(&mut reader) else { return };
    let reply = if request.headers.get("authorization") == Some(&format!("Bearer {TOKEN}")) {
        answer(&request)
    } else {
        Reply::problem(401, "unauthenticated", "this token is not known", &json!({}))
    };
    asked.lock().unwrap().push(request);
    if reply.status == 0 {
        return;
    }
    let mut head = format!("HTTP/1.1 {} X\r\ncontent-type: {}\r\n", reply.status, reply.kind);
    for (name, value) in &reply.headers {
        head += &format!("{name}: {value}\r\n");
    }
    if reply.kind == "text/event-stream" {
        head += "connection: close\r\n\r\n";
    } else {
        head += &format!("connection: close\r\ncontent-length: {}\r\n\r\n", reply.body.len());
    }
    // A client that has seen enough may be gone.
    let _ = to.write_all(head.as_bytes()).and_then(|()| to.write_all(&reply.body));
}

fn read(reader: &mut impl BufRead) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
    let mut words = line.split(' ').map(str::to_owned);
    let (method, target) = (words.next()?, words.next()?);
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let body = match headers.get("content-length").map(|text| text.parse().unwrap()) {
        Some(length) => {
            let mut body = vec![0; length];
            reader.read_exact(&mut body).ok()?;
            body
        }
        None if headers.contains_key("transfer-encoding") => chunks(reader)?,
        None => Vec::new(),
    };
    Some(Request { method, target, headers, body })
}

fn chunks(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let length = usize::from_str_radix(line.trim(), 16).ok()?;
        let mut chunk = vec![0; length + 2];
        reader.read_exact(&mut chunk).ok()?;
        if length == 0 {
            return Some(body);
        }
        body.extend_from_slice(&chunk[..length]);
    }
}

/// A job as the API shows it.
pub(crate) fn job(id: u64, state: &str, more: &Value) -> Value {
    let mut job = json!({
        "id": id, "state": state, "reason": null, "module": "shell", "command": "true",
        "argv": ["true"], "name": null, "tenant": "default", "identity": "true", "tags": [],
        "queue": "default", "host": null, "runner": null, "attempts": 0, "failures": 0,
        "crashes": 0, "attempts_max": 1, "exit_status": null, "signal": null,
        "delivery": "at_least_once", "submitted_at": "2026-01-25T01:02:03.004Z",
        "not_before": null, "due_at": null, "expires_at": null, "leased_at": null,
        "started_at": null, "finished_at": null, "run_seconds": null,
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        job[name] = value.clone();
    }
    job
}

/// One server-sent event.
pub(crate) fn event(id: &str, kind: &str, data: &Value) -> String {
    format!("id: {id}\nevent: {kind}\ndata: {data}\n\n")
}

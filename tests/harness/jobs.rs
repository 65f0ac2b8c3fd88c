//! The API of durable jobs as a client uses it, with the first token, on connections of one request each.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    Gateway, Response,
    process::MARK,
    wait::{DEADLINE, wait_for},
};

/// A client with a token. Jobs that it submits carry the mark of its gateway's processes.
#[derive(Clone, Debug)]
pub struct Api {
    address: SocketAddr,
    token: String,
    mark: String,
}

impl Api {
    /// The API of a gateway, with its first token.
    pub fn of(gateway: &Gateway) -> Self {
        Self::at(gateway.api_address(), gateway.state(), gateway.mark())
    }

    /// The API at an address, with the first token of a state folder.
    pub(crate) fn at(address: SocketAddr, state: &Path, mark: &str) -> Self {
        let token =
            wait_for("the first token", || fs::read_to_string(state.join("api.token")).ok());
        Self { address, token: token.trim().to_owned(), mark: mark.to_owned() }
    }

    /// The same with another token.
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    /// One request; `None` when no whole answer came.
    pub fn try_request(
        &self,
        method: &str,
        path: &str,
        lines: &str,
        body: &[u8],
    ) -> Option<Response> {
        let mut socket = TcpStream::connect_timeout(&self.address, DEADLINE).ok()?;
        socket.set_read_timeout(Some(DEADLINE * 4)).ok()?;
        // HTTP/1.0: no chunks, and the end of the connection is the end of the answer.
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n{lines}Content-Length: {}\r\n\r\n",
            self.token,
            body.len()
        );
        socket.write_all(head.as_bytes()).ok()?;
        socket.write_all(body).ok()?;
        let mut bytes = Vec::new();
        socket.read_to_end(&mut bytes).ok()?;
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let answer = crate::client::parse_head(&bytes[..end]);
        let body = bytes.split_off(end + 4);
        let length = answer.header("content-length").and_then(|text| text.parse().ok());
        let whole = length.is_none_or(|length: usize| length == body.len());
        whole.then_some(Response { body, whole, ..answer })
    }

    /// One request.
    pub fn request(&self, method: &str, path: &str, lines: &str, body: &[u8]) -> Response {
        let answer = self.try_request(method, path, lines, body);
        answer.unwrap_or_else(|| panic!("no answer to {method} {path}"))
    }

    /// One GET.
    pub fn get(&self, path: &str) -> Response {
        self.request("GET", path, "", &[])
    }

    /// One POST of JSON.
    pub fn post(&self, path: &str, body: &Value) -> Response {
        let body = body.to_string();
        self.request("POST", path, "Content-Type: application/json\r\n", body.as_bytes())
    }
    /// One PUT of JSON.
    pub fn put(&self, path: &str, body: &Value) -> Response {
        let body = body.to_string();
        self.request("PUT", path, "Content-Type: application/json\r\n", body.as_bytes())
    }

    /// Submits a job, which is taken; its id.
    pub fn submit(&self, job: &Value) -> u64 {
        let answer = self.post("/v1/jobs", &self.marked(job));
        assert_eq!(answer.status, 202, "{}", answer.text());
        answer.json()["id"].as_u64().expect("an id is a number")
    }

    /// The job, with the mark in its environment.
    pub fn marked(&self, job: &Value) -> Value {
        let mut job = job.clone();
        if job["module"].is_null() {
            job["env"][MARK] = json!(self.mark);
        }
        job
    }

    /// Submits a command line.
    pub fn run(&self, command: &str) -> u64 {
        self.submit(&json!({ "command": command }))
    }

    /// Submits many at once; their ids.
    pub fn submit_all(&self, jobs: &[Value]) -> Vec<u64> {
        let lines: String = jobs.iter().map(|job| format!("{}\n", self.marked(job))).collect();
        let kind = "Content-Type: application/x-ndjson\r\n";
        let answer = self.request("POST", "/v1/jobs", kind, lines.as_bytes());
        assert!(answer.status < 300, "{}: {}", answer.status, answer.text());
        let id = |line: &str| -> Option<u64> {
            let line: Value = serde_json::from_str(line).ok()?;
            line["id"].as_u64()
        };
        answer.text().lines().map(|line| id(line).unwrap_or_else(|| panic!("{line}"))).collect()
    }

    /// A job's record.
    pub fn job(&self, id: u64) -> Value {
        let answer = self.get(&format!("/v1/jobs/{id}"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// Waits until a job is in a state, and gives its record.
    pub fn wait_state(&self, id: u64, state: &str) -> Value {
        wait_for(&format!("job {id} is {state}; it is {}", self.job(id)), || {
            Some(self.job(id)).filter(|job| job["state"] == state)
        })
    }

    /// Waits until a job has finished, up to a minute, and gives its record.
    pub fn wait_finished(&self, id: u64) -> Value {
        let begin = std::time::Instant::now();
        loop {
            let job = self.job(id);
            if !job["finished_at"].is_null() {
                return job;
            }
            assert!(begin.elapsed() < Duration::from_secs(60), "job {id} does not finish: {job}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// A job's whole log.
    pub fn log(&self, id: u64) -> Vec<u8> {
        self.get(&format!("/v1/jobs/{id}/log")).body
    }

    /// All jobs of a query, page by page, by id.
    pub fn list(&self, query: &str) -> BTreeMap<u64, Value> {
        let mut all = BTreeMap::new();
        let mut cursor = String::new();
        loop {
            let answer = self.get(&format!("/v1/jobs?limit=1000&{query}{cursor}"));
            assert_eq!(answer.status, 200, "{}", answer.text());
            let page = answer.json();
            for job in page["jobs"].as_array().expect("a page has jobs") {
                all.insert(job["id"].as_u64().expect("an id is a number"), job.clone());
            }
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return all,
            }
        }
    }
}

//! Follows a job's output as it comes, over broken connections and gateways that start again.

use std::{cmp::Ordering, io::Write as _, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::Method;
use serde::Deserialize;
use tokio::time::timeout;

use super::{
    capture::Capture,
    cut::Cut,
    patience::{Patience, WAITING},
    view::JobView,
};
use crate::{
    client::{Ask, Client, Event, Parser},
    failure::Failure,
};

/// A stream says something every 15 s, and be it a comment: one that says nothing for so long has died without a word.
const SILENCE: Duration = Duration::from_secs(45);
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// What is shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// Only this one.
    pub(crate) stream: Option<&'static str>,
    /// Only the log of this attempt.
    pub(crate) attempt: Option<u32>,
    /// What is passed over before anything is shown.
    pub(crate) skip: Option<Skip>,
    /// Each line begins with its time.
    pub(crate) timestamps: bool,
    /// stderr goes to stderr, and a captured stdout gets the output of one attempt only; else everything of all
    /// attempts goes to stdout.
    pub(crate) apart: bool,
}

/// The beginning of a job's output: all attempts before this one, and so many bytes of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Skip {
    pub(crate) attempt: u32,
    pub(crate) bytes: u64,
}

#[derive(Deserialize)]
struct Output {
    stream: String,
    #[serde(default)]
    at: String,
    text: Option<String>,
    base64: Option<String>,
}

impl Output {
    fn bytes(self) -> Vec<u8> {
        let coded = self.base64.and_then(|text| STANDARD.decode(text).ok());
        coded.or_else(|| self.text.map(String::into_bytes)).unwrap_or_default()
    }
}

/// Shows what the job writes until it has finished; gives the job as it is then.
pub(crate) async fn follow(client: &Client, id: u64, wanted: &Wanted) -> Result<JobView, Failure> {
    let mut follower = Follower::new(id, wanted);
    let job = follower.follow_on(client).await?;
    follower.capture.end(id)?;
    match follower.cut {
        Some(cut) => cut.tell(id, wanted.apart).map(|()| job),
        None => Ok(job),
    }
}

struct Follower<'a> {
    id: u64,
    wanted: &'a Wanted,
    last: String,
    connections: u64,
    events: u64,
    attempt: Option<String>,
    cut: Option<Cut>,
    capture: Capture,
    skip: Option<Skip>,
    silence: Duration,
    /// Whether the next byte of stdout, and of stderr, begins a line.
    fresh: [bool; 2],
}

impl<'a> Follower<'a> {
    fn new(id: u64, wanted: &'a Wanted) -> Self {
        Self {
            id,
            wanted,
            last: String::new(),
            connections: 0,
            events: 0,
            attempt: None,
            cut: None,
            capture: if wanted.apart { Capture::of_one_attempt() } else { Capture::open() },
            skip: wanted.skip,
            silence: SILENCE,
            fresh: [true; 2],
        }
    }

    /// Connection after connection, until the job has finished or the gateway was gone for too long.
    async fn follow_on(&mut self, client: &Client) -> Result<JobView, Failure> {
        let mut patience = Patience::new(WAITING);
        let mut pause = PAUSE_MIN;
        loop {
            let (heard, reached) = (self.events, self.connections);
            let ended = self.listen(client).await;
            if self.connections > reached {
                patience.heard();
            }
            match ended {
                Ok(Some(job)) => return Ok(job),
                Ok(None) => {}
                Err(failure) => patience.bear(client, failure)?,
            }
            if self.events > heard {
                pause = PAUSE_MIN;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// One connection. `None`: it ended before the job did.
    async fn listen(&mut self, client: &Client) -> Result<Option<JobView>, Failure> {
        let attempt = self.wanted.attempt.map_or_else(String::new, |n| format!("?attempt={n}"));
        let path = format!("/v1/jobs/{}/log/events{attempt}", self.id);
        let mut ask = Ask::new(Method::GET, &path).header("accept", "text/event-stream");
        if !self.last.is_empty() {
            ask = ask.header("last-event-id", self.last.clone());
        }
        let silent = |_| Failure::unavailable(format!("{} fell silent", client.whom()));
        let mut reply = timeout(self.silence, client.ask(ask)).await.map_err(silent)??;
        self.connections += 1;
        let mut parser = Parser::default();
        // `None` for a silence, too: the next connection goes on where this one ended.
        while let Ok(next) = timeout(self.silence, reply.next()).await
            && let Some(bytes) = next?
        {
            for event in parser.push(&bytes) {
                self.events += 1;
                if let Some(job) = self.take(event)? {
                    return Ok(Some(job));
                }
            }
        }
        Ok(None)
    }

    fn take(&mut self, event: Event) -> Result<Option<JobView>, Failure> {
        let unknown = |error: serde_json::Error| {
            Failure::broken(format!("the log has an event that is not known here: {error}"))
        };
        match event.kind.as_str() {
            "end" => return serde_json::from_str(&event.data).map(Some).map_err(unknown),
            "cut" => self.cut = serde_json::from_str(&event.data).map(Some).map_err(unknown)?,
            "output" => {
                let output: Output = serde_json::from_str(&event.data).map_err(unknown)?;
                self.take_output(output, &event.id)?;
            }
            _ => {}
        }
        self.last = event.id;
        Ok(None)
    }

    fn take_output(&mut self, output: Output, id: &str) -> Result<(), Failure> {
        if self.wanted.stream.is_some_and(|wanted| wanted != output.stream) {
            if self.skip.is_none() {
                self.notice_attempt(id);
            }
            return Ok(());
        }
        let (is_error, at) = (output.stream == "stderr", output.at.clone());
        let mut bytes = output.bytes();
        if !self.pass_over(&mut bytes, id) {
            return Ok(());
        }
        self.notice_attempt(id);
        self.show(bytes, is_error, &at)
    }

    /// Takes what is not to be shown from the bytes; `false`: that is all of them.
    fn pass_over(&mut self, bytes: &mut Vec<u8>, id: &str) -> bool {
        let Some(skip) = &mut self.skip else { return true };
        let attempt = id.split_once('.').and_then(|(_, attempt)| attempt.parse().ok());
        match attempt.unwrap_or(u32::MAX).cmp(&skip.attempt) {
            Ordering::Less => return false,
            Ordering::Equal => {
                let many = usize::try_from(skip.bytes).unwrap_or(usize::MAX).min(bytes.len());
                bytes.drain(..many);
                skip.bytes -= many as u64;
                if skip.bytes > 0 || bytes.is_empty() {
                    return false;
                }
            }
            Ordering::Greater => {}
        }
        self.skip = None;
        true
    }

    /// The id is `OFFSET.ATTEMPT`: output of a second attempt looks like that of the first.
    fn notice_attempt(&mut self, id: &str) {
        let Some((_, attempt)) = id.split_once('.') else { return };
        if self.attempt.as_deref().is_some_and(|before| before != attempt) {
            self.capture.begin_anew(self.id, attempt);
        }
        self.attempt = Some(attempt.to_owned());
    }

    fn show(&mut self, mut bytes: Vec<u8>, is_error: bool, at: &str) -> Result<(), Failure> {
        if self.wanted.timestamps {
            bytes = stamped(&bytes, at, &mut self.fresh[usize::from(is_error)]);
        }
        if is_error && self.wanted.apart {
            // Nobody reads it: that is no reason to stop.
            let _ = std::io::stderr().lock().write_all(&bytes);
            return Ok(());
        }
        self.capture.write(&bytes)
    }
}

/// The bytes with the time before each line.
fn stamped(bytes: &[u8], at: &str, fresh: &mut bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 64);
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        if std::mem::replace(fresh, line.ends_with(b"\n")) {
            out.extend_from_slice(at.as_bytes());
            out.push(b' ');
        }
        out.extend_from_slice(line);
    }
    out
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead as _, BufReader, Write as _},
        net::TcpListener,
        thread,
    };

    use super::*;

    /// Answers one request with an event stream that has this text, and says whether the client asked for what follows
    /// an event. The connection stays open as long as what is returned.
    fn answer(listener: &TcpListener, text: &str) -> (bool, std::net::TcpStream) {
        let (mut stream, _) = listener.accept().unwrap();
        let lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
        let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
        let kind = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
        stream.write_all(format!("{kind}{text}").as_bytes()).unwrap();
        (head.iter().any(|line| line.starts_with("last-event-id: ")), stream)
    }

    #[test]
    fn a_connection_that_falls_silent_is_left_for_another() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = Client::for_tests(&listener.local_addr().unwrap().to_string());
        let gateway = thread::spawn(move || {
            let output =
                "id: 1.1\nevent: output\ndata: {\"stream\": \"stderr\", \"text\": \"\"}\n\n";
            let first = answer(&listener, output);
            let job = r#"{"id": 17, "state": "succeeded", "tenant": "a", "attempts": 1}"#;
            let second = answer(&listener, &format!("id: 1.1\nevent: end\ndata: {job}\n\n"));
            (first.0, second.0)
        });
        let wanted = Wanted::default();
        let mut follower = Follower::new(17, &wanted);
        follower.silence = Duration::from_millis(200);
        let job = crate::client::block_on(follower.follow_on(&client)).unwrap();
        assert_eq!(job.state, "succeeded");
        assert_eq!(gateway.join().unwrap(), (false, true), "the second asks for what follows");
    }

    #[test]
    fn each_line_gets_one_time_however_its_pieces_come() {
        let mut fresh = true;
        let mut text = stamped(b"a\nb", "1", &mut fresh);
        text.extend(stamped(b"c\n", "2", &mut fresh));
        text.extend(stamped(b"d\n", "3", &mut fresh));
        assert_eq!(String::from_utf8(text).unwrap(), "1 a\n1 bc\n3 d\n");
    }
}

//! A gateway that does what a test tells it.

use std::{
    collections::VecDeque,
    io::{IoSliceMut, Read, Write},
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
        unix::net::{UnixListener, UnixStream},
    },
    path::Path,
    time::Instant,
};

use bytes::BytesMut;
use nix::{
    cmsg_space,
    sys::socket::{ControlMessageOwned, MsgFlags, recvmsg},
};
use ostler_wire::{
    Builder, Decoder, FRAME_MAX, FieldsWriter, Frame, Header, Kind, flags, put_frame,
};

use crate::runner::{PATIENCE, wait_for};

/// The listening side.
pub(crate) struct Gateway {
    listener: UnixListener,
}

impl Gateway {
    pub(crate) fn listen(socket: &Path) -> Self {
        let _ = std::fs::remove_file(socket);
        let listener = UnixListener::bind(socket).unwrap();
        listener.set_nonblocking(true).unwrap();
        Self { listener }
    }

    /// The next runner that connects, greeted.
    pub(crate) fn accept(&self) -> RunnerLink {
        let (stream, _) = wait_for("a runner's call", || self.listener.accept().ok());
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let decoder = Decoder::new(FRAME_MAX);
        let mut link = RunnerLink { stream, decoder, fds: VecDeque::new(), reports: Vec::new() };
        let hello = link.next();
        assert_eq!(hello.header.kind, Kind::Hello);
        link.send(Kind::Welcome, 1, |f| {
            f.put(b"hb_ms", b"1000");
        });
        link
    }

    /// Tells the next runner that connects that another process has its name.
    pub(crate) fn replace(&self) {
        let (mut stream, _) = wait_for("a runner's call", || self.listener.accept().ok());
        let mut out = BytesMut::new();
        Builder::new(&mut out, Kind::Fail, 0).code(1).fields(|_| {}).body(b"");
        stream.write_all(&out).unwrap();
    }
}

/// The link to one runner.
pub(crate) struct RunnerLink {
    stream: UnixStream,
    decoder: Decoder,
    fds: VecDeque<OwnedFd>,
    /// Of jobs, not looked at yet.
    pub(crate) reports: Vec<serde_json::Value>,
}

impl RunnerLink {
    pub(crate) fn send(
        &mut self,
        kind: Kind,
        code: u16,
        fields: impl FnOnce(&mut FieldsWriter<'_>),
    ) {
        let mut out = BytesMut::new();
        Builder::new(&mut out, kind, 0).code(code).fields(fields).body(b"");
        self.stream.write_all(&out).unwrap();
    }

    /// Sends a frame whose body is JSON, without a head.
    pub(crate) fn send_json(&mut self, kind: Kind, code: u16, body: &serde_json::Value) {
        let mut out = BytesMut::new();
        let header = Header { len: 0, kind, flags: 0, code, stream: 0, aux: 0 };
        put_frame(&mut out, header, body.to_string().as_bytes());
        self.stream.write_all(&out).unwrap();
    }

    /// Sends a frame with a head and a body.
    pub(crate) fn send_with(
        &mut self,
        kind: Kind,
        fields: impl FnOnce(&mut FieldsWriter<'_>),
        body: &[u8],
    ) {
        let mut out = BytesMut::new();
        Builder::new(&mut out, kind, 0).fields(fields).body(body);
        self.stream.write_all(&out).unwrap();
    }

    /// Says something about the child of a lane.
    pub(crate) fn send_about(&mut self, kind: Kind, code: u16, lane: &Lane) {
        self.send(kind, code, |f| {
            f.put(b":app", b"shop").put(b":child", lane.child.to_string().as_bytes());
        });
    }

    pub(crate) fn demand(&mut self, waiting: u32) {
        self.send(Kind::Demand, 0, |f| {
            f.put(b":app", b"shop").put(b":waiting", waiting.to_string().as_bytes());
        });
    }

    pub(crate) fn stop(&mut self, grace_ms: u32) {
        let mut out = BytesMut::new();
        let kind = Kind::Stop;
        let header = Header { len: 0, kind, flags: 0, code: 0, stream: 0, aux: grace_ms };
        put_frame(&mut out, header, b"");
        self.stream.write_all(&out).unwrap();
    }

    /// Sends what no gateway may send, and behind it that the runner is to stop.
    pub(crate) fn break_a_rule_and_stop(&mut self) {
        let mut out = BytesMut::new();
        Builder::new(&mut out, Kind::Hello, 0).fields(|_| {}).body(b"");
        let header = Header { len: 0, kind: Kind::Stop, flags: 0, code: 1, stream: 0, aux: 0 };
        put_frame(&mut out, header, b"");
        self.stream.write_all(&out).unwrap();
    }

    /// The next frame; descriptors that come with it are kept.
    pub(crate) fn next(&mut self) -> Frame {
        loop {
            if let Some(frame) = self.decoder.poll_frame().unwrap() {
                return frame;
            }
            let mut bytes = [0; 4096];
            let mut space = cmsg_space!([RawFd; 8]);
            let mut slices = [IoSliceMut::new(&mut bytes)];
            let flags = MsgFlags::MSG_CMSG_CLOEXEC;
            let fd = self.stream.as_raw_fd();
            let message = recvmsg::<()>(fd, &mut slices, Some(&mut space), flags)
                .expect("the runner sends something in time");
            for control in message.cmsgs().unwrap() {
                if let ControlMessageOwned::ScmRights(raw) = control {
                    // SAFETY: the kernel has just made these descriptors for this message.
                    self.fds.extend(raw.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
                }
            }
            let read = message.bytes;
            assert!(read > 0, "the runner closed the link");
            self.decoder.buffer().extend_from_slice(&bytes[..read]);
        }
    }

    /// The next frame of a kind that fits; others are passed over, unless they are lanes.
    pub(crate) fn expect(&mut self, kind: Kind, fits: impl Fn(&Frame) -> bool) -> Frame {
        let started = Instant::now();
        loop {
            let frame = self.next();
            assert!(started.elapsed() < PATIENCE, "{kind:?} did not come, but {frame:?}");
            if frame.header.kind == kind && fits(&frame) {
                return frame;
            }
            if frame.header.flags & flags::FD != 0 {
                self.fds.pop_front();
            }
        }
    }

    /// The next lane.
    pub(crate) fn lane(&mut self) -> Lane {
        let frame = self.expect(Kind::Lane, |_| true);
        let fields = frame.fields().unwrap();
        let number = |name| fields.number(name).unwrap();
        let stream =
            UnixStream::from(self.fds.pop_front().expect("a lane comes with a descriptor"));
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let decoder = Decoder::new(FRAME_MAX);
        let pid = number(":pid").try_into().unwrap();
        Lane { child: number(":child"), pid, stream, decoder, last: 0 }
    }

    /// Waits until the runner's figure has this value.
    pub(crate) fn expect_figure(&mut self, name: &str, value: u64) {
        self.expect_figures(&[(name, value)]);
    }

    /// Waits until all of these figures have these values: once they have, they are told no more.
    pub(crate) fn expect_figures(&mut self, wanted: &[(&str, u64)]) {
        self.expect(Kind::State, |f| {
            let fields = f.fields().unwrap();
            wanted.iter().all(|(name, value)| fields.number(name) == Some(*value))
        });
    }

    /// Waits until the runner closes the link.
    pub(crate) fn expect_end(&mut self) {
        while self.stream.read(&mut [0; 4096]).unwrap() > 0 {}
    }
}

/// A lane that was handed over.
pub(crate) struct Lane {
    pub(crate) child: u64,
    pub(crate) pid: i32,
    stream: UnixStream,
    decoder: Decoder,
    last: u32,
}

impl Lane {
    /// Sends a request.
    pub(crate) fn ask(&mut self, path: &str, query: &str) {
        self.last += 1;
        let mut out = BytesMut::new();
        Builder::new(&mut out, Kind::Req, self.last)
            .flags(flags::END)
            .fields(|f| request_fields(f, path, query))
            .body(b"");
        self.stream.write_all(&out).unwrap();
    }

    /// The whole answer: status and body; `None` when the lane ends instead.
    pub(crate) fn answer(&mut self) -> Option<(u16, Vec<u8>)> {
        let (mut status, mut body) = (0, Vec::new());
        loop {
            while let Some(frame) = self.decoder.poll_frame().unwrap() {
                if frame.header.stream != self.last {
                    continue;
                }
                if frame.header.kind == Kind::Reset {
                    return None;
                }
                if frame.header.kind == Kind::Rsp {
                    status = frame.header.code;
                }
                body.extend_from_slice(&frame.body);
                if frame.is_end() {
                    return Some((status, body));
                }
            }
            let mut bytes = [0; 65536];
            let read = self.stream.read(&mut bytes).unwrap_or(0);
            if read == 0 {
                return None;
            }
            self.decoder.buffer().extend_from_slice(&bytes[..read]);
        }
    }

    /// Asks and waits for a good answer.
    pub(crate) fn get(&mut self, path: &str, query: &str) -> String {
        self.ask(path, query);
        let (status, body) = self.answer().expect("the child answers");
        assert_eq!(status, 200);
        String::from_utf8(body).unwrap()
    }
}

/// The environment of a request.
pub(crate) fn request_fields(f: &mut FieldsWriter<'_>, path: &str, query: &str) {
    let pairs = [
        (":id", "req-7"),
        (":scheme", "http"),
        (":queue_us", "0000000000"),
        (":deadline_ms", "0"),
        ("REQUEST_METHOD", "GET"),
        ("SCRIPT_NAME", ""),
        ("PATH_INFO", path),
        ("QUERY_STRING", query),
        ("REQUEST_URI", path),
        ("RAW_URI", path),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("SERVER_NAME", "localhost"),
        ("SERVER_PORT", "80"),
        ("REMOTE_ADDR", "127.0.0.1"),
        ("REMOTE_PORT", "1"),
    ];
    for (name, value) in pairs {
        f.put(name.as_bytes(), value.as_bytes());
    }
}

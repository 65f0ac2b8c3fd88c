//! The link to the runner on this host: frames on a Unix socket, lanes by SCM_RIGHTS.

use std::{
    collections::VecDeque,
    io::{self, IoSliceMut},
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::BytesMut;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, UnixAddr, recvmsg};
use ostler_wire::{Builder, Decoder, FRAME_MAX, Frame, Header, Kind, Reset, flags, put_frame};
use tokio::{
    io::Interest,
    net::{UnixListener, UnixStream},
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
};

use super::{
    demand::Demand,
    lane::{self, Caps, Lanes, Order},
    state,
};
use crate::{event::GatewayEvent, gate::Gate, jobs::link::JobLink, pool::carrier::Carrier};

/// How often demand is told, and what else must not wait.
const TICK: Duration = Duration::from_millis(20);
/// More lanes than this in one message are not sent by any runner.
const FDS_MAX: usize = 16;
/// Descriptors that may wait for the rest of their LANE frame.
const FDS_HELD_MAX: usize = 64;

/// The runners on this host that are connected, usually one.
#[derive(Debug, Default)]
pub(crate) struct LocalLinks(Mutex<Vec<Arc<Lanes>>>);

impl LocalLinks {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Lanes>>> {
        self.0.lock().expect("no code panics while it holds the links")
    }

    /// A child works on something that nobody waits for any more.
    pub(crate) fn overdue(&self, carrier: &Arc<Carrier>, stream: u32) {
        self.lock().iter().for_each(|lanes| lanes.order(carrier, Reset::Deadline, stream));
    }

    /// A child was sent a stream a while ago and has not answered: is it at work?
    pub(crate) fn unanswered(&self, carrier: &Arc<Carrier>, stream: u32) {
        self.lock().iter().for_each(|lanes| lanes.order(carrier, Reset::Recall, stream));
    }

    /// A child works on something for so long that what waits behind it should come back.
    pub(crate) fn withdraw(&self, carrier: &Arc<Carrier>, stream: u32) {
        self.lock().iter().for_each(|lanes| lanes.ask_back(carrier, stream));
    }
}

/// Opens the socket that runners on this host dial. A socket left by a dead gateway is replaced.
pub(crate) fn listen(path: &Path) -> io::Result<std::os::unix::net::UnixListener> {
    // No longer than the socket's own name, which just fits perhaps.
    let listener = ostler_private::listen(path, &path.with_extension("new"))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Serves every runner that dials.
pub(crate) async fn accept(gate: Arc<Gate>, links: Arc<LocalLinks>, listener: UnixListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let (gate, links) = (gate.clone(), links.clone());
                tokio::spawn(async move { serve(gate, links, stream).await });
            }
            Err(error) => {
                gate.tell(GatewayEvent::Warning(format!("cannot accept a local runner: {error}")));
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve(gate: Arc<Gate>, links: Arc<LocalLinks>, stream: UnixStream) {
    let mut link = Link { stream, decoder: Decoder::new(FRAME_MAX), fds: VecDeque::new() };
    let name = match link.greet().await {
        Ok(name) => name,
        Err(error) => {
            gate.tell(GatewayEvent::Warning(format!("a local runner was refused: {error}")));
            return;
        }
    };
    gate.jobs.keep_own_runner(&name).await;
    let (orders, mut inbox) = unbounded_channel();
    let lanes = Arc::new(Lanes::new(orders));
    links.lock().push(lanes.clone());
    gate.runner_came(&name);
    gate.tell(GatewayEvent::RunnerJoined { name: name.clone() });
    let (frames, mut outbox) = unbounded_channel();
    let way = Arc::new(move |out: BytesMut| frames.send(out).is_ok());
    let jobs = JobLink::up(&gate.jobs, &name, way);
    let ended = link.run(&gate, &name, &lanes, &jobs, &mut inbox, &mut outbox).await;
    drop(jobs);
    links.lock().retain(|other| !Arc::ptr_eq(other, &lanes));
    state::forget(&gate, &name);
    let reason = ended.map_or_else(|error| error.to_string(), |()| "it closed the link".into());
    gate.tell(GatewayEvent::RunnerLost { name, reason });
}

struct Link {
    stream: UnixStream,
    decoder: Decoder,
    fds: VecDeque<OwnedFd>,
}

impl Link {
    /// HELLO from the runner, WELCOME to it. Returns the runner's name.
    async fn greet(&mut self) -> io::Result<String> {
        let frame = loop {
            if let Some(frame) = self.next_frame()? {
                break frame;
            }
            if !self.receive().await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        };
        let name = frame.fields().map_err(io::Error::other)?.text(":runner").map(str::to_owned);
        let (Kind::Hello, Some(name)) = (frame.header.kind, name) else {
            return Err(io::Error::other("its first frame is not HELLO with :runner"));
        };
        let mut out = BytesMut::new();
        welcome(&mut out);
        self.send(&out).await?;
        Ok(name)
    }

    async fn run(
        &mut self,
        gate: &Arc<Gate>,
        name: &str,
        lanes: &Arc<Lanes>,
        jobs: &JobLink,
        inbox: &mut UnboundedReceiver<Order>,
        outbox: &mut UnboundedReceiver<BytesMut>,
    ) -> io::Result<()> {
        let mut demand = Demand::default();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let mut out = BytesMut::new();
            tokio::select! {
                came = self.receive() => {
                    if !came? {
                        return Ok(());
                    }
                    while let Some(frame) = self.next_frame()? {
                        self.handle(gate, name, lanes, jobs, &frame, &mut out)?;
                    }
                }
                Some(order) = inbox.recv() => write_order(&mut out, &order),
                Some(frames) = outbox.recv() => out.unsplit(frames),
                _ = tick.tick() => demand.update(gate, &mut out),
            }
            if !out.is_empty() {
                self.send(&out).await?;
            }
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "frames of a newer runner are not needed to serve"
    )]
    fn handle(
        &mut self,
        gate: &Arc<Gate>,
        name: &str,
        lanes: &Arc<Lanes>,
        jobs: &JobLink,
        frame: &Frame,
        out: &mut BytesMut,
    ) -> io::Result<()> {
        match frame.header.kind {
            Kind::App | Kind::State => state::handle(gate, name, frame),
            Kind::Lane => {
                let (app, child) = child(frame)?;
                if frame.header.flags & flags::FD == 0 {
                    return Err(io::Error::other("LANE came without a descriptor"));
                }
                let missing = || io::Error::other("LANE came without its descriptor");
                let fd = self.fds.pop_front().ok_or_else(missing)?;
                let fields = frame.fields().map_err(io::Error::other)?;
                let caps = Caps::parse(fields.text(":caps").unwrap_or_default());
                lane::open(gate, lanes, name, &app, child, (fd, caps));
            }
            Kind::Retire => {
                let (app, child) = child(frame)?;
                match Reset::from_code(frame.header.code) {
                    Some(Reset::ChildDied) => lanes.child_ended(&app, child),
                    Some(_) | None => lanes.retire(&app, child),
                }
            }
            Kind::Withdraw => {
                let (app, child) = child(frame)?;
                let fields = frame.fields().map_err(io::Error::other)?;
                let stream = |name| fields.number(name).and_then(|n| u32::try_from(n).ok());
                if let (Some(from), Some(to)) = (stream(":from"), stream(":to")) {
                    lanes.withdrawn(&app, child, (from, to));
                }
            }
            Kind::Ping => {
                put_frame(out, Header { kind: Kind::Pong, ..frame.header }, &[]);
            }
            _ => jobs.handle(frame)?,
        }
        Ok(())
    }

    fn next_frame(&mut self) -> io::Result<Option<Frame>> {
        self.decoder.poll_frame().map_err(io::Error::other)
    }

    /// Reads bytes and descriptors. `false` at the end.
    #[expect(unsafe_code, reason = "the kernel gives descriptors as plain numbers")]
    async fn receive(&mut self) -> io::Result<bool> {
        loop {
            self.stream.readable().await?;
            let socket = self.stream.as_raw_fd();
            let mut bytes = [0; 32 << 10];
            let mut control = nix::cmsg_space!([std::os::fd::RawFd; FDS_MAX]);
            let fds = &mut self.fds;
            let came = self.stream.try_io(Interest::READABLE, || {
                let mut slices = [IoSliceMut::new(&mut bytes)];
                let message = recvmsg::<UnixAddr>(
                    socket,
                    &mut slices,
                    Some(&mut control),
                    MsgFlags::MSG_CMSG_CLOEXEC | MsgFlags::MSG_DONTWAIT,
                )?;
                for part in message.cmsgs()? {
                    if let ControlMessageOwned::ScmRights(came) = part {
                        // SAFETY: the kernel has just made these descriptors for this process, nobody else knows them.
                        fds.extend(came.iter().map(|fd| unsafe { OwnedFd::from_raw_fd(*fd) }));
                    }
                }
                Ok(message.bytes)
            });
            match came {
                Ok(0) => return Ok(false),
                Ok(_) if self.fds.len() > FDS_HELD_MAX => {
                    return Err(io::Error::other("it sent descriptors that no LANE asked for"));
                }
                Ok(n) => {
                    self.decoder.buffer().extend_from_slice(&bytes[..n]);
                    return Ok(true);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn send(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            self.stream.writable().await?;
            match self.stream.try_write(bytes) {
                Ok(sent) => bytes = &bytes[sent..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// The frame that answers HELLO on every link.
pub(super) fn welcome(out: &mut BytesMut) {
    let mut number = itoa::Buffer::new();
    Builder::new(out, Kind::Welcome, 0)
        .code(ostler_wire::VERSION)
        .fields(|f| {
            f.put(b"hb_ms", b"1000");
            f.put(b"max_frame", number.format(FRAME_MAX).as_bytes());
            f.put(b"window", number.format(ostler_wire::WINDOW).as_bytes());
        })
        .body(&[]);
}

fn child(frame: &Frame) -> io::Result<(String, u64)> {
    let fields = frame.fields().map_err(io::Error::other)?;
    match (fields.text(":app"), fields.number(":child")) {
        (Some(app), Some(child)) => Ok((app.to_owned(), child)),
        _ => Err(io::Error::other(format!("{:?} without :app and :child", frame.header.kind))),
    }
}

fn write_order(out: &mut BytesMut, order: &Order) {
    let mut number = itoa::Buffer::new();
    Builder::new(out, order.kind, 0)
        .code(order.reason as u16)
        .fields(|f| {
            f.put(b":app", order.app.as_bytes());
            f.put(b":child", number.format(order.child).as_bytes());
            if order.stream > 0 {
                f.put(b":stream", number.format(order.stream).as_bytes());
            }
        })
        .body(&[]);
}

//! The link to the runner on this host: frames on a Unix socket, lanes by SCM_RIGHTS.

use std::{
    collections::VecDeque,
    io::{self, IoSliceMut},
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    path::Path,
    pin::pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::BytesMut;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, UnixAddr, recvmsg};
use ostler_durable::{Hello, NameTaken, link::JobLink, members::token::Scope};
use ostler_notices::GatewayEvent;
use ostler_pool::{
    carrier::{Assignment, Carrier},
    passing::ProbeReason,
};
use ostler_wire::{
    Decoder, FRAME_MAX, Frame, Header, Kind, Reset, flags,
    message::{Lane, Message as _, Overdue, Refusal, Retire, Withdraw, Withdrawn},
    put_frame,
};
use tokio::{
    io::{AsyncWrite, AsyncWriteExt as _, Interest},
    net::{UnixListener, UnixStream},
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
};

use super::{
    demand::Demand,
    heartbeat,
    hub::Hub,
    lane::{self, Caps, Lanes, Order},
    state,
    welcome::welcome,
};

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

    /// Nothing has been heard of a child for a while: is it at work?
    pub(crate) fn unanswered(&self, assignment: &Assignment, quiet: ProbeReason) {
        self.lock().iter().for_each(|lanes| lanes.ask_about(assignment, quiet));
    }

    /// A child works on something for so long that what waits behind it, up to this stream, should come back.
    pub(crate) fn withdraw(&self, carrier: &Arc<Carrier>, last: u32) {
        self.lock().iter().for_each(|lanes| lanes.ask_back(carrier, last));
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
pub(crate) async fn accept(hub: Arc<Hub>, links: Arc<LocalLinks>, listener: UnixListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let (hub, links) = (hub.clone(), links.clone());
                tokio::spawn(async move { serve(hub, links, stream).await });
            }
            Err(error) => {
                hub.notices
                    .tell(GatewayEvent::Warning(format!("cannot accept a local runner: {error}")));
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve(hub: Arc<Hub>, links: Arc<LocalLinks>, stream: UnixStream) {
    let mut link = Link { stream, decoder: Decoder::new(FRAME_MAX), fds: VecDeque::new() };
    let refuse = |error: io::Error| {
        hub.notices.warn_seldom("local runner", &format!("a local runner was refused: {error}"));
    };
    let hello = match link.greet().await {
        Ok(hello) => hello,
        Err(error) => return refuse(error),
    };
    let (frames, mut outbox) = unbounded_channel();
    let way = Arc::new(move |out: BytesMut| frames.send(out).is_ok());
    let mut out = BytesMut::new();
    let jobs = match JobLink::up(&hub.jobs, &hello, way, true) {
        Ok(jobs) => jobs,
        Err(taken) => {
            hub.metrics.links_refused.with_label_values(&[&hello.name]).inc();
            name_taken(&mut out, &hello.name, &taken);
            // A runner that is gone needs no answer.
            return drop(link.send(&out).await);
        }
    };
    let name = hello.name;
    hub.jobs.keep_own_runner(&name).await;
    welcome(&mut out, &hub, &Scope::default());
    if let Err(error) = link.send(&out).await {
        drop(jobs);
        // It may have taken the place of another link.
        hub.forget_unlinked(&name);
        return refuse(error);
    }
    let (orders, mut inbox) = unbounded_channel();
    let lanes = Arc::new(Lanes::new(orders));
    links.lock().push(lanes.clone());
    hub.runner_joined(&name);
    let ended = link.run(&hub, &name, &lanes, &jobs, &mut inbox, &mut outbox).await;
    drop(jobs);
    links.lock().retain(|other| !Arc::ptr_eq(other, &lanes));
    let reason = ended.map_or_else(|error| error.to_string(), |()| "it closed the link".into());
    hub.runner_lost(name, reason);
}

struct Link {
    stream: UnixStream,
    decoder: Decoder,
    fds: VecDeque<OwnedFd>,
}

impl Link {
    /// HELLO from the runner.
    async fn greet(&mut self) -> io::Result<Hello> {
        let frame = loop {
            if let Some(frame) = self.next_frame()? {
                break frame;
            }
            if !self.receive().await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        };
        if frame.header.kind != Kind::Hello {
            return Err(io::Error::other("its first frame is not HELLO"));
        }
        Hello::of(&frame, None)
    }

    async fn run(
        &mut self,
        hub: &Arc<Hub>,
        name: &str,
        lanes: &Arc<Lanes>,
        jobs: &JobLink,
        inbox: &mut UnboundedReceiver<Order>,
        outbox: &mut UnboundedReceiver<BytesMut>,
    ) -> io::Result<()> {
        let mut demand = Demand::new(&hub.demand);
        let mut mute = pin!(heartbeat::missed(|| jobs.mute_after(), |now| jobs.excuse(now), || {}));
        let last = hub.last_words.of_link();
        loop {
            let mut out = BytesMut::new();
            tokio::select! {
                came = self.receive() => {
                    if !came? {
                        return Ok(());
                    }
                    while let Some(frame) = self.next_frame()? {
                        last.hear(&frame);
                        self.handle(hub, name, lanes, jobs, &frame, &mut out)?;
                    }
                }
                Some(order) = inbox.recv() => write_order(&mut out, &order),
                Some(frames) = outbox.recv() => out.unsplit(frames),
                ping = last.due() => {
                    // Behind everything else.
                    while let Ok(frames) = outbox.try_recv() {
                        out.unsplit(frames);
                    }
                    put_frame(&mut out, ping, &[]);
                }
                () = jobs.replaced() => return Err(io::Error::other(REPLACED)),
                () = demand.changes() => demand.update(hub.pools.keys(), &mut out),
                () = &mut mute => return Err(io::Error::other(MUTE)),
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
        hub: &Arc<Hub>,
        name: &str,
        lanes: &Arc<Lanes>,
        jobs: &JobLink,
        frame: &Frame,
        out: &mut BytesMut,
    ) -> io::Result<()> {
        match frame.header.kind {
            Kind::App | Kind::State => state::handle(hub, name, frame),
            Kind::Lane => {
                let lane = Lane::of(frame).map_err(io::Error::other)?;
                if frame.header.flags & flags::FD == 0 {
                    return Err(io::Error::other("LANE came without a descriptor"));
                }
                let missing = || io::Error::other("LANE came without its descriptor");
                let fd = self.fds.pop_front().ok_or_else(missing)?;
                lane::open(hub, lanes, name, lane.app, lane.child, (fd, Caps::of(&lane)));
            }
            Kind::Retire => {
                let Retire { app, child, is_gone } = Retire::of(frame).map_err(io::Error::other)?;
                if is_gone {
                    lanes.child_ended(app, child);
                } else {
                    lanes.retire(app, child);
                }
            }
            Kind::Withdraw => {
                let back = Withdrawn::of(frame).map_err(io::Error::other)?;
                if let Some(streams) = back.streams {
                    lanes.withdrawn(back.app, back.child, streams);
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

/// For a refusal to be sent.
const REFUSAL: Duration = Duration::from_secs(5);
/// Why a link ends when there is a newer one.
pub(super) const REPLACED: &str = "another link of this runner has taken its place";
/// Why a link ends on which a runner speaks, of everything else.
pub(super) const MUTE: &str = "it says nothing of its jobs";

/// The frame that refuses a runner whose name another process has.
fn name_taken(out: &mut BytesMut, name: &str, taken: &NameTaken) {
    let message = format!(
        "another runner with the name {name} ({}) is connected; start this one with a state folder of its own and another \
         --name, or end that one",
        taken.by
    );
    let message = Some(&*message);
    Refusal { code: Refusal::NAME_TAKEN, stage: Refusal::HELLO, message }.put(out);
}

/// Tells a runner elsewhere so, and counts it.
pub(super) async fn refuse_name(
    hub: &Hub,
    mut stream: impl AsyncWrite + Unpin,
    name: &str,
    taken: &NameTaken,
) -> io::Result<()> {
    hub.metrics.links_refused.with_label_values(&[name]).inc();
    let mut out = BytesMut::new();
    name_taken(&mut out, name, taken);
    let refusal = async {
        stream.write_all(&out).await?;
        stream.shutdown().await
    };
    tokio::time::timeout(REFUSAL, refusal).await?
}

fn write_order(out: &mut BytesMut, order: &Order) {
    let Order { app, child, kind, reason, stream, is_over } = order;
    let (app, child) = (app.as_str(), *child);
    if *kind == Kind::Withdraw {
        return Withdraw { app, child, last: *stream }.put(out);
    }
    let stream = Some(*stream).filter(|stream| *stream > 0);
    Overdue { app, child, reason: Some(*reason), stream, is_over: *is_over }.put(out);
}

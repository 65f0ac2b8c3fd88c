//! Carries the streams of one link to the lanes of many children, rewriting ids and keeping windows.
//!
//! The runner holds the gateway's end of each lane here. It deliberately lacks HTTP: a request's head loses its `:app`
//! and is passed on as it is. A lane has one stream at a time; a stream of the link ends only when its child is free,
//! since that is when the gateway counts the slot as free.

mod alive;
mod job;
mod lane;
mod lane_io;
mod outbox;
#[cfg(test)]
mod tests;

use std::{
    cell::RefCell,
    collections::BTreeMap,
    os::fd::OwnedFd,
    rc::Rc,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use ostler_wire::{
    Event, Frame, Header, Kind, Reset, Streams, WINDOW, WireError,
    message::{Credit, Message as _, split_app},
    put_frame,
};
use tokio::sync::Notify;

use self::lane::{BodyEnd, Lane};
use super::heartbeat::Heartbeat;
use crate::{
    child_pool::{Awaited, ChildId},
    event::{self, ChildEvent, Events},
};

/// Bytes that wait for the link before lanes are no longer read.
const OUT_MAX: usize = 256 << 10;
/// Bytes that wait for the link before it counts as stuck.
const OUT_STUCK: usize = 8 << 20;

/// Work that is not answered for so long is asked about.
const QUIET: Duration = Duration::from_millis(250);

/// The relay, shared by the tasks of the link and of the lanes; all of them run on one thread.
#[derive(Debug)]
pub(crate) struct Relay {
    inner: RefCell<Inner>,
    /// Something waits to be written to the link.
    link_work: Notify,
    /// Everything was written to the link.
    link_empty: Notify,
    /// What waited was taken to be written.
    link_room: Notify,
    /// A child was given a request.
    work_begun: Notify,
    events: Events,
}

#[derive(Debug, Default)]
struct Inner {
    link: Option<LinkSide>,
    lanes: BTreeMap<ChildId, Lane>,
    /// The slots of each app that the gateway was told.
    told: BTreeMap<Rc<str>, u32>,
    /// Counts assignments, to find the child that worked last.
    turns: u64,
    /// Links so far.
    links: u64,
}

/// One connection to the gateway.
#[derive(Debug)]
struct LinkSide {
    number: u64,
    streams: Streams,
    heartbeat: Heartbeat,
    out: BytesMut,
    /// Who works on which stream.
    jobs: BTreeMap<u32, ChildId>,
}

impl Relay {
    pub(crate) fn new(events: Events) -> Rc<Self> {
        let [link_work, link_empty, link_room, work_begun] = std::array::from_fn(|_| Notify::new());
        let inner = RefCell::default();
        Rc::new(Self { inner, link_work, link_empty, link_room, work_begun, events })
    }

    /// Takes a READY child's lane into service.
    pub(crate) fn attach(
        self: &Rc<Self>,
        id: ChildId,
        app: Rc<str>,
        streams: u32,
        lane: OwnedFd,
    ) -> std::io::Result<()> {
        let (reader, writer) = lane_io::open(lane)?;
        let lane = Lane::new(app.clone(), streams);
        let signals = (lane.wake.clone(), lane.ended.clone());
        self.inner.borrow_mut().lanes.insert(id, lane);
        lane_io::start(self, id, reader, writer, signals);
        self.with(|inner| inner.tell_credit(&app));
        Ok(())
    }

    /// Gives a child nothing more. The gateway hears first that there is a slot less.
    pub(crate) fn retire(&self, id: ChildId) {
        self.with(|inner| {
            let Some(lane) = inner.lanes.get_mut(&id) else { return };
            lane.serving = false;
            let app = lane.app.clone();
            inner.tell_credit(&app);
        });
    }

    /// A child's process is gone. Its lane mostly ends by itself; another process may hold it open.
    pub(crate) fn child_ended(&self, id: ChildId) {
        if let Some(lane) = self.inner.borrow().lanes.get(&id) {
            lane.ended.notify_one();
        }
    }

    /// Children, and the streams on their lanes, that were given work a while ago and have not answered, or have and are not free again.
    pub(crate) fn unanswered(&self) -> Vec<(ChildId, Awaited)> {
        let inner = self.inner.borrow();
        let jobs = inner.lanes.iter().filter_map(|(id, lane)| Some((*id, lane.job.as_ref()?)));
        let late = jobs.filter(|(_, job)| job.awaited.is_some_and(|at| at.elapsed() >= QUIET));
        let late = late.map(|(id, job)| (id, Awaited { stream: job.lane, is_over: job.is_over }));
        let unheard = inner.lanes.iter().filter_map(|(id, lane)| Some((*id, lane.unheard?)));
        late.chain(unheard.map(|(id, stream)| (id, Awaited { stream, is_over: false }))).collect()
    }

    /// Whether no child has a request, so that none can be late.
    pub(crate) fn is_idle(&self) -> bool {
        self.inner.borrow().lanes.values().all(|lane| lane.job.is_none() && lane.unheard.is_none())
    }

    /// Waits until a child was given a request since this was last asked.
    pub(crate) async fn work_begun(&self) {
        self.work_begun.notified().await;
    }

    /// A gateway answered: all slots are its. Returns the number of its link.
    pub(super) fn link_up(&self) -> u64 {
        self.with(|inner| {
            inner.links += 1;
            let (number, streams) = (inner.links, Streams::answerer(Some(WINDOW)));
            let (out, jobs) = (BytesMut::new(), BTreeMap::new());
            let heartbeat = Heartbeat::new(Instant::now());
            inner.link = Some(LinkSide { number, streams, heartbeat, out, jobs });
            inner.told.clear();
            let apps: Vec<_> = inner.lanes.values().map(|lane| lane.app.clone()).collect();
            apps.iter().for_each(|app| inner.tell_credit(app));
            number
        })
    }

    /// Ends a link, unless another has taken its place.
    pub(crate) fn close(self: &Rc<Self>, number: u64) {
        if self.is_up(number) {
            self.link_down();
            // Its writer finds that it is gone.
            self.link_work.notify_one();
        }
    }

    /// The gateway is gone: nobody waits for what its children do.
    pub(super) fn link_down(self: &Rc<Self>) {
        let orphans = self.with(|inner| {
            inner.link = None;
            let working = inner.lanes.iter_mut().filter(|(_, lane)| lane.job.is_some());
            working
                .map(|(id, lane)| {
                    lane.cancel(Reset::ClientGone);
                    (*id, lane.orphan())
                })
                .collect::<Vec<_>>()
        });
        orphans.into_iter().for_each(|(id, stream)| self.tell(id, ChildEvent::Unwanted(stream)));
        self.link_empty.notify_waiters();
    }

    /// Queues a frame of the connection itself; `false` when the gateway is stuck or gone.
    pub(crate) fn send(&self, number: u64, frame: &Bytes) -> bool {
        self.with(|inner| {
            let Some(link) = inner.link.as_mut().filter(|it| it.number == number) else {
                return false;
            };
            link.out.extend_from_slice(frame);
            link.out.len() < OUT_STUCK
        })
    }

    /// Whether this link is the present one.
    pub(crate) fn is_up(&self, number: u64) -> bool {
        self.inner.borrow().link.as_ref().is_some_and(|link| link.number == number)
    }

    /// Whether the link keeps up with what is queued for it.
    pub(crate) fn has_room(&self, number: u64) -> bool {
        let inner = self.inner.borrow();
        let link = inner.link.as_ref().filter(|it| it.number == number);
        link.is_some_and(|link| link.out.len() < OUT_MAX)
    }

    /// Waits until what waited was taken to be written.
    pub(crate) async fn room(&self) {
        self.link_room.notified().await;
    }

    /// Waits until everything was written, or cannot be any more.
    pub(crate) async fn flush(&self, number: u64) {
        loop {
            let empty = self.link_empty.notified();
            let is_over = |link: &LinkSide| link.number != number || link.out.is_empty();
            if self.inner.borrow().link.as_ref().is_none_or(is_over) {
                return;
            }
            empty.await;
        }
    }

    /// What is to be written to the link; waits until there is something. `None`: the link is gone.
    pub(super) async fn take_out(&self) -> Option<BytesMut> {
        loop {
            let work = self.link_work.notified();
            {
                let mut inner = self.inner.borrow_mut();
                let out = std::mem::take(&mut inner.link.as_mut()?.out);
                if !out.is_empty() {
                    // There is room again for whoever waited for it.
                    inner.lanes.values().for_each(|lane| lane.room.notify_one());
                    self.link_room.notify_one();
                    return Some(out);
                }
            }
            self.link_empty.notify_waiters();
            work.await;
        }
    }

    /// Takes a frame of the gateway. One of the connection itself is given back.
    pub(super) fn handle_link(
        self: &Rc<Self>,
        received: Frame,
    ) -> Result<Option<Frame>, WireError> {
        let stream = received.header.stream;
        let mut overdue = None;
        let passed = self.with(|inner| {
            let Some(link) = &mut inner.link else { return Ok(None) };
            match link.streams.handle(&received)? {
                Event::Opened { ended } => {
                    inner.open(&received, ended)?;
                    self.work_begun.notify_one();
                }
                Event::Deliver { ended } => inner.pass_body(&received, ended),
                // Also of a stream that has ended while its child is not free yet.
                Event::Closed | Event::Late if received.header.kind == Kind::Reset => {
                    overdue = inner.cancel(stream, received.header.code);
                }
                Event::Credited => {
                    if let Some(lane) = inner.lane_of(stream) {
                        lane.room.notify_one();
                    }
                }
                Event::Closed | Event::Late | Event::Free { .. } | Event::GoAway { .. } => {}
                Event::Connection => return Ok(Some(received)),
            }
            Ok(None)
        });
        if let Some((id, working_on)) = overdue {
            // Its owner watches whether the child lets go.
            self.tell(id, ChildEvent::Unwanted(working_on));
        }
        passed
    }

    /// Works on the state, then wakes the link's writer if that left it something.
    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        let mut inner = self.inner.borrow_mut();
        let result = work(&mut inner);
        if inner.link.as_ref().is_none_or(|link| !link.out.is_empty()) {
            self.link_work.notify_one();
        }
        result
    }

    /// Tells the owner of state about a child.
    fn tell(&self, id: ChildId, event: ChildEvent) {
        let events = self.events.clone();
        tokio::task::spawn_local(async move {
            // The owner is gone only when the runner ends.
            let _ = events.send(event::Event::Child(id, event)).await;
        });
    }
}

impl Inner {
    fn lane_of(&mut self, stream: u32) -> Option<&mut Lane> {
        let id = self.link.as_ref()?.jobs.get(&stream)?;
        self.lanes.get_mut(id)
    }

    /// Gives a request to a free child of its app, the one that worked last; or says that it was not started.
    fn open(&mut self, request: &Frame, ended: bool) -> Result<(), WireError> {
        let stream = request.header.stream;
        let (app, head) = split_app(&request.head).ok_or(WireError::OddHead)?;
        let link = self.link.as_mut().expect("the caller has just read from it");
        let free = self.lanes.iter_mut().filter(|(_, lane)| lane.is_free_for(app));
        let started = free.max_by_key(|(_, lane)| lane.turn).and_then(|(id, lane)| {
            self.turns += 1;
            lane.turn = self.turns;
            lane.start(request, head, ended).then_some(*id)
        });
        match started {
            Some(id) => drop(link.jobs.insert(stream, id)),
            None => link.reset(stream, Reset::NotStarted, 0, b""),
        }
        Ok(())
    }

    fn pass_body(&mut self, piece: &Frame, ended: bool) {
        let end = match (ended, piece.header.kind) {
            (false, _) => None,
            (true, Kind::Trail) => Some(BodyEnd::Trailers(piece.head.clone())),
            (true, _) => Some(BodyEnd::Plain),
        };
        // Without a lane the child has answered already; the gateway's RESET is on its way.
        if let Some(lane) = self.lane_of(piece.header.stream) {
            lane.queue_body(&piece.body, end);
        }
    }

    /// The gateway gave a stream up. Its slot stays taken until the child is free.
    /// Answers the child and its stream when its owner is to see to it.
    fn cancel(&mut self, stream: u32, code: u16) -> Option<(ChildId, u32)> {
        let id = *self.link.as_ref()?.jobs.get(&stream)?;
        let lane = self.lanes.get_mut(&id)?;
        let reason = Reset::from_code(code).unwrap_or(Reset::ClientGone);
        let working_on = lane.job.as_ref()?.lane;
        lane.cancel(reason);
        // A client that left is no reason to kill what may be in the middle of a transaction.
        (reason == Reset::Deadline).then_some((id, working_on))
    }

    /// Tells the gateway how many slots an app has, when that changed.
    fn tell_credit(&mut self, app: &Rc<str>) {
        let Some(link) = &mut self.link else { return };
        let counted = self.lanes.values().filter(|lane| lane.app == *app && lane.is_slot()).count();
        let slots = u32::try_from(counted).unwrap_or(u32::MAX);
        if self.told.insert(app.clone(), slots) != Some(slots) {
            Credit { app, slots: slots.into() }.put(&mut link.out);
        }
    }
}

impl LinkSide {
    /// Ends a stream by RESET. With HOLD its child is not free yet.
    fn reset(&mut self, stream: u32, reason: Reset, hold: u8, detail: &[u8]) {
        if hold == 0 {
            self.jobs.remove(&stream);
        }
        self.streams.reset(stream);
        put_frame(&mut self.out, header(Kind::Reset, hold, reason as u16, stream), detail);
    }
}

fn header(kind: Kind, flags: u8, code: u16, stream: u32) -> Header {
    Header { len: 0, kind, flags, code, stream, aux: 0 }
}

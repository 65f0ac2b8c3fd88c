//! One budget of descriptors over all doors.
//!
//! Each door has a part that the others cannot take, and may have what these do not use. A door that is full lets go of the
//! connection on which nothing was asked for the longest, from the address that has most of them, and takes the new one:
//! silent connections, however many, keep nobody out. When all are at work, whoever has most gives one up to whoever has less, the
//! one on which nothing has moved for the longest. So somebody is sent away only when all have equally many.

mod seat;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering::Relaxed},
    time::Duration,
};

use ostler_machine::peer::Peer;
pub(crate) use seat::Seat;
use seat::{Holder, OpenRequests};
use tokio::sync::Notify;

/// Where a connection came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Door {
    /// Clients of the apps.
    Web,
    /// Clients of the API.
    Api,
    /// Who says that he is a runner.
    Greeting,
    /// Runners.
    Runner,
}

const DOORS: usize = 4;
/// Connections that may be on their way out before another one is accepted.
const LEAVING_MAX: usize = 8;
/// The longest that they are waited for.
const BREATH: Duration = Duration::from_millis(100);
/// Seats that are looked at for the one that is to leave: more would find one that is hardly better.
const LOOKS_MAX: usize = 64;
/// Greetings under way, at most.
const GREETINGS_MAX: usize = 128;

/// The parts of a process that may open so many files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parts {
    /// Sockets of all doors together.
    sockets: usize,
    reserved: [usize; DOORS],
    max: [usize; DOORS],
    /// Spool files.
    pub(crate) spool: usize,
}

impl Parts {
    /// `files`: what the process may open; `web`: client connections at most.
    pub(crate) fn of(files: usize, web: usize) -> Self {
        // Listeners, lanes, the store, logs, spool files.
        let own = (files / 3).clamp(64, 8192);
        let sockets = files.saturating_sub(own).max(16);
        let small = (sockets / 8).clamp(2, 256);
        let rest = sockets - 3 * small;
        Self {
            sockets,
            reserved: [(rest * 3 / 4).min(web), small, small, small],
            max: [web, sockets / 2, GREETINGS_MAX.min(sockets / 4), sockets / 2],
            spool: own / 2,
        }
    }
}

impl Parts {
    /// Client connections at most, with what is kept for the other doors left out.
    pub(crate) fn web(&self) -> usize {
        self.sockets - self.reserved[1..].iter().sum::<usize>()
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Doors {
    parts: Parts,
    asked: [Arc<OpenRequests>; DOORS],
    inner: Mutex<Inner>,
    /// A connection is gone whose going somebody may wait for.
    gone: Notify,
}

/// What a client has at a door.
#[derive(Debug)]
struct Seats {
    holder: Arc<Holder>,
    open: BTreeMap<u64, Arc<Seat>>,
}

type Size = (bool, Reverse<usize>, Peer);

impl Seats {
    fn size(&self, peer: Peer) -> Size {
        (self.holder.many, Reverse(self.open.len()), peer)
    }

    /// The seat on which nothing has moved for the longest, of those that may be told to leave.
    fn longest(&self, may: impl Fn(&Seat) -> bool) -> Option<Arc<Seat>> {
        let some = self.open.values().filter(|seat| !seat.is_told_to_leave() && may(seat));
        // Of those of the same moment the first.
        some.take(LOOKS_MAX).min_by_key(|seat| seat.moved_at()).cloned()
    }
}

#[derive(Debug, Default)]
struct Inner {
    open: [usize; DOORS],
    peers: [BTreeMap<Peer, Seats>; DOORS],
    /// Whoever has most comes first, listed proxies last.
    by_size: [BTreeSet<Size>; DOORS],
    /// Told to leave, and not gone yet.
    leaving: [usize; DOORS],
    next: u64,
    cut: u64,
    refused: u64,
}

impl Doors {
    /// `requests`: under way at the web's door, at most.
    pub(crate) fn new(parts: Parts, requests: usize) -> Arc<Self> {
        let unbounded = || OpenRequests::at_most(usize::MAX);
        let asked = [OpenRequests::at_most(requests), unbounded(), unbounded(), unbounded()];
        Arc::new(Self { parts, asked, inner: Mutex::default(), gone: Notify::new() })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connections of a door.
    pub(crate) fn len(&self, door: Door) -> usize {
        self.lock().open[door as usize]
    }

    /// Requests under way at a door.
    pub(crate) fn requests(&self, door: Door) -> usize {
        self.asked[door as usize].requests()
    }

    /// Connections that made room for others, and those that found none.
    pub(crate) fn turned_away(&self) -> (u64, u64) {
        let inner = self.lock();
        (inner.cut, inner.refused)
    }

    /// Waits until a door has no connection.
    pub(crate) async fn emptied(&self, door: Door) {
        self.until(|inner| inner.open[door as usize] == 0).await;
    }

    /// Lets those that were told to leave go first: a burst must not be taken faster than room is made. Some take their time.
    pub(crate) async fn breathe(&self) {
        let few = self.until(|inner| inner.leaving.iter().sum::<usize>() < LEAVING_MAX);
        let _ = tokio::time::timeout(BREATH, few).await;
    }

    /// Waits until something is so that a connection's going can bring about.
    async fn until(&self, is_so: impl Fn(&Inner) -> bool) {
        loop {
            let gone = self.gone.notified();
            if is_so(&self.lock()) {
                return;
            }
            gone.await;
        }
    }

    /// A place for one more connection, until it is dropped; `None`: all are at work, and nobody has more than this client.
    pub(crate) fn enter(self: &Arc<Self>, door: Door, from: IpAddr) -> Option<Place> {
        self.enter_as(door, from, false)
    }

    /// The same; `many`: it is a listed proxy's, which stands for many clients.
    pub(crate) fn enter_as(
        self: &Arc<Self>,
        door: Door,
        from: IpAddr,
        many: bool,
    ) -> Option<Place> {
        let peer = Peer::of(from);
        let mut inner = self.lock();
        if !inner.makes_room((&self.parts, &self.asked), door, peer, many) {
            inner.refused += 1;
            return None;
        }
        let id = inner.next;
        inner.next += 1;
        let asked = self.asked[door as usize].clone();
        let seat = inner.seat(door, peer, id, |holder| {
            Arc::new(Seat::new(holder.unwrap_or_else(|| Holder::new(many)), asked))
        });
        Some(Place { doors: self.clone(), door, peer, id, seat })
    }
}

impl Inner {
    fn has_room(&self, parts: &Parts, door: Door) -> bool {
        let own = self.open[door as usize] - self.leaving[door as usize];
        if own >= parts.max[door as usize] {
            return false;
        }
        let kept = |other: usize| match other == door as usize {
            true => own + 1,
            false => self.open[other].max(parts.reserved[other]),
        };
        own < parts.reserved[door as usize] || (0..DOORS).map(kept).sum::<usize>() <= parts.sockets
    }

    /// Whether there is room for one more, maybe since others are told to leave. Some stay all the same, since they are asked something
    /// just then; so those that are idle go until all of that is made up for. One at work is taken away for one that comes.
    fn makes_room(
        &mut self,
        (parts, asked): (&Parts, &[Arc<OpenRequests>; DOORS]),
        door: Door,
        peer: Peer,
        many: bool,
    ) -> bool {
        while !self.has_room(parts, door) {
            if !self.let_go(door, &asked[door as usize]) {
                return self.cut_busy(door, peer, many);
            }
        }
        true
    }

    /// Tells the connection that is idle for the longest to leave, from the address with most that has an idle one.
    fn let_go(&mut self, door: Door, asked: &OpenRequests) -> bool {
        if asked.busy.load(Relaxed) >= self.open[door as usize] {
            return false;
        }
        let peers = &self.peers[door as usize];
        let idle = |(_, _, peer): &Size| {
            let seats = &peers[peer];
            // Most have none when a door is full of those at work.
            let any = seats.holder.busy.load(Relaxed) < seats.open.len();
            any.then(|| seats.longest(Seat::is_idle)).flatten()
        };
        let seat = self.by_size[door as usize].iter().find_map(idle);
        self.tell_to_leave(door, seat, false)
    }

    /// Takes a place from whoever has most, for one who will have less even then.
    fn cut_busy(&mut self, door: Door, asker: Peer, many: bool) -> bool {
        let peers = &self.peers[door as usize];
        let own = match many {
            true => 0,
            false => peers.get(&asker).map_or(0, |seats| seats.open.len()),
        };
        let Some((false, Reverse(most), peer)) = self.by_size[door as usize].first() else {
            return false;
        };
        let seat = if *most > own + 1 { peers[peer].longest(|_| true) } else { None };
        self.tell_to_leave(door, seat, true)
    }

    fn tell_to_leave(&mut self, door: Door, seat: Option<Arc<Seat>>, at_once: bool) -> bool {
        let Some(seat) = seat else { return false };
        seat.tell_to_leave(at_once);
        self.cut += 1;
        self.leaving[door as usize] += 1;
        true
    }

    /// Notes a seat that is made for, or moved to, a client.
    fn seat(
        &mut self,
        door: Door,
        peer: Peer,
        id: u64,
        make: impl FnOnce(Option<Arc<Holder>>) -> Arc<Seat>,
    ) -> Arc<Seat> {
        self.open[door as usize] += 1;
        let by_size = &mut self.by_size[door as usize];
        let peers = &mut self.peers[door as usize];
        let seat = make(peers.get(&peer).map(|seats| seats.holder.clone()));
        let seats = peers
            .entry(peer)
            .or_insert_with(|| Seats { holder: seat.of.clone(), open: BTreeMap::new() });
        by_size.remove(&seats.size(peer));
        seats.open.insert(id, seat.clone());
        by_size.insert(seats.size(peer));
        seat
    }

    fn remove(&mut self, door: Door, peer: Peer, id: u64) {
        self.open[door as usize] -= 1;
        let by_size = &mut self.by_size[door as usize];
        let peers = &mut self.peers[door as usize];
        if let Some(seats) = peers.get_mut(&peer) {
            by_size.remove(&seats.size(peer));
            let told = seats.open.remove(&id).is_some_and(|seat| seat.is_told_to_leave());
            let leaving = &mut self.leaving[door as usize];
            *leaving = leaving.saturating_sub(usize::from(told));
            if seats.open.is_empty() {
                peers.remove(&peer);
            } else {
                by_size.insert(seats.size(peer));
            }
        }
    }
}

/// A connection's place among the open ones.
#[derive(Debug)]
pub(crate) struct Place {
    doors: Arc<Doors>,
    door: Door,
    peer: Peer,
    id: u64,
    pub(crate) seat: Arc<Seat>,
}

impl Place {
    /// It is a runner: it keeps nobody off who has yet to say so.
    pub(crate) fn is_runner(&mut self) {
        let mut inner = self.doors.lock();
        inner.remove(self.door, self.peer, self.id);
        self.door = Door::Runner;
        self.seat.stays_busy();
        self.seat.stays();
        let seat = self.seat.clone();
        inner.seat(self.door, self.peer, self.id, |_| seat);
    }

    fn stays(&self) {
        let mut inner = self.doors.lock();
        let told = self.seat.stays();
        let leaving = &mut inner.leaving[self.door as usize];
        *leaving = leaving.saturating_sub(usize::from(told));
        drop(inner);
        self.doors.gone.notify_waiters();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.doors.lock().remove(self.door, self.peer, self.id);
        self.doors.gone.notify_waiters();
    }
}

#[cfg(test)]
mod tests;

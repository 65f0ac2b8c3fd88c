//! One budget of descriptors over all doors.
//!
//! Each door has a part that the others cannot take, and may have what these do not use. A door that is full lets go of the
//! connection on which nothing was asked for the longest, from the address that has most of them, and takes the new one:
//! silent connections, however many, keep nobody out. Only when all are at work somebody is sent away.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
};

use ostler_job::{Mono, Span};
use tokio::sync::Notify;

use crate::{clock, peer::Peer};

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
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    open: [usize; DOORS],
    peers: [BTreeMap<Peer, BTreeMap<u64, Arc<Seat>>>; DOORS],
    /// Told to leave, and not gone yet.
    leaving: usize,
    next: u64,
    cut: u64,
    refused: u64,
}

/// What is known of a connection while it is open.
#[derive(Debug)]
pub(crate) struct Seat {
    requests: AtomicUsize,
    busy_at: AtomicU64,
    told_to_leave: AtomicBool,
    leave: Notify,
}

impl Default for Seat {
    fn default() -> Self {
        Self {
            requests: AtomicUsize::new(0),
            busy_at: AtomicU64::new(clock::now().0),
            told_to_leave: AtomicBool::new(false),
            leave: Notify::new(),
        }
    }
}

impl Seat {
    /// A request begins.
    pub(crate) fn enter(&self) {
        self.requests.fetch_add(1, Relaxed);
    }

    /// A request has ended.
    pub(crate) fn leave(&self, now: Mono) {
        self.busy_at.store(now.0, Relaxed);
        self.requests.fetch_sub(1, Relaxed);
    }

    /// How long nothing has been asked; `None` while something is.
    pub(crate) fn idle(&self) -> Option<Span> {
        let idle = || clock::now() - Mono(self.busy_at.load(Relaxed));
        (self.requests.load(Relaxed) == 0).then(idle)
    }

    /// Waits until another connection needs this one's place.
    pub(crate) async fn told_to_leave(&self) {
        self.leave.notified().await;
    }
}

impl Doors {
    pub(crate) fn new(parts: Parts) -> Arc<Self> {
        Arc::new(Self { parts, inner: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connections of a door.
    pub(crate) fn len(&self, door: Door) -> usize {
        self.lock().open[door as usize]
    }

    /// Connections that made room for others, and those that found none.
    pub(crate) fn turned_away(&self) -> (u64, u64) {
        let inner = self.lock();
        (inner.cut, inner.refused)
    }

    /// Lets those that were told to leave go first: a burst must not be taken faster than room is made.
    pub(crate) async fn breathe(&self) {
        let mut turns = 0;
        while turns < 100 && self.lock().leaving >= LEAVING_MAX {
            turns += 1;
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }

    /// A place for one more connection, until it is dropped; `None`: all are at work.
    pub(crate) fn enter(self: &Arc<Self>, door: Door, from: IpAddr) -> Option<Place> {
        let peer = Peer::of(from);
        let mut inner = self.lock();
        if !inner.has_room(&self.parts, door) && !inner.let_go(door) {
            inner.refused += 1;
            return None;
        }
        Some(self.seat(&mut inner, door, peer))
    }

    fn seat(self: &Arc<Self>, inner: &mut Inner, door: Door, peer: Peer) -> Place {
        let id = inner.next;
        inner.next += 1;
        let seat = Arc::new(Seat::default());
        inner.open[door as usize] += 1;
        inner.peers[door as usize].entry(peer).or_default().insert(id, seat.clone());
        Place { doors: self.clone(), door, peer, id, seat }
    }
}

impl Inner {
    fn has_room(&self, parts: &Parts, door: Door) -> bool {
        let own = self.open[door as usize];
        if own >= parts.max[door as usize] {
            return false;
        }
        let kept = |other: usize| match other == door as usize {
            true => own + 1,
            false => self.open[other].max(parts.reserved[other]),
        };
        own < parts.reserved[door as usize] || (0..DOORS).map(kept).sum::<usize>() <= parts.sockets
    }

    /// Tells the connection that is idle for the longest to leave, from the address with most that has an idle one.
    fn let_go(&mut self, door: Door) -> bool {
        let peers = &self.peers[door as usize];
        let longest = |seats: &BTreeMap<u64, Arc<Seat>>| {
            let idle = seats.values().filter(|seat| !seat.told_to_leave.load(Relaxed));
            let idle = idle.filter(|seat| seat.requests.load(Relaxed) == 0);
            // Of those that came in the same moment the first.
            idle.min_by_key(|seat| seat.busy_at.load(Relaxed)).cloned()
        };
        let mut by_size: Vec<_> = peers.values().collect();
        by_size.sort_unstable_by_key(|seats| std::cmp::Reverse(seats.len()));
        let Some(seat) = by_size.into_iter().find_map(longest) else { return false };
        seat.told_to_leave.store(true, Relaxed);
        seat.leave.notify_one();
        self.cut += 1;
        self.leaving += 1;
        true
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
        self.seat.enter();
        inner.open[self.door as usize] += 1;
        let seats = inner.peers[self.door as usize].entry(self.peer).or_default();
        seats.insert(self.id, self.seat.clone());
    }
}

impl Inner {
    fn remove(&mut self, door: Door, peer: Peer, id: u64) {
        self.open[door as usize] -= 1;
        let peers = &mut self.peers[door as usize];
        if let Some(seats) = peers.get_mut(&peer) {
            let gone = seats.remove(&id);
            let told = gone.is_some_and(|seat| seat.told_to_leave.load(Relaxed));
            self.leaving = self.leaving.saturating_sub(usize::from(told));
            if seats.is_empty() {
                peers.remove(&peer);
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.doors.lock().remove(self.door, self.peer, self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    fn left(place: &Place) -> bool {
        place.seat.told_to_leave.load(Relaxed)
    }

    #[test]
    fn silent_connections_of_one_door_keep_nobody_out_of_it_or_of_another() {
        for files in [64, 256, 1024] {
            let parts = Parts::of(files, 16_384);
            let doors = Doors::new(parts);
            for door in [Door::Web, Door::Api, Door::Greeting] {
                let silent: Vec<_> = (0..files * 2).map(|_| doors.enter(door, from(1))).collect();
                assert!(silent.iter().all(Option::is_some));
                let kept = silent.iter().flatten().filter(|place| !left(place)).count();
                assert!(kept < files - parts.spool, "{kept} of {files} files at {door:?}");
                for other in [Door::Web, Door::Api, Door::Greeting] {
                    let place = doors.enter(other, from(1)).unwrap();
                    assert!(!left(&place));
                }
                let at_work = doors.enter(Door::Api, from(2)).unwrap();
                at_work.seat.enter();
                drop(silent);
            }
        }
    }

    #[test]
    fn whoever_has_most_silent_connections_loses_the_oldest_and_those_at_work_stay() {
        let doors = Doors::new(Parts::of(96, 10));
        let busy: Vec<_> = (0..4).map(|_| doors.enter(Door::Web, from(1)).unwrap()).collect();
        busy.iter().for_each(|place| place.seat.enter());
        let many: Vec<_> = (0..5).map(|_| doors.enter(Door::Web, from(2)).unwrap()).collect();
        let one = doors.enter(Door::Web, from(3)).unwrap();
        let late = doors.enter(Door::Web, from(4)).unwrap();
        let gone: Vec<_> = many.iter().map(left).collect();
        assert_eq!(gone, [true, false, false, false, false]);
        assert!(![&one, &late].into_iter().chain(&busy).any(left));
        assert_eq!(doors.turned_away(), (1, 0));
    }

    #[test]
    fn only_when_all_are_at_work_somebody_is_sent_away() {
        let doors = Doors::new(Parts::of(1000, 3));
        let busy: Vec<_> = (0..3).map(|n| doors.enter(Door::Web, from(n)).unwrap()).collect();
        busy.iter().for_each(|place| place.seat.enter());
        assert!(doors.enter(Door::Web, from(9)).is_none());
        busy[1].seat.leave(clock::now());
        assert!(doors.enter(Door::Web, from(9)).is_some());
        assert!(left(&busy[1]));
        drop(busy);
        assert_eq!(doors.len(Door::Web), 0);
    }

    #[test]
    fn a_runner_makes_room_for_the_next_greeting() {
        let doors = Doors::new(Parts::of(256, 100));
        let mut runners = Vec::new();
        for _ in 0..40 {
            let mut place = doors.enter(Door::Greeting, from(1)).unwrap();
            assert!(runners.iter().all(|runner| !left(runner)));
            place.is_runner();
            runners.push(place);
        }
        assert_eq!((doors.len(Door::Greeting), doors.len(Door::Runner)), (0, 40));
    }
}

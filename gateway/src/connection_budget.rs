//! The limit of connections, as nginx has it in `worker_connections`: one budget of descriptors over all listeners, and which connection
//! is evicted for a new one.
//!
//! Each class of connections has a share that the others cannot take, and may have what these do not use. A class that is full evicts the
//! connection that has been idle for the longest, from the address that has most of them, and takes the new one:
//! silent connections, however many, keep nobody out. When all are at work, whoever has most gives one up to whoever has less, the
//! one on which nothing has moved for the longest. So somebody is sent away only when all have equally many.

mod activity;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering::Relaxed},
    time::Duration,
};

pub(crate) use activity::Activity;
use activity::{ClientLoad, OpenRequests};
use ostler_machine::peer::Peer;
use tokio::sync::Notify;

/// What a connection is for; each class has a share of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ConnectionClass {
    /// Clients of the apps.
    Web,
    /// Clients of the API.
    Api,
    /// Who says that he is a runner and has not proved it yet.
    Greeting,
    /// Runners.
    Runner,
}

const CLASSES: usize = 4;
/// Evicted connections that may be on their way out before another one is accepted.
const LEAVING_MAX: usize = 8;
/// The longest that they are waited for.
const EVICTION_WAIT: Duration = Duration::from_millis(100);
/// Connections that are looked at for the one that is evicted: more would find one that is hardly better.
const CANDIDATES_MAX: usize = 64;
/// Greetings under way, at most.
const GREETINGS_MAX: usize = 128;

/// The shares of a process that may open so many files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DescriptorShares {
    /// Sockets of all classes together.
    sockets: usize,
    reserved: [usize; CLASSES],
    max: [usize; CLASSES],
    /// Spool files.
    pub(crate) spool: usize,
}

impl DescriptorShares {
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

impl DescriptorShares {
    /// Client connections at most, with what is kept for the other classes left out.
    pub(crate) fn web(&self) -> usize {
        self.sockets - self.reserved[1..].iter().sum::<usize>()
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct ConnectionBudget {
    parts: DescriptorShares,
    asked: [Arc<OpenRequests>; CLASSES],
    inner: Mutex<Inner>,
    /// A connection is gone whose going somebody may wait for.
    gone: Notify,
}

/// The connections of one client in a class.
#[derive(Debug)]
struct ClientConnections {
    load: Arc<ClientLoad>,
    open: BTreeMap<u64, Arc<Activity>>,
}

type Size = (bool, Reverse<usize>, Peer);

impl ClientConnections {
    fn size(&self, peer: Peer) -> Size {
        (self.load.many, Reverse(self.open.len()), peer)
    }

    /// The connection on which nothing has moved for the longest, of those that may be evicted.
    fn longest(&self, may: impl Fn(&Activity) -> bool) -> Option<Arc<Activity>> {
        let some = self.open.values().filter(|activity| !activity.is_evicted() && may(activity));
        // Of those of the same moment the first.
        some.take(CANDIDATES_MAX).min_by_key(|activity| activity.moved_at()).cloned()
    }
}

#[derive(Debug, Default)]
struct Inner {
    open: [usize; CLASSES],
    peers: [BTreeMap<Peer, ClientConnections>; CLASSES],
    /// Whoever has most comes first, listed proxies last.
    by_size: [BTreeSet<Size>; CLASSES],
    /// Evicted, and not gone yet.
    leaving: [usize; CLASSES],
    next: u64,
    cut: u64,
    refused: u64,
}

impl ConnectionBudget {
    /// `requests`: in flight of the class web, at most.
    pub(crate) fn new(parts: DescriptorShares, requests: usize) -> Arc<Self> {
        let unbounded = || OpenRequests::at_most(usize::MAX);
        let asked = [OpenRequests::at_most(requests), unbounded(), unbounded(), unbounded()];
        Arc::new(Self { parts, asked, inner: Mutex::default(), gone: Notify::new() })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connections of a class.
    pub(crate) fn len(&self, class: ConnectionClass) -> usize {
        self.lock().open[class as usize]
    }

    /// Requests in flight of a class.
    pub(crate) fn requests(&self, class: ConnectionClass) -> usize {
        self.asked[class as usize].requests()
    }

    /// Connections that made room for others, and those that found none.
    pub(crate) fn turned_away(&self) -> (u64, u64) {
        let inner = self.lock();
        (inner.cut, inner.refused)
    }

    /// Waits until a class has no connection.
    pub(crate) async fn emptied(&self, class: ConnectionClass) {
        self.until(|inner| inner.open[class as usize] == 0).await;
    }

    /// Lets those that were evicted go first: a burst must not be taken faster than room is made. Some take their time.
    pub(crate) async fn await_evictions(&self) {
        let few = self.until(|inner| inner.leaving.iter().sum::<usize>() < LEAVING_MAX);
        let _ = tokio::time::timeout(EVICTION_WAIT, few).await;
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

    /// A permit for one more connection, until it is dropped; `None`: all are at work, and nobody has more than this client.
    pub(crate) fn enter(
        self: &Arc<Self>,
        class: ConnectionClass,
        from: IpAddr,
    ) -> Option<ConnectionPermit> {
        self.enter_as(class, from, false)
    }

    /// The same; `many`: it is a listed proxy's, which stands for many clients.
    pub(crate) fn enter_as(
        self: &Arc<Self>,
        class: ConnectionClass,
        from: IpAddr,
        many: bool,
    ) -> Option<ConnectionPermit> {
        let peer = Peer::of(from);
        let mut inner = self.lock();
        if !inner.makes_room((&self.parts, &self.asked), class, peer, many) {
            inner.refused += 1;
            return None;
        }
        let id = inner.next;
        inner.next += 1;
        let asked = self.asked[class as usize].clone();
        let activity = inner.track(class, peer, id, |load| {
            Arc::new(Activity::new(load.unwrap_or_else(|| ClientLoad::new(many)), asked))
        });
        Some(ConnectionPermit { connections: self.clone(), class, peer, id, activity })
    }
}

impl Inner {
    fn has_room(&self, parts: &DescriptorShares, class: ConnectionClass) -> bool {
        let own = self.open[class as usize] - self.leaving[class as usize];
        if own >= parts.max[class as usize] {
            return false;
        }
        let kept = |other: usize| match other == class as usize {
            true => own + 1,
            false => self.open[other].max(parts.reserved[other]),
        };
        own < parts.reserved[class as usize]
            || (0..CLASSES).map(kept).sum::<usize>() <= parts.sockets
    }

    /// Whether there is room for one more, maybe since others are evicted. Some stay all the same, since they are asked something
    /// just then; so those that are idle go until all of that is made up for. One at work is taken away for one that comes.
    fn makes_room(
        &mut self,
        (parts, asked): (&DescriptorShares, &[Arc<OpenRequests>; CLASSES]),
        class: ConnectionClass,
        peer: Peer,
        many: bool,
    ) -> bool {
        while !self.has_room(parts, class) {
            if !self.evict_idle(class, &asked[class as usize]) {
                return self.evict_busy(class, peer, many);
            }
        }
        true
    }

    /// Evicts the connection that is idle for the longest, from the address with most that has an idle one.
    fn evict_idle(&mut self, class: ConnectionClass, asked: &OpenRequests) -> bool {
        if asked.busy.load(Relaxed) >= self.open[class as usize] {
            return false;
        }
        let peers = &self.peers[class as usize];
        let idle = |(_, _, peer): &Size| {
            let client = &peers[peer];
            // Most have none when a class is full of those at work.
            let any = client.load.busy.load(Relaxed) < client.open.len();
            any.then(|| client.longest(Activity::is_idle)).flatten()
        };
        let activity = self.by_size[class as usize].iter().find_map(idle);
        self.evict(class, activity, false)
    }

    /// Takes a place from whoever has most, for one who will have less even then.
    fn evict_busy(&mut self, class: ConnectionClass, asker: Peer, many: bool) -> bool {
        let peers = &self.peers[class as usize];
        let own = match many {
            true => 0,
            false => peers.get(&asker).map_or(0, |client| client.open.len()),
        };
        let Some((false, Reverse(most), peer)) = self.by_size[class as usize].first() else {
            return false;
        };
        let activity = if *most > own + 1 { peers[peer].longest(|_| true) } else { None };
        self.evict(class, activity, true)
    }

    fn evict(
        &mut self,
        class: ConnectionClass,
        activity: Option<Arc<Activity>>,
        at_once: bool,
    ) -> bool {
        let Some(activity) = activity else { return false };
        activity.evict(at_once);
        self.cut += 1;
        self.leaving[class as usize] += 1;
        true
    }

    /// Counts a connection that is new, or has changed its class.
    fn track(
        &mut self,
        class: ConnectionClass,
        peer: Peer,
        id: u64,
        make: impl FnOnce(Option<Arc<ClientLoad>>) -> Arc<Activity>,
    ) -> Arc<Activity> {
        self.open[class as usize] += 1;
        let by_size = &mut self.by_size[class as usize];
        let peers = &mut self.peers[class as usize];
        let activity = make(peers.get(&peer).map(|client| client.load.clone()));
        let client = peers.entry(peer).or_insert_with(|| ClientConnections {
            load: activity.of.clone(),
            open: BTreeMap::new(),
        });
        by_size.remove(&client.size(peer));
        client.open.insert(id, activity.clone());
        by_size.insert(client.size(peer));
        activity
    }

    fn remove(&mut self, class: ConnectionClass, peer: Peer, id: u64) {
        self.open[class as usize] -= 1;
        let by_size = &mut self.by_size[class as usize];
        let peers = &mut self.peers[class as usize];
        if let Some(client) = peers.get_mut(&peer) {
            by_size.remove(&client.size(peer));
            let told = client.open.remove(&id).is_some_and(|activity| activity.is_evicted());
            let leaving = &mut self.leaving[class as usize];
            *leaving = leaving.saturating_sub(usize::from(told));
            if client.open.is_empty() {
                peers.remove(&peer);
            } else {
                by_size.insert(client.size(peer));
            }
        }
    }
}

/// One connection's part of the budget, given back by its drop.
#[derive(Debug)]
pub(crate) struct ConnectionPermit {
    connections: Arc<ConnectionBudget>,
    class: ConnectionClass,
    peer: Peer,
    id: u64,
    pub(crate) activity: Arc<Activity>,
}

impl ConnectionPermit {
    /// It is a runner: it keeps nobody off who has yet to say so.
    pub(crate) fn is_runner(&mut self) {
        let mut inner = self.connections.lock();
        inner.remove(self.class, self.peer, self.id);
        self.class = ConnectionClass::Runner;
        self.activity.stays_busy();
        self.activity.stays();
        let activity = self.activity.clone();
        inner.track(self.class, self.peer, self.id, |_| activity);
    }

    fn stays(&self) {
        let mut inner = self.connections.lock();
        let told = self.activity.stays();
        let leaving = &mut inner.leaving[self.class as usize];
        *leaving = leaving.saturating_sub(usize::from(told));
        drop(inner);
        self.connections.gone.notify_waiters();
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.connections.lock().remove(self.class, self.peer, self.id);
        self.connections.gone.notify_waiters();
    }
}

#[cfg(test)]
mod tests;

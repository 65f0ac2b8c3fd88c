//! A lane: the data socket of a child on this host, from hand-over to end.

use std::{
    collections::{HashMap, HashSet},
    os::{fd::OwnedFd, unix::net::UnixStream as StdStream},
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use ostler_job::Termination;
use ostler_notices::GatewayEvent;
use ostler_pool::{
    Pool,
    carrier::{Assignment, Carrier, Concurrency, Transport},
    drive::{CloseReason, drive},
    passing::{Failure, ProbeReason},
};
use ostler_wire::{
    Decoder, FRAME_MAX, Frame, Kind, Reset,
    message::{Lane, cap, has_cap},
};
use tokio::{net::UnixStream, sync::mpsc::UnboundedSender};

use super::hub::Hub;

/// From the end of a child to the end of a lane that somebody else holds open.
const LAST_READ: Duration = Duration::from_millis(100);

/// The lanes of one runner's children, so that it can take one out of service, and be told of an overdue child.
#[derive(Debug)]
pub(super) struct Lanes {
    by_child: Mutex<HashMap<(String, u64), Arc<Carrier>>>,
    /// Children that were retired before their lane was in service.
    retired_early: Mutex<HashSet<(String, u64)>>,
    orders: UnboundedSender<Order>,
}

/// A child that the runner should see to, and why.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) app: String,
    pub(super) child: u64,
    /// OVERDUE, or WITHDRAW.
    pub(super) kind: Kind,
    pub(super) reason: Reset,
    /// The stream that it is about, or the last; 0 for the child as a whole.
    pub(super) stream: u32,
    /// That stream has been answered.
    pub(super) is_over: bool,
}

/// More streams at once than this no child is given.
const STREAMS_MAX: u32 = 1 << 16;

/// What a child said of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Caps {
    /// It says what a run cost it when that was much.
    measures: bool,
    /// It gives back what waits behind a slow request. Without that nothing is sent ahead.
    gives_back: bool,
    /// How many streams at once it takes.
    streams: u32,
}

impl Caps {
    pub(super) fn of(lane: &Lane<'_>) -> Self {
        let streams = lane.streams.clamp(1, STREAMS_MAX);
        // Where nothing waits behind anything, nothing is given back.
        let gives_back = has_cap(lane.caps, cap::RECALL) && streams == 1;
        Self { measures: has_cap(lane.caps, cap::COST), gives_back, streams }
    }
}

impl Lanes {
    pub(super) fn new(orders: UnboundedSender<Order>) -> Self {
        Self { by_child: Mutex::default(), retired_early: Mutex::default(), orders }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(String, u64), Arc<Carrier>>> {
        self.by_child.lock().expect("no code panics while it holds the lanes")
    }

    /// Orders the runner to see to a carrier's child, if it is one of these.
    pub(super) fn order(&self, carrier: &Arc<Carrier>, reason: Reset, stream: u32) {
        self.order_by(Kind::Overdue, carrier, reason, (stream, false));
    }

    /// Orders the runner to look after a child of which nothing has been heard.
    pub(super) fn ask_about(&self, assignment: &Assignment, quiet: ProbeReason) {
        let about = (assignment.stream, quiet == ProbeReason::Over);
        self.order_by(Kind::Overdue, &assignment.carrier, Reset::Recall, about);
    }

    /// Asks for what the child has not begun, up to the stream.
    pub(super) fn ask_back(&self, carrier: &Arc<Carrier>, last: u32) {
        self.order_by(Kind::Withdraw, carrier, Reset::Recall, (last, false));
    }

    fn order_by(&self, kind: Kind, carrier: &Arc<Carrier>, reason: Reset, about: (u32, bool)) {
        if let Some((app, child)) = self.child_of(carrier) {
            // A link that is going away has no use for orders.
            let (stream, is_over) = about;
            let _ = self.orders.send(Order { app, child, kind, reason, stream, is_over });
        }
    }

    /// A child gave back streams of its lane.
    pub(super) fn withdrawn(&self, app: &str, child: u64, (from, to): (u32, u32)) {
        let carrier = self.lock().get(&(app.to_owned(), child)).cloned();
        if let Some(carrier) = carrier {
            carrier.give_back(from, to);
        }
    }

    /// A child's process is gone. Its lane mostly ends by itself, but another process may hold it open: then nothing more
    /// comes on it, once what was written has been read.
    pub(super) fn child_ended(self: &Arc<Self>, app: &str, child: u64) {
        let (lanes, key) = (self.clone(), (app.to_owned(), child));
        tokio::spawn(async move {
            tokio::time::sleep(LAST_READ).await;
            if let Some(carrier) = lanes.lock().get(&key) {
                carrier.abort();
            }
        });
    }

    /// Nothing more is given to the child; its lane closes when it is idle.
    pub(super) fn retire(&self, app: &str, child: u64) {
        let key = (app.to_owned(), child);
        match self.lock().get(&key) {
            Some(carrier) => carrier.retire(),
            None => {
                self.early().insert(key);
            }
        }
    }

    fn early(&self) -> std::sync::MutexGuard<'_, HashSet<(String, u64)>> {
        self.retired_early.lock().expect("no code panics while it holds the lanes")
    }

    /// A lane goes into service, unless its child was retired meanwhile.
    fn enter(&self, key: &(String, u64), carrier: &Arc<Carrier>) {
        let mut lanes = self.lock();
        lanes.insert(key.clone(), carrier.clone());
        if self.early().remove(key) {
            carrier.retire();
        }
    }

    /// The app and number of a carrier's child.
    fn child_of(&self, carrier: &Arc<Carrier>) -> Option<(String, u64)> {
        let lanes = self.lock();
        lanes.iter().find(|(_, c)| Arc::ptr_eq(c, carrier)).map(|(child, _)| child.clone())
    }
}

/// Puts a lane into service on the next thread.
pub(super) fn open(
    hub: &Arc<Hub>,
    lanes: &Arc<Lanes>,
    runner: &str,
    app: &str,
    child: u64,
    (lane, caps): (OwnedFd, Caps),
) {
    let Some(pool) = hub.pools.get(app).cloned() else { return };
    let (task_hub, lanes, runner) = (hub.clone(), lanes.clone(), runner.to_owned());
    let key = (app.to_owned(), child);
    hub.next_thread().spawn(async move {
        let stream = StdStream::from(lane);
        let stream = stream.set_nonblocking(true).and_then(|()| UnixStream::from_std(stream));
        match stream {
            Ok(stream) => serve(&task_hub, pool, &lanes, &runner, key, (stream, caps)).await,
            Err(error) => {
                let (app, child) = key;
                task_hub.notices.tell(GatewayEvent::Warning(format!(
                    "cannot use the lane of child {child} of app {app}: {error}"
                )));
                // A link that is going away has no use for orders.
                let (kind, reason) = (Kind::Overdue, Reset::ChildDied);
                let order = Order { app, child, kind, reason, stream: 0, is_over: false };
                let _ = lanes.orders.send(order);
            }
        }
    });
}

async fn serve(
    hub: &Arc<Hub>,
    pool: Arc<Pool>,
    lanes: &Lanes,
    runner: &str,
    key: (String, u64),
    (stream, caps): (UnixStream, Caps),
) {
    let (reader, writer) = stream.into_split();
    let label = format!("child {} of app {} on {runner}", key.1, key.0);
    let (transport, concurrency) = (Transport::Lane(writer), Concurrency::of(caps.streams));
    let carrier = Arc::new(Carrier::new(label, transport, concurrency, caps.measures));
    let supplier = Pool::next_supplier();
    carrier.set_supplier(&pool, supplier);
    lanes.enter(&key, &carrier);
    pool.supply(supplier, &carrier, super::host_id(runner), caps.streams, caps.gives_back);
    if carrier.is_retired() {
        pool.withdraw(supplier);
    }
    let over = drive(
        &carrier,
        Decoder::new(FRAME_MAX),
        reader,
        None::<tokio::io::Empty>,
        |ended, _: Vec<Frame>| {
            let has_ended = !ended.is_empty();
            pool.settle(ended, ostler_machine::clock::now());
            if has_ended && let Some(stream) = carrier.highest_overdue() {
                // When its time was up the board showed another one.
                lanes.order(&carrier, Reset::Deadline, stream);
            }
        },
    )
    .await;
    // However it ended, only the runner knows whether that was to be: a child that lives on without is of no use.
    let reason = match over {
        CloseReason::Broken(_) => Reset::Protocol,
        CloseReason::Closed | CloseReason::Failed(_) => Reset::ChildDied,
    };
    lanes.order(&carrier, reason, 0);
    {
        // A restarted child keeps its number only on another runner, so this is still our entry or a newer lane's.
        let mut lanes = lanes.lock();
        if lanes.get(&key).is_some_and(|c| Arc::ptr_eq(c, &carrier)) {
            lanes.remove(&key);
        }
    }
    let (unstarted, started) = carrier.close();
    let termination = match over {
        CloseReason::Broken(_) => Termination::Protocol,
        CloseReason::Closed | CloseReason::Failed(_) => Termination::ChildDied,
    };
    if let CloseReason::Broken(error) = &over {
        hub.notices.tell(GatewayEvent::Warning(format!("{}: {error}", carrier.label)));
    }
    if termination == Termination::ChildDied {
        started.iter().for_each(|job| job.child_died());
    }
    let detail = Bytes::from(format!("{}: {over}", carrier.label));
    pool.supply_gone(supplier, unstarted, started, &Failure { termination, detail });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_that_says_nothing_of_it_takes_one_stream_and_only_such_a_child_gives_back() {
        let of = |streams| {
            let caps = "log,recall";
            let caps = Caps::of(&Lane { app: "a", child: 1, pid: 1, generation: 1, caps, streams });
            (caps.streams, caps.gives_back)
        };
        assert_eq!([0, 1, 2, 100].map(of), [(1, true), (1, true), (2, false), (100, false)]);
        assert_eq!(of(u32::MAX), (STREAMS_MAX, false));
    }

    #[tokio::test]
    async fn a_child_that_was_retired_before_its_lane_came_is_given_nothing() {
        let (orders, _heard) = tokio::sync::mpsc::unbounded_channel();
        let lanes = Lanes::new(orders);
        let enter = |app: &str, child: u64| {
            let (ours, _childs) = UnixStream::pair().unwrap();
            let transport = Transport::Lane(ours.into_split().1);
            let carrier =
                Arc::new(Carrier::new("test".into(), transport, Concurrency::Sequential, false));
            lanes.enter(&(app.to_owned(), child), &carrier);
            carrier
        };
        lanes.retire("shop", 7);
        assert!(!enter("blog", 7).is_retired() && !enter("shop", 8).is_retired());
        assert!(enter("shop", 7).is_retired());
        assert!(!enter("shop", 7).is_retired(), "it was told once, of one lane");
        let served = enter("shop", 9);
        lanes.retire("shop", 9);
        assert!(served.is_retired());
    }
}

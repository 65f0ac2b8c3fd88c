//! Tells runners how many jobs wait for their apps, so that they start more children.
//!
//! A pool says that its number has changed. A moment later the number that it has then is put up for all links: what is served
//! within needs no more children, and a flood of requests is no flood of frames.

use std::{sync::Arc, time::Duration};

use bytes::BytesMut;
use ostler_pool::Pool;
use ostler_wire::message::{self, Message as _};
use tokio::sync::watch;

use super::hub::Hub;

/// From a change to its number.
const MOMENT: Duration = Duration::from_millis(2);
/// From there to the next one of the app, at least.
const REST: Duration = Duration::from_millis(18);

/// Puts up the numbers of a pool, which has this place among all.
pub(crate) async fn run(pool: Arc<Pool>, place: usize, hub: Arc<Hub>) {
    loop {
        pool.demand_changes().await;
        tokio::time::sleep(MOMENT).await;
        let waiting = pool.demand();
        let put = |all: &mut Vec<usize>| std::mem::replace(&mut all[place], waiting) != waiting;
        hub.demand.send_if_modified(put);
        tokio::time::sleep(REST).await;
    }
}

/// What a runner was told last, by the places of the pools.
#[derive(Debug)]
pub(super) struct Demand {
    told: Vec<Option<usize>>,
    lengths: watch::Receiver<Vec<usize>>,
}

impl Demand {
    /// Nothing was told yet: all numbers have changed.
    pub(super) fn new(hub: &Hub) -> Self {
        let mut lengths = hub.demand.subscribe();
        lengths.mark_changed();
        Self { told: vec![None; hub.pools.len()], lengths }
    }

    /// Waits until a number has changed.
    pub(super) async fn changes(&mut self) {
        if self.lengths.changed().await.is_err() {
            // The gateway ends.
            std::future::pending().await
        }
    }

    /// Writes a DEMAND frame for every app whose number has changed.
    pub(super) fn update(&mut self, hub: &Hub, out: &mut BytesMut) {
        let all = self.lengths.borrow_and_update();
        for ((app, told), waiting) in hub.pools.keys().zip(&mut self.told).zip(all.iter()) {
            if told.replace(*waiting) != Some(*waiting) {
                message::Demand { app, waiting: *waiting as u64 }.put(out);
            }
        }
    }
}

//! What links to all runners share.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use ostler_durable::Jobs;
use ostler_notices::Notices;
use ostler_pool::Pools;

use super::demand::Board;
use crate::{doors::Doors, metrics::Metrics};

/// See the module.
pub(crate) struct Hub {
    pub(crate) pools: Pools,
    pub(crate) jobs: Jobs,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) doors: Arc<Doors>,
    pub(crate) notices: Arc<Notices>,
    pub(super) demand: Board,
    /// One handle a serving thread; work is dealt out in turn.
    threads: Vec<tokio::runtime::Handle>,
    next_thread: AtomicUsize,
    /// Links by runner: one that reconnects may have two for a moment.
    links: Mutex<BTreeMap<String, u32>>,
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").field("pools", &self.pools.keys()).finish_non_exhaustive()
    }
}

impl Hub {
    pub(crate) fn new(
        threads: Vec<tokio::runtime::Handle>,
        pools: Pools,
        jobs: Jobs,
        metrics: Arc<Metrics>,
        doors: Arc<Doors>,
        notices: Arc<Notices>,
    ) -> Self {
        let (next_thread, links) = (AtomicUsize::new(0), Mutex::default());
        let demand = Board::new(vec![0; pools.len()]);
        Self { pools, jobs, metrics, doors, notices, demand, threads, next_thread, links }
    }

    /// The thread that a new lane or link goes to.
    pub(crate) fn next_thread(&self) -> &tokio::runtime::Handle {
        let turn = self.next_thread.fetch_add(1, Ordering::Relaxed);
        &self.threads[turn % self.threads.len()]
    }

    /// A runner has one link more.
    pub(crate) fn runner_came(&self, name: &str) {
        // From the beginning, so that the first loss is an increase.
        self.metrics.links_lost.with_label_values(&[name]);
        let mut links = self.links.lock().expect("no code panics while it holds the links");
        *links.entry(name.to_owned()).or_default() += 1;
    }

    /// How many links each runner has.
    pub(crate) fn runner_links(&self) -> BTreeMap<String, u32> {
        self.links.lock().expect("no code panics while it holds the links").clone()
    }

    /// A runner has one link less. `true`: it was the last.
    pub(crate) fn runner_left(&self, name: &str) -> bool {
        self.metrics.links_lost.with_label_values(&[name]).inc();
        let mut links = self.links.lock().expect("no code panics while it holds the links");
        let count = links.get_mut(name).expect("a runner that leaves has come");
        *count -= 1;
        let last = *count == 0;
        if last {
            links.remove(name);
        }
        last
    }
}

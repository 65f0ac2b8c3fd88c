//! What links to all runners share.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
};

use ostler_durable::Jobs;
use ostler_notices::{GatewayEvent, Notices};
use ostler_pool::Pools;
use tokio::sync::watch;

use super::last_word::LastWords;
use crate::{connection_budget::ConnectionBudget, metrics::Metrics};

/// How many jobs wait, by the places of the pools; who follows it is told of changes.
pub(super) type QueueLengths = watch::Sender<Vec<usize>>;

/// So many unknown apps of one runner are told of.
const UNKNOWN_MAX: usize = 16;

/// See the module.
pub(crate) struct Hub {
    pub(crate) pools: Pools,
    pub(crate) jobs: Jobs,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) connections: Arc<ConnectionBudget>,
    pub(crate) notices: Arc<Notices>,
    pub(super) demand: QueueLengths,
    pub(crate) last_words: LastWords,
    /// Apps that a runner offers and nobody here knows, as far as that was told since it joined.
    unknown: Mutex<BTreeMap<String, BTreeSet<String>>>,
    /// One handle a serving thread; work is dealt out in turn.
    threads: Vec<tokio::runtime::Handle>,
    next_thread: AtomicUsize,
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
        connections: Arc<ConnectionBudget>,
        notices: Arc<Notices>,
    ) -> Self {
        let next_thread = AtomicUsize::new(0);
        Self {
            demand: QueueLengths::new(vec![0; pools.len()]),
            pools,
            jobs,
            metrics,
            connections,
            notices,
            last_words: LastWords::default(),
            unknown: Mutex::default(),
            threads,
            next_thread,
        }
    }

    /// The thread that a new lane or link goes to.
    pub(crate) fn next_thread(&self) -> &tokio::runtime::Handle {
        let turn = self.next_thread.fetch_add(1, Ordering::Relaxed);
        &self.threads[turn % self.threads.len()]
    }

    /// A link of a runner is up.
    pub(super) fn runner_joined(&self, name: &str) {
        // From the beginning, so that the first loss is an increase.
        self.metrics.links_lost.with_label_values(&[name]);
        self.notices.tell(GatewayEvent::RunnerJoined { name: name.to_owned() });
    }

    fn unknown(&self) -> MutexGuard<'_, BTreeMap<String, BTreeSet<String>>> {
        self.unknown.lock().expect("no code panics while it holds the unknown apps")
    }

    /// Whoever started the runner waits for requests that never come: each app is told once.
    pub(super) fn tell_unknown(&self, runner: &str, app: &str) {
        let (name, app) = (runner.to_owned(), app.to_owned());
        let is_news = {
            let mut all = self.unknown();
            let told = all.entry(name.clone()).or_default();
            told.len() < UNKNOWN_MAX && told.insert(app.clone())
        };
        if is_news {
            self.notices.tell(GatewayEvent::AppUnknown { app, host: name });
        }
    }

    /// A link of a runner has ended. When the runner has no other now, nothing that it said of its apps holds any more.
    pub(super) fn runner_lost(&self, name: String, reason: String) {
        self.metrics.links_lost.with_label_values(&[&name]).inc();
        self.forget_unlinked(&name);
        self.notices.tell(GatewayEvent::RunnerLost { name, reason });
    }

    /// Forgets what a runner said of its apps, unless it has a link.
    pub(super) fn forget_unlinked(&self, name: &str) {
        if !self.jobs.is_linked(name) {
            self.unknown().remove(name);
            self.pools.values().for_each(|pool| pool.set_state(name, None));
        }
    }
}

//! What every thread of a gateway shares.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use crate::{
    api::Face,
    config::{Config, Details, Limits, Network},
    event::GatewayEvent,
    jobs::Jobs,
    listen::Connections,
    log::Log,
    metrics::Metrics,
    pool::Pool,
    request::{Budget, Quarantine, Routes, TenantNames},
};

pub(crate) type OnEvent = Arc<dyn Fn(GatewayEvent) + Send + Sync>;

/// See the module.
pub(crate) struct Gate {
    pub(crate) routes: Routes,
    pub(crate) pools: BTreeMap<String, Arc<Pool>>,
    pub(crate) limits: Limits,
    pub(crate) trusted: Vec<Network>,
    pub(crate) details: Details,
    pub(crate) api_hosts: Vec<String>,
    pub(crate) tenants: TenantNames,
    pub(crate) metrics: Metrics,
    pub(crate) jobs: Jobs,
    pub(crate) log: Log,
    pub(crate) spool: Arc<Budget>,
    pub(crate) connections: Connections,
    /// Kinds of requests that end children.
    pub(crate) quarantine: Quarantine,
    /// The API, once durable jobs can be asked for.
    pub(crate) api: OnceLock<Face>,
    /// One handle a serving thread; work is dealt out in turn.
    threads: Vec<tokio::runtime::Handle>,
    next_thread: AtomicUsize,
    draining: AtomicBool,
    /// Links by runner: one that reconnects may have two for a moment.
    links: Mutex<BTreeMap<String, u32>>,
    on_event: OnEvent,
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").field("pools", &self.pools.keys()).finish_non_exhaustive()
    }
}

impl Gate {
    pub(crate) fn new(
        config: &Config,
        threads: Vec<tokio::runtime::Handle>,
        metrics: Metrics,
        jobs: Jobs,
        on_event: OnEvent,
    ) -> std::io::Result<Self> {
        let pools: BTreeMap<_, _> = config
            .apps
            .iter()
            .map(|(name, app)| (name.clone(), Arc::new(Pool::new(name, app, metrics.pool(name)))))
            .collect();
        let spool = config.state.join("spool");
        ostler_private::folder(&spool)?;
        let tenants = TenantNames::open(&config.state)?;
        Ok(Self {
            routes: Routes::new(&config.routes, &pools, &tenants, |route, app| {
                metrics.route(route, app)
            }),
            pools,
            limits: config.limits,
            trusted: config.trusted_proxies.clone(),
            details: config.details,
            api_hosts: config.listen.api_hosts.clone(),
            tenants,
            metrics,
            jobs,
            log: Log::open(&config.access_log)?,
            spool: Arc::new(Budget::new(spool, config.limits.spool_total)),
            connections: Connections::default(),
            quarantine: Quarantine::default(),
            api: OnceLock::new(),
            threads,
            next_thread: AtomicUsize::new(0),
            draining: AtomicBool::new(false),
            links: Mutex::default(),
            on_event,
        })
    }

    /// The thread that a new lane or link goes to.
    pub(crate) fn next_thread(&self) -> &tokio::runtime::Handle {
        let turn = self.next_thread.fetch_add(1, Ordering::Relaxed);
        &self.threads[turn % self.threads.len()]
    }

    /// Every app has a child that serves, and durable jobs are accepted.
    pub(crate) fn is_ready(&self) -> bool {
        !self.is_draining()
            && self.jobs.trouble().is_none()
            && self.pools.values().all(|pool| pool.is_ready())
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    pub(crate) fn begin_drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
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

    pub(crate) fn tell(&self, event: GatewayEvent) {
        (self.on_event)(event);
    }
}

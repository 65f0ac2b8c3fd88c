//! What every thread of a gateway shares.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{
    api::Face,
    clock,
    config::{Config, Details, Limits, Network},
    disk::Disk,
    doors::{Doors, Parts},
    event::GatewayEvent,
    jobs::Jobs,
    log::Log,
    metrics::Metrics,
    pool::Pool,
    request::{Budget, Memory, Quarantine, Routes, Stores, TenantNames},
    told::Told,
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
    /// Kinds of requests that end children.
    pub(crate) quarantine: Quarantine,
    pub(crate) memory: Arc<Memory>,
    /// Replies that clients have not taken yet.
    pub(crate) stores: Stores,
    pub(crate) doors: Arc<Doors>,
    /// Of runners that were refused, and of doors that could not be opened: told now and then.
    pub(crate) seldom: Seldom,
    /// The API, once durable jobs can be asked for.
    pub(crate) api: OnceLock<Face>,
    /// One handle a serving thread; work is dealt out in turn.
    threads: Vec<tokio::runtime::Handle>,
    next_thread: AtomicUsize,
    draining: AtomicBool,
    /// Links by runner: one that reconnects may have two for a moment.
    links: Mutex<BTreeMap<String, u32>>,
    told: Told,
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
        let disk = Arc::new(Disk::new(spool.clone(), config.limits.disk_reserve));
        // Of a gate that was made before it, in a test.
        let _new = jobs.room.bound(disk.clone(), config.jobs.files_max);
        let tell = on_event.clone();
        let log = Log::open(&config.access_log, move |what| tell(GatewayEvent::Warning(what)))?;
        let parts = Parts::of(config.limits.files, config.limits.connections);
        let max = (config.limits.spool_total, parts.spool);
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
            log,
            quarantine: Quarantine::default(),
            spool: Arc::new(Budget::new(spool, max, disk)),
            memory: Arc::new(Memory::new(config.limits.body_memory)),
            stores: Stores::default(),
            doors: Doors::new(parts, config.limits.requests),
            told: Told::default(),
            seldom: Seldom::default(),
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

    /// Why requests are not served: an app has no child that serves. Empty: they are.
    pub(crate) fn web_trouble(&self) -> Vec<String> {
        let missing = self.pools.values().filter(|pool| !pool.is_ready());
        missing.map(|pool| format!("app {} has no child that serves", pool.app)).collect()
    }

    /// Why durable jobs are not accepted.
    pub(crate) fn jobs_trouble(&self) -> Option<String> {
        self.jobs.trouble().map(|why| format!("durable jobs are refused: {why}"))
    }

    /// Tells of something that may happen often: of each kind at most once in ten seconds, with how often it did.
    pub(crate) fn warn_seldom(&self, kind: &'static str, what: &str) {
        if let Some(more) = self.seldom.may_tell(kind) {
            let more =
                if more == 0 { String::new() } else { format!(" (and {more} more like it)") };
            self.tell(GatewayEvent::Warning(format!("{what}{more}")));
        }
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
        let Some(left_out) = self.told.take(&event, clock::now()) else { return };
        if left_out > 0 {
            let text =
                format!("{left_out} lines of a runner were left out, since it told too much");
            (self.on_event)(GatewayEvent::Warning(text));
        }
        (self.on_event)(event);
    }
}

/// When each kind of warning was told last, and how many were not.
#[derive(Debug, Default)]
pub(crate) struct Seldom(Mutex<BTreeMap<&'static str, (Instant, u64)>>);

impl Seldom {
    const PAUSE: Duration = Duration::from_secs(10);

    /// How many of the kind were kept back since the last; `None`: it is too early for another.
    fn may_tell(&self, kind: &'static str) -> Option<u64> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match told.get_mut(kind) {
            Some((at, kept)) if now.duration_since(*at) < Self::PAUSE => {
                *kept += 1;
                None
            }
            Some((at, kept)) => {
                *at = now;
                Some(std::mem::take(kept))
            }
            None => {
                told.insert(kind, (now, 0));
                Some(0)
            }
        }
    }
}

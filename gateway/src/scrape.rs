//! The `ostler_*` metrics that are read when somebody asks, with those that were counted meanwhile.

use std::sync::Arc;

use prometheus::{IntCounter, IntGauge, Registry, TextEncoder};

use crate::{
    doors::Door,
    jobs::{self, Jobs},
    link::Hub,
    metrics::{counters, gauge, gauges, register},
    pool::Pools,
    request::Front,
};

/// Everything that has figures.
#[derive(Clone, Debug)]
pub(crate) struct Scrape {
    pub(crate) pools: Pools,
    pub(crate) front: Arc<Front>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) jobs: Jobs,
}

impl Scrape {
    /// Everything in the text format.
    pub(crate) fn render(&self) -> String {
        let now = Registry::new();
        read_pools(&now, self);
        read_children(&now, self);
        jobs::metrics::read(&now, &self.jobs);
        read_process(&now, self);
        let mut families = self.front.metrics.registry.gather();
        families.extend(now.gather());
        TextEncoder::new().encode_to_string(&families).unwrap_or_default()
    }
}

fn read_pools(registry: &Registry, scrape: &Scrape) {
    let waiting = gauges(registry, "ostler_jobs_waiting", "Jobs that wait for a slot.", &["app"]);
    let running = gauges(registry, "ostler_jobs_running", "Jobs that have a slot.", &["app"]);
    let oldest = gauges(
        registry,
        "ostler_oldest_wait_seconds",
        "How long the job at the front has waited.",
        &["app"],
    );
    let labels = ["app", "tenant"];
    let help = "Jobs that wait for a slot, by tenant; the smallest are added up as other.";
    let tenant_waiting = gauges(registry, "ostler_tenant_jobs_waiting", help, &labels);
    let help = "Jobs that have a slot, by tenant; the smallest are added up as other.";
    let tenant_running = gauges(registry, "ostler_tenant_jobs_running", help, &labels);
    for (app, pool) in scrape.pools.iter() {
        let (waits, runs, longest) = pool.load();
        waiting.with_label_values(&[app]).set(waits as f64);
        running.with_label_values(&[app]).set(runs as f64);
        oldest.with_label_values(&[app]).set(longest.as_secs_f64());
        let mut tenants = pool.by_tenant();
        tenants.sort_by_key(|(_, waiting, running)| std::cmp::Reverse(waiting + running));
        for (i, (name, waiting, running)) in tenants.iter().enumerate() {
            let named = i < scrape.front.limits.metric_tenants && !name.is_empty();
            let name = if named { name.as_str() } else { "other" };
            tenant_waiting.with_label_values(&[app, name]).add(f64::from(*waiting));
            tenant_running.with_label_values(&[app, name]).add(f64::from(*running));
        }
    }
}

fn read_children(registry: &Registry, scrape: &Scrape) {
    let labels = ["app", "host", "state"];
    let children = gauges(registry, "ostler_children", "Children by state.", &labels);
    let spawns = counters(
        registry,
        "ostler_child_spawns_total",
        "Children started since the runner started.",
        &["app", "host"],
    );
    let exits = counters(
        registry,
        "ostler_child_exits_total",
        "Children that ended since the runner started, by reason.",
        &["app", "host", "reason"],
    );
    let labels = ["app", "host"];
    let rss =
        gauges(registry, "ostler_children_resident_bytes", "Memory of an app's children.", &labels);
    let cpu = gauges(
        registry,
        "ostler_children_cpu_seconds",
        "Processor time of the app's living children.",
        &labels,
    );
    for (app, pool) in scrape.pools.iter() {
        for (host, state) in pool.states() {
            for (name, value) in &state.numbers {
                match (name.as_str(), name.strip_prefix("exit.")) {
                    (_, Some(reason)) => {
                        exits.with_label_values(&[app, &host, reason]).inc_by(*value);
                    }
                    ("spawns", None) => spawns.with_label_values(&[app, &host]).inc_by(*value),
                    ("rss_bytes", None) => {
                        rss.with_label_values(&[app, &host]).set(*value as f64);
                    }
                    ("cpu_us", None) => {
                        cpu.with_label_values(&[app, &host]).set(*value as f64 / 1e6);
                    }
                    (state, None) => {
                        children.with_label_values(&[app, &host, state]).set(*value as f64);
                    }
                }
            }
        }
    }
}

fn read_process(registry: &Registry, scrape: &Scrape) {
    let links = gauges(registry, "ostler_runner_links", "Links to runners.", &["host"]);
    for (host, count) in scrape.hub.runner_links() {
        links.with_label_values(&[&host]).set(f64::from(count));
    }
    let open = IntGauge::new("ostler_connections", "Open client connections.")
        .expect("constant names are valid");
    register(registry, open)
        .set(i64::try_from(scrape.front.doors.len(Door::Web)).unwrap_or(i64::MAX));
    gauge(
        registry,
        "ostler_spool_bytes",
        "Bytes in spool files.",
        scrape.front.spool.used() as f64,
    );
    let help = "Kinds of requests that are held back since they ended children.";
    gauge(registry, "ostler_quarantined_kinds", help, scrape.front.quarantine.held() as f64);
    let open = scrape.front.doors.requests(Door::Web) as f64;
    gauge(registry, "ostler_requests_open", "Requests under way, of all clients.", open);
    let help = "Bytes of request bodies and replies in memory.";
    gauge(registry, "ostler_body_memory_bytes", help, scrape.front.memory.used() as f64);
    let counts = |name, help, count| {
        let counter = IntCounter::new(name, help).expect("constant names are valid");
        register(registry, counter).inc_by(count);
    };
    counts(
        "ostler_spool_cut_total",
        "Spool files cut to make room for others.",
        scrape.front.spool.cut(),
    );
    let (cut, refused) = scrape.front.doors.turned_away();
    let help = "Connections closed to make room for others.";
    counts("ostler_connections_cut_total", help, cut);
    let help = "Connections refused because all were at work.";
    counts("ostler_connections_refused_total", help, refused);
    let dropped = IntCounter::new(
        "ostler_log_lines_dropped_total",
        "Access log lines dropped because the writer was behind or found no room.",
    )
    .expect("constant names are valid");
    register(registry, dropped).inc_by(scrape.front.log.dropped());
    let build = gauges(registry, "ostler_build_info", "The version that runs.", &["version"]);
    build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1.0);
    ostler_machine::process::read(|name, help, value| gauge(registry, name, help, value));
}

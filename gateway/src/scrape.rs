//! The `ostler_*` metrics that are read when somebody asks, with those that were counted meanwhile.

use std::sync::Arc;

use ostler_durable::Jobs;
use ostler_metrics::catalogue;
use ostler_pool::Pools;
use prometheus::{
    Registry, TextEncoder,
    proto::{Metric, MetricFamily},
};

use crate::{connection_budget::ConnectionClass, request::ServerState};

/// Everything that has figures.
#[derive(Clone, Debug)]
pub(crate) struct Scrape {
    pub(crate) pools: Pools,
    pub(crate) server: Arc<ServerState>,
    pub(crate) jobs: Jobs,
}

impl Scrape {
    /// Everything in the text format.
    pub(crate) fn render(&self) -> String {
        let now = Registry::new();
        read_pools(&now, self);
        read_children(&now, self);
        ostler_durable::metrics::read(&now, &self.jobs);
        read_process(&now, self);
        let mut families = self.server.metrics.registry.gather();
        self.forget_removed(&mut families);
        families.extend(now.gather());
        TextEncoder::new().encode_to_string(&families).unwrap_or_default()
    }
}

impl Scrape {
    /// What was counted of a runner goes with it.
    fn forget_removed(&self, families: &mut [MetricFamily]) {
        let of_runners = [catalogue::LINKS_LOST.name(), catalogue::LINKS_REFUSED.name()];
        for family in families.iter_mut().filter(|it| of_runners.contains(&it.name())) {
            let host = |it: &Metric| {
                it.get_label().iter().find(|it| it.name() == "host").map(|it| it.value().to_owned())
            };
            let is_known = |it: &Metric| host(it).is_none_or(|name| self.jobs.is_known(&name));
            family.mut_metric().retain(is_known);
        }
    }
}

fn read_pools(registry: &Registry, scrape: &Scrape) {
    let waiting = catalogue::JOBS_WAITING.gauges(registry);
    let running = catalogue::JOBS_RUNNING.gauges(registry);
    let oldest = catalogue::OLDEST_WAIT.gauges(registry);
    let tenant_waiting = catalogue::TENANT_WAITING.gauges(registry);
    let tenant_running = catalogue::TENANT_RUNNING.gauges(registry);
    for (app, pool) in scrape.pools.iter() {
        let (waits, runs, longest) = pool.load();
        waiting.with_label_values(&[app]).set(waits as f64);
        running.with_label_values(&[app]).set(runs as f64);
        oldest.with_label_values(&[app]).set(longest.as_secs_f64());
        let mut tenants = pool.by_tenant();
        tenants.sort_by_key(|(_, waiting, running)| std::cmp::Reverse(waiting + running));
        for (i, (name, waiting, running)) in tenants.iter().enumerate() {
            let named = i < scrape.server.limits.metric_tenants && !name.is_empty();
            let name = if named { name.as_str() } else { "other" };
            tenant_waiting.with_label_values(&[app.as_str(), name]).add(f64::from(*waiting));
            tenant_running.with_label_values(&[app.as_str(), name]).add(f64::from(*running));
        }
    }
}

fn read_children(registry: &Registry, scrape: &Scrape) {
    let children = catalogue::CHILDREN.gauges(registry);
    let spawns = catalogue::SPAWNS.counters(registry);
    let exits = catalogue::EXITS.counters(registry);
    let rss = catalogue::CHILDREN_RESIDENT.gauges(registry);
    let cpu = catalogue::CHILDREN_CPU.gauges(registry);
    for (app, pool) in scrape.pools.iter() {
        for (host, state) in pool.states() {
            for (name, value) in &state.numbers {
                match (name.as_str(), name.strip_prefix("exit.")) {
                    (_, Some(reason)) => {
                        exits.with_label_values(&[app.as_str(), &host, reason]).inc_by(*value);
                    }
                    ("spawns", None) => spawns.with_label_values(&[app, &host]).inc_by(*value),
                    ("rss_bytes", None) => {
                        rss.with_label_values(&[app, &host]).set(*value as f64);
                    }
                    ("cpu_us", None) => {
                        cpu.with_label_values(&[app, &host]).set(*value as f64 / 1e6);
                    }
                    (state, None) => {
                        children
                            .with_label_values(&[app.as_str(), &host, state])
                            .set(*value as f64);
                    }
                }
            }
        }
    }
}

fn read_process(registry: &Registry, scrape: &Scrape) {
    let links = catalogue::LINKS.gauges(registry);
    for host in scrape.jobs.linked() {
        links.with_label_values(&[&*host]).set(1.0);
    }
    let server = &scrape.server;
    catalogue::OPEN_CONNECTIONS
        .record(registry, server.connections.len(ConnectionClass::Web) as f64);
    catalogue::SPOOL_BYTES.record(registry, server.spool.used() as f64);
    catalogue::QUARANTINED.record(registry, server.quarantine.held() as f64);
    catalogue::REQUESTS_OPEN
        .record(registry, server.connections.requests(ConnectionClass::Web) as f64);
    catalogue::BODY_MEMORY.record(registry, server.memory.used() as f64);
    catalogue::SPOOL_CUT.record(registry, server.spool.cut() as f64);
    let (cut, refused) = server.connections.turned_away();
    catalogue::CONNECTIONS_CUT.record(registry, cut as f64);
    catalogue::CONNECTIONS_REFUSED.record(registry, refused as f64);
    catalogue::LOG_DROPPED.record(registry, server.log.dropped() as f64);
    let build = catalogue::BUILD.gauges(registry);
    build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1.0);
    let own = ostler_machine::process::read();
    for (metric, value) in [
        (catalogue::PROCESS_CPU, own.cpu_seconds),
        (catalogue::PROCESS_RESIDENT, own.resident_bytes),
        (catalogue::PROCESS_FILES, own.open_files),
        (catalogue::PROCESS_THREADS, own.threads),
    ] {
        value.into_iter().for_each(|value| metric.record(registry, value));
    }
}

//! The state of the server that requests of every thread share: routes, limits, budgets, log, metrics.

use std::sync::Arc;

use ostler_machine::disk::Disk;
use ostler_notices::{GatewayEvent, Notices};
use ostler_pool::{Pools, quarantine::QuarantineEnforcer};

use super::{Budget, Memory, ReplyBuffers, Routes, Target, TenantNames};
use crate::{
    config::{self, Cidr, Config, ErrorDetails, Limits},
    connection_budget::{ConnectionBudget, DescriptorShares},
    log::Log,
    metrics::Metrics,
};

/// See the module.
pub(crate) struct ServerState {
    pub(crate) routes: Routes,
    pub(crate) limits: Limits,
    pub(crate) trusted: Vec<Cidr>,
    pub(crate) details: ErrorDetails,
    pub(crate) tenants: TenantNames,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) log: Log,
    pub(crate) spool: Arc<Budget>,
    /// Kinds of requests that end children.
    pub(crate) quarantine: Arc<QuarantineEnforcer>,
    pub(crate) memory: Arc<Memory>,
    /// Replies that clients have not taken yet.
    pub(crate) reply_buffers: ReplyBuffers,
    pub(crate) connections: Arc<ConnectionBudget>,
    pub(crate) notices: Arc<Notices>,
}

impl std::fmt::Debug for ServerState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerState").field("routes", &self.routes).finish_non_exhaustive()
    }
}

impl ServerState {
    /// `target`: makes what a route leads to.
    pub(crate) fn new(
        config: &Config,
        pools: &Pools,
        disk: Arc<Disk>,
        metrics: Arc<Metrics>,
        notices: Arc<Notices>,
        target: impl Fn(&config::TargetConfig) -> Box<dyn Target>,
    ) -> std::io::Result<Self> {
        let tenants = TenantNames::open(&config.state)?;
        let told = notices.clone();
        let log =
            Log::open(&config.access_log, move |what| told.tell(GatewayEvent::Warning(what)))?;
        let shares = DescriptorShares::of(config.limits.files, config.limits.connections);
        let max = (config.limits.spool_total, shares.spool);
        let quarantine = QuarantineEnforcer::new(notices.clone(), hold_back(pools));
        Ok(Self {
            routes: Routes::new(&config.routes, target, &tenants, |route, app| {
                metrics.route(route, app)
            }),
            limits: config.limits,
            trusted: config.trusted_proxies.clone(),
            details: config.details,
            tenants,
            metrics,
            log,
            spool: Arc::new(Budget::new(config.spool(), max, disk)),
            quarantine: Arc::new(quarantine),
            memory: Arc::new(Memory::new(config.limits.body_memory)),
            reply_buffers: ReplyBuffers::default(),
            connections: ConnectionBudget::new(shares, config.limits.requests),
            notices,
        })
    }
}

/// Ends what waits of kinds that are held back, in every pool.
fn hold_back(pools: &Pools) -> impl Fn() + Send + Sync + 'static {
    let pools = pools.clone();
    move || pools.values().for_each(|pool| pool.hold_back())
}

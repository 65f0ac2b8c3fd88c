//! The parts of a gateway, put together. Only [`crate::gateway`] sees all of them; each of them knows only what it uses.

use std::sync::Arc;

use ostler_api::ApiService;
use ostler_durable::{JobMetrics, Jobs, Opened};
use ostler_machine::{disk::Disk, shutdown::Shutdown};
use ostler_notices::{Notices, OnEvent};
use ostler_pool::{Pool, Pools};
use tokio::runtime::Handle;

use crate::{
    config::Config, link::Hub, metrics::Metrics, request::ServerState, scrape::Scrape,
    start_error::StartError, target,
};

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Assembly {
    pub(crate) pools: Pools,
    pub(crate) jobs: Jobs,
    pub(crate) server: Arc<ServerState>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) notices: Arc<Notices>,
    pub(crate) service: Arc<ApiService>,
}

impl Assembly {
    /// Puts together what serves, and starts the threads of durable jobs.
    pub(crate) fn start(
        config: &Config,
        threads: Vec<Handle>,
        opened: Opened,
        on_event: OnEvent,
        shutdown: &Shutdown,
    ) -> Result<Self, StartError> {
        let state = |error| StartError::State(config.state.clone(), error);
        let metrics = Arc::new(Metrics::new());
        let job_metrics = JobMetrics::new(&metrics.registry);
        let jobs = Jobs::start(opened, job_metrics, on_event.clone())
            .map_err(|fault| StartError::Jobs(fault.to_string()))?;
        let notices = Arc::new(Notices::new(on_event));
        let pools: Pools = Arc::new(
            config
                .apps
                .iter()
                .map(|(name, app)| {
                    (name.clone(), Arc::new(Pool::new(name, app, metrics.pool(name))))
                })
                .collect(),
        );
        let spool = config.spool();
        ostler_private::folder(&spool).map_err(state)?;
        let disk = Arc::new(Disk::new(spool, config.limits.disk_reserve));
        // It was bound before, in a test.
        let _new = jobs.room.bound(disk.clone(), config.jobs.files_max);
        let service =
            Arc::new(ApiService::new(Arc::new(jobs.clone()), shutdown.clone(), config.jobs.api()));
        let target = |to: &_| target::build(to, &pools, &service);
        let server =
            ServerState::new(config, &pools, disk, metrics.clone(), notices.clone(), target);
        let server = Arc::new(server.map_err(state)?);
        let connections = server.connections.clone();
        let hub =
            Hub::new(threads, pools.clone(), jobs.clone(), metrics, connections, notices.clone());
        Ok(Self { pools, jobs, server, hub: Arc::new(hub), notices, service })
    }

    /// All figures.
    pub(crate) fn scrape(&self) -> Scrape {
        let Self { pools, jobs, server, .. } = self.clone();
        Scrape { pools, server, jobs }
    }
}

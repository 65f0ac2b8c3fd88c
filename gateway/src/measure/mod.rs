//! The request path in parts, for instruction counts. Not for use.

mod head;
pub(crate) mod pool;
mod shapes;

use std::{collections::BTreeSet, io, sync::Arc};

use ostler_durable::{Opened, StartFault};
use ostler_job::{Wall, durable::Epoch};
use ostler_machine::shutdown::Shutdown;
use ostler_store::{Change, Memory, Store as _, Token};

use crate::{assembly::Assembly, config::Config, request::ServerState};

#[cfg(test)]
pub(crate) use head::Rig;

/// Scans a head, checks it and writes its frame, so many times. See `gateway/examples/count.rs`.
pub fn head_to_frame(config: &Config, shape: Option<&str>, times: usize) -> io::Result<usize> {
    head::head_to_frame(BenchGateway::new(config)?.server(), shape, times)
}

/// The same for what comes on a connection; `None`: there is no such shape.
pub fn streams(shape: &str, times: usize) -> Option<usize> {
    head::streams(shape, times)
}

/// Has so many requests enter a pool with one slot and be answered, while so many others wait. How many were answered.
pub fn served(times: usize, waiting: usize) -> usize {
    pool::served(times, waiting)
}

/// A gateway without a listener, as long as this is kept.
#[derive(Debug)]
pub(crate) struct BenchGateway(Assembly);

impl BenchGateway {
    pub(crate) fn new(config: &Config) -> io::Result<Self> {
        assert!(config.state.is_dir(), "the state folder exists");
        let opened = opened(config).map_err(io::Error::other)?;
        let (ignore, shutdown) = (Arc::new(|_| {}), Shutdown::new());
        let started = Assembly::start(config, Vec::new(), opened, ignore, &shutdown);
        started.map(Self).map_err(io::Error::other)
    }

    pub(crate) fn server(&self) -> Arc<ServerState> {
        self.0.server.clone()
    }

    #[cfg(test)]
    pub(crate) fn pools(&self) -> &ostler_pool::Pools {
        &self.0.pools
    }
}

impl Drop for BenchGateway {
    fn drop(&mut self) {
        self.0.jobs.stop();
    }
}

/// Durable jobs in memory. A token is there already: making the first one costs more than all the heads.
fn opened(config: &Config) -> Result<Opened, StartFault> {
    let token = Token {
        name: "measure".into(),
        hash: String::new(),
        scopes: BTreeSet::new(),
        tenant: None,
        created_at: Wall(0),
        expires_at: None,
        revoked_at: None,
    };
    let store = Memory::new();
    store.commit(Epoch(0), &[Change::Token(token)]).expect("memory takes everything");
    Opened::of(Arc::new(store), &config.state, config.jobs.driver())
}

/// Nothing but what a head needs; the client is a listed proxy, so that what proxies say is read.
#[cfg(test)]
pub(crate) fn config(state: &std::path::Path) -> Config {
    use std::{collections::BTreeMap, time::Duration};

    use crate::config::{AccessLog, Cidr, ErrorDetails, JobsConfig, Limits, Listen};
    Config {
        listen: Listen::default(),
        certificates: Vec::new(),
        state: state.to_owned(),
        threads: 1,
        apps: BTreeMap::new(),
        routes: Vec::new(),
        trusted_proxies: vec![Cidr { address: [127, 0, 0, 1].into(), prefix: 8 }],
        limits: Limits {
            connections: 1,
            requests: usize::MAX,
            header_timeout: Duration::from_secs(30),
            keep_alive: Duration::from_secs(75),
            header_bytes: 32 << 10,
            target_bytes: 8 << 10,
            header_count: 100,
            h2_streams: 128,
            spool_memory: 256 << 10,
            body_memory: 256 << 20,
            spool_total: 1 << 20,
            disk_reserve: None,
            files: 1024,
            metric_tenants: 10,
        },
        access_log: AccessLog::Off,
        drain: Duration::ZERO,
        jobs: JobsConfig::default(),
        details: ErrorDetails::Loopback,
    }
}

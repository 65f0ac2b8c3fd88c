//! Writes 100,000 request heads as frames, for callgrind.

use std::{collections::BTreeMap, time::Duration};

use ostler_gateway::{AccessLog, Config, JobsConfig, Limits, Listen};

fn main() -> std::io::Result<()> {
    let state = tempfile::tempdir()?;
    let limits = Limits {
        connections: 1,
        header_timeout: Duration::from_secs(30),
        header_bytes: 32 << 10,
        header_count: 100,
        h2_streams: 128,
        spool_memory: 256 << 10,
        spool_total: 1 << 20,
        metric_tenants: 10,
    };
    let config = Config {
        listen: Listen::default(),
        certificates: Vec::new(),
        state: state.path().to_owned(),
        threads: 1,
        apps: BTreeMap::new(),
        routes: Vec::new(),
        trusted_proxies: Vec::new(),
        limits,
        access_log: AccessLog::Off,
        drain: Duration::ZERO,
        jobs: JobsConfig::default(),
    };
    let bytes = ostler_gateway::measure::head_to_frame(&config, 100_000)?;
    assert!(bytes > 0, "frames were written");
    Ok(())
}

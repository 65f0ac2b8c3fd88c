//! Writes 100,000 request heads as frames, for callgrind; with the name of a shape, 1,000 heads of 31 KiB, or reads 1,000
//! streams of 31 KiB; with `start`, what has to be done once for heads, and no head; with `pool`, 100,000 requests through a pool
//! in which as many others wait as the number after it says.

use std::{collections::BTreeMap, time::Duration};

use ostler_gateway::{AccessLog, Config, ErrorDetails, JobsConfig, Limits, Listen};

fn main() -> std::io::Result<()> {
    let shape = std::env::args().nth(1);
    if shape.as_deref() == Some("pool") {
        let waiting = std::env::args().nth(2).and_then(|n| n.parse().ok()).unwrap_or_default();
        assert_eq!(ostler_gateway::measure::served(100_000, waiting), 100_000, "all are answered");
        return Ok(());
    }
    let only_start = shape.as_deref() == Some("start");
    if shape.as_deref().is_some_and(|shape| ostler_gateway::measure::streams(shape, 1000).is_some())
    {
        return Ok(());
    }
    let state = tempfile::tempdir()?;
    let limits = Limits {
        connections: 1,
        header_timeout: Duration::from_secs(30),
        keep_alive: Duration::from_secs(75),
        header_bytes: 32 << 10,
        target_bytes: 8 << 10,
        header_count: 100,
        h2_streams: 128,
        spool_memory: 256 << 10,
        body_memory: 256 << 20,
        requests: usize::MAX,
        spool_total: 1 << 20,
        disk_reserve: None,
        files: 1024,
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
        details: ErrorDetails::Off,
    };
    let (shape, times) = match shape {
        Some(_) if only_start => (None, 0),
        Some(shape) => (Some(shape), 1000),
        None => (None, 100_000),
    };
    let bytes = ostler_gateway::measure::head_to_frame(&config, shape.as_deref(), times)?;
    assert!(bytes > 0 || shape.is_some() || only_start, "frames were written");
    Ok(())
}

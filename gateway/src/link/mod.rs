//! Links to runners: on this host by a Unix socket that lanes are handed over on, elsewhere by mutual TLS.

pub(crate) mod admission;
mod certificate;
mod control;
pub(crate) mod demand;
pub(crate) mod head_of_line;
mod heartbeat;
mod hub;
mod join;
mod lane;
mod last_word;
pub(crate) mod local;
mod rate_limit;
pub(crate) mod remote;
mod send_queue;
mod state;
pub(crate) mod timeouts;
mod verify;
mod welcome;

pub(crate) use self::hub::Hub;

use std::{
    collections::BTreeMap,
    sync::{Mutex, OnceLock},
};

use ostler_job::HostId;

/// The id of a host by the name of its runner; there are as many as runners, and names return.
pub(crate) fn host_id(runner: &str) -> HostId {
    static HOSTS: OnceLock<Mutex<BTreeMap<String, u32>>> = OnceLock::new();
    let mut hosts =
        HOSTS.get_or_init(Mutex::default).lock().expect("no code panics while it holds the hosts");
    let next = u32::try_from(hosts.len()).expect("fewer than four billion runners");
    HostId(*hosts.entry(runner.to_owned()).or_insert(next))
}

//! What holds for the whole process: listeners, certificates, log, limits, threads, runner, jobs.

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use ostler_gateway::{AccessLog, Certificate, Cidr, JobsConfig, Limits, Listen, LogFormat};

use ostler_runner::{
    JobUsers,
    labels::{self, Labels},
};

use super::{
    Runner,
    keys::Place,
    section::Section,
    setting::{Bytes, shown},
};
use crate::values;

/// `[listen]`. Without routes no request could be answered, so that only asked-for listeners open.
pub(super) fn listen(section: &Section<'_>, has_routes: bool) -> Listen {
    let listener = |name: &str| match has_routes || section.has(name) {
        true => section.value(name),
        false => section.value_or(name, Vec::new),
    };
    let listen = Listen {
        http: listener("http"),
        https: listener("https"),
        api: section.value("api"),
        runners: section.value("runners"),
        api_hosts: api_hosts(section),
    };
    let listeners = [
        ("http", &listen.http),
        ("https", &listen.https),
        ("api", &listen.api),
        ("runners", &listen.runners),
    ];
    apart(section, &listeners);
    if has_routes && listen.http.is_empty() && listen.https.is_empty() {
        section.problem("http", "http and https are both off, so no request could come in");
    }
    if listen.api.iter().any(|address| !address.ip().is_loopback()) {
        let text =
            "tokens come in cleartext on this address; a route to = \"api\" takes them over TLS";
        section.note("api", text);
    }
    listen
}

/// No two listeners may want the same address; one that stands for all of them is each of them too.
fn apart(section: &Section<'_>, listeners: &[(&str, &Vec<SocketAddr>)]) {
    let mut taken: Vec<(SocketAddr, &str)> = Vec::new();
    for (listener, addresses) in listeners {
        for address in addresses.iter().filter(|address| address.port() != 0) {
            if let Some((other, of)) = taken.iter().find(|(other, _)| meet(address, other)) {
                let text = match (other == address, of == listener) {
                    (true, true) => format!("{address} is there twice"),
                    (true, false) => {
                        format!("{address} is the address of {} too", section.path(of))
                    }
                    (false, _) => format!(
                        "{address} and {other} of {} are the same port; choose another",
                        section.path(of)
                    ),
                };
                section.problem(listener, text);
            }
            taken.push((*address, listener));
        }
    }
}

/// `[::]` stands for no IPv4 address here.
fn meet(one: &SocketAddr, other: &SocketAddr) -> bool {
    let (here, there) = (one.ip(), other.ip());
    let all = here.is_unspecified() || there.is_unspecified();
    one.port() == other.port() && (here == there || (all && here.is_ipv4() == there.is_ipv4()))
}

fn api_hosts(section: &Section<'_>) -> Vec<String> {
    let mut hosts = Vec::new();
    for text in section.value::<Vec<String>>("api_hosts") {
        match values::host(&text) {
            Ok(host) if !host.starts_with("*.") => hosts.push(host),
            Ok(_) | Err(_) => section.problem(
                "api_hosts",
                format!(
                    "{text:?} is not a host name; write ops.example, without scheme, port or path"
                ),
            ),
        }
    }
    section.note_value("api_hosts", &hosts);
    hosts
}

/// `[[certificate]]`
pub(super) fn certificates(top: &Section<'_>, listen: &Listen) -> Vec<Certificate> {
    let sections = top.tables("certificate", Place::Certificate);
    if !sections.is_empty() && listen.https.is_empty() {
        top.note("certificate", "listen.https is off, so no certificate is used");
    }
    let mut certificates = Vec::new();
    for section in sections {
        if let (Some(cert), Some(key)) = (section.path_of("cert"), section.path_of("key")) {
            certificates.push(Certificate { cert, key });
        }
    }
    certificates
}

/// `[log]`
pub(super) fn access_log(section: &Section<'_>) -> AccessLog {
    let format: LogFormat = section.value("format");
    match section.value::<String>("access").as_str() {
        "off" => AccessLog::Off,
        "stdout" => AccessLog::Stdout(format),
        "" => {
            section.problem("access", "\"\" is not a file; write stdout, off or a file's path");
            AccessLog::Off
        }
        _ => section.path_of("access").map_or(AccessLog::Off, |path| AccessLog::File(path, format)),
    }
}

/// `[limits]`
pub(super) fn limits(section: &Section<'_>) -> Limits {
    Limits {
        connections: count(section, "connections"),
        header_timeout: section.value("header_timeout"),
        keep_alive: section.value("keep_alive"),
        header_bytes: memory(section, "header_bytes"),
        target_bytes: memory(section, "target_bytes"),
        header_count: count(section, "header_count"),
        requests: count(section, "requests"),
        h2_streams: section.value("h2_streams"),
        spool_memory: memory(section, "spool_memory"),
        body_memory: section.value::<Bytes>("body_memory").0,
        spool_total: section.value::<Bytes>("spool_total").0,
        disk_reserve: section.optional::<Bytes>("disk_reserve").map(|bytes| bytes.0),
        // What the process may open is known when it starts.
        files: 1024,
        metric_tenants: count(section, "metric_tenants"),
    }
}

/// `[gateway]`: threads, trusted proxies, drain.
pub(super) fn gateway(section: &Section<'_>, cpus: u32) -> (usize, Vec<Cidr>, Duration) {
    let threads: u32 = section.value_or("threads", || (cpus / 2).max(1));
    let mut networks = Vec::new();
    for text in section.value::<Vec<String>>("trusted_proxies") {
        match values::network(&text) {
            Ok(network) => networks.push(network),
            Err(wrong) => section.problem("trusted_proxies", wrong),
        }
    }
    section.note_value("trusted_proxies", &networks);
    (threads as usize, networks, section.value("drain"))
}

/// `[runner]`, still without apps.
pub(super) fn runner(section: &Section<'_>, cpus: u32) -> Runner {
    let grace: Duration = section.value("orphan_grace");
    Runner {
        name: section.parsed("name", values::name).unwrap_or_else(|| section.value("name")),
        orphan_grace: (!grace.is_zero()).then_some(grace),
        labels: told_labels(section),
        job_slots: section.value_or("job_slots", || cpus),
        job_users: job_users(section),
        log_max: section.value::<Bytes>("log_max").0,
        job_drain: section.value("job_drain"),
        sendmail: section.path_of("sendmail"),
        secrets: section.path_of("secrets"),
        apps: Vec::new(),
    }
}

fn told_labels(section: &Section<'_>) -> Labels {
    let labels = section.map("labels", |name, value| match value.as_str() {
        Some(text) => labels::checked(name, text).map(|(_, text)| text.to_owned()),
        None => Err(format!("{} is not allowed; expected text", shown(value))),
    });
    let labels = Labels::of(labels.iter().map(|(name, value)| (&**name, &**value)));
    labels.unwrap_or_else(|wrong| {
        section.problem("labels", wrong);
        Labels::default()
    })
}

fn job_users(section: &Section<'_>) -> JobUsers {
    let user = super::app::user;
    JobUsers {
        default: section.parsed("job_user", user),
        more: more_users(section),
        tenants: section.map("tenant_users", |tenant, value| match value.as_str() {
            _ if tenant.is_empty() => Err("\"\" is not a tenant".to_owned()),
            Some(text) => user(text),
            None => Err(format!("{} is not allowed; expected a user's name", shown(value))),
        }),
        own: section.optional("job_own_user"),
        no_new_privs: section.value("job_no_new_privs"),
    }
}

fn more_users(section: &Section<'_>) -> BTreeSet<String> {
    let mut users = BTreeSet::new();
    for text in section.value::<Vec<String>>("job_users") {
        match super::app::user(&text) {
            Ok(user) => drop(users.insert(user)),
            Err(wrong) => section.problem("job_users", wrong),
        }
    }
    section.note_value("job_users", &users.iter().cloned().collect::<Vec<_>>());
    users
}

/// `[jobs]`
pub(super) fn jobs(section: &Section<'_>) -> JobsConfig {
    JobsConfig {
        keep_succeeded: section.value("keep_succeeded"),
        keep_failed: section.value("keep_failed"),
        waiting_max: section.value("waiting_max"),
        payload_max: section.value::<Bytes>("payload_max").0,
        files_max: section.optional::<Bytes>("files_max").map(|it| it.0),
        // Once it is known who runs them.
        tenants_share_user: !section.value::<bool>("shared_user"),
        queues: Vec::new(),
        schedules: Vec::new(),
        ..JobsConfig::default()
    }
}

fn count(section: &Section<'_>, name: &str) -> usize {
    section.value::<u32>(name) as usize
}

fn memory(section: &Section<'_>, name: &str) -> usize {
    let bytes = section.value::<Bytes>(name).0;
    usize::try_from(bytes).expect("the key table bounds it far below the address space")
}

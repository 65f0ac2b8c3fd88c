//! What a gateway is told, already validated: nothing here reads a file or the environment.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

pub use ostler_durable::JobsConfig;
pub use ostler_pool::{App, Discipline};

/// Everything a gateway needs to start.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it listens.
    pub listen: Listen,
    /// Certificates by SNI name; empty: a development certificate that is made and kept in the state folder.
    pub certificates: Vec<Certificate>,
    /// The folder that keeps certificates, tokens and sockets.
    pub state: PathBuf,
    /// Serving threads, each with a runtime of its own.
    pub threads: usize,
    /// The apps that runners serve, by name.
    pub apps: BTreeMap<String, App>,
    /// Routes in the order they were written; the longest matching path of the most specific host wins.
    pub routes: Vec<Route>,
    /// Peers whose `Forwarded` and `X-Forwarded-*` fields are believed.
    pub trusted_proxies: Vec<Cidr>,
    /// Bounds that hold for the whole process.
    pub limits: Limits,
    /// The access log.
    pub access_log: AccessLog,
    /// How long a drain waits for what runs.
    pub drain: Duration,
    /// Durable jobs.
    pub jobs: JobsConfig,
    /// Who sees why a request failed.
    pub details: ErrorDetails,
}

impl Config {
    /// Where bodies wait that are too large for memory.
    pub(crate) fn spool(&self) -> PathBuf {
        self.state.join("spool")
    }
}

/// Who sees tracebacks and the like in answers. They are in the log in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrorDetails {
    /// Nobody.
    #[default]
    Off,
    /// Clients on this host that ask for a loopback name, with nothing that a proxy adds.
    Loopback,
}

/// Listening addresses; an empty list means that there is no such listener.
#[derive(Clone, Debug, Default)]
pub struct Listen {
    /// Cleartext HTTP/1.1 and h2c by prior knowledge.
    pub http: Vec<SocketAddr>,
    /// HTTPS with ALPN `h2` and `http/1.1`.
    pub https: Vec<SocketAddr>,
    /// The API, metrics and health.
    pub api: Vec<SocketAddr>,
    /// Names by which it may be asked for, besides addresses and `localhost`.
    pub api_hosts: Vec<String>,
    /// Runners of other hosts, mutual TLS.
    pub runners: Vec<SocketAddr>,
}

/// A certificate chain with its key, both PEM files.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// Chain, leaf first.
    pub cert: PathBuf,
    /// Private key.
    pub key: PathBuf,
}

/// Which requests go where, and on what terms.
#[derive(Clone, Debug)]
pub struct Route {
    /// `shop.example`, `*.shop.example`, or `None` for every host.
    pub host: Option<String>,
    /// Path prefix on segment boundaries, `/` for all.
    pub path: String,
    /// The target.
    pub to: TargetConfig,
    /// The promise: answered within this window after arrival.
    pub within: Duration,
    /// What names the tenant.
    pub tenant: TenantKey,
    /// What tenants are called, by the value of their header field; the others are called by a hash of it.
    pub tenant_names: BTreeMap<String, String>,
    /// Only values that have a name make a tenant; all else is charged to its client.
    pub tenant_listed: bool,
    /// Weights of tenants that differ from 1, by value or name.
    pub weights: BTreeMap<String, u32>,
    /// Request bodies are passed on as they come instead of spooled first.
    pub stream_request: bool,
    /// Replies are read only as fast as the client takes them instead of spooled.
    pub stream_response: bool,
    /// A request that died with its child may be given to another, whatever its method.
    pub idempotent: bool,
    /// Time limits.
    pub timeouts: Timeouts,
    /// Largest request body in bytes.
    pub body_max: u64,
}

/// Where a route leads.
#[derive(Clone, Debug)]
pub enum TargetConfig {
    /// An app on the runners.
    App(String),
    /// A redirect: status and location; `$host` and `$uri` are replaced.
    Redirect(u16, String),
    /// A fixed reply: status and text.
    Respond(u16, String),
    /// The API, for requests over TLS.
    Api,
}

/// What names a request's tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TenantKey {
    /// The value of a header field.
    Header(http::HeaderName),
    /// The client's address.
    Client,
    /// All requests of the route are one tenant.
    None,
}

/// The time limits of a route. The request head's limit is the process's: [`Limits::header_timeout`].
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// Between two pieces of a request body.
    pub body: Duration,
    /// Waiting for a slot.
    pub queue: Duration,
    /// From the slot to the reply's head.
    pub first_byte: Duration,
    /// Between two pieces of a reply, and for a client that takes none.
    pub progress: Duration,
    /// From arrival to the end of the reply; zero: no limit.
    pub total: Duration,
}

/// Bounds of the whole process.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Open client connections.
    pub connections: usize,
    /// Time for a request head, and for the first one to begin.
    pub header_timeout: Duration,
    /// Time that a connection may be idle between two requests.
    pub keep_alive: Duration,
    /// Size of a request head in bytes.
    pub header_bytes: usize,
    /// Size of a request target in bytes.
    pub target_bytes: usize,
    /// Field lines of a request head.
    pub header_count: usize,
    /// Requests under way, of all clients together.
    pub requests: usize,
    /// Streams of one HTTP/2 connection.
    pub h2_streams: u32,
    /// Bytes of a body kept in memory before it goes to a file.
    pub spool_memory: usize,
    /// Bytes of all bodies in memory together; what is beyond goes to files from the first byte.
    pub body_memory: u64,
    /// Bytes of spool files together.
    pub spool_total: u64,
    /// Bytes of the disk that spool files, payloads and logs leave free for the store; `None`: a part of its size.
    pub disk_reserve: Option<u64>,
    /// Files that the process may open.
    pub files: usize,
    /// Tenants that metrics name; the rest are `other`.
    pub metric_tenants: usize,
}

impl Limits {
    /// Client connections that the process's files carry, beside all else that needs some.
    pub fn carried(&self) -> usize {
        crate::connection_budget::DescriptorShares::of(self.files, usize::MAX).web()
    }
}

/// Where access log lines go.
#[derive(Clone, Debug)]
pub enum AccessLog {
    /// Nowhere.
    Off,
    /// Standard output.
    Stdout(LogFormat),
    /// A file, appended to.
    File(PathBuf, LogFormat),
}

/// How an access log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object.
    Json,
    /// The combined format of the Apache and nginx tools.
    Combined,
}

/// A network in CIDR form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    /// Its address.
    pub address: std::net::IpAddr,
    /// Its prefix length in bits.
    pub prefix: u8,
}

//! What a runner is told, already validated. `ostler serve` passes it to its runner as JSON.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use ostler_job::Labels;
pub use ostler_shell_module::Users as JobUsers;
use serde::{Deserialize, Serialize};

use crate::runtime::{App, Serve};

/// Everything a runner needs to start.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The runner's name in logs, metrics and links.
    pub name: String,
    /// The gateway to serve.
    pub link: Link,
    /// The apps to keep children of.
    pub apps: Vec<AppSpec>,
    /// The folder for the children's code and the runner's certificate.
    pub state: PathBuf,
    /// How long to keep children without a gateway before ending; `None`: for ever.
    pub orphan_grace: Option<Duration>,
    /// What the gateway is told of this host.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// Durable jobs that run at once; 0: none.
    #[serde(default)]
    pub job_slots: u32,
    /// Users that durable jobs may run as.
    #[serde(default)]
    pub job_users: JobUsers,
    /// The file of secrets that durable jobs may name.
    #[serde(default)]
    pub secrets: Option<PathBuf>,
    /// The file mode creation mask of children and jobs; `None`: the runner's own.
    #[serde(default)]
    pub umask: Option<u32>,
    /// Bytes of an attempt's output that are kept.
    #[serde(default = "log_max")]
    pub log_max: u64,
    /// The program that mails the output of durable jobs; `None`: where a host has its sendmail.
    #[serde(default)]
    pub sendmail: Option<PathBuf>,
    /// How long a runner that ends lets durable jobs run on before it kills them.
    #[serde(default = "job_drain")]
    pub job_drain: Duration,
}

/// [`Config::job_drain`] unless somebody says otherwise.
pub(crate) const fn job_drain() -> Duration {
    Duration::from_secs(1)
}

/// [`Config::log_max`] unless somebody says otherwise.
pub(crate) const fn log_max() -> u64 {
    1 << 30
}

/// How the gateway is reached.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Link {
    /// On this host, by its Unix socket; lanes are handed over.
    Local(PathBuf),
    /// On another host, by mutual TLS, with a join token for the first time.
    Remote {
        /// `ostler1.` join token text as `ostler token join` printed it; `None`: the gateway that was joined before, see
        /// [`crate::joined_as`].
        token: Option<String>,
    },
}

/// An app: what to run, and how many of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppSpec {
    /// Its name, as routes use it.
    pub name: String,
    /// What to load.
    pub serve: Serve,
    /// The folder it runs in.
    pub root: PathBuf,
    /// The interpreter; `None`: where its language looks for one.
    pub interpreter: Option<PathBuf>,
    /// Environment variables added to the runner's own.
    pub env: BTreeMap<String, String>,
    /// Fewest children kept ready.
    pub children_min: u32,
    /// Most children.
    pub children_max: u32,
    /// Time from spawn to READY.
    pub boot_timeout: Duration,
    /// Time from the first, polite step of a stop or kill to the last.
    pub grace: Duration,
    /// Idle time after which a child above the minimum ends.
    pub idle_timeout: Duration,
    /// Requests after which a child is replaced, plus up to 10 % jitter; 0: never.
    pub max_requests: u64,
    /// Age at which a child is replaced, plus up to 10 % jitter; `None`: never.
    pub max_lifetime: Option<Duration>,
    /// The user to run as; only root may change it.
    pub user: Option<String>,
    /// Resource limits by name (`nofile`, `core`, `fsize`, `nproc`, `cpu`, `as`), soft and hard alike.
    pub rlimits: BTreeMap<String, u64>,
}

impl AppSpec {
    /// What its language is asked about.
    pub fn app(&self) -> App<'_> {
        let Self { serve, root, interpreter, env, .. } = self;
        App { serve, root, interpreter: interpreter.as_deref(), env }
    }
}

//! What a shell module needs to know of its runner.

use std::{path::PathBuf, sync::Arc, time::Duration};

use ostler_job::durable::AttemptKey;

use crate::{log::Log, share::Share, users::Users};

/// See the module.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The program that has the `launch job` mode.
    pub launcher: PathBuf,
    /// The runner's name, for the commands.
    pub runner: String,
    /// The state folder; logs and payloads are in `jobs` and `payloads` below it.
    pub state: PathBuf,
    /// Users that commands may run as.
    pub users: Users,
    /// The file of secrets.
    pub secrets: Option<PathBuf>,
    /// The file mode creation mask of commands that name none; `None`: the runner's own.
    pub umask: Option<u32>,
    /// Bytes of an attempt's log that are kept.
    pub log_max: u64,
    /// The program that mails; `None`: where a host has its sendmail.
    pub sendmail: Option<PathBuf>,
    /// How long that may take.
    pub mail_time: Duration,
}

impl Setup {
    /// Where payloads are expected, by their SHA-256.
    pub fn payloads(&self) -> PathBuf {
        self.state.join("payloads")
    }

    /// Where logs are until they are forgotten.
    pub fn logs(&self) -> PathBuf {
        self.state.join("jobs")
    }

    pub(crate) fn log(&self, key: AttemptKey, share: Arc<Share>) -> Log {
        Log::new(self.log_path(key), self.log_max, share)
    }

    pub(crate) fn log_path(&self, key: AttemptKey) -> PathBuf {
        self.logs().join(format!("{key}.log"))
    }
}

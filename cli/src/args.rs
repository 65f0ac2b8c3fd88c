//! Flags that several verbs share. Each verb's own are in its file.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, ValueEnum};
use ostler_gateway::{AccessLog, LogFormat};
use ostler_runner::labels::{self, Labels};

use crate::{config::Settings, failure::Failure, values};

/// Where the state is.
#[derive(Args, Clone, Debug)]
pub(crate) struct StateArgs {
    /// Folder for certificates, tokens and sockets [default: $XDG_STATE_HOME/ostler or
    /// ~/.local/state/ostler]
    #[arg(long, value_name = "DIR", env = "OSTLER_STATE")]
    pub(crate) state: Option<PathBuf>,
}

/// Flags of everything that runs a gateway; they win over the config file.
#[derive(Args, Clone, Debug)]
pub(crate) struct GatewayFlags {
    /// Config file [default: ostler.toml, when there is one]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Listen for HTTP here; several times for several addresses [default: 0.0.0.0:8080,
    /// off without routes]
    #[arg(long, value_name = "ADDR|off", value_parser = listen_arg)]
    pub(crate) http: Vec<ListenArg>,
    /// Listen for HTTPS here [default: 0.0.0.0:8443, off without routes]
    #[arg(long, value_name = "ADDR|off", value_parser = listen_arg)]
    pub(crate) https: Vec<ListenArg>,
    /// The API, metrics and health [default: 127.0.0.1:2691]
    #[arg(long, value_name = "ADDR|off", value_parser = listen_arg)]
    pub(crate) api: Vec<ListenArg>,
    /// Runners of other machines [default: 127.0.0.1:2692]
    #[arg(long, value_name = "ADDR|off", value_parser = listen_arg)]
    pub(crate) runners: Vec<ListenArg>,
    /// Serving threads [default: half the CPUs]
    #[arg(long, value_name = "N", value_parser = values::number(1_u16, 1024))]
    pub(crate) threads: Option<u16>,
    /// Access log on stdout [default: json]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) access_log: Option<AccessFormat>,
}

/// One address of a listener, or none when it is off.
#[derive(Clone, Debug)]
pub(crate) struct ListenArg(Vec<SocketAddr>);

fn listen_arg(text: &str) -> Result<ListenArg, String> {
    values::address_or_off(text).map(ListenArg)
}

/// `--access-log`
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum AccessFormat {
    /// No access log
    Off,
    /// One JSON object a line
    Json,
    /// The combined format of Apache and nginx
    Combined,
}

impl GatewayFlags {
    /// Lays the flags over what the file says.
    pub(crate) fn overlay(&self, settings: &mut Settings) -> Result<(), Failure> {
        let gateway = &mut settings.gateway;
        let listeners = [
            (&self.http, &mut gateway.listen.http),
            (&self.https, &mut gateway.listen.https),
            (&self.api, &mut gateway.listen.api),
            (&self.runners, &mut gateway.listen.runners),
        ];
        for (flags, addresses) in listeners {
            if !flags.is_empty() {
                *addresses = flags.iter().flat_map(|listen_arg| listen_arg.0.clone()).collect();
            }
        }
        let is_shut = gateway.listen.http.is_empty() && gateway.listen.https.is_empty();
        if is_shut && !gateway.routes.is_empty() {
            return Err(Failure::usage("http and https are both off, so no request could come in"));
        }
        if let Some(threads) = self.threads {
            gateway.threads = threads.into();
        }
        let log = &mut gateway.access_log;
        match self.access_log {
            None => {}
            Some(AccessFormat::Off) => *log = AccessLog::Off,
            Some(AccessFormat::Json) => reformat(log, LogFormat::Json),
            Some(AccessFormat::Combined) => reformat(log, LogFormat::Combined),
        }
        Ok(())
    }
}

/// A format alone leaves the file that the config names.
fn reformat(log: &mut AccessLog, format: LogFormat) {
    match log {
        AccessLog::File(_, old) | AccessLog::Stdout(old) => *old = format,
        AccessLog::Off => *log = AccessLog::Stdout(format),
    }
}

/// `--job-slots N`
pub(crate) fn job_slots(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| *number <= 10_000);
    number.ok_or_else(|| "expected a whole number up to 10000".to_owned())
}

/// `--label NAME=VALUE`, which may come several times, as the labels of one runner.
pub(crate) fn labels(told: &[String]) -> Result<Labels, Failure> {
    let labels = Labels::read(told.iter().map(String::as_str));
    labels.map_err(|wrong| Failure::usage(format!("--label: {wrong}")))
}

/// `--label NAME=VALUE`
pub(crate) fn label(text: &str) -> Result<String, String> {
    labels::pair(text).map(|_| text.to_owned())
}

/// `--children N`
pub(crate) fn children(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| (1..=10_000).contains(number));
    number.ok_or_else(|| "expected a whole number from 1 to 10000".to_owned())
}

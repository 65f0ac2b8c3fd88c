//! A job as it is submitted: the object of the API, before anything is made of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    shape::fielded,
    text::{Delay, LengthOfTime, Moment},
    words::{DedupeScopeName, DeliveryName, OnRetryName, TerminateName, ThenName},
};

/// A job to run: exactly one of `command`, `argv` and `"module": "noop"`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SubmitRequest, example = json!({"command": "resize img-0017.png", "tags": ["images"], "timeout": "10m"}))]
pub(crate) struct Submit {
    /// A command line, run by `/bin/sh -c`.
    #[schema(pattern = "^[^\\u0000]+$", max_length = 32768)]
    pub(crate) command: Option<String>,
    /// A program and its arguments.
    #[schema(schema_with = crate::schema::argv)]
    pub(crate) argv: Option<Vec<String>>,
    /// What runs it: `shell` for commands, which goes without saying, or `noop` for nothing.
    pub(crate) module: Option<Module>,
    /// What people call it; need not be unique.
    #[schema(pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]{1,128}$")]
    pub(crate) name: Option<String>,
    /// Whose share it is charged to; the token's tenant, or `default`.
    #[schema(pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]{1,128}$")]
    pub(crate) tenant: Option<String>,
    /// What makes two jobs the same kind; unless given, made from the command without its numbers, and then a dedupe compares
    /// everything that is run instead.
    #[schema(pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]{1,256}$")]
    pub(crate) identity: Option<String>,
    /// Labels to find it by.
    #[schema(schema_with = crate::schema::tags)]
    pub(crate) tags: Option<Vec<String>>,
    /// The one runner that may run it.
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    pub(crate) host: Option<String>,
    /// The queue that it waits in; `default` unless given.
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    pub(crate) queue: Option<String>,
    /// Variables added to the runner's base environment.
    #[schema(schema_with = crate::schema::env)]
    #[serde(default, deserialize_with = "super::strict::table")]
    pub(crate) env: Option<BTreeMap<String, String>>,
    /// Names of secrets of the runner's own file that become variables.
    #[schema(schema_with = crate::schema::secrets)]
    pub(crate) secrets: Option<Vec<String>>,
    /// The current folder, absolute.
    #[schema(pattern = "^/[^\\u0000]*$", max_length = 4096)]
    pub(crate) cwd: Option<String>,
    /// Standard input: text, or bytes, or a payload that was uploaded. More than 32 KiB go to `/v1/payloads`.
    pub(crate) stdin: Option<Stdin>,
    /// Standard error goes to standard output, by the same pipe, so that both are in the order in which they are written.
    pub(crate) merge: Option<bool>,
    /// The user to run as, where the runner permits it.
    #[schema(pattern = "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}$")]
    pub(crate) user: Option<String>,
    /// File mode creation mask, octal.
    #[schema(pattern = "^0?[0-7]{1,3}$", example = "022")]
    pub(crate) umask: Option<String>,
    /// Niceness added.
    #[schema(minimum = -20, maximum = 19)]
    pub(crate) nice: Option<i32>,
    /// Resource limits, soft and hard alike.
    pub(crate) limits: Option<Limits>,
    /// How long an attempt may run before it is killed.
    pub(crate) timeout: Option<LengthOfTime>,
    /// Time between SIGTERM and SIGKILL; 10 s unless given.
    pub(crate) grace: Option<Delay>,
    /// Which processes are sent SIGTERM when it is to end; `all` unless given. What the grace leaves is killed.
    pub(crate) terminate: Option<TerminateName>,
    /// To whom what it writes is mailed when it is over, as cron does; addresses with commas between them, or nothing for nobody.
    #[schema(
        pattern = "^[ \\t]*([A-Za-z0-9][-A-Za-z0-9@!:%.+_=]*[ \\t]*(,[ \\t]*[A-Za-z0-9][-A-Za-z0-9@!:%.+_=]*[ \\t]*)*)?$",
        max_length = 900,
        example = "ops@example.com"
    )]
    pub(crate) mailto: Option<String>,
    /// It does not start before this moment.
    pub(crate) not_before: Option<Moment>,
    /// It does not start earlier than this after its arrival.
    pub(crate) delay: Option<Delay>,
    /// Not started this long after its arrival, it expires.
    pub(crate) expires: Option<LengthOfTime>,
    /// Its promise: done within this window.
    pub(crate) within: Option<LengthOfTime>,
    /// It waits until somebody resumes it.
    pub(crate) paused: Option<bool>,
    /// When nobody could run it as things are, since there is no such runner or none that its queue is attached to: it waits for one,
    /// `accept`, unless given, or it is not taken, `refuse`.
    pub(crate) unrunnable: Option<Unrunnable>,
    /// What happens when a runner is lost with it; `at_least_once` unless given.
    pub(crate) delivery: Option<DeliveryName>,
    /// What happens when an attempt fails; nothing unless given.
    pub(crate) retry: Option<Retry>,
    /// Which other jobs that are the same make it superfluous: the same in all that is run and in the host, or, when an identity is
    /// given, those that were given it too.
    pub(crate) dedupe: Option<Dedupe>,
    /// One job of this key at a time, in the order in which they were submitted, whatever their queues are.
    #[schema(pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]{1,200}$", example = "repo:42")]
    pub(crate) serial: Option<String>,
    /// What it needs while it runs, by name: for itself, `exclusive`, or `shared` with others that share it.
    #[schema(schema_with = crate::schema::resources)]
    #[serde(default, deserialize_with = "super::strict::table")]
    pub(crate) resources: Option<BTreeMap<String, String>>,
    /// What becomes of its key and resources while it waits to be tried again; `hold` unless given.
    pub(crate) on_retry: Option<OnRetryName>,
}

fielded!(Submit);

/// The fields that say something of whatever runs. The others are a command's alone.
pub(crate) const OF_ALL: &[&str] = &[
    "module",
    "name",
    "tenant",
    "identity",
    "tags",
    "host",
    "queue",
    "not_before",
    "delay",
    "expires",
    "within",
    "paused",
    "unrunnable",
    "delivery",
    "retry",
    "dedupe",
    "serial",
    "resources",
    "on_retry",
];

/// What runs a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Module {
    /// A command.
    Shell,
    /// Nothing, successfully.
    Noop,
}

/// What becomes of a job that nobody could run as things are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unrunnable {
    /// It waits for a runner.
    Accept,
    /// It is not taken.
    Refuse,
}

/// Standard input.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Stdin {
    /// Text.
    Text(String),
    /// Bytes.
    Base64(StdinBase64),
    /// A payload.
    Payload(StdinPayload),
}

/// Bytes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StdinBase64 {
    /// The bytes as base64, with padding.
    #[schema(
        pattern = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$",
        max_length = 43688,
        example = "aGVsbG8K"
    )]
    pub(crate) base64: String,
}

/// A payload that was uploaded.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StdinPayload {
    /// Its SHA-256, lower-case hex.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    pub(crate) payload: String,
}

/// Resource limits by name.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    /// Open files.
    #[schema(maximum = 9007199254740991_i64)]
    pub(crate) nofile: Option<u64>,
    /// Bytes of a core file.
    #[schema(maximum = 9007199254740991_i64)]
    pub(crate) core: Option<u64>,
    /// Bytes of a file that it writes.
    #[schema(maximum = 9007199254740991_i64)]
    pub(crate) fsize: Option<u64>,
    /// Processes of its user.
    #[schema(maximum = 9007199254740991_i64)]
    pub(crate) nproc: Option<u64>,
    /// Seconds of processor time of a process.
    #[schema(maximum = 9007199254740991_i64)]
    pub(crate) cpu: Option<u64>,
    /// Bytes of address space of a process.
    #[schema(maximum = 9007199254740991_i64)]
    pub(crate) r#as: Option<u64>,
}

/// When a failed attempt is followed by another.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Retry {
    /// Attempts that may fail in all.
    #[schema(minimum = 1, maximum = 100)]
    pub(crate) attempts: u32,
    /// The wait before the second attempt; `1s` unless given.
    pub(crate) delay: Option<Delay>,
    /// The longest wait; `1h` unless given.
    pub(crate) delay_max: Option<Delay>,
    /// `exponential`, jittered, unless given.
    pub(crate) backoff: Option<Backoff>,
    /// Only these exit statuses are worth a retry; every failure is unless given.
    #[schema(schema_with = crate::schema::exit_codes)]
    pub(crate) exit_codes: Option<Vec<i32>>,
}

/// How waits grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Backoff {
    /// They double, with up to half taken off at random.
    Exponential,
    /// They do not.
    Constant,
}

/// When another job that is the same makes this one superfluous.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dedupe {
    /// `queued`: jobs that have not finished; `done`: also those that succeeded within the window.
    pub(crate) scope: DedupeScopeName,
    /// Jobs submitted longer ago than this do not count; needed for `done`.
    pub(crate) window: Option<LengthOfTime>,
    /// `reject`: the submit fails; `coalesce`: it is answered with the other job.
    pub(crate) then: ThenName,
}

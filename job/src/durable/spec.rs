//! What a durable job is asked to do, as it was submitted and validated.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Edited, FiringKey, QueueName, Resources, Retry, ScheduleName};
use crate::{Span, Wall};

/// The tenant of jobs whose submitter named none.
pub const TENANT_DEFAULT: &str = "default";

/// A durable job as submitted. It never changes afterwards, except by an [`super::Edit`] while it waits. Where it is moved to is
/// in its status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// What to run.
    pub work: Work,
    /// What people call it; need not be unique.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whose share it is charged to.
    #[serde(default = "default_tenant", skip_serializing_if = "is_default_tenant")]
    pub tenant: String,
    /// What makes two jobs the same kind: whose run times say something about each other's.
    pub identity: String,
    /// Hash of all that it runs, and where: what makes two jobs the same work. `None`: its submitter named the identity,
    /// and meant that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<u64>,
    /// Labels to find it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The one runner that may run it; `None`: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The queue that it was submitted to; `None`: [`QueueName::DEFAULT`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueName>,
    /// It does not start before this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Wall>,
    /// Not started by then, it expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Wall>,
    /// The window of its promise; `None`: sometime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Span>,
    /// What happens when a runner is lost with it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub delivery: Delivery,
    /// What happens when an attempt fails.
    #[serde(default, skip_serializing_if = "is_default")]
    pub retry: Retry,
    /// Which other jobs make this one superfluous.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dedupe: Option<Dedupe>,
    /// What it needs for itself, or shared, while it runs.
    #[serde(flatten)]
    pub needs: Resources,
    /// The firing of a schedule that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firing: Option<Box<FiringKey>>,
    /// That it was changed since, the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited: Option<Box<Edited>>,
}

impl Spec {
    /// A job of the usual tenant that names nothing but what it runs.
    pub fn new(work: Work, identity: impl Into<String>) -> Self {
        Self {
            work,
            name: None,
            tenant: default_tenant(),
            identity: identity.into(),
            content: None,
            tags: Vec::new(),
            host: None,
            queue: None,
            not_before: None,
            expires: None,
            within: None,
            delivery: Delivery::default(),
            retry: Retry::default(),
            dedupe: None,
            needs: Resources::default(),
            firing: None,
            edited: None,
        }
    }

    /// Whether it is a firing of this schedule.
    pub fn is_firing_of(&self, schedule: &ScheduleName) -> bool {
        self.firing.as_ref().is_some_and(|firing| firing.schedule == *schedule)
    }
}

/// What a job runs; names the module that runs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "module", rename_all = "snake_case")]
pub enum Work {
    /// A command, by the shell module.
    Shell(Box<Command>),
    /// Nothing, successfully and at once: what the durable path itself costs.
    Noop,
    /// Something that this version does not know, or that cannot be read: it is kept, shown and deleted, and never run.
    #[serde(other)]
    Unknown,
}

impl Work {
    /// The module's name.
    pub const fn module(&self) -> &'static str {
        match self {
            Self::Shell(_) => "shell",
            Self::Noop => "noop",
            Self::Unknown => "unknown",
        }
    }

    /// The command that it is, if it is one.
    pub const fn command(&self) -> Option<&Command> {
        match self {
            Self::Shell(command) => Some(command),
            Self::Noop | Self::Unknown => None,
        }
    }

    /// The payload that it reads, if it reads one.
    pub const fn payload(&self) -> Option<&Payload> {
        let Some(Command { stdin: Input::Payload(payload), .. }) = self.command() else {
            return None;
        };
        Some(payload)
    }

    /// The same, to be changed.
    pub const fn payload_mut(&mut self) -> Option<&mut Payload> {
        let Self::Shell(command) = self else { return None };
        let Input::Payload(payload) = &mut command.stdin else { return None };
        Some(payload)
    }
}

/// A command of the shell module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Program and arguments; a command line is `["/bin/sh", "-c", line]`. Never empty.
    pub argv: Vec<String>,
    /// The command line, when it was given as one: for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
    /// Variables added to the runner's base environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Names of secrets of the runner's own file that become variables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// The current folder, absolute; `None`: the runner's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// Standard input.
    #[serde(default, skip_serializing_if = "is_default")]
    pub stdin: Input,
    /// Standard error goes to standard output, by the same pipe.
    #[serde(default, skip_serializing_if = "is_default")]
    pub merge: bool,
    /// The user to run as, where the runner permits it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// File mode creation mask, 0 to 0o777.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub umask: Option<u32>,
    /// Niceness added, -20 to 19.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nice: Option<i32>,
    /// Resource limits by name (`nofile`, `core`, `fsize`, `nproc`, `cpu`, `as`), soft and hard alike.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, u64>,
    /// How long it may run before it is killed; `None`: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// Time between SIGTERM and SIGKILL; `None`: the default of 10 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace: Option<Span>,
    /// Who is asked to end.
    #[serde(default, skip_serializing_if = "is_default")]
    pub terminate: Terminate,
    /// To whom its output is mailed, by the rule of [`super::checked_mailto`]; `None`: to nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mailto: Option<String>,
}

/// Which processes of a command are sent SIGTERM when it is to end. What is left when the grace is over is killed anyway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Terminate {
    /// All that there are at that moment, the main process first.
    #[default]
    All,
    /// The main process alone, which sees to the others; what it leaves is killed when it has ended.
    Main,
}

impl Input {
    /// How long it is where it is within the record.
    pub const fn inline_len(&self) -> usize {
        match self {
            Self::Text(text) | Self::Base64(text) => text.len(),
            Self::Empty | Self::Payload(_) => 0,
        }
    }
}

/// The line that a shell is given, where a program and its arguments are that and no more: a script of `sh -c`.
pub fn line_of_shell<'a>(argv: &[&'a str]) -> Option<&'a str> {
    let &[program, "-c", line] = argv else { return None };
    let name = program.rsplit('/').next().unwrap_or_default();
    ["sh", "bash", "dash", "ash", "ksh", "mksh", "zsh"].contains(&name).then_some(line)
}

impl Command {
    /// The command as people see it: its line, or its words as a shell would take them.
    pub fn shown(&self) -> String {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
        let word = |word: &String| match !word.is_empty() && word.chars().all(plain) {
            true => word.clone(),
            false => format!("'{}'", word.replace('\'', "'\\''")),
        };
        let words = || self.argv.iter().map(word).collect::<Vec<_>>().join(" ");
        self.line.clone().unwrap_or_else(words)
    }
}

/// Standard input of a command.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// Nothing: `/dev/null`.
    #[default]
    Empty,
    /// Text within the record.
    Text(String),
    /// Bytes within the record, base64.
    Base64(String),
    /// A payload in the store.
    Payload(Payload),
}

/// Bytes that the store keeps out of band, found by what they are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Payload {
    /// SHA-256 of the bytes, lower-case hex.
    pub sha256: String,
    /// How many they are.
    pub bytes: u64,
}

/// What a job is worth when the runner that had it is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// It is tried again: it may have run before.
    #[default]
    AtLeastOnce,
    /// It is not: it may not have run.
    AtMostOnce,
}

/// When another job of the same work, or of the identity that was named, makes this one superfluous.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dedupe {
    /// Which other jobs count.
    pub scope: DedupeScope,
    /// Jobs submitted longer ago than this do not count; `None`: however old.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Span>,
    /// What becomes of this one.
    pub then: Then,
}

/// Which of the jobs that are the same count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DedupeScope {
    /// Those that have not finished.
    Queued,
    /// Those, and those that succeeded within the window.
    Done,
}

/// What becomes of a superfluous job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// The submit fails.
    Reject,
    /// The submit is answered with the other job.
    Coalesce,
}

pub(super) fn default_tenant() -> String {
    TENANT_DEFAULT.to_owned()
}

fn is_default_tenant(name: &str) -> bool {
    name == TENANT_DEFAULT
}

pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

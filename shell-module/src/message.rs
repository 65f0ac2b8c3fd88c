//! What executor and supervisor tell each other, over a stream socket pair.
//!
//! The executor sends the byte [`NEXT`] and a [`Task`], then orders of one byte; when the task has ended, the next one may
//! follow. The supervisor answers with [`Said`]. Both structures travel as `len u32 LE` and JSON; the descriptors of
//! standard output, standard error and, if there is one, standard input come with the byte.

use std::collections::BTreeMap;

use ostler_job::{
    Span, Wall,
    durable::{Order, Terminate, Usage},
};
use ostler_process::launch;
use serde::{Deserialize, Serialize};

/// Longest message in bytes: an environment and arguments beyond the kernel's own limit cannot be executed anyway.
pub(crate) const MESSAGE_MAX: u32 = 16 << 20;

/// Begins a task.
pub(crate) const NEXT: u8 = b'n';

/// Asks whether the supervisor is there, to be answered with [`Said::Here`].
pub(crate) const ASK: u8 = b'?';

/// What is to be run, and how.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Task {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// The whole environment, but for what a user brings along.
    pub env: BTreeMap<String, String>,
    /// The folder to run in.
    pub cwd: Option<String>,
    /// The user to become.
    pub user: Option<String>,
    /// File mode creation mask.
    pub umask: Option<u32>,
    /// It gains no rights by what it executes.
    pub no_new_privs: bool,
    /// Niceness added.
    pub nice: Option<i32>,
    /// Resource limits by name.
    pub limits: BTreeMap<String, u64>,
    /// Who is sent SIGTERM.
    pub terminate: Terminate,
    /// What it leaves behind at its end may go on until an order to kill, as if that were of it.
    #[serde(default)]
    pub lingers: bool,
}

/// What a supervisor tells.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Said {
    /// The command was executed.
    Started {
        /// When.
        at: Wall,
        /// The main process, which leads a session of this number.
        pid: i32,
    },
    /// It could not be, for this reason. Nothing else follows of this task.
    Failed(String),
    /// The host has no room for it now. Nothing of it ran, and nothing else follows.
    NoRoom,
    /// It is there, as it was asked.
    Here,
    /// Every process is stopped, or goes on.
    Stopped(bool),
    /// No process is left. Nothing else follows of this task.
    Ended(Box<Ended>),
}

/// How it ended.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Ended {
    /// The main process exited by itself.
    pub exit_status: Option<i32>,
    /// A signal ended it.
    pub signal: Option<i32>,
    /// An order to kill came while it still ran.
    pub hit: bool,
    /// Somebody sent its supervisor a signal that ends processes while it still ran: not only the command was meant.
    #[serde(default)]
    pub signalled: bool,
    /// Its supervisor is not as it was: no other command should inherit that.
    #[serde(default)]
    pub worn: bool,
    /// From its start to its end, but for when it was stopped.
    pub ran: Span,
    /// How long it was stopped.
    #[serde(default)]
    pub stopped: Span,
    /// By everything that was waited for.
    pub usage: Usage,
    /// Processes that became another user's and cannot be killed by this one.
    pub left: u32,
    /// Processes that it left behind at its end, which were killed.
    #[serde(default)]
    pub killed: u32,
    /// The names of some of them.
    #[serde(default)]
    pub names: Vec<String>,
    /// When it was killed: whether the kernel has killed processes of this host meanwhile for want of memory. `None`: it
    /// does not say.
    #[serde(default)]
    pub shortage: Option<bool>,
}

/// An order as it travels.
pub(crate) const fn order_byte(order: Order) -> u8 {
    match order {
        Order::Kill => b't',
        Order::KillNow => b'k',
        Order::Stop => b's',
        Order::Continue => b'c',
    }
}

/// The order of a byte.
pub(crate) const fn order_of(byte: u8) -> Option<Order> {
    Some(match byte {
        b't' => Order::Kill,
        b'k' => Order::KillNow,
        b's' => Order::Stop,
        b'c' => Order::Continue,
        _ => return None,
    })
}

/// A structure as it travels.
pub(crate) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    launch::encode(value).expect("maps with text as keys are JSON")
}

//! What the runner's tasks tell its one owner of state.

mod granted;

use ostler_wire::Frame;
use tokio::sync::mpsc;

use crate::{
    child_pool::{ChildId, Ending},
    frames::Outbox,
    runtime::{Launch, Look, NotYet},
};

pub(crate) use self::granted::Granted;

/// Events that wait for the owner, at most; tasks wait with theirs.
pub(crate) const EVENTS_MAX: usize = 1024;

/// The way to the owner.
pub(crate) type Events = mpsc::Sender<Event>;

/// Something happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// To a child.
    Child(ChildId, ChildEvent),
    /// To the link.
    Link(LinkEvent),
    /// An app's folder was looked at; and how its children begin, if that was not known yet.
    Looked(usize, Look, Option<Result<Launch, NotYet>>),
    /// It came.
    Signal(Signalled),
    /// A process that fell to us ended.
    Orphan,
}

/// What a signal means to a runner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signalled {
    /// SIGTERM, SIGINT: end; the second time at once.
    End,
    /// SIGUSR1, from whoever started it: end, which it may be doing already.
    Drain,
    /// SIGHUP: the terminal is gone, or somebody means another program.
    HangUp,
    /// SIGUSR2: means something to other servers, and would end this one and its jobs if nobody took it.
    Foreign,
}

/// Something happened to a child.
#[derive(Debug)]
pub(crate) enum ChildEvent {
    /// It sent a frame on its control socket.
    Frame(Frame),
    /// Its control socket ended, with the reason when it was not an orderly end.
    CtlLost(Option<String>),
    /// Its lane to the relay ended, with the rule that it broke if it did.
    LaneLost(Option<String>),
    /// Nobody waits for this stream of its lane any more.
    Unwanted(u32),
    /// It was told a moment ago to begin nothing more of this lane up to this stream.
    Barred(u32, u32),
    /// Its process is gone.
    Ended(Ending),
    /// What it wrote before has been read.
    Exited(Ending),
}

/// Something happened to the link.
#[derive(Debug)]
pub(crate) enum LinkEvent {
    /// A gateway answered, and says what this runner may do.
    Up(Outbox, Granted),
    /// It sent a frame.
    Frame(Frame),
    /// It is gone, or could not be reached.
    Down(String),
    /// It does not want this runner.
    Refused(String),
    /// Another process has this runner's name there.
    Replaced(String),
}

//! What a module is: the part of a runner that knows how to run one kind of durable job, or that of a gateway which supplies jobs.
//!
//! A runner keeps one [`Executor`] for each module. It hands over attempts and orders, and hears through an [`Observer`] what
//! becomes of them. A gateway's driver keeps one [`Source`]. This crate deliberately lacks a runtime, processes and links: leases,
//! heartbeats and the way to the gateway are the runner's, and what is written of a firing is the driver's. It is separate so that a
//! module depends on this and neither on the runner nor on the driver.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod source;

use std::{io, rc::Rc};

use ostler_job::durable::{AttemptKey, Finish, Order, Payload, Report, Start, Work};

pub use source::{Clock, Decided, NoSource, Plan, Round, Source, Standing};

/// Runs the attempts of one module on this host. Calls return at once; what follows comes by way of the observer.
pub trait Executor {
    /// The module's name, as [`ostler_job::durable::Work::module`] has it.
    fn name(&self) -> &'static str;

    /// Begins an attempt. Whatever happens, exactly one `Finished` or `NotStarted` follows, possibly before this returns.
    fn start(&mut self, start: Start, observer: &Rc<dyn Observer>);

    /// Passes an order on. One for an attempt that is not running is ignored.
    fn steer(&mut self, key: AttemptKey, order: Order);

    /// The payload that must be on this host before the work is started; by default none.
    fn payload(&self, work: &Work) -> Option<Payload> {
        let _ = work;
        None
    }

    /// Part of an attempt's log, at most `max` bytes from `offset`; `None` when there is none. Over or not, the log is
    /// there until the attempt is forgotten. An error is of the moment.
    fn read_log(&self, key: AttemptKey, offset: u64, max: usize) -> io::Result<Option<Piece>> {
        let _ = (key, offset, max);
        Ok(None)
    }

    /// The attempt's end was taken as it is told: by then it may be the runner's doing, and lost. What is to be done after an end is
    /// done now, and holds nothing up. An end that concerns nobody any more is not told here.
    fn ended(&mut self, finish: &Finish) {
        let _ = finish;
    }

    /// Whether something of [`ended`](Self::ended) is still under way. A runner that ends waits for that, for a moment.
    fn is_busy(&self) -> bool {
        false
    }

    /// Drops what is kept of an attempt that is over: its log.
    fn forget(&mut self, key: AttemptKey) {
        let _ = key;
    }
}

/// Bytes of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The bytes; none of them when the log is no longer than the offset.
    pub bytes: Vec<u8>,
    /// The log ends with them, and will not grow any more.
    pub end: bool,
}

/// Hears what becomes of attempts.
pub trait Observer {
    /// Something happened to an attempt.
    fn observe(&self, report: Report);

    /// An attempt ended in a way that may be the work of whoever ends the whole host or service at this moment, and not its
    /// own. Whoever can tell does; by default it is an end like any other.
    fn suspect(&self, finished: Report) {
        self.observe(finished);
    }

    /// Something went wrong that is no part of an attempt: a line for the log of this process.
    fn trouble(&self, message: &'static str, detail: String) {
        let _ = (message, detail);
    }
}

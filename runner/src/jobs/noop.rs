//! The module that does nothing, successfully: it shows what the way to a runner and back costs.

use std::{
    rc::Rc,
    time::{SystemTime, UNIX_EPOCH},
};

use ostler_job::{
    Span, Wall,
    durable::{AttemptKey, Ending, Finish, LogState, Order, Reason, Report, Start, Usage},
};
use ostler_module::{Executor, Observer};

/// Finishes at once.
#[derive(Debug)]
pub(super) struct Noop;

impl Executor for Noop {
    fn name(&self) -> &'static str {
        "noop"
    }

    fn start(&mut self, start: Start, observer: &Rc<dyn Observer>) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = Wall(u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
        let ending = Ending { reason: Reason::Ok, exit_status: None, signal: None, detail: None };
        observer.observe(Report::Finished(Box::new(Finish {
            key: start.key,
            ending,
            started_at: Some(now),
            ran: Span::ZERO,
            stopped: Span::ZERO,
            usage: Usage::default(),
            log: LogState::default(),
        })));
    }

    fn steer(&mut self, _: AttemptKey, _: Order) {}
}

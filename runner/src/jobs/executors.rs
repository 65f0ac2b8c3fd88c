//! The executors of a runner, and what they report.

use std::{cell::RefCell, fmt, io, rc::Rc};

use ostler_job::durable::{AttemptKey, Report};
use ostler_module::{Executor, Observer, Piece};
use tokio::sync::Notify;

/// The executors by the names of their modules. Not a map: there are few.
pub(super) struct Executors(pub(super) Vec<Box<dyn Executor>>);

/// The observer that executors get.
#[derive(Clone)]
pub(super) struct Observing(pub(super) Rc<dyn Observer>);

/// Whether an end may be the work of whoever ends this runner as well.
pub(super) type Suspect = bool;

/// What executors have reported and nobody has looked at yet.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    pub(super) reports: RefCell<Vec<(Report, Suspect)>>,
    /// Lines for the log.
    troubles: RefCell<Vec<(&'static str, String)>>,
    news: Notify,
}

impl Inbox {
    /// Waits until something was reported.
    pub(crate) async fn news(&self) {
        self.news.notified().await;
    }

    /// What went wrong since the last look: message and detail.
    pub(crate) fn take_troubles(&self) -> Vec<(&'static str, String)> {
        self.troubles.take()
    }
}

impl Observer for Inbox {
    fn observe(&self, report: Report) {
        self.reports.borrow_mut().push((report, false));
        self.news.notify_one();
    }

    fn suspect(&self, finished: Report) {
        self.reports.borrow_mut().push((finished, true));
        self.news.notify_one();
    }

    fn trouble(&self, message: &'static str, detail: String) {
        self.troubles.borrow_mut().push((message, detail));
        self.news.notify_one();
    }
}

impl Executors {
    pub(super) fn get(&mut self, module: &str) -> Option<&mut Box<dyn Executor>> {
        self.0.iter_mut().find(|executor| executor.name() == module)
    }

    /// Whether one of them still does something about ends.
    pub(super) fn is_busy(&self) -> bool {
        self.0.iter().any(|executor| executor.is_busy())
    }

    pub(super) fn read_log(
        &self,
        key: AttemptKey,
        offset: u64,
        max: usize,
    ) -> io::Result<Option<Piece>> {
        for executor in &self.0 {
            if let Some(piece) = executor.read_log(key, offset, max)? {
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }
}

impl fmt::Debug for Executors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|executor| executor.name())).finish()
    }
}

impl fmt::Debug for Observing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observing")
    }
}

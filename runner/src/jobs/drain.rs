//! How a runner that ends deals with what runs.

use std::time::Instant;

use ostler_job::durable::{AttemptKey, Order, Reason, Report};

use super::{Drain, Jobs, Live, SETTLE, SETTLE_ALONE, STOPPED};

impl Jobs {
    /// An attempt that ended because its runner does is no failure of its job.
    pub(super) fn spare(&self, report: Report, live: &Live) -> Report {
        match report {
            Report::Finished(mut finish)
                if self.drain == Drain::Killing
                    && !live.kill_wanted
                    && finish.ending.reason == Reason::Killed =>
            {
                finish.ending.reason = Reason::Lost;
                finish.ending.detail = Some(STOPPED.to_owned());
                Report::Finished(finish)
            }
            Report::Finished(_)
            | Report::Started { .. }
            | Report::Paused { .. }
            | Report::Log { .. }
            | Report::NotStarted { .. } => report,
        }
    }

    /// Takes nothing new. What runs has some time, and is killed after that.
    pub(crate) fn drain(&mut self) {
        if self.drain == Drain::No {
            self.drain = Drain::Until(Instant::now() + self.drain_time);
            self.beaten_at = None;
        }
    }

    /// Kills what runs.
    pub(crate) fn end_now(&mut self) {
        self.drain = Drain::Killing;
        self.steer_all(Order::KillNow);
    }

    fn steer_all(&mut self, order: Order) {
        let keys: Vec<AttemptKey> = self.live.keys().copied().collect();
        keys.into_iter().for_each(|key| self.steer(key, order));
    }

    pub(super) fn keep_drain(&mut self) {
        match self.drain {
            Drain::Until(at) if at <= Instant::now() => {
                self.drain = Drain::Killing;
                self.steer_all(Order::Kill);
            }
            Drain::No | Drain::Until(_) | Drain::Killing => {}
        }
        if self.live.is_empty() && self.drain != Drain::No {
            self.idle_since.get_or_insert_with(Instant::now);
        }
    }

    /// Whether nothing runs.
    pub(crate) fn is_idle(&self) -> bool {
        self.live.is_empty()
    }

    /// Whether a runner that drains may end: nothing runs, and the gateway knows, or has had time to.
    pub(crate) fn is_over(&self, has_gateway: bool) -> bool {
        let patience = if has_gateway { SETTLE } else { SETTLE_ALONE };
        let is_settled = self.unsettled.is_empty() && self.inbox.reports.borrow().is_empty();
        let waited = self.idle_since.is_some_and(|since| since.elapsed() >= patience);
        self.live.is_empty() && (is_settled || waited)
    }
}

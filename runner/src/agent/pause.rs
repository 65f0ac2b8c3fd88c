//! How long the owner of state sleeps when nothing happens.

use std::time::Duration;

use super::{Agent, REPORT, span};

/// Between two looks at boards and clocks while children work, or something is awaited.
const TICK: Duration = Duration::from_millis(250);
/// The same while a child is on its way out, over its time, or to be handed over.
const TICK_RESTLESS: Duration = Duration::from_millis(25);

impl Agent {
    /// Until the next look, if nothing happens before. While all is calm, only the report is due, or the end of a gateway's silence.
    pub(super) fn pause(&self, is_calm: bool) -> Duration {
        match is_calm {
            true => {
                let report = REPORT.saturating_sub(self.reported_at.elapsed());
                let silence = self.relay.as_ref().and_then(|relay| relay.silence_left());
                silence.map_or(report, |left| report.min(left))
            }
            false if self.is_restless() => TICK_RESTLESS,
            false => TICK,
        }
    }

    /// Whether nothing can become due before the next report unless an event says so. That an idle child of a gateway on
    /// this host was given a request shows on its board alone: that is seen with the report.
    pub(super) fn is_calm(&self) -> bool {
        let until = self.now() + span(REPORT);
        self.stops == 0
            && self.gateway.is_some()
            && !self.is_restless()
            && self.jobs.is_calm()
            && self.relay.as_ref().is_none_or(|relay| relay.is_idle())
            && self.apps.iter().all(|app| app.pool.is_calm(until))
    }

    fn is_restless(&self) -> bool {
        let waiting_for_lane = self.gateway.is_some()
            && self
                .children
                .iter()
                .any(|(id, c)| !c.handed && self.apps[c.app].pool.is_serving(*id));
        waiting_for_lane || self.apps.iter().any(|app| app.pool.is_restless())
    }
}

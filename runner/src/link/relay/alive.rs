//! The heartbeats of the relay's link, sent and judged when the owner of state looks at the clock anyway.

use std::time::{Duration, Instant};

use super::{Relay, header, put_frame};
use crate::link::heartbeat::HEARTBEAT_TIMEOUT;

impl Relay {
    /// Something came on the link.
    pub(in crate::link) fn hear(&self) {
        if let Some(link) = &mut self.inner.borrow_mut().link {
            link.heartbeat.hear(Instant::now());
        }
    }

    /// Why the link is of no more use, if the gateway has said nothing for too long.
    pub(crate) fn silence(&self) -> Option<String> {
        let mut inner = self.inner.borrow_mut();
        let is_silent = inner.link.as_mut()?.heartbeat.is_silent(Instant::now());
        is_silent.then(|| format!("nothing heard for {} s", HEARTBEAT_TIMEOUT.as_secs()))
    }

    /// How long the gateway may still say nothing.
    pub(crate) fn silence_left(&self) -> Option<Duration> {
        let inner = self.inner.borrow();
        inner.link.as_ref().map(|link| link.heartbeat.left(Instant::now()))
    }

    /// Queues the heartbeat that is due.
    pub(crate) fn beat(&self) {
        self.with(|inner| {
            let Some(link) = &mut inner.link else { return };
            let kind = link.heartbeat.beat();
            put_frame(&mut link.out, header(kind, 0, 0, 0), &[]);
        });
    }
}

//! Against head-of-line blocking: what was prefetched behind a request that turns out slow is taken back and goes to another child.

use std::sync::Arc;

use ostler_job::{Mono, Span};
use ostler_machine::clock;

use super::{
    Inner, Pool,
    carrier::{Carrier, Ended},
};

/// What has not come back is asked for again after this long.
const ASK_AGAIN: Span = Span::from_secs(1);

/// A slow request that keeps its lane from being given more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Suspended {
    stream: u32,
    asked: Mono,
}

/// What a check found.
#[derive(Debug, Default)]
pub(super) struct Check {
    /// Children that are to give back what they have not begun, up to the stream.
    pub(super) ask: Vec<GiveBack>,
    ended: Ended,
    /// There is something left to look at.
    pub(super) again: bool,
}

/// A child that is to give back what it has not begun, up to the stream.
pub(crate) type GiveBack = (Arc<Carrier>, u32);

impl Pool {
    /// Waits until a request is prefetched.
    pub async fn prefetched(&self) {
        self.ahead.notified().await;
    }

    /// Takes back what waits behind slow requests: which children to ask for it, and whether anything is prefetched still.
    pub fn relieve(&self) -> (Vec<GiveBack>, bool) {
        let now = clock::now();
        let mut inner = self.lock();
        let check = inner.relieve(now);
        let effects = inner.drain(now);
        drop(inner);
        self.apply(effects, now);
        self.settle(check.ended, now);
        (check.ask, check.again)
    }
}

impl Inner {
    pub(super) fn relieve(&mut self, now: Mono) -> Check {
        let mut check = Check::default();
        let mut changed = Vec::new();
        for (&id, supplier) in self.suppliers.iter_mut().filter(|(_, s)| s.prefetches) {
            let carrier = &supplier.carrier;
            if supplier.suspended.is_some_and(|s| carrier.oldest() != Some(s.stream)) {
                supplier.suspended = None;
                changed.push(id);
            }
            check.again |= supplier.suspended.is_some() || carrier.load() > 1;
            let Some(stuck) = carrier.relieve(now) else { continue };
            check.ended.returned.extend(stuck.held);
            let asked = supplier.suspended.map(|s| s.asked);
            if asked.is_none() {
                changed.push(id);
            }
            let is_due = asked.is_none_or(|asked| now - asked > ASK_AGAIN);
            if is_due && (asked.is_none() || stuck.last.is_some()) {
                supplier.suspended = Some(Suspended { stream: stuck.stream, asked: now });
                check.ask.extend(stuck.last.map(|last| (carrier.clone(), last)));
            }
        }
        // Before what was taken back is queued again, or it would be granted to the same child.
        changed.into_iter().for_each(|id| self.supply(id, now));
        self.relieving = check.again;
        check
    }
}

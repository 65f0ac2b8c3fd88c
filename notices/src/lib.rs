//! What the program around a gateway is told while it runs: events as they come, and of what may happen often, now and then.
//!
//! It deliberately lacks a log: whoever started the gateway chooses what becomes of an event. It is separate so that every part of a
//! gateway may tell, and none has to know the others.
#![deny(unsafe_code)]
#![warn(missing_docs)]

mod event;

mod quota;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use ostler_machine::clock;

pub use self::event::{BootFailure, GatewayEvent};
use self::quota::RunnerQuota;

/// Whoever is told.
pub type OnEvent = Arc<dyn Fn(GatewayEvent) + Send + Sync>;

/// See the module.
pub struct Notices {
    told: RunnerQuota,
    seldom: Seldom,
    on_event: OnEvent,
}

impl std::fmt::Debug for Notices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Notices").finish_non_exhaustive()
    }
}

impl Notices {
    /// Tells whoever is given.
    pub fn new(on_event: OnEvent) -> Self {
        Self { told: RunnerQuota::default(), seldom: Seldom::default(), on_event }
    }

    /// Tells of an event, unless its runner has told too much.
    pub fn tell(&self, event: GatewayEvent) {
        let Some(left_out) = self.told.take(&event, clock::now()) else { return };
        if left_out > 0 {
            let text =
                format!("{left_out} lines of a runner were left out, since it told too much");
            (self.on_event)(GatewayEvent::Warning(text));
        }
        (self.on_event)(event);
    }

    /// Tells of something that may happen often: of each kind at most once in ten seconds, with how often it did.
    pub fn warn_seldom(&self, kind: &'static str, what: &str) {
        if let Some(more) = self.seldom.may_tell(kind) {
            let more =
                if more == 0 { String::new() } else { format!(" (and {more} more like it)") };
            self.tell(GatewayEvent::Warning(format!("{what}{more}")));
        }
    }
}

/// When each kind of warning was told last, and how many were not.
#[derive(Debug, Default)]
struct Seldom(Mutex<BTreeMap<&'static str, (Instant, u64)>>);

impl Seldom {
    const PAUSE: Duration = Duration::from_secs(10);

    /// How many of the kind were kept back since the last; `None`: it is too early for another.
    fn may_tell(&self, kind: &'static str) -> Option<u64> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match told.get_mut(kind) {
            Some((at, kept)) if now.duration_since(*at) < Self::PAUSE => {
                *kept += 1;
                None
            }
            Some((at, kept)) => {
                *at = now;
                Some(std::mem::take(kept))
            }
            None => {
                told.insert(kind, (now, 0));
                Some(0)
            }
        }
    }
}

//! One tenant's flow in the promise queue: a start tag and two lanes that share what the flow gets.

use ostler_job::{Mono, Span};

use super::tag::Tag;
use crate::lane::{Entry, Lane};

/// While both lanes have jobs, the one for those on time is served this many times as long as the late one.
const ON_TIME_TO_LATE: i64 = 4;

/// What the flows' heads are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Head {
    pub(super) late: bool,
    pub(super) lst: Mono,
    pub(super) seq: u64,
}

/// Waiting jobs of one tenant.
#[derive(Default)]
pub(super) struct Flow {
    pub(super) weight: u64,
    /// The weight it is counted with while it is eligible or ahead.
    pub(super) filed: Option<u64>,
    pub(super) start: Tag,
    pub(super) on_time: Lane,
    pub(super) late: Lane,
    /// Slot time that the on-time lane is ahead of the late lane, as their shares see it.
    pub(super) lead: i64,
    pub(super) blocked: bool,
}

impl Flow {
    /// The lane to be served next, by its lateness.
    pub(super) fn serves_late(&self) -> bool {
        self.on_time.is_empty() || (!self.late.is_empty() && self.lead > 0)
    }

    pub(super) fn head(&self) -> Option<Head> {
        if self.blocked {
            return None;
        }
        let late = self.serves_late();
        let entry = if late { self.late.head() } else { self.on_time.head() }?;
        Some(Head { late, lst: entry.key, seq: entry.seq })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.on_time.is_empty() && self.late.is_empty()
    }

    pub(super) fn push(&mut self, late: bool, entry: Entry) {
        // A lane that comes back from idling starts level with the other.
        if late {
            if self.late.is_empty() {
                self.lead = self.lead.min(0);
            }
            self.late.push(entry);
        } else {
            if self.on_time.is_empty() {
                self.lead = self.lead.max(0);
            }
            self.on_time.push(entry);
        }
    }

    /// Moves the lanes' balance by a charge to one of them.
    pub(super) fn charge_lane(&mut self, late: bool, by: Span, sign: i64) {
        let by = i64::try_from(by.0).unwrap_or(i64::MAX).saturating_mul(sign);
        let by = if late { by.saturating_mul(-ON_TIME_TO_LATE) } else { by };
        self.lead = self.lead.saturating_add(by);
    }
}

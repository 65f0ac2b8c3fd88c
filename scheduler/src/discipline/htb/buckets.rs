//! What one child of `htb` may use: its guarantee, its ceiling, and the two buckets of tokens that hold it to them.

use ostler_job::{Mono, Span};

use crate::discipline::Share;

/// How much of its guarantee and of its ceiling a child that was idle may use at once.
pub(super) const BURST: Span = Span::from_secs(1);

/// What one child may use, and its two buckets, each as the moment from which it has tokens again.
#[derive(Clone, Copy, Default)]
pub(super) struct Buckets {
    pub(super) share: Share,
    pub(super) green: Mono,
    pub(super) open: Mono,
    /// Jobs below it that have a slot.
    pub(super) running: u32,
    /// It borrowed for its last job, and so was in line for it since.
    pub(super) borrowed: bool,
}

impl Buckets {
    /// Whether its jobs, and so many more, need no more slots than its guarantee has.
    pub(super) fn is_within_guarantee(&self, more: u64) -> bool {
        (u64::from(self.running) + more) * 1_000 <= u64::from(self.share.guarantee)
    }

    pub(super) fn is_promised(&self) -> bool {
        self.share.guarantee > 0 || self.share.ceiling.is_some()
    }

    pub(super) fn is_red(&self, now: Mono) -> bool {
        let next = (u64::from(self.running) + 1) * 1_000;
        self.open > now && self.share.ceiling.is_some_and(|ceiling| next > u64::from(ceiling))
    }
}

/// How long so many thousandths of a slot take for so much slot time.
pub(super) fn in_slots(cost: Span, thousandths: u32) -> Span {
    if thousandths == u32::MAX || thousandths == 0 {
        return Span::ZERO;
    }
    let nanos = u128::from(cost.0) * 1_000 / u128::from(thousandths);
    Span(u64::try_from(nanos).unwrap_or(u64::MAX))
}

//! Moments as people and records know them.

use serde::{Deserialize, Serialize};

use crate::{Mono, Span};

/// Milliseconds since the Unix epoch. It may jump when somebody sets the clock, so it is for records and for what was
/// promised in calendar time; lengths of time are measured with [`Mono`].
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Wall(pub u64);

impl Wall {
    /// The moment that much later.
    pub const fn after(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0 / 1_000_000))
    }

    /// The time from `earlier` to this moment; zero when that lies ahead.
    pub const fn since(self, earlier: Self) -> Span {
        Span::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// The present, by both clocks. Whoever decides is told it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// For lengths of time: leases, timeouts, order.
    pub mono: Mono,
    /// For records, and for moments that a person named.
    pub wall: Wall,
}

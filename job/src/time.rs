//! Time as a value: the pure crates are told what time it is and never ask.

use std::ops::{Add, AddAssign, Sub};

use serde::{Deserialize, Serialize};

/// A length of time in nanoseconds; about 584 years at most.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Span(pub u64);

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// A span of whole microseconds.
    pub const fn from_micros(us: u64) -> Self {
        Self(us.saturating_mul(1_000))
    }

    /// A span of whole milliseconds.
    pub const fn from_millis(ms: u64) -> Self {
        Self(ms.saturating_mul(1_000_000))
    }

    /// A span of whole seconds.
    pub const fn from_secs(s: u64) -> Self {
        Self(s.saturating_mul(1_000_000_000))
    }

    /// The span in seconds, for metrics.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

/// A reading of a monotonic clock: nanoseconds since a moment that the process chose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(pub u64);

impl Add<Span> for Mono {
    type Output = Self;

    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl AddAssign<Span> for Mono {
    fn add_assign(&mut self, span: Span) {
        *self = *self + span;
    }
}

impl Sub for Mono {
    type Output = Span;

    /// The time from `earlier` to `self`; zero when it lies ahead, since readings of two threads may cross.
    fn sub(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

/// A moment of the past by the monotonic clock, which may have been before its first reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Since(i64);

impl Since {
    /// The moment that was so long ago.
    pub fn ago(age: Span, now: Mono) -> Self {
        Self(signed(now.0).saturating_sub(signed(age.0)))
    }

    /// What has passed since.
    pub fn passed(self, now: Mono) -> Span {
        Span(u64::try_from(signed(now.0).saturating_sub(self.0)).unwrap_or(0))
    }
}

fn signed(nanos: u64) -> i64 {
    i64::try_from(nanos).unwrap_or(i64::MAX)
}

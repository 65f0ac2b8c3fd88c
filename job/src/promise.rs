//! What was promised about a job's time when it was taken.

use crate::Span;

/// The time expectation given at submit. It decides the order; there are no priority levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// Done within this window after arrival.
    Within(Span),
    /// Done when there is room; treated as a window of [`Promise::SOMETIME`].
    Sometime,
}

impl Promise {
    /// The finite window of a job without an expectation: finite, so that waiting alone makes it urgent in the end.
    pub const SOMETIME: Span = Span::from_secs(24 * 3600);

    /// The window that the deadline is computed from.
    pub fn window(self) -> Span {
        match self {
            Self::Within(window) => window,
            Self::Sometime => Self::SOMETIME,
        }
    }
}

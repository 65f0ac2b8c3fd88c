//! What is wrong with an expression, where, and what would be right.

use std::ops::Range;

/// An expression that means nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {}: {what}; {cure}", .at.start + 1)]
pub struct Fault {
    /// The characters that it is about, from zero.
    pub at: Range<usize>,
    /// What is wrong.
    pub what: String,
    /// What would be right.
    pub cure: String,
}

impl Fault {
    pub(crate) fn new(at: Range<usize>, what: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { at, what: what.into(), cure: cure.into() }
    }
}

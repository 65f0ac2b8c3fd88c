//! Virtual time: slot time per unit of weight.

#[cfg(test)]
mod tests;

use ostler_job::Span;

/// A reading of virtual time, in 2^-16 nanoseconds of slot time per unit of weight; wide enough never to wrap.
/// Packed, so that beside an id it takes three words in a heap, and not four.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(Rust, packed(8))]
pub(crate) struct Tag(u128);

const FRACTION_BITS: u32 = 16;

impl Tag {
    /// How far a flow of this weight advances by `cost`: at least one unit, so that service always counts.
    pub(crate) fn of(cost: Span, weight: u64) -> Self {
        // One wide division is ten times the narrow one, and jobs of up to three days fit the narrow one.
        let units = match cost.0.checked_shl(FRACTION_BITS).filter(|n| n >> FRACTION_BITS == cost.0)
        {
            // Nearly everybody has the weight 1, and a division takes as long as ten other instructions.
            Some(n) if weight == 1 => u128::from(n),
            Some(n) => u128::from(n / weight),
            None => (u128::from(cost.0) << FRACTION_BITS) / u128::from(weight),
        };
        Self(units.max(1))
    }

    /// How many whole times `quantum` fits into it.
    pub(crate) fn quanta(self, quantum: Self) -> u64 {
        u64::try_from(self.0 / quantum.0.max(1)).unwrap_or(u64::MAX)
    }

    /// One of so many parts: at least one unit, too.
    pub(crate) fn over(self, parts: u32) -> Self {
        Self((self.0 / u128::from(parts)).max(1))
    }

    pub(crate) fn times(self, n: u64) -> Self {
        Self(self.0.saturating_mul(u128::from(n)))
    }

    /// The slot time that somebody of this weight gets while virtual time goes on by so much.
    pub(crate) fn time(self, weight: u64) -> Span {
        let nanos = self.0.saturating_mul(u128::from(weight)) >> FRACTION_BITS;
        Span(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// So many parts of so many.
    pub(crate) fn part(self, of: u64, all: u64) -> Self {
        Self(self.0 / u128::from(all) * u128::from(of))
    }

    pub(crate) fn units(self) -> u128 {
        self.0
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    pub(crate) fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

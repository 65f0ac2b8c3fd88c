//! Virtual time is exact where it is narrow and where it is wide.

use ostler_job::Span;
use proptest::prelude::*;

use super::Tag;

proptest! {
    #[test]
    fn a_charge_is_slot_time_over_weight_and_never_nothing(cost: u64, shift in 0..64_u32, weight in 1..=u64::MAX) {
        let cost = cost >> shift;
        let exact = (u128::from(cost) << 16) / u128::from(weight);
        prop_assert_eq!(Tag::of(Span(cost), weight), Tag(exact.max(1)));
    }
}

//! The heap against an ordered set that does the same.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::IndexedHeap;

#[derive(Clone, Debug)]
enum Step {
    Set(u32, u8),
    Remove(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..24_u32, any::<u8>()).prop_map(|(id, key)| Step::Set(id, key)),
        2 => (0..24_u32).prop_map(Step::Remove),
    ]
}

proptest! {
    #[test]
    fn the_first_is_the_least_key_then_the_least_id(steps in proptest::collection::vec(step(), 1..200)) {
        let mut heap = IndexedHeap::<u8>::default();
        let mut model = BTreeMap::new();
        for step in steps {
            match step {
                Step::Set(id, key) => {
                    heap.set(id, key);
                    model.insert(id, key);
                }
                Step::Remove(id) => {
                    heap.remove(id);
                    model.remove(&id);
                }
            }
            heap.check();
            prop_assert_eq!(heap.first(), model.iter().map(|(&id, &key)| (key, id)).min());
            prop_assert_eq!(heap.is_empty(), model.is_empty());
            for id in 0..24 {
                prop_assert_eq!(heap.key(id), model.get(&id).copied());
            }
        }
    }
}

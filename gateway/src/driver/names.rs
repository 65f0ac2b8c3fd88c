//! Names as small numbers, as the scheduler wants them; a name without a holder is forgotten, its number not given again.

use std::{collections::BTreeMap, sync::Arc};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Names {
    numbers: BTreeMap<Arc<str>, u32>,
    names: BTreeMap<u32, (Arc<str>, u32)>,
    next: u32,
}

impl Names {
    /// The number of a name, which one holder more keeps.
    pub(super) fn hold(&mut self, name: &str) -> u32 {
        if let Some(&number) = self.numbers.get(name) {
            self.names.entry(number).and_modify(|it| it.1 += 1);
            return number;
        }
        let (name, number): (Arc<str>, u32) = (name.into(), self.next);
        self.next += 1;
        self.numbers.insert(name.clone(), number);
        self.names.insert(number, (name, 1));
        number
    }

    /// One holder less.
    pub(super) fn release(&mut self, number: u32) {
        let Some((name, holders)) = self.names.get_mut(&number) else { return };
        *holders -= 1;
        if *holders == 0 {
            self.numbers.remove(name);
            self.names.remove(&number);
        }
    }

    pub(super) fn find(&self, name: &str) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    /// The name of a held number.
    pub(super) fn name(&self, number: u32) -> &Arc<str> {
        let held = self.names.get(&number);
        &held.expect("a number is asked for only while it is held").0
    }
}

//! Names as small numbers, as the scheduler wants them. A name without a holder is forgotten when nothing is remembered
//! under its number any more, and its number is not given again: who leaves and comes back owes what it owed.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

/// Names without a holder that are looked at whenever one is held or released: more than can be added.
const LOOKS: usize = 2;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Names {
    numbers: BTreeMap<Arc<str>, u32>,
    names: BTreeMap<u32, Name>,
    next: u32,
    /// Numbers that have, or had, no holder, each once.
    left: VecDeque<u32>,
}

#[derive(Debug)]
struct Name {
    name: Arc<str>,
    holders: u32,
    /// It is among those that were left.
    is_left: bool,
}

impl Names {
    /// The number of a name, which one holder more keeps.
    pub(super) fn hold(&mut self, name: &str) -> u32 {
        if let Some(&number) = self.numbers.get(name) {
            self.names.entry(number).and_modify(|it| it.holders += 1);
            return number;
        }
        let (name, number): (Arc<str>, u32) = (name.into(), self.next);
        self.next += 1;
        self.numbers.insert(name.clone(), number);
        self.names.insert(number, Name { name, holders: 1, is_left: false });
        number
    }

    /// One holder less. `remembered`: whether something else still goes by a number.
    pub(super) fn release(&mut self, number: u32, remembered: impl Fn(u32) -> bool) {
        if let Some(it) = self.names.get_mut(&number) {
            it.holders -= 1;
            if it.holders == 0 && !std::mem::replace(&mut it.is_left, true) {
                self.left.push_back(number);
            }
        }
        for _ in 0..LOOKS {
            let Some(number) = self.left.pop_front() else { return };
            self.look(number, &remembered);
        }
    }

    /// Forgets a name that was left, unless it is held again or remembered.
    fn look(&mut self, number: u32, remembered: impl Fn(u32) -> bool) {
        let Some(it) = self.names.get_mut(&number) else { return };
        if it.holders > 0 {
            it.is_left = false;
        } else if remembered(number) {
            self.left.push_back(number);
        } else {
            self.numbers.remove(&it.name);
            self.names.remove(&number);
        }
    }

    pub(super) fn find(&self, name: &str) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    /// The name of a held number.
    pub(super) fn name(&self, number: u32) -> &Arc<str> {
        let held = self.names.get(&number);
        &held.expect("a number is asked for only while it is held").name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_remembered_keeps_its_number_and_a_flood_of_others_is_forgotten() {
        let mut names = Names::default();
        let owes = names.hold("owes");
        let held = names.hold("held");
        names.release(owes, |number| number == owes);
        for n in 0..10_000 {
            let number = names.hold(&n.to_string());
            names.release(number, |number| number == owes);
            assert!(names.names.len() < 10 && names.left.len() < 10, "{names:?}");
        }
        assert_eq!((names.hold("owes"), names.hold("held")), (owes, held));
        names.release(held, |_| false);
        names.release(held, |_| false);
        assert_eq!(names.find("held"), None);
    }
}

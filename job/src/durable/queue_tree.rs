//! Queues below queues: what may be below what, and which guarantees add up.

mod fault;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use super::{QueueDiscipline, QueueName, QueueShape, Slots};

pub use fault::TreeFault;

/// Levels of queues, at most.
pub const QUEUE_LEVELS_MAX: usize = 8;

/// What of a queue's shape the tree goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    parent: Option<QueueName>,
    discipline: QueueDiscipline,
    guarantee: Option<Slots>,
    ceiling: Option<Slots>,
    concurrency: Option<u32>,
}

impl Place {
    fn of(shape: &QueueShape) -> Self {
        Self {
            parent: shape.parent.clone(),
            discipline: shape.discipline,
            guarantee: shape.guarantee,
            ceiling: shape.ceiling,
            concurrency: shape.concurrency,
        }
    }

    const fn needs_htb(&self) -> bool {
        self.guarantee.is_some() || self.ceiling.is_some()
    }

    /// What is wrong with it wherever it is.
    fn own_faults(&self) -> impl Iterator<Item = TreeFault> {
        let Some(guarantee) = self.guarantee else { return None.into_iter().chain(None) };
        let ceiling = self.ceiling.filter(|ceiling| guarantee > *ceiling);
        let slots = u64::from(guarantee.thousandths());
        let concurrency = self.concurrency.filter(|it| slots > whole(*it));
        ceiling
            .map(|ceiling| TreeFault::AboveCeiling(guarantee, ceiling))
            .into_iter()
            .chain(concurrency.map(|it| TreeFault::AboveConcurrency(guarantee, it)))
    }
}

/// What a queue adds to the one above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    /// What is guaranteed to it, in thousandths of a slot. One without a guarantee of its own needs what those below it have.
    guaranteed: u64,
    /// Levels of queues from it down.
    levels: usize,
}

/// A queue with what those just below it add up to.
#[derive(Debug, Default)]
struct Node {
    /// `None`: others name it as their parent, and it is not there.
    place: Option<Place>,
    below: BTreeSet<QueueName>,
    /// How many of those have a guarantee or a ceiling.
    needing: usize,
    guaranteed: u64,
    /// By levels, how many of those have so many.
    levels: BTreeMap<usize, usize>,
    /// What it adds is in the sums of the one above. Not so where that would close a circle: sums go up, and end.
    counts: bool,
}

#[cfg(test)]
thread_local! {
    /// How often a queue was looked at: what a question costs.
    static LOOKS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

impl Node {
    fn part(&self) -> Part {
        #[cfg(test)]
        LOOKS.set(LOOKS.get() + 1);
        let own = self.place.as_ref().and_then(|place| place.guarantee);
        let levels = 1 + self.levels.last_key_value().map_or(0, |(&levels, _)| levels);
        Part { guaranteed: own.map_or(self.guaranteed, |it| u64::from(it.thousandths())), levels }
    }

    fn add(&mut self, part: Part) {
        self.guaranteed += part.guaranteed;
        *self.levels.entry(part.levels).or_default() += 1;
    }

    fn take_off(&mut self, part: Part) {
        self.guaranteed -= part.guaranteed;
        if let Entry::Occupied(mut of) = self.levels.entry(part.levels) {
            *of.get_mut() -= 1;
            if *of.get() == 0 {
                of.remove();
            }
        }
    }
}

/// All queues, by what is below what. A change, and what is wrong with a place, cost as much as the tree is deep.
#[derive(Debug, Default)]
pub struct QueueTree {
    nodes: BTreeMap<QueueName, Node>,
    /// Those whose place below their parents closes a circle.
    circles: BTreeSet<QueueName>,
}

impl<'a> FromIterator<(&'a QueueName, &'a QueueShape)> for QueueTree {
    fn from_iter<T: IntoIterator<Item = (&'a QueueName, &'a QueueShape)>>(all: T) -> Self {
        let mut tree = Self::default();
        for (name, shape) in all {
            tree.put(name, shape);
        }
        tree
    }
}

impl QueueTree {
    /// The queue is there, and has this shape from here on.
    pub fn put(&mut self, name: &QueueName, shape: &QueueShape) {
        self.set(name, Some(Place::of(shape)));
    }

    /// The queue is gone. Those below it name it still.
    pub fn remove(&mut self, name: &QueueName) {
        self.set(name, None);
    }

    fn set(&mut self, name: &QueueName, place: Option<Place>) {
        if self.place(name) == place.as_ref() {
            return;
        }
        self.unlink(name);
        self.nodes.entry(name.clone()).or_default().place = place;
        self.link(name);
        self.forget(name);
        // What closed a circle may close none any more.
        for name in std::mem::take(&mut self.circles) {
            self.count(&name);
        }
    }

    /// What nobody names takes no room.
    fn forget(&mut self, name: &QueueName) {
        if self.nodes.get(name).is_some_and(|it| it.place.is_none() && it.below.is_empty()) {
            self.nodes.remove(name);
        }
    }

    fn place(&self, name: &QueueName) -> Option<&Place> {
        #[cfg(test)]
        LOOKS.set(LOOKS.get() + 1);
        self.nodes.get(name)?.place.as_ref()
    }

    fn parent(&self, name: &QueueName) -> Option<&QueueName> {
        self.place(name)?.parent.as_ref()
    }

    fn link(&mut self, name: &QueueName) {
        let Some(place) = self.place(name) else { return };
        let (needs, Some(parent)) = (place.needs_htb(), place.parent.clone()) else { return };
        let above = self.nodes.entry(parent).or_default();
        above.below.insert(name.clone());
        above.needing += usize::from(needs);
        self.count(name);
    }

    fn unlink(&mut self, name: &QueueName) {
        let Some(place) = self.place(name) else { return };
        let (needs, Some(parent)) = (place.needs_htb(), place.parent.clone()) else { return };
        self.circles.remove(name);
        let part = self.nodes[name].part();
        self.pass_up(name, Some(part), None);
        if let Some(node) = self.nodes.get_mut(name) {
            node.counts = false;
        }
        if let Some(above) = self.nodes.get_mut(&parent) {
            above.below.remove(name);
            above.needing -= usize::from(needs);
        }
        self.forget(&parent);
    }

    /// The queue counts among those below its parent, unless that closes a circle.
    fn count(&mut self, name: &QueueName) {
        let mut at = self.parent(name);
        while let Some(above) = at {
            if above == name {
                self.circles.insert(name.clone());
                return;
            }
            at = self.parent(above).filter(|_| self.nodes[above].counts);
        }
        let Some(node) = self.nodes.get_mut(name) else { return };
        node.counts = true;
        let part = node.part();
        self.pass_up(name, None, Some(part));
    }

    /// What the queue adds to the one above is another thing from here on, and so further up.
    fn pass_up(&mut self, name: &QueueName, mut was: Option<Part>, mut is: Option<Part>) {
        let mut at = name.clone();
        while was != is && self.nodes[&at].counts {
            let Some(parent) = self.parent(&at).cloned() else { return };
            let Some(above) = self.nodes.get_mut(&parent) else { return };
            let before = above.part();
            if let Some(was) = was {
                above.take_off(was);
            }
            if let Some(is) = is {
                above.add(is);
            }
            (was, is, at) = (Some(before), Some(above.part()), parent);
        }
    }

    /// The queues just below one.
    pub fn below(&self, name: &QueueName) -> impl Iterator<Item = &QueueName> {
        self.nodes.get(name).into_iter().flat_map(|node| &node.below)
    }

    /// Those above a queue, from its parent on, and whether that is all of them: not so if it is below itself.
    fn above(&self, name: &QueueName) -> (Vec<&QueueName>, bool) {
        let (mut way, mut at) = (Vec::new(), self.parent(name));
        let mut known = BTreeSet::from([name]);
        while let Some(parent) = at {
            way.push(parent);
            if !known.insert(parent) {
                return (way, false);
            }
            at = self.parent(parent);
        }
        (way, true)
    }

    /// All that is wrong with a queue's place, what is above it aside.
    pub fn faults(&self, name: &QueueName) -> Vec<TreeFault> {
        let Some(place) = self.place(name) else { return Vec::new() };
        let (above, is_all) = self.above(name);
        if !is_all {
            let way = std::iter::once(name).chain(above).cloned().collect();
            return vec![TreeFault::Circle(way)];
        }
        let mut faults = Vec::new();
        let parent = place.parent.as_ref().map(|parent| (parent, self.place(parent)));
        if let Some((parent, None)) = parent {
            faults.push(TreeFault::UnknownParent(parent.clone()));
        }
        let levels = above.len() + self.nodes[name].part().levels;
        if levels > QUEUE_LEVELS_MAX {
            faults.push(TreeFault::TooDeep(levels));
        }
        let goes_by = parent.map(|(parent, it)| (parent, it.map(|it| it.discipline)));
        for (field, it) in [("guarantee", place.guarantee), ("ceiling", place.ceiling)] {
            match (it, goes_by) {
                (None, _) | (_, Some((_, None | Some(QueueDiscipline::Htb)))) => {}
                (_, None) => faults.push(TreeFault::NeedsHtb(field, None)),
                (_, Some((parent, Some(it)))) => {
                    faults.push(TreeFault::NeedsHtb(field, Some((parent.clone(), it))));
                }
            }
        }
        faults.extend(place.own_faults());
        match self.discipline_below(name) {
            Some(fault) => faults.push(fault),
            None => faults.extend(self.overcommitted(name)),
        }
        faults
    }

    /// What is below the queue has what its discipline does not know.
    fn discipline_below(&self, name: &QueueName) -> Option<TreeFault> {
        let node = self.nodes.get(name)?;
        if node.needing == 0 || node.place.as_ref()?.discipline == QueueDiscipline::Htb {
            return None;
        }
        let needs = |name: &&QueueName| self.place(name).is_some_and(Place::needs_htb);
        Some(TreeFault::BelowNeedHtb(node.below.iter().filter(needs).cloned().collect()))
    }

    /// Where more is guaranteed below a queue than it has itself.
    fn overcommitted(&self, name: &QueueName) -> Vec<TreeFault> {
        let Some(node) = self.nodes.get(name) else { return Vec::new() };
        let Some(place) = &node.place else { return Vec::new() };
        let slots = |slots: Slots| u64::from(slots.thousandths());
        let own = place.guarantee.map(|it| (slots(it), "guarantee", "guarantee"));
        let own = own.or_else(|| place.ceiling.map(|it| (slots(it), "ceiling", "guarantee")));
        let at_once = place.concurrency.map(|it| (whole(it), "concurrency", "concurrency"));
        let below = node.guaranteed;
        let over = own.into_iter().chain(at_once).filter(|(has, ..)| below > *has);
        let fault = |(has, what, field)| {
            let above = name.clone();
            TreeFault::Overcommitted { above, below, has, what, field }
        };
        over.map(fault).collect()
    }

    /// What would be wrong with the tree if the queue had this shape, and is not so as it is now: whatever has gone wrong without
    /// it does not keep it from being mended. The tree stays as it is.
    pub fn new_fault(&mut self, name: &QueueName, shape: &QueueShape) -> Option<TreeFault> {
        let (was, place) = (self.place(name).cloned(), Place::of(shape));
        if was.as_ref() == Some(&place) {
            return None;
        }
        let mut way = vec![name.clone()];
        way.extend(place.parent.clone());
        if let Some(parent) = &place.parent {
            way.extend(self.above(parent).0.into_iter().cloned());
        }
        let of = |name: &QueueName| (name.clone(), self.overcommitted(name));
        let before: BTreeMap<_, _> = way.iter().map(of).collect();
        let disciplined = self.discipline_below(name);
        self.set(name, Some(place));
        let fault = self.worse(name, &before, disciplined.as_ref());
        self.set(name, was);
        fault
    }

    fn worse(
        &self,
        name: &QueueName,
        before: &BTreeMap<QueueName, Vec<TreeFault>>,
        disciplined: Option<&TreeFault>,
    ) -> Option<TreeFault> {
        let is_worse = |fault: &TreeFault, name: &QueueName| {
            let Some((what, by)) = fault.excess() else { return disciplined != Some(fault) };
            let was = before.get(name).into_iter().flatten().filter_map(TreeFault::excess);
            let was = was.filter(|(other, _)| *other == what).map(|(_, by)| by).next();
            by > was.unwrap_or(0)
        };
        if let Some(fault) = self.faults(name).into_iter().find(|fault| is_worse(fault, name)) {
            return Some(fault);
        }
        let above = self.above(name).0.into_iter();
        let mut worse = above
            .filter_map(|name| self.overcommitted(name).into_iter().find(|it| is_worse(it, name)));
        worse.next().map(TreeFault::of_those_below)
    }
}

/// So many slots, in thousandths.
fn whole(slots: u32) -> u64 {
    u64::from(slots) * 1000
}

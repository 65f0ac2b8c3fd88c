//! Queues below queues: what may be below what, and which guarantees add up.

use std::{collections::BTreeMap, fmt};

use super::{QueueDiscipline, QueueName, QueueShape, Slots};

/// Levels of queues, at most.
pub const QUEUE_LEVELS_MAX: usize = 8;
/// Names that one message tells.
const NAMES_MAX: usize = 10;

/// What is wrong with a queue's place in the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TreeFault {
    /// There is no queue of that name for it to be below.
    UnknownParent(QueueName),
    /// It would be below itself: the way from it back to it.
    Circle(Vec<QueueName>),
    /// So many levels of queues.
    TooDeep(usize),
    /// A guarantee or a ceiling says nothing where the parent's discipline is another than `htb`, or there is none.
    NeedsHtb(&'static str, Option<(QueueName, QueueDiscipline)>),
    /// More is guaranteed to it than it may have.
    AboveCeiling(Slots, Slots),
    /// More is guaranteed to it than it may run at once.
    AboveConcurrency(Slots, u32),
    /// These below it have guarantees or ceilings, which say nothing below its discipline.
    BelowNeedHtb(Vec<QueueName>),
    /// What is guaranteed below a queue is more than that has.
    Overcommitted {
        /// The queue above.
        above: QueueName,
        /// What is guaranteed below it, in thousandths of a slot.
        below: u64,
        /// What it has, in thousandths too.
        has: u64,
        /// `guarantee`, `ceiling` or `concurrency`.
        what: &'static str,
        /// The field of the queue that would make it so.
        field: &'static str,
    },
}

impl TreeFault {
    /// The field of the shape that is to be changed.
    pub const fn field(&self) -> &'static str {
        match self {
            Self::UnknownParent(_) | Self::Circle(_) | Self::TooDeep(_) => "parent",
            Self::NeedsHtb(field, _) => field,
            Self::AboveCeiling(..) | Self::AboveConcurrency(..) => "guarantee",
            Self::Overcommitted { field, .. } => field,
            Self::BelowNeedHtb(_) => "discipline",
        }
    }
}

impl TreeFault {
    /// By how much more is guaranteed than what is there, and what that is.
    fn excess(&self) -> Option<(&'static str, u64)> {
        let Self::Overcommitted { below, has, what, .. } = self else { return None };
        Some((what, below.saturating_sub(*has)))
    }

    /// The same, told of a queue below: there it is a guarantee that makes it so.
    fn of_those_below(mut self) -> Self {
        if let Self::Overcommitted { field, .. } = &mut self {
            *field = "guarantee";
        }
        self
    }
}

impl fmt::Display for TreeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownParent(parent) => write!(
                f,
                "there is no queue {:?} for it to be below; make that one first, or name another",
                parent.as_str()
            ),
            Self::Circle(way) => {
                write!(
                    f,
                    "it would be below itself ({}); name another parent, or none",
                    listed(way, " below ")
                )
            }
            Self::TooDeep(levels) => write!(
                f,
                "that makes {levels} levels of queues; {QUEUE_LEVELS_MAX} are the most, name a parent further up"
            ),
            Self::NeedsHtb(field, None) => write!(
                f,
                "a {field} counts below a queue whose discipline is htb, and this one has no parent; name one, or leave it out"
            ),
            Self::NeedsHtb(field, Some((parent, discipline))) => write!(
                f,
                "a {field} counts below a queue whose discipline is htb, and that of {parent} is {}; change it there, or leave \
                 this out",
                discipline.word()
            ),
            Self::AboveCeiling(guarantee, ceiling) => {
                write!(
                    f,
                    "a guarantee of {guarantee} is more than its ceiling of {ceiling}; lower the one or raise the other"
                )
            }
            Self::AboveConcurrency(guarantee, concurrency) => {
                write!(
                    f,
                    "a guarantee of {guarantee} is more than the {concurrency} that it may run at once, its concurrency; lower the one \
                     or raise the other"
                )
            }
            Self::BelowNeedHtb(below) => write!(
                f,
                "{} below it have a guarantee or a ceiling, which count below htb alone; leave it so, or take those away first",
                listed(below, ", ")
            ),
            Self::Overcommitted { above, below, has, what, .. } => write!(
                f,
                "the queues below {above} are guaranteed {} slots together, more than its {what} of {}; lower theirs, or \
                 raise that",
                *below as f64 / 1000.0,
                *has as f64 / 1000.0
            ),
        }
    }
}

/// So many slots, in thousandths.
fn whole(slots: u32) -> u64 {
    u64::from(slots) * 1000
}

fn listed(names: &[QueueName], between: &str) -> String {
    let told: Vec<_> = names.iter().take(NAMES_MAX).map(QueueName::as_str).collect();
    let more = names.len() - told.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", told.join(between))
}

type Find<'a> = dyn Fn(&QueueName) -> Option<&'a QueueShape> + 'a;

/// All queues, by what is below what.
pub struct QueueTree<'a> {
    find: Box<Find<'a>>,
    below: BTreeMap<&'a QueueName, Vec<(&'a QueueName, &'a QueueShape)>>,
}

impl fmt::Debug for QueueTree<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueTree").field("below", &self.below).finish_non_exhaustive()
    }
}

impl<'a> QueueTree<'a> {
    /// The tree that these make, each once; `find` finds one of them.
    pub fn new(
        all: impl Iterator<Item = (&'a QueueName, &'a QueueShape)>,
        find: impl Fn(&QueueName) -> Option<&'a QueueShape> + 'a,
    ) -> Self {
        let mut below: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (name, shape) in all {
            if let Some(parent) = &shape.parent {
                below.entry(parent).or_default().push((name, shape));
            }
        }
        Self { find: Box::new(find), below }
    }

    /// The queues just below one.
    pub fn below(&self, name: &QueueName) -> &[(&'a QueueName, &'a QueueShape)] {
        self.below.get(name).map_or(&[], Vec::as_slice)
    }

    /// Those above a queue, from its parent on, and whether that is all of them: not so if it is below itself.
    fn above(&self, name: &QueueName) -> (Vec<&'a QueueName>, bool) {
        let (mut way, mut at) = (Vec::new(), (self.find)(name));
        while let Some(parent) = at.and_then(|shape| shape.parent.as_ref()) {
            let seen = parent == name || way.contains(&parent);
            way.push(parent);
            if seen {
                return (way, false);
            }
            at = (self.find)(parent);
        }
        (way, true)
    }

    /// Levels of queues from one down.
    fn levels(&self, name: &QueueName) -> usize {
        1 + self.below(name).iter().map(|(below, _)| self.levels(below)).max().unwrap_or(0)
    }

    /// All that is wrong with a queue's place, what is above it aside.
    pub fn faults(&self, name: &QueueName) -> Vec<TreeFault> {
        let Some(shape) = (self.find)(name) else { return Vec::new() };
        let (above, is_all) = self.above(name);
        if !is_all {
            let way = std::iter::once(name).chain(above).cloned().collect();
            return vec![TreeFault::Circle(way)];
        }
        let mut faults = Vec::new();
        let parent = shape.parent.as_ref().map(|parent| (parent, (self.find)(parent)));
        if let Some((parent, None)) = parent {
            faults.push(TreeFault::UnknownParent(parent.clone()));
        }
        let levels = above.len() + self.levels(name);
        if levels > QUEUE_LEVELS_MAX {
            faults.push(TreeFault::TooDeep(levels));
        }
        let goes_by = parent.map(|(parent, it)| (parent, it.map(|it| it.discipline)));
        for (field, it) in [("guarantee", shape.guarantee), ("ceiling", shape.ceiling)] {
            match (it, goes_by) {
                (None, _) | (_, Some((_, None | Some(QueueDiscipline::Htb)))) => {}
                (_, None) => faults.push(TreeFault::NeedsHtb(field, None)),
                (_, Some((parent, Some(it)))) => {
                    faults.push(TreeFault::NeedsHtb(field, Some((parent.clone(), it))));
                }
            }
        }
        if let (Some(guarantee), Some(ceiling)) = (shape.guarantee, shape.ceiling)
            && guarantee > ceiling
        {
            faults.push(TreeFault::AboveCeiling(guarantee, ceiling));
        }
        if let (Some(guarantee), Some(concurrency)) = (shape.guarantee, shape.concurrency)
            && u64::from(guarantee.thousandths()) > whole(concurrency)
        {
            faults.push(TreeFault::AboveConcurrency(guarantee, concurrency));
        }
        match self.discipline_below(name, shape) {
            Some(fault) => faults.push(fault),
            None => faults.extend(self.overcommitted(name)),
        }
        faults
    }

    /// What is below the queue has what its discipline does not know.
    fn discipline_below(&self, name: &QueueName, shape: &QueueShape) -> Option<TreeFault> {
        let needs = |shape: &QueueShape| shape.guarantee.is_some() || shape.ceiling.is_some();
        let needing = self.below(name).iter().filter(|(_, shape)| needs(shape));
        let needing: Vec<_> = needing.map(|(name, _)| (*name).clone()).collect();
        let bad = shape.discipline != QueueDiscipline::Htb && !needing.is_empty();
        bad.then_some(TreeFault::BelowNeedHtb(needing))
    }

    /// Where more is guaranteed below a queue than it has itself.
    fn overcommitted(&self, name: &QueueName) -> Vec<TreeFault> {
        let Some(shape) = (self.find)(name) else { return Vec::new() };
        let slots = |slots: Slots| u64::from(slots.thousandths());
        let own = shape.guarantee.map(|it| (slots(it), "guarantee", "guarantee"));
        let own = own.or_else(|| shape.ceiling.map(|it| (slots(it), "ceiling", "guarantee")));
        let at_once = shape.concurrency.map(|it| (whole(it), "concurrency", "concurrency"));
        if own.is_none() && at_once.is_none() {
            return Vec::new();
        }
        let below = self.guaranteed_below(name);
        let over = own.into_iter().chain(at_once).filter(|(has, ..)| below > *has);
        let fault = |(has, what, field)| {
            let above = name.clone();
            TreeFault::Overcommitted { above, below, has, what, field }
        };
        over.map(fault).collect()
    }

    /// In thousandths of a slot. A queue that has no guarantee of its own needs what those below it have.
    fn guaranteed_below(&self, name: &QueueName) -> u64 {
        let of = |(name, shape): &(&QueueName, &QueueShape)| match shape.guarantee {
            Some(guarantee) => u64::from(guarantee.thousandths()),
            None => self.guaranteed_below(name),
        };
        self.below(name).iter().map(of).sum()
    }

    /// What is wrong with the tree if the queue is so, and was not so before it was: whatever has gone wrong without it
    /// does not keep it from being mended.
    pub fn new_fault(&self, name: &QueueName, before: &QueueTree<'_>) -> Option<TreeFault> {
        let is_worse = |fault: &TreeFault, name: &QueueName| {
            if let Some((what, by)) = fault.excess() {
                let was = before.overcommitted(name);
                let was =
                    was.iter().filter_map(TreeFault::excess).find(|(other, _)| *other == what);
                return by > was.map_or(0, |(_, by)| by);
            }
            let was = (before.find)(name).and_then(|it| before.discipline_below(name, it));
            was.as_ref() != Some(fault)
        };
        if let Some(fault) = self.faults(name).into_iter().find(|fault| is_worse(fault, name)) {
            return Some(fault);
        }
        let (above, _) = self.above(name);
        let worse = above
            .into_iter()
            .find_map(|name| self.overcommitted(name).into_iter().find(|it| is_worse(it, name)));
        worse.map(TreeFault::of_those_below)
    }
}

#[cfg(test)]
mod tests;

//! What can be wrong with a queue's place in the tree, in words.

use std::fmt;

use super::super::{QueueDiscipline, QueueName, Slots};
use super::QUEUE_LEVELS_MAX;

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
    pub(super) fn excess(&self) -> Option<(&'static str, u64)> {
        let Self::Overcommitted { below, has, what, .. } = self else { return None };
        Some((what, below.saturating_sub(*has)))
    }

    /// The same, told of a queue below: there it is a guarantee that makes it so.
    pub(super) fn of_those_below(mut self) -> Self {
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

fn listed(names: &[QueueName], between: &str) -> String {
    let told: Vec<_> = names.iter().take(NAMES_MAX).map(QueueName::as_str).collect();
    let more = names.len() - told.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", told.join(between))
}

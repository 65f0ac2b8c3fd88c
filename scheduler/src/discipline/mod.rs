//! The order among the children of a node, flows or queues, behind one trait.
//!
//! A discipline knows of each child what it would give next in each lane, and answers whose turn it is when a slot serves some
//! lanes. It knows nothing of jobs, slots, caps and gates: a child that may not run offers nothing.

mod accounts;
mod by_lane;
mod drr;
mod fifo;
mod htb;
mod promise;
mod sfq;
mod tag;
#[cfg(test)]
mod tests;

use ostler_job::{Mono, Span};

use crate::backlog::Head;
use crate::config::{Config, DisciplineKind};
use crate::lane::Lane;

/// A child's number at its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Child(pub(crate) u32);

/// What a child may use beside others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Share {
    /// Its part of what is shared; zero counts as one.
    pub(crate) weight: u32,
    /// Slots that it has before others borrow them, in thousandths.
    pub(crate) guarantee: u32,
    /// Slots that it may have, in thousandths. `None`: as many as there are.
    pub(crate) ceiling: Option<u32>,
    /// Levels of queues below it, if it is a queue.
    pub(crate) height: Option<u8>,
}

impl Share {
    /// A part of what is shared, and no more.
    pub(crate) fn of(weight: u32) -> Self {
        Self { weight, ..Self::default() }
    }
}

/// The order of one node.
#[expect(clippy::large_enum_variant, reason = "nearly every node has the large one")]
pub(crate) enum Order {
    /// The default, and that of the root: part of its node, and called without a table of functions, which every job would go through some
    /// ten times.
    Promise(promise::PromiseOrder),
    Other(Box<dyn Discipline>),
}

impl std::ops::Deref for Order {
    type Target = dyn Discipline;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Promise(it) => it,
            Self::Other(it) => &**it,
        }
    }
}

impl std::ops::DerefMut for Order {
    fn deref_mut(&mut self) -> &mut Self::Target {
        match self {
            Self::Promise(it) => it,
            Self::Other(it) => &mut **it,
        }
    }
}

/// Methods of [`Discipline`] that are called for every job.
macro_rules! direct {
    (looks { $($look:ident($($of:ident: $kind:ty),*) -> $out:ty),* } changes { $($change:ident($($with:ident: $type:ty),*) -> $answer:ty),* }) => {
        impl Order {
            $(#[inline]
            pub(crate) fn $look(&self, $($of: $kind),*) -> $out {
                match self {
                    Self::Promise(it) => it.$look($($of),*),
                    Self::Other(it) => it.$look($($of),*),
                }
            })*

            $(#[inline]
            pub(crate) fn $change(&mut self, $($with: $type),*) -> $answer {
                match self {
                    Self::Promise(it) => it.$change($($with),*),
                    Self::Other(it) => it.$change($($with),*),
                }
            })*
        }
    };
}

direct! {
    looks {
        key(lst: Mono) -> Mono,
        is_plain() -> bool,
        is_runnable(lane: Lane) -> bool,
        best(lane: Lane) -> Option<Head>,
        has_missed(head: Head, now: Mono) -> bool,
        may_pass(child: Child, now: Mono) -> bool
    }
    changes {
        open(child: Child, share: Share) -> (),
        offer(child: Child, lane: Lane, head: Option<Head>) -> (),
        choose(lanes: &[Lane], now: Mono) -> (Option<Turn>, Option<(Child, Lane)>),
        serve(child: Child, lane: Lane, cost: Span, next: Option<Head>, now: Mono) -> (),
        pass(child: Child, cost: Span, alone: bool, now: Mono) -> (),
        finish(child: Child, charged: Span, actual: Span, borrows: bool) -> (),
        retire(child: Child) -> (),
        poll_forgotten() -> Option<Child>
    }
}

/// Whose turn it is, and with what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) head: Head,
    pub(crate) child: Child,
    pub(crate) lane: Lane,
}

/// One way to order children.
pub(crate) trait Discipline: Send {
    /// What a job is ordered by among those of its flow and lane.
    fn key(&self, lst: Mono) -> Mono;

    /// Jobs of this child are to come; that is its share from here on.
    fn open(&mut self, child: Child, share: Share);

    /// What the child would give next in the lane; `None`: nothing that may run.
    fn offer(&mut self, child: Child, lane: Lane, head: Option<Head>);

    /// Whether nothing is offered in any lane but the usual one.
    fn is_plain(&self) -> bool;

    /// Lanes other than the usual one in which something is offered.
    fn other_lanes(&self) -> Vec<Lane>;

    /// Those in which a child offers something, and perhaps others.
    fn other_lanes_of(&self, _child: Child) -> Vec<Lane> {
        self.other_lanes()
    }

    /// Whether something is offered in the lane.
    fn is_runnable(&self, lane: Lane) -> bool;

    /// Whether the child is to be served next, however urgent others are.
    fn is_left_behind(&self, _child: Child, _cost: Span) -> bool {
        false
    }

    /// Some children that may have been left behind too far by now, who is furthest behind first.
    fn some_behind(&self, _lanes: &[Lane]) -> Vec<(Child, Lane)> {
        Vec::new()
    }

    /// Whose turn it is in these lanes; and a child that may have been left behind too far by now, which
    /// [`Discipline::is_left_behind`] knows when it is told what its job costs.
    fn choose(&mut self, lanes: &[Lane], now: Mono) -> (Option<Turn>, Option<(Child, Lane)>);

    /// The child whose head was submitted first, in these lanes.
    fn eldest(&self, lanes: &[Lane]) -> Option<Turn>;

    /// The child whose head the node offers to its own parent in a lane: about the one that it would give a job of.
    fn next(&self, lane: Lane) -> Option<Child>;

    /// That head.
    fn best(&self, lane: Lane) -> Option<Head>;

    /// Whether a job of that head has missed its latest start, and belongs in its flow's late list.
    fn has_missed(&self, _head: Head, _now: Mono) -> bool {
        false
    }

    /// Whether the next job of the child, of the lane if it waits, uses what it has only because others do not.
    fn borrows(&self, _child: Child, _lane: Option<Lane>) -> bool {
        false
    }

    /// The child gives a job of this cost, and next offers this in the lane.
    fn serve(&mut self, child: Child, lane: Lane, cost: Span, next: Option<Head>, now: Mono);

    /// A job goes straight to a slot since no other that could have it waits: its child is only charged. Not `alone`: it has
    /// the slot from before, and others may have waited for it.
    fn pass(&mut self, child: Child, cost: Span, alone: bool, now: Mono);

    /// Whether a job of the child may go straight to a slot, as far as what it may use is concerned.
    fn may_pass(&self, _child: Child, _now: Mono) -> bool {
        true
    }

    /// A granted job of the child was charged `charged` and turns out to cost `actual`; `borrows`, as it was told when it was charged.
    fn correct(&mut self, child: Child, charged: Span, actual: Span, borrows: bool);

    /// The same of one that is over after this time in a slot.
    fn finish(&mut self, child: Child, charged: Span, actual: Span, borrows: bool) {
        self.correct(child, charged, actual, borrows);
    }

    /// So many jobs below the child have a slot from now on; told of queues by those who ask for it.
    fn count(&mut self, _child: Child, _running: u32) {}

    /// The child has no job, waiting or granted. It is forgotten through [`Discipline::poll_forgotten`], at once or when
    /// what it owes is paid.
    fn retire(&mut self, child: Child);

    /// Whether the child, which has no job, owes something.
    fn owes(&self, child: Child) -> bool;

    /// No child has a job: what any of them owes is written off.
    fn reset(&mut self);

    /// A child that need not be remembered, unless it was opened again since: its number may be given to another.
    fn poll_forgotten(&mut self) -> Option<Child>;

    /// The child's weight, and that of all children that offer something and itself. `None`: nobody has a share.
    fn share(&self, child: Child) -> Option<(u64, u64)>;

    /// Whether those shares are all that its children go by: not so where they have guarantees or ceilings.
    fn is_by_shares(&self) -> bool {
        true
    }

    /// Jobs below the child that have a slot, where that is kept.
    fn counted(&self, _child: Child) -> Option<u32> {
        None
    }

    /// Slot time that the child was served beyond its share, and below zero what it is behind; `None`: that is not kept.
    fn lead(&self, _child: Child) -> Option<i64> {
        None
    }

    /// When time alone changes what is offered.
    fn due(&self) -> Option<Mono> {
        None
    }

    /// That moment has come.
    fn tick(&mut self, _now: Mono) {}

    /// Asserts its own invariants; `offers` says whether that is what a child offers in a lane.
    fn check(&self, offers: &dyn Fn(Child, Lane, Option<Head>) -> bool);
}

/// The discipline of that kind.
pub(crate) fn make(kind: DisciplineKind, config: &Config) -> Order {
    match kind {
        DisciplineKind::Promise => Order::Promise(promise::PromiseOrder::new(config)),
        DisciplineKind::Fifo => Order::Other(Box::new(fifo::FifoOrder::default())),
        DisciplineKind::Sfq => Order::Other(Box::new(sfq::SfqOrder::default())),
        DisciplineKind::Drr => Order::Other(Box::new(drr::DrrOrder::default())),
        DisciplineKind::Htb => Order::Other(Box::new(htb::HtbOrder::default())),
    }
}

/// The one of these children whose head was submitted first.
fn eldest(accounts: &accounts::Accounts, children: &[u32], lane: Lane) -> Option<Turn> {
    let turns = children.iter().filter_map(|&child| {
        let head = accounts.get(Child(child)).head(lane)?;
        Some(Turn { head, child: Child(child), lane })
    });
    turns.min_by_key(|turn| turn.head.seq())
}

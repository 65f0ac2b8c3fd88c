//! The children that offer something, lane by lane: those who may be served by what they offer, and all by their tags.

use std::collections::BTreeMap;

use super::tag::Tag;
use crate::backlog::Head;
use crate::heap::{IndexedHeap, Positions, Sparse, Table};
use crate::lane::Lane;

/// Children of one lane.
#[derive(Default)]
struct OfLane<P: Positions> {
    /// Eligible ones by head.
    eligible: IndexedHeap<Head, P>,
    /// The same ones by tag.
    eligible_tags: IndexedHeap<Tag, P>,
    /// Those ahead of their share, by tag.
    ahead: IndexedHeap<Tag, P>,
}

/// Children of every lane: of the usual one nearly all, of another one few.
#[derive(Default)]
pub(super) struct Filed {
    usual: OfLane<Table>,
    others: BTreeMap<Lane, OfLane<Sparse>>,
}

/// The same question of whichever kind the lane is.
macro_rules! of_lane {
    ($filed:expr, $lane:expr, $it:ident => $answer:expr) => {
        if $lane == Lane::USUAL {
            let $it = &$filed.usual;
            $answer
        } else {
            let $it = $filed.others.get(&$lane)?;
            $answer
        }
    };
}

impl Filed {
    /// Whether only the usual lane has any.
    #[inline]
    pub(super) fn is_plain(&self) -> bool {
        self.others.is_empty()
    }

    pub(super) fn other_lanes(&self) -> impl Iterator<Item = Lane> + '_ {
        self.others.keys().copied()
    }

    #[inline]
    pub(super) fn is_empty(&self, lane: Lane) -> bool {
        if lane == Lane::USUAL { self.usual.is_empty() } else { !self.others.contains_key(&lane) }
    }

    /// The smallest tag.
    #[inline]
    pub(super) fn least(&self, lane: Lane) -> Option<Tag> {
        let firsts = [self.first_tag(lane), self.first_ahead(lane)];
        firsts.into_iter().flatten().map(|(tag, _)| tag).min()
    }

    /// The eligible child with the smallest head.
    #[inline]
    pub(super) fn first(&self, lane: Lane) -> Option<(Head, u32)> {
        of_lane!(self, lane, it => it.eligible.first())
    }

    /// The eligible child with the smallest tag.
    #[inline]
    pub(super) fn first_tag(&self, lane: Lane) -> Option<(Tag, u32)> {
        of_lane!(self, lane, it => it.eligible_tags.first())
    }

    /// The child with the smallest tag among those ahead of their share.
    #[inline]
    pub(super) fn first_ahead(&self, lane: Lane) -> Option<(Tag, u32)> {
        of_lane!(self, lane, it => it.ahead.first())
    }

    /// All children of the lane, in no particular order.
    pub(super) fn children(&self, lane: Lane) -> Vec<u32> {
        let all = || Some(of_lane!(self, lane, it => it.children().collect()));
        all().unwrap_or_default()
    }

    #[inline]
    pub(super) fn file(&mut self, lane: Lane, child: u32, head: Head, tag: Tag, eligible: bool) {
        if lane == Lane::USUAL {
            self.usual.file(child, head, tag, eligible);
        } else {
            self.others.entry(lane).or_default().file(child, head, tag, eligible);
        }
    }

    #[inline]
    pub(super) fn remove(&mut self, lane: Lane, child: u32) {
        if lane == Lane::USUAL {
            self.usual.remove(child);
        } else if let Some(it) = self.others.get_mut(&lane) {
            it.remove(child);
            if it.is_empty() {
                self.others.remove(&lane);
            }
        }
    }

    pub(super) fn check(&self) {
        self.usual.check();
        for it in self.others.values() {
            it.check();
            assert!(!it.is_empty(), "a lane is kept while it has a job");
        }
    }

    pub(super) fn check_child(&self, lane: Lane, child: u32, head: Option<Head>, tag: Tag) {
        if lane == Lane::USUAL {
            self.usual.check_child(child, head, tag);
        } else if let Some(it) = self.others.get(&lane) {
            it.check_child(child, head, tag);
        } else {
            assert_eq!(head, None, "who offers is filed");
        }
    }
}

impl<P: Positions> OfLane<P> {
    fn is_empty(&self) -> bool {
        self.eligible.is_empty() && self.ahead.is_empty()
    }

    fn children(&self) -> impl Iterator<Item = u32> + '_ {
        self.eligible_tags.iter().chain(self.ahead.iter()).map(|(_, child)| child)
    }

    #[inline]
    fn file(&mut self, child: u32, head: Head, tag: Tag, eligible: bool) {
        if eligible {
            self.ahead.remove(child);
            self.eligible.set(child, head);
            self.eligible_tags.set(child, tag);
        } else {
            self.eligible.remove(child);
            self.eligible_tags.remove(child);
            self.ahead.set(child, tag);
        }
    }

    #[inline]
    fn remove(&mut self, child: u32) {
        self.eligible.remove(child);
        self.eligible_tags.remove(child);
        self.ahead.remove(child);
    }

    fn check(&self) {
        self.eligible.check();
        self.eligible_tags.check();
        self.ahead.check();
    }

    fn check_child(&self, child: u32, head: Option<Head>, tag: Tag) {
        let (eligible, ahead) = (self.eligible.key(child), self.ahead.key(child));
        assert_eq!(eligible.is_some() || ahead.is_some(), head.is_some(), "who offers is filed");
        assert!(eligible.is_none() || ahead.is_none(), "no child is both eligible and ahead");
        assert!(eligible.is_none() || eligible == head, "a child is filed under its head");
        let tagged = eligible.map(|_| tag);
        assert_eq!(self.eligible_tags.key(child), tagged, "an eligible child has its tag there");
        assert!(ahead.is_none_or(|at| at == tag), "a child ahead is filed under its tag");
    }
}

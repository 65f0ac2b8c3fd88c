//! `fifo`: the job that was submitted first runs first, whoever's it is.
//!
//! Nobody is charged, so a tenant that submits more gets more. The jobs of a child that may not run keep their places.
//!
//! Bound, with `n` slots that any job may have and `W` the slot time of all jobs before it that have not ended: a job starts at most
//! `W/n` after it was submitted. Of shares there is none.

#[cfg(test)]
mod tests;

use ostler_job::{Mono, Span};

use super::by_lane::ByLane;
use super::{Child, Discipline, Share, Turn};
use crate::backlog::Head;
use crate::lane::Lane;

/// Children by their eldest job.
#[derive(Default)]
pub(crate) struct FifoOrder {
    heads: ByLane<Head>,
    forgotten: Vec<Child>,
}

impl FifoOrder {
    /// Everything that is offered.
    pub(super) fn offers(&self) -> impl Iterator<Item = (Child, Lane, Head)> + '_ {
        let lanes = self.heads.other_lanes().chain([Lane::USUAL]);
        lanes.flat_map(move |lane| {
            let children = self.heads.children(lane).into_iter();
            children
                .filter_map(move |child| Some((Child(child), lane, self.heads.key(lane, child)?)))
        })
    }

    fn first(&self, lanes: &[Lane]) -> Option<Turn> {
        let of_lane = |&lane: &Lane| {
            let (head, child) = self.heads.first(lane)?;
            Some(Turn { head, child: Child(child), lane })
        };
        lanes.iter().filter_map(of_lane).min_by_key(|turn| turn.head.seq())
    }
}

impl Discipline for FifoOrder {
    /// None, so that the order is that of the submits.
    fn key(&self, _lst: Mono) -> Mono {
        Mono(0)
    }

    fn open(&mut self, _child: Child, _share: Share) {}

    fn offer(&mut self, child: Child, lane: Lane, head: Option<Head>) {
        match head {
            // A queue may offer what is ordered by its promise; here only its age counts.
            Some(head) => {
                let head = Head::new(false, Mono(0), head.seq());
                self.heads.set(lane, child.0, head);
            }
            None => self.heads.remove(lane, child.0),
        }
    }

    fn is_plain(&self) -> bool {
        self.heads.is_plain()
    }

    fn other_lanes(&self) -> Vec<Lane> {
        self.heads.other_lanes().collect()
    }

    fn is_runnable(&self, lane: Lane) -> bool {
        !self.heads.is_empty(lane)
    }

    fn choose(&mut self, lanes: &[Lane], _now: Mono) -> (Option<Turn>, Option<(Child, Lane)>) {
        (self.first(lanes), None)
    }

    fn eldest(&self, lanes: &[Lane]) -> Option<Turn> {
        self.first(lanes)
    }

    fn next(&self, lane: Lane) -> Option<Child> {
        self.heads.first(lane).map(|(_, child)| Child(child))
    }

    fn best(&self, lane: Lane) -> Option<Head> {
        self.heads.first(lane).map(|(head, _)| head)
    }

    fn serve(&mut self, child: Child, lane: Lane, _cost: Span, next: Option<Head>, _now: Mono) {
        self.offer(child, lane, next);
    }

    fn pass(&mut self, _child: Child, _cost: Span, _alone: bool, _now: Mono) {}

    fn correct(&mut self, _child: Child, _charged: Span, _actual: Span, _borrows: bool) {}

    fn retire(&mut self, child: Child) {
        self.forgotten.push(child);
    }

    fn owes(&self, _child: Child) -> bool {
        false
    }

    fn reset(&mut self) {}

    fn poll_forgotten(&mut self) -> Option<Child> {
        self.forgotten.pop()
    }

    fn share(&self, _child: Child) -> Option<(u64, u64)> {
        None
    }

    fn check(&self, offers: &dyn Fn(Child, Lane, Option<Head>) -> bool) {
        self.heads.check();
        for (child, lane, head) in self.offers() {
            assert!(offers(child, lane, Some(head)), "a child is filed under its eldest job");
        }
    }
}

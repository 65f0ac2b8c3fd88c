//! `fifo`: the job that was submitted first runs first, whoever's it is.
//!
//! Nobody is charged, so a tenant that submits more gets more. The jobs of a child that may not run keep their places.

use ostler_job::{Mono, Span};

use super::{Child, Discipline, Turn};
use crate::backlog::Head;
use crate::heap::{IndexedHeap, Sparse};
use crate::lane::{Lane, LaneMap};

/// Children by their eldest job.
#[derive(Default)]
pub(crate) struct FifoOrder {
    lanes: LaneMap<IndexedHeap<Head, Sparse>>,
    forgotten: Vec<Child>,
}

impl FifoOrder {
    fn first(&self, lanes: &[Lane]) -> Option<Turn> {
        let of_lane = |&lane: &Lane| {
            let (head, child) = self.lanes.get(lane)?.first()?;
            Some(Turn { head, child: Child(child), lane })
        };
        lanes.iter().filter_map(of_lane).min_by_key(|turn| turn.head.seq)
    }
}

impl Discipline for FifoOrder {
    /// None, so that the order is that of the submits.
    fn key(&self, _lst: Mono) -> Mono {
        Mono(0)
    }

    fn open(&mut self, _child: Child, _weight: u32) {}

    fn offer(&mut self, child: Child, lane: Lane, head: Option<Head>) {
        match head {
            // A queue may offer what is ordered by its promise; here only its age counts.
            Some(Head { seq, .. }) => {
                let head = Head { late: false, lst: Mono(0), seq };
                self.lanes.entry(lane, IndexedHeap::default).set(child.0, head);
            }
            None => {
                let Some(heap) = self.lanes.get_mut(lane) else { return };
                heap.remove(child.0);
                if heap.is_empty() {
                    self.lanes.drop_other(lane);
                }
            }
        }
    }

    fn is_plain(&self) -> bool {
        self.lanes.is_plain()
    }

    fn other_lanes(&self) -> Box<dyn Iterator<Item = Lane> + '_> {
        Box::new(self.lanes.iter().skip(1).map(|(lane, _)| lane))
    }

    fn is_runnable(&self, lanes: &[Lane]) -> bool {
        lanes.iter().any(|&lane| self.lanes.get(lane).is_some_and(|heap| !heap.is_empty()))
    }

    fn choose(&mut self, lanes: &[Lane]) -> (Option<Turn>, Option<(Child, Lane)>) {
        (self.first(lanes), None)
    }

    fn eldest(&self, lanes: &[Lane]) -> Option<Turn> {
        self.first(lanes)
    }

    fn best(&self, lane: Lane) -> Option<Head> {
        self.lanes.get(lane)?.first().map(|(head, _)| head)
    }

    fn serve(&mut self, child: Child, lane: Lane, _cost: Span, next: Option<Head>) {
        self.offer(child, lane, next);
    }

    fn pass(&mut self, _child: Child, _cost: Span, _alone: bool) {}

    fn correct(&mut self, _child: Child, _charged: Span, _actual: Span) {}

    fn finish(&mut self, _child: Child, _charged: Span, _actual: Span) {}

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
        for (lane, heap) in self.lanes.iter() {
            heap.check();
            assert!(lane == Lane::USUAL || !heap.is_empty(), "a lane is kept while it has a job");
            for (head, child) in heap.iter() {
                let is_so = offers(Child(child), lane, Some(head));
                assert!(is_so, "a child is filed under its eldest job");
            }
        }
    }
}

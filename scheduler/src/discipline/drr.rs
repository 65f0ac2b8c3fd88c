//! `drr`: deficit round robin (Shreedhar and Varghese, 1995): each child in turn gets a quantum of slot time for its weight,
//! and uses it for its jobs in the order in which they were submitted.
//!
//! A child's round is what it was charged per unit of weight, counted in quanta: it is served until it has used up the
//! quantum of its round, and whoever is in the smallest round is next, in the order in which they came to it. What a
//! job costs more than was left is taken off the next rounds.
//!
//! Bounds, with the quantum `Q`, weights `w` and the costliest job `c` of each: for two children that have jobs waiting all the
//! time the service per weight differs by at most `Q + c_i/w_i + c_f/w_f`, counted from when both came, and between any two moments by
//! twice that; where estimates are wrong `c` is what the granted jobs of each were charged, as with `promise`. A child that comes back from idling is served
//! after at most `sum_j (Q w_j + c_j)` of slot time. Newcomers without end do not hold the round: it creeps, as with `promise`. Promises do not count.

#[cfg(test)]
mod tests;

use ostler_job::{Mono, Span};

use super::accounts::Accounts;
use super::by_lane::ByLane;
use super::tag::Tag;
use super::{Child, Discipline, Share, Turn};
use crate::backlog::Head;
use crate::lane::Lane;

/// Slot time per unit of weight and round: little enough that a newcomer does not wait long for those of the round that it comes to, and
/// as much as it costs nothing to be short, since whose turn it is does not depend on how many jobs fit.
const QUANTUM: Span = Span::from_millis(25);

/// All children.
#[derive(Default)]
pub(crate) struct DrrOrder {
    accounts: Accounts,
    /// Children by their rounds and by when they came to them.
    turns: ByLane<(u64, u64)>,
    /// The round and the place in it of each child.
    places: Vec<(u64, u64)>,
    came: u64,
}

impl DrrOrder {
    fn quantum() -> Tag {
        Tag::of(QUANTUM, 1)
    }

    /// Files the child under its round, at the end of it where that is another one.
    fn rekey(&mut self, child: Child, anew: bool) {
        if self.places.len() <= child.0 as usize {
            self.places.resize(child.0 as usize + 1, (0, 0));
        }
        let it = self.accounts.get(child);
        let round = it.start.quanta(Self::quantum());
        let place = &mut self.places[child.0 as usize];
        if anew || place.0 != round {
            self.came += 1;
            *place = (round, self.came);
        }
        for (lane, head) in it.heads.iter() {
            if head.is_some() {
                self.turns.set(lane, child.0, *place);
            }
        }
    }

    fn put(&mut self, child: Child, lane: Lane, head: Option<Head>) -> bool {
        let came = self.accounts.put(child, lane, head);
        if head.is_none() {
            self.turns.remove(lane, child.0);
        }
        came
    }

    /// Nobody has a job: whatever was charged is written off.
    pub(super) fn forgive(&mut self) {
        self.advance(self.accounts.furthest().quanta(Self::quantum()) + 1);
    }

    /// Where whoever has nothing to claim stands.
    pub(super) fn v(&self) -> Tag {
        self.accounts.v
    }

    /// What the child was charged, per unit of weight.
    pub(super) fn start(&self, child: Child) -> Tag {
        self.accounts.get(child).start
    }

    /// The child, which offers nothing, was charged as much as this one.
    pub(super) fn restart(&mut self, child: Child, start: Tag) {
        self.accounts.get_mut(child).start = start;
    }

    /// The round goes on; whoever has nothing to claim is in it.
    fn advance(&mut self, round: u64) {
        self.accounts.advance(Self::quantum().times(round));
    }
}

impl Discipline for DrrOrder {
    /// None, so that the order within a child is that of the submits.
    fn key(&self, _lst: Mono) -> Mono {
        Mono(0)
    }

    fn open(&mut self, child: Child, share: Share) {
        self.accounts.open(child, share);
    }

    fn offer(&mut self, child: Child, lane: Lane, head: Option<Head>) {
        if self.accounts.get(child).head(lane) == head {
            return;
        }
        let came = self.put(child, lane, head);
        if head.is_some() {
            self.rekey(child, came);
        }
    }

    fn is_plain(&self) -> bool {
        self.turns.is_plain()
    }

    fn other_lanes(&self) -> Vec<Lane> {
        self.turns.other_lanes().collect()
    }

    fn other_lanes_of(&self, child: Child) -> Vec<Lane> {
        self.accounts.get(child).other_lanes()
    }

    fn is_runnable(&self, lane: Lane) -> bool {
        !self.turns.is_empty(lane)
    }

    fn choose(&mut self, lanes: &[Lane], _now: Mono) -> (Option<Turn>, Option<(Child, Lane)>) {
        // Of one child in several lanes the job that was submitted first.
        let first = |&lane: &Lane| {
            let (turn, child) = self.turns.first(lane)?;
            let head = self.accounts.get(Child(child)).head(lane)?;
            Some(((turn, child, head.seq()), Turn { head, child: Child(child), lane }))
        };
        let firsts = lanes.iter().filter_map(first);
        let Some((((round, _), ..), turn)) = firsts.min_by_key(|&(key, _)| key) else {
            return (None, None);
        };
        self.advance(round);
        (Some(turn), None)
    }

    fn eldest(&self, lanes: &[Lane]) -> Option<Turn> {
        let of_lane =
            |&lane: &Lane| super::eldest(&self.accounts, &self.turns.children(lane), lane);
        lanes.iter().filter_map(of_lane).min_by_key(|turn| turn.head.seq())
    }

    fn next(&self, lane: Lane) -> Option<Child> {
        self.turns.first(lane).map(|(_, child)| Child(child))
    }

    fn best(&self, lane: Lane) -> Option<Head> {
        self.accounts.get(self.next(lane)?).head(lane)
    }

    fn serve(&mut self, child: Child, lane: Lane, cost: Span, next: Option<Head>, _now: Mono) {
        let mut start = self.accounts.get(child).start;
        if lane != Lane::USUAL {
            // While its hosts were busy or away it could use nothing, and others used what it did not.
            start = start.max(self.accounts.v);
        }
        self.accounts.charge(child, start, cost);
        self.put(child, lane, next);
        self.rekey(child, false);
    }

    fn pass(&mut self, child: Child, cost: Span, alone: bool, _now: Mono) {
        let start = self.accounts.get(child).start;
        if alone {
            self.advance(start.quanta(Self::quantum()));
        }
        self.accounts.charge(child, start.max(self.accounts.v), cost);
        self.rekey(child, false);
    }

    fn correct(&mut self, child: Child, charged: Span, actual: Span, _borrows: bool) {
        if self.accounts.correct(child, charged, actual) {
            self.rekey(child, false);
        }
    }

    fn finish(&mut self, child: Child, charged: Span, actual: Span, borrows: bool) {
        self.correct(child, charged, actual, borrows);
        self.accounts.creep(child, actual);
    }

    fn retire(&mut self, child: Child) {
        self.accounts.retire(child);
    }

    fn owes(&self, child: Child) -> bool {
        self.accounts.owes(child)
    }

    fn reset(&mut self) {
        self.accounts.reset();
    }

    fn poll_forgotten(&mut self) -> Option<Child> {
        self.accounts.poll_forgotten()
    }

    fn share(&self, child: Child) -> Option<(u64, u64)> {
        Some(self.accounts.weights(child))
    }

    fn check(&self, offers: &dyn Fn(Child, Lane, Option<Head>) -> bool) {
        self.accounts.check(offers);
        self.turns.check();
        for (child, it) in self.accounts.iter() {
            for (lane, head) in it.heads.iter() {
                let filed = self.turns.key(lane, child.0);
                assert_eq!(filed.is_some(), head.is_some(), "who offers is filed");
                let round = it.start.quanta(Self::quantum());
                assert!(filed.is_none_or(|it| it.0 == round), "a child is filed under its round");
            }
        }
    }
}

//! `htb`: hierarchical token bucket, as in `tc-htb(8)`: every child has a guarantee and may have a ceiling, both in slots, and
//! what others do not use is lent.
//!
//! Tokens are slot time. A child is *green* while it has used less than its guarantee, and *red* once it has used its ceiling:
//! then it offers nothing until time has passed. In between it borrows: from its parent while that one is green, else from
//! the next one up. So jobs are classed by the height at which the tokens for them are found, and the smallest class is
//! served first; of those with a guarantee left whoever is furthest behind it, of those that borrow whoever has borrowed least
//! for its weight. The class goes up with what a node offers, and so holds over any number of levels.
//!
//! Jobs are charged by estimates, which may be far too high. So whoever has fewer jobs in slots than its guarantee has slots is
//! green however much it was charged, whoever has fewer than its ceiling is not red, and what a job did not use is paid back to whoever's
//! tokens it used. Who begins to borrow stands where the others are, but for a burst and a job that it may have been charged too much;
//! who has left and comes back owes what it borrowed while others waited, and newcomers without end hold up nobody, as with `promise`.
//!
//! Bounds, with the burst `T` of [`BURST`], guarantees `g` and ceilings `k` in slots, the costliest job `c`, while the guarantees of
//! siblings are no more than the slots: in any time `t` a child gets at most `k (t + T) + (k + 1) c`, and one that has jobs waiting
//! all the time at least `g (t - T - L) - c`, where `L` is the longest job of any, since all slots may be held when it comes; where estimates are wrong,
//! less by what was charged wrongly, there and beside it. Above the ceilings
//! slots stay free; that is what ceilings are for.

mod buckets;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use ostler_job::{Mono, Span};

use self::buckets::{BURST, Buckets, in_slots};
use super::accounts::Accounts;
use super::by_lane::ByLane;
use super::tag::Tag;
use super::{Child, Discipline, Share, Turn};
use crate::backlog::Head;
use crate::lane::Lane;

/// The moment that never comes.
const NEVER: Mono = Mono(u64::MAX);

/// All children.
#[derive(Default)]
pub(crate) struct HtbOrder {
    accounts: Accounts,
    buckets: Vec<Buckets>,
    /// Children with a guarantee or a ceiling.
    promised: u32,
    /// Children that may be served, by the class of what they offer and by who is first in it.
    ready: ByLane<(u8, u128)>,
    /// Children that offer something, by when time alone makes another class of it.
    changes: BTreeSet<(Mono, u32)>,
    now: Mono,
    /// Levels of queues below this one.
    height: u8,
}

impl HtbOrder {
    fn bucket(&mut self, child: Child) -> &mut Buckets {
        if self.buckets.len() <= child.0 as usize {
            self.buckets.resize(child.0 as usize + 1, Buckets::default());
        }
        &mut self.buckets[child.0 as usize]
    }

    fn set_share(&mut self, child: Child, share: Share) {
        let it = self.bucket(child);
        let was = it.is_promised();
        it.share = share;
        let is = it.is_promised();
        self.promised = self.promised - u32::from(was) + u32::from(is);
    }

    fn is_green(&self, child: Child) -> bool {
        let it = &self.buckets[child.0 as usize];
        it.share.guarantee > 0 && (it.green <= self.now || it.is_within_guarantee(1))
    }

    /// How far up the tokens for what the child offers are found: one more than the height of the node that has them.
    fn class(&self, child: Child, head: Head) -> u8 {
        let Some(height) = self.buckets[child.0 as usize].share.height else {
            // A tenant has no tokens of its own.
            return self.height + 1;
        };
        let own = height + 1;
        let class = if head.class() == 0 { own } else { head.class() };
        if class < own || self.is_green(child) { class } else { self.height + 1 }
    }

    /// When time alone changes what the child's offers are.
    fn changes(&self, child: Child) -> Option<Mono> {
        let it = &self.buckets[child.0 as usize];
        let Buckets { share, green, .. } = *it;
        if it.is_red(self.now) {
            return Some(it.open);
        }
        (share.guarantee > 0 && green > self.now).then_some(green)
    }

    /// Files the child anew in every lane, as it stands now.
    fn rekey(&mut self, child: Child, before: Option<Mono>) {
        if let Some(before) = before {
            self.changes.remove(&(before, child.0));
        }
        let it = self.accounts.get(child);
        let heads: Vec<(Lane, Head)> =
            it.heads.iter().filter_map(|(lane, head)| Some((lane, (*head)?))).collect();
        let (start, is_red) = (it.start, self.buckets[child.0 as usize].is_red(self.now));
        for &(lane, head) in &heads {
            if is_red {
                self.ready.remove(lane, child.0);
                continue;
            }
            let class = self.class(child, head);
            let first = match class {
                class if class <= self.height => u128::from(self.buckets[child.0 as usize].green.0),
                _ => start.units(),
            };
            self.ready.set(lane, child.0, (class, first));
        }
        if !heads.is_empty()
            && let Some(at) = self.changes(child)
        {
            self.changes.insert((at, child.0));
        }
    }

    /// The child uses its own tokens, or those of a node above, which are no debt of its own.
    fn charge(&mut self, child: Child, cost: Span, borrows: bool) {
        let past = Mono(self.now.0.saturating_sub(BURST.0));
        let it = self.bucket(child);
        let share = it.share;
        it.open = it.open.max(past) + in_slots(cost, share.ceiling.unwrap_or(u32::MAX));
        let was_in_line = std::mem::replace(&mut it.borrowed, borrows);
        if borrows {
            let mut start = self.accounts.get(child).start;
            if !was_in_line {
                // While it had tokens it had no claim to those of others, but to what it was charged too much before.
                let slack =
                    Tag::of(Span(cost.0.saturating_add(BURST.0)), u64::from(share.weight.max(1)));
                start = start.max(self.accounts.v.minus(slack));
            }
            self.accounts.charge(child, start, cost);
        } else {
            it.green = it.green.max(past) + in_slots(cost, share.guarantee);
        }
    }
}

impl Discipline for HtbOrder {
    /// None, so that the order within a child is that of the submits.
    fn key(&self, _lst: Mono) -> Mono {
        Mono(0)
    }

    fn open(&mut self, child: Child, share: Share) {
        let is_known = (child.0 as usize) < self.buckets.len();
        let before = if is_known { self.changes(child) } else { None };
        self.set_share(child, share);
        self.accounts.open(child, share);
        self.rekey(child, before);
        if let Some(height) = share.height
            && self.height <= height
        {
            self.height = height + 1;
            let all: Vec<Child> = self.accounts.iter().map(|(child, _)| child).collect();
            for child in all {
                let before = self.changes(child);
                self.rekey(child, before);
            }
        }
    }

    fn offer(&mut self, child: Child, lane: Lane, head: Option<Head>) {
        if self.accounts.get(child).head(lane) == head {
            return;
        }
        let before = self.changes(child);
        self.accounts.put(child, lane, head);
        if head.is_none() {
            self.ready.remove(lane, child.0);
        }
        self.rekey(child, before);
    }

    fn is_plain(&self) -> bool {
        self.ready.is_plain()
    }

    fn other_lanes(&self) -> Vec<Lane> {
        let mut lanes: Vec<Lane> = self.ready.other_lanes().collect();
        // A red child is not ready, and what it offers is filed all the same.
        for &(_, child) in &self.changes {
            if self.buckets[child as usize].is_red(self.now) {
                let heads = self.accounts.get(Child(child)).heads.iter();
                let filed = heads.filter(|(lane, head)| head.is_some() && *lane != Lane::USUAL);
                lanes.extend(filed.map(|(lane, _)| lane));
            }
        }
        lanes.sort_unstable();
        lanes.dedup();
        lanes
    }

    fn other_lanes_of(&self, child: Child) -> Vec<Lane> {
        self.accounts.get(child).other_lanes()
    }

    fn is_runnable(&self, lane: Lane) -> bool {
        !self.ready.is_empty(lane)
    }

    fn choose(&mut self, lanes: &[Lane], now: Mono) -> (Option<Turn>, Option<(Child, Lane)>) {
        self.tick(now);
        // Of one child in several lanes the job that was submitted first.
        let first = |&lane: &Lane| {
            let (key, child) = self.ready.first(lane)?;
            let head = self.accounts.get(Child(child)).head(lane)?;
            Some(((key, child, head.seq()), Turn { head, child: Child(child), lane }))
        };
        let firsts = lanes.iter().filter_map(first);
        let Some((((class, _), ..), turn)) = firsts.min_by_key(|&(key, _)| key) else {
            return (None, None);
        };
        if class > self.height {
            self.accounts.advance(self.accounts.get(turn.child).start);
        }
        (Some(turn), None)
    }

    fn eldest(&self, lanes: &[Lane]) -> Option<Turn> {
        let of_lane =
            |&lane: &Lane| super::eldest(&self.accounts, &self.ready.children(lane), lane);
        lanes.iter().filter_map(of_lane).min_by_key(|turn| turn.head.seq())
    }

    fn next(&self, lane: Lane) -> Option<Child> {
        self.ready.first(lane).map(|(_, child)| Child(child))
    }

    fn best(&self, lane: Lane) -> Option<Head> {
        let ((class, _), child) = self.ready.first(lane)?;
        self.accounts.get(Child(child)).head(lane).map(|head| head.of_class(class))
    }

    fn borrows(&self, child: Child, lane: Option<Lane>) -> bool {
        match lane.and_then(|lane| self.accounts.get(child).head(lane)) {
            Some(head) => self.class(child, head) > self.height,
            None => !self.is_green(child),
        }
    }

    fn serve(&mut self, child: Child, lane: Lane, cost: Span, next: Option<Head>, now: Mono) {
        self.now = self.now.max(now);
        let before = self.changes(child);
        let borrows = self.borrows(child, Some(lane));
        self.charge(child, cost, borrows);
        self.accounts.put(child, lane, next);
        if next.is_none() {
            self.ready.remove(lane, child.0);
        }
        self.rekey(child, before);
    }

    fn pass(&mut self, child: Child, cost: Span, alone: bool, now: Mono) {
        self.now = self.now.max(now);
        let before = self.changes(child);
        let borrows = self.borrows(child, None);
        if borrows && alone {
            // Nobody else wants what it takes, so it owes nobody for it.
            self.accounts.advance(self.accounts.get(child).start);
        }
        self.charge(child, cost, borrows);
        self.rekey(child, before);
    }

    fn may_pass(&self, child: Child, now: Mono) -> bool {
        self.buckets.get(child.0 as usize).is_none_or(|it| !it.is_red(self.now.max(now)))
    }

    fn correct(&mut self, child: Child, charged: Span, actual: Span, borrows: bool) {
        let before = self.changes(child);
        let share = self.bucket(child).share;
        let (by, up) = (Span(actual.0.abs_diff(charged.0)), actual > charged);
        let ceiling = share.ceiling.unwrap_or(u32::MAX);
        let it = self.bucket(child);
        let moved = |moment: Mono, slots| {
            let by = in_slots(by, slots);
            if up { moment + by } else { Mono(moment.0.saturating_sub(by.0)) }
        };
        it.open = moved(it.open, ceiling);
        if borrows {
            self.accounts.correct(child, charged, actual);
        } else {
            it.green = moved(it.green, share.guarantee);
        }
        self.rekey(child, before);
    }

    fn finish(&mut self, child: Child, charged: Span, actual: Span, borrows: bool) {
        self.correct(child, charged, actual, borrows);
        if borrows {
            self.accounts.creep(child, actual);
        }
    }

    fn count(&mut self, child: Child, running: u32) {
        let before = self.changes(child);
        self.bucket(child).running = running;
        self.rekey(child, before);
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
        let child = self.accounts.poll_forgotten()?;
        // Another one may have its number.
        let before = self.changes(child);
        self.set_share(child, Share::default());
        *self.bucket(child) = Buckets::default();
        self.rekey(child, before);
        Some(child)
    }

    fn share(&self, child: Child) -> Option<(u64, u64)> {
        Some(self.accounts.weights(child))
    }

    fn is_by_shares(&self) -> bool {
        self.promised == 0
    }

    fn counted(&self, child: Child) -> Option<u32> {
        self.buckets.get(child.0 as usize).map(|it| it.running)
    }

    fn due(&self) -> Option<Mono> {
        self.changes.first().map(|&(at, _)| at).filter(|&at| at < NEVER)
    }

    fn tick(&mut self, now: Mono) {
        self.now = self.now.max(now);
        while let Some(&(at, child)) = self.changes.first()
            && at <= self.now
        {
            self.rekey(Child(child), Some(at));
        }
    }

    fn check(&self, offers: &dyn Fn(Child, Lane, Option<Head>) -> bool) {
        self.accounts.check(offers);
        self.ready.check();
        let promised = self.buckets.iter().filter(|it| it.is_promised()).count();
        assert_eq!(promised, self.promised as usize, "who goes by slots is counted");
        for (child, it) in self.accounts.iter() {
            let is_red = self.buckets[child.0 as usize].is_red(self.now);
            for (lane, head) in it.heads.iter() {
                let filed = self.ready.key(lane, child.0).is_some();
                assert_eq!(filed, head.is_some() && !is_red, "who offers and is not red is ready");
            }
            let waits = it.offers > 0 && self.changes(child).is_some();
            let listed =
                self.changes(child).is_some_and(|at| self.changes.contains(&(at, child.0)));
            assert!(!waits || listed, "the moment at which an offer changes is known");
        }
    }
}

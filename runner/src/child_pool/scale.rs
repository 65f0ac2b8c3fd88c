//! Scaling: how many children there are to be; who is replaced when worn out and who goes when idle.

use ostler_job::{Mono, Span};

use super::{ChildPool, ExitReason, member::Phase};

/// Between two children that end because they are idle.
const SHRINK_STEP: Span = Span::from_secs(1);

impl ChildPool {
    /// The gateway has this many jobs waiting for the app. When none waits any more, children that are not begun are not wanted any more.
    pub(crate) fn handle_demand(&mut self, waiting: u32) {
        if waiting == 0 && self.waiting > 0 {
            let live = self.booting() + self.ready();
            self.level = self.level.min(live.max(self.limits.min));
        }
        self.waiting = waiting;
    }

    /// How many requests at once the app's children are given, each of them.
    pub(crate) fn handle_streams(&mut self, streams: u32) {
        self.streams = streams.max(1);
    }

    /// Time passed: replaces, shrinks, and takes every end a step further.
    pub(crate) fn handle_time(&mut self, now: Mono) {
        if !self.stopping {
            self.grow();
            self.replace(now);
            self.shrink(now);
        }
        for id in self.members.keys().copied().collect::<Vec<_>>() {
            self.advance(id, now);
        }
    }

    /// How many children are to be spawned now.
    pub(crate) fn spawns_wanted(&self, now: Mono) -> u32 {
        if self.stopping || !self.backoff.may_try(now) {
            return 0;
        }
        let booting = self.booting();
        let fading = self.count(|m| m.is_fading(now) && m.is_leaving());
        let live = booting + fading + self.ready();
        let fresh = booting + fading + self.count(|m| m.is_fresh());
        // A replacement boots beside the child that it replaces, but only one at a time.
        let wanted = self.level.saturating_sub(fresh).min((self.level + 1).saturating_sub(live));
        let wanted = wanted.min(self.starts.left(now));
        if self.backoff.is_held() { wanted.min(1_u32.saturating_sub(booting)) } else { wanted }
    }

    /// Jobs wait and no child is free: there should be children for all of them, as far as the maximum goes.
    fn grow(&mut self) {
        let is_free = |m: &super::Member| m.phase == Phase::Ready && m.idle_since.is_some();
        if self.waiting > 0 && self.count(is_free) == 0 {
            let more = self.waiting.div_ceil(self.streams);
            let wanted = self.ready().saturating_add(more).min(self.limits.max);
            self.level = self.level.max(wanted);
        }
    }

    /// Marks worn out children, and retires one when its replacement is READY.
    fn replace(&mut self, now: Mono) {
        for member in self.members.values_mut().filter(|m| m.is_fresh()) {
            member.due = member.worn_out(now);
        }
        if let Some(ready_at) = self.members.values().filter_map(|m| m.ready_at).min() {
            self.backoff.handle_steady(ready_at, now);
        }
        if self.ready() <= self.level {
            return;
        }
        let due = self.members.iter().filter(|(_, m)| m.phase == Phase::Ready);
        let due = due.filter_map(|(id, m)| Some((m.spawned, *id, m.due?))).min_by_key(|d| d.0);
        if let Some((_, id, reason)) = due {
            self.retire(id, reason, None, now);
        }
    }

    /// Ends the child that has been idle longest, one at a time.
    fn shrink(&mut self, now: Mono) {
        if self.waiting > 0 || self.level <= self.limits.min || now < self.shrink_at {
            return;
        }
        let idle = self.members.iter().filter(|(_, m)| m.phase == Phase::Ready);
        let idle = idle.filter_map(|(id, m)| Some((m.idle_since?, *id))).min();
        if let Some((since, id)) = idle
            && now - since >= self.limits.idle
        {
            self.level -= 1;
            self.shrink_at = now + SHRINK_STEP.min(self.limits.idle);
            self.retire(id, ExitReason::Stopped, None, now);
        } else if self.ready() + self.booting() == 0 && !self.backoff.is_held() {
            // Nobody is there to be idle and nobody asks: the level was raised for children that are gone.
            self.level = self.limits.min;
        }
    }
}

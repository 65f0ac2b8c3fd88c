//! How many children, and when each of them goes.

use ostler_job::{Mono, Span};

use super::{Action, ChildId, ExitReason, KILL_AFTER, KILL_AGAIN, Pool, SETTLE, member::Phase};
use crate::pool::escalation::Step;

/// For the stacks of a child that did not boot in time.
const DUMP_TIME: Span = Span::from_millis(250);
/// Between two children that end because they are idle.
const SHRINK_STEP: Span = Span::from_secs(1);

impl Pool {
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

    /// Jobs wait and no child is free: there should be a child for each, as far as the maximum goes.
    fn grow(&mut self) {
        let is_free = |m: &super::Member| m.phase == Phase::Ready && m.idle_since.is_some();
        if self.waiting > 0 && self.count(is_free) == 0 {
            let wanted = self.ready().saturating_add(self.waiting).min(self.limits.max);
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

    /// Gives a child nothing more; what it has it may finish until the limit.
    pub(super) fn retire(
        &mut self,
        id: ChildId,
        reason: ExitReason,
        limit: Option<Mono>,
        now: Mono,
    ) {
        let Some(member) = self.members.get_mut(&id) else { return };
        let (reason, since, is_new) = match member.phase {
            Phase::Retiring { reason, since, .. } => (reason, since, false),
            Phase::Ready => (reason, now, true),
            Phase::Booting { .. } | Phase::Stopping { .. } | Phase::Ending { .. } => return,
        };
        member.phase = Phase::Retiring { reason, since, limit };
        if is_new {
            self.actions.push_back(Action::Retire(id));
        }
    }

    /// Sends SIGTERM to a child that is not on that way yet.
    pub(super) fn end(&mut self, id: ChildId, now: Mono) {
        let Some(member) = self.members.get_mut(&id) else { return };
        if !member.is_ending() {
            let reason = member.forced_reason();
            member.phase = Phase::Ending { reason, kill_at: now + KILL_AFTER };
            self.actions.push_back(Action::Terminate(id));
        }
    }

    /// Takes one child a step further on its way.
    fn advance(&mut self, id: ChildId, now: Mono) {
        let grace = self.limits.grace;
        let Some(member) = self.members.get_mut(&id) else { return };
        match member.escalation.as_mut().and_then(|escalation| escalation.step(now)) {
            Some(Step::Dump) => self.actions.push_back(Action::Dump(id)),
            Some(Step::End) if !member.is_ending() => return self.end(id, now),
            Some(Step::End) | None => {}
        }
        let is_idle = member.idle_since.is_some();
        let (is_mute, is_fading) = (member.is_mute(), member.is_fading(now));
        match &mut member.phase {
            Phase::Booting { limit, dumped: dumped @ false } if now >= *limit => {
                (*limit, *dumped) = (now + DUMP_TIME, true);
                self.actions.push_back(Action::Dump(id));
            }
            Phase::Booting { limit, .. } if now >= *limit => self.end(id, now),
            Phase::Retiring { limit: Some(limit), .. } if now >= *limit => self.end(id, now),
            Phase::Stopping { limit, .. } if now >= *limit => self.end(id, now),
            // One that is just dying is let die: what it died of is the reason, not what it is told.
            Phase::Retiring { .. } if is_fading => {}
            Phase::Retiring { .. } if is_mute && is_idle => self.end(id, now),
            Phase::Retiring { reason, since, .. } if is_idle && now >= *since + SETTLE => {
                member.phase = Phase::Stopping { reason: *reason, limit: now + grace };
                self.actions.push_back(Action::Stop(id));
            }
            Phase::Ending { kill_at, .. } if now >= *kill_at => {
                *kill_at = now + KILL_AGAIN;
                self.actions.push_back(Action::Kill(id));
            }
            Phase::Ready => {
                let finding = member.contact.look(!is_idle, now);
                self.act_on(id, finding, now);
            }
            Phase::Booting { .. }
            | Phase::Retiring { .. }
            | Phase::Stopping { .. }
            | Phase::Ending { .. } => {}
        }
    }
}

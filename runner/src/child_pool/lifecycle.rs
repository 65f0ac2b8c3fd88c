//! The life of one child from its retirement to SIGKILL: drained, told to stop, terminated, killed; each step when its time is up.

use ostler_job::{Mono, Span};

use super::{
    Action, ChildId, ChildPool, ExitReason, KILL_AFTER, KILL_AGAIN, STOP_AFTER, escalation::Step,
    member::Phase,
};

/// For the stacks of a child that did not boot in time.
const DUMP_TIME: Span = Span::from_millis(250);

impl ChildPool {
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
    pub(super) fn advance(&mut self, id: ChildId, now: Mono) {
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
            Phase::Retiring { reason, since, .. } if is_idle && now >= *since + STOP_AFTER => {
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

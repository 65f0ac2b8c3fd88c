//! Children that cannot be reached: asked, given up, replaced.

use ostler_job::{Mono, Span};

use super::{
    Action, Awaited, ChildId, ChildPool, ExitReason, Loss, contact::Finding, member::Phase,
};

/// A child that closes its control socket before it is READY is gone within this time, by itself or not.
const UNSTEERED: Span = Span::from_secs(2);

impl ChildPool {
    /// A child was sent the stream a while ago, and nothing came back; or it has answered, and is not free again. What it has
    /// not begun need not wait for what is found out about it.
    pub(crate) fn handle_unanswered(&mut self, id: ChildId, awaited: Awaited, now: Mono) {
        let Some(member) = self.members.get_mut(&id) else { return };
        if member.phase == Phase::Ready {
            let finding = member.contact.handle_unanswered(awaited, member.running, now);
            if matches!(finding, Some(Finding::Ask(_))) && !awaited.is_over {
                self.actions.push_back(Action::TakeBack(id, awaited.stream));
            }
            self.act_on(id, finding, now);
        }
    }

    /// A child answered a PING.
    pub(crate) fn handle_pong(&mut self, id: ChildId, number: u32, now: Mono) {
        if let Some(member) = self.members.get_mut(&id) {
            member.contact.handle_pong(number, now);
        }
    }

    /// A child cannot be reached any more, or says that it leaves. It is given nothing more, finishes what it has, and goes.
    /// `true`: that is news.
    pub(crate) fn handle_loss(&mut self, id: ChildId, loss: Loss, now: Mono) -> bool {
        let grace = self.limits.grace;
        let Some(member) = self.members.get_mut(&id) else { return false };
        match &mut member.phase {
            Phase::Booting { limit, .. } => *limit = (*limit).min(now + UNSTEERED),
            Phase::Ready => {
                member.lost = Some((loss, now));
                let reason = if loss == Loss::Bye { ExitReason::Exited } else { ExitReason::Lost };
                // What close() does may hold the interpreter: it is replaced at once, and has its own time to the end.
                let is_closing = loss == Loss::Silent && member.contact.is_closing();
                let limit = if is_closing { None } else { Some(now + grace) };
                self.retire(id, reason, limit, now);
                self.actions.push_back(Action::TakeBack(id, u32::MAX));
                return true;
            }
            // On its way out; that it cannot be told to stop any more makes a difference still.
            Phase::Retiring { .. } | Phase::Stopping { .. } | Phase::Ending { .. } => {
                if !loss.is_steerable() {
                    member.lost = Some((loss, member.lost.map_or(now, |(_, since)| since)));
                }
            }
        }
        false
    }

    /// Streams that a gateway which is gone spoke of are numbers of lanes that are gone, too. Time limits were its own.
    pub(crate) fn handle_gateway_lost(&mut self, now: Mono) {
        let grace = self.limits.grace;
        for member in self.members.values_mut() {
            member.unwanted = None;
            member.contact.forget();
            if let Phase::Retiring { limit: limit @ None, .. } = &mut member.phase
                && member.lost.is_some()
            {
                *limit = Some(now + grace);
            }
        }
    }

    /// Carries out what a look at a child found.
    pub(super) fn act_on(&mut self, id: ChildId, finding: Option<Finding>, now: Mono) {
        match finding {
            Some(Finding::Ask(number)) => self.actions.push_back(Action::Ask(id, number)),
            Some(Finding::Lost(loss)) if self.handle_loss(id, loss, now) => {
                self.actions.push_back(Action::Note(id, loss));
            }
            Some(Finding::Lost(_)) | None => {}
        }
    }
}

//! Gateways that end, and are started again.

use ostler_job::Span;

use super::{Event, Gateway, World};

impl World {
    pub(crate) fn crash_gateway(&mut self) {
        let Some(gateway) = self.gateway.take() else { return };
        self.checker.tally.crashes += 1;
        // Of what was under way to the store, all is there or nothing. A term that is over changes nothing.
        let kept = self.rng.one_in(2) && !gateway.actor.has_failed();
        let under_way = gateway.flying.filter(|_| kept);
        self.store.crash(under_way.as_ref().map(|(_, changes)| (&**changes, true)));
        if let Some((_, changes)) = under_way {
            self.checker.committed(&changes);
        }
        self.failing = None;
        self.checker.check_store(&self.store);
        for at in 0..self.runners.len() {
            self.unlink(at);
        }
        let away = Span::from_millis(self.rng.between(10, 20_000));
        self.agenda.at(self.now.mono + away, Event::Restart);
    }

    pub(super) fn restart(&mut self) {
        if self.gateway.is_some() {
            return;
        }
        self.lives += 1;
        self.checker.heard.forget_all();
        match Gateway::start(&self.store, self.lives, self.now) {
            Ok(gateway) => self.gateway = Some(gateway),
            // Its supervisor starts it again.
            Err(_) => self.agenda.at(self.now.mono + Span::from_secs(1), Event::Restart),
        }
        self.drain();
    }

    /// The stopped gateway goes on, with all that has come meanwhile.
    pub(super) fn go_on(&mut self) {
        let Some(gateway) = &mut self.gateway else { return };
        gateway.stopped = false;
        for event in std::mem::take(&mut gateway.inbox) {
            self.at_gateway(event);
        }
        self.drain();
    }
}

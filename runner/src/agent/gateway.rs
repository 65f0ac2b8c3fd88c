//! The gateway's frames, and the lanes that it is given.

use std::{rc::Rc, time::Instant};

use bytes::Bytes;
use ostler_job::Span;
use ostler_wire::{
    Frame, Kind, WireError,
    message::{self, Message as _},
};

use super::Agent;
use crate::{
    apps::lane_pair,
    child_pool::{ChildId, Loss},
    config::Link,
    event::{Granted, LinkEvent},
    frames::{Outbox, plain},
    hash,
    link::{self, relay::Relay},
    logs::Line,
};

/// The generation of the app specs that lanes are announced with.
const GENERATION: u32 = 1;

impl Agent {
    pub(super) fn hello(&self) -> Bytes {
        let host = nix::unistd::gethostname().unwrap_or_default();
        let specs = serde_json::to_vec(&self.config.apps).unwrap_or_default();
        let kind = match self.config.link {
            Link::Local(_) => "local",
            Link::Remote { .. } => "remote",
        };
        let labels: Vec<String> =
            self.config.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let hello = message::Hello {
            runner: Some(&self.config.name),
            host: Some(&host.to_string_lossy()),
            pid: Some(&std::process::id().to_string()),
            incarnation: Some(self.jobs.incarnation()),
            spec: Some(&format!("{:016x}", hash::fnv([&specs[..]]))),
            kind: Some(kind),
            labels: labels.iter().map(String::as_str).collect(),
        };
        hello.to_bytes()
    }

    pub(super) fn handle_link(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Up(outbox, granted) => {
                self.gateway = Some(outbox);
                self.jobs.handle_link_up();
                self.trouble.clear();
                self.logs.write(Line {
                    level: "info",
                    stream: "runner",
                    message: "gateway connected",
                    ..Line::default()
                });
                self.note_refused(&granted);
                self.note_unknown(&granted);
                self.end_orphaned_requests();
                for app in &mut self.apps {
                    app.told_app = Bytes::new();
                    app.told_state = Default::default();
                }
            }
            // What comes on a link that was given up counts no more.
            LinkEvent::Frame(_) if self.gateway.is_none() => {}
            LinkEvent::Frame(frame) => {
                if let Err(error) = self.handle_gateway(&frame) {
                    self.drop_gateway(&error.to_string());
                }
            }
            LinkEvent::Down(why) => self.drop_gateway(&why),
            LinkEvent::Replaced(why) => {
                self.drop_gateway(&why);
                self.jobs.handle_replaced();
            }
            LinkEvent::Refused(why) => {
                self.refused = Some(why);
                self.stop(None);
                self.stop(None);
            }
        }
    }

    /// Says once what is offered in vain: the gateway sends nothing of it, and there would be no other sign of that.
    fn note_refused(&mut self, granted: &Granted) {
        let apps = self.apps.iter().map(|app| app.spec.name.as_str());
        let refused = granted.refused(apps, self.config.job_slots > 0);
        if !refused.is_empty() && refused != self.told_vain.0 {
            let detail = format!(
                "{refused}: this runner did not join for that, and nothing of it comes here; let it offer less (--job-slots 0), \
                 or on the gateway's host `ostler runner remove {name} --now` and `ostler token join`, and join with that token",
                name = self.config.name
            );
            let message = "refused by the gateway";
            let (level, stream) = ("warn", "runner");
            self.logs.write(Line { level, stream, detail: &detail, message, ..Line::default() });
        }
        self.told_vain.0 = refused;
    }

    /// Says once what is served in vain: no request of that comes.
    fn note_unknown(&mut self, granted: &Granted) {
        let unknown = granted.unknown(self.apps.iter().map(|app| app.spec.name.as_str()));
        if !unknown.is_empty() && unknown != self.told_vain.1 {
            let detail = format!(
                "{unknown}: no request comes; give it [app.NAME] and a [[route]] with to = \"app:NAME\" in the gateway's config, or \
                 serve it here under a name that is known there"
            );
            let message = "unknown to the gateway";
            let (level, stream) = ("warn", "runner");
            self.logs.write(Line { level, stream, detail: &detail, message, ..Line::default() });
        }
        self.told_vain.1 = unknown;
    }

    /// A request that a former gateway had begun has no client any more.
    fn end_orphaned_requests(&mut self) {
        self.read_boards();
        let now = self.now();
        for (&id, child) in &self.children {
            let reading = child.board.read();
            if reading.is_busy() {
                self.apps[child.app].pool.handle_overdue(id, reading.stream, now);
            }
        }
    }

    /// Gives up a link on which nothing comes any more.
    pub(super) fn notice_silence(&mut self) {
        let Some(relay) = self.relay.as_ref().filter(|_| self.gateway.is_some()) else { return };
        if let Some(why) = relay.silence() {
            self.drop_gateway(&why);
        }
    }

    /// Children stay, and wait for the next gateway.
    fn drop_gateway(&mut self, why: &str) {
        let gateway = self.gateway.take();
        let had_one = gateway.is_some();
        if let Some(gateway) = gateway {
            // It may be this side that gives up: the link has to end before there is another.
            gateway.close();
            self.alone_since = Instant::now();
        }
        // A gateway elsewhere that cannot be reached is worth a line, but not at each attempt.
        let is_news = self.relay.is_some() && self.trouble != why;
        if !had_one && (!is_news || why == link::CLOSED) {
            return;
        }
        why.clone_into(&mut self.trouble);
        self.logs.write(Line {
            level: "warn",
            stream: "runner",
            detail: why,
            message: if had_one { "gateway lost" } else { "gateway not reached" },
            ..Line::default()
        });
        let now = self.now();
        for app in &mut self.apps {
            app.pool.handle_demand(0);
            app.pool.handle_gateway_lost(now);
        }
        if self.relay.is_none() {
            self.children.values_mut().for_each(|child| child.handed = false);
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what is not for this side is an error, also when it is new"
    )]
    fn handle_gateway(&mut self, received: &Frame) -> Result<(), WireError> {
        match received.header.kind {
            Kind::Demand => {
                let demand = message::Demand::of(received)?;
                if let Some(app) = self.apps.iter_mut().find(|a| a.spec.name == demand.app) {
                    app.pool.handle_demand(u32::try_from(demand.waiting).unwrap_or(u32::MAX));
                }
                Ok(())
            }
            Kind::Overdue => self.handle_overdue(received),
            Kind::Withdraw => self.handle_withdraw(received),
            Kind::Stop => {
                if self.stops == 0 || received.header.code == 1 {
                    self.stop(Some(Span::from_millis(u64::from(received.header.aux))));
                }
                if self.stops == 1 && received.header.code == 1 {
                    self.stop(None);
                }
                Ok(())
            }
            Kind::Ping => {
                let pong = plain(Kind::Pong, 0, received.header.aux);
                self.say(pong);
                Ok(())
            }
            Kind::Run | Kind::Settle | Kind::Steer | Kind::Pull | Kind::Piece => {
                self.jobs.handle_frame(received)
            }
            Kind::Pong | Kind::Welcome => Ok(()),
            kind => Err(WireError::Unexpected {
                kind,
                stream: received.header.stream,
                rule: "a gateway may not send it on this link",
            }),
        }
    }

    /// Gives the gateway the lane of every child that serves and that it does not have yet.
    pub(super) fn hand_over(&mut self) {
        if (self.gateway.is_none() && self.relay.is_none()) || self.stops > 0 {
            return;
        }
        let ids: Vec<ChildId> = self.children.keys().copied().collect();
        for id in ids {
            let handed = match &self.relay {
                Some(relay) => self.attach_lane(&Rc::clone(relay), id),
                None => self.hand_over_lane(id).map_err(Into::into),
            };
            if let Err(error) = handed {
                let detail = error.to_string();
                let message = "lane not handed over";
                self.note(id, Line { level: "warn", detail: &detail, message, ..Line::default() });
                // The relay has nothing to try again with.
                if self.relay.is_some() {
                    self.handle_loss(id, Loss::Lane, None);
                }
            }
        }
    }

    /// Takes the lane of a child that serves into the relay's service.
    fn attach_lane(&mut self, relay: &Rc<Relay>, id: ChildId) -> std::io::Result<()> {
        let Some(child) = self.children.get_mut(&id) else { return Ok(()) };
        let app = &self.apps[child.app];
        if child.handed || !app.pool.is_serving(id) {
            return Ok(());
        }
        child.handed = true;
        let lane = child.lane.take().expect("a child keeps its lane until it is handed over");
        relay.attach(id, app.name.clone(), child.streams, lane)
    }

    fn hand_over_lane(&mut self, id: ChildId) -> Result<(), nix::Error> {
        let Some(child) = self.children.get_mut(&id) else { return Ok(()) };
        let app = &self.apps[child.app];
        // A child that still works for a former gateway looks idle to the next: it waits until it is.
        if child.handed || !app.pool.is_serving(id) || child.board.read().is_busy() {
            return Ok(());
        }
        let lane = match child.lane.take() {
            Some(lane) => lane,
            None => {
                let (ours, childs) = lane_pair()?;
                let replacement = message::ChildLane { index: 0, number: child.lane_number + 1 };
                if !child.ctl.send(replacement.to_bytes(), Some(childs)) {
                    return Err(nix::Error::EAGAIN);
                }
                child.lane_number += 1;
                ours
            }
        };
        child.handed = true;
        let announcement = message::Lane {
            app: &app.name,
            child: id.0,
            pid: child.pid.as_raw().unsigned_abs(),
            generation: GENERATION,
            caps: &child.caps,
            streams: child.streams,
        };
        let announcement = announcement.to_bytes();
        self.say_with(announcement, Some(lane));
        Ok(())
    }

    /// The relay knows itself what its lanes have not answered; a gateway on this host tells.
    pub(super) fn ask_the_relay(&mut self) {
        let unanswered = self.relay.as_ref().map(|relay| relay.unanswered()).unwrap_or_default();
        for (id, awaited) in unanswered {
            self.handle_unanswered(id, awaited);
        }
    }

    /// Tells the gateway to give a child nothing more.
    pub(super) fn retire_lane(&mut self, app: usize, id: ChildId) {
        if let Some(relay) = &self.relay {
            return relay.retire(id);
        }
        self.say_retired(app, id, false);
    }

    /// Tells whoever has its lane that a child's process is gone. Mostly the lane's end says so, but a process that the
    /// child left behind may hold it open.
    pub(super) fn tell_ended(&mut self, app: usize, id: ChildId) {
        match &self.relay {
            Some(relay) => relay.child_ended(id),
            None => self.say_retired(app, id, true),
        }
    }

    fn say_retired(&mut self, app: usize, id: ChildId, is_gone: bool) {
        let handed = self.children.get(&id).is_some_and(|child| child.handed);
        if handed {
            let retire = message::Retire { app: &self.apps[app].name, child: id.0, is_gone };
            self.say(retire.to_bytes());
        }
    }

    /// Sends a frame to the gateway, if there is one.
    pub(super) fn say(&mut self, frame: Bytes) {
        self.say_with(frame, None);
    }

    fn say_with(&mut self, frame: Bytes, fd: Option<std::os::fd::OwnedFd>) {
        let unsent = self.gateway.as_ref().filter(|gateway| !gateway.send(frame, fd));
        if let Some(why) = unsent.and_then(Outbox::refusal) {
            self.drop_gateway(why);
        }
    }
}

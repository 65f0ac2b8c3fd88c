//! Children: started, listened to, steered, and seen off.

use bytes::Bytes;
use nix::sys::signal::Signal;
use ostler_wire::{
    FRAME_MAX, Frame, Kind,
    message::{ChildHello, ChildWelcome, Message as _},
};

use super::{Agent, launching::not_yet};
use crate::{
    apps::{End, Failure, attend, kill_group, spawn},
    child_pool::{Action, Awaited, ChildId, Ending, ExitReason, Loss},
    config::AppSpec,
    event::ChildEvent,
    frames::plain,
    logs::Line,
};

impl Agent {
    /// Starts what the pools want, as long as not too many load their apps at once: more would only slow each other.
    pub(super) fn spawn_wanted(&mut self) {
        let now = self.now();
        let booting_max = self.host.cpus / 2 + 1;
        for app in 0..self.apps.len() {
            for _ in 0..self.apps[app].pool.spawns_wanted(now) {
                let booting: u32 = self.apps.iter().map(|app| app.pool.booting()).sum();
                if booting >= booting_max || !self.spawn(app) {
                    break;
                }
            }
        }
    }

    /// Starts one child; `false` when that failed.
    fn spawn(&mut self, app: usize) -> bool {
        let id = ChildId(self.next_child);
        self.next_child += 1;
        let spec = match self.apps[app].launch_spec(id, self.config.umask) {
            Ok(spec) => spec,
            Err(missing) => {
                let now = self.now();
                let app = &mut self.apps[app];
                app.failure = Some(not_yet(&missing));
                app.pool.handle_spawn_failed(now);
                return false;
            }
        };
        let name = self.apps[app].name.clone();
        let spawned = spawn(&self.host.launcher, &spec);
        let child = spawned
            .and_then(|s| attend(id, (app, name), s, self.events.clone(), self.logs.clone()));
        let now = self.now();
        let app = &mut self.apps[app];
        match child {
            Ok(child) => {
                app.pool.handle_spawned(id, now);
                app.totals.spawns += 1;
                let pid = Some(child.pid.as_raw());
                self.children.insert(id, child);
                self.note(
                    id,
                    Line { level: "debug", pid, message: "child spawned", ..Line::default() },
                );
                true
            }
            Err(error) => {
                let message = format!("cannot start a child: {error}");
                app.failure = Some(Failure::noticed("spawn", message, ""));
                app.pool.handle_spawn_failed(now);
                false
            }
        }
    }

    pub(super) fn handle_child(&mut self, id: ChildId, event: ChildEvent) {
        match event {
            ChildEvent::Frame(frame) => self.handle_ctl(id, &frame),
            ChildEvent::CtlLost(why) => self.handle_loss(id, Loss::Control, why),
            ChildEvent::LaneLost(why) => self.handle_loss(id, Loss::Lane, why),
            ChildEvent::Unwanted(stream) => self.handle_unwanted(id, stream),
            ChildEvent::Barred(lane, last) => self.handle_barred(id, lane, last),
            ChildEvent::Ended(ending) => self.handle_ended(id, ending),
            ChildEvent::Exited(ending) => self.handle_exited(id, ending),
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what is not for this side is an error, also when it is new"
    )]
    fn handle_ctl(&mut self, id: ChildId, received: &Frame) {
        let now = self.now();
        let Some(child) = self.children.get_mut(&id) else { return };
        let app = &mut self.apps[child.app];
        match received.header.kind {
            Kind::Hello => {
                let hello = ChildHello::of(received).unwrap_or_default();
                hello.caps.clone_into(&mut child.caps);
                child.streams = hello.streams.max(1);
                // A link to another host has each child as one slot.
                app.pool.handle_streams(if self.relay.is_some() { 1 } else { child.streams });
                let root = &app.spec.root.to_string_lossy();
                let welcome = ChildWelcome { max_frame: FRAME_MAX, hb_ms: 0, root };
                // A full queue means a stuck child, which its boot time limit ends.
                let _ = child.ctl.send(welcome.to_bytes(), None);
            }
            Kind::Ready => {
                app.pool.handle_ready(id, now);
                app.failure = None;
                app.look = None;
                let pid = Some(child.pid.as_raw());
                self.note(
                    id,
                    Line { level: "info", pid, message: "child ready", ..Line::default() },
                );
            }
            Kind::Fail => match Failure::from_frame(received) {
                Ok(failure) => {
                    child.failure = Some(failure);
                    app.pool.handle_fail(id, now);
                }
                Err(error) => self.handle_loss(id, Loss::Control, Some(error.to_string())),
            },
            Kind::Bye => self.handle_loss(id, Loss::Bye, None),
            Kind::Pong => app.pool.handle_pong(id, received.header.aux, now),
            Kind::Stats | Kind::Oob => {}
            kind => self.handle_loss(id, Loss::Control, Some(format!("it may not send {kind:?}"))),
        }
    }

    /// A child cannot be reached any more. Mostly it has just ended; one that lives on serves nobody.
    pub(super) fn handle_loss(&mut self, id: ChildId, loss: Loss, why: Option<String>) {
        // Whether it works still decides when it goes.
        self.read_boards();
        let now = self.now();
        let Some(child) = self.children.get(&id).filter(|child| child.end.is_none()) else {
            return;
        };
        let is_news = self.apps[child.app].pool.handle_loss(id, loss, now);
        match why {
            Some(why) => {
                let message = "the child cannot be reached any more";
                self.note(id, Line { level: "warn", detail: &why, message, ..Line::default() });
            }
            None if is_news => self.note_loss(id, loss),
            None => {}
        }
    }

    /// A child that ends by itself says why elsewhere.
    fn note_loss(&self, id: ChildId, loss: Loss) {
        let level = match loss {
            Loss::Lane | Loss::Control | Loss::Bye => "debug",
            Loss::Silent | Loss::Deaf => "warn",
        };
        let message = "the child is given up";
        self.note(id, Line { level, detail: loss.text(), message, ..Line::default() });
    }

    /// Nothing was heard of a stream of the child for a second. Is it at work?
    pub(super) fn handle_unanswered(&mut self, id: ChildId, awaited: Awaited) {
        self.read_boards();
        let now = self.now();
        if let Some(child) = self.children.get(&id) {
            self.apps[child.app].pool.handle_unanswered(id, awaited, now);
        }
    }

    /// A child's process is gone. What it had on its board at the end says whether it had served.
    fn handle_ended(&mut self, id: ChildId, ending: Ending) {
        self.read_boards();
        let now = self.now();
        let Some(child) = self.children.get_mut(&id) else { return };
        let app = &mut self.apps[child.app];
        let (was_booting, was_ended) = (!app.pool.was_ready(id), app.pool.was_ended(id));
        let reason = app.pool.handle_exited(id, ending, now);
        app.totals.count_exit(reason, child.cpu_us);
        child.end = Some(End { reason, was_booting, was_ended });
        let app = child.app;
        self.tell_ended(app, id);
    }

    fn handle_exited(&mut self, id: ChildId, ending: Ending) {
        let Some(mut child) = self.children.remove(&id) else { return };
        let app = &mut self.apps[child.app];
        let Some(End { reason, was_booting, was_ended }) = child.end else { return };
        let stderr: Vec<String> = child.last_words.stderr.take().into();
        let failed = reason == ExitReason::BootFailed
            || (app.pool.is_failing() && matches!(reason, ExitReason::Exited | ExitReason::Signal));
        if failed {
            let failure = child.failure.take();
            let failure = failure.unwrap_or_else(|| Failure {
                trace: child.last_words.dump.take(),
                ..noticed(was_booting, was_ended, ending, &app.spec)
            });
            app.failure = Some(Failure { stderr: stderr.join("\n"), ..failure });
        }
        let detail = ending.to_string();
        let level = match reason {
            ExitReason::Exited | ExitReason::Signal | ExitReason::BootFailed => "warn",
            ExitReason::Timeout | ExitReason::Lost => "warn",
            ExitReason::MaxRequests | ExitReason::Lifetime | ExitReason::Stopped => "info",
        };
        self.logs.write(Line {
            level,
            app: &app.name,
            child: Some(id.0),
            stream: "runner",
            pid: Some(child.pid.as_raw()),
            reason: reason.code(),
            detail: &detail,
            message: "child ended",
            ..Line::default()
        });
        self.sweep();
    }

    /// Tells the pools what the boards say.
    pub(super) fn read_boards(&mut self) {
        let now = self.now();
        for (&id, child) in &self.children {
            let reading = child.board.read();
            let busy = reading.is_busy().then_some(reading.stream);
            self.apps[child.app].pool.handle_board(id, busy, reading.requests, now);
        }
    }

    /// Carries out what the pools decided.
    pub(super) fn act(&mut self) {
        let now = self.now();
        for app in 0..self.apps.len() {
            self.apps[app].pool.handle_time(now);
            while let Some(action) = self.apps[app].pool.poll_action() {
                self.carry_out(app, action);
            }
        }
    }

    fn carry_out(&mut self, app: usize, action: Action) {
        let grace = u32::try_from(self.apps[app].spec.grace.as_millis()).unwrap_or(u32::MAX);
        match action {
            Action::Retire(id) => self.retire_lane(app, id),
            Action::TakeBack(id, last) => self.take_back(id, last),
            Action::Stop(id) => self.tell(id, plain(Kind::Stop, 0, grace)),
            Action::Note(id, loss) => self.note_loss(id, loss),
            Action::Ask(id, number) => self.tell(id, plain(Kind::Ping, 0, number)),
            Action::Dump(id) => self.tell(id, plain(Kind::Dump, 0, 0)),
            Action::Cancel(id) => {
                if let Some(child) = self.children.get(&id) {
                    child.board.cancel();
                }
            }
            Action::Terminate(id) => {
                // A child in drain hears of the hurry before the signal, which it may have handled away.
                self.tell(id, plain(Kind::Stop, 1, 0));
                self.signal(id, Signal::SIGTERM);
                // One that was stopped takes it as well.
                self.signal_silently(id, Signal::SIGCONT);
            }
            Action::Kill(id) => self.signal(id, Signal::SIGKILL),
        }
    }

    fn tell(&self, id: ChildId, frame: Bytes) {
        if let Some(child) = self.children.get(&id)
            && !child.ctl.send(frame, None)
        {
            let message = "control socket is stuck";
            self.note(id, Line { level: "warn", message, ..Line::default() });
        }
    }

    fn signal_silently(&self, id: ChildId, signal: Signal) {
        if let Some(child) = self.children.get(&id).filter(|child| child.end.is_none()) {
            kill_group(child.pid, signal);
        }
    }

    fn signal(&self, id: ChildId, signal: Signal) {
        // The number of one that has ended may be another's.
        if self.children.get(&id).is_some_and(|child| child.end.is_none()) {
            self.signal_silently(id, signal);
            let detail = signal.as_str();
            let message = "signal sent to the child's group";
            self.note(id, Line { level: "info", detail, message, ..Line::default() });
        }
    }

    /// Logs something about a child.
    pub(super) fn note(&self, id: ChildId, line: Line<'_>) {
        let app = self.children.get(&id).map_or("", |child| &self.apps[child.app].name);
        self.logs.write(Line { app, child: Some(id.0), stream: "runner", ..line });
    }
}

/// What can be said about a child that ended without a word.
fn noticed(was_booting: bool, was_ended: bool, how: Ending, spec: &AppSpec) -> Failure {
    if !was_booting {
        let message = format!("children end soon after they started: {how}");
        Failure::noticed("run", message, "see the last lines of standard error")
    } else if was_ended {
        Failure::noticed(
            "boot",
            format!("not ready within {:.1} s", spec.boot_timeout.as_secs_f64()),
            "the backtrace shows where it waits; raise boot_timeout if it only needs longer",
        )
    } else {
        let message = format!("the child ended before it was ready: {how}");
        Failure::noticed("boot", message, "see the last lines of standard error")
    }
}

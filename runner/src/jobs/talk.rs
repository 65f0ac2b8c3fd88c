//! The frames of durable jobs, section 13 of docs/WIRE.md: what comes, and what goes.

use std::time::Instant;

use bytes::Bytes;
use ostler_job::durable::AttemptKey;
use ostler_wire::{
    Frame, Kind, WireError,
    message::{Beat, Message as _, Reports, Run, Settle, Steer},
};

use super::{Attempts, BEAT, Drain};
use crate::frames::Outbox;

impl Attempts {
    /// Takes a frame of the gateway.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds are not of durable jobs")]
    pub(crate) fn handle_frame(&mut self, received: &Frame) -> Result<(), WireError> {
        match received.header.kind {
            Kind::Run => {
                let run = Run::of(received)?;
                // One that a newer gateway says in words unknown here ends by itself, not the link.
                for (key, error) in run.unknown {
                    let why = format!("this runner does not understand the job: {error}");
                    self.refuse(key, why);
                }
                self.handle_run(run.starts);
            }
            Kind::Settle => {
                let settle = Settle::of(received)?;
                self.handle_settle(settle.keys, settle.is_fenced);
            }
            Kind::Steer => self.handle_steer(Steer::of(received)?.orders),
            Kind::Pull => self.pulls.ask(received)?,
            Kind::Piece => {
                if let Some((starts, outcome)) = self.payloads.handle_piece(received)? {
                    for start in starts {
                        match &outcome {
                            Ok(()) => self.start(start),
                            Err(why) => self.do_without(start.key, why.clone()),
                        }
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Sends what there is to say, as far as there is room; the rest waits.
    pub(super) fn flush(&mut self, gateway: &Outbox) {
        let is_due = self.beaten_at.is_none_or(|at| at.elapsed() >= BEAT);
        // It is small, and leases hang on it: it does not wait for room.
        if is_due && gateway.send(self.beat(), None) {
            self.beaten_at = Some(Instant::now());
        }
        // A gateway hears nothing before its first BEAT.
        if self.beaten_at.is_none() {
            return;
        }
        let mut sent = 0;
        while sent < self.outgoing.len() && gateway.has_room() {
            let (frame, count) = Reports::first(&self.outgoing[sent..]);
            if !gateway.send(frame, None) {
                break;
            }
            sent += count;
        }
        self.outgoing.drain(..sent);
        while gateway.has_room()
            && let Some(piece) = self.pulls.poll(&self.executors)
        {
            if !gateway.send(piece, None) {
                break;
            }
        }
        while gateway.has_room()
            && let Some(pull) = self.payloads.poll_pull()
        {
            if !gateway.send(pull, None) {
                self.payloads.handle_link();
                break;
            }
        }
    }

    fn beat(&self) -> Bytes {
        let slots = if self.drain == Drain::No { self.slots } else { 0 };
        let held: Vec<AttemptKey> =
            self.live.keys().chain(self.unsettled.keys()).copied().collect();
        Beat { incarnation: &self.incarnation, slots: slots.into(), held }.to_bytes()
    }
}

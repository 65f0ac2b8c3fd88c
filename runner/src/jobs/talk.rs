//! The frames of durable jobs, section 13 of docs/WIRE.md: what comes, and what goes.

use std::time::Instant;

use bytes::{Bytes, BytesMut};
use ostler_job::durable::{AttemptKey, Order, Report, Start};
use ostler_wire::{
    Frame, Header, Kind, WireError,
    message::{Beat, Message as _},
    put_frame,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{BEAT, Drain, Jobs};
use crate::frames::Outbox;

/// The body of a frame is closed when it is longer than this.
const BODY_MAX: usize = 256 << 10;

impl Jobs {
    /// Takes a frame of the gateway.
    pub(crate) fn handle_frame(&mut self, received: &Frame) -> Result<(), WireError> {
        let kind = received.header.kind;
        let json = |body| parse(kind, body);
        if kind == Kind::Run {
            let starts = self.parse_run(&received.body)?;
            self.handle_run(starts);
        } else if kind == Kind::Settle {
            let keys: Vec<AttemptKey> = parse(kind, &received.body)?;
            self.handle_settle(keys, received.header.code == 1);
        } else if kind == Kind::Steer {
            let orders: Vec<(AttemptKey, Order)> = json(&received.body)?;
            self.handle_steer(orders);
        } else if kind == Kind::Pull {
            self.pulls.ask(received)?;
        } else if kind == Kind::Piece
            && let Some((starts, outcome)) = self.payloads.handle_piece(received)?
        {
            for start in starts {
                match &outcome {
                    Ok(()) => self.start(start),
                    Err(why) => self.do_without(start.key, why.clone()),
                }
            }
        }
        Ok(())
    }

    /// The attempts of a RUN. One that a newer gateway says in words unknown here ends by itself, not the link.
    fn parse_run(&mut self, body: &[u8]) -> Result<Vec<Start>, WireError> {
        if let Ok(starts) = serde_json::from_slice(body) {
            return Ok(starts);
        }
        let values: Vec<Value> = parse(Kind::Run, body)?;
        let mut starts = Vec::new();
        for value in values {
            let key = value.get("key").cloned().unwrap_or_default();
            match (serde_json::from_value(value), serde_json::from_value(key)) {
                (Ok(start), _) => starts.push(start),
                (Err(error), Ok(key)) => {
                    self.refuse(key, format!("this runner does not understand the job: {error}"));
                }
                (Err(_), Err(_)) => return Err(broken(Kind::Run)),
            }
        }
        Ok(starts)
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
            let (body, count) = batch(&self.outgoing[sent..]);
            if !gateway.send(list_frame(Kind::Report, &body), None) {
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
        let held: Vec<&AttemptKey> = self.live.keys().chain(self.unsettled.keys()).collect();
        let body = serde_json::to_vec(&held).expect("keys of numbers are JSON");
        let (incarnation, slots) = (&*self.incarnation, slots.into());
        Beat { incarnation, slots, held: &body }.to_bytes()
    }
}

/// As many reports as fit into one frame, at least one.
fn batch(reports: &[Report]) -> (Vec<u8>, usize) {
    let mut body = vec![b'['];
    let mut count = 0;
    for report in reports {
        if count > 0 {
            body.push(b',');
        }
        serde_json::to_writer(&mut body, report).expect("reports have text as keys");
        count += 1;
        if body.len() >= BODY_MAX {
            break;
        }
    }
    body.push(b']');
    (body, count)
}

/// A frame of a kind without a head.
fn list_frame(kind: Kind, body: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    put_frame(&mut out, Header { len: 0, kind, flags: 0, code: 0, stream: 0, aux: 0 }, body);
    out.freeze()
}

fn parse<T: DeserializeOwned>(kind: Kind, body: &[u8]) -> Result<T, WireError> {
    serde_json::from_slice(body).map_err(|_| broken(kind))
}

fn broken(kind: Kind) -> WireError {
    WireError::Unexpected { kind, stream: 0, rule: "its body is not what section 13 says" }
}

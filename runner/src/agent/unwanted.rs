//! Requests that nobody waits for any more, and requests that are taken back before they were begun.

use std::time::Duration;

use ostler_wire::{
    Frame, Reset, WireError,
    message::{Message as _, Overdue, Withdraw, Withdrawn, cap, has_cap},
};
use tokio::task::spawn_local;

use super::Agent;
use crate::{
    child_pool::{Awaited, ChildId, Loss},
    event::{ChildEvent, Event},
};

/// From a word on a child's board to what the child had done before it read that. A processor shows what it has written within
/// nanoseconds, at the latest when it is given another task.
const SHOWS: Duration = Duration::from_millis(2);

impl Agent {
    /// OVERDUE: a child works on something that nobody waits for, or broke a rule.
    pub(super) fn handle_overdue(&mut self, received: &Frame) -> Result<(), WireError> {
        let Some(overdue) = Overdue::of(received)? else { return Ok(()) };
        let (id, named) = (ChildId(overdue.child), overdue.stream);
        match overdue.reason {
            Some(Reset::Protocol) => {
                let why = "the child broke the protocol, the gateway closed its lane";
                self.handle_loss(id, Loss::Lane, Some(why.to_owned()));
            }
            Some(Reset::ChildDied) => self.handle_loss(id, Loss::Lane, None),
            Some(Reset::Recall) => {
                let (stream, is_over) = (named.unwrap_or(0), overdue.is_over);
                self.handle_unanswered(id, Awaited { stream, is_over });
            }
            Some(_) | None => {
                // A gateway of before does not name the stream.
                let shown = || self.children.get(&id).map_or(0, |child| child.board.read().stream);
                let stream = named.unwrap_or_else(shown);
                self.handle_unwanted(id, stream);
            }
        }
        Ok(())
    }

    /// Nobody waits for a request any more: if the child works on it, it lets go of it or ends. What it has gone on to
    /// meanwhile is not touched.
    pub(super) fn handle_unwanted(&mut self, id: ChildId, stream: u32) {
        self.read_boards();
        let now = self.now();
        if let Some(child) = self.children.get(&id) {
            self.apps[child.app].pool.handle_overdue(id, stream, now);
        }
    }

    /// WITHDRAW of the gateway: what the child has not begun of its streams up to the last is to go elsewhere.
    pub(super) fn handle_withdraw(&mut self, received: &Frame) -> Result<(), WireError> {
        if let Some(Withdraw { child, last, .. }) = Withdraw::of(received)? {
            self.take_back(ChildId(child), last);
        }
        Ok(())
    }

    /// Takes streams back that a child has not begun, whatever it is at: it need not be able to answer.
    pub(super) fn take_back(&mut self, id: ChildId, last: u32) {
        let Some(child) = self.children.get(&id) else { return };
        let is_able = has_cap(&child.caps, cap::RECALL);
        let lane = child.lane_number;
        if !is_able || !child.handed || !child.board.bar(lane, last) {
            return;
        }
        let events = self.events.clone();
        spawn_local(async move {
            tokio::time::sleep(SHOWS).await;
            // The owner is gone only when the runner ends.
            let _ = events.send(Event::Child(id, ChildEvent::Barred(lane, last))).await;
        });
    }

    /// What the board says now of the lane is what it had begun when it was told.
    pub(super) fn handle_barred(&mut self, id: ChildId, lane: u32, last: u32) {
        let Some(child) = self.children.get(&id) else { return };
        if child.lane_number != lane {
            return;
        }
        match child.board.begun(lane) {
            None => self.take_back(id, last),
            Some(begun) if begun >= last => {}
            Some(begun) => match &self.relay {
                Some(relay) => relay.withdraw(id, (begun + 1, last)),
                None => self.say_withdrawn(id, (begun + 1, last)),
            },
        }
    }

    /// WITHDRAW: the child will never begin these streams of its lane.
    fn say_withdrawn(&mut self, id: ChildId, streams: (u32, u32)) {
        let Some(child) = self.children.get(&id) else { return };
        let app = &self.apps[child.app].name;
        let withdrawn = Withdrawn { app, child: id.0, streams: Some(streams) };
        self.say(withdrawn.to_bytes());
    }
}

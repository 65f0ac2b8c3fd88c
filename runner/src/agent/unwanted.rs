//! Requests that nobody waits for any more, and requests that are taken back before they were begun.

use ostler_wire::{Frame, Kind, Reset, WireError};

use super::Agent;
use crate::{
    frames::frame,
    pool::{Awaited, ChildId, Loss},
};

impl Agent {
    /// OVERDUE: a child works on something that nobody waits for, or broke a rule.
    pub(super) fn handle_overdue(&mut self, received: &Frame) -> Result<(), WireError> {
        let fields = received.fields()?;
        let Some(id) = fields.number(":child").map(ChildId) else { return Ok(()) };
        let named = fields.number(":stream").and_then(|stream| u32::try_from(stream).ok());
        match Reset::from_code(received.header.code) {
            Some(Reset::Protocol) => {
                let why = "the child broke the protocol, the gateway closed its lane";
                self.handle_loss(id, Loss::Lane, Some(why.to_owned()));
            }
            Some(Reset::ChildDied) => self.handle_loss(id, Loss::Lane, None),
            Some(Reset::Recall) => {
                let is_over = fields.text(":over") == Some("1");
                self.handle_unanswered(id, Awaited { stream: named.unwrap_or(0), is_over });
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

    /// WITHDRAW of the gateway: a child that still works on the stream gives back what waits behind it. The child's control thread can do
    /// that while the app works.
    pub(super) fn handle_withdraw(&mut self, received: &Frame) -> Result<(), WireError> {
        let fields = received.fields()?;
        let (Some(id), Some(stream)) = (fields.number(":child"), fields.number(":stream")) else {
            return Ok(());
        };
        if let Some(child) = self.children.get(&ChildId(id)) {
            let question = frame(
                Kind::Withdraw,
                0,
                0,
                |f| {
                    f.put(b":stream", stream.to_string().as_bytes());
                },
                b"",
            );
            // A full queue means a stuck child: it would not answer.
            let _ = child.ctl.send(question, None);
        }
        Ok(())
    }

    /// WITHDRAW of a child: these streams of its lane it will never begin.
    pub(super) fn handle_withdrawn(
        &mut self,
        id: ChildId,
        received: &Frame,
    ) -> Result<(), WireError> {
        let fields = received.fields()?;
        let (Some(from), Some(to)) = (fields.number(":from"), fields.number(":to")) else {
            return Ok(());
        };
        let Some(child) = self.children.get(&id) else { return Ok(()) };
        let app = self.apps[child.app].name.clone();
        self.say(frame(
            Kind::Withdraw,
            0,
            0,
            |f| {
                f.put(b":app", app.as_bytes())
                    .put(b":child", id.to_string().as_bytes())
                    .put(b":from", from.to_string().as_bytes())
                    .put(b":to", to.to_string().as_bytes());
            },
            b"",
        ));
        Ok(())
    }
}

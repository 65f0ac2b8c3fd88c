//! One link of the relay, as whoever sends frames of the connection itself sees it.

use std::rc::Rc;

use bytes::Bytes;

use super::Relay;
use crate::frames::{LocalFuture, Outbox, SharedLink};

/// The relay, and which of its links this is.
#[derive(Debug)]
struct NumberedLink(Rc<Relay>, u64);

impl SharedLink for NumberedLink {
    fn close(&self) {
        self.0.close(self.1);
    }

    fn send(&self, frame: &Bytes) -> bool {
        self.0.send(self.1, frame)
    }

    fn is_over(&self) -> bool {
        !self.0.is_up(self.1)
    }

    fn has_room(&self) -> bool {
        self.0.has_room(self.1)
    }

    fn room(&self) -> LocalFuture<'_> {
        Box::pin(self.0.room())
    }

    fn flush(&self) -> LocalFuture<'_> {
        Box::pin(self.0.flush(self.1))
    }
}

impl Relay {
    /// The way through the present link, by its number.
    pub(crate) fn outbox(self: &Rc<Self>, link: u64) -> Outbox {
        Outbox::Shared(Rc::new(NumberedLink(Rc::clone(self), link)))
    }
}

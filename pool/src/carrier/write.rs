//! When the jobs of a carrier are written, and how much at a time.

use std::{
    io::ErrorKind,
    sync::Arc,
    task::{Context, Waker},
};

use bytes::{Buf, BytesMut};
use ostler_machine::clock;
use tokio::net::unix::OwnedWriteHalf;

use super::{Carrier, Inner, OUT_MAX, Passing, Transport};

/// Jobs that a child has before it while more are gathered, and how many are gathered at most.
pub(super) const AHEAD: usize = 3;
pub(super) const GATHER: usize = 4;

impl Carrier {
    /// Sends what was put, as far as the socket takes it; the driver sends the rest.
    pub fn flush(self: &Arc<Self>) {
        let mut inner = self.lock();
        if let Transport::Lane(socket) = &self.transport {
            self.put_held(&mut inner);
            inner.write_direct(socket);
            if inner.out.len() <= OUT_MAX {
                inner.wake_senders();
            }
        }
        let driver = if inner.out.is_empty() { None } else { inner.driver.take() };
        drop(inner);
        driver.into_iter().for_each(Waker::wake);
    }

    /// Puts the jobs that were held back, unless the child has enough before it that they can wait and be written
    /// together, which wakes it less often.
    fn put_held(self: &Arc<Self>, inner: &mut Inner) {
        if inner.jobs.len() >= AHEAD && inner.held.len() < GATHER {
            return;
        }
        while let Some(next) = inner.held.pop_front() {
            if inner.is_body_between(&next) || !self.put(inner, &next, clock::now()) {
                inner.held.push_front(next);
                return;
            }
        }
    }

    /// Writes what a lane's socket takes now, and waits for it to take more.
    pub(crate) fn poll_write_lane(self: &Arc<Self>, cx: &mut Context<'_>) {
        let Transport::Lane(socket) = &self.transport else { return };
        let mut inner = self.lock();
        let was_full = inner.out.len() > OUT_MAX;
        self.put_held(&mut inner);
        while !inner.out.is_empty() {
            inner.write_direct(socket);
            if inner.out.is_empty() || socket.as_ref().poll_write_ready(cx).is_pending() {
                break;
            }
        }
        if was_full && inner.out.len() <= OUT_MAX {
            inner.wake_senders();
        }
    }

    /// Takes what a link's driver is to write.
    pub fn take_out(&self) -> BytesMut {
        let mut inner = self.lock();
        inner.wake_senders();
        std::mem::take(&mut inner.out)
    }
}

impl Inner {
    /// Whether a job that is granted to a lane is not put yet. What is not put can be taken back without a word.
    pub(super) fn holds_back(&self, passing: &Passing) -> bool {
        !self.held.is_empty() || self.jobs.len() >= AHEAD || self.is_body_between(passing)
    }

    /// A body is under way on the lane, or would be behind other jobs, where a child could not give it back.
    fn is_body_between(&self, next: &Passing) -> bool {
        self.sending.is_some() || (next.outgoing.more && !self.jobs.is_empty())
    }

    /// Writes what the socket takes. A child that reads nothing any more says why in what it wrote last, which the driver
    /// comes to once there is nothing left to write.
    fn write_direct(&mut self, socket: &OwnedWriteHalf) {
        while !self.out.is_empty() {
            match socket.try_write(&self.out) {
                Ok(sent) => self.out.advance(sent),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => return self.out.clear(),
            }
            self.unsent = None;
        }
        // A large body is not kept room for.
        if self.out.capacity() > OUT_MAX {
            self.out = BytesMut::new();
        }
    }
}

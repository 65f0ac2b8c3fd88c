//! Jobs that wait behind one that turned out slow are taken back: at once what was not written, and what was when the child
//! says that it will never begin it.

use std::sync::Arc;

use ostler_job::{Mono, Span};

use super::Carrier;
use crate::pool::passing::Passing;

/// A job that has had its child for this long is slow: what waits behind it goes elsewhere.
pub(crate) const PATIENCE: Span = Span::from_millis(20);

/// A lane whose oldest job others wait behind.
#[derive(Debug)]
pub(crate) struct Stuck {
    /// Its stream.
    pub(crate) stream: u32,
    /// Jobs behind it of which the child knows nothing.
    pub(crate) held: Vec<Arc<Passing>>,
    /// There are others that the child would have to give back.
    pub(crate) asks: bool,
}

impl Carrier {
    /// How many jobs are on the way to the child or with it.
    pub(crate) fn load(&self) -> usize {
        let inner = self.lock();
        inner.jobs.len() + inner.held.len()
    }

    /// The stream that the child works on or comes to next.
    pub(crate) fn oldest(&self) -> Option<u32> {
        self.lock().jobs.first_key_value().map(|(stream, _)| *stream)
    }

    /// Takes off a lane what waits behind a slow job and was not written.
    pub(crate) fn relieve(&self, now: Mono) -> Option<Stuck> {
        let mut inner = self.lock();
        if !self.is_lane() || inner.closed {
            return None;
        }
        let (&stream, oldest) = inner.jobs.first_key_value()?;
        let is_slow = oldest.started_at().is_some_and(|began| now - began > PATIENCE);
        if !is_slow || inner.jobs.len() + inner.held.len() < 2 {
            return None;
        }
        let asks = inner.jobs.len() > 1;
        inner.asked = asks.then_some(stream).or(inner.asked);
        Some(Stuck { stream, held: inner.held.drain(..).collect(), asks })
    }

    /// The child has said that it will never begin these streams, up to `to`. They come after the one that it was asked
    /// about, which may have ended meanwhile. What is answered has begun, whatever the child says.
    pub(crate) fn withdraw(&self, from: u32, to: u32, now: Mono) -> Vec<Arc<Passing>> {
        let mut inner = self.lock();
        let Some(asked) = inner.asked else { return Vec::new() };
        let from = from.max(asked.saturating_add(1));
        let behind = inner.jobs.range(from..).take_while(|(stream, _)| **stream <= to);
        let given: Vec<_> = behind
            .filter(|(_, job)| !job.outgoing.more && job.may_be_withdrawn())
            .map(|(stream, _)| *stream)
            .collect();
        let take = |stream| {
            inner.streams.reset(stream);
            inner.take(stream, now)
        };
        given.into_iter().filter_map(take).collect()
    }
}

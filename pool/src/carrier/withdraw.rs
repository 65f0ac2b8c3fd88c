//! Jobs that wait behind one that turned out slow are taken back: at once what was not written, and what was when the runner
//! says that the child will never begin it.

use std::sync::Arc;

use ostler_job::{Mono, Span};

use super::{Carrier, Passing};

/// A job that has had its child for this long is slow: what waits behind it goes elsewhere.
pub(crate) const PATIENCE: Span = Span::from_millis(20);

/// A lane whose oldest job others wait behind.
#[derive(Debug)]
pub(crate) struct Stuck {
    /// Its stream.
    pub stream: u32,
    /// Jobs behind it of which the child knows nothing.
    pub held: Vec<Arc<Passing>>,
    /// The last of those that the child may have; `None`: it has no others.
    pub last: Option<u32>,
}

impl Carrier {
    /// How many jobs are on the way to the child or with it.
    pub fn load(&self) -> usize {
        let inner = self.lock();
        inner.jobs.len() + inner.held.len()
    }

    /// The stream that a child was to begin and did not, though it had nothing else to do: nothing has been heard of it since.
    pub fn unheard(&self) -> Option<u32> {
        self.lock().unheard
    }

    /// The stream that the child works on or comes to next.
    pub fn oldest(&self) -> Option<u32> {
        self.lock().jobs.first_key_value().map(|(stream, _)| *stream)
    }

    /// Takes off a lane what waits behind a slow job and was not written.
    pub(crate) fn relieve(&self, now: Mono) -> Option<Stuck> {
        let mut inner = self.lock();
        if !self.takes_turns() || inner.closed {
            return None;
        }
        let (&stream, oldest) = inner.jobs.first_key_value()?;
        let is_slow = oldest.started_at().is_some_and(|began| now - began > PATIENCE);
        if !is_slow || inner.jobs.len() + inner.held.len() < 2 {
            return None;
        }
        let last = inner.jobs.last_key_value().map(|(last, _)| *last).filter(|last| *last > stream);
        Some(Stuck { stream, held: inner.held.drain(..).collect(), last })
    }

    /// These streams, up to `to`, will never begin. What is answered has begun, whatever is said.
    pub fn withdraw(&self, from: u32, to: u32, now: Mono) -> Vec<Arc<Passing>> {
        let mut inner = self.lock();
        let oldest = inner.jobs.first_key_value().map(|(stream, _)| *stream);
        let unbegun = inner.jobs.range(from..).take_while(|(stream, _)| **stream <= to);
        let given: Vec<_> = unbegun
            .filter(|(_, job)| !job.outgoing.more && job.may_be_withdrawn())
            .map(|(stream, _)| *stream)
            .collect();
        if given.first().is_some_and(|first| Some(first) == oldest.as_ref()) {
            inner.unheard = given.last().copied();
        }
        let take = |stream| {
            inner.streams.reset(stream);
            inner.take(stream, now)
        };
        let mut given: Vec<_> = given.into_iter().filter_map(take).collect();
        if inner.retired {
            // Nobody will take what waits to be written to it.
            given.extend(inner.held.drain(..));
        }
        given
    }
}

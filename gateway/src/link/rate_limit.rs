//! A rate limit: what a runner of another host tells costs time of a thread that serves clients, too, and gets a share of that.

use std::{
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, ready},
};

use ostler_job::{Mono, Span};
use ostler_machine::clock;
use tokio::{
    io::{AsyncRead, ReadBuf},
    time::Sleep,
};

/// One part in so many of a thread's time, at most, for what is told on one link. Requests and answers are not counted.
const SHARE: u64 = 8;
/// Time that it may take at once.
const BURST: Span = Span::from_millis(5);

/// Time that was spent on a link and not yet earned.
#[derive(Debug, Default)]
struct Debt {
    owed: Span,
    at: Mono,
}

impl Debt {
    fn add(&mut self, now: Mono, took: Span) {
        let earned = (now - self.at).0 / SHARE;
        self.owed = Span(self.owed.0.saturating_sub(earned).saturating_add(took.0));
        self.at = now;
    }

    /// How long nothing more is heard.
    fn rest(&self, now: Mono) -> Span {
        let over = Span(self.owed.0.saturating_sub(BURST.0));
        Span(over.0.saturating_mul(SHARE).saturating_sub((now - self.at).0))
    }
}

/// Counts what is spent on one link.
#[derive(Clone, Debug, Default)]
pub(super) struct RateLimit(Arc<Mutex<Debt>>);

impl RateLimit {
    /// What was told since `began` has been heard by now.
    pub(super) fn spent(&self, began: Mono) {
        let now = clock::now();
        self.0.lock().expect("one task holds it").add(now, now - began);
    }

    fn rest(&self) -> std::time::Duration {
        let rest = self.0.lock().expect("one task holds it").rest(clock::now());
        std::time::Duration::from_nanos(rest.0)
    }

    /// Reads from the link, but while it rests.
    pub(super) fn reader<R>(&self, reader: R) -> Paced<R> {
        Paced { reader, pace: self.clone(), resting: None }
    }
}

/// See [`RateLimit::reader`].
#[derive(Debug)]
pub(super) struct Paced<R> {
    reader: R,
    pace: RateLimit,
    resting: Option<Pin<Box<Sleep>>>,
}

impl<R: AsyncRead + Unpin> AsyncRead for Paced<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if self.resting.is_none() {
            let rest = self.pace.rest();
            self.resting = (!rest.is_zero()).then(|| Box::pin(tokio::time::sleep(rest)));
        }
        if let Some(resting) = &mut self.resting {
            ready!(resting.as_mut().poll(cx));
            self.resting = None;
        }
        Pin::new(&mut self.reader).poll_read(cx, buffer)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[test]
    fn what_is_told_gets_its_share_of_a_thread_and_a_little_at_once() {
        let mut debt = Debt::default();
        let (mut now, mut spent) = (Mono(1_000_000_000), 0);
        let start = now;
        while now - start < Span::from_secs(10) {
            let took = Span::from_millis(3);
            now += took;
            spent += took.0;
            debt.add(now, took);
            now += debt.rest(now);
        }
        let share = Span(spent).as_secs_f64() / 10.0;
        assert!((0.11..0.14).contains(&share), "{share}");
        // One that tells little never rests.
        let mut debt = Debt::default();
        for _ in 0..1000 {
            now += Span::from_millis(100);
            debt.add(now, Span::from_millis(4));
            assert_eq!(debt.rest(now), Span::ZERO);
        }
    }

    #[tokio::test]
    async fn a_link_that_has_had_its_share_is_heard_again_after_its_rest() {
        let pace = RateLimit::default();
        let mut reader = pace.reader(&b"told"[..]);
        let mut told = [0; 2];
        reader.read_exact(&mut told).await.unwrap();
        let now = clock::now();
        pace.0.lock().unwrap().add(now, Span::from_millis(15));
        reader.read_exact(&mut told).await.unwrap();
        assert!(clock::now() - now >= Span::from_millis(79), "ten were owed beyond the burst");
        assert_eq!(&told, b"ld");
    }
}

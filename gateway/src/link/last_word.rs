//! What was said to runners last has arrived before the gateway goes: each is sent a PING behind it, and answers when it has read
//! everything.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use ostler_wire::{Frame, Header, Kind};
use tokio::sync::watch;

/// The number of the PING; heartbeats have none.
const NUMBER: u32 = 1;
const PING: Header = Header { len: 0, kind: Kind::Ping, flags: 0, code: 0, stream: 0, aux: NUMBER };

/// The last word to all runners.
#[derive(Debug)]
pub(crate) struct LastWords {
    is_time: watch::Sender<bool>,
    /// Each link that has not answered follows it.
    awaited: watch::Sender<()>,
}

impl Default for LastWords {
    fn default() -> Self {
        Self { is_time: watch::Sender::new(false), awaited: watch::Sender::new(()) }
    }
}

impl LastWords {
    /// A link that is up.
    pub(super) fn of_link(&self) -> LastWord {
        LastWord {
            is_time: self.is_time.subscribe(),
            was_sent: AtomicBool::new(false),
            awaited: Mutex::new(Some(self.awaited.subscribe())),
        }
    }

    /// Returns when every runner has read what was said to it until now, or is gone. Whoever stands still never has.
    pub(crate) async fn heard(&self) {
        self.is_time.send_replace(true);
        self.awaited.closed().await;
    }
}

/// The last word on one link.
#[derive(Debug)]
pub(super) struct LastWord {
    is_time: watch::Receiver<bool>,
    was_sent: AtomicBool,
    awaited: Mutex<Option<watch::Receiver<()>>>,
}

impl LastWord {
    /// Gives the PING when it is to be sent, once.
    pub(super) async fn due(&self) -> Header {
        let is_time = self.is_time.clone().wait_for(|it| *it).await.is_ok();
        if !is_time || self.was_sent.swap(true, Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        PING
    }

    /// A frame has come, maybe the answer.
    pub(super) fn hear(&self, frame: &Frame) {
        if frame.header.kind == Kind::Pong && frame.header.aux == NUMBER {
            self.awaited.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn pong(aux: u32) -> Frame {
        let header = Header { kind: Kind::Pong, aux, ..PING };
        Frame { header, head: bytes::Bytes::new(), body: bytes::Bytes::new() }
    }

    #[tokio::test]
    async fn the_end_waits_for_the_answer_of_every_link_and_for_none_that_is_gone() {
        let words = Arc::new(LastWords::default());
        let [one, other, gone] = [(); 3].map(|()| words.of_link());
        let waiting = tokio::spawn({
            let words = words.clone();
            async move { words.heard().await }
        });
        for link in [&one, &other] {
            assert_eq!(link.due().await.aux, NUMBER);
            let again = tokio::time::timeout(std::time::Duration::ZERO, link.due());
            assert!(again.await.is_err(), "once");
        }
        drop(gone);
        one.hear(&pong(NUMBER));
        other.hear(&pong(0));
        let header = Header { kind: Kind::Hello, ..PING };
        other.hear(&Frame { header, ..pong(NUMBER) });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished(), "that answered a heartbeat, and said something else");
        other.hear(&pong(NUMBER));
        waiting.await.unwrap();
    }

    #[tokio::test]
    async fn nobody_is_waited_for_without_a_link() {
        LastWords::default().heard().await;
    }
}

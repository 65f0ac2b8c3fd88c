//! Backpressure of a link to another host: how much may be queued for a runner that does not read.

use std::{io, sync::Arc};

use bytes::BytesMut;
use ostler_pool::carrier::Carrier;
use ostler_wire::{Header, Kind, put_frame};
use tokio::sync::Notify;

/// Bytes that wait for a runner before it counts as stuck: more than it ever asks for at once.
const STUCK: usize = 128 << 20;
/// Why the link of a runner ends that is stuck.
pub(super) const UNREAD: &str = "it asks and reads no answer";

/// Sends frames of durable jobs to a runner. One for which too much is queued gets no more, and `stuck` is told.
pub(super) fn job_sender(
    carrier: &Arc<Carrier>,
    stuck: &Arc<Notify>,
) -> Arc<dyn Fn(BytesMut) -> bool + Send + Sync> {
    let (carrier, stuck) = (carrier.clone(), stuck.clone());
    Arc::new(move |frames: BytesMut| {
        let mut behind = 0;
        carrier.send(|out| {
            behind = out.len();
            if behind <= STUCK {
                out.extend_from_slice(&frames);
            }
        });
        if behind > STUCK {
            stuck.notify_one();
        }
        behind <= STUCK
    })
}

/// Answers a PING.
pub(super) fn pong(carrier: &Arc<Carrier>, ping: Header) -> io::Result<()> {
    let pong = Header { kind: Kind::Pong, ..ping };
    let mut behind = 0;
    carrier.send(|out| {
        behind = out.len();
        put_frame(out, pong, &[]);
    });
    if behind > STUCK {
        return Err(io::Error::other(UNREAD));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::link::remote::plain;
    use ostler_pool::carrier::{Concurrency, Transport};

    #[tokio::test]
    async fn who_asks_and_never_reads_is_given_up_before_the_memory_is() {
        let carrier = Arc::new(Carrier::new(
            "runner a".to_owned(),
            Transport::Link,
            Concurrency::LINK,
            false,
        ));
        let stuck = Arc::new(Notify::new());
        let send = job_sender(&carrier, &stuck);
        let piece = || BytesMut::zeroed(256 << 10);
        // Each answers a question of some 100 bytes.
        let taken = (0..10_000).take_while(|_| send(piece())).count();
        assert!((400..600).contains(&taken), "{taken}");
        tokio::time::timeout(Duration::from_secs(60), stuck.notified()).await.unwrap();
        assert!(pong(&carrier, plain()).is_err(), "it asks on");
        assert!(carrier.take_out().len() <= STUCK + (1 << 20));
        // One that reads goes on, however much it asks.
        assert!((0..10_000).all(|_| {
            let well = send(piece()) && pong(&carrier, plain()).is_ok();
            drop(carrier.take_out());
            well
        }));
    }
}

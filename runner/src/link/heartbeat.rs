//! Heartbeats of a link to another host: something goes to the gateway each second, and it asks for an answer only when nothing was heard
//! since the last, so that a runner with nothing to do wakes for the second and for one answer in two.

use std::{
    mem,
    time::{Duration, Instant},
};

use ostler_wire::Kind;

/// A gateway that was not heard of for this long is gone.
pub(super) const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(5);
/// The clock is looked at each second or more often. A look that late means that this process itself stood still: what was sent meanwhile
/// is to be read before the gateway is judged by it.
const STOOD_STILL: Duration = Duration::from_secs(2);

/// The heartbeats of one link.
#[derive(Debug)]
pub(super) struct Heartbeat {
    heard_at: Instant,
    looked_at: Instant,
    /// Something was heard since the last beat.
    has_heard: bool,
}

impl Heartbeat {
    pub(super) fn new(now: Instant) -> Self {
        Self { heard_at: now, looked_at: now, has_heard: false }
    }

    /// Something came, were it a byte of a frame.
    pub(super) fn hear(&mut self, now: Instant) {
        self.heard_at = now;
        self.has_heard = true;
    }

    /// Whether the gateway is silent.
    pub(super) fn is_silent(&mut self, now: Instant) -> bool {
        if now - self.looked_at > STOOD_STILL {
            self.heard_at = now;
        }
        self.looked_at = now;
        self.left(now).is_zero()
    }

    /// How long it may still say nothing.
    pub(super) fn left(&self, now: Instant) -> Duration {
        HEARTBEAT_TIMEOUT.saturating_sub(now - self.heard_at)
    }

    /// What the beat is that is due: PING, or PONG, which asks for nothing, when something was heard since the one before.
    pub(super) fn beat(&mut self) -> Kind {
        if mem::take(&mut self.has_heard) { Kind::Pong } else { Kind::Ping }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Beats each second for a minute, with a gateway that answers a PING after so long until it stands still.
    /// How many PINGs there were, and when it was found silent.
    fn minute(latency: Duration, dies_at: Duration) -> (usize, Option<Duration>) {
        let start = Instant::now();
        let (mut link, mut pings, mut answers) = (Heartbeat::new(start), 0, Vec::new());
        let mut next_beat = start;
        for millis in 0..60_000 {
            let now = start + Duration::from_millis(millis);
            if answers.contains(&now) {
                link.hear(now);
            }
            let is_looked_at = now >= next_beat || link.left(now).is_zero();
            if is_looked_at && link.is_silent(now) {
                return (pings, Some(now - start));
            }
            if now >= next_beat {
                next_beat += SECOND;
                if link.beat() == Kind::Ping {
                    pings += 1;
                    if now - start < dies_at {
                        answers.push(now + latency);
                    }
                }
            }
        }
        (pings, None)
    }

    #[test]
    fn a_gateway_that_answers_is_asked_every_other_second_however_far_it_is() {
        for millis in [1, 300, 800, 990] {
            let (pings, silent) = minute(Duration::from_millis(millis), 2 * 60 * SECOND);
            assert_eq!((pings, silent), (30, None), "{millis} ms");
        }
        let (_, silent) = minute(Duration::from_millis(3500), 2 * 60 * SECOND);
        assert_eq!(silent, None);
    }

    #[test]
    fn a_gateway_that_speaks_anyway_is_not_asked() {
        let mut link = Heartbeat::new(Instant::now());
        assert_eq!(link.beat(), Kind::Ping);
        for _ in 0..3 {
            link.hear(Instant::now());
            assert_eq!(link.beat(), Kind::Pong);
        }
        assert_eq!(link.beat(), Kind::Ping);
    }

    #[test]
    fn a_gateway_that_says_nothing_is_asked_each_second_and_silent_in_time() {
        let (pings, silent) = minute(Duration::from_millis(10), SECOND / 2);
        assert_eq!(silent, Some(HEARTBEAT_TIMEOUT + Duration::from_millis(10)));
        assert_eq!(pings, 5, "at 0, not at 1, and from 2 on");
    }

    #[test]
    fn nobody_is_silent_to_a_process_that_stood_still_itself() {
        let start = Instant::now();
        let mut link = Heartbeat::new(start);
        let later = start + 60 * SECOND;
        assert!(!link.is_silent(later), "what was sent meanwhile is not read yet");
        assert_eq!(link.left(later), HEARTBEAT_TIMEOUT);
        (1..5).for_each(|n| assert!(!link.is_silent(later + n * SECOND)));
        assert!(link.is_silent(later + 5 * SECOND));
    }
}

//! What a process that stood still is to do before it judges by its clock: read what came meanwhile, which was in time.

use std::time::Duration;

use ostler_job::Span;

/// A moment that is noticed so late has passed while this process stood still.
const STOOD_STILL: Span = Span::from_millis(100);
/// For the other tasks to read. A process that was stopped sees its timers before its sockets.
const READING: Duration = Duration::from_millis(20);

/// Returns when somebody may be judged by a moment that is noticed so late.
pub(crate) async fn read_first(late: Span) {
    if late > STOOD_STILL {
        tokio::time::sleep(READING).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn others_read_first_when_this_process_stood_still_and_nobody_waits_else() {
        let waits = async |millis| {
            tokio::time::timeout(Duration::ZERO, read_first(Span::from_millis(millis)))
                .await
                .is_err()
        };
        assert!(!waits(0).await && !waits(100).await);
        assert!(waits(101).await && waits(60_000).await);
    }
}

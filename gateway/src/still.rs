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

//! Readings of time; the pure crates are handed these values.

use std::{
    sync::OnceLock,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use ostler_job::{Mono, Now, Span, Wall};
use time::OffsetDateTime;

static START: OnceLock<Instant> = OnceLock::new();

/// Monotonic time since the process first asked.
pub fn now() -> Mono {
    let start = START.get_or_init(Instant::now);
    Mono(u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX))
}

/// Wall-clock time since the epoch.
pub fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The same in milliseconds, for records.
pub fn wall_now() -> Wall {
    Wall(u64::try_from(wall().as_millis()).unwrap_or(u64::MAX))
}

/// Both clocks.
pub fn both() -> Now {
    Now { mono: now(), wall: wall_now() }
}

/// A duration of the configuration as a span.
pub fn span(duration: Duration) -> Span {
    Span(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
}

/// A moment as every answer has it: `2026-11-25T01:02:03.004Z`.
pub fn show(moment: Wall) -> String {
    const LAST: u64 = 253_402_300_799_999;
    let millis = moment.0.min(LAST);
    let seconds = i64::try_from(millis / 1_000).unwrap_or_default();
    let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (date, time) = (at.date(), at.time());
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        date.year(),
        u8::from(date.month()),
        date.day(),
        time.hour(),
        time.minute(),
        time.second(),
        millis % 1_000
    )
}

//! Readings of time; the pure crates are handed these values.

use std::{
    sync::OnceLock,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use nix::time::{ClockId, clock_gettime};

use ostler_job::{Mono, Now, Span, Wall};
use time::OffsetDateTime;

static START: OnceLock<Duration> = OnceLock::new();

/// Monotonic time since the process first asked. While the host sleeps it goes on, unlike that of [`std::time::Instant`]: who was
/// waited for has not been heard for so long, and a wall clock that is a day ahead after a day's sleep was not set.
pub fn now() -> Mono {
    let reading = since_boot();
    let start = *START.get_or_init(|| reading);
    Mono(u64::try_from(reading.saturating_sub(start).as_nanos()).unwrap_or(u64::MAX))
}

fn since_boot() -> Duration {
    Duration::from(clock_gettime(ClockId::CLOCK_BOOTTIME).expect("Linux has this clock"))
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

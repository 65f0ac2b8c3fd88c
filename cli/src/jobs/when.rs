//! Moments and spans as people say them.

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// A moment of the API.
pub(crate) fn read(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok()
}

/// `2m ago`, `in 5m`, or the day when that is far.
pub(crate) fn relative(text: &str, now: OffsetDateTime) -> String {
    let Some(moment) = read(text) else { return text.to_owned() };
    let seconds = (now - moment).whole_seconds();
    match seconds.unsigned_abs() {
        0 => "now".to_owned(),
        FAR.. => text.get(..10).unwrap_or(text).to_owned(),
        span if seconds > 0 => format!("{} ago", short(span)),
        span => format!("in {}", short(span)),
    }
}

/// Ten days: beyond, the day says more.
const FAR: u64 = 10 * 86_400;

/// The largest unit alone: `59s`, `3m`, `7h`, `2d`.
pub(crate) fn short(seconds: u64) -> String {
    match seconds {
        ..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// How long something ran: `0.12s`, `4.5s`, `3m12s`, `2h05m`.
pub(crate) fn span(seconds: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "seconds of a job fit, and are not negative after max"
    )]
    let whole = seconds.max(0.0) as u64;
    match whole {
        ..1 => format!("{seconds:.2}s"),
        1..60 => format!("{seconds:.1}s"),
        60..3600 => format!("{}m{:02}s", whole / 60, whole % 60),
        3600..86_400 => format!("{}h{:02}m", whole / 3600, whole % 3600 / 60),
        _ => format!("{}d{:02}h", whole / 86_400, whole % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_told_from_now() {
        let now = read("2026-11-25T12:00:00.000Z").unwrap();
        let told = |text: &str| relative(text, now);
        assert_eq!(told("2026-11-25T11:59:59.900Z"), "now");
        assert_eq!(told("2026-11-25T11:58:00.000Z"), "2m ago");
        assert_eq!(told("2026-11-25T12:05:30.000Z"), "in 5m");
        assert_eq!(told("2026-11-23T11:00:00.000Z"), "2d ago");
        assert_eq!(told("2026-01-02T11:00:00.000Z"), "2026-01-02");
        assert_eq!(told("soon"), "soon");
    }

    #[test]
    fn spans_keep_the_digits_that_matter() {
        let told: Vec<String> = [0.004, 0.25, 4.51, 192.0, 7500.0, 90_000.0].map(span).into();
        assert_eq!(told, ["0.00s", "0.25s", "4.5s", "3m12s", "2h05m", "1d01h"]);
    }
}

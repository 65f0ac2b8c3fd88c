//! Durations and moments as text.

use std::fmt;

use ostler_job::{
    Span, Wall,
    durable::{RATE_RULE, Rate},
    units,
};
use serde::{Deserialize, Deserializer, de::Visitor};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use utoipa::ToSchema;

/// A length of time: whole numbers with `w`, `d`, `h`, `m`, `s` or `ms`, the longest first, such as `1h30m`.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(
    value_type = String,
    pattern = "^(?=[0-9])([0-9]{1,3}w)?([0-9]{1,4}d)?([0-9]{1,6}h)?([0-9]{1,7}m)?([0-9]{1,9}s)?([0-9]{1,12}ms)?$",
    example = "10s"
)]
pub(crate) struct Delay(pub(crate) Parsed<Span>);

/// The same, and longer than nothing.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(
    value_type = String,
    pattern = "^(?=.*[1-9])([0-9]{1,3}w)?([0-9]{1,4}d)?([0-9]{1,6}h)?([0-9]{1,7}m)?([0-9]{1,9}s)?([0-9]{1,12}ms)?$",
    example = "10m"
)]
pub(crate) struct LengthOfTime(pub(crate) Parsed<Span>);

/// Jobs in a time, evenly spread, and how many of them may start together after a pause.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(
    value_type = String,
    pattern = "^[1-9][0-9]{0,6}/(?=[0-9])([1-9]w)?([1-9][0-9]{0,1}d)?([1-9][0-9]{0,2}h)?([1-9][0-9]{0,4}m)?([1-9][0-9]{0,5}s)?([1-9][0-9]{0,8}ms)?( burst [1-9][0-9]{0,6})?$",
    example = "100/1m burst 20"
)]
pub(crate) struct RateText(pub(crate) Parsed<Rate>);

/// A moment after 1970, RFC 3339.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(value_type = String, format = DateTime, pattern = "^(19[7-9][1-9]|[2-9][0-9]{3})-", example = "2026-11-25T01:02:03Z")]
pub(crate) struct Moment(pub(crate) Parsed<Wall>);

/// Digits that a number of each unit may have, so that no date that is reckoned with it is beyond every calendar.
const DIGITS: [(&str, usize); 6] = [("ms", 12), ("s", 9), ("m", 7), ("h", 6), ("d", 4), ("w", 3)];

/// `500ms`, `30s`, `1h30m`, `7d`, `2w`.
pub(crate) fn span(text: &str) -> Result<Span, String> {
    let bad = || {
        format!("{} is not a duration; write it as 500ms, 30s, 5m, 1h30m, 7d or 2w", quoted(text))
    };
    let (parts, millis) = units::duration(text).ok_or_else(bad)?;
    for (digits, unit) in parts {
        let most = DIGITS.iter().find(|(name, _)| *name == unit).map_or(0, |(_, most)| *most);
        if digits.len() > most {
            return Err(format!(
                "{} is too long; {most} digits of {unit} are the most",
                quoted(text)
            ));
        }
    }
    Ok(Span::from_millis(millis))
}

/// The same as it is written, such that it reads as the same.
pub(crate) fn written(span: Span) -> String {
    const UNITS: [(&str, u64, u64); 6] = [
        ("w", 604_800_000, 999),
        ("d", 86_400_000, 9_999),
        ("h", 3_600_000, 999_999),
        ("m", 60_000, 9_999_999),
        ("s", 1_000, 999_999_999),
        ("ms", 1, 999_999_999_999),
    ];
    let (mut text, mut left) = (String::new(), span.0 / 1_000_000);
    for (unit, size, most) in UNITS {
        // Days are what people count in.
        let by_days = unit == "w" && left < 9_999 * 86_400_000;
        let number = if by_days { 0 } else { (left / size).min(most) };
        left -= number * size;
        if number > 0 {
            text += &format!("{number}{unit}");
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// RFC 3339, with any offset.
pub(crate) fn moment(text: &str) -> Result<Wall, String> {
    let bad =
        || format!("{} is not a time; write it as 2026-11-25T01:02:03Z (RFC 3339)", quoted(text));
    let moment = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| bad())?;
    let millis = moment.unix_timestamp_nanos() / 1_000_000;
    u64::try_from(millis).map(Wall).map_err(|_| format!("{} is before 1970", quoted(text)))
}

/// Somebody's text within a sentence, not too long.
pub(crate) fn quoted(text: &str) -> String {
    const MAX: usize = 80;
    match text.char_indices().nth(MAX) {
        Some((at, _)) => format!("{:?}…", &text[..at]),
        None => format!("{text:?}"),
    }
}

/// A text that is parsed as it is read, without a copy; what is wrong with it is told later, with its place.
#[derive(Debug)]
pub(crate) struct Parsed<T>(pub(crate) Result<T, String>);

/// What [`Parsed`] can be.
pub(crate) trait FromText: Sized {
    fn from_text(text: &str) -> Result<Self, String>;
}

impl FromText for Span {
    fn from_text(text: &str) -> Result<Self, String> {
        span(text)
    }
}

impl FromText for Wall {
    fn from_text(text: &str) -> Result<Self, String> {
        moment(text)
    }
}

impl FromText for Rate {
    fn from_text(text: &str) -> Result<Self, String> {
        let told = |wrong: String| match wrong == RATE_RULE {
            true => format!("{} is not a rate; {wrong}", quoted(text)),
            false => wrong,
        };
        Self::read(text).map_err(told)
    }
}

impl<'de, T: FromText> Deserialize<'de> for Parsed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text<T>(std::marker::PhantomData<T>);
        impl<T: FromText> Visitor<'_> for Text<T> {
            type Value = Parsed<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text")
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Parsed(T::from_text(text)))
            }
        }
        deserializer.deserialize_str(Text(std::marker::PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostler_machine::clock;

    #[test]
    fn durations_have_a_whole_number_and_a_unit() {
        assert_eq!(span("500ms"), Ok(Span::from_millis(500)));
        assert_eq!(span("0s"), Ok(Span::ZERO));
        assert_eq!(span("7d"), Ok(Span::from_secs(7 * 86_400)));
        assert_eq!(span("1w1h30m"), Ok(Span::from_secs(7 * 86_400 + 5400)));
        for bad in ["", "5", "s", "-5s", "+5s", "5 s", "5S", "1.5h", "30s5m", "5y", "٣s"] {
            assert!(span(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_duration_that_can_be_written_is_shorter_than_a_span_can_hold() {
        for long in [
            "999999999999ms",
            "999999999s",
            "9999999m",
            "999999h",
            "9999d",
            "999w9999d999999h9999999m999999999s999999999999ms",
        ] {
            assert!(span(long).unwrap().0 < u64::MAX / 2, "{long}");
        }
        assert!(span("10000d").is_err());
        assert!(span("1000w").is_err());
        assert!(span("99999999999999999999s").is_err());
    }

    #[test]
    fn what_is_written_reads_as_the_same() {
        for text in ["0s", "1ms", "90s", "36h", "7d", "2w", "999w", "1h30m", "99999s"] {
            let read = span(text).unwrap();
            assert_eq!(span(&written(read)), Ok(read), "{text}");
        }
        let longest = span("999w9999d999999h9999999m999999999s999999999999ms").unwrap();
        assert_eq!(span(&written(longest)), Ok(longest));
        assert_eq!(written(Span::from_secs(93_600)), "1d2h");
        assert_eq!(written(Span::from_secs(14 * 86_400)), "14d");
    }

    #[test]
    fn moments_are_read_with_any_offset_and_written_in_utc() {
        let moment = moment("2026-11-25T02:02:03.004567+01:00").unwrap();
        assert_eq!(clock::show(moment), "2026-11-25T01:02:03.004Z");
        assert_eq!(clock::show(Wall(u64::MAX)), "9999-12-31T23:59:59.999Z");
        for bad in [
            "2026-11-25",
            "2026-11-25 01:02:03",
            "2026-13-01T00:00:00Z",
            "1960-01-01T00:00:00Z",
            "now",
        ] {
            assert!(super::moment(bad).is_err(), "{bad}");
        }
    }
}

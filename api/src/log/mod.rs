//! What jobs write and read: logs as streams with ranges, followed live, and standard input.

mod attempt;
pub(crate) mod chunks;
pub(crate) mod events;
mod source;
pub(crate) mod stdin;
pub(crate) mod stream;
mod tail;

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

use self::chunks::Which;
use super::problem::Problem;

/// Bytes that are read at once.
const PIECE: usize = 64 << 10;

fn which(text: &str) -> Result<Which, String> {
    let found = Which::ALL.iter().find(|(word, _)| *word == text).map(|(_, which)| *which);
    found.ok_or_else(|| format!("{text:?} is not allowed; expected both, stdout or stderr"))
}

impl PartialSchema for Which {
    fn schema() -> RefOr<Schema> {
        let words = Self::ALL.map(|(word, _)| word);
        let text = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words));
        text.description(Some("Which stream.")).into()
    }
}

impl ToSchema for Which {}

/// The part of a whole that a `Range` field asks for; `None`: all of it.
fn range(headers: &http::HeaderMap, total: u64) -> Result<Option<std::ops::Range<u64>>, Problem> {
    let Some(field) = headers.get(http::header::RANGE).and_then(|v| v.to_str().ok()) else {
        return Ok(None);
    };
    // Nothing has no parts; whoever asks for the last of it gets it.
    if total == 0 {
        return Ok(None);
    }
    // What is not understood is ignored, RFC 9110 14.2; so are several ranges at once.
    let Some((first, last)) = field.strip_prefix("bytes=").and_then(|it| it.split_once('-')) else {
        return Ok(None);
    };
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| text.parse().unwrap_or(u64::MAX))
    };
    let range = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(total),
        (Some(first), None) if last.is_empty() => first..total,
        (None, Some(suffix)) if first.is_empty() => total.saturating_sub(suffix)..total,
        _ => return Ok(None),
    };
    match range.start < range.end {
        true => Ok(Some(range)),
        false => Err(Problem::beyond(total)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_to_what_there_is() {
        let ask = |field: &str| {
            let mut headers = http::HeaderMap::new();
            headers.insert(http::header::RANGE, field.parse().unwrap());
            range(&headers, 10)
        };
        assert_eq!(ask("bytes=0-3").unwrap(), Some(0..4));
        assert_eq!(ask("bytes=4-").unwrap(), Some(4..10));
        assert_eq!(ask("bytes=4-99").unwrap(), Some(4..10));
        assert_eq!(ask("bytes=-3").unwrap(), Some(7..10));
        assert_eq!(ask("bytes=-99").unwrap(), Some(0..10));
        for ignored in ["bytes=5-4", "bytes=a-b", "lines=1-2", "bytes=-", "bytes=1-2,4-5"] {
            assert_eq!(ask(ignored).unwrap(), None, "{ignored}");
        }
        for beyond in ["bytes=10-", "bytes=99999999999999999999-", "bytes=-0"] {
            assert!(ask(beyond).is_err(), "{beyond}");
        }
    }
}

//! The orders of lists as clients name them, and their cursors.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ostler_job::{
    JobId, Wall,
    durable::{Cursor, Sort},
};

use super::{query::ID_MAX, text};

/// What each is called, the usual one first. Jobs come in the order of their ids, whatever the clock said.
const NAMES: &[(&str, Sort)] = &[
    ("-id", Sort::Newest),
    ("id", Sort::Oldest),
    ("-submitted", Sort::Newest),
    ("submitted", Sort::Oldest),
    ("-finished", Sort::LastFinished),
    ("finished", Sort::FirstFinished),
];

/// Every word that `sort` takes.
pub(crate) fn words() -> impl Iterator<Item = &'static str> {
    NAMES.iter().map(|(name, _)| *name)
}

pub(crate) fn sort(value: &str) -> Result<Sort, String> {
    let found = NAMES.iter().find(|(name, _)| *name == value);
    found.map(|(_, sort)| *sort).ok_or_else(|| {
        let words: Vec<_> = words().collect();
        let words = words.join(", ");
        format!(
            "{} is no order of jobs; there are {words}, with - for the last one first",
            text::quoted(value)
        )
    })
}

/// What the cursors of an order begin with; those of the usual one are an id alone.
const fn mark(sort: Sort) -> &'static [u8] {
    match sort {
        Sort::Newest => &[],
        Sort::Oldest => &[1],
        Sort::LastFinished => &[2],
        Sort::FirstFinished => &[3],
    }
}

/// Where a page of an order ended, as clients see it.
pub(crate) fn cursor(sort: Sort, at: Cursor) -> String {
    let mut bytes = mark(sort).to_vec();
    if sort.is_by_finish() {
        bytes.extend(at.at.0.min(ID_MAX).to_be_bytes());
    }
    bytes.extend(at.id.0.to_be_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The cursor of a page in this order.
pub(crate) fn read_cursor(text: &str, sort: Sort) -> Result<Cursor, String> {
    let bytes = URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
    if let Some(cursor) = read(&bytes, sort) {
        return Ok(cursor);
    }
    let is_of = |(_, other): &&(&str, Sort)| read(&bytes, *other).is_some();
    Err(match NAMES.iter().find(is_of) {
        Some((name, _)) => format!(
            "{} goes on with sort={name}, and another order was asked for; give the same sort as for the page before",
            text::quoted(text)
        ),
        None => {
            format!("{} is no cursor; give the member next of the page before", text::quoted(text))
        }
    })
}

fn read(bytes: &[u8], sort: Sort) -> Option<Cursor> {
    let mut rest = bytes.strip_prefix(mark(sort))?;
    let mut number = || {
        let (number, others) = rest.split_first_chunk()?;
        rest = others;
        Some(u64::from_be_bytes(*number)).filter(|number| *number <= ID_MAX)
    };
    let at = if sort.is_by_finish() { Wall(number()?) } else { Wall(0) };
    let id = JobId(number()?);
    rest.is_empty().then_some(Cursor { at, id })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_read_back_in_their_own_order_and_nothing_else_is() {
        for (place, (name, sort)) in NAMES.iter().enumerate() {
            let at = if sort.is_by_finish() { Wall(1_764_000_000_000) } else { Wall(0) };
            for id in [0, 17, ID_MAX] {
                let written = Cursor { at, id: JobId(id) };
                let text = cursor(*sort, written);
                assert_eq!(read_cursor(&text, *sort), Ok(written), "{name}");
                let (other_name, other) = NAMES[(place + 3) % NAMES.len()];
                let told = read_cursor(&text, other).unwrap_err();
                assert!(told.contains("give the same sort"), "{name} as {other_name}: {told}");
            }
        }
        for bad in ["", "17", "AAAA", "_________w", "//////////8=", "AAAAAAAAABEAAAAAAAAAEQ"] {
            for (_, sort) in NAMES {
                let told = read_cursor(bad, *sort).unwrap_err();
                assert!(told.contains("is no cursor"), "{bad}: {told}");
            }
        }
    }

    #[test]
    fn an_order_that_there_is_not_is_told_with_those_that_there_are() {
        assert_eq!(sort("-finished"), Ok(Sort::LastFinished));
        for bad in ["", "tenant", "-", "+id", "ID", "id,finished"] {
            let told = sort(bad).unwrap_err();
            assert!(told.contains("there are -id, id, -submitted"), "{bad}: {told}");
        }
    }
}

//! What people write, and what it means.
//!
//! Five fields (minute, hour, day of month, month, day of week), six with seconds before them, seven with years after those; a
//! name for a few of them (`@daily`); `@every` and a length of time; `@reboot`. Not a parser that there is, since those that are
//! kept well say neither where an expression is wrong nor what would be right, know no `H` and no `~`, and take five kilobytes for
//! each one; the tests hold this one to what they answer.
//!
//! *`H`* is a value that is the same for the same name and spreads those of many names; `H(0-29)` is one of these, `H/15` every fifteenth
//! from such a one, and in the day of month it is at most 28, so that every month has it. *`a~b`* is one of these, too, as in OpenBSD and
//! cronie, but the same after each start.

mod count;
pub(crate) mod day;
pub mod fault;
pub(crate) mod field;
pub(crate) mod next;
pub(crate) mod spread;
#[cfg(test)]
mod tests;
mod words;

use ostler_job::{Span, units};

use self::day::Days;
use self::fault::Fault;
use self::field::{DAY, HOUR, MINUTE, MONTH, Reader, SECOND, WEEKDAY, YEAR};

/// The names of patterns; case counts, as the specification wants it.
const NICKNAMES: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// The longest time between two firings, in milliseconds: 36,500 days.
const EVERY_MAX: u64 = 36_500 * 86_400_000;

/// Longer than anything that means something.
const LENGTH_MAX: usize = 1_000;

/// Whose word an expression is read by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// The Open Cron Pattern Specification: a day has to be of the month's days or of the week's where both are restricted, which only
    /// a plain `*` is not.
    #[default]
    Standard,
    /// Vixie's cron and its children: the same, but a field that begins with `*` (`*/2`) restricts nothing by that rule, and a day
    /// has to be of both then. `5/10` is 5.
    Vixie,
}

/// When something fires, without a time zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// At times of days.
    Fields(Box<Fields>),
    /// Each time that so much has passed.
    Every(Span),
    /// Once for each start of the host.
    Reboot,
}

/// What the fields of an expression let through, a bit for each value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields {
    pub(crate) seconds: u64,
    pub(crate) minutes: u64,
    pub(crate) hours: u64,
    pub(crate) days: Days,
    pub(crate) months: u64,
    /// Years from 1970 on; `None`: all.
    pub(crate) years: Option<Box<[u64; 4]>>,
    /// The seconds, minutes or hours begin with a `*`: it is a length of time between firings that counts, not the time of day.
    pub(crate) by_elapsed: bool,
}

impl Expression {
    /// Reads it; `name` is whose `H` and `~` it has.
    ///
    /// # Errors
    /// When it means nothing, or never fires.
    pub fn parse(text: &str, name: &str, dialect: Dialect) -> Result<Self, Fault> {
        if text.len() > LENGTH_MAX {
            let what = format!("the expression has {} characters", text.len());
            return Err(Fault::new(0..0, what, format!("at most {LENGTH_MAX} are read")));
        }
        check_characters(text)?;
        let start = text.len() - text.trim_start().len();
        let body = text.trim();
        if let Some(rest) = body.strip_prefix('@') {
            return nickname(body, rest, start, (name, dialect));
        }
        let fields = split(text);
        let fields = Fields::parse(&fields, text.len(), Reader { name, dialect })?;
        if fields.next(next::FIRST).is_none() {
            let at = start..start + body.len();
            return Err(Fault::new(at, "it never fires", "there is no such day in any year"));
        }
        Ok(Self::Fields(Box::new(fields)))
    }
}

/// What is not on a keyboard would be shown as something else than it is, or as nothing: a space that does not break, a line that ends.
fn check_characters(text: &str) -> Result<(), Fault> {
    let odd = text.char_indices().find(|(_, it)| !matches!(it, ' ' | '\t' | '!'..='~'));
    // What is before it is ASCII, so its column is its byte's.
    let Some((at, odd)) = odd else { return Ok(()) };
    let code = u32::from(odd);
    let (what, cure) = if odd.is_whitespace() {
        (format!("U+{code:04X} is no space between fields"), "write spaces or tabs")
    } else {
        (
            format!("{odd:?} (U+{code:04X}) is in no expression"),
            "write letters, digits and signs of ASCII",
        )
    };
    Err(Fault::new(at..at + 1, what, cure))
}

/// The words of a text with where each begins.
fn split(text: &str) -> Vec<(usize, &str)> {
    let mut words = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return words;
        }
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        words.push((text.len() - rest.len(), &rest[..end]));
        rest = &rest[end..];
    }
}

/// What stands after an `@`.
fn nickname(
    body: &str,
    rest: &str,
    start: usize,
    (name, dialect): (&str, Dialect),
) -> Result<Expression, Fault> {
    let at = start..start + body.len();
    if let Some(span) = rest.strip_prefix("every").filter(|it| it.starts_with([' ', '\t'])) {
        return every(span, at);
    }
    if body == "@reboot" {
        return Ok(Expression::Reboot);
    }
    if let Some((_, pattern)) = NICKNAMES.iter().find(|(it, _)| *it == body) {
        return Expression::parse(pattern, name, dialect);
    }
    let lower = body.to_ascii_lowercase();
    let known = NICKNAMES.iter().map(|it| it.0).chain(["@reboot"]);
    if let Some(meant) = known.clone().find(|it| *it == lower) {
        return Err(Fault::new(at, format!("there is no {body}"), format!("write {meant}")));
    }
    let known: Vec<&str> = known.chain(["@every 90s"]).collect();
    Err(Fault::new(at, format!("there is no {body}"), format!("there are {}", known.join(", "))))
}

fn every(span: &str, at: std::ops::Range<usize>) -> Result<Expression, Fault> {
    let example = "write a length of time as 90s, 15m or 1h30m";
    let Some((_, millis)) = units::duration(span.trim()) else {
        let what = format!("{:?} is no length of time", span.trim());
        return Err(Fault::new(at, what, example));
    };
    if millis < 1_000 || !millis.is_multiple_of(1_000) {
        let what = "it is not a number of whole seconds from 1 on";
        return Err(Fault::new(at, what, example));
    }
    if millis > EVERY_MAX {
        let what = format!("{} is longer than 100 years", span.trim());
        return Err(Fault::new(at, what, "write at most 36500d"));
    }
    Ok(Expression::Every(Span::from_millis(millis)))
}

impl Fields {
    fn parse(words: &[(usize, &str)], end: usize, reader: Reader<'_>) -> Result<Self, Fault> {
        let (seconds, rest, years) = match *words {
            [] => {
                let cure = "write five fields, as in 0 3 * * * for three o'clock every day";
                return Err(Fault::new(0..end, "there is no expression", cure));
            }
            [_, _, _, _, _] => (None, words, None),
            [first, ref rest @ ..] if rest.len() == 5 => (Some(first), rest, None),
            [first, ref rest @ .., last] if rest.len() == 5 => (Some(first), rest, Some(last)),
            _ => return Err(wrong_count(words, end)),
        };
        let [minute, hour, day, month, weekday] = *rest else {
            unreachable!("five fields are left")
        };
        let seconds_star = seconds.is_some_and(|(_, it)| it.starts_with('*'));
        Ok(Self {
            seconds: seconds.map_or(Ok(1), |word| reader.set(&SECOND, word))?,
            minutes: reader.set(&MINUTE, minute)?,
            hours: reader.set(&HOUR, hour)?,
            days: Days::parse(day, weekday, (&DAY, &WEEKDAY), reader)?,
            months: reader.set(&MONTH, month)?,
            years: years.map(|word| reader.years(&YEAR, word)).transpose()?.flatten(),
            by_elapsed: seconds_star || [minute, hour].iter().any(|(_, it)| it.starts_with('*')),
        })
    }
}

fn wrong_count(words: &[(usize, &str)], end: usize) -> Fault {
    let what = match words.len() {
        1 => "there is one field".to_owned(),
        n => format!("there are {n} fields"),
    };
    let from = if words.len() > 7 { words[7].0 } else { words[0].0 };
    let cure = "write five (minute, hour, day of month, month, day of week), six with seconds before them, or seven with years after";
    Fault::new(from..end, what, cure)
}

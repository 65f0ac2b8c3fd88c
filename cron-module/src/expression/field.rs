//! One field: a list of values, ranges and steps.

use std::ops::Range;

use super::Dialect;
use super::fault::Fault;
use super::spread::spread;

/// What a field may hold.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    low: u16,
    high: u16,
    /// The last value that `H` may be.
    spread_to: u16,
    /// Words for values, from `low` on.
    words: &'static [&'static str],
}

const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

const fn kind(name: &'static str, low: u16, high: u16) -> Kind {
    Kind { name, low, high, spread_to: high, words: &[] }
}

pub(crate) const SECOND: Kind = kind("second", 0, 59);
pub(crate) const MINUTE: Kind = kind("minute", 0, 59);
pub(crate) const HOUR: Kind = kind("hour", 0, 23);
pub(crate) const DAY: Kind = Kind { spread_to: 28, ..kind("day of month", 1, 31) };
pub(crate) const MONTH: Kind = Kind { words: &MONTHS, ..kind("month", 1, 12) };
pub(crate) const WEEKDAY: Kind =
    Kind { words: &WEEKDAYS, spread_to: 6, ..kind("day of week", 0, 7) };
pub(crate) const YEAR: Kind = kind("year", 1970, 2199);

/// Reads fields by somebody's word.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    pub(crate) name: &'a str,
    pub(crate) dialect: Dialect,
}

/// A part of a text, and where it begins.
#[derive(Clone, Copy)]
pub(crate) struct Part<'a> {
    pub(crate) at: usize,
    pub(crate) text: &'a str,
}

impl<'a> Part<'a> {
    pub(crate) fn range(self) -> Range<usize> {
        self.at..self.at + self.text.len()
    }

    /// The parts between separators.
    pub(crate) fn split(self, separator: char) -> impl Iterator<Item = Self> {
        let mut at = self.at;
        self.text.split(separator).map(move |text| {
            let part = Part { at, text };
            at += text.len() + separator.len_utf8();
            part
        })
    }

    /// What is before a separator and after it.
    fn split_once(self, separator: char) -> Option<(Self, Self)> {
        let (before, after) = self.text.split_once(separator)?;
        let at = self.at + before.len() + separator.len_utf8();
        Some((Part { text: before, ..self }, Part { at, text: after }))
    }

    fn fault(self, what: impl Into<String>, cure: impl Into<String>) -> Fault {
        Fault::new(self.range(), what, cure)
    }
}

/// Values from one to another, each so many after the one before.
struct Steps {
    from: u16,
    to: u16,
    step: u16,
}

impl Steps {
    fn values(&self) -> impl Iterator<Item = u16> {
        (self.from..=self.to).step_by(usize::from(self.step))
    }
}

impl Reader<'_> {
    /// The values of a field, a bit for each.
    pub(crate) fn set(self, kind: &Kind, (at, text): (usize, &str)) -> Result<u64, Fault> {
        let mut set = 0;
        for part in (Part { at, text }).split(',') {
            for value in self.steps(kind, part)?.values() {
                set |= 1 << value;
            }
        }
        Ok(set)
    }

    /// The years, a bit for each from 1970 on; `None`: all.
    pub(crate) fn years(
        self,
        kind: &Kind,
        (at, text): (usize, &str),
    ) -> Result<Option<Box<[u64; 4]>>, Fault> {
        let mut set = [0_u64; 4];
        for part in (Part { at, text }).split(',') {
            for value in self.steps(kind, part)?.values() {
                let bit = usize::from(value - kind.low);
                set[bit / 64] |= 1 << (bit % 64);
            }
        }
        Ok((text != "*").then(|| Box::new(set)))
    }

    /// The values of one item of a day's field that has no letter of its own.
    pub(crate) fn days(self, kind: &Kind, part: Part<'_>) -> Result<u64, Fault> {
        Ok(self.steps(kind, part)?.values().fold(0, |set, value| set | 1 << value))
    }

    fn steps(self, kind: &Kind, part: Part<'_>) -> Result<Steps, Fault> {
        let (base, step) = match part.split_once('/') {
            Some((base, step)) => (base, Some(step)),
            None => (part, None),
        };
        let step = step.map(|step| step_of(kind, base, step)).transpose()?;
        if let Some(within) = self.spread_range(kind, base)? {
            // Most years are long over, and those that are not are too far ahead for nearly all names.
            if kind.name == YEAR.name {
                return Err(base.fault("years are not spread", "write years, as 2027-2030"));
            }
            return Ok(self.spread(kind, within, step));
        }
        let (from, to) = self.range(kind, base, step)?;
        Ok(Steps { from, to, step: step.unwrap_or(1) })
    }

    /// The values that `H` and `~` choose among, if it is one of these.
    fn spread_range(self, kind: &Kind, base: Part<'_>) -> Result<Option<(u16, u16)>, Fault> {
        if let Some(rest) = base.text.strip_prefix('H') {
            if rest.is_empty() {
                return Ok(Some((kind.low, kind.spread_to)));
            }
            let inner = rest.strip_prefix('(').and_then(|it| it.strip_suffix(')'));
            let inner = inner.map(|text| Part { at: base.at + 2, text });
            let Some((from, to)) = inner.and_then(|it| it.split_once('-')) else {
                let cure = format!("write H, or H({}-{}) for one of these", kind.low, kind.high);
                return Err(base.fault(format!("{} is no way to spread", base.text), cure));
            };
            return self.ordered(kind, base, (from, to)).map(Some);
        }
        let Some((from, to)) = base.split_once('~') else { return Ok(None) };
        let from = if from.text.is_empty() { kind.low } else { value(kind, from)? };
        let to = if to.text.is_empty() { kind.spread_to.max(from) } else { value(kind, to)? };
        check_order(base, from, to).map(Some)
    }

    fn spread(self, kind: &Kind, (low, high): (u16, u16), step: Option<u16>) -> Steps {
        let size = high - low + 1;
        let among = step.map_or(size, |step| step.min(size));
        let from = low + spread(self.name, kind.name, u64::from(among)) as u16;
        match step {
            Some(step) => Steps { from, to: high, step },
            None => Steps { from, to: from, step: 1 },
        }
    }

    fn range(self, kind: &Kind, base: Part<'_>, step: Option<u16>) -> Result<(u16, u16), Fault> {
        if base.text == "*" {
            return Ok((kind.low, kind.high));
        }
        if let Some(bounds) = base.split_once('-') {
            return self.ordered(kind, base, bounds);
        }
        let value = value(kind, base)?;
        if let Some(step) = step.filter(|_| self.dialect == Dialect::Standard) {
            let what = format!("a step needs a range, and {} is one value", base.text);
            return Err(base.fault(what, format!("write {}-{}/{step}", base.text, kind.high)));
        }
        Ok((value, value))
    }

    fn ordered(
        self,
        kind: &Kind,
        base: Part<'_>,
        (from, to): (Part<'_>, Part<'_>),
    ) -> Result<(u16, u16), Fault> {
        let first = value(kind, from)?;
        let mut last = value(kind, to)?;
        // Sunday is the last day of the week as well as the first.
        if kind.name == WEEKDAY.name && last == 0 && first > 0 && to.text != "0" {
            last = 7;
        }
        check_order(base, first, last)
    }
}

fn check_order(base: Part<'_>, from: u16, to: u16) -> Result<(u16, u16), Fault> {
    if from > to {
        let cure = "write it as two ranges with a comma between them";
        return Err(base.fault(format!("{} ends before it begins", base.text), cure));
    }
    Ok((from, to))
}

fn step_of(kind: &Kind, base: Part<'_>, step: Part<'_>) -> Result<u16, Fault> {
    if base.text.is_empty() {
        let what = format!("/{} steps through nothing", step.text);
        return Err(step.fault(what, format!("write */{}", step.text)));
    }
    let digits = step.text.bytes().all(|it| it.is_ascii_digit());
    match step.text.parse::<u16>() {
        Ok(n) if digits && n > 0 => Ok(n.min(kind.high - kind.low + 1)),
        _ if digits && !step.text.is_empty() && step.text.bytes().any(|it| it != b'0') => {
            Ok(kind.high - kind.low + 1)
        }
        _ => {
            let what = format!("{:?} is no step", step.text);
            Err(step.fault(what, format!("write a number from 1 to {}", kind.high)))
        }
    }
}

/// A number of the field, or a word for one.
pub(crate) fn value(kind: &Kind, part: Part<'_>) -> Result<u16, Fault> {
    let named = kind.words.iter().position(|it| it.eq_ignore_ascii_case(part.text));
    if let Some(named) = named {
        return Ok(kind.low + named as u16);
    }
    let mut allowed = format!("write a number from {} to {}", kind.low, kind.high);
    if let [first, .., last] = kind.words {
        allowed += &format!(", or {first} to {last}");
    }
    if part.text.is_empty() {
        let at = part.at.saturating_sub(1)..part.at + 1;
        return Err(Fault::new(at, format!("the {} is missing", kind.name), allowed));
    }
    if !part.text.bytes().all(|it| it.is_ascii_digit()) {
        return Err(part.fault(format!("{:?} is no {}", part.text, kind.name), allowed));
    }
    let number = part.text.parse::<u16>().ok().filter(|it| (kind.low..=kind.high).contains(it));
    number.ok_or_else(|| part.fault(format!("there is no {} {}", kind.name, part.text), allowed))
}

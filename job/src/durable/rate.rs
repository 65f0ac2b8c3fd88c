//! How many jobs may start in which time, as people write it: `100/1m`, or `100/1m burst 20`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Span, units};

/// So many jobs in so long, evenly spread; `burst` of them may start together after a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rate {
    /// Jobs, 1 to [`Rate::JOBS_MAX`].
    pub jobs: u32,
    /// In so long, 1 ms to [`Rate::PER_MAX`].
    pub per: Span,
    /// Jobs that may start at the same moment, 1 to `jobs`.
    pub burst: u32,
}

/// How it is written, for whoever wrote it otherwise.
pub const RATE_RULE: &str =
    "write it as 100/1m or 100/1m burst 20: jobs in a time, and how many of them may start at once";

impl Rate {
    /// The most jobs.
    pub const JOBS_MAX: u32 = 1_000_000;
    /// The longest time.
    pub const PER_MAX: Span = Span::from_secs(7 * 86_400);

    /// Reads it; the error says what is wrong and the cure, without the text itself.
    pub fn read(text: &str) -> Result<Self, String> {
        let rule = || RATE_RULE.to_owned();
        let (rate, burst) = match text.split_once(" burst ") {
            Some((rate, burst)) => (rate, Some(burst)),
            None => (text, None),
        };
        let (jobs, per) = rate.split_once('/').ok_or_else(rule)?;
        let count = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            if !digits {
                return Err(rule());
            }
            let fits = |number: &u32| (1..=Self::JOBS_MAX).contains(number);
            let bounds =
                || format!("{text} jobs are not allowed; expected 1 to {}", Self::JOBS_MAX);
            text.parse().ok().filter(fits).ok_or_else(bounds)
        };
        let jobs = count(jobs)?;
        let millis = units::duration(per).map(|(_, millis)| millis);
        // What is too large for a number is a time all the same.
        if millis.is_none() {
            units::split(per, &units::DURATION).ok_or_else(rule)?;
        }
        let per = millis.map(Span::from_millis);
        let fits = |per: &Span| (Span::ZERO < *per) && (*per <= Self::PER_MAX);
        let per = per.filter(fits).ok_or("its time is from 1ms to 7d")?;
        let burst = burst.map_or(Ok(1), count)?;
        if burst > jobs {
            return Err(format!("a burst of {burst} is more than its {jobs} jobs; lower one"));
        }
        Ok(Self { jobs, per, burst })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per = units::show(self.per.0 / 1_000_000, &units::DURATION);
        write!(f, "{}/{per}", self.jobs)?;
        if self.burst > 1 { write!(f, " burst {}", self.burst) } else { Ok(()) }
    }
}

impl TryFrom<String> for Rate {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::read(&text)
    }
}

impl From<Rate> for String {
    fn from(rate: Rate) -> Self {
        rate.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_read_as_people_write_it_and_written_as_it_is_read() {
        let rate = |jobs, per, burst| Ok(Rate { jobs, per: Span::from_millis(per), burst });
        for (text, expected) in [
            ("100/1m", rate(100, 60_000, 1)),
            ("100/1m burst 20", rate(100, 60_000, 20)),
            ("1/500ms", rate(1, 500, 1)),
            ("1000000/7d", rate(1_000_000, 604_800_000, 1)),
        ] {
            assert_eq!(Rate::read(text), expected, "{text}");
            assert_eq!(expected.unwrap().to_string(), text);
        }
        // Its time is written as any other.
        for (text, per) in [("1/1w", 604_800_000), ("1/1h30m burst 1", 5_400_000)] {
            assert_eq!(Rate::read(text), rate(1, per, 1), "{text}");
        }
    }

    #[test]
    fn whatever_is_no_rate_is_refused_with_the_cure() {
        for bad in
            ["", "100", "100/", "/1m", "x/1m", "1/1", "1/m", "-1/1m", "1/1m burst", "1/1mburst 2"]
        {
            assert_eq!(Rate::read(bad), Err(RATE_RULE.to_owned()), "{bad}");
        }
        for (bad, told) in [
            ("0/1m", "0 jobs are not allowed; expected 1 to 1000000"),
            ("1000001/1m", "1000001 jobs are not allowed; expected 1 to 1000000"),
            ("5/0s", "its time is from 1ms to 7d"),
            ("5/8d", "its time is from 1ms to 7d"),
            ("5/1w1ms", "its time is from 1ms to 7d"),
            ("5/99999999999999999999d", "its time is from 1ms to 7d"),
            ("5/1m burst 0", "0 jobs are not allowed; expected 1 to 1000000"),
            ("5/1m burst 6", "a burst of 6 is more than its 5 jobs; lower one"),
        ] {
            assert_eq!(Rate::read(bad), Err(told.to_owned()), "{bad}");
        }
    }
}

//! What an expression means, in words: not as it is written, but as it was understood, so that a mistake shows.

use std::fmt::Write as _;

use ostler_job::units;

use super::{Expression, Fields};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
/// So many times of a day are listed.
const TIMES_MAX: u32 = 8;

impl Expression {
    /// In words: `at 02:30 on Monday to Friday`.
    pub fn words(&self) -> String {
        match self {
            Self::Fields(fields) => fields.words(),
            Self::Every(span) => {
                format!("every {}", units::show(span.0 / 1_000_000, &units::DURATION))
            }
            Self::Reboot => "once for each start of the host".to_owned(),
        }
    }
}

impl Fields {
    fn words(&self) -> String {
        let mut text = self.time_words();
        let days = self.days.words();
        let months = set(self.months, 1..=12);
        if months.len() < 12 {
            let names = runs(&months, |it| MONTHS[usize::from(it) - 1].to_owned());
            let _ = write!(text, "{} in {names}", days.as_deref().unwrap_or(" every day"));
        } else if let Some(days) = days {
            text += &days;
        } else if self.hours != all(0, 23) {
            text += " every day";
        }
        if let Some(years) = &self.years {
            let has =
                |year: &u16| years[usize::from(year - 1970) / 64] & 1 << ((year - 1970) % 64) != 0;
            let years: Vec<u16> = (1970..=2199).filter(has).collect();
            let _ = write!(text, " in {}", runs(&years, |it| it.to_string()));
        }
        text
    }

    fn time_words(&self) -> String {
        let times = self.hours.count_ones() * self.minutes.count_ones() * self.seconds.count_ones();
        if times <= TIMES_MAX {
            return format!("at {}", and(&self.times()));
        }
        let hours = set(self.hours, 0..=23);
        let of_hours = match hours.len() {
            24 => " of every hour".to_owned(),
            1 => format!(" of the hour {}", hours[0]),
            _ => format!(" of the hours {}", runs(&hours, |it| it.to_string())),
        };
        let minutes = set(self.minutes, 0..=59);
        let (mut text, is_whole) = match (minutes.len(), step(&minutes, 60)) {
            (60, _) => ("every minute".to_owned(), true),
            (_, Some(step)) => (format!("every {step} minutes"), true),
            (1, _) => (format!("at minute {}", minutes[0]), false),
            _ => (format!("at the minutes {}", runs(&minutes, |it| it.to_string())), false),
        };
        if !is_whole || hours.len() < 24 {
            text += &of_hours;
        }
        if self.seconds == 1 {
            return text;
        }
        let seconds = set(self.seconds, 0..=59);
        let of_minute = if minutes.len() == 60 && hours.len() == 24 {
            String::new()
        } else {
            format!(", {text}")
        };
        match (seconds.len(), step(&seconds, 60)) {
            (60, _) => format!("every second{of_minute}"),
            (_, Some(step)) => format!("every {step} seconds{of_minute}"),
            _ => format!(
                "at the seconds {} of each minute{of_minute}",
                runs(&seconds, |it| it.to_string())
            ),
        }
    }

    fn times(&self) -> Vec<String> {
        let mut times = Vec::new();
        for hour in set(self.hours, 0..=23) {
            for minute in set(self.minutes, 0..=59) {
                for second in set(self.seconds, 0..=59) {
                    let seconds =
                        if self.seconds == 1 { String::new() } else { format!(":{second:02}") };
                    times.push(format!("{hour:02}:{minute:02}{seconds}"));
                }
            }
        }
        times
    }
}

impl super::Days {
    /// ` on …`; `None`: every day.
    fn words(&self) -> Option<String> {
        let (month, week) = (self.month_words(), self.week_words());
        match (month, week) {
            (None, None) => None,
            (Some(month), None) if self.both => Some(format!(" on {month}")),
            (None, Some(week)) if self.both => Some(format!(" on {week}")),
            (Some(month), Some(week)) if self.both => Some(format!(" on {month} if it is {week}")),
            (Some(month), Some(week)) => Some(format!(" on {month} and on {week}")),
            // One of them is every day.
            (Some(_), None) | (None, Some(_)) => None,
        }
    }

    fn month_words(&self) -> Option<String> {
        let days = set(self.month, 1..=31);
        if days.len() == 31 {
            return None;
        }
        let mut parts = Vec::new();
        if !days.is_empty() {
            parts.push(format!("the {}", runs(&days, ordinal)));
        }
        for day in set(self.nearest, 1..=31) {
            parts.push(format!("the weekday nearest to the {}", ordinal(day)));
        }
        if self.last {
            parts.push("the last day of the month".to_owned());
        }
        if self.last_weekday {
            parts.push("the last weekday of the month".to_owned());
        }
        Some(and(&parts))
    }

    fn week_words(&self) -> Option<String> {
        let days = set(self.week, 0..=6);
        if days.len() == 7 {
            return None;
        }
        let name = |it: u16| WEEKDAYS[usize::from(it)].to_owned();
        let mut parts = Vec::new();
        if !days.is_empty() {
            parts.push(runs(&days, name));
        }
        let weeks = ["first", "second", "third", "fourth", "fifth"];
        for (which, days) in weeks.into_iter().zip(self.nth).chain([("last", self.last_week)]) {
            for day in set(u64::from(days), 0..=6) {
                parts.push(format!("the {which} {} of the month", name(day)));
            }
        }
        Some(and(&parts))
    }
}

fn all(low: u32, high: u32) -> u64 {
    (low..=high).fold(0, |set, it| set | 1 << it)
}

fn set(bits: u64, among: std::ops::RangeInclusive<u16>) -> Vec<u16> {
    among.filter(|it| bits & 1 << it != 0).collect()
}

/// The step of values that begin with zero and go round evenly.
fn step(values: &[u16], of: u16) -> Option<u16> {
    let (&[0, step, ..], true) = (values, values.len() > 1) else { return None };
    let even = of.is_multiple_of(step) && values.len() == usize::from(of / step);
    (even && values.windows(2).all(|it| it[1] - it[0] == step)).then_some(step)
}

/// Three and more in a row are the first to the last.
fn runs(values: &[u16], name: impl Fn(u16) -> String) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut rest = values;
    while let Some(&first) = rest.first() {
        let row = rest.iter().zip(first..).take_while(|(at, expected)| **at == *expected).count();
        if row > 2 {
            parts.push(format!("{} to {}", name(first), name(rest[row - 1])));
            rest = &rest[row..];
        } else {
            parts.push(name(first));
            rest = &rest[1..];
        }
    }
    and(&parts)
}

fn and(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

fn ordinal(n: u16) -> String {
    let ending = match (n % 10, n / 10) {
        (1, 0 | 2 | 3) => "st",
        (2, 0 | 2) => "nd",
        (3, 0 | 2) => "rd",
        _ => "th",
    };
    format!("{n}{ending}")
}

#[cfg(test)]
mod tests {
    use crate::{Dialect, Expression};

    #[test]
    fn an_expression_is_said_as_it_was_understood() {
        for (text, words) in [
            ("* * * * *", "every minute"),
            ("*/5 * * * *", "every 5 minutes"),
            ("*/7 * * * *", "at the minutes 0, 7, 14, 21, 28, 35, 42, 49 and 56 of every hour"),
            ("15 * * * *", "at minute 15 of every hour"),
            ("30 2 * * *", "at 02:30 every day"),
            ("30 2 * * MON-FRI", "at 02:30 on Monday to Friday"),
            ("0 9,17 1,15 * *", "at 09:00 and 17:00 on the 1st and 15th"),
            ("*/10 9-17 * * 1-5", "every 10 minutes of the hours 9 to 17 on Monday to Friday"),
            ("0 0 13 * FRI", "at 00:00 on the 13th and on Friday"),
            ("0 0 13 * +FRI", "at 00:00 on the 13th if it is Friday"),
            ("0 0 L 3,10 *", "at 00:00 on the last day of the month in March and October"),
            ("0 0 15W * *", "at 00:00 on the weekday nearest to the 15th"),
            (
                "0 0 * * MON#2,FRI#L",
                "at 00:00 on the second Monday of the month and the last Friday of the month",
            ),
            ("0 12 * 6-8 *", "at 12:00 every day in June to August"),
            ("*/15 * * * * *", "every 15 seconds"),
            ("10 30 2 * * * 2027-2029", "at 02:30:10 every day in 2027 to 2029"),
            (
                "0 0 */2 * *",
                "at 00:00 on the 1st, 3rd, 5th, 7th, 9th, 11th, 13th, 15th, 17th, 19th, 21st, 23rd, 25th, 27th, 29th and 31st",
            ),
            ("@every 90s", "every 90s"),
            ("@reboot", "once for each start of the host"),
        ] {
            let it = Expression::parse(text, "a", Dialect::Standard).expect("it is right");
            assert_eq!(it.words(), words, "{text}");
        }
        let vixie = Expression::parse("0 0 */2 * MON", "a", Dialect::Vixie).expect("it is right");
        assert!(vixie.words().ends_with("31st if it is Monday"), "{}", vixie.words());
    }
}

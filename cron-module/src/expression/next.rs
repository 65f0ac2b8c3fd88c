//! The next time of a day that fields let through, in the calendar alone: without zones, and so without gaps.

use jiff::civil::{Date, DateTime, Time, date};

use super::Fields;

/// The first year is the first that has a number in computers, and the last one that an expression can name.
const YEARS: std::ops::RangeInclusive<i16> = 1970..=2199;
/// Where there is nothing before.
pub(crate) const FIRST: DateTime = date(1970, 1, 1).at(0, 0, 0, 0);
/// And nothing after.
pub(super) const LAST: Date = date(2199, 12, 31);

impl Fields {
    /// The first that is not before this one, which has no part of a second; `None`: there is none until the year 2199.
    pub(crate) fn next(&self, from: DateTime) -> Option<DateTime> {
        let from = from.max(FIRST);
        if let Some(date) = self.day(from.date()).filter(|&it| it == from.date())
            && let Some(time) = self.time(from.time())
        {
            return Some(date.to_datetime(time));
        }
        let date = self.day(from.date().tomorrow().ok()?)?;
        Some(date.to_datetime(self.time(Time::midnight())?))
    }

    /// The first day that is not before this one.
    fn day(&self, date: Date) -> Option<Date> {
        self.day_until(date, LAST)
    }

    /// The same, where it is not after another: nobody looks through decades for a day that he has no use for.
    pub(super) fn day_until(&self, mut date: Date, last: Date) -> Option<Date> {
        while date <= last {
            if !YEARS.contains(&date.year()) {
                return None;
            }
            if !self.has_year(date.year()) {
                date = Date::new(date.year() + 1, 1, 1).ok()?;
            } else if self.months & 1 << date.month() == 0 {
                date = date.last_of_month().tomorrow().ok()?;
            } else if self.days.has(date) {
                return Some(date);
            } else {
                date = self.days.after(date)?;
            }
        }
        None
    }

    fn has_year(&self, year: i16) -> bool {
        let Some(years) = &self.years else { return true };
        let bit = usize::from((year - YEARS.start()).unsigned_abs());
        years[bit / 64] & 1 << (bit % 64) != 0
    }

    /// The first time of a day that is not before this one.
    fn time(&self, from: Time) -> Option<Time> {
        let [hour, minute, second] =
            [from.hour(), from.minute(), from.second()].map(|it| u32::from(it.unsigned_abs()));
        let (minutes, seconds) = (bit_from(self.minutes, 0)?, bit_from(self.seconds, 0)?);
        let in_minute = || Some((minute, bit_from(self.seconds, second)?));
        let in_hour = || {
            let here = if self.minutes & 1 << minute == 0 { None } else { in_minute() };
            here.or_else(|| Some((bit_from(self.minutes, minute + 1)?, seconds)))
        };
        let here = if self.hours & 1 << hour == 0 { None } else { in_hour() };
        let (hour, minute, second) = match here {
            Some((minute, second)) => (hour, minute, second),
            None => (bit_from(self.hours, hour + 1)?, minutes, seconds),
        };
        Time::new(hour as i8, minute as i8, second as i8, 0).ok()
    }
}

/// The lowest bit that is set from this one on.
fn bit_from(set: u64, from: u32) -> Option<u32> {
    let rest = set.checked_shr(from).filter(|&it| it != 0)?;
    Some(from + rest.trailing_zeros())
}

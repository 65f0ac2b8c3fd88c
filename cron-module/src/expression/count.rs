//! How many times there are between two of the calendar, without going from one to the next: a year of every second has 31 million.

use jiff::civil::{DateTime, Time};

use super::Fields;
use super::next::{FIRST, LAST};

impl Fields {
    /// How many are not before `from` and are before `to`; neither has a part of a second.
    pub(crate) fn count(&self, from: DateTime, to: DateTime) -> u64 {
        let from = from.max(FIRST);
        if to <= from {
            return 0;
        }
        if self.is_each_day() && to.date() <= LAST {
            let days = from.date().duration_until(to.date()).as_hours().unsigned_abs() / 24;
            return days * self.of_a_day() + self.before(to.time()) - self.before(from.time());
        }
        let mut count = 0;
        let mut next = self.day_until(from.date(), to.date());
        while let Some(date) = next {
            count += if date == to.date() { self.before(to.time()) } else { self.of_a_day() };
            if date == from.date() {
                count -= self.before(from.time());
            }
            next = date.tomorrow().ok().and_then(|it| self.day_until(it, to.date()));
        }
        count
    }

    fn is_each_day(&self) -> bool {
        ones(self.months) == 12 && self.years.is_none() && self.days.is_each()
    }

    /// Some time of each hour of a day is one.
    pub(crate) fn is_each_hour(&self) -> bool {
        ones(self.hours) == 24
    }

    fn of_a_day(&self) -> u64 {
        ones(self.hours) * ones(self.minutes) * ones(self.seconds)
    }

    /// How many times of a day are before this one.
    fn before(&self, time: Time) -> u64 {
        let [hour, minute, second] =
            [time.hour(), time.minute(), time.second()].map(|it| u32::from(it.unsigned_abs()));
        let mut count = ones(below(self.hours, hour)) * ones(self.minutes) * ones(self.seconds);
        if self.hours & 1 << hour != 0 {
            count += ones(below(self.minutes, minute)) * ones(self.seconds);
            if self.minutes & 1 << minute != 0 {
                count += ones(below(self.seconds, second));
            }
        }
        count
    }
}

fn ones(set: u64) -> u64 {
    u64::from(set.count_ones())
}

/// The bits of a set below one; `bit` is below 64.
fn below(set: u64, bit: u32) -> u64 {
    set & ((1 << bit) - 1)
}

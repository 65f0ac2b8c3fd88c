//! Days of the month and of the week, with the letters that only they have.

use jiff::civil::{Date, Weekday};

use super::Dialect;
use super::fault::Fault;
use super::field::{Kind, Part, Reader, value};

/// The days that two fields let through together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Days {
    /// Days of the month.
    pub(super) month: u64,
    /// Days of the month that stand for the weekday next to them (`15W`).
    pub(super) nearest: u64,
    /// The last day of the month (`L`), and the last weekday (`LW`).
    pub(super) last: bool,
    pub(super) last_weekday: bool,
    /// Days of the week, from Sunday on.
    pub(super) week: u64,
    /// Those in their first to fifth week of the month (`FRI#2`), and in their last (`FRI#L`, `5L`).
    pub(super) nth: [u8; 5],
    pub(super) last_week: u8,
    /// A day has to be of both; else of one of them.
    pub(super) both: bool,
}

impl Days {
    pub(crate) fn parse(
        (day_at, day): (usize, &str),
        (week_at, week): (usize, &str),
        (day_kind, week_kind): (&Kind, &Kind),
        reader: Reader<'_>,
    ) -> Result<Self, Fault> {
        let (plus, week_at, week) = match week.strip_prefix('+') {
            Some(rest) => (true, week_at + 1, rest),
            None => (false, week_at, week),
        };
        let is_star = |field: &str| match reader.dialect {
            // One among others restricts nothing as well.
            Dialect::Standard => field.split(',').any(|it| it == "*" || it == "?"),
            Dialect::Vixie => field.starts_with(['*', '?']),
        };
        let mut days = Self {
            month: 0,
            nearest: 0,
            last: false,
            last_weekday: false,
            week: 0,
            nth: [0; 5],
            last_week: 0,
            both: plus || is_star(day) || is_star(week),
        };
        for part in (Part { at: day_at, text: day }).split(',') {
            days.add_of_month(day_kind, part, reader)?;
        }
        for part in (Part { at: week_at, text: week }).split(',') {
            days.add_of_week(week_kind, part, reader)?;
        }
        Ok(days)
    }

    fn add_of_month(
        &mut self,
        kind: &Kind,
        part: Part<'_>,
        reader: Reader<'_>,
    ) -> Result<(), Fault> {
        match part.text {
            "?" => self.month |= reader.days(kind, Part { text: "*", ..part })?,
            "L" => self.last = true,
            "LW" | "WL" => self.last_weekday = true,
            text if text.starts_with("L-") => {
                let what = format!("{text} would count back from the last day");
                let cure = "write L for that one, or the days that are meant (26-29)";
                return Err(Fault::new(part.range(), what, cure));
            }
            text => match text.strip_suffix('W') {
                Some(day) => self.nearest |= 1 << value(kind, Part { text: day, ..part })?,
                None => self.month |= reader.days(kind, part)?,
            },
        }
        Ok(())
    }

    fn add_of_week(
        &mut self,
        kind: &Kind,
        part: Part<'_>,
        reader: Reader<'_>,
    ) -> Result<(), Fault> {
        let weekday = |text| Ok::<_, Fault>(value(kind, Part { text, ..part })? % 7);
        if let Some((day, nth)) = part.text.split_once('#') {
            let day = weekday(day)?;
            match nth {
                "1" | "2" | "3" | "4" | "5" => {
                    self.nth[usize::from(nth.as_bytes()[0] - b'1')] |= 1 << day;
                }
                "L" => self.last_week |= 1 << day,
                _ => {
                    let what = format!("there is no week {nth:?} of a month");
                    let cure = "write #1 to #5, or #L for the last";
                    return Err(Fault::new(part.range(), what, cure));
                }
            }
        } else if let Some(day) = part.text.strip_suffix('L').filter(|it| !it.is_empty()) {
            self.last_week |= 1 << weekday(day)?;
        } else {
            let text = if part.text == "?" { "*" } else { part.text };
            let days = reader.days(kind, Part { text, ..part })?;
            self.week |= (days | days >> 7) & 0x7f;
        }
        Ok(())
    }

    /// Whether it is one of them.
    pub(crate) fn has(&self, date: Date) -> bool {
        if self.both {
            self.has_of_month(date) && self.has_of_week(date)
        } else {
            self.has_of_month(date) || self.has_of_week(date)
        }
    }

    /// Each day is one of them.
    pub(super) fn is_each(&self) -> bool {
        self.both && self.month.count_ones() == 31 && self.week.count_ones() == 7
    }

    /// The first day after one that may be one of them: those that are named are skipped to.
    pub(crate) fn after(&self, date: Date) -> Option<Date> {
        let has_letters = self.last || self.last_weekday || self.nearest != 0;
        let named = self.month >> (date.day() + 1);
        if !self.both || has_letters {
            return date.tomorrow().ok();
        }
        let day = i16::from(date.day()) + 1 + named.trailing_zeros() as i16;
        if day > i16::from(date.days_in_month()) {
            return date.last_of_month().tomorrow().ok();
        }
        Date::new(date.year(), date.month(), day as i8).ok()
    }

    fn has_of_month(&self, date: Date) -> bool {
        let (day, length) = (date.day(), date.days_in_month());
        self.month & 1 << day != 0
            || (self.last && day == length)
            || (self.last_weekday && weekday_near(date, length) == Some(day))
            || (self.nearest != 0 && self.is_nearest(date))
    }

    /// Whether the day is the weekday next to a day that is named; three days about it can be.
    fn is_nearest(&self, date: Date) -> bool {
        let day = date.day();
        let named = (day - 2).max(1)..=(day + 2).min(date.days_in_month());
        named
            .into_iter()
            .any(|it| self.nearest & 1 << it != 0 && weekday_near(date, it) == Some(day))
    }

    fn has_of_week(&self, date: Date) -> bool {
        let weekday = 1_u8 << date.weekday().to_sunday_zero_offset();
        let week = usize::from((date.day() - 1).unsigned_abs()) / 7;
        self.week & u64::from(weekday) != 0
            || self.nth[week] & weekday != 0
            || (self.last_week & weekday != 0 && date.day() + 7 > date.days_in_month())
    }
}

/// The day from Monday to Friday that is nearest to a day of the date's month, and in that month; `None` if it has no such day.
fn weekday_near(date: Date, day: i8) -> Option<i8> {
    let length = date.days_in_month();
    let named = Date::new(date.year(), date.month(), day).ok()?;
    Some(match named.weekday() {
        Weekday::Saturday if day == 1 => 3,
        Weekday::Saturday => day - 1,
        Weekday::Sunday if day == length => day - 2,
        Weekday::Sunday => day + 1,
        Weekday::Monday
        | Weekday::Tuesday
        | Weekday::Wednesday
        | Weekday::Thursday
        | Weekday::Friday => day,
    })
}

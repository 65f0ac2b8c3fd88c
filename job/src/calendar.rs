//! A wall clock that is not believed at once.
//!
//! Lengths of time are measured with [`Mono`]. What has a date needs the wall clock, which people, daemons and machines without a
//! battery set wrongly now and then, by decades too. What follows from a leap cannot be taken back: records that were kept long
//! enough are deleted, jobs run. So a small step is followed at once, and a leap ahead when it has lasted.

use crate::{Mono, Now, Span, Wall};

/// A step of more than an hour, and what its reading takes, is a leap.
const LEAP_MS: i64 = 61 * 60_000;
/// A leap that has lasted so long is no mistake.
const BELIEVED_AFTER: Span = Span::from_secs(3600);

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Calendar {
    /// The date at a moment: from there it goes on as time passes.
    mono: Mono,
    date: Wall,
    /// What the wall clock said.
    said: Wall,
    /// How far the wall clock is ahead of it, in milliseconds, while it is not believed.
    off: i64,
    /// Since when it has been too far off; `None`: it is not, or that was told.
    doubted: Option<Mono>,
}

/// What a reading of the wall clock has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Nothing unusual.
    Steady,
    /// It has leapt by so many milliseconds, which is not believed yet.
    Leapt(i64),
    /// A leap ahead has lasted, and is believed now: dates are moments of the wall clock again.
    Believed,
    /// A leap back has lasted as long. It moves no date here; what goes by no other clock begins a new calendar.
    Lasted,
}

impl Calendar {
    /// A calendar that believes the clock as it is.
    pub const fn new(now: Now) -> Self {
        Self { mono: now.mono, date: now.wall, said: now.wall, off: 0, doubted: None }
    }

    /// One that goes on from a date that was certain once.
    pub const fn from(date: Wall, now: Now) -> Self {
        Self { mono: now.mono, date, said: now.wall, off: 0, doubted: None }
    }

    /// Compares the clocks; to be done often.
    pub fn hear(&mut self, now: Now) -> Heard {
        let date = self.at(now.mono);
        let off = signed(now.wall).saturating_sub(signed(date));
        self.said = now.wall;
        if off.abs() <= LEAP_MS {
            *self = Self::new(now);
            return Heard::Steady;
        }
        let step = off.saturating_sub(self.off);
        if self.off == 0 || step.abs() > LEAP_MS {
            (self.off, self.doubted) = (off, Some(now.mono));
            return Heard::Leapt(off);
        }
        // It goes on from where it leapt to: small steps are followed.
        (self.mono, self.date) = (now.mono, Wall(date.0.saturating_add_signed(step)));
        if self.doubted.is_some_and(|since| now.mono - since >= BELIEVED_AFTER) {
            if self.off < 0 {
                self.doubted = None;
                return Heard::Lasted;
            }
            *self = Self::new(now);
            return Heard::Believed;
        }
        Heard::Steady
    }

    /// The date at a moment.
    pub fn at(&self, mono: Mono) -> Wall {
        self.date.after(mono - self.mono)
    }

    /// The date that it is at least: what is older than something by this one is so for certain.
    pub fn at_least(&self) -> Wall {
        self.date.min(self.said)
    }

    /// The moment of this calendar that a date means which is named now.
    pub fn moment(&self, date: Wall, now: Now) -> Wall {
        self.at(now.mono).after(date.since(now.wall))
    }
}

fn signed(wall: Wall) -> i64 {
    i64::try_from(wall.0).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 1_800_000_000_000;
    const DAY: i64 = 86_400_000;

    /// Minutes pass, with the wall clock so much off.
    fn pass(calendar: &mut Calendar, (from, minutes): (u64, u64), off: i64) -> Vec<Heard> {
        let hear = |minute: u64| {
            let mono = Mono(minute * 60_000_000_000);
            let wall = Wall((START + minute * 60_000).saturating_add_signed(off));
            calendar.hear(Now { mono, wall })
        };
        (from..from + minutes).map(hear).filter(|it| *it != Heard::Steady).collect()
    }

    fn new() -> Calendar {
        Calendar::new(Now { mono: Mono(0), wall: Wall(START) })
    }

    #[test]
    fn a_small_step_is_followed_at_once() {
        for off in [3_600_000, -3_600_000, 40] {
            let mut calendar = new();
            assert_eq!(pass(&mut calendar, (1, 1), off), []);
            assert_eq!(calendar.at_least(), Wall((START + 60_000).saturating_add_signed(off)));
        }
    }

    #[test]
    fn a_leap_ahead_is_believed_when_it_has_lasted() {
        for off in [2 * 3_600_000, 40 * DAY, 30_000 * DAY] {
            let mut calendar = new();
            assert_eq!(pass(&mut calendar, (1, 60), off), [Heard::Leapt(off)]);
            assert_eq!(calendar.at_least(), Wall(START + 60 * 60_000));
            assert_eq!(pass(&mut calendar, (61, 9), off), [Heard::Believed]);
            assert_eq!(calendar.at_least(), Wall((START + 69 * 60_000).saturating_add_signed(off)));
        }
    }

    #[test]
    fn a_leap_ahead_that_is_taken_back_never_was() {
        let mut calendar = new();
        for hour in 0..9 {
            let from = hour * 60 + 1;
            assert_eq!(pass(&mut calendar, (from, 30), 40 * DAY), [Heard::Leapt(40 * DAY)]);
            assert_eq!(pass(&mut calendar, (from + 30, 30), 0), []);
        }
        // Nor does one leap after the other add up.
        let leaps = pass(&mut calendar, (541, 50), 40 * DAY).len()
            + pass(&mut calendar, (591, 50), 80 * DAY).len();
        assert_eq!((leaps, calendar.at_least()), (2, Wall(START + 640 * 60_000)));
    }

    #[test]
    fn a_leap_back_moves_no_date_and_certainly_is() {
        let mut calendar = new();
        let back = -40 * DAY;
        assert_eq!(pass(&mut calendar, (1, 6000), back), [Heard::Leapt(back), Heard::Lasted]);
        let mono = Mono(6000 * 60_000_000_000);
        let wall = Wall((START + 6000 * 60_000).saturating_add_signed(back));
        assert_eq!(
            calendar.at(mono),
            Wall(START + 6000 * 60_000),
            "what was an hour ahead still is"
        );
        assert_eq!(calendar.at_least(), wall);
        // A date that is named from now on is as far ahead as it is by that clock.
        let named = calendar.moment(wall.after(Span::from_secs(60)), Now { mono, wall });
        assert_eq!(named, Wall(START + 6001 * 60_000));
        assert_eq!(pass(&mut calendar, (6001, 200), 0), [], "it is back");
    }

    #[test]
    fn a_clock_that_was_wrong_when_it_began_is_doubted_from_the_date_that_is_known() {
        let now = Now { mono: Mono(0), wall: Wall(START + 40 * DAY.unsigned_abs()) };
        let mut calendar = Calendar::from(Wall(START), now);
        assert_eq!(calendar.at_least(), Wall(START));
        assert_eq!(pass(&mut calendar, (0, 60), 40 * DAY), [Heard::Leapt(40 * DAY)]);
        assert_eq!(calendar.at_least(), Wall(START + 59 * 60_000));
    }
}

//! How many firings there are between two moments: counted, and not gone through.

use jiff::{SignedDuration, Timestamp};
use ostler_job::Wall;

use super::{Change, Fold, Timing};
use crate::expression::{Expression, Fields};

/// The 3rd of January 2200, in UTC: wherever it is, the last year of expressions is over.
const END: u64 = 7_258_291_200;

impl Timing {
    /// How many firings are after a moment and not after another.
    pub fn count(&self, after: Wall, until: Wall) -> u64 {
        if until <= after {
            return 0;
        }
        match &self.expression {
            Expression::Fields(fields) => self.count_of(fields, after, until).unwrap_or_default(),
            Expression::Every(span) => {
                let step = span.0 / 1_000_000;
                let steps = |to: Wall| to.0.saturating_sub(self.anchor.0) / step;
                steps(until) - steps(after)
            }
            Expression::Reboot => 0,
        }
    }

    /// Goes from stretch to stretch, as whoever looks for the next one does.
    fn count_of(&self, fields: &Fields, after: Wall, until: Wall) -> Option<u64> {
        let (mut from, stop) = (second_after(after)?, second_after(until)?);
        let mut begin = self.last_change(from);
        let mut count = 0;
        while from < stop {
            let end = self.next_change(from).filter(|it| it.at < stop);
            let to = end.map_or(stop, |it| it.at);
            count += self.count_in(fields, (from, to), begin);
            begin = end;
            from = to;
        }
        Some(count)
    }

    /// Within one stretch that began so.
    fn count_in(
        &self,
        fields: &Fields,
        (from, to): (Timestamp, Timestamp),
        begin: Option<Change>,
    ) -> u64 {
        let offset = self.zone.to_offset(from);
        let mut local = offset.to_datetime(from);
        let mut count = 0;
        if let Some(begin) = begin {
            if begin.at == from && self.in_gap(fields, begin).is_some() {
                // One that is due at the end of the gap anyway is the same.
                count = 1;
                local = local.saturating_add(SignedDuration::from_secs(1));
            }
            if begin.is_back() && !fields.by_elapsed && self.fold == Fold::First {
                local = local.max(begin.from);
            }
        }
        count + fields.count(local, offset.to_datetime(to))
    }
}

/// The first whole second after a moment, and none that is far beyond the last year of expressions.
fn second_after(moment: Wall) -> Option<Timestamp> {
    Timestamp::from_second((moment.0 / 1_000 + 1).min(END) as i64).ok()
}

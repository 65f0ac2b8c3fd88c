//! What becomes of the moments at which a schedule is due.
//!
//! Those that are due and not decided are a row in time: first those that were *missed*, then those that are *on time*, since a gateway
//! that is awake stays so. Of the missed ones all but the last few are told together, and counted without going through them; then each
//! one has its turn, and the firings before it are what may be in its way.
//!
//! With jitter a firing is looked at later than it is due, and that is when somebody has to be awake; but one that was due before its
//! schedule was resumed was missed although its jitter had not passed, since whoever pauses means the times that are written.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::ops::Bound;

use ostler_job::Wall;
use ostler_job::durable::{Fate, Firing, MissedPolicy, OverlapPolicy, Schedule};
use ostler_module::{Clock, Decided, Round, Standing};

use crate::plan::CronPlan;

/// The last one due is on time when it is late by so many milliseconds at most, though nobody was awake.
const LATE_MAX: u64 = 60_000;
/// So many firings are gone through in one round, which keeps it short; the next round goes on from its cursor.
pub(crate) const STEPS_MAX: usize = 100;

impl CronPlan {
    pub(crate) fn decide(&self, standing: &Standing<'_>, clock: Clock) -> Round {
        let mut turns = Turns::new(self.overlap, standing);
        let Some(latest) = clock.now.0.checked_sub(self.offset) else { return turns.round };
        let rest = Rest {
            plan: self,
            standing,
            from: self.within(standing.cursor),
            to: Wall(latest).min(self.ends),
        };
        let missed_to = rest.missed_to(standing.resumed_at, clock, Wall(latest));
        let singly = rest.missed_together(missed_to, Wall(latest));
        // The last one may be known, and it is behind as well.
        let count = |after, until| self.timing.count(after, until);
        if let Some(last) = last(count, rest.from, singly, 1) {
            turns.round.cursor = last;
            turns.round.decided.extend(rest.together(singly));
        }
        let dues = std::iter::successors(self.first(singly), |due| self.first(*due));
        for due in dues.take_while(|due| *due <= rest.to).take(STEPS_MAX) {
            turns.round.cursor = due;
            turns.take(due);
        }
        turns.round
    }

    pub(crate) fn decide_one(&self, standing: &Standing<'_>, due: Wall) -> Round {
        let mut turns = Turns::new(self.overlap, standing);
        turns.take(due);
        turns.round
    }
}

/// What is due and not decided: after one moment and not after another, but for what is known.
struct Rest<'a> {
    plan: &'a CronPlan,
    standing: &'a Standing<'a>,
    from: Wall,
    to: Wall,
}

impl Rest<'_> {
    /// Up to where they were missed; `latest` is when that was due which is looked at now.
    fn missed_to(&self, resumed_at: Wall, clock: Clock, latest: Wall) -> Wall {
        let asleep = clock.on_time_from.0.saturating_sub(self.plan.offset).saturating_sub(1);
        let missed = Wall(asleep).max(resumed_at).clamp(self.from, self.to.max(self.from));
        let late = Wall(latest.0.saturating_sub(LATE_MAX + 1)).max(resumed_at).max(self.from);
        match self.last(late, self.to, 1) {
            Some(last) if self.count(missed, self.to) == 0 => Wall(last.0 - 1),
            _ => missed,
        }
    }

    /// Up to where the missed are told together; those after it are made up for.
    fn missed_together(&self, missed_to: Wall, latest: Wall) -> Wall {
        let (limit, from) = match self.plan.missed {
            MissedPolicy::Skip => return missed_to,
            MissedPolicy::One if self.count(missed_to, self.to) > 0 => return missed_to,
            MissedPolicy::One => (1, self.from),
            MissedPolicy::All { limit, window } => {
                let from = latest.0.saturating_sub(window.0 / 1_000_000).saturating_sub(1);
                (u64::from(limit), Wall(from).max(self.from))
            }
        };
        self.last(from, missed_to, limit).map_or(missed_to, |first| Wall(first.0 - 1))
    }

    /// All that were missed up to there, as one.
    fn together(&self, to: Wall) -> Option<Decided> {
        let count = self.count(self.from, to);
        if count == 0 {
            return None;
        }
        let mut due = self.plan.first(self.from)?;
        while is_known(self.standing, due) {
            due = self.plan.first(due)?;
        }
        let last = self.last(self.from, to, 1)?;
        let count = count.min(u64::from(Firing::COUNT_MAX)) as u32;
        Some(Decided { due, last, count, fate: Fate::Missed })
    }

    /// How many are after one moment and not after another.
    fn count(&self, after: Wall, until: Wall) -> u64 {
        if until <= after {
            return 0;
        }
        let timing = &self.plan.timing;
        let Standing { fired, waiting, .. } = self.standing;
        let range = (Bound::Excluded(after), Bound::Included(until));
        let known = fired.range(range);
        let known = known.chain(waiting.range(range).filter(|it| !fired.contains(it)));
        // What somebody ordered is known as well, and is none of these.
        let is_due = |at: &&Wall| timing.next(Wall(at.0 - 1)).is_some_and(|it| it.due == **at);
        timing.count(after, until).saturating_sub(known.filter(is_due).count() as u64)
    }

    /// Of these the one that is the `nth` from the end, or the first of them where they are fewer.
    fn last(&self, after: Wall, until: Wall, nth: u64) -> Option<Wall> {
        last(|after, until| self.count(after, until), after, until, nth)
    }
}

/// Of those that are counted between two moments the one that is the `nth` from the end, or the first of them where they are fewer. Time
/// goes back in windows that grow, so that nothing is counted that is far from it.
fn last(count: impl Fn(Wall, Wall) -> u64, after: Wall, until: Wall, mut nth: u64) -> Option<Wall> {
    let (mut high, mut length) = (until, 1_000_u64);
    let mut first = None;
    while high > after {
        let low = Wall(high.0.saturating_sub(length)).max(after);
        let within = count(low, high);
        if within >= nth {
            return Some(nearest(count, low, high, nth));
        }
        if within > 0 {
            first = Some((low, high, within));
        }
        (nth, high, length) = (nth - within, low, length.saturating_mul(4));
    }
    first.map(|(low, high, within)| nearest(count, low, high, within))
}

/// The same where there are as many: by halves.
fn nearest(count: impl Fn(Wall, Wall) -> u64, mut low: Wall, mut high: Wall, mut nth: u64) -> Wall {
    while high.0 - low.0 > 1 {
        let middle = Wall(low.0 + (high.0 - low.0) / 2);
        let within = count(middle, high);
        if within >= nth {
            low = middle;
        } else {
            (nth, high) = (nth - within, middle);
        }
    }
    high
}

/// The firings that have their turn one by one, and what is in their way.
struct Turns<'a> {
    overlap: OverlapPolicy,
    standing: &'a Standing<'a>,
    unfinished: usize,
    waiting: BTreeSet<Wall>,
    round: Round,
}

impl<'a> Turns<'a> {
    fn new(overlap: OverlapPolicy, standing: &'a Standing<'a>) -> Self {
        Self {
            overlap,
            standing,
            unfinished: standing.unfinished,
            waiting: standing.waiting.clone(),
            round: Round { cursor: standing.cursor, ..Round::default() },
        }
    }

    /// One has its turn.
    fn take(&mut self, due: Wall) {
        if is_known(self.standing, due) {
            return;
        }
        let fate = self.fate();
        match fate {
            Fate::Fired => self.unfinished += 1,
            Fate::Waiting => {
                self.waiting.insert(due);
            }
            Fate::Overlapped | Fate::Missed | Fate::Refused => {}
        }
        self.round.decided.push(Decided { due, last: due, count: 1, fate });
    }

    fn fate(&mut self) -> Fate {
        if self.unfinished == 0 && self.waiting.is_empty() {
            return Fate::Fired;
        }
        match self.overlap {
            OverlapPolicy::Skip => Fate::Overlapped,
            OverlapPolicy::QueueOne if self.waiting.is_empty() => Fate::Waiting,
            OverlapPolicy::QueueAll if self.waiting.len() < Schedule::WAITING_MAX => Fate::Waiting,
            OverlapPolicy::QueueOne | OverlapPolicy::QueueAll => Fate::Overlapped,
            OverlapPolicy::Replace => self.replace(),
            OverlapPolicy::Allow => Fate::Fired,
        }
    }

    /// What is before it gives way: what runs is ended, and what has not begun does not begin, be it of this round.
    fn replace(&mut self) -> Fate {
        for decided in &mut self.round.decided {
            if matches!(decided.fate, Fate::Fired | Fate::Waiting) {
                decided.fate = Fate::Overlapped;
            }
        }
        self.waiting.clear();
        self.unfinished = self.standing.unfinished;
        self.round.given_up = self.standing.waiting.iter().copied().collect();
        self.round.replaces = self.unfinished > 0;
        if self.unfinished == 0 { Fate::Fired } else { Fate::Waiting }
    }
}

/// It has a job, or waits for one: then it is not decided again, though the cursor is before it.
fn is_known(standing: &Standing<'_>, due: Wall) -> bool {
    standing.fired.contains(&due) || standing.waiting.contains(&due)
}

//! When one schedule fires: its timing, from when on and until when, and by how much later.

use jiff::Timestamp;
use ostler_job::Wall;
use ostler_job::durable::{MissedPolicy, OverlapPolicy, ScheduleName, ScheduleShape};
use ostler_module::{Clock, Plan, Round, Standing};

use crate::expression::Expression;
use crate::expression::spread::spread;
use crate::timing::Timing;

/// The plan of one schedule. There are as many as schedules, so it is small.
#[derive(Debug)]
pub(crate) struct CronPlan {
    pub(crate) timing: Timing,
    /// Not before this one, nor after that one.
    pub(crate) starts: Wall,
    pub(crate) ends: Wall,
    /// Each of them is looked at so many milliseconds after it is due.
    pub(crate) offset: u64,
    pub(crate) missed: MissedPolicy,
    pub(crate) overlap: OverlapPolicy,
}

impl CronPlan {
    pub(crate) fn new(name: &ScheduleName, shape: &ScheduleShape, timing: Timing) -> Self {
        Self {
            timing,
            starts: shape.starts.unwrap_or(Wall(0)),
            ends: shape.ends.unwrap_or(Wall(u64::MAX)),
            offset: spread(name.as_str(), "jitter", shape.jitter.0 / 1_000_000 + 1),
            missed: shape.missed,
            overlap: shape.overlap,
        }
    }

    /// The first one that is due after a moment.
    pub(crate) fn first(&self, after: Wall) -> Option<Wall> {
        let next = self.timing.next(self.within(after))?;
        Some(next.due).filter(|due| *due <= self.ends)
    }

    /// The moment, or the last one before the first at which it may fire.
    pub(crate) fn within(&self, after: Wall) -> Wall {
        after.max(Wall(self.starts.0.saturating_sub(1)))
    }
}

impl Plan for CronPlan {
    fn next(&self, cursor: Wall) -> Option<Wall> {
        self.first(cursor).map(|due| Wall(due.0.saturating_add(self.offset)))
    }

    fn coming(&self, after: Wall, max: usize) -> Vec<Wall> {
        std::iter::successors(self.first(after), |due| self.first(*due)).take(max).collect()
    }

    fn is_for_boots(&self) -> bool {
        self.timing.expression == Expression::Reboot
    }

    fn round(&self, standing: &Standing<'_>, clock: Clock) -> Round {
        self.decide(standing, clock)
    }

    fn one(&self, standing: &Standing<'_>, due: Wall) -> Round {
        self.decide_one(standing, due)
    }

    fn shown(&self, moment: Wall) -> String {
        let moment =
            i64::try_from(moment.0).ok().and_then(|it| Timestamp::from_millisecond(it).ok());
        let moment = moment.unwrap_or(Timestamp::MAX);
        moment.display_with_offset(self.timing.zone.to_offset(moment)).to_string()
    }
}

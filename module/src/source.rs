//! Supplies jobs by itself: the other kind of module.

use std::{collections::BTreeSet, fmt};

use ostler_job::{
    Wall,
    durable::{Fate, ScheduleName, ScheduleShape},
};

/// Knows when schedules fire. It remembers nothing of them: what is to be remembered is the driver's, which tells it.
pub trait Source: fmt::Debug + Send + Sync {
    /// The plan of a schedule; `since`: from where on lengths of time are counted ([`ostler_job::durable::Stand::since`]).
    ///
    /// # Errors
    /// When there is no such plan: what is wrong, where in the text, and the cure.
    fn plan(
        &self,
        name: &ScheduleName,
        shape: &ScheduleShape,
        since: Wall,
    ) -> Result<Box<dyn Plan>, String>;

    /// The start of the host that it is now; another text after the next one.
    fn boot(&self) -> &str;
}

/// When one schedule fires, and what becomes of each of its firings.
pub trait Plan: fmt::Debug + Send {
    /// The first moment after the cursor of which something has to be decided: that of the next firing with its jitter. `None`: there
    /// is none any more, or it is not a matter of time.
    fn next(&self, cursor: Wall) -> Option<Wall>;

    /// The next firings after a moment, as they are due, at most `max`.
    fn coming(&self, after: Wall, max: usize) -> Vec<Wall>;

    /// It fires once for each start of the host, and at no other time.
    fn is_for_boots(&self) -> bool;

    /// Decides all that is due by now.
    fn round(&self, standing: &Standing<'_>, clock: Clock) -> Round;

    /// The same of one firing that somebody ordered, or that a start of the host is, at this moment.
    fn one(&self, standing: &Standing<'_>, due: Wall) -> Round;

    /// A moment as people near the schedule read it: RFC 3339, by the clocks of its zone.
    fn shown(&self, moment: Wall) -> String;
}

/// What time it is, to a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// The present.
    pub now: Wall,
    /// What is due from here on is on time: so long somebody who looks all the time may be busy. What came due before that was missed,
    /// but for the last firing of a schedule when it is at most a minute late.
    pub on_time_from: Wall,
}

/// Where a schedule stands, to its plan.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    /// What is due up to here is decided.
    pub cursor: Wall,
    /// What came due up to here is missed, be it ever so little late.
    pub resumed_at: Wall,
    /// Firings that are jobs and have not finished.
    pub unfinished: usize,
    /// When the firings were due that wait for those.
    pub waiting: &'a BTreeSet<Wall>,
    /// When those were due after the cursor that have a job: they are not decided again.
    pub fired: &'a BTreeSet<Wall>,
}

/// What was decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// Up to where.
    pub cursor: Wall,
    /// What becomes of each firing, in the order in which they were due.
    pub decided: Vec<Decided>,
    /// When the firings were due that waited, and do not run any more.
    pub given_up: Vec<Wall>,
    /// What has not finished is to be ended.
    pub replaces: bool,
}

/// What becomes of a firing, or of several that are missed together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decided {
    /// When the first of them was due.
    pub due: Wall,
    /// When the last of them was.
    pub last: Wall,
    /// How many they are, as far as they are counted.
    pub count: u32,
    /// What becomes of it.
    pub fate: Fate,
}

/// Where nothing supplies jobs by itself: no schedule can be made.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSource;

impl Source for NoSource {
    fn plan(
        &self,
        _name: &ScheduleName,
        _shape: &ScheduleShape,
        _since: Wall,
    ) -> Result<Box<dyn Plan>, String> {
        Err("nothing here knows when schedules fire".to_owned())
    }

    fn boot(&self) -> &str {
        ""
    }
}

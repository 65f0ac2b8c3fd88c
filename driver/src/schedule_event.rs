//! What is done to schedules, and what is told of them.

use std::sync::Arc;

use ostler_job::durable::{Schedule, ScheduleName, ScheduleShape};
use ostler_job::{JobId, Wall};

use super::ticket::Ticket;

/// A request to do something to a schedule.
#[derive(Clone, Debug)]
pub struct ScheduleOrder {
    /// Whose request it is.
    pub ticket: Ticket,
    /// The token's name, for the audit trail.
    pub who: String,
    /// The one tenant whose schedules there are for whoever asks; `None`: all of them.
    pub tenant: Option<String>,
    /// Which.
    pub schedule: ScheduleName,
    /// What to do.
    pub verb: ScheduleVerb,
}

/// What an operator does to a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScheduleVerb {
    /// It is made, or its shape changed. It stays paused if it is. With other times than before it goes on from now.
    Put {
        /// What it is.
        shape: Box<ScheduleShape>,
        /// One that is new begins paused.
        paused: bool,
        /// One of that name that there is is left alone.
        new_only: bool,
        /// One that another token put may be changed.
        others: bool,
        /// When those moments of its name were due that have a job already, from now on: there are some where the clock was set back.
        fired: Vec<Wall>,
    },
    /// It does not fire; the cursor stays.
    Pause,
    /// It fires again. What came due meanwhile was missed.
    Resume,
    /// It fires once now, beside its times, paused or not.
    Run,
    /// Whatever is due up to there is decided, and nothing after it but what has a job.
    Cursor {
        /// To where.
        to: Wall,
        /// When those were due after it that have a job, as the store had it at [`ScheduleView::version`].
        fired: Vec<Wall>,
        /// That one: nothing is done when something was decided since.
        version: u64,
    },
    /// It goes on from now if a clock that was wrong had brought it far ahead. Nobody but [`crate::Effect::SetBack`] asks for that.
    SetBack {
        /// When those were due, from now on, that have a job, as the store had it at [`ScheduleView::version`].
        fired: Vec<Wall>,
        /// That one: nothing is done when something was decided since.
        version: u64,
    },
    /// It goes. Its jobs stay.
    Delete,
}

/// A request to tell of schedules.
#[derive(Clone, Debug)]
pub struct ScheduleLook {
    /// Whose request it is.
    pub ticket: Ticket,
    /// Which; `None`: all of them.
    pub schedule: Option<ScheduleName>,
    /// Only those of this tenant; `None`: of all.
    pub tenant: Option<String>,
    /// Those after this one in the order of names.
    pub after: Option<ScheduleName>,
    /// So many at most.
    pub max: usize,
}

/// A schedule as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleView {
    /// What it is.
    pub schedule: Arc<Schedule>,
    /// When it fires next, five times at most, without its jitter.
    pub next: Vec<Wall>,
    /// When the first of these really fires, with its jitter.
    pub next_at: Option<Wall>,
    /// Its firings that have not finished.
    pub unfinished: Vec<JobId>,
    /// When those were due that wait for these.
    pub waiting: Vec<Wall>,
    /// Those of the unfinished that run too long.
    pub too_long: Vec<JobId>,
    /// Another one after each firing that is decided.
    pub version: u64,
    /// It was made just now.
    pub is_new: bool,
    /// The job that an order to run it made.
    pub ran: Option<JobId>,
}

/// Why nothing was done to a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScheduleRefusal {
    /// There is none of that name, or it is another tenant's.
    Unknown,
    /// There is one of that name.
    Taken,
    /// Its shape is the configuration's.
    OfFile,
    /// Another token put it, and whoever asks may not change what others put.
    Others,
    /// It is no schedule: what is wrong, and the cure.
    Unusable(String),
    /// It ended with the configuration that it was in.
    Ended,
    /// It ran, and its job was not taken: why.
    NotTaken(String),
    /// Something was decided since it was looked at: whoever wanted it looks again.
    Changed,
    /// There are as many schedules as may be.
    TooMany(usize),
    /// The tenant has as many as its tokens may make.
    TooManyOfTenant(usize),
}

/// Numbers of schedules for the metrics.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScheduleFigures {
    /// How many there are: those that fire, are paused, paused themselves, have ended.
    pub states: [u64; 4],
    /// How many are overdue.
    pub overdue: u64,
    /// Firings that wait for the one before them.
    pub waiting: u64,
    /// Firings that run too long.
    pub too_long: u64,
    /// Firings in this life of the store by what became of them, in the order of [`ostler_job::durable::Fate::ALL`].
    pub firings: Vec<u64>,
    /// When the first is due of all.
    pub next_due: Option<Wall>,
    /// Each one that has not ended, where they are no more than [`ScheduleFigures::EACH_MAX`].
    pub each: Vec<ScheduleFigure>,
}

impl ScheduleFigures {
    /// More schedules than this have no figures of their own.
    pub const EACH_MAX: usize = 1_000;

    /// How many schedules there are.
    pub fn all(&self) -> u64 {
        self.states.iter().sum()
    }

    /// The words of the states, in the order of [`ScheduleFigures::states`].
    pub const STATES: [&'static str; 4] = ["active", "paused", "faulty", "ended"];
}

/// Numbers of one schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleFigure {
    /// Which.
    pub name: ScheduleName,
    /// It is overdue.
    pub overdue: bool,
    /// When it is due.
    pub next_due: Option<Wall>,
    /// When a firing of it succeeded last.
    pub succeeded_at: Option<Wall>,
    /// Firings of it that run too long.
    pub too_long: u64,
}

//! What a schedule is: its name, its shape, who may change that, where it stands, and each of its firings.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Held, ShapeOwner, Spec, spec::is_default};
use crate::{JobId, Span, Wall, name};

/// The name of a schedule, good by [`name::RULE`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ScheduleName(String);

impl ScheduleName {
    /// A name, if it is one.
    pub fn new(text: &str) -> Option<Self> {
        name::is_good(text).then(|| Self(text.to_owned()))
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ScheduleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ScheduleName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if name::is_good(&text) { Ok(Self(text)) } else { Err(name::RULE) }
    }
}

impl From<ScheduleName> for String {
    fn from(name: ScheduleName) -> Self {
        name.0
    }
}

/// A schedule as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Its name, unique.
    pub name: ScheduleName,
    /// When it fires, and what.
    pub shape: ScheduleShape,
    /// Who may change the shape.
    #[serde(default)]
    pub owner: ShapeOwner,
    /// The name of the token that put it last; `None`: the configuration's, or from before that was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub put_by: Option<String>,
    /// Where it stands.
    pub stand: Stand,
}

impl Schedule {
    /// How many there may be.
    pub const SCHEDULES_MAX: usize = 1_000_000;
    /// Firings of one that may wait for the one before them to finish; the next is skipped.
    pub const WAITING_MAX: usize = 1_000;
}

/// When a schedule fires, and what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleShape {
    /// The expression as it was written.
    pub cron: String,
    /// It is read as crontabs are, by Vixie's word.
    #[serde(default, skip_serializing_if = "is_default")]
    pub vixie: bool,
    /// The time zone by its IANA name.
    pub zone: String,
    /// What fires whose time of day is not there.
    #[serde(default, skip_serializing_if = "is_default")]
    pub gap: GapPolicy,
    /// When that fires whose time of day is there twice.
    #[serde(default, skip_serializing_if = "is_default")]
    pub fold: FoldPolicy,
    /// What becomes of firings that nobody was there for.
    #[serde(default, skip_serializing_if = "is_default")]
    pub missed: MissedPolicy,
    /// What becomes of a firing while the one before it has not finished.
    #[serde(default, skip_serializing_if = "is_default")]
    pub overlap: OverlapPolicy,
    /// It fires up to so much later, always by the same.
    #[serde(default, skip_serializing_if = "is_default")]
    pub jitter: Span,
    /// It does not fire before this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts: Option<Wall>,
    /// Nor after this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<Wall>,
    /// Without a success for so long it is overdue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect_within: Option<Span>,
    /// A firing that has not finished so long after it fired runs too long, which is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_run: Option<Span>,
    /// A firing that was not started so long after it fired expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<Span>,
    /// The job that each firing is, without what is each one's own: [`Spec::firing`], [`Spec::not_before`], [`Spec::expires`].
    pub spec: Spec,
}

impl ScheduleShape {
    /// One that names nothing but its times and what fires.
    pub fn new(cron: impl Into<String>, zone: impl Into<String>, spec: Spec) -> Self {
        Self {
            cron: cron.into(),
            vixie: false,
            zone: zone.into(),
            gap: GapPolicy::default(),
            fold: FoldPolicy::default(),
            missed: MissedPolicy::default(),
            overlap: OverlapPolicy::default(),
            jitter: Span::ZERO,
            starts: None,
            ends: None,
            expect_within: None,
            max_run: None,
            expires_in: None,
            spec,
        }
    }
}

/// What fires in a gap, where clocks are set forward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapPolicy {
    /// At its end, once.
    #[default]
    AfterGap,
    /// Nothing.
    Skip,
}

/// When something fires in a fold, where clocks are set back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FoldPolicy {
    /// The first time.
    #[default]
    First,
    /// Both times.
    Both,
}

/// What becomes of missed firings: those that came due while no gateway was there, or while the schedule was paused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissedPolicy {
    /// Nothing.
    Skip,
    /// The last of them fires, however many they are.
    #[default]
    One,
    /// The last `limit` of those fire that came due at most `window` ago.
    All {
        /// 1 to [`MissedPolicy::LIMIT_MAX`].
        limit: u32,
        /// How long ago.
        window: Span,
    },
}

impl MissedPolicy {
    /// How many may be made up for.
    pub const LIMIT_MAX: u32 = 10_000;
}

/// What becomes of a firing while the one before it, retries included, has not finished.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverlapPolicy {
    /// It does not run.
    #[default]
    Skip,
    /// It waits for that, and those after it do not run.
    QueueOne,
    /// It waits for that, and for those that wait, [`Schedule::WAITING_MAX`] at most.
    QueueAll,
    /// That is ended, and then it runs.
    Replace,
    /// It runs beside it.
    Allow,
}

/// Where a schedule stands: what changes about it by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stand {
    /// When it was made, or the times at which it fires were changed last: from here on `@every` counts.
    pub since: Wall,
    /// When it was made. What its name stood for before may have been another tenant's.
    #[serde(default, skip_serializing_if = "is_default")]
    pub made: Wall,
    /// No job that it made has a lower id, and ids are never given again, whatever becomes of clocks; `None`: not known yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_job: Option<JobId>,
    /// What is due up to here, this moment included, is decided.
    pub cursor: Wall,
    /// What came due up to here, when it was resumed last, is missed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub resumed_at: Wall,
    /// By whom and since when it is paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Held>,
    /// Why it paused itself; the text names the cure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// Since when it is no more in the configuration that it belongs to. It fires no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Wall>,
    /// The start of the host that `@reboot` has fired for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<String>,
    /// When a firing of it succeeded last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub succeeded_at: Option<Wall>,
    /// Since when it is told to be overdue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overdue_at: Option<Wall>,
}

impl Stand {
    /// Whether it fires when its moments come.
    pub const fn fires(&self) -> bool {
        self.paused.is_none() && self.fault.is_none() && self.ended_at.is_none()
    }
}

/// Which firing a job is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FiringKey {
    /// Of which schedule.
    pub schedule: ScheduleName,
    /// The moment at which it was due, or at which somebody ordered it.
    pub due: Wall,
}

/// What became of a moment at which a schedule fires. Each is there once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Firing {
    /// When it was due; of several that were missed together, when the first of them was.
    pub due: Wall,
    /// When the last of them was; [`Firing::due`] where it is one.
    pub last: Wall,
    /// How many they are; 1 unless they were missed together. At most [`Firing::COUNT_MAX`] are counted.
    pub count: u32,
    /// When that was decided.
    pub at: Wall,
    /// What became of it.
    pub fate: Fate,
    /// Its job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobId>,
    /// Who ordered it, beside the times of the schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// What is to be said of it: why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Firing {
    /// Firings that are missed together are counted up to this.
    pub const COUNT_MAX: u32 = 1_000_000;
}

/// What became of a firing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It is a job.
    Fired,
    /// It waits for the one before it to finish.
    Waiting,
    /// It did not run, since the one before it had not finished.
    Overlapped,
    /// It came due while nobody was there, and is not made up for.
    Missed,
    /// Its job was not taken; the detail says why.
    Refused,
}

impl Fate {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 5] =
        [Self::Fired, Self::Waiting, Self::Overlapped, Self::Missed, Self::Refused];

    /// As written in stores; never changed.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The one of a number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// As it is written in answers and metrics.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Fired => "fired",
            Self::Waiting => "waiting",
            Self::Overlapped => "overlapped",
            Self::Missed => "missed",
            Self::Refused => "refused",
        }
    }
}

/// A schedule as a store gives it back, with what of its firings matters for those that come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptSchedule {
    /// It.
    pub schedule: Schedule,
    /// When those firings were due that wait, earliest first.
    pub waiting: Vec<Wall>,
    /// When those were due that have a job although the cursor is before them, as after it was moved back.
    pub fired: Vec<Wall>,
}

//! Schedules as the API shows them.

use std::collections::BTreeMap;

use ostler_driver::ScheduleView as Found;
use ostler_job::{
    JobId, Span, Wall,
    durable::{Fate, Firing, JobState, MissedPolicy, ScheduleShape, Stand},
};
use serde::{Serialize, Serializer};
use serde_json::Value;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

use super::written;
use crate::{
    Api,
    auth::Caller,
    parse::{
        schedule::{self, Missed, MissedWord, ScheduleJob},
        text::{self, LengthOfTime, quoted},
        words::{
            FateName, FoldPolicyName, GapPolicyName, OverlapPolicyName, ShapeOwnerName, State,
        },
    },
    problem::Problem,
    view::{HeldView, Stamp},
};

/// A page of schedules.
#[derive(Serialize, ToSchema)]
pub(crate) struct SchedulePage {
    /// In the order of their names.
    pub(crate) schedules: Vec<ScheduleView>,
    /// The `after` of the next page; null: this is the last.
    pub(crate) next: Option<String>,
}

/// Whether a schedule fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ScheduleState {
    /// It does.
    Active,
    /// Somebody paused it.
    Paused,
    /// It paused itself; `fault` says why.
    Faulty,
    /// It went with the configuration file that it was in.
    Ended,
}

impl ScheduleState {
    pub(crate) const fn of(stand: &Stand) -> Self {
        if stand.ended_at.is_some() {
            Self::Ended
        } else if stand.fault.is_some() {
            Self::Faulty
        } else if stand.paused.is_some() {
            Self::Paused
        } else {
            Self::Active
        }
    }

    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let all = [Self::Active, Self::Paused, Self::Faulty, Self::Ended];
        let is_it = |it: &Self| serde_json::to_value(it).is_ok_and(|word| word == text);
        let bad =
            || format!("{} is not a state; there are active, paused, faulty, ended", quoted(text));
        all.into_iter().find(is_it).ok_or_else(bad)
    }
}

/// A length of time as it is written in requests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written(Span);

impl Written {
    fn of(span: Span) -> Option<Self> {
        (span > Span::ZERO).then_some(Self(span))
    }
}

impl Serialize for Written {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&text::written(self.0))
    }
}

impl PartialSchema for Written {
    fn schema() -> RefOr<Schema> {
        LengthOfTime::schema()
    }
}

impl ToSchema for Written {
    fn name() -> std::borrow::Cow<'static, str> {
        LengthOfTime::name()
    }
}

/// What becomes of missed firings.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum MissedView {
    Word(MissedWord),
    All { limit: u32, window: Written },
}

impl MissedView {
    const fn of(missed: MissedPolicy) -> Self {
        match missed {
            MissedPolicy::Skip => Self::Word(MissedWord::Skip),
            MissedPolicy::One => Self::Word(MissedWord::One),
            MissedPolicy::All { limit, window } => Self::All { limit, window: Written(window) },
        }
    }
}

/// What became of a moment at which a schedule fires.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FiringView {
    /// When it was due; of several that were missed together, when the first of them was.
    due: Stamp,
    /// When the last of them was.
    last: Stamp,
    /// How many they are; 1 unless they were missed together.
    count: u32,
    /// When that was decided.
    at: Stamp,
    fate: FateName,
    /// Milliseconds by which it fired later than it was due, its jitter included; null: it did not fire.
    late_ms: Option<u64>,
    /// Its job; it may be gone by now.
    #[schema(value_type = Option<u64>)]
    job: Option<JobId>,
    /// Where that is on its way; null: there is none, or it is gone.
    state: Option<State>,
    /// Who ordered it, beside the schedule's times; null to a token that is bound to a tenant.
    by: Option<String>,
    /// Why it was refused.
    detail: Option<String>,
}

impl FiringView {
    fn new(firing: &Firing, states: &BTreeMap<JobId, JobState>, caller: &Caller) -> Self {
        let fired = firing.fate == Fate::Fired;
        Self {
            due: Stamp(firing.due),
            last: Stamp(firing.last),
            count: firing.count,
            at: Stamp(firing.at),
            fate: FateName(firing.fate),
            late_ms: fired.then(|| firing.at.0.saturating_sub(firing.due.0)),
            job: firing.job,
            state: firing.job.and_then(|job| states.get(&job).copied()).map(State),
            by: firing.by.clone().filter(|_| caller.tenant().is_none()),
            detail: firing.detail.clone(),
        }
    }
}

/// A schedule.
#[derive(Serialize, ToSchema)]
pub(crate) struct ScheduleView {
    name: String,
    cron: String,
    /// What that says, as it was understood.
    words: String,
    zone: String,
    vixie: bool,
    gap: GapPolicyName,
    fold: FoldPolicyName,
    #[schema(value_type = Missed)]
    missed: MissedView,
    overlap: OverlapPolicyName,
    /// It fires up to so much later; null: at its times.
    jitter: Option<Written>,
    starts: Option<Stamp>,
    ends: Option<Stamp>,
    expect_within: Option<Written>,
    max_run: Option<Written>,
    expires_in: Option<Written>,
    /// What fires, as it would be put again. Null to a token without the scope `read` that steers it.
    #[schema(value_type = Option<ScheduleJob>)]
    job: Option<Value>,
    /// Whose share that is charged to.
    tenant: String,
    /// Who may change its shape: the API, or the configuration file alone.
    owner: ShapeOwnerName,
    /// The token that put it last; null: the configuration file, or to a token that is bound to a tenant.
    put_by: Option<String>,
    state: ScheduleState,
    /// It does not fire, since then; null: nobody paused it.
    paused: Option<HeldView>,
    /// Why it paused itself, and the cure; null: it did not.
    fault: Option<String>,
    /// Since when it is no more in the configuration file.
    ended_at: Option<Stamp>,
    /// What is due up to there is decided.
    cursor: Stamp,
    /// When it fires next, without its jitter, five times at most.
    next: Vec<Stamp>,
    /// When the first of these fires, with its jitter.
    next_at: Option<Stamp>,
    /// What became of it last, five times at most; in lists once.
    last: Vec<FiringView>,
    /// Jobs of it that have not finished.
    #[schema(value_type = Vec<u64>)]
    unfinished: Vec<JobId>,
    /// When those were due that wait for these.
    waiting: Vec<Stamp>,
    /// Those of the unfinished that run longer than `max_run`.
    #[schema(value_type = Vec<u64>)]
    too_long: Vec<JobId>,
    /// It had no success for longer than `expect_within`.
    overdue: bool,
    overdue_since: Option<Stamp>,
    last_success: Option<Stamp>,
    /// In the answer to an order to run it: the job. Null: its firing waits for another one, or did not run for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>, nullable = false)]
    ran: Option<JobId>,
}

/// Schedules, each with what became of it so many times before.
pub(super) async fn all(
    api: &Api,
    caller: &Caller,
    found: Vec<Found>,
    each: usize,
) -> Result<Vec<ScheduleView>, Problem> {
    let mut before = Vec::with_capacity(found.len());
    for it in &found {
        let firings = api.backend().firings(it.schedule.name.clone(), None, each).await?;
        before.push((it.schedule.stand.made, firings));
    }
    let before = firings(api, caller, before).await?;
    let view = |(found, last): (&Found, _)| ScheduleView::new(found, last, caller);
    Ok(found.iter().zip(before).map(view).collect())
}

/// Firings of schedules, each with when that was made, with where their jobs are. A name may have been another tenant's before: a token that is
/// bound to one sees what was decided since, and what its own jobs were.
pub(super) async fn firings(
    api: &Api,
    caller: &Caller,
    found: Vec<(Wall, Vec<Firing>)>,
) -> Result<Vec<Vec<FiringView>>, Problem> {
    let ids: Vec<JobId> = found.iter().flat_map(|it| &it.1).filter_map(|it| it.job).collect();
    let jobs = if ids.is_empty() { Vec::new() } else { api.backend().get(ids).await? };
    let tenants: BTreeMap<JobId, &str> =
        jobs.iter().map(|job| (job.id, job.spec.tenant.as_str())).collect();
    let states = jobs.iter().map(|job| (job.id, job.status.state)).collect();
    let is_seen = |made: Wall, firing: &Firing| {
        let Some(own) = caller.tenant() else { return true };
        let tenant = firing.job.and_then(|job| tenants.get(&job));
        tenant.map_or(firing.at >= made, |it| *it == own)
    };
    let each = |(made, firings): &(Wall, Vec<Firing>)| {
        let seen = firings.iter().filter(|firing| is_seen(*made, firing));
        seen.map(|firing| FiringView::new(firing, &states, caller)).collect()
    };
    Ok(found.iter().map(each).collect())
}

fn stamps(moments: &[Wall]) -> Vec<Stamp> {
    moments.iter().copied().map(Stamp).collect()
}

impl ScheduleView {
    fn new(found: &Found, last: Vec<FiringView>, caller: &Caller) -> Self {
        let schedule = &*found.schedule;
        let (shape, stand) = (&schedule.shape, &schedule.stand);
        let ScheduleShape { cron, vixie, zone, gap, fold, missed, overlap, jitter, .. } = shape;
        Self {
            name: schedule.name.to_string(),
            cron: cron.clone(),
            words: schedule::words(shape, &schedule.name),
            zone: zone.clone(),
            vixie: *vixie,
            gap: GapPolicyName(*gap),
            fold: FoldPolicyName(*fold),
            missed: MissedView::of(*missed),
            overlap: OverlapPolicyName(*overlap),
            jitter: Written::of(*jitter),
            starts: shape.starts.map(Stamp),
            ends: shape.ends.map(Stamp),
            expect_within: shape.expect_within.and_then(Written::of),
            max_run: shape.max_run.and_then(Written::of),
            expires_in: shape.expires_in.and_then(Written::of),
            job: (caller.may_read() || caller.may_submit()).then(|| written::job(&shape.spec)),
            tenant: shape.spec.tenant.clone(),
            owner: ShapeOwnerName(schedule.owner),
            put_by: schedule.put_by.clone().filter(|_| caller.tenant().is_none()),
            state: ScheduleState::of(stand),
            paused: stand.paused.as_ref().map(|held| HeldView::new(held, caller)),
            fault: stand.fault.clone(),
            ended_at: stand.ended_at.map(Stamp),
            cursor: Stamp(stand.cursor),
            next: stamps(&found.next),
            next_at: found.next_at.map(Stamp),
            last,
            unfinished: found.unfinished.clone(),
            waiting: stamps(&found.waiting),
            too_long: found.too_long.clone(),
            overdue: stand.overdue_at.is_some(),
            overdue_since: stand.overdue_at.map(Stamp),
            last_success: stand.succeeded_at.map(Stamp),
            ran: found.ran,
        }
    }
}

//! A schedule as it is put: the object of the API, and what it means.

use axum::body::Body;
use http::HeaderMap;
use ostler_cron_module::{Dialect, Expression};
use ostler_job::{
    Wall,
    durable::{DedupeScope, Input, MissedPolicy, ScheduleName, ScheduleShape, Spec, Work},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

use super::{
    BODY_MAX, Notes,
    build::{self, Given},
    pruned,
    shape::fielded,
    strict,
    submit::Submit,
    text::{Delay, LengthOfTime, Moment, quoted},
    words::{FoldPolicyName, GapPolicyName, OverlapPolicyName},
};
use crate::{
    body,
    problem::{FieldError, Problem},
};

/// Characters of the name of a time zone, at most.
const ZONE_MAX: usize = 64;

/// When something fires, and what. What is left out is as if it had never been set.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ScheduleRequest, example = json!({"cron": "0 3 * * *", "zone": "Europe/Berlin", "job": {"command": "backup --all"}}))]
pub(crate) struct ScheduleRequest {
    /// When it fires: five fields, six with seconds before them, or a word such as `@daily`, `@every 90s` and `@reboot`.
    #[schema(
        required = true,
        nullable = false,
        pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$",
        max_length = 1000
    )]
    cron: Option<String>,
    /// The time zone by its IANA name; the gateway's unless given.
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9._+/-]{0,63}$", example = "Europe/Berlin")]
    zone: Option<String>,
    /// It is read as crontabs are, by Vixie's word.
    vixie: Option<bool>,
    /// What fires whose time of day is not there; `after_gap` unless given.
    gap: Option<GapPolicyName>,
    /// When that fires whose time of day is there twice; `first` unless given.
    fold: Option<FoldPolicyName>,
    /// What becomes of firings that came due while no gateway was there, or while it was paused; `one` unless given.
    missed: Option<Missed>,
    /// What becomes of a firing while the one before it has not finished; `skip` unless given.
    overlap: Option<OverlapPolicyName>,
    /// It fires up to so much later, always by the same.
    jitter: Option<Delay>,
    /// It does not fire before this moment.
    starts: Option<Moment>,
    /// Nor after this one.
    ends: Option<Moment>,
    /// Without a success for so long it is overdue.
    expect_within: Option<LengthOfTime>,
    /// A firing that has not finished so long after it fired runs too long, which is told.
    max_run: Option<LengthOfTime>,
    /// A firing that was not started so long after it fired expires.
    expires_in: Option<LengthOfTime>,
    /// When it is new: it begins paused.
    paused: Option<bool>,
    /// What fires.
    #[schema(required = true, nullable = false)]
    job: Option<ScheduleJob>,
}

fielded!(ScheduleRequest);

/// Missed firings: a word, or the last ones.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Missed {
    Word(MissedWord),
    All(MissedAll),
}

/// None of them fires, or the last one.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MissedWord {
    Skip,
    One,
}

/// The last ones fire.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MissedAll {
    /// So many at most.
    #[schema(minimum = 1, maximum = 10000)]
    limit: u32,
    /// That came due at most so long ago.
    window: LengthOfTime,
}

/// What of a submit is not said of a schedule's job, and the cure.
const NOT_HERE: [(&str, &str); 6] = [
    (
        "not_before",
        "is not for a schedule's job: cron says when it fires, with starts and ends; leave it out",
    ),
    ("delay", "is not for a schedule's job: cron says when it fires, with jitter; leave it out"),
    (
        "expires",
        "is not for a schedule's job; give expires_in beside job, the time from the firing on",
    ),
    ("expires_in", "stands beside job, not in it"),
    (
        "paused",
        "is not for a schedule's job; give paused beside job, or POST /v1/schedules/NAME/pause",
    ),
    ("key", "is not for a schedule's job: each of its moments has one job anyway; leave it out"),
];

/// The job that each firing is: a submit without what each firing has of its own.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct ScheduleJob(Submit);

impl PartialSchema for ScheduleJob {
    fn schema() -> RefOr<Schema> {
        let mut schema = Submit::schema();
        if let RefOr::T(Schema::Object(object)) = &mut schema {
            object.properties.retain(|name, _| NOT_HERE.iter().all(|(other, _)| other != name));
            object.description = Some(
                "The job that each firing is: exactly one of `command`, `argv` and `\"module\": \"noop\"`, with every field of a submit \
                 that is not a firing's own."
                    .to_owned(),
            );
            object.example = Some(serde_json::json!({"command": "backup --all", "timeout": "2h"}));
        }
        schema
    }
}

impl ToSchema for ScheduleJob {
    fn name() -> std::borrow::Cow<'static, str> {
        "ScheduleJob".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Submit::schemas(schemas);
    }
}

/// What was asked for.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) shape: ScheduleShape,
    /// One that is new begins paused.
    pub(crate) paused: bool,
    /// It is not taken when nobody could run its job as things are.
    pub(crate) refuses_unrunnable: bool,
}

/// A body that is a schedule, without what is wrong with it.
pub(crate) async fn object(
    headers: &HeaderMap,
    body: Body,
) -> Result<(ScheduleRequest, Notes), Problem> {
    body::needs_json(headers)?;
    read(&body::read(body, BODY_MAX).await?)
}

fn read(text: &[u8]) -> Result<(ScheduleRequest, Notes), Problem> {
    let mut value = strict::value(text).map_err(|error| build::bad_json(text, &error))?;
    let mut notes = Notes::default();
    if let Some(job) = value.get_mut("job").and_then(Value::as_object_mut) {
        for (name, why) in NOT_HERE {
            if job.remove(name).is_some_and(|it| !it.is_null()) {
                notes.add(format!("/job/{name}"), why);
            }
        }
    }
    if value["job"]["module"] == "noop" {
        let mut own = Notes::default();
        build::nothing_of_a_command(&value["job"], &mut own);
        notes.within("/job", own);
    }
    pruned(value, notes, "expected one object, {\"cron\": …, \"job\": …}")
}

/// A schedule that is written elsewhere in the API's words, as a JSON object. `home`: the time zone of those that name none.
///
/// # Errors
/// All that is wrong, each with a JSON pointer to where.
pub fn shape_of(
    text: &[u8],
    name: &ScheduleName,
    home: &str,
) -> Result<ScheduleShape, Vec<(String, String)>> {
    let given = Given { now: Wall(0), tenant: None, admin: true, waits: false };
    let asked = read(text).and_then(|(request, notes)| asked(request, (name, home), given, notes));
    asked.map(|asked| asked.shape).map_err(|problem| {
        let told = |it: &FieldError| (it.pointer.clone().unwrap_or_default(), it.detail.clone());
        let body = problem.body();
        match body.errors.is_empty() {
            true => vec![(body.pointer.clone().unwrap_or_default(), body.detail.clone())],
            false => body.errors.iter().map(told).collect(),
        }
    })
}

/// What it means. Whether there are such a zone and such a queue is not known here.
pub(crate) fn asked(
    request: ScheduleRequest,
    (name, home): (&ScheduleName, &str),
    given: Given<'_>,
    mut notes: Notes,
) -> Result<Asked, Problem> {
    let vixie = request.vixie.unwrap_or_default();
    request.cron.iter().for_each(|text| expression(text, name, vixie, &mut notes));
    let zone = request.zone.unwrap_or_else(|| home.to_owned());
    self::zone(&zone, &mut notes);
    let missed = request.missed.map(|missed| self::missed(missed, &mut notes));
    let starts = build::parsed(request.starts.map(|it| it.0), "/starts", &mut notes);
    let ends = build::parsed(request.ends.map(|it| it.0), "/ends", &mut notes);
    let jitter = build::parsed(request.jitter.map(|it| it.0), "/jitter", &mut notes);
    let expect_within = build::positive(request.expect_within, "/expect_within", &mut notes);
    let max_run = build::positive(request.max_run, "/max_run", &mut notes);
    let expires_in = build::positive(request.expires_in, "/expires_in", &mut notes);
    let job = request.job.map(|job| self::job(job, given, &mut notes)).transpose()?;
    // What is missing has been told.
    let (Some(cron), Some((spec, refuses_unrunnable)), true) =
        (request.cron, job, notes.0.is_empty())
    else {
        return Err(Problem::fields(notes.0));
    };
    let shape = ScheduleShape {
        cron,
        vixie,
        zone,
        gap: request.gap.map(|it| it.0).unwrap_or_default(),
        fold: request.fold.map(|it| it.0).unwrap_or_default(),
        missed: missed.unwrap_or_default(),
        overlap: request.overlap.map(|it| it.0).unwrap_or_default(),
        jitter: jitter.unwrap_or_default(),
        starts,
        ends,
        expect_within,
        max_run,
        expires_in,
        spec,
    };
    Ok(Asked { shape, paused: request.paused.unwrap_or_default(), refuses_unrunnable })
}

/// The field that a source's complaint is about: the expression by itself has been read.
pub fn field_of(why: &str) -> &'static str {
    const NAMED: [(&str, &str); 9] = [
        ("jitter", "/jitter"),
        ("missed", "/missed"),
        ("starts", "/starts"),
        ("ends", "/ends"),
        ("gap", "/gap"),
        ("fold", "/fold"),
        ("expect_within", "/expect_within"),
        ("max_run", "/max_run"),
        ("expires_in", "/expires_in"),
    ];
    let first = why.split(' ').next().unwrap_or_default();
    if let Some((_, field)) = NAMED.iter().find(|(name, _)| *name == first) {
        return field;
    }
    if why.starts_with("there is no time zone") || why.starts_with("the time zone") {
        "/zone"
    } else if why.contains("write a later end") {
        "/ends"
    } else {
        "/cron"
    }
}

/// What it says, in words; nothing of one that cannot be read any more.
pub(crate) fn words(shape: &ScheduleShape, name: &ScheduleName) -> String {
    let read = Expression::parse(&shape.cron, name.as_str(), dialect(shape.vixie));
    read.map(|expression| expression.words()).unwrap_or_default()
}

const fn dialect(vixie: bool) -> Dialect {
    if vixie { Dialect::Vixie } else { Dialect::Standard }
}

fn expression(text: &str, name: &ScheduleName, vixie: bool, notes: &mut Notes) {
    if text.contains(char::is_control) {
        return notes.add("/cron", "has control characters; write it in one line with spaces");
    }
    if let Err(fault) = Expression::parse(text, name.as_str(), dialect(vixie)) {
        notes.add("/cron", fault.to_string());
    }
}

fn zone(text: &str, notes: &mut Notes) {
    let fit = |c: char| c.is_ascii_alphanumeric() || "._+/-".contains(c);
    let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !begins || text.len() > ZONE_MAX || !text.chars().all(fit) {
        let text =
            format!("{} is not the name of a time zone; write it as Europe/Berlin", quoted(text));
        notes.add("/zone", text);
    }
}

fn missed(asked: Missed, notes: &mut Notes) -> MissedPolicy {
    const MOST: u32 = MissedPolicy::LIMIT_MAX;
    match asked {
        Missed::Word(MissedWord::Skip) => MissedPolicy::Skip,
        Missed::Word(MissedWord::One) => MissedPolicy::One,
        Missed::All(MissedAll { limit, window }) => {
            if !(1..=MOST).contains(&limit) {
                let text =
                    format!("{limit} is not allowed; expected a whole number from 1 to {MOST}");
                notes.add("/missed/limit", text);
            }
            let window = build::positive(Some(window), "/missed/window", notes);
            MissedPolicy::All { limit, window: window.unwrap_or_default() }
        }
    }
}

/// The job, and whether it is refused when nobody could run it.
fn job(
    ScheduleJob(asked): ScheduleJob,
    given: Given<'_>,
    notes: &mut Notes,
) -> Result<(Spec, bool), Problem> {
    let mut own = Notes::default();
    let built =
        build::of_schedule(asked, given, &mut own).map_err(|problem| problem.within("/job"))?;
    firing_fits(&built.spec, &mut own);
    notes.within("/job", own);
    Ok((built.spec, built.refuses_unrunnable))
}

/// What a submit may have, and a firing may not.
fn firing_fits(spec: &Spec, notes: &mut Notes) {
    if let Work::Shell(command) = &spec.work
        && let Input::Payload(_) = command.stdin
    {
        let text = "is kept for as long as a job uses it, which a schedule is not; give the input as text or base64, 32 KiB at most, or \
                    let the command read a file";
        notes.add("/stdin/payload", text);
    }
    if spec.dedupe.as_ref().is_some_and(|it| it.scope == DedupeScope::Done) {
        let text = "done is looked up when somebody submits a job; overlap says what becomes of a firing while another one runs";
        notes.add("/dedupe/scope", text);
    }
}

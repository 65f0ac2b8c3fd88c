//! The query of a URL, and the filter of jobs that it, or the body of a bulk action, describes.

use axum::extract::{FromRequestParts, Path, Query as Pairwise, rejection::PathRejection};
use http::request::Parts;
use ostler_job::{
    JobId, Span, Wall,
    durable::{Filter, IdRange, NameFilter, WaitReason},
};

use super::{
    NOTES_MAX,
    checks::{label_problem, queue_name, schedule_name},
    conditions::{Conditions, may_repeat},
    identity,
    states::{NOT_STARTED, ReasonWord, reasons, states},
    text,
};
use crate::{
    Api,
    problem::{FieldError, Kind, Problem},
};

/// The largest id or sequence number that is looked for: what every JSON reader keeps as it is.
pub(crate) const ID_MAX: u64 = (1 << 53) - 1;
/// Ids in one filter, at most.
const IDS_MAX: usize = 1000;

/// A query as it was sent: names and values, percent escapes resolved.
#[derive(Debug)]
pub(crate) struct Pairs(Vec<(String, String)>);

impl FromRequestParts<Api> for Pairs {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Problem> {
        Pairwise::try_from_uri(&parts.uri)
            .map(|Pairwise(pairs)| Self(pairs))
            .map_err(|error| Problem::parameter("query", error.body_text()))
    }
}

impl Pairs {
    /// Refuses names that are unknown here.
    pub(crate) fn only(self, known: &[&[&str]]) -> Result<Self, Problem> {
        let known: Vec<_> = known.concat();
        let unknown: Vec<_> = self
            .0
            .iter()
            .filter(|(name, _)| !known.contains(&name.as_str()))
            .map(|(name, _)| {
                let detail = match known.is_empty() {
                    true => "there are no parameters here".to_owned(),
                    false => format!("there is no such parameter; there are {}", known.join(", ")),
                };
                wrong(name, detail)
            })
            .take(NOTES_MAX)
            .collect();
        match unknown.is_empty() {
            true => Ok(self),
            false => Err(Problem::parameters(unknown)),
        }
    }

    /// The value of a name that may be there once.
    pub(crate) fn one(&self, name: &str) -> Result<Option<&str>, Problem> {
        let mut values =
            self.0.iter().filter(|(it, _)| it == name).map(|(_, value)| value.as_str());
        match (values.next(), values.next()) {
            (_, Some(_)) => Err(Problem::parameter(name, "is given more than once")),
            (value, None) => Ok(value),
        }
    }

    /// The value of a name, read by a function.
    pub(crate) fn parsed<T>(
        &self,
        name: &str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Problem> {
        let read = |value| read(value).map_err(|detail| Problem::parameter(name, detail));
        self.one(name)?.map(read).transpose()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// A request without a query.
#[derive(Debug)]
pub(crate) struct NoQuery;

impl FromRequestParts<Api> for NoQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        Pairs::from_request_parts(parts, api).await?.only(&[]).map(|_| Self)
    }
}

/// What a path names by a name.
#[derive(Debug)]
pub(crate) struct Named(pub(crate) String);

impl FromRequestParts<Api> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let name = Path::<String>::from_request_parts(parts, api).await;
        let bad = |error: PathRejection| Problem::new(Kind::NotFound, error.body_text());
        name.map(|Path(name)| Self(name)).map_err(bad)
    }
}

fn wrong(name: &str, detail: String) -> FieldError {
    FieldError { parameter: Some(name.to_owned()), detail, ..FieldError::default() }
}

pub(crate) fn flag(text: &str) -> Result<bool, String> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(format!("{} is not allowed; expected true or false", text::quoted(text))),
    }
}

/// A whole number in digits, within bounds.
pub(crate) fn number(text: &str, from: u64, to: u64) -> Result<u64, String> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let number = text.parse().ok().filter(|number| digits && (from..=to).contains(number));
    number.ok_or_else(|| {
        format!(
            "{} is not allowed; expected a whole number from {from} to {to}",
            text::quoted(text)
        )
    })
}

/// Tags of a job, at most.
const TAGS_MAX: usize = 32;

/// A filter by names and values; every value that is wrong is told.
pub(crate) fn filter<'a>(
    pairs: impl Iterator<Item = (&'a str, &'a str)>,
    now: Wall,
) -> Result<Filter, Vec<FieldError>> {
    let mut filter = Filter::default();
    let mut errors = Vec::new();
    let mut once: Vec<&str> = Vec::new();
    for (name, value) in pairs.filter(|(name, _)| Conditions::names().contains(name)) {
        if !may_repeat(name) {
            if once.contains(&name) {
                errors.push(wrong(name, "is given more than once".to_owned()));
            }
            once.push(name);
        }
        if let Err(detail) = condition(&mut filter, name, value, now) {
            errors.push(wrong(name, detail));
        }
    }
    if errors.is_empty() { Ok(filter) } else { Err(errors) }
}

/// What jobs wait for is asked of those that do, one by one; nothing finds them by it.
fn not_kept(word: WaitReason) -> String {
    format!(
        "{word} is what jobs wait for, which is found out job by job when they are listed, together with no other kind of reason; list \
         those that wait for it, and count them or act on their ids"
    )
}

/// The filter of a list, and what its jobs are to wait for; nothing: whatever they do.
pub(crate) fn list_filter<'a>(
    pairs: impl Iterator<Item = (&'a str, &'a str)>,
    now: Wall,
) -> Result<(Filter, Vec<WaitReason>), Vec<FieldError>> {
    let (of_reason, others): (Vec<_>, Vec<_>) = pairs.partition(|(name, _)| *name == "reason");
    let words = of_reason.iter().map(|(_, value)| reasons(value).unwrap_or_default());
    let waits = words.flatten().map(|word| match word {
        ReasonWord::Waits(word) => Some(word),
        ReasonWord::Ended(_) => None,
    });
    // All of them, or what is wrong is told as of any other condition.
    let Some(waits) = waits.collect::<Option<Vec<_>>>().filter(|waits| !waits.is_empty()) else {
        let filter = filter(others.into_iter().chain(of_reason), now)?;
        return Ok((filter, Vec::new()));
    };
    let mut filter = filter(others.into_iter(), now)?;
    if let Some(state) = filter.states.iter().find(|state| !NOT_STARTED.contains(state)) {
        let detail = format!(
            "{state} jobs wait for nothing, and {} is what jobs wait for; leave state out, or name states of jobs that have not started",
            waits[0]
        );
        return Err(vec![wrong("state", detail)]);
    }
    if filter.states.is_empty() {
        filter.states = NOT_STARTED.to_vec();
    }
    Ok((filter, waits))
}

fn condition(filter: &mut Filter, name: &str, value: &str, now: Wall) -> Result<(), String> {
    let label = |max| label_problem(value, max).map(|()| value.to_owned());
    match name {
        "state" => filter.states.extend(states(value)?),
        "reason" => {
            for reason in reasons(value)? {
                match reason {
                    ReasonWord::Ended(reason) => filter.reasons.push(reason),
                    ReasonWord::Waits(word) => return Err(not_kept(word)),
                }
            }
        }
        "tenant" => filter.tenant = Some(label(128)?),
        "tag" if filter.tags.len() == TAGS_MAX => {
            return Err(format!("more than {TAGS_MAX} tags, which is more than a job has"));
        }
        "tag" => filter.tags.push(label(128)?),
        "queue" => filter.queue = Some(queue_name(value)?),
        "schedule" => filter.schedule = Some(schedule_name(value)?),
        "identity" => filter.identity = Some(label(identity::MAX)?),
        "name" => filter.name = Some(called(value)?),
        "runner" => filter.runner = Some(label(128)?),
        "host" => filter.host = Some(label(128)?),
        "user" => filter.user = Some(label(128)?),
        "exit_status" => filter.exit_status = Some(exit_status(value)?),
        "since" => filter.since = Some(moment(value, now)?),
        "until" => filter.until = Some(moment(value, now)?),
        "finished_since" => filter.finished_since = Some(moment(value, now)?),
        "finished_until" => filter.finished_until = Some(moment(value, now)?),
        "text" => filter.text = Some(label(256)?),
        "id" => {
            for id in value.split(',') {
                filter.ids.push(ids(id)?);
            }
            if filter.ids.len() > IDS_MAX {
                return Err(format!(
                    "more than {IDS_MAX} ids or ranges of ids; ask in several requests"
                ));
            }
        }
        // One that is declared and forgotten here must not come to mean every job.
        _ => return Err("is not known here".to_owned()),
    }
    Ok(())
}

/// A name, or with `*` how it begins.
fn called(value: &str) -> Result<NameFilter, String> {
    match value.strip_suffix('*') {
        Some("") => Ok(NameFilter::Begins(String::new())),
        Some(start) => label_problem(start, 128).map(|()| NameFilter::Begins(start.to_owned())),
        None => label_problem(value, 128).map(|()| NameFilter::Is(value.to_owned())),
    }
}

/// `7`, `5-90`, or `5-` for whatever is from there up.
fn ids(value: &str) -> Result<IdRange, String> {
    let id = |text| number(text, 0, ID_MAX).map(JobId);
    let Some((first, last)) = value.split_once('-') else { return id(value).map(IdRange::from) };
    let bad =
        |detail| format!("{} is no range of ids such as 5-90 or 5-: {detail}", text::quoted(value));
    let first = id(first).map_err(bad)?;
    let last = if last.is_empty() { JobId(ID_MAX) } else { id(last).map_err(bad)? };
    if last < first {
        return Err(bad(format!("it goes backwards; write {last}-{first}")));
    }
    Ok(IdRange::new(first, last))
}

fn exit_status(value: &str) -> Result<(i32, bool), String> {
    let (digits, other) = match value.strip_prefix('!') {
        Some(digits) => (digits, true),
        None => (value, false),
    };
    let bad = || format!("{} is not an exit status; write 0, 75 or !0", text::quoted(value));
    let status = number(digits, 0, 255).map_err(|_| bad())?;
    i32::try_from(status).map(|status| (status, other)).map_err(|_| bad())
}

/// A moment, or how long ago it was.
fn moment(value: &str, now: Wall) -> Result<Wall, String> {
    match text::span(value) {
        Ok(Span(nanos)) => Ok(Wall(now.0.saturating_sub(nanos / 1_000_000))),
        Err(_) => text::moment(value).map_err(|_| {
            format!("{} is neither a time such as 2026-11-25T01:02:03Z nor a duration such as 2h, for so long ago", text::quoted(value))
        }),
    }
}

#[cfg(test)]
mod tests {
    use ostler_job::durable::JobState;

    use super::*;

    const NOW: Wall = Wall(10_000_000);

    #[test]
    fn states_are_lists_and_groups() {
        let pairs = [("state", "pending,failed"), ("state", "running")];
        let filter = filter(pairs.into_iter(), NOW).unwrap();
        let expected = [JobState::Pending, JobState::Dead, JobState::Retrying, JobState::Running];
        assert_eq!(filter.states, expected);
    }

    #[test]
    fn every_condition_that_is_declared_leaves_jobs_out() {
        for name in Conditions::names() {
            let value = match *name {
                "state" => "pending",
                "reason" => "lost",
                "since" | "until" | "finished_since" | "finished_until" => "2h",
                "exit_status" | "id" => "1",
                _ => "x",
            };
            let filter = filter([(*name, value)].into_iter(), NOW).unwrap_or_default();
            assert_ne!(filter, Filter::default(), "what does {name} mean?");
        }
    }

    #[test]
    fn all_that_is_wrong_is_told() {
        let pairs = [
            ("state", "done"),
            ("exit_status", "x"),
            ("since", "never"),
            ("since", "2h"),
            ("id", "-1"),
        ];
        let errors = filter(pairs.into_iter(), NOW).unwrap_err();
        let names: Vec<_> = errors.iter().map(|it| it.parameter.as_deref().unwrap()).collect();
        assert_eq!(names, ["state", "exit_status", "since", "since", "id"]);
    }

    #[test]
    fn a_duration_is_so_long_ago_and_an_exit_status_may_be_any_other() {
        let filter = filter([("since", "2h"), ("exit_status", "!0")].into_iter(), NOW).unwrap();
        assert_eq!(filter.since, Some(Wall(2_800_000)));
        assert_eq!(filter.exit_status, Some((0, true)));
    }

    #[test]
    fn ids_are_numbers_and_ranges() {
        let read = |value| filter([("id", value)].into_iter(), NOW);
        let told = |filter: Filter| -> Vec<_> {
            filter.ids.iter().map(|range| (range.first.0, range.last.0)).collect()
        };
        assert_eq!(told(read("3,5-90,7-").unwrap()), [(3, 3), (5, 90), (7, ID_MAX)]);
        assert_eq!(told(read("0-0").unwrap()), [(0, 0)]);
        for (bad, says) in [
            ("", "expected a whole number from 0"),
            ("3,", "expected a whole number from 0"),
            ("-", "is no range of ids such as 5-90"),
            ("-7", "is no range of ids such as 5-90"),
            ("90-5", "it goes backwards; write 5-90"),
            ("1-2-3", "is no range of ids such as 5-90"),
            ("5..90", "expected a whole number from 0"),
            ("+5-9", "is no range of ids such as 5-90"),
            ("5-9007199254740992", "expected a whole number from 0 to 9007199254740991"),
            ("18446744073709551616", "expected a whole number from 0 to 9007199254740991"),
            ("1-99999999999999999999999", "expected a whole number from 0 to 9007199254740991"),
        ] {
            let errors = read(bad).unwrap_err();
            assert!(errors[0].detail.contains(says), "{bad:?}: {}", errors[0].detail);
        }
    }

    #[test]
    fn a_name_with_a_star_is_how_it_begins() {
        let read = |value| filter([("name", value)].into_iter(), NOW).map(|it| it.name.unwrap());
        assert_eq!(read("a*b"), Ok(NameFilter::Is("a*b".to_owned())));
        assert_eq!(read("nightly*"), Ok(NameFilter::Begins("nightly".to_owned())));
        assert_eq!(read("*"), Ok(NameFilter::Begins(String::new())));
        let (longest, longer) = ("x".repeat(128) + "*", "x".repeat(129));
        assert!(read("").is_err() && read(&longer).is_err() && read(&longest).is_ok());
    }

    #[test]
    fn a_reason_that_there_is_not_is_told_with_those_that_there_are() {
        let errors = filter([("reason", "lost,gone")].into_iter(), NOW).unwrap_err();
        let told = &errors[0].detail;
        assert!(told.contains("\"gone\" is not a reason; there are ok, exit_status"), "{told}");
    }
}

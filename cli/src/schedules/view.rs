//! Schedules and their firings as the API shows them, for people.

use std::collections::BTreeMap;

use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;

use crate::jobs::{
    table::{Cell, Look, draw, elastic, left, plain, right},
    when,
};
use crate::terminal::Tone;

/// A page of schedules.
#[derive(Deserialize)]
pub(crate) struct Schedules {
    pub(crate) schedules: Vec<ScheduleView>,
    /// After which name the next page begins.
    #[serde(default)]
    pub(crate) next: Option<String>,
}

/// A page of firings, the latest first.
#[derive(Deserialize)]
pub(crate) struct Firings {
    pub(crate) firings: Vec<FiringView>,
}

/// A schedule. What the command line does not know by name is kept as it is.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct ScheduleView {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) cron: String,
    #[serde(default)]
    zone: Option<String>,
    #[serde(default)]
    words: Option<String>,
    #[serde(default)]
    pub(crate) state: String,
    #[serde(default)]
    fault: Option<String>,
    #[serde(default)]
    owner: Option<String>,
    #[serde(default)]
    paused: Option<Held>,
    #[serde(default)]
    pub(crate) job: Value,
    #[serde(default)]
    cursor: Option<String>,
    #[serde(default)]
    pub(crate) next: Vec<String>,
    #[serde(default)]
    last: Vec<FiringView>,
    #[serde(default)]
    unfinished: Vec<u64>,
    #[serde(default)]
    waiting: Vec<String>,
    #[serde(default)]
    too_long: Vec<u64>,
    #[serde(default)]
    overdue: bool,
    #[serde(default)]
    overdue_since: Option<String>,
    #[serde(default)]
    last_success: Option<String>,
    #[serde(flatten)]
    pub(crate) rest: BTreeMap<String, Value>,
}

/// Who paused it.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Held {
    #[serde(default, alias = "who")]
    by: Option<String>,
    #[serde(default)]
    since: Option<String>,
}

/// What became of a moment at which it was due.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct FiringView {
    pub(crate) due: String,
    #[serde(default)]
    last: Option<String>,
    #[serde(default)]
    count: Option<u64>,
    #[serde(default)]
    at: Option<String>,
    #[serde(default)]
    pub(crate) fate: String,
    #[serde(default)]
    late_ms: Option<i64>,
    #[serde(default)]
    pub(crate) job: Option<u64>,
    #[serde(default)]
    by: Option<String>,
    #[serde(default)]
    detail: Option<String>,
    /// The state of its job.
    #[serde(default)]
    state: Option<String>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

impl Held {
    fn told(&self, now: OffsetDateTime) -> String {
        let since = self.since.as_deref().map(|since| when::relative(since, now));
        let by = self.by.as_ref().map(|by| format!("by {}", plain(by)));
        by.into_iter().chain(since).collect::<Vec<_>>().join(", ")
    }
}

impl FiringView {
    /// What became of it, in a word or two: the job's state where there is a job.
    fn became(&self) -> String {
        let word = match (&self.state, self.fate.as_str()) {
            (Some(state), "fired" | "") => state.clone(),
            (_, fate) => fate.to_owned(),
        };
        match self.count {
            Some(2..) => format!("{word} {} times", self.count.unwrap_or(0)),
            _ => word,
        }
    }

    fn tone(&self) -> Option<Tone> {
        match (self.state.as_deref(), self.fate.as_str()) {
            (Some("succeeded"), _) => Some(Tone::Good),
            (Some("dead"), _) | (_, "refused" | "missed") => Some(Tone::Bad),
            (_, "overlapped") => Some(Tone::Faint),
            _ => None,
        }
    }

    fn late(&self) -> String {
        match self.late_ms {
            None => "-".to_owned(),
            #[expect(clippy::cast_precision_loss, reason = "it is shown with three digits")]
            Some(millis) => when::span(millis.max(0) as f64 / 1000.0),
        }
    }

    /// Who ordered it and why it was not taken.
    fn more(&self, zone: Option<&TimeZone>) -> String {
        let by = self.by.as_ref().map(|by| format!("by {by}"));
        let last = self
            .last
            .as_ref()
            .filter(|it| **it != self.due)
            .map(|it| format!("up to {}", by_clocks(it, zone)));
        let all: Vec<String> = by.into_iter().chain(last).chain(self.detail.clone()).collect();
        plain(&all.join("; "))
    }

    fn row(&self, now: OffsetDateTime, zone: Option<&TimeZone>) -> Vec<Cell> {
        let job = self.job.map_or_else(|| "-".to_owned(), |it| it.to_string());
        vec![
            by_clocks(&self.due, zone).into(),
            when::relative(&self.due, now).into(),
            Cell::toned(self.became(), self.tone()),
            self.late().into(),
            job.into(),
            self.more(zone).into(),
        ]
    }
}

impl ScheduleView {
    /// Its zone; `None` when this host's data have none of that name.
    pub(crate) fn clocks(&self) -> Option<TimeZone> {
        TimeZone::get(self.zone.as_deref()?).ok()
    }

    fn state(&self) -> (String, Option<Tone>) {
        let tone = match self.state.as_str() {
            "active" => Tone::Good,
            "faulty" => Tone::Bad,
            _ => Tone::Faint,
        };
        match self.overdue {
            true => (format!("{}+overdue", self.state), Some(Tone::Bad)),
            false => (self.state.clone(), Some(tone)),
        }
    }

    /// What it runs, on one line.
    pub(crate) fn command(&self) -> String {
        let words = |it: &Value| -> Vec<String> {
            let words = it.as_array().into_iter().flatten().filter_map(Value::as_str);
            words.map(crate::values::quoted).collect()
        };
        let line = match (self.job["command"].as_str(), words(&self.job["argv"])) {
            (Some(line), _) => line.to_owned(),
            (None, words) if !words.is_empty() => words.join(" "),
            (None, _) => self.job["module"].as_str().unwrap_or("-").to_owned(),
        };
        plain(&line)
    }

    /// The same where there is but little room: a line for a shell without the shell.
    fn shown(&self) -> String {
        let words: Vec<&str> =
            self.job["argv"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        ostler_api::line_of_shell(&words).map_or_else(|| self.command(), plain)
    }

    fn row(&self, now: OffsetDateTime) -> Vec<Cell> {
        let (state, tone) = self.state();
        let next = self.next.first().map(|it| when::relative(it, now));
        let last = self.last.first();
        let became = last.map_or_else(|| "-".to_owned(), FiringView::became);
        vec![
            self.name.as_str().into(),
            Cell::toned(state, tone),
            plain(self.words.as_deref().unwrap_or(&self.cron)).into(),
            next.unwrap_or_else(|| "-".to_owned()).into(),
            last.map_or_else(|| "-".to_owned(), |it| when::relative(&it.due, now)).into(),
            Cell::toned(became, last.and_then(FiringView::tone)),
            self.shown().into(),
        ]
    }
}

/// A moment of the API as the clocks of a zone show it, with their distance from UTC, so that it can be pasted.
fn by_clocks(text: &str, zone: Option<&TimeZone>) -> String {
    let (Ok(at), Some(zone)) = (text.parse::<Timestamp>(), zone) else { return text.to_owned() };
    let local = at.to_zoned_datetime(zone.clone());
    match local.offset().is_zero() {
        true => text.to_owned(),
        false => local.strftime("%Y-%m-%dT%H:%M:%S%.f%:z").to_string(),
    }
}

/// One line each.
pub(crate) fn table(schedules: &[ScheduleView]) -> String {
    let now = OffsetDateTime::now_utc();
    let columns = [
        left("NAME"),
        left("STATE"),
        elastic("WHEN", 14),
        left("NEXT"),
        left("LAST"),
        left("BECAME"),
        left("COMMAND"),
    ];
    let rows: Vec<Vec<Cell>> = schedules.iter().map(|it| it.row(now)).collect();
    draw(&columns, &rows, Look::of_stdout())
}

/// One line each, the latest first, by the clocks of the schedule's zone.
pub(crate) fn firings(firings: &[FiringView], zone: Option<&TimeZone>) -> String {
    let now = OffsetDateTime::now_utc();
    let columns =
        [left("DUE"), left("SINCE"), left("BECAME"), right("LATE"), right("JOB"), left("")];
    let rows: Vec<Vec<Cell>> = firings.iter().map(|it| it.row(now, zone)).collect();
    draw(&columns, &rows, Look::of_stdout())
}

/// What of a schedule is a setting that a person gave, with what it is called on a page.
const SETTINGS: [(&str, &str); 11] = [
    ("vixie", "vixie"),
    ("gap", "gap"),
    ("fold", "fold"),
    ("missed", "missed"),
    ("overlap", "overlap"),
    ("jitter", "jitter"),
    ("starts", "starts"),
    ("ends", "ends"),
    ("expect_within", "expect within"),
    ("max_run", "max run"),
    ("expires_in", "expires in"),
];

/// Everything of one.
pub(crate) fn page(it: &ScheduleView) -> String {
    let now = OffsetDateTime::now_utc();
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    let mut row = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|it| !it.is_empty()) {
            rows.push(vec![name.into(), value.as_str().into()]);
        }
    };
    let zone = it.clocks();
    let clocks = |text: &String| by_clocks(text, zone.as_ref());
    let moment = |text: &String| format!("{} ({})", clocks(text), when::relative(text, now));
    let ids = |ids: &[u64]| ids.iter().map(u64::to_string).collect::<Vec<_>>().join(" ");
    row("schedule", Some(it.name.clone()));
    row("state", Some(it.state().0));
    row("fault", it.fault.as_deref().map(plain));
    row("paused", it.paused.as_ref().map(|held| held.told(now)));
    row("overdue since", it.overdue_since.as_ref().map(moment));
    row("cron", Some(it.cron.clone()));
    row("when", it.words.clone());
    row("zone", it.zone.clone());
    for (name, shown) in SETTINGS {
        row(shown, it.rest.get(name).and_then(setting));
    }
    row("last success", it.last_success.as_ref().map(moment));
    row("unfinished", Some(ids(&it.unfinished)));
    row("running too long", Some(ids(&it.too_long)));
    row("waiting", Some(it.waiting.iter().map(clocks).collect::<Vec<_>>().join(" ")));
    row("cursor", it.cursor.as_ref().map(clocks));
    row("owner", it.owner.clone());
    row("command", Some(it.command()));
    for (name, value) in it.job.as_object().into_iter().flatten() {
        if !["command", "argv"].contains(&name.as_str()) {
            row(&format!("job {name}"), setting(value));
        }
    }
    for next in &it.next {
        row("next", Some(moment(next)));
    }
    let whole = Look { width: None, ..Look::of_stdout() };
    let text = draw(&[left(""), left("")], &rows, whole);
    match it.last.is_empty() {
        true => text,
        false => format!("{text}\n{}", firings(&it.last, zone.as_ref())),
    }
}

/// What was set, as one writes it; `None`: nothing.
fn setting(value: &Value) -> Option<String> {
    match value {
        Value::Null | Value::Bool(false) => None,
        Value::String(text) => Some(plain(text)),
        Value::Object(members) if members.len() == 2 && members.contains_key("limit") => {
            let window = members.get("window").and_then(Value::as_str).unwrap_or("");
            Some(format!("{}/{window}", members["limit"]))
        }
        Value::Object(members) => {
            let text = |it: &Value| it.as_str().map_or_else(|| it.to_string(), str::to_owned);
            let all: Vec<_> =
                members.iter().map(|(name, it)| format!("{name}={}", text(it))).collect();
            Some(plain(&all.join(" ")))
        }
        Value::Array(items) if items.is_empty() => None,
        Value::Bool(true) | Value::Number(_) | Value::Array(_) => Some(plain(&value.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::answers::agree;

    #[test]
    fn schedules_are_read_by_the_names_that_the_api_gives_their_fields() {
        agree::<ScheduleView>("ScheduleView", &[]);
        agree::<FiringView>("FiringView", &[]);
    }

    #[test]
    fn a_list_has_the_line_of_a_shell_and_a_page_the_words_that_run() {
        let view = |job: Value| -> ScheduleView {
            serde_json::from_value(serde_json::json!({"name": "a", "job": job})).unwrap()
        };
        let line = view(serde_json::json!({"argv": ["/bin/bash", "-c", "a 'b' | c"]}));
        assert_eq!(line.shown(), "a 'b' | c");
        assert_eq!(line.command(), "/bin/bash -c 'a '\\''b'\\'' | c'");
        for program in ["/usr/bin/awk", "/usr/bin/push"] {
            let words = view(serde_json::json!({"argv": [program, "-c", "a b"]}));
            assert_eq!(words.shown(), format!("{program} -c 'a b'"));
        }
    }

    #[test]
    fn moments_are_told_by_the_clocks_of_a_zone_and_as_they_are_where_those_are_utcs() {
        let told = |zone: &str, at: &str| by_clocks(at, TimeZone::get(zone).ok().as_ref());
        let (winter, summer) = ("2027-01-15T12:00:00.5Z", "2027-07-15T12:00:00Z");
        assert_eq!(told("Europe/Berlin", winter), "2027-01-15T13:00:00.5+01:00");
        assert_eq!(told("Europe/London", summer), "2027-07-15T13:00:00+01:00");
        for (zone, at) in [("Etc/UTC", summer), ("Europe/London", winter), ("Mars/Base", winter)] {
            assert_eq!(told(zone, at), at);
        }
        assert_eq!(told("Europe/Berlin", "soon"), "soon");
    }

    #[test]
    fn every_field_that_is_put_is_one_of_the_api_and_none_is_missing() {
        use std::collections::BTreeSet;
        let mine: BTreeSet<&str> =
            crate::schedules::shape::SHAPE.into_iter().chain(["job", "paused"]).collect();
        assert_eq!(mine, ostler_api::names::schedule().collect());
    }
}

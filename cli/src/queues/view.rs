//! Queues as the API shows them, for people.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;

use crate::jobs::{
    table::{Cell, Look, draw, left, right},
    when,
};
use crate::terminal::Tone;

/// All queues.
#[derive(Deserialize)]
pub(crate) struct Queues {
    pub(crate) queues: Vec<QueueView>,
}

/// A queue.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct QueueView {
    pub(crate) name: String,
    #[serde(default)]
    owner: Option<String>,
    #[serde(default)]
    paused: Option<Held>,
    #[serde(default)]
    drained: Option<Held>,
    #[serde(default)]
    pub(crate) waiting: u64,
    #[serde(default)]
    running: u64,
    #[serde(default)]
    weight: Option<u64>,
    #[serde(default)]
    discipline: Option<String>,
    #[serde(default)]
    parent: Option<String>,
    #[serde(default)]
    path: Vec<String>,
    #[serde(default)]
    guarantee: Option<f64>,
    #[serde(default)]
    ceiling: Option<f64>,
    #[serde(default)]
    concurrency: Option<u64>,
    #[serde(default)]
    rate: Option<String>,
    #[serde(default)]
    attach: Vec<String>,
    #[serde(default)]
    matches: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    exclusive: bool,
    #[serde(default)]
    holder: Option<String>,
    #[serde(default)]
    awaited: Vec<String>,
    #[serde(default)]
    tenant_weights: BTreeMap<String, u64>,
    #[serde(default)]
    tenant_concurrency: Option<u64>,
    #[serde(default)]
    tenant_caps: BTreeMap<String, u64>,
    #[serde(default)]
    waiting_max: Option<u64>,
    #[serde(default)]
    timeout_seconds: Option<f64>,
    #[serde(default)]
    user: Option<String>,
    #[serde(default)]
    keep_succeeded_seconds: Option<f64>,
    #[serde(default)]
    keep_failed_seconds: Option<f64>,
    #[serde(default)]
    retry: Option<Value>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

/// Who holds it back.
#[derive(Debug, Deserialize, Serialize)]
struct Held {
    #[serde(default)]
    by: Option<String>,
    #[serde(default)]
    since: Option<String>,
}

impl Held {
    fn told(&self, now: OffsetDateTime) -> String {
        let since = self.since.as_deref().map(|since| when::relative(since, now));
        let by = self.by.as_ref().map(|by| format!("by {by}"));
        by.into_iter().chain(since).collect::<Vec<_>>().join(", ")
    }
}

impl QueueView {
    fn state(&self) -> (&'static str, Option<Tone>) {
        match (&self.paused, &self.drained) {
            (None, None) => ("open", Some(Tone::Good)),
            (Some(_), None) => ("paused", Some(Tone::Bad)),
            (None, Some(_)) => ("drained", Some(Tone::Faint)),
            (Some(_), Some(_)) => ("paused+drained", Some(Tone::Bad)),
        }
    }
}

impl QueueView {
    /// A selector with whom it means.
    fn met(&self, selector: &str) -> String {
        match self.matches.get(selector).map_or(&[][..], Vec::as_slice) {
            [] => format!("{selector} (no runner now)"),
            some => format!("{selector} ({})", some.join(", ")),
        }
    }

    /// What it is attached by, and who holds it; `None`: its jobs go to every runner.
    fn attached(&self) -> Option<String> {
        let holder = self.holder.as_ref().map_or_else(String::new, |it| format!(": {it}"));
        let exclusive = self.exclusive.then(|| format!("(exclusive{holder})"));
        let all: Vec<String> = self.attach.iter().cloned().chain(exclusive).collect();
        (!all.is_empty()).then(|| all.join(" "))
    }

    /// Who holds an exclusive one.
    fn held(&self) -> String {
        let held = match &self.holder {
            Some(holder) => format!("held by {holder}"),
            None => "no runner may hold it now".to_owned(),
        };
        match self.awaited.len() {
            0 => held,
            _ => format!("{held}, once its jobs on {} have ended", self.awaited.join(", ")),
        }
    }

    /// What is to be known of selectors that mean nobody now.
    pub(crate) fn unmet(&self) -> Vec<String> {
        let unmet =
            self.attach.iter().filter(|it| self.matches.get(*it).is_some_and(Vec::is_empty));
        let told = |it: &String| match it.strip_prefix("runner:") {
            Some(name) => format!("runner {name} is not connected now"),
            None => format!("no runner has {it} now"),
        };
        unmet.map(told).collect()
    }
}

/// Each queue after the one that it is below, and how many are above it.
fn from_the_top(queues: &[QueueView]) -> Vec<(&QueueView, usize)> {
    let names: BTreeSet<&str> = queues.iter().map(|it| it.name.as_str()).collect();
    // What a token is not told of is nobody's parent.
    let path = |it: &'_ QueueView| -> Vec<String> {
        let known =
            it.path.iter().filter(|name| names.contains(name.as_str()) && **name != it.name);
        known.cloned().chain([it.name.clone()]).collect()
    };
    let mut all: Vec<_> = queues.iter().map(|it| (path(it), it)).collect();
    all.sort_by(|(one, _), (other, _)| one.cmp(other));
    all.into_iter().map(|(path, it)| (it, path.len() - 1)).collect()
}

/// What a queue has of something that most have not.
type Rare = (&'static str, fn(&QueueView) -> Option<String>);

/// The columns that people see only where a queue has something for them. Programs see them always, since they have no head then.
const RARE: [Rare; 4] = [
    ("PARENT", |it| it.parent.clone()),
    ("GUARANTEE", |it| it.guarantee.map(|slots| slots.to_string())),
    ("CEILING", |it| it.ceiling.map(|slots| slots.to_string())),
    ("ATTACHED TO", QueueView::attached),
];

/// One line each, indented below the queue that it is below.
pub(crate) fn table(queues: &[QueueView]) -> String {
    drawn(queues, Look::of_stdout())
}

fn drawn(queues: &[QueueView], look: Look) -> String {
    let number = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |it| it.to_string());
    let is_there = |(_, of): &&Rare| queues.iter().any(|it| of(it).is_some());
    let rare: Vec<&Rare> = RARE.iter().filter(|it| look.width.is_none() || is_there(it)).collect();
    let row = |(queue, level): &(&QueueView, usize)| {
        let (state, tone) = queue.state();
        let rare = rare.iter().map(|(_, of)| of(queue).unwrap_or_else(|| "-".to_owned()).into());
        let usual: Vec<Cell> = vec![
            format!("{}{}", "  ".repeat(*level), queue.name).into(),
            Cell::toned(state, tone),
            queue.waiting.to_string().into(),
            queue.running.to_string().into(),
            number(queue.weight).into(),
            number(queue.concurrency).into(),
            queue.rate.as_deref().unwrap_or("-").into(),
        ];
        usual.into_iter().chain(rare).collect()
    };
    let mut columns = vec![
        left("NAME"),
        left("STATE"),
        right("WAITING"),
        right("RUNNING"),
        right("WEIGHT"),
        right("AT ONCE"),
        left("RATE"),
    ];
    columns.extend(rare.iter().map(|(name, _)| left(name)));
    let rows: Vec<Vec<Cell>> = from_the_top(queues).iter().map(row).collect();
    draw(&columns, &rows, look)
}

/// Everything of one.
pub(crate) fn page(queue: &QueueView) -> String {
    let now = OffsetDateTime::now_utc();
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    let mut row = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            rows.push(vec![name.into(), value.as_str().into()]);
        }
    };
    let number = |number: Option<u64>| number.map(|it| it.to_string());
    row("queue", Some(queue.name.clone()));
    row("path", queue.parent.as_ref().map(|_| queue.path.join(" > ")));
    row("paused", queue.paused.as_ref().map(|held| held.told(now)));
    row("drained", queue.drained.as_ref().map(|held| held.told(now)));
    row("waiting", Some(queue.waiting.to_string()));
    row("running", Some(queue.running.to_string()));
    row("weight", number(queue.weight));
    row("discipline", queue.discipline.clone());
    row("guarantee", queue.guarantee.map(|slots| format!("{slots} slots")));
    row("ceiling", queue.ceiling.map(|slots| format!("{slots} slots")));
    row("concurrency", number(queue.concurrency));
    row("rate", queue.rate.clone());
    for selector in &queue.attach {
        row("attached to", Some(queue.met(selector)));
    }
    row("exclusive", queue.exclusive.then(|| queue.held()));
    let tenants = |all: &BTreeMap<String, u64>| {
        let all: Vec<_> = all.iter().map(|(tenant, number)| format!("{tenant}={number}")).collect();
        (!all.is_empty()).then(|| all.join(" "))
    };
    row("tenant weights", tenants(&queue.tenant_weights));
    row("each tenant", number(queue.tenant_concurrency).map(|it| format!("{it} at once")));
    row("tenant caps", tenants(&queue.tenant_caps));
    row("waiting max", number(queue.waiting_max));
    row("timeout", queue.timeout_seconds.map(when::span));
    row("keep succeeded", queue.keep_succeeded_seconds.map(when::span));
    row("keep failed", queue.keep_failed_seconds.map(when::span));
    row("user", queue.user.clone());
    let attempts = queue.retry.as_ref().and_then(|retry| retry["attempts"].as_u64());
    row("attempts", number(attempts));
    row("owner", queue.owner.clone());
    draw(&[left(""), left("")], &rows, Look { width: None, ..Look::of_stdout() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::answers::agree;

    #[test]
    fn a_queue_tells_whom_its_selectors_mean_and_who_holds_it() {
        let shown = serde_json::json!({
            "name": "mail", "attach": ["gpu=a100", "runner:r7", "zone=b"],
            "matches": {"gpu=a100": [], "runner:r7": [], "zone=b": ["r1", "r2"]}, "exclusive": true, "holder": "r1",
            "awaited": ["r2"],
        });
        let queue: QueueView = serde_json::from_value(shown).unwrap();
        assert_eq!(queue.unmet(), ["no runner has gpu=a100 now", "runner r7 is not connected now"]);
        let page = page(&queue);
        for line in [
            "gpu=a100 (no runner now)",
            "zone=b (r1, r2)",
            "held by r1, once its jobs on r2 have ended",
        ] {
            assert!(page.contains(line), "{line} in {page}");
        }
    }

    #[test]
    fn queues_are_listed_with_what_some_of_them_have_alone() {
        let mut queues: Vec<QueueView> = serde_json::from_value(serde_json::json!([
            {"name": "batch", "path": ["batch"], "weight": 1},
            {"name": "default", "path": ["default"], "weight": 1},
            {"name": "reports", "parent": "batch", "path": ["batch", "reports"], "weight": 2, "guarantee": 1.5, "ceiling": 4.0,
             "attach": ["gpu=a100", "runner:r7"], "exclusive": true, "holder": "r7"},
        ]))
        .unwrap();
        let squeezed = |text: String| -> Vec<String> {
            text.lines().map(|it| it.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
        };
        let usual = "NAME STATE WAITING RUNNING WEIGHT AT ONCE RATE";
        let expected = [
            &format!("{usual} PARENT GUARANTEE CEILING ATTACHED TO"),
            "batch open 0 0 1 - - - - - -",
            "reports open 0 0 2 - - batch 1.5 4 gpu=a100 runner:r7 (exclusive: r7)",
            "default open 0 0 1 - - - - - -",
        ];
        let person = Look { width: Some(usize::MAX), colours: false };
        assert_eq!(squeezed(drawn(&queues, person)), expected);
        queues.pop();
        assert_eq!(squeezed(drawn(&queues, person))[0], usual);
        let program = Look { width: None, colours: false };
        assert_eq!(squeezed(drawn(&queues, program))[0], expected[1]);
    }

    #[test]
    fn queues_are_read_by_the_names_that_the_api_gives_their_fields() {
        agree::<QueueView>("QueueView", &[]);
        agree::<Held>("HeldView", &[]);
    }
}

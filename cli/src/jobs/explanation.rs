//! Why a job waits, as the API explains it, and the same for people.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;

use super::{
    table::{Cell, Look, draw, left, plain, right},
    when,
};

/// See the module; what else the API says follows.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct Explanation {
    id: u64,
    state: String,
    reason: Option<String>,
    why: String,
    holds: Vec<Hold>,
    sooner: Vec<String>,
    queues: Vec<Level>,
    tenant: Option<Tenant>,
    before: Option<u64>,
    before_is_exact: Option<bool>,
    is_late: bool,
    start_at: Option<String>,
    run_seconds_p50: Option<f64>,
    run_seconds_p90: Option<f64>,
    slots: u64,
    slots_busy: u64,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
struct Hold {
    reason: String,
    why: String,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
struct Level {
    name: Option<String>,
    discipline: String,
    weight: Option<u64>,
    weight_of_all: Option<u64>,
    share: Option<f64>,
    waiting: u64,
    running: u64,
    open: bool,
    paused: Option<Value>,
    concurrency: Option<u64>,
    tenant_max: Option<u64>,
    rate: Option<String>,
    rate_opens_at: Option<String>,
    guarantee: Option<f64>,
    ceiling: Option<f64>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
struct Tenant {
    name: String,
    weight: u64,
    weight_of_all: Option<u64>,
    share: Option<f64>,
    waiting: u64,
    running: u64,
    ahead_seconds: Option<f64>,
}

impl Explanation {
    /// For people.
    pub(crate) fn page(&self) -> String {
        let now = OffsetDateTime::now_utc();
        let reason = self.reason.as_ref().map_or_else(String::new, |it| format!(" ({it})"));
        let mut text = format!("job {} is {}{reason}: {}\n", self.id, self.state, plain(&self.why));
        let mut list = |head: &str, lines: Vec<String>| {
            if !lines.is_empty() {
                text.push_str(&format!("\n{head}:\n  {}\n", lines.join("\n  ")));
            }
        };
        let others = self.holds.iter().skip(1);
        list("also", others.map(|it| format!("{}: {}", it.reason, plain(&it.why))).collect());
        list("to start it sooner", self.sooner.iter().map(|it| plain(it)).collect());
        list("its place", self.place(now));
        if !self.queues.is_empty() {
            text.push_str(&format!(
                "\nthe queues above it, from its own up:\n{}",
                self.levels(now)
            ));
        }
        text
    }

    fn place(&self, now: OffsetDateTime) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(before) = self.before {
            let about = if self.before_is_exact == Some(false) { "about " } else { "" };
            let late =
                if self.is_late { ", among those that have missed their promise" } else { "" };
            lines.push(match before {
                0 => format!("it is the next of its tenant{late}"),
                1 => format!("1 job of its tenant goes before it{late}"),
                _ => format!("{about}{before} jobs of its tenant go before it{late}"),
            });
        }
        lines.extend(self.tenant.as_ref().map(Tenant::told));
        if let Some(at) = &self.start_at {
            lines.push(format!("expected to start at about {at} ({})", when::relative(at, now)));
        }
        if let (Some(p50), Some(p90)) = (self.run_seconds_p50, self.run_seconds_p90) {
            let (p50, p90) = (when::span(p50), when::span(p90));
            lines
                .push(format!("half of the jobs of its kind run {p50} or less, nine of ten {p90}"));
        }
        if !self.queues.is_empty() {
            lines.push(format!("{} of {} slots are taken", self.slots_busy, self.slots));
        }
        lines
    }

    fn levels(&self, now: OffsetDateTime) -> String {
        let columns = [
            left("QUEUE"),
            left("ORDER"),
            left("SHARE"),
            right("WAIT"),
            right("RUN"),
            left("LETS START"),
        ];
        let rows: Vec<Vec<Cell>> = self.queues.iter().map(|it| it.row(now)).collect();
        let look = Look { width: Some(usize::MAX), ..Look::of_stdout() };
        draw(&columns, &rows, look)
    }
}

impl Tenant {
    fn told(&self) -> String {
        let Self { name, weight, waiting, running, .. } = self;
        let share = share(Some(*weight), self.weight_of_all, self.share);
        let ahead = match self.ahead_seconds {
            Some(ahead) if ahead > 0.0 => format!(", {} ahead of its share", when::span(ahead)),
            Some(ahead) if ahead < 0.0 => format!(", {} behind its share", when::span(-ahead)),
            Some(_) | None => String::new(),
        };
        let name = plain(name);
        format!(
            "its tenant {name} in its queue: share {share}, {waiting} wait, {running} run{ahead}"
        )
    }
}

impl Level {
    fn row(&self, now: OffsetDateTime) -> Vec<Cell> {
        vec![
            self.name.clone().unwrap_or_else(|| "(all)".to_owned()).into(),
            self.discipline.as_str().into(),
            share(self.weight, self.weight_of_all, self.share).into(),
            self.waiting.to_string().into(),
            self.running.to_string().into(),
            self.gates(now).join(", ").into(),
        ]
    }

    /// What it lets start.
    fn gates(&self, now: OffsetDateTime) -> Vec<String> {
        let mut gates = Vec::new();
        if let Some(paused) = &self.paused {
            let by =
                paused["by"].as_str().map_or_else(String::new, |by| format!(" by {}", plain(by)));
            let since = paused["since"].as_str().unwrap_or_default();
            gates.push(format!("nothing: paused{by} since {}", plain(since)));
        }
        gates.extend(self.concurrency.map(|max| format!("{max} at once")));
        gates.extend(self.tenant_max.map(|max| format!("{max} of its tenant at once")));
        if let Some(rate) = &self.rate {
            let next = self.rate_opens_at.as_ref();
            let next = next.map(|at| format!(" (the next {})", when::relative(at, now)));
            gates.push(format!("{rate}{}", next.unwrap_or_default()));
        }
        gates.extend(self.guarantee.map(|slots| format!("{slots} slots guaranteed")));
        gates.extend(self.ceiling.map(|slots| format!("{slots} slots at most")));
        if gates.is_empty() {
            gates.push(if self.open { "whatever waits" } else { "nothing now" }.to_owned());
        }
        gates
    }
}

/// `1 of 4 (25 %)`; `25 %` to who is not told what others have.
fn share(weight: Option<u64>, of_all: Option<u64>, part: Option<f64>) -> String {
    match (weight, of_all, part) {
        (Some(weight), Some(all), _) if all > 0 => {
            format!("{weight} of {all} ({:.0} %)", weight as f64 * 100.0 / all as f64)
        }
        (_, _, Some(part)) => format!("{:.0} %", part * 100.0),
        (_, _, None) => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::answers::agree;

    #[test]
    fn an_explanation_is_read_by_the_names_that_the_api_gives_its_fields() {
        agree::<Explanation>("JobExplanation", &[]);
        agree::<Hold>("HoldView", &[]);
        agree::<Level>("LevelView", &[]);
        agree::<Tenant>("TenantView", &[]);
    }

    #[test]
    fn who_is_the_next_or_has_one_before_it_is_told_so_in_words() {
        let place = |before| {
            let it = Explanation { before: Some(before), ..Explanation::default() };
            it.place(OffsetDateTime::UNIX_EPOCH).remove(0)
        };
        assert_eq!(place(0), "it is the next of its tenant");
        assert_eq!(place(1), "1 job of its tenant goes before it");
        assert_eq!(place(2), "2 jobs of its tenant go before it");
    }

    #[test]
    fn a_share_is_told_with_what_it_is_of_or_as_a_part_alone() {
        assert_eq!(share(Some(1), Some(4), Some(0.25)), "1 of 4 (25 %)");
        assert_eq!(share(Some(1), None, Some(0.33)), "33 %");
        assert_eq!(share(None, None, None), "-");
    }

    #[test]
    fn somebody_who_knows_nothing_of_it_reads_why_and_what_to_do() {
        let explanation: Explanation = serde_json::from_value(serde_json::json!({
            "id": 17, "state": "pending", "reason": "concurrency",
            "why": "the queue mail runs 4 of the 4 jobs that it may run at once",
            "holds": [
                {"reason": "concurrency", "why": "the queue mail runs 4 of the 4 jobs that it may run at once"},
                {"reason": "behind", "why": "2 jobs of its tenant in the queue mail go before it"},
            ],
            "sooner": ["let the queue run more at once: ostler queue put mail --concurrency 5"],
            "queues": [
                {"name": "mail", "discipline": "promise", "weight": 3, "weight_of_all": 4, "waiting": 3, "running": 4, "open": false, "concurrency": 4},
                {"name": null, "discipline": "promise", "waiting": 3, "running": 4, "open": true},
            ],
            "tenant": {"name": "shop", "weight": 1, "weight_of_all": 2, "waiting": 3, "running": 4, "ahead_seconds": -2.5},
            "before": 2, "before_is_exact": true, "slots": 8, "slots_busy": 4,
        }))
        .unwrap();
        let expected = "\
job 17 is pending (concurrency): the queue mail runs 4 of the 4 jobs that it may run at once

also:
  behind: 2 jobs of its tenant in the queue mail go before it

to start it sooner:
  let the queue run more at once: ostler queue put mail --concurrency 5

its place:
  2 jobs of its tenant go before it
  its tenant shop in its queue: share 1 of 2 (50 %), 3 wait, 4 run, 2.5s behind its share
  4 of 8 slots are taken

the queues above it, from its own up:
QUEUE  ORDER    SHARE          WAIT  RUN  LETS START
mail   promise  3 of 4 (75 %)     3    4  4 at once
(all)  promise  -                 3    4  whatever waits
";
        assert_eq!(explanation.page(), expected);
    }
}

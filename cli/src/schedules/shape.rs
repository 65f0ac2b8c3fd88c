//! A schedule's shape by flags: what is named is laid over what is there, since the API replaces the whole.

use clap::Args;
use ostler_cron_module::Dialect;
use serde_json::{Map, Value, json};

use crate::{
    failure::Failure,
    jobs::moment::{Clock, Toward},
    terminal::note,
};

/// What takes a setting away.
const NONE: &str = "none";
/// What of a view is put again, beside the job.
pub(crate) const SHAPE: [&str; 13] = [
    "cron",
    "zone",
    "vixie",
    "gap",
    "fold",
    "missed",
    "overlap",
    "jitter",
    "starts",
    "ends",
    "expect_within",
    "max_run",
    "expires_in",
];

/// Each option is laid over what is there; `none` takes a setting away.
#[derive(Args, Debug)]
pub(crate) struct ShapeArgs {
    /// The time zone by its name, such as Europe/Berlin [default: the gateway's]
    #[arg(long, visible_alias = "zone", value_name = "ZONE|none")]
    tz: Option<String>,
    /// As crontabs are read: `*/2` in a field of days restricts nothing
    #[arg(long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    vixie: Option<bool>,
    /// What fires whose time clocks pass over
    #[arg(long, value_name = "after_gap|skip")]
    gap: Option<String>,
    /// When that fires whose time clocks show twice
    #[arg(long, value_name = "first|both")]
    fold: Option<String>,
    /// What becomes of firings that nobody was there for: nothing, the last of them, or so many of such a time, as 10/1d
    #[arg(long, value_name = "skip|one|N/TIME")]
    missed: Option<String>,
    /// What becomes of a firing while the one before it has not finished
    #[arg(long, value_name = "skip|queue_one|queue_all|replace|allow")]
    overlap: Option<String>,
    /// It fires up to so much later, always by the same
    #[arg(long, value_name = "TIME|none")]
    jitter: Option<String>,
    /// It does not fire before this moment
    #[arg(long, value_name = "MOMENT|none")]
    starts: Option<String>,
    /// Nor after this one
    #[arg(long, value_name = "MOMENT|none")]
    ends: Option<String>,
    /// Without a success for so long it is overdue
    #[arg(long, value_name = "TIME|none")]
    expect_within: Option<String>,
    /// A firing that has not finished after so long runs too long, which is told
    #[arg(long, value_name = "TIME|none")]
    max_run: Option<String>,
}

impl ShapeArgs {
    /// By whose word the expression is read, as far as that is given.
    pub(crate) fn dialect(&self) -> Dialect {
        if self.vixie == Some(true) { Dialect::Vixie } else { Dialect::Standard }
    }

    /// Puts what was named in the place of what is there.
    pub(crate) fn lay_over(
        &self,
        shape: &mut Map<String, Value>,
        clock: &Clock,
    ) -> Result<(), Failure> {
        for (name, text) in [
            ("zone", &self.tz),
            ("gap", &self.gap),
            ("fold", &self.fold),
            ("overlap", &self.overlap),
            ("jitter", &self.jitter),
            ("expect_within", &self.expect_within),
            ("max_run", &self.max_run),
        ] {
            set(shape, name, text.as_deref().map(Value::from));
        }
        for (name, text) in [("starts", &self.starts), ("ends", &self.ends)] {
            set(shape, name, text.as_deref().map(|text| moment(name, text, clock)).transpose()?);
        }
        set(shape, "missed", self.missed.as_deref().map(missed));
        set(shape, "vixie", self.vixie.map(Value::from));
        Ok(())
    }
}

fn set(shape: &mut Map<String, Value>, name: &str, value: Option<Value>) {
    match value {
        None => {}
        Some(Value::String(none)) if none == NONE => drop(shape.remove(name)),
        Some(value) => drop(shape.insert(name.to_owned(), value)),
    }
}

fn moment(name: &str, text: &str, clock: &Clock) -> Result<Value, Failure> {
    if text == NONE {
        return Ok(json!(NONE));
    }
    let wrong = |why| Failure::usage(format!("--{name}: {why}"));
    let moment = clock.read(text, Toward::Next).map_err(wrong)?;
    moment.told().into_iter().for_each(|told| note(&format!("{name} {told}")));
    Ok(json!(moment.instant()))
}

/// A word, or a number and a time; what they may be the API says.
fn missed(text: &str) -> Value {
    match text.split_once('/') {
        Some((limit, window)) => {
            let limit = limit.parse::<u64>().map_or_else(|_| json!(limit), Value::from);
            json!({"limit": limit, "window": window})
        }
        None => json!(text),
    }
}

/// The body that a view would be put by: what is set and is not as it would be anyway.
pub(crate) fn kept(view: &Value) -> Map<String, Value> {
    let usual = |name: &str, value: &Value| match (name, value) {
        ("gap", Value::String(it)) => it == "after_gap",
        ("fold", Value::String(it)) => it == "first",
        ("missed", Value::String(it)) => it == "one",
        ("overlap", Value::String(it)) => it == "skip",
        (_, value) => value.is_null() || *value == json!(false),
    };
    let mut shape = Map::new();
    for name in SHAPE {
        let value = &view[name];
        if !usual(name, value) {
            shape.insert(name.to_owned(), value.clone());
        }
    }
    if let Value::Object(job) = &view["job"] {
        let given = job.iter().filter(|(_, value)| !value.is_null());
        let job: Map<String, Value> =
            given.map(|(name, value)| (name.clone(), value.clone())).collect();
        shape.insert("job".to_owned(), Value::Object(job));
    }
    shape
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Words {
        #[command(flatten)]
        shape: ShapeArgs,
    }

    fn laid(words: &[&str], view: &Value) -> Result<Value, Failure> {
        let words = Words::try_parse_from([&["put"], words].concat()).unwrap();
        let mut shape = kept(view);
        words.shape.lay_over(&mut shape, &Clock::for_tests()).map(|()| Value::Object(shape))
    }

    #[test]
    fn what_is_named_is_laid_over_what_is_there() {
        let view = json!({
            "name": "nightly", "state": "active", "cron": "0 3 * * *", "zone": "Europe/Berlin", "vixie": false, "gap": "after_gap",
            "fold": "first", "missed": "one", "overlap": "queue_one", "jitter": "5m", "starts": null, "ends": "2027-01-01T00:00:00Z",
            "expect_within": null, "max_run": "1h", "job": {"command": "backup", "queue": null}, "next": [], "cursor": "x",
        });
        let same = json!({
            "cron": "0 3 * * *", "zone": "Europe/Berlin", "overlap": "queue_one", "jitter": "5m", "ends": "2027-01-01T00:00:00Z",
            "max_run": "1h", "job": {"command": "backup"},
        });
        assert_eq!(laid(&[], &view).unwrap(), same);
        let words = [
            "--tz",
            "UTC",
            "--missed",
            "10/1d",
            "--overlap",
            "allow",
            "--jitter",
            "none",
            "--starts",
            "monday 9:00",
            "--ends",
            "none",
            "--expect-within",
            "1d2h",
            "--max-run",
            "none",
            "--vixie",
            "--fold",
            "both",
            "--gap",
            "skip",
        ];
        let expected = json!({
            "cron": "0 3 * * *", "zone": "UTC", "missed": {"limit": 10, "window": "1d"}, "overlap": "allow", "vixie": true,
            "starts": "2026-11-30T08:00:00Z", "expect_within": "1d2h", "fold": "both", "gap": "skip", "job": {"command": "backup"},
        });
        assert_eq!(laid(&words, &view).unwrap(), expected);
        let wrong = laid(&["--ends", "yesterday"], &view).unwrap_err();
        assert!(wrong.lines().0[0].starts_with("--ends: \"yesterday\" is "), "{wrong:?}");
    }
}

//! A queue's shape by flags: what is named is laid over what is there, since the API replaces the whole.

use clap::Args;
use ostler_gateway::{SLOTS_RULE, Slots};
use serde_json::{Map, Value, json};

use crate::{failure::Failure, values};

/// What takes a limit away.
const NONE: &str = "none";

#[derive(Args, Debug)]
pub(crate) struct ShapeArgs {
    /// Its share beside other queues, 1 to 1000
    #[arg(long, value_name = "N", value_parser = values::number(1_u32, 1000))]
    weight: Option<u32>,
    /// The order in it: promise, fifo, sfq, drr or htb
    #[arg(long, value_name = "WORD")]
    discipline: Option<String>,
    /// The queue that it is below; none: it is at the top
    #[arg(long, value_name = "QUEUE|none")]
    parent: Option<String>,
    /// Slots that it has before others borrow them, such as 2 or 1.5, where its parent's discipline is htb
    #[arg(long, value_name = "SLOTS|none")]
    guarantee: Option<String>,
    /// Slots that it may have there; none: as many as there are
    #[arg(long, value_name = "SLOTS|none")]
    ceiling: Option<String>,
    /// Jobs of it, and of queues below it, that may run at once; none: as many as there are slots
    #[arg(long, value_name = "N|none")]
    concurrency: Option<String>,
    /// How many may start in which time, such as 100/1m or '100/1m burst 20'; none: whatever starts
    #[arg(long, value_name = "RATE|none")]
    rate: Option<String>,
    /// Runners that its jobs may go to: labels that they must all have, such as gpu=a100,zone=b, or a name, runner:r7; several times for
    /// several, and no others; none: every runner
    #[arg(long, value_name = "SELECTOR|none")]
    attach: Vec<String>,
    /// One of those runners alone has jobs of it at any time
    #[arg(long, value_name = "true|false")]
    exclusive: Option<bool>,
    /// A tenant's share in it that differs from 1
    #[arg(long, value_name = "TENANT=N")]
    tenant_weight: Vec<String>,
    /// Jobs of it that each tenant may run at once; none: as many as all together
    #[arg(long, value_name = "N|none")]
    tenant_concurrency: Option<String>,
    /// The same of one tenant; none: as each
    #[arg(long, value_name = "TENANT=N|none")]
    tenant_cap: Vec<String>,
    /// Jobs that may wait in it; none: as many as in all queues together
    #[arg(long, value_name = "N|none")]
    waiting_max: Option<String>,
    /// For its commands that have none, such as 10m; none: no limit
    #[arg(long, value_name = "TIME|none")]
    timeout: Option<String>,
    /// For its commands that name none; none: the runner's
    #[arg(long, value_name = "USER|none")]
    user: Option<String>,
    /// How long its jobs that succeeded are kept, such as 1h; none: as long as others
    #[arg(long, value_name = "TIME|none")]
    keep_succeeded: Option<String>,
    /// How long its jobs that ended otherwise are kept; none: as long as others
    #[arg(long, value_name = "TIME|none")]
    keep_failed: Option<String>,
    /// How often its jobs are tried again that do not say; none: as in other queues
    #[arg(long, value_name = "N|none")]
    retries: Option<String>,
}

impl ShapeArgs {
    /// Puts what was named in the place of what is there.
    pub(crate) fn lay_over(&self, shape: &mut Value) -> Result<(), Failure> {
        if let Some(weight) = self.weight {
            shape["weight"] = json!(weight);
        }
        for (name, text) in [
            ("discipline", &self.discipline),
            ("parent", &self.parent),
            ("rate", &self.rate),
            ("timeout", &self.timeout),
            ("keep_succeeded", &self.keep_succeeded),
            ("keep_failed", &self.keep_failed),
            ("user", &self.user),
        ] {
            if let Some(text) = text {
                shape[name] = if text == NONE { Value::Null } else { json!(text) };
            }
        }
        if !self.attach.is_empty() {
            let all: Vec<_> = self.attach.iter().filter(|text| *text != NONE).collect();
            shape["attach"] = json!(all);
        }
        if let Some(exclusive) = self.exclusive {
            shape["exclusive"] = json!(exclusive);
        }
        for (name, text) in [("guarantee", &self.guarantee), ("ceiling", &self.ceiling)] {
            if let Some(text) = text {
                shape[name] = slots(name, text)?;
            }
        }
        for (flag, name, text) in [
            ("--concurrency", "concurrency", &self.concurrency),
            ("--waiting-max", "waiting_max", &self.waiting_max),
            ("--tenant-concurrency", "tenant_concurrency", &self.tenant_concurrency),
        ] {
            if let Some(text) = text {
                shape[name] = count(flag, text, (1, None))?.map_or(Value::Null, Value::from);
            }
        }
        if let Some(text) = &self.retries {
            let retry = |retries: u64| {
                let mut retry = shape["retry"].as_object().cloned().unwrap_or_default();
                retry.insert("attempts".to_owned(), json!(retries + 1));
                Value::Object(retry)
            };
            shape["retry"] = count("--retries", text, (0, Some(99)))?.map_or(Value::Null, retry);
        }
        // A tenant has the weight 1, as all others have, without being named.
        tenants(shape, ("--tenant-weight", "tenant_weights", "1"), &self.tenant_weight)?;
        tenants(shape, ("--tenant-cap", "tenant_caps", NONE), &self.tenant_cap)?;
        Ok(())
    }
}

/// Numbers of tenants; what is the usual one takes the tenant out.
fn tenants(
    shape: &mut Value,
    (flag, name, usual): (&str, &str, &str),
    texts: &[String],
) -> Result<(), Failure> {
    for text in texts {
        let wrong = || Failure::usage(format!("{flag} {text}: write it as shop=3"));
        let (tenant, number) = text.rsplit_once('=').ok_or_else(wrong)?;
        let all = &mut shape[name];
        if number != usual {
            all[tenant] = json!(number.parse::<u64>().map_err(|_| wrong())?);
        } else if let Some(all) = all.as_object_mut() {
            all.remove(tenant);
        }
    }
    Ok(())
}

/// Slots, or `none`.
fn slots(name: &str, text: &str) -> Result<Value, Failure> {
    if text == NONE {
        return Ok(Value::Null);
    }
    let wrong = || Failure::usage(format!("--{name} {text}: {SLOTS_RULE}, or none"));
    Ok(json!(Slots::read(text).ok_or_else(wrong)?.as_f64()))
}

/// A number, or `none`.
fn count(
    flag: &str,
    text: &str,
    (least, most): (u64, Option<u64>),
) -> Result<Option<u64>, Failure> {
    if text == NONE {
        return Ok(None);
    }
    let number = text.parse().ok().filter(|it| *it >= least && most.is_none_or(|most| *it <= most));
    let most = most.map_or_else(String::new, |most| format!(" to {most}"));
    let wrong =
        || Failure::usage(format!("{flag} {text}: expected a number from {least}{most}, or none"));
    number.map(Some).ok_or_else(wrong)
}

/// The shape that a queue has, as it would be put.
pub(crate) fn kept(shown: &Value) -> Value {
    let mut shape = Map::new();
    let mut keep = |name: &str, value: Value| {
        if !value.is_null() {
            shape.insert(name.to_owned(), value);
        }
    };
    const PLAIN: [&str; 14] = [
        "weight",
        "discipline",
        "parent",
        "guarantee",
        "ceiling",
        "concurrency",
        "rate",
        "attach",
        "exclusive",
        "tenant_weights",
        "tenant_concurrency",
        "tenant_caps",
        "waiting_max",
        "user",
    ];
    PLAIN.iter().for_each(|name| keep(name, shown[*name].clone()));
    for name in ["timeout", "keep_succeeded", "keep_failed"] {
        keep(name, length(&shown[format!("{name}_seconds")]));
    }
    let retry = &shown["retry"];
    if retry.is_object() {
        let put = json!({
            "attempts": retry["attempts"], "delay": length(&retry["delay_seconds"]),
            "delay_max": length(&retry["delay_max_seconds"]), "backoff": retry["backoff"],
            "exit_codes": retry["exit_codes"],
        });
        keep("retry", put);
    }
    Value::Object(shape)
}

/// Seconds as a length of time.
fn length(seconds: &Value) -> Value {
    let millis = seconds.as_f64().map(|seconds| (seconds * 1000.0).round() as u64);
    millis.map_or(Value::Null, |millis| json!(format!("{millis}ms")))
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

    fn laid(words: &[&str], shown: &Value) -> Result<Value, Failure> {
        let words = Words::try_parse_from([&["put"], words].concat()).unwrap();
        let mut shape = kept(shown);
        words.shape.lay_over(&mut shape).map(|()| shape)
    }

    #[test]
    fn what_is_named_is_laid_over_what_is_there() {
        let shown = json!({
            "name": "mail", "owner": "api", "paused": null, "waiting": 3, "weight": 2, "discipline": "fifo",
            "concurrency": 4, "rate": "5/1m", "tenant_weights": {"shop": 3}, "waiting_max": null, "timeout_seconds": 1.5,
            "attach": ["gpu=a100"], "matches": {"gpu=a100": []}, "exclusive": true, "holder": null, "awaited": [],
            "user": null, "retry": {"attempts": 4, "delay_seconds": 10.0, "delay_max_seconds": 3600.0,
                "backoff": "exponential", "exit_codes": [], "only_started": true},
        });
        let retry = |attempts| {
            json!({"attempts": attempts, "delay": "10000ms", "delay_max": "3600000ms", "backoff": "exponential",
                "exit_codes": []})
        };
        let same = json!({"weight": 2, "discipline": "fifo", "attach": ["gpu=a100"], "exclusive": true, "concurrency": 4, "rate": "5/1m",
            "tenant_weights": {"shop": 3}, "timeout": "1500ms", "retry": retry(4)});
        assert_eq!(laid(&[], &shown).unwrap(), same);
        let words = [
            "--weight",
            "9",
            "--concurrency",
            "none",
            "--rate",
            "100/1m burst 20",
            "--tenant-weight",
            "b=2",
            "--tenant-weight",
            "shop=1",
            "--attach",
            "zone=b",
            "--attach",
            "runner:r7",
            "--exclusive",
            "false",
            "--waiting-max",
            "7",
            "--user",
            "mail",
            "--retries",
            "0",
        ];
        let expected = json!({"attach": ["zone=b", "runner:r7"], "exclusive": false, "weight": 9, "discipline": "fifo", "concurrency": null, "rate": "100/1m burst 20",
            "tenant_weights": {"b": 2}, "timeout": "1500ms", "waiting_max": 7, "user": "mail", "retry": retry(1)});
        assert_eq!(laid(&words, &shown).unwrap(), expected);
        let shown = json!({"weight": 1, "discipline": "promise", "parent": "batch", "path": ["batch", "mail"], "guarantee": 1.5,
            "ceiling": 4.0});
        let words = ["--parent", "other", "--guarantee", "0.25", "--ceiling", "none"];
        let expected = json!({"weight": 1, "discipline": "promise", "parent": "other", "guarantee": 0.25, "ceiling": null});
        assert_eq!(laid(&words, &shown).unwrap(), expected);
        let top = laid(&["--parent", "none", "--guarantee", "none"], &shown).unwrap();
        assert_eq!(
            (&top["parent"], &top["guarantee"], &top["ceiling"]),
            (&Value::Null, &Value::Null, &json!(4.0))
        );
        let shown = json!({"tenant_concurrency": 4, "tenant_caps": {"a": 1, "b": 2}});
        let words =
            ["--tenant-concurrency", "none", "--tenant-cap", "a=none", "--tenant-cap", "c=3"];
        let expected = json!({"tenant_concurrency": null, "tenant_caps": {"b": 2, "c": 3}});
        assert_eq!(laid(&words, &shown).unwrap(), expected);
        let all = laid(&["--attach", "none"], &shown).unwrap();
        assert_eq!(all["attach"], json!([]));
        let new = laid(&["--retries", "2", "--tenant-weight", "a=5"], &json!({})).unwrap();
        assert_eq!(new, json!({"retry": {"attempts": 3}, "tenant_weights": {"a": 5}}));
    }

    #[test]
    fn what_is_no_number_is_refused_with_the_cure() {
        for (words, told) in [
            (["--concurrency", "0"], "--concurrency 0: expected a number from 1, or none"),
            (["--retries", "x"], "--retries x: expected a number from 0 to 99, or none"),
            (["--retries", "100"], "--retries 100: expected a number from 0 to 99, or none"),
            (
                ["--guarantee", "0"],
                "--guarantee 0: expected slots from 0.001 to 100000, such as 2 or 1.5, or none",
            ),
            (["--tenant-cap", "shop=x"], "--tenant-cap shop=x: write it as shop=3"),
            (["--tenant-weight", "shop"], "--tenant-weight shop: write it as shop=3"),
        ] {
            assert_eq!(laid(&words, &json!({})).unwrap_err().lines().0, [told]);
        }
    }
}

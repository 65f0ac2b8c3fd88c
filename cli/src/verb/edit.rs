//! `ostler edit`: asks another thing of jobs that wait.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Map, Value, json};

use crate::{
    failure::Failure,
    jobs::{
        draft::start,
        moment::Clock,
        steer::{Action, SteerArgs, steer},
    },
    terminal::note,
    values,
};

/// What is given takes the place of what there is; of a job either all of it holds, or nothing is changed. A job that a
/// runner has, or that is over, is not changed. A filter that names no state finds what waits.
#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true)
    .args(["queue", "within", "tag", "no_tags", "retries", "timeout", "host", "any", "not_before"]))]
pub(crate) struct EditArgs {
    /// They wait in this queue
    #[arg(long)]
    queue: Option<String>,
    /// The promise: done within this time of their arrival; none: sometime
    #[arg(long, value_name = "TIME|none")]
    within: Option<String>,
    /// A label to find them by, instead of those that they have; several times for several
    #[arg(long, value_name = "TAG", conflicts_with = "no_tags")]
    tag: Vec<String>,
    /// No labels
    #[arg(long)]
    no_tags: bool,
    /// How often they are tried again after they failed; 0 for never
    #[arg(long, value_name = "N", value_parser = values::number(0_u32, 99))]
    retries: Option<u32>,
    /// How long an attempt may run; none: for ever
    #[arg(long, value_name = "TIME|none")]
    timeout: Option<String>,
    /// Only this runner may have them
    #[arg(long, value_name = "RUNNER")]
    host: Option<String>,
    /// Any runner may have them
    #[arg(long, conflicts_with = "host")]
    any: bool,
    /// Not before this moment, such as 18:00 or 'tomorrow 3:00'; none: as soon as may be
    #[arg(long, visible_alias = "at", value_name = "MOMENT|none")]
    not_before: Option<String>,
    #[command(flatten)]
    steer: SteerArgs,
}

pub(crate) fn run(args: &EditArgs) -> Result<ExitCode, Failure> {
    let set = Value::Object(fields(args, &Clock::here())?);
    // What a runner has or is over stays as it is.
    let action = Action { set: Some(&set), ..Action::new("edit", "edited", Some("waiting")) };
    steer(&args.steer, action)
}

/// The fields of the request that were given; what is taken away is null.
fn fields(args: &EditArgs, clock: &Clock) -> Result<Map<String, Value>, Failure> {
    let or_none = |text: &String| if text == "none" { Value::Null } else { json!(text) };
    let tags = (args.no_tags || !args.tag.is_empty()).then(|| json!(args.tag));
    let host = (args.any || args.host.is_some()).then(|| json!(args.host));
    let given = [
        ("queue", args.queue.as_ref().map(|queue| json!(queue))),
        ("within", args.within.as_ref().map(or_none)),
        ("tags", tags),
        ("retry", args.retries.map(|retries| json!({"attempts": u64::from(retries) + 1}))),
        ("timeout", args.timeout.as_ref().map(or_none)),
        ("host", host),
        ("not_before", args.not_before.as_ref().map(or_none)),
    ];
    let given = given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let mut fields: Map<_, _> = given.collect();
    let wrong = |why: String| Failure::usage(format!("--not-before: {why}"));
    if let Some(told) = start(&mut fields, clock).map_err(wrong)? {
        note(&told);
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        edit: EditArgs,
    }

    fn read(words: &[&str]) -> Value {
        let line = Line::try_parse_from([&["x", "17"], words].concat()).expect("it is a line");
        Value::Object(fields(&line.edit, &Clock::for_tests()).expect("it is read"))
    }

    #[test]
    fn what_is_given_is_a_field_and_what_is_taken_away_is_null() {
        let all = [
            "--queue",
            "mail",
            "--within",
            "2h",
            "--tag",
            "a",
            "--tag",
            "b=c",
            "--retries",
            "0",
            "--timeout",
            "5m",
            "--host",
            "web-1",
            "--not-before",
            "18:00",
        ];
        let expected = json!({
            "queue": "mail", "within": "2h", "tags": ["a", "b=c"], "retry": {"attempts": 1},
            "timeout": "5m", "host": "web-1", "not_before": "2026-11-27T17:00:00Z",
        });
        assert_eq!(read(&all), expected);
        let known: Vec<_> = ostler_api::names::edit().collect();
        assert!(
            expected.as_object().is_some_and(|it| it.keys().all(|name| known.contains(&&**name)))
        );
        assert_eq!(known.len(), 7, "each has an option");
        let none = ["--within", "none", "--no-tags", "--timeout", "none", "--any", "--at", "none"];
        let expected =
            json!({"within": null, "tags": [], "timeout": null, "host": null, "not_before": null});
        assert_eq!(read(&none), expected);
    }

    #[test]
    fn an_edit_of_nothing_is_no_edit() {
        assert!(Line::try_parse_from(["x", "17"]).is_err());
    }
}

//! `[schedule.NAME]`: what fires when, whose shape is the file's. It is written in the words of the API, whose rules hold here.

use std::{collections::BTreeMap, sync::OnceLock, time::Duration};

use ostler_cron_module::{Cron, Source as _};
use ostler_gateway::{QueueName, ScheduleName, ScheduleShape, Wall, schedules};
use toml::{Value, de::DeValue};

use super::{
    keys::{self, Key, Kind, Place, Preset},
    section::Section,
    setting::Setting as _,
};
use crate::values;

/// Keys that say when it fires; the others are the job's.
const OF_TIMES: [&str; 14] = [
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
    "paused",
];

/// The time zone of schedules that name none, as far as the file says so.
pub(super) fn zone(section: &Section<'_>) -> Option<String> {
    section.parsed("zone", |name| cron().zone(name).map(|_| name.to_owned()))
}

/// All schedules of the file; `home`: the time zone of those that name none.
pub(super) fn schedules(
    top: &Section<'_>,
    home: Option<&str>,
) -> Vec<(ScheduleName, ScheduleShape)> {
    let home = home.unwrap_or_else(|| schedules::zones().home());
    let mut found = Vec::new();
    for (name, section) in top.named("schedule", Place::Schedule) {
        if let Err(wrong) = values::name(&name) {
            section.own_problem(&wrong);
        }
        let Some(name) = ScheduleName::new(&name) else { continue };
        let Some(shape) = shape(&section, &name, home) else { continue };
        if let Some(queue) = &shape.spec.queue
            && !is_queue(top, queue.as_str())
        {
            let text = format!(
                "there is no [queue.{queue}] in this file; until the API makes one, firings are refused"
            );
            section.note("queue", &text);
        }
        found.push((name, shape));
    }
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    found
}

/// Whether the file has this queue, or every gateway. What the API made is not known here.
fn is_queue(top: &Section<'_>, name: &str) -> bool {
    let queues = top.entry("queue").and_then(|it| it.get_ref().as_table());
    name == QueueName::default().as_str() || queues.is_some_and(|it| it.contains_key(name))
}

/// What knows when they fire: there is one, since it keeps the zones that it has read.
fn cron() -> &'static Cron {
    static CRON: OnceLock<Cron> = OnceLock::new();
    CRON.get_or_init(schedules::cron)
}

fn shape(section: &Section<'_>, name: &ScheduleName, home: &str) -> Option<ScheduleShape> {
    let body = body(section, home);
    let mut wrong = Vec::new();
    let shape = ostler_api::schedule_shape_of(body.to_string().as_bytes(), name, home);
    let shape = shape.map_err(|told| wrong = told).ok();
    if let Some(Err(why)) = shape.as_ref().map(|shape| cron().plan(name, shape, Wall(0))) {
        wrong.push((ostler_api::schedule_field_of(&why).to_owned(), why));
    }
    for (pointer, text) in &wrong {
        tell(section, pointer, text);
    }
    shape.filter(|_| wrong.is_empty())
}

/// The object that the API would be sent; what each key came to be is noted on the way.
fn body(section: &Section<'_>, home: &str) -> serde_json::Value {
    let (mut times, mut job) = (BTreeMap::new(), BTreeMap::new());
    for key in keys::of(Place::Schedule) {
        let Some(value) = section.entry(key.name) else {
            match key.preset {
                Preset::Value(text) => section.note_text(key.name, preset(text)),
                Preset::Words(_) if key.name == "zone" => {
                    section.note_text(key.name, Value::from(home).to_string());
                }
                Preset::Words(_) | Preset::Required => {}
            }
            continue;
        };
        if let Some(wrong) = form_problem(key, value.get_ref()) {
            section.problem(key.name, wrong);
            continue;
        }
        let value = plain(value.get_ref());
        section.note_text(key.name, value.to_string());
        let value = match (key.name, value) {
            // Attempts in all, as a queue has them.
            ("retry", Value::Integer(attempts)) => {
                Value::Table([("attempts".to_owned(), Value::from(attempts))].into_iter().collect())
            }
            (_, value) => value,
        };
        let object = if OF_TIMES.contains(&key.name) { &mut times } else { &mut job };
        object.insert(key.name.to_owned(), value);
    }
    let mut body = serde_json::to_value(times).unwrap_or_default();
    body["job"] = serde_json::to_value(job).unwrap_or_default();
    body
}

/// What is wrong with the form of a value, in the words of the file; what it says is the API's to judge.
fn form_problem(key: &Key, value: &DeValue<'_>) -> Option<String> {
    let is_text = value.is_str();
    if matches!(key.kind, Kind::Duration(_)) && !is_text {
        Duration::read(key, value).err()
    } else if key.kind == Kind::Flag {
        bool::read(key, value).err()
    } else if matches!(key.kind, Kind::OneOf(_)) || matches!(key.kind, Kind::Text(_)) && !is_text {
        String::read(key, value).err()
    } else {
        None
    }
}

/// A preset as the file would have it.
fn preset(text: &str) -> String {
    match text {
        "true" | "false" | "[]" | "{}" => text.to_owned(),
        _ => Value::from(text).to_string(),
    }
}

/// A value without its places. What JSON cannot say is text, and refused as such.
fn plain(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Integer(number) => {
            let digits = number.as_str().replace('_', "");
            let digits = digits.strip_prefix('+').unwrap_or(&digits);
            let read = i64::from_str_radix(digits, number.radix());
            read.map_or_else(|_| Value::from(digits), Value::from)
        }
        DeValue::Float(number) => {
            let digits = number.as_str().replace('_', "");
            let read = digits.parse::<f64>().ok().filter(|it| it.is_finite());
            read.map_or_else(|| Value::from(digits.as_str()), Value::from)
        }
        DeValue::Boolean(flag) => Value::from(*flag),
        DeValue::Datetime(moment) => Value::from(moment.to_string()),
        DeValue::Array(items) => {
            Value::Array(items.iter().map(|item| plain(item.get_ref())).collect())
        }
        DeValue::Table(table) => {
            let members = table.iter();
            let member = members.map(|(key, it)| (key.get_ref().to_string(), plain(it.get_ref())));
            Value::Table(member.collect())
        }
    }
}

/// Says what is wrong at a JSON pointer into that object.
fn tell(section: &Section<'_>, pointer: &str, text: &str) {
    let steps = pointer.strip_prefix("/job").filter(|rest| rest.starts_with('/'));
    let mut steps = steps.unwrap_or(pointer).trim_start_matches('/').splitn(2, '/');
    let key = steps.next().unwrap_or_default();
    let within = steps.next().map(|rest| rest.replace('/', "."));
    if keys::find(Place::Schedule, key).is_none() {
        return section.own_problem(text);
    }
    // That it is not there, or no text, has been told.
    let is_told = !section.entry("cron").is_some_and(|it| it.get_ref().is_str());
    if key == "cron" && is_told {
        return;
    }
    match within {
        Some(within) => section.problem(key, format!("{within}: {text}")),
        None => section.problem(key, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is not said in a file: that begins with the start, and these are of one submit alone.
    const NOT_HERE: [&str; 6] = ["paused", "job", "not_before", "delay", "expires", "unrunnable"];

    #[test]
    fn every_field_of_the_api_is_a_key_and_no_other() {
        let fields = ostler_api::names::schedule().chain(ostler_api::names::submit());
        let fields: Vec<&str> = fields.filter(|name| !NOT_HERE.contains(name)).collect();
        for name in &fields {
            assert!(keys::find(Place::Schedule, name).is_some(), "{name} is no key");
        }
        for key in keys::of(Place::Schedule) {
            assert!(fields.contains(&key.name), "{} is no field", key.name);
        }
    }
}

//! Schedules as a file: the opposite of an import.

mod line;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// What a crontab says.
#[derive(Debug)]
pub(crate) struct Crontab {
    pub(crate) text: String,
    /// Schedules that it cannot say.
    pub(crate) left: usize,
}

/// `[schedule.NAME]` of a configuration file: the fields of its job stand beside its own, as they are read there.
pub(crate) fn toml(bodies: &Map<String, Value>) -> Result<String, toml::ser::Error> {
    let mut tables = toml::Table::new();
    for (name, body) in bodies {
        let mut table = body.as_object().cloned().unwrap_or_default();
        if let Some(Value::Object(job)) = table.remove("job") {
            for (field, value) in job {
                table.entry(field).or_insert(value);
            }
        }
        tables.insert(name.clone(), toml::Value::try_from(Value::Object(table))?);
    }
    let whole = toml::Table::from_iter([("schedule".to_owned(), toml::Value::Table(tables))]);
    toml::to_string_pretty(&whole)
}

/// Lines of a crontab. What it cannot say is a comment that says why.
pub(crate) fn crontab(bodies: &Map<String, Value>, system: bool) -> Crontab {
    let common = common_env(bodies);
    let mut text = String::from("# Made by ostler schedule export.\n");
    for (name, value) in &common {
        text += &format!("{name}={}\n", line::variable(value));
    }
    let mut left = 0;
    let (mut zone, mut mailto) = (None, None);
    for (name, body) in bodies {
        text += &format!("\n# {name}\n");
        match line::line(name, body, &common, system) {
            Ok(line) => {
                line.notes.iter().for_each(|it| text += &format!("#   {it}\n"));
                if line.zone != zone {
                    zone = line.zone;
                    text += &format!("CRON_TZ={}\n", zone.as_deref().unwrap_or_default());
                }
                // Without a word cron mails to who runs it.
                if mailto.as_ref() != Some(&line.mailto) {
                    text += &format!("MAILTO={}\n", line::variable(&line.mailto));
                    mailto = Some(line.mailto);
                }
                text += &format!("{}\n", line.text);
            }
            Err(why) => {
                left += 1;
                text += &format!("#   cannot be said here: {why}\n#   {}\n", line::shown(body));
            }
        }
    }
    Crontab { text, left }
}

/// The variables that all of them have, which stand above all of them.
fn common_env(bodies: &Map<String, Value>) -> BTreeMap<String, String> {
    let env = |body: &Value| -> BTreeMap<String, String> {
        let pairs = body["job"]["env"].as_object().into_iter().flatten();
        pairs.filter_map(|(name, it)| Some((name.clone(), it.as_str()?.to_owned()))).collect()
    };
    let mut bodies = bodies.values();
    let mut common = bodies.next().map(env).unwrap_or_default();
    for body in bodies {
        let other = env(body);
        common.retain(|name, value| other.get(name) == Some(value));
    }
    common.retain(|_, value| line::is_variable(value));
    // It stands above the lines that it is of.
    common.remove("MAILTO");
    // Cron's own word for the shell is read by cron.
    common.retain(|name, value| name != "SHELL" || json!(value) == "/bin/sh");
    common
}

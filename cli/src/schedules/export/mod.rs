//! Schedules as a file: the opposite of an import.

mod line;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

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

/// The home of a user of this host, or of whoever this is.
pub(crate) type Home = fn(Option<&str>) -> Option<String>;

/// Lines of a crontab, those together that have the same variables. What it cannot say is a comment that says why.
pub(crate) fn crontab(bodies: &Map<String, Value>, system: bool, home: Home) -> Crontab {
    let mut bodies: Vec<(&String, &Value)> = bodies.iter().collect();
    // Variables hold for all lines below them and cannot be taken away: whoever has fewer goes first.
    bodies.sort_by_cached_key(|(name, body)| {
        let variables = line::variables(body);
        let kept = variables.keys().filter(|it| line::usual(it).is_none()).count();
        (kept, variables, (*name).clone())
    });
    let mut text = String::from("# Made by ostler schedule export.\n");
    let (mut left, mut above) = (0, BTreeMap::new());
    for (name, body) in bodies {
        text.push('\n');
        match line::line(name, body, &mut above, (system, home)) {
            Ok(line) => {
                for variable in &line.above {
                    text += &format!("{variable}\n");
                }
                text += if line.above.is_empty() { "" } else { "\n" };
                text += &format!("# {name}\n");
                line.notes.iter().for_each(|it| text += &format!("#   {it}\n"));
                text += &format!("{}\n", line.text);
            }
            Err(why) => {
                left += 1;
                text += &format!(
                    "# {name}\n#   cannot be said here: {why}\n#   {}\n",
                    line::shown(body)
                );
            }
        }
    }
    Crontab { text, left }
}

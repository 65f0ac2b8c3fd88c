//! Crontabs that become schedules: what cron does with each line, in the words of the API.
//!
//! Nothing is asked and nothing is written here, but for [`disable`], which takes lines out of a file.

pub(crate) mod disable;
mod job;
mod mail;
mod name;
mod notes;
pub(crate) mod tables;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use ostler_cron_module::{
    Dialect, Expression, Timing,
    crontab::{Crontab, Entry},
};
use serde::Serialize;
use serde_json::Value;

use self::{name::Names, tables::TableFile};
use super::explanation::{timestamp, wall};
use crate::jobs::moment::Clock;

/// What whoever imports wants otherwise than it is written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wishes {
    /// What the names begin with.
    pub(crate) prefix: String,
    /// The zone of all lines.
    pub(crate) tz: Option<String>,
    /// Who runs the lines of a table that names nobody.
    pub(crate) run_as: Option<String>,
    /// The runner that they go to.
    pub(crate) host: Option<String>,
    /// The queue that they wait in.
    pub(crate) queue: Option<String>,
}

/// What this host knows of itself.
pub(crate) struct Here {
    pub(crate) clock: Clock,
    /// The home of a user, or of whoever this is; `None`: there is no such user here.
    pub(crate) home: fn(Option<&str>) -> Option<String>,
}

/// What was understood, and what was not.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Import {
    pub(crate) schedules: Vec<Draft>,
    pub(crate) left: Vec<Left>,
    /// What a person should know.
    #[serde(skip)]
    pub(crate) notes: Vec<String>,
}

/// A line that becomes a schedule.
#[derive(Debug, Serialize)]
pub(crate) struct Draft {
    pub(crate) name: String,
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) words: String,
    pub(crate) next: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) command: String,
    /// As it is put.
    pub(crate) schedule: Value,
    /// Which of the tables it is of.
    #[serde(skip)]
    pub(crate) table: usize,
}

/// A line that does not.
#[derive(Debug, Serialize)]
pub(crate) struct Left {
    pub(crate) file: String,
    pub(crate) line: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) column: Option<usize>,
    pub(crate) why: String,
}

impl Left {
    /// `FILE:LINE:COLUMN: WHY`, as editors read it.
    pub(crate) fn told(&self) -> String {
        let column = self.column.map_or_else(String::new, |it| format!(":{it}"));
        format!("{}:{}{column}: {}", self.file, self.line, self.why)
    }
}

impl Import {
    /// Reads all tables.
    pub(crate) fn read(tables: &[TableFile], wishes: &Wishes, here: &Here) -> Self {
        let mut import = Self::default();
        let mut names = Names::default();
        for (index, file) in tables.iter().enumerate() {
            import.add(index, file, (wishes, here), &mut names);
        }
        import
    }

    fn add(
        &mut self,
        index: usize,
        file: &TableFile,
        (wishes, here): (&Wishes, &Here),
        names: &mut Names,
    ) {
        let crontab = Crontab::read(&file.text, file.table, &file.label);
        for broken in &crontab.broken {
            let why = format!("{}; {}", broken.fault.what, broken.fault.cure);
            self.left.push(Left {
                file: file.label.clone(),
                line: broken.line,
                column: Some(broken.fault.at.start + 1),
                why,
            });
        }
        let alone = crontab.entries.len() == 1;
        let mut mails = Vec::new();
        for entry in &crontab.entries {
            let left = |why| Left { file: file.label.clone(), line: entry.line, column: None, why };
            match job::schedule(entry, file, wishes, here) {
                Err(why) => self.left.push(left(why)),
                Ok(made) => {
                    let name = names.next(&wishes.prefix, file.owner.name(), entry, alone);
                    mails.push(made.mail.clone());
                    self.schedules.push(Draft {
                        words: made.words(entry, &name),
                        next: made.next(entry, &name, here.clock.now()),
                        name,
                        file: file.label.clone(),
                        line: entry.line,
                        user: made.user.clone(),
                        command: entry.command.clone(),
                        schedule: made.body,
                        table: index,
                    });
                }
            }
        }
        self.left.sort_by(|one, other| (&one.file, one.line).cmp(&(&other.file, other.line)));
        let mails = mail::notes(mails.into_iter());
        self.notes.extend(mails.into_iter().map(|it| format!("{}: {it}", file.label)));
        self.notes.extend(notes::notes(file, &crontab, wishes, here));
    }
}

impl job::Made {
    fn expression(entry: &Entry, name: &str) -> Expression {
        // `H` and `~` are those of the schedule's name.
        Expression::parse(&entry.when, name, Dialect::Vixie)
            .unwrap_or_else(|_| entry.expression.clone())
    }

    /// In words, with what differs from usual.
    fn words(&self, entry: &Entry, name: &str) -> String {
        let words = Self::expression(entry, name).words();
        match self.body.get("jitter").and_then(Value::as_str) {
            Some(jitter) => format!("{words}, up to {jitter} later"),
            None => words,
        }
    }

    fn next(&self, entry: &Entry, name: &str, now: Timestamp) -> Option<String> {
        let zone = self.zone.clone();
        let expression = Self::expression(entry, name);
        let timing = Timing {
            expression,
            zone: zone.clone(),
            gap: Default::default(),
            fold: Default::default(),
            anchor: wall(now),
        };
        let at = timestamp(timing.next(wall(now))?.due)?.to_zoned_datetime(zone);
        Some(at.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string())
    }
}

/// The home of a user of this host.
pub(crate) fn home(user: Option<&str>) -> Option<String> {
    use nix::unistd::{User, geteuid};
    let found = match user {
        Some(name) => User::from_name(name),
        None => User::from_uid(geteuid()),
    };
    found.ok()??.dir.to_str().map(str::to_owned)
}

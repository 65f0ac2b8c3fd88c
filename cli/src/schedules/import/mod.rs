//! Crontabs that become schedules: what cron does with each line, in the words of the API.
//!
//! Nothing is asked and nothing is written here, but for [`disable`], which takes lines out of a file.

pub(crate) mod disable;
mod job;
mod mail;
mod name;
pub(crate) mod tables;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use ostler_cron_module::{
    Dialect, Expression, Timing,
    crontab::{Crontab, Entry, Table},
};
use serde::Serialize;
use serde_json::Value;

use self::{
    name::Names,
    tables::{Owner, TableFile},
};
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
        self.notes.extend(notes(file, &crontab, wishes, here));
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

/// What is otherwise than some expect.
fn notes(file: &TableFile, crontab: &Crontab, wishes: &Wishes, here: &Here) -> Vec<String> {
    let mut notes = Vec::new();
    let mut told = |text: String| notes.push(format!("{}: {text}", file.label));
    let has = |name: &str| {
        crontab.entries.iter().find_map(|it| it.variables.get(name).filter(|it| !it.is_empty()))
    };
    if let Some(from) = has("MAILFROM") {
        told(format!("MAILFROM={from}: mail comes from the user whom the command runs as"));
    }
    if let Some(kind) = has("CONTENT_TYPE").filter(|it| !it.starts_with("text/plain")) {
        told(format!("CONTENT_TYPE={kind}: mail is plain text in UTF-8"));
    }
    if let Some(zone) = has("CRON_TZ").filter(|_| wishes.tz.is_none()) {
        told(format!(
            "CRON_TZ={zone}: its times are those of that zone, as in cronie; Debian's cron does not know it"
        ));
    }
    if let Some(zone) = has("TZ") {
        told(format!(
            "TZ={zone} is for the commands alone, as in cron, and not for when they run; --tz {zone} is"
        ));
    }
    let of_table = file.owner.user().or(wishes.run_as.as_deref());
    let of_table = of_table.filter(|_| !crontab.entries.is_empty());
    let users = crontab.entries.iter().filter_map(|it| it.user.as_deref()).chain(of_table);
    let unknown: std::collections::BTreeSet<&str> =
        users.filter(|user| (here.home)(Some(user)).is_none()).collect();
    for user in unknown {
        told(format!(
            "there is no user {user} on this host, so the home that its commands run in is not known; they run in /"
        ));
    }
    let is_rootly = |it: &Entry| it.command.split_whitespace().next() == Some("root");
    if file.table == Table::User
        && !crontab.entries.is_empty()
        && crontab.entries.iter().all(is_rootly)
    {
        told("each command begins with root, as in the system's tables; if that is the user, give --system".to_owned());
    }
    if matches!(file.owner, Owner::Nobody) && file.table == Table::User && wishes.run_as.is_none() {
        told("it names no user, so the runner's own runs its commands; --run-as USER says another one".to_owned());
    }
    notes
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

//! Crontabs as people have them: what each line means, and what is wrong with those that mean nothing.
//!
//! By the words of crontab(5) of Vixie's cron, Debian's and cronie: comments, variables for the lines below them, five fields or a
//! nickname, in the system's own tables a user, and a command in which a `%` is the end of a line and what follows the first one is standard
//! input. A broken line is told with its place, and the others are read all the same: nobody loses a night for one.

mod line;
mod slips;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::expression::{Dialect, Expression, fault::Fault};

/// Whose table it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// A user's own: `crontab -l`, a file of the spool.
    User,
    /// The system's, which has a user in each line: `/etc/crontab`, `/etc/cron.d`.
    System,
}

/// All of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Crontab {
    /// The lines that name a command, in their order.
    pub entries: Vec<Entry>,
    /// The lines that mean nothing, or that cron itself leaves out.
    pub broken: Vec<Broken>,
}

/// A line that names a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number, from 1.
    pub line: usize,
    /// The comment right above it, if it is one line and no command that was taken out.
    pub comment: Option<String>,
    /// The fields or the nickname, as they are written.
    pub when: String,
    /// The same, understood; `H` and `~` by the name that is handed in.
    pub expression: Expression,
    /// Who runs it, in the system's table.
    pub user: Option<String>,
    /// What the shell is given.
    pub command: String,
    /// Standard input; `None`: it is empty.
    pub stdin: Option<String>,
    /// Variables that are set above it, `PATH`, `SHELL`, `MAILTO`, `CRON_TZ` and `RANDOM_DELAY` among them.
    pub variables: BTreeMap<String, String>,
    /// It began with `-`, or `-q` is before its command, which asks cron to say nothing of it in its log.
    pub quiet: bool,
    /// `-s` is before its command: the crons of BSD then start none while the one before it runs.
    pub single: bool,
    /// `-n` is before its command: they then mail what it wrote only if it failed.
    pub mails_failures: bool,
}

/// A line that means nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, {fault}")]
pub struct Broken {
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong, and where in the line.
    pub fault: Fault,
}

/// Bytes of variables that all lines of a table have together, at most: each has those above it.
const COPIED_MAX: usize = 32 << 20;

fn bytes(variables: &BTreeMap<String, String>) -> usize {
    variables.iter().map(|(name, value)| name.len() + value.len()).sum()
}

impl Crontab {
    /// Reads a table; `name` is whose `H` and `~` it has: each line has its own, by its number.
    pub fn read(text: &str, table: Table, name: &str) -> Self {
        let mut crontab = Self::default();
        let (mut variables, mut comment, mut copied) = (BTreeMap::new(), None, 0);
        for (number, line) in (1..).zip(text.lines()) {
            let body = line.trim_start_matches([' ', '\t']);
            if let Some(words) = body.strip_prefix('#') {
                // What is set in goes on with what is above it.
                if comment.is_none() || !words.starts_with("   ") {
                    comment = comment_of(words, table, comment.is_some());
                }
                continue;
            }
            let comment = comment.take().filter(|it: &String| !it.is_empty());
            if body.trim_end().is_empty() {
                continue;
            }
            let read = line::variable(line).and_then(|variable| match variable {
                Some((key, value)) => match slips::in_value(line, &key, table) {
                    Some(fault) => Err(fault),
                    None => {
                        variables.insert(key, value);
                        Ok(None)
                    }
                },
                None => line::entry(line, table, &format!("{name}:{number}")).map(Some),
            });
            match read {
                Ok(Some(_)) if copied + bytes(&variables) > COPIED_MAX => {
                    let what = "the variables above it, with those of the lines before it, are more than is read";
                    let fault = Fault::new(
                        0..line.len(),
                        what,
                        "leave variables out, or make several tables of it",
                    );
                    crontab.broken.push(Broken { line: number, fault });
                }
                Ok(Some(read)) => {
                    copied += bytes(&variables);
                    let variables = variables.clone();
                    crontab.entries.push(Entry { line: number, comment, variables, ..read });
                }
                Ok(None) => {}
                Err(fault) => crontab.broken.push(Broken { line: number, fault }),
            }
        }
        crontab.note_the_end(text);
        crontab
    }

    /// A last line without an end is none to cron.
    fn note_the_end(&mut self, text: &str) {
        let number = text.lines().count();
        if text.ends_with('\n') || self.entries.last().is_none_or(|it| it.line != number) {
            return;
        }
        let at = text.lines().last().map_or(0, str::len);
        let fault =
            Fault::new(at..at, "the last line has no end, and cron does not run it", "end it");
        self.entries.pop();
        self.broken.push(Broken { line: number, fault });
    }
}

/// What a comment says of the line below it: nothing, when it is one of several, empty, or a line that was taken out.
fn comment_of(words: &str, table: Table, follows: bool) -> Option<String> {
    let words = words.trim_matches(['#', ' ', '\t', '-', '=', '*']);
    let was_a_line = line::entry(words, table, "").is_ok();
    if follows || was_a_line {
        // There is a comment above the line, which is not to be taken for its name.
        return Some(String::new());
    }
    Some(words.to_owned())
}

/// Reads fields of a crontab.
fn expression(text: &str, at: usize, name: &str) -> Result<Expression, Fault> {
    let moved = |fault: Fault| Fault { at: fault.at.start + at..fault.at.end + at, ..fault };
    Expression::parse(text, name, Dialect::Vixie).map_err(moved)
}

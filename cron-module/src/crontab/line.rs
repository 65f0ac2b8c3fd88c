//! One line of a crontab.

use std::collections::BTreeMap;

use super::{Entry, Table, expression, slips};
use crate::expression::fault::Fault;

/// What is between words.
const BLANKS: [char; 2] = [' ', '\t'];

/// `NAME = value`, in quotes or not; `None`: it is not that.
pub(super) fn variable(line: &str) -> Result<Option<(String, String)>, Fault> {
    let Some((before, after)) = line.split_once('=') else { return Ok(None) };
    let name = before.trim_matches(BLANKS);
    let key = unquoted(name);
    if key.contains(BLANKS) && key == name || key.starts_with(['@', '!', '&', '%']) {
        // It is in the command of a line, or in an option of fcron's.
        return Ok(None);
    }
    let is_name = |it: char| it.is_ascii_alphanumeric() || it == '_';
    if key.is_empty()
        || !key.chars().all(is_name)
        || key.starts_with(|it: char| it.is_ascii_digit())
    {
        let at = before.len() - before.trim_start_matches(BLANKS).len();
        let what = format!("{name:?} is no name of a variable");
        return Err(Fault::new(at..at + name.len().max(1), what, "write letters, digits and _"));
    }
    let value = after.trim_matches(BLANKS);
    let quote = value.chars().next().filter(|it| matches!(it, '"' | '\''));
    if quote.is_some_and(|quote| unquoted(value) == value || unquoted(value).contains(quote)) {
        let at = line.len() - after.trim_start_matches(BLANKS).len();
        let what =
            "what begins with a quotation mark has to end with it, and with no other in between";
        return Err(Fault::new(
            at..at + value.len(),
            what,
            "quote all of it, and write comments elsewhere",
        ));
    }
    Ok(Some((key.to_owned(), unquoted(value).to_owned())))
}

fn unquoted(text: &str) -> &str {
    let quoted = |quote: char| text.strip_prefix(quote).and_then(|it| it.strip_suffix(quote));
    quoted('"').or_else(|| quoted('\'')).unwrap_or(text)
}

/// Fields, a user where the table has them, and a command.
pub(super) fn entry(line: &str, table: Table, name: &str) -> Result<Entry, Fault> {
    let mut rest = Rest { line, at: 0 };
    rest.skip_blanks();
    let quiet = rest.text().starts_with('-');
    rest.at += usize::from(quiet);
    if let Some(fault) = slips::of_other_cron(line, rest.at) {
        return Err(fault);
    }
    let (start, when) = rest.when()?;
    let when = slips::of_bsd(when).unwrap_or(when);
    let expression = expression(when, start, name)?;
    let user = match table {
        Table::User => None,
        Table::System => Some(rest.user()?),
    };
    let flags = rest.flags();
    if rest.text().trim_end().is_empty() {
        let cure = match table {
            Table::User => "write it after the fields",
            Table::System => "write it after the user",
        };
        return Err(Fault::new(line.len()..line.len(), "the command is missing", cure));
    }
    if let Some(fault) = slips::in_command(rest.text(), rest.at) {
        return Err(fault);
    }
    let (command, stdin) = command(rest.text());
    Ok(Entry {
        line: 0,
        comment: None,
        when: when.to_owned(),
        expression,
        user,
        command,
        stdin,
        variables: BTreeMap::new(),
        quiet: quiet || flags.contains('q'),
        single: flags.contains('s'),
        mails_failures: flags.contains('n'),
    })
}

/// What is left of a line.
struct Rest<'a> {
    line: &'a str,
    at: usize,
}

impl<'a> Rest<'a> {
    fn text(&self) -> &'a str {
        &self.line[self.at..]
    }

    fn skip_blanks(&mut self) {
        let text = self.text();
        self.at += text.len() - text.trim_start_matches(BLANKS).len();
    }

    fn skip_word(&mut self) {
        self.skip_blanks();
        self.at += self.text().find(BLANKS).unwrap_or_else(|| self.text().len());
    }

    fn user(&mut self) -> Result<String, Fault> {
        self.skip_blanks();
        let start = self.at;
        self.skip_word();
        let at = start..self.at;
        let user = &self.line[at.clone()];
        if user.is_empty() {
            let cure = "write who runs it before the command";
            return Err(Fault::new(at, "the user is missing", cure));
        }
        slips::in_user(user, at).map_or_else(|| Ok(user.to_owned()), Err)
    }

    /// A nickname, which `@every` has a length of time for, or five fields.
    fn when(&mut self) -> Result<(usize, &'a str), Fault> {
        let start = self.at;
        let words = match self.text() {
            text if text.starts_with("@every ") => 2,
            text if text.starts_with('@') => 1,
            text => match text.split_ascii_whitespace().count() {
                count @ 0..5 => return Err(slips::too_few(count, start..self.line.len())),
                _ => 5,
            },
        };
        (0..words).for_each(|_| self.skip_word());
        Ok((start, &self.line[start..self.at]))
    }

    /// Letters after a `-` before the command, which the crons of BSD read; no program is called so.
    fn flags(&mut self) -> String {
        let mut flags = String::new();
        loop {
            self.skip_blanks();
            let word = self.text().split([' ', '\t']).next().unwrap_or_default();
            let letters = word.strip_prefix('-').filter(|it| !it.is_empty());
            match letters.filter(|it| it.chars().all(|it| "nqs".contains(it))) {
                Some(letters) => flags += letters,
                None => return flags,
            }
            self.at += word.len();
        }
    }
}

/// What the shell is given and what it reads: a `%` without a `\` before it ends a line, and the first one the command. By the
/// letter of Vixie's cron: what a `\` is before is taken as it is, also another `\` in the command, and in the input it is not.
fn command(text: &str) -> (String, Option<String>) {
    let mut command = String::new();
    let mut escaped = false;
    for (at, char) in text.char_indices() {
        match char {
            '%' if escaped => {
                command.pop();
                command.push('%');
            }
            '%' => return (without_blanks(&command), input(&text[at + 1..])),
            _ => command.push(char),
        }
        escaped = char == '\\' && !escaped;
    }
    (without_blanks(&command), None)
}

/// Blanks at the end mean nothing to a shell, unless a `\` is before them.
fn without_blanks(command: &str) -> String {
    let trimmed = command.trim_end();
    if trimmed.ends_with('\\') { command } else { trimmed }.to_owned()
}

/// `None`: there is nothing to read.
fn input(text: &str) -> Option<String> {
    let mut input = String::new();
    let mut escaped = false;
    for char in text.chars() {
        let read = if char == '%' && !escaped { '\n' } else { char };
        if escaped && char != '%' {
            input.push('\\');
        }
        escaped = char == '\\';
        if !escaped {
            input.push(read);
        }
    }
    if escaped {
        input.push('\\');
    }
    if !input.is_empty() && !input.ends_with('\n') {
        input.push('\n');
    }
    Some(input).filter(|it| !it.is_empty())
}

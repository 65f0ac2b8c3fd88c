//! Lines that are no crontab's, but that people have there: those of other crons, and those that cron reads as something else than was meant.

use std::ops::Range;

use super::{Table, line};
use crate::expression::fault::Fault;

/// What the crons of BSD call `* * * * *` and each second.
const OF_BSD: [(&str, &str); 2] = [("@every_minute", "* * * * *"), ("@every_second", "@every 1s")];

/// A nickname of another cron, as it is said here.
pub(super) fn of_bsd(when: &str) -> Option<&'static str> {
    OF_BSD.iter().find(|(name, _)| *name == when).map(|it| it.1)
}

/// A line that means something to fcron, to anacron, or to FreeBSD's cron alone.
pub(super) fn of_other_cron(line: &str, at: usize) -> Option<Fault> {
    let text = &line[at..];
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let whole = at..at + text.trim_end().len();
    if text.starts_with(['&', '!', '%']) || words.first() == Some(&"@") {
        let cure =
            "write five fields and the command; what its options say, a schedule says by its own";
        return Some(Fault::new(whole, "it is a line of fcron's", cure));
    }
    if is_of_anacron(&words) {
        let cure = format!(
            "make a schedule that is made up for (missed = one): ostler schedule put {} {} -- COMMAND",
            words[2],
            period(words[0]),
        );
        return Some(Fault::new(whole, "it is a line of anacron's: days, minutes, a name", cure));
    }
    let seconds = words.first()?.strip_prefix('@').filter(|it| is_number(it))?;
    let at = at..at + seconds.len() + 1;
    let cure = format!("write @every {seconds}s, which counts from the start of the one before it");
    Some(Fault::new(at, format!("there is no @{seconds}"), cure))
}

/// A period in days or by its name, a delay in minutes, the name of the job, and a command.
fn is_of_anacron(words: &[&str]) -> bool {
    let [days, minutes, name, command, ..] = words else { return false };
    let is_period = is_number(days) || days.starts_with('@') && *days != "@every";
    is_period
        && is_number(minutes)
        && name.starts_with(|it: char| it.is_ascii_alphabetic())
        && name.contains(['.', '-', '_'])
        && !command.starts_with(|it: char| it == '*' || it.is_ascii_digit())
}

fn period(days: &str) -> String {
    match days {
        "1" => "@daily".to_owned(),
        "7" => "@weekly".to_owned(),
        "30" => "@monthly".to_owned(),
        named if named.starts_with('@') => named.to_owned(),
        days => format!("'@every {days}d'"),
    }
}

/// Fewer words than a line has fields.
pub(super) fn too_few(count: usize, at: Range<usize>) -> Fault {
    let what = match count {
        1 => "there is one field".to_owned(),
        count => format!("there are {count} fields"),
    };
    let cure = "write five (minute, hour, day of month, month, day of week) or a nickname such as @daily, and the command; a variable is NAME=value";
    Fault::new(at, what, cure)
}

/// A line that cron takes for a variable, while it ends with fields and a command.
pub(super) fn in_value(text: &str, key: &str, table: Table) -> Option<Fault> {
    let begin = text.find('=')? + 1;
    let value = &text[begin..];
    let word = value.trim_start_matches([' ', '\t']);
    if word.starts_with(['"', '\'']) {
        return None;
    }
    let end = begin + value.len() - word.len() + word.find([' ', '\t'])?;
    line::entry(&text[end..], table, "").ok()?;
    let what = format!("cron takes all of it for the value of {key}, and runs nothing");
    Some(Fault::new(end..text.len(), what, format!("put {key} on a line of its own")))
}

/// What no user is called, but a field or a program is.
pub(super) fn in_user(user: &str, at: Range<usize>) -> Option<Fault> {
    let good = |it: char| it.is_alphanumeric() || "._-$@+\\\u{fffd}".contains(it);
    if user.chars().all(good) {
        return None;
    }
    let cure = "a line of the system's tables has its user right after five fields, and those of a user's own have none";
    Some(Fault::new(at, format!("{user} is no user"), cure))
}

/// A command that begins as if there were more fields.
pub(super) fn in_command(text: &str, at: usize) -> Option<Fault> {
    let word = text.split_ascii_whitespace().next()?;
    let is_field = word.chars().all(|it| it.is_ascii_digit() || "*,/-?".contains(it))
        && word.contains(|it: char| it.is_ascii_digit() || "*?".contains(it))
        && !word.starts_with('/');
    if !is_field {
        return None;
    }
    let what = format!("the command begins with {word}, as if there were more fields");
    let cure = "a crontab has five, without seconds and years";
    Some(Fault::new(at..at + word.len(), what, cure))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit())
}

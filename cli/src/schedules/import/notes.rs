//! What of a crontab is otherwise than some expect, and is no mistake.

use std::collections::BTreeSet;

use ostler_cron_module::crontab::{Crontab, Entry, Table};

use super::{
    Here, Wishes,
    tables::{Owner, TableFile},
};

/// Variables that some cron goes by, and no schedule.
const OF_SOME: [(&str, &str); 2] = [
    ("CRON_WITHIN", "what comes due while nobody is there is not made up for anyway"),
    ("START_HOURS_RANGE", "anacron's hours are those of the expression"),
];

/// Each with the table that it is about.
pub(super) fn notes(
    file: &TableFile,
    crontab: &Crontab,
    wishes: &Wishes,
    here: &Here,
) -> Vec<String> {
    let mut notes = of_variables(crontab, wishes);
    notes.extend(of_users(file, crontab, wishes, here));
    notes.extend(of_lines(crontab));
    if file.text.contains("\r\n") {
        notes.push("its lines end as those of Windows, which cron gives to each command; here they are without".to_owned());
    }
    notes.into_iter().map(|text| format!("{}: {text}", file.label)).collect()
}

fn of_variables(crontab: &Crontab, wishes: &Wishes) -> Vec<String> {
    let mut notes = Vec::new();
    let has = |name: &str| {
        crontab.entries.iter().find_map(|it| it.variables.get(name).filter(|it| !it.is_empty()))
    };
    if let Some(from) = has("MAILFROM") {
        notes.push(format!("MAILFROM={from}: mail comes from the user whom the command runs as"));
    }
    if let Some(kind) = has("CONTENT_TYPE").filter(|it| !it.starts_with("text/plain")) {
        notes.push(format!("CONTENT_TYPE={kind}: mail is plain text in UTF-8"));
    }
    if let Some(zone) = has("CRON_TZ").filter(|_| wishes.tz.is_none()) {
        notes.push(format!(
            "CRON_TZ={zone}: its times are those of that zone, as in cronie; Debian's cron does not know it"
        ));
    }
    if let Some(zone) = has("TZ") {
        notes.push(format!(
            "TZ={zone} is for the commands alone, as in cron, and not for when they run; --tz {zone} is"
        ));
    }
    for (name, why) in OF_SOME {
        if let Some(value) = has(name) {
            notes.push(format!("{name}={value} stays a variable of the commands: {why}"));
        }
    }
    for (name, value) in all_variables(crontab) {
        if value.contains("$PATH") || value.contains("$HOME") || value.contains("${") {
            notes.push(format!(
                "{name}={value}: cron puts nothing in the place of a $ there, and neither is it here; write the value itself"
            ));
        }
        if value.split_whitespace().skip(1).any(is_like_a_variable) {
            notes.push(format!("{name}={value}: all of it is the value of {name}, as in cron"));
        }
        if value.contains(" #") {
            notes.push(format!("{name}={value}: the # is a part of the value, as in cron"));
        }
    }
    notes
}

fn all_variables(crontab: &Crontab) -> BTreeSet<(&str, &str)> {
    let all = crontab.entries.iter().flat_map(|it| &it.variables);
    all.map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// `HOME=/`, after another variable on the same line.
fn is_like_a_variable(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        name.len() > 1 && name.bytes().all(|it| it.is_ascii_uppercase() || it == b'_')
    })
}

fn of_users(file: &TableFile, crontab: &Crontab, wishes: &Wishes, here: &Here) -> Vec<String> {
    let mut notes = Vec::new();
    if crontab.entries.is_empty() {
        return notes;
    }
    let of_table = file.owner.user().or(wishes.run_as.as_deref());
    let users = crontab.entries.iter().filter_map(|it| it.user.as_deref()).chain(of_table);
    let unknown: BTreeSet<&str> = users.filter(|user| (here.home)(Some(user)).is_none()).collect();
    for user in unknown {
        notes.push(format!(
            "there is no user {user} on this host, so the home that its commands run in is not known; they run in /"
        ));
    }
    let is_rootly = |it: &Entry| it.command.split_whitespace().next() == Some("root");
    if file.table == Table::User && crontab.entries.iter().all(is_rootly) {
        notes.push("each command begins with root, as in the system's tables; if that is the user, give --system".to_owned());
    }
    if matches!(file.owner, Owner::Nobody) && file.table == Table::User && wishes.run_as.is_none() {
        notes.push("it names no user, so the runner's own runs its commands; --run-as USER says another one".to_owned());
    }
    notes
}

fn of_lines(crontab: &Crontab) -> Vec<String> {
    let mut notes = Vec::new();
    for entry in &crontab.entries {
        let line = entry.line;
        let mut told = |text: String| notes.push(format!("line {line}: {text}"));
        if entry.stdin.is_some() && is_cut_off(&entry.command) {
            told(format!(
                "its command ends at the first %, as in cron: `{}`; \\% is a percent sign",
                entry.command
            ));
        }
        let is_step = |it: &&str| {
            it.split(',').any(|it| {
                let base = it.split_once('/').map(|it| it.0);
                base.is_some_and(|it| it.bytes().all(|it| it.is_ascii_digit()))
            })
        };
        if let Some(step) = entry.when.split_whitespace().find(is_step) {
            let (first, by) = step.split_once('/').unwrap_or((step, ""));
            told(format!("{step} is {first} alone, as in cron; */{by} would be a step"));
        }
        if entry.mails_failures {
            told(
                "-n asks for mail of failures alone; output of successes is mailed, too".to_owned(),
            );
        }
    }
    notes
}

/// A format of `date` that was meant to go on.
fn is_cut_off(command: &str) -> bool {
    let last = command.split_whitespace().next_back().unwrap_or_default();
    last.trim_start_matches(['"', '\'']).starts_with('+') || command.ends_with('+')
}

//! One line of a crontab as the body of a schedule.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use ostler_cron_module::{
    Expression,
    crontab::{Entry, Table},
};
use serde_json::{Map, Value, json};

use super::{Here, Wishes, mail::Mail, tables::TableFile};

/// What cron gives a command that has none of its own.
const PATH: &str = "/usr/bin:/bin";
const SHELL: &str = "/bin/sh";
/// What cron itself goes by, and no command.
const OF_CRON: [&str; 2] = ["CRON_TZ", "RANDOM_DELAY"];
/// What cron sets for the user, whatever the table says.
const OF_USER: [&str; 2] = ["LOGNAME", "USER"];

/// A schedule that a line is.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) body: Value,
    pub(super) zone: TimeZone,
    pub(super) user: Option<String>,
    pub(super) mail: Mail,
}

/// What cron does: it starts whatever is due, once, beside what still runs, and makes up for nothing.
pub(super) fn schedule(
    entry: &Entry,
    file: &TableFile,
    wishes: &Wishes,
    here: &Here,
) -> Result<Made, String> {
    if [&entry.command, &entry.when].iter().any(|it| it.contains('\u{fffd}')) {
        return Err(
            "it is not UTF-8 text; convert the file, as by iconv -f latin1 -t utf8".to_owned()
        );
    }
    let (zone_name, zone) = zone(entry, wishes, here)?;
    let user = match file.table {
        Table::System => entry.user.clone(),
        Table::User => file.owner.user().or(wishes.run_as.as_deref()).map(str::to_owned),
    };
    let mut body = json!({
        "cron": entry.when.split_whitespace().collect::<Vec<_>>().join(" "),
        "zone": zone_name, "vixie": true, "missed": "skip", "overlap": "allow",
    });
    if entry.single {
        body["overlap"] = json!("skip");
    }
    if let Some(jitter) = jitter(entry) {
        body["jitter"] = json!(jitter);
    }
    let mail = Mail::of(entry, user.as_deref());
    body["job"] = Value::Object(job(entry, user.as_deref(), wishes, here));
    if let Some(address) = mail.address() {
        body["job"]["mailto"] = json!(address);
    }
    Ok(Made { body, zone, user, mail })
}

/// `--tz`, else that of the table, else this host's.
fn zone(entry: &Entry, wishes: &Wishes, here: &Here) -> Result<(String, TimeZone), String> {
    let of_table = entry.variables.get("CRON_TZ").filter(|it| !it.is_empty());
    let (flag, name) = match (&wishes.tz, of_table) {
        (Some(name), _) => ("--tz", Some(name)),
        (None, Some(name)) => ("CRON_TZ", Some(name)),
        (None, None) => ("", None),
    };
    let zone = here.clock.zone(name.map(|it| it.trim_start_matches(':')));
    let zone = zone.map_err(|why| match name {
        Some(name) => format!("{flag}={name}: {why}; give the zone with --tz"),
        None => why,
    })?;
    match zone.iana_name() {
        Some(name) => Ok((name.to_owned(), zone)),
        None => Err(
            "the time zone of this host has no name; give it with --tz, such as --tz Europe/Berlin"
                .to_owned(),
        ),
    }
}

/// Minutes by which cronie is late at most.
fn jitter(entry: &Entry) -> Option<String> {
    let minutes: u64 = entry.variables.get("RANDOM_DELAY")?.trim().parse().ok()?;
    let is_by_clock = !matches!(entry.expression, Expression::Reboot);
    (minutes > 0 && is_by_clock).then(|| format!("{minutes}m"))
}

fn job(entry: &Entry, user: Option<&str>, wishes: &Wishes, here: &Here) -> Map<String, Value> {
    let is_given =
        |name: &str| !(OF_CRON.contains(&name) || user.is_some() && OF_USER.contains(&name));
    let mut env: BTreeMap<&str, &str> =
        entry.variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    env.retain(|name, _| is_given(name));
    env.entry("PATH").or_insert(PATH);
    let shell = *env.entry("SHELL").or_insert(SHELL);
    let home = env.get("HOME").map(|it| (*it).to_owned()).or_else(|| (here.home)(user));
    let mut job = Map::new();
    let mut set = |name: &str, value: Value| {
        job.insert(name.to_owned(), value);
    };
    match shell {
        SHELL => set("command", json!(entry.command)),
        shell => set("argv", json!([shell, "-c", entry.command])),
    }
    if let Some(stdin) = &entry.stdin {
        set("stdin", json!(stdin));
    }
    set("env", json!(env));
    set("cwd", json!(home.unwrap_or_else(|| "/".to_owned())));
    for (name, value) in
        [("user", user), ("host", wishes.host.as_deref()), ("queue", wishes.queue.as_deref())]
    {
        if let Some(value) = value {
            set(name, json!(value));
        }
    }
    // Cron starts a command once, and asks nothing of how it ended.
    set("delivery", json!("at_most_once"));
    set("retry", json!({"attempts": 1}));
    job
}

//! Crontabs as they are found on hosts and in repositories, rewritten so that they name nobody: what is understood of each and what is refused, and
//! that what was understood comes back the same from each form that it is exported in.

use std::{fmt::Write as _, fs, path::PathBuf};

use ostler_gateway::{ScheduleName, ScheduleShape};
use serde_json::Map;

use super::{tables::Owner, *};
use crate::{config, schedules::export};

/// As many are wanted at least.
const COUNT_MIN: usize = 40;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/crontabs")
}

fn here() -> Here {
    Here { clock: Clock::for_tests_in("Europe/Berlin"), ..super::here() }
}

/// Those of a folder, by their names.
fn tables(kind: &str, table: Table) -> Vec<TableFile> {
    let names = fs::read_dir(folder().join(kind)).unwrap();
    let mut names: Vec<String> =
        names.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let read = |name: String| {
        let bytes = fs::read(folder().join(kind).join(&name)).unwrap();
        let owner = if table == Table::System { Owner::File(name.clone()) } else { Owner::Nobody };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        TableFile { label: name, path: None, table, owner, text }
    };
    names.into_iter().map(read).collect()
}

fn all() -> Vec<TableFile> {
    let mut all = tables("system", Table::System);
    all.extend(tables("user", Table::User));
    assert!(all.len() >= COUNT_MIN, "{}", all.len());
    all
}

fn import(table: &TableFile) -> Import {
    Import::read(std::slice::from_ref(table), &Wishes::default(), &here())
}

fn bodies(import: &Import) -> Map<String, Value> {
    import.schedules.iter().map(|it| (it.name.clone(), it.schedule.clone())).collect()
}

/// All that is said of a table, as a file of the configuration.
fn told(import: &Import) -> String {
    let mut text = String::new();
    for it in &import.schedules {
        let next = it.next.as_deref().map_or_else(String::new, |it| format!(", next {it}"));
        writeln!(text, "# line {}: {}: {}{next}", it.line, it.name, it.words).unwrap();
    }
    for note in &import.notes {
        writeln!(text, "# note: {note}").unwrap();
    }
    for left in &import.left {
        writeln!(text, "# left: {}", left.told()).unwrap();
    }
    if import.schedules.is_empty() {
        return text;
    }
    format!("{text}\n{}", export::toml(&bodies(import)).unwrap())
}

#[test]
fn each_of_them_is_understood_as_is_written_beside_it() {
    let bless = std::env::var_os("OSTLER_BLESS").is_some();
    let mut wrong = Vec::new();
    for table in all() {
        let path = folder().join("understood").join(format!("{}.toml", table.label));
        let is = told(&import(&table));
        if bless {
            fs::write(&path, &is).unwrap();
        }
        if fs::read_to_string(&path).unwrap_or_default() != is {
            wrong.push(format!("{}:\n{is}", path.display()));
        }
    }
    let cure = "if this is right: OSTLER_BLESS=1 cargo test -p ostler-cli understood_as_is_written";
    assert!(wrong.is_empty(), "{}\n{cure}", wrong.join("\n"));
    let kept = fs::read_dir(folder().join("understood")).unwrap().count();
    assert_eq!(kept, all().len(), "each has a file, and no file is left over");
}

/// What no crontab says, or not for every cron: lengths of time, `~`, and that none starts beside another (`-s`).
const UNSAID: [&str; 5] = [
    "cronie-extras: cronie-extras-spread",
    "freebsd-etc-crontab: freebsd-etc-crontab-true",
    "openbsd-root: rpki-client",
    "openbsd-root: single",
    "supercronic: sync",
];

#[test]
fn what_is_exported_as_a_crontab_is_read_from_it_again() {
    let mut unsaid = Vec::new();
    for table in all() {
        let (bodies, label) = (bodies(&import(&table)), table.label.clone());
        let made = export::crontab(&bodies, table.table == Table::System, here().home);
        let text = made.text;
        let again = TableFile { label: "again".to_owned(), owner: Owner::Nobody, text, ..table };
        let read = import(&again);
        let left: Vec<String> = read.left.iter().map(Left::told).collect();
        assert_eq!(left, [""; 0], "{label}:\n{}", again.text);
        assert_eq!(read.schedules.len() + made.left, bodies.len(), "{label}:\n{}", again.text);
        for (name, body) in &bodies {
            let found = read.schedules.iter().find(|it| it.name == *name).map(|it| &it.schedule);
            if found.is_none() || body["overlap"] != "allow" {
                unsaid.push(format!("{label}: {name}"));
                continue;
            }
            let found = found.map(|it| as_by_default(it, body));
            assert_eq!(found.as_ref(), Some(body), "{label}: {name} in\n{}", again.text);
        }
    }
    assert_eq!(unsaid, UNSAID);
}

/// Of a table that names nobody, who gets the mail is not known until there is a word for nobody.
fn as_by_default(read: &Value, was: &Value) -> Value {
    let mut read = read.clone();
    if was["job"]["mailto"].is_null()
        && read["job"]["env"]["MAILTO"] == ""
        && was["job"]["env"]["MAILTO"].is_null()
    {
        read["job"]["env"].as_object_mut().unwrap().remove("MAILTO");
    }
    read
}

/// As the API would take them.
fn shapes(bodies: &Map<String, Value>) -> Vec<(ScheduleName, ScheduleShape)> {
    let shape = |(name, body): (&String, &Value)| {
        let name = ScheduleName::new(name).unwrap();
        let shape = ostler_api::schedule_shape_of(body.to_string().as_bytes(), &name, "UTC");
        let shape = shape.unwrap_or_else(|told| panic!("{name}: {told:?}"));
        (name, shape)
    };
    let mut shapes: Vec<_> = bodies.iter().map(shape).collect();
    shapes.sort_by(|(one, _), (other, _)| one.cmp(other));
    shapes
}

#[test]
fn what_is_exported_as_a_configuration_is_read_from_it_as_the_api_reads_it() {
    for table in all() {
        let bodies = bodies(&import(&table));
        let text = export::toml(&bodies).unwrap();
        let source = config::Source { name: table.label, folder: PathBuf::from("/"), text };
        let ground = config::Ground { cpus: 4, given: None };
        let settings = config::settings(&source, &ground);
        let settings = settings.unwrap_or_else(|told| panic!("{}\n{told:?}", source.text));
        assert_eq!(settings.gateway.jobs.schedules, shapes(&bodies), "{}", source.text);
    }
}

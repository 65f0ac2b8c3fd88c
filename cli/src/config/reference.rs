//! The key table as a document.

use std::fmt::Write as _;

use super::{
    keys::{self, Kind, Place, Preset},
    setting::article,
};

const PLACES: [(Place, &str, &str); 15] = [
    (Place::Top, "The file", ""),
    (
        Place::Listen,
        "`[listen]`",
        "Each listener takes an address, a list of addresses, or `\"off\"`.",
    ),
    (Place::Certificate, "`[[certificate]]`", ""),
    (Place::App, "`[app.NAME]`", ""),
    (Place::Children, "`[app.NAME.children]`", ""),
    (Place::Route, "`[[route]]`", ""),
    (Place::Timeouts, "`[route.timeouts]`", ""),
    (Place::Log, "`[log]`", ""),
    (Place::Limits, "`[limits]`", ""),
    (Place::Gateway, "`[gateway]`", ""),
    (Place::Runner, "`[runner]`", ""),
    (Place::Jobs, "`[jobs]`", ""),
    (Place::Queue, "`[queue.NAME]`", ""),
    (Place::Schedules, "`[schedules]`", ""),
    (
        Place::Schedule,
        "`[schedule.NAME]`",
        "`[schedule.nightly]` with `cron = \"0 3 * * *\"` and `command = \"backup --all\"` is enough.",
    ),
];

/// `docs/CONFIG.md`
pub(crate) fn reference() -> String {
    let mut text = include_str!("reference.md").to_owned();
    for (place, title, words) in PLACES {
        let words = if words.is_empty() { String::new() } else { format!("{words}\n\n") };
        write!(
            text,
            "\n## {title}\n\n{words}| key | type | default | meaning |\n| --- | --- | --- | --- |\n"
        )
        .expect("a String takes every write");
        for key in keys::of(place) {
            let preset = match key.preset {
                Preset::Value(value) => format!("`{value}`"),
                Preset::Words(words) => words.to_owned(),
                Preset::Required => "must be given".to_owned(),
            };
            let kind = kind(key.kind).replace('|', "\\|");
            let meaning = key.meaning.replace('|', "\\|");
            writeln!(text, "| `{}` | {kind} | {preset} | {meaning} |", key.name)
                .expect("a String takes every write");
        }
    }
    text
}

fn kind(kind: Kind) -> String {
    match kind {
        Kind::OneOf(words) => {
            let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
            words.join(" or ")
        }
        Kind::Duration(_) => "duration".to_owned(),
        Kind::Path => "path".to_owned(),
        Kind::Addresses => "addresses".to_owned(),
        Kind::Table(_) => "table".to_owned(),
        Kind::Named(_) => "tables by name".to_owned(),
        Kind::Tables(_) => "list of tables".to_owned(),
        Kind::Text(_)
        | Kind::Flag
        | Kind::Count(..)
        | Kind::Size(..)
        | Kind::Texts(_)
        | Kind::Map(_)
        | Kind::Form(_)
        | Kind::Slots => {
            let text = article(kind);
            text.strip_prefix("expected ").unwrap_or(&text).to_owned()
        }
    }
}

//! A configuration as TOML, with every default filled in.
//!
//! What this prints can be read again and means the same. It lists no key: every key that is read notes what it came to be, and
//! the key table has the order.

use std::{cell::RefCell, collections::BTreeMap, fmt::Write as _};

use toml::Value;

use super::{
    Settings,
    keys::{self, Kind, Place},
};

/// What the keys of one table came to be.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    place: Place,
    /// As messages name it: `app.shop`.
    name: String,
    /// The table that it lies in, when that is not the file itself.
    within: Option<usize>,
    keys: BTreeMap<&'static str, String>,
}

/// All tables that were read, in the order in which they were.
#[derive(Debug, Default)]
pub(crate) struct Record(RefCell<Vec<Table>>);

impl Record {
    /// A table begins.
    pub(crate) fn begin(&self, place: Place, name: &str) -> usize {
        let mut tables = self.0.borrow_mut();
        let name = name.to_owned();
        tables.push(Table { place, name, within: None, keys: BTreeMap::new() });
        tables.len() - 1
    }

    /// A table lies in another.
    pub(crate) fn put_within(&self, inner: usize, outer: usize) {
        self.0.borrow_mut()[inner].within = Some(outer);
    }

    /// A key has this value. The last one holds.
    pub(crate) fn note(&self, table: usize, key: &'static str, text: String) {
        self.0.borrow_mut()[table].keys.insert(key, text);
    }

    /// All of it.
    pub(crate) fn take(&self) -> Vec<Table> {
        self.0.take()
    }
}

/// The whole configuration.
pub(crate) fn effective(settings: &Settings) -> String {
    let tables = &settings.tables;
    let mut text = String::new();
    for top in keys::of(Place::Top) {
        let (Kind::Table(place) | Kind::Named(place) | Kind::Tables(place)) = top.kind else {
            continue;
        };
        let mut found: Vec<(usize, &Table)> =
            tables.iter().enumerate().filter(|(_, table)| table.place == place).collect();
        if matches!(top.kind, Kind::Named(_)) {
            found.sort_by_key(|(_, table)| &table.name);
        }
        for (index, table) in found {
            print(&mut text, &head(top, table), table);
            for inner in tables.iter().filter(|inner| inner.within == Some(index)) {
                let key = keys::of(place).find(|key| key.kind == Kind::Table(inner.place));
                let key = key.expect("a table lies in another by a key of it");
                print(&mut text, &format!("[{}.{}]", top.name, key.name), inner);
            }
        }
    }
    text
}

fn head(top: &keys::Key, table: &Table) -> String {
    let own = table.name.strip_prefix(top.name).and_then(|rest| rest.strip_prefix('.'));
    match (top.kind, own) {
        (Kind::Tables(_), _) => format!("[[{}]]", top.name),
        // A dot would make two keys of the name.
        (Kind::Named(_), Some(own)) if own.contains('.') => {
            format!("[{}.{}]", top.name, Value::from(own))
        }
        _ => format!("[{}]", table.name),
    }
}

fn print(text: &mut String, head: &str, table: &Table) {
    if table.keys.is_empty() {
        return;
    }
    let gap = if text.is_empty() { "" } else { "\n" };
    writeln!(text, "{gap}{head}").expect("a String takes every write");
    for key in keys::of(table.place) {
        if let Some(value) = table.keys.get(key.name) {
            writeln!(text, "{} = {value}", key.name).expect("a String takes every write");
        }
    }
}

//! One table of the file, read key by key against the key table.
//!
//! A wrong value is noted and its preset taken instead, so that one run finds all problems.

use std::{collections::BTreeMap, ops::Range, path::PathBuf};

use toml::{
    Spanned, Value,
    de::{DeTable, DeValue},
};

use super::{
    keys::{self, Key, Place, Preset},
    setting::{Setting, Shown, article},
    source::Findings,
};
use crate::values::listing;

/// A table with its name in messages, such as `app.shop`.
#[derive(Debug)]
pub(crate) struct Section<'a> {
    pub(crate) findings: &'a Findings<'a>,
    place: Place,
    name: String,
    table: Option<&'a DeTable<'a>>,
    offset: usize,
    /// Where what its keys came to be is noted.
    record: Option<usize>,
}

impl<'a> Section<'a> {
    /// Notes unknown and missing keys at once.
    pub(crate) fn new(
        findings: &'a Findings<'a>,
        place: Place,
        name: String,
        table: Option<&'a DeTable<'a>>,
        offset: usize,
    ) -> Self {
        let record = Some(findings.record.begin(place, &name));
        let section = Self { findings, place, name, table, offset, record };
        for (key, _) in table.into_iter().flatten() {
            if keys::find(place, key.get_ref()).is_none() {
                section.unknown(key);
            }
        }
        for key in keys::of(place).filter(|key| key.preset == Preset::Required) {
            if section.entry(key.name).is_none() {
                section.problem(key.name, format!("is missing; {}", article(key.kind)));
            }
        }
        section
    }

    /// The same table, for what is read only to find its problems.
    pub(crate) fn unrecorded(&self) -> Self {
        Self { name: self.name.clone(), record: None, ..*self }
    }

    /// Notes what a key came to be.
    pub(crate) fn note_value(&self, name: &str, value: &impl Shown) {
        self.note_text(name, value.show().to_string());
    }

    /// The same, as the file would have it.
    pub(crate) fn note_text(&self, name: &str, text: String) {
        if let Some(record) = self.record {
            self.findings.record.note(record, self.key(name).name, text);
        }
    }

    fn unknown(&self, key: &Spanned<std::borrow::Cow<'_, str>>) {
        let allowed = || keys::of(self.place).map(|key| key.name);
        let wrong: &str = key.get_ref();
        let near = allowed()
            .map(|name| (distance(wrong, name), name))
            .min()
            .filter(|(steps, name)| *steps <= 1 + name.len() / 4)
            .map_or_else(String::new, |(_, name)| format!("did you mean {name}? "));
        let text = format!(
            "{}: no such key; {near}allowed here: {}",
            self.path(wrong),
            listing(allowed(), "and")
        );
        self.findings.problem(key.span().start, text);
    }

    /// A key's value and place in the file, when it is there.
    pub(crate) fn entry(&self, name: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.table?.get(name)
    }

    /// Whether the key was written.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.entry(name).is_some()
    }

    /// The key as messages name it.
    pub(crate) fn path(&self, name: &str) -> String {
        if self.name.is_empty() { name.to_owned() } else { format!("{}.{name}", self.name) }
    }

    fn at(&self, name: &str) -> usize {
        self.entry(name).map_or(self.offset, |value| value.span().start)
    }

    /// Says what is wrong with a key.
    pub(crate) fn problem(&self, name: &str, text: impl AsRef<str>) {
        let text = text.as_ref();
        let glue = if text.starts_with("is ") { "" } else { ":" };
        self.findings.problem(self.at(name), format!("{}{glue} {text}", self.path(name)));
    }

    /// Says what is wrong with the table itself.
    pub(crate) fn own_problem(&self, text: &str) {
        self.findings.problem(self.offset, format!("{}: {text}", self.name));
    }

    /// Says what is odd about a key.
    pub(crate) fn note(&self, name: &str, text: &str) {
        self.findings.note(self.at(name), format!("{}: {text}", self.path(name)));
    }

    fn key(&self, name: &str) -> &'static Key {
        keys::find(self.place, name).expect("every key that is read is in the key table")
    }

    /// The value as written; `None` when it is not there or wrong. What it means is the caller's to note.
    pub(crate) fn written<T: Setting>(&self, name: &str) -> Option<T> {
        let key = self.key(name);
        match T::read(key, self.entry(name)?.get_ref()) {
            Ok(value) => Some(value),
            Err(text) => {
                self.problem(name, text);
                None
            }
        }
    }

    /// The value as written, or the key's preset.
    pub(crate) fn value<T: Setting>(&self, name: &str) -> T {
        let preset = match self.key(name).preset {
            Preset::Value(text) => text,
            Preset::Words(_) | Preset::Required => "",
        };
        self.value_or(name, || T::preset(preset))
    }

    /// The value as written, or what is made of other things.
    pub(crate) fn value_or<T: Setting>(&self, name: &str, preset: impl FnOnce() -> T) -> T {
        let value = self.written(name).unwrap_or_else(preset);
        self.note_value(name, &value);
        value
    }

    /// The value as written, where its absence says something.
    pub(crate) fn optional<T: Setting>(&self, name: &str) -> Option<T> {
        self.written(name).inspect(|value| self.note_value(name, value))
    }

    /// A string with a form of its own.
    pub(crate) fn parsed<T: Shown>(
        &self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text: String = self.written(name)?;
        let value = parse(&text).map_err(|wrong| self.problem(name, wrong)).ok();
        value.inspect(|value| self.note_value(name, value))
    }

    /// A path, relative to the file's folder.
    pub(crate) fn path_of(&self, name: &str) -> Option<PathBuf> {
        let text: String = self.written(name)?;
        if text.is_empty() {
            self.problem(name, "\"\" is not a path");
            return None;
        }
        let path = self.findings.source.folder.join(text);
        self.note_value(name, &path);
        Some(path)
    }

    /// A table inside this one, empty when it is not there.
    pub(crate) fn table(&self, name: &str, place: Place) -> Self {
        let value = self.entry(name);
        let table = value.and_then(|value| value.get_ref().as_table());
        if value.is_some() && table.is_none() {
            self.problem(name, format!("is not a table; {}", article(self.key(name).kind)));
        }
        let inner = Self::new(self.findings, place, self.path(name), table, self.at(name));
        if let (Some(inner), Some(outer)) = (inner.record, self.record)
            && self.place != Place::Top
        {
            self.findings.record.put_within(inner, outer);
        }
        inner
    }

    /// The tables inside a table, by name, in the order of the file.
    pub(crate) fn named(&self, name: &str, place: Place) -> Vec<(String, Self)> {
        let mut tables = self.inner(name, |key, span, table| {
            let path = format!("{name}.{key}");
            (
                span.start,
                key.to_owned(),
                Self::new(self.findings, place, path, Some(table), span.start),
            )
        });
        tables.sort_by_key(|(offset, _, _)| *offset);
        tables.into_iter().map(|(_, key, section)| (key, section)).collect()
    }

    fn inner<T>(
        &self,
        name: &str,
        mut make: impl FnMut(&str, Range<usize>, &'a DeTable<'a>) -> T,
    ) -> Vec<T> {
        let kind = article(self.key(name).kind);
        let Some(value) = self.entry(name) else { return Vec::new() };
        let Some(tables) = value.get_ref().as_table() else {
            self.problem(name, format!("is not a table; {kind}"));
            return Vec::new();
        };
        let mut made = Vec::new();
        for (key, value) in tables {
            match value.get_ref().as_table() {
                Some(table) => made.push(make(key.get_ref(), key.span(), table)),
                None => {
                    let text = format!("{name}.{}: is not a table; {kind}", key.get_ref());
                    self.findings.problem(key.span().start, text);
                }
            }
        }
        made
    }

    /// A list of tables, numbered from 1 in messages.
    pub(crate) fn tables(&self, name: &str, place: Place) -> Vec<Self> {
        let kind = article(self.key(name).kind);
        let Some(value) = self.entry(name) else { return Vec::new() };
        let Some(items) = value.get_ref().as_array() else {
            self.problem(name, format!("is not a list of tables; {kind}"));
            return Vec::new();
        };
        let mut sections = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let path = format!("{name}[{}]", index + 1);
            match item.get_ref().as_table() {
                Some(table) => sections.push(Self::new(
                    self.findings,
                    place,
                    path,
                    Some(table),
                    item.span().start,
                )),
                None => {
                    self.findings
                        .problem(item.span().start, format!("{path} is not a table; {kind}"));
                }
            }
        }
        sections
    }

    /// A table with keys of the writer's choice; each value is read by `parse`.
    pub(crate) fn map<T: Shown>(
        &self,
        name: &str,
        parse: impl Fn(&str, &DeValue<'_>) -> Result<T, String>,
    ) -> BTreeMap<String, T> {
        let map = self.entries(name, parse);
        let shown = map.iter().map(|(key, value)| (key.clone(), value.show()));
        self.note_text(name, Value::Table(shown.collect()).to_string());
        map
    }

    fn entries<T>(
        &self,
        name: &str,
        parse: impl Fn(&str, &DeValue<'_>) -> Result<T, String>,
    ) -> BTreeMap<String, T> {
        let Some(value) = self.entry(name) else { return BTreeMap::new() };
        let Some(table) = value.get_ref().as_table() else {
            self.problem(name, format!("is not a table; {}", article(self.key(name).kind)));
            return BTreeMap::new();
        };
        let mut map = BTreeMap::new();
        for (key, value) in table {
            match parse(key.get_ref(), value.get_ref()) {
                Ok(value) => drop(map.insert(key.get_ref().to_string(), value)),
                Err(wrong) => {
                    let text = format!("{}.{}: {wrong}", self.path(name), key.get_ref());
                    self.findings.problem(value.span().start, text);
                }
            }
        }
        map
    }
}

/// How many letters must be changed, added or dropped to make one word the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (above, letter) in one.chars().enumerate() {
        let mut diagonal = above;
        row[0] = above + 1;
        for (index, with) in other.iter().enumerate() {
            let kept = diagonal + usize::from(letter != *with);
            diagonal = row[index + 1];
            row[index + 1] = kept.min(diagonal + 1).min(row[index] + 1);
        }
    }
    row[other.len()]
}

//! What every row of a filter must be, in SQL.

use ostler_job::durable::{JobState, NameFilter, Reason, TENANT_DEFAULT};
use rusqlite::types::Value;

use super::codec::{identity, int};
use crate::Filter;

/// Text longer than this is not looked for by SQL, whose patterns are limited.
const PATTERN_MAX: usize = 10_000;

/// Conditions that are joined by "and".
#[derive(Clone, Debug, Default)]
pub(super) struct Conditions {
    texts: Vec<String>,
    pub(super) values: Vec<Value>,
}

impl Conditions {
    /// Those of a filter but for its ids, whatever index the rows come from; by one of the tags perhaps.
    pub(super) fn of(filter: &Filter, tag: Option<usize>) -> Self {
        let mut all = Self::default();
        all.of_record(filter);
        all.of_status(filter);
        all.of_moments(filter);
        let others = filter.tags.iter().enumerate().filter(|(place, _)| Some(*place) != tag);
        for (_, tag) in others {
            let other =
                "EXISTS (SELECT 1 FROM tag AS other WHERE other.tag = ? AND other.job = job.id)";
            all.and(other, [Value::Text(tag.clone())]);
        }
        all.of_spec(filter);
        all
    }

    pub(super) fn and(&mut self, condition: &str, values: impl IntoIterator<Item = Value>) {
        self.texts.push(condition.to_owned());
        self.values.extend(values);
    }

    pub(super) fn sql(&self) -> String {
        if self.texts.is_empty() { "TRUE".to_owned() } else { self.texts.join(" AND ") }
    }

    fn of_record(&mut self, filter: &Filter) {
        if let Some(tenant) = &filter.tenant {
            if tenant == TENANT_DEFAULT {
                self.and("tenant IS NULL", []);
            } else {
                self.and("tenant = ?", [Value::Text(tenant.clone())]);
            }
        }
        if let Some(words) = &filter.identity {
            self.and("identity = ?", [Value::Integer(identity(words))]);
        }
    }

    fn of_status(&mut self, filter: &Filter) {
        match &filter.queue {
            None => {}
            Some(queue) if queue.is_default() => self.and("queue IS NULL", []),
            Some(queue) => self.and("queue = ?", [Value::Text(queue.to_string())]),
        }
        for (column, value) in [("runner = ?", &filter.runner), ("host = ?", &filter.host)] {
            self.and_some(column, value.as_ref());
        }
        match filter.exit_status {
            None => {}
            Some((code, false)) => self.and("exit_status = ?", [Value::Integer(code.into())]),
            Some((code, true)) => {
                self.and("(exit_status <> ? OR signal IS NOT NULL)", [Value::Integer(code.into())]);
            }
        }
        self.and_one_of("state", filter.states.iter().copied().map(JobState::number));
        self.and_one_of("reason", filter.reasons.iter().copied().map(Reason::number));
    }

    fn of_moments(&mut self, filter: &Filter) {
        for (bound, moment) in [
            ("submitted_at >= ?", filter.since),
            ("submitted_at < ?", filter.until),
            ("finished_at >= ?", filter.finished_since),
            ("finished_at < ?", filter.finished_until),
        ] {
            if let Some(moment) = moment {
                self.and(bound, [Value::Integer(int(moment.0))]);
            }
        }
    }

    /// What is asked of the table `spec`.
    fn of_spec(&mut self, filter: &Filter) {
        match &filter.name {
            None => {}
            Some(NameFilter::Is(name)) => self.and_some("spec.name = ?", Some(name)),
            Some(NameFilter::Begins(start)) => {
                let (bounds, values) = beginning("spec.name", start);
                self.and(&bounds, values);
            }
        }
        self.and_some("spec.user = ?", filter.user.as_ref());
        if let Some(schedule) = &filter.schedule {
            self.and("spec.schedule = ?", [Value::Text(schedule.to_string())]);
        }
        if let Some(text) = filter.text.as_ref().filter(|text| text.len() < PATTERN_MAX) {
            self.and("spec.spec LIKE ? ESCAPE '!'", [Value::Text(pattern(text))]);
        }
    }

    fn and_some(&mut self, condition: &str, value: Option<&String>) {
        if let Some(value) = value {
            self.and(condition, [Value::Text(value.clone())]);
        }
    }

    fn and_one_of(&mut self, column: &str, numbers: impl Iterator<Item = u8>) {
        let list: Vec<_> = numbers.map(|number| number.to_string()).collect();
        if !list.is_empty() {
            self.and(&format!("{column} IN ({})", list.join(",")), []);
        }
    }
}

/// Whether a filter asks for what is in the table `spec` alone.
pub(super) fn is_of_spec(filter: &Filter) -> bool {
    let by_column = filter.name.is_some() || filter.user.is_some() || filter.schedule.is_some();
    by_column || filter.text.is_some()
}

/// What a column holds that begins with a text, as a range of an index: UTF-8 is in the order of its characters.
pub(super) fn beginning(column: &str, start: &str) -> (String, Vec<Value>) {
    let mut values = vec![Value::Text(start.to_owned())];
    let Some(beyond) = beyond(start) else { return (format!("{column} >= ?"), values) };
    values.push(Value::Text(beyond));
    (format!("{column} >= ? AND {column} < ?"), values)
}

/// The first text after all that begin with this one.
fn beyond(start: &str) -> Option<String> {
    let mut start = start.to_owned();
    while let Some(last) = start.pop() {
        // A step over the surrogates, which are no characters, is one step of the range.
        if let Some(next) = (last..=char::MAX).nth(1) {
            start.push(next);
            return Some(start);
        }
    }
    None
}

/// Finds whatever people may see as the text in a job's JSON. It may find more; never less: blanks and quotes may stand
/// between arguments, which are strings of their own in JSON.
fn pattern(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    let escaped =
        quoted[1..quoted.len() - 1].replace('!', "!!").replace('%', "!%").replace('_', "!_");
    let mut pattern = String::from("%");
    for piece in escaped.split([' ', '\'', '"', '\\']).filter(|piece| !piece.is_empty()) {
        pattern.push_str(piece);
        pattern.push('%');
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_with_a_text_ends_before_the_next_one() {
        for (start, expected) in [
            ("ab", Some("ac")),
            ("", None),
            ("a\u{d7ff}", Some("a\u{e000}")),
            ("a\u{10ffff}", Some("b")),
            ("\u{10ffff}", None),
        ] {
            assert_eq!(beyond(start).as_deref(), expected, "{start:?}");
        }
    }
}

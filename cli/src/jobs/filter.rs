//! Filters: words such as `state=running` that say which jobs are meant.

use std::collections::BTreeMap;

use ostler_api::names::{conditions, may_repeat};
use ostler_gateway::units;
use serde_json::{Map, Value};

use super::moment::{Clock, Toward};
use crate::{client::encode, failure::Failure, terminal::note, values::listing};

/// Conditions, all of which must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter(BTreeMap<String, Vec<String>>);

impl Filter {
    /// Reads words.
    pub(crate) fn read<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, Failure> {
        let mut filter = Self::default();
        for word in words {
            let (name, value) = split(word).ok_or_else(|| Failure::usage(wrong(word)))?;
            filter.0.entry(name).or_default().push(value);
        }
        for (name, values) in &filter.0 {
            if values.len() > 1 && !may_repeat(name) {
                return Err(Failure::usage(format!("{name} is there twice; one is enough")));
            }
        }
        filter.read_moments(&Clock::here())?;
        Ok(filter)
    }

    /// Makes instants of moments as people type them. A length of time, so long ago, is the API's own.
    fn read_moments(&mut self, clock: &Clock) -> Result<(), Failure> {
        for (name, values) in &mut self.0 {
            let toward = match name.as_str() {
                name if name.ends_with("since") => Toward::Last,
                name if name.ends_with("until") => Toward::Today,
                _ => continue,
            };
            for value in values.iter_mut().filter(|value| units::duration(value).is_none()) {
                let wrong = |why| Failure::usage(format!("{name}={value}: {why}"));
                let moment = clock.read(value, toward).map_err(wrong)?;
                moment.told().into_iter().for_each(|told| note(&format!("{name} {told}")));
                *value = moment.instant();
            }
        }
        Ok(())
    }

    /// The same, of these states unless it names some.
    pub(crate) fn or_states(mut self, states: &str) -> Self {
        self.0.entry("state".to_owned()).or_insert_with(|| vec![states.to_owned()]);
        self
    }

    /// As a query, without `?`.
    pub(crate) fn query(&self) -> String {
        let mut pairs = Vec::new();
        for (name, values) in &self.0 {
            match name.as_str() {
                // Tags may hold commas, so they are repeated.
                "tag" => pairs.extend(values.iter().map(|tag| format!("tag={}", encode(tag)))),
                _ => pairs.push(format!("{name}={}", encode(&values.join(",")))),
            }
        }
        pairs.join("&")
    }

    /// As the API's bulk actions take it.
    pub(crate) fn json(&self) -> Value {
        let mut map = Map::new();
        for (name, values) in &self.0 {
            let value = match name.as_str() {
                "tag" if values.len() > 1 => Value::from(values.clone()),
                _ => Value::from(values.join(",")),
            };
            map.insert(name.clone(), value);
        }
        Value::Object(map)
    }
}

/// Name and value; `exit_status!=0` is `exit_status=!0`.
fn split(word: &str) -> Option<(String, String)> {
    let (name, value) = word.split_once('=')?;
    let (name, not) = name.strip_suffix('!').map_or((name, ""), |name| (name, "!"));
    let allowed = conditions().contains(&name) && (not.is_empty() || name == "exit_status");
    allowed.then(|| (name.to_owned(), format!("{not}{value}")))
}

fn wrong(word: &str) -> String {
    let names = listing(conditions().iter().copied(), "and");
    if word.contains('=') {
        format!("{word:?} is no filter; filters are {names}, each with =VALUE, and exit_status!=N")
    } else if !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit()) {
        format!("{word:?} is no filter; write id={word}, or `ostler show {word}`")
    } else {
        format!("{word:?} is no filter; write text={word} to search, or NAME=VALUE with {names}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_a_query_and_a_bulk_filter() {
        let words = ["exit_status!=0", "state=dead,cancelled", "state=running", "tag=a,b", "tag=c"];
        let filter = Filter::read(words).unwrap();
        assert_eq!(filter.query(), "exit_status=%210&state=dead,cancelled,running&tag=a,b&tag=c");
        let json = serde_json::json!({
            "exit_status": "!0", "state": "dead,cancelled,running", "tag": ["a,b", "c"],
        });
        assert_eq!(filter.json(), json);
    }

    #[test]
    fn moments_of_a_filter_are_instants_and_a_length_of_time_stays_one() {
        let query = |words: &[&str]| {
            let mut filter = Filter::default();
            for word in words {
                let (name, value) = split(word).unwrap();
                filter.0.entry(name).or_default().push(value);
            }
            filter.read_moments(&Clock::for_tests()).map(|()| filter.query())
        };
        for (words, expected) in [
            (
                &["since=18:00", "until=18:00"][..],
                "since=2026-11-26T17:00:00Z&until=2026-11-27T17:00:00Z",
            ),
            (&["since=1w", "until=1h30m"], "since=1w&until=1h30m"),
            (&["since=2026-11-25T12:00:00Z"], "since=2026-11-25T12:00:00Z"),
        ] {
            assert_eq!(query(words).unwrap(), expected);
        }
        let wrong = query(&["until=soon"]).unwrap_err();
        assert!(wrong.lines().0[0].starts_with("until=soon: \"soon\" is no moment"), "{wrong:?}");
    }

    #[test]
    fn what_is_no_filter_is_refused_with_the_cure() {
        for (word, says) in [
            ("foo", "\"foo\" is no filter; write text=foo to search"),
            ("17", "\"17\" is no filter; write id=17, or `ostler show 17`"),
            ("stat=dead", "\"stat=dead\" is no filter; filters are state, tenant"),
            ("state!=dead", "\"state!=dead\" is no filter"),
        ] {
            let failure = Filter::read([word]).unwrap_err();
            assert!(failure.lines().0[0].starts_with(says), "{failure:?}");
        }
        let twice = Filter::read(["since=1h", "since=2h"]).unwrap_err();
        assert_eq!(twice.lines().0, ["since is there twice; one is enough"]);
    }
}

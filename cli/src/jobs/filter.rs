//! Filters: words such as `state=running` that say which jobs are meant.

use std::collections::BTreeMap;

use ostler_api::names::{conditions, may_repeat};
use serde_json::{Map, Value};

use crate::{client::encode, failure::Failure, values::listing};

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
        Ok(filter)
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
    fn what_is_no_filter_is_refused_with_the_cure() {
        for (word, says) in [
            ("foo", "\"foo\" is no filter; write text=foo to search"),
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

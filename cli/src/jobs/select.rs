//! Which jobs a verb means: ids, a filter, or what another command listed.

use serde::Deserialize;
use serde_json::Value;

use super::filter::Filter;
use crate::failure::Failure;

/// Jobs, by id or by what holds for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    Ids(Vec<u64>),
    Filter(Filter),
}

impl Selection {
    /// Reads a verb's words; `-` stands for what `stdin` gives.
    pub(crate) fn read(
        words: &[String],
        stdin: impl FnOnce() -> Result<String, Failure>,
    ) -> Result<Self, Failure> {
        match words {
            [] => Err(Failure::usage(
                "name jobs by id, by a filter such as state=dead, or with - for a list on standard \
                 input",
            )),
            [dash] if dash == "-" => ids(&stdin()?).map(Self::Ids).map_err(Failure::data),
            words if words.iter().any(|word| word == "-") => {
                Err(Failure::usage("- stands alone: it takes the jobs from standard input"))
            }
            words if words.iter().all(|word| bounds(word).is_some()) => of_words(words),
            words if words.iter().any(|word| bounds(word).is_some()) => Err(Failure::usage(
                "name jobs either by id or by a filter, not both; id=1,2 is a filter too",
            )),
            words => Filter::read(words.iter().map(String::as_str)).map(Self::Filter),
        }
    }
}

/// One id, as a flag's parser.
pub(crate) fn id(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| "expected a job's number, such as 17; `ostler list` finds it".to_owned())
}

/// Ids, or ranges of them, as an argument's parser: each is a job to be shown.
pub(crate) fn range(text: &str) -> Result<(u64, u64), String> {
    match bounds(text) {
        Some((first, last)) if last < first => Err(backwards(first, last)),
        Some(bounds) => Ok(bounds),
        None => Err("expected a job's number, such as 17, or a range such as 5-9; `ostler list` finds jobs by \
                     what holds for them"
            .to_owned()),
    }
}

/// All ids of some ranges.
pub(crate) fn named(ranges: &[(u64, u64)]) -> Result<Vec<u64>, Failure> {
    let mut ids: Vec<u64> = Vec::new();
    for &(first, last) in ranges {
        let more = usize::try_from(last - first).unwrap_or(usize::MAX).saturating_add(1);
        if more > 1 && ids.len().saturating_add(more) > NAMED_MAX {
            return Err(Failure::usage(format!(
                "{first}-{last} names more than {NAMED_MAX} jobs; id={first}-{last} is a filter, \
                 which finds those that there are"
            )));
        }
        ids.extend(first..=last);
    }
    Ok(ids)
}

fn backwards(first: u64, last: u64) -> String {
    format!("{first}-{last} goes backwards; write {last}-{first}")
}

/// Jobs that ranges name, at most: as many as one request takes.
const NAMED_MAX: usize = 10_000;

/// The first and the last id of `17` or `5-9`.
fn bounds(word: &str) -> Option<(u64, u64)> {
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !is_number(first) || !is_number(last) {
        return None;
    }
    Some((first.parse().ok()?, last.parse().ok()?))
}

fn of_words(words: &[String]) -> Result<Selection, Failure> {
    let ranges: Vec<(u64, u64)> = words.iter().filter_map(|word| bounds(word)).collect();
    if let Some((first, last)) = ranges.iter().find(|(first, last)| last < first) {
        return Err(Failure::usage(backwards(*first, *last)));
    }
    named(&ranges).map(Selection::Ids)
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Listed {
    Job { id: u64 },
    Id(u64),
}

impl Listed {
    fn id(self) -> u64 {
        match self {
            Self::Job { id } | Self::Id(id) => id,
        }
    }
}

/// The ids in what `ostler list` or `ostler show` printed, in whatever format, or one a line.
fn ids(text: &str) -> Result<Vec<u64>, Vec<String>> {
    let whole = |error: &dyn std::fmt::Display| {
        vec![format!("stdin:1: not a list of jobs as `ostler list -o` prints it: {error}")]
    };
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    if first.starts_with('[') {
        let jobs: Vec<Listed> = serde_json::from_str(text).map_err(|error| whole(&error))?;
        return Ok(jobs.into_iter().map(Listed::id).collect());
    }
    if first.starts_with('{') {
        let jobs = serde_json::Deserializer::from_str(text).into_iter::<Listed>();
        let jobs: Result<Vec<Listed>, _> = jobs.collect();
        return Ok(jobs.map_err(|error| whole(&error))?.into_iter().map(Listed::id).collect());
    }
    if first.starts_with("- ") || first.starts_with("---") || first.starts_with("id:") {
        return of_yaml(text);
    }
    lines(text)
}

fn of_yaml(text: &str) -> Result<Vec<u64>, Vec<String>> {
    let entries = super::parse::yaml_values(text).map_err(|wrong| {
        wrong
            .iter()
            .map(|wrong| format!("stdin:{}: {}", wrong.line, wrong.text))
            .collect::<Vec<_>>()
    })?;
    let mut ids = Vec::new();
    let mut wrong = Vec::new();
    for (line, value) in entries {
        match value.as_u64().or_else(|| value.get("id").and_then(Value::as_u64)) {
            Some(id) => ids.push(id),
            None => wrong.push(format!("stdin:{line}: no job's id")),
        }
    }
    if wrong.is_empty() { Ok(ids) } else { Err(wrong) }
}

fn lines(text: &str) -> Result<Vec<u64>, Vec<String>> {
    let (mut ids, mut wrong) = (Vec::new(), Vec::new());
    for (index, line) in text.lines().enumerate() {
        match line.split_whitespace().next() {
            None | Some("ID") => {}
            Some(word) if word.starts_with('#') => {}
            Some(word) => match word.parse() {
                Ok(id) => ids.push(id),
                Err(_) => wrong.push(format!("stdin:{}: {word:?} is no job's id", index + 1)),
            },
        }
    }
    if wrong.is_empty() { Ok(ids) } else { Err(wrong) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str], stdin: &str) -> Result<Selection, Failure> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        Selection::read(&words, || Ok(stdin.to_owned()))
    }

    #[test]
    fn words_are_ids_or_a_filter() {
        assert_eq!(read(&["3", "4"], "").unwrap(), Selection::Ids(vec![3, 4]));
        let filter = Filter::read(["state=dead"]).unwrap();
        assert_eq!(read(&["state=dead"], "").unwrap(), Selection::Filter(filter));
        assert_eq!(read(&["7-9", "3"], "").unwrap(), Selection::Ids(vec![7, 8, 9, 3]));
        assert_eq!(read(&["7-7"], "").unwrap(), Selection::Ids(vec![7]));
        for (bad, says) in [
            ("9-7", "9-7 goes backwards; write 7-9"),
            ("1-10001", "1-10001 names more than 10000 jobs; id=1-10001 is a filter"),
            ("0-18446744073709551615", "0-18446744073709551615 names more than 10000 jobs"),
        ] {
            let failure = read(&[bad], "").unwrap_err();
            assert!(failure.lines().0[0].starts_with(says), "{failure:?}");
        }
        assert_eq!(read(&["1-10000"], "").unwrap(), Selection::Ids((1..=10_000).collect()));
        for bad in [
            &[][..],
            &["1", "state=dead"],
            &["1-2", "state=dead"],
            &["-", "1"],
            &["foo"],
            &["-1"],
            &["1-"],
            &["1-2-3"],
            &["+1"],
            &["1-18446744073709551616"],
        ] {
            assert!(read(bad, "").is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_list_on_stdin_has_any_format_that_is_printed() {
        let texts = [
            "1\n2\n\n",
            "  ID  STATE  COMMAND\n   1  dead   x: 5\n   2  dead   7\n",
            "[\n{\"id\":1,\"state\":\"dead\"},\n{\"id\":2}\n]\n",
            "{\"id\":1}\n{\"id\":2}\n",
            "{\n  \"id\": 1\n}\n{\"id\":2}",
            "- id: 1\n  state: dead\n  attempts_list:\n  - id: 9\n- id: 2\n",
            "id: 1\n---\nid: 2\n",
            "- 1\n- 2\n",
            "[1,2]",
        ];
        for text in texts {
            assert_eq!(read(&["-"], text).unwrap(), Selection::Ids(vec![1, 2]), "{text}");
        }
        assert_eq!(read(&["-"], "").unwrap(), Selection::Ids(vec![]));
        assert_eq!(read(&["-"], "[]\n").unwrap(), Selection::Ids(vec![]));
    }

    #[test]
    fn a_list_that_is_none_is_told_with_its_line() {
        let failure = read(&["-"], "1\nzwei x\n").unwrap_err();
        assert_eq!(failure.lines().0, ["stdin:2: \"zwei\" is no job's id"]);
        let failure = read(&["-"], "- id: 1\n- name: x\n").unwrap_err();
        assert_eq!(failure.lines().0, ["stdin:2: no job's id"]);
    }
}

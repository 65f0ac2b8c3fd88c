//! How many jobs have what in common, as `ostler list --count-by` shows it.

use serde::Deserialize;
#[cfg(test)]
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    filter::Filter,
    output::{Format, Pages},
    table::{Cell, Look, draw, left, plain, right},
    view::tone,
};
use crate::{client::Client, failure::Failure, terminal::note};

/// The answer to a count.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(Serialize))]
struct Counts {
    /// What they are counted by.
    by: Vec<String>,
    /// The largest first: the fields of `by` and the number.
    groups: Vec<Map<String, Value>>,
}

/// Asks for them and shows them.
pub(crate) async fn show(
    client: &Client,
    filter: &Filter,
    by: &[String],
    format: Format,
) -> Result<(), Failure> {
    let query = filter.query();
    let rest = if query.is_empty() { query } else { format!("&{query}") };
    let counts: Counts = client.get(&format!("/v1/jobs/counts?by={}{rest}", by.join(","))).await?;
    let mut pages = Pages::new(format);
    pages.page(&counts.groups, |groups| table(&counts.by, groups, Look::of_stdout()))?;
    if pages.is_empty() {
        note("no jobs");
    }
    pages.end()
}

/// Lines that nobody looks at have no head: there each field says what it is, as a filter does, and no line begins with a number that
/// could be taken for a job's id.
fn table(by: &[String], groups: &[Map<String, Value>], look: Look) -> String {
    let heads: Vec<String> = by.iter().map(|key| key.to_uppercase()).collect();
    let columns: Vec<_> = heads.iter().map(|it| left(it)).chain([right("JOBS")]).collect();
    let cell = |group: &Map<String, Value>, key: &String| {
        let text = field(group, key);
        let tone = if key == "state" { tone(&text) } else { None };
        Cell::toned(if look.width.is_some() { text } else { format!("{key}={text}") }, tone)
    };
    let row = |group: &Map<String, Value>| -> Vec<Cell> {
        by.iter().map(|key| cell(group, key)).chain([field(group, "jobs").into()]).collect()
    };
    draw(&columns, &groups.iter().map(row).collect::<Vec<_>>(), look)
}

fn field(group: &Map<String, Value>, key: &str) -> String {
    match group.get(key) {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => plain(text),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::answers::agree;

    #[test]
    fn what_is_read_of_a_count_is_what_the_api_says() {
        agree::<Counts>("JobCounts", &["jobs"]);
    }

    fn drawn(width: Option<usize>) -> String {
        let group = |text: &str| serde_json::from_str(text).unwrap();
        let groups = [
            group(r#"{"exit_status":0,"name":"a\u001bb","jobs":1200}"#),
            group(r#"{"exit_status":null,"jobs":7}"#),
        ];
        let by = ["exit_status", "name"].map(str::to_owned);
        table(&by, &groups, Look { width, colours: false })
    }

    #[test]
    fn groups_are_lines_with_their_number_last() {
        let expected = "EXIT_STATUS  NAME      JOBS\n\
                        0            a\\u{1b}b  1200\n-            -            7\n";
        assert_eq!(drawn(Some(60)), expected);
    }

    #[test]
    fn groups_in_a_pipe_are_no_jobs() {
        let expected = "exit_status=0  name=a\\u{1b}b  1200\nexit_status=-  name=-            7\n";
        assert_eq!(drawn(None), expected);
    }
}

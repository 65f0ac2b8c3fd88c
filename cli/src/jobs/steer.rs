//! One action on many jobs: by id, by filter, or as a list says.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, IsTerminal as _, Read as _},
    process::ExitCode,
};

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    filter::Filter,
    output::{self, Format, OutputArgs},
    select::Selection,
    view::Page,
};
use crate::{
    client::{self, ApiArgs, Client, code_of, encode, for_people},
    failure::{self, Failure},
    terminal::{self, counted, is_person, note, say},
};

/// Ids of one request.
const CHUNK: usize = 1000;
/// Jobs that are told of one by one, when all of them are refused for the same.
const ALIKE_MAX: usize = 3;

#[derive(Args, Debug)]
pub(crate) struct SteerArgs {
    /// Ids, or a filter such as state=dead tag=x, or - for a list on standard input
    #[arg(value_name = "JOB|FILTER|-", required = true)]
    jobs: Vec<String>,
    /// Do not ask before acting on everything that a filter finds
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    api: ApiArgs,
}

/// An action, with the words for people.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Action<'a> {
    pub(crate) name: &'static str,
    pub(crate) done: &'static str,
    /// What a filter finds when it names no state; none: all.
    pub(crate) of: Option<&'static str>,
    /// Where to, for a move; `Some(None)`: anywhere.
    pub(crate) host: Option<Option<&'a str>>,
    /// The queue, for a move.
    pub(crate) queue: Option<&'a str>,
    /// What runs is ended for that.
    pub(crate) relocate: bool,
    /// What is changed, for an edit.
    pub(crate) set: Option<&'a Value>,
}

impl Action<'_> {
    /// One that says no more than what is done to which jobs.
    pub(crate) const fn new(
        name: &'static str,
        done: &'static str,
        of: Option<&'static str>,
    ) -> Self {
        Self { name, done, of, host: None, queue: None, relocate: false, set: None }
    }
}

#[derive(Debug, Default, Deserialize, Serialize)]
struct Outcome {
    #[serde(default)]
    done: u64,
    #[serde(default)]
    refused: Vec<Refused>,
    /// Those too that `refused` does not tell.
    #[serde(default)]
    left: u64,
    #[serde(default, skip_serializing)]
    more: bool,
}

#[derive(Debug, Deserialize, Serialize)]
struct Refused {
    id: u64,
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    detail: String,
}

impl Outcome {
    fn add(&mut self, other: Self) {
        self.done += other.done;
        self.left += other.left;
        self.refused.extend(other.refused);
    }

    /// Why jobs were refused; what holds for many is told once, with how many they are.
    fn sentences(&self) -> Vec<String> {
        let mut sentences = Vec::new();
        let mut groups: BTreeMap<&str, Vec<&Refused>> = BTreeMap::new();
        for refused in &self.refused {
            groups.entry(&refused.detail).or_default().push(refused);
        }
        for refused in &self.refused {
            match groups.get(&*refused.detail).map_or(0, Vec::len) {
                0 => {}
                1..=ALIKE_MAX => sentences.push(refused.sentence()),
                number => {
                    let (first, detail) = (refused.id, for_people(&refused.detail));
                    sentences.push(format!("{number} jobs, from {first} on: {detail}"));
                    groups.remove(&*refused.detail);
                }
            }
        }
        let untold = self.left.saturating_sub(self.refused.len() as u64);
        if untold > 0 {
            sentences.push(format!("{} more", counted(untold, "job", "jobs")));
        }
        sentences
    }
}

impl Refused {
    /// Names the job, unless the API has.
    fn sentence(&self) -> String {
        let detail = for_people(&self.detail);
        let name = format!("job {}", self.id);
        if detail.contains(&name) { detail } else { format!("{name}: {detail}") }
    }
}

/// Does it and tells what became of it.
pub(crate) fn steer(args: &SteerArgs, action: Action<'_>) -> Result<ExitCode, Failure> {
    let selection = Selection::read(&args.jobs, stdin)?;
    let client = args.api.client()?;
    client::block_on(async {
        let outcome = match &selection {
            Selection::Ids(ids) => by_ids(&client, ids, action).await?,
            Selection::Filter(filter) => {
                let filter = &action
                    .of
                    .map_or_else(|| filter.clone(), |states| filter.clone().or_states(states));
                if !args.yes && !confirmed(&client, filter, action).await? {
                    note("nothing was done");
                    return Ok(ExitCode::SUCCESS);
                }
                by_filter(&client, filter, action).await?
            }
        };
        if outcome.done > 0
            && let Some(told) = missing(&client, action).await
        {
            note(&told);
        }
        told(args.output.output, &outcome, action)
    })
}

/// That there is no such runner as jobs were given to: they wait for it, which may be meant. Who may not read that is told nothing.
async fn missing(client: &Client, action: Action<'_>) -> Option<String> {
    let host = action.host.flatten().or_else(|| action.set?.get("host")?.as_str())?;
    let known: Value = client.get("/v1/runners").await.ok()?;
    let is_there = known["runners"].as_array()?.iter().any(|it| it["name"] == host);
    let told = format!("there is no runner {host} now; whatever it alone may run waits for it");
    (!is_there).then_some(told)
}

fn unreadable(what: &str, error: &io::Error) -> Failure {
    Failure::with(failure::NOT_FOUND, vec![format!("cannot read {what}: {error}")])
}

/// The bytes of a list as text; text in another encoding is a matter of the data.
fn text(name: &str, bytes: Vec<u8>) -> Result<String, Failure> {
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + good.iter().filter(|&&byte| byte == b'\n').count();
        let cure = "write it so; a name of a file that is not can be made in the command, as by printf '\\344'";
        Failure::data(vec![format!("{name}:{line}: not UTF-8 text; {cure}")])
    })
}

/// Standard input as text.
pub(crate) fn stdin() -> Result<String, Failure> {
    if io::stdin().is_terminal() {
        note("reading jobs from the terminal; Ctrl-D ends the list");
    }
    let mut bytes = Vec::new();
    let read = io::stdin().lock().read_to_end(&mut bytes);
    read.map_err(|error| unreadable("standard input", &error))?;
    text("stdin", bytes)
}

fn request(action: Action<'_>, of: (&str, Value)) -> Value {
    let mut body = json!({"action": action.name});
    body[of.0] = of.1;
    if let Some(host) = action.host {
        body["host"] = host.map_or(Value::Null, Value::from);
    }
    if let Some(queue) = action.queue {
        body["queue"] = Value::from(queue);
    }
    if action.relocate {
        body["relocate"] = Value::from(true);
    }
    if let Some(set) = action.set {
        body["set"] = set.clone();
    }
    body
}

async fn act(client: &Client, body: &Value) -> Result<Outcome, Failure> {
    let answer = client.post("/v1/jobs/actions", body).await?;
    serde_json::from_value(answer)
        .map_err(|error| Failure::broken(format!("the API's answer is not known here: {error}")))
}

async fn by_ids(client: &Client, ids: &[u64], action: Action<'_>) -> Result<Outcome, Failure> {
    let mut all = Outcome::default();
    for ids in ids.chunks(CHUNK) {
        let outcome = act(client, &request(action, ("ids", json!(ids)))).await?;
        all.add(outcome);
    }
    Ok(all)
}

async fn by_filter(
    client: &Client,
    filter: &Filter,
    action: Action<'_>,
) -> Result<Outcome, Failure> {
    let mut all = act(client, &request(action, ("filter", filter.json()))).await?;
    let mut path = format!("/v1/jobs?{}&limit={CHUNK}", filter.query());
    // More than one request may work through. The filter may go on finding what was done or refused, so
    // that asking the same again might never end; pages do.
    let mut more = all.more;
    while more {
        let page: Page = client.get(&path).await?;
        let ids: Vec<u64> = page.jobs.iter().map(|job| job.id).collect();
        let outcome = by_ids(client, &ids, action).await?;
        all.add(outcome);
        more = page.next.is_some();
        let next = page.next.as_deref().map_or_else(String::new, encode);
        path = format!("/v1/jobs?{}&limit={CHUNK}&cursor={next}", filter.query());
    }
    Ok(all)
}

/// Asks a person, and nobody else.
async fn confirmed(client: &Client, filter: &Filter, action: Action<'_>) -> Result<bool, Failure> {
    if !is_person() {
        return Ok(true);
    }
    let page: Page = client.get(&format!("/v1/jobs?{}&limit=1000", filter.query())).await?;
    let many = match (page.jobs.len(), &page.next) {
        (0, _) => return Ok(true),
        (number, None) => counted(number as u64, "job", "jobs"),
        (number, Some(_)) => format!("more than {number} jobs"),
    };
    terminal::confirmed(&format!("{} {many}?", action.name))
}

fn told(format: Format, outcome: &Outcome, action: Action<'_>) -> Result<ExitCode, Failure> {
    for sentence in outcome.sentences() {
        say(&format!("ostler: {sentence}"));
    }
    if format == Format::Table {
        match outcome.done {
            0 if outcome.refused.is_empty() => note("no such jobs"),
            0 => {}
            number => say(&format!("{} {}", action.done, counted(number, "job", "jobs"))),
        }
    } else {
        output::one(format, outcome, |_| String::new())?;
    }
    let codes = outcome.refused.iter().map(|one| code_of(&one.kind).unwrap_or(failure::DATA));
    Ok(codes.min().map_or(ExitCode::SUCCESS, ExitCode::from))
}

/// Reads a file of jobs, or standard input for `-`.
pub(crate) fn text_of(file: &str) -> Result<String, Failure> {
    if file == "-" {
        return stdin();
    }
    let bytes = fs::read(file).map_err(|error| {
        if error.kind() != io::ErrorKind::NotFound {
            return unreadable(file, &error);
        }
        let cure = format!("a command is written after --: ostler submit -- {file}");
        Failure::with(failure::NOT_FOUND, vec![format!("there is no file {file}; {cure}")])
    })?;
    text(file, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::answers::agree;

    #[test]
    fn what_holds_for_many_jobs_is_told_once_with_how_many_they_are() {
        let refused = |id, detail: &str| Refused { id, kind: String::new(), detail: detail.into() };
        let full = |id| refused(id, "it is full");
        let first = vec![full(1), refused(2, "job 2 runs")];
        let mut outcome = Outcome { refused: first, left: 2, ..Outcome::default() };
        assert_eq!(outcome.sentences(), ["job 1: it is full", "job 2 runs"]);
        outcome.refused.extend((3..6).map(full));
        outcome.left = 10;
        let expected = ["4 jobs, from 1 on: it is full", "job 2 runs", "5 jobs more"];
        assert_eq!(outcome.sentences(), expected);
    }

    #[test]
    fn outcomes_are_read_by_the_names_that_the_api_gives_their_fields() {
        agree::<Outcome>("ActionAnswer", &["more"]);
        agree::<Refused>("Refused", &[]);
    }
}

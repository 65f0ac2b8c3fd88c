//! `ostler schedule import`: crontabs become schedules.

use std::{
    collections::BTreeSet,
    io::{IsTerminal as _, stdin},
    process::ExitCode,
};

use clap::Args;
use http::Method;
use ostler_cron_module::crontab::Table;
use serde_json::Value;
use time::OffsetDateTime;

use super::path;
use crate::{
    client::{self, ApiArgs, Ask, Client},
    failure::{self, Failure},
    jobs::{
        moment::Clock,
        output::{self, OutputArgs},
        steer,
        table::{Cell, Look, draw, elastic, left, plain},
        when,
    },
    schedules::{
        import::{Draft, Here, Import, Left, Wishes, disable, home, tables},
        shape::SHAPE,
    },
    terminal::{counted, note, say},
    values,
};

/// So many mistakes of one kind are told one by one.
const ALIKE: usize = 3;
/// Names of runners that a note has room for.
const RUNNERS_TOLD: usize = 5;

/// Without --apply nothing is done: it says what each line would be. A command runs as cron runs it: in the user's home, with the table's
/// variables, once, beside what still runs. Running it again changes nothing.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  crontab -l | ostler schedule import -\n  ostler schedule import /etc/cron.d --apply --disable\n  \
                  ostler schedule import --user /var/spool/cron/crontabs"
)]
pub(crate) struct ImportArgs {
    /// Crontabs, folders of them, or - for standard input
    #[arg(value_name = "FILE|DIR|-")]
    files: Vec<String>,
    /// They are users' own, as `crontab -l` prints them; in a folder, the file's name is the user [default: by where they are]
    #[arg(long)]
    user: bool,
    /// They are the system's, with a user in each line, as in /etc/cron.d
    #[arg(long, conflicts_with = "user")]
    system: bool,
    /// Make the schedules: all of them, or none when one is no schedule
    #[arg(long)]
    apply: bool,
    /// Then make comments of the lines in the files, so that cron does not run them too
    #[arg(long, requires = "apply")]
    disable: bool,
    /// With --apply: change schedules of those names that are something else
    #[arg(long, requires = "apply")]
    replace: bool,
    /// What their names begin with
    #[arg(long, default_value = "")]
    prefix: String,
    /// The time zone that they are in [default: CRON_TZ in the table, else this host's]
    #[arg(long, value_name = "ZONE")]
    tz: Option<String>,
    /// Who runs the commands of a table that names no user
    #[arg(long, value_name = "USER")]
    run_as: Option<String>,
    /// The runner that they are for [default: any]
    #[arg(long, value_name = "RUNNER")]
    host: Option<String>,
    /// The queue that they wait in
    #[arg(long)]
    queue: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    api: ApiArgs,
}

impl ImportArgs {
    fn table(&self) -> Option<Table> {
        match (self.user, self.system) {
            (true, _) => Some(Table::User),
            (_, true) => Some(Table::System),
            _ => None,
        }
    }

    fn files(&self) -> Result<Vec<String>, Failure> {
        let files = match &self.files[..] {
            [] if stdin().is_terminal() => {
                let cure = "name a crontab or a folder, such as /etc/cron.d, or: crontab -l | ostler schedule import -";
                return Err(Failure::usage(format!("nothing to import; {cure}")));
            }
            [] => vec!["-".to_owned()],
            files => files.to_vec(),
        };
        if self.disable && files.iter().any(|it| it == "-") {
            let cure = "name the file, or: crontab -l > tab && ostler schedule import tab --apply --disable && crontab tab";
            return Err(Failure::usage(format!(
                "standard input has no lines that --disable could take out; {cure}"
            )));
        }
        Ok(files)
    }

    fn wishes(&self) -> Result<Wishes, Failure> {
        if !self.prefix.is_empty() {
            values::name(&self.prefix).map_err(|why| Failure::usage(format!("--prefix: {why}")))?;
        }
        if self.prefix.len() > 20 {
            return Err(Failure::usage(
                "--prefix: at most 20 letters, since the names come after it",
            ));
        }
        Ok(Wishes {
            prefix: self.prefix.clone(),
            tz: self.tz.clone(),
            run_as: self.run_as.clone(),
            host: self.host.clone(),
            queue: self.queue.clone(),
        })
    }
}

pub(crate) fn run(args: &ImportArgs) -> Result<ExitCode, Failure> {
    let (files, wishes) = (args.files()?, args.wishes()?);
    let here = Here { clock: Clock::here(), home };
    if let Some(tz) = &args.tz {
        here.clock.zone(Some(tz)).map_err(|why| Failure::usage(format!("--tz: {why}")))?;
    }
    let (tables, left_out) = tables::read(&files, args.table(), steer::stdin)?;
    let import = Import::read(&tables, &wishes, &here);
    output::one(args.output.output, &import, |it| table(&it.schedules))?;
    left_out.iter().for_each(|it| note(&plain(it)));
    if import.schedules.is_empty() && import.left.is_empty() {
        note("there is no line that runs anything");
    }
    import.notes.iter().for_each(|it| note(&plain(it)));
    told(&import.left).iter().for_each(|it| say(&plain(it)));
    let left =
        if import.left.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(failure::DATA) };
    if !args.apply {
        let count = import.schedules.len() as u64;
        if count > 0 {
            let them = counted(count, "schedule", "schedules");
            note(&format!("nothing was done; --apply makes {them} of it"));
        }
        return Ok(left);
    }
    if args.disable {
        let paths: BTreeSet<_> =
            import.schedules.iter().filter_map(|it| tables[it.table].path.as_ref()).collect();
        let wrong: Vec<String> =
            paths.into_iter().filter_map(|it| disable::may(it).err()).collect();
        if !wrong.is_empty() {
            return Err(Failure::with(failure::UNWRITABLE, wrong));
        }
    }
    let client = args.api.client()?;
    let (stored, failed) = client::block_on(async {
        if let Some(told) = of_hosts(&client, args.host.as_deref()).await {
            note(&told);
        }
        apply(&client, &import.schedules, args.replace).await
    })?;
    if args.disable {
        take_out(&tables, &import.schedules[..stored])?;
    } else if stored > 0 {
        note("cron still runs these lines too; --disable takes them out of its files");
    }
    failed.map_or(Ok(left), Err)
}

/// What cannot be taken over; of many that are alike, one after the other, the first and how many.
fn told(left: &[Left]) -> Vec<String> {
    let alike = |one: &Left, other: &Left| one.file == other.file && one.why == other.why;
    let group = |group: &[Left]| -> Vec<String> {
        match group {
            [first, .., last] if group.len() > ALIKE => {
                let count = group.len() - 1;
                let rest =
                    format!("{}: {count} more lines up to {}: the same", last.file, last.line);
                vec![first.told(), rest]
            }
            few => few.iter().map(Left::told).collect(),
        }
    };
    left.chunk_by(alike).flat_map(group).collect()
}

fn table(drafts: &[Draft]) -> String {
    let now = OffsetDateTime::now_utc();
    let row = |it: &Draft| -> Vec<Cell> {
        let next =
            it.next.as_deref().map_or_else(|| "-".to_owned(), |next| when::relative(next, now));
        let user = it.user.as_deref().unwrap_or("-");
        vec![
            it.name.as_str().into(),
            plain(&it.words).into(),
            next.into(),
            plain(user).into(),
            plain(&it.command).into(),
        ]
    };
    let rows: Vec<_> = drafts.iter().map(row).collect();
    draw(
        &[elastic("NAME", 24), elastic("WHEN", 16), left("NEXT"), left("USER"), left("COMMAND")],
        &rows,
        Look::of_stdout(),
    )
}

/// A crontab is one host's, and several runners may run its lines. Who may not read which there are is told nothing.
async fn of_hosts(client: &Client, host: Option<&str>) -> Option<String> {
    let known: Value = client.get("/v1/runners").await.ok()?;
    let names: Vec<&str> =
        known["runners"].as_array()?.iter().filter_map(|it| it["name"].as_str()).collect();
    match host {
        Some(host) if !names.contains(&host) => {
            Some(format!("there is no runner {host} now; the jobs wait for it"))
        }
        None if names.len() > 1 => Some(format!(
            "a crontab is of one host, and each of these runners may run its lines: {}; --host NAME gives them to one",
            listed(&names)
        )),
        _ => None,
    }
}

/// The first few of them.
fn listed(names: &[&str]) -> String {
    let more = names.len().saturating_sub(RUNNERS_TOLD);
    let told = names.iter().take(RUNNERS_TOLD).copied().collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{told} and {more} more") } else { told }
}

/// What a schedule is to be, beside what there is of its name.
enum Standing {
    New,
    Same,
    Other,
}

/// Asks first whether all would be taken; then puts one after the other. How many are there, and why it went no further.
async fn apply(
    client: &Client,
    drafts: &[Draft],
    replace: bool,
) -> Result<(usize, Option<Failure>), Failure> {
    let (mut wrong, mut standing) = (Vec::new(), Vec::new());
    for draft in drafts {
        match check(client, draft).await? {
            Ok(Standing::Other) if !replace => wrong.push(format!(
                "{}:{}: there is a schedule {} that is something else; --prefix gives other names, --replace changes it",
                draft.file, draft.line, draft.name
            )),
            Ok(found) => standing.push(found),
            Err(why) => wrong.push(format!("{}:{}: {why} (schedule {})", draft.file, draft.line, draft.name)),
        }
    }
    if !wrong.is_empty() {
        note("nothing was done, since not all of it can be");
        return Err(Failure::data(wrong));
    }
    for (index, (draft, found)) in drafts.iter().zip(standing).enumerate() {
        let done = match found {
            Standing::Same => "is there already",
            Standing::New => "is made",
            Standing::Other => "is changed",
        };
        if !matches!(found, Standing::Same) {
            let path = path(&draft.name);
            let ask = Ask::new(Method::PUT, &path).json(&draft.schedule);
            if let Err(failure) = client.ask(ask).await {
                say(&format!(
                    "schedule {} was not made, nor those after it; running it again goes on",
                    draft.name
                ));
                return Ok((index, Some(failure)));
            }
        }
        say(&format!("schedule {} {done}", draft.name));
    }
    Ok((drafts.len(), None))
}

/// What would become of it, or why it would not be taken.
async fn check(client: &Client, draft: &Draft) -> Result<Result<Standing, String>, Failure> {
    let of_name = path(&draft.name);
    let dry = format!("{of_name}?dry_run=true");
    let would: Value =
        match client.answer(Ask::new(Method::PUT, &dry).json(&draft.schedule)).await? {
            Ok(reply) => reply.json().await?,
            Err(problem) if problem.code() == failure::DENIED => return Err(problem.failure()),
            Err(problem) => return Ok(Err(problem.sentence())),
        };
    let is: Value = match client.answer(Ask::new(Method::GET, &of_name)).await? {
        Ok(reply) => reply.json().await?,
        Err(problem) if problem.name() == "not_found" => return Ok(Ok(Standing::New)),
        Err(problem) => return Ok(Err(problem.sentence())),
    };
    let same = SHAPE.iter().chain(&["job"]).all(|it| is[*it] == would[*it]);
    Ok(Ok(if same { Standing::Same } else { Standing::Other }))
}

/// Only of what is there now.
fn take_out(tables: &[tables::TableFile], stored: &[Draft]) -> Result<(), Failure> {
    let mut wrong = Vec::new();
    for (index, file) in tables.iter().enumerate() {
        let lines: BTreeSet<usize> =
            stored.iter().filter(|it| it.table == index).map(|it| it.line).collect();
        let Some(path) = file.path.as_ref().filter(|_| !lines.is_empty()) else { continue };
        match disable::lines(path, &file.text, &lines) {
            Ok(count) => say(&format!(
                "{}: {} taken out",
                file.label,
                counted(count as u64, "line", "lines")
            )),
            Err(why) => wrong.push(format!("{why}; cron runs its lines beside the schedules")),
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(Failure::with(failure::UNWRITABLE, wrong)) }
}

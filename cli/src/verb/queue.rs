//! `ostler queue`: the queues that jobs wait in.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use crate::{
    client::{self, ApiArgs, Ask, Client, encode},
    failure::Failure,
    jobs::{
        filter::Filter,
        output::{self, OutputArgs, Pages},
    },
    queues::{
        shape::{ShapeArgs, kept},
        view::{QueueView, Queues, page, table},
    },
    terminal::{confirmed, counted, note, say},
    values,
};

#[derive(Args, Debug)]
pub(crate) struct QueueArgs {
    #[command(subcommand)]
    verb: QueueVerb,
}

#[derive(Debug, Subcommand)]
enum QueueVerb {
    /// Make a queue, or change what is named of it
    Put(Box<PutArgs>),
    /// List the queues
    List(ListArgs),
    /// Show everything about a queue
    Show(ShowArgs),
    /// Attach a queue to runners: its jobs go to those, and to no others
    Attach(AttachArgs),
    /// Detach a queue from runners; what runs there goes on
    Detach(DetachArgs),
    /// Let nothing of queues start; they take new jobs
    Pause(HoldArgs),
    /// Let queues go on that were paused or drained
    Resume(HoldArgs),
    /// Let queues take nothing new; what waits is worked off
    Drain(HoldArgs),
    /// Cancel what waits in a queue
    Purge(PurgeArgs),
    /// Delete a queue that has no jobs, or whose waiting jobs go to another one
    Delete(DeleteArgs),
}

/// What is not named stays as it is. Jobs that are in it stay, and what runs goes on.
#[derive(Args, Debug)]
struct PutArgs {
    /// The queue's name
    #[arg(value_parser = new_queue_name)]
    name: String,
    #[command(flatten)]
    shape: ShapeArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Args, Debug)]
struct ListArgs {
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Args, Debug)]
struct ShowArgs {
    /// The queue's name
    #[arg(value_parser = queue_name)]
    name: String,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Args, Debug)]
struct AttachArgs {
    /// The queue's name
    #[arg(value_parser = queue_name)]
    name: String,
    /// Labels that runners must all have, such as gpu=a100,zone=b, or a runner's name, runner:r7
    #[arg(value_name = "SELECTOR", required_unless_present_any = ["exclusive", "shared"])]
    selectors: Vec<String>,
    /// One of those runners alone has jobs of it at any time
    #[arg(long)]
    exclusive: bool,
    /// Several may have some, as it is without --exclusive
    #[arg(long, conflicts_with = "exclusive")]
    shared: bool,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Args, Debug)]
struct DetachArgs {
    /// The queue's name
    #[arg(value_parser = queue_name)]
    name: String,
    /// What it is attached by, as `ostler queue show` tells it
    #[arg(value_name = "SELECTOR", required_unless_present = "all")]
    selectors: Vec<String>,
    /// From all: every runner may have its jobs, and several at a time
    #[arg(long, conflicts_with = "selectors")]
    all: bool,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Args, Debug)]
struct HoldArgs {
    /// The queues' names
    #[arg(value_name = "NAME", required = true, value_parser = queue_name)]
    names: Vec<String>,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Args, Debug)]
struct PurgeArgs {
    /// The queue's name
    #[arg(value_parser = queue_name)]
    name: String,
    /// Only jobs of this filter, such as tenant=shop tag=x
    #[arg(value_name = "FILTER")]
    filter: Vec<String>,
    /// Do not ask before cancelling
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Args, Debug)]
struct DeleteArgs {
    /// The queue's name
    #[arg(value_parser = queue_name)]
    name: String,
    /// The queue that takes the jobs that wait
    #[arg(long, value_name = "QUEUE", value_parser = queue_name)]
    move_to: Option<String>,
    #[command(flatten)]
    api: ApiArgs,
}

pub(crate) fn run(args: &QueueArgs) -> Result<ExitCode, Failure> {
    match &args.verb {
        QueueVerb::Put(args) => put(args),
        QueueVerb::List(args) => list(args),
        QueueVerb::Show(args) => show(args),
        QueueVerb::Attach(args) => attach(args),
        QueueVerb::Detach(args) => detach(args),
        QueueVerb::Pause(args) => hold(args, "pause", "paused"),
        QueueVerb::Resume(args) => hold(args, "resume", "resumed"),
        QueueVerb::Drain(args) => hold(args, "drain", "drained"),
        QueueVerb::Purge(args) => purge(args),
        QueueVerb::Delete(args) => delete(args),
    }
}

/// One that is empty, as of a variable that is not set, would be all queues; what else is wrong with a name the API says.
fn queue_name(text: &str) -> Result<String, String> {
    match text {
        "" => Err("it is empty; give the queue's name, such as mail".to_owned()),
        name => Ok(name.to_owned()),
    }
}

/// One that is to be made: what cannot be a name is wrong here, and not a queue that there is not.
fn new_queue_name(text: &str) -> Result<String, String> {
    queue_name(text).and_then(|name| values::name(&name))
}

fn path(name: &str) -> String {
    format!("/v1/queues/{}", encode(name))
}

fn put(args: &PutArgs) -> Result<ExitCode, Failure> {
    let client = args.api.client()?;
    let path = path(&args.name);
    let made = client::block_on(async {
        let there = client.answer(Ask::new(Method::GET, &path)).await?;
        let mut shape = match there {
            Ok(reply) => kept(&reply.json::<Value>().await?),
            Err(problem) if problem.name() == "not_found" => json!({}),
            Err(problem) => return Err(problem.failure()),
        };
        args.shape.lay_over(&mut shape)?;
        client
            .ask(Ask::new(Method::PUT, &path).json(&shape).long())
            .await?
            .json::<QueueView>()
            .await
    })?;
    made.unmet().iter().for_each(|told| note(told));
    output::one(args.output.output, &made, page)?;
    Ok(ExitCode::SUCCESS)
}

fn attach(args: &AttachArgs) -> Result<ExitCode, Failure> {
    let mut body = json!({ "selectors": args.selectors });
    if args.exclusive || args.shared {
        body["exclusive"] = json!(args.exclusive);
    }
    let changed = change(&args.api, &args.name, "attach", &body)?;
    changed.unmet().iter().for_each(|told| note(told));
    output::one(args.output.output, &changed, page)?;
    Ok(ExitCode::SUCCESS)
}

fn detach(args: &DetachArgs) -> Result<ExitCode, Failure> {
    let body = match args.all {
        true => json!({ "all": true }),
        false => json!({ "selectors": args.selectors }),
    };
    let changed = change(&args.api, &args.name, "detach", &body)?;
    output::one(args.output.output, &changed, page)?;
    Ok(ExitCode::SUCCESS)
}

/// It is answered when it holds for what runners were given before, too.
fn change(api: &ApiArgs, name: &str, verb: &str, body: &Value) -> Result<QueueView, Failure> {
    let (client, path) = (api.client()?, format!("{}/{verb}", path(name)));
    client::block_on(async {
        client.ask(Ask::new(Method::POST, &path).json(body).long()).await?.json().await
    })
}

fn list(args: &ListArgs) -> Result<ExitCode, Failure> {
    let client = args.api.client()?;
    let found: Queues = client::block_on(client.get("/v1/queues"))?;
    let mut pages = Pages::new(args.output.output);
    pages.page(&found.queues, table)?;
    pages.end()?;
    Ok(ExitCode::SUCCESS)
}

fn show(args: &ShowArgs) -> Result<ExitCode, Failure> {
    let client = args.api.client()?;
    let found: QueueView = client::block_on(client.get(&path(&args.name)))?;
    output::one(args.output.output, &found, page)?;
    Ok(ExitCode::SUCCESS)
}

fn hold(args: &HoldArgs, verb: &str, done: &str) -> Result<ExitCode, Failure> {
    let client = args.api.client()?;
    client::block_on(async {
        for name in &args.names {
            let path = format!("{}/{verb}", path(name));
            client.ask(Ask::new(Method::POST, &path)).await?;
            say(&format!("queue {name} is {done}"));
        }
        Ok(())
    })?;
    Ok(ExitCode::SUCCESS)
}

fn purge(args: &PurgeArgs) -> Result<ExitCode, Failure> {
    let filter = Filter::read(args.filter.iter().map(String::as_str))?;
    let client = args.api.client()?;
    client::block_on(async {
        if !args.yes && !may_purge(&client, args).await? {
            note("nothing was done");
            return Ok(());
        }
        let path = format!("{}/purge?{}", path(&args.name), filter.query());
        let mut done = 0;
        loop {
            let answer = client.ask(Ask::new(Method::POST, &path)).await?.json::<Value>().await?;
            done += answer["done"].as_u64().unwrap_or(0);
            if answer["more"] != true {
                break;
            }
        }
        say(&format!("cancelled {}", counted(done, "job", "jobs")));
        Ok(())
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Asks a person, and nobody else.
async fn may_purge(client: &Client, args: &PurgeArgs) -> Result<bool, Failure> {
    let found: QueueView = client.get(&path(&args.name)).await?;
    let jobs = counted(found.waiting, "job", "jobs");
    let some = if args.filter.is_empty() { "" } else { "those of the filter among " };
    confirmed(&format!("cancel {some}{jobs} that wait in {}?", args.name))
}

fn delete(args: &DeleteArgs) -> Result<ExitCode, Failure> {
    let client = args.api.client()?;
    let to = args.move_to.as_ref().map(|to| format!("?move_to={}", encode(to)));
    let path = format!("{}{}", path(&args.name), to.unwrap_or_default());
    client::block_on(client.ask(Ask::new(Method::DELETE, &path).long()))?;
    say(&format!("queue {} is deleted", args.name));
    Ok(ExitCode::SUCCESS)
}

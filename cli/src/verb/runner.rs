//! `ostler runner`: keeps children and runs durable jobs for a gateway, here or on another machine.

use std::{
    env, fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::{Args, Subcommand};
use http::Method;
use nix::unistd::{gethostname, setsid};
use ostler_runner::{AppSpec, Config, JobUsers, Link, Serve, joined_as, labels::Labels, runtime};

use crate::{
    app::{self, entry},
    args::{self, StateArgs},
    client::{self, ApiArgs, Ask, encode},
    failure::Failure,
    jobs::output::OutputArgs,
    plan::{self, Asked},
    root,
    signals::Signals,
    state::{self, Lock, State},
    summary::children,
    supervise::{self, JOIN_VARIABLE},
    terminal::{note, say},
    values,
    verb::status,
};

/// Bytes of a join token, at most.
const TOKEN_MAX: u64 = 64 << 10;

#[derive(Debug, Subcommand)]
enum RunnerVerb {
    /// List the runners of a gateway
    List(RunnersArgs),
    /// Set how many durable jobs a runner runs at once, whatever restarts
    Set(SetArgs),
    /// Forget a runner that is not connected, and take its right to join away
    Remove(RemoveArgs),
}

#[derive(Args, Debug)]
struct SetArgs {
    /// The runner's name
    name: String,
    /// Durable jobs that run at once; own: as many as it says itself. What it runs goes on, also where that is more
    #[arg(long, value_name = "N|own", value_parser = slots, required = true)]
    slots: Slots,
    #[command(flatten)]
    api: ApiArgs,
}

/// `--slots`; `None`: the runner's own number.
#[derive(Clone, Copy, Debug)]
struct Slots(Option<u32>);

fn slots(text: &str) -> Result<Slots, String> {
    match text {
        "own" => Ok(Slots(None)),
        "0" => Err("a runner with no slots is one that is drained: use `ostler drain NAME`".into()),
        text => args::children(text).map(|slots| Slots(Some(slots))),
    }
}

#[derive(Args, Debug)]
struct RunnersArgs {
    /// Only those that have this label; several times for several, all of which they have
    #[arg(long, value_name = "NAME=VALUE", value_parser = args::label)]
    label: Vec<String>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Args, Debug)]
struct RemoveArgs {
    /// The runner's name
    name: String,
    /// Also while it is connected: its link ends, and what it runs is lost
    #[arg(long)]
    now: bool,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(group = clap::ArgGroup::new("gateway").args(["join", "join_file", "local", "spec"]))]
pub(crate) struct RunnerArgs {
    #[command(subcommand)]
    verb: Option<RunnerVerb>,
    #[arg(value_name = "APP", value_parser = app_argument, conflicts_with = "spec", help = apps_help())]
    apps: Vec<AppArgument>,
    /// Join a gateway with a token that `ostler token join` printed there; - reads it from standard input.
    /// Others see a command line: prefer -, --join-file or the variable OSTLER_JOIN
    #[arg(long, value_name = "TOKEN|-")]
    join: Option<String>,
    /// Join with the token in this file
    #[arg(long, value_name = "FILE")]
    join_file: Option<PathBuf>,
    /// Serve the gateway on this machine that has this socket
    #[arg(long, value_name = "SOCKET")]
    local: Option<PathBuf>,
    /// Do what this file says; `ostler serve` writes it
    #[arg(long, value_name = "FILE", hide = true)]
    spec: Option<PathBuf>,
    /// Take the apps from this config file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["apps", "root", "spec"])]
    config: Option<PathBuf>,
    /// Folder that the apps are loaded from [default: the current folder]
    #[arg(long, value_name = "DIR", conflicts_with = "spec")]
    root: Option<PathBuf>,
    /// Children of each app, no more and no fewer [default: as many as CPUs, up to 4 times that]
    #[arg(long, value_name = "N", value_parser = args::children, conflicts_with = "spec")]
    children: Option<u32>,
    /// The runner's name in logs and metrics [default: the one that it joined with, or the host's name]
    #[arg(long, value_name = "NAME", value_parser = values::name, conflicts_with = "spec")]
    name: Option<String>,
    /// Durable jobs that run at once; 0: none [default: as many as CPUs]
    #[arg(long, value_name = "N", value_parser = args::job_slots, conflicts_with = "spec")]
    job_slots: Option<u32>,
    /// What the gateway is told of this host, such as gpu=a100; several times for several
    #[arg(long, value_name = "NAME=VALUE", value_parser = args::label, conflicts_with = "spec")]
    label: Vec<String>,
    /// A user that durable jobs may run as; only root can change it
    #[arg(long, value_name = "USER", conflicts_with = "spec")]
    job_user: Vec<String>,
    /// The file of secrets that durable jobs may name
    #[arg(long, value_name = "FILE", conflicts_with = "spec")]
    secrets: Option<PathBuf>,
    #[command(flatten)]
    state: StateArgs,
}

#[derive(Clone, Debug)]
struct AppArgument {
    name: String,
    serve: Serve,
}

fn apps_help() -> String {
    format!(
        "{}, or {} for an app that is not called `app`; without any, durable jobs only",
        runtime::forms(""),
        runtime::forms("NAME=")
    )
}

fn app_argument(text: &str) -> Result<AppArgument, String> {
    entry::named(text).map(|(name, serve)| AppArgument { name, serve })
}

pub(crate) fn run(args: RunnerArgs) -> Result<ExitCode, Failure> {
    match &args.verb {
        Some(RunnerVerb::List(args)) => {
            return status::list_runners(&args.api, args.output.output, &args.label);
        }
        Some(RunnerVerb::Set(args)) => return set(args),
        Some(RunnerVerb::Remove(args)) => return remove(args),
        None => {}
    }
    Signals::unblock_all()?;
    let (config, _lock) = match &args.spec {
        Some(spec) => by_spec(spec)?,
        None => by_flags(args)?,
    };
    ostler_runner::run(config).map_err(|error| Failure::of_runner(&error))?;
    Ok(ExitCode::SUCCESS)
}

/// As `serve` starts it: in a session of its own, so that a terminal's Ctrl-C drains and does not kill.
fn by_spec(spec: &Path) -> Result<(Config, Lock), Failure> {
    // Fails only for the leader of a group, which a shell has put apart from itself already.
    let _ = setsid();
    let unreadable = |error: &dyn std::fmt::Display| {
        Failure::unavailable(format!("cannot read {}: {error}", spec.display()))
    };
    let text = fs::read(spec).map_err(|error| unreadable(&error))?;
    let config: Config = serde_json::from_slice(&text).map_err(|error| unreadable(&error))?;
    let state = State::open(Some(&config.state))?;
    let lock = state.lock_as(supervise::LOCK, supervise::LOCAL);
    let lock = lock.map_err(|held| held.failure("runner", &state))?;
    Ok((config, lock))
}

fn set(args: &SetArgs) -> Result<ExitCode, Failure> {
    let client = args.api.client()?;
    let path = format!("/v1/runners/{}/slots", encode(&args.name));
    let ask = match args.slots.0 {
        Some(slots) => Ask::new(Method::PUT, &path).json(&serde_json::json!({ "slots": slots })),
        None => Ask::new(Method::DELETE, &path),
    };
    client::block_on(client.ask(ask))?;
    match args.slots.0 {
        Some(1) => say(&format!("runner {} runs 1 job at once", args.name)),
        Some(slots) => say(&format!("runner {} runs {slots} jobs at once", args.name)),
        None => say(&format!("runner {} runs as many jobs at once as it says itself", args.name)),
    }
    Ok(ExitCode::SUCCESS)
}

fn remove(args: &RemoveArgs) -> Result<ExitCode, Failure> {
    let client = args.api.client()?;
    let now = if args.now { "?now=true" } else { "" };
    let path = format!("/v1/runners/{}{now}", encode(&args.name));
    client::block_on(client.ask(Ask::new(Method::DELETE, &path)))?;
    say(&format!("runner {} is removed; it comes back only with a new token", args.name));
    Ok(ExitCode::SUCCESS)
}

/// The join token, wherever it was given; `None`: nowhere.
fn token(args: &RunnerArgs) -> Result<Option<String>, Failure> {
    let read = |from: &str, read: io::Result<String>| {
        read.map_err(|error| {
            Failure::unavailable(format!("cannot read the join token from {from}: {error}"))
        })
    };
    let text = match (&args.join, &args.join_file) {
        (Some(dash), _) if dash == "-" => {
            let mut text = String::new();
            let got = io::stdin().lock().take(TOKEN_MAX).read_to_string(&mut text).map(|_| text);
            read("standard input", got)?
        }
        (Some(token), _) => token.clone(),
        (None, Some(file)) => read(&file.display().to_string(), fs::read_to_string(file))?,
        (None, None) if args.local.is_some() => return Ok(None),
        (None, None) => match env::var(JOIN_VARIABLE) {
            Ok(token) if !token.is_empty() => token,
            Ok(_) | Err(_) => return Ok(None),
        },
    };
    match text.trim() {
        "" => Err(Failure::usage("the join token is empty")),
        token => Ok(Some(token.to_owned())),
    }
}

/// How the gateway is reached: by a token, by the socket, or as before.
fn link(args: &RunnerArgs, folder: &Path) -> Result<Link, Failure> {
    match (token(args)?, &args.local) {
        (Some(token), _) => Ok(Link::Remote { token: Some(token) }),
        (None, Some(socket)) => Ok(Link::Local(socket.clone())),
        (None, None) if joined_as(folder).is_some() => Ok(Link::Remote { token: None }),
        (None, None) => Err(Failure::usage(format!(
            "which gateway? Join one with --join TOKEN, --join - (standard input), --join-file FILE or \
             {JOIN_VARIABLE}, or serve the one on this machine with --local SOCKET"
        ))),
    }
}

fn by_flags(args: RunnerArgs) -> Result<(Config, Lock), Failure> {
    let folder = state::locate(args.state.state.as_deref())?;
    let link = link(&args, &folder)?;
    let mut told = told(&args)?;
    let labels = match args.label.is_empty() {
        true => told.labels,
        false => args::labels(&args.label)?,
    };
    for app in &mut told.apps {
        if let Some(children) = args.children {
            (app.children_min, app.children_max) = (children, children);
        }
    }
    app::resolve(&mut told.apps).map_err(Failure::all_unavailable)?;
    if !args.job_user.is_empty() {
        told.job_users.more = args.job_user.into_iter().collect();
    }
    let secrets = args.secrets.map(|file| std::path::absolute(&file).unwrap_or(file));
    let state = State::open(args.state.state.as_deref())?;
    let (before, role) = match &link {
        Link::Remote { token: None } => (joined_as(&folder), supervise::JOINED),
        Link::Remote { .. } => (None, supervise::JOINED),
        Link::Local(_) => (None, supervise::LOCAL),
    };
    let lock = state.lock_as(supervise::LOCK, role);
    let lock = lock.map_err(|held| held.failure("runner", &state))?;
    let config = Config {
        name: args.name.or(before).unwrap_or_else(host),
        link,
        apps: told.apps,
        state: state.folder().to_path_buf(),
        orphan_grace: None,
        labels,
        job_slots: args.job_slots.unwrap_or(told.job_slots),
        job_users: told.job_users,
        secrets: secrets.or(told.secrets),
        umask: Some(ostler_private::close_umask()),
        log_max: told.log_max,
        sendmail: told.sendmail,
        job_drain: told.job_drain,
    };
    introduce(&config);
    if let Some(word) = root::word(&config.apps, config.job_slots, &config.job_users) {
        note(&word);
    }
    Ok((config, lock))
}

/// What the config file says, or the apps of the command line with every default.
struct RunnerPlan {
    apps: Vec<AppSpec>,
    labels: Labels,
    job_slots: u32,
    job_users: JobUsers,
    secrets: Option<PathBuf>,
    log_max: u64,
    sendmail: Option<PathBuf>,
    job_drain: Duration,
}

fn told(args: &RunnerArgs) -> Result<RunnerPlan, Failure> {
    let settings = match &args.config {
        Some(file) => plan::settings(Some(file), &Asked::Elsewhere)?,
        None => plan::default_settings()?,
    };
    let mut apps = settings.runner.apps;
    let root = args.root.as_deref().unwrap_or_else(|| Path::new("."));
    for AppArgument { name, serve } in &args.apps {
        if apps.iter().any(|app| app.name == *name) {
            return Err(Failure::usage(format!(
                "app {name:?} is there twice; write {}",
                runtime::forms("NAME=")
            )));
        }
        apps.extend(plan::bare(name, serve.clone(), root)?.runner.apps);
    }
    Ok(RunnerPlan {
        apps,
        labels: settings.runner.labels,
        job_slots: settings.runner.job_slots,
        job_users: settings.runner.job_users,
        secrets: settings.runner.secrets,
        log_max: settings.runner.log_max,
        sendmail: settings.runner.sendmail,
        job_drain: settings.runner.job_drain,
    })
}

fn host() -> String {
    let host = gethostname().ok().and_then(|host| host.into_string().ok());
    host.and_then(|host| values::name(&host).ok()).unwrap_or_else(|| "runner".to_owned())
}

fn introduce(config: &Config) {
    for app in &config.apps {
        let (children, root) = (children(app), app.root.display());
        say(&format!("app {}: {children} of {} in {root}", app.name, app.serve));
    }
    match config.job_slots {
        0 => {}
        1 => say("durable jobs: 1 at once"),
        slots => say(&format!("durable jobs: {slots} at once")),
    }
    match &config.link {
        Link::Local(socket) => note(&format!("serving the gateway at {}", socket.display())),
        Link::Remote { .. } => note(&format!("joining as {:?}", config.name)),
    }
}

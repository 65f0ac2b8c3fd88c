//! `ostler runner`: keeps children and runs durable jobs for a gateway, here or on another machine.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::{Args, Subcommand};
use nix::unistd::{gethostname, setsid};
use ostler_runner::{AppSpec, Config, Link, Serve};

use crate::{
    app::{self, entry},
    args::{self, StateArgs},
    client::ApiArgs,
    config::values,
    failure::Failure,
    jobs::output::OutputArgs,
    plan::{self, Asked},
    signals::Signals,
    state::{Lock, State},
    summary::children,
    supervise,
    terminal::{note, say},
    verb::status,
};

/// Held by a runner that joined, so that two do not share a certificate.
const JOINED_LOCK: &str = "runner-joined.lock";

#[derive(Debug, Subcommand)]
enum RunnerVerb {
    /// List the runners of a gateway
    List(RunnersArgs),
}

#[derive(Args, Debug)]
struct RunnersArgs {
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(group = clap::ArgGroup::new("gateway").required(true).args(["join", "local", "spec"]))]
pub(crate) struct RunnerArgs {
    #[command(subcommand)]
    verb: Option<RunnerVerb>,
    /// wsgi:module:callable, or NAME=wsgi:module:callable for an app that is not called `app`;
    /// without any, durable jobs only
    #[arg(value_name = "APP", value_parser = app_argument, conflicts_with = "spec")]
    apps: Vec<AppArgument>,
    /// Join a gateway with a token that `ostler token join` printed there
    #[arg(long, value_name = "TOKEN", env = "OSTLER_JOIN", hide_env_values = true)]
    join: Option<String>,
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
    /// The runner's name in logs and metrics [default: the host's name]
    #[arg(long, value_name = "NAME", value_parser = values::name, conflicts_with = "spec")]
    name: Option<String>,
    /// Durable jobs that run at once; 0: none [default: as many as CPUs]
    #[arg(long, value_name = "N", value_parser = args::job_slots, conflicts_with = "spec")]
    job_slots: Option<u32>,
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

fn app_argument(text: &str) -> Result<AppArgument, String> {
    entry::named(text).map(|(name, serve)| AppArgument { name, serve })
}

pub(crate) fn run(args: RunnerArgs) -> Result<ExitCode, Failure> {
    if let Some(RunnerVerb::List(args)) = &args.verb {
        return status::list_runners(&args.api, args.output.output);
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
    let lock = state.lock(supervise::LOCK).map_err(|held| held.failure("runner", &state))?;
    Ok((config, lock))
}

fn by_flags(args: RunnerArgs) -> Result<(Config, Lock), Failure> {
    let mut told = told(&args)?;
    for app in &mut told.apps {
        if let Some(children) = args.children {
            (app.children_min, app.children_max) = (children, children);
        }
    }
    app::resolve(&mut told.apps).map_err(Failure::all_unavailable)?;
    if !args.job_user.is_empty() {
        told.job_users = args.job_user;
    }
    let secrets = args.secrets.map(|file| std::path::absolute(&file).unwrap_or(file));
    let state = State::open(args.state.state.as_deref())?;
    let (link, lock) = match (args.join, args.local) {
        (Some(token), _) => (Link::Remote { token }, JOINED_LOCK),
        (None, local) => (Link::Local(local.unwrap_or_else(|| state.socket())), supervise::LOCK),
    };
    let lock = state.lock(lock).map_err(|held| held.failure("runner", &state))?;
    let config = Config {
        name: args.name.unwrap_or_else(host),
        link,
        apps: told.apps,
        state: state.folder().to_path_buf(),
        orphan_grace: None,
        job_slots: args.job_slots.unwrap_or(told.job_slots),
        job_users: told.job_users,
        secrets: secrets.or(told.secrets),
        umask: Some(ostler_private::close_umask()),
        job_drain: told.drain,
    };
    introduce(&config);
    Ok((config, lock))
}

/// What the config file says, or the apps of the command line with every default.
struct Told {
    apps: Vec<AppSpec>,
    job_slots: u32,
    job_users: Vec<String>,
    secrets: Option<PathBuf>,
    drain: Duration,
}

fn told(args: &RunnerArgs) -> Result<Told, Failure> {
    let settings = match &args.config {
        Some(file) => plan::settings(Some(file), &Asked::Elsewhere)?,
        None => plan::default_settings()?,
    };
    let mut apps = settings.runner.apps;
    let root = args.root.as_deref().unwrap_or_else(|| Path::new("."));
    for AppArgument { name, serve } in &args.apps {
        if apps.iter().any(|app| app.name == *name) {
            return Err(Failure::usage(format!(
                "app {name:?} is there twice; write NAME=wsgi:module:callable"
            )));
        }
        apps.extend(plan::bare(name, serve.clone(), root)?.runner.apps);
    }
    Ok(Told {
        apps,
        job_slots: settings.runner.job_slots,
        job_users: settings.runner.job_users,
        secrets: settings.runner.secrets,
        drain: settings.gateway.drain,
    })
}

fn host() -> String {
    let host = gethostname().ok().and_then(|host| host.into_string().ok());
    host.and_then(|host| values::name(&host).ok()).unwrap_or_else(|| "runner".to_owned())
}

fn introduce(config: &Config) {
    for app in &config.apps {
        let entry = entry::show(&app.serve);
        let (children, root) = (children(app), app.root.display());
        say(&format!("app {}: {children} of {entry} in {root}", app.name));
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

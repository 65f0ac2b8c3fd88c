//! `ostler runner`: keeps children for a gateway, here or on another machine.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use nix::unistd::{gethostname, setsid};
use ostler_runner::{AppSpec, Config, Link, Serve};

use crate::{
    app::{self, entry},
    args::{self, StateArgs},
    config::values,
    failure::Failure,
    plan::{self, Asked},
    signals::Signals,
    state::{Lock, State},
    summary::children,
    supervise,
    terminal::{note, say},
};

/// Held by a runner that joined, so that two do not share a certificate.
const JOINED_LOCK: &str = "runner-joined.lock";

#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("gateway").required(true).args(["join", "local", "spec"]))]
pub(crate) struct RunnerArgs {
    /// wsgi:module:callable, or NAME=wsgi:module:callable for an app that is not called `app`
    #[arg(value_name = "APP", value_parser = app_argument, conflicts_with = "spec")]
    apps: Vec<AppArgument>,
    /// Join a gateway with a token that `ostler token create` printed there
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
    let mut apps = apps(&args)?;
    for app in &mut apps {
        if let Some(children) = args.children {
            (app.children_min, app.children_max) = (children, children);
        }
    }
    app::resolve(&mut apps).map_err(Failure::all_unavailable)?;
    let state = State::open(args.state.state.as_deref())?;
    let (link, lock) = match (args.join, args.local) {
        (Some(token), _) => (Link::Remote { token }, JOINED_LOCK),
        (None, local) => (Link::Local(local.unwrap_or_else(|| state.socket())), supervise::LOCK),
    };
    let lock = state.lock(lock).map_err(|held| held.failure("runner", &state))?;
    let config = Config {
        name: args.name.unwrap_or_else(host),
        link,
        apps,
        state: state.folder().to_path_buf(),
        orphan_grace: None,
    };
    introduce(&config);
    Ok((config, lock))
}

fn apps(args: &RunnerArgs) -> Result<Vec<AppSpec>, Failure> {
    if let Some(file) = &args.config {
        let settings = plan::settings(Some(file), &Asked::Elsewhere)?;
        if settings.runner.apps.is_empty() {
            let file = file.display();
            return Err(Failure::usage(format!("{file} has no app with `serve`")));
        }
        return Ok(settings.runner.apps);
    }
    let root = args.root.as_deref().unwrap_or_else(|| Path::new("."));
    let mut apps: Vec<AppSpec> = Vec::new();
    for AppArgument { name, serve } in &args.apps {
        if apps.iter().any(|app| app.name == *name) {
            return Err(Failure::usage(format!(
                "app {name:?} is there twice; write NAME=wsgi:module:callable"
            )));
        }
        apps.extend(plan::bare(name, serve.clone(), root)?.runner.apps);
    }
    if apps.is_empty() {
        return Err(Failure::usage("no app; write wsgi:module:callable, or --config FILE"));
    }
    Ok(apps)
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
    match &config.link {
        Link::Local(socket) => note(&format!("serving the gateway at {}", socket.display())),
        Link::Remote { .. } => note(&format!("joining as {:?}", config.name)),
    }
}

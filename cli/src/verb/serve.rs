//! `ostler serve`: a gateway in this process, and a runner beside it.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use ostler_gateway::Shutdown;
use ostler_runner::{Config as Runner, Link};

use crate::{
    app,
    args::{self, GatewayFlags, StateArgs},
    config::Settings,
    failure::Failure,
    front,
    plan::{self, Asked},
    signals::Signals,
    state::State,
    supervise::Keeper,
};

#[derive(Args, Debug)]
pub(crate) struct ServeArgs {
    /// wsgi:module:callable, or a folder with a Django project, wsgi.py, app.py or main.py
    /// [default: the current folder]
    #[arg(value_name = "APP")]
    app: Option<String>,
    /// Folder that wsgi:module:callable is loaded from [default: the current folder]
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Children of each app, no more and no fewer [default: as many as CPUs, up to 4 times that]
    #[arg(long, value_name = "N", value_parser = args::children)]
    children: Option<u32>,
    #[command(flatten)]
    gateway: GatewayFlags,
    #[command(flatten)]
    state: StateArgs,
}

pub(crate) fn run(args: &ServeArgs) -> Result<ExitCode, Failure> {
    let mut settings = settings(args)?;
    app::resolve(&mut settings.runner.apps).map_err(Failure::all_unavailable)?;
    let signals = Signals::block()?;
    let state = State::open(args.state.state.as_deref())?;
    let _lock = front::lock(&state)?;
    let gateway = front::open(&mut settings, &state)?;

    let keeper = match settings.runner.apps.is_empty() {
        true => None,
        false => Some(Keeper::start(&state, &runner(&settings, &state))?),
    };
    front::introduce(&gateway, &settings, &state)?;
    let shutdown = Shutdown::new();
    let watch = signals.watch(shutdown.clone(), settings.gateway.drain)?;
    let ended = front::run(gateway, &shutdown, &state);
    if let Some(keeper) = keeper {
        keeper.finish(watch.is_hurried());
    }
    ended.map(|()| watch.exit_code())
}

fn settings(args: &ServeArgs) -> Result<Settings, Failure> {
    let asked = Asked::read(args.app.as_deref(), args.root.as_deref())?;
    let mut settings = plan::settings(args.gateway.config.as_deref(), &asked)?;
    args.gateway.overlay(&mut settings)?;
    if let Some(children) = args.children {
        for app in &mut settings.runner.apps {
            (app.children_min, app.children_max) = (children, children);
        }
    }
    Ok(settings)
}

fn runner(settings: &Settings, state: &State) -> Runner {
    Runner {
        name: settings.runner.name.clone(),
        link: Link::Local(state.socket()),
        apps: settings.runner.apps.clone(),
        state: state.folder().to_path_buf(),
        orphan_grace: settings.runner.orphan_grace,
    }
}

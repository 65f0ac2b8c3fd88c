//! `ostler serve`: a gateway in this process, and a runner beside it.

use std::{
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
};

use clap::Args;
use ostler_gateway::Shutdown;
use ostler_runner::{Config as Runner, Link, runtime};

use crate::{
    app,
    args::{self, GatewayFlags, StateArgs},
    config::Settings,
    failure::Failure,
    front, lacks,
    plan::{self, Asked},
    root,
    signals::{Signals, Watch},
    state::State,
    supervise::RunnerSupervisor,
    values,
};

#[derive(Args, Debug)]
pub(crate) struct ServeArgs {
    #[arg(value_name = "APP", help = app_help())]
    app: Option<String>,
    /// Serve no app: durable jobs only
    #[arg(long, conflicts_with_all = ["app", "root", "children"])]
    no_app: bool,
    #[arg(long, value_name = "DIR", help = root_help())]
    root: Option<PathBuf>,
    /// Children of each app, no more and no fewer [default: as many as CPUs, up to 4 times that]
    #[arg(long, value_name = "N", value_parser = args::children)]
    children: Option<u32>,
    /// Durable jobs that run at once here; 0: none [default: as many as CPUs]
    #[arg(long, value_name = "N", value_parser = args::job_slots)]
    job_slots: Option<u32>,
    /// What is told of this host to whoever looks for runners; several times for several, instead of those of the file
    #[arg(long, value_name = "NAME=VALUE", value_parser = args::label)]
    label: Vec<String>,
    #[command(flatten)]
    gateway: GatewayFlags,
    #[command(flatten)]
    state: StateArgs,
}

fn app_help() -> String {
    let folders = values::listing(runtime::folders(), "or");
    let forms = runtime::forms("");
    format!("{forms}, or a folder with {folders} [default: the current folder]")
}

fn root_help() -> String {
    format!("Folder that {} is loaded from [default: the current folder]", runtime::forms(""))
}

pub(crate) fn run(args: &ServeArgs) -> Result<ExitCode, Failure> {
    let mut settings = settings(args)?;
    app::resolve(&mut settings.runner.apps).map_err(Failure::all_unavailable)?;
    root::keep_capabilities();
    let signals = Signals::block()?;
    let state = State::open(args.state.state.as_deref())?;
    let _lock = front::lock(&state)?;
    let mut gateway = front::open(&mut settings, &state)?;

    let keeper = RunnerSupervisor::start(&state, &runner(&settings, &state))?;
    let announcement = front::introduce(&gateway, &settings, &state)?;
    let shutdown = Shutdown::new();
    let watch = signals.watch(shutdown.clone(), settings.gateway.drain)?;
    // While the gateway still hears what the runner has to say of its jobs; or after a gateway that broke.
    let keeper = Arc::new(Mutex::new(Some(keeper)));
    let (at_the_end, hurry) = (keeper.clone(), watch.clone());
    gateway.on_drained(move || finish(&at_the_end, &hurry));
    let ended = front::run(gateway, &shutdown);
    drop(announcement);
    finish(&keeper, &watch);
    ended.map(|()| watch.exit_code())
}

fn finish(keeper: &Mutex<Option<RunnerSupervisor>>, watch: &Watch) {
    let keeper = keeper.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(keeper) = keeper {
        keeper.finish(|| watch.is_hurried());
    }
}

fn settings(args: &ServeArgs) -> Result<Settings, Failure> {
    let asked = match args.no_app {
        true => Asked::NoApp,
        false => Asked::read(args.app.as_deref(), args.root.as_deref())?,
    };
    let mut settings = plan::settings(args.gateway.config.as_deref(), &asked)?;
    args.gateway.overlay(&mut settings)?;
    if let Some(children) = args.children {
        for app in &mut settings.runner.apps {
            (app.children_min, app.children_max) = (children, children);
        }
    }
    if !args.label.is_empty() {
        settings.runner.labels = args::labels(&args.label)?;
    }
    if let Some(slots) = args.job_slots {
        settings.runner.job_slots = slots;
    }
    let runner = &settings.runner;
    let own = runner.job_slots > 0 && runner.job_users.may_be_own();
    settings.gateway.jobs.tenants_share_user &= own;
    let lacking = lacks::notes(&settings);
    settings.notes.extend(lacking);
    settings.notes.extend(root::word(&runner.apps, runner.job_slots, &runner.job_users));
    Ok(settings)
}

fn runner(settings: &Settings, state: &State) -> Runner {
    let runner = &settings.runner;
    Runner {
        name: runner.name.clone(),
        link: Link::Local(state.socket()),
        apps: runner.apps.clone(),
        state: state.folder().to_path_buf(),
        orphan_grace: runner.orphan_grace,
        labels: runner.labels.clone(),
        job_slots: runner.job_slots,
        job_users: runner.job_users.clone(),
        secrets: runner.secrets.clone(),
        umask: Some(ostler_private::close_umask()),
        log_max: runner.log_max,
        sendmail: runner.sendmail.clone(),
        job_drain: runner.job_drain,
    }
}

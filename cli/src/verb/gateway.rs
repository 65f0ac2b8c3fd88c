//! `ostler gateway`: the gateway alone. Runners join it with a token.

use std::process::ExitCode;

use clap::Args;
use ostler_gateway::Shutdown;

use crate::{
    args::{GatewayFlags, StateArgs},
    failure::Failure,
    front,
    plan::{self, Asked},
    signals::Signals,
    state::State,
};

#[derive(Args, Debug)]
pub(crate) struct GatewayArgs {
    /// Serve no app: durable jobs only
    #[arg(long)]
    no_app: bool,
    #[command(flatten)]
    gateway: GatewayFlags,
    #[command(flatten)]
    state: StateArgs,
}

pub(crate) fn run(args: &GatewayArgs) -> Result<ExitCode, Failure> {
    let asked = if args.no_app { Asked::NoApp } else { Asked::Elsewhere };
    let mut settings = plan::settings(args.gateway.config.as_deref(), &asked)?;
    args.gateway.overlay(&mut settings)?;
    settings.runner.apps.clear();
    settings.runner.job_slots = 0;
    // Its runners are other hosts', or have a user of their own.
    settings.gateway.jobs.tenants_share_user = false;
    let signals = Signals::block()?;
    let state = State::open(args.state.state.as_deref())?;
    let _lock = front::lock(&state)?;
    let gateway = front::open(&mut settings, &state)?;
    let announcement = front::introduce(&gateway, &settings, &state)?;
    let shutdown = Shutdown::new();
    let watch = signals.watch(shutdown.clone(), settings.gateway.drain)?;
    let ended = front::run(gateway, &shutdown);
    drop(announcement);
    ended?;
    Ok(watch.exit_code())
}

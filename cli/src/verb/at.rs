//! `ostler at`: a job at a moment.

use std::process::ExitCode;

use clap::Args;

use super::submit::{self, SubmitArgs};
use crate::{
    failure::Failure,
    jobs::moment::{Clock, Toward},
    terminal::note,
};

/// The same as `ostler submit --at MOMENT`. The moment is said again with its zone.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ostler at 18:00 -- make backup\n  ostler at 'tomorrow 3:00' -- 'cd /srv && ./report'\n  ostler at '9:00 Europe/Berlin' -- send-newsletter"
)]
pub(crate) struct AtArgs {
    /// When: 18:00, 'tomorrow 3:00', 'monday 9:00', '2026-12-01 03:00', 'in 2h'
    #[arg(value_name = "WHEN")]
    moment: String,
    #[command(flatten)]
    submit: SubmitArgs,
}

pub(crate) fn run(mut args: AtArgs) -> Result<ExitCode, Failure> {
    let clock = Clock::here();
    let moment = clock.read(&args.moment, Toward::Next).map_err(Failure::usage)?;
    args.submit.start_at(&moment)?;
    // What was written so that there was nothing to understand is told all the same: it is what this verb is about.
    note(&format!("not before {}", clock.told(&moment)));
    submit::run(&args.submit)
}

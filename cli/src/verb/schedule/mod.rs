//! `ostler schedule`: what fires by the clock.

mod explain;
mod export;
mod import;
mod put;
mod show;
mod steer;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::{client::encode, failure::Failure};

#[derive(Args, Debug)]
pub(crate) struct ScheduleArgs {
    #[command(subcommand)]
    verb: ScheduleVerb,
}

#[derive(Debug, Subcommand)]
enum ScheduleVerb {
    /// Make a schedule, or change what is named of it
    Put(Box<put::PutArgs>),
    /// List the schedules
    List(show::ListArgs),
    /// Show everything about schedules
    Show(show::ShowArgs),
    /// List what became of each firing of a schedule, the latest first
    Firings(show::FiringsArgs),
    /// Let schedules fire no more, until `resume`
    Pause(steer::SteerArgs),
    /// Let schedules fire again that were paused or paused themselves
    Resume(steer::SteerArgs),
    /// Fire schedules now, beside their times
    Run(steer::SteerArgs),
    /// Say up to where a schedule has decided
    Cursor(steer::CursorArgs),
    /// Delete schedules; their jobs go on
    Delete(steer::DeleteArgs),
    /// Say what an expression means, and when it fires next
    Explain(explain::ExplainArgs),
    /// Make schedules of crontabs
    Import(import::ImportArgs),
    /// Write schedules as a file: TOML, JSON or a crontab
    Export(export::ExportArgs),
}

pub(crate) fn run(args: &ScheduleArgs) -> Result<ExitCode, Failure> {
    match &args.verb {
        ScheduleVerb::Put(args) => put::run(args),
        ScheduleVerb::List(args) => show::list(args),
        ScheduleVerb::Show(args) => show::show(args),
        ScheduleVerb::Firings(args) => show::firings(args),
        ScheduleVerb::Pause(args) => steer::steer(args, "pause", "is paused"),
        ScheduleVerb::Resume(args) => steer::steer(args, "resume", "is resumed"),
        ScheduleVerb::Run(args) => steer::steer(args, "run", "fires"),
        ScheduleVerb::Cursor(args) => steer::cursor(args),
        ScheduleVerb::Delete(args) => steer::delete(args),
        ScheduleVerb::Explain(args) => explain::run(args),
        ScheduleVerb::Import(args) => import::run(args),
        ScheduleVerb::Export(args) => export::run(args),
    }
}

/// One that is empty, as of a variable that is not set, would be all of them; what else is wrong with a name the API says.
fn schedule_name(text: &str) -> Result<String, String> {
    match text {
        "" => Err("it is empty; give the schedule's name, such as nightly".to_owned()),
        name => Ok(name.to_owned()),
    }
}

fn path(name: &str) -> String {
    format!("/v1/schedules/{}", encode(name))
}

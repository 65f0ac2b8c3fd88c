//! The command line: every verb of the program, and which file has it.

use std::process::ExitCode;

use clap::{Arg, Command, CommandFactory as _, Parser, Subcommand};

use crate::{failure::Failure, verb};

/// A gateway that puts every job into a fair queue and hands it to preforked children.
#[derive(Debug, Parser)]
#[command(name = "ostler", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Serve apps and run jobs: a gateway and a runner on this machine
    Serve(verb::serve::ServeArgs),
    /// The gateway alone; runners join it
    Gateway(verb::gateway::GatewayArgs),
    /// Keep children and run jobs for a gateway; or list its runners
    Runner(verb::runner::RunnerArgs),
    /// Submit a job, or a list of jobs
    Submit(Box<verb::submit::SubmitArgs>),
    /// Submit a job for a moment: 18:00, 'tomorrow 3:00'
    At(Box<verb::at::AtArgs>),
    /// Fire jobs by the clock: what expressions mean, and crontabs
    Schedule(Box<verb::schedule::ScheduleArgs>),
    /// List jobs, newest first
    List(verb::list::ListArgs),
    /// Show everything about jobs
    Show(verb::show::ShowArgs),
    /// Say why jobs wait, and what would let them start sooner
    Explain(verb::explain::ExplainArgs),
    /// Show what a job wrote
    Logs(verb::logs::LogsArgs),
    /// Wait until jobs have finished
    Wait(verb::wait::WaitArgs),
    /// End jobs: cancel what waits, stop what runs
    Kill(verb::kill::KillArgs),
    /// Run failed jobs again
    Retry(verb::retry::RetryArgs),
    /// Forget finished jobs
    Delete(verb::delete::DeleteArgs),
    /// Keep jobs from starting or going on
    Pause(verb::pause::PauseArgs),
    /// Let paused jobs go on
    Resume(verb::resume::ResumeArgs),
    /// Make, hold, empty and delete queues
    Queue(verb::queue::QueueArgs),
    /// Change jobs that wait
    Edit(verb::edit::EditArgs),
    /// Say which runner or queue jobs are for
    Move(verb::r#move::MoveArgs),
    /// Show how many jobs are where, and the runners
    Status(verb::status::StatusArgs),
    /// Let a runner take nothing new
    Drain(verb::drain::DrainArgs),
    /// Copy the store while it is in use
    Backup(verb::backup::BackupArgs),
    /// Put a backup in the place of the store
    Restore(verb::restore::RestoreArgs),
    /// Tokens for the API, and for runners that join
    Token(verb::token::TokenArgs),
    /// Validate a config file and print it with every default
    Check(verb::check::CheckArgs),
    /// Print what a shell needs to complete this command line
    Completions(verb::completions::CompletionsArgs),
    /// Write the manual pages
    Man(verb::man::ManArgs),
}

impl Verb {
    /// Does it.
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        match self {
            Self::Serve(args) => verb::serve::run(&args),
            Self::Gateway(args) => verb::gateway::run(&args),
            Self::Runner(args) => verb::runner::run(args),
            Self::Token(args) => verb::token::run(args),
            Self::Check(args) => verb::check::run(&args),
            Self::Submit(args) => verb::submit::run(&args),
            Self::At(args) => verb::at::run(*args),
            Self::Schedule(args) => verb::schedule::run(&args),
            Self::List(args) => verb::list::run(&args),
            Self::Show(args) => verb::show::run(&args),
            Self::Explain(args) => verb::explain::run(&args),
            Self::Logs(args) => verb::logs::run(&args),
            Self::Wait(args) => verb::wait::run(&args),
            Self::Kill(args) => verb::kill::run(&args),
            Self::Retry(args) => verb::retry::run(&args),
            Self::Delete(args) => verb::delete::run(&args),
            Self::Pause(args) => verb::pause::run(&args),
            Self::Resume(args) => verb::resume::run(&args),
            Self::Queue(args) => verb::queue::run(&args),
            Self::Edit(args) => verb::edit::run(&args),
            Self::Move(args) => verb::r#move::run(&args),
            Self::Status(args) => verb::status::run(&args),
            Self::Drain(args) => verb::drain::run(&args),
            Self::Backup(args) => verb::backup::run(&args),
            Self::Restore(args) => verb::restore::run(&args),
            Self::Completions(args) => verb::completions::run(&args, command()),
            Self::Man(args) => verb::man::run(&args, command()),
        }
    }
}

/// The whole command line. What is a number or a time is judged by who knows what it may be: `--timeout -1s` is a wrong
/// time, and no flag.
pub(crate) fn command() -> Command {
    judged(Cli::command())
}

fn judged(command: Command) -> Command {
    let command = command.mut_args(|arg| match (measures(&arg), arg.is_positional()) {
        (true, _) => arg.allow_hyphen_values(true),
        (false, true) => arg.allow_negative_numbers(true),
        (false, false) => arg,
    });
    command.mut_subcommands(judged)
}

/// Whether its value is a number or a time.
fn measures(arg: &Arg) -> bool {
    const NAMES: [&str; 8] =
        ["N", "N|unlimited", "LINES", "MASK", "MOMENT", "MOMENT|none", "TIME", "TIME|none"];
    arg.get_value_names()
        .is_some_and(|names| names.iter().any(|name| NAMES.contains(&name.as_str())))
}

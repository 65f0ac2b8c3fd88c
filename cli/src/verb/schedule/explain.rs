//! `ostler schedule explain`: what an expression means, without a gateway.

use std::process::ExitCode;

use clap::Args;
use ostler_cron_module::{Dialect, Fold, Gap};

use crate::{
    failure::Failure,
    jobs::{
        moment::{Clock, Toward},
        output::{self, OutputArgs},
    },
    schedules::explanation::{Asked, Explanation, of_words},
    terminal::note,
    values,
};

/// No gateway is asked: what is said is what it would do.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ostler schedule explain '30 2 * * MON-FRI' --tz Europe/Berlin\n  ostler schedule explain @every 90s"
)]
pub(crate) struct ExplainArgs {
    /// The expression, such as '0 3 * * *', @daily or '@every 90s'
    #[arg(value_name = "EXPR", required = true)]
    words: Vec<String>,
    /// The time zone by its name, such as Europe/Berlin [default: that of this shell]
    #[arg(long, value_name = "ZONE")]
    tz: Option<String>,
    /// As crontabs are read: `*/2` in a field of days restricts nothing
    #[arg(long)]
    vixie: bool,
    /// So many moments
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = values::number(0_usize, 1000))]
    count: usize,
    /// The moments after this one [default: now]
    #[arg(long, value_name = "MOMENT")]
    from: Option<String>,
    /// The schedule's name, which H and ~ in the expression are made of
    #[arg(long, default_value = "")]
    name: String,
    /// What fires whose time clocks pass over: at once after that, or nothing
    #[arg(long, value_name = "after_gap|skip", default_value = "after_gap", value_parser = ["after_gap", "skip"])]
    gap: String,
    /// When that fires whose time clocks show twice
    #[arg(long, value_name = "first|both", default_value = "first", value_parser = ["first", "both"])]
    fold: String,
    #[command(flatten)]
    output: OutputArgs,
}

pub(crate) fn run(args: &ExplainArgs) -> Result<ExitCode, Failure> {
    let clock = Clock::here();
    let zone =
        clock.zone(args.tz.as_deref()).map_err(|why| Failure::usage(format!("--tz: {why}")))?;
    let from = match &args.from {
        None => clock.now(),
        Some(text) => {
            // One that was is as good as one that comes.
            let read = clock.read(text, Toward::Next).or_else(|_| clock.read(text, Toward::Today));
            let from = read.map_err(|why| Failure::usage(format!("--from: {why}")))?;
            from.told().into_iter().for_each(|told| note(&format!("from {told}")));
            from.at()
        }
    };
    let dialect = if args.vixie { Dialect::Vixie } else { Dialect::Standard };
    let cron = of_words(&args.words, &args.name, dialect, "ostler schedule explain")?;
    let gap = if args.gap == "skip" { Gap::Skip } else { Gap::After };
    let fold = if args.fold == "both" { Fold::Both } else { Fold::First };
    let asked = Asked { cron: &cron, name: &args.name, vixie: args.vixie, gap, fold };
    let timing = asked.timing(zone, from)?;
    let explanation = Explanation::of(&asked, &timing, (from, clock.now()), args.count);
    output::one(args.output.output, &explanation, Explanation::page)?;
    Ok(ExitCode::SUCCESS)
}

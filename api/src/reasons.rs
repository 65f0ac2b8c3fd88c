//! Why jobs wait, in sentences for whoever asks: somebody who does not know what is behind the API.
//!
//! A token that is bound to a tenant is told nothing of other tenants, neither their names nor the ids of their jobs.

use std::{cell::OnceCell, sync::Arc};

use ostler_driver::{Absence, Blocker, Place, Wanted, Why};
use ostler_job::{
    JobId, Selector, Wall,
    durable::{Held, Job, JobState, QueueName, WaitReason},
};
use ostler_machine::clock;

use super::{
    Api,
    auth::Caller,
    backend::{Drained, RunnerView},
    parse::words::JobReason,
    problem::Problem,
};

/// Why a job waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// In a word.
    pub(crate) word: WaitReason,
    /// In a sentence.
    pub(crate) why: String,
}

impl Told {
    pub(crate) const fn reason(&self) -> JobReason {
        JobReason::Waits(self.word)
    }
}

/// Why this job waits, if it does.
pub(crate) async fn told(api: &Api, caller: &Caller, job: &Job) -> Result<Option<Told>, Problem> {
    Ok(all_told(api, caller, std::slice::from_ref(job)).await?.pop().flatten())
}

/// Why each of these jobs waits, if it does.
pub(crate) async fn all_told(
    api: &Api,
    caller: &Caller,
    jobs: &[Job],
) -> Result<Vec<Option<Told>>, Problem> {
    let waiting: Vec<JobId> = jobs.iter().filter(|job| waits(job)).map(|job| job.id).collect();
    if waiting.is_empty() {
        return Ok(vec![None; jobs.len()]);
    }
    let mut whys = api.backend().whys(waiting).await?.into_iter();
    let teller = Teller::new(api, caller);
    let tell = |job: &Job| {
        let why = if waits(job) { whys.next().flatten()? } else { return None };
        Some(teller.told(&why, job))
    };
    Ok(jobs.iter().map(tell).collect())
}

/// Whether the job has not started, as far as its record knows.
pub(crate) const fn waits(job: &Job) -> bool {
    matches!(
        job.status.state,
        JobState::Scheduled
            | JobState::Pending
            | JobState::Paused
            | JobState::Retrying
            | JobState::Leased
    )
}

/// Makes sentences for one caller.
pub(crate) struct Teller<'a> {
    api: &'a Api,
    tenant: Option<&'a str>,
    runners: OnceCell<Vec<RunnerView>>,
}

impl<'a> Teller<'a> {
    pub(crate) fn new(api: &'a Api, caller: &'a Caller) -> Self {
        Self { api, tenant: caller.tenant(), runners: OnceCell::new() }
    }

    pub(crate) fn told(&self, why: &Why, job: &Job) -> Told {
        let why = &self.known(why);
        let queue = job.status.queue.clone().unwrap_or_default();
        Told { word: why.word(), why: self.sentence(why, &queue) }
    }

    /// What holds a job up beside its reason: then it may not be the next.
    pub(crate) fn told_as_well(&self, why: &Why, job: &Job) -> Told {
        let told = self.told(why, job);
        if let Why::SlotsBusy { slots } = why { Told { why: taken(*slots), ..told } } else { told }
    }

    /// A runner that has not been heard since the gateway began may be known from before.
    fn known(&self, why: &Why) -> Why {
        if let Why::NoRunner { wanted: wanted @ Wanted::Host(name), absence: Absence::Unknown } =
            why
            && self.all_runners().iter().any(|it| it.name == **name)
        {
            return Why::NoRunner { wanted: wanted.clone(), absence: Absence::Away };
        }
        why.clone()
    }

    fn sentence(&self, why: &Why, own: &QueueName) -> String {
        match why {
            Why::Store { problem } => format!(
                "the store of jobs cannot be used, and nothing starts until it can: {problem}"
            ),
            Why::Ending => {
                "the gateway is about to end and starts nothing more; what waits goes on when it is started again".to_owned()
            }
            Why::Starting { runner, since } => {
                format!("the runner {runner} was given it at {} and is about to start it", at(*since))
            }
            Why::Paused { held } => format!(
                "it is paused itself{}, and waits until somebody resumes it",
                self.held(held.as_ref())
            ),
            Why::NotBefore { until } => format!("it does not start before {}", at(*until)),
            Why::Retry { until, came_back: true, .. } => format!(
                "runners gave it back without having started it; it is given to one again at {}",
                at(*until)
            ),
            Why::Retry { until, attempt, .. } => format!(
                "its attempt {} is over; attempt {attempt} comes at {}, and not before",
                attempt.saturating_sub(1),
                at(*until)
            ),
            Why::QueuePaused { queue, held } => {
                format!("{} is paused{}", queue_named(queue, own), self.held(held.as_ref()))
            }
            Why::Exclusive { queue, holder, awaited } => {
                format!("{} {}", queue_named(queue, own), exclusive(holder.as_ref(), awaited))
            }
            Why::NoRunner { wanted, absence } => self.absence(wanted, *absence),
            Why::Resource { name, is_serial, blocker } => {
                let what = if *is_serial { "serial key" } else { "resource" };
                format!("it waits for the {what} {name:?}, {}", self.blocker(blocker.as_ref()))
            }
            Why::TenantCap { queue, running } => capped(queue, *running),
            // How many run is the operator's own limit, or more, and others' jobs are among them.
            Why::Concurrency { queue, max, .. } if self.tenant.is_some() => format!(
                "{} runs as many jobs as it may run at once, {max}",
                queue_named(queue, own)
            ),
            Why::Concurrency { queue, running, max } => format!(
                "{} runs {running} of the {max} jobs that it may run at once",
                queue_named(queue, own)
            ),
            Why::Ceiling { queue, millislots } => format!(
                "{} has used the {} slots that it may use",
                queue_named(queue, own),
                slots(*millislots)
            ),
            Why::Rate { queue, rate, until } => format!(
                "{} starts {rate} and no more; its next job may start at {}",
                queue_named(queue, own),
                at(*until)
            ),
            Why::Behind { queue, place } => behind(queue, *place),
            Why::RunnerFull { wanted, slots } => full(wanted, *slots),
            Why::SlotsBusy { slots } => {
                format!("{}; it is the next of its tenant in its queue", taken(*slots))
            }
        }
    }

    /// By whom and since when; nothing of whom to one tenant.
    fn held(&self, held: Option<&Held>) -> String {
        match (held, self.tenant) {
            (None, _) => String::new(),
            (Some(held), None) => format!(" by {} since {}", held.who, at(held.since)),
            (Some(held), Some(_)) => format!(" since {}", at(held.since)),
        }
    }

    fn absence(&self, wanted: &Wanted, absence: Absence) -> String {
        match (wanted, absence) {
            (Wanted::Any, Absence::Unknown) => "no runner has been heard of".to_owned(),
            (Wanted::Any, Absence::Away) => "no runner is connected".to_owned(),
            (Wanted::Any, Absence::Broken) => {
                "no runner that is connected can start what it is given; they are tried now and then".to_owned()
            }
            (Wanted::Any, Absence::Drained) => {
                "no runner that is connected takes new jobs: they are drained, or serve apps alone".to_owned()
            }
            (Wanted::Any, Absence::Elsewhere) => "no runner may run it".to_owned(),
            (Wanted::Holder { queue, runner }, absence) => {
                let what = match absence {
                    Absence::Unknown | Absence::Elsewhere => "of which nothing has been heard",
                    Absence::Away => {
                        "which is not connected; another one takes over once the jobs that it has are over, or lost with it"
                    }
                    Absence::Drained => "which takes nothing new",
                    Absence::Broken => "which cannot start what it is given, and is tried now and then",
                };
                format!("the queue {queue} is worked by the runner {runner} alone, {what}")
            }
            (Wanted::Attached { queue, selectors, above }, absence) => {
                let of = attached(queue, selectors, above);
                match absence {
                    Absence::Unknown | Absence::Elsewhere if !above.is_empty() => {
                        format!("{of}, and there is none that all of them mean")
                    }
                    Absence::Unknown | Absence::Elsewhere => format!("{of}, and there is none"),
                    Absence::Away => format!("{of}, and none of those is connected"),
                    Absence::Drained => {
                        format!("{of}, and those that are connected take nothing new")
                    }
                    Absence::Broken => format!(
                        "{of}, and those that are connected cannot start what they are given, and are tried now and then"
                    ),
                }
            }
            (Wanted::Host(runner), absence) => {
                let what = match absence {
                    Absence::Elsewhere => "to which its queue is not attached".to_owned(),
                    Absence::Unknown => "of which nothing has been heard".to_owned(),
                    Absence::Away => "which is not connected".to_owned(),
                    Absence::Drained => format!("which takes nothing new{}", self.drained(runner)),
                    Absence::Broken => {
                        format!("which could not start what it was given{} and is tried now and then", self.broken(runner))
                    }
                };
                format!("it may run on the runner {runner} alone, {what}")
            }
        }
    }

    fn all_runners(&self) -> &[RunnerView] {
        self.runners.get_or_init(|| self.api.backend().runners())
    }

    fn runner(&self, name: &str) -> Option<&Drained> {
        let runners = self.all_runners();
        runners.iter().find(|it| it.name == name)?.drained.as_ref()
    }

    fn drained(&self, runner: &str) -> String {
        let Some(Drained { by, since, .. }) = self.runner(runner) else { return String::new() };
        let by = by.as_ref().filter(|_| self.tenant.is_none());
        let by = by.map_or_else(String::new, |by| format!(" by {by}"));
        let since = since.map_or_else(String::new, |since| format!(" since {}", at(since)));
        format!(": it is drained{by}{since}")
    }

    /// What the last job there said is another tenant's, maybe.
    fn broken(&self, runner: &str) -> String {
        let said = self.runner(runner).and_then(|it| it.broken.as_ref());
        let said = said.filter(|_| self.tenant.is_none());
        said.map_or_else(String::new, |said| format!(" ({said})"))
    }

    fn blocker(&self, blocker: Option<&Blocker>) -> String {
        let Some(Blocker { job, tenant, state, has_it }) = blocker else {
            return "which another job has".to_owned();
        };
        let it = match self.tenant {
            Some(own) if own != &**tenant => "a job of another tenant".to_owned(),
            Some(_) | None => format!("job {job}"),
        };
        match (has_it, state) {
            (false, _) => format!("and {it} is to have it before"),
            (true, JobState::Retrying) => format!("which {it} keeps until it is tried again"),
            (true, JobState::Paused) => format!("which {it} keeps while it is paused"),
            (true, JobState::Pending) => format!("which {it} has, which waits for a slot itself"),
            (true, JobState::Stopped) => {
                format!("which {it} has, whose processes are stopped until it is resumed")
            }
            (true, _) => format!("which {it} has, which runs"),
        }
    }
}

/// Which runners a queue is attached to.
fn attached(
    queue: &QueueName,
    selectors: &[Selector],
    above: &[(QueueName, Vec<Selector>)],
) -> String {
    let one = |queue: &QueueName, selectors: &[Selector]| {
        let selectors: Vec<String> = selectors.iter().map(ToString::to_string).collect();
        match selectors.is_empty() {
            true => format!("the queue {queue} is worked by one runner alone"),
            false => {
                format!("the queue {queue} is attached to runners with {}", selectors.join(" or "))
            }
        }
    };
    let above = above.iter().map(|(queue, selectors)| one(queue, selectors));
    let all: Vec<String> = std::iter::once(one(queue, selectors)).chain(above).collect();
    all.join(", and above it ")
}

fn exclusive(holder: Option<&Arc<str>>, awaited: &[Arc<str>]) -> String {
    let holder = holder.map_or_else(|| "one runner".to_owned(), |it| format!("the runner {it}"));
    let awaited = awaited.join(", ");
    format!("is worked by {holder} alone, once the jobs of it have ended that {awaited} still has")
}

fn full(wanted: &Wanted, slots: Option<u32>) -> String {
    match (wanted, slots) {
        (Wanted::Host(runner), Some(1)) => {
            format!("it may run on the runner {runner} alone, and its only slot is taken")
        }
        (Wanted::Host(runner), Some(slots)) => {
            format!(
                "it may run on the runner {runner} alone, and all of its {slots} slots are taken"
            )
        }
        (Wanted::Host(runner), None) => {
            format!("it may run on the runner {runner} alone, and its slots are taken")
        }
        (Wanted::Holder { queue, runner }, _) => {
            format!(
                "the queue {queue} is worked by the runner {runner} alone, and all slots of that one are taken"
            )
        }
        (Wanted::Attached { queue, selectors, above }, _) => {
            format!("{}, and all slots of those are taken", attached(queue, selectors, above))
        }
        (Wanted::Any, _) => "all slots are taken".to_owned(),
    }
}

fn taken(slots: u64) -> String {
    if slots == 1 {
        "the only slot is taken".to_owned()
    } else {
        format!("all {slots} slots are taken")
    }
}

fn capped(queue: &QueueName, running: u64) -> String {
    let jobs = if running == 1 { "job" } else { "jobs" };
    format!("its tenant runs {running} {jobs} of the queue {queue}, as many as it may at once")
}

fn behind(queue: &QueueName, Place { before, is_exact, is_late }: Place) -> String {
    let late =
        if is_late { "; it has missed its promise, and waits with those that have" } else { "" };
    if before == 1 {
        return format!("1 job of its tenant in the queue {queue} goes before it{late}");
    }
    let jobs = if is_exact { before.to_string() } else { format!("about {}", rounded(before)) };
    format!("{jobs} jobs of its tenant in the queue {queue} go before it{late}")
}

/// As exact as a sample is: two digits.
pub(crate) fn rounded(number: u32) -> u32 {
    let digits = number.checked_ilog10().unwrap_or_default().saturating_sub(1);
    let unit = 10_u32.pow(digits);
    number / unit * unit
}

/// `queue mail`, and of one above the job's own that it is.
fn queue_named(queue: &QueueName, own: &QueueName) -> String {
    if queue == own {
        format!("the queue {queue}")
    } else {
        format!("the queue {queue}, which {own} is below,")
    }
}

/// `2`, `1.5`.
pub(crate) fn slots(millislots: u32) -> String {
    (f64::from(millislots) / 1000.0).to_string()
}

fn at(moment: Wall) -> String {
    clock::show(moment)
}

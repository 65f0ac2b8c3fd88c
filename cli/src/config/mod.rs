//! `ostler.toml` and flags become what a gateway and a runner are told.
//!
//! The file is read into a tree that keeps places, then key by key against the table in
//! [`keys`], in one pass that finds every problem, so that a file is mended in one go. Nothing
//! but this module reads it, and nothing opens before the whole of it is right.

mod app;
mod effective;
pub(crate) mod keys;
mod process;
mod queue;
mod reference;
mod route;
mod schedule;
mod section;
mod setting;
mod source;
#[cfg(test)]
mod tests;
mod words;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use ostler_gateway::{Config as Gateway, JobsConfig, TenantKey};
use ostler_runner::{AppSpec, JobUsers, Serve, labels::Labels};
use toml::{Spanned, de::DeTable};

pub(crate) use effective::effective;
pub(crate) use reference::reference;
pub(crate) use source::Source;

use keys::Place;
use section::Section;
use source::Findings;

/// The file that is looked for when none is named.
pub(crate) const FILE: &str = "ostler.toml";

/// A whole, valid configuration.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// For the gateway; the state folder is the caller's to fill in.
    pub(crate) gateway: Gateway,
    /// For the runner that `serve` starts.
    pub(crate) runner: Runner,
    /// What works, but hardly as meant; one line each.
    pub(crate) notes: Vec<String>,
    /// What each key of the file came to be.
    tables: Vec<effective::Table>,
}

/// What the local runner is told beside its link.
#[derive(Clone, Debug)]
pub(crate) struct Runner {
    pub(crate) name: String,
    /// `None`: children are kept for ever.
    pub(crate) orphan_grace: Option<Duration>,
    /// What the gateway is told of this host.
    pub(crate) labels: Labels,
    /// Durable jobs that run at once.
    pub(crate) job_slots: u32,
    /// Users that durable jobs may run as.
    pub(crate) job_users: JobUsers,
    /// Bytes of an attempt's output that are kept.
    pub(crate) log_max: u64,
    /// The program that mails their output.
    pub(crate) sendmail: Option<PathBuf>,
    /// How long durable jobs may run on when the runner is told to end.
    pub(crate) job_drain: Duration,
    /// The file of secrets that durable jobs may name.
    pub(crate) secrets: Option<PathBuf>,
    /// Apps with children on this host. A callable that is empty has yet to be found.
    pub(crate) apps: Vec<AppSpec>,
}

/// What the configuration stands on beside the file.
#[derive(Clone, Debug)]
pub(crate) struct Ground {
    /// CPUs that this process may use.
    pub(crate) cpus: u32,
    /// An app from the command line, for a file that has none.
    pub(crate) given: Option<Given>,
}

/// An app from the command line.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    pub(crate) name: String,
    /// `None`: only runners that join serve it.
    pub(crate) serve: Option<Serve>,
    pub(crate) root: PathBuf,
}

impl Source {
    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let name = path.display().to_string();
        let text = fs::read(path).map_err(|error| format!("cannot read {name}: {error}"))?;
        let text = String::from_utf8(text).map_err(|error| {
            let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
            format!("{name}:{line}: not UTF-8 text")
        })?;
        let folder = path.parent().map_or_else(PathBuf::new, Path::to_path_buf);
        let folder = std::path::absolute(folder.join("."))
            .map_err(|error| format!("cannot tell the folder of {name}: {error}"))?;
        Ok(Self { name, folder, text })
    }

    /// What stands for a file when there is none.
    pub(crate) fn empty() -> Self {
        Self { name: String::new(), folder: PathBuf::new(), text: String::new() }
    }

    /// Whether it says anything about apps and routes.
    pub(crate) fn says(&self) -> Result<Says, Vec<String>> {
        let findings = Findings::new(self);
        let table = tree(&findings);
        findings.finish()?;
        let has = |key: &str| table.get_ref().contains_key(key);
        Ok(Says { apps: has("app"), routes: has("route") })
    }
}

/// Which of the tables that matter for finding an app a file has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Says {
    pub(crate) apps: bool,
    pub(crate) routes: bool,
}

/// The file as a tree with places; its syntax errors are noted.
fn tree<'a>(findings: &Findings<'a>) -> Spanned<DeTable<'a>> {
    let (table, errors) = DeTable::parse_recoverable(&findings.source.text);
    let mut last = None;
    for error in errors {
        let offset = error.span().map_or(0, |span| span.start);
        let line = findings.source.line(offset);
        // What follows on the same line is mostly the echo of the first.
        if last.replace(line) != Some(line) {
            findings.problem(offset, error.message().replace('\n', "; "));
        }
    }
    table
}

/// Reads the whole configuration, or tells every problem, one a line.
pub(crate) fn settings(source: &Source, ground: &Ground) -> Result<Settings, Vec<String>> {
    let findings = Findings::new(source);
    let table = tree(&findings);
    if findings.any() {
        return Err(findings.finish().expect_err("a problem was noted just above"));
    }
    let top = Section::new(&findings, Place::Top, String::new(), Some(table.get_ref()), 0);
    let mut settings = whole(&top, ground);
    settings.tables = findings.record.take();
    settings.notes = findings.finish()?;
    Ok(settings)
}

fn whole(top: &Section<'_>, ground: &Ground) -> Settings {
    let apps = top.named("app", Place::App);
    let mut names: BTreeSet<&str> = apps.iter().map(|(name, _)| name.as_str()).collect();
    names.extend(ground.given.as_ref().map(|given| given.name.as_str()));
    let limits = process::limits(&top.table("limits", Place::Limits));
    let routes = route::routes(top, &names, &limits);

    let mut gateway_apps = BTreeMap::new();
    let mut specs = Vec::new();
    for (name, section) in &apps {
        let (app, spec) = app::app(section, name, ground.cpus, has_tenants(&routes, name));
        if top.has("route") && !leads_to(&routes, name) {
            section.note("serve", "no route leads to this app");
        }
        gateway_apps.insert(name.clone(), app);
        specs.extend(spec);
    }
    if let Some(given) = &ground.given {
        let empty = Section::new(top.findings, Place::App, format!("app.{}", given.name), None, 0);
        let (app, _) =
            app::app(&empty, &given.name, ground.cpus, has_tenants(&routes, &given.name));
        gateway_apps.insert(given.name.clone(), app);
        specs.extend(given.serve.clone().and_then(|serve| {
            app::spec(&empty, &given.name, Some(serve), given.root.clone(), ground.cpus)
        }));
    }

    let runner = process::runner(&top.table("runner", Place::Runner), ground.cpus);
    let gateway = top.table("gateway", Place::Gateway);
    let (threads, trusted_proxies, drain) = process::gateway(&gateway, ground.cpus);
    let of_schedules = top.table("schedules", Place::Schedules);
    let zone = schedule::zone(&of_schedules);
    let listen = process::listen(&top.table("listen", Place::Listen), !routes.is_empty());
    Settings {
        gateway: Gateway {
            certificates: process::certificates(top, &listen),
            listen,
            state: PathBuf::new(),
            threads,
            apps: gateway_apps,
            routes,
            trusted_proxies,
            limits,
            access_log: process::access_log(&top.table("log", Place::Log)),
            drain,
            details: gateway.value("details"),
            jobs: JobsConfig {
                queues: queue::queues(top),
                schedules: schedule::schedules(top, zone.as_deref()),
                tenant_schedules_max: of_schedules.value("tenant_max"),
                zone,
                ..process::jobs(&top.table("jobs", Place::Jobs))
            },
        },
        runner: Runner { apps: specs, ..runner },
        notes: Vec::new(),
        tables: Vec::new(),
    }
}

fn leads_to(routes: &[ostler_gateway::Route], app: &str) -> bool {
    routes
        .iter()
        .any(|route| matches!(&route.to, ostler_gateway::TargetConfig::App(name) if name == app))
}

fn has_tenants(routes: &[ostler_gateway::Route], app: &str) -> bool {
    routes
        .iter()
        .filter(|route| matches!(&route.to, ostler_gateway::TargetConfig::App(name) if name == app))
        .any(|route| route.tenant != TenantKey::None)
}

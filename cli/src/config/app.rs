//! `[app.NAME]`: what the gateway queues for it and how the runner keeps its children.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use ostler_gateway::App;
use ostler_runner::{AppSpec, Serve, runtime};
use toml::{Value, de::DeValue};

use super::{
    keys::Place,
    section::Section,
    setting::{self, Shown, shown},
};
use crate::{app::interpreter, values};

const RLIMITS: [&str; 6] = ["nofile", "core", "fsize", "nproc", "cpu", "as"];

/// Both sides of an app; no spec when nothing here serves it.
pub(super) fn app(
    section: &Section<'_>,
    name: &str,
    cpus: u32,
    has_tenants: bool,
) -> (App, Option<AppSpec>) {
    if let Err(wrong) = values::name(name) {
        section.own_problem(&wrong);
    }
    let queue_max: u32 = section.value("queue_max");
    let preset = if has_tenants { (queue_max / 2).max(1) } else { queue_max };
    let tenant_queue_max = section.value_or("tenant_queue_max", || preset);
    if tenant_queue_max > queue_max {
        section.problem(
            "tenant_queue_max",
            format!("{tenant_queue_max} is more than queue_max, which is {queue_max}"),
        );
    }
    let app = App {
        queue_max,
        tenant_queue_max,
        tenant_slots_max: section.optional("tenant_slots_max"),
        discipline: section.value("discipline"),
        prefetch_max: section.value("prefetch_max"),
    };
    let serve = section.parsed("serve", Serve::read);
    // Without it the rest is read even so, that its problems are told in the same run.
    let unserved = section.unrecorded();
    let section = if serve.is_some() { section } else { &unserved };
    (app, spec(section, name, serve, root(section), cpus))
}

fn root(section: &Section<'_>) -> PathBuf {
    section.path_of("root").unwrap_or_else(|| {
        let folder = &section.findings.source.folder;
        if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder.clone() }
    })
}

/// How the runner keeps the children; `None`: of nothing.
pub(super) fn spec(
    section: &Section<'_>,
    name: &str,
    serve: Option<Serve>,
    root: PathBuf,
    cpus: u32,
) -> Option<AppSpec> {
    if let Some(serve) = &serve {
        section.note_value("serve", serve);
    }
    section.note_value("root", &root);
    let (children_min, children_max) = children(section, cpus);
    let shown = format!("{{ min = {children_min}, max = {children_max} }}");
    section.note_text("children", shown);
    let lifetime: Duration = section.value("max_lifetime");
    Some(AppSpec {
        name: name.to_owned(),
        root,
        interpreter: interpreter(section, serve.as_ref()),
        env: section.map("env", variable),
        children_min,
        children_max,
        boot_timeout: section.value("boot_timeout"),
        grace: section.value("grace"),
        idle_timeout: section.value("idle_timeout"),
        max_requests: section.value("max_requests"),
        max_lifetime: (!lifetime.is_zero()).then_some(lifetime),
        user: section.parsed("user", user),
        rlimits: rlimits(section),
        // Last, when everything has been read.
        serve: serve?,
    })
}

/// Each language has a key of its name for its interpreter.
fn interpreter(section: &Section<'_>, serve: Option<&Serve>) -> Option<PathBuf> {
    let of_app = serve.map(|serve| serve.runtime().about());
    let mut found = None;
    for about in runtime::ALL.iter().map(|runtime| runtime.about()) {
        match of_app {
            Some(own) if own.name != about.name && section.has(about.name) => {
                let text = format!("the app's language is {}; set {}", own.title, own.name);
                section.problem(about.name, text);
            }
            _ => {
                let folder = &section.findings.source.folder;
                let named = |text: &str| interpreter::named(text, folder, about);
                found = section.parsed(about.name, named).or(found);
            }
        }
    }
    found
}

/// Fewest and most children. The presets follow the CPUs, and bend to what was written.
fn children(section: &Section<'_>, cpus: u32) -> (u32, u32) {
    let preset_max = cpus.saturating_mul(4).max(4);
    if let Some(value) = section.entry("children")
        && value.get_ref().is_integer()
    {
        let number = setting::whole(value.get_ref()).filter(|n| (1..=10_000).contains(n));
        let Some(number) = number.and_then(|number| u32::try_from(number).ok()) else {
            let text = shown(value.get_ref());
            section.problem(
                "children",
                format!("{text} is not allowed; expected a whole number from 1 to 10000"),
            );
            return (1, 1);
        };
        return (number, number);
    }
    let table = section.table("children", Place::Children);
    let (min, max) = (table.written::<u32>("min"), table.written::<u32>("max"));
    if let (Some(min), Some(max)) = (min, max)
        && min > max
    {
        table.problem("min", format!("{min} is more than {}, which is {max}", table.path("max")));
    }
    let least = min.unwrap_or_else(|| max.map_or(cpus, |max| cpus.min(max)));
    (least, max.unwrap_or_else(|| preset_max.max(least)))
}

fn variable(name: &str, value: &DeValue<'_>) -> Result<String, String> {
    if name.is_empty() || name.contains(['=', '\0']) {
        return Err(format!("{name:?} is not a variable's name"));
    }
    match value.as_str() {
        Some(text) if !text.contains('\0') => Ok(text.to_owned()),
        _ => Err(format!("{} is not allowed; expected text", shown(value))),
    }
}

pub(super) fn user(text: &str) -> Result<String, String> {
    let odd = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '/' | ':' | ',');
    if text.is_empty() || text.starts_with('-') || text.contains(odd) {
        return Err(format!("{text:?} is not a user's name"));
    }
    Ok(text.to_owned())
}

/// A resource limit; the largest number is none.
struct Rlimit(u64);

impl Shown for Rlimit {
    fn show(&self) -> Value {
        i64::try_from(self.0).map_or_else(|_| Value::from("unlimited"), Value::from)
    }
}

fn rlimits(section: &Section<'_>) -> BTreeMap<String, u64> {
    let limits = section.map("rlimits", |name, value| {
        if !RLIMITS.contains(&name) {
            let allowed = values::listing(RLIMITS, "and");
            return Err(format!("no such limit; allowed here: {allowed}"));
        }
        let number = match value.as_str() {
            Some("unlimited") => Some(u64::MAX),
            Some(text) => Some(values::size(text)?),
            None => setting::whole(value),
        };
        number.map(Rlimit).ok_or_else(|| {
            format!("{} is not allowed; expected a number, a size or \"unlimited\"", shown(value))
        })
    });
    limits.into_iter().map(|(name, limit)| (name, limit.0)).collect()
}

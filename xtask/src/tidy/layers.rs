//! Who may depend on whom.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    error::Error,
    fs,
    path::Path,
    process::Command,
};

use serde_json::Value;

use super::Finding;

/// Each member and the members that it may depend on: ARCHITECTURE.md tells of it. An edge that is not here is a decision.
const LAYERS: &[(&str, &[&str])] = &[
    ("ostler-job", &[]),
    ("ostler-private", &[]),
    ("ostler-machine", &["ostler-job", "ostler-private"]),
    ("ostler-wire", &["ostler-job"]),
    ("ostler-scheduler", &["ostler-job"]),
    // Its tests drive it with the model of a store, and with a module that supplies jobs.
    (
        "ostler-driver",
        &["ostler-job", "ostler-scheduler", "ostler-module", "ostler-store", "ostler-cron-module"],
    ),
    ("ostler-store", &["ostler-job", "ostler-private"]),
    ("ostler-module", &["ostler-job"]),
    ("ostler-cron-module", &["ostler-job", "ostler-module"]),
    ("ostler-process", &[]),
    ("ostler-shell-module", &["ostler-job", "ostler-module", "ostler-private", "ostler-process"]),
    (
        "ostler-runner",
        &[
            "ostler-job",
            "ostler-private",
            "ostler-wire",
            "ostler-module",
            "ostler-process",
            "ostler-shell-module",
        ],
    ),
    ("ostler-heads", &[]),
    (
        "ostler-api",
        &[
            "ostler-job",
            "ostler-private",
            "ostler-machine",
            "ostler-driver",
            "ostler-heads",
            "ostler-module",
            "ostler-cron-module",
        ],
    ),
    ("ostler-notices", &["ostler-job", "ostler-machine"]),
    (
        "ostler-pool",
        &[
            "ostler-job",
            "ostler-machine",
            "ostler-wire",
            "ostler-scheduler",
            "ostler-heads",
            "ostler-notices",
        ],
    ),
    ("ostler-metrics", &[]),
    (
        "ostler-durable",
        &[
            "ostler-job",
            "ostler-private",
            "ostler-machine",
            "ostler-wire",
            "ostler-driver",
            "ostler-module",
            "ostler-cron-module",
            "ostler-store",
            "ostler-api",
            "ostler-notices",
            "ostler-metrics",
        ],
    ),
    (
        "ostler-gateway",
        &[
            "ostler-job",
            "ostler-private",
            "ostler-machine",
            "ostler-heads",
            "ostler-api",
            "ostler-notices",
            "ostler-metrics",
            "ostler-durable",
            "ostler-pool",
            "ostler-wire",
            "ostler-driver",
            "ostler-store",
        ],
    ),
    (
        "ostler-cli",
        &["ostler-private", "ostler-api", "ostler-gateway", "ostler-runner", "ostler-cron-module"],
    ),
    (
        "ostler-tests",
        &[
            "ostler-job",
            "ostler-wire",
            "ostler-scheduler",
            "ostler-driver",
            "ostler-store",
            "ostler-module",
            "ostler-cron-module",
            "ostler-runner",
            "ostler-gateway",
            "ostler-cli",
        ],
    ),
    ("ostler-xtask", &[]),
];

/// Members that decide and never act.
const PURE: &[&str] = &[
    "ostler-job",
    "ostler-wire",
    "ostler-scheduler",
    "ostler-driver",
    "ostler-module",
    "ostler-cron-module",
];

/// What acts: sockets, TLS, files, chance.
const IMPURE: &[&str] =
    &["tokio", "mio", "hyper", "rustls", "rusqlite", "rand", "getrandom", "socket2", "nix", "libc"];

/// The packages and their edges.
#[derive(Debug, Default)]
pub(crate) struct Metadata {
    /// Members: name, manifest's path from the root and its text.
    pub(crate) members: Vec<Member>,
    /// Edges of any kind that a member's manifest states, by name.
    pub(crate) stated: BTreeMap<String, BTreeSet<String>>,
    /// Resolved edges without development dependencies, by name.
    pub(crate) resolved: BTreeMap<String, BTreeSet<String>>,
}

/// A member of the workspace.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) manifest: String,
    pub(crate) text: String,
}

/// Asks cargo.
pub(crate) fn metadata(root: &Path) -> Result<Metadata, Box<dyn Error>> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(root)
        .output()?;
    if !output.status.success() {
        return Err(format!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    parse(&serde_json::from_slice(&output.stdout)?, root)
}

fn parse(value: &Value, root: &Path) -> Result<Metadata, Box<dyn Error>> {
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let members: BTreeSet<&str> =
        list(&value["workspace_members"]).iter().filter_map(Value::as_str).collect();
    let mut names = BTreeMap::new();
    let mut metadata = Metadata::default();
    for package in list(&value["packages"]) {
        let (id, name) = (text(package, "id"), text(package, "name"));
        if members.contains(id.as_str()) {
            let path = text(package, "manifest_path");
            let manifest = Path::new(&path).strip_prefix(root)?.display().to_string();
            let stated = list(&package["dependencies"]).iter().map(|d| text(d, "name")).collect();
            metadata.stated.insert(name.clone(), stated);
            metadata.members.push(Member {
                name: name.clone(),
                manifest,
                text: fs::read_to_string(path)?,
            });
        }
        names.insert(id, name);
    }
    for node in list(&value["resolve"]["nodes"]) {
        let edges = list(&node["deps"]).iter().filter(|dep| is_built_in(dep));
        let edges = edges.filter_map(|dep| names.get(dep["pkg"].as_str()?).cloned());
        let name = names.get(&text(node, "id")).ok_or("a resolved package is not listed")?;
        metadata.resolved.entry(name.clone()).or_default().extend(edges);
    }
    Ok(metadata)
}

/// Whether a resolved edge is more than a development dependency.
fn is_built_in(dep: &Value) -> bool {
    list(&dep["dep_kinds"]).iter().any(|kind| kind["kind"].as_str() != Some("dev"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Every stated edge between members is one of [`LAYERS`].
pub(crate) fn check_layers(metadata: &Metadata) -> Vec<Finding> {
    let names: BTreeSet<&str> = metadata.members.iter().map(|m| m.name.as_str()).collect();
    let mut findings = Vec::new();
    for member in &metadata.members {
        let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == member.name) else {
            let cure = format!(
                "{} has no layer: decide what it may depend on in xtask/src/tidy/layers.rs",
                member.name
            );
            findings.push(Finding::new(&member.manifest, 1, cure));
            continue;
        };
        let stated = metadata.stated.get(&member.name).into_iter().flatten();
        for edge in stated.filter(|e| names.contains(e.as_str()) && !allowed.contains(&e.as_str()))
        {
            let cure = format!(
                "{} may not depend on {edge}: remove the dependency, or move what is shared to ostler-job",
                member.name
            );
            findings.push(Finding::new(&member.manifest, line_of(&member.text, edge), cure));
        }
    }
    findings
}

/// No pure member reaches anything that acts, however far away.
pub(crate) fn check_purity(metadata: &Metadata) -> Vec<Finding> {
    let mut findings = Vec::new();
    for member in metadata.members.iter().filter(|m| PURE.contains(&m.name.as_str())) {
        for path in paths_to_impure(&metadata.resolved, &member.name) {
            let first = path.get(1).expect("a path has an end that is not its start");
            let cure = format!(
                "{} is pure, but reaches {}: remove {first} or its feature",
                member.name,
                path.join(" -> ")
            );
            findings.push(Finding::new(&member.manifest, line_of(&member.text, first), cure));
        }
    }
    findings
}

/// The shortest path from `start` to each impure package that it reaches.
fn paths_to_impure(edges: &BTreeMap<String, BTreeSet<String>>, start: &str) -> Vec<Vec<String>> {
    let mut seen = BTreeSet::from([start.to_owned()]);
    let mut waiting = VecDeque::from([vec![start.to_owned()]]);
    let mut found = Vec::new();
    while let Some(path) = waiting.pop_front() {
        let last = path.last().expect("paths are never empty");
        for next in edges.get(last).into_iter().flatten().filter(|n| seen.insert((*n).clone())) {
            let longer: Vec<_> = path.iter().chain([next]).cloned().collect();
            if IMPURE.contains(&next.as_str()) {
                found.push(longer);
            } else {
                waiting.push_back(longer);
            }
        }
    }
    found
}

fn line_of(manifest: &str, dependency: &str) -> usize {
    manifest
        .lines()
        .position(|line| line.trim_start().starts_with(dependency))
        .map_or(1, |index| index + 1)
}

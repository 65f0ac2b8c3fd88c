//! Every member inherits the workspace's lints, and the README asks for the Rust that the manifest declares.

use super::{Finding, Source};

pub(crate) fn check(sources: &[Source]) -> Vec<Finding> {
    let Some(root) = sources.iter().find(|s| s.path == "Cargo.toml") else {
        return vec![Finding::new("Cargo.toml", 1, "the workspace's manifest is missing")];
    };
    let members = members(&root.text);
    let manifests = members.iter().map(|member| format!("{member}/Cargo.toml"));
    let findings = manifests.filter_map(|path| check_member(sources, &path));
    findings.chain(check_version(root, sources)).collect()
}

/// `make msrv` tries what the manifest declares; the README must not promise another.
fn check_version(root: &Source, sources: &[Source]) -> Option<Finding> {
    let declared = root.lines().find_map(|(_, line)| line.strip_prefix("rust-version = \""))?;
    let declared = declared.trim_end_matches('"');
    let readme = sources.iter().find(|s| s.path == "README.md")?;
    let wanted = format!("Rust {declared} or newer");
    let cure = format!("say \"{wanted}\": Cargo.toml declares it");
    (!readme.text.contains(&wanted)).then(|| Finding::new("README.md", 1, cure))
}

fn check_member(sources: &[Source], path: &str) -> Option<Finding> {
    let Some(source) = sources.iter().find(|s| s.path == path) else {
        return Some(Finding::new("Cargo.toml", 1, format!("the member {path} does not exist")));
    };
    let lines: Vec<&str> = source.text.lines().map(str::trim).collect();
    let inherits = lines.windows(2).any(|pair| pair == ["[lints]", "workspace = true"]);
    (!inherits).then(|| {
        let line = lines.iter().position(|l| l.starts_with("[lints")).map_or(1, |index| index + 1);
        Finding::new(path, line, "inherit the lints: `[lints]` with `workspace = true`")
    })
}

/// The strings of `members = [...]`.
fn members(manifest: &str) -> Vec<&str> {
    let Some((_, rest)) = manifest.split_once("members = [") else { return Vec::new() };
    let list = rest.split(']').next().unwrap_or_default();
    list.split('"').skip(1).step_by(2).collect()
}

//! Every member inherits the workspace's lints.

use super::{Finding, Source};

pub(crate) fn check(sources: &[Source]) -> Vec<Finding> {
    let Some(root) = sources.iter().find(|s| s.path == "Cargo.toml") else {
        return vec![Finding::new("Cargo.toml", 1, "the workspace's manifest is missing")];
    };
    let members = members(&root.text);
    let manifests = members.iter().map(|member| format!("{member}/Cargo.toml"));
    manifests.filter_map(|path| check_member(sources, &path)).collect()
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

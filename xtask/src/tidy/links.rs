//! What a document points at exists.

use std::collections::BTreeSet;

use super::{Finding, Source};

/// File names of the root that stand without a folder.
const FILES: &[&str] = &[".md"];

pub(crate) fn is_checked(path: &str) -> bool {
    let name = path.strip_prefix("docs/").unwrap_or(path);
    name.ends_with(".md") && !name.contains('/')
}

/// Hidden folders of the root, which `Source` does not read.
const HIDDEN: &[&str] = &[".ci", ".config"];
/// A path that ends so is one of the tree, whatever it begins with: its folder may be what is gone.
const CODE: &[&str] = &[".rs", ".py"];

/// The folders of the root, each crate among them without being named here.
pub(crate) fn roots(sources: &[Source]) -> BTreeSet<&str> {
    let folders = sources.iter().filter_map(|source| Some(source.path.split_once('/')?.0));
    folders.chain(HIDDEN.iter().copied()).collect()
}

/// `roots` are the folders of the root: a path in backticks that begins with one of them is a path of the tree.
pub(crate) fn check(
    document: &Source,
    roots: &BTreeSet<&str>,
    exists: impl Fn(&str) -> bool,
) -> Vec<Finding> {
    let folder = document.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut fenced = false;
    let mut findings = Vec::new();
    for (line, text) in document.lines() {
        if text.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        for link in relative_links(text) {
            let path = join(folder, link);
            if !exists(&path) {
                findings.push(Finding::new(
                    &document.path,
                    line,
                    format!("the link leads nowhere: make {path}, or mend the link"),
                ));
            }
        }
        for path in repo_paths(text, roots).filter(|path| !exists(path)) {
            findings.push(Finding::new(
                &document.path,
                line,
                format!("`{path}` does not exist: name what does"),
            ));
        }
    }
    findings
}

/// Targets of `[text](target)` that stay in the tree, without their `#section`.
fn relative_links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let targets = targets.map(|target| target.split('#').next().unwrap_or_default());
    targets.filter(|t| !t.is_empty() && !t.contains("://") && !t.starts_with("mailto:"))
}

/// Paths of the tree in backticks.
fn repo_paths<'a>(text: &'a str, roots: &BTreeSet<&str>) -> impl Iterator<Item = &'a str> {
    text.split('`').skip(1).step_by(2).filter(|word| is_repo_path(word, roots))
}

fn is_repo_path(word: &str, roots: &BTreeSet<&str>) -> bool {
    let plain = word.chars().all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c));
    match word.split_once('/') {
        Some((first, rest)) => {
            let of_tree = roots.contains(first) || CODE.iter().any(|e| rest.ends_with(e));
            plain && of_tree && !rest.starts_with('/')
        }
        None => {
            plain
                && FILES.iter().any(|e| word.ends_with(e))
                && word.starts_with(|c: char| c.is_ascii_uppercase())
        }
    }
}

/// A relative path seen from a folder, `..` resolved.
fn join(folder: &str, link: &str) -> String {
    let mut parts: Vec<&str> =
        if link.starts_with('/') { Vec::new() } else { folder.split('/').collect() };
    for part in link.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." | "" => {}
            part => parts.push(part),
        }
    }
    parts.retain(|part| !part.is_empty());
    parts.join("/")
}

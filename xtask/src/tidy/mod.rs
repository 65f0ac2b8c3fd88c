//! The checks, run over the whole tree. Each is a function of text, so that a broken text can prove that it works.

use std::{error::Error, fmt, path::Path};

mod catalogue;
mod fields;
mod folders;
mod imports;
mod languages;
mod layers;
mod links;
mod manifests;
mod private;
mod pure;
mod size;
mod source;
#[cfg(test)]
mod tests;

use source::Source;

/// A broken rule: where, and what to do about it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// Path from the root.
    file: String,
    /// Line, from 1.
    line: usize,
    /// What is wrong and what mends it.
    cure: String,
}

impl Finding {
    fn new(file: impl Into<String>, line: usize, cure: impl Into<String>) -> Self {
        Self { file: file.into(), line, cure: cure.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.cure)
    }
}

/// Runs every check over the tree at `root`.
pub(crate) fn run(root: &Path) -> Result<Vec<Finding>, Box<dyn Error>> {
    let metadata = layers::metadata(root)?;
    let sources = Source::read_tree(root)?;
    let exists = |path: &str| root.join(path).exists();

    let mut findings = layers::check_layers(&metadata);
    findings.extend(layers::check_purity(&metadata));
    findings.extend(manifests::check(&sources));
    findings.extend(sources.iter().flat_map(size::check));
    findings.extend(sources.iter().flat_map(private::check));
    findings.extend(folders::check(&sources));
    findings.extend(sources.iter().filter(|s| pure::is_pure(&s.path)).flat_map(pure::check));
    let roots = links::roots(&sources);
    let documents = sources.iter().filter(|s| links::is_checked(&s.path));
    findings.extend(documents.flat_map(|document| links::check(document, &roots, exists)));
    findings.extend(catalogue::check(&sources));
    findings.extend(fields::check(&sources));
    findings.extend(languages::check(&sources));
    findings.sort();
    Ok(findings)
}

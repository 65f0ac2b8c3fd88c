//! Finds the app in a folder by the files that frameworks make, reading but never running them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::entry;
use crate::runtime::Serve;

/// Modules that hold an app, with the names to look for, in order.
const USUAL: [(&str, &[&str]); 3] = [
    ("wsgi", &["application", "app"]),
    ("app", &["app", "application", "create_app()"]),
    ("main", &["app", "application", "create_app()"]),
];

/// Source files larger than this are no app's entry.
const SOURCE_MAX: u64 = 4 << 20;

/// The app of a folder; what was there and was none, a sentence for each.
pub(super) fn detect(folder: &Path) -> Result<Serve, Vec<String>> {
    let mut seen = Vec::new();
    let manage = folder.join("manage.py");
    if manage.is_file() {
        match django(folder, &manage) {
            Ok(serve) => return Ok(serve),
            Err(reason) => seen.push(reason),
        }
    }
    for (module, names) in USUAL {
        let Some(file) = file_of(folder, module) else { continue };
        if let Some(callable) = callable(&file, names) {
            return Ok(entry::serve(module, &callable));
        }
        let file = file.strip_prefix(folder).unwrap_or(&file).display();
        seen.push(format!("{file} has none of {}", names.join(", ")));
    }
    Err(seen)
}

/// A Django project names its settings in `manage.py`; its `wsgi.py` lies beside or above them.
fn django(folder: &Path, manage: &Path) -> Result<Serve, String> {
    let text = read(manage).unwrap_or_default();
    let settings = text
        .lines()
        .filter(|line| line.contains("DJANGO_SETTINGS_MODULE"))
        .find_map(|line| {
            line.split(['"', '\'']).find(|part| {
                !part.is_empty() && *part != "DJANGO_SETTINGS_MODULE" && is_module(part)
            })
        })
        .ok_or("manage.py names no DJANGO_SETTINGS_MODULE")?;
    let mut package = settings;
    while let Some((parent, _)) = package.rsplit_once('.') {
        package = parent;
        let module = format!("{package}.wsgi");
        if let Some(file) = file_of(folder, &module) {
            let callable = callable(&file, &["application", "app"])
                .unwrap_or_else(|| "application".to_owned());
            return Ok(entry::serve(&module, &callable));
        }
    }
    Err(format!("manage.py names {settings}, which has no wsgi.py beside it"))
}

fn is_module(text: &str) -> bool {
    text.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '.')
}

/// The source file of a module under a folder.
pub(super) fn file_of(root: &Path, module: &str) -> Option<PathBuf> {
    let path = root.join(module.replace('.', "/"));
    let candidates = [path.with_extension("py"), path.join("__init__.py")];
    candidates.into_iter().find(|file| file.is_file())
}

/// Whether a module could be imported from a folder: source, package, or compiled.
pub(super) fn exists(root: &Path, module: &str) -> bool {
    if file_of(root, module).is_some() {
        return true;
    }
    let path = root.join(module.replace('.', "/"));
    let (Some(folder), Some(stem)) = (path.parent(), path.file_name()) else { return false };
    let stem = stem.to_string_lossy();
    let is_it = |name: &str| {
        let rest = name.strip_prefix(&*stem);
        rest.is_some_and(|rest| rest == ".pyc" || rest.starts_with('.') && rest.ends_with(".so"))
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    path.is_dir() || entries.into_iter().any(|entry| is_it(&entry.file_name().to_string_lossy()))
}

/// The first of the names that a source file defines at its top level.
pub(super) fn callable(file: &Path, names: &[&str]) -> Option<String> {
    let text = read(file)?;
    let found = names.iter().find(|name| defines(&text, name));
    found.map(|name| (*name).to_owned())
}

fn read(file: &Path) -> Option<String> {
    let size = fs::metadata(file).ok()?.len();
    let bytes = if size <= SOURCE_MAX { fs::read(file).ok()? } else { return None };
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// A cheap look at lines that begin at the margin; `name()` asks for a function of that name.
fn defines(source: &str, name: &str) -> bool {
    if let Some(factory) = name.strip_suffix("()") {
        return source.lines().any(|line| has_head(line, "def ", factory));
    }
    source.lines().any(|line| {
        has_head(line, "def ", name) || has_head(line, "class ", name) || binds(line, name)
    })
}

fn has_head(line: &str, keyword: &str, name: &str) -> bool {
    let rest = line.strip_prefix(keyword).and_then(|rest| rest.trim_start().strip_prefix(name));
    rest.is_some_and(|rest| rest.trim_start().starts_with(['(', ':']))
}

/// Whether an assignment or an import at the margin binds the name.
fn binds(line: &str, name: &str) -> bool {
    let line = line.split('#').next().unwrap_or(line);
    if line.starts_with("from ") || line.starts_with("import ") {
        let names = line.split_once("import ").map_or("", |(_, names)| names);
        return names.split(',').any(|one| {
            one.trim_matches(|c: char| c.is_whitespace() || c == '(' || c == ')')
                .rsplit([' ', '\t'])
                .next()
                .is_some_and(|last| last == name)
        });
    }
    if line.starts_with(char::is_whitespace) {
        return false;
    }
    let mut sides: Vec<&str> = line.split('=').collect();
    sides.pop();
    let target = |text: &str| text.split(':').next().is_some_and(|target| target.trim() == name);
    sides.iter().any(|side| side.split(',').any(target))
}

//! The text files of the tree.

use std::{fs, io, path::Path};

/// A file and its text.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// Path from the root, with `/`.
    pub(crate) path: String,
    /// Its text.
    pub(crate) text: String,
}

/// Folders that hold nothing written by hand, wherever they are.
const SKIPPED: &[&str] = &["node_modules", "__pycache__", "corpus", "artifacts"];
/// The same, by their paths.
const BUILT: &[&str] = &["target", "fuzz/target"];

impl Source {
    /// A file of a fixture.
    #[cfg(test)]
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self { path: path.into(), text: text.into() }
    }

    /// Every Rust, Python, TOML and Markdown file below `root`, in order of its path.
    pub(crate) fn read_tree(root: &Path) -> io::Result<Vec<Self>> {
        let mut sources = Vec::new();
        Self::read_folder(root, "", &mut sources)?;
        sources.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(sources)
    }

    fn read_folder(folder: &Path, prefix: &str, sources: &mut Vec<Self>) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{prefix}{name}");
            let kind = entry.file_type()?;
            let skipped = name.starts_with('.')
                || SKIPPED.contains(&name.as_str())
                || BUILT.contains(&path.as_str());
            if kind.is_dir() && !skipped {
                Self::read_folder(&entry.path(), &format!("{path}/"), sources)?;
            } else if kind.is_file()
                && [".rs", ".py", ".toml", ".md"].iter().any(|e| name.ends_with(e))
            {
                let text = String::from_utf8_lossy(&fs::read(entry.path())?).into_owned();
                sources.push(Self { path, text });
            }
        }
        Ok(())
    }

    /// The lines with their numbers, from 1.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// Whether the whole file is there for tests.
    pub(crate) fn is_test(&self) -> bool {
        let (folders, name) = self.path.rsplit_once('/').unwrap_or(("", &self.path));
        let in_folder =
            folders.split('/').any(|f| matches!(f, "tests" | "benches" | "examples" | "fuzz"));
        in_folder || name == "tests.rs" || name.ends_with("_tests.rs") || name.starts_with("test_")
    }

    /// The number of the line that the file's own tests begin with; past the end when there are none.
    pub(crate) fn tests_begin(&self) -> usize {
        let lines: Vec<&str> = self.text.lines().collect();
        let inline = lines.windows(2).position(|pair| {
            pair[0].trim() == "#[cfg(test)]"
                && (pair[1].starts_with("mod ") || pair[1].contains(") mod "))
                && pair[1].ends_with('{')
        });
        inline.map_or(lines.len() + 1, |index| index + 1)
    }
}

//! A document that is pasted: its blocks one after the other into one shell, and what they wrote, by heading.

use std::{path::Path, time::Duration};

use crate::{
    process::command_of,
    script::{Script, blocks_of},
};

/// Ports that nobody else has; a person takes the default ones.
const CONFIG: &str = "[listen]\napi = \"127.0.0.1:0\"\nrunners = \"127.0.0.1:0\"\n";
const SECTION: &str = "=== ";

/// The session, and what it wrote.
#[derive(Debug)]
pub struct Session {
    script: Script,
    told: String,
}

impl Session {
    /// Pastes the shell's blocks of a file of `docs/`, and waits until they are over.
    pub fn of(document: &str, limit: Duration) -> Self {
        let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs")).join(document);
        let mut text = String::new();
        for (heading, block) in blocks_of(&path, "sh") {
            text += &format!("echo '{SECTION}{}'\n{block}", heading.replace('\'', ""));
        }
        let mut script = Script::start(&text, &[("ostler.toml", CONFIG)]);
        script.wait(limit);
        Self { told: script.told(), script }
    }

    /// All of it.
    pub fn told(&self) -> &str {
        &self.told
    }

    /// What came below the headings that begin so.
    pub fn below(&self, heading: &str) -> String {
        let parts = self.told.split(SECTION).filter_map(|part| part.split_once('\n'));
        let lines: String =
            parts.filter(|(title, _)| title.starts_with(heading)).map(|(_, lines)| lines).collect();
        assert!(!lines.is_empty(), "nothing below {heading:?}:\n{}", self.told);
        lines
    }

    /// The same as rows of words.
    pub fn rows(&self, heading: &str) -> Vec<Vec<String>> {
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect();
        self.below(heading).lines().map(words).collect()
    }

    /// The commands of what it started and left running.
    pub fn left(&self) -> Vec<String> {
        self.script.left().into_iter().map(command_of).collect()
    }
}

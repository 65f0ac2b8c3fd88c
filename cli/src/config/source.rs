//! A config file's text, and what was found wrong in it.

use std::{cell::RefCell, path::PathBuf};

use super::effective::Record;

/// The text of a file with its name.
#[derive(Debug)]
pub(crate) struct Source {
    /// As messages name it.
    pub(crate) name: String,
    /// The folder that relative paths start from.
    pub(crate) folder: PathBuf,
    /// What it says.
    pub(crate) text: String,
}

impl Source {
    /// The line, from 1, of a byte offset.
    pub(crate) fn line(&self, offset: usize) -> usize {
        let before = self.text.as_bytes().iter().take(offset);
        1 + before.filter(|byte| **byte == b'\n').count()
    }
}

/// Collects every problem of a file, so that all of them are told at once, and what its keys came to be.
#[derive(Debug)]
pub(crate) struct Findings<'a> {
    pub(crate) source: &'a Source,
    pub(crate) record: Record,
    found: RefCell<Vec<(usize, String)>>,
    notes: RefCell<Vec<(usize, String)>>,
}

impl<'a> Findings<'a> {
    pub(crate) fn new(source: &'a Source) -> Self {
        Self {
            source,
            record: Record::default(),
            found: RefCell::default(),
            notes: RefCell::default(),
        }
    }

    /// Something that stops the start.
    pub(crate) fn problem(&self, offset: usize, text: String) {
        self.found.borrow_mut().push((offset, text));
    }

    /// Something that works, but hardly as meant.
    pub(crate) fn note(&self, offset: usize, text: String) {
        self.notes.borrow_mut().push((offset, text));
    }

    /// Whether any problem was noted.
    pub(crate) fn any(&self) -> bool {
        !self.found.borrow().is_empty()
    }

    /// The notes when nothing is wrong, else the problems; by line, each with file and line.
    pub(crate) fn finish(self) -> Result<Vec<String>, Vec<String>> {
        let lines = |mut list: Vec<(usize, String)>| -> Vec<String> {
            list.sort();
            list.dedup();
            let Source { name, .. } = self.source;
            let line = |(offset, text)| format!("{name}:{}: {text}", self.source.line(offset));
            list.into_iter().map(line).collect()
        };
        let found = self.found.into_inner();
        if found.is_empty() { Ok(lines(self.notes.into_inner())) } else { Err(lines(found)) }
    }
}

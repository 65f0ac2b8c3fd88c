//! From what clients send to what the gateway means, strictly: everything that is wrong is told at once, each with its place and
//! its cure.

pub(crate) mod build;
pub(crate) mod checks;
pub(crate) mod identity;
pub(crate) mod query;
pub(crate) mod shape;
pub(crate) mod strict;
pub(crate) mod submit;
pub(crate) mod text;

use super::problem::FieldError;

/// What is wrong with a body so far.
#[derive(Debug, Default)]
pub(crate) struct Notes(pub(crate) Vec<FieldError>);

impl Notes {
    pub(crate) fn add(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        let pointer = Some(pointer.into());
        self.0.push(FieldError { pointer, detail: detail.into(), ..FieldError::default() });
    }

    /// One thing that is wrong.
    pub(crate) fn one(pointer: &str, detail: &str) -> Self {
        let mut notes = Self::default();
        notes.add(pointer, detail);
        notes
    }

    /// Whether something is wrong with one of these fields already.
    pub(crate) fn any(&self, pointers: &[&str]) -> bool {
        self.0.iter().any(|note| note.pointer.as_deref().is_some_and(|it| pointers.contains(&it)))
    }
}

/// One step of a JSON pointer (RFC 6901).
pub(crate) fn step(pointer: &str, name: &str) -> String {
    match name.contains(['~', '/']) {
        true => format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1")),
        false => format!("{pointer}/{name}"),
    }
}

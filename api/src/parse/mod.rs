//! From what clients send to what the gateway means, strictly: everything that is wrong is told at once, each with its place and
//! its cure.

pub(crate) mod build;
pub(crate) mod checks;
pub(crate) mod conditions;
pub(crate) mod edit;
pub(crate) mod identity;
pub(crate) mod query;
pub(crate) mod schedule;
pub(crate) mod shape;
pub(crate) mod sort;
pub(crate) mod states;
pub(crate) mod strict;
pub(crate) mod submit;
pub(crate) mod text;
pub(crate) mod words;

use axum::body::Body;
use http::HeaderMap;
use serde_json::Value;

use super::{
    body,
    problem::{FieldError, Problem},
};

/// Bytes of one object, at most.
pub(crate) const BODY_MAX: usize = 1 << 20;

/// Wrong things that are told of one body. Whoever sends a megabyte of them learns no more from the rest.
pub(crate) const NOTES_MAX: usize = 20;
/// Bytes of a pointer that are told.
const POINTER_MAX: usize = 200;

/// The beginning of a pointer.
fn cut(mut pointer: String) -> String {
    if pointer.len() > POINTER_MAX {
        let end = (0..=POINTER_MAX).rev().find(|at| pointer.is_char_boundary(*at));
        pointer.truncate(end.unwrap_or(0));
        pointer.push('…');
    }
    pointer
}

/// What is wrong with a body so far.
#[derive(Debug, Default)]
pub(crate) struct Notes(pub(crate) Vec<FieldError>);

impl Notes {
    pub(crate) fn add(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        let (pointer, detail) = match self.0.len() {
            ..NOTES_MAX => (cut(pointer.into()), detail.into()),
            NOTES_MAX => (String::new(), "more is wrong than is told here".to_owned()),
            _ => return,
        };
        self.0.push(FieldError { pointer: Some(pointer), detail, ..FieldError::default() });
    }

    /// Nothing is wrong; or all that is.
    pub(crate) fn done(self) -> Result<(), Problem> {
        if self.0.is_empty() { Ok(()) } else { Err(Problem::fields(self.0)) }
    }

    /// No more is told: it need not be looked for either.
    pub(crate) fn is_full(&self) -> bool {
        self.0.len() > NOTES_MAX
    }

    /// One thing that is wrong.
    pub(crate) fn one(pointer: &str, detail: &str) -> Self {
        let mut notes = Self::default();
        notes.add(pointer, detail);
        notes
    }

    /// What is wrong with a field's own object.
    pub(crate) fn within(&mut self, at: &str, own: Self) {
        for wrong in own.0 {
            self.add(format!("{at}{}", wrong.pointer.unwrap_or_default()), wrong.detail);
        }
    }

    /// Whether something is wrong with a field, or within it, already.
    pub(crate) fn of(&self, pointer: &str) -> bool {
        let within = |note: &FieldError| {
            let rest = note.pointer.as_deref().and_then(|it| it.strip_prefix(pointer));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.0.iter().any(within)
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

/// A body that is one object, without what is wrong with it.
pub(crate) async fn object<T: shape::Fielded>(
    headers: &HeaderMap,
    body: Body,
) -> Result<(T, Notes), Problem> {
    body::needs_json(headers)?;
    let text = body::read(body, BODY_MAX).await?;
    slowly(&text, "expected one object")
}

/// What is right of an object, and what is wrong with the rest.
pub(crate) fn slowly<T: shape::Fielded>(
    text: &[u8],
    expected: &str,
) -> Result<(T, Notes), Problem> {
    let value = strict::value(text).map_err(|error| build::bad_json(text, &error))?;
    pruned(value, Notes::default(), expected)
}

/// The same of one that was looked at before.
fn pruned<T: shape::Fielded>(
    mut value: Value,
    mut notes: Notes,
    expected: &str,
) -> Result<(T, Notes), Problem> {
    let Some(object) = value.as_object_mut() else {
        return Err(Problem::fields(Notes::one("", expected).0));
    };
    shape::prune(object, T::fields(), "", &mut notes);
    match T::deserialize(value) {
        Ok(request) => Ok((request, notes)),
        Err(error) if notes.0.is_empty() => Err(build::bad_json(b"{}", &error)),
        Err(_) => Err(Problem::fields(notes.0)),
    }
}

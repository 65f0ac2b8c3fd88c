//! What an app is made of, as text: `wsgi:module:callable`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{ALL, Runtime, right};

/// Kinds that other servers have, and that people try.
const ELSEWHERE: [&str; 6] = ["asgi", "rack", "php", "node", "http", "exec"];

/// What to load, and the language that knows how.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Serve {
    runtime: &'static dyn Runtime,
    text: String,
}

impl Serve {
    /// An app of a language, by its text in full.
    pub(crate) fn new(runtime: &'static dyn Runtime, text: String) -> Self {
        Self { runtime, text }
    }

    /// As somebody wrote it.
    pub fn read(text: &str) -> Result<Self, String> {
        let kind = text.split_once(':').map(|(kind, _)| kind);
        for &runtime in ALL {
            let mut forms = runtime.about().forms.iter();
            if let Some(form) = forms.find(|form| kind == Some(form.kind)) {
                runtime.read(form, &text[form.kind.len() + 1..])?;
                return Ok(Self::new(runtime, text.to_owned()));
            }
        }
        let what = match kind.is_some_and(|kind| ELSEWHERE.contains(&kind)) {
            true => "is not supported yet",
            false => "is not an app",
        };
        Err(format!("{text:?} {what}; {}", right()))
    }

    /// Its language.
    pub fn runtime(&self) -> &'static dyn Runtime {
        self.runtime
    }

    /// As it is written, and as its child is told.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What follows its kind.
    pub(crate) fn rest(&self) -> &str {
        self.text.split_once(':').map_or("", |(_, rest)| rest)
    }
}

impl PartialEq for Serve {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Serve {}

impl fmt::Display for Serve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for Serve {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::read(&text)
    }
}

impl From<Serve> for String {
    fn from(serve: Serve) -> Self {
        serve.text
    }
}

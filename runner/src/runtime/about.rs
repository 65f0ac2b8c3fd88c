//! What is said of languages in messages, in help and in the config: of one, and of all.

use std::path::Path;

use super::ALL;

/// What is said of a language.
#[derive(Debug)]
pub struct About {
    /// Its name: that of its folders, and of the key of `[app.NAME]` that names its interpreter.
    pub name: &'static str,
    /// Its name as people write it.
    pub title: &'static str,
    /// Where the interpreter is in a folder made for it, for somebody who names the folder.
    pub program: &'static str,
    /// How its apps are written; one for each kind of app.
    pub forms: &'static [Form],
    /// What a folder with an app has, each in a few words.
    pub folders: &'static [&'static str],
    /// The same in full.
    pub looked_for: &'static str,
}

/// How apps of a kind are written.
#[derive(Debug)]
pub struct Form {
    /// What stands before the first colon.
    pub kind: &'static str,
    /// The whole.
    pub written: &'static str,
    /// An example.
    pub example: &'static str,
}

impl Form {
    /// What to write, for somebody who wrote something else.
    pub fn right(&self) -> String {
        format!("write {}", self.with_example())
    }

    fn with_example(&self) -> String {
        format!("{}, such as {}", self.written, self.example)
    }
}

fn every_form() -> impl Iterator<Item = &'static Form> {
    ALL.iter().flat_map(|runtime| runtime.about().forms)
}

/// How apps are written, each form with this before it.
pub fn forms(before: &str) -> String {
    let forms: Vec<_> = every_form().map(|form| format!("{before}{}", form.written)).collect();
    forms.join(" or ")
}

/// What to write, for somebody who wrote no app at all.
pub fn right() -> String {
    let forms: Vec<_> = every_form().map(Form::with_example).collect();
    format!("write {}", forms.join(", or "))
}

/// What a folder with an app has, in a few words each.
pub fn folders() -> impl Iterator<Item = &'static str> {
    ALL.iter().flat_map(|runtime| runtime.about().folders).copied()
}

/// How the app in a file of this name is written, if it is one of any language.
pub fn of_file(name: &Path) -> Option<String> {
    ALL.iter().find_map(|runtime| runtime.of_file(name))
}

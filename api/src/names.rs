//! What the fields of requests are called, for those who write requests: the same that the server reads by.

use crate::parse::{
    conditions::{self, Conditions},
    shape::Fielded as _,
    submit::Submit,
};

/// The fields of a job that is submitted.
pub fn submit() -> impl Iterator<Item = &'static str> {
    Submit::fields().iter().map(|field| &*field.name)
}

/// The conditions of a list or a bulk action.
pub fn conditions() -> &'static [&'static str] {
    Conditions::names()
}

/// Whether a condition may be there several times.
pub fn may_repeat(condition: &str) -> bool {
    conditions::may_repeat(condition)
}

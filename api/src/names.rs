//! What the fields of requests are called, for those who write requests: the same that the server reads by.

use ostler_job::durable::GroupKey;

use crate::parse::{
    conditions::{self, Conditions},
    edit,
    schedule::ScheduleRequest,
    shape::Fielded as _,
    sort,
    submit::Submit,
};

/// The fields of a job that is submitted.
pub fn submit() -> impl Iterator<Item = &'static str> {
    Submit::fields().iter().map(|field| &*field.name)
}

/// The fields of a schedule that is put.
pub fn schedule() -> impl Iterator<Item = &'static str> {
    ScheduleRequest::fields().iter().map(|field| &*field.name)
}

/// The fields of a job that may be changed while it waits.
pub fn edit() -> impl Iterator<Item = &'static str> {
    edit::names()
}

/// The conditions of a list or a bulk action.
pub fn conditions() -> &'static [&'static str] {
    Conditions::names()
}

/// Whether a condition may be there several times.
pub fn may_repeat(condition: &str) -> bool {
    conditions::may_repeat(condition)
}

/// The orders of a list.
pub fn sorts() -> impl Iterator<Item = &'static str> {
    sort::words()
}

/// What jobs are counted by.
pub fn groups() -> impl Iterator<Item = &'static str> {
    GroupKey::ALL.iter().map(|key| key.code())
}
